"""Claims: tables of published values and accepted ranges, and their evaluation on measures.

Every experiment states its claims as a table of `Row`. A row names a measured value by its key, a
dotted path into the measures of a seed, as ``"stays.rewarded common"`` or ``"accuracy.0"``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

if TYPE_CHECKING:
    from neurotasks_baselines.experiments.base import Experiment, Measures

REFERENCES = "references."  # begins the keys of what no seed changes


@dataclass(frozen=True)
class Accepted:
    """Range of the values that a claim accepts.

    Attributes:
        low: Smallest accepted value.
        high: Largest accepted value.
    """

    low: float = -np.inf
    high: float = np.inf

    def __contains__(self, value: float) -> bool:
        """Return whether a value is accepted; NaN never is."""
        return bool(self.low <= value <= self.high)

    def __str__(self) -> str:
        """Return the range in words."""
        if np.isfinite(self.low) and np.isfinite(self.high):
            return f"{self.low:.5g} to {self.high:.5g}"
        if np.isfinite(self.low):
            return f">= {self.low:g}"
        return f"<= {self.high:g}" if np.isfinite(self.high) else "reported"


between = Accepted
REPORTED = Accepted()
"""Accepts every defined value: the measure is reported without a verdict."""


def at_least(low: float) -> Accepted:
    """Return the range from a value upwards."""
    return Accepted(low=low)


def at_most(high: float) -> Accepted:
    """Return the range up to a value."""
    return Accepted(high=high)


class Row(NamedTuple):
    """One published finding, and the measured values that count as reproducing it.

    Attributes:
        name: Finding in words.
        key: Dotted path of the measured value in the measures of a seed, or in the references of
            the experiment if it begins with ``references.``.
        published: Published value, in words where it is none.
        source: Place of publication, and how the value was obtained.
        accepted: Range of accepted values.
        statistic: What the values of all seeds are summarised by: their median, or for values of
            0 and 1 the fraction of 1.
    """

    name: str
    key: str
    published: str
    source: str
    accepted: Accepted
    statistic: Literal["median", "fraction"] = "median"


@dataclass(frozen=True)
class Claim:
    """One published finding and our measurement of it.

    Attributes:
        experiment: Name of the experiment.
        claim: Finding in words.
        published: Published value, in words where it is none.
        source: Place of publication, and how the value was obtained.
        accept: Accepted values, in words.
        measured: Measured value, the median over seeds where there are several; None where it
            cannot be computed, such as a rate of what never happened.
        ci_low: Lower end of its 95 % bootstrap interval over seeds, None without one.
        ci_high: Upper end of the interval.
        seeds: Number of seeds it rests on.
        passed: Whether the measured value is accepted.
    """

    experiment: str
    claim: str
    published: str
    source: str
    accept: str
    measured: float | None
    ci_low: float | None
    ci_high: float | None
    seeds: int
    passed: bool

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a plain dict."""
        return asdict(self)


def evaluate_claims(experiment: Experiment, measures: Sequence[Measures]) -> list[Claim]:
    """Evaluate the claims of an experiment.

    Args:
        experiment: Experiment with its table of claims.
        measures: Measures of each seed.

    Returns:
        A claim for each row of the table, then those about recorded neurons.
    """
    per_seed = [{**m, **experiment.derive(m)} for m in measures]
    references = [{REFERENCES[:-1]: experiment.references()}]
    claims = [
        over_seeds(
            experiment.name,
            row,
            look_up(references if row.key.startswith(REFERENCES) else per_seed, row.key),
        )
        for row in experiment.claims
    ]
    return [*claims, *experiment.recorded]


def look_up(measures: Sequence[Measures], key: str) -> NDArray[np.float64]:
    """Return the values at a key in the measures of each seed, lists joined; NaN for None."""
    found = []
    for part in measures:
        value: Any = part
        for name in key.split("."):
            value = value[name if isinstance(value, Mapping) else int(name)]
        found.append(np.atleast_1d(np.asarray(value, np.float64)))
    return np.concatenate(found)


def over_seeds(experiment: str, row: Row, values: ArrayLike, *, seeds: int | None = None) -> Claim:
    """State the claim of a row about its measured values.

    Args:
        experiment: Name of the experiment.
        row: Row of its table.
        values: Measured values, one for each seed.
        seeds: Number of seeds the values rest on, if they are not one for each.

    Returns:
        The claim, with a percentile bootstrap interval of the median.
    """
    array = np.asarray(values, np.float64)
    seeds = seeds or len(array)
    if row.statistic == "fraction":
        array = array.mean(keepdims=True)
    median = float(np.median(array))
    low, high = None, None
    if len(array) > 1 and np.isfinite(array).all():
        interval = stats.bootstrap(
            (array,), np.median, method="percentile", rng=np.random.default_rng(0), vectorized=True
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
    return Claim(
        experiment=experiment,
        claim=row.name,
        published=row.published,
        source=row.source,
        accept=str(row.accepted),
        measured=median if np.isfinite(median) else None,
        ci_low=low,
        ci_high=high,
        seeds=seeds,
        passed=median in row.accepted,
    )
