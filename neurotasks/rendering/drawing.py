"""Frames of a task: what `render` returns as pixels and as letters, and the window of a person.

Pillow and pygame are imported when the first frame is drawn or shown.
"""

from __future__ import annotations

import os
import textwrap
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from neurotasks.core.lanes import Lanes
from neurotasks.errors import ParameterError, require
from neurotasks.rendering.frame import Item

Pixels = NDArray[np.uint8]

RENDER_FPS = 4

# Pixels; all frames have even sides, as video codecs want.
WIDTH, HEIGHT, STRIP, PANEL = 480, 300, 60, 260
FINER = 3  # shapes are drawn larger by this factor and reduced, so that edges are smooth
BACKGROUND, FLOOR, LINE, FAINT, BRIGHT = "#14171c", "#1f242b", "#3a424d", "#98a2ae", "#f2f4f6"
GOLD, LOSS, NOTHING = "#f2c14e", "#d9534f", "#6b7580"

# Letters
COLUMNS, ROWS, TEXT_WIDTH = 58, 11, 78
LETTERS = {
    "cross": ("+", "{}"),
    "disc": ("(O)", "({})"),
    "ring": ("( )", "({})"),
    "square": ("[ ]", "[{}]"),
    "text": ("", "{}"),
    "image": ("<image>", "<{}>"),
}


@dataclass(frozen=True)
class Frame:
    """What one picture shows.

    Attributes:
        items: the subject's screen.
        trial: number of the trial, from 1.
        trials: how many there are.
        action: name of the last action, "" at the start of an episode.
        reward: of the last action.
        trial_over: whether that action ended a trial.
        truth: name and value of what is hidden, None where it stays so.
    """

    items: list[Item]
    trial: int
    trials: int
    action: str
    reward: float
    trial_over: bool
    truth: list[tuple[str, str]] | None


def check_render_mode(mode: str | None, show_truth: bool, known: list[str]) -> None:
    """Refuse a way of rendering that does not exist.

    Raises:
        ParameterError: if the mode is none of those known, or `show_truth` no bool.
    """
    if mode is not None and mode not in known:
        raise ParameterError(
            f"render_mode={mode!r} came, but it must be None or one of {', '.join(known)}."
        )
    if not isinstance(show_truth, bool):
        raise ParameterError(f"show_truth={show_truth!r} came, but it must be a bool.")


