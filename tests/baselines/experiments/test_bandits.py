"""Claims of the bandits on measures made by hand, and the belief next to the recurrent state."""

from dataclasses import replace
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from figures import assert_drawn
from judged import judge, with_frozen

from neurotasks.episodes import run_episodes
from neurotasks.observers import GittinsBandit, ThompsonBandit
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.experiments import bandits, bandits_figure, bandits_observers
from neurotasks_baselines.experiments.bandits import (
    GITTINS_FOIL,
    LAST_REWARD,
    THOMPSON_FOIL,
    UNSTRUCTURED,
    UNTRAINED,
    P,
)
from neurotasks_baselines.experiments.bandits_observers import (
    ID,
    MEDIUM,
    PROBLEMS,
    REGRETS,
    observed_regret,
)
from neurotasks_baselines.experiments.bandits_states import (
    final_states,
    p_right_better,
    states_and_beliefs,
)
from neurotasks_baselines.experiments.learners import trainings_of
from neurotasks_baselines.training.build import build

BANDITS = bandits.EXPERIMENT
TRIALS = 100


def curve(end):
    return np.linspace(end / TRIALS, end, TRIALS).tolist()


def made(independent=2.3, clamped=16.7, fixed=2.0, correlated=1.2, belief_r2=0.8, final_r2=0.9):
    states = np.random.default_rng(0).random((3, 20)).tolist()
    rows = [{"steps": i * 1e6, "regret": 20.0 - i} for i in range(3)]
    return {
        "regret": {
            "independent": curve(independent),
            "clamped": curve(clamped),
            "no-action": curve(16.0),
        },
        "fixed": {"independent": curve(fixed), "correlated": curve(correlated)},
        "foils": {
            UNSTRUCTURED: {"fixed": {"independent": curve(2.3), "correlated": curve(2.8)}},
            LAST_REWARD: {"regret": {"clamped": curve(11.0)}, "difficulty": [8.0, 12.5, 8.0]},
            UNTRAINED: {"belief_r2": 0.2, "final": {"r2": 0.7}},
        },
        "states": states,
        "belief_r2": belief_r2,
        "final": {"r2": final_r2, "states": states},
        "difficulty": [0.9, 1.5, 3.2],
        "history": {name: rows for name in BANDITS.trainings},
        "seconds": 5.0,
    }


def observed(factor=1.0):
    """Return regrets as computed, those of one observer changed."""
    curves = {
        observer.__name__: {id: np.array(curve(x)) for id, x in zip(PROBLEMS, row, strict=True)}
        for observer, row in REGRETS.items()
    }
    curves["UcbBandit"][ID] = factor * curves["UcbBandit"][ID]
    return curves | {"CorrelatedBandit": {MEDIUM: np.array(curve(0.98))}}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for module in (bandits, bandits_figure):
        monkeypatch.setattr(module, "observe", observed)


def verdicts(*measures):
    return {c.claim: c.verdict for c in judge(BANDITS, list(measures)) if c.counted}


def missed(measures):
    return {claim for claim, verdict in verdicts(measures, measures).items() if verdict == "missed"}


REGRET = "regret after 100 trials, independent problems"
STRETCH = "regret after 100 trials, independent problems, stretch goal"
RATIO = "regret on (0.25, 0.75), trained on correlated over trained on independent problems"
CORRELATED = "regret on (0.25, 0.75), trained on correlated problems"
STEP, BELIEF, FINAL = (
    next(row.name for row in bandits.CLAIMS if row.key == key)
    for key in ("difficulty_step", "belief_r2", "final.r2")
)
CLAMPED = "regret after 100 trials with the reward input held at 0, independent problems"


def test_the_last_evaluations_of_a_training():
    points = [
        {"steps": step, "regret": regret} for step, regret in enumerate([9, 9, 5, 4, 3, 2, 1])
    ]
    histories = {"independent": points, "correlated": []}
    found = bandits.derive(made() | {"history": histories})["last_evaluations"]
    assert found == pytest.approx({"mean": 3.0, "sd": np.sqrt(2.5)})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"independent": 2.6}, {STRETCH}),
        ({"independent": 2.7}, {REGRET, STRETCH}),
        ({"independent": 1.6}, {REGRET, STRETCH}),  # better than the best: something is wrong
        ({"independent": np.nan}, {REGRET, STRETCH}),
        ({"correlated": 1.7}, {RATIO, CORRELATED}),
        ({"fixed": 3.0, "correlated": 1.4}, {CORRELATED}),
        ({"fixed": np.nan}, {RATIO}),
        ({"clamped": 15.8}, {CLAMPED}),
        ({"clamped": np.nan}, {CLAMPED}),
        ({"final_r2": 0.74}, {FINAL}),
    ],
)
def test_claims_can_be_missed(changes, expected):
    assert missed(made(**changes)) == expected


