"""A class for every task, which `make` and `make_vec` return with no wrapper around it."""

import copy
import dataclasses
import pickle
import pydoc
import subprocess
import sys

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest
from every_id import IDS, make, single_and_vector

import neurotasks
from neurotasks.core.task import load
from neurotasks.errors import ParameterError, UnknownParameterError
from neurotasks.tasks.two_step import TASK

CUSTOM = dataclasses.replace(TASK, name="Custom")
TWO_STEP, PRESET = "neurotasks/TwoStep-v0", "neurotasks/TwoStep2016-v0"


@single_and_vector
@pytest.mark.parametrize("id", IDS)
def test_class_of_every_task(id, lanes):
    env, task = make(id, lanes), load(id)
    kind = type(env)
    assert kind is (task.vector_env_class if lanes else task.env_class)
    assert kind.__name__ == task.name + ("VectorEnv" if lanes else "Env")
    assert (kind.task, env.task, env.unwrapped) == (task, task, env)
    assert all(section.strip() in kind.__doc__ for section in task.doc.split("## References"))
    shown = pydoc.plain(pydoc.render_doc(env))
    assert task.doc.splitlines()[0] in shown
    for name in vars(env.parameters):
        assert f"- `{name}` (default " in shown
    assert "- `split` (default 'train')" in shown


@single_and_vector
def test_presets_share_their_class(lanes):
    assert type(make(TWO_STEP, lanes)) is type(make(PRESET, lanes))
    assert type(make(TWO_STEP, lanes)) is not type(make("neurotasks/Harlow-v0", lanes))


@single_and_vector
@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
def test_class_and_task_are_pickled_by_reference(lanes, pickler):
    kind = type(make(TWO_STEP, lanes))
    for value in (kind, TASK):
        assert pickle.loads(pickler.dumps(value)) is value
        assert copy.deepcopy(value) is value
    assert TASK.name.encode() not in pickle.dumps(TASK)


def test_pickled_environment_in_another_process(tmp_path):
    env = gym.make(TWO_STEP, trials=3)
    env.reset(seed=4)
    (tmp_path / "env").write_bytes(pickle.dumps(env))
    script = (
        "import pickle, sys; env = pickle.load(open(sys.argv[1], 'rb')); "
        "print(type(env).__name__, env.parameters.trials, env.get_state()['key'][0])"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "env")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert said == ["TwoStepEnv", "3", str(env.get_state()["key"][0])]


@single_and_vector
def test_custom_task(lanes):
    """What `replace` makes here is a task like any other; the module is found by the variable."""
    neurotasks.register("test/Custom-v0", f"{__name__}:CUSTOM", trials=3)
    try:
        env = make("test/Custom-v0", lanes)
        assert type(env) is (CUSTOM.vector_env_class if lanes else CUSTOM.env_class)
        assert (env.parameters.trials, type(env).__name__[:6]) == (3, "Custom")
        env.reset(seed=1)
        clone = pickle.loads(pickle.dumps(env))
        assert type(clone) is type(env)
        assert (clone.get_state() == env.get_state()).all()
    finally:
        del gym.registry["test/Custom-v0"]


@single_and_vector
def test_an_id_makes_no_other_task(lanes):
    for task in ("neurotasks.tasks.harlow:TASK", TASK):
        with pytest.raises(
            UnknownParameterError, match="it must be a parameter of TwoStep; got task="
        ):
            make(TWO_STEP, lanes, task=task)


@single_and_vector
def test_unknown_keyword_is_a_type_error_too(lanes):
    """TorchRL's GymEnv asks every environment for `frameskip`, and expects a TypeError."""
    with pytest.raises(
        TypeError, match=r"unexpected keyword argument .frameskip.: it must"
    ) as caught:
        make(TWO_STEP, lanes, frameskip=4)
    assert isinstance(caught.value, ParameterError)


@single_and_vector
@pytest.mark.parametrize("id", IDS)
def test_nothing_is_behind_a_wrapper(id, lanes):
    env = make(id, lanes, trial_log=True)
    env.reset(seed=0)
    env.step(np.zeros(lanes, int) if lanes else 0)
    assert env.trial_table(clear=True).columns[0] == "env"
    env.set_state(env.get_state())
    assert len(env.action_names) > 1
    assert env.layout["stimulus"] == slice(0, len(env.stimulus_names))
    assert env.parameters.trials >= 1


def test_render_modes_that_gymnasium_adds():
    pytest.importorskip("pygame")
    env = gym.make(TWO_STEP, render_mode="rgb_array_list")
    env.reset(seed=0)
    env.step(2)
    assert len(env.render()) == 2
