"""The variable-probability task of mice (Dabney et al. 2020, Fig. 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurotasks.core import (
    Field,
    Item,
    Lane,
    Task,
    chance,
    choose,
    numbers,
    parameter,
    probability,
    rule,
)
from neurotasks.tasks import _mouse
from neurotasks.tasks._mouse import (
    LONGEST,
    MouseParameters,
    actions,
    observe as observe_mouse,
    start,
    step as step_mouse,
)

AIR_PUFF = "air puff"

DOC = """Lick for water that three odours announce with probabilities of 10, 50 and 90 %.

## Description
A trial begins with an interval of random length. Then one of three odours is given for 1 s, each
equally often. A reward comes 1 s after its end, that is 2 s after its onset, with a probability of
10, 50 or 90 %, depending on the odour. The subject hears the delivery, and consumes the reward with
its first lick within 0.5 s; if it does not lick in time, the reward is lost. Each lick costs a
little. With `pavlovian=True` rewards are consumed at delivery, and licks cost nothing and do
nothing. With `air_puff=True` there is a fourth odour, after which an air puff comes in 90 % of the
trials.

The interval is 2.3 s plus an exponentially distributed time, truncated at 20 s in total (mean 6.6
s) and rounded to whole steps, at least one. It is counted from the last outcome, so in later trials
of an episode it includes the 1 s after the outcome.

In `VariableProbabilityLatency-v0` a lick reaches the spout 0.3 s after the decision, so that a
subject that waits for the delivery drinks 0.3 s later than one that is already licking. The outcome
after an odour comes up to 0.5 s earlier or later than on average, so that a single well-timed lick
is not enough. And licks cost more, most of all soon after others. For a reward of m microlitres
that comes with probability p, being ready is worth p m (1 - gamma^3) at a discount of gamma per
step; without a latency it is worth nothing. At gamma = 0.9, the best plan has six licks after the
90 % odour, four after the 50 % odour and none after the 10 % odour, and stops when a delivery is
heard. Without discounting, no early lick pays.

## Action Space
`Discrete(2)`: 0 no lick, 1 lick.

## Observation Space
A float32 vector: the houselight (always 1), 1 in the step in which a reward is delivered, 1 if it
was consumed in the last step, the odours (one-hot), with `air_puff=True` the odour of the air puff
and 1 in the step in which it comes, the one-hot previous action, the previous reward. There is no
clock.

## Rewards
The magnitude of what is consumed in microlitres, `air_puff_reward` in the step in which an air puff
comes, minus `lick_cost` for a lick, to which `lick_effort` is added for each recent lick,
weighted with exp(-time since then / `recovery_time`). A lick is paid for when it is decided on.

## Starting State
The odour and what follows it are drawn in each trial. An option fixes the odour of the first trial,
which by default is the only one. `split` changes nothing.

## Episode End
Terminates after `trials` trials; a trial ends 1 s after its outcome.

## References
- Dabney et al. 2020, Nature 577:671, Fig. 3 and Extended Data Fig. 9 (time of the outcome).
- Starkweather et al. 2017, Nature Neuroscience 20:581.

## Version History
- v0: first release.
"""

FINDING = (
    "Dopamine neurons respond to the 50 % cue, relative to the 10 % and 90 % cues, as if some "
    "were optimistic and others pessimistic (Dabney et al. 2020, Fig. 3)."
)


@dataclass(frozen=True)
class VariableProbabilityParameters(MouseParameters):
    """Parameters of the variable-probability task."""

    trace_duration: float = parameter(
        1.0,
        "time from the end of the odour to the outcome in s",
        "stated in the paper (Extended Data Fig. 9): outcome 2 s after odour onset; 1 s of odour "
        "is assumed as in the other task",
        low=0.0,
        high=LONGEST,
    )
    p_reward: tuple[float, ...] = numbers(
        (0.1, 0.5, 0.9),
        "reward probability of each odour",
        "stated in the paper, Fig. 3",
        low=0.0,
        high=1.0,
    )
    magnitude: float = parameter(
        3.75, "reward in microlitres", "recalled, unverified", low=0.001, high=1000.0
    )
    air_puff: bool = parameter(
        False, "whether a further odour announces an air puff", "recalled: the mice had it"
    )
    p_air_puff: float = probability(
        0.9, "probability of the air puff after its odour", "recalled, unverified"
    )
    air_puff_reward: float = parameter(-1.0, "reward of an air puff", "ours", low=-1000.0, high=0.0)

    @property
    def largest(self) -> float:
        """Largest reward in microlitres."""
        return self.magnitude

    @property
    def utility_range(self) -> tuple[float, float]:
        """Smallest and largest reward for consuming what a trial holds."""
        return 0.0, self.magnitude

    @property
    def last_odour(self) -> int:
        """Index of the last odour."""
        return len(self.p_reward) - 1 + self.air_puff


STATE = _mouse.STATE | {
    "odour": Field(
        np.int8,
        "which odour, from 0 in the order of `p_reward`; that of the air puff comes last",
        info=True,
        column=True,
        low=0,
        high=lambda p: p.last_odour,
        option=True,
        names=lambda p: odours(p),
    ),
    "puff": Field(
        np.bool_,
        "the trial holds an air puff",
        info=True,
        column=True,
        low=0,
        high=lambda p: int(p.air_puff),
    ),
}


@rule
def begin(lane: Lane, p: Any) -> None:
    """Draw a trial's odour; that of the first trial is an option."""
    lane.odour = choose(lane, len(p.p_reward) + int(p.air_puff))


