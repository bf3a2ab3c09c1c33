"""Spikes and events become an array, and nothing of another unit, clock or session does."""

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurotasks.datasets import Codes, Recipe
from neurotasks.errors import ForeignTableError, ParameterError
from neurotasks_baselines.errors import (
    MissingVariableError,
    NoSpikesError,
    RecordingShapeError,
    RecordingUnitsError,
    SessionMismatchError,
    UnreadableRecordingError,
)
from neurotasks_baselines.neurons import monkeys
from neurotasks_baselines.neurons.files import read_nwb_units, read_parquet_spikes
from neurotasks_baselines.neurons.monkeys import (
    EVENTS,
    PUMP_ON,
    join,
    load_monkeys,
    read_behaviour,
    read_units,
)
from neurotasks_baselines.neurons.recording import Recording, from_spikes

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("NEUROTASKS_DATA", ROOT.parent / "shared" / "data"))
TRIALS = pd.DataFrame({"choice": [0, 1, 1]})
EVENT = np.array([10_000.0, 14_000.0, 20_000.0])
SPIKES = np.array([9_500, 9_549, 9_550, 10_999, 11_000, 13_999, 14_000, 14_049, 19_000, 30_000])


def test_counts_by_hand():
    found = from_spikes([SPIKES], EVENT, TRIALS)
    assert found.counts.shape == (1, 3, 30)
    assert found.times[[0, -1]].tolist() == [-475, 975]
    expected = np.zeros((3, 30))
    expected[0, [0, 1, 29]] = 2, 1, 1  # a bin has its first moment, and not its last
    expected[1, [9, 10]] = 1, 2
    np.testing.assert_array_equal(found.counts[0], expected)


def test_trials_without_the_event_are_left_out():
    found = from_spikes([SPIKES], [np.nan, *EVENT[1:]], TRIALS)
    assert found.trials["choice"].tolist() == [1, 1]
    assert found.counts[0].sum(axis=1).tolist() == [3, 0]


def test_windows_are_means():
    counts = np.arange(12.0).reshape(1, 2, 6)
    found = Recording(counts, np.arange(6.0), TRIALS[:2]).windows(4, 2)
    assert found.times.tolist() == [1.5, 3.5]
    assert found.counts.tolist() == [[[1.5, 3.5], [7.5, 9.5]]]
    assert found.select([False, True]).counts.tolist() == [[[7.5, 9.5]]]


@pytest.mark.parametrize(
    ("spikes", "events", "error", "message"),
    [
        (SPIKES / 1000, EVENT, RecordingUnitsError, "spikes of neuron 0.*got 9.5 to 30. Seconds"),
        (SPIKES, EVENT / 1000, RecordingUnitsError, "events must be in milliseconds; got trials"),
        (SPIKES + 50_000, EVENT, NoSpikesError, "must overlap the events, 10000 to 20000 ms"),
        ([], EVENT, NoSpikesError, "got 0 spikes. Give"),
        (SPIKES[::-1], EVENT, RecordingShapeError, "vector of rising times"),
        (SPIKES, EVENT[::-1], RecordingShapeError, "events must rise"),
        (SPIKES, EVENT[:2], RecordingShapeError, "one per row of the trial table, 3; got shape"),
    ],
)
def test_refused(spikes, events, error, message):
    with pytest.raises(error, match=message):
        from_spikes([spikes], events, TRIALS)


def test_refused_arrays():
    with pytest.raises(RecordingShapeError, match=r"\(2, 3, 4\).*got \(2, 2, 4\)"):
        Recording(np.zeros((2, 2, 4)), np.arange(4), TRIALS)
    with pytest.raises(RecordingShapeError, match="got 3 counts that are not finite"):
        Recording(np.array([[[np.nan]] * 3]), np.zeros(1), TRIALS)
    with pytest.raises(RecordingShapeError, match="1 to 4 bins"):
        Recording(np.zeros((2, 3, 4)), np.arange(4), TRIALS).windows(5)
    with pytest.raises(RecordingShapeError, match="as long as a bin"):
        from_spikes([SPIKES], EVENT, TRIALS, window=(0, 20))


