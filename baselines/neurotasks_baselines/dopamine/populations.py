"""Simulated populations put through the estimators, for the claims about the paper's figures.

`population_measures` works on the responses of any population, `simulated_populations` on many
simulated ones, one row each. A statistic over random halves is a mean R and a geometric-mean P.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import logit

from neurotasks.observers.expectiles import expectiles
from neurotasks.tasks.variable_reward import EMPIRICAL_UTILITIES, hill_utility
from neurotasks_baselines.dopamine.decoding import Decoded, decode, distance, noisy_taus
from neurotasks_baselines.dopamine.estimators import (
    SPLITS,
    Method,
    asymmetries,
    reversal_points,
    trial_sums,
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
from neurotasks_baselines.dopamine.responses import simulate_responses, trial_counts
from neurotasks_baselines.dopamine.statistics import (
    correlate,
    probability_coding,
    sign_tests,
    split_half,
)

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


def population_measures(
    responses: ArrayLike,
    utilities: ArrayLike,
    rng: np.random.Generator,
    *,
    splits: int = SPLITS,
    method: Method = "interpolation",
) -> dict[str, float]:
    """Measure one population of any neurons.

    Args:
        responses: Responses in Hz relative to baseline, (neurons, magnitudes, trials), padded with
            NaN.
        utilities: Utilities of the magnitudes, ascending, (magnitudes,).
        rng: Random number generator, for the halves.
        splits: Number of random halves.
        method: Estimator of the reversal points, see `reversal_points`.

    Returns:
        ``reversal_r``, ``reversal_p``: R and P of reversal points from independent halves (Fig. 2).
        ``asymmetry_r``, ``asymmetry_p``: R and P of reversal points and asymmetries from
        independent halves (Fig. 4). ``above_k``, ``below_k``: fractions of neurons significantly
        above and below baseline at the k-th magnitude, from 1. ``both``: the largest fraction that
        both signs reach at one magnitude.
    """
    halves = split_half(responses, utilities, rng, splits, method)
    above, below = (neurons.mean(axis=0) for neurons in sign_tests(responses))
    signs = {
        f"{side}_{k}": float(fraction)
        for side, fractions in (("above", above), ("below", below))
        for k, fraction in enumerate(fractions, start=1)
    }
    return {
        "reversal_r": halves.reversal.mean_r,
        "reversal_p": halves.reversal.geometric_p,
        "asymmetry_r": halves.asymmetry.mean_r,
        "asymmetry_p": halves.asymmetry.geometric_p,
        "both": float(np.minimum(above, below).max()),
        **signs,
    }


def simulated_populations(
    model: str,
    seed: int,
    *,
    populations: int = POPULATIONS,
    neurons: int = RECORDED_NEURONS,
    noise: float = NOISE,
    floor: float = FLOOR,
    counts: ArrayLike | None = None,
    utilities: ArrayLike = EMPIRICAL_UTILITIES,
    splits: int = SPLITS,
    method: Method = "interpolation",
    **kwargs: float,
) -> pd.DataFrame:
    """Measure simulated populations with the trial counts of the recordings (Figs. 2 and 4).

    Args:
        model: Name in `MODELS`.
        seed: Random seed; both methods see the same responses.
        populations: Number of populations.
        neurons: Number of neurons per population.
        noise: SD of the noise, see `simulate_responses`.
        floor: Constant added to the alphas, see `Neurons`.
        counts: Numbers of trials, (neurons, magnitudes); None draws them anew for each population.
        utilities: Utilities of the magnitudes, ascending, (magnitudes,).
        splits: Number of random halves.
        method: Estimator of the reversal points, see `reversal_points`.
        **kwargs: Further arguments of the model.

    Returns:
        One row per population: the measures of `population_measures`, and ``tau_r``, the
        correlation of tau estimated from all trials with the true tau (NaN where all neurons have
        the same).
    """
    rng = np.random.default_rng(seed)
    simulated = MODELS[model](rng, (populations, neurons), utilities, **kwargs)
    rows = []
    for index in range(populations):
        rng = np.random.default_rng([seed, index])
        population = replace(simulated.population(index), floor=floor)
        trials = trial_counts(rng, neurons) if counts is None else counts
        responses = simulate_responses(rng, population, utilities, trials, noise)
        sums = trial_sums(responses)
        tau = asymmetries(sums, utilities, reversal_points(sums, utilities, rng, method))
        rows.append(
            {
                **population_measures(responses, utilities, rng, splits=splits, method=method),
                "tau_r": float(correlate(tau, population.tau).r),
            }
        )
    return pd.DataFrame(rows)


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
        over cues of ``|logit V - logit tau - logit p|``, which is zero for exact expectiles.
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
    return pd.DataFrame({"tau": tau, "t": probability_coding(responses).t, "error": error})


def decoded_populations(
    seed: int,
    *,
    populations: int = 10,
    neurons: int = RECORDED_NEURONS,
    trials: int = 20_000,
    alpha_max: float = 0.5,
    tau_noise: float = 0.15,
) -> pd.DataFrame:
    """Decode simulated populations (Fig. 5), each with its controls.

    Args:
        seed: Random seed.
        populations: Number of populations.
        neurons: Number of neurons per population.
        trials: Number of trials to learn from ([HRH]).
        alpha_max: Upper end of the distribution of alphas, see `distributional`.
        tau_noise: Scale of the noise of the noisy and classical controls, see `noisy_taus`.

    Returns:
        One row per population and control: ``population``; ``control``, one of "exact" (expectiles
        of uniform tau), "learned", "noisy" (learned, with noise in tau), "shuffled" (learned, tau
        shuffled over neurons), "classical" (with the same noise); ``distance`` from the true
        rewards, microlitres; ``loss``.
    """
    rng = np.random.default_rng(seed)
    shape = (populations, neurons)
    learned, control = (
        model(rng, shape, trials=trials, alpha_max=alpha_max)
        for model in (distributional, classical)
    )
    rows = []
    for index in range(populations):
        distributional_, classical_ = learned.population(index), control.population(index)
        tau = rng.uniform(size=neurons)
        decoded: dict[str, Decoded] = {
            "exact": decode(expectiles(MAGNITUDES, PROBABILITIES, tau), tau, rng),
            "learned": decode(distributional_.value, distributional_.tau, rng),
            "noisy": decode(
                distributional_.value, noisy_taus(distributional_.tau, tau_noise, rng), rng
            ),
            "shuffled": decode(distributional_.value, rng.permutation(distributional_.tau), rng),
            "classical": decode(classical_.value, noisy_taus(classical_.tau, tau_noise, rng), rng),
        }
        rows += [
            {"population": index, "control": name, "distance": distance(d.samples), "loss": d.loss}
            for name, d in decoded.items()
        ]
    return pd.DataFrame(rows)
