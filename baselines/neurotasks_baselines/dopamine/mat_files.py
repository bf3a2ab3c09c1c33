"""The MATLAB file of a neuron: its vectors, and whether they can be times in milliseconds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurotasks_baselines.dopamine.mat_format import NUMERIC, Variable, read_variables
from neurotasks_baselines.dopamine.responses import AFTER, BEFORE
from neurotasks_baselines.errors import (
    MissingVariableError,
    NoSpikesError,
    RecordingShapeError,
    RecordingUnitsError,
    UnreadableRecordingError,
)

Floats = NDArray[np.float64]

FASTEST = 500.0
"""Highest plausible mean firing rate, Hz (ours; the 40 neurons have 1 to 18, counted)."""

INTERVALS = (1000.0, 120_000.0)
"""Shortest and longest plausible median interval between trials, milliseconds (ours; the 40 neurons
have 5 to 8 s, counted). Within a second the baseline would be that of the last trial's reward."""

LATEST = 10_000.0
"""Longest plausible time between a reward and its expected time, milliseconds (ours)."""

COVERED = 0.2
"""Least part of the trials' time that has spikes, and of the spikes that come during the trials
(ours; the 40 neurons have 0.95 to 1 and 0.75 to 0.95)."""

REPEATED = 0.2
"""Largest part of the spikes that may repeat a time (ours; none of those of the 40 neurons do)."""

LARGEST = 1e14  # milliseconds, three thousand years: no time is later, on any clock
SAME = "Copies or rounded numbers, it seems: save each onset once, as a double."
ENOUGH = 20  # spikes that show their unit


class Neuron(NamedTuple):
    """What a file holds of a neuron, in milliseconds.

    Attributes:
        onset: Onset of each trial, NaN where not known.
        kind: Type of each trial, NaN where it is to be left out.
        reward: Time of the reward of each trial, NaN where not recorded.
        spikes: Times of the spikes, ascending.
    """

    onset: Floats
    kind: Floats
    reward: Floats
    spikes: Floats


def read_neuron(path: Path) -> Neuron:
    """Read the file of a neuron.

    Args:
        path: Path of the file.

    Returns:
        Its vectors, those of the trials of one length.

    Raises:
        RecordingError: If the file is malformed (one of the subclasses, naming the file).
    """
    with _naming(path):
        content = read_variables(path)
    onset = _numbers(path, content, "events", "odorOn")
    kind = _numbers(path, content, "events", "trialType")
    reward = _numbers(path, content, "events", "rewardOn", optional=True)
    spikes = np.sort(_numbers(path, content, "responses", "spike"))
    if not len(reward):
        reward = np.full(len(kind), np.nan)
    if not len(onset) == len(kind) == len(reward):
        raise RecordingShapeError(
            f"{path.name}: events.odorOn, trialType and rewardOn must hold one number per trial; "
            f"got {len(onset)}, {len(kind)} and {len(reward)}. Use NaN where there is none."
        )
    intervals = np.diff(np.sort(onset[~np.isnan(onset)]))
    interval = float(np.median(intervals)) if len(intervals) else INTERVALS[0]
    if not INTERVALS[0] <= interval <= INTERVALS[1]:
        raise RecordingUnitsError(
            f"{path.name}: events.odorOn must be in milliseconds; got trials every {interval:g} ms "
            f"(median). {_unit(interval < INTERVALS[0]) if interval else SAME}"
        )
    if np.isnan(kind).all():
        raise RecordingShapeError(
            f"{path.name}: events.trialType must hold a number for some trial; got NaN alone. "
            "Leave this file out."
        )
    if not len(spikes) or np.isnan(spikes).any():
        found = "NaN" if len(spikes) else "no time"
        raise NoSpikesError(
            f"{path.name}: responses.spike must hold times; got {found}. Leave this file out."
        )
    return Neuron(onset, kind, reward, spikes)


