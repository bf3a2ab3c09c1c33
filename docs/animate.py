"""Makes the animations on the task pages: ``python docs/animate.py [ID ...] --out DIRECTORY``.

The reference observer plays (`Oracle` where there is none), the hidden truth at its side. Outcomes
are held longer, waiting is cut short. ``--overview`` makes the picture of six tasks at once, in
motion, ``DIRECTORY/overview.gif``, and as a still, ``DIRECTORY/../figures/overview.png``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

import neurotasks
from neurotasks.observers import reference_observer
from neurotasks.rendering.frame import BACKGROUND
from neurotasks.rendering.pixels import BRIGHT, FLOOR, HEAD, WIDTH

SECONDS = 10.0
STEP, OUTCOME = 0.5, 1.2  # seconds that a step is shown, and one with something to tell
PATIENCE = 2  # steps that are shown of a wait
TRIALS = 20  # where the task has 1
COLOURS, COLOURS_OF_OBJECTS = 16, 96  # of a task, and of one whose objects have colours
OVERVIEW = ("TwoStep", "Harlow", "BanditInformative", "RiskyChoice", "VariableReward", "Volatility")
TILE, CAPTION, COLUMNS, BEAT = (300, 195), 26, 3, 0.4  # BEAT: seconds per frame
STILL = 2.0  # time of the still, in s

Frame = NDArray[np.uint8]


def animation(id: str, seed: int, show_truth: bool = True) -> tuple[list[Frame], list[float]]:
    """Play ten seconds of a task.

    Args:
        id: Id of the task.
        seed: Seed of its first episode.
        show_truth: Whether the hidden truth is shown.

    Returns:
        Frames, and how many seconds each is shown.
    """
    trials = gym.make(id).get_wrapper_attr("parameters").trials
    env: Any = gym.make(
        id, render_mode="rgb_array", show_truth=show_truth, trials=trials if trials > 1 else TRIALS
    )
    player, memory, waited = reference_observer(env, seed), None, 0
    observation, _ = env.reset(seed=seed)
    frames: list[Any] = [env.render()]
    seconds, over, before = [STEP], False, ""
    while sum(seconds) < SECONDS:
        if over:
            observation, _ = env.reset()
            memory, over = None, False
        else:
            action, memory = player.predict(observation, memory, np.array([memory is None]))
            observation, _, over, _, _ = env.step(int(action))
        told = env.unwrapped.frame().told
        outcome = bool(told) and told != before
        before = told
        frame: Any = env.render()
        still = np.array_equal(frame[:, :WIDTH], frames[-1][:, :WIDTH])
        waited = waited + 1 if still else 0
        if waited < PATIENCE:
            frames.append(frame)
            seconds.append(OUTCOME if outcome else STEP)
    return frames, seconds


def tiled(seed: int) -> list[Frame]:
    """Return the frames of six tasks at once with their names, `BEAT` seconds each."""
    tiles, (width, height), caption = [], TILE, CAPTION
    for name in OVERVIEW:
        frames, seconds = animation(f"neurotasks/{name}-v0", seed, show_truth=False)
        times = np.arange(0, SECONDS, BEAT)
        shown = np.searchsorted(np.cumsum(seconds), times, side="right").clip(max=len(frames) - 1)
        film = []
        for i in shown.tolist():
            tile = Image.new("RGB", (width, height + caption), FLOOR)
            picture = Image.fromarray(frames[i][HEAD:]).resize(
                (width, height), Image.Resampling.LANCZOS
            )
            tile.paste(picture, (0, caption))
            place = width / 2, caption / 2
            font = ImageFont.load_default(caption * 0.62)
            ImageDraw.Draw(tile).text(place, name, BRIGHT, font, "mm")
            film.append(np.array(tile))
        tiles.append(film)
    rows = [tiles[i : i + COLUMNS] for i in range(0, len(tiles), COLUMNS)]
    return [
        np.concatenate([np.concatenate([film[t] for film in row], axis=1) for row in rows])
        for t in range(len(tiles[0]))
    ]


def write_gif(frames: list[Frame], seconds: list[float], path: Path, colours: int) -> None:
    """Write an endless GIF in few colours."""
    images = [Image.fromarray(frame) for frame in frames]
    together = Image.fromarray(np.concatenate(frames)).reduce(2)
    palette = together.quantize(colours, Image.Quantize.MAXCOVERAGE)
    table = np.array(palette.getpalette()).reshape(-1, 3)
    for colour in (FLOOR, BACKGROUND):  # of large areas, where a wrong one is seen most
        wanted = np.array(ImageColor.getrgb(colour))
        table[np.abs(table - wanted).sum(axis=1).argmin()] = wanted
    palette.putpalette(table.ravel().tolist())
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
    parser.add_argument("--overview", action="store_true", help="six tasks at once instead")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.overview:
        frames, figures = tiled(options.seed), options.out.parent / "figures"
        write_gif(frames, [BEAT] * len(frames), options.out / "overview.gif", COLOURS_OF_OBJECTS)
        figures.mkdir(exist_ok=True)
        Image.fromarray(frames[round(STILL / BEAT)]).save(figures / "overview.png", optimize=True)
        return
    for id in options.ids or neurotasks.TASKS:
        name = gym.spec(id).name
        colours = COLOURS_OF_OBJECTS if name.startswith("Harlow") else COLOURS
        write_gif(*animation(id, options.seed), options.out / f"{name}.gif", colours)


if __name__ == "__main__":
    main()
