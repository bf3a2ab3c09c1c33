"""The command that .ci/run builds the site with refuses dead links."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = "# Home\n\n[other](other.md)\n\n[part of it](other.md#part)\n"
OTHER = "# Other\n\n## Part\n"


def build(folder, page):
    """Build a site of two pages as .ci/run builds ours, with the settings of mkdocs.yml."""
    pages = folder / "docs"
    pages.mkdir()
    (pages / "index.md").write_text(page)
    (pages / "other.md").write_text(OTHER)
    (folder / "mkdocs.yml").write_text(
        f"INHERIT: {ROOT / 'mkdocs.yml'}\n"
        "theme: {name: mkdocs}\nplugins: []\nhooks: []\nwatch: []\nmarkdown_extensions: []\n"
        "exclude_docs: ''\nnav: [index.md, other.md]\n"
    )
    command = re.search(r"^ *mkdocs (build.*) --site-dir", (ROOT / ".ci/run").read_text(), re.M)
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", *command[1].split(), "--site-dir", folder / "site"],
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_a_site_without_dead_links_is_built(tmp_path):
    built = build(tmp_path, PAGE)
    assert built.returncode == 0, built.stderr


@pytest.mark.parametrize("link", ["missing.md", "other.md#missing", "../README.md", "/other/"])
def test_a_dead_link_makes_the_build_fail(tmp_path, link):
    built = build(tmp_path, PAGE + f"\n[dead]({link})\n")
    assert built.returncode != 0
    assert link.lstrip("./") in built.stderr
