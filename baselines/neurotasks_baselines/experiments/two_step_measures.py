"""What is measured of behaviour and units in the two-step task, and what observers show."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from neurotasks.analysis.two_step import (
    CONDITIONS,
    LearnerRpes,
    miller_regression,
    model_based_rpes,
    model_free_rpes,
    stay_effects,
    stay_probabilities,
)
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.observers import BayesTwoStep, ModelFreeTwoStep
from neurotasks.observers.two_step import update_belief
from neurotasks.scores import TEST_SEED
from neurotasks.tasks.two_step import FIRST, SECOND
from neurotasks_baselines.agents.activations import Activations
from neurotasks_baselines.experiments.base import Measures
from neurotasks_baselines.experiments.two_step_strategies import strategy_fits
from neurotasks_baselines.training.evaluate import held_out_envs

ID = "neurotasks/TwoStep-v0"
LAGS, RIDGE = 5, 1e-3
INDICES = {"model-based": (1, -1, -1, 1), "model-free": (1, 1, -1, -1)}  # over CONDITIONS
PUBLISHED_STAYS = dict(zip(CONDITIONS, (0.991, 0.637, 0.620, 0.991), strict=True))
ALPHAS = np.arange(0.1, 1.0, 0.1)
OBSERVER_EPISODES = 4000  # rare trials of the observer within half a percent
FOIL_EPISODES = 1000
MODEL_FREE = "model-free Q(1) learner"
CUE = "reward-as-cue learner"
LATENT = "latent-state inference without planning"
Q1 = {"alpha": 0.3, "beta": 20.0}  # no others of a grid earn more than 0.002 more a trial


def behaviour(trials: pd.DataFrame) -> Measures:
    """Return staying, reward and the weights of past choices."""
    stays = stay_probabilities(trials)
    return {
        "stays": stays,
        **{f"{name}_effect": value for name, value in stay_effects(stays).items()},
        "reward_per_trial": float(trials["trial_reward"].mean()),
        "lags": lagged_weights(trials),
        "strategies": strategy_fits(trials, held_out_envs(ID, {}, 1).parameters),
    }


def lagged_weights(trials: pd.DataFrame) -> dict[str, list[float]]:
    """Return the weights of the last five choices of each kind in the next choice."""
    weights = miller_regression(trials, LAGS, ridge=RIDGE)["coef"]
    return {name: weights[name].sort_index().tolist() for name in CONDITIONS}


@cache
def observe() -> dict[str, dict[str, float]]:
    """Return the stay probabilities of the Bayesian observer, without and with a 1 % lapse."""
    envs = held_out_envs(ID, {}, OBSERVER_EPISODES)
    return {
        name: stay_probabilities(
            run_episodes(BayesTwoStep(envs, seed=0, lapse=lapse), seed=TEST_SEED).trials
        )
        for name, lapse in (("ideal", 0.0), ("lapsing", 0.01))
    }


class RewardAsCue(BayesTwoStep):
    """Takes the state and outcome of the last trial for a cue, and remembers nothing else."""

    def learn(self, memory: Any, reward: np.ndarray) -> None:
        """Forget, then learn from the outcome."""
        memory["belief"] = 0.5
        super().learn(memory, reward)


def cue_rpes(trials: pd.DataFrame, parameters: Any) -> LearnerRpes:
    """Return the RPEs of `RewardAsCue`, which predicts the reward from the last trial alone."""
    p = parameters
    last = trials.groupby(["env", "episode"])[["second_state", "outcome"]].shift()
    first = last["outcome"].isna().to_numpy()
    state, reward = (last[name].fillna(0).to_numpy() for name in ("second_state", "outcome"))
    belief = np.where(first, 0.5, update_belief(np.full(len(trials), 0.5), state, reward, p))
    state_1 = belief * p.p_reward + (1 - belief) * (1 - p.p_reward)
    common, reached = (
        np.where(trials[name] == 1, state_1, 1 - state_1) for name in ("choice", "second_state")
    )
    expected = p.p_common * common + (1 - p.p_common) * (1 - common)
    return LearnerRpes(reached - expected, trials["outcome"].to_numpy() - reached)


@cache
def foils() -> dict[str, Measures]:
    """Return the measures of three players that lack what the agent is said to have."""
    envs = held_out_envs(ID, {}, FOIL_EPISODES)
    players: dict[str, tuple[Any, Any]] = {
        MODEL_FREE: (
            ModelFreeTwoStep(envs, seed=0, **Q1),
            lambda trials, _: model_free_rpes(trials, Q1["alpha"]),
        ),
        CUE: (RewardAsCue(envs, seed=0), cue_rpes),
        LATENT: (BayesTwoStep(envs, seed=0), model_based_rpes),  # plans nothing: it maps the belief
    }
    found = {}
    for name, (player, rpes) in players.items():
        trials = run_episodes(player, seed=TEST_SEED).trials
        found[name] = {
            **behaviour(trials),
            **rpe_fits(trials, rpes(trials[trials["outcome"] >= 0], envs.unwrapped.parameters)),
        }
    return found


def rpe_fits(trials: pd.DataFrame, rpes: LearnerRpes) -> Measures:
    """Return the fit of somebody's RPEs by those of two learners given the same choices.

    The model-free learner gets the learning rate that suits it best. The last trial of an episode
    is left out: its end is a loss of all future reward that the agent cannot see coming.

    Args:
        trials: Trial table.
        rpes: RPEs in its valid trials.
    """
    trials = trials[trials["outcome"] >= 0]
    parameters: Any = held_out_envs(ID, {}, 1).parameters
    counts = (trials["trial"] < parameters.trials - 1).to_numpy()
    whole = np.ones(len(trials), np.bool_)

    def fit(learner: LearnerRpes, counts: np.ndarray = counts) -> tuple[float, np.ndarray]:
        theirs, ours = (np.r_[x.arrival[counts], x.outcome[counts]] for x in (learner, rpes))
        return float(stats.pearsonr(ours, theirs).statistic ** 2), theirs

    learner = model_based_rpes(trials, parameters)
    r2_based, based = fit(learner)
    r2_free, free = max(
        (fit(model_free_rpes(trials, float(alpha))) for alpha in ALPHAS), key=lambda f: f[0]
    )
    ours = np.r_[rpes.arrival[counts], rpes.outcome[counts]]
    sample = np.random.default_rng(0).choice(len(ours), min(400, len(ours)), replace=False)
    return {
        "r2_model_based": r2_based,
        "r2_with_last_trial": fit(learner, whole)[0],
        "r2_model_free": r2_free,
        "rpe_sample": np.stack([based, free, ours])[:, sample].round(4).tolist(),
    }


def agent_rpes(episodes: Episodes, activations: Activations) -> LearnerRpes:
    """Return the agent's RPEs at the second-stage state and at the outcome of each valid trial.

    They are in the order of the valid rows of the trial table (env, trial).
    """
    valid_choice = (episodes.truth["stage"] == FIRST) & (episodes.actions < 2) & episodes.alive
    valid_reply = (episodes.truth["stage"] == SECOND) & (episodes.actions < 2) & episodes.alive
    arrival, outcome = [], []
    for env in range(episodes.actions.shape[1]):
        reply = np.flatnonzero(valid_reply[:, env])
        choice = reply - 1  # the step before the second stage is the choice
        arrival.append(activations.rpe[choice[valid_choice[choice, env]], env])
        outcome.append(activations.rpe[reply, env])
    return LearnerRpes(np.concatenate(arrival), np.concatenate(outcome))
