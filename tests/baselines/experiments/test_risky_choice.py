"""The claims of simulation 6 on measures made by hand, and when its interventions act."""

import copy

import numpy as np
import pytest
from figures import assert_drawn

from neurotasks_baselines.experiments.claims import evaluate_claims
from neurotasks_baselines.experiments.risky_choice import EXPERIMENT, INTERVENTIONS

RISKY = {
    "control": [0.05, 0.76],
    "block risky reward": [0.01, 0.2],
    "block safe reward": [0.6, 0.95],
    "stimulate risky loss": [0.4, 0.9],
    "zero offset": [0.05, 0.76],
}
GOOD = {
    "risky": RISKY,
    "zero_offset_differs": 0.0,
    "valid": 1.0,
    "reward_per_trial": 1.3,
    "history": [{"steps": 0, "reward_per_trial": -1.0}, {"steps": 10, "reward_per_trial": 1.3}],
}


def missed(measures):
    return [c.claim for c in evaluate_claims(EXPERIMENT, [measures] * 3) if not c.passed]


def test_good_measures_hold():
    assert missed(GOOD) == []


@pytest.mark.parametrize(
    ("condition", "which", "value", "words"),
    [
        ("control", 1, 0.95, "p = 0.5, control"),
        ("control", 0, 0.5, "p = 0.125, control"),
        ("block risky reward", 1, 0.7, "blocking risky rewards"),
        ("block safe reward", 0, 0.1, "blocking safe rewards"),
        ("stimulate risky loss", 0, 0.1, "stimulating at risky losses"),
    ],
)
def test_a_claim_is_missed(condition, which, value, words):
    bad = copy.deepcopy(GOOD)
    bad["risky"][condition][which] = value
    assert any(words in claim for claim in missed(bad))


def test_an_offset_of_zero_must_change_nothing():
    assert missed(GOOD | {"zero_offset_differs": 1.0}) == ["trials that an offset of zero changes"]


@pytest.mark.slow
def test_figure_of_nothing(tmp_path):
    nothing = copy.deepcopy(GOOD)
    nothing["risky"] = {name: [np.nan, np.nan] for name in RISKY}
    assert_drawn(EXPERIMENT.figure([GOOD, nothing]), tmp_path / "figure.png")


@pytest.mark.parametrize(
    ("condition", "action", "reward", "acts"),
    [
        ("block risky reward", 0, 4, True),
        ("block risky reward", 0, 1, False),
        ("block safe reward", 1, 1, True),
        ("block safe reward", 1, 4, False),
        ("stimulate risky loss", 1, 0, True),
        ("stimulate risky loss", 1, 4, False),
        ("stimulate risky loss", 2, 0, False),  # fixation was answered, nothing was lost
        ("stimulate risky loss", None, 0, False),  # an episode has begun
        ("stimulate risky loss", 1, -1, False),  # an invalid response
    ],
)
def test_when_an_intervention_acts(condition, action, reward, acts):
    observation = np.zeros((1, 8), np.float32)
    if action is not None:
        observation[0, 4 + action] = 1
    observation[0, -1] = reward
    (intervention,) = INTERVENTIONS[condition]
    assert intervention.when(observation).tolist() == [acts]
