"""Estimates of single neurons, the same for simulated, learned and recorded responses.

Responses are arrays (neurons, magnitudes, trials) padded with NaN, see `responses`. Reversal points
and asymmetries need only sums over the trials of each magnitude, `TrialSums`, so that many random
splits of the trials are quick. Both estimators of the reversal point exist because the published
one is biased: quantised to few values, it tilts the slopes fitted around it, and neurons that
differ by an offset alone then seem to have asymmetries correlated with their reversal points.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotasks.core.cache import cached

Floats = NDArray[np.float64]
Method = Literal["interpolation", "count"]

SPLITS = 200
"""Random halves over which a statistic is averaged (ours)."""


class TrialSums(NamedTuple):
    """Sums over the trials of each magnitude, each of shape (..., neurons, magnitudes).

    Attributes:
        trials: Number of trials.
        total: Sum of their responses, Hz.
        above: Number of trials with a response above zero.
        below: Number of trials with a response below zero.
    """

    trials: Floats
    total: Floats
    above: Floats
    below: Floats


def trial_sums(responses: ArrayLike) -> TrialSums:
    """Return the sums over all trials.

    Args:
        responses: Responses, (..., neurons, magnitudes, trials), padded with NaN.

    Returns:
        The sums, (..., neurons, magnitudes).
    """
    array = np.asarray(responses, np.float64)
    columns = (~np.isnan(array), np.nan_to_num(array), array > 0, array < 0)
    return TrialSums(*(a.sum(axis=-1, dtype=np.float64) for a in columns))


def random_halves(
    responses: ArrayLike, rng: np.random.Generator, splits: int = SPLITS
) -> tuple[TrialSums, TrialSums]:
    """Split the trials of every neuron and magnitude at random into halves, many times.

    Args:
        responses: Responses, (neurons, magnitudes, trials), padded with NaN.
        rng: Random number generator, for the splits.
        splits: Number of splits.

    Returns:
        Sums over either half, (splits, neurons, magnitudes); of an odd number of trials the second
        half has one more.
    """
    whole = trial_sums(responses)
    ordered = np.sort(np.asarray(responses, np.float64), axis=-1)  # NaN goes last
    halves = _first_halves(ordered, whole.trials.astype(np.int64), splits, rng)
    first = TrialSums(*np.moveaxis(halves, -1, 0))
    return first, TrialSums(*(all_ - half for all_, half in zip(whole, first, strict=True)))


@cached
def _first_halves(
    responses: Floats, counts: NDArray[np.int64], splits: int, rng: np.random.Generator
) -> Floats:
    """Return number, total, above, below of random halves, (splits, neurons, magnitudes, 4)."""
    neurons, magnitudes = counts.shape
    sums = np.zeros((splits, neurons, magnitudes, 4))
    for neuron in range(neurons):
        for magnitude in range(magnitudes):
            n = counts[neuron, magnitude]
            for split in range(splits):
                for i in range(n // 2):
                    j = i + int(rng.random() * (n - i))  # rng.integers takes nine times as long
                    drawn = responses[neuron, magnitude, j]
                    responses[neuron, magnitude, j] = responses[neuron, magnitude, i]
                    responses[neuron, magnitude, i] = drawn
                    sums[split, neuron, magnitude, 0] += 1
                    sums[split, neuron, magnitude, 1] += drawn
                    sums[split, neuron, magnitude, 2] += drawn > 0
                    sums[split, neuron, magnitude, 3] += drawn < 0
    return sums


def random_folds(responses: ArrayLike, rng: np.random.Generator, folds: int) -> TrialSums:
    """Assign the trials of every neuron at random to disjoint folds, across magnitudes.

    Args:
        responses: Responses, (neurons, magnitudes, trials), padded with NaN.
        rng: Random number generator, for the folds.
        folds: Number of folds; those of a neuron differ by at most one trial.

    Returns:
        Sums over each fold, (folds, neurons, magnitudes).
    """
    array = np.asarray(responses, np.float64)
    flat = array.reshape(len(array), -1)
    keys = np.where(np.isnan(flat), np.inf, rng.random(flat.shape))
    rank = keys.argsort(axis=1).argsort(axis=1).reshape(array.shape)
    fold = rank % folds
    return trial_sums(np.stack([np.where(fold == k, array, np.nan) for k in range(folds)]))


def reversal_points(
    sums: TrialSums, utilities: ArrayLike, rng: np.random.Generator, method: Method
) -> Floats:
    """Return the rewards at which the neurons' responses change sign.

    "count" is the published estimator (authors' analysis code): the boundary between two magnitudes
    that agrees with most trials, weighted towards the neighbour that agrees with nearly as many.
    "interpolation" finds that boundary from summed responses instead of counted trials, and the
    zero of the straight line between the mean responses on its two sides.

    Args:
        sums: Sums over trials, (..., neurons, magnitudes).
        utilities: Utilities of the magnitudes, ascending, (magnitudes,).
        rng: Random number generator, for the ties of "count".
        method: Estimator, "interpolation" or "count".

    Returns:
        Reversal points in the unit of `utilities`, (..., neurons). For a neuron that never changes
        sign the smallest or the largest utility, with "count" 0.01 above or 0.1 below it as
        published.

    Raises:
        ValueError: If there is no such method, or the utilities do not ascend.
    """
    if method not in ("interpolation", "count"):
        raise ValueError(
            f"method must be 'interpolation' or 'count'; got {method!r}. Pass one of the two."
        )
    u = np.asarray(utilities, np.float64)
    if u.ndim != 1 or len(u) < 2 or not (np.diff(u) > 0).all():
        raise ValueError(
            f"utilities must be two or more numbers in ascending order; got {u}. Sort magnitudes "
            "and responses, and leave out magnitudes that are there twice."
        )
    above, below = (sums.above, sums.below) if method == "count" else (sums.total, -sums.total)
    # agreement[..., k]: trials that agree with a boundary above the k lowest magnitudes
    agreement = np.zeros((*above.shape[:-1], len(u) + 1))
    agreement[..., 1:] += np.cumsum(below, axis=-1)
    agreement[..., :-1] += np.cumsum(above[..., ::-1], axis=-1)[..., ::-1]
    if method == "count":
        agreement += 0.001 * rng.normal(size=agreement.shape)
    boundary = agreement.argmax(axis=-1)
    inner = np.clip(boundary, 1, len(u) - 1)
    left, right = u[inner - 1], u[inner]
    if method == "count":
        best, *others = (_pick(agreement, inner + step) for step in (0, -1, 1))
        d_left, d_right = (np.abs(best - other) for other in others)
        crossing = (left * d_right + right * d_left) / (d_left + d_right)
        margins = 0.01, 0.1
    else:
        with np.errstate(invalid="ignore", divide="ignore"):
            means = sums.total / sums.trials
            low, high = _pick(means, inner - 1), _pick(means, inner)
            crossing = left - low * (right - left) / (high - low)
        margins = 0.0, 0.0
    return np.select(
        [boundary == 0, boundary == len(u)], [u[0] + margins[0], u[-1] - margins[1]], crossing
    )


def _pick(array: Floats, index: NDArray[np.int64]) -> Floats:
    """Return the elements of the last axis at `index`."""
    return np.take_along_axis(array, index[..., None], axis=-1)[..., 0]


def slopes(
    sums: TrialSums, utilities: ArrayLike, reversal_point: ArrayLike
) -> tuple[Floats, Floats]:
    """Fit a line through the reversal point to the single trials on either side of it.

    Args:
        sums: Sums over trials, (..., neurons, magnitudes).
        utilities: Utilities of the magnitudes, (magnitudes,).
        reversal_point: Reversal point of each neuron, (..., neurons).

    Returns:
        Least-squares slopes below and above the reversal point, (..., neurons); NaN where no trial
        lies on that side.
    """
    x = np.asarray(utilities, np.float64) - np.asarray(reversal_point)[..., None]
    with np.errstate(invalid="ignore", divide="ignore"):
        below, above = (
            (x * sums.total * side).sum(axis=-1) / (x**2 * sums.trials * side).sum(axis=-1)
            for side in (x <= 0, x >= 0)
        )
    return below, above


def asymmetries(sums: TrialSums, utilities: ArrayLike, reversal_point: ArrayLike) -> Floats:
    """Return tau of each neuron, from the slopes of its responses.

    Args:
        sums: Sums over trials, (..., neurons, magnitudes).
        utilities: Utilities of the magnitudes, (magnitudes,).
        reversal_point: Reversal point of each neuron, (..., neurons).

    Returns:
        Asymmetries slope+ / (slope+ + slope-), (..., neurons); outside [0, 1] where one slope is
        negative, NaN where one is zero or not known.
    """
    below, above = slopes(sums, utilities, reversal_point)
    known = (below != 0) & (above != 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, above / (above + below), np.nan)
