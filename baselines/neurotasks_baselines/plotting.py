"""The few things all figures share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

OURS, PUBLISHED, IDEAL = "#1f6f8b", "#b5443c", "#8a8a8a"

STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of the project; no backend is chosen, no global setting changed."""
    with mpl.rc_context(STYLE):
        yield


def new_figure(
    columns: int, width: float = 3.2, height: float = 2.8, rows: int = 1
) -> tuple[Figure, Any]:
    """Return a figure with its axes, row after row, outside pyplot's list of open figures."""
    figure = Figure(figsize=(width * columns, height * rows), dpi=150)
    return figure, figure.subplots(rows, columns, squeeze=False).ravel()
