"""Observers of the foraging task."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotasks.models.foraging import LEAKY_INCOME, WHOLE_EPISODE
from neurotasks.observers.base import Observer, TaskEnvironment
from neurotasks.observers.model_player import ModelPlayer
from neurotasks.tasks.foraging import CENTRE, LEFT, RIGHT

GRID = 50  # values of p0(left) that BayesForaging considers


class _ForagingObserver(Observer):
    """Walks through a trial; subclasses learn from its outcome and choose an arm."""

    def p_right(self, memory: Any) -> NDArray[np.float64]:
        """Return the probability of choosing the right arm, (num_envs,)."""
        raise NotImplementedError

    def learn(self, memory: Any, choice: NDArray[np.int64], reward: NDArray[np.float64]) -> None:
        """Learn from the choice of a trial and its reward."""

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Learn if the last action was a choice, then answer what is shown."""
        chose = (action == LEFT) | (action == RIGHT)
        if chose.any():
            part = memory[chose]
            self.learn(part, action[chose], reward[chose])
            memory[chose] = part
        side = (self.rng.random(len(memory)) < self.p_right(memory)).astype(np.int64)
        # nothing is seen after the end of an episode either
        fixating = (stimulus[:, -1] == 0) & self.parameters.fixation
        return np.where(fixating, CENTRE, side)


class BayesForaging(_ForagingObserver):
    """Knows how arms are baited, infers p0 from the outcomes, and takes the likelier arm.

    It starts from p0(left) uniform on [0, `p0_sum`], on a grid, and is greedy: it chooses the arm
    with the larger expected probability of paying in this trial.

    Args:
        env: Environment it will play.
        seed: Seed of its choices between equals.
        p0_left: Values of p0(left) that it considers; by default `GRID` values over the range.
    """

    def __init__(
        self, env: TaskEnvironment, seed: int | None = None, p0_left: ArrayLike | None = None
    ) -> None:
        super().__init__(env, seed)
        grid = (np.arange(GRID) + 0.5) / GRID * self.parameters.p0_sum
        left = grid if p0_left is None else np.asarray(p0_left, np.float64)
        self.p0 = np.stack([left, self.parameters.p0_sum - left])
        self.memory = [
            ("belief", np.float64, (len(left),)),  # probability of each value of p0(left)
            ("empty", np.float64, self.p0.shape),  # that an arm would not pay, given p0(left)
        ]

    def start(self, memory: Any) -> None:
        """All p0 are equally likely, and both arms have their p0."""
        memory["belief"] = 1 / self.p0.shape[1]
        memory["empty"] = 1 - self.p0

    def learn(self, memory: Any, choice: NDArray[np.int64], reward: NDArray[np.float64]) -> None:
        """Apply Bayes' rule to the outcome, then bait the arms."""
        rows = np.arange(len(memory))
        empty = memory["empty"][rows, choice]
        belief = memory["belief"] * np.where(reward[:, None] > 0, 1 - empty, empty)
        evidence = belief.sum(axis=1, keepdims=True)
        memory["belief"] = np.divide(belief, evidence, out=memory["belief"], where=evidence > 0)
        memory["empty"][rows, choice] = 1  # taken, or there was nothing
        memory["empty"] *= 1 - self.p0

    def expected(self, memory: Any) -> NDArray[np.float64]:
        """Return the expected probability that each arm pays in this trial, (num_envs, 2)."""
        expected: NDArray[np.float64] = 1 - (memory["empty"] * memory["belief"][:, None]).sum(2)
        return expected

    def p_right(self, memory: Any) -> NDArray[np.float64]:
        """Return 1 where the right arm is likelier to pay, 1/2 for a tie."""
        expected = self.expected(memory)
        lead: NDArray[np.float64] = expected[:, RIGHT] - expected[:, LEFT]
        return np.where(np.abs(lead) < 1e-12, 0.5, lead > 0)


class LeakyIncomeForaging(ModelPlayer):
    """Matches its choices to the recent income from each arm (Sugrue et al. 2004).

    The income of an arm decays by exp(-1/tau) per trial and grows by each reward from the arm; the
    arm is chosen with probability income / sum of incomes. It plays
    `neurotasks.models.foraging.LEAKY_INCOME`.

    Args:
        env: Environment it will play.
        seed: Seed of its choices.
        tau: Time constant of the decay, in trials; infinite for none.
        income: Income of each arm at the start, in rewards; above 0 (our choice), as an arm
            without any income is never tried again.

    Raises:
        ParameterError: If a parameter is outside its range.
    """

    def __init__(
        self, env: TaskEnvironment, seed: int | None = None, tau: float = 10.0, income: float = 0.6
    ) -> None:
        model = LEAKY_INCOME.fixing(income0=income)
        super().__init__(env, model, {"tau": min(tau, WHOLE_EPISODE)}, seed)


class MatchingForaging(_ForagingObserver):
    """Chooses each arm with probability proportional to its p0.

    It reads p0 from the environment it was made with, as `Oracle` does: a reference, not an
    observer.

    Args:
        env: Environment it will play.
        seed: Seed of its choices.
    """

    def p_right(self, memory: Any) -> NDArray[np.float64]:
        """Return the right arm's part of the sum of p0, 1/2 if both are 0."""
        p0 = self.env.get_state()["p0"]
        total, half = p0.sum(axis=1), np.full(len(p0), 0.5)
        return np.asarray(np.divide(p0[:, RIGHT], total, out=half, where=total > 0))


class WinStayLoseShiftForaging(_ForagingObserver):
    """Chooses an arm again if it has just paid, and else the other one.

    Args:
        env: Environment it will play.
        seed: Seed of its first choices.
    """

    memory = [("p_right", np.float64)]

    def start(self, memory: Any) -> None:
        """Either arm may be the first."""
        memory["p_right"] = 0.5

    def learn(self, memory: Any, choice: NDArray[np.int64], reward: NDArray[np.float64]) -> None:
        """Stay after a reward, and shift without one."""
        memory["p_right"] = np.where(reward > 0, choice, 1 - choice)

    def p_right(self, memory: Any) -> NDArray[np.float64]:
        """Return 0 or 1, and 1/2 in the first trial."""
        return np.asarray(memory["p_right"])


class BiasedForaging(_ForagingObserver):
    """Chooses the right arm with a probability drawn for the episode, whatever the outcomes.

    The probability is uniform, as the right arm's part of `p0_sum` is in the test.

    Args:
        env: Environment it will play.
        seed: Seed of its biases and choices.
    """

    memory = [("p_right", np.float64)]

    def start(self, memory: Any) -> None:
        """Draw the bias."""
        memory["p_right"] = self.rng.random(len(memory))

    def p_right(self, memory: Any) -> NDArray[np.float64]:
        """Return the bias."""
        return np.asarray(memory["p_right"])
