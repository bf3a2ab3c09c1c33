"""The few things all figures share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from string import ascii_lowercase
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

OURS, PUBLISHED, IDEAL = "#1f6f8b", "#b5443c", "#8a8a8a"
SMALL = 7
"""Size of the font of legends, in points."""

STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
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


def letter_panels(axes: Iterable[Any]) -> None:
    """Put a bold letter at the top left of each panel, in their order."""
    for axis, letter in zip(axes, ascii_lowercase, strict=False):
        axis.annotate(
            letter,
            (0, 1),
            xytext=(-32, 6),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=12,
            fontweight="bold",
            in_layout=False,
        )
