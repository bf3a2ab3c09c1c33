"""The restless bandit of Wang et al. 2016: a learning rate that follows the volatility.

Hyperparameters are those of the bandits with independent arms, unchanged.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from neurotasks.analysis.bandit import cumulative_regret
from neurotasks.analysis.volatility import learning_rates
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.observers import ThompsonBandit, UcbBandit
from neurotasks.observers.bandit import RescorlaWagnerBandit, RestlessBandit, walk
from neurotasks.observers.base import TaskEnvironment
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.experiments.bandits_figure import draw_regrets
from neurotasks_baselines.experiments.base import Agents, Experiment, Foils, Measures, Training
from neurotasks_baselines.experiments.claims import FOILS, REPORTED, Row, at_least, between, learned
from neurotasks_baselines.experiments.drawing import (
    draw_bars,
    draw_foils,
    draw_learning,
    legend_of_foils,
    titled,
)
from neurotasks_baselines.plotting import IDEAL, OURS, SMALL, letter_panels, new_figure, style
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs

ID = "neurotasks/BanditRestless-v0"
KINDS = {"stable": False, "volatile": True}  # of episodes
OBSERVER_EPISODES = 1000
EPISODES_FACTOR = 3  # 900 episodes leave an error of 2 % in the regret
STEP = 0.1  # of the observer below, between 0.025 and 0.2: that with the least regret
IDEAL_REGRET, UCB_REGRET, MARGIN = 6.5, 8.25, 0.25  # computed
RANDOM = 25.0  # as p1 is uniform whenever it is looked at
HALF_WAY = (RANDOM + IDEAL_REGRET) / 2
UCB, THOMPSON = "UCB", "Thompson sampling"
CONSTANT_STEP = "Bayesian observer with a constant step size"
FIXED_RATE = "Rescorla-Wagner learner with a fixed rate"
PAPER = "Wang 2016, section 3.1.4 (direction)"


class ConstantStepBandit(RestlessBandit):
    """Takes the steps of every episode for equally large: its learning rate never adapts.

    Args:
        env: Environment it will play.
        seed: Seed of its choices between equals.
    """

    def __init__(self, env: TaskEnvironment, seed: int | None = None) -> None:
        super().__init__(env, seed)
        self.moves = np.stack([walk(self.p_first, STEP)] * 2)


OBSERVERS = {
    "ideal observer": RestlessBandit,
    CONSTANT_STEP: ConstantStepBandit,
    FIXED_RATE: RescorlaWagnerBandit,
    UCB: UcbBandit,
    THOMPSON: ThompsonBandit,
}

CLAIMS = (
    Row(
        "regret after 100 trials",
        "regret.-1",
        f"less than UCB ({UCB_REGRET}) and Thompson (12.1); {IDEAL_REGRET} ideal",
        f"{PAPER}; the values computed",
        between(IDEAL_REGRET - MARGIN, UCB_REGRET - MARGIN),
        kind="reference",
        foil=UCB,
        note=(
            "An observer that believes all steps to be equally large has 7.0: regret "
            "alone does not show that the learning rate adapts."
        ),
    ),
    Row(
        "fitted learning rate, episodes with large / small steps",
        "ratio",
        "> 1 (2.2 ideal observer)",
        f"{PAPER}; the bound is half way from a constant rate to the ideal observer",
        at_least(1.6),
        kind="direction",
        foil=CONSTANT_STEP,
        note=(
            "Fitted with a Rescorla-Wagner learner, in groups of ten episodes of one "
            "kind. UCB has 1.2."
        ),
        why={
            "ppo": "Their learning rate follows the size of the steps, but less than that of an "
            "observer that knows both sizes."
        },
    ),
    Row(
        "the same ratio of a learner with a fixed rate",
        f"references.{FOILS}.{FIXED_RATE}.ratio",
        "1",
        "checks the fit, no training",
        between(0.9, 1.1),
        kind="check",
    ),
    *(
        Row(
            f"fitted learning rate, episodes with {size} steps",
            f"alpha.{kind}",
            f"{value} ideal observer",
            "computed",
            REPORTED,
            kind="reported",
        )
        for kind, size, value in (("stable", "small", 0.13), ("volatile", "large", 0.29))
    ),
    *(
        Row(
            f"regret after 100 trials, episodes with {size} steps",
            f"regret_of.{kind}",
            f"{value} ideal observer",
            "computed",
            REPORTED,
            kind="reported",
        )
        for kind, size, value in (("stable", "small", 2.5), ("volatile", "large", 10.7))
    ),
    learned(f"regret at most {HALF_WAY:.1f}; chance has {RANDOM:g}"),
)


# Evaluation metrics, shown by TensorBoard during training.


def metrics(episodes: Episodes) -> dict[str, float]:
    """Return the reward per trial and the regret of an episode."""
    return {
        "reward_per_trial": float(episodes.trials["trial_reward"].mean()),
        "regret": float(cumulative_regret(episodes.trials).mean(axis=0)[-1]),
    }


# Measure: frozen weights, walks not seen in training.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Let an agent play; return its behaviour."""
    model = agents["agent"]
    episodes, _ = evaluate(model, num_episodes=EPISODES_FACTOR * num_episodes, seed=seed)
    return {**behaviour(episodes.trials), "history": model.description["history"]}


