"""Saved agents: what comes back, what is refused, and what a crash leaves behind."""

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from safetensors.torch import load_file

from neurotasks_baselines.errors import AgentFileError, SeedError
from neurotasks_baselines.training.agent_files import agent_file, load, read_description, save
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.checkpoints import load_checkpoint, save_checkpoint

TASK, TRIALS = "neurotasks/TwoStep-v0", {"trials": 3}


def answers(model, steps=6):
    """Return actions and values for some observations."""
    rng, memory, found = np.random.default_rng(0), None, []
    low, high = model.observation_space.low, model.observation_space.high
    for _ in range(steps):
        observation = rng.uniform(low, high, (5, len(low))).astype(np.float32)
        state = th.zeros(1, 5, 8) if memory is None else th.as_tensor(memory[0])
        values = model.policy.predict_values(th.as_tensor(observation), (state, state), th.zeros(5))
        action, memory = model.predict(observation, memory, deterministic=True)
        found.append((action.tolist(), memory[0].tolist(), values.tolist()))
    return found


@pytest.fixture
def saved(agent, tmp_path):
    save(agent, tmp_path / "agent")
    return tmp_path / "agent"


A2C = {"algorithm": "a2c", "n_epochs": 1, "learned_start": True}


@pytest.mark.parametrize(
    "changes",
    [{"trunk": "shared"}, {"trunk": "separate"}, A2C, A2C | {"trunk": "separate"}],
    ids=lambda changes: ", ".join(map(str, changes.values())),
)
def test_round_trip(changes, tiny, tmp_path):
    hyperparameters = replace(tiny, **changes)
    model = build(TASK, hyperparameters=hyperparameters, seed=3, task_kwargs=TRIALS).learn(3 * 36)
    model.description["history"] = [{"steps": 0, "reward": 0.5}]
    save(model, tmp_path / "agent")
    for num_envs in (None, 1):
        loaded = load(tmp_path / "agent", num_envs=num_envs)
        assert answers(loaded) == answers(model)
        assert type(loaded) is hyperparameters.agent_class
        assert loaded.description == model.description
        assert loaded.num_timesteps == model.num_timesteps == 3 * 36
        assert loaded.n_envs == (num_envs or 4)
    assert answers(load(tmp_path / "agent.safetensors")) == answers(model)
    assert [file.name for file in tmp_path.iterdir()] == ["agent.safetensors"]


def test_description(saved, tiny):
    description = read_description(saved)
    assert description["id"] == TASK
    assert description["task_kwargs"] == TRIALS
    assert description["seed"] == 3
    assert description["hyperparameters"] == tiny.to_json()
    assert description["num_timesteps"] == 3 * 36
    assert description["versions"]["torch"].startswith(th.__version__.split("+")[0])


