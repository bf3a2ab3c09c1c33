"""Recordings of dopamine neurons: a folder of published files in, tidy tables out.

A neuron is one MATLAB file (version 5 to 7) with two structs, times in milliseconds:

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
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotasks_baselines.dopamine.mat_files import check_times, read_neuron
from neurotasks_baselines.dopamine.neurons import MAGNITUDES
from neurotasks_baselines.dopamine.responses import (
    BASELINE_WINDOW,
    REWARD_WINDOW,
    firing_rates,
    from_table,
    window_mean,
)
from neurotasks_baselines.errors import (
    RecordingError,
    UnknownTrialTypeError,
    UnreadableRecordingError,
)

Floats = NDArray[np.float64]


AT_ONCE = 1000  # trials whose firing rates are in memory


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
        folder: Folder with one file per neuron. Hidden files, such as the ``._`` files of a Mac's
            Finder, and what lies deeper are no neurons.
        pattern: Pattern of the files' names, in small or capital letters.
        trial_types: Meanings of the numbers in ``trialType``.

    Returns:
        The neurons, in the order of their names.

    Raises:
        RecordingError: If there is no file, or a file is malformed (one of the subclasses, naming
            the file).
    """
    paths = _neuron_files(Path(folder), pattern)
    neurons = [load_neuron(path, trial_types) for path in paths]
    return Recordings(
        pd.concat([neuron.trials for neuron in neurons], ignore_index=True),
        pd.concat([neuron.spikes for neuron in neurons], ignore_index=True),
    )


def _neuron_files(folder: Path, pattern: str) -> list[Path]:
    """Return the files of the neurons in a folder, in the order of their names."""
    wanted = f"The folder must hold files {pattern}; got"
    try:
        there = sorted(path for path in folder.iterdir() if not path.name.startswith((".", "~$")))
    except OSError as error:
        raise UnreadableRecordingError(
            f"{wanted} none in {str(folder)!r} ({error.strerror}). Give the folder with one file "
            "per neuron."
        ) from error
    paths = [path for path in there if fnmatchcase(path.name.lower(), pattern.lower())]
    if not paths:
        raise UnreadableRecordingError(
            f"{wanted} none in {str(folder)!r}. Give the folder with one file per neuron."
        )
    names = [path.stem for path in paths]
    again = sorted({name for name in names if names.count(name) > 1})
    if again:
        raise RecordingError(
            f"The files of a folder must differ in their names without suffix, those of the "
            f"neurons; got {', '.join(again)} twice in {str(folder)!r}. Rename or remove one."
        )
    return paths


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
    onset, kind, reward, spikes = read_neuron(path)
    typed = np.flatnonzero(~np.isnan(kind))
    unknown = sorted(set(kind[typed].tolist()) - set(trial_types))
    if unknown:
        raise UnknownTrialTypeError(
            f"{path.name}: events.trialType must hold keys of trial_types, {sorted(trial_types)}; "
            f"got {unknown}. Describe them in `trial_types`."
        )
    onset, kind, reward = onset[typed], kind[typed], reward[typed]
    types = [trial_types[int(k)] for k in kind]
    expected = onset + [t.reward_ms for t in types]
    check_times(path, typed, onset, reward - expected, spikes)
    trials = pd.DataFrame(
        {
            "neuron": path.stem,
            "trial": typed,
            "trial_type": kind.astype(int),
            "condition": [t.condition for t in types],
            "magnitude": [t.magnitude for t in types],
            "onset_ms": onset,
            "reward_ms": np.where(np.isnan(reward), expected, reward),
        }
    )
    return Recordings(trials, pd.DataFrame({"neuron": path.stem, "time_ms": spikes}))


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
            np.concatenate(
                [
                    window_mean(firing_rates(times, part, smoothings), within)
                    for part in np.split(events, range(AT_ONCE, len(events), AT_ONCE))
                ]
            )
            for events, within in (
                (trials["onset_ms"].to_numpy(), BASELINE_WINDOW),
                (trials[align].to_numpy(), window),
            )
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
