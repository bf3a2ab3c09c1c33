"""The checks of what comes from outside, before it reaches compiled code.

The loops of `neurotasks.core.loops` are compiled without checks of indices: a number out of place
would be read or written elsewhere in memory. These are the ways in, each with its only check:

| from outside | checked by |
| --- | --- |
| parameters, ``feedback``, ``split`` | `neurotasks.core.parameters`, `check_word` |
| ``num_envs``, ``threads``, ``max_episode_steps`` | `check_count` |
| actions of `TaskEnv.step` | the compiled `neurotasks.core.loops.step_lane` |
| actions of `TaskVectorEnv.step` and `step_many` | `TaskVectorEnv._as_int64`, `check_lanes` |
| ``reset(seed=...)`` | `checked_seeds` |
| ``reset(options=...)`` | `checked_options`, `checked_mask` |
| `set_state`, copies, pickles and checkpoints | `checked_state` |
| a task's rules and fields | `neurotasks.core.task.Task` |

Everything else that the loops read or write was made by `neurotasks.core.lanes.Lanes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from gymnasium.error import Error
from numpy.ma import MaskedArray
from numpy.typing import NDArray

from neurotasks.core.parameters import Parameters
from neurotasks.core.task import CORE_FIELDS, Field, Invariant, Task
from neurotasks.errors import OptionError, ParameterError, StateError, nearest, shown

MOST_ENVS = 2**20
MOST_THREADS = 1024
MOST_BYTES = 2**32

CORE_INVARIANTS: dict[str, Invariant] = {
    "`trial` must be at most `trials`, and `trial_start` at most `step`": (
        lambda lanes, p: (
            (lanes["trial"] <= lanes["trials"]) & (lanes["trial_start"] <= lanes["step"])
        )
    ),
    "`over` must be true where `trial` has reached `trials` or `step` the longest episode, and "
    "nowhere else": lambda lanes, p: (
        lanes["over"] == ((lanes["trial"] >= lanes["trials"]) | (lanes["step"] >= p.last_step))
    ),
}


def as_array(value: Any) -> NDArray[Any]:
    """Return a value as an array; an array of None where there is none.

    There is none for a ragged list, nor where masked values would be taken for others.
    """
    if isinstance(value, MaskedArray) and b"\1" in value.mask.tobytes():
        return np.asarray(None)
    try:
        return np.asarray(value)
    except ValueError:  # lists of unequal length
        return np.asarray(None)


def check_word(name: str, value: Any, known: Iterable[str]) -> None:
    """Refuse a word that is none of those known.

    Raises:
        ParameterError: If it is none of them.
    """
    if not isinstance(value, str) or value not in known:
        raise ParameterError(
            f"{name} must be one of {', '.join(known)}; got {shown(value)}. "
            f"{nearest(value if isinstance(value, str) else '', known)}"
        )


def check_count(name: str, count: Any, most: int) -> None:
    """Refuse what is no int from 1 to the largest one allowed.

    Raises:
        ParameterError: If it is none.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= most:
        raise ParameterError(
            f"{name} must be an int >= 1; got {shown(count)}. The largest allowed is {most}."
        )


def check_memory(name: str, number: int, each: int) -> None:
    """Refuse a number of things that together take more than `MOST_BYTES`.

    Raises:
        ParameterError: If they do.
    """
    if number * each > MOST_BYTES:
        raise ParameterError(
            f"{name} must be at most {MOST_BYTES // each}, so that what it takes, {each} bytes "
            f"each, fits {MOST_BYTES >> 30} GiB; got {number}."
        )


def checked_seeds(seed: Any, num: int) -> list[int | None]:
    """Return a seed for each lane; that of lane i is ``seed + i`` where one is given.

    Raises:
        Error: If a seed is no int >= 0 and not None.
        OptionError: If it is neither an int nor a sequence with one for each lane.
    """
    if seed is None:
        return [None] * num
    seeds = range(int(seed), int(seed) + num) if _is_whole(seed) else seed
    listed = isinstance(seeds, (list, tuple, range)) or np.ndim(as_array(seeds)) == 1
    if not listed or isinstance(seed, (str, bytes)) or len(seeds) != num:
        raise OptionError(
            f"seed must be an int, or a sequence with one seed for each of the {num} "
            f"sub-environments; got {f'a sequence of {len(seeds)}' if listed else shown(seed)}."
        )
    for each in seeds:
        if each is not None and not (_is_whole(each) and each >= 0):
            raise Error(
                f"Seed must be an int >= 0 or None; got {shown(each)} ({type(each).__name__})."
            )
    return [each if each is None else int(each) for each in seeds]


def _is_whole(value: Any) -> bool:
    # numpy counts durations among the integers, and Python the bools
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.timedelta64))


