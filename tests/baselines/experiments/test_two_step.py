"""Claims of the two-step task on measures made by hand, and who must fail them."""

import gymnasium as gym
import numpy as np
import pytest
from figures import assert_drawn
from judged import judge, with_frozen

from neurotasks.analysis.two_step import CONDITIONS, stay_effects
from neurotasks.episodes import run_episodes
from neurotasks_baselines.experiments import two_step, two_step_measures
from neurotasks_baselines.experiments.two_step import EXPERIMENT
from neurotasks_baselines.experiments.two_step_measures import (
    CUE,
    FOIL_EPISODES,
    ID,
    LATENT,
    MODEL_FREE,
    RewardAsCue,
    behaviour,
    cue_rpes,
    rpe_fits,
)
from neurotasks_baselines.experiments.two_step_strategies import (
    FREE_FIT,
    LATENT_STATE,
    REWARD_AS_CUE,
    beliefs,
    strategy_fits,
    value_leads,
)
from neurotasks_baselines.training.evaluate import held_out_envs

STAYS = {name: f"P(stay | {name})" for name in CONDITIONS}
INTERACTION = "reward x transition interaction of staying (model-based)"
PLANNING = "reward x transition interaction of staying, as a sign of planning"
EFFECT = "main effect of reward on staying (model-free), size"
REWARD = "reward per trial"
R2 = "R2 of the agent's RPEs with a model-based learner's"
BETTER_R2 = "R2 with the model-based minus R2 with the best model-free learner's RPEs"
INDEX = "model-based index of the 5-lag regression"
DIFFERENCE = "model-based minus model-free index of the 5-lag regression"
LATER = "model-based index of lags 2 to 5"
OVER_CUE, OVER_FREE = (
    next(row.name for row in EXPERIMENT.claims if row.key == f"latent_over.{name}")
    for name in (REWARD_AS_CUE, FREE_FIT)
)
SHARED = {STAYS["rewarded common"], STAYS["unrewarded common"], PLANNING}  # with a foil


def made(stays=(0.99, 0.64, 0.62, 0.98), **changes):
    stays = dict(zip(CONDITIONS, stays, strict=True))
    effects = {f"{name}_effect": value for name, value in stay_effects(stays).items()}
    sample = np.random.default_rng(0).normal(size=(3, 20)).tolist()
    measures = {"stays": stays, **effects, "reward_per_trial": 0.70, "rpe_sample": sample}
    measures |= {"r2_model_based": 0.9, "r2_with_last_trial": 0.8, "r2_model_free": 0.6}
    measures |= {"strategies": strategies(-0.1)}
    history = [{"steps": i * 1e6, "reward_per_trial": 0.3 * i} for i in range(3)]
    return measures | {"lags": lags(2, -2, -2, 2), "history": history} | changes


def strategies(latent, cue=-0.35, free=-0.35):
    return {LATENT_STATE: latent, REWARD_AS_CUE: cue, FREE_FIT: free}


def lags(*signs):
    """Return weights of the last five choices of each kind."""
    weights = ([sign / lag for lag in range(1, 6)] for sign in signs)
    return dict(zip(CONDITIONS, weights, strict=True))


def verdicts(measures):
    return {c.claim: c.verdict for c in judge(EXPERIMENT, [measures] * 3) if c.counted}


