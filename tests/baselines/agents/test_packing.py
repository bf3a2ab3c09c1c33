"""Whole episodes in columns: each step of each episode, once, in order."""

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from hypothesis import given, strategies as st
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

from neurotasks.errors import ParameterError
from neurotasks_baselines.agents import buffers
from neurotasks_baselines.agents.packing import find_episodes, pack, pack_tightly, steps_in_columns
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO


def test_find_episodes():
    """Environment 0: two steps of no episode, one of three, one begun; 1: one that ends last."""
    starts = np.array([[0, 0], [0, 1], [1, 0], [0, 0], [0, 0], [1, 0]])
    found = find_episodes(starts, np.array([False, True]))
    assert found.envs.tolist() == [0, 0, 1]
    assert found.begins.tolist() == [2, 5, 1]
    assert found.lengths.tolist() == [3, 1, 5]
    assert found.ended.tolist() == [True, False, True]


def test_an_environment_may_have_no_start():
    found = find_episodes(np.array([[0, 1], [0, 0]]), np.array([True, False]))
    assert found.envs.tolist() == [1]
    assert not found.ended.any()


def test_pack():
    """The longest first: 5 and 4 open columns, 3 goes to the emptier, 2 fits on 5, 1 on 4 + 3."""
    places = pack(np.array([1, 5, 2, 4, 3]), 8)
    assert places.columns.tolist() == [0, 0, 0, 1, 1]
    assert places.rows.tolist() == [7, 0, 5, 0, 4]
    assert (places.height, places.num_columns) == (8, 2)


def test_equal_lengths_stay_in_order():
    places = pack_tightly(np.full(6, 9), 9)
    assert places.columns.tolist() == list(range(6))
    assert (places.height, places.num_columns) == (9, 6)


def test_no_episode():
    places = pack_tightly(np.zeros(0, int), 9)
    assert (places.height, places.num_columns) == (9, 0)


@given(st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=9), min_size=1, max_size=6))
def test_every_step_once_and_in_order(lengths):
    """Each environment's last episode has begun and no more."""
    steps = max(map(sum, lengths))
    starts = np.zeros((steps, len(lengths)))
    for env, of_env in enumerate(lengths):
        begins = steps - np.cumsum(of_env[::-1])[::-1]
        starts[begins, env] = 1
    episodes = find_episodes(starts, np.zeros(len(lengths)))
    places = pack_tightly(episodes.lengths[episodes.ended], 12)
    sources = steps_in_columns(episodes, places, len(lengths))
    played = {
        (t, env)
        for env, of_env in enumerate(lengths)
        for t in range(steps - sum(of_env), steps - of_env[-1])
    }
    packed = sources[sources >= 0]
    assert len(packed) == len(played)
    assert {divmod(source, len(lengths)) for source in packed.tolist()} == played
    for above, below in zip(sources[:-1].ravel(), sources[1:].ravel(), strict=True):
        if above >= 0 and above + len(lengths) in packed and not starts.flat[above + len(lengths)]:
            assert below == above + len(lengths)


def mouse(n, rng):
    return np.minimum(33 + rng.gamma(2.2, 24, n), 225).astype(int)


LENGTHS = {
    "of the mouse tasks": mouse,
    "three quarters of the longest": lambda n, rng: (
        rng.normal(148, 12, n).clip(100, 200).astype(int)
    ),
    "any": lambda n, rng: rng.integers(1, 100, n),
    "all but one short": lambda n, rng: np.r_[100, np.full(n - 1, 7)],
}


@pytest.mark.parametrize("draw", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("n", [60, 300])
def test_a_tenth_is_masked_at_most(draw, n):
    rng, masked = np.random.default_rng(0), []
    for _ in range(30):
        lengths = draw(n, rng)
        places = pack_tightly(lengths, lengths.max())
        masked.append(1 - lengths.sum() / (places.height * places.num_columns))
    assert np.mean(masked) <= 0.1


class Uneven(gym.Env):
    """Episodes of 1, 3 or 17 steps, as often; observations say which, and the step."""

    observation_space = gym.spaces.Box(0, 99, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)
    lengths = 1, 3, 17

    def _look(self):
        return np.array([self.length, self.t], np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.length, self.t = int(self.np_random.choice(self.lengths)), 0
        return self._look(), {}

    def step(self, action):
        self.t += 1
        return self._look(), 1.0, self.t == self.length, False, {}


class Ended(BaseCallback):
    """Counts the episodes that end, and those that are learned from, by their length."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.ended, self.learned, self.stop_at = [], [], stop_at

    def _on_step(self):
        infos, dones = self.locals["infos"], self.locals["dones"]
        self.ended += [int(infos[i]["terminal_observation"][0]) for i in np.flatnonzero(dones)]
        return self.num_timesteps != self.stop_at

    def _on_rollout_end(self):
        buffer = self.model.rollout_buffer
        for column, mask in zip(np.moveaxis(buffer.observations, 1, 0), buffer.mask.T, strict=True):
            counting = column[mask]
            while len(counting):
                length = int(counting[0, 0])
                assert counting[:length].tolist() == [[length, t] for t in range(length)]
                self.learned.append(length)
                counting = counting[length:]


def agent(envs=6, n_steps=7, **kwargs):
    env = DummyVecEnv([Uneven] * envs)
    env.seed(3)
    kwargs = {"n_steps": n_steps, "batch_size": 4 * n_steps, "n_epochs": 1} | kwargs
    return FusedRecurrentPPO("FusedLstmPolicy", env, whole_episodes=True, seed=0, **kwargs)


def test_no_length_is_favoured():
    """Every episode that has ended is learned from once; the environments' last have not ended."""
    model, counts = agent(), Ended()
    model.learn(60 * 6 * 7, counts)
    assert sorted(counts.learned) == sorted(counts.ended)
    assert {1, 3, 17} == set(counts.ended)


def test_nothing_is_learned_where_nothing_has_ended(weights, monkeypatch):
    monkeypatch.setattr(Uneven, "lengths", [17])
    model = agent(n_steps=2)
    before = weights(model)
    model.learn(2 * 2 * 6)
    assert th.equal(weights(model), before)
    model.learn(7 * 2 * 6, reset_num_timesteps=False)
    assert not th.equal(weights(model), before)


def test_an_interrupted_rollout_is_forgotten():
    """Whatever follows, what is learned from are whole episodes."""
    model = agent()
    model.learn(10 * 6 * 7, Ended(stop_at=3 * 6 * 7 + 4 * 6), reset_num_timesteps=False)
    assert model.num_timesteps == 3 * 6 * 7 + 4 * 6
    counts = Ended()
    model.learn(10 * 6 * 7, counts, reset_num_timesteps=False)
    assert 0 < len(counts.learned) < len(counts.ended)
    again = Ended()
    model.learn(10 * 6 * 7, again)  # of environments that are reset
    assert sorted(again.learned) == sorted(again.ended)


def test_episodes_that_do_not_end(monkeypatch):
    monkeypatch.setattr(buffers, "LARGEST_UNFINISHED", 5_000)
    monkeypatch.setattr(Uneven, "lengths", [10**9])
    model = agent(n_steps=2)
    with pytest.raises(ParameterError, match=r"Episodes must end .* Pass whole_episodes=False"):
        model.learn(10**6)
