"""The bandit with an informative arm of Wang et al. 2016: a short-term cost for information.

Hyperparameters are those of the bandits with correlated arms; as episodes have 5 steps, a rollout
holds 20 of them in each sub-environment, and has as many steps as there.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotasks.analysis.bandit import cumulative_regret
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.observers import InformativeBandit
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.experiments.bandits_figure import draw_regrets
from neurotasks_baselines.experiments.bandits_observers import UNIFORM
from neurotasks_baselines.experiments.base import Agents, Experiment, Foils, Measures, Training
from neurotasks_baselines.experiments.claims import FOILS, Row, at_least, at_most, learned
from neurotasks_baselines.experiments.drawing import draw_learning, draw_mean, titled
from neurotasks_baselines.plotting import IDEAL, OURS, SMALL, letter_panels, new_figure, style
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs, untrained
from neurotasks_baselines.training.hyperparameters import hyperparameters_for

ID = "neurotasks/BanditInformative-v0"
STEPS = 100  # of a rollout in each sub-environment
OBSERVER_EPISODES = 2000
IDEAL_REGRET, SEARCH_REGRET, RANDOM = 4.45, 14.0, 18.4  # by hand, see the tests
HALF_WAY = (RANDOM + IDEAL_REGRET) / 2
SEARCHER, UNTRAINED = "search without the informative arm", "untrained network"
PAPER = "Wang 2016, section 3.1.3"
EXACT = "Episodes differ in the target only, so the best agent makes no error."

CLAIMS = (
    Row(
        "the informative arm is pulled in the first trial",
        "informative_first",
        "yes",
        f"{PAPER} (stated); the bound is ours",
        at_least(0.95),
        kind="direction",
        foil=SEARCHER,
        note=EXACT,
        lacking=False,
    ),
    Row(
        "the target is pulled in trials 2 to 5",
        "target_later",
        "yes",
        f"{PAPER} (stated); the bound is ours",
        at_least(0.95),
        kind="direction",
        foil=SEARCHER,
        note=EXACT,
        lacking=False,
    ),
    Row(
        "regret after 5 trials",
        "regret.-1",
        f"{IDEAL_REGRET} ideal, {SEARCH_REGRET:g} without the informative arm",
        "computed: one pull of the informative arm; search through the other ten",
        at_most(1.1 * IDEAL_REGRET),
        kind="reference",
        foil=SEARCHER,
        note=(
            "This takes no memory: the outcome of the last pull is observed, and says "
            "what to do next."
        ),
        lacking=False,
    ),
    Row(
        "regret after 5 trials, untrained network",
        f"{FOILS}.{UNTRAINED}.regret.-1",
        f"chance ({RANDOM})",
        "computed; checks the task",
        at_least(0.85 * RANDOM),
        kind="check",
    ),
    learned(f"regret at most {HALF_WAY:.1f}; chance has {RANDOM}, the best policy {IDEAL_REGRET}"),
)


class Searcher(InformativeBandit):
    """Pulls one of the other arms after the other, never the informative one, and stays with it.

    Args:
        env: Environment it will play.
        seed: Not used, as it draws nothing; the target is as likely at every arm.
    """

    def start(self, memory: Any) -> None:
        """Begin with the first arm."""
        memory["target"] = 0

    def act(
        self,
        memory: Any,
        stimulus: NDArray[np.float32],
        action: NDArray[np.int64],
        reward: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Go to the next arm, unless the last one was the target."""
        last = self.parameters.arms - 2
        failed = (action >= 0) & (reward < self.parameters.target_reward)
        memory["target"] = np.minimum(memory["target"] + failed, last)
        return np.asarray(memory["target"])


# Evaluation metrics, shown by TensorBoard during training.


def metrics(episodes: Episodes) -> dict[str, float]:
    """Return the reward per trial, the regret, and how often the informative arm comes first."""
    found = behaviour(episodes.trials)
    return {
        "reward_per_trial": float(episodes.trials["trial_reward"].mean()),
        "regret": found["regret"][-1],
        "informative_first": found["informative_first"],
    }


# Measure: frozen weights.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Let an agent play, and the network that it was before its training."""
    model = agents["agent"]
    episodes, _ = evaluate(model, num_episodes=num_episodes, seed=seed)
    before, _ = evaluate(untrained(model), num_episodes=num_episodes, seed=seed)
    return {
        **behaviour(episodes.trials),
        FOILS: {UNTRAINED: behaviour(before.trials)},
        "history": model.description["history"],
    }


