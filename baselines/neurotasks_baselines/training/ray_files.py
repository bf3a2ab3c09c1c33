"""Directories of jobs on nodes of Ray that do not share the head's file system.

A job that has a ``directory`` begins with what the head has of it. While it runs, what has changed
is sent to the head whenever there is a new checkpoint, and every few seconds; at its end all is
there. The node keeps its copy.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from neurotasks.errors import require
from neurotasks.files import replacing
from neurotasks_baselines.locks import HOLDER

Files = dict[str, bytes]
Stamps = dict[str, tuple[int, int]]
EVERY, AT_LEAST_EVERY = 0.5, 10.0  # seconds between looks, and between copies


class HeadFiles:
    """Files of the head, as an actor of Ray that runs there."""

    def read(self, directory: Path) -> Files:
        """Return the files of a directory by their paths in it."""
        return {name: (directory / name).read_bytes() for name in _stamps(directory)}

    def write(self, directory: Path, changed: Files, kept: list[str]) -> None:
        """Write files, the checkpoint last, and remove those that are not kept."""
        write(directory, changed, kept)


class Carrier:
    """Carries directories of jobs between the head and nodes without its file system.

    Args:
        folder: Directory of the head. A file in it shows which nodes share it.
    """

    def __init__(self, folder: Path) -> None:
        ray: Any = require("ray", "cluster")
        self.mark = folder.absolute() / f".{uuid.uuid4().hex}.shared"
        self.mark.parent.mkdir(parents=True, exist_ok=True)
        self.mark.touch()
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        self.head = ray.remote(HeadFiles).options(num_cpus=0, scheduling_strategy=here).remote()

    @contextmanager
    def carry(self, job: Any) -> Iterator[None]:
        """Have the directory of a job here while it runs, and on the head afterwards."""
        directory = getattr(job, "directory", None)
        if directory is None or self.mark.exists():
            yield
            return
        ray: Any = require("ray", "cluster")
        files = ray.get(self.head.read.remote(directory))
        write(directory, files, list(files))  # an attempt may have been lost here before
        copy, ended = _Copy(self.head, directory), threading.Event()
        thread = threading.Thread(target=copy.follow, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            copy.send()


class _Copy:
    """The copy of a directory that the head has."""

    def __init__(self, head: Any, directory: Path) -> None:
        self.head, self.directory = head, directory
        self.known = _stamps(directory)

    def follow(self, ended: threading.Event) -> None:
        """Send what has changed whenever there is a new checkpoint, and now and then."""
        due = time.monotonic() + AT_LEAST_EVERY
        while not ended.wait(EVERY):
            new = _checkpoints(self.directory).items() - self.known.items()
            if new or time.monotonic() > due:
                self.send()
                due = time.monotonic() + AT_LEAST_EVERY

    def send(self) -> None:
        """Send what has changed: the checkpoint as it is first, since logs may be newer."""
        ray: Any = require("ray", "cluster")
        changed: Files = {}
        stamps = self._read(_checkpoints(self.directory), changed)
        others = _stamps(self.directory)
        stamps |= self._read({n: s for n, s in others.items() if not _is_checkpoint(n)}, changed)
        ray.get(self.head.write.remote(self.directory, changed, list(stamps)))
        self.known = stamps

    def _read(self, stamps: Stamps, changed: Files) -> Stamps:
        """Add what has changed to `changed`; returns the stamps of what is still there."""
        found: Stamps = {}
        for name, stamp in stamps.items():
            with suppress(FileNotFoundError):  # removed meanwhile
                if stamp != self.known.get(name):
                    changed[name] = (self.directory / name).read_bytes()
                found[name] = stamp
        return found


def write(directory: Path, files: Files, kept: list[str]) -> None:
    """Write files into a directory, the checkpoint last: the others may be newer than it is.

    Args:
        directory: Directory, made if it does not exist.
        files: What has changed.
        kept: Names of all files; others are removed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=_is_checkpoint):
        with replacing(directory / name) as new:
            new.write_bytes(files[name])
    for name in _stamps(directory).keys() - set(kept):
        (directory / name).unlink()


def _is_checkpoint(name: str) -> bool:
    return Path(name).stem == "checkpoint"


def _checkpoints(directory: Path) -> Stamps:
    return {name: stamp for name, stamp in _stamps(directory).items() if _is_checkpoint(name)}


def _stamps(directory: Path) -> Stamps:
    """Return when each file of a directory was written, and its size; locks are no such files."""
    found: Stamps = {}
    for file in directory.rglob("*"):
        if not file.name.startswith(".") and file.name != HOLDER and file.is_file():
            with suppress(FileNotFoundError):
                stat = file.stat()
                found[str(file.relative_to(directory))] = stat.st_mtime_ns, stat.st_size
    return found
