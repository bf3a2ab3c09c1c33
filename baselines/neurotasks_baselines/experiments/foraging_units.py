"""What the units of a network that forages code: actions, rewards, and the value (Fig. 2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.analysis.decoder import RIDGE
from neurotasks.episodes import Episodes
from neurotasks.tasks.foraging import CENTRE, CHOICE
from neurotasks_baselines.agents.activations import Activations
from neurotasks_baselines.experiments.base import Measures
from neurotasks_baselines.experiments.claims import FOILS
from neurotasks_baselines.experiments.drawing import mean_and_interval, titled
from neurotasks_baselines.experiments.volatility_measures import leaky_averages
from neurotasks_baselines.plotting import IDEAL, OURS, PUBLISHED, SMALL

CODED = {
    "action": "the last action",
    "reward": "the last reward",
    "interaction": "the last action x last reward",
    "value": "the value",
}
SHUFFLES = 500
FOLDS = 5  # folds of episodes, to train and test the decoder
UNTRAINED = "untrained network"
ROUNDED = 1e-6
"""Standard deviation below which a unit or a value, a float32 of about 1, varies by rounding."""


def coding(episodes: Episodes, activations: Activations) -> Measures:
    """Return what single units are correlated with, and how well all of them tell the value."""
    return {
        "units": unit_coding(episodes, activations),
        "value_decoded": value_decoded(episodes, activations.hidden),
    }


def value_decoded(episodes: Episodes, features: NDArray[Any]) -> float:
    """Decode the better arm's probability of paying when the arms are shown, by ridge regression.

    Args:
        episodes: Episodes.
        features: Features of each step, such as a recurrent state, (steps, episodes, features).

    Returns:
        R2 in episodes not trained with.
    """
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import PredefinedSplit, cross_val_predict

    env, step = np.nonzero(((episodes.truth["stage"] == CHOICE) & episodes.alive).T)
    value = episodes.truth["p_baited"][step, env].max(axis=1)
    folds = PredefinedSplit(env % FOLDS)
    seen = features[step, env].astype(np.float64)
    decoded = cross_val_predict(Ridge(alpha=RIDGE), seen, value, cv=folds)
    return float(1 - np.mean((value - decoded) ** 2) / np.var(value))


def averages_and_sizes(episodes: Episodes) -> NDArray[np.float64]:
    """Return averages of past choices and of the rewards of either arm, which learn no value."""
    chosen = (episodes.truth["stage"] == CHOICE) & (episodes.actions != CENTRE)
    side = np.where(chosen, 2.0 * episodes.actions - 1, 0.0)
    brought = side * np.nan_to_num(episodes.rewards)
    averages = np.concatenate([leaky_averages(side), leaky_averages(brought)], axis=2)
    return np.concatenate([averages, np.abs(averages)], axis=2)


def unit_coding(episodes: Episodes, activations: Activations) -> Measures:
    """Correlate each unit with the last action, the last reward, their product, and the value.

    The activity is that when the arms are shown; last refers to the trial before. Actions and
    rewards count as -1 and 1. For the null the trials are shuffled within each episode, so that
    differences between episodes, such as a preferred arm, do not count as a code of the last trial.

    Returns:
        For each variable ``rho``, the sizes of the units' correlations; ``null``, the 99th
        percentile of their mean over shuffles; ``above_null``, by how much the mean exceeds it.
    """
    env, step = np.nonzero(((episodes.truth["stage"] == CHOICE) & episodes.alive).T)
    action, reward = episodes.actions[step, env], episodes.rewards[step, env]
    trial = 1 + np.flatnonzero((env[1:] == env[:-1]) & (action[:-1] != CENTRE))
    side, paid = 2.0 * action[trial - 1] - 1, 2.0 * reward[trial - 1] - 1
    env, step = env[trial], step[trial]
    variables = np.stack([side, paid, side * paid, activations.values[step, env]])
    units = standardised(activations.hidden[step, env].T.astype(np.float64)).T / len(trial)
    variables = standardised(variables)
    sizes = np.abs(variables @ units)
    rng = np.random.default_rng(0)
    null = [
        np.abs(variables[:, shuffled_within(env, rng)] @ units).mean(axis=1)
        for _ in range(SHUFFLES)
    ]
    bound = np.percentile(null, 99, axis=0)
    return {
        name: {
            "rho": rho.round(4).tolist(),
            "null": float(limit),
            "above_null": float(rho.mean() - limit),
        }
        for name, rho, limit in zip(CODED, sizes, bound, strict=True)
    }


def standardised(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows of mean 0 and standard deviation 1.

    A row that is constant up to rounding, which codes nothing, is 0.
    """
    rows = rows - rows.mean(axis=1, keepdims=True)
    deviation = rows.std(axis=1, keepdims=True)
    return np.divide(rows, deviation, out=np.zeros_like(rows), where=deviation > ROUNDED)


def shuffled_within(env: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a random order of trials sorted by episode that keeps each in its episode."""
    return np.argsort(env + rng.random(len(env)))


def draw_units(axis: Any, measures: list[Measures]) -> None:
    """Draw the size of the correlations: bars for the mean, dots for units, lines for the null.

    The grey lines are the means of the untrained networks.
    """
    rng = np.random.default_rng(0)
    places = np.arange(len(CODED))
    sizes = [[np.mean(m["units"][name]["rho"]) for name in CODED] for m in measures]
    mean, low, high = mean_and_interval(sizes)
    axis.bar(places, np.nan_to_num(mean), 0.7, color="#8fc1d4")
    axis.vlines(places, low, high, color="black", lw=1.2)
    for place, name in zip(places, CODED, strict=True):
        units = measures[0]["units"][name]["rho"]
        axis.plot(place + rng.uniform(-0.25, 0.25, len(units)), units, ".", ms=2.5, color=OURS)
        null = np.mean([m["units"][name]["null"] for m in measures])
        axis.plot([place - 0.4, place + 0.4], [null, null], color=PUBLISHED, lw=1.5)
        before = np.mean([m[FOILS][UNTRAINED]["units"][name]["rho"] for m in measures])
        axis.plot([place - 0.4, place + 0.4], [before, before], color=IDEAL, lw=1.5)
    axis.set_xticks(places, ["action", "reward", "action\nx reward", "value"])
    axis.set(ylabel="size of the correlation", ylim=(0, 1))
    axis.set_title(titled("What units code", measures))
    axis.plot([], [], ".", color=OURS, label="units, first seed")
    axis.plot([], [], color=PUBLISHED, lw=1.5, label="99 % of shuffles")
    axis.plot([], [], color=IDEAL, lw=1.5, label=UNTRAINED)
    axis.legend(fontsize=SMALL)
