"""Simulated dopamine neurons: distributional, classical, and their null models.

Each neuron predicts a value V and learns with its own rates for positive and negative RPEs; with
the RPE as it is (identity) it learns the tau-expectile of the reward, with its sign alone the
tau-quantile, tau = alpha+ / (alpha+ + alpha-) (Dabney et al. 2020; Lowet et al. 2020, Box 2).

The source of each number stands next to it: "counted" is computed from the public files of the
recorded neurons ([KIM]), a key such as [HRH] names a public reproduction; docs/sources.md lists the
keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotasks.core.cache import cached
from neurotasks.observers.expectiles import expectiles
from neurotasks.tasks.variable_probability import VariableProbabilityParameters
from neurotasks.tasks.variable_reward import EMPIRICAL_UTILITIES, VariableRewardParameters

Floats = NDArray[np.float64]
Response = Literal["expectile", "quantile"]

_REWARDS = VariableRewardParameters()

MAGNITUDES = np.array(_REWARDS.magnitudes)
"""Rewards of the variable-magnitude task, microlitres (the authors' analysis code)."""

PROBABILITIES = np.array(_REWARDS.probabilities) / sum(_REWARDS.probabilities)
"""Probabilities of the magnitudes in all rewarded trials of the 40 neurons ([HRH]; counted: the
same)."""

CUE_PROBABILITIES = np.array(VariableProbabilityParameters().p_reward)
"""Probability of reward after each odour of the variable-probability task (caption of Extended Data
Fig. 9)."""

ETA = 0.02
"""Learning rate that multiplies every alpha ([HRH])."""

TRIALS = 25_000
"""Trials of a simulation of Fig. 2 ([HRH] and a second reproduction)."""

NEURONS, RUNS = 151, 10
"""Size and number of populations in a simulation of Fig. 2 ([HRH]; a second reproduction has 150
neurons)."""

FLOOR = 0.2
"""Constant added to both alphas where they scale the response ([HRH] and a second
reproduction)."""

NOISE = 0.365
"""SD of a trial's response over the dynamic range, of the 40 recorded neurons (counted)."""

OFFSET_SD = 1.5
"""SD of the offsets of the additive-offset null, Hz (ours)."""


def empirical_utility(magnitudes: ArrayLike) -> Floats:
    """Return the utility of rewards on the axis of the neurons' own mean responses.

    Args:
        magnitudes: Rewards in microlitres, within the range of the task, any shape.

    Returns:
        Utilities in Hz: `EMPIRICAL_UTILITIES`, linear between the magnitudes as in the authors'
        analysis.
    """
    return np.asarray(
        np.interp(np.asarray(magnitudes, np.float64), MAGNITUDES, EMPIRICAL_UTILITIES)
    )


class Learned(NamedTuple):
    """Values that neurons have learned.

    Attributes:
        last: Value V after the last trial, (..., neurons).
        mean: Mean of V over the second half of the trials, where it only fluctuates,
            (..., neurons).
    """

    last: Floats
    mean: Floats


def learn(
    rewards: ArrayLike,
    alpha_plus: ArrayLike,
    alpha_minus: ArrayLike,
    *,
    eta: float = ETA,
    response: Response = "expectile",
    start: float = 0.0,
) -> Learned:
    """Let neurons learn from single rewards, each of which ends its trial.

    Args:
        rewards: Rewards, (trials, ...); further axes (runs, cues, ...) are learned independently.
        alpha_plus: Learning rates for positive RPEs, (..., neurons), broadcast against the rewards.
        alpha_minus: Learning rates for RPEs of zero and below, likewise.
        eta: Factor of both learning rates.
        response: Signal to learn from: the RPE for "expectile", its sign for "quantile".
        start: Value V before the first trial (ours: no reward is expected).

    Returns:
        The values learned.

    Raises:
        ValueError: If there is no such `response`, or there are fewer than two trials.
    """
    if response not in ("expectile", "quantile"):
        raise ValueError(
            f"response must be 'expectile' or 'quantile'; got {response!r}. Pass one of the two."
        )
    paid = np.asarray(rewards, np.float64)[..., None]
    if (trials := len(paid)) < 2:
        raise ValueError(f"rewards must hold at least two trials; got {trials}. Pass more trials.")
    up, down = eta * np.asarray(alpha_plus), eta * np.asarray(alpha_minus)
    shape = np.broadcast_shapes(paid.shape[1:], up.shape, down.shape)
    side_by_side = np.broadcast_to(paid[..., 0], (trials, *shape[:-1])).reshape(trials, -1)
    up, down = (np.broadcast_to(a, shape).reshape(-1, shape[-1]) for a in (up, down))
    last, total = _learn(side_by_side, up, down, float(start), response == "quantile")
    half = trials - trials // 2
    return Learned(last.reshape(shape), total.reshape(shape) / half)


@cached
def _learn(
    rewards: Floats, up: Floats, down: Floats, start: float, sign: bool
) -> tuple[Floats, Floats]:
    """Return the last values, and their sums over the second half of the trials.

    `rewards` is (trials, sequences); the other arrays are (sequences, neurons).
    """
    values, total = np.full(up.shape, start), np.zeros(up.shape)
    for i in range(rewards.shape[1]):
        for t in range(len(rewards)):
            for neuron in range(up.shape[1]):
                rpe = rewards[t, i] - values[i, neuron]
                rate = up[i, neuron] if rpe > 0 else down[i, neuron]
                values[i, neuron] += rate * (np.sign(rpe) if sign else rpe)
                if t >= len(rewards) // 2:
                    total[i, neuron] += values[i, neuron]
    return values, total


@dataclass(frozen=True)
class Neurons:
    """One population of neurons, or several: all arrays broadcast to (..., neurons).

    Attributes:
        value: Value V, in the unit of the rewards.
        alpha_plus: Learning rate for positive RPEs.
        alpha_minus: Learning rate for negative RPEs.
        offset: Constant added to every response, Hz.
        gain: Gain of the response, Hz per unit of reward.
        floor: Constant added to the alphas where they scale the response.
    """

    value: Floats
    alpha_plus: Floats
    alpha_minus: Floats
    offset: ArrayLike = 0.0
    gain: ArrayLike = 1.0
    floor: float = FLOOR

    @property
    def tau(self) -> Floats:
        """Asymmetry of learning, alpha+ / (alpha+ + alpha-)."""
        return self.alpha_plus / (self.alpha_plus + self.alpha_minus)

    def rates(self, utilities: ArrayLike) -> Floats:
        """Return mean responses to rewards, relative to baseline.

        Args:
            utilities: Utilities of the rewards, (magnitudes,).

        Returns:
            Responses gain (floor + alpha+-) (u - V) + offset, Hz, (..., neurons, magnitudes).
        """
        up, down, value, gain, offset = (
            np.asarray(a)[..., None]
            for a in (self.alpha_plus, self.alpha_minus, self.value, self.gain, self.offset)
        )
        rpe = np.asarray(utilities, np.float64) - value
        return gain * (self.floor + np.where(rpe > 0, up, down)) * rpe + offset

    def population(self, index: int) -> Neurons:
        """Return one of several populations.

        Args:
            index: Index along the first axis.

        Returns:
            The neurons of this population, every array of shape (neurons,).
        """
        shape = np.broadcast_shapes(
            *(np.shape(a) for a in (self.value, self.alpha_plus, self.alpha_minus))
        )
        value, up, down, offset, gain = (
            np.broadcast_to(np.asarray(a), shape)[index]
            for a in (self.value, self.alpha_plus, self.alpha_minus, self.offset, self.gain)
        )
        return Neurons(value, up, down, offset, gain, self.floor)


def distributional(
    rng: np.random.Generator,
    shape: tuple[int, ...] = (RUNS, NEURONS),
    utilities: ArrayLike = MAGNITUDES,
    probabilities: ArrayLike = PROBABILITIES,
    *,
    trials: int = TRIALS,
    eta: float = ETA,
    alpha_max: float = 1.0,
    response: Response = "expectile",
    symmetric: bool = False,
) -> Neurons:
    """Return neurons that have learned, those of one population from the same rewards.

    Args:
        rng: Random number generator, for alphas and rewards.
        shape: Shape of the populations, (..., neurons).
        utilities: Utilities of the rewards, (magnitudes,).
        probabilities: Probabilities of the rewards, (magnitudes,), summing to one.
        trials: Number of trials to learn from.
        eta: Factor of the learning rates, see `learn`.
        alpha_max: Upper end of the uniform distribution of alphas, which begins at 0 (1 for Fig. 2
            and 0.5 for Fig. 5 in [HRH]; 0.2 for Fig. 5 in another copy).
        response: Signal to learn from, see `learn`.
        symmetric: Whether each neuron has one alpha for RPEs of both signs.

    Returns:
        The neurons, with their values after the last trial.
    """
    alpha_plus = rng.uniform(0, alpha_max, shape)
    alpha_minus = alpha_plus if symmetric else rng.uniform(0, alpha_max, shape)
    rewards = rng.choice(
        np.asarray(utilities, np.float64),
        size=(trials, *shape[:-1]),
        p=np.asarray(probabilities, np.float64),
    )
    learned = learn(rewards, alpha_plus, alpha_minus, eta=eta, response=response)
    return Neurons(learned.last, alpha_plus, alpha_minus)


def classical(
    rng: np.random.Generator,
    shape: tuple[int, ...] = (RUNS, NEURONS),
    utilities: ArrayLike = MAGNITUDES,
    probabilities: ArrayLike = PROBABILITIES,
    *,
    trials: int = TRIALS,
    eta: float = ETA,
    alpha_max: float = 1.0,
) -> Neurons:
    """Return the control with one alpha per neuron: diverse gains, one mean."""
    return distributional(
        rng,
        shape,
        utilities,
        probabilities,
        trials=trials,
        eta=eta,
        alpha_max=alpha_max,
        symmetric=True,
    )


def shared_prediction(
    rng: np.random.Generator,
    shape: tuple[int, ...] = (RUNS, NEURONS),
    utilities: ArrayLike = MAGNITUDES,
    probabilities: ArrayLike = PROBABILITIES,
) -> Neurons:
    """Return the null whose neurons scale RPEs asymmetrically but share the mean as their value.

    It is the limit of RPE neurons that all feed every predictor (Extended Data Fig. 4l, m).

    Args:
        rng: Random number generator, for the alphas, uniform between 0 and 1.
        shape: Shape of the populations, (..., neurons).
        utilities: Utilities of the rewards, (magnitudes,).
        probabilities: Probabilities of the rewards, (magnitudes,), summing to one.

    Returns:
        The neurons.
    """
    mean = expectiles(utilities, probabilities, np.full(shape, 0.5))
    return Neurons(mean, rng.uniform(size=shape), rng.uniform(size=shape))


def additive_offset(
    rng: np.random.Generator,
    shape: tuple[int, ...] = (RUNS, NEURONS),
    utilities: ArrayLike = MAGNITUDES,
    probabilities: ArrayLike = PROBABILITIES,
    *,
    sd: float = OFFSET_SD,
    diverse_gain: bool = True,
) -> Neurons:
    """Return the null whose neurons differ by a constant offset, and share one value.

    Args:
        rng: Random number generator, for offsets and gains.
        shape: Shape of the populations, (..., neurons).
        utilities: Utilities of the rewards, (magnitudes,).
        probabilities: Probabilities of the rewards, (magnitudes,), summing to one.
        sd: SD of the normally distributed offsets, Hz.
        diverse_gain: Whether each neuron has its own alpha, uniform between 0 and 1 as for
            `classical`; otherwise all alphas are one half.

    Returns:
        The neurons.
    """
    mean = expectiles(utilities, probabilities, np.full(shape, 0.5))
    alpha = rng.uniform(size=shape) if diverse_gain else np.full(shape, 0.5)
    return Neurons(mean, alpha, alpha, offset=rng.normal(0, sd, shape))
