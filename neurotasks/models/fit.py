"""Fits of models to the choices of people, animals or networks, each by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurotasks.core.checks import check_count
from neurotasks.errors import ParameterError, require, shown
from neurotasks.models.likelihood import Likelihood, people
from neurotasks.models.model import Model

if TYPE_CHECKING:
    import pandas as pd

COARSE, FINE = 1e-6, 1e-12  # relative change of the objective at which a search ends
AGREEMENT = 0.1  # nats below the best start that still count as its optimum
DIFFERENCE = 1e-4  # step, in unbounded numbers, for second derivatives
AT_BOUND = 1e-3  # distance from the largest number tried
MOST_STARTS = 10**4
MOST_WORKERS = 1024


class Prior(NamedTuple):
    """Independent normal priors of the unbounded numbers behind the parameters.

    Attributes:
        mean: Means, (parameters,).
        sd: Standard deviations, (parameters,).
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]


class Optimum(NamedTuple):
    """Where a search has ended.

    Attributes:
        z: Unbounded numbers, (parameters,).
        log_likelihood: Log likelihood there.
        hessian: Second derivatives of the negative objective by z, (parameters, parameters).
        agreeing: Number of starts that came as high.
        choices: Number of choices that counted.
    """

    z: NDArray[np.float64]
    log_likelihood: float
    hessian: NDArray[np.float64]
    agreeing: int
    choices: int


@dataclass(frozen=True)
class Fit:
    """A model fitted to everybody in a trial table; tables and series have a row per person.

    Attributes:
        model: The model.
        prior: Prior of a maximum a posteriori; None: maximum likelihood.
        parameters: Estimates, a column per parameter that is not fixed.
        standard_errors: From the curvature at the estimates; NaN at a bound, and where the choices
            do not determine the parameters.
        log_likelihood: Log likelihood of the choices at the estimates.
        log_evidence: Laplace's approximation of the log marginal likelihood, NaN without a prior
            or where the curvature is not positive.
        choices: Number of choices; two in a trial with a choice at each stage.
        agreeing: Number of starts that reached the optimum within `AGREEMENT`. Where it is 1, more
            starts may well find a higher one; where it is larger they still may, as values learned
            slowly and weighed much resemble values learned fast and weighed little.
    """

    model: Model
    prior: Prior | None
    parameters: pd.DataFrame
    standard_errors: pd.DataFrame
    log_likelihood: pd.Series[float]
    log_evidence: pd.Series[float]
    choices: pd.Series[int]
    agreeing: pd.Series[int]

    @property
    def bic(self) -> pd.Series[float]:
        """Bayesian information criterion, lower is better (Schwarz 1978)."""
        return len(self.model.free) * np.log(self.choices) - 2 * self.log_likelihood

    @property
    def aic(self) -> pd.Series[float]:
        """Akaike information criterion, lower is better (Akaike 1974)."""
        return 2 * len(self.model.free) - 2 * self.log_likelihood


def weak_prior(model: Model) -> Prior:
    """Return the prior that a model's parameters declare: flat for rates, broad for the others."""
    return Prior(model.scales.mean, model.scales.sd)


def fit(
    model: Model,
    trials: pd.DataFrame,
    prior: Prior | None = None,
    *,
    by: str = "env",
    starts: int = 10,
    seed: int = 0,
    workers: int = 1,
) -> Fit:
    """Fit a model to everybody's choices, by maximum likelihood or maximum a posteriori.

    The search (BFGS within bounds, `neurotasks.models.descent`) is in unbounded numbers, with the
    exact gradient. A rate comes within 5e-5 of its bounds, an inverse temperature from 0.05 to its
    `high`.

    Args:
        model: The model.
        trials: Trial table, see `neurotasks.models.likelihood.people`.
        prior: Prior, such as `weak_prior`; None: maximum likelihood.
        by: Column that tells persons apart.
        starts: Number of searches per person; the first starts from the middle of the prior, the
            others are drawn from it, or without one from the weak prior.
        seed: Seed of the starts.
        workers: Number of processes.

    Returns:
        The fit.

    Raises:
        TrialTableError: If the table is empty or holds something else than it may.
        ParameterError: If starts or workers are none, or the prior is one of another model.
    """
    pd = require("pandas", "analysis")
    everybody = people(model, trials, by)
    check_count("starts", starts, MOST_STARTS)
    found = search(
        model, [r for _, r in everybody.values()], prior, drawn(model, prior, starts, seed), workers
    )
    return as_fit(model, prior, found, pd.Index(everybody, name=by))


def drawn(model: Model, prior: Prior | None, starts: int, seed: int) -> NDArray[np.float64]:
    """Return where searches start, (starts, parameters).

    Raises:
        ParameterError: If the prior is one of another model.
    """
    mean, sd = (np.asarray(a, np.float64) for a in (weak_prior(model) if prior is None else prior))
    if mean.shape != (len(model.free),) or sd.shape != mean.shape or not (sd > 0).all():
        raise ParameterError(
            f"A prior of the model {model.name} must be of {', '.join(model.names)}, with positive "
            f"standard deviations; got {shown(prior)}. Take weak_prior(model)."
        )
    z = mean + sd * np.random.default_rng(seed).standard_normal((starts, len(mean)))
    z[0] = mean
    return np.clip(z, model.scales.low, model.scales.high)


