"""The few things all figures share."""

from __future__ import annotations

import base64
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
from matplotlib import path as mpl_path
from matplotlib.collections import Collection, PathCollection
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from neurotasks.files import replacing, write_whole

OURS, PUBLISHED, IDEAL = "#1f6f8b", "#b5443c", "#8a8a8a"
SMALL = 7
"""Size of the font of legends, in points."""
MOST_POINTS = 250
"""Markers of a panel from which they are one picture in its SVG, where each takes 200 bytes."""
PICTURE_DPI, PICTURE_COLOURS = 150, 64
"""Resolution and colours of such a picture."""
STRAIGHT = 0.5
"""Distance in pixels of the PNG by which a line in the SVG may differ from the data."""

STYLE: Any = {
    "font.size": 9,
    "font.sans-serif": ["DejaVu Sans", "Verdana"],  # each text of an SVG repeats them
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
    image, drawing = io.BytesIO(), io.StringIO()
    figure.savefig(image, format="png")
    with style(), _light(figure):
        figure.savefig(drawing, format="svg", metadata={"Date": None}, dpi=PICTURE_DPI)
    text = re.sub(r' (?:d|x|y|transform)="[^"]*"', _shortened, drawing.getvalue())
    return Pictures(image.getvalue(), re.sub(r'(?<=;base64,)[^"]*', _with_palette, text), table)


@contextmanager
def _light(figure: Figure) -> Iterator[None]:
    """Make many markers one picture, and leave lines only the vertices that show.

    Args:
        figure: Figure that has been drawn, so that its panels are where they will be.
    """
    lines = [line for axis in figure.axes for line in axis.lines]
    data = [line.get_data(orig=False) for line in lines]
    for axis in figure.axes:
        marked = [*filter(_has_markers, axis.lines), *axis.collections]
        marked = [a for a in marked if isinstance(a, (Line2D, PathCollection))]
        number = sum(_markers(artist) for artist in marked)
        for artist in marked if number > MOST_POINTS else ():
            artist.set_rasterized(True)
    try:
        with mpl.rc_context({"path.simplify_threshold": STRAIGHT}):
            for line in lines:
                _straighten(line)
        yield
    finally:
        for line, (x, y) in zip(lines, data, strict=True):
            line.set_data(x, y)


def _straighten(line: Line2D) -> None:
    """Leave out the vertices of a line, without markers or gaps, that nobody would miss."""
    to_pixels = line.get_transform()
    vertices = to_pixels.transform(line.get_xydata())
    if _has_markers(line) or len(vertices) < 3 or not np.isfinite(vertices).all():
        return
    simpler = mpl_path.Path(vertices).cleaned(simplify=True)
    left = np.asarray(simpler.vertices)[np.asarray(simpler.codes) != mpl_path.Path.STOP]
    line.set_data(*to_pixels.inverted().transform(left).T)


def save_figure(figure: Figure, file: Path) -> None:
    """Save a figure, next to it the same as SVG, and the data that it shows as CSV.

    Args:
        figure: Figure.
        file: File of the figure; those of the SVG and of the data differ in their suffix.
    """
    drawn(figure).write(file)


def _has_markers(line: Line2D) -> bool:
    return line.get_marker() not in ("", "None", None)


def _markers(artist: Any) -> int:
    """Return how many markers there are of a line, or of a group of points."""
    if isinstance(artist, Collection):
        return len(np.asarray(artist.get_offsets()))
    every = artist.get_markevery()
    start, step = every if isinstance(every, tuple) else (0, every or 1)
    return len(artist.get_xydata()[start::step])


def _shortened(attribute: re.Match[str]) -> str:
    """Return an attribute of SVG with its numbers cut to two decimals, a path's in one line."""
    return re.sub(r" \n(?:L )?", " ", re.sub(r"(\.\d\d)\d+", r"\1", attribute[0]))


def _with_palette(picture: re.Match[str]) -> str:
    """Return a PNG in base64 with few colours."""
    made = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(picture[0]))) as found:
        few = found.quantize(PICTURE_COLOURS, method=Image.Quantize.FASTOCTREE)
        few.save(made, "png", optimize=True)
    return base64.b64encode(made.getvalue()).decode()


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