def render(lanes: Lanes, mode: str | None, show_truth: bool) -> list[Any]:
    """Return one frame a lane.

    Args:
        lanes: of the environment.
        mode: ``"ansi"`` for text, None for nothing but a warning, else pixels.
        show_truth: whether the frames show what is hidden.

    Returns:
        uint8 arrays, (360, 480, 3) or, with the truth, (360, 740, 3); or strings.

    Raises:
        ResetNeeded: if no episode has begun on some lane.
        DependencyNotInstalled: if Pillow is needed and not installed.
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
    to = letters if mode == "ansi" else pixels
    return [to(frame) for frame in frames(lanes, show_truth)]


def frames(lanes: Lanes, show_truth: bool) -> list[Frame]:
    """Return what there is to draw on each lane."""
    task, p = lanes.task, lanes.parameters
    state: Any = lanes.get_state().view(np.recarray)
    seen = None if task.picture else lanes.observe()
    found = []
    for i, lane in enumerate(state):
        if lane.over:
            items = [Item("text", 0.5, 0.5, 0.1, FAINT, "end of the episode")]
        elif task.picture:
            items = task.picture(lane, p)
        else:
            items = _default_picture(lanes, seen, i)
        found.append(
            Frame(
                items,
                min(int(lane.trial) + 1, int(lane.trials)),
                int(lane.trials),
                lanes.actions[lane.action] if lane.action >= 0 else "",
                float(lane.reward),
                bool(lane.over or (lane.new_trial and lane.trial > 0)),
                [(n, _value(lanes, n, lane[n])) for n in task.info] if show_truth else None,
            )
        )
    return found


def _default_picture(lanes: Lanes, seen: Any, i: int) -> list[Item]:
    """Return the image the subject sees, or the names of what is not zero."""
    if lanes.task.image_shape:
        image = seen["image"] if isinstance(seen, dict) else seen
        return [Item("image", 0.5, 0.5, 1.0, pixels=image[i])]
    shown = seen[i, lanes.layout["stimulus"]]
    names = [
        name if light == 1 else f"{name} {light:.2f}"
        for name, light in zip(lanes.stimulus, shown, strict=True)
        if light != 0
    ]
    if len(names) > 8:
        names = [*names[:7], f"and {len(names) - 7} more"]
    places = (np.arange(len(names)) + 0.5) / max(len(names), 3)
    places += 0.5 - places.mean() if len(names) else 0.0
    return [Item("text", 0.5, y, 0.09, text=n) for y, n in zip(places.tolist(), names, strict=True)]


def _value(lanes: Lanes, name: str, value: Any) -> str:
    if name == "best_action" and 0 <= value < len(lanes.actions):
        return str(lanes.actions[value])
    if np.ndim(value):
        return "[" + ", ".join(_value(lanes, "", each) for each in value) + "]"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, (float, np.floating)) else str(value)


def signed(reward: float) -> str:
    """Return a reward as its coin shows it: +1, -1, 0, +0.2."""
    return f"{reward:+.2g}" if reward else "0"


# Pixels


def pixels(frame: Frame) -> Pixels:
    """Draw a frame; uint8, (360, 480, 3) or, with the truth, (360, 740, 3)."""
    width = WIDTH + (PANEL if frame.truth is not None else 0)
    canvas = Canvas(width, HEIGHT + STRIP)
    for item in frame.items:
        canvas.draw(item)
    canvas.strip(frame)
    if frame.truth is not None:
        canvas.panel(frame.truth)
    return canvas.finished()


class Canvas:
    """A picture in the making; lengths in pixels of the finished one.

    Args:
        width: of the picture.
        height: of the picture.

    Raises:
        DependencyNotInstalled: if Pillow is not installed.
    """

    def __init__(self, width: int, height: int) -> None:
        self.pil: Any = require("PIL.Image", "render")
        self.image = self.pil.new("RGB", (width * FINER, height * FINER), BACKGROUND)
        self.pen: Any = require("PIL.ImageDraw", "render").Draw(self.image)

    def finished(self) -> Pixels:
        """Return the pixels."""
        return np.array(self.image.reduce(FINER))

    def draw(self, item: Item) -> None:
        """Draw an item of the screen, with its label in it where it fits, else under it."""
        x, y, size = item.x * WIDTH, item.y * HEIGHT, item.size * HEIGHT
        half = size / 2
        label_y, label_size, colour = y, 17.0, item.colour
        if item.kind == "text":
            return self.text(x, y, item.text, colour, size)
        if item.kind == "cross":
            arm = size / 12
            self.box(x - half, y - arm, x + half, y + arm, colour)
            self.box(x - arm, y - half, x + arm, y + half, colour)
            return None
        if item.kind == "image":
            label_y += half + 13
            colour = FAINT
            self.paste(item.pixels, x, y, size)
        elif item.kind in ("disc", "ring"):
            line = None if item.kind == "disc" else max(2.5, size / 16)
            self.circle(x, y, half, colour, line)
        elif item.kind == "square":
            self.box(x - half, y - half, x + half, y + half, colour, radius=size / 10)
        else:
            raise ParameterError(
                f"An Item of kind {item.kind!r} came, but it must be one of {', '.join(LETTERS)}."
            )
        if not item.text:
            return None
        if item.kind != "image":
            label_size = min(17.0, 17 * 0.86 * size / self.length(item.text, 17))
            if label_size >= 11:
                colour = self.on(colour) if item.kind != "ring" else colour
            else:
                label_y, label_size, colour = y + half + 13, 17.0, FAINT
        return self.text(x, label_y, item.text, colour, label_size)

    def strip(self, frame: Frame) -> None:
        """Draw the trial number, its bar, the last action and the coin it brought."""
        top, middle = HEIGHT, HEIGHT + STRIP / 2 + 1
        self.box(0, top, WIDTH, top + STRIP, FLOOR)
        self.box(0, top, WIDTH, top + 3, LINE)
        self.box(0, top, WIDTH * frame.trial / frame.trials, top + 3, "steelblue")
        self.text(16, middle, f"trial {frame.trial} of {frame.trials}", FAINT, 16, "lm")
        if not frame.action:
            return
        x = WIDTH - 36
        if frame.reward or frame.trial_over:
            colour = GOLD if frame.reward > 0 else LOSS if frame.reward < 0 else NOTHING
            self.circle(x, middle, 22, colour)
            self.text(x, middle, signed(frame.reward), self.on(colour), 17)
        else:
            self.circle(x, middle, 20, LINE, 2)
            self.text(x, middle, "0", LINE, 17)
        start = x - 36 - self.length(frame.action, 20)
        self.text(start, middle, frame.action, BRIGHT, 20, "lm")
        self.text(start - 8, middle, "last action", FAINT, 13, "rm")

    def panel(self, truth: list[tuple[str, str]]) -> None:
        """Draw the hidden truth at the right."""
        left, right, height = WIDTH + 16, WIDTH + PANEL - 14, HEIGHT + STRIP
        self.box(WIDTH, 0, WIDTH + PANEL, height, FLOOR)
        self.box(WIDTH, 0, WIDTH + 1, height, LINE)
        self.text(left, 20, "hidden from the subject", GOLD, 15, "lm")
        rows: list[tuple[str, str]] = []
        for name, value in truth:
            room = right - left - self.length(name, 14) - 12
            fits = self.length(value, 14) <= room
            rows.append((name, value if fits else ""))
            rows += [] if fits else [("", part) for part in textwrap.wrap(value, 34)]
        pitch = min(24.0, (height - 44) / len(rows))
        size = min(14.0, pitch * 0.8)
        for row, (name, value) in enumerate(rows):
            y = 46 + pitch * row
            self.text(left, y, name, FAINT, size, "lm")
            self.text(right, y, value, BRIGHT, size, "rm")

    def box(
        self, x0: float, y0: float, x1: float, y1: float, colour: str, radius: float = 0.0
    ) -> None:
        """Draw a filled box."""
        corners = [round(c * FINER) for c in (x0, y0, x1, y1)]
        corners[2:] = [max(c - 1, low) for c, low in zip(corners[2:], corners[:2], strict=True)]
        self.pen.rounded_rectangle(corners, radius * FINER, colour)

    def circle(
        self, x: float, y: float, radius: float, colour: str, line: float | None = None
    ) -> None:
        """Draw a disc, or a ring with a line of this width."""
        corners = [round(c * FINER) for c in (x - radius, y - radius, x + radius, y + radius)]
        if line is None:
            self.pen.ellipse(corners, colour)
        else:
            self.pen.ellipse(corners, outline=colour, width=round(line * FINER))

    def paste(self, image: Pixels | None, x: float, y: float, size: float) -> None:
        """Put an image, each of its pixels a box."""
        array = np.zeros((1, 1, 3), np.uint8) if image is None else np.ascontiguousarray(image)
        width = max(1, round(size * FINER * array.shape[1] / array.shape[0]))
        height = max(1, round(size * FINER))
        large = self.pil.fromarray(array).resize((width, height), self.pil.Resampling.NEAREST)
        self.image.paste(large, (round(x * FINER - width / 2), round(y * FINER - height / 2)))

    def text(
        self, x: float, y: float, text: str, colour: str, size: float, anchor: str = "mm"
    ) -> None:
        """Write a line; the anchor as Pillow's."""
        self.pen.text((x * FINER, y * FINER), text, colour, _font(round(size * FINER)), anchor)

    def length(self, text: str, size: float) -> float:
        """Return how long a line is."""
        return float(_font(round(size * FINER)).getlength(text)) / FINER

    def on(self, colour: str) -> str:
        """Return the colour of letters on this one."""
        red, green, blue = require("PIL.ImageColor", "render").getrgb(colour)[:3]
        return BACKGROUND if 0.3 * red + 0.59 * green + 0.11 * blue > 140 else BRIGHT


