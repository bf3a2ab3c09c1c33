"""Claims: what was published, what is asked of us, what we measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


@dataclass(frozen=True)
class Claim:
    """One published finding beside our measurement of it.

    Attributes:
        experiment: name of the experiment.
        claim: the finding in words.
        published: the published value, in words where it is none.
        source: where it was published, and how the value was obtained.
        accept: what our value must be.
        measured: our value, the median over seeds where there are several; None where it cannot be
            computed, as a rate of what never happened.
        ci_low: lower end of its 95 % bootstrap interval over seeds, None without one.
        ci_high: upper end.
        seeds: how many seeds it rests on.
        passed: whether it is what it must be.
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


def over_seeds(
    experiment: str,
    claim: str,
    values: ArrayLike,
    published: str,
    source: str,
    *,
    low: float = -np.inf,
    high: float = np.inf,
    seeds: int | None = None,
) -> Claim:
    """State a claim about the median over seeds.

    An experiment states its claims with ``partial(over_seeds, NAME)``.

    Args:
        experiment: name of the experiment.
        claim: the finding in words.
        values: one for each seed.
        published: the published value.
        source: where it was published.
        low: smallest median accepted.
        high: largest median accepted.
        seeds: how many seeds the values rest on, if they are not one for each.

    Returns:
        The claim, with a percentile bootstrap interval of the median.
    """
    array = np.asarray(values, np.float64)
    median = float(np.median(array))
    interval: tuple[float | None, float | None] = None, None
    if len(array) > 1 and np.isfinite(array).all():
        result = stats.bootstrap(
            (array,), np.median, method="percentile", rng=np.random.default_rng(0), vectorized=True
        )
        interval = float(result.confidence_interval.low), float(result.confidence_interval.high)
    measured = median if np.isfinite(median) else None
    return Claim(
        experiment, claim, published, source, accept_text(low, high), measured, *interval,
        seeds=seeds or len(array), passed=bool(low <= median <= high),
    )  # fmt: skip


def accept_text(low: float, high: float) -> str:
    """Say in words which values are accepted."""
    if np.isfinite(low) and np.isfinite(high):
        return f"{low:.5g} to {high:.5g}"
    if np.isfinite(low):
        return f">= {low:g}"
    return f"<= {high:g}" if np.isfinite(high) else "reported"
