"""Reads the fields of one record into a dict, as a single environment does in every step."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

# The formats of numpy's types in the standard library's ``struct``.
FORMATS = {"b1": "?", "f2": "e", "f4": "f", "f8": "d"}
FORMATS |= {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}


def reader(records: Any, entries: Mapping[str, str]) -> Callable[[], dict[str, Any]]:
    """Return a function that reads a record: Python scalars and fresh arrays.

    Args:
        records: Array of the only record, which is read anew at every call.
        entries: Key -> expression, with the names of fields in braces; a field that is an array
            stands alone. ``{"steps": "{step} - {trial_start}"}``.
    """
    dtype = records.dtype
    offsets = {name: dtype.fields[name][1] for name in dtype.names}
    scalars = [n for n in sorted(offsets, key=offsets.__getitem__) if dtype[n].str[1:] in FORMATS]
    used = [n for n in scalars if any(f"{{{n}}}" in text for text in entries.values())]
    text, end = "=", 0
    for name in used:
        text += f"{offsets[name] - end}x{FORMATS[dtype[name].str[1:]]}"
        end = offsets[name] + dtype[name].itemsize
    others = {name: records[name][0] for name in offsets if name not in used}
    parts = {name: f"_{name}" for name in used}
    parts |= {name: f"copies[{name!r}]()" for name in others}
    pairs = ", ".join(f"{key!r}: {value.format_map(parts)}" for key, value in entries.items())
    variables = "".join(f"_{name}, " for name in used)
    scope: dict[str, Any] = {
        "unpack": struct.Struct(text).unpack_from,
        "data": records.view(np.uint8).data,
        "copies": {name: value.copy for name, value in others.items()},
    }
    # Compiled for these names it takes half the time of dict(zip(...)), and `unpack` half that of
    # numpy's `item`.
    exec(f"def read():\n    {variables}= unpack(data)\n    return {{{pairs}}}", scope)
    found: Callable[[], dict[str, Any]] = scope["read"]
    return found
