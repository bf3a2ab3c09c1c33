"""Jobs on Ray, which runs a job whose worker was lost again on another one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from neurotasks.errors import require
from neurotasks_baselines.errors import EngineError
from neurotasks_baselines.processes import available_cores
from neurotasks_baselines.training.ray_files import Carrier

RETRIES = 10  # of a job whose worker was lost


class RayExecutor(Executor):
    """Executor whose calls are tasks of Ray.

    Args:
        address: Address of the cluster, see `Engine`.
        cpus_per_job: Number of cores that each call reserves.
        folder: Directory whose file system the nodes share, or do not.

    Attributes:
        carrier: What carries the directories of jobs to nodes that do not share the folder; None
            if all run here.

    Raises:
        EngineError: If there is no such cluster.
    """

    def __init__(self, address: str, cpus_per_job: int, folder: Path) -> None:
        self.ray: Any = require("ray", "cluster")
        options: dict[str, Any] = {}
        if address == "local":
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
            options = {"num_cpus": available_cores(), "include_dashboard": False}
        in_main_thread = threading.current_thread() is threading.main_thread()
        handler = signal.getsignal(signal.SIGTERM)
        try:
            self.ray.init(address, log_to_driver=False, logging_level="ERROR", **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            line = str(error).strip().partition("\n")[0]
            raise EngineError(
                f"Ray must run at {address}; got {type(error).__name__}: {line}. `ray status` says "
                "whether it does; `--ray local` starts one on this machine."
            ) from error
        finally:
            if in_main_thread:
                signal.signal(signal.SIGTERM, handler)  # Ray has one that saves nothing
        self.carrier = None if address == "local" else Carrier(folder)
        self._task = self.ray.remote(num_cpus=cpus_per_job, max_retries=RETRIES)(_call)

    @property
    def cores(self) -> int:
        """Number of cores of the cluster."""
        return int(self.ray.cluster_resources().get("CPU", 1))

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand over a call; see `concurrent.futures.Executor`."""
        future: Future[Any] = self._task.remote(function, args, kwargs).future()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster, which ends what it still runs of this process."""
        if self.carrier is not None:
            self.carrier.mark.unlink(missing_ok=True)
        self.ray.shutdown()


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return function(*args, **kwargs)
