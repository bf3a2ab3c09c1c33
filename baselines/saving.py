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
from typing import Any

import numpy as np
import torch as th
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from baselines.errors import AgentFileError
from baselines.hyperparameters import Hyperparameters
from baselines.recurrent_ppo import FusedRecurrentPPO
from baselines.vec_env import make_vec_env

FORMAT = 1
SEED_STRIDE = 1000
PACKAGES = ("neurotasks", "torch", "stable-baselines3", "sb3-contrib", "gymnasium", "numpy")


def build(
    id: str,
    settings: Hyperparameters,
    *,
    seed: int | None = None,
    num_envs: int | None = None,
    keywords: dict[str, Any] | None = None,
    monitor: Path | None = None,
) -> FusedRecurrentPPO:
    """Build an untrained agent for a task.

    Args:
        id: the task's id.
        settings: its hyperparameters.
        seed: of the network, of its actions and of the environment, whose lane i is seeded
            ``1000 * seed + i``: two seeds share no lane.
        num_envs: lanes, as in the settings by default.
        keywords: parameters of the task.
        monitor: file for the statistics of the episodes.

    Returns:
        The agent, with the JSON-able description `save` writes in ``agent.description``.
    """
    keywords = keywords or {}
    env = make_vec_env(id, num_envs or settings.num_envs, monitor=monitor, **keywords)
    start = None if seed is None else SEED_STRIDE * seed
    model = FusedRecurrentPPO(env=env, seed=start, **settings.keywords())
    model.description = {
        "id": id,
        "keywords": keywords,
        "hyperparameters": settings.to_json(),
        "seed": seed,
    }
    return model


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
    tensors = {f"policy.{k}": v.contiguous() for k, v in model.policy.state_dict().items()}
    if resumable:
        for i, state in model.policy.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v.contiguous() for k, v in state.items()}
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
    text = json.dumps(description, indent=1) + "\n"
    files = [_file(path, suffix) for suffix in (".safetensors", ".json")]
    new = [_file(path, suffix + ".new") for suffix in (".safetensors", ".json")]
    if new[1].exists() and files[0].exists() and _token(files[0]) == _token(new[1]):
        new[1].replace(files[1])  # an earlier call was killed between its last two lines
    save_file(tensors, new[0], {"token": token})
    new[1].write_text(text)
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
    path: str | Path, *, num_envs: int | None = None, monitor: Path | None = None
) -> FusedRecurrentPPO:
    """Load an agent; nothing in its files is executed.

    Args:
        path: without suffix, as given to `save`.
        num_envs: lanes of the environment the agent comes with; as in training by default.
        monitor: file for the statistics of its episodes.

    Returns:
        The agent, ready to predict, or to go on training if it was saved resumable.

    Raises:
        AgentFileError: if a file is missing, truncated or does not fit the other.
    """
    path = Path(path)
    description = read_description(path)
    tensors, token = _read_tensors(_file(path, ".safetensors"))
    if description.get("token") != token and _file(path, ".json.new").exists():
        description = read_description(path, ".json.new")
    fields = {"id", "keywords", "hyperparameters", "seed", "num_timesteps", "format", "token"}
    if not fields <= set(description) or description["format"] != FORMAT:
        raise AgentFileError(
            f"{path}.json has the fields {sorted(description)} and format "
            f"{description.get('format')!r}, but {sorted(fields)} and format {FORMAT} are wanted. "
            "Use the version of neurotasks that wrote it, or train the agent anew."
        )
    if description["token"] != token:
        raise AgentFileError(
            f"{path}.json and {path}.safetensors belong to different agents: their tokens are "
            f"{description['token']} and {token}. Copy both from one place."
        )
    try:
        settings = Hyperparameters(**description["hyperparameters"])
    except TypeError as error:
        raise AgentFileError(
            f"{path}.json has hyperparameters this version does not know ({error}). Use the "
            "version of neurotasks that wrote it, or train the agent anew."
        ) from error
    model = build(
        description["id"],
        settings,
        seed=description["seed"],
        num_envs=num_envs,
        keywords=description["keywords"],
        monitor=monitor,
    )
    policy = {k.removeprefix("policy."): v for k, v in tensors.items() if k.startswith("policy.")}
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
            if settings.whole_episodes:  # else the LSTM states are gone, and a reset is due
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
            "settings it was trained. Make agents with baselines.build(), or use model.save(), "
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
        description = json.loads(file.read_text())
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