def check_times(
    path: Path, typed: NDArray[np.int64], onset: Floats, late: Floats, spikes: Floats
) -> None:
    """Refuse times that are in another unit, or of another clock, or there twice.

    Args:
        path: Path of the file.
        typed: Numbers of the trials that have a type, in the file.
        onset: Onsets of these trials.
        late: Their rewards' times minus the expected times; NaN where not recorded.
        spikes: Times of the spikes, ascending.

    Raises:
        RecordingError: If a time is not plausible (one of the subclasses, naming the file).
    """
    if np.isnan(onset).any():
        raise RecordingShapeError(
            f"{path.name}: events.odorOn must be a time in trials with a trialType; got NaN in "
            f"trial {typed[np.isnan(onset)][0]}. Set its trialType to NaN to leave it out."
        )
    intervals = np.diff(np.sort(onset))
    if (intervals == 0).any():
        raise RecordingShapeError(
            f"{path.name}: events.odorOn must differ between trials; got the same time in "
            f"{(intervals == 0).sum()} of them. Set the trialType of copies to NaN."
        )
    first, last = onset.min() - BEFORE, onset.max() + AFTER
    if (np.abs(late) > LATEST).any():  # NaN is not
        trial = int(np.nanargmax(np.abs(late)))
        raise RecordingUnitsError(
            f"{path.name}: events.rewardOn must be in milliseconds of the clock of odorOn; got one "
            f"{late[trial]:.0f} ms after the expected time in trial {typed[trial]}. Seconds, or "
            "times since odorOn, it seems: give times on the one clock."
        )
    span = float(spikes[-1] - spikes[0])
    rate = 1000 * (len(spikes) - 1) / span if span > 0 else 0.0
    if len(spikes) >= ENOUGH and (rate > FASTEST or span == 0):
        raise RecordingUnitsError(
            f"{path.name}: responses.spike must be in milliseconds; got {rate:.0f} spikes per "
            f"second. {_unit(True)}"
        )
    if spikes[-1] < first or spikes[0] > last:
        raise NoSpikesError(
            f"{path.name}: spikes must overlap the trials, {first:.0f} to {last:.0f} ms; got "
            f"{spikes[0]:.0f} to {spikes[-1]:.0f} ms. Give both in milliseconds of one clock."
        )
    covered = (min(spikes[-1], last) - max(spikes[0], first)) / (last - first)
    inside = float(((spikes >= first) & (spikes <= last)).mean())
    if len(spikes) >= ENOUGH and len(onset) > 1 and min(covered, inside) < COVERED:
        raise RecordingUnitsError(
            f"{path.name}: spikes must cover the trials, {first:.0f} to {last:.0f} ms; got "
            f"{spikes[0]:.0f} to {spikes[-1]:.0f} ms. Give both in milliseconds of one clock, or "
            "set trialType to NaN where the neuron was lost."
        )
    repeated = 1 - len(np.unique(spikes)) / len(spikes)
    if len(spikes) >= ENOUGH and repeated > REPEATED:
        raise RecordingShapeError(
            f"{path.name}: responses.spike must hold each spike once; got {repeated:.0%} of the "
            "times again. Save the spikes of one neuron, not rounded."
        )


def _unit(too_short: bool) -> str:
    if too_short:
        return "Seconds, it seems: multiply all times by 1000."
    return "Microseconds or samples, it seems: divide all times by their number in a millisecond."


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in the errors that reading it raises."""
    try:
        yield
    except NotImplementedError as error:
        raise UnreadableRecordingError(
            f"{path.name} must be a MATLAB file of version 5 to 7; got version 7.3. Save it with "
            "`save(file, '-v7')`."
        ) from error
    except OSError as error:
        raise UnreadableRecordingError(
            f"{path.name} must be a readable MATLAB file; got an error: {error.strerror or error}. "
            "See to it that it is a file that you may read, and whole."
        ) from error
    except ValueError as error:
        raise UnreadableRecordingError(
            f"{path.name} must be a readable MATLAB file; got {error}. Download or save it again."
        ) from error


def _numbers(
    path: Path, content: dict[str, Variable], struct: str, field: str, optional: bool = False
) -> Floats:
    """Return a field of a struct as a vector of numbers; empty if it is optional and missing."""
    variable = content.get(struct)
    if variable is None or variable.kind != "struct" or variable.shape:
        raise _no_struct(path, content, struct)
    with _naming(path):
        fields = variable.fields()
    if field not in fields:
        if optional:
            return np.empty(0)
        raise MissingVariableError(
            f"{path.name}: {struct} must hold a field {field!r}; got {list(fields)}. Rename or add "
            "it."
        )
    found = fields[field]
    if found.kind not in NUMERIC or len(found.shape) > 1:
        raise RecordingShapeError(
            f"{path.name}: {struct}.{field} must be a vector of numbers; got shape {found.shape} "
            f"and class {found.kind}. Save it as a vector of doubles."
        )
    with _naming(path):
        vector = found.vector()
    if (np.abs(vector) > LARGEST).any():  # NaN is not
        raise RecordingShapeError(
            f"{path.name}: {struct}.{field} must hold numbers up to {LARGEST:g}, or NaN; got "
            f"{vector[np.nanargmax(np.abs(vector))]:g}. Write NaN where there is none."
        )
    return vector


def _no_struct(path: Path, content: dict[str, Variable], struct: str) -> Exception:
    """Return the error of a file that lacks a struct, or holds something else under its name."""
    value = content.get(struct)
    if value is not None and value.kind == "struct":
        return RecordingShapeError(
            f"{path.name}: {struct} must be one struct; got an array of {math.prod(value.shape)}. "
            "Save one struct whose fields are vectors, with one file per neuron."
        )
    hint = "Rename or add it."
    if value is not None:
        hint = "Save a MATLAB table or object as a struct, table2struct(..., 'ToScalar', true)."
    found = [f"{name!r} ({variable.kind})" for name, variable in content.items() if name]
    return MissingVariableError(
        f"{path.name} must hold a struct {struct!r}; got {', '.join(found) or 'nothing'}. {hint}"
    )
