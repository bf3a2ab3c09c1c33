"""Fits of models to the choices of people, animals or networks, each by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.core.checks import check_count
from neurotasks.errors import require
from neurotasks.models.likelihood import people
from neurotasks.models.model import Model
from neurotasks.models.search import Optimum, Prior, search, starting_points

if TYPE_CHECKING:
    import pandas as pd

AT_BOUND = 1e-3  # distance from the largest number tried
MOST_STARTS = 10**4


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
        agreeing: Number of searches that reached the optimum within `AGREEMENT`, of the best
            `FOLLOWED` ones. Where it is 1, more starts may well find a higher one; where it is
            larger they still may, as values learned slowly and weighed much resemble values
            learned fast and weighed little.
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

    The searches (sequential quadratic programming within bounds, scipy's SLSQP) are in unbounded
    numbers, with the exact gradient. Each starts from the best of `CANDIDATES` points and is short;
    the best `FOLLOWED` are followed to their optimum. A rate comes within 5e-5 of its bounds, an
    inverse temperature from 0.05 to its `high`.

    Args:
        model: The model.
        trials: Trial table, see `neurotasks.models.likelihood.people`.
        prior: Prior, such as `weak_prior`; None: maximum likelihood.
        by: Column that tells persons apart.
        starts: Number of searches per person; the points that they may start from fill the prior
            evenly, or without one the weak prior.
        seed: Seed of these points.
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
    points = starting_points(model, prior, starts, seed)
    found = search(model, [r for _, r in everybody.values()], prior, points, workers)
    return as_fit(model, prior, found, pd.Index(everybody, name=by))


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
