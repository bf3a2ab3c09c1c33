"""Records, the rows of numpy's structured arrays: an array of them, and reading one into a dict."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numba
import numpy as np

# The formats of numpy's types in the standard library's ``struct``.
FORMATS = {"b1": "?", "f2": "e", "f4": "f", "f8": "d"}
FORMATS |= {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}

STEPS_AT_ONCE, LANES_AT_ONCE = 16, 2000
"""The most steps, and the most lanes over all of them, that arrays are made for at once."""


def in_turn(make: Callable[..., tuple[Any, ...]], num: int) -> Callable[[], tuple[Any, ...]]:
    """Return a function that returns new arrays for a step, made for several steps at once.

    Of few lanes that takes half the time; of many, memory just freed is faster to write to.

    Args:
        make: Function that returns arrays of shape (num, ...), or of (steps, num, ...).
        num: Number of lanes.
    """
    steps = min(STEPS_AT_ONCE, LANES_AT_ONCE // num)
    made: Iterator[tuple[Any, ...]] = iter(())

    def take() -> tuple[Any, ...]:
        nonlocal made
        arrays = next(made, None)
        if arrays is None:
            if steps < 2:
                return make(num)
            made = zip(*make(steps, num), strict=True)
            arrays = next(made)
        return arrays

    return take


def zeroed(shape: int | tuple[int, ...], dtype: np.dtype[np.void]) -> Any:
    """Return records of zeros; where rules are not compiled, their fields as attributes."""
    records = np.zeros(shape, dtype)
    return records.view(np.recarray) if numba.config.DISABLE_JIT else records


def reader(records: Any, names: Sequence[str], *more: str) -> Callable[..., dict[str, Any]]:
    """Return a function that reads a record, as a single environment does in every step.

    Args:
        records: Array of the only record, which is read anew at every call.
        names: Fields to read: Python scalars and fresh arrays.
        *more: Names of further entries, whose values are the arguments of the function. Added to
            the dict later, one entry takes half as long as all fields.
    """
    dtype = records.dtype
    offsets = {name: dtype.fields[name][1] for name in names}
    scalars = [n for n in sorted(offsets, key=offsets.__getitem__) if dtype[n].str[1:] in FORMATS]
    text, end = "=", 0
    for name in scalars:
        text += f"{offsets[name] - end}x{FORMATS[dtype[name].str[1:]]}"
        end = offsets[name] + dtype[name].itemsize
    values = {name: f"_{name}" if name in scalars else f"copy_{name}()" for name in names}
    values |= {name: name for name in more}
    pairs = ", ".join(f"{name!r}: {value}" for name, value in values.items())
    variables = "".join(f"_{name}, " for name in scalars)
    scope: dict[str, Any] = {
        "unpack": struct.Struct(text).unpack_from,
        "data": records.view(np.uint8).data,
    }
    scope |= {f"copy_{name}": records[name][0].copy for name in names if name not in scalars}
    # Compiled for these names it takes half the time of dict(zip(...)), and `unpack` half that of
    # numpy's `item`.
    exec(
        f"def read({', '.join(more)}):\n    ({variables}) = unpack(data)\n    return {{{pairs}}}",
        scope,
    )
    found: Callable[..., dict[str, Any]] = scope["read"]
    return found
