"""The card of an agent, read as a model hub reads it."""

import dataclasses
import shlex

import pytest
import yaml

from neurotasks.errors import ParameterError
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.experiments.jobs import shipped
from neurotasks_baselines.suite.card import model_card, training_command
from neurotasks_baselines.suite.report import shipped_agents
from neurotasks_baselines.training.agent_files import read_description

ID = "neurotasks/BanditUniform-v0"


@pytest.fixture(scope="module")
def result():
    found = shipped_agents()["FusedRecurrentPPO"]
    return next(r for r in found if (r.id, r.seed) == (ID, 100))


@pytest.fixture(scope="module")
def file():
    return shipped("bandits", "ppo", 100, "correlated").with_suffix(".safetensors")


def head(card):
    _, text, _ = card.split("---\n", 2)
    return yaml.safe_load(text)


def test_the_head_names_task_licence_and_metrics_with_intervals(file, result):
    found = head(model_card(read_description(file), result, "cc-by-4.0"))
    assert found["library_name"] == "neurotasks"
    assert found["license"] == "cc-by-4.0"
    assert "BanditUniform-v0" in found["tags"]
    ((results,),) = (entry["results"] for entry in found["model-index"])
    assert results["dataset"]["type"] == ID
    assert [metric["type"] for metric in results["metrics"]] == ["score", "memory score"]
    for metric, name in zip(results["metrics"], ("score", "memory_score"), strict=True):
        value, error = getattr(result, name), getattr(result, f"{name}_se")
        low, high = metric["args"]["confidence_interval"]
        assert metric["value"] == pytest.approx(value, abs=1e-4)
        assert (low, high) == pytest.approx((value - 1.96 * error, value + 1.96 * error), abs=2e-4)


def test_the_command_trains_with_the_same_hyperparameters(file, result, capsys):
    description = read_description(file)
    assert training_command(description) in model_card(description, result)
    changed = description["hyperparameters"] | {"units": 7, "n_steps": None}
    words = shlex.split(training_command(description | {"hyperparameters": changed, "seed": 3}))
    assert words[:5] == ["neurotasks", "train", ID, "--seed", "3"]
    assert words[words.index("--set") + 1] == "units=7"
    assert main([*words[1:], "--show"]) == 0
    assert "units" in capsys.readouterr().out


def test_scores_of_another_task_are_refused(file, result):
    description = read_description(file)
    other = dataclasses.replace(result, id="neurotasks/TwoStep-v0")
    for some, scores in (
        (description, other),
        (description | {"task_kwargs": {"arms": 3}}, result),
    ):
        with pytest.raises(ParameterError, match="A card needs an agent of"):
            model_card(some, scores)


@pytest.mark.slow
def test_the_command_line_writes_it(file, tmp_path, capsys):
    out = tmp_path / "README.md"
    assert main(["evaluate", str(file), "--episodes", "60", "--card", str(out)]) == 0
    assert "card in" in capsys.readouterr().out
    card = out.read_text()
    (metric, _) = head(card)["model-index"][0]["results"][0]["metrics"]
    low, high = metric["args"]["confidence_interval"]
    assert low < metric["value"] < high
    assert "60 held-out episodes" in card
    assert "regret" in card
