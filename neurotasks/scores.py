"""Scores on one scale for all tasks: 0 is choosing at random, 1 the ideal observer."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotasks.errors import ParameterError, nearest

TABLE = Path(__file__).with_name("scores.json")


@cache
def reference_returns() -> dict[str, dict[str, Any]]:
    """Return what a random player and the ideal observer reach, by id.

    Each entry has the mean return of an episode with ``split="test"`` and the registered
    parameters for ``"random"`` and ``"ideal"``, their standard errors ``"random_se"`` and
    ``"ideal_se"``, the name of the ``"observer"``, and how many ``"episodes"`` were played.
    ``neurotasks benchmark scores`` made the table.
    """
    table: dict[str, dict[str, Any]] = json.loads(TABLE.read_text())
    return table


def normalized_score(id: str, returns: ArrayLike) -> NDArray[np.float64]:
    """Return scores: 0 for the mean return of random choices, 1 for the ideal observer's.

    Args:
        id: of a registered task, ``"neurotasks/TwoStep-v0"``.
        returns: sums of the rewards of episodes, any shape; those of single episodes scatter
            around the score of their player, and some exceed 1.

    Returns:
        (returns - random) / (ideal - random), in the shape of `returns`.

    Raises:
        ParameterError: if there is no reference for the id.
    """
    table = reference_returns()
    if id not in table:
        raise ParameterError(f"There are no reference returns for {id!r}. {nearest(id, table)}")
    low, high = table[id]["random"], table[id]["ideal"]
    return np.asarray((np.asarray(returns, np.float64) - low) / (high - low))
