"""Writes what the pages show of the code and of measured files: `python docs/generate.py`.

Between the lines ``<!-- NAME -->`` and ``<!-- /NAME -->`` of a page stands what `parts` has under
NAME. The pages in ``docs/tasks/`` are written as a whole, one for each task file, for all ids
registered for it. All of it is kept in the repository, so that it can be read there, too; a test
says which pages are out of date.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

from rich.progress import track
from writers.errors import errors_page
from writers.robustness import grids_section, robustness_figures
from writers.tables import (
    baseline_figure,
    baseline_tables,
    hyperparameter_table,
    memoryless_table,
    modules,
    recipe_table,
    wang2018_table,
)
from writers.task_page import families, task_files, task_table

from neurotasks_baselines.benchmarks.tables import page_parts
from neurotasks_baselines.experiments.results import with_palette

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")))
ON_API_PAGE = (
    *(f"neurotasks.{name}" for name in ("observers", "datasets", "models", "analysis")),
    *(f"neurotasks_baselines.{name}" for name in ("agents", "training", "dopamine", "behaviour")),
    "neurotasks_baselines.neurons",
)
LINE = re.compile(r"^<!-- /?[a-z][\w. -]* -->$", re.MULTILINE)
PART = re.compile(r"^<!-- ([a-z][\w. -]*) -->$.*?^<!-- /\1 -->$", re.MULTILINE | re.DOTALL)


def parts(page: Path) -> dict[str, Callable[[], str]]:
    """Return functions that write the parts of a page, by name."""
    return {
        "tasks": lambda: task_table(page.parent),
        "hyperparameters": hyperparameter_table,
        "wang2018": wang2018_table,
        "baselines": baseline_tables,
        "memoryless": memoryless_table,
        "errors": errors_page,
        "recipes": recipe_table,
        "grids": grids_section,
        **{package.rpartition(".")[2]: partial(modules, package) for package in ON_API_PAGE},
        **page_parts(DOCS / "performance"),
    }


def filled(page: Path) -> str:
    """Return the text of a page with all its parts written anew.

    Raises:
        ValueError: If a part has no end, or a name that `parts` does not know.
    """
    text, known = page.read_text(), parts(page)
    names = PART.findall(text)
    lines = LINE.findall(text)
    if len(lines) != 2 * len(names) or not set(names) <= set(known):
        raise ValueError(
            f"{page.name}: every part must be <!-- NAME --> ... <!-- /NAME --> with a NAME of "
            f"{', '.join(known)}; got the lines {' '.join(lines)}."
        )
    return PART.sub(lambda m: f"<!-- {m[1]} -->\n\n{known[m[1]]()}\n\n<!-- /{m[1]} -->", text)


def main() -> None:
    """Write all of it."""
    for page in track(PAGES, "pages"):
        page.write_text(filled(page))
    for family in track(families().items(), "pages of tasks"):
        for path, text in task_files(*family).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for name, picture in {
        "figures/baselines.png": baseline_figure(),
        **robustness_figures(),
    }.items():
        (DOCS / name).write_bytes(with_palette(BytesIO(picture)))


if __name__ == "__main__":
    main()
