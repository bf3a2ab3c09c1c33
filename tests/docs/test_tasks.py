"""What the site and the README say of tasks follows from the tasks themselves."""

import re
from pathlib import Path

import generate
import pytest
import yaml
from writers.task_page import families, page_path, page_title, task_files

import neurotasks
from neurotasks.core.task import load

ROOT = Path(__file__).parents[2]
PAGES = [page for page in generate.PAGES if generate.PART.search(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_are_up_to_date(page):
    """If one is not, run ``python docs/generate.py``."""
    assert generate.filled(page) == page.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("place", families())
def test_pages_of_tasks_are_up_to_date(place):
    """If one is not, run ``python docs/generate.py``."""
    for path, text in task_files(place, families()[place]).items():
        assert path.read_text() == text, path.name


def test_there_is_no_page_of_a_task_that_is_gone():
    assert set((ROOT / "docs/tasks").glob("*.md")) == {page_path(place) for place in families()}


@pytest.mark.parametrize(
    "text", ["<!-- errors -->", "<!-- errors -->\n<!-- /tasks -->", "<!-- x -->\n<!-- /x -->"]
)
def test_a_part_without_an_end_or_of_an_unknown_name_is_refused(text, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match="every part must be"):
        generate.filled(page)


def test_what_stands_in_a_part_is_written_anew(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- observers -->\nold\n<!-- /observers -->\n<!-- a: b -->\n")
    lines = generate.filled(page).splitlines()
    assert lines[:3] == ["a", "<!-- observers -->", ""]
    assert lines[-3:] == ["", "<!-- /observers -->", "<!-- a: b -->"]
    assert "old" not in lines
    assert "::: neurotasks.observers.two_step" in lines
    modules = list((ROOT / "neurotasks/observers").glob("[!_]*.py"))
    assert sum(line.startswith(":::") for line in lines) == len(modules)


def test_the_readme_counts_the_claims_that_hold():
    count = re.compile(r"\d+ of \d+ claims hold")
    results = count.search((ROOT / "docs/results.md").read_text())
    assert results
    assert count.findall((ROOT / "README.md").read_text()) == [results.group()]


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_every_id_links_to_the_page_of_its_task(page):
    text, folder = (ROOT / page).read_text(), (ROOT / page).parent
    for id, entry in neurotasks.TASKS.items():
        link = re.compile(rf"\[`(?:neurotasks/)?{id.partition('/')[2]}`\]\(([^)]+)\)")
        assert [folder / target for target in link.findall(text)] == [page_path(entry["task"])]


def test_the_readme_says_where_each_preset_was_published():
    (row,) = re.findall(
        r"^\| \[`neurotasks/TwoStepDaw-v0`.*", (ROOT / "README.md").read_text(), re.M
    )
    assert "Daw et al. 2011, Neuron 69:1204, Fig. 1; Miranda et al. 2025" in row
    assert "(`TwoStepMiranda-v0`)" in row


def test_every_task_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text()
    nav = yaml.safe_load(text.partition("\nnav:")[2])
    (tasks,) = (entry["Tasks"] for entry in nav if "Tasks" in entry)
    for place in families():
        assert {page_title(load(place)): f"tasks/{page_path(place).name}"} in tasks


def test_every_task_is_in_the_gallery():
    gallery = (ROOT / "docs/gallery.md").read_text()
    shown = re.findall(r"\*\*`(\S+)`\*\*", gallery)
    assert sorted(shown) == sorted(id.partition("/")[2] for id in neurotasks.TASKS)
    for id in shown:
        page = f"tasks/{page_path(neurotasks.TASKS[f'neurotasks/{id}']['task']).name}"
        assert f"[![{id[:-3]}](animations/{id[:-3]}.gif)]({page})" in gallery
