"""``neurotasks list``: the tasks and the experiments."""

import json
import sys

import pytest

import neurotasks
from neurotasks.scores import reference_returns
from neurotasks_baselines.cli import list as listed
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.experiments import EXPERIMENTS, GROUPS
from neurotasks_baselines.tables import wrapped_table


def found(capsys):
    assert main(["list", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_task_with_its_scale(capsys):
    rows = {row["id"]: row for row in found(capsys)["tasks"]}
    assert list(rows) == list(neurotasks.TASKS)
    for id, row in rows.items():
        known = reference_returns()[id]
        assert (row["random"], row["reference"]) == (known["random"], known["ideal"])
        assert row["summary"]


def test_the_experiments_are_those_that_reproduce_takes(capsys):
    rows = {row["name"]: row for row in found(capsys)["experiments"]}
    assert list(rows) == list(EXPERIMENTS)
    for name, experiment in EXPERIMENTS.items():
        ids = dict.fromkeys(training.id for training in experiment.trainings.values())
        assert rows[name]["title"] == experiment.title
        assert rows[name]["tasks"] == [id for id in ids if id in neurotasks.TASKS]
        assert name in GROUPS[rows[name]["group"]]


def test_agents_are_counted_by_seed(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(listed, "WEIGHTS", tmp_path)
    (tmp_path / "harlow/a2c").mkdir(parents=True)
    for name in ("agent-0", "agent-early-0", "agent-1"):
        (tmp_path / f"harlow/a2c/{name}.safetensors").touch()
    rows = {row["id"]: row for row in found(capsys)["tasks"]}
    assert rows["neurotasks/Harlow-v0"]["agents"] == {"ppo": 0, "a2c": 2}
    assert rows["neurotasks/TwoStep-v0"]["agents"] == {"ppo": 0, "a2c": 0}


def test_two_tables(capsys):
    assert main(["list"]) == 0
    tasks, experiments, scale = capsys.readouterr().out.split("\n\n")
    assert tasks.count("\n") == len(neurotasks.TASKS)
    assert experiments.count("\n") == len(EXPERIMENTS)
    assert scale.startswith("random, reference: mean return of an episode")


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_rows_fit_into_the_terminal(columns, capsys, monkeypatch):
    """Unless the cells before what it is are wider: those are not wrapped."""
    assert main(["list"]) == 0  # not in a terminal: nothing is wrapped
    last = "what it is"
    heads = [line for line in capsys.readouterr().out.splitlines() if line.endswith(last)]
    widest = max(head.index(last) for head in heads)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    ids = [line.split()[0] for line in lines if line.startswith("neurotasks/")]
    assert ids == list(neurotasks.TASKS)
    assert max(map(len, lines)) <= max(columns, widest)


def test_columns_are_aligned_whatever_they_hold():
    rows = [("task", "n", "what it is"), ("a" * 40, "-150.07", "long"), ("b", "0.10", "short")]
    assert wrapped_table(rows, "<>").splitlines() == [
        f"{'task':40}  {'n':>7}  what it is",
        f"{'a' * 40}  -150.07  long",
        f"{'b':40}  {'0.10':>7}  short",
    ]
