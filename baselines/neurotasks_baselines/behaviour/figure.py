"""The figure of a comparison: a row for everybody, a panel for each question."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from neurotasks_baselines.behaviour.groups import Comparison
from neurotasks_baselines.plotting import (
    IDEAL,
    OURS,
    PUBLISHED,
    SMALL,
    letter_panels,
    new_figure,
    style,
)

COLOURS = {
    "network": OURS,
    "foil": IDEAL,
    "reference": "black",
    "table": "#d08c2e",
    "published": PUBLISHED,
}
MARKERS = "osDv^PX*"
SHARE = "share, "
ENDS = ("", "_low", "_high")
ABOVE = {"borderaxespad": 2.4}  # the letter of the panel


def draw(table: pd.DataFrame, comparison: Comparison) -> Figure:
    """Draw the table of a comparison.

    Args:
        table: The table, one row per group.
        comparison: What was compared.

    Returns:
        The figure: a panel per measure, one for the weights of past choices, one for the models
        that describe each group, one for held-out likelihoods.
    """
    wanted = [f"{name}{end}" for name in ("network", "network_scaled") for end in ENDS]
    table = table.reindex(columns=[*dict.fromkeys([*table.columns, *wanted])])
    places = np.arange(len(table))[::-1]
    panels = len(comparison.measures) + 3
    with style():
        figure, axes = new_figure(panels, width=2.5, height=1.6 + 0.27 * len(table))
        for axis, (name, label) in zip(axes, comparison.measures.items(), strict=False):
            _points(axis, table, places, name)
            axis.set_xlabel(label)
        _history(axes[-3], table, places, comparison)
        _shares(axes[-2], table, places)
        _likelihoods(axes[-1], table, places)
        for axis in axes:
            axis.set(ylim=(-0.6, len(table) - 0.4), yticks=places, yticklabels=[])
            axis.tick_params(axis="y", length=0)
            axis.set_axisbelow(True)
            axis.grid(axis="y", lw=0.3)
        axes[0].set_yticklabels([_label(row) for _, row in table.iterrows()])
        for tick, kind in zip(axes[0].get_yticklabels(), table["kind"], strict=True):
            tick.set_color(COLOURS[kind])
        letter_panels(axes)
    return figure


def draw_plane(table: pd.DataFrame, comparison: Comparison) -> Figure:
    """Draw everybody by both measures, with 95 % intervals, as in ``two-step-species``.

    Args:
        table: The table, one row per group.
        comparison: What was compared, with a `plane`.

    Returns:
        The figure: one panel, a marker of its own for each group of a kind.
    """
    x, y = comparison.measures
    with style():
        figure, (axis,) = new_figure(1, width=5.6, height=3.4)
        if comparison.plane is not None:
            comparison.plane(axis)
        seen: dict[str, int] = {}
        for _, row in table.iterrows():
            kind = row["kind"]
            number = seen[kind] = seen.get(kind, -1) + 1
            own = {"color": COLOURS[kind], "zorder": 4 if kind == "table" else 3}
            axis.hlines(row[y], row[f"{x}_low"], row[f"{x}_high"], lw=1, **own)
            axis.vlines(row[x], row[f"{y}_low"], row[f"{y}_high"], lw=1, **own)
            marker = MARKERS[number % len(MARKERS)]
            axis.plot(row[x], row[y], marker, ms=5, label=_label(row), **own)
        axis.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=SMALL)
    return figure


def _label(row: pd.Series[Any]) -> str:
    return row["name"] if pd.isna(row["n"]) else f"{row['name']} ({row['n']:.0f} {row['units']})"


def _points(
    axis: Any, table: pd.DataFrame, places: Any, name: str, marker: str = "o", **look: Any
) -> None:
    """Draw a column of values with intervals, in the colours of the kinds."""
    for kind, colour in COLOURS.items():
        of_kind = (table["kind"] == kind).to_numpy() & table[name].notna().to_numpy()
        rows, y = table[of_kind], places[of_kind]
        if len(rows):
            own = {"color": colour, "ms": 4.5, **look}
            axis.hlines(y, rows[f"{name}_low"], rows[f"{name}_high"], color=colour, lw=1.2)
            axis.plot(rows[name], y, marker, label=f"{name}, {kind}", **own)
    axis.axvline(0, lw=0.5, color=IDEAL)


def _legend(axis: Any, entries: list[tuple[str, str, dict[str, Any]]]) -> None:
    """Put a legend above a panel, of markers in black."""
    handles = [
        axis.plot([], [], marker, color="black", ms=4, label=label, **look)[0]
        for label, marker, look in entries
    ]
    axis.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=SMALL, **ABOVE
    )


def _history(axis: Any, table: pd.DataFrame, places: Any, comparison: Comparison) -> None:
    looks = [("o", {}), ("s", {"mfc": "white"})]
    entries = []
    for (name, label), (marker, look), shift in zip(
        comparison.history.items(), looks, (0.13, -0.13), strict=True
    ):
        _points(axis, table, places + shift, name, marker, **look)
        entries.append((label, marker, look))
    _legend(axis, entries)
    axis.set_xlabel("weights of past choices,\nsum over 5 lags")


def _shares(axis: Any, table: pd.DataFrame, places: Any) -> None:
    names = [name for name in table.columns if name.startswith(SHARE)]
    colours = mpl.colormaps["Set2"](np.arange(len(names)))
    left = np.zeros(len(table))
    for name, colour in zip(names, colours, strict=False):
        share = table[name].fillna(0.0).to_numpy()
        label = name.removeprefix(SHARE)
        axis.barh(places, share, 0.7, left=left, color=colour, label=label)
        left += share
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=SMALL, ncols=2, **ABOVE)
    axis.set(xlabel="share of units that a\nmodel describes best", xlim=(0, 1))


def _likelihoods(axis: Any, table: pd.DataFrame, places: Any) -> None:
    entries: list[tuple[str, str, dict[str, Any]]] = [
        ("best model", "s", {}),
        ("network with a temperature", "o", {"mfc": "white"}),
        ("network as it is", "x", {}),
    ]
    columns = ["held_out", "network_scaled", "network"]
    if "gru" in table:
        entries += [("best model of others", "|", {"mew": 1.5}), ("GRU of others", "^", {})]
        columns += ["pooled", "gru"]
    chance = table["chance"]
    axis.vlines(chance, places - 0.4, places + 0.4, color=IDEAL, lw=1, ls=":", label="chance")
    low = float(table[["chance", "held_out_low", "network_scaled"]].min(axis=None)) - 0.1
    drawn = table.assign(network=table["network"].clip(lower=low))
    for name, (_, marker, look) in zip(columns, entries, strict=True):
        _points(axis, drawn.assign(network_low=np.nan), places, name, marker, **look)
    axis.set(xlim=(low - 0.05, 0.02), xlabel="log likelihood per\nheld-out choice")
    _legend(axis, [*entries, ("chance", ":", {})])
