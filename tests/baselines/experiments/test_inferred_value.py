"""Simulation 3: measures by hand and on observers, claims that can be missed, the figure."""

import json

import gymnasium as gym
import numpy as np
import pytest
from figures import assert_drawn

from neurotasks.episodes import run_episodes
from neurotasks.observers import InferringObserver, RandomAgent
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.experiments import EXPERIMENTS, inferred_value
from neurotasks_baselines.experiments.claims import FOILS, evaluate_claims
from neurotasks_baselines.experiments.inferred_value import (
    BLIND,
    CACHED,
    KINDS,
    WITHOUT_MEMORY,
    inferred_share,
    target_rpes,
    valid_responses,
    values_without_memory,
)
from neurotasks_baselines.files import json_ready
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs

EXPERIMENT = EXPERIMENTS["inferred-value"]
FIRST = "RPE at the target of trial 1, size of the mean"
SECOND = {kind: f"RPE at the target of trial 2, {kind}" for kind in KINDS}
EFFECT = {
    known: f"RPE at the target of trial 2, rewarded less unrewarded, {known} targets"
    for known in ("experienced", "inferred")
}
SHARE = "effect of reward on the RPE, inferred / experienced targets (trials >= 2)"
ALL = {FIRST, *SECOND.values(), *EFFECT.values(), SHARE}
PERFECT = (0.45, -0.45, 0.45, -0.45)
NOT_DIAGNOSTIC = {FIRST, SECOND[KINDS[1]], SECOND[KINDS[2]], SECOND[KINDS[3]]}


def rpes(second=PERFECT, later=None, first=0.0):
    kinds = [dict(zip(KINDS, values, strict=True)) for values in (second, later or second)]
    return {"first": first, "second": kinds[0], "later": kinds[1]}


def measures(agent=None, foils=None, **changes):
    by_name = {
        CACHED: rpes((0.45, -0.45, 0.0, 0.0)),
        WITHOUT_MEMORY: rpes((-0.35,) * 4, first=-0.35),
        BLIND: rpes((-0.45, -0.45, 0.45, 0.45), (-0.1, -0.11, 0.45, 0.45)),
    }
    history = [{"steps": i * 1e6, "reward_per_trial": 0.2 * i} for i in range(3)]
    found = {"valid": 0.99, **(agent or rpes()), "inferring": rpes()}
    found |= {FOILS: by_name | (foils or {}), "history": history, "seconds": 5.0}
    return found | changes


def verdicts(found):
    claims = evaluate_claims(EXPERIMENT, [found] * 2)
    return {claim.claim: claim.verdict for claim in claims if claim.counted}


def named(found, verdict):
    return {name for name, v in verdicts(found).items() if v == verdict}


def missed(found):
    return named(found, "missed")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (measures(), set()),
        (measures(rpes(first=0.11)), {FIRST}),
        (measures(rpes(first=-0.11)), {FIRST}),
        (measures(rpes((0.31, -0.31, 0.31, -0.31))), set()),
        (measures(rpes((0.59, -0.59, 0.59, -0.59))), set()),
        (measures(rpes((0.29, -0.45, 0.45, -0.45), PERFECT)), {SECOND[KINDS[0]]}),
        (measures(rpes((0.45, -0.61, 0.45, -0.45), PERFECT)), {SECOND[KINDS[1]]}),
        (measures(rpes((0.45, -0.45, 0.61, -0.45), PERFECT)), {SECOND[KINDS[2]]}),
        (measures(rpes((0.45, -0.45, 0.45, -0.29), PERFECT)), {SECOND[KINDS[3]]}),
        (
            measures(rpes((0.29, -0.29, 0.45, -0.45), PERFECT)),
            {SECOND[KINDS[0]], SECOND[KINDS[1]], EFFECT["experienced"]},
        ),
        # who has learned nothing, and whose inference is the wrong way round
        (measures(rpes((0.0,) * 4)), ALL - {FIRST}),
        (
            measures(rpes((0.45, -0.45, -0.45, 0.45))),
            {SECOND[KINDS[2]], SECOND[KINDS[3]], EFFECT["inferred"], SHARE},
        ),
        (measures(rpes(later=(0.45, -0.45, 0.35, -0.35))), {SHARE}),
        (measures(rpes(later=(0.45, -0.45, 0.37, -0.37))), set()),
        (measures(rpes(later=(0.45, -0.45, 0.55, -0.55))), {SHARE}),
        (
            measures(rpes((0.45, -0.45, np.nan, -0.45))),
            {SECOND[KINDS[2]], EFFECT["inferred"], SHARE},
        ),
    ],
)
def test_claims_can_be_missed(found, expected):
    assert missed(found) == expected


def test_where_foils_pass_and_fail():
    """Sizes at single targets can come from elsewhere; effects of reward cannot."""
    assert named(measures(), "not diagnostic") == NOT_DIAGNOSTIC
    assert named(measures(), "held") == ALL - NOT_DIAGNOSTIC


