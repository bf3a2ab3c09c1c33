"""The loader, on small files made here; and on real ones where NEUROTASKS_NEURONS names
a folder."""

import os
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat, savemat

from neurotasks_baselines.dopamine import recordings
from neurotasks_baselines.dopamine.neurons import MAGNITUDES
from neurotasks_baselines.dopamine.recordings import (
    Recordings,
    TrialType,
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
from neurotasks_baselines.errors import (
    MissingVariableError,
    NoSpikesError,
    RecordingError,
    RecordingShapeError,
    RecordingUnitsError,
    UnknownTrialTypeError,
    UnreadableRecordingError,
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
            "trialType must be a vector.*char",
            {"trialType": list("abcd")},
            {},
            {},
        ),
        (RecordingShapeError, r"shape \(2, 2\)", {"odorOn": np.ones((2, 2))}, {}, {}),
        (RecordingShapeError, "for some trial; got NaN alone", {"trialType": [NAN] * 4}, {}, {}),
        (RecordingShapeError, "NaN in trial 2", {"odorOn": [1e4, 2e4, NAN, 4e4]}, {}, {}),
        (RecordingShapeError, "got inf", {"odorOn": [1e4, 2e4, np.inf, 4e4]}, {}, {}),
        (RecordingShapeError, "got -1e[+]300", {}, {"spike": [-1e300, 1.0, 1e300]}, {}),
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


# ---------------------------------------------------------------------------- units and clocks

RNG = np.random.default_rng(0)
ONSETS = np.cumsum(RNG.uniform(8000, 12_000, 150))
KINDS = RNG.integers(1, 16, 150).astype(float)
SPIKES = np.sort(RNG.uniform(0, ONSETS[-1] + 5000, int(ONSETS[-1] / 200)))  # 5 Hz


def session(folder, name="cell.mat", **changes):
    """Save a session of 150 trials and 5 Hz with some of its variables changed."""
    parts = {"odorOn": ONSETS, "trialType": KINDS, "spike": SPIKES} | changes
    return save(folder / name, parts, {"spike": parts.pop("spike")})


def test_onsets_rounded_to_one_are_not_taken_for_seconds(tmp_path):
    session(tmp_path, odorOn=(ONSETS + 1.7e12).astype(np.float32), spike=SPIKES + 1.7e12)
    with pytest.raises(RecordingUnitsError, match=r"every 0 ms .*Copies or rounded.*as a double"):
        recorded_responses(load_recordings(tmp_path))


def test_times_in_seconds_are_refused(tmp_path):
    """Of a neuron at 5 Hz, as NWB and most tools write it: its rates would be thousands of Hz."""
    session(tmp_path)
    assert recorded_responses(load_recordings(tmp_path))["baseline"].mean() == pytest.approx(5, 0.1)
    session(tmp_path, odorOn=ONSETS / 1000, spike=SPIKES / 1000)
    with pytest.raises(RecordingUnitsError, match=r"^cell.mat: .*Seconds.*multiply.* by 1000"):
        recorded_responses(load_recordings(tmp_path))


@pytest.mark.parametrize(
    ("match", "changes"),
    [
        ("got 4983 spikes per second. Seconds", {"spike": SPIKES / 1000}),
        ("got trials every 10.2164 ms .median.. Seconds", {"odorOn": ONSETS / 1000}),
        ("Microseconds or samples", {"odorOn": ONSETS * 1000, "spike": SPIKES * 1000}),
        ("Microseconds or samples", {"odorOn": ONSETS * 30, "spike": SPIKES * 30}),
        ("spikes must cover the trials", {"spike": SPIKES * 1000}),
        ("spikes must cover the trials", {"spike": SPIKES * 30}),
        ("spikes must cover the trials", {"spike": SPIKES[:300]}),
        ("spikes must overlap the trials", {"spike": SPIKES + 1e9}),
        ("spikes must overlap the trials", {"spike": -SPIKES}),
        ("rewardOn must be in milliseconds.*Seconds, or", {"rewardOn": (ONSETS + 1500) / 1000}),
        ("rewardOn must be in milliseconds.*since odorOn", {"rewardOn": np.full(150, 1500.0)}),
        ("got 50% of the times again", {"spike": np.repeat(SPIKES, 2)}),
        ("odorOn must differ .* got the same time in 1", {"odorOn": [*ONSETS[:-1], ONSETS[7]]}),
        (r"got \[0.0\]", {"trialType": KINDS * 0}),
        (r"got \[16.0, ", {"trialType": KINDS + 15}),
        ("class complex double", {"trialType": KINDS + 1j}),
        ("class cell", {"trialType": np.array([1, "a"] * 75, object)}),
        ("class struct", {"odorOn": {"a": 1}}),
        ("class char", {"odorOn": "abc"}),
    ],
)
def test_times_of_other_units_clocks_and_types_are_refused(match, changes, tmp_path):
    session(tmp_path, **changes)
    with pytest.raises(RecordingError, match=match) as error:
        recorded_responses(load_recordings(tmp_path))
    assert str(error.value).startswith("cell.mat")
    assert "\n" not in str(error.value)


def test_order_and_zero_of_the_clock_are_free(tmp_path):
    session(tmp_path)
    expected = recorded_responses(load_recordings(tmp_path))
    order = RNG.permutation(150)
    session(tmp_path, odorOn=ONSETS[order], trialType=KINDS[order], spike=RNG.permutation(SPIKES))
    shuffled = recorded_responses(load_recordings(tmp_path))
    np.testing.assert_array_equal(shuffled["response"], expected["response"][order])
    session(tmp_path, odorOn=ONSETS - 2**20, spike=SPIKES - 2**20)  # without rounding
    earlier = recorded_responses(load_recordings(tmp_path))
    np.testing.assert_allclose(earlier["response"], expected["response"], atol=1e-9)


# ---------------------------------------------------------------------------- folders and files


def test_files_of_other_programs_are_no_neurons(tmp_path):
    """A folder copied from a Mac holds ._cell.mat next to cell.mat."""
    session(tmp_path)
    (tmp_path / "._cell.mat").write_bytes(b"\x00\x05\x16\x07Mac OS X        " + bytes(4000))
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", ".hidden.mat"):
        (tmp_path / name).write_bytes(b"no neuron")
    session(tmp_path, "OTHER.MAT")
    neurons = load_recordings(tmp_path).trials["neuron"].unique().tolist()
    assert neurons == ["OTHER", "cell"]


def test_folders_that_hold_no_neurons(tmp_path):
    (tmp_path / "._a.mat").write_bytes(b"")
    (tmp_path / "~$a.mat").write_bytes(b"Office's lock file")
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path, tmp_path / "file", tmp_path / "none"):
        with pytest.raises(UnreadableRecordingError, match=r"files \*.mat; got none in '.*'"):
            load_recordings(folder)
    (tmp_path / "b.mat").mkdir()
    with pytest.raises(UnreadableRecordingError, match=r"b.mat must be .* got a folder"):
        load_recordings(tmp_path)
    (tmp_path / "b.mat").rmdir()
    session(tmp_path)
    (tmp_path / "cell.MAT").write_bytes((tmp_path / "cell.mat").read_bytes())
    with pytest.raises(RecordingError, match=r"must differ in their names.*got cell twice"):
        load_recordings(tmp_path)


