"""Matching and weights of past trials in the foraging task, of agents and players (Fig. 2)."""

from __future__ import annotations

import warnings
from functools import cache, partial
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
from scipy.stats import linregress
from statsmodels.tools.sm_exceptions import ModelWarning

from neurotasks.analysis.foraging import Matching, history_regression, log_ratios, matching
from neurotasks.episodes import run_episodes
from neurotasks.observers import (
    BayesForaging,
    BiasedForaging,
    LeakyIncomeForaging,
    MatchingForaging,
    Oracle,
    WinStayLoseShiftForaging,
)
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.experiments.base import Measures
from neurotasks_baselines.experiments.foraging_switching import UnbaitedForaging, switching
from neurotasks_baselines.training.evaluate import held_out_envs

ID = "neurotasks/Foraging-v0"
KINDS = ("reward", "choice")
LAGS = 15
WIN_STAY = "win-stay, lose-shift"
BIASED = "a fixed bias drawn blindly"
THREE = "Bayesian observer that takes p0 for the middle of a trained range"
EVEN = "income of all past trials alike"
UNBAITED = "Bayesian observer that takes arms not to fill up"
PLAYERS: dict[str, Any] = {"matching": MatchingForaging, "Bayes": BayesForaging, "greedy": Oracle}
FOIL_PLAYERS: dict[str, Any] = {
    WIN_STAY: WinStayLoseShiftForaging,
    BIASED: BiasedForaging,
    THREE: partial(BayesForaging, p0_left=(0.05, 0.25, 0.45)),
    EVEN: partial(LeakyIncomeForaging, tau=np.inf),
    UNBAITED: UnbaitedForaging,
}
OBSERVER_EPISODES = 1000  # slopes within 0.01
TRAINING_EPISODES = 10_000
LONGEST = 6  # the task's probabilities are checked up to this n


def behaviour(trials: pd.DataFrame) -> Measures:
    """Return reward per trial, slopes of matching, history regression, and when arms change."""
    whole, held_out = fit_matching(trials), trials["held_out"]
    weights = fit_history(trials)
    last, *_ = rewards = weights["reward"]
    return {
        "reward_per_trial": float(trials["trial_reward"].mean()),
        "slope": whole.slope,
        "r": whole.r,
        "slope_trained": fit_matching(trials[~held_out]).slope,
        "slope_held_out": fit_matching(trials[held_out]).slope,
        "slope_p0": slope_on_p0(trials),
        "slope_p0_held_out": slope_on_p0(trials[held_out]),
        "weights": weights,
        "weight_decrease": float(last - np.mean(rewards[5:])),
        **switching(trials),
    }


def slope_difference(one: Measures, other: Measures) -> float:
    """Return how much two players of the same p0 differ in what held-out p0 change."""
    ours, theirs = (m["slope_held_out"] - m["slope_trained"] for m in (one, other))
    return float(abs(ours - theirs))


def fit_matching(trials: pd.DataFrame) -> Matching:
    """Fit the matching law, NaN where the episodes are too alike."""
    if log_ratios(trials)["reward"].nunique() < 2:
        return Matching(np.nan, np.nan, np.nan, 0)
    return matching(trials)


def slope_on_p0(trials: pd.DataFrame) -> float:
    """Return the slope of log2 choice ratios on log2 p0 ratios, NaN with too few episodes."""
    choice = log_ratios(trials)["choice"]
    if len(choice) < 2:
        return np.nan
    p0 = trials.groupby(["env", "episode"])[["p0_0", "p0_1"]].first().loc[choice.index]
    return float(linregress(np.log2(p0["p0_1"] / p0["p0_0"]), choice).slope)


def fit_history(trials: pd.DataFrame) -> dict[str, list[float]]:
    """Return the weights of past rewards and choices by lag, NaN where they are infinite."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ModelWarning)
            weights = history_regression(trials, LAGS)["coef"]
        return {kind: weights[kind].round(4).tolist() for kind in KINDS}
    except (ModelWarning, np.linalg.LinAlgError):
        return {kind: [np.nan] * LAGS for kind in KINDS}


def points(trials: pd.DataFrame) -> dict[str, list[float]]:
    """Return the log ratios of each episode, and whether it was held out."""
    logs = log_ratios(trials)
    held_out = trials.groupby(["env", "episode"])["held_out"].first()[logs.index]
    return {
        "reward": logs["reward"].round(3).tolist(),
        "choice": logs["choice"].round(3).tolist(),
        "held_out": held_out.tolist(),
    }


def observed_trials(player: Any) -> pd.DataFrame:
    """Return the trials of an observer."""
    envs = held_out_envs(ID, {}, OBSERVER_EPISODES)
    return run_episodes(player(envs, seed=0), seed=TEST_SEED).trials


@cache
def observe() -> dict[str, Measures]:
    """Return the behaviour of players whose strategy is known, by name."""
    players = PLAYERS | FOIL_PLAYERS
    return {name: behaviour(observed_trials(player)) for name, player in players.items()}


@cache
def check_task() -> tuple[float, float]:
    """Check the task's probabilities against the published formula, from choices and rewards only.

    Returns:
        The largest deviation of how often an arm paid from 1 - (1 - p0)^(n + 1), n = 0 ... 6, in
        standard errors; the fraction of training episodes whose p0 lies in a gap.
    """
    trials = observed_trials(MatchingForaging)
    last = trials.groupby(["env", "episode", "choice"])["trial"].shift(fill_value=-1)
    n = trials["trial"] - last - 1
    p0 = trials["p0_0"].where(trials["choice"] == 0, trials["p0_1"])
    p = 1 - (1 - p0) ** (n + 1)
    sums = pd.DataFrame({"more": trials["outcome"] - p, "variance": p * (1 - p)}).groupby(n).sum()
    deviations = (sums["more"].abs() / np.sqrt(sums["variance"]))[: LONGEST + 1]
    envs = gym.make_vec(ID, num_envs=TRAINING_EPISODES, split="train")
    left = envs.reset(seed=TEST_SEED)[1]["p0"][:, 0]
    gaps = ((left > 0.1) & (left < 0.2)) | ((left > 0.3) & (left < 0.4))
    return float(deviations.max()), float(gaps.mean())
