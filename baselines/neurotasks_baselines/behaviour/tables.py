"""Tables of people and animals that a command names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from neurotasks.datasets import RECIPES, Recipe, read_choices
from neurotasks.errors import RecipeError, nearest
from neurotasks.trials import read_trials
from neurotasks_baselines.imports import import_file

if TYPE_CHECKING:
    from neurotasks_baselines.behaviour.groups import Comparison

NO_RECIPE = "-"


def read_tables(
    paths: Sequence[Path], recipes: Sequence[str], comparison: Comparison
) -> dict[str, pd.DataFrame]:
    """Read tables of choices.

    Args:
        paths: Their files.
        recipes: The recipe of each, or one for all of them, or none: the name of one in `RECIPES`,
            ``FILE.py:NAME``, or ``"-"`` for a table with the columns of the task's own.
        comparison: Comparison that they are for.

    Returns:
        Name -> trial table; the names are those of the recipes or files.

    Raises:
        RecipeError: If there are not as many recipes as tables, or a recipe is none, or one of
            another task.
        TrialTableError: If a table is not as its recipe, or the task, has it.
        ImportFileError: If the file of a recipe cannot be imported.
        OSError: If a file does not exist.
    """
    if len(recipes) not in (0, 1, len(paths)) or (recipes and not paths):
        raise RecipeError(
            f"There must be a recipe for each table, or one for all; got {len(recipes)} for "
            f"{len(paths)} tables. Give --recipe as often as there are tables, - for none."
        )
    each = list(recipes) if len(recipes) == len(paths) else [*recipes, NO_RECIPE][:1] * len(paths)
    found: dict[str, pd.DataFrame] = {}
    for path, words in zip(paths, each, strict=True):
        name = words if words in RECIPES else path.name.partition(".")[0]
        name = name if name not in found else f"{name} ({path.name})"
        if words == NO_RECIPE:
            found[name] = read_trials(path, comparison.id, comparison.columns)
            continue
        recipe = _recipe(words)
        if recipe.found.name != comparison.task:
            raise RecipeError(
                f"The recipe of {path} must be one of {comparison.task}; got {words}, one of "
                f"{recipe.found.name}. "
                "Name another recipe, or compare on that task."
            )
        found[name] = read_choices(path, recipe)
    return found


def _recipe(words: str) -> Recipe:
    path, colon, name = words.rpartition(":")
    if colon and path.endswith(".py"):
        recipe = getattr(import_file(Path(path)), name, None)
        if isinstance(recipe, Recipe):
            return recipe
        raise RecipeError(f"{path} must hold a Recipe called {name}; it does not. Write one there.")
    if words not in RECIPES:
        raise RecipeError(
            f"A recipe must be the name of one, or FILE.py:NAME; got {words!r}. "
            f"{nearest(words, RECIPES)}"
        )
    return RECIPES[words]
