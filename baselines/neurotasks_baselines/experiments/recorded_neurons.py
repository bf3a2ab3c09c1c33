"""The user's recorded cells beside simulated and learned ones, in a reproduction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotasks_baselines.dopamine.analysis import (
    REPEATS,
    ROWS,
    Trials,
    decoded,
    measure,
    recorded_trials,
)
from neurotasks_baselines.dopamine.decoding import Decoded
from neurotasks_baselines.dopamine.estimators import SPLITS
from neurotasks_baselines.dopamine.figures import Estimates, estimate
from neurotasks_baselines.experiments.claims import REPORTED, Claim, Row, over_seeds

if TYPE_CHECKING:
    from neurotasks_baselines.experiments.base import Experiment

SOURCE = "the 40 published cells: P in Lowet 2020, Fig. 4, the rest from the public files"


@dataclass(frozen=True)
class RecordedCells:
    """What a figure and claims show of recorded cells.

    Attributes:
        number: of cells.
        trials: theirs.
        measures: by the keys in `neurotasks_baselines.dopamine.analysis.ROWS`.
        cued: estimates from the cued trials.
        pooled: estimates from all rewarded trials.
        decoded: the decoded rewards.
    """

    number: int
    trials: Trials
    measures: dict[str, float]
    cued: Estimates
    pooled: Estimates
    decoded: Decoded


@cache
def read_cells(folder: Path) -> RecordedCells:
    """Read and measure a folder of recordings.

    Args:
        folder: with one file a cell, see `neurotasks_baselines.dopamine.recordings`.

    Returns:
        The cells.

    Raises:
        RecordingError: as `recorded_trials`.
    """
    names, trials = recorded_trials(folder)
    rng = np.random.default_rng(0)
    return RecordedCells(
        len(names),
        trials,
        measure(trials, rng, REPEATS, SPLITS),
        estimate(trials.cued, trials.utilities, rng),
        estimate(trials.pooled, trials.utilities, rng),
        decoded(trials, rng, REPEATS),
    )


def recorded_claims(
    experiment: str, cells: RecordedCells, keys: Sequence[str] | None = None
) -> list[Claim]:
    """Report what recorded cells measure; no value is wanted of them.

    Args:
        experiment: its name.
        cells: from `read_cells`.
        keys: of the measures, all by default.

    Returns:
        A claim for each measure that is known.
    """
    return [
        over_seeds(
            experiment,
            Row(
                f"{cells.number} recorded cells: {words}",
                key,
                published or "-",
                SOURCE if published else "not published",
                REPORTED,
            ),
            [cells.measures[key]],
            seeds=cells.number,
        )
        for key, words, published in ROWS
        if (keys is None or key in keys) and np.isfinite(cells.measures[key])
    ]


def with_recorded(
    experiment: Experiment,
    figure: Callable[..., Any],
    folder: Path,
    keys: Sequence[str] | None = None,
) -> Experiment:
    """Return an experiment with recorded cells beside its own.

    Args:
        experiment: to show them in.
        figure: of the experiment, from measures and ``cells``.
        folder: with one file a cell, see `neurotasks_baselines.dopamine.recordings`.
        keys: of the measures to report, all by default.

    Returns:
        The experiment, whose claims and figure show the cells.

    Raises:
        RecordingError: if the recordings will not do.
    """
    cells = read_cells(folder)
    return replace(
        experiment,
        figure=partial(figure, cells=cells),
        recorded=recorded_claims(experiment.name, cells, keys),
    )
