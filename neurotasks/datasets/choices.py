"""Foreign tables of choices to trial tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.columns import TRIAL, as_frame, checked
from neurotasks.datasets import checks
from neurotasks.datasets.coding import Coded
from neurotasks.datasets.recipe import Codes, Recipe
from neurotasks.datasets.recipes import RECIPES
from neurotasks.datasets.tables import read_table
from neurotasks.errors import ForeignTableError, RecipeError, nearest, require

if TYPE_CHECKING:
    import pandas as pd


def read_choices(table: pd.DataFrame | Path | str, recipe: Recipe | str) -> pd.DataFrame:
    """Bring a foreign table to the trial table of a task.

    Nothing is guessed: a value without a code, a number out of its range, a trial left out or there
    twice, a transition that contradicts choice and state are refused, with the row.

    Args:
        table: The table, or the path of a CSV, Excel, MATLAB, Parquet or NWB file, or of a folder
            of such files (see `neurotasks.datasets.tables`).
        recipe: The recipe, or the name of one in `RECIPES`.

    Returns:
        One row per trial, sorted by ``env`` (subject, from 0), ``episode`` (session, from 0) and
        ``trial`` (from 0), with the columns that the recipe fills; ``reward`` and ``trial_reward``;
        of the two-step task ``common`` and ``second_state``; ``subject`` and, if there are any,
        ``session`` as the foreign table names them; and what the recipe keeps. Missed trials have
        choice and outcome -1 and reward 0. It fits `neurotasks.trials.check_trials`.

    Raises:
        ForeignTableError: If the table is not coded as the recipe says.
        RecipeError: If there is no recipe of that name.
        DependencyNotInstalled: If what reads the file is not installed.
        OSError: If there is no such file.

    Warns:
        UserWarning: If two subjects have the same choices and outcomes throughout.
    """
    pd, by = require("pandas", "analysis"), _recipe(recipe)
    if isinstance(table, (str, os.PathLike)):
        table = read_table(Path(table), by)
    if not isinstance(table, pd.DataFrame):
        raise ForeignTableError(
            f"table must be a DataFrame or the path of a file; got {type(table).__name__}. Make "
            "one with pandas.DataFrame(...)."
        )
    frame = _trials_only(_named(table, by), by)
    trials = _without_bad_subjects(_coded(frame, by), by)
    trials = _numbered(trials, by)
    checks.refuse_repeated(trials)
    trials = _with_gaps_filled(trials, by)
    _derive(trials, by)
    checks.refuse_unlikely(trials, by)
    checks.warn_of_copies(trials)
    filled = [name for name in by.documented if name in trials]
    trials = checked(trials, by.found, filled, missing=True)
    added = ["subject", *(["session"] if by.sessions else []), *by.keep]
    shown = [name for name in added if name in trials]
    return trials[[*filled, *shown]].reset_index(drop=True)


def _recipe(recipe: Recipe | str) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    if not isinstance(recipe, str) or recipe not in RECIPES:
        raise RecipeError(
            f"recipe must be a Recipe or the name of one; got {recipe!r}. "
            f"{nearest(str(recipe), RECIPES)}"
        )
    return RECIPES[recipe]


def _named(table: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Return the columns that the recipe needs or keeps."""
    used = {*recipe.sources, *recipe.keep.values()}
    frame = as_frame(table.loc[:, [name in used for name in table.columns]])
    if missing := [name for name in recipe.sources if name not in frame.columns]:
        there = [str(name) for name in table.columns]
        plain = {name.strip().casefold(): name for name in there}
        alike = [f"{plain[n.casefold()]!r} for {n!r}" for n in missing if n.casefold() in plain]
        hint = f"It has {', '.join(alike)}. " if alike else ""
        if levels := [name for name in table.index.names if name in missing]:
            hint = f"The index holds {', '.join(levels)}: call reset_index(). "
        raise ForeignTableError(
            f"The table must have the column(s) {', '.join(missing)}; got "
            f"{', '.join(there) or 'none'}. {hint}Rename its columns, or change the recipe."
        )
    return frame.reset_index(drop=True)


