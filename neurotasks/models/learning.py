"""What a fitted model of the two-step task has learned before each trial, and is surprised by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from neurotasks.errors import ParameterError, require
from neurotasks.models.likelihood import Likelihood, people
from neurotasks.models.model import Model

if TYPE_CHECKING:
    import pandas as pd

SIGNALS = ("value", "rpe_state", "rpe_outcome")


def learning_signals(
    model: Model, trials: pd.DataFrame, values: Mapping[str, float]
) -> pd.DataFrame:
    """Return value and reward prediction errors of a model of the two-step task in each trial.

    The reward is the sum of all three (Daw et al. 2011, Neuron 69:1204, without perseveration).

    Args:
        model: `neurotasks.models.two_step.HYBRID`, or what it becomes with parameters fixed or
            with one choice.
        trials: Trial table of one person, or of several with the same parameters, see
            `neurotasks.models.likelihood.people`.
        values: Values of the parameters that are not fixed, by name.

    Returns:
        One row per row of the table, NaN in missed trials: ``value`` of the first-stage choice,
        weighed as the model weighs both systems; ``rpe_state``, the value of the second-stage
        choice less that; ``rpe_outcome``, the reward less the value of the second-stage choice.

    Raises:
        TrialTableError: See `neurotasks.models.likelihood.people`.
        ParameterError: If the model has no such values, or is given values that it cannot have.
    """
    needed = {"w", "p_common"} - {p.name for p in model.parameters}
    if needed or {"q1", "q2"} - set(model.state):
        raise ParameterError(
            f"A model of values must have q1, q2, w and p_common; got {model.name}. Use HYBRID, "
            "SARSA or MODEL_BASED of neurotasks.models.two_step."
        )
    pd = require("pandas", "analysis")
    likelihood, vector = Likelihood(model), model.vector(values)
    everything = {**model.fixed, **values}
    w, p_common = float(everything["w"]), float(everything["p_common"])
    found = pd.DataFrame(np.nan, index=range(len(trials)), columns=list(SIGNALS))
    for rows, records in people(model, trials).values():
        state = likelihood.states(records, vector)
        t = np.arange(len(records))
        made = records["choice"] >= 0
        choice = np.maximum(records["choice"], 0)
        best = state["q2"].max(axis=2)
        planned = p_common * best[t, choice] + (1 - p_common) * best[t, 1 - choice]
        value = w * planned + (1 - w) * state["q1"][t, choice]
        reached = state["q2"][t, records["second_state"], records["second_choice"]]
        signals = np.stack([value, reached - value, records["reward"] - reached], axis=1)
        found.iloc[rows] = np.where(made[:, None], signals, np.nan)
    return found.set_axis(trials.index)
