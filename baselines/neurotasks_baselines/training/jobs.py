"""Jobs: one way to run many, in processes of this machine, on Ray or on Slurm.

`job_pool` opens a `JobPool` on an `Engine`. Its ``submit`` returns a future of
`concurrent.futures`, as do the executors below it: retries, transport and scheduling are theirs.
A job is a function of a module and one argument, both of which the engine pickles. Where a job
keeps what it has done in files (see `neurotasks_baselines.training.job_directories`), a job that
is run again, by the engine after its worker was lost or by the same command, does what is missing.
"""

from __future__ import annotations

import re
import shutil
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from neurotasks.errors import require
from neurotasks_baselines.errors import EngineError, JobLostError
from neurotasks_baselines.locks import run_by
from neurotasks_baselines.processes import available_cores, worker_pool
from neurotasks_baselines.training.progress import LOOKS

if TYPE_CHECKING:
    from neurotasks_baselines.training.ray_files import Carrier

Job = TypeVar("Job")
Result = TypeVar("Result")

RESUME = "Run the same command again to resume."
SLURM_JOBS = 256  # at most at once, by default
ADDRESS = r"auto|local|[\w.-]+:\d{1,5}|\[[\da-fA-F:]+\]:\d{1,5}"


@dataclass(frozen=True)
class Engine:
    """Where jobs run: in processes of this machine, unless Ray or Slurm is named.

    Attributes:
        ray: Address of the head of a Ray cluster, as HOST:PORT; "auto" for the cluster that this
            machine is a node of, "local" to start one here that ends with this process.
        slurm: Options of Slurm jobs: ``cpus`` of each, ``hours`` until it is requeued, ``jobs`` at
            once at most; every other one is an option of sbatch, such as ``partition``.
        cpus_per_job: Number of cores that each job reserves. A job computes in one thread however
            many it has, since rounding depends on the number of threads.

    Raises:
        EngineError: If Ray and Slurm are both named, or an option cannot be one of theirs.
    """

    ray: str | None = None
    slurm: Mapping[str, str] | None = None
    cpus_per_job: int = 1

    def __post_init__(self) -> None:
        """Refuse what no engine takes."""
        if self.ray is not None and self.slurm is not None:
            raise EngineError("Jobs must run on one engine; got Ray and Slurm. Leave one out.")
        if self.ray is not None and not re.fullmatch(ADDRESS, self.ray, re.ASCII):
            raise EngineError(
                f"The address of Ray must be auto, local or HOST:PORT; got {self.ray!r}. "
                "`ray status` on a node of the cluster says whether it runs."
            )
        if not 1 <= self.cpus_per_job <= 10_000:
            raise EngineError(
                f"cpus_per_job must be in 1 to 10,000; got {self.cpus_per_job}. Leave it out for 1."
            )
        for name, value in (self.slurm or {}).items():
            counts = {"cpus": r"[1-9]\d{0,3}", "hours": r"\d{1,4}(\.\d{1,4})?", "jobs": r"\d{1,6}"}
            allowed = counts.get(name, r"[\w.,:@%/+*&|!()\[\]-]{1,200}")
            named = re.fullmatch(r"[a-z][a-z-]*", name)
            if not named or not re.fullmatch(allowed, value, re.ASCII) or value == "0":
                raise EngineError(
                    "Options of Slurm must be cpus, hours and jobs, which are numbers above 0, or "
                    f"options of sbatch, such as partition; got {name!r} = {value!r}."
                )

    @property
    def name(self) -> str | None:
        """Name of the engine; None for processes of this machine."""
        return "ray" if self.ray is not None else "slurm" if self.slurm is not None else None

    def check_installed(self) -> None:
        """Refuse an engine that is not installed here.

        Raises:
            DependencyNotInstalled: If its package is missing, with the command that installs it.
            EngineError: If this machine has no commands of Slurm.
        """
        if self.ray is not None:
            require("ray", "cluster")
        if self.slurm is not None:
            require("submitit", "cluster")
            missing = [c for c in ("sbatch", "srun", "squeue", "scancel") if not shutil.which(c)]
            if missing:
                raise EngineError(
                    "Jobs must be submitted where Slurm's commands are; got no "
                    f"{', '.join(missing)} on the PATH. Log in to a node of the cluster."
                )


