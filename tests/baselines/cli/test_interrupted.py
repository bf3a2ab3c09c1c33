"""Ctrl-C at any moment: one line that says what is kept and how to resume, and exit status 130."""

import os
import signal
import subprocess
import sys
import threading
from importlib.machinery import ExtensionFileLoader

import pytest
from signals import accept_interrupts

from neurotasks_baselines.cli import guard
from neurotasks_baselines.cli.commands import COMMANDS
from neurotasks_baselines.cli.main import main

ID = "neurotasks/TwoStep-v0"
RESUME = "Run the same command again to resume."
KEPT = {
    "train": (
        ["train", ID, "--out", "OUT"],
        [],
        "No step is kept. Run the same command again to begin.",
    ),
    "train, later": (
        ["train", ID, "--out", "OUT"],
        ["checkpoint.safetensors"],
        f"OUT keeps all but the last rollout. {RESUME}",
    ),
    "train, at the end": (
        ["train", ID, "--out", "OUT"],
        ["agent.safetensors"],
        "OUT holds the trained agent; the same command says again how well it plays.",
    ),
    "evaluate": (
        ["evaluate", "OUT"],
        [],
        "Tables are written whole, at the end. Run the same command again to start over.",
    ),
    "play": (["play", ID], [], "Its trials are lost; Esc ends a session and keeps them."),
    "reproduce": (
        ["reproduce", "--out", "OUT"],
        [],
        f"OUT keeps earlier reports, if there are any. {RESUME}",
    ),
    "reproduce --train": (
        ["reproduce", "--train", "--out", "OUT"],
        [],
        f"OUT keeps the training runs up to their last checkpoints. {RESUME}",
    ),
    "sweep": (
        ["sweep", "x", "--out", "OUT"],
        [],
        f"OUT keeps the training runs up to their last checkpoints. {RESUME}",
    ),
    "sweep, at the start": (
        ["sweep", "x", "--out", "OUT/none"],
        [],
        "Nothing is kept. Run the same command again to begin.",
    ),
    "sweep --dry-run": (["sweep", "x", "--dry-run"], [], "Nothing is kept."),
    "score": (
        ["score", "x.py:f", "--out", "OUT"],
        [],
        f"OUT keeps the results of the training runs that have ended. {RESUME}",
    ),
    "score --check": (["score", "--check", "x"], [], "Nothing is written."),
    "compare": (
        ["compare", "two-step"],
        [],
        "Nothing is written before the end. Run the same command again to start over.",
    ),
    "recover": (
        ["recover", "bandit"],
        [],
        "Nothing is written before the end. Run the same command again to start over.",
    ),
    "analyse-neurons": (
        ["analyse-neurons", "x"],
        [],
        "Nothing is kept. Run the same command again to start over.",
    ),
    "analyse-units": (
        ["analyse-units", "x"],
        [],
        "Nothing is kept. Run the same command again to start over.",
    ),
    "benchmark": (
        ["benchmark", "train"],
        [],
        "Nothing is kept. Run the same command again to start over.",
    ),
}


def interrupted(options):
    raise KeyboardInterrupt


@pytest.mark.parametrize(("words", "files", "kept"), KEPT.values(), ids=KEPT)
def test_what_is_kept_is_said(words, files, kept, monkeypatch, capsys, tmp_path):
    for name in files:
        (tmp_path / name).touch()
    monkeypatch.setattr(COMMANDS[words[0]], "run", interrupted)
    assert main([word.replace("OUT", str(tmp_path)) for word in words]) == 130
    line = f"neurotasks {words[0]}: interrupted. {kept.replace('OUT', str(tmp_path))}\n"
    assert capsys.readouterr() == ("", line)


@pytest.fixture
def _listening():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_listening")
def test_an_interruption_that_becomes_another_error_is_one(monkeypatch, capsys):
    """As that of an import within compiled code does."""

    def run(options):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt as error:
            raise SystemError("returned a result with an exception set") from error

    monkeypatch.setattr(COMMANDS["list"], "run", run)
    assert main(["list"]) == 130
    assert capsys.readouterr() == ("", "neurotasks list: interrupted\n")


class Swallowing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("_listening")
def test_an_interruption_that_cannot_be_raised_comes_again(monkeypatch, capsys):
    def run(options):
        Swallowing()
        threading.Event().wait(10)
        raise AssertionError

    monkeypatch.setattr(COMMANDS["list"], "run", run)
    assert main(["list"]) == 130
    assert capsys.readouterr() == ("", "neurotasks list: interrupted\n")


@pytest.mark.usefixtures("_listening")
def test_an_extension_module_is_loaded_before_an_interruption(monkeypatch, capsys):
    """An exception within its C++ can abort the process."""
    loaded = []

    def exec_module(self):
        os.kill(os.getpid(), signal.SIGINT)
        loaded.append(self.name)

    def run(options):
        exec_module(ExtensionFileLoader("extension", "extension.so"))
        threading.Event().wait(10)
        raise AssertionError

    monkeypatch.setattr(COMMANDS["list"], "run", run)
    assert main(["list"]) == 130
    assert loaded == ["extension"]
    assert capsys.readouterr() == ("", "neurotasks list: interrupted\n")


def test_what_ignores_ctrl_c_goes_on_ignoring_it(monkeypatch):
    """As after nohup."""

    def run(options):
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    monkeypatch.setattr(COMMANDS["list"], "run", run)
    try:
        assert main(["list"]) == 0
    finally:
        signal.signal(signal.SIGINT, before)
    assert guard.SIGNALLED + signal.SIGINT == 130


# A process that interrupts itself at the import numbered in its first argument.
PROGRAM = """
import os, signal, sys

count = int(sys.argv[1])

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        global count
        count -= 1
        if not count:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
from neurotasks_baselines.cli.main import main
sys.exit(main(["evaluate", sys.argv[2]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048])
def test_ctrl_c_at_any_import(number, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(number), tmp_path],
        capture_output=True,
        text=True,
        preexec_fn=accept_interrupts,
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.startswith("neurotasks")
    assert "interrupted. " in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_little_is_imported_before_an_interruption_is_awaited():
    program = "import sys; before = set(sys.modules); import neurotasks_baselines.cli.main; "
    program += "print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.stdout.split() == [
        *("neurotasks_baselines", "neurotasks_baselines.cli", "neurotasks_baselines.cli.main")
    ]
