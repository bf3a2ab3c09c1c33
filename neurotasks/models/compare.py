"""Which model describes whom: held-out likelihood, and comparison over people."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurotasks.core.checks import check_count
from neurotasks.errors import ParameterError, require
from neurotasks.models.fit import MOST_STARTS
from neurotasks.models.likelihood import Likelihood, people
from neurotasks.models.model import Model
from neurotasks.models.search import Prior, search, starting_points

if TYPE_CHECKING:
    import pandas as pd

MOST_FOLDS = 1000
MOST_ITERATIONS = 10_000
SETTLED = 1e-10  # change of the counts at which the iteration ends


def held_out(
    model: Model,
    trials: pd.DataFrame,
    prior: Prior | None = None,
    *,
    folds: int = 5,
    by: str = "env",
    starts: int = 10,
    seed: int = 0,
    workers: int = 1,
) -> pd.Series[float]:
    """Return everybody's log likelihood of choices that the model was not fitted to.

    Each person's trials are cut into blocks of equal length. One block after the other is left
    out: the model is fitted to the choices of the others, and those of the block are predicted.
    The model sees the left-out trials, and learns from them, as the person did.

    Args:
        model: The model.
        trials: Trial table, see `neurotasks.models.likelihood.people`.
        prior: Prior; None: maximum likelihood.
        folds: Number of blocks.
        by: Column that tells persons apart.
        starts: Number of searches per person and block.
        seed: Seed of the starts.
        workers: Number of processes.

    Returns:
        The sum over all blocks, one row per person.

    Raises:
        TrialTableError: If the table is empty or holds something else than it may.
        ParameterError: If there are fewer than two folds, or somebody has fewer trials.
    """
    pd = require("pandas", "analysis")
    everybody = people(model, trials, by)
    check_count("folds", folds, MOST_FOLDS)
    check_count("starts", starts, MOST_STARTS)
    fewest = min(int((r["choice"] >= 0).sum()) for _, r in everybody.values())
    if not 2 <= folds <= fewest:
        raise ParameterError(
            f"folds must be from 2 to the fewest trials with a choice, {fewest}; got {folds}."
        )
    points, likelihood = starting_points(model, prior, starts, seed), Likelihood(model)
    total = np.zeros(len(everybody))
    for fold in range(folds):
        parts = []
        for _, records in everybody.values():
            part = records.copy()
            part["counts"][np.array_split(np.flatnonzero(part["choice"] >= 0), folds)[fold]] = False
            parts.append(part)
        for i, optimum in enumerate(search(model, parts, prior, points, workers)):
            each = likelihood.per_choice(parts[i], model.scales.values(optimum.z)[0])
            total[i] += each[~parts[i]["counts"]].sum()
    return pd.Series(total, pd.Index(everybody, name=by))


def people_folds(number: int, folds: int, seed: int) -> list[NDArray[np.int64]]:
    """Return which people are left out in each fold, dealt at random.

    Args:
        number: Number of people.
        folds: Number of folds.
        seed: Seed of the deal.

    Returns:
        Positions of the people of each fold, every one in one fold.

    Raises:
        ParameterError: If there are fewer than two folds, or fewer people than folds.
    """
    check_count("folds", folds, MOST_FOLDS)
    if not 2 <= folds <= number:
        raise ParameterError(
            f"folds must be from 2 to the number of people, {number}; got {folds}."
        )
    return np.array_split(np.random.default_rng(seed).permutation(number), folds)


def held_out_people(
    model: Model,
    trials: pd.DataFrame,
    *,
    folds: int = 5,
    by: str = "env",
    starts: int = 10,
    seed: int = 0,
    workers: int = 1,
) -> pd.DataFrame:
    """Return everybody's log likelihood under parameters that were fitted to other people.

    One fold of the people after the other is left out. One set of parameters, the same for
    everybody, is fitted to the choices of all others by maximum likelihood, and predicts those of
    the fold. `held_out` leaves out trials instead, and gives everybody parameters of their own.

    Args:
        model: The model.
        trials: Trial table, see `neurotasks.models.likelihood.people`.
        folds: Number of folds.
        by: Column that tells persons apart.
        starts: Number of searches per fold.
        seed: Seed of the folds and of the starts.
        workers: Number of processes.

    Returns:
        Sums over everybody's choices at the ``first`` and the ``second`` stage, one row per person.

    Raises:
        TrialTableError: If the table is empty or holds something else than it may.
        ParameterError: If there are fewer than two folds, or fewer people than folds.
    """
    pd = require("pandas", "analysis")
    everybody = people(model, trials, by)
    check_count("starts", starts, MOST_STARTS)
    records = [own for _, own in everybody.values()]
    left_out = people_folds(len(records), folds, seed)
    others = [np.setdiff1d(np.arange(len(records)), fold) for fold in left_out]
    parts = [np.concatenate([records[i] for i in fold]) for fold in others]
    total, likelihood = np.zeros((len(records), 2)), Likelihood(model)
    found = search(model, parts, None, starting_points(model, None, starts, seed), workers)
    for fold, optimum in zip(left_out, found, strict=True):
        values = model.scales.values(optimum.z)[0]
        for i in fold:
            total[i] = likelihood.per_choice(records[i], values).sum(axis=0)
    return pd.DataFrame(total, pd.Index(everybody, name=by), ["first", "second"])


class Comparison(NamedTuple):
    """Models compared over people, as a random effect.

    Attributes:
        frequency: Expected share of people whom each model describes.
        exceedance: Probability that a model is more frequent than all others.
        protected: The same, allowing for the possibility that all are equally frequent.
        omnibus_risk: Probability that they are (Bayesian omnibus risk).
    """

    frequency: pd.Series[float]
    exceedance: pd.Series[float]
    protected: pd.Series[float]
    omnibus_risk: float


def compare_models(log_evidence: pd.DataFrame) -> Comparison:
    """Compare models over people by protected exceedance probabilities.

    Variational Bayes with a flat Dirichlet prior of the models' frequencies (Stephan et al. 2009,
    NeuroImage 46:1004; Rigoux et al. 2014, NeuroImage 84:971). The exceedance probabilities are
    integrated numerically, not sampled.

    Args:
        log_evidence: Log evidence, one row per person, one column per model: -BIC / 2, Laplace's,
            or a held-out log likelihood.

    Returns:
        The comparison.

    Raises:
        ParameterError: If there are fewer than two models, or a number is not finite.
    """
    pd = require("pandas", "analysis")
    special = require("scipy.special", "analysis")
    evidence = np.asarray(log_evidence, np.float64)
    if evidence.ndim != 2 or evidence.shape[1] < 2 or not evidence.size:
        raise ParameterError(
            "Log evidence must be a table of at least 1 person x 2 models; got the shape "
            f"{evidence.shape}. Join series with pandas.DataFrame({{name: series}})."
        )
    if not np.isfinite(evidence).all():
        raise ParameterError(
            "Log evidence must be finite; got NaN or infinity. Leave out who has none, or take "
            "-fit.bic / 2."
        )
    models = evidence.shape[1]
    counts = np.ones(models)
    for _ in range(MOST_ITERATIONS):
        weight = evidence + special.digamma(counts)
        share = special.softmax(weight, axis=1)
        before, counts = counts, 1 + share.sum(axis=0)
        if np.abs(counts - before).max() < SETTLED:
            break
    # free energies of the model with frequencies, and of that in which all are equal
    log_share = special.log_softmax(weight, axis=1)
    expected = special.digamma(counts) - special.digamma(counts.sum())
    free = float((share * (evidence + expected - log_share)).sum())
    free += float(special.gammaln(models) - special.gammaln(counts.sum()))
    free += float((special.gammaln(counts) - (counts - 1) * expected).sum())
    equal = float((special.logsumexp(evidence, axis=1) - np.log(models)).sum())
    risk = float(special.expit(equal - free))
    exceedance = _exceedance(counts)
    names = log_evidence.columns
    return Comparison(
        pd.Series(counts / counts.sum(), names),
        pd.Series(exceedance, names),
        pd.Series(exceedance * (1 - risk) + risk / models, names),
        risk,
    )


def _exceedance(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability that each component of a Dirichlet distribution is the largest.

    Its components are gamma variables divided by their sum.
    """
    stats, integrate = require("scipy.stats", "analysis"), require("scipy.integrate", "analysis")
    top = stats.gamma.ppf(1 - 1e-12, counts.max())
    peaks = sorted({*(counts - 1).clip(0).tolist()})
    found = np.empty(len(counts))
    for k, count in enumerate(counts):
        others = np.delete(counts, k)

        def density(x: float, count: float = count, others: NDArray[np.float64] = others) -> float:
            return float(stats.gamma.pdf(x, count) * stats.gamma.cdf(x, others).prod())

        found[k], _ = integrate.quad(density, 0, top, points=peaks, limit=500)
    return np.asarray(found / found.sum())
