"""What must be true of a whole foreign table, and not of its single values."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from neurotasks.columns import TRIAL
from neurotasks.datasets.recipe import Codes, Recipe
from neurotasks.errors import ForeignTableError

if TYPE_CHECKING:
    import pandas as pd

ENOUGH = 10  # trials that show how missed ones are coded
MANY = 100  # trials that show which transitions are common
MANY_MISSED = 0.25  # fraction of missed trials from which on a code that is never used is suspect


def whose(row: pd.Series) -> str:
    """Return the subject and session of a trial in words."""
    session = f", session {row['session']}" if "session" in row else ""
    return f"subject {row['subject']}{session}"


def refuse_repeated(trials: pd.DataFrame) -> None:
    """Refuse a trial that is there twice.

    Raises:
        ForeignTableError: If one is.
    """
    again = trials.duplicated(list(TRIAL)).to_numpy()
    if again.any():
        row = trials[again].iloc[0]
        same = trials[(trials[list(TRIAL)] == row[list(TRIAL)]).all(axis=1)]
        copies = int(trials[again].groupby(["env", "episode"]).ngroups)
        raise ForeignTableError(
            f"Each trial must be in one row; got that of {whose(row)} numbered {row['number']} in "
            f"rows {', '.join(map(str, same['row'].tolist()[:4]))} (repeated trials in {copies} "
            "subject(s) or session(s)). Name the column of sessions in the recipe, give different "
            "people different names, or drop copies with drop_duplicates()."
        )


def refuse_scattered(trials: pd.DataFrame) -> None:
    """Refuse a subject or session whose rows are apart, where nothing orders them.

    Raises:
        ForeignTableError: If there is one.
    """
    key = trials[["env", "episode"]]
    starts = (key != key.shift()).any(axis=1)
    again = (starts & key[starts].duplicated().reindex(trials.index, fill_value=False)).to_numpy()
    if again.any():
        row = trials[again].iloc[0]
        raise ForeignTableError(
            "Without a column that numbers the trials, the rows of a session must be together; got "
            f"those of {whose(row)} again from row {row['row']} on. Name the column of trials, of "
            "sessions or of times in the recipe, or give different people different names."
        )


def refuse_other_predecessors(trials: pd.DataFrame, recipe: Recipe) -> None:
    """Refuse rows that tell something else of the trial before than the row before them holds.

    Args:
        trials: Rows in order, numbered from 0 in each session.
        recipe: What they tell.

    Raises:
        ForeignTableError: If there is one.
    """
    for name in recipe.predecessor:
        wrong = (trials["trial"] > 0) & (trials[name].shift() != trials[f"before {name}"])
        if wrong.any():
            row = trials[wrong].iloc[0]
            raise ForeignTableError(
                f"Each row must tell the {name} of the row before it; got "
                f"{row[f'before {name}']:g} in row {row['row']} of {whose(row)}, after one with "
                f"{trials[name].shift()[wrong].iloc[0]:g}. Put in the rows that were taken out, or "
                "use a recipe without predecessor."
            )


def raise_for_gap(trials: pd.DataFrame, recipe: Recipe) -> NoReturn:
    """Refuse numbers of trials that are left out.

    Raises:
        ForeignTableError: Always.
    """
    sorted_trials = trials.sort_values(list(TRIAL), ignore_index=True)
    before = sorted_trials.groupby(["env", "episode"])["trial"].shift(fill_value=-1)
    wrong = sorted_trials["trial"] != before + 1
    row, last = sorted_trials[wrong].iloc[0], before[wrong].iloc[0]
    step = f"{row['number'] - (row['trial'] - last)}" if last >= 0 else "the start"
    starts = sorted_trials.groupby(["env", "episode"])["number"].first().unique()
    from_1 = last < 0 and starts.tolist() == [1]
    hint = "Numbers from 1 need first_trial=1 in the recipe. " if from_1 else ""
    raise ForeignTableError(
        f"The numbers in {recipe.trial!r} must follow each other; got {row['number']} after {step} "
        f"in row {row['row']} of {whose(row)}, and {int(wrong.sum())} gap(s) in all. {hint}If "
        "missed trials were taken out, let the recipe have gaps='missed'; if rows were lost, put "
        "them in."
    )


def refuse_other_transitions(trials: pd.DataFrame) -> None:
    """Refuse transitions that contradict choice and second-stage state.

    Raises:
        ForeignTableError: If there is one.
    """
    done = trials[~trials["missed"] & (trials["second_state"] >= 0)]
    wrong = (done["common"] == 1) != (done["choice"] == done["second_state"])
    if wrong.any():
        row = done[wrong].iloc[0]
        raise ForeignTableError(
            "A common transition must lead from choice 0 to state 0 and from choice 1 to state 1, "
            f"a rare one to the other; got {int(wrong.sum())} of {len(done)} trials in which "
            "choice, state and transition contradict each other, first in row "
            f"{row['row']} of {whose(row)} (choice {row['choice']:g}, state "
            f"{row['second_state']:g}, {'common' if row['common'] == 1 else 'rare'}). "
            + (
                "All do: exchange the codes of the states, or of the transitions."
                if wrong.all()
                else "Correct those rows, or the codes in the recipe."
            )
        )


def refuse_unlikely(trials: pd.DataFrame, recipe: Recipe) -> None:
    """Refuse codes that fit every value and are those of something else nevertheless.

    Raises:
        ForeignTableError: If many trials are missed and a code is never used, as where 0 and 1 are
            read as missed and left; or most transitions are rare.
    """
    missed = trials["missed"].to_numpy()
    for name in ("choice", "outcome"):
        entry = recipe.columns.get(name)
        if not isinstance(entry, Codes) or len(trials) < ENOUGH or missed.mean() <= MANY_MISSED:
            continue
        used = set(trials[name][~missed].tolist())
        never = [key for key, value in entry.codes.items() if value >= 0 and value not in used]
        if never:
            raise ForeignTableError(
                f"All codes of the column {entry.source!r} ({name}) must be used where many trials "
                f"are missed; got no {', '.join(map(repr, never))} in {len(trials)} trials, of "
                f"which {int(missed.sum())} are missed. Check whether the table's missed trials "
                f"are coded as the recipe has it: {dict(recipe.missed) or dict(entry.codes)}."
            )
    if "common" in trials and (~missed).sum() >= MANY:
        common = float(trials["common"][~missed].mean())
        if common < 0.5:
            raise ForeignTableError(
                f"More than half of the transitions must be common; got {common:.0%} of "
                f"{int((~missed).sum())}. Exchange the codes of the transitions, or of the "
                "second-stage states."
            )


def warn_of_copies(trials: pd.DataFrame) -> None:
    """Warn of subjects who did the same throughout: one person's data under two names, it seems.

    Args:
        trials: Rows sorted by ``env``.
    """
    names = [n for n in ("episode", "trial", "choice", "outcome", "second_state") if n in trials]
    rows, missed = trials[names].to_numpy(np.int64), trials["missed"].to_numpy(np.bool_)
    starts = np.flatnonzero(np.diff(trials["env"], prepend=-1))
    seen: dict[bytes, object] = {}
    for start, end in zip(starts, [*starts[1:], len(trials)], strict=True):
        subject, did = trials["subject"].iloc[start], rows[start:end].tobytes()
        if (~missed[start:end]).sum() < ENOUGH:
            continue
        if did in seen:
            warnings.warn(
                f"The subjects {seen[did]} and {subject} have the same choices and outcomes "
                "throughout, so they may be one. Leave one of them out.",
                UserWarning,
                stacklevel=3,
            )
        seen[did] = subject
