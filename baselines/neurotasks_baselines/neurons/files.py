"""The user's own neurons: arrays, NWB and Parquet files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotasks.datasets import RECIPES, Recipe, read_choices, read_nwb
from neurotasks_baselines.errors import MissingVariableError
from neurotasks_baselines.neurons.recording import BIN, WINDOW, Recording, from_spikes

Floats = NDArray[np.float64]

MS = 1000.0  # in a second: NWB has seconds


def read_nwb_units(
    path: Path | str,
    event: str,
    *,
    recipe: Recipe | str | None = None,
    area: str = "location",
    window: tuple[float, float] = WINDOW,
    bin: float = BIN,
) -> list[Recording]:
    """Read the units of an NWB file (Neurodata Without Borders).

    Args:
        path: Path of the file, one session.
        event: Column of the table of trials with the time of the event, seconds; NaN where a trial
            lacks it.
        recipe: Recipe that brings the trials to the trial table of a task, see
            `neurotasks.datasets.read_choices`. None: as they are.
        area: Column of the table of units with the area; without it all units are of one area "".
        window: First and last moment, milliseconds from the event.
        bin: Width of a bin, milliseconds.

    Returns:
        One recording per area; its session is the name of the file.

    Raises:
        MissingVariableError: If the trials lack the event, or there are no spike times.
        ForeignTableError: If it is no NWB file, or the trials are not coded as the recipe says.
        RecordingError: If spikes and events do not fit each other, see `from_spikes`.
        DependencyNotInstalled: If pynwb is not installed.
        OSError: If there is no such file.
    """
    tables = read_nwb(path)
    if "spike_times" not in tables.units:
        raise MissingVariableError(
            f"{path} must have units with spike_times; got columns "
            f"{', '.join(map(str, tables.units.columns)) or 'none'}. Add units to the file."
        )
    units = tables.units.reset_index(names="neuron")
    trials = _joined(tables.trials, event, recipe, str(path))
    return _by_area(
        [MS * np.asarray(times, np.float64) for times in units["spike_times"]],
        units["neuron"].astype(str),
        units[area].astype(str) if area in units else pd.Series("", units.index),
        MS * trials[event].to_numpy(np.float64),
        trials,
        Path(path).stem,
        window,
        bin,
    )


def read_parquet_spikes(
    spikes: Path | str,
    trials: Path | str,
    event: str,
    *,
    recipe: Recipe | str | None = None,
    window: tuple[float, float] = WINDOW,
    bin: float = BIN,
) -> list[Recording]:
    """Read neurons from two Parquet files, one of spikes and one of trials.

    Args:
        spikes: Table with one row per spike: ``neuron``, ``time_ms``, and optionally ``area``.
        trials: Table with one row per trial.
        event: Column of the trials with the time of the event, milliseconds; NaN where a trial
            lacks it.
        recipe: As for `read_nwb_units`.
        window: First and last moment, milliseconds from the event.
        bin: Width of a bin, milliseconds.

    Returns:
        One recording per area; its session is the name of the file of trials.

    Raises:
        MissingVariableError: If a column is missing.
        ForeignTableError: If the trials are not coded as the recipe says.
        RecordingError: If spikes and events do not fit each other, see `from_spikes`.
        OSError: If there is no such file.
    """
    table, behaviour = pd.read_parquet(spikes), pd.read_parquet(trials)
    if missing := [name for name in ("neuron", "time_ms") if name not in table]:
        raise MissingVariableError(
            f"{spikes} must have the columns neuron and time_ms; got none called "
            f"{', '.join(missing)}. Rename its columns."
        )
    joined = _joined(behaviour, event, recipe, str(trials))
    table = table if "area" in table else table.assign(area="")
    groups = list(table.groupby(["area", "neuron"], sort=True))
    return _by_area(
        [rows["time_ms"].to_numpy(np.float64) for _, rows in groups],
        pd.Series([str(neuron) for (_, neuron), _ in groups]),
        pd.Series([str(area) for (area, _), _ in groups]),
        joined[event].to_numpy(np.float64),
        joined,
        Path(trials).stem,
        window,
        bin,
    )


def _joined(
    trials: pd.DataFrame, event: str, recipe: Recipe | str | None, path: str
) -> pd.DataFrame:
    """Return the trial table with the times of the event, which the recipe keeps."""
    if event not in trials:
        raise MissingVariableError(
            f"The trials of {path} must have the event {event!r} as a column; got "
            f"{', '.join(map(str, trials.columns))}. Name one of these."
        )
    if recipe is None:
        return trials
    recipe = RECIPES.get(recipe, recipe) if isinstance(recipe, str) else recipe
    if isinstance(recipe, Recipe):
        recipe = replace(recipe, keep={**recipe.keep, event: event})
    return read_choices(trials, recipe)


def _by_area(
    spikes: list[Floats],
    names: pd.Series,
    areas: pd.Series,
    events: Floats,
    trials: pd.DataFrame,
    session: str,
    window: tuple[float, float],
    bin: float,
) -> list[Recording]:
    found = []
    for area in areas.unique():
        here = np.flatnonzero(areas == area)
        one = from_spikes(
            [spikes[i] for i in here],
            events,
            trials,
            window=window,
            bin=bin,
            area=area,
            session=session,
            neurons=[str(names.iloc[i]) for i in here],
        )
        found.append(one)
    return found
