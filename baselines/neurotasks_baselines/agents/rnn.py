"""GRU and vanilla RNN over whole sequences with a differentiable call, in compiled code.

As `neurotasks_baselines.agents.lstm` does for the LSTM: episodes may begin in the middle of a
sequence. Equations, gate order and weights are those of ``torch.nn.GRU`` and
``torch.nn.RNN(nonlinearity="tanh")``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch as th
from torch import nn
from torch.autograd.graph import increment_version

from neurotasks_baselines.agents.lstm import HALF, ONE, Array, States, array, compiled, tanh


@compiled
def begin_anew(states: Any, starts: Any, out: Any) -> None:
    """Write the states, zero where an episode begins."""
    for b in range(states.shape[0]):
        for j in range(states.shape[1]):
            out[b, j] = (ONE - starts[b]) * states[b, j]


@compiled
def step_gru(gates: Any, recurrent: Any, bias: Any, before: Any, inner: Any, out: Any) -> None:
    """Compute gates, in torch's order reset, update, new, and the hidden state after a step."""
    n = out.shape[1]
    for b in range(out.shape[0]):
        for j in range(2 * n):
            x = gates[b, j] + recurrent[b, j] + bias[j]
            gates[b, j] = HALF + HALF * tanh(HALF * x)
        r, z, new = gates[b, :n], gates[b, n : 2 * n], gates[b, 2 * n :]
        for j in range(n):
            inner[b, j] = recurrent[b, 2 * n + j] + bias[2 * n + j]
            new[j] = tanh(new[j] + r[j] * inner[b, j])
            out[b, j] = (ONE - z[j]) * new[j] + z[j] * before[b, j]


@compiled
def forward_gru(gates: Any, starts: Any, weights: Any, bias: Any, hidden: Any) -> Any:
    """Run a GRU, see `Cell`; what it also keeps is what the reset gates multiplied."""
    steps, (columns, n) = len(gates), hidden.shape
    states = np.empty((steps + 1, columns, n), np.float32)
    states[0] = hidden
    inner = np.empty((steps, columns, n), np.float32)
    before = np.empty((columns, n), np.float32)
    recurrent = np.empty((columns, 3 * n), np.float32)
    turned = np.ascontiguousarray(weights.T)  # the product takes half the time
    for t in range(steps):
        begin_anew(states[t], starts[t], before)
        np.dot(before, turned, recurrent)
        step_gru(gates[t], recurrent, bias, before, inner[t], states[t + 1])
    return states, inner


@compiled
def return_gru(
    gates: Any, inner: Any, before: Any, d_hidden: Any, d_recurrent: Any, d_bias: Any
) -> None:
    """Return through a step: gradients of the pre-activations take the place of the gates.

    `d_hidden`, of the state after the step, becomes what reaches the one before past the gates.
    """
    n = d_hidden.shape[1]
    for b in range(d_hidden.shape[0]):
        r, z, new = gates[b, :n], gates[b, n : 2 * n], gates[b, 2 * n :]
        d_r, d_z, d_q = d_recurrent[b, :n], d_recurrent[b, n : 2 * n], d_recurrent[b, 2 * n :]
        q, old, dh = inner[b], before[b], d_hidden[b]
        for j in range(n):
            d_new = dh[j] * (ONE - z[j]) * (ONE - new[j] * new[j])
            d_r[j] = d_new * q[j] * r[j] * (ONE - r[j])
            d_z[j] = dh[j] * (old[j] - new[j]) * z[j] * (ONE - z[j])
            d_q[j] = d_new * r[j]
            dh[j] *= z[j]
            r[j], z[j], new[j] = d_r[j], d_z[j], d_new
        for j in range(3 * n):
            d_bias[j] += d_recurrent[b, j]


