"""The claims of simulation 6 on measures made by hand, and when its interventions act."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from figures import assert_drawn
from judged import judge, with_frozen

from neurotasks_baselines.agents.interventions import Intervention
from neurotasks_baselines.experiments import risky_choice
from neurotasks_baselines.experiments.risky_choice import EXPERIMENT, IN_CRITIC, MEMORY_LOST
from neurotasks_baselines.experiments.risky_choice_conditions import (
    CONDITIONS,
    INTERVENTIONS,
    WITHOUT_MEMORY,
    YOKED,
    yoked,
)
from neurotasks_baselines.experiments.risky_choice_doses import (
    SIZES,
    dose_curves,
    dose_order,
    value_shifts,
    within,
)
from neurotasks_baselines.training.build import build

RISKY = {
    "control": [0.05, 0.76],
    "block risky reward": [0.01, 0.2],
    "block safe reward": [0.6, 0.95],
    "stimulate risky loss": [0.4, 0.9],
}
CHANCE = [0.5, 0.5]
DOSES = {
    "block risky reward": [[0.05, 0.76 - 0.3 * size] for size in SIZES],
    "block safe reward": [[0.05 + 0.3 * size, 0.76] for size in SIZES],
    "stimulate risky loss": [[0.05 + 0.3 * size, 0.76] for size in SIZES],
}
FLAT = {name: [RISKY["control"]] * len(SIZES) for name in DOSES}
GOOD = {
    "risky": RISKY,
    "doses": DOSES,
    "value_shift": 0.0,
    "zero_offset_differs": 0.0,
    "valid": 1.0,
    "reward_per_trial": 1.3,
    "foils": {
        WITHOUT_MEMORY: {"risky": dict.fromkeys(CONDITIONS, CHANCE)},
        MEMORY_LOST: {"risky": dict.fromkeys(CONDITIONS, CHANCE) | {"control": RISKY["control"]}},
        YOKED: {"risky": dict.fromkeys(CONDITIONS, RISKY["control"]), "doses": FLAT},
        IN_CRITIC: {"value_shift": 0.5},
    },
    "history": [{"steps": 0, "reward_per_trial": -1.0}, {"steps": 10, "reward_per_trial": 1.3}],
}
AT_ONE_PROBABILITY = {
    "blocking risky rewards lowers risky choices, p = 0.5",
    "blocking safe rewards raises risky choices, p = 0.125",
    "stimulating at risky losses raises risky choices, p = 0.125",
}


def claims(measures):
    return {c.claim: c for c in judge(EXPERIMENT, [measures] * 3) if c.counted}


def with_verdict(verdict, measures):
    return {name for name, claim in claims(measures).items() if claim.verdict == verdict}


def test_disruption_is_told_from_direction():
    """Who comes to choose at random changes as much at one probability, but not over both."""
    assert with_verdict("missed", GOOD) == set()
    assert with_verdict("not diagnostic", GOOD) == AT_ONE_PROBABILITY
    lost = GOOD | GOOD["foils"][MEMORY_LOST]
    assert with_verdict("missed", lost) == {
        name for name in claims(GOOD) if name.endswith("mean of both probabilities")
    }


@pytest.mark.parametrize(
    ("condition", "which", "value", "words"),
    [
        ("control", 1, 0.95, "p = 0.5, control"),
        ("control", 0, 0.2, "p = 0.125, control"),
        ("control", 0, 0.2, "difference between"),
        ("block risky reward", 1, 0.7, "blocking risky rewards lowers"),
        ("block safe reward", 0, 0.1, "blocking safe rewards raises"),
        ("stimulate risky loss", 0, 0.1, "stimulating at risky losses raises"),
        ("block risky reward", 0, 0.6, "blocking risky rewards: change"),
        ("block safe reward", 1, 0.3, "blocking safe rewards: change"),
        ("stimulate risky loss", 1, 0.5, "stimulating at risky losses: change"),
    ],
)
def test_a_claim_is_missed(condition, which, value, words):
    bad = copy.deepcopy(GOOD)
    bad["risky"][condition][which] = value
    assert any(words in claim for claim in with_verdict("missed", bad))


def test_who_has_no_memory_fails():
    flat = {"doses": {name: [[0.5, 0.5]] * len(curve) for name, curve in DOSES.items()}}
    without = GOOD | GOOD["foils"][WITHOUT_MEMORY] | flat
    assert with_verdict("held", without) | with_verdict("not diagnostic", without) == set()


@pytest.mark.parametrize("foil", [WITHOUT_MEMORY, MEMORY_LOST, YOKED])
def test_a_foil_equal_to_the_agent_is_no_foil(foil):
    planted = copy.deepcopy(GOOD)
    planted["foils"][foil] = {"risky": RISKY, "doses": DOSES}
    its = {name for name, claim in claims(GOOD).items() if foil in claim.foils}
    assert len(its) >= 2
    assert with_verdict("not diagnostic", planted) == its | AT_ONE_PROBABILITY


def test_a_frozen_agent_is_a_foil_of_every_claim():
    """One as good as the agent would show that none of them needs memory."""
    assert any(claim.held for claim in judge(EXPERIMENT, [GOOD] * 3))
    claims = judge(EXPERIMENT, [with_frozen(GOOD)] * 3)
    assert {c.verdict for c in claims if c.counted} == {"not diagnostic"}


def test_an_offset_of_zero_must_change_nothing():
    *_, check, _, _ = judge(EXPERIMENT, [GOOD | {"zero_offset_differs": 1.0}])
    assert (check.claim, check.measured) == ("trials that an offset of zero changes", 1.0)


def test_everything_claimed_is_measured(tiny):
    agent = build(risky_choice.ID, hyperparameters=tiny, seed=0)
    agent.description["history"] = []
    measures = risky_choice.measure({"agent": agent}, 60, 0)
    for claim in claims(measures).values():
        (foil,) = claim.foils.values()
        assert foil is not None, claim.claim
    assert measures["risky"]["control"] == measures["foils"][MEMORY_LOST]["risky"]["control"]


def test_offsets_of_another_episode():
    """As many of them, wherever they fall."""
    own = Intervention(lambda seen: seen[:, -1] == 4, -4.0)
    seen = np.array([[4.0], [0.0], [1.0], [4.0]], np.float32)
    assert own.when(seen).tolist() == [True, False, False, True]
    assert yoked(own).when(seen).tolist() == [True, True, False, False]
    assert yoked(own).offset == -4.0


@pytest.mark.parametrize("name", DOSES)
@pytest.mark.parametrize("curve", [DOSES["block risky reward"], FLAT["block risky reward"], None])
def test_choices_that_do_not_follow_the_dose(name, curve):
    """Neither no change at all, nor the other direction."""
    curve = DOSES["block safe reward"] if curve is None else curve
    bad = GOOD | {"doses": DOSES | {name: curve}}
    expected = set() if curve == DOSES[name] else {name}
    missed = with_verdict("missed", bad)
    of_doses = {claim for claim in missed if claim.startswith("rank correlation")}
    assert len(of_doses) == len(missed) == len(expected)


def test_dose_order():
    risen = [[0.0, size] for size in SIZES]
    assert dose_order(risen) == 1.0
    assert dose_order([[0.2, 0.7]] * len(SIZES)) == 0.0
    risen[1], risen[2] = risen[2], risen[1]
    assert dose_order(risen) == pytest.approx(1 - 6 * 2 / (7 * 48))
    assert np.isnan(dose_order([[np.nan, 0.7]] * len(SIZES)))


def test_an_intervention_within_some_environments():
    own = Intervention(lambda seen: seen[:, -1] == 4, -4.0)
    seen = np.full((4, 1), 4, np.float32)
    assert within(own, slice(1, 3)).when(seen).tolist() == [False, True, True, False]


def test_the_critic_does_not_notice_an_intervention(tiny):
    """Unless its own input is shifted; the doses reach the actor nevertheless."""
    agent = build(risky_choice.ID, hyperparameters=replace(tiny, trunk="rpe"), seed=0)
    changes = {name: change for name, i in INTERVENTIONS.items() for change in i}
    strong = [Intervention(change.when, 50 * change.offset) for change in changes.values()]
    played, in_critic = value_shifts(agent, strong, 4, 0)
    assert played < 1e-5 < 1e-2 < in_critic
    curves = dose_curves(agent, changes, 30, 0)
    assert [len(curve) for curve in curves.values()] == [len(SIZES)] * 3


@pytest.mark.slow
def test_figure_of_nothing(tmp_path):
    nothing = copy.deepcopy(GOOD)
    nothing["risky"] = {name: [np.nan, np.nan] for name in RISKY}
    unknown = {name: [[np.nan, np.nan]] * len(SIZES) for name in DOSES}
    nothing["doses"] = unknown
    nothing["foils"][YOKED] = {"risky": nothing["risky"], "doses": unknown}
    assert_drawn(EXPERIMENT.figure([GOOD, nothing], {}), tmp_path / "figure.png")


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
