"""Scores of the shipped agents, whose curves end where their scores are, and of added ones."""

import dataclasses
import json

import pytest

from neurotasks.scores import baseline_scores
from neurotasks_baselines.errors import AgentFileError, ScoresFileError
from neurotasks_baselines.experiments.jobs import shipped
from neurotasks_baselines.suite.protocol import LARGEST_ERROR
from neurotasks_baselines.suite.report import shipped_agents
from neurotasks_baselines.suite.results import check_scores, contents
from neurotasks_baselines.suite.run import Job
from neurotasks_baselines.suite.shipped import (
    NOT_RUN,
    curve_of,
    main,
    score_shipped,
    write_baselines,
)
from neurotasks_baselines.training.agent_files import read_description

NEW = ("Bandit", "BanditRestless")
RESULTS = [r for results in shipped_agents().values() for r in results if r.curve]


def test_most_shipped_agents_have_a_learning_curve():
    assert len(RESULTS) > 50


@pytest.mark.parametrize("result", RESULTS, ids=lambda r: f"{r.id.rpartition('/')[2]}-{r.seed}")
def test_a_curve_ends_at_the_score(result):
    """Points are of 200 episodes, with standard errors up to about 0.03."""
    assert abs(result.curve["score"][-1] - result.score) < 0.1
    assert result.curve["seconds"][-1] == pytest.approx(result.seconds, abs=0.1)
    assert result.curve["steps"][0] == 0


def test_curves_are_those_of_the_descriptions():
    description = read_description(shipped("volatility", "ppo", 100, "agent"))
    (stored,) = (
        r.curve
        for r in shipped_agents()["FusedRecurrentPPO"]
        if (r.id, r.seed) == (description["id"], 100)
    )
    found = curve_of(description)
    assert found["steps"] == stored["steps"]
    assert found["score"] == pytest.approx(stored["score"], abs=2e-4)
    assert curve_of(description | {"history": description["history"][::20]}) == {}


def scores_file(tmp_path, name="transformer PPO"):
    """Write scores with 6, 4 and 5 seeds on three tasks, of which 1, 0 and 1 are uncertain."""
    results = [
        dataclasses.replace(result, seed=seed)
        for id, seeds in (("Bandit", 6), ("Harlow", 4), ("TwoStep2016", 5))
        for result in [next(r for r in RESULTS if r.id == f"neurotasks/{id}-v0")]
        for seed in range(seeds)
    ]
    for i in (5, -1):
        results[i] = dataclasses.replace(results[i], memory_score_se=1.01 * LARGEST_ERROR)
    file = tmp_path / "scores.json"
    file.write_text(json.dumps(contents(name, "standard", "the command", results)))
    assert check_scores(file, complete=False)
    return str(file)


def test_only_what_is_certain_is_kept(tmp_path):
    result = RESULTS[0]
    job = Job("ppo", result.id, result.seed, result.steps, None)
    job.file(tmp_path / "ppo").parent.mkdir(parents=True)

    def score_again(before):
        job.file(tmp_path / "ppo").write_text(json.dumps(dataclasses.asdict(before)))
        return score_shipped("ppo", job, tmp_path / "agent", tmp_path)

    assert score_again(result) == result
    with pytest.raises(AgentFileError):
        score_again(dataclasses.replace(result, score_se=1.01 * LARGEST_ERROR))


def test_agents_of_others_are_added_with_the_tasks_that_have_all_seeds(tmp_path):
    words = [str(tmp_path), "--add", scores_file(tmp_path), "--hardware", "one H100"]
    main(words)
    main(words)  # adds it once
    table = json.loads((tmp_path / "baselines.json").read_text())
    assert list(table["agents"]) == list(
        dict.fromkeys([*baseline_scores()["agents"], "transformer PPO"])
    )
    added = table["agents"]["transformer PPO"]
    before = baseline_scores()["agents"]["transformer PPO"]
    assert added["command"] == f"{before['command']}; the command"
    assert added["hardware"] == f"{before['hardware']}; one H100"
    others = [r for r in before["results"] if r["id"] != "neurotasks/Bandit-v0"]
    assert added["results"][: len(others)] == others
    assert [r["id"] for r in added["results"][len(others) :]] == ["neurotasks/Bandit-v0"] * 5
    assert set(NOT_RUN) - set(table["not_run"]) >= {"transformer PPO"}
    assert "agents of CleanRL, TorchRL and RLlib" in table["not_run"]


def test_a_task_for_which_an_agent_does_not_ship_joins_those_that_ship(tmp_path):
    """A2C ships for Bandit, but not for BanditRestless."""
    ours = baseline_scores()["agents"]["FusedRecurrentA2C"]
    before = [r for r in ours["results"] if r["id"] == "neurotasks/Bandit-v0"]
    known = {"FusedRecurrentA2C": {"command": "the first command", "results": before}}
    (tmp_path / "baselines.json").write_text(json.dumps({"agents": known}))
    new = [r for r in RESULTS if r.id == "neurotasks/BanditRestless-v0"][:5]
    file = tmp_path / "scores.json"
    file.write_text(json.dumps(contents("FusedRecurrentA2C", "standard", "the command", new)))
    main([str(tmp_path), "--add", str(file), "--hardware", "one H100"])
    added = json.loads((tmp_path / "baselines.json").read_text())["agents"]["FusedRecurrentA2C"]
    assert added["command"] == "the first command; the command"
    assert added["hardware"] == "one H100"
    assert added["results"] == [*before, *map(dataclasses.asdict, new)]


def test_scoring_those_that_ship_again_keeps_what_was_added(tmp_path, monkeypatch):
    def only_a2c_on_bandit():
        job, weights = Job("a2c", "neurotasks/Bandit-v0", 100, 1, 10), tmp_path / "agent"
        yield "a2c", job, weights

    results = {id: next(r for r in RESULTS if r.id == f"neurotasks/{id}-v0") for id in NEW}
    added = {"command": "COMMAND", "results": [dataclasses.asdict(r) for r in results.values()]}
    known = {"FusedRecurrentA2C": added | {"hardware": "one H100"}, "other": added}
    (tmp_path / "baselines.json").write_text(json.dumps({"agents": known}))
    scored = dataclasses.replace(results["Bandit"], score=0.5)
    monkeypatch.setattr("neurotasks_baselines.suite.shipped.jobs", only_a2c_on_bandit)
    monkeypatch.setattr("neurotasks_baselines.suite.shipped.score_shipped", lambda *_: scored)
    found = write_baselines(tmp_path)["agents"]
    kept, new = found["FusedRecurrentA2C"]["results"]
    assert (kept["id"], new["score"]) == ("neurotasks/BanditRestless-v0", 0.5)
    assert found["other"] == added


def test_an_added_agent_needs_a_name_of_its_own_and_the_hardware(tmp_path, capsys):
    file = scores_file(tmp_path, "FusedRecurrentPPO")
    with pytest.raises(ScoresFileError, match="does not ship"):
        main([str(tmp_path), "--add", file, "--hardware", "one H100"])
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--add", file])
    assert "--hardware" in capsys.readouterr().err
