"""Frames as images; Pillow is imported when the first one is drawn."""

from __future__ import annotations

import math
import textwrap
from functools import lru_cache
from typing import Any

import numpy as np

from neurotasks.errors import ParameterError, nearest, require
from neurotasks.rendering.frame import BACKGROUND, FAINT, GOLD, KINDS, Frame, Item, Pixels, signed

# All frames have even sides, as video codecs want.
WIDTH, HEIGHT, HEAD, STRIP, KEYS, PANEL = 480, 252, 48, 60, 40, 260
EDGE = 16  # pixels that text keeps from the edges of the screen, both together
FINER = 3  # shapes are drawn at least so much larger and reduced, so that edges are smooth
FLOOR, LINE, BRIGHT = "#1f242b", "#3a424d", "#f2f4f6"
LOSS, NOTHING = "#d9534f", "#6b7580"


def size_of(frame: Frame) -> tuple[int, int]:
    """Return the width and the height of a frame at scale 1, in pixels."""
    width = WIDTH + (PANEL if frame.truth is not None else 0)
    return width, HEAD + HEIGHT + STRIP + (KEYS if frame.keys else 0)


def pixels(frame: Frame, scale: float = 1.0) -> Pixels:
    """Return a frame as an image, uint8 (360, 480, 3) or, with the truth, (360, 740, 3).

    Args:
        frame: What to draw.
        scale: Factor by which the image is larger; it is drawn at that size, not enlarged.
    """
    canvas = Canvas(*size_of(frame), scale)
    for item in frame.items:
        canvas.draw(item)
    canvas.head(frame.goal)
    canvas.strip(frame)
    canvas.keys(frame.keys)
    if frame.truth is not None:
        canvas.panel(frame.truth)
    return canvas.finished()