class JobPool:
    """Runs jobs on an engine; `job_pool` makes it.

    Attributes:
        executor: Executor that jobs are handed to.
        workers: Number of jobs that can run at once.
        engine: Name of the engine; None for processes of this machine.
        carrier: What carries the directories of jobs to workers without their file system; None
            where all share it.
    """

    def __init__(
        self,
        executor: Executor,
        workers: int,
        engine: str | None = None,
        carrier: Carrier | None = None,
    ) -> None:
        self.executor, self.workers, self.engine = executor, workers, engine
        self.carrier = carrier

    def submit(self, function: Callable[[Job], Result], job: Job) -> Future[Result]:
        """Hand over a job.

        Args:
            function: Function of a module.
            job: Its argument.

        Returns:
            A future of the result, or of the error of the job; `JobLostError` if its engine could
            not run it to an end.
        """
        return self.submit_batch(function, [job])[0]

    def submit_batch(
        self, function: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> list[Future[Result]]:
        """Hand over short jobs that the engine runs one after another, as one of its own.

        Returns:
            The futures of the jobs, which are done when the last one is.
        """
        futures: list[Future[Result]] = [Future() for _ in jobs]
        handed = self.executor.submit(outcomes, self.engine, self.carrier, function, list(jobs))
        handed.add_done_callback(partial(_settle, futures))
        return futures

    def run(
        self,
        function: Callable[[Job], Result],
        jobs: Iterable[Job],
        *,
        batch: int = 1,
        on_wait: Callable[[list[Job]], None] | None = None,
    ) -> Iterator[tuple[Job, Result]]:
        """Run jobs in their order, no more at once than there are workers.

        Args:
            function: Function of a module.
            jobs: Its arguments; the next ones are asked for when a worker is free.
            batch: Number of jobs handed over as one; more than 1 pays off for jobs that take less
                than the engine takes to start one.
            on_wait: Function called about once a second with the jobs that were handed over and
                have not ended.

        Yields:
            Each job with its result, in the order in which they end.

        Raises:
            JobLostError: If the engine could not run a job to its end. The error of a job is raised
                as it is.
        """
        waiting, running = iter(jobs), dict[Future[Result], Job]()
        ended: SimpleQueue[Future[Result]] = SimpleQueue()
        due = 0.0
        while True:
            while len(running) < self.workers * batch and (part := list(islice(waiting, batch))):
                for future, job in zip(self.submit_batch(function, part), part, strict=True):
                    running[future] = job
                    future.add_done_callback(ended.put)
            if not running:
                return
            if on_wait is not None and time.monotonic() >= due:
                on_wait(list(running.values()))
                due = time.monotonic() + LOOKS
            try:
                future = ended.get(timeout=LOOKS)
            except Empty:
                continue
            yield running.pop(future), future.result()


@contextmanager
def job_pool(engine: Engine, folder: Path, workers: int | None = None) -> Iterator[JobPool]:
    """Provide a pool of an engine. An error or an interruption that gets here ends all its jobs.

    Args:
        engine: Where jobs run.
        folder: Directory that the engine may keep files in, on a file system that all nodes share;
            the caller holds its lock.
        workers: Number of jobs that run at once, at most; as many as there are cores by default.

    Raises:
        EngineError: If the engine cannot be reached.
    """
    engine.check_installed()
    slurm_jobs = int((engine.slurm or {}).get("jobs", SLURM_JOBS))
    opened: AbstractContextManager[Any]
    carrier = None
    if engine.ray is not None:
        from neurotasks_baselines.training.ray_jobs import RayExecutor

        opened = ray = RayExecutor(engine.ray, engine.cpus_per_job, folder)
        most, carrier = ray.cores // engine.cpus_per_job, ray.carrier
    elif engine.slurm is not None:
        from neurotasks_baselines.training.slurm_jobs import SlurmExecutor

        opened, most = SlurmExecutor(folder / "slurm", engine), slurm_jobs
    else:
        most = available_cores() // engine.cpus_per_job
        opened = worker_pool(max(1, workers or most))
    try:
        with opened as executor:
            yield JobPool(executor, max(1, workers or most), engine.name, carrier)
    except KeyboardInterrupt as error:
        error.add_note(RESUME)
        raise


def outcomes(
    engine: str | None,
    carrier: Carrier | None,
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
) -> list[tuple[Result | None, Exception | None]]:
    """Run jobs one after another: what an engine runs.

    Args:
        engine: Name of the engine.
        carrier: What carries the directories of the jobs.
        function: Function of the jobs.
        jobs: Its arguments.

    Returns:
        Of each job the result, or the error with its traceback as a note.
    """
    found: list[tuple[Result | None, Exception | None]] = []
    with run_by(engine):
        for job in jobs:
            try:
                with carrier.carry(job) if carrier is not None else nullcontext():
                    result = function(job)
                found.append((result, None))
            except Exception as error:
                error.add_note("".join(traceback.format_exception(error)))
                error.__cause__ = error.__context__ = None  # not pickled anyway
                found.append((None, error))
    return found


def _settle(futures: Sequence[Future[Any]], handed: Future[Any]) -> None:
    """Give futures their results, or their errors."""
    try:
        found = _unless_lost(handed)
    except Exception as error:
        found = [(None, error)] * len(futures)
    for future, (result, failure) in zip(futures, found, strict=True):
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)


def _unless_lost(handed: Future[Any]) -> Any:
    try:
        return handed.result()
    except BrokenExecutor:  # a pool of processes says so itself, to all its jobs
        raise
    except Exception as error:
        line = str(error).strip().partition("\n")[0]
        raise JobLostError(
            f"A job must run to its end; got {type(error).__name__} of its engine: {line}. {RESUME}"
        ) from error
