"""Observers of the bandits."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.errors import ParameterError
from neurotasks.observers.base import Observer, TaskEnvironment

# 1601 and 600 change no index by more than 2e-4
THRESHOLDS = 601  # p of the known arms at which the calibration is done
LOOKAHEAD = 150  # pulls after the last trial
CELLS = 100  # of the grid over p1, restless bandit


class _CountingBandit(Observer):
    """Counts what each arm has brought; subclasses choose."""

    def __init__(self, env: TaskEnvironment, seed: int | None = None) -> None:
        super().__init__(env, seed)
        _require(self, self.parameters.problem != "informative", "arms that pay 1 or 0")
        arms = self.parameters.arms
        self.memory = [("wins", np.float64, (arms,)), ("losses", np.float64, (arms,))]

    def choose(self, memory: Any) -> NDArray[np.int64]:
        """Return the arms to pull."""
        raise NotImplementedError

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Count the last pull, then choose."""
        memory[action < 0] = np.zeros((), memory.dtype)  # whatever a finished episode left behind
        rows = np.flatnonzero(action >= 0)
        arms = action[rows]
        memory["wins"][rows, arms] += reward[rows]
        memory["losses"][rows, arms] += 1 - reward[rows]
        return self.choose(memory)


class GittinsBandit(_CountingBandit):
    """Pulls the arm with the highest Gittins index: optimal for independent arms.

    Optimal for an endless episode with discounted rewards, and for the prior of the independent
    bandit, each p from the uniform distribution (Gittins 1979, J. R. Stat. Soc. B 41:148).

    Args:
        env: Environment it will play.
        seed: Seed of its choices between equals.
        gamma: Discount factor.
    """

    def __init__(self, env: TaskEnvironment, seed: int | None = None, gamma: float = 0.99) -> None:
        super().__init__(env, seed)
        self.indices = gittins_indices(self.parameters.trials + 1, gamma)  # also after the last

    def choose(self, memory: Any) -> NDArray[np.int64]:
        """Look the indices up."""
        wins, losses = memory["wins"].astype(np.int64), memory["losses"].astype(np.int64)
        return _highest(self.indices[wins, losses], self.rng)


@cache
def gittins_indices(trials: int, gamma: float = 0.99) -> NDArray[np.float64]:
    """Return the Gittins indices of an arm whose p is from the uniform distribution.

    By calibration against an arm of known p (Gittins, Glazebrook & Weber 2011, Multi-armed Bandit
    Allocation Indices, section 1.4): backward induction gives the advantage of continuing over
    switching to the known arm for good, for many known arms at once; the index is the p at which it
    vanishes, interpolated linearly. `LOOKAHEAD` pulls after the last trial the arm counts as known.

    Args:
        trials: Pulls in an episode.
        gamma: Discount factor, in [0, 1).

    Returns:
        The index after w wins and l losses at ``[w, l]``, (trials, trials); zero where w + l is
        not below trials.

    Raises:
        ParameterError: If gamma is outside its range.
    """
    if not 0 <= gamma < 1:
        raise ParameterError(f"gamma must be in [0, 1); got {gamma!r}.")
    # denser towards 0 and 1, where the indices of long runs of wins or losses lie close
    known = (1 - np.cos(np.linspace(0, np.pi, THRESHOLDS)[:, None])) / 2
    end = trials + LOOKAHEAD
    worth = np.maximum(known, np.arange(1, end + 2) / (end + 2))  # (thresholds, wins)
    indices = np.zeros((trials, trials))
    for pulls in range(end - 1, -1, -1):
        wins = np.arange(pulls + 1)
        p = (wins + 1) / (pulls + 2)
        go_on = (1 - gamma) * p + gamma * (p * worth[:, 1:] + (1 - p) * worth[:, :-1])
        worth = np.maximum(known, go_on)
        if pulls < trials:
            advantage = go_on - known
            last = (advantage > 0).sum(axis=0) - 1  # it falls with the p of the known arm
            above, below = advantage[last, wins], advantage[last + 1, wins]
            lower, upper = known[last, 0], known[last + 1, 0]
            indices[wins, pulls - wins] = lower + (upper - lower) * above / (above - below)
    return indices


class ThompsonBandit(_CountingBandit):
    """Draws p of each arm from its posterior and pulls the best (Thompson 1933).

    The prior is that of the independent bandit, each p from the uniform distribution.

    Args:
        env: Environment it will play.
        seed: Seed of its draws.
    """

    def choose(self, memory: Any) -> NDArray[np.int64]:
        """Draw from the posteriors."""
        drawn = self.rng.beta(1 + memory["wins"], 1 + memory["losses"])
        return np.asarray(drawn.argmax(axis=1))


