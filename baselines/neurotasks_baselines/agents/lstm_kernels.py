"""The loops of an LSTM and of the linear heads on it, in compiled code.

Equations and gate order are those of ``torch.nn.LSTM``. What a layer does with some columns of
steps lies in the arrays of a `Pass`. Those of a step hold a row per column (h: hidden state, x:
inputs, c: cell state; h and c of the step before are the initial state where an episode starts, 0
if that is None; numba compiles one version with it, and one without):

                units  features  1                        4 units
             +--------+---------+---+         +--------+--------+--------+--------+
    joined   | h[t-1] |  x[t]   | 1 |  gates  |   in   | forget |  cell  |  out   |
             +--------+---------+---+         +--------+--------+--------+--------+
                                                            |
        joined @ packed weights -> gates                    v
                                                  +-------+     +---------+
                                           cells  | c[t]  |     |  h[t]   |  outputs -> heads
                                                  +-------+     +---------+

Backwards, gradients of the pre-activations take the place of the gates, and those of the outputs
that of the outputs: then ``joined.T @ gates`` of all steps is the gradient of the packed weights.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from neurotasks.core.cache import cached

Array = NDArray[np.float32]

LINE = 16
"""Numbers in a line of the cache."""

AT_ONCE = 64
"""Rows that are multiplied at once, see `multiply`."""

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


class Memory:
    """One piece of memory for arrays that are needed in turn.

    Writing to memory that is new takes half as long as computing what is written.
    """

    def __init__(self) -> None:
        self._whole = np.empty(0, np.float32)

    def arrays(self, *shapes: tuple[int, ...]) -> list[Array]:
        """Return arrays, each of which begins a line of the cache; those before are overwritten.

        Products of others take a fifth longer; and a large piece gets large pages from numpy.
        """
        sizes = [-(-prod(shape) // LINE) * LINE for shape in shapes]
        if len(self._whole) < sum(sizes) + LINE:
            self._whole = np.empty(sum(sizes) + LINE, np.float32)
        first = -self._whole.ctypes.data // self._whole.itemsize % LINE
        found = []
        for size, shape in zip(sizes, shapes, strict=True):  # np.split takes ten times as long
            found.append(self._whole[first : first + prod(shape)].reshape(shape))
            first += size
        return found


def pack(hidden: Array, inputs: Array, bias: Array) -> Array:
    """Return all weights as one matrix, (units + features + 1, 4 units)."""
    parts = hidden.T, inputs.T, bias[None]
    [packed] = Memory().arrays((sum(map(len, parts)), len(bias)))
    return np.concatenate(parts, out=packed)


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
    def empty(
        cls, shape: tuple[int, ...], rows: int, units: int, memory: Memory | None = None
    ) -> Pass:
        """Return arrays to write into.

        Args:
            shape: Numbers of steps and columns.
            rows: Number of rows of the packed weights.
            units: Number of units.
            memory: Where they lie; in new memory by default.
        """
        widths = rows, 4 * units, units, units
        return cls(*(memory or Memory()).arrays(*((*shape, width) for width in widths)))


@inlined
def join(joined: Any, initial: Any, hidden: Any, inputs: Any, starts: Any) -> None:
    """Concatenate the factors of the weights: hidden state, inputs, 1."""
    n, features = hidden.shape[1], inputs.shape[1]
    for b in range(len(joined)):
        start, keep, row = starts[b], ONE - starts[b], joined[b]
        for j in range(n):
            row[j] = keep * hidden[b, j]
            if initial is not None:
                row[j] += start * initial[0, j]
        for k in range(features):
            row[n + k] = inputs[b, k]
        row[n + features] = ONE


@inlined
def logistic(x: Any) -> Any:
    """Return the logistic function of a float32."""
    return HALF + HALF * tanh(HALF * x)


@inlined
def update_cell(gates: Any, starts: Any, initial: Any, before: Any, cell: Any, hidden: Any) -> None:
    """Turn pre-activations into gates, and compute cell and hidden state from these."""
    n = cell.shape[1]
    for b in range(cell.shape[0]):
        i, f = gates[b, :n], gates[b, n : 2 * n]
        g, o = gates[b, 2 * n : 3 * n], gates[b, 3 * n :]
        start, keep, old, new, out = starts[b], ONE - starts[b], before[b], cell[b], hidden[b]
        for j in range(n):
            i_j, f_j, g_j, o_j = logistic(i[j]), logistic(f[j]), tanh(g[j]), logistic(o[j])
            c_j = f_j * keep * old[j] + i_j * g_j
            if initial is not None:
                c_j += f_j * start * initial[1, j]
            i[j], f[j], g[j], o[j] = i_j, f_j, g_j, o_j
            new[j], out[j] = c_j, o_j * tanh(c_j)


@inlined
def multiply(rows: Any, weights: Any, out: Any) -> None:
    """Multiply a few rows at a time: small products skip OpenBLAS's copies."""
    for first in range(0, len(rows), AT_ONCE):
        few = slice(first, first + AT_ONCE)
        np.dot(rows[few], weights, out[few])


