"""Speeds of this checkout compared with another one, in paired rounds on one core.

``python -m neurotasks_baselines.benchmarks.against --old CHECKOUT --rounds 15`` prints the ratio of
the speeds of training, this checkout's divided by the other's, in every round, and the median ratio
with its 95 % bootstrap interval; with ``--envs`` those of the environments.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from neurotasks_baselines.benchmarks.programs import BANDIT, TWO_STEP
from neurotasks_baselines.benchmarks.worker import PEERS, Worker
from neurotasks_baselines.processes import limited_to_cores

THIS = Path(__file__).resolve().parents[3]
TRAIN: list[dict[str, Any]] = [
    {"run": "train", "task": task, "num_envs": num_envs}
    for task in (TWO_STEP, BANDIT)
    for num_envs in (64, 128)
]
ENVS: list[dict[str, Any]] = [
    {"run": "envs", "task": task, "num_envs": num_envs}
    for task in (TWO_STEP, BANDIT, "neurotasks/Harlow-v0")
    for num_envs in (1, 64, 1024)
]
# Set by hand, they choose OpenBLAS's kernels; each checkout is to choose its own.
REMOVED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def worker(checkout: Path, seconds: float, setups: list[dict[str, Any]]) -> Worker:
    """Return what is timed of a checkout, as a process of its own.

    Args:
        checkout: Root of the checkout.
        seconds: Shortest processor time of a run.
        setups: What is timed, one after the other: `TRAIN` or `ENVS`.
    """
    path = f"PYTHONPATH={checkout}:{checkout / 'baselines'}"
    unset = [word for name in REMOVED for word in ("-u", name)]
    command = ["env", *unset, path, sys.executable, str(PEERS / "checkout.py")]
    return Worker(command, {"checkout": str(checkout), "seconds": seconds, "setups": setups})


def paired_ratios(
    old: Path,
    new: Path = THIS,
    *,
    setups: list[dict[str, Any]] = TRAIN,
    rounds: int = 15,
    repeats: int = 4,
    seconds: float = 0.4,
) -> Iterator[list[float]]:
    """Yield the ratios of the speeds of two checkouts, round by round.

    In each round both run in fresh processes on the same core. They run alternately, never at the
    same time, with every setup; which of them is first alternates too. A speed is the number of
    steps per second of processor time over all runs of a round, so that other programs on the
    machine matter little.

    Args:
        old: Root of the checkout that is the denominator.
        new: Root of the checkout that is the numerator; this one by default.
        setups: What is timed, `TRAIN` or `ENVS`.
        rounds: Number of rounds.
        repeats: Number of runs of each checkout with each setup in a round, after a warm-up run.
        seconds: Shortest processor time of a run.

    Yields:
        Ratios of a round, one for each of the setups.

    Raises:
        PeerError: If a checkout does not run.
    """
    for number in range(rounds):
        with (
            limited_to_cores(1),
            worker(old, seconds, setups) as theirs,
            worker(new, seconds, setups) as ours,
        ):
            totals = np.zeros((2, len(setups), 2))  # of steps and seconds
            for repeat in range(repeats + 1):
                for setup, _ in enumerate(setups):
                    order = (0, 1) if (number + repeat + setup) % 2 else (1, 0)
                    for i in order:
                        result = (theirs, ours)[i]()
                        if repeat > 0:
                            totals[i, setup] += result.steps, result.seconds
            speeds = totals[..., 0] / totals[..., 1]
            yield list(speeds[1] / speeds[0])


def interval(ratios: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the median of several ratios."""
    found = stats.bootstrap(
        (np.asarray(ratios),), np.median, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return float(found.low), float(found.high)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write every round and the medians to standard output."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--old", type=Path, required=True, help="root of the other checkout")
    parser.add_argument("--rounds", type=int, default=15, help="paired rounds (default 15)")
    parser.add_argument(
        "--repeats", type=int, default=4, help="runs of each checkout per round (default 4)"
    )
    parser.add_argument(
        "--seconds", type=float, default=0.4, help="shortest processor time of a run (default 0.4)"
    )
    parser.add_argument(
        "--envs", action="store_true", help="time the environments instead of the training"
    )
    options = parser.parse_args(arguments)
    setups = ENVS if options.envs else TRAIN
    names = [f"{s['task'].partition('/')[2]}, {s['num_envs']}" for s in setups]
    lines: list[list[float]] = []
    sys.stdout.write("round  " + "  ".join(f"{name:>18}" for name in names) + "\n")
    measured = paired_ratios(
        options.old.resolve(),
        setups=setups,
        rounds=options.rounds,
        repeats=options.repeats,
        seconds=options.seconds,
    )
    for number, ratios in enumerate(measured, start=1):
        lines.append(ratios)
        sys.stdout.write(f"{number:5}  " + "  ".join(f"{ratio:18.3f}" for ratio in ratios) + "\n")
        sys.stdout.flush()
    for name, ratios in zip(names, np.array(lines).T, strict=True):
        low, high = interval(ratios) if len(ratios) > 1 else (float("nan"),) * 2
        sys.stdout.write(f"{name}: median {np.median(ratios):.3f}, 95 % [{low:.3f}, {high:.3f}]\n")


if __name__ == "__main__":
    main()
