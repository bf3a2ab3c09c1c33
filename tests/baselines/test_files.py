"""Strict JSON, and files that are never seen half-written."""

import json
from pathlib import Path

import numpy as np
import pytest

from neurotasks_baselines.files import json_ready, json_text, write_whole


def test_json_text():
    value = {"bad": [np.nan, np.inf, -np.inf], "good": np.float64(0.1), 3: (None, True)}
    text = json_text(value)
    assert json.loads(text) == {"bad": [None] * 3, "good": 0.1, "3": [None, True]}
    assert not {"NaN", "Infinity"} & set(text.split())


def test_write_whole(tmp_path, monkeypatch):
    """Killed in between, the old file is still there."""

    def killed(*_):
        raise KeyboardInterrupt

    file = tmp_path / "file.json"
    write_whole(file, "old")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_whole(file, "new")
    assert file.read_text() == "old"
    write_whole(file, "newer")
    assert file.read_text() == "newer"
    assert [f.name for f in tmp_path.iterdir()] == ["file.json"]


def test_json_ready():
    value = {
        1: np.float32(0.5),
        "array": np.arange(3),
        "nested": [(np.int64(2), "two"), {"flag": np.bool_(True)}],
        "none": None,
    }
    ready = {"1": 0.5, "array": [0, 1, 2], "nested": [[2, "two"], {"flag": True}], "none": None}
    assert json.loads(json.dumps(json_ready(value))) == json_ready(value) == ready
