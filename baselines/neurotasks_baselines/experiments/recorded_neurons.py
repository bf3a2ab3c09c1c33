"""The user's recorded neurons next to simulated and learned ones, in a reproduction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotasks_baselines.dopamine.decoding import Decoded
from neurotasks_baselines.dopamine.estimators import SPLITS
from neurotasks_baselines.dopamine.figures import Estimates, estimate
from neurotasks_baselines.dopamine.measures import (
    REPEATS,
    ROWS,
    Trials,
    decoded,
    measure_recorded,
    recorded_trials,
)
from neurotasks_baselines.experiments.claims import REPORTED, Claim, Row, over_seeds

if TYPE_CHECKING:
    from neurotasks_baselines.experiments.base import Experiment

SOURCE = "the 40 published neurons: P in Lowet 2020, Fig. 4, the rest from the public files"


@dataclass(frozen=True)
class RecordedNeurons:
    """Recorded neurons, as figures and claims show them.

    Attributes:
        number: Number of neurons.
        trials: Trials of the neurons.
        measures: Measures by the keys in `neurotasks_baselines.dopamine.measures.ROWS`.
        cued: Estimates from the cued trials.
        pooled: Estimates from all rewarded trials.
        decoded: Decoded rewards.
    """

    number: int
    trials: Trials
    measures: dict[str, float]
    cued: Estimates
    pooled: Estimates
    decoded: Decoded


@cache
def read_neurons(folder: Path) -> RecordedNeurons:
    """Read and measure a folder of recordings.

    Args:
        folder: Folder with one file per neuron, see `neurotasks_baselines.dopamine.recordings`.

    Returns:
        The neurons.

    Raises:
        RecordingError: If `recorded_trials` or `measure_recorded` refuses the recordings.
    """
    names, trials = recorded_trials(folder)
    rng = np.random.default_rng(0)
    return RecordedNeurons(
        len(names),
        trials,
        measure_recorded(names, trials, rng, REPEATS, SPLITS),
        estimate(trials.cued, trials.utilities, rng),
        estimate(trials.pooled, trials.utilities, rng),
        decoded(trials, rng, REPEATS),
    )


def recorded_claims(
    experiment: str, neurons: RecordedNeurons, keys: Sequence[str] | None = None
) -> list[Claim]:
    """Report the measures of recorded neurons as claims that accept every value.

    Args:
        experiment: Name of the experiment.
        neurons: Neurons from `read_neurons`.
        keys: Keys of the measures to report, all by default.

    Returns:
        A claim for each measure that is known.
    """
    return [
        over_seeds(
            experiment,
            Row(
                f"{neurons.number} recorded neurons: {words}",
                key,
                published or "-",
                SOURCE if published else "not published",
                REPORTED,
                kind="reported",
            ),
            [neurons.measures[key]],
        )
        for key, words, published in ROWS
        if (keys is None or key in keys) and np.isfinite(neurons.measures[key])
    ]


def with_recorded(
    experiment: Experiment,
    figure: Callable[..., Any],
    folder: Path,
    keys: Sequence[str] | None = None,
) -> Experiment:
    """Return an experiment with recorded neurons next to its own.

    Args:
        experiment: Experiment to show them in.
        figure: Function that draws its figure, from measures and ``neurons``.
        folder: Folder with one file per neuron, see `neurotasks_baselines.dopamine.recordings`.
        keys: Keys of the measures to report, all by default.

    Returns:
        The experiment, whose claims and figure show the neurons.

    Raises:
        RecordingError: If the recordings cannot be used.
    """
    neurons = read_neurons(folder)
    return replace(
        experiment,
        figure=partial(figure, neurons=neurons),
        recorded=recorded_claims(experiment.name, neurons, keys),
    )
