"""What comes from outside is checked once, before it reaches compiled code."""

import dataclasses
import time
import tracemalloc

import gymnasium as gym
import numba
import numpy as np
import pytest
from every_id import IDS, LANES, make, same
from gymnasium.error import Error, InvalidAction
from gymnasium.vector import AutoresetMode

from neurotasks.core import Field, parameter
from neurotasks.core.parameters import LARGEST, MOST_NUMBERS, numbers
from neurotasks.errors import OptionError, ParameterError, StateError, TaskDefinitionError, shown
from neurotasks.tasks import two_step

BANDIT, TWO_STEP, PIXELS = (f"neurotasks/{n}-v0" for n in ("Bandit", "TwoStep", "HarlowPixels"))
RISKY, REWARD = "neurotasks/RiskyChoice-v0", "neurotasks/VariableReward-v0"
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("id", IDS)
def test_every_number_is_bounded_on_both_sides(id):
    for field in dataclasses.fields(gym.make(id).unwrapped.task.parameters):
        if type(field.default) in (int, float, tuple):
            about = field.metadata
            assert np.isfinite([about["low"], about["high"]]).all()
            kind = int if type(field.default) is int else float
            assert -LARGEST[kind] <= about["low"] < about["high"] <= LARGEST[kind]


@pytest.mark.parametrize("id", IDS)
def test_no_number_of_any_task_is_infinite_or_absurd(id):
    for field in dataclasses.fields(gym.make(id).unwrapped.task.parameters):
        if type(field.default) not in (int, float, tuple):
            continue
        for value in (NAN, INF, -INF, np.float32(INF), 10**400, 1e300, -(2.0**31)):
            many = type(field.default) is tuple
            with pytest.raises((ParameterError, Error), match=f"^{field.name} must be"):
                gym.make(id, **{field.name: (*field.default[1:], value) if many else value})


ABSURD = [
    (BANDIT, {"arms": 2**31 - 1}),
    (BANDIT, {"arms": 1001}),
    (PIXELS, {"action_repeat": 2**31 - 1}),
    (TWO_STEP, {"trials": 2**31 - 1}),
    (TWO_STEP, {"trials": 10**6 + 1}),
    (RISKY, {"p_values": np.full(10**6, 0.5)}),
    (RISKY, {"p_values": (0.5,) * (MOST_NUMBERS + 1)}),
    (REWARD, {"magnitudes": range(1, 10**9)}),
    (TWO_STEP, {"num_envs": 2**31 - 1}),
    (TWO_STEP, {"num_envs": 2, "threads": 10**6}),
    (TWO_STEP, {"num_envs": 2, "max_episode_steps": 2**31}),
    (PIXELS, {"num_envs": 2**20}),
    (BANDIT, {"num_envs": 2**20, "arms": 1000}),
]


@pytest.mark.parametrize(("id", "keywords"), ABSURD)
def test_absurd_numbers_are_refused_before_memory_is_taken(id, keywords):
    make = gym.make_vec if "num_envs" in keywords else gym.make
    gym.make_vec(id, num_envs=2)  # compiled
    name = next(k for k in reversed(keywords) if k != "arms" or len(keywords) == 1)
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(ParameterError, match=f"{name} must be") as caught:
        make(id, **keywords)
    seconds, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 2
    assert peak < 50e6
    assert len(str(caught.value)) < 1000


def test_the_largest_numbers_are_taken():
    assert gym.make(BANDIT, arms=1000, trials=10**6).reset(seed=0)[0].shape == (1 + 1000 + 1,)
    env = gym.make(RISKY, p_values=np.full(MOST_NUMBERS, 0.5))
    assert len(env.unwrapped.parameters.p_values) == MOST_NUMBERS
    p = gym.make(
        REWARD, trials=10**6, dt=0.001, interval_max=3600.0, outcome_duration=3600.0
    ).unwrapped.parameters
    assert 0 < p.step_cap < 2**53


def test_more_threads_than_environments():
    one, many = (make(TWO_STEP, 3, threads=threads) for threads in (1, 1024))
    for envs in (one, many):
        envs.reset(seed=0)
    for _ in range(20):
        actions = one.action_space.sample()
        assert same(one.step(actions), many.step(actions))
    assert len(many.unwrapped._lanes.pool._threads) <= 3
    many.close()


@pytest.mark.parametrize(
    "value", [[], (), 0.5, "0.5", b"\x00\x01", np.array(0.5), np.ones((2, 2)), [[0.5]], {0.5: 1}]
)
def test_what_is_no_list_of_numbers(value):
    with pytest.raises(ParameterError, match=r"^p_values must be 1 to 100 numbers"):
        gym.make(RISKY, p_values=value)


@pytest.mark.parametrize("value", [1j, np.complex64(1), np.timedelta64(1), None, "1", [1], True])
def test_what_is_no_number(value):
    with pytest.raises(ParameterError, match=r"^trials must be"):
        gym.make(TWO_STEP, trials=value)


def with_state(**fields):
    return dataclasses.replace(two_step.TASK, state=two_step.STATE | fields)