def test_arrays_of_structs_and_variables_that_are_there_twice(tmp_path):
    array = np.zeros((1, 150), [("odorOn", object), ("trialType", object)])
    array["odorOn"], array["trialType"] = ONSETS, KINDS
    for events, match in ((array, "got an array of 150"), (array[:, :0], "got an array of 0")):
        savemat(tmp_path / "cell.mat", {"events": events, "responses": {"spike": SPIKES}})
        with pytest.raises(RecordingShapeError, match=match + ". Save one struct"):
            load_recordings(tmp_path)
    content = session(tmp_path).read_bytes()
    (tmp_path / "cell.mat").write_bytes(content + content[128:])
    with pytest.raises(UnreadableRecordingError, match="the variable 'events' twice"):
        load_recordings(tmp_path)
    (tmp_path / "cell.mat").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    with pytest.raises(UnreadableRecordingError, match=r"got version 7.3"):
        load_recordings(tmp_path)


def test_reading_a_recording_runs_no_code(tmp_path):
    ran = tmp_path / "ran"
    (tmp_path / "cell.mat").write_bytes(f"cos\nsystem\n(S'touch {ran}'\ntR.".encode())
    with pytest.raises(UnreadableRecordingError):
        load_recordings(tmp_path)
    assert not ran.exists()
    loaders = r"read_pickle|allow_pickle=True|pickle\.loads?\(|joblib|np\.load\(|\beval\("
    for module in Path(recordings.__file__).parent.glob("*.py"):
        assert not re.search(loaders, module.read_text()), module


def test_300_000_trials_fit_in_memory(tmp_path):
    """Their firing rates would take 10 GB at once."""
    onset = 10_000.0 * np.arange(1, 300_001)
    kind = np.where(np.arange(300_000) % 100 < 1, 7.0, NAN)
    spikes = np.arange(0.0, onset[-1], 5000.0)
    session(tmp_path, odorOn=onset, trialType=kind, spike=spikes)
    table = recorded_responses(load_recordings(tmp_path))
    assert len(table) == 3000
    trials = pd.concat([table] * 3, ignore_index=True)
    few = Recordings(trials, load_recordings(tmp_path).spikes)
    tracemalloc.start()
    again = recorded_responses(few)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(again["response"][:3000], table["response"])
    assert peak < 9000 * 4000 * 8 / 2


# ---------------------------------------------------------------------------- responses


def test_responses_are_rates_above_baseline(tmp_path):
    """A neuron that fires at 10 Hz, and 8 spikes more in the 400 ms after rewards of 20 and 5."""
    extra = np.linspace(260, 540, 8)  # so far inside that smoothing leaves them there
    regular = np.arange(50.0, 50_000.0, 100.0)
    spikes = np.concatenate([regular, 20_000 + extra, 31_500 + extra, 40_000 + extra - 200])
    save(tmp_path / "a.mat", responses={"spike": spikes})
    found = load_recordings(tmp_path)
    for smoothings in (0, 1, 2):
        table = recorded_responses(found, smoothings=smoothings)
        np.testing.assert_allclose(table["response"], [0, 20, 20, 0], atol=0.35)
        np.testing.assert_allclose(table["baseline"], 10, atol=0.1)
    cue = recorded_responses(found, CUE_WINDOW, "onset_ms", smoothings=0)
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
    found = load_recordings(FOLDER)
    table = recorded_responses(found)
    counted = recorded_responses(found, smoothings=0)
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
