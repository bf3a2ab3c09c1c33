"""Claims of Harlow's task, their foils, and decoding of the rewarded side, by hand."""

from dataclasses import replace

import numpy as np
import pytest
from judged import judge, with_frozen

from neurotasks.analysis.harlow import side_from_activity
from neurotasks.episodes import run_episodes
from neurotasks.observers import HarlowObserver
from neurotasks.tasks.harlow import CHOICE
from neurotasks.tasks.harlow_pixels import CHOICE as PIXELS_CHOICE
from neurotasks_baselines.experiments import harlow
from neurotasks_baselines.experiments.harlow_common import (
    AGENT_2018,
    FROM_REWARDS,
    GUESSES,
    ID,
    QUANTILES,
    QUANTILES_2018,
    TRIALS,
    foils,
)
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs as held_out

EPISODES = 100


@pytest.fixture(scope="module")
def episodes():
    envs = held_out(ID, {}, EPISODES)
    return run_episodes(HarlowObserver(envs, seed=0), envs, seed=0)


def states(episodes, known_from):
    """Return units of noise, the first of which codes the side while objects are seen.

    It does so from a trial on, and in the steps after the first one of a choice it codes the
    opposite: only the first one counts.
    """
    rng = np.random.default_rng(0)
    hidden = rng.normal(0, 0.01, (*episodes.actions.shape, 4))
    truth = episodes.truth
    side = np.where(truth["rewarded_side"] == 1, 1.0, -1.0)
    choosing = truth["stage"] == CHOICE
    first = choosing.copy()
    first[1:] &= ~choosing[:-1]
    coded = np.where(first, side, -side) * (choosing & (truth["trial"] >= known_from))
    hidden[..., 0] += 0.5 * coded
    return np.where(episodes.alive[..., None], hidden, np.nan)


@pytest.mark.parametrize("known_from", [0, 1, 3, 6])
def test_side_from_activity(episodes, known_from):
    """The side is decoded from the trial on in which a unit codes it, and guessed before."""
    found = side_from_activity(episodes, states(episodes, known_from), CHOICE)
    decoded, preference = found["decoded"], found["preference"]
    assert (decoded[known_from:] == 1).all()
    assert (abs(decoded[:known_from] - 0.5) < 0.2).all()
    assert preference.shape == (4, TRIALS)
    assert preference[0, known_from:] == pytest.approx(1.0, abs=0.02)
    assert abs(preference[0, :known_from]) == pytest.approx(0.0, abs=0.02)
    assert abs(preference[1:]) == pytest.approx(0.0, abs=0.02)


def test_side_from_activity_where_stages_have_other_codes(episodes):
    """In pictures 0 is the interval, 1 the cross and 2 the objects."""
    hidden = states(episodes, 1)
    truth = episodes.truth | {"stage": episodes.truth["stage"] + 1}
    pictures = replace(episodes, truth=truth)
    expected = side_from_activity(episodes, hidden, CHOICE)
    np.testing.assert_equal(side_from_activity(pictures, hidden, PIXELS_CHOICE), expected)
    assert np.nanmax(side_from_activity(pictures, hidden, CHOICE)["decoded"]) < 0.75  # the cross


def test_side_from_activity_of_trials_few_reach(episodes):
    """Nothing is read from less than ten episodes a fold."""
    early = episodes.alive & (np.arange(EPISODES) < 40)
    alive = np.where(episodes.truth["trial"] >= 2, early, episodes.alive)
    few = replace(episodes, alive=alive)
    found = side_from_activity(few, states(episodes, 0), CHOICE)
    assert np.isnan(found["decoded"]).tolist() == [False] * 2 + [True] * 4
    assert np.isnan(found["preference"]).all(axis=0).tolist() == [False] * 2 + [True] * 4


def test_measures_with_and_without_an_early_agent(tiny, monkeypatch):
    agent = build(ID, hyperparameters=tiny, seed=0)
    agent.description["history"] = [
        {
            "steps": i,
            **{
                f"{k}_{j}": None if i == 0 else 1.0
                for k in ("accuracy", "trials")
                for j in range(1, 7)
            },
        }
        for i in range(3)
    ]
    played = []

    def watched(model, num_episodes, seed):
        played.append(model)
        return evaluate(model, num_episodes=num_episodes, seed=seed)

    monkeypatch.setattr(harlow, "evaluate", watched)
    other = build(ID, hyperparameters=tiny, seed=1)
    both = harlow.measure({"agent": agent, "agent-early": other}, 8, 0)
    assert played == [agent, other]
    assert both["foils"][harlow.SECOND]["quantiles"] == both["quantiles"][1:]
    assert set(both["activity"]) == {"late", "early"}
    assert set(harlow.measure({"agent": agent}, 8, 0)["activity"]) == {"late"}
    assert np.shape(both["activity"]["early"]["preference"]) == (tiny.units, TRIALS)


def test_quantiles_of_the_paper():
    assert np.shape(QUANTILES_2018) == (QUANTILES, TRIALS)
    assert QUANTILES_2018[-1] == AGENT_2018
    later = np.mean(QUANTILES_2018, axis=1)
    assert (np.diff(later) > 0).all()
    (training,) = harlow.EXPERIMENT.trainings.values()
    assert training.early == pytest.approx(1 / 7)


