"""Simulation 4 of Wang et al. 2018: model-based behaviour and RPEs in the two-step task."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotasks.analysis.two_step import CONDITIONS, stay_probabilities
from neurotasks.episodes import Episodes
from neurotasks_baselines.agents.activations import Activations
from neurotasks_baselines.experiments.base import Agents, Experiment, Measures, Training
from neurotasks_baselines.experiments.claims import (
    REPORTED,
    Row,
    at_least,
    at_most,
    between,
    learned,
)
from neurotasks_baselines.experiments.learners import NO_ACTION_INPUT
from neurotasks_baselines.experiments.two_step_figure import draw_stays, figure
from neurotasks_baselines.experiments.two_step_measures import (
    CUE,
    ID,
    INDICES,
    LATENT,
    MODEL_FREE,
    PUBLISHED_STAYS,
    agent_rpes,
    behaviour,
    foils,
    observe,
    rpe_fits,
)
from neurotasks_baselines.experiments.two_step_strategies import (
    FREE_FIT,
    LATENT_STATE,
    REWARD_AS_CUE,
)
from neurotasks_baselines.plotting import new_figure, style
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import evaluate

PAPER = "Wang 2018, Fig. 5 (digitised, +-0.005)"
LAPSING_OBSERVER = dict(zip(CONDITIONS, (0.989, 0.635, 0.626, 0.989), strict=True))
HALF_WAY = (0.5 + 0.705) / 2  # from the reward per trial by chance to the ideal observer's


# Claims: findings of Fig. 5.

NOT_LEARNED = {"a2c": "Three of 20 agents had not learned the task after 3.6 million steps."}
NOT_ITS_VALUES = {
    "a2c": "Three of 20 agents had not learned the task, and only five of the others have a "
    "model-based learner's values."
}

CLAIMS = (
    Row(
        "P(stay | rewarded common)",
        "stays.rewarded common",
        f"{PUBLISHED_STAYS['rewarded common']:.3f}",
        PAPER,
        at_least(0.95),
        kind="number",
        foil=MODEL_FREE,
        note="Every learner repeats a choice that paid.",
        why=NOT_LEARNED,
    ),
    Row(
        "P(stay | rewarded rare)",
        "stays.rewarded rare",
        f"{PUBLISHED_STAYS['rewarded rare']:.3f}",
        PAPER,
        between(0.55, 0.78),
        kind="number",
        foil=MODEL_FREE,
    ),
    Row(
        "P(stay | unrewarded common)",
        "stays.unrewarded common",
        f"{PUBLISHED_STAYS['unrewarded common']:.3f}",
        PAPER,
        between(0.53, 0.75),  # published seeds: 0.53 to 0.68
        kind="number",
        foil=MODEL_FREE,
        note="After a common transition a model-free learner switches just as often.",
    ),
    Row(
        "P(stay | unrewarded rare)",
        "stays.unrewarded rare",
        f"{PUBLISHED_STAYS['unrewarded rare']:.3f}",
        PAPER,
        at_least(0.95),
        kind="number",
        foil=MODEL_FREE,
        why=NOT_LEARNED,
    ),
    Row(
        "reward x transition interaction of staying (model-based)",
        "interaction_effect",
        "0.363",
        PAPER,
        between(0.263, 0.463),
        kind="number",
        foil=MODEL_FREE,
        why=NOT_LEARNED,
    ),
    Row(
        "reward x transition interaction of staying, as a sign of planning",
        "interaction_effect",
        "0.363",
        PAPER,
        between(0.263, 0.463),
        kind="number",
        foil=LATENT,
        note=(
            "An observer that infers which second-stage state is the better one, and has learned "
            "which choice goes with it, shows all signatures of this table without planning with "
            "a model of the transitions: here 'model-based' also means 'infers the latent state'."
        ),
        why=NOT_LEARNED,
    ),
    Row(
        "main effect of reward on staying (model-free), size",
        "reward_effect_size",
        "0.009",
        PAPER,
        at_most(0.08),
        kind="number",
        foil=MODEL_FREE,
        note=(
            "Agents that lack something may pass: an agent that learns nothing from reward shows "
            "no effect of it either. The interaction detects it."
        ),
        lacking=False,
    ),
    Row(
        "reward per trial",
        "reward_per_trial",
        "0.705 ideal, 0.654 model-free",
        "computed: Bayesian observer and Q(1) learner",
        at_least(0.69),
        kind="reference",
        foil=CUE,
        why=NOT_LEARNED,
    ),
    Row(
        "R2 of the agent's RPEs with a model-based learner's",
        "r2_model_based",
        "0.89",
        "Wang 2018, Fig. 5 (recalled, unverified)",
        between(0.79, 0.99),
        kind="number",
        foil=CUE,
        note=(
            "The last trial of each episode is left out; the value with it is reported separately."
        ),
        why=NOT_ITS_VALUES,
    ),
    Row(
        "R2 of the agent's RPEs with a model-based learner's, with each episode's last trial",
        "r2_with_last_trial",
        "0.89",
        "Wang 2018, Fig. 5 (recalled, unverified)",
        REPORTED,
        kind="reported",
        note=(
            "At the end of an episode the agent loses all future reward, which it cannot see "
            "coming and which the learner does not count."
        ),
    ),
    Row(
        "R2 with the model-based minus R2 with the best model-free learner's RPEs",
        "r2_difference",
        "> 0",
        "Wang 2018, Fig. 5 (direction)",
        at_least(0.1),
        kind="direction",
        foil=MODEL_FREE,
        why=NOT_ITS_VALUES,
    ),
    Row(
        "model-based index of the 5-lag regression",
        "index.model-based",
        "> 0 (15.4 Bayesian observer with a 1 % lapse)",
        "Wang 2018, Fig. 5 (direction); indices of Miller 2017; the bound is half the observer's",
        at_least(7.7),
        kind="direction",
        foil=MODEL_FREE,
        note="A model-free learner's is above 0 too, but smaller than its model-free index.",
    ),
    Row(
        "model-based minus model-free index of the 5-lag regression",
        "index_difference",
        "> 0 (13.9 Bayesian observer with a 1 % lapse)",
        "Wang 2018, Fig. 5 (direction); indices of Miller 2017; the bound is half the observer's",
        at_least(7.0),
        kind="direction",
        foil=MODEL_FREE,
        why=NOT_LEARNED,
    ),
    Row(
        "model-based index of lags 2 to 5",
        "later_index.model-based",
        "11.9",
        "computed: Bayesian observer",
        between(6.0, 18.0),
        kind="reference",
        foil=CUE,
        note="Shows that more than the last trial counts.",
    ),
    Row(
        "model-free index of the 5-lag regression",
        "index.model-free",
        "-",
        "Wang 2018, Fig. 5 (direction); indices of Miller 2017",
        REPORTED,
        kind="reported",
    ),
    *(
        Row(
            f"log likelihood per choice: inferring the latent state, less {words}",
            f"latent_over.{name}",
            f"> 0 ({value} Bayesian observer with a 1 % lapse)",
            "Akam 2015; a control of Wang 2018's supplement (recalled, unverified); the bound is "
            "half the observer's",
            at_least(bound),
            kind="direction",
            foil=foil,
            note=(
                "In nats, for the same choices, each strategy with its best softmax. "
                "Planning and inferring the latent state predict the same choices "
                "here."
            ),
            why=NOT_LEARNED,
        )
        for name, words, value, bound, foil in (
            (REWARD_AS_CUE, "taking state and reward of the last trial for a cue", 0.29, 0.14, CUE),
            (FREE_FIT, "a model-free learner", 0.29, 0.14, MODEL_FREE),
        )
    ),
    learned(f"reward per trial at least {HALF_WAY:.2f}; chance has 0.5, the ideal observer 0.705"),
    Row(
        "largest deviation of the Bayesian observer's stay probabilities (1 % lapse)",
        "references.deviation",
        "0.989 / 0.635 / 0.626 / 0.989",
        "computed reference; checks the task, no training",
        at_most(0.01),
        kind="check",
    ),
)
# Evaluation metrics, shown by TensorBoard during training.


def metrics(episodes: Episodes) -> dict[str, float]:
    """Return the reward per trial and the four stay probabilities."""
    stays = stay_probabilities(episodes.trials)
    return {
        "reward_per_trial": float(episodes.trials["trial_reward"].mean()),
        **{f"stay_{name.replace(' ', '_')}": value for name, value in stays.items()},
    }


def plot(episodes: Episodes, activations: Activations) -> Any:
    """Draw the stay probabilities of one evaluation."""
    with style():
        figure, axes = new_figure(1)
        draw_stays(axes[0], [stay_probabilities(episodes.trials)])
    return figure


# Measure: frozen weights, held-out episodes.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Let an agent play and return its behaviour, and its RPEs next to those of two learners."""
    model = agents["agent"]
    episodes, activations = evaluate(model, num_episodes=num_episodes, seed=seed)
    trials = episodes.trials
    return {
        **behaviour(trials),
        **rpe_fits(trials, agent_rpes(episodes, activations)),
        "history": model.description["history"],
    }


