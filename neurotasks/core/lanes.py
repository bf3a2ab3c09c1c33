"""The lanes of a task: what the single and the vector environment have in common."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numba
import numpy as np
from gymnasium import spaces
from gymnasium.utils.seeding import np_random
from numpy.typing import NDArray

from neurotasks.core.checks import RETRY, check_memory, check_word, checked_state
from neurotasks.core.loops import Called, bind, cause_of, compile_loops, play_lanes
from neurotasks.core.parameters import NO_CAP, Parameters, parameter_record
from neurotasks.core.records import in_turn, reader, zeroed
from neurotasks.core.task import LARGEST_COUNT, Task
from neurotasks.core.trial_log import TrialLog
from neurotasks.errors import ParameterError, StateError, TaskDefinitionError, shown

if TYPE_CHECKING:
    import pandas as pd

FEEDBACK = {"both": (True, True), "action": (True, False), "reward": (False, True)}
FEEDBACK["none"] = (False, False)
SPLITS = ("train", "test")
RULE_FLAGS = [
    ("test", np.bool_),
    ("feedback_action", np.bool_),
    ("feedback_reward", np.bool_),
    ("num_actions", np.int64),
    ("num_stimuli", np.int64),
    ("last_step", np.int64),
    ("max_episode_steps", np.int64),
]


class Lanes:
    """Copies of a task with its parameters, spaces, records and trial log.

    Args:
        task: Task that is played.
        num: Number of lanes.
        feedback: Part of the last step that the observation holds: ``"both"`` the action and the
            reward, ``"action"``, ``"reward"`` or ``"none"``.
        split: Ranges that episodes are drawn from: ``"train"`` those the paper trained on,
            ``"test"`` those it tested on.
        trial_log: Whether to keep a row for every finished trial.
        keywords: Parameters of the task.
        threads: Number of threads that step the lanes.
        max_episode_steps: Number of steps after which an episode is truncated; None for no limit.

    Raises:
        UnknownParameterError: If a keyword does not exist.
        ParameterError: If a value lies outside its range.
    """

    def __init__(
        self,
        task: Task,
        num: int,
        feedback: str,
        split: str,
        trial_log: bool,
        keywords: dict[str, Any],
        threads: int = 1,
        max_episode_steps: int | None = None,
    ) -> None:
        self.task, self.num, self.threads = task, num, min(threads, num)
        check_word("feedback", feedback, FEEDBACK)
        check_word("split", split, SPLITS)
        if not isinstance(trial_log, bool):
            raise ParameterError(f"trial_log must be a bool; got {shown(trial_log)}.")
        self.parameters = p = task.parameters.from_keywords(task.name, keywords)
        given = {field.name: getattr(p, field.name) for field in dataclasses.fields(p)}
        self.arguments: tuple[Any, ...] = (
            *(task, num, feedback, split, trial_log, given, threads, max_episode_steps),
        )
        for name, steps in (("step_cap", p.step_cap), ("longest_episode", p.longest_episode)):
            if not 1 <= steps <= LARGEST_COUNT:
                raise ParameterError(
                    f"{name} of {task.name} must be from 1 to {LARGEST_COUNT}; got {steps}. Change "
                    "the parameters that it follows from."
                )
        self.dtype = task.dtype(p)
        self.actions = task.actions(p)
        self.stimulus = task.stimulus(p)
        with_action, with_reward = FEEDBACK[feedback]
        self.layout = _layout(len(self.stimulus), len(self.actions) * with_action, with_reward)
        self.width = self.layout["reward"].stop if with_reward else self.layout["action"].stop
        self.rules_p = _rule_parameters(
            parameter_record(p),
            test=split == "test",
            feedback_action=with_action,
            feedback_reward=with_reward,
            num_actions=len(self.actions),
            num_stimuli=len(self.stimulus),
            last_step=p.last_step,
            max_episode_steps=NO_CAP if max_episode_steps is None else max_episode_steps,
        )
        image = int(np.prod(task.image_shape or 0))
        self.bytes_of_lane = 3 * self.dtype.itemsize + 4 * self.width + image
        check_memory("num_envs", num, self.bytes_of_lane)
        self.observation_space = _observation_space(task, self.width, with_reward, p)
        self.action_space = spaces.Discrete(len(self.actions))
        self._make_records(num, trial_log)
        self._bind()

    def _make_records(self, num: int, trial_log: bool) -> None:
        """Make the records, and what a step writes next to them."""
        self.info_names = list(self.task.info)
        self.records = self.unbegun()
        self.log = TrialLog(self.task, self.dtype, num if trial_log else 0)
        self.blank = np.zeros(self.width, np.float32)

    def _bind(self) -> None:
        """Make what cannot be pickled: the compiled loops and views of the records."""
        self.loops = compile_loops(self.task)
        self._players: dict[Any, Callable[..., Any]] = {}
        self.info = reader(self.records, self.info_names)
        self.info_after_trial = reader(self.records, self.info_names, "last_trial")
        self.step_lane = bind(
            self.loops.step_lane, *(self.records, self.log.finished, 0, self.rules_p, 0, self.blank)
        )
        # Not as a cached property: it writes to the instance's dict, after which Python reads all
        # other attributes more slowly, 50 ns in each step of a single environment.
        self.observe_lanes = bind(
            self.loops.observe_lanes, self.records, self.rules_p, np.empty((1, 1), np.float32)
        )
        mask = np.empty(1, np.bool_)
        self.reset_lane = bind(self.loops.reset_lane, self.records, self.rules_p, self.blank)
        self.begin_lanes = bind(self.loops.begin_lanes, self.records, self.rules_p, mask)
        self.reset_lanes = bind(
            self.loops.reset_lanes,
            *(self.records, self.rules_p, mask, True, np.empty((1, 1), np.float32), self.records),
        )

    @cached_property
    def step_arrays(self) -> Callable[[], tuple[Any, ...]]:
        """Makes the results that `step_lanes` writes, and an array of True."""

        def make(*shape: int) -> tuple[Any, ...]:
            # np.empty goes through all fields of a record, which takes a microsecond.
            records = np.empty((*shape, self.dtype.itemsize), np.uint8)
            known = np.empty(shape, np.bool_)
            known.fill(True)
            return (
                np.empty((*shape, self.width), np.float32),
                np.empty(shape),
                np.empty((*shape[:-1], 4, shape[-1]), np.bool_),
                np.ndarray(shape, self.dtype, records),
                known,
            )

        return in_turn(make, self.num)

    @cached_property
    def reset_arrays(self) -> Callable[[], tuple[Any, ...]]:
        """Makes the observations, and the records of zeros, that `reset_lanes` writes."""

        def make(*shape: int) -> tuple[Any, ...]:
            return np.empty((*shape, self.width), np.float32), zeroed(shape, self.dtype)

        return in_turn(make, self.num)

    @cached_property
    def finals(self) -> tuple[Any, ...]:
        """Observations and records for the episodes that end next, in SAME_STEP mode."""
        return self.reset_arrays()

    @cached_property
    def _draw_lanes(self) -> Callable[..., Any]:
        """The loop that draws images, in all threads."""
        image = np.empty((1, 1, 1, 1), np.uint8)
        return self.threaded(bind(self.loops.draw_lanes, 0, 0, self.records, self.rules_p, image))

    # What follows is compiled for contiguous actions of int64.

    @cached_property
    def step_lanes(self) -> Callable[..., Any]:
        """The loop of a vector environment."""
        return self._bind_many(self.loops.step_lanes, ())

    @cached_property
    def roll_lanes(self) -> Callable[..., Any]:
        """The loop of a vector environment over many steps."""
        return self._bind_many(self.loops.roll_lanes, (1,))

    def _bind_many(self, loop: Callable[..., Any], steps: tuple[int, ...]) -> Callable[..., Any]:
        observations = np.empty((*steps, 1, 1), np.float32)
        ends = np.empty((*steps, 1, 1), np.bool_)
        constant = self.records, self.log.finished, self.rules_p
        bound = bind(
            loop,
            *(0, 0, True, *constant, 0, np.empty((*steps, 1), np.int64)),
            (observations, np.empty((*steps, 1)), ends, self.records),
            (np.empty((1, 1), np.float32), self.records),
        )
        if self.threads == 1:
            return partial(bound, 0, self.num, True, *constant)
        parts = self.threaded(bound)

        def run(*arguments: Any) -> Any:
            problem = bound(0, 0, True, *constant, *arguments)  # before any lane is stepped
            return problem or parts(0, self.num, False, *constant, *arguments)

        return run

    def player(self, choose: Any, chooser: Any) -> Callable[..., Any]:
        """Return `play_lanes` for what chooses the actions, see `TaskVectorEnv.play`.

        Raises:
            ParameterError: If that cannot be compiled for what it is given.
        """
        constant = self.records, self.log.finished, self.rules_p
        key = choose, None if numba.config.DISABLE_JIT else numba.typeof(chooser)
        if key not in self._players:
            seen, begun = np.empty((1, 1, 1), np.float32), np.empty((1, 1), np.bool_)
            actions, rewards = np.empty((1, 1), np.int64), np.empty((1, 1))
            ends = np.empty((1, 1, 1), np.bool_)
            finals = seen[0], self.records
            now = seen[0], rewards[0], ends[0], self.records
            step = Called(
                self.loops.step_lanes, (0, 0, True, *constant, 0, actions[0], now, finals)
            )
            chosen = Called(choose, (chooser, 0, seen[0], begun[0], actions[0]))
            try:
                bind(choose, *chosen.arguments)
            except (TaskDefinitionError, AttributeError) as error:  # the second of ordinary Python
                raise ParameterError(
                    "choose must be a function that numba.njit compiles for chooser, t, "
                    f"observations, starts and actions; got {shown(choose)}. "
                    f"{cause_of(error.__cause__ or error)}."
                ) from error
            results = rewards, ends, self.records
            self._players[key] = bind(
                play_lanes, chosen, step, chooser, *constant, seen, begun, actions, results, finals
            )
        return partial(self._players[key], choose, self.loops.step_lanes, chooser, *constant)

    @cached_property
    def pool(self) -> ThreadPoolExecutor:
        """The threads, started when first needed."""
        _with_threads.add(self)
        return ThreadPoolExecutor(self.threads)

    def threaded(self, loop: Callable[..., Any]) -> Callable[..., Any]:
        """Return a loop that runs in all threads, in each on its part of the lanes.

        Args:
            loop: Loop called as ``loop(first, last, ...)``, which touches only the lanes first to
                last - 1.

        Returns:
            A loop of the same arguments, which returns whether any part returned True.
        """
        if self.threads == 1:
            return loop

        def parts(first: int, last: int, *arguments: Any) -> bool:
            edges = [first + (last - first) * i // self.threads for i in range(self.threads + 1)]
            run = [self.pool.submit(loop, *part, *arguments) for part in pairwise(edges)]
            return any([part.result() for part in run])  # all of them, even after the first True

        return parts

    def close(self) -> None:
        """End the threads, if there are any."""
        if "pool" in vars(self):
            vars(self).pop("pool").shutdown()

    def __getstate__(self) -> dict[str, Any]:
        """Return what the lanes are made from, their state and their log."""
        log = self.log.get_state() if self.log else None
        return {"arguments": self.arguments, "state": self.get_state(), "log": log}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the lanes anew, with the state of the others as far as it passes the checks."""
        if state.keys() != {"arguments", "state", "log"}:
            raise StateError(
                "A pickled environment must be of this version of neurotasks; got one of another. "
                "Make it anew, with gymnasium.make or make_vec."
            )
        Lanes.__init__(self, *state["arguments"])
        self.set_state(state["state"])
        if self.log:
            self.log.set_state(state["log"])

    def seed(self, generators: dict[int, np.random.Generator]) -> None:
        """Give lanes new keys, so that their next episode is number 0 of a new sequence."""
        for i, generator in generators.items():
            self.records[i]["key"] = generator.integers(2**64, dtype=np.uint64)
            self.records[i]["episode"] = -1

    def generators(
        self, seeds: Sequence[int | None], mask: NDArray[np.bool_]
    ) -> dict[int, np.random.Generator]:
        """Return the generators that `seed` needs for lanes seeded like single environments."""
        needed = self.records["episode"] < 0
        if seeds.count(None) < self.num:
            needed |= [seed is not None for seed in seeds]
        return {i: np_random(seeds[i])[0] for i in (needed & mask).nonzero()[0].tolist()}

    def begin(self, mask: NDArray[np.bool_], fixed: dict[str, NDArray[Any]]) -> tuple[Any, Any]:
        """Begin an episode on every lane in the mask, with hidden values from `checked_options`.

        Returns:
            Observations of all lanes, (num, width); and records, zero outside the mask.
        """
        arrays: tuple[Any, Any] = self.reset_arrays()
        self.begin_lanes(self.records, self.rules_p, mask)
        for name, value in fixed.items():
            self.records[name][mask] = np.broadcast_to(value, self.records[name].shape)[mask]
        self.reset_lanes(self.records, self.rules_p, mask, True, *arrays)
        return arrays

    def observe(self, records: Any) -> Any:
        """Return what lanes with these records show, as `present` does."""
        observations = np.empty((len(records), self.width), np.float32)
        self.observe_lanes(records, self.rules_p, observations)
        return self.present(observations, records)

    def present(self, observations: NDArray[np.float32], records: Any) -> Any:
        """Return float32 observations, (num, width), together with the images, if there are any."""
        if self.task.image_shape is None:
            return observations
        images = np.empty((len(records), *self.task.image_shape), np.uint8)
        self._draw_lanes(0, len(records), records, self.rules_p, images)
        return {"image": images, "feedback": observations} if self.width else images

    def present_one(self, observation: NDArray[np.float32]) -> Any:
        """Return the observation of the only lane together with its image."""
        image = np.empty((1, *(self.task.image_shape or ())), np.uint8)
        self._draw_lanes(0, 1, self.records, self.rules_p, image)
        return {"image": image[0], "feedback": observation} if self.width else image[0]

    def trial_table(self, *, clear: bool = False) -> pd.DataFrame:
        """Return the trial log as a pandas frame, see `TrialLog.table`.

        Raises:
            ParameterError: If the environment was made without ``trial_log=True``.
            DependencyNotInstalled: If pandas is not installed.
        """
        if not self.log:
            raise ParameterError(
                "trial_log must be True for a trial table; got False. Make the environment with "
                "trial_log=True."
            )
        return self.log.table(clear=clear)

    def get_state(self) -> NDArray[np.void]:
        """Return a copy of the lanes' records: the whole state, generators included."""
        # As bytes: field by field what lies between the fields would be whatever was in memory.
        return np.frombuffer(bytearray(self.records.tobytes()), self.dtype)

    def set_state(self, state: NDArray[np.void], *, under_way: bool = False) -> None:
        """Restore what `get_state` returned.

        Args:
            state: Records of the lanes.
            under_way: Whether no lane may stand at the end of an episode, because such lanes are
                reset in the same step.

        Raises:
            StateError: If the state is of another task or another number of lanes, or a field is
                outside its range, or fields contradict each other.
        """
        checked = checked_state(state, self.task, self.parameters, self.unbegun())
        last = int(self.rules_p["max_episode_steps"][0])
        if np.any(checked["step"] > last):
            raise StateError(
                f"'step' of a state must be at most max_episode_steps={last}; got "
                f"{checked['step'].max()}. {RETRY}"
            )
        if under_way and np.any(
            (checked["episode"] >= 0) & (checked["over"] | (checked["step"] >= last))
        ):
            raise StateError(
                "A state for autoreset_mode='SameStep' must have no episode that has ended; got "
                f"some. {RETRY}"
            )
        self.records[:] = checked.astype(self.records.dtype)

    def unbegun(self) -> Any:
        """Return the state of the lanes before the first reset."""
        records = zeroed(self.num, self.dtype)
        records["over"] = True
        records["episode"] = -1
        return records


