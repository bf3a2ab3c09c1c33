"""Hypothesis strategies for what an environment can be given: right, almost right, and wild."""

import dataclasses
import math
from functools import cache
from numbers import Real

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from hypothesis import reject, strategies as st

from neurotasks.errors import ParameterError

LARGE = 8  # most trials of an episode; how often its default a parameter without bound is
WORDS = {
    "feedback": ["both", "action", "reward", "none"],
    "split": ["train", "test"],
    "trial_log": [False, True],
    "render_mode": [None, "rgb_array", "ansi"],
    "show_truth": [False, True],
}
VECTOR_WORDS = {
    "num_envs": [1, 2, 3],
    "autoreset_mode": [*AutoresetMode, *(mode.value for mode in AutoresetMode)],
    "max_episode_steps": [None, 1, 2, 7, 100],
    "threads": [1, 2],
}

ODD = [
    *(None, True, False, "", "both", "test", "SAMESTEP", "1", "nan", b"1", "\x00", "ü" * 40),
    *(0, 1, -1, 2, 3, 127, 2**31 - 2, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30),
    *(10**400, 0.5, -0.0, 1.5, 1e-300, 5e-324, 1e300, -1e300, math.nan, math.inf, -math.inf),
    *(1j, (), [], [1], [0.5, 2.0], (math.nan,), [[1], [2, 3]], ["a"], [None], {}, {"a": 1}, {1}),
    *(np.int8(1), np.int64(2), np.uint64(2**64 - 1), np.float16(0.5), np.float32(1), np.bool_(1)),
    *(np.float64(math.nan), np.float64(math.inf), np.longdouble(1), np.complex128(1), np.str_("a")),
    *(np.datetime64("2000-01-01"), np.timedelta64(1, "s"), np.array(1), np.array(0.5), np.zeros(0)),
    *(np.zeros(3), np.ones((2, 2), int), np.array([math.nan, 1]), np.array([None]), range(3)),
    *(object(), int, len, slice(2), Ellipsis, NotImplemented, bytearray(2), memoryview(b"12")),
]
wild = st.sampled_from(ODD) | st.floats() | st.integers() | st.text(max_size=3)
seeds = st.integers(0, 2**31 - 10)
SCALARS = [np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64, np.float32, int]


@cache
def known(id):
    """Return a task, and the keywords that an id sets."""
    return gym.make(id).unwrapped.task, {
        k: v for k, v in gym.spec(id).kwargs.items() if k != "task"
    }


@cache
def sizes(id):
    """Return the names of the parameters that size a task's arrays."""
    task, _ = known(id)
    shapes = [f.dtype[1] for f in task.state.values() if isinstance(f.dtype, tuple)]
    return {name for shape in shapes for name in shape if isinstance(name, str)}


@st.composite
def parameters(draw, id):
    """Draw valid keywords for some of a task's parameters; those that size its arrays stay."""
    task, preset = known(id)
    fields = [
        field
        for field in dataclasses.fields(task.parameters)
        if field.name not in {"trials", *sizes(id), *preset}
    ]
    chosen = draw(st.lists(st.sampled_from(fields), max_size=4, unique_by=lambda f: f.name))
    drawn = {field.name: draw(values(field)) for field in chosen}
    drawn["trials"] = draw(st.integers(1, LARGE))
    while True:  # parameters must also fit together
        try:
            task.parameters(**preset | drawn)
        except ParameterError:
            drawn.popitem()
        else:
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


def almost(field):
    """Return the strategy of values about the ends of a parameter's range, of several types."""
    about, default = field.metadata, field.default
    if isinstance(default, str):
        return st.sampled_from([*about["choices"], default.upper(), default[:-1], default + " "])
    if isinstance(default, (tuple, bool)):
        return wild
    ends = [end for end in (about["low"], about["high"], default) if math.isfinite(end)]
    near = [v for e in ends for v in (e, e + 1, e - 1, math.nextafter(e, 9e9), -e, str(e), [e])]
    near += [kind(e) for e in ends for kind in (float, np.float64, np.float32, np.float16)]
    return st.sampled_from(near)


