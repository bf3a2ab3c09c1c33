"""What all observers share, and the two that play every task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurotasks.core import TaskEnv, TaskVectorEnv
from neurotasks.core.places import pointed_at
from neurotasks.core.task import Task
from neurotasks.errors import ParameterError, TaskDefinitionError, shown


class TaskEnvironment(Protocol):
    """Single or vector environment of a task, possibly in wrappers."""

    @property
    def unwrapped(self) -> Any:
        """The task's own environment, a `TaskEnv` or a `TaskVectorEnv`."""


class Observer(ABC):
    """An agent with a rule instead of a network.

    A subclass declares in `memory` what it remembers of an episode, and in `act` what it learns
    from an observation and does next.

    Args:
        env: Environment it will play, single or vector, of which it knows the rules and the
            parameters (``env.unwrapped.parameters``), not its hidden state.
        seed: Seed of its own random numbers.

    Raises:
        ParameterError: If the environment does not feed back the last action and reward.
    """

    memory: list[Any] = []

    def __init__(self, env: TaskEnvironment, seed: int | None = None) -> None:
        self.env: TaskEnv | TaskVectorEnv = env.unwrapped
        layout = self.env.layout
        if any(layout[part].start == layout[part].stop for part in ("action", "reward")):
            raise ParameterError(
                f"The environment of {type(self).__name__} must feed back the previous action and "
                f"reward; got one with the layout {self.env.layout}. Make it with feedback='both'."
            )
        self.parameters: Any = self.env.parameters
        self.rng = np.random.default_rng(seed)

    @abstractmethod
    def act(
        self,
        memory: Any,
        stimulus: NDArray[Any],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Update the memory in place and choose.

        Args:
            memory: Record array of `memory`, one record per sub-environment.
            stimulus: Stimulus seen now, (num_envs, components), or image,
                (num_envs, height, width, 3).
            action: Previous action, (num_envs,), -1 at the start of an episode.
            reward: Previous reward, (num_envs,).

        Returns:
            The actions, (num_envs,).
        """

    def start(self, memory: Any) -> None:
        """Set the memories given for a new episode; zero by default."""
        memory[...] = np.zeros((), memory.dtype)

    def draw(self, advantage: NDArray[np.float64], beta: float) -> NDArray[np.int64]:
        """Draw from the softmax of two values.

        Args:
            advantage: Value of action 1 minus that of action 0, (num_envs,).
            beta: Inverse temperature.

        Returns:
            The actions, (num_envs,).
        """
        p_one = 0.5 + 0.5 * np.tanh(beta * advantage / 2)  # the logistic function, at any size
        return (self.rng.random(len(advantage)) < p_one).astype(np.int64)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Choose actions, as a Stable-Baselines3 policy does.

        Args:
            observation: One observation or a batch; the feedback must be ``"both"``.
            state: Memory that the last call returned, None at first.
            episode_start: Whether each sub-environment has just begun an episode; may be left out,
                as an observation without a previous action begins one.
            deterministic: Ignored: an observer draws where its rule says so.

        Returns:
            The action(s), and the memory to pass to the next call.

        Raises:
            ParameterError: If an observation is not as wide as those of the observer's environment,
                or the memory or `episode_start` is not of as many sub-environments.
        """
        image = observation["image"] if isinstance(observation, dict) else None
        vector = np.asarray(observation if image is None else observation["feedback"])
        batch = np.atleast_2d(vector)
        blank = np.zeros(len(batch), self.memory or [("nothing", np.int8)])
        layout = self.env.layout
        self._check_shape("observation", batch.shape, (len(batch), layout["reward"].stop))
        self._check_shape("episode_start", np.shape(episode_start), (), blank.shape)
        if state is None:
            state, episode_start = blank, np.ones(len(batch), np.bool_)
        self._check_shape("state", (*np.shape(state), *_names(state)), (len(blank), *_names(blank)))
        state = state.copy()
        taken = batch[:, layout["action"]]
        action = np.where(taken.any(axis=1), taken.argmax(axis=1), -1)
        # In NextStep mode the observation after that of `terminated` is the first one.
        begun = np.flatnonzero((action < 0) | (False if episode_start is None else episode_start))
        fresh = state[begun]
        self.start(fresh)
        state[begun] = fresh
        reward = batch[:, layout["reward"]][:, 0].astype(np.float64)
        stimulus = batch[:, layout["stimulus"]]
        if image is not None:
            stimulus = image.reshape(-1, *image.shape[-3:])
        chosen = self.act(state, stimulus, action, reward)
        return (chosen[0] if vector.ndim == 1 else chosen), state

    def _check_shape(self, name: str, found: tuple[Any, ...], *wanted: tuple[Any, ...]) -> None:
        """Refuse what is of another environment: its columns would be taken for others."""
        if found not in wanted:
            raise ParameterError(
                f"{name} of {type(self).__name__} must have the shape {wanted[-1]}; got {found}. "
                f"Pass what an environment like the one it was made for ({self.env.task.name}) "
                "returns, and the memory of the last call."
            )


def _names(memory: Any) -> tuple[str, ...]:
    return getattr(getattr(memory, "dtype", None), "names", None) or ()


def reference_observer(env: TaskEnvironment, seed: int | None = None) -> Observer:
    """Return the reference observer of a task, which sees no more than an agent does.

    For a task without one it is `Oracle`, which sees the hidden state.

    Args:
        env: Environment it will play, single or vector.
        seed: Seed of its own random numbers.

    Returns:
        The observer that the task names.

    Raises:
        TaskDefinitionError: If the task names none and has no field ``best_action``.
    """
    task: Task = env.unwrapped.task
    make = pointed_at(task.observer, what=f"The observer of {task.name}")
    observer: Observer = make(env, seed)
    if isinstance(observer, Oracle) and "best_action" not in task.state:
        raise TaskDefinitionError(
            f"{task.name} has neither a reference observer nor a field 'best_action'. Give its "
            "Task one of them."
        )
    return observer


class RandomAgent(Observer):
    """Takes every action equally often."""

    def act(self, memory: Any, stimulus: Any, action: Any, reward: Any) -> NDArray[np.int64]:
        """Draw an action."""
        return self.rng.integers(len(self.env.action_names), size=len(stimulus))


class Oracle(Observer):
    """Takes the best action given the hidden state of its own environment; not an observer."""

    def act(self, memory: Any, stimulus: Any, action: Any, reward: Any) -> NDArray[np.int64]:
        """Take the best action."""
        state = self.env.get_state()
        if not np.array_equal(state["last_action"], action):
            raise ParameterError(
                f"Observations of {type(self).__name__} must be those of its own environment; got "
                f"the previous actions {shown(action)}, not {shown(state['last_action'])}. Make it "
                "for the environment that it plays."
            )
        best: NDArray[np.int64] = state["best_action"].astype(np.int64)
        return best