def lane_of(observations: Any, i: int) -> Any:
    """Return the observation of one lane."""
    if isinstance(observations, dict):
        return {name: part[i] for name, part in observations.items()}
    return observations[i]


def _rule_parameters(own: NDArray[np.void], **flags: Any) -> Any:
    """Return what rules read as ``p``: the task's parameters, then the core's `RULE_FLAGS`."""
    record = zeroed(1, np.dtype([*own.dtype.descr, *RULE_FLAGS]))
    for name in own.dtype.names or ():
        record[name] = own[name]
    for name, value in flags.items():
        record[name] = value
    return record


def _observation_space(
    task: Task, width: int, with_reward: bool, parameters: Parameters
) -> spaces.Space[Any]:
    """Return the space of the vector; with the image, or of it alone, where one is seen."""
    low, high = np.zeros(width, np.float32), np.ones(width, np.float32)
    if with_reward:
        low[-1], high[-1] = task.reward_bounds(parameters)
    vector = spaces.Box(low, high, dtype=np.float32)
    if task.image_shape is None:
        return vector
    image = spaces.Box(0, 255, task.image_shape, np.uint8)
    return spaces.Dict({"image": image, "feedback": vector}) if width else image


def _layout(stimuli: int, actions: int, reward: bool) -> dict[str, slice]:
    return {
        "stimulus": slice(0, stimuli),
        "action": slice(stimuli, stimuli + actions),
        "reward": slice(stimuli + actions, stimuli + actions + int(reward)),
    }


_with_threads: WeakSet[Lanes] = WeakSet()


def _forget_threads() -> None:
    """Let a forked process, which has none of its parent's threads, start its own."""
    for lanes in _with_threads:
        vars(lanes).pop("pool", None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
