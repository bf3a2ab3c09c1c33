"""Measures of the risky-choice task."""

from __future__ import annotations

import pandas as pd

from neurotasks.analysis.behaviour import Behaviour, Statement
from neurotasks.columns import TRIAL, as_frame, checked
from neurotasks.tasks.risky_choice import TASK


def risk_preference(trials: pd.DataFrame) -> pd.DataFrame:
    """Return how often the risky arm is chosen freely (Stopper 2014; Wang 2018, Fig. 7).

    Args:
        trials: A trial table with the columns ``p_risky``, ``forced``, ``risky``, ``choice`` (-1
            where none was made). Probabilities from a continuum are to be binned before:
            ``trials.assign(p_risky=pd.cut(trials.p_risky, bins))``.

    Returns:
        Columns ``risky`` (proportion of risky choices) and ``count`` (valid free trials), one row
        for each value of ``p_risky``.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented.
    """
    names, trials = ["forced", "risky", "choice"], as_frame(trials)
    binned = "p_risky" in trials and isinstance(trials["p_risky"].dtype, pd.CategoricalDtype)
    trials = checked(trials, TASK, names if binned else [*names, "p_risky"], TRIAL)
    free = trials[~trials["forced"].astype(bool) & (trials["choice"] >= 0)]
    table = free.groupby("p_risky", observed=True)["risky"].agg(["mean", "count"])
    return table.rename(columns={"mean": "risky"})


BEHAVIOUR = Behaviour(
    "P(risky arm), free trials",
    "its reward probability",
    lambda trials: risk_preference(trials)["risky"],
    (
        Statement(
            "chose the risky arm {} of the time where it paid half the time",
            0.5,
            {"the paper's agent": "about 75 %"},
        ),
        Statement("chose the risky arm {} of the time where it paid 1 time in 8", 0.125),
    ),
)
