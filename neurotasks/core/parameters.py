"""Task parameters: one place for name, type, default, range, meaning and source."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from gymnasium.error import InvalidProbability
from numpy.typing import NDArray

from neurotasks.errors import (
    ParameterError,
    TaskDefinitionError,
    UnknownParameterError,
    nearest,
    shown,
)

NO_CAP = 2**31 - 1
LARGEST = {int: 10**6, float: 1e9}
"""Largest size of a parameter that declares no bound, by type. Products of them fit 64 bits."""
MOST_NUMBERS = 100
"""Largest number of entries of a parameter that is several numbers; an index of them fits int8."""
_DTYPES: dict[type, Any] = {bool: np.bool_, int: np.int64, float: np.float64}


def parameter(
    default: float, doc: str, source: str, *, low: float | None = None, high: float | None = None
) -> Any:
    """Declare a parameter of a task.

    Args:
        default: Default value, whose type is the type of the parameter.
        doc: Meaning, with its unit.
        source: Source of the default, and how certain it is.
        low: Smallest value allowed; by default that of `LARGEST`, negative.
        high: Largest value allowed; by default that of `LARGEST`.

    Returns:
        A dataclass field.

    Raises:
        TaskDefinitionError: If a bound is not finite.
    """
    kind = int if type(default) is int else float
    low, high = -LARGEST[kind] if low is None else low, LARGEST[kind] if high is None else high
    if not (math.isfinite(low) and math.isfinite(high)):
        raise TaskDefinitionError(
            f"The bounds of a parameter must be finite; got low={low}, high={high} for "
            f"{doc!r}. Leave a bound out for the largest size allowed."
        )
    return dataclasses.field(
        default=default, metadata={"doc": doc, "source": source, "low": low, "high": high}
    )


def probability(default: float, doc: str, source: str) -> Any:
    """Declare a parameter in [0, 1]; arguments as for `parameter`."""
    return dataclasses.field(
        default=default,
        metadata={"doc": doc, "source": source, "low": 0.0, "high": 1.0, "probability": True},
    )


def choice(default: str, choices: Sequence[str], doc: str, source: str) -> Any:
    """Declare a parameter that is one of some words; a rule reads the index of the word.

    Args:
        default: Default value.
        choices: Words to choose from.
        doc: Meaning.
        source: Source of the default, and how certain it is.

    Returns:
        A dataclass field.
    """
    return dataclasses.field(
        default=default, metadata={"doc": doc, "source": source, "choices": tuple(choices)}
    )


def numbers(
    default: tuple[float, ...],
    doc: str,
    source: str,
    *,
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """Declare a parameter that is 1 to `MOST_NUMBERS` numbers; arguments as for `parameter`.

    A rule reads an array of float64.
    """
    bounds = parameter(0.0, doc, source, low=low, high=high)
    return dataclasses.field(default=default, metadata=bounds.metadata)


@dataclasses.dataclass(frozen=True)
class Parameters:
    """Base of the parameters of a task: a frozen dataclass whose fields are checked.

    Every task has ``trials``; a task whose trials can be prolonged by invalid responses overrides
    `step_cap`, and one whose episodes have a longest length without a cap, `longest_episode`.

    Raises:
        ParameterError: If a value has the wrong type or lies outside its range.
        InvalidProbability: If a probability lies outside [0, 1].
    """

    trials: int = parameter(100, "trials in an episode", "Wang 2016, bandits", low=1)

    def __post_init__(self) -> None:
        """Check every field and give it its declared type."""
        for field in dataclasses.fields(self):
            checked = _checked(field, getattr(self, field.name))
            object.__setattr__(self, field.name, checked)

    @property
    def step_cap(self) -> int:
        """Steps after which an episode ends even if trials are left."""
        return NO_CAP

    @property
    def longest_episode(self) -> int:
        """Number of steps of the longest possible episode, `NO_CAP` where none is known."""
        return self.step_cap

    @property
    def last_step(self) -> int:
        """Number of steps at which an episode ends, whatever its state: so that none is longer."""
        return min(self.step_cap, self.longest_episode)

    @classmethod
    def from_keywords(cls, task: str, keywords: dict[str, Any]) -> Self:
        """Build the parameters from the keywords of ``gymnasium.make``.

        Args:
            task: Name of the task, for the error message.
            keywords: Parameter names and values.

        Returns:
            The checked parameters.

        Raises:
            UnknownParameterError: If a keyword does not exist.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        words = known | {"feedback", "split", "trial_log", "render_mode", "show_truth"}
        for keyword in keywords:
            if keyword not in known:
                # The first words are Python's: TorchRL's GymEnv looks for them, and tries again.
                raise UnknownParameterError(
                    f"unexpected keyword argument {keyword!r}: it must be a parameter of {task}; "
                    f"got {keyword}={shown(keywords[keyword])}. {nearest(keyword, words)}"
                )
        return cls(**keywords)


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    kind: Any = type(field.default)
    if kind is tuple:
        listed = isinstance(value, (list, tuple, range)) or (
            isinstance(value, np.ndarray) and value.ndim == 1
        )
        if not listed or not 1 <= len(value) <= MOST_NUMBERS:
            raise ParameterError(_problem(field, value))
        return tuple(_number(field, float, each, value) for each in value)
    if kind is bool:
        if not isinstance(value, (bool, np.bool_)):
            raise ParameterError(_problem(field, value))
        return bool(value)
    if kind is str:
        if not isinstance(value, str) or value not in field.metadata["choices"]:
            hint = nearest(str(value), field.metadata["choices"])
            raise ParameterError(f"{_problem(field, value)} {hint}")
        return value
    return _number(field, kind, value, value)


def _number(field: dataclasses.Field[Any], kind: Any, value: Any, given: Any) -> Any:
    real = isinstance(value, (int, float, np.integer, np.floating))
    if not real or isinstance(value, (bool, np.timedelta64)):
        raise ParameterError(_problem(field, given))
    # As Python's: numpy takes a bound for infinite where the type of the value is too small for it.
    number = int(value) if isinstance(value, (int, np.integer)) else float(value)
    if not field.metadata["low"] <= number <= field.metadata["high"]:  # also true for NaN
        wrong = InvalidProbability if "probability" in field.metadata else ParameterError
        raise wrong(_problem(field, given))
    if kind is int and number != int(number):
        raise ParameterError(_problem(field, given))
    return kind(number)


def _problem(field: dataclasses.Field[Any], given: Any) -> str:
    kind: Any = type(field.default)
    about = field.metadata
    if kind is bool:
        wanted = "a bool"
    elif kind is str:
        wanted = f"one of {', '.join(about['choices'])}"
    else:
        what = f"1 to {MOST_NUMBERS} numbers" if kind is tuple else f"a number ({kind.__name__})"
        wanted = f"{what} in [{about['low']:g}, {about['high']:g}]"
    return f"{field.name} must be {wanted}; got {shown(given)}. ({field.name}: {about['doc']}.)"


def parameter_record(parameters: Parameters) -> NDArray[np.void]:
    """Return the parameters as the compiled rules read them, a record array of length 1."""
    layout: list[Any] = []
    values: list[Any] = []
    for field in dataclasses.fields(parameters):
        value = getattr(parameters, field.name)
        if isinstance(value, tuple):
            layout.append((field.name, np.float64, (len(value),)))
        elif isinstance(value, str):
            layout.append((field.name, np.int64))
            value = field.metadata["choices"].index(value)
        else:
            layout.append((field.name, _DTYPES[type(value)]))
        values.append(value)
    return np.array([tuple(values)], layout)
