"""The user's recorded neurons next to simulated and learned ones, in a reproduction.

The effect sizes published of the 40 neurons are claims about the user's, through the same estimator
as the simulated ones; their foil are the same trials shuffled over neurons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotasks_baselines.dopamine.decoding import Decoded
from neurotasks_baselines.dopamine.estimators import SPLITS
from neurotasks_baselines.dopamine.figures import Estimates, estimate
from neurotasks_baselines.dopamine.measures import (
    METHODS,
    REPEATS,
    ROWS,
    by_animal,
    decoded,
    fold_asymmetries,
    measure_recorded,
)
from neurotasks_baselines.dopamine.statistics import split_half
from neurotasks_baselines.dopamine.trials import Trials, recorded_trials, shuffled_over_neurons
from neurotasks_baselines.experiments.claims import REPORTED, Claim, Row, between, over_seeds

if TYPE_CHECKING:
    from neurotasks_baselines.experiments.base import Experiment

Floats = NDArray[np.float64]

SOURCE = "the 40 published neurons: P in Lowet 2020, Fig. 4, the rest from the public files"
MICE_2 = "40 mouse neurons; P in Lowet 2020, Fig. 4D, R follows from it"
MICE_4 = "40 mouse neurons; P in Lowet 2020, Fig. 4F, R follows from it"
FOIL = "their trials shuffled over neurons"
SHUFFLES = 20

PUBLISHED = {
    "reversal": (
        "reversal points of two halves, mean R (count)",
        "0.62 (n = 40)",
        MICE_2,
        between(0.38, 0.78),
    ),
    "asymmetry": (
        "asymmetry and reversal point of two halves, mean R (count)",
        "0.58 (n = 40)",
        MICE_4,
        between(0.33, 0.755),
    ),
}
"""Name, value, source and 95 % interval over 40 neurons (Fisher) of the published correlations."""


@dataclass(frozen=True)
class RecordedNeurons:
    """Recorded neurons, as figures and claims show them.

    Attributes:
        number: Number of neurons.
        trials: Trials of the neurons.
        measures: Measures by the keys in `neurotasks_baselines.dopamine.measures.ROWS`.
        cued: Estimates from the cued trials.
        pooled: Estimates from all rewarded trials.
        decoded: Decoded rewards, reversal points and asymmetries from different halves.
        folds: Asymmetries in folds of the trials, see `fold_asymmetries`.
        halves: R of each random half of the trials, by the keys of `PUBLISHED`.
        shuffled: Their mean with trials shuffled over neurons.
        animals: Rows of `by_animal`.
    """

    number: int
    trials: Trials
    measures: dict[str, float]
    cued: Estimates
    pooled: Estimates
    decoded: Decoded
    folds: dict[str, Floats]
    halves: dict[str, Floats]
    shuffled: dict[str, float]
    animals: list[dict[str, Any]]


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
    shuffles = [shuffled_over_neurons(trials, rng) for _ in range(SHUFFLES)]
    shuffled = [correlations(part, rng, SPLITS // SHUFFLES) for part in shuffles]
    return RecordedNeurons(
        len(names),
        trials,
        measure_recorded(names, trials, rng, REPEATS, SPLITS),
        estimate(trials.cued, trials.utilities, rng, METHODS[0]),
        estimate(trials.pooled, trials.utilities, rng, METHODS[0]),
        decoded(trials, rng, REPEATS, halves=True),
        fold_asymmetries(trials, rng),
        correlations(trials, rng, SPLITS),
        {key: float(np.mean([part[key] for part in shuffled])) for key in PUBLISHED},
        by_animal(names, trials, rng, SPLITS),
    )


def correlations(trials: Trials, rng: np.random.Generator, splits: int) -> dict[str, Floats]:
    """Return R of each random half of the trials, by the keys of `PUBLISHED`."""
    cued, pooled = (
        split_half(part, trials.utilities, rng, splits, METHODS[0])
        for part in (trials.cued, trials.pooled)
    )
    return {"reversal": cued.reversal.r, "asymmetry": pooled.asymmetry.r}


def recorded_claims(
    experiment: str, neurons: RecordedNeurons, keys: Sequence[str] | None = None
) -> list[Claim]:
    """Return the claims about recorded neurons, and report what else is measured of them.

    Args:
        experiment: Name of the experiment.
        neurons: Neurons from `read_neurons`.
        keys: Keys of the measures to report, without claims; by default all, with claims.

    Returns:
        The claims, then a row for each animal and for each other measure that is known.
    """
    subject = f"{neurons.number} recorded neurons"
    claims = [] if keys is not None else [*effect_sizes(experiment, neurons)]
    names = {claim.claim for claim in claims}
    rows = [
        (f"{subject}: {words}", published, neurons.measures[key])
        for key, words, published in ROWS
        if (keys is None or key in keys) and np.isfinite(neurons.measures[key])
    ]
    if keys is None:
        rows += [
            (
                f"{animal['neurons']} recorded neurons, animal {animal['animal']}: {words}",
                published,
                animal[f"{key}_r"],
            )
            for animal in neurons.animals
            for key, (words, published, *_) in PUBLISHED.items()
        ]
    return claims + [
        over_seeds(
            experiment,
            "recorded",
            Row(
                name,
                "",
                published or "-",
                SOURCE if published else "not published",
                REPORTED,
                kind="reported",
            ),
            [value],
        )
        for name, published, value in rows
        if name not in names
    ]


def effect_sizes(experiment: str, neurons: RecordedNeurons) -> Iterator[Claim]:
    """Yield the claims that compare recorded neurons with the published effect sizes."""
    for key, (words, published, source, accepted) in PUBLISHED.items():
        r = neurons.halves[key]
        mean = float(np.mean(r))
        half_width = 1.96 / np.sqrt(max(neurons.number - 3, 1))
        low, high = np.tanh(np.arctanh(mean) + np.array([-half_width, half_width]))
        row = Row(
            f"{neurons.number} recorded neurons: {words}",
            "",
            published,
            source,
            accepted,
            kind="number",
            foil=FOIL,
            note=f"The interval is over random halves of the trials; over neurons it is "
            f"{low:.2f} to {high:.2f}.",
        )
        claim = over_seeds(experiment, "recorded", row, r, {FOIL: neurons.shuffled[key]})
        yield replace(claim, values=[claim.measured])


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
        keys: Keys of the measures to report, without claims; by default all, with claims.

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
