"""How decoding degrades: wrong asymmetries, few neurons, no bounds (Dabney 2020, Extended Data 8).

Reversal points and asymmetries come from different halves of the trials, so that decoding rests on
nothing that the two share by noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from neurotasks_baselines.dopamine.decoding import BOUNDS, decode, distance
from neurotasks_baselines.dopamine.figures import estimate
from neurotasks_baselines.dopamine.neurons import MAGNITUDES, PROBABILITIES
from neurotasks_baselines.dopamine.trials import Trials

Floats = NDArray[np.float64]

SHIFTS = {"tau_much_lower": -1.0, "tau_lower": -0.5, "tau_higher": 0.5, "tau_much_higher": 1.0}
"""Shifts of the probit of every tau (ours; the form is that of Extended Data Fig. 8e-h)."""

NUMBERS = (5, 10, 20)
"""Numbers of neurons to decode from (ours)."""

DRAWS = 1000  # quantiles that stand for a continuous distribution


def shifted(taus: ArrayLike, shift: float) -> Floats:
    """Return asymmetries that are all wrong in the same direction (Extended Data Fig. 8e-h).

    Args:
        taus: Asymmetries, clipped to [0, 1], (neurons,).
        shift: Shift of their probits; positive is optimistic.

    Returns:
        Phi(Phi^-1(tau) + shift), (neurons,).
    """
    return np.asarray(stats.norm.cdf(stats.norm.ppf(np.clip(taus, 0, 1)) + shift))


def control_distances(
    values: ArrayLike = MAGNITUDES, probabilities: ArrayLike = PROBABILITIES
) -> dict[str, float]:
    """Return how far distributions are from the rewards without being decoded (Extended Data 8d).

    Args:
        values: Rewards, ascending, (magnitudes,).
        probabilities: Probabilities of the rewards, (magnitudes,), summing to one.

    Returns:
        W1 of ``uniform``, between 0 and the largest reward; ``gaussian``, with the mean and the sd
        of the rewards; ``mirrored``, the rewards in reverse order between their ends.
    """
    x, p = np.asarray(values, np.float64), np.asarray(probabilities, np.float64)
    mean = x @ p
    sd = np.sqrt((x - mean) ** 2 @ p)
    quantiles = (np.arange(DRAWS) + 0.5) / DRAWS
    return {
        "uniform": distance(quantiles * x[-1], x, p),
        "gaussian": distance(stats.norm.ppf(quantiles, mean, sd), x, p),
        "mirrored": float(stats.wasserstein_distance(x[0] + x[-1] - x, x, p, p)),
    }


def degraded(trials: Trials, rng: np.random.Generator) -> dict[str, float]:
    """Decode the rewards, and again with what decoding rests on made worse.

    Args:
        trials: Trials of the neurons.
        rng: Random number generator, for halves, starts, and choices of neurons.

    Returns:
        W1 from the true rewards, in microlitres: ``intact``; ``unbounded``, where samples may leave
        the range of the rewards; each of `SHIFTS`; ``neurons_N`` for each of
        `NUMBERS`, of as many neurons chosen at random. And ``of_gaussian``, intact over the
        distance of the Gaussian (`control_distances`); ``of_shifted``, the smaller distance with
        tau shifted by 1 up or down over intact.
    """
    found = estimate(trials.pooled, trials.utilities, rng, "interpolation")
    known = np.isfinite(found.first) & np.isfinite(found.second_taus)
    points, taus = trials.microlitres(found.first[known]), found.second_taus[known]

    def far(points: Floats, taus: Floats, **how: Any) -> float:
        bounds = BOUNDS[0], float(trials.magnitudes[-1])
        samples = decode(points, taus, rng, bounds=bounds, **how).samples
        return distance(samples, trials.magnitudes, trials.probabilities)

    result = {"intact": far(points, taus), "unbounded": far(points, taus, bounded=False)}
    for name, shift in SHIFTS.items():
        result[name] = far(points, shifted(taus, shift))
    for number in NUMBERS:
        few = rng.permutation(len(points))[:number]
        result[f"neurons_{number}"] = far(points[few], taus[few])
    gaussian = control_distances(trials.magnitudes, trials.probabilities)["gaussian"]
    return result | {
        "of_gaussian": result["intact"] / gaussian,
        "of_shifted": min(result["tau_much_lower"], result["tau_much_higher"]) / result["intact"],
    }
