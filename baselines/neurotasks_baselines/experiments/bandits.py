"""The introductory bandits of Wang et al. 2018: an agent that learns to learn which arm pays."""

from __future__ import annotations

from functools import cache
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from neurotasks.analysis.bandit import THOMPSON_REGRET, cumulative_regret
from neurotasks.episodes import Agent, Episodes, run_episodes
from neurotasks.observers import (
    CorrelatedBandit,
    CorrelatedThompsonBandit,
    GittinsBandit,
    ThompsonBandit,
    UcbBandit,
)
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.agents.activations import Activations, compute_activations
from neurotasks_baselines.agents.interventions import Clamp, Intervened, WithoutMemory
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.experiments.base import Agents, Experiment, Foils, Measures, Training
from neurotasks_baselines.experiments.claims import (
    FOILS,
    REPORTED,
    Row,
    at_least,
    at_most,
    between,
    learned,
)
from neurotasks_baselines.experiments.drawing import (
    draw_foils,
    draw_learning,
    draw_mean,
    legend_of_foils,
    titled,
)
from neurotasks_baselines.plotting import IDEAL, OURS, SMALL, letter_panels, new_figure, style
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs, untrained

ID, UNIFORM = "neurotasks/Bandit-v0", "neurotasks/BanditUniform-v0"
PROBLEMS = (ID, UNIFORM, *(f"neurotasks/Bandit{name}-v0" for name in ("Easy", "Medium", "Hard")))
MEDIUM = PROBLEMS[3]  # 0.25 and 0.75
DIFFICULTIES = PROBLEMS[2:]
P = (0.25, 0.75)  # Wang 2018, Fig. 1d
RANDOM, GITTINS, THOMPSON = 16.7, 1.77, THOMPSON_REGRET  # computed on independent problems
REGRETS = {  # regrets computed for each of PROBLEMS
    GittinsBandit: (GITTINS, 1.56, 0.80, 1.41, 3.01),
    ThompsonBandit: (THOMPSON, 2.79, 2.13, 2.99, 4.07),
    UcbBandit: (4.12, 4.20, 3.90, 4.70, 4.90),
}
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
EPISODES_FACTOR = 10  # 300 episodes leave an error of 4 % in the regret of random choices
OBSERVER_EPISODES = 10_000  # regrets within 2 %
SAMPLE = 600  # recurrent states that are drawn
ABLATIONS = {  # in the figure
    "clamped": ("agent, reward held at 0", "#7a5195")
}
TRAINED = {"independent": OURS, "correlated": "#d08c2e"}


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
        note="Agents of four other seeds, trained with the same settings, had 2.39 to 2.83.",
        why={"a2c": WIDE},
    ),
    Row(
        "regret after 100 trials, independent problems, stretch goal",
        "regret.independent.-1",
        f"between Gittins ({GITTINS}) and Thompson ({THOMPSON})",
        "the bound is ours",
        between(GITTINS - MARGIN, 2.5),
        kind="reference",
        foil=THOMPSON_FOIL,
        why={"a2c": "Five agents' mean lies above it.", "ppo": WIDE},
    ),
    Row(
        "regret on (0.25, 0.75), trained on correlated over trained on independent problems",
        "correlated_over_independent",
        "< 1",
        "Wang 2018, Fig. 1d (direction); the bound is ours",
        at_most(0.8),
        kind="direction",
        foil=UNSTRUCTURED,
        note="The foil has the agents, but no structure to exploit.",
        why={"a2c": WIDE, "ppo": WIDE},
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
        note="Chance has 40, 25 and 10, the other way round.",
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
        "Wang 2018, Fig. 1f (recalled); the bound is ours: which arm is the better one tells 0.75",
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
        note="With the action input held at 0 instead the regret is reported apart.",
    ),
    Row(
        "regret after 100 trials with the action input held at 0, independent problems",
        "regret.no-action.-1",
        f"chance ({RANDOM}) for who cannot know what paid",
        "computed",
        REPORTED,
        kind="reported",
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


def states_and_beliefs(episodes: Episodes, activations: Activations) -> Measures:
    """Return the first two principal components of the recurrent state and the belief.

    Returns:
        ``states``, a sample of PC 1, PC 2 and the ideal observer's belief that the right arm is
        the better one; ``belief_r2``, how much of the belief the two explain linearly.
    """
    right, paid = episodes.actions == 1, episodes.rewards == 1
    outcomes = np.stack([~right & paid, ~right & ~paid, right & paid, right & ~paid])
    counts = outcomes.cumsum(axis=1) - outcomes  # before the choice, as the state is
    units = components(activations.hidden.reshape(-1, activations.hidden.shape[-1]))
    drawn = np.random.default_rng(0).choice(len(units), min(SAMPLE, len(units)), replace=False)
    belief = p_right_better(*counts.reshape(4, -1)[:, drawn])
    states, r2 = explained(units[drawn], belief)
    return {"states": states, "belief_r2": r2}


def final_states(episodes: Episodes, activations: Activations) -> Measures:
    """Return the first two principal components of the state at the last trial, across problems.

    Returns:
        ``states``, PC 1, PC 2 and the right arm's probability in each episode; ``r2``, how much of
        the probability the two explain linearly.
    """
    states, r2 = explained(components(activations.hidden[-1]), episodes.truth["p"][-1, :, 1])
    return {"states": states, "r2": r2}


def components(units: NDArray[Any]) -> NDArray[np.float64]:
    """Return the first two principal components of states, (states, 2)."""
    centred = units.astype(np.float64) - units.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(np.cov(centred.T))  # the largest variance comes last
    return np.asarray(centred @ axes[:, [-1, -2]])


def explained(
    states: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[list[list[float]], float]:
    """Return states with the values they go with, and how much of these they explain linearly.

    Args:
        states: Two components, (states, 2).
        values: Probabilities, (states,).

    Returns:
        Both components, signed so that they grow with the values, and the values; R2.
    """
    states = states * np.where(states.T @ (values - 0.5) < 0, -1, 1)  # the signs are arbitrary
    design = np.column_stack([np.ones(len(states)), states])
    error = values - design @ np.linalg.lstsq(design, values)[0]
    drawn = np.column_stack([states, values]).T.round(3).tolist()
    return drawn, float(1 - error.var() / values.var())


def p_right_better(
    left_wins: Any, left_losses: Any, right_wins: Any, right_losses: Any
) -> NDArray[np.float64]:
    """Return the ideal observer's P(p right > p left) on independent problems.

    Args:
        left_wins: Numbers of rewarded choices of the left arm, (n,).
        left_losses: Numbers of unrewarded choices of the left arm, (n,).
        right_wins: Numbers of rewarded choices of the right arm, (n,).
        right_losses: Numbers of unrewarded choices of the right arm, (n,).

    Returns:
        Probabilities, (n,), accurate to 1e-3.
    """
    middles = (np.arange(400) + 0.5) / 400
    counts = (np.asarray(x)[:, None] for x in (left_wins, left_losses, right_wins, right_losses))
    a, b, c, d = counts
    density = stats.beta.pdf(middles, 1 + c, 1 + d)
    below = stats.beta.cdf(middles, 1 + a, 1 + b)
    return np.asarray((density * below).sum(axis=1) / density.sum(axis=1))


@cache
def observe() -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return the mean regret of the observers up to each trial, by observer and task."""
    players: dict[Any, tuple[str, ...]] = {observer: PROBLEMS for observer in REGRETS}
    players |= {CorrelatedBandit: (MEDIUM,), CorrelatedThompsonBandit: (MEDIUM,)}
    return {
        observer.__name__: {id: observed_regret(observer, id) for id in ids}
        for observer, ids in players.items()
    }


def observed_regret(observer: Any, id: str) -> NDArray[np.float64]:
    """Return the mean regret of an observer up to each trial."""
    envs: Any = gym.make_vec(id, num_envs=OBSERVER_EPISODES, split="test")
    player = observer(envs, seed=0)
    observation, info = envs.reset(seed=TEST_SEED)
    memory, regrets = None, []
    for _ in range(envs.unwrapped.parameters.trials):
        action, memory = player.predict(observation, memory)
        chosen = info["p"][np.arange(len(action)), action]
        regrets.append((info["p"].max(axis=1) - chosen).mean())
        observation, _, _, _, info = envs.step(action)
    return np.cumsum(regrets)


def derive(m: Measures) -> Measures:
    """Return the ratio of the regrets on `P`, the step between difficulties, and who learned."""
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


# Figure: the panels of Fig. 1 that show numbers, and how they were learned.


def draw_regrets(axis: Any, curves: list[list[float]], colour: str, label: str) -> None:
    """Draw the regret up to each trial: a line for the mean, thin ones for the seeds."""
    draw_mean(axis, np.arange(1, len(curves[0]) + 1), curves, colour, label=label)
    axis.set(xlabel="trial", ylabel="cumulative regret")


def draw_references(axis: Any, id: str, references: dict[Any, tuple[str, str]]) -> None:
    """Draw the regret of observers, each by its label and the style of its line."""
    for observer, (label, line) in references.items():
        curve = observe()[observer.__name__][id]
        axis.plot(np.arange(1, len(curve) + 1), curve, line, color="black", lw=1, label=label)


def draw_states(figure: Any, axis: Any, states: list[list[float]], label: str) -> None:
    """Draw two components of the recurrent state, coloured by a probability."""
    first, second, value = states
    points = axis.scatter(first, second, 3, value, cmap="coolwarm", vmin=0, vmax=1)
    figure.colorbar(points, label=label, ticks=[0, 0.5, 1])
    axis.set(xlabel="PC 1 of the LSTM", ylabel="PC 2")


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw the regrets, the recurrent state coloured by belief, and the learning curves."""
    usual: dict[Any, tuple[str, str]] = {
        UcbBandit: ("UCB", ":"),
        ThompsonBandit: ("Thompson", "--"),
        GittinsBandit: ("Gittins", "-"),
    }
    with style():
        fig, axes = new_figure(3, width=4.2, height=3.4, rows=2)
        trials = np.arange(1, len(measures[0]["regret"]["independent"]) + 1)
        draw_foils(
            axes[0], trials, lacking, lambda m: m["regret"]["independent"], markevery=(9, 20)
        )
        draw_references(axes[0], ID, usual)
        for name, (label, colour) in ABLATIONS.items():
            draw_regrets(axes[0], [m["regret"][name] for m in measures], colour, label)
        ours = [m["regret"]["independent"] for m in measures]
        draw_regrets(axes[0], ours, OURS, "agent")
        axes[0].set(yscale="log", ylim=(0.15, 100), yticks=[0.2, 0.5, 1, 2, 5, 10, 20])
        axes[0].set_yticklabels(["0.2", "0.5", "1", "2", "5", "10", "20"])
        axes[0].minorticks_off()
        axes[0].set_ylabel("cumulative regret (log scale)")
        axes[0].set_title(titled("Independent problems", measures))
        references = usual | {CorrelatedBandit: ("ideal, knows p2 = 1 - p1", "-.")}
        draw_references(axes[1], MEDIUM, references)
        for name, colour in TRAINED.items():
            draw_regrets(axes[1], [m["fixed"][name] for m in measures], colour, f"trained: {name}")
        axes[1].set(ylim=(0, 8), title=titled("Arms that pay with 0.25 and 0.75", measures))
        for axis in axes[:2]:
            axis.legend(fontsize=SMALL, loc="upper left", ncols=2)
        draw_states(fig, axes[2], measures[0]["states"], "belief: right is better")
        axes[2].set_title(f"Belief, first seed (R2 = {measures[0]['belief_r2']:.2f})")
        draw_states(fig, axes[3], measures[0]["final"]["states"], "p of the right arm")
        axes[3].set_title(f"Last trial, first seed (R2 = {measures[0]['final']['r2']:.2f})")
        for name, colour in TRAINED.items():
            histories = [m["history"][name] for m in measures]
            draw_learning(axes[4], histories, lambda row: row["regret"], colour, name)
        axes[4].axhline(RANDOM, ls=":", color=IDEAL, label="random choices, independent")
        axes[4].set(ylabel="regret after 100 trials", ylim=(0, 30))
        axes[4].set_title(titled("Learning, problems as trained", measures))
        axes[4].legend(fontsize=SMALL)
        axes[5].set_axis_off()
        letter_panels(axes[:5])
        legend_of_foils(fig, lacking)
    return fig


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
    derive=derive,
    references=references,
)