def derive(m: Measures) -> Measures:
    """Return sizes and differences of effects, and indices of the regression on past trials.

    Those of ``later_index`` leave out the last trial. With them, who learned.
    """
    weights = np.array([m["lags"][name] for name in CONDITIONS])
    index, later = (
        {kind: part.sum(axis=1) @ signs for kind, signs in INDICES.items()}
        for part in (weights, weights[:, 1:])
    )
    return {
        "reward_effect_size": abs(m["reward_effect"]),
        "r2_difference": m["r2_model_based"] - m["r2_model_free"],
        "index": index,
        "index_difference": index["model-based"] - index["model-free"],
        "later_index": later,
        "latent_over": {
            name: m["strategies"][LATENT_STATE] - m["strategies"][name]
            for name in (REWARD_AS_CUE, FREE_FIT)
        },
        "learned": m["reward_per_trial"] >= HALF_WAY,
    }


def references() -> Measures:
    """Return the largest deviation of the lapsing observer from its computed stay probabilities.

    With it the foils.
    """
    observer = observe()["lapsing"]
    deviation = max(abs(observer[name] - LAPSING_OBSERVER[name]) for name in CONDITIONS)
    return {"deviation": deviation, "foils": foils()}


EXPERIMENT = Experiment(
    name="two-step",
    title="Two-step task: model-based behaviour from model-free learning",
    question=(
        "Does a network trained by model-free RL choose, and compute prediction errors, as if it "
        "knew the structure of the task?"
    ),
    trainings={"agent": Training(ID, metrics=Metrics(metrics, plot))},
    seeds=range(100, 120),
    algorithms=("a2c", "ppo"),
    lacking=True,
    # the second stage is shown, and its reward does not depend on who chose it
    able=[NO_ACTION_INPUT],
    measure=measure,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "How often the first-stage choice is repeated, after each kind of trial, next to the "
        "published network (red), the ideal observer (dotted), two learners (white) and "
        "agents that lack something (grey).",
        "RPEs of the agents, at the second stage and at the outcome, against those of a "
        "model-based learner on the same trials; each dot is one of a sample of them from "
        "all seeds.",
        "The same against a model-free learner.",
        "Reward in held-out episodes over the training; dotted, the ideal observer.",
        "What each kind of earlier trial weighs in a regression of whether its choice is "
        "repeated. Of a model-based player, rewarded rare and unrewarded common transitions "
        "weigh less than zero.",
        "Likelihood per choice of three strategies, fitted to the choices of the agents and "
        "to those of two learners that use one of them; dotted, chance.",
    ),
    derive=derive,
    references=references,
)
