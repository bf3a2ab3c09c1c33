"""Any recording: the same responses as of the untouched one, or a documented error."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from scipy.io import savemat

from neurotasks_baselines.dopamine.recordings import load_recordings, recorded_responses
from neurotasks_baselines.errors import RecordingError

RNG = np.random.default_rng(0)
ONSETS = np.cumsum(RNG.uniform(4000, 12_000, 30)).round()
RECORDING = {
    "events": {
        "odorOn": ONSETS,
        "trialType": RNG.permutation(np.arange(30) % 15 + 1.0),
        "rewardOn": np.full(30, np.nan),
    },
    "responses": {"spike": np.sort(RNG.uniform(0, ONSETS[-1] + 5000, 1000)), "lick": []},
}
FIELDS = [(s, f) for s, fields in RECORDING.items() for f in fields if f != "lick"]
ODD = [
    *([], 1.0, np.nan, np.inf, "text", 1j, True, {"a": 1}, [1.0, "a"], [[1.0, 2.0]], 2.0**80),
    *(np.zeros((0, 0)), np.zeros((2, 3, 2)), np.full(30, np.nan), np.zeros(30), ["a"] * 30),
    np.array([{"a": 1}, {"a": 2}], object),
]
DTYPES = ["float32", "int32", "int64", "uint16", "int8", "uint8", "complex128", "bool", "object"]


def saved(folder, content):
    try:
        savemat(folder / "cell.mat", content)
    except (ValueError, TypeError):  # what no MATLAB file can hold
        assume(False)


def responses(folder):
    return recorded_responses(load_recordings(folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("recording")


@pytest.fixture(scope="module")
def expected(folder):
    savemat(folder / "cell.mat", RECORDING)
    return responses(folder)


def refused_or_numbers(folder):
    """Check that a recording is refused by name, or has plausible responses alone."""
    refusal = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of scipy, about damaged parts it skips
        try:
            table = responses(folder)
        except RecordingError as error:
            refusal = str(error)
    if refusal is not None:
        assert "\n" not in refusal
        assert "cell.mat" in refusal
        return
    assert np.isfinite(table.select_dtypes("number").to_numpy()).all()
    assert table["baseline"].between(0, 1000).all()
    assert table["trial_type"].between(1, 15).all()
    assert len(table) <= 30


@given(
    order=st.permutations(range(30)),
    shuffled=st.booleans(),
    dtypes=st.lists(st.sampled_from(["float64", "int32", "int64", "uint32"]), min_size=2),
    column=st.booleans(),
    compressed=st.booleans(),
    clock=st.integers(0, 10**6),
)
def test_the_form_of_a_recording_is_free(
    folder, expected, order, shuffled, dtypes, column, compressed, clock
):
    spikes = RECORDING["responses"]["spike"] + clock
    events = {
        "odorOn": (ONSETS[order] + clock).astype(dtypes[0]),
        "trialType": RECORDING["events"]["trialType"][order].astype(dtypes[1]),
    }
    content = {"events": events, "responses": {"spike": spikes[::-1] if shuffled else spikes}}
    how = {"oned_as": "column" if column else "row", "do_compression": compressed}
    savemat(folder / "cell.mat", content | {"other": "x"}, **how)
    found = responses(folder)
    for name in ("response", "baseline", "trial_type"):
        np.testing.assert_allclose(found[name], expected[name].to_numpy()[order], atol=1e-6)


@st.composite
def changes(draw):
    """Draw a change of one variable of a recording."""
    struct, field = draw(st.sampled_from(FIELDS))
    kind = draw(st.sampled_from(["odd", "lose", "scale", "shift", "dtype", "item", "cut", "whole"]))
    value, dtype = draw(st.sampled_from(ODD)), draw(st.sampled_from(DTYPES))
    factor = draw(st.sampled_from([-1.0, 0.0, 1e-6, 1e-3, 0.5, 2.0, 30.0, 1000.0, 1e6]))
    item = draw(st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -5.0, 1.5, 16.0, 1e30]))
    place = draw(st.integers(0, 10**6))

    def change(content):
        values = content.get(struct, {}).get(field)
        if kind == "whole":
            return content | {struct: value}
        if values is None:
            return content
        fields = dict(content[struct])
        if kind == "lose":
            del fields[field]
        elif kind == "odd":
            fields[field] = value
        else:
            values = np.array(values, np.float64)
            if kind == "item" and values.size:
                values[place % len(values)] = item
            fields[field] = {
                "scale": values * factor,
                "shift": values + factor * 1e6,
                "dtype": np.nan_to_num(values).astype(dtype) if kind == "dtype" else None,
                "item": values,
                "cut": values[: place % (len(values) + 1)] if values.ndim else values,
            }[kind]
        return content | {struct: fields}

    return change


@given(parts=st.lists(changes(), min_size=1, max_size=3))
def test_any_change_of_a_recording_is_refused_or_gives_numbers(folder, parts):
    content = RECORDING
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of casts that the changes make
        for change in parts:
            if not all(isinstance(content[struct], dict) for struct in content):
                break
            try:
                content = change(content)
            except (ValueError, TypeError):  # an odd value that is no array
                break
    saved(folder, content)
    refused_or_numbers(folder)


@given(
    cuts=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=12)),
        min_size=1,
        max_size=3,
    ),
    compressed=st.booleans(),
)
def test_any_damage_of_a_file_is_refused_or_gives_numbers(folder, cuts, compressed):
    savemat(folder / "cell.mat", RECORDING, do_compression=compressed)
    data = (folder / "cell.mat").read_bytes()
    for place, deleted, inserted in cuts:
        i = int(place * len(data))
        data = data[:i] + inserted + data[i + deleted :]
    (folder / "cell.mat").write_bytes(data)
    refused_or_numbers(folder)
