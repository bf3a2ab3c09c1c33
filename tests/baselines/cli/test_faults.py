"""Whatever goes wrong around the command, its user reads one line and no traceback."""

import errno
import io
import os
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch as th

from neurotasks.errors import ParameterError
from neurotasks_baselines.cli import guard
from neurotasks_baselines.cli.commands import COMMANDS
from neurotasks_baselines.cli.guard import BUG, THEIRS
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.imports import import_file
from neurotasks_baselines.processes import Terminated
from neurotasks_baselines.training.train import train

ID = "neurotasks/TwoStep-v0"
SHORTEST = {
    "list": [],
    "train": [ID, "--out", "x"],
    "evaluate": ["agent", "--out", "x.csv"],
    "play": [ID],
    "score": ["x.py:f"],
    "check-memory": ["x.py:f"],
    "reproduce": [],
    "sweep": ["x.toml"],
    "compare": ["two-step"],
    "recover": ["two-step/hybrid"],
    "analyse-neurons": ["folder"],
    "analyse-units": ["folder"],
    "benchmark": ["scores"],
    "doctor": [],
}


def too_large_for_torch():
    try:
        th.empty(10**15)
    except RuntimeError as error:
        return error
    raise AssertionError


def too_large_for_numpy():
    try:
        np.empty(10**15)
    except MemoryError as error:
        return error
    raise AssertionError