class UcbBandit(_CountingBandit):
    """Pulls the arm with the highest upper confidence bound (Auer et al. 2002).

    The bound of an arm pulled n_i times of n is its mean reward + sqrt(chi log n / n_i); first it
    pulls each arm once. With chi = 1 it is that of Wang 2016, with chi = 2 UCB1.

    Args:
        env: Environment it will play.
        seed: Seed of its choices between equals.
        chi: Width of the confidence bound.
    """

    def __init__(self, env: TaskEnvironment, seed: int | None = None, chi: float = 1.0) -> None:
        super().__init__(env, seed)
        self.chi = chi

    def choose(self, memory: Any) -> NDArray[np.int64]:
        """Compute the bounds."""
        pulls = memory["wins"] + memory["losses"]
        n = np.maximum(pulls.sum(axis=1, keepdims=True), 1)
        some = np.maximum(pulls, 1)
        bound = memory["wins"] / some + np.sqrt(self.chi * np.log(n) / some)
        return _highest(np.where(pulls > 0, bound, np.inf), self.rng)


class CorrelatedBandit(_CountingBandit):
    """Knows that p2 = 1 - p1 and pulls the arm that is more probably the better one.

    Each pull is equally informative about both arms, so the greedy choice is optimal. It is
    the same for every prior of p1 that is symmetric about 1/2, and so for all correlated problems
    whose p does not move.

    Args:
        env: Environment it will play.
        seed: Seed of its choices between equals.
    """

    def __init__(self, env: TaskEnvironment, seed: int | None = None) -> None:
        super().__init__(env, seed)
        _require(self, self.parameters.arms == 2, "two arms")

    def choose(self, memory: Any) -> NDArray[np.int64]:
        """Compare the evidence for either arm."""
        return _highest(evidence(memory), self.rng)


class CorrelatedThompsonBandit(CorrelatedBandit):
    """Knows that p2 = 1 - p1 and draws p1 from its posterior; the prior is uniform.

    Args:
        env: Environment it will play.
        seed: Seed of its draws.
    """

    def choose(self, memory: Any) -> NDArray[np.int64]:
        """Draw p1."""
        first, second = evidence(memory).T
        return np.where(self.rng.beta(1 + first, 1 + second) > 0.5, 0, 1)


def evidence(memory: Any) -> NDArray[np.float64]:
    """Return how many pulls spoke for each of two arms with p2 = 1 - p1.

    Args:
        memory: Record array with ``wins`` and ``losses``, each (num_envs, 2).

    Returns:
        The wins of an arm and the losses of the other, (num_envs, 2).
    """
    return np.asarray(memory["wins"] + memory["losses"][:, ::-1])


class InformativeBandit(Observer):
    """Pulls the last arm of the informative bandit once, then the target it named.

    Args:
        env: Environment it will play.
        seed: Not used, as it draws nothing.
    """

    memory = [("target", np.int64)]

    def __init__(self, env: TaskEnvironment, seed: int | None = None) -> None:
        super().__init__(env, seed)
        _require(self, self.parameters.problem == "informative", "problem='informative'")

    def start(self, memory: Any) -> None:
        """The target is not known."""
        memory["target"] = -1

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Read the number of the target from the reward, once."""
        last = self.parameters.arms - 1
        named = np.rint(reward / self.parameters.index_reward).astype(np.int64) - 1
        named = named.clip(0, last)  # a state put by hand may bring a reward that names nothing
        memory["target"] = np.where(action == last, named, memory["target"])
        return np.asarray(np.where(memory["target"] >= 0, memory["target"], last))


class RescorlaWagnerBandit(Observer):
    """Moves the value of the arm pulled towards its reward by a fixed fraction.

    The learner that Wang 2016 fitted to their agents on the restless bandit, with the paper's
    names: alpha was 0.5 and epsilon 0 where they were not fitted.

    Args:
        env: Environment it will play.
        seed: Seed of its choices.
        alpha: Learning rate.
        beta: Inverse temperature of the softmax.
        epsilon: Probability of a choice at random.
    """

    def __init__(
        self,
        env: TaskEnvironment,
        seed: int | None = None,
        alpha: float = 0.5,
        beta: float = 8.0,
        epsilon: float = 0.0,
    ) -> None:
        super().__init__(env, seed)
        self.alpha, self.beta, self.epsilon = alpha, beta, epsilon
        self.memory = [("q", np.float64, (self.parameters.arms,))]

    def start(self, memory: Any) -> None:
        """All values are one half."""
        memory["q"] = 0.5

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Learn from the last pull, then draw from the softmax of the values."""
        rows = np.flatnonzero(action >= 0)
        arms = action[rows]
        memory["q"][rows, arms] += self.alpha * (reward[rows] - memory["q"][rows, arms])
        q = memory["q"]
        soft = (self.beta * q + self.rng.gumbel(size=q.shape)).argmax(axis=1)
        lapsed = self.rng.random(len(q)) < self.epsilon
        return np.where(lapsed, self.rng.integers(q.shape[1], size=len(q)), soft)


