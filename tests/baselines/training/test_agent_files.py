"""Saved agents: what comes back, what is refused, and what a crash leaves behind."""

import contextlib
import json
import os
import pickle
import shutil
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
from neurotasks_baselines.training.agent_files import (
    build,
    json_ready,
    json_text,
    load,
    read_description,
    save,
    write_whole,
)

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
    assert (tmp_path / "agent.json").exists()
    assert (tmp_path / "agent.safetensors").exists()
    assert len(list(tmp_path.iterdir())) == 2


def test_description(saved, tiny):
    description = read_description(saved)
    assert description["id"] == TASK
    assert description["keywords"] == TRIALS
    assert description["seed"] == 3
    assert description["hyperparameters"] == tiny.to_json()
    assert description["num_timesteps"] == 3 * 36
    assert description["versions"]["torch"].startswith(th.__version__.split("+")[0])


def test_loaded_agents_can_be_saved_again(saved, tmp_path):
    save(load(saved), tmp_path / "copy")
    assert (tmp_path / "copy.json").read_bytes() == saved.with_suffix(".json").read_bytes()
    ours, theirs = load_file(tmp_path / "copy.safetensors"), load_file(f"{saved}.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(th.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("resumable", [False, True])
def test_what_training_goes_on_from(resumable, agent, tmp_path):
    save(agent, tmp_path / "agent", resumable=resumable)
    lanes, random = agent.env.get_state(), th.get_rng_state()
    moments = agent.policy.optimizer.state_dict()["state"]
    th.rand(5)
    loaded = load(tmp_path / "agent")
    kept = loaded.policy.optimizer.state_dict()["state"]
    if not resumable:
        assert not kept
        return
    assert kept.keys() == moments.keys() != set()
    for i, state in moments.items():
        assert all(th.equal(kept[i][name], value) for name, value in state.items())
    assert (loaded.env.get_state() == lanes).all()
    assert th.equal(th.get_rng_state(), random)


def test_names_with_dots(agent, tmp_path):
    """A dot in a name is no suffix: two agents stay two."""
    save(agent, tmp_path / "rate0.1")
    agent.num_timesteps += 1
    save(agent, tmp_path / "rate0.2")
    assert load(tmp_path / "rate0.2").num_timesteps == load(tmp_path / "rate0.1").num_timesteps + 1


def test_seeds(tiny):
    """The lanes of an agent are those of its seed, and no other seed has one of them."""
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


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
@pytest.mark.parametrize("dump", [pickle.dump, th.save])
def test_nothing_is_executed(saved, dump, suffix, tmp_path):
    target = tmp_path / "executed"
    file = Path(f"{saved}.{suffix}")
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


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
def test_missing_file(saved, suffix):
    file = Path(f"{saved}.{suffix}")
    file.unlink()
    with pytest.raises(AgentFileError, match=f"There is no {file}"):
        load(saved)


@pytest.mark.parametrize("part", [0, 1, 7, 8, 9, 0.1, 0.5, 0.9, -2])
@pytest.mark.parametrize("suffix", ["safetensors", "json"])
def test_truncated_file(saved, suffix, part):
    file = Path(f"{saved}.{suffix}")
    whole = file.read_bytes()
    cut = whole[: part if isinstance(part, int) else int(part * len(whole))]
    file.write_bytes(cut)
    with pytest.raises(AgentFileError, match=str(file)):
        load(saved)
    assert file.read_bytes() == cut


def rewrite(saved, **fields):
    file = saved.with_suffix(".json")
    description = json.loads(file.read_text()) | fields
    file.write_text(json.dumps({k: v for k, v in description.items() if v is not None}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hyperparameters": {"total_steps": 1, "banana": 2}}, "agent.json.*banana"),
        ({"hyperparameters": {"units": 8}}, "agent.json.*total_steps"),
        ({"hyperparameters": {"total_steps": 1, "units": 16}}, "agent.safetensors do not fit"),
        ({"hyperparameters": {"total_steps": 1, "trunk": "separate"}}, "do not fit"),
        ({"hyperparameters": None}, "agent.json has the fields"),
        ({"hyperparameters": {"total_steps": 1, "units": "eight"}}, "agent.json has units 'eight'"),
        ({"hyperparameters": {"total_steps": 1, "units": 8.5}}, "units 8.5, but int is wanted"),
        ({"hyperparameters": {"total_steps": True}}, "agent.json has total_steps True"),
        ({"hyperparameters": {"total_steps": 1, "gamma": "0.9"}}, "gamma '0.9', but float"),
        ({"hyperparameters": {"total_steps": 1, "trunk": "both"}}, "trunk 'both', but one of"),
        ({"hyperparameters": {"total_steps": 1, "trunk": []}}, r"trunk \[\], but one of"),
        ({"hyperparameters": {"total_steps": 1, "units": -8}}, "agent that cannot be built"),
        ({"hyperparameters": [1]}, r"agent.json has hyperparameters \[1\], but dict"),
        ({"id": 7}, "agent.json has id 7, but str is wanted"),
        ({"seed": "3"}, "agent.json has seed '3'"),
        ({"seed": -3}, "agent that cannot be built.*The seed -3"),
        ({"num_timesteps": 1.5}, "agent.json has num_timesteps 1.5"),
        ({"keywords": {"trialz": 3}}, "agent that cannot be built.*trialz"),
        ({"format": 99}, "agent.json.*format 99"),
        ({"format": None}, "agent.json has the fields"),
        ({"id": "neurotasks/Harlow-v0", "keywords": {}}, "do not fit"),
    ],
)
def test_description_that_does_not_fit(saved, fields, message):
    rewrite(saved, **fields)
    with pytest.raises(AgentFileError, match=message):
        load(saved)


def test_description_that_is_no_object(saved):
    saved.with_suffix(".json").write_text("[1, 2]")
    with pytest.raises(AgentFileError, match=r"agent\.json holds a list"):
        load(saved)


@pytest.mark.parametrize("marked", [True, False], ids=["marked", "unmarked"])
def test_tensors_that_do_not_fit(saved, marked):
    """Whether the file says it belongs to the description, or nothing."""
    file = f"{saved}.safetensors"
    with safe_open(file, "pt") as tensors:
        mark = tensors.metadata() if marked else None
    tensors = load_file(file)
    last = sorted(tensors)[-1]
    for changed in (
        {k: v for k, v in tensors.items() if k != last},
        tensors | {"policy.banana": th.zeros(1)},
        tensors | {last: th.zeros(3, 3, 3)},
    ):
        save_file(changed, file, mark)
        message = r"agent\.safetensors do not fit" if marked else "belong to different agents"
        with pytest.raises(AgentFileError, match=message):
            load(saved)


def test_files_of_different_agents(agent, saved, tmp_path):
    agent.learn(36, reset_num_timesteps=False)
    save(agent, tmp_path / "other")
    shutil.copy(tmp_path / "other.json", f"{saved}.json")
    with pytest.raises(AgentFileError, match="belong to different agents"):
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
    "while writing tensors": lambda m: m.setattr(saving, "save_file", half_written),
    "before the first sync": lambda m: kill_at(m, os, "fsync", 1, True),
    "before the first file": lambda m: kill_at(m, Path, "replace", 1, True),
    "after the first file": lambda m: kill_at(m, Path, "replace", 1, False),
    "before the second sync": lambda m: kill_at(m, os, "fsync", 2, True),
    "before the second file": lambda m: kill_at(m, Path, "replace", 2, True),
    "after the second file": lambda m: kill_at(m, Path, "replace", 2, False),
}


