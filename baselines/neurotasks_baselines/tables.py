"""Tables as Markdown, for the terminal and for pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


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
