"""Bad input: which error comes, what it says, and that nothing has changed."""

import contextlib
import dataclasses
import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import (
    DependencyNotInstalled,
    Error,
    InvalidAction,
    InvalidProbability,
    ResetNeeded,
)
from gymnasium.vector import AutoresetMode

import neurotasks
from neurotasks.core import Field
from neurotasks.core.task import load
from neurotasks.episodes import run_episodes
from neurotasks.errors import (
    OptionError,
    ParameterError,
    StateError,
    TaskDefinitionError,
    UnknownParameterError,
    nearest,
    require,
)
from neurotasks.observers import RandomAgent
from neurotasks.tasks.two_step import TASK

TWO_STEP, HARLOW = "neurotasks/TwoStep-v0", "neurotasks/Harlow-v0"
NAN, INF = math.nan, math.inf
LANES = 3

pytestmark = pytest.mark.filterwarnings("error")


def snapshot(env):
    base = env.unwrapped
    generator = base.np_random.bit_generator.state
    table = None
    with contextlib.suppress(ParameterError):
        table = base.trial_table().to_dict("list")
    return repr((base.get_state().tolist(), generator, table))  # arrays in records have no ==


@contextlib.contextmanager
def refused(error, *words, env=None):
    before = None if env is None else snapshot(env)
    with pytest.raises(error) as caught:
        yield
    assert caught.type is error
    for word in words:
        assert word in str(caught.value)
    assert env is None or snapshot(env) == before


def started(id, lanes=0, seed=0, **keywords):
    """Make an environment in the middle of an episode."""
    env = gym.make_vec(id, num_envs=lanes, **keywords) if lanes else gym.make(id, **keywords)
    env.reset(seed=seed)
    for _ in range(7):
        env.step(np.full(lanes, 1) if lanes else 1)
    return env


PARAMETERS = [
    (TWO_STEP, "p_comon", 0.3, UnknownParameterError, ["0.3", "p_common"]),
    (TWO_STEP, "trails", 5, UnknownParameterError, ["5", "trials"]),
    (TWO_STEP, "feedbak", "none", UnknownParameterError, ["none", "'feedback'"]),
    (TWO_STEP, "spilt", "test", UnknownParameterError, ["test", "'split'"]),
    (HARLOW, "p_common", 0.8, UnknownParameterError, ["0.8", "fixation_steps"]),
    *((TWO_STEP, "p_common", p, InvalidProbability, [str(p), "[0, 1]"]) for p in (1.1, -0.1)),
    *((TWO_STEP, "p_reward", p, InvalidProbability, [str(p), "[0, 1]"]) for p in (NAN, INF)),
    *((TWO_STEP, "p_reversal", p, InvalidProbability, [str(p), "[0, 1]"]) for p in (2, -INF)),
    *(
        (TWO_STEP, "p_common", p, ParameterError, [repr(p), "number (float)"])
        for p in ("0.5", True, None, [0.5], 1j)
    ),
    *(
        (TWO_STEP, "trials", trials, ParameterError, [repr(trials), "number (int)", "[1, "])
        for trials in (0, -1, 2.5, "3", True, None, [3], NAN, INF, 10**30)
    ),
    *(
        (id, name, kind(INF), ParameterError, ["inf", "number"])
        for id, name in ((TWO_STEP, "trials"), (HARLOW, "object_reward"))
        for kind in (np.float16, np.float32, np.float64, np.longdouble)
    ),
    *((TWO_STEP, "fixation", f, ParameterError, [repr(f), "bool"]) for f in (1, "yes", None)),
    *((HARLOW, "fixation_steps", n, ParameterError, [repr(n), "[1, "]) for n in (0, 1.5)),
    (HARLOW, "max_steps", 0, ParameterError, ["0", "[1, "]),
    *((HARLOW, "object_reward", r, ParameterError, [repr(r), "number"]) for r in (NAN, "1")),
    *(
        (TWO_STEP, "feedback", f, ParameterError, [repr(f), "both, action, reward, none"])
        for f in ("bth", None, 1, ["both"])
    ),
    *((TWO_STEP, "split", s, ParameterError, [repr(s), "train, test"]) for s in ("tset", 0)),
    *((TWO_STEP, "trial_log", t, ParameterError, [repr(t), "bool"]) for t in (1, "no", None)),
]


