"""Estimates from single-trial responses, the same for simulated, learned and recorded neurons.

Responses are arrays (neurons, magnitudes, trials) padded with NaN, see `responses`. Reversal points
and asymmetries need only sums over the trials of each magnitude, `TrialSums`, so that many random
splits of the trials are quick. Both estimators of the reversal point exist because the published
one is biased: quantised to few values, it tilts the slopes fitted around it, and neurons that
differ by an offset alone then seem to have asymmetries that go with their reversal points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
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


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
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
    """Deal the trials of every neuron at random to disjoint folds, whatever their magnitudes.

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
        ValueError: If there is no such method.
    """
    if method not in ("interpolation", "count"):
        raise ValueError(
            f"method must be 'interpolation' or 'count'; got {method!r}. Pass one of the two."
        )
    u = np.asarray(utilities, np.float64)
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


@dataclass(frozen=True)
class Correlation:
    """Pearson correlation over neurons, for one or for many splits of the trials.

    Attributes:
        r: Pearson's R of each split, (...).
        p: Two-sided P of each split, (...).
    """

    r: Floats
    p: Floats

    @property
    def mean_r(self) -> float:
        """Mean R over splits."""
        return float(np.mean(self.r))

    @property
    def geometric_p(self) -> float:
        """Geometric mean of P over splits."""
        return float(np.exp(np.mean(np.log(np.maximum(self.p, np.finfo(float).tiny)))))


def correlate(x: ArrayLike, y: ArrayLike) -> Correlation:
    """Correlate over the last axis, without pairs that contain NaN.

    Args:
        x: First variable, (..., neurons).
        y: Second variable, (..., neurons).

    Returns:
        The correlations; NaN where fewer than three pairs are left or one variable is constant.
    """
    x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
    use = np.isfinite(x) & np.isfinite(y)
    n = use.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        dx, dy = (
            np.where(use, a - np.sum(a, axis=-1, where=use, keepdims=True) / n[..., None], 0)
            for a in (x, y)
        )
        r = (dx * dy).sum(axis=-1) / np.sqrt((dx**2).sum(axis=-1) * (dy**2).sum(axis=-1))
        r = np.where(n > 2, np.clip(r, -1, 1), np.nan)
        t = r * np.sqrt((n - 2) / (1 - r**2))
        return Correlation(r, np.asarray(2 * stats.t.sf(np.abs(t), n - 2)))


@dataclass(frozen=True)
class SplitHalf:
    """Correlations of estimates from independent halves of the trials.

    Attributes:
        reversal: Correlation of the reversal points of the two halves (Fig. 2).
        asymmetry: Correlation of the reversal points of one half with the asymmetries of the other,
            whose slopes are fitted around its own reversal points (Fig. 4).
    """

    reversal: Correlation
    asymmetry: Correlation


def split_half(
    responses: ArrayLike,
    utilities: ArrayLike,
    rng: np.random.Generator,
    splits: int = SPLITS,
    method: Method = "interpolation",
) -> SplitHalf:
    """Correlate estimates from independent halves of the trials, over many random halves.

    Args:
        responses: Responses, (neurons, magnitudes, trials), padded with NaN.
        utilities: Utilities of the magnitudes, ascending, (magnitudes,).
        rng: Random number generator, for the halves.
        splits: Number of splits.
        method: Estimator of the reversal points, see `reversal_points`.

    Returns:
        The correlations of every split.
    """
    first, second = random_halves(responses, rng, splits)
    z_first, z_second = (reversal_points(h, utilities, rng, method) for h in (first, second))
    tau = asymmetries(second, utilities, z_second)
    return SplitHalf(correlate(z_first, z_second), correlate(tau, z_first))


class Diversity(NamedTuple):
    """Whether neurons differ in asymmetry (Fig. 4c).

    The test does not distinguish a distributional from a classical population: both pass.

    Attributes:
        f: F statistic of a one-way ANOVA over neurons of the folds' asymmetries.
        p: P value of the ANOVA.
        between: Degrees of freedom between neurons, neurons - 1.
        within: Residual degrees of freedom.
        asymmetries: Asymmetry of each fold, (neurons, folds).
        p_neurons: P value of each neuron's t test against the mean over neurons, (neurons,); NaN
            where the neuron was dropped.
    """

    f: float
    p: float
    between: int
    within: int
    asymmetries: Floats
    p_neurons: Floats


def diversity(
    responses: ArrayLike,
    utilities: ArrayLike,
    reversal_point: ArrayLike,
    rng: np.random.Generator,
    folds: int = 7,
) -> Diversity:
    """Test whether neurons differ in asymmetry, over disjoint folds of their trials.

    Args:
        responses: Responses, (neurons, magnitudes, trials), padded with NaN.
        utilities: Utilities of the magnitudes, (magnitudes,).
        reversal_point: Reversal point of each neuron, from all its trials or a half, (neurons,).
        rng: Random number generator, for the folds.
        folds: Number of folds.

    Returns:
        The test, without neurons that lack an asymmetry in some fold; NaN with fewer than two left.
    """
    tau = asymmetries(random_folds(responses, rng, folds), utilities, reversal_point).T
    kept = np.isfinite(tau).all(axis=1)
    neurons = int(kept.sum())
    p_neurons = np.full(len(tau), np.nan)
    if neurons < 2:
        return Diversity(np.nan, np.nan, 0, 0, tau, p_neurons)
    test = stats.f_oneway(*tau[kept])
    p_neurons[kept] = stats.ttest_1samp(tau[kept], tau[kept].mean(), axis=1).pvalue
    return Diversity(
        float(test.statistic),
        float(test.pvalue),
        neurons - 1,
        neurons * (folds - 1),
        tau,
        p_neurons,
    )


def one_sample_t(responses: ArrayLike, mean: float = 0.0) -> tuple[Floats, Floats]:
    """Test the trials along the last axis against a mean.

    Args:
        responses: Responses, (..., trials), padded with NaN.
        mean: Mean under the null hypothesis.

    Returns:
        t and two-sided P, (...); NaN with fewer than two trials.
    """
    x = np.asarray(responses, np.float64)
    n = (~np.isnan(x)).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        average = np.nansum(x, axis=-1) / n
        squares = np.nansum((x - average[..., None]) ** 2, axis=-1)
        t = (average - mean) / np.sqrt(squares / (n - 1) / n)
        return t, np.asarray(2 * stats.t.sf(np.abs(t), n - 1))


def sign_tests(responses: ArrayLike, level: float = 0.05) -> tuple[Bools, Bools]:
    """Test for every neuron and magnitude whether the response differs from baseline.

    Args:
        responses: Responses in Hz relative to baseline, (neurons, magnitudes, trials), padded with
            NaN.
        level: Significance level of the two-sided t test.

    Returns:
        Whether the response is significantly above, and whether it is significantly below baseline,
        each (neurons, magnitudes).
    """
    t, p = one_sample_t(responses)
    return (p < level) & (t > 0), (p < level) & (t < 0)


def held_out_sign(
    responses: ArrayLike,
    utilities: ArrayLike,
    rng: np.random.Generator,
    splits: int = SPLITS,
    method: Method = "interpolation",
) -> tuple[Floats, Floats]:
    """Predict the sign of responses from reversal points of the other half of the trials.

    The "diverse" model gives each neuron its own reversal point, the "same" model gives all neurons
    that of their pooled trials (Extended Data Fig. 4).

    Args:
        responses: Responses, (neurons, magnitudes, trials), padded with NaN.
        utilities: Utilities of the magnitudes, ascending, (magnitudes,).
        rng: Random number generator, for the halves.
        splits: Number of splits.
        method: Estimator of the reversal points, see `reversal_points`.

    Returns:
        Fractions of the other half's trials whose sign is predicted correctly, by "diverse" and by
        "same", each (splits,).
    """
    first, second = random_halves(responses, rng, splits)
    pooled = TrialSums(*(a.sum(axis=1, keepdims=True) for a in first))
    u = np.asarray(utilities, np.float64)
    diverse, same = (
        np.where(
            u > reversal_points(sums, u, rng, method)[..., None], second.above, second.below
        ).sum(axis=(1, 2))
        / second.trials.sum(axis=(1, 2))
        for sums in (first, pooled)
    )
    return diverse, same


class ProbabilityCoding(NamedTuple):
    """Position of the response to the 50 % cue between those to 10 % and 90 % (Fig. 3).

    Attributes:
        c50: Position in each trial of the 50 % cue, (neurons, trials), padded with NaN: 0 is the
            mean response to 10 %, 1 that to 90 %.
        t: t statistic of c50 against one half, (neurons,); positive for optimistic neurons.
        p: Two-sided P value, (neurons,).
    """

    c50: Floats
    t: Floats
    p: Floats


def probability_coding(responses: ArrayLike) -> ProbabilityCoding:
    """Return how optimistic neurons are about the 50 % cue.

    Args:
        responses: Responses to the cues of 10, 50 and 90 %, (neurons, 3, trials), padded with NaN.

    Returns:
        The coding of each neuron.
    """
    array = _three_cues(responses)
    low, high = np.nanmean(array[:, [0, 2]], axis=-1).T
    c50 = (array[:, 1] - low[:, None]) / (high - low)[:, None]
    return ProbabilityCoding(c50, *one_sample_t(c50, 0.5))


def classify_probability_coding(responses: ArrayLike, level: float = 0.05) -> NDArray[np.str_]:
    """Classify neurons as optimistic, pessimistic or interpolating (Extended Data Fig. 7a).

    Two one-sided Mann-Whitney tests: is 50 % above 10 %, and is it below 90 %?

    Args:
        responses: Responses to the cues of 10, 50 and 90 %, (neurons, 3, trials), padded with NaN.
        level: Significance level of the tests.

    Returns:
        Class of each neuron, (neurons,): "optimistic" (not below 90 %, but above 10 %),
        "pessimistic" (not above 10 %, but below 90 %) or "interpolating" (both or neither).
    """
    low, middle, high = np.moveaxis(_three_cues(responses), 1, 0)
    test: dict[str, Any] = {"axis": 1, "nan_policy": "omit"}
    above = stats.mannwhitneyu(middle, low, alternative="greater", **test).pvalue < level
    below = stats.mannwhitneyu(middle, high, alternative="less", **test).pvalue < level
    return np.select(
        [above & ~below, below & ~above], ["optimistic", "pessimistic"], "interpolating"
    )


def _three_cues(responses: ArrayLike) -> Floats:
    array = np.asarray(responses, np.float64)
    if array.ndim != 3 or array.shape[1] != 3:
        raise ValueError(
            f"responses must have the shape (neurons, 3, trials); got {array.shape}. Pass those to "
            "the cues of 10, 50 and 90 %."
        )
    return array
