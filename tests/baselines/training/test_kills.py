"""Trainings killed at any moment: started again they end as the one that was never killed.

``NEUROTASKS_KILLS=10 pytest tests/baselines/training/test_kills.py`` kills each task's ten times.
"""

import errno
import os
import random
import signal
import time

import numpy as np
import pytest
from every_id import IDS, brief
from killed_runs import differences, start, wait_for

from neurotasks_baselines.agents.vec_env import TaskVecEnv
from neurotasks_baselines.errors import NotFiniteError
from neurotasks_baselines.training import callbacks
from neurotasks_baselines.training.checkpoints import load_checkpoint
from neurotasks_baselines.training.hyperparameters import Hyperparameters
from neurotasks_baselines.training.train import train

KILLS = int(os.environ.get("NEUROTASKS_KILLS", "1"))
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ROLLOUT = 12  # steps in each of 3 sub-environments


class Killed(BaseException):
    """An end at which nothing is saved any more, as after SIGKILL."""


@pytest.fixture
def killed_at(monkeypatch):
    """Return a function that has the process end at some steps of all sub-environments."""

    def killed_at(*moments):
        monkeypatch.setattr(callbacks.Checkpoint, "save_last_moment", lambda self: None)
        left = list(moments)

        def on_step(self):
            if left and self.num_timesteps >= left[0]:
                left.pop(0)
                raise Killed
            return True

        monkeypatch.setattr(callbacks.Checkpoint, "_on_step", on_step)

    return killed_at


def run(id, out, task_kwargs=None, **changes):
    """Train for eight rollouts, with four checkpoints and three evaluations."""
    tiny = {"num_envs": 3, "columns": 2, "n_epochs": 2, "units": 8, "n_steps": ROLLOUT}
    tiny |= {"whole_episodes": False, "total_steps": 8 * 3 * ROLLOUT} | changes
    train(
        id,
        out,
        hyperparameters=Hyperparameters(**tiny),
        seed=1,
        task_kwargs=task_kwargs or {},
        metrics=callbacks.Metrics(callbacks.reward_per_trial, num_episodes=2),
        evaluations=3,
        checkpoints=4,
        early=100,
    )


def run_killed(id, out, moments, **changes):
    for _ in moments:
        with pytest.raises(Killed):
            run(id, out, **changes)
    run(id, out, **changes)


@pytest.mark.slow
@pytest.mark.parametrize("id", IDS)
def test_every_task_resumes_in_mid_episode(id, killed_at, tmp_path):
    """Killed before the first checkpoint, between two, and twice after the same one."""
    task_kwargs = brief(id)
    run(id, tmp_path / "whole", task_kwargs)
    moments = 30, 150, 151, 270
    killed_at(*moments)
    run_killed(id, tmp_path / "killed", moments, task_kwargs=task_kwargs)
    assert differences(tmp_path / "killed", tmp_path / "whole") == []


VARIANTS = {
    "gru": {"cell": "gru"},
    "rnn, separate": {"cell": "rnn", "trunk": "separate"},
    "rpe": {"trunk": "rpe"},
    "schedules": {"learning_rate_end": 0.0, "ent_coef_end": 0.0},
    "expectiles of returns": {"channels": 5, "critic_target": "monte-carlo"},
    "sampled targets": {"channels": 5, "critic_target": "sr-lambda", "critic_loss": "quantile"},
    "whole episodes": {"whole_episodes": True, "n_steps": None, "total_steps": 8 * 3 * 9},
    "whole episodes of a gru": {
        "whole_episodes": True,
        "n_steps": 11,
        "total_steps": 8 * 3 * 11,
        "cell": "gru",
        "trunk": "separate",
    },
    "a last rollout cut short": {"total_steps": 8 * 3 * ROLLOUT - 5},
}


@pytest.mark.slow
@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_all_hyperparameters_resume(changes, killed_at, tmp_path):
    id, task_kwargs = "neurotasks/TwoStep-v0", {"trials": 3}
    run(id, tmp_path / "whole", task_kwargs, **changes)
    moments = 60, 100, 200
    killed_at(*moments)
    run_killed(id, tmp_path / "killed", moments, task_kwargs=task_kwargs, **changes)
    assert differences(tmp_path / "killed", tmp_path / "whole") == []


SHORT_TWO_STEP = "neurotasks/TwoStep-v0", {"trials": 3}


