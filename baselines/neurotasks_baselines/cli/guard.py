"""What becomes of the errors of a command, and of the signals that end it."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from importlib.machinery import ExtensionFileLoader
from types import FrameType
from typing import TYPE_CHECKING, Any

from neurotasks_baselines.imports import IMPORTED
from neurotasks_baselines.quiet import quiet

if TYPE_CHECKING:
    import argparse

SIGNALLED = 128  # and the number of the signal, as shells say
EXPLAINED = ("neurotasks", "neurotasks_baselines", "gymnasium")  # packages with errors of their own
HINTS = {
    errno.ENOSPC: "Make room there, and run the same command again.",
    errno.EDQUOT: "Make room there, and run the same command again.",
    errno.EACCES: "Choose a place where you may write, or change its permissions.",
    errno.EPERM: "Choose a place where you may write, or change its permissions.",
    errno.EROFS: "Choose a place where you may write.",
    errno.ENOTDIR: "A part of the path is a file, and must be a directory.",
    errno.EEXIST: "It is a file, and must be a directory.",
    errno.EISDIR: "It is a directory, and must be a file.",
}
REPORT = (
    "Please report it, with the lines above and what `neurotasks doctor --json` prints, as "
    "README.md says."
)
BUG = f"This is a bug in neurotasks. {REPORT}"
THEIRS = f"The lines above pass through {{}}: look there first. If the mistake is ours: {REPORT}"


def guarded(words: list[str], last: bool) -> int:
    """Run the command.

    Args:
        words: Words of the command line.
        last: Whether the process ends with it; otherwise everything is afterwards as before.

    Returns:
        Exit status, as ``neurotasks --help`` lists them.
    """
    _mend_streams()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    in_threads, threading.excepthook = threading.excepthook, _in_thread
    at_ends, sys.unraisablehook = sys.unraisablehook, _unraisable
    run = Run(words)
    try:
        _handle(signal.SIGTERM, run.terminate)
        if handlers[signal.SIGINT] is signal.default_int_handler:  # not ignored, as by nohup
            _handle(signal.SIGINT, run.interrupt)
        try:
            return run()
        finally:
            sys.stdout.flush()  # what cannot be written is noticed here, not at exit
    except SystemExit:
        raise
    except BaseException as error:
        _handle(signal.SIGINT, signal.SIG_IGN)  # another Ctrl-C changes nothing any more
        _discard_unwritten()
        status, message = explanation(run.signalled or error)
        if not status:
            error.add_note(_whose(error))
            raise
        if run.signalled or isinstance(error, KeyboardInterrupt):
            sys.unraisablehook = _say_nothing  # what is half-made complains as it goes
            message = ". ".join(filter(None, [message, run.kept()]))
        if message:
            with contextlib.suppress(OSError):
                line = " ".join(["neurotasks", *words[:1]]) + f": {message}"
                print(" ".join(line.splitlines()), file=sys.stderr)
            _discard_unwritten()
        return status
    finally:
        if not last:
            threading.excepthook, sys.unraisablehook = in_threads, at_ends
        for number, handler in handlers.items():  # a process at its end has nothing to save
            _handle(number, signal.SIG_IGN if last else handler)


class Run:
    """One run of a command.

    Args:
        words: Words of the command line.

    Attributes:
        signalled: Interruption that a signal has asked for. Whoever catches it on its way, such as
            a module whose import fails with another error, does not keep it from its effect.
    """

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.signalled: KeyboardInterrupt | None = None
        self.kept: Callable[[], str] = lambda: "Nothing was begun."

    def __call__(self) -> int:
        """Run it; returns its exit status."""
        from neurotasks_baselines.cli.commands import COMMANDS, parser

        options = parser().parse_args(self.words)
        module = COMMANDS[options.command]
        self.kept = partial(getattr(module, "kept", _nothing), options)
        token = quiet.set("quiet" in options)
        try:
            return module.run(options) or 0
        finally:
            quiet.reset(token)

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """End it at Ctrl-C."""
        if _again_later(number, frame):
            return
        self.signalled = KeyboardInterrupt()
        raise KeyboardInterrupt

    def terminate(self, number: int, frame: FrameType | None) -> None:
        """End it at SIGTERM."""
        if _again_later(number, frame):
            return
        from neurotasks_baselines.processes import Terminated

        self.signalled = Terminated()
        raise Terminated


def _again_later(number: int, frame: FrameType | None) -> bool:
    """Send a signal again soon if an extension module is being loaded.

    An exception that is raised within C++ that does not let it pass, such as that of PyTorch while
    it is imported, aborts the process.
    """
    while frame is not None:
        if isinstance(frame.f_locals.get("self"), ExtensionFileLoader):
            threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
            return True
        frame = frame.f_back
    return False


def _nothing(options: argparse.Namespace) -> str:
    return ""


def explanation(error: BaseException) -> tuple[int, str]:
    """Return the exit status and the line for what ended the command, (0, "") if it is a bug."""
    from concurrent.futures.process import BrokenProcessPool

    from neurotasks_baselines.processes import Terminated

    text = str(error)
    match error:
        case Terminated():
            return SIGNALLED + signal.SIGTERM, "terminated"
        case KeyboardInterrupt():
            return SIGNALLED + signal.SIGINT, "interrupted"
        case BrokenPipeError():  # the reader has read enough, as in `| head -1`
            return SIGNALLED + 13, ""
        case MemoryError():
            return 1, f"not enough memory: {text}. Ask for less at a time, or free some."
        case RuntimeError() if re.search(
            "alloc.*memory|start new thread", text
        ):  # no class of its own
            return 1, f"not enough memory: {text}. Ask for less at a time, or free some."
        case BrokenProcessPool():
            return 1, (
                "a worker process was killed, perhaps because there was not enough memory. Run the "
                "same command again to resume."
            )
        case ImportError() if (error.name or "").partition(".")[0] not in EXPLAINED:
            return 1, f"{text}. Run `pip install 'neurotasks[baselines]'`."
        case OSError() if error.errno:
            about = "" if error.filename is None else f": {error.filename}"
            hint = HINTS.get(error.errno, "")
            return 1, f"{error.strerror}{about}. {hint}".rstrip(". ") + "."
    if type(error).__module__.partition(".")[0] not in EXPLAINED:
        return 0, ""
    if type(error).__name__ == "NamespaceNotFound":
        text += " Custom tasks need --import FILE."
    if type(error).__name__ == "DependencyNotInstalled":  # commands need more than the analyses do
        text = text.replace("neurotasks[analysis]", "neurotasks[baselines]")
    return 1, text


def _whose(error: BaseException) -> str:
    """Return what to say of a mistake: in a file that was imported, or else in this package."""
    lines = "".join(traceback.format_exception(error))  # and those of a worker process
    files = (file for file in IMPORTED if f'File "{file}"' in lines)
    return next((THEIRS.format(file) for file in files), BUG)


def _in_thread(thrown: threading.ExceptHookArgs) -> None:
    """Show what ended a thread, unless `main` meets it too: a full disk under TensorBoard's."""
    if thrown.exc_value is not None and not explanation(thrown.exc_value)[0]:
        threading.__excepthook__(thrown)


def _say_nothing(unraisable: Any) -> None:
    pass


def _unraisable(unraisable: Any) -> None:
    """Send an interruption anew that came where nothing can be raised, such as in ``__del__``."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(unraisable)


def _handle(number: int, handler: Any) -> None:
    if threading.current_thread() is threading.main_thread():  # others may not
        signal.signal(number, handler)


def _mend_streams() -> None:
    """Open what was closed, and let what the terminal cannot show be shown as an escape."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard_unwritten() -> None:
    """Point streams whose reader has gone to nowhere, so that nothing is said of it at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
