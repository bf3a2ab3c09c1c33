"""Fingerprints of functions: text that differs wherever the code compiled from them would.

Compiled code depends on more than the file a function stands in: on the functions it calls and the
constants it reads, wherever these come from. Fingerprints follow them, and need no source: a cell
of a notebook, a zip and compiled Python files have none that could be read.
"""

from __future__ import annotations

import builtins
import dis
import enum
import hashlib
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

SCALARS = type(None), bool, int, float, complex, str, bytes, type(...), np.dtype, np.ufunc
LIBRARIES = {"builtins", "math", "cmath", "operator", "numpy", "numba"}

_compiled: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def fingerprint(value: Any, known: dict[int, str] | None = None) -> str:
    """Return text that differs wherever what is compiled from a value would.

    Where a constant has changed since a function was compiled, it is compiled anew: numba itself
    keeps the old one.

    Args:
        value: Function, with all it reaches; or a constant.
        known: Fingerprints of the functions met before, by their id.

    Returns:
        The fingerprint, the same in every process.

    Raises:
        NotImplementedError: If a constant is of a kind that has none.
    """
    called, known = known is not None, {} if known is None else known
    function = getattr(value, "py_func", value)
    if not isinstance(function, FunctionType) or _of_library(function):
        return _of_constant(value, known)
    if id(value) not in known:
        known[id(value)] = "itself"  # to functions that call it in turn
        known[id(value)] = text = _of_function(function, value, known)
        if called and hasattr(value, "recompile"):
            if _compiled.get(value, text) != text and value.overloads:
                value.recompile()
            _compiled[value] = text
    return known[id(value)]


def _of_function(function: FunctionType, dispatcher: Any, known: dict[int, str]) -> str:
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    parts: list[Any] = [function.__code__, function.__defaults__, function.__kwdefaults__, cells]
    parts.append(getattr(dispatcher, "targetoptions", {}))
    parts += [_found(function, path) for path in _paths(function.__code__)]
    return hashlib.sha256(fingerprint(parts, known).encode()).hexdigest()


def _of_constant(value: Any, known: dict[int, str]) -> str:
    kind = type(value).__qualname__
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise NotImplementedError(f"Arrays must hold numbers; got {array.dtype}.")
        order, digest = array.flags.c_contiguous, hashlib.sha256(array.tobytes()).hexdigest()
        return f"{kind} {array.dtype.descr} {array.shape} {order} {digest}"
    if isinstance(value, enum.Enum):
        return f"{kind} {value.name} {fingerprint(value.value, known)}"
    if isinstance(value, SCALARS):
        return f"{kind} {value!r}"
    if isinstance(value, CodeType):
        return _of_code(value)
    if isinstance(value, (tuple, list)):
        return f"{kind} ({', '.join(fingerprint(each, known) for each in value)})"
    if isinstance(value, (set, frozenset)):
        return f"{kind} {sorted(fingerprint(each, known) for each in value)}"
    if isinstance(value, dict):
        return fingerprint(sorted(value.items()), known)
    if isinstance(value, ModuleType):
        return f"{kind} {value.__name__}"
    if isinstance(value, enum.EnumMeta):
        return fingerprint(list(value), known)
    if isinstance(value, type) and issubclass(value, tuple):
        return f"{value.__qualname__} {getattr(value, '_fields', ())}"
    if _of_library(value):
        return f"{kind} {value.__module__}.{value.__name__}"
    raise NotImplementedError(f"A compiled function must use known constants; got a {kind}.")


@cache
def _of_code(code: CodeType) -> str:
    """Return the fingerprint of code, which never changes."""
    names = code.co_code, code.co_names, code.co_varnames, code.co_freevars
    return fingerprint((*names, code.co_argcount, code.co_flags, code.co_consts))


def _of_library(value: Any) -> bool:
    """Return whether a value is a function or class that numba or its own libraries define."""
    module = getattr(value, "__module__", None) or ""
    return module.partition(".")[0] in LIBRARIES and hasattr(value, "__name__")


@cache
def _paths(code: CodeType) -> list[tuple[str, ...]]:
    """Return the global names that code reads, each with the attributes read from it."""
    found: dict[tuple[str, ...], None] = {}
    path: tuple[str, ...] = ()
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            path = (instruction.argval,)
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and path:
            path = (*path, instruction.argval)
        else:
            path = ()
            continue
        found[path] = None
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= dict.fromkeys(_paths(constant))
    return list(found)


def _found(function: FunctionType, path: tuple[str, ...]) -> Any:
    """Return what a function finds under a global name, followed into modules."""
    name, *attributes = path
    value = function.__globals__.get(name, getattr(builtins, name, None))
    for attribute in attributes:
        if not isinstance(value, ModuleType):
            break
        value = getattr(value, attribute, None)
    return value
