"""Published values, measures and panels of Harlow's task, shared with its version in pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotasks.analysis.harlow import accuracy_after_first, accuracy_by_trial
from neurotasks.episodes import Episodes
from neurotasks_baselines.agents.activations import Activations
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.experiments.claims import Row, at_most, between
from neurotasks_baselines.plotting import OURS, PUBLISHED, new_figure, style

Measures = dict[str, Any]

TRIALS = 6
TRIAL_NUMBERS = range(1, TRIALS + 1)
QUANTILES = 7
AGENT_2018 = (0.546, 0.966, 0.978, 0.977, 0.989, 0.984)
QUANTILES_2018 = (  # Fig. 6c, all but the last read by eye, +-0.02
    (0.41, 0.47, 0.44, 0.45, 0.45, 0.49),
    (0.44, 0.55, 0.50, 0.59, 0.62, 0.71),
    (0.44, 0.60, 0.61, 0.66, 0.68, 0.79),
    (0.50, 0.70, 0.70, 0.78, 0.76, 0.91),
    (0.53, 0.73, 0.78, 0.85, 0.82, 0.96),
    (0.53, 0.91, 0.95, 0.96, 0.97, 0.96),
    AGENT_2018,
)
MONKEYS_LATE = (0.50, 0.965, 0.976, 0.980, 0.984, 0.984)
MONKEYS_EARLY = (0.50, 0.519, 0.586, 0.686, 0.719, 0.779)
PAPER = "Wang 2018, Fig. 6c (digitised, +-0.005)"


# Claims that both versions of the task make.

ACCURACY_CLAIMS = (
    Row(
        "correct at trial 1, new objects",
        "accuracy.0",
        "0.546 (monkeys 0.500)",
        PAPER,
        between(0.44, 0.56),
        kind="number",
    ),
    Row(
        "correct at trial 2, new objects",
        "accuracy.1",
        "0.966 (monkeys 0.965)",
        PAPER,
        between(0.90, 1.0),
        kind="number",
    ),
    Row(
        "correct at trial 3, new objects",
        "accuracy.2",
        "0.978 (monkeys 0.976)",
        PAPER,
        between(0.93, 1.0),
        kind="number",
    ),
    Row(
        "correct at trial 4, new objects",
        "accuracy.3",
        "0.977 (monkeys 0.980)",
        PAPER,
        between(0.93, 1.0),
        kind="number",
    ),
    Row(
        "correct at trial 5, new objects",
        "accuracy.4",
        "0.989 (monkeys 0.984)",
        PAPER,
        between(0.93, 1.0),
        kind="number",
    ),
    Row(
        "correct at trial 6, new objects",
        "accuracy.5",
        "0.984 (monkeys 0.984)",
        PAPER,
        between(0.93, 1.0),
        kind="number",
    ),
)
FIRST_CHOICE_CLAIM = Row(
    "difference at trial 2 between a right and a wrong first choice",
    "first_choice_difference",
    "none",
    "Wang 2016: perfect from trial 2 regardless of the first choice",
    at_most(0.05),
    kind="number",
)


# Evaluation metrics, shown by TensorBoard during training.


def metrics(episodes: Episodes) -> dict[str, float]:
    """Return the accuracy at each trial number, and the number of trials it rests on."""
    accuracy = accuracy_by_trial(episodes.trials, TRIALS)
    counts = episodes.trials.groupby("trial").size().reindex(range(TRIALS), fill_value=0)
    return {
        **{f"accuracy_{i + 1}": float(value) for i, value in enumerate(accuracy)},
        **{f"trials_{i + 1}": float(count) for i, count in enumerate(counts)},
        "reward_per_trial": float(episodes.trials["trial_reward"].mean()),
    }


def plot(episodes: Episodes, activations: Activations) -> Any:
    """Draw the accuracy by trial number of one evaluation."""
    with style():
        figure, axes = new_figure(1)
        axes[0].plot(TRIAL_NUMBERS, accuracy_by_trial(episodes.trials, TRIALS), "o-")
        axes[0].set(xlabel="trial", ylabel="correct", ylim=(0.4, 1.02))
    return figure


# Measure: frozen weights, objects never seen in training.


def measure_accuracy(model: FusedRecurrentPPO, episodes: Episodes) -> Measures:
    """Return the accuracy of an agent in these episodes, and over its training."""
    history = model.description["history"]
    return {
        "accuracy": accuracy_by_trial(episodes.trials, TRIALS).tolist(),
        "after_first": accuracy_after_first(episodes.trials),
        "quantiles": training_quantiles(history).tolist(),
        "history": history,
    }


def training_quantiles(history: list[dict[str, float]]) -> np.ndarray:
    """Return accuracy by trial in each seventh of the training, from its evaluations.

    Args:
        history: Rows of `metrics`, with their ``steps``.

    Returns:
        Fractions (7, 6), NaN where no trial was reached.
    """
    steps = np.array([row["steps"] for row in history], float)
    part = np.minimum((QUANTILES * steps / steps[-1]).astype(int), QUANTILES - 1)
    accuracy, counts = (
        np.array([[row[f"{name}_{i}"] for i in TRIAL_NUMBERS] for row in history], float)
        for name in ("accuracy", "trials")
    )
    correct = np.nan_to_num(accuracy) * counts
    with np.errstate(invalid="ignore"):
        return np.stack(
            [correct[part == q].sum(0) / counts[part == q].sum(0) for q in range(QUANTILES)]
        )


def first_choice_difference(m: Measures) -> float:
    """Return the effect of the first choice on the accuracy at trial 2."""
    return float(abs(m["after_first"]["right"] - m["after_first"]["wrong"]))


# Panels: the layout of Fig. 6.


def draw_quantiles(axis: Any, quantiles: Any) -> None:
    """Draw accuracy by trial for each part of the training, darker the later."""
    for q, row in enumerate(quantiles):
        shade = (q + 2) / (QUANTILES + 1)
        axis.plot(TRIAL_NUMBERS, row, "o-", ms=3, color=OURS, alpha=shade, label=f"{q + 1}/7")
    axis.legend(fontsize=6, loc="lower right", ncols=4, title="of training", title_fontsize=6)


def draw_ours(axis: Any, measures: list[Measures]) -> None:
    """Draw the medians over the seeds: each part of the training, and the trained agents."""
    quantiles = np.array([m["quantiles"] for m in measures], float)
    draw_quantiles(axis, np.ma.median(np.ma.masked_invalid(quantiles), 0).filled(np.nan))
    final = np.array([m["accuracy"] for m in measures], float)
    axis.plot(TRIAL_NUMBERS, np.median(final, axis=0), "D--", ms=3, color=PUBLISHED)


def label_accuracy(axis: Any, title: str) -> None:
    """Put the labels and limits on a panel of accuracy by trial."""
    axis.set(xlabel="trial", ylabel="fraction correct", xticks=TRIAL_NUMBERS, ylim=(0.25, 1.02))
    axis.set_title(title)


def draw_learning(axis: Any, measures: list[Measures]) -> None:
    """Draw the accuracy after the first trial over the training, one line per seed."""
    for m in measures:
        steps = [row["steps"] / 1e6 for row in m["history"]]
        later = [[row[f"accuracy_{i}"] for i in TRIAL_NUMBERS[1:]] for row in m["history"]]
        axis.plot(steps, np.array(later, float).mean(axis=1), color=OURS, lw=0.8)
    axis.set(xlabel="million steps", ylabel="correct, trials 2-6", ylim=(0.38, 1.02))
    axis.set_title("Learning, one line per seed")