@pytest.mark.parametrize(
    "field",
    [
        Field(np.int8, "an index without a range"),
        Field((np.int64, (2,)), "indices without a range"),
        Field(np.uint8, "half a range", low=0),
        Field(np.float64, "half a range", high=1.0),
        Field(object, "anything"),
        Field("U5", "a word", low=0, high=1),
    ],
)
def test_fields_of_a_custom_task(field):
    with pytest.raises(TaskDefinitionError, match=r"^The field 'mine' of TwoStep.*low and high"):
        with_state(mine=field)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="no rule is compiled")
def test_a_rule_that_is_not_compiled():
    with pytest.raises(TaskDefinitionError, match=r"^The rules of TwoStep must be compiled"):
        dataclasses.replace(two_step.TASK, step=lambda lane, p, action: (0.0, True))


def test_a_float_of_a_custom_task_is_finite():
    task = with_state(mine=Field(np.float32, "any number"), yes=Field(np.bool_, "a bool"))
    ranges = task.ranges(task.parameters())
    assert ranges["yes"] == (0, 1)
    assert np.isfinite(ranges["mine"]).all()
    env = task.env_class()
    env.reset(seed=0)
    state = env.get_state()
    for value in (NAN, INF, -INF):
        state["mine"] = value
        with pytest.raises(ValueError, match="'mine'"):
            env.set_state(state)


@dataclasses.dataclass(frozen=True)
class Endless(two_step.TwoStepParameters):
    """Parameters whose product is too large."""

    @property
    def step_cap(self):
        return self.trials * 2**60


def test_steps_that_do_not_fit_64_bits():
    task = dataclasses.replace(two_step.TASK, parameters=Endless)
    with pytest.raises(ParameterError, match=r"^step_cap of TwoStep must be from 1 to"):
        task.env_class()


def test_bounds_of_a_custom_task_are_finite():
    for declare in (parameter, numbers):
        with pytest.raises(TaskDefinitionError, match="finite"):
            declare(1.0, "a number", "ours", high=INF)
    assert parameter(1, "a count", "ours").metadata["high"] == LARGEST[int]


@pytest.mark.parametrize("rewards", [(0.0, INF), (NAN, 1.0), (1.0, 0.0), (1.0,), 1.0, (0, 1, 2)])
def test_a_range_of_rewards_that_is_none(rewards):
    task = dataclasses.replace(two_step.TASK, reward_range=lambda p: rewards)
    with pytest.raises(TaskDefinitionError, match=r"^reward_range of TwoStep must return"):
        task.env_class()


# Seeds and masks.


@pytest.mark.parametrize(
    "seed", [-1, 1.0, True, np.True_, "1", b"1", NAN, [1], np.array([1]), {}, np.timedelta64(1)]
)
@pytest.mark.parametrize("id", [BANDIT, TWO_STEP])
def test_what_is_no_seed(id, seed):
    for lanes in (0, LANES):
        env = make(id, lanes).unwrapped
        env.reset(seed=1)
        before = env.get_state()
        with pytest.raises((Error, OptionError), match="eed must be an int"):
            env.reset(seed=seed)
        assert same(env.get_state(), before)


@pytest.mark.parametrize("bad", [-1, 1.0, True, "1", NAN, [1]])
def test_a_bad_seed_in_a_sequence(bad):
    envs = make(TWO_STEP, LANES)
    envs.reset(seed=0)
    before = envs.unwrapped.get_state()
    for mask in ([True, True, True], [True, False, True]):  # also where it would not be used
        with pytest.raises(Error, match=r"^Seed must be an int"):
            envs.reset(seed=[1, bad, 3], options={"reset_mask": np.array(mask)})
    assert same(envs.unwrapped.get_state(), before)


def test_seeds_of_other_types():
    expected = make(TWO_STEP, LANES).reset(seed=[5, 6, 7])
    for seed in (5, np.int64(5), np.uint8(5), (5, 6, 7), np.array([5, 6, 7]), range(5, 8)):
        assert same(make(TWO_STEP, LANES).reset(seed=seed), expected)
    assert same(make(TWO_STEP).reset(seed=np.int64(5)), make(TWO_STEP).reset(seed=5))
    large = 10**2000
    assert same(
        make(TWO_STEP, 2).reset(seed=large), make(TWO_STEP, 2).reset(seed=[large, large + 1])
    )


def test_a_mask_is_copied_whatever_its_memory():
    one, other = make(TWO_STEP, LANES), make(TWO_STEP, LANES)
    plain = np.array([True, False, True])
    strided = np.array([True, True, False, False, True, True])[::2]
    strided.flags.writeable = False
    for seed in range(3):
        for envs, mask in ((one, plain), (other, strided)):
            envs.reset(seed=seed)
            envs.reset(seed=9, options={"reset_mask": mask})
        assert same(one.unwrapped.get_state(), other.unwrapped.get_state())


@pytest.mark.parametrize("value", [NAN, INF, -INF, [NAN, 0.5], 2**70, 1j, "0.5", None, [[0.5] * 3]])
@pytest.mark.parametrize("lanes", [0, LANES])
def test_an_option_that_is_no_value_of_its_field(value, lanes):
    env = make(BANDIT, lanes).unwrapped
    env.reset(seed=0)
    before = env.get_state()
    with pytest.raises(OptionError, match="'p' must be in"):
        env.reset(seed=1, options={"p": value})
    assert same(env.get_state(), before)


