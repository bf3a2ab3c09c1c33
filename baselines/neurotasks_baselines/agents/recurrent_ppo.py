"""Recurrent PPO for meta-learning: sb3-contrib's, an order of magnitude faster."""

from __future__ import annotations

from itertools import chain
from math import inf
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import FloatSchedule, explained_variance
from stable_baselines3.common.vec_env import VecEnv

from neurotasks.errors import ParameterError
from neurotasks_baselines.agents.arguments import (
    RANGES,
    assertions_named,
    check_load_kwargs,
    check_ppo_arguments,
    check_range,
    check_stock_arguments,
    number_at,
)
from neurotasks_baselines.agents.buffers import ColumnRolloutBuffer, CriticTarget
from neurotasks_baselines.agents.checks import check_array
from neurotasks_baselines.agents.engines import engine_of
from neurotasks_baselines.agents.finite import (
    Snapshot,
    check_gradient,
    check_last,
    check_learnable,
    check_numbers,
    check_rollout,
    check_weights,
    refusals_named,
)
from neurotasks_baselines.agents.losses import Coefficients, Terms
from neurotasks_baselines.agents.policies import FusedLstmPolicy, RpeLstmPolicy
from neurotasks_baselines.agents.rollouts import can_play
from neurotasks_baselines.errors import NotFiniteError, ShapeError
from neurotasks_baselines.files import check_trusted
from neurotasks_baselines.processes import limited_threads


