"""A safe against a risky arm (Wang et al. 2018, simulation 6; after Stopper et al. 2014)."""

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
    numbers,
    parameter,
    rule,
    uniform,
)
from neurotasks.errors import ParameterError
from neurotasks.rendering.frame import arm_items, paid, prompt

FIXATION, CHOICE = 0, 1
LEFT, RIGHT, CENTRE = 0, 1, 2
NONE = -1
PENALTY = -1.0

DOC = """Choose between a sure reward of 1 and a risky reward of 4 whose probability is learned in
forced trials.

## Description
One of two arms is safe and always pays 1. The other is risky: it pays 4 with a probability that
stays the same throughout the episode, else nothing. At a probability of 0.125 the safe arm is
better on average, at 0.5 the risky one. A trial starts with a fixation cue that must be answered
with the central response; then an arm is chosen. In the first ten trials the choice is forced: only
one arm is offered, each five times, in random order. Then come 20 free trials.

A fixation error costs 1 and fixation is asked for again. An invalid response at the choice (the
central one or, in a forced trial, the one towards the arm that is not offered) costs 1 and ends the
trial.

## Action Space
`Discrete(3)`: 0 left, 1 right, 2 centre.

## Observation Space
A float32 vector: what is shown (one-hot: fixation, both arms, left arm only, right arm only), the
one-hot previous action, the previous reward.

## Rewards
`safe_reward` or `risky_reward` from an arm that pays, -1 for an invalid response, else 0.

## Starting State
The side of the risky arm and the probability that it pays are drawn anew in each episode. `split`
changes nothing.

## Episode End
Terminates after `trials` trials, or after as many steps as they take without an invalid response
(2 per trial).

## References
- Wang et al. 2018, Nature Neuroscience 21:860, simulation 6, Fig. 7.
- Stopper et al. 2014, Neuron 84:177.

We do not know how the paper signalled a forced choice, or how it drew the probability in training;
the cues and the two equally frequent values are ours.

## Version History
- v0: first release.
"""

FINDING = (
    "Blocking or stimulating dopamine at the moment of an outcome changes rats' risky choices "
    "(Stopper et al. 2014). Changing the reward prediction error that is fed to the network's "
    "policy has the same effects (Wang et al. 2018, Fig. 7)."
)


@dataclass(frozen=True)
class RiskyChoiceParameters(Parameters):
    """Parameters of the risky-choice task."""

    trials: int = parameter(
        30,
        "trials in an episode, the forced ones included: those after them are free, and with fewer "
        "trials than forced ones all are forced",
        "[IAR]",
        low=1,
    )
    forced_per_arm: int = parameter(
        5, "forced trials of each arm, with which the episode begins", "[IAR]", low=0
    )
    safe_reward: float = parameter(1.0, "reward of the safe arm", "[IAR] and [S6] agree", low=0.0)
    risky_reward: float = parameter(
        4.0, "reward of the risky arm when it pays", "[IAR] and [S6] agree", low=0.0
    )
    p_values: tuple[float, ...] = numbers(
        (0.125, 0.5),
        "reward probabilities of the risky arm, of which each episode has one, all equally likely",
        "[IAR] and [S6] agree on the values; that they are equally likely is ours",
        low=0.0,
        high=1.0,
    )
    p_uniform: bool = parameter(
        False,
        "whether the reward probability is drawn from [0, 1] instead of p_values",
        "ours: the paper's training distribution is unknown",
    )

    def __post_init__(self) -> None:
        """Check that an outcome identifies its arm."""
        super().__post_init__()
        if not 0 < self.safe_reward < self.risky_reward:
            raise ParameterError(
                f"safe_reward must lie between 0 and risky_reward={self.risky_reward:g}; got "
                f"{self.safe_reward:g}. Change one of them."
            )

    @property
    def step_cap(self) -> int:
        """Steps of an episode without an invalid response."""
        return self.trials * 2


STATE = {
    "stage": Field(
        np.int8, "what is shown: 0 fixation, 1 the arms", info=True, low=FIXATION, high=CHOICE
    ),
    "p_risky": Field(
        np.float64,
        "probability that the risky arm pays",
        info=True,
        column=True,
        low=0.0,
        high=1.0,
        option=True,
    ),
    "risky_side": Field(
        np.int8,
        "side of the risky arm: 0 left, 1 right",
        info=True,
        column=True,
        low=LEFT,
        high=RIGHT,
        option=True,
    ),
    "forced": Field(np.bool_, "only one arm is offered", info=True, column=True),
    "forced_side": Field(
        np.int8,
        "the arm offered in a forced trial: 0 left, 1 right, -1 both",
        info=True,
        low=NONE,
        high=RIGHT,
    ),
    "choice": Field(
        np.int8,
        "arm chosen: 0 left, 1 right, -1 none",
        info=True,
        column=True,
        low=NONE,
        high=RIGHT,
    ),
    "risky": Field(np.bool_, "the risky arm was chosen", column=True),
    "best_action": Field(
        np.int8, "optimal action given the probability", info=True, low=LEFT, high=CENTRE
    ),
    "forced_to_come": Field(
        (np.int64, (2,)),
        "forced trials still to come of each side",
        low=0,
        high=lambda p: p.forced_per_arm,
    ),
    # Drawn when the trial begins: the same whatever is chosen.
    "risky_pays": Field(np.bool_, "whether the risky arm pays in this trial"),
}

