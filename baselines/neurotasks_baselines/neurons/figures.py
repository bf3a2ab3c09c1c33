"""Fractions of neurons that code, over time, next to LSTM units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurotasks_baselines.neurons.analysis import QUESTIONS, Answer
from neurotasks_baselines.neurons.lstm_units import KINDS, UNTRAINED
from neurotasks_baselines.neurons.population import fraction_coding
from neurotasks_baselines.plotting import (
    IDEAL,
    SMALL,
    legend_below,
    letter_panels,
    new_figure,
    style,
)

COLOURS = ("#1f6f8b", "#b5443c", "#c98a1b", "#6a4c93")
LIGHT = "#c8a8a4"
LOOKS = {  # of kinds of network: colour and marker
    before + kind: (colour, marker)
    for before, colours in (("", COLOURS[:2]), (UNTRAINED, (IDEAL, LIGHT)))
    for kind, colour, marker in zip(KINDS.values(), colours, ("o-", "s-"), strict=True)
}
STEPS = ("before", "choice", "state", "reward", "next")
EVENTS = {
    "first_on": "first-stage pictures",
    "transition": "second-stage state",
    "reward_cue": "reward cue",
}
TITLES = {
    "transition x choice": "second-stage state\n(transition x choice)",
    "rpe_outcome": "RPE of the outcome,\nfitted model",
    "value": "value of the choice,\nfitted model",
}


def draw(neurons: Sequence[Answer], units: Sequence[Answer]) -> Figure:
    """Draw one column per question: neurons over time, their CPD, units over steps.

    Args:
        neurons: Answers of recorded neurons.
        units: Answers of LSTM units; may be empty.

    Returns:
        The figure.
    """
    rows = 3 if units else 2
    with style():
        figure, axes = new_figure(len(QUESTIONS), 2.5, 2.3, rows)
        grid = np.reshape(axes, (rows, len(QUESTIONS)))
        for column, question in enumerate(QUESTIONS):
            asked = [one for one in neurons if one.question == question]
            for one, colour in zip(asked, COLOURS, strict=False):
                _fractions(grid[0][column], one, colour)
                grid[1][column].plot(
                    one.times, 100 * one.cpd.mean(axis=0), color=colour, label=one.area
                )
            for axis in grid[:2, column]:
                axis.axvline(0, color=IDEAL, linewidth=0.6)
            grid[1][column].axhline(0, color=IDEAL, linewidth=0.6)
            grid[0][column].set_title(TITLES.get(question.regressor, question.regressor))
            grid[1][column].set_xlabel(f"ms from {EVENTS[question.event]}")
            if units:
                asked = [one for one in units if one.question == question]
                for one in asked:
                    _fractions(grid[2][column], one, *LOOKS[one.area])
                grid[2][column].set_xticks(asked[0].times, STEPS, rotation=40, ha="right")
        _same_range(grid[0], "neurons that code")
        grid[0][0].legend(fontsize=SMALL, loc="upper left")
        if units:
            _same_range(grid[2], "units that code")
            legend_below(figure, grid[2], len(LOOKS))
        grid[1][0].set_ylabel("CPD above the null, %")
        letter_panels(grid[:, 0])
    return figure


def _same_range(row: Any, label: str) -> None:
    top = max(axis.get_ylim()[1] for axis in row)
    for axis in row:
        axis.set_ylim(0, min(top, 1.05))
        axis.axhline(0.05, color=IDEAL, linewidth=0.6, linestyle=":")
    row[0].set_ylabel(label)


def _fractions(axis: Any, one: Answer, colour: str, marker: str = "-") -> None:
    table = fraction_coding(one.significant)
    label = f"{one.area} (n = {len(one.significant)})"
    axis.plot(one.times, table["fraction"], marker, color=colour, label=label, markersize=3)
    axis.fill_between(one.times, table["low"], table["high"], color=colour, alpha=0.15, lw=0)