@compiled
def backward_gru(gates: Any, starts: Any, weights: Any, states: Any, inner: Any, d_out: Any) -> Any:
    """Return through a GRU, see `Cell`."""
    steps, columns, n = d_out.shape
    before, through = np.empty((columns, n), np.float32), np.empty((columns, n), np.float32)
    d_hidden = np.zeros((columns, n), np.float32)
    d_recurrent = np.empty((columns, 3 * n), np.float32)
    d_weights, d_bias = np.zeros_like(weights), np.zeros(3 * n, np.float32)
    product = np.empty_like(weights)
    for t in range(steps - 1, -1, -1):
        begin_anew(states[t], starts[t], before)
        d_hidden += d_out[t]
        return_gru(gates[t], inner[t], before, d_hidden, d_recurrent, d_bias)
        np.dot(d_recurrent.T, before, product)
        d_weights += product
        np.dot(d_recurrent, weights, through)
        d_hidden += through
        begin_anew(d_hidden, starts[t], d_hidden)
    return d_weights, d_bias


@compiled
def forward_rnn(gates: Any, starts: Any, weights: Any, bias: Any, hidden: Any) -> Any:
    """Run a vanilla RNN, see `Cell`."""
    steps, columns, n = gates.shape
    states = np.empty((steps + 1, columns, n), np.float32)
    states[0] = hidden
    before = np.empty((columns, n), np.float32)
    recurrent = np.empty((columns, n), np.float32)
    turned = np.ascontiguousarray(weights.T)
    for t in range(steps):
        begin_anew(states[t], starts[t], before)
        np.dot(before, turned, recurrent)
        inputs, out = gates[t], states[t + 1]
        for b in range(columns):
            for j in range(n):
                out[b, j] = tanh(inputs[b, j] + recurrent[b, j] + bias[j])
    return (states,)


@compiled
def backward_rnn(gates: Any, starts: Any, weights: Any, states: Any, d_out: Any) -> Any:
    """Return through a vanilla RNN, see `Cell`."""
    steps, columns, n = d_out.shape
    before = np.empty((columns, n), np.float32)
    d_hidden = np.zeros((columns, n), np.float32)
    d_weights, d_bias = np.zeros_like(weights), np.zeros(n, np.float32)
    product = np.empty_like(weights)
    for t in range(steps - 1, -1, -1):
        begin_anew(states[t], starts[t], before)
        d_inputs, out, own = gates[t], states[t + 1], d_out[t]
        for b in range(columns):
            for j in range(n):
                dh = d_hidden[b, j] + own[b, j]
                d_inputs[b, j] = dh * (ONE - out[b, j] * out[b, j])
                d_bias[j] += d_inputs[b, j]
        np.dot(d_inputs.T, before, product)
        d_weights += product
        np.dot(d_inputs, weights, d_hidden)
        begin_anew(d_hidden, starts[t], d_hidden)
    return d_weights, d_bias


class Cell(NamedTuple):
    """Compiled code of a cell, for one layer over columns of steps.

    One array, (steps, columns, gates x units), holds in turn the weighted inputs, the gates and the
    gradient of the weighted inputs: big arrays cost page faults.

    Attributes:
        forward: from the weighted inputs, starts, recurrent weights and bias, and the hidden state
            before the first step. Returns the hidden states from that one on, (steps + 1, columns,
            units), and what else the way back needs. An RNN has no gates to write.
        backward: from the gates, starts, recurrent weights, what `forward` returned, and the
            gradient of the outputs. Returns the gradients of recurrent weights and bias.
    """

    forward: Callable[..., tuple[Array, ...]]
    backward: Callable[..., tuple[Array, Array]]


GRU = Cell(forward_gru, backward_gru)
RNN = Cell(forward_rnn, backward_rnn)


def forward_layer(
    cell: Cell,
    weighted: th.Tensor,
    hidden: th.Tensor,
    starts: th.Tensor,
    weights: th.Tensor,
    bias: th.Tensor,
) -> tuple[Array, ...]:
    """Run one layer, without gradients; weighted inputs are overwritten, see `Cell`.

    Returns:
        The gates, the hidden states from before the first step on, and what else is kept.
    """
    gates = array(weighted)
    return gates, *cell.forward(gates, *map(array, (starts, weights, bias, hidden)))


