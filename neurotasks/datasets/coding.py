"""The values of a foreign table as what a recipe says they stand for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.datasets.recipe import EMPTY, Codes, Number, canonical
from neurotasks.errors import ForeignTableError, require, shown

if TYPE_CHECKING:
    import pandas as pd


class Coded:
    """A foreign table that is looked up.

    Args:
        frame: The table; its index numbers the rows in messages.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self._texts: dict[str, NDArray[Any]] = {}

    def texts(self, name: str) -> NDArray[Any]:
        """Return the values of a column as `canonical` texts, (rows,)."""
        if name not in self._texts:
            self._texts[name] = _each(self.frame[name], canonical)
        return self._texts[name]

    def among(self, name: str, values: Iterable[Any]) -> NDArray[np.bool_]:
        """Return where a column has one of some values, (rows,)."""
        texts = require("pandas", "analysis").Series(self.texts(name), dtype=object)
        return np.asarray(texts.isin([canonical(value) for value in values]), np.bool_)

    def values(
        self, entry: Codes | Number, name: str, missed: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return what a column of the trial table holds, (rows,); NaN in missed trials.

        Args:
            entry: Where it comes from.
            name: Name of the column, for messages.
            missed: Rows that need no value.

        Raises:
            ForeignTableError: If another row has no code, or a number out of range.
        """
        if isinstance(entry, Codes):
            return self.lookup(entry, name, missed)
        numbers = self.numbers(entry.source, missed)
        wrong = ~((numbers >= entry.low) & (numbers <= entry.high)) & ~missed
        if wrong.any():
            self._refuse(
                f"The column {entry.source!r} ({name}) must hold numbers from {entry.low:g} to "
                f"{entry.high:g}",
                self.frame[entry.source].to_numpy(object),
                wrong,
                "Correct them, or give the recipe other limits.",
            )
        return numbers / entry.divide

    def lookup(self, entry: Codes, name: str, missed: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return what the values of columns stand for, (rows,); NaN where a missed trial has none.

        Args:
            entry: The columns and their codes.
            name: What they are looked up for, for messages.
            missed: Rows that need no value.

        Raises:
            ForeignTableError: If another row has no code.
        """
        codes, columns = entry.table, [self.texts(source) for source in entry.sources]
        pd, rows = require("pandas", "analysis"), np.zeros(len(missed), np.int64)
        for column in columns:
            places, unique = pd.factorize(column)
            rows, _ = pd.factorize(rows * len(unique) + places)
        _, first, back = np.unique(rows, return_index=True, return_inverse=True)
        keys = [tuple(column[i] for column in columns) for i in first]
        found = np.array([codes.get(key, np.nan) for key in keys], np.float64)[back]
        wrong = np.isnan(found) & ~missed
        if wrong.any():
            self._refuse_unknown(entry, name, columns, wrong)
        return found

    def numbers(self, name: str, missed: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Return a column as numbers, (rows,).

        Raises:
            ForeignTableError: If a row that is not missed has none.
        """
        pd = require("pandas", "analysis")
        values = self.frame[name]
        if values.dtype.kind in "Mm":
            return np.asarray(values.astype("int64"), np.float64)
        numbers = np.asarray(
            pd.to_numeric(pd.Series(self.texts(name)).replace(EMPTY, None), errors="coerce"),
            np.float64,
        )
        wrong = ~np.isfinite(numbers)
        if missed is not None:
            wrong &= ~missed
        if wrong.any():
            self._refuse(
                f"The column {name!r} must hold numbers",
                values.to_numpy(object),
                wrong,
                "Correct them, or leave such rows out with the recipe's rows or missed.",
            )
        return numbers

    def whole_numbers(self, name: str) -> NDArray[np.int64]:
        """Return a column that counts, (rows,).

        Raises:
            ForeignTableError: If a row has no whole number.
        """
        numbers = self.numbers(name)
        wrong = (numbers != np.floor(numbers)) | (np.abs(numbers) > 2**31)
        if wrong.any():
            self._refuse(
                f"The column {name!r} must number the trials",
                self.frame[name].to_numpy(object),
                wrong,
                "Name the column that numbers them, or let the recipe have order.",
            )
        return numbers.astype(np.int64)

    def labels(self, names: Sequence[str]) -> NDArray[Any]:
        """Return what subjects or sessions are called, (rows,): whole numbers, or else texts.

        Raises:
            ForeignTableError: If a row does not name any.
        """
        parts = [_each(self.frame[name], _label) for name in names]
        for name, part in zip(names, parts, strict=True):
            empty = part == EMPTY
            if empty.any():
                self._refuse(
                    f"The column {name!r} must name the subject or session of each row",
                    self.frame[name].to_numpy(object),
                    empty,
                    "Name them, or leave such rows out with the recipe's rows.",
                )
        if len(parts) > 1:
            return np.array([" ".join(row) for row in zip(*parts, strict=True)], object)
        if all(_is_whole(text) and text == str(int(text)) for text in set(parts[0].tolist())):
            return parts[0].astype(np.int64)
        return parts[0]

    def _refuse_unknown(
        self, entry: Codes, name: str, columns: Sequence[NDArray[Any]], wrong: NDArray[np.bool_]
    ) -> None:
        single = len(columns) == 1
        got = np.empty(len(wrong), object)
        got[:] = columns[0] if single else list(zip(*columns, strict=True))
        codes = [key[0] if single else key for key in entry.table]
        expected = ", ".join(str(code) if code else "an empty cell" for code in codes[:12])
        unknown = set(got[wrong].tolist())
        cause = "Give them codes in the recipe, or correct the table."
        source = " and ".join(map(repr, entry.sources))
        if single and unknown == {EMPTY}:
            cause = (
                f"If these trials were missed, let the recipe have missed={{{source}: (None,)}}; "
                "if they are no trials, leave them out with rows."
            )
        elif single and all(_is_whole(code) for code in {*codes, *unknown} - {EMPTY}):
            there = sorted({int(str(code)) for code in set(got.tolist()) - {EMPTY}})
            known = sorted({int(str(code)) for code in codes if code})
            for shift in (1, -1):
                if {code - shift for code in there} <= set(known):
                    cause = (
                        f"The table seems to use {' and '.join(map(str, there))} where the recipe "
                        f"has {' and '.join(map(str, known))}: give the recipe the codes of the "
                        "table."
                    )
        self._refuse(f"The column {source} ({name}) must hold {expected}", got, wrong, cause)

    def _refuse(
        self, must: str, values: NDArray[Any], wrong: NDArray[np.bool_], cause: str
    ) -> None:
        counts = Counter(shown(value) for value in values[wrong].tolist()).most_common(5)
        first = self.frame.index[int(np.argmax(wrong))]
        named = ", ".join(
            f"{'nothing' if value in ('nan', 'None', repr('')) else value} in {n} row(s)"
            for value, n in counts
        )
        raise ForeignTableError(f"{must}; got {named}, first in row {first}. {cause}")


def _each(column: pd.Series, change: Any) -> NDArray[Any]:
    """Return a column with a function of each different value applied, (rows,)."""
    pd = require("pandas", "analysis")
    objects = column.astype(object).to_numpy()
    try:
        places, unique = pd.factorize(objects, use_na_sentinel=True)
    except TypeError:  # lists and other values that cannot be told apart quickly
        return np.array([change(value) for value in objects], object)
    new = np.empty(len(unique) + 1, object)
    new[:] = [*map(change, unique), EMPTY]
    found: NDArray[Any] = new[places]
    return found  # -1, an empty cell, is the last


def _label(value: Any) -> str:
    """Return what a subject or session is called: the text itself, or a number without a point."""
    return value.strip() if isinstance(value, str) else canonical(value)


def _is_whole(text: Any) -> bool:
    return isinstance(text, str) and re.fullmatch("-?[0-9]{1,18}", text) is not None
