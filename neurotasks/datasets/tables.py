"""Foreign tables as they are on disk: CSV, Excel, MATLAB, Parquet and NWB."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotasks.columns import separated_by
from neurotasks.datasets.nwb import read_nwb
from neurotasks.datasets.recipe import Recipe
from neurotasks.errors import ForeignTableError, require

if TYPE_CHECKING:
    import pandas as pd

TEXT = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
EXCEL = (".xlsx", ".xlsm")
SUFFIXES = (*TEXT, *EXCEL, ".parquet", ".mat", ".nwb")
FILE = "file"
"""Column of the file's name without its suffix, where several files are read."""


def read_table(path: Path | str, recipe: Recipe) -> pd.DataFrame:
    """Read a file, or all files of a folder that have a known suffix, as one table.

    Args:
        path: A ``.csv``, ``.tsv`` or ``.txt`` file (also ``.gz``), ``.xlsx`` (its first sheet),
            ``.parquet``, ``.mat`` or ``.nwb`` file, or a folder of such files.
        recipe: How text and MATLAB files are laid out.

    Returns:
        The table. That of a folder has another column, ``"file"``.

    Raises:
        ForeignTableError: If a file cannot be read as a table, or a folder has none.
        DependencyNotInstalled: If what reads it is not installed.
        OSError: If there is no such file.
    """
    pd, path = require("pandas", "analysis"), Path(path)
    if not path.is_dir():
        return _read_file(path, recipe)
    files = sorted(file for file in path.iterdir() if _suffix(file) in SUFFIXES)
    if not files:
        raise ForeignTableError(
            f"{path} must hold files that end in {', '.join(SUFFIXES)}; got none. Name the folder "
            "that holds them."
        )
    tables = [_read_file(file, recipe).assign(**{FILE: _stem(file)}) for file in files]
    return pd.concat(tables, ignore_index=True)


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return "".join(suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:])


def _stem(path: Path) -> str:
    return path.name[: len(path.name) - len(_suffix(path))]


def _read_file(path: Path, recipe: Recipe) -> pd.DataFrame:
    pd, suffix = require("pandas", "analysis"), _suffix(path)
    if suffix not in SUFFIXES:
        raise ForeignTableError(
            f"The file of a table must end in {', '.join(SUFFIXES)}; got {str(path)!r}. Save it as "
            "CSV, or read it yourself and pass the DataFrame."
        )
    with path.open("rb"):
        pass  # what has no such file, or no right to read it, says so
    try:
        if suffix == ".nwb":
            return read_nwb(path).trials
        if suffix == ".parquet":
            require("pyarrow", "datasets")
            return pd.read_parquet(path)
        if suffix in EXCEL:
            require("openpyxl", "datasets")
            return pd.read_excel(path)
        if suffix == ".mat":
            return _read_matlab(path, recipe)
        return _read_without_header(path, recipe) if recipe.names else _read_text(path, recipe)
    except (ForeignTableError, ImportError):
        raise
    except Exception as error:  # a damaged file makes each reader raise kinds of its own
        raise ForeignTableError(
            f"{path} must be a {suffix} file; got {str(error).strip().partition(chr(10))[0]}. "
            "Download or save it again."
        ) from error


def _read_text(path: Path, recipe: Recipe) -> pd.DataFrame:
    pd = require("pandas", "analysis")
    table = pd.read_csv(
        path, sep=recipe.separator, index_col=False, low_memory=False, encoding="utf-8-sig"
    )
    if table.shape[1] == 1 and (found := separated_by(table.columns)):
        raise ForeignTableError(
            f"The columns of {path} must be separated by {recipe.separator!r}; got "
            f"{found.partition(',')[0]}. Give the recipe another separator."
        )
    return table


