"""The trial log: a row for every trial that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.core.task import Task
from neurotasks.errors import require

if TYPE_CHECKING:
    import pandas as pd


class TrialLog:
    """Rows of the trials that have ended, with the columns documented in ``task.columns``.

    Args:
        task: Task whose trials are logged.
        dtype: Type of a lane's record.
    """

    def __init__(self, task: Task, dtype: np.dtype[np.void]) -> None:
        counts = {"env": np.dtype(np.int64), "steps": np.dtype(np.int64)}
        self.dtype = np.dtype([(n, counts.get(n) or dtype[n]) for n in task.columns])
        self.columns = list(task.columns)
        self.rows: list[NDArray[np.void]] = []

    def add(self, finished: NDArray[np.void], trial_over: NDArray[np.bool_]) -> None:
        """Add the trials that have just ended.

        Args:
            finished: Records of the lanes at the end of their last trial.
            trial_over: Lanes whose trial has just ended, (num,).
        """
        if trial_over.any():
            lanes = np.flatnonzero(trial_over)
            rows = np.empty(len(lanes), self.dtype)
            ended = finished[lanes]
            rows["env"] = lanes
            rows["steps"] = ended["step"] - ended["trial_start"]
            for name in self.columns:
                if name not in ("env", "steps"):
                    rows[name] = ended[name]
            self.rows.append(rows)

    def last_trials(self, mask: NDArray[np.bool_]) -> dict[str, Any]:
        """Return the rows added last as arrays, zero outside the mask.

        Args:
            mask: Lanes whose trial ended in the last step, or some of them, (num,).

        Returns:
            Column -> array with an entry for each lane, and ``_column`` -> the mask.
        """
        rows: Any = self.rows[-1] if self.rows else np.empty(0, self.dtype)
        rows = rows[mask[rows["env"]]]
        trials: dict[str, Any] = {}
        for name in self.columns:
            values = np.zeros((len(mask), *rows[name].shape[1:]), rows[name].dtype)
            values[mask] = rows[name]
            trials |= {name: values, f"_{name}": mask.copy()}
        return trials

    def last_trial(self) -> dict[str, Any]:
        """Return the last row of the only lane: Python scalars and fresh arrays."""
        trials = self.last_trials(np.ones(1, np.bool_))
        values = {name: trials[name][0] for name in self.columns}
        return {
            name: value if isinstance(value, np.ndarray) else value.item()
            for name, value in values.items()
        }

    def table(self, *, clear: bool = False) -> pd.DataFrame:
        """Return the log as a pandas frame, one row per finished trial.

        Args:
            clear: Whether to empty the log, so that the next call returns only newer trials.

        Returns:
            A frame with the columns documented in ``task.columns``. A column of arrays becomes
            one column per element, ``name_0``, ``name_1`` ...

        Raises:
            DependencyNotInstalled: If pandas is not installed.
        """
        rows = np.concatenate(self.rows) if self.rows else np.empty(0, self.dtype)
        if clear:
            self.rows.clear()
        columns: dict[str, Any] = {}
        for name in self.columns:
            values = rows[name]
            if values.ndim == 1:
                columns[name] = values
            else:
                size = int(np.prod(values.shape[1:]))
                columns |= {f"{name}_{j}": values.reshape(-1, size)[:, j] for j in range(size)}
        frame: pd.DataFrame = require("pandas", "analysis").DataFrame(columns)
        return frame
