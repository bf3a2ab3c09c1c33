"""Simulation 1 of Wang et al. 2018: matching, and the coding of the network's units."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotasks.episodes import Episodes, run_episodes
from neurotasks.observers import BayesForaging
from neurotasks_baselines.agents.activations import Activations, compute_activations
from neurotasks_baselines.experiments.base import Agents, Experiment, Measures, Training
from neurotasks_baselines.experiments.claims import (
    FOILS,
    REFERENCES,
    REPORTED,
    Row,
    at_least,
    at_most,
    between,
    learned,
)
from neurotasks_baselines.experiments.foraging_figure import draw_matching, figure
from neurotasks_baselines.experiments.foraging_matching import (
    BIASED,
    EVEN,
    FOIL_PLAYERS,
    ID,
    THREE,
    UNBAITED,
    WIN_STAY,
    behaviour,
    check_task,
    fit_matching,
    observe,
    points,
    slope_difference,
)
from neurotasks_baselines.experiments.foraging_units import (
    CODED,
    UNTRAINED,
    averages_and_sizes,
    coding,
    value_decoded,
)
from neurotasks_baselines.plotting import new_figure, style
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs, untrained

KNOWING = "player who knows p0 and matches"
AVERAGES = "leaky averages of choices and of rewards, and their sizes"
FLAT = "The choices of these agents are less extreme than the rewards of the arms."
HALF_WAY = (0.375 + 0.4425) / 2  # from the reward per trial by chance to the Bayesian observer's


# Claims: findings of Fig. 2.

CLAIMS = (
    Row(
        "reward per trial, p0 from the whole range",
        "reward_per_trial",
        "0.375 random, 0.432 matching, 0.451 greedy",
        "computed: players who know p0",
        at_least(0.432),
        kind="reference",
        foil=WIN_STAY,
        why={
            "a2c": "They earn hardly more than win-stay, lose-shift, and less than a matching "
            "player."
        },
    ),
    Row(
        "slope of log2 choice ratios on log2 reward ratios",
        "slope",
        "0.84 matching, 0.95 greedy, 0.81 leaky income",
        "computed; Wang 2018, Fig. 2 shows matching; we did not find its numbers",
        between(0.6, 1.05),
        kind="reference",
        foil=BIASED,
        note=(
            "The more often an arm is chosen, the more rewards it brings in all, whatever p0 is."
        ),
        why={"a2c": FLAT},
    ),
    Row(
        "correlation of log2 choice ratios with log2 reward ratios",
        "r",
        "0.97 matching, 0.98 greedy",
        "computed; Wang 2018, Fig. 2 shows matching; we did not find its numbers",
        at_least(0.85),
        kind="reference",
        foil=WIN_STAY,
        note="Choice ratios that hardly vary can be as orderly as those that match.",
        why={"a2c": "It is at least 0.85 in 17 of 20 agents, and 0.53 to 0.75 in the others."},
    ),
    Row(
        "slope of log2 choice ratios on log2 p0 ratios",
        "slope_p0",
        "1.02 matching, 0.81 Bayes, 1.09 greedy",
        "computed; the range is that of the slope on reward ratios",
        between(0.6, 1.05),
        kind="reference",
        foil=WIN_STAY,
        note="Choices change the ratio of rewards, and not that of p0.",
        why={"a2c": FLAT},
    ),
    Row(
        "slope of log2 choice ratios on log2 p0 ratios, held-out p0 only",
        "slope_p0_held_out",
        "0.88 Bayes, 1.03 matching, 0.94 greedy",
        "Wang 2018, Fig. 2 (direction): generalises; the range is that of all p0",
        between(0.6, 1.05),
        kind="direction",
        foil=WIN_STAY,
        why={"a2c": FLAT},
    ),
    Row(
        "slope for held-out less that for trained p0, difference from the Bayesian observer's",
        "slope_difference",
        "generalises",
        "Wang 2018, Fig. 2 (direction); the bound is ours, the observer plays the same p0",
        at_most(0.15),
        kind="direction",
        foil=THREE,
        note=(
            "Held-out p0 are less extreme, so the slopes of perfect players differ too: by 0.05 "
            "for Bayesian players, by -0.06 for matching ones. Slopes hardly detect a player that "
            "knows only three p0. Agents that lack something may pass: one that does not match at "
            "all has the same slope of 0 everywhere. The slope for held-out p0 detects it."
        ),
        lacking=False,
    ),
    Row(
        "weight of the last reward in the choice",
        "weights.reward.0",
        "> 0 (1.12 Bayes, 0.52 leaky income)",
        (
            "Wang 2018, Fig. 2 (direction); the bound is ours, out of reach of a player "
            "that knows p0"
        ),
        at_least(0.25),
        kind="direction",
        foil=KNOWING,
    ),
    Row(
        "the same minus the mean weight of the rewards 6 to 15 trials ago",
        "weight_decrease",
        "> 0 (0.81 Bayes, 0.35 leaky income)",
        (
            "Wang 2018, Fig. 2 (direction); the bound is ours, out of reach of a player "
            "that never forgets"
        ),
        at_least(0.1),
        kind="direction",
        foil=EVEN,
    ),
    Row(
        "mean weight of the rewards 2 to 5 trials ago in the choice",
        "earlier_rewards",
        "> 0 (0.77 Bayes, 0.43 leaky income)",
        "Wang 2018, Fig. 2 (direction); the bound is half of leaky income's, ours",
        at_least(0.21),
        kind="direction",
        foil=KNOWING,
        note="Shows that more than the last trial counts.",
    ),
    Row(
        "weight of the last choice in the choice",
        "weights.choice.0",
        "-5.75 Bayes, -4.02 greedy, 0.05 matching",
        "computed; Wang 2018, Fig. 2 shows weights of choices; we did not find its numbers",
        REPORTED,
        kind="reported",
        note=(
            "Agents alternate because an arm fills up while it is not chosen: the Bayesian "
            "observer alternates more on the same p0, matching alone does not, and an observer "
            "that believes arms never fill up hardly ever changes."
        ),
    ),
    Row(
        "the same of the Bayesian observer on the same episodes",
        "bayes.weights.choice.0",
        "-",
        "ours",
        REPORTED,
        kind="reported",
    ),
    Row(
        "P(switch) where the other arm is likelier to pay, less P(switch) where it is not",
        "switching",
        "0.61 Bayes, 0.31 matching",
        "computed; the bound is half way from the matching player to the Bayesian observer",
        at_least(0.46),
        kind="reference",
        foil=KNOWING,
        note="A player that alternates blindly, or prefers one arm, shows no difference.",
        why={"a2c": "They change arms as a matching player does, less than the Bayesian observer."},
    ),
    Row(
        "P(switch)",
        "p_switch",
        "0.55 Bayes, 0.53 greedy, 0.34 matching",
        "computed",
        REPORTED,
        kind="reported",
    ),
    Row(
        f"P(switch) of the {UNBAITED}",
        f"{REFERENCES}{FOILS}.{UNBAITED}.p_switch",
        "-",
        "ours",
        REPORTED,
        kind="reported",
    ),
    *(
        Row(
            f"mean |rho| of the units with {words}, above the 99th percentile of shuffles",
            f"units.{name}.above_null",
            "> 0",
            "Wang 2018, Fig. 2 (direction); trials shuffled within episodes",
            at_least(0.0),
            kind="direction",
            foil=UNTRAINED,
            note="The units of any network carry its inputs and whatever it computes from them.",
        )
        for name, words in CODED.items()
    ),
    Row(
        "R2 of the better arm's probability of paying, decoded from the units",
        "value_decoded",
        "0.47 Bayes",
        "computed: from the Bayesian observer's expectation; the bound is half of it",
        at_least(0.235),
        kind="reference",
        foil=AVERAGES,
        note=(
            "The untrained network has 0.03. Products of the averages would carry the value, too."
        ),
    ),
    learned(f"reward per trial at least {HALF_WAY:.3f}; chance has 0.375, Bayes 0.442"),
    Row(
        "largest deviation of the arms' probabilities from the formula, n = 0 to 6, in s.e.",
        "references.deviation",
        "1 - (1 - p0)^(n + 1)",
        "[GOO], [IAR] and [KOR] agree; checks the task, no training",
        at_most(3.0),
        kind="check",
    ),
    Row(
        "fraction of training episodes with p0 in a held-out gap",
        "references.in_gaps",
        "0",
        "[GOO], [IAR] and [KOR] agree; checks the task, no training",
        at_most(0.0),
        kind="check",
    ),
)


# Evaluation metrics, shown by TensorBoard during training.


def metrics(episodes: Episodes) -> dict[str, float]:
    """Return the reward per trial and the slope of matching."""
    return {
        "reward_per_trial": float(episodes.trials["trial_reward"].mean()),
        "slope": fit_matching(episodes.trials).slope,
    }


def plot(episodes: Episodes, activations: Activations) -> Any:
    """Draw the log ratios of one evaluation."""
    with style():
        figure, axes = new_figure(1)
        draw_matching(axes[0], points(episodes.trials))
    return figure


# Measure: frozen weights, p0 from the whole range.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Let an agent play and return its behaviour, and what its units code."""
    model = agents["agent"]
    episodes, activations = evaluate(model, num_episodes=num_episodes, seed=seed)
    before = compute_activations(untrained(model), episodes)
    envs = held_out_envs(ID, model.description["task_kwargs"], num_episodes)
    bayes = run_episodes(BayesForaging(envs, seed=0), seed=seed)
    ours, theirs = behaviour(episodes.trials), behaviour(bayes.trials)
    return {
        **ours,
        "slope_difference": slope_difference(ours, theirs),
        "bayes": {"weights": theirs["weights"]},
        "points": points(episodes.trials),
        **coding(episodes, activations),
        FOILS: {
            UNTRAINED: coding(episodes, before),
            AVERAGES: {"value_decoded": value_decoded(episodes, averages_and_sizes(episodes))},
        },
        "history": model.description["history"],
    }