def is_valid(field, value):
    """Return whether a parameter's declaration allows a value."""
    about, default = field.metadata, field.default
    if isinstance(default, bool):
        return isinstance(value, (bool, np.bool_))
    if isinstance(default, str):
        return isinstance(value, str) and value in about["choices"]
    if isinstance(default, tuple):
        if not isinstance(value, (tuple, list, range)):
            return isinstance(value, np.ndarray) and value.ndim == 1 and is_valid(field, [*value])
        return len(value) > 0 and all(is_number(each, about) for each in value)
    return is_number(value, about) and (not isinstance(default, int) or value == int(value))


def is_number(value, about):
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, np.number)):
        return False
    if isinstance(value, (np.complexfloating, np.timedelta64)) or not math.isfinite(value):
        return False
    return bool(about["low"] <= value <= about["high"])


@st.composite
def keyword(draw, id, lanes):
    """Draw one keyword that is probably refused: its name and value."""
    task, _ = known(id)
    fields = {field.name: field for field in dataclasses.fields(task.parameters)}
    words = WORDS | (VECTOR_WORDS if lanes else {})
    name = draw(st.sampled_from([*fields, *words, "trails"]))
    if name in sizes(id):  # each size that is allowed is compiled anew
        return name, draw(st.sampled_from([*ODD, fields[name].default, fields[name].default + 1]))
    if name in ("num_envs", "threads"):  # a case with 100,000 sub-environments takes too long
        return name, draw(st.sampled_from(ODD))
    if name == "render_mode" and not lanes:
        # gymnasium.make itself wants a word, and fails at a % where it warns of an unknown one
        return name, draw(st.text(st.characters(exclude_characters="%"), max_size=3))
    return name, draw(almost(fields[name]) | wild if name in fields else wild)


def allowed(id, name, value):
    """Return whether one keyword may be accepted."""
    task, _ = known(id)
    fields = {field.name: field for field in dataclasses.fields(task.parameters)}
    if name in fields:
        return is_valid(fields[name], value)
    if name in ("num_envs", "threads", "max_episode_steps"):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        return (whole and value >= 1) or (value is None and name == "max_episode_steps")
    if name in ("trial_log", "show_truth"):
        return isinstance(value, (bool, np.bool_))
    choices = (WORDS | VECTOR_WORDS).get(name, [])
    return (value is None or isinstance(value, (str, AutoresetMode))) and value in choices


@st.composite
def words(draw, lanes):
    """Draw valid keywords that all tasks have."""
    names = [*WORDS, *(VECTOR_WORDS if lanes else ())]
    chosen = draw(st.lists(st.sampled_from(names), max_size=4, unique=True))
    return {name: draw(st.sampled_from((WORDS | VECTOR_WORDS)[name])) for name in chosen}


@st.composite
def reset_arguments(draw, env):
    """Draw a seed and options, mostly valid; returns them and whether all is valid."""
    base = env.unwrapped
    lanes = 0 if isinstance(env, gym.Env) else env.num_envs
    kinds = ["none", "good", "good", "option", "option", "name", "seed", "mask", "no dict"]
    kind = draw(st.sampled_from(kinds))
    seed, options, good = draw(st.none() | seeds), None, True
    if lanes and draw(st.booleans()):
        seed = draw(st.lists(st.none() | seeds, min_size=lanes, max_size=lanes))
    if kind != "none":
        name = draw(st.sampled_from(sorted(base.task.options)))
        options = {name: draw(option(base, name, lanes))}
    if kind == "option":
        options[name], good = draw(wild | wild.map(lambda v: [v] * max(lanes, 1))), None
    elif kind == "name":
        wrong = draw(st.sampled_from(["bettr_state", "", 1, None, ("p",), "key", "over"]))
        options[wrong], good = 0, False
    elif kind == "seed":
        seed, good = draw(wild | st.lists(wild, max_size=4)), None
    elif kind == "mask":
        masks = st.lists(st.booleans(), min_size=1, max_size=4).map(np.array)
        options["reset_mask"], good = draw(masks | wild), None
    elif kind == "no dict":
        options, good = draw(wild), None
    return {"seed": seed, "options": options}, good


