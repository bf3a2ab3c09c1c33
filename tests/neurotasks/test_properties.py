"""What holds with any parameters, actions, seeds, reset options and states, right or wrong."""

import faulthandler
import math
import pickle
import sys
import time
from collections import Counter

import drawn
import gymnasium as gym
import numpy as np
import pytest
from drawn import parameters, seeds
from every_id import DEPENDS_ON_POSITION, IDS, choose, make, play, same
from gymnasium.error import Error, InvalidAction, InvalidProbability, ResetNeeded
from hypothesis import assume, event, given, strategies as st

from neurotasks.errors import OptionError, ParameterError, StateError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("id", IDS),
    pytest.mark.filterwarnings("ignore"),  # Gymnasium's about arguments that are wrong
]
SECONDS = 240  # a case that takes longer hangs; the longest ones compile
armed = -math.inf  # when the watch for that was set
skills = st.sampled_from([0.0, 0.5, 1.0])  # of the player: how often it takes the best action
cases, played = Counter(), Counter()


def no_hang():
    """End the process if this is not called again in time: compiled code cannot be interrupted."""
    global armed
    if time.monotonic() - armed > SECONDS / 4:
        faulthandler.dump_traceback_later(SECONDS, exit=True, file=sys.__stderr__)
        armed = time.monotonic()


@pytest.fixture(autouse=True)
def end_of_watch():
    """Stop the watch at the end of a test."""
    global armed
    yield
    faulthandler.cancel_dump_traceback_later()
    armed = -math.inf


def attempt(env, call, errors):
    """Return what a call returns, or None if it is refused, which must have changed nothing."""
    before = pickle.dumps(env.unwrapped)
    try:
        return call()
    except errors:
        assert pickle.dumps(env.unwrapped) == before
        return None


def made(id, lanes, data):
    """Make an environment, without the keyword that is refused, if one is."""
    keywords = data.draw(parameters(id)) | data.draw(drawn.words(lanes))
    name, value = data.draw(st.just((None, None)) | drawn.keyword(id, lanes))
    if name is not None:
        try:
            env = make(id, lanes, **keywords | {name: value})
        except (ParameterError, InvalidProbability):
            event("a keyword refused")
        else:
            assert drawn.allowed(id, name, value), f"{name}={value!r} was accepted"
            return env
    return make(id, lanes, **keywords)


@given(st.data())
def test_any_call_works_or_is_refused(id, data):
    no_hang()
    cases[id] += 1
    env = made(id, data.draw(st.integers(0, 3)), data)
    for _ in range(data.draw(st.integers(1, 6))):
        KINDS[data.draw(st.sampled_from(sorted(KINDS)))](env, data)
    env.reset(seed=data.draw(seeds))
    check(env, env.step(env.action_space.sample()))
    env.close()
    played[id] += 1
    assert played[id] >= cases[id] / 3  # else most cases test only the constructor


def any_reset(env, data):
    arguments, good = data.draw(drawn.reset_arguments(env))
    found = attempt(env, lambda: env.reset(**arguments), (OptionError, Error))
    assert found is not None or not good
    assert found is None or good is not False
    if found is not None:
        check_seen(env, *found)


def any_step(env, data):
    action = data.draw(drawn.action(env))
    found = attempt(env, lambda: env.step(action), (InvalidAction, ResetNeeded))
    if found is not None:
        check(env, found)
        assert np.all(np.asarray(action) >= 0)
        assert np.all(np.asarray(action) < len(env.unwrapped.action_names))


def any_steps(env, data):
    """Many steps, in one call where there is such a call."""
    if isinstance(env, gym.Env):
        for _ in range(data.draw(st.integers(1, 20))):
            if env.unwrapped.get_state()["over"][0]:
                env.reset()
            check(env, env.step(int(env.action_space.sample())))
        return
    actions, state = data.draw(drawn.actions(env)), env.get_state()
    found = attempt(
        env, lambda: env.step_many(actions), (InvalidAction, ResetNeeded, ParameterError)
    )
    if found is not None:
        after = env.get_state()
        env.set_state(state)
        for i, row in enumerate(actions):
            result = env.step(row)
            assert same([part[i] for part in found], list(result[:4]))
            check(env, result)
        assert same(env.get_state(), after)


def any_state(env, data):
    state = data.draw(drawn.state(env.unwrapped))
    found = attempt(env, lambda: env.unwrapped.set_state(state), StateError)
    if found is not None:
        check_seen(env, *found)
        for _ in range(3):  # whatever is accepted can be played
            action = env.action_space.sample()
            stepped = attempt(env, lambda action=action: env.step(action), ResetNeeded)
            if stepped is not None:
                check(env, stepped)


def any_table(env, data):
    clear = data.draw(st.booleans())
    table = attempt(env, lambda: env.unwrapped.trial_table(clear=clear), ParameterError)
    if table is not None:
        assert np.all(np.isfinite(table.to_numpy(float)))
    if env.unwrapped.render_mode is not None:
        attempt(env, env.render, ResetNeeded)


KINDS = {"reset": any_reset, "step": any_step, "steps": any_steps, "state": any_state}
KINDS["table"] = any_table


