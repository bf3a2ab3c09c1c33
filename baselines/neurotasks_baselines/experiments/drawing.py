"""What figures of experiments share: means over seeds, foils in grey, learning curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from neurotasks_baselines.experiments.base import Foils, Measures
from neurotasks_baselines.experiments.learners import FROZEN, LACKING
from neurotasks_baselines.plotting import OURS, SMALL

Floats = NDArray[np.float64]

FOIL_LOOKS: dict[str, dict[str, Any]] = {
    LACKING["feed-forward"]: {"marker": "v", "ls": ":", "color": "#6e6e6e"},
    LACKING["no-reward-input"]: {"marker": "s", "ls": "--", "color": "#8c8c8c"},
    LACKING["no-action-input"]: {"marker": "D", "ls": "-.", "color": "#a2a2a2"},
    FROZEN: {"marker": "X", "ls": "-", "color": "#b8b8b8"},
}
"""Marker, line and grey of agents that lack something, by their names."""
MARKS: dict[str, Any] = {"ls": "none", "mec": "black", "mew": 0.5, "ms": 4.5}
"""Look of foils over bars."""


def mean_and_interval(values: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return means over seeds and their 95 % intervals, as `claims.estimate` does of one value.

    Args:
        values: Values of each seed, (seeds, ...).

    Returns:
        Means, and lower and upper ends of the intervals, NaN where a seed has no value; the ends
        are NaN with one seed.
    """
    found = np.asarray(values, np.float64)
    mean = found.mean(axis=0)
    if len(found) < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = stats.t.ppf(0.975, len(found) - 1) * stats.sem(found, axis=0)
    return mean, mean - half, mean + half


def titled(title: str, measures: Sized) -> str:
    """Return a title with the number of seeds."""
    return f"{title} (n = {len(measures)})"


def draw_mean(
    axis: Any, x: ArrayLike, rows: ArrayLike, colour: str, *, seeds: bool = True, **line: Any
) -> None:
    """Draw a mean over seeds as a line, its 95 % interval as a band, and seeds as thin lines.

    Args:
        axis: Axes to draw on.
        x: Places, (places,).
        rows: Values of each seed, (seeds, places).
        colour: Colour.
        seeds: Whether to draw the seeds.
        **line: Properties of the line.
    """
    found = np.asarray(rows, np.float64)
    for row in found if seeds else ():
        axis.plot(x, row, color=colour, lw=0.5, alpha=0.4)
    mean, low, high = mean_and_interval(found)
    axis.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
    axis.plot(x, mean, color=colour, **{"lw": 1.8} | line)


def draw_bars(axis: Any, x: ArrayLike, rows: ArrayLike, colours: Any, width: float = 0.8) -> None:
    """Draw means over seeds as bars, their 95 % intervals as thin lines, and seeds as dots.

    Args:
        axis: Axes to draw on.
        x: Places, (places,).
        rows: Values of each seed, (seeds, places).
        colours: Colour of all bars, or of each.
        width: Width of a bar.
    """
    found, places = np.asarray(rows, np.float64), np.asarray(x, np.float64)
    mean, low, high = mean_and_interval(found)
    axis.bar(places, np.nan_to_num(mean), width, color=colours)
    axis.vlines(places, low, high, color="black", lw=1.2)
    for row in found:
        axis.plot(places - width / 5, row, "o", ms=2.5, color="black", alpha=0.4, mew=0)


def draw_foils(
    axis: Any,
    x: ArrayLike,
    foils: Foils,
    values: Callable[[Measures], Any],
    *,
    apart: float = 0.0,
    **look: Any,
) -> None:
    """Draw the means of agents that lack something, in the looks of `FOIL_LOOKS`.

    Args:
        axis: Axes to draw on.
        x: Places, (places,).
        foils: Measures of their seeds by their names.
        values: Function from the measures of a seed to a value for each place; a foil without them
            is left out.
        apart: Distance of the foils from each other, along x.
        **look: Other properties of the lines.
    """
    places = np.asarray(x, np.float64)
    for i, (name, own) in enumerate(FOIL_LOOKS.items()):
        try:
            rows = np.array([values(m) for m in foils.get(name, [])], np.float64)
        except KeyError:
            continue
        if len(rows):
            shift = apart * (i - (len(FOIL_LOOKS) - 1) / 2)
            axis.plot(places + shift, rows.mean(axis=0), **{"ms": 3.5, "lw": 1, **own, **look})


def legend_of_foils(figure: Any, foils: Foils, **look: Any) -> None:
    """Put a legend of the agents that lack something below a figure, if there are any."""
    handles = [
        Line2D([], [], label=name, **{"ms": 4, "lw": 1, **own, **look})
        for name, own in FOIL_LOOKS.items()
        if foils.get(name)
    ]
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=len(handles), fontsize=SMALL + 1
        )


def draw_learning(
    axis: Any,
    histories: Sequence[list[dict[str, float]]],
    values: Callable[[dict[str, float]], Any],
    colour: str = OURS,
    label: str | None = None,
) -> None:
    """Draw a learning curve for each seed.

    Args:
        axis: Axes to draw on.
        histories: Evaluations of each seed in the order of training, with their ``steps``.
        values: Function from an evaluation to the value to draw.
        colour: Colour.
        label: Label of all of them.
    """
    for i, history in enumerate(histories):
        steps = [row["steps"] / 1e6 for row in history]
        found = np.array([values(row) for row in history], np.float64)
        axis.plot(steps, found, color=colour, lw=0.8, label=None if i else label)
    axis.set_xlabel("million steps")


def reward_per_trial(row: dict[str, float]) -> float:
    """Return the reward per trial of an evaluation."""
    return row["reward_per_trial"]
