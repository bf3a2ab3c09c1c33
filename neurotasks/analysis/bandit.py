"""Measures of the bandits."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotasks.analysis.behaviour import Behaviour
from neurotasks.columns import TRIAL, checked, refuse_gaps
from neurotasks.tasks.bandit import TASK

THOMPSON_REGRET = 2.77
"""Regret after 100 trials of Thompson sampling, computed on 20,000 problems of independent arms."""

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


def mean_regret(trials: pd.DataFrame) -> pd.Series:
    """Return the cumulative expected regret up to each trial, from 1, mean over episodes."""
    trials = checked(trials, TASK, ("trial", "regret"), TRIAL)
    regret = trials.groupby("trial")["regret"].mean().cumsum()
    return regret.set_axis(regret.index + 1)


BEHAVIOUR = Behaviour("cumulative regret", "trial", mean_regret)
