"""Measures of Harlow's task."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray


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
        index=["lane", "episode"], columns="trial", values="correct", aggfunc="first"
    )
    both = table.dropna().astype(bool)
    return {
        "right": float(both.loc[both[0], 1].mean()),
        "wrong": float(both.loc[~both[0], 1].mean()),
    }
