"""A rollout buffer that hands out whole columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib.common.recurrent.buffers import RecurrentRolloutBuffer
from sb3_contrib.common.recurrent.type_aliases import RecurrentRolloutBufferSamples, RNNStates
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer

CriticTarget = Literal["lambda", "monte-carlo", "sr-lambda"]


class ColumnRolloutBuffer(RecurrentRolloutBuffer):
    """A buffer whose minibatches are whole columns: one environment's steps in one rollout.

    The parent cuts sequences at random places, also in the middle of an episode, and keeps the
    LSTM states of every step; here the first ones are enough.

    Args:
        *args: As for ``RecurrentRolloutBuffer``.
        whole_episodes: Whether a column holds one episode from its start, with the steps after its
            end masked.
        critic_target: Target of the critic, see `set_targets`.
        **kwargs: As for ``RecurrentRolloutBuffer``.
    """

    def __init__(
        self,
        *args: Any,
        whole_episodes: bool = False,
        critic_target: CriticTarget = "lambda",
        **kwargs: Any,
    ) -> None:
        self.whole_episodes = whole_episodes
        self.critic_target = critic_target
        super().__init__(*args, **kwargs)

    def reset(self) -> None:
        """Forget the rollout."""
        if isinstance(self.observation_space, spaces.Dict):
            DictRolloutBuffer.reset(self)  # type: ignore[arg-type]
        else:
            RolloutBuffer.reset(self)
        self.first_states: RNNStates | None = None
        self._tensors: dict[Any, th.Tensor] = {}

    def add(self, obs: Any, actions: np.ndarray, rewards: np.ndarray, starts: np.ndarray) -> None:
        """Add a step of all environments; values and log-probabilities follow in one go."""
        for name, part in parts_of(obs).items():
            steps = parts_of(self.observations)[name]
            array = part.numpy(force=True) if isinstance(part, th.Tensor) else part
            steps[self.pos] = array.reshape(steps.shape[1:])
        self.actions[self.pos] = actions.reshape(self.actions.shape[1:])
        self.rewards[self.pos] = rewards
        self.episode_starts[self.pos] = starts
        self.pos += 1
        self.full = self.pos == self.buffer_size

    def mask_columns(self) -> None:
        """Find the steps that count; sequences start anew only where a step counts."""
        self.mask = np.ones(self.episode_starts.shape, np.bool_)
        if self.whole_episodes:
            self.mask = self.episode_starts.cumsum(axis=0) <= 1
        self.sequence_starts = self.episode_starts * self.mask

    def set_targets(
        self, channels: np.ndarray, last_channels: np.ndarray, dones: np.ndarray
    ) -> None:
        """Set `targets`, (steps, num_envs, targets), from rewards and the critic's channels.

        * ``"lambda"``: the lambda-return PPO takes for a scalar critic. It shrinks the spread of a
          learned distribution by lambda per step; for comparison.
        * ``"monte-carlo"``: the discounted sum of rewards up to the end of the episode, and from
          the end of the rollout on a sample of the channels.
        * ``"sr-lambda"``: samples of the return, replaced with probability 1 - lambda per step by
          samples of the next step's channels (Nam et al. 2021). The channels must be quantiles.

        Args:
            channels: Channels of the steps, (steps, num_envs, channels).
            last_channels: Channels of the step that follows, (num_envs, channels).
            dones: Whether that step starts a new episode, (num_envs,).
        """
        if self.critic_target == "lambda":
            self.targets = self.returns[..., None].copy()
            return
        samples = channels.shape[2] if self.critic_target == "sr-lambda" else 1
        replaced = 1 - self.gae_lambda if self.critic_target == "sr-lambda" else 0.0
        self.targets = np.empty((*self.rewards.shape, samples), np.float32)
        following = _drawn(last_channels, samples)
        for t in reversed(range(self.buffer_size)):
            ended = dones if t == self.buffer_size - 1 else self.episode_starts[t + 1]
            following = np.where(np.asarray(ended, np.bool_)[:, None], 0.0, following)
            self.targets[t] = self.rewards[t][:, None] + self.gamma * following
            anew = th.rand(following.shape).numpy() < replaced
            following = np.where(anew, _drawn(channels[t], samples), self.targets[t])

    def minibatches(self, batch_size: int | None = None) -> tuple[th.Tensor, ...]:
        """Return the columns of each minibatch of `batch_size` steps, in random order."""
        per_batch = (batch_size or self.buffer_size * self.n_envs) // self.buffer_size
        return th.randperm(self.n_envs).split(per_batch)

    def get(self, batch_size: int | None = None) -> Iterator[RecurrentRolloutBufferSamples]:
        """Yield the `samples` of all minibatches, as Stable-Baselines3's buffers do."""
        for columns in self.minibatches(batch_size):
            yield self.samples(columns)

    def samples(self, columns: th.Tensor) -> RecurrentRolloutBufferSamples:
        """Return some columns as flat tensors, step after step; of a Dict a dict of them."""
        parts = parts_of(self.observations)
        if not self._tensors:
            names = ("actions", "values", "log_probs", "advantages", "targets", "mask")
            arrays = {n: getattr(self, n) for n in (*names, "sequence_starts")}
            arrays = {n: array.astype(np.float32, copy=False) for n, array in arrays.items()}
            arrays |= {("seen", name): part for name, part in parts.items()}
            self._tensors = {k: self.to_torch(array, copy=False) for k, array in arrays.items()}
        columns = columns.to(self.device)
        flat = {k: v.index_select(1, columns).flatten(0, 1) for k, v in self._tensors.items()}
        seen: Any = {name: flat["seen", name] for name in parts}
        first: Any = self.first_states
        pi, vf = (tuple(s[:, columns] for s in states) for states in (first.pi, first.vf))
        return RecurrentRolloutBufferSamples(
            observations=seen.get(None, seen),
            actions=flat["actions"],
            old_values=flat["values"],
            old_log_prob=flat["log_probs"],
            advantages=flat["advantages"],
            returns=flat["targets"],
            lstm_states=RNNStates(pi, vf),
            episode_starts=flat["sequence_starts"],
            mask=flat["mask"],
        )


def parts_of(observations: Any) -> dict[str | None, Any]:
    """Return the parts of Dict observations by name; others are the only part, without one."""
    return observations if isinstance(observations, dict) else {None: observations}


def _drawn(channels: np.ndarray, samples: int) -> np.ndarray:
    """Return random channels of each environment, (num_envs, samples)."""
    which = th.randint(channels.shape[1], (len(channels), samples)).numpy()
    return np.take_along_axis(channels, which, axis=1)
