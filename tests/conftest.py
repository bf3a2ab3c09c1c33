"""What every test needs: a screen that is not there, and how many cases Hypothesis tries.

``HYPOTHESIS_PROFILE=thorough`` tries 10,000 new cases per test instead of a few fixed ones.
"""

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

settings.register_profile(
    "default", max_examples=12, deadline=None, derandomize=True, database=None
)
settings.register_profile(
    "thorough",
    max_examples=10_000,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
