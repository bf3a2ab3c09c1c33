"""An LSTM over whole sequences with a differentiable call, in compiled code.

torch's own kernel takes 2.5 times as long on one core at the size of these networks (48 units, 8 to
128 columns), and cannot begin anew in the middle of a sequence.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from torch import nn

from neurotasks.errors import ParameterError
from neurotasks_baselines.agents.checks import check_array, check_starts, check_states
from neurotasks_baselines.agents.lstm_kernels import (
    Array,
    Memory,
    Pass,
    backward_lstm,
    forward_lstm,
    pack,
)

States = tuple[th.Tensor, ...]


def array(tensor: th.Tensor) -> Array:
    """Return a tensor as a contiguous array."""
    return np.ascontiguousarray(tensor.numpy(force=True))


def array_or_none(tensor: th.Tensor | None) -> Array | None:
    """Return a tensor as a contiguous array; None stays None."""
    return None if tensor is None else array(tensor)


def _run_forward(
    inputs: th.Tensor,
    state: States,
    starts: th.Tensor,
    initial: th.Tensor | None,
    weights: tuple[th.Tensor, ...],
) -> tuple[Array, States]:
    """Run one layer, keeping no more than its outputs and last state; arguments as below.

    All that a backward pass needs of a step is overwritten by the next one.
    """
    w_inputs, w_hidden, bias = map(array, weights)
    packed = pack(w_hidden, w_inputs, bias)
    (steps, columns), units = starts.shape, w_hidden.shape[1]
    outputs = np.empty((steps, columns, units), np.float32)
    joined, gates, cells = Memory().arrays(
        (1, columns, len(packed)), (1, columns, 4 * units), (2, columns, units)
    )
    hidden, cell = map(array, state)
    before = packed, array_or_none(initial), (hidden, cell)
    forward_lstm(array(inputs), array(starts), *before, joined, gates, cells, outputs)
    last = outputs[-1:].copy(), cells[None, (steps - 1) % 2]
    return outputs, (th.from_numpy(last[0]), th.from_numpy(last[1]))


def _forward_pass(
    inputs: th.Tensor,
    state: States,
    starts: th.Tensor,
    initial: th.Tensor | None,
    weights: tuple[th.Tensor, ...],
) -> Pass:
    """Run one layer over columns of steps, without gradients; arguments as for `_LstmFunction`."""
    w_inputs, w_hidden, bias = map(array, weights)
    packed = pack(w_hidden, w_inputs, bias)
    done = Pass.empty(inputs.shape[:2], len(packed), w_hidden.shape[1])
    hidden, cell = map(array, state)
    forward_lstm(
        array(inputs), array(starts), packed, array_or_none(initial), (hidden, cell), *done
    )
    return done


class _LstmFunction(th.autograd.Function):
    """One layer over columns of steps, with gradients for inputs, initial state, weights and bias.

    Its arguments are the inputs, (steps, columns, features); the hidden and the cell state before
    the first step, each (columns, units); the starts, (steps, columns); the initial state, (2,
    units); the weights of inputs and hidden state; the bias.
    """

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[th.Tensor, th.Tensor]:
        """Return hidden and cell states after each step, each (steps, columns, units)."""
        inputs, hidden, cell, starts, initial, *weights = arguments
        ctx.done = done = _forward_pass(inputs, (hidden, cell), starts, initial, tuple(weights))
        ctx.save_for_backward(cell, starts, initial, *weights[:2])
        outputs, cells = (th.from_numpy(a).to(inputs.device) for a in (done.outputs, done.cells))
        ctx.mark_non_differentiable(cells)
        ctx.set_materialize_grads(False)  # no array of zeros for the cells
        return outputs, cells

    @staticmethod
    def backward(ctx: Any, d_out: th.Tensor, _: th.Tensor) -> Any:
        """Return the gradients of inputs, initial state, weights and bias; possible once."""
        cell, starts, initial, w_inputs, w_hidden = ctx.saved_tensors
        done: Pass | None = ctx.done
        if done is None:
            raise RuntimeError(
                "A second backward pass needs a second forward pass: the first has overwritten "
                "what it needs."
            )
        ctx.done = None
        starts_, weights, before, first = (
            *map(array, (starts, w_hidden, cell)),
            array_or_none(initial),
        )
        d_first = None if first is None else np.zeros_like(first)
        backward_lstm(
            done.gates, starts_, weights, first, before, done.cells, array(d_out), d_first
        )
        d_gates, joined = (
            th.from_numpy(a).flatten(0, 1).to(d_out.device) for a in (done.gates, done.joined)
        )
        d_initial = None if d_first is None else th.from_numpy(d_first).to(d_out.device)
        d_inputs = None
        if ctx.needs_input_grad[0]:
            d_inputs = (d_gates @ w_inputs).view(*starts.shape, -1)
        widths = [w_hidden.shape[1], w_inputs.shape[1], 1]
        # the other order of this product takes a third longer
        d_hidden, d_weights, d_bias = (joined.t() @ d_gates).t().split(widths, dim=1)
        return d_inputs, None, None, None, d_initial, d_weights, d_hidden, d_bias[:, 0]


def weights_of(lstm: nn.LSTM, layer: int) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
    """Return a layer's weights of inputs and hidden state, and its bias: torch has two, added."""
    w_inputs, w_hidden, *biases = lstm.all_weights[layer]
    return w_inputs, w_hidden, sum(biases, start=w_hidden.new_zeros(len(w_hidden)))


def initial_of(lstm: nn.LSTM, layer: int = 0) -> th.Tensor | None:
    """Return a layer's hidden and cell state where an episode starts, (2, units); None for zero."""
    initial: Any = getattr(lstm, "initial_state", None)  # torch's own LSTM has none
    return None if initial is None else initial[:, layer]


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
        initial = initial_of(lstm, layer)
        if th.is_grad_enabled():
            inputs, cells = _LstmFunction.apply(inputs, *state, starts, initial, *weights)
            last += [inputs[-1:].detach(), cells[-1:]]
        else:
            outputs, after = _run_forward(inputs, state, starts, initial, weights)
            inputs = th.from_numpy(outputs).to(inputs.device)
            last += [part.to(inputs.device) for part in after]
    return inputs, (th.cat(last[::2]), th.cat(last[1::2]))
