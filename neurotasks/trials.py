"""The trial table on disk, and tables that come from elsewhere.

Whoever has data of animals or people in the columns that a task documents (``task.columns``) can
analyse them like an agent's: `read_trials` and `check_trials` see to it that the columns are there
and hold what they should.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
from gymnasium.error import DependencyNotInstalled

import neurotasks  # noqa: F401 (registers the tasks)
from neurotasks.columns import as_frame, checked, separated_by
from neurotasks.core.parameters import Parameters
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
        TrialTableError: If it is no table, or its index holds columns, which a file would lack.
        DependencyNotInstalled: If pyarrow is needed and not installed.
        OSError: If the file cannot be written, naming it; an old one stays as it was.
    """
    kind, trials = file_format(path), as_frame(trials)
    if levels := [name for name in trials.index.names if name is not None]:
        raise TrialTableError(
            "A trial table must have its columns outside the index; got "
            f"{', '.join(map(str, levels))} in it. Call reset_index()."
        )
    with replacing(path) as new:
        if kind == "csv":
            trials.to_csv(new, index=False)
        else:
            trials.to_parquet(new, index=False)


def read_trials(
    path: Path | str,
    task: str | Task,
    columns: Iterable[str] | None = None,
    task_kwargs: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Read a trial table, with the same types as it was written with.

    Args:
        path: Path of a ``.csv`` (UTF-8, commas, decimal points) or ``.parquet`` file.
        task: The task, its id, or where it is (``"package.module:NAME"``).
        columns: Columns that must be there, see `check_trials`.
        task_kwargs: Parameters of the task, see `check_trials`.

    Returns:
        The table.

    Raises:
        ParameterError: If the suffix is another one.
        TrialTableError: If the file cannot be read as a table, a column is missing, or the table
            holds something else than documented.
        DependencyNotInstalled: If pyarrow is needed and not installed.
        OSError: If there is no such file.
    """
    kind, path = file_format(path), Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    frame = _read_csv(path) if kind == "csv" else _read_parquet(path)
    return check_trials(frame, task, columns, task_kwargs)


def check_trials(
    trials: pd.DataFrame,
    task: str | Task,
    columns: Iterable[str] | None = None,
    task_kwargs: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return a trial table whose columns have the documented types and ranges.

    Args:
        trials: A table from anywhere; columns that the task does not document stay as they are.
        task: The task, its id, or where it is (``"package.module:NAME"``).
        columns: The columns that must be there, those the analysis to come is documented to use,
            such as ``["env", "episode", "trial", "choice", "outcome"]``; None: all of the task's.
        task_kwargs: Parameters of the task that differ from those of the id. Given, even if
            empty, they narrow the ranges that depend on parameters, such as the number of arms;
            None allows whatever the task can have.

    Returns:
        A new table. A number that is missing from a float column is NaN.

    Raises:
        TrialTableError: If a column is missing, holds something else than documented, or is there
            twice; if a trial is; or if choices and outcomes contradict each other.
        UnknownParameterError: If the task does not have such a parameter.
    """
    found = load(task)
    needed = list(found.columns if columns is None else columns)
    if isinstance(columns, str) or not all(isinstance(name, str) for name in needed):
        raise TrialTableError(f"columns must be a list of names; got {columns!r}. Write ['trial'].")
    parameters = None if task_kwargs is None else _parameters(task, found, task_kwargs)
    return checked(
        trials, found, needed, optional=found.columns, parameters=parameters, missing=True
    )


def _parameters(task: str | Task, found: Task, task_kwargs: Mapping[str, Any]) -> Parameters:
    """Return the parameters of an id, or the defaults, with some changed."""
    known = {field.name for field in fields(found.parameters)}
    registered = gym.registry[task].kwargs if task in gym.registry else {}
    preset = {name: value for name, value in registered.items() if name in known}
    return found.parameters.from_keywords(found.name, {**preset, **task_kwargs})


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file without guessing: what pandas would mend in silence is refused."""
    pd = require("pandas", "analysis")
    _refuse_encoding(path)
    old = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)  # later ones are exact
    precision = {"float_precision": "round_trip"} if old else {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
        if separated := separated_by(names):
            raise TrialTableError(f"{path} must be CSV with commas; got {separated}")
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of fields left out
            frame = pd.read_csv(path, index_col=False, low_memory=False, **precision)
    except TrialTableError:
        raise
    except (ValueError, csv.Error, pd.errors.ParserWarning) as error:  # ParserError is one, too
        if isinstance(error, pd.errors.ParserWarning) or "Expected" in str(error):
            _refuse_other_widths(path, len(names))
        raise _unreadable(path, str(error).strip()) from error
    again = sorted({name for name in names if names.count(name) > 1})
    if again:
        raise _unreadable(path, f"the column(s) {', '.join(map(repr, again))} twice")
    if len(frame) and frame.iloc[:, -1].isna().any():
        _refuse_other_widths(path, len(names))
    return frame


def _refuse_encoding(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(1 << 16)
    for mark, what in {b"\x1f\x8b": "a gzip archive", b"PK": "an Excel file or a zip"}.items():
        if start.startswith(mark):
            raise _unreadable(path, what)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start:
        raise _unreadable(path, "UTF-16 or binary data (Excel calls UTF-16 'Unicode text')")


def _refuse_other_widths(path: Path, width: int) -> None:
    """Name the first row with another number of fields, if there is one."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        with contextlib.suppress(csv.Error):
            for row in rows:
                if row and len(row) != width:
                    at = f"line {rows.line_num}"
                    raise _unreadable(path, f"{len(row)} fields in {at}, not {width}")


def _read_parquet(path: Path) -> pd.DataFrame:
    pd = require("pandas", "analysis")
    with path.open("rb"):
        pass  # what has no such file, or no right to read it, says so
    try:
        return pd.read_parquet(path)
    except Exception as error:  # a damaged file makes pyarrow raise any of ten kinds
        raise _unreadable(path, str(error).strip().partition("\n")[0]) from error


def _unreadable(path: Path, found: str) -> TrialTableError:
    wanted = "CSV in UTF-8 with commas" if file_format(path) == "csv" else "a Parquet file"
    return TrialTableError(
        f"{path} must be {wanted}; got {found}. Save it again, or read it with pandas and pass the "
        "table to check_trials."
    )
