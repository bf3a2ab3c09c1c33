"""Any table: the same measures as of the untouched one, or a documented error."""

import warnings

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from neurotasks.analysis.behaviour import behaviour_of, by_quarter
from neurotasks.core.task import load
from neurotasks.episodes import run_episodes
from neurotasks.errors import TrialTableError
from neurotasks.observers import RandomAgent
from neurotasks.trials import check_trials, read_trials, write_trials

IDS = [
    "neurotasks/TwoStep-v0",
    "neurotasks/Bandit-v0",
    "neurotasks/Foraging-v0",
    "neurotasks/Volatility-v0",
    "neurotasks/Harlow-v0",
    "neurotasks/RiskyChoice-v0",
    "neurotasks/InferredValue-v0",
    "neurotasks/VariableProbability-v0",
]


def played(id):
    spec = {"autoreset_mode": "SameStep", "trial_log": True}
    envs = gym.make_vec(id, num_envs=4, trials=10, **spec)
    return run_episodes(RandomAgent(envs, 0), envs, seed=5).trials


TABLES = {id: played(id) for id in IDS}
ODD = [
    *(None, np.nan, pd.NA, np.inf, -np.inf, "", "1", "left", b"1", 1j, 0.5, -1, 2, 3, 128, -129),
    *(2**31, 2**63, 2**70, -(2**70), 1e300, True, [1], {}, pd.Timestamp(0), pd.Timedelta(1)),
]
NUMBERS = ["float64", "float32", "object", "category", "Int64", "Float64", "int64", "int8"]
OTHERS = ["str", "string", "datetime64[ns]", "complex128", "bool", "uint8", "float16"]


def measures(table, id):
    return behaviour_of(load(id)).measure(table), by_quarter(table)


def same_measures(table, id):
    for found, expected in zip(measures(table, id), measures(TABLES[id], id), strict=True):
        pd.testing.assert_series_equal(found, expected)


@st.composite
def neutral(draw):
    """Draw a change of a table's form that leaves its meaning."""
    kind = draw(st.sampled_from(["rows", "columns", "index", "own", "dtype", "csv"]))
    seed, name = draw(st.integers(0, 99)), draw(st.sampled_from(NUMBERS[:6]))

    def change(table):
        rng = np.random.default_rng(seed)
        plain = table.select_dtypes(["number", "bool"]).columns
        if kind == "rows":
            return table.iloc[rng.permutation(len(table))]
        if kind == "columns":
            return table[rng.permutation(table.columns)]
        if kind == "index":
            return table.set_axis(rng.integers(0, 3, len(table)), axis=0)
        if kind == "own":
            return table.assign(**{f"own_{seed}": "x"})
        if kind == "dtype" and len(plain) and table[plain].notna().all(axis=None):
            column = plain[seed % len(plain)]
            exact = table[column].astype(float).astype("float32") == table[column]
            whole = (table[column] % 1 == 0).all()
            fits = {"float32": exact.all(), "Int64": whole}.get(name, True)
            return table.assign(**{column: table[column].astype(name)}) if fits else table
        return table.reset_index().rename(columns={"index": f"Unnamed: {table.shape[1]}"})

    return change


