"""Recordings of dopamine neurons: a folder of published files in, tidy tables out.

A neuron is one MATLAB file (version 7 or older) with two structs, times in milliseconds:

* ``events``: ``odorOn`` (onset of each trial; where no odour was given, the time of the reward),
  ``trialType`` (NaN: to be left out), and if there is one ``rewardOn`` (NaN where not recorded);
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
    """A recording that is not what it says."""


class UnreadableRecordingError(RecordingError):
    """A file that is no MATLAB file of a version that can be read, or a folder without any."""


class MissingVariableError(RecordingError):
    """A recording without a variable that is needed."""


class RecordingShapeError(RecordingError):
    """Variables of a recording that do not fit together, or hold what is no time."""


class NoSpikesError(RecordingError):
    """A recording without spikes, or without any while there were trials."""


class UnknownTrialTypeError(RecordingError):
    """A trial type that the table of trial types does not hold."""


class TrialType(NamedTuple):
    """What a number in ``trialType`` stands for.

    Attributes:
        condition: "cued", "uncued", "nothing" or a word of one's own.
        magnitude: of the reward, microlitres.
        reward_ms: from the onset of the trial to the reward or, without one, to where it would be.
    """

    condition: str
    magnitude: float
    reward_ms: float


PUBLISHED_TRIAL_TYPES: Mapping[int, TrialType] = {
    **{k: TrialType("uncued", float(m), 0.0) for k, m in enumerate(MAGNITUDES, start=1)},
    **{k: TrialType("cued", float(m), 1500.0) for k, m in enumerate(MAGNITUDES, start=8)},
    15: TrialType("nothing", 0.0, 1500.0),
}
"""The variable-magnitude task: 1-7 a reward without a cue, 8-14 the same after the reward odour, 15
the "nothing" odour (counted in the files, labels in the authors' analysis code). The reward comes
1.5 s after the odour (derived from the authors' analysis windows)."""


@dataclass(frozen=True)
class Recordings:
    """Recorded neurons.

    Attributes:
        trials: Table with one row per trial: ``neuron`` (name of the file), ``trial`` (its number
            in the file), ``trial_type``, ``condition``, ``magnitude`` (microlitres), ``onset_ms``,
            ``reward_ms`` (when the reward came or would have).
        spikes: one row a spike: ``neuron``, ``time_ms``.
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
        folder: with one file per neuron.
        pattern: of the files' names.
        trial_types: what the numbers in ``trialType`` stand for.

    Returns:
        The neurons, in the order of their names.

    Raises:
        RecordingError: one of its kinds, naming the file, if one is not what it says or there is
            none.
    """
    paths = sorted(Path(folder).glob(pattern))
    if not paths:
        raise UnreadableRecordingError(
            f"No file {pattern} lies in {str(folder)!r}; give the folder with one file per neuron."
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
        path: of its file.
        trial_types: what the numbers in ``trialType`` stand for.

    Returns:
        Its trials in the order of the file, those without a type left out, and its spikes in order
        of time.

    Raises:
        RecordingError: one of its kinds, if the file is not what it says.
    """
    path = Path(path)
    try:
        content = loadmat(path, squeeze_me=True, struct_as_record=False)
    except NotImplementedError as error:
        raise UnreadableRecordingError(
            f"{path.name} is a MATLAB 7.3 file; save it with `save(file, '-v7')`."
        ) from error
    except Exception as error:  # a damaged file makes scipy raise any of seven kinds
        raise UnreadableRecordingError(
            f"{path.name} cannot be read as a MATLAB file: {error}"
        ) from error
    onset = _numbers(path, content, "events", "odorOn")
    kind = _numbers(path, content, "events", "trialType")
    reward = _numbers(path, content, "events", "rewardOn", optional=True)
    spikes = np.sort(_numbers(path, content, "responses", "spike"))
    if not len(reward):
        reward = np.full(len(kind), np.nan)
    if not len(onset) == len(kind) == len(reward):
        raise RecordingShapeError(
            f"{path.name}: events.odorOn, trialType and rewardOn must hold one number per trial, "
            f"but hold {len(onset)}, {len(kind)} and {len(reward)}."
        )
    typed = np.flatnonzero(~np.isnan(kind))
    if not len(typed):
        raise RecordingShapeError(f"{path.name}: no trial has a trialType.")
    unknown = sorted(set(kind[typed].tolist()) - set(trial_types))
    if unknown:
        raise UnknownTrialTypeError(
            f"{path.name}: events.trialType holds {unknown}, but known are {sorted(trial_types)}; "
            "describe them in `trial_types`."
        )
    if np.isnan(onset[typed]).any():
        raise RecordingShapeError(
            f"{path.name}: events.odorOn is NaN in trial {typed[np.isnan(onset[typed])][0]}, which "
            "has a trialType."
        )
    if not len(spikes) or np.isnan(spikes).any():
        raise NoSpikesError(f"{path.name}: responses.spike must hold times, but is empty or NaN.")
    first, last = onset[typed].min() - BEFORE, onset[typed].max() + AFTER
    if spikes[-1] < first or spikes[0] > last:
        raise NoSpikesError(
            f"{path.name}: the spikes, {spikes[0]:.0f} to {spikes[-1]:.0f} ms, lie outside the "
            f"trials, {first:.0f} to {last:.0f} ms; both must be milliseconds of one clock."
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
    """Return a field of a struct as a vector of numbers; empty if it may be missing and is."""
    fields = getattr(content.get(struct), "_fieldnames", None)
    if fields is None:
        raise MissingVariableError(
            f"{path.name}: a struct {struct!r} is wanted, but the file holds "
            f"{[name for name in content if not name.startswith('__')]}."
        )
    if field not in fields:
        if optional:
            return np.empty(0)
        raise MissingVariableError(
            f"{path.name}: {struct}.{field} is missing; {struct} holds {list(fields)}."
        )
    array = np.asarray(getattr(content[struct], field))
    if array.dtype.kind not in "iuf" or array.ndim > 1:
        raise RecordingShapeError(
            f"{path.name}: {struct}.{field} must be a vector of numbers, but has the shape "
            f"{array.shape} and dtype {array.dtype}."
        )
    vector = np.atleast_1d(array).astype(np.float64)
    if np.isinf(vector).any():
        raise RecordingShapeError(f"{path.name}: {struct}.{field} holds infinite numbers.")
    return vector


def recorded_responses(
    recordings: Recordings,
    window: tuple[float, float] = REWARD_WINDOW,
    align: str = "reward_ms",
    smoothings: int = 2,
) -> pd.DataFrame:
    """Return the response of every neuron to every trial.

    A response is the mean of the smoothed firing rate in a window, minus that in the second before
    the trial's onset.

    Args:
        recordings: the neurons.
        window: milliseconds from the event: `REWARD_WINDOW` or `CUE_WINDOW`.
        align: which event, a column of the trials: ``reward_ms`` or ``onset_ms``.
        smoothings: see `firing_rates`.

    Returns:
        The trials, with ``response`` (Hz above baseline) and ``baseline`` (Hz).
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
        responses: from `recorded_responses`.

    Returns:
        Hz, (neurons, magnitudes, trials), the cued trials first, padded with NaN. Where one
        condition is missing, the other as it is.

    Raises:
        ValueError: if there is neither.
    """
    order = {"cued": 0, "uncued": 1}
    rewarded = responses[responses["condition"].isin(order)].sort_values(
        "condition", key=lambda column: column.map(order), kind="stable"
    )
    if rewarded.empty:
        raise ValueError("Responses to cued or un-cued rewards are wanted, but there are none.")
    means = rewarded.groupby(["condition", "neuron", "magnitude"])["response"].mean()
    grand = means.groupby("condition").mean()
    shift = rewarded["condition"].map(grand.iloc[0] - grand)  # "cued" sorts before "uncued"
    return from_table(rewarded.assign(response=rewarded["response"] + shift))


def mean_utilities(responses: Floats) -> Floats:
    """Return the utility of each magnitude that the neurons themselves define.

    Args:
        responses: (neurons, magnitudes, trials), padded with NaN.

    Returns:
        The mean over neurons of their trial means, Hz, (magnitudes,).
    """
    return np.asarray(np.nanmean(np.nanmean(responses, axis=-1), axis=0))
