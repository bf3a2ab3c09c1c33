"""Candidates compared in rounds: each runs once per round; medians with their range.

Ratios within a comparison are what to quote; the speed of a machine drifts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from neurotasks_baselines.processes import limited_to_cores

SECONDS = 0.3  # shortest time of a run


@dataclass(frozen=True)
class Result:
    """Outcome of one run of a program.

    Attributes:
        steps: Number of environment steps.
        seconds: Time they took.
        peak_bytes: Peak memory of its process so far, None without a process of its own.
        versions: Versions of the packages that ran, where they are not ours.
    """

    steps: int
    seconds: float
    peak_bytes: int | None = None
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """One program of a comparison.

    Attributes:
        program: Name of the program.
        task: Id of its task.
        num_envs: Number of sub-environments, 0 without environments.
        run: Function that runs the program once.
        units: Number of LSTM units, 0 without a network.
        threads: Number of cores it may use.
        episode_length: Number of steps of an episode, 0 for the task's own.
        channels: Number of channels of the critic, 0 where it is not what differs.
    """

    program: str
    task: str
    num_envs: int
    run: Callable[[], Result]
    units: int = 0
    threads: int = 1
    episode_length: int = 0
    channels: int = 0


@dataclass(frozen=True)
class Summary:
    """Median and range over the rounds."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Summary:
        """Return the summary of some values."""
        array = np.fromiter(values, float)
        return cls(float(np.median(array)), float(array.min()), float(array.max()))


@dataclass(frozen=True)
class Speed:
    """Speed of one candidate.

    Attributes:
        program: Name of the program.
        task: Id of its task.
        num_envs: Number of sub-environments, 0 without environments.
        units: Number of LSTM units, 0 without a network.
        threads: Number of cores it could use.
        episode_length: Number of steps of an episode, 0 for the task's own.
        channels: Number of channels of the critic, 0 where it is not what differs.
        steps_per_second: Environment steps per second, over the rounds.
        rounds: Number of rounds.
        startup_seconds: Time by which the first run was longer than a usual one: compilation, and
            for a program in a process of its own also its start and imports. None if not timed.
        peak_bytes: Peak memory of its process after the last round, see `Result`.
        versions: Versions of the packages that ran, see `Result`.
    """

    program: str
    task: str
    num_envs: int
    units: int
    threads: int
    episode_length: int
    channels: int
    steps_per_second: Summary
    rounds: int
    startup_seconds: float | None
    peak_bytes: int | None
    versions: dict[str, str]


def compare(candidates: Sequence[Candidate], rounds: int, *, warm_up: bool = True) -> list[Speed]:
    """Run every candidate once per round, in reversed order every other round.

    Args:
        candidates: Programs to compare.
        rounds: Number of rounds.
        warm_up: Whether each runs once before the first round, which does not count.

    Returns:
        Their speeds, in the order of the candidates.
    """
    starts: list[float | None] = [None] * len(candidates)
    if warm_up:
        for i, candidate in enumerate(candidates):
            begun = time.perf_counter()
            run_once(candidate)
            starts[i] = time.perf_counter() - begun
    results: list[list[Result]] = [[] for _ in candidates]
    for number in range(rounds):
        order = range(len(candidates))
        for i in order if number % 2 == 0 else reversed(order):
            results[i].append(run_once(candidates[i]))
    return [_speed(*found) for found in zip(candidates, results, starts, strict=True)]


def _speed(candidate: Candidate, results: list[Result], first: float | None) -> Speed:
    usual = float(np.median([result.seconds for result in results]))
    return Speed(
        program=candidate.program,
        task=candidate.task,
        num_envs=candidate.num_envs,
        units=candidate.units,
        threads=candidate.threads,
        episode_length=candidate.episode_length,
        channels=candidate.channels,
        steps_per_second=Summary.of(result.steps / result.seconds for result in results),
        rounds=len(results),
        startup_seconds=None if first is None else round(max(first - usual, 0.0), 2),
        peak_bytes=results[-1].peak_bytes,
        versions=results[-1].versions,
    )


def run_once(candidate: Candidate) -> Result:
    """Run a candidate once, on the cores it may use."""
    with limited_to_cores(candidate.threads):
        return candidate.run()


def repeated(step: Callable[[], int], seconds: float = SECONDS) -> Callable[[], Result]:
    """Return the program that repeats a function for some time.

    Args:
        step: Function that takes environment steps and returns how many.
        seconds: Shortest time of a run.
    """

    def run() -> Result:
        steps, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds:
            steps += step()
        return Result(steps, passed)

    return run
