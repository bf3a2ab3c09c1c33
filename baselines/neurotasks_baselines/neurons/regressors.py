"""What each trial of a two-step task was like, as regressors of activity."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neurotasks.columns import checked
from neurotasks.errors import TrialTableError
from neurotasks.models import fit, learning_signals
from neurotasks.models.learning import SIGNALS
from neurotasks.models.model import Model
from neurotasks.tasks.two_step import TASK

EVENTS = ("reward", "transition", "choice")
PRODUCTS = ("reward x transition", "reward x choice", "transition x choice")
"""Interactions; the product of transition and choice is the second-stage state."""


def event_regressors(trials: pd.DataFrame) -> pd.DataFrame:
    """Return reward, transition, choice and their interactions.

    Args:
        trials: Trial table of a two-step task without missed trials, with ``reward``, ``common``
            and ``choice``.

    Returns:
        Columns `EVENTS` and `PRODUCTS`, one row per trial: the reward less its mean, +1 for common
        and -1 for rare transitions, +1 for choice 1 and -1 for choice 0, and their products.

    Raises:
        TrialTableError: If a column is missing or holds something else, such as choices coded 1
            and 2, or a trial was missed.
    """
    table = checked(trials, TASK, ("choice", "common", "reward"))
    if (missed := table["choice"] < 0).any():
        raise TrialTableError(
            f"Activity is regressed on trials with a choice; got {int(missed.sum())} without. Pass "
            "recording.select(recording.trials['choice'] >= 0)."
        )
    columns = {
        "reward": table["reward"].to_numpy(np.float64) - table["reward"].mean(),
        "transition": np.where(table["common"], 1.0, -1.0),
        "choice": np.where(table["choice"] == 1, 1.0, -1.0),
    }
    for name in PRODUCTS:
        first, second = name.split(" x ")
        columns[name] = columns[first] * columns[second]
    return pd.DataFrame(columns, index=trials.index)


def learning_regressors(trials: pd.DataFrame) -> pd.DataFrame:
    """Return values and prediction errors of a fitted model, next to transition and choice.

    The reward is the sum of the model's three signals, and its place is taken by them.

    Args:
        trials: As for `event_regressors`, with the columns of `with_signals`.

    Returns:
        ``value``, ``rpe_state``, ``rpe_outcome``, ``transition``, ``choice`` and
        ``transition x choice``, one row per trial.

    Raises:
        TrialTableError: As for `event_regressors`, or if the model's signals are missing.
    """
    if missing := [name for name in SIGNALS if name not in trials]:
        raise TrialTableError(
            f"The trial table must have the signals of a model; got none called "
            f"{', '.join(missing)}. Pass with_signals(trials, model)."
        )
    others = event_regressors(trials)[["transition", "choice", "transition x choice"]]
    return pd.concat([trials[list(SIGNALS)].astype(np.float64), others], axis=1)


def with_signals(
    trials: pd.DataFrame, model: Model, *, starts: int = 3, seed: int = 0
) -> pd.DataFrame:
    """Fit a model to everybody's choices by maximum likelihood, and add what it learns.

    Args:
        trials: Trial table; persons, animals or networks differ in ``env``.
        model: Model of the two-step task with values, see `neurotasks.models.learning_signals`.
        starts: Number of searches per person.
        seed: Seed of the starts.

    Returns:
        The table with the columns ``value``, ``rpe_state`` and ``rpe_outcome``.

    Raises:
        TrialTableError: If the table does not fit the model, see `neurotasks.models.fit`.
        ParameterError: If the model has no values.
    """
    parameters = fit(model, trials, starts=starts, seed=seed).parameters
    signals = [
        learning_signals(model, rows, parameters.loc[env].to_dict())
        for env, rows in trials.groupby("env")
    ]
    return trials.join(pd.concat(signals))