def measure_lacking(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Return behaviour and coding of an agent that lacks something."""
    model = agents["agent"]
    episodes, activations = evaluate(model, num_episodes=num_episodes, seed=seed)
    envs = held_out_envs(ID, {}, num_episodes)
    bayes = run_episodes(BayesForaging(envs, seed=0), seed=seed)
    ours = behaviour(episodes.trials)
    return {
        **ours,
        "slope_difference": slope_difference(ours, behaviour(bayes.trials)),
        **coding(episodes, activations),
    }


def derive(m: Measures) -> Measures:
    """Return the weight of rewards of earlier trials, and who learned; of foils that have it."""
    found: Measures = {}
    if "weights" in m:
        found["earlier_rewards"] = float(np.mean(m["weights"]["reward"][1:5]))
    if "reward_per_trial" in m:
        found["learned"] = m["reward_per_trial"] >= HALF_WAY
    return found


def references() -> Measures:
    """Return the results of the check of the task, and the foils that no seed changes."""
    deviation, in_gaps = check_task()
    players = observe()
    foils = {name: players[name] for name in FOIL_PLAYERS} | {KNOWING: players["matching"]}
    difference = slope_difference(players[THREE], players["Bayes"])
    foils[THREE] = {**foils[THREE], "slope_difference": difference}
    return {"deviation": deviation, "in_gaps": in_gaps, FOILS: foils}


EXPERIMENT = Experiment(
    name="foraging",
    title="Foraging: matching, and what the units code",
    question=(
        "Does the trained network match its choices to the rewards from the arms, even for reward "
        "probabilities it was not trained on, and do its units code the last action, the last "
        "reward and value?"
    ),
    trainings={"agent": Training(ID, metrics=Metrics(metrics, plot))},
    seeds=range(100, 120),
    algorithms=("a2c", "ppo"),
    lacking=True,
    measure=measure,
    measure_seconds=6,
    measure_lacking=measure_lacking,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "Choices against rewards, each dot an episode of the first seed. Dots on the steep "
        "dotted line would be strict matching, dots on a flatter one undermatching; grey "
        "lines have the slopes of agents that lack something.",
        "What rewards of earlier trials weigh in a logistic regression of the choice, for "
        "the agents, the Bayesian observer in the same episodes, and a player that matches.",
        "What earlier choices weigh in the same regression. Where the last one weighs less "
        "than zero, players tend to alternate, because the other arm has been filling up.",
        "How often the arm is changed, by how much likelier the other arm is to pay than the "
        "last one.",
        "Correlation of single units with the last action, the last reward, their product, "
        "and the value: bars are means over units and seeds, dots the units of the first "
        "seed, grey lines untrained networks.",
        "Reward in held-out episodes over the training, next to that of four players.",
    ),
    derive=derive,
    references=references,
)
