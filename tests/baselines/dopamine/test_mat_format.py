"""MATLAB files: the numbers that scipy reads, and nothing but a refusal of damaged ones."""

import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io.matlab
from scipy.io import loadmat, savemat

from neurotasks_baselines.dopamine import mat_format
from neurotasks_baselines.dopamine.mat_files import read_neuron
from neurotasks_baselines.dopamine.mat_format import NUMERIC, read_variables
from neurotasks_baselines.errors import RecordingError, UnreadableRecordingError

EXAMPLES = Path(scipy.io.matlab.__file__).parent / "tests" / "data"  # some written by MATLAB
ONSETS = np.arange(30) * 5000.0
RECORDING = {
    "events": {"odorOn": ONSETS, "trialType": np.arange(30) % 15 + 1.0},
    "responses": {"spike": np.arange(500) * 300.0},
}


def part(kind, data=b""):
    """Return an element: its type, size and bytes, padded to a multiple of 8."""
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def variable(name, kind, body=b"", shape=(1, 1), flags=0):
    """Return a variable of a class, made of elements."""
    head = part(6, struct.pack("<II", kind | flags, 0)) + part(5, struct.pack("<2i", *shape))
    return part(14, head + part(1, name) + body)


def packed(data):
    """Return an element of compressed bytes."""
    data = zlib.compress(data)
    return struct.pack("<II", 15, len(data)) + data


def names(*fields, width=8):
    """Return the elements of the names of fields."""
    text = b"".join(field.ljust(width, b"\0") for field in fields)
    return part(5, struct.pack("<i", width)) + part(1, text)


@pytest.fixture
def cell(tmp_path):
    savemat(tmp_path / "cell.mat", RECORDING)
    return tmp_path / "cell.mat"


def refused(cell, match="cell.mat must be a readable MATLAB file; got "):
    with pytest.raises(RecordingError, match=match) as error:
        read_neuron(cell)
    assert "\n" not in str(error.value)


def same(found, expected):
    """Check a variable against what scipy reads, and return how many vectors are the same."""
    if found.kind in NUMERIC and len(found.shape) < 2:
        np.testing.assert_array_equal(found.vector(), np.atleast_1d(expected))
        return 1
    if found.kind != "struct" or found.shape:
        return 0
    fields = found.fields()
    assert list(fields) == expected._fieldnames
    return sum(same(field, getattr(expected, name)) for name, field in fields.items())


@pytest.mark.skipif(not EXAMPLES.exists(), reason="scipy is installed without its examples")
def test_numbers_are_those_that_scipy_reads():
    vectors = 0
    for path in EXAMPLES.glob("test*_[5-7]*.mat"):
        try:
            found = read_variables(path)
        except NotImplementedError:
            assert "hdf5" in path.name
            continue
        expected = loadmat(path, squeeze_me=True, struct_as_record=False)
        for name, value in found.items():
            vectors += same(value, expected[name]) if name in expected else 0
    assert vectors > 10


@pytest.mark.parametrize("kind", [0x4000, 0, 8, 10, 14, 99, 2**31])
def test_numbers_of_a_type_that_there_is_not(cell, kind):
    """At types such as the first, scipy's reader ends the process."""
    data = cell.read_bytes()
    doubles = struct.pack("<II", 9, 8 * len(ONSETS))
    assert data.count(doubles) == 2
    cell.write_bytes(data.replace(doubles, struct.pack("<II", kind, 8 * len(ONSETS))))
    refused(cell)


def test_every_number_of_the_structure_replaced(cell):
    """Types, sizes, classes, shapes: each word of four bytes outside of the times."""
    data = cell.read_bytes()
    spikes = data.index(struct.pack("<II", 9, 8 * 500)) + 8
    outcomes = {True: 0, False: 0}
    for at in range(124, len(data) - 4, 4):
        if spikes < at < spikes + 8 * 499:
            continue
        for word in (1, 0x4000, 2**32 - 1):
            cell.write_bytes(data[:at] + struct.pack("<I", word) + data[at + 4 :])
            try:
                outcomes[len(read_neuron(cell).spikes) == 500] += 1
            except RecordingError:
                outcomes[False] += 1
    assert min(outcomes.values()) > 100


