"""Measures of the mouse tasks."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from neurotasks.analysis.behaviour import Behaviour
from neurotasks.columns import TRIAL, checked
from neurotasks.core.task import Task
from neurotasks.tasks import same_mean, variable_probability, variable_reward


def licks_by(task: Task, cue: str) -> Callable[[pd.DataFrame], pd.Series]:
    """Return a function of a trial table: the mean number of anticipatory licks per trial.

    Args:
        task: The task.
        cue: Column of the trial table that distinguishes the trials.
    """

    def licks(trials: pd.DataFrame) -> pd.Series:
        trials = checked(trials, task, (cue, "anticipatory_licks"), TRIAL)
        return trials.groupby(cue)["anticipatory_licks"].mean()

    return licks


LICKS = "anticipatory licks"
SAME_MEAN = Behaviour(LICKS, "0 nothing, 1 fixed, 2 variable", licks_by(same_mean.TASK, "kind"))
VARIABLE_PROBABILITY = Behaviour(LICKS, "odour", licks_by(variable_probability.TASK, "odour"))
VARIABLE_REWARD = Behaviour(
    LICKS, "0 uncued, 1 reward odour, 2 nothing odour", licks_by(variable_reward.TASK, "trial_type")
)