def test_claims_hold_where_their_foils_fail():
    assert set(verdicts(made(), made()).values()) == {"held"}


def test_an_interval_across_a_bound_is_a_miss():
    seeds = [made(fixed=2.0, correlated=c) for c in (1.1, 1.2, 1.3, 1.65)]
    assert verdicts(*seeds)[RATIO] == "missed"


def test_the_ratio_is_that_of_each_seed():
    """The mean of the ratios, not the ratio of the means."""
    seeds = [made(fixed=2.0, correlated=1.0), made(fixed=1.0, correlated=0.9)]
    found = {c.claim: c.measured for c in judge(BANDITS, seeds)}
    assert found[RATIO] == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("claim", "planted"),
    [
        (RATIO, {UNSTRUCTURED: {"fixed": made()["fixed"]}}),
        (CLAMPED, {LAST_REWARD: {"regret": made()["regret"]}}),
        (STEP, {LAST_REWARD: {"difficulty": made()["difficulty"]}}),
        (BELIEF, {UNTRAINED: {"belief_r2": 0.8}}),
        (FINAL, {UNTRAINED: {"final": {"r2": 0.9}}}),
    ],
)
def test_a_foil_equal_to_the_agent_is_no_foil(claim, planted):
    measures = made()
    ((foil, found),) = planted.items()
    measures["foils"][foil] = {**measures["foils"][foil], **found}
    found = verdicts(measures, measures)
    assert found.pop(claim) == "not diagnostic"
    assert set(found.values()) == {"held"}


def test_a_frozen_agent_is_a_foil_of_every_claim():
    """One as good as the agent would show that none of them needs memory."""
    assert any(claim.held for claim in judge(BANDITS, [made()] * 2))
    claims = judge(BANDITS, [with_frozen(made())] * 2)
    assert {c.verdict for c in claims if c.counted} == {"not diagnostic"}


@pytest.mark.parametrize(
    ("claims", "observer", "id", "regret"),
    [({REGRET, STRETCH}, "ThompsonBandit", ID, 2.3), ({CORRELATED}, "GittinsBandit", MEDIUM, 1.2)],
)
def test_an_observer_as_good_as_the_agent_is_no_foil(claims, observer, id, regret, monkeypatch):
    planted = observed()
    planted[observer][id] = np.array(curve(regret))
    monkeypatch.setattr(bandits, "observe", lambda: planted)
    found = verdicts(made(), made())
    assert {claim for claim, v in found.items() if v == "not diagnostic"} == claims


def test_observers_as_foils_are_given_as_computed():
    foils = bandits.references()["foils"]
    assert foils[THOMPSON_FOIL]["regret"]["independent"][-1] == pytest.approx(2.77)
    assert foils[GITTINS_FOIL]["fixed"]["correlated"][-1] == pytest.approx(1.41)


@pytest.mark.parametrize("factor", [0.94, 1.06])
def test_the_task_is_checked_by_the_observers(factor, monkeypatch):
    monkeypatch.setattr(bandits, "observe", lambda: observed(factor))
    *_, check = judge(BANDITS, [made()])
    assert check.claim.startswith("largest relative deviation")
    assert check.measured == pytest.approx(0.06)


@pytest.mark.parametrize("observer", [GittinsBandit, ThompsonBandit])
def test_observed_regret_is_the_table_s(observer, monkeypatch):
    monkeypatch.setattr(bandits_observers, "OBSERVER_EPISODES", 4000)
    found = observed_regret(observer, ID)
    assert found[-1] == pytest.approx(REGRETS[observer][0], rel=0.08)
    assert (np.diff(found) > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3])
def test_figure_can_be_drawn_of_anything(seeds, tmp_path):
    nothing = made(*[np.nan] * 6)
    nothing["states"] = nothing["final"]["states"] = [[np.nan] * 4] * 3
    for measures in (made(), nothing):
        assert_drawn(BANDITS.figure([measures] * seeds, {}), tmp_path / "figure.png")


# The belief, and the recurrent state next to it.


