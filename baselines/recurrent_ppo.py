"""Recurrent PPO for meta-learning: sb3-contrib's, an order of magnitude faster."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import FloatSchedule, obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv

from baselines.buffers import ColumnRolloutBuffer
from baselines.policies import FusedLstmPolicy


class FusedRecurrentPPO(RecurrentPPO):
    """Recurrent PPO that trains on whole columns, each in one fused LSTM call.

    Everything else is sb3-contrib's ``RecurrentPPO``; saving, loading, callbacks, TensorBoard,
    ``predict`` and ``evaluate_policy`` work as there.

    Args:
        policy: `FusedLstmPolicy`, a subclass, or ``"FusedLstmPolicy"``.
        env: a ``VecEnv``, an environment or an id.
        batch_size: steps in a minibatch, a multiple of ``n_steps``.
        ent_coef: weight of the entropy, a number or a schedule.
        whole_episodes: whether every rollout plays one episode on each lane from its start, with
            the steps after its end masked. Where all episodes are ``n_steps`` long or a little
            less, nothing is cut or padded; otherwise leave it off.
        threads: torch's threads. Networks of this size run slower on two than on one.
        **kwargs: as for ``RecurrentPPO``.

    Raises:
        ValueError: if a minibatch does not consist of whole columns.
    """

    policy_aliases = {"FusedLstmPolicy": FusedLstmPolicy}  # noqa: RUF012 (the parent's)
    policy: FusedLstmPolicy
    rollout_buffer: ColumnRolloutBuffer

    def __init__(
        self,
        policy: str | type[FusedLstmPolicy],
        env: Any,
        *,
        n_steps: int = 128,
        batch_size: int = 2048,
        ent_coef: float | Schedule = 0.0,
        whole_episodes: bool = False,
        threads: int = 1,
        **kwargs: Any,
    ) -> None:
        if batch_size % n_steps:
            raise ValueError(
                f"batch_size={batch_size} came with n_steps={n_steps}, but a minibatch is made of "
                f"whole columns of n_steps steps. Use a multiple of {n_steps}."
            )
        self.ent_coef_schedule = FloatSchedule(ent_coef)
        self.whole_episodes = whole_episodes
        self.threads = threads
        kwargs |= {"ent_coef": self.ent_coef_schedule(1.0)}
        super().__init__(policy, env, n_steps=n_steps, batch_size=batch_size, **kwargs)

    def _setup_model(self) -> None:
        th.set_num_threads(self.threads)
        super()._setup_model()
        if not isinstance(self.policy, FusedLstmPolicy):
            raise ValueError(
                f"The policy {type(self.policy).__name__} came, but FusedLstmPolicy or a subclass "
                "of it is needed."
            )
        self.rollout_buffer = ColumnRolloutBuffer(
            self.n_steps,
            self.observation_space,
            self.action_space,
            self.rollout_buffer.hidden_state_shape,
            self.device,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            n_envs=self.n_envs,
            whole_episodes=self.whole_episodes,
        )

    def train(self) -> None:
        """Update the policy; the entropy's weight follows its schedule."""
        self.ent_coef = self.ent_coef_schedule(self._current_progress_remaining)
        self.logger.record("train/ent_coef", self.ent_coef)
        super().train()

    @th.no_grad()
    def collect_rollouts(  # type: ignore[override]
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: ColumnRolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the buffer; as the parent, but nothing is done lane by lane or copied needlessly."""
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        if self.whole_episodes:
            self._last_obs = env.reset()  # type: ignore[assignment]
            self._last_episode_starts = np.ones(env.num_envs, np.bool_)
        discrete = isinstance(self.action_space, spaces.Discrete)
        states: RNNStates = self._last_lstm_states  # type: ignore[assignment]
        starts = th.as_tensor(self._last_episode_starts, dtype=th.float32, device=self.device)
        for _ in range(n_rollout_steps):
            obs = obs_as_tensor(self._last_obs, self.device)  # type: ignore[arg-type]
            before = states
            actions_t, values, log_probs, states = self.policy(obs, before, starts)
            actions = actions_t.cpu().numpy()
            taken = actions
            if isinstance(self.action_space, spaces.Box):
                taken = np.clip(actions, self.action_space.low, self.action_space.high)
            new_obs, rewards, dones, infos = env.step(taken)
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            if dones.any():
                self._update_info_buffer([infos[i] for i in np.flatnonzero(dones)])
                for i in np.flatnonzero(dones):
                    if infos[i].get("TimeLimit.truncated", False):
                        last = infos[i]["terminal_observation"]
                        rewards[i] += self.gamma * self._value_after(last, states, int(i))
            rollout_buffer.add(
                self._last_obs,
                actions.reshape(-1, 1) if discrete else actions,
                rewards,
                self._last_episode_starts,
                values,
                log_probs,
                lstm_states=before,
            )
            self._last_obs = new_obs  # type: ignore[assignment]
            self._last_episode_starts = dones
            self._last_lstm_states = states  # type: ignore[assignment]
            starts = th.as_tensor(dones, dtype=th.float32, device=self.device)
        last_obs = obs_as_tensor(self._last_obs, self.device)  # type: ignore[arg-type]
        last_values = self.policy.predict_values(last_obs, states.vf, starts)
        rollout_buffer.compute_returns_and_advantage(last_values, dones)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _value_after(self, observation: np.ndarray, states: RNNStates, lane: int) -> float:
        """Return the value of the last observation of a truncated episode."""
        obs, _ = self.policy.obs_to_tensor(observation)
        hidden, cell = (s[:, lane : lane + 1].contiguous() for s in states.vf)
        starts = th.zeros(1, device=self.device)
        return float(self.policy.predict_values(obs, (hidden, cell), starts))