def with_verdict(verdict, measures):
    return {claim for claim, found in verdicts(measures).items() if found == verdict}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"stays": (0.9, 0.64, 0.62, 0.98)}, {STAYS["rewarded common"]}),
        ({"stays": (0.99, 0.80, 0.62, 0.98)}, {STAYS["rewarded rare"], EFFECT}),
        ({"stays": (0.99, 0.54, 0.54, 0.98)}, {STAYS["rewarded rare"]}),
        ({"stays": (0.99, 0.64, 0.76, 0.98)}, {STAYS["unrewarded common"]}),
        ({"stays": (0.99, 0.64, 0.50, 0.98)}, {STAYS["unrewarded common"]}),  # a guess
        ({"stays": (0.99, 0.64, 0.62, 0.94)}, {STAYS["unrewarded rare"]}),
        # model-free: who is rewarded stays
        ({"stays": (0.9, 0.9, 0.4, 0.4)}, {*STAYS.values(), INTERACTION, PLANNING, EFFECT}),
        ({"reward_effect": -0.2}, {EFFECT}),
        ({"interaction_effect": -0.36}, {INTERACTION, PLANNING}),
        ({"interaction_effect": 1.0}, {INTERACTION, PLANNING}),
        ({"lags": lags(2, 3, -2, -2)}, {INDEX, DIFFERENCE, LATER}),
        ({"reward_per_trial": 0.682}, {REWARD}),
        ({"r2_model_based": 0.75}, {R2}),
        ({"r2_model_free": 0.85}, {BETTER_R2}),
        ({"strategies": strategies(-0.2, cue=-0.3)}, {OVER_CUE}),
        ({"strategies": strategies(-0.2, free=-0.3)}, {OVER_FREE}),
        ({"strategies": strategies(np.nan)}, {OVER_CUE, OVER_FREE}),
        ({"r2_model_based": np.nan}, {R2, BETTER_R2}),
        ({"stays": (0.99, np.nan, 0.62, 0.98)}, {STAYS["rewarded rare"], INTERACTION, PLANNING}),
    ],
)
def test_claims_can_be_missed(changes, expected):
    missed = with_verdict("missed", made(**changes))
    assert missed - {EFFECT} == expected - {EFFECT}
    assert (EFFECT in missed) >= (EFFECT in expected)


def test_what_a_foil_shows_too_is_not_diagnostic():
    assert with_verdict("not diagnostic", made()) == SHARED
    assert with_verdict("held", made()) == set(verdicts(made())) - SHARED


def test_every_foil_is_told_from_the_agent():
    """What the table asks of the agent, asked of its foils."""
    missed = {
        name: with_verdict("missed", made() | foil)
        for name, foil in two_step_measures.foils().items()
    }
    assert missed[MODEL_FREE] >= {
        STAYS["rewarded rare"],
        STAYS["unrewarded rare"],
        INTERACTION,
        EFFECT,
        REWARD,
        BETTER_R2,
        DIFFERENCE,
        OVER_FREE,
    }
    assert missed[CUE] >= {STAYS["rewarded rare"], INTERACTION, REWARD, R2, LATER, OVER_CUE}
    # who infers the latent state cannot be told from who plans; its own RPEs are the learner's
    assert missed[LATENT] == {R2}


@pytest.mark.parametrize(
    ("foil", "of_it"),
    [
        (MODEL_FREE, {INTERACTION, EFFECT, BETTER_R2, DIFFERENCE, OVER_FREE}),
        (CUE, {REWARD, R2, LATER, OVER_CUE}),
    ],
)
def test_a_foil_equal_to_the_agent_is_no_foil(foil, of_it, monkeypatch):
    planted = two_step_measures.foils() | {foil: made()}
    monkeypatch.setattr(two_step, "foils", lambda: planted)
    assert with_verdict("not diagnostic", made()) >= of_it | SHARED


def test_a_frozen_agent_is_a_foil_of_every_claim():
    """One as good as the agent would show that none of them needs memory, but where rows allow."""
    assert any(claim.held for claim in judge(EXPERIMENT, [made()] * 3))
    claims = judge(EXPERIMENT, [with_frozen(made())] * 3)
    asked = {row.name for row in EXPERIMENT.claims if row.lacking}
    assert {c.verdict for c in claims if c.counted and c.claim in asked} == {"not diagnostic"}


def test_the_task_is_checked_by_the_observer(monkeypatch):
    """A task with other transitions would be found out."""
    wrong = dict(zip(CONDITIONS, (0.989, 0.60, 0.60, 0.989), strict=True))
    monkeypatch.setattr(two_step, "observe", lambda: {"ideal": wrong, "lapsing": wrong})
    *_, check = judge(EXPERIMENT, [made()])
    assert check.claim.startswith("largest deviation of the Bayesian observer")
    assert check.measured == pytest.approx(0.035)
    assert check.verdict == ""


