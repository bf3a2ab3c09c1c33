"""Files: strict JSON, and trust."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from neurotasks_baselines.errors import UntrustedFileError


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


def check_trusted(path: Any, trusted: bool) -> None:
    """Refuse to unpickle a file unless the caller trusts it: pickles run the code they hold.

    Raises:
        UntrustedFileError: If it is not trusted.
    """
    if trusted is not True:
        raise UntrustedFileError(
            f"trusted must be True to load {path}, since a pickle can run any code; got {trusted}. "
            "Pass trusted=True if you know who wrote the file, or store agents with "
            "neurotasks_baselines.save, whose files run nothing."
        )
