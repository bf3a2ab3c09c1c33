"""Measures of the bandits, on tables worked by hand and on episodes played."""

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

from neurotasks.analysis.bandit import cumulative_regret, suboptimal_pulls
from neurotasks.episodes import run_episodes
from neurotasks.observers import InformativeBandit, Oracle, RandomAgent

LATE, EARLY = [(1, 0, 0, 0.25), (1, 0, 1, 0.0)], [(0, 3, 1, 0.5), (0, 3, 0, 0.5), (0, 3, 2, 1e-17)]
BETWEEN = [(0, 4, 0, 0.0), (0, 4, 1, 0.0), (0, 4, 2, 0.75)]
BY_HAND = pd.DataFrame([*LATE, *EARLY, *BETWEEN], columns=["env", "episode", "trial", "regret"])


def test_regret_by_hand():
    expected = [[0.5, 1, 1], [0, 0, 0.75], [0.25, 0.25, np.nan]]
    assert np.array_equal(cumulative_regret(BY_HAND), expected, equal_nan=True)
    assert suboptimal_pulls(BY_HAND).tolist() == [2, 1, 1]


def played(id, observer, lanes=200, **keywords):
    vector = {"num_envs": lanes, "autoreset_mode": "SameStep", "trial_log": True}
    envs = gym.make_vec(id, **vector, **keywords)
    return run_episodes(observer(envs, seed=0), envs, seed=0).trials


@pytest.mark.parametrize("id", ["neurotasks/Bandit-v0", "neurotasks/BanditRestless-v0"])
def test_regret_is_that_of_the_probabilities(id):
    trials = played(id, RandomAgent)
    p = trials[["p_0", "p_1"]].to_numpy()
    missed = p.max(axis=1) - p[np.arange(len(p)), trials["choice"]]
    found = cumulative_regret(trials)
    assert found == pytest.approx(missed.reshape(200, 100).cumsum(axis=1))
    worse = (trials["choice"] != p.argmax(axis=1)).to_numpy()
    assert np.array_equal(suboptimal_pulls(trials), worse.reshape(200, 100).sum(axis=1))


@pytest.mark.slow
def test_who_knows_regrets_nothing():
    trials = played("neurotasks/Bandit-v0", Oracle, arms=3)
    assert not cumulative_regret(trials).any()
    assert not suboptimal_pulls(trials).any()


def test_regret_of_the_informative_bandit():
    """Asking costs 5 minus 0.1 x the number of the target, once."""
    trials = played("neurotasks/BanditInformative-v0", InformativeBandit)
    asked = 5 - trials["reward"].to_numpy().reshape(200, 5)[:, :1]
    assert cumulative_regret(trials) == pytest.approx(np.repeat(asked, 5, axis=1))
    assert suboptimal_pulls(trials).tolist() == [1] * 200