@pytest.mark.parametrize(
    ("foil", "expected"),
    [
        (CACHED, {EFFECT["inferred"], SHARE}),
        (WITHOUT_MEMORY, {SECOND[KINDS[0]]}),
        (BLIND, {EFFECT["experienced"]}),
    ],
)
def test_a_claim_whose_foil_passes_is_not_diagnostic(foil, expected):
    """Each foil in turn is made equal to the agent."""
    found = named(measures(foils={foil: rpes()}), "not diagnostic")
    assert found == NOT_DIAGNOSTIC | expected


@pytest.mark.parametrize(
    ("foil", "expected"),
    [
        (CACHED, {SECOND[KINDS[2]], SECOND[KINDS[3]], EFFECT["inferred"], SHARE}),
        (WITHOUT_MEMORY, {FIRST, SECOND[KINDS[0]], SECOND[KINDS[2]], *EFFECT.values(), SHARE}),
        (BLIND, {SECOND[KINDS[0]], SECOND[KINDS[3]], *EFFECT.values(), SHARE}),
    ],
)
def test_foils_in_the_place_of_the_agent(foil, expected):
    assert missed(measures(measures()[FOILS][foil])) == expected


def test_inferred_share():
    assert inferred_share(dict(zip(KINDS, (0.4, -0.6, 0.2, -0.3), strict=True))) == 0.5
    assert np.isnan(inferred_share(dict.fromkeys(KINDS, 0.0)))


@pytest.mark.parametrize("steps", [2, 4])
def test_target_rpes(steps):
    """The RPE of the step before the target is that at the target; here it codes its kind."""
    envs = gym.make_vec(
        inferred_value.ID,
        num_envs=200,
        autoreset_mode="SameStep",
        trial_log=True,
        steps_per_trial=steps,
    )
    episodes = run_episodes(InferringObserver(envs), envs, seed=0)
    truth = episodes.truth
    here = 1.0 + 2 * ~truth["experienced"] + ~truth["rewarded_target"]
    trial = truth["trial"]
    rpe = np.where(truth["stage"] == inferred_value.STIMULUS - 1, here, 100.0)
    rpe += 10 * (trial == 1) + 20 * (trial > 1)
    found = target_rpes(episodes, rpe)
    unpaid = np.mean(~truth["rewarded_target"][0])
    assert found["first"] == pytest.approx(3 + unpaid)  # never shown before
    assert list(found["second"].values()) == [11, 12, 13, 14]
    later = np.array(list(found["later"].values()))
    assert ((later > [11, 12, 13, 14]) & (later < [21, 22, 23, 24])).all()


def test_valid_responses():
    envs = held_out_envs(inferred_value.ID, {}, 200)
    assert valid_responses(run_episodes(InferringObserver(envs), envs, seed=0)) == 1
    # two of three responses to either are invalid
    found = valid_responses(run_episodes(RandomAgent(envs, seed=0), envs, seed=0))
    assert found == pytest.approx(1 / 3, abs=0.05)


@pytest.fixture(scope="module")
def measured(tiny):
    """Return the measures of an agent that has hardly learned."""
    model = build(inferred_value.ID, hyperparameters=tiny, seed=0)
    model.description |= {"history": [{"steps": 0, "reward_per_trial": 0.1}], "seconds": 0.0}
    return json_ready(EXPERIMENT.measure({"agent": model}, 60, TEST_SEED))


def test_measure(measured):
    assert len(json.dumps(measured)) < 5000
    assert measured["valid"] < 0.98
    assert measured[FOILS].keys() == {CACHED, WITHOUT_MEMORY, BLIND}
    assert {*EFFECT.values()} <= missed(measured)


def test_values_without_memory(tiny):
    """The same observation has the same value wherever it is seen, and as in a first step."""
    model = build(inferred_value.ID, hyperparameters=tiny, seed=0)
    episodes, activations = evaluate(model, num_episodes=20)
    values = values_without_memory(model, episodes)
    assert values[0] == pytest.approx(activations.values[0])
    assert values[1:] != pytest.approx(activations.values[1:], nan_ok=True)
    alive = episodes.alive
    seen, of = np.unique(episodes.observations[alive], axis=0, return_inverse=True)
    for number in range(len(seen)):
        assert np.ptp(values[alive][of.ravel() == number]) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3])
def test_figure_can_be_drawn_of_anything(measured, seeds, tmp_path):
    nothing = measures(rpes((np.nan,) * 4, first=np.nan))
    for found in (measured, measures(), nothing):
        assert_drawn(EXPERIMENT.figure([found] * seeds, {}), tmp_path / "figure.png")


def test_sketch(tmp_path):
    envs = held_out_envs(inferred_value.ID, {}, 20)
    episodes = run_episodes(InferringObserver(envs), envs, seed=0)
    metrics = EXPERIMENT.trainings["agent"].metrics
    assert metrics.compute(episodes).keys() == {"reward_per_trial", "valid"}

    class Activations:
        rpe = np.zeros(episodes.rewards.shape)

    assert_drawn(metrics.plot(episodes, Activations), tmp_path / "figure.png")
