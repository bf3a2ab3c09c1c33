"""Simulation 5 of Wang et al. 2018 as it is rendered: Harlow's task seen as pictures."""

from __future__ import annotations

from typing import Any

from neurotasks_baselines.experiments.base import Agents, Experiment, Foils, Measures, Training
from neurotasks_baselines.experiments.claims import COUNTED
from neurotasks_baselines.experiments.harlow_common import (
    ACCURACY_CLAIMS,
    FIRST_CHOICE_CLAIMS,
    LEARNED_CLAIM,
    QUANTILES_2018,
    draw_accuracies,
    draw_ours,
    draw_quantiles,
    first_choice_difference,
    foils,
    has_learned,
    label_accuracy,
    measure_accuracy,
    metrics,
    plot,
)
from neurotasks_baselines.plotting import letter_panels, new_figure, style
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import play

NAME = "harlow-pixels"
METRIC_EPISODES = 50  # episodes of an evaluation; before training they last 400 steps of 21 kB each


# Claims: those of Harlow's task.

NOT_LEARNED = {"ppo": "Two of ten agents had not learned the task after 3 million steps."}
CLAIMS = tuple(
    row._replace(
        name=f"{row.name}, pictures",
        why=NOT_LEARNED if row.kind in COUNTED and row.lacking else row.why,
    )
    for row in (*ACCURACY_CLAIMS, *FIRST_CHOICE_CLAIMS, LEARNED_CLAIM)
)


# Measure: frozen weights, objects never seen in training.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Let an agent play with the test objects and return its accuracy."""
    model = agents["agent"]
    episodes = play(model, num_episodes=num_episodes, seed=seed)
    return measure_accuracy(model, episodes)


def derive(m: Measures) -> Measures:
    """Return the effect of the first choice, and who learned."""
    return {"first_choice_difference": first_choice_difference(m), "learned": has_learned(m)}


def references() -> Measures:
    """Return the foils."""
    return {"foils": foils()}


# Figure: the layout of Fig. 6.


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw accuracy by trial over the training, the paper's agent and ours, and learning."""
    with style():
        fig, axes = new_figure(3)
        draw_quantiles(axes[0], QUANTILES_2018)
        label_accuracy(axes[0], "Agent of the paper")
        draw_ours(axes[1], measures, lacking)
        draw_accuracies(axes[2], measures)
        letter_panels(axes)
    return fig


EXPERIMENT = Experiment(
    name=NAME,
    title="Harlow's task in pictures",
    question="Does an agent that sees images of 84 x 84 pixels also learn to learn?",
    trainings={
        "agent": Training(
            "neurotasks/HarlowPixels-v0", metrics=Metrics(metrics, plot, METRIC_EPISODES)
        )
    },
    seeds=range(100, 110),
    measure=measure,
    measure_seconds=25,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "Fraction of correct choices by trial of a problem and by sevenths of the training, "
        "of the published network.",
        "The same of ours, the trained agents in red. Those that have not learned are in the "
        "mean, which widens its interval. In black, an observer that learns from rewards "
        "only.",
        "Accuracy after the first trial in held-out problems over the training.",
    ),
    derive=derive,
    references=references,
)
