"""The search for the parameters under which choices are likeliest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurotasks.core.checks import check_count
from neurotasks.errors import ParameterError, require, shown
from neurotasks.models.likelihood import Likelihood
from neurotasks.models.model import Model

CANDIDATES = 16  # points of which a search starts from the best
WIDTHS = 1.0, 2.0  # spread of the points, in standard deviations of the prior, by halves of starts
SHORT, COARSE = 10, 1e-3  # iterations of a search, and the change in nats at which it ends before
FOLLOWED = 3  # searches, the best ones, that are followed to their optimum
LONG, FINE = 500, 1e-12  # as `SHORT` and `COARSE`, of these
AGREEMENT = 0.1  # nats below the best optimum that still count as it
DIFFERENCE = 1e-4  # step, in unbounded numbers, for second derivatives
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
        agreeing: Number of searches, of those followed to their optimum, that came as high.
        choices: Number of choices that counted.
    """

    z: NDArray[np.float64]
    log_likelihood: float
    hessian: NDArray[np.float64]
    agreeing: int
    choices: int


def weak_prior(model: Model) -> Prior:
    """Return the prior that a model's parameters declare: flat for rates, broad for the others."""
    return Prior(model.scales.mean, model.scales.sd)


def checked(model: Model, prior: Prior | None) -> Prior:
    """Return the prior, or the weak one.

    Raises:
        ParameterError: If the prior is one of another model.
    """
    mean, sd = (np.asarray(a, np.float64) for a in (weak_prior(model) if prior is None else prior))
    if mean.shape != (len(model.free),) or sd.shape != mean.shape or not (sd > 0).all():
        raise ParameterError(
            f"A prior of the model {model.name} must be of {', '.join(model.names)}, with positive "
            f"standard deviations; got {shown(prior)}. Take weak_prior(model)."
        )
    return Prior(mean, sd)


def starting_points(
    model: Model, prior: Prior | None, starts: int, seed: int
) -> NDArray[np.float64]:
    """Return points that fill the prior evenly, (starts, `CANDIDATES`, parameters).

    One half of them spreads twice as wide, as optima are often far out: values that are learned
    slowly and weighed much. The first point is the middle.

    Args:
        model: The model.
        prior: As for `fit`.
        starts: Number of searches.
        seed: Seed of the points.

    Raises:
        ParameterError: If the prior is one of another model.
    """
    qmc, norm = require("scipy.stats.qmc", "analysis"), require("scipy.stats", "analysis").norm
    mean, sd = checked(model, prior)
    number = starts * CANDIDATES
    if not len(mean):
        return np.zeros((starts, 1, 0))
    shares = qmc.Sobol(len(mean), rng=seed).random_base2(int(np.ceil(np.log2(number))))[:number]
    standard = norm.ppf(np.clip(shares, 1e-6, 1 - 1e-6)).reshape(CANDIDATES, starts, -1)
    widths = np.where(np.arange(starts) < (starts + 1) // 2, *WIDTHS)
    z = mean + widths[:, None, None] * sd * standard.swapaxes(0, 1)
    z[0, 0] = mean
    found: NDArray[np.float64] = np.clip(z, model.scales.low, model.scales.high)
    return found


def search(
    model: Model,
    everybody: list[NDArray[np.void]],
    prior: Prior | None,
    points: NDArray[np.float64] | list[NDArray[np.float64]],
    workers: int = 1,
) -> list[Optimum]:
    """Return the optimum of each person, searched in so many processes.

    Args:
        model: The model.
        everybody: Records of each person.
        prior: As for `fit`.
        points: Points of which each search starts from the best, (starts, candidates, parameters),
            the same for everybody or a list of those of each person.
        workers: Number of processes.

    Returns:
        The optima.

    Raises:
        ParameterError: If there are no workers.
    """
    check_count("workers", workers, MOST_WORKERS)
    each = points if isinstance(points, list) else [points] * len(everybody)
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
    points: Iterable[NDArray[np.float64]],
) -> list[Optimum]:
    likelihood = Likelihood(model)
    return [_search_one(likelihood, r, prior, z) for r, z in zip(some, points, strict=True)]


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
    points: NDArray[np.float64],
) -> Optimum:
    minimize = require("scipy.optimize", "analysis").minimize
    model, scales = likelihood.model, likelihood.model.scales
    negative = objective(likelihood, trials, prior)
    unit = scales.sd if prior is None else prior.sd
    bounds = np.stack([scales.low, scales.high], axis=1) / unit[:, None]

    def scaled(u: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = negative(u * unit)
        return value, gradient * unit

    def end(u: NDArray[np.float64], steps: int, change: float) -> Any:
        options = {"maxiter": steps, "ftol": change}
        return minimize(scaled, u, jac=True, method="SLSQP", bounds=bounds, options=options)

    z = points[0, 0]
    agreeing = len(points)
    if len(model.free):
        starts = _best_of_each(likelihood, trials, prior, points) / unit
        begun = sorted((end(u, SHORT, COARSE) for u in starts), key=lambda found: found.fun)
        ended = [end(found.x, LONG, FINE) for found in begun[:FOLLOWED]]
        best = min(ended, key=lambda found: found.fun)
        agreeing = sum(found.fun < best.fun + AGREEMENT for found in ended)
        z = np.clip(best.x * unit, scales.low, scales.high)
    log_likelihood, _ = likelihood(trials, scales.values(z)[0])
    steps = DIFFERENCE * np.eye(len(z))
    slopes = [negative(z + step)[1] - negative(z - step)[1] for step in steps]
    hessian = np.array(slopes).reshape(len(z), len(z)) / (2 * DIFFERENCE)
    made = trials["counts"] & (trials["choice"] >= 0)
    choices = int(made.sum()) * (2 if model.second_options > 1 else 1)
    return Optimum(z, log_likelihood, (hessian + hessian.T) / 2, agreeing, choices)


def _best_of_each(
    likelihood: Likelihood,
    trials: NDArray[np.void],
    prior: Prior | None,
    points: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the point with the highest likelihood, or posterior, of each search."""
    values, _ = likelihood.model.scales.values(points)
    counts = trials["counts"]
    height = np.array(
        [[likelihood.per_choice(trials, v)[counts].sum() for v in each] for each in values]
    )
    if prior is not None:
        height -= (((points - prior.mean) / prior.sd) ** 2).sum(axis=2) / 2
    found: NDArray[np.float64] = points[np.arange(len(points)), height.argmax(axis=1)]
    return found
