"""What several test files of the baselines need."""

import shutil

import pytest
import torch as th

from neurotasks_baselines.training.agent_files import agent_file, save
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.hyperparameters import Hyperparameters

TASK = "neurotasks/TwoStep-v0"
TRIALS = {"trials": 3}  # nine steps an episode


@pytest.fixture(scope="session")
def tiny():
    """Return hyperparameters of 20 rollouts of an episode of three trials in 4 sub-environments."""
    return Hyperparameters(total_steps=20 * 4 * 9, num_envs=4, columns=2, n_epochs=2, units=8)


@pytest.fixture
def agent(tiny):
    """An agent after a few updates, so that its optimizer has something to remember."""
    return trained(tiny)


def trained(hyperparameters):
    model = build(TASK, hyperparameters=hyperparameters, seed=3, task_kwargs=TRIALS)
    model.learn(3 * 4 * 9)
    return model


@pytest.fixture(scope="session")
def saved_once(tiny, tmp_path_factory):
    """Return the path of an agent's file, not to be written to."""
    path = tmp_path_factory.mktemp("saved") / "agent"
    save(trained(tiny), path)
    return path


@pytest.fixture
def saved(saved_once, tmp_path):
    """Return the path of the file of an agent."""
    shutil.copy(agent_file(saved_once), agent_file(tmp_path / "agent"))
    return tmp_path / "agent"


@pytest.fixture
def weights():
    """Return a copy of the weights of an agent as one flat tensor."""
    return lambda model: th.cat([p.detach().flatten() for p in model.policy.parameters()])
