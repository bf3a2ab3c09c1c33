"""Which neurons code what, and when: regressions in every window, tested with permutations.

Every regressor is tested given all others: they are taken out of it and of the activity (Frisch and
Waugh), and what a null draws in its place has them taken out anew (the method of Smith in Winkler
et al. 2014, NeuroImage 92:381, table 2). The nulls change the regressor and not the activity, so
that one matrix product tests all neurons in all windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from neurotasks_baselines.errors import DesignError
from neurotasks_baselines.neurons.nulls import Null
from neurotasks_baselines.neurons.recording import Recording

Floats = NDArray[np.float64]

DRAWS = 199
"""Draws from a null hypothesis: a P value of .05 is then one of 10 in 200 (ours)."""

LEVEL = 0.05
"""Two-sided level at which a window belongs to a cluster, and a cluster counts."""

MOST_NUMBERS = 2**24  # in memory at once, of draws x windows x neurons
SAME = 1e-6  # of a regressor's length that is left when it follows from the others


@dataclass(frozen=True)
class Coding:
    """How neurons code regressors; arrays are (regressors, neurons, bins).

    Attributes:
        regressors: Names of the regressors that were tested.
        neurons: Names of the neurons.
        times: Middles of the bins, in the unit of the recording.
        t: t statistic of the regressor given all others; 0 where activity does not vary.
        cpd: Coefficient of partial determination: the fraction of the variance that the other
            regressors leave unexplained which this one explains.
        cpd_null: Its mean over draws from the null, which noise alone reaches.
        p_bin: P value in each bin, two-sided, not corrected.
        p_cluster: P value of the cluster that a bin belongs to, corrected for all bins by the
            largest cluster mass of each draw (Maris & Oostenveld 2007, J. Neurosci. Methods
            164:177); 1 outside clusters.
    """

    regressors: tuple[str, ...]
    neurons: tuple[str, ...]
    times: Floats
    t: Floats
    cpd: Floats
    cpd_null: Floats
    p_bin: Floats
    p_cluster: Floats

    @property
    def p(self) -> Floats:
        """P value of each neuron, corrected for all bins, (regressors, neurons)."""
        smallest: Floats = self.p_cluster.min(axis=-1)
        return smallest


def encode(
    recording: Recording,
    regressors: pd.DataFrame,
    null: Null,
    rng: np.random.Generator,
    *,
    test: Sequence[str] = (),
    draws: int = DRAWS,
) -> Coding:
    """Regress the activity of each neuron in each bin on all regressors.

    Args:
        recording: Neurons, or units, best in sliding windows.
        regressors: One row per trial of the recording, one column per regressor; a constant is
            added.
        null: Null hypothesis.
        rng: Random number generator, for the draws.
        test: Regressors to test, the others being there to be taken out; all by default.
        draws: Largest number of draws.

    Returns:
        The coding of each neuron.

    Raises:
        DesignError: If a regressor does not vary or follows from the others, or there are not more
            trials than regressors.
    """
    names = list(map(str, regressors.columns))
    x = _design(regressors, recording)
    n, k = x.shape
    df = n - k - 1
    neurons, _, bins = recording.counts.shape
    y = recording.counts.transpose(1, 2, 0).reshape(n, bins * neurons).astype(np.float64)
    tested = tuple(test) or tuple(names)
    shape = len(tested), neurons, bins
    t, cpd, cpd_null, p_bin, p_cluster = (np.empty(shape) for _ in range(5))
    threshold = float(stats.t.ppf(1 - LEVEL / 2, df))
    for i, name in enumerate(tested):
        j = names.index(name)
        others = np.linalg.qr(np.column_stack([np.ones(n), np.delete(x, j, axis=1)])).Q
        left = _left(x[:, [j]], others)
        if not np.linalg.norm(left) > SAME * np.sqrt(n):
            raise DesignError(
                f"Regressors must not follow from each other; got {name}, which follows from "
                f"{', '.join(other for other in names if other != name)}. Leave one of them out."
            )
        activity = _unit(_left(y, others), np.linalg.norm(y, axis=0))
        found = _t((_unit(left).T @ activity).reshape(bins, neurons), df)
        exceeded = np.zeros((bins, neurons))
        squares = np.zeros((bins, neurons))
        largest = []
        drawn = np.asarray(null(name, left[:, 0], rng, draws), np.float64)
        fake = _unit(_left(drawn.T, others)).T.astype(np.float32)
        activity = activity.astype(np.float32)
        for part in np.array_split(fake, max(1, fake.shape[0] * y.shape[1] // MOST_NUMBERS)):
            r = (part @ activity).reshape(len(part), bins, neurons)
            squares += (r * r).sum(axis=0, dtype=np.float64)
            values = _t(r, df)
            exceeded += (np.abs(values) >= np.abs(found)).sum(axis=0)
            largest.append(np.abs(cluster_runs(values, threshold)).max(axis=1))
        masses = cluster_masses(found, threshold)
        reached = (np.concatenate(largest)[:, None] >= masses).sum(axis=0)
        t[i], cpd_null[i] = found.T, squares.T / len(fake)
        cpd[i] = (found**2 / (found**2 + df)).T
        p_bin[i] = ((1 + exceeded) / (1 + len(fake))).T
        p_cluster[i] = np.where(masses > 0, (1 + reached) / (1 + len(fake)), 1.0).T
    return Coding(tested, recording.neurons, recording.times, t, cpd, cpd_null, p_bin, p_cluster)


def _design(regressors: pd.DataFrame, recording: Recording) -> Floats:
    """Return standardised regressors, (trials, regressors)."""
    x = regressors.to_numpy(np.float64)
    if len(x) != len(recording.trials) or len(x) < x.shape[1] + 3:
        raise DesignError(
            f"There must be one row per trial of the recording, {len(recording.trials)}, and at "
            f"least {x.shape[1] + 3} for {x.shape[1]} regressors; got {len(x)}. Make them from "
            "recording.trials."
        )
    spread = x.std(axis=0)
    if not (spread > 0).all():  # NaN is not
        name = regressors.columns[int(np.argmin(spread > 0))]
        raise DesignError(
            f"Regressors must vary and be numbers; got {name}, which is constant or missing in "
            "some trials. Leave it out, or these trials."
        )
    return (x - x.mean(axis=0)) / spread


def _left(values: Floats, others: Floats) -> Floats:
    """Return what an orthonormal basis does not explain of columns."""
    left: Floats = values - others @ (others.T @ values)
    return left


def _unit(columns: Floats, before: Floats | None = None) -> Floats:
    """Return columns of length 1; 0 where next to nothing is left of what was there before."""
    length = np.linalg.norm(columns, axis=0)
    least = 1e-9 * (np.ones_like(length) if before is None else before)
    return np.where(length > least, columns / np.where(length > least, length, 1), 0.0)


def _t(r: NDArray[np.floating], df: int) -> NDArray[np.floating]:
    return r * np.sqrt(df / np.maximum(1 - r * r, 1e-12))


def cluster_runs(t: NDArray[np.floating], threshold: float) -> NDArray[np.floating]:
    """Return sums of t from the beginning of each cluster on.

    A cluster is a stretch of bins beyond the threshold, all with the same sign.

    Args:
        t: t statistics, (..., bins, neurons).
        threshold: Threshold.

    Returns:
        The sum up to and with each bin, 0 outside clusters, (..., bins, neurons).
    """
    run = np.where(np.abs(t) > threshold, t, 0)
    for b in range(1, t.shape[-2]):
        here, before = run[..., b, :], run[..., b - 1, :]
        here += np.where(here * before > 0, before, 0)
    return run


def cluster_masses(t: NDArray[np.floating], threshold: float) -> NDArray[np.floating]:
    """Return the mass of the cluster that each bin belongs to: its summed t, without sign.

    Args:
        t: As for `cluster_runs`.
        threshold: As for `cluster_runs`.

    Returns:
        The masses, 0 outside clusters, (..., bins, neurons).
    """
    run = cluster_runs(t, threshold)
    for b in range(t.shape[-2] - 2, -1, -1):
        here, after = run[..., b, :], run[..., b + 1, :]
        run[..., b, :] = np.where(here * after > 0, after, here)
    return np.abs(run)
