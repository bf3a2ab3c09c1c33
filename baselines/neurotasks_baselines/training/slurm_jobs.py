"""Jobs on Slurm, through submitit: each job is a batch job, which is requeued when it is preempted.

What jobs and results are pickled into, and what jobs print, is in a folder that is removed when all
have ended.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurotasks.errors import require
from neurotasks_baselines.errors import EngineError

if TYPE_CHECKING:
    from neurotasks_baselines.training.jobs import Engine

HOURS = "2"  # until a job is requeued, by default
REQUEUED = 50  # times at most, after that time
EVERY = 1.0  # seconds between looks at the results
ASK_EVERY, PATIENCE = 30.0, 60.0  # seconds between questions to Slurm; until a job counts as lost


class SlurmExecutor(Executor):
    """Executor whose calls are jobs of Slurm.

    Args:
        folder: Directory for the files of the jobs, on a file system that all nodes share. Jobs
            that a killed process has left there are cancelled first.
        engine: Engine with the options of Slurm.

    Raises:
        EngineError: If Slurm does not answer.
    """

    def __init__(self, folder: Path, engine: Engine) -> None:
        submitit: Any = require("submitit", "cluster")
        self.folder, options = folder.absolute(), dict(engine.slurm or {})
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()
        self.name = f"neurotasks-{digest[:12]}"  # of all jobs of this folder
        self._cancel()
        while left := self._queued():
            time.sleep(EVERY)
        if left is None:
            raise EngineError("Slurm must answer squeue; got an error. `sinfo` says what is wrong.")
        shutil.rmtree(self.folder, ignore_errors=True)
        options.pop("jobs", None)
        self._engine = submitit.SlurmExecutor(self.folder, max_num_timeout=REQUEUED)
        self._engine.update_parameters(
            job_name=self.name,
            cpus_per_task=int(options.pop("cpus", engine.cpus_per_job)),
            time=max(1, round(60 * float(options.pop("hours", HOURS)))),
            additional_parameters={"requeue": True, **options},
        )
        self._refused = (submitit.core.utils.FailedJobError, subprocess.CalledProcessError)
        self._running: dict[Future[Any], Any] = {}
        self._missing: dict[Future[Any], float] = {}  # since when Slurm does not know their jobs
        self._failed, self._closed = False, threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand over a call; see `concurrent.futures.Executor`.

        Raises:
            EngineError: If Slurm refuses the job.
        """
        future: Future[Any] = Future()
        try:
            self._running[future] = self._engine.submit(Requeued(function), *args, **kwargs)
        except self._refused as error:
            line = str(error).strip().rpartition("\n")[2]
            raise EngineError(
                f"Slurm must take jobs with these options; got {line!r}. `sinfo` lists partitions "
                "and their limits."
            ) from error
        return future

    def _watch(self) -> None:
        """Give futures the results of jobs that have ended."""
        due = time.monotonic() + ASK_EVERY
        while not self._closed.wait(EVERY):
            for future, job in list(self._running.items()):
                if job.paths.result_pickle.exists():
                    try:
                        future.set_result(job.result())
                    except Exception as error:
                        self._fail(future, error)
                    self._running.pop(future)
            if time.monotonic() > due:
                self._find_lost()
                due = time.monotonic() + ASK_EVERY

    def _find_lost(self) -> None:
        """Fail the futures of jobs that Slurm has not known for a while, and that left no result.

        A shared file system may show a result late.
        """
        queued, now = self._queued(), time.monotonic()
        for future, job in list(self._running.items()):
            if queued is None or job.job_id in queued:
                self._missing.pop(future, None)
            elif now - self._missing.setdefault(future, now) > PATIENCE:
                self._fail(future, RuntimeError(f"job {job.job_id} ended; see {self.folder}"))
                self._running.pop(future)

    def _fail(self, future: Future[Any], error: Exception) -> None:
        self._failed = True
        future.set_exception(error)

    def _queued(self) -> set[str] | None:
        """Return the ids of the jobs that wait or run; None where Slurm does not answer."""
        command = ["squeue", "--noheader", "--format=%i", f"--name={self.name}"]
        asked = subprocess.run(command, check=False, capture_output=True, text=True)
        return None if asked.returncode else set(asked.stdout.split())

    def _cancel(self) -> None:
        subprocess.run(["scancel", f"--name={self.name}"], check=False, capture_output=True)

    def __exit__(self, *error: Any) -> None:
        """End; after an error or an interruption, cancel the jobs that have not ended."""
        self._failed |= error[0] is not None
        self.shutdown(wait=error[0] is None)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for all jobs, or cancel them; see `concurrent.futures.Executor`."""
        while wait and not cancel_futures and self._running:
            self._closed.wait(EVERY)
        self._closed.set()
        self._watcher.join()
        self._cancel()  # one that was requeued in its last moments may wait, too
        if not self._failed:
            shutil.rmtree(self.folder, ignore_errors=True)


class Requeued:
    """Function that is called anew when Slurm runs its job again, after the time limit too.

    Args:
        function: Function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.function(*args, **kwargs)

    def checkpoint(self, *args: Any, **kwargs: Any) -> Any:
        """Return what submitit submits in place of a job whose time is up."""
        submitit: Any = require("submitit", "cluster")
        return submitit.helpers.DelayedSubmission(self, *args, **kwargs)