@st.composite
def harmful(draw):
    """Draw a change of a table that may change what it means."""
    kind = draw(
        st.sampled_from(
            ["cell", "swap", "drop", "copy", "recode", "dtype", "lose", "rename", "twice", "scale"]
        )
    )
    column, row, other = (draw(st.integers(0, 10**6)) for _ in range(3))
    value, name = draw(st.sampled_from(ODD)), draw(st.sampled_from(NUMBERS + OTHERS))
    shift = draw(st.sampled_from([-2, -1, 1, 2, 7, 2**40]))

    def change(table):
        if not (len(table) and table.shape[1]):
            return table
        at, i, j = table.columns[column % table.shape[1]], row % len(table), other % len(table)
        values = table.iloc[:, column % table.shape[1]].astype(object)
        if kind == "cell":
            cells = values.tolist()
            cells[i] = value
            return table.assign(**{at: pd.Series(cells, table.index, dtype=object)})
        if kind == "swap":
            cells = values.tolist()
            cells[i], cells[j] = cells[j], cells[i]
            return table.assign(**{at: pd.Series(cells, table.index, dtype=object)})
        if kind == "drop":
            return table.drop(index=table.index[i])
        if kind == "copy":
            return pd.concat([table, table.iloc[[i]]])
        if kind in ("recode", "scale"):
            recoded = [shift + v if kind == "recode" else shift * v for v in values if _plain(v)]
            return table.assign(**{at: recoded}) if len(recoded) == len(table) else table
        if kind == "dtype":
            try:
                return table.assign(**{at: table[at].astype(name)})
            except (ValueError, TypeError, OverflowError):
                return table
        if kind == "lose":
            return table.drop(columns=at)
        if kind == "rename":
            return table.rename(columns={at: f" {at}"})
        return pd.concat([table, table[[at]]], axis=1)

    return change


def _plain(value):
    return isinstance(value, (bool, int, float, np.number))


def refused_or_unchanged(make, id):
    """Check that a table is refused by name, or accepted with every number as it was."""
    refusal = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of casts that the changes make
        try:
            table = make()
            accepted = check_trials(table, id)
            measures(table, id)
        except TrialTableError as error:
            refusal = str(error)
    if refusal is not None:
        assert "\n" not in refusal
        return
    for name in load(id).columns:
        if name in table:
            given = table[name].to_numpy()
            new = accepted[name].to_numpy()
            assert np.all((new == given) | (pd.isna(new) & pd.isna(given)))
            low, high = {"choice": (-1, 2), "outcome": (-1, 1), "trial": (0, 2**31)}.get(
                name, (-np.inf, np.inf)
            )
            assert not np.any((new < low) | (new > high))


@given(id=st.sampled_from(IDS), changes=st.lists(neutral(), max_size=4))
def test_the_form_of_a_table_is_free(id, changes):
    table = TABLES[id]
    for change in changes:
        table = change(table)
    checked = check_trials(table, id)
    again = checked.sort_values(["env", "trial"], ignore_index=True)[TABLES[id].columns]
    pd.testing.assert_frame_equal(again, TABLES[id])
    same_measures(table, id)


@given(id=st.sampled_from(IDS), changes=st.lists(neutral() | harmful(), min_size=1, max_size=4))
def test_any_change_of_a_table_is_refused_or_leaves_its_numbers(id, changes):
    def make():
        table = TABLES[id]
        for change in changes:
            if not table.columns.is_unique:
                break
            table = change(table)
        return table

    refused_or_unchanged(make, id)


@st.composite
def damages(draw):
    """Draw a change of the bytes of a file."""
    kind = draw(st.sampled_from(["cut", "set", "insert", "delete", "repeat"]))
    place, length = draw(st.floats(0, 1)), draw(st.integers(1, 40))
    content = draw(st.binary(min_size=1, max_size=8) | st.sampled_from([b",", b"\n", b'"', b";"]))

    def change(data):
        i = int(place * len(data))
        return {
            "cut": data[:i],
            "set": data[:i] + content + data[i + len(content) :],
            "insert": data[:i] + content + data[i:],
            "delete": data[:i] + data[i + length :],
            "repeat": data[:i] + data[max(0, i - length) :],
        }[kind]

    return change


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@given(id=st.sampled_from(IDS), changes=st.lists(damages(), min_size=1, max_size=3))
def test_any_damage_of_a_file_is_refused_or_leaves_a_table(kind, tmp_path_factory, id, changes):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path_factory.mktemp("tables") / f"t.{kind}"
    write_trials(TABLES[id], path)
    data = path.read_bytes()
    for change in changes:
        data = change(data)
    path.write_bytes(data)
    refused_or_unchanged(lambda: read_trials(path, id), id)
    path.unlink()
    path.parent.rmdir()
