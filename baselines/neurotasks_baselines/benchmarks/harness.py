"""Programs take turns in rounds; medians with their range.

Ratios within a run are what to quote; the speed of a machine drifts.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import EngFormatter

from neurotasks_baselines.errors import PeerError
from neurotasks_baselines.plotting import IDEAL, OURS, new_figure, style

SECONDS = 0.3  # that a program steps in one turn, at least
PACKAGES = (
    *("neurotasks", "gymnasium", "numpy", "numba"),
    *("torch", "stable-baselines3", "sb3-contrib"),
)
PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Turn:
    """What a program did in one turn.

    Attributes:
        steps: environment steps.
        seconds: they took.
        peak_bytes: largest memory its process has had, None where it has no process of its own.
        versions: of the packages that ran, where they are not ours.
    """

    steps: int
    seconds: float
    peak_bytes: int | None = None
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One program of a race.

    Attributes:
        program: what runs.
        task: on which task.
        lanes: side by side.
        run: takes a turn.
        hidden: LSTM units, 0 without a network.
        threads: cores it may use.
        episode: steps of an episode, 0 where they are the task's own.
    """

    program: str
    task: str
    lanes: int
    run: Callable[[], Turn]
    hidden: int = 0
    threads: int = 1
    episode: int = 0


@dataclass(frozen=True)
class Spread:
    """Median and range over the rounds."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return the spread of some values."""
        array = np.fromiter(values, float)
        return cls(float(np.median(array)), float(array.min()), float(array.max()))


@dataclass(frozen=True)
class Speed:
    """What one program of a race reached.

    Attributes:
        program: what ran.
        task: on which task.
        lanes: side by side.
        hidden: LSTM units, 0 without a network.
        threads: cores it could use.
        episode: steps of an episode, 0 where they are the task's own.
        steps_per_second: environment steps, over the rounds.
        rounds: how many turns.
        startup_seconds: what the first turn took more than a usual one: compilation, and for a
            program in a process of its own also its start and imports. None if it was not timed.
        peak_bytes: as in `Turn`, after the last round.
        versions: as in `Turn`.
    """

    program: str
    task: str
    lanes: int
    hidden: int
    threads: int
    episode: int
    steps_per_second: Spread
    rounds: int
    startup_seconds: float | None
    peak_bytes: int | None
    versions: dict[str, str]


def race(entries: Sequence[Entry], rounds: int, *, warm_up: bool = True) -> list[Speed]:
    """Let programs take turns, every other round in reversed order.

    Args:
        entries: the programs.
        rounds: turns of each.
        warm_up: whether each takes a turn before, which does not count.

    Returns:
        Their speeds, in the order of the entries.
    """
    starts: list[float | None] = [None] * len(entries)
    if warm_up:
        for i, entry in enumerate(entries):
            begun = time.perf_counter()
            take_turn(entry)
            starts[i] = time.perf_counter() - begun
    turns: list[list[Turn]] = [[] for _ in entries]
    for number in range(rounds):
        order = range(len(entries))
        for i in order if number % 2 == 0 else reversed(order):
            turns[i].append(take_turn(entries[i]))
    return [_speed(*found) for found in zip(entries, turns, starts, strict=True)]


def _speed(entry: Entry, turns: list[Turn], first: float | None) -> Speed:
    usual = float(np.median([turn.seconds for turn in turns]))
    return Speed(
        entry.program,
        entry.task,
        entry.lanes,
        entry.hidden,
        entry.threads,
        entry.episode,
        Spread.of(turn.steps / turn.seconds for turn in turns),
        len(turns),
        None if first is None else round(max(first - usual, 0.0), 2),
        turns[-1].peak_bytes,
        turns[-1].versions,
    )


def take_turn(entry: Entry) -> Turn:
    """Let a program take a turn on the cores it may use."""
    with cores(entry.threads):
        return entry.run()


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def cores(count: int) -> Iterator[None]:
    """Confine this thread, and what it starts, to the first cores of those it may use.

    Does nothing where the operating system cannot.
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


def for_a_while(turn: Callable[[], int], seconds: float = SECONDS) -> Callable[[], Turn]:
    """Return a program that repeats ``turn``, which returns its steps, for at least ``seconds``."""

    def run() -> Turn:
        steps, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds:
            steps += turn()
        return Turn(steps, passed)

    return run


class Worker:
    """A program in a process of its own, which takes a turn for every line on its input.

    It gets its configuration as one argument in JSON, and answers each line with a line of JSON:
    ``steps``, ``seconds``, and if it likes ``versions``, see `Turn`. The process starts with the
    first turn and stays, so that compilation is not counted.

    Args:
        command: interpreter and script, or interpreter, ``"-m"`` and module.
        configuration: what the program runs.
    """

    def __init__(self, command: Sequence[str], configuration: Mapping[str, Any]) -> None:
        self.command = [*command, json.dumps(configuration)]
        self.process: subprocess.Popen[str] | None = None

    def __call__(self) -> Turn:
        """Take a turn."""
        self.begin()
        return self.end()

    def begin(self) -> None:
        """Tell the program to take a turn.

        Raises:
            PeerError: if its interpreter cannot be started, or it has ended.
        """
        try:
            if self.process is None:
                self.process = subprocess.Popen(
                    self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            self.process.stdin.write("turn\n")  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            self._complain()
        except OSError as error:
            raise PeerError(
                f"{self.command[0]} could not be started ({error.strerror}). Give the Python "
                "interpreter of the environment the program is installed in."
            ) from error

    def end(self) -> Turn:
        """Wait for the answer.

        Raises:
            PeerError: if the program has ended without one.
        """
        line = ""
        while not line.startswith("{"):  # what libraries print is no answer
            line = self.process.stdout.readline()  # type: ignore[union-attr]
            if not line:
                self._complain()
        fields = json.loads(line)
        size = peak_bytes(self.process.pid)  # type: ignore[union-attr]
        return Turn(fields["steps"], fields["seconds"], size, fields.get("versions", {}))

    def __enter__(self) -> Worker:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process: its input is over."""
        if self.process is not None:
            self.process.communicate()
            self.process = None

    def _complain(self) -> None:
        code = self.process.wait()  # type: ignore[union-attr]
        raise PeerError(
            f"{' '.join(self.command)} ended with code {code} instead of taking a turn; what it "
            "wrote is above. Install what its first lines name."
        )


