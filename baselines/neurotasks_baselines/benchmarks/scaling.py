"""How training speed and memory grow with lanes, units, episode length and training time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.ticker import EngFormatter, NullFormatter

from neurotasks_baselines.benchmarks.harness import Entry, Speed, Turn, race, take_turn, write
from neurotasks_baselines.benchmarks.train import LIMIT, OURS, Setup, limit
from neurotasks_baselines.plotting import IDEAL, new_figure, style
from neurotasks_baselines.plotting import OURS as COLOUR

LANES = (1, 4, 16, 64, 256, 1024, 4096, 16384)
HIDDEN = (32, 48, 64, 128, 256, 512)
EPISODES = (50, 100, 200, 500, 1000)
LONG = 10_000_000
MARKS = 10  # of the long training


@dataclass(frozen=True)
class Memory:
    """What a long training needed.

    Attributes:
        program: what ran.
        task: on which task.
        lanes: side by side.
        hidden: LSTM units.
        threads: cores it could use.
        steps: environment steps done.
        seconds: since its first turn.
        peak_bytes: largest memory of its process so far.
    """

    program: str
    task: str
    lanes: int
    hidden: int
    threads: int
    steps: int
    seconds: float
    peak_bytes: int | None


def benchmark_scaling(
    out: str | Path,
    rounds: int = 5,
    *,
    lanes: Sequence[int] = LANES,
    hidden: Sequence[int] = HIDDEN,
    num_episodes: Sequence[int] = EPISODES,
    long: int = LONG,
) -> list[Speed]:
    """Time our training on the bandit, one setting varied at a time.

    The others are 64 lanes, 48 units, and rollouts of one episode of 200 trials. Every turn is a
    fresh process, so that large ones do not lie beside each other; its first second is a warm-up.

    Args:
        out: directory for ``scaling.json`` and ``scaling.png``, and for ``memory.json`` and
            ``memory.png`` of a long training.
        rounds: turns of each setting.
        lanes: numbers of lanes.
        hidden: numbers of LSTM units.
        num_episodes: trials of an episode, which are steps.
        long: environment steps of the long training.

    Returns:
        The speeds.
    """
    usual = Setup(trials=200)
    setups = [replace(usual, lanes=n) for n in lanes]
    setups += [replace(usual, hidden=n) for n in hidden]
    setups += [replace(usual, steps=n, trials=n) for n in num_episodes]
    entries = [limit(usual.task, n) for n in sorted({usual.hidden, *hidden})]
    for setup in dict.fromkeys(setups):
        run = freshly(setup)
        entries.append(Entry(OURS, setup.task, setup.lanes, run, setup.hidden, episode=setup.steps))
    rows = race(entries, rounds, warm_up=False)
    write("scaling", rows, curves(rows), out)
    marks = train_long(usual, long)
    write("memory", marks, memory_curve(marks), out)
    return rows


def freshly(setup: Setup) -> Callable[[], Turn]:
    """Return the program that starts a process, lets it take a turn, and times the second one."""

    def run() -> Turn:
        with setup.worker() as worker:
            worker()
            return worker()

    return run


def train_long(setup: Setup, steps: int) -> list[Memory]:
    """Train for many steps in one process; return its memory on the way."""
    marks: list[Memory] = []
    done, seconds = 0, 0.0
    with setup.worker() as worker:
        entry = Entry(setup.program, setup.task, setup.lanes, worker, setup.hidden)
        while done < steps:
            turn = take_turn(entry)
            done, seconds = done + turn.steps, seconds + turn.seconds
            if done >= steps * (len(marks) + 1) / MARKS:
                who = (setup.program, setup.task, setup.lanes, setup.hidden, 1)
                marks.append(Memory(*who, done, seconds, turn.peak_bytes))
    return marks


def curves(rows: Sequence[Speed]) -> Any:
    """Draw speed and peak memory against lanes, units and episode length, with the limit."""
    limits = {r.hidden: r.steps_per_second.median for r in rows if r.program == LIMIT}
    ours = [r for r in rows if r.program != LIMIT]
    usual = {"lanes": 64, "hidden": 48, "episode": 200}
    titles = {"lanes": "lanes", "hidden": "LSTM units", "episode": "steps of an episode"}
    with style():
        figure, _ = new_figure(3, height=5.0)
        figure.clear()
        axes = figure.subplots(2, 3)
        for (name, title), (speed, memory) in zip(titles.items(), axes.T, strict=True):
            others = [other for other in usual if other != name]
            chosen = [r for r in ours if all(getattr(r, o) == usual[o] for o in others)]
            chosen.sort(key=lambda r: getattr(r, name))
            places = [getattr(r, name) for r in chosen]
            spreads = [r.steps_per_second for r in chosen]
            speed.fill_between(
                places,
                [s.min for s in spreads],
                [s.max for s in spreads],
                color=COLOUR,
                alpha=0.25,
                lw=0,
            )
            speed.plot(places, [s.median for s in spreads], "o-", color=COLOUR, ms=3, label="ours")
            top = [limits[r.hidden] for r in chosen]
            speed.plot(places, top, "--", color=IDEAL, label="arithmetic limit")
            gigabytes = [(r.peak_bytes or 0) / 1e9 for r in chosen]
            memory.plot(places, gigabytes, "o-", color=COLOUR, ms=3)
            speed.set(xscale="log", yscale="log", ylabel="steps per second")
            speed.yaxis.set_major_formatter(EngFormatter(sep=""))
            speed.yaxis.set_minor_formatter(NullFormatter())
            memory.set(xscale="log", ylabel="peak memory (GB)", xlabel=title)
            memory.set_ylim(0, 1.1 * max(gigabytes))
            for axis in (speed, memory):
                axis.set_xticks(places, [f"{place:,}" for place in places], fontsize=6)
                axis.set_xticks([], minor=True)
        axes[0, 0].legend()
    return figure


def memory_curve(marks: Sequence[Memory]) -> Any:
    """Draw peak memory over a long training."""
    with style():
        figure, axes = new_figure(1)
        steps = [mark.steps / 1e6 for mark in marks]
        gigabytes = [(mark.peak_bytes or 0) / 1e9 for mark in marks]
        axes[0].plot(steps, gigabytes, "o-", color=COLOUR, ms=3)
        axes[0].set(xlabel="million steps", ylabel="peak memory (GB)")
        axes[0].set_ylim(0, 1.1 * max(gigabytes))
    return figure
