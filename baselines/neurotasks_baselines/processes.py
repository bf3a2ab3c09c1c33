"""Processes: the cores they may use, and pools that end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import platform
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends the work as Ctrl-C does."""


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """Return the name of the processor."""
    information = Path("/proc/cpuinfo")  # Linux tells it nowhere else
    for line in information.read_text().splitlines() if information.exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Let torch and BLAS compute in some threads, on whose number the rounding of sums depends.

    The MKL inside of torch is out of reach of threadpoolctl.
    """
    import torch as th  # the command starts without these
    from threadpoolctl import threadpool_limits

    before = th.get_num_threads()
    with threadpool_limits(count):
        th.set_num_threads(count)
        try:
            yield
        finally:
            th.set_num_threads(before)


@contextmanager
def limited_to_cores(count: int) -> Iterator[None]:
    """Confine this thread, and the processes it starts, to the first of the cores it may use.

    Does nothing where the operating system cannot confine them.

    Args:
        count: Number of cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


class Worker(SpawnProcess):
    """A fresh process that Ctrl-C in the terminal does not reach, from its first instruction on."""

    def start(self) -> None:
        """Start it with SIGINT blocked, which it inherits."""
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            super().start()
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Workers(SpawnContext):
    """The context of such processes."""

    Process = Worker


def end_with_parent() -> None:
    """End this worker as soon as the process that started it has ended, however it ended."""
    parent: Any = multiprocessing.parent_process()

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Windows


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Provide a pool of fresh processes that end with this one, and leave Ctrl-C to it.

    If an error or an interruption gets here, they are terminated in the middle of their jobs.

    Args:
        workers: Number of processes.
    """
    with ProcessPoolExecutor(workers, Workers(), end_with_parent) as pool:
        try:
            yield pool
        except BaseException:
            for process in multiprocessing.active_children():
                if isinstance(process, Worker):
                    process.terminate()
            raise
