"""Published values, measures and panels of Harlow's task, shared with its version in pictures."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from neurotasks.analysis.harlow import accuracy_after_first, accuracy_by_trial
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.observers import HarlowObserver, Observer
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.agents.activations import Activations
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.experiments.base import Foils, Measures
from neurotasks_baselines.experiments.claims import Row, at_least, at_most, between, learned
from neurotasks_baselines.experiments.drawing import (
    draw_foils,
    draw_learning,
    mean_and_interval,
    titled,
)
from neurotasks_baselines.plotting import OURS, PUBLISHED, SMALL, new_figure, style
from neurotasks_baselines.training.evaluate import held_out_envs

ID = "neurotasks/Harlow-v0"
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
REGARDLESS = "Wang 2016: perfect from trial 2 regardless of the first choice"
FROM_REWARDS = "learner from rewards only"  # not from their absence
GUESSES = "guesses in every trial"
FOIL_EPISODES = 4000
HALF_WAY = (0.5 + 1.0) / 2  # from guesses to the observer, who knows after one trial
NOT_LEARNED = {"a2c": "Only three of 20 agents learned the task in 8 million steps."}
SLOW = "From trial 4 on, a learner that uses rewards only, and needs several trials, does as well."


# Claims that both versions of the task make.

ACCURACY_CLAIMS = (
    Row(
        "correct at trial 1, new objects",
        "accuracy.0",
        "0.546 (monkeys 0.500)",
        PAPER,
        between(0.44, 0.56),
        kind="check",
        note="Nobody can know which new object pays.",
    ),
    *(
        Row(
            f"correct at trial {trial}, new objects",
            f"accuracy.{trial - 1}",
            f"{AGENT_2018[trial - 1]:.3f} (monkeys {MONKEYS_LATE[trial - 1]:.3f})",
            PAPER,
            at_least(0.90 if trial == 2 else 0.93),
            kind="number",
            foil=FROM_REWARDS,
            note=SLOW if trial > 3 else "",
            why=NOT_LEARNED,
        )
        for trial in TRIAL_NUMBERS[1:]
    ),
)
FIRST_CHOICE_CLAIMS = (
    Row(
        "difference at trial 2 between a right and a wrong first choice",
        "first_choice_difference",
        "none",
        REGARDLESS,
        at_most(0.05),
        kind="direction",
        foil=GUESSES,
        note="An agent that learns nothing shows no difference either; the next row detects it.",
        why=NOT_LEARNED,
        lacking=False,
    ),
    Row(
        "correct at trial 2 after a wrong first choice",
        "after_first.wrong",
        "perfect",
        REGARDLESS,
        at_least(0.90),
        kind="direction",
        foil=FROM_REWARDS,
        why=NOT_LEARNED,
    ),
)


LEARNED_CLAIM = learned(
    f"correct at least {HALF_WAY:g} in trials 2 to 6; guesses have 0.5, the observer 1"
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
        **accuracies(episodes),
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


class PartialLearner:
    """The observer of the task, except that it learns less from what follows its choices.

    Args:
        observer: Observer.
        from_rewards: Whether it learns which object pays when it is paid; otherwise never.
    """

    def __init__(self, observer: Observer, from_rewards: bool) -> None:
        self.observer, self.from_rewards = observer, from_rewards

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Choose actions as the observer does, then forget what it should not have learned."""
        before = False if state is None else state["known"]
        actions, state = self.observer.predict(observation, state, episode_start, deterministic)
        feedback = observation["feedback"] if isinstance(observation, dict) else observation
        state["known"] &= before | (self.from_rewards & (feedback[:, -1] > 0))
        return actions, state


@cache
def foils() -> dict[str, Measures]:
    """Return the accuracy of two players that lack what the agent is said to have.

    They play the version without pictures: whoever recognises objects for certain is as accurate in
    the other one, which takes too long for as many episodes.
    """
    envs = held_out_envs(ID, {}, FOIL_EPISODES)
    observer = HarlowObserver(envs, seed=0)
    found = {}
    for name, from_rewards in ((FROM_REWARDS, True), (GUESSES, False)):
        player = PartialLearner(observer, from_rewards)
        found[name] = accuracies(run_episodes(player, envs, seed=TEST_SEED))
    return found


def accuracies(episodes: Episodes) -> Measures:
    """Return the accuracy by trial, and at trial 2 by the first choice."""
    return {
        "accuracy": accuracy_by_trial(episodes.trials, TRIALS).tolist(),
        "after_first": accuracy_after_first(episodes.trials),
    }


def first_choice_difference(m: Measures) -> float:
    """Return the effect of the first choice on the accuracy at trial 2."""
    return float(abs(m["after_first"]["right"] - m["after_first"]["wrong"]))


def has_learned(m: Measures) -> bool:
    """Return whether an agent is half way to the observer after the first trial."""
    return bool(np.mean(m["accuracy"][1:]) >= HALF_WAY)


# Panels: the layout of Fig. 6.


def draw_quantiles(axis: Any, quantiles: Any) -> None:
    """Draw accuracy by trial for each part of the training, darker the later."""
    for q, row in enumerate(quantiles):
        shade = (q + 2) / (QUANTILES + 1)
        axis.plot(TRIAL_NUMBERS, row, "o-", ms=3, color=OURS, alpha=shade, label=f"{q + 1}/7")
    small = {"fontsize": SMALL, "title_fontsize": SMALL, "handlelength": 1.5}
    axis.legend(loc="lower right", ncols=3, title="of training", **small)


def draw_ours(axis: Any, measures: list[Measures], lacking: Foils) -> None:
    """Draw the means over the seeds: each part of the training, and the trained agents.

    Next to them are a learner from rewards only, and agents that lack something.
    """
    draw_foils(axis, TRIAL_NUMBERS, lacking, lambda m: m["accuracy"])
    final, low, high = mean_and_interval([m["accuracy"] for m in measures])
    look: Any = {"color": PUBLISHED, "zorder": 3}
    axis.plot(TRIAL_NUMBERS, final, "D--", ms=3, label="trained", **look)
    axis.vlines(TRIAL_NUMBERS, low, high, lw=1.5, **look)
    foil = foils()[FROM_REWARDS]["accuracy"]
    axis.plot(TRIAL_NUMBERS, foil, "^:", ms=4, color="black", label="rewards only")
    mean, *_ = mean_and_interval([m["quantiles"] for m in measures])
    draw_quantiles(axis, mean)
    label_accuracy(axis, titled("Ours", measures))


def label_accuracy(axis: Any, title: str) -> None:
    """Put the labels and limits on a panel of accuracy by trial."""
    axis.set(xlabel="trial", ylabel="fraction correct", xticks=TRIAL_NUMBERS)
    axis.set(ylim=(0.02, 1.02), yticks=np.linspace(0.4, 1, 4))
    axis.set_title(title)


def draw_accuracies(axis: Any, measures: list[Measures]) -> None:
    """Draw the accuracy after the first trial over the training, one line per seed."""
    later = [f"accuracy_{i}" for i in TRIAL_NUMBERS[1:]]
    histories = [m["history"] for m in measures]
    draw_learning(
        axis, histories, lambda row: np.mean(np.array([row[name] for name in later], float))
    )
    axis.set(ylabel="correct, trials 2-6", ylim=(0.38, 1.02))
    axis.set_title(titled("Learning, one line per seed", measures))
