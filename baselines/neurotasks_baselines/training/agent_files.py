"""Agents as weights plus JSON: loading one runs no code of the file's.

``NAME.safetensors`` holds tensors, ``NAME.json`` says which network they belong to and how it was
trained. Stable-Baselines3's own zip (``model.save``) works too, but unpickles when it is loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import torch as th
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.agents.vec_env import make_vec_env
from neurotasks_baselines.errors import AgentFileError, DeviceError, SeedError
from neurotasks_baselines.training.hyperparameters import Hyperparameters, hyperparameters_for

FORMAT = 1
SEED_STRIDE = 1000
SEEDS = 2_000_000  # so that no lane is seeded like a held-out episode, see `train`
FIELDS: dict[str, Any] = {  # what must be in an agent's JSON
    **{"format": int, "id": str, "keywords": dict, "hyperparameters": dict, "token": str},
    **{"seed": int | None, "num_timesteps": int},
}
HEADS = ("pi_", "vf_")  # before the names Stable-Baselines3 also gives the shared encoder
PACKAGES = ("neurotasks", "torch", "stable-baselines3", "sb3-contrib", "gymnasium", "numpy")


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
        The agent, with the JSON-able description `save` writes in ``agent.description``.

    Raises:
        SeedError: if the seed is not in 0 to 1,999,999.
        DeviceError: if there is no such device.
    """
    check_seed(seed)
    check_device(device)
    hyperparameters, task_kwargs = hyperparameters or hyperparameters_for(id), task_kwargs or {}
    env = make_vec_env(
        id, num_envs or hyperparameters.num_envs, task_kwargs=task_kwargs, monitor=monitor
    )
    start = None if seed is None else SEED_STRIDE * seed
    model = FusedRecurrentPPO(env=env, seed=start, device=device, **hyperparameters.ppo_kwargs())
    model.description = {
        "id": id,
        "keywords": task_kwargs,
        "hyperparameters": hyperparameters.to_json(),
        "seed": seed,
    }
    return model


def check_seed(seed: int | None) -> None:
    """Refuse a seed no agent can have.

    Raises:
        SeedError: if it is not in 0 to 1,999,999.
    """
    if seed is not None and not 0 <= seed < SEEDS:
        raise SeedError(f"The seed {seed} came, but it must be in 0 to {SEEDS - 1:,}.")


def check_device(device: str) -> None:
    """Refuse a device PyTorch cannot use here; Stable-Baselines3 would take the CPU instead.

    Raises:
        DeviceError: if there is no such device, or nothing can be copied from it.
    """
    try:
        th.zeros(1, device=device).numpy(force=True)
    except (RuntimeError, AssertionError) as error:  # PyTorch asserts that it knows CUDA
        reason = str(error).splitlines()[0].partition(". ")[0]  # what follows can be a page
        raise DeviceError(
            f"The device {device!r} came, but PyTorch cannot use it here ({reason}). Use 'cpu', or "
            "install what the device needs."
        ) from error


def save(model: FusedRecurrentPPO, path: str | Path, *, resumable: bool = False) -> None:
    """Save an agent as ``path.safetensors`` and ``path.json``, replacing an old one when whole.

    Args:
        model: an agent made by `build`, `neurotasks train` or `load`.
        path: without suffix.
        resumable: whether to keep what training goes on from: the optimizer's moments, the lanes
            and torch's random numbers.

    Raises:
        AgentFileError: if the agent has no description, see `described`.
    """
    described(model)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = model.policy.state_dict()
    tensors = {
        f"policy.{k}": v.cpu().contiguous() for k, v in weights.items() if k[:3] not in HEADS
    }
    if resumable:
        for i, state in model.policy.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v.cpu().contiguous() for k, v in state.items()}
        lanes = model.get_env().get_state()  # type: ignore[union-attr]
        tensors["lanes"] = th.frombuffer(bytearray(lanes.tobytes()), dtype=th.uint8)
        tensors["torch_rng"] = th.get_rng_state()
    # Says which tensors and which description belong together.
    digest = hashlib.sha256(b"".join(t.numpy().tobytes() for t in tensors.values()))
    token = digest.hexdigest()[:16]
    description = {
        "format": FORMAT,
        **model.description,
        "num_timesteps": model.num_timesteps,
        "versions": {name: version(name) for name in PACKAGES},
        "token": token,
    }
    files = [_file(path, suffix) for suffix in (".safetensors", ".json")]
    new = [_file(path, suffix + ".new") for suffix in (".safetensors", ".json")]
    if new[1].exists() and files[0].exists() and _token(files[0]) == _token(new[1]):
        new[1].replace(files[1])  # an earlier call was killed between its last two lines
    save_file(tensors, new[0], {"token": token})
    new[1].write_text(json_text(description))
    for file in new:
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    # Killed between these two, the new description still lies beside the new tensors: see load.
    for written, file in zip(new, files, strict=True):
        written.replace(file)


