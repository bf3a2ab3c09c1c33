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
        self._columns: dict[str, th.Tensor] = {}

    def add(self, *args: Any, lstm_states: RNNStates, **kwargs: Any) -> None:
        """Add a step; of the states only those before the first step are kept."""
        if self.pos == 0:
            self.first_states = lstm_states
        RolloutBuffer.add(self, *args, **kwargs)

    def get(
        self, batch_size: int | None = None
    ) -> Generator[RecurrentRolloutBufferSamples, None, None]:
        """Yield minibatches of ``batch_size / n_steps`` columns in random order.

        Args:
            batch_size: steps in a minibatch, a multiple of n_steps; all by default.

        Yields:
            Flat tensors, column after column.
        """
        if not self._columns:
            names = ("observations", "actions", "values", "log_probs", "advantages", "returns")
            for name in (*names, "episode_starts"):
                array = getattr(self, name).swapaxes(0, 1)
                self._columns[name] = self.to_torch(np.ascontiguousarray(array))
            starts = self._columns["episode_starts"]
            self._columns["mask"] = th.ones_like(starts)
            if self.whole_episodes:
                ended = starts.cumsum(dim=1) > 1
                self._columns["mask"] = (~ended).float()
                starts[ended] = 0.0  # no need to begin anew where nothing counts
        per_batch = (batch_size or self.buffer_size * self.n_envs) // self.buffer_size
        for columns in th.randperm(self.n_envs).split(per_batch):
            yield self._samples(columns)

    def _samples(self, columns: th.Tensor) -> RecurrentRolloutBufferSamples:
        flat = {name: tensor[columns].flatten(0, 1) for name, tensor in self._columns.items()}
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
            episode_starts=flat["episode_starts"],
            mask=flat["mask"],
        )
