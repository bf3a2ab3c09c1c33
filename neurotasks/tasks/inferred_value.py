"""Values that can be inferred (Wang et al. 2018, simulation 3; after Bromberg-Martin 2010)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurotasks.core import Field, Item, Lane, Parameters, Task, choose, parameter, rule
from neurotasks.rendering.frame import FAINT, GOLD, paid, prompt, signed

FIXATION, STIMULUS, OUTCOME, INTERVAL = 0, 1, 2, 3
LEFT, RIGHT, CENTRE = 0, 1, 2
NONE = -1
PENALTY = -1.0

STIMULI = ("left", "centre", "right", "outcome", "interval")

DOC = """Respond to one of two targets per trial; the value of either implies that of the other.

## Description
A trial starts with a fixation cue in the centre that must be answered with the central response.
Then one target appears, left or right with equal probability, and must be answered with a response
towards it. In an episode one of the two sides is always rewarded and the other never. A subject
that knows this rule knows the value of both targets after one trial, even of the one it has not met
yet (inferred value); a learner that keeps a value for each target knows only those it has met
(experienced value).

The reward for the response to the target is fed back in the next observation, the outcome. This is
a step of its own, so that the reward is seen apart from the next trial's fixation cue. An interval
follows. In both steps any response is accepted, and none costs anything. With `steps_per_trial=2`
both are left out, and the reward is fed back with the next fixation cue.

A fixation error costs 1 and fixation is asked for again. Any response to the target but the one
towards it costs 1 and ends the trial.

## Action Space
`Discrete(3)`: 0 left, 1 right, 2 centre.

## Observation Space
A float32 vector: what is shown (one-hot: left, centre, right, outcome, interval), the one-hot
previous action, the previous reward. There is no component for a step that is left out.

## Rewards
+1 for the response towards the rewarded target, 0 for that towards the other, -1 for an invalid
response, else 0.

## Starting State
The rewarded side is drawn anew in each episode, each with probability 1/2. `split` changes nothing.

## Episode End
Terminates after `trials` trials, or after as many steps as they take without an invalid response
(`steps_per_trial` per trial).

## References
- Wang et al. 2018, Nature Neuroscience 21:860, simulation 3, Fig. 4.
- Bromberg-Martin et al. 2010, Journal of Neurophysiology 104:1068.

