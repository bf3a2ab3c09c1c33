"""Simulated populations put through the estimators, for the claims about the paper's figures.

Their trials have the form of recorded ones, and go through the same functions of `measures`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import logit

from neurotasks.observers.expectiles import expectiles
from neurotasks.tasks.variable_reward import EMPIRICAL_UTILITIES, hill_utility
from neurotasks_baselines.dopamine.degradation import degraded
from neurotasks_baselines.dopamine.estimators import SPLITS, Method
from neurotasks_baselines.dopamine.figures import estimate
from neurotasks_baselines.dopamine.measures import (
    METHODS,
    anova,
    consistency,
    decoding,
    held_out,
    nearest_the_mean,
    signs,
)
from neurotasks_baselines.dopamine.neurons import (
    CUE_PROBABILITIES,
    FLOOR,
    MAGNITUDES,
    NEURONS,
    NOISE,
    PROBABILITIES,
    RUNS,
    TRIALS,
    Neurons,
    additive_offset,
    classical,
    distributional,
    learn,
    shared_prediction,
)
from neurotasks_baselines.dopamine.responses import CUED, simulate_responses, trial_counts
from neurotasks_baselines.dopamine.statistics import (
    classify_probability_coding,
    correlate,
    probability_coding,
)
from neurotasks_baselines.dopamine.trials import Trials, first_trials

Floats = NDArray[np.float64]

MODELS: dict[str, Callable[..., Neurons]] = {
    "distributional": distributional,
    "classical": classical,
    "shared prediction": shared_prediction,
    "additive offset": additive_offset,
}
"""The simulated populations by name."""

POPULATIONS = 40
"""Number of populations over which measures of simulated neurons are taken (ours)."""

RECORDED_NEURONS = 40
"""Size of a simulated population that is compared with the recorded one (counted)."""

FOLDINGS = 3
"""Assignments of the trials to folds for each ANOVA; its F is averaged over populations (ours)."""

FIG3_NEURONS = 200
"""Size of the population in the simulation of Fig. 3 (counted from the authors' histograms)."""


def steady_state(
    seed: int, runs: int = RUNS, neurons: int = NEURONS, trials: int = TRIALS
) -> pd.DataFrame:
    """Compare learned values with exact expectiles, on the hill utility (Fig. 2a).

    Args:
        seed: Random seed.
        runs: Number of populations.
        neurons: Number of neurons per population.
        trials: Number of trials to learn from.

    Returns:
        One row per run: ``pearson`` (of V and the exact expectiles), ``spearman`` (of tau and V)
        and ``rmse`` of the distributional neurons, whose V also fluctuates together with the last
        rewards; ``sd`` of their V over neurons; ``classical_sd`` of the V of classical neurons with
        alpha above 0.2.
    """
    rng = np.random.default_rng(seed)
    utilities = hill_utility(MAGNITUDES)
    learned = distributional(rng, (runs, neurons), utilities, trials=trials)
    control = classical(rng, (runs, neurons), utilities, trials=trials)
    exact = expectiles(utilities, PROBABILITIES, learned.tau)
    settled = np.where(control.alpha_plus > 0.2, control.value, np.nan)
    return pd.DataFrame(
        {
            "pearson": correlate(learned.value, exact).r,
            "spearman": correlate(
                *(stats.rankdata(a, axis=-1) for a in (learned.tau, learned.value))
            ).r,
            "rmse": np.sqrt(np.mean((learned.value - exact) ** 2, axis=-1)),
            "sd": learned.value.std(axis=-1),
            "classical_sd": np.nanstd(settled, axis=-1),
        }
    )


def population_trials(
    rng: np.random.Generator,
    neurons: Neurons,
    utilities: ArrayLike = MAGNITUDES,
    *,
    noise: float = NOISE,
    counts: ArrayLike | None = None,
    cued: float = CUED,
) -> Trials:
    """Return responses of one population with the trial counts of the recordings.

    Args:
        rng: Random number generator, for the noise and the numbers of trials.
        neurons: Population, with arrays of shape (neurons,).
        utilities: Utilities of the magnitudes, ascending, (magnitudes,).
        noise: SD of the noise, see `simulate_responses`.
        counts: Numbers of trials, (neurons, magnitudes); drawn by default.
        cued: Fraction of the trials that are cued.

    Returns:
        The trials.
    """
    u = np.asarray(utilities, np.float64)
    numbers = trial_counts(rng, len(neurons.value)) if counts is None else np.asarray(counts)
    pooled = simulate_responses(rng, neurons, u, numbers, noise)
    return Trials(
        pooled, first_trials(pooled, np.rint(cued * numbers)), MAGNITUDES, u, PROBABILITIES
    )


def simulated_populations(
    model: str,
    seed: int,
    *,
    populations: int = POPULATIONS,
    neurons: int = RECORDED_NEURONS,
    floor: float = FLOOR,
    utilities: ArrayLike = EMPIRICAL_UTILITIES,
    noise: float = NOISE,
    counts: ArrayLike | None = None,
    cued: float = CUED,
    **kwargs: float,
) -> Iterator[tuple[Neurons, Trials]]:
    """Yield simulated populations with the trials and the noise of the recordings.

    Args:
        model: Name in `MODELS`.
        seed: Random seed.
        populations: Number of populations.
        neurons: Number of neurons per population.
        floor: Constant added to the alphas, see `Neurons`.
        utilities: Utilities of the magnitudes, ascending, (magnitudes,).
        noise: SD of the noise, see `simulate_responses`.
        counts: Numbers of trials, (neurons, magnitudes); drawn anew for each population by default.
        cued: Fraction of the trials that are cued.
        **kwargs: Further arguments of the model.

    Yields:
        The neurons of a population, and their trials.
    """
    rng = np.random.default_rng(seed)
    simulated = MODELS[model](rng, (populations, neurons), utilities, **kwargs)
    for index in range(populations):
        rng = np.random.default_rng([seed, index])
        population = replace(simulated.population(index), floor=floor)
        yield (
            population,
            population_trials(rng, population, utilities, noise=noise, counts=counts, cued=cued),
        )


def population_measures(
    neurons: Neurons,
    trials: Trials,
    rng: np.random.Generator,
    *,
    splits: int = SPLITS,
    with_decoding: bool = True,
    with_degradation: bool = True,
) -> dict[str, dict[str, float]]:
    """Measure one population, simulated or of channels, as recordings are measured.

    Args:
        neurons: Neurons.
        trials: Their trials.
        rng: Random number generator, for halves and decodings.
        splits: Number of random halves.
        with_decoding: Whether to decode, which takes longest.
        with_degradation: Whether to decode with what decoding rests on made worse, too.

    Returns:
        For each estimator ``reversal_r`` and ``asymmetry_r`` (see `consistency`), and ``tau_r``,
        the correlation of tau estimated from all trials with the true one (NaN where all neurons
        have the same). ``signs``: fractions of neurons significantly ``above`` and ``below``
        baseline at the reward nearest the mean, ``both_at_mean``, the smaller of the two, ``both``,
        the largest smaller one at any reward, and ``one_sign``, whether no reward has both.
        ``decoding``, as published from the same trials by counts, and ``halves``, from different
        ones by interpolation: see `decoding`, with ``loss_ratio`` and ``distance_ratio``, shuffled
        over intact. ``held_out``, ``anova`` and ``degraded``: see the functions of these names.
    """
    found: dict[str, dict[str, float]] = {}
    for method in METHODS:
        of_halves = consistency(trials, rng, splits, method)
        tau = estimate(trials.pooled, trials.utilities, rng, method).taus
        found[method] = {key: of_halves[key] for key in ("reversal_r", "asymmetry_r")}
        found[method]["tau_r"] = float(correlate(tau, neurons.tau).r)
    above, below = signs(trials)
    both, at_mean = np.minimum(above, below), nearest_the_mean(trials)
    found["signs"] = {
        "above": float(above[at_mean]),
        "below": float(below[at_mean]),
        "both_at_mean": float(both[at_mean]),
        "both": float(both.max()),
        "one_sign": float(both.max() == 0),
    }
    ways: tuple[tuple[str, Method, bool], ...] = (
        ("decoding", METHODS[0], False),
        ("halves", METHODS[1], True),
    )
    for name, method, halves in ways if with_decoding else ():
        measured = decoding(trials, rng, 1, method, halves=halves)
        found[name] = measured | {
            f"{key}_ratio": measured[f"shuffled_{key}"] / measured[key] if measured[key] else np.nan
            for key in ("distance", "loss")
        }
    found["held_out"] = held_out(trials, rng, splits)
    found["anova"] = anova(trials, rng, FOLDINGS)
    if with_decoding and with_degradation:
        found["degraded"] = degraded(trials, rng)
    return found


def probability_neurons(
    seed: int,
    *,
    neurons: int = FIG3_NEURONS,
    trials: int = TRIALS,
    symmetric: bool = False,
    noise: float = 0.3,
    trials_per_cue: int = 60,
) -> pd.DataFrame:
    """Let neurons learn the cues of 10, 50 and 90 %, and measure how optimistic they are (Fig. 3).

    Args:
        seed: Random seed.
        neurons: Number of neurons.
        trials: Number of trials of each cue to learn from.
        symmetric: Whether each neuron has one alpha for RPEs of both signs, the classical control.
        noise: SD of a response, in units of the reward (ours).
        trials_per_cue: Number of trials of each cue with measured responses, after learning (ours).

    Returns:
        One row per neuron: ``tau``; ``t`` of its coding of the 50 % cue; ``error``, the largest
        over cues of ``|logit V - logit tau - logit p|``, which is zero for exact expectiles;
        ``class``, see `classify_probability_coding`.
    """
    rng = np.random.default_rng(seed)
    alpha_plus = rng.uniform(size=neurons)
    alpha_minus = alpha_plus if symmetric else rng.uniform(size=neurons)
    tau = alpha_plus / (alpha_plus + alpha_minus)
    rewards = rng.random((trials, len(CUE_PROBABILITIES))) < CUE_PROBABILITIES
    value = learn(rewards, alpha_plus, alpha_minus).mean.T
    shape = (*value.shape, trials_per_cue)
    responses = value[..., None] + noise * rng.normal(size=shape)
    error = np.abs(logit(value) - logit(tau)[:, None] - logit(CUE_PROBABILITIES)).max(axis=1)
    return pd.DataFrame(
        {
            "tau": tau,
            "t": probability_coding(responses).t,
            "error": error,
            "class": classify_probability_coding(responses),
        }
    )
