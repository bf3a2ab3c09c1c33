"""A bandit whose reversals are rare or frequent (Wang et al. 2018, simulation 2; Behrens 2007)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurotasks.core import (
    Field,
    Item,
    Lane,
    Parameters,
    Task,
    chance,
    choice,
    choose,
    numbers,
    parameter,
    probability,
    rule,
    uniform,
)
from neurotasks.rendering.frame import arm_items, paid, prompt

LEFT, RIGHT = 0, 1
STABLE, VOLATILE = 0, 1
RANGE = 0  # index of this word in `log_k_from`
NONE = -1

DOC = """Follow the better of two arms through reversals, rare in stable and frequent in volatile
blocks.

## Description
In every trial exactly one of two arms pays. The better one pays with probability `p_better`, the
other with 1 - p_better. In the terms of Behrens et al., the left arm pays with probability r and
the right one with 1 - r. How the arms swap depends on `split`.

**train**: Behrens' generative hierarchy. At the start of every trial after the first the volatility
v toggles between 0 and `volatility` with probability k, and then r flips to 1 - r with probability
v. k is drawn for each episode. p_better is `p_stable` if the episode begins with v = 0 and
`p_volatile` otherwise, and then stays the same: r only flips, whatever v does later.

**test**: one half of the trials is a stable block with p_better = `p_stable`, in which r is
constant; the other half is a volatile block with `p_volatile`, in which r flips after every
`reversal_interval` trials. The better arm is drawn anew when the second block begins.

## Action Space
`Discrete(2)`: 0 left, 1 right.

## Observation Space
A float32 vector: a constant go cue, the one-hot previous action, the previous reward.

## Rewards
+1 if the chosen arm pays, else 0.

## Starting State
The better arm and the block (with `split="train"`: whether v > 0) are drawn with probability 1/2
each, and so is the order of the blocks in the test. `reset(options={"block": ...})` fixes the first
block; in a vector environment you can fix it for each sub-environment, to balance the order
exactly.

## Episode End
Terminates after `trials` trials.

## References
- Wang et al. 2018, Nature Neuroscience 21:860, simulation 2, Fig. 3.
- Behrens et al. 2007, Nature Neuroscience 10:1214.

