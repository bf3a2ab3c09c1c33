"""When it pays to lick before an outcome: the plan of a subject whose licks take time."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.tasks._licking import steps_of

DISCOUNT = 0.9**10
"""What a second leaves of a reward's value, about a third; ours, 0.9 per step of 0.1 s."""

TRIED = 13  # steps: 8,192 plans, a tenth of a second


def plan_values(
    plans: NDArray[np.bool_], worth: float, p_reward: float, parameters: Any, discount: float
) -> NDArray[np.float64]:
    """Return the values of plans of licks after an odour, discounted to its onset.

    A plan is followed until a reward is heard or the outcome is past. The reward is then consumed
    by the first lick that is on its way, or else by one that is decided on at once.

    Args:
        plans: Licks of each plan at each step from odour onset to one before the last possible
            step of the outcome, (plans, steps).
        worth: Mean reward for consuming what comes, nothing included.
        p_reward: Probability that a reward comes.
        parameters: Parameters of the mouse task.
        discount: Fraction of a reward's value left after a second of waiting.

    Returns:
        Values in units of reward, (plans,).
    """
    p, number = parameters, plans.shape[1]
    delay, jitter = steps_of(p.latency, p.dt), steps_of(p.trace_jitter, p.dt)
    steps = np.arange(number + 1)
    gamma = discount**p.dt
    ages = np.maximum(steps - steps[:-1, None], 0)  # of the lick of each step (rows), at each step
    recent = plans @ np.where(ages > 0, np.exp(-ages * p.dt / p.recovery_time), 0.0)
    cost = (p.lick_cost + p.lick_effort * recent) * gamma**steps  # of a lick at each step
    spent = np.zeros_like(cost)
    np.cumsum(plans * cost[:, :-1], axis=1, out=spent[:, 1:])
    # the first lick at each step or later, `number` if there is none
    first = np.where(np.pad(plans, ((0, 0), (0, 1))), steps, number)
    first = np.minimum.accumulate(first[:, ::-1], axis=1)[:, ::-1]
    outcome = np.arange(number - 2 * jitter, number + 1)  # its possible steps, equally likely
    lick = np.minimum(first[:, np.maximum(outcome - delay, 0)], outcome)
    heard = np.where(lick == outcome, cost[:, outcome], 0.0)  # none is on its way
    gain = worth * gamma ** (lick + delay) - p_reward * (spent[:, outcome] + heard)
    values: NDArray[np.float64] = gain.mean(axis=1) - (1 - p_reward) * spent[:, -1]
    return values


def plan_of(
    worth: float, p_reward: float, parameters: Any, discount: float = DISCOUNT
) -> NDArray[np.bool_]:
    """Return the licks that are worth most after an odour, until a reward is heard.

    Found by trying all plans if only the last `TRIED` steps or fewer matter, as with the presets;
    else by adding, leaving out or moving one lick after another.

    Args:
        worth: Mean reward for consuming what comes after the odour, nothing included.
        p_reward: Probability that a reward comes.
        parameters: Parameters of the mouse task.
        discount: Fraction of a reward's value left after a second of waiting, in (0, 1]; with 1
            waiting costs nothing and no lick is early.

    Returns:
        Whether to lick at each step from odour onset to the last possible outcome, (steps,).
    """
    p = parameters
    durations = p.odour_duration, p.trace_duration, p.trace_jitter
    number = sum(steps_of(duration, p.dt) for duration in durations)
    plan = np.zeros(number, np.bool_)
    # Earlier licks reach the spout before any outcome.
    span = steps_of(p.latency, p.dt) + 2 * steps_of(p.trace_jitter, p.dt)
    changed = np.arange(max(0, number - span), number)
    if not p.latency or not len(changed):
        return plan
    if len(changed) <= TRIED:
        plans = np.zeros((2 ** len(changed), number), np.bool_)
        plans[:, changed] = list(product([False, True], repeat=len(changed)))
        values = plan_values(plans, worth, p_reward, p, discount)
        best_plan: NDArray[np.bool_] = plans[values.argmax()]
        return best_plan
    best = plan_values(plan[None], worth, p_reward, p, discount)[0]
    one = np.eye(number, dtype=np.bool_)[changed]
    while True:
        # a step that becomes another, and a lick that changes places with the pause next to it
        moved = one[:-1] | one[1:]
        moves = np.concatenate([one, moved[plan[changed[:-1]] != plan[changed[1:]]]])
        plans = plan ^ moves
        values = plan_values(plans, worth, p_reward, p, discount)
        if values.max() <= best + 1e-12:
            return plan
        plan, best = plans[values.argmax()], values.max()
