"""The two-step task (Wang et al. 2018, simulation 4; after Daw 2011, Miller 2017, Akam 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurotasks.core import (
    Field,
    Invariant,
    Item,
    Lane,
    Parameters,
    Task,
    chance,
    choose,
    parameter,
    probability,
    rule,
)
from neurotasks.rendering.frame import arm_items, paid, prompt

FIXATION, FIRST, SECOND = 0, 1, 2
STATES, COLOURS = ("purple", "green"), ("mediumpurple", "seagreen")  # second-stage states
LEFT, RIGHT, CENTRE = 0, 1, 2
NONE = -1
PENALTY = -1.0

DOC = """A two-stage choice task: only an agent that has learned the transition structure can
exploit rare transitions.

## Description
A trial starts with a fixation cue that must be answered with the central response. At the first
stage the subject chooses left or right. In most trials left leads to second-stage state 0 and right
to state 1 (common transition); in the rest it is the other way round (rare transition). One of the
two states, the better one, pays more often; at the start of some trials the two swap without
notice. The reward comes with the response at the second stage, whether left or right.

A fixation error costs 1 and fixation is asked for again. The central response at the first or the
second stage costs 1 and ends the trial.

## Action Space
`Discrete(3)`: 0 left, 1 right, 2 centre. Without fixation `Discrete(2)`: 0 left, 1 right.

## Observation Space
A float32 vector: what is shown (one-hot: fixation, first stage, state 0, state 1), the one-hot
previous action, the previous reward. Without fixation there is no component for it.

## Rewards
+1 in a rewarded trial, -1 for an invalid response, else 0.

## Starting State
The better state is drawn anew in each episode, each with probability 1/2. `split` changes nothing:
the paper trained and tested on the same task.

## Episode End
Terminates after `trials` trials, or after 3 steps for each of them (2 without fixation), whichever
comes first: invalid responses use up steps.

## References
- Wang et al. 2018, Nature Neuroscience 21:860, simulation 4, Fig. 5.
- Wang et al. 2016, arXiv 1611.05763 (`TwoStep2016-v0`).
- Daw et al. 2011, Neuron 69:1204; Miller et al. 2017, Nature Neuroscience 20:1269.

