"""The two-step task as people (Daw et al. 2011) and monkeys (Miranda et al. 2025) played it."""

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
    choice,
    choose,
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
OUTCOMES = ("binary", "levels")
BINARY = OUTCOMES.index("binary")
LEVELS = 3  # 0, 0.5 and 1

DOC = """A two-stage choice task with a choice at both stages and drifting rewards: to choose well,
an agent must keep learning the rewards and know the transitions.

## Description
At the first stage the subject chooses left or right. Left leads to second-stage state 0 and right
to state 1 in most trials (common transition), the other way round in the rest (rare transition).
Each state has two stimuli, left and right, of which one is chosen. The four stimuli pay with
probabilities of their own, which change slowly and independently: after each trial each takes a
Gaussian step and is reflected at the bounds.

With `outcomes="levels"` (`TwoStepMiranda-v0`, after the monkeys' task) each stimulus pays nothing,
a half or 1, the same in every trial until the level is drawn anew after 5 to 9 trials: only
transitions are up to chance. Left out of the monkeys' task are the fixation at the start, the sides
at which pictures appear, trials without a free choice, and delays before smaller rewards.

## Action Space
`Discrete(2)`: 0 left, 1 right.

## Observation Space
A float32 vector: what is shown (one-hot: first stage, state 0, state 1), the one-hot previous
action, the previous reward.

## Rewards
+1 in a rewarded trial, else 0. With `outcomes="levels"` 1, 0.5 or 0; a trial with 0.5 is neither
rewarded nor unrewarded, and has the outcome -1 in the trial table.

## Starting State
The four reward probabilities are drawn anew in each episode, uniformly between the bounds, or the
four levels, each with probability 1/3. `split` changes nothing.

## Episode End
Terminates after `trials` trials of two steps.

## References
- Daw et al. 2011, Neuron 69:1204, Fig. 1.
- Miranda et al. 2025, eLife 14:RP106032, and 2020, PLoS Computational Biology 16:e1007944, Fig. 1
  (`TwoStepMiranda-v0`).
- Wang et al. 2018, Nature Neuroscience 21:860, simulation 4, with other reward
  probabilities (`TwoStep-v0`).

## Version History
- v0: first release.
"""

FINDING = (
    "People stay with their first choice after a reward, and more so after a common transition: "
    "model-free and model-based learning both show (Daw et al. 2011, Fig. 2). Monkeys show the "
    "second only (computed from the data of Miranda et al. 2025), and so do networks that have "
    "learned the monkeys' task (`neurotasks reproduce two-step-monkeys`). People's task was not "
    "learned with the same hyperparameters. The trial table has the columns that the models of "
    "choice are fitted to."
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

    outcomes: str = choice(
        "binary",
        OUTCOMES,
        "what a stimulus pays: 1 with a probability that drifts, else 0 (binary); or 0, 0.5 or 1 "
        "for some trials, until one of these is drawn anew (levels)",
        "Daw 2011; levels: [MIR]",
    )
    hold_low: int = parameter(
        5,
        "smallest number of trials that a level holds",
        "Miranda 2020, Fig. 1B, and [MIR]",
        low=1,
        high=100,
    )
    hold_high: int = parameter(
        9,
        "largest number of trials that a level holds",
        "Miranda 2020, Fig. 1B, and [MIR]",
        low=1,
        high=100,
    )

    def __post_init__(self) -> None:
        """Check that the bounds leave room."""
        super().__post_init__()
        if not self.p_low < self.p_high:
            raise ParameterError(
                f"p_low must be below p_high={self.p_high:g}; got {self.p_low:g}. Change one of "
                "them."
            )
        if self.hold_low > self.hold_high:
            raise ParameterError(
                f"hold_low must be at most hold_high={self.hold_high}; got {self.hold_low}. Change "
                "one of them."
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
        "reward probability, or level, of each second-stage stimulus: left and right of state 0, "
        "of state 1",
        info=True,
        column=True,
        low=lambda p: p.p_low if p.outcomes == "binary" else 0.0,
        high=lambda p: p.p_high if p.outcomes == "binary" else 1.0,
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
        "action with the largest expected reward in this trial, given the hidden state",
        info=True,
        low=LEFT,
        high=RIGHT,
    ),
    "hold": Field(
        (np.int32, (ARMS,)),
        "trials until the level of each stimulus is drawn anew",
        low=0,
        high=lambda p: p.hold_high,
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
    """Draw the reward probabilities, or the levels."""
    for arm in range(ARMS):
        if p.outcomes == BINARY:
            lane.p[arm] = p.p_low + (p.p_high - p.p_low) * uniform(lane)
        else:
            draw_level(lane, p, arm)


@rule
def draw_level(lane: Lane, p: Any, arm: int) -> None:
    """Draw what a stimulus pays, and for how many trials."""
    lane.p[arm] = choose(lane, LEVELS) / (LEVELS - 1)
    lane.hold[arm] = p.hold_low + choose(lane, p.hold_high - p.hold_low + 1)


@rule
def new_trial(lane: Lane, p: Any) -> None:
    """Let what the stimuli pay change, and draw what the trial holds in store."""
    span = p.p_high - p.p_low
    for arm in range(ARMS):
        if p.outcomes != BINARY:
            if lane.trial > 0:
                lane.hold[arm] -= 1
                if lane.hold[arm] <= 0:
                    draw_level(lane, p, arm)
            continue
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
    """Return the larger expected reward of a state."""
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
    if p.outcomes == BINARY:
        lane.outcome = lane.luck[arm] < lane.p[arm]
        lane.reward = lane.outcome
    else:
        lane.reward = lane.p[arm]
        lane.outcome = 1 if lane.reward == 1.0 else 0 if lane.reward == 0.0 else NONE
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
    changes = "drifts" if p.outcomes == "binary" else "jumps"
    return (
        f"Left leads to purple and right to green {100 * p.p_common:g} % of the time. Each has two "
        f"stimuli whose pay {changes}: keep up with the best one."
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
    behaviour="neurotasks.analysis.two_step:DAW",
    finding=FINDING,
    diagram_column="common",
)