## Version History
- v0: first release.
"""

FINDING = (
    "Monkeys' dopamine neurons respond to a target whose new value can only be inferred from the "
    "other target's (Bromberg-Martin et al. 2010). So do the network's reward prediction errors "
    "(Wang et al. 2018, Fig. 4)."
)


@dataclass(frozen=True)
class InferredValueParameters(Parameters):
    """Parameters of the inferred-value task."""

    trials: int = parameter(5, "trials in an episode", "[IAR]", low=1)
    steps_per_trial: int = parameter(
        4,
        "steps of a trial: the first so many of fixation, stimulus, outcome, interval",
        "[IAR], which coded 2 and found that 4 are needed to separate the RPEs",
        low=2,
        high=4,
    )

    @property
    def step_cap(self) -> int:
        """Steps of an episode without an invalid response."""
        return self.trials * self.steps_per_trial


STATE = {
    "stage": Field(
        np.int8,
        "what is shown: 0 fixation, 1 stimulus, 2 outcome, 3 interval",
        info=True,
        low=FIXATION,
        high=lambda p: p.steps_per_trial - 1,
    ),
    "rewarded_side": Field(
        np.int8,
        "side that is rewarded in this episode: 0 left, 1 right",
        info=True,
        column=True,
        low=LEFT,
        high=RIGHT,
        option=True,
    ),
    "target": Field(
        np.int8,
        "side of the target of this trial: 0 left, 1 right",
        info=True,
        column=True,
        low=LEFT,
        high=RIGHT,
    ),
    "rewarded_target": Field(
        np.bool_, "the target of this trial is the rewarded one", info=True, column=True
    ),
    "experienced": Field(
        np.bool_,
        "this target was shown before in the episode; if not, its value can only be inferred, from "
        "the second trial on",
        info=True,
        column=True,
    ),
    "choice": Field(
        np.int8,
        "response to the target: 0 left, 1 right, -1 none",
        info=True,
        column=True,
        low=NONE,
        high=RIGHT,
    ),
    "valid": Field(np.bool_, "the response to the target was towards it", column=True),
    "best_action": Field(
        np.int8, "optimal action given the hidden state", info=True, low=LEFT, high=CENTRE
    ),
    "shown": Field(
        (np.int8, (2,)), "whether the target of each side has been shown", low=0, high=1
    ),
}


@rule
def begin(lane: Lane, p: Any) -> None:
    """Draw the rewarded side."""
    lane.rewarded_side = choose(lane, 2)
    lane.shown[:] = 0


@rule
def new_trial(lane: Lane, p: Any) -> None:
    """Draw the target, and show the fixation cue."""
    lane.target = choose(lane, 2)
    lane.rewarded_target = lane.target == lane.rewarded_side
    lane.experienced = lane.shown[lane.target] > 0
    lane.shown[lane.target] = 1
    lane.choice = NONE
    lane.valid = False
    lane.stage = FIXATION
    lane.best_action = CENTRE


@rule
def step(lane: Lane, p: Any, action: int) -> Any:
    """Answer the cue, then the target; wait for the end of the trial."""
    reward = 0.0
    if lane.stage == FIXATION:
        if action != CENTRE:
            return PENALTY, False
        lane.best_action = lane.target
    elif lane.stage == STIMULUS:
        lane.choice = NONE if action == CENTRE else action
        lane.valid = action == lane.target
        if not lane.valid:
            lane.reward = PENALTY
            return PENALTY, True
        lane.outcome = lane.rewarded_target
        lane.reward = lane.outcome
        reward = lane.reward
        lane.best_action = CENTRE
    if lane.stage + 1 == p.steps_per_trial:
        return reward, True
    lane.stage += 1
    return reward, False


@rule
def observe(lane: Lane, p: Any, stimulus: Any) -> None:
    """Show the fixation cue, the target, or which part of the trial is on."""
    if lane.stage == FIXATION:
        stimulus[1] = 1.0
    elif lane.stage == STIMULUS:
        stimulus[2 * lane.target] = 1.0
    else:
        stimulus[1 + lane.stage] = 1.0


def actions(p: InferredValueParameters) -> tuple[str, ...]:
    """Name the actions."""
    return ("left", "right", "centre")


def stimulus(p: InferredValueParameters) -> tuple[str, ...]:
    """Name the components of the stimulus."""
    return STIMULI[: 1 + p.steps_per_trial]


def reward_range(p: InferredValueParameters) -> tuple[float, float]:
    """Return the smallest and the largest reward."""
    return PENALTY, 1.0


def picture(lane: Lane, p: InferredValueParameters) -> list[Item]:
    """Draw the cross, the target, or its outline while the outcome is awaited."""
    if lane.stage == FIXATION:
        return [prompt("look at the cross: centre"), Item("cross", 0.5, 0.55)]
    if lane.stage == INTERVAL:
        return [prompt("wait: any key")]
    side, x = ("left", 0.25) if lane.target == LEFT else ("right", 0.75)
    if lane.stage == STIMULUS:
        return [prompt(f"go to the target: {side}"), Item("disc", x, 0.6, 0.34, "steelblue", side)]
    colour = GOLD if lane.last_reward > 0 else FAINT
    seen = Item("ring", x, 0.6, 0.34, colour, signed(float(lane.last_reward)))
    return [prompt("this is what the target paid: any key"), seen]


def goal(p: InferredValueParameters) -> str:
    """Say what to do."""
    return (
        "Go to the target. In an episode one side always pays and the other never, so that one "
        "trial tells both."
    )


def told(lane: Lane, p: InferredValueParameters) -> str:
    """Say what the target paid."""
    name = actions(p)[lane.last_action]
    if lane.last_reward < 0:
        return f"{name} was not asked for: -1"
    seen = lane.stage == OUTCOME or (p.steps_per_trial == 2 and name != "centre")
    return paid(f"the {name} target", lane.last_reward) if seen else ""


TASK = Task(
    name="InferredValue",
    doc=DOC,
    parameters=InferredValueParameters,
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
    observer="neurotasks.observers.inferred_value:InferringObserver",
    finding=FINDING,
    diagram_column="rewarded_target",
)
