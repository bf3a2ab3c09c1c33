"""Running and training a plain `FusedLstmPolicy` in compiled code, without torch's graph.

What the two classes here do equals what `TorchActor` and `TorchLearner` do, for the policies that
`neurotasks_baselines.agents.engines` lets through.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from numpy.typing import NDArray
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from torch import nn

from neurotasks_baselines.agents import losses, lstm
from neurotasks_baselines.agents.buffers import ColumnRolloutBuffer
from neurotasks_baselines.agents.checks import check_array, check_states
from neurotasks_baselines.agents.losses import Coefficients
from neurotasks_baselines.agents.lstm import Array, Pass, array, check_columns, compiled
from neurotasks_baselines.agents.policies import FusedLstmPolicy

COLUMNS = 16
"""Columns run at once, few enough that what the backward pass needs is still in the cache."""

FLOAT32 = np.dtype(np.float32)


@compiled
def draw(hidden: Any, weights: Any, bias: Any, noise: Any, actions: Any) -> None:
    """Draw from softmax policies by Gumbel-max sampling, given the noise."""
    for b in range(len(actions)):
        best, actions[b] = -np.inf, 0  # of a network of NaN too
        for a in range(len(bias)):
            score = bias[a] - noise[b, a]
            for j in range(hidden.shape[1]):
                score += weights[a, j] * hidden[b, j]
            if score > best:
                best, actions[b] = score, a


class SteppedLstm:
    """An LSTM of one layer, stepped in place from a state, each part (1, num_envs, units).

    Attributes:
        outputs: Outputs of the steps so far, (steps, num_envs, units).
    """

    def __init__(self, layer: nn.LSTM, state: tuple[th.Tensor, ...], steps: int) -> None:
        self._packed = lstm.packed_weights(layer)
        self._hidden, self._cell = (array(part[0]).copy() for part in state)
        self._new_cell = np.empty_like(self._cell)  # in place no loop could run on vectors
        num_envs, units = self._hidden.shape
        self._joined = np.empty((num_envs, len(self._packed)), np.float32)
        self._gates = np.empty((num_envs, 4 * units), np.float32)
        self.outputs = np.empty((steps, num_envs, units), np.float32)

    def step(self, t: int, obs: NDArray[np.float32], starts: NDArray[np.float32]) -> Any:
        """Take step t; returns the outputs, (num_envs, units)."""
        out = self.outputs[t]
        before = self._packed, self._hidden, self._cell
        lstm.step_lstm(obs, starts, *before, self._joined, self._gates, self._new_cell, out)
        self._hidden, self._cell, self._new_cell = out, self._new_cell, self._cell
        return out

    @property
    def state(self) -> tuple[th.Tensor, th.Tensor]:
        """Hidden and cell state after the last step, each (1, num_envs, units)."""
        hidden, cell = (th.from_numpy(part[None].copy()) for part in (self._hidden, self._cell))
        return hidden, cell


class CompiledActor:
    """A `TorchActor` in compiled code; arguments as there.

    Raises:
        ShapeError: If the states are not those of the policy, all of the same sub-environments.
    """

    def __init__(self, policy: FusedLstmPolicy, states: RNNStates, steps: int) -> None:
        layers: Any = [(policy.lstm_actor, states.pi), (policy.lstm_critic, states.vf)]
        layers = [(layer, s) for layer, s in layers if layer is not None]
        num_envs, units = len(states.pi[0][0]), policy.lstm_actor.hidden_size
        for layer, state in layers:
            check_states(state, (1, num_envs, layer.hidden_size))
        self._lstms = [SteppedLstm(layer, state, steps) for layer, state in layers]
        head: Any = policy.action_net
        check_array("The weight of action_net", head.weight, (len(head.bias), units))
        self._head = array(head.weight), array(head.bias)
        self._shape = num_envs, policy.lstm_actor.input_size
        self._noise = th.empty(steps, num_envs, len(head.bias)).exponential_().log_().numpy()
        self._t = 0

    def step(self, obs: Any, starts: NDArray[np.bool_]) -> NDArray[Any]:
        """Draw an action in every environment, (num_envs,); see `TorchActor.step`."""
        if getattr(obs, "shape", None) != self._shape or starts.shape != self._shape[:1]:
            check_array("Observations", obs, self._shape, float32=False)
            check_array("Episode starts", starts, self._shape[:1], float32=False)
        if obs.dtype != FLOAT32:
            obs = obs.astype(FLOAT32)
        started = starts.astype(np.float32)
        hidden, *_ = [each.step(self._t, obs, started) for each in self._lstms]
        actions = np.empty(len(started), np.int64)
        draw(hidden, *self._head, self._noise[self._t], actions)
        self._t += 1
        return actions

    @property
    def states(self) -> RNNStates:
        """States of the LSTMs after the last step."""
        return RNNStates(self._lstms[0].state, self._lstms[-1].state)

    def outputs(self) -> tuple[th.Tensor, th.Tensor]:
        """Return the outputs of the LSTMs, see `TorchActor.outputs`."""
        outputs = [th.from_numpy(each.outputs[: self._t]).flatten(0, 1) for each in self._lstms]
        return outputs[0], outputs[-1]


class Branch:
    """An LSTM of one layer and the heads on it, with their gradients.

    Args:
        layer: Recurrent layer.
        heads: Heads that read its outputs; `forward` returns theirs one below the other.
        shaping: Number of rows, the first of these, whose gradient reaches the LSTM.
    """

    def __init__(self, layer: nn.LSTM, heads: list[nn.Linear], shaping: int) -> None:
        self.layer, self.heads, self.shaping = layer, heads, shaping
        self._passes: dict[tuple[int, ...], Pass] = {}  # written into again and again

    def begin(self) -> None:
        """Read the weights, and set all gradients to zero."""
        self._packed = lstm.packed_weights(self.layer)
        self._w_hidden = array(self.layer.weight_hh_l0)  # type: ignore[arg-type]
        self._w_heads = np.concatenate([array(head.weight) for head in self.heads])
        self._b_heads = np.concatenate([array(head.bias) for head in self.heads])
        weights = self._packed, self._w_heads, self._b_heads
        self._d_packed, self._d_w_heads, self._d_b_heads = map(np.zeros_like, weights)

    def forward(self, inputs: Array, starts: Array, hidden: Array, cell: Array) -> Array:
        """Run the LSTM over columns of steps; returns the heads' outputs, (rows, steps * columns).

        Args:
            inputs: Features, (steps, columns, features).
            starts: 1 where an episode starts, else 0, (steps, columns).
            hidden: Hidden state before the first step, (columns, units).
            cell: Cell state before the first step, (columns, units).

        Raises:
            ShapeError: If the shape or dtype of anything does not fit.
        """
        check_columns(self.layer, inputs, (hidden[None], cell[None]), starts)
        done = self._passes.get(starts.shape)
        if done is None:
            done = Pass.empty(starts.shape, len(self._packed), hidden.shape[1])
            self._passes[starts.shape] = done
        lstm.forward_lstm(inputs, starts, self._packed, (hidden, cell), *done)
        self._done, self._starts, self._cell = done, starts, cell
        self._outputs = done.outputs.reshape(-1, hidden.shape[1])
        return self._w_heads @ self._outputs.T + self._b_heads[:, None]

    def backward(self, d_heads: Array) -> None:
        """Add the gradients of the columns run last, given those of the heads' outputs.

        Possible once: the gates make room for their gradients.
        """
        self._d_w_heads += d_heads @ self._outputs
        self._d_b_heads += d_heads.sum(axis=1)
        if self.shaping:
            done, before = self._done, self._cell
            d_out = d_heads[: self.shaping].T @ self._w_heads[: self.shaping]
            d_out = d_out.reshape(done.outputs.shape)
            lstm.backward_lstm(done.gates, self._starts, self._w_hidden, before, done.cells, d_out)
            joined, d_gates = (th.from_numpy(a).flatten(0, 1) for a in (done.joined, done.gates))
            th.from_numpy(self._d_packed).addmm_(joined.t(), d_gates)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Parameters that get gradients."""
        own = self.layer.parameters() if self.shaping else ()
        return [*own, *(parameter for head in self.heads for parameter in head.parameters())]

    def end(self) -> None:
        """Write the gradients into those of the parameters."""
        sizes = [len(head.bias) for head in self.heads]
        for of_heads, name in ((self._d_w_heads, "weight"), (self._d_b_heads, "bias")):
            for head, part in zip(self.heads, th.from_numpy(of_heads).split(sizes), strict=True):
                getattr(head, name).grad.copy_(part)
        if self.shaping:
            layer: Any = self.layer
            widths = [layer.hidden_size, layer.input_size, 1]
            d_hidden, d_inputs, d_bias = th.from_numpy(self._d_packed).t().split(widths, dim=1)
            layer.weight_hh_l0.grad.copy_(d_hidden)
            layer.weight_ih_l0.grad.copy_(d_inputs)
            layer.bias_ih_l0.grad.copy_(d_bias[:, 0])
            layer.bias_hh_l0.grad.copy_(d_bias[:, 0])


