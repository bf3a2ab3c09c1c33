"""A population's trials, recorded or simulated, and the paper's measures of them.

Reversal points from independent halves (Fig. 2) rest on the cued trials, as published; sign tests,
asymmetries (Fig. 4) and decoding (Fig. 5) on cued and un-cued trials together. The published
decoding takes reversal points and asymmetries from the same trials, whose noise correlates them in
neurons that all predict the same, too; it is therefore also done with either from another half.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotasks_baselines.dopamine.decoding import Decoded, decode, distance
from neurotasks_baselines.dopamine.estimators import (
    Method,
    asymmetries,
    reversal_points,
    trial_sums,
)
from neurotasks_baselines.dopamine.figures import estimate
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

METHODS: tuple[Method, Method] = ("count", "interpolation")  # the published one first

REPEATS = 5
"""Decodings of the recorded neurons that are pooled (published: 5 or 10)."""

FEWEST_NEURONS = 3  # a correlation over fewer has no P
FEWEST_MAGNITUDES = 2
N = "n = 40"  # neurons that the published values are of

ROWS: tuple[tuple[str, str, str], ...] = (
    ("noise", "sd of a trial over the dynamic range, each a mean over neurons", f"0.39 ({N})"),
    ("above", "neurons above baseline at the magnitude nearest the mean", f"0.28 at 5 ul ({N})"),
    ("below", "neurons below baseline at that magnitude", f"0.25 at 5 ul ({N})"),
    *(
        (
            f"{key}_{method}",
            f"{words} ({method})",
            f"{published} ({N})" if published and method == "count" else "",
        )
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
            *(
                (f"{key}_halves", f"{words}, Z and tau of different halves, {letter}", "")
                for key, words, letter in (
                    ("loss", "decoding", "L"),
                    ("distance", "decoding", "W1 (ul)"),
                    ("shuffled_loss", "decoding with tau shuffled over neurons", "L"),
                    ("shuffled_distance", "decoding with tau shuffled over neurons", "W1 (ul)"),
                )
            ),
        )
    ),
)
"""Key of a measure, its name, and its value for the 40 published neurons with their number: P from
Lowet et al. 2020, Fig. 4D, F (R follows from it), the rest counted in the public files."""


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


def measure(trials: Trials, rng: np.random.Generator, repeats: int, splits: int) -> Measures:
    """Measure a population.

    Args:
        trials: Trials of its neurons.
        rng: Random number generator, for halves and decodings.
        repeats: Number of decodings of which means are taken.
        splits: Number of random halves.

    Returns:
        The measures, by their keys in `ROWS`.
    """
    means = np.nanmean(trials.pooled, axis=-1)
    spread = np.sqrt(np.nanmean((trials.pooled - means[..., None]) ** 2, axis=(1, 2)))
    above, below = signs(trials)
    nearest = nearest_the_mean(trials)
    result = {
        "noise": float(spread.mean() / (means[:, -1] - means[:, 0]).mean()),
        "above": float(above[nearest]),
        "below": float(below[nearest]),
    }
    for method in METHODS:
        found = consistency(trials, rng, splits, method)
        found |= decoding(trials, rng, repeats, method)
        found |= {
            f"{key}_halves": value
            for key, value in decoding(trials, rng, repeats, method, halves=True).items()
        }
        result |= {f"{key}_{method}": value for key, value in found.items()}
    return result


def shuffled_over_neurons(trials: Trials, rng: np.random.Generator) -> Trials:
    """Return the same responses to each magnitude, in random order over neurons and trials."""

    def shuffled(responses: Floats) -> Floats:
        result = responses.copy()
        for magnitude in range(responses.shape[1]):
            known = ~np.isnan(responses[:, magnitude])
            result[:, magnitude][known] = rng.permutation(responses[:, magnitude][known])
        return result

    return replace(trials, pooled=shuffled(trials.pooled), cued=shuffled(trials.cued))


def signs(trials: Trials) -> tuple[Floats, Floats]:
    """Return the fractions of neurons significantly above and below baseline, (magnitudes,)."""
    above, below = sign_tests(trials.pooled)
    return above.mean(axis=0), below.mean(axis=0)


def nearest_the_mean(trials: Trials) -> int:
    """Return the index of the magnitude nearest the mean reward."""
    mean = trials.magnitudes @ trials.probabilities
    return int(np.abs(trials.magnitudes - mean).argmin())


def consistency(
    trials: Trials, rng: np.random.Generator, splits: int, method: Method = METHODS[0]
) -> Measures:
    """Correlate estimates from independent halves of the trials (Figs. 2 and 4).

    Args:
        trials: Trials of the neurons.
        rng: Random number generator, for the halves.
        splits: Number of random halves.
        method: Estimator of the reversal points, see `reversal_points`.

    Returns:
        ``reversal_r``, ``reversal_p``: mean R and geometric-mean P of reversal points (Fig. 2).
        ``asymmetry_r``, ``asymmetry_p``: the same of reversal points and asymmetries (Fig. 4).
    """
    reversal = split_half(trials.cued, trials.utilities, rng, splits, method).reversal
    asymmetry = split_half(trials.pooled, trials.utilities, rng, splits, method).asymmetry
    return {
        "reversal_r": reversal.mean_r,
        "reversal_p": reversal.geometric_p,
        "asymmetry_r": asymmetry.mean_r,
        "asymmetry_p": asymmetry.geometric_p,
    }


def decoding(
    trials: Trials,
    rng: np.random.Generator,
    repeats: int = 1,
    method: Method = METHODS[0],
    *,
    halves: bool = False,
) -> Measures:
    """Decode the rewards, and again with the asymmetries shuffled over neurons (Fig. 5).

    Args:
        trials: Trials of the neurons.
        rng: Random number generator, for halves, starts and shuffles.
        repeats: Number of decodings of which means are taken.
        method: Estimator of the reversal points, see `reversal_points`.
        halves: Whether reversal points and asymmetries come from different halves of the trials.

    Returns:
        ``loss`` and ``distance`` from the true rewards, ``shuffled_loss``, ``shuffled_distance``.
    """
    found = {}
    for name, shuffle in (("", False), ("shuffled_", True)):
        each = [
            decoded(trials, rng, 1, method, shuffle=shuffle, halves=halves) for _ in range(repeats)
        ]
        far = [distance(d.samples, trials.magnitudes, trials.probabilities) for d in each]
        found[f"{name}loss"] = float(np.mean([d.loss for d in each]))
        found[f"{name}distance"] = float(np.mean(far))
    return found


def measure_recorded(
    names: list[str], trials: Trials, rng: np.random.Generator, repeats: int, splits: int
) -> Measures:
    """Measure recorded neurons.

    Args:
        names: Names of the neurons.
        trials: Trials of the neurons.
        rng: Random number generator, for halves and decodings.
        repeats: Number of decodings of which means are taken.
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


