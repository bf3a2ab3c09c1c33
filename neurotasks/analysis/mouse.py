"""Measures of the mouse tasks."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from neurotasks.analysis.behaviour import Behaviour


def licks_by(cue: str) -> Callable[[pd.DataFrame], pd.Series]:
    """Return a function of a trial table: the mean number of anticipatory licks per trial.

    Args:
        cue: Column of the trial table that distinguishes the trials.
    """
    return lambda trials: trials.groupby(cue)["anticipatory_licks"].mean()


LICKS = "anticipatory licks"
SAME_MEAN = Behaviour(LICKS, "0 nothing, 1 fixed, 2 variable", licks_by("kind"))
VARIABLE_PROBABILITY = Behaviour(LICKS, "odour", licks_by("odour"))
VARIABLE_REWARD = Behaviour(
    LICKS, "0 uncued, 1 reward odour, 2 nothing odour", licks_by("trial_type")
)
