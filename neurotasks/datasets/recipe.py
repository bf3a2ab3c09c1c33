"""A recipe: how the columns of a foreign table become those of a trial table.

A recipe is data. What a table must look like is written down once, and `read_choices` refuses
tables that look different.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurotasks.columns import Column, documented
from neurotasks.core.task import Task, load
from neurotasks.errors import RecipeError, TaskDefinitionError, nearest

EMPTY = ""
"""What an empty cell (NaN, None, pandas.NA, an empty text) counts as."""

IDENTIFIERS = ("env", "episode", "trial")
RESERVED = ("subject", "session", "missed", "row", "number", "place")  # of `read_choices`


def canonical(value: Any) -> str:
    """Return the text by which equal values of tables are known: 1, 1.0, "1" and True are alike.

    Args:
        value: A value of a table or of a recipe.

    Returns:
        Text without capitals and outer blanks; "" for an empty cell.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, str):
        text = value.strip().casefold()
        if text in ("true", "false"):
            return str(int(text == "true"))
        if text in ("nan", "na", "n/a", "null", "none", "<na>"):
            return EMPTY
        try:
            number = float(text)
        except ValueError:
            return text
        return canonical(number) if math.isfinite(number) and "_" not in text else text
    if isinstance(value, numbers.Real):
        if math.isnan(value):
            return EMPTY
        number = float(value)
        whole = isinstance(value, numbers.Integral) or number.is_integer()
        return str(int(value)) if whole else str(number)  # type: ignore[call-overload]
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return EMPTY
    return str(value).strip().casefold()