@pytest.mark.parametrize("second", [None, *CRASHES])
@pytest.mark.parametrize("first", CRASHES)
def test_a_crash_leaves_one_agent_or_the_other(first, second, agent, saved, monkeypatch):
    """Never the weights of one with the description of the other, also after two crashes."""
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


@pytest.mark.parametrize("fields", [{"gamma": 1}, {"learning_rate_end": 0}, {"ent_coef_end": None}])
def test_a_float_may_be_written_as_an_int(fields, agent, saved):
    rewrite(saved, hyperparameters=agent.description["hyperparameters"] | fields)
    assert load(saved).num_timesteps == agent.num_timesteps


@pytest.mark.parametrize("seed", [-1, 2_000_000])
def test_seeds_no_agent_can_have(seed, tiny):
    with pytest.raises(SeedError, match=f"The seed {seed} came"):
        build(TASK, hyperparameters=tiny, seed=seed)
    assert build(TASK, hyperparameters=tiny, seed=1_999_999).description["seed"] == 1_999_999


def test_json_text():
    value = {"bad": [np.nan, np.inf, -np.inf], "good": np.float64(0.1), 3: (None, True)}
    text = json_text(value)
    assert json.loads(text) == {"bad": [None] * 3, "good": 0.1, "3": [None, True]}
    assert not {"NaN", "Infinity"} & set(text.split())


def test_write_whole(tmp_path, monkeypatch):
    """Killed in between, the old file is still there."""
    file = tmp_path / "file.json"
    write_whole(file, "old")
    with monkeypatch.context() as patch:
        kill_at(patch, Path, "replace", 1, True)
        with pytest.raises(Killed):
            write_whole(file, "new")
    assert file.read_text() == "old"
    write_whole(file, "newer")
    assert file.read_text() == "newer"
    assert [f.name for f in tmp_path.iterdir()] == ["file.json"]


def test_json_ready():
    value = {
        1: np.float32(0.5),
        "array": np.arange(3),
        "nested": [(np.int64(2), "two"), {"flag": np.bool_(True)}],
        "none": None,
    }
    ready = {"1": 0.5, "array": [0, 1, 2], "nested": [[2, "two"], {"flag": True}], "none": None}
    assert json.loads(json.dumps(json_ready(value))) == json_ready(value) == ready