def behaviour(trials: pd.DataFrame) -> Measures:
    """Return regret up to each trial, last regret and fitted learning rate of both kinds."""
    of_kinds = {kind: trials[trials["volatile"] == large] for kind, large in KINDS.items()}
    alpha = {
        kind: float(learning_rates(part.assign(block=int(KINDS[kind])))["alpha"].median())
        for kind, part in of_kinds.items()
    }
    return {
        "regret": cumulative_regret(trials).mean(axis=0).round(4).tolist(),
        "regret_of": {
            kind: float(cumulative_regret(part)[:, -1].mean()) for kind, part in of_kinds.items()
        },
        "alpha": alpha,
        "ratio": alpha["volatile"] / alpha["stable"] if alpha["stable"] else np.nan,
    }


@cache
def observe() -> dict[str, Measures]:
    """Return the behaviour of observers and algorithms by their names."""
    envs = held_out_envs(ID, {}, OBSERVER_EPISODES)
    return {
        name: behaviour(run_episodes(observer(envs, seed=0), seed=TEST_SEED).trials)
        for name, observer in OBSERVERS.items()
    }


def derive(m: Measures) -> Measures:
    """Return who learned."""
    return {"learned": m["regret"][-1] <= HALF_WAY}


def references() -> Measures:
    """Return the foils."""
    return {FOILS: {name: observe()[name] for name in (UCB, CONSTANT_STEP, FIXED_RATE)}}


# Figure: regret and learning rates, as in section 3.1.4.

LOOKS = {
    "ideal observer": ("-", "s"),
    CONSTANT_STEP: ("-.", "o"),
    FIXED_RATE: ((0, (1, 3)), "v"),
    UCB: (":", ""),
    THOMPSON: ("--", ""),
}


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw regret, fitted learning rates by kind of episode, and the learning curves."""
    with style():
        fig, axes = new_figure(3, width=3.8, height=3.4)
        trials = np.arange(1, len(measures[0]["regret"]) + 1)
        draw_foils(axes[0], trials, lacking, lambda m: m["regret"], markevery=(9, 20))
        for name, (line, _) in LOOKS.items():
            look = {"ls": line, "color": "black", "lw": 1, "label": name}
            axes[0].plot(trials, observe()[name]["regret"], **look)
        draw_regrets(axes[0], [m["regret"] for m in measures], OURS, "agent")
        axes[0].set(ylim=(0, 45), title=titled("Regret", measures))
        axes[0].legend(fontsize=SMALL, loc="upper left")
        rates = [[m["alpha"][kind] for kind in KINDS] for m in measures]
        draw_bars(axes[1], [0, 1], rates, OURS, width=0.6)
        draw_foils(axes[1], [0, 1], lacking, lambda m: [m["alpha"][kind] for kind in KINDS])
        for name, (_, marker) in LOOKS.items():
            if marker:
                theirs = [observe()[name]["alpha"][kind] for kind in KINDS]
                look = {"marker": marker, "ms": 4, "mfc": "none", "lw": 1, "color": "black"}
                axes[1].plot([0, 1], theirs, ls="--", label=name, **look)
        axes[1].set_xticks([0, 1], ["small steps", "large steps"])
        axes[1].set(ylabel="fitted learning rate", ylim=(0, 0.6))
        axes[1].set_title(titled("Learning rates", measures))
        axes[1].legend(fontsize=SMALL, loc="upper left")
        draw_learning(axes[2], [m["history"] for m in measures], lambda row: row["regret"])
        axes[2].axhline(RANDOM, ls=":", color=IDEAL)
        axes[2].axhline(IDEAL_REGRET, ls=":", color="black")
        axes[2].set(ylabel="regret after 100 trials", ylim=(0, 30))
        axes[2].set_title(titled("Learning", measures))
        letter_panels(axes)
        legend_of_foils(fig, lacking)
    return fig


EXPERIMENT = Experiment(
    name="restless",
    title="Restless bandit: a learning rate that follows the volatility",
    question=(
        "Does a network trained on arms whose probabilities drift, slowly in some episodes and "
        "fast in others, learn faster where they drift faster?"
    ),
    trainings={"agent": Training(ID, metrics=Metrics(metrics))},
    seeds=range(100, 105),
    lacking=True,
    measure=measure,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "Regret up to each trial, next to that of observers and algorithms.",
        "Learning rate fitted to the choices in episodes whose probabilities drift by small "
        "or by large steps.",
        "Regret in held-out episodes over the training; dotted, random choices (grey) and "
        "the ideal observer (black).",
    ),
    derive=derive,
    references=references,
)
