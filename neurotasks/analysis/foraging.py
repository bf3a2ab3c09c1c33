"""Measures of the foraging task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.stats import linregress

from neurotasks.columns import TRIAL, checked, refuse_gaps
from neurotasks.core.checks import check_count
from neurotasks.errors import TrialTableError
from neurotasks.tasks.foraging import TASK

MOST_LAGS = 1000


def log_ratios(trials: pd.DataFrame, add: float = 0.0) -> pd.DataFrame:
    """Return how each episode's choices and rewards were split between the arms.

    Args:
        trials: Trial table with the columns ``env``, ``episode``, ``choice`` (0 left, 1 right,
            -1 none) and ``outcome`` (1 where rewarded).
        add: Added to the numbers of rewards; 1 keeps the episodes in which an arm never paid.

    Returns:
        One row per episode, indexed by env and episode: ``choice``, log2 of the number of right
        over that of left choices, and ``reward``, the same of the rewards they brought. Episodes
        in which one of the four numbers is 0 are left out.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented.
    """
    trials = checked(trials, TASK, ("env", "episode", "choice", "outcome"), TRIAL)
    left, right = trials["choice"] == 0, trials["choice"] == 1
    paid = trials["outcome"] == 1
    counts = pd.DataFrame({"cl": left, "cr": right, "rl": left & paid, "rr": right & paid})
    counts = counts.groupby([trials["env"], trials["episode"]]).sum()
    counts[["rl", "rr"]] += add
    logs = np.log2(counts[(counts > 0).all(axis=1)])
    return pd.DataFrame({"choice": logs["cr"] - logs["cl"], "reward": logs["rr"] - logs["rl"]})


@dataclass(frozen=True)
class Matching:
    """The regression of log choice ratios on log reward ratios.

    Attributes:
        slope: 1 is strict matching, less is undermatching.
        intercept: Bias towards the right arm, in octaves.
        r: Correlation coefficient.
        episodes: Number of episodes.
    """

    slope: float
    intercept: float
    r: float
    episodes: int


def matching(trials: pd.DataFrame, add: float = 0.0) -> Matching:
    """Fit the generalised matching law over episodes (Wang 2018, Fig. 2; Lau & Glimcher 2005).

    Args:
        trials: Trial table, see `log_ratios`; that of the held-out episodes only, for instance.
        add: Added to the numbers of rewards, see `log_ratios`.

    Returns:
        The fit by least squares.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented, or fewer
            than two different reward ratios are left.
    """
    logs = log_ratios(trials, add)
    if logs["reward"].nunique() < 2:
        raise TrialTableError(
            "Matching needs at least two episodes with different reward ratios; got "
            f"{logs['reward'].nunique()}. Add episodes, or pass add=1 to keep those in which an "
            "arm never paid."
        )
    fit = linregress(logs["reward"], logs["choice"])
    return Matching(float(fit.slope), float(fit.intercept), float(fit.rvalue), len(logs))


def history_regression(trials: pd.DataFrame, lags: int = 15) -> pd.DataFrame:
    """Regress choice on past rewards and past choices (logistic; Lau & Glimcher 2005).

    As in Wang 2018, Fig. 2, the last two thirds of each episode's trials are explained. A past
    choice counts +1 if it was right and -1 if left; a past reward counts as its choice. An invalid
    trial counts 0 and is not explained.

    Args:
        trials: Trial table as for `log_ratios`, with the column ``trial``.
        lags: Number of past trials that count.

    Returns:
        Coefficients (``coef``), standard errors (``se``) and p values (``p``), positive for the
        same side again; indexed by ``kind``, "reward" or "choice", and ``lag``, 1 to `lags`. The
        model has an intercept too.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented, an episode
            skips a trial, or too few choices are left.
        ParameterError: If `lags` is no number of trials.
        numpy.linalg.LinAlgError: or a statsmodels warning, where the past predicts every choice:
            the coefficients are infinite then.
    """
    check_count("lags", lags, MOST_LAGS)
    trials = checked(trials, TASK, (*TRIAL, "choice", "outcome"))
    trials = trials.sort_values(list(TRIAL), ignore_index=True)
    refuse_gaps(trials)
    choice = trials["choice"]
    past = pd.DataFrame({"choice": (choice == 1).astype(float) - (choice == 0)})
    past["reward"] = past["choice"] * (trials["outcome"] == 1)
    episodes = past.groupby([trials["env"], trials["episode"]])
    names = [(kind, lag) for kind in ("reward", "choice") for lag in range(1, lags + 1)]
    design = np.column_stack([episodes[kind].shift(lag) for kind, lag in names])
    length = episodes["choice"].transform("size")
    explained = (episodes.cumcount() >= np.maximum(length / 3, lags)) & (choice >= 0)
    if explained.sum() <= 2 * lags:
        raise TrialTableError(
            f"A regression on {lags} lags must explain more than {2 * lags} choices; got "
            f"{explained.sum()}. Pass more trials, or fewer lags."
        )
    fit = sm.Logit(choice[explained].to_numpy(), sm.add_constant(design[explained])).fit(disp=0)
    index = pd.MultiIndex.from_tuples(names, names=["kind", "lag"])
    columns = {"coef": fit.params[1:], "se": fit.bse[1:], "p": fit.pvalues[1:]}
    return pd.DataFrame(columns, index)
