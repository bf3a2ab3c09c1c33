"""A rollout buffer that hands out whole columns."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import torch as th
from sb3_contrib.common.recurrent.buffers import RecurrentRolloutBuffer
from sb3_contrib.common.recurrent.type_aliases import RecurrentRolloutBufferSamples, RNNStates
from stable_baselines3.common.buffers import RolloutBuffer


class ColumnRolloutBuffer(RecurrentRolloutBuffer):
    """Minibatches are whole columns, what one lane did in one rollout: nothing cut or padded.

    The parent cuts sequences at random places, also in the middle of an episode, and keeps the
    LSTM states of every step; here the first ones are enough.

    Args:
        *args: as for ``RecurrentRolloutBuffer``.
        whole_episodes: whether a column holds one episode from its start; what a lane does after
            its end is then masked.
        **kwargs: as for ``RecurrentRolloutBuffer``.
    """

    def __init__(self, *args: Any, whole_episodes: bool = False, **kwargs: Any) -> None:
        self.whole_episodes = whole_episodes
        super().__init__(*args, **kwargs)

    def reset(self) -> None:
        """Forget the rollout."""
        RolloutBuffer.reset(self)
        self.first_states: RNNStates | None = None
        self._steps: dict[str, th.Tensor] = {}

    def add(
        self, obs: np.ndarray, actions: np.ndarray, rewards: np.ndarray, starts: np.ndarray
    ) -> None:
        """Add a step of all lanes; values and log-probabilities follow in one go."""
        self.observations[self.pos] = obs.reshape(self.observations.shape[1:])
        self.actions[self.pos] = actions.reshape(self.actions.shape[1:])
        self.rewards[self.pos] = rewards
        self.episode_starts[self.pos] = starts
        self.pos += 1
        self.full = self.pos == self.buffer_size

    def mask_columns(self) -> None:
        """Find the steps that count; where nothing counts no sequence needs to begin anew."""
        self.mask = np.ones(self.episode_starts.shape, np.bool_)
        if self.whole_episodes:
            self.mask = self.episode_starts.cumsum(axis=0) <= 1
        self.sequence_starts = self.episode_starts * self.mask

    def get(
        self, batch_size: int | None = None
    ) -> Generator[RecurrentRolloutBufferSamples, None, None]:
        """Yield minibatches of ``batch_size / n_steps`` columns in random order.

        Args:
            batch_size: steps in a minibatch, a multiple of n_steps; all by default.

        Yields:
            Flat tensors, step after step.
        """
        if not self._steps:
            names = ("observations", "actions", "values", "log_probs", "advantages", "returns")
            for name in (*names, "sequence_starts", "mask"):
                array = getattr(self, name)
                self._steps[name] = self.to_torch(array.astype(np.float32, copy=False), copy=False)
        per_batch = (batch_size or self.buffer_size * self.n_envs) // self.buffer_size
        for columns in th.randperm(self.n_envs).split(per_batch):
            yield self._samples(columns)

    def _samples(self, columns: th.Tensor) -> RecurrentRolloutBufferSamples:
        flat = {name: tensor[:, columns].flatten(0, 1) for name, tensor in self._steps.items()}
        first: Any = self.first_states
        pi, vf = (tuple(s[:, columns] for s in states) for states in (first.pi, first.vf))
        return RecurrentRolloutBufferSamples(
            observations=flat["observations"],
            actions=flat["actions"],
            old_values=flat["values"],
            old_log_prob=flat["log_probs"],
            advantages=flat["advantages"],
            returns=flat["returns"],
            lstm_states=RNNStates(pi, vf),
            episode_starts=flat["sequence_starts"],
            mask=flat["mask"],
        )
