"""Harlow's learning-to-learn task as it is rendered, in 84x84 pixels (Wang 2018, simulation 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurotasks.core import (
    Field,
    Invariant,
    Item,
    Parameters,
    Task,
    choose,
    parameter,
    rule,
    uniform,
)
from neurotasks.core.rules import Lane, hashed
from neurotasks.rendering.frame import prompt
from neurotasks.tasks.harlow import OBJECT_STATE, OBJECTS, draw_objects, goal, told

INTERVAL, FIXATION, CHOICE = 0, 1, 2
LEFT, RIGHT, NOOP = 0, 1, 2
NONE = -1

# A pixel stands for a degree.
VIEW = 84  # width and height of what the subject sees; where it looks is the middle
OBJECT = 34  # width and height of an object
DISTANCE = 21  # from the cross to the middle of an object; the objects are 8 pixels apart
GAZE_LIMIT = 30  # the cross stays in sight wherever the gaze is
CROSS_LENGTH, CROSS_WIDTH = 12, 2
BACKGROUND = 20  # grey level, darker than any colour of an object

# The objects: two random colours each, one of them drawn at every knot of a grid, with smooth
# transitions in between; the same on every machine and with every numpy. The finished pictures of
# 2000 objects would be too large for a constant of the compiled rules.
SPACING = 11  # pixels between knots
KNOTS = OBJECT // SPACING + 1
_DRAWN = hashed((2 * OBJECTS, 6 + KNOTS * KNOTS))
_PAIR = (32 + 224 * _DRAWN[:, :6]).reshape(-1, 2, 1, 1, 3)
_WHICH = _DRAWN[:, 6:].reshape(-1, KNOTS, KNOTS, 1) < 0.5
COLOURS = np.where(_WHICH, _PAIR[:, 0], _PAIR[:, 1]).astype(np.uint8)

DOC = """Choose between two new objects, seen as images: Harlow's task with a rendered screen.

## Description
The subject sees a part of a wide grey screen, 84 pixels in width, and turns its gaze left and
right; one pixel is one degree. A trial starts with a red fixation cross in the middle of the
screen, which must be looked at for a moment. Then it is replaced by two objects, smooth random
patterns of colour, left and right of it. Looking at the middle of an object chooses it, and after
an interval with an empty screen the next trial starts. One of the two objects is rewarded in all
trials of the episode, the other never; they change sides at random. The objects of an episode are
drawn from 1000, and those of `split="test"` from 1000 others, never seen in training.

An action is repeated for `action_repeat` frames, or until the display changes. Over all its frames
it turns the gaze by `saccade` degrees; momentum spreads part of the movement over the frames that
follow. A trial takes about 9 steps.

## Action Space
`Discrete(3)`: 0 the gaze turns left, 1 right, 2 nothing.

## Observation Space
A dict: `"image"`, uint8 (84, 84, 3), whose centre is what the subject looks at, and
`"feedback"`, float32 (4,): the one-hot previous action, the previous reward. With
`feedback="none"`, only the image.

## Rewards
+0.2 for fixating, +1 for choosing the rewarded object, -1 for the other.

## Starting State
Two different objects, which of them is rewarded, and where the gaze is (at most 21 degrees from
the cross, at rest) are drawn at random. The first trial starts without an interval.

## Episode End
Terminates after `trials` trials, or after `max_frames / action_repeat` steps.

## References
- Wang et al. 2018, Nature Neuroscience 21:860, simulation 5, Fig. 6.
- Wang et al. 2016, arXiv 1611.05763.
- Harlow 1949, Psychological Review 56:51.

The paper showed photographs in a 3D world. It states neither the momentum nor the distance of the
objects; with `action_repeat=1` a trial takes about 20 steps here, and 20 to 30 in the paper.

