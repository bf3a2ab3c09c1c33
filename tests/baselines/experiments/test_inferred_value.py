"""Simulation 3: measures by hand and on observers, claims that can be missed, the figure."""

import json

import gymnasium as gym
import numpy as np
import pytest
from figures import assert_drawn

from neurotasks.episodes import run_episodes
from neurotasks.observers import InferringObserver, RandomAgent
from neurotasks_baselines.experiments import EXPERIMENTS, inferred_value
from neurotasks_baselines.experiments.claims import evaluate_claims
from neurotasks_baselines.experiments.inferred_value import (
    KINDS,
    inferred_share,
    target_rpes,
    valid_responses,
)
from neurotasks_baselines.files import json_ready
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import held_out_envs as held_out_envs

EXPERIMENT = EXPERIMENTS["inferred-value"]
VALID = "valid responses"
FIRST = "RPE at the target of trial 1, size of the mean"
SECOND = {kind: f"RPE at the target of trial 2, {kind}" for kind in KINDS}
SHARE = "effect of reward on the RPE, inferred / experienced targets (trials >= 2)"
CACHED = "the same of a learner of cached values, size"


def rpes(second=(0.45, -0.45, 0.45, -0.45), later=None, first=0.0):
    kinds = [dict(zip(KINDS, values, strict=True)) for values in (second, later or second)]
    return {"first": first, "second": kinds[0], "later": kinds[1]}


def measures(agent=None, cached=(0.45, -0.45, 0.0, 0.0), **changes):
    by_name = {"agent": agent or rpes(), "inferring": rpes(), "cached": rpes(cached)}
    history = [{"steps": i * 1e6, "reward_per_trial": 0.2 * i} for i in range(3)]
    return {"valid": 0.99, "rpes": by_name, "history": history, "seconds": 5.0} | changes


def missed(*found):
    return {claim.claim for claim in evaluate_claims(EXPERIMENT, list(found)) if not claim.passed}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (measures(), set()),
        (measures(valid=0.979), {VALID}),
        (measures(rpes(first=0.11)), {FIRST}),
        (measures(rpes(first=-0.11)), {FIRST}),
        (measures(rpes((0.31, -0.31, 0.31, -0.31))), set()),
        (measures(rpes((0.59, -0.59, 0.59, -0.59))), set()),
        (measures(rpes((0.29, -0.45, 0.45, -0.45))), {SECOND[KINDS[0]]}),
        (measures(rpes((0.45, -0.61, 0.45, -0.45))), {SECOND[KINDS[1]]}),
        (measures(rpes((0.45, -0.45, 0.61, -0.45))), {SECOND[KINDS[2]]}),
        (measures(rpes((0.45, -0.45, 0.45, -0.29))), {SECOND[KINDS[3]]}),
        # who caches values, who has learned nothing, and whose inference is the wrong way round
        (measures(rpes((0.45, -0.45, 0.0, 0.0))), {SECOND[k] for k in KINDS[2:]} | {SHARE}),
        (measures(rpes((0.0,) * 4)), {*SECOND.values(), SHARE}),
        (measures(rpes((0.45, -0.45, -0.45, 0.45))), {SECOND[k] for k in KINDS[2:]} | {SHARE}),
        (measures(rpes(later=(0.45, -0.45, 0.35, -0.35))), {SHARE}),
        (measures(rpes(later=(0.45, -0.45, 0.37, -0.37))), set()),
        (measures(rpes((0.45, -0.45, np.nan, -0.45))), {SECOND[KINDS[2]], SHARE}),
        (measures(cached=(0.45, -0.45, 0.05, -0.05)), {CACHED}),
        (measures(cached=(0.45, -0.45, -0.05, 0.05)), {CACHED}),
    ],
)
def test_claims_can_be_missed(found, expected):
    assert missed(found) == expected


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
    return json_ready(EXPERIMENT.measure({"agent": model}, 60))


def test_measure(measured):
    assert len(json.dumps(measured)) < 5000
    assert {VALID, SHARE} <= missed(measured)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3])
def test_figure_can_be_drawn_of_anything(measured, seeds, tmp_path):
    nothing = measures(rpes((np.nan,) * 4, first=np.nan))
    for found in (measured, measures(), nothing):
        assert_drawn(EXPERIMENT.figure([found] * seeds), tmp_path / "figure.png")


def test_sketch(tmp_path):
    envs = held_out_envs(inferred_value.ID, {}, 20)
    episodes = run_episodes(InferringObserver(envs), envs, seed=0)
    metrics = EXPERIMENT.trainings["agent"].metrics
    assert metrics.compute(episodes).keys() == {"reward_per_trial", "valid"}

    class Activations:
        rpe = np.zeros(episodes.rewards.shape)

    assert_drawn(metrics.plot(episodes, Activations), tmp_path / "figure.png")
