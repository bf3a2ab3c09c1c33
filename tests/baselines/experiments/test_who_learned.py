"""Which seeds count as having learned, who may lack something, and findings added late."""

from dataclasses import replace

import numpy as np
import pytest

from neurotasks_baselines.experiments import (
    EXPERIMENTS,
    GROUPS,
    bandits,
    foraging,
    harlow_common,
    inferred_value,
    risky_choice,
    risky_choice_conditions,
    two_step,
    volatility,
)
from neurotasks_baselines.experiments.claims import COUNTED, evaluate_claims
from neurotasks_baselines.experiments.learners import LACKING, NO_ACTION_INPUT
from neurotasks_baselines.experiments.two_step_strategies import (
    FREE_FIT,
    LATENT_STATE,
    REWARD_AS_CUE,
)

LAGS = {name: [0.0] * 5 for name in two_step.CONDITIONS}
TWO_STEP = {
    "lags": LAGS,
    "reward_effect": 0.0,
    "r2_model_based": 0.5,
    "r2_model_free": 0.5,
    "strategies": dict.fromkeys((LATENT_STATE, REWARD_AS_CUE, FREE_FIT), -0.5),
}


def of_bandits(independent, correlated):
    fixed = {"independent": [0.0, 2.0], "correlated": [0.0, correlated]}
    return {"regret": {"independent": [0.0, independent]}, "fixed": fixed}


def of_inferred_value(effect):
    rpes = dict.fromkeys(inferred_value.KINDS, 0.0) | {"experienced rewarded": effect}
    return {"first": 0.0, "second": rpes, "later": rpes}


def of_harlow(later):
    return {"accuracy": [0.5, *[later] * 5], "after_first": {"right": later, "wrong": later}}


def of_risky_choice(difference):
    return {"risky": {name: [0.2, 0.2 + difference] for name in risky_choice_conditions.CONDITIONS}}


@pytest.mark.parametrize(
    ("name", "measures", "learned"),
    [
        ("bandits", of_bandits(9.2, 13.2), True),
        ("bandits", of_bandits(9.3, 13.2), False),
        ("bandits", of_bandits(9.2, 13.3), False),
        ("foraging", {"reward_per_trial": 0.41}, True),
        ("foraging", {"reward_per_trial": 0.40}, False),
        ("volatility", {"correct": {"stable": 0.7, "volatile": 0.64}}, True),
        ("volatility", {"correct": {"stable": 0.7, "volatile": 0.63}}, False),
        ("volatility", {"correct": {"stable": np.nan, "volatile": np.nan}}, False),
        ("inferred-value", of_inferred_value(0.46), True),
        ("inferred-value", of_inferred_value(0.44), False),
        ("two-step", TWO_STEP | {"reward_per_trial": 0.61}, True),
        ("two-step", TWO_STEP | {"reward_per_trial": 0.60}, False),
        ("harlow", of_harlow(0.76), True),
        ("harlow", of_harlow(0.74), False),
        ("harlow-pixels", of_harlow(0.76), True),
        ("harlow-pixels", of_harlow(0.74), False),
        ("risky-choice", of_risky_choice(0.38), True),
        ("risky-choice", of_risky_choice(0.37), False),
        ("risky-choice", of_risky_choice(np.nan), False),
    ],
)
def test_who_learned(name, measures, learned):
    assert EXPERIMENTS[name].derive(measures)["learned"] == learned


@pytest.mark.parametrize("name", GROUPS["wang2018"])
def test_every_simulation_reports_who_learned(name):
    (row,) = (row for row in EXPERIMENTS[name].claims if row.key == "learned")
    assert (row.kind, row.statistic) == ("reported", "fraction")


def test_half_way_is_between_chance_and_the_observers():
    assert pytest.approx({"independent": 9.235, "correlated": 13.205}) == bandits.HALF_WAY
    assert two_step.HALF_WAY == 0.6025
    assert harlow_common.HALF_WAY == 0.75
    assert risky_choice.HALF_WAY == 0.375
    assert inferred_value.REFERENCE == 0.45


