"""The few things all figures share."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from string import ascii_lowercase
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.collections import Collection, PathCollection
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

from neurotasks.files import replacing, write_whole

OURS, PUBLISHED, IDEAL = "#1f6f8b", "#b5443c", "#8a8a8a"
SMALL = 7
"""Size of the font of legends, in points."""
MOST_POINTS = 250
"""Markers of a panel from which they are one picture in its SVG, where each takes 200 bytes."""

STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "neurotasks",
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


def legend_below(figure: Figure, axes: Iterable[Any], columns: int) -> None:
    """Draw one legend of several panels below them, each label once.

    Args:
        figure: Figure with a layout that makes room for it, see `new_figure`.
        axes: Panels; without a label among them there is no legend.
        columns: Number of columns of the legend.
    """
    named: dict[str, Any] = {}
    for axis in axes:
        named |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    if named:
        look: dict[str, Any] = {"loc": "outside lower center", "fontsize": SMALL}
        figure.legend([*named.values()], [*named], ncols=columns, **look)


def letter_panels(axes: Iterable[Any]) -> None:
    """Put a bold letter at the top left of each panel, in their order; it becomes their label."""
    for axis, letter in zip(axes, ascii_lowercase, strict=False):
        axis.set_label(letter)
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


class Pictures(NamedTuple):
    """A figure as files.

    Attributes:
        png: Image.
        svg: The same as SVG.
        csv: The data that it shows.
    """

    png: bytes
    svg: str
    csv: str

    def write(self, file: Path) -> None:
        """Write the image, and next to it the SVG and the data, which differ in their suffix."""
        write_whole(file.with_suffix(".csv"), self.csv)
        write_whole(file.with_suffix(".svg"), self.svg)
        with replacing(file) as image:
            image.write_bytes(self.png)


def drawn(figure: Figure) -> Pictures:
    """Return a figure as PNG, as SVG, and the data that it shows as CSV."""
    table = plotted_data(figure).to_csv(index=False, float_format="%.6g", lineterminator="\n")
    for axis in figure.axes:
        lines = [line for line in axis.lines if line.get_marker() not in ("", "None", None)]
        marked = [*lines, *(c for c in axis.collections if isinstance(c, PathCollection))]
        number = sum(len(_points(artist)) for artist in marked)
        for artist in marked if number > MOST_POINTS else ():
            artist.set_rasterized(True)
    image, drawing = io.BytesIO(), io.StringIO()
    with style():
        figure.savefig(drawing, format="svg", metadata={"Date": None}, dpi=300)
    figure.savefig(image, format="png")
    shorter = re.sub(r' (?:d|x|y)="[^"]*"', _with_hundredths, drawing.getvalue())
    return Pictures(image.getvalue(), shorter, table)


def save_figure(figure: Figure, file: Path) -> None:
    """Save a figure, next to it the same as SVG, and the data that it shows as CSV.

    Args:
        figure: Figure.
        file: File of the figure; those of the SVG and of the data differ in their suffix.
    """
    drawn(figure).write(file)


def _points(artist: Any) -> Any:
    """Return the places of a line's vertices or of a group of points, (points, 2)."""
    return artist.get_offsets() if isinstance(artist, Collection) else artist.get_xydata()


def _with_hundredths(attribute: re.Match[str]) -> str:
    """Return an attribute of SVG with its numbers cut to two decimals."""
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute[0])


def plotted_data(figure: Figure) -> pd.DataFrame:
    """Return the data that a figure shows.

    Returns:
        A row per point, bar, or place of an interval, in the order in which they are drawn, with

        * ``panel``, ``title``, ``x_label`` and ``y_label``: where it is drawn
        * ``kind``: ``"line"`` (markers too), ``"bar"``, ``"points"``, ``"interval"``, ``"image"``
        * ``series``: its label, or the number of the artist of this kind where it has none
        * ``x`` and ``y``: its coordinates; NaN where a line crosses the whole panel
        * ``low`` and ``high``: ends of an interval
        * ``value``: value of a point or pixel that its colour shows
    """
    tables = []
    for axis in figure.axes:
        if axis.get_label() == "<colorbar>":
            continue
        panels: list[Any] = [axis, *axis.child_axes]
        for panel in panels:
            about = {
                "panel": axis.get_label(),
                "title": panel.get_title("left") or panel.get_title(),
                "x_label": panel.get_xlabel(),
                "y_label": panel.get_ylabel(),
            }
            tables += [pd.DataFrame(about | series) for series in _series(panel)]
    columns = ["panel", "title", "x_label", "y_label", "kind", "series"]
    columns += ["x", "y", "low", "high", "value"]
    return pd.concat(tables, ignore_index=True).reindex(columns=columns)


def _series(axis: Any) -> Iterator[dict[str, Any]]:
    """Yield the columns of each line, group of bars, collection and image of a panel."""
    for i, line in enumerate(axis.lines):
        in_data = line.get_transform().contains_branch_seperately(axis.transData)
        x, y = np.where(in_data, np.asarray(line.get_xydata(), np.float64), np.nan).T
        if len(x):
            yield {"kind": "line", "series": _named(line, i), "x": x, "y": y}
    bars = [c for c in axis.containers if isinstance(c, BarContainer)]
    for i, container in enumerate(bars):
        boxes = [patch.get_bbox() for patch in container]
        across, along = (
            [(box.x0 + box.x1) / 2 for box in boxes],
            [box.y0 + box.height for box in boxes],
        )
        if container.orientation == "horizontal":
            across = [box.x0 + box.width for box in boxes]
            along = [(box.y0 + box.y1) / 2 for box in boxes]
        yield {"kind": "bar", "series": _named(container, i), "x": across, "y": along}
    for i, collection in enumerate(axis.collections):
        yield from _of_collection(collection, _named(collection, i))
    for i, image in enumerate(axis.images):
        y, x = np.indices(image.get_array().shape[:2])
        values = image.get_array().ravel()
        named = {"kind": "image", "series": _named(image, i)}
        yield named | {"x": x.ravel(), "y": y.ravel(), "value": values}


def _of_collection(collection: Collection, series: str) -> Iterator[dict[str, Any]]:
    """Yield the columns of points, or of the intervals that lines or a band show."""
    if isinstance(collection, PathCollection):
        x, y = np.asarray(collection.get_offsets()).T
        yield {"kind": "points", "series": series, "x": x, "y": y, "value": collection.get_array()}
        return
    outline = [path.vertices for path in collection.get_paths()]
    if outline:
        found = pd.DataFrame(np.concatenate(outline), columns=["x", "y"]).groupby("x")["y"]
        ends = found.agg(low="min", high="max").reset_index()
        yield {"kind": "interval", "series": series} | dict(ends.items())


def _named(artist: Any, number: int) -> str:
    label = str(artist.get_label())
    return str(number) if label.startswith("_") else label