@pytest.mark.slow
@pytest.mark.parametrize("call", [1, 2, 3, 5, 7])
def test_a_full_disk_leaves_the_last_checkpoint_whole(call, monkeypatch, tmp_path):
    """Whatever cannot be written; where there is room again, the run ends as any other."""
    id, task_kwargs = SHORT_TWO_STEP
    run(id, tmp_path / "whole", task_kwargs)
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) >= call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left on device") as caught:
            run(id, tmp_path / "full", task_kwargs)
    assert str(tmp_path / "full") in caught.value.filename
    if (tmp_path / "full" / "checkpoint.safetensors").exists():
        load_checkpoint(tmp_path / "full" / "checkpoint")
    run(id, tmp_path / "full", task_kwargs)
    assert differences(tmp_path / "full", tmp_path / "whole") == []


@pytest.mark.slow
def test_not_finite_numbers_leave_the_agent_before_them(monkeypatch, tmp_path):
    """The message says where; once the cause is mended, the run ends as any other."""
    id, task_kwargs = SHORT_TWO_STEP
    run(id, tmp_path / "whole", task_kwargs)
    real, calls = TaskVecEnv.play, []

    def play(self, *given):
        played = real(self, *given)
        calls.append(0)
        if len(calls) == 5:
            played.rewards[4, 1] = np.nan
        return played

    with monkeypatch.context() as patch:
        patch.setattr(TaskVecEnv, "play", play)
        with pytest.raises(NotFiniteError, match=r"checkpoint.safetensors holds the agent before"):
            run(id, tmp_path / "nan", task_kwargs)
    saved = load_checkpoint(tmp_path / "nan" / "checkpoint")
    assert saved.num_timesteps == 4 * ROLLOUT * 3
    run(id, tmp_path / "nan", task_kwargs)
    assert differences(tmp_path / "nan", tmp_path / "whole") == []


@pytest.mark.slow
def test_a_process_that_ended_before_it_cleaned_up(tmp_path):
    """The agent is saved, the checkpoint not yet removed, and files were being written."""
    id, task_kwargs = SHORT_TWO_STEP
    run(id, tmp_path / "whole", task_kwargs)
    out = tmp_path / "killed"
    run(id, out, task_kwargs)
    (out / "checkpoint.safetensors").write_bytes(b"anything")
    (out / f".{'0' * 32}.safetensors").write_bytes(b"half")
    (out / f".{'f' * 32}.json").write_bytes(b"{")
    run(id, out, task_kwargs)
    assert differences(out, tmp_path / "whole") == []


@pytest.mark.slow
def test_logs_with_a_torn_end(killed_at, tmp_path):
    """Of a process killed while it wrote a row and an event."""
    id, task_kwargs = SHORT_TWO_STEP
    run(id, tmp_path / "whole", task_kwargs)
    out = tmp_path / "killed"
    killed_at(200)
    with pytest.raises(Killed):
        run(id, out, task_kwargs)
    (events,) = out.joinpath("tensorboard").iterdir()
    for file in (events, out / "monitor.csv"):
        file.write_bytes(file.read_bytes()[:-3])
    run(id, out, task_kwargs)
    assert differences(out, tmp_path / "whole") == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return a function that returns the run of a task that was never killed, and its seconds."""
    runs = {}

    def whole(id):
        if id not in runs:
            out = tmp_path_factory.mktemp("whole") / "run"
            process = start(id, out)
            wait_for(out / "run.json", process)
            begun = time.perf_counter()
            assert process.communicate() == ("", "")
            runs[id] = out, time.perf_counter() - begun
        return runs[id]

    return whole


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
@pytest.mark.parametrize(
    "name",
    ["Bandit", *(pytest.param(name, marks=pytest.mark.full) for name in ("TwoStep", "Harlow"))],
)
def test_killed_at_a_random_moment(name, number, whole, tmp_path):
    """By the system, by `kill`, and by Ctrl-C, up to three times."""
    id, out, rng = f"neurotasks/{name}-v0", tmp_path / "run", random.Random(f"{name} {number}")
    expected, seconds = whole(id)
    for _ in range(rng.choice((1, 1, 2, 3))):
        process = start(id, out)
        wait_for(out / "run.json", process)
        time.sleep(rng.uniform(0, seconds))
        process.send_signal(rng.choice(SIGNALS))
        process.communicate()
    process = start(id, out)
    assert process.communicate() == ("", "")
    assert process.returncode == 0
    assert differences(out, expected) == []
