"""Checkpoints: agents with everything that training resumes from."""

from __future__ import annotations

import reprlib
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.lib.recfunctions import repack_fields
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecMonitor, VecTransposeImage, unwrap_vec_wrapper

from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import AgentFileError
from neurotasks_baselines.files import fits, json_text, parse_json
from neurotasks_baselines.training.agent_files import (
    MOST_STEPS,
    agent_file,
    check_tensors,
    load_with_extra,
    save,
)
from neurotasks_baselines.training.tensor_files import one_line

Tensors = dict[str, th.Tensor]
UNFINISHED = "unfinished."  # begins the names of episodes that are learned from when they end
MOMENTS = {"Adam": ("exp_avg", "exp_avg_sq"), "RMSprop": ("square_avg",)}  # and "step"
PROGRESS: dict[str, Any] = {
    "updates": int,
    "episodes": int,
    "values": dict[str, float | None],
    "excluded": dict[str, list[str]],
}
NUMBERS = (int, float, np.number)
COUNTED = ("exp_avg_sq", "square_avg", "lengths", "latest.l")  # ends of names of numbers from 0 on
EPISODES = {"r": np.float32, "l": np.int32, "t": np.float64}  # the latest, whose mean is logged
RETRY = "Restore the file from a copy, or delete it and train anew."


def training_state(model: FusedRecurrentPPO) -> Tensors:
    """Return copies of what training resumes from, next to the weights and the description.

    Args:
        model: Agent in training, between two rollouts.
    """
    env: Any = model.get_env()
    monitor = monitor_of(model)
    logger = model.logger
    values = {k: v for k, v in logger.name_to_value.items() if isinstance(v, NUMBERS)}
    progress = {
        "updates": model._n_updates,
        "episodes": monitor.episode_count,
        "values": values,  # of the last update, not written yet
        "excluded": {name: logger.name_to_excluded[name] for name in values},
    }
    bytes_of = {
        "env_state": repack_fields(env.get_state()).tobytes(),  # without what lies between
        "progress": json_text(progress).encode(),
    }
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
    unfinished = model.rollout_buffer.unfinished
    tensors |= {f"{UNFINISHED}{name}": th.tensor(part) for name, part in unfinished.items()}
    for i, of_weight in model.policy.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{k}": v.cpu().clone() for k, v in of_weight.items()}
    return tensors


