"""Diagrams of trials as SVG."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image

from neurotasks.core.env import TaskEnv
from neurotasks.core.task import Task
from neurotasks.observers import Oracle

WIDE, HIGH, LEFT = 58, 20, 140  # of a step's column, a row and the column of names, in pixels
MANY = 12  # components of a stimulus that are drawn as rows; more are drawn as a picture

Step = tuple[Any, int, float]  # observation, action, reward


def timing(task: Task, id: str) -> tuple[str, dict[str, str]]:
    """Return a sentence about diagrams of one trial of each kind, and the diagrams by title."""
    keywords = task.diagram_parameters
    env: Any = gym.make(id, split="test", trial_log=True, **keywords)
    kind = task.diagram_column
    first, last = (0, 0) if kind is None else possible(env, kind)
    trials: dict[int, list[Step]] = {}
    for seed in range(1000):
        for steps, row in played(env, seed):
            trials.setdefault(int(row[kind]) if kind else 0, steps)
        if len(trials) > last - first:
            break
    text = (
        "A trial step by step, played by `Oracle`, which knows the hidden state. A reward stands "
        "under the action that brought it, and is fed back in the next step."
    )
    if keywords:
        text += f" Drawn with `{', '.join(f'{k}={v}' for k, v in keywords.items())}`."
    if kind:
        text += f" `{kind}`: {task.columns[kind]}."
    titles = {f"{kind} = {value}" if kind else "step": trials[value] for value in sorted(trials)}
    return text, {title: diagram(env.unwrapped, steps, title) for title, steps in titles.items()}


def possible(env: Any, kind: str) -> tuple[int, int]:
    """Return the smallest and the largest value of a column that tells kinds of trials apart."""
    low, high = env.unwrapped.task.state[kind].range(env.unwrapped.parameters)
    return int(low), int(high)


def played(env: Any, seed: int) -> list[tuple[list[Step], Any]]:
    """Let `Oracle` play an episode; return the steps of each trial and its row of the table."""
    player, over = Oracle(env), False
    trials: list[list[Step]] = [[]]
    env.unwrapped.trial_table(clear=True)
    observation, _ = env.reset(seed=seed)
    while not over:
        action = int(player.predict(observation)[0])
        seen = observation
        observation, reward, over, _, info = env.step(action)
        trials[-1].append((seen, action, reward))
        if info["new_trial"] and not over:
            trials.append([])
    table = env.unwrapped.trial_table()
    return list(zip(trials, table.to_dict("records"), strict=True))


def diagram(env: TaskEnv, steps: Sequence[Step], title: str) -> str:
    """Return a trial as an SVG, black on white: steps are columns.

    Args:
        env: Environment, whose names of stimuli and actions label the rows.
        steps: Observation, action and reward of each step.
        title: Title, in the upper left corner.

    Returns:
        Text of an SVG file.
    """
    parts = [label(LEFT - 8, HIGH / 2, title, "end")]
    names = list(env.stimulus_names)
    pictures = env.task.image_shape is not None or len(names) > MANY
    top = WIDE + HIGH if pictures else (len(names) + 1) * HIGH
    if pictures:
        parts.append(label(LEFT - 8, HIGH + WIDE / 2, "what is seen", "end"))
    for i, name in enumerate([] if pictures else names, start=1):
        parts.append(label(LEFT - 8, (i + 0.5) * HIGH, name, "end"))
    for i, name in enumerate(("action", "reward")):
        parts.append(label(LEFT - 8, top + (i + 0.5) * HIGH, name, "end"))
    for t, (seen, action, reward) in enumerate(steps):
        x = LEFT + t * WIDE
        parts.append(label(x + WIDE / 2, HIGH / 2, str(t + 1)))
        if pictures:
            parts.append(picture(env, seen, x))
        for i, value in enumerate([] if pictures else seen[env.layout["stimulus"]], start=1):
            parts.append(
                f'<rect x="{x + 1}" y="{i * HIGH + 1}" width="{WIDE - 2}" height="{HIGH - 2}" '
                f'fill-opacity="{0.06 + 0.74 * value:.2f}"/>'
            )
        words = env.action_names[action], f"{reward:.3g}"
        parts += [label(x + WIDE / 2, top + (i + 0.5) * HIGH, w) for i, w in enumerate(words)]
    width, height = LEFT + len(steps) * WIDE, top + 2 * HIGH
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    style = 'font-family="sans-serif" font-size="11" style="background: white"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(parts)}</svg>\n'


def label(x: float, y: float, text: str, anchor: str = "middle") -> str:
    """Return a text of a diagram."""
    place = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}" dominant-baseline="central"'
    return f"<text {place}>{html.escape(text)}</text>"


def picture(env: TaskEnv, seen: Any, x: int) -> str:
    """Return an observed image, or a row of pixels, as a part of a diagram."""
    if isinstance(seen, dict):
        pixels = seen["image"]
    else:
        pixels = np.round(255 * seen[env.layout["stimulus"]]).astype(np.uint8).reshape(1, -1, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    size = f'x="{x + 1}" y="{HIGH}" width="{WIDE - 2}" height="{WIDE - 2}"'
    style = 'preserveAspectRatio="none" style="image-rendering:pixelated"'
    return f'<image {size} {style} href="{source}"/>'
