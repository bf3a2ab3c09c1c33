"""What the environments draw: the frames of all sub-environments, as the render mode wants them."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded

from neurotasks.core.checks import check_word
from neurotasks.core.lanes import Lanes
from neurotasks.errors import ParameterError, shown
from neurotasks.rendering.frame import Frame, end_of_episode, image_item, names_of_stimuli
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
    if (lanes.records["episode"] < 0).any():
        raise ResetNeeded(
            f"render() was called on {lanes.task.name} although no episode has begun. Call reset() "
            "first."
        )
    to = text if mode == "ansi" else pixels
    return [to(frame) for frame in frames(lanes, show_truth)]


def frames(lanes: Lanes, show_truth: bool) -> list[Frame]:
    """Return what there is to draw on each lane."""
    task, p = lanes.task, lanes.parameters
    state: Any = lanes.get_state().view(np.recarray)
    seen: Any = None if task.picture else lanes.observe(lanes.records)
    if isinstance(seen, dict):
        seen = seen["image"]
    found = []
    for i, lane in enumerate(state):
        if lane.over:
            items = end_of_episode()
        elif task.picture:
            items = task.picture(lane, p)
        elif task.image_shape:
            items = image_item(seen[i])
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
                [(n, _value(lanes, n, lane[n])) for n in task.info] if show_truth else None,
            )
        )
    return found


def _value(lanes: Lanes, name: str, value: Any) -> str:
    if name == "best_action" and 0 <= value < len(lanes.actions):
        return str(lanes.actions[value])
    if np.ndim(value):
        return "[" + ", ".join(_value(lanes, "", each) for each in value) + "]"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, (float, np.floating)) else str(value)
