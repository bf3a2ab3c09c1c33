"""Threads, `step_many` and `play`: for every id they give what single steps give."""

import copy
import threading

import numba
import numpy as np
import pandas as pd
import pytest
from every_id import IDS, LANES, brief, choose, make, play, same
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector import AutoresetMode

from neurotasks.core.task import load
from neurotasks.errors import ParameterError

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


@numba.njit
def look_up(chooser, t, observations, starts, actions):
    """Choose from a list, and note what is seen."""
    listed, seen = chooser
    for i in range(len(actions)):
        actions[i] = listed[t, i]
        seen[t, i] = observations[i].sum() + 100 * starts[i]


@pytest.mark.parametrize("id", SYMBOLIC)
def test_play_is_many_steps(id):
    keywords = brief(id, trials=2, autoreset_mode="SameStep")
    envs, twin = make(id, LANES, **keywords), make(id, LANES, **keywords)
    observations, _ = envs.reset(seed=1)
    twin.reset(seed=1)
    rng, actions, expected = np.random.default_rng(0), [], []
    for _ in range(120):
        actions.append(choose(twin, rng, 0.9))
        expected.append(twin.step(actions[-1])[:4])
    starts = np.ones(LANES, np.bool_)
    for part in (slice(0, 90), slice(90, 120)):
        listed = np.array(actions[part])
        told = [np.array(each) for each in zip(*expected[part], strict=True)]
        noted = np.empty(listed.shape)
        found = envs.unwrapped.play(look_up, (listed, noted), observations, starts, len(listed))
        seen, begun, taken, rewards = found
        assert same(seen[0], observations)
        assert same(seen[1:], told[0])
        assert same(begun[1:], told[2] | told[3])
        assert same(taken, listed)
        assert same(rewards, told[1])
        assert np.allclose(noted, seen[:-1].sum(axis=2) + 100 * begun[:-1], rtol=1e-6)
        assert begun[1:].any()
        observations, starts = seen[-1], begun[-1]
    assert same(envs.unwrapped.get_state(), twin.unwrapped.get_state())
    assert same(envs.step(actions[0]), twin.step(actions[0]))


def playing(envs, listed, *, shape=None, steps=None):
    space = envs.single_observation_space
    first = np.zeros(shape or (LANES, *space.shape), np.float32)
    noted = np.empty(listed.shape)
    steps = len(listed) if steps is None else steps
    return envs.unwrapped.play(look_up, (listed, noted), first, np.ones(len(first), bool), steps)


def test_play_stops_at_an_action_that_there_is_not():
    envs, twin = (make(TWO_STEP, LANES, autoreset_mode="SameStep") for _ in range(2))
    listed = np.zeros((9, LANES), np.int64)
    listed[4, 1] = 77
    envs.reset(seed=0)
    with pytest.raises(InvalidAction, match="got 77 for sub-environment 1"):
        playing(envs, listed)
    twin.reset(seed=0)
    twin.unwrapped.step_many(listed[:4])
    assert same(envs.unwrapped.get_state(), twin.unwrapped.get_state())


def test_play_of_no_step_and_before_the_first_reset():
    envs = make(TWO_STEP, LANES, autoreset_mode="SameStep")
    listed = np.zeros((3, LANES), np.int64)
    with pytest.raises(ResetNeeded, match="sub-environment 0"):
        playing(envs, listed)
    envs.reset(seed=0)
    before = envs.unwrapped.get_state()
    assert [len(part) for part in playing(envs, listed, steps=0)] == [1, 1, 0, 0]
    assert same(envs.unwrapped.get_state(), before)


REFUSED = {
    "the autoreset mode": {"autoreset_mode": "NextStep"},
    "trial_log=True": {"trial_log": True},
    "max_episode_steps": {"max_episode_steps": 7},
    "several threads": {"threads": 2},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_play_cannot_obey_is_refused(reason):
    envs = make(TWO_STEP, LANES, **{"autoreset_mode": "SameStep"} | REFUSED[reason])
    envs.reset(seed=0)
    assert reason in envs.unwrapped.reason_not_to_play
    with pytest.raises(ParameterError, match=f"play.. needs autoreset_mode='SameStep'.*{reason}"):
        playing(envs, np.zeros((3, LANES), np.int64))


@pytest.mark.parametrize("steps", [-1, 2.5, None])
def test_numbers_of_steps_that_there_are_not(steps):
    envs = make(TWO_STEP, LANES, autoreset_mode="SameStep")
    observations, _ = envs.reset(seed=0)
    with pytest.raises(ParameterError, match="steps must be an int of at least 0; got"):
        envs.unwrapped.play(look_up, (), observations, np.ones(LANES, bool), steps)


@numba.njit
def beyond_types(chooser, t, observations, starts, actions):
    actions[0] = chooser.no_such_thing


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
@pytest.mark.parametrize("choose", [beyond_types, lambda *_: None], ids=["types", "Python"])
def test_what_cannot_be_compiled_is_no_chooser(choose):
    envs = make(TWO_STEP, LANES, autoreset_mode="SameStep")
    observations, _ = envs.reset(seed=0)
    before = envs.unwrapped.get_state()
    with pytest.raises(ParameterError, match="choose must be a function that numba"):
        envs.unwrapped.play(choose, (observations,), observations, np.ones(LANES, bool), 3)
    assert same(envs.unwrapped.get_state(), before)


@pytest.mark.parametrize("problem", ["shape", "steps"])
def test_play_refuses_before_anything_is_written(problem):
    envs = make(TWO_STEP, LANES, autoreset_mode="SameStep")
    envs.reset(seed=0)
    before = envs.unwrapped.get_state()
    wrong = {"shape": {"shape": (LANES - 1, 9)}, "steps": {"steps": 10**10}}[problem]
    message = {"shape": "observations and starts must be", "steps": "fits 4 GiB"}[problem]
    with pytest.raises(ParameterError, match=message):
        playing(envs, np.zeros((3, LANES), np.int64), **wrong)
    assert same(envs.unwrapped.get_state(), before)


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
