"""Whether a command prints its result only; imports nothing that takes time."""

from __future__ import annotations

from contextvars import ContextVar

quiet: ContextVar[bool] = ContextVar("quiet", default=False)
"""Whether neither progress nor hints are shown."""
