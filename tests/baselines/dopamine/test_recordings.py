"""The loader, on small files made here; and on real ones where NEUROTASKS_NEURONS names
a folder."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat, savemat

from neurotasks_baselines.dopamine.neurons import MAGNITUDES
from neurotasks_baselines.dopamine.recordings import (
    MissingVariableError,
    NoSpikesError,
    RecordingError,
    RecordingShapeError,
    TrialType,
    UnknownTrialTypeError,
    UnreadableRecordingError,
    load_neuron,
    load_recordings,
    mean_utilities,
    pool_conditions,
    recorded_responses,
)
from neurotasks_baselines.dopamine.responses import (
    CUE_WINDOW,
    firing_rates,
    from_table,
    smoothing_kernel,
    window_mean,
)

NAN = np.nan


def save(path, events=None, responses=None, others=None):
    """Save a recording of four trials, 10 s apart: un-cued 1.2 and 20, cued 5, nothing."""
    default = {"odorOn": [10_000.0, 20_000.0, 30_000.0, 40_000.0], "trialType": [3, 7, 12, 15]}
    content = {
        "events": {**default, **(events or {})},
        "responses": {"spike": np.arange(0.0, 50_000.0, 100.0), **(responses or {})},
        **(others or {}),
    }
    savemat(path, {name: value for name, value in content.items() if value is not None})
    return path


# ---------------------------------------------------------------------------- firing rates


def test_kernel():
    kernel = smoothing_kernel()
    assert kernel.shape == (51,)
    assert kernel.sum() == pytest.approx(1)
    assert kernel[0] == 0
    assert kernel[30] / kernel[10] == pytest.approx(np.exp(-1), rel=1e-4)


def test_rates_without_smoothing_are_counts():
    rates = firing_rates([4000.2, 4000.9, 5100.0, 8000.0, 3999.9], [5000.0], smoothings=0)
    assert rates.shape == (1, 4000)
    assert np.flatnonzero(rates[0]).tolist() == [0, 1100]
    assert rates[0, [0, 1100]].tolist() == [2000, 1000]


@pytest.mark.parametrize(("smoothings", "shift"), [(1, 0), (2, -25)])
def test_smoothing_spreads_a_spike(smoothings, shift):
    kernel = smoothing_kernel()
    weights = kernel if smoothings == 1 else np.convolve(kernel, kernel)
    rates = firing_rates([700.0], [0.0], smoothings)[0]
    start = 1700 + shift
    np.testing.assert_allclose(rates[start : start + len(weights)], 1000 * weights)
    assert rates.sum() == pytest.approx(1000)


def test_rates_do_not_fall_at_the_ends():
    regular = np.arange(0.0, 20_000.0)  # a spike in every bin
    np.testing.assert_allclose(firing_rates(regular, [10_000.0, 5000.0]), 1000)


def test_window_mean():
    rates = np.arange(4000.0)[None]
    assert window_mean(rates, (-1000, 0)) == pytest.approx(499.5)
    assert window_mean(rates, (200, 202)) == pytest.approx(1200.5)
    for window in ((-1001, 0), (0, 3001), (5, 5)):
        with pytest.raises(ValueError, match="must lie within -1000 and 3000"):
            window_mean(rates, window)


# ---------------------------------------------------------------------------- the loader


def test_a_neuron_becomes_tables(tmp_path):
    neuron = load_neuron(save(tmp_path / "D_1.mat"))
    assert neuron.trials.to_dict("list") == {
        "neuron": ["D_1"] * 4,
        "trial": [0, 1, 2, 3],
        "trial_type": [3, 7, 12, 15],
        "condition": ["uncued", "uncued", "cued", "nothing"],
        "magnitude": [1.2, 20.0, 5.0, 0.0],
        "onset_ms": [10_000, 20_000, 30_000, 40_000],
        "reward_ms": [10_000, 20_000, 31_500, 41_500],
    }
    assert neuron.spikes["time_ms"].tolist() == list(range(0, 50_000, 100))
    assert set(neuron.spikes["neuron"]) == {"D_1"}


def test_untyped_trials_are_left_out_and_recorded_rewards_taken(tmp_path):
    events = {"trialType": [3.0, NAN, 12.0, 15.0], "rewardOn": [NAN, NAN, 31_480.0, NAN]}
    events["odorOn"] = [10_000.0, NAN, 30_000.0, 40_000.0]
    trials = load_neuron(save(tmp_path / "a.mat", events)).trials
    assert trials["trial"].tolist() == [0, 2, 3]
    assert trials["reward_ms"].tolist() == [10_000, 31_480, 41_500]


def test_types_and_shapes_differ_from_file_to_file(tmp_path):
    """As MATLAB saves them: integers, columns, empty fields, a single trial, spikes unsorted."""
    events = {
        "odorOn": np.array([[10_000], [20_000]], np.int32),
        "trialType": np.array([[7], [8]], np.uint8),
        "rewardOn": np.array([], np.uint8),
    }
    spikes = np.array([[15_000.0], [9000.0]])
    neuron = load_neuron(
        save(tmp_path / "a.mat", events, {"spike": spikes, "lick": []}, {"extra": 3})
    )
    assert neuron.trials["magnitude"].tolist() == [20, 0.1]
    assert neuron.spikes["time_ms"].tolist() == [9000, 15_000]
    one = load_neuron(
        save(tmp_path / "b.mat", {"odorOn": 5000.0, "trialType": 9}, {"spike": 5001.0})
    )
    assert one.trials["condition"].tolist() == ["cued"]
    assert len(one.spikes) == 1


def test_a_folder_in_the_order_of_names(tmp_path):
    for name in ("b", "a", "c"):
        save(tmp_path / f"{name}.mat")
    (tmp_path / "notes.txt").write_text("no neuron")
    both = load_recordings(tmp_path)
    assert both.trials["neuron"].unique().tolist() == ["a", "b", "c"]
    assert len(both.spikes) == 3 * 500
    assert load_recordings(str(tmp_path), "b*").trials["neuron"].unique().tolist() == ["b"]


def test_own_trial_types(tmp_path):
    types = {20: TrialType("90 %", 3.75, 2000.0), 21: TrialType("10 %", 0.0, 2000.0)}
    path = save(tmp_path / "a.mat", {"trialType": [20, 21, 20, 20]})
    trials = load_neuron(path, types).trials
    assert trials["condition"].tolist() == ["90 %", "10 %", "90 %", "90 %"]
    assert trials["reward_ms"].tolist() == [12_000, 22_000, 32_000, 42_000]
    with pytest.raises(
        UnknownTrialTypeError, match=r"a.mat: events.trialType must .* got \[20.0, 21.0\]"
    ):
        load_neuron(path)


@pytest.mark.parametrize(
    ("error", "match", "events", "responses", "others"),
    [
        (
            MissingVariableError,
            "must hold a struct 'responses'; got",
            {},
            None,
            {"responses": None},
        ),
        (
            MissingVariableError,
            "struct 'events'; got .*'other'",
            {},
            None,
            {"events": 3.0, "other": 1.0},
        ),
        (UnknownTrialTypeError, r"got \[3.5\]. Describe", {"trialType": [1, 2, 3.5, 4]}, {}, {}),
        (RecordingShapeError, "got 3, 4 and 4", {"odorOn": [1.0, 2.0, 3.0]}, {}, {}),
        (RecordingShapeError, "got 4, 4 and 2", {"rewardOn": [1.0, 2.0]}, {}, {}),
        (
            RecordingShapeError,
            "trialType must be a vector.*U1",
            {"trialType": list("abcd")},
            {},
            {},
        ),
        (RecordingShapeError, r"shape \(2, 2\)", {"odorOn": np.ones((2, 2))}, {}, {}),
        (RecordingShapeError, "for some trial; got NaN alone", {"trialType": [NAN] * 4}, {}, {}),
        (RecordingShapeError, "NaN in trial 2", {"odorOn": [1.0, 2.0, NAN, 4.0]}, {}, {}),
        (RecordingShapeError, "infinite", {"odorOn": [1.0, 2.0, np.inf, 4.0]}, {}, {}),
        (NoSpikesError, "got no time", {}, {"spike": []}, {}),
        (NoSpikesError, "got NaN", {}, {"spike": [1.0, NAN]}, {}),
        # spikes in seconds
        (NoSpikesError, "9000 to 43000 ms; got 1 to 2 ms", {}, {"spike": [1.0, 2.0]}, {}),
    ],
)
def test_files_that_are_not_what_they_say(tmp_path, error, match, events, responses, others):
    path = save(tmp_path / "bad.mat", events, responses, others)
    with pytest.raises(error, match=match) as caught:
        load_recordings(tmp_path)
    assert isinstance(caught.value, RecordingError)
    assert str(caught.value).startswith(path.name)


@pytest.mark.parametrize("name", ["odorOn", "trialType", "spike"])
def test_missing_fields_are_named(tmp_path, name):
    events = {"odorOn": [1.0], "trialType": [1]}
    responses = {"spike": [1.0]}
    for struct in (events, responses):
        struct.pop(name, None)
        struct["lick"] = [2.0]
    savemat(tmp_path / "a.mat", {"events": events, "responses": responses})
    with pytest.raises(MissingVariableError, match=rf"must hold a field '{name}'; got .*'lick'"):
        load_neuron(tmp_path / "a.mat")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UnreadableRecordingError, match=r"must hold files \*.mat; got none"):
        load_recordings(tmp_path)
    whole = save(tmp_path / "a.mat").read_bytes()
    for damaged in (b"", b"odorOn,trialType\n1,2\n" * 20, whole[:300], whole[: len(whole) // 2]):
        (tmp_path / "a.mat").write_bytes(damaged)
        with pytest.raises(UnreadableRecordingError, match=r"^a.mat must be a readable"):
            load_recordings(tmp_path)
    hdf5 = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF" * 20
    (tmp_path / "a.mat").write_bytes(hdf5)
    with pytest.raises(UnreadableRecordingError, match=r"got version 7.3. Save it with"):
        load_recordings(tmp_path)


# ---------------------------------------------------------------------------- responses


def test_responses_are_rates_above_baseline(tmp_path):
    """A neuron that fires at 10 Hz, and 8 spikes more in the 400 ms after rewards of 20 and 5."""
    extra = np.linspace(260, 540, 8)  # so far inside that smoothing leaves them there
    regular = np.arange(50.0, 50_000.0, 100.0)
    spikes = np.concatenate([regular, 20_000 + extra, 31_500 + extra, 40_000 + extra - 200])
    save(tmp_path / "a.mat", responses={"spike": spikes})
    recordings = load_recordings(tmp_path)
    for smoothings in (0, 1, 2):
        table = recorded_responses(recordings, smoothings=smoothings)
        np.testing.assert_allclose(table["response"], [0, 20, 20, 0], atol=0.35)
        np.testing.assert_allclose(table["baseline"], 10, atol=0.1)
    cue = recorded_responses(recordings, CUE_WINDOW, "onset_ms", smoothings=0)
    assert cue["response"].tolist() == [0, 10, 0, 20]  # half of the eight within 400 ms of 20 s


def test_pooled_conditions(tmp_path):
    """Un-cued trials are shifted by the difference of the grand means of trial means."""
    save(tmp_path / "a.mat", {"trialType": [7, 8, 14, 1], "odorOn": np.arange(1.0, 5) * 5000})
    table = load_neuron(tmp_path / "a.mat").trials.assign(response=[6.0, 1.0, 3.0, 0.0])
    # un-cued: mean of 0 (0.1 microlitres) and 6 (20) is 3; cued: of 1 and 3 is 2; shift -1
    np.testing.assert_array_equal(pool_conditions(table), [[[1, -1], [3, 5]]])
    other = table[table["condition"] == "cued"].assign(neuron="b", response=[5.0, 11.0])
    both = pool_conditions(pd.concat([table, other]))
    # cued: the mean over neurons and magnitudes of 1, 3, 5, 11 is 5; un-cued as before 3; shift 2
    np.testing.assert_array_equal(both, [[[1, 2], [3, 8]], [[5, NAN], [11, NAN]]])
    np.testing.assert_allclose(mean_utilities(both), [(1.5 + 5) / 2, (5.5 + 11) / 2])
    uncued = table[table["condition"] == "uncued"]
    np.testing.assert_array_equal(pool_conditions(uncued), [[[0], [6]]])
    with pytest.raises(ValueError, match="got none"):
        pool_conditions(table[:0])


# ---------------------------------------------------------------------------- real neurons

FOLDER = os.environ.get("NEUROTASKS_NEURONS")


@pytest.mark.skipif(
    not FOLDER, reason="NEUROTASKS_NEURONS names no folder with the published files of real neurons"
)
def test_real_neurons_agree_with_an_independent_computation():
    recordings = load_recordings(FOLDER)
    table = recorded_responses(recordings)
    counted = recorded_responses(recordings, smoothings=0)
    kernel = [(1 - np.exp(-t)) * np.exp(-t / 20) for t in range(51)]
    kernel = np.array(kernel) / sum(kernel)
    paths = sorted(Path(FOLDER).glob("*.mat"))
    assert table["neuron"].nunique() == len(paths)
    means = []
    for path in paths:
        file = loadmat(path, squeeze_me=True, struct_as_record=False)
        spikes = np.asarray(file["responses"].spike, float)
        kinds = np.asarray(file["events"].trialType, float)
        rows, raw = (t[t["neuron"] == path.stem] for t in (table, counted))
        assert rows["trial_type"].tolist() == kinds[~np.isnan(kinds)].tolist()
        expected, smooth = [], []
        for onset, kind in zip(file["events"].odorOn, kinds, strict=True):
            if np.isnan(kind):
                continue
            since = spikes - onset
            first = 200 if kind <= 7 else 1700
            n, n0 = (
                np.sum((since >= a) & (since < b)) for a, b in ((first, first + 400), (-1000, 0))
            )
            expected.append(n / 0.4 - n0)
            psth = np.histogram(since, np.arange(-1200, 3201))[0] * 1000.0
            psth = np.convolve(np.convolve(psth, kernel)[: len(psth)], kernel, "same")[200:4200]
            smooth.append(psth[1000 + first : 1400 + first].mean() - psth[:1000].mean())
        np.testing.assert_allclose(raw["response"], expected, atol=1e-6)
        np.testing.assert_allclose(rows["response"], smooth, atol=1e-6)
        kind = kinds[~np.isnan(kinds)]
        means.append(
            [[np.mean(np.array(smooth)[kind == k + c]) for k in range(1, 8)] for c in (7, 0)]
        )
    cued, uncued = np.swapaxes(means, 0, 1)
    cued_array = from_table(table[table["condition"] == "cued"])
    np.testing.assert_allclose(np.nanmean(cued_array, axis=-1), cued, atol=1e-6)
    # population means counted over all forty neurons
    assert cued_array.shape[1] == len(MAGNITUDES)
    assert (np.diff(mean_utilities(pool_conditions(table))) > 0).all()
    assert cued.mean(axis=0)[0] < -2 < 7 < cued.mean(axis=0)[-1]
    shift = cued.mean() - uncued.mean()
    pooled = np.nansum(pool_conditions(table))
    rewarded = table[table["condition"] != "nothing"]
    total = rewarded["response"].sum() + shift * (rewarded["condition"] == "uncued").sum()
    assert pooled == pytest.approx(total, rel=1e-6)
