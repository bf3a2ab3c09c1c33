"""Observer of the two-step task with drifting rewards, or with reward levels that change."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.observers.bandit import walk
from neurotasks.observers.base import Observer, TaskEnvironment
from neurotasks.tasks.two_step_daw import ARMS, FIRST, LEVELS

CELLS = 25  # of the histogram over a reward probability


class FilteringTwoStepDaw(Observer):
    """Knows the task, follows what the four stimuli pay, and plans one trial ahead.

    Its belief about each reward probability is a histogram, filtered exactly up to its bins, that
    about each level exact: outcomes of the others say nothing about it. At the second stage it
    takes the stimulus with the larger mean, at the first the side that leads to the larger one. It
    is the reference and not provably optimal, as it does not choose a stimulus in order to learn
    about it.

    Args:
        env: Environment it will play.
        seed: Seed of its choices between equals.
    """

    def __init__(self, env: TaskEnvironment, seed: int | None = None) -> None:
        super().__init__(env, seed)
        p = self.parameters
        self.levels = p.outcomes == "levels"
        if self.levels:
            self.p = np.repeat(np.arange(LEVELS) / (LEVELS - 1), p.hold_high)
            self.prior, self.moves = renewals(p.hold_low, p.hold_high)
        else:
            places = (np.arange(CELLS) + 0.5) / CELLS
            span = p.p_high - p.p_low
            self.p = p.p_low + span * places
            self.prior, self.moves = np.full(CELLS, 1 / CELLS), walk(places, p.drift / span)
        self.memory = [
            ("belief", np.float64, (ARMS, len(self.p))),
            ("second_state", np.int64),  # shown in the last step, -1 at the first stage
        ]

    def start(self, memory: Any) -> None:
        """Every probability between the bounds, or every level, is equally likely."""
        memory["belief"] = self.prior
        memory["second_state"] = -1

    def means(self, memory: Any) -> NDArray[np.float64]:
        """Return the expected reward of each stimulus, (num_envs, ARMS)."""
        return np.asarray(np.einsum("lac,c->la", memory["belief"], self.p))

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Learn if the last step was a second stage, then answer what is shown."""
        ended = np.flatnonzero((memory["second_state"] >= 0) & (action >= 0))
        if len(ended):
            arm = 2 * memory["second_state"][ended] + action[ended]
            belief = memory["belief"][ended]
            rows = np.arange(len(ended))
            paid = reward[ended, None]
            binary = np.where(paid > 0, self.p, 1 - self.p)
            likelihood = self.p == paid if self.levels else binary
            posterior = belief[rows, arm] * likelihood
            evidence = posterior.sum(axis=1, keepdims=True)
            belief[rows, arm] = np.divide(
                posterior, evidence, out=belief[rows, arm], where=evidence > 0
            )
            # einsum, not @: on a busy machine the threads of BLAS wait for each other
            memory["belief"][ended] = np.einsum("lac,cd->lad", belief, self.moves)
        means = self.means(memory)
        shown = stimulus.argmax(axis=1)
        state = np.maximum(shown - 1, 0)
        rows = np.arange(len(memory))
        at_second = means[rows, 2 * state + 1] - means[rows, 2 * state]
        best = means.reshape(-1, 2, 2).max(axis=2)
        at_first = (best[:, 1] - best[:, 0]) * np.sign(2 * self.parameters.p_common - 1)
        lead = np.where(shown == FIRST, at_first, at_second)
        lead = np.where(np.abs(lead) < 1e-12, self.rng.random(len(lead)) - 0.5, lead)
        memory["second_state"] = shown - 1
        return (lead > 0).astype(np.int64)


def renewals(low: int, high: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how a level changes that holds for a number of trials and is then drawn anew.

    Cells are levels times the number of trials that the level still holds, from 1 to `high`.

    Args:
        low: Smallest number of trials that a level holds.
        high: Largest number of trials.

    Returns:
        Probability of each cell when a level has just been drawn, (cells,), and of going from cell
        i to cell j in a trial at ``[i, j]``.
    """
    left = np.tile(np.arange(1, high + 1), LEVELS)
    drawn = (left >= low) / (LEVELS * (high - low + 1))
    moves = np.diag((left[1:] > 1).astype(np.float64), -1)
    moves[left == 1] = drawn
    return drawn, moves
