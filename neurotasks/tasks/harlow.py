"""Harlow's learning-to-learn task seen through a retina of one row (Wang 2018, simulation 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.core import Field, Invariant, Item, Parameters, Task, choose, parameter, rule
from neurotasks.core.rules import Lane, hashed
from neurotasks.rendering.frame import prompt, signed

FIXATION, CHOICE = 0, 1
LEFT, RIGHT, NOOP = 0, 1, 2
NONE = -1

RETINA = 25  # pixels in the row the subject sees, the middle one is where it looks
OBJECT_WIDTH = 5
DISTANCE = 8  # pixels from the centre of the world to the centre of an object
GAZE_STEP = 2  # pixels the gaze moves in one action
GAZE_LIMIT = 12  # the cross stays on the retina wherever the gaze is
OBJECTS = 1000  # in training, and as many others in the test
COLOURS = 3

# The objects: fixed random colours, the same on every machine and with every numpy.
PIXELS = hashed((2 * OBJECTS, OBJECT_WIDTH, COLOURS)).astype(np.float32)

DOC = """Choose between two new objects; the first trial reveals which one is rewarded.

## Description
The subject looks at a row of coloured pixels; its gaze moves left and right over it. A trial
starts with a red fixation cross in the centre, which must be looked at for two steps. Then it is
replaced by two objects, patterns of random colours, left and right of it. Looking at the middle
of an object chooses it. One of the two objects is rewarded in all trials of the episode, the other
never; they change sides at random. The objects of an episode are new to it, and those of
`split="test"` were never seen in training.

## Action Space
`Discrete(3)`: 0 the gaze moves 2 pixels left, 1 right, 2 it stays.

## Observation Space
A float32 vector: 25 pixels x RGB (what lies 12 pixels left to 12 pixels right of the gaze), the
one-hot previous action, the previous reward.

## Rewards
+0.2 for fixating, +1 for choosing the rewarded object, -1 for the other.

## Starting State
Two different objects, which of them is rewarded, and where the gaze is (at most 8 pixels from the
centre) are drawn at random.

## Episode End
Terminates after `trials` trials, or after `max_steps` steps.

## References
- Wang et al. 2018, Nature Neuroscience 21:860, simulation 5, Fig. 6.
- Harlow 1949, Psychological Review 56:51.

The paper rendered the task in 3D with photographs (84x84 pixels, 20 to 30 steps per trial). This
row of pixels keeps the structure, the rewards, and the numbers of trials and objects.

## Version History
- v0: first release.
"""

FINDING = (
    "Monkeys learn to learn: after hundreds of problems they know the rewarded object from the "
    "second trial on (Harlow 1949). So does the network (Wang et al. 2018, Fig. 6)."
)


@dataclass(frozen=True)
class HarlowParameters(Parameters):
    """Parameters of the Harlow task."""

    trials: int = parameter(6, "trials in an episode", "Wang 2018, Fig. 6 (digitised)", low=1)
    max_steps: int = parameter(
        200, "steps after which the episode ends; 60 suffice", "ours: the paper had 3600", low=1
    )
    fixation_steps: int = parameter(
        2, "steps the cross must be looked at", "Wang 2016: 4, with finer saccades", low=1
    )
    fixation_reward: float = parameter(0.2, "reward for fixating", "Wang 2016")
    object_reward: float = parameter(1.0, "reward for the rewarded object", "Wang 2016")
    object_penalty: float = parameter(-1.0, "reward for the other object", "Wang 2016")

    @property
    def step_cap(self) -> int:
        """Steps after which an episode ends."""
        return self.max_steps


def reachable(gaze: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where the gaze can get in steps from the centre."""
    return np.asarray(gaze % GAZE_STEP == 0)


