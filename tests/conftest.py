"""What every test needs: a screen that is not there."""

import os

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
