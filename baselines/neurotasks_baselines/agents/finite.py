"""NaN and infinity in training: named before anything is learned from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import Any, NoReturn

import numpy as np
import torch as th
from numpy.typing import NDArray
from torch import nn

from neurotasks_baselines.agents.buffers import ColumnRolloutBuffer, parts_of
from neurotasks_baselines.errors import NotFiniteError

OF_ENVIRONMENT = "Check what the environment and its wrappers return; float32 ends at 3.4e38."
ORDINARY = 1e6  # size that numbers in a training rarely have
OF_LEARNING = "Lower the learning rate, or scale the rewards down."


class Snapshot:
    """A copy of the weights of a policy and the state of its optimizer, to go back to."""

    def __init__(self, policy: Any) -> None:
        self._state = policy.optimizer.state
        self._entries = {parameter: dict(entry) for parameter, entry in self._state.items()}
        moments = (value for entry in self._entries.values() for value in entry.values())
        tensors = [*policy.parameters(), *policy.buffers(), *moments]
        self._copies = [(t, t.detach().clone()) for t in tensors if isinstance(t, th.Tensor)]

    @th.no_grad()
    def restore(self) -> None:
        """Put everything back."""
        for tensor, copy in self._copies:
            tensor.copy_(copy)
        self._state.clear()
        self._state.update(self._entries)


def stop(update: str, what: str, cure: str) -> NoReturn:
    """Stop training, given the name of the update that is not made and what is not finite.

    Raises:
        NotFiniteError: Always.
    """
    raise NotFiniteError(
        f"Every number of a training must be finite; got {what}. Training stopped at {update}, "
        f"with weights and optimizer as they were before it. {cure}"
    )


def check_numbers(update: str, **numbers: float) -> None:
    """Refuse hyperparameters that are not finite at this update.

    Raises:
        NotFiniteError: If one is not.
    """
    for name, number in numbers.items():
        if not isfinite(number):
            stop(update, f"{name}={number}", f"Set another {name}, or schedule.")


def check_weights(update: str, policy: nn.Module) -> None:
    """Refuse a policy whose weights are not finite.

    Raises:
        NotFiniteError: If one is not.
    """
    for name, weights in policy.named_parameters():
        if not np.isfinite(weights.numpy(force=True)).all():  # torch's takes three times as long
            stop(update, f"a weight of {name} that is not", OF_LEARNING)


def check_rollout(update: str, buffer: ColumnRolloutBuffer, following: Any) -> None:
    """Refuse observations and rewards that are not finite; a reward may show in what follows it.

    Args:
        update: Name of the update.
        buffer: Buffer that holds them.
        following: Observations after the last step.

    Raises:
        NotFiniteError: If one is not.
    """
    steps, after = buffer.pos, parts_of(following)
    found = [(*_first(buffer.rewards[:steps]), 1, "reward")]
    for name, seen in parts_of(buffer.observations).items():
        what = "observation" if name is None else f"observation {name!r}"
        found.append((*_first(seen[:steps]), 0, what))
        if isinstance(after[name], np.ndarray):
            env, value = _first(after[name][None])[1:]
            found.append((steps if env >= 0 else NEVER, env, value, 0, what))
    step, env, value, _, what = min(found, key=lambda each: (each[0], each[3]))
    if step < NEVER:
        which = f"the {what} of sub-environment {env} in step {step} of the rollout, {value}"
        stop(update, which, OF_ENVIRONMENT)


NEVER = 2**62


def _first(array: NDArray[Any]) -> tuple[int, int, float]:
    """Return step, environment and value of the first number that is not finite."""
    if array.dtype.kind != "f" or (finite := np.isfinite(array)).all():
        return NEVER, -1, 0.0
    place = np.unravel_index(finite.argmin(), array.shape)
    return int(place[0]), int(place[1]), float(array[place])


def check_last(update: str, observation: Any, env: int) -> None:
    """Refuse the last observation of a truncated episode, whose value its reward gets.

    Raises:
        NotFiniteError: If it is not finite.
    """
    for part in parts_of(observation).values():
        if not part.isfinite().all():
            what = f"a last observation of a truncated episode of sub-environment {env} that is not"
            stop(update, what, OF_ENVIRONMENT)


@contextmanager
def refusals_named(update: str, policy: Any, buffer: ColumnRolloutBuffer) -> Iterator[None]:
    """Name what PyTorch refuses: the NaN of a network in one of its distributions.

    Raises:
        NotFiniteError: If PyTorch refuses the parameters of a distribution.
    """
    try:
        yield
    except ValueError as error:
        if "found invalid values" not in str(error):
            raise
        what = f"actions whose distribution is not ({sizes(policy, buffer)})"
        stop(update, what, OF_LEARNING)


def check_learnable(update: str, policy: Any, buffer: ColumnRolloutBuffer) -> None:
    """Refuse values, advantages and targets that are not finite where a step counts.

    Raises:
        NotFiniteError: If one is not.
    """
    for name in ("values", "log_probs", "advantages", "targets"):
        if not np.isfinite(getattr(buffer, name)[buffer.mask]).all():
            what = f"{name.replace('_', '-')} that are not ({sizes(policy, buffer)})"
            stop(update, what, OF_LEARNING)


def check_gradient(
    update: str, norm: float, terms: Mapping[str, float], policy: Any, buffer: ColumnRolloutBuffer
) -> None:
    """Refuse a minibatch whose losses, or the norm of whose gradient, are not finite.

    Raises:
        NotFiniteError: If one is not.
    """
    if not isfinite(norm + sum(terms.values())):
        bad = [f"{name} {value}" for name, value in terms.items() if not isfinite(value)]
        what = ", ".join([f"a gradient of norm {norm}", *bad])
        stop(update, f"{what} ({sizes(policy, buffer)})", OF_LEARNING)


def sizes(policy: Any, buffer: ColumnRolloutBuffer) -> str:
    """Return the likely source for a message: the largest numbers that learning starts from."""
    names = ("rewards", "values", "advantages", "targets")
    arrays: dict[str, Any] = {name: getattr(buffer, name) for name in names}
    for name, seen in parts_of(buffer.observations).items():
        arrays[f"observation {name!r}" if name else "observations"] = seen
    arrays["weights"] = nn.utils.parameters_to_vector(policy.parameters()).numpy(force=True)
    largest = {name: float(np.abs(array).max()) for name, array in arrays.items()}
    ordered = sorted(largest, key=lambda name: -np.nan_to_num(largest[name], nan=np.inf))
    first, *rest = (f"{name} up to {largest[name]:.3g}" for name in ordered)
    if largest[ordered[0]] < ORDINARY:
        first = f"a hook or a module of the policy, since the rest is ordinary: {first}"
    return f"likely source: {first}, {', '.join(rest)}"
