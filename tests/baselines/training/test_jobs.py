"""Jobs in processes of this machine, the options of engines, and trainings that are done once."""

import importlib.util
import shutil
import sys
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import replace

import pytest
from gymnasium.error import DependencyNotInstalled
from jobs_to_run import ENGINES, fail, kill_worker, nap

from neurotasks_baselines.cli.main import main
from neurotasks_baselines.errors import (
    EngineError,
    JobLostError,
    OtherCodeError,
    RunDirectoryError,
    RunLockedError,
)
from neurotasks_baselines.locks import HOLDER, locked, run_by
from neurotasks_baselines.training import job_directories
from neurotasks_baselines.training.hyperparameters import hyperparameters_for
from neurotasks_baselines.training.job_directories import TrainingJob, code_digest
from neurotasks_baselines.training.jobs import Engine, JobPool, job_pool

ID = "neurotasks/TwoStep-v0"


class AtOnce(Executor):
    """Executor that calls at once, and counts its calls; some are lost."""

    def __init__(self, lost=None):
        self.calls, self.lost = 0, lost

    def submit(self, function, *args):
        self.calls += 1
        future = Future()
        if self.lost is None:
            future.set_result(function(*args))
        else:
            future.set_exception(self.lost)
        return future


@pytest.mark.slow
def test_jobs_in_processes(tmp_path):
    with job_pool(Engine(), tmp_path, workers=2) as pool:
        assert pool.submit(nap, 0.0).result() == 0.0
        found = list(pool.run(nap, [0.3, 0.0, 0.01]))
        assert sorted(found) == [(0.0, 0.0), (0.01, 0.01), (0.3, 0.3)]
        with pytest.raises(ValueError, match="no such thing") as caught:
            pool.submit(fail, "no such thing").result()
        assert "in fail" in caught.value.__notes__[0], "the traceback in the worker"
        with pytest.raises(BrokenExecutor):
            pool.submit(kill_worker, tmp_path / "killed").result()
    assert not (tmp_path / "slurm").exists()


def test_batches():
    """One call of the engine for several jobs; the error of one is not that of the others."""
    executor = AtOnce()
    pool = JobPool(executor, workers=2, engine=None)
    assert list(pool.run(abs, [-1, 2, -3, 4, 5], batch=2)) == [
        (n, abs(n)) for n in (-1, 2, -3, 4, 5)
    ]
    assert executor.calls == 3
    good, bad, last = pool.submit_batch(float, ["1", "x", "3"])
    assert (good.result(), last.result()) == (1.0, 3.0)
    with pytest.raises(ValueError, match="could not convert"):
        bad.result()


def test_no_more_jobs_than_workers_and_who_waits_is_told():
    class Never(AtOnce):
        def submit(self, function, *args):
            self.calls += 1
            self.function, self.args, self.future = function, args, Future()
            return self.future

    executor, told = Never(), []

    def on_wait(running):
        told.append((executor.calls, list(running)))
        executor.future.set_result(executor.function(*executor.args))

    found = list(JobPool(executor, 1, None).run(abs, [-1], on_wait=on_wait))
    assert (found, told) == ([(-1, 1)], [(1, [-1])])


def test_a_job_that_its_engine_has_lost():
    pool = JobPool(AtOnce(OSError("node x\nis down")), 1, "ray")
    with pytest.raises(JobLostError, match=r"OSError of its engine: node x\. Run the same command"):
        list(pool.run(abs, [-1]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ray": "auto", "slurm": {}}, "one engine"),
        ({"ray": "ray://x"}, "auto, local or HOST:PORT; got 'ray://x'"),
        ({"ray": ""}, "HOST:PORT"),
        ({"cpus_per_job": 0}, "in 1 to 10,000; got 0"),
        ({"slurm": {"hours": "many"}}, "'hours' = 'many'"),
        ({"slurm": {"cpus": "0"}}, "'cpus' = '0'"),
        ({"slurm": {"partition": "a b"}}, "'partition' = 'a b'"),
        ({"slurm": {"Partition": "a"}}, "'Partition'"),
        ({"slurm": {"": ""}}, "partition"),
    ],
)
def test_engines_that_are_none(options, message):
    with pytest.raises(EngineError, match=message):
        Engine(**options)


def test_engines():
    assert Engine().name is None
    assert Engine(ray="[::1]:6379").name == "ray"
    assert (
        Engine(slurm={"partition": "a,b", "mem": "4G", "hours": "0.5", "jobs": "9"}).name == "slurm"
    )


