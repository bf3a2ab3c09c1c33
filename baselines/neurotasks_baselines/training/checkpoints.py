"""Checkpoints: agents with everything that training resumes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch as th

from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.training.agent_files import load_with_extra, save


def save_checkpoint(model: FusedRecurrentPPO, path: str | Path) -> None:
    """Save an agent, the optimizer's moments, the environment's state and PyTorch's RNG state.

    Args:
        model: Agent between two rollouts.
        path: Path of the file, with or without the suffix ``.safetensors``.

    Raises:
        AgentFileError: If the agent has no description, see `described`.
    """
    tensors: dict[str, th.Tensor] = {}
    for i, state in model.policy.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{k}": v.cpu().contiguous() for k, v in state.items()}
    env_state = model.get_env().get_state()  # type: ignore[union-attr]
    tensors["env_state"] = th.frombuffer(bytearray(env_state.tobytes()), dtype=th.uint8)
    tensors["torch_rng"] = th.get_rng_state()
    save(model, path, extra=tensors)


def load_checkpoint(
    path: str | Path, *, monitor: Path | None = None, device: str = "cpu"
) -> FusedRecurrentPPO:
    """Load an agent ready to resume training.

    Args:
        path: Path of the file, with or without the suffix ``.safetensors``.
        monitor: File for the statistics of its episodes, one row per episode.
        device: Device of the network, whatever it was in training.

    Returns:
        The agent, as it was when `save_checkpoint` saved it.

    Raises:
        AgentFileError: If the file is missing, damaged or describes another agent.
        DeviceError: If there is no such device.
    """
    model, tensors = load_with_extra(path, monitor=monitor, device=device)
    _set_training(model, tensors)
    return model


def _set_training(model: FusedRecurrentPPO, tensors: dict[str, th.Tensor]) -> None:
    """Put back what training resumes from."""
    moments: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, i, key = name.split(".")
            moments.setdefault(int(i), {})[key] = tensor
    groups = model.policy.optimizer.state_dict()["param_groups"]
    model.policy.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    env: Any = model.get_env()
    states = np.frombuffer(tensors["env_state"].numpy().tobytes(), env.get_state().dtype)
    if len(states) == env.num_envs:
        obs = env.set_state(states)
        if model.whole_episodes:  # else the LSTM states are gone, and a reset is due
            model._last_obs, model._last_episode_starts = obs, np.ones(len(states), np.bool_)
    th.set_rng_state(tensors["torch_rng"])
