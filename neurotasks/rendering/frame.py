"""What a frame shows: the goal, the subject's screen, the trial, and what is hidden."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

KINDS = ("cross", "disc", "ring", "square", "text", "image")
BACKGROUND, FAINT, GOLD = "#14171c", "#98a2ae", "#f2c14e"
MOST_NAMES = 8  # that fit on the screen


@dataclass(frozen=True)
class Item:
    """One thing on the subject's screen.

    Attributes:
        kind: ``"cross"``, ``"disc"``, ``"ring"``, ``"square"``, ``"text"`` or ``"image"``.
        x: Horizontal centre, 0 at the left edge of the screen, 1 at the right.
        y: Vertical centre, 0 at the top, 1 at the bottom.
        size: Height as a fraction of the screen's height.
        colour: A CSS colour name or ``"#rrggbb"``.
        text: Label; all that a frame in letters shows of it.
        pixels: The pixels of an item of kind ``"image"``, uint8 (height, width, 3).
    """

    kind: str
    x: float
    y: float
    size: float = 0.2
    colour: str = "white"
    text: str = ""
    pixels: NDArray[Any] | None = None


@dataclass(frozen=True)
class Frame:
    """What one frame shows.

    Attributes:
        items: The things on the subject's screen.
        trial: Number of the trial, from 1.
        trials: Number of trials in the episode.
        action: Name of the last action, "" at the start of an episode.
        reward: Reward of the last action.
        trial_over: True if the last action ended a trial.
        truth: Names and values of the hidden variables, None where they stay hidden.
        goal: Sentence that tells a person what to do.
        told: What the last action brought, in words; "" for nothing.
        points: Sum of the rewards of a person who plays; None for nobody.
        keys: Keys of a person who plays, in a line; "" for nobody.
    """

    items: list[Item]
    trial: int
    trials: int
    action: str
    reward: float
    trial_over: bool
    truth: list[tuple[str, str]] | None
    goal: str = ""
    told: str = ""
    points: float | None = None
    keys: str = ""


def end_of_episode() -> list[Item]:
    """Return what the screen shows when the episode is over."""
    return [Item("text", 0.5, 0.5, 0.1, FAINT, "end of the episode")]


def prompt(text: str) -> Item:
    """Return what is asked of the subject now, at the top of the screen."""
    return Item("text", 0.5, 0.09, 0.075, "silver", text)


def arm_items(names: Sequence[str], last: int = -1, reward: float = 0.0) -> list[Item]:
    """Return arms in a row.

    Args:
        names: Names of the arms.
        last: Index of the arm that was just pulled, -1 for none; what it paid is shown above it.
        reward: What it paid.
    """
    many, size = len(names), min(0.34, 1.25 / len(names))
    places = (np.arange(many) + 0.5) / many
    items = []
    if last >= 0:
        x, colour = float(places[last]), GOLD if reward > 0 else FAINT
        items.append(Item("ring", x, 0.6, size * 1.2, colour))
        inside = min(max(x, 0.08), 0.92)
        items.append(Item("text", inside, 0.51 - size * 0.6, 0.11, colour, signed(reward)))
    for x, name in zip(places.tolist(), names, strict=True):
        items.append(Item("disc", x, 0.6, size, "steelblue", name))
    return items


def paid(what: str, reward: float) -> str:
    """Return in words what something paid: "the left arm paid 1"."""
    return f"{what} paid {reward:.2g}" if reward else f"{what} paid nothing"


def image_item(image: Pixels) -> list[Item]:
    """Return an image the subject sees, uint8 (height, width, 3), as the whole screen."""
    return [Item("image", 0.5, 0.5, 1.0, pixels=image)]


def names_of_stimuli(names: Sequence[str], intensities: Iterable[float]) -> list[Item]:
    """Return the names of the stimuli that are shown, for a task without a picture of its own.

    Args:
        names: Names of all components of the stimulus.
        intensities: Intensity of each component, in [0, 1].
    """
    shown = [
        name if intensity == 1 else f"{name} {intensity:.2f}"
        for name, intensity in zip(names, intensities, strict=True)
        if intensity != 0
    ]
    if len(shown) > MOST_NAMES:
        shown = [*shown[: MOST_NAMES - 1], f"and {len(shown) - MOST_NAMES + 1} more"]
    places = (np.arange(len(shown)) + 0.5) / max(len(shown), 3)
    places += 0.5 - places.mean() if len(shown) else 0.0
    return [Item("text", 0.5, y, 0.09, text=n) for y, n in zip(places.tolist(), shown, strict=True)]


def signed(reward: float) -> str:
    """Return a reward as frames show it: +1, -1, 0, +0.2."""
    return f"{reward:+.3g}" if reward else "0"
