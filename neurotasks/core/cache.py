"""Compiled code on disk, so that a second process need not wait for the compiler.

numba's own cache reads a damaged file into an exception, or into code that crashes; it needs the
file a function was written in; and two processes that compile at once, or one that is killed in
between, can leave the code of one function under the name of another. Here a file is named after
all its code depends on, begins with its digest, and is put in place by renaming: what is not whole
is compiled anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import pickle
import re
import secrets
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

from neurotasks.core.fingerprints import fingerprint

Function = TypeVar("Function", bound=Callable[..., Any])

SETTINGS = "OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUGINFO_DEFAULT"
"""Settings of numba, set as ``NUMBA_OPT`` and so on, that change what it compiles."""


class CompilationCacheWarning(UserWarning):
    """Compiled code that cannot be kept, so that every process compiles anew, which takes seconds.

    Cure: Set the environment variable NUMBA_CACHE_DIR to a folder that can be written.
    """


def cached(function: Function, **options: Any) -> Function:
    """Compile a function at its first call, or read it from disk.

    Args:
        function: What to compile. Functions it calls must be compiled into it, with
            ``forceinline=True``: each file then holds all of its code. Were they cached, too, two
            files would hold copies of them that can round differently, and which of these runs
            would depend on which file was loaded, or compiled, first.
        **options: Options of ``numba.njit``.

    Returns:
        The compiled function.
    """
    dispatcher: Any = numba.njit(**options)(function)
    if not numba.config.DISABLE_JIT:
        dispatcher._cache = CodeCache(dispatcher)
    return dispatcher  # type: ignore[no-any-return]


class CodeCache(_Cache):  # type: ignore[misc]
    """What a dispatcher of numba reads its compiled code from, and writes it to.

    Args:
        dispatcher: Compiled function.
    """

    def __init__(self, dispatcher: Any) -> None:
        self._dispatcher = dispatcher

    @property
    def cache_path(self) -> str | None:
        """Folder that is written to; None if none can be."""
        for folder in folders():
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=folder).close()
                return str(folder)
        return None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code for arguments of some types; None where there is none that is whole."""
        target_context.refresh()
        name = self._file_name(sig, target_context.codegen())
        for folder in folders() if name else ():
            try:
                content = (folder / name).read_bytes()
                if _digest(name, content[32:]) == content[:32]:
                    return CompileResult._rebuild(target_context, *pickle.loads(content[32:]))
            except (OSError, ImportError):  # a module that rules were imported from may be gone
                continue
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write code into the first folder that takes it; warn where none does."""
        name = self._file_name(sig, data.codegen)
        if not name or data.library.has_dynamic_globals:  # such as the address of a large array
            return
        content = dumps(data._reduce())
        for folder in folders():
            new = folder / f"{name}.{secrets.token_hex(8)}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                new.write_bytes(_digest(name, content) + content)
                new.replace(folder / name)
                return
            except OSError:
                continue
            finally:  # after Ctrl-C too
                with contextlib.suppress(OSError):
                    new.unlink()
        _warn_once()

    def enable(self) -> None:
        """Do nothing: it is never disabled."""

    def disable(self) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing: no file is ever out of date."""

    def _file_name(self, sig: Any, codegen: Any) -> str:
        """Return the name of the file for arguments of some types; empty if none may exist."""
        try:
            function = fingerprint(self._dispatcher)
        except NotImplementedError:
            return ""
        versions = sys.version, numba.__version__, np.__version__
        settings = [getattr(numba.config, name, None) for name in SETTINGS]
        key = function, sig, codegen.magic_tuple(), versions, settings
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:32]
        function_name = re.sub(r"\W+", "_", self._dispatcher.py_func.__name__)
        return f"{function_name[:80]}-{digest}.nbc"


def folders() -> list[Path]:
    """Return where compiled code is kept: in NUMBA_CACHE_DIR, or next to this file or at home."""
    if numba.config.CACHE_DIR:
        return [Path(numba.config.CACHE_DIR, "neurotasks")]
    home = Path(AppDirs(appname="numba", appauthor=False).user_cache_dir, "neurotasks")
    local = Path(__file__).with_name("__pycache__")
    return [local, home] if home.is_absolute() else [local]  # ~ stays ~ where nobody is at home


def _digest(name: str, content: bytes) -> bytes:
    """Return what a file begins with, which under another name would be another one."""
    return hashlib.sha256(name.encode() + content).digest()


@functools.cache
def _warn_once() -> None:
    warnings.warn(
        "Compiled code must be kept in a folder that can be written; got none of "
        f"{', '.join(map(str, folders()))}. Every process will compile anew, which takes seconds: "
        "set NUMBA_CACHE_DIR to such a folder.",
        CompilationCacheWarning,
        stacklevel=2,
    )