def side_by_side(workers: Sequence[Worker]) -> Callable[[], Turn]:
    """Return the program that several workers are together; its steps are the sum of theirs."""

    def run() -> Turn:
        start = time.perf_counter()
        for worker in workers:
            worker.begin()
        turns = [worker.end() for worker in workers]
        return Turn(sum(turn.steps for turn in turns), time.perf_counter() - start)

    return run


def serve(run: Callable[[], Turn]) -> None:
    """Take a turn for every line on the input: the other side of `Worker`."""
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(asdict(run())) + "\n")
        sys.stdout.flush()


def peak_bytes(process: int) -> int | None:
    """Return the largest memory a running process has had; None where Linux does not tell it.

    Not from ``resource``: its value begins with that of the process that started the other.
    """
    file = Path(f"/proc/{process}/status")
    lines = file.read_text().splitlines() if file.exists() else []
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
    return sizes[0] if sizes else None


def peer_script(peer: str, benchmark: str) -> Path:
    """Return the script that is a peer's side of a benchmark.

    Raises:
        PeerError: if there is none.
    """
    found = {path.stem.removesuffix(f"_{benchmark}"): path for path in PEERS.glob("*.py")}
    scripts = {name: path for name, path in found.items() if path.stem != name}
    if peer not in scripts:
        known = ", ".join(sorted(scripts)) or "none"
        raise PeerError(f"There is no peer {peer!r} of `benchmark {benchmark}`; known: {known}.")
    return scripts[peer]


def machine() -> dict[str, Any]:
    """Return processor, cores, system, and the versions of what runs."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    for line in information.read_text().splitlines() if information.exists() else []:
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "versions": {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
    }


def write(name: str, rows: Sequence[Any], figure: Any, out: str | Path) -> None:
    """Write ``NAME.json`` and ``NAME.png``, and the machine to ``machine.json`` under the name.

    Args:
        name: of the benchmark.
        rows: dataclasses.
        figure: a matplotlib figure.
        out: directory.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    machines = out / "machine.json"
    known = json.loads(machines.read_text()) if machines.exists() else {}
    known[name] = machine()
    machines.write_text(json.dumps(known, indent=1) + "\n")
    (out / f"{name}.json").write_text(json.dumps([asdict(r) for r in rows], indent=1) + "\n")
    figure.savefig(out / f"{name}.png")


def bars(rows: Sequence[Speed], ours: Sequence[str]) -> Any:
    """Draw speeds as bars, medians with their range, our programs in colour."""
    with style():
        figure, axes = new_figure(1, width=7, height=0.8 + 0.2 * len(rows))
        labels = [label(r) for r in rows]
        colours = [OURS if r.program in ours and "CartPole" not in r.task else IDEAL for r in rows]
        speeds = [r.steps_per_second for r in rows]
        axes[0].barh(labels, [s.median for s in speeds], color=colours)
        axes[0].hlines(labels, [s.min for s in speeds], [s.max for s in speeds], color="black")
        wide = max(s.max for s in speeds) > 100 * min(s.min for s in speeds)
        axes[0].set(xscale="log" if wide else "linear", xlabel="environment steps per second")
        axes[0].xaxis.set_major_formatter(EngFormatter(sep=""))
        axes[0].tick_params(axis="y", labelsize=7)
        axes[0].invert_yaxis()
        axes[0].margins(y=0.01)
        rounds = rows[0].rounds
        axes[0].set_title(f"{machine()['processor']}, {rounds} round{'s' * (rounds != 1)}")
    return figure


def label(row: Speed) -> str:
    """Return the name of a row in a figure."""
    parts = [row.program, row.task.removeprefix("neurotasks/")]
    parts += [f"{row.lanes:,} lanes"] if row.lanes > 1 else []
    parts += [f"{row.threads} cores"] if row.threads > 1 else []
    return ", ".join(parts)