INVARIANTS: dict[str, Invariant] = {
    "`forced_side` must be 0 or 1 where the trial is `forced`": (
        lambda lanes, p: ~lanes["forced"] | (lanes["forced_side"] != NONE)
    )
}


@rule
def begin(lane: Lane, p: Any) -> None:
    """Draw the side of the risky arm and how often it pays."""
    lane.risky_side = choose(lane, 2)
    if p.p_uniform:
        lane.p_risky = uniform(lane)
    else:
        lane.p_risky = p.p_values[choose(lane, len(p.p_values))]
    lane.forced_to_come[:] = p.forced_per_arm


@rule
def new_trial(lane: Lane, p: Any) -> None:
    """Draw whether the risky arm will pay, and which arm is forced while there are such trials."""
    lane.risky_pays = chance(lane, lane.p_risky)
    left, right = lane.forced_to_come[LEFT], lane.forced_to_come[RIGHT]
    lane.forced = left + right > 0
    lane.forced_side = NONE
    if lane.forced:  # as from an urn: every order is equally likely
        lane.forced_side = LEFT if choose(lane, left + right) < left else RIGHT
        lane.forced_to_come[lane.forced_side] -= 1
    lane.choice = NONE
    lane.risky = False
    lane.stage = FIXATION
    lane.best_action = CENTRE


@rule
def best_choice(lane: Lane, p: Any) -> int:
    """Return the arm offered, or the one that pays more on average."""
    if lane.forced:
        return lane.forced_side  # type: ignore[no-any-return]
    risky: int = lane.risky_side
    return risky if lane.p_risky * p.risky_reward > p.safe_reward else 1 - risky


@rule
def step(lane: Lane, p: Any, action: int) -> Any:
    """Answer the cue, or choose."""
    if lane.stage == FIXATION:
        if action != CENTRE:
            return PENALTY, False
        lane.stage = CHOICE
        lane.best_action = best_choice(lane, p)
        return 0.0, False
    if action == CENTRE or (lane.forced and action != lane.forced_side):
        lane.reward = PENALTY
        return PENALTY, True
    lane.choice = action
    lane.risky = action == lane.risky_side
    if lane.risky:
        lane.reward = p.risky_reward if lane.risky_pays else 0.0
    else:
        lane.reward = p.safe_reward
    lane.outcome = lane.reward > 0.0
    return lane.reward, True


@rule
def observe(lane: Lane, p: Any, stimulus: Any) -> None:
    """Show the fixation cue, or the arms on offer."""
    stimulus[0 if lane.stage == FIXATION else 2 + lane.forced_side] = 1.0


def actions(p: RiskyChoiceParameters) -> tuple[str, ...]:
    """Name the actions."""
    return ("left", "right", "centre")


def stimulus(p: RiskyChoiceParameters) -> tuple[str, ...]:
    """Name the components of the stimulus."""
    return ("fixation", "both arms", "left arm only", "right arm only")


def reward_range(p: RiskyChoiceParameters) -> tuple[float, float]:
    """Return the smallest and the largest reward."""
    return PENALTY, p.risky_reward


def picture(lane: Lane, p: RiskyChoiceParameters) -> list[Item]:
    """Draw the cross, or the arms on offer."""
    if lane.stage == FIXATION:
        return [prompt("look at the cross: centre"), Item("cross", 0.5, 0.55)]
    arms, forced = arm_items(("left", "right")), lane.forced_side
    if forced == NONE:
        return [prompt("choose freely: safe or risky?"), *arms]
    return [prompt(f"only one arm is offered: {actions(p)[forced]}"), arms[forced]]


def goal(p: RiskyChoiceParameters) -> str:
    """Say what to do."""
    return (
        f"One arm is safe and always pays {p.safe_reward:g}, the other is risky and pays "
        f"{p.risky_reward:g} or nothing: find out how often it pays, then choose."
    )


def told(lane: Lane, p: RiskyChoiceParameters) -> str:
    """Say which arm paid what; what it paid tells which one it is."""
    if lane.last_reward < 0:
        return f"{actions(p)[lane.last_action]} was not on offer: -1"
    if lane.last_action == CENTRE:
        return ""
    arm = "safe" if lane.last_reward == p.safe_reward else "risky"
    return paid(f"the {arm} arm", lane.last_reward)


TASK = Task(
    name="RiskyChoice",
    doc=DOC,
    parameters=RiskyChoiceParameters,
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
    observer="neurotasks.observers.risky_choice:BayesRiskyChoice",
    behaviour="neurotasks.analysis.risky_choice:BEHAVIOUR",
    finding=FINDING,
    diagram_column="forced",
)
