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
from stable_baselines3.common.utils import FloatSchedule
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

    policy_aliases = {"FusedLstmPolicy": FusedLstmPolicy}
    policy: FusedLstmPolicy
    rollout_buffer: ColumnRolloutBuffer
    description: dict[str, Any]  # what `baselines.save` says of the agent

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
        self.description = {}
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

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: ColumnRolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the buffer; as the parent, but a step on all lanes only draws actions.

        Values and log-probabilities of the whole rollout follow in one fused pass.
        """
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        if self.whole_episodes:
            self._last_obs = env.reset()  # type: ignore[assignment]
            self._last_episode_starts = np.ones(env.num_envs, np.bool_)
        obs: Any = self._last_obs
        starts: np.ndarray = self._last_episode_starts  # type: ignore[assignment]
        states: RNNStates = self._last_lstm_states  # type: ignore[assignment]
        rollout_buffer.first_states = states
        cut_short = []
        for step in range(n_rollout_steps):
            with th.inference_mode():
                actions_t, states = self.policy.act(
                    th.as_tensor(obs, device=self.device),
                    states,
                    th.as_tensor(starts, dtype=th.float32, device=self.device),
                    critic=not self.whole_episodes,
                )
            actions = actions_t.cpu().numpy()
            taken = actions
            if isinstance(self.action_space, spaces.Box):
                taken = np.clip(actions, self.action_space.low, self.action_space.high)
            new_obs, rewards, dones, infos = env.step(taken)
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            self._last_obs, self._last_episode_starts = new_obs, dones  # type: ignore[assignment]
            self._last_lstm_states = states  # type: ignore[assignment]
            if not callback.on_step():
                return False
            if dones.any():
                ended = np.flatnonzero(dones)
                self._update_info_buffer([infos[i] for i in ended], dones[ended])
                for i in ended:
                    if infos[i].get("TimeLimit.truncated", False):
                        cut_short.append((step, i, infos[i]["terminal_observation"]))
            rollout_buffer.add(obs, actions, rewards, starts)
            obs, starts = new_obs, dones
        self._evaluate_rollout(rollout_buffer, obs, cut_short)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    @th.inference_mode()
    def _evaluate_rollout(
        self,
        buffer: ColumnRolloutBuffer,
        last_obs: np.ndarray,
        cut_short: list[tuple[int, int, np.ndarray]],
    ) -> None:
        """Fill in values, log-probabilities, advantages and returns.

        Args:
            buffer: with observations, actions, rewards and episode starts.
            last_obs: what followed the last step on each lane.
            cut_short: step, lane and last observation of each truncated episode.
        """
        # The last observation is one more step. Where an episode has just ended it is the first of
        # the next one, and its value counts nothing: no need to cut the column there.
        buffer.mask_columns()
        dones = np.asarray(self._last_episode_starts)
        last_obs = last_obs.reshape(1, *buffer.observations.shape[1:])
        observations = np.concatenate([buffer.observations, last_obs])
        actions = np.concatenate([buffer.actions, buffer.actions[-1:]])
        starts = np.concatenate([buffer.sequence_starts, np.zeros_like(buffer.sequence_starts[:1])])
        states: Any = buffer.first_states
        values, log_probs = self._evaluate(observations, actions, starts, states)
        buffer.values[:], buffer.log_probs[:] = values[:-1], log_probs[:-1]
        for step, lane, observation in cut_short:
            after_it = observation.reshape(1, 1, *buffer.observations.shape[2:])
            history = np.concatenate([buffer.observations[: step + 1, [lane]], after_it])
            first = RNNStates(*(tuple(s[:, [lane]] for s in pair) for pair in states))
            past = starts[: step + 1, [lane]]
            past = np.concatenate([past, np.zeros_like(past[:1])])
            after, _ = self._evaluate(history, actions[: step + 2, [lane]], past, first)
            buffer.rewards[step, lane] += self.gamma * after[-1, 0]
        buffer.compute_returns_and_advantage(th.as_tensor(values[-1]), dones)

    def _evaluate(
        self, observations: np.ndarray, actions: np.ndarray, starts: np.ndarray, states: RNNStates
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return values and log-probabilities, (steps, lanes), of arrays (steps, lanes, ...)."""

        def flat(array: np.ndarray) -> th.Tensor:
            columns = np.ascontiguousarray(array.swapaxes(0, 1))
            return th.as_tensor(columns, device=self.device).flatten(0, 1)

        evaluated = self.policy.evaluate_actions(
            flat(observations), flat(actions), states, flat(starts)
        )
        lanes = observations.shape[1]
        values, log_probs = (e.view(lanes, -1).T.cpu().numpy() for e in evaluated[:2])
        return values, log_probs