@pytest.mark.parametrize("lanes", [0, LANES])
@pytest.mark.parametrize(("id", "name", "value", "error", "words"), PARAMETERS)
def test_parameter(id, name, value, error, words, lanes):
    with refused(error, name, *words):
        gym.make_vec(id, num_envs=lanes, **{name: value}) if lanes else gym.make(
            id, **{name: value}
        )


def test_hint_is_the_nearest_word_or_all():
    assert nearest("p_comon", ["p_common", "trials"]) == "Did you mean 'p_common'?"
    assert nearest("xyz", ["p_common", "trials"]) == "Choose from p_common, trials."
    assert nearest("xyz", []) == "There is none to choose from."


@pytest.mark.parametrize("name", ["num_envs", "threads"])
def test_number_of_lanes_and_threads(name):
    for num in (0, -1, 2.0, True, "2", None):
        with refused(ParameterError, f"{name} must be an int >= 1; got {num!r}"):
            gym.make_vec(TWO_STEP, **{"num_envs": 2, name: num})


def test_autoreset_mode():
    for mode in ("Nope", "SAME_STEP", None, 3):
        with refused(ParameterError, repr(mode), "'NextStep', 'SameStep', 'Disabled'"):
            gym.make_vec(TWO_STEP, num_envs=2, autoreset_mode=mode)


ONE_ARRAY, TWO_ARRAY = np.array([1]), np.array([0, 1])
NOT_ACTIONS = [3, -1, 2**70, -(2**70), 1.0, 1.5, NAN, np.float32(1), None, "0", [1], ONE_ARRAY]


@pytest.mark.parametrize("action", [*NOT_ACTIONS, TWO_ARRAY], ids=repr)
def test_action(action):
    env = started(TWO_STEP, trial_log=True)
    with refused(InvalidAction, repr(action), "0 to 2", "left, right, centre", env=env):
        env.step(action)


def test_action_of_a_smaller_space():
    env = started("neurotasks/TwoStep2016-v0")
    with refused(InvalidAction, "2", "0 to 1", "(left, right)", env=env):
        env.step(2)


NOT_VECTOR_ACTIONS = [
    ([0, 1, 3], ["3", "sub-environment 2"]),
    ([0, -1, 3], ["-1", "sub-environment 1"]),
    (np.array([0, 1, 2**63], np.uint64), [f"got {2**63} ", "sub-environment 2"]),
    ([0, 1, 2**70], ["object", "(3,)"]),
    (np.array([0.0, 1.0, 2.0]), ["float64", "(3,)"]),
    (np.array([0.0, 1.0, NAN]), ["float64", "(3,)"]),
    (np.array([True, False, True]), ["bool", "(3,)"]),
    (["0", "1", "2"], ["<U1", "(3,)"]),
    (None, ["object", "()", "(3,)"]),
    (0, ["()", "(3,)"]),
    ([0, 1], ["(2,)", "(3,)"]),
    ([[0, 1, 2]], ["(1, 3)", "(3,)"]),
    ([0, [1], 2], ["(3,)"]),
]


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize(("actions", "words"), NOT_VECTOR_ACTIONS, ids=repr)
def test_vector_action(actions, words, mode):
    envs = started(TWO_STEP, LANES, autoreset_mode=mode, trial_log=True)
    with refused(InvalidAction, *words, "0 to 2", "left, right, centre", env=envs):
        envs.step(actions)


NOT_ACTIONS_OF_MANY = [
    ([[0, 1, 2], [0, 1, 3]], ["3", "sub-environment 2"]),
    ([[0, 1, 2], [0, -1, 3]], ["-1", "sub-environment 1"]),
    ([0, 1, 2], ["(3,)", "('steps', 3)"]),
    ([[0, 1], [0, 1]], ["(2, 2)", "(2, 3)"]),
    ([[0, 1, 2], [0, 1]], ["('steps', 3)"]),
    (np.zeros((2, 3)), ["float64", "(2, 3)"]),
]


