"""Trials of a population: those of recordings, and simulated or shuffled ones like them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotasks_baselines.dopamine.estimators import trial_sums
from neurotasks_baselines.dopamine.neurons import Neurons, empirical_utility
from neurotasks_baselines.dopamine.recordings import (
    load_recordings,
    mean_utilities,
    pool_conditions,
    recorded_responses,
)
from neurotasks_baselines.dopamine.responses import from_table, simulate_responses
from neurotasks_baselines.errors import RecordingError

Floats = NDArray[np.float64]

FEWEST_NEURONS = 3  # a correlation over fewer has no P
FEWEST_MAGNITUDES = 2


@dataclass(frozen=True)
class Trials:
    """Single-trial responses of a population.

    Attributes:
        pooled: Responses to all rewards, Hz relative to baseline, (neurons, magnitudes, trials),
            padded with NaN.
        cued: Responses to cued rewards, likewise.
        magnitudes: Reward magnitudes in microlitres, ascending, (magnitudes,).
        utilities: Utilities of the magnitudes, ascending, (magnitudes,).
        probabilities: Probabilities of the magnitudes, (magnitudes,), summing to one.
    """

    pooled: Floats
    cued: Floats
    magnitudes: Floats
    utilities: Floats
    probabilities: Floats

    def microlitres(self, points: ArrayLike) -> Floats:
        """Return reversal points in microlitres, linear between the magnitudes as published."""
        return np.asarray(
            np.interp(np.asarray(points, np.float64), self.utilities, self.magnitudes)
        )


def recorded_trials(folder: str | Path) -> tuple[list[str], Trials]:
    """Read a folder of recordings.

    Utilities are the neurons' own mean responses, as published. Where those of few neurons do not
    ascend, the responses of the 40 published neurons take their place.

    Args:
        folder: Folder with one file per neuron, see `recordings`.

    Returns:
        Names of the neurons, and their trials.

    Raises:
        RecordingError: If a file is malformed (one of the subclasses), there are fewer than three
            neurons or two magnitudes, or a neuron lacks trials of a magnitude, cued and un-cued
            together.
    """
    table = recorded_responses(load_recordings(folder))
    rewarded = table[table["condition"].isin(("cued", "uncued"))]
    names = sorted(rewarded["neuron"].unique())
    if len(names) < FEWEST_NEURONS:
        raise RecordingError(
            f"The number of neurons with rewarded trials must be at least {FEWEST_NEURONS}, to "
            f"correlate over neurons; got {len(names)} in {str(folder)!r}. Add recordings."
        )
    magnitudes = np.sort(rewarded["magnitude"].unique())
    if len(magnitudes) < FEWEST_MAGNITUDES:
        raise RecordingError(
            f"The neurons must have trials of at least {FEWEST_MAGNITUDES} magnitudes, to have "
            f"slopes; got {', '.join(f'{m:g}' for m in magnitudes)} ul. Add trial types."
        )
    pooled = pool_conditions(rewarded)
    counts = trial_sums(pooled).trials
    if not counts.all():
        neuron, magnitude = np.argwhere(counts == 0)[0]
        raise RecordingError(
            f"{names[neuron]}: all neurons must have trials of the same magnitudes; got no trial "
            f"of {magnitudes[magnitude]:g} ul, which others have. Leave this neuron out."
        )
    utilities = mean_utilities(pooled)
    if (np.diff(utilities) <= 0).any():
        utilities = empirical_utility(magnitudes)
    cued = rewarded[rewarded["condition"] == "cued"]
    # where cued trials of some neuron and magnitude are missing, halves of all trials serve too
    complete = cued.groupby(["neuron", "magnitude"]).ngroups == counts.size
    return names, Trials(
        pooled,
        from_table(cued) if complete else pooled,
        magnitudes,
        utilities,
        counts.sum(axis=0) / counts.sum(),
    )


def simulated_trials(rng: np.random.Generator, neurons: Neurons, like: Trials) -> Trials:
    """Return responses of simulated neurons to the same numbers of trials.

    Args:
        rng: Random number generator, for the noise of the trials.
        neurons: Population of as many neurons as were recorded.
        like: Recorded trials.

    Returns:
        The simulated trials.
    """
    pooled, cued = (trial_sums(a).trials.astype(np.int64) for a in (like.pooled, like.cued))
    responses = simulate_responses(rng, neurons, like.utilities, pooled)
    return replace(like, pooled=responses, cued=first_trials(responses, cued))


def first_trials(responses: Floats, counts: ArrayLike) -> Floats:
    """Return the first trials of each neuron and magnitude, such as the cued ones of all.

    Args:
        responses: Responses, (neurons, magnitudes, trials), padded with NaN.
        counts: Numbers of trials, (neurons, magnitudes).

    Returns:
        Responses in the same shape, NaN in the other trials.
    """
    trial = np.arange(responses.shape[-1])
    return np.where(trial < np.asarray(counts)[..., None], responses, np.nan)


def shuffled_over_neurons(trials: Trials, rng: np.random.Generator) -> Trials:
    """Return the same responses to each magnitude, in random order over neurons and trials."""

    def shuffled(responses: Floats) -> Floats:
        result = responses.copy()
        for magnitude in range(responses.shape[1]):
            known = ~np.isnan(responses[:, magnitude])
            result[:, magnitude][known] = rng.permutation(responses[:, magnitude][known])
        return result

    return replace(trials, pooled=shuffled(trials.pooled), cued=shuffled(trials.cued))
