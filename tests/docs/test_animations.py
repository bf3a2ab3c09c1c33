"""The animations: one per id, small, and held where there is something to read."""

import importlib.util
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

import neurotasks

DOCS = Path(__file__).parents[2] / "docs"
LARGEST, LARGEST_OVERVIEW = 135_000, 1_200_000  # bytes


def animate():
    spec = importlib.util.spec_from_file_location("animate", DOCS / "animate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("id", neurotasks.TASKS)
def test_every_id_has_an_animation(id):
    file = DOCS / "animations" / f"{gym.spec(id).name}.gif"
    assert file.stat().st_size <= LARGEST
    with Image.open(file) as image:
        assert image.size == (740, 360)
        assert image.n_frames >= 5


def test_overview():
    file = DOCS / "animations" / "overview.gif"
    assert file.stat().st_size <= LARGEST_OVERVIEW
    with Image.open(file) as image, Image.open(DOCS / "figures" / "overview.png") as still:
        assert image.size == still.size
        assert image.width == 900
        assert image.n_frames >= 10


def test_outcomes_are_held_and_waits_cut_short():
    module = animate()
    frames, seconds = module.animation("neurotasks/VariableReward-v0", 1)
    assert 10 <= sum(seconds) <= 10 + module.OUTCOME
    assert {module.STEP, module.OUTCOME} == set(seconds)
    pairs = zip(frames, frames[1:], frames[2:], strict=False)
    seen = [
        [np.array_equal(a[:, :480], b[:, :480]) for a, b in ((x, y), (y, z))] for x, y, z in pairs
    ]
    assert not any(all(same) for same in seen)
