"""Measures of the bandits."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotasks.analysis.behaviour import Behaviour
from neurotasks.analysis.past_choices import followed, lagged_choices, ridge_weights_by
from neurotasks.columns import TRIAL, checked, refuse_gaps
from neurotasks.tasks.bandit import TASK

THOMPSON_REGRET = 2.77
"""Regret after 100 trials of Thompson sampling, computed on 20,000 problems of independent arms."""

OUTCOMES = {"rewarded": 1, "unrewarded": 0}
TOLERANCE = 1e-9  # what a pull may cost by rounding alone


def cumulative_regret(trials: pd.DataFrame) -> NDArray[np.float64]:
    """Return the expected regret up to each trial, R_T = sum of mu* - mu_a (Wang 2016).

    mu_a is the expected reward of the arm pulled, mu* that of the best arm.

    Args:
        trials: Trial table with the columns ``env``, ``episode``, ``trial`` and ``regret``.

    Returns:
        R_T, (episodes, trials), episodes by env and number; NaN after the last trial of an episode
        that is shorter than the longest. Its mean over episodes is the curve of the paper.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented, or an
            episode skips a trial.
    """
    trials = checked(trials, TASK, (*TRIAL, "regret")).sort_values(list(TRIAL))
    refuse_gaps(trials, whole=True)
    table = trials.pivot(index=["env", "episode"], columns="trial", values="regret")
    return np.asarray(table.sort_index(axis=1).cumsum(axis=1), np.float64)


def suboptimal_pulls(trials: pd.DataFrame) -> NDArray[np.int64]:
    """Return how often an arm was pulled that is not the best (Wang 2016).

    Args:
        trials: Trial table with the columns ``env``, ``episode`` and ``regret``.

    Returns:
        Counts, (episodes,), episodes by env and number.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented.
    """
    trials = checked(trials, TASK, ("env", "episode", "regret"), TRIAL)
    worse = trials["regret"] > TOLERANCE
    return np.asarray(worse.groupby([trials["env"], trials["episode"]]).sum(), np.int64)


def stay_probabilities_by(trials: pd.DataFrame, by: str = "env") -> pd.DataFrame:
    """Return P(stay) after a reward and after none, for each subject (win-stay, lose-shift).

    Args:
        trials: Trial table with the columns ``env``, ``episode``, ``trial``, ``choice`` (-1 where
            none was made) and ``outcome``.
        by: Column that tells subjects apart.

    Returns:
        One row for each, with the columns in `OUTCOMES`; NaN where there is no such trial.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented.
    """
    trials = checked(trials, TASK, (*TRIAL, "choice", "outcome"))
    means = followed(trials).groupby([by, "outcome"])["stay"].mean().unstack()
    found = means.reindex(sorted(trials[by].unique()), columns=[*OUTCOMES.values()])
    return found.set_axis([*OUTCOMES], axis=1).rename_axis(by)


def lagged_weights_by(
    trials: pd.DataFrame, lags: int = 5, ridge: float = 1e-3, by: str = "env"
) -> pd.DataFrame:
    """Regress the choice between two arms on rewarded and on unrewarded choices of past trials.

    Args:
        trials: Trial table, see `stay_probabilities_by`.
        lags: Number of past trials; a missed one, and one before the first, counts 0.
        ridge: Weight of half the squared coefficients against the mean log likelihood, above 0.
        by: Column that tells subjects apart.

    Returns:
        One row per subject, with columns of the names in `OUTCOMES` and the lag, and
        ``("bias", 0)``; positive weights repeat a choice.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented.
        ParameterError: If `lags` is no number of trials, or `ridge` not positive.
    """
    trials = checked(trials, TASK, (*TRIAL, "choice", "outcome"))
    trials = trials.sort_values(list(TRIAL), ignore_index=True)
    kinds = {name: trials["outcome"] == outcome for name, outcome in OUTCOMES.items()}
    return ridge_weights_by(*lagged_choices(trials, kinds, lags, complete=False), ridge, by)


def mean_regret(trials: pd.DataFrame) -> pd.Series:
    """Return the cumulative expected regret up to each trial, from 1, mean over episodes."""
    trials = checked(trials, TASK, ("trial", "regret"), TRIAL)
    regret = trials.groupby("trial")["regret"].mean().cumsum()
    return regret.set_axis(regret.index + 1)


BEHAVIOUR = Behaviour("cumulative regret", "trial", mean_regret)