@rule
def new_trial(lane: Lane, p: Any) -> None:
    """Draw the odour after the first trial, and what comes after it."""
    if lane.trial > 0:
        begin(lane, p)
    announces_puff = lane.odour == len(p.p_reward)
    comes = chance(lane, p.p_air_puff if announces_puff else p.p_reward[lane.odour])
    lane.puff = comes and announces_puff
    lane.smelt = lane.odour
    lane.magnitude = p.magnitude if comes and not announces_puff else 0.0
    lane.utility = lane.magnitude
    lane.taste = 1.0
    lane.worth_licking = not p.pavlovian and p.magnitude > p.lick_cost
    start(lane, p)


@rule
def step(lane: Lane, p: Any, action: int) -> Any:
    """Lick or not; consume what is there, and suffer an air puff."""
    puffed = puffing(lane)
    reward, trial_over = step_mouse(lane, p, action)
    if puffed:
        lane.reward = p.air_puff_reward
        reward += p.air_puff_reward
    return reward, trial_over


@rule
def puffing(lane: Lane) -> bool:
    """Return whether an air puff comes in this step."""
    return lane.puff and lane.step - lane.trial_start == lane.delivery  # type: ignore[no-any-return]


@rule
def observe(lane: Lane, p: Any, stimulus: Any) -> None:
    """Show what is seen in every mouse task, and an air puff."""
    observe_mouse(lane, p, stimulus)
    if puffing(lane):
        stimulus[p.num_stimuli - 1] = 1.0


def odours(p: VariableProbabilityParameters) -> tuple[str, ...]:
    """Name the odours."""
    names = tuple(f"{100 * chance:g} % odour" for chance in p.p_reward)
    return (*names, "air-puff odour") if p.air_puff else names


def stimulus(p: VariableProbabilityParameters) -> tuple[str, ...]:
    """Name the components of the stimulus."""
    return *_mouse.COMMON, *odours(p), *([AIR_PUFF] * p.air_puff)


def reward_range(p: VariableProbabilityParameters) -> tuple[float, float]:
    """Return the smallest and the largest reward."""
    return _mouse.reward_range(p, [p.magnitude] + [p.air_puff_reward] * p.air_puff)


def picture(lane: Lane, p: VariableProbabilityParameters) -> list[Item]:
    """Draw what the subject meets."""
    items = _mouse.picture(lane, p, odours(p))
    if getattr(puffing, "py_func", puffing)(lane):
        items.append(Item("text", 0.3, 0.55, 0.15, "white", AIR_PUFF))
    return items


def goal(p: VariableProbabilityParameters) -> str:
    """Say what to do."""
    chances = ", ".join(f"{100 * chance:g}" for chance in p.p_reward)
    return _mouse.goal(p, f"After the odours water comes {chances} % of the time")


TASK = Task(
    name="VariableProbability",
    doc=DOC,
    parameters=VariableProbabilityParameters,
    state=STATE,
    actions=actions,
    stimulus=stimulus,
    reward_range=reward_range,
    begin=begin,
    new_trial=new_trial,
    step=step,
    observe=observe,
    picture=picture,
    goal=goal,
    **_mouse.SHOWN,
    invariants=_mouse.INVARIANTS,
    observer="neurotasks.observers.mouse:MouseObserver",
    behaviour="neurotasks.analysis.mouse:VARIABLE_PROBABILITY",
    finding=FINDING,
    diagram_column="odour",
    diagram_parameters=_mouse.SHORT_TRIALS,
)
