"""Python files that a command imports: those that register custom tasks or hold an agent."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from neurotasks_baselines.errors import ImportFileError

IMPORTED: set[Path] = set()
"""Files imported so far, whose mistakes are not those of this package."""


def import_files(paths: Sequence[Path]) -> None:
    """Import Python files as top-level modules named like the files.

    Args:
        paths: Files, in the order in which to import them.

    Raises:
        ImportFileError: If a file does not exist, has the name of another module, or fails.
    """
    for path in paths:
        import_file(path)


def import_file(path: Path) -> ModuleType:
    """Import a Python file as a top-level module named like the file.

    Args:
        path: Path of the file.

    Returns:
        The module.

    Raises:
        ImportFileError: If the file does not exist, has the name of another module, or fails.
    """
    path = Path(os.path.realpath(path))
    name = path.stem
    if path.suffix != ".py" or not name.isidentifier():
        raise ImportFileError(
            f"An imported file must be a Python file, such as tasks.py; got {path}."
        )
    if not path.is_file():
        raise ImportFileError(f"There is no file {path}. Check the path.")
    known = importlib.util.find_spec(name)
    if known is not None and (known.origin is None or Path(known.origin).resolve() != path):
        raise ImportFileError(
            f"An imported file must not hide another module; got {path}, and there "
            f"is a module {name!r} already. Rename the file."
        )
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or not isinstance(spec.loader, SourceFileLoader):
        raise ImportFileError(
            f"An imported file must be a Python file, such as tasks.py; got {path}."
        )
    IMPORTED.add(path)
    module = importlib.util.module_from_spec(spec)
    sys.path.append(str(path.parent))  # for processes that are started later, and its neighbours
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ImportFileError(
            f"Importing {path} failed with {type(error).__name__}: {error}. Run `python {path}` to "
            "see where."
        ) from error
    return module
