"""Scores over tasks and seeds: interquartile mean, intervals, profile, comparison.

As Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice",
recommend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

RESAMPLES = 2000
CONFIDENCE = 0.95

ByTask = Mapping[str, Sequence[float]]  # scores of the seeds, by id


class Aggregate(NamedTuple):
    """An aggregate over tasks and seeds with the ends of its interval, None with one seed."""

    value: float
    low: float | None
    high: float | None


def interquartile_mean(scores: ByTask) -> Aggregate:
    """Return the mean of the middle half of all scores, with a stratified bootstrap interval.

    Args:
        scores: Scores of the seeds of each task, which are resampled within the task.
    """
    samples = [np.asarray(of_task, np.float64) for of_task in scores.values()]

    def statistic(*parts: Any, axis: int = -1) -> Any:
        return stats.trim_mean(np.concatenate(parts, axis=axis), 0.25, axis=axis)

    value = float(statistic(*samples))
    if min(map(len, samples)) < 2:
        return Aggregate(value, None, None)
    interval = stats.bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        batch=200,
        vectorized=True,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Aggregate(value, float(interval.low), float(interval.high))


def performance_profile(scores: ByTask, thresholds: ArrayLike) -> NDArray[np.float64]:
    """Return the fraction of runs, over tasks and seeds, whose score exceeds each threshold.

    Args:
        scores: Scores of the seeds of each task.
        thresholds: Thresholds, (thresholds,).
    """
    all_runs = np.concatenate([np.asarray(of_task, np.float64) for of_task in scores.values()])
    found: NDArray[np.float64] = (all_runs[:, None] > np.asarray(thresholds)).mean(axis=0)
    return found


def probability_of_improvement(scores: ByTask, other: ByTask) -> float:
    """Return the probability that a run of an agent scores higher than one of another agent.

    It is the mean over the tasks that both have of P(X > Y) + P(X = Y) / 2, X and Y being runs
    drawn from the two: the Mann-Whitney statistic as a fraction. NaN without a common task.
    """
    common = [id for id in scores if id in other]
    if not common:
        return float("nan")
    parts = [
        stats.mannwhitneyu(scores[id], other[id]).statistic / len(scores[id]) / len(other[id])
        for id in common
    ]
    return float(np.mean(parts))
