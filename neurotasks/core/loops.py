"""The loops over lanes, written once and compiled for each task.

The functions below name a task's rules (``begin``, ``new_trial``, ``step``, ``observe``, and
``draw``, which is ``observe`` where an image is seen) as globals. `compile_loops` gives every task
its own copy of them with its own rules as globals.
"""

# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

from __future__ import annotations

import hashlib
import re
import types
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
from gymnasium.vector import AutoresetMode
from numba.core.errors import NumbaError, NumbaExperimentalFeatureWarning

from neurotasks.core.cache import cached
from neurotasks.core.fingerprints import fingerprint
from neurotasks.core.rules import GOLDEN, Lane, mix, rule
from neurotasks.core.task import Task
from neurotasks.errors import TaskDefinitionError

NEXT_STEP, SAME_STEP, DISABLED = 0, 1, 2
AUTORESET = {
    AutoresetMode.NEXT_STEP: NEXT_STEP,
    AutoresetMode.SAME_STEP: SAME_STEP,
    AutoresetMode.DISABLED: DISABLED,
}

# What `step_lane` returns: bits, or one of the last two.
OVER, TRIAL_OVER = 1, 2
BAD_ACTION, RESET_NEEDED = -1, -2

# The rows of `ends`, what `step_lanes` tells of each lane.
TERMINATED, TRUNCATED, TRIAL_ENDED, EPISODE_ENDED = 0, 1, 2, 3


def begin_episode(lane: Lane, p: Any) -> None:
    """Draw the hidden world of a new episode."""
    lane.episode += 1
    lane.key = lane.key + GOLDEN
    lane.world = mix(lane.key)
    lane.stream = lane.world
    lane.trial = 0
    lane.trials = p.trials
    lane.step = 0
    lane.last_action = -1
    lane.last_reward = 0.0
    lane.over = False
    begin(lane, p)


def begin_trial(lane: Lane, p: Any) -> None:
    """Start the trial ``lane.trial`` with random numbers of its own."""
    lane.stream = mix(lane.world + GOLDEN * np.uint64(lane.trial + 1))
    lane.outcome = -1
    lane.reward = 0.0
    lane.trial_reward = 0.0
    lane.trial_start = lane.step
    lane.new_trial = True
    new_trial(lane, p)


def show(lane: Lane, p: Any, observation: Any) -> None:
    """Write the observation: stimulus, one-hot previous action, previous reward."""
    observation[:] = 0.0
    start = p.num_stimuli
    if not lane.over:
        observe(lane, p, observation[:start])
    if p.feedback_action:
        if lane.last_action >= 0:
            observation[start + lane.last_action] = 1.0
        start += p.num_actions
    if p.feedback_reward:
        observation[start] = lane.last_reward


def act(lane: Lane, p: Any, action: int) -> Any:
    """Take one action; returns the reward and whether the trial is over."""
    reward, trial_over = step(lane, p, action)
    lane.step += 1
    lane.last_action = action
    lane.last_reward = reward
    lane.trial_reward += reward
    lane.new_trial = False
    return reward, trial_over


def go_on(lane: Lane, p: Any, trial_over: bool) -> None:
    """End the episode, begin the next trial, or neither."""
    if trial_over:
        lane.trial += 1
    lane.over = lane.trial >= lane.trials or lane.step >= p.last_step
    if trial_over and not lane.over:
        begin_trial(lane, p)


def ended(lane: Lane, p: Any) -> bool:
    """Return whether the episode is over or cut short."""
    return lane.over or lane.step >= p.max_episode_steps


def begin_lanes(lanes: Any, parameters: Any, mask: Any) -> None:
    """Draw a new hidden world for every lane in the mask."""
    for i in range(lanes.shape[0]):
        if mask[i]:
            begin_episode(lanes[i], parameters[0])


def reset_lane(lanes: Any, parameters: Any, observation: Any) -> None:
    """Begin an episode on the only lane, and write its first observation."""
    begin_episode(lanes[0], parameters[0])
    begin_trial(lanes[0], parameters[0])
    show(lanes[0], parameters[0], observation)


def observe_lanes(lanes: Any, parameters: Any, observations: Any) -> None:
    """Write the observation of every lane."""
    for i in range(lanes.shape[0]):
        show(lanes[i], parameters[0], observations[i])


