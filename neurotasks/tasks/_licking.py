"""Licks of the mouse tasks: how long they take to reach the spout, and what they cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.core import Field, Invariant, Lane, rule

if TYPE_CHECKING:
    from neurotasks.tasks._mouse import MouseParameters

NO_LICK, LICK = 0, 1
MOST_IN_FLIGHT = 60  # steps; their licks are the bits of an int64


def steps_of(seconds: float, dt: float) -> int:
    """Return the number of steps nearest to a duration."""
    return int(seconds / dt + 0.5)


steps = rule(steps_of)

STATE = {
    "in_flight": Field(
        np.int64,
        "licks on their way to the spout, as bits: bit i is a lick decided i + 1 steps ago",
        low=0,
        high=lambda p: 2 ** steps_of(p.latency, p.dt) - 1,
    ),
    "recent_licks": Field(
        np.float64,
        "earlier licks, each weighted with exp(-time since then / recovery_time); 0 where "
        "lick_effort is",
        low=0.0,
        high=lambda p: p.most_recent_licks,
    ),
}


def in_flight_as_decided(lanes: Any, p: MouseParameters) -> NDArray[np.bool_]:
    """Return where the licks in flight include the last action, and none is older than it can be.

    Licks of the steps before the episode do not exist.
    """
    if not p.latency:
        return np.ones(lanes.shape, np.bool_)
    taken = np.minimum(lanes["step"], MOST_IN_FLIGHT)
    last = lanes["last_action"] == LICK
    return np.asarray(
        (lanes["in_flight"] < np.left_shift(1, taken)) & ((lanes["in_flight"] & 1 == 1) == last)
    )


def recent_as_decided(lanes: Any, p: MouseParameters) -> NDArray[np.bool_]:
    """Return where the recent licks include the last action, and are none before the first."""
    if not p.lick_effort:
        return np.ones(lanes.shape, np.bool_)
    least = np.where(lanes["last_action"] == LICK, math.exp(-p.dt / p.recovery_time), 0.0)
    possible = (lanes["step"] > 0) | (lanes["recent_licks"] == 0)
    return np.asarray(possible & (lanes["recent_licks"] >= least))


INVARIANTS: dict[str, Invariant] = {
    "`in_flight` must begin with the lick of `last_action`, if it was one, and have no bit beyond "
    "the number of `step`s taken": in_flight_as_decided,
    "`recent_licks` must be 0 at `step` 0, and at least exp(-dt / recovery_time) where "
    "`last_action` was a lick": recent_as_decided,
}


@rule
def rest(lane: Lane) -> None:
    """Begin an episode: no lick has been decided."""
    lane.in_flight = 0
    lane.recent_licks = 0.0


@rule
def delay_of(p: Any) -> int:
    """Return how many steps a lick takes to the spout."""
    return steps(p.latency, p.dt) if p.latency > 0 else 0  # saves a division


@rule
def reaches_spout(lane: Lane, p: Any, lick: bool) -> bool:
    """Decide to lick or not, and return whether a lick reaches the spout in this step."""
    delay = delay_of(p)
    if delay == 0:
        return lick
    line = lane.in_flight << 1
    if lick:
        line |= 1
    lane.in_flight = line & ((1 << delay) - 1)
    return (line >> delay) & 1 == 1  # type: ignore[no-any-return]


@rule
def cost_of_lick(lane: Lane, p: Any, lick: bool) -> float:
    """Return what a step's lick costs, more the more licks there were just before."""
    cost = 0.0
    if lick:
        cost = p.lick_cost + p.lick_effort * lane.recent_licks
    if p.lick_effort > 0:
        lane.recent_licks += 1.0 if lick else 0.0
        lane.recent_licks *= math.exp(-p.dt / p.recovery_time)
    return cost


@rule
def lick_pays(lane: Lane, p: Any, now: int) -> bool:
    """Return whether a lick decided now is the first that can meet a reward already delivered."""
    delay = delay_of(p)
    in_time = lane.delivery <= now and now + delay < lane.window_end
    return in_time and lane.in_flight == 0 and lane.magnitude > 0 and not lane.consumed
