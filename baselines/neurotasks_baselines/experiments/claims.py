"""Claims: tables of published findings and accepted ranges, and their verdicts on measures.

Every experiment states its claims as a table of `Row`. A row names a measured value by its key, a
dotted path into the measures of a seed, as ``"stays.rewarded common"`` or ``"accuracy.0"``.

A claim holds if the 95 % interval of its mean over seeds lies within the accepted range, and if
none of its foils, who lack what the claim is about, lies there. Foils are measured in the same run
by the same code: the value of the one that a row names has the same key, below ``foils.NAME.`` in
the measures of a seed or in the references of the experiment. Agents that were trained without an
input or without memory, and agents whose state is frozen, are foils of every claim of an experiment
that has them, unless its row says why not. Where what is shown in the task tells agents what they
lack, they need not fail, and their values are stated apart.
A claim that a foil passes is not diagnostic, and does not count as held.

Every claim is judged for the agents of each algorithm; those of the first one are counted.

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

from neurotasks_baselines.experiments.learners import FROZEN, LACKING

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
        lacking: Whether agents that lack an input or memory must fail it, too.
        why: Why the shipped agents of a learner do not show it, by learner.
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
    lacking: bool = True
    why: Mapping[str, str] = {}


def learned(criterion: str, note: str = "") -> Row:
    """Return the row that reports how many seeds learned their task.

    Args:
        criterion: When a seed counts as one that did; its key is ``learned``.
        note: What else a reader has to know.
    """
    return Row(
        f"fraction of seeds that learned: {criterion}",
        "learned",
        "-",
        "ours; computed: half way from chance to the reference observer",
        REPORTED,
        kind="reported",
        statistic="fraction",
        note=note,
    )


@dataclass(frozen=True)
class Claim:
    """One finding, and our measurement of it.

    Attributes:
        experiment: Name of the experiment.
        learner: What the agents were trained by, a key of `ALGORITHMS`.
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
        foils: Values of those who must fail it by their names, the mean over seeds where there are
            several; None where it cannot be computed, such as a rate of what never happened.
        able: The same of agents that were trained without something the task can be done without,
            and need not fail it.
        verdict: ``"held"``, ``"missed"``, ``"not diagnostic"``, or ``"undecided"`` where a single
            seed has no interval; empty for what is not counted.
        note: What else a reader has to know.
        why: Why it does not hold of the agents that are shipped; empty if it does.
        headline: Whether it is about the agents whose claims are counted.
    """

    experiment: str
    learner: str
    claim: str
    kind: Kind
    published: str
    source: str
    accept: str
    measured: float | None
    ci_low: float | None
    ci_high: float | None
    values: list[float | None]
    foils: dict[str, float | None]
    able: dict[str, float | None]
    verdict: Verdict
    note: str = ""
    why: str = ""
    headline: bool = True

    @property
    def held(self) -> bool:
        """Whether the claim holds."""
        return self.verdict == "held"

    @property
    def counted(self) -> bool:
        """Whether the claim is counted: it has a verdict, and is about the headline's agents."""
        return self.headline and self.verdict != ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a plain dict."""
        return asdict(self)


def evaluate_claims(
    experiment: Experiment,
    measures: Mapping[str, Mapping[int, Measures]],
    references: Measures | None = None,
) -> list[Claim]:
    """Evaluate the claims of an experiment.

    Args:
        experiment: Experiment with its table of claims.
        measures: Measures of each seed by learner, see `neurotasks_baselines.experiments.learners`.
        references: References of the experiment; computed by default, which takes seconds.

    Returns:
        For each algorithm a claim for each row of the table, those that depend on no agent once;
        then those about recorded neurons.
    """
    derived = {
        learner: [with_derived(experiment, m) for m in of_seeds.values()]
        for learner, of_seeds in measures.items()
    }
    known = experiment.references() if references is None else _with_nan(references)
    of_all = _derived_foils(experiment, known)
    found = []
    for learner in experiment.algorithms:
        of_seeds = derived[learner]
        headline = learner == experiment.algorithms[0]
        lack = lacking(derived, learner)
        for row in experiment.claims:
            about_agents = not row.key.startswith(REFERENCES)
            if about_agents:
                values = look_up(of_seeds, row.key)
            elif headline:
                values = look_up([{REFERENCES[:-1]: of_all}], row.key)
            else:
                continue
            foils: dict[str, float] = {}
            able: dict[str, float] = {}
            if row.foil is not None:
                own = [m[FOILS][row.foil] for m in of_seeds if row.foil in m.get(FOILS, {})]
                own = own or [of_all[FOILS][row.foil]]
                foils[row.foil] = float(np.mean(look_up(own, row.key)))
            if row.lacking and row.kind in COUNTED and about_agents:
                for name, part in lack.items():
                    of_row = able if name in experiment.able else foils
                    of_row[name] = mean_or_nan(part, row.key)
            found.append(over_seeds(experiment.name, learner, row, values, foils, able, headline))
    return [*found, *experiment.recorded]


def lacking(measures: Mapping[str, list[Measures]], learner: str) -> dict[str, list[Measures]]:
    """Return the measures of agents that lack something, by their names.

    Args:
        measures: Measures of each seed by learner.
        learner: Learner whose agents were frozen.
    """
    found = {name: measures[key] for key, name in LACKING.items() if key in measures}
    frozen = [m[FOILS][FROZEN] for m in measures[learner] if FROZEN in m.get(FOILS, {})]
    return {**found, FROZEN: frozen} if frozen else found


def mean_or_nan(measures: Sequence[Measures], key: str) -> float:
    """Return the mean at a key; NaN if there is no such value, as of who cannot do the task."""
    try:
        return float(np.mean(look_up(measures, key)))
    except (KeyError, IndexError, TypeError):
        return np.nan


def _with_nan(value: Any) -> Any:
    """Return measures with NaN for None, as which JSON has it."""
    if isinstance(value, Mapping):
        return {name: _with_nan(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_nan(part) for part in value]
    return np.nan if value is None else value


def with_derived(experiment: Experiment, measures: Measures) -> Measures:
    """Return measures with what an experiment derives from them, for its foils too.

    Args:
        experiment: Experiment.
        measures: Measures of a seed; a None in them, as which JSON has NaN, becomes NaN.
    """
    measures = _with_nan(measures)
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
    experiment: str,
    learner: str,
    row: Row,
    values: ArrayLike,
    foils: Mapping[str, float] | None = None,
    able: Mapping[str, float] | None = None,
    headline: bool = True,
) -> Claim:
    """State the claim of a row about its measured values.

    Args:
        experiment: Name of the experiment.
        learner: What the agents were trained by.
        row: Row of its table.
        values: Measured values, one for each seed.
        foils: Values of its foils by their names.
        able: Values of agents that lack something but need not fail it, by their names.
        headline: Whether claims about these agents are counted.

    Returns:
        The claim.
    """
    array = np.asarray(values, np.float64)
    mean, low, high = estimate(array, row.statistic)
    foils = foils or {}
    found = verdict(row, mean, (low, high), [*foils.values()])
    return Claim(
        experiment=experiment,
        learner=learner,
        claim=row.name,
        kind=row.kind,
        published=row.published,
        source=row.source,
        accept=str(row.accepted),
        measured=_or_none(mean),
        ci_low=_or_none(low),
        ci_high=_or_none(high),
        values=[_or_none(value) for value in array],
        foils={name: _or_none(value) for name, value in foils.items()},
        able={name: _or_none(value) for name, value in (able or {}).items()},
        verdict=found,
        note=row.note,
        why=row.why.get(learner, "") if found in ("missed", "not diagnostic") else "",
        headline=headline,
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


def verdict(
    row: Row, mean: float, interval: tuple[float, float], foils: Sequence[float]
) -> Verdict:
    """Return the verdict of a row.

    Args:
        row: Row.
        mean: Mean over seeds.
        interval: Its interval.
        foils: Values of the foils, NaN of those that have none; a claim without any value of a foil
            cannot hold.
    """
    if row.kind not in COUNTED:
        return ""
    if np.isfinite(mean) and np.isnan(interval[0]):
        return "undecided"
    if not (interval[0] in row.accepted and interval[1] in row.accepted):
        return "missed"
    if not np.isfinite(foils).any() or any(foil in row.accepted for foil in foils):
        return "not diagnostic"
    return "held"


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
