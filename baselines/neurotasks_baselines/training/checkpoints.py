"""Checkpoints: agents with everything that training resumes from."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecMonitor, VecTransposeImage, unwrap_vec_wrapper

from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import AgentFileError
from neurotasks_baselines.training.agent_files import agent_file, load_with_extra, save

Tensors = dict[str, th.Tensor]
MOMENTS = ("exp_avg", "exp_avg_sq")  # of Adam, next to the number of its steps
EPISODES = {"r": np.float32, "l": np.int32, "t": np.float64}  # the latest, whose mean is logged
RETRY = "Restore the file from a copy, or delete it and train anew."


def training_state(model: FusedRecurrentPPO) -> Tensors:
    """Return copies of what training resumes from, next to the weights and the description.

    Args:
        model: Agent in training, between two rollouts.
    """
    env: Any = model.get_env()
    monitor = monitor_of(model)
    pending = [
        [name, value, model.logger.name_to_excluded[name]] for name, value in _pending(model)
    ]
    counts = {"updates": model._n_updates, "episodes": monitor.episode_count, "pending": pending}
    bytes_of = {"env_state": env.get_state().tobytes(), "progress": json.dumps(counts).encode()}
    latest, successes = model.ep_info_buffer or (), model.ep_success_buffer or ()
    arrays: dict[str, Any] = {
        "monitor.returns": monitor.episode_returns,
        "monitor.lengths": monitor.episode_lengths,
        "starts": model._last_episode_starts,
        "latest.success": np.array(successes, np.float64),
        **{f"latest.{k}": np.array([e[k] for e in latest], kind) for k, kind in EPISODES.items()},
        **{name: np.frombuffer(content, np.uint8) for name, content in bytes_of.items()},
    }
    tensors = {name: th.tensor(array) for name, array in arrays.items()}
    tensors["torch_rng"] = th.get_rng_state()
    for name, states in model._last_lstm_states._asdict().items():
        tensors |= {f"lstm.{name}.{i}": state.cpu().clone() for i, state in enumerate(states)}
    for i, of_weight in model.policy.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{k}": v.cpu().clone() for k, v in of_weight.items()}
    return tensors


def monitor_of(model: FusedRecurrentPPO) -> VecMonitor:
    """Return the monitor around the environment of an agent that `build` made."""
    env: Any = model.get_env()
    monitor: Any = unwrap_vec_wrapper(env, VecMonitor)
    return monitor


def _pending(model: FusedRecurrentPPO) -> list[tuple[str, float]]:
    """Return the numbers that are recorded and not yet written: those of the last update."""
    recorded = model.logger.name_to_value.items()
    return [(k, float(v)) for k, v in recorded if isinstance(v, (int, float, np.number))]


def save_checkpoint(model: FusedRecurrentPPO, path: str | Path) -> None:
    """Save an agent together with all that its training resumes from.

    Args:
        model: Agent in training, between two rollouts.
        path: Path of the file, with or without the suffix ``.safetensors``.

    Raises:
        AgentFileError: If the agent has no description, see `described`.
    """
    save(model, path, extra=training_state(model))


def load_checkpoint(path: str | Path, *, device: str = "cpu") -> FusedRecurrentPPO:
    """Load an agent ready to resume training.

    Args:
        path: Path of the file, with or without the suffix ``.safetensors``.
        device: Device of the network, whatever it was in training.

    Returns:
        The agent, as it was when `save_checkpoint` saved it.

    Raises:
        AgentFileError: If the file is missing, damaged, describes another agent, or holds what no
            training can resume from.
        DeviceError: If there is no such device.
    """
    model, tensors = load_with_extra(path, device=device)
    try:
        check_training_state(model, tensors)
        set_training_state(model, tensors)
    except (ValueError, RuntimeError) as error:  # of ours, the environment's and PyTorch's
        raise AgentFileError(
            f"{agent_file(path)} must be a checkpoint that training can resume from; {error}. "
            f"{RETRY}"
        ) from error
    return model


def set_training_state(model: FusedRecurrentPPO, tensors: Tensors) -> None:
    """Put back what `training_state` returned, and give the agent a logger with what was pending.

    Args:
        model: Agent with the weights of that moment.
        tensors: What `training_state` returned.
    """
    env: Any = model.get_env()
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    progress = json.loads(arrays["progress"].tobytes())
    moments: dict[int, dict[str, th.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, i, key = name.split(".")
            moments.setdefault(int(i), {})[key] = tensor
    groups = model.policy.optimizer.state_dict()["param_groups"]
    model.policy.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    states = np.frombuffer(arrays["env_state"].tobytes(), env.get_state().dtype)
    obs = env.set_state(states)
    model._last_obs = env.transpose_observations(obs) if isinstance(env, VecTransposeImage) else obs
    model._last_episode_starts = arrays["starts"].copy()
    lstm = {name: [] for name in RNNStates._fields}  # type: dict[str, list[th.Tensor]]
    for name in sorted(tensors):
        if name.startswith("lstm."):
            lstm[name.split(".")[1]].append(tensors[name].clone().to(model.device))
    model._last_lstm_states = RNNStates(**{name: tuple(parts) for name, parts in lstm.items()})
    monitor = monitor_of(model)
    monitor.episode_returns = arrays["monitor.returns"].copy()
    monitor.episode_lengths = arrays["monitor.lengths"].copy()
    monitor.episode_count, model._n_updates = progress["episodes"], progress["updates"]
    latest = zip(*(arrays[f"latest.{k}"].astype(kind) for k, kind in EPISODES.items()), strict=True)
    window = model._stats_window_size
    model.ep_info_buffer = deque((dict(zip(EPISODES, e, strict=True)) for e in latest), window)
    model.ep_success_buffer = deque(arrays["latest.success"].tolist(), window)
    logger = Logger(None, [])
    for name, value, exclude in progress["pending"]:
        logger.record(name, value, tuple(exclude))
    model.set_logger(logger)
    th.set_rng_state(tensors["torch_rng"])


def check_training_state(model: FusedRecurrentPPO, tensors: Tensors) -> None:
    """Refuse what no training can resume from.

    Args:
        model: Agent as it is built, with the description and number of steps of the checkpoint.
        tensors: Tensors of the checkpoint.

    Raises:
        ValueError: If a tensor is missing, unknown, of another type or shape, or not finite, or a
            count is impossible. The message names it.
    """
    expected = _expected(model, tensors)
    for name in sorted(expected.keys() ^ tensors.keys()):
        raise ValueError(f"{name} is {'missing' if name in expected else 'unknown to it'}")
    for name, like in expected.items():
        found = tensors[name]
        if (found.dtype, found.shape) != (like.dtype, like.shape):
            raise ValueError(
                f"{name} must be {like.dtype} of shape {tuple(like.shape)}; got {found.dtype} of "
                f"shape {tuple(found.shape)}"
            )
        if not bool(th.isfinite(found).all()):
            raise ValueError(f"{name} must be finite; got NaN or infinity")
        if name.endswith(("exp_avg_sq", "lengths", "latest.l")) and bool((found < 0).any()):
            raise ValueError(f"{name} must not be negative; got {found.min().item()}")
    _check_counts(model, tensors)


def _expected(model: FusedRecurrentPPO, tensors: Tensors) -> Tensors:
    """Return tensors of the names, types and shapes that a checkpoint must have."""
    env: Any = model.get_env()
    latest = th.zeros(min(len(tensors.get("latest.r", ())), model._stats_window_size))
    success = th.zeros(min(len(tensors.get("latest.success", ())), model._stats_window_size))
    expected: Tensors = {
        "env_state": th.zeros(env.get_state().nbytes, dtype=th.uint8),
        "progress": th.zeros(len(tensors.get("progress", ())), dtype=th.uint8),
        "torch_rng": th.get_rng_state(),
        "monitor.returns": th.as_tensor(monitor_of(model).episode_returns),
        "monitor.lengths": th.as_tensor(monitor_of(model).episode_lengths),
        "starts": th.zeros(env.num_envs, dtype=th.bool),
        "latest.success": success.double(),
        "latest.r": latest,
        "latest.l": latest.int(),
        "latest.t": latest.double(),
    }
    for name, states in model._last_lstm_states._asdict().items():
        expected |= {f"lstm.{name}.{i}": state for i, state in enumerate(states)}
    if model.num_timesteps:  # Adam begins with its first step
        for i, weight in enumerate(model.policy.parameters()):
            expected |= {f"optimizer.{i}.{name}": weight for name in MOMENTS}
            expected[f"optimizer.{i}.step"] = th.zeros(())
    return expected


def _check_counts(model: FusedRecurrentPPO, tensors: Tensors) -> None:
    """Refuse counts that no training has, see `check_training_state`."""
    steps, rollout = model.num_timesteps, model.n_envs * model.n_steps
    total = model.description["hyperparameters"]["total_steps"]
    if steps % rollout or not 0 <= steps < total + rollout:
        raise ValueError(
            f"num_timesteps must be a multiple of {rollout}, at most those of {total:,}; got "
            f"{steps}"
        )
    progress = json.loads(tensors["progress"].numpy().tobytes())
    _check_progress(progress, steps)
    minibatches = -(-rollout // (model.batch_size or rollout))
    most = progress["updates"] * minibatches
    adam = {int(v) for k, v in tensors.items() if k.endswith(".step")}
    if steps and (len(adam) > 1 or not 0 < min(adam) <= most):
        raise ValueError(f"the steps of the optimizer must be equal, 1 to {most}; got {adam}")
    if progress["updates"] < steps // rollout * model.n_epochs:
        raise ValueError(f"updates must be those of {steps} steps; got {progress['updates']}")
    done = [row["steps"] for row in model.description.get("history", ())]
    if done != sorted(set(done)) or not all(0 <= n <= steps for n in done):
        raise ValueError(f"the steps of the history must rise from 0 to {steps}; got {done}")


def _check_progress(progress: Any, steps: int) -> None:
    """Refuse what is no progress of a training, see `check_training_state`."""
    counts = [progress[k] for k in ("updates", "episodes")] if _is_progress(progress) else []
    if not counts or any(type(n) is not int or n < 0 for n in counts) or counts[1] > steps:
        raise ValueError(f"progress must hold counts of updates and episodes; got {progress}")


def _is_progress(progress: Any) -> bool:
    """Return whether a value has the fields of a progress, and the types of what was pending."""
    if not isinstance(progress, dict) or set(progress) != {"updates", "episodes", "pending"}:
        return False
    rows = progress["pending"]
    return isinstance(rows, list) and all(
        isinstance(row, list)
        and [type(cell) for cell in row] == [str, float, list]
        and all(isinstance(word, str) for word in row[2])
        for row in rows
    )
