"""Figures of scores, with every agent in the same colour and marker in all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurotasks.scores import baseline_scores
from neurotasks_baselines.plotting import (
    IDEAL,
    OURS,
    PUBLISHED,
    SMALL,
    legend_below,
    new_figure,
    style,
)
from neurotasks_baselines.suite.results import Result, by_task

FIRST = PUBLISHED
"""Colour of the agent of interest."""
PALETTE = (OURS, "#e08a1e", "#4f9d69", "#7a5aa6", "#8c6d4f", "#d077a8", "#9a9a2e", "#46b1c9")
MARKERS = "sD^vP*Xh"

Agents = Mapping[str, Sequence[Result]]


def short(id: str) -> str:
    """Return the name of a task without ``neurotasks/`` and the version."""
    return id.rpartition("/")[2].rpartition("-")[0]


def looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the colour and marker of each agent, as keywords of ``plot``.

    Agents of `neurotasks.baseline_scores` have the same ones in every figure, whoever is there.

    Args:
        names: Names of the agents, that of interest first; it is drawn over the others.
    """
    order = list(dict.fromkeys([*baseline_scores()["agents"], *names[1:]]))
    found: dict[str, dict[str, Any]] = {
        name: {"color": PALETTE[i % len(PALETTE)], "marker": MARKERS[i % len(MARKERS)]}
        for i, name in enumerate(order)
        if name in names
    }
    return found | {names[0]: {"color": FIRST, "marker": "o", "zorder": 3}}


def draw_tasks(agents: Agents, ids: Sequence[str]) -> Figure:
    """Return a figure with a row per task and a dot per agent, its mean, over the range of seeds.

    Args:
        agents: Results by the name of the agent, those of interest first.
        ids: Ids of the tasks, from top to bottom.
    """
    look = looks(list(agents))
    with style():
        figure, axes = new_figure(2, width=4.2, height=1.4 + 0.34 * len(ids))
        for axis, name in zip(axes, ("score", "memory_score"), strict=True):
            for number, (agent, results) in enumerate(agents.items()):
                scores = by_task(results, name)
                offset = 0.5 * (number / max(len(agents) - 1, 1) - 0.5)
                there = [row for row, id in enumerate(ids) if id in scores]
                means = [float(np.mean(scores[ids[row]])) for row in there]
                y = [row + offset for row in there]
                axis.plot(means, y, ls="none", ms=4.5, label=agent, **look[agent])
                low = [min(scores[ids[row]]) for row in there]
                high = [max(scores[ids[row]]) for row in there]
                axis.hlines(y, low, high, color=look[agent]["color"], lw=1)
            axis.set(yticks=range(len(ids)), ylim=(len(ids) - 0.5, -0.5))
            axis.axvline(0, color=IDEAL, lw=0.8, ls=":")
            axis.axvline(1, color=IDEAL, lw=0.8, ls=":")
            axis.grid(axis="y", lw=0.3)
        axes[0].set(yticklabels=[short(id) for id in ids], xlabel="score (0 random, 1 reference)")
        axes[1].set(yticklabels=[], xlabel="memory score (0 best without memory, 1 reference)")
        legend_below(figure, axes[:1], 3)
    return figure


def draw_radar(agents: Agents, ids: Sequence[str]) -> Figure:
    """Return a radar figure of mean scores, a spoke per task; those below 0 are drawn at 0.

    Args:
        agents: Results by the name of the agent, those of interest first.
        ids: Ids of the tasks.
    """
    look = looks(list(agents))
    with style():
        figure = Figure(figsize=(5.6, 6.0), dpi=150)
        axis: Any = figure.add_subplot(projection="polar")
        angles = np.linspace(0, 2 * np.pi, len(ids), endpoint=False)
        for agent, results in agents.items():
            scores = by_task(results, "score")
            means = [float(np.mean(scores[id])) if id in scores else np.nan for id in ids]
            closed = np.clip([*means, means[0]], 0, None)
            around = [*angles, angles[0]]
            axis.plot(around, closed, ms=3.5, lw=1.2, label=agent, **look[agent])
        axis.set_xticks(angles, [short(id) for id in ids], fontsize=SMALL)
        axis.set_yticks([0.25, 0.5, 0.75, 1.0], ["", "0.5", "", "1"], fontsize=SMALL)
        axis.set_ylim(0, 1.05)
        axis.tick_params(axis="x", pad=14)
        figure.legend(loc="outside lower center", ncols=2, fontsize=SMALL)
    return figure


def draw_curves(agents: Agents, ids: Sequence[str]) -> Figure:
    """Return a figure with the learning curves of each task, against steps and against seconds.

    Lines are means over seeds, bands the range of the seeds. Agents without curves are left out.

    Args:
        agents: Results by the name of the agent, those of interest first.
        ids: Ids of the tasks, from top to bottom; those without any curve are left out.
    """
    look = looks(list(agents))
    curves = {
        id: {
            name: [r.curve for r in rows if r.id == id and r.curve] for name, rows in agents.items()
        }
        for id in ids
    }
    there = [id for id in ids if any(curves[id].values())]
    with style():
        figure, axes = new_figure(2, width=3.6, height=1.9, rows=max(len(there), 1))
        for id, pair in zip(there, axes.reshape(-1, 2)[: len(there)], strict=True):
            pair[0].set(title=short(id), ylabel="score")
            for axis, name in zip(pair, ("steps", "seconds"), strict=True):
                for agent, of_seeds in curves[id].items():
                    if of_seeds:
                        _draw_curve(axis, of_seeds, name, agent, look[agent])
                axis.axhline(1, color=IDEAL, lw=0.8, ls=":")
                axis.axhline(0, color=IDEAL, lw=0.8, ls=":")
                axis.set_ylim(-0.15, 1.1)
            pair[1].set_xscale("symlog", linthresh=1)
            pair[1].set_xlim(left=0)
        for axis, name in zip(axes[-2:], ("environment steps", "seconds of training"), strict=True):
            axis.set_xlabel(name)
        legend_below(figure, axes, 3)
    return figure


def _draw_curve(
    axis: Any,
    curves: Sequence[Mapping[str, Sequence[float]]],
    name: str,
    label: str,
    look: Mapping[str, Any],
) -> None:
    """Draw the mean of curves up to where the first of them ends, and their range."""
    end = min(curve[name][-1] for curve in curves)
    grid = np.unique(np.concatenate([curve[name] for curve in curves]))
    grid = grid[grid <= end]
    scores = np.stack([np.interp(grid, curve[name], curve["score"]) for curve in curves])
    kwargs = {key: value for key, value in look.items() if key != "marker"}
    axis.plot(grid, scores.mean(axis=0), lw=1.2, label=label, **kwargs)
    axis.fill_between(grid, scores.min(axis=0), scores.max(axis=0), alpha=0.2, lw=0, **kwargs)
