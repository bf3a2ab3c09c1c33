"""Shapes and dtypes, checked before anything reaches compiled code.

Compiled code reads and writes what it is told to, also outside an array. These are the ways in,
each with its only check:

| from outside | checked by |
| --- | --- |
| observations and starts of a policy's methods | `one_step`, `check_observations` |
| observations of ``obs_to_tensor`` and ``predict`` | Stable-Baselines3, `mistakes_named` |
| inputs, states and starts of `LSTM`, `GRU`, `RNN`, `run_lstm`, `Branch` | `lstm.check_columns` |
| states and steps of a `CompiledActor` | its constructor, its ``step`` |
| arrays of a rollout | the constructor of a `CompiledLearner` |
| channels, targets and weights of the critic's losses | ``losses._check`` |
| images of `PictureEncoder.shrink` | `check_array` |
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces

from neurotasks.errors import ParameterError
from neurotasks_baselines.errors import ShapeError

CURE = "Observations, states and episode starts must be of the same sub-environments and steps."


def check_array(name: str, given: Any, shape: tuple[int, ...], float32: bool = True) -> None:
    """Refuse an array or tensor of another shape or dtype than compiled code takes.

    Raises:
        ShapeError: If it has another one, or none.
    """
    found = getattr(given, "shape", None)
    if found is None or tuple(found) != shape:
        got = f"a {type(given).__name__}" if found is None else f"the shape {tuple(found)}"
        raise ShapeError(f"{name} must have the shape {shape}; got {got}. {CURE}")
    if float32 and not str(given.dtype).endswith("float32"):
        raise ShapeError(f"{name} must be float32; got {given.dtype}. Convert it.")


def check_states(states: Any, shape: tuple[int, ...]) -> None:
    """Refuse the states of recurrent layers if they are not two, of one shape, see `check_array`.

    Raises:
        ShapeError: If they are not.
    """
    if not isinstance(states, tuple | list) or len(states) != 2:
        got = f"{len(states)}" if isinstance(states, tuple | list) else f"a {type(states).__name__}"
        raise ShapeError(
            f"states must be two, hidden and cell state, each of the shape {shape}; got {got}. "
            f"{CURE}"
        )
    for state in states:
        check_array("Each of the two states", state, shape)


def check_remembered(state: Any) -> None:
    """Refuse what ``predict`` cannot have returned.

    Raises:
        ShapeError: If it is not two states.
    """
    kinds = tuple | list | np.ndarray | th.Tensor
    if not isinstance(state, kinds) or len(state) != 2:
        got = f"{len(state)}" if isinstance(state, kinds) else f"a {type(state).__name__}"
        raise ShapeError(f"state must be two, as predict returns them; got {got}. {CURE}")


def check_starts(starts: Any) -> tuple[int, int]:
    """Return the numbers of steps and columns of episode starts.

    Raises:
        ShapeError: If there is none.
    """
    shape = tuple(getattr(starts, "shape", ()))
    if len(shape) != 2 or 0 in shape:
        got = f"the shape {shape}" if hasattr(starts, "shape") else f"a {type(starts).__name__}"
        raise ShapeError(f"starts must have the shape (steps, columns); got {got}. {CURE}")
    check_array("starts", starts, shape)
    return shape[0], shape[1]


def check_tensors(**given: Any) -> None:
    """Refuse what is no tensor, such as an array.

    Raises:
        ShapeError: If there is one.
    """
    for name, value in given.items():
        parts = value if isinstance(value, tuple | list) else (value,)
        for part in parts:
            if not isinstance(part, th.Tensor):
                kind = type(part).__name__
                raise ShapeError(f"{name} must be tensors; got a {kind}. Convert it.")


def check_observations(
    space: spaces.Space[Any], observations: Any, samples: int, name: str = "Observations"
) -> None:
    """Refuse observations, arrays or tensors, that are not of a space and a number of samples.

    Raises:
        ShapeError: If they are of another shape, or of other parts.
    """
    if isinstance(space, spaces.Dict):
        parts = sorted(getattr(observations, "keys", list)())
        if parts != sorted(space.spaces):
            raise ShapeError(
                f"{name} must have the parts {sorted(space.spaces)}; got {parts}. Pass what the "
                "environment returns."
            )
        for part, of_part in space.spaces.items():
            check_observations(of_part, observations[part], samples, f"{name} {part!r}")
        return
    if not space.shape and getattr(observations, "shape", None) == (samples, 1):
        return  # Discrete observations as a buffer keeps them
    check_array(name, observations, (samples, *(space.shape or ())), float32=False)


def check_actions(space: spaces.Space[Any], actions: Any, samples: int) -> None:
    """Refuse actions that are not one for each sample; matrices may be flattened.

    Raises:
        ShapeError: If they are no tensor, or of another shape.
        ParameterError: If a discrete one is not among those of the space.
    """
    shape = tuple(getattr(actions, "shape", ()))
    if shape[:1] != (samples,) or prod(shape) != samples * prod(space.shape or ()):
        check_array("actions", actions, (samples, *(space.shape or ())), float32=False)
    if not isinstance(actions, th.Tensor):
        raise ShapeError(f"actions must be a tensor; got a {type(actions).__name__}. Convert it.")
    if isinstance(space, spaces.Box):
        return
    known = actions.reshape(samples, prod(space.shape or ())).cpu().double()
    if isinstance(space, spaces.MultiBinary):
        most = th.ones(1)
    else:
        most = th.as_tensor(getattr(space, "nvec", getattr(space, "n", 0))) - 1
    if not bool(((known >= 0) & (known <= most) & (known == known.floor())).all()):
        raise ParameterError(
            f"actions must be of {space}; got {reprlib.repr(actions.tolist())}. Pass those that "
            "were taken there."
        )


def one_step(obs: Any, episode_starts: Any) -> th.Tensor:
    """Return the episode starts of observations as those of one step, (1, samples), in float32.

    Args:
        obs: Observations, (samples, ...), or a dict of such.
        episode_starts: One number or truth value for each.

    Raises:
        ShapeError: If there are more or fewer, or other numbers than 0 and 1.
    """
    part = next(iter(obs.values())) if isinstance(obs, dict) else obs
    shape = tuple(getattr(part, "shape", ()))
    if not shape or not isinstance(episode_starts, th.Tensor) or episode_starts.numel() != shape[0]:
        tensor = isinstance(episode_starts, th.Tensor)
        got = tuple(episode_starts.shape) if tensor else f"a {type(episode_starts).__name__}"
        raise ShapeError(
            f"episode_starts must be a tensor of the shape {shape[:1]}, one number for each of the "
            f"observations, whose shape is {shape}; got {got}. Pass those of the same environments."
        )
    starts = episode_starts.float().view(1, -1)
    if not bool((starts * starts == starts).all()):  # nor for NaN
        raise ShapeError(
            "episode_starts must be 1 or True where an episode starts, else 0; got "
            f"{reprlib.repr(episode_starts.tolist())}. Pass what says where episodes ended."
        )
    return starts


def check_whole_steps(samples: int, states: Any) -> int:
    """Return the number of columns of states, of which the samples must be whole steps.

    Raises:
        ShapeError: If they are not.
    """
    shape = tuple(getattr(states[0], "shape", ()))
    if len(shape) != 3 or not shape[1] or samples % shape[1]:
        raise ShapeError(
            f"Observations of the shape {(samples, '...')} must be whole steps of all columns; got "
            f"states of the shape {shape}, (layers, columns, units). {CURE}"
        )
    return shape[1]


@contextmanager
def mistakes_named(space: spaces.Space[Any], observation: Any) -> Iterator[None]:
    """Name the shapes where Stable-Baselines3 refuses an observation.

    Raises:
        ShapeError: If it refuses it in any way.
    """
    try:
        yield
    except (AssertionError, LookupError, TypeError, ValueError) as error:
        parts = observation if isinstance(observation, dict) else {"observation": observation}
        shapes = {name: getattr(part, "shape", type(part)) for name, part in parts.items()}
        raise ShapeError(
            f"Observations must be of {space}, one or many; got {shapes} ({error}). Pass what the "
            "agent's own task returns."
        ) from error