def test_belief_by_hand():
    """Of beta(1 + wins, 1 + losses): P(beta(2, 1) > beta(1, 1)) = 2/3, over beta(1, 2) 5/6."""
    found = p_right_better([0, 0, 0, 1, 30], [0, 0, 1, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 30])
    assert found == pytest.approx([1 / 2, 2 / 3, 5 / 6, 1 / 6, 0], abs=1e-3)


def test_belief_is_that_before_the_choice():
    """Units that hold the counts before the choice explain the belief; those after do less."""
    envs = gym.make_vec(
        ID, num_envs=300, trials=5, autoreset_mode="SameStep", split="test", trial_log=True
    )
    episodes = run_episodes(ThompsonBandit(envs, seed=0), envs, seed=0)
    right = episodes.actions == 1
    sign = np.where(right == (episodes.rewards == 1), 1.0, -1.0)  # spoke for the right arm
    after = sign.cumsum(axis=0)
    r2 = []
    for evidence in (after - sign, after):
        units = np.stack([10 * evidence, np.random.default_rng(0).random(evidence.shape)], axis=-1)
        measures = states_and_beliefs(episodes, SimpleNamespace(hidden=units))
        r2.append(measures["belief_r2"])
        assert np.corrcoef(measures["states"])[0, 2] > 0  # whatever the sign of the axis
    assert r2[0] > 0.8
    assert r2[0] > r2[1] + 0.1


def test_final_states():
    """States ordered by the probability explain it, and which arm is better three quarters."""
    p = np.linspace(0, 1, 200)
    noise = np.random.default_rng(0).normal(size=(3, 200, 6)) * 0.01
    for signal, low, high in ((p, 0.99, 1.0), (p > 0.5, 0.74, 0.76), (0 * p, 0.0, 0.1)):
        units = noise.copy()
        units[-1, :, 2] += 10 * signal
        truth = {"p": np.broadcast_to(np.stack([1 - p, p], axis=-1), (3, 200, 2))}
        found = final_states(SimpleNamespace(truth=truth), SimpleNamespace(hidden=units))
        assert low <= found["r2"] <= high
        assert np.shape(found["states"]) == (3, 200)


# The agents.


def test_agent_without_reward_sees_none(tiny):
    """In its training, and when it is evaluated."""
    training = trainings_of(BANDITS, "no-reward-input")["independent"]
    hyperparameters = replace(tiny, n_steps=TRIALS)
    agent = build(
        training.id, hyperparameters=hyperparameters, seed=1, task_kwargs=dict(training.task_kwargs)
    )
    assert agent.observation_space.shape == (3,)  # trial number and last action
    episodes, _ = bandits.evaluate(agent, num_episodes=20)
    assert episodes.observations.shape == (TRIALS, 20, 3)
    assert bandits.mean_regret(episodes)[-1] > 5
    assert training.hyperparameters == BANDITS.trainings["independent"].hyperparameters


def test_fixed_problem(tiny):
    """Who chooses at random loses half of 0.5 at each pull of (0.25, 0.75)."""
    agent = build(ID, hyperparameters=replace(tiny, n_steps=TRIALS), seed=1)
    found = bandits.play_fixed(agent, 200, TEST_SEED)
    trials = bandits.run_episodes(
        agent, bandits.held_out_envs(ID, {}, 200), seed=TEST_SEED, options={"p": P}
    ).trials
    assert (trials[["p_0", "p_1"]].to_numpy() == P).all()
    assert found.shape == (TRIALS,)
    assert 0 < found[-1] < 50


def test_everything_claimed_is_measured(tiny, monkeypatch):
    """And a memory makes no difference to who has learned nothing yet."""
    monkeypatch.setattr(bandits, "EPISODES_FACTOR", 1)
    agents = {
        name: build(
            training.id,
            hyperparameters=replace(tiny, n_steps=TRIALS),
            seed=1,
            task_kwargs=dict(training.task_kwargs),
        )
        for name, training in BANDITS.trainings.items()
    }
    for agent in agents.values():
        agent.description["history"] = [{"steps": i, "regret": 9.0 - i} for i in range(3)]
    measures = bandits.measure(agents, 40, 0)
    assert all(claim.measured is not None for claim in judge(BANDITS, [measures]))
    without_memory = measures["foils"][LAST_REWARD]["regret"]["clamped"]
    assert without_memory[-1] == pytest.approx(measures["regret"]["independent"][-1], abs=8)
