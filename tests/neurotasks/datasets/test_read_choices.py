"""A foreign table becomes the trial table that its recipe says, or is refused by name."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotasks.analysis.two_step import stay_effects, stay_probabilities_by
from neurotasks.datasets import RECIPES, Codes, Number, Recipe, read_choices
from neurotasks.errors import ForeignTableError, RecipeError, TrialTableError
from neurotasks.trials import check_trials

TWO_STEP = Recipe(
    task="neurotasks/TwoStep-v0",
    subject="who",
    trial="n",
    first_trial=1,
    columns={
        "choice": Codes("pick", {"left": 0, "right": 1}),
        "common": Codes("kind", {"common": 1, "rare": 0}),
        "second_state": Codes("planet", {"red": 0, "blue": 1}),
        "outcome": Codes("won", {1: 1, 0: 0}),
    },
    missed={"pick": ("none", None)},
)
BANDIT = Recipe(
    task="neurotasks/Bandit-v0",
    subject="who",
    columns={"choice": Codes("pick", {1: 0, 2: 1}), "outcome": Codes("won", {1: 1, 0: 0})},
)
ROWS = [
    # who, n, pick, kind, planet, won
    ("b", 1, "left", "common", "red", 1),
    ("b", 2, "left", "rare", "blue", 1),
    ("b", 3, "right", "common", "blue", 0),
    ("b", 4, "none", "", "", 0),
    ("b", 5, "right", "rare", "red", 0),
    ("b", 6, "right", "common", "blue", 1),
    ("a", 1, "right", "common", "blue", 1),
    ("a", 2, "left", "common", "red", 0),
    ("a", 3, "left", "common", "red", 0),
]
NAMES = ["who", "n", "pick", "kind", "planet", "won"]


def table(rows=ROWS):
    return pd.DataFrame(rows, columns=NAMES)


def many(n=200, seed=0):
    """Return a table with as many trials of a random player."""
    rng = np.random.default_rng(seed)
    pick, common = rng.integers(0, 2, n), rng.random(n) < 0.8
    return pd.DataFrame(
        {
            "who": "x",
            "n": np.arange(1, n + 1),
            "pick": np.array(["left", "right"])[pick],
            "kind": np.where(common, "common", "rare"),
            "planet": np.array(["red", "blue"])[np.where(common, pick, 1 - pick)],
            "won": rng.integers(0, 2, n),
        }
    )


def test_a_table_worked_by_hand():
    trials = read_choices(table(), TWO_STEP)
    assert trials["subject"].tolist() == ["a"] * 3 + ["b"] * 6
    assert trials["env"].tolist() == [0] * 3 + [1] * 6
    assert trials["episode"].unique().tolist() == [0]
    assert trials["trial"].tolist() == [0, 1, 2, 0, 1, 2, 3, 4, 5]
    assert trials["choice"].tolist() == [1, 0, 0, 0, 0, 1, -1, 1, 1]
    assert trials["outcome"].tolist() == [1, 0, 0, 1, 1, 0, -1, 0, 1]
    assert trials["reward"].tolist() == [1, 0, 0, 1, 1, 0, 0, 0, 1]
    assert trials["common"].tolist() == [True] * 4 + [False, True, False, False, True]
    assert trials["second_state"].tolist() == [1, 0, 0, 0, 1, 1, -1, 0, 1]
    check_trials(trials, "neurotasks/TwoStep-v0", list(trials.columns[:9]))


def test_stay_probabilities_are_of_valid_trials_after_valid_ones():
    probabilities = stay_probabilities_by(read_choices(table(), TWO_STEP))
    # a: rewarded common, left for right; unrewarded common, stayed. b: trial 3 precedes a missed
    # one, and 4 is no predecessor.
    expected = [[0, np.nan, 1, np.nan], [1, 0, np.nan, 1]]
    np.testing.assert_array_equal(probabilities.to_numpy(), expected)
    effects = stay_effects(probabilities.mean())
    assert effects == {"reward": (0.5 - 1 + 0 - 1) / 2, "interaction": (0.5 - 1 - 0 + 1) / 2}


def test_stay_probabilities_by_session():
    given = pd.concat([table().assign(day=day) for day in (1, 2)])
    trials = read_choices(given, replace(TWO_STEP, session="day"))
    by_session = stay_probabilities_by(trials, ("env", "episode"))
    assert by_session.index.tolist() == [(0, 0), (0, 1), (1, 0), (1, 1)]
    once = stay_probabilities_by(read_choices(table(), TWO_STEP))
    np.testing.assert_array_equal(by_session.to_numpy(), once.to_numpy().repeat(2, axis=0))
    pairless = stay_probabilities_by(trials[trials["trial"] == 0])
    assert pairless.shape == (2, 4)
    assert pairless.isna().all(axis=None)
    with pytest.raises(TrialTableError, match="must have the columns in by; got none called day"):
        stay_probabilities_by(trials, ("env", "day"))


@pytest.mark.parametrize("left_out", ["common", "second_state"])
def test_of_transition_and_state_one_follows_from_the_other(left_out):
    columns = {name: entry for name, entry in TWO_STEP.columns.items() if name != left_out}
    whole = read_choices(table(), TWO_STEP)
    part = read_choices(table(), replace(TWO_STEP, columns=columns))
    pd.testing.assert_frame_equal(part[whole.columns], whole)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.sample(frac=1, random_state=1),
        lambda t: t[t.columns[::-1]].assign(more="x"),
        lambda t: t.assign(won=t["won"].astype(str), n=t["n"].astype(float)),
        lambda t: t.assign(won=t["won"].astype(bool), pick=t["pick"].str.upper()),
        lambda t: t.assign(pick=t["pick"].replace("none", None), won=t["won"].astype("Int8")),
        lambda t: t.set_axis(np.zeros(len(t), int), axis=0).astype({"pick": "category"}),
    ],
)
def test_the_form_of_a_table_is_free(change):
    pd.testing.assert_frame_equal(
        read_choices(change(table()), TWO_STEP), read_choices(table(), TWO_STEP)
    )


def test_sessions_are_episodes_and_numbers_have_an_order():
    rows = [(10, day, n) for day in (2, 10) for n in (51, 52)] + [(9, 1, n) for n in (7, 8)]
    given = pd.DataFrame(rows, columns=["who", "day", "n"]).assign(pick=1, won=1)
    trials = read_choices(given, replace(BANDIT, session="day", trial="n"))
    assert trials[["subject", "session", "env", "episode", "trial"]].to_numpy().tolist() == [
        *([9, 1, 0, 0, 0], [9, 1, 0, 0, 1], [10, 2, 1, 0, 0], [10, 2, 1, 0, 1]),
        *([10, 10, 1, 1, 0], [10, 10, 1, 1, 1]),
    ]


def test_gaps_are_missed_trials_where_the_recipe_says_so():
    given = table().drop(index=[0, 4])
    trials = read_choices(given, replace(TWO_STEP, gaps="missed"))
    assert trials["choice"].tolist() == [1, 0, 0, -1, 0, 1, -1, -1, 1]
    assert trials["subject"].tolist() == ["a"] * 3 + ["b"] * 6
    assert trials["second_state"].min() == trials["outcome"].min() == -1


def test_codes_of_several_columns_and_numbers():
    given = pd.DataFrame({"pick": [1, 2, 1], "kind": ["hi", "hi", "lo"], "points": [0, 50, 100]})
    recipe = Recipe(
        task="neurotasks/Bandit-v0",
        columns={
            "choice": Codes("pick", {1: 0, 2: 1}),
            "reward": Number("points", 0, 100, divide=100),
            "regret": Codes(("pick", "kind"), {(1, "hi"): 0.5, (2, "hi"): 0, (1, "lo"): 0.25}),
        },
        keep={"points": "points"},
    )
    trials = read_choices(given, recipe)
    assert trials["reward"].tolist() == [0, 0.5, 1]
    assert trials["outcome"].tolist() == [0, 1, 1]
    assert trials["regret"].tolist() == [0.5, 0, 0.25]
    assert trials["points"].tolist() == [0, 50, 100]


def test_people_who_missed_too_many_are_left_out():
    trials = read_choices(table(), replace(TWO_STEP, most_missed=0))
    assert trials["subject"].unique().tolist() == ["a"]
    assert trials["env"].unique().tolist() == [0]
    with pytest.raises(ForeignTableError, match="at most 0 missed trials; got 1 or more in all"):
        read_choices(table()[:6], replace(TWO_STEP, most_missed=0))


def shifted(t):
    return t.assign(pick=t["pick"].map({"left": 1, "right": 2}))


REFUSED = {
    "unknown code": (lambda t: t.replace("left", "middle"), r"must hold left, right; got 'middle'"),
    "empty cells": (
        lambda t: t.assign(won=t["won"].astype(float).where(t["n"] != 7)),
        r"\(outcome\) must hold 1, 0; got nothing in 1 row\(s\), first in row 6. If these trials",
    ),
    "reward out of range": (
        lambda t: t.assign(won=t["won"] * 5),
        r"'won' \(outcome\) must hold 1, 0; got '5' in",
    ),
    "half": (lambda t: t.assign(won=t["won"] / 2), r"got '0.5' in"),
    "gap": (lambda t: t.drop(index=50), r"must follow each other; got 52 after 50 in row 50 of"),
    "first trial lost": (lambda t: t.drop(index=0), r"got 2 after the start in row 0 of subject x"),
    "numbers from 0": (lambda t: t.assign(n=t["n"] - 1), "'n' must count trials from 1; got 0 in"),
    "no number": (lambda t: t.assign(n=t["n"] + 0.5), "'n' must number the trials; got 1.5 in 1"),
    "person twice": (
        lambda t: pd.concat([t, t], ignore_index=True),
        r"must be in one row; got that of subject x numbered 1 in rows 0, 200",
    ),
    "no subject": (lambda t: t.assign(who=None), "must name the subject or session of each row"),
    "one transition": (
        lambda t: t.assign(planet=t["planet"].where(t["n"] != 7, "red"), pick="right"),
        "contradict each other, first in row",
    ),
    "transitions exchanged": (
        lambda t: t.assign(kind=t["kind"].map({"common": "rare", "rare": "common"})),
        "200 of 200 trials .* All do: exchange the codes of the states",
    ),
    "column lacks": (lambda t: t.drop(columns="won"), r"must have the column\(s\) won; got who, n"),
    "column elsewhere": (lambda t: t.set_index("n"), r"The index holds n: call reset_index"),
    "column spelt": (lambda t: t.rename(columns={"won": "Won"}), "It has 'Won' for 'won'."),
    "column twice": (lambda t: pd.concat([t, t[["won"]]], axis=1), "must have each column once"),
    "no rows": (lambda t: t[:0], "must have trials; got 0 rows"),
    "no table": (lambda t: t.to_numpy(), "must be a DataFrame or the path of a file; got ndarray"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    change, message = REFUSED[case]
    read_choices(many(), TWO_STEP)
    with pytest.raises(ValueError, match=message):
        read_choices(change(many()), TWO_STEP)


def test_numbers_from_1_where_the_recipe_has_0():
    from_0 = replace(TWO_STEP, first_trial=0)
    with pytest.raises(ForeignTableError, match="Numbers from 1 need first_trial=1 in the recipe"):
        read_choices(table(), from_0)
    for recipe, first in ((from_0, 0), (TWO_STEP, 1)):
        numbered = table().assign(n=table()["n"] - 1 + first)
        with pytest.raises(ForeignTableError, match=r"1 gap\(s\) in all\. If missed"):
            read_choices(numbered.drop(index=2), recipe)


def test_zeros_and_ones_are_not_taken_for_missed_ones_and_left():
    one_two = replace(
        BANDIT, columns={**BANDIT.columns, "choice": Codes("pick", {1: 0, 2: 1, 0: -1})}
    )
    rng = np.random.default_rng(0)
    given = pd.DataFrame({"who": 1, "pick": rng.integers(1, 3, 100), "won": 1})
    assert (read_choices(given, one_two)["choice"] == given["pick"] - 1).all()
    with pytest.raises(ForeignTableError, match=r"All codes .* must be used .* got no 2 in 100"):
        read_choices(given.assign(pick=given["pick"] - 1), one_two)


@pytest.mark.parametrize("shift", [-1, 1])
def test_ones_and_twos_are_not_taken_for_zeros_and_ones(shift):
    given = pd.DataFrame({"who": 1, "pick": [1, 2] * 20, "won": 1})
    message = f"The table seems to use {1 + shift} and {2 + shift} where the recipe has 1 and 2"
    with pytest.raises(ForeignTableError, match=message):
        read_choices(given.assign(pick=given["pick"] + shift), BANDIT)


def test_states_exchanged_are_found_by_their_transitions():
    columns = {name: entry for name, entry in TWO_STEP.columns.items() if name != "common"}
    recipe = replace(
        TWO_STEP, columns={**columns, "second_state": Codes("planet", {"red": 1, "blue": 0})}
    )
    with pytest.raises(ForeignTableError, match="More than half of the transitions must be common"):
        read_choices(many(), recipe)


def test_without_numbers_rows_of_a_person_must_be_together():
    given = pd.DataFrame({"who": [1, 1, 2, 1], "pick": 1, "won": 1, "ms": [1, 2, 1, 3]})
    with pytest.raises(ForeignTableError, match="got those of subject 1 again from row 3 on"):
        read_choices(given, BANDIT)
    ordered = read_choices(given[::-1], replace(BANDIT, order="ms", keep={"ms": "ms"}))
    assert ordered["ms"].tolist() == [1, 2, 3, 1]


def test_one_person_under_two_names_is_warned_of():
    twice = pd.concat([many(), many().assign(who="y")])
    with pytest.warns(UserWarning, match="x and y have the same choices and outcomes throughout"):
        read_choices(twice, TWO_STEP)
    read_choices(pd.concat([many(), many(seed=1).assign(who="y")]), TWO_STEP)


def test_what_a_row_tells_of_the_one_before_must_be_true():
    rng = np.random.default_rng(0)
    given = pd.DataFrame({"who": 1, "pick": rng.integers(1, 3, 50), "won": rng.integers(0, 2, 50)})
    given["before"] = given["pick"].shift(fill_value=2)
    given["won_before"] = given["won"].shift(fill_value=0)
    recipe = replace(
        BANDIT,
        predecessor={
            "choice": Codes("before", {1: 0, 2: 1}),
            "outcome": Codes("won_before", {1: 1, 0: 0}),
        },
    )
    trials = read_choices(given, recipe)
    assert trials["choice"].tolist() == [1, *(given["pick"] - 1)]
    assert trials["outcome"].tolist() == [0, *given["won"]]
    given.loc[30, "before"] = 3 - given.loc[30, "before"]
    with pytest.raises(ForeignTableError, match="Each row must tell the choice of the row before"):
        read_choices(given, recipe)


CHOICE, WON = BANDIT.columns["choice"], BANDIT.columns["outcome"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "neurotasks/Bandits-v0"}, "Did you mean 'neurotasks/Bandit-v0'"),
        ({"columns": {"choise": CHOICE}}, "got 'choise'. Did you mean 'choice'"),
        ({"columns": {"choice": CHOICE}}, "must have 'choice', and 'outcome' or 'reward'"),
        ({"columns": {"env": CHOICE}}, "The trial's numbers come from subject, session and trial"),
        ({"columns": [CHOICE]}, "columns must be a mapping; got list"),
        ({"columns": {"choice": "pick", "outcome": WON}}, "must be Codes or a Number; got str"),
        ({"columns": {"choice": CHOICE, "outcome": Codes("won", {1: 2})}}, r"in \[-1, 1\]"),
        ({"columns": {"choice": CHOICE, "outcome": Codes("won", {1: 0.5})}}, "got 0.5"),
        (
            {"columns": {"choice": CHOICE, "outcome": Codes("w", {1: 1, "1": 0})}},
            "different values",
        ),
        ({"columns": {"choice": Number("pick", 0, 1), "outcome": WON}}, "fill a column of numbers"),
        ({"columns": {"choice": CHOICE, "reward": Number("won", 1, 0)}}, "must have low < high"),
        ({"gaps": "ignored"}, "gaps must be 'refused' or 'missed'; got 'ignored'"),
        ({"trial": "n", "order": "ms"}, "trial and order cannot both be given"),
        ({"missed": {"pick": "none"}}, "must hold tuples of values; got 'none' for 'pick'"),
        ({"keep": {"reward": "won"}}, "keep must use other names than the trial table; got reward"),
        ({"keep": {"missed": "won"}}, "keep must use other names than the trial table; got missed"),
        ({"predecessor": {"outcome": WON}}, "predecessor must have a choice"),
    ],
)
def test_recipes_that_are_refused(changes, message):
    with pytest.raises(RecipeError, match=message):
        replace(BANDIT, **changes)


def test_a_two_step_recipe_needs_the_transition():
    with pytest.raises(RecipeError, match="must have 'common' or 'second_state'; got neither"):
        replace(BANDIT, task="neurotasks/TwoStep-v0")


def test_a_recipe_that_is_not_there():
    with pytest.raises(RecipeError, match=r"got 'gillan2061'. Did you mean 'gillan2016'\?"):
        read_choices(table(), "gillan2061")


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_says_what_to_cite(name):
    recipe = RECIPES[name]
    assert all((recipe.source, recipe.citation, recipe.licence, recipe.leaves_out))
