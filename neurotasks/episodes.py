"""Whole episodes of any agent on any task, with everything the analyses need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from neurotasks.errors import ParameterError

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
    """One episode on each lane, step by step; step t is (observation t, action t, reward t).

    Attributes:
        observations: float32, (steps, lanes, width); of a task with images a dict of ``"image"``,
            uint8 (steps, lanes, height, width, 3), and ``"feedback"``.
        actions: int64, (steps, lanes).
        rewards: float64, (steps, lanes), the reward that followed the action.
        alive: bool, (steps, lanes), False after the end of a lane's episode.
        truth: what ``info`` told about each observation, name -> (steps, lanes, ...).
        trials: the trial table of these episodes.
    """

    observations: Any
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    alive: NDArray[np.bool_]
    truth: dict[str, NDArray[Any]]
    trials: pd.DataFrame


def run_episodes(
    agent: Agent,
    envs: VectorEnv[Any, Any, Any],
    *,
    seed: int | None = None,
    options: dict[str, Any] | None = None,
    deterministic: bool = False,
) -> Episodes:
    """Let an agent play one episode on each lane.

    Args:
        agent: anything with Stable-Baselines3's ``predict``: a model, a policy, an observer.
        envs: made by ``gymnasium.make_vec(id, num_envs=..., autoreset_mode="SameStep",
            trial_log=True)``.
        seed: lane i plays the episode of seed + i.
        options: hidden parameters to fix.
        deterministic: whether the agent takes its most probable action instead of drawing one.

    Returns:
        The recording.

    Raises:
        ParameterError: if the environment does not reset in the same step.
    """
    if envs.metadata["autoreset_mode"] is not AutoresetMode.SAME_STEP:
        raise ParameterError(
            f"record() got an environment with autoreset {envs.metadata['autoreset_mode']}, but "
            "needs autoreset_mode='SameStep'. Pass that to make_vec."
        )
    task_envs: Any = envs.unwrapped
    task_envs.trial_table(clear=True)
    observation, infos = envs.reset(seed=seed, options=options)
    names = [name for name in infos if not name.startswith("_")]
    alive = np.ones(envs.num_envs, np.bool_)
    start, memory = alive.copy(), None
    steps = []
    while alive.any():
        action, memory = agent.predict(observation, memory, start, deterministic)
        seen, told = observation, {name: infos[name] for name in names}
        observation, reward, start, _, infos = envs.step(action)
        steps.append((seen, action, reward, alive, told))
        alive = alive & ~start
    table = task_envs.trial_table(clear=True)
    first = table.groupby("env")["episode"].transform("min")
    trials = table[table["episode"] == first].sort_values(["env", "trial"], ignore_index=True)
    seen_, actions, rewards, alives, tolds = zip(*steps, strict=True)
    return Episodes(
        {name: np.stack([seen[name] for seen in seen_]) for name in seen_[0]}
        if isinstance(seen_[0], dict)
        else np.stack(seen_),
        np.stack(actions).astype(np.int64),
        np.stack(rewards),
        np.stack(alives),
        {name: np.stack([told[name] for told in tolds]) for name in names},
        trials,
    )
