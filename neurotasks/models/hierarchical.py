"""Fits of a model to a group of people at once, by empirical Bayes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neurotasks.core.checks import check_count
from neurotasks.errors import ParameterError, require
from neurotasks.models.fit import MOST_STARTS, Fit, as_fit, covariance, log_evidence
from neurotasks.models.likelihood import people
from neurotasks.models.model import Model
from neurotasks.models.search import Prior, search, starting_points, weak_prior

if TYPE_CHECKING:
    import pandas as pd

MOST_ROUNDS = 1000
SMALLEST_SD = 0.05  # of the group, so that no prior becomes a point


@dataclass(frozen=True)
class GroupFit:
    """A model fitted to a group.

    Attributes:
        people: Everybody's maximum a posteriori, with the group's distribution as the prior.
        log_evidence: Sum of everybody's log evidence in each round, (rounds,); it should rise.
        converged: Whether the group's distribution had stopped moving in the last round.
    """

    people: Fit
    log_evidence: list[float]
    converged: bool


def fit_group(
    model: Model,
    trials: pd.DataFrame,
    *,
    by: str = "env",
    starts: int = 5,
    seed: int = 0,
    workers: int = 1,
    rounds: int = 50,
    tolerance: float = 0.01,
) -> GroupFit:
    """Fit a model to a group by empirical Bayes (Huys et al. 2011, PLoS Comput. Biol. 7:e1002028).

    Expectation-maximisation with Laplace's approximation: the unbounded numbers behind the
    parameters are from independent normal distributions, whose means and standard deviations are
    those of everybody's posterior at the last round.

    Args:
        model: The model.
        trials: Trial table, see `neurotasks.models.likelihood.people`.
        by: Column that tells persons apart.
        starts: Number of searches per person in the first round; a later one starts from the last
            round's optimum and from the group's mean.
        seed: Seed of the starts.
        workers: Number of processes.
        rounds: Largest number of rounds.
        tolerance: Largest change of a mean or standard deviation, in standard deviations of the
            group, at which it has converged.

    Returns:
        The fit.

    Raises:
        TrialTableError: If the table is empty or holds something else than it may.
        ParameterError: If there are fewer than two persons, or no rounds, starts or workers.
    """
    pd = require("pandas", "analysis")
    everybody = people(model, trials, by)
    check_count("rounds", rounds, MOST_ROUNDS)
    check_count("starts", starts, MOST_STARTS)
    if len(everybody) < 2:
        raise ParameterError(
            f"A group must have at least 2 persons; got {len(everybody)}. Use fit(), or another "
            "column in by=..."
        )
    records, prior = [r for _, r in everybody.values()], weak_prior(model)
    points = [starting_points(model, prior, starts, seed)] * len(records)
    evidence: list[float] = []
    for round_ in range(rounds):
        found = search(model, records, prior, points, workers)
        evidence.append(sum(log_evidence(o, prior) for o in found))
        posterior = np.array([o.z for o in found])
        spread = np.array([np.diag(covariance(model, o)) for o in found])
        spread = np.where(np.isnan(spread), prior.sd**2, spread)  # where nothing was learned
        mean = posterior.mean(axis=0)
        sd = np.sqrt(((posterior - mean) ** 2 + spread).mean(axis=0)).clip(SMALLEST_SD)
        moved = np.abs([mean - prior.mean, sd - prior.sd])
        converged = bool((moved <= tolerance * sd).all())
        if converged or round_ == rounds - 1:
            break
        prior = Prior(mean, sd)
        middle = np.clip(mean, model.scales.low, model.scales.high)
        points = [np.stack([middle, o.z])[:, None] for o in found]
    fitted = as_fit(model, prior, found, pd.Index(everybody, name=by))
    return GroupFit(fitted, evidence, converged)