## Version History
- v0: first release.
"""

FINDING = (
    "People learn faster when contingencies change often (Behrens et al. 2007). So does the "
    "network, with frozen weights (Wang et al. 2018, Fig. 3)."
)


@dataclass(frozen=True)
class VolatilityParameters(Parameters):
    """Parameters of the volatility task."""

    trials: int = parameter(200, "trials in an episode", "[IAR]", low=1)
    p_stable: float = parameter(
        0.75,
        "reward probability of the better arm in the stable block, or if training begins stable",
        "[IAR]",
        low=0.5,
        high=1.0,
    )
    p_volatile: float = parameter(
        0.8,
        "reward probability of the better arm in the volatile block, or if training begins so",
        "[IAR] in the test; in training ours: [IAR] has 1, in dead code",
        low=0.5,
        high=1.0,
    )
    volatility: float = probability(
        0.2, "probability v that r flips in a trial of training while volatile", "[IAR]"
    )
    log_k: tuple[float, ...] = numbers(
        (-4.5, -3.5),
        "natural logarithm of k, the probability that v toggles in a trial of training",
        "[IAR]",
        high=0.0,
    )
    log_k_from: str = choice(
        "range",
        ("range", "values"),
        "whether log k is uniform from the first to the last value in `log_k` or one of the values",
        "[IAR], which had both",
    )
    reversal_interval: int = parameter(
        25, "trials after which r may flip in the volatile block of the test", "[IAR]", low=1
    )
    p_reversal: float = probability(
        1.0,
        "probability that r flips after each such interval",
        "as in Behrens 2007; [IAR] drew r anew, which is 0.5",
    )

    @property
    def longest_episode(self) -> int:
        """Number of steps of every episode: one per trial."""
        return self.trials


STATE = {
    "block": Field(
        np.int8,
        "0 stable, 1 volatile (in training: v is 0, or not)",
        info=True,
        column=True,
        low=STABLE,
        high=VOLATILE,
        option=True,
    ),
    "k": Field(
        np.float64,
        "probability that v toggles in a trial of training",
        info=True,
        column=True,
        low=0,
        high=1,
        option=True,
    ),
    "better_arm": Field(
        np.int8,
        "arm that pays more often: 0 left, 1 right",
        info=True,
        column=True,
        low=LEFT,
        high=RIGHT,
        option=True,
    ),
    "p_better": Field(
        np.float64,
        "reward probability of the better arm",
        info=True,
        column=True,
        low=0.0,
        high=1.0,
    ),
    "choice": Field(
        np.int8, "choice: 0 left, 1 right, -1 none yet", column=True, low=NONE, high=RIGHT
    ),
    "correct": Field(np.bool_, "the better arm was chosen", column=True),
    "best_action": Field(
        np.int8, "optimal action given the better arm", info=True, low=LEFT, high=RIGHT
    ),
    # What a trial holds in store, drawn when it begins: the same whatever is chosen.
    "paying_arm": Field(np.int8, "arm that pays in this trial", low=LEFT, high=RIGHT),
}


@rule
def begin(lane: Lane, p: Any) -> None:
    """Draw the block, the better arm and k."""
    lane.block = choose(lane, 2)
    lane.better_arm = choose(lane, 2)
    last = len(p.log_k) - 1
    if p.log_k_from == RANGE:
        log_k = p.log_k[0] + (p.log_k[last] - p.log_k[0]) * uniform(lane)
    else:
        log_k = p.log_k[choose(lane, last + 1)]
    lane.k = math.exp(log_k)


@rule
def new_trial(lane: Lane, p: Any) -> None:
    """Let the contingencies change, and draw what the trial holds in store."""
    if lane.trial > 0 and p.test:
        follow_schedule(lane, p)
    elif lane.trial > 0:
        if chance(lane, lane.k):
            lane.block = 1 - lane.block
        if chance(lane, p.volatility) and lane.block == VOLATILE:
            lane.better_arm = 1 - lane.better_arm
    if lane.trial == 0 or p.test:
        lane.p_better = p.p_volatile if lane.block == VOLATILE else p.p_stable
    pays = chance(lane, lane.p_better)
    lane.paying_arm = lane.better_arm if pays else 1 - lane.better_arm
    lane.choice = NONE
    lane.correct = False
    lane.best_action = lane.better_arm


@rule
def follow_schedule(lane: Lane, p: Any) -> None:
    """Begin the second block of the test, or go on in the volatile one."""
    half = p.trials // 2
    if lane.trial == half:
        lane.block = 1 - lane.block
        lane.better_arm = choose(lane, 2)
    elif lane.block == VOLATILE:
        trial_of_block = lane.trial - half if lane.trial > half else lane.trial
        if trial_of_block % p.reversal_interval == 0 and chance(lane, p.p_reversal):
            lane.better_arm = 1 - lane.better_arm


@rule
def step(lane: Lane, p: Any, action: int) -> Any:
    """Choose."""
    lane.choice = action
    lane.outcome = action == lane.paying_arm
    lane.correct = action == lane.better_arm
    lane.reward = lane.outcome
    return lane.reward, True


@rule
def observe(lane: Lane, p: Any, stimulus: Any) -> None:
    """Show that it is time to choose."""
    stimulus[0] = 1.0


def picture(lane: Lane, p: VolatilityParameters) -> list[Item]:
    """Draw the two arms, and what the last choice paid."""
    last = lane.last_action, lane.last_reward
    return [prompt("choose an arm"), *arm_items(("left", "right"), *last)]


def goal(p: VolatilityParameters) -> str:
    """Say what to do."""
    return (
        "One arm pays more often. Which one may change at any time, now and then or again and "
        "again: follow it."
    )


def told(lane: Lane, p: VolatilityParameters) -> str:
    """Say what the arm paid."""
    return paid(f"the {actions(p)[lane.last_action]} arm", lane.last_reward)


def actions(p: VolatilityParameters) -> tuple[str, ...]:
    """Name the actions."""
    return ("left", "right")


def stimulus(p: VolatilityParameters) -> tuple[str, ...]:
    """Name the components of the stimulus."""
    return ("go",)


def reward_range(p: VolatilityParameters) -> tuple[float, float]:
    """Return the smallest and the largest reward."""
    return 0.0, 1.0


TASK = Task(
    name="Volatility",
    doc=DOC,
    parameters=VolatilityParameters,
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
    observer="neurotasks.observers.volatility:reference_volatility",
    behaviour="neurotasks.analysis.volatility:BEHAVIOUR",
    finding=FINDING,
)
