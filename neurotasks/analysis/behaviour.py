"""How somebody plays a task, in one curve: what `Task.behaviour` names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from neurotasks.columns import TRIAL, checked
from neurotasks.core.places import pointed_at
from neurotasks.core.task import Task


@dataclass(frozen=True)
class Statement:
    """What one value of a measure says about a player, in words.

    Attributes:
        text: What the player did so often: "chose the better arm {} of the time".
        at: Which value: its label in the index of the measure.
        published: Number by who has it, of the task with its default parameters.
    """

    text: str
    at: Any
    published: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Behaviour:
    """A measure that shows how somebody plays a task.

    Attributes:
        label: Name of the measure.
        across: Name of what it is measured across.
        measure: Function of a trial table that returns the values, indexed by what they are
            measured across.
        statements: Statements about its most telling values, which are fractions.
    """

    label: str
    across: str
    measure: Callable[[pd.DataFrame], pd.Series]
    statements: tuple[Statement, ...] = ()


def behaviour_of(task: Task) -> Behaviour:
    """Return the measure that a task names.

    Raises:
        TaskDefinitionError: If there is no such measure.
    """
    what = f"The behaviour of {task.name}"
    found: Behaviour = pointed_at(task.behaviour, Behaviour, what)
    return found


def by_quarter(trials: pd.DataFrame) -> pd.Series:
    """Return the mean reward per trial in each quarter of the episodes."""
    trials = checked(trials, None, (*TRIAL, "trial_reward"))
    last = trials.groupby(["env", "episode"])["trial"].transform("max")
    quarter = (4 * trials["trial"] // (last + 1) + 1).rename("quarter")
    return trials.groupby(quarter)["trial_reward"].mean()


REWARD_BY_QUARTER = Behaviour("reward per trial", "quarter of the episode", by_quarter)
