"""What a model of choices is: parameters with their ranges, a state, three rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurotasks.core.records import zeroed
from neurotasks.errors import ParameterError, UnknownParameterError, nearest, shown
from neurotasks.models.loops import Loops, compile_loops

LARGEST_LOGIT = 10.0
"""Size of the largest logit that a fit tries."""
SMALLEST_LOG = -3.0
"""Smallest logarithm that a fit tries: at a lower inverse temperature nothing has a slope left."""


class Parameter(NamedTuple):
    """A parameter of a model.

    Attributes:
        name: Name by which rules read it.
        doc: Meaning.
        low: Smallest value.
        high: Largest value; of a ``"log"`` parameter the largest that maximum likelihood tries.
        scale: How an unbounded number z gives the parameter: ``"logit"``, low + (high - low) /
            (1 + exp(-z)); ``"log"``, exp(z); ``"identity"``, z.
        mean: Mean of the normal prior of z.
        sd: Standard deviation of the normal prior of z.
    """

    name: str
    doc: str
    low: float
    high: float
    scale: str
    mean: float
    sd: float

    @property
    def middle(self) -> float:
        """Median of the prior."""
        return float(Scales((self,)).values(np.array([self.mean]))[0][0])


def rate(name: str, doc: str, low: float = 0.0, high: float = 1.0) -> Parameter:
    """Declare a parameter between two bounds; its prior is nearly flat between them."""
    return Parameter(name, doc, low, high, "logit", 0.0, 1.5)


def positive(name: str, doc: str, high: float = 30.0) -> Parameter:
    """Declare a parameter above 0, such as an inverse temperature; its prior has the median e."""
    return Parameter(name, doc, 0.0, high, "log", 1.0, 1.0)


def real(name: str, doc: str, size: float = 10.0) -> Parameter:
    """Declare a parameter of either sign; its prior is the standard normal distribution."""
    return Parameter(name, doc, -size, size, "identity", 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Model:
    """A model of choices, which gives their probabilities along a trial table, and plays.

    Attributes:
        name: Name in tables.
        parameters: Parameters.
        state: Its state: name -> shape, of which ``"options"`` and ``"second_options"`` may be
            parts; every entry is a float.
        begin: Rule ``begin(state, p)``: sets the state when an episode begins.
        probabilities: Rule ``probabilities(state, p, trial, stage, out)``: writes the probability
            of each option at the first (0) or second stage (1).
        learn: Rule ``learn(state, p, trial)``: learns from a trial.
        options: Number of options of the first choice.
        second_options: Number of options at the second stage; 1 where nothing is chosen there, 0
            in a task of one stage.
        first_only: Parameters that matter for choices at the first stage only; derivatives at the
            other stage are taken for 0, not computed.
        second_only: The same of the second stage.
        fixed: Parameters that are not fitted: name -> value, or the parameter that it equals.
    """

    name: str
    parameters: tuple[Parameter, ...]
    state: Mapping[str, tuple[int | str, ...]]
    begin: Callable[..., None]
    probabilities: Callable[..., None]
    learn: Callable[..., None]
    options: int = 2
    second_options: int = 0
    first_only: tuple[str, ...] = ()
    second_only: tuple[str, ...] = ()
    fixed: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def free(self) -> tuple[Parameter, ...]:
        """The parameters that are fitted."""
        return tuple(p for p in self.parameters if p.name not in self.fixed)

    @property
    def names(self) -> list[str]:
        """Names of the parameters that are fitted."""
        return [p.name for p in self.free]

    @property
    def scales(self) -> Scales:
        """How unbounded numbers give the values of the parameters that are fitted."""
        return Scales(self.free)

    @property
    def loops(self) -> Loops:
        """The compiled loops."""
        return compile_loops(self.begin, self.probabilities, self.learn)

    def fixing(self, name: str | None = None, **values: float | str) -> Model:
        """Return the model with some parameters fixed.

        Args:
            name: Name of the new model; by default that of this one.
            **values: Value of each parameter, or the name of the fitted one that it shall equal.

        Returns:
            The new model.

        Raises:
            UnknownParameterError: If there is no such parameter.
            ParameterError: If a value is outside its range, or a parameter is to equal one that is
                not fitted.
        """
        self.check({key: v for key, v in values.items() if not isinstance(v, str)})
        model = replace(self, name=name or self.name, fixed={**self.fixed, **values})
        for key, other in values.items():
            self._known(key)
            if isinstance(other, str) and self._known(other) not in model.free:
                raise ParameterError(
                    f"{key} of the model {self.name} can equal a parameter that is fitted; got "
                    f"{other!r}. Choose from {', '.join(model.names)}."
                )
        return model

    def with_options(self, options: int) -> Model:
        """Return the model for another number of options, such as arms of a bandit.

        Args:
            options: Number of options of the first choice.

        Returns:
            The new model.

        Raises:
            ParameterError: If it has rules for two options only, or the number is below 2.
        """
        if "options" not in [n for shape in self.state.values() for n in shape] or options < 2:
            raise ParameterError(
                f"The model {self.name} must have 2 options, or more if its state has the shape "
                f"'options'; got {options}. Use a model of neurotasks.models.bandit."
            )
        return replace(self, options=options)

    def one_choice(self) -> Model:
        """Return the model for a two-step task in which nothing is chosen at the second stage."""
        middles = {p.name: p.middle for p in self.free if p.name in self.second_only}
        return replace(self, fixed={**self.fixed, **middles}, second_options=1)

    def check(self, values: Mapping[str, float]) -> None:
        """Refuse values of parameters that the model does not have, or that cannot have them.

        Args:
            values: Values by the names of the parameters.

        Raises:
            UnknownParameterError: If there is no such parameter.
            ParameterError: If a value is outside its range.
        """
        for name, value in values.items():
            p = self._known(name)
            high = np.finfo(float).max if p.scale == "log" else p.high
            number = isinstance(value, (int, float, np.integer, np.floating))
            if not number or not p.low <= value <= high:
                raise ParameterError(
                    f"{name} of the model {self.name} must be a number in [{p.low:g}, {high:g}]; "
                    f"got {shown(value)}. ({name}: {p.doc}.)"
                )

    def vector(self, values: Mapping[str, float]) -> NDArray[np.float64]:
        """Return the values of the parameters that are fitted, in their order.

        Args:
            values: Values by name, of these parameters only.

        Returns:
            The values, (parameters,).

        Raises:
            UnknownParameterError: If there is no such parameter.
            ParameterError: If one is missing, is fixed, or is outside its range.
        """
        self.check(values)
        if set(values) != set(self.names):
            raise ParameterError(
                f"The model {self.name} must be given {', '.join(self.names)}; got "
                f"{', '.join(values) or 'none'}. fixing() changes which ones are fixed."
            )
        return np.array([values[name] for name in self.names], np.float64)

    def workspace(self, kind: Any) -> Workspace:
        """Return the arrays that the loops write to.

        Args:
            kind: ``np.float64``, with one record of parameters; or ``np.complex128``, with one for
                each derivative.

        Returns:
            The arrays.
        """
        sizes = {"options": self.options, "second_options": max(self.second_options, 1)}
        fields = [
            (name, kind, tuple(sizes[n] if isinstance(n, str) else n for n in shape))
            for name, shape in self.state.items()
        ]
        everything = [p.name for p in self.parameters]
        spread = np.zeros((len(self.free), len(everything)))
        fixed = np.zeros(len(everything))
        for column, name in enumerate(everything):
            value: float | str = self.fixed.get(name, name)
            value = self.fixed.get(value, value) if isinstance(value, str) else value
            if isinstance(value, str):
                spread[self.names.index(value), column] = 1
            else:
                fixed[column] = value
        records = max(len(self.free), 1) if kind is np.complex128 else 1
        p = zeroed(records, np.dtype([(name, kind) for name in everything]))
        drives, names = spread > 0, np.array(everything)
        others = (~np.isin(names, only) for only in (self.second_only, self.first_only))
        matters = np.stack([(drives & other).any(axis=1) for other in others], axis=1)
        return Workspace(
            p,
            np.asarray(p).view(kind).reshape(records, len(everything)),
            fixed,
            spread,
            matters,
            zeroed(1, np.dtype(fields)),
            np.zeros(self.options, kind),
            np.zeros(self.second_options, kind),
        )

    def _known(self, name: str) -> Parameter:
        known = {p.name: p for p in self.parameters}
        if name not in known:
            raise UnknownParameterError(
                f"{name} must be a parameter of the model {self.name}; there is none of that name. "
                f"{nearest(name, known)}"
            )
        return known[name]


class Workspace(NamedTuple):
    """The arrays that the loops of a model read and write.

    Attributes:
        p: Records of the parameters.
        table: The same numbers as a table, (records, parameters).
        fixed: Values of the fixed parameters, 0 for the others, (parameters,).
        spread: 1 where a fitted parameter gives a parameter its value, (fitted, parameters).
        matters: Whether a fitted parameter matters for choices at the first and at the second
            stage, (fitted, 2).
        states: Record of the state.
        first: Probabilities of the first-stage options.
        second: Probabilities of the second-stage options.
    """

    p: NDArray[Any]
    table: NDArray[Any]
    fixed: NDArray[np.float64]
    spread: NDArray[np.float64]
    matters: NDArray[np.bool_]
    states: NDArray[Any]
    first: NDArray[Any]
    second: NDArray[Any]


class Scales:
    """How unbounded numbers give the values of parameters, see `Parameter`.

    Args:
        parameters: Parameters.

    Attributes:
        mean: Mean of the normal prior of each number, (parameters,).
        sd: Its standard deviation, (parameters,).
        low: Smallest number that is tried, (parameters,).
        high: Largest number that is tried, (parameters,).
    """

    def __init__(self, parameters: tuple[Parameter, ...]) -> None:
        self._of = {
            scale: np.array([p.scale == scale for p in parameters], np.float64)
            for scale in ("logit", "log", "identity")
        }
        low = np.array([p.low for p in parameters], np.float64)
        high = np.array([p.high for p in parameters], np.float64)
        self._middle = (low + high) / 2 * self._of["logit"]
        self._half = (high - low) / 2 * self._of["logit"]
        self.mean = np.array([p.mean for p in parameters], np.float64)
        self.sd = np.array([p.sd for p in parameters], np.float64)
        logit, log = self._of["logit"] > 0, self._of["log"] > 0
        top = np.log(np.where(log, high, 1.0))
        self.low = np.where(logit, -LARGEST_LOGIT, np.where(log, SMALLEST_LOG, low))
        self.high = np.where(logit, LARGEST_LOGIT, np.where(log, top, high))

    def values(self, z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the values that numbers give, and their derivatives, each (..., parameters).

        Args:
            z: Numbers, (..., parameters).
        """
        logistic = np.tanh(z / 2)
        exponential = self._of["log"] * np.exp(self._of["log"] * z)
        linear = self._of["identity"]
        values = self._middle + self._half * logistic + exponential + linear * z
        slopes = self._half * (1 - logistic * logistic) / 2 + exponential + linear
        return values, slopes

    def numbers(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the numbers that give values, infinite at bounds, (..., parameters).

        Args:
            values: Values, (..., parameters).
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            logits = 2 * np.arctanh((values - self._middle) / self._half)
            logs = np.log(values)
        return np.where(self._of["logit"] > 0, logits, np.where(self._of["log"] > 0, logs, values))
