"""Responses of neurons in single trials, in one form wherever they come from.

That form is one array (neurons, magnitudes, trials) padded with NaN, because all estimates rest on
sums over the trials of a magnitude. `to_table` and `from_table` convert to and from a tidy table.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from neurotasks_baselines.dopamine.neurons import NOISE, PROBABILITIES, Neurons

Floats = NDArray[np.float64]

BEFORE, AFTER = 1000, 3000
"""Milliseconds before and after an event that firing rates cover (the authors' analysis code)."""

BASELINE_WINDOW = (-BEFORE, 0)
"""Milliseconds from the onset of the trial (the authors' analysis code)."""

REWARD_WINDOW = (200, 600)
"""Milliseconds from the reward (the authors' analysis code)."""

CUE_WINDOW = (0, 400)
"""Milliseconds from the odour (plotting code of [HRH], adapted from the authors')."""

TRIALS_PER_NEURON = (135, 303)
"""Fewest and most rewarded trials of the 40 neurons (counted)."""

CUED = 4550 / 8877
"""Fraction of these trials in which an odour announced the reward (counted)."""


def trial_counts(
    rng: np.random.Generator, neurons: int, probabilities: ArrayLike = PROBABILITIES
) -> NDArray[np.int64]:
    """Return numbers of trials like those of the recordings.

    Args:
        rng: Random number generator, for the trials per neuron, uniform over `TRIALS_PER_NEURON`.
        neurons: Number of neurons.
        probabilities: Probabilities of the magnitudes, (magnitudes,), summing to one.

    Returns:
        Number of trials of each magnitude, (neurons, magnitudes).
    """
    low, high = TRIALS_PER_NEURON
    totals = rng.integers(low, high + 1, (neurons, 1))
    return np.rint(totals * np.asarray(probabilities)).astype(np.int64)


def simulate_responses(
    rng: np.random.Generator,
    neurons: Neurons,
    utilities: ArrayLike,
    counts: ArrayLike,
    noise: float = NOISE,
) -> Floats:
    """Return single-trial responses of one population.

    Args:
        rng: Random number generator, for the normally distributed noise of the trials.
        neurons: Population, with arrays of shape (neurons,).
        utilities: Utilities of the rewards, ascending, (magnitudes,).
        counts: Numbers of trials, (neurons, magnitudes) or broadcast to it.
        noise: SD of the noise, as a fraction of the neuron's dynamic range (response to the largest
            minus response to the smallest reward).

    Returns:
        Responses in Hz relative to baseline, (neurons, magnitudes, trials), padded with NaN.
    """
    rates = neurons.rates(utilities)
    counts = np.broadcast_to(counts, rates.shape)
    trial = np.arange(counts.max())
    sd = noise * (rates[:, -1] - rates[:, 0])[:, None, None]
    drawn = rates[..., None] + sd * rng.normal(size=(*rates.shape, len(trial)))
    return np.where(trial < counts[..., None], drawn, np.nan)


def to_table(responses: ArrayLike) -> pd.DataFrame:
    """Return responses as a tidy table.

    Args:
        responses: Responses in Hz, (neurons, magnitudes, trials), padded with NaN.

    Returns:
        One row per trial: ``neuron``, ``magnitude`` (an index), ``trial`` (within neuron and
        magnitude), ``response`` (Hz).
    """
    array = np.asarray(responses, np.float64)
    neuron, magnitude, trial = np.nonzero(~np.isnan(array))
    return pd.DataFrame(
        {
            "neuron": neuron,
            "magnitude": magnitude,
            "trial": trial,
            "response": array[neuron, magnitude, trial],
        }
    )


def from_table(table: pd.DataFrame, response: str = "response") -> Floats:
    """Return the responses in a tidy table as an array.

    Args:
        table: Table with one row per trial and the columns ``neuron``, ``magnitude`` and the
            response; neurons and magnitudes may have any sortable names, rows any order.
        response: Name of the column of the response.

    Returns:
        Responses, (neurons, magnitudes, trials), neurons and magnitudes in ascending order of their
        names, trials in the order of the rows, padded with NaN.

    Raises:
        ValueError: If the table has no rows.
    """
    if table.empty:
        raise ValueError("table must hold at least one trial; got no rows. Pass one row per trial.")
    neuron, magnitude = (pd.factorize(table[n], sort=True)[0] for n in ("neuron", "magnitude"))
    trial = table.groupby(["neuron", "magnitude"]).cumcount().to_numpy()
    shape = tuple(int(a.max()) + 1 for a in (neuron, magnitude, trial))
    array = np.full(shape, np.nan)
    array[neuron, magnitude, trial] = table[response]
    return array


def smoothing_kernel(decay: float = 20.0, length: int = 50) -> Floats:
    """Return the kernel that smooths spikes, (1 - exp(-t)) exp(-t / decay).

    Args:
        decay: Time constant in milliseconds (the authors' analysis code).
        length: Time of the last bin in milliseconds (the authors' analysis code).

    Returns:
        One weight per millisecond from 0 to `length`, summing to one.
    """
    t = np.arange(length + 1)
    kernel = (1 - np.exp(-t)) * np.exp(-t / decay)
    return np.asarray(kernel / kernel.sum())


def firing_rates(spikes: ArrayLike, events: ArrayLike, smoothings: int = 2) -> Floats:
    """Return smoothed firing rates around events.

    The authors' code smooths twice: forwards in time where spikes are placed, and again centred.
    Spikes just outside the range are included, so that the rate does not fall at its ends.

    Args:
        spikes: Times of the spikes, milliseconds, (spikes,).
        events: Times of the events, milliseconds, (trials,).
        smoothings: Number of smoothings: 0 for counts, 1 for forwards, 2 as the authors do.

    Returns:
        Firing rates in Hz, (trials, `BEFORE` + `AFTER`), in bins of a millisecond, the first at
        -`BEFORE`.
    """
    kernel = smoothing_kernel()
    weights = np.ones(1)
    for _ in range(smoothings):
        weights = np.convolve(weights, kernel)
    margin = len(kernel) * 2
    ahead = len(kernel) // 2 if smoothings == 2 else 0
    spikes = np.sort(np.asarray(spikes, np.float64))
    width = BEFORE + AFTER + 2 * margin
    rates = np.empty((np.size(events), BEFORE + AFTER))
    for row, event in zip(rates, np.ravel(events), strict=True):
        ends = event - BEFORE - margin, event + AFTER + margin
        near = spikes[slice(*np.searchsorted(spikes, ends))]
        bins = np.floor(near - event).astype(np.int64) + BEFORE + margin
        counts = np.bincount(bins, minlength=width)
        row[:] = 1000 * np.convolve(counts, weights)[margin + ahead :][: len(row)]
    return rates


def window_mean(rates: ArrayLike, window: tuple[float, float]) -> Floats:
    """Return the mean rate in a window.

    Args:
        rates: Firing rates from `firing_rates`, Hz, (trials, bins).
        window: Start and end in milliseconds from the event, between -`BEFORE` and `AFTER`.

    Returns:
        Mean rates in Hz, (trials,).

    Raises:
        ValueError: If the window is empty or exceeds the range of the rates.
    """
    first, last = (round(t) for t in window)
    if not -BEFORE <= first < last <= AFTER:
        raise ValueError(
            f"window must lie within {-BEFORE} and {AFTER} ms and be at least 1 ms long; got "
            f"{window}. Pass (start, end) in milliseconds from the event."
        )
    return np.asarray(rates)[:, first + BEFORE : last + BEFORE].mean(axis=1)
