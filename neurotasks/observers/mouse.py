"""Observers of the mouse tasks: when to lick, and what a distributional code predicts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotasks.observers.base import Observer, TaskEnvironment
from neurotasks.observers.expectiles import expectiles
from neurotasks.tasks import same_mean, variable_reward
from neurotasks.tasks._mouse import COMMON, CONSUMED, DELIVERY, HOUSELIGHT, LICK, NO_LICK
from neurotasks.tasks.same_mean import SameMeanParameters
from neurotasks.tasks.variable_probability import AIR_PUFF, VariableProbabilityParameters, odours
from neurotasks.tasks.variable_reward import VariableRewardParameters, utilities

MouseTaskParameters = VariableRewardParameters | VariableProbabilityParameters | SameMeanParameters


class MouseObserver(Observer):
    """Licks once for each reward, as soon as it hears the delivery, if that pays on average."""

    def __init__(self, env: TaskEnvironment, seed: int | None = None) -> None:
        super().__init__(env, seed)
        values, probabilities = outcome_distribution(self.parameters, COMMON[DELIVERY])
        expected = float(values @ probabilities)
        self.licks = not self.parameters.pavlovian and expected > self.parameters.lick_cost

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Lick where a reward is delivered."""
        return np.where(self.licks & (stimulus[:, DELIVERY] > 0), LICK, NO_LICK)


def outcome_distribution(
    parameters: MouseTaskParameters, seen: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how the reward still to come in a trial is distributed, given what has been seen.

    The subject consumes every reward; what its licks cost is left out. The time passed in the
    interval or the trace reveals nothing more. After odours that announce different rewards, the
    delivery alone is less informative than odour and delivery together.

    Args:
        parameters: Parameters of the task.
        seen: Stimulus component that was switched on last: ``"houselight"`` before the odour or an
            uncued reward, an odour during it and the trace, ``"reward delivery"`` or ``"air
            puff"`` in that step, ``"consumed magnitude"`` after the outcome.

    Returns:
        The possible outcomes and their probabilities, (n,) each.

    Raises:
        ValueError: If the task has no such component.
    """
    p = parameters
    if isinstance(p, SameMeanParameters):
        return _of_same_mean(p, seen)
    if isinstance(p, VariableRewardParameters):
        values, weights, puff = utilities(p), np.array(p.probabilities), 0.0
        # what has been seen -> probabilities of a reward and of an air puff
        chances = {COMMON[HOUSELIGHT]: (p.p_cued + p.p_uncued, 0.0)}
        chances |= dict(zip(variable_reward.ODOURS, ((1.0, 0.0), (0.0, 0.0)), strict=True))
    else:
        values, weights, puff = np.array([p.magnitude]), np.ones(1), p.air_puff_reward
        announced = [(chance, 0.0) for chance in p.p_reward] + [(0.0, p.p_air_puff)] * p.air_puff
        chances = dict(zip(odours(p), announced, strict=True))
        average = np.mean(announced, axis=0)
        chances |= {COMMON[HOUSELIGHT]: (average[0], average[1])}
        chances |= {AIR_PUFF: (0.0, 1.0)} if p.air_puff else {}
    chances |= {COMMON[DELIVERY]: (1.0, 0.0), COMMON[CONSUMED]: (0.0, 0.0)}
    p_reward, p_puff = _known(chances, seen)
    nothing = max(0.0, 1 - p_reward - p_puff)
    probabilities = np.array([*p_reward * weights / weights.sum(), p_puff, nothing])
    return np.array([*values, puff, 0.0]), probabilities


def _of_same_mean(
    p: SameMeanParameters, seen: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return `outcome_distribution` of the task with the same mean."""
    values = np.array([p.magnitude - p.spread, p.magnitude, p.magnitude + p.spread, 0.0])
    of_kind = np.array([[0, 0, 0, 1], [0, 1, 0, 0], [0.5, 0, 0.5, 0]])
    chances = dict(zip(same_mean.ODOURS, of_kind.repeat(same_mean.PER_KIND, axis=0), strict=True))
    chances[COMMON[HOUSELIGHT]] = of_kind.mean(axis=0)
    chances[COMMON[DELIVERY]] = of_kind[1:].mean(axis=0)
    chances[COMMON[CONSUMED]] = of_kind[same_mean.NOTHING]
    return values, _known(chances, seen)


def _known(chances: dict[str, Any], seen: str) -> Any:
    """Return what follows a component, if the task has it."""
    if seen not in chances:
        raise ValueError(f"seen must be one of {', '.join(chances)}; got {seen!r}.")
    return chances[seen]


def expectile_predictions(
    parameters: MouseTaskParameters, seen: str, taus: ArrayLike
) -> NDArray[np.float64]:
    """Return what the channels of a distributional code predict once they have learned.

    Args:
        parameters: Parameters of the task.
        seen: Moment of a trial, see `outcome_distribution`.
        taus: Asymmetries of the channels, in (0, 1), any shape.

    Returns:
        The expectiles of `outcome_distribution`, in the shape of `taus`.

    Raises:
        ValueError: If the task has no such moment, or a tau lies outside (0, 1).
    """
    return expectiles(*outcome_distribution(parameters, seen), taus)
