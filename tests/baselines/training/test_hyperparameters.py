"""Hyperparameters of every task, of its relatives and of custom tasks."""

import math
from dataclasses import replace
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium.error import UnregisteredEnv

import neurotasks
from neurotasks.core.parameters import NO_CAP
from neurotasks_baselines.errors import HyperparameterError, UnknownTaskError
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import evaluate
from neurotasks_baselines.training.hyperparameters import (
    TABLE,
    Hyperparameters,
    hyperparameters_for,
)

SMALL = {"neurotasks/HarlowPixels-v0": {"max_frames": 40}}


@pytest.mark.parametrize("id", neurotasks.TASKS)
def test_every_id_can_be_trained(id, weights):
    """The defaults as they are, with fewer sub-environments."""
    small = {"num_envs": 4, "columns": 4, "n_epochs": 1, "learning_rate_end": None}
    hyperparameters = replace(hyperparameters_for(id), **small)
    model = build(id, hyperparameters=hyperparameters, seed=0, task_kwargs=SMALL.get(id))
    before = weights(model)
    longest = model.get_env().get_attr("parameters")[0].longest_episode
    rollouts = math.ceil(longest / model.n_steps) if model.whole_episodes else 1
    model.learn(rollouts * 4 * model.n_steps)
    assert model.num_timesteps == rollouts * 4 * model.n_steps
    after = weights(model)
    assert not th.equal(before, after)
    assert after.isfinite().all()


@pytest.mark.parametrize("id", [id for id in TABLE if TABLE[id].whole_episodes])
def test_a_tenth_of_the_steps_is_masked_at_most(id):
    """In the settings of the task, but for the size of the network."""
    hyperparameters = replace(hyperparameters_for(id), units=4, n_epochs=1)
    model = build(id, hyperparameters=hyperparameters, seed=0)
    masks = []
    learn = model.train
    model.train = lambda: masks.append(model.rollout_buffer.mask) or learn()
    model.learn(3 * model.n_envs * model.n_steps)
    assert sum(mask.sum() for mask in masks) >= 0.9 * sum(mask.size for mask in masks)


@pytest.mark.parametrize("num_envs", [0, -1, 1.5, True, 2**16 + 1])
def test_numbers_of_sub_environments(num_envs):
    with pytest.raises(HyperparameterError, match="num_envs must be an int in 1 to 65,536; got"):
        build("neurotasks/TwoStep-v0", num_envs=num_envs)


def test_relatives_of_a_task_in_the_table():
    bandit = TABLE["neurotasks/Bandit-v0"]
    for name in ("Easy", "Medium", "Hard", "Restless", "Informative"):
        assert hyperparameters_for(f"neurotasks/Bandit{name}-v0") is bandit
    neurotasks.register("test/ShortTwoStep-v0", "neurotasks.tasks.two_step:TASK", trials=5)
    assert hyperparameters_for("test/ShortTwoStep-v0") is TABLE["neurotasks/TwoStep-v0"]
    model = build("test/ShortTwoStep-v0", num_envs=2)
    assert model.n_steps == 15


@pytest.mark.parametrize(
    ("longest", "whole_episodes", "n_steps"),
    [(100, True, 100), (1000, True, 1000), (1001, False, 200), (NO_CAP, False, 200)],
)
def test_custom_tasks(longest, whole_episodes, n_steps, monkeypatch):
    """Whole episodes where their length is known and moderate."""
    neurotasks.register("test/Volatile-v0", "neurotasks.tasks.volatility:TASK")
    task = gym.make("test/Volatile-v0").unwrapped.task
    monkeypatch.setitem(vars(task), "name", "Custom")
    monkeypatch.setattr(task.parameters, "longest_episode", longest)
    found = hyperparameters_for("test/Volatile-v0")
    assert found.whole_episodes is whole_episodes
    assert found.rollout_steps(SimpleNamespace(longest_episode=longest)) == n_steps


@pytest.mark.parametrize(
    ("id", "hint"),
    [
        ("neurotasks/TwoStp-v0", "Did you mean: `TwoStep`"),
        ("neurotask/TwoStep-v0", "Did you mean: `neurotasks`"),
        ("Nonesuch", "Nonesuch"),
    ],
)
def test_a_misspelt_id(id, hint):
    with pytest.raises(UnregisteredEnv, match=hint):
        hyperparameters_for(id)


def test_an_environment_that_is_no_task():
    with pytest.raises(UnknownTaskError, match=r"got 'CartPole-v1', a CartPoleEnv"):
        hyperparameters_for("CartPole-v1")


@pytest.mark.parametrize(
    ("changes", "longest", "expected"),
    [
        ({}, 30, 30),
        ({"whole_episodes": False}, 30, 30),
        ({"n_steps": 30}, 30, 30),
        ({"n_steps": 31}, 30, 31),
        ({"n_steps": 7, "whole_episodes": False}, 30, 7),
        ({"n_steps": 7}, NO_CAP, 7),
        ({"n_steps": 29}, 30, 29),
        ({}, NO_CAP, "n_steps must be given .* longest_episode in SimpleNamespace"),
    ],
)
def test_rollout_steps(changes, longest, expected):
    hyperparameters = Hyperparameters(total_steps=1, **changes)
    parameters = SimpleNamespace(longest_episode=longest)
    if isinstance(expected, str):
        with pytest.raises(HyperparameterError, match=expected):
            hyperparameters.rollout_steps(parameters)
    else:
        assert hyperparameters.rollout_steps(parameters) == expected
        made = hyperparameters.agent_kwargs(parameters)
        assert (made["n_steps"], made["batch_size"]) == (expected, 16 * expected)


@pytest.mark.parametrize("feedback", ["action", "none"])
def test_a_network_of_the_rpe_needs_the_reward(feedback):
    hyperparameters = Hyperparameters(total_steps=1, num_envs=1, trunk="rpe")
    with pytest.raises(HyperparameterError, match=f"trunk='rpe' needs.*got feedback='{feedback}'"):
        build(
            "neurotasks/Bandit-v0",
            hyperparameters=hyperparameters,
            task_kwargs={"feedback": feedback},
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"algorithm": "a3c"}, "algorithm must be .*a2c.*; got 'a3c'"),
        ({"algorithm": "a2c"}, "n_epochs must be 1 with algorithm='a2c', .*; got 4. Set it to 1"),
        ({"rms_prop_eps": 0.0}, "rms_prop_eps must be a .* in 1e-30 to 1; got 0.0"),
        ({"rms_prop_eps": math.nan}, "rms_prop_eps must be .*; got nan"),
        ({"learned_start": 1}, "learned_start must be .*bool.*; got 1"),
        ({"learned_start": True, "cell": "gru"}, "learned_start must be False with cell='gru'"),
        ({"learned_start": True, "cell": "feedforward"}, "must be False with cell='feedfor"),
    ],
)
def test_hyperparameters_that_do_not_go_together(changes, message):
    with pytest.raises(HyperparameterError, match=message):
        Hyperparameters(total_steps=1, **changes)


def test_threads_are_not_set_for_the_whole_process():
    before = th.get_num_threads()
    th.set_num_threads(before + 1)
    try:
        model = build("neurotasks/TwoStep-v0", num_envs=2)
        model.predict(np.zeros(model.observation_space.shape, np.float32))
        evaluate(model, num_episodes=2)
        assert th.get_num_threads() == before + 1
    finally:
        th.set_num_threads(before)
