"""Rollouts in compiled code: the same numbers as step by step, wherever nobody looks at a step."""

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    ConvertCallback,
)

from neurotasks_baselines.agents.buffers import ColumnRolloutBuffer
from neurotasks_baselines.agents.recurrent_a2c import FusedRecurrentA2C
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.agents.rollouts import RolloutCallback, ignores_steps
from neurotasks_baselines.agents.vec_env import GymnasiumVecEnv, TaskVecEnv, make_vec_env

TASK, LANES, STEPS = "neurotasks/TwoStep-v0", 3, 25


class Looks(BaseCallback):
    """A callback that is to see every step."""

    def __init__(self):
        super().__init__()
        self.steps = 0

    def _on_step(self):
        self.steps += 1
        return True


class Ends(RolloutCallback):
    """Notes what stands when a rollout ends."""

    def __init__(self):
        super().__init__()
        self.noted = []

    def _on_rollout_end(self):
        model = self.model
        infos = [(float(info["r"]), int(info["l"])) for info in model.ep_info_buffer]
        self.noted.append((self.num_timesteps, model.num_timesteps, infos))


def trained(kind, callback, folder, trunk, **keywords):
    env = make_vec_env(TASK, LANES, 5, task_kwargs={"trials": 4}, monitor=folder / "monitor.csv")
    of_policy = {"lstm_hidden_size": 6, "trunk": trunk, "learned_start": kind is FusedRecurrentA2C}
    model = kind("FusedLstmPolicy", env, n_steps=STEPS, policy_kwargs=of_policy, seed=0, **keywords)
    ends = Ends()
    model.learn(4 * LANES * STEPS, [callback, ends])
    env.close()
    return model, ends


KINDS = {
    "PPO": (FusedRecurrentPPO, {"batch_size": STEPS}),
    "PPO of whole episodes": (FusedRecurrentPPO, {"batch_size": STEPS, "whole_episodes": True}),
    "A2C": (FusedRecurrentA2C, {}),
}


@pytest.mark.parametrize("trunk", ["shared", "separate"])
@pytest.mark.parametrize("name", KINDS)
def test_a_training_is_the_same_to_the_last_bit(name, trunk, tmp_path, monkeypatch):
    kind, keywords = KINDS[name]
    looks, played = Looks(), []
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    slow, slow_ends = trained(kind, looks, tmp_path / "a", trunk, **keywords)
    play = TaskVecEnv.play
    monkeypatch.setattr(
        TaskVecEnv, "play", lambda *given: played.append(play(*given)) or played[-1]
    )
    fast, fast_ends = trained(kind, RolloutCallback(), tmp_path / "b", trunk, **keywords)
    assert looks.steps == 4 * STEPS
    assert len(played) == 4
    for ours, theirs in zip(fast.policy.parameters(), slow.policy.parameters(), strict=True):
        assert th.equal(ours, theirs)
    assert fast_ends.noted == slow_ends.noted
    assert len(fast_ends.noted[-1][2]) > 2 * LANES
    for part in ("_last_obs", "_last_episode_starts"):
        np.testing.assert_array_equal(getattr(fast, part), getattr(slow, part))
    for ours, theirs in zip(fast._last_lstm_states, slow._last_lstm_states, strict=True):
        assert all(map(th.equal, ours, theirs))
    assert (fast.env.get_state() == slow.env.get_state()).all()
    assert fast.env.episode_count == slow.env.episode_count > 2 * LANES
    np.testing.assert_array_equal(fast.env.episode_returns, slow.env.episode_returns)
    np.testing.assert_array_equal(fast.env.episode_lengths, slow.env.episode_lengths)
    rows = [np.loadtxt(tmp_path / x / "monitor.csv", delimiter=",", skiprows=2) for x in "ab"]
    np.testing.assert_array_equal(rows[0][:, :2], rows[1][:, :2])


def test_a_rollout_may_follow_one_of_the_other_kind(tmp_path):
    """State, episodes under way and statistics pass from one to the other, and back."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    env = make_vec_env(TASK, LANES, 5, task_kwargs={"trials": 4}, monitor=tmp_path / "a/m.csv")
    keywords = {"n_steps": STEPS, "batch_size": STEPS, "seed": 0}
    mixed = FusedRecurrentPPO("FusedLstmPolicy", env, **keywords)
    for callback in (RolloutCallback(), Looks(), None):
        mixed.learn(LANES * STEPS, callback, reset_num_timesteps=False)
    other = make_vec_env(TASK, LANES, 5, task_kwargs={"trials": 4}, monitor=tmp_path / "b/m.csv")
    slow = FusedRecurrentPPO("FusedLstmPolicy", other, **keywords)
    for _ in range(3):
        slow.learn(LANES * STEPS, Looks(), reset_num_timesteps=False)
    assert all(map(th.equal, mixed.policy.parameters(), slow.policy.parameters()))
    np.testing.assert_array_equal(env.episode_returns, other.episode_returns)
    env.close()
    other.close()


def test_who_looks_at_steps():
    quiet, looks = RolloutCallback(), Looks()
    assert ignores_steps(quiet)
    assert ignores_steps(ConvertCallback(None))
    assert ignores_steps(CallbackList([quiet, CallbackList([quiet])]))
    assert not ignores_steps(looks)
    assert not ignores_steps(CallbackList([quiet, CallbackList([looks])]))
    assert not ignores_steps(CheckpointCallback(10, "nowhere"))
    assert not ignores_steps(ConvertCallback(lambda *_: True))


def test_where_compiled_code_cannot_play():
    env = make_vec_env(TASK, LANES)
    assert env.can_play
    assert not make_vec_env(TASK, LANES, vectorization_mode="sync").can_play
    assert not make_vec_env(TASK, LANES, max_episode_steps=5).can_play
    assert not make_vec_env("neurotasks/HarlowPixels-v0", 1).can_play
    assert not make_vec_env("CartPole-v1", 1, vectorization_mode="sync").can_play
    assert not TaskVecEnv(make_vec_env(TASK, LANES)).can_play  # one monitor around another

    class Wrapped(GymnasiumVecEnv):
        pass

    assert not TaskVecEnv(Wrapped(env.venv.envs)).can_play


@pytest.mark.parametrize("gae_lambda", [0.0, 0.9, 1.0])
def test_advantages_are_those_of_stable_baselines3_to_the_last_bit(gae_lambda):
    env, rng = make_vec_env(TASK, LANES), np.random.default_rng(0)
    spaces = env.observation_space, env.action_space
    weights = {"gamma": 0.91, "gae_lambda": gae_lambda, "n_envs": LANES}
    ours = ColumnRolloutBuffer(STEPS, *spaces, (STEPS, 1, LANES, 4), "cpu", **weights)
    theirs = RolloutBuffer(STEPS, *spaces, "cpu", **weights)
    ended, last = rng.random(LANES) < 0.5, th.tensor(rng.normal(size=(LANES, 1)))
    for name in ("rewards", "values"):
        drawn = rng.normal(size=(STEPS, LANES)).astype(np.float32)
        for buffer in (ours, theirs):
            getattr(buffer, name)[:] = drawn
    ours.episode_starts[:] = theirs.episode_starts[:] = rng.random((STEPS, LANES)) < 0.2
    for buffer in (ours, theirs):
        buffer.compute_returns_and_advantage(last.float(), ended)
    np.testing.assert_array_equal(ours.advantages, theirs.advantages)
    np.testing.assert_array_equal(ours.returns, theirs.returns)
