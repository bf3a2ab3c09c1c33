"""Held-out episodes played with frozen weights."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from neurotasks.episodes import Episodes, run_episodes
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.agents.activations import Activations, compute_activations
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.processes import limited_threads
from neurotasks_baselines.training.agent_files import described
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.hyperparameters import Hyperparameters


def held_out_envs(id: str, task_kwargs: dict[str, Any], num_episodes: int) -> Any:
    """Return sub-environments for held-out episodes, one each, to give to `run_episodes`."""
    options: dict[str, Any] = {"autoreset_mode": "SameStep", "split": "test", "trial_log": True}
    return gym.make_vec(id, num_envs=num_episodes, **options, **task_kwargs)


def play(model: FusedRecurrentPPO, *, num_episodes: int = 300, seed: int = TEST_SEED) -> Episodes:
    """Play held-out episodes with frozen weights; arguments as for `evaluate`."""
    description = described(model)
    envs = held_out_envs(description["id"], description["task_kwargs"], num_episodes)
    with limited_threads(1):  # several are slower on networks of this size
        return run_episodes(model, envs, seed=seed)


def evaluate(
    model: FusedRecurrentPPO, *, num_episodes: int = 300, seed: int = TEST_SEED
) -> tuple[Episodes, Activations]:
    """Play held-out episodes with frozen weights.

    Args:
        model: Agent to evaluate.
        num_episodes: Number of episodes.
        seed: Seed of the first episode; the others have the seeds that follow it.

    Returns:
        The episodes, and the activations of the agent in them.
    """
    episodes = play(model, num_episodes=num_episodes, seed=seed)
    with limited_threads(1):
        return episodes, compute_activations(model, episodes)


def untrained(model: FusedRecurrentPPO) -> FusedRecurrentPPO:
    """Return an agent as it was before its training."""
    description = described(model)
    return build(
        description["id"],
        hyperparameters=Hyperparameters(**description["hyperparameters"]),
        seed=description["seed"],
        num_envs=1,
        task_kwargs=description["task_kwargs"],
    )