def test_loaded_agents_can_be_saved_again(saved, tmp_path):
    save(load(saved), tmp_path / "copy")
    assert read_description(tmp_path / "copy") == read_description(saved)
    ours, theirs = load_file(tmp_path / "copy.safetensors"), load_file(f"{saved}.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(th.equal(ours[name], theirs[name]) for name in ours)


def test_what_training_resumes_from(agent, tmp_path):
    save_checkpoint(agent, tmp_path / "agent")
    states, random = agent.env.get_state(), th.get_rng_state()
    moments = agent.policy.optimizer.state_dict()["state"]
    th.rand(5)
    with pytest.raises(AgentFileError, match="must hold an agent; got a checkpoint"):
        load(tmp_path / "agent")
    loaded = load_checkpoint(tmp_path / "agent")
    kept = loaded.policy.optimizer.state_dict()["state"]
    assert kept.keys() == moments.keys() != set()
    for i, state in moments.items():
        assert all(th.equal(kept[i][name], value) for name, value in state.items())
    assert (loaded.env.get_state() == states).all()
    assert th.equal(th.get_rng_state(), random)


def test_names_with_dots(agent, tmp_path):
    """A dot in a name is no suffix: two agents stay two."""
    save(agent, tmp_path / "rate0.1")
    agent.num_timesteps += 1
    save(agent, tmp_path / "rate0.2")
    assert load(tmp_path / "rate0.2").num_timesteps == load(tmp_path / "rate0.1").num_timesteps + 1


def test_seeds(tiny):
    """Sub-environments are seeded from the agent's seed; no two seeds share one."""
    for seed in (0, 2):
        env = build(TASK, hyperparameters=tiny, seed=seed, task_kwargs=TRIALS).env
        env.reset()
        for i, state in enumerate(env.get_state()):
            single = gym.make(TASK, **TRIALS).unwrapped
            single.reset(seed=1000 * seed + i)
            assert state == single.get_state()[0]


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_path_without_a_name(path, agent):
    for call in (load, read_description, lambda path: save(agent, path)):
        with pytest.raises(AgentFileError, match=r"^The path of an agent must end in a name"):
            call(path)


def test_missing_file(saved):
    agent_file(saved).unlink()
    for path in (saved, agent_file(saved)):
        for read in (load, read_description):
            with pytest.raises(AgentFileError, match=f"There is no {saved}.safetensors"):
                read(path)


def test_a_loaded_file_is_not_kept_open(agent, tmp_path):
    """It can be replaced on Windows too."""
    save_checkpoint(agent, tmp_path / "mapped")
    model = load_checkpoint(tmp_path / "mapped")
    num_timesteps = model.num_timesteps
    model.learn(36, reset_num_timesteps=False)
    assert str(tmp_path / "mapped") not in Path("/proc/self/maps").read_text()
    assert num_timesteps == agent.num_timesteps


class Killed(BaseException):
    pass


def kill_at(monkeypatch, owner, name, call, before):
    """Have the numbered call of a function end the process, before or after it is done."""
    real, calls = getattr(owner, name), []

    def stand_in(*arguments, **task_kwargs):
        calls.append(name)
        if len(calls) == call and before:
            raise Killed
        result = real(*arguments, **task_kwargs)
        if len(calls) == call:
            raise Killed
        return result

    monkeypatch.setattr(owner, name, stand_in)


def half_written(file, content):
    real_write_bytes(file, content[: len(content) // 2])
    raise Killed


real_write_bytes = Path.write_bytes
CRASHES = {
    "while writing": lambda m: m.setattr(Path, "write_bytes", half_written),
    "before the sync": lambda m: kill_at(m, os, "fsync", 1, True),
    "before the old file is replaced": lambda m: kill_at(m, Path, "replace", 1, True),
    "after the old file is replaced": lambda m: kill_at(m, Path, "replace", 1, False),
}


@pytest.mark.slow
@pytest.mark.parametrize("second", [None, *CRASHES])
@pytest.mark.parametrize("first", CRASHES)
def test_a_crash_leaves_one_agent_or_the_other(first, second, agent, saved, monkeypatch):
    """Also after two crashes."""
    agents = [(agent.num_timesteps, answers(agent))]
    for crash in (first, second):
        if crash is not None:
            agent.learn(36, reset_num_timesteps=False)
            agents.append((agent.num_timesteps, answers(agent)))
            with monkeypatch.context() as patch:
                CRASHES[crash](patch)
                with contextlib.suppress(Killed):
                    save(agent, saved)
    loaded = load(saved)
    found = loaded.num_timesteps, answers(loaded)
    assert [i for i, it in enumerate(agents) if it == found]
    save(agent, saved)
    loaded = load(saved)
    assert (loaded.num_timesteps, answers(loaded)) == agents[-1]
    assert [file.name for file in saved.parent.iterdir()] == ["agent.safetensors"]


@pytest.mark.parametrize("seed", [-1, 2_000_000])
def test_seeds_no_agent_can_have(seed, tiny):
    with pytest.raises(SeedError, match=f"seed must be in 0 to 1,999,999; got {seed}"):
        build(TASK, hyperparameters=tiny, seed=seed)
    assert build(TASK, hyperparameters=tiny, seed=1_999_999).description["seed"] == 1_999_999
