"""Recorded episodes that differ in length, and observers that bring their own environments."""

import gymnasium as gym
import numpy as np
import pytest
from every_id import same

from neurotasks.episodes import run_episodes
from neurotasks.errors import ParameterError
from neurotasks.observers import Oracle, RandomAgent

ID = "neurotasks/VariableReward-v0"


def environments(**keywords):
    return gym.make_vec(ID, num_envs=5, trial_log=True, autoreset_mode="SameStep", **keywords)


@pytest.fixture(scope="module")
def played():
    return run_episodes(RandomAgent(environments(), seed=1), seed=7)


def test_returns_are_the_sums_of_whole_episodes(played):
    lengths = played.alive.sum(axis=0)
    assert len(set(lengths)) > 1
    for i, length in enumerate(lengths):
        env = gym.make(ID)
        env.reset(seed=7 + i)
        steps = [env.step(int(action))[1:3] for action in played.actions[:length, i]]
        rewards, ends = zip(*steps, strict=True)
        assert ends == (False,) * (length - 1) + (True,)
        assert played.returns[i] == pytest.approx(sum(rewards))
    assert played.returns == pytest.approx(played.trials["trial_reward"].to_numpy())


def test_no_reward_after_the_end(played):
    assert np.array_equal(np.isnan(played.rewards), ~played.alive)
    assert not played.alive.all()


def test_an_observer_plays_its_own_environments(played):
    envs = environments()
    again = run_episodes(RandomAgent(envs, seed=1), envs, seed=7)
    assert same(again.observations, played.observations)
    assert again.trials.equals(played.trials)


def test_environments_of_no_task():
    envs = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")
    with pytest.raises(ParameterError, match="envs must be a vector environment of a task"):
        run_episodes(RandomAgent(environments()), envs)


def test_an_oracle_of_other_environments_knows_nothing_of_these():
    one, other = (
        gym.make_vec("neurotasks/Bandit-v0", num_envs=3, trial_log=True, autoreset_mode="SameStep")
        for _ in range(2)
    )
    with pytest.raises(ParameterError, match="Observations of Oracle must be those of its own"):
        run_episodes(Oracle(one), other, seed=0)
    assert run_episodes(Oracle(one), one, seed=0).returns.shape == (3,)
