"""The two-step task of Wang et al. 2016, without reversals: model-based choices.

Within an episode the better state never changes, so that whoever infers it soon repeats the same
choice whatever happens: staying is measured in the first trials. Hyperparameters are those of the
two-step task of 2018, unchanged.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from neurotasks.analysis.two_step import CONDITIONS, stay_effects, stay_probabilities
from neurotasks.episodes import run_episodes
from neurotasks.observers import BayesTwoStep, ModelFreeTwoStep
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.experiments.base import Agents, Experiment, Foils, Measures, Training
from neurotasks_baselines.experiments.claims import FOILS, Row, at_least, at_most, between, learned
from neurotasks_baselines.experiments.drawing import (
    MARKS,
    draw_learning,
    legend_of_foils,
    reward_per_trial,
    titled,
)
from neurotasks_baselines.experiments.learners import NO_ACTION_INPUT
from neurotasks_baselines.experiments.two_step import metrics
from neurotasks_baselines.experiments.two_step_figure import (
    draw_lags,
    draw_stays,
    draw_stays_of_foils,
)
from neurotasks_baselines.experiments.two_step_measures import (
    CUE,
    INDICES,
    MODEL_FREE,
    RewardAsCue,
    lagged_weights,
)
from neurotasks_baselines.experiments.two_step_strategies import (
    FREE_FIT,
    LATENT_STATE,
    REWARD_AS_CUE,
    strategy_fits,
)
from neurotasks_baselines.plotting import IDEAL, letter_panels, new_figure, style
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs

ID = "neurotasks/TwoStep2016-v0"
EARLY = 20  # first trials, whose staying is measured
OBSERVER_EPISODES = 1000
Q1 = {"alpha": 0.1, "beta": 50.0}  # earns most of a grid of 12
CHANCE, IDEAL_REWARD = 0.5, 0.697  # per trial, computed
HALF_WAY = (CHANCE + IDEAL_REWARD) / 2
IDEAL_NAME = "Bayesian observer"
PAPER = "Wang 2016, two-step task (direction)"
NOT_LEARNED = (
    "Agents that lack something may pass: an agent that learns nothing from reward shows no effect "
    "of it either. The interaction detects it."
)

CLAIMS = (
    Row(
        f"reward x transition interaction of staying in the first {EARLY} trials (model-based)",
        "interaction_effect",
        "> 0 (0.30 Bayesian observer, 0.33 with a 1 % lapse)",
        f"{PAPER}; values computed",
        between(0.2, 0.45),
        kind="direction",
        foil=CUE,
        note="A learner that takes the last trial as a cue always follows it, and has 1.",
    ),
    Row(
        f"main effect of reward on staying in the first {EARLY} trials (model-free), size",
        "reward_effect_size",
        "0 (-0.01 Bayesian observer)",
        f"{PAPER}; values computed",
        at_most(0.1),
        kind="direction",
        foil=MODEL_FREE,
        note=NOT_LEARNED,
        lacking=False,
    ),
    Row(
        "model-based minus model-free index of the 5-lag regression",
        "index_difference",
        "> 0 (5.9 Bayesian observer with a 1 % lapse)",
        f"{PAPER}; indices of Miller 2017; the bound is half the observer's",
        at_least(3.0),
        kind="direction",
        foil=MODEL_FREE,
    ),
    Row(
        "reward per trial",
        "reward_per_trial",
        f"{IDEAL_REWARD} ideal",
        "computed: Bayesian observer, and the best of a grid of Q(1) learners",
        at_least(0.685),
        kind="reference",
        foil=MODEL_FREE,
    ),
    *(
        Row(
            f"log likelihood per choice: inferring the latent state, less {words}",
            f"latent_over.{name}",
            f"> 0 ({value} Bayesian observer with a 1 % lapse)",
            "Akam 2015; the bound is half the observer's",
            at_least(bound),
            kind="reference",
            foil=foil,
            note="In nats, for the same choices, each strategy with its best softmax.",
        )
        for name, words, value, bound, foil in (
            (REWARD_AS_CUE, "taking state and reward of the last trial for a cue", 0.28, 0.14, CUE),
            (FREE_FIT, "a model-free learner", 0.12, 0.06, MODEL_FREE),
        )
    ),
    learned(
        f"reward per trial at least {HALF_WAY:.2f}; chance has {CHANCE}, the ideal observer "
        f"{IDEAL_REWARD}"
    ),
)


# Measure: frozen weights, held-out episodes.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Let an agent play; return its behaviour."""
    model = agents["agent"]
    episodes, _ = evaluate(model, num_episodes=num_episodes, seed=seed)
    return {**behaviour(episodes.trials), "history": model.description["history"]}


