"""Untrained agents, and what they cannot be built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces

from neurotasks.errors import ParameterError
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.agents.vec_env import make_vec_env
from neurotasks_baselines.errors import DeviceError, HyperparameterError, SeedError
from neurotasks_baselines.training.hyperparameters import Hyperparameters, hyperparameters_for

SEED_STRIDE = 1000
SEEDS = 2_000_000  # so that no sub-environment is seeded like a held-out episode, see `evaluate`
LARGEST_MEMORY = 2**32  # bytes
OBSERVATIONS_OF_ENV = 32  # that a sub-environment takes the memory of, with a margin
# Words of gymnasium.make_vec that training and evaluation set, or that would break them.
SET_HERE = {"num_envs", "vectorization_mode", "vector_kwargs", "wrappers", "autoreset_mode"}
SET_HERE |= {"max_episode_steps", "render_mode", "show_truth", "split", "trial_log"}


def build(
    id: str,
    *,
    hyperparameters: Hyperparameters | None = None,
    num_envs: int | None = None,
    seed: int | None = None,
    task_kwargs: dict[str, Any] | None = None,
    monitor: Path | None = None,
    device: str = "cpu",
) -> FusedRecurrentPPO:
    """Build an untrained agent for a task.

    Args:
        id: Id of the task.
        hyperparameters: Hyperparameters of the agent; those of the task by default.
        num_envs: Number of sub-environments; as in the hyperparameters by default.
        seed: Seed of the network, of its actions and of the environment, whose sub-environment i
            is seeded ``1000 * seed + i``: two seeds share no sub-environment.
        task_kwargs: Parameters of the task.
        monitor: File for the statistics of the episodes, one row per episode.
        device: Device of the network, as PyTorch names it. The recurrent layers are compiled for
            the CPU; whatever the device, they run there.

    Returns:
        The agent, with the description that `save` writes, as JSON, in ``agent.description``.

    Raises:
        SeedError: If the seed is not in 0 to 1,999,999.
        DeviceError: If there is no such device.
        ParameterError: If the task refuses a parameter.
        HyperparameterError: If the hyperparameters do not fit the task.
    """
    check_seed(seed)
    check_device(device)
    check_task_kwargs(task_kwargs or {})
    hyperparameters, task_kwargs = hyperparameters or hyperparameters_for(id), task_kwargs or {}
    sized = hyperparameters if num_envs is None else replace(hyperparameters, num_envs=num_envs)
    probe = make_vec_env(id, 1, task_kwargs=task_kwargs)
    agent_kwargs = sized.agent_kwargs(probe.get_attr("parameters")[0])
    _check_memory(probe.observation_space, sized, agent_kwargs["n_steps"])
    reward = probe.get_attr("layout")[0]["reward"]
    if hyperparameters.trunk == "rpe" and reward.start == reward.stop:
        raise HyperparameterError(
            "trunk='rpe' needs a task whose observations end with the last reward; got feedback="
            f"{task_kwargs.get('feedback')!r}. Leave feedback out, or choose another trunk."
        )
    probe.close()
    env = make_vec_env(id, sized.num_envs, task_kwargs=task_kwargs, monitor=monitor)
    start = None if seed is None else SEED_STRIDE * int(seed)
    model = sized.agent_class(env=env, seed=start, device=device, **agent_kwargs)
    model.description = {
        "id": id,
        "task_kwargs": task_kwargs,
        "hyperparameters": hyperparameters.to_json(),
        "seed": seed,
    }
    return model


def _check_memory(space: spaces.Space[Any], sized: Hyperparameters, n_steps: int) -> None:
    """Refuse sizes whose rollouts would not fit the memory, before it is taken.

    Raises:
        HyperparameterError: If rollouts, and some observations for the environments, take over
            4 GiB.
    """
    parts: Any = space.values() if isinstance(space, spaces.Dict) else (space,)
    each = sum(int(np.prod(part.shape)) * part.dtype.itemsize for part in parts)
    each += 8 * sized.channels  # predictions and targets
    copies = 3 if sized.whole_episodes else 1  # as played, with what was kept, and in columns
    needed = each * sized.num_envs * (copies * n_steps + OBSERVATIONS_OF_ENV)
    if needed > LARGEST_MEMORY:
        raise HyperparameterError(
            f"n_steps={n_steps:,} and num_envs={sized.num_envs:,} must take at most 4 GiB for "
            f"{each:,} bytes a step; got {needed / 2**30:,.1f} GiB. Use fewer."
        )


def check_seed(seed: int | None) -> None:
    """Refuse a seed that no agent can have.

    Raises:
        SeedError: If it is not in 0 to 1,999,999.
    """
    whole = isinstance(seed, Integral) and not isinstance(seed, bool)
    if seed is not None and not (whole and 0 <= seed < SEEDS):
        raise SeedError(f"seed must be in 0 to {SEEDS - 1:,}; got {seed!r}. Pass an integer.")


def check_device(device: str) -> None:
    """Refuse a device PyTorch cannot use here; Stable-Baselines3 would take the CPU instead.

    Raises:
        DeviceError: If there is no such device, or nothing can be copied from it.
    """
    try:
        th.zeros(1, device=th.device(device)).numpy(force=True)
    except (RuntimeError, TypeError, AssertionError) as error:  # PyTorch asserts that it knows CUDA
        # what follows can be a page, and the first sentence a list of all devices there ever were
        reason = shorten(str(error).splitlines()[0].partition(". ")[0], 80)
        raise DeviceError(
            f"device must be one that PyTorch can use here; got {device!r} ({reason}). Use 'cpu', "
            "or 'cuda' with the driver and the PyTorch it needs."
        ) from error


def check_task_kwargs(task_kwargs: Mapping[str, Any]) -> None:
    """Refuse keywords of ``gymnasium.make_vec`` that are no parameters of a task.

    Raises:
        ParameterError: If training and evaluation set one of them, or it is no dict.
    """
    if not isinstance(task_kwargs, Mapping):
        raise ParameterError(
            f"task_kwargs must be a dict of parameters of the task; got {task_kwargs!r}. Pass a "
            "dict, such as {'trials': 20}."
        )
    for name in task_kwargs.keys() & SET_HERE:
        raise ParameterError(
            f"task_kwargs must hold parameters of the task; got {name}={task_kwargs[name]!r}, "
            "which training and evaluation set themselves. Leave it out."
        )
