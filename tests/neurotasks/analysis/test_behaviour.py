"""The measure that each task names."""

import dataclasses

import gymnasium as gym
import pandas as pd
import pytest

import neurotasks
from neurotasks.analysis.behaviour import REWARD_BY_QUARTER, Behaviour, behaviour_of
from neurotasks.analysis.two_step import stay_probabilities
from neurotasks.core.task import load
from neurotasks.episodes import run_episodes
from neurotasks.errors import TaskDefinitionError
from neurotasks.observers import reference_observer
from neurotasks.tasks.bandit import TASK as BANDIT
from neurotasks.tasks.two_step import TASK as TWO_STEP

ID = "neurotasks/TwoStep-v0"


@pytest.mark.parametrize(
    "place", dict.fromkeys(entry["task"] for entry in neurotasks.TASKS.values())
)
def test_every_task_names_a_measure(place):
    assert isinstance(behaviour_of(load(place)), Behaviour)


def test_two_step_task():
    envs = gym.make_vec(ID, num_envs=20, autoreset_mode="SameStep", trial_log=True)
    trials = run_episodes(reference_observer(envs, 0), envs, seed=0).trials
    assert behaviour_of(TWO_STEP).measure(trials).to_dict() == stay_probabilities(trials)


def test_bandit():
    table = pd.DataFrame(
        {"env": [0, 0, 1, 1], "episode": 0, "trial": [0, 1, 0, 1], "regret": [0.2, 0.0, 0.4, 0.2]}
    )
    measured = behaviour_of(BANDIT).measure(table)
    assert measured.index.tolist() == [1, 2]
    assert measured.tolist() == pytest.approx([0.3, 0.4])


def test_reward_by_quarter():
    table = pd.DataFrame({"env": 0, "episode": 0, "trial": range(8), "trial_reward": range(8)})
    measured = REWARD_BY_QUARTER.measure(table)
    assert measured.to_dict() == {1: 0.5, 2: 2.5, 3: 4.5, 4: 6.5}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("neurotasks.analysis.bandits:BEHAVIOUR", "Importing 'neurotasks.analysis.bandits' failed"),
        ("neurotasks.analysis.bandit:BEHAVIOR", "has no 'BEHAVIOR'. Did you mean"),
    ],
)
def test_measure_that_does_not_exist(place, said):
    with pytest.raises(TaskDefinitionError, match=f"The behaviour of TwoStep must be.*{said}"):
        behaviour_of(dataclasses.replace(TWO_STEP, behaviour=place))
