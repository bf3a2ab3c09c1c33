"""Observers of the volatility task."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.models.volatility import HAZARD_RATE, RESCORLA_WAGNER
from neurotasks.observers.base import Observer, TaskEnvironment
from neurotasks.observers.model_player import ModelPlayer
from neurotasks.tasks.volatility import LEFT, RIGHT, STABLE, VOLATILE

GRID = 10  # values of log k between its bounds, where it is drawn from a range


class BayesVolatility(Observer):
    """The ideal observer of Behrens et al. 2007: infers r, v and k from the outcomes.

    It knows the process of training, and filters it exactly: the belief is over k, over p_better
    of the episode, over whether v > 0 and over which arm is the better one. Where log k is drawn
    from a range, `GRID` values stand for it. It treats test episodes as if they were
    generated in the same way.

    Args:
        env: Environment it will play.
        seed: Seed of its choices.
        beta: Inverse temperature of the softmax.
    """

    def __init__(self, env: TaskEnvironment, seed: int | None = None, beta: float = 8.0) -> None:
        super().__init__(env, seed)
        self.beta = beta
        p = self.parameters
        log_k = np.array(p.log_k)
        if p.log_k_from == "range":
            log_k = log_k[0] + (log_k[-1] - log_k[0]) * (np.arange(GRID) + 0.5) / GRID
        self.k = np.exp(log_k)[:, None, None, None]
        self.levels = np.array([p.p_stable, p.p_volatile])  # p_better, by the first block
        # probability of each k, p_better, block, better arm
        self.memory = [("belief", np.float64, (len(log_k), 2, 2, 2))]

    def start(self, memory: Any) -> None:
        """Every k, block and arm is equally likely; the block says what p_better is."""
        memory["belief"] = 0.0
        for block in (STABLE, VOLATILE):
            memory["belief"][:, :, block, block] = 1 / (4 * self.k.size)

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Learn if there was a trial before, then draw from the softmax of the arms' values."""
        later = action >= 0
        part = memory[later]
        self.learn(part, action[later], reward[later])
        memory[later] = part
        return self.draw(self.advantage(memory), self.beta)

    def learn(self, memory: Any, choice: NDArray[np.int64], reward: NDArray[np.float64]) -> None:
        """Apply Bayes' rule to the outcome, then let v toggle and, after it, r flip."""
        paying = np.where(reward > 0, choice, 1 - choice)
        likelihood = np.empty((len(memory), 1, 2, 1, 2))
        for arm in (LEFT, RIGHT):
            good = paying[:, None] == arm
            likelihood[:, 0, :, 0, arm] = np.where(good, self.levels, 1 - self.levels)
        belief = memory["belief"] * likelihood
        evidence = belief.sum(axis=(1, 2, 3, 4), keepdims=True)
        belief = np.divide(belief, evidence, out=memory["belief"].copy(), where=evidence > 0)
        belief = (1 - self.k) * belief + self.k * belief[..., ::-1, :]
        v = self.parameters.volatility
        volatile = belief[..., VOLATILE, :]
        belief[..., VOLATILE, :] = (1 - v) * volatile + v * volatile[..., ::-1]
        memory["belief"] = belief

    def p_volatile(self, memory: Any) -> NDArray[np.float64]:
        """Return the probability that v > 0 in the coming trial, (num_envs,)."""
        probability: NDArray[np.float64] = memory["belief"][..., VOLATILE, :].sum(axis=(1, 2, 3))
        return probability

    def advantage(self, memory: Any) -> NDArray[np.float64]:
        """Return the expected reward of the right arm less that of the left one."""
        arms = (memory["belief"].sum(axis=(1, 3)) * (2 * self.levels - 1)[:, None]).sum(axis=1)
        difference: NDArray[np.float64] = arms[:, RIGHT] - arms[:, LEFT]
        return difference


class ConstantHazardVolatility(ModelPlayer):
    """Assumes that reversals are equally likely in every trial.

    It infers which arm is the better one, and p_better, for which a few values stand: it plays
    `neurotasks.models.volatility.HAZARD_RATE`.

    Args:
        env: Environment it will play.
        seed: Seed of its choices.
        beta: Inverse temperature of the softmax.
        hazard: Hazard rate: probability of a reversal in each trial, up to 0.5.

    Raises:
        ParameterError: If a parameter is outside its range.
    """

    def __init__(
        self, env: TaskEnvironment, seed: int | None = None, beta: float = 8.0, hazard: float = 0.01
    ) -> None:
        super().__init__(env, HAZARD_RATE, {"hazard": hazard, "beta": beta}, seed)


class RescorlaWagnerVolatility(ModelPlayer):
    """Learns r at a fixed rate, whatever the volatility (Rescorla & Wagner 1972; Behrens 2007).

    Since one of the arms pays in each trial, every outcome is informative about both. It plays
    `neurotasks.models.volatility.RESCORLA_WAGNER`.

    Args:
        env: Environment it will play.
        seed: Seed of its choices.
        beta: Inverse temperature of the softmax.
        alpha: Learning rate; 0.5 was the best fixed one in Wang et al. 2016.

    Raises:
        ParameterError: If a parameter is outside its range.
    """

    def __init__(
        self, env: TaskEnvironment, seed: int | None = None, beta: float = 8.0, alpha: float = 0.5
    ) -> None:
        super().__init__(env, RESCORLA_WAGNER, {"alpha": alpha, "beta": beta}, seed)


def reference_volatility(env: TaskEnvironment, seed: int | None = None) -> BayesVolatility:
    """Return the Bayesian observer with choices that are all but greedy."""
    return BayesVolatility(env, seed, beta=1000.0)
