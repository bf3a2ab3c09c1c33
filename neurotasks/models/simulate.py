"""Choices of a model in a world whose rewards do not depend on what was chosen before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotasks.core.checks import check_count
from neurotasks.core.records import zeroed
from neurotasks.errors import ParameterError, require
from neurotasks.models.loops import TRIAL
from neurotasks.models.model import Model

if TYPE_CHECKING:
    import pandas as pd

MOST_TRIALS = 10**7


class World(NamedTuple):
    """What every choice would bring.

    Attributes:
        common: Whether the transition of each trial is common, (trials,); not read in a task of
            one stage.
        pays: Reward of each second-stage state and option, (trials, states, options); in a task of
            one stage that of each option, (trials, 1, options).
    """

    common: NDArray[np.bool_]
    pays: NDArray[np.float64]


def drawn_world(probabilities: ArrayLike, rng: np.random.Generator, p_common: float = 0.7) -> World:
    """Draw rewards of 1 or 0, and transitions.

    Args:
        probabilities: Reward probabilities, (trials, states, options).
        rng: Random numbers.
        p_common: Probability of a common transition.

    Returns:
        The world.

    Raises:
        ParameterError: If the probabilities have another shape, or are none.
    """
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 3 or not ((p >= 0) & (p <= 1)).all():
        raise ParameterError(
            "Reward probabilities must be in [0, 1], with the shape (trials, states, options); got "
            f"{p.shape} from {p.min(initial=1):g} to {p.max(initial=0):g}. For arms of a bandit "
            "write p[:, None, :]."
        )
    return World(rng.random(len(p)) < p_common, (rng.random(p.shape) < p).astype(np.float64))


def drifting_world(
    trials: int, rng: np.random.Generator, states: int = 2, options: int = 2
) -> World:
    """Draw a world of the two-step task of Daw et al. 2011, or of a bandit that drifts like it.

    Reward probabilities of two options in two states walk between 0.25 and 0.75 with Gaussian
    steps of standard deviation 0.025, reflected at the bounds; 0.7 of the transitions are common.

    Args:
        trials: Number of trials.
        rng: Random numbers.
        states: Number of second-stage states; 1 for a bandit.
        options: Number of options in each.

    Returns:
        The world.

    Raises:
        ParameterError: If there is no such number of trials.
    """
    check_count("trials", trials, MOST_TRIALS)
    start = rng.uniform(0.25, 0.75, (1, states, options))
    steps = rng.normal(0, 0.025, (trials - 1, states, options))
    walk = np.concatenate([start, steps]).cumsum(axis=0)
    folded = np.abs((walk - 0.75) % 1.0 - 0.5)  # a walk reflected at both ends of half a unit
    return drawn_world(0.25 + folded, rng)


def simulate(
    model: Model, values: pd.DataFrame, worlds: list[World], rng: np.random.Generator
) -> pd.DataFrame:
    """Let simulated people choose as a model does.

    Args:
        model: The model.
        values: Values of its parameters, one row per person, one column per parameter that is not
            fixed.
        worlds: World of each person.
        rng: Random numbers that choices are drawn with.

    Returns:
        Trial table with the columns ``env`` (the position of the person in `values`), ``episode``,
        ``trial``, ``choice``, ``outcome`` (1 if there was a reward), ``reward``; in a task of two
        stages ``common``, ``second_state``, and ``second_choice`` where one is made.

    Raises:
        UnknownParameterError: If the model has no such parameter.
        ParameterError: If a value is missing or outside its range, or a world does not have the
            states and options of the model.
    """
    pd = require("pandas", "analysis")
    states = 2 if model.second_options else 1
    options = model.second_options or model.options
    if len(worlds) != len(values) or not worlds:
        raise ParameterError(
            f"There must be one world per row of values; got {len(worlds)} for {len(values)}."
        )
    work, tables = model.workspace(np.float64), []
    for env, world in enumerate(worlds):
        if world.pays.shape[1:] != (states, options):
            raise ParameterError(
                f"A world of the model {model.name} must pay {states} x {options} rewards per "
                f"trial; got {world.pays.shape[1:]}. Make one with drawn_world."
            )
        vector = model.vector(dict(values.iloc[env]))
        records = zeroed(len(world.common), TRIAL)
        records["begins"][:1] = True
        work.table[:] = work.fixed + vector @ work.spread
        found, draws = np.zeros((len(records), 2)), rng.random((len(records), 2))
        arrays = work.p, work.states, work.first, work.second, found
        model.loops.run(records, True, tuple(world), draws, *arrays)
        tables.append(_table(model, env, records, world))
    return pd.concat(tables, ignore_index=True)


def _table(model: Model, env: int, records: NDArray[np.void], world: World) -> pd.DataFrame:
    columns = {
        "env": env,
        "episode": 0,
        "trial": np.arange(len(records)),
        "choice": records["choice"],
        "outcome": (records["reward"] > 0).astype(np.int8),
        "reward": records["reward"],
    }
    if model.second_options > 0:
        columns |= {"common": world.common, "second_state": records["second_state"]}
    if model.second_options > 1:
        columns["second_choice"] = records["second_choice"]
    return require("pandas", "analysis").DataFrame(columns)
