"""A model as a player of the tasks, called like an observer or an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.core.records import zeroed
from neurotasks.errors import ParameterError
from neurotasks.models.loops import TRIAL
from neurotasks.models.model import Model
from neurotasks.observers.base import Observer, TaskEnvironment

STAGES = {"Bandit": 1, "Volatility": 1, "Foraging": 1, "TwoStep": 2, "TwoStepDaw": 2}
"""Number of stages of a trial of the tasks that models play."""
CHOICES = {"TwoStepDaw": 2}
"""Number of stages with a choice, where it is more than one."""


class ModelPlayer(Observer):
    """Plays as a model chooses; the same rules give the likelihood of its choices.

    Where the task asks for fixation it answers; where any response at the second stage of the
    two-step task brings the reward, it takes the first (`Model.one_choice`). In `TwoStepDaw` it
    chooses at either stage. A model of one stage plays `TwoStep` by the first-stage choice and
    the reward.

    Args:
        env: Environment it will play, single or vector, of a task in `STAGES`.
        model: The model; what it takes for the task's parameters are its own, such as ``p_common``.
        values: Values of its parameters that are not fixed, by name.
        seed: Seed of its choices.

    Raises:
        UnknownParameterError: If the model has no such parameter.
        ParameterError: If a value is missing or outside its range, or the task has other stages or
            options than the model.
    """

    def __init__(
        self,
        env: TaskEnvironment,
        model: Model,
        values: Mapping[str, float],
        seed: int | None = None,
    ) -> None:
        super().__init__(env, seed)
        task, actions = self.env.task.name, list(self.env.action_names)
        self._fixates = bool(getattr(self.parameters, "fixation", False))
        options = len(actions) - self._fixates
        stages = STAGES.get(task, 0)
        fits = (
            options == model.options
            and stages >= (2 if model.second_options > 0 else 1)
            and CHOICES.get(task, 1) == (2 if model.second_options > 1 else 1)
        )
        if not fits or model.second_options not in (0, 1, options):
            raise ParameterError(
                f"A model plays {', '.join(STAGES)} with the stages and options it has; got "
                f"{task} with {options} options for the model {model.name} with {model.options}. "
                "Take a model of neurotasks.models for the task, with_options(), or one_choice()."
            )
        self._model, self._work, self._last = model, model.workspace(np.float64), stages - 1
        self._work.table[:] = self._work.fixed + model.vector(values) @ self._work.spread
        self.memory = [
            ("state", self._work.states.dtype),
            ("begins", np.bool_),
            ("stage", np.int64),
            ("choice", np.int64),
            ("second_state", np.int64),
        ]

    def start(self, memory: Any) -> None:
        """The next observation begins an episode."""
        memory[...] = np.zeros((), memory.dtype)
        memory["begins"] = True
        memory["stage"] = -1

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Learn if a trial has ended, then answer what is shown."""
        options = self._model.options
        stage, second_state = self._shown(stimulus)
        chosen = (memory["stage"] == 0) & (action < options)
        memory["choice"] = np.where(chosen, action, memory["choice"])
        at_second = stage == 1
        memory["second_state"] = np.where(at_second, second_state, memory["second_state"])
        ended = (memory["stage"] == self._last) & (action < options)
        trials = zeroed(len(memory), TRIAL)
        for name in ("begins", "choice", "second_state"):
            trials[name] = memory[name]
        if self._model.second_options > 1:
            trials["second_choice"] = np.where(ended, action, 0)
        trials["reward"] = reward
        states, choices = memory["state"].copy(), np.zeros(len(memory), np.int64)
        uniforms = 1 - self.rng.random(len(memory))  # option 1 below its probability: `draw`
        arrays = uniforms, self._work.first, self._work.second, choices
        self._model.loops.respond(
            states.view(type(trials)), self._work.p, trials, ended, stage, *arrays
        )
        memory["state"], memory["stage"] = states, stage
        memory["begins"] = False
        return np.where(stage < 0, options, choices)

    def _shown(self, stimulus: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the stage at which a choice is asked for, -1 for fixation, and the state."""
        state = np.zeros(len(stimulus), np.int64)
        if STAGES[self.env.task.name] == 2:
            place = stimulus.argmax(axis=1) - self._fixates  # 0 first stage, 1 and 2 the states
            return np.minimum(place, 1), np.maximum(place - 1, 0)
        return state - (self._fixates & (stimulus[:, -1] == 0)), state