class RestlessBandit(Observer):
    """Ideal observer of the restless bandit: a joint belief about p1 and the size of its steps.

    It knows the sizes of the steps and pulls the arm with the higher expected reward, which is
    optimal because each pull is equally informative about both arms. The belief about p1 is a
    histogram.

    Args:
        env: Environment it will play.
        seed: Seed of its choices between equals.
    """

    memory = [("belief", np.float64, (2, CELLS))]  # small or large steps, p1

    def __init__(self, env: TaskEnvironment, seed: int | None = None) -> None:
        super().__init__(env, seed)
        p = self.parameters
        _require(self, p.problem == "restless", "problem='restless'")
        self.p_first = (np.arange(CELLS) + 0.5) / CELLS
        self.moves = np.stack([walk(self.p_first, sd) for sd in (p.step_stable, p.step_volatile)])

    def start(self, memory: Any) -> None:
        """p1 is from the uniform distribution."""
        p_volatile = self.parameters.p_volatile
        memory["belief"] = np.array([[1 - p_volatile], [p_volatile]]) / CELLS

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Apply Bayes' rule to the last pull, move, and choose."""
        rows = np.flatnonzero(action >= 0)
        first = (action[rows] == 0) == (reward[rows] > 0)  # the pull speaks for arm 0
        likelihood = np.where(first[:, None], self.p_first, 1 - self.p_first)
        posterior = memory["belief"][rows] * likelihood[:, None]
        posterior /= posterior.sum(axis=(1, 2), keepdims=True)
        # einsum, not @: on a busy machine the threads of BLAS wait for each other
        memory["belief"][rows] = np.einsum("lvi,vij->lvj", posterior, self.moves)
        expected = np.einsum("lvi,i->l", memory["belief"], self.p_first)
        lean = np.where(np.abs(expected - 0.5) < 1e-9, 0.0, expected - 0.5)
        return _highest(np.stack([lean, -lean], axis=1), self.rng)


def walk(p: NDArray[np.float64], sd: float) -> NDArray[np.float64]:
    """Return how a Gaussian step that is reflected at 0 and 1 moves a histogram over [0, 1].

    Args:
        p: Centres of the bins, evenly spaced, (bins,).
        sd: Standard deviation of the step.

    Returns:
        Probability of going from the centre of bin i to anywhere in bin j at ``[i, j]``.
    """
    edges = np.linspace(0, 1, len(p) + 1)
    moves = np.zeros((len(p), len(p)))
    for image in range(-10, 11):  # of [0, 1], mirrored if odd; the step is at most 1 by parameter
        place = image + (edges if image % 2 == 0 else 1 - edges)
        z = (place - p[:, None]) / max(sd, 1e-9) / math.sqrt(2)
        moves += np.abs(np.diff(np.vectorize(math.erf)(z), axis=1)) / 2
    return moves


def _highest(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the column of the highest value of each row, any of them if there are several."""
    best = values == values.max(axis=1, keepdims=True)
    return np.asarray((best * (1 - rng.random(values.shape))).argmax(axis=1))


def _require(observer: Observer, fits: bool, wanted: str) -> None:
    if not fits:
        p = observer.parameters
        raise ParameterError(
            f"{type(observer).__name__} needs {wanted}, but got an environment with "
            f"problem={p.problem!r}, arms={p.arms}."
        )


REFERENCES: dict[str, type[Observer]] = {
    "independent": GittinsBandit,
    "informative": InformativeBandit,
    "restless": RestlessBandit,
}


def reference_bandit(env: TaskEnvironment, seed: int | None = None) -> Observer:
    """Return the reference observer of a bandit's `problem`."""
    return REFERENCES.get(env.unwrapped.parameters.problem, CorrelatedBandit)(env, seed)
