"""What the site and the README say of tasks follows from the tasks themselves."""

import re
from pathlib import Path

import hooks
from writers.task_page import task_table

import neurotasks

ROOT = Path(__file__).parents[2]
START, END = "<!-- --8<-- [start:tasks] -->\n", "\n<!-- --8<-- [end:tasks] -->"


def test_the_table_of_the_readme_is_that_of_the_tasks():
    """If it is not, put what `task_table` returns in its place."""
    table = (ROOT / "README.md").read_text().partition(START)[2].partition(END)[0]
    assert table == task_table()


def test_the_readme_counts_the_claims_that_hold():
    count = re.compile(r"\d+ of \d+ claims hold")
    results = count.search((ROOT / "docs/results.md").read_text())
    assert results
    assert count.findall((ROOT / "README.md").read_text()) == [results.group()]


def test_every_id_links_to_the_page_of_its_task():
    """To its source in the README, since a code host does not have the page."""
    home = hooks.on_page_markdown((ROOT / "docs/index.md").read_text())
    readme = (ROOT / "README.md").read_text()
    for id, entry in neurotasks.TASKS.items():
        place = entry["task"]
        link = re.compile(rf"\[`(?:neurotasks/)?{id.partition('/')[2]}`\]\(([^)]+)\)")
        assert link.findall(home) == [hooks.task_path(place)]
        (source,) = link.findall(readme)
        assert re.search(rf"^{place.partition(':')[2]} = Task\(", (ROOT / source).read_text(), re.M)


def test_every_task_is_in_the_navigation():
    class Config:
        nav = [{"Home": "index.md"}, {"Tasks": [{"A custom task": "custom_task.md"}]}]

    hooks.on_config(Config)
    (tasks,) = (entry["Tasks"] for entry in Config.nav if "Tasks" in entry)
    assert {"Two-step": "tasks/two_step.md"} in tasks
    assert {"Two-step (Daw 2011)": "tasks/two_step_daw.md"} in tasks
    assert {"Inferred value": "tasks/inferred_value.md"} in tasks
    assert len(tasks) == 1 + len({entry["task"] for entry in neurotasks.TASKS.values()})


def test_every_module_of_a_package_is_on_the_api_page():
    found = hooks.on_page_markdown("<!-- modules of neurotasks.observers -->").splitlines()
    assert "::: neurotasks.observers.two_step" in found
    assert sum(line.startswith(":::") for line in found) == len(
        list((ROOT / "neurotasks/observers").glob("[!_]*.py"))
    )


def test_every_task_is_in_the_gallery():
    gallery = (ROOT / "docs/gallery.md").read_text()
    shown = re.findall(r"\*\*`(\S+)`\*\*", gallery)
    assert sorted(shown) == sorted(id.partition("/")[2] for id in neurotasks.TASKS)
    for id in shown:
        page = hooks.task_path(neurotasks.TASKS[f"neurotasks/{id}"]["task"])
        assert f"[![{id[:-3]}](animations/{id[:-3]}.gif)]({page})" in gallery
