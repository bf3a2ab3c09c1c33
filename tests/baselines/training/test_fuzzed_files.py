"""Agent files with anything wrong: refused, or the agent that was saved."""

import json
import shutil
import sys
from contextlib import contextmanager
from dataclasses import fields
from math import ceil

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from doctored import rewrite, sign, tensors_of, write
from hypothesis import given, strategies as st

import neurotasks
from neurotasks_baselines.errors import AgentFileError, NotFiniteError
from neurotasks_baselines.training.agent_files import agent_file, load, read_description, save
from neurotasks_baselines.training.checkpoints import load_checkpoint, save_checkpoint
from neurotasks_baselines.training.hyperparameters import RANGES
from neurotasks_baselines.training.tensor_files import BLANK

TASKS = list(neurotasks.TASKS)


@pytest.fixture(scope="module")
def whole(saved_once):
    return agent_file(saved_once).read_bytes()


@pytest.fixture(scope="module")
def path(saved_once, tmp_path_factory):
    """Return where the files of all cases are written."""
    path = tmp_path_factory.mktemp("fuzz") / "agent"
    shutil.copy(agent_file(saved_once), agent_file(path))
    return path


def acts(model):
    """Return the actions of an agent, which are possible ones."""
    observations = np.zeros((3, *model.observation_space.shape), np.float32)
    actions, _ = model.predict(observations, deterministic=True)
    assert all(model.action_space.contains(action) for action in actions)
    return actions.tolist()


@contextmanager
def refused_or_whole():
    """Check that there is no other error than ours, in one line, and that nothing is imported."""
    before, said = set(sys.modules), ""
    try:
        yield
    except AgentFileError as error:
        said = str(error)
    assert said.count("\n") == 0
    assert len(said) < 1200
    assert set(sys.modules) == before


edits = st.lists(
    st.tuples(
        st.integers(0, 2**16), st.integers(0, 40), st.binary(max_size=40) | st.sampled_from([b"0"])
    ),
    min_size=1,
    max_size=4,
)


@given(edits, st.booleans())
def test_any_bytes(whole, path, edits, header):
    """Pieces replaced, put in or cut out, half of the time in the header."""
    content = whole
    size = int.from_bytes(whole[:8], "little") + 8
    for place, cut, piece in edits:
        place %= size if header else len(whole)
        content = content[:place] + piece + content[place + cut :]
    agent_file(path).write_bytes(content)
    with refused_or_whole():
        load(path)
        assert content == whole


@given(edits)
def test_any_bytes_with_a_digest_that_fits(whole, path, edits):
    digest = json.loads(
        json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])["__metadata__"][
            "description"
        ]
    )["sha256"].encode()
    content = whole.replace(digest, BLANK)
    for place, cut, piece in edits:
        place %= len(content)
        content = content[:place] + piece + content[place + cut :]
    agent_file(path).write_bytes(sign(content))
    with refused_or_whole():
        acts(load(path))


numbers = st.integers() | st.floats(allow_nan=False) | st.sampled_from([0, -1, 2**31, 2**63, 2**64])
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)
near_ranges = {
    name: st.sampled_from([low, high, low - 1, high + 1])
    | st.integers(ceil(low), int(min(high, low + 40)))
    for name, (low, high) in RANGES.items()
}
words = st.sampled_from(
    ["shared", "separate", "rpe", "lstm", "gru", "rnn", "expectile", "quantile", "lambda", "a2c"]
)
hyperparameters = st.fixed_dictionaries(
    {},
    optional={
        **{name: near | json_values for name, near in near_ranges.items()},
        **{name: words for name in ("trunk", "cell", "critic_loss", "critic_target", "algorithm")},
        **{name: st.booleans() | json_values for name in ("whole_episodes", "learned_start")},
        "banana": json_values,
    },
)
FURTHER = ["feedback", "wrappers", "num_envs", "task", "split", "trial_log", "vector_kwargs"]
PARAMETERS = {
    id: [field.name for field in fields(gym.make_vec(id, num_envs=1).unwrapped.parameters)]
    for id in TASKS
}  # what is registered is imported by this
values = json_values | st.sampled_from([0, 0.5, 3, 2**31 - 1, 1e9, 1e308, "both", "action", [1, 2]])
OTHERS = ["CartPole-v1", "this:neurotasks/TwoStep-v0", "this:Evil-v0", "GymV26Environment-v0"]


@st.composite
def tasks(draw):
    """Return an id and keywords, of which most are the task's own."""
    id = draw(st.sampled_from(TASKS) | st.sampled_from(OTHERS) | st.text(max_size=20) | json_values)
    names = st.sampled_from(FURTHER) | st.text(max_size=8)
    if isinstance(id, str) and id in PARAMETERS:
        names = st.sampled_from(PARAMETERS[id]) | names
    return {"id": id, "task_kwargs": draw(st.dictionaries(names, values, max_size=3) | json_values)}