class FusedRecurrentPPO(RecurrentPPO):
    """Recurrent PPO that trains on whole columns, each in one fused LSTM call.

    Everything else is sb3-contrib's ``RecurrentPPO``; saving, loading, callbacks, TensorBoard,
    ``predict`` and ``evaluate_policy`` work as there. Plain policies run in compiled code, others
    in torch; `neurotasks_baselines.agents.engines.reason_for_torch` says which and why.

    Args:
        policy: `FusedLstmPolicy`, a subclass, or ``"FusedLstmPolicy"``.
        env: ``VecEnv``, environment or id.
        n_steps: Number of steps of a rollout in each environment.
        batch_size: Number of steps in a minibatch, a multiple of ``n_steps``; with
            ``whole_episodes`` about as many.
        ent_coef: Coefficient of the entropy, a number or a schedule; it may be set later.
        whole_episodes: Whether each episode is learned from as a whole, after the rollout in which
            it ends; otherwise the end of a rollout cuts it in two.
        critic_target: Target of the critic, see `ColumnRolloutBuffer.set_targets`.
        threads: Number of threads of torch and BLAS while learning. Networks of this size run
            slower on two than on one.
        **kwargs: As for ``RecurrentPPO``, without ``clip_range_vf``.

    Raises:
        ParameterError: If an argument cannot be obeyed: if a minibatch does not consist of whole
            columns, or with ``clip_range_vf`` or ``use_sde``.
    """

    policy_aliases = {"FusedLstmPolicy": FusedLstmPolicy, "RpeLstmPolicy": RpeLstmPolicy}
    fixed: ClassVar[dict[str, Any]] = {"clip_range_vf": None}
    fixed_since = "the losses of the critic are not clipped (lower vf_coef instead)"
    clips_ratio = True
    not_loaded: frozenset[str] = frozenset()
    policy: FusedLstmPolicy
    rollout_buffer: ColumnRolloutBuffer
    ent_coef: float | Schedule  # type: ignore[assignment]
    _last_lstm_states: Any  # RNNStates; None before the parent has set up
    _steps_learned: int = 0  # steps before the rollout
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
        self.description = {}
        self.whole_episodes = whole_episodes
        self.critic_target: CriticTarget = critic_target
        self.threads = threads
        kwargs |= {"ent_coef": ent_coef}
        check_stock_arguments(self.policy_aliases, policy, kwargs)
        with assertions_named():
            super().__init__(policy, env, n_steps=n_steps, batch_size=batch_size, **kwargs)

    def _setup_model(self) -> None:
        check_ppo_arguments(self)
        with limited_threads(self.threads):
            super()._setup_model()
        if self.critic_target == "sr-lambda" and self.policy.critic_loss != "quantile":
            raise ParameterError(
                "critic_target='sr-lambda' samples quantiles; got critic_loss="
                f"{self.policy.critic_loss!r}. Pass critic_loss='quantile' in policy_kwargs."
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
            channels=self.policy.channels,
            critic_target=self.critic_target,
        )

    def _setup_lr_schedule(self) -> None:
        super()._setup_lr_schedule()
        number_at("learning_rate", self.lr_schedule, 1.0)
        self._scheduled = self.learning_rate

    def _take_arguments(self) -> None:
        """Check all arguments, and take those that were set since the last time."""
        check_ppo_arguments(self)
        if self.learning_rate is not self._scheduled:
            self._setup_lr_schedule()
        self.clip_range = FloatSchedule(self.clip_range)
        buffer = self.rollout_buffer
        buffer.gamma, buffer.gae_lambda = self.gamma, self.gae_lambda
        buffer.critic_target = self.critic_target
        if self.n_steps != buffer.rollout_steps:
            raise ParameterError(
                f"n_steps must stay {buffer.rollout_steps}, which the agent was made with; got "
                f"{self.n_steps}. Save the agent, and load it with another n_steps."
            )

    def set_env(self, env: Any, force_reset: bool = True) -> None:
        """Set the environment, of as many sub-environments, as ``RecurrentPPO.set_env`` does.

        Raises:
            ParameterError: If there are more or fewer.
        """
        with assertions_named():
            super().set_env(env, force_reset)

    @classmethod
    def load(cls, path: Any, *args: Any, trusted: bool = False, **kwargs: Any) -> Self:
        """Load an agent from the zip of ``save``, as ``RecurrentPPO.load`` does.

        Args:
            path: Path of the zip, or the file opened.
            *args: As there.
            trusted: Whether you trust the file: it is a pickle, and can run any code.
            **kwargs: As there.

        Raises:
            UntrustedFileError: If the file is not trusted; nothing of it has been read.
            ParameterError: If a keyword is no argument of an agent, or cannot be obeyed.
        """
        check_trusted(path, trusted)
        check_load_kwargs(cls, kwargs)
        if "stats_window_size" in kwargs:  # the attribute has another name
            kwargs["_stats_window_size"] = kwargs.pop("stats_window_size")
        with assertions_named():
            return super().load(path, *args, **kwargs)

    def learn(self, total_timesteps: int, *args: Any, **kwargs: Any) -> Self:
        """Train the agent, as ``RecurrentPPO.learn`` does, on `threads` threads.

        Raises:
            ParameterError: If an argument cannot be obeyed.
            NotFiniteError: If NaN or infinity turns up anywhere; the agent is then as it was before
                the rollout, and the environment is reset when it learns again.
            ShapeError: If the environment returns what is not of its space.
        """
        check_range("total_timesteps", total_timesteps, Real, 0, inf)
        check_ppo_arguments(self)
        if self.env is None:
            raise ParameterError(
                "An agent must have an environment to learn; got none. Call set_env(...) first, or "
                "pass env=... where it is loaded."
            )
        try:
            with limited_threads(self.threads):
                return super().learn(total_timesteps, *args, **kwargs)
        except NotFiniteError:
            self.num_timesteps = self._steps_learned
            self._last_obs = None
            states = self._last_lstm_states
            self._last_lstm_states = RNNStates(*(tuple(map(th.zeros_like, s)) for s in states))
            raise

    def _setup_learn(self, *args: Any, **kwargs: Any) -> Any:
        before = self._last_episode_starts
        found = super()._setup_learn(*args, **kwargs)
        if self._last_episode_starts is not before:  # the environment was reset
            self.rollout_buffer.unfinished = {}
        return found

    @property
    def _update_name(self) -> str:
        """The update that follows the rollout, for messages."""
        rollout = self.n_steps * self.n_envs
        step = self._steps_learned + rollout
        return f"update {step // rollout} (step {step:,})"

    def train(self) -> None:
        """Update the policy on the rollout, as ``RecurrentPPO.train`` does.

        Raises:
            NotFiniteError: If NaN or infinity turns up; weights and optimizer stay as they were.
        """
        self._take_arguments()
        if not self.rollout_buffer.n_envs:  # no episode has ended
            return
        before = Snapshot(self.policy)
        try:
            with refusals_named(self._update_name, self.policy, self.rollout_buffer):
                self._update_policy()
        except Exception:
            before.restore()
            raise

    def _update_policy(self) -> None:
        update, buffer = self._update_name, self.rollout_buffer
        progress = self._current_progress_remaining
        check_learnable(update, self.policy, buffer)
        self.policy.set_training_mode(True)
        clip = number_at("clip_range", self.clip_range, progress)
        ent_coef = number_at("ent_coef", self.ent_coef, progress)
        rate = number_at("learning_rate", self.lr_schedule, progress)
        numbers = {"learning_rate": rate, "clip_range": clip}
        check_numbers(update, ent_coef=ent_coef, vf_coef=self.vf_coef, **numbers)
        for name in ("learning_rate", "clip_range"):
            check_range(name, numbers[name], *RANGES[name])
        self._update_learning_rate(self.policy.optimizer)
        others = float(self.vf_coef), ent_coef, self.normalize_advantage
        coefficients = Coefficients(clip if self.clips_ratio else None, *others)
        learner = engine_of(self.policy).learner(self.policy, buffer, coefficients)
        epochs = [buffer.minibatches(self.batch_size) for _ in range(self.n_epochs)]
        learned: list[Terms] = []
        for columns in chain(*epochs):
            learned.append(learner.learn(columns))
            if self.target_kl is not None and learned[-1]["approx_kl"] > 1.5 * self.target_kl:
                break
            norm = learner.clip(self.max_grad_norm)
            check_gradient(update, norm, learned[-1], self.policy, buffer)
            self.policy.optimizer.step()
        check_weights(update, self.policy)
        self._n_updates += -(-len(learned) // len(epochs[0]))
        for name in learned[0]:
            self.logger.record(f"train/{name}", float(np.mean([terms[name] for terms in learned])))
        explained = explained_variance(buffer.values[buffer.mask], buffer.returns[buffer.mask])
        self.logger.record("train/explained_variance", explained)
        self.logger.record("train/ent_coef", ent_coef)
        if self.clips_ratio:
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
        """Fill the buffer; unlike the parent, a step in all environments only draws actions.

        Values and log-probabilities of the whole rollout follow in one go, from the outputs of the
        LSTMs.
        """
        self._take_arguments()
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        self._steps_learned = self.num_timesteps
        callback.on_rollout_start()
        # Where the rollout is not finished, episodes that have begun are not learned from.
        unfinished, rollout_buffer.unfinished = rollout_buffer.unfinished, {}
        rollout_buffer.first_states = self._last_lstm_states
        actor = engine_of(self.policy).actor(self.policy, self._last_lstm_states, n_rollout_steps)
        given = env, callback, rollout_buffer, n_rollout_steps, actor
        try:
            if not (self._play(*given) if can_play(*given[:2], actor) else self._step(*given)):
                return False
        except ShapeError:
            raise
        except ValueError:  # of torch's distributions, as of NaN, comes from here
            self._check_rollout(self._last_obs)
            raise
        finally:  # also where a callback raises: observations and states belong together
            self._last_lstm_states = actor.states
        obs, starts = self._last_obs, self._last_episode_starts
        self._check_rollout(obs)
        with refusals_named(self._update_name, self.policy, rollout_buffer):
            self._finish_rollout(rollout_buffer, actor, obs, starts, unfinished)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _step(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: ColumnRolloutBuffer,
        n_rollout_steps: int,
        actor: Any,
    ) -> bool:
        """Take the steps of a rollout; returns False where a callback ends the training."""
        obs: Any = self._last_obs
        starts: np.ndarray = self._last_episode_starts  # type: ignore[assignment]
        for _ in range(n_rollout_steps):
            # images are kept shrunk; vectors need none of the checks, which take long
            seen = self.policy.obs_to_tensor(obs)[0] if isinstance(obs, dict) else obs
            actions = actor.step(seen, starts)
            taken = actions
            if isinstance(self.action_space, spaces.Box):
                taken = np.clip(actions, self.action_space.low, self.action_space.high)
            new_obs, rewards, dones, infos = env.step(taken)
            if not rewards.shape == dones.shape == starts.shape:  # observations: see the actor
                check_array("Rewards", rewards, (env.num_envs,), float32=False)
                check_array("Ends of episodes", dones, (env.num_envs,), float32=False)
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            self._last_obs, self._last_episode_starts = new_obs, dones  # type: ignore[assignment]
            if not callback.on_step():
                return False
            if dones.any():
                ended = np.flatnonzero(dones)
                self._update_info_buffer([infos[i] for i in ended], dones[ended])
                self._add_value_of_truncated(rewards, infos, ended, actor)
            rollout_buffer.add(seen, actions, rewards, starts)
            obs, starts = new_obs, dones
        return True

    def _play(
        self,
        env: Any,
        callback: BaseCallback,
        rollout_buffer: ColumnRolloutBuffer,
        n_rollout_steps: int,
        actor: Any,
    ) -> bool:
        """Do what `_step` does without Python in between, where nobody looks at a step."""
        played = actor.play(env, self._last_obs, self._last_episode_starts)
        rollout_buffer.fill(
            *(played.observations[:-1], played.actions, played.rewards, played.starts[:-1])
        )
        self.num_timesteps += n_rollout_steps * env.num_envs
        self._last_obs, self._last_episode_starts = played.observations[-1], played.starts[-1]
        self._update_info_buffer([{"episode": episode} for episode in played.episodes])
        return callback.on_step()

    def _check_rollout(self, following: Any) -> None:
        check_weights(self._update_name, self.policy)
        check_rollout(self._update_name, self.rollout_buffer, following)

    @th.inference_mode()
    def _add_value_of_truncated(self, rewards: Any, infos: Any, ended: Any, actor: Any) -> None:
        """Add the value of the last observation to the rewards of truncated episodes."""
        cut = [i for i in ended if infos[i].get("TimeLimit.truncated", False)]
        states = actor.states.vf if cut else ()  # a copy of all environments'
        for i in cut:
            obs, _ = self.policy.obs_to_tensor(infos[i]["terminal_observation"])
            check_last(self._update_name, obs, i)
            of_env = tuple(state[:, [i]] for state in states)
            value = self.policy.predict_values(obs, of_env, th.zeros(1, device=self.device))
            rewards[i] += self.gamma * value.item()

    @th.inference_mode()
    def _finish_rollout(
        self, buffer: Any, actor: Any, obs: Any, starts: Any, unfinished: Any
    ) -> None:
        """Add values, log-probabilities, advantages and targets of all steps to the buffer."""
        policy, steps = self.policy, buffer.buffer_size
        pi, vf = actor.outputs()
        taken = th.as_tensor(buffer.actions, device=self.device).flatten(0, 1)
        channels = policy.predict_channels(vf)
        log_probs, _ = policy.evaluate_latents(pi, taken)
        buffer.values[:] = policy.value_of(channels).view(steps, -1).cpu().numpy()
        buffer.log_probs[:] = log_probs.view(steps, -1).cpu().numpy()
        buffer.channels[:] = channels.view(*buffer.channels.shape).cpu().numpy()
        if self.whole_episodes:
            buffer.pack_episodes(starts, unfinished)
            starts = np.ones(buffer.n_envs)
            last_channels = channels.new_zeros(buffer.n_envs, channels.shape[1])
        else:
            buffer.count_all_steps()
            # Where an episode has just ended this is the value of the next one, and counts nothing.
            following, _ = policy.obs_to_tensor(obs)
            started = th.as_tensor(starts, dtype=th.float32, device=self.device).view(1, -1)
            (_, last), _ = policy.run(following, actor.states, started)
            last_channels = policy.predict_channels(last)
        buffer.compute_returns_and_advantage(policy.value_of(last_channels), starts)
        buffer.set_targets(last_channels.cpu().numpy(), starts)
