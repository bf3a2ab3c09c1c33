"""The trial log: a row for every trial that has ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.core.records import zeroed
from neurotasks.core.task import COUNTED, Task
from neurotasks.errors import StateError, require, shown

if TYPE_CHECKING:
    import pandas as pd

new = object.__new__
AT_ONCE = 256  # trials that are kept as whole records before they go to the log


class TrialRow(Mapping[str, Any]):
    """Row of the trial table: column -> int, float, bool, or an array where a column is one.

    Most rows are never looked at, and a dict for each would halve the speed of a task whose trials
    are one step long; so it is made at the first look. A copy is a dict, and so is what comes back
    from a pickle.
    """

    __slots__ = ("_columns", "_index", "_trials", "_values")
    _trials: NDArray[np.void] | None
    _index: int
    _columns: list[str]
    _values: dict[str, Any]

    def _dict(self) -> dict[str, Any]:
        if self._trials is not None:
            trial = self._trials[self._index : self._index + 1]
            arrays = read_columns(trial, np.zeros(1, np.int64), self._columns)
            self._values = {name: read_only(values[0]) for name, values in arrays.items()}
            self._trials = None  # the other trials' memory
        return self._values

    def __getitem__(self, column: str) -> Any:  # noqa: D105
        return self._dict()[column]

    def __iter__(self) -> Iterator[str]:  # noqa: D105
        return iter(self._dict())

    def __len__(self) -> int:  # noqa: D105
        return len(self._dict())

    def __eq__(self, other: object) -> bool:  # noqa: D105
        if not isinstance(other, Mapping):
            return NotImplemented
        row = self._dict()
        return row.keys() == other.keys() and all(np.array_equal(row[k], other[k]) for k in row)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:  # noqa: D105
        return repr(self._dict())

    def __reduce__(self) -> tuple[Any, ...]:  # noqa: D105
        return dict, (self._dict(),)


class TrialLog:
    """The trials that have ended, with the columns documented in ``task.columns``.

    Of each, the end of its lane's record is kept, which holds the logged fields (`Task.dtype`), in
    byte strings of many trials: a numpy array for every trial would take three times as much
    memory.

    Args:
        task: Task whose trials are logged.
        dtype: Type of a lane's record.
        num: Number of lanes whose trials are logged; 0 for no log.

    Attributes:
        finished: Records that a trial's end is written to: of a single lane to number `slot`, of
            more to the number of the lane.
    """

    def __init__(self, task: Task, dtype: np.dtype[np.void], num: int) -> None:
        self.record, self.num = dtype, num
        self.columns = list(task.columns)
        fields: Any = dtype.fields
        names = [name for name in fields if name in task.logged]
        self.start = min(fields[name][1] for name in names)
        self.logged = np.dtype(
            {
                "names": names,
                "formats": [dtype[name] for name in names],
                "offsets": [fields[name][1] - self.start for name in names],
                "itemsize": dtype.itemsize - self.start,
            }
        )
        self.finished = zeroed(AT_ONCE if num == 1 else num, dtype)
        self.slot = 0
        self.trials: list[bytes] = []
        self.envs: list[NDArray[np.int64]] = []
        self.waiting: list[bytes] = []
        self.waiting_envs: list[NDArray[np.int64]] = []
        self.num_waiting = 0

    def __bool__(self) -> bool:
        """Return whether trials are logged."""
        return self.num > 0

    def get_state(self) -> tuple[bytes, NDArray[np.int64]]:
        """Return the logged fields of all trials, and the lane of each."""
        self._take_finished()
        self._join()
        return b"".join(self.trials), np.concatenate([np.empty(0, np.int64), *self.envs])

    def set_state(self, state: Any) -> None:
        """Take what `get_state` returned.

        Raises:
            StateError: If it is of a log of other fields or lanes.
        """
        size, num = self.logged.itemsize, self.num
        match state:
            case (bytes(trials), np.ndarray(dtype=np.int64, ndim=1) as envs):
                if len(trials) == len(envs) * size and np.all((envs >= 0) & (envs < num)):
                    self.trials, self.envs = [trials], [envs]
                    return
        raise StateError(
            f"A trial log must be the bytes of its trials, {size} each, and the number of their "
            f"sub-environment, 0 to {num - 1}; got {shown(state)}. Make the environment anew, with "
            "gymnasium.make or make_vec."
        )

    def add_one(self) -> TrialRow:
        """Add the trial of the only lane; returns its row."""
        row = new(TrialRow)  # with an __init__ a step takes 5 % longer
        row._trials, row._index, row._columns = self.finished, self.slot, self.columns
        self.slot += 1
        if self.slot == AT_ONCE:
            self._take_finished()
        return row

    def add(self, trial_over: NDArray[np.bool_]) -> None:
        """Add the trials that have just ended.

        Args:
            trial_over: Lanes whose trial has just ended, (num,).
        """
        lanes = np.flatnonzero(trial_over)
        if len(lanes):
            self._add(self.finished[lanes], lanes)

    def _take_finished(self) -> None:
        """Add the trials of the only lane, whose rows keep the records."""
        if self.slot:
            self._add(self.finished[: self.slot], np.zeros(self.slot, np.int64))
            self.finished = zeroed(AT_ONCE, self.record)
            self.slot = 0

    def _add(self, records: NDArray[np.void], envs: NDArray[np.int64]) -> None:
        logged = records.view(np.uint8).reshape(-1, self.record.itemsize)[:, self.start :]
        self.waiting.append(logged.tobytes())
        self.waiting_envs.append(envs)
        self.num_waiting += len(envs)
        if self.num_waiting >= AT_ONCE:
            self._join()

    def _join(self) -> None:
        if not self.waiting:
            return
        self.trials.append(b"".join(self.waiting))
        self.envs.append(np.concatenate(self.waiting_envs))
        self.waiting.clear()
        self.waiting_envs.clear()
        self.num_waiting = 0

    def last_trials(self, mask: NDArray[np.bool_]) -> dict[str, Any]:
        """Return the rows added last as arrays, zero outside the mask.

        Args:
            mask: Lanes whose trial ended in the last step, or some of them, (num,).

        Returns:
            Column -> array with an entry for each lane, and ``_column`` -> the mask.
        """
        lanes, trials = np.flatnonzero(mask), dict[str, Any]()
        for name, ended in read_columns(self.finished[lanes], lanes, self.columns).items():
            values = np.zeros((len(mask), *ended.shape[1:]), ended.dtype)
            values[lanes] = ended
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
        content, envs = self.get_state()
        found = read_columns(np.frombuffer(content, self.logged), envs, self.columns)
        if clear:
            self.trials.clear()
            self.envs.clear()
        columns: dict[str, Any] = {}
        for name, values in found.items():
            if values.ndim == 1:
                columns[name] = values
            else:
                size = int(np.prod(values.shape[1:]))
                columns |= {f"{name}_{j}": values.reshape(-1, size)[:, j] for j in range(size)}
        frame: pd.DataFrame = pandas.DataFrame(columns)
        return frame


def read_only(value: Any) -> Any:
    """Return a number as Python's, an array as a copy that cannot be written to."""
    if not isinstance(value, np.ndarray):
        return value.item()
    copy = value.copy()
    copy.flags.writeable = False
    return copy


def read_columns(
    trials: NDArray[np.void], envs: NDArray[np.int64], columns: list[str]
) -> dict[str, NDArray[Any]]:
    """Return the columns of trials as arrays.

    Args:
        trials: Records at the ends of the trials, or their logged fields, (trials,).
        envs: Lane of each trial, (trials,).
        columns: Columns to return.
    """
    steps = trials["step"] - trials["trial_start"]
    counted = dict(zip(COUNTED, (envs, steps), strict=True))
    return {name: counted[name] if name in counted else trials[name] for name in columns}
