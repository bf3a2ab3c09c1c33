"""Observers of the inferred-value task."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.observers.base import Observer, TaskEnvironment
from neurotasks.tasks.inferred_value import CENTRE, FIXATION, NONE, STIMULUS

if TYPE_CHECKING:
    from neurotasks.episodes import Episodes

MEAN_REWARD = 0.5  # of a trial before its target is seen


class _InferredValueObserver(Observer):
    """Always responds correctly, and predicts value; subclasses differ in what they learn."""

    memory = [
        ("trial", np.int64),
        ("stage", np.int64),
        ("target", np.int64),  # the one shown now, -1 none
        ("expected", np.float64, (2,)),  # reward of the left and of the right target
    ]

    def start(self, memory: Any) -> None:
        """Either target may be the rewarded one."""
        memory["trial"] = -1
        memory["stage"] = NONE
        memory["target"] = NONE
        memory["expected"] = MEAN_REWARD

    @abstractmethod
    def learn(self, memory: Any, reward: NDArray[np.float64]) -> None:
        """Learn from the reward of the target in the memory."""

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Learn if the last step was a response towards a target, then answer what is shown."""
        answered = (memory["target"] >= 0) & (memory["target"] == action)
        part = memory[answered]
        self.learn(part, reward[answered])
        memory[answered] = part
        shown = stimulus.argmax(axis=1)  # left, centre, right, outcome, interval
        stage = np.select([shown == 1, shown < 3], [FIXATION, STIMULUS], shown - 1)
        memory["trial"] += (stage == FIXATION) & (memory["stage"] != FIXATION)
        memory["stage"] = stage
        memory["target"] = np.where(stage == STIMULUS, shown // 2, NONE)
        return np.where(stage == STIMULUS, memory["target"], CENTRE)

    def values(self, episodes: Episodes, gamma: float = 0.9) -> NDArray[np.float64]:
        """Return the value it predicts at each observation of any player's episodes.

        It is the discounted sum of the rewards it expects until the end of the episode from valid
        responses. Before a target is seen it expects the mean reward, in this trial and in later
        ones: what a learner has learned over many episodes.

        Args:
            episodes: Episodes of this task.
            gamma: Discount per step.

        Returns:
            The values, (steps, num_envs); NaN after the end of an episode.
        """
        memory, values = None, []
        start = np.ones(episodes.alive.shape[1], np.bool_)
        for observation in episodes.observations:
            _, memory = self.predict(observation, memory, start)
            start = np.zeros_like(start)
            values.append(self._value(memory, gamma))
        return np.where(episodes.alive, np.stack(values), np.nan)

    def _value(self, memory: Any, gamma: float) -> NDArray[np.float64]:
        p, stage = self.parameters, memory["stage"]
        of_target = memory["expected"][np.arange(len(memory)), memory["target"]]
        this = np.select([stage == FIXATION, stage == STIMULUS], [gamma * MEAN_REWARD, of_target])
        ahead = np.arange(1, p.trials)  # trials to come, each with its reward at its second step
        delay = ahead * p.steps_per_trial + STIMULUS - stage[:, None]
        comes = memory["trial"][:, None] + ahead < p.trials
        return np.asarray(this + MEAN_REWARD * (gamma**delay * comes).sum(axis=1))


class InferringObserver(_InferredValueObserver):
    """Knows that exactly one target is rewarded, and so both values after one trial.

    Args:
        env: Environment it will play.
        seed: Not used, as it draws nothing.
    """

    def learn(self, memory: Any, reward: NDArray[np.float64]) -> None:
        """Take the reward for the value of the target, and what it lacks of 1 for the other's."""
        rows, target = np.arange(len(memory)), memory["target"]
        memory["expected"][rows, target] = reward
        memory["expected"][rows, 1 - target] = 1 - reward


class CachedValueObserver(_InferredValueObserver):
    """Keeps a value for each target, which only the rewards of that target change.

    Args:
        env: Environment it will play.
        seed: Not used, as it draws nothing.
        alpha: Learning rate; with 1 the value is the last reward.
    """

    def __init__(self, env: TaskEnvironment, seed: int | None = None, alpha: float = 1.0) -> None:
        super().__init__(env, seed)
        self.alpha = alpha

    def learn(self, memory: Any, reward: NDArray[np.float64]) -> None:
        """Move the value of the target towards the reward."""
        rows, target = np.arange(len(memory)), memory["target"]
        value = memory["expected"][rows, target]
        memory["expected"][rows, target] = value + self.alpha * (reward - value)