## Version History
- v0: first release.
"""

FINDING = (
    "Monkeys learn to learn: after hundreds of problems they know the rewarded object from the "
    "second trial on (Harlow 1949). So does a network that sees images (Wang et al. 2018, Fig. "
    "6)."
)


@dataclass(frozen=True)
class HarlowPixelsParameters(Parameters):
    """Parameters of the rendered Harlow task."""

    trials: int = parameter(6, "trials in an episode", "Wang 2018, Fig. 6 (digitised)", low=1)
    max_frames: int = parameter(
        3600, "frames after which the episode ends; 240 suffice", "stated in Wang 2016", low=1
    )
    action_repeat: int = parameter(
        4, "frames for which an action is repeated", "stated in Wang 2016", low=1, high=1000
    )
    saccade: float = parameter(
        4.4, "degrees by which one action turns the gaze", "stated in Wang 2016", low=0.5, high=5
    )
    momentum: float = parameter(
        0.5,
        "share of its velocity that the gaze keeps from one frame to the next",
        "ours: Wang 2016 has a small momentum, without a number",
        low=0,
        high=0.9,
    )
    fixation_distance: float = parameter(
        3.5,
        "degrees from the cross within which it counts as looked at",
        "stated in Wang 2016",
        low=3,  # more than half the largest saccade, so that the gaze can rest within
        high=4,  # so that both objects are seen whole when they appear
    )
    fixation_frames: int = parameter(
        4, "frames for which the cross must be looked at", "stated in Wang 2016", low=1
    )
    choice_distance: float = parameter(
        7.0,
        "degrees from the middle of an object within which it is chosen",
        "stated in Wang 2016",
        low=3.5,  # wider than the largest saccade, which cannot jump it then
        high=10,  # far from the cross
    )
    interval_frames: int = parameter(
        10, "frames with an empty screen between trials", "stated in Wang 2016", low=0
    )
    fixation_reward: float = parameter(0.2, "reward for fixating", "stated in Wang 2016")
    object_reward: float = parameter(
        1.0, "reward for the rewarded object", "stated in Wang 2016; 5 in DeepMind Lab's version"
    )
    object_penalty: float = parameter(
        -1.0, "reward for the other object", "stated in Wang 2016; -5 in DeepMind Lab's version"
    )

    @property
    def step_cap(self) -> int:
        """Steps after which an episode ends (900 in the paper: 3600 frames)."""
        return math.ceil(self.max_frames / self.action_repeat)


STATE = {
    "stage": Field(
        np.int8,
        "what is shown: 0 nothing (interval), 1 fixation cross, 2 objects",
        info=True,
        low=INTERVAL,
        high=CHOICE,
    ),
    "gaze": Field(
        np.float64,
        "where the subject looks, in degrees right of the cross",
        info=True,
        low=-GAZE_LIMIT,
        high=GAZE_LIMIT,
        option=True,
    ),
    "velocity": Field(
        np.float64, "velocity of the gaze, in degrees a frame", low=-GAZE_LIMIT, high=GAZE_LIMIT
    ),
    "frames": Field(
        np.int64,
        "frames of the interval, or for which the cross has been looked at without break",
        low=0,
        high=lambda p: max(p.interval_frames, p.fixation_frames),
    ),
    **OBJECT_STATE,
}

INVARIANTS: dict[str, Invariant] = {
    "`frames` must be less than interval_frames at `stage` 0, and than fixation_frames at 1": (
        lambda lanes, p: (
            ((lanes["stage"] != INTERVAL) | (lanes["frames"] < p.interval_frames))
            & ((lanes["stage"] != FIXATION) | (lanes["frames"] < p.fixation_frames))
        )
    )
}


@rule
def begin(lane: Lane, p: Any) -> None:
    """Draw the objects and the gaze."""
    draw_objects(lane, p)
    lane.gaze = DISTANCE * (2 * uniform(lane) - 1)
    lane.velocity = 0.0


@rule
def new_trial(lane: Lane, p: Any) -> None:
    """Empty the screen, and draw the side of the rewarded object."""
    lane.stage = INTERVAL if lane.trial > 0 and p.interval_frames > 0 else FIXATION
    lane.frames = 0
    lane.rewarded_side = choose(lane, 2)
    lane.choice = NONE
    lane.correct = False
    lane.best_action = best_action(lane, p)


@rule
def best_action(lane: Lane, p: Any) -> int:
    """Return the action towards the rewarded object, or that lets the gaze rest on the cross."""
    if lane.stage == CHOICE:
        side: int = lane.rewarded_side
        return side
    rest = lane.gaze + lane.velocity * p.momentum / (1 - p.momentum)
    if abs(rest) <= p.saccade / 2:
        return NOOP
    return LEFT if rest > 0 else RIGHT


@rule
def step(lane: Lane, p: Any, action: int) -> Any:
    """Repeat the action until the display changes."""
    stage = lane.stage
    reward, trial_over = 0.0, False
    for _ in range(p.action_repeat):
        reward, trial_over = frame(lane, p, action)
        if trial_over or lane.stage != stage:
            break
    lane.best_action = best_action(lane, p)
    return reward, trial_over


@rule
def frame(lane: Lane, p: Any, action: int) -> Any:
    """Turn the gaze, then see what it has reached."""
    turn = p.saccade if action == RIGHT else -p.saccade if action == LEFT else 0.0
    lane.velocity = p.momentum * lane.velocity + (1 - p.momentum) * turn / p.action_repeat
    lane.gaze += lane.velocity
    if abs(lane.gaze) > GAZE_LIMIT:
        lane.gaze = GAZE_LIMIT if lane.gaze > 0 else -GAZE_LIMIT
        lane.velocity = 0.0
    if lane.stage == INTERVAL:
        lane.frames += 1
        if lane.frames == p.interval_frames:
            lane.stage = FIXATION
            lane.frames = 0
        return 0.0, False
    if lane.stage == FIXATION:
        lane.frames = lane.frames + 1 if abs(lane.gaze) <= p.fixation_distance else 0
        if lane.frames < p.fixation_frames:
            return 0.0, False
        lane.stage = CHOICE
        return p.fixation_reward, False
    if abs(abs(lane.gaze) - DISTANCE) > p.choice_distance:
        return 0.0, False
    lane.choice = RIGHT if lane.gaze > 0 else LEFT
    lane.correct = lane.choice == lane.rewarded_side
    lane.outcome = lane.correct
    lane.reward = p.object_reward if lane.correct else p.object_penalty
    return lane.reward, True


@rule
def observe(lane: Lane, p: Any, image: Any) -> None:
    """Draw the part of the screen around the gaze."""
    image[:] = BACKGROUND
    centre = VIEW // 2 - math.floor(lane.gaze + 0.5)
    if lane.stage == FIXATION:
        draw_bar(image, centre, CROSS_LENGTH // 2, CROSS_WIDTH // 2)
        draw_bar(image, centre, CROSS_WIDTH // 2, CROSS_LENGTH // 2)
    elif lane.stage == CHOICE:
        to_rewarded = DISTANCE if lane.rewarded_side == RIGHT else -DISTANCE
        draw_object(image, centre + to_rewarded, lane.objects[0])
        draw_object(image, centre - to_rewarded, lane.objects[1])


@rule
def draw_bar(image: Any, centre: int, half_width: int, half_height: int) -> None:
    """Draw a red rectangle around the middle row of the image and a column of it."""
    for y in range(VIEW // 2 - half_height, VIEW // 2 + half_height):
        for x in range(centre - half_width, centre + half_width):
            image[y, x, 0] = 255
            image[y, x, 1] = 0
            image[y, x, 2] = 0


@rule
def draw_object(image: Any, centre: int, number: int) -> None:
    """Draw what is in sight of an object, row by row from knots to knots."""
    left, top = centre - OBJECT // 2, (VIEW - OBJECT) // 2
    first, last = 3 * max(0, -left), 3 * min(OBJECT, VIEW - left)
    rows = image.reshape(VIEW, 3 * VIEW)
    # Compilers add the most numbers at once if they have 16 bits; a negative rise wraps around.
    lights, rises = np.empty(3 * OBJECT, np.uint16), np.empty(3 * OBJECT, np.uint16)
    lower = np.empty(3 * OBJECT, np.int32)
    mix_colours(number, 0, lower)
    for knot in range(1, KNOTS):
        for i in range(len(lower)):  # seconds sooner compiled than lights[:] = lower
            lights[i] = lower[i]
        mix_colours(number, knot, lower)
        for i in range(len(lower)):
            rises[i] = (lower[i] - lights[i]) // SPACING
        light, rise, end = lights[first:last], rises[first:last], top + knot * SPACING
        for y in range(end - SPACING, end + 1):
            row = rows[y, 3 * left + first : 3 * left + last]
            for i in range(len(light)):
                row[i] = light[i] >> 8
                light[i] += rise[i]


@rule
def mix_colours(number: int, row: int, lights: Any) -> None:
    """Write the colours, times 256, along a row of knots, mixed from the two next to each pixel."""
    for knot in range(KNOTS - 1):
        for colour in range(3):
            here = int(COLOURS[number, row, knot, colour])
            rise = int(COLOURS[number, row, knot + 1, colour]) - here
            for x in range(SPACING + 1):
                lights[3 * (knot * SPACING + x) + colour] = 256 * here + 256 * rise * x // SPACING


def actions(p: HarlowPixelsParameters) -> tuple[str, ...]:
    """Name the actions."""
    return "left", "right", "no-op"


def stimulus(p: HarlowPixelsParameters) -> tuple[str, ...]:
    """Name nothing: the subject sees an image."""
    return ()


def reward_range(p: HarlowPixelsParameters) -> tuple[float, float]:
    """Return the smallest and the largest reward."""
    rewards = 0.0, p.fixation_reward, p.object_reward, p.object_penalty
    return min(rewards), max(rewards)


PROMPTS = "", "look at the cross (the ring is your gaze)", "look at an object to choose it"


def picture(lane: Lane, p: HarlowPixelsParameters) -> list[Item]:
    """Draw what to do and the gaze over what the subject sees."""
    return [prompt(PROMPTS[lane.stage]), Item("ring", 0.5, 0.5, 0.12)]


def fill_in(lane: Lane, p: HarlowPixelsParameters, pressed: int) -> int | None:
    """Look at the cross; turn the gaze on to the object that a key looked at."""
    if lane.stage != CHOICE:
        return int(lane.best_action)  # towards the cross, which the subject sees
    return pressed if pressed in (LEFT, RIGHT) else None


TASK = Task(
    name="HarlowPixels",
    doc=DOC,
    parameters=HarlowPixelsParameters,
    state=STATE,
    actions=actions,
    stimulus=stimulus,
    reward_range=reward_range,
    begin=begin,
    new_trial=new_trial,
    step=step,
    observe=observe,
    image_shape=(VIEW, VIEW, 3),
    picture=picture,
    goal=goal,
    told=told,
    fill_in=fill_in,
    invariants=INVARIANTS,
    observer="neurotasks.observers.harlow_pixels:HarlowPixelsObserver",
    behaviour="neurotasks.analysis.harlow:BEHAVIOUR",
    finding=FINDING,
)
