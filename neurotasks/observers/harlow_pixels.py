"""The observer of the rendered Harlow task."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.observers.base import Observer
from neurotasks.tasks.harlow_pixels import (
    BACKGROUND,
    CROSS_LENGTH,
    DISTANCE,
    LEFT,
    NOOP,
    OBJECT,
    RIGHT,
    VIEW,
)

RED = np.array([255, 0, 0], np.uint8)


class HarlowPixelsObserver(Observer):
    """Guesses in the first trial, and from then on goes to the object that paid.

    It looks at the middle row of the image only: there it finds the cross, and recognises objects
    by their pixels.
    """

    memory = [
        ("velocity", np.float64),  # of its gaze, in degrees a frame, from its own actions
        ("target", np.int64),  # side it is heading for
        ("heading", np.bool_),
        ("seen", np.uint8, (2, OBJECT, 3)),  # the objects as they appeared, left, right
        ("good", np.uint8, (OBJECT, 3)),
        ("known", np.bool_),
    ]

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.uint8],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Learn from the reward of a choice, then fixate or approach."""
        row = stimulus[:, VIEW // 2]
        red = (row == RED).all(axis=2)
        seen = (row != BACKGROUND).any(axis=2)
        fixating = red.any(axis=1)
        choosing = seen.any(axis=1) & ~fixating

        chosen = memory["heading"] & ~choosing
        paid = np.where(reward > 0, memory["target"], 1 - memory["target"])
        learn = chosen & ~memory["known"]
        memory["good"][learn] = memory["seen"][learn, paid[learn]]
        memory["known"] |= chosen

        appeared = choosing & ~memory["heading"]
        first = seen[appeared].argmax(axis=1)
        for side, start in ((LEFT, first), (RIGHT, first + 2 * DISTANCE)):
            columns = start[:, None, None] + np.arange(OBJECT)[:, None]
            columns = columns.clip(max=VIEW - 1)  # only a gaze put by hand leaves an object cut off
            memory["seen"][appeared, side] = np.take_along_axis(row[appeared], columns, axis=1)
        on_left = (memory["seen"][:, LEFT] == memory["good"]).all(axis=(1, 2))
        guess = self.rng.integers(2, size=len(stimulus))
        goal = np.where(memory["known"], np.where(on_left, LEFT, RIGHT), guess)
        memory["target"] = np.where(appeared, goal, memory["target"])
        memory["heading"] = choosing

        # In the interval it turns back from where it has been; the cross is held where the gaze
        # comes to rest on it.
        p = self.parameters
        turn = np.select([action == LEFT, action == RIGHT], [-p.saccade, p.saccade], 0.0)
        kept = p.momentum**p.action_repeat
        memory["velocity"] *= kept
        memory["velocity"] += (1 - kept) * turn / p.action_repeat
        gaze = VIEW // 2 - CROSS_LENGTH // 2 - red.argmax(axis=1)
        rest = gaze + memory["velocity"] * p.momentum / (1 - p.momentum)
        centre = np.select([rest > p.saccade / 2, rest < -p.saccade / 2], [LEFT, RIGHT], NOOP)
        back = np.where(fixating, centre, 1 - memory["target"])
        return np.where(choosing, memory["target"], back).astype(np.int64)
