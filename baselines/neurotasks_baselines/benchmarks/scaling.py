"""How training speed and memory grow with environments, units, episodes, channels and time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, NullFormatter

from neurotasks_baselines.benchmarks.harness import Candidate, Result, Speed, compare, run_once
from neurotasks_baselines.benchmarks.output import write
from neurotasks_baselines.benchmarks.programs import LIMIT
from neurotasks_baselines.benchmarks.train import Setup, limit
from neurotasks_baselines.plotting import IDEAL, OURS, new_figure, style

NUM_ENVS = (1, 4, 16, 64, 256, 1024, 4096, 16384)
UNITS = (32, 48, 64, 128, 256, 512)
EPISODE_LENGTHS = (50, 100, 200, 500, 1000)
CHANNELS = (1, 9, 33, 99)
LONG = 10_000_000
MARKS = 10  # of the long training


@dataclass(frozen=True)
class Memory:
    """Time and memory of a long training so far.

    Attributes:
        program: Name of the program.
        task: Id of the task.
        num_envs: Number of sub-environments.
        units: Number of LSTM units.
        threads: Number of cores it could use.
        steps: Number of environment steps done.
        seconds: Time since its first run.
        peak_bytes: Peak memory of its process.
    """

    program: str
    task: str
    num_envs: int
    units: int
    threads: int
    steps: int
    seconds: float
    peak_bytes: int | None


def benchmark_scaling(
    out: str | Path,
    rounds: int = 5,
    *,
    num_envs: Sequence[int] = NUM_ENVS,
    units: Sequence[int] = UNITS,
    episode_lengths: Sequence[int] = EPISODE_LENGTHS,
    channels: Sequence[int] = CHANNELS,
    long: int = LONG,
) -> list[Speed]:
    """Time our training on the bandit, one setting varied at a time.

    The others are 64 sub-environments, 48 units, one channel, and rollouts of one episode of 200
    trials. Every
    run is a fresh process, so that large ones are never in memory together; its first second is a
    warm-up.

    Args:
        out: Directory for ``scaling.json`` and ``scaling.png``, and for ``memory.json`` and
            ``memory.png`` of a long training.
        rounds: Number of rounds.
        num_envs: Numbers of sub-environments.
        units: Numbers of LSTM units.
        episode_lengths: Numbers of trials per episode; each trial is one step.
        channels: Numbers of channels of the critic.
        long: Number of environment steps of the long training.

    Returns:
        The speeds.
    """
    usual = Setup(trials=200)
    setups = [replace(usual, num_envs=n) for n in num_envs]
    setups += [replace(usual, units=n) for n in units]
    setups += [replace(usual, n_steps=n, trials=n) for n in episode_lengths]
    setups += [replace(usual, channels=n) for n in channels]
    candidates = [limit(usual.task, n) for n in sorted({usual.units, *units})]
    candidates += [
        Candidate(
            setup.program,
            setup.task,
            setup.num_envs,
            in_fresh_processes(setup),
            setup.units,
            episode_length=setup.n_steps,
            channels=setup.channels,
        )
        for setup in dict.fromkeys(setups)
    ]
    rows = compare(candidates, rounds, warm_up=False)
    write("scaling", rows, curves(rows), out)
    marks = train_long(usual, long)
    write("memory", marks, memory_curve(marks), out)
    return rows


def in_fresh_processes(setup: Setup) -> Callable[[], Result]:
    """Return the program that starts a process, lets it run twice, and returns the second run."""

    def run() -> Result:
        with setup.worker() as worker:
            worker()
            return worker()

    return run


def train_long(setup: Setup, steps: int) -> list[Memory]:
    """Train for many steps in one process; return its memory on the way."""
    marks: list[Memory] = []
    done, seconds = 0, 0.0
    with setup.worker() as worker:
        candidate = Candidate(setup.program, setup.task, setup.num_envs, worker, setup.units)
        while done < steps:
            result = run_once(candidate)
            done, seconds = done + result.steps, seconds + result.seconds
            if done >= steps * (len(marks) + 1) / MARKS:
                marks.append(
                    Memory(
                        setup.program,
                        setup.task,
                        setup.num_envs,
                        setup.units,
                        1,
                        done,
                        seconds,
                        result.peak_bytes,
                    )
                )
    return marks


def curves(rows: Sequence[Speed]) -> Figure:
    """Draw speed and peak memory against environments, units, episode length and channels."""
    limits = {r.units: r.steps_per_second.median for r in rows if r.program == LIMIT}
    trainings = [r for r in rows if r.program != LIMIT]
    usual = {"num_envs": 64, "units": 48, "episode_length": 200, "channels": 1}
    titles = {
        "num_envs": "environments",
        "units": "LSTM units",
        "episode_length": "episode length",
        "channels": "channels of the critic",
    }
    with style():
        figure, axes = new_figure(4, height=2.5, rows=2)
        for (name, title), speed, memory in zip(titles.items(), axes[:4], axes[4:], strict=True):
            others = [other for other in usual if other != name]
            chosen = [r for r in trainings if all(getattr(r, o) == usual[o] for o in others)]
            chosen.sort(key=lambda r: getattr(r, name))
            places = [getattr(r, name) for r in chosen]
            draw_speed(speed, places, chosen, [limits[r.units] for r in chosen])
            gigabytes = [(r.peak_bytes or 0) / 1e9 for r in chosen]
            memory.plot(places, gigabytes, "o-", color=OURS, ms=3)
            memory.set(xscale="log", ylabel="peak memory (GB)", xlabel=title)
            memory.set_ylim(0, 1.1 * max(gigabytes))
            for panel in (speed, memory):
                panel.set_xticks(places, [f"{place:,}" for place in places], fontsize=6)
                panel.set_xticks([], minor=True)
        axes[0].legend()
    return figure


def draw_speed(
    axes: Any, places: Sequence[int], rows: Sequence[Speed], limits: Sequence[float]
) -> None:
    """Draw medians with their range, and the arithmetic limit of each.

    Args:
        axes: Axes of matplotlib to draw on.
        places: Positions along the horizontal axis.
        rows: Speed at each position.
        limits: Arithmetic limit at each position, in steps per second.
    """
    speeds = [r.steps_per_second for r in rows]
    low, high = [s.min for s in speeds], [s.max for s in speeds]
    axes.fill_between(places, low, high, color=OURS, alpha=0.25, lw=0)
    axes.plot(places, [s.median for s in speeds], "o-", color=OURS, ms=3, label="ours")
    axes.plot(places, limits, "--", color=IDEAL, label=LIMIT)
    axes.set(xscale="log", yscale="log", ylabel="steps per second")
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_minor_formatter(NullFormatter())
    decades = np.log10([min(low), max([*high, *limits])])
    axes.set_ylim(10 ** np.floor(decades[0]), 10 ** np.ceil(decades[1]))


def memory_curve(marks: Sequence[Memory]) -> Figure:
    """Draw peak memory over a long training."""
    with style():
        figure, (axes,) = new_figure(1)
        steps = [mark.steps / 1e6 for mark in marks]
        gigabytes = [(mark.peak_bytes or 0) / 1e9 for mark in marks]
        axes.plot(steps, gigabytes, "o-", color=OURS, ms=3)
        axes.set(xlabel="million steps", ylabel="peak memory (GB)")
        axes.set_ylim(0, 1.1 * max(gigabytes))
    return figure
