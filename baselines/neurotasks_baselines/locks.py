"""Locks on directories: one process at a time writes into each."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from neurotasks.files import write_whole
from neurotasks_baselines.errors import RunLockedError
from neurotasks_baselines.files import read_json

HOLDER = "running.json"  # names the process; the lock itself is the operating system's
WAIT = 5.0  # seconds; workers of a killed process need a moment to end

_engine: str | None = None  # that runs the job of this process


@contextmanager
def run_by(engine: str | None) -> Iterator[None]:
    """Let locks be taken over from hosts that an engine has lost.

    An engine runs a job on one host at a time. Where ``running.json`` names a host on which the
    same engine ran the job before, that host was lost.

    Args:
        engine: Name of the engine; None for one that has no other hosts.
    """
    global _engine
    before, _engine = _engine, engine
    try:
        yield
    finally:
        _engine = before


@contextmanager
def locked(directory: Path, wait: float = WAIT) -> Iterator[None]:
    """Hold the lock on a directory, which is made if it does not exist.

    The operating system releases it when the process ends, however it ends. ``running.json`` in
    the directory names the process and its host meanwhile; where locks do not reach across the
    hosts that share a file system, one that names another host counts as a lock, unless the same
    engine runs this process, see `run_by`.

    Args:
        directory: Directory.
        wait: Seconds to wait for another process to end.

    Raises:
        RunLockedError: If another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    holder, lock = directory / HOLDER, FileLock(directory / ".lock", timeout=wait)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunLockedError(
            f"{directory} is in use by {_named(_read(holder))}. Wait until it ends, or choose "
            "another directory."
        ) from error
    try:
        found = _read(holder)
        lost = _engine is not None and found is not None and found.get("engine") == _engine
        if found and found["host"] != platform.node() and not lost:
            raise RunLockedError(
                f"{directory} is in use by {_named(found)}. If that process has ended, delete "
                f"{holder}; otherwise choose another directory."
            )
        since = datetime.now(UTC).isoformat(timespec="seconds")
        ours = {"process": os.getpid(), "host": platform.node(), "since": since}
        ours |= {} if _engine is None else {"engine": _engine}
        write_whole(holder, json.dumps(ours) + "\n")
        try:
            yield
        finally:
            holder.unlink(missing_ok=True)
    finally:
        lock.release()


def _read(holder: Path) -> dict[str, Any] | None:
    """Return what a process wrote of itself, None where there is nothing, or no whole text."""
    try:
        found = read_json(holder)
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) and {"process", "host"} <= set(found) else None


def _named(found: dict[str, Any] | None) -> str:
    if found is None:
        return "another process"
    since = f" (since {found['since']})" if "since" in found else ""
    return f"process {found['process']} on {found['host']}{since}"