@pytest.mark.parametrize(("actions", "words"), NOT_ACTIONS_OF_MANY, ids=repr)
def test_actions_of_step_many(actions, words):
    envs = started(TWO_STEP, LANES, autoreset_mode="SameStep")
    with refused(InvalidAction, *words, "0 to 2", "left, right, centre", env=envs):
        envs.unwrapped.step_many(actions)


@pytest.mark.parametrize(
    ("id", "keywords"),
    [
        (TWO_STEP, {"autoreset_mode": "Disabled"}),
        (TWO_STEP, {"trial_log": True}),
        ("neurotasks/HarlowPixels-v0", {}),
    ],
)
def test_step_many_of_an_environment_that_needs_steps(id, keywords):
    envs = started(id, LANES, **keywords)
    with refused(ParameterError, "step_many()", "'SameStep'", "trial_log=False", env=envs):
        envs.unwrapped.step_many(np.ones((4, LANES), int))


def test_step_many_before_reset():
    envs = gym.make_vec(TWO_STEP, num_envs=LANES)
    envs.reset(seed=0, options={"reset_mask": np.array([True, True, False])})
    with refused(ResetNeeded, "sub-environment 2", "reset()", env=envs):
        envs.unwrapped.step_many(np.zeros((5, LANES), int))


@pytest.mark.parametrize("id", [TWO_STEP, HARLOW])
def test_step_before_reset(id):
    with refused(ResetNeeded, "reset()"):
        gym.make(id).step(0)
    env = gym.make(id, trial_log=True).unwrapped
    with refused(ResetNeeded, "has not begun", "reset()", env=env):
        env.step(0)


@pytest.mark.parametrize("mode", AutoresetMode)
def test_vector_step_before_reset(mode):
    envs = gym.make_vec(TWO_STEP, num_envs=LANES, autoreset_mode=mode)
    with refused(ResetNeeded, "sub-environment 0", "reset()", env=envs):
        envs.step(np.zeros(LANES, int))
    envs.reset(seed=0, options={"reset_mask": np.array([True, True, False])})
    with refused(ResetNeeded, "sub-environment 2", "reset()", env=envs):
        envs.step(np.zeros(LANES, int))


def test_step_after_the_end():
    env = gym.make(TWO_STEP, trials=1, trial_log=True)
    env.reset(seed=0)
    assert [env.step(action)[2] for action in (2, 0, 0)] == [False, False, True]
    with refused(ResetNeeded, "has ended", "reset()", env=env):
        env.step(2)
    env.reset()
    env.step(2)


def test_vector_step_after_the_end():
    envs = gym.make_vec(TWO_STEP, num_envs=LANES, trials=2, autoreset_mode="Disabled")
    envs.reset(seed=0)
    for actions in ([2, 2, 2], [0, 2, 0], [0, 2, 0]):
        envs.step(actions)
    assert envs.step([2, 2, 2])[2].tolist() == [False, True, False]
    with refused(ResetNeeded, "sub-environment 1", "reset_mask", env=envs):
        envs.step([0, 0, 0])
    envs.reset(options={"reset_mask": np.array([False, True, False])})
    envs.step([0, 0, 0])


OPTIONS = [
    (TWO_STEP, "bettr_state", 1, ["'better_state'"]),
    (TWO_STEP, "p_common", 0.8, ["better_state"]),
    *(
        (TWO_STEP, "better_state", value, ["[0, 1]", "second-stage state"])
        for value in (2, -1, 0.5, NAN, "1", None, [0, 1], [[0]])
    ),
    *((HARLOW, "gaze", value, ["[-12, 12]", "even"]) for value in (14, -14, 1, 0.5)),
    *(
        (HARLOW, "objects", value, ["[0, 1999]", "(2,)", "numbers of the rewarded"])
        for value in (5, [1, 2, 3], [-1, 2], [0, 2000], [0.5, 2], [[1, 2], [3, 4]], [[1], [2, 3]])
    ),
    (HARLOW, "objects", [5, 5], ["differ"]),
]


