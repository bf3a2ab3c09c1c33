"""The window of a person; pygame is imported when it opens."""

from __future__ import annotations

import os
from typing import Any

import gymnasium as gym

from neurotasks.errors import require
from neurotasks.rendering.frame import Pixels

RENDER_FPS = 4  # frames per second at which a person can follow an agent
UNSEEN = ("dummy", "offscreen")
NO_WINDOW = (
    "No window could be opened: {}. Use render_mode='rgb_array' or 'ansi', or `neurotasks play "
    "--terminal`."
)


class Window:
    """A window that shows frames and reads keys; it opens with the first frame.

    A copy or a pickle of a window has not been opened yet.

    Args:
        title: Title of the window.
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
            frame: Image to show, uint8 (height, width, 3).
            fps: Highest number of frames per second, kept by waiting; None: no limit.

        Raises:
            DependencyNotInstalled: If pygame is not installed.
            gymnasium.error.Error: If there is no screen.
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
            gymnasium.error.Error: If there is no screen, so that nobody could press a key.
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
