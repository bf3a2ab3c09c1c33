"""What a task says of its look: the things on the subject's screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Item:
    """One thing on the subject's screen.

    Attributes:
        kind: ``"cross"``, ``"disc"``, ``"ring"``, ``"square"``, ``"text"`` or ``"image"``.
        x: centre, 0 at the left edge of the screen, 1 at the right.
        y: centre, 0 at the top, 1 at the bottom.
        size: height as a fraction of the screen's.
        colour: a CSS colour name or ``"#rrggbb"``.
        text: its label; what a picture in letters shows of it.
        pixels: of an image, uint8 (height, width, 3).
    """

    kind: str
    x: float
    y: float
    size: float = 0.2
    colour: str = "white"
    text: str = ""
    pixels: NDArray[Any] | None = None
