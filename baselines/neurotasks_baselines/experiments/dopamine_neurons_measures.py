"""What is measured of simulated populations of dopamine neurons."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd

from neurotasks.observers.expectiles import expectiles
from neurotasks.tasks.variable_reward import EMPIRICAL_UTILITIES, hill_utility
from neurotasks_baselines.dopamine.decoding import decode, distance
from neurotasks_baselines.dopamine.figures import estimate
from neurotasks_baselines.dopamine.measures import METHODS, decoded, fold_asymmetries
from neurotasks_baselines.dopamine.neurons import MAGNITUDES, PROBABILITIES, distributional
from neurotasks_baselines.dopamine.populations import (
    POPULATIONS,
    RECORDED_NEURONS,
    population_measures,
    probability_neurons,
    simulated_populations,
    steady_state,
)
from neurotasks_baselines.dopamine.statistics import CLASSES
from neurotasks_baselines.experiments.base import EPISODES, Agents, Measures

SEED = 0
PER_DECODED = 4  # populations of a foil for each one that is decoded, which takes longest
CLASSICAL, SHARED = "classical neurons", "neurons that share one prediction"
OFFSET_1, OFFSET_2 = (f"neurons that differ by offsets of {sd} Hz" for sd in (1, 2))
FOILS: dict[str, tuple[str, dict[str, Any]]] = {
    CLASSICAL: ("classical", {}),
    SHARED: ("shared prediction", {}),
    OFFSET_1: ("additive offset", {"sd": 1.0}),
    OFFSET_2: ("additive offset", {"sd": 2.0}),
}
"""Models of the foils, whose neurons predict the mean alone, and their parameters."""
TAUS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
EXACT = {
    "microlitres": (1.3886, 2.0047, 3.3353, 5.2078, 7.7671, 10.8488, 13.8029),
    "hill": (0.5403, 0.7021, 0.9357, 1.1972, 1.4555, 1.7298, 1.8976),
    "empirical": (-2.5943, -2.1489, -1.1817, 0.1669, 1.9139, 3.7698, 4.9068),
}
"""Expectiles of the rewards on each axis, found by bisection, to four decimals."""
IN_FOILS = "foils."  # begins the keys of their measures
SAME_TRIALS = (
    "Z and tau of the same trials, as published, share their noise, which correlates them in "
    "classical neurons too; see the rows with different halves."
)


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Simulate populations and put them through the estimators.

    Args:
        agents: Trained agents; not used.
        num_episodes: Number of episodes: 300 or more for 40 populations, fewer in proportion.
        seed: Seed of the episodes of agents, of which there are none.

    Returns:
        For each measure a list with one value per population.
    """
    populations = max(2, min(POPULATIONS, POPULATIONS * num_episodes // EPISODES))
    steady = columns(steady_state(SEED, populations))
    foils = {
        name: simulated(model, populations, **kwargs) for name, (model, kwargs) in FOILS.items()
    }
    foils[CLASSICAL] |= {
        "steady": {"sd": steady.pop("classical_sd")},
        "cues": cues(populations, symmetric=True),
    }
    return {
        "solver_error": solver_error(),
        "steady": steady,
        **simulated("distributional", populations),
        "cues": cues(populations),
        **true_values(max(2, populations // PER_DECODED)),
        "foils": foils,
        "drawn": drawn_populations(),
    }


def solver_error() -> float:
    """Return the largest deviation of the exact expectiles from those found by bisection."""
    axes = dict(
        zip(EXACT, (MAGNITUDES, hill_utility(MAGNITUDES), EMPIRICAL_UTILITIES), strict=True)
    )
    return max(
        float(np.abs(expectiles(axes[name], PROBABILITIES, TAUS) - table).max())
        for name, table in EXACT.items()
    )


def columns(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return the columns without missing values, to four significant digits."""
    return {
        str(name): [float(f"{value:.4g}") for value in column]
        for name, column in table.dropna(axis=1).items()
    }


def simulated(model: str, populations: int, **kwargs: Any) -> Measures:
    """Measure simulated populations as recordings are measured.

    Args:
        model: Name of the model.
        populations: Number of populations.
        **kwargs: Parameters of the model.

    Returns:
        Those of `population_measures`, one value per population in each.
    """
    rows: dict[str, list[Measures]] = defaultdict(list)
    found = simulated_populations(model, SEED, populations=populations, **kwargs)
    for index, (neurons, trials) in enumerate(found):
        rng = np.random.default_rng([SEED, index, 1])
        measured = population_measures(
            neurons,
            trials,
            rng,
            with_decoding=index % (1 if model == "distributional" else PER_DECODED) == 0,
            with_degradation=model != "shared prediction",
        )
        for name, row in measured.items():
            rows[name].append(row)
    return {name: columns(pd.DataFrame(part)) for name, part in rows.items()}


def cues(populations: int, *, symmetric: bool = False) -> Measures:
    """Return how populations code the 50 % cue (Fig. 3), classical ones if symmetric."""
    rows, classes = [], []
    for seed in range(populations):
        neurons = probability_neurons(seed, symmetric=symmetric)
        t = neurons["t"]
        classes.append({name: (neurons["class"] == name).mean() for name in CLASSES})
        optimistic, pessimistic = (t > 2.5).mean(), (t < -2.5).mean()
        rows.append(
            {
                "error": neurons.loc[neurons["tau"].between(0.1, 0.9), "error"].max(),
                "coding": optimistic + pessimistic,
                "both": min(optimistic, pessimistic),
                "both_classes": min(classes[-1][name] for name in CLASSES[:2]),
                "t_with_tau": np.nan if symmetric else t.corr(neurons["tau"]),
            }
        )
    return {**columns(pd.DataFrame(rows)), "classes": columns(pd.DataFrame(classes))}


def true_values(populations: int) -> Measures:
    """Decode true values with true asymmetries: exact expectiles, and what neurons learned."""
    rng = np.random.default_rng(SEED)
    learned = distributional(rng, (populations, RECORDED_NEURONS), alpha_max=0.5)
    far: dict[str, list[float]] = {"exact": [], "learned": []}
    for value, tau in zip(learned.value, learned.tau, strict=True):
        exact = expectiles(MAGNITUDES, PROBABILITIES, tau)
        for name, values in (("exact", exact), ("learned", value)):
            far[name].append(distance(decode(values, tau, rng).samples))
    return {name: {"distance": values} for name, values in far.items()}


def drawn_populations() -> Measures:
    """Return the data of the figure, from one population of each kind."""
    rng = np.random.default_rng(SEED)
    drawn: Measures = {}
    samples = {}
    for name, (model, kwargs) in (("distributional", ("distributional", {})), *FOILS.items()):
        _, trials = next(simulated_populations(model, SEED, populations=1, **kwargs))
        cued, pooled = (
            estimate(part, EMPIRICAL_UTILITIES, rng, METHODS[0])
            for part in (trials.cued, trials.pooled)
        )
        samples[name] = decoded(trials, rng, 1, METHODS[1], halves=True).samples.round(2).tolist()
        drawn[name] = {
            "means": pooled.means.round(3).tolist(),
            "points": trials.microlitres(pooled.points).round(3).tolist(),
            "halves": np.round([cued.first, cued.second], 3).tolist(),
            "asymmetry": np.round([pooled.second_taus, pooled.first], 3).tolist(),
        }
    _, trials = next(simulated_populations("distributional", SEED, populations=1))
    folds = fold_asymmetries(trials, rng)
    t, control = (probability_neurons(SEED, symmetric=x)["t"].round(2) for x in (False, True))
    return drawn | {
        "decoded": {name: samples[name] for name in ("distributional", CLASSICAL)},
        "t": [t.tolist(), control.tolist()],
        "folds": {name: values.round(4).tolist() for name, values in folds.items()},
    }