FAULTS = {
    "full disk": (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device. "),
    "full disk, named": (OSError(errno.ENOSPC, "No space left", "f.csv"), 1, "left: f.csv. Make "),
    "read-only": (OSError(errno.EROFS, "Read-only file system", "d"), 1, "file system: d. Choose"),
    "permission": (PermissionError(errno.EACCES, "Permission denied", "d"), 1, "denied: d. Choose"),
    "a directory": (IsADirectoryError(errno.EISDIR, "Is a directory", "d"), 1, "d. It is a direc"),
    "a file": (NotADirectoryError(errno.ENOTDIR, "Not a directory", "f"), 1, "f. A part of the"),
    "missing": (FileNotFoundError(errno.ENOENT, "No such file", "f\ng"), 1, "No such file: f g."),
    "closed pipe": (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, None),
    "Ctrl-C": (KeyboardInterrupt(), 130, "interrupted"),
    "SIGTERM": (Terminated(), 143, "terminated"),
    "memory": (MemoryError(), 1, "not enough memory"),
    "memory of numpy": (too_large_for_numpy(), 1, "not enough memory: Unable to allocate"),
    "memory of torch": (too_large_for_torch(), 1, "not enough memory: "),
    "no thread": (RuntimeError("can't start new thread"), 1, "not enough memory: can't start"),
    "killed worker": (BrokenProcessPool("a child"), 1, "a worker process was killed"),
    "missing extra": (ModuleNotFoundError("No module 'x'", name="x.y"), 1, "Run `pip install"),
    "broken extra": (ImportError("libcuda.so.1 is missing"), 1, "libcuda.so.1 is missing. Run"),
    "Gymnasium": (gym.error.DependencyNotInstalled("pip install it"), 1, "pip install it"),
    "ours": (ParameterError("arms must be 2.\nGot 1."), 1, "arms must be 2. Got 1."),
}
BUGS = (
    *(ValueError("x"), TypeError("x"), RuntimeError("x"), AssertionError("x"), KeyError("x")),
    *(
        OSError("no number"),
        io.UnsupportedOperation("fileno"),
        UnicodeDecodeError("u", b"", 0, 1, ""),
    ),
    ModuleNotFoundError("No module", name="neurotasks.nonesuch"),
)


def raising(error):
    def run(options):
        raise error

    return run


@pytest.mark.parametrize(("error", "status", "message"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_fault_is_one_line(command, error, status, message, monkeypatch, capsys):
    monkeypatch.setattr(COMMANDS[command], "run", raising(error))
    assert main([command, *SHORTEST[command]]) == status
    output, line = capsys.readouterr()
    assert output == ""
    if message is None:
        assert line == ""
    else:
        assert line.startswith(f"neurotasks {command}: ")
        assert message in line
        assert line.count("\n") == 1


@pytest.mark.parametrize("error", BUGS, ids=repr)
def test_a_bug_keeps_its_traceback_and_says_where_to_report_it(error, monkeypatch):
    monkeypatch.setattr(COMMANDS["train"], "run", raising(error))
    with pytest.raises(type(error)) as raised:
        main(["train", *SHORTEST["train"]])
    assert raised.value.__notes__[-1] == BUG
    assert "doctor --json" in BUG


def test_a_mistake_in_an_imported_file_names_the_file(tmp_path, monkeypatch):
    file = tmp_path / "with_a_mistake.py"
    file.write_text("def run(options):\n    return {}['key']\n")
    monkeypatch.setattr(COMMANDS["train"], "run", import_file(file).run)
    with pytest.raises(KeyError) as raised:
        main(["train", *SHORTEST["train"]])
    assert raised.value.__notes__[-1] == THEIRS.format(file)
    assert BUG not in THEIRS


@pytest.mark.slow
def test_so_does_one_in_a_worker_process(tmp_path):
    """About five seconds."""
    file = tmp_path / "with_another_mistake.py"
    file.write_text("def make_agent(id, *, total_steps, seed):\n    return {}['key']\n")
    words = ["score", f"{file}:make_agent", "--steps", "1", "--episodes", "2", "--workers", "2"]
    with pytest.raises(KeyError) as raised:
        main([*words, "--track", "quick", "--out", str(tmp_path / "out")])
    assert raised.value.__notes__[-1] == THEIRS.format(file)


def test_signals_are_as_before_afterwards(monkeypatch):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(COMMANDS["train"], "run", raising(KeyboardInterrupt()))
    assert main(["train", *SHORTEST["train"]]) == 130
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert threading.excepthook is not guard._in_thread


def test_sigterm_ends_the_work_as_ctrl_c_does(monkeypatch, capsys):
    def work(options):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            sys.stdout.write("saved\n")
            raise

    monkeypatch.setattr(COMMANDS["train"], "run", work)
    assert main(["train", *SHORTEST["train"]]) == 143
    assert capsys.readouterr() == (
        "saved\n",
        "neurotasks train: terminated. No step is kept. Run the same command again to begin.\n",
    )


@pytest.mark.parametrize(("error", "shown"), [(OSError(errno.ENOSPC, "full"), 0), (KeyError(), 1)])
def test_threads_say_only_what_the_command_does_not(error, shown, monkeypatch):
    said = []
    monkeypatch.setattr(threading, "__excepthook__", said.append)
    guard._in_thread(SimpleNamespace(exc_value=error))
    assert len(said) == shown


# In processes of their own, with what a shell can do to them.

NEUROTASKS = f"{sys.executable} -m neurotasks_baselines"
SHELL = {
    # written in one piece, or before the reader has gone, it may all be well
    "read enough": (
        "NT list | head -1; code=${PIPESTATUS[0]}; [ $code = 0 ] || [ $code = 141 ]",
        0,
        "task  ",
        "",
    ),
    "closed pipe": ("(sleep 1; NT --help) | true; exit ${PIPESTATUS[0]}", 141, "", ""),
    "full output": (
        "NT --version > /dev/full",
        1,
        "",
        "neurotasks --version: No space left on device",
    ),
    "closed input": (
        "NT play neurotasks/TwoStep-v0 --terminal <&-",
        0,
        "No trial was finished.",
        "",
    ),
    "closed output": ("NT play neurotasks/TwoStep-v0 --terminal >&- </dev/null", 0, "", ""),
    "closed errors": ("NT train x --out y 2>&-", 1, "", ""),
    "all closed": ("NT train x --out y <&- >&- 2>&-", 1, "", ""),
    "no display": (
        "SDL_VIDEODRIVER=x11 DISPLAY= NT play neurotasks/TwoStep-v0",
        1,
        "",
        "neurotasks play: ",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("line", "status", "output", "error"), SHELL.values(), ids=SHELL)
def test_in_a_shell(line, status, output, error, tmp_path):
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["bash", "-c", line.replace("NT", NEUROTASKS)],
        env=buffered,  # argparse hides what it cannot write at once
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done
    assert output in done.stdout
    assert done.stderr.startswith(error)
    assert done.stderr.count("\n") == bool(error), done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_while_it_starts():
    program = """
import sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "gymnasium":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from neurotasks_baselines.cli.main import main
sys.exit(main(["train", "x", "--out", "y"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    line = "neurotasks train: interrupted. Nothing was begun.\n"
    assert (done.returncode, done.stderr) == (130, line)


POOR_TERMINAL = {
    "COLUMNS": "10",
    "LC_ALL": "C",
    "NO_COLOR": "1",
    "PYTHONIOENCODING": "ascii",
    "TERM": "dumb",
}


@pytest.mark.slow
def test_a_poor_terminal_is_enough(tmp_path):
    """Ten columns, no colours, ASCII only, and paths of other letters."""
    program = f"""
import sys
from neurotasks_baselines.cli.main import main

out = sys.argv[1]
words = ["train", "{ID}", "--steps", "1", "--set", "trials=3", "--out", out]
assert main(words) == 0
assert main(["evaluate", out, "--episodes", "2", "--out", out + "/\\u03c4 \\n.csv"]) == 0
assert main(["play", "{ID}", "--terminal", "--trials", "2", "--out", out + "/\\xfc.csv"]) == 0
sys.exit(main(["train", "neurotasks/Zwei-Schritt-Aufg\\xe4be-v0", "--out", out + "/x"]))
"""
    keys = "centre\nleft\nleft\n" * 2
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "größe"],
        env=os.environ | POOR_TERMINAL,
        input=keys,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.isascii()
    assert done.stdout.isascii()
    assert done.stderr.splitlines()[-1].startswith("neurotasks train: ")
    assert "\x1b" not in done.stdout + done.stderr


def test_a_bar_is_closed_whatever_ends_the_training(tiny, monkeypatch, tmp_path):
    """An open one would hide the cursor, and write on while the process ends."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("neurotasks_baselines.training.callbacks.save_checkpoint", full)
    with pytest.raises(OSError, match="No space"), warnings.catch_warnings(action="ignore"):
        train(ID, tmp_path, hyperparameters=tiny, task_kwargs={"trials": 3}, progress_bar=True)
    assert "_RefreshThread" not in {type(thread).__name__ for thread in threading.enumerate()}
