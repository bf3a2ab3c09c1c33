"""Task parameters: one place for name, type, default, range, meaning and source."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Self

import numpy as np
from gymnasium.error import InvalidProbability

from neurotasks.errors import ParameterError, nearest

NO_CAP = 2**31 - 1
_DTYPES: dict[type, Any] = {bool: np.bool_, int: np.int64, float: np.float64}


def parameter(
    default: float, doc: str, source: str, *, low: float = -math.inf, high: float = math.inf
) -> Any:
    """Declare a parameter of a task.

    Args:
        default: its default; the type of the default is the type of the parameter.
        doc: what it is, with its unit.
        source: where the default comes from, and how sure that is.
        low: smallest value allowed.
        high: largest value allowed.

    Returns:
        A dataclass field.
    """
    if type(default) is int:  # inf is no int, and the rules count in 64 bits
        low, high = max(low, -NO_CAP), min(high, NO_CAP)
    return dataclasses.field(
        default=default, metadata={"doc": doc, "source": source, "low": low, "high": high}
    )


def probability(default: float, doc: str, source: str) -> Any:
    """Declare a parameter in [0, 1]; arguments as for `parameter`."""
    return dataclasses.field(
        default=default,
        metadata={"doc": doc, "source": source, "low": 0.0, "high": 1.0, "probability": True},
    )


@dataclasses.dataclass(frozen=True)
class Parameters:
    """Base of the parameters of a task: a frozen dataclass whose fields are checked.

    Every task has ``trials``; a task whose trials can be prolonged by invalid responses overrides
    `step_cap`.

    Raises:
        ParameterError: if a value has the wrong type or lies outside its range.
        InvalidProbability: if a probability lies outside [0, 1].
    """

    name: ClassVar[str] = "task"
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

    @classmethod
    def from_keywords(cls, task: str, keywords: dict[str, Any]) -> Self:
        """Build the parameters from the keywords of ``gymnasium.make``.

        Args:
            task: the name of the task, for the error message.
            keywords: parameter names and values.

        Returns:
            The checked parameters.

        Raises:
            ParameterError: if a keyword does not exist.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        words = known | {"feedback", "split", "trial_log", "render_mode"}
        for keyword in keywords:
            if keyword not in known:
                raise ParameterError(
                    f"{task} has no parameter {keyword!r} (it came as "
                    f"{keyword}={keywords[keyword]!r}). {nearest(keyword, words)}"
                )
        return cls(**keywords)


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    kind: Any = type(field.default)
    low, high = field.metadata["low"], field.metadata["high"]
    wanted = f"{field.name} must be {'a bool' if kind is bool else f'a number ({kind.__name__})'}"
    if kind is not bool:
        wanted += f" in [{low:g}, {high:g}]"
    problem = f"{wanted}, but {value!r} came. It is {field.metadata['doc']}."
    if kind is bool:
        if not isinstance(value, (bool, np.bool_)):
            raise ParameterError(problem)
        return bool(value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        raise ParameterError(problem)
    if not low <= value <= high:  # also true for NaN
        raise (InvalidProbability if "probability" in field.metadata else ParameterError)(problem)
    if kind is int and value != int(value):
        raise ParameterError(problem)
    return kind(value)


def parameter_dtype(cls: type[Parameters]) -> list[tuple[str, Any]]:
    """Return the record layout of the parameters, as the compiled rules read them."""
    return [(field.name, _DTYPES[type(field.default)]) for field in dataclasses.fields(cls)]
