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

from neurotasks.core.cache import cached
from neurotasks.errors import ParameterError
from neurotasks_baselines.agents.lstm_kernels import Memory
from neurotasks_baselines.agents.packing import (
    Segments,
    find_episodes,
    pack_tightly,
    steps_in_columns,
)

Arrays = dict[str, np.ndarray]
CriticTarget = Literal["lambda", "monte-carlo", "sr-lambda"]

PACKED = "actions", "rewards", "values", "log_probs", "channels"
SEEN = "observations."  # begins the names of their parts
LARGEST_UNFINISHED = 2**30  # bytes
ZERO, ONE = np.float32(0), np.float32(1)


class ColumnRolloutBuffer(RecurrentRolloutBuffer):
    """A buffer whose minibatches are whole columns of steps.

    A column holds the steps of one environment or, after `pack_episodes`, whole episodes. The
    parent cuts sequences at random places, also in the middle of an episode, and keeps the LSTM
    states of every step; here the first ones are enough.

    Args:
        buffer_size: Number of steps of a rollout in each environment.
        observation_space: Space of the observations.
        action_space: Space of the actions.
        hidden_state_shape: As for ``RecurrentRolloutBuffer``.
        device: Device of the tensors that `samples` returns.
        n_envs: Number of environments.
        channels: Number of channels of the critic.
        critic_target: Target of the critic, see `set_targets`.
        **kwargs: As for ``RecurrentRolloutBuffer``.

    Attributes:
        channels: Predictions of the critic, (steps, columns, channels).
        mask: Whether a step counts, (steps, columns).
        sequence_starts: 1 where an episode starts and the step counts, else 0, (steps, columns).
        first_states: States of the LSTMs before the first steps.
        memory: Memory of what a learner computes, kept for the next.
        unfinished: Steps of the episodes that have not ended, the latest step last; arrays by
            name, (steps, n_envs, ...), with those of `starts` True at the first step of each.
    """

    channels: np.ndarray
    mask: np.ndarray
    sequence_starts: np.ndarray
    first_states: Any  # RNNStates; None in an empty buffer

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        hidden_state_shape: tuple[int, int, int, int],
        device: th.device | str = "auto",
        *,
        n_envs: int = 1,
        channels: int = 1,
        critic_target: CriticTarget = "lambda",
        **kwargs: Any,
    ) -> None:
        self.rollout_steps, self.rollout_envs = buffer_size, n_envs
        self.num_channels, self.critic_target = channels, critic_target
        self.unfinished: Arrays = {}
        self.memory = Memory()
        spaces_and_shape = observation_space, action_space, hidden_state_shape
        super().__init__(buffer_size, *spaces_and_shape, device, n_envs=n_envs, **kwargs)

    def reset(self) -> None:
        """Forget the rollout, but not the episodes that have not ended."""
        self.buffer_size, self.n_envs = self.rollout_steps, self.rollout_envs
        if isinstance(self.observation_space, spaces.Dict):
            DictRolloutBuffer.reset(self)  # type: ignore[arg-type]
        else:
            RolloutBuffer.reset(self)
        self.first_states = None
        self.channels = np.zeros((*self.rewards.shape, self.num_channels), np.float32)
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

    def fill(self, obs: Any, actions: np.ndarray, rewards: np.ndarray, starts: np.ndarray) -> None:
        """Add all steps of a rollout, each array (steps, num_envs, ...), in place of `add`."""
        self.observations[:] = obs
        self.actions[:] = actions.reshape(self.actions.shape)
        self.rewards[:], self.episode_starts[:] = rewards, starts
        self.pos, self.full = self.buffer_size, True

    def count_all_steps(self) -> None:
        """Have every step count, in columns of one environment each."""
        self.mask = np.ones(self.episode_starts.shape, np.bool_)
        self.sequence_starts = self.episode_starts

    def pack_episodes(self, dones: np.ndarray, unfinished: Arrays) -> None:
        """Make columns of the episodes that have ended, and keep the others for later.

        Each is packed once, whole, from its first step on, so that no length is favoured; see
        `neurotasks_baselines.agents.packing`. The numbers of steps and columns change until the
        next `reset`; there may be no column.

        Args:
            dones: Whether the last step of an environment is the last of an episode, (n_envs,).
            unfinished: What was kept after the rollout before; empty if nothing was.

        Raises:
            ParameterError: If episodes that do not end take over 1 GiB.
        """
        played = self.steps()
        kept = unfinished or {name: part[:0] for name, part in played.items()}
        steps = {name: np.concatenate([kept[name], part]) for name, part in played.items()}
        episodes = find_episodes(steps["starts"], dones)
        self.unfinished = _last_steps(steps, episodes)
        places = pack_tightly(episodes.lengths[episodes.ended], self.buffer_size)
        sources = steps_in_columns(episodes, places, self.n_envs)
        self.mask = sources >= 0
        packed = {name: part.reshape(-1, *part.shape[2:])[sources] for name, part in steps.items()}
        self.buffer_size, self.n_envs = sources.shape
        for name in PACKED:
            setattr(self, name, packed[name])
        seen: Any = {name: packed[f"{SEEN}{name or ''}"] for name in parts_of(self.observations)}
        self.observations = seen.get(None, seen)
        self.sequence_starts = (packed["starts"] & self.mask).astype(np.float32)
        self.episode_starts = np.where(self.mask, self.sequence_starts, np.float32(1))
        self.advantages = np.zeros_like(self.values)
        pi, vf = (tuple(_zeros(s, self.n_envs) for s in states) for states in self.first_states)
        self.first_states = RNNStates(pi, vf)

    def steps(self) -> Arrays:
        """Return all that is kept of each step."""
        parts = {f"{SEEN}{name or ''}": part for name, part in parts_of(self.observations).items()}
        parts |= {name: getattr(self, name) for name in PACKED}
        return parts | {"starts": self.episode_starts.astype(np.bool_)}

    def compute_returns_and_advantage(self, last_values: th.Tensor, dones: np.ndarray) -> None:
        """Set `advantages` and `returns` as ``RolloutBuffer`` does, in compiled code.

        Its loop in Python takes a tenth of an A2C training with one environment.

        Args:
            last_values: Values of the step that follows, one for each column.
            dones: Whether that step starts a new episode, (columns,).
        """
        following = last_values.numpy(force=True).reshape(-1).astype(np.float32)
        by_step = self.rewards, self.values, self.episode_starts
        after = following, np.asarray(dones, np.float32)
        weights = np.float32(self.gamma), np.float32(self.gamma * self.gae_lambda)
        _estimate_advantages(*by_step, *after, *weights, self.advantages)
        self.returns = self.advantages + self.values

    def set_targets(self, last_channels: np.ndarray, dones: np.ndarray) -> None:
        """Set `targets`, (steps, columns, targets), from rewards and the critic's channels.

        * ``"lambda"``: the lambda-return PPO takes for a scalar critic. It shrinks the spread of a
          learned distribution by lambda per step; for comparison.
        * ``"monte-carlo"``: the discounted sum of rewards up to the end of the episode, and from
          the end of the rollout on a sample of the channels.
        * ``"sr-lambda"``: samples of the return, replaced with probability 1 - lambda per step by
          samples of the next step's channels (Nam et al. 2021). The channels must be quantiles.

        Args:
            last_channels: Channels of the step that follows, (columns, channels).
            dones: Whether that step starts a new episode, (columns,).
        """
        if self.critic_target == "lambda":
            self.targets = self.returns[..., None].copy()
            return
        samples = self.channels.shape[2] if self.critic_target == "sr-lambda" else 1
        replaced = 1 - self.gae_lambda if self.critic_target == "sr-lambda" else 0.0
        self.targets = np.empty((*self.rewards.shape, samples), np.float32)
        following = _drawn(last_channels, samples)
        for t in reversed(range(self.buffer_size)):
            ended = dones if t == self.buffer_size - 1 else self.episode_starts[t + 1]
            following = np.where(np.asarray(ended, np.bool_)[:, None], 0.0, following)
            self.targets[t] = self.rewards[t][:, None] + self.gamma * following
            anew = th.rand(following.shape).numpy() < replaced
            following = np.where(anew, _drawn(self.channels[t], samples), self.targets[t])

    def minibatches(self, batch_size: int | None = None) -> tuple[th.Tensor, ...]:
        """Return the columns of each minibatch, in random order.

        Args:
            batch_size: Number of steps that count in a minibatch, about which columns allow; by
                default all.
        """
        counting = np.count_nonzero(self.mask)
        parts = round(counting / batch_size) if batch_size else 1
        return th.randperm(self.n_envs).tensor_split(min(max(parts, 1), self.n_envs))

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