def by_animal(
    names: list[str], trials: Trials, rng: np.random.Generator, splits: int
) -> list[dict[str, Any]]:
    """Measure the consistency of the neurons of each animal, and without the one that has most.

    Args:
        names: Names of the neurons; as in the published files, the part before the first underscore
            tells the animal.
        trials: Trials of the neurons.
        rng: Random number generator, for the halves.
        splits: Number of random halves.

    Returns:
        A row for each animal with three neurons or more: ``animal``, ``neurons`` (their number),
        ``reversal_r``, ``asymmetry_r`` (see `consistency`). None if there is one animal only.
    """
    animals = np.array([name.split("_")[0] for name in names])
    found, counts = np.unique(animals, return_counts=True)
    groups = [(str(animal), animals == animal) for animal in found]
    most = found[counts.argmax()]
    groups.append((f"all but {most}", animals != most))
    rows = []
    for name, group in groups:
        if FEWEST_NEURONS <= group.sum() < len(names):
            part = replace(trials, pooled=trials.pooled[group], cued=trials.cued[group])
            measured = consistency(part, rng, splits)
            row = {key: measured[key] for key in ("reversal_r", "asymmetry_r")}
            rows.append({"animal": name, "neurons": int(group.sum()), **row})
    return rows if len(rows) > 1 else []


def decoded(
    trials: Trials,
    rng: np.random.Generator,
    repeats: int = 1,
    method: Method = METHODS[0],
    *,
    shuffle: bool = False,
    halves: bool = False,
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
        halves: Whether reversal points and asymmetries come from different halves of the trials
            instead of all of them.

    Returns:
        The decoded distribution, in microlitres.
    """
    found = estimate(trials.pooled, trials.utilities, rng, method)
    points, taus = (found.first, found.second_taus) if halves else (found.points, found.taus)
    known = np.isfinite(points) & np.isfinite(taus)
    taus = rng.permutation(taus[known]) if shuffle else taus[known]
    bounds = 0.0, float(trials.magnitudes[-1])
    return decode(trials.microlitres(points[known]), taus, rng, bounds=bounds, repeats=repeats)
