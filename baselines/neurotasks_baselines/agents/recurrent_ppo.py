"""Recurrent PPO for meta-learning: sb3-contrib's, an order of magnitude faster."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import FloatSchedule, explained_variance
from stable_baselines3.common.vec_env import VecEnv
from threadpoolctl import threadpool_limits

from neurotasks_baselines.agents.acting import Actor, CompiledActor
from neurotasks_baselines.agents.buffers import ColumnRolloutBuffer, CriticTarget
from neurotasks_baselines.agents.learning import Coefficients, CompiledLearner, Learner
from neurotasks_baselines.agents.policies import FusedLstmPolicy, RpeLstmPolicy


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
        critic_target: what the critic learns from, see `ColumnRolloutBuffer.set_targets`.
        threads: of torch and BLAS. Networks of this size run slower on two than on one.
        **kwargs: as for ``RecurrentPPO``, without ``clip_range_vf``.

    Raises:
        ValueError: if a minibatch does not consist of whole columns, or with ``clip_range_vf``.
    """

    policy_aliases = {"FusedLstmPolicy": FusedLstmPolicy, "RpeLstmPolicy": RpeLstmPolicy}
    policy: FusedLstmPolicy
    rollout_buffer: ColumnRolloutBuffer
    _last_lstm_states: Any  # RNNStates; None before the parent has set up
    description: dict[str, Any]  # what `neurotasks_baselines.save` says of the agent

    def __init__(
        self,
        policy: str | type[FusedLstmPolicy],
        env: Any,
        *,
        n_steps: int = 128,
        batch_size: int = 2048,
        ent_coef: float | Schedule = 0.0,
        whole_episodes: bool = False,
        critic_target: CriticTarget = "lambda",
        threads: int = 1,
        **kwargs: Any,
    ) -> None:
        if batch_size % n_steps:
            raise ValueError(
                f"batch_size={batch_size} came with n_steps={n_steps}, but a minibatch is made of "
                f"whole columns of n_steps steps. Use a multiple of {n_steps}."
            )
        if kwargs.get("clip_range_vf") is not None:
            raise ValueError(
                f"clip_range_vf={kwargs['clip_range_vf']} came, but the losses of the critic are "
                "not clipped here. Leave it out, or lower vf_coef."
            )
        self.description = {}
        self.ent_coef_schedule = FloatSchedule(ent_coef)
        self.whole_episodes = whole_episodes
        self.critic_target: CriticTarget = critic_target
        self.threads = threads
        kwargs |= {"ent_coef": self.ent_coef_schedule(1.0)}
        super().__init__(policy, env, n_steps=n_steps, batch_size=batch_size, **kwargs)

    def _setup_model(self) -> None:
        th.set_num_threads(self.threads)
        threadpool_limits(self.threads, "blas")  # the LSTM's matrix products are numba's
        super()._setup_model()
        if not isinstance(self.policy, FusedLstmPolicy):
            raise ValueError(
                f"The policy {type(self.policy).__name__} came, but FusedLstmPolicy or a subclass "
                "of it is needed."
            )
        self.rollout_buffer = ColumnRolloutBuffer(
            self.n_steps,
            self.policy.tensor_space,
            self.action_space,
            self.rollout_buffer.hidden_state_shape,
            self.device,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            n_envs=self.n_envs,
            whole_episodes=self.whole_episodes,
            critic_target=self.critic_target,
        )

    def train(self) -> None:
        """Update the policy; as the parent, by a learner of `agents.learning`."""
        buffer = self.rollout_buffer
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        self.ent_coef = self.ent_coef_schedule(self._current_progress_remaining)
        clip: float = self.clip_range(self._current_progress_remaining)  # type: ignore[operator]
        steps: dict[str, list[float]] = defaultdict(list)
        kind = CompiledLearner if self.policy.plain else Learner
        coefficients = Coefficients(
            clip=clip,
            value=float(self.vf_coef),
            entropy=self.ent_coef,
            normalize=self.normalize_advantage,
        )
        learner = kind(self.policy, buffer, coefficients)
        stop = False
        for _ in range(self.n_epochs):
            for columns in buffer.minibatches(self.batch_size):
                terms = learner.learn(columns)
                for name, value in terms.items():
                    steps[name].append(value)
                stop = self.target_kl is not None and terms["approx_kl"] > 1.5 * self.target_kl
                if stop:
                    break
                learner.clip(self.max_grad_norm)
                self.policy.optimizer.step()
            self._n_updates += 1
            if stop:
                break
        for name, values in steps.items():
            self.logger.record(f"train/{name}", float(np.mean(values)))
        explained = explained_variance(buffer.values[buffer.mask], buffer.returns[buffer.mask])
        self.logger.record("train/explained_variance", explained)
        self.logger.record("train/ent_coef", self.ent_coef)
        self.logger.record("train/clip_range", clip)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        if hasattr(self.policy, "log_std"):
            self.logger.record("train/std", self.policy.log_std.exp().mean().item())

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: ColumnRolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the buffer; as the parent, but a step on all lanes only draws actions.

        Values and log-probabilities of the whole rollout follow at once, from what the LSTMs put
        out.
        """
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        if self.whole_episodes:
            self._last_obs = env.reset()  # type: ignore[assignment]
            self._last_episode_starts = np.ones(env.num_envs, np.bool_)
        obs: Any = self._last_obs
        starts: np.ndarray = self._last_episode_starts  # type: ignore[assignment]
        rollout_buffer.first_states = self._last_lstm_states
        kind: type[Actor] | type[CompiledActor] = CompiledActor if self.policy.plain else Actor
        actor = kind(self.policy, self._last_lstm_states, n_rollout_steps)
        try:
            for _ in range(n_rollout_steps):
                # pictures are kept shrunk; vectors need none of the checks, which take long
                seen = self.policy.obs_to_tensor(obs)[0] if isinstance(obs, dict) else obs
                actions = actor.step(seen, starts)
                taken = actions
                if isinstance(self.action_space, spaces.Box):
                    taken = np.clip(actions, self.action_space.low, self.action_space.high)
                new_obs, rewards, dones, infos = env.step(taken)
                self.num_timesteps += env.num_envs
                callback.update_locals(locals())
                self._last_obs, self._last_episode_starts = new_obs, dones  # type: ignore[assignment]
                if not callback.on_step():
                    return False
                if dones.any():
                    ended = np.flatnonzero(dones)
                    self._update_info_buffer([infos[i] for i in ended], dones[ended])
                    cut = [i for i in ended if infos[i].get("TimeLimit.truncated", False)]
                    states = actor.states if cut else None  # a copy of all lanes
                    for i in cut:
                        after = infos[i]["terminal_observation"]
                        rewards[i] += self.gamma * self._value_after(after, states, i)
                rollout_buffer.add(seen, actions, rewards, starts)
                obs, starts = new_obs, dones
        finally:  # also where a callback raises: observations and states belong together
            self._last_lstm_states = actor.states
        with th.inference_mode():
            rollout_buffer.mask_columns()
            pi, vf = actor.outputs()
            taken_t = th.as_tensor(rollout_buffer.actions, device=self.device).flatten(0, 1)
            channels = self.policy.predict_channels(vf)
            values = self.policy.value_of(channels)
            log_probs, _ = self.policy.evaluate_choices(pi, taken_t)
            rollout_buffer.values[:] = values.view(n_rollout_steps, -1).cpu().numpy()
            rollout_buffer.log_probs[:] = log_probs.view(n_rollout_steps, -1).cpu().numpy()
            # Where an episode has just ended this is the value of the next one, and counts nothing.
            following, _ = self.policy.obs_to_tensor(obs)
            begun = th.as_tensor(starts, dtype=th.float32, device=self.device)
            _, (_, last), _ = self.policy.act(following, actor.states, begun)
            last_channels = self.policy.predict_channels(last)
        rollout_buffer.compute_returns_and_advantage(self.policy.value_of(last_channels), starts)
        by_step = channels.view(n_rollout_steps, -1, channels.shape[1]).cpu().numpy()
        rollout_buffer.set_targets(by_step, last_channels.cpu().numpy(), starts)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    @th.inference_mode()
    def _value_after(self, observation: Any, states: RNNStates, lane: int) -> float:
        """Return the value of a truncated episode's last observation."""
        of_lane = tuple(state[:, [lane]] for state in states.vf)
        obs, _ = self.policy.obs_to_tensor(observation)
        return self.policy.predict_values(obs, of_lane, th.zeros(1, device=self.device)).item()
