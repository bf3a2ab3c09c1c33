"""Jobs on Slurm, through submitit: each job is a batch job, which is requeued when it is preempted.

What jobs and results are pickled into, and what jobs print, is in a folder that is removed when all
have ended.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
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


class SlurmExecutor(Executor):
    """Executor whose calls are jobs of Slurm.

    Args:
        folder: Directory for the files of the jobs, on a file system that all nodes share. Jobs
            that a killed process has left there are cancelled first.
        engine: Engine with the options of Slurm.

    Raises:
        EngineError: If Slurm does not take the options.
    """

    def __init__(self, folder: Path, engine: Engine) -> None:
        submitit: Any = require("submitit", "cluster")
        self.folder, options = folder, dict(engine.slurm or {})
        _cancel_jobs_left(folder)
        options.pop("jobs", None)
        self._engine = submitit.SlurmExecutor(folder.absolute(), max_num_timeout=REQUEUED)
        self._engine.update_parameters(
            job_name="neurotasks",
            cpus_per_task=int(options.pop("cpus", engine.cpus_per_job)),
            time=max(1, round(60 * float(options.pop("hours", HOURS)))),
            additional_parameters={"requeue": True, **options},
        )
        self._submission_errors = (
            submitit.core.utils.FailedJobError,
            subprocess.CalledProcessError,
        )
        self._running: dict[Future[Any], Any] = {}
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
        except self._submission_errors as error:
            line = str(error).strip().rpartition("\n")[2]
            raise EngineError(
                f"Slurm must take jobs with these options; got {line!r}. `sinfo` lists partitions "
                "and their limits."
            ) from error
        return future

    def _watch(self) -> None:
        """Give futures the results of jobs that have ended."""
        while not self._closed.wait(EVERY):
            for future, job in list(self._running.items()):
                if not job.done():
                    continue
                try:
                    result = job.result()
                except Exception as error:
                    self._failed = True
                    future.set_exception(error)
                else:
                    future.set_result(result)
                del self._running[future]

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
        if left := [job.job_id for job in self._running.values()]:
            subprocess.run(["scancel", *left], check=False)
        elif not self._failed:
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


def _cancel_jobs_left(folder: Path) -> None:
    """Cancel the jobs whose results are missing in a folder, wait for their end, and remove it."""
    left = {file.name.partition("_")[0] for file in folder.glob("*_submitted.pkl")}
    left -= {file.name.partition("_")[0] for file in folder.glob("*_result.pkl")}
    if left:
        subprocess.run(["scancel", *left], check=False)
        waiting = ["squeue", "--noheader", f"--jobs={','.join(sorted(left))}"]
        while subprocess.run(waiting, check=False, capture_output=True).stdout.strip():
            threading.Event().wait(EVERY)
    shutil.rmtree(folder, ignore_errors=True)
