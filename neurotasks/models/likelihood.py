"""The likelihood of choices in a trial table under a model."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neurotasks.columns import TRIAL as KEYS, Column, as_frame, converted
from neurotasks.core.records import zeroed
from neurotasks.errors import TrialTableError, require
from neurotasks.models.loops import TRIAL
from neurotasks.models.model import Model
from neurotasks.models.rules import STEP

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 2**31 - 1
NO_WORLD = np.zeros(0, np.bool_), np.zeros((0, 0, 0))
NO_DRAWS = np.zeros((0, 2))


class Likelihood:
    """Log likelihood of somebody's choices under a model, with its exact gradient.

    Args:
        model: The model.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._real, self._dual = model.workspace(np.float64), model.workspace(np.complex128)
        self._slopes = np.zeros(len(self._dual.p))
        self._loops = model.loops
        free = len(self._dual.spread)
        self._dual.table[:free].imag = STEP * self._dual.spread

    def __call__(
        self, trials: NDArray[np.void], values: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64]]:
        """Return the log likelihood of the choices that count, and its gradient.

        Args:
            trials: One person's records of `neurotasks.models.loops.TRIAL`, (trials,).
            values: Values of the parameters that are fitted, (parameters,).

        Returns:
            The log likelihood, and its derivatives, (parameters,).
        """
        work = self._dual
        work.table.real = work.fixed + values @ work.spread
        arrays = work.p, work.matters, work.states, work.first, work.second, self._slopes
        value: float = self._loops.gradient(trials, *arrays)
        return value, self._slopes[: len(values)].copy()

    def per_choice(
        self, trials: NDArray[np.void], values: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the log probability of each choice, 0 where there was none.

        Args:
            trials: As for a call.
            values: As for a call.

        Returns:
            Log probabilities of the choices at the first and the second stage, (trials, 2).
        """
        work, found = self._real, np.zeros((len(trials), 2))
        work.table[:] = work.fixed + values @ work.spread
        arrays = work.p, work.states, work.first, work.second, found
        self._loops.run(trials, False, NO_WORLD, NO_DRAWS, *arrays)
        return found

    def states(self, trials: NDArray[np.void], values: NDArray[np.float64]) -> NDArray[np.void]:
        """Return the state before each trial.

        Args:
            trials: As for a call.
            values: As for a call.

        Returns:
            Records of the fields in ``model.state``, (trials,).
        """
        work = self._real
        work.table[:] = work.fixed + values @ work.spread
        found: NDArray[np.void] = zeroed(len(trials), work.states.dtype)
        self._loops.trace(trials, work.p, work.states, found)
        return found


def log_probabilities(
    model: Model, trials: pd.DataFrame, values: Mapping[str, float]
) -> pd.DataFrame:
    """Return the log probability of every choice in a trial table.

    Args:
        model: The model.
        trials: Trial table, see `people`.
        values: Values of the parameters that are not fixed, by name.

    Returns:
        Columns ``first`` and ``second``, one row per row of the table: the log probability of the
        choice at each stage, 0 where there was none. Their sum is the log likelihood.

    Raises:
        TrialTableError: See `people`.
        UnknownParameterError: If the model has no such parameter.
        ParameterError: If a value is missing or outside its range.
    """
    pd = require("pandas", "analysis")
    likelihood, vector = Likelihood(model), model.vector(values)
    found = pd.DataFrame(0.0, index=range(len(trials)), columns=["first", "second"])
    for rows, records in people(model, trials).values():
        found.iloc[rows] = likelihood.per_choice(records, vector)
    return found.set_axis(trials.index)


def people(
    model: Model, trials: pd.DataFrame, by: str = "env"
) -> dict[Hashable, tuple[NDArray[np.int64], NDArray[np.void]]]:
    """Return the trials of every person, or animal or network, as a model reads them.

    A trial that lacks a choice, a second-stage state, a reward or an outcome, if the model needs
    it, was missed: its choices do not count, and nothing is learned from it. Without an outcome
    yet with a reward above 0 it paid something between the best and none, and is learned from.

    Args:
        model: The model.
        trials: Trial table with the columns ``env``, ``episode``, ``trial``, ``choice``
            (-1 where none was made), ``reward`` or ``outcome``; for a task of two stages
            ``second_state``, and where one is made there ``second_choice``.
        by: Column that tells persons apart; a model begins anew in each of their episodes.

    Returns:
        Person -> positions of the rows in the table, and records of
        `neurotasks.models.loops.TRIAL`, each (trials,) and in order.

    Raises:
        TrialTableError: If the table is empty, lacks a column, holds something else than these
            columns may hold or a trial twice, or somebody has no choice.
    """
    frame = as_frame(trials)
    reward = "reward" if "reward" in frame.columns else "outcome"
    columns = {name: _column(name, 0, LARGEST) for name in KEYS}
    columns["choice"] = _column("choice, from 0; -1 none", -1, model.options - 1)
    if model.second_options > 0:
        columns["second_state"] = _column("second-stage state, 0 or 1; -1 none", -1, 1)
    if model.second_options > 1:
        last = model.second_options - 1
        columns["second_choice"] = _column("second-stage choice, from 0; -1 none", -1, last)
    columns[reward] = Column("reward of the trial", np.dtype(np.float64), -np.inf, np.inf)
    if "outcome" in frame.columns:
        columns["outcome"] = Column("outcome; -1 none", np.dtype(np.float64), -1, 1)
    missing = [name for name in [*columns, by] if name not in frame.columns]
    if missing or frame.empty:
        raise TrialTableError(
            f"A trial table for the model {model.name} must have rows and the columns "
            f"{', '.join(dict.fromkeys([*columns, by]))}; got {len(frame)} rows"
            f"{', without ' + ', '.join(missing) if missing else ''}. Rename columns, or for a "
            "task without second choices take model.one_choice()."
        )
    new = {name: converted(name, frame[name].to_numpy(), c) for name, c in columns.items()}
    if "outcome" not in new and np.isnan(new["reward"]).all():
        raise TrialTableError("The column 'reward' must hold numbers; got NaN only. Fill it in.")
    valid = ~np.isnan(new[reward]) & ((new.get("outcome", np.zeros(1)) >= 0) | (new[reward] > 0))
    records = zeroed(len(frame), TRIAL)
    for name in ("choice", "second_state", "second_choice"):
        if name in columns:
            valid &= new[name] >= 0
            records[name] = np.maximum(new[name], 0)
    records["choice"] = np.where(valid, records["choice"], -1)
    records["reward"] = np.where(valid, new[reward], 0.0)
    records["counts"] = True
    order = np.lexsort((new["trial"], new["episode"], new["env"]))
    _refuse_repeated(np.stack([new[name] for name in KEYS], axis=1)[order])
    key = np.stack([new["env"], new["episode"]], axis=1)[order]
    records["begins"][order] = np.append(True, (np.diff(key, axis=0) != 0).any(axis=1))
    person = frame[by].to_numpy()[order]
    found = {}
    for label, rows in require("pandas", "analysis").Series(order).groupby(person, sort=True):
        chosen = records[rows]
        if not (chosen["choice"] >= 0).any():
            raise TrialTableError(
                f"A model is fitted to choices; got none of {by} {label}. Leave out who has none."
            )
        found[label] = rows.to_numpy(), chosen
    return found


def _column(doc: str, low: float, high: float) -> Column:
    return Column(doc, np.dtype(np.int64), low, high)


def _refuse_repeated(keys: NDArray[np.int64]) -> None:
    again = np.flatnonzero((np.diff(keys, axis=0) == 0).all(axis=1))
    if again.size:
        what = ", ".join(f"{name} {v}" for name, v in zip(KEYS, keys[again[0]], strict=True))
        raise TrialTableError(
            f"A trial table must hold each trial once; got {what} twice. Give each person and "
            "session an env or episode of their own."
        )