@pytest.mark.slow
@pytest.mark.full
def test_half_way_follows_the_observers():
    bayes = foraging.observe()["Bayes"]["reward_per_trial"]
    assert pytest.approx((0.375 + bayes) / 2, abs=0.001) == foraging.HALF_WAY
    correct = volatility.observe()["bayes"]["correct"].values()
    assert pytest.approx((0.5 + np.mean([*correct])) / 2, abs=0.005) == volatility.HALF_WAY
    ideal = two_step.foils()[two_step.LATENT]["reward_per_trial"]
    assert pytest.approx((0.5 + ideal) / 2, abs=0.005) == two_step.HALF_WAY
    low, high = risky_choice_conditions.observe()["ideal"]
    assert pytest.approx((high - low) / 2, abs=0.02) == risky_choice.HALF_WAY


# Agents that lack something.


def judged(experiment, row, ours, theirs):
    """Return the claim of one row, of three seeds and of agents that lack something."""
    experiment = replace(experiment, claims=[row], algorithms=("ppo",), derive=lambda m: {})
    measures = {"ppo": ours, **dict.fromkeys(LACKING, theirs)}
    of_seeds = {name: dict.fromkeys(range(3), found) for name, found in measures.items()}
    (claim,) = evaluate_claims(experiment, of_seeds)
    return claim


def counted(experiment):
    return [row for row in experiment.claims if row.kind in COUNTED]


def test_who_is_told_by_the_task_is_no_foil(monkeypatch):
    experiment = replace(EXPERIMENTS["two-step"], references=lambda: {"foils": {"F": {"x": 0.0}}})
    row = counted(experiment)[0]._replace(key="x", foil="F")
    ours, theirs = {"x": 0.99}, {"x": 0.5}
    assert experiment.able == [NO_ACTION_INPUT]
    found = judged(experiment, row, ours, theirs)
    assert found.verdict == "held"
    assert NO_ACTION_INPUT not in found.foils
    assert len(found.foils) == len(LACKING)  # its own one, and all others
    everybody = judged(replace(experiment, able=()), row, ours, theirs)
    assert NO_ACTION_INPUT in everybody.foils


@pytest.mark.parametrize("name", GROUPS["wang2018"])
def test_rows_without_these_foils_say_why(name):
    for row in counted(EXPERIMENTS[name]):
        if not row.lacking:
            assert row.note
            assert row.foil is not None


def test_able_agents_are_some_that_lack_something():
    able = {e.name: list(e.able) for e in EXPERIMENTS.values() if e.able}
    told = (
        *("inferred-value", "two-step", "two-step-species", "harlow", "risky-choice"),
        "two-step-2016",
    )
    assert able == {name: [NO_ACTION_INPUT] for name in told}
    assert all(EXPERIMENTS[name].lacking for name in able)


# Findings without a claim before.


@pytest.mark.parametrize(
    ("regrets", "step"),
    [
        ([0.8, 1.41, 3.01], 0.61),  # Gittins' indices
        ([40.0, 25.0, 10.0], -15.0),  # chance
        ([8.0, 12.5, 8.0], -4.5),  # win-stay, lose-shift
    ],
)
def test_the_smaller_step_between_difficulties(regrets, step):
    found = bandits.derive({"difficulty": regrets})
    assert found == {"difficulty_step": pytest.approx(step)}


def test_difficulties_are_in_order():
    names = [id.removeprefix("neurotasks/Bandit") for id in bandits.DIFFICULTIES]
    assert names == ["Easy-v0", "Medium-v0", "Hard-v0"]


def test_weight_of_earlier_rewards():
    rewards = [9.0, 0.1, 0.2, 0.3, 0.4, *[7.0] * 10]
    found = foraging.derive({"weights": {"reward": rewards}})
    assert found == {"earlier_rewards": pytest.approx(0.25)}
    assert foraging.derive({"units": {}}) == {}


@pytest.mark.slow
def test_players_next_to_the_added_ranges_of_foraging():
    rows = {row.key: row for row in foraging.CLAIMS}
    for name, passes in (("Bayes", True), (foraging.WIN_STAY, False), (foraging.BIASED, False)):
        found = foraging.observe()[name]
        assert (found["slope_p0_held_out"] in rows["slope_p0_held_out"].accepted) == passes
        assert (
            foraging.derive(found)["earlier_rewards"] in rows["earlier_rewards"].accepted
        ) == passes
    knows = foraging.derive(foraging.observe()["matching"])["earlier_rewards"]
    assert knows not in rows["earlier_rewards"].accepted
