"""Jobs on Ray and on Slurm, whose workers are lost, end as those in processes of this machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import jobs_to_run
import pandas as pd
import pytest
import real_slurm
import slurm_stub
from jobs_to_run import CHECKPOINT, ROLLOUTS, log_of, trained_twice, training_jobs
from killed_runs import differences
from signals import accept_interrupts

from neurotasks_baselines.experiments.learners import LACKING
from neurotasks_baselines.training.job_directories import RESULT
from neurotasks_baselines.training.jobs import RESUME

WAIT_FOR_CORES = """
import sys, time, ray
while not ray.is_initialized():
    try:
        ray.init(sys.argv[1], log_to_driver=False)
    except ConnectionError:
        time.sleep(0.5)
while ray.cluster_resources().get("CPU", 0) < int(sys.argv[2]):
    time.sleep(0.5)
"""
UNSHARE = ["unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child=KILL"]
SUPPORT = Path(jobs_to_run.__file__).parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (find_spec("ray") and find_spec("submitit")), reason="needs the extra `cluster`"
    ),
]


class Machine:
    """Starts programs where there is a Slurm of two cores, and ends what they leave."""

    def __init__(self, folder, slurm=None):
        paths = os.pathsep.join(filter(None, [str(SUPPORT), os.environ.get("PYTHONPATH")]))
        self.env = os.environ | (slurm or slurm_stub.install(folder)) | {"PYTHONPATH": paths}
        self.env |= {"RAY_AUTH_MODE": "disabled"}
        self.state, self.started, self.nodes = folder / "state", [], []

    def start(self, *words):
        process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=accept_interrupts,
        )
        self.started.append(process)
        return process

    def start_node(self, *options, without=None):
        """Start a node of Ray, which has an empty file system in place of a directory."""
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *options]
        if without is not None:
            hide = ["sh", "-c", 'mount -t tmpfs tmpfs "$0" && exec "$@"', str(without)]
            ray = [*UNSHARE, *hide, *ray]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        node = subprocess.Popen(ray, env=self.env, **quiet)
        self.nodes.append(node)
        return node

    def train(self, engine, root):
        return self.start(jobs_to_run.__file__, engine, root)

    def slurm_states(self):
        return [file.read_text() for file in sorted(self.state.glob("*.state"))]

    def requeue(self, job):
        subprocess.run(["scontrol", "requeue", str(job)], env=self.env, check=True)

    def queue(self):
        command = ["squeue", "--noheader"]
        return subprocess.run(
            command, env=self.env, check=True, capture_output=True, text=True
        ).stdout

    def end(self):
        for process in self.started:
            process.kill()
            process.communicate()
        for node in reversed(self.nodes):
            node.kill() if node.args[0] == UNSHARE[0] else node.terminate()
            node.wait(timeout=30)
        for file in self.state.glob("*.state"):
            file.with_suffix(".cancel").touch()


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path / "slurm")
    yield machine
    machine.end()


def finish(process):
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr


def wait_until(condition, process=None, seconds=180.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        assert process is None or process.poll() is None
        time.sleep(0.02)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the directory of trainings in processes that were not interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    finish(Machine(folder / "slurm").train("processes", folder / "out"))
    return folder / "out"


def check(root, whole, most_twice):
    """Check that all is as it must be, and return how many rollouts were done twice."""
    jobs = training_jobs(root)
    for job, other in zip(jobs, training_jobs(whole), strict=True):
        assert differences(job.directory, other.directory) == []
        results = [(j.directory / RESULT).read_bytes() for j in (job, other)]
        assert results[0] == results[1]
    twice = [trained_twice(job) for job in jobs]
    assert max(twice) <= most_twice, twice
    return twice


def ended(pids):
    """Return whether processes have ended; those that nobody waits for have, too."""

    def alive(pid):
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return text.rpartition(")")[2].split()[0] != "Z"

    return not any(map(alive, pids))


@pytest.mark.parametrize("engine", ["ray", "slurm"])
def test_a_job_resumes_from_its_checkpoint_on_another_worker(engine, machine, whole, tmp_path):
    root = tmp_path / "out"
    process = machine.train(engine, root)
    job, other = training_jobs(root)
    wait_until(lambda: len(log_of(job)) > ROLLOUTS // 2, process)
    if engine == "ray":
        os.kill(log_of(job)[0][0], signal.SIGKILL)
    else:
        machine.requeue(1)
    finish(process)
    assert sorted(check(root, whole, CHECKPOINT + 1))[0] == 0
    assert [len({pid for pid, _ in log_of(j)}) for j in (job, other)] == [2, 1]
    assert not (root / "slurm").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("engine", ["ray", "slurm"])
def test_the_same_command_resumes(engine, number, machine, whole, tmp_path):
    """After Ctrl-C, which leaves no process behind, and after the head was killed."""
    root = tmp_path / "out"
    process = machine.train(engine, root)
    jobs = training_jobs(root)
    wait_until(lambda: all(len(log_of(job)) > ROLLOUTS // 2 for job in jobs), process)
    process.send_signal(number)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode
    workers = {pid for job in jobs for pid, _ in log_of(job)}
    if number == signal.SIGINT:
        assert stderr.rstrip().endswith(f"KeyboardInterrupt\n{RESUME}")
        wait_until(lambda: ended(workers))
        if engine == "slurm":
            wait_until(lambda: machine.slurm_states() == ["CANCELLED"] * 2)
    finish(machine.train(engine, root))
    check(root, whole, CHECKPOINT + 1)
    before = [log_of(job) for job in jobs]
    if number == signal.SIGINT:
        finish(machine.train(engine, root))
        assert [log_of(job) for job in jobs] == before, "there was nothing left to do"


def can_hide(folder):
    """Return whether a process can have a file system of its own in a directory."""
    command = [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    return shutil.which("unshare") and not subprocess.run(command, capture_output=True).returncode


def test_checkpoints_travel_where_no_file_system_is_shared(machine, whole, tmp_path, monkeypatch):
    """A Ray of a head and two nodes that do not have its directory, one of which is lost."""
    root, logs = tmp_path / "out", tmp_path / "logs"
    root.mkdir()
    logs.mkdir()
    if not can_hide(root):
        pytest.skip("this user may not mount")
    monkeypatch.setenv("LOGS", str(logs))
    machine.env |= {"LOGS": str(logs), "NAP": "0.2"}
    port = real_slurm.free_port()
    machine.start_node(
        *("--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false"),
        *("--node-ip-address=127.0.0.1", "--disable-usage-stats"),
    )
    finish(machine.start("-c", WAIT_FOR_CORES, f"127.0.0.1:{port}", 0))
    join = f"--address=127.0.0.1:{port}", "--num-cpus=1"
    nodes = []
    for cores in (1, 2):  # two that start at once may choose the same ports
        nodes.append(machine.start_node(*join, without=root))
        finish(machine.start("-c", WAIT_FOR_CORES, f"127.0.0.1:{port}", cores))
    process = machine.train(f"127.0.0.1:{port}", root)
    jobs = training_jobs(root)
    wait_until(lambda: all(len(log_of(job)) > ROLLOUTS // 2 for job in jobs), process)
    nodes[0].kill()
    machine.start_node(*join, without=root)
    finish(process)
    for job in jobs:
        (job.directory / ".lock").touch()  # that of the nodes stays there
    twice = check(root, whole, CHECKPOINT + 5)  # it is sent once or twice a second
    assert min(twice) == 0 < max(twice), "one job was run by two nodes"
    assert not list(root.glob(".*.shared"))


@pytest.fixture
def slurm(tmp_path):
    """A real Slurm of one node."""
    packages = os.environ.get("NEUROTASKS_SLURM")
    if not packages:
        pytest.skip("NEUROTASKS_SLURM names no folder of unpacked packages, see .ci/run")
    with real_slurm.running(Path(packages), tmp_path / "real") as env:
        if env is None:
            pytest.skip("Slurm does not start here")
        machine = Machine(tmp_path / "slurm", env | {"NAP": "0.4"})
        yield machine
        machine.end()


def test_a_real_slurm(slurm, whole, tmp_path):
    """A job that is requeued, and Ctrl-C, which leaves no job."""
    root = tmp_path / "out"
    process = slurm.train("slurm", root)
    first = training_jobs(root)[0]
    wait_until(lambda: len(log_of(first)) > ROLLOUTS // 4, process)
    slurm.requeue(1)
    wait_until(lambda: len({pid for pid, _ in log_of(first)}) == 2, process, 120)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1].rstrip().endswith(RESUME)
    wait_until(lambda: slurm.queue() == "")
    finish(slurm.train("slurm", root))
    check(root, whole, 2 * (CHECKPOINT + 1))
    assert slurm.queue() == ""


REPRODUCE = [*("-m", "neurotasks_baselines", "reproduce", "two-step")]
REPRODUCE += ["--agent", "ppo", "--train", "--quick", "--out"]
RUNS = [f"two-step/{learner}/seed100/agent" for learner in ("ppo", *LACKING)]


def measures(out):
    """Return the claims, and what was measured, wall times aside."""
    found = json.loads((out / "two-step.json").read_text())["measures"]
    for of_seeds in found.values():
        for of_seed in of_seeds.values():
            of_seed.pop("seconds")
    return (out / "claims.json").read_bytes(), found


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reproduced")
    finish(Machine(folder / "slurm").start(*REPRODUCE, folder / "out"))
    return folder / "out"


@pytest.mark.parametrize("engine", ["ray", "slurm"])
def test_a_reproduction_gives_the_same_claims(engine, machine, reproduced, tmp_path):
    """With a worker lost half-way."""
    out = tmp_path / "out"
    options = {"ray": ["--ray", "local"], "slurm": ["--slurm", "partition=short,hours=1"]}
    process = machine.start(*REPRODUCE, out, *options[engine])
    begun = [out / run / "checkpoint.safetensors" for run in RUNS]
    wait_until(lambda: any(file.exists() for file in begun), process)
    if engine == "ray":
        agent = next(file.parent for file in begun if file.exists())
        os.kill(json.loads((agent / "running.json").read_text())["process"], signal.SIGKILL)
    else:
        machine.requeue(1)
    finish(process)
    for run in RUNS:
        assert differences(out / run, reproduced / run) == []
    assert measures(out) == measures(reproduced)


SWEEP = """
tasks = ["neurotasks/TwoStep-v0"]
seeds = 2
evaluations = 2
task_parameters = {trials = 3}

[hyperparameters]
total_steps = 400
num_envs = 4
columns = 2
units = [8, 12]
"""


@pytest.mark.parametrize("engine", ["ray", "slurm"])
def test_a_sweep_gives_the_same_table(engine, machine, tmp_path):
    spec = tmp_path / "sweep.toml"
    spec.write_text(SWEEP)
    options = {"ray": ["--ray", "local"], "slurm": ["--slurm", "partition=short,hours=1"]}
    tables = []
    for name, more in (("here", []), ("there", options[engine])):
        words = ["-m", "neurotasks_baselines", "sweep", spec, "--out", tmp_path / name]
        finish(machine.start(*words, *more))
        tables.append(pd.read_parquet(tmp_path / name / "table.parquet").drop(columns="seconds"))
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert len(tables[0]) == 4