def _token(file: Path) -> str | None:
    """Return the token in either file of an agent, None where there is none to be read."""
    try:
        if file.suffix == ".safetensors":
            return _read_tensors(file)[1]
        return json.loads(file.read_text()).get("token", "none")
    except (AgentFileError, ValueError):
        return None


def load(
    path: str | Path,
    *,
    num_envs: int | None = None,
    monitor: Path | None = None,
    device: str = "cpu",
) -> FusedRecurrentPPO:
    """Load an agent; nothing in its files is executed.

    Args:
        path: without suffix, as given to `save`.
        num_envs: lanes of the environment the agent comes with; as in training by default.
        monitor: file for the statistics of its episodes.
        device: of the network, whatever it was in training.

    Returns:
        The agent, ready to predict, or to go on training if it was saved resumable.

    Raises:
        AgentFileError: if a file is missing, truncated or does not fit the other.
        DeviceError: if there is no such device.
    """
    check_device(device)
    path = Path(path)
    description = read_description(path)
    tensors, token = _read_tensors(_file(path, ".safetensors"))
    if description.get("token") != token and _file(path, ".json.new").exists():
        description = read_description(path, ".json.new")
    if not set(FIELDS) <= set(description) or description["format"] != FORMAT:
        raise AgentFileError(
            f"{path}.json has the fields {sorted(description)} and format "
            f"{description.get('format')!r}, but {sorted(FIELDS)} and format {FORMAT} are wanted. "
            "Use the version of neurotasks that wrote it, or train the agent anew."
        )
    check_types(path, description, FIELDS)
    if description["token"] != token:
        raise AgentFileError(
            f"{path}.json and {path}.safetensors belong to different agents: their tokens are "
            f"{description['token']} and {token}. Copy both from one place."
        )
    check_types(path, description["hyperparameters"], get_type_hints(Hyperparameters))
    try:
        hyperparameters = Hyperparameters(**description["hyperparameters"])
    except TypeError as error:
        raise AgentFileError(
            f"{path}.json has hyperparameters this version does not know ({error}). Use the "
            "version of neurotasks that wrote it, or train the agent anew."
        ) from error
    try:
        model = build(
            description["id"],
            hyperparameters=hyperparameters,
            num_envs=num_envs,
            seed=description["seed"],
            task_kwargs=description["keywords"],
            monitor=monitor,
            device=device,
        )
    except (ValueError, TypeError, RuntimeError, AssertionError) as error:
        raise AgentFileError(
            f"{path}.json describes an agent that cannot be built ({error}). Restore the file from "
            "a copy, or train the agent anew."
        ) from error
    policy = {k.removeprefix("policy."): v for k, v in tensors.items() if k.startswith("policy.")}
    encoder = {k: v for k, v in policy.items() if k.startswith("features_extractor.")}
    policy |= {head + k: v for head in HEADS for k, v in encoder.items()}
    try:
        model.policy.load_state_dict(policy)
    except RuntimeError as error:
        raise AgentFileError(
            f"The tensors of {path}.safetensors do not fit the network {path}.json describes: "
            f"{error}. The two files belong to different agents; copy both from one place."
        ) from error
    moments: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, i, key = name.split(".")
            moments.setdefault(int(i), {})[key] = tensor
    if moments:
        groups = model.policy.optimizer.state_dict()["param_groups"]
        model.policy.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        env: Any = model.get_env()
        lanes = np.frombuffer(tensors["lanes"].numpy().tobytes(), env.get_state().dtype)
        if len(lanes) == env.num_envs:
            obs = env.set_state(lanes)
            if hyperparameters.whole_episodes:  # else the LSTM states are gone, and a reset is due
                model._last_obs, model._last_episode_starts = obs, np.ones(len(lanes), np.bool_)
        th.set_rng_state(tensors["torch_rng"])
    model.num_timesteps = description["num_timesteps"]
    known = {"format", "num_timesteps", "versions", "token"}
    model.description = {k: v for k, v in description.items() if k not in known}
    return model