class Canvas:
    """A frame being drawn; lengths are in pixels of the finished frame at scale 1.

    Args:
        width: Width of the frame.
        height: Height of the frame.
        scale: Factor by which the finished frame is larger.

    Raises:
        DependencyNotInstalled: If Pillow is not installed.
    """

    def __init__(self, width: int, height: int, scale: float) -> None:
        self.pil: Any = require("PIL.Image", "render")
        self.size, self.finer = (width, height), max(1, math.ceil(FINER / scale))
        self.unit = scale * self.finer  # drawn pixels in a pixel of the frame at scale 1
        drawn = round(width * scale) * self.finer, round(height * scale) * self.finer
        self.image = self.pil.new("RGB", drawn, BACKGROUND)
        self.pen: Any = require("PIL.ImageDraw", "render").Draw(self.image)

    def finished(self) -> Pixels:
        """Return the pixels."""
        return np.array(self.image.reduce(self.finer))

    def draw(self, item: Item) -> None:
        """Draw an item, with its label inside where it fits, and under it where not.

        Text that would leave the screen is written smaller.
        """
        x, y, size = item.x * WIDTH, HEAD + item.y * HEIGHT, item.size * HEIGHT
        half = size / 2
        label_y, label_size, colour = y, 17.0, item.colour
        if item.kind == "text":
            room = 2 * min(x, WIDTH - x) - EDGE
            return self.text(x, y, item.text, colour, self.fitting(size, item.text, room))
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
                f"The kind of an Item must be one of {', '.join(KINDS)}; got {item.kind!r}. "
                f"{nearest(item.kind, KINDS)}"
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

    def head(self, goal: str) -> None:
        """Write the goal at the top."""
        self.box(0, 0, WIDTH, HEAD, FLOOR)
        self.lines(goal, WIDTH / 2, HEAD / 2, WIDTH - 24, 15, BRIGHT)

    def keys(self, keys: str) -> None:
        """Write the keys under everything else."""
        if keys:
            width, height = self.size
            self.box(0, height - KEYS, width, height, LINE)
            self.lines(keys, width / 2, height - KEYS / 2, width - 24, 13, BRIGHT)

    def strip(self, frame: Frame) -> None:
        """Draw a progress bar, the trial number, the points, and what the last action brought."""
        top, middle = HEAD + HEIGHT, HEAD + HEIGHT + STRIP / 2 + 1
        self.box(0, top, WIDTH, top + STRIP, FLOOR)
        self.box(0, top, WIDTH, top + 3, LINE)
        self.box(0, top, WIDTH * frame.trial / frame.trials, top + 3, "steelblue")
        about = [f"trial {frame.trial} of {frame.trials}"]
        if frame.points is not None:
            about.append(f"points {frame.points:.4g}")
        for line, colour, y in zip(about, (FAINT, BRIGHT), (0, 22), strict=False):
            self.text(16, middle + y - 11 * (len(about) - 1), line, colour, 16, "lm")
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
        end, large, small = x - 32, frame.told or frame.action, "last action"
        room = end - 26 - self.length(about[0], 16)
        size = self.fitting(20.0, large, room)
        self.text(end, middle - 10, large, BRIGHT, size, "rm")
        small += f": {frame.action}" if frame.told else ""
        self.text(end, middle + 14, small, FAINT, 13, "rm")

    def panel(self, truth: list[tuple[str, str]]) -> None:
        """Draw the names and values of the hidden variables at the right."""
        left, right, height = WIDTH + 16, WIDTH + PANEL - 14, HEAD + HEIGHT + STRIP
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
        corners = [round(c * self.unit) for c in (x0, y0, x1, y1)]
        corners[2:] = [max(c - 1, low) for c, low in zip(corners[2:], corners[:2], strict=True)]
        self.pen.rounded_rectangle(corners, radius * self.unit, colour)

    def circle(
        self, x: float, y: float, radius: float, colour: str, line: float | None = None
    ) -> None:
        """Draw a disc, or a ring with a line of this width."""
        corners = [round(c * self.unit) for c in (x - radius, y - radius, x + radius, y + radius)]
        if line is None:
            self.pen.ellipse(corners, colour)
        else:
            self.pen.ellipse(corners, outline=colour, width=round(line * self.unit))

    def paste(self, image: Pixels | None, x: float, y: float, size: float) -> None:
        """Draw an image enlarged, each of its pixels a sharp box."""
        array = np.zeros((1, 1, 3), np.uint8) if image is None else np.ascontiguousarray(image)
        width = max(1, round(size * self.unit * array.shape[1] / array.shape[0]))
        height = max(1, round(size * self.unit))
        large = self.pil.fromarray(array).resize((width, height), self.pil.Resampling.NEAREST)
        corner = round(x * self.unit - width / 2), round(y * self.unit - height / 2)
        self.image.paste(large, corner)

    def text(
        self, x: float, y: float, text: str, colour: str, size: float, anchor: str = "mm"
    ) -> None:
        """Write a line of text; `anchor` as in Pillow."""
        font = _font(round(size * self.unit))
        self.pen.text((x * self.unit, y * self.unit), text, colour, font, anchor)

    def lines(self, text: str, x: float, y: float, width: float, size: float, colour: str) -> None:
        """Write a text centred in two lines at most, smaller where it is too long for them."""
        size = min(size, size * 1.9 * width / max(self.length(text, size), 1))
        two = self.length(text, size) > width
        rows = textwrap.wrap(text, len(text) // 2 + 6) if two else [text]
        size = min(self.fitting(size, row, width) for row in rows[:2])
        for row, line in enumerate(rows[:2]):
            self.text(x, y + (row - (len(rows[:2]) - 1) / 2) * size * 1.25, line, colour, size)

    def fitting(self, size: float, text: str, room: float) -> float:
        """Return the size, or a smaller one in which a line of text is no longer than the room."""
        return min(size, size * room / max(self.length(text, size), 1))

    def length(self, text: str, size: float) -> float:
        """Return the length of a line of text."""
        return float(_font(round(size * FINER)).getlength(text)) / FINER  # at any scale

    def on(self, colour: str) -> str:
        """Return the colour in which text is legible on this one."""
        red, green, blue = require("PIL.ImageColor", "render").getrgb(colour)[:3]
        return BACKGROUND if 0.3 * red + 0.59 * green + 0.11 * blue > 140 else BRIGHT


@lru_cache(maxsize=64)
def _font(size: int) -> Any:
    return require("PIL.ImageFont", "render").load_default(max(size, 1))
