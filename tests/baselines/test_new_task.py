"""A task in one file: everything else follows from it, from `make` to the command line."""

import importlib
import io
import sys

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from writers.task_page import task_files

import neurotasks
from neurotasks.observers import reference_observer
from neurotasks_baselines.cli import play_comparison
from neurotasks_baselines.cli.main import main

ID = "lab/Coins-v0"
FILE = '''
from dataclasses import dataclass

import numpy as np

import neurotasks
from neurotasks.analysis.behaviour import Behaviour
from neurotasks.core import Field, Parameters, Task, choose, parameter, rule
from neurotasks.observers import Observer

DOC = """Find the coin that lands on its face.

## Description
One of two coins pays in every trial of an episode.

## Action Space
`Discrete(2)`.

## Observation Space
A go cue, the previous action and the previous reward.

## Rewards
1 or 0.

## Starting State
The coin is drawn.

## Episode End
Terminates after `trials` trials.

## References
- Nobody, nowhere.

## Version History
- v0: first release.
"""


@dataclass(frozen=True)
class CoinsParameters(Parameters):
    trials: int = parameter(6, "trials in an episode", "ours", low=1)

    @property
    def step_cap(self):
        return self.trials


@rule
def begin(lane, p):
    lane.coin = choose(lane, 2)


@rule
def new_trial(lane, p):
    lane.best_action = lane.coin


@rule
def step(lane, p, action):
    return (1.0 if action == lane.coin else 0.0), True


@rule
def observe(lane, p, stimulus):
    stimulus[0] = 1.0


class Switcher(Observer):
    """Stays with the coin that paid."""

    def act(self, memory, stimulus, action, reward):
        other = np.where(action >= 0, 1 - action, 0)
        return np.where(reward > 0, action, other).astype(np.int64)


SWITCHING = Behaviour(
    "reward", "trial", lambda trials: trials.groupby("trial")["trial_reward"].mean()
)

TASK = Task(
    name="Coins",
    doc=DOC,
    parameters=CoinsParameters,
    state={
        "coin": Field(
            np.int8, "coin that pays", info=True, column=True, low=0, high=1, option=True
        ),
        "best_action": Field(np.int8, "coin that pays", info=True, low=0, high=1),
    },
    actions=lambda p: ("left", "right"),
    stimulus=lambda p: ("go cue",),
    reward_range=lambda p: (0.0, 1.0),
    begin=begin,
    new_trial=new_trial,
    step=step,
    observe=observe,
    observer="lab_coins:Switcher",
    behaviour="lab_coins:SWITCHING",
    finding="Coins have been found to pay (Nobody).",
    diagram_column="coin",
)
neurotasks.register("lab/Coins-v0", "lab_coins:TASK")
'''


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The task's file, which the test forgets when it is over."""
    path = tmp_path / "lab_coins.py"
    path.write_text(FILE)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield path
    gym.registry.pop(ID, None)
    sys.modules.pop("lab_coins", None)


@pytest.fixture
def registered(file):
    importlib.import_module("lab_coins")


@pytest.mark.slow
@pytest.mark.usefixtures("registered")
def test_environments_and_observer():
    env, envs = gym.make(ID), gym.make_vec(ID, num_envs=3, autoreset_mode="SameStep")
    assert type(env.unwrapped).__name__ == "CoinsEnv"
    (one, _), (many, _) = env.reset(seed=5), envs.reset(seed=5)
    assert np.array_equal(one, many[0])
    player = reference_observer(envs, seed=0)
    assert type(player).__name__ == "Switcher"
    rewards, memory = [], None
    for _ in range(6):
        actions, memory = player.predict(many, memory)
        many, reward, *_ = envs.step(actions)
        rewards.append(reward)
    assert set(np.sum(rewards, axis=0)) <= {5.0, 6.0}


@pytest.mark.slow
@pytest.mark.usefixtures("registered")
def test_score():
    """Random choices earn 3 of 6, the observer 5.5."""
    assert neurotasks.normalized_score(ID, [3, 5.5]) == pytest.approx([0, 1], abs=0.1)


@pytest.mark.slow
@pytest.mark.usefixtures("registered")
def test_page_of_the_documentation():
    page, *diagrams = task_files("lab_coins:TASK", [ID]).values()
    for part in ("# Coins", "Coins have been found to pay", "`Switcher`: Stays with", "coin = 1"):
        assert part in page
    assert len(diagrams) == 2


@pytest.mark.slow
def test_command_line(file, monkeypatch, tmp_path, capsys):
    """Trained with the hyperparameters of any task, evaluated, and played."""
    monkeypatch.setattr(play_comparison, "REPEATS", 5)
    words, run, table = ["--import", str(file)], tmp_path / "run", tmp_path / "t.csv"
    assert main(["train", ID, *words, "--steps", "600", "--out", str(run)]) == 0
    assert main(["evaluate", str(run), *words, "--episodes", "3", "--out", str(table)]) == 0
    assert len(pd.read_csv(table)) == 3 * 6
    monkeypatch.setattr("sys.stdin", io.StringIO("left\n" * 6))
    capsys.readouterr()
    assert main(["play", ID, *words, "--terminal"]) == 0
    shown = capsys.readouterr().out
    assert "reward, by trial" in shown
    assert "reference observer" in shown