class Recurrence(th.autograd.Function):
    """`forward_layer` with gradients for weighted inputs, weights and bias."""

    @staticmethod
    def forward(ctx: Any, cell: Cell, *layer: th.Tensor) -> th.Tensor:
        """Return the hidden states after each step, (steps, columns, units)."""
        weighted, _, starts, weights, _ = layer
        kept = [th.from_numpy(a) for a in forward_layer(cell, *layer)]
        ctx.save_for_backward(starts, weights, *kept)
        ctx.cell = cell
        return kept[1][1:].to(weighted.device)

    @staticmethod
    def backward(ctx: Any, d_out: th.Tensor) -> Any:
        """Return the gradients of weighted inputs, weights and bias; possible once."""
        starts, weights, gates, *kept = ctx.saved_tensors
        increment_version(gates)  # so that torch refuses a second pass through it
        done = ctx.cell.backward(*map(array, (gates, starts, weights, *kept, d_out)))
        d_weights, d_bias = (th.from_numpy(a).to(d_out.device) for a in done)
        return None, gates.to(d_out.device), None, None, d_weights, d_bias


def run_layers(
    cell: Cell, module: nn.RNNBase, inputs: th.Tensor, states: States, starts: th.Tensor
) -> tuple[th.Tensor, States]:
    """Run all layers of a module; see `run_gru`."""
    last: list[th.Tensor] = []
    for layer in range(module.num_layers):
        w_inputs, weights = (getattr(module, f"weight_{kind}_l{layer}") for kind in ("ih", "hh"))
        if module.bias:
            b_inputs, bias = (getattr(module, f"bias_{kind}_l{layer}") for kind in ("ih", "hh"))
        else:
            b_inputs, bias = None, weights.new_zeros(len(weights))
        weighted = nn.functional.linear(inputs, w_inputs, b_inputs)
        arguments = cell, weighted, states[0][layer], starts, weights, bias
        if th.is_grad_enabled():
            inputs = Recurrence.apply(*arguments)
        else:
            inputs = th.from_numpy(forward_layer(*arguments)[1][1:]).to(inputs.device)
        last.append(inputs[-1:].detach())
    return inputs, (th.cat(last), *states[1:])


def run_gru(
    gru: nn.GRU, inputs: th.Tensor, states: States, starts: th.Tensor
) -> tuple[th.Tensor, States]:
    """Run a GRU over columns of steps in which episodes may begin anywhere.

    Args:
        gru: its weights; unidirectional.
        inputs: (steps, columns, features).
        states: hidden state before the first step, (layers, columns, units); what follows it, as
            the cell state of an LSTM would, is handed on unchanged.
        starts: (steps, columns), 1 where an episode begins: the state is zero before that step.

    Returns:
        The outputs, (steps, columns, units), and the states after the last step.
    """
    return run_layers(GRU, gru, inputs, states, starts)


def run_rnn(
    rnn: nn.RNN, inputs: th.Tensor, states: States, starts: th.Tensor
) -> tuple[th.Tensor, States]:
    """Run a vanilla RNN over columns of steps in which episodes may begin anywhere.

    Args:
        rnn: its weights; unidirectional, with the nonlinearity tanh.
        inputs: as for `run_gru`.
        states: as for `run_gru`.
        starts: as for `run_gru`.

    Returns:
        As `run_gru`.

    Raises:
        ValueError: if the nonlinearity is another one.
    """
    if rnn.nonlinearity != "tanh":
        raise ValueError(
            f"An RNN with nonlinearity={rnn.nonlinearity!r} came, but only 'tanh' is compiled. "
            "Build it with nonlinearity='tanh'."
        )
    return run_layers(RNN, rnn, inputs, states, starts)
