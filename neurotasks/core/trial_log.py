"""The trial log: a row for every trial that has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.core.reader import reader
from neurotasks.core.task import Task
from neurotasks.errors import require

if TYPE_CHECKING:
    import pandas as pd

COUNTED = {"env": "0", "steps": "{step} - {trial_start}"}  # columns that are no fields of a record
BUFFERED = 256  # records that are kept whole before they become rows


class TrialLog:
    """Rows of the trials that have ended, with the columns documented in ``task.columns``.

    Whole records wait in a buffer, from which they go to packed arrays of rows: a numpy array for
    every trial would take three times as much memory.

    Args:
        task: Task whose trials are logged.
        dtype: Type of a lane's record.
    """

    def __init__(self, task: Task, dtype: np.dtype[np.void]) -> None:
        self.record = dtype
        self.dtype = np.dtype([(n, np.int64 if n in COUNTED else dtype[n]) for n in task.columns])
        self.columns = list(task.columns)
        self.rows: list[NDArray[np.void]] = []
        self.waiting, self.waiting_envs = bytearray(), bytearray()
        self.most_waiting = BUFFERED * dtype.itemsize

    def bind(self, finished: Any) -> None:
        """Read the trials that end from these records.

        Args:
            finished: Records of the lanes at the end of their last trial, (num,).
        """
        self.finished = finished
        self.bytes_of_one = finished[:1].view(np.uint8).data
        self.read: Callable[[], dict[str, Any]] = reader(
            finished[:1], {name: COUNTED.get(name, f"{{{name}}}") for name in self.columns}
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what `bind` makes."""
        left_out = {"finished", "bytes_of_one", "read"}
        return {k: v for k, v in vars(self).items() if k not in left_out}

    def add_one(self) -> dict[str, Any]:
        """Add the trial of the only lane; returns its row: Python scalars and fresh arrays."""
        self.waiting += self.bytes_of_one
        if len(self.waiting) >= self.most_waiting:
            self._store()
        return self.read()

    def add(self, trial_over: NDArray[np.bool_]) -> None:
        """Add the trials that have just ended.

        Args:
            trial_over: Lanes whose trial has just ended, (num,).
        """
        lanes = np.flatnonzero(trial_over)
        self.waiting += self.finished[lanes].view(np.uint8).data
        self.waiting_envs += lanes.data
        if len(self.waiting) >= self.most_waiting:
            self._store()

    def _store(self) -> None:
        """Turn the records that wait into rows."""
        records = np.frombuffer(self.waiting, self.record)
        rows = np.empty(len(records), self.dtype)
        rows["env"] = np.frombuffer(self.waiting_envs, np.int64) if self.waiting_envs else 0
        rows["steps"] = records["step"] - records["trial_start"]
        for name in self.columns:
            if name not in COUNTED:
                rows[name] = records[name]
        self.rows.append(rows)
        self.waiting, self.waiting_envs = bytearray(), bytearray()

    def last_trials(self, mask: NDArray[np.bool_]) -> dict[str, Any]:
        """Return the rows added last as arrays, zero outside the mask.

        Args:
            mask: Lanes whose trial ended in the last step, or some of them, (num,).

        Returns:
            Column -> array with an entry for each lane, and ``_column`` -> the mask.
        """
        ended, trials = self.finished[mask], dict[str, Any]()
        for name in self.columns:
            values = np.zeros((len(mask), *self.dtype[name].shape), self.dtype[name].base)
            if name == "env":
                values[mask] = np.flatnonzero(mask)
            elif name == "steps":
                values[mask] = ended["step"] - ended["trial_start"]
            else:
                values[mask] = ended[name]
            trials |= {name: values, f"_{name}": mask.copy()}
        return trials

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
        pandas: Any = require("pandas", "analysis")
        if self.waiting:
            self._store()
        rows = np.concatenate([np.empty(0, self.dtype), *self.rows])
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
        frame: pd.DataFrame = pandas.DataFrame(columns)
        return frame
