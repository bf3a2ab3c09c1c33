"""The lanes of a task: what the single and the vector environment have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from gymnasium import spaces
from gymnasium.utils.seeding import np_random
from numpy.typing import NDArray

from neurotasks.core.loops import bind, compile_loops
from neurotasks.core.parameters import parameter_record
from neurotasks.core.task import Task, load
from neurotasks.errors import OptionError, ParameterError, StateError, nearest, require

if TYPE_CHECKING:
    import pandas as pd

FEEDBACK = {"both": (True, True), "action": (True, False), "reward": (False, True)}
FEEDBACK["none"] = (False, False)
SPLITS = ("train", "test")
RULE_FLAGS = [
    *(("test", np.bool_), ("feedback_action", np.bool_), ("feedback_reward", np.bool_)),
    *(("num_actions", np.int64), ("num_stimuli", np.int64), ("step_cap", np.int64)),
]


class Lanes:
    """Copies of a task with its parameters, spaces, records and trial log.

    Args:
        task: the task, or where it is (``"package.module:NAME"``).
        num: number of lanes.
        feedback: which part of the last step the observation holds: ``"both"`` the action and the
            reward, ``"action"``, ``"reward"`` or ``"none"``.
        split: whether episodes are drawn from the ranges the paper trained on (``"train"``) or
            tested on (``"test"``).
        trial_log: whether to keep a row for every finished trial.
        keywords: the task's own parameters.

    Raises:
        ParameterError: if a keyword does not exist or has a value outside its range.
    """

    def __init__(
        self,
        task: str | Task,
        num: int,
        feedback: str,
        split: str,
        trial_log: bool,
        keywords: dict[str, Any],
    ) -> None:
        self.source = task
        self.task = task = load(task)
        for name, value, known in (("feedback", feedback, FEEDBACK), ("split", split, SPLITS)):
            if not isinstance(value, str) or value not in known:
                raise ParameterError(
                    f"{name}={value!r} came, but it must be one of {', '.join(known)}. "
                    f"{nearest(str(value), known)}"
                )
        self.parameters = p = task.parameters.from_keywords(task.name, keywords)
        self.actions = task.actions(p)
        self.stimulus = task.stimulus(p)
        with_action, with_reward = FEEDBACK[feedback]
        self.layout = _layout(len(self.stimulus), len(self.actions) * with_action, with_reward)

        own = parameter_record(p)
        values: dict[str, Any] = {"test": split == "test", "step_cap": p.step_cap}
        values |= {"feedback_action": with_action, "feedback_reward": with_reward}
        values |= {"num_actions": len(self.actions), "num_stimuli": len(self.stimulus)}
        values |= {name: own[name] for name in own.dtype.names or ()}
        self.rules_p = _records(1, np.dtype([*own.dtype.descr, *RULE_FLAGS]))
        for name, value in values.items():
            self.rules_p[name] = value

        self.dtype = task.dtype(p)
        self.records = _records(num, self.dtype)
        self.records["over"] = True
        self.records["episode"] = -1
        self.finished = _records(num if trial_log else 0, self.dtype)
        self.final = _records(num, self.dtype)
        self.info_names = list(task.info)
        self.info_arrays = [name for name in task.info if self.dtype[name].shape]
        self.log: list[NDArray[np.void]] | None = [] if trial_log else None

        low, high = task.reward_range(p)
        self.width = width = (
            self.layout["reward"].stop if with_reward else self.layout["action"].stop
        )
        bounds = np.zeros(width, np.float32), np.ones(width, np.float32)
        if with_reward:
            bounds[0][-1], bounds[1][-1] = min(low, 0.0), max(high, 0.0)
        feedback_space = spaces.Box(*bounds, dtype=np.float32)
        self.observation_space: spaces.Space[Any] = feedback_space
        if task.image_shape:
            image = spaces.Box(0, 255, task.image_shape, np.uint8)
            both = spaces.Dict({"image": image, "feedback": feedback_space})
            self.observation_space = both if width else image
        self.action_space = spaces.Discrete(len(self.actions))
        self._bind()

    def _bind(self) -> None:
        """Make what cannot be pickled: the compiled loops and views of the records."""
        self.loops = compile_loops(self.task)
        self.truth = self.records[self.info_names]
        self.step_lane = bind(
            self.loops.step_lane,
            *(self.records, self.finished, self.rules_p, 0, np.empty(1, np.float32)),
        )

    @cached_property
    def step_lanes(self) -> Any:
        """The loop of a vector environment; its actions must be contiguous int64."""
        floats, flags = np.empty((1, 1), np.float32), np.empty(1, np.bool_)
        return bind(
            self.loops.step_lanes,
            *(self.records, self.finished, self.final, self.rules_p, 0, np.empty(1, np.int64)),
            *(floats, floats, np.empty(1), flags, flags, self.records),
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what `_bind` makes, and a task that can be found again by its name."""
        left_out = {"loops", "truth", "step_lane", "step_lanes"} | (
            {"task"} if isinstance(self.source, str) else set()
        )
        return {k: v for k, v in vars(self).items() if k not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make again what was left out."""
        vars(self).update(state)
        self.task = load(self.source)
        self._bind()

    def seed(self, generators: dict[int, np.random.Generator]) -> None:
        """Give lanes new keys, so that their next episode is number 0 of a new sequence."""
        for i, generator in generators.items():
            self.records[i]["key"] = generator.integers(2**64, dtype=np.uint64)
            self.records[i]["episode"] = -1

    def generators(
        self, seeds: Sequence[int | None], mask: NDArray[np.bool_]
    ) -> dict[int, np.random.Generator]:
        """Return the generators that `seed` needs for lanes seeded like single environments."""
        return {
            i: np_random(seeds[i])[0]
            for i in np.flatnonzero(mask).tolist()
            if seeds[i] is not None or self.records[i]["episode"] < 0
        }

    def begin(self, mask: NDArray[np.bool_], fixed: dict[str, NDArray[Any]]) -> None:
        """Begin an episode on every lane in the mask, with hidden values from `check_options`."""
        self.loops.begin_lanes(self.records, self.rules_p, mask)
        for name, value in fixed.items():
            self.records[name][mask] = np.broadcast_to(value, self.records[name].shape)[mask]
        self.loops.start_lanes(self.records, self.rules_p, mask)

    def observe(self) -> Any:
        """Return what every lane shows now, as `present` does."""
        observations = np.empty((len(self.records), self.width), np.float32)
        self.loops.observe_lanes(self.records, self.rules_p, observations)
        return self.present(observations, self.records)

    def present(self, observations: NDArray[np.float32], records: Any) -> Any:
        """Return float32 observations, (num, width), together with the images, if there are any."""
        if self.task.image_shape is None:
            return observations
        images = np.empty((len(records), *self.task.image_shape), np.uint8)
        self.loops.draw_lanes(records, self.rules_p, images)
        return {"image": images, "feedback": observations} if self.width else images

    def info(self) -> dict[str, Any]:
        """Return the hidden truth of the only lane as Python scalars and fresh arrays."""
        info = dict(zip(self.info_names, self.truth.item()))  # noqa: B905 (strict costs a third)
        for name in self.info_arrays:
            info[name] = info[name].copy()
        return info

    def log_trials(self, trial_over: NDArray[np.bool_]) -> None:
        """Keep the rows of the trials that have just ended."""
        if self.log is not None and trial_over.any():
            lanes = np.flatnonzero(trial_over)
            rows = np.empty(len(lanes), self._row_dtype)
            ended = self.finished[lanes]
            rows["lane"] = lanes
            rows["steps"] = ended["step"] - ended["trial_start"]
            for name in self.task.columns:
                if name not in ("lane", "steps"):
                    rows[name] = ended[name]
            self.log.append(rows)

    @property
    def _row_dtype(self) -> np.dtype[np.void]:
        counts = {"lane": np.dtype(np.int64), "steps": np.dtype(np.int64)}
        return np.dtype([(n, counts.get(n) or self.dtype[n]) for n in self.task.columns])

    def trial_table(self, *, clear: bool = False) -> pd.DataFrame:
        """Return the trial log as a pandas frame, one row per finished trial.

        Args:
            clear: whether to empty the log, so that the next call returns only newer trials.

        Returns:
            A frame with the columns documented in ``task.columns``. A column of arrays becomes
            one column per element, ``name_0``, ``name_1`` ...

        Raises:
            ParameterError: if the environment was made without ``trial_log=True``.
            DependencyNotInstalled: if pandas is not installed.
        """
        if self.log is None:
            raise ParameterError(
                "No trials were logged: trial_log is False. Make the environment with "
                "trial_log=True."
            )
        rows = np.concatenate(self.log) if self.log else np.empty(0, self._row_dtype)
        if clear:
            self.log.clear()
        columns: dict[str, Any] = {}
        for name in self.task.columns:
            values = rows[name]
            if values.ndim == 1:
                columns[name] = values
            else:
                size = int(np.prod(values.shape[1:]))
                columns |= {f"{name}_{j}": values.reshape(-1, size)[:, j] for j in range(size)}
        frame: pd.DataFrame = require("pandas", "analysis").DataFrame(columns)
        return frame

    def get_state(self) -> NDArray[np.void]:
        """Return a copy of the lanes' records: the whole state, generators included."""
        return np.array(self.records, self.dtype)

    def set_state(self, state: NDArray[np.void]) -> None:
        """Restore what `get_state` returned.

        Raises:
            StateError: if the state is of another task or another number of lanes.
        """
        state = np.asarray(state)
        if state.dtype != self.dtype or state.shape != self.records.shape:
            raise StateError(
                f"A state of dtype {state.dtype} and shape {state.shape} came, but "
                f"{self.task.name} with {len(self.records)} lane(s) wants shape "
                f"{self.records.shape} and dtype {self.dtype}. Pass what get_state() of such "
                "an environment returned."
            )
        self.records[:] = state.astype(self.records.dtype)

    def check_options(self, options: dict[str, Any]) -> dict[str, NDArray[Any]]:
        """Return the options as arrays.

        Raises:
            OptionError: if one does not exist or has a value outside its range.
        """
        fixed: dict[str, NDArray[Any]] = {}
        for name, value in options.items():
            if name not in self.task.options:
                raise OptionError(
                    f"{self.task.name} has no reset option {name!r} (it came as {value!r}). "
                    f"{nearest(name, self.task.options)}"
                )
            field, wanted = self.task.options[name], self.records.dtype[name]
            high = field.largest(self.parameters)
            lanes = (len(self.records), *wanted.shape)
            array = as_array(value)
            if (
                array.dtype.kind not in "biuf"
                or array.shape not in (wanted.shape, lanes)
                or not np.all((array >= field.low) & (array <= high))
                or (wanted.base.kind in "biu" and not np.all(array == np.floor(array)))
                or (field.valid is not None and not np.all(field.valid(array)))
            ):
                raise OptionError(
                    f"The reset option {name!r} must be in [{field.low}, {high}], of shape "
                    f"{wanted.shape} or, a value a lane, {lanes}; {value!r} came. It is "
                    f"{field.doc}."
                )
            fixed[name] = array
        return fixed


def lane_of(observations: Any, i: int) -> Any:
    """Return the observation of one lane."""
    if isinstance(observations, dict):
        return {name: part[i] for name, part in observations.items()}
    return observations[i]


def as_array(value: Any) -> NDArray[Any]:
    """Return a value as an array; an array of None where there is none, as for a ragged list."""
    try:
        return np.asarray(value)
    except ValueError:  # lists of unequal length
        return np.asarray(None)


def _layout(stimuli: int, actions: int, reward: bool) -> dict[str, slice]:
    return {
        "stimulus": slice(0, stimuli),
        "action": slice(stimuli, stimuli + actions),
        "reward": slice(stimuli + actions, stimuli + actions + int(reward)),
    }


def _records(num: int, dtype: np.dtype[np.void]) -> Any:
    records = np.zeros(num, dtype)
    return records.view(np.recarray) if numba.config.DISABLE_JIT else records