def session(seed=0, trials=30):
    """Return behaviour and events of a made-up session."""
    rng = np.random.default_rng(seed)
    rt = rng.integers(300, 900, (2, trials))
    paid = rng.random(trials) < 0.7
    start = 10_000 + 9_000 * np.arange(trials)
    times = [start, start + rt[0], start + rt[0] + 12]
    times += [times[-1] + 1000, times[-1] + 1000 + rt[1], times[-1] + 2500]
    table = [
        pd.DataFrame({"trial_number": np.arange(trials), "codes": code, "times": at})
        for code, at in zip(EVENTS.values(), times, strict=True)
    ]
    table.append(
        pd.DataFrame({"trial_number": np.arange(trials), "codes": PUMP_ON, "times": times[-1] + 9})[
            paid
        ]
    )
    behaviour = pd.DataFrame({"rt_1": rt[0] + 1, "rt_2": rt[1] - 1, "juice_ms": 400 * paid})
    return behaviour, pd.concat(table).sort_values("times", ignore_index=True)


def test_join():
    behaviour, timings = session()
    at = join(behaviour, timings, "x")
    np.testing.assert_array_equal(at["first_on"], 10_000 + 9_000 * np.arange(30))


def broken(name, behaviour, timings):
    if name == "another session":
        return session(1)[0], timings
    if name == "another length":
        return behaviour[:-1], timings
    if name == "reaction times":
        return behaviour.assign(rt_2=behaviour["rt_2"].where(behaviour.index != 7, 0)), timings
    if name == "juice":
        return behaviour.assign(juice_ms=behaviour["juice_ms"].to_numpy()[::-1]), timings
    if name == "order":
        late = (timings["trial_number"] == 4) & (timings["codes"] == EVENTS["transition"])
        return behaviour, timings.assign(times=timings["times"] + 5000 * late)
    return behaviour, timings[timings["codes"] != EVENTS["reward_cue"]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("another session", "rt_1 must be that of the behaviour, to 2 ms; got 30 of 30"),
        ("another length", "once in each of the 29 good trials; got 30 events in 30 trials"),
        ("reaction times", "rt_2 must be that of the behaviour, to 2 ms; got 1 of 30"),
        ("juice", "juice must come in the same trials"),
        ("order", "must rise in time; got others in trial 4"),
        ("no cue", "the event reward_cue must come once"),
    ],
)
def test_units_of_another_session_are_refused(name, message):
    with pytest.raises(SessionMismatchError, match=message):
        join(*broken(name, *session()), "x")


@pytest.mark.parametrize("offset", [0, 7])
def test_neurons_of_a_session_share_a_clock(offset, monkeypatch):
    behaviour, timings = session()
    spikes = np.arange(5_000, 280_000, 90)

    def read(folder, number):
        return spikes, timings.assign(times=timings["times"] + offset * number)

    monkeypatch.setattr(monkeys, "_numbers", lambda folder, area: [0, 1])
    monkeypatch.setattr(monkeys, "_read_neuron", read)
    monkeypatch.setattr(monkeys, "read_units", lambda *_: pd.DataFrame({"name": ["s", "s"]}))
    if offset:
        with pytest.raises(SessionMismatchError, match="others of neuron 1 than of neuron 0"):
            load_monkeys("x", behaviour.assign(name="s"), areas=["ACC"])
        return
    (found,) = load_monkeys("x", behaviour.assign(name="s"), areas=["ACC"])["reward_cue"]
    cue = timings.loc[timings["codes"] == EVENTS["reward_cue"], "times"]
    by_hand = from_spikes([spikes, spikes], cue, behaviour)
    np.testing.assert_array_equal(found.counts, by_hand.counts)


@pytest.fixture(scope="module")
def nwb(tmp_path_factory):
    pynwb = pytest.importorskip("pynwb")
    path = tmp_path_factory.mktemp("nwb") / "day1.nwb"
    file = pynwb.NWBFile("d", "i", datetime(2020, 1, 1, tzinfo=UTC), session_id="s")
    file.add_trial_column("choice", "coded 1 and 2")
    file.add_trial_column("reward", "0 or 1")
    file.add_trial_column("cue_time", "s")
    for i, at in enumerate(EVENT / 1000):
        file.add_trial(at - 1, at + 1, choice=1 + i % 2, reward=i % 2, cue_time=at)
    file.add_unit_column("location", "area")
    for location in ("ACC", "ACC", "CA1"):
        file.add_unit(spike_times=SPIKES / 1000, location=location)
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(file)
    return path