# Claims, on measures made by hand, and their foils.

GOOD = (0.5, 0.99, 0.99, 0.99, 0.99, 0.99)


def made(accuracy=GOOD, right=0.99, wrong=0.99, early=(0.5,) * 6, second=(0.5,) + (0.8,) * 5):
    quantiles = [list(early), list(second), *[list(accuracy)] * 5]
    return {
        "accuracy": list(accuracy),
        "after_first": {"right": right, "wrong": wrong},
        "quantiles": quantiles,
        "foils": {harlow.SECOND: {"quantiles": quantiles[1:]}},
    }


TRIAL = {i: f"correct at trial {i}, new objects" for i in range(2, 7)}
GAIN = "gain from trial 2 to 6 in the first seventh of training"
EARLY = "correct at trial 6 in the first seventh of training"
DIFFERENCE = "difference at trial 2 between a right and a wrong first choice"
WRONG = "correct at trial 2 after a wrong first choice"
SHARED = {TRIAL[4], TRIAL[5], TRIAL[6], GAIN, DIFFERENCE}  # with a foil


def with_verdict(verdict, measures):
    claims = judge(harlow.EXPERIMENT, [measures] * 2)
    return {c.claim for c in claims if c.verdict == verdict}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"accuracy": [0.5, 0.519, 0.586, 0.686, 0.719, 0.779]}, set(TRIAL.values())),
        ({"accuracy": [0.5, 0.89, 0.97, 0.97, 0.98, 0.98]}, {TRIAL[2]}),
        ({"accuracy": [0.5, 0.96, 0.92, 0.97, 0.98, np.nan]}, {TRIAL[3], TRIAL[6]}),
        ({"early": [0.5] * 5 + [0.62]}, {GAIN, EARLY}),
        ({"early": [0.5] * 5 + [0.35]}, {GAIN, EARLY}),
        ({"early": [0.5] * 5 + [np.nan]}, {GAIN, EARLY}),
        ({"right": 0.99, "wrong": 0.89}, {DIFFERENCE, WRONG}),
        ({"right": 0.9, "wrong": 0.99}, {DIFFERENCE}),
        ({"wrong": np.nan}, {DIFFERENCE, WRONG}),
    ],
)
def test_claims_can_be_missed(changes, expected):
    assert with_verdict("missed", made(**changes)) == expected


def test_what_a_foil_shows_too_is_not_diagnostic():
    assert with_verdict("not diagnostic", made()) == SHARED
    assert with_verdict("held", made()) == {TRIAL[2], TRIAL[3], EARLY, WRONG}


def test_foils_fail_what_they_stand_for():
    found = foils()
    rewards, guesses = (made() | found[name] for name in (FROM_REWARDS, GUESSES))
    assert with_verdict("missed", rewards) == {TRIAL[2], TRIAL[3], DIFFERENCE, WRONG}
    assert with_verdict("missed", guesses) == {*TRIAL.values(), WRONG}
    second = made(early=(0.5,) + (0.8,) * 5)
    assert with_verdict("missed", second) == {EARLY}


def test_a_learner_from_rewards_only_halves_its_errors():
    found = foils()[FROM_REWARDS]
    assert found["accuracy"] == pytest.approx(1 - 0.5 ** np.arange(1, 7), abs=0.02)
    assert found["after_first"] == {"right": 1.0, "wrong": pytest.approx(0.5, abs=0.06)}


def test_who_guesses_is_at_chance():
    found = foils()[GUESSES]
    assert found["accuracy"] == pytest.approx([0.5] * 6, abs=0.05)
    assert abs(found["after_first"]["right"] - found["after_first"]["wrong"]) < 0.05


def test_a_foil_equal_to_the_agent_is_no_foil(monkeypatch):
    planted = made(second=(0.5,) * 6)
    assert with_verdict("not diagnostic", planted) == SHARED | {EARLY}
    same = {"accuracy": list(GOOD), "after_first": {"right": 0.99, "wrong": 0.99}}
    monkeypatch.setattr(harlow, "foils", lambda: {FROM_REWARDS: same, GUESSES: same})
    assert with_verdict("not diagnostic", made()) == SHARED | {TRIAL[2], TRIAL[3], WRONG}


def test_seeds_at_ceiling_are_reported():
    slow = made((0.5, 0.94, 0.97, 0.97, 0.98, 0.98))
    *_, claim = judge(harlow.EXPERIMENT, [made(), slow, slow, slow])
    assert (claim.measured, claim.verdict) == (0.25, "")
    assert "Contradicts" in claim.note


def test_a_frozen_agent_is_a_foil_of_every_claim():
    """One as good as the agent would show that none of them needs memory, but where rows allow."""
    assert any(claim.held for claim in judge(harlow.EXPERIMENT, [made()] * 2))
    claims = judge(harlow.EXPERIMENT, [with_frozen(made())] * 2)
    asked = {row.name for row in harlow.EXPERIMENT.claims if row.lacking}
    assert {c.verdict for c in claims if c.counted and c.claim in asked} == {"not diagnostic"}
