"""The introductory bandits of Wang et al. 2018: an agent that learns to learn which arm pays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.analysis.bandit import cumulative_regret
from neurotasks.episodes import Agent, Episodes, run_episodes
from neurotasks.observers import GittinsBandit, ThompsonBandit
from neurotasks_baselines.agents.activations import Activations, compute_activations
from neurotasks_baselines.agents.interventions import Clamp, Intervened, WithoutMemory
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.experiments.bandits_figure import TRAINED, draw_regrets, figure
from neurotasks_baselines.experiments.bandits_observers import (
    DIFFICULTIES,
    GITTINS,
    ID,
    MEDIUM,
    PROBLEMS,
    RANDOM,
    REGRETS,
    THOMPSON,
    UNIFORM,
    observe,
)
from neurotasks_baselines.experiments.bandits_states import final_states, states_and_beliefs
from neurotasks_baselines.experiments.base import Agents, Experiment, Measures, Training
from neurotasks_baselines.experiments.claims import (
    FOILS,
    REPORTED,
    Row,
    at_least,
    at_most,
    between,
    learned,
)
from neurotasks_baselines.plotting import OURS, new_figure, style
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs, untrained

P = (0.25, 0.75)  # Wang 2018, Fig. 1d
GITTINS_MEDIUM = REGRETS[GittinsBandit][PROBLEMS.index(MEDIUM)]
RANDOM_MEDIUM = 25.0
HALF_WAY = {  # from random choices to Gittins' indices
    "independent": (RANDOM + GITTINS) / 2,
    "correlated": (RANDOM_MEDIUM + GITTINS_MEDIUM) / 2,
}
MARGIN = 0.1  # to the observers that bound a range
THOMPSON_FOIL, GITTINS_FOIL = "Thompson sampling", "Gittins' indices"
UNSTRUCTURED = "the same agents on independent problems"
LAST_REWARD = "the same agent without memory, given the last reward"
UNTRAINED = "untrained network"
LAST_EVALUATIONS = 5
EPISODES_FACTOR = 10  # 300 episodes leave an error of 4 % in the regret of random choices


# Claims: findings of Fig. 1.

WIDE = "The mean lies within the range, but its interval does not."
CLAIMS = (
    Row(
        "regret after 100 trials, independent problems",
        "regret.independent.-1",
        f"between Gittins ({GITTINS}) and Thompson ({THOMPSON})",
        "the order is stated in Wang 2016; the values computed on 20,000 problems",
        between(GITTINS - MARGIN, THOMPSON - MARGIN),
        kind="reference",
        foil=THOMPSON_FOIL,
        note="Agents of four other seeds, trained with the same settings, had 2.39 to 2.83; the "
        "last evaluations of a training, reported below, scatter as widely.",
    ),
    Row(
        "regret after 100 trials, independent problems, stretch goal",
        "regret.independent.-1",
        f"between Gittins ({GITTINS}) and Thompson ({THOMPSON})",
        "the bound is ours",
        between(GITTINS - MARGIN, 2.5),
        kind="reference",
        foil=THOMPSON_FOIL,
        why={"a2c": "The mean of the 20 agents lies above the range.", "ppo": WIDE},
    ),
    Row(
        "regret on (0.25, 0.75), trained on correlated over trained on independent problems",
        "correlated_over_independent",
        "< 1",
        "Wang 2018, Fig. 1d (direction); the bound is ours",
        at_most(0.8),
        kind="direction",
        foil=UNSTRUCTURED,
        note="The foil is the same agents where there is no structure to exploit.",
        why={"ppo": WIDE},
    ),
    Row(
        "regret on (0.25, 0.75), trained on correlated problems",
        "fixed.correlated.-1",
        f"0.98 ideal, {GITTINS_MEDIUM} Gittins, 2.99 Thompson",
        "computed on 20,000 problems",
        between(0.98 - MARGIN, GITTINS_MEDIUM - MARGIN),
        kind="reference",
        foil=GITTINS_FOIL,
        note="Gittins' indices are the best one can do without knowing that p2 = 1 - p1.",
        why={
            "a2c": "They do no better than Gittins' indices, which do not use the correlation.",
            "ppo": WIDE,
        },
    ),
    Row(
        "smaller step of the regret from easy to medium and to hard problems, trained on "
        "correlated problems",
        "difficulty_step",
        "> 0 (0.61 Gittins, 0.75 Thompson who knows that p2 = 1 - p1)",
        "Wang 2016 (direction): easy < medium < hard; values computed on 20,000 problems",
        at_least(0.0),
        kind="direction",
        foil=LAST_REWARD,
        note="Random choices have 40, 25 and 10, the opposite order.",
    ),
    Row(
        "R2 of the belief that the right arm is the better one, from the first two components of "
        "the recurrent state",
        "belief_r2",
        "shown, without a number",
        "Wang 2018, Fig. 1e, f; the belief is an ideal observer's, and the bound, half of its "
        "variance, is ours",
        at_least(0.5),
        kind="reference",
        foil=UNTRAINED,
    ),
    Row(
        "R2 of an arm's probability, from the first two components of the recurrent state at the "
        "last trial, correlated problems",
        "final.r2",
        "shown, without a number",
        (
            "Wang 2018, Fig. 1f (recalled); the bound is ours: knowing which arm is "
            "better gives 0.75"
        ),
        at_least(0.75),
        kind="reference",
        foil=UNTRAINED,
        note="The mean of the exact posterior has 0.98.",
    ),
    Row(
        "regret after 100 trials with the reward input held at 0, independent problems",
        "regret.clamped.-1",
        f"chance ({RANDOM})",
        "chance is stated in Wang 2016; its value computed",
        between(0.95 * RANDOM, 1.05 * RANDOM),
        kind="reference",
        foil=LAST_REWARD,
        note="The regret with the action input held at 0 is reported separately.",
    ),
    Row(
        "regret after 100 trials with the action input held at 0, independent problems",
        "regret.no-action.-1",
        f"chance ({RANDOM}) for a player that cannot know which arm paid",
        "computed",
        REPORTED,
        kind="reported",
    ),
    Row(
        "standard deviation of the regret over the last five evaluations of a training",
        "last_evaluations.sd",
        "-",
        "ours",
        REPORTED,
        kind="reported",
        note="Independent problems, 200 episodes, the same ones at every evaluation.",
    ),
    Row(
        "mean regret in these evaluations",
        "last_evaluations.mean",
        "-",
        "ours",
        REPORTED,
        kind="reported",
        note="It differs between seeds hardly more than chance lets expect from five evaluations "
        "of one seed: regrets of seeds scatter mostly by when training ends and by the episodes "
        "played, and not by what agents converge to.",
    ),
    learned(
        f"regret at most {HALF_WAY['independent']:.1f} on independent problems, and at most "
        f"{HALF_WAY['correlated']:.1f} on (0.25, 0.75) when trained on correlated ones"
    ),
    Row(
        "largest relative deviation of the regrets of Gittins, Thompson and UCB",
        "references.deviation",
        "1.77 / 2.77 / 4.12 on independent problems, and on the four correlated sets",
        "computed reference; checks the task, no training",
        at_most(0.05),
        kind="check",
    ),
)


# Evaluation metrics, shown by TensorBoard during training.


def metrics(episodes: Episodes) -> dict[str, float]:
    """Return the reward per trial and the regret of an episode."""
    return {
        "reward_per_trial": float(episodes.trials["trial_reward"].mean()),
        "regret": float(mean_regret(episodes)[-1]),
    }


def plot(episodes: Episodes, activations: Activations) -> Any:
    """Draw the cumulative regret of one evaluation."""
    with style():
        figure, axes = new_figure(1)
        draw_regrets(axes[0], [mean_regret(episodes).tolist()], OURS, "agent")
    return figure


def mean_regret(episodes: Episodes) -> NDArray[np.float64]:
    """Return the mean over episodes of the regret up to each trial, (trials,)."""
    return cumulative_regret(episodes.trials).mean(axis=0)


# Measure: frozen weights, problems not seen in training.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Let the agents play new problems, and the problem `P`.

    Returns:
        Regret up to each trial of new independent problems (``regret``) and of (0.25, 0.75)
        (``fixed``), by agent, ``clamped`` the one whose reward input and ``no-action`` the one
        whose action input is held at 0; the last regret on easy, medium and hard problems
        (``difficulty``); recurrent states and the belief; the learning curves.
    """
    num_episodes *= EPISODES_FACTOR
    model = agents["independent"]
    independent, activations = evaluate(model, num_episodes=num_episodes, seed=seed)
    envs = held_out_envs(ID, model.description["task_kwargs"], num_episodes)

    def regret(agent: Agent) -> NDArray[np.float64]:
        return mean_regret(run_episodes(agent, envs, seed=seed))

    regrets = {
        "independent": mean_regret(independent),
        "clamped": regret(Intervened(model, [Clamp("reward", 0.0)])),
    }
    fixed = {name: play_fixed(agents[name], num_episodes, seed) for name in TRAINED}
    regrets["no-action"] = regret(Intervened(model, [Clamp("action", 0.0)]))
    unstructured = {
        "correlated": regret(agents["correlated"]),
        "independent": mean_regret(independent),
    }
    before = compute_activations(untrained(model), independent)
    correlated = agents["correlated"]
    uniform, states = evaluate(correlated, num_episodes=num_episodes // EPISODES_FACTOR, seed=seed)
    blank = compute_activations(untrained(correlated), uniform)
    kwargs = correlated.description["task_kwargs"]
    reactive = WithoutMemory(correlated)
    return {
        "regret": rounded(regrets),
        "fixed": rounded(fixed),
        "difficulty": play_difficulties(correlated, kwargs, num_episodes, seed),
        FOILS: {
            UNSTRUCTURED: {"fixed": rounded(unstructured)},
            LAST_REWARD: {
                "regret": rounded({"clamped": regret(WithoutMemory(model))}),
                "difficulty": play_difficulties(reactive, kwargs, num_episodes, seed),
            },
            UNTRAINED: {
                "belief_r2": states_and_beliefs(independent, before)["belief_r2"],
                "final": {"r2": final_states(uniform, blank)["r2"]},
            },
        },
        "final": final_states(uniform, states),
        **states_and_beliefs(independent, activations),
        "history": {name: agent.description["history"] for name, agent in agents.items()},
    }


def measure_lacking(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Return the regrets of agents that lack something; there is nothing to hold an input at."""
    num_episodes *= EPISODES_FACTOR
    episodes, activations = evaluate(agents["independent"], num_episodes=num_episodes, seed=seed)
    fixed = {name: play_fixed(agents[name], num_episodes, seed) for name in TRAINED}
    correlated = agents["correlated"]
    kwargs = correlated.description["task_kwargs"]
    uniform, states = evaluate(correlated, num_episodes=num_episodes // EPISODES_FACTOR, seed=seed)
    return {
        "final": {"r2": final_states(uniform, states)["r2"]},
        "regret": rounded({"independent": mean_regret(episodes)}),
        "fixed": rounded(fixed),
        "difficulty": play_difficulties(correlated, kwargs, num_episodes, seed),
        "belief_r2": states_and_beliefs(episodes, activations)["belief_r2"],
    }


def rounded(curves: dict[str, NDArray[np.float64]]) -> dict[str, list[float]]:
    """Return curves as JSON can hold them."""
    return {name: curve.round(4).tolist() for name, curve in curves.items()}


def play_fixed(model: FusedRecurrentPPO, num_episodes: int, seed: int) -> NDArray[np.float64]:
    """Return the mean regret of an agent up to each trial where the arms pay with `P`."""
    description = model.description
    envs = held_out_envs(description["id"], description["task_kwargs"], num_episodes)
    return mean_regret(run_episodes(model, envs, seed=seed, options={"p": P}))


def play_difficulties(
    agent: Agent, task_kwargs: dict[str, Any], num_episodes: int, seed: int
) -> list[float]:
    """Return the mean regret of an agent after the last trial of each of `DIFFICULTIES`."""
    found = []
    for id in DIFFICULTIES:
        envs = held_out_envs(id, task_kwargs, num_episodes)
        found.append(float(mean_regret(run_episodes(agent, envs, seed=seed))[-1]))
    return found


def derive(m: Measures) -> Measures:
    """Return what claims name: a ratio, a step, who learned, the last evaluations."""
    found: Measures = {}
    if "difficulty" in m:
        found["difficulty_step"] = float(np.diff(m["difficulty"]).min())
    if "fixed" not in m:  # a foil that lacks it
        return found
    correlated, independent = (m["fixed"][name][-1] for name in ("correlated", "independent"))
    with np.errstate(divide="ignore", invalid="ignore"):
        found["correlated_over_independent"] = float(np.divide(correlated, independent))
    if "regret" in m:
        regrets = {"independent": m["regret"]["independent"][-1], "correlated": correlated}
        found["learned"] = all(regrets[name] <= bound for name, bound in HALF_WAY.items())
    if "history" in m:
        last = [point["regret"] for point in m["history"]["independent"][-LAST_EVALUATIONS:]]
        found["last_evaluations"] = {
            "mean": float(np.mean(last)),
            "sd": float(np.std(last, ddof=1)),
        }
    return found


def references() -> Measures:
    """Return the foils, and how far the observers' regrets are from the computed ones at most."""
    deviations = [
        abs(observe()[observer.__name__][id][-1] / expected - 1)
        for observer, row in REGRETS.items()
        for id, expected in zip(PROBLEMS, row, strict=True)
    ]
    foils = {
        name: {"regret": {"independent": observe()[observer.__name__][ID]}}
        | {"fixed": dict.fromkeys(TRAINED, observe()[observer.__name__][MEDIUM])}
        for name, observer in ((THOMPSON_FOIL, ThompsonBandit), (GITTINS_FOIL, GittinsBandit))
    }
    return {"deviation": float(max(deviations)), "foils": foils}


EXPERIMENT = Experiment(
    name="bandits",
    title="Bandits: a learned exploration strategy",
    question=(
        "Does a network trained on many two-armed bandits explore a new one nearly as well as the "
        "optimal algorithm, and better if its problems had structure to exploit?"
    ),
    trainings={
        "independent": Training(ID, metrics=Metrics(metrics, plot)),
        "correlated": Training(UNIFORM, metrics=Metrics(metrics, plot)),
    },
    seeds=range(100, 120),
    algorithms=("a2c", "ppo"),
    lacking=True,
    measure=measure,
    measure_seconds=20,
    measure_lacking=measure_lacking,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "Regret up to each trial on independent problems, next to that of three algorithms "
        "for bandits. In purple, the same agents with their reward input held at 0: they "
        "cannot know which arm paid.",
        "The same on arms that pay with probabilities of 0.25 and 0.75. Agents trained on "
        "correlated problems (orange), where p2 = 1 - p1, can use that either arm tells "
        "about the other.",
        "The recurrent state before a choice in its first two principal components, each dot "
        "a trial, coloured by an ideal observer's belief that the right arm is the better "
        "one.",
        "The same at the last trial of correlated problems, each dot an episode, coloured by "
        "the probability that the right arm pays.",
        "Regret in held-out episodes over the training, on independent (blue) and correlated "
        "problems (orange).",
    ),
    derive=derive,
    references=references,
)
