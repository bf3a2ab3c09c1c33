"""Scores, recomputed from trial tables, with standard errors by resampling."""

from functools import partial

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from sb3_contrib import RecurrentPPO

from neurotasks.episodes import run_episodes
from neurotasks.observers import RandomAgent, reference_observer
from neurotasks.scores import TEST_SEED
from neurotasks_baselines import load, make_vec_env
from neurotasks_baselines.experiments.jobs import shipped
from neurotasks_baselines.suite.report import shipped_agents
from neurotasks_baselines.suite.scores import held_out_scores

ID = "neurotasks/BanditUniform-v0"
EPISODES = 400


def recomputed(agent, num_episodes):
    """Return the score of an agent from trial tables, and its standard error by resampling."""
    returns = {}
    players = {
        "agent": lambda envs: agent,
        "random": partial(RandomAgent, seed=0),
        "reference": partial(reference_observer, seed=0),
    }
    for name, player in players.items():
        options = {"autoreset_mode": "SameStep", "split": "test", "trial_log": True}
        envs = gym.make_vec(ID, num_envs=num_episodes, **options)
        table = run_episodes(player(envs), envs, seed=TEST_SEED).trials
        returns[name] = table.groupby("env")["trial_reward"].sum()
    table = pd.DataFrame(returns)

    def score(episodes):
        means = episodes.mean()
        return (means["agent"] - means["random"]) / (means["reference"] - means["random"])

    resampled = [score(table.sample(frac=1, replace=True, random_state=i)) for i in range(400)]
    return score(table), np.std(resampled)


class StayOrShift:
    """Player that repeats the last action after a reward, and changes it after none."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        first, last, reward = observation[:, 1], observation[:, 2], observation[:, 3]
        stay = (last > first).astype(int)
        return np.where(reward > 0, stay, 1 - stay), None


def stock():
    """Return sb3-contrib's RecurrentPPO after a few steps, with which it is above chance."""
    return RecurrentPPO(
        "MlpLstmPolicy",
        make_vec_env(ID, 64, seed=0),
        n_steps=100,
        batch_size=1600,
        learning_rate=3e-3,
        policy_kwargs={"lstm_hidden_size": 16, "net_arch": []},
        device="cpu",
        seed=0,
    ).learn(12_800)


def test_a_score_is_what_trial_tables_give():
    """Exactly, for a player that chooses nothing at random."""
    found = held_out_scores(StayOrShift(), ID, EPISODES).score
    score, error = recomputed(StayOrShift(), EPISODES)
    assert found.value == pytest.approx(score)
    assert found.standard_error == pytest.approx(error, rel=0.15)  # 4 sd of 400 resamples


@pytest.mark.slow
def test_scores_of_the_stock_agent_are_what_trial_tables_give():
    """About five seconds. It draws its choices anew, so that only the episodes are the same."""
    agent = stock()
    found = held_out_scores(agent, ID, EPISODES).score
    score, error = recomputed(agent, EPISODES)
    assert abs(found.value - score) < 3 * np.hypot(error, found.standard_error)
    assert found.standard_error == pytest.approx(error, rel=0.3)


def test_scores_of_our_agents_are_what_trial_tables_give():
    """Those in the table that ships, of the weights that ship."""
    agent = load(shipped("bandits", "ppo", 100, "correlated"), num_envs=1)
    (result,) = (
        result
        for result in shipped_agents()["FusedRecurrentPPO"]
        if (result.id, result.seed) == (ID, 100)
    )
    score, error = recomputed(agent, result.episodes)
    assert abs(result.score - score) < 3 * np.hypot(error, result.score_se)
    assert result.score_se == pytest.approx(error, rel=0.3)
    assert error < 0.01


def test_standard_errors_of_what_ships_are_small():
    """Those of scores between 0 and 1, of either scale."""
    found = [
        (getattr(result, name), getattr(result, f"{name}_se"))
        for results in shipped_agents().values()
        for result in results
        for name in ("score", "memory_score", "train_score")
    ]
    errors = [error for score, error in found if score is not None and 0 <= score <= 1]
    assert len(errors) > 200
    assert max(errors) <= 0.02
