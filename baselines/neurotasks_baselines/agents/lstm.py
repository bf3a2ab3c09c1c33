"""An LSTM over whole sequences with a differentiable call, in compiled code.

torch's own kernel takes 2.5 times as long on one core at the size of these networks (48 units, 8 to
128 columns), and cannot begin anew in the middle of a sequence. Equations, gate order and weights
are those of ``torch.nn.LSTM``.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple, TypeVar

import numba
import numpy as np
import torch as th
from numpy.typing import NDArray
from torch import nn

from neurotasks.core.cache import cached
from neurotasks.errors import ParameterError
from neurotasks_baselines.agents.checks import check_array, check_starts, check_states

Array = NDArray[np.float32]
States = tuple[th.Tensor, ...]

LINE = 16
"""Numbers in a line of the cache."""

AT_ONCE = 64
"""Rows that are multiplied at once, see `multiply`."""

FEW_ROWS = 8192
"""Rows, columns times steps, that are run at once where nothing is kept for a backward pass."""

Function = TypeVar("Function", bound=Callable[..., Any])


# Reordering lets loops run on vectors; NaN and infinity stay what they are.
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "arcp", "nsz"},
}


def compiled(function: Function) -> Function:
    """Compile a function that Python calls; what it calls must be `inlined`."""
    return cached(function, **OPTIONS)


def inlined(function: Function) -> Function:
    """Compile a function into those that call it."""
    return numba.njit(forceinline=True, **OPTIONS)(function)


# tanh as a rational function, exact to float32: the approximation of Eigen and XLA.
LIMIT = np.float32(7.90531110763549805)
A1, A3 = np.float32(4.89352455891786e-3), np.float32(6.37261928875436e-4)
A5, A7 = np.float32(1.48572235717979e-5), np.float32(5.12229709037114e-8)
A9, A11, A13 = map(np.float32, (-8.60467152213735e-11, 2.00018790482477e-13, -2.76076847742355e-16))
B0, B2 = np.float32(4.89352518554385e-3), np.float32(2.26843463243900e-3)
B4, B6 = np.float32(1.18534705686654e-4), np.float32(1.19825839466702e-6)
HALF, ONE = np.float32(0.5), np.float32(1)


@inlined
def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent of a float32."""
    x = LIMIT if x > LIMIT else x
    x = -LIMIT if x < -LIMIT else x
    s = x * x
    above = ((((((A13 * s + A11) * s + A9) * s + A7) * s + A5) * s + A3) * s + A1) * x
    return above / (((B6 * s + B4) * s + B2) * s + B0)


