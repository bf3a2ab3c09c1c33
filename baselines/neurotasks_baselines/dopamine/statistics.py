"""Statistics over a population of neurons: correlations of estimates, and tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from neurotasks_baselines.dopamine.estimators import (
    SPLITS,
    Method,
    TrialSums,
    asymmetries,
    random_folds,
    random_halves,
    reversal_points,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


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
    # what is constant, even if its rounded mean is another number
    varies = np.all(
        [
            np.max(a, axis=-1, where=use, initial=-np.inf)
            > np.min(a, axis=-1, where=use, initial=np.inf)
            for a in (x, y)
        ],
        axis=0,
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        dx, dy = (
            np.where(use, a - np.sum(a, axis=-1, where=use, keepdims=True) / n[..., None], 0)
            for a in (x, y)
        )
        r = (dx * dy).sum(axis=-1) / np.sqrt((dx**2).sum(axis=-1) * (dy**2).sum(axis=-1))
        r = np.where((n > 2) & varies, np.clip(r, -1, 1), np.nan)
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

    With one reversal point for all folds the test does not distinguish a distributional from a
    classical population: both pass.

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
    reversal_point: ArrayLike | None,
    rng: np.random.Generator,
    folds: int = 7,
) -> Diversity:
    """Test whether neurons differ in asymmetry, over disjoint folds of their trials.

    With one reversal point for all folds, as published, its error tilts the slopes of every fold
    alike, and neurons without any asymmetry seem to differ. With reversal points of their own the
    folds are independent.

    Args:
        responses: Responses, (neurons, magnitudes, trials), padded with NaN.
        utilities: Utilities of the magnitudes, (magnitudes,).
        reversal_point: Reversal point of each neuron, from all its trials or a half, (neurons,);
            None for one of each fold, by interpolation.
        rng: Random number generator, for the folds.
        folds: Number of folds.

    Returns:
        The test, without neurons that lack an asymmetry in some fold; NaN with fewer than two left.
    """
    sums = random_folds(responses, rng, folds)
    if reversal_point is None:
        reversal_point = reversal_points(sums, utilities, rng, "interpolation")
    tau = asymmetries(sums, utilities, reversal_point).T
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


CLASSES = ("optimistic", "pessimistic", "interpolating")
"""Classes of neurons by their responses to the 50 % cue (Extended Data Fig. 7a)."""


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
    return np.select([above & ~below, below & ~above], list(CLASSES[:2]), CLASSES[2])


def _three_cues(responses: ArrayLike) -> Floats:
    array = np.asarray(responses, np.float64)
    if array.ndim != 3 or array.shape[1] != 3:
        raise ValueError(
            f"responses must have the shape (neurons, 3, trials); got {array.shape}. Pass those to "
            "the cues of 10, 50 and 90 %."
        )
    return array