@pytest.mark.parametrize(("id", "name", "value", "words"), OPTIONS)
def test_option(id, name, value, words):
    env = started(id, trial_log=True)
    with refused(OptionError, name, repr(value), *words, env=env):
        env.reset(options={name: value})


@pytest.mark.parametrize("lanes", [0, LANES])
@pytest.mark.parametrize("name", ["bettr_state", "better_state"])
def test_bad_option_with_a_seed_changes_nothing(name, lanes):
    env = started(TWO_STEP, lanes)
    with refused(OptionError, name, "2", env=env):
        env.reset(seed=5, options={name: 2})


LANE_OPTIONS = [
    *((TWO_STEP, "better_state", 0, value) for value in (2, -1, 0.5, NAN)),
    *((HARLOW, "gaze", 0, value) for value in (14, 1, 0.5)),
    *((HARLOW, "objects", [0, 1], value) for value in ([-1, 2], [0, 2000], [5, 5], [0.5, 2])),
]


@pytest.mark.parametrize(("id", "name", "good", "bad"), LANE_OPTIONS)
def test_option_of_one_lane(id, name, good, bad):
    envs = started(id, LANES)
    values = [good, bad, good]
    with refused(OptionError, name, repr(values), env=envs):
        envs.reset(options={name: values})


def test_single_env_knows_no_reset_mask():
    env = started(TWO_STEP)
    with refused(OptionError, "reset_mask", "better_state", env=env):
        env.reset(options={"reset_mask": np.array([True])})


NOT_MASKS = [
    (np.zeros(LANES, bool), "False, False, False"),
    (np.ones(2, bool), "True,  True"),
    (np.ones(LANES, int), "1, 1, 1"),
    *((mask, str(mask)) for mask in (None, True, "yes", [[True], [True, False]])),
]


@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize(("mask", "came"), NOT_MASKS)
def test_reset_mask(mask, came, seed):
    envs = started(TWO_STEP, LANES)
    with refused(OptionError, "reset_mask", came, "bool", "(3,)", env=envs):
        envs.reset(seed=seed, options={"reset_mask": mask})


def test_number_of_seeds():
    envs = started(TWO_STEP, LANES)
    for seeds in ([1, 2], [1, 2, 3, 4], []):
        with refused(OptionError, f"sequence of {len(seeds)}", "3 sub-environments", env=envs):
            envs.reset(seed=seeds)


@pytest.mark.parametrize("seed", [2.5, "012", b"012", np.array(1), {0: 1}])
def test_seed_that_is_neither_a_number_nor_a_sequence(seed):
    envs = started(TWO_STEP, LANES)
    with refused(OptionError, "seed must be an int", repr(seed), env=envs):
        envs.reset(seed=seed)


@pytest.mark.parametrize("lanes", [0, LANES])
@pytest.mark.parametrize("options", [5, True, "better_state", [("better_state", 0)], np.ones(2)])
def test_options_that_are_no_dict(options, lanes):
    env = started(TWO_STEP, lanes)
    with refused(OptionError, "options must be a dict", repr(options), env=env):
        env.reset(seed=5, options=options)


@pytest.mark.parametrize("name", [1, None, ("better_state",)])
def test_option_whose_name_is_no_word(name):
    env = started(TWO_STEP)
    with refused(OptionError, repr(name), "better_state", env=env):
        env.reset(options={name: 0})


BAD_SEEDS = [(-1, "-1"), ([1, -1, 2], "-1"), ([1, 2.5, 3], "float"), ([1, 2, "3"], "str")]


@pytest.mark.parametrize(("seed", "came"), BAD_SEEDS)
def test_bad_seed(seed, came):
    envs = started(TWO_STEP, LANES)
    with refused(Error, "Seed", came, env=envs):
        envs.reset(seed=seed)