def reset_lanes(
    lanes: Any, parameters: Any, mask: Any, begun: bool, observations: Any, truth: Any
) -> bool:
    """Reset every lane in the mask.

    Args:
        lanes: the records.
        parameters: the record of the parameters.
        mask: the lanes to reset.
        begun: whether `begin_lanes` has begun their episodes.
        observations: written for every lane.
        truth: records, written for the lanes in the mask.

    Returns:
        False, and nothing has happened, if a lane must be seeded first.
    """
    for i in range(lanes.shape[0]):
        if mask[i] and not begun and lanes[i].episode < 0:
            return False
    for i in range(lanes.shape[0]):
        lane = lanes[i]
        if mask[i]:
            if not begun:
                begin_episode(lane, parameters[0])
            begin_trial(lane, parameters[0])
            truth[i] = lane
        show(lane, parameters[0], observations[i])
    return True


def draw_lanes(first: int, last: int, lanes: Any, parameters: Any, images: Any) -> None:
    """Write the image that each of the lanes first to last - 1 sees; black after the end."""
    for i in range(first, last):
        image = images[i]
        image[...] = 0
        if not lanes[i].over:
            draw(lanes[i], parameters[0], image)


def step_lane(
    lanes: Any, finished: Any, slot: int, parameters: Any, action: int, observation: Any
) -> Any:
    """Take one action on the only lane; returns the reward and, as bits, what is over."""
    lane, p = lanes[0], parameters[0]
    if action < 0 or action >= p.num_actions:
        return 0.0, BAD_ACTION
    if lane.over:
        return 0.0, RESET_NEEDED
    reward, trial_over = act(lane, p, action)
    if trial_over and finished.shape[0]:  # none without a trial log
        finished[slot] = lane
    go_on(lane, p, trial_over)
    show(lane, p, observation)
    return reward, int(lane.over) * OVER + int(trial_over) * TRIAL_OVER


def check_lanes(lanes: Any, parameters: Any, autoreset: int, actions: Any) -> Any:
    """Look for what forbids to step.

    Args:
        lanes: the records.
        parameters: the record of the parameters.
        autoreset: the mode.
        actions: those of one step or of several.

    Returns:
        0: nothing; else -1 - i, where i is the bad one of the actions, one after the other, or
        their number + the lane whose episode is over.
    """
    flat = actions.reshape(-1)
    number = flat.shape[0]
    for i in range(number):
        if flat[i] < 0 or flat[i] >= parameters[0].num_actions:
            return -1 - i
    for i in range(lanes.shape[0]):
        if ended(lanes[i], parameters[0]) and (autoreset == DISABLED or lanes[i].episode < 0):
            return -1 - number - i
    return 0


def advance_lanes(
    first: int,
    last: int,
    lanes: Any,
    finished: Any,
    parameters: Any,
    autoreset: int,
    actions: Any,
    results: Any,
    finals: Any,
) -> bool:
    """Take one action on each of the lanes first to last - 1, and write what comes of them.

    Args:
        first: lane.
        last: lane + 1.
        lanes: the records.
        finished: records of trials that end; none without a trial log.
        parameters: the record of the parameters.
        autoreset: the mode.
        actions: those that `check_lanes` found good.
        results: the observations, the rewards, the rows of what has ended, and the records after
            the step; of the latter none in `step_many`.
        finals: the last observations and records of the episodes that end, in SAME_STEP mode; none
            in `step_many`.

    Returns:
        Whether an episode ended.
    """
    observations, rewards, ends, truth = results
    last_observations, last_truth = finals
    p = parameters[0]
    limit = p.max_episode_steps  # read once: the compiler cannot know that no store changes it
    some_over = False
    for i in range(first, last):
        lane = lanes[i]
        if autoreset == NEXT_STEP and ended(lane, p):
            begin_episode(lane, p)
            begin_trial(lane, p)
            rewards[i], trial_over = 0.0, False
        else:
            rewards[i], trial_over = act(lane, p, actions[i])
            if trial_over and finished.shape[0]:
                finished[i] = lane
            go_on(lane, p, trial_over)
        over, cut = lane.over, lane.step >= limit
        ends[TERMINATED, i], ends[TRUNCATED, i], ends[TRIAL_ENDED, i] = over, cut, trial_over
        if truth.shape[0]:
            ends[EPISODE_ENDED, i] = over or cut
        if over or cut:
            some_over = True
            if autoreset == SAME_STEP:
                if last_truth.shape[0]:
                    last_truth[i] = lane
                begin_episode(lane, p)
                begin_trial(lane, p)
        show(lane, p, observations[i])
        if truth.shape[0]:
            truth[i] = lane
    if some_over and autoreset == SAME_STEP and last_truth.shape[0]:
        for i in range(first, last):  # in the loop above it would slow down all steps
            if ends[EPISODE_ENDED, i]:
                show(last_truth[i], p, last_observations[i])
    return some_over


