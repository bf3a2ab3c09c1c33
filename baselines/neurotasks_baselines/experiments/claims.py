"""Claims: tables of published findings and accepted ranges, and their verdicts on measures.

Every experiment states its claims as a table of `Row`. A row names a measured value by its key, a
dotted path into the measures of a seed, as ``"stays.rewarded common"`` or ``"accuracy.0"``.

A claim holds if the 95 % interval of its mean over seeds lies within the accepted range, and if its
foil, somebody who lacks what the claim is about, does not lie there. The foil is measured in the
same run by the same code: its value has the same key, below ``foils.NAME.`` in the measures of a
seed or in the references of the experiment. A claim whose foil passes is not diagnostic, and does
not count as held.

The interval is Student's t, which a simulation in the tests covers for the shapes that occur; of
fractions of seeds, where all or none may be right, it is Wilson's.
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
FOILS = "foils"
Kind = Literal["number", "direction", "reference", "check", "reported"]
KINDS: dict[Kind, str] = {
    "number": "Published numbers",
    "direction": "Published directions",
    "reference": "Computed references",
    "check": "Checks of task and method",
    "reported": "Reported without a verdict",
}
COUNTED: tuple[Kind, ...] = ("number", "direction", "reference")
Verdict = Literal["held", "missed", "not diagnostic", "undecided", ""]


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
    """One finding, and the measured values that count as reproducing it.

    Attributes:
        name: Finding in words.
        key: Dotted path of the measured value in the measures of a seed, or in the references of
            the experiment if it begins with ``references.``.
        published: Published value, in words where it is none.
        source: Place of publication, and how the value was obtained.
        accepted: Range of accepted values.
        kind: What the range rests on; checks, and what is only reported, have no verdict.
        foil: Name of who must fail it; its key is that of the row, below ``foils.NAME.``.
        statistic: What the values of all seeds are summarised by: their mean, or for values of 0
            and 1 the fraction of 1.
        note: What else a reader has to know, such as why there is no foil.
    """

    name: str
    key: str
    published: str
    source: str
    accepted: Accepted
    kind: Kind
    foil: str | None = None
    statistic: Literal["mean", "fraction"] = "mean"
    note: str = ""


@dataclass(frozen=True)
class Claim:
    """One finding, and our measurement of it.

    Attributes:
        experiment: Name of the experiment.
        claim: Finding in words.
        kind: What its range rests on.
        published: Published value, in words where it is none.
        source: Place of publication, and how the value was obtained.
        accept: Accepted values, in words.
        measured: Measured value, the mean over seeds where there are several; None where it cannot
            be computed, such as a rate of what never happened.
        ci_low: Lower end of its 95 % interval over seeds, None without one.
        ci_high: Upper end of the interval.
        values: Value of each seed, None where it cannot be computed.
        foil: Name of who must fail it, None without one.
        foil_measured: Value of the foil, the mean over seeds where there are several.
        verdict: ``"held"``, ``"missed"``, ``"not diagnostic"``, or ``"undecided"`` where a single
            seed has no interval; empty for what is not counted.
        note: What else a reader has to know.
    """

    experiment: str
    claim: str
    kind: Kind
    published: str
    source: str
    accept: str
    measured: float | None
    ci_low: float | None
    ci_high: float | None
    values: list[float | None]
    foil: str | None
    foil_measured: float | None
    verdict: Verdict
    note: str = ""

    @property
    def held(self) -> bool:
        """Whether the claim holds."""
        return self.verdict == "held"

    @property
    def counted(self) -> bool:
        """Whether the claim has a verdict."""
        return self.verdict != ""

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
    per_seed = [_derived(experiment, m) for m in measures]
    references = [{REFERENCES[:-1]: _derived_foils(experiment, experiment.references())}]
    claims = []
    for row in experiment.claims:
        of_seeds = not row.key.startswith(REFERENCES)
        foil = None
        if row.foil is not None:
            in_seeds = row.foil in per_seed[0].get(FOILS, {})
            where = per_seed if in_seeds else [references[0][REFERENCES[:-1]]]
            foil = look_up([part[FOILS][row.foil] for part in where], row.key)
        values = look_up(per_seed if of_seeds else references, row.key)
        claims.append(over_seeds(experiment.name, row, values, foil))
    return [*claims, *experiment.recorded]


def _derived(experiment: Experiment, measures: Measures) -> Measures:
    """Return measures with what an experiment derives from them, for its foils too."""
    return {**_derived_foils(experiment, measures), **experiment.derive(measures)}


def _derived_foils(experiment: Experiment, measures: Measures) -> Measures:
    foils = measures.get(FOILS, {})
    derived = {name: {**of_foil, **experiment.derive(of_foil)} for name, of_foil in foils.items()}
    return {**measures, FOILS: derived} if foils else measures


def look_up(measures: Sequence[Measures], key: str) -> NDArray[np.float64]:
    """Return the values at a key in the measures of each seed, lists joined; NaN for None."""
    found = []
    for part in measures:
        value: Any = part
        for name in key.split("."):
            value = value[name if isinstance(value, Mapping) else int(name)]
        found.append(np.atleast_1d(np.asarray(value, np.float64)))
    return np.concatenate(found)


def over_seeds(
    experiment: str, row: Row, values: ArrayLike, foil: ArrayLike | None = None
) -> Claim:
    """State the claim of a row about its measured values.

    Args:
        experiment: Name of the experiment.
        row: Row of its table.
        values: Measured values, one for each seed.
        foil: Values of its foil.

    Returns:
        The claim.
    """
    array = np.asarray(values, np.float64)
    mean, low, high = estimate(array, row.statistic)
    foil_mean = None if foil is None else float(np.mean(np.asarray(foil, np.float64)))
    return Claim(
        experiment=experiment,
        claim=row.name,
        kind=row.kind,
        published=row.published,
        source=row.source,
        accept=str(row.accepted),
        measured=_or_none(mean),
        ci_low=_or_none(low),
        ci_high=_or_none(high),
        values=[_or_none(value) for value in array],
        foil=row.foil,
        foil_measured=None if foil_mean is None else _or_none(foil_mean),
        verdict=verdict(row, mean, (low, high), foil_mean),
        note=row.note,
    )


def estimate(values: NDArray[np.float64], statistic: str = "mean") -> tuple[float, float, float]:
    """Return the mean over seeds and its 95 % interval; NaN where there is none.

    Args:
        values: Value of each seed.
        statistic: ``"mean"``, or ``"fraction"`` of values of 0 and 1.
    """
    mean = float(np.mean(values))
    if not np.isfinite(values).all():
        return np.nan, np.nan, np.nan
    if statistic == "fraction":
        test = stats.binomtest(round(values.sum()), len(values))
        found: Any = test.proportion_ci(method="wilson")
        return mean, float(found.low), float(found.high)
    if len(values) < 2:
        return mean, np.nan, np.nan
    if np.ptp(values) == 0:  # such as at ceiling
        return mean, mean, mean
    found = stats.ttest_1samp(values, 0.0).confidence_interval()
    return mean, float(found.low), float(found.high)


def verdict(row: Row, mean: float, interval: tuple[float, float], foil: float | None) -> Verdict:
    """Return the verdict of a row.

    Args:
        row: Row.
        mean: Mean over seeds.
        interval: Its interval.
        foil: Value of the foil; a claim without one cannot hold.
    """
    if row.kind not in COUNTED:
        return ""
    if np.isfinite(mean) and np.isnan(interval[0]):
        return "undecided"
    if not (interval[0] in row.accepted and interval[1] in row.accepted):
        return "missed"
    if foil is None or not np.isfinite(foil) or foil in row.accepted:
        return "not diagnostic"
    return "held"


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