@lru_cache(maxsize=64)
def _font(size: int) -> Any:
    return require("PIL.ImageFont", "render").load_default(max(size, 1))


# Letters


def letters(frame: Frame) -> str:
    """Write a frame in letters, at most 78 columns wide."""
    screen = [[" "] * COLUMNS for _ in range(ROWS)]
    for item in frame.items:
        bare, labelled = LETTERS.get(item.kind, LETTERS["text"])
        word = labelled.format(item.text) if item.text else bare
        row = min(max(int(item.y * ROWS), 0), ROWS - 1)
        start = min(max(round(item.x * COLUMNS - len(word) / 2), 0), max(COLUMNS - len(word), 0))
        for column, letter in enumerate(word[:COLUMNS], start):
            if letter != " ":  # so that a ring shows what is in it
                screen[row][column] = letter
    edge = "+" + "-" * COLUMNS + "+"
    lines = [edge, *("|" + "".join(row) + "|" for row in screen), edge]
    strip = f" trial {frame.trial} of {frame.trials}"
    if frame.action:
        strip = f"{strip:24}last action: {frame.action}   reward: {signed(frame.reward)}"
    lines.append(strip)
    if frame.truth is not None:
        lines.append(" hidden:")
        size = max((len(name) for name, _ in frame.truth), default=0)
        for name, value in frame.truth:
            indent = " " * (size + 4)
            lines += textwrap.wrap(
                f"{name:{size}}  {value}",
                TEXT_WIDTH,
                initial_indent="  ",
                subsequent_indent=indent,
                drop_whitespace=False,
            )
    return "\n".join(line.rstrip() for line in lines) + "\n"


