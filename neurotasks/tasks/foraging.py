"""Foraging on two baited arms (Wang et al. 2018, simulation 1; after Tsutsui et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurotasks.core import (
    Field,
    Item,
    Lane,
    Parameters,
    Task,
    choose,
    parameter,
    probability,
    rule,
    uniform,
)
from neurotasks.rendering.frame import arm_items, paid, prompt

FIXATION, CHOICE = 0, 1
LEFT, RIGHT, CENTRE = 0, 1, 2
NONE = -1
PENALTY = -1.0
FIFTHS = 5  # p0(left) is trained in the first, third and last fifth of its range

DOC = """Choose between two arms, each more likely to pay the longer it has not been chosen.

## Description
A trial starts with a fixation cue that must be answered with the central response; then the
subject chooses the left or the right arm. An arm a pays with probability

    p(a) = 1 - (1 - p0(a))^(n(a) + 1),

where n(a) is the number of trials since a was last chosen, rewarded or not: choosing a sets n(a)
to 0, a trial without choosing it adds 1, and both are 0 at the start. The two p0 stay the same
throughout the episode, and add up to `p0_sum`.

A fixation error costs 1 and fixation is asked for again; n does not change. The central response
at the choice costs 1 and ends the trial, in which neither arm was chosen: both n grow by 1.

## Action Space
`Discrete(3)`: 0 left, 1 right, 2 centre. Without fixation `Discrete(2)`: 0 left, 1 right.

## Observation Space
A float32 vector: what is shown (one-hot: fixation, arms), the one-hot previous action, the
previous reward. Without fixation only the arms are shown.

## Rewards
+1 in a rewarded trial, -1 for an invalid response, else 0.

## Starting State
With `split="train"` p0(left) is uniform on the first, third and last fifth of [0, p0_sum]: on [0,
0.1], [0.2, 0.3] and [0.4, 0.5]. With `split="test"` it is uniform on the whole range; the column
`held_out` marks the episodes in the gaps, on which nothing was trained. The number of trials is
drawn uniformly from `min_trials` to `trials` in training, and is `trials` in the test.

## Episode End
Terminates after its trials, or after as many steps as `trials` trials take without an invalid
response (2 per trial, 1 without fixation).

## References
- Wang et al. 2018, Nature Neuroscience 21:860, simulation 1, Fig. 2.
- Tsutsui et al. 2016, Nature Communications 7:12554.
- Lau & Glimcher 2005, Journal of the Experimental Analysis of Behavior 84:555.

