"""Recurrent layers over columns of steps in which episodes may start anywhere."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch as th
from torch import nn

from neurotasks_baselines.agents.gru import run_gru
from neurotasks_baselines.agents.lstm import check_columns, run_lstm
from neurotasks_baselines.errors import ShapeError

MANY_UNITS = 256
"""Units from which on torch's kernel is faster: 1.2 times, and 1.6 times with 512."""


class LSTM(nn.LSTM):
    """torch's LSTM; with the starts of episodes in compiled code, see `run_lstm`.

    With `MANY_UNITS` it runs torch's kernel from one start to the next.

    Attributes:
        initial_state: Hidden and cell state where an episode starts, (2, layers, units), a
            parameter after `learn_start`; None for zeros.
    """

    initial_state: nn.Parameter | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_parameter("initial_state", None)

    def learn_start(self) -> None:
        """Make the initial state a parameter, which begins at zero."""
        self.initial_state = nn.Parameter(th.zeros(2, self.num_layers, self.hidden_size))

    def forward(self, input: Any, hx: Any = None, starts: th.Tensor | None = None) -> Any:
        """Run all layers.

        Args:
            input: Features, (steps, columns, features).
            hx: Hidden and cell state before the first step, each (layers, columns, units).
            starts: 1 where an episode starts, in the `initial_state`, else 0, (steps, columns);
                without, as ``torch.nn.LSTM``.

        Returns:
            The outputs, (steps, columns, units), and the states after the last step.

        Raises:
            ShapeError: If starts are given, and the shape or dtype of anything does not fit.
        """
        if starts is None:
            return super().forward(input, hx)
        if self.hidden_size >= MANY_UNITS or (self.dropout and self.training):
            check_columns(self, input, hx, starts)
            initial = None if self.initial_state is None else self.initial_state.unbind()
            return run_segments(super().forward, input, hx, starts, initial)
        return run_lstm(self, input, hx, starts)


class Segmented(nn.RNNBase):
    """Other recurrent layers, called like `LSTM`; the second of their states is 0."""

    def forward(self, input: Any, hx: Any = None, starts: th.Tensor | None = None) -> Any:
        """Run all layers; see `LSTM.forward`."""
        if starts is None:
            return super().forward(input, hx)
        self.check(input, hx, starts)
        outputs, hidden = run_segments(super().forward, input, hx[0], starts)
        return outputs, (hidden, hx[1])

    def check(self, input: Any, hx: Any, starts: th.Tensor) -> None:
        """Refuse what these layers cannot be run on, such as states of an LSTM."""
        check_columns(self, input, hx, starts)
        if hx[1].any():
            raise ShapeError(
                f"The second of the states of a {type(self).__name__} must be 0, as it has no cell "
                "state; got others, as an LSTM has. Pass states of the same agent."
            )


class GRU(Segmented, nn.GRU):
    """torch's GRU, see `Segmented`; on the CPU in compiled code, see `run_gru`."""

    def forward(self, input: Any, hx: Any = None, starts: th.Tensor | None = None) -> Any:
        """Run all layers; see `LSTM.forward`."""
        dropping = self.dropout and self.training
        on_gpu = self.all_weights[0][0].is_cuda
        if starts is None or on_gpu or self.hidden_size >= MANY_UNITS or dropping:
            return super().forward(input, hx, starts)
        self.check(input, hx, starts)
        outputs, hidden = run_gru(self, input, hx[0], starts)
        return outputs, (hidden, hx[1])


class RNN(Segmented, nn.RNN):
    """torch's vanilla RNN, see `Segmented`."""


class FeedForward(Segmented, nn.RNN):
    """A vanilla RNN that starts anew at every step: it remembers nothing, see `Segmented`."""

    def forward(self, input: Any, hx: Any = None, starts: th.Tensor | None = None) -> Any:
        """Run all layers; see `LSTM.forward`. States have no effect, before the first step too."""
        if starts is not None:
            self.check(input, hx, starts)
        outputs, hidden = nn.RNN.forward(self, input.flatten(0, 1)[None])
        outputs = outputs[0].unflatten(0, input.shape[:2])
        last = hidden.detach().unflatten(1, input.shape[:2])[:, -1]
        return outputs, (last if starts is None else (last, hx[1]))


def run_segments(
    forward: Callable[..., Any],
    inputs: th.Tensor,
    states: Any,
    starts: th.Tensor,
    initial: tuple[th.Tensor, ...] | None = None,
) -> tuple[th.Tensor, Any]:
    """Run torch's kernel on the segments between the steps at which episodes start.

    Args:
        forward: Maps inputs and states to outputs and states.
        inputs: Features, (steps, columns, features).
        states: State before the first step, (layers, columns, units), or a tuple of such.
        starts: 1 where an episode starts, else 0, (steps, columns).
        initial: States there, each (layers, units); zeros by default.

    Returns:
        The outputs, (steps, columns, units), and the states after the last step, without gradient.
    """
    some_start = starts.any(dim=1).tolist()
    edges = [0, *(t for t in range(1, len(starts)) if some_start[t]), len(starts)]
    outputs = []
    for first, last in pairwise(edges):
        keep = (1 - starts[first]).view(1, -1, 1)
        states = tuple(keep * s for s in states) if isinstance(states, tuple) else keep * states
        if initial is not None:
            pairs = zip(states, initial, strict=True)
            states = tuple(s + (1 - keep) * first[:, None] for s, first in pairs)
        output, states = forward(inputs[first:last], states)
        outputs.append(output)
    after = tuple(s.detach() for s in states) if isinstance(states, tuple) else states.detach()
    return th.cat(outputs), after
