"""The page of results is the one its claims make, and the shipped agents are all there."""

import json
from pathlib import Path

import pytest

from baselines.claims import Claim
from baselines.experiments import EXPERIMENTS
from baselines.hyperparameters import Hyperparameters
from baselines.report import results_page
from baselines.reproduce import WEIGHTS, shipped
from baselines.saving import load

DOCS = Path(__file__).parent.parent / "docs"
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
        agent = load(shipped(experiment.name, seed, name), num_envs=1)
        settings = training.hyperparameters
        assert agent.description["id"] == training.id
        assert agent.description["keywords"] == training.keywords
        assert agent.description["seed"] == seed
        assert Hyperparameters(**agent.description["hyperparameters"]) == settings
        assert agent.num_timesteps >= settings.total_steps


def test_weights_are_small():
    assert sum(f.stat().st_size for f in WEIGHTS.rglob("*") if f.is_file()) < 15e6
