"""Scores of the shipped agents: their learning curves end where their scores are."""

import pytest

from neurotasks_baselines.experiments.runner import shipped
from neurotasks_baselines.suite.report import shipped_agents
from neurotasks_baselines.suite.shipped import curve_of
from neurotasks_baselines.training.agent_files import read_description

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
