"""Checkpoints: what comes back of a training, and what none can resume from."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch as th
from doctored import rewrite, tensors_of

from neurotasks_baselines.errors import AgentFileError
from neurotasks_baselines.training.agent_files import read_description
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.checkpoints import (
    load_checkpoint,
    save_checkpoint,
    training_state,
)


@pytest.fixture
def checkpoint(agent, tmp_path):
    agent.description["history"] = [{"steps": 0, "reward": 0.5}, {"steps": 72, "reward": None}]
    save_checkpoint(agent, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_all_of_a_training_comes_back(agent, checkpoint):
    expected = training_state(agent)
    th.rand(5)
    loaded = load_checkpoint(checkpoint)
    found = training_state(loaded)
    assert found.keys() == expected.keys()
    assert [name for name in found if not th.equal(found[name], expected[name])] == []
    assert loaded.description == agent.description
    assert loaded.num_timesteps == agent.num_timesteps
    seen = agent._last_obs
    np.testing.assert_array_equal(loaded._last_obs, seen)


def test_a_negative_square_of_rms_prop(tiny, tmp_path):
    hyperparameters = replace(tiny, algorithm="a2c", n_epochs=1)
    agent = build(ID, hyperparameters=hyperparameters, seed=3, task_kwargs={"trials": 3})
    save_checkpoint(agent.learn(3 * 36), tmp_path / "checkpoint")
    load_checkpoint(tmp_path / "checkpoint")
    tensors = tensors_of(tmp_path / "checkpoint")
    tensors["training.optimizer.2.square_avg"][0] = -1.0
    rewrite(tmp_path / "checkpoint", tensors)
    with pytest.raises(AgentFileError, match=r"2.square_avg must not be negative; got -1.0"):
        load_checkpoint(tmp_path / "checkpoint")


def set_item(tensor, value, index=0):
    changed = tensor.clone()
    changed.view(-1)[index] = value
    return changed


def progress(**changes):
    def change(tensor):
        found = json.loads(tensor.numpy().tobytes()) | changes
        return th.tensor(list(json.dumps(found).encode()), dtype=th.uint8)

    return change


def text(content):
    return lambda tensor: th.tensor(list(content), dtype=th.uint8)


STEP = "optimizer.0.step"
DOCTORED = {
    "no moments of a weight": ("optimizer.3.exp_avg", None, "lacks 'optimizer.3.exp_avg'"),
    "no state of the environment": ("env_state", None, "lacks 'env_state'"),
    "no random numbers": ("torch_rng", None, "lacks 'torch_rng'"),
    "an unknown tensor": ("banana", lambda _: th.zeros(1), "an unknown 'banana'"),
    "moments of a weight that is not": (
        "optimizer.99.exp_avg",
        lambda _: th.zeros(1),
        "an unknown 'optimizer.99.exp_avg'",
    ),
    "another type": ("lstm.pi.0", lambda t: t.double(), "lstm.pi.0 must be torch.float32"),
    "another shape": ("monitor.returns", lambda t: t[1:], "monitor.returns must be .*; got"),
    "states that are cut": ("env_state", lambda t: t[:-1], "env_state must be torch.uint8"),
    "NaN in a moment": (
        "optimizer.1.exp_avg",
        lambda t: set_item(t, float("nan")),
        "optimizer.1.exp_avg in .* must be finite",
    ),
    "infinity in a state": ("lstm.vf.1", lambda t: set_item(t, float("inf")), "must be finite"),
    "a negative square": (
        "optimizer.2.exp_avg_sq",
        lambda t: set_item(t, -1.0),
        "optimizer.2.exp_avg_sq must not be negative; got -1.0",
    ),
    "a negative length": ("monitor.lengths", lambda t: set_item(t, -3), "not be negative; got -3"),
    "impossible random numbers": ("torch_rng", lambda t: t * 0 + 255, "training can resume from"),
    "impossible environments": ("env_state", lambda t: t * 0 + 127, "training can resume from"),
    "a step too many": (STEP, lambda t: t + 1, "steps of the optimizer must be one number"),
    "too many steps": (STEP, lambda t: t + 1e6, "steps of the optimizer must be one number"),
    "half a step": (STEP, lambda t: t + 0.5, "steps of the optimizer must be one number"),
    "no progress": ("progress", text(b""), "training can resume from"),
    "no object": ("progress", text(b"[]"), "progress must be updates, episodes"),
    "nested": ("progress", text(b"[" * 100_000), "training can resume from"),
    "negative episodes": ("progress", progress(episodes=-1), "episodes must be from 0 on; got -1"),
    "too few updates": ("progress", progress(updates=-1), "updates must be at least 0; got -1"),
    "updates that are true": ("progress", progress(updates=True), "progress must be updates"),
    "half a character": (
        "progress",
        progress(values={"\ud800": 1.0}, excluded={"\ud800": []}),
        "surrogates not allowed",
    ),
    "another field": ("progress", progress(banana=1), "progress must be updates"),
    "values without a word": ("progress", progress(values={"x": 1.0}), "progress must be updates"),
    "a latest episode too many": ("latest.r", lambda t: th.cat([t, t[:1]]), "latest.. must be"),
    "thousands of episodes": ("latest.r", lambda t: th.zeros(5000), "latest.. must be"),
    "a number of episodes": ("latest.r", lambda t: th.tensor(5.0), "latest.. must be"),
    "a number of progress": ("progress", lambda t: th.tensor(5, dtype=th.uint8), "progress must"),
}


@pytest.mark.parametrize(("name", "change", "message"), DOCTORED.values(), ids=DOCTORED)
def test_tensors_no_training_resumes_from(name, change, message, checkpoint):
    """Though the digest fits."""
    tensors = tensors_of(checkpoint)
    name = f"training.{name}"
    if change is None:
        del tensors[name]
    else:
        tensors[name] = change(tensors.get(name))
    rewrite(checkpoint, tensors)
    with pytest.raises(AgentFileError, match=message):
        load_checkpoint(checkpoint)


ID = "neurotasks/TwoStep-v0"
UNFINISHED = {
    "none": ("starts", None, "it lacks 'unfinished.starts'"),
    "of one environment": ("rewards", lambda t: t[:, :1].contiguous(), "unfinished.* must be"),
    "of fewer steps": ("starts", lambda t: t[1:], "unfinished.* must be .*; got"),
    "starts that are numbers": ("starts", lambda t: t.float(), "starts must be torch.bool"),
    "NaN": ("values", lambda t: t * np.nan, "unfinished.values in .* must be finite"),
    "an action of another task": ("actions", lambda t: t + 7, "actions must be 0 to 2; got others"),
    "an action before the first": ("actions", lambda t: t - 9, "actions must be 0 to 2; got"),
}


@pytest.mark.parametrize(("name", "change", "message"), UNFINISHED.values(), ids=UNFINISHED)
def test_episodes_that_no_training_has_begun(name, change, message, tiny, tmp_path):
    model = build(ID, hyperparameters=replace(tiny, n_steps=7), seed=3, task_kwargs={"trials": 3})
    model.learn(3 * 4 * 7)
    save_checkpoint(model, tmp_path / "checkpoint")
    assert len(load_checkpoint(tmp_path / "checkpoint").rollout_buffer.unfinished["starts"]) == 3
    tensors = tensors_of(tmp_path / "checkpoint")
    tensor = tensors.pop(f"training.unfinished.{name}")
    if change is not None:
        tensors[f"training.unfinished.{name}"] = change(tensor)
    rewrite(tmp_path / "checkpoint", tensors)
    with pytest.raises(AgentFileError, match=message):
        load_checkpoint(tmp_path / "checkpoint")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_timesteps": 109}, "num_timesteps must be a multiple of 36, .*; got 109"),
        ({"num_timesteps": 36 * 21}, "at most that from 720 on; got 756"),
        ({"num_timesteps": 0}, "unknown 'optimizer.0.exp_avg'"),
        ({"history": [{"steps": 144}]}, r"history must rise from step 0 to 108; got \[144\]"),
        ({"history": [{"steps": 72}, {"steps": 0}]}, r"history must rise .* got \[72, 0\]"),
        ({"history": [{"steps": 0}, {"steps": 0}]}, r"history must rise .* got \[0, 0\]"),
        ({"history": [{"reward": 1.0}]}, r"history must rise .* got \[None\]"),
        ({"history": [{"steps": -36}]}, r"history must rise .* got \[-36\]"),
    ],
)
def test_counts_no_training_has(fields, message, checkpoint):
    rewrite(checkpoint, **fields)
    with pytest.raises(AgentFileError, match=message):
        load_checkpoint(checkpoint)


def test_an_agent_is_no_checkpoint(agent, tmp_path):
    agent_only = tmp_path / "agent"
    save_checkpoint(agent, agent_only)
    tensors = {k: v for k, v in tensors_of(agent_only).items() if not k.startswith("training.")}
    rewrite(agent_only, tensors)
    assert read_description(agent_only)["num_timesteps"] == agent.num_timesteps
    with pytest.raises(AgentFileError, match="it lacks 'env_state'"):
        load_checkpoint(agent_only)
