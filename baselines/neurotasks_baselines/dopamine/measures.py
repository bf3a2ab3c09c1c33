"""A population's trials, recorded or simulated, and the paper's measures of them.

Reversal points from independent halves (Fig. 2) rest on the cued trials, as published; sign tests,
asymmetries (Fig. 4) and decoding (Fig. 5) on cued and un-cued trials together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotasks_baselines.dopamine.decoding import Decoded, decode, distance
from neurotasks_baselines.dopamine.estimators import (
    Method,
    asymmetries,
    reversal_points,
    trial_sums,
)
from neurotasks_baselines.dopamine.neurons import Neurons, empirical_utility
from neurotasks_baselines.dopamine.recordings import (
    load_recordings,
    mean_utilities,
    pool_conditions,
    recorded_responses,
)
from neurotasks_baselines.dopamine.responses import from_table, simulate_responses
from neurotasks_baselines.dopamine.statistics import sign_tests, split_half
from neurotasks_baselines.errors import RecordingError

Floats = NDArray[np.float64]
Measures = dict[str, float]

METHODS: tuple[Method, Method] = ("interpolation", "count")

REPEATS = 5
"""Decodings of the recorded neurons that are pooled (published: 5 or 10)."""

FEWEST_NEURONS = 3  # a correlation over fewer has no P
FEWEST_MAGNITUDES = 2

ROWS: tuple[tuple[str, str, str], ...] = (
    ("noise", "sd of a trial over the dynamic range, each a mean over neurons", "0.39"),
    ("above", "neurons above baseline at the magnitude nearest the mean", "0.28 at 5 ul"),
    ("below", "neurons below baseline at that magnitude", "0.25 at 5 ul"),
    *(
        (f"{key}_{method}", f"{words} ({method})", published if method == "count" else "")
        for method in METHODS
        for key, words, published in (
            ("reversal_r", "reversal points of two halves, mean R", "0.62"),
            ("reversal_p", "reversal points of two halves, geometric-mean P", "1.8e-05"),
            ("asymmetry_r", "asymmetry and reversal point of two halves, mean R", "0.58"),
            ("asymmetry_p", "asymmetry and reversal point, geometric-mean P", "8.1e-05"),
            ("loss", "decoding, loss L", "0.183"),
            ("distance", "decoding, distance W1 from the true rewards (ul)", "1.66"),
            ("shuffled_loss", "decoding with tau shuffled over neurons, L", "1.22"),
            ("shuffled_distance", "decoding with tau shuffled over neurons, W1 (ul)", "3.5"),
        )
    ),
)
"""Key of a measure, its name, and its value for the 40 published neurons: P from Lowet et al.
2020, Fig. 4D, F (R follows from it), the rest counted in the public files."""


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
    pooled, cued = (
        simulate_responses(rng, neurons, like.utilities, trial_sums(a).trials.astype(int))
        for a in (like.pooled, like.cued)
    )
    return Trials(pooled, cued, like.magnitudes, like.utilities, like.probabilities)


def measure(trials: Trials, rng: np.random.Generator, repeats: int, splits: int) -> Measures:
    """Measure a population.

    Args:
        trials: Trials of its neurons.
        rng: Random number generator, for halves and decodings.
        repeats: Number of decodings that are pooled.
        splits: Number of random halves.

    Returns:
        The measures, by their keys in `ROWS`.
    """
    means = np.nanmean(trials.pooled, axis=-1)
    spread = np.sqrt(np.nanmean((trials.pooled - means[..., None]) ** 2, axis=(1, 2)))
    mean = trials.magnitudes @ trials.probabilities
    nearest = np.abs(trials.magnitudes - mean).argmin()
    above, below = (side[:, nearest].mean() for side in sign_tests(trials.pooled))
    result = {
        "noise": float(spread.mean() / (means[:, -1] - means[:, 0]).mean()),
        "above": float(above),
        "below": float(below),
    }
    for method in METHODS:
        reversal = split_half(trials.cued, trials.utilities, rng, splits, method).reversal
        asymmetry = split_half(trials.pooled, trials.utilities, rng, splits, method).asymmetry
        intact, shuffled = (
            decoded(trials, rng, repeats, method, shuffle) for shuffle in (False, True)
        )
        found = {
            "reversal_r": reversal.mean_r,
            "reversal_p": reversal.geometric_p,
            "asymmetry_r": asymmetry.mean_r,
            "asymmetry_p": asymmetry.geometric_p,
            "loss": intact.loss,
            "distance": distance(intact.samples, trials.magnitudes, trials.probabilities),
            "shuffled_loss": shuffled.loss,
            "shuffled_distance": distance(
                shuffled.samples, trials.magnitudes, trials.probabilities
            ),
        }
        result |= {f"{key}_{method}": value for key, value in found.items()}
    return result


def measure_recorded(
    names: list[str], trials: Trials, rng: np.random.Generator, repeats: int, splits: int
) -> Measures:
    """Measure recorded neurons.

    Args:
        names: Names of the neurons.
        trials: Trials of the neurons.
        rng: Random number generator, for halves and decodings.
        repeats: Number of decodings that are pooled.
        splits: Number of random halves.

    Returns:
        The measures, by their keys in `ROWS`, all of them numbers.

    Raises:
        RecordingError: If the responses of fewer than three neurons change sign, so that they have
            an asymmetry, or a measure is not defined.
    """
    sums = trial_sums(trials.pooled)
    taus = asymmetries(
        sums, trials.utilities, reversal_points(sums, trials.utilities, rng, "interpolation")
    )
    without = [name for name, tau in zip(names, taus, strict=True) if not np.isfinite(tau)]
    if len(names) - len(without) < FEWEST_NEURONS:
        raise RecordingError(
            f"At least {FEWEST_NEURONS} neurons must respond below baseline to small and above it "
            f"to large rewards; got {len(names) - len(without)} of {len(names)}, not "
            f"{', '.join(without[:5])}. Check the times of rewards, or add neurons."
        )
    found = measure(trials, rng, repeats, splits)
    unknown = [words for key, words, _ in ROWS if not np.isfinite(found[key])]
    if unknown:
        raise RecordingError(
            f"The neurons must have enough trials of each magnitude, and responses on both sides "
            f"of baseline; got no value of: {'; '.join(unknown)}. Leave out neurons with few "
            f"trials{' or with one sign, ' * bool(without)}{', '.join(without[:5])}."
        )
    return found


def decoded(
    trials: Trials,
    rng: np.random.Generator,
    repeats: int = 1,
    method: Method = "interpolation",
    shuffle: bool = False,
) -> Decoded:
    """Decode the rewards from a population's reversal points and asymmetries.

    As published, both are estimated on the axis of utilities, and the reversal points then taken
    to microlitres. Neurons without an asymmetry are left out.

    Args:
        trials: Trials of its neurons.
        rng: Random number generator, for starts and shuffles.
        repeats: Number of decodings that are pooled.
        method: Estimator of the reversal points, see `reversal_points`.
        shuffle: Whether to shuffle the asymmetries over neurons, as a control.

    Returns:
        The decoded distribution, in microlitres.
    """
    sums = trial_sums(trials.pooled)
    points = reversal_points(sums, trials.utilities, rng, method)
    taus = asymmetries(sums, trials.utilities, points)
    known = np.isfinite(points) & np.isfinite(taus)
    taus = rng.permutation(taus[known]) if shuffle else taus[known]
    bounds = 0.0, float(trials.magnitudes[-1])
    return decode(trials.microlitres(points[known]), taus, rng, bounds=bounds, repeats=repeats)
