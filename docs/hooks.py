"""Adds the page of every task to the site, and tables to pages that ask for them.

A page per task file, for all ids registered for it: ``neurotasks/tasks/two_step.py`` becomes
``tasks/two_step.md``. What stands on the pages is in `writers`.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
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
from writers.task_page import families, page_title, task_page, task_table

from neurotasks.core.task import load
from neurotasks_baselines.benchmarks.tables import fill_in

HERE = Path(__file__).parent


def on_config(config: MkDocsConfig) -> None:
    """Put the page of every task after the gallery, in the order of the table of ids.

    The header links to the repository, once pyproject.toml knows its address.
    """
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())
    config.repo_url = project["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"] or None
    (tasks,) = (entry["Tasks"] for entry in config.nav or [] if "Tasks" in entry)
    tasks[1:1] = [{page_title(load(place)): task_path(place)} for place in families()]


def task_path(place: str) -> str:
    """Return where the page of a task is."""
    return f"tasks/{place.partition(':')[0].rpartition('.')[2]}.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of every task, and figures that are drawn from shipped tables."""
    files.append(File.generated(config, "figures/baselines.png", content=baseline_figure()))
    for place, ids in families().items():
        files.append(File.generated(config, task_path(place), content=task_page(place, ids)))
    for path, picture in robustness_figures().items():
        files.append(File.generated(config, path, content=picture))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put a table where a page asks for it."""
    markdown = markdown.replace("<!-- tasks -->", task_table(task_path))
    markdown = markdown.replace("<!-- hyperparameters -->", hyperparameter_table())
    markdown = markdown.replace("<!-- wang2018 -->", wang2018_table())
    markdown = markdown.replace("<!-- baselines -->", baseline_tables())
    markdown = markdown.replace("<!-- memoryless -->", memoryless_table())
    markdown = markdown.replace("<!-- errors -->", errors_page())
    markdown = markdown.replace("<!-- recipes -->", recipe_table())
    markdown = markdown.replace("<!-- grids -->", grids_section())
    markdown = re.sub(r"<!-- modules of (\S+) -->", lambda mark: modules(mark[1]), markdown)
    return fill_in(markdown, HERE / "performance")
