"""What a choice has to do with the choices before it, in any task with numbered trials."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from neurotasks.columns import TRIAL
from neurotasks.core.checks import check_count
from neurotasks.errors import ParameterError, TrialTableError

MOST_LAGS = 1000
NO_PAIRS = (
    "Some valid trials must follow each other; got none. Pass whole episodes, whose `trial` counts "
    "up by 1."
)


def followed(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that are followed by a valid one, with whether the choice was repeated.

    Args:
        trials: Checked trial table with the columns ``env``, ``episode``, ``trial``, ``choice``
            and ``outcome``.

    Returns:
        The rows whose trial and next trial are valid, in order, with a bool column ``stay``.
    """
    trials = trials.sort_values(list(TRIAL), ignore_index=True)
    following = trials.groupby(["env", "episode"])[["trial", "choice"]].shift(-1)
    valid = (
        (trials["outcome"] >= 0)
        & (following["choice"] >= 0)
        & (following["trial"] == trials["trial"] + 1)
    )
    pairs = trials[valid].copy()
    pairs["stay"] = pairs["choice"] == following["choice"][valid]
    return pairs


def lagged_choices(
    trials: pd.DataFrame, kinds: Mapping[str, pd.Series], lags: int, *, complete: bool = True
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the design of a regression of choices on the choices of the last trials.

    The regressor of a kind of trial and a lag is 1 where the trial so many before was of that kind
    and its choice was right, -1 where it was left, 0 where it was of another kind.

    Args:
        trials: Checked trial table as for `followed`, in order, with an index from 0.
        kinds: Name -> whether each trial is of that kind.
        lags: Number of past trials.
        complete: Whether only choices count that follow on as many valid trials as there are lags;
            otherwise a missed trial counts 0, and the first ones of an episode count too.

    Returns:
        The regressors, with columns of the kinds and the lag and ``("bias", 0)`` for the intercept,
        and the trials whose choices count.

    Raises:
        ParameterError: If `lags` is no number of trials.
        TrialTableError: If no choice counts.
    """
    check_count("lags", lags, MOST_LAGS)
    side = np.where(trials["choice"] == 1, 1.0, -1.0) * (trials["choice"] >= 0)
    of_kind = pd.DataFrame({name: side * which for name, which in kinds.items()})
    episodes = [trials["env"], trials["episode"]]
    usable = trials["choice"] >= 0
    regressors = {("bias", 0): pd.Series(1.0, trials.index)}
    for lag in range(1, lags + 1):
        past = trials.groupby(["env", "episode"])[["trial", "outcome"]].shift(lag)
        there = past["trial"] == trials["trial"] - lag
        if complete:
            usable &= there & (past["outcome"] >= 0)
        shifted = of_kind.groupby(episodes).shift(lag).where(there, 0.0)
        regressors |= {(name, lag): shifted[name] for name in kinds}
    design = pd.DataFrame(regressors)[usable].sort_index(axis=1)
    design.columns = design.columns.set_names(["kind", "lag"])
    if design.empty:
        raise TrialTableError(NO_PAIRS)
    return design, trials[usable]


def ridge_weights(
    design: pd.DataFrame, choices: NDArray[np.int64], ridge: float
) -> NDArray[np.float64]:
    """Return the coefficients of a logistic regression with a ridge penalty, one per column.

    Args:
        design: Regressors from `lagged_choices`.
        choices: The choices, 0 or 1.
        ridge: Weight of half the squared coefficients against the mean log likelihood. It keeps
            them finite for somebody who nearly always chooses the same.

    Returns:
        The coefficients, NaN where there are no two choices.

    Raises:
        ParameterError: If the weight is not positive.
    """
    if not ridge > 0:
        raise ParameterError(f"ridge must be above 0; got {ridge!r}.")
    if len(np.unique(choices)) < 2:
        return np.full(design.shape[1], np.nan)
    model = LogisticRegression(
        C=1 / (ridge * len(choices)), fit_intercept=False, solver="newton-cholesky", tol=1e-8
    )
    return np.asarray(model.fit(design.to_numpy(), choices).coef_[0], np.float64)


def ridge_weights_by(
    design: pd.DataFrame, trials: pd.DataFrame, ridge: float, by: str = "env"
) -> pd.DataFrame:
    """Return the weights of everybody by themselves, see `ridge_weights`.

    Args:
        design: Regressors from `lagged_choices`.
        trials: The trials whose choices count.
        ridge: Weight of the penalty.
        by: Column that tells persons apart.

    Returns:
        One row per person, one column per regressor.

    Raises:
        ParameterError: If the weight is not positive.
    """
    choices, everybody = trials["choice"].to_numpy(), {}
    for person, rows in design.groupby(trials[by]):
        own = ridge_weights(rows, choices[design.index.get_indexer(rows.index)], ridge)
        everybody[person] = own
    found = pd.DataFrame.from_dict(everybody, "index")
    return found.set_axis(design.columns, axis=1).rename_axis(by)
