"""The page of results is the one its claims make, and the shipped agents are all there."""

import json
from pathlib import Path

import pytest

from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.claims import Claim
from neurotasks_baselines.experiments.report import results_page
from neurotasks_baselines.experiments.runner import WEIGHTS, shipped
from neurotasks_baselines.training.hyperparameters import Hyperparameters

DOCS = Path(__file__).parents[3] / "docs"
AGENTS = [(e, seed) for e in EXPERIMENTS.values() for seed in e.seeds]


def test_page_and_claims_agree():
    claims = [Claim(**fields) for fields in json.loads((DOCS / "claims.json").read_text())]
    assert (DOCS / "results.md").read_text() == results_page(claims)
    assert {claim.experiment for claim in claims} == set(EXPERIMENTS)


@pytest.mark.parametrize(
    ("experiment", "seed"), AGENTS, ids=[f"{e.name}-{seed}" for e, seed in AGENTS]
)
def test_shipped_agent(experiment, seed):
    """It was trained on this task, from this seed, with the settings of the table."""
    for name, training in experiment.trainings.items():
        agent = training.load(shipped(experiment.name, seed, name))
        hyperparameters = training.hyperparameters
        assert agent.description["id"] == training.id
        assert agent.description["task_kwargs"] == training.task_kwargs
        assert agent.description["seed"] == seed
        assert Hyperparameters(**agent.description["hyperparameters"]) == hyperparameters
        assert agent.num_timesteps >= hyperparameters.total_steps


def test_weights_are_small():
    assert sum(f.stat().st_size for f in WEIGHTS.rglob("*") if f.is_file()) < 15e6
