"""Names of things in other modules, which are imported only when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from neurotasks.errors import TaskDefinitionError, nearest


def pointed_at(place: str, kind: type | None = None, what: str = "") -> Any:
    """Return what ``"package.module:NAME"`` points at.

    Args:
        place: Module and name.
        kind: Class that the result must be an instance of; None: anything that can be called.
        what: The kind in words, for the error message.

    Returns:
        The attribute `NAME` of the module.

    Raises:
        TaskDefinitionError: If there is no such module, or nothing of that kind in it.
    """
    module_name, _, attribute = str(place).partition(":")
    expected = f"{what} must be given as 'module:NAME'; got {place!r}."
    try:
        module = importlib.import_module(module_name)
    except (ModuleNotFoundError, ValueError) as error:
        raise TaskDefinitionError(
            f"{expected} Importing {module_name!r} failed: {error}. Check the name, and that the "
            "module can be imported from here."
        ) from error

    def fits(value: Any) -> bool:
        return callable(value) if kind is None else isinstance(value, kind)

    found = getattr(module, attribute, None)
    if not fits(found):
        known = [name for name, value in vars(module).items() if fits(value)]
        raise TaskDefinitionError(
            f"{expected} {module_name} has no {attribute!r}. {nearest(attribute, known)}"
        )
    return found
