"""Simulated dopamine neurons: distributional, classical, and their null models.

Each neuron predicts a value V and learns with its own rates for positive and negative RPEs; with
the RPE as it is (identity) it learns the tau-expectile of the reward, with its sign alone the
tau-quantile, tau = alpha+ / (alpha+ + alpha-) (Dabney et al. 2020; Lowet et al. 2020, Box 2).

Where a number comes from is said next to it: "counted" is computed from the public files of the
recorded neurons, "one reproduction" is read in the public code of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotasks.observers.expectiles import expectiles
from neurotasks.tasks.variable_probability import VariableProbabilityParameters
from neurotasks.tasks.variable_reward import EMPIRICAL_UTILITIES, VariableRewardParameters

Floats = NDArray[np.float64]
Response = Literal["expectile", "quantile"]

_REWARDS = VariableRewardParameters()

MAGNITUDES = np.array(_REWARDS.magnitudes)
"""Rewards of the variable-magnitude task, microlitres (the authors' analysis code)."""

PROBABILITIES = np.array(_REWARDS.probabilities) / sum(_REWARDS.probabilities)
"""Of the magnitudes, all rewarded trials of the 40 neurons (one reproduction; counted: the
same)."""

CUE_PROBABILITIES = np.array(VariableProbabilityParameters().p_reward)
"""Of reward after each odour of the variable-probability task (caption of Extended Data Fig. 9)."""

ETA = 0.02
"""Learning rate that multiplies every alpha (one reproduction)."""

TRIALS = 25_000
"""Of a simulation of Fig. 2 (two reproductions)."""

NEURONS, RUNS = 151, 10
"""Of a simulation of Fig. 2 (one reproduction; a second has 150 neurons)."""

FLOOR = 0.2
"""Added to both alphas where they scale the response (two reproductions)."""

NOISE = 0.19
"""SD of a trial's response over the neuron's dynamic range. Half of what the 40 neurons have
(counted); with it simulated populations have the published effect sizes."""

OFFSET_SD = 1.5
"""Of the additive-offset null, Hz (ours; between the 1 and 2 Hz of the specification)."""


def empirical_utility(magnitudes: ArrayLike) -> Floats:
    """Return the utility of rewards on the axis of the neurons' own mean responses.

    Args:
        magnitudes: rewards in microlitres within those of the task, any shape.

    Returns:
        `EMPIRICAL_UTILITIES`, linear between the magnitudes as in the authors' analysis, Hz.
    """
    return np.asarray(
        np.interp(np.asarray(magnitudes, np.float64), MAGNITUDES, EMPIRICAL_UTILITIES)
    )


class Learned(NamedTuple):
    """What neurons have learned.

    Attributes:
        last: V after the last trial, (..., neurons).
        mean: V averaged over the second half of the trials, where it only fluctuates, (...,
            neurons).
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
        rewards: (trials, ...); what follows the trials (runs, cues, ...) learns side by side.
        alpha_plus: rates for positive RPEs, (..., neurons), broadcast against the rewards.
        alpha_minus: rates for RPEs of zero and below, likewise.
        eta: multiplies both.
        response: "expectile" learns from the RPE, "quantile" from its sign.
        start: V before the first trial (ours: nothing is expected).

    Returns:
        The values learned.

    Raises:
        ValueError: if `response` is none of the two, or there are fewer than two trials.
    """
    if response not in ("expectile", "quantile"):
        raise ValueError(f"response must be 'expectile' or 'quantile', but {response!r} came.")
    world = np.asarray(rewards, np.float64)[..., None]
    if len(world) < 2:
        raise ValueError(f"rewards of at least two trials are wanted, but {len(world)} came.")
    up, down = eta * np.asarray(alpha_plus), eta * np.asarray(alpha_minus)
    shape = np.broadcast_shapes(world.shape[1:], up.shape, down.shape)
    side_by_side = np.broadcast_to(world[..., 0], (len(world), *shape[:-1])).reshape(len(world), -1)
    rates = (np.broadcast_to(a, shape).reshape(-1, shape[-1]) for a in (up, down))
    last, total = _learn(side_by_side, *rates, float(start), response == "quantile")
    half = len(world) - len(world) // 2
    return Learned(last.reshape(shape), total.reshape(shape) / half)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _learn(
    rewards: Floats, up: Floats, down: Floats, start: float, sign: bool
) -> tuple[Floats, Floats]:
    """Return the last values, and their sums over the second half of the trials.

    `rewards` is (trials, worlds); the rest is (worlds, neurons).
    """
    values, total = np.full(up.shape, start), np.zeros(up.shape)
    for world in range(rewards.shape[1]):
        for t in range(len(rewards)):
            for neuron in range(up.shape[1]):
                rpe = rewards[t, world] - values[world, neuron]
                rate = up[world, neuron] if rpe > 0 else down[world, neuron]
                values[world, neuron] += rate * (np.sign(rpe) if sign else rpe)
                if t >= len(rewards) // 2:
                    total[world, neuron] += values[world, neuron]
    return values, total


@dataclass(frozen=True)
class Neurons:
    """One population of neurons, or several: all arrays broadcast to (..., neurons).

    Attributes:
        value: V, in the unit of the rewards.
        alpha_plus: of positive RPEs.
        alpha_minus: of negative RPEs.
        offset: added to the response whatever the reward, Hz.
        gain: Hz per unit of reward.
        floor: added to the alphas where they scale the response.
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
            utilities: of the rewards, (magnitudes,).

        Returns:
            gain (floor + alpha+-) (u - V) + offset, Hz, (..., neurons, magnitudes).
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
            index: along the first axis.

        Returns:
            Its neurons, every array of shape (neurons,).
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
    """Return neurons that have learned, the neurons of a population from the same rewards.

    Args:
        rng: draws alphas and rewards.
        shape: (..., neurons).
        utilities: of the rewards, (magnitudes,).
        probabilities: of the rewards, (magnitudes,), summing to one.
        trials: how long they learn.
        eta: see `learn`.
        alpha_max: alphas are uniform between 0 and this (1 for Fig. 2, two reproductions; 0.2 or
            0.5 for Fig. 5, two copies that differ).
        response: see `learn`.
        symmetric: one alpha per neuron.

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
        rng: draws the alphas, uniform between 0 and 1.
        shape: (..., neurons).
        utilities: of the rewards, (magnitudes,).
        probabilities: of the rewards, (magnitudes,).

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
    """Return the null whose neurons differ by an offset of their own, and share one value.

    Args:
        rng: draws offsets and gains.
        shape: (..., neurons).
        utilities: of the rewards, (magnitudes,).
        probabilities: of the rewards, (magnitudes,).
        sd: of the normal offsets, Hz.
        diverse_gain: an alpha per neuron, uniform between 0 and 1 as for `classical`; otherwise all
            have one half.

    Returns:
        The neurons.
    """
    mean = expectiles(utilities, probabilities, np.full(shape, 0.5))
    alpha = rng.uniform(size=shape) if diverse_gain else np.full(shape, 0.5)
    return Neurons(mean, alpha, alpha, offset=rng.normal(0, sd, shape))
