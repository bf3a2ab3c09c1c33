"""What holds with any valid parameters, actions, seeds and reset options."""

import dataclasses
import math

import gymnasium as gym
import numpy as np
import pytest
from every_id import DEPENDS_ON_POSITION, IDS, choose, make, play, same
from hypothesis import assume, given, strategies as st

from neurotasks.errors import ParameterError

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("id", IDS)]
LARGE = 8  # most trials of an episode; how often its default a parameter without bound is
seeds = st.integers(0, 2**31 - 10)
skills = st.sampled_from([0.0, 0.5, 1.0])  # of the player: how often it takes the best action


@st.composite
def parameters(draw, id):
    """Draw keywords for some of a task's parameters; those that size its arrays stay."""
    task, preset = gym.make(id).unwrapped.task, gym.spec(id).kwargs
    sizes = {
        name
        for field in task.state.values()
        if isinstance(field.dtype, tuple)
        for name in field.dtype[1]
    }
    fields = [
        field
        for field in dataclasses.fields(task.parameters)
        if field.name not in {"trials", *sizes, *preset}
    ]
    chosen = draw(st.lists(st.sampled_from(fields), max_size=4, unique_by=lambda f: f.name))
    drawn = {field.name: draw(values(field)) for field in chosen}
    drawn["trials"] = draw(st.integers(1, LARGE))
    try:
        task.parameters(**{name: preset[name] for name in preset if name != "task"} | drawn)
    except ParameterError:  # refused in words: parameters must also fit together
        assume(False)
    return drawn


def values(field):
    """Return the strategy of one parameter."""
    about, default = field.metadata, field.default
    if isinstance(default, bool):
        return st.booleans()
    if isinstance(default, str):
        return st.sampled_from(about["choices"])
    if isinstance(default, tuple):
        return st.permutations(default).map(tuple)
    largest = LARGE * max(1, abs(default))
    low, high = max(about["low"], -largest), min(about["high"], largest)
    if isinstance(default, int):
        return st.integers(math.ceil(low), math.floor(high))
    if " in s" in about["doc"]:  # whole numbers of steps
        return st.sampled_from([default / 2, default, 2 * default])
    return st.floats(low, high, allow_subnormal=False)


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
    high = field.largest(env.parameters)
    one = st.integers if kind.base.kind != "f" else st.floats
    count = math.prod(kind.shape)
    drawn = data.draw(st.lists(one(field.low, high), min_size=count, max_size=count))
    value = np.array(drawn, kind.base).reshape(kind.shape)
    assume(field.valid is None or field.valid(value[None])[0])
    env.reset(seed=data.draw(seeds), options={name: value if kind.shape else value.item()})
    assert np.array_equal(env.get_state()[name][0], value)
