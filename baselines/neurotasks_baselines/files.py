"""Files: strict JSON, its types, and trust."""

from __future__ import annotations

import json
import math
import reprlib
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import numpy as np

from neurotasks_baselines.errors import UntrustedFileError

LARGEST_TABLE = 2**20  # bytes


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


def read_json(file: Path, largest: int = 2**26) -> Any:
    """Return what a file of strict JSON holds.

    Args:
        file: Path of the file.
        largest: Largest size of the file in bytes.

    Raises:
        OSError: If the file cannot be read; FileNotFoundError if there is none.
        ValueError: If it is no regular file, too large, or not strict JSON, see `parse_json`.
    """
    return parse_json(read_regular(file, largest))


def read_table(file: Path) -> dict[str, Any]:
    """Return the table that a file holds, in JSON if that is its suffix, else in TOML.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it holds no table.
    """
    text = read_regular(file, LARGEST_TABLE).decode()
    try:
        found = parse_json(text) if file.suffix == ".json" else tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError("it holds no names with values")
    return found


def read_regular(file: Path, largest: int) -> bytes:
    """Return the bytes of a regular file; a directory, a pipe or a device would hang or never end.

    Args:
        file: Path of the file.
        largest: Largest size of the file in bytes.

    Raises:
        OSError: If the file cannot be read; FileNotFoundError if there is none.
        ValueError: If it is no regular file, or larger.
    """
    size = file.stat().st_size
    if not file.is_file():
        raise ValueError("it is no regular file")
    if size > largest:
        raise ValueError(f"it has {size:,} bytes, more than {largest:,}")
    return file.read_bytes()


def parse_json(text: bytes | str) -> Any:
    """Return what strict JSON stands for: UTF-8 without NaN, infinities or repeated names.

    Raises:
        ValueError: If it is not strict JSON, in one line.
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        return json.loads(
            text, object_pairs_hook=_without_repetition, parse_constant=_finite, parse_float=_finite
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{repeated!r} is repeated")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def fits(value: Any, kind: Any) -> bool:
    """Return whether a value from JSON has a type; an int is a float too, and a bool no number.

    Args:
        value: Value.
        kind: Type: a class, a union, a literal, or a list or a dict of these.
    """
    if kind is Any:
        return True
    if isinstance(kind, UnionType):
        return any(fits(value, option) for option in get_args(kind))
    origin, of = get_origin(kind) or kind, get_args(kind)
    if origin is Literal:
        return isinstance(value, str) and value in of
    if origin is float:
        return type(value) in (float, int) and abs(value) <= sys.float_info.max
    if (isinstance(value, bool) and origin is not bool) or not isinstance(value, origin):
        return False
    if isinstance(value, Mapping) and of:
        return all(fits(k, of[0]) and fits(v, of[1]) for k, v in value.items())
    return all(fits(each, of[0]) for each in value) if of else True


def check_fields(value: Any, fields: Mapping[str, Any]) -> None:
    """Refuse a value from JSON that is no object with these fields and no others.

    Args:
        value: Value.
        fields: Types of the fields by name, as for `fits`.

    Raises:
        ValueError: If a field is missing, unknown or of another type.
    """
    if not isinstance(value, dict) or value.keys() != fields.keys():
        found = list(value) if isinstance(value, dict) else value
        raise ValueError(f"fields must be {', '.join(fields)}; got {reprlib.repr(found)}")
    for name, kind in fields.items():
        if not fits(value[name], kind):
            raise ValueError(f"{name} must be {in_words(kind)}; got {reprlib.repr(value[name])}")


def in_words(kind: Any) -> str:
    """Return a type, as for `fits`, in words."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(repr, get_args(kind)))}"
    if isinstance(kind, UnionType):
        return " or ".join(in_words(option) for option in reversed(get_args(kind)))
    names = {int: "an int", str: "a string", list: "a list", NoneType: "None"}
    plain = get_origin(kind) or kind
    return names.get(plain, f"a {plain.__name__}")


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
