"""Whole evaluations of agents in milliseconds, and the check of what they write."""

import json
import shlex
import time
from dataclasses import replace

import numpy as np
import pytest

from neurotasks_baselines.cli.main import main
from neurotasks_baselines.errors import CandidateError, RunDirectoryError, ScoresFileError
from neurotasks_baselines.suite import report, results
from neurotasks_baselines.suite.protocol import EPISODES, LARGEST_ERROR, MOST
from neurotasks_baselines.suite.results import aggregates, check_scores, is_certain, read_results
from neurotasks_baselines.suite.run import evaluate

ID = "neurotasks/BanditUniform-v0"
SHORT = {"track": "quick", "ids": [ID], "seeds": 2, "steps": 10, "episodes": 60}
AGENT = """
import gymnasium as gym
from neurotasks.observers import reference_observer

def make_agent(id, *, total_steps, seed):
    return reference_observer(gym.make(id), seed=0)
"""


def stay_or_shift(observations, starts, state):
    """Return the last action after a reward, and the other one after none."""
    first, last, reward = observations[:, 1], observations[:, 2], observations[:, 3]
    stay = (last > first).astype(int)
    return np.where(reward > 0, stay, 1 - stay), None


def make_stay_or_shift(id, *, total_steps, seed):
    return stay_or_shift


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch, run):
    """Write tables and figures once only."""
    monkeypatch.setattr(report, "write_report", lambda out, found: None)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return out, evaluate(make_stay_or_shift, out, **SHORT)


def test_reference_observer_scores_1_without_error(tmp_path):
    (tmp_path / "observing.py").write_text(AGENT)
    found = evaluate(f"{tmp_path}/observing.py:make_agent", tmp_path / "out", **SHORT)
    for result in found["results"]:
        assert (result["score"], result["memory_score"], result["score_se"]) == (1, 1, 0)
    assert found["aggregates"]["score"] == {"value": 1, "low": 1, "high": 1}


def learn_to_stay_or_shift(id, *, total_steps, seed):
    """Yield an agent that never changes its choice, and one that has learned to, after 0.1 s."""
    yield 0, lambda observations, starts, state: (np.zeros(len(observations), int), None)
    time.sleep(0.1)
    yield total_steps, stay_or_shift


def test_who_yields_gets_a_learning_curve(tmp_path):
    """Its points are paired scores of fewer episodes; evaluations are not timed."""
    kept = SHORT | {"episodes": 400, "seeds": 1}
    found = evaluate(learn_to_stay_or_shift, tmp_path, **kept)
    (result,) = found["results"]
    curve = result["curve"]
    assert curve["steps"] == [0, 10]
    assert (
        curve["seconds"][0] < 0.1 <= curve["seconds"][1] == pytest.approx(result["seconds"], 0.01)
    )
    assert abs(curve["score"][0]) < 0.1 < 0.5 < curve["score"][1]
    assert abs(curve["score"][1] - result["score"]) < 0.1  # of 200 episodes and of 400
    assert check_scores(tmp_path / "scores.json", complete=False)["results"][0].curve == curve


AT_FIRST = 50  # held-out episodes


@pytest.mark.parametrize(("largest", "times"), [(9.0, 1), (None, 2), (1e-9, MOST)])
def test_episodes_are_doubled_until_errors_are_small(largest, times, tmp_path, monkeypatch):
    """The bound in the middle lies between the errors of as many episodes and of twice as many."""
    monkeypatch.setitem(EPISODES, ID, AT_FIRST)
    kept = SHORT | {"seeds": 1, "ids": [ID]}

    def error(episodes):
        found = evaluate(make_stay_or_shift, tmp_path / str(episodes), **kept, episodes=episodes)
        return found["results"][0]["score_se"]

    del kept["episodes"]
    largest = largest or (error(AT_FIRST) + error(2 * AT_FIRST)) / 2
    monkeypatch.setattr(results, "LARGEST_ERROR", largest)
    found = evaluate(make_stay_or_shift, tmp_path / "all", **kept)
    assert found["results"][0]["episodes"] == times * AT_FIRST
    assert evaluate(make_stay_or_shift, tmp_path / "all", **kept) == found  # is done


