"""What a column of a trial table may hold, and the likely cause where it holds something else."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.core.parameters import Parameters
from neurotasks.core.task import CORE_COLUMN_RANGES, CORE_COLUMNS, Field, Task
from neurotasks.errors import TrialTableError, nearest, require

if TYPE_CHECKING:
    import pandas as pd

TRIAL = ("env", "episode", "trial")
ENOUGH = 10  # trials that show how outcomes are coded


@dataclass(frozen=True)
class Column:
    """A column that a task documents: a field, or an element of an array ``name_0, name_1`` ...

    Attributes:
        doc: Meaning and coding.
        dtype: Type of its values.
        low: Smallest value allowed.
        high: Largest value allowed.
    """

    doc: str
    dtype: np.dtype[Any]
    low: float
    high: float


def documented(
    task: Task | None, names: Iterable[Any], parameters: Parameters | None
) -> dict[str, list[tuple[str, Column]]]:
    """Return the columns that a table of a task has, by field.

    Args:
        task: The task; None for the columns that all tasks have.
        names: Names of the columns of the table, which may hold others, too.
        parameters: Parameters of the task; None for any. The number of elements of an array is
            then that of its columns, and a range that depends on another parameter is open.

    Returns:
        Field -> its column, or those of its elements, which need not be in the table.

    Raises:
        TrialTableError: If an array has a column too many.
    """
    if task is None:
        return {name: [(name, _core_column(name, {}))] for name in CORE_COLUMNS}
    names = [name for name in names if isinstance(name, str)]
    sizes = {} if parameters is not None else _sizes(task, names)
    known: Any = SimpleNamespace(**sizes) if parameters is None else parameters
    core = {} if parameters is None else task.ranges(parameters)
    found: dict[str, list[tuple[str, Column]]] = {}
    for name, doc in task.columns.items():
        if name in CORE_COLUMNS:
            found[name] = [(name, _core_column(name, core))]
            continue
        field = task.state[name]
        shape = field.dtype[1] if isinstance(field.dtype, tuple) else None
        column = Column(doc, field.base, *_range(field, known))
        if shape is None:
            found[name] = [(name, column)]
            continue
        size = math.prod(getattr(known, n, 1) if isinstance(n, str) else n for n in shape)
        there = sorted(_elements(name, names))
        if there and there[-1] >= size:
            raise TrialTableError(
                f"A trial table of {task.name} must have the columns {name}_0 to {name}_{size - 1} "
                f"({doc}); got {', '.join(f'{name}_{i}' for i in there)}. Number them from 0, and "
                "leave out what is too many."
            )
        found[name] = [(f"{name}_{i}", column) for i in range(size)]
    return found


def _core_column(name: str, ranges: Mapping[str, tuple[float, float]]) -> Column:
    """Return a column that all tasks have, narrowed where the ranges of the state are known."""
    kind, low, high = CORE_COLUMN_RANGES[name]
    if name == "trial" and ranges:
        high = ranges["trial"][1] - 1  # where all trials are over it is their number
    elif name in ("reward", "trial_reward") and ranges:
        low, high = ranges[name]
    return Column(CORE_COLUMNS[name], np.dtype(kind), low, high)


def _range(field: Field, known: Any) -> tuple[float, float]:
    """Return the range of a field, open where it depends on a parameter that is not known."""
    ends = []
    for bound, open_end in ((field.low, -math.inf), (field.high, math.inf)):
        try:
            ends.append(bound(known) if callable(bound) else bound)
        except AttributeError:
            ends.append(open_end)
    low, high = (end for end in ends)
    if field.base.kind == "b":
        return 0, 1
    return (-math.inf if low is None else low), (math.inf if high is None else high)


def _elements(name: str, names: Sequence[str]) -> list[int]:
    """Return which elements of an array have columns."""
    pattern = re.compile(re.escape(name) + "_(0|[1-9][0-9]*)")
    return [int(match[1]) for match in map(pattern.fullmatch, names) if match]


def _sizes(task: Task, names: Sequence[str]) -> dict[str, int]:
    """Return the parameters that say how many columns an array has: as many as there are."""
    legal = {field.name: field.metadata for field in fields(task.parameters)}
    sizes: dict[str, int] = {}
    for name in task.columns:
        field = task.state.get(name)
        shape = field.dtype[1] if field is not None and isinstance(field.dtype, tuple) else ()
        for size in shape:
            there = len(_elements(name, names))
            if isinstance(size, str) and there:
                about: Any = legal.get(size, {"low": there, "high": there})
                there = max(there, about["low"], sizes.get(size, 0))
                sizes[size] = int(min(there, about["high"]))
    return sizes


def checked(
    trials: pd.DataFrame,
    task: Task | None,
    needed: Iterable[str],
    optional: Iterable[str] = (),
    parameters: Parameters | None = None,
    missing: bool = False,
) -> pd.DataFrame:
    """Return a trial table whose columns hold what the task documents.

    Args:
        trials: A table from anywhere.
        task: The task; None for the columns that all tasks have.
        needed: Fields, or columns, that must be there.
        optional: Fields that are checked if they are there.
        parameters: Parameters of the task; None for any.
        missing: Whether a float may be missing (NaN).

    Returns:
        A new table; other columns are as they were.

    Raises:
        TrialTableError: If a column is missing, or holds something else than documented, or trials
            are there twice, or choices and outcomes contradict each other.
    """
    frame = as_frame(trials)
    found = documented(task, frame.columns, parameters)
    _refuse_missing(frame, task, found, list(needed := dict.fromkeys(needed)))
    new: dict[str, Any] = {}
    for field in dict.fromkeys([*needed, *optional]):
        for name, column in found.get(field, []):
            if name in frame.columns:
                values = converted(name, frame[name].to_numpy(), column)
                if not missing:
                    _refuse(name, column, frame[name].to_numpy(), values != values)
                new[name] = values
        if task is not None and field in task.state:
            _refuse_invalid(task.state[field], [name for name, _ in found[field]], new)
    frame = frame.assign(**new)
    if set(TRIAL) <= set(new):
        _refuse_repeated(frame)
    if {"choice", "outcome"} <= set(new) and found["choice"][0][1].low == -1:
        _refuse_contradictions(new["choice"], new["outcome"])
    return frame


def as_frame(trials: Any) -> pd.DataFrame:
    """Return a table that has each column once.

    Raises:
        TrialTableError: If it is no table, or a column is there twice.
    """
    pd = require("pandas", "analysis")
    if not isinstance(trials, pd.DataFrame):
        raise TrialTableError(
            f"A trial table must be a pandas DataFrame; got {type(trials).__name__}. Make one with "
            "pandas.DataFrame(...), or read a file with read_trials."
        )
    if trials.columns.nlevels > 1:
        raise TrialTableError(
            f"A trial table must have one row of column names; got {trials.columns.nlevels}. "
            "Give it plain names, trials.columns = [...]."
        )
    twice = trials.columns[trials.columns.duplicated()].tolist()
    twice += [f"{name}.1" for name in trials.columns if f"{name}.1" in trials.columns]
    if twice:
        raise TrialTableError(
            f"A trial table must have each column once; got {', '.join(map(repr, twice))} again. "
            "Drop or rename one of the two."
        )
    return trials


def _refuse_missing(
    frame: pd.DataFrame,
    task: Task | None,
    found: dict[str, list[tuple[str, Column]]],
    needed: list[str],
) -> None:
    elements = {name: column for columns in found.values() for name, column in columns}
    there = set(frame.columns)
    missing: dict[str, str] = {}
    for name in needed:
        columns = [n for n, _ in found[name]] if name in found else [name]
        absent = [n for n in columns if n not in there]
        label = name if len(absent) == len(columns) else ", ".join(absent)
        if absent:
            doc = elements[columns[0]].doc if columns[0] in elements else "unknown"
            missing[label] = doc
    for name in found:  # an array is whole, or it is not there
        absent = [n for n, _ in found[name] if n not in there]
        if 0 < len(absent) < len(found[name]):
            missing.setdefault(", ".join(absent), found[name][0][1].doc)
    if missing:
        meanings = "; ".join(f"{name} ({doc})" for name, doc in missing.items())
        of = "" if task is None else f" of {task.name}"
        raise TrialTableError(
            f"A trial table{of} lacks the column(s) {meanings}. It has "
            f"{', '.join(map(str, frame.columns))}. {_where(missing, frame)}Add them, read the "
            "table with a recipe (read_choices, or --recipe), or, if your analysis needs fewer, "
            "name those it needs in columns=[...]."
        )


def _where(missing: Iterable[str], frame: pd.DataFrame) -> str:
    """Return where columns that are missing may have gone."""
    levels = [name for name in frame.index.names if name in missing]
    if levels:
        return f"The index holds {', '.join(levels)}: call reset_index(). "
    if separated := separated_by(frame.columns):
        return f"Its columns are separated by {separated} "
    plain = {str(name).strip().lower(): str(name) for name in frame.columns}
    alike = {plain[name.lower()]: name for name in missing if name.lower() in plain}
    if alike:
        return f"Rename what is spelt differently: rename(columns={alike}). "
    close = [nearest(name, plain.values()) for name in missing]
    return "".join(f"{hint} " for hint in close if hint.startswith("Did"))


def separated_by(names: Iterable[Any]) -> str:
    """Return what separates columns that were taken for one, and what to do; "" if nothing."""
    for separator, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if any(separator in str(name) for name in names):
            return (
                f"{word}, it seems: read it with pandas.read_csv(path, sep={separator!r}), with "
                "decimal=',' if it has decimal commas, and pass that to check_trials."
            )
    return ""


def converted(name: str, values: NDArray[Any], column: Column) -> NDArray[Any]:
    """Return the values of a column as the type that the task documents.

    Args:
        name: Name of the column.
        values: Its values; NaN may stand for a missing float.
        column: What it may hold.

    Raises:
        TrialTableError: If a value cannot be held, or is outside its range.
    """
    if values.dtype.kind in "Mm":
        values = values.astype(f"{values.dtype.kind}8[us]")  # of others numpy makes integers
    if values.dtype.kind not in "biufO":
        values = values.astype(object)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # of numbers that numpy 1.26 wraps
            if values.dtype == object:
                raise TypeError
            new = values.astype(column.dtype)
            wrong = new != values
    except (ValueError, TypeError, OverflowError, DeprecationWarning):
        wrong = np.fromiter((not _holds(v, column.dtype) for v in values), np.bool_, len(values))
        new = np.where(wrong, 0, values).astype(column.dtype)
    missing = np.zeros(len(values), np.bool_)
    if column.dtype.kind == "f":
        missing = np.isnan(new) if values.dtype != object else wrong & _absent(values)
        new[missing] = np.nan
    with np.errstate(invalid="ignore"):
        inside = np.isfinite(new) & (new >= column.low) & (new <= column.high)
    _refuse(name, column, values, (wrong | ~inside) & ~missing)
    return new


def _holds(value: Any, dtype: np.dtype[Any]) -> bool:
    """Return whether a number fits a type without change."""
    if not isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)):
        return False
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            return bool(np.asarray(value).astype(dtype) == value)
    except (ValueError, TypeError, OverflowError, DeprecationWarning):
        return False


def _absent(values: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(require("pandas", "analysis").isna(values), np.bool_)


def _refuse(name: str, column: Column, values: NDArray[Any], wrong: NDArray[np.bool_]) -> None:
    if not wrong.any():
        return
    # Where one word made texts of all numbers, it is the word that is wrong.
    rows = np.flatnonzero(wrong).tolist()
    row = next((i for i in rows if not _is_number_in_text(values[i])), rows[0])
    kind = f"{column.dtype}"
    if column.dtype.kind != "b" and (math.isfinite(column.low) or math.isfinite(column.high)):
        kind += f" in [{column.low}, {column.high}]"
    value = values[row : row + 1].tolist()[0]
    raise TrialTableError(
        f"The column {name!r} of a trial table must hold {kind} ({column.doc}); row {row} holds "
        f"{value!r}. {_cause(name, column, values, value)}"
    )


def _is_number_in_text(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d+(\.\d+)?\s*", value) is not None


def _cause(name: str, column: Column, values: NDArray[Any], value: Any) -> str:
    """Return the likely cause of a value that does not belong in a column, and what to do."""
    counts = column.dtype.kind in "iub"
    missed = "missed trials are -1" if column.low == -1 else "no trial may lack it"
    if isinstance(value, str):
        if counts and re.fullmatch(r"-?\d{1,3}(,\d{3})+", value.strip()):
            return "Commas between thousands, it seems: use pandas.read_csv(path, thousands=',')."
        comma = re.fullmatch(r"-?\d+,\d+", value.strip())
        return (
            "Decimal commas, it seems: read the file with pandas.read_csv(path, decimal=',')."
            if comma
            else "Recode words as numbers with map({...})."
        )
    if _absent(np.array([value], object))[0]:
        if counts and column.low == -1:
            return "NaN for missed trials, it seems: they are -1, use fillna(-1)."
        return "Leave such trials out, or fill the gap."
    if not isinstance(value, (bool, int, float)):
        return f"Recode {type(value).__name__} as numbers."
    numbers = {v for v in values.tolist() if isinstance(v, (int, float)) and v == v}
    if counts and numbers <= {0, 1, 2} and name == "outcome":
        return (
            "Codes 1 and 2, it seems: recode with map({1: 1, 2: 0, 0: -1}) if 2 is unrewarded and "
            "0 missed."
        )
    shift = max(numbers) - column.high
    codes = sorted(numbers - {0, -1})
    if counts and 1 <= shift <= 2 and min(codes) >= shift:
        named = " and ".join(f"{v:g}" for v in codes)
        return f"Codes {named}, it seems: subtract {shift:g}; {missed}."
    if column.high == 1 and not counts and 1 < max(numbers) <= 100 and min(numbers) >= 0:
        return "Per cent, it seems: divide by 100."
    return "Correct or recode it."


def _refuse_invalid(field: Field, names: list[str], new: dict[str, Any]) -> None:
    """Refuse an array whose elements do not fit each other."""
    if field.valid is None or not set(names) <= set(new):
        return
    good = field.valid(np.stack([new[name] for name in names], axis=1))
    if not good.all():
        row = int(np.argmin(good))
        raise TrialTableError(
            f"The columns {', '.join(names)} of a trial table must fit each other "
            f"({field.doc}); row {row} holds {[new[name][row].item() for name in names]}. "
            "Correct or recode them."
        )


def _refuse_repeated(frame: pd.DataFrame) -> None:
    keys = frame[list(TRIAL)]
    again = keys.duplicated().to_numpy()
    if again.any():
        second = int(np.argmax(again))
        values = keys.iloc[second]
        first = int(np.argmax((keys == values).all(axis=1)))
        what = ", ".join(f"{name} {values[name]}" for name in TRIAL)
        raise TrialTableError(
            f"A trial table must hold each trial once; got {what} in rows {first} and {second}. "
            "Give each person, session and seed its own env or episode (seeded again, environments "
            "count episodes from 0), or drop copies with drop_duplicates()."
        )


def _refuse_contradictions(choice: NDArray[Any], outcome: NDArray[Any]) -> None:
    """Refuse what is in range and yet coded otherwise: -1 is neither left nor unrewarded."""
    without = (choice == -1) & (outcome == 1)
    if without.any():
        raise TrialTableError(
            "A trial without a choice (-1) cannot be rewarded; got outcome 1 and choice -1 in row "
            f"{int(np.argmax(without))}. Choices -1 and 1, it seems: recode with map({{-1: 0, 1: "
            "1}}) and missed trials as -1."
        )
    failed = ((choice >= 0) & (outcome == -1)).sum()
    if not (outcome == 0).any() and min(failed, (outcome == 1).sum()) >= ENOUGH:
        raise TrialTableError(
            "The column 'outcome' of a trial table must hold 1 rewarded, 0 unrewarded, -1 no "
            f"outcome; got -1 in {failed} trials with a choice, and never 0. Outcomes 1 and -1, it "
            "seems: recode with map({1: 1, -1: 0})."
        )


def refuse_gaps(trials: pd.DataFrame, whole: bool = False) -> None:
    """Refuse a table, sorted by env, episode and trial, in which an episode skips a trial.

    Args:
        trials: Checked trial table.
        whole: Whether all episodes must begin with the same trial.

    Raises:
        TrialTableError: If one does.
    """
    env, episode, trial = (trials[name].to_numpy() for name in TRIAL)
    same = (np.diff(env) == 0) & (np.diff(episode) == 0)
    gaps = same & (np.diff(trial) != 1)
    begins = set(trial[np.append(True, ~same)[: len(trial)]].tolist())
    if whole and len(begins) > 1:
        raise TrialTableError(
            "All episodes must begin with the same trial; got beginnings "
            f"{', '.join(map(str, sorted(begins)[:5]))}. Put in the missing trials."
        )
    if gaps.any():
        i = int(np.argmax(gaps))
        raise TrialTableError(
            f"The trials of an episode must follow each other; got {trial[i + 1]} after {trial[i]} "
            f"in env {env[i]}, episode {episode[i]}. Put in the missing trials, with choice -1 "
            "where none was made."
        )
