"""The neurons of two monkeys in a two-step task (Miranda et al. 2025, eLife 14:RP106032).

A user downloads the files from github.com/jamesbutler01/TwoStepTask: ``PreparedData.mat``, and for
each area ``AREA/spikes/cell_N.npy`` and ``AREA/trial_timings/cell_N.parquet``, milliseconds. Neuron
N is row N of the area's tables in ``CharlieData/`` and ``JacobData/``, Charlie's first. No licence
is stated, and nothing of them is in this package. Reading them needs the extra ``datasets``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotasks.datasets import read_choices
from neurotasks.errors import ParameterError, require
from neurotasks_baselines.errors import SessionMismatchError, UnreadableRecordingError
from neurotasks_baselines.neurons.recording import BIN, WINDOW, Recording, from_spikes
from neurotasks_baselines.training.progress import track

MONKEYS = "Charlie", "Jacob"
AREAS: Mapping[str, str] = {"ACC": "ACC", "DLPFC": "DLPFC", "Caudate": "DMStr", "Putamen": "DLStr"}
"""Folder of an area -> its name in the tables of neurons."""

EVENTS: Mapping[str, int] = {
    "first_on": 23,
    "first_made": 24,
    "transition": 25,
    "second_on": 33,
    "second_made": 34,
    "reward_cue": 37,
}
"""Event -> its code: first-stage pictures shown and chosen, second-stage state shown, second-stage
pictures shown and chosen, cue of the reward shown. All of them are in every good trial."""
PUMP_ON = 39
TOLERANCE_MS = 2
"""Largest difference of a reaction time between behaviour and recording; they are rounded."""

FIRST_PICTURE_2 = 3
"""The second-stage pictures are 3 and 4 in one state, 5 and 6 in the other."""


def read_behaviour(folder: str | Path) -> pd.DataFrame:
    """Return the good trials of all sessions.

    Args:
        folder: Folder with ``PreparedData.mat``.

    Returns:
        Trial table of `neurotasks.datasets.read_choices` with the recipe ``"miranda2025"``, without
        missed trials, with ``second_choice`` (0, 1) and ``name`` of the session ("Charlie 1").
        As in the authors' regressions (``generate_glm1`` of their ``ImportData.py``), trials with a
        forced choice are among them (``trial_type`` 2 at the first stage, 3 at the second).

    Raises:
        ForeignTableError: If the file is not coded as the recipe says.
        OSError: If there is no such file.
    """
    trials = read_choices(Path(folder) / "PreparedData.mat", "miranda2025")
    trials = trials[trials["choice"] >= 0].reset_index(drop=True)
    second = (trials["picture_2"].astype(np.int64) - FIRST_PICTURE_2) % 2
    name = trials["subject"].astype(str) + " " + trials["session"].astype(str)
    return trials.assign(second_choice=second, name=name)


def read_units(folder: str | Path, area: str) -> pd.DataFrame:
    """Return the table of an area's neurons.

    Args:
        folder: Folder with the folders of the monkeys.
        area: Area, a key of `AREAS`.

    Returns:
        One row per neuron, whose number is the index, in the columns of the files, among them
        ``Subject``, ``Session`` (from 1 within the monkey); and ``name`` of the session.

    Raises:
        ParameterError: If there is no such area.
        DependencyNotInstalled: If openpyxl is not installed.
        OSError: If a file is missing.
    """
    if area not in AREAS:
        raise ParameterError(f"area must be one of {', '.join(AREAS)}; got {area!r}. Choose one.")
    require("openpyxl", "datasets")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of formatting that openpyxl does not know
        tables = [
            pd.read_excel(Path(folder) / f"{m}Data" / f"{m.upper()}_{AREAS[area]}_Units.xlsx")
            for m in MONKEYS
        ]
    units = pd.concat(tables, ignore_index=True)
    return units.assign(name=units["Subject"].astype(str) + " " + units["Session"].astype(str))


def load_monkeys(
    folder: str | Path,
    behaviour: pd.DataFrame,
    events: Iterable[str] = ("reward_cue",),
    *,
    areas: Iterable[str] = tuple(AREAS),
    window: tuple[float, float] = WINDOW,
    bin: float = BIN,
) -> dict[str, list[Recording]]:
    """Read the neurons that are in the folder, and join them with the behaviour of their session.

    Args:
        folder: Folder of the files; neurons may be missing.
        behaviour: Table of `read_behaviour`, to which columns may have been added.
        events: Events, keys of `EVENTS`.
        areas: Areas, keys of `AREAS`.
        window: First and last moment, milliseconds from the event.
        bin: Width of a bin, milliseconds.

    Returns:
        Event -> one recording per area and session.

    Raises:
        SessionMismatchError: If the trials of a neuron are not those of its session, or neurons of
            one session differ in the times of its events.
        UnreadableRecordingError: If there are no neurons, or a file of one is missing or damaged.
        RecordingError: If spikes and events do not fit each other, see `from_spikes`.
        ParameterError: If there is no such event or area.
    """
    folder, events = Path(folder), tuple(events)
    if unknown := [name for name in events if name not in EVENTS]:
        raise ParameterError(
            f"events must be among {', '.join(EVENTS)}; got {', '.join(map(repr, unknown))}."
        )
    sessions = dict(list(behaviour.groupby("name")))
    found: dict[str, list[Recording]] = {event: [] for event in events}
    files = [(area, number) for area in areas for number in _numbers(folder, area)]
    if not files:
        raise UnreadableRecordingError(
            f"{folder} must hold folders {', '.join(areas)} with spikes/cell_N.npy; got none. Give "
            "the folder that holds PreparedData.mat."
        )
    tables = {area: read_units(folder, area) for area in areas}
    shared: dict[tuple[str, str], list[int]] = {}
    for area, number in files:
        if number not in tables[area].index:
            raise UnreadableRecordingError(
                f"{area}: the tables have {len(tables[area])} neurons; got a file of neuron "
                f"{number}. Take files and tables of the same download."
            )
        shared.setdefault((area, str(tables[area]["name"][number])), []).append(number)
    for (area, session), numbers in track(shared.items(), "recordings", len(shared)):
        if session not in sessions:
            raise SessionMismatchError(
                f"{area}: neuron {numbers[0]} was recorded in session {session}, which the "
                "behaviour lacks. Pass the behaviour of all sessions."
            )
        trials, spikes, clocks = sessions[session], [], []
        for number in numbers:
            times, timings = _read_neuron(folder / area, number)
            clocks.append(join(trials, timings, f"{area} neuron {number}, session {session}"))
            spikes.append(times)
            if any((clocks[-1][event] != clocks[0][event]).any() for event in EVENTS):
                raise SessionMismatchError(
                    f"{area}: the neurons of session {session} must have the same times of events; "
                    f"got others of neuron {number} than of neuron {numbers[0]}. Download both "
                    "again."
                )
        for event in events:
            found[event].append(
                from_spikes(
                    spikes,
                    clocks[0][event],
                    trials,
                    window=window,
                    bin=bin,
                    area=area,
                    session=session,
                    neurons=[f"{area} {number}" for number in numbers],
                )
            )
    return found


def _numbers(folder: Path, area: str) -> list[int]:
    paths = (folder / area / "spikes").glob("cell_*.npy")
    return sorted(int(path.stem.removeprefix("cell_")) for path in paths)


def _read_neuron(folder: Path, number: int) -> tuple[NDArray[np.int32], pd.DataFrame]:
    try:
        spikes = np.load(folder / "spikes" / f"cell_{number}.npy")
        timings = pd.read_parquet(folder / "trial_timings" / f"cell_{number}.parquet")
    except (OSError, ValueError) as error:  # pyarrow's and numpy's are among them
        raise UnreadableRecordingError(
            f"Neuron {number} of {folder.name} must have readable files of spikes and of trial "
            f"timings; got {error}. Download it again."
        ) from error
    return spikes, timings


def join(trials: pd.DataFrame, timings: pd.DataFrame, whose: str) -> dict[str, NDArray[np.float64]]:
    """Return when the events of each trial of a session happened, once it is the same session.

    The recording has no number of a session. It is the same one if it has as many trials, in each
    trial the same two reaction times to 2 ms, and juice in the same trials.

    Args:
        trials: Good trials of the session, with ``rt_1``, ``rt_2`` and ``juice_ms``, milliseconds.
        timings: Events of the neuron: ``trial_number`` from 0, ``codes``, ``times`` in
            milliseconds.
        whose: Name of the neuron, for the message.

    Returns:
        Event (a key of `EVENTS`) -> its time in each trial, milliseconds, (trials,).

    Raises:
        SessionMismatchError: If it is not the same session, or events are missing or out of order.
    """

    def refuse(expected: str, got: str) -> SessionMismatchError:
        return SessionMismatchError(
            f"{whose}: {expected}; got {got}. Look up in which session it was recorded."
        )

    n = len(trials)
    by_code = dict(list(timings.groupby("codes")))
    found: dict[str, NDArray[np.float64]] = {}
    for event, code in EVENTS.items():
        rows = by_code.get(code, timings.iloc[:0])
        if not np.array_equal(rows["trial_number"], np.arange(n)):
            raise refuse(
                f"the event {event} must come once in each of the {n} good trials",
                f"{len(rows)} events in {rows['trial_number'].nunique()} trials",
            )
        found[event] = rows["times"].to_numpy(np.float64)
    in_order = np.stack([found[event] for event in EVENTS], axis=1).ravel()
    if (np.diff(in_order) < 0).any():
        where = int(np.argmax(np.diff(in_order) < 0)) // len(EVENTS)
        raise refuse("the events must rise in time", f"others in trial {where}")
    for name, on, made in (
        ("rt_1", "first_on", "first_made"),
        ("rt_2", "second_on", "second_made"),
    ):
        off = np.abs(found[made] - found[on] - trials[name].to_numpy(np.float64))
        if not (off <= TOLERANCE_MS).all():
            raise refuse(
                f"{name} must be that of the behaviour, to {TOLERANCE_MS} ms",
                f"{int((~(off <= TOLERANCE_MS)).sum())} of {n} trials with another one",
            )
    paid = np.isin(np.arange(n), by_code.get(PUMP_ON, timings.iloc[:0])["trial_number"])
    if (other := paid != (trials["juice_ms"].to_numpy() > 0)).any():
        raise refuse(
            "juice must come in the same trials as in the behaviour",
            f"{int(other.sum())} of {n} trials that differ",
        )
    return found
