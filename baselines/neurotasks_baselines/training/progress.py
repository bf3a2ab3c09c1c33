"""What jobs report of their progress, and the display of what is running and what is left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, track as rich_track

from neurotasks.files import write_whole
from neurotasks_baselines.files import check_fields, json_text, read_json
from neurotasks_baselines.quiet import quiet

LOOKS = 1.0  # seconds between looks at what jobs report
EVERY = 60.0  # seconds between lines where the output is not a terminal
ESTIMATE = 300.0  # seconds from which the time left is estimated

T = TypeVar("T")


def track(sequence: Iterable[T], text: str, total: int | None = None) -> Iterable[T]:
    """Show on standard error how far a loop has come, if that is a terminal."""
    console = _console()
    hidden = quiet.get() or not console.is_terminal
    return rich_track(sequence, text, total, console=console, disable=hidden, transient=True)


@contextmanager
def shown_training(
    total: int, done: int, also: Callable[[int], None] | None, wanted: bool
) -> Iterator[Callable[[int], None] | None]:
    """Show the progress of one training.

    Args:
        total: Number of its steps.
        done: Number of steps that were done before.
        also: Another function to call with the number of steps done.
        wanted: Whether it is shown; otherwise only the other function is called.

    Yields:
        Function of the number of steps done by then.
    """
    if not wanted:
        yield also
        return
    started = time.monotonic()
    with Display({"": 1.0}) as display:

        def show(steps: int) -> None:
            elapsed = time.monotonic() - started
            text = _steps(steps, total, (steps - done) / elapsed if elapsed else 0.0)
            display.show({}, {"": Status(min(steps / total, 1.0), text)}, [])
            if also is not None:
                also(steps)

        yield show


def _console() -> Console:
    """Return standard error, which is a terminal only if it is one, whatever FORCE_COLOR says."""
    terminal = None if sys.stderr.isatty() else False
    return Console(stderr=True, force_terminal=terminal, quiet=quiet.get())


def _steps(done: int, total: int, speed: float) -> str:
    return f"{done / 1e6:.2f} of {total / 1e6:.2f} M steps, {speed:,.0f} steps/s"


@dataclass(frozen=True)
class Status:
    """Progress of a job.

    Attributes:
        done: Fraction of its work that is done, 0 to 1.
        text: Present activity in words.
    """

    done: float
    text: str


def progress_reporter(file: Path, agent: str, before: int = 0) -> Callable[[int], None]:
    """Return a function that reports the progress of a job, called with the steps of a training.

    It writes a file as often as the display looks at it, not after every rollout.

    Args:
        file: File to report to, see `reported`.
        agent: Name of the agent in training.
        before: Number of steps of the job's earlier trainings.
    """
    first: list[tuple[int, float]] = []
    due = 0.0

    def report(steps: int) -> None:
        nonlocal due
        now = time.perf_counter()
        if not first:
            first.append((steps, now))
        if now < due:
            return
        due = now + LOOKS
        elapsed = now - first[0][1]
        speed = (steps - first[0][0]) / elapsed if elapsed else 0.0
        progress = {"agent": agent, "steps": before + steps, "steps_per_second": round(speed)}
        write_whole(file, json_text(progress))

    return report


def reported(file: Path, total: int) -> Status:
    """Return the progress that a job has reported.

    Args:
        file: File that it reports to.
        total: Number of steps of all its trainings.
    """
    try:
        found = read_json(file)
        check_fields(found, {"agent": str, "steps": int, "steps_per_second": float})
    except (OSError, ValueError):  # it informs, and is written anew
        return Status(0.0, "starting")
    steps = found["steps"]
    if steps >= total:
        return Status(1.0, "measuring")
    text = _steps(steps, total, found["steps_per_second"])
    return Status(steps / total, f"{found['agent']}: {text}")


class Display:
    """Shows one line per worker, and one for all jobs with the time left, on standard error.

    Of a single job there is one line only. Where that is not a terminal, a plain line follows every
    job that ends, at least one per minute. Nothing is shown if `quiet`.

    Args:
        expected: Names of the jobs and their expected seconds, of which only the ratios count.
        console: Console to write to; that of standard error by default.
    """

    def __init__(self, expected: Mapping[str, float], console: Console | None = None) -> None:
        self.expected, self.console = expected, console or _console()
        self.terminal = self.console.is_terminal
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[text]}"),
            console=self.console,
            speed_estimate_period=ESTIMATE,
            refresh_per_second=1,
            disable=not self.terminal,
        )
        self.lines: dict[str, TaskID] = {}
        self.started = self.written = time.monotonic()

    def __enter__(self) -> Display:
        """Start the display."""
        self.progress.start()
        return self

    def __exit__(self, *error: Any) -> None:
        """Stop, leaving the final state on screen."""
        self.progress.stop()

    def show(
        self, waiting: Mapping[str, Status], running: Mapping[str, Status], ended: Sequence[str]
    ) -> None:
        """Update the display.

        Args:
            waiting: Jobs that have not started; one that was interrupted earlier is done in part.
            running: Running jobs.
            ended: Names of the jobs that have ended.
        """
        done = sum(self.expected[name] for name in ended)
        for name, status in (*waiting.items(), *running.items()):
            done += self.expected[name] * status.done
        if "" not in self.lines:  # what was done before says nothing of the speed
            total = sum(self.expected.values())
            title = "all" if len(self.expected) > 1 else ""
            self.lines[""] = self.progress.add_task(title, total=total, completed=done, text="")  # type: ignore[arg-type] # rich counts in floats too
        self.progress.update(self.lines[""], completed=done)
        left = self._task("").time_remaining
        if len(self.expected) == 1 and running:
            (overall,), running = (status.text for status in running.values()), {}
        else:
            overall = f"{len(ended)} of {len(self.expected)} done, {len(running)} running"
        overall += f", {clock(time.monotonic() - self.started)} elapsed"
        overall += f", about {clock(left)} left" if left else ""
        self.progress.update(self.lines[""], text=overall)
        finished = [name for name in self.lines if name and name not in running]
        for name in finished:
            self.progress.remove_task(self.lines.pop(name))
        for name, status in running.items():
            if name not in self.lines:
                self.lines[name] = self.progress.add_task(name, total=1.0, text="")
            self.progress.update(self.lines[name], completed=status.done, text=status.text)
        if not self.terminal and (finished or time.monotonic() - self.written > EVERY):
            self.written = time.monotonic()
            parts = [f"{name}: {s.done:.0%} {s.text}".rstrip() for name, s in running.items()]
            line = "; ".join([overall, *parts])
            self.console.print(line, soft_wrap=True, highlight=False, markup=False)

    def _task(self, name: str) -> Any:
        return next(task for task in self.progress.tasks if task.id == self.lines[name])


def clock(seconds: float) -> str:
    """Write a duration as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