## Version History
- v0: first release.
"""

FINDING = (
    "A network trained by model-free reinforcement learning behaves as if it were model-based: "
    "after a rare transition, a reward makes it change its first-stage choice (Wang et al. 2018, "
    "Fig. 5). Inferring which second-stage state is the better one is enough for that; it takes no "
    "planning."
)


@dataclass(frozen=True)
class TwoStepParameters(Parameters):
    """Parameters of the two-step task."""

    trials: int = parameter(100, "trials in an episode", "[MT2] and [RUS] agree", low=1)
    p_common: float = probability(
        0.8, "probability of a common transition", "[GOO], [KJ], [MT2], [NG] and [RUS] agree"
    )
    p_reward: float = probability(
        0.9,
        "reward probability of the better state; the other has 1 - p_reward",
        "[GOO], [KJ], [MT2], [NG] and [RUS] agree",
    )
    p_reversal: float = probability(
        0.025,
        "probability that the better state changes at the start of a trial after the first",
        "[GOO], [KJ], [MT2], [NG] and [RUS] agree",
    )
    fixation: bool = parameter(
        True, "whether a trial starts with a fixation cue", "Wang 2018, Methods"
    )

    @property
    def step_cap(self) -> int:
        """Steps of an episode without an invalid response (300 in the paper: its t_max)."""
        return self.trials * (3 if self.fixation else 2)


STATE = {
    "stage": Field(
        np.int8,
        "what is shown: 0 fixation, 1 first stage, 2 second stage",
        info=True,
        low=lambda p: FIXATION if p.fixation else FIRST,
        high=SECOND,
    ),
    "better_state": Field(
        np.int8,
        "second-stage state that pays more often",
        names=lambda p: STATES,
        info=True,
        column=True,
        low=0,
        high=1,
        option=True,
    ),
    "reversal": Field(np.bool_, "the better state changed at this trial", info=True, column=True),
    "choice": Field(
        np.int8,
        "first-stage choice: 0 left, 1 right, -1 none",
        info=True,
        column=True,
        low=NONE,
        high=RIGHT,
    ),
    "common": Field(
        np.bool_, "the transition was common (known once a choice is made)", info=True, column=True
    ),
    "second_state": Field(
        np.int8,
        "second-stage state reached: 0 purple, 1 green, -1 none",
        info=True,
        column=True,
        low=NONE,
        high=1,
    ),
    "best_action": Field(
        np.int8,
        "optimal action given the hidden state",
        info=True,
        low=LEFT,
        high=lambda p: CENTRE if p.fixation else RIGHT,
    ),
    # What a trial holds in store, drawn when it begins: the same whatever is chosen.
    "transition_is_common": Field(np.bool_, "the transition of this trial will be common"),
    "pays": Field(
        (np.int8, (2,)), "whether each second-stage state pays in this trial", low=0, high=1
    ),
}

INVARIANTS: dict[str, Invariant] = {
    "`second_state` must be 0 or 1 at `stage` 2": (
        lambda lanes, p: (lanes["stage"] != SECOND) | (lanes["second_state"] != NONE)
    )
}


@rule
def begin(lane: Lane, p: Any) -> None:
    """Draw the better state."""
    lane.better_state = choose(lane, 2)


@rule
def new_trial(lane: Lane, p: Any) -> None:
    """Reverse or not, and draw what the trial holds in store."""
    lane.reversal = chance(lane, p.p_reversal) and lane.trial > 0
    if lane.reversal:
        lane.better_state = 1 - lane.better_state
    lane.transition_is_common = chance(lane, p.p_common)
    luck = chance(lane, p.p_reward)
    lane.pays[lane.better_state] = luck
    lane.pays[1 - lane.better_state] = not luck
    lane.choice = NONE
    lane.second_state = NONE
    lane.common = False
    lane.stage = FIXATION if p.fixation else FIRST
    lane.best_action = CENTRE if p.fixation else best_choice(lane, p)


@rule
def best_choice(lane: Lane, p: Any) -> int:
    """Return the side whose more frequent transition leads to the better state."""
    better: int = lane.better_state
    return better if p.p_common >= 0.5 else 1 - better


@rule
def step(lane: Lane, p: Any, action: int) -> Any:
    """Answer the cue, choose, or collect."""
    if lane.stage == FIXATION:
        if action != CENTRE:
            return PENALTY, False
        lane.stage = FIRST
        lane.best_action = best_choice(lane, p)
        return 0.0, False
    if action == CENTRE:
        lane.reward = PENALTY
        return PENALTY, True
    if lane.stage == FIRST:
        lane.choice = action
        lane.common = lane.transition_is_common
        lane.second_state = action if lane.common else 1 - action
        lane.stage = SECOND
        lane.best_action = LEFT
        return 0.0, False
    lane.outcome = lane.pays[lane.second_state]
    lane.reward = lane.outcome
    return lane.reward, True


@rule
def observe(lane: Lane, p: Any, stimulus: Any) -> None:
    """Show the fixation cue, the first stage, or the second-stage state."""
    first = 1 if p.fixation else 0
    if lane.stage == FIXATION:
        stimulus[0] = 1.0
    elif lane.stage == FIRST:
        stimulus[first] = 1.0
    else:
        stimulus[first + 1 + lane.second_state] = 1.0


def actions(p: TwoStepParameters) -> tuple[str, ...]:
    """Name the actions."""
    return ("left", "right", "centre") if p.fixation else ("left", "right")


def stimulus(p: TwoStepParameters) -> tuple[str, ...]:
    """Name the components of the stimulus."""
    return (("fixation",) if p.fixation else ()) + ("first stage", "state 0", "state 1")


def reward_range(p: TwoStepParameters) -> tuple[float, float]:
    """Return the smallest and the largest reward."""
    return (PENALTY if p.fixation else 0.0), 1.0


def picture(lane: Lane, p: TwoStepParameters) -> list[Item]:
    """Draw the fixation cue, the two targets, or the second-stage state."""
    if lane.stage == FIXATION:
        return [prompt("look at the cross: centre"), Item("cross", 0.5, 0.55)]
    if lane.stage == FIRST:
        return [prompt("first stage: choose left or right"), *arm_items(("left", "right"))]
    colour, name = COLOURS[lane.second_state], STATES[lane.second_state]
    place = Item("square", 0.5, 0.58, 0.5, colour, name)
    return [prompt(f"you reached {name}: left or right opens it"), place]


def goal(p: TwoStepParameters) -> str:
    """Say what to do."""
    common = f"{100 * p.p_common:g} %"
    return (
        f"Left leads to purple and right to green {common} of the time. One of them pays more "
        f"often{', and which one may change' if p.p_reversal else ''}: get there."
    )


def told(lane: Lane, p: TwoStepParameters) -> str:
    """Say where the first choice led, and what was there."""
    name = actions(p)[lane.last_action]
    if lane.last_reward < 0:
        return f"{name} was not on offer: -1"
    if lane.stage == SECOND:
        return f"{name} led to {STATES[lane.second_state]}"
    return paid("the place", lane.last_reward) if lane.new_trial or lane.over else ""


TASK = Task(
    name="TwoStep",
    doc=DOC,
    parameters=TwoStepParameters,
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
    told=told,
    invariants=INVARIANTS,
    observer="neurotasks.observers.two_step:BayesTwoStep",
    behaviour="neurotasks.analysis.two_step:BEHAVIOUR",
    finding=FINDING,
    diagram_column="common",
)