def monitor_of(model: FusedRecurrentPPO) -> VecMonitor:
    """Return the monitor around the environment of an agent that `build` made."""
    env: Any = model.get_env()
    monitor: Any = unwrap_vec_wrapper(env, VecMonitor)
    return monitor


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
    check_tensors(agent_file(path), tensors, _wanted(model, tensors))
    try:
        _check_counts(model, tensors)
        _check_unfinished(model, tensors)
        set_training_state(model, tensors)
    except (ValueError, RuntimeError) as error:  # of ours, the environment's and PyTorch's
        raise AgentFileError(
            f"{agent_file(path)} must be what a training can resume from: {one_line(error)} {RETRY}"
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
    progress = _progress(tensors)
    moments: dict[int, dict[str, th.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, i, key = name.split(".")
            moments.setdefault(int(i), {})[key] = tensor
    groups = model.policy.optimizer.state_dict()["param_groups"]
    model.policy.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    like = env.get_state()
    states = np.frombuffer(arrays["env_state"].tobytes(), repack_fields(like).dtype)
    obs = env.set_state(states.astype(like.dtype))
    model._last_obs = env.transpose_observations(obs) if isinstance(env, VecTransposeImage) else obs
    model._last_episode_starts = arrays["starts"].copy()
    lstm = {name: [] for name in RNNStates._fields}  # type: dict[str, list[th.Tensor]]
    for name in sorted(tensors):
        if name.startswith("lstm."):
            lstm[name.split(".")[1]].append(tensors[name].clone().to(model.device))
    model.rollout_buffer.unfinished = {
        name.removeprefix(UNFINISHED): array.copy()
        for name, array in arrays.items()
        if name.startswith(UNFINISHED)
    }
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
    for name, value in progress["values"].items():  # None for NaN
        exclude = tuple(progress["excluded"][name])
        logger.record(name, float("nan") if value is None else value, exclude)
    model.set_logger(logger)
    th.set_rng_state(tensors["torch_rng"])


def _wanted(model: FusedRecurrentPPO, tensors: Tensors) -> Tensors:
    """Return tensors of the names, types and shapes that a checkpoint of an agent must have."""
    env: Any = model.get_env()
    sizes = {name: tensor.numel() for name, tensor in tensors.items()}
    latest = th.zeros(min(sizes.get("latest.r", 0), model._stats_window_size))
    success = th.zeros(min(sizes.get("latest.success", 0), model._stats_window_size))
    wanted: Tensors = {
        "env_state": th.zeros(repack_fields(env.get_state()).nbytes, dtype=th.uint8),
        "progress": th.zeros(sizes.get("progress", 0), dtype=th.uint8),
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
        wanted |= {f"lstm.{name}.{i}": state for i, state in enumerate(states)}
    if model.num_timesteps:  # an optimizer begins with its first step
        moments = MOMENTS[type(model.policy.optimizer).__name__]
        for i, weight in enumerate(model.policy.parameters()):
            wanted |= {f"optimizer.{i}.{name}": weight for name in moments}
            wanted[f"optimizer.{i}.step"] = th.zeros(())
        if model.whole_episodes:
            steps = len(tensors.get(f"{UNFINISHED}starts", ()))
            for name, part in model.rollout_buffer.steps().items():
                zeros = np.zeros((steps, *part.shape[1:]), part.dtype)
                wanted[f"{UNFINISHED}{name}"] = th.tensor(zeros)
    return wanted


def _progress(tensors: Tensors) -> dict[str, Any]:
    """Return the counts of a checkpoint, and the numbers of its last update.

    Raises:
        ValueError: If it has none.
    """
    found = parse_json(tensors["progress"].numpy().tobytes())
    if (
        not isinstance(found, dict)
        or found.keys() != PROGRESS.keys()
        or not all(fits(found[name], kind) for name, kind in PROGRESS.items())
        or found["values"].keys() != found["excluded"].keys()
    ):
        raise ValueError(f"progress must be {', '.join(PROGRESS)}; got {reprlib.repr(found)}.")
    "".join(found["values"]).encode()  # names that no log can hold are a ValueError here
    return found


def _check_unfinished(model: FusedRecurrentPPO, tensors: Tensors) -> None:
    """Refuse actions of unfinished episodes that are not of the space.

    Raises:
        ValueError: If there is one.
    """
    actions = tensors.get(f"{UNFINISHED}actions", th.zeros(0))
    if isinstance(space := model.action_space, spaces.Discrete):
        low, high = int(space.start), int(space.start + space.n) - 1
        if len(actions) and not low <= int(actions.min()) <= int(actions.max()) <= high:
            raise ValueError(f"{UNFINISHED}actions must be {low} to {high}; got others.")


def _check_counts(model: FusedRecurrentPPO, tensors: Tensors) -> None:
    """Refuse counts that no training has.

    Raises:
        ValueError: If there is one; the message names it.
    """
    steps, rollout = model.num_timesteps, model.n_envs * model.n_steps
    total = model.description["hyperparameters"]["total_steps"]
    if steps % rollout or steps >= total + rollout:
        raise ValueError(
            f"num_timesteps must be a multiple of {rollout}, at most that from {total} on; got "
            f"{steps}."
        )
    progress = _progress(tensors)
    least = steps // rollout if model.target_kl is not None else steps // rollout * model.n_epochs
    least *= not model.whole_episodes  # there is no update where no episode ends
    if not least <= progress["updates"] <= MOST_STEPS:
        raise ValueError(f"updates must be at least {least}; got {progress['updates']}.")
    if not 0 <= progress["episodes"] <= MOST_STEPS:
        raise ValueError(f"episodes must be from 0 on; got {progress['episodes']}.")
    learned = steps if model.whole_episodes else rollout  # at once, at most
    minibatches = -(-learned // (model.batch_size or rollout))
    most = progress["updates"] * minibatches
    taken = {float(v) for k, v in tensors.items() if k.endswith(".step")}
    if taken and (len(taken) > 1 or min(taken) not in range(1, most + 1)):
        raise ValueError(f"the steps of the optimizer must be one number to {most}; got {taken}.")
    for name in tensors:
        if name.endswith(COUNTED) and len(negative := tensors[name][tensors[name] < 0]):
            raise ValueError(f"{name} must not be negative; got {float(negative[0])}.")
    done = [row.get("steps") for row in model.description.get("history", ())]
    if None in done or done != sorted(set(done)) or not all(0 <= n <= steps for n in done):
        raise ValueError(f"history must rise from step 0 to {steps}; got {reprlib.repr(done)}.")