class CompiledLearner:
    """A `TorchLearner` in compiled code; arguments as there."""

    def __init__(
        self, policy: FusedLstmPolicy, buffer: ColumnRolloutBuffer, coefficients: Coefficients
    ) -> None:
        self.coefficients = coefficients
        self._critic_loss = losses.CRITIC_LOSSES[policy.critic_loss]
        pi: Any = policy.action_net
        vf: Any = policy.value_net
        actor, critic = policy.lstm_actor, policy.lstm_critic
        shaping = policy.channels * policy.critic_shapes_trunk
        self._actions, self._taus = len(pi.bias), array(policy.taus)
        if critic is None:
            self._branches = [Branch(actor, [pi, vf], self._actions + shaping)]
        else:
            self._branches = [Branch(actor, [pi], self._actions), Branch(critic, [vf], shaping)]
        policy.optimizer.zero_grad()  # of parameters that get none
        self._gradient = _one_gradient([p for branch in self._branches for p in branch.parameters])
        self._of_minibatch = buffer.mask, buffer.advantages
        actions, seen = buffer.actions.astype(np.intp), buffer.observations
        by_step: Any = seen, buffer.sequence_starts, actions, buffer.log_probs
        self._by_step = [th.from_numpy(part) for part in by_step]
        self._targets = th.from_numpy(np.moveaxis(buffer.targets, 2, 0).copy())
        first: Any = buffer.first_states
        self._states = [first.pi, first.vf][: len(self._branches)]

    def learn(self, columns: th.Tensor) -> losses.Terms:
        """Set the gradients of the loss on some columns of the rollout; returns its terms."""
        parts: Any = (a.take(columns.numpy(), axis=1) for a in self._of_minibatch)
        weights, advantages = self.coefficients.prepare(*parts)
        for branch in self._branches:
            branch.begin()
        totals, parts = np.zeros(len(losses.TERMS)), -(-len(columns) // COLUMNS)
        for few, *of_samples in zip(
            columns.tensor_split(parts),
            np.array_split(weights, parts, axis=1),
            np.array_split(advantages, parts, axis=1),
            strict=True,
        ):
            totals += self._add(few, *(part.ravel() for part in of_samples))
        for branch in self._branches:
            branch.end()
        return self.coefficients.terms(totals.tolist())

    def clip(self, max_norm: float) -> float:
        """Scale the gradients down as `th.nn.utils.clip_grad_norm_` does; returns their norm."""
        norm = float(np.linalg.norm(self._gradient))
        scale = max_norm / (norm + 1e-6)
        if not scale >= 1:  # NaN neither
            self._gradient *= np.float32(scale)
        return norm

    def _add(self, columns: th.Tensor, weights: Array, advantages: Array) -> tuple[float, ...]:
        """Add the gradients of a few columns; returns their share of the `TERMS`."""
        observations, starts, actions, old_log_probs = (
            a.index_select(1, columns).numpy() for a in self._by_step
        )
        targets = self._targets.index_select(2, columns).flatten(1).numpy()
        outputs = [
            branch.forward(
                observations, starts, *(s[0].index_select(0, columns).numpy() for s in state)
            )
            for branch, state in zip(self._branches, self._states, strict=True)
        ]
        log_probs, channels = losses.log_softmax(outputs[0][: self._actions]), outputs[-1]
        taken, sample = actions.ravel(), np.arange(actions.size)
        chosen, old = log_probs[taken, sample], old_log_probs.ravel()
        surrogate = losses.clipped_surrogate(
            chosen, old, advantages, weights, self.coefficients.clip
        )
        entropies, d_logits = losses.softmax_gradient(
            log_probs, taken, surrogate.gradient, -self.coefficients.entropy * weights
        )
        value_loss, d_channels = self._critic_loss(
            channels[-len(self._taus) :], targets, self._taus, weights
        )
        gradients = [d_logits, self.coefficients.value * d_channels]
        if len(self._branches) == 1:
            gradients = [np.concatenate(gradients)]
        for branch, gradient in zip(self._branches, gradients, strict=True):
            branch.backward(gradient)
        entropy_loss = -float(np.dot(entropies, weights))
        return surrogate.loss, value_loss, entropy_loss, *surrogate[2:]


def _one_gradient(parameters: list[nn.Parameter]) -> Array:
    """Give parameters the parts of one array as gradients; returns it."""
    whole = np.zeros(sum(parameter.numel() for parameter in parameters), np.float32)
    parts = th.from_numpy(whole).split([parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)
    return whole
