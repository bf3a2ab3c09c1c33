"""What is measured of behaviour and units in the volatility task, and what observers show."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from neurotasks.analysis.decoder import fit_logistic
from neurotasks.analysis.volatility import learning_rates
from neurotasks.core.records import zeroed
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.models.likelihood import Likelihood
from neurotasks.models.loops import TRIAL
from neurotasks.models.volatility import GRID, HAZARD_RATE
from neurotasks.observers import BayesVolatility, ConstantHazardVolatility, RescorlaWagnerVolatility
from neurotasks.scores import TEST_SEED
from neurotasks.tasks.volatility import LEFT, RIGHT, STABLE, VOLATILE, VolatilityParameters
from neurotasks_baselines.experiments.base import Measures
from neurotasks_baselines.training.evaluate import held_out_envs

NAME, ID = "volatility", "neurotasks/Volatility-v0"
BLOCKS = {"stable": STABLE, "volatile": VOLATILE}
BIN = 5  # trials that are averaged in curves over trials
FOLDS = 5  # folds of episodes, to train and test the decoder
OBSERVER_EPISODES = 300  # the same that an agent plays
INTERVAL = VolatilityParameters().reversal_interval
SETTLED = 10  # last trials of such an interval, when the reversal has been learned
HAZARDS, BETAS = (1e-4, 0.5), (0.0, 100.0)  # bounds of a fit
SHUFFLES = 1000  # of the blocks, for the null of the units' code
RATES = 1 / np.array([2, 4, 8, 16, 32])  # of learners that do not adapt theirs
FIXED_RATES = "learners with five fixed learning rates"
UNTRAINED = "untrained network"


def behaviour(episodes: Episodes) -> Measures:
    """Return learning rates and hazard rates, and choices of the better arm.

    The learning rates are medians over groups of ten episodes.
    """
    rates = learning_rates(episodes.trials)["alpha"].unstack("block").median()
    alpha = {name: float(rates[block]) for name, block in BLOCKS.items()}
    hazard = {name: hazard_rate(episodes, block) for name, block in BLOCKS.items()}
    return {
        "alpha": alpha,
        "ratio": alpha["volatile"] / alpha["stable"] if alpha["stable"] else np.nan,
        "hazard": hazard,
        "hazard_ratio": hazard["volatile"] / hazard["stable"],
        **choices(episodes),
        "correct_by_trial": correct_by_trial(episodes),
    }


def hazard_rate(episodes: Episodes, block: int) -> float:
    """Fit the Bayesian observer with a constant hazard rate to the choices in a kind of block.

    Args:
        episodes: Episodes.
        block: Kind of block whose choices count. The observer learns from all trials.

    Returns:
        The hazard rate at which the choices are likeliest, each at its best softmax.
    """
    counts = episodes.truth["block"] == block
    sign = 2 * episodes.actions[counts] - 1

    def minimum(loss: Callable[[float], float], bounds: Any) -> Any:
        return minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 0.01})

    def loss(log_hazard: float) -> float:
        lead = sign * beliefs(episodes, np.exp(log_hazard))[1][counts]
        return float(minimum(lambda beta: np.logaddexp(0, -beta * lead).sum(), BETAS).fun)

    return float(np.exp(minimum(loss, np.log(HAZARDS)).x))


def beliefs(episodes: Episodes, hazard: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what an observer with a constant hazard rate believes in the episodes of others.

    Returns:
        Before each trial the probabilities of p_better, (trials, episodes, levels), and the
        expected reward of the right arm less that of the left one, (trials, episodes).
    """
    shape = episodes.actions.T.shape
    records = zeroed(shape[0] * shape[1], TRIAL)
    records["begins"][:: shape[1]] = True
    records["choice"], records["reward"] = episodes.actions.T.ravel(), episodes.rewards.T.ravel()
    values = HAZARD_RATE.vector({"hazard": hazard, "beta": 0.0})
    states = Likelihood(HAZARD_RATE).states(records, values)
    belief = states["belief"].reshape(*shape, GRID, 2).swapaxes(0, 1)
    lead = (belief[..., RIGHT] - belief[..., LEFT]) @ ((np.arange(GRID) + 0.5) / GRID)
    return belief.sum(axis=3), lead


def belief_and_confidence(episodes: Episodes) -> NDArray[np.float64]:
    """Return what tells the block from the belief at a constant hazard rate, as features."""
    levels, lead = beliefs(episodes, hazard=0.01)
    return np.concatenate([levels, np.abs(lead)[..., None]], axis=2)