def search(
    model: Model,
    everybody: list[NDArray[np.void]],
    prior: Prior | None,
    starts: NDArray[np.float64] | list[NDArray[np.float64]],
    workers: int = 1,
) -> list[Optimum]:
    """Return the optimum of each person, searched in so many processes.

    Args:
        model: The model.
        everybody: Records of each person.
        prior: As for `fit`.
        starts: Starts for everybody, (starts, parameters), or a list of those of each person.
        workers: Number of processes.

    Returns:
        The optima.

    Raises:
        ParameterError: If there are no workers.
    """
    check_count("workers", workers, MOST_WORKERS)
    each = starts if isinstance(starts, list) else [starts] * len(everybody)
    jobs_per_worker = 4 if workers > 1 else 1
    parts = [slice(i, None, jobs_per_worker * workers) for i in range(jobs_per_worker * workers)]
    work = partial(_search_some, model, prior)
    jobs = [everybody[part] for part in parts], [each[part] for part in parts]
    if workers == 1:
        done = list(map(work, *jobs))
    else:
        with ProcessPoolExecutor(workers) as pool:
            done = list(pool.map(work, *jobs))
    found: list[Any] = [None] * len(everybody)
    for part, some in zip(parts, done, strict=True):
        found[part] = some
    return found


def _search_some(
    model: Model,
    prior: Prior | None,
    some: Iterable[NDArray[np.void]],
    starts: Iterable[NDArray[np.float64]],
) -> list[Optimum]:
    likelihood = Likelihood(model)
    return [_search_one(likelihood, r, prior, z) for r, z in zip(some, starts, strict=True)]


def objective(
    likelihood: Likelihood, trials: NDArray[np.void], prior: Prior | None
) -> Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]:
    """Return the negative log likelihood, or log posterior, of unbounded numbers, and gradient.

    Args:
        likelihood: Likelihood of the model.
        trials: Records of one person.
        prior: As for `fit`.

    Returns:
        The function, of numbers (parameters,).
    """
    scales = likelihood.model.scales

    def negative(z: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        values, slopes = scales.values(z)
        value, gradient = likelihood(trials, values)
        gradient *= slopes
        if prior is not None:
            off = (z - prior.mean) / prior.sd
            value -= float(off @ off) / 2
            gradient -= off / prior.sd
        return -value, -gradient

    return negative


def _search_one(
    likelihood: Likelihood,
    trials: NDArray[np.void],
    prior: Prior | None,
    starts: NDArray[np.float64],
) -> Optimum:
    model, scales = likelihood.model, likelihood.model.scales
    negative = objective(likelihood, trials, prior)
    unit = scales.sd if prior is None else prior.sd
    z = starts[0]
    agreeing = len(starts)
    if len(model.free):
        mean, sd = (0 * unit, np.inf + unit) if prior is None else prior

        def end(start: NDArray[np.float64], tolerance: float) -> tuple[NDArray[np.float64], float]:
            return likelihood.descend(trials, start, mean, sd, unit, tolerance)

        ends = [end(start, COARSE) for start in starts]
        z, best = end(min(ends, key=lambda found: found[1])[0], FINE)
        agreeing = max(1, sum(value < best + AGREEMENT for _, value in ends))
    log_likelihood, _ = likelihood(trials, scales.values(z)[0])
    steps = DIFFERENCE * np.eye(len(z))
    slopes = [negative(z + step)[1] - negative(z - step)[1] for step in steps]
    hessian = np.array(slopes).reshape(len(z), len(z)) / (2 * DIFFERENCE)
    made = trials["counts"] & (trials["choice"] >= 0)
    choices = int(made.sum()) * (2 if model.second_options > 1 else 1)
    return Optimum(z, log_likelihood, (hessian + hessian.T) / 2, agreeing, choices)


def covariance(model: Model, optimum: Optimum) -> NDArray[np.float64]:
    """Return the inverse curvature at an optimum, in unbounded numbers, NaN where there is none.

    Args:
        model: The model.
        optimum: The optimum.

    Returns:
        The covariances, (parameters, parameters).
    """
    z, scales = optimum.z, model.scales
    inside = np.flatnonzero((z > scales.low + AT_BOUND) & (z < scales.high - AT_BOUND))
    found = np.full_like(optimum.hessian, np.nan)
    part = optimum.hessian[np.ix_(inside, inside)]
    if np.isfinite(part).all() and (np.linalg.eigvalsh(part) > 0).all():
        found[np.ix_(inside, inside)] = np.linalg.inv(part)
    return found


def log_evidence(optimum: Optimum, prior: Prior) -> float:
    """Return Laplace's approximation of the log marginal likelihood.

    Args:
        optimum: Optimum of the posterior.
        prior: The prior.

    Returns:
        The log evidence, NaN where the curvature is not positive.
    """
    sign, size = np.linalg.slogdet(optimum.hessian)
    off = (optimum.z - prior.mean) / prior.sd
    # the constants of the prior and of the integral over the parameters, log(2 pi) / 2, cancel
    log_prior = -float(off @ off) / 2 - float(np.log(prior.sd).sum())
    return optimum.log_likelihood + log_prior - size / 2 if sign > 0 else np.nan


def as_fit(model: Model, prior: Prior | None, found: list[Optimum], index: Any) -> Fit:
    """Return the optima of everybody as tables.

    Args:
        model: The model.
        prior: As for `fit`.
        found: The optima.
        index: Labels of the persons.

    Returns:
        The fit.
    """
    pd = require("pandas", "analysis")
    values, slopes = model.scales.values(np.array([o.z for o in found]))
    with np.errstate(invalid="ignore"):
        errors = [np.sqrt(np.diag(covariance(model, o))) for o in found] * slopes
    evidence = [np.nan if prior is None else log_evidence(o, prior) for o in found]
    return Fit(
        model,
        prior,
        pd.DataFrame(values, index, model.names),
        pd.DataFrame(errors, index, model.names),
        pd.Series([o.log_likelihood for o in found], index),
        pd.Series(evidence, index),
        pd.Series([o.choices for o in found], index),
        pd.Series([o.agreeing for o in found], index),
    )
