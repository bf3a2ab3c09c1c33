"""Agents as one safetensors file each, whose header holds their description as JSON.

Loading one runs no code of the file's. Stable-Baselines3's own zip (``model.save``) works too, but
unpickles when it is loaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch as th
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as tensors_of, save_file

from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import AgentFileError
from neurotasks_baselines.files import json_text
from neurotasks_baselines.training.build import build, check_device
from neurotasks_baselines.training.hyperparameters import Hyperparameters

FORMAT = 2
SUFFIX = ".safetensors"
FIELDS: dict[str, Any] = {  # what a description must have
    "format": int,
    "id": str,
    "task_kwargs": dict,
    "hyperparameters": dict,
    "seed": int | None,
    "num_timesteps": int,
}
WEIGHTS = "policy."  # before the names of the tensors of the network
HEADS = ("pi_", "vf_")  # before the names Stable-Baselines3 also gives the shared encoder
PACKAGES = ("neurotasks", "torch", "stable-baselines3", "sb3-contrib", "gymnasium", "numpy")
RETRY = "Restore the file from a copy, or train the agent anew."


def agent_file(path: str | Path) -> Path:
    """Return the file of an agent from its path with or without the suffix ``.safetensors``."""
    path = Path(path)
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)


def save(
    model: FusedRecurrentPPO, path: str | Path, *, extra: Mapping[str, th.Tensor] | None = None
) -> None:
    """Save an agent in one file, replacing an old one when the new one is whole.

    Args:
        model: Agent made by `build`, `train` or `load`.
        path: Path of the file, with or without the suffix ``.safetensors``.
        extra: Further tensors, which `load_with_extra` returns; their names do not start with
            ``policy.``.

    Raises:
        AgentFileError: If the agent has no description, see `described`.
    """
    description = {
        "format": FORMAT,
        **described(model),
        "num_timesteps": model.num_timesteps,
        "versions": {name: version(name) for name in PACKAGES},
    }
    weights = model.policy.state_dict()
    tensors = {
        f"{WEIGHTS}{k}": v.cpu().contiguous() for k, v in weights.items() if k[:3] not in HEADS
    }
    tensors |= extra or {}
    file = agent_file(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(file.name + ".new")
    save_file(tensors, new, {"description": json_text(description)})
    with new.open("rb") as handle:
        os.fsync(handle.fileno())
    new.replace(file)


def load(
    path: str | Path,
    *,
    num_envs: int | None = None,
    monitor: Path | None = None,
    device: str = "cpu",
    build: Callable[..., FusedRecurrentPPO] = build,
) -> FusedRecurrentPPO:
    """Load an agent; nothing in its file is executed.

    Args:
        path: Path of the file, with or without the suffix ``.safetensors``.
        num_envs: Number of sub-environments of the environment the agent comes with; as in training
            by default.
        monitor: File for the statistics of its episodes, one row per episode.
        device: Device of the network, whatever it was in training.
        build: Function that builds the untrained agent from its description.

    Returns:
        The agent, ready to predict.

    Raises:
        AgentFileError: If the file is missing, damaged or describes another agent.
        DeviceError: If there is no such device.
    """
    model, _ = load_with_extra(path, num_envs=num_envs, monitor=monitor, device=device, build=build)
    return model


def load_with_extra(
    path: str | Path,
    *,
    num_envs: int | None = None,
    monitor: Path | None = None,
    device: str = "cpu",
    build: Callable[..., FusedRecurrentPPO] = build,
) -> tuple[FusedRecurrentPPO, dict[str, th.Tensor]]:
    """Load an agent, as `load` does, and the further tensors of its file."""
    check_device(device)
    file = agent_file(path)
    description = read_description(file)
    try:
        model = build(
            description["id"],
            hyperparameters=Hyperparameters(**description["hyperparameters"]),
            num_envs=num_envs,
            seed=description["seed"],
            task_kwargs=description["task_kwargs"],
            monitor=monitor,
            device=device,
        )
    except (ValueError, TypeError, RuntimeError, AssertionError) as error:
        raise AgentFileError(
            f"{file} describes an agent that cannot be built here ({error}). Use the version of "
            "neurotasks that wrote it, or train the agent anew."
        ) from error
    tensors = tensors_of(file.read_bytes())  # not mapped: the file may be replaced meanwhile
    _set_weights(model, tensors, file)
    model.num_timesteps = description["num_timesteps"]
    known = {"format", "num_timesteps", "versions"}
    model.description = {k: v for k, v in description.items() if k not in known}
    return model, {k: v for k, v in tensors.items() if not k.startswith(WEIGHTS)}


def _set_weights(model: FusedRecurrentPPO, tensors: dict[str, th.Tensor], file: Path) -> None:
    policy = {k.removeprefix(WEIGHTS): v for k, v in tensors.items() if k.startswith(WEIGHTS)}
    encoder = {k: v for k, v in policy.items() if k.startswith("features_extractor.")}
    policy |= {head + k: v for head in HEADS for k, v in encoder.items()}
    try:
        model.policy.load_state_dict(policy)
    except RuntimeError as error:
        raise AgentFileError(
            f"The tensors of {file} do not fit the network it describes: {error}. {RETRY}"
        ) from error


def described(model: FusedRecurrentPPO) -> dict[str, Any]:
    """Return the description of an agent.

    Raises:
        AgentFileError: If it has none, because it was not made by `build`.
    """
    if "id" not in model.description:
        raise AgentFileError(
            "model must have a description of its task and hyperparameters; got one without. Make "
            "agents with build(), or use model.save(), Stable-Baselines3's own."
        )
    return model.description


def read_description(path: str | Path) -> dict[str, Any]:
    """Return the description of an agent from the header of its file, without its tensors.

    Args:
        path: Path of the file, with or without the suffix ``.safetensors``.

    Returns:
        The description: ``id``, ``task_kwargs``, ``hyperparameters``, ``seed``, ``num_timesteps``,
        ``versions``, and from training ``history`` and ``seconds``.

    Raises:
        AgentFileError: If the file is missing, damaged or of another format.
    """
    file = agent_file(path)
    try:
        with safe_open(file, "pt") as tensors:
            metadata = tensors.metadata() or {}
    except FileNotFoundError as error:
        raise AgentFileError(
            f"There is no {file}. Check the path; saved agents are files NAME{SUFFIX}."
        ) from error
    except SafetensorError as error:
        raise AgentFileError(f"{file} is truncated or damaged ({error}). {RETRY}") from error
    if "description" not in metadata:
        raise AgentFileError(_without_description(file))
    try:
        description = json.loads(metadata["description"])
    except ValueError as error:
        raise AgentFileError(f"The header of {file} is damaged ({error}). {RETRY}") from error
    if not isinstance(description, dict) or not set(FIELDS) <= set(description):
        raise AgentFileError(
            f"The description in {file} must have the fields {', '.join(FIELDS)}; got "
            f"{list(description) if isinstance(description, dict) else description}. {RETRY}"
        )
    if description["format"] != FORMAT:
        raise AgentFileError(
            f"The format of {file} must be {FORMAT}; got {description['format']!r}, written with "
            f"{_writer(description)}. Use that version, or train the agent anew."
        )
    _check_types(file, description, FIELDS)
    _check_types(file, description["hyperparameters"], get_type_hints(Hyperparameters))
    return description


def _without_description(file: Path) -> str:
    """Return what to say of a file without a description."""
    try:
        old = json.loads(file.with_suffix(".json").read_text())
        return (
            f"{file} is one of the two files of an old format, written with {_writer(old)}. Use "
            "that version, or train the agent anew."
        )
    except (OSError, ValueError):
        return f"{file} holds tensors, but no description of an agent. {RETRY}"


def _writer(description: Any) -> str:
    """Return which version wrote a description, as far as it says."""
    versions = description.get("versions") if isinstance(description, dict) else None
    number = versions.get("neurotasks") if isinstance(versions, dict) else None
    return f"neurotasks {number or '(version unknown)'}"


def _check_types(file: Path, values: dict[str, Any], types: dict[str, Any]) -> None:
    """Check the types of the fields that a description has; a float may be written as an int."""
    for name in set(types) & set(values):
        kind, value = types[name], values[name]
        allowed = get_args(kind) if get_origin(kind) is Literal else None
        fits = value in allowed if allowed else isinstance(value, _with_int(kind))
        if not fits or (isinstance(value, bool) and kind is not bool):
            wanted = f"one of {allowed}" if allowed else getattr(kind, "__name__", kind)
            raise AgentFileError(f"{name} in {file} must be {wanted}; got {value!r}. {RETRY}")


def _with_int(kind: Any) -> Any:
    return kind | int if float in (kind, *get_args(kind)) else kind
