"""Copies a report into the documentation, as ``python -m`` with this module and ``DIR``.

The claims, the page of results, the figures as SVG and their data as CSV are copied as they are.
The figures also become PNGs with a palette, which are several times smaller.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from neurotasks.files import write_whole
from neurotasks_baselines.errors import RunDirectoryError
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.report import algorithms_of, figure_file, read_parts

COLOURS = (256, 128, 64, 32)
LARGEST = 150_000
"""Bytes of a figure on the site, for which colours are given up."""


def copy_results(report: Path, docs: Path) -> list[Path]:
    """Copy claims, page and figures of a report.

    Args:
        report: Directory of a report of all experiments.
        docs: Directory of the documentation; gets ``claims.json``, ``results.md`` and the figures
            with their data, in ``figures``.

    Returns:
        The files that were written.

    Raises:
        RunDirectoryError: If an experiment is missing or was run with ``--quick``, a figure lacks
            its SVG or its data, or a part of the report is damaged.
    """
    parts = read_parts(report)
    whole = [part.name for part in parts if not part.quick]
    if missing := [name for name in EXPERIMENTS if name not in whole]:
        raise RunDirectoryError(
            f"{report} must be a report of every experiment, none of them quick; got none of "
            f"{', '.join(missing)}. Run `neurotasks reproduce --out {report}`."
        )
    figures = [
        figure_file(report, EXPERIMENTS[part.name], learner)
        for part in parts
        for learner in algorithms_of(part)
    ]
    texts = {docs / name: report / name for name in ("claims.json", "results.md")}
    for figure in figures:
        for file in map(figure.with_suffix, (".svg", ".csv")):
            texts[docs / "figures" / file.name] = file
    if lacking := [file.name for file in texts.values() if not file.is_file()]:
        raise RunDirectoryError(
            f"{report} must hold each figure as PNG and SVG, and its data as CSV; got none of "
            f"{', '.join(lacking)}. Run `neurotasks reproduce --out {report}`."
        )
    (docs / "figures").mkdir(parents=True, exist_ok=True)
    for target, source in texts.items():
        write_whole(target, source.read_text())
    pictures = {docs / "figures" / figure.name: figure for figure in figures}
    for target, source in pictures.items():
        target.write_bytes(with_palette(source))
    return [*texts, *pictures]


def with_palette(file: Path | BinaryIO) -> bytes:
    """Return an image as a PNG with a palette of as many colours as fit into `LARGEST` bytes."""
    found = b""
    with Image.open(file) as image:
        plain = image.convert("RGB")
    for colours in COLOURS:
        made = io.BytesIO()
        plain.quantize(colours, kmeans=3, dither=Image.Dither.NONE).save(made, "png", optimize=True)
        found = made.getvalue()
        if len(found) <= LARGEST:
            break
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Copy the report that the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("report", type=Path, metavar="DIR", help="directory of a report")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="documentation")
    chosen = parser.parse_args(arguments)
    try:
        written = copy_results(chosen.report, chosen.docs)
    except RunDirectoryError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(f"{file}\n" for file in written)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
