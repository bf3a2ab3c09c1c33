"""Reference returns of every task, the 0 and the 1 of scores."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from neurotasks import TASKS
from neurotasks.files import write_whole
from neurotasks.scores import measure_returns
from neurotasks_baselines.training.progress import track

EPISODES = 10_000


def reference_table(ids: Iterable[str] = TASKS, num_episodes: int = EPISODES) -> dict[str, Any]:
    """Measure anew the values that `neurotasks.scores.reference_returns` holds.

    Args:
        ids: Ids of the tasks.
        num_episodes: Number of episodes of each player and task.
    """
    return {id: measure_returns(id, num_episodes) for id in track(list(ids), "reference returns")}


def write_references(out: str | Path) -> dict[str, Any]:
    """Measure the reference returns of all tasks, and write them to ``out/scores.json``.

    Args:
        out: Directory, made if it does not exist.

    Returns:
        Table of `reference_table`.
    """
    table = reference_table(num_episodes=EPISODES)
    write_whole(Path(out) / "scores.json", json.dumps(table, indent=1) + "\n")
    return table
