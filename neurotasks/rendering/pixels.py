"""Frames as images; Pillow is imported when the first one is drawn."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from typing import Any

import numpy as np

from neurotasks.errors import ParameterError, nearest, require
from neurotasks.rendering.frame import BACKGROUND, FAINT, KINDS, Frame, Item, Pixels, signed

# All frames have even sides, as video codecs want.
WIDTH, HEIGHT, STRIP, PANEL = 480, 300, 60, 260
FINER = 3  # shapes are drawn larger by this factor and reduced, so that edges are smooth
FLOOR, LINE, BRIGHT = "#1f242b", "#3a424d", "#f2f4f6"
GOLD, LOSS, NOTHING = "#f2c14e", "#d9534f", "#6b7580"


def pixels(frame: Frame) -> Pixels:
    """Return a frame as an image, uint8 (360, 480, 3) or, with the truth, (360, 740, 3)."""
    width = WIDTH + (PANEL if frame.truth is not None else 0)
    canvas = Canvas(width, HEIGHT + STRIP)
    for item in frame.items:
        canvas.draw(item)
    canvas.strip(frame)
    if frame.truth is not None:
        canvas.panel(frame.truth)
    return canvas.finished()


class Canvas:
    """A frame being drawn; lengths are in pixels of the finished frame.

    Args:
        width: Width of the frame.
        height: Height of the frame.

    Raises:
        DependencyNotInstalled: If Pillow is not installed.
    """

    def __init__(self, width: int, height: int) -> None:
        self.pil: Any = require("PIL.Image", "render")
        self.image = self.pil.new("RGB", (width * FINER, height * FINER), BACKGROUND)
        self.pen: Any = require("PIL.ImageDraw", "render").Draw(self.image)

    def finished(self) -> Pixels:
        """Return the pixels."""
        return np.array(self.image.reduce(FINER))

    def draw(self, item: Item) -> None:
        """Draw an item, with its label inside where it fits, and under it where not."""
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

    def strip(self, frame: Frame) -> None:
        """Draw the trial number, a progress bar, the last action and its reward as a coin."""
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
        """Draw the names and values of the hidden variables at the right."""
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
        """Draw an image enlarged, each of its pixels a sharp box."""
        array = np.zeros((1, 1, 3), np.uint8) if image is None else np.ascontiguousarray(image)
        width = max(1, round(size * FINER * array.shape[1] / array.shape[0]))
        height = max(1, round(size * FINER))
        large = self.pil.fromarray(array).resize((width, height), self.pil.Resampling.NEAREST)
        self.image.paste(large, (round(x * FINER - width / 2), round(y * FINER - height / 2)))

    def text(
        self, x: float, y: float, text: str, colour: str, size: float, anchor: str = "mm"
    ) -> None:
        """Write a line of text; `anchor` as in Pillow."""
        self.pen.text((x * FINER, y * FINER), text, colour, _font(round(size * FINER)), anchor)

    def length(self, text: str, size: float) -> float:
        """Return the length of a line of text."""
        return float(_font(round(size * FINER)).getlength(text)) / FINER

    def on(self, colour: str) -> str:
        """Return the colour in which text is legible on this one."""
        red, green, blue = require("PIL.ImageColor", "render").getrgb(colour)[:3]
        return BACKGROUND if 0.3 * red + 0.59 * green + 0.11 * blue > 140 else BRIGHT


@lru_cache(maxsize=64)
def _font(size: int) -> Any:
    return require("PIL.ImageFont", "render").load_default(max(size, 1))