## Version History
- v0: first release.
"""

FINDING = (
    "Monkeys' choices follow the matching law, and prefrontal neurons code the values of objects "
    "(Tsutsui et al. 2016). The network's choices follow it too, and its units code the last "
    "choice, the last reward and the value (Wang et al. 2018, Fig. 2)."
)


@dataclass(frozen=True)
class ForagingParameters(Parameters):
    """Parameters of the foraging task."""

    trials: int = parameter(
        100,
        "trials in an episode of the test, and at most in training",
        "[GOO], [IAR] and [KOR] agree",
        low=1,
    )
    min_trials: int = parameter(
        50,
        "trials in the shortest episode of training (`trials`, if that is less)",
        "[GOO], [IAR] and [KOR] agree",
        low=1,
    )
    p0_sum: float = probability(0.5, "sum of the two arms' p0", "[GOO], [IAR] and [KOR] agree")
    fixation: bool = parameter(
        True,
        "whether a trial starts with a fixation cue",
        "Wang 2018, Methods; left out by [GOO], [IAR] and [KOR]",
    )

    @property
    def step_cap(self) -> int:
        """Steps of the longest episode without an invalid response."""
        return self.trials * (2 if self.fixation else 1)


STATE = {
    "stage": Field(
        np.int8,
        "what is shown: 0 fixation, 1 arms",
        info=True,
        low=lambda p: FIXATION if p.fixation else CHOICE,
        high=CHOICE,
    ),
    "p0": Field(
        (np.float64, (2,)),
        "reward probability of each arm just after it was chosen: left, right",
        info=True,
        column=True,
        low=0,
        high=1,
        option=True,
    ),
    "held_out": Field(
        np.bool_, "p0 of the left arm lies in a gap of the training range", info=True, column=True
    ),
    "trials_since": Field(
        (np.int64, (2,)),
        "n: trials since each arm was last chosen",
        column=True,
        low=0,
        high=lambda p: p.trials,
    ),
    "p_baited": Field(
        (np.float64, (2,)),
        "reward probability of each arm in this trial",
        info=True,
        column=True,
        low=0.0,
        high=1.0,
    ),
    "choice": Field(np.int8, "choice: 0 left, 1 right, -1 none", column=True, low=NONE, high=RIGHT),
    "correct": Field(np.bool_, "no arm was likelier to pay than the chosen one", column=True),
    # Greedy: choosing for the long run would earn 0.0005 more a trial (by value iteration).
    "best_action": Field(
        np.int8,
        "action most likely to pay in this trial, given the hidden state",
        info=True,
        low=LEFT,
        high=lambda p: CENTRE if p.fixation else RIGHT,
    ),
    # What a trial holds in store, drawn when it begins: an arm pays if this is below p_baited.
    "luck": Field((np.float64, (2,)), "uniform random number of each arm", low=0.0, high=1.0),
}


@rule
def begin(lane: Lane, p: Any) -> None:
    """Draw p0, and the number of trials."""
    fifth = p.p0_sum / FIFTHS
    if p.test:
        lane.p0[LEFT] = p.p0_sum * uniform(lane)
    else:
        lane.p0[LEFT] = fifth * (2 * choose(lane, 3) + uniform(lane))
        shortest = min(p.min_trials, p.trials)
        lane.trials = shortest + choose(lane, p.trials - shortest + 1)
    lane.p0[RIGHT] = p.p0_sum - lane.p0[LEFT]


@rule
def new_trial(lane: Lane, p: Any) -> None:
    """Bait the arms, and draw what the trial holds in store."""
    for arm in range(2):
        p0 = lane.p0[arm]
        if lane.trial == 0 or arm == lane.choice:
            lane.trials_since[arm] = 0
            lane.p_baited[arm] = p0
        else:
            lane.trials_since[arm] += 1
            lane.p_baited[arm] += (1.0 - lane.p_baited[arm]) * p0
        lane.luck[arm] = uniform(lane)
    fifth, left = p.p0_sum / FIFTHS, lane.p0[LEFT]
    lane.held_out = fifth < left < 2 * fifth or 3 * fifth < left < 4 * fifth
    lane.choice = NONE
    lane.correct = False
    lane.stage = FIXATION if p.fixation else CHOICE
    lane.best_action = CENTRE if p.fixation else best_choice(lane)


@rule
def best_choice(lane: Lane) -> int:
    """Return the arm that is likelier to pay."""
    return RIGHT if lane.p_baited[RIGHT] > lane.p_baited[LEFT] else LEFT


@rule
def step(lane: Lane, p: Any, action: int) -> Any:
    """Answer the cue, or choose."""
    if lane.stage == FIXATION:
        if action != CENTRE:
            return PENALTY, False
        lane.stage = CHOICE
        lane.best_action = best_choice(lane)
        return 0.0, False
    if action == CENTRE:
        lane.reward = PENALTY
        return PENALTY, True
    lane.choice = action
    lane.outcome = lane.luck[action] < lane.p_baited[action]
    lane.correct = lane.p_baited[action] >= lane.p_baited[1 - action]
    lane.reward = lane.outcome
    return lane.reward, True


@rule
def observe(lane: Lane, p: Any, stimulus: Any) -> None:
    """Show the fixation cue or the arms."""
    stimulus[lane.stage if p.fixation else 0] = 1.0


def picture(lane: Lane, p: ForagingParameters) -> list[Item]:
    """Draw the cross or the two arms."""
    if lane.stage == FIXATION:
        return [prompt("look at the cross: centre"), Item("cross", 0.5, 0.55)]
    last = (lane.last_action, lane.last_reward) if not p.fixation else ()
    return [prompt("choose an arm"), *arm_items(("left", "right"), *last)]


def goal(p: ForagingParameters) -> str:
    """Say what to do."""
    return (
        "The longer an arm has not been chosen, the likelier it pays: collect as much as you can."
    )


def told(lane: Lane, p: ForagingParameters) -> str:
    """Say what the arm paid."""
    name = actions(p)[lane.last_action]
    if lane.last_reward < 0:
        return f"{name} was not on offer: -1"
    return paid(f"the {name} arm", lane.last_reward) if name != "centre" else ""


def actions(p: ForagingParameters) -> tuple[str, ...]:
    """Name the actions."""
    return ("left", "right", "centre") if p.fixation else ("left", "right")


def stimulus(p: ForagingParameters) -> tuple[str, ...]:
    """Name the components of the stimulus."""
    return ("fixation", "arms") if p.fixation else ("arms",)


def reward_range(p: ForagingParameters) -> tuple[float, float]:
    """Return the smallest and the largest reward."""
    return (PENALTY if p.fixation else 0.0), 1.0


TASK = Task(
    name="Foraging",
    doc=DOC,
    parameters=ForagingParameters,
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
    observer="neurotasks.observers.foraging:BayesForaging",
    finding=FINDING,
)
