"""Observers of the volatility task."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.observers.base import Observer, TaskEnvironment
from neurotasks.tasks.volatility import LEFT, RIGHT, STABLE, VOLATILE

GRID = 10  # values of log k between its bounds, where it is drawn from a range, and of p_better


class _VolatilityObserver(Observer):
    """Learns from the last outcome, then draws from the softmax of the two arms' values.

    Args:
        env: Environment it will play.
        seed: Seed of its choices.
        beta: Inverse temperature of the softmax.
    """

    def __init__(self, env: TaskEnvironment, seed: int | None = None, beta: float = 8.0) -> None:
        super().__init__(env, seed)
        self.beta = beta

    def learn(self, memory: Any, choice: NDArray[np.int64], reward: NDArray[np.float64]) -> None:
        """Learn from a choice and its reward."""
        raise NotImplementedError

    def advantage(self, memory: Any) -> NDArray[np.float64]:
        """Return the value of the right arm less that of the left one."""
        raise NotImplementedError

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Learn if there was a trial before, then choose."""
        later = action >= 0
        part = memory[later]
        self.learn(part, action[later], reward[later])
        memory[later] = part
        return self.draw(self.advantage(memory), self.beta)


class BayesVolatility(_VolatilityObserver):
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
        super().__init__(env, seed, beta)
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


class ConstantHazardVolatility(_VolatilityObserver):
    """Assumes that reversals are equally likely in every trial.

    It infers which arm is the better one, and p_better, for which `GRID` values stand.

    Args:
        env: Environment it will play.
        seed: Seed of its choices.
        beta: Inverse temperature of the softmax.
        hazard: Hazard rate: probability of a reversal in each trial.
    """

    memory = [("belief", np.float64, (GRID, 2))]  # probability of each p_better, better arm

    def __init__(
        self, env: TaskEnvironment, seed: int | None = None, beta: float = 8.0, hazard: float = 0.01
    ) -> None:
        super().__init__(env, seed, beta)
        self.hazard = hazard
        self.levels = 0.5 + (np.arange(GRID) + 0.5) / (2 * GRID)

    def start(self, memory: Any) -> None:
        """Every p_better and either arm are equally likely."""
        memory["belief"] = 1 / (2 * GRID)

    def learn(self, memory: Any, choice: NDArray[np.int64], reward: NDArray[np.float64]) -> None:
        """Apply Bayes' rule to the outcome, then let the arms swap."""
        paying = np.where(reward > 0, choice, 1 - choice)
        good = paying[:, None, None] == np.arange(2)
        levels = self.levels[:, None]
        belief = memory["belief"] * np.where(good, levels, 1 - levels)
        belief /= belief.sum(axis=(1, 2), keepdims=True)
        memory["belief"] = (1 - self.hazard) * belief + self.hazard * belief[..., ::-1]

    def advantage(self, memory: Any) -> NDArray[np.float64]:
        """Return the expected reward of the right arm less that of the left one."""
        lead = memory["belief"][..., RIGHT] - memory["belief"][..., LEFT]
        difference: NDArray[np.float64] = lead @ (2 * self.levels - 1)
        return difference


class RescorlaWagnerVolatility(_VolatilityObserver):
    """Learns r at a fixed rate, whatever the volatility (Rescorla & Wagner 1972; Behrens 2007).

    Since one of the arms pays in each trial, every outcome is informative about both.

    Args:
        env: Environment it will play.
        seed: Seed of its choices.
        beta: Inverse temperature of the softmax.
        alpha: Learning rate; 0.5 was the best fixed one in Wang et al. 2016.
    """

    memory = [("p_right", np.float64)]

    def __init__(
        self, env: TaskEnvironment, seed: int | None = None, beta: float = 8.0, alpha: float = 0.5
    ) -> None:
        super().__init__(env, seed, beta)
        self.alpha = alpha

    def start(self, memory: Any) -> None:
        """Either arm pays as often."""
        memory["p_right"] = 0.5

    def learn(self, memory: Any, choice: NDArray[np.int64], reward: NDArray[np.float64]) -> None:
        """Move the estimate towards the arm that paid."""
        paying = np.where(reward > 0, choice, 1 - choice)
        memory["p_right"] += self.alpha * (paying - memory["p_right"])

    def advantage(self, memory: Any) -> NDArray[np.float64]:
        """Return the difference of the arms' reward probabilities."""
        difference: NDArray[np.float64] = 2 * memory["p_right"] - 1
        return difference


def reference_volatility(env: TaskEnvironment, seed: int | None = None) -> BayesVolatility:
    """Return the Bayesian observer with choices that are all but greedy."""
    return BayesVolatility(env, seed, beta=1000.0)
