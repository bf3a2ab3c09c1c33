"""Strict JSON."""

import json

import numpy as np

from neurotasks_baselines.files import json_ready, json_text


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
