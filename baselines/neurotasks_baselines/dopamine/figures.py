"""The panels of the paper's figures, of any population: simulated, learned or recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from neurotasks_baselines.dopamine.estimators import (
    Method,
    TrialSums,
    asymmetries,
    random_halves,
    reversal_points,
    trial_sums,
)
from neurotasks_baselines.dopamine.neurons import CUE_PROBABILITIES
from neurotasks_baselines.dopamine.statistics import correlate
from neurotasks_baselines.plotting import IDEAL, OURS, PUBLISHED

Floats = NDArray[np.float64]

BANDWIDTH = 0.75
"""SD of the Gaussian that smooths decoded samples, microlitres ([HRH] and two others)."""


class Estimates(NamedTuple):
    """Estimates from the trials of a population that the figures show.

    Attributes:
        means: Mean response to each magnitude, Hz, (neurons, magnitudes).
        points: Reversal points from all trials, in the unit of the utilities, (neurons,).
        taus: Asymmetries from all trials, (neurons,).
        first: Reversal points from one random half of the trials, (neurons,).
        second: Reversal points from the other half, (neurons,).
        second_taus: Asymmetries from the other half, (neurons,).
    """

    means: Floats
    points: Floats
    taus: Floats
    first: Floats
    second: Floats
    second_taus: Floats


def estimate(
    responses: ArrayLike,
    utilities: ArrayLike,
    rng: np.random.Generator,
    method: Method = "interpolation",
) -> Estimates:
    """Estimate what the figures show of a population.

    Args:
        responses: Responses in Hz relative to baseline, (neurons, magnitudes, trials), padded with
            NaN.
        utilities: Utilities of the magnitudes, ascending, (magnitudes,).
        rng: Random number generator, for the halves.
        method: Estimator of the reversal points, see `reversal_points`.

    Returns:
        The estimates.
    """
    sums = trial_sums(responses)
    first, second = (TrialSums(*(a[0] for a in h)) for h in random_halves(responses, rng, 1))
    points, z_first, z_second = (
        reversal_points(s, utilities, rng, method) for s in (sums, first, second)
    )
    return Estimates(
        sums.total / np.where(sums.trials > 0, sums.trials, np.nan),
        points,
        asymmetries(sums, utilities, points),
        z_first,
        z_second,
        asymmetries(second, utilities, z_second),
    )


def draw_responses(axis: Any, magnitudes: ArrayLike, means: ArrayLike, points: ArrayLike) -> None:
    """Draw the responses of all neurons by magnitude, and where they change sign (Fig. 2a, b).

    Args:
        axis: Axes of matplotlib to draw on.
        magnitudes: Reward magnitudes in microlitres, (magnitudes,).
        means: Mean responses in Hz, (neurons, magnitudes); drawn in units of their SD over
            magnitudes, as published.
        points: Reversal points in microlitres, (neurons,).
    """
    rates, points = np.asarray(means, np.float64), np.asarray(points, np.float64)
    rates = rates / rates.std(axis=1, keepdims=True)
    colours = mpl.colormaps["coolwarm"](points.argsort().argsort() / max(1, len(points) - 1))
    axis.axhline(0, lw=0.5, color=IDEAL)
    for row, point, colour in zip(rates, points, colours, strict=True):
        axis.plot(magnitudes, row, lw=0.7, color=colour)
        axis.plot(point, 0, "o", ms=3, color=colour, mec="black", mew=0.3)
    axis.set(xscale="log", xlabel="reward (ul)", ylabel="response / its sd over rewards")
    axis.set_xticks([0.1, 1, 10], ["0.1", "1", "10"])


def draw_split_half(axis: Any, first: ArrayLike, second: ArrayLike) -> None:
    """Draw reversal points from two halves of the trials (Fig. 2c).

    Args:
        axis: Axes of matplotlib to draw on.
        first: Reversal points from one half, (neurons,).
        second: Reversal points from the other half, (neurons,).
    """
    axis.axline((0, 0), slope=1, lw=0.5, color=IDEAL)
    axis.plot(first, second, "o", ms=2.5, color=OURS)
    axis.set(xlabel="reversal point, half A", ylabel="half B")


def draw_probability_coding(
    axis: Any, t: ArrayLike, control: ArrayLike, cues: Any, responses: ArrayLike
) -> None:
    """Draw how optimistic neurons are about the 50 % cue (Fig. 3).

    Args:
        axis: Axes for the histogram over neurons.
        t: t statistic of each neuron against the midpoint of 10 and 90 %, (neurons,).
        control: t statistics of classical neurons, (neurons,).
        cues: Axes for the responses of single neurons.
        responses: Responses of an optimistic, a neutral and a pessimistic neuron to each cue,
            (3, cues).
    """
    bins = np.arange(-13, 14, 2)  # as published, centred on even numbers
    ours, theirs = (np.clip(a, -13, 13)[np.isfinite(a)] for a in (t, control))
    axis.hist(ours, bins, color=OURS, label="distributional")
    axis.hist(theirs, bins, histtype="step", color=PUBLISHED, label="classical")
    axis.set(xlabel="t of the 50 % cue against the midpoint", ylabel="neurons", xlim=(-14, 14))
    warm, cold = mpl.colormaps["coolwarm"]([0.95, 0.05])
    for row, colour in zip(np.asarray(responses), (warm, IDEAL, cold), strict=True):
        cues.plot(100 * CUE_PROBABILITIES, row, "o-", ms=2, lw=1, color=colour)
    cues.set(xlabel="cue (%)", yticks=[0, 1], xticks=100 * CUE_PROBABILITIES)


def draw_asymmetry(axis: Any, taus: ArrayLike, points: ArrayLike, label: str | None = None) -> None:
    """Draw reversal points against asymmetries from the other half of the trials (Fig. 4d).

    Args:
        axis: Axes of matplotlib to draw on.
        taus: Asymmetries from one half, (neurons,).
        points: Reversal points from the other half, in the unit of the utilities, (neurons,).
        label: Name of the neurons in a legend.
    """
    x, y = np.asarray(taus, np.float64), np.asarray(points, np.float64)
    axis.plot(x, y, "o", ms=3, color=OURS, label=label)
    known = np.isfinite(x) & np.isfinite(y)
    if np.isfinite(correlate(x, y).r):
        line = stats.linregress(x[known], y[known])
        ends = np.array([x[known].min(), x[known].max()])
        axis.plot(ends, line.intercept + line.slope * ends, color=IDEAL, lw=1)
    axis.set(xlabel="asymmetry tau, half B", ylabel="reversal point, half A")


def draw_diversity(axis: Any, means: ArrayLike, sems: ArrayLike, p: ArrayLike) -> None:
    """Draw the asymmetries of all neurons in ascending order (Fig. 4c).

    Args:
        axis: Axes of matplotlib to draw on.
        means: Mean asymmetry over folds of each neuron, (neurons,).
        sems: Standard error of each, (neurons,).
        p: P of each neuron's test against the mean over neurons, (neurons,); coloured below 0.05.

    Asymmetries outside the panel are drawn at its edge.
    """
    lowest, highest = -0.25, 1.25
    mean, sem, p_values = (np.asarray(a, np.float64) for a in (means, sems, p))
    order = mean.argsort()
    order = order[np.isfinite(mean[order])]
    place = np.arange(len(order))
    differs = p_values[order] < 0.05
    axis.axhline(np.mean(mean[order]) if len(order) else np.nan, lw=0.5, color=IDEAL)
    for chosen, colour, label in ((~differs, IDEAL, "P >= 0.05"), (differs, OURS, "P < 0.05")):
        at = order[chosen]
        axis.vlines(place[chosen], mean[at] - sem[at], mean[at] + sem[at], color=colour, lw=1)
        inside = np.clip(mean[at], lowest, highest)
        axis.plot(place[chosen], inside, "o", ms=3, color=colour, label=label, clip_on=False)
    axis.set(
        xlabel="neuron, in order of tau",
        ylabel="tau, mean and sem over 7 folds",
        ylim=(lowest, highest),
    )
    axis.legend(fontsize=7, title="differs from the mean", title_fontsize=7, loc="lower right")


def draw_decoded(
    axis: Any, decoded: Mapping[str, ArrayLike], magnitudes: ArrayLike, probabilities: ArrayLike
) -> None:
    """Draw decoded distributions over the true one (Fig. 5).

    Args:
        axis: Axes of matplotlib to draw on.
        decoded: Decoded samples in microlitres, by name; the first is drawn boldly.
        magnitudes: True rewards in microlitres, (magnitudes,).
        probabilities: Probabilities of the true rewards, (magnitudes,).
    """
    x = np.linspace(0, 1.15 * np.max(magnitudes), 400)
    axis.fill_between(x, density(x, magnitudes, probabilities), color="#dddddd", label="true")
    for samples, name, colour in zip(
        decoded.values(), decoded, (OURS, PUBLISHED, IDEAL), strict=False
    ):
        axis.plot(x, density(x, samples), color=colour, label=name, lw=1.8 if colour == OURS else 1)
    axis.plot(magnitudes, np.zeros(np.shape(magnitudes)), "|", color="black", ms=5)
    axis.set(xlabel="reward (ul)", ylabel="density", ylim=(0, None))
    axis.legend(fontsize=7)


def density(x: ArrayLike, samples: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Return a Gaussian kernel density with the published `BANDWIDTH`.

    Args:
        x: Places at which to evaluate the density, (n,).
        samples: Samples, (samples,).
        weights: Weights of the samples, (samples,), summing to one; equal by default.

    Returns:
        The density, (n,).
    """
    kernels = stats.norm.pdf(np.asarray(x)[:, None], np.asarray(samples), BANDWIDTH)
    return np.asarray(
        np.average(kernels, axis=1, weights=None if weights is None else np.asarray(weights))
    )