def test_nwb(nwb):
    found = read_nwb_units(nwb, "cue_time")
    assert [(r.area, len(r.neurons), r.session) for r in found] == [
        ("ACC", 2, "day1"),
        ("CA1", 1, "day1"),
    ]
    by_hand = from_spikes([SPIKES], EVENT, TRIALS)
    np.testing.assert_array_equal(found[1].counts, by_hand.counts)
    with pytest.raises(MissingVariableError, match=r"got .*cue_time\. Name one of these"):
        read_nwb_units(nwb, "cue")


def test_wrong_coding_of_choices_is_refused(nwb):
    right = {"choice": Codes("choice", {1: 0, 2: 1}), "outcome": Codes("reward", {0: 0, 1: 1})}
    recipe = Recipe(task="neurotasks/Bandit-v0", columns=right)
    assert read_nwb_units(nwb, "cue_time", recipe=recipe)[0].trials["choice"].tolist() == [0, 1, 0]
    wrong = right | {"choice": Codes("choice", {0: 0, 1: 1})}
    recipe = Recipe(task="neurotasks/Bandit-v0", columns=wrong)
    with pytest.raises(ForeignTableError, match="must hold 0, 1; got '2'"):
        read_nwb_units(nwb, "cue_time", recipe=recipe)


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    table = pd.DataFrame({"neuron": [*["b"] * 10, *["a"] * 10], "time_ms": [*SPIKES, *SPIKES]})
    table.to_parquet(tmp_path / "spikes.parquet")
    TRIALS.assign(cue=EVENT).to_parquet(tmp_path / "trials.parquet")
    (found,) = read_parquet_spikes(tmp_path / "spikes.parquet", tmp_path / "trials.parquet", "cue")
    assert found.neurons == ("a", "b")
    by_hand = from_spikes([SPIKES], EVENT, TRIALS)
    np.testing.assert_array_equal(found.counts, by_hand.counts[[0, 0]])
    table.drop(columns="time_ms").to_parquet(tmp_path / "spikes.parquet")
    with pytest.raises(MissingVariableError, match="none called time_ms"):
        read_parquet_spikes(tmp_path / "spikes.parquet", tmp_path / "trials.parquet", "cue")


def monkey_data():
    if not (DATA / "monkeys" / "PreparedData.mat").exists():
        pytest.skip(f"no public data at {DATA}; set NEUROTASKS_DATA")
    return DATA / "monkeys"


@pytest.mark.slow
def test_every_neuron_of_miranda_2025_is_joined_with_its_session():
    folder = monkey_data()
    behaviour = read_behaviour(folder)
    assert behaviour["name"].nunique() == 57
    sizes = [len(read_units(folder, area)) for area in ("ACC", "DLPFC", "Caudate", "Putamen")]
    assert sizes == [240, 187, 115, 119]
    here = load_monkeys(folder, behaviour, ("first_on", "reward_cue"))
    number = len(list(folder.glob("*/spikes/cell_*.npy")))
    for recordings in here.values():
        assert sum(len(r.neurons) for r in recordings) == number
        assert all(len(r.trials) == (behaviour["name"] == r.session).sum() for r in recordings)
        # Of all spikes there are as many around the event as its share of the session says.
        rate = np.mean([r.counts.mean() for r in recordings]) / 0.05
        assert 1 < rate < 30
    swapped = behaviour.assign(name=behaviour["name"].replace({"Charlie 1": "x"}))
    with pytest.raises(SessionMismatchError, match="session Charlie 1, which the behaviour lacks"):
        load_monkeys(folder, swapped, areas=["ACC"])
    other = behaviour["name"].replace({"Charlie 1": "Charlie 2", "Charlie 2": "Charlie 1"})
    with pytest.raises(SessionMismatchError, match=r"neuron 0, session Charlie 1.*584 good trials"):
        load_monkeys(folder, behaviour.assign(name=other), areas=["ACC"])


def test_folders_without_neurons(tmp_path):
    with pytest.raises(UnreadableRecordingError, match=r"spikes/cell_N\.npy; got none"):
        load_monkeys(tmp_path, pd.DataFrame({"name": ["Charlie 1"]}))
    with pytest.raises(ParameterError, match="got 'cue'"):
        load_monkeys(tmp_path, pd.DataFrame({"name": []}), ["cue"])
    with pytest.raises(ParameterError, match="got 'V1'"):
        read_units(tmp_path, "V1")
