"""Threads and `step_many`: for every id they give what single steps in one thread give."""

import copy
import threading

import numpy as np
import pandas as pd
import pytest
from every_id import IDS, LANES, brief, choose, make, play, same
from gymnasium.vector import AutoresetMode

from neurotasks.core.task import load

pytestmark = pytest.mark.filterwarnings("error")
every_id = pytest.mark.parametrize("id", IDS)
SYMBOLIC = [id for id in IDS if load(id).image_shape is None]
MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]
TWO_STEP = "neurotasks/TwoStep-v0"


@every_id
@pytest.mark.parametrize("mode", MODES)
def test_threads_change_nothing(id, mode):
    keywords = brief(id, trials=2, trial_log=True, autoreset_mode=mode)
    one, *others = [make(id, LANES, threads=threads, **keywords) for threads in (1, 2, LANES + 1)]
    first, results = one.reset(seed=1), play(one, 100, 0, skill=0.9)
    assert any(result[2].any() for result in results)
    for envs in others:
        assert same(envs.reset(seed=1), first)
        assert same(play(envs, 100, 0, skill=0.9), results)
        assert same(envs.unwrapped.get_state(), one.unwrapped.get_state())
        tables = envs.unwrapped.trial_table(), one.unwrapped.trial_table()
        pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize("id", SYMBOLIC)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("threads", [1, 2])
def test_step_many_is_many_steps(id, mode, threads):
    keywords = brief(id, trials=2, autoreset_mode=mode)
    envs, twin = make(id, LANES, threads=threads, **keywords), make(id, LANES, **keywords)
    envs.reset(seed=1)
    twin.reset(seed=1)
    rng, actions, expected = np.random.default_rng(0), [], []
    for _ in range(120):
        actions.append(choose(twin, rng, 0.9))
        expected.append(twin.step(actions[-1])[:4])
    found = [envs.unwrapped.step_many(np.array(part)) for part in (actions[:90], actions[90:])]
    found = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    assert found[2].any()
    for ours, theirs in zip(found, zip(*expected, strict=True), strict=True):
        theirs = np.array(theirs)
        assert same(ours, theirs)
        assert ours.dtype == theirs.dtype
    assert same(envs.unwrapped.get_state(), twin.unwrapped.get_state())
    assert same(envs.step(actions[0]), twin.step(actions[0]))


def test_step_many_of_no_step():
    envs = make(TWO_STEP, LANES)
    envs.reset(seed=0)
    before = envs.unwrapped.get_state()
    observations, *others = envs.unwrapped.step_many(np.zeros((0, LANES), int))
    assert observations.shape == (0, *envs.observation_space.shape)
    assert [other.shape for other in others] == [(0, LANES)] * 3
    assert (envs.unwrapped.get_state() == before).all()


def test_threads_end_with_the_environment():
    before = threading.active_count()
    envs = make(TWO_STEP, LANES, threads=2)
    envs.reset(seed=0)
    envs.step(np.zeros(LANES, int))
    clone = copy.deepcopy(envs)
    actions = np.ones(LANES, int)
    assert same(clone.step(actions), envs.step(actions))
    assert threading.active_count() > before
    envs.close()
    clone.close()
    assert threading.active_count() == before
