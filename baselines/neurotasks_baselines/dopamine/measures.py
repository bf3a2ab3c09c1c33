"""A population's trials, recorded or simulated, and the paper's measures of them.

Reversal points from independent halves (Fig. 2) rest on the cued trials, as published; sign tests,
asymmetries (Fig. 4) and decoding (Fig. 5) on cued and un-cued trials together. The published
decoding takes reversal points and asymmetries from the same trials, whose noise correlates them in
neurons that all predict the same, too; it is therefore also done with either from another half.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks_baselines.dopamine.decoding import Decoded, decode, distance
from neurotasks_baselines.dopamine.degradation import NUMBERS, degraded
from neurotasks_baselines.dopamine.estimators import (
    Method,
    asymmetries,
    random_halves,
    reversal_points,
    trial_sums,
)
from neurotasks_baselines.dopamine.figures import estimate
from neurotasks_baselines.dopamine.statistics import (
    diversity,
    held_out_sign,
    sign_tests,
    split_half,
)
from neurotasks_baselines.dopamine.trials import FEWEST_NEURONS, Trials
from neurotasks_baselines.errors import RecordingError

Floats = NDArray[np.float64]
Measures = dict[str, float]

METHODS: tuple[Method, Method] = ("count", "interpolation")  # the published one first

FOLDINGS = 20
"""Random assignments of the trials to folds over which the median F is taken (ours)."""

REPEATS = 5
"""Decodings of the recorded neurons that are pooled (published: 5 or 10)."""

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
    ("same", "held-out signs predicted by a common reversal point (count)", ""),
    ("diverse", "held-out signs predicted by each neuron's own reversal point (count)", ""),
    *(
        (f"anova_{name}", f"ANOVA of asymmetry over neurons, reversal points {words}, F", published)
        for name, words, published in (
            ("published", "of a half (count)", f"2.93 of 39 neurons ({N})"),
            ("own_folds", "of each fold (interpolation)", ""),
        )
    ),
    *(
        (
            f"degraded_{name}",
            f"decoding {words}, Z and tau of different halves, W1 (ul) (interpolation)",
            "",
        )
        for name, words in (
            ("unbounded", "without bounds"),
            ("tau_much_lower", "with the probit of every tau 1 lower"),
            ("tau_much_higher", "with the probit of every tau 1 higher"),
            *((f"neurons_{n}", f"from {n} of the neurons") for n in NUMBERS),
        )
    ),
)
"""Key of a measure, its name, and its value for the 40 published neurons with their number: P and F
from Lowet et al. 2020, Fig. 4D to F (R follows from P), the rest counted in the public files."""

MAY_LACK = ("anova_published", "anova_own_folds")
"""Keys of what few trials may leave undefined, as folds have a seventh of them."""


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
    signs_found = held_out(trials, rng, splits)
    result |= {key: signs_found[key] for key in ("same", "diverse")}
    result |= {f"anova_{key}": value for key, value in anova(trials, rng).items()}
    each = [degraded(trials, rng) for _ in range(repeats)]
    wanted = [key.removeprefix("degraded_") for key, _, _ in ROWS if key.startswith("degraded_")]
    return result | {f"degraded_{key}": float(np.mean([d[key] for d in each])) for key in wanted}


def held_out(trials: Trials, rng: np.random.Generator, splits: int) -> Measures:
    """Predict the signs of held-out responses (Extended Data Fig. 4c), by counts as published.

    Args:
        trials: Trials of the neurons, of which the cued ones are used.
        rng: Random number generator, for the halves.
        splits: Number of random halves.

    Returns:
        Fractions of signs predicted by one reversal point of all neurons, ``same``, and by those of
        each, ``diverse``; ``ratio``, the signs that "same" gets wrong over those that "diverse"
        gets wrong: above 1 where reversal points differ by more than their error.
    """
    own, common = held_out_sign(trials.cued, trials.utilities, rng, splits, METHODS[0])
    diverse, same = float(np.mean(own)), float(np.mean(common))
    ratio = (1 - same) / (1 - diverse) if diverse < 1 else np.nan
    return {"same": same, "diverse": diverse, "ratio": ratio}


def anova(trials: Trials, rng: np.random.Generator, foldings: int = FOLDINGS) -> Measures:
    """Test whether neurons differ in asymmetry (Fig. 4c).

    Args:
        trials: Trials of the neurons.
        rng: Random number generator, for halves and folds.
        foldings: Number of random assignments of the trials to folds.

    Returns:
        Median F over assignments of the trials to seven folds: ``published``, whose
        folds share the reversal points of a random half, by counts; ``own_folds``, whose folds have
        their own, by interpolation. NaN where fewer than two neurons have asymmetries.
    """
    u, found = trials.utilities, []
    for _ in range(foldings):
        _, half = random_halves(trials.pooled, rng, 1)
        shared = reversal_points(half, u, rng, METHODS[0])[0]
        found.append([diversity(trials.pooled, u, z, rng).f for z in (shared, None)])
    published, own_folds = np.median(found, axis=0).tolist()
    return {"published": published, "own_folds": own_folds}


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


def fold_asymmetries(trials: Trials, rng: np.random.Generator) -> dict[str, Floats]:
    """Return the asymmetries of neurons in seven folds of their trials (Fig. 4c), as published.

    Args:
        trials: Trials of the neurons.
        rng: Random number generator, for the half of the reversal points and for the folds.

    Returns:
        ``means`` and ``sems`` over folds, and ``p`` of each neuron's t test against the mean over
        neurons, each (neurons,); NaN where a fold has no asymmetry.
    """
    _, half = random_halves(trials.pooled, rng, 1)
    points = reversal_points(half, trials.utilities, rng, METHODS[0])[0]
    found = diversity(trials.pooled, trials.utilities, points, rng)
    tau = found.asymmetries
    sem = tau.std(axis=1, ddof=1) / np.sqrt(tau.shape[1])
    return {"means": tau.mean(axis=1), "sems": sem, "p": found.p_neurons}


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
        The measures, by their keys in `ROWS`, all of them numbers but those of `MAY_LACK`.

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
    unknown = [w for key, w, _ in ROWS if key not in MAY_LACK and not np.isfinite(found[key])]
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
