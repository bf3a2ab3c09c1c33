"""The reference returns."""

import json

import numpy as np
import pytest

from neurotasks import scores
from neurotasks_baselines.benchmarks import scores as scoreboard
from neurotasks_baselines.benchmarks.scores import EPISODES, reference_table
from neurotasks_baselines.cli.main import main

ID = "neurotasks/TwoStep2016-v0"


def test_scores_on_the_command_line(monkeypatch, tmp_path, capsys):
    measured = reference_table([ID], 10)
    capsys.readouterr()
    asked = []
    monkeypatch.setattr(
        scoreboard, "reference_table", lambda num_episodes: asked.append(num_episodes) or measured
    )
    assert main(["benchmark", "scores", "--out", str(tmp_path / "out")]) == 0
    assert asked == [EPISODES]
    path = tmp_path / "out" / "scores.json"
    assert json.loads(path.read_text()) == measured
    line, end = capsys.readouterr().out.splitlines()
    assert line.split()[:3] == [ID, "random", f"{measured[ID]['random']:.3f}"]
    assert float(line.split()[-1]) == pytest.approx(measured[ID]["ideal"], abs=6e-4)
    assert end == f"written to {path}"
    monkeypatch.setattr(scores, "files", lambda package: path.parent)
    scores.reference_returns.cache_clear()
    try:
        assert scores.normalized_score(ID, measured[ID]["ideal"]) == np.float64(1)
    finally:
        scores.reference_returns.cache_clear()
