"""`neurotasks reproduce --train` killed with its workers at work, and started again."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from killed_runs import differences
from signals import accept_interrupts

from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.training.jobs import RESUME

pytestmark = [pytest.mark.slow, pytest.mark.full]

NAME = "dopamine-variance"  # of a single learner
RUN = f"{NAME}/ppo/seed{EXPERIMENTS[NAME].seeds[0]}/distributional"


def start(out):
    command = [sys.executable, "-m", "neurotasks_baselines", "reproduce", NAME]
    command += ["--train", "--quick", "--out", str(out)]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=accept_interrupts,
    )


def finish(process):
    assert "Traceback" not in process.communicate()[1]
    assert process.returncode == 0


def wait_for(file, process):
    while not file.exists():
        assert process.poll() is None
        time.sleep(0.01)


def measures(out):
    """Return what a reproduction has measured, wall times aside."""
    found = json.loads((out / f"{NAME}.json").read_text())
    for of_seeds in found["measures"].values():
        for of_seed in of_seeds.values():
            of_seed.pop("seconds")
    return found["measures"], found["claims"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    finish(start(out))
    return out


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_reproduction_ends_as_a_whole_one(number, whole, tmp_path):
    """It is started again at once, while the workers of the killed process are still ending."""
    process = start(tmp_path / "out")
    wait_for(tmp_path / "out" / RUN / "checkpoint.safetensors", process)
    process.send_signal(number)
    stderr = process.communicate()[1]
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert stderr.splitlines()[-1].startswith("neurotasks reproduce: terminated. ")
        assert stderr.endswith(f"{RESUME}\n")
        assert "Traceback" not in stderr
    finish(start(tmp_path / "out"))
    assert differences(tmp_path / "out" / RUN, whole / RUN) == []
    assert measures(tmp_path / "out") == measures(whole)


def test_a_killed_worker_is_reported_in_one_line(whole, tmp_path):
    """The line says how to resume, and so it does."""
    process = start(tmp_path / "out")
    holder = tmp_path / "out" / RUN / "running.json"
    wait_for(holder, process)
    os.kill(json.loads(holder.read_text())["process"], signal.SIGKILL)
    stderr = process.communicate()[1]
    assert process.returncode == 1
    assert "Run the same command again to resume" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
    finish(start(tmp_path / "out"))
    assert differences(tmp_path / "out" / RUN, whole / RUN) == []
    assert measures(tmp_path / "out") == measures(whole)
