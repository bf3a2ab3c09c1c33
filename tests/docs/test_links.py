"""Relative links resolve in the repository, and there are none in the metadata of the wheel.

Those of the site are checked by ``mkdocs build --strict``, see ``test_site.py``.
"""

import email
import os
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
ADDRESS = "https://example.org/somebody/neurotasks"


def links(text):
    """Return the targets of links and pictures in Markdown, code left out."""
    text = re.sub(r"^ *```.*?^ *```|`[^`\n]*`", "", text, flags=re.M | re.S)
    return re.findall(r"\]\(([^)\s]+)[^)]*\)", text)


def dead(page, text):
    """Return the relative links of a page of the repository that lead to no file."""
    targets = [t.partition("#")[0] for t in links(text) if not re.match(r"https?:|#|mailto:", t)]
    paths = [os.path.normpath(page.parent.relative_to(ROOT) / target) for target in targets]
    return [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_in_the_repository(page):
    assert dead(page, page.read_text()) == []


def test_a_dead_link_is_seen():
    text = "[a](docs/agents.md#b) ![c](none.png) `[d](no.md)` [e](https://e.org) [f](x.md)"
    assert dead(ROOT / "README.md", text) == ["none.png", "x.md"]
    assert links((ROOT / "README.md").read_text())


def metadata(root, out, monkeypatch):
    """Return the metadata that the wheel of a folder would have."""
    build = pytest.importorskip("hatchling.build")  # which the extra test brings
    monkeypatch.chdir(root)
    folder = build.prepare_metadata_for_build_wheel(str(out))
    return email.message_from_string((out / folder / "METADATA").read_text(encoding="utf-8"))


def test_the_wheel_has_no_relative_link(tmp_path, monkeypatch):
    found = metadata(ROOT, tmp_path, monkeypatch)
    text = found.get_payload()
    assert "# neurotasks" in text
    assert "A first hour" in text
    assert links(text)
    assert all(target.startswith("https://") for target in links(text))
    assert found.get_all("Project-URL") is None


def test_with_an_address_every_link_of_the_wheel_leads_to_a_file(tmp_path, monkeypatch):
    project = tmp_path / "project"
    for name in ("README.md", "LICENSE", "hatch_build.py", "neurotasks/__init__.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, project / name)
    table = (ROOT / "pyproject.toml").read_text()
    assert table.count('\nrepository = ""') == 1
    table = table.replace('\nrepository = ""', f'\nrepository = "{ADDRESS}"')
    (project / "pyproject.toml").write_text(table)
    found = metadata(project, tmp_path, monkeypatch)
    ours = [t for t in links(found.get_payload()) if not re.match(r"https://(?!example\.org)", t)]
    assert len(ours) == sum(
        not target.startswith("https://") for target in links((ROOT / "README.md").read_text())
    )
    for target in ours:
        path = re.fullmatch(rf"{ADDRESS}/(?:blob|raw)/HEAD/([^#]+)(?:#.*)?", target)
        assert (ROOT / path[1]).is_file(), target
    assert f"Repository, {ADDRESS}" in found.get_all("Project-URL")
