"""Agents as one safetensors file each, whose header holds their description as JSON.

Loading one runs no code of the file's and imports nothing that it names. Stable-Baselines3's own
zip (``model.save``) works too, but unpickles when it is loaded.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch as th
from gymnasium.error import Error as GymnasiumError

from neurotasks.core.task import load as task_of
from neurotasks.errors import UnknownParameterError, nearest
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import AgentFileError, UnknownTaskError
from neurotasks_baselines.files import fits, in_words
from neurotasks_baselines.training.build import build, check_device
from neurotasks_baselines.training.hyperparameters import Hyperparameters
from neurotasks_baselines.training.tensor_files import RETRY, one_line, read_tensors, write_tensors

SUFFIX = ".safetensors"
FIELDS: dict[str, Any] = {  # of a description
    "id": str,
    "task_kwargs": dict[str, Any],
    "hyperparameters": dict[str, Any],
    "seed": int | None,
    "num_timesteps": int,
    "versions": dict[str, str],
}
OF_TRAINING: dict[str, Any] = {"history": list[dict[str, float | None]], "seconds": float}
WEIGHTS, EXTRA = "policy.", "training."  # before the names of tensors
HEADS = ("pi_", "vf_")  # before the names Stable-Baselines3 also gives the shared encoder
MOST_STEPS, LARGEST_WEIGHT = 10**15, 10**6
NOT_BUILT: tuple[type[Exception], ...] = (
    *(ValueError, TypeError, RuntimeError, AssertionError, ArithmeticError, MemoryError),
    GymnasiumError,  # what a task says of its parameters
)
PACKAGES = ("neurotasks", "torch", "stable-baselines3", "sb3-contrib", "gymnasium", "numpy")


def agent_file(path: str | Path) -> Path:
    """Return the file of an agent from its path with or without the suffix ``.safetensors``.

    Raises:
        AgentFileError: If the path ends in no name.
    """
    path = Path(path)
    if not path.name:
        raise AgentFileError(f"The path of an agent must end in a name; got {str(path)!r}.")
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)


def save(
    model: FusedRecurrentPPO, path: str | Path, *, extra: Mapping[str, th.Tensor] | None = None
) -> None:
    """Save an agent in one file, replacing an old one when the new one is whole.

    Args:
        model: Agent made by `build`, `train` or `load`.
        path: Path of the file, with or without the suffix ``.safetensors``.
        extra: Further tensors, which `load_with_extra` returns.

    Raises:
        AgentFileError: If the agent has no description, see `described`, or weights that are NaN,
            infinite or over a million.
        OSError: If the file cannot be written.
    """
    description = {
        **described(model),
        "num_timesteps": model.num_timesteps,
        "versions": {name: version(name) for name in PACKAGES},
    }
    tensors = {WEIGHTS + k: v for k, v in _weights(model).items()}
    _check_sizes(agent_file(path), tensors)  # what is saved can be loaded
    tensors |= {EXTRA + k: v for k, v in (extra or {}).items()}
    write_tensors(
        agent_file(path), description, {k: v.cpu().contiguous() for k, v in tensors.items()}
    )


def build_described(id: str, *, task_kwargs: dict[str, Any], **kwargs: Any) -> FusedRecurrentPPO:
    """Build the agent that a file describes, with tasks and parameters known here already.

    Args:
        id: Id of the task.
        task_kwargs: Parameters of the task.
        **kwargs: As for `build`.

    Raises:
        UnknownTaskError: If no task of neurotasks, nor a custom one, is registered under the id.
        UnknownParameterError: If the task has no such parameter.
    """
    spec = gym.registry.get(id)
    if spec is None or spec.entry_point != spec.vector_entry_point:  # not by neurotasks.register
        raise UnknownTaskError(
            f"id must be that of a registered task; got {reprlib.repr(id)}. Import what registers "
            "a custom task before its agents are loaded (at the command: --import FILE)."
        )
    known = {"feedback", *(field.name for field in fields(task_of(id).parameters))}
    for name in task_kwargs:
        if name not in known:
            raise UnknownParameterError(
                f"task_kwargs must hold parameters of the task; got {reprlib.repr(name)}. "
                f"{nearest(name, known)}"
            )
    return build(id, task_kwargs=task_kwargs, **kwargs)


def load(
    path: str | Path,
    *,
    num_envs: int | None = None,
    monitor: Path | None = None,
    device: str = "cpu",
    build: Callable[..., FusedRecurrentPPO] = build_described,
) -> FusedRecurrentPPO:
    """Load an agent; nothing in its file is executed, and nothing that it names imported.

    Args:
        path: Path of the file, with or without the suffix ``.safetensors``.
        num_envs: Number of sub-environments of the environment the agent comes with; as in training
            by default.
        monitor: File for the statistics of its episodes, one row per episode.
        device: Device of the network, whatever it was in training.
        build: Function that builds the untrained agent from its description, and judges its id and
            task_kwargs.

    Returns:
        The agent, ready to predict.

    Raises:
        AgentFileError: If the file is missing, damaged or describes another agent.
        DeviceError: If there is no such device.
    """
    model, extra = load_with_extra(
        path, num_envs=num_envs, monitor=monitor, device=device, build=build
    )
    for name in sorted(extra):
        raise AgentFileError(
            f"{agent_file(path)} must hold an agent; got a checkpoint, with {reprlib.repr(name)}. "
            "Resume its training; at the end it writes the agent."
        )
    return model


def load_with_extra(
    path: str | Path,
    *,
    num_envs: int | None = None,
    monitor: Path | None = None,
    device: str = "cpu",
    build: Callable[..., FusedRecurrentPPO] = build_described,
) -> tuple[FusedRecurrentPPO, dict[str, th.Tensor]]:
    """Load an agent, as `load` does, and the further tensors of its file."""
    check_device(device)
    file = agent_file(path)
    description, tensors = _read(file)
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
    except NOT_BUILT as error:
        raise AgentFileError(
            f"{file} describes an agent that cannot be built here ({one_line(error)}). Use the "
            "version of neurotasks that wrote it, or train the agent anew."
        ) from error
    extra = {k.removeprefix(EXTRA): v for k, v in tensors.items() if k.startswith(EXTRA)}
    _set_weights(model, {k: v for k, v in tensors.items() if not k.startswith(EXTRA)}, file)
    model.num_timesteps = description["num_timesteps"]
    own = {"format", "sha256", "num_timesteps", "versions"}
    model.description = {k: v for k, v in description.items() if k not in own}
    return model, extra


def _weights(model: FusedRecurrentPPO) -> dict[str, th.Tensor]:
    """Return the tensors of the network, each once."""
    return {k: v for k, v in model.policy.state_dict().items() if k[:3] not in HEADS}


def _set_weights(model: FusedRecurrentPPO, tensors: dict[str, th.Tensor], file: Path) -> None:
    wanted = {WEIGHTS + k: v for k, v in _weights(model).items()}
    check_tensors(file, tensors, wanted)
    _check_sizes(file, tensors)
    policy = {k.removeprefix(WEIGHTS): v for k, v in tensors.items()}
    encoder = {k: v for k, v in policy.items() if k.startswith("features_extractor.")}
    model.policy.load_state_dict(
        policy | {head + k: v for head in HEADS for k, v in encoder.items()}
    )


def _check_sizes(file: Path, weights: Mapping[str, th.Tensor]) -> None:
    """Refuse weights whose outputs could not be computed."""
    for name, weight in weights.items():
        if not bool((weight.abs() <= LARGEST_WEIGHT).all()):  # also for NaN
            raise AgentFileError(
                f"{name} in {file} must be at most {LARGEST_WEIGHT:,} in size; got "
                f"{weight.abs().max().item():g}: the training has diverged. Use an earlier agent, "
                "or train anew with a lower learning_rate."
            )


def check_tensors(
    file: Path, tensors: Mapping[str, th.Tensor], wanted: Mapping[str, th.Tensor]
) -> None:
    """Refuse other tensors than those of a kind that is wanted, and numbers that are not finite.

    Args:
        file: File that they are from.
        tensors: Tensors by name.
        wanted: Tensors of the same names, types and shapes.

    Raises:
        AgentFileError: If a tensor is missing, unknown, of another type or shape, or holds NaN or
            an infinity.
    """
    for name in sorted(tensors.keys() ^ wanted.keys()):
        what = "lacks" if name in wanted else "has an unknown"
        raise AgentFileError(
            f"The tensors of {file} do not fit what it describes: it {what} {reprlib.repr(name)}. "
            f"{RETRY}"
        )
    for name, tensor in tensors.items():
        like = wanted[name]
        if (tensor.dtype, tensor.shape) != (like.dtype, like.shape):
            raise AgentFileError(
                f"The tensors of {file} do not fit what it describes: {name} must be {like.dtype} "
                f"{tuple(like.shape)}; got {tensor.dtype} {tuple(tensor.shape)}. {RETRY}"
            )
        if not bool(tensor.isfinite().all()):
            raise AgentFileError(
                f"{name} in {file} must be finite; got NaN or an infinity: the training has "
                "diverged. Use an earlier agent, or train anew with a lower learning_rate."
            )


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
    """Return the description of an agent from the header of its file.

    Args:
        path: Path of the file, with or without the suffix ``.safetensors``.

    Returns:
        The description: ``id``, ``task_kwargs``, ``hyperparameters``, ``seed``, ``num_timesteps``,
        ``versions``, and from training ``history`` and ``seconds``.

    Raises:
        AgentFileError: If the file is missing, damaged or of another format.
    """
    description, _ = _read(agent_file(path))
    return description


def _read(file: Path) -> tuple[dict[str, Any], dict[str, th.Tensor]]:
    """Return the checked description in a file, and its tensors.

    Raises:
        AgentFileError: If the file is missing, damaged or of another format.
    """
    description, tensors = read_tensors(file)
    if not description.keys() >= FIELDS.keys():
        raise AgentFileError(
            f"The description in {file} must have the fields {', '.join(FIELDS)}; got "
            f"{reprlib.repr(list(description))}. {RETRY}"
        )
    for name, kind in (FIELDS | OF_TRAINING).items():
        value = description.get(name)
        if name in description and not fits(value, kind):
            raise AgentFileError(
                f"{name} in {file} must be {in_words(kind)}; got {reprlib.repr(value)}. {RETRY}"
            )
    steps = description["num_timesteps"]
    if not 0 <= steps <= MOST_STEPS:
        raise AgentFileError(
            f"num_timesteps in {file} must be in 0 to {MOST_STEPS:,}; got {steps:,}. {RETRY}"
        )
    return description, tensors
