"""Text files: strict JSON, and files that are never seen half-written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def json_text(value: Any) -> str:
    """Return a value as strict JSON, which has no NaN and no infinity: they become null."""
    strict = json.loads(json.dumps(json_ready(value)), parse_constant=lambda name: None)
    return json.dumps(strict, indent=1, allow_nan=False) + "\n"


def json_ready(value: Any) -> Any:
    """Return a value with numpy arrays and scalars turned into lists and numbers."""
    if isinstance(value, dict):
        return {str(k): json_ready(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(v) for v in value]
    if isinstance(value, np.ndarray):
        return json_ready(value.tolist())
    if isinstance(value, np.generic):
        return value.item()
    return value


def write_whole(file: Path, text: str) -> None:
    """Write a file so that a reader meets the old text or the new one, never a part of either."""
    new = file.with_name(file.name + ".new")
    new.write_text(text)
    new.replace(file)
