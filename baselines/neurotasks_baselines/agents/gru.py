"""A GRU over whole sequences with a differentiable call, in compiled code.

torch's own kernel takes three to nine times as long on one core at the size of these networks (48
units, 32 and 8 columns). Equations and gate order are those of ``torch.nn.GRU``: torch multiplies
the inputs with their weights, and what happens from step to step is here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from torch import nn
from torch.nn import functional

from neurotasks_baselines.agents.lstm import array
from neurotasks_baselines.agents.lstm_kernels import (
    ONE,
    compiled,
    inlined,
    logistic,
    multiply,
    take_rows,
    tanh,
)


@inlined
def update(given: Any, gates: Any, before: Any, out: Any) -> None:
    """Turn the hidden state's products with its weights into gates, and compute the next state.

    Args:
        given: What the inputs add to the gates, (columns, 3 units): reset, update, new.
        gates: The products, (columns, 4 units), the last ones free; they become reset and update
            gate, new state, and what the reset gate has been multiplied with.
        before: Hidden state before the step, (columns, units).
        out: Hidden state after it, (columns, units).
    """
    n = before.shape[1]
    for b in range(len(before)):
        r, z = gates[b, :n], gates[b, n : 2 * n]
        new, reset = gates[b, 2 * n : 3 * n], gates[b, 3 * n :]
        g_r, g_z, g_n = given[b, :n], given[b, n : 2 * n], given[b, 2 * n :]
        old, after = before[b], out[b]
        for j in range(n):
            r_j, z_j, reset_j = logistic(r[j] + g_r[j]), logistic(z[j] + g_z[j]), new[j]
            new_j = tanh(g_n[j] + r_j * reset_j)
            r[j], z[j], new[j], reset[j] = r_j, z_j, new_j, reset_j
            after[j] = new_j + z_j * (old[j] - new_j)


@compiled
def forward_gru(
    given: Any, starts: Any, weights: Any, bias: Any, hidden: Any, before: Any, gates: Any, out: Any
) -> None:
    """Run a layer over columns of steps; all arrays but weights and states begin with these two."""
    columns, n = hidden.shape
    products = np.empty((columns, 3 * n), np.float32)
    for t in range(len(out)):
        before[t] = hidden
        take_rows(before[t], starts[t], None)
        multiply(before[t], weights, products)
        for b in range(columns):
            for k in range(3 * n):
                gates[t, b, k] = products[b, k] + bias[k]
        update(given[t], gates[t], before[t], out[t])
        hidden = out[t]


@compiled
def backward_gru(
    starts: Any, weights: Any, before: Any, gates: Any, d_out: Any, d_given: Any, d_products: Any
) -> None:
    """Backpropagate from the outputs to what the inputs and the hidden states have given."""
    steps, columns, n = d_out.shape
    d_hidden = np.zeros((columns, n), np.float32)
    d_before = np.empty((columns, n), np.float32)
    for t in range(steps - 1, -1, -1):
        for b in range(columns):
            gate, old, own, carried = gates[t, b], before[t, b], d_out[t, b], d_hidden[b]
            r, z, new, reset = gate[:n], gate[n : 2 * n], gate[2 * n : 3 * n], gate[3 * n :]
            given, products = d_given[t, b], d_products[t, b]
            for j in range(n):
                d = carried[j] + own[j]
                d_z = d * (old[j] - new[j]) * z[j] * (ONE - z[j])
                d_n = d * (ONE - z[j]) * (ONE - new[j] * new[j])
                d_r = d_n * reset[j] * r[j] * (ONE - r[j])
                given[j], given[n + j], given[2 * n + j] = d_r, d_z, d_n
                products[j], products[n + j], products[2 * n + j] = d_r, d_z, d_n * r[j]
                carried[j] = d * z[j]
        multiply(d_products[t], weights, d_before)
        d_hidden += d_before
        take_rows(d_hidden, starts[t], None)


class _GruFunction(th.autograd.Function):
    """One layer over columns of steps, with gradients for all but the first state and the starts.

    Its arguments are what the inputs add to the gates, (steps, columns, 3 units); the hidden state
    before the first step, (columns, units); the starts, (steps, columns); the weights of the hidden
    state, (3 units, units), and their bias.
    """

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> th.Tensor:
        """Return the hidden states after each step, (steps, columns, units)."""
        given, hidden, starts, weights, bias = map(array, arguments)
        shape = *starts.shape, hidden.shape[1]
        before, out = np.empty(shape, np.float32), np.empty(shape, np.float32)
        gates = np.empty((*starts.shape, 4 * shape[-1]), np.float32)
        packed = np.ascontiguousarray(weights.T)
        forward_gru(given, starts, packed, bias, hidden, before, gates, out)
        ctx.kept = starts, weights, before, gates
        return th.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, d_out: Any) -> Any:
        """Return the gradients."""
        starts, weights, before, gates = ctx.kept
        shape = *starts.shape, len(weights)
        d_given, d_products = np.empty(shape, np.float32), np.empty(shape, np.float32)
        backward_gru(starts, weights, before, gates, array(d_out), d_given, d_products)
        flat, states = (th.from_numpy(a).flatten(0, 1) for a in (d_products, before))
        return th.from_numpy(d_given), None, None, flat.t() @ states, flat.sum(dim=0)


def run_gru(
    gru: nn.GRU, inputs: th.Tensor, hidden: th.Tensor, starts: th.Tensor
) -> tuple[th.Tensor, th.Tensor]:
    """Run a GRU over columns of steps in which episodes may start anywhere, on the CPU.

    Args:
        gru: Layers.
        inputs: Features, (steps, columns, features).
        hidden: Hidden state before the first step, (layers, columns, units).
        starts: 1 where an episode starts, in a state of zeros, else 0, (steps, columns).

    Returns:
        The outputs, (steps, columns, units), and the states after the last step, without gradient.
    """
    last = []
    for layer, state in zip(gru.all_weights, hidden, strict=True):
        w_inputs, w_hidden, *biases = layer
        b_inputs, b_hidden = biases or (None, w_hidden.new_zeros(len(w_hidden)))
        given = functional.linear(inputs, w_inputs, b_inputs)
        inputs = _GruFunction.apply(given, state, starts, w_hidden, b_hidden)
        last.append(inputs[-1].detach())
    return inputs, th.stack(last)
