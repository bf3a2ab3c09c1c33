"""The two-step task as people played it, with drifting rewards (Daw et al. 2011)."""

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
    parameter,
    probability,
    rule,
    uniform,
)
from neurotasks.errors import ParameterError
from neurotasks.rendering.frame import arm_items, paid, prompt
from neurotasks.tasks.bandit import gaussian, reflected
from neurotasks.tasks.two_step import STATE as TWO_STEP, STATES

FIRST, SECOND = 0, 1
LEFT, RIGHT = 0, 1
NONE = -1
ARMS = 4  # second-stage stimuli: two in each of two states

DOC = """A two-stage choice task with a choice at either stage: rewards drift, so that only an agent
that keeps learning them and knows the transitions chooses well.

## Description
At the first stage the subject chooses left or right. Left leads to second-stage state 0 and right
to state 1 in most trials (common transition), the other way round in the rest (rare transition).
Each state has two stimuli, left and right, of which one is chosen. The four stimuli pay with
probabilities of their own, which change slowly and independently: after each trial each takes a
Gaussian step and is reflected at the bounds.

## Action Space
`Discrete(2)`: 0 left, 1 right.

## Observation Space
A float32 vector: what is shown (one-hot: first stage, state 0, state 1), the one-hot previous
action, the previous reward.

## Rewards
+1 in a rewarded trial, else 0.

## Starting State
The four reward probabilities are drawn anew in each episode, uniformly between the bounds. `split`
changes nothing.

## Episode End
Terminates after `trials` trials of two steps.

## References
- Daw et al. 2011, Neuron 69:1204, Fig. 1.
- Wang et al. 2018, Nature Neuroscience 21:860, simulation 4, whose task pays otherwise
  (`TwoStep-v0`).

## Version History
- v0: first release.
"""

FINDING = (
    "People stay with their first choice after a reward, and more so after a common transition: "
    "model-free and model-based learning both show (Daw et al. 2011, Fig. 2). No agent is trained "
    "on this task here; its trial table has the columns that the models of choices are fitted to."
)


@dataclass(frozen=True)
class TwoStepDawParameters(Parameters):
    """Parameters of the two-step task with drifting rewards."""

    trials: int = parameter(201, "trials in an episode", "Daw 2011", low=1)
    p_common: float = probability(0.7, "probability of a common transition", "Daw 2011")
    drift: float = parameter(
        0.025,
        "standard deviation of the step that a reward probability takes after each trial",
        "[GOO], after Daw 2011",
        low=0.0,
        high=1.0,
    )
    p_low: float = probability(
        0.25, "lower bound of the reward probabilities", "[GOO], after Daw 2011"
    )
    p_high: float = probability(
        0.75, "upper bound of the reward probabilities", "[GOO], after Daw 2011"
    )

    def __post_init__(self) -> None:
        """Check that the bounds leave room."""
        super().__post_init__()
        if not self.p_low < self.p_high:
            raise ParameterError(
                f"p_low must be below p_high={self.p_high:g}; got {self.p_low:g}. Change one of "
                "them."
            )

    @property
    def longest_episode(self) -> int:
        """Steps of an episode: two per trial."""
        return 2 * self.trials


STATE = {
    "stage": Field(
        np.int8, "what is shown: 0 first stage, 1 second stage", info=True, low=FIRST, high=SECOND
    ),
    "p": Field(
        (np.float64, (ARMS,)),
        "reward probability of each second-stage stimulus: left and right of state 0, of state 1",
        info=True,
        column=True,
        low=lambda p: p.p_low,
        high=lambda p: p.p_high,
        option=True,
    ),
    **{name: TWO_STEP[name] for name in ("choice", "common", "second_state")},
    "second_choice": Field(
        np.int8,
        "second-stage choice: 0 left, 1 right, -1 none",
        info=True,
        column=True,
        low=NONE,
        high=RIGHT,
    ),
    "best_action": Field(
        np.int8,
        "action most likely to lead to a reward in this trial, given the hidden state",
        info=True,
        low=LEFT,
        high=RIGHT,
    ),
    # What a trial holds in store, drawn when it begins: the same whatever is chosen.
    "transition_is_common": Field(np.bool_, "the transition of this trial will be common"),
    "luck": Field(
        (np.float64, (ARMS,)), "uniform random number of each stimulus", low=0.0, high=1.0
    ),
}

