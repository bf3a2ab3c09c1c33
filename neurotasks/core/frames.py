"""What the environments draw: the frames of all sub-environments, as the render mode wants them."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded

from neurotasks.core.checks import check_word
from neurotasks.core.lanes import Lanes
from neurotasks.core.task import Field
from neurotasks.errors import ParameterError, shown
from neurotasks.rendering.frame import Frame, end_of_episode, image_item, names_of_stimuli, signed
from neurotasks.rendering.pixels import pixels
from neurotasks.rendering.text import text


def check_render_mode(mode: str | None, show_truth: bool, known: list[str]) -> None:
    """Refuse a way of rendering that does not exist.

    Raises:
        ParameterError: If the mode is none of those known, or `show_truth` no bool.
    """
    if mode is not None:
        check_word("render_mode", mode, known)
    if not isinstance(show_truth, bool):
        raise ParameterError(f"show_truth must be a bool; got {shown(show_truth)}.")


def render(lanes: Lanes, mode: str | None, show_truth: bool) -> list[Any]:
    """Return the frame of each lane.

    Args:
        lanes: Lanes of the environment.
        mode: Render mode: ``"ansi"`` for text, None for nothing but a warning, else pixels.
        show_truth: Whether the frames show what is hidden.

    Returns:
        uint8 arrays, (360, 480, 3) or, with the truth, (360, 740, 3); or strings.

    Raises:
        ResetNeeded: If no episode has begun on some lane.
        DependencyNotInstalled: If Pillow is needed and not installed.
    """
    if mode is None:
        gym.logger.warn(
            "render() was called on an environment made without a render_mode; nothing is drawn. "
            "Pass one to gymnasium.make, render_mode='rgb_array' for example."
        )
        return []
    to = text if mode == "ansi" else pixels
    return [to(frame) for frame in frames(lanes, show_truth)]


def frames(lanes: Lanes, show_truth: bool) -> list[Frame]:
    """Return what there is to draw on each lane.

    Raises:
        ResetNeeded: If no episode has begun on some lane.
    """
    if (lanes.records["episode"] < 0).any():
        raise ResetNeeded(
            f"render() was called on {lanes.task.name} although no episode has begun. Call reset() "
            "first."
        )
    task, p = lanes.task, lanes.parameters
    state: Any = lanes.get_state().view(np.recarray)
    drawn = task.picture and not task.image_shape
    seen: Any = None if drawn else lanes.observe(lanes.records)
    if isinstance(seen, dict):
        seen = seen["image"]
    found = []
    for i, lane in enumerate(state):
        if lane.over:
            items = end_of_episode()
        elif task.image_shape:
            items = [*image_item(seen[i]), *(task.picture(lane, p) if task.picture else [])]
        elif task.picture:
            items = task.picture(lane, p)
        else:
            items = names_of_stimuli(lanes.stimulus, seen[i, lanes.layout["stimulus"]])
        found.append(
            Frame(
                items,
                min(int(lane.trial) + 1, int(lane.trials)),
                int(lane.trials),
                lanes.actions[lane.last_action] if lane.last_action >= 0 else "",
                float(lane.last_reward),
                bool(lane.over or (lane.new_trial and lane.trial > 0)),
                _truth(lanes, lane) if show_truth else None,
                task.goal(p) if task.goal else task.summary,
                _told(lanes, lane) if lane.last_action >= 0 else "",
            )
        )
    return found


def _told(lanes: Lanes, lane: Any) -> str:
    if lanes.task.told is not None:
        return lanes.task.told(lane, lanes.parameters)
    return f"reward {signed(float(lane.last_reward))}" if lane.last_reward else ""


def _truth(lanes: Lanes, lane: Any) -> list[tuple[str, str]]:
    """Return the hidden variables in words."""
    fields = {name: field for name, field in lanes.task.state.items() if field.info}
    return [
        (name.replace("_", " "), _words(lanes, name, field, lane[name]))
        for name, field in fields.items()
    ]


def _words(lanes: Lanes, name: str, field: Field, value: Any) -> str:
    if np.ndim(value):
        return ", ".join(_words(lanes, name, field, each) for each in value)
    if field.base.kind == "b":
        return "yes" if value else "no"
    if name == "best_action":
        return str(lanes.actions[value])
    unit = f" {field.unit}" if field.unit else ""
    return field.words(lanes.parameters).get(value, f"{value:.3g}{unit}")
