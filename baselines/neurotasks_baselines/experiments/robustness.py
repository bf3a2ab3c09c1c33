"""Findings at other hyperparameters: at how many settings of a grid each value lies in its range.

The tables that `neurotasks_baselines.sweeps.robustness` makes lie in ``grids``: one row per setting
with a single seed each, a column per hyperparameter that varies, and one per claim.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.base import Experiment
from neurotasks_baselines.experiments.claims import COUNTED, REFERENCES, Claim, Row, estimate

GRIDS = Path(__file__).parent / "grids"
FACTORS = {
    "trunk": "trunk",
    "cell": "cell",
    "units": "units",
    "learning_rate": "learning rate",
    "gamma": "discount",
    "ent_coef": "entropy coefficient",
}
"""Hyperparameters that vary, and what they are called in figures."""
FEW = 0.5  # a claim that has its value in the range at fewer settings holds only at ours


@cache
def shipped_grid(name: str) -> pd.DataFrame | None:
    """Return the shipped table of an experiment, None if its grid was not run."""
    file = GRIDS / f"{name}.csv"
    return pd.read_csv(file) if file.exists() else None


def judged(experiment: Experiment) -> list[Row]:
    """Return the rows of an experiment that are counted and depend on agents."""
    return [
        row
        for row in experiment.claims
        if row.kind in COUNTED and not row.key.startswith(REFERENCES)
    ]


def learned_row(experiment: Experiment) -> str:
    """Return the name of the row that says whether a seed learned its task."""
    return next(row.name for row in experiment.claims if row.key == "learned")


def in_range(experiment: Experiment, values: pd.DataFrame) -> pd.DataFrame:
    """Return whether values lie in the accepted range of their claims.

    Args:
        experiment: Experiment.
        values: One row per setting or seed, a column per claim; NaN lies in no range.

    Returns:
        The same rows, and a column per claim of `judged`, but for those of `not_measured`.
    """
    absent = not_measured(experiment, values)
    return pd.DataFrame(
        {
            row.name: [value in row.accepted for value in values[row.name].astype(np.float64)]
            for row in judged(experiment)
            if row.name not in absent
        },
        index=values.index,
    )


def not_measured(experiment: Experiment, values: pd.DataFrame) -> list[str]:
    """Return the claims of `judged` that no setting has a value of.

    Agents of a sweep are evaluated too rarely while they learn for what is about that.
    """
    return [row.name for row in judged(experiment) if values[row.name].isna().all()]


def fractions(experiment: Experiment, table: pd.DataFrame) -> pd.DataFrame:
    """Return for each claim the fraction of settings at which its value lies in its range.

    Args:
        experiment: Experiment.
        table: Values at each setting, see `in_range`.

    Returns:
        One row per claim: ``in_range`` and ``settings``, two numbers of settings; ``fraction``,
        their ratio, with ``low`` and ``high``, Wilson's 95 % interval; ``in_range_learned`` and
        ``learned``, the same two numbers for settings at which the agent learned the task.
    """
    within, learned = in_range(experiment, table), table[learned_row(experiment)] == 1
    found = {}
    for claim in within:
        fraction, low, high = estimate(within[claim].to_numpy(np.float64), "fraction")
        found[claim] = {
            "in_range": within[claim].sum(),
            "settings": len(within),
            "fraction": fraction,
            "low": low,
            "high": high,
            "in_range_learned": (within[claim] & learned).sum(),
            "learned": learned.sum(),
        }
    return pd.DataFrame.from_dict(found, orient="index")


def only_at_our_settings(claim: Claim) -> str:
    """Return in words that a claim about PPO's agents holds only at their settings.

    Args:
        claim: Claim.

    Returns:
        Empty if the claim does not hold, or its value lies in the range at half of the other
        settings or more, or these were not tried.
    """
    table = shipped_grid(claim.experiment)
    if not claim.held or claim.learner != "ppo" or table is None or claim.claim not in table:
        return ""
    found = fractions(EXPERIMENTS[claim.experiment], table)
    if claim.claim not in found.index or found.loc[claim.claim, "fraction"] >= FEW:
        return ""
    row = found.loc[claim.claim].astype(int)
    return (
        f"It holds only at our settings: the value lies in the range at {row['in_range']} of "
        f"{row['settings']} others, of which {row['learned']} learned the task "
        f"({row['in_range_learned']} of them in the range)."
    )
