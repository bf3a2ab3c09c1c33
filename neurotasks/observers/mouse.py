"""Observers of the mouse tasks: when to lick, and what a distributional code predicts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotasks.errors import ParameterError
from neurotasks.observers.anticipation import DISCOUNT, plan_of
from neurotasks.observers.base import Observer, TaskEnvironment
from neurotasks.observers.expectiles import expectiles
from neurotasks.tasks import same_mean, variable_reward
from neurotasks.tasks._licking import LICK, NO_LICK, steps_of
from neurotasks.tasks._mouse import COMMON, CONSUMED, DELIVERY, HOUSELIGHT, ODOURS
from neurotasks.tasks.same_mean import SameMeanParameters
from neurotasks.tasks.variable_probability import AIR_PUFF, VariableProbabilityParameters, odours
from neurotasks.tasks.variable_reward import VariableRewardParameters, utilities

MouseTaskParameters = VariableRewardParameters | VariableProbabilityParameters | SameMeanParameters


class MouseObserver(Observer):
    """Licks once for each reward, before the outcome where that pays.

    Without a latency it licks as soon as it hears a delivery, if that pays on average. With one, it
    follows the plan of `plan_of` from odour onset on until it hears a delivery, and licks then only
    if no lick is on its way. Early licks pay for a subject that discounts; they cost a little of
    the undiscounted return, which scores measure.

    Args:
        env: Environment it will play.
        seed: Ignored: it draws nothing.
        discount: Fraction of a reward's value left after a second of waiting, in (0, 1]; with 1 no
            lick is early.
    """

    memory = [("since_onset", np.int64), ("odour", np.int64), ("smelt", np.bool_)]

    def __init__(
        self, env: TaskEnvironment, seed: int | None = None, discount: float = DISCOUNT
    ) -> None:
        super().__init__(env, seed)
        if not 0 < discount <= 1:
            raise ParameterError(
                f"discount must be in (0, 1], what a second leaves of a reward; got {discount}."
            )
        p = self.parameters
        values, probabilities = outcome_distribution(p, COMMON[DELIVERY])
        expected = float(values @ probabilities)
        self.licks = not p.pavlovian and expected > p.lick_cost
        self.delay = steps_of(p.latency, p.dt)
        self.odours = slice(ODOURS, ODOURS + p.last_odour + 1)
        plans = [self._plan(odour, discount) for odour in self.env.stimulus_names[self.odours]]
        # no lick `delay` steps before the odour, nor from the last outcome on
        self.plans = np.pad(np.array(plans), ((0, 0), (self.delay, self.delay + 1)))

    def _plan(self, odour: str, discount: float) -> NDArray[np.bool_]:
        values, probabilities = outcome_distribution(self.parameters, odour)
        comes = probabilities[values != 0].sum() if self.licks else 0.0
        return plan_of(float(values @ probabilities) * self.licks, comes, self.parameters, discount)

    def start(self, memory: Any) -> None:
        """Set the memories given for a new episode: no odour was smelt."""
        super().start(memory)
        memory["since_onset"] = self.plans.shape[1]

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Follow the plan; lick where a reward is delivered that no lick is about to reach."""
        last = self.plans.shape[1] - 1
        odours = stimulus[:, self.odours] > 0
        smelt = odours.any(axis=1)
        begun = smelt & ~memory["smelt"]
        memory["odour"] = np.where(begun, odours.argmax(axis=1), memory["odour"])
        memory["since_onset"] = np.where(begun, 0, memory["since_onset"] + 1)
        memory["smelt"] = smelt
        heard = stimulus[:, DELIVERY] > 0
        # planned licks of this step (0) and of those before whose licks are on their way
        place = (memory["since_onset"] + self.delay)[:, None] - np.arange(self.delay + 1)
        planned = self.plans[memory["odour"][:, None], np.minimum(place, last)]
        lick = np.where(heard, self.licks & ~planned[:, 1:].any(axis=1), planned[:, 0])
        memory["since_onset"][heard] = last
        return np.where(lick, LICK, NO_LICK)


def outcome_distribution(
    parameters: MouseTaskParameters, seen: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how the reward still to come in a trial is distributed, given what has been seen.

    The subject consumes every reward; what its licks cost is left out. The time passed in the
    interval reveals nothing more, nor does that in the trace without a `trace_jitter`. After odours
    that announce different rewards, the delivery alone is less informative than odour and delivery
    together.

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