def different(objects: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where the two objects differ."""
    return np.asarray(objects[..., 0] != objects[..., 1])


# Of this task and its sibling with pictures.
OBJECT_STATE = {
    "objects": Field(
        (np.int16, (2,)),
        "numbers of the rewarded and the other object, which differ; from 1000 on in the test",
        info=True,
        column=True,
        low=0,
        high=2 * OBJECTS - 1,
        option=True,
        valid=different,
    ),
    "rewarded_side": Field(
        np.int8,
        "side of the rewarded object: 0 left, 1 right",
        info=True,
        column=True,
        low=LEFT,
        high=RIGHT,
    ),
    "choice": Field(
        np.int8, "side chosen: 0 left, 1 right, -1 none", column=True, low=NONE, high=RIGHT
    ),
    "correct": Field(np.bool_, "the rewarded object was chosen", column=True),
    "best_action": Field(
        np.int8, "optimal action given the hidden state", info=True, low=LEFT, high=NOOP
    ),
}

STATE = {
    "stage": Field(
        np.int8, "what is shown: 0 fixation cross, 1 objects", info=True, low=FIXATION, high=CHOICE
    ),
    "gaze": Field(
        np.int8,
        "where the subject looks, in pixels right of the centre, even",
        info=True,
        low=-GAZE_LIMIT,
        high=GAZE_LIMIT,
        option=True,
        valid=reachable,
    ),
    "held": Field(
        np.int64,
        "steps the cross has been looked at without a break",
        low=0,
        high=lambda p: p.fixation_steps,
    ),
    **OBJECT_STATE,
}

INVARIANTS: dict[str, Invariant] = {
    "`held` must be less than fixation_steps at `stage` 0": (
        lambda lanes, p: (lanes["stage"] != FIXATION) | (lanes["held"] < p.fixation_steps)
    )
}


@rule
def draw_objects(lane: Lane, p: Any) -> None:
    """Draw two different objects, the first is the rewarded one."""
    first = OBJECTS if p.test else 0
    lane.objects[0] = first + choose(lane, OBJECTS)
    other = first + choose(lane, OBJECTS - 1)
    lane.objects[1] = other + 1 if other >= lane.objects[0] else other


@rule
def begin(lane: Lane, p: Any) -> None:
    """Draw the objects and the gaze."""
    draw_objects(lane, p)
    lane.gaze = GAZE_STEP * (choose(lane, DISTANCE + 1) - DISTANCE // 2)


@rule
def new_trial(lane: Lane, p: Any) -> None:
    """Show the cross, and draw the side of the rewarded object."""
    lane.stage = FIXATION
    lane.held = 0
    lane.rewarded_side = choose(lane, 2)
    lane.choice = NONE
    lane.correct = False
    lane.best_action = towards(lane.gaze, 0)


@rule
def towards(gaze: int, target: int) -> int:
    """Return the action that brings the gaze nearer to the target."""
    if gaze == target:
        return NOOP
    return RIGHT if gaze < target else LEFT


@rule
def step(lane: Lane, p: Any, action: int) -> Any:
    """Move the gaze, then see what it has reached."""
    move = GAZE_STEP if action == RIGHT else -GAZE_STEP if action == LEFT else 0
    lane.gaze = min(max(lane.gaze + move, -GAZE_LIMIT), GAZE_LIMIT)
    if lane.stage == FIXATION:
        lane.held = lane.held + 1 if lane.gaze == 0 else 0
        lane.best_action = towards(lane.gaze, 0)
        if lane.held < p.fixation_steps:
            return 0.0, False
        lane.stage = CHOICE
        lane.best_action = lane.rewarded_side
        return p.fixation_reward, False
    if abs(lane.gaze) < DISTANCE:
        return 0.0, False
    lane.choice = RIGHT if lane.gaze > 0 else LEFT
    lane.correct = lane.choice == lane.rewarded_side
    lane.outcome = lane.correct
    lane.reward = p.object_reward if lane.correct else p.object_penalty
    return lane.reward, True


@rule
def observe(lane: Lane, p: Any, stimulus: Any) -> None:
    """Show the part of the row around the gaze."""
    centre = RETINA // 2 - lane.gaze
    if lane.stage == FIXATION:
        stimulus[COLOURS * centre] = 1.0
        return
    for which in range(2):
        right = lane.rewarded_side == RIGHT if which == 0 else lane.rewarded_side == LEFT
        start = centre + (DISTANCE if right else -DISTANCE) - OBJECT_WIDTH // 2
        for position in range(max(0, -start), min(OBJECT_WIDTH, RETINA - start)):
            for colour in range(COLOURS):
                light = PIXELS[lane.objects[which], position, colour]
                stimulus[COLOURS * (start + position) + colour] = light


def actions(p: HarlowParameters) -> tuple[str, ...]:
    """Name the actions."""
    return ("left", "right", "stay")


def stimulus(p: HarlowParameters) -> tuple[str, ...]:
    """Name the components of the stimulus."""
    half = RETINA // 2
    return tuple(
        f"{colour} at {place:+d}"
        for place in range(-half, half + 1)
        for colour in ("red", "green", "blue")
    )


def reward_range(p: HarlowParameters) -> tuple[float, float]:
    """Return the smallest and the largest reward."""
    rewards = 0.0, p.fixation_reward, p.object_reward, p.object_penalty
    return min(rewards), max(rewards)


def picture(lane: Lane, p: HarlowParameters) -> list[Item]:
    """Draw the cross or the two objects, as far as they lie on the retina, and the gaze."""

    def across(place: float) -> float:
        return 0.5 + 0.035 * place

    gaze = int(lane.gaze)
    eye = Item("ring", across(gaze), 0.5, 0.14)
    if lane.stage == FIXATION:
        cross = Item("cross", 0.5, 0.5, 0.12, "red")
        return [prompt("look at the cross (the ring is your gaze)"), cross, eye]
    things = [prompt("look at an object to choose it")]
    for which in range(2):
        side = 1 if (which == 0) == (lane.rewarded_side == RIGHT) else -1
        places = side * DISTANCE + np.arange(OBJECT_WIDTH) - OBJECT_WIDTH // 2
        seen = np.abs(places - gaze) <= RETINA // 2
        if seen.any():
            row = (PIXELS[lane.objects[which]][seen] * 255).astype(np.uint8)
            stripes = np.repeat(row[None], OBJECT_WIDTH, axis=0)
            things.append(Item("image", across(places[seen].mean()), 0.5, 0.33, pixels=stripes))
    return [*things, eye]


def goal(p: Any) -> str:
    """Say what to do; of this task and its sibling with pictures."""
    return (
        "One of the two objects is always rewarded in this episode, on whichever side it is: "
        "find out which and choose it."
    )


def told(lane: Lane, p: Any) -> str:
    """Say which object was chosen; of this task and its sibling with pictures."""
    if lane.last_reward == 0:
        return ""
    if not lane.new_trial and not lane.over:
        return f"fixated: {signed(float(lane.last_reward))}"
    kind = "rewarded" if lane.last_reward == p.object_reward else "wrong"
    return f"the {kind} object: {signed(float(lane.last_reward))}"


def fill_in(lane: Lane, p: Any, pressed: int) -> int | None:
    """Look at the cross; move the gaze on to the object that a key looked at."""
    if lane.stage != CHOICE:
        return int(lane.best_action)  # towards the cross, which the subject sees
    return pressed if pressed in (LEFT, RIGHT) else None


TASK = Task(
    name="Harlow",
    doc=DOC,
    parameters=HarlowParameters,
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
    fill_in=fill_in,
    invariants=INVARIANTS,
    observer="neurotasks.observers.harlow:HarlowObserver",
    behaviour="neurotasks.analysis.harlow:BEHAVIOUR",
    finding=FINDING,
)
