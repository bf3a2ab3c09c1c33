"""What the mouse tasks share: the course of a trial, licking, what is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.core import (
    Field,
    Invariant,
    Item,
    Lane,
    Parameters,
    choose,
    parameter,
    rule,
    uniform,
)
from neurotasks.errors import ParameterError
from neurotasks.rendering.frame import prompt, signed
from neurotasks.tasks import _licking
from neurotasks.tasks._licking import (
    LICK,
    MOST_IN_FLIGHT,
    NO_LICK,
    cost_of_lick,
    lick_pays,
    reaches_spout,
    rest,
    steps,
    steps_of,
)

INTERVAL, ODOUR, TRACE, OUTCOME = 0, 1, 2, 3
NONE = -1
LONGEST = 3600.0  # no duration is longer, in s
HOUSELIGHT, DELIVERY, CONSUMED, ODOURS = 0, 1, 2, 3  # components of the stimulus
# Trials of a hundred steps are shorter in diagrams.
SHORT_TRIALS = {"dt": 0.5, "interval_min": 0.5, "interval_mean": 0.1}
COMMON = ("houselight", "reward delivery", "consumed magnitude")
ODOUR_COLOURS = ("darkorange", "slategray", "seagreen", "firebrick", "mediumpurple", "hotpink")


@dataclass(frozen=True)
class MouseParameters(Parameters):
    """Parameters of all mouse tasks; durations are in seconds and whole numbers of steps."""

    trials: int = parameter(
        1,
        "trials in an episode; with 1 the return is the reward of the trial, whose distribution a "
        "critic learns",
        "ours",
        low=1,
    )
    dt: float = parameter(
        0.1,
        "duration of a step in s; 0.5 divides all default durations too",
        "ours",
        low=0.001,
        high=LONGEST,
    )
    odour_duration: float = parameter(
        1.0,
        "duration of the odour in s",
        "computed from the recordings of [KIM]: exactly 1 s",
        low=0.0,
        high=LONGEST,
    )
    trace_duration: float = parameter(
        0.5,
        "time from the end of the odour to the outcome in s",
        "inferred from published analysis windows: outcome 1.5 s after odour onset",
        low=0.0,
        high=LONGEST,
    )
    trace_jitter: float = parameter(
        0.0,
        "largest deviation of the time of the outcome after an odour, in s; all whole steps up to "
        "it, earlier and later, are equally likely",
        "ours",
        low=0.0,
        high=LONGEST,
    )
    lick_window: float = parameter(
        0.5,
        "time from its delivery in which a reward can be consumed, in s",
        "ours",
        low=0.0,
        high=LONGEST,
    )
    outcome_duration: float = parameter(
        1.0, "time from the outcome to the end of the trial in s", "ours", low=0.0, high=LONGEST
    )
    interval_min: float = parameter(
        2.3,
        "shortest time from an outcome to the next trial's odour, or uncued reward, in s",
        "computed from the recordings of [KIM]",
        low=0.0,
        high=LONGEST,
    )
    interval_mean: float = parameter(
        4.8,
        "mean of the exponentially distributed time that is added to it, before truncation, in s",
        "computed from the recordings of [KIM]",
        low=0.001,
        high=LONGEST,
    )
    interval_max: float = parameter(
        20.0,
        "longest interval, at which its distribution is truncated, in s",
        "ours",
        low=0.0,
        high=LONGEST,
    )
    lick_cost: float = parameter(
        0.01, "cost of a lick, in units of reward", "ours", low=0.0, high=1000.0
    )
    latency: float = parameter(
        0.0,
        "time from the decision to lick until the tongue reaches the spout, in s; at most 60 "
        "steps, and shorter than `lick_window`",
        "ours",
        low=0.0,
        high=LONGEST,
    )
    lick_effort: float = parameter(
        0.0,
        "additional cost of a lick for each recent lick, which makes the cost convex in the rate "
        "of licking, in units of reward",
        "ours",
        low=0.0,
        high=1000.0,
    )
    recovery_time: float = parameter(
        0.5,
        "time constant with which a recent lick ceases to count for `lick_effort`, in s",
        "ours",
        low=0.001,
        high=LONGEST,
    )
    pavlovian: bool = parameter(
        False, "whether rewards are consumed at delivery, and licks cost and do nothing", "ours"
    )

    def __post_init__(self) -> None:
        """Check that the durations fit the steps and each other."""
        super().__post_init__()
        for name in (
            *("odour_duration", "trace_duration", "trace_jitter"),
            *("lick_window", "outcome_duration", "latency"),
        ):
            count = getattr(self, name) / self.dt
            if abs(count - round(count)) > 1e-6:
                raise ParameterError(
                    f"{name} must be a whole number of steps of dt={self.dt} s; got "
                    f"{getattr(self, name)} s, which is {count:g} steps. Change one of them."
                )
        if not self.dt <= self.lick_window <= self.outcome_duration - self.dt * (1 - 1e-6):
            raise ParameterError(
                f"lick_window must be at least a step (dt={self.dt} s), and a step shorter than "
                f"outcome_duration={self.outcome_duration} s, so that what is consumed is tasted; "
                f"got {self.lick_window} s."
            )
        if self.trace_jitter > self.trace_duration + self.dt / 2:
            raise ParameterError(
                f"trace_jitter must be at most trace_duration={self.trace_duration} s, so that the "
                f"outcome does not come before the end of the odour; got {self.trace_jitter} s. "
                "Change one of them."
            )
        longest = min(self.lick_window - self.dt, MOST_IN_FLIGHT * self.dt)
        if self.latency > longest + self.dt / 2:
            raise ParameterError(
                f"latency must be at most {MOST_IN_FLIGHT} steps (dt={self.dt} s) and at least a "
                f"step shorter than lick_window={self.lick_window} s, so that a lick decided at "
                f"the delivery meets the reward; got {self.latency} s. Change one of them."
            )
        if self.interval_min > self.interval_max:
            raise ParameterError(
                f"interval_min must be at most interval_max={self.interval_max} s; got "
                f"{self.interval_min} s. Swap them, or make the intervals equal."
            )

    @property
    def last_onset(self) -> int:
        """Latest step of a trial at which its odour, or an uncued reward, comes."""
        return max(1, steps_of(self.interval_max, self.dt))

    @property
    def longest_trial(self) -> int:
        """Steps of a trial whose interval is as long as possible."""
        durations = (
            *(self.odour_duration, self.trace_duration, self.trace_jitter),
            self.outcome_duration,
        )
        return self.last_onset + sum(steps_of(time, self.dt) for time in durations)

    @property
    def most_recent_licks(self) -> float:
        """Bound of `recent_licks`, which licking at every step approaches."""
        kept = math.exp(-self.dt / self.recovery_time)
        return kept / (1 - kept) * (1 + 1e-9) if self.lick_effort else 0.0  # 1e-9: rounding

    @property
    def largest_cost(self) -> float:
        """Bound of the cost of a lick."""
        return self.lick_cost + self.lick_effort * self.most_recent_licks

    @property
    def step_cap(self) -> int:
        """Steps of an episode whose intervals are all as long as possible."""
        # From the second trial on the interval counts from the last outcome.
        since_outcome = min(steps_of(self.outcome_duration, self.dt), self.last_onset - 1)
        return self.trials * self.longest_trial - (self.trials - 1) * since_outcome


STEP_OF_TRIAL: dict[str, Any] = {"low": 1, "high": lambda p: p.longest_trial}
STATE = {
    "stage": Field(
        np.int8,
        "0 interval, 1 odour, 2 trace, 3 outcome, from its delivery on",
        info=True,
        low=INTERVAL,
        high=OUTCOME,
    ),
    "time": Field(
        np.float64,
        "time in s since odour onset, or since delivery if there is no odour; negative before it",
        info=True,
        unit="s",
        low=lambda p: -p.last_onset * p.dt,
        high=lambda p: p.longest_trial * p.dt,
    ),
    "magnitude": Field(
        np.float64,
        "reward the trial holds in microlitres, 0 none",
        info=True,
        unit="ul",
        column=True,
        low=0.0,
        high=lambda p: p.largest,
    ),
    "anticipatory_licks": Field(
        np.int32,
        "licks decided on from odour onset to outcome",
        column=True,
        low=0,
        high=lambda p: p.longest_trial,
    ),
    "consumed": Field(np.bool_, "the reward was consumed", info=True, column=True),
    "best_action": Field(
        np.int8, "optimal action given the probabilities", info=True, low=NO_LICK, high=LICK
    ),
    # Steps of the trial, counted from its start.
    "onset": Field(
        np.int32,
        "step at which the odour, or an uncued reward, comes",
        low=1,
        high=lambda p: p.last_onset,
    ),
    "odour_end": Field(np.int32, "first step after the odour", **STEP_OF_TRIAL),
    "delivery": Field(np.int32, "step at which the outcome comes", **STEP_OF_TRIAL),
    "window_end": Field(
        np.int32, "first step at which it is too late to consume a reward", **STEP_OF_TRIAL
    ),
    "end": Field(np.int32, "step at which the trial is over", **STEP_OF_TRIAL),
    "just_consumed": Field(np.bool_, "the reward was consumed in the last step"),
    # What a trial holds in store; the task sets these in new_trial.
    "smelt": Field(
        np.int8,
        "index of the odour among the components for odours, -1 none",
        low=NONE,
        high=lambda p: p.last_odour,
    ),
    "utility": Field(
        np.float64,
        "reward for consuming what the trial holds",
        low=lambda p: p.utility_range[0],
        high=lambda p: p.utility_range[1],
    ),
    "taste": Field(np.float64, "its magnitude divided by the largest", low=0.0, high=1.0),
    "worth_licking": Field(np.bool_, "a reward is worth a lick on average, once delivered"),
    **_licking.STATE,
}


def in_order(lanes: Any, p: MouseParameters) -> NDArray[np.bool_]:
    """Return where the steps of a trial at which something happens follow each other."""
    known = (lanes["smelt"] != NONE) | (lanes["odour_end"] == lanes["onset"])
    return np.asarray(
        known
        & (lanes["onset"] <= lanes["odour_end"])
        & (lanes["odour_end"] <= lanes["delivery"])
        & (lanes["delivery"] < lanes["window_end"])
        & (lanes["window_end"] < lanes["end"])
    )


def on_time(lanes: Any, p: MouseParameters) -> NDArray[np.bool_]:
    """Return where the stage is that of the step, and the trial is not past its end."""
    now = lanes["step"] - lanes["trial_start"]
    begun = [now >= lanes[name] for name in ("onset", "odour_end", "delivery")]
    in_time = (now < lanes["end"]) | (lanes["over"] & (now == lanes["end"]))
    return np.asarray((lanes["stage"] == np.sum(begun, axis=0)) & in_time)


INVARIANTS: dict[str, Invariant] = {
    "`onset`, `odour_end`, `delivery`, `window_end` and `end` must follow each other, without an "
    "odour where `smelt` is -1": in_order,
    "`stage` must be that of the step of the trial, `step` - `trial_start`, and that before `end` "
    "unless the episode is `over`": on_time,
    **_licking.INVARIANTS,
}


@rule
def start(lane: Lane, p: Any) -> None:
    """Draw the interval of a trial whose odour and reward are known, and begin with it."""
    reach = 1.0 - math.exp(-(p.interval_max - p.interval_min) / p.interval_mean)
    interval = p.interval_min - p.interval_mean * math.log(1.0 - uniform(lane) * reach)
    pause = steps(p.outcome_duration, p.dt)
    before = pause if lane.trial > 0 else 0  # the interval counts from the last outcome
    lane.onset = max(1, steps(interval, p.dt) - before)
    lane.odour_end = lane.onset
    lane.delivery = lane.onset
    if lane.smelt != NONE:
        lane.odour_end += steps(p.odour_duration, p.dt)
        lane.delivery = lane.odour_end + steps(p.trace_duration, p.dt)
        if p.trace_jitter > 0:
            jitter = steps(p.trace_jitter, p.dt)
            lane.delivery += choose(lane, 2 * jitter + 1) - jitter
    lane.window_end = lane.delivery + steps(p.lick_window, p.dt)
    lane.end = lane.delivery + pause
    lane.anticipatory_licks = 0
    lane.outcome = 0
    lane.consumed = False
    lane.just_consumed = False
    if lane.trial == 0:
        rest(lane)
    enter(lane, p, 0)


@rule
def waiting(lane: Lane, now: int) -> bool:
    """Return whether a reward is there to be consumed at a step of the trial."""
    in_time = lane.delivery <= now < lane.window_end
    return in_time and lane.magnitude > 0 and not lane.consumed


@rule
def enter(lane: Lane, p: Any, now: int) -> None:
    """Note what a step of the trial is."""
    if now < lane.onset:
        lane.stage = INTERVAL
    elif now < lane.odour_end:
        lane.stage = ODOUR
    else:
        lane.stage = TRACE if now < lane.delivery else OUTCOME
    lane.time = (now - lane.onset) * p.dt
    lane.best_action = LICK if lane.worth_licking and lick_pays(lane, p, now) else NO_LICK


@rule
def step(lane: Lane, p: Any, action: int) -> Any:
    """Lick or not; consume what is there."""
    now = lane.step - lane.trial_start
    lick = action == LICK
    if lick and (lane.stage == ODOUR or lane.stage == TRACE):
        lane.anticipatory_licks += 1
    cost = cost_of_lick(lane, p, lick)
    meets = reaches_spout(lane, p, lick)
    lane.just_consumed = (meets or p.pavlovian) and waiting(lane, now)
    if lane.just_consumed:
        lane.consumed = True
        lane.outcome = 1
        lane.reward = lane.utility
    reward = lane.utility if lane.just_consumed else 0.0
    if not p.pavlovian:
        reward -= cost
    enter(lane, p, now + 1)
    return reward, now + 1 == lane.end


@rule
def observe(lane: Lane, p: Any, stimulus: Any) -> None:
    """Show the houselight, the odour, the delivery of a reward, and what was consumed."""
    stimulus[HOUSELIGHT] = 1.0
    if lane.stage == ODOUR:
        stimulus[ODOURS + lane.smelt] = 1.0
    if lane.magnitude > 0 and lane.step - lane.trial_start == lane.delivery:
        stimulus[DELIVERY] = 1.0
    if lane.just_consumed:
        stimulus[CONSUMED] = lane.taste


def actions(p: MouseParameters) -> tuple[str, ...]:
    """Name the actions."""
    return "no lick", "lick"


def reward_range(p: MouseParameters, outcomes: list[float]) -> tuple[float, float]:
    """Return the smallest and the largest reward, given those of the outcomes."""
    highest, lowest = (0.0, 0.0) if p.pavlovian else (p.largest_cost, p.lick_cost)
    # A reward that a lick meets later has its cost paid before.
    paid = 0.0 if p.latency else lowest
    return min(0.0, *outcomes) - highest, max(0.0, max(outcomes) - paid)


PROMPTS = (
    "wait for an odour or for water",
    "an odour: what does it announce?",
    "wait for the outcome",
)


def picture(lane: Lane, p: MouseParameters, odours: tuple[str, ...]) -> list[Item]:
    """Draw the spout, the odour, the tongue at a lick, and the water."""
    now = lane.step - lane.trial_start
    spout = Item("square", 0.7, 0.3, 0.12, "slategray", "spout")
    if lane.stage != OUTCOME:
        items = [prompt(PROMPTS[lane.stage]), spout]
    elif lane.magnitude > 0 and now < lane.window_end:
        items = [prompt("water: lick!" if not lane.consumed else "water"), spout]
        if not lane.consumed:
            items.append(Item("ring", 0.7, 0.55, 0.2, "deepskyblue", "water"))
    else:
        items = [prompt("the trial is over"), spout]
    if lane.stage == ODOUR:
        colour = ODOUR_COLOURS[lane.smelt % len(ODOUR_COLOURS)]
        items.append(Item("disc", 0.3, 0.55, 0.42, colour, odours[lane.smelt]))
    if lane.consumed:
        size = 0.1 + 0.3 * float(lane.taste) ** 0.5
        items.append(Item("disc", 0.7, 0.6, size, "deepskyblue", f"{lane.magnitude:g} ul"))
    elif lane.last_action == LICK and now > 0:
        items.append(Item("disc", 0.7, 0.47, 0.14, "lightpink", "lick"))
    return items


def goal(p: MouseParameters, comes: str) -> str:
    """Say what comes, and what to do."""
    if p.pavlovian:
        return f"{comes}. It is consumed by itself."
    each = f": a lick takes {p.latency:g} s and" if p.latency else " of it; each lick"
    return f"{comes}. Lick within {p.lick_window:g} s{each} costs a little."


def told(lane: Lane, p: MouseParameters) -> str:
    """Say what the trial brought, from then to its end."""
    if lane.consumed:
        return f"water drop {lane.magnitude:g} ul"
    if lane.stage == OUTCOME and not lane.new_trial:
        if lane.magnitude == 0:
            return "no water"
        if lane.step - lane.trial_start >= lane.window_end:
            return "too late: the water is gone"
    return f"lick: {signed(float(lane.last_reward))}" if lane.last_reward < 0 else ""


def step_seconds(p: MouseParameters) -> float:
    """Return the duration of a step."""
    return p.dt


SHOWN: dict[str, Any] = {"told": told, "step_seconds": step_seconds}