@pytest.mark.parametrize("engine", ["ray", "slurm"])
def test_the_extra_is_missing(engine, monkeypatch, tmp_path, capsys):
    """One line says what to install, before anything is written."""

    monkeypatch.setitem(sys.modules, {"ray": "ray", "slurm": "submitit"}[engine], None)
    with pytest.raises(DependencyNotInstalled, match=r"pip install 'neurotasks\[cluster\]'"):
        ENGINES[engine].check_installed()
    option = {"ray": "--ray=local", "slurm": "--slurm=partition=short"}[engine]
    for words in (["reproduce", "two-step"], ["score", "x.py:f"]):
        assert main([*words, option, "--out", str(tmp_path / "out")]) == 1
        assert capsys.readouterr().err.endswith("run `pip install 'neurotasks[cluster]'`.\n")
    assert not (tmp_path / "out").exists()


def test_a_machine_without_slurm(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "squeue" else name)
    monkeypatch.setattr("neurotasks_baselines.training.jobs.require", lambda *_: None)
    with pytest.raises(EngineError, match="got no squeue on the PATH"):
        ENGINES["slurm"].check_installed()


def test_the_lock_of_a_host_that_the_engine_has_lost(tmp_path):
    """The same engine takes it over; another one, or a process without one, does not."""
    text = '{"process": 7, "host": "elsewhere", "engine": "ray"}'
    for engine in (None, "slurm"):
        (tmp_path / HOLDER).write_text(text)
        with run_by(engine), pytest.raises(RunLockedError), locked(tmp_path):
            pass
    with run_by("ray"), locked(tmp_path):
        assert '"engine": "ray"' in (tmp_path / HOLDER).read_text()
    (tmp_path / HOLDER).write_text('{"process": 7, "host": "elsewhere"}')
    with run_by("ray"), pytest.raises(RunLockedError), locked(tmp_path):
        pass


# Trainings that are done once.


@pytest.fixture
def job(tmp_path):
    return TrainingJob(ID, 1000, hyperparameters_for(ID), tmp_path, {"trials": 3})


def test_a_directory_is_named_by_the_description(job):
    name = job.directory.name
    assert name.startswith("TwoStep-v0-seed1000-")
    assert replace(job).directory == job.directory
    others = [
        replace(job, seed=1001),
        replace(job, task_kwargs={"trials": 4}),
        replace(job, hyperparameters=replace(job.hyperparameters, gamma=0.5)),
        replace(job, code="other"),
        replace(job, id="neurotasks/TwoStep2016-v0"),
    ]
    assert len({name, *(other.directory.name for other in others)}) == 6


def test_what_is_done_is_not_done_again(job):
    calls = []

    def work(directory):
        calls.append(directory)
        return {"score": 0.5, "no number": float("nan")}

    expected = {"score": 0.5, "no number": None}
    assert [job.once(work) for _ in range(3)] == [expected] * 3
    assert calls == [job.directory]
    (job.directory / "result.json").write_text("{")
    with pytest.raises(RunDirectoryError, match=r"result\.json must hold the result"):
        job.once(work)


def test_a_worker_with_other_code_is_refused(job):
    with pytest.raises(OtherCodeError, match="must be those of the process that sent the job"):
        replace(job, code="other").once(lambda directory: pytest.fail("it ran"))
    assert not job.directory.exists()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that writes a module of a package of a task, and returns its digest."""
    folder = tmp_path / "tasks_for_digests"
    folder.mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    (folder / "__init__.py").touch()

    class Spec:
        entry_point = "tasks_for_digests.task:TASK"

    monkeypatch.setattr(job_directories.gym, "spec", lambda id: Spec)
    monkeypatch.setattr(job_directories, "ROOTS", ())

    def write(name, text):
        (folder / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        return code_digest.__wrapped__("mine/Task-v0")

    write("task", "from tasks_for_digests import rules\n")
    write("pages", "")
    return write


def test_only_code_that_a_training_imports_changes_its_digest(package):
    text = 'def step():\n    """Step."""\n    return 1\n'
    digest = package("rules", text)
    assert package("pages", "print(1)") == digest
    assert package("rules", f"# A comment.\n\n{text.replace('Step.', 'Take a step.')}") == digest
    assert package("rules", text.replace("1", "2")) != digest
    assert package("rules", text) == digest


def test_versions_of_libraries_change_the_digest(package, monkeypatch):
    digest = package("rules", "")
    monkeypatch.setattr(job_directories, "version", lambda name: "0")
    assert package("rules", "") != digest


def test_the_code_of_a_training():
    """It has the task, and nothing of the reports."""
    real, found = job_directories._parsed, []

    def parsed(spec):
        found.append(spec.name)
        return real(spec)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_directories, "_parsed", parsed)
        assert code_digest.__wrapped__(ID) == code_digest(ID)
    assert {"neurotasks.tasks.two_step", "neurotasks_baselines.agents.losses"} <= set(found)
    assert not {"cli", "experiments", "benchmarks"} & {
        room for name in found for room in name.split(".")
    }
