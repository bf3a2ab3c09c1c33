"""Data that are shipped with this package, and those that another package brings."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gymnasium.error import DependencyNotInstalled

from neurotasks.datasets.choices import read_choices
from neurotasks.datasets.recipes import RECIPES
from neurotasks.errors import RecipeError, nearest

if TYPE_CHECKING:
    import pandas as pd

HERE = Path(__file__).parent / "data"
SHIPPED = ("dezfouli2019",)
HBAYESDM = "hbayesdm_"


def load(name: str) -> pd.DataFrame:
    """Return the trial table of data that need no download.

    Args:
        name: ``"dezfouli2019"``, shipped here under Apache-2.0 (without the times of the key
            presses); or one of hBayesDM's examples, such as ``"hbayesdm_ts"``, from its package.

    Returns:
        The trial table, see `read_choices`.

    Raises:
        RecipeError: If there are no such data. Those of other recipes have no stated licence:
            download them from where the recipe's ``source`` says, and call `read_choices`.
        DependencyNotInstalled: If hBayesDM or pandas is not installed.
    """
    if name in SHIPPED:
        recipe = replace(RECIPES[name], order="")
        return read_choices(HERE / f"{name}.csv.gz", recipe)
    known = [*SHIPPED, *(known for known in RECIPES if known.startswith(HBAYESDM))]
    if name not in known:
        raise RecipeError(
            f"name must be that of data which are shipped; got {name!r}. "
            f"{nearest(str(name), known)} Download others, and call read_choices(path, recipe)."
        )
    spec = find_spec("hbayesdm")
    if spec is None or spec.origin is None:
        raise DependencyNotInstalled("hbayesdm is not installed; run `pip install hbayesdm`.")
    file = f"{name.removeprefix(HBAYESDM)}_exampleData.txt"
    return read_choices(Path(spec.origin).parent / "common" / "extdata" / file, name)