@pytest.mark.parametrize("lanes", [0, LANES])
def test_state_of_another_environment(lanes):
    env = started(TWO_STEP, lanes, trial_log=True).unwrapped
    wrong_width = started(TWO_STEP, 2).unwrapped.get_state()
    wrong_task = started(HARLOW, lanes).unwrapped.get_state()
    shape = str(env.get_state().shape)
    with refused(StateError, "gaze", "better_state", "get_state()", env=env):
        env.set_state(wrong_task)
    with refused(StateError, "(2,)", shape, "get_state()", env=env):
        env.set_state(wrong_width)
    for nonsense, came in ((np.zeros(4), "float64"), ("state", "<U5"), (None, "object")):
        with refused(StateError, came, shape, "better_state", env=env):
            env.set_state(nonsense)


@pytest.mark.parametrize("lanes", [0, LANES])
@pytest.mark.parametrize(
    ("id", "name", "value", "words"),
    [
        (TWO_STEP, "better_state", 2, ["got 2", "[0, 1]", "second-stage state"]),
        (TWO_STEP, "last_action", 3, ["got 3", "[-1, 2]", "previous action"]),
        (TWO_STEP, "last_action", -2, ["got -2", "[-1, 2]", "previous action"]),
        (HARLOW, "objects", [5, 2000], ["2000", "[0, 1999]", "numbers of the rewarded"]),
        (HARLOW, "objects", [5, 5], ["5 5", "valid", "differ"]),
        ("neurotasks/Bandit-v0", "p", [0.5, NAN], ["nan", "[0.0, 1.0]", "reward probability"]),
    ],
)
def test_state_with_a_value_outside_its_range(id, name, value, words, lanes):
    env = started(id, lanes, trial_log=True)
    state = env.unwrapped.get_state()
    state[name][-1] = value
    with refused(StateError, name, *words, "get_state()", env=env):
        env.unwrapped.set_state(state)


@pytest.mark.parametrize("lanes", [0, LANES])
def test_trial_table_without_trial_log(lanes):
    env = started(TWO_STEP, lanes)
    with refused(ParameterError, "got False", "trial_log=True", env=env):
        env.unwrapped.trial_table()


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("neurotasks.tasks.two_step:TSK", ["Did you mean 'TASK'?"]),
        ("neurotasks.tasks.two_step:STATE", ["'STATE'"]),
        ("neurotasks.tasks.two_step", ["Choose from TASK."]),
        ("neurotasks.tasks.three_step:TASK", ["neurotasks.tasks.three_step"]),
        ("", []),
    ],
)
def test_task_that_does_not_exist(where, words):
    with refused(TaskDefinitionError, repr(where), "'module:NAME'", *words):
        load(where)


def test_registered_task_that_does_not_exist():
    id = "test/Missing-v0"
    neurotasks.register(id, "neurotasks.tasks.two_step:MISSING")
    try:
        with refused(TaskDefinitionError, id, "MISSING", "TASK"):
            load(id)
        with pytest.raises(AttributeError, match="MISSING"):
            gym.make(id)
    finally:
        del gym.registry[id]


def test_state_field_that_the_core_keeps():
    with refused(TaskDefinitionError, "'reward'", "'step'", "TwoStep", "Rename"):
        dataclasses.replace(TASK, state={"reward": Field(float, "x"), "step": Field(bool, "y")})


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_record_wants_same_step(mode):
    envs = started(TWO_STEP, LANES, autoreset_mode=mode, trial_log=True)
    for _ in range(9):
        envs.step(np.full(LANES, 2))
    assert len(envs.unwrapped.trial_table()) > 0
    with refused(ParameterError, str(mode), "autoreset_mode='SameStep'", env=envs):
        run_episodes(RandomAgent(envs), envs)


def test_run_episodes_without_environments():
    for agent in (object(), RandomAgent(gym.make(TWO_STEP))):
        with refused(ParameterError, "envs must be a vector environment", "make_vec"):
            run_episodes(agent)


def test_record_wants_a_trial_log():
    envs = started(TWO_STEP, LANES, autoreset_mode="SameStep")
    with refused(ParameterError, "trial_log=True", env=envs):
        run_episodes(RandomAgent(envs), envs, seed=1)


def test_missing_dependency_names_the_extra():
    with refused(DependencyNotInstalled, "no_such_module", "pip install 'neurotasks[render]'"):
        require("no_such_module", "render")
