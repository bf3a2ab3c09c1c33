"""Pages of HTML from the templates of the package, which need no other files."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from neurotasks.files import write_whole


def write_page(
    file: Path, template: str, filters: Mapping[str, Callable[..., str]], **variables: Any
) -> None:
    """Write a page.

    Args:
        file: File to write.
        template: Name of the template.
        filters: Filters of the template, by name.
        **variables: Its variables.
    """
    environment = Environment(
        loader=PackageLoader("neurotasks_baselines"),
        autoescape=select_autoescape(),
        trim_blocks=True,
    )
    environment.filters |= filters
    write_whole(file, environment.get_template(template).render(variables))


def embedded(picture: Path) -> str:
    """Return a picture as base64, as pages hold it."""
    return base64.b64encode(picture.read_bytes()).decode()
