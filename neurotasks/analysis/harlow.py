"""Measures of Harlow's task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotasks.analysis.behaviour import Behaviour
from neurotasks.episodes import Episodes

FOLDS = 5  # of episodes, to train and to test the readout
RIDGE = 1.0  # on the squared weights of the readout


def accuracy_by_trial(trials: pd.DataFrame, num_trials: int = 6) -> NDArray[np.float64]:
    """Return the fraction of correct choices at each trial number (Wang 2018, Fig. 6).

    Args:
        trials: a trial table with the columns ``trial`` and ``correct``.
        num_trials: how many trials an episode has.

    Returns:
        Fractions, (num_trials,); NaN for a trial nobody reached.
    """
    fractions = trials.groupby("trial")["correct"].mean().reindex(range(num_trials))
    return np.asarray(fractions, np.float64)


def accuracy_after_first(trials: pd.DataFrame) -> dict[str, float]:
    """Return the accuracy at trial 2 after a right and after a wrong first choice.

    One who learns from both is as good after either; the 2016 paper says "regardless".

    Args:
        trials: a trial table with the columns ``lane``, ``episode``, ``trial``, ``correct``.

    Returns:
        ``"right"`` and ``"wrong"``: the fraction correct at the second trial.
    """
    table = trials[trials["trial"] < 2].pivot_table(
        index=["env", "episode"], columns="trial", values="correct", aggfunc="first"
    )
    both = table.dropna().astype(bool)
    return {
        "right": float(both.loc[both[0], 1].mean()),
        "wrong": float(both.loc[~both[0], 1].mean()),
    }


def side_from_activity(
    episodes: Episodes, hidden: NDArray[Any], choice_stage: int, num_trials: int = 6
) -> dict[str, NDArray[np.float64]]:
    """Return what the recurrent state tells of the rewarded side as soon as objects are seen.

    The paper shows activity early and late in training; the published panel was not available, and
    this one is ours: a state that has learned nothing within the episode tells nothing of the side.

    Args:
        episodes: of Harlow's task or of its version in pictures.
        hidden: the recurrent state of the agent that played, (steps, lanes, units).
        choice_stage: the ``stage`` in which objects are seen, ``CHOICE`` of the task's module.
        num_trials: how many trials an episode has.

    Returns:
        For each trial ``decoded``, the fraction of sides that a linear readout tells right in
        episodes not trained with, NaN with less than ten episodes a fold, (num_trials,); and
        ``preference``, the mean activity of each unit with the rewarded object right minus left,
        (units, num_trials).
    """
    choosing = (episodes.truth["stage"] == choice_stage) & episodes.alive
    onset = choosing.copy()
    onset[1:] &= ~choosing[:-1]
    step, lane = np.nonzero(onset)
    trial, right = (episodes.truth[name][step, lane] for name in ("trial", "rewarded_side"))
    units = hidden[step, lane].astype(np.float64)
    decoded = np.full(num_trials, np.nan)
    preference = np.full((units.shape[1], num_trials), np.nan)
    for i in range(num_trials):
        of_trial = trial == i
        if of_trial.sum() < 10 * FOLDS:
            continue
        x, y = units[of_trial], np.where(right[of_trial] == 1, 1.0, -1.0)
        decoded[i] = read_out(x, y, lane[of_trial] % FOLDS)
        preference[:, i] = x[y > 0].mean(axis=0) - x[y < 0].mean(axis=0)
    return {"decoded": decoded, "preference": preference}


def read_out(features: NDArray[Any], signs: NDArray[Any], fold: NDArray[Any]) -> float:
    """Return how often ridge regression tells a sign right in the folds it was not fitted to.

    Args:
        features: (samples, features).
        signs: +1 or -1, (samples,).
        fold: of each sample, (samples,).
    """
    x = np.column_stack([features, np.ones(len(features))])
    ridge = np.diag([RIDGE] * features.shape[1] + [0.0])  # none on the intercept
    told = np.empty(len(x))
    for number in np.unique(fold):
        train = fold != number
        square = x[train].T @ x[train] + ridge
        told[~train] = x[~train] @ np.linalg.solve(square, x[train].T @ signs[train])
    return float((told * signs > 0).mean())


def learning_curve(trials: pd.DataFrame) -> pd.Series:
    """Return the fraction of correct choices by the number of the trial, from 1."""
    accuracy = accuracy_by_trial(trials, int(trials["trial"].max()) + 1)
    return pd.Series(accuracy, np.arange(1, len(accuracy) + 1))


BEHAVIOUR = Behaviour("fraction correct", "trial", learning_curve)