def _read_without_header(path: Path, recipe: Recipe) -> pd.DataFrame:
    """Read rows of as many fields as the recipe has names; what is above them is passed over."""
    pd, width = require("pandas", "analysis"), len(recipe.names)
    rows: list[list[str]] = []
    for number, row in _rows(path, recipe.separator):
        if len(row) == width:
            rows.append(row)
        elif rows and row:
            raise ForeignTableError(
                f"Once the rows of {path} begin, each must have {width} fields; got {len(row)} in "
                f"line {number}. Correct the line, or take it out."
            )
    if not rows:
        raise ForeignTableError(
            f"{path} must have rows of {width} fields ({', '.join(recipe.names)}); got none. If it "
            "has a header, use a recipe without names."
        )
    return pd.DataFrame(rows, columns=list(recipe.names))


def _rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        for row in reader:
            yield reader.line_num, row


def _read_matlab(path: Path, recipe: Recipe) -> pd.DataFrame:
    io = require("scipy.io", "analysis")
    try:
        found = io.loadmat(path, squeeze_me=True, struct_as_record=False)
    except NotImplementedError as error:
        raise ForeignTableError(
            f"{path} must be a MATLAB file of version 7 or earlier; got version 7.3. Save it with "
            "save(..., '-v7')."
        ) from error
    variables = {name: value for name, value in found.items() if not name.startswith("__")}
    inner: Any = variables
    for name in filter(None, recipe.variable.split(".")):
        fields = _fields(inner)
        if name not in fields:
            raise ForeignTableError(
                f"{path} must hold the variable {recipe.variable!r}; got "
                f"{', '.join(fields) or 'no fields'} where {name!r} should be. Give the recipe "
                "another variable."
            )
        inner = fields[name]
    labels = [(name, variables.get(named, ())) for name, named in recipe.levels.items()]
    return require("pandas", "analysis").concat(
        [_columns(path, leaf, outer, recipe) for outer, leaf in _leaves(path, inner, labels, {})],
        ignore_index=True,
    )


def _fields(struct: Any) -> dict[str, Any]:
    """Return the fields of a struct, or the variables of a file."""
    if isinstance(struct, dict):
        return struct
    return {name: getattr(struct, name) for name in getattr(struct, "_fieldnames", ())}


def _leaves(
    path: Path, struct: Any, levels: Sequence[tuple[str, Any]], outer: Mapping[str, Any]
) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield the structs that hold trials, each with what its levels are called."""
    if not levels:
        yield dict(outer), struct
        return
    (name, labels), *inner = levels
    elements = np.atleast_1d(np.asarray(struct, dtype=object))
    if elements.dtype != object or not len(elements):
        raise ForeignTableError(
            f"{path} must hold a struct array of each {name}; got {type(struct).__name__}. Give "
            "the recipe the levels that the file has."
        )
    given = np.atleast_1d(labels)
    named = given.tolist() if len(given) == len(elements) else range(1, len(elements) + 1)
    for label, element in zip(named, elements, strict=True):
        yield from _leaves(path, element, inner, {**outer, name: label})


def _columns(path: Path, struct: Any, outer: Mapping[str, Any], recipe: Recipe) -> pd.DataFrame:
    """Return the trials of a struct: its fields as long as that of the choices, and its scalars."""
    fields, where = _fields(struct), "".join(f", {k} {v}" for k, v in outer.items())
    lengths = {name: np.atleast_1d(values).shape for name, values in fields.items()}
    (first, *_) = recipe.columns["choice"].sources
    if first not in fields:
        got = ", ".join(fields) or f"an array of shape {np.shape(struct)}"
        raise ForeignTableError(
            f"{path}{where} must have the field {first!r}; got {got}. Give the recipe the variable "
            "that has it, and for an array of structs their levels; of a matrix, name the columns "
            "yourself and pass the DataFrame."
        )
    columns = {
        name: np.atleast_1d(values) if lengths[name] == lengths[first] else values
        for name, values in fields.items()
        if lengths[name] in (lengths[first], (1,))
    }
    lost = [name for name in recipe.sources if name in fields and name not in columns]
    if lost:
        raise ForeignTableError(
            f"The fields of {path}{where} must be as long as {first!r} {lengths[first]}; got "
            f"{', '.join(f'{name} {lengths[name]}' for name in lost)}. Correct the file."
        )
    index = range(lengths[first][0])
    return require("pandas", "analysis").DataFrame({**columns, **outer}, index=index)
