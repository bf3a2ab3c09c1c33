"""Scores: what they mean, and that the shipped table is what the players reach."""

import gymnasium as gym
import numpy as np
import pytest

from neurotasks import TASKS, scores
from neurotasks.episodes import run_episodes
from neurotasks.errors import ParameterError
from neurotasks.observers import RandomAgent
from neurotasks.observers.ideal import ideal_observer
from neurotasks.scores import normalized_score, reference_returns

PLAYERS = {"random": RandomAgent, "ideal": ideal_observer}
EPISODES = {"neurotasks/HarlowPixels-v0": 20}  # pictures are large
SEED = 12_345  # not that of the table


def returns(id, player, episodes):
    options = {"split": "test", "autoreset_mode": "SameStep", "trial_log": True}
    envs = gym.make_vec(id, num_envs=episodes, **options)
    found = run_episodes(PLAYERS[player](envs, SEED), envs, seed=SEED)
    return (found.rewards * found.alive).sum(axis=0)


def test_scores_lie_between_the_two_players(monkeypatch):
    table = {"a": {"random": -1.0, "ideal": 3.0}}
    monkeypatch.setattr(scores, "reference_returns", lambda: table)
    found = normalized_score("a", [[-1, 1], [3, 5]])
    assert found.tolist() == [[0, 0.5], [1, 1.5]]
    assert normalized_score("a", 0).shape == ()


def test_random_is_near_0_and_ideal_near_1():
    id = "neurotasks/TwoStep-v0"
    means = {p: normalized_score(id, returns(id, p, 200)).mean() for p in PLAYERS}
    assert means == pytest.approx({"random": 0, "ideal": 1}, abs=0.1)


def test_unknown_id():
    with pytest.raises(ParameterError, match=r"'neurotasks/TwoStop-v0'.*'neurotasks/TwoStep-v0'"):
        normalized_score("neurotasks/TwoStop-v0", 1.0)


def test_table_has_every_task():
    assert list(reference_returns()) == list(TASKS)


@pytest.mark.parametrize("id", TASKS)
def test_table_is_what_the_players_reach(id):
    row = reference_returns()[id]
    assert row["observer"] == type(ideal_observer(gym.make(id))).__name__
    assert row["ideal"] - row["random"] > 3 * (row["ideal_se"] + row["random_se"])
    for player in PLAYERS:
        again = returns(id, player, EPISODES.get(id, 200))
        error = np.hypot(again.std(ddof=1) / np.sqrt(len(again)), row[f"{player}_se"])
        assert abs(again.mean() - row[player]) <= 5 * error + 1e-6  # to which it is rounded
