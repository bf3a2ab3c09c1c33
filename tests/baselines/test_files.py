"""Strict JSON."""

import json
import os
from typing import Any, Literal

import numpy as np
import pytest

from neurotasks_baselines.files import (
    check_fields,
    fits,
    json_ready,
    json_text,
    parse_json,
    read_json,
)


def test_json_text():
    value = {"bad": [np.nan, np.inf, -np.inf], "good": np.float64(0.1), 3: (None, True)}
    text = json_text(value)
    assert json.loads(text) == {"bad": [None] * 3, "good": 0.1, "3": [None, True]}
    assert not {"NaN", "Infinity"} & set(text.split())


def test_json_ready():
    value = {
        1: np.float32(0.5),
        "array": np.arange(3),
        "nested": [(np.int64(2), "two"), {"flag": np.bool_(True)}],
        "none": None,
    }
    ready = {"1": 0.5, "array": [0, 1, 2], "nested": [[2, "two"], {"flag": True}], "none": None}
    assert json.loads(json.dumps(json_ready(value))) == json_ready(value) == ready


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("NaN", "NaN is no finite number"),
        ('{"a": [Infinity]}', "Infinity is no finite number"),
        ("-Infinity", "-Infinity is no finite number"),
        ("1e400", "1e400 is no finite number"),
        ('{"a": {"b": 1, "b": 1}}', "'b' is repeated"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("9" * 5000, "digits"),
        (b'"\xff"', "utf-8"),
        ("{} {}", "Extra data"),
    ],
)
def test_json_that_is_not_strict(text, message):
    with pytest.raises(ValueError, match=message) as error:
        parse_json(text)
    assert str(error.value).count("\n") == 0


def test_strict_json():
    text = '{"a": [1, -2.5, 1e300, true, null, "é"], "b": {}}'
    assert parse_json(text) == parse_json(text.encode()) == json.loads(text)


def test_files_that_are_not_read(tmp_path):
    file = tmp_path / "file.json"
    with pytest.raises(FileNotFoundError):
        read_json(file)
    file.write_text("[1]")
    assert read_json(file, largest=3) == [1]
    with pytest.raises(ValueError, match="it has 3 bytes, more than 2"):
        read_json(file, largest=2)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/null")
    for name in ("pipe", "device", "."):
        with pytest.raises(ValueError, match="it is no regular file"):
            read_json(tmp_path / name)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (int, [0, -1, 10**30], [True, 1.0, "1", None]),
        (float, [0, 1.5, 10**308], [False, "1", None, 10**309]),
        (bool, [True, False], [0, 1, None]),
        (str, ["", "a"], [1, None, ["a"]]),
        (int | None, [1, None], [False, 1.5, "None"]),
        (Literal["a", "b"], ["a", "b"], ["c", None, [], {"a": 1}, 1]),
        (list[int], [[], [1, 2]], [{}, "ab", [1, "2"], [True]]),
        (dict[str, float | None], [{}, {"a": 1, "b": None}], [[], {"a": "1"}, {1: 1}]),
        (list[dict[str, Any]], [[{}], [{"a": []}]], [[1], {}, [{1: 1}]]),
        (Any, [None, 1, "a", [True]], []),
    ],
    ids=str,
)
def test_types_of_json(kind, good, bad):
    assert [fits(value, kind) for value in good] == [True] * len(good)
    assert [fits(value, kind) for value in bad] == [False] * len(bad)


def test_fields_of_an_object():
    fields = {"a": int, "b": float | None}
    check_fields({"b": None, "a": 1}, fields)
    for value, message in (
        ([], r"fields must be a, b; got \[\]"),
        ({"a": 1}, r"fields must be a, b; got \['a'\]"),
        ({"a": 1, "b": 1, "c": 1}, "fields must be a, b; got"),
        ({"a": 1.5, "b": 1}, "a must be an int; got 1.5"),
        ({"a": 1, "b": "x"}, "b must be None or a float; got 'x'"),
    ):
        with pytest.raises(ValueError, match=message):
            check_fields(value, fields)
