"""Drawing actions step by step while a rollout is collected."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from numpy.typing import NDArray
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from torch import nn

from neurotasks_baselines.agents.lstm import array, compiled, pack, step_lstm, weights_of
from neurotasks_baselines.agents.policies import FusedLstmPolicy


class Actor:
    """Draws actions of a policy on all lanes, and keeps what its networks put out.

    Args:
        policy: any `FusedLstmPolicy`.
        states: of the LSTMs, before the first step.
        steps: of the rollout.
    """

    def __init__(self, policy: FusedLstmPolicy, states: RNNStates, steps: int) -> None:
        self.policy, self._states = policy, states
        self._latents: list[tuple[th.Tensor, th.Tensor]] = []

    @th.inference_mode()
    def step(self, obs: Any, starts: NDArray[np.bool_]) -> NDArray[Any]:
        """Draw an action for every lane.

        Args:
            obs: (lanes, ...), or a dict of tensors.
            starts: (lanes,), whether an episode begins.

        Returns:
            (lanes, ...).
        """
        device = self.policy.device
        seen = obs if isinstance(obs, dict) else th.as_tensor(obs, device=device)
        begun = th.as_tensor(starts, dtype=th.float32, device=device)
        actions, latents, self._states = self.policy.act(seen, self._states, begun)
        self._latents.append(latents)
        result: NDArray[Any] = actions.cpu().numpy()
        return result

    @property
    def states(self) -> RNNStates:
        """States of the LSTMs after the last step."""
        return self._states

    def outputs(self) -> tuple[th.Tensor, th.Tensor]:
        """Return what the LSTMs put out so far for actor and critic, (steps * lanes, units)."""
        pi, vf = (th.stack(outputs).flatten(0, 1) for outputs in zip(*self._latents, strict=True))
        return pi, vf


@compiled
def draw(hidden: Any, weights: Any, bias: Any, noise: Any, actions: Any) -> None:
    """Draw from softmax policies: an exponential race, whose noise is given."""
    for b in range(len(actions)):
        best, actions[b] = -np.inf, 0  # of a network of NaN too
        for a in range(len(bias)):
            raced = bias[a] - noise[b, a]
            for j in range(hidden.shape[1]):
                raced += weights[a, j] * hidden[b, j]
            if raced > best:
                best, actions[b] = raced, a


class Network:
    """An LSTM of one layer that is stepped in place.

    Args:
        lstm: its weights.
        state: hidden and cell state before the first step, (1, lanes, units).
        steps: of the rollout.

    Attributes:
        outputs: of the steps so far, (steps, lanes, units).
    """

    def __init__(self, lstm: nn.LSTM, state: tuple[th.Tensor, ...], steps: int) -> None:
        w_inputs, w_hidden, bias = map(array, weights_of(lstm, 0))
        self._packed = pack(w_hidden, w_inputs, bias)
        self._hidden, self._cell = (array(part[0]).copy() for part in state)
        self._new_cell = np.empty_like(self._cell)  # in place no loop could run on vectors
        rows, (lanes, units) = self._packed.shape[0], self._hidden.shape
        self._joined = np.empty((lanes, rows), np.float32)
        self._gates = np.empty((lanes, 4 * units), np.float32)
        self.outputs = np.empty((steps, lanes, units), np.float32)

    def step(self, t: int, obs: NDArray[np.float32], starts: NDArray[np.float32]) -> Any:
        """Take step t; returns what the LSTM puts out, (lanes, units)."""
        out = self.outputs[t]
        before = self._packed, self._hidden, self._cell
        step_lstm(obs, starts, *before, self._joined, self._gates, self._new_cell, out)
        self._hidden, self._cell, self._new_cell = out, self._new_cell, self._cell
        return out

    @property
    def state(self) -> tuple[th.Tensor, th.Tensor]:
        """Hidden and cell state after the last step, (1, lanes, units)."""
        hidden, cell = (th.from_numpy(part[None].copy()) for part in (self._hidden, self._cell))
        return hidden, cell


class CompiledActor:
    """An `Actor` in compiled code, for a `FusedLstmPolicy` that is plain."""

    def __init__(self, policy: FusedLstmPolicy, states: RNNStates, steps: int) -> None:
        lstms = [(policy.lstm_actor, states.pi), (policy.lstm_critic, states.vf)]
        self._networks = [Network(lstm, s, steps) for lstm, s in lstms if lstm is not None]
        head: Any = policy.action_net
        self._head = array(head.weight), array(head.bias)
        lanes, actions = states.pi[0].shape[1], len(head.bias)
        self._noise = th.empty(steps, lanes, actions).exponential_().log_().numpy()
        self._t = 0

    def step(self, obs: Any, starts: NDArray[np.bool_]) -> NDArray[Any]:
        """Draw an action for every lane, (lanes,); see `Actor.step`."""
        begun = starts.astype(np.float32)
        hidden, *_ = [network.step(self._t, obs, begun) for network in self._networks]
        actions = np.empty(len(begun), np.int64)
        draw(hidden, *self._head, self._noise[self._t], actions)
        self._t += 1
        return actions

    @property
    def states(self) -> RNNStates:
        """States of the LSTMs after the last step."""
        return RNNStates(self._networks[0].state, self._networks[-1].state)

    def outputs(self) -> tuple[th.Tensor, th.Tensor]:
        """Return what the LSTMs put out, see `Actor.outputs`."""
        outputs = [
            th.from_numpy(network.outputs[: self._t]).flatten(0, 1) for network in self._networks
        ]
        return outputs[0], outputs[-1]