def empty(*shapes: tuple[int, ...]) -> list[Array]:
    """Return arrays in one piece of memory, each of which begins a line of the cache.

    Products of others take a fifth longer; and a large piece gets large pages from numpy.
    """
    sizes = [-(-prod(shape) // LINE) * LINE for shape in shapes]
    whole = np.empty(sum(sizes) + LINE, np.float32)
    first = -whole.ctypes.data // whole.itemsize % LINE
    parts = np.split(whole[first:], np.cumsum(sizes))
    return [part[: prod(shape)].reshape(shape) for part, shape in zip(parts, shapes, strict=False)]


def pack(hidden: Array, inputs: Array, bias: Array) -> Array:
    """Return all weights as one matrix, (units + features + 1, 4 units)."""
    parts = hidden.T, inputs.T, bias[None]
    [packed] = empty((sum(map(len, parts)), len(bias)))
    return np.concatenate(parts, out=packed)


@inlined
def join(joined: Any, hidden: Any, inputs: Any, starts: Any) -> None:
    """Concatenate the factors of the weights: hidden state, inputs, 1."""
    n, features = hidden.shape[1], inputs.shape[1]
    for b in range(len(joined)):
        keep, row = ONE - starts[b], joined[b]
        for j in range(n):
            row[j] = keep * hidden[b, j]
        for k in range(features):
            row[n + k] = inputs[b, k]
        row[n + features] = ONE


@inlined
def activate(gates: Any, scale: Any, offset: Any) -> None:
    """Turn pre-activations into gates: tanh(x), or 1/2 + 1/2 tanh(x / 2), the logistic of x."""
    for b in range(gates.shape[0]):
        for j in range(gates.shape[1]):
            gates[b, j] = offset[j] + scale[j] * tanh(scale[j] * gates[b, j])


@inlined
def update_cell(gates: Any, starts: Any, before: Any, cell: Any, hidden: Any) -> None:
    """Compute cell and hidden state from the gates, in torch's order: in, forget, cell, out."""
    n = cell.shape[1]
    for b in range(cell.shape[0]):
        i, f = gates[b, :n], gates[b, n : 2 * n]
        g, o = gates[b, 2 * n : 3 * n], gates[b, 3 * n :]
        keep, old, new, out = ONE - starts[b], before[b], cell[b], hidden[b]
        for j in range(n):
            c = f[j] * keep * old[j] + i[j] * g[j]
            new[j] = c
            out[j] = o[j] * tanh(c)


@inlined
def multiply(rows: Any, weights: Any, out: Any) -> None:
    """Multiply a few rows at a time: small products skip OpenBLAS's copies."""
    for first in range(0, len(rows), AT_ONCE):
        few = slice(first, first + AT_ONCE)
        np.dot(rows[few], weights, out[few])


def _step(
    inputs: Any,
    starts: Any,
    packed: Any,
    hidden: Any,
    cell: Any,
    joined: Any,
    gates: Any,
    new_cell: Any,
    out: Any,
) -> None:
    """Take one step; all arrays begin (columns,), see `Pass`."""
    n = cell.shape[1]
    scale, offset = np.full(4 * n, HALF), np.full(4 * n, HALF)
    scale[2 * n : 3 * n] = ONE
    offset[2 * n : 3 * n] = 0
    join(joined, hidden, inputs, starts)
    multiply(joined, packed, gates)
    activate(gates, scale, offset)
    update_cell(gates, starts, cell, new_cell, out)


step, step_lstm = inlined(_step), compiled(_step)


def _forward(
    inputs: Any, starts: Any, packed: Any, state: Any, joined: Any, gates: Any, cells: Any, out: Any
) -> None:
    """Run the LSTM; all arrays begin (steps, columns), see `Pass`."""
    hidden, cell = state
    for t in range(len(out)):
        written = joined[t], gates[t], cells[t], out[t]
        step(inputs[t], starts[t], packed, hidden, cell, *written)
        hidden, cell = out[t], cells[t]


forward, forward_lstm = inlined(_forward), compiled(_forward)


@inlined
def backward_cell(
    gates: Any, starts: Any, before: Any, cell: Any, d_out: Any, d_hidden: Any, d_cell: Any
) -> None:
    """Backpropagate through one step; the gates become gradients of the pre-activations.

    `d_hidden` and `d_cell` are those of the states after the step; `d_cell` becomes that before.
    """
    n = d_cell.shape[1]
    for b in range(d_cell.shape[0]):
        i, f = gates[b, :n], gates[b, n : 2 * n]
        g, o = gates[b, 2 * n : 3 * n], gates[b, 3 * n :]
        keep, old, new = ONE - starts[b], before[b], cell[b]
        later, own, carried = d_hidden[b], d_out[b], d_cell[b]
        for j in range(n):
            squashed = tanh(new[j])
            dh = later[j] + own[j]
            dc = carried[j] + dh * o[j] * (ONE - squashed * squashed)
            carried[j] = dc * f[j] * keep
            d_i = dc * g[j] * i[j] * (ONE - i[j])
            d_f = dc * keep * old[j] * f[j] * (ONE - f[j])
            d_g = dc * i[j] * (ONE - g[j] * g[j])
            d_o = dh * squashed * o[j] * (ONE - o[j])
            i[j], f[j], g[j], o[j] = d_i, d_f, d_g, d_o


@inlined
def multiply_rows(matrix: Any, starts: Any) -> None:
    """Set the rows to zero where an episode begins."""
    for b in range(len(matrix)):
        for j in range(matrix.shape[1]):
            matrix[b, j] *= ONE - starts[b]


def _backward(gates: Any, starts: Any, weights: Any, before: Any, cells: Any, d_out: Any) -> None:
    """Backpropagate through the LSTM; the gates become gradients of the pre-activations."""
    steps, columns, n = d_out.shape
    d_hidden = np.zeros((columns, n), np.float32)
    d_cell = np.zeros((columns, n), np.float32)
    for t in range(steps - 1, -1, -1):
        old = cells[t - 1] if t > 0 else before
        backward_cell(gates[t], starts[t], old, cells[t], d_out[t], d_hidden, d_cell)
        multiply(gates[t], weights, d_hidden)
        multiply_rows(d_hidden, starts[t])


backward, backward_lstm = inlined(_backward), compiled(_backward)


def array(tensor: th.Tensor) -> Array:
    """Return a tensor as a contiguous array."""
    return np.ascontiguousarray(tensor.numpy(force=True))


class Pass(NamedTuple):
    """What one layer did; all arrays begin (steps, columns).

    Attributes:
        joined: Factors of the weights: the hidden state each step started from, the inputs and 1,
            (..., units + features + 1).
        gates: Gates after their nonlinearities, (..., 4 units).
        cells: Cell state after each step, (..., units).
        outputs: Hidden state after each step, (..., units).
    """

    joined: Array
    gates: Array
    cells: Array
    outputs: Array

    @classmethod
    def empty(cls, shape: tuple[int, ...], rows: int, units: int) -> Pass:
        """Return arrays to write into, given (steps, columns) and the rows of packed weights."""
        widths = rows, 4 * units, units, units
        return cls(*empty(*((*shape, width) for width in widths)))


def _run_forward(
    inputs: th.Tensor, state: States, starts: th.Tensor, weights: tuple[th.Tensor, ...]
) -> tuple[Array, States]:
    """Run one layer, keeping no more than its outputs and last state; arguments as below.

    A few columns at a time: all that a backward pass needs would take 28 times as much memory.
    """
    w_inputs, w_hidden, bias = map(array, weights)
    packed = pack(w_hidden, w_inputs, bias)
    inputs_, starts_, hidden, cell = map(array, (inputs, starts, *state))
    (steps, columns), units = starts_.shape, w_hidden.shape[1]
    outputs, last = np.empty((steps, columns, units), np.float32), np.empty_like(cell)
    few_columns = max(FEW_ROWS // (steps * AT_ONCE), 1) * AT_ONCE
    for first in range(0, columns, few_columns):
        few = slice(first, first + few_columns)
        some, starting = (np.ascontiguousarray(a[:, few]) for a in (inputs_, starts_))
        done = Pass.empty(starting.shape, len(packed), units)
        forward_lstm(some, starting, packed, (hidden[few], cell[few]), *done)
        outputs[:, few], last[few] = done.outputs, done.cells[-1]
    return outputs, (th.from_numpy(outputs[-1:].copy()), th.from_numpy(last[None]))


def _forward_pass(
    inputs: th.Tensor, state: States, starts: th.Tensor, weights: tuple[th.Tensor, ...]
) -> Pass:
    """Run one layer over columns of steps, without gradients; arguments as for `_LstmFunction`."""
    w_inputs, w_hidden, bias = map(array, weights)
    packed = pack(w_hidden, w_inputs, bias)
    done = Pass.empty(inputs.shape[:2], len(packed), w_hidden.shape[1])
    hidden, cell = map(array, state)
    forward_lstm(array(inputs), array(starts), packed, (hidden, cell), *done)
    return done


class _LstmFunction(th.autograd.Function):
    """One layer over columns of steps, with gradients for inputs, weights and bias.

    Its arguments are the inputs, (steps, columns, features); the hidden and the cell state before
    the first step, each (columns, units); the starts, (steps, columns); the weights of inputs and
    hidden state; the bias.
    """

    @staticmethod
    def forward(ctx: Any, *arguments: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """Return hidden and cell states after each step, each (steps, columns, units)."""
        inputs, hidden, cell, starts, *weights = arguments
        ctx.done = done = _forward_pass(inputs, (hidden, cell), starts, tuple(weights))
        ctx.save_for_backward(cell, starts, *weights[:2])
        outputs, cells = (th.from_numpy(a).to(inputs.device) for a in (done.outputs, done.cells))
        ctx.mark_non_differentiable(cells)
        ctx.set_materialize_grads(False)  # no array of zeros for the cells
        return outputs, cells

    @staticmethod
    def backward(ctx: Any, d_out: th.Tensor, _: th.Tensor) -> Any:
        """Return the gradients of inputs, weights and bias; possible once."""
        cell, starts, w_inputs, w_hidden = ctx.saved_tensors
        done: Pass | None = ctx.done
        if done is None:
            raise RuntimeError(
                "A second backward pass needs a second forward pass: the first has overwritten "
                "what it needs."
            )
        ctx.done = None
        before, starts_ = array(cell), array(starts)
        backward_lstm(done.gates, starts_, array(w_hidden), before, done.cells, array(d_out))
        d_gates, joined = (
            th.from_numpy(a).flatten(0, 1).to(d_out.device) for a in (done.gates, done.joined)
        )
        d_inputs = None
        if ctx.needs_input_grad[0]:
            d_inputs = (d_gates @ w_inputs).view(*starts.shape, -1)
        widths = [w_hidden.shape[1], w_inputs.shape[1], 1]
        # the other order of this product takes a third longer
        d_hidden, d_weights, d_bias = (joined.t() @ d_gates).t().split(widths, dim=1)
        return d_inputs, None, None, None, d_weights, d_hidden, d_bias[:, 0]


def weights_of(lstm: nn.LSTM, layer: int) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
    """Return a layer's weights of inputs and hidden state, and its bias: torch has two, added."""
    w_inputs, w_hidden, *biases = lstm.all_weights[layer]
    return w_inputs, w_hidden, sum(biases, start=w_hidden.new_zeros(len(w_hidden)))


def packed_weights(lstm: nn.LSTM) -> Array:
    """Return the weights of the first layer as one matrix, (units + features + 1, 4 units)."""
    w_inputs, w_hidden, *biases = map(array, lstm.all_weights[0])
    return pack(w_hidden, w_inputs, sum(biases, start=np.zeros(len(w_hidden), np.float32)))


def check_columns(layers: nn.RNNBase, inputs: Any, states: Any, starts: Any) -> None:
    """Refuse what recurrent layers cannot be run on.

    Raises:
        ParameterError: If the layers run backwards, project, or take the columns first.
        ShapeError: If the shape or dtype of anything does not fit.
    """
    for name, plain in (("bidirectional", False), ("batch_first", False), ("proj_size", 0)):
        if getattr(layers, name) != plain:
            raise ParameterError(
                f"{name} must be {plain} where episode starts are given; got "
                f"{getattr(layers, name)}. Leave it out."
            )
    steps, columns = check_starts(starts)
    check_array("The input of the recurrent layers", inputs, (steps, columns, layers.input_size))
    check_states(states, (layers.num_layers, columns, layers.hidden_size))


def run_lstm(
    lstm: nn.LSTM, inputs: th.Tensor, states: States, starts: th.Tensor
) -> tuple[th.Tensor, States]:
    """Run an LSTM over columns of steps in which episodes may start anywhere.

    Arguments, results and errors are those of `neurotasks_baselines.agents.recurrent.LSTM.forward`.
    """
    check_columns(lstm, inputs, states, starts)
    last: list[th.Tensor] = []
    for layer in range(lstm.num_layers):
        state, weights = tuple(s[layer] for s in states), weights_of(lstm, layer)
        if th.is_grad_enabled():
            inputs, cells = _LstmFunction.apply(inputs, *state, starts, *weights)
            last += [inputs[-1:].detach(), cells[-1:]]
        else:
            outputs, after = _run_forward(inputs, state, starts, weights)
            inputs = th.from_numpy(outputs).to(inputs.device)
            last += [part.to(inputs.device) for part in after]
    return inputs, (th.cat(last[::2]), th.cat(last[1::2]))