def step_lanes(
    first: int,
    last: int,
    unchecked: bool,
    lanes: Any,
    finished: Any,
    parameters: Any,
    autoreset: int,
    actions: Any,
    results: Any,
    finals: Any,
) -> int:
    """Take one action on each of some lanes, unless `check_lanes` finds a problem in any."""
    problem = check_lanes(lanes, parameters, autoreset, actions) if unchecked else 0
    if problem < 0:
        return problem
    return int(
        advance_lanes(first, last, lanes, finished, parameters, autoreset, actions, results, finals)
    )


def roll_lanes(
    first: int,
    last: int,
    unchecked: bool,
    lanes: Any,
    finished: Any,
    parameters: Any,
    autoreset: int,
    actions: Any,
    results: Any,
    finals: Any,
) -> int:
    """Take many actions on each of some lanes, unless `check_lanes` finds a problem in any."""
    problem = check_lanes(lanes, parameters, autoreset, actions) if unchecked else 0
    if problem < 0:
        return problem
    observations, rewards, ends, truth = results
    for t in range(actions.shape[0]):
        now = observations[t], rewards[t], ends[t], truth
        advance_lanes(first, last, lanes, finished, parameters, autoreset, actions[t], now, finals)
    return 0


@cached
def play_lanes(
    choose: Any,
    step: Any,
    chooser: Any,
    lanes: Any,
    finished: Any,
    parameters: Any,
    observations: Any,
    starts: Any,
    actions: Any,
    results: Any,
    finals: Any,
) -> int:
    """Take many actions on each lane, in SAME_STEP mode, that other compiled code chooses.

    Args:
        choose: what writes the actions of a step, see `TaskVectorEnv.play`.
        step: the task's `step_lanes`.
        chooser: what `choose` is given first.
        lanes: the records.
        finished: records of trials that end; none.
        parameters: the record of the parameters.
        observations: those before each step, and after the last one; the first ones are there.
        starts: whether these are the first ones of an episode; as there.
        actions: those of each step, to be written.
        results: the rewards, the rows of what has ended, and no records.
        finals: as for `advance_lanes`, without records.

    Returns:
        0, or the problem that `check_lanes` found, less twice the number of lanes for each step
        that was taken.
    """
    rewards, ends, none = results
    for t in range(actions.shape[0]):
        choose(chooser, t, observations[t], starts[t], actions[t])
        now = observations[t + 1], rewards[t], ends[t], none
        given = lanes, finished, parameters, SAME_STEP, actions[t], now, finals
        problem = step(0, lanes.shape[0], True, *given)
        if problem < 0:
            return int(problem - 2 * lanes.shape[0] * t)
        for i in range(lanes.shape[0]):
            starts[t + 1, i] = ends[t, TERMINATED, i] or ends[t, TRUNCATED, i]
    return 0


class Loops(NamedTuple):
    """The compiled loops of one task."""

    begin_lanes: Callable[..., None]
    reset_lanes: Callable[..., bool]
    reset_lane: Callable[..., None]
    observe_lanes: Callable[..., None]
    draw_lanes: Callable[..., None]
    step_lane: Callable[..., tuple[float, int]]
    step_lanes: Callable[..., int]
    roll_lanes: Callable[..., int]


@rule
def see_nothing(lane: Lane, p: Any, stimulus: Any) -> None:
    """Write nothing: what is seen is an image, which `draw_lanes` writes."""


_loops: dict[int, tuple[Task, str, Loops]] = {}


