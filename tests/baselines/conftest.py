"""What several test files of the baselines need."""

import pytest
import torch as th

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
    model = build(TASK, hyperparameters=tiny, seed=3, task_kwargs=TRIALS)
    model.learn(3 * 4 * 9)
    return model


@pytest.fixture
def weights():
    """Return a copy of the weights of an agent as one flat tensor."""
    return lambda model: th.cat([p.detach().flatten() for p in model.policy.parameters()])