def checked_mask(mask: Any, num: int) -> NDArray[np.bool_]:
    """Return a copy of the reset mask, (num,), contiguous.

    Raises:
        OptionError: If it is no bool array of that shape with a True.
    """
    array = as_array(mask)
    if array.shape != (num,) or array.dtype != np.bool_ or not np.count_nonzero(array):
        raise OptionError(
            f"options['reset_mask'] must be a bool array of shape ({num},) with at least one True; "
            f"got {shown(mask)}."
        )
    return array.copy()


def checked_state(
    state: Any, task: Task, parameters: Parameters, unbegun: NDArray[np.void]
) -> NDArray[np.void]:
    """Return a state from outside.

    Args:
        state: State as `get_state` returns it.
        task: Task that it must be of.
        parameters: Parameters of the task.
        unbegun: State of as many lanes on which no episode has begun.

    Raises:
        StateError: If the state is of another task or another number of lanes, or a field is
            outside its range, or fields contradict each other.
    """
    found: NDArray[np.void] = as_array(state)
    if found.dtype != unbegun.dtype or found.shape != unbegun.shape:
        raise StateError(
            f"The state must have shape {unbegun.shape} and dtype {unbegun.dtype} for "
            f"{task.name}; got shape {found.shape} and dtype {found.dtype}. {RETRY}"
        )
    begun = found["episode"] != -1
    fields = CORE_FIELDS | task.state
    for name, (low, high) in task.ranges(parameters).items():
        values, wanted = _numbers(found[name]), f"in [{low}, {high}]"
        good = np.where(
            begun,
            _for_all((values >= low) & (values <= high)),
            _for_all(values == _numbers(unbegun[name])),
        )
        if not good.all():
            i = int(np.argmin(good))
            wanted = f"in [{low}, {high}]" if begun[i] else "as made, where no episode has begun"
            raise StateError(_bad_field(name, fields[name], wanted, found, i))
    lanes = found[begun]
    for name, field in task.state.items():
        if field.valid is not None and not np.all(good := field.valid(lanes[name])):
            raise StateError(_bad_field(name, field, "valid", lanes, int(np.argmin(good))))
    for sentence, holds in (CORE_INVARIANTS | task.invariants).items():
        if not np.all(good := holds(lanes, parameters)):
            i = int(np.argmin(good))
            named = (name for name in re.findall("`(.+?)`", sentence) if name in fields)
            got = ", ".join(f"{name} {lanes[name][i]}" for name in dict.fromkeys(named))
            raise StateError(f"In a state {sentence}; got {got}. {RETRY}")
    return found


RETRY = "Pass what get_state() of such an environment returned."


def _bad_field(name: str, field: Field, wanted: str, lanes: Any, i: int) -> str:
    where = f" in sub-environment {i}" if len(lanes) > 1 else ""
    return (
        f"{name!r} of a state must be {wanted}; got {lanes[name][i]}{where}. "
        f"({name}: {field.doc}.) {RETRY}"
    )


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Return values, bools as the bytes they are: some are neither 0 nor 1."""
    return values.view(np.uint8) if values.dtype.kind == "b" else values


def _for_all(good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the lanes, (lanes,), all of whose values are good, (lanes, ...)."""
    return np.asarray(good.reshape(len(good), -1).all(axis=1))


def as_options(options: Any) -> dict[str, Any]:
    """Return a copy of reset options; an empty dict for None.

    Raises:
        OptionError: If they are no dict.
    """
    if options is None:  # what isinstance of a Mapping would say takes a tenth of a reset
        return {}
    if not isinstance(options, Mapping):
        raise OptionError(
            f"options must be a dict of hidden values to fix, or None; got {shown(options)}. Pass "
            "reset(options={name: value})."
        )
    return dict(options)


def checked_options(
    options: Any, task: Task, parameters: Parameters, records: NDArray[np.void]
) -> dict[str, NDArray[Any]]:
    """Return the options of a reset as arrays.

    Raises:
        OptionError: If one does not exist or has a value outside its range.
    """
    fixed: dict[str, NDArray[Any]] = {}
    for name, value in as_options(options).items():
        if name not in task.options:
            raise OptionError(
                f"Reset options must be those of {task.name}; got {shown(name)}: {shown(value)}. "
                f"{nearest(str(name), task.options)}"
            )
        field, wanted = task.options[name], records.dtype[name]
        lanes = (len(records), *wanted.shape)
        low, high = field.range(parameters)
        array = as_array(value)
        if (
            array.dtype.kind not in "biuf"
            or array.shape not in (wanted.shape, lanes)
            or (wanted.base.kind in "biu" and not np.all(array == np.floor(array)))
            or not np.all((array >= low) & (array <= high))
            or not (field.valid is None or np.all(field.valid(array)))
        ):
            raise OptionError(
                f"The reset option {name!r} must be in [{low}, {high}], of shape "
                f"{wanted.shape} or, with one value per sub-environment, {lanes}; got "
                f"{shown(value)}. ({name}: {field.doc}.)"
            )
        fixed[name] = array
    return fixed
