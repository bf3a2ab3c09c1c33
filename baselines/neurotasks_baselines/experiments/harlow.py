"""Simulation 5 of Wang et al. 2018: learning to learn, as Harlow's monkeys did."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotasks.analysis.harlow import side_from_activity
from neurotasks.episodes import Episodes
from neurotasks.tasks.harlow import CHOICE
from neurotasks_baselines.agents.activations import Activations
from neurotasks_baselines.experiments.base import Agents, Experiment, Foils, Measures, Training
from neurotasks_baselines.experiments.claims import REPORTED, Row, between
from neurotasks_baselines.experiments.drawing import draw_mean, legend_of_foils, titled
from neurotasks_baselines.experiments.harlow_common import (
    ACCURACY_CLAIMS,
    FIRST_CHOICE_CLAIMS,
    ID,
    LEARNED_CLAIM,
    MONKEYS_EARLY,
    MONKEYS_LATE,
    QUANTILES,
    QUANTILES_2018,
    TRIAL_NUMBERS,
    TRIALS,
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
from neurotasks_baselines.experiments.learners import NO_ACTION_INPUT
from neurotasks_baselines.plotting import IDEAL, OURS, SMALL, letter_panels, new_figure, style
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import evaluate

CEILING = 0.95
SECOND = "the same agent in the second seventh of its training"


# Claims: findings of Fig. 6.

CLAIMS = (
    *ACCURACY_CLAIMS,
    Row(
        "gain from trial 2 to 6 in the first seventh of training",
        "early_gain",
        "0.02",
        "Wang 2018, Fig. 6c (read by eye, +-0.02)",
        between(-0.06, 0.10),
        kind="number",
        foil=SECOND,
        note=(
            "Later in training, our agents learn everything from the first trial and "
            "have nothing left to gain; the accuracy at trial 6 shows this. Agents "
            "that lack something may pass too: the claim is about what has not been "
            "learned yet."
        ),
        lacking=False,
    ),
    Row(
        "correct at trial 6 in the first seventh of training",
        "quantiles.0.5",
        "0.49",
        "Wang 2018, Fig. 6c (read by eye, +-0.02)",
        between(0.38, 0.60),
        kind="number",
        foil=SECOND,
        note=(
            "Agents that lack something may pass: the claim is about what has not been learned "
            "yet. Accuracy at the end of the training distinguishes them."
        ),
        lacking=False,
    ),
    *FIRST_CHOICE_CLAIMS,
    LEARNED_CLAIM,
    Row(
        "fraction of seeds at ceiling (trials 2-6 >= 0.95)",
        "at_ceiling",
        "0.43 stacked, 0.26 single LSTM",
        "Wang 2016, Fig. 6",
        REPORTED,
        statistic="fraction",
        kind="reported",
        note=(
            "Contradicts the paper: all of our agents learn, because the task is "
            "easier: a row of pixels and a gaze that moves in steps instead of "
            "pictures on a screen."
        ),
    ),
)


# Measure: frozen weights, objects never seen in training.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Let an agent play with the test objects; return its accuracy, and its activity.

    The activity is that of the trained agent (``late``) and, where it was kept, of the same agent
    after a seventh of its training (``early``).
    """
    model = agents["agent"]
    episodes, activations = evaluate(model, num_episodes=num_episodes, seed=seed)
    activities = {"late": activity(episodes, activations)}
    if "agent-early" in agents:
        activities["early"] = activity(
            *evaluate(agents["agent-early"], num_episodes=num_episodes, seed=seed)
        )
    found = measure_accuracy(model, episodes)
    return {
        "activity": activities,
        "finished": float((episodes.trials.groupby("env").size() == TRIALS).mean()),
        "foils": {SECOND: {"quantiles": found["quantiles"][1:]}},
        **found,
    }


def activity(episodes: Episodes, activations: Activations) -> Measures:
    """Return how well the rewarded side is decoded from the LSTM, see `side_from_activity`."""
    found = side_from_activity(episodes, activations.hidden, CHOICE, TRIALS)
    return {
        "decoded": found["decoded"].tolist(),
        "preference": found["preference"].round(3).tolist(),
    }


def derive(m: Measures) -> Measures:
    """Return the early gain over trials, the ceiling, and the effect of the first choice."""
    found = {}
    if "quantiles" in m:  # observers are not trained
        early = m["quantiles"][0]
        found["early_gain"] = early[5] - early[1]
    if "accuracy" in m:
        found["learned"] = has_learned(m)
        found["at_ceiling"] = np.min(m["accuracy"][1:]) >= CEILING
        found["first_choice_difference"] = first_choice_difference(m)
    return found