def check(env, result):
    """Check what a step returned."""
    observation, reward, terminated, truncated, infos = result
    base = env.unwrapped
    low, high = base.task.reward_range(base.parameters)
    assert np.all(np.isfinite(reward))
    assert np.all((np.minimum(low, 0) <= reward) & (reward <= np.maximum(high, 0)))
    if isinstance(env, gym.Env):
        assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)
    else:
        assert (reward.dtype, terminated.dtype, truncated.dtype) == (float, bool, bool)
        assert reward.shape == terminated.shape == truncated.shape == (env.num_envs,)
    check_seen(env, observation, infos)


def check_seen(env, observation, infos):
    """Check an observation and the infos."""
    base = env.unwrapped
    assert env.observation_space.contains(observation)
    dtype = base.get_state().dtype
    for name in base.task.info:
        value, kind = infos[name], dtype[name]
        if isinstance(env, gym.Env) and not kind.shape:
            assert type(value) is type(np.zeros((), kind).item())
        else:
            lanes = () if isinstance(env, gym.Env) else (env.num_envs,)
            assert (value.dtype, value.shape) == (kind.base, (*lanes, *kind.shape))
        assert np.all(np.isfinite(value))


@given(st.data())
def test_observations_and_rewards_are_within_their_spaces(id, data):
    env = gym.make(id, **data.draw(parameters(id)))
    base, rng, skill = env.unwrapped, np.random.default_rng(0), data.draw(skills)
    low, high = base.task.reward_range(base.parameters)
    observation, _ = env.reset(seed=data.draw(seeds))
    over, steps = False, 0
    while not over and steps < 300:
        assert env.observation_space.contains(observation)
        observation, reward, over, truncated, _ = env.step(choose(env, rng, skill))
        steps += 1
        assert low <= reward <= high
        assert not truncated
    assert env.observation_space.contains(observation)
    assert steps <= base.parameters.longest_episode


@given(st.data())
def test_a_restored_state_has_the_same_future(id, data):
    drawn = data.draw(parameters(id))
    env, other = make(id, **drawn), make(id, **drawn)
    env.reset(seed=data.draw(seeds))
    other.reset(seed=data.draw(seeds))
    play(env, data.draw(st.integers(0, 60)), 0, data.draw(skills))
    state = env.unwrapped.get_state()
    assume(not state["over"][0])
    other.unwrapped.set_state(state)
    assert same(other.unwrapped.get_state(), state)
    assert same(play(env, 40, 1), play(other, 40, 1))


@given(st.data())
def test_a_sub_environment_is_the_single_environment_with_its_seed(id, data):
    drawn, seed, skill = data.draw(parameters(id)), data.draw(seeds), data.draw(skills)
    envs = make(id, 3, **drawn)
    singles = [make(id, **drawn) for _ in range(3)]
    envs.reset(seed=seed)
    for i, env in enumerate(singles):
        env.reset(seed=seed + i)
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = choose(envs, rng, skill)
        _, rewards, terminated, _, _ = envs.step(actions)
        for i, env in enumerate(singles):
            _, reward, over, _, _ = env.step(int(actions[i]))
            assert (reward, over) == (rewards[i], terminated[i])
            if over:
                env.reset()
            assert same(env.unwrapped.get_state(), envs.unwrapped.get_state()[i : i + 1])


@given(st.data())
def test_a_seed_fixes_the_hidden_world_whatever_the_actions(id, data):
    drawn, seed = data.draw(parameters(id)), data.draw(seeds)
    found = [hidden(make(id, **drawn), seed, skill) for skill in (0.0, 1.0)]
    for trial in found[0].keys() & found[1].keys():
        assert found[0][trial] == found[1][trial]


def hidden(env, seed, skill):
    """Return the hidden truth at the start of each trial that is reached in 150 steps."""
    fields = set(env.unwrapped.task.state) - DEPENDS_ON_POSITION
    _, info = env.reset(seed=seed)
    rng, found, over = np.random.default_rng(0), {}, False
    for _ in range(150):
        if info["new_trial"]:
            state = env.unwrapped.get_state()[0]
            found[int(info["trial"])] = {name: state[name].tolist() for name in fields}
        if over:
            break
        _, _, over, _, info = env.step(choose(env, rng, skill))
    return found


@given(st.data())
def test_reset_options_are_obeyed(id, data):
    env = make(id, **data.draw(parameters(id))).unwrapped
    name = data.draw(st.sampled_from(sorted(env.task.options)))
    field, kind = env.task.options[name], env.get_state().dtype[name]
    low, high = field.range(env.parameters)
    one = st.integers if kind.base.kind != "f" else st.floats
    count = math.prod(kind.shape)
    drawn = data.draw(st.lists(one(low, high), min_size=count, max_size=count))
    value = np.array(drawn, kind.base).reshape(kind.shape)
    assume(field.valid is None or field.valid(value[None])[0])
    env.reset(seed=data.draw(seeds), options={name: value if kind.shape else value.item()})
    assert np.array_equal(env.get_state()[name][0], value)