INVARIANTS: dict[str, Invariant] = {
    "`second_state` must be 0 or 1 at `stage` 1": (
        lambda lanes, p: (lanes["stage"] != SECOND) | (lanes["second_state"] != NONE)
    )
}


@rule
def begin(lane: Lane, p: Any) -> None:
    """Draw the reward probabilities."""
    for arm in range(ARMS):
        lane.p[arm] = p.p_low + (p.p_high - p.p_low) * uniform(lane)


@rule
def new_trial(lane: Lane, p: Any) -> None:
    """Let the reward probabilities drift, and draw what the trial holds in store."""
    span = p.p_high - p.p_low
    for arm in range(ARMS):
        step = p.drift * gaussian(lane)
        if lane.trial > 0:
            place = reflected((lane.p[arm] + step - p.p_low) / span)
            lane.p[arm] = min(max(p.p_low + span * place, p.p_low), p.p_high)  # rounding
        lane.luck[arm] = uniform(lane)
    lane.transition_is_common = chance(lane, p.p_common)
    lane.choice = NONE
    lane.second_state = NONE
    lane.second_choice = NONE
    lane.common = False
    lane.stage = FIRST
    lead = best_of(lane, 1) - best_of(lane, 0)
    common_side = RIGHT if lead > 0.0 else LEFT
    lane.best_action = common_side if p.p_common >= 0.5 else 1 - common_side


@rule
def best_of(lane: Lane, state: int) -> float:
    """Return the larger reward probability of a state."""
    larger: float = max(lane.p[2 * state], lane.p[2 * state + 1])
    return larger


@rule
def step(lane: Lane, p: Any, action: int) -> Any:
    """Choose a state, or one of its stimuli."""
    if lane.stage == FIRST:
        lane.choice = action
        lane.common = lane.transition_is_common
        state = action if lane.common else 1 - action
        lane.second_state = state
        lane.stage = SECOND
        lane.best_action = RIGHT if lane.p[2 * state + 1] > lane.p[2 * state] else LEFT
        return 0.0, False
    lane.second_choice = action
    arm = 2 * lane.second_state + action
    lane.outcome = lane.luck[arm] < lane.p[arm]
    lane.reward = lane.outcome
    return lane.reward, True


@rule
def observe(lane: Lane, p: Any, stimulus: Any) -> None:
    """Show the first stage or the second-stage state."""
    stimulus[0 if lane.stage == FIRST else 1 + lane.second_state] = 1.0


def actions(p: TwoStepDawParameters) -> tuple[str, ...]:
    """Name the actions."""
    return ("left", "right")


def stimulus(p: TwoStepDawParameters) -> tuple[str, ...]:
    """Name the components of the stimulus."""
    return ("first stage", "state 0", "state 1")


def reward_range(p: TwoStepDawParameters) -> tuple[float, float]:
    """Return the smallest and the largest reward."""
    return 0.0, 1.0


def picture(lane: Lane, p: TwoStepDawParameters) -> list[Item]:
    """Draw the two targets, or the stimuli of the second-stage state."""
    if lane.stage == FIRST:
        return [prompt("first stage: choose left or right"), *arm_items(("left", "right"))]
    name = STATES[lane.second_state]
    words = f"second stage: you came to {name}; choose left or right"
    return [prompt(words), *arm_items((f"{name} left", f"{name} right"))]


def goal(p: TwoStepDawParameters) -> str:
    """Say what to do."""
    return (
        f"Left leads to purple and right to green {100 * p.p_common:g} % of the time. Each has two "
        "stimuli whose pay drifts: keep up with the best one."
    )


def told(lane: Lane, p: TwoStepDawParameters) -> str:
    """Say where the first choice led, and what the second one brought."""
    name = actions(p)[lane.last_action]
    if lane.stage == SECOND:
        return f"{name} led to {STATES[lane.second_state]}"
    return paid(f"the {name} one", lane.last_reward) if lane.new_trial or lane.over else ""


TASK = Task(
    name="TwoStepDaw",
    doc=DOC,
    parameters=TwoStepDawParameters,
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
    observer="neurotasks.observers.two_step_daw:FilteringTwoStepDaw",
    behaviour="neurotasks.analysis.two_step:BEHAVIOUR",
    finding=FINDING,
    diagram_column="common",
)
