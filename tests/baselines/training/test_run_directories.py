"""Run directories into which something else was put: refused by name, and left as they are."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from doctored import rewrite

from neurotasks_baselines.errors import RunDirectoryError
from neurotasks_baselines.training.agent_files import agent_file, load, save
from neurotasks_baselines.training.train import train

TASK, TRIALS = "neurotasks/TwoStep-v0", {"trials": 3}


@pytest.fixture(scope="module")
def short(tiny):
    return replace(tiny, total_steps=2 * 36)


@pytest.fixture
def run(short):
    def run(out, **changes):
        kwargs = {"hyperparameters": short, "seed": 1, "task_kwargs": TRIALS, "evaluations": 2}
        return train(TASK, out, **kwargs | changes)

    return run


@pytest.fixture(scope="module")
def finished_once(short, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished")
    train(TASK, out, hyperparameters=short, seed=1, task_kwargs=TRIALS, evaluations=2)
    return out


@pytest.fixture
def finished(finished_once, tmp_path):
    shutil.copytree(finished_once, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "null", "7", '"a"', "{}", '{"id": NaN}', '{"id": 1, "id": 2}', "[" * 100_000),
        *('{"seed": 1e999}', "\ufeff{}", "9" * 5000, '{"hyperparameters": []}'),
    ],
)
def test_run_files_that_are_none(run, finished, text):
    (finished / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunDirectoryError, match=r"is not whole|holds the run") as error:
        run(finished)
    assert str(error.value).count("\n") == 0
    assert (finished / "run.json").read_text(encoding="utf-8") == text


def test_a_pipe_in_the_place_of_the_run_file(run, finished):
    (finished / "run.json").unlink()
    os.mkfifo(finished / "run.json")
    with pytest.raises(RunDirectoryError, match="it is no regular file"):
        run(finished)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"seed": 2}, "another seed"),
        ({"task_kwargs": {"trials": 2}}, "another task_kwargs"),
        ({"history": None}, "another history"),
        ({"seconds": None}, "another seconds"),
    ],
)
def test_the_agent_of_another_run(run, finished, fields, named):
    assert run(finished).num_timesteps == 72
    rewrite(finished / "agent", **fields)
    with pytest.raises(RunDirectoryError, match=rf"agent\.safetensors must hold .* {named}\. Del"):
        run(finished)


def test_the_checkpoint_of_another_run(run, tmp_path):
    """Its logs stay as they are."""
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "first", on_progress=interrupt, checkpoints=10)
    checkpoint = agent_file(tmp_path / "first" / "checkpoint")
    rewrite(checkpoint, seed=2)
    before = {f: f.read_bytes() for f in (tmp_path / "first").rglob("*") if f.is_file()}
    with pytest.raises(RunDirectoryError, match=r"checkpoint\.safetensors must hold .* seed"):
        run(tmp_path / "first")
    assert {f: f.read_bytes() for f in before} == before


def interrupt(steps):
    if steps:
        raise KeyboardInterrupt


def test_task_kwargs_that_numpy_made(short, finished):
    kwargs = {"trials": np.int64(3)}
    model = train(TASK, finished, hyperparameters=short, seed=1, task_kwargs=kwargs)
    assert model.description["task_kwargs"] == TRIALS
    assert json.loads((finished / "run.json").read_text())["task_kwargs"] == TRIALS
    save(model, finished / "agent")
    assert load(finished / "agent").description == model.description
