"""States from outside: what is outside its range is refused, what is inside never crashes."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from every_id import IDS, LANES, make, same
from gymnasium.vector import AutoresetMode

from neurotasks.core.task import CORE_FIELDS
from neurotasks.errors import StateError

TWO_STEP, BANDIT, HARLOW = (f"neurotasks/{name}-v0" for name in ("TwoStep", "Bandit", "Harlow"))
single_and_vector = pytest.mark.parametrize("lanes", [0, LANES])


def begun(id, lanes=0, **keywords):
    """Return an environment a few steps into its first episode, and its state."""
    env = make(id, lanes, **keywords).unwrapped
    env.reset(seed=3)
    for _ in range(3):
        env.step(env.get_state()["best_action"].astype(int) if lanes else best(env))
    return env, env.get_state()


def best(env):
    return int(env.get_state()["best_action"][0])


def refuse(env, state, *words):
    """Check that a state is refused in words, and changes nothing."""
    before = env.get_state()
    with pytest.raises(StateError) as caught:
        env.set_state(state)
    for word in words:
        assert word in str(caught.value)
    assert same(env.get_state(), before)


def outside(low, high, dtype):
    """Return values just outside a range, and far from it, as far as the type holds them."""
    if dtype.kind == "f":
        found = [np.nextafter(low, -np.inf), np.nextafter(high, np.inf)]
        return [*found, np.nan, np.inf, -np.inf, 2.0 * abs(high) + 1, -1e300]
    ends = (0, 255) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    found = {low - 1, high + 1, *ends, 2**31 - 1, 127, -128}
    return [v for v in sorted(found) if ends[0] <= v <= ends[1] and not low <= v <= high]


@pytest.mark.parametrize("id", IDS)
@single_and_vector
def test_a_value_outside_the_range_of_any_field(id, lanes):
    env, state = begun(id, lanes)
    ranges = env.task.ranges(env.parameters)
    assert list(ranges) == [*CORE_FIELDS, *env.task.state]
    assert sorted(ranges) == sorted(state.dtype.names)
    for name, (low, high) in ranges.items():
        dtype = state.dtype[name]
        assert np.isfinite([low, high]).all()
        for value in outside(low, high, dtype.base):
            wrong = state.copy()
            values = wrong[name].view(np.uint8) if dtype.kind == "b" else wrong[name]
            values[(-1,) * values.ndim] = value
            refuse(env, wrong, repr(name), f"[{low}, {high}]")


@pytest.mark.parametrize(
    ("id", "fields", "words"),
    [
        (BANDIT, {"best_action": 2**31 - 1}, ["'best_action'", "[0, 1]", "got 2147483647"]),
        (TWO_STEP, {"second_state": 127}, ["'second_state'", "[-1, 1]", "got 127"]),
        (TWO_STEP, {"stage": 2, "second_state": -1}, ["`second_state`", "stage 2"]),
        (TWO_STEP, {"stage": 3}, ["'stage'", "[0, 2]", "got 3", "what is shown"]),
        (TWO_STEP, {"reward": np.nan}, ["'reward'", "got nan"]),
        (TWO_STEP, {"last_reward": np.inf}, ["'last_reward'", "[-1.0, 1.0]", "got inf"]),
        (TWO_STEP, {"trial": -1}, ["'trial'", "[0, 100]", "got -1"]),
        (TWO_STEP, {"trial": 100}, ["`over`", "trial 100, trials 100"]),
        (TWO_STEP, {"trials": 5, "trial": 7}, ["`trial` must be at most `trials`"]),
        (TWO_STEP, {"over": True}, ["`over`", "over True"]),
        (TWO_STEP, {"step": 301}, ["'step'", "[0, 300]", "got 301"]),
        (TWO_STEP, {"step": 300}, ["`over`", "step 300"]),
        (TWO_STEP, {"trial_start": 9}, ["trial_start 9, step 3"]),
        (TWO_STEP, {"episode": -2}, ["'episode'", "got -2"]),
        (HARLOW, {"objects": [7, 7]}, ["'objects'", "valid", "got [7 7]", "which differ"]),
        (HARLOW, {"gaze": 5}, ["'gaze'", "even"]),
        (HARLOW, {"stage": 0, "held": 2}, ["`held`", "held 2, stage 0"]),
        ("neurotasks/RiskyChoice-v0", {"forced": True, "forced_side": -1}, ["`forced_side`"]),
        ("neurotasks/VariableReward-v0", {"magnitude_index": 7}, ["'magnitude_index'", "[0, 6]"]),
        ("neurotasks/VariableReward-v0", {"stage": 1}, ["`stage`", "step 3"]),
        ("neurotasks/VariableReward-v0", {"end": 1}, ["follow each other"]),
        ("neurotasks/VariableProbability-v0", {"odour": 3}, ["'odour'", "[0, 2]"]),
        ("neurotasks/SameMean-v0", {"smelt": -1}, ["`smelt`"]),
        ("neurotasks/HarlowPixels-v0", {"stage": 1, "frames": 4}, ["`frames`"]),
    ],
)
@single_and_vector
def test_a_state_that_is_refused(id, fields, words, lanes):
    env, state = begun(id, lanes)
    for name, value in fields.items():
        state[name][-1] = value
    refuse(env, state, *words, *(["sub-environment 2"] if lanes and "'" in words[0] else []))


def test_ranges_follow_the_parameters():
    env, state = begun(TWO_STEP, fixation=False)
    state["stage"] = 0
    refuse(env, state, "'stage'", "[1, 2]")
    env, state = begun("neurotasks/InferredValue-v0", steps_per_trial=2)
    state["stage"] = 2
    refuse(env, state, "'stage'", "[0, 1]")
    env, state = begun("neurotasks/VariableProbability-v0", air_puff=True)
    state["odour"] = 3
    env.set_state(state)


@pytest.mark.parametrize("id", IDS)
@single_and_vector
def test_where_no_episode_has_begun_nothing_differs(id, lanes):
    env = make(id, lanes).unwrapped
    state = env.get_state()
    env.set_state(state)
    for name in state.dtype.names:
        wrong = state.copy()
        values = wrong[name].view(np.uint8) if state.dtype[name].kind == "b" else wrong[name]
        values[(-1,) * values.ndim] += 3
        if name != "episode":
            refuse(env, wrong, repr(name), "as made")
    if lanes:
        env.reset(seed=0, options={"reset_mask": np.array([True, False, True])})
        env.set_state(env.get_state())


def test_a_step_beyond_the_limit_of_steps():
    env, state = begun(TWO_STEP, LANES, max_episode_steps=3)
    state["step"] = 4
    refuse(env, state, "'step'", "max_episode_steps=3", "got 4")


@pytest.mark.parametrize(("keywords", "steps"), [({"trials": 1}, 3), ({"max_episode_steps": 3}, 3)])
def test_an_episode_that_has_ended_where_it_would_have_been_reset(keywords, steps):
    envs, _ = begun(TWO_STEP, LANES, autoreset_mode=AutoresetMode.NEXT_STEP, **keywords)
    state = envs.get_state()
    assert (state["step"] == steps).all()
    other, _ = begun(TWO_STEP, LANES, autoreset_mode=AutoresetMode.SAME_STEP, **keywords)
    refuse(other, state, "SameStep", "ended")


def plant(env, name, value):
    """Put a value into an environment's memory, as a damaged pickle would."""
    env._lanes.records[name] = value