@given(
    tasks() | st.just({}),
    st.fixed_dictionaries(
        {},
        optional={
            "hyperparameters": hyperparameters | json_values,
            "seed": st.integers(-2, 2_000_001) | json_values,
            "num_timesteps": json_values,
            "versions": json_values,
            "history": st.lists(st.dictionaries(st.just("steps"), json_values), max_size=2)
            | json_values,
            "seconds": json_values,
            "format": st.sampled_from([2, 3.0, "3", True]),
            "note": json_values,
        },
    ),
)
def test_any_description(whole, path, task, changes):
    agent_file(path).write_bytes(whole)
    description = read_description(path)
    mixed = changes.get("hyperparameters")
    if isinstance(mixed, dict):
        changes["hyperparameters"] = description["hyperparameters"] | mixed
    text = json.dumps(description | task | changes | {"sha256": BLANK.decode()})
    write(path, text, tensors_of(path))
    with refused_or_whole():
        model = load(path, num_envs=1)
        acts(model)
        save(model, path)
        assert load(path, num_envs=1).description == model.description


@pytest.fixture(scope="module")
def checkpoint(saved_once, tmp_path_factory):
    """Return the path of a checkpoint, and its content."""
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint"
    model = load(saved_once)
    model.learn(36, reset_num_timesteps=False)
    save_checkpoint(model, path)
    return path, agent_file(path).read_bytes()


def resumes(path):
    """Resume from a checkpoint that is not refused."""
    with refused_or_whole():
        model = load_checkpoint(path)
        steps = model.num_timesteps
        try:
            model.learn(36, reset_num_timesteps=False)
            assert model.num_timesteps == steps + 36
        except NotFiniteError:  # moments can be large
            pass


@given(st.data())
def test_any_tensors_of_a_checkpoint(checkpoint, data):
    path, content = checkpoint
    agent_file(path).write_bytes(content)
    tensors = tensors_of(path)
    further = [name for name in sorted(tensors) if name.startswith("training.")]
    for name in data.draw(st.lists(st.sampled_from(further), min_size=1, max_size=2)):
        raw = bytearray(tensors[name].numpy().tobytes())
        for place in data.draw(st.lists(st.integers(0, 2**16), min_size=1, max_size=4)):
            if raw:
                raw[place % len(raw)] = data.draw(st.integers(0, 255))
        like = tensors[name].numpy()
        changed = np.frombuffer(bytes(raw), like.dtype if like.dtype != bool else np.uint8)
        tensors[name] = th.tensor(changed.astype(like.dtype).reshape(like.shape))
    if data.draw(st.integers(0, 9)) == 0:
        del tensors[data.draw(st.sampled_from(further))]
    rewrite(path, tensors)
    resumes(path)


@given(st.data())
def test_any_progress_of_a_checkpoint(checkpoint, data):
    path, content = checkpoint
    agent_file(path).write_bytes(content)
    tensors = tensors_of(path)
    progress = json.loads(tensors["training.progress"].numpy().tobytes())
    for name in data.draw(st.sets(st.sampled_from(sorted(progress)), min_size=1)):
        progress[name] = data.draw(json_values)
    text = data.draw(st.just(json.dumps(progress)) | st.text(max_size=20))
    tensors["training.progress"] = th.tensor(list(text.encode()), dtype=th.uint8)
    steps = data.draw(st.sampled_from([0, 36, 144, 145, -36, 10**15, 36 * 10**9]))
    rows = st.fixed_dictionaries({"steps": st.integers(-1, 150)})
    rewrite(path, tensors, num_timesteps=steps, history=data.draw(st.lists(rows, max_size=3)))
    resumes(path)


DTYPES = [th.float32, th.float64, th.float16, th.int64, th.uint8, th.bool]


@given(st.data())
def test_any_tensors(whole, path, data):
    agent_file(path).write_bytes(whole)
    expected, original = acts(load(path)), tensors_of(path)
    tensors = dict(original)
    names = st.sampled_from(sorted(tensors)) | st.text(max_size=20)
    for name in data.draw(st.lists(names, min_size=1, max_size=3)):
        if data.draw(st.booleans()):
            tensors.pop(name, None)
        else:
            like = tensors.get(name, th.zeros(3))
            shape = data.draw(st.just(like.shape) | st.lists(st.integers(0, 5), max_size=3))
            dtype = data.draw(st.sampled_from(DTYPES))
            value = data.draw(st.floats(width=32) | st.just(None))
            same = value is None and list(shape) == list(like.shape)
            tensors[name] = like.to(dtype) if same else th.full(tuple(shape), value or 0).to(dtype)
    rewrite(path, tensors)
    with refused_or_whole():
        model = load(path)
        actions = acts(model)
        assert all(weight.isfinite().all() for weight in model.policy.parameters())
        if all(th.equal(tensor, original[name]) for name, tensor in tensors.items()):
            assert actions == expected