@cached
def _estimate_advantages(
    rewards: Any,
    values: Any,
    starts: Any,
    following: Any,
    ended: Any,
    gamma: Any,
    decay: Any,
    advantages: Any,
) -> None:
    """Write generalized advantage estimates; rounded in the order of ``RolloutBuffer``."""
    steps, columns = rewards.shape
    for b in range(columns):
        value, over, advantage = following[b], ended[b], ZERO
        for t in range(steps - 1, -1, -1):
            under_way = ONE - over
            delta = rewards[t, b] + gamma * value * under_way - values[t, b]
            advantage = delta + decay * under_way * advantage
            advantages[t, b] = advantage
            value, over = values[t, b], starts[t, b]


def _last_steps(steps: Arrays, episodes: Segments) -> Arrays:
    """Return the steps of the episodes that have not ended, see `ColumnRolloutBuffer.unfinished`.

    Raises:
        ParameterError: If they take over 1 GiB.
    """
    waiting = ~episodes.ended
    longest = int(episodes.lengths[waiting].max(initial=0))
    first = len(steps["starts"]) - longest
    kept = {name: part[first:].copy() for name, part in steps.items()}
    kept["starts"][:] = False
    kept["starts"][episodes.begins[waiting] - first, episodes.envs[waiting]] = True
    if (size := sum(part.nbytes for part in kept.values())) > LARGEST_UNFINISHED:
        raise ParameterError(
            "Episodes must end if whole_episodes=True, since they are learned from when they have "
            f"ended; got some of {longest:,} steps that have not, which take {size / 2**30:.1f} "
            "GiB. Pass whole_episodes=False."
        )
    return kept


def _zeros(state: th.Tensor, columns: int) -> th.Tensor:
    """Return states of some columns, (layers, columns, units), before an episode."""
    return state.new_zeros(len(state), columns, state.shape[2])


def parts_of(observations: Any) -> dict[str | None, Any]:
    """Return the parts of Dict observations by name; others are the only part, without one."""
    return observations if isinstance(observations, dict) else {None: observations}


def _drawn(channels: np.ndarray, samples: int) -> np.ndarray:
    """Return random channels of each environment, (num_envs, samples)."""
    which = th.randint(channels.shape[1], (len(channels), samples)).numpy()
    return np.take_along_axis(channels, which, axis=1)
