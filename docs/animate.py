"""Makes the animations on the task pages: ``python docs/animate.py [ID ...] --out DIRECTORY``.

The reference observer plays (`Oracle` where there is none), the hidden truth at its side. Outcomes
are held longer, waiting is cut short.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import neurotasks
from neurotasks.observers import reference_observer
from neurotasks.rendering.pixels import WIDTH

SECONDS = 10.0
STEP, OUTCOME = 0.3, 0.8  # seconds that a step is shown, and one with a reward or a trial's last
PATIENCE = 3  # steps that are shown of a wait
COLOURS = 128

Frame = NDArray[np.uint8]


def animation(id: str, seed: int) -> tuple[list[Frame], list[float]]:
    """Play ten seconds of a task.

    Args:
        id: of the task.
        seed: of its first episode.

    Returns:
        Frames, and how many seconds each is shown.
    """
    env = gym.make(id, render_mode="rgb_array", show_truth=True)
    player, memory, waited = reference_observer(env, seed), None, 0
    observation, _ = env.reset(seed=seed)
    frames: list[Any] = [env.render()]
    seconds, over = [STEP], False
    while sum(seconds) < SECONDS:
        if over:
            observation, _ = env.reset()
            memory, outcome, over = None, False, False
        else:
            action, memory = player.predict(observation, memory, np.array([memory is None]))
            observation, reward, over, _, info = env.step(int(action))
            outcome = reward != 0 or over or info["new_trial"]
        frame: Any = env.render()
        waited = waited + 1 if np.array_equal(frame[:, :WIDTH], frames[-1][:, :WIDTH]) else 0
        if waited < PATIENCE:
            frames.append(frame)
            seconds.append(OUTCOME if outcome else STEP)
    return frames, seconds


def write_gif(frames: list[Frame], seconds: list[float], path: Path) -> None:
    """Write an endless GIF in few colours."""
    images = [Image.fromarray(frame) for frame in frames]
    together = Image.fromarray(np.concatenate(frames)).reduce(2)
    palette = together.quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    first, *rest = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    first.save(
        path,
        save_all=True,
        append_images=rest,
        duration=[round(1000 * s) for s in seconds],
        loop=0,
        optimize=True,
    )


def main() -> None:
    """Make the animations asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ids", nargs="*", metavar="ID", help="ids of tasks (default: all)")
    parser.add_argument("--out", type=Path, default=Path("docs/animations"), help="directory")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first episode (default 1)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for id in options.ids or neurotasks.TASKS:
        write_gif(*animation(id, options.seed), options.out / f"{gym.spec(id).name}.gif")


if __name__ == "__main__":
    main()
