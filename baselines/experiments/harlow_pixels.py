"""Simulation 5 of Wang et al. 2018 as it is rendered: Harlow's task seen as pictures."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from baselines.claims import Claim, over_seeds
from baselines.experiments.base import Agents, Experiment, Measures, Training
from baselines.experiments.harlow import (
    AGENT_2018,
    MONKEYS_LATE,
    PAPER,
    QUANTILES_2018,
    TRIAL_NUMBERS,
    TRIALS,
    draw_quantiles,
    sketch,
    training_quantiles,
    watch,
)
from baselines.plotting import OURS, PUBLISHED, new_figure, style
from baselines.training import Watch, evaluate
from neurotasks.analysis.harlow import accuracy_after_first, accuracy_by_trial

NAME = "harlow-pixels"
WATCHED = 50  # episodes of an evaluation; before training they last 400 steps of 21 kB each


# Measure: frozen weights, objects never seen in training.


def measure(agents: Agents, episodes: int) -> Measures:
    """Let an agent play with the test objects and return its accuracy."""
    model = agents["agent"]
    recording, _ = evaluate(model, episodes=episodes)
    history = model.description["history"]
    return {
        "accuracy": accuracy_by_trial(recording.trials, TRIALS).tolist(),
        "after_first": accuracy_after_first(recording.trials),
        "quantiles": training_quantiles(history).tolist(),
        "history": history,
    }


# Claims: those of Harlow's task.


def claims(measures: list[Measures]) -> list[Claim]:
    """State the findings of Fig. 6 over the seeds."""
    claim = partial(over_seeds, NAME)
    accuracy = np.array([m["accuracy"] for m in measures], float)
    bounds = [(0.44, 0.56), (0.90, 1.0)] + [(0.93, 1.0)] * 4
    regardless = [abs(m["after_first"]["right"] - m["after_first"]["wrong"]) for m in measures]
    return [
        *(
            claim(
                f"correct at trial {i + 1}, new objects, pictures",
                accuracy[:, i].tolist(),
                f"{AGENT_2018[i]:.3f} (monkeys {MONKEYS_LATE[i]:.3f})",
                PAPER,
                low=low,
                high=high,
            )
            for i, (low, high) in enumerate(bounds)
        ),
        claim(
            "difference at trial 2 between a right and a wrong first choice, pictures",
            regardless,
            "none",
            "Wang 2016: perfect from trial 2 regardless of the first choice",
            high=0.05,
        ),
    ]


# Figure: the layout of Fig. 6.


def figure(measures: list[Measures]) -> Any:
    """Draw accuracy by trial over the training, the paper's agent and ours, and learning."""
    with style():
        fig, axes = new_figure(3)
        draw_quantiles(axes[0], QUANTILES_2018)
        axes[0].set_title("Agent of the paper")
        quantiles = np.array([m["quantiles"] for m in measures], float)
        draw_quantiles(axes[1], np.ma.median(np.ma.masked_invalid(quantiles), 0).filled(np.nan))
        final = np.median([m["accuracy"] for m in measures], axis=0)
        axes[1].plot(TRIAL_NUMBERS, final, "D--", ms=3, color=PUBLISHED)
        axes[1].set_title("Ours, pictures (red: trained, new objects)")
        for axis in axes[:2]:
            axis.set(
                xlabel="trial", ylabel="fraction correct", xticks=TRIAL_NUMBERS, ylim=(0.25, 1.02)
            )
        for m in measures:
            steps = [row["steps"] / 1e6 for row in m["history"]]
            later = [[row[f"accuracy_{i}"] for i in TRIAL_NUMBERS[1:]] for row in m["history"]]
            axes[2].plot(steps, np.array(later, float).mean(axis=1), color=OURS, lw=0.8)
        axes[2].set(xlabel="million steps", ylabel="correct, trials 2-6", ylim=(0.38, 1.02))
        axes[2].set_title("Learning, one line a seed")
    return fig


EXPERIMENT = Experiment(
    name=NAME,
    title="Harlow's task in pictures",
    question="Does an agent that sees pictures of 84 x 84 pixels learn to learn as well?",
    trainings={
        "agent": Training("neurotasks/HarlowPixels-v0", watch=Watch(watch, sketch, WATCHED))
    },
    seeds=range(1, 3),
    measure=measure,
    claims=claims,
    figure=figure,
)
