"""Custom tasks on the command line: `--import FILE`."""

import io
import json
import sys

import gymnasium as gym
import pandas as pd
import pytest

from neurotasks_baselines.cli import play_comparison
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.errors import ImportFileError
from neurotasks_baselines.imports import import_files

ID = "lab/Short-v0"
FILE = """
from dataclasses import replace

import neurotasks
from neurotasks.tasks.two_step import TASK as TWO_STEP

TASK = replace(TWO_STEP, name="Short")
neurotasks.register("lab/Short-v0", "lab_tasks:TASK", trials=4)
"""


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """Forget what the files have registered and imported."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules, ids = set(sys.modules), set(gym.registry)
    yield
    for id in set(gym.registry) - ids:
        del gym.registry[id]
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) is None or "lab" in name:
            del sys.modules[name]


@pytest.fixture
def file(tmp_path):
    """A file that registers a custom task."""
    path = tmp_path / "lab_tasks.py"
    path.write_text(FILE)
    return path


def test_a_custom_task_is_trained_evaluated_and_played(file, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(play_comparison, "REPEATS", 5)
    run, table = tmp_path / "run", tmp_path / "t.csv"
    words = ["train", ID, "--import", str(file), "--steps", "1e3", "--out", str(run)]
    assert main(words) == 0
    assert json.loads((run / "run.json").read_text())["id"] == ID

    words = ["evaluate", str(run), "--import", str(file), "--episodes", "3", "--out", str(table)]
    assert main(words) == 0
    assert set(pd.read_csv(table)["env"]) == {0, 1, 2}

    monkeypatch.setattr("sys.stdin", io.StringIO("space\nleft\nleft\n" * 4))
    capsys.readouterr()
    assert main(["play", ID, "--import", str(file), "--terminal"]) == 0
    assert "reference observer" in capsys.readouterr().out


def test_an_unknown_id_points_to_the_flag(capsys, tmp_path):
    assert main(["play", ID, "--terminal"]) == 1
    error = capsys.readouterr().err
    assert error.endswith("Custom tasks need --import FILE.\n")
    assert error.count("\n") == 1


def test_several_files_in_order(tmp_path):
    (tmp_path / "lab_a.py").write_text("value = 1\n")
    (tmp_path / "lab_b.py").write_text("import lab_a\nvalue = lab_a.value + 1\n")
    import_files([tmp_path / "lab_a.py", tmp_path / "lab_b.py"])
    assert sys.modules["lab_b"].value == 2
    import_files([tmp_path / "lab_a.py"])  # once more does not harm


BAD = {
    "missing.py": (None, "There is no file"),
    "lab.txt": ("", "must be a Python file, such as tasks.py; got"),
    "lab-tasks.py": ("", "must be a Python file, such as tasks.py; got"),
    "json.py": ("", "there is a module 'json' already. Rename the file."),
    "lab_raises.py": ("1 / 0", "failed with ZeroDivisionError: division by zero. Run `python "),
    "lab_syntax.py": ("def", "failed with SyntaxError: "),
    "lab_missing.py": ("import nonesuch", "failed with ModuleNotFoundError: No module"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_cannot_be_imported(name, tmp_path, capsys):
    text, message = BAD[name]
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(ImportFileError):
        import_files([path])
    assert main(["train", ID, "--import", str(path), "--out", str(tmp_path / "run")]) == 1
    output, error = capsys.readouterr()
    assert output == ""
    assert error.startswith("neurotasks train: ")
    assert message in error
    assert str(path) in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()
    assert path.stem in ("json",) or path.stem not in sys.modules