# Window

UNSEEN = ("dummy", "offscreen")
NO_WINDOW = (
    "No window could be opened: {}. Use render_mode='rgb_array' or 'ansi', or `neurotasks play "
    "--terminal`."
)


class Window:
    """A window that shows frames and reads keys; it opens with the first frame.

    A copy or a pickle of it is a window that has not been opened yet.

    Args:
        title: of the window.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._surface: Any = None
        self._clock: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out the open window."""
        return Window, (self.title,)

    def show(self, frame: Pixels, fps: float | None = None) -> None:
        """Show a frame.

        Args:
            frame: uint8, (height, width, 3).
            fps: with it, wait so long that no more frames a second are shown.

        Raises:
            DependencyNotInstalled: if pygame is not installed.
            gymnasium.error.Error: if there is no screen.
        """
        pygame = self._pygame()
        size = frame.shape[1], frame.shape[0]
        if self._surface is None or self._surface.get_size() != size:
            try:
                pygame.display.init()
                self._surface = pygame.display.set_mode(size)
            except pygame.error as error:
                raise gym.error.Error(NO_WINDOW.format(error)) from error
            pygame.display.set_caption(self.title)
            pygame.key.set_repeat(400, 80)  # milliseconds
            self._clock = pygame.time.Clock()
        pygame.surfarray.blit_array(self._surface, frame.swapaxes(0, 1))
        pygame.event.pump()
        pygame.display.flip()
        if fps:
            self._clock.tick(fps)

    def read_key(self) -> str:
        """Wait for a key and return its name; ``"escape"`` when the window is closed.

        Raises:
            gymnasium.error.Error: if the window is one that nobody can see.
        """
        pygame = self._pygame()
        # what SDL falls back to without a screen, unless it was asked for, as in tests
        if pygame.display.get_driver() in UNSEEN and "SDL_VIDEODRIVER" not in os.environ:
            raise gym.error.Error(NO_WINDOW.format("there is no screen"))
        while True:
            event = pygame.event.wait()
            if event.type == pygame.QUIT:
                return "escape"
            if event.type == pygame.KEYDOWN:
                return str(pygame.key.name(event.key)).strip("[]")  # [4] on the number pad

    def close(self) -> None:
        """Close the window, if it is open."""
        if self._surface is not None:
            self._surface = None
            pygame = self._pygame()
            pygame.display.quit()
            pygame.quit()

    def _pygame(self) -> Any:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        return require("pygame", "render")
