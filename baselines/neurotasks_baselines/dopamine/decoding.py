"""Decoding a distribution of rewards from reversal points and asymmetries (Dabney 2020, Fig. 5).

If the reversal point Z_i of every neuron is the tau_i-expectile of a distribution, samples of that
distribution make all expectile regressions vanish at once. Decoding searches for such samples
(imputation; Rowland et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from neurotasks.core.cache import cached
from neurotasks_baselines.dopamine.neurons import MAGNITUDES, PROBABILITIES

Floats = NDArray[np.float64]

SAMPLES = 100
"""Samples of the decoded distribution ([HRH] and two other reproductions)."""

STARTS = 20_000
"""Random vectors of samples, the best of which is improved ([HRH]; two others draw 1,000)."""

BOUNDS = (0.0, 20.0)
"""Bounds of the samples, microlitres: from 0 to the largest reward ([HRH] and another reproduction
take the range of the rewards)."""


@dataclass(frozen=True)
class Decoded:
    """A decoded distribution.

    Attributes:
        samples: Samples of all repeats, ascending, (repeats x samples,).
        loss: Mean loss of the repeats; 0 where the neurons agree on one distribution.
    """

    samples: Floats
    loss: float


def imputation_loss(
    samples: ArrayLike, reversal_points: ArrayLike, taus: ArrayLike
) -> tuple[float, Floats]:
    """Return the loss of samples, and its gradient.

    With delta_im = z_m - Z_i and g_i = -1/2 mean_m |tau_i - 1[delta_im <= 0]| delta_im the loss is
    the mean of g_i squared.

    Args:
        samples: Samples z, (samples,).
        reversal_points: Reversal points Z, (neurons,).
        taus: Asymmetries of the neurons, (neurons,).

    Returns:
        The loss, and its derivative with respect to each sample, (samples,).
    """
    z = np.asarray(samples, np.float64)
    loss = _Loss(np.asarray(reversal_points, np.float64), np.asarray(taus, np.float64), len(z))
    return loss(z), loss.gradient(z)


class _Loss:
    """The loss of samples, then its gradient, which scipy asks for in this order.

    Args:
        reversal_points: Reversal points, (neurons,).
        taus: Asymmetries of the neurons, (neurons,).
        samples: Number of samples.
    """

    def __init__(self, reversal_points: Floats, taus: Floats, samples: int) -> None:
        self.reversal_points = reversal_points
        self.below, self.above = (-0.5 * np.abs(taus - side) / samples for side in (1, 0))
        self.delta, self.weight = np.empty((2, len(taus), samples))
        self.samples, self.slope = np.empty(0), np.empty(0)

    def __call__(self, samples: Floats) -> float:
        """Return the loss, and keep its gradient."""
        of_neurons = self.reversal_points, self.below, self.above
        _weigh(samples, *of_neurons, self.delta, self.weight)
        g = np.einsum("im,im->i", self.weight, self.delta)
        self.samples, self.slope = samples, 2 / len(g) * (g @ self.weight)
        return float(np.add.reduce(g**2) / len(g))

    def gradient(self, samples: Floats) -> Floats:
        """Return the gradient, which was computed with the loss of these samples."""
        if not np.array_equal(samples, self.samples):
            self(samples)
        return self.slope


@cached
def _weigh(
    samples: Floats,
    reversal_points: Floats,
    below: Floats,
    above: Floats,
    delta: Floats,
    weight: Floats,
) -> None:
    """Write the differences of samples and reversal points, and what g weighs them with."""
    for i in range(len(reversal_points)):
        for m in range(len(samples)):
            delta[i, m] = samples[m] - reversal_points[i]
            weight[i, m] = below[i] if delta[i, m] <= 0 else above[i]


def best_start(
    starts: ArrayLike, reversal_points: ArrayLike, taus: ArrayLike
) -> NDArray[np.float64]:
    """Return the vector of samples with the smallest loss.

    Args:
        starts: Vectors of samples, (starts, samples).
        reversal_points: Reversal points, (neurons,).
        taus: Asymmetries of the neurons, (neurons,).

    Returns:
        The best of the vectors, ascending, (samples,).
    """
    vectors, z, tau = (np.asarray(a, np.float64) for a in (starts, reversal_points, taus))
    return np.sort(vectors[_best(vectors, z, tau)])


@partial(cached, fastmath={"reassoc", "nsz"})  # so that the innermost loop runs on vectors
def _best(vectors: Floats, reversal_points: Floats, taus: Floats) -> int:
    """Return which vector of samples has the smallest loss, the first of equal ones."""
    best, least, number = 0, np.inf, vectors.shape[1]
    for k in range(len(vectors)):
        mean, loss = vectors[k].mean(), 0.0  # up to a constant factor
        for i in range(len(taus)):
            z, tau = reversal_points[i], taus[i]
            # the same g as above: tau everywhere, and 1 - 2 tau more below Z
            shortfall = 0.0
            for m in range(number):
                difference = vectors[k, m] - z
                shortfall += difference if difference < 0 else 0.0
            loss += (tau * (mean - z) + (1 - 2 * tau) * shortfall / number) ** 2
            if loss >= least:  # no later neuron makes it smaller
                break
        else:
            best, least = k, loss
    return best


def decode(
    reversal_points: ArrayLike,
    taus: ArrayLike,
    rng: np.random.Generator,
    *,
    samples: int = SAMPLES,
    bounds: tuple[float, float] = BOUNDS,
    bounded: bool = True,
    repeats: int = 1,
    starts: int = STARTS,
    method: Literal["TNC", "L-BFGS-B"] = "TNC",
) -> Decoded:
    """Decode the distribution whose expectiles are the reversal points of the neurons.

    Args:
        reversal_points: Reversal points in the unit of the rewards, (neurons,).
        taus: Asymmetries of the neurons, (neurons,); clipped to [0, 1] (as published).
        rng: Random number generator, for the starts, uniform within the bounds.
        samples: Number of samples per repeat.
        bounds: Smallest and largest value of the samples.
        bounded: Whether the optimiser keeps to the bounds; otherwise they hold for the starts only
            (Extended Data Fig. 8a-c).
        repeats: Number of independent decodings that are pooled; published 5 or 10 for recorded
            neurons.
        starts: Number of random vectors per repeat.
        method: Optimiser of scipy; the published one is TNC.

    Returns:
        The decoded samples and their loss; NaN without neurons.

    Raises:
        ValueError: If reversal points and taus differ in shape or are not all finite, or the bounds
            do not ascend.
    """
    z, tau = (np.asarray(a, np.float64) for a in (reversal_points, taus))
    if z.ndim != 1 or z.shape != tau.shape or not np.isfinite([z, tau]).all():
        raise ValueError(
            f"reversal_points and taus must hold one finite value per neuron; got shapes {z.shape} "
            f"and {tau.shape}, with {int((~np.isfinite(z)).sum() + (~np.isfinite(tau)).sum())} "
            "values that are not finite. Leave such neurons out."
        )
    low, high = bounds
    if not low < high:
        raise ValueError(f"bounds must ascend; got {bounds}. Pass (lowest, highest).")
    if not len(z):
        return Decoded(np.full(samples * repeats, np.nan), np.nan)
    tau = np.clip(tau, 0, 1)
    loss = _Loss(z, tau, samples)
    fits = [
        optimize.minimize(
            loss,
            best_start(rng.uniform(low, high, (starts, samples)), z, tau),
            jac=loss.gradient,  # with jac=True scipy's bookkeeping takes longer than the loss
            bounds=[bounds] * samples if bounded else None,
            method=method,
        )
        for _ in range(repeats)
    ]
    return Decoded(
        np.sort(np.concatenate([fit.x for fit in fits])), float(np.mean([fit.fun for fit in fits]))
    )


def distance(
    samples: ArrayLike, values: ArrayLike = MAGNITUDES, probabilities: ArrayLike = PROBABILITIES
) -> float:
    """Return the 1-Wasserstein distance of samples from a discrete distribution.

    Args:
        samples: Samples, (samples,).
        values: Values of the distribution, (n,).
        probabilities: Probabilities of the values, (n,), summing to one.

    Returns:
        The distance, in the unit of the values.
    """
    return float(
        stats.wasserstein_distance(np.ravel(samples), values, v_weights=np.asarray(probabilities))
    )
