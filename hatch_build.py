"""Makes the README of a distribution, and its addresses, from the address of the repository.

A package index has no files of the repository. With the address that ``pyproject.toml`` gives under
``[tool.hatch.metadata.hooks.custom]``, relative links lead to the repository; without one, only
their text is left, and pictures are left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

IMAGE = re.compile(r"!\[([^\]]*)\]\((?!https?:)([^)]+)\)(\n*)")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)")


def absolute(text: str, repository: str) -> str:
    """Return Markdown without relative links.

    Args:
        text: Markdown.
        repository: Address of the repository, as GitHub has it; "" if there is none.
    """
    if repository:
        text = IMAGE.sub(rf"![\1]({repository}/raw/HEAD/\2)\3", text)
        return LINK.sub(rf"[\1]({repository}/blob/HEAD/\2)", text)
    return LINK.sub(r"\1", IMAGE.sub("", text))


class Hook(MetadataHookInterface):
    """Hatchling's hook for metadata that are made at build time."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Put in the README, and the addresses if there is one."""
        repository = self.config["repository"].rstrip("/")
        text = absolute((Path(self.root) / "README.md").read_text(encoding="utf-8"), repository)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        names = {"Repository": "", "Issues": "/issues", "Changelog": "/blob/HEAD/CHANGELOG.md"}
        metadata["urls"] = {n: repository + path for n, path in names.items() if repository}