def test_masked_values_are_not_taken_for_others():
    envs = make(TWO_STEP, LANES)
    envs.reset(seed=0)
    state, hidden = envs.unwrapped.get_state(), [False, True, False]
    options = {"better_state": np.ma.array([0, 1, 0], mask=hidden)}
    for given in (options, {"reset_mask": np.ma.array([True] * LANES, mask=hidden)}):
        with pytest.raises(OptionError):
            envs.reset(options=given)
    with pytest.raises(StateError):
        envs.unwrapped.set_state(
            np.ma.array(state, mask=[(each,) * len(state.dtype) for each in hidden])
        )
    with pytest.raises(InvalidAction):
        envs.step(np.ma.array([0, 1, 0], mask=hidden))
    assert same(envs.unwrapped.get_state(), state)
    envs.unwrapped.set_state(np.ma.array(state))
    envs.reset(options={"better_state": np.ma.array([0, 1, 0])})


# Actions.


def unaligned(values):
    """Return an int64 array that starts in the middle of a word."""
    memory = np.zeros(8 * len(values) + 1, np.uint8)
    found = memory[1:].view(np.int64)
    found[:] = values
    return found


def read_only(values):
    found = np.array(values)
    found.flags.writeable = False
    return found


LAYOUTS = {
    "list": list,
    "int8": lambda v: np.array(v, np.int8),
    "uint64": lambda v: np.array(v, np.uint64),
    "big endian": lambda v: np.array(v, ">i8"),
    "big endian unsigned": lambda v: np.array(v, ">u4"),
    "strided": lambda v: np.repeat(v, 2)[::2],
    "reversed": lambda v: np.array(v[::-1])[::-1],
    "read-only": read_only,
    "unaligned": unaligned,
    "broadcast": lambda v: np.broadcast_to(np.array(v), (2, len(v)))[1],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_actions_of_any_memory_layout(layout):
    plain, other = make(TWO_STEP, LANES), make(TWO_STEP, LANES)
    for envs in (plain, other):
        envs.reset(seed=0)
    for t in range(12):
        actions = [(t + i) % 3 for i in range(LANES)]
        assert same(plain.step(np.array(actions)), other.step(LAYOUTS[layout](actions)))


@pytest.mark.parametrize(
    "actions",
    [
        *([0, 1, 3], [0, -1, 0], [0, 1, 2**63], [0, 1, -(2**63)], [0, 1, 2**70]),
        *([0.0, 1.0, 2.0], [0, 1, None], ["0", "1", "2"], [True, False, True], [0, 1], [[0, 1, 2]]),
        *([0, [1], 2], 0, None, "abc", np.zeros((3, 0), int), np.array([0, 1, 2], object)),
        np.array([0, 1, 2**64 - 1], np.uint64),
    ],
)
def test_actions_that_are_refused(actions):
    envs = make(TWO_STEP, LANES)
    envs.reset(seed=0)
    before = envs.unwrapped.get_state()
    for step, given in ((envs.step, actions), (envs.unwrapped.step_many, [actions, actions])):
        with pytest.raises(InvalidAction, match=r"^actions must be integers"):
            step(given)
    assert same(envs.unwrapped.get_state(), before)


def test_no_steps():
    envs = make(TWO_STEP, LANES).unwrapped
    envs.reset(seed=0)
    before = envs.get_state()
    found = envs.step_many(np.zeros((0, LANES), int))
    width = envs.single_observation_space.shape[0]
    assert [part.shape for part in found] == [(0, LANES, width), *3 * [(0, LANES)]]
    assert same(envs.get_state(), before)


def test_more_steps_than_memory_holds():
    envs = make(TWO_STEP, LANES).unwrapped
    envs.reset(seed=0)
    with pytest.raises(ParameterError, match=r"^The number of steps must be at most"):
        envs.step_many(np.broadcast_to(0, (10**10, LANES)))


@pytest.mark.parametrize("number", [1, LANES + 5])
def test_a_number_of_environments_set_later_changes_no_memory(number):
    envs = make(TWO_STEP, LANES, autoreset_mode=AutoresetMode.NEXT_STEP).unwrapped
    envs.reset(seed=0)
    envs.num_envs = number
    for step in (envs.step, lambda actions: envs.step_many([actions])):
        with pytest.raises(InvalidAction):
            step([0] * number)
    with pytest.raises(OptionError, match="reset_mask"):
        envs.reset(options={"reset_mask": np.ones(number, bool)})
    assert envs.step([0] * LANES)[1].shape == (LANES,)


@pytest.mark.parametrize(
    "value", [10**5000, "x" * 10**6, [0] * 10**5], ids=["digits", "letters", "entries"]
)
def test_values_in_messages_are_short(value):
    assert len(shown(value)) <= 200
    with pytest.raises(ParameterError) as caught:
        gym.make(TWO_STEP, trials=value)
    assert len(str(caught.value)) < 500