@st.composite
def option(draw, base, name, lanes):
    """Draw a valid value of a reset option, for all sub-environments or for each."""
    field, kind = base.task.options[name], base.get_state().dtype[name]
    low, high = field.range(base.parameters)
    each = draw(st.booleans()) and lanes
    one = st.integers if kind.base.kind != "f" else st.floats
    shape = ((lanes,) if each else ()) + kind.shape
    for _ in range(20):
        count = math.prod(shape)
        drawn = draw(st.lists(one(low, high), min_size=count, max_size=count))
        value = np.array(drawn, kind.base).reshape(shape)
        if field.valid is None or np.all(field.valid(value if each else value[None])):
            return value if shape else value.item()
    return reject()  # no value that also fulfils the field's condition


@st.composite
def action(draw, env):
    """Draw the action of a single environment, or those of a vector environment."""
    number = len(env.unwrapped.action_names)
    one = st.integers(0, number - 1)
    if isinstance(env, gym.Env):
        right = one | one.map(np.int8) | one.map(np.array)
        return draw(right | right | st.integers(-2, number + 1) | wild)
    n = env.num_envs
    right = st.lists(one, min_size=n, max_size=n)
    kind = draw(st.sampled_from(["right"] * 4 + ["range", "type", "shape", "wild"]))
    if kind == "right":
        return np.array(draw(right), draw(st.sampled_from(SCALARS[:7])))
    if kind == "range":
        return draw(st.lists(st.integers(-2, number + 1) | wild, min_size=n, max_size=n))
    if kind == "type":
        types = [np.float32, np.float64, bool, object, str, complex, "S1", "M8[s]", ">i8", ">i4"]
        return np.array(draw(right)).astype(draw(st.sampled_from(types)))
    if kind == "shape":
        shape = draw(st.sampled_from([(n + 1,), (n, 1), (1, n), (), (0,), (n, n), (n - 1,)]))
        return np.zeros(shape, int)
    return draw(wild | st.lists(wild, min_size=n, max_size=n))


@st.composite
def actions(draw, env):
    """Draw the actions of several steps."""
    n, number = env.num_envs, len(env.unwrapped.action_names)
    steps = draw(st.integers(0, 12))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    kind = draw(st.sampled_from(["right"] * 4 + ["range", "type", "order", "shape", "wild"]))
    drawn = rng.integers(number, size=(steps, n))
    if kind == "range" and drawn.size:
        drawn[-1, -1] = draw(st.sampled_from([-1, number, 2**62, -(2**63)]))
    if kind == "type":
        return drawn.astype(draw(st.sampled_from([float, bool, object, np.uint64, ">i8", str])))
    if kind == "order":
        return np.asfortranarray(np.repeat(drawn, 2, 0))[::-2]
    if kind == "shape":
        shapes = [
            drawn[0] if steps else drawn,
            drawn.T,
            drawn[..., None],
            drawn[:, :-1],
            drawn.ravel(),
        ]
        return draw(st.sampled_from(shapes))
    return draw(wild) if kind == "wild" else drawn


@st.composite
def state(draw, base):
    """Draw a state: the present one with something else in it."""
    found = base.get_state()
    kind = draw(
        st.sampled_from(["same", "field", "field", "field", "field", "bytes", "type", "wild"])
    )
    i = draw(st.integers(0, len(found) - 1))
    if kind == "field":
        for name in draw(st.lists(st.sampled_from(found.dtype.names), min_size=1, max_size=2)):
            found[name][i] = draw(element(found.dtype[name].base))
    elif kind == "bytes":
        offset = st.integers(0, found.itemsize - 1)
        for at in draw(st.lists(offset, min_size=1, max_size=3)):
            found.view(np.uint8).reshape(len(found), -1)[i, at] = draw(st.integers(0, 255))
    elif kind == "type":
        wrong = [found[:0], found[None], np.concatenate([found, found]), found.view(np.uint8)]
        wrong += [found.tolist(), found[0], found["trial"]]
        wrong += [
            np.zeros(len(found)),
            found.astype(object),
            found.astype(found.dtype.newbyteorder()),
        ]
        found = draw(st.sampled_from(wrong))
    return draw(wild) if kind == "wild" else found


def element(kind):
    """Return the strategy of a value of a state's field."""
    if kind.kind == "f":
        ends = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-300, 1e9, 1e300, math.nan, math.inf, -math.inf]
        return st.sampled_from(ends) | st.floats()
    if kind.kind == "b":
        return st.booleans()
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    return st.sampled_from([low, low + 1, max(low, -1), 0, 1, 2, 7, high - 1, high]) | st.integers(
        max(low, -3), min(high, 40)
    )
