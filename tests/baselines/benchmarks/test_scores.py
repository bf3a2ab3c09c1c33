"""The reference returns, and the scores of trained agents."""

import json
from concurrent.futures import Executor, Future
from dataclasses import replace

import numpy as np
import pytest

from neurotasks import scores
from neurotasks_baselines.benchmarks import scores as scoreboard
from neurotasks_baselines.benchmarks.scores import AGENTS, EPISODES, Score, reference_table
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.errors import RunDirectoryError
from neurotasks_baselines.training import jobs as jobs_module
from neurotasks_baselines.training.hyperparameters import TABLE

ID = "neurotasks/TwoStep2016-v0"


@pytest.fixture
def tiny(tiny, monkeypatch):
    """Small agents, on a scale between 0 and 100."""
    tiny = replace(tiny, n_steps=16, whole_episodes=False)
    monkeypatch.setitem(TABLE, ID, tiny)
    monkeypatch.setattr(scores, "reference_returns", lambda: {ID: {"random": 0.0, "ideal": 100.0}})
    return tiny


class Serial(Executor):
    """In the place of a pool of processes."""

    def __init__(self, workers):
        pass

    def submit(self, function, *args):
        future = Future()
        future.set_result(function(*args))
        return future


@pytest.mark.parametrize("agent", AGENTS)
def test_train_and_score(agent, tiny):
    """The score is that of the agent after as many steps as were asked for, or a rollout more."""
    made = {}

    def build(id, seed, steps):
        made["model"] = AGENTS[agent](id, seed, steps)
        return made["model"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(scoreboard.AGENTS, "agent", build)
        score, seconds = scoreboard.train_and_score((ID, "agent", 4, 100, 20))
    model = made["model"]
    assert model.n_envs == tiny.num_envs
    assert 100 <= model.num_timesteps < 100 + tiny.num_envs * tiny.n_steps
    assert model.gamma == tiny.gamma
    assert 0 < score < 1
    rewards = score * 100 * 20  # of the 20 episodes together, each a whole number
    assert rewards == pytest.approx(round(rewards), abs=1e-9)
    assert seconds > 0


def test_stock_agent_has_our_settings_as_far_as_it_can(tiny):
    stock, ours = (AGENTS[n](ID, 0, 100) for n in ("stock RecurrentPPO", "FusedRecurrentPPO"))
    for name in ("n_steps", "batch_size", "n_epochs", "gamma", "gae_lambda", "vf_coef"):
        assert getattr(stock, name) == getattr(ours, name), name
    assert stock.policy.lstm_actor.hidden_size == tiny.units
    assert stock.lr_schedule(1) == ours.lr_schedule(1)


def test_score_agents(monkeypatch, tmp_path):
    jobs = []

    def stand_in(job):
        jobs.append(job)
        return len(jobs) / 10, 10.0 * len(jobs)

    monkeypatch.setattr(scoreboard, "train_and_score", stand_in)
    monkeypatch.setattr(jobs_module, "worker_pool", Serial)
    found = scoreboard.score_agents(tmp_path / "out", [ID], steps=8, seeds=(1, 2), num_episodes=5)
    assert jobs == [(ID, agent, seed, 8, 5) for agent in AGENTS for seed in (1, 2)]
    assert [s.agent for s in found] == list(AGENTS)
    assert [s.scores for s in found] == [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]
    assert [s.seconds for s in found] == [15, 35, 55]
    written = json.loads((tmp_path / "out" / "agents.json").read_text())
    assert [Score(**fields) for fields in written] == found


def test_an_interrupted_score_resumes(monkeypatch, tmp_path):
    """Each training counts once, whichever process has done it."""
    jobs, fail_at = [], [4]

    def stand_in(job):
        if len(jobs) == fail_at[0]:
            raise KeyboardInterrupt
        jobs.append(job)
        return len(jobs) / 10, 10.0 * len(jobs)

    monkeypatch.setattr(scoreboard, "train_and_score", stand_in)
    monkeypatch.setattr(jobs_module, "worker_pool", Serial)
    options = {"steps": 8, "seeds": (1, 2), "num_episodes": 5, "workers": 1}
    with pytest.raises(KeyboardInterrupt):
        scoreboard.score_agents(tmp_path, [ID], **options)
    assert [file.name for file in tmp_path.iterdir()] == ["agents.part.json"]
    fail_at.clear()
    fail_at.append(None)
    found = scoreboard.score_agents(tmp_path, [ID], **options)
    assert jobs == [(ID, agent, seed, 8, 5) for agent in AGENTS for seed in (1, 2)]
    assert [s.scores for s in found] == [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]
    assert [file.name for file in tmp_path.iterdir()] == ["agents.json"]


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"a": [1]}', '{"a": ["b", "c"]}'])
def test_results_that_cannot_be_read_are_refused(text, tmp_path):
    (tmp_path / "agents.part.json").write_text(text)
    with pytest.raises(RunDirectoryError, match=r"agents\.part\.json must hold the results"):
        scoreboard.score_agents(tmp_path, [ID])
    assert (tmp_path / "agents.part.json").read_text() == text


def test_agents_on_the_command_line(monkeypatch, tmp_path, capsys):
    found = [Score(ID, "ours", 8, [0.25, 0.75], 3.0)]
    monkeypatch.setattr(
        scoreboard, "score_agents", lambda out, engine: found if out == tmp_path else None
    )
    assert main(["benchmark", "agents", "--out", str(tmp_path)]) == 0
    line, end = capsys.readouterr().out.splitlines()
    assert line.split() == [ID, "ours", "0.500", "(0.250", "to", "0.750)"]
    assert end == f"written to {tmp_path / 'agents.json'}"


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
