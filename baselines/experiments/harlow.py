"""Simulation 5 of Wang et al. 2018: learning to learn, as Harlow's monkeys did."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from baselines.agents import Inside
from baselines.claims import Claim, over_seeds
from baselines.experiments.base import Agents, Experiment, Measures, Training
from baselines.plotting import IDEAL, OURS, PUBLISHED, new_figure, style
from baselines.training import Watch, evaluate
from neurotasks.analysis.harlow import accuracy_after_first, accuracy_by_trial
from neurotasks.recording import Recording
from neurotasks.tasks.harlow import CHOICE

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
CEILING = 0.95
FOLDS = 5  # of episodes, to train and to test the readout
RIDGE = 1.0  # on the squared weights of the readout


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
    """Let an agent play with the test objects; return its accuracy, and its activity.

    The activity is that of the trained agent (``late``) and, where it was kept, of the same agent
    after a seventh of its training (``early``).
    """
    model = agents["agent"]
    recording, inside = evaluate(model, episodes=episodes)
    history = model.description["history"]
    activities = {"late": activity(recording, inside)}
    if "agent-early" in agents:
        activities["early"] = activity(*evaluate(agents["agent-early"], episodes=episodes))
    return {
        "activity": activities,
        "accuracy": accuracy_by_trial(recording.trials, TRIALS).tolist(),
        "after_first": accuracy_after_first(recording.trials),
        "finished": float((recording.trials.groupby("lane").size() == TRIALS).mean()),
        "quantiles": training_quantiles(history).tolist(),
        "history": history,
    }


def activity(recording: Recording, inside: Inside) -> Measures:
    """Return what the recurrent state tells of the rewarded side as soon as objects are seen.

    The paper shows activity early and late in training; the published panel was not available, and
    this one is ours: a state that has learned nothing within the episode tells nothing of the side.

    Returns:
        For each trial ``decoded``, the fraction of sides that a linear readout tells right in
        episodes not trained with, NaN with less than ten episodes a fold; and ``preference``, the
        mean activity of each unit with the rewarded object right minus left, (units, 6).
    """
    choosing = (recording.truth["stage"] == CHOICE) & recording.alive
    onset = choosing.copy()
    onset[1:] &= ~choosing[:-1]
    step, lane = np.nonzero(onset)
    trial, right = (recording.truth[name][step, lane] for name in ("trial", "rewarded_side"))
    units = inside.hidden[step, lane].astype(np.float64)
    decoded = np.full(TRIALS, np.nan)
    preference = np.full((units.shape[1], TRIALS), np.nan)
    for i in range(TRIALS):
        of_trial = trial == i
        if of_trial.sum() < 10 * FOLDS:
            continue
        x, y = units[of_trial], np.where(right[of_trial] == 1, 1.0, -1.0)
        decoded[i] = read_out(x, y, lane[of_trial] % FOLDS)
        preference[:, i] = x[y > 0].mean(axis=0) - x[y < 0].mean(axis=0)
    return {"decoded": decoded.tolist(), "preference": preference.round(3).tolist()}


def read_out(features: np.ndarray, signs: np.ndarray, fold: np.ndarray) -> float:
    """Return how often ridge regression tells a sign right in the folds it was not fitted to.

    Args:
        features: (samples, features).
        signs: +1 or -1, (samples,).
        fold: of each sample, (samples,).
    """
    x = np.column_stack([features, np.ones(len(features))])
    ridge = np.diag([RIDGE] * features.shape[1] + [0.0])  # none on the intercept
    told = np.empty(len(x))
    for number in np.unique(fold):
        train = fold != number
        square = x[train].T @ x[train] + ridge
        told[~train] = x[~train] @ np.linalg.solve(square, x[train].T @ signs[train])
    return float((told * signs > 0).mean())


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
    claim = partial(over_seeds, "harlow")
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


def draw_quantiles(axis: Any, quantiles: Any) -> None:
    """Draw accuracy by trial for each part of the training, darker the later."""
    for q, row in enumerate(quantiles):
        shade = (q + 2) / (QUANTILES + 1)
        axis.plot(TRIAL_NUMBERS, row, "o-", ms=3, color=OURS, alpha=shade, label=f"{q + 1}/7")
    axis.legend(fontsize=6, loc="lower right", ncols=4, title="of training", title_fontsize=6)


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
    axis.set_title("Units, early (left) and late (right)")
    if "early" not in activities:
        axis.text(2.5, len(late) / 2, "no early\nagent kept", ha="center", color=IDEAL)


def figure(measures: list[Measures]) -> Any:
    """Draw monkeys, the paper's agent and ours over training, and activity early and late."""
    with style():
        fig, axes = new_figure(3, rows=2)
        axes[0].plot(TRIAL_NUMBERS, MONKEYS_EARLY, "o--", ms=4, color=IDEAL, label="problems 1-8")
        axes[0].plot(TRIAL_NUMBERS, MONKEYS_LATE, "o-", ms=4, color=IDEAL, label="problems 257-312")
        axes[0].legend(fontsize=6, loc="lower right")
        axes[0].set_title("Monkeys (Harlow 1949)")
        draw_quantiles(axes[1], QUANTILES_2018)
        axes[1].set_title("Agent of the paper")
        quantiles = np.array([m["quantiles"] for m in measures], float)
        draw_quantiles(axes[2], np.ma.median(np.ma.masked_invalid(quantiles), 0).filled(np.nan))
        final = np.array([m["accuracy"] for m in measures], float)
        axes[2].plot(TRIAL_NUMBERS, np.median(final, axis=0), "D--", ms=3, color=PUBLISHED)
        axes[2].set_title("Ours (red: trained, new objects)")
        for axis in axes[:3]:
            axis.set(
                xlabel="trial", ylabel="fraction correct", xticks=TRIAL_NUMBERS, ylim=(0.25, 1.02)
            )
        draw_preferences(axes[5], measures[0]["activity"])
        for when, line in (("early", "o--"), ("late", "o-")):
            found = [m["activity"][when]["decoded"] for m in measures if when in m["activity"]]
            for row in np.array(found, float):
                axes[4].plot(TRIAL_NUMBERS, row, line, ms=2, color=OURS, lw=0.5, alpha=0.6)
            if found:
                middle = np.median(np.array(found, float), axis=0)
                axes[4].plot(TRIAL_NUMBERS, middle, line, ms=4, color=OURS, label=when)
        axes[4].axhline(0.5, ls=":", color=IDEAL)
        axes[4].set(xlabel="trial", ylabel="told right", xticks=TRIAL_NUMBERS, ylim=(0.4, 1.02))
        axes[4].legend(fontsize=6, loc="lower right")
        axes[4].set_title("Rewarded side told from activity")
        for m in measures:
            steps = [row["steps"] / 1e6 for row in m["history"]]
            later = [[row[f"accuracy_{i}"] for i in range(2, 7)] for row in m["history"]]
            axes[3].plot(steps, np.array(later, float).mean(axis=1), color=OURS, lw=0.8)
        axes[3].axhline(1.0, ls=":", color=IDEAL)
        axes[3].set(xlabel="million steps", ylabel="correct, trials 2-6", ylim=(0.38, 1.02))
        axes[3].set_title("Learning, one line a seed")
    return fig


EXPERIMENT = Experiment(
    name="harlow",
    title="Harlow's task: learning to learn",
    question=(
        "Does an agent trained on many pairs of objects come to solve a new pair after a single "
        "trial, as Harlow's monkeys did?"
    ),
    trainings={
        "agent": Training("neurotasks/Harlow-v0", watch=Watch(watch, sketch), early=1 / QUANTILES)
    },
    seeds=range(5),
    measure=measure,
    claims=claims,
    figure=figure,
)