@single_and_vector
def test_copies_and_pickles_are_checked(lanes):
    env, state = begun(TWO_STEP, lanes, trial_log=True)
    for again in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert same(again.get_state(), state)
        assert again.trial_table().equals(env.trial_table())
        action = np.zeros(LANES, int) if lanes else 0
        assert same(again.step(action), copy.deepcopy(env).step(action))
    plant(env, "second_state", 127)
    damaged = pickle.dumps(env)
    for restore in (lambda: copy.deepcopy(env), lambda: pickle.loads(damaged)):
        with pytest.raises(StateError, match="'second_state'"):
            restore()


OF_ANOTHER_LOG = {
    "none": lambda trials, envs: None,
    "no bytes": lambda trials, envs: (np.zeros(9), envs),
    "cut short": lambda trials, envs: (trials[:-1], envs),
    "of another task": lambda trials, envs: (trials + b"\0" * 8 * len(envs), envs),
    "a lane too many": lambda trials, envs: (trials, envs + LANES),
    "a negative lane": lambda trials, envs: (trials, envs - 1),
    "lanes of another kind": lambda trials, envs: (trials, envs.astype(float)),
    "more lanes than trials": lambda trials, envs: (trials, np.repeat(envs, 2)),
}


@single_and_vector
@pytest.mark.parametrize("other", OF_ANOTHER_LOG)
def test_a_pickle_with_another_log(lanes, other):
    env, _ = begun("neurotasks/Bandit-v0", lanes, trial_log=True)
    for _ in range(3):
        env.step(np.zeros(LANES, int) if lanes else 0)
    state = env._lanes.__getstate__()
    again = object.__new__(type(env._lanes))
    again.__setstate__(state)
    assert again.trial_table().equals(env.trial_table())
    assert len(again.trial_table()) >= 3 * (lanes or 1)
    state["log"] = OF_ANOTHER_LOG[other](*state["log"])
    with pytest.raises(StateError, match=r"^A trial log must be"):
        again.__setstate__(state)


@single_and_vector
@pytest.mark.parametrize("id", IDS)
def test_what_follows_a_state_is_a_state(id, lanes):
    """However late the step is for the trial, the episode ends by the longest one's length."""
    env, state = begun(id, lanes)
    last = env.parameters.last_step
    state["step"], state["trial_start"] = last - 1, last - 1
    env.set_state(state)
    *_, over, _, _ = env.step(np.zeros(LANES, int) if lanes else 0)
    assert np.all(over)
    env.set_state(env.get_state())


def test_states_of_another_kind():
    env, state = begun(TWO_STEP)
    swapped = state.astype(state.dtype.newbyteorder())
    for wrong in (swapped, state.astype(object), state[0], state[:0], [1, [2]], np.array(3), "x"):
        refuse(env, wrong, "shape (1,)", "get_state()")
    for same_state in (np.asfortranarray(state), state[::-1], state.view(np.recarray)):
        env.set_state(same_state)
    state.flags.writeable = False
    env.set_state(state)


@pytest.mark.slow
def test_random_states_never_crash():
    """In a process of its own, whose end would be seen."""
    code = Path(__file__).parents[2] / "support" / "random_states.py"
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(code), "150", *IDS],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, f"after {done.stdout}: {done.stderr[-2000:]}"
    accepted = {id: int(number) for id, number in map(str.split, done.stdout.splitlines())}
    assert accepted.keys() == {*IDS}
    assert min(accepted.values()) > 20, accepted
