"""The window of a person; pygame is imported when it opens."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym

from neurotasks.errors import require
from neurotasks.rendering.frame import BACKGROUND, Pixels

SHARE = 0.85  # of the screen that a new window fills
RENDER_FPS = 4  # frames per second at which a person can follow an agent
UNSEEN = ("dummy", "offscreen")
NO_WINDOW = (
    "No window could be opened: {}. Use render_mode='rgb_array' or 'ansi', or `neurotasks play "
    "--terminal`."
)


class Window:
    """A window that shows frames and reads keys; it opens with the first frame.

    It fills most of the screen and can be resized; what it shows is drawn at its size.

    A copy or a pickle of a window has not been opened yet.

    Args:
        title: Title of the window.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._surface: Any = None
        self._clock: Any = None
        self._shown: tuple[Callable[[float], Pixels], tuple[int, int]] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out the open window."""
        return Window, (self.title,)

    def show(
        self, draw: Callable[[float], Pixels], size: tuple[int, int], fps: float | None = None
    ) -> None:
        """Show a frame.

        Args:
            draw: Function from a scale to the image, uint8 (height, width, 3).
            size: Width and height of the image at scale 1.
            fps: Highest number of frames per second, kept by waiting; None: no limit.

        Raises:
            DependencyNotInstalled: If pygame is not installed.
            gymnasium.error.Error: If there is no screen.
        """
        pygame = self._pygame()
        if self._surface is None:
            try:
                pygame.display.init()
                (width, height), *_ = pygame.display.get_desktop_sizes()
                scale = SHARE * min(width / size[0], height / size[1])
                large = round(scale * size[0]), round(scale * size[1])
                self._surface = pygame.display.set_mode(large, pygame.RESIZABLE)
            except pygame.error as error:
                raise gym.error.Error(NO_WINDOW.format(error)) from error
            pygame.display.set_caption(self.title)
            pygame.key.set_repeat(400, 80)  # milliseconds
            self._clock = pygame.time.Clock()
        pygame.event.pump()
        self._shown = draw, size
        self._draw()
        if fps:
            self._clock.tick(fps)

    def _draw(self) -> None:
        """Draw what is shown as large as the window allows, in its middle."""
        if self._shown is None:
            return
        pygame, (draw, (width, height)) = self._pygame(), self._shown
        self._surface = pygame.display.get_surface()
        room = self._surface.get_size()
        image = draw(max(0.1, min(room[0] / width, room[1] / height)))
        drawn = pygame.surfarray.make_surface(image.swapaxes(0, 1))
        corner = (room[0] - image.shape[1]) // 2, (room[1] - image.shape[0]) // 2
        self._surface.fill(BACKGROUND)
        self._surface.blit(drawn, corner)
        pygame.display.flip()

    def read_key(self, seconds: float | None = None) -> str:
        """Wait for a key and return its name; ``"escape"`` when the window is closed.

        Args:
            seconds: Time after which there is none and ``""`` is returned; None: never.

        Raises:
            gymnasium.error.Error: If there is no screen, so that nobody could press a key.
        """
        pygame = self._pygame()
        # what SDL falls back to without a screen, unless it was asked for, as in tests
        if pygame.display.get_driver() in UNSEEN and "SDL_VIDEODRIVER" not in os.environ:
            raise gym.error.Error(NO_WINDOW.format("there is no screen"))
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            left = 0 if end is None else max(1, round(1000 * (end - time.monotonic())))
            event = pygame.event.wait(left)
            if event.type == pygame.NOEVENT:
                return ""
            if event.type == pygame.VIDEORESIZE:
                self._draw()
            if event.type == pygame.QUIT:
                return "escape"
            if event.type == pygame.KEYDOWN:
                return str(pygame.key.name(event.key)).strip("[]")  # [4] on the number pad

    def close(self) -> None:
        """Close the window, if it is open."""
        if self._surface is not None:
            self._surface = self._shown = None
            pygame = self._pygame()
            pygame.display.quit()
            pygame.quit()

    def _pygame(self) -> Any:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        return require("pygame", "render")
