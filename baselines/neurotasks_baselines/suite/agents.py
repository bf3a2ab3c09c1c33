"""What an agent must offer to be scored: a function that trains it, and what it then does.

A function makes the agent:

    def make_agent(id: str, *, total_steps: int, seed: int, **task_kwargs): ...

It makes its own environments of the task `id`, with whatever library it likes, trains for
`total_steps` steps in all of them together, and returns what chooses actions: an object with
Stable-Baselines3's ``predict``, or a function.

Where learning curves are wanted it yields, from time to time and at the end, the number of steps so
far and what chooses actions then.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from neurotasks.episodes import Agent
from neurotasks.errors import nearest, shown
from neurotasks_baselines.errors import CandidateError
from neurotasks_baselines.imports import import_file


class MakeAgent(Protocol):
    """Whatever trains an agent on a task."""

    def __call__(self, id: str, *, total_steps: int, seed: int, **task_kwargs: Any) -> Any:
        """Return a trained agent, as `as_agent` takes it, or yield those of `snapshots`.

        Args:
            id: Id of the task, for ``gymnasium.make`` and ``gymnasium.make_vec``.
            total_steps: Number of steps to train for, over all environments.
            seed: Seed of the weights, of the choices and of the training episodes.
            **task_kwargs: Parameters of the task.
        """


@dataclass(frozen=True)
class FunctionAgent:
    """Function that chooses actions, with the ``predict`` of an agent.

    Attributes:
        function: Function of observations, (num_envs, width), of whether each of them is the first
            of its episode, bool (num_envs,), and of what the function returned second the last
            time, None at the first. It returns actions, (num_envs,), and its state.
    """

    function: Callable[[Any, Any, Any], tuple[Any, Any]]

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Return the actions for a batch of observations, and the state after them."""
        returned = self.function(observation, episode_start, state)
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise CandidateError(
                "A function that chooses actions must return them and its state, None if it has "
                f"none; got {type(returned).__name__}. Write `return actions, state`."
            )
        actions, state = returned
        try:
            return np.asarray(actions), state
        except (RuntimeError, TypeError) as error:  # a tensor on a GPU, or with a gradient
            raise CandidateError(
                f"Actions must be integers that NumPy can read; got {type(actions).__name__}: "
                f"{error} Write `return actions.detach().cpu().numpy(), state`."
            ) from error


def as_agent(made: Any) -> Agent:
    """Return the agent that a function made, with ``predict``.

    Args:
        made: Object with ``predict`` as that of a Stable-Baselines3 model, or a function of
            observations, episode starts and state; or an iterator as `snapshots` takes it, of which
            the last agent counts.

    Raises:
        CandidateError: If it is neither, or a function of other arguments.
    """
    if hasattr(made, "predict"):
        agent: Agent = made
        return agent
    if isinstance(made, Iterator):
        return [agent for _, agent in snapshots(made)][-1]
    if callable(made):
        calls = getattr(made, "forward", made)  # of a module of PyTorch
        _check_arguments("what chooses actions", calls, "observations", "episode_starts", "state")
        return FunctionAgent(made)
    raise CandidateError(
        "make_agent() must return an object with predict(observations, state, episode_starts, "
        "deterministic), or a function of observations, episode starts and state; got "
        f"{shown(made)}."
    )


def snapshots(made: Iterator[Any]) -> Iterator[tuple[int, Agent]]:
    """Yield the number of steps and the agent after them, as it is while it learns.

    Args:
        made: What a function with ``yield steps, agent`` returns.

    Raises:
        CandidateError: If something else is yielded, the steps do not grow, or nothing is yielded.
    """
    before = -1
    for pair in made:
        steps = pair[0] if isinstance(pair, tuple) and len(pair) == 2 else None
        if not isinstance(steps, int) or steps <= before:
            raise CandidateError(
                "make_agent() must yield the number of steps so far, larger each time, and the "
                f"agent; got {shown(pair)}. Write `yield steps, agent`."
            )
        yield steps, as_agent(pair[1])
        before = steps
    if before < 0:
        raise CandidateError(
            "make_agent() must yield the trained agent at its end; got nothing. Write `yield "
            "steps, agent` after the loop, too."
        )


def load_make_agent(words: str) -> MakeAgent:
    """Return the function that a command names.

    Args:
        words: Path of a Python file and name of a function in it, as ``my_agent.py:make_agent``.

    Raises:
        CandidateError: If the file has no such function, or it is one of other arguments.
        ImportFileError: If there is no such file, or it cannot be imported.
    """
    path, colon, name = words.rpartition(":")
    if not colon or not path.endswith(".py") or not name.isidentifier():
        raise CandidateError(
            f"An agent must be FILE.py:FUNCTION, such as my_agent.py:make_agent; got {words}."
        )
    module = import_file(Path(path))
    function = getattr(module, name, None)
    if not callable(function):
        names = [key for key, value in vars(module).items() if callable(value)]
        raise CandidateError(
            f"{path} must hold a function {name}; it does not. {nearest(name, names)}"
        )
    _check_arguments(words, function, "id", total_steps=1, seed=0)
    made: MakeAgent = function
    return made


def _check_arguments(words: str, function: Any, *args: Any, **kwargs: Any) -> None:
    """Refuse a function that cannot be called with these arguments, as far as it can be known.

    Raises:
        CandidateError: If it cannot.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # not known, as of some that are written in C
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        wanted = ", ".join([*args, *(f"{name}=..." for name in kwargs)])
        raise CandidateError(
            f"{words} must be a function that can be called with ({wanted}); got one of "
            f"{signature}: {error}. Change its arguments."
        ) from error
