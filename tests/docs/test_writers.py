"""What the site shows of the code."""

import dataclasses
import json
import re
import xml.etree.ElementTree as ET

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from writers import diagrams, robustness, tables, task_page

from neurotasks.core.task import load
from neurotasks.datasets import RECIPES
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.robustness import judged
from neurotasks_baselines.sweeps.robustness import SIMULATIONS, grid
from neurotasks_baselines.tables import markdown_table
from neurotasks_baselines.training.hyperparameters import TABLE, Hyperparameters
from neurotasks_baselines.training.wang2018 import WANG2018

SVG = "{http://www.w3.org/2000/svg}"


def rows_of(table):
    """Return the cells of a Markdown table, without the line under its head."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
    return [[cell.strip() for cell in line] for line in [lines[0], *lines[2:]]]


def test_a_table_keeps_its_bars():
    for aligned in (True, False):
        table = markdown_table(("name", "p"), [("a|b", "1"), ("longer", "0.5")], aligned=aligned)
        assert (len({len(line) for line in table.splitlines()}) == 1) is aligned
        assert rows_of(table) == [["name", "p"], ["a\\|b", "1"], ["longer", "0.5"]]
    with pytest.raises(ValueError, match="shorter"):
        markdown_table(("name", "p"), [("a",)])


def test_the_table_of_recipes_says_what_each_is():
    head, *rows = rows_of(tables.recipe_table())
    assert head == ["recipe", "source", "cite", "licence", "leaves out"]
    assert [row[0] for row in rows] == [f"`{name}`" for name in RECIPES]
    assert all(cell for row in rows for cell in row)


def test_a_claim_about_a_task_is_one_row_with_a_column_for_each_algorithm():
    id = "neurotasks/TwoStep-v0"
    table = next(part for part in task_page.finding(load(id), [id]) if part.startswith("| claim"))
    head, *rows = rows_of(table)
    assert head == ["claim", "published", "accepted", "A2C", "PPO"]
    claims = json.loads((task_page.DOCS / "claims.json").read_text())
    wanted = {
        (c["claim"].replace("|", "\\|"), c["learner"]): (f"{c['measured']:.3f}", c["verdict"])
        for c in claims
        if c["experiment"] == "two-step" and c["verdict"]
    }
    found = {
        (row[0], learner): tuple(row[column].replace("*", "").split(", "))
        for row in rows
        for learner, column in (("a2c", 3), ("ppo", 4))
    }
    assert found == wanted


@pytest.mark.parametrize("place", task_page.families())
def test_the_page_of_a_task(place):
    """As it is kept; that it is up to date, ``test_tasks.py`` tests."""
    ids, task = task_page.families()[place], load(place)
    path = task_page.page_path(place)
    page = path.read_text()
    titles = re.findall(r"^## (.+)$", page, re.M)
    extra = {"Published finding", "Reference observer", "Tables"}
    assert [title for title in titles if title not in extra] == list(task_page.SECTIONS)
    assert extra <= set(titles)
    for id in ids:
        assert f"`{id}`" in page
    for name in (*task.parameters.__dataclass_fields__, *task.info, *task.options):
        assert f"| `{name}`" in page
    drawn = re.findall(r"\((steps/.+\.svg)\)", page)
    assert drawn
    for svg in drawn:
        ET.parse(path.parent / svg)


def test_a_task_whose_doc_lacks_a_section_is_refused(monkeypatch):
    place = next(iter(task_page.families()))
    task = load(place)
    prizes = dataclasses.replace(task, doc=task.doc.replace("## Rewards", "## Prizes"))
    monkeypatch.setattr(task_page, "load", lambda _: prizes)
    with pytest.raises(ValueError, match=r"missing \{'Rewards'\}, unknown \{'Prizes'\}"):
        task_page.task_page(place, task_page.families()[place], "")


@pytest.mark.parametrize(
    ("kind", "low", "high", "words"),
    [
        ("float", 0, 1, "0 to 1"),
        ("float", -1e9, 1e9, "-1e+09 to 1e+09"),
        ("int", 1, 10**6, "1 to 1e+06"),
    ],
)
def test_ranges_in_words(kind, low, high, words):
    assert task_page.bounds({"low": low, "high": high}, kind) == words


def test_many_components_share_a_row():
    few, many = ("cross", "target"), [f"{c} at {x}" for x in range(8) for c in ("red", "blue")]
    assert task_page.stimulus_rows(few) == [("0", "cross"), ("1", "target")]
    assert task_page.stimulus_rows(many) == [("0 to 15", "red, blue at 0, then at 1, ... 7")]


def test_equal_tables_of_ids_stand_once():
    envs = {"a": 1, "b": 2, "c": 1}
    assert task_page.by_id(envs, str) == ["`a`, `c`:", "1", "`b`:", "2"]
    assert task_page.by_id({"a": 1, "b": 1}, str) == ["1"]


def test_every_step_is_a_column_of_the_diagram():
    env = gym.make("neurotasks/TwoStep-v0", trial_log=True)
    steps = diagrams.played(env, 0)[0][0]
    svg = ET.fromstring(diagrams.diagram(env.unwrapped, steps, "a < b"))
    top = [element.text for element in svg.iter(f"{SVG}text") if element.get("y") == "10"]
    assert top == ["a < b", "1", "2", "3"]
    names, squares = env.unwrapped.stimulus_names, list(svg.iter(f"{SVG}rect"))
    assert len(squares) == len(steps) * len(names)
    shown = np.reshape([float(s.get("fill-opacity")) > 0.5 for s in squares], (3, len(names)))
    assert (shown == [seen[env.unwrapped.layout["stimulus"]] > 0.5 for seen, _, _ in steps]).all()


def test_pictures_are_drawn_as_pictures():
    env = gym.make("neurotasks/HarlowPixels-v0", trial_log=True)
    steps = diagrams.played(env, 0)[0][0]
    svg = ET.fromstring(diagrams.diagram(env.unwrapped, steps, ""))
    assert len(list(svg.iter(f"{SVG}image"))) == len(steps)


def test_hyperparameters():
    head, *body = rows_of(tables.hyperparameter_table())
    assert head[1:-1] == [id.partition("/")[2] for id in TABLE]
    assert [row[0].strip("`") for row in body] == list(Hyperparameters.__dataclass_fields__)
    assert all(row[-1] for row in body)


def test_published_and_used_hyperparameters():
    head, *body = rows_of(tables.wang2018_table())
    assert [row[0] for row in body[::2]] == [id.partition("/")[2] for id in WANG2018]
    assert [row[1] for row in body] == ["published", "used"] * len(WANG2018)
    column = head.index("`learning_rate`")
    used = [simulation.used.learning_rate for simulation in WANG2018.values()]
    assert [float(row[column]) for row in body[1::2]] == used


def test_grids_that_were_run_and_those_that_were_not(monkeypatch):
    """Claims with values in range at fewer than half of the settings are in bold."""
    experiment = EXPERIMENTS["two-step"]
    ours = robustness.at_our_settings(experiment).reset_index(drop=True)
    settings = pd.DataFrame([*grid("two-step").settings()]).head(len(ours))
    table = pd.concat([settings, ours], axis=1).assign(seconds=30.0, problem=None)
    few = judged(experiment)[0].name
    table.loc[1:, few] = np.nan
    monkeypatch.setattr(robustness, "shipped_grid", {"two-step": table}.get)
    page = robustness.grids_section()
    assert page.count("Not run.") == len(SIMULATIONS) - 1
    assert f"**{few.replace('|', chr(92) + '|')}** | 1 of {len(ours)} " in page
    assert page.count("**") == 2
    assert "(figures/robustness-two-step.png)" in page
    (picture,) = robustness.robustness_figures().items()
    assert picture[0] == "figures/robustness-two-step.png"
    assert picture[1].startswith(b"\x89PNG")