# The foils.


@pytest.fixture(scope="module")
def envs():
    return gym.make_vec(ID, num_envs=100, autoreset_mode="SameStep", trial_log=True)


def test_reward_as_cue_follows_the_last_trial(envs):
    stays = behaviour(run_episodes(RewardAsCue(envs, seed=0), seed=0).trials)["stays"]
    assert list(stays.values()) == [1.0, 0.0, 0.0, 1.0]


def test_rpes_of_reward_as_cue(envs):
    """They forget: the same trial has the same RPEs after the same trial, whatever came before."""
    trials = run_episodes(RewardAsCue(envs, seed=0), seed=0).trials
    parameters = envs.unwrapped.parameters
    rpes = cue_rpes(trials, parameters)
    table = trials.assign(arrival=rpes.arrival, outcome_rpe=rpes.outcome)
    last = trials.groupby("env")[["second_state", "outcome"]].shift()
    keys = [last["second_state"], last["outcome"], *(trials[c] for c in ("choice", "second_state"))]
    for name in ("arrival", "outcome_rpe"):
        within = table.groupby([*keys, trials["outcome"]])[name]
        assert within.std().max() == pytest.approx(0, abs=1e-12)
        assert within.mean().nunique() > 2
    first = table[table["trial"] == 0]
    assert (first["arrival"] == 0).all()
    assert (first["outcome_rpe"] == first["outcome"] - 0.5).all()
    assert rpe_fits(trials, rpes)["r2_model_based"] < 0.9


def test_foils_play_as_many_episodes():
    """Enough that no foil comes into a range, or leaves it, by chance."""
    assert FOIL_EPISODES >= 1000
    assert set(two_step_measures.foils()) == {MODEL_FREE, CUE, LATENT}


@pytest.mark.parametrize("stays", [(0.99, 0.64, 0.62, 0.98), (np.nan,) * 4])
def test_figure(stays, tmp_path):
    figure = EXPERIMENT.figure([made(stays)] * 2, {})
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert {MODEL_FREE, CUE} <= set(labels)
    assert_drawn(figure, tmp_path / "figure.png")


# The controls: whose strategy predicts whose choices.


def test_beliefs_and_values_before_each_trial():
    """By hand; an invalid trial teaches nothing, and who takes it for a cue forgets."""
    state = np.array([[1], [0], [-1], [0]])
    outcome, choice = np.array([[1], [1], [-1], [0]]), np.array([[1], [1], [-1], [0]])
    p = gym.make(ID, p_reward=0.8, p_reversal=0.0).get_wrapper_attr("parameters")
    assert beliefs(state, outcome, p, forgets=False)[:, 0] == pytest.approx([0.5, 0.8, 0.5, 0.5])
    assert beliefs(state, outcome, p, forgets=True)[:, 0] == pytest.approx([0.5, 0.8, 0.2, 0.5])
    leads = value_leads(choice, outcome, 0.5)[:, 0]
    assert leads == pytest.approx([0, 0.25, 0.375, 0.375])


@pytest.mark.parametrize("name", [MODEL_FREE, CUE, LATENT])
def test_the_strategy_of_each_player_predicts_it_best(name):
    own = {MODEL_FREE: FREE_FIT, CUE: REWARD_AS_CUE, LATENT: LATENT_STATE}[name]
    fits = two_step_measures.foils()[name]["strategies"]
    assert max(fits, key=fits.get) == own
    assert all(np.log(0.5) - 1e-6 <= fit <= 0 for fit in fits.values())


def test_strategies_without_choices():
    envs = held_out_envs(ID, {}, 2)
    trials = run_episodes(RewardAsCue(envs, seed=0), seed=0).trials
    for part in (trials.assign(choice=-1, outcome=-1), trials[:0]):
        assert np.isnan(list(strategy_fits(part, envs.parameters).values())).all()
