"""Gives the site's header a link to the repository, once pyproject.toml knows its address."""

from __future__ import annotations

import tomllib
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def on_config(config: MkDocsConfig) -> None:
    """Put the address in."""
    project = tomllib.loads(PROJECT.read_text())
    config.repo_url = project["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"] or None
