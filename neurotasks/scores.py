"""Scores on one scale for all tasks: 0 is choosing at random, 1 the reference observer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotasks.errors import ParameterError, nearest

if TYPE_CHECKING:
    from neurotasks.episodes import Agent

TEST_SEED = 2_000_000_000  # far from every training seed
EPISODES = 1000  # from which the returns of an id that is not in the table are measured
IMAGES = 100  # sub-environments at once, where observations are images


@cache
def reference_returns() -> dict[str, dict[str, Any]]:
    """Return what a random player and the reference observer reach, by shipped id.

    Each entry has the mean return of an episode with ``split="test"`` and the registered
    parameters for ``"random"`` and ``"ideal"``, their standard errors ``"random_se"`` and
    ``"ideal_se"``, the name of the ``"observer"``, and how many ``"episodes"`` were played.
    ``neurotasks benchmark scores`` made the table.
    """
    table: dict[str, dict[str, Any]] = json.loads(
        files("neurotasks").joinpath("scores.json").read_text()
    )
    return table


@cache
def baseline_scores() -> dict[str, Any]:
    """Return the scores of agents that ship or were trained before, to be next to.

    Returns:
        ``"agents"``: name -> ``"command"`` that made the numbers, ``"hardware"`` that it ran on if
        it is known, and ``"results"``, one object per task and seed, as in the ``scores.json`` of
        ``neurotasks score``. ``"not_run"``: name -> what is missing.
    """
    table: dict[str, Any] = json.loads(files("neurotasks").joinpath("baselines.json").read_text())
    return table


@cache
def measure_returns(id: str, num_episodes: int = EPISODES, **task_kwargs: Any) -> dict[str, Any]:
    """Measure what a random player and a task's reference observer reach.

    Args:
        id: Id of a registered task, which may be a custom one.
        num_episodes: Number of episodes that each of the two plays.
        **task_kwargs: Parameters of the task, tuples instead of lists.

    Returns:
        An entry as in `reference_returns`, kept in memory for the next call.
    """
    from neurotasks.core.task import load
    from neurotasks.observers import RandomAgent, reference_observer

    load(id)
    best = reference_observer(gym.make(id, **task_kwargs))
    row: dict[str, Any] = {"observer": type(best).__name__, "episodes": num_episodes}
    players: dict[str, Callable[..., Agent]]
    players = {"random": RandomAgent, "ideal": reference_observer}
    for name, player in players.items():
        returns = episode_returns(partial(player, seed=0), id, num_episodes, **task_kwargs)
        row[name] = round(float(returns.mean()), 6)
        row[f"{name}_se"] = round(float(returns.std(ddof=1) / np.sqrt(num_episodes)), 6)
    return row


def episode_returns(
    player: Callable[[Any], Agent], id: str, num_episodes: int, **task_kwargs: Any
) -> NDArray[np.float64]:
    """Return the sums of rewards of held-out episodes, (episodes,).

    Args:
        player: Function of the vector environment that returns who plays it.
        id: Id of the task, played with ``split="test"``.
        num_episodes: Number of episodes.
        **task_kwargs: Parameters of the task.
    """
    kwargs: dict[str, Any] = {"autoreset_mode": "SameStep", "split": "test", **task_kwargs}
    pictures = gym.make(id).unwrapped.task.image_shape is not None  # type: ignore[attr-defined]
    at_once = IMAGES if pictures else num_episodes
    found: list[NDArray[np.float64]] = []
    for first in range(0, num_episodes, at_once):
        num_envs = min(at_once, num_episodes - first)
        envs: Any = gym.make_vec(id, num_envs=num_envs, **kwargs)
        agent, memory = player(envs), None
        observation, _ = envs.reset(seed=TEST_SEED + first)
        starts, total = np.ones(num_envs, bool), np.zeros(num_envs)
        alive = starts.copy()
        while alive.any():
            action, memory = agent.predict(observation, memory, starts)
            observation, reward, starts, _, _ = envs.step(action)
            total += reward * alive
            alive = alive & ~starts
        found.append(total)
    return np.concatenate(found)


class Score(NamedTuple):
    """Score of a player, with its standard error over episodes."""

    value: float
    standard_error: float


def paired_score(returns: ArrayLike, low: ArrayLike, high: ArrayLike) -> Score:
    """Return the score of a player whose episodes two others have played, too.

    Episodes of the same seed hold the same in store for everyone, and their returns rise and fall
    together. What the three share cancels: with ``gap = mean(high - low)`` the score is
    ``s = mean(returns - low) / gap``, and its standard error that of the mean of
    ``returns - low - s (high - low)``, divided by the gap (the delta method for a ratio of means).

    Args:
        returns: Returns of the player, (episodes,).
        low: Returns of the player who scores 0, in the same episodes, (episodes,).
        high: Returns of the player who scores 1, in the same episodes, (episodes,).

    Raises:
        ParameterError: If there are fewer than two episodes, not as many of all three, or the gap
            is not positive.
    """
    player, zero, one = (np.asarray(r, np.float64) for r in (returns, low, high))
    if player.ndim != 1 or len(player) < 2 or not player.shape == zero.shape == one.shape:
        raise ParameterError(
            "returns, low and high must be of the same episodes, two or more, (episodes,); got the "
            f"shapes {player.shape}, {zero.shape} and {one.shape}."
        )
    gap = float((one - zero).mean())
    if not gap > 0:
        raise ParameterError(
            f"high must earn more than low; got {one.mean():g} compared with {zero.mean():g} per "
            "episode. Play more episodes, or exchange the two."
        )
    value = float((player - zero).mean()) / gap
    rest = player - zero - value * (one - zero)
    return Score(value, float(rest.std(ddof=1)) / math.sqrt(len(rest)) / gap)


def normalized_score(id: str, returns: ArrayLike, **task_kwargs: Any) -> NDArray[np.float64]:
    """Return scores: 0 for the mean return of random choices, 1 for the reference observer's.

    The two means are those of the shipped table; for the id of a custom task, and with parameters
    of the task, they are measured at the first call, from `EPISODES` episodes of each.

    Args:
        id: Id of a registered task, ``"neurotasks/TwoStep-v0"``.
        returns: Sums of the rewards of episodes, any shape; those of single episodes scatter
            around the score of their player, and some exceed 1.
        **task_kwargs: Parameters that the task was played with, tuples instead of lists.

    Returns:
        (returns - random) / (ideal - random), in the shape of `returns`.

    Raises:
        ParameterError: If no task is registered with the id, or its observer earns no more than
            random choices.
        TaskDefinitionError: If what is registered is no task.
    """
    table = reference_returns()
    if not isinstance(id, str) or (id not in table and id not in gym.registry):
        raise ParameterError(f"id must be that of a task; got {id!r}. {nearest(str(id), table)}")
    known = table.get(id) if not task_kwargs else None
    row = known or measure_returns(id, **task_kwargs)
    low, high = row["random"], row["ideal"]
    if high <= low:
        raise ParameterError(
            f"The reference observer of {id} must earn more than random choices; got {high:g} "
            f"compared with {low:g} per episode. Name another one in its Task."
        )
    return np.asarray((np.asarray(returns, np.float64) - low) / (high - low))