CERTAIN = {
    "small": ({}, True),
    "fewer episodes": ({"episodes": EPISODES[ID] - 1}, False),
    "score": ({"score_se": 1.01 * LARGEST_ERROR}, False),
    "memory score": ({"memory_score_se": 1.01 * LARGEST_ERROR}, False),
    "training": ({"train_score": 0.5, "train_score_se": 1.01 * LARGEST_ERROR}, False),
    "below 0": ({"memory_score": -0.1, "memory_score_se": 1.0}, True),
    "nearly the most": ({"score_se": 1.0, "episodes": MOST * EPISODES[ID] - 1}, False),
    "the most": ({"score_se": 1.0, "episodes": MOST * EPISODES[ID]}, True),
}


@pytest.mark.parametrize("name", CERTAIN)
def test_what_is_certain(name, run):
    change, certain = CERTAIN[name]
    small = {"episodes": EPISODES[ID], "score_se": LARGEST_ERROR, "memory_score_se": LARGEST_ERROR}
    small |= {"score": 0.5, "memory_score": 0.5}
    (result,) = read_results([run[1]["results"][0] | small | change])
    assert is_certain(result) == certain


def test_a_whole_track_must_be_certain(run, tmp_path, monkeypatch):
    """Seeds may have other numbers of episodes."""
    monkeypatch.setitem(EPISODES, ID, 60)
    monkeypatch.setitem(results.TRACKS, "quick", replace(results.TRACKS["quick"], ids=(ID,)))
    file = tmp_path / "scores.json"
    small = changed(run[1], episodes=MOST * 60)
    second = small["results"][1] | {"score_se": 0.01, "memory_score_se": 0.01}
    file.write_text(json.dumps(small | {"results": [small["results"][0], second]}))
    check_scores(file)
    file.write_text(json.dumps(run[1]))
    with pytest.raises(ScoresFileError, match="seed 0 has 60 held-out episodes, which must be 60"):
        check_scores(file)


def test_training_and_test_episodes_are_scored_apart_where_they_differ(tmp_path):
    id = "neurotasks/Volatility-v0"
    found = evaluate(make_stay_or_shift, tmp_path, **SHORT | {"ids": [id, ID], "seeds": 1})
    apart, same = found["results"]
    assert apart["train_score"] != apart["score"]
    assert apart["train_score_se"] > 0
    assert same["train_score"] is None


def test_what_is_done_is_not_done_again(tmp_path):
    trained = []

    def make_agent(id, *, total_steps, seed):
        trained.append((id, total_steps, seed))
        return stay_or_shift

    first = evaluate(make_agent, tmp_path, **SHORT)
    assert trained == [(ID, 10, 0), (ID, 10, 1)]
    assert evaluate(make_agent, tmp_path, **SHORT) == first
    (tmp_path / "results" / "BanditUniform-v0-1.json").unlink()
    evaluate(make_agent, tmp_path, **SHORT | {"seeds": 3})
    assert [seed for *_, seed in trained[2:]] == [1, 2]


@pytest.mark.parametrize("change", [{"steps": 20}, {"episodes": 50}, {"name": "another"}])
def test_results_of_another_evaluation_are_refused(run, change):
    with pytest.raises(RunDirectoryError, match="must hold"):
        evaluate(make_stay_or_shift, run[0], **SHORT | change)


def test_results_of_an_earlier_version_of_the_file_are_refused(tmp_path):
    file = tmp_path / "changing.py"
    file.write_text(AGENT)
    evaluate(f"{file}:make_agent", tmp_path / "out", **SHORT)
    file.write_text(AGENT + "# better\n")
    with pytest.raises(RunDirectoryError, match="earlier version"):
        evaluate(f"{file}:make_agent", tmp_path / "out", **SHORT)