def described(model: FusedRecurrentPPO) -> dict[str, Any]:
    """Return the description of an agent.

    Raises:
        AgentFileError: if it has none, because it was not made by `build`.
    """
    if "id" not in model.description:
        raise AgentFileError(
            "An agent without a description came: nothing says on which task and with which "
            "settings it was trained. Make agents with build(), or use model.save(), "
            "Stable-Baselines3's own."
        )
    return model.description


def read_description(path: str | Path, suffix: str = ".json") -> dict[str, Any]:
    """Return what ``path.json`` says of an agent.

    Args:
        path: without suffix.
        suffix: of the file to read.

    Returns:
        The description.

    Raises:
        AgentFileError: if it is missing or no JSON object.
    """
    file = _file(Path(path), suffix)
    try:
        description = json.loads(file.read_text(), parse_constant=lambda name: None)
    except FileNotFoundError as error:
        raise AgentFileError(
            f"There is no {file}. An agent is two files, NAME.json and NAME.safetensors; pass "
            "the path without suffix."
        ) from error
    except ValueError as error:
        raise AgentFileError(
            f"{file} is not whole ({error}). Delete it and {file.stem}.safetensors and train "
            "again, or restore both from a copy."
        ) from error
    if not isinstance(description, dict):
        raise AgentFileError(f"{file} holds a {type(description).__name__}, not an object.")
    return description


def check_types(path: Path, values: dict[str, Any], types: dict[str, Any]) -> None:
    """Check what came out of an agent's JSON.

    Args:
        path: of the agent, for the error message.
        values: the fields; those without a type are not looked at.
        types: of the fields, by name; a float may come as an int.

    Raises:
        AgentFileError: if a field has another type.
    """
    for name in set(types) & set(values):
        kind, value = types[name], values[name]
        allowed = get_args(kind) if get_origin(kind) is Literal else None
        fits = value in allowed if allowed else isinstance(value, _with_int(kind))
        if not fits or (isinstance(value, bool) and kind is not bool):
            wanted = f"one of {allowed}" if allowed else getattr(kind, "__name__", kind)
            raise AgentFileError(
                f"{path}.json has {name} {value!r}, but {wanted} is wanted. Restore the file from "
                "a copy, or train the agent anew."
            )


def _with_int(kind: Any) -> Any:
    return kind | int if float in (kind, *get_args(kind)) else kind


def _read_tensors(file: Path) -> tuple[dict[str, th.Tensor], str | None]:
    try:
        with safe_open(file, "pt") as tensors:
            names = tensors.keys()
            token = (tensors.metadata() or {}).get("token")
            return {name: tensors.get_tensor(name) for name in names}, token
    except FileNotFoundError as error:
        raise AgentFileError(f"There is no {file}, the tensors of the agent.") from error
    except SafetensorError as error:
        raise AgentFileError(
            f"{file} is truncated or damaged ({error}). Delete it and {file.stem}.json and train "
            "again, or restore both from a copy."
        ) from error


def _file(path: Path, suffix: str) -> Path:
    """Return the file of an agent; a dot in its name is no suffix."""
    return path.with_name(path.name + suffix)


def json_text(value: Any) -> str:
    """Return a value as strict JSON, which knows no NaN and no infinity: they become null."""
    strict = json.loads(json.dumps(json_ready(value)), parse_constant=lambda name: None)
    return json.dumps(strict, indent=1, allow_nan=False) + "\n"


def write_whole(file: Path, text: str) -> None:
    """Write a file so that whoever reads it meets the old text or the new one, never a part."""
    new = file.with_name(file.name + ".new")
    new.write_text(text)
    new.replace(file)


def json_ready(value: Any) -> Any:
    """Return a value with numpy arrays and scalars turned into lists and numbers."""
    if isinstance(value, dict):
        return {str(k): json_ready(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(v) for v in value]
    if isinstance(value, np.ndarray):
        return json_ready(value.tolist())
    if isinstance(value, np.generic):
        return value.item()
    return value
