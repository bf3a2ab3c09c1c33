"""Whether neurons differ in how good a middle reward is to them: a distributional code.

The estimators are those of `dopamine`: the position of the response to the middle of three rewards
between those to the smallest and the largest, from independent halves of the trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from neurotasks_baselines.dopamine.estimators import SPLITS, random_halves
from neurotasks_baselines.dopamine.statistics import Correlation, correlate, probability_coding
from neurotasks_baselines.errors import DesignError
from neurotasks_baselines.neurons.recording import Recording

Floats = NDArray[np.float64]

LEVEL = 0.05
FEWEST = 5  # trials per level

AGREEING = 200
"""Simulated populations of neurons that agree (ours)."""

PUBLISHED = {"ACC": (94, 240), "DLPFC": (39, 187), "Caudate": (26, 115), "Putamen": (34, 119)}
"""Neurons of the same data that were selective, of all (Muller et al. 2024, Nature Neuroscience
27:403, dataset 2)."""


@dataclass(frozen=True)
class Optimism:
    """How optimistic neurons are.

    Attributes:
        table: One row per neuron: ``neuron``, ``area``, ``p`` of a one-way ANOVA over the levels,
            ``selective`` (p below `LEVEL` and monotonic at its ends: the largest and smallest
            reward differ), ``optimism`` (0: the middle reward is like the smallest, 1: like the
            largest), ``p_half`` (t test of the optimism against one half).
        split_half: Rank correlation over the selective neurons of the optimism from either half.
        agreeing: The same, one per population, of `AGREEING` simulated populations with the means,
            noise and trials of the neurons, but for the mean response to the middle reward: all
            have the neurons' median optimism, and differ by noise alone.
    """

    table: pd.DataFrame
    split_half: Correlation
    agreeing: Correlation


def level_responses(
    recordings: Sequence[Recording], levels: Sequence[float], bins: slice, column: str = "reward"
) -> Floats:
    """Return the responses of all neurons to each level of reward.

    Args:
        recordings: Recordings around the reward.
        levels: Three levels, rising.
        bins: Bins over which activity is averaged.
        column: Column of the trial table with the level.

    Returns:
        Responses, (neurons, levels, trials), padded with NaN.

    Raises:
        DesignError: If a session lacks trials of a level.
    """
    parts = []
    for one in recordings:
        mean = one.counts[..., bins].mean(axis=-1, dtype=np.float64)
        values = one.trials[column].to_numpy(np.float64)
        there = [np.flatnonzero(values == level) for level in levels]
        if min(map(len, there)) < FEWEST:
            raise DesignError(
                f"Session {one.session} must have {FEWEST} trials of each level {list(levels)}; "
                f"got {[len(rows) for rows in there]}. Leave it out, or correct the levels."
            )
        parts.append([mean[:, rows] for rows in there])
    longest = max(rows.shape[1] for part in parts for rows in part)
    neurons = sum(len(part[0]) for part in parts)
    found = np.full((neurons, len(levels), longest), np.nan)
    first = 0
    for part in parts:
        for i, rows in enumerate(part):
            found[first : first + len(rows), i, : rows.shape[1]] = rows
        first += len(part[0])
    return found


def optimism(
    recordings: Sequence[Recording],
    levels: Sequence[float],
    bins: slice,
    rng: np.random.Generator,
    splits: int = SPLITS,
) -> Optimism:
    """Return how optimistic each neuron is, and whether halves of its trials agree.

    Args:
        recordings: Recordings around the reward.
        levels: Three levels, rising.
        bins: Bins over which activity is averaged.
        rng: Random number generator, for the halves.
        splits: Number of random halves.

    Returns:
        The estimates.

    Raises:
        DesignError: If a session lacks trials of a level.
    """
    responses = level_responses(recordings, levels, bins)
    with np.errstate(invalid="ignore", divide="ignore"):  # a neuron that never fires there
        p = stats.f_oneway(*np.moveaxis(responses, 1, 0), axis=-1, nan_policy="omit").pvalue
        ends = stats.ttest_ind(responses[:, 0], responses[:, -1], axis=-1, nan_policy="omit").pvalue
        coding = probability_coding(responses)
        value = np.nanmean(coding.c50, axis=-1)
    selective = (np.asarray(p) < LEVEL) & (np.asarray(ends) < LEVEL)
    table = pd.DataFrame(
        {
            "neuron": [name for one in recordings for name in one.neurons],
            "area": [one.area for one in recordings for _ in one.neurons],
            "p": p,
            "selective": selective,
            "optimism": value,
            "p_half": coding.p,
        }
    )
    kept = responses[selective]
    return Optimism(table, _split_half(kept, rng, splits), _agreeing(kept, rng))


def _agreeing(responses: Floats, rng: np.random.Generator) -> Correlation:
    """Return the correlations of two halves of neurons whose optimism is the same."""
    if len(responses) < 3:
        return Correlation(np.full(AGREEING, np.nan), np.full(AGREEING, np.nan))
    means = np.nanmean(responses, axis=-1)
    low, middle, high = means.T
    means[:, 1] = low + np.median((middle - low) / (high - low)) * (high - low)
    in_half = (~np.isnan(responses)).sum(axis=-1) / 2
    error = np.nanstd(responses, axis=-1) / np.sqrt(in_half)
    halves = means + error * rng.standard_normal((2, AGREEING, *means.shape))
    return correlate(*(_ranks(half) for half in halves))


def _split_half(responses: Floats, rng: np.random.Generator, splits: int) -> Correlation:
    if len(responses) < 3:
        return Correlation(np.full(splits, np.nan), np.full(splits, np.nan))
    halves = random_halves(responses, rng, splits)
    return correlate(*(_ranks(half.total / half.trials) for half in halves))


def _ranks(means: Floats) -> Floats:
    """Return the ranks of the neurons by optimism: as a ratio it has outliers."""
    with np.errstate(invalid="ignore", divide="ignore"):
        low, middle, high = np.moveaxis(means, -1, 0)
        return np.asarray(stats.rankdata((middle - low) / (high - low), axis=-1), np.float64)
