"""Odours that announce the same mean reward, a fixed or a variable one (Lowet et al. 2025)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurotasks.core import Field, Item, Lane, Task, chance, choose, parameter, rule
from neurotasks.errors import ParameterError
from neurotasks.tasks import _mouse
from neurotasks.tasks._mouse import LONGEST, MouseParameters, actions, observe, start, step

NOTHING, FIXED, VARIABLE = 0, 1, 2
PER_KIND = 2  # odours of each kind, so that a decoded kind is not a decoded odour
ODOURS = tuple(f"{kind} odour {i}" for kind in ("nothing", "fixed", "variable") for i in "AB")

DOC = """Lick for water after odours that announce the same mean reward, fixed or variable.

## Description
A trial begins with an interval of random length. Then one of six odours is given for 1 s, each
equally often. What it announces follows 2 s after its end: nothing for two of the odours, 4
microlitres for two others, and 2 or 6 microlitres, equally often, for the last two. Fixed and
variable odours thus announce the same mean, and anything that distinguishes them in general codes
more than the mean. The subject hears the delivery, and consumes the reward with its first lick
within 0.5 s; if it does not lick in time, the reward is lost. Each lick costs a little. With
`pavlovian=True` rewards are consumed at delivery, and licks cost nothing and do nothing. Unlike the
mice, the subject gets no rewards without an odour.

The interval is 2.3 s plus an exponentially distributed time, truncated at 20 s in total (mean 6.6
s) and rounded to whole steps, at least one. It is counted from the last outcome, so in later trials
of an episode it includes the 1 s after the outcome.

## Action Space
`Discrete(2)`: 0 no lick, 1 lick.

## Observation Space
A float32 vector: the houselight (always 1), 1 in the step in which a reward is delivered, the
magnitude consumed in the last step divided by the largest, the odours (one-hot), the one-hot
previous action, the previous reward. There is no clock.

## Rewards
The magnitude of what is consumed in microlitres, minus `lick_cost` for a lick, to which
`lick_effort` is added for each recent lick, weighted with exp(-time since then / `recovery_time`).

## Starting State
The odour and the reward are drawn in each trial. An option fixes the odour of the first trial,
which by default is the only one. `split` changes nothing.

## Episode End
Terminates after `trials` trials; a trial ends 1 s after its outcome.

## References
- Lowet et al. 2025, Nature 639:717, the Same Reward Distribution task.

## Version History
- v0: first release.
"""

FINDING = (
    "Neurons of the striatum distinguish odours of variable rewards from odours of fixed rewards "
    "with the same mean, in a way that generalises to other odours; without dopamine this is "
    "lost, while the mean is still coded (Lowet et al. 2025)."
)


@dataclass(frozen=True)
class SameMeanParameters(MouseParameters):
    """Parameters of the task with the same mean."""

    trace_duration: float = parameter(
        2.0,
        "time from the end of the odour to the outcome in s",
        "the authors' public data (README): 1 s of odour, 2 s of trace",
        low=0.0,
        high=LONGEST,
    )
    magnitude: float = parameter(
        4.0,
        "reward in microlitres after a fixed odour, and its mean after a variable one",
        "the authors' public code",
        low=0.001,
        high=1000.0,
    )
    spread: float = parameter(
        2.0,
        "how much more or less comes after a variable odour, in microlitres; smaller than "
        "`magnitude`",
        "the authors' public code: 2 or 6 microlitres",
        low=0.0,
        high=1000.0,
    )

    def __post_init__(self) -> None:
        """Check that every reward is one."""
        super().__post_init__()
        if self.spread >= self.magnitude:
            raise ParameterError(
                f"spread must be smaller than magnitude={self.magnitude}, so that the smaller "
                f"variable reward is above 0; got {self.spread}. Change one of them."
            )

    @property
    def largest(self) -> float:
        """Largest reward in microlitres."""
        return self.magnitude + self.spread

    @property
    def utility_range(self) -> tuple[float, float]:
        """Smallest and largest reward for consuming what a trial holds."""
        return 0.0, self.largest

    @property
    def last_odour(self) -> int:
        """Index of the last odour."""
        return len(ODOURS) - 1


STATE = _mouse.STATE | {
    "odour": Field(
        np.int8,
        "which odour: 0, 1 nothing, 2, 3 fixed, 4, 5 variable reward",
        info=True,
        column=True,
        low=0,
        high=len(ODOURS) - 1,
        option=True,
        names=lambda p: ODOURS,
    ),
    "kind": Field(
        np.int8,
        "what the odour announces: 0 nothing, 1 a fixed, 2 a variable reward",
        info=True,
        column=True,
        low=NOTHING,
        high=VARIABLE,
    ),
}


@rule
def begin(lane: Lane, p: Any) -> None:
    """Draw a trial's odour; that of the first trial is an option."""
    lane.odour = choose(lane, len(ODOURS))


@rule
def new_trial(lane: Lane, p: Any) -> None:
    """Draw the odour after the first trial, and the reward."""
    if lane.trial > 0:
        begin(lane, p)
    lane.kind = lane.odour // PER_KIND
    above = p.spread if chance(lane, 0.5) else -p.spread
    lane.magnitude = 0.0 if lane.kind == NOTHING else p.magnitude
    if lane.kind == VARIABLE:
        lane.magnitude += above
    lane.smelt = lane.odour
    lane.utility = lane.magnitude
    lane.taste = lane.magnitude / (p.magnitude + p.spread)
    lane.worth_licking = not p.pavlovian and p.magnitude > p.lick_cost
    start(lane, p)


def stimulus(p: SameMeanParameters) -> tuple[str, ...]:
    """Name the components of the stimulus."""
    return *_mouse.COMMON, *ODOURS


def reward_range(p: SameMeanParameters) -> tuple[float, float]:
    """Return the smallest and the largest reward."""
    return _mouse.reward_range(p, [p.largest])


def picture(lane: Lane, p: SameMeanParameters) -> list[Item]:
    """Draw what the subject meets."""
    return _mouse.picture(lane, p, ODOURS)


def goal(p: SameMeanParameters) -> str:
    """Say what to do."""
    low, high = p.magnitude - p.spread, p.magnitude + p.spread
    comes = (
        f"Fixed odours announce {p.magnitude:g} ul of water, variable ones {low:g} or {high:g} ul"
    )
    return _mouse.goal(p, comes)


TASK = Task(
    name="SameMean",
    doc=DOC,
    parameters=SameMeanParameters,
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
    behaviour="neurotasks.analysis.mouse:SAME_MEAN",
    finding=FINDING,
    diagram_column="odour",
    diagram_parameters=_mouse.SHORT_TRIALS,
)