def leaky_averages(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return averages before each trial that follow the values at each of `RATES`, from 0 on."""
    averages = np.zeros((*values.shape, len(RATES)))
    for t, value in enumerate(values[:-1]):
        averages[t + 1] = averages[t] + RATES * (value[:, None] - averages[t])
    return averages


def fixed_rates(episodes: Episodes) -> NDArray[np.float64]:
    """Return which arm pays more often by the learners with `RATES`, and how clearly."""
    paying = (2.0 * episodes.actions - 1) * (2 * episodes.rewards - 1)
    lead = leaky_averages(paying)
    return np.concatenate([lead, np.abs(lead)], axis=2)


def choices(episodes: Episodes) -> Measures:
    """Return how often the better arm is chosen: in each block, and when a reversal is learned."""
    trials = episodes.trials
    late = (trials["block"] == VOLATILE) & (trials["trial"] % INTERVAL >= INTERVAL - SETTLED)
    return {"correct": correct_by_block(episodes), "settled": float(trials["correct"][late].mean())}


def correct_by_block(episodes: Episodes) -> dict[str, float]:
    """Return how often the better arm is chosen in each block."""
    correct = episodes.trials.groupby("block")["correct"].mean()
    return {name: float(correct.get(block, np.nan)) for name, block in BLOCKS.items()}


def correct_by_trial(episodes: Episodes) -> dict[str, list[float]]:
    """Return how often the better arm is chosen in bins of trials, by the first block."""
    return by_trial(episodes.actions == episodes.truth["best_action"], episodes.truth["block"])


def by_trial(values: np.ndarray, blocks: np.ndarray) -> dict[str, list[float]]:
    """Return means in bins of `BIN` trials, separately for the two orders of the blocks.

    Args:
        values: Values, (trials, episodes).
        blocks: Block of each trial, (trials, episodes).

    Returns:
        The means by the name of the first block, NaN where no episode begins with it.
    """
    binned = values.reshape(-1, BIN, values.shape[1]).mean(axis=1)
    orders = {name: binned[:, blocks[0] == block] for name, block in BLOCKS.items()}
    return {
        name: (order.mean(axis=1) if order.size else np.full(len(order), np.nan)).tolist()
        for name, order in orders.items()
    }


def decode(features: NDArray[Any], blocks: NDArray[np.int8]) -> Measures:
    """Decode the block of each trial from features, in episodes not trained with.

    Args:
        features: Features of each trial, such as a recurrent state, (trials, episodes, features).
        blocks: Block of each trial, (trials, episodes).

    Returns:
        ``decoding`` (fraction of trials decoded correctly) and ``p_volatile`` (decoded probability
        of the volatile block, see `by_trial`).
    """
    fold = np.arange(features.shape[1]) % FOLDS
    decoded = np.empty(blocks.shape)
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        decoder = fit_logistic(features[:, train], blocks[:, train])
        states = features[:, test].reshape(-1, features.shape[-1])
        decoded[:, test] = decoder.predict_proba(states)[:, 1].reshape(len(features), -1)
    return {
        "decoding": float(((decoded > 0.5) == blocks).mean()),
        "p_volatile": by_trial(decoded, blocks),
    }


def coding(hidden: NDArray[Any], blocks: NDArray[np.int8]) -> Measures:
    """Return what single units, and all of them, tell of the block; arguments as of `decode`."""
    return {**decode(hidden, blocks), "units": unit_coding(hidden, blocks)}


def unit_coding(hidden: NDArray[Any], blocks: NDArray[np.int8]) -> Measures:
    """Return which units are more, or less, active in the volatile block than in the stable one.

    For the null the two blocks of each episode are exchanged or not, at random.

    Args:
        hidden: Activity of the units, (trials, episodes, units).
        blocks: Block of each trial, (trials, episodes).

    Returns:
        ``size``, the size of each unit's mean difference over the 99th percentile of the null;
        ``fraction``, the fraction of units where it is above 1; ``shuffled``, the same of other
        shuffles, on average.
    """
    weight = np.where(blocks == VOLATILE, 1.0, 0.0)
    weights = weight / weight.sum(axis=0) - (1 - weight) / (1 - weight).sum(axis=0)
    difference = np.einsum("te,teu->eu", weights, hidden.astype(np.float64))
    rng = np.random.default_rng(0)
    bound, other = (
        np.abs(rng.choice([-1.0, 1.0], (SHUFFLES, len(difference))) @ difference) for _ in range(2)
    )
    limit = np.percentile(bound, 99, axis=0)
    size = np.divide(
        np.abs(difference.sum(axis=0)), limit, out=np.zeros_like(limit), where=limit > 1e-9
    )
    return {
        "size": size.round(4).tolist(),
        "fraction": float((size > 1).mean()),
        "shuffled": float((other > limit).mean()),
    }


@cache
def observe() -> dict[str, Measures]:
    """Return the behaviour of Bayesian observers and of a learner with one learning rate.

    The Bayesian observer's includes ``decoding`` and ``p_volatile``, from its belief.
    """
    envs = held_out_envs(ID, {}, OBSERVER_EPISODES)
    bayes = BayesVolatility(envs, seed=0)
    episodes = run_episodes(bayes, envs, seed=TEST_SEED)
    blocks = episodes.truth["block"]
    memory, beliefs = None, []
    start = np.ones(OBSERVER_EPISODES, np.bool_)
    for observation in episodes.observations:
        _, memory = bayes.predict(observation, memory, start)
        start = np.zeros_like(start)
        beliefs.append(bayes.p_volatile(memory))
    belief = np.stack(beliefs)
    decoding = float(((belief > 0.5) == blocks).mean())
    constant = run_episodes(ConstantHazardVolatility(envs, seed=0), seed=TEST_SEED)
    fixed = run_episodes(RescorlaWagnerVolatility(envs, seed=0), seed=TEST_SEED)
    return {
        "bayes": {
            **behaviour(episodes),
            "decoding": decoding,
            "p_volatile": by_trial(belief, blocks),
        },
        "constant": behaviour(constant),
        "fixed": behaviour(fixed),
    }
