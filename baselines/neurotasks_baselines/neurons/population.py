"""Many neurons at once: how many code, what can be decoded from them, and their geometry.

Neurons that were not recorded together are put together as a pseudo-population: of each, trials of
the same condition are drawn, so that what trials of one session share is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.stats.proportion import proportion_confint

from neurotasks.analysis.decoder import decoding_accuracy
from neurotasks_baselines.errors import DesignError
from neurotasks_baselines.neurons.recording import Recording

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FOLDS = 5
PER_CONDITION = 8
"""Pseudo-trials per condition and fold (ours)."""


def fraction_coding(significant: NDArray[np.bool_], level: float = 0.95) -> pd.DataFrame:
    """Return the fraction of neurons that code, with Wilson's interval.

    Args:
        significant: Whether each neuron codes, (neurons, ...).
        level: Level of the interval.

    Returns:
        Columns ``coding``, ``neurons``, ``fraction``, ``low``, ``high``; one row per element of
        the other axes, in their order.
    """
    flat = significant.reshape(len(significant), -1)
    k, n = flat.sum(axis=0), len(flat)
    low, high = proportion_confint(k, n, alpha=1 - level, method="wilson")
    columns = {"coding": k, "neurons": n, "fraction": k / n, "low": low, "high": high}
    return pd.DataFrame(columns)


@dataclass(frozen=True)
class PseudoPopulation:
    """Pseudo-trials of neurons from several sessions.

    Attributes:
        activity: Standardised activity of each neuron, (pseudo-trials, neurons).
        conditions: Condition of each pseudo-trial, one column per label.
        fold: Fold of each, whose pseudo-trials share no trial with those of another, (trials,).
        left_out: Number of neurons left out, which had fewer trials than folds in a condition.
    """

    activity: Floats
    conditions: pd.DataFrame
    fold: Ints
    left_out: int


def pseudo_population(
    recordings: Sequence[Recording],
    labels: Sequence[Mapping[str, NDArray[np.int64]]],
    bins: slice,
    rng: np.random.Generator,
    *,
    folds: int = FOLDS,
    per_condition: int = PER_CONDITION,
    shuffle: bool = False,
) -> PseudoPopulation:
    """Put neurons together, with as many pseudo-trials in each condition.

    Args:
        recordings: Recordings, of one area.
        labels: For each recording, labels by name, (trials,); a condition is what all labels say
            together. Every condition that is found must be in most recordings.
        bins: Bins over which activity is averaged.
        rng: Random number generator, for folds and draws.
        folds: Number of folds.
        per_condition: Pseudo-trials per condition and fold, drawn with replacement.
        shuffle: Whether labels are shuffled within each recording first, as a null.

    Returns:
        The pseudo-population.

    Raises:
        DesignError: If no recording has as many trials as folds in every condition.
    """
    tables = [pd.DataFrame(dict(each)) for each in labels]
    conditions = pd.concat(tables).drop_duplicates().sort_values(list(tables[0].columns))
    conditions = conditions.reset_index(drop=True)
    columns, left_out = [], 0
    for one, table in zip(recordings, tables, strict=True):
        which = table.merge(conditions.reset_index(names="at"), how="left")["at"].to_numpy()
        which = rng.permutation(which) if shuffle else which
        if np.bincount(which, minlength=len(conditions)).min() < folds:
            left_out += len(one.neurons)
            continue
        mean = one.counts[..., bins].mean(axis=-1, dtype=np.float64)
        spread = mean.std(axis=1, keepdims=True)
        z = (mean - mean.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
        rows = []
        for condition in range(len(conditions)):
            order = rng.permutation(np.flatnonzero(which == condition))
            for part in range(folds):
                rows.append(rng.choice(order[part::folds], per_condition))
        columns.append(z[:, np.concatenate(rows)])
    if not columns:
        raise DesignError(
            f"Some recording must have {folds} trials in each of {len(conditions)} conditions; got "
            "none. Take fewer folds or fewer labels."
        )
    repeated = np.repeat(np.arange(len(conditions)), folds * per_condition)
    fold: Ints = np.tile(np.repeat(np.arange(folds), per_condition), len(conditions))
    table = conditions.iloc[repeated].reset_index(drop=True)
    return PseudoPopulation(np.concatenate(columns).T, table, fold, left_out)


def decode(population: PseudoPopulation, label: str) -> float:
    """Return the accuracy of decoding a label from other trials, balanced over conditions.

    Args:
        population: Pseudo-population.
        label: Label.
    """
    values = population.conditions[label].to_numpy()
    return decoding_accuracy(population.activity, values, population.fold)


def generalise(population: PseudoPopulation, label: str, context: str) -> float:
    """Return cross-condition generalisation (Bernardi et al. 2020, Cell 183:954).

    Args:
        population: Pseudo-population.
        label: Label that is decoded.
        context: Label whose other values the decoder has been fitted to.

    Returns:
        The accuracy, averaged over the values of the context. It is high where the label is coded
        in the same direction whatever the context, and at chance or below where it is not.
    """
    values = population.conditions[label].to_numpy()
    return decoding_accuracy(population.activity, values, population.conditions[context].to_numpy())


def participation_ratio(population: PseudoPopulation) -> float:
    """Return the number of dimensions that the mean activity of conditions has.

    Sum of the eigenvalues squared, over the sum of their squares (Gao et al. 2017, bioRxiv 214262).
    Products are of means of different folds, whose noise is not shared; else noise would add
    dimensions.

    Args:
        population: Pseudo-population.

    Returns:
        A number up to one less than the conditions; NaN where conditions do not differ.
    """
    folds = np.unique(population.fold)
    labels = list(population.conditions.columns)
    means = []
    for fold in folds:
        there = population.fold == fold
        table = pd.DataFrame(population.activity[there])
        groups = [population.conditions.loc[there, name].to_numpy() for name in labels]
        mean = table.groupby(groups).mean().to_numpy()
        means.append(mean - mean.mean(axis=0))
    total = np.sum(means, axis=0)
    gram = total @ total.T - sum(mean @ mean.T for mean in means)
    trace = float(np.trace(gram))
    return trace**2 / float((gram**2).sum()) if trace > 0 else float("nan")