def references() -> Measures:
    """Return the foils."""
    return {"foils": foils()}


# Figure: the layout of Fig. 6.


def draw_preferences(axis: Any, activities: Measures) -> None:
    """Draw the preference of every unit for a side, by trial, early and late in training."""
    late = np.array(activities["late"]["preference"], float)
    order = np.argsort(np.nan_to_num(late[:, 1:]).mean(axis=1))
    early = np.array(activities.get("early", {}).get("preference", np.full(late.shape, np.nan)))
    gap = np.full((len(late), 1), np.nan)
    both = np.hstack([early.astype(float), gap, late])[order]
    top = max(np.nanmax(np.abs(both), initial=0.0), 0.1)
    drawn = axis.imshow(both, cmap="RdBu_r", vmin=-top, vmax=top, aspect="auto")
    axis.figure.colorbar(drawn, label="rewarded right minus left")
    axis.set_xticks([*range(TRIALS), *range(TRIALS + 1, 2 * TRIALS + 1)], [*TRIAL_NUMBERS] * 2)
    axis.set(xlabel="trial", ylabel="LSTM unit", yticks=[])
    axis.set_title("Units early and late, first seed")
    if "early" not in activities:
        axis.text(2.5, len(late) / 2, "no early\nagent kept", ha="center", color=IDEAL)


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw monkeys, the paper's agent and ours over training, and activity early and late."""
    with style():
        fig, axes = new_figure(3, rows=2)
        monkeys = ((MONKEYS_EARLY, "o--", "problems 1-8"), (MONKEYS_LATE, "o-", "problems 257-312"))
        for accuracy, line, label in monkeys:
            axes[0].plot(TRIAL_NUMBERS, accuracy, line, ms=4, color="black", label=label)
        axes[0].legend(fontsize=SMALL, loc="lower right", handlelength=4)
        label_accuracy(axes[0], "Monkeys (Harlow 1949)")
        draw_quantiles(axes[1], QUANTILES_2018)
        label_accuracy(axes[1], "Agent of the paper")
        draw_ours(axes[2], measures, lacking)
        draw_preferences(axes[5], measures[0]["activity"])
        for when, line in (("early", "--"), ("late", "-")):
            found = [m["activity"][when]["decoded"] for m in measures if when in m["activity"]]
            if found:
                look: Any = {"marker": "o", "ms": 4, "ls": line, "label": when}
                draw_mean(axes[4], TRIAL_NUMBERS, found, OURS, **look)
        axes[4].axhline(0.5, ls=":", color=IDEAL)
        axes[4].set(
            xlabel="trial", ylabel="decoding accuracy", xticks=TRIAL_NUMBERS, ylim=(0.3, 1.02)
        )
        axes[4].legend(fontsize=SMALL, loc="lower right", handlelength=4)
        axes[4].set_title(titled("Rewarded side decoded", measures))
        draw_accuracies(axes[3], measures)
        axes[3].axhline(1.0, ls=":", color=IDEAL)
        letter_panels(axes)
        legend_of_foils(fig, lacking)
    return fig


EXPERIMENT = Experiment(
    name="harlow",
    title="Harlow's task: learning to learn",
    question=(
        "Does an agent trained on many pairs of objects solve a new pair after a single trial, as "
        "Harlow's monkeys did?"
    ),
    trainings={"agent": Training(ID, metrics=Metrics(metrics, plot), early=1 / QUANTILES)},
    seeds=range(100, 120),
    algorithms=("ppo", "a2c"),
    lacking=True,
    # objects are seen from where the gaze is, and so which one it reaches
    able=[NO_ACTION_INPUT],
    measure=measure,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "Monkeys at the beginning and at the end of Harlow's experiment: fraction of correct "
        "choices by trial of a problem.",
        "The same of the published network, by sevenths of the training.",
        "The same of ours, the trained agents in red. In black, an observer that learns from "
        "rewards only, without knowing that the object that did not pay tells which one "
        "does.",
        "Accuracy after the first trial in held-out problems over the training.",
        "Accuracy of a decoder that reads the side of the rewarded object from the recurrent "
        "state, early in training and after it.",
        "How much each unit prefers the rewarded object on the right, by trial, early in "
        "training (left) and after it (right).",
    ),
    derive=derive,
    references=references,
)
