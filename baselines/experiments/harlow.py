"""Simulation 5 of Wang et al. 2018: learning to learn, as Harlow's monkeys did."""

from __future__ import annotations

from typing import Any

import numpy as np

from baselines.agents import Inside
from baselines.claims import Claim, over_seeds
from baselines.experiments.base import Agents, Experiment, Measures, Training
from baselines.plotting import IDEAL, OURS, PUBLISHED, new_figure, style
from baselines.training import Watch, evaluate
from neurotasks.analysis.harlow import accuracy_after_first, accuracy_by_trial
from neurotasks.recording import Recording

TRIALS = 6
QUANTILES = 7
AGENT_2018 = (0.546, 0.966, 0.978, 0.977, 0.989, 0.984)
MONKEYS_LATE = (0.50, 0.965, 0.976, 0.980, 0.984, 0.984)
MONKEYS_EARLY = (0.50, 0.519, 0.586, 0.686, 0.719, 0.779)
PAPER = "Wang 2018, Fig. 6c (digitised, +-0.005)"
CEILING = 0.95


# Watch: what TensorBoard shows while the agent learns.


def watch(recording: Recording) -> dict[str, float]:
    """Return the accuracy at each trial number, and how many trials it rests on."""
    accuracy = accuracy_by_trial(recording.trials, TRIALS)
    counts = recording.trials.groupby("trial").size().reindex(range(TRIALS), fill_value=0)
    return {
        **{f"accuracy_{i + 1}": float(value) for i, value in enumerate(accuracy)},
        **{f"trials_{i + 1}": float(count) for i, count in enumerate(counts)},
        "reward_per_trial": float(recording.trials["trial_reward"].mean()),
    }


def sketch(recording: Recording, inside: Inside) -> Any:
    """Draw the accuracy by trial number of one evaluation."""
    with style():
        figure, axes = new_figure(1)
        axes[0].plot(range(1, TRIALS + 1), accuracy_by_trial(recording.trials, TRIALS), "o-")
        axes[0].set(xlabel="trial", ylabel="correct", ylim=(0.4, 1.02))
    return figure


# Measure: frozen weights, objects never seen in training.


def measure(agents: Agents, episodes: int) -> Measures:
    """Let an agent play with the test objects and return its accuracy."""
    model = agents["agent"]
    recording, _ = evaluate(model, episodes=episodes)
    history = model.description["history"]
    return {
        "accuracy": accuracy_by_trial(recording.trials, TRIALS).tolist(),
        "after_first": accuracy_after_first(recording.trials),
        "finished": float((recording.trials.groupby("lane").size() == TRIALS).mean()),
        "quantiles": training_quantiles(history).tolist(),
        "history": history,
    }


def training_quantiles(history: list[dict[str, float]]) -> np.ndarray:
    """Return accuracy by trial in each seventh of the training, from its evaluations.

    Args:
        history: the rows of `watch`, with their ``steps``.

    Returns:
        Fractions (7, 6), NaN where no trial was reached.
    """
    steps = np.array([row["steps"] for row in history], float)
    part = np.minimum((QUANTILES * steps / steps[-1]).astype(int), QUANTILES - 1)
    names = range(1, TRIALS + 1)
    accuracy = np.array([[row[f"accuracy_{i}"] for i in names] for row in history], float)
    counts = np.array([[row[f"trials_{i}"] for i in names] for row in history], float)
    correct = np.nan_to_num(accuracy) * counts
    with np.errstate(invalid="ignore"):
        return np.stack(
            [correct[part == q].sum(0) / counts[part == q].sum(0) for q in range(QUANTILES)]
        )


# Claims: spec of simulation 5, published value and criterion.


