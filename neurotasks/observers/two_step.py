"""Observers of the two-step task."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.models.bandit import RESCORLA_WAGNER
from neurotasks.observers.base import Observer, TaskEnvironment
from neurotasks.observers.model_player import ModelPlayer
from neurotasks.tasks.two_step import CENTRE


class BayesTwoStep(Observer):
    """Knows the task and keeps a belief about which second-stage state is the better one.

    Args:
        env: Environment it will play.
        seed: Seed of its choices between equals and of its lapses.
        lapse: Probability of choosing the other side at the first stage.
    """

    memory = [("belief", np.float64), ("choice", np.int64), ("second_state", np.int64)]

    def __init__(self, env: TaskEnvironment, seed: int | None = None, lapse: float = 0.0) -> None:
        super().__init__(env, seed)
        self.lapse = lapse

    def start(self, memory: Any) -> None:
        """Either state may be the better one."""
        memory["belief"] = 0.5
        memory["choice"] = -1
        memory["second_state"] = -1

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Learn if the last step was a second stage, then answer what is shown."""
        shown = stimulus.argmax(axis=1)
        first = 1 if self.parameters.fixation else 0
        ended = memory["second_state"] >= 0
        if ended.any():
            part = memory[ended]
            self.learn(part, reward[ended])
            part["second_state"] = -1
            memory[ended] = part
        actions = np.where(shown < first, CENTRE, 0)
        at_first = shown == first
        choices = self.choose(memory)
        memory["choice"] = np.where(at_first, choices, memory["choice"])
        actions = np.where(at_first, choices, actions)
        memory["second_state"] = np.where(shown > first, shown - first - 1, -1)
        return actions

    def learn(self, memory: Any, reward: NDArray[np.float64]) -> None:
        """Apply Bayes' rule to the outcome, then allow for a reversal."""
        memory["belief"] = update_belief(
            memory["belief"], memory["second_state"], reward, self.parameters
        )

    def choose(self, memory: Any) -> NDArray[np.int64]:
        """Choose the side whose common transition leads to the more probable better state."""
        lean = memory["belief"] - 0.5
        ties = np.abs(lean) < 1e-12
        side = np.where(ties, self.rng.random(len(lean)) < 0.5, lean > 0).astype(np.int64)
        if self.parameters.p_common < 0.5:
            side = 1 - side
        lapsed = self.rng.random(len(lean)) < self.lapse
        return np.where(lapsed, 1 - side, side)


def update_belief(
    belief: NDArray[np.float64], state: NDArray[np.int64], reward: NDArray[np.float64], p: Any
) -> NDArray[np.float64]:
    """Return the probability that state 1 is the better one at the next trial.

    Args:
        belief: Probability, at this trial, that state 1 is the better one.
        state: Second-stage state reached, 0 or 1.
        reward: Outcome, 0 or 1.
        p: Parameters of the task.

    Returns:
        The belief after the outcome and a possible reversal, same shape.
    """
    good = np.where(reward > 0, p.p_reward, 1 - p.p_reward)  # likelihood if `state` is better
    bad = 1 - good
    like_1 = np.where(state == 1, good, bad)
    like_0 = np.where(state == 1, bad, good)
    evidence = belief * like_1 + (1 - belief) * like_0
    posterior = np.divide(belief * like_1, evidence, out=belief.copy(), where=evidence > 0)
    return np.asarray(posterior * (1 - p.p_reversal) + (1 - posterior) * p.p_reversal)


class ModelFreeTwoStep(ModelPlayer):
    """Q(1) learner: reinforces the first-stage choice with the outcome, whatever lay between.

    It plays `neurotasks.models.bandit.RESCORLA_WAGNER`.

    Args:
        env: Environment it will play.
        seed: Seed of its choices.
        alpha: Learning rate.
        beta: Inverse temperature of the softmax.

    Raises:
        ParameterError: If a parameter is outside its range.
    """

    def __init__(
        self, env: TaskEnvironment, seed: int | None = None, alpha: float = 0.5, beta: float = 5.0
    ) -> None:
        super().__init__(env, RESCORLA_WAGNER, {"alpha": alpha, "beta": beta}, seed)
