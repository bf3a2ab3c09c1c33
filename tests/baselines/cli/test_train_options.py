"""``neurotasks train``: hyperparameters from the shell, and what is said at the end."""

import json
import tomllib
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from neurotasks.scores import normalized_score
from neurotasks_baselines.cli import summary
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.experiments import EXPERIMENTS, metrics_for
from neurotasks_baselines.experiments.jobs import shipped
from neurotasks_baselines.suite.behaviour import CLAIMS
from neurotasks_baselines.training.agent_files import load, read_description
from neurotasks_baselines.training.evaluate import evaluate, play
from neurotasks_baselines.training.hyperparameters import TABLE
from neurotasks_baselines.training.wang2018 import wang2018_for

ID = "neurotasks/TwoStep-v0"


def shown(capsys, *words):
    assert main(["train", "twostep", "--show", *words]) == 0
    return capsys.readouterr().out


def test_show_prints_what_would_be_used(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    defaults = {k: v for k, v in TABLE[ID].to_json().items() if v is not None}
    text = shown(capsys)
    assert tomllib.loads(text) == defaults
    assert "# n_steps: 300, of the longest episode\n" in text
    text = shown(capsys, "--set", "trials=7", "--set", "units=5", "--steps", "1e3")
    assert tomllib.loads(text) == defaults | {"units": 5, "total_steps": 1000}
    assert "# trials = 7\n" in text
    assert "# n_steps: 21, of the longest episode\n" in text
    a2c = {k: v for k, v in wang2018_for(ID).to_json().items() if v is not None}
    assert tomllib.loads(shown(capsys, "--agent", "a2c")) == a2c
    assert list(tmp_path.iterdir()) == []


def test_the_shell_counts_more_than_the_file(capsys, tmp_path):
    """What is shown is itself such a file."""
    file = tmp_path / "some.toml"
    file.write_text(shown(capsys, "--set", "units=5", "--set", "gamma=0.5"))
    found = tomllib.loads(shown(capsys, "--hyperparameters", str(file), "--set", "units=6"))
    assert (found["units"], found["gamma"]) == (6, 0.5)


@pytest.mark.parametrize("word", ["False", "false"])
def test_what_is_shown_of_the_task_can_be_set(word, capsys):
    assert "\n# fixation = true" in shown(capsys)
    assert "\n# fixation = false" in shown(capsys, "--set", f"fixation={word}")


BAD = {
    "learning_rate=100": "learning_rate must be a float in 0 to 10; got 100.",
    "units=64.5": "units must be an int in 1 to 2,048; got 64.5.",
    "trunk=both": "trunk must be one of 'shared', 'separate', 'rpe'; got 'both'.",
}


@pytest.mark.parametrize("assignment", BAD)
def test_values_are_checked_as_those_of_a_file(assignment, capsys, tmp_path):
    assert main(["train", ID, "--set", assignment, "--out", str(tmp_path / "run")]) == 1
    assert capsys.readouterr() == ("", f"neurotasks train: {BAD[assignment]}\n")
    assert list(tmp_path.iterdir()) == []


def train(*words):
    return main(["train", "twostep", *words])


@pytest.fixture
def tiny_task(tiny, monkeypatch):
    monkeypatch.setitem(TABLE, ID, replace(tiny, n_steps=None))


@pytest.mark.usefixtures("tiny_task")
def test_a_training_ends_with_a_table(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train("--steps", "36", "--set", "learning_rate=1e-3") == 0
    output, error = capsys.readouterr()
    run = tmp_path / "runs/TwoStep-ppo-0"
    assert read_description(run / "agent")["hyperparameters"]["learning_rate"] == 1e-3
    lines = {line[:28].strip(): line[28:].split() for line in output.splitlines()}
    episodes = play(load(run / "agent"), num_episodes=metrics_for(ID).num_episodes)
    score = float(normalized_score(ID, episodes.returns.mean()))
    assert lines["score"] == [f"{score:.3f}", "0.000", "1.000", "(BayesTwoStep)"]
    assert lines["return of an episode"][1:] == ["-150.057", "70.591"]
    for name, value in metrics_for(ID).compute(episodes).items():
        assert lines[name][0] == f"{value:.3f}"
    assert lines["stay_rewarded_rare"][1] == "0.637"
    assert lines["reward_per_trial"][1:3] == ["0.705", "ideal,"]
    assert output.endswith("tensorboard --logdir runs/TwoStep-ppo-0\n")
    assert all(c.isprintable() or c == "\n" for c in output + error)


@pytest.mark.usefixtures("tiny_task")
def test_other_parameters_have_a_scale_of_their_own(capsys, tmp_path):
    """And nothing published."""
    assert train("--steps", "36", "--set", "trials=3", "--out", str(tmp_path)) == 0
    output = capsys.readouterr().out
    assert "-150.057" not in output
    assert "(BayesTwoStep)" in output
    assert "published" not in output
    assert "0.637" not in output


def test_every_published_value_is_of_a_claim():
    """Of every metric that is claimed anything of, under its own name."""
    two_step = summary.published(ID, {})
    assert two_step["stay_rewarded_common"] == "0.991  (Wang 2018, Fig. 5 (digitised, +-0.005))"
    assert summary.published(ID, {"trials": 3}) == {}
    assert summary.published("neurotasks/Harlow-v0", {})["accuracy_2"].startswith("0.966")
    assert "Thompson" in summary.published("neurotasks/Bandit-v0", {})["regret"]
    assert "regret" not in summary.published("neurotasks/BanditUniform-v0", {})
    ids = {training.id for e in EXPERIMENTS.values() for training in e.trainings.values()}
    used = set().union(*(summary.published(id, {}) for id in ids & set(TABLE)))
    assert used == set(CLAIMS)


@pytest.mark.parametrize(
    ("experiment", "agent", "number"),
    [
        ("inferred-value", "agent", "+0.45"),
        ("risky-choice", "agent", "about 0.75"),
        ("dopamine-agents", "distributional", "1"),
        ("dopamine-agents", "probability", "10 and 10 of 31 neurons (mice)"),
        ("dopamine-variance", "distributional", "1"),
    ],
)
def test_own_measures_stand_next_to_published_ones(experiment, agent, number):
    model = load(shipped(experiment, "ppo", EXPERIMENTS[experiment].seeds[0], agent), num_envs=1)
    id, task_kwargs = model.description["id"], model.description["task_kwargs"]
    played = evaluate(model, num_episodes=30)
    found = summary.own_measures(id, task_kwargs, *played)
    assert number in {text.partition("  (")[0] for _, _, text in found}
    names = {claim.name for claim in EXPERIMENTS[experiment].claims}
    assert {name for name, _, _ in found} <= names
    assert all(np.isfinite(value) for _, value, _ in found)
    assert summary.own_measures(id, {"trials": 3}, *played) == []


def test_no_score_where_it_would_take_minutes():
    with pytest.raises(ValueError, match="with images only"):
        summary.returns_of("neurotasks/HarlowPixels-v0", {"trials": 2})
    assert summary.returns_of("neurotasks/HarlowPixels-v0", {})["ideal"] > 6


def test_hyperparameters_have_no_name_of_a_parameter():
    """With --set, such a name is that of the task."""
    for id in TABLE:
        env = gym.make(id).unwrapped
        assert not TABLE[id].to_json().keys() & vars(env.parameters).keys()


def test_run_json_has_what_the_shell_said(tiny_task, tmp_path):
    assert (
        train("--steps", "36", "--set", "trials=3", "--set", "units=5", "--out", str(tmp_path)) == 0
    )
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["task_kwargs"] == {"trials": 3}
    assert run["hyperparameters"]["units"] == 5