@inlined
def step(
    inputs: Any,
    starts: Any,
    packed: Any,
    initial: Any,
    hidden: Any,
    cell: Any,
    joined: Any,
    gates: Any,
    new_cell: Any,
    out: Any,
) -> None:
    """Take one step; all arrays begin (columns,), see `Pass`."""
    join(joined, initial, hidden, inputs, starts)
    multiply(joined, packed, gates)
    update_cell(gates, starts, initial, cell, new_cell, out)


def _forward(
    inputs: Any,
    starts: Any,
    packed: Any,
    initial: Any,
    state: Any,
    joined: Any,
    gates: Any,
    cells: Any,
    out: Any,
) -> None:
    """Run the LSTM; all arrays begin (steps, columns), see `Pass`.

    Where nothing goes back, one step is room enough in joined and gates, and two in cells.
    """
    hidden, cell = state
    for t in range(len(out)):
        new_cell = cells[t % len(cells)]
        written = joined[t % len(joined)], gates[t % len(gates)], new_cell, out[t]
        step(inputs[t], starts[t], packed, initial, hidden, cell, *written)
        hidden, cell = out[t], new_cell


forward, forward_lstm = inlined(_forward), compiled(_forward)


@inlined
def backward_cell(
    gates: Any,
    starts: Any,
    initial: Any,
    before: Any,
    cell: Any,
    d_out: Any,
    d_hidden: Any,
    d_cell: Any,
    d_initial: Any,
) -> None:
    """Backpropagate through one step; the gates become gradients of the pre-activations.

    `d_hidden` and `d_cell` are those of the states after the step; `d_cell` becomes that before,
    and where an episode starts it is added to `d_initial`.
    """
    n = d_cell.shape[1]
    for b in range(d_cell.shape[0]):
        i, f = gates[b, :n], gates[b, n : 2 * n]
        g, o = gates[b, 2 * n : 3 * n], gates[b, 3 * n :]
        start, keep, old, new = starts[b], ONE - starts[b], before[b], cell[b]
        later, own, carried = d_hidden[b], d_out[b], d_cell[b]
        for j in range(n):
            squashed = tanh(new[j])
            dh = later[j] + own[j]
            dc = carried[j] + dh * o[j] * (ONE - squashed * squashed)
            carried[j] = dc * f[j] * keep
            d_i = dc * g[j] * i[j] * (ONE - i[j])
            d_f = dc * keep * old[j] * f[j] * (ONE - f[j])
            if initial is not None:
                d_f += dc * start * initial[1, j] * f[j] * (ONE - f[j])
                d_initial[1, j] += dc * start * f[j]
            d_g = dc * i[j] * (ONE - g[j] * g[j])
            d_o = dh * squashed * o[j] * (ONE - o[j])
            i[j], f[j], g[j], o[j] = d_i, d_f, d_g, d_o


@inlined
def take_rows(matrix: Any, starts: Any, total: Any) -> None:
    """Set the rows to zero where an episode begins, adding them to the first of the totals."""
    for b in range(len(matrix)):
        for j in range(matrix.shape[1]):
            if total is not None:
                total[0, j] += starts[b] * matrix[b, j]
            matrix[b, j] *= ONE - starts[b]


def _backward(
    gates: Any,
    starts: Any,
    weights: Any,
    initial: Any,
    before: Any,
    cells: Any,
    d_out: Any,
    d_initial: Any,
) -> None:
    """Backpropagate through the LSTM; the gates become gradients of the pre-activations.

    The gradient of the initial state is added to `d_initial`, None if there is no such state.
    """
    steps, columns, n = d_out.shape
    d_hidden = np.zeros((columns, n), np.float32)
    d_cell = np.zeros((columns, n), np.float32)
    for t in range(steps - 1, -1, -1):
        old = cells[t - 1] if t > 0 else before
        states = starts[t], initial, old, cells[t]
        backward_cell(gates[t], *states, d_out[t], d_hidden, d_cell, d_initial)
        multiply(gates[t], weights, d_hidden)
        take_rows(d_hidden, starts[t], d_initial)


backward, backward_lstm = inlined(_backward), compiled(_backward)


@compiled
def run_forward(
    inputs: Any,
    starts: Any,
    initial: Any,
    state: Any,
    packed: Any,
    done: Any,
    w_heads: Any,
    b_heads: Any,
) -> Any:
    """Run an LSTM and the heads on it; returns their outputs, (rows, steps * columns)."""
    forward(inputs, starts, packed, initial, state, *done)
    outputs = done[3].reshape(-1, w_heads.shape[1])
    heads = np.dot(w_heads, outputs.T)
    for k in range(len(heads)):
        heads[k] += b_heads[k]
    return heads


@compiled
def run_backward(
    starts: Any,
    initial: Any,
    cell: Any,
    done: Any,
    w_hidden: Any,
    w_heads: Any,
    d_heads: Any,
    d_w_heads: Any,
    d_b_heads: Any,
    d_initial: Any,
    shaping: Any,
) -> None:
    """Backpropagate through the heads and, from the first of their rows, the LSTM."""
    _, gates, cells, out = done
    flat = out.reshape(-1, w_heads.shape[1])
    d_w_heads += np.dot(d_heads, flat)
    for k in range(len(d_heads)):
        d_b_heads[k] += d_heads[k].sum()
    if shaping:
        np.dot(d_heads[:shaping].T, w_heads[:shaping], flat)
        backward(gates, starts, w_hidden, initial, cell, cells, out, d_initial)
