"""The observer of Harlow's task."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.observers.base import Observer
from neurotasks.tasks.harlow import (
    COLOURS,
    DISTANCE,
    GAZE_STEP,
    LEFT,
    NOOP,
    OBJECT_WIDTH,
    RETINA,
    RIGHT,
)

CROSS = np.array([1.0, 0.0, 0.0], np.float32)


class HarlowObserver(Observer):
    """Guesses in the first trial, and from then on goes to the object that paid.

    It recognises objects by their pixels, knows where it looks from its own eye movements once it
    has seen the cross, and remembers which object is worth approaching.
    """

    memory = [
        ("gaze", np.int64),
        ("target", np.int64),  # side it is heading for
        ("heading", np.bool_),
        ("seen", np.float32, (2, OBJECT_WIDTH * COLOURS)),  # the objects as last seen, left, right
        ("good", np.float32, (OBJECT_WIDTH * COLOURS,)),
        ("known", np.bool_),
    ]

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Learn from the reward of a choice, then fixate or approach."""
        row = stimulus.reshape(len(stimulus), RETINA, COLOURS)
        cross = (row == CROSS).all(axis=2)
        fixating = cross.any(axis=1) & ((row > 0).any(axis=2).sum(axis=1) == 1)

        chosen = fixating & memory["heading"]
        paid = np.where(reward > 0, memory["target"], 1 - memory["target"])
        learn = chosen & ~memory["known"]
        memory["good"][learn] = memory["seen"][learn, paid[learn]]
        memory["known"] |= chosen
        memory["heading"] &= ~fixating

        gaze = RETINA // 2 - cross.argmax(axis=1)
        moved = np.select([action == LEFT, action == RIGHT], [-GAZE_STEP, GAZE_STEP], 0)
        memory["gaze"] = np.where(fixating, gaze, np.where(action >= 0, memory["gaze"] + moved, 0))

        # Both objects lie on the retina whole only where the cross has just been: choose there.
        choosing = ~fixating & ~memory["heading"]
        for side, offset in ((LEFT, -DISTANCE), (RIGHT, DISTANCE)):
            first = RETINA // 2 + offset - OBJECT_WIDTH // 2
            patch = row[choosing, first : first + OBJECT_WIDTH]
            memory["seen"][choosing, side] = patch.reshape(-1, OBJECT_WIDTH * COLOURS)
        on_left = (memory["seen"][:, LEFT] == memory["good"]).all(axis=1)
        guess = self.rng.integers(2, size=len(stimulus))
        chosen_side = np.where(memory["known"], np.where(on_left, LEFT, RIGHT), guess)
        memory["target"] = np.where(choosing, chosen_side, memory["target"])
        memory["heading"] |= choosing

        back = np.select([memory["gaze"] > 0, memory["gaze"] < 0], [LEFT, RIGHT], NOOP)
        return np.where(fixating, back, memory["target"]).astype(np.int64)