@pytest.mark.parametrize("change", [{"track": "quik"}, {"ids": ["neurotasks/TwoStop-v0"]}])
def test_unknown_tracks_and_tasks(change, tmp_path):
    with pytest.raises(CandidateError, match="Did you mean"):
        evaluate(make_stay_or_shift, tmp_path, **SHORT | change)


def test_tables_and_figures(run):
    out, found = run
    page = (out / "scores.md").read_text()
    assert f"| BanditUniform | 2 | {np.mean([r['score'] for r in found['results']]):.3f}" in page
    assert "| regret |" in page
    assert "| measure | make_stay_or_shift | FusedRecurrentPPO |" in page  # the shipped agents
    assert "Memory score 0: the best of all tables" in page
    assert (out / "scores.csv").read_text().count("\n") == 3
    for name in ("tasks.png", "radar.png"):
        assert (out / name).stat().st_size > 5000


CHANGES = {
    "format": lambda f: f | {"format": 0},
    "no field": lambda f: {k: v for k, v in f.items() if k != "track"},
    "track": lambda f: f | {"track": "short"},
    "no results": lambda f: f | {"results": []},
    "field": lambda f: changed(f, steps="10"),
    "score": lambda f: changed(f, score=3.0),
    "error": lambda f: changed(f, score_se=-0.1),
    "memory score": lambda f: changed(f, memory_score=None, memory_score_se=None),
    "scales": lambda f: changed(f, memory_score=0.9),
    "train score": lambda f: changed(f, train_score=0.9, train_score_se=0.1),
    "task": lambda f: changed(f, id="neurotasks/CartPole-v0"),
    "seed twice": lambda f: changed(f, seed=1),
    "other steps": lambda f: changed(f, steps=11),
    "part of a curve": lambda f: changed(f, curve={"steps": [0, 1], "score": [0, 1]}),
    "shorter curve": lambda f: changed(f, curve={"steps": [0, 1], "seconds": [0], "score": [0, 1]}),
    "curve back": lambda f: changed(f, curve={"steps": [1, 0], "seconds": [0, 1], "score": [0, 1]}),
    "high curve": lambda f: changed(f, curve={"steps": [0], "seconds": [0], "score": [3]}),
}


def changed(found, **values):
    """Return a file with another first result, and the aggregates that belong to it."""
    results = [found["results"][0] | values, *found["results"][1:]]
    try:
        made = aggregates(read_results(results))
    except ValueError:
        made = found["aggregates"]
    return found | {"results": results, "aggregates": made}


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_that_no_evaluation_writes_is_refused(name, run, tmp_path):
    _, found = run
    file = tmp_path / "scores.json"
    file.write_text(json.dumps(found))
    assert check_scores(file, complete=False)["results"] == read_results(found["results"])
    file.write_text(json.dumps(CHANGES[name](found)))
    with pytest.raises(ScoresFileError, match="must be what"):
        check_scores(file, complete=False)


def test_other_aggregates_are_refused(run, tmp_path):
    _, found = run
    found = json.loads(json.dumps(found))
    found["aggregates"]["score"]["value"] += 1e-3
    (tmp_path / "scores.json").write_text(json.dumps(found))
    with pytest.raises(ScoresFileError, match="by its results"):
        check_scores(tmp_path / "scores.json", complete=False)


def test_command(run, tmp_path, capsys):
    (tmp_path / "observing_too.py").write_text(AGENT)
    words = ["score", f"{tmp_path}/observing_too.py:make_agent", "--task", "banditUniform"]
    words += ["--seeds", "1", "--steps", "10", "--episodes", "50", "--name", "an observer"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    output = capsys.readouterr().out
    assert "| BanditUniform | 1     | 1.000" in output
    found = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert main([*shlex.split(found["command"])[1:], "--out", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "scores.json").read_text()) == found
    assert "'--name=an observer'" in found["command"]
    capsys.readouterr()
    assert main(["score", "--check", str(run[0] / "scores.json")]) == 1
    assert "has 0 of the 2 seeds of the track 'quick'" in capsys.readouterr().err
    assert main(["score"]) == 1
    assert "Either AGENT or --check must be given; got neither" in capsys.readouterr().err
