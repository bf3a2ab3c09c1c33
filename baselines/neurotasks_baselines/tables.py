"""Tables as Markdown, for the terminal and for pages, and as text in columns."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

INDENT = 4  # of what is wrapped under a row of text


def markdown_table(
    head: Sequence[str], body: Iterable[Sequence[str]], *, aligned: bool = False
) -> str:
    """Return a Markdown table.

    Args:
        head: Titles of the columns.
        body: Cells of each row, one for each column.
        aligned: Whether cells are padded to the width of their column, for the terminal.

    Returns:
        One line per row, without a line break at the end.
    """
    lines = [[cell.replace("|", "\\|") for cell in row] for row in (head, *body)]
    columns = zip(*lines, strict=True)
    widths = [max(3, *map(len, column)) if aligned else 0 for column in columns]
    lines.insert(1, ["-" * max(3, width) for width in widths])
    padded = ([c.ljust(w) for c, w in zip(cells, widths, strict=True)] for cells in lines)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def wrapped_table(rows: Sequence[Sequence[str]], sides: str) -> str:
    """Return rows as text in columns.

    In a terminal the last cell of a row is wrapped: within the last column, or under the others
    where half of the longest cell has no room there. Elsewhere, as in a pipe, a row is one line.

    Args:
        rows: Cells, row by row, the heads first.
        sides: Side to which each column but the last is aligned, "<" or ">".
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = sum(widths[:-1]) + 2 * len(sides)
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else left + widths[-1]
    indent = left if 2 * (room - left) >= widths[-1] else INDENT
    lines = []
    for *cells, last in rows:
        filled = [f"{c:{s}{w}}" for c, s, w in zip(cells, sides, widths[:-1], strict=True)]
        wrapped = textwrap.wrap(last, room - indent)
        under = [" " * indent + line for line in wrapped]
        if indent == left:
            lines += ["  ".join([*filled, wrapped[0]]), *under[1:]]
        else:
            lines += ["  ".join(filled).rstrip(), *under]
    return "\n".join(lines)
