"""Saved agents: what comes back, what is refused, and what a crash leaves behind."""

import contextlib
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium.error import Error as GymnasiumError
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from neurotasks_baselines.errors import AgentFileError, SeedError
from neurotasks_baselines.training import agent_files as saving
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


@pytest.mark.parametrize("trunk", ["shared", "separate"])
def test_round_trip(trunk, tiny, tmp_path):
    model = build(
        TASK, hyperparameters=replace(tiny, trunk=trunk), seed=3, task_kwargs=TRIALS
    ).learn(3 * 36)
    model.description["history"] = [{"steps": 0, "reward": 0.5}]
    save(model, tmp_path / "agent")
    for num_envs in (None, 1):
        loaded = load(tmp_path / "agent", num_envs=num_envs)
        assert answers(loaded) == answers(model)
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
    assert not load(tmp_path / "agent").policy.optimizer.state_dict()["state"]
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


class Bomb:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.parametrize("dump", [pickle.dump, th.save])
def test_nothing_is_executed(saved, dump, tmp_path):
    target = tmp_path / "executed"
    file = agent_file(saved)
    with file.open("wb") as handle:
        dump(Bomb(target), handle)
    with pytest.raises(AgentFileError, match=str(file)):
        load(saved)
    assert not target.exists()
    with file.open("rb") as handle:  # it would go off
        if dump is pickle.dump:
            pickle.load(handle)
        else:
            th.load(handle, weights_only=False)
    assert target.exists()


def test_missing_file(saved):
    agent_file(saved).unlink()
    for path in (saved, agent_file(saved)):
        for read in (load, read_description):
            with pytest.raises(AgentFileError, match=f"There is no {saved}.safetensors"):
                read(path)


def test_a_description_is_read_without_the_tensors(saved):
    """Whatever the tensors hold."""
    file, expected = agent_file(saved), read_description(saved)
    whole = file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    file.write_bytes(whole[:header] + b"\xff" * (len(whole) - header))
    assert read_description(saved) == expected


def test_a_loaded_file_is_not_kept_open(agent, tmp_path):
    """It can be replaced on Windows too."""
    save_checkpoint(agent, tmp_path / "mapped")
    model = load_checkpoint(tmp_path / "mapped")
    assert str(tmp_path / "mapped") not in Path("/proc/self/maps").read_text()
    assert model.num_timesteps == agent.num_timesteps


def test_the_old_format_names_the_version_that_wrote_it(saved):
    """It had the description in a file of its own."""
    file = agent_file(saved)
    save_file(load_file(file), file, {"token": "abc"})
    with pytest.raises(
        AgentFileError, match=r"agent\.safetensors holds tensors, but no description"
    ):
        load(saved)
    old = {"format": 1, "token": "abc", "versions": {"neurotasks": "0.1.0"}}
    saved.with_suffix(".json").write_text(json.dumps(old))
    with pytest.raises(AgentFileError, match=r"old format, written with neurotasks 0\.1\.0"):
        load(saved)


@pytest.mark.parametrize("part", [0, 1, 7, 8, 9, 0.1, 0.5, 0.9, -2])
def test_truncated_file(saved, part):
    file = agent_file(saved)
    whole = file.read_bytes()
    cut = whole[: part if isinstance(part, int) else int(part * len(whole))]
    file.write_bytes(cut)
    with pytest.raises(AgentFileError, match=str(file)):
        load(saved)
    assert file.read_bytes() == cut


def rewrite(saved, text=None, **fields):
    """Replace the description, or fields of it; None removes one."""
    file = agent_file(saved)
    description = read_description(file) | fields
    description = {name: value for name, value in description.items() if value is not None}
    text = json.dumps(description) if text is None else text
    save_file(load_file(file), file, {"description": text})


