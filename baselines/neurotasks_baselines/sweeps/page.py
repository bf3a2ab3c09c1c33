"""Figures of a sweep, and the page that shows them."""

from __future__ import annotations

import json
import textwrap
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from neurotasks.files import replacing, write_whole
from neurotasks_baselines import pages
from neurotasks_baselines.files import json_text
from neurotasks_baselines.plotting import IDEAL, OURS, new_figure, style
from neurotasks_baselines.sweeps.spec import OF_TASK, Range, Sweep
from neurotasks_baselines.sweeps.table import interval, objective, ranking, summary

BEST = 20  # settings in the figure
LONGEST = 60  # letters in a line of a label
LISTED = 100  # settings in the page
PAIRS = 6  # heat maps


def write_page(sweep: Sweep, table: pd.DataFrame, out: Path) -> None:
    """Write figures, ``index.html``, and the hyperparameters of the best setting, ``best.json``.

    Args:
        sweep: Sweep.
        table: Its table.
        out: Its directory.
    """
    ranked = ranking(sweep, table)
    best = best_hyperparameters(sweep, table, ranked)
    write_whole(out / "best.json", json_text(best))
    figures = []
    drawn = {
        "settings": (draw_settings(sweep, ranked), "Which settings are best?"),
        "effects": (draw_effects(sweep, table), "What does each value do?"),
        "pairs": (draw_pairs(sweep, table), "How do two of them act together?"),
    }
    for name, (figure, question) in drawn.items():
        if figure is not None:
            with replacing(out / f"{name}.png") as file:
                figure.savefig(file)
            image = pages.embedded(out / f"{name}.png")
            figures.append({"question": question, "image": image})
    pages.write_page(
        out / "index.html",
        "sweep.html",
        {"short": short},
        sweep=sweep,
        direction="more" if sweep.maximize else "less",
        figures=figures,
        best=json.dumps(best, indent=1),
        rows=ranked.head(LISTED).to_dict("records"),
        settings=len(ranked),
        trainings=len(table),
        failed=table["problem"].dropna().to_dict(),
        hours=table["seconds"].sum() / 3600,
    )


def best_hyperparameters(sweep: Sweep, table: pd.DataFrame, ranked: pd.DataFrame) -> dict[str, Any]:
    """Return the hyperparameters of the best setting that the sweep gives."""
    row = table[table["setting"] == ranked["setting"][0]].iloc[0]
    names = [name for name in sweep.names if not name.startswith(OF_TASK)]
    return {name: row[name].item() if hasattr(row[name], "item") else row[name] for name in names}


def short(value: Any) -> str:
    """Return a value in a few characters."""
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.4g}"
    return str(value)


def label_of(row: Any, names: list[str]) -> str:
    """Return the values of a setting in words."""
    return ", ".join(f"{name.removeprefix(OF_TASK)} {short(row[name])}" for name in names)


def draw_settings(sweep: Sweep, ranked: pd.DataFrame) -> Figure:
    """Draw the best settings, with intervals."""
    best = ranked.head(BEST)
    with style():
        names = [label_of(row, sweep.varied) or "the only one" for _, row in best.iterrows()]
        labels = [textwrap.fill(name, LONGEST) for name in names]
        lines = len(best) * (1 + max(label.count("\n") for label in labels))
        figure, (axes,) = new_figure(1, width=7, height=0.9 + 0.25 * lines)
        for place, row in best.iterrows():
            axes.plot([row["low"], row["high"]], [place, place], color=OURS, linewidth=1)
            axes.plot(row["mean"], place, "o", color=OURS)
        axes.set_yticks(range(len(best)), labels)
        axes.set_ylim(len(best) - 0.5, -0.5)
        axes.set_xlabel(f"{in_words(sweep)}, interquartile mean with 95 % interval")
    return figure


def draw_effects(sweep: Sweep, table: pd.DataFrame) -> Figure | None:
    """Draw the objective at each value of every name that varies, all others as they come."""
    if not sweep.varied:
        return None
    values = objective(sweep, table)
    columns = min(3, len(sweep.varied))
    with style():
        rows = -(-len(sweep.varied) // columns)
        figure, axes = new_figure(columns, rows=rows)
        for axis, name in zip(axes, sweep.varied, strict=False):
            given = sweep.values.get(name)
            if isinstance(given, Range):
                axis.plot(table[name], values, ".", color=OURS, alpha=0.5)
                axis.set_xscale("log" if given.log else "linear")
                axis.xaxis.set_minor_formatter(NullFormatter())
                axis.set_xlim(given.low, given.high)
            else:
                _draw_values(axis, table[name], values)
            axis.set_xlabel(name.removeprefix(OF_TASK))
            axis.set_ylabel(in_words(sweep))
        for axis in axes[len(sweep.varied) :]:
            axis.remove()
    return figure


def _draw_values(axis: Any, names: pd.Series, values: pd.Series) -> None:
    """Draw every training as a dot, and for each value the interquartile mean with its interval."""
    several = list(dict.fromkeys(names.sort_values()))
    for place, value in enumerate(several):
        found = values[names == value].dropna()
        axis.plot(np.full(len(found), place), found, ".", color=IDEAL, alpha=0.4)
        if len(found):
            axis.plot([place, place], interval(found), color=OURS)
            axis.plot(place, summary(found), "o", color=OURS)
    axis.set_xticks(range(len(several)), list(map(short, several)))
    axis.set_xlim(-0.5, len(several) - 0.5)


def draw_pairs(sweep: Sweep, table: pd.DataFrame) -> Figure | None:
    """Draw heat maps of the objective over pairs of names that vary."""
    listed = [n for n in sweep.varied if not isinstance(sweep.values.get(n), Range)]
    pairs = list(combinations(listed, 2))[:PAIRS]
    if not pairs:
        return None
    values = objective(sweep, table)
    columns = min(3, len(pairs))
    with style():
        figure, axes = new_figure(columns, width=3.6, rows=-(-len(pairs) // columns))
        for axis, (across, down) in zip(axes, pairs, strict=False):
            means = values.groupby([table[down], table[across]]).agg(summary).unstack()
            image = axis.pcolormesh(means.to_numpy(), cmap="viridis")
            axis.set_xticks(np.arange(means.shape[1]) + 0.5, list(map(short, means.columns)))
            axis.set_yticks(np.arange(means.shape[0]) + 0.5, list(map(short, means.index)))
            axis.set(xlabel=across.removeprefix(OF_TASK), ylabel=down.removeprefix(OF_TASK))
            figure.colorbar(image, ax=axis, label=in_words(sweep))
        for axis in axes[len(pairs) :]:
            axis.remove()
    return figure


def in_words(sweep: Sweep) -> str:
    """Return the name of the objective."""
    return sweep.objective.replace("_", " ")
