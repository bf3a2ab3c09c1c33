"""Measures of the volatility task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize

from neurotasks.analysis.behaviour import Behaviour, Statement
from neurotasks.columns import TRIAL, checked
from neurotasks.core.cache import cached
from neurotasks.core.checks import check_count
from neurotasks.core.parameters import NO_CAP
from neurotasks.errors import ParameterError, TrialTableError
from neurotasks.tasks.volatility import TASK

BOUNDS = ((0.0, 1.0), (0.0, 100.0))  # of alpha and beta
STARTS = ((0.05, 5.0), (0.3, 5.0), (0.8, 5.0))


@dataclass(frozen=True)
class RescorlaWagnerFit:
    """A Rescorla-Wagner learner fitted to choices.

    Attributes:
        alpha: Learning rate, in [0, 1].
        beta: Inverse temperature of the softmax, in [0, 100].
        log_likelihood: Natural logarithm of the likelihood of the choices.
        trials: Number of choices.
        bic: Bayesian information criterion, for two parameters.
    """

    alpha: float
    beta: float
    log_likelihood: float
    trials: int
    bic: float


def fit_rescorla_wagner(
    trials: pd.DataFrame, explained: NDArray[np.bool_] | None = None
) -> RescorlaWagnerFit:
    """Fit the learning rate and the temperature of a Rescorla-Wagner learner (Behrens 2007).

    The learner estimates r, the probability that the right arm pays, from 1/2 at the start of an
    episode: it moves by alpha towards 1 if the right arm was rewarded or the left one was not, and
    else towards 0. It chooses right with probability 1 / (1 + exp(-beta (2 r - 1))).

    Args:
        trials: Trial table with the columns ``env``, ``episode``, ``trial``, ``choice`` (0
            left, 1 right, -1 none) and ``outcome`` (1 where rewarded).
        explained: Whether the likelihood counts the choice of each row, (trials,); by default all.
            The learner learns from the other rows, too.

    Returns:
        The fit of maximum likelihood. Trials without choice count for nothing.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented, or there is
            no choice to explain.
        ParameterError: If `explained` has another shape.
    """
    trials = checked(trials, TASK, (*TRIAL, "choice", "outcome"))
    rows = np.ones(len(trials), np.bool_) if explained is None else np.asarray(explained)
    if rows.shape != (len(trials),) or rows.dtype != np.bool_:
        raise ParameterError(
            f"explained must be bool, of shape ({len(trials)},); got {rows.dtype}, {rows.shape}. "
            "Pass a condition on the columns of the table."
        )
    order = np.lexsort([trials[name] for name in ("trial", "episode", "env")])
    ordered = trials.iloc[order]
    choice = ordered["choice"].to_numpy(np.int64)
    reward = ordered["outcome"].to_numpy() == 1
    counts = rows[order] & (choice >= 0)
    if not counts.any():
        raise TrialTableError(
            "A learner is fitted to choices; got no row with one that is to be explained. Pass "
            "trials whose choice is 0 or 1."
        )
    first = (ordered[["env", "episode"]].diff() != 0).any(axis=1).to_numpy()
    data = choice, reward, counts, first
    # TNC and not L-BFGS-B, whose BLAS threads wait for each other on a busy machine
    found = min(
        (minimize(loss, s, data, method="TNC", jac=True, bounds=BOUNDS) for s in STARTS),
        key=lambda result: float(result.fun),
    )
    number = int(counts.sum())
    alpha, beta = (float(value) for value in found.x)
    bic = 2 * float(found.fun) + 2 * np.log(number)
    return RescorlaWagnerFit(alpha, beta, -float(found.fun), number, float(bic))


def learning_rates(trials: pd.DataFrame, episodes: int = 10) -> pd.DataFrame:
    """Fit a Rescorla-Wagner learner to each block, over groups of episodes (as in Wang 2016, 2018).

    Args:
        trials: Trial table as for `fit_rescorla_wagner`, with the column ``block``.
        episodes: Episodes in a group; the last group may be smaller.

    Returns:
        One row per group and block, indexed by ``group`` (from 0, in the order of env and episode)
        and ``block``; the columns are the attributes of `RescorlaWagnerFit`.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented, or a group
            has no choice in a block, or the table is empty.
        ParameterError: If `episodes` is no number of episodes.
    """
    check_count("episodes", episodes, NO_CAP)
    trials = checked(trials, TASK, (*TRIAL, "choice", "outcome", "block"))
    if trials.empty:
        raise TrialTableError("A trial table to fit must have rows; got none. Pass some trials.")
    episode = trials.groupby(["env", "episode"]).ngroup()
    fits = {
        (number, block): asdict(fit_rescorla_wagner(group, group["block"] == block))
        for number, group in trials.groupby(episode // episodes)
        for block in sorted(group["block"].unique())
    }
    index = pd.MultiIndex.from_tuples(fits, names=["group", "block"])
    return pd.DataFrame(list(fits.values()), index)


def _loss(
    parameters: NDArray[np.float64],
    choice: NDArray[np.int64],
    reward: NDArray[np.bool_],
    counts: NDArray[np.bool_],
    first: NDArray[np.bool_],
) -> tuple[float, NDArray[np.float64]]:
    """Return the negative log likelihood of choices, and its gradient in alpha and beta."""
    alpha, beta = parameters
    total, gradient = 0.0, np.zeros(2)
    lead = slope = 0.0  # 2 r - 1, and its derivative in alpha
    for t in range(len(choice)):
        if first[t]:
            lead = slope = 0.0
        if choice[t] < 0:
            continue
        sign = 2.0 * choice[t] - 1.0
        if counts[t]:
            evidence = sign * beta * lead
            total += np.logaddexp(0.0, -evidence)
            wrong = np.exp(-np.logaddexp(0.0, evidence))  # probability of the other choice
            gradient[0] -= sign * wrong * beta * slope
            gradient[1] -= sign * wrong * lead
        paid = sign if reward[t] else -sign
        slope = (1.0 - alpha) * slope + paid - lead
        lead += alpha * (paid - lead)
    return total, gradient


loss: Callable[..., Any] = cached(_loss)


def correct_by_block(trials: pd.DataFrame) -> pd.Series:
    """Return the fraction of correct choices in each kind of block."""
    return checked(trials, TASK, ("block", "correct"), TRIAL).groupby("block")["correct"].mean()


BEHAVIOUR = Behaviour(
    "fraction correct",
    "block",
    correct_by_block,
    (
        Statement("chose the better arm {} of the time in stable blocks", 0),
        Statement("chose the better arm {} of the time in volatile blocks", 1),
    ),
)