def _trials_only(frame: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Return the rows that are trials; their index says which row of the table they were."""
    keep = np.ones(len(frame), np.bool_)
    for name, values in recipe.rows.items():
        keep &= Coded(frame).among(name, values)
    if not keep.any():
        which = "; ".join(f"{name} in {list(values)}" for name, values in recipe.rows.items())
        raise ForeignTableError(
            f"The table must have trials; got {len(frame)} rows"
            f"{f', none with {which}' if which else ''}. Look at the table, or change the recipe."
        )
    return frame[keep]


def _coded(frame: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Return subjects, sessions and everything that the recipe codes."""
    coded = Coded(frame)
    missed = np.zeros(len(frame), np.bool_)
    for name, values in recipe.missed.items():
        missed |= coded.among(name, values)
    choices = recipe.columns["choice"]
    if isinstance(choices, Codes):
        missed |= coded.lookup(choices, "choice", missed) == -1
    new: dict[str, Any] = {
        name: coded.values(entry, name, missed) for name, entry in recipe.columns.items()
    }
    new |= {
        f"before {name}": coded.lookup(entry, f"{name} before", np.zeros_like(missed))
        for name, entry in recipe.predecessor.items()
    }
    kept = {name: frame[source] for name, source in recipe.keep.items() if source in frame}
    new |= {"missed": missed, "row": frame.index, **kept}
    if recipe.trial:
        new["number"] = coded.whole_numbers(recipe.trial)
    if recipe.order:
        new["place"] = coded.numbers(recipe.order)
    subject = coded.labels((recipe.subject,)) if recipe.subject else np.zeros(len(frame), np.int64)
    new["subject"] = subject
    if recipe.sessions:
        new["session"] = coded.labels(recipe.sessions)
    return require("pandas", "analysis").DataFrame(new, index=frame.index)


def _without_bad_subjects(trials: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    if recipe.most_missed is None:
        return trials
    count = trials.groupby("subject")["missed"].transform("sum")
    kept = trials[count <= recipe.most_missed]
    if kept.empty:
        raise ForeignTableError(
            f"Some subjects must have at most {recipe.most_missed} missed trials; got "
            f"{int(count.min())} or more in all. Look at how missed trials are coded: "
            f"{dict(recipe.missed)}."
        )
    return kept


def _numbered(trials: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Add env, episode and trial, and sort by them."""
    new = trials.assign(env=_ranks(trials["subject"]), episode=0)
    if recipe.sessions:
        for env in new["env"].unique():
            rows = new["env"] == env
            new.loc[rows, "episode"] = _ranks(new.loc[rows, "session"])
    sessions = new.groupby(["env", "episode"], sort=False)
    if recipe.trial:
        first = recipe.first_trial
        begin = sessions["number"].transform("min") if first is None else first
        new["trial"] = new["number"] - begin
        if (new["trial"] < 0).any():
            row = new[new["trial"] < 0].iloc[0]
            raise ForeignTableError(
                f"{recipe.trial!r} must count trials from {first}; got {row['number']} in row "
                f"{row['row']}. Give the recipe another first_trial, or None."
            )
        return new.sort_values(list(TRIAL), kind="stable", ignore_index=True)
    if recipe.order:
        new = new.sort_values(["env", "episode", "place"], kind="stable")
    else:
        checks.refuse_scattered(new)
        new = new.sort_values(["env", "episode"], kind="stable")
    new["trial"] = new.groupby(["env", "episode"]).cumcount()
    return _with_predecessors(new.reset_index(drop=True), recipe) if recipe.predecessor else new


def _ranks(labels: pd.Series) -> NDArray[np.int64]:
    """Return the places of labels in order: numbers by size, texts by their letters."""
    unique = labels.unique().tolist()
    if not all(isinstance(label, int) for label in unique):
        unique = [str(label) for label in unique]
    places = {label: place for place, label in enumerate(sorted(unique))}
    texts = labels if isinstance(unique[0], int) else labels.astype(str)
    return np.asarray(texts.map(places), np.int64)


def _with_predecessors(trials: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Put the trial before the first in front of each session."""
    checks.refuse_other_predecessors(trials, recipe)
    pd = require("pandas", "analysis")
    first = trials[trials["trial"] == 0].copy()
    for name in recipe.columns:
        first[name] = first.get(f"before {name}", np.nan)
    for name in recipe.keep:
        first = first.drop(columns=name, errors="ignore")
    trials["trial"] += 1
    return pd.concat([first, trials]).sort_values(list(TRIAL), ignore_index=True)


def _with_gaps_filled(trials: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Refuse gaps in the numbers of the trials, or fill them with missed trials."""
    pd = require("pandas", "analysis")
    keys = ["env", "episode"]
    last = trials.groupby(keys)["trial"].max()
    if len(trials) == int((last + 1).sum()):
        return trials
    if recipe.gaps == "refused":
        checks.raise_for_gap(trials, recipe)
    whole = pd.MultiIndex.from_tuples(
        [(*key, trial) for key, end in last.items() for trial in range(end + 1)], names=list(TRIAL)
    )
    if len(whole) > 100 * len(trials):
        checks.raise_for_gap(trials, recipe)
    filled = trials.set_index(list(TRIAL)).reindex(whole).reset_index()
    filled["missed"] = filled["missed"].eq(True) | filled["row"].isna()
    for name in ("subject", *(["session"] if "session" in filled else [])):
        names = trials.drop_duplicates(keys).set_index(keys)[name]
        filled[name] = names.reindex(pd.MultiIndex.from_frame(filled[keys])).to_numpy()
    return filled


def _derive(trials: pd.DataFrame, recipe: Recipe) -> None:
    """Fill the columns that follow from others, and those of missed trials."""
    missed, names = trials["missed"].to_numpy(), recipe.documented
    for name in recipe.columns:
        column = names[name]
        if column.dtype.kind != "f":
            trials[name] = trials[name].fillna(max(column.low, -1))
    if "outcome" not in trials:
        trials["outcome"] = (trials["reward"] > 0).astype(np.int8)
    if "reward" not in trials:
        trials["reward"] = np.maximum(trials["outcome"].astype(np.float64), 0.0)
    if {"common", "second_state"} <= set(names):
        straight = trials["choice"]
        if "second_state" not in trials:
            trials["second_state"] = np.where(trials["common"] == 1, straight, 1 - straight)
        elif "common" not in trials:
            trials["common"] = trials["second_state"] == straight
        else:
            checks.refuse_other_transitions(trials)
        trials.loc[missed, "second_state"] = -1
        trials["common"] = (trials["common"] == 1) & ~missed
    choices = [name for name in ("choice", "second_choice") if name in trials]
    trials.loc[missed, [*choices, "outcome"]] = -1
    trials.loc[missed, "reward"] = 0.0
    if "regret" in trials:
        trials.loc[missed, "regret"] = 0.0
    trials["trial_reward"] = trials["reward"].astype(np.float64)