SIZED = {"total_steps": 1, "n_steps": 9}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hyperparameters": {"total_steps": 1, "banana": 2}}, "banana"),
        ({"hyperparameters": {"units": 8}}, "total_steps"),
        ({"hyperparameters": SIZED | {"units": 16}}, "agent.safetensors do not fit"),
        ({"hyperparameters": SIZED | {"trunk": "separate"}}, "do not fit"),
        (
            {"hyperparameters": SIZED | {"n_steps": 8}},
            "cannot be built.*n_steps must be at least 9",
        ),
        ({"hyperparameters": None}, "agent.safetensors must have the fields"),
        ({"hyperparameters": SIZED | {"units": "eight"}}, "units in .* must be int; got 'eight'"),
        ({"hyperparameters": SIZED | {"units": 8.5}}, "must be int; got 8.5"),
        ({"hyperparameters": {"total_steps": True}}, "total_steps in .* must be int; got True"),
        ({"hyperparameters": SIZED | {"gamma": "0.9"}}, "gamma in .* must be float; got '0.9'"),
        ({"hyperparameters": SIZED | {"trunk": "both"}}, "must be one of .*; got 'both'"),
        ({"hyperparameters": SIZED | {"trunk": []}}, r"must be one of .*; got \[\]"),
        ({"hyperparameters": SIZED | {"units": -8}}, "agent that cannot be built"),
        ({"hyperparameters": [1]}, r"hyperparameters in .* must be dict; got \[1\]"),
        ({"id": 7}, "id in .* must be str; got 7"),
        ({"seed": "3"}, "seed in .*; got '3'"),
        ({"seed": -3}, "agent that cannot be built.*seed must be in 0 to"),
        ({"num_timesteps": 1.5}, "num_timesteps in .*; got 1.5"),
        ({"task_kwargs": {"trialz": 3}}, "agent that cannot be built.*trialz"),
        ({"format": 99}, r"format of .* must be 2; got 99, written with neurotasks \d"),
        ({"format": None}, "must have the fields"),
        ({"id": "neurotasks/TwoStep2016-v0"}, "do not fit"),
    ],
)
def test_description_that_does_not_fit(saved, fields, message):
    rewrite(saved, **fields)
    with pytest.raises(AgentFileError, match=message):
        load(saved)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "must have the fields"),
        ("3", "must have the fields"),
        ('{"format"', "header of .* is damaged"),
    ],
)
def test_description_that_is_no_object(saved, text, message):
    rewrite(saved, text)
    with pytest.raises(AgentFileError, match=message):
        load(saved)


def test_tensors_that_do_not_fit(saved):
    file = agent_file(saved)
    with safe_open(file, "pt") as tensors:
        metadata = tensors.metadata()
    tensors = load_file(file)
    last = sorted(tensors)[-1]
    for changed in (
        {k: v for k, v in tensors.items() if k != last},
        tensors | {"policy.banana": th.zeros(1)},
        tensors | {last: th.zeros(3, 3, 3)},
    ):
        save_file(changed, file, metadata)
        with pytest.raises(AgentFileError, match=r"agent\.safetensors do not fit"):
            load(saved)


def test_unregistered_task(saved):
    rewrite(saved, id="neurotasks/Nonesuch-v0")
    with pytest.raises(GymnasiumError, match="Nonesuch"):
        load(saved)


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


def half_written(tensors, file, *_):
    Path(file).write_bytes(b"half")
    raise Killed


CRASHES = {
    "while writing": lambda m: m.setattr(saving, "save_file", half_written),
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


@pytest.mark.parametrize("fields", [{"gamma": 1}, {"learning_rate_end": 0}, {"ent_coef_end": None}])
def test_a_float_may_be_written_as_an_int(fields, agent, saved):
    rewrite(saved, hyperparameters=agent.description["hyperparameters"] | fields)
    assert load(saved).num_timesteps == agent.num_timesteps


@pytest.mark.parametrize("seed", [-1, 2_000_000])
def test_seeds_no_agent_can_have(seed, tiny):
    with pytest.raises(SeedError, match=f"seed must be in 0 to 1,999,999; got {seed}"):
        build(TASK, hyperparameters=tiny, seed=seed)
    assert build(TASK, hyperparameters=tiny, seed=1_999_999).description["seed"] == 1_999_999
