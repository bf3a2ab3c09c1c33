"""Every error of the package that Gymnasium has no name for.

Each message says what is expected, what was given and what to do. Where Gymnasium has a fitting
error (``gymnasium.error.InvalidAction``, ``ResetNeeded``, ``InvalidProbability``,
``DependencyNotInstalled``) that one is raised. docs/errors.md is made from the classes: what each
is, and the paragraph "Cure: ".
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType

from gymnasium.error import DependencyNotInstalled


class ParameterError(ValueError):
    """A task parameter that does not exist, or has a value outside its range.

    Cure: Give a value in the range that the message names; the task's page lists every parameter
    with its range.
    """


class UnknownParameterError(ParameterError, TypeError):
    """A keyword that is no parameter of the task.

    It is also a TypeError, as for any function that is given an unknown keyword.

    Cure: Spell the keyword as the message suggests; the task's page lists every parameter.
    """


class OptionError(ValueError):
    """A ``reset(options=...)`` entry that does not exist, or has a value outside its range.

    Cure: Pass only options that the task's page lists, with values in their ranges.
    """


class StateError(ValueError):
    """A state that is not of this environment, or has a value that no episode of it can have.

    States come by ``set_state``, with copies and pickles of environments, and with checkpoints.

    Cure: Pass what `get_state` of an environment with the same id, parameters and number of
    sub-environments returned. A state put together by hand needs values in the ranges of
    ``task.ranges(parameters)``, and fields that fit each other, as the message says.
    """


class TrialTableError(ValueError):
    """A trial table that lacks a column, or holds what the column is not documented to hold.

    Cure: Compare the table with the columns on the task's page; tables of `trial_table` and
    `write_trials` always fit.
    """


class RecipeError(ValueError):
    """A recipe that cannot bring any table to the trial table of its task.

    Cure: Change the entry of the `Recipe` that the message names. The columns to be filled and
    their codes are on the task's page; the recipes in ``neurotasks.datasets.RECIPES`` are examples.
    """


class ForeignTableError(TrialTableError):
    """A foreign table that is not coded as its recipe says.

    Cure: Look at the rows that the message names. If the table is right, change the recipe with
    `dataclasses.replace`; if the recipe is right, correct the table.
    """


class TaskDefinitionError(TypeError):
    """A task whose parts do not fit together.

    Cure: Change the part of the task that the message names; a custom task is built up step
    by step on the page "A custom task".
    """


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint for a misspelt word: the nearest known one, or all of them.

    Args:
        word: Misspelt word.
        known: Words that exist.

    Returns:
        A sentence to close an error message with.
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Choose from {', '.join(names)}." if names else "There is none to choose from."


def shown(value: object) -> str:
    """Return a value as it stands in a message: its repr, cut off where it is long.

    Args:
        value: What was given.

    Returns:
        At most 200 characters.
    """
    try:
        text = repr(value)
    except Exception as error:  # an int of thousands of digits, a repr that fails
        text = f"<{type(value).__name__} without a repr: {type(error).__name__}>"
    return text if len(text) <= 200 else f"{text[:197]}..."


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency.

    Args:
        module: Name of the module.
        extra: Extra of this distribution that installs it.

    Returns:
        The imported module.

    Raises:
        DependencyNotInstalled: If it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DependencyNotInstalled(
            f"{module} is not installed; run `pip install 'neurotasks[{extra}]'`."
        ) from error
