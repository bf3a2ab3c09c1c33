"""Observers of the risky-choice task."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.errors import ParameterError
from neurotasks.observers.base import Observer, TaskEnvironment
from neurotasks.tasks.risky_choice import CENTRE, LEFT, NONE, RIGHT

PRIORS = ("two-point", "uniform")
TINY = 1e-300  # for the impossible, so that what contradicts every value leaves a belief

# What is added to the RPE where dopamine is blocked or stimulated ([S6] of docs/sources.md; Wang
# 2018, simulation 6; the directions are those of Stopper et al. 2014).
MANIPULATIONS: dict[str, dict[str, float]] = {
    "control": {},
    "block risky reward": {"risky_reward_offset": -4.0},
    "block safe reward": {"safe_reward_offset": -1.0},
    "stimulate risky loss": {"risky_loss_offset": 1.0},
}


class _RiskyChoiceObserver(Observer):
    """Walks through a trial; subclasses learn from its outcome and choose in the free ones."""

    def choose(self, memory: Any) -> NDArray[np.int64]:
        """Return the free choices, 0 left or 1 right."""
        raise NotImplementedError

    def learn(self, memory: Any, reward: NDArray[np.float64]) -> None:
        """Learn from the choice in the memory and the reward."""
        raise NotImplementedError

    def is_safe(self, reward: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which rewards are those of the safe arm, as they were seen."""
        return np.asarray(reward == np.float32(self.parameters.safe_reward))

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Learn if the last step was a choice, then answer what is shown."""
        chosen = memory["choice"] >= 0
        part = memory[chosen]
        self.learn(part, reward[chosen])
        memory[chosen] = part
        shown = stimulus.argmax(axis=1)  # fixation, both arms, left only, right only
        choices = np.select([shown == 2, shown == 3], [LEFT, RIGHT], self.choose(memory))
        memory["choice"] = np.where(shown > 0, choices, NONE)
        return np.where(shown > 0, choices, CENTRE)


class BayesRiskyChoice(_RiskyChoiceObserver):
    """Knows the rewards, infers how often the risky arm pays, and takes the better arm.

    It is greedy: it does not take the risky arm in order to learn. Before it has met an outcome it
    does not know the sides; where both arms are worth the same it chooses at random.

    Args:
        env: Environment it will play.
        seed: Seed of its choices between equals.
        prior: Prior over the probability at the start of an episode: ``"two-point"``, one of the
            task's `p_values`, or ``"uniform"``, anything in [0, 1].

    Raises:
        ParameterError: If there is no such prior.
    """

    memory = [
        ("choice", np.int64),
        ("risky_side", np.int64),  # -1 unknown
        ("wins", np.int64),
        ("losses", np.int64),
    ]

    def __init__(
        self, env: TaskEnvironment, seed: int | None = None, prior: str = "two-point"
    ) -> None:
        super().__init__(env, seed)
        if prior not in PRIORS:
            raise ParameterError(f"prior must be one of {', '.join(PRIORS)}; got {prior!r}.")
        self.prior = prior

    def start(self, memory: Any) -> None:
        """Nothing is known."""
        memory["choice"] = NONE
        memory["risky_side"] = NONE
        memory["wins"] = memory["losses"] = 0

    def learn(self, memory: Any, reward: NDArray[np.float64]) -> None:
        """Tell the arms by the outcome, and count those of the risky one."""
        safe = self.is_safe(reward)
        memory["risky_side"] = np.where(safe, 1 - memory["choice"], memory["choice"])
        memory["wins"] += ~safe & (reward > 0)
        memory["losses"] += ~safe & (reward == 0)

    def expected_p(self, memory: Any) -> NDArray[np.float64]:
        """Return the mean of the posterior of the risky arm's probability, (num_envs,)."""
        wins, losses = memory["wins"][:, None], memory["losses"][:, None]
        if self.prior == "uniform":  # Laplace's rule of succession
            return np.asarray((wins + 1) / (wins + losses + 2))[:, 0]
        p = np.array(self.parameters.p_values)
        log_p, log_q = (np.log(np.maximum(x, TINY)) for x in (p, 1 - p))
        likelihood = wins * log_p + losses * log_q
        posterior = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
        return np.asarray(posterior @ p / posterior.sum(axis=1))

    def choose(self, memory: Any) -> NDArray[np.int64]:
        """Choose the arm with the larger expected reward."""
        p, risky = self.parameters, memory["risky_side"]
        lean = self.expected_p(memory) * p.risky_reward - p.safe_reward
        better = np.where(lean > 0, risky, 1 - risky)
        guess = self.rng.integers(2, size=len(memory))
        return np.where((risky < 0) | (np.abs(lean) < 1e-12), guess, better).astype(np.int64)


class RescorlaWagnerRiskyChoice(_RiskyChoiceObserver):
    """Learns a value for each arm from RPEs, which can be shifted as dopamine can be.

    `MANIPULATIONS` has the offsets of the paper's conditions. It learns in forced trials too.

    Args:
        env: Environment it will play.
        seed: Seed of its choices.
        alpha: Learning rate.
        beta: Inverse temperature of the softmax.
        initial_value: Value of both arms at the start of an episode.
        risky_reward_offset: Number added to the RPE when the risky arm pays.
        safe_reward_offset: Number added to the RPE when the safe arm pays.
        risky_loss_offset: Number added to the RPE when the risky arm does not pay.
    """

    memory = [("choice", np.int64), ("q", np.float64, (2,))]

    def __init__(
        self,
        env: TaskEnvironment,
        seed: int | None = None,
        alpha: float = 0.3,
        beta: float = 1.5,
        initial_value: float = 1.0,
        risky_reward_offset: float = 0.0,
        safe_reward_offset: float = 0.0,
        risky_loss_offset: float = 0.0,
    ) -> None:
        super().__init__(env, seed)
        self.alpha, self.beta, self.initial_value = alpha, beta, initial_value
        self.risky_reward_offset = risky_reward_offset
        self.safe_reward_offset = safe_reward_offset
        self.risky_loss_offset = risky_loss_offset

    def start(self, memory: Any) -> None:
        """Both arms are worth the same."""
        memory["choice"] = NONE
        memory["q"] = self.initial_value

    def learn(self, memory: Any, reward: NDArray[np.float64]) -> None:
        """Move the value of the choice by the shifted RPE."""
        rows, choice = np.arange(len(memory)), memory["choice"]
        offset = np.select(
            [self.is_safe(reward), reward > 0],
            [self.safe_reward_offset, self.risky_reward_offset],
            self.risky_loss_offset,
        )
        rpe = reward - memory["q"][rows, choice] + offset
        memory["q"][rows, choice] += self.alpha * rpe

    def choose(self, memory: Any) -> NDArray[np.int64]:
        """Draw from the softmax of the values."""
        return self.draw(memory["q"][:, 1] - memory["q"][:, 0], self.beta)
