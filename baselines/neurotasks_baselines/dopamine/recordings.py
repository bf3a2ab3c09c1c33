"""Recordings of dopamine neurons: a folder of published files in, tidy tables out.

A neuron is one MATLAB file (version 7 or older) with two structs, times in milliseconds:

* ``events``: ``odorOn`` (onset of each trial; where no odour was given, the time of the reward),
  ``trialType`` (NaN: to be left out), and optionally ``rewardOn`` (NaN where not recorded);
* ``responses``: ``spike``, the times of the spikes.

The published files of the 40 neurons of Dabney et al. (2020) are such files; a user downloads them
from OSF (ux5rg) or Zenodo (10.5281/zenodo.10669060). Other trial types are described by a table of
`TrialType`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.io import loadmat

from neurotasks_baselines.dopamine.neurons import MAGNITUDES
from neurotasks_baselines.dopamine.responses import (
    AFTER,
    BASELINE_WINDOW,
    BEFORE,
    REWARD_WINDOW,
    firing_rates,
    from_table,
    window_mean,
)

Floats = NDArray[np.float64]


class RecordingError(ValueError):
    """A recording that cannot be used.

    Cure: Compare the recording with the format that the module `dopamine.recordings` describes.
    """


class UnreadableRecordingError(RecordingError):
    """A file that is not a MATLAB file of a readable version, or a folder without such files.

    Cure: Pass a folder of ``.mat`` files, saved by MATLAB with ``save(..., '-v7')``.
    """


class MissingVariableError(RecordingError):
    """A recording that lacks a required variable.

    Cure: Save the variable that the message names with the others, or rename it as described.
    """


class RecordingShapeError(RecordingError):
    """Variables of a recording whose shapes do not match, or which hold invalid times.

    Cure: Bring the variables to the shapes and units that the message names: one entry per
    trial, times in milliseconds.
    """


class NoSpikesError(RecordingError):
    """A recording without spikes, or without spikes during the trials.

    Cure: Check that spike and event times are in the same unit and on the same clock, or leave
    the neuron out.
    """


class UnknownTrialTypeError(RecordingError):
    """A trial type that is missing from the table of trial types.

    Cure: Give a table of trial types that has every number of the recording.
    """


class TrialType(NamedTuple):
    """Meaning of a number in ``trialType``.

    Attributes:
        condition: Condition, "cued", "uncued", "nothing" or any other word.
        magnitude: Magnitude of the reward, microlitres.
        reward_ms: Time from trial onset to the reward or, without one, to its usual time,
            milliseconds.
    """

    condition: str
    magnitude: float
    reward_ms: float


PUBLISHED_TRIAL_TYPES: Mapping[int, TrialType] = {
    **{k: TrialType("uncued", float(m), 0.0) for k, m in enumerate(MAGNITUDES, start=1)},
    **{k: TrialType("cued", float(m), 1500.0) for k, m in enumerate(MAGNITUDES, start=8)},
    15: TrialType("nothing", 0.0, 1500.0),
}
"""The variable-magnitude task: 1-7 rewards without a cue, 8-14 the same after the reward odour, 15
the "nothing" odour (counted in the files, labels in the authors' analysis code). The reward comes
1.5 s after the odour (derived from the authors' analysis windows)."""


@dataclass(frozen=True)
class Recordings:
    """Recorded neurons.

    Attributes:
        trials: Table with one row per trial: ``neuron`` (name of the file), ``trial`` (its number
            in the file), ``trial_type``, ``condition``, ``magnitude`` (microlitres), ``onset_ms``,
            ``reward_ms`` (actual or usual time of the reward).
        spikes: Table with one row per spike: ``neuron``, ``time_ms``.
    """

    trials: pd.DataFrame
    spikes: pd.DataFrame


def load_recordings(
    folder: str | Path,
    pattern: str = "*.mat",
    trial_types: Mapping[int, TrialType] = PUBLISHED_TRIAL_TYPES,
) -> Recordings:
    """Read all neurons in a folder.

    Args:
        folder: Folder with one file per neuron.
        pattern: Pattern of the files' names.
        trial_types: Meanings of the numbers in ``trialType``.

    Returns:
        The neurons, in the order of their names.

    Raises:
        RecordingError: If there is no file, or a file is malformed (one of the subclasses, naming
            the file).
    """
    paths = sorted(Path(folder).glob(pattern))
    if not paths:
        raise UnreadableRecordingError(
            f"The folder must hold files {pattern}; got none in {str(folder)!r}. Give the folder "
            "with one file per neuron."
        )
    neurons = [load_neuron(path, trial_types) for path in paths]
    return Recordings(
        pd.concat([neuron.trials for neuron in neurons], ignore_index=True),
        pd.concat([neuron.spikes for neuron in neurons], ignore_index=True),
    )


def load_neuron(
    path: str | Path, trial_types: Mapping[int, TrialType] = PUBLISHED_TRIAL_TYPES
) -> Recordings:
    """Read one neuron.

    Args:
        path: Path of its file.
        trial_types: Meanings of the numbers in ``trialType``.

    Returns:
        The trials in the order of the file, without those that lack a type, and the spikes in order
        of time.

    Raises:
        RecordingError: If the file is malformed (one of the subclasses).
    """
    path = Path(path)
    try:
        content = loadmat(path, squeeze_me=True, struct_as_record=False)
    except NotImplementedError as error:
        raise UnreadableRecordingError(
            f"{path.name} must be a MATLAB file of version 7 or older; got version 7.3. Save it "
            "with `save(file, '-v7')`."
        ) from error
    except Exception as error:  # a damaged file makes scipy raise any of seven kinds
        raise UnreadableRecordingError(
            f"{path.name} must be a readable MATLAB file; got an error: {error}. Download or save "
            "it again."
        ) from error
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
    typed = np.flatnonzero(~np.isnan(kind))
    if not len(typed):
        raise RecordingShapeError(
            f"{path.name}: events.trialType must hold a number for some trial; got NaN alone. "
            "Leave this file out."
        )
    unknown = sorted(set(kind[typed].tolist()) - set(trial_types))
    if unknown:
        raise UnknownTrialTypeError(
            f"{path.name}: events.trialType must hold keys of trial_types, {sorted(trial_types)}; "
            f"got {unknown}. Describe them in `trial_types`."
        )
    if np.isnan(onset[typed]).any():
        raise RecordingShapeError(
            f"{path.name}: events.odorOn must be a time in trials with a trialType; got NaN in "
            f"trial {typed[np.isnan(onset[typed])][0]}. Set its trialType to NaN to leave it out."
        )
    if not len(spikes) or np.isnan(spikes).any():
        found = "NaN" if len(spikes) else "no time"
        raise NoSpikesError(
            f"{path.name}: responses.spike must hold times; got {found}. Leave this file out."
        )
    first, last = onset[typed].min() - BEFORE, onset[typed].max() + AFTER
    if spikes[-1] < first or spikes[0] > last:
        raise NoSpikesError(
            f"{path.name}: spikes must overlap the trials, {first:.0f} to {last:.0f} ms; got "
            f"{spikes[0]:.0f} to {spikes[-1]:.0f} ms. Give both in milliseconds of one clock."
        )
    types = [trial_types[int(k)] for k in kind[typed]]
    expected = onset[typed] + [t.reward_ms for t in types]
    trials = pd.DataFrame(
        {
            "neuron": path.stem,
            "trial": typed,
            "trial_type": kind[typed].astype(int),
            "condition": [t.condition for t in types],
            "magnitude": [t.magnitude for t in types],
            "onset_ms": onset[typed],
            "reward_ms": np.where(np.isnan(reward[typed]), expected, reward[typed]),
        }
    )
    return Recordings(trials, pd.DataFrame({"neuron": path.stem, "time_ms": spikes}))


def _numbers(
    path: Path, content: dict[str, Any], struct: str, field: str, optional: bool = False
) -> Floats:
    """Return a field of a struct as a vector of numbers; empty if it is optional and missing."""
    fields = getattr(content.get(struct), "_fieldnames", None)
    if fields is None:
        raise MissingVariableError(
            f"{path.name} must hold a struct {struct!r}; got "
            f"{[name for name in content if not name.startswith('__')]}. Rename or add it."
        )
    if field not in fields:
        if optional:
            return np.empty(0)
        raise MissingVariableError(
            f"{path.name}: {struct} must hold a field {field!r}; got {list(fields)}. Rename or add "
            "it."
        )
    array = np.asarray(getattr(content[struct], field))
    if array.dtype.kind not in "iuf" or array.ndim > 1:
        raise RecordingShapeError(
            f"{path.name}: {struct}.{field} must be a vector of numbers; got shape {array.shape} "
            f"and dtype {array.dtype}. Save it as a vector of doubles."
        )
    vector = np.atleast_1d(array).astype(np.float64)
    if np.isinf(vector).any():
        raise RecordingShapeError(
            f"{path.name}: {struct}.{field} must be finite or NaN; got an infinite number. "
            "Write NaN where there is none."
        )
    return vector


def recorded_responses(
    recordings: Recordings,
    window: tuple[float, float] = REWARD_WINDOW,
    align: str = "reward_ms",
    smoothings: int = 2,
) -> pd.DataFrame:
    """Return the response of every neuron to every trial.

    A response is the mean of the smoothed firing rate in a window, minus that in the second before
    trial onset.

    Args:
        recordings: Recorded neurons.
        window: Window in milliseconds from the event: `REWARD_WINDOW` or `CUE_WINDOW`.
        align: Event, a column of the trials: ``reward_ms`` or ``onset_ms``.
        smoothings: Number of smoothings, see `firing_rates`.

    Returns:
        The trials, with ``response`` (Hz relative to baseline) and ``baseline`` (Hz).
    """
    tables = []
    spikes = recordings.spikes.groupby("neuron")["time_ms"]
    for neuron, trials in recordings.trials.groupby("neuron", sort=False):
        times = spikes.get_group(neuron).to_numpy()
        before, after = (
            window_mean(firing_rates(times, trials[event].to_numpy(), smoothings), part)
            for event, part in (("onset_ms", BASELINE_WINDOW), (align, window))
        )
        tables.append(trials.assign(response=after - before, baseline=before))
    return pd.concat(tables, ignore_index=True)


def pool_conditions(responses: pd.DataFrame) -> Floats:
    """Return responses to cued and un-cued rewards as one array (authors' analysis code).

    The un-cued ones are shifted by the difference of the two conditions' grand means, each the mean
    over neurons and magnitudes of the trial means.

    Args:
        responses: Table of `recorded_responses`.

    Returns:
        Responses in Hz, (neurons, magnitudes, trials), the cued trials first, padded with NaN.
        Where one condition is missing, the other as it is.

    Raises:
        ValueError: If both conditions are missing.
    """
    order = {"cued": 0, "uncued": 1}
    rewarded = responses[responses["condition"].isin(order)].sort_values(
        "condition", key=lambda column: column.map(order), kind="stable"
    )
    if rewarded.empty:
        raise ValueError(
            "responses must hold trials of the condition 'cued' or 'uncued'; got none. Name these "
            "conditions in `trial_types`."
        )
    means = rewarded.groupby(["condition", "neuron", "magnitude"])["response"].mean()
    grand = means.groupby("condition").mean()
    shift = rewarded["condition"].map(grand.iloc[0] - grand)  # "cued" sorts before "uncued"
    return from_table(rewarded.assign(response=rewarded["response"] + shift))


def mean_utilities(responses: Floats) -> Floats:
    """Return the utility of each magnitude, defined by the responses of the neurons themselves.

    Args:
        responses: Responses in Hz, (neurons, magnitudes, trials), padded with NaN.

    Returns:
        Mean over neurons of their trial means, Hz, (magnitudes,).
    """
    return np.asarray(np.nanmean(np.nanmean(responses, axis=-1), axis=0))
