"""Reward prediction errors aligned to events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotasks.episodes import Episodes
from neurotasks.errors import TrialTableError


def td_errors(episodes: Episodes, values: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
    """Return the RPE of each step, r(t) + gamma V(t + 1) - V(t), with V = 0 after the end.

    Args:
        episodes: Episodes of any task.
        values: Predictions at their observations, (steps, num_envs) or (steps, num_envs, channels).
        gamma: Discount per step.

    Returns:
        RPEs in the shape of the values; NaN after the end of an episode.
    """
    alive, rewards = (
        array.reshape(array.shape + (1,) * (values.ndim - 2))
        for array in (episodes.alive, episodes.rewards)
    )
    following = np.zeros_like(values)
    following[:-1] = np.where(alive[1:], values[1:], 0.0)
    return np.where(alive, rewards + gamma * following - values, np.nan)


def aligned_rpes(
    episodes: Episodes,
    rpe: NDArray[np.float64],
    event: NDArray[np.bool_] | int,
    offsets: Sequence[int] = (0,),
) -> pd.DataFrame:
    """Return the RPEs around an event, a row each, with the trial they belong to.

    ``rpe[t]`` = r(t) + gamma V(t + 1) - V(t) is known when observation t + 1 is seen. The RPE at
    an event, offset 0, is therefore that of the step before: an event seen in observation t has
    ``rpe[t - 1 + offset]``. The first observation of an episode has none at offset 0. Offset 1 is
    the RPE of the response to the event, with the reward that it brings.

    Args:
        episodes: Episodes of any task.
        rpe: RPE of each step of the episodes, (steps, num_envs).
        event: In which observations the event is seen, (steps, num_envs), or a value of
            ``episodes.truth["stage"]``.
        offsets: Steps after the event, 0 the event itself, negative before it.

    Returns:
        Columns ``offset``, ``step`` (the observation the event is seen in), ``rpe``, and those of
        the trial table; no row for steps outside the episode, and for events of a trial that was
        not finished.
    """
    if isinstance(event, (int, np.integer)):
        event = episodes.truth["stage"] == event
    seen, env = np.nonzero(event & episodes.alive)
    trial = episodes.truth["trial"][seen, env]
    events = pd.DataFrame({"env": env, "trial": trial, "step": seen})
    parts = []
    for offset in offsets:
        step = seen - 1 + offset
        inside = (step >= 0) & (step < len(rpe))
        inside[inside] = episodes.alive[step[inside], env[inside]]
        part = events[inside].assign(offset=offset, rpe=rpe[step[inside], env[inside]])
        parts.append(part)
    return pd.concat(parts).merge(episodes.trials, on=["env", "trial"])


def mean_rpes(rpes: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the mean RPE of each kind of trial at each offset.

    Args:
        rpes: RPEs from `aligned_rpes`.
        by: Columns that make the kinds, such as ``["experienced", "rewarded_target"]``.

    Returns:
        Columns ``mean``, ``sem`` (standard error; NaN of a single one), ``count``; one row for each
        kind and offset.

    Raises:
        TrialTableError: If a column is missing.
    """
    missing = [name for name in (*by, "offset", "rpe") if name not in rpes]
    if missing:
        raise TrialTableError(
            f"A table of RPEs must have the columns {', '.join(missing)}; got "
            f"{', '.join(map(str, rpes.columns))}. Pass what aligned_rpes returned."
        )
    return rpes.groupby([*by, "offset"])["rpe"].agg(["mean", "sem", "count"])
