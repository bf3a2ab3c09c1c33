"""Measures of Harlow's task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotasks.analysis.behaviour import Behaviour, Statement
from neurotasks.analysis.decoder import decoding_accuracy
from neurotasks.columns import TRIAL, checked
from neurotasks.episodes import Episodes
from neurotasks.errors import TrialTableError
from neurotasks.tasks.harlow import TASK

FOLDS = 5  # of episodes, for cross-validation


def accuracy_by_trial(trials: pd.DataFrame, num_trials: int = 6) -> NDArray[np.float64]:
    """Return the fraction of correct choices at each trial number (Wang 2018, Fig. 6).

    Args:
        trials: Trial table with the columns ``trial`` and ``correct``.
        num_trials: Number of trials in an episode.

    Returns:
        Fractions, (num_trials,); NaN for a trial nobody reached.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented, or a trial
            has a number above the last.
    """
    trials = checked(trials, TASK, ("trial", "correct"), TRIAL)
    if (trials["trial"] >= num_trials).any():
        raise TrialTableError(
            f"The column 'trial' must hold 0 to {num_trials - 1} with num_trials={num_trials}; got "
            f"{trials['trial'].max()}. Count trials from 0, or pass the number of trials."
        )
    fractions = trials.groupby("trial")["correct"].mean().reindex(range(num_trials))
    return np.asarray(fractions, np.float64)


def accuracy_after_first(trials: pd.DataFrame) -> dict[str, float]:
    """Return the accuracy at trial 2 after a right and after a wrong first choice.

    One who learns from both is as good after either; the 2016 paper says "regardless".

    Args:
        trials: Trial table with the columns ``env``, ``episode``, ``trial``, ``correct``.

    Returns:
        ``"right"`` and ``"wrong"``: the fraction correct at the second trial; NaN where there is no
        such episode.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented, or there is
            no trial 0.
    """
    trials = checked(trials, TASK, (*TRIAL, "correct"))
    if len(trials) and trials["trial"].min() > 0:
        raise TrialTableError(
            f"The column 'trial' must count from 0; got {trials['trial'].min()} as the first. "
            "Subtract it, or put in the first trials."
        )
    table = trials[trials["trial"] < 2].pivot_table(
        index=["env", "episode"], columns="trial", values="correct", aggfunc="first"
    )
    both = table.reindex(columns=[0, 1]).dropna().astype(bool)
    return {
        "right": float(both.loc[both[0], 1].mean()),
        "wrong": float(both.loc[~both[0], 1].mean()),
    }


def side_from_activity(
    episodes: Episodes, hidden: NDArray[Any], choice_stage: int, num_trials: int = 6
) -> dict[str, NDArray[np.float64]]:
    """Decode the rewarded side from the hidden state at the moment objects are first seen.

    The paper shows activity early and late in training; the published panel was not available, and
    this measure is ours: from a state that has learned nothing within the episode the side cannot
    be decoded.

    Args:
        episodes: Episodes of Harlow's task or of its version in images.
        hidden: Hidden state of the agent that played, (steps, num_envs, units).
        choice_stage: Value of ``stage`` in which objects are seen, ``CHOICE`` of the task's module.
        num_trials: Number of trials in an episode.

    Returns:
        For each trial ``decoded``, the cross-validated accuracy of a linear decoder, NaN with fewer
        than ten episodes per fold, (num_trials,); and ``preference``, the mean activity of each
        unit with the rewarded object on the right minus that with it on the left,
        (units, num_trials).
    """
    choosing = (episodes.truth["stage"] == choice_stage) & episodes.alive
    onset = choosing.copy()
    onset[1:] &= ~choosing[:-1]
    step, env = np.nonzero(onset)
    trial, right = (episodes.truth[name][step, env] for name in ("trial", "rewarded_side"))
    units = hidden[step, env].astype(np.float64)
    decoded = np.full(num_trials, np.nan)
    preference = np.full((units.shape[1], num_trials), np.nan)
    for i in range(num_trials):
        of_trial = trial == i
        if of_trial.sum() < 10 * FOLDS:
            continue
        x, is_right = units[of_trial], right[of_trial] == 1
        decoded[i] = decoding_accuracy(x, is_right, env[of_trial] % FOLDS)
        preference[:, i] = x[is_right].mean(axis=0) - x[~is_right].mean(axis=0)
    return {"decoded": decoded, "preference": preference}


def learning_curve(trials: pd.DataFrame) -> pd.Series:
    """Return the fraction of correct choices by the number of the trial, from 1."""
    trials = checked(trials, TASK, ("trial", "correct"), TRIAL)
    accuracy = trials.groupby("trial")["correct"].mean()
    return accuracy.set_axis(accuracy.index + 1)


BEHAVIOUR = Behaviour(
    "fraction correct",
    "trial",
    learning_curve,
    (
        Statement(
            "chose the rewarded object {} of the time at trial 2",
            2,
            {"the paper's agent": "97 %", "experienced monkeys": "96.5 %"},
        ),
        Statement(
            "chose it {} of the time at trial 6",
            6,
            {"the paper's agent": "98 %", "experienced monkeys": "98 %"},
        ),
    ),
)