EMPTY = part(14)
BODIES = {
    "names of 0 characters": part(5, bytes(4)) + part(1, b"odorOn\0\0"),
    "names of -8 characters": part(5, struct.pack("<i", -8)) + part(1, b"odorOn\0\0"),
    "names of 7 characters in 8 bytes": part(5, struct.pack("<i", 7)) + part(1, b"odorOn\0\0"),
    "the field 'odorOn' twice": names(b"odorOn", b"odorOn") + EMPTY * 2,
    "0 bytes where a part is due": names(b"odorOn", b"kind") + EMPTY,
    "more than the 1 fields": names(b"odorOn") + EMPTY * 2,
    "of type 9 where a variable is due": names(b"odorOn") + part(9),
    "4 bytes where a part is due": names(b"odorOn") + bytes(4),
    "a part of 4294967295 bytes in 0": names(b"odorOn") + struct.pack("<II", 14, 2**32 - 1),
    "a part of 9 bytes in 4": names(b"odorOn") + struct.pack("<II", 9 << 16 | 1, 0),
    "a name of 300 characters": names(b"odorOn", width=300) + EMPTY,
    "1 numbers in an array": names(b"odorOn") + variable(b"", 6, part(9, bytes(8)), (1, 2**31 - 1)),
    "an array of shape": names(b"odorOn") + variable(b"", 6, part(9, bytes(8)), (-1, -1)),
    "9 bytes of numbers of 8 bytes": names(b"odorOn") + variable(b"", 6, part(9, bytes(9))),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("reason", BODIES)
def test_structs_that_break_the_format(cell, reason, compressed):
    broken = variable(b"events", 2, BODIES[reason])
    cell.write_bytes(cell.read_bytes()[:128] + (packed(broken) if compressed else broken))
    refused(cell, reason)


@pytest.mark.parametrize(
    "content",
    [
        packed(bytes(2**24)),
        b"".join(packed(variable(b"v%d" % i, 1, bytes(2**19))) for i in range(64)),
        packed(variable(b"events", 2, names(b"a") + EMPTY * 2**17)),
        packed(variable(b"events", 2, part(5, bytes(2**20)))),
        packed(variable(b"events", 2, part(5, struct.pack("<i", 1)) + part(1, bytes(2**20)))),
        packed(variable(b"e" * 2**20, 2)),
        packed(part(14, bytes(2**20))),
        packed(part(14, part(6, bytes(8)) + part(5, bytes(2**20)))),
        packed(
            variable(
                b"events", 2, names(b"odorOn") + variable(b"", 6, part(2, bytes(2**20)), (1, 2**20))
            )
        ),
        bytes(2**24),
    ],
)
def test_small_files_do_not_fill_the_memory(cell, content, monkeypatch):
    monkeypatch.setattr(mat_format, "LARGEST", 2**21)
    cell.write_bytes(cell.read_bytes()[:128] + content)
    tracemalloc.start()
    refused(cell, "cell.mat must")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23


def test_a_deeply_nested_file(cell):
    nested = EMPTY
    for _ in range(5000):
        nested = variable(b"", 2, names(b"odorOn") + nested)
    cell.write_bytes(cell.read_bytes()[:128] + variable(b"events", 2, names(b"odorOn") + nested))
    refused(cell, "class struct")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_rather_than_waited_for(cell):
    cell.unlink()
    os.mkfifo(cell)
    refused(cell, "got a folder, pipe or device")


def test_tables_and_objects_are_named(cell):
    opaque = part(6, struct.pack("<II", 17, 0)) + part(1, b"events") + part(1, b"MCOS")
    cell.write_bytes(cell.read_bytes()[:128] + part(14, opaque))
    refused(cell, r"must hold a struct 'events'; got 'events' \(opaque\)\. Save a MATLAB table")


def test_version_4_is_refused(tmp_path):
    savemat(tmp_path / "old.mat", {"odorOn": ONSETS}, format="4")
    with pytest.raises(ValueError, match="version 5 to 7"):
        read_variables(tmp_path / "old.mat")
    with pytest.raises(UnreadableRecordingError, match=r"^old.mat must be"):
        read_neuron(tmp_path / "old.mat")