@dataclass(frozen=True)
class Codes:
    """A column whose values stand for others. A value that has no code is refused.

    Attributes:
        source: Name of the column of the foreign table, or names of several whose values are
            looked up together.
        codes: What each value stands for in the trial table; for several columns, each tuple of
            values. 1, 1.0, "1" and true are the same value; capitals do not count; None is an empty
            cell.
    """

    source: str | tuple[str, ...]
    codes: Mapping[Any, float]

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the columns that are looked up."""
        return (self.source,) if isinstance(self.source, str) else tuple(self.source)

    @property
    def table(self) -> dict[tuple[str, ...], float]:
        """The codes by the texts that `canonical` returns."""
        single = len(self.sources) == 1
        return {
            tuple(map(canonical, (key,) if single else key)): value
            for key, value in self.codes.items()
        }


@dataclass(frozen=True)
class Number:
    """A column of numbers, such as points won.

    Attributes:
        source: Name of the column of the foreign table.
        low: Smallest value that the table can hold.
        high: Largest value that the table can hold.
        divide: What the numbers are divided by.
    """

    source: str
    low: float
    high: float
    divide: float = 1.0

    @property
    def sources(self) -> tuple[str, ...]:
        """Name of the column."""
        return (self.source,)


@dataclass(frozen=True)
class Recipe:
    """How a foreign table becomes the trial table of a task.

    Attributes:
        task: The task, its id, or where it is (``"package.module:NAME"``).
        columns: Column of the trial table -> where it comes from. A choice is needed, and an
            outcome (or a reward, which counts as an outcome of 1 where it is above 0). Of
            ``common`` and ``second_state`` of the two-step task one is enough.
        subject: Column that names the subject; "" if all rows are of one. Subjects become ``env``,
            counted from 0 in the order of their names (numbers by size).
        session: Column that names the session, or several; () if a subject has one. Sessions become
            ``episode``, counted likewise.
        trial: Column that numbers the trials of a session; "" if the rows are in order.
        order: Column by which the rows of a session are sorted where nothing numbers them, such as
            a time; "" if they are in order.
        first_trial: Number of the first trial of a session; None: the smallest that it has.
        gaps: Whether numbers may be left out: ``"refused"``; or ``"missed"``, and the trials left
            out are filled in as missed ones.
        missed: Column -> values that mark a missed trial (None: an empty cell). Such a trial has
            choice, outcome and second state -1 whichever stage was missed.
        most_missed: Largest number of missed trials of a subject that is kept; None: all are.
        rows: Column -> values of the rows that are trials; rows with others are left out.
        predecessor: Column of the trial table -> where that of the trial before is told. A trial is
            put before the first of each session, for files that tell what preceded their first row.
        keep: Name in the trial table -> column that is taken along as it is, if the table has it;
            NaN in trials that are filled in.
        names: Names of the columns, for text files without a header. Lines before the first with as
            many fields are passed over.
        separator: What separates the columns of a text file.
        variable: Where the trials are in a MATLAB file, ``"groupdata.subdata"``; "" if its
            variables are the columns.
        levels: What the elements of the struct arrays there are, outermost first: name of the
            column that is added -> variable with their names, or "" for their number from 1.
        source: Where the data are from.
        citation: Publication to cite.
        licence: Licence of the data, or "none stated".
        leaves_out: What of the data does not reach the trial table.

    Raises:
        RecipeError: If the parts of the recipe do not fit each other or the task.
    """

    task: str | Task
    columns: Mapping[str, Codes | Number]
    subject: str = ""
    session: str | tuple[str, ...] = ()
    trial: str = ""
    order: str = ""
    first_trial: int | None = None
    gaps: str = "refused"
    missed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    most_missed: int | None = None
    rows: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    predecessor: Mapping[str, Codes] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    separator: str = ","
    variable: str = ""
    levels: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    citation: str = ""
    licence: str = ""
    leaves_out: str = ""

    def __post_init__(self) -> None:
        """Refuse recipes that no table can be read by."""
        if not isinstance(self.columns, Mapping):
            raise RecipeError(f"columns must be a mapping; got {type(self.columns).__name__}.")
        known = self.documented
        for name, entry in {**self.columns, **self.predecessor}.items():
            if name not in known or name in IDENTIFIERS:
                choose = nearest(str(name), known.keys() - set(IDENTIFIERS))
                raise RecipeError(
                    f"columns must name columns of {self.found.name}; got {name!r}. {choose} The "
                    "trial's numbers come from subject, session and trial; what is only taken "
                    "along belongs in keep."
                )
            self._check_entry(name, entry, known[name])
        if "choice" not in self.columns or not {"outcome", "reward"} & set(self.columns):
            raise RecipeError(
                "columns must have 'choice', and 'outcome' or 'reward'; got "
                f"{', '.join(map(repr, self.columns)) or 'none'}."
            )
        if {"common", "second_state"} <= set(known) and not {"common", "second_state"} & set(
            self.columns
        ):
            raise RecipeError(
                "columns of the two-step task must have 'common' or 'second_state'; got neither."
            )
        self._check_options(known)

    @property
    def found(self) -> Task:
        """The task itself."""
        try:
            return load(self.task)
        except TaskDefinitionError as error:
            raise RecipeError(f"task must be a task; {error}") from error

    @property
    def documented(self) -> dict[str, Column]:
        """The columns of the task that can be filled, elements of arrays included."""
        names = (name for name in self.columns if isinstance(name, str))
        found = documented(self.found, names, None)
        return {name: column for columns in found.values() for name, column in columns}

    @property
    def sessions(self) -> tuple[str, ...]:
        """Names of the columns that name the session."""
        if isinstance(self.session, str):
            return (self.session,) if self.session else ()
        return tuple(self.session)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the columns that the foreign table must have."""
        named = (self.subject, *self.sessions, self.trial, self.order, *self.missed, *self.rows)
        entries = (*self.columns.values(), *self.predecessor.values())
        coded = (source for entry in entries for source in entry.sources)
        return tuple(dict.fromkeys(name for name in (*named, *coded) if name))

    def _check_entry(self, name: str, entry: Any, column: Column) -> None:
        if isinstance(entry, Number):
            if not (entry.low < entry.high and entry.divide and column.dtype.kind == "f"):
                raise RecipeError(
                    f"A Number must have low < high, a divisor, and fill a column of numbers; got "
                    f"{entry} for {name!r} ({column.dtype}). Use Codes for {column.doc}."
                )
            return
        if not isinstance(entry, Codes):
            raise RecipeError(
                f"columns[{name!r}] must be Codes or a Number; got {type(entry).__name__}. Write "
                f"Codes('its column', {{value: what it stands for}})."
            )
        try:
            table = entry.table
        except TypeError as error:
            raise RecipeError(
                f"The codes of {name!r} must be tuples of values; {error}."
            ) from error
        if len(table) < len(entry.codes) or {len(k) for k in table} != {len(entry.sources)}:
            raise RecipeError(
                f"The codes of {name!r} must be different values of {entry.sources}, one for "
                f"each; got {list(entry.codes)}. 1, '1' and true are one value, and capitals do "
                "not count."
            )
        for value in table.values():
            low, high = column.low, column.high
            whole = column.dtype.kind == "f" or value == int(value)
            if not (low <= value <= high and whole):
                raise RecipeError(
                    f"The codes of {name!r} must stand for {column.dtype} in [{low}, {high}] "
                    f"({column.doc}); got {value!r}."
                )

    def _check_options(self, known: Mapping[str, Column]) -> None:
        if self.gaps not in ("refused", "missed"):
            raise RecipeError(f"gaps must be 'refused' or 'missed'; got {self.gaps!r}.")
        if self.trial and self.order:
            raise RecipeError(
                f"trial and order cannot both be given; got {self.trial!r} and {self.order!r}. "
                "Leave out order: the trials have numbers."
            )
        if self.predecessor and (self.trial or not self.predecessor.keys() >= {"choice"}):
            raise RecipeError(
                "predecessor must have a choice, in a recipe with order in place of trial; got "
                f"{', '.join(self.predecessor)} and trial={self.trial!r}."
            )
        for what, values in {**self.missed, **self.rows}.items():
            if isinstance(values, str) or not isinstance(values, (tuple, list)):
                raise RecipeError(
                    f"missed and rows must hold tuples of values; got {values!r} for {what!r}."
                )
        clash = sorted(set(self.keep) & {*known, *RESERVED})
        if clash:
            raise RecipeError(
                f"keep must use other names than the trial table; got {', '.join(clash)}. Call "
                "them something else."
            )