def claims(measures: list[Measures]) -> list[Claim]:
    """State the findings of Fig. 6 over the seeds."""

    def claim(
        text: str, values: list[float], published: str, source: str, **bounds: float
    ) -> Claim:
        return over_seeds("harlow", text, values, published=published, source=source, **bounds)

    accuracy = np.array([m["accuracy"] for m in measures])
    bounds = [(0.44, 0.56), (0.90, 1.0)] + [(0.93, 1.0)] * 4
    result = [
        claim(
            f"correct at trial {i + 1}, new objects",
            accuracy[:, i].tolist(),
            f"{AGENT_2018[i]:.3f} (monkeys {MONKEYS_LATE[i]:.3f})",
            PAPER,
            low=bounds[i][0],
            high=bounds[i][1],
        )
        for i in range(TRIALS)
    ]
    early = np.array([m["quantiles"][0] for m in measures])
    regardless = [abs(m["after_first"]["right"] - m["after_first"]["wrong"]) for m in measures]
    ceiling = float(np.mean(accuracy[:, 1:].min(axis=1) >= CEILING))
    result += [
        claim(
            "gain from trial 2 to 6 in the first seventh of training",
            (early[:, 5] - early[:, 1]).tolist(),
            "0.02",
            "Wang 2018, Fig. 6c (read by eye, +-0.02)",
            high=0.10,
        ),
        claim(
            "correct at trial 6 in the first seventh of training",
            early[:, 5].tolist(),
            "0.49",
            "Wang 2018, Fig. 6c (read by eye, +-0.02)",
            high=0.60,
        ),
        claim(
            "difference at trial 2 between a right and a wrong first choice",
            regardless,
            "none",
            "Wang 2016: perfect from trial 2 regardless of the first choice",
            high=0.05,
        ),
        claim(
            f"fraction of seeds at ceiling (trials 2-6 >= {CEILING:g})",
            [ceiling],
            "0.43 stacked, 0.26 single LSTM",
            "Wang 2016, Fig. 6",
            seeds=len(measures),
        ),
    ]
    return result


# Figure: the layout of Fig. 6.


def figure(measures: list[Measures]) -> Any:
    """Draw the monkeys, the paper's agent, ours over training, and the learning curves."""
    with style():
        fig, axes = new_figure(3)
        trials = np.arange(1, TRIALS + 1)
        axes[0].plot(trials, MONKEYS_EARLY, "o--", color=IDEAL, label="monkeys, problems 1-8")
        axes[0].plot(trials, MONKEYS_LATE, "o-", color=IDEAL, label="monkeys, problems 257-312")
        axes[0].plot(trials, AGENT_2018, "s-", color=PUBLISHED, label="agent of the paper")
        final = np.array([m["accuracy"] for m in measures])
        axes[0].plot(trials, np.median(final, axis=0), "D-", color=OURS, label="ours, new objects")
        axes[0].set_title("After training")
        quantiles = np.array([m["quantiles"] for m in measures])
        medians = np.ma.median(np.ma.masked_invalid(quantiles), axis=0).filled(np.nan)
        for q, row in enumerate(medians):
            shade = (q + 2) / (QUANTILES + 1)
            axes[1].plot(trials, row, "o-", ms=3, color=OURS, alpha=shade, label=f"{q + 1}/7")
        axes[1].set_title("Ours, by seventh of training")
        for axis in axes[:2]:
            axis.set(xlabel="trial", ylabel="fraction correct", ylim=(0.38, 1.02))
            axis.legend(fontsize=6, loc="lower right", ncols=1 if axis is axes[0] else 4)
        for m in measures:
            steps = [row["steps"] / 1e6 for row in m["history"]]
            later = [np.mean([row[f"accuracy_{i}"] for i in range(2, 7)]) for row in m["history"]]
            axes[2].plot(steps, later, color=OURS, lw=0.8)
        axes[2].axhline(1.0, ls=":", color=IDEAL)
        axes[2].set(xlabel="million steps", ylabel="correct, trials 2-6", ylim=(0.38, 1.02))
        axes[2].set_title("Learning, one line a seed")
    return fig


EXPERIMENT = Experiment(
    name="harlow",
    title="Harlow's task: learning to learn",
    question=(
        "Does an agent trained on many pairs of objects come to solve a new pair after a single "
        "trial, as Harlow's monkeys did?"
    ),
    trainings={"agent": Training("neurotasks/Harlow-v0", watch=Watch(watch, sketch))},
    seeds=range(5),
    measure=measure,
    claims=claims,
    figure=figure,
)
