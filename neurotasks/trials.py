"""The trial table on disk, and tables that come from elsewhere.

Whoever has data of animals or people in the columns that a task documents (``task.columns``) can
analyse them like an agent's: `read_trials` and `check_trials` see to it that the columns are there
and hold what they should.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray

import neurotasks  # noqa: F401 (registers the tasks)
from neurotasks.core.task import Task, load
from neurotasks.errors import ParameterError, TrialTableError, require
from neurotasks.files import replacing

if TYPE_CHECKING:
    import pandas as pd

FORMATS = {".csv": "csv", ".parquet": "parquet"}


def file_format(path: Path | str) -> str:
    """Return the format a trial table has in a file of this name.

    Args:
        path: Path of the file.

    Returns:
        ``"csv"`` or ``"parquet"``.

    Raises:
        ParameterError: If the suffix is neither ``.csv`` nor ``.parquet``.
        DependencyNotInstalled: If pandas, or for Parquet pyarrow, is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ParameterError(
            f"The file of a trial table must end in {' or '.join(FORMATS)}; got {str(path)!r}."
        )
    require("pandas", "analysis")
    if FORMATS[suffix] == "parquet":
        try:
            require("pyarrow", "analysis")
        except DependencyNotInstalled as error:
            raise DependencyNotInstalled(
                f"Parquet files need pyarrow, which is not installed. Run `pip install pyarrow`, "
                f"or use {str(Path(path).with_suffix('.csv'))!r}."
            ) from error
    return FORMATS[suffix]


def write_trials(trials: pd.DataFrame, path: Path | str) -> None:
    """Write a trial table as CSV or Parquet.

    Args:
        trials: Trial table of an environment (``trial_table()``) or of `Episodes` (``.trials``).
        path: Ends in ``.csv`` or ``.parquet``; its directory is made if need be.

    Raises:
        ParameterError: If the suffix is another one.
        DependencyNotInstalled: If pyarrow is needed and not installed.
        OSError: If the file cannot be written, naming it; an old one stays as it was.
    """
    kind = file_format(path)
    with replacing(path) as new:
        if kind == "csv":
            trials.to_csv(new, index=False)
        else:
            trials.to_parquet(new, index=False)


def read_trials(
    path: Path | str, task: str | Task, columns: Iterable[str] | None = None
) -> pd.DataFrame:
    """Read a trial table, with the same types as it was written with.

    Args:
        path: Path of a ``.csv`` or ``.parquet`` file.
        task: The task, its id, or where it is (``"package.module:NAME"``).
        columns: Columns that must be there, see `check_trials`.

    Returns:
        The table.

    Raises:
        ParameterError: If the suffix is another one.
        TrialTableError: If a column is missing or holds something else than documented.
        DependencyNotInstalled: If pyarrow is needed and not installed.
    """
    kind, pd = file_format(path), require("pandas", "analysis")
    if kind == "csv":
        old = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)  # later ones are exact
        frame = pd.read_csv(path, **({"float_precision": "round_trip"} if old else {}))
    else:
        frame = pd.read_parquet(path)
    return check_trials(frame, task, columns)


def check_trials(
    trials: pd.DataFrame, task: str | Task, columns: Iterable[str] | None = None
) -> pd.DataFrame:
    """Return a trial table whose columns have the documented types.

    Args:
        trials: A table from anywhere; columns that the task does not document stay as they are.
        task: The task, its id, or where it is (``"package.module:NAME"``).
        columns: The columns that must be there, those the analysis to come is documented to use,
            such as ``["env", "episode", "trial", "choice", "outcome"]``; None: all of the task's.

    Returns:
        A new table.

    Raises:
        TrialTableError: If a column is missing or holds something else than documented.
    """
    task = load(task)
    present = {_field(name, task) for name in trials.columns} | set(trials.columns)
    missing = [n for n in (task.columns if columns is None else columns) if n not in present]
    if missing:
        meanings = "; ".join(
            f"{n} ({task.columns.get(_field(n, task), 'unknown')})" for n in missing
        )
        raise TrialTableError(
            f"A trial table of {task.name} lacks the column(s) {meanings}. It has "
            f"{', '.join(map(str, trials.columns))}. Add them, or, if your analysis needs fewer, "
            "name those it needs in columns=[...]."
        )
    dtype = task.dtype(task.parameters())
    checked = trials.copy()
    for name in trials.columns:
        field = _field(name, task)
        if field in task.columns:
            kind = dtype[field].base if field in (dtype.names or ()) else np.dtype(np.int64)
            checked[name] = _converted(name, trials[name].to_numpy(), kind, task.columns[field])
    return checked


def _field(column: str, task: Task) -> str:
    """Return the field a column belongs to: itself, or that of the array ``name_0, name_1`` ..."""
    name, _, number = str(column).rpartition("_")
    return name if column not in task.columns and number.isdigit() else column


def _converted(name: str, values: NDArray[Any], kind: np.dtype[Any], doc: str) -> NDArray[Any]:
    try:
        with np.errstate(invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # of numbers that numpy 1.26 wraps
            converted = values.astype(kind)
    except (ValueError, TypeError, OverflowError, DeprecationWarning):
        wrong = np.array([not _holds(value, kind) for value in values])
    else:
        wrong = (converted != values) & ~((converted != converted) & (values != values))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise TrialTableError(
            f"The column {name!r} of a trial table must hold {kind} ({doc}); row {row} holds "
            f"{values[row]}."
        )
    return converted


def _holds(value: Any, kind: np.dtype[Any]) -> bool:
    try:
        with np.errstate(invalid="ignore"):
            return bool(np.asarray(value).astype(kind) == value)
    except (ValueError, TypeError, OverflowError):
        return False