def behaviour(trials: pd.DataFrame) -> Measures:
    """Return staying in the first trials and its effects, reward, and fits to all choices."""
    stays = stay_probabilities(trials[trials["trial"] < EARLY])
    return {
        "stays": stays,
        **{f"{name}_effect": value for name, value in stay_effects(stays).items()},
        "reward_per_trial": float(trials["trial_reward"].mean()),
        "lags": lagged_weights(trials),
        "strategies": strategy_fits(trials, held_out_envs(ID, {}, 1).parameters),
    }


@cache
def observe() -> dict[str, Measures]:
    """Return the behaviour of the ideal observer, and of two learners that are foils."""
    envs = held_out_envs(ID, {}, OBSERVER_EPISODES)
    players = {
        IDEAL_NAME: BayesTwoStep(envs, seed=0),
        MODEL_FREE: ModelFreeTwoStep(envs, seed=0, **Q1),
        CUE: RewardAsCue(envs, seed=0),
    }
    return {
        name: behaviour(run_episodes(player, seed=TEST_SEED).trials)
        for name, player in players.items()
    }


def derive(m: Measures) -> Measures:
    """Return size and difference of effects, and who learned."""
    weights = np.array([m["lags"][name] for name in CONDITIONS])
    index = {kind: weights.sum(axis=1) @ signs for kind, signs in INDICES.items()}
    return {
        "reward_effect_size": abs(m["reward_effect"]),
        "index_difference": index["model-based"] - index["model-free"],
        "latent_over": {
            name: m["strategies"][LATENT_STATE] - m["strategies"][name]
            for name in (REWARD_AS_CUE, FREE_FIT)
        },
        "learned": m["reward_per_trial"] >= HALF_WAY,
    }


def references() -> Measures:
    """Return the foils."""
    return {FOILS: {name: observe()[name] for name in (MODEL_FREE, CUE)}}


# Figure: staying, what past trials weigh, and how it was learned.


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw staying in the first trials, the regression on past trials, and learning curves."""
    with style():
        fig, axes = new_figure(3, width=3.8, height=3.2)
        ideal = observe()[IDEAL_NAME]["stays"]
        draw_stays(axes[0], [m["stays"] for m in measures], ideal, published=None)
        draw_stays_of_foils(axes[0], observe(), lacking)
        axes[0].set_title(titled(f"First {EARLY} trials", measures))
        draw_lags(axes[1], measures)
        draw_learning(axes[2], [m["history"] for m in measures], reward_per_trial)
        for value, colour in ((CHANCE, IDEAL), (IDEAL_REWARD, "black")):
            axes[2].axhline(value, ls=":", color=colour)
        axes[2].set(ylabel="reward per trial", ylim=(0.4, 0.8))
        axes[2].set_title(titled("Learning, held-out episodes", measures))
        letter_panels(axes)
        legend_of_foils(fig, lacking, **MARKS)
    return fig


EXPERIMENT = Experiment(
    name="two-step-2016",
    title="Two-step task of 2016: model-based choices without reversals",
    question=(
        "Does a network that must find out in each episode which second-stage state is the better "
        "one treat rare transitions as a model-based learner does?"
    ),
    trainings={"agent": Training(ID, metrics=Metrics(metrics))},
    seeds=range(100, 105),
    lacking=True,
    able=(NO_ACTION_INPUT,),
    measure=measure,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "How often the first-stage choice is repeated, after each kind of trial, in the "
        "first 20 trials of an episode, next to the ideal observer (dotted), two learners "
        "(white) and agents that lack something (grey).",
        "What each kind of earlier trial weighs in a regression of whether its choice is repeated.",
        "Reward in held-out episodes over the training; dotted, chance (grey) and the ideal "
        "observer (black).",
    ),
    derive=derive,
    references=references,
)
