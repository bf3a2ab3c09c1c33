"""Whole episodes of any agent on any task, with everything the analyses need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from neurotasks.core import TaskVectorEnv
from neurotasks.errors import ParameterError, shown

if TYPE_CHECKING:
    import pandas as pd


class Agent(Protocol):
    """Whatever chooses actions the way a Stable-Baselines3 model or policy does."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Return the actions for a batch of observations, and the memory after them."""


@dataclass(frozen=True)
class Episodes:
    """One episode of each sub-environment; step t is (observation t, action t, reward t).

    Attributes:
        observations: Observations, float32, (steps, num_envs, width); of a task with images a dict
            of ``"image"``, uint8 (steps, num_envs, height, width, 3), and ``"feedback"``.
        actions: Actions, int64, (steps, num_envs).
        rewards: Reward that followed each action, float64, (steps, num_envs); NaN after the end of
            an episode.
        alive: Whether the episode was under way, bool, (steps, num_envs).
        truth: Hidden truth about each observation, as in ``info``: name -> (steps, num_envs, ...).
        trials: Trial table of these episodes.
    """

    observations: Any
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    alive: NDArray[np.bool_]
    truth: dict[str, NDArray[Any]]
    trials: pd.DataFrame

    @property
    def returns(self) -> NDArray[np.float64]:
        """Sum of the rewards of each episode, (num_envs,)."""
        returns: NDArray[np.float64] = np.nansum(self.rewards, axis=0)
        return returns


def run_episodes(
    agent: Agent,
    envs: VectorEnv[Any, Any, Any] | None = None,
    *,
    seed: int | Sequence[int] | None = None,
    options: dict[str, Any] | None = None,
    deterministic: bool = False,
) -> Episodes:
    """Let an agent play one episode in each sub-environment.

    Args:
        agent: Anything with Stable-Baselines3's ``predict``: a model, a policy, an observer.
        envs: Environments made by ``gymnasium.make_vec(id, num_envs=...,
            autoreset_mode="SameStep", trial_log=True)``; None for those an observer was made for.
        seed: Seed of the episodes: sub-environment i plays that of seed + i, or of `seed[i]`.
        options: Hidden parameters to fix.
        deterministic: Whether the agent takes its most probable action instead of drawing one.

    Returns:
        The episodes.

    Raises:
        ParameterError: If there are no environments of a task, or they do not reset in the same
            step.
    """
    envs = getattr(agent, "env", None) if envs is None else envs
    if not isinstance(envs, VectorEnv) or not isinstance(envs.unwrapped, TaskVectorEnv):
        raise ParameterError(
            f"envs must be a vector environment of a task; got {shown(envs)}. Pass what "
            "gymnasium.make_vec returns, or an observer that was made for such an environment."
        )
    if envs.metadata["autoreset_mode"] is not AutoresetMode.SAME_STEP:
        raise ParameterError(
            "autoreset_mode must be 'SameStep' for run_episodes(); got "
            f"{envs.metadata['autoreset_mode']}. Pass autoreset_mode='SameStep' to make_vec."
        )
    task_envs: Any = envs.unwrapped
    task_envs.trial_table(clear=True)
    seeds: Any = seed  # a sequence, too, as Gymnasium's own vector environments take
    observation, infos = envs.reset(seed=seeds, options=options)
    names = [name for name in infos if not name.startswith("_")]
    alive = np.ones(envs.num_envs, np.bool_)
    start, memory = alive.copy(), None
    steps = []
    while alive.any():
        action, memory = agent.predict(observation, memory, start, deterministic)
        seen, truth = observation, [infos[name] for name in names]
        observation, reward, terminated, truncated, infos = envs.step(action)
        start = terminated | truncated
        steps.append((seen, action, np.where(alive, reward, np.nan), alive, truth))
        alive = alive & ~start
    table = task_envs.trial_table(clear=True)
    first = table.groupby("env")["episode"].transform("min")
    trials = table[table["episode"] == first].sort_values(["env", "trial"], ignore_index=True)
    observations, actions, rewards, alives, truths = zip(*steps, strict=True)
    return Episodes(
        {name: np.stack([seen[name] for seen in observations]) for name in observations[0]}
        if isinstance(observations[0], dict)
        else np.stack(observations),
        np.stack(actions).astype(np.int64),
        np.stack(rewards),
        np.stack(alives),
        {name: np.stack(part) for name, part in zip(names, zip(*truths, strict=True), strict=True)},
        trials,
    )
