"""Whether an agent forgot at the start of each rollout while it was trained.

Evaluation cannot show it: there are no rollouts. The log of a training on the task `hold` can. An
agent that forgets there is right before some step and wrong after it, in the middle of its
episodes, in all environments at once, and every so many steps again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurotasks_baselines.suite.memory_tasks import Log

WINDOW = 4  # questions before and after a step
BOUNDARIES = 4  # the fewest rollouts in the part of the log that is looked at
CROSSINGS = 40  # the fewest episodes that go on across their boundaries


@dataclass(frozen=True)
class Forgetting:
    """Loss of memory every so many steps of a training.

    Attributes:
        period: Steps per environment after each of which most was forgotten.
        lost: Share of wrong answers in the `WINDOW` questions after such a step, in episodes whose
            `WINDOW` answers before it were all right, less the same far from such steps.
    """

    period: int
    lost: float


def forgetting(logs: Sequence[Log]) -> Forgetting | None:
    """Find the period at which an agent forgot most in the second half of its training.

    Periods are counted from the first step and, as some libraries try an environment out before
    they train in it, back from the last one, where a rollout ends.

    Args:
        logs: Logs of the environments of one training, stepped together.

    Returns:
        The period, and how much was lost; None if there is too little to say.
    """
    if not logs:
        return None
    steps = min(len(log.right) for log in logs)
    joined = [
        np.concatenate([getattr(log, name)[:steps] for log in logs], axis=1)
        for name in ("right", "asked", "steps_ago")
    ]
    drops, counts = _drops(*joined)
    drops[: steps // 2] = counts[: steps // 2] = 0.0
    found = []
    periods = range(2 * WINDOW, (steps - steps // 2) // BOUNDARIES + 1)
    for period, tried in ((p, t) for p in periods for t in sorted({0, steps % p})):
        after = (np.arange(steps) - tried) % period
        at, away = after == 0, (after >= WINDOW) & (after <= period - WINDOW)
        if min(counts[at].sum(), counts[away].sum()) >= CROSSINGS:
            lost = drops[at].sum() / counts[at].sum() - drops[away].sum() / counts[away].sum()
            found.append(Forgetting(period, float(lost)))
    most = max((each.lost for each in found), default=0.0)
    # At its multiples the same is lost: the shortest period counts.
    return next((each for each in found if each.lost >= 0.8 * most), None)


def answers_at_the_end(logs: Sequence[Log]) -> dict[int, float]:
    """Return the shares of right answers in the last eighth of a training, by the step of the cue.

    Args:
        logs: Logs of the environments of one training; none for no shares.
    """
    parts = [
        (log.right[asked], log.onset[asked])
        for log in logs
        for asked in [log.asked & (np.arange(len(log.asked))[:, None] >= len(log.asked) * 7 // 8)]
    ]
    if not parts:
        return {}
    right, onset = (np.concatenate(part) for part in zip(*parts, strict=True))
    return {int(value): float(right[onset == value].mean()) for value in np.unique(onset)}


def _drops(
    right: NDArray[np.bool_], asked: NDArray[np.bool_], ago: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each step the sum of what was lost at it over environments, and their number.

    An environment counts if its episode has `WINDOW` questions before the step and after it, and
    it knew the answer: those before were all right.
    """
    steps = len(right)
    drops, counts = np.zeros(steps), np.zeros(steps)
    for step in range(WINDOW, steps - WINDOW + 1):
        window = slice(step - WINDOW, step + WINDOW)
        one_episode = ago[step + WINDOW - 1] >= 2 * WINDOW
        known = right[window][:WINDOW].all(axis=0)
        counted = one_episode & asked[window].all(axis=0) & known
        wrong = ~right[window][WINDOW:, counted]
        drops[step], counts[step] = wrong.mean(axis=0).sum(), counted.sum()
    return drops, counts
