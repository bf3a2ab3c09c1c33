"""Locks on directories: who holds one, and what is left of a process that was killed."""

import json
import os
import platform
import signal
import subprocess
import sys

import pytest

from neurotasks_baselines.errors import RunDirectoryError, RunLockedError
from neurotasks_baselines.locks import HOLDER, locked

PROGRAM = """
import sys, time
from pathlib import Path
from neurotasks_baselines.locks import locked

with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Start a process that holds the lock on a directory."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.communicate()


def lock(directory):
    with locked(directory, wait=0.1):
        return json.loads((directory / HOLDER).read_text())


def test_the_holder_is_named_while_it_holds_the_lock(tmp_path):
    held = lock(tmp_path / "new")
    assert (held["process"], held["host"]) == (os.getpid(), platform.node())
    assert not (tmp_path / "new" / HOLDER).exists()


def test_another_process_is_refused(holder, tmp_path):
    for _ in range(2):
        with pytest.raises(RunLockedError, match=rf"in use by process {holder.pid} on") as caught:
            lock(tmp_path)
    assert platform.node() in str(caught.value)
    assert isinstance(caught.value, RunDirectoryError)
    assert json.loads((tmp_path / HOLDER).read_text())["process"] == holder.pid


def test_the_lock_of_a_killed_process_is_taken_over(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert json.loads((tmp_path / HOLDER).read_text())["process"] == holder.pid
    assert lock(tmp_path)["process"] == os.getpid()


@pytest.mark.parametrize("pid", [1, os.getppid()])
def test_ids_that_other_processes_have_now_hold_nothing(pid, tmp_path):
    (tmp_path / HOLDER).write_text(json.dumps({"process": pid, "host": platform.node()}))
    assert lock(tmp_path)["process"] == os.getpid()


def test_another_host_is_refused(tmp_path):
    text = json.dumps({"process": 7, "host": "elsewhere", "since": "2026-01-01"})
    (tmp_path / HOLDER).write_text(text)
    with pytest.raises(RunLockedError, match=r"process 7 on elsewhere .*ended, delete .*running"):
        lock(tmp_path)
    assert (tmp_path / HOLDER).read_text() == text
    (tmp_path / HOLDER).unlink()
    assert lock(tmp_path)["process"] == os.getpid()


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"process": 3}', '{"host": []}', "\0"])
def test_a_torn_name_of_a_holder_holds_nothing(text, tmp_path):
    (tmp_path / HOLDER).write_text(text)
    assert lock(tmp_path)["process"] == os.getpid()


def test_an_error_lifts_the_lock(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    assert lock(tmp_path)["process"] == os.getpid()


def test_a_process_does_not_lock_a_directory_twice(tmp_path):
    with locked(tmp_path):
        with pytest.raises(RunLockedError, match=rf"process {os.getpid()} on"):
            lock(tmp_path)
        assert (tmp_path / HOLDER).exists()
