"""Any foreign table: the numbers of the untouched one, or a documented error."""

import warnings

import numpy as np
import pandas as pd
from hypothesis import given, strategies as st

from neurotasks.datasets import Codes, Recipe, read_choices
from neurotasks.errors import TrialTableError
from neurotasks.trials import check_trials

RECIPE = Recipe(
    task="neurotasks/TwoStep-v0",
    subject="who",
    session="day",
    trial="n",
    first_trial=1,
    columns={
        "choice": Codes("pick", {1: 0, 2: 1}),
        "common": Codes("kind", {"common": 1, "rare": 0}),
        "second_state": Codes("state", {2: 0, 3: 1}),
        "outcome": Codes("won", {1: 1, 0: 0}),
    },
    missed={"pick": (0, None)},
)
rng = np.random.default_rng(0)
PICK, COMMON = rng.integers(0, 2, 120), rng.random(120) < 0.75
TABLE = pd.DataFrame(
    {
        "who": np.repeat([3, 20, 100], 40),
        "day": np.tile(np.repeat([1, 2], 20), 3),
        "n": np.tile(np.arange(1, 21), 6),
        "pick": np.where(np.arange(120) % 17 == 5, 0, PICK + 1),
        "kind": np.where(COMMON, "common", "rare"),
        "state": np.where(COMMON, PICK, 1 - PICK) + 2,
        "won": rng.integers(0, 2, 120),
    }
)
EXPECTED = read_choices(TABLE, RECIPE)
ODD = [None, np.nan, pd.NA, np.inf, "", "1", "left", b"1", 0.5, -1, 2, 3, 2**63, 2**70, True, [1]]
SAME = ["int64", "float64", "object", "str", "category", "Int64", "string"]


@st.composite
def neutral(draw):
    """Draw a change of a table's form that leaves its meaning."""
    kind = draw(st.sampled_from(["rows", "columns", "index", "more", "dtype", "shout"]))
    seed, column = draw(st.integers(0, 99)), draw(st.sampled_from(["who", "n", "pick", "won"]))
    dtype = draw(st.sampled_from(SAME))

    def change(table):
        order = np.random.default_rng(seed)
        if kind == "rows":
            return table.iloc[order.permutation(len(table))]
        if kind == "columns":
            return table[order.permutation(table.columns)]
        if kind == "index":
            return table.set_axis(order.integers(0, 3, len(table)), axis=0)
        if kind == "dtype":
            return table.assign(**{column: table[column].astype(dtype)})
        if kind == "shout":
            return table.assign(kind=" " + table["kind"].str.upper())
        return table.assign(**{f"more_{seed}": None})

    return change


@given(changes=st.lists(neutral(), max_size=4))
def test_the_form_of_a_foreign_table_is_free(changes):
    table = TABLE
    for change in changes:
        table = change(table)
    pd.testing.assert_frame_equal(read_choices(table, RECIPE), EXPECTED, check_dtype=False)


@given(
    column=st.sampled_from(list(TABLE)),
    row=st.integers(0, 119),
    value=st.sampled_from(ODD),
    kind=st.sampled_from(["cell", "drop", "copy", "lose", "shift", "swap"]),
)
def test_any_change_of_a_foreign_table_is_refused_or_leaves_the_other_trials(
    column, row, value, kind
):
    cells = TABLE[column].astype(object).tolist()
    if kind == "swap":
        cells[row], cells[row - 1] = cells[row - 1], cells[row]
    elif kind == "shift":
        cells = [cell + 1 if isinstance(cell, int) else cell for cell in cells]
    else:
        cells[row] = value
    table = {
        "drop": TABLE.drop(index=row),
        "copy": pd.concat([TABLE, TABLE.iloc[[row]]]),
        "lose": TABLE.drop(columns=column),
    }.get(kind, TABLE.assign(**{column: pd.Series(cells, dtype=object)}))
    refusal = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = read_choices(table, RECIPE)
    except TrialTableError as error:
        refusal = str(error)
    if refusal:
        assert "\n" not in refusal
        assert "got" in refusal
        return
    check_trials(found, "neurotasks/TwoStep-v0", ["choice", "outcome", "common", "second_state"])
    if kind == "shift":  # only what subjects and days are called may change as a whole
        assert column in ("who", "day", "kind")
        pd.testing.assert_frame_equal(
            found.drop(columns=["subject", "session"]),
            EXPECTED.drop(columns=["subject", "session"]),
        )
        return
    keys = ["subject", "session", "trial"]
    both = EXPECTED.astype({"subject": str}).merge(
        found.astype({"subject": str}), on=keys, suffixes=("", "_found")
    )
    assert len(both) >= len(EXPECTED) - 2
    other = sum((both[name] != both[f"{name}_found"]).to_numpy() for name in ("choice", "outcome"))
    assert (other > 0).sum() <= 2
