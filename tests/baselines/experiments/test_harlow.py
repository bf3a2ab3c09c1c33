"""Decoding of the rewarded side from the recurrent state, on states made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from neurotasks.analysis.harlow import side_from_activity
from neurotasks.episodes import run_episodes
from neurotasks.observers import HarlowObserver
from neurotasks.tasks.harlow import CHOICE
from neurotasks.tasks.harlow_pixels import CHOICE as PIXELS_CHOICE
from neurotasks_baselines.experiments import harlow
from neurotasks_baselines.experiments.harlow_common import (
    AGENT_2018,
    QUANTILES,
    QUANTILES_2018,
    TRIALS,
)
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs as held_out

ID, EPISODES = "neurotasks/Harlow-v0", 100


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

    def watched(model, num_episodes):
        played.append(model)
        return evaluate(model, num_episodes=num_episodes)

    monkeypatch.setattr(harlow, "evaluate", watched)
    other = build(ID, hyperparameters=tiny, seed=1)
    both = harlow.measure({"agent": agent, "agent-early": other}, 8)
    assert played == [agent, other]
    assert set(both["activity"]) == {"late", "early"}
    assert set(harlow.measure({"agent": agent}, 8)["activity"]) == {"late"}
    assert np.shape(both["activity"]["early"]["preference"]) == (tiny.units, TRIALS)


def test_quantiles_of_the_paper():
    assert np.shape(QUANTILES_2018) == (QUANTILES, TRIALS)
    assert QUANTILES_2018[-1] == AGENT_2018
    later = np.mean(QUANTILES_2018, axis=1)
    assert (np.diff(later) > 0).all()
    (training,) = harlow.EXPERIMENT.trainings.values()
    assert training.early == pytest.approx(1 / 7)