def compile_loops(task: Task) -> Loops:
    """Return the loops for a task's rules, compiled at their first call or read from disk.

    Args:
        task: whose rules to loop over.

    Returns:
        The loops; the same ones at every call for one task, unless what its rules read as a
        constant has changed.
    """
    try:
        digest = fingerprint([task.begin, task.new_trial, task.step, task.observe])
    except NotImplementedError:  # such loops are in no cache
        digest = str(id(task))
    kept = _loops.get(id(task))
    if kept is None or kept[1] != digest:
        kept = _loops[id(task)] = task, digest, _compile(task, digest)
    return kept[2]


def bind(loop: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """Return a loop compiled for arguments of these types, without numba's choice of a version.

    The choice takes longer than a step. Such a loop must be called with these types only.

    Raises:
        TaskDefinitionError: If a rule cannot be compiled.
    """
    if numba.config.DISABLE_JIT:
        return loop
    dispatcher: Any = loop
    signature = tuple(map(_type_of, arguments))
    with warnings.catch_warnings():
        # that a record with more fields could be taken for one compiled earlier; it is not, as
        # numba prefers the exact type
        warnings.simplefilter("ignore", NumbaExperimentalFeatureWarning)
        try:
            dispatcher.compile(signature)
        except (NumbaError, KeyError) as error:  # KeyError: a field that the lane does not have
            _, _, task = dispatcher.py_func.__name__.rpartition("_")
            raise TaskDefinitionError(
                f"The rules of {task} must compile, `step` to the reward and whether the trial is "
                f"over; got {cause_of(error)}. Run them as ordinary Python, with "
                "NUMBA_DISABLE_JIT=1 in the environment."
            ) from error
    bound: Callable[..., Any] = dispatcher.get_overload(signature)
    return bound


class Called(NamedTuple):
    """A loop that another one calls, as an argument of `bind`.

    Attributes:
        loop: Compiled function.
        arguments: Arguments of the types that it is called with.
    """

    loop: Callable[..., Any]
    arguments: tuple[Any, ...]


def _type_of(argument: Any) -> Any:
    """Return numba's type of an argument."""
    if isinstance(argument, np.ndarray):
        return _array_type(argument.dtype, argument.ndim)
    if isinstance(argument, Called):
        bind(argument.loop, *argument.arguments)
        dispatcher: Any = argument.loop
        signature = tuple(map(_type_of, argument.arguments))
        return numba.types.FunctionType(dispatcher.overloads[signature].signature)
    return numba.typeof(argument)


@cache
def _array_type(dtype: np.dtype[Any], ndim: int) -> Any:
    """Return numba's type of a contiguous array; it takes a tenth of a millisecond for a record."""
    return numba.typeof(np.empty((1,) * ndim, dtype))


def cause_of(error: BaseException) -> str:
    """Return the line of numba's message that says what is wrong."""
    plain = re.sub(r"\x1b\[\d*m", "", str(error))
    lines = [line for line in plain.splitlines() if line and "pipeline" not in line]
    return f"{type(error).__name__}: {lines[0]}"


def _compile(task: Task, digest: str) -> Loops:
    rules_of_task = {name: getattr(task, name) for name in ("begin", "new_trial", "step")}
    scope: dict[str, Any] = globals() | rules_of_task
    scope["draw"] = task.observe if task.image_shape else see_nothing
    scope["observe"] = see_nothing if task.image_shape else task.observe
    short = hashlib.sha256(digest.encode()).hexdigest()[:16]

    def copy(function: Callable[..., Any]) -> Callable[..., Any]:
        clone = types.FunctionType(function.__code__, scope, f"{function.__name__}_{task.name}")
        clone.__qualname__ = f"{clone.__name__}_{short}"  # numba's, which no other task may have
        return clone

    for inner in (begin_episode, begin_trial, show, act, go_on, ended, check_lanes, advance_lanes):
        scope[inner.__name__] = rule(copy(inner))
    options: dict[str, Any] = {"error_model": "numpy", "nogil": True}
    return Loops(
        **{name: _quiet(cached(copy(globals()[name]), **options)) for name in Loops._fields}
    )


def _quiet(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Let 64-bit words wrap silently where the loop runs as ordinary Python."""
    return np.errstate(over="ignore")(loop) if numba.config.DISABLE_JIT else loop