def behaviour(trials: pd.DataFrame) -> Measures:
    """Return which arms are pulled, and the regret.

    Returns:
        ``informative`` and ``target``, the fractions of episodes in which each of these arms is
        pulled in each trial; ``informative_first`` and ``target_later``, those of the claims;
        ``regret`` up to each trial.
    """
    arms = held_out_envs(ID, {}, 1).parameters.arms
    pulled = pd.DataFrame(
        {
            "trial": trials["trial"],
            "informative": trials["choice"] == arms - 1,
            "target": trials["regret"] == 0,
        }
    )
    by_trial = pulled.groupby("trial").mean()
    return {
        **{name: by_trial[name].tolist() for name in by_trial},
        "informative_first": float(by_trial["informative"].iloc[0]),
        "target_later": float(by_trial["target"].iloc[1:].mean()),
        "regret": cumulative_regret(trials).mean(axis=0).tolist(),
    }


@cache
def observe() -> dict[str, Measures]:
    """Return the behaviour of the best policy, and of a search without the informative arm."""
    envs = held_out_envs(ID, {}, OBSERVER_EPISODES)
    players = {"ideal": InformativeBandit(envs), SEARCHER: Searcher(envs)}
    return {
        name: behaviour(run_episodes(player, seed=TEST_SEED).trials)
        for name, player in players.items()
    }


def derive(m: Measures) -> Measures:
    """Return who learned."""
    return {"learned": m["regret"][-1] <= HALF_WAY}


def references() -> Measures:
    """Return the foil."""
    return {FOILS: {SEARCHER: observe()[SEARCHER]}}


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw which arms are pulled, the regret, and the learning curves."""
    with style():
        fig, axes = new_figure(3, width=3.8, height=3.2)
        trials = np.arange(1, len(measures[0]["regret"]) + 1)
        for name, colour in (("informative", "#d08c2e"), ("target", OURS)):
            draw_mean(axes[0], trials, [m[name] for m in measures], colour, label=f"{name} arm")
            look = {"color": colour, "lw": 1, "ls": "--"}
            axes[0].plot(trials, observe()[SEARCHER][name], label=f"{name} arm, search", **look)
        axes[0].set(xlabel="trial", ylabel="fraction of pulls", ylim=(-0.03, 1.35), xticks=trials)
        axes[0].legend(fontsize=SMALL, loc="upper left", ncols=2)
        axes[0].set_title(titled("Which arm is pulled", measures))
        for name, line in (("ideal", "-"), (SEARCHER, "--")):
            axes[1].plot(trials, observe()[name]["regret"], line, color="black", lw=1, label=name)
        draw_regrets(axes[1], [m["regret"] for m in measures], OURS, "agent")
        axes[1].set(ylim=(0, 18), xticks=trials, title=titled("Regret", measures))
        axes[1].legend(fontsize=SMALL, loc="upper left")
        draw_learning(axes[2], [m["history"] for m in measures], lambda row: row["regret"])
        axes[2].axhline(RANDOM, ls=":", color=IDEAL)
        axes[2].axhline(IDEAL_REGRET, ls=":", color="black")
        axes[2].set(ylabel="regret after 5 trials", ylim=(0, 20))
        axes[2].set_title(titled("Learning", measures))
        letter_panels(axes)
    return fig


EXPERIMENT = Experiment(
    name="informative",
    title="Informative arm: paying for information",
    question=(
        "Does a network learn to pull, once, an arm that never pays well because it reveals which "
        "one does?"
    ),
    trainings={
        "agent": Training(
            ID,
            hyperparameters=replace(hyperparameters_for(UNIFORM), n_steps=STEPS),
            metrics=Metrics(metrics),
        )
    },
    seeds=range(100, 105),
    measure=measure,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "Fraction of pulls of the arm that tells which of the others pays best, and of that "
        "best one (the target). Dashed, a search without the informative arm.",
        "Regret up to each trial. Agents and best policy lie on each other where the agents "
        "have found it.",
        "Regret in held-out episodes over the training; dotted, random choices (grey) and "
        "the best policy (black).",
    ),
    derive=derive,
    references=references,
)
