"""Simulation 1 of Wang et al. 2018: matching, and the coding of the network's units."""

from __future__ import annotations

import warnings
from functools import cache, partial
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import linregress
from statsmodels.tools.sm_exceptions import ModelWarning

from neurotasks.analysis.decoder import RIDGE
from neurotasks.analysis.foraging import Matching, history_regression, log_ratios, matching
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.observers import (
    BayesForaging,
    BiasedForaging,
    LeakyIncomeForaging,
    MatchingForaging,
    Oracle,
    WinStayLoseShiftForaging,
)
from neurotasks.scores import TEST_SEED
from neurotasks.tasks.foraging import CENTRE, CHOICE
from neurotasks_baselines.agents.activations import Activations, compute_activations
from neurotasks_baselines.experiments.base import Agents, Experiment, Foils, Measures, Training
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
from neurotasks_baselines.experiments.drawing import (
    draw_foils,
    draw_learning,
    draw_mean,
    legend_of_foils,
    mean_and_interval,
    reward_per_trial,
    titled,
)
from neurotasks_baselines.experiments.foraging_switching import (
    UnbaitedForaging,
    draw_switching,
    switching,
)
from neurotasks_baselines.experiments.volatility import leaky_averages
from neurotasks_baselines.plotting import (
    IDEAL,
    OURS,
    PUBLISHED,
    SMALL,
    letter_panels,
    new_figure,
    style,
)
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs, untrained

ID = "neurotasks/Foraging-v0"
KINDS = ("reward", "choice")
LAGS = 15
CODED = {
    "action": "the last action",
    "reward": "the last reward",
    "interaction": "the last action x last reward",
    "value": "the value",
}
SHUFFLES = 500
FOLDS = 5  # folds of episodes, to train and test the decoder
WIN_STAY = "win-stay, lose-shift"
BIASED = "a fixed bias drawn blindly"
THREE = "Bayesian observer that takes p0 for the middle of a trained range"
EVEN = "income of all past trials alike"
UNBAITED = "Bayesian observer that takes arms not to fill up"
KNOWING = "player who knows p0 and matches"
UNTRAINED = "untrained network"
AVERAGES = "leaky averages of choices and of rewards, and their sizes"
PLAYERS: dict[str, Any] = {"matching": MatchingForaging, "Bayes": BayesForaging, "greedy": Oracle}
FOIL_PLAYERS: dict[str, Any] = {
    WIN_STAY: WinStayLoseShiftForaging,
    BIASED: BiasedForaging,
    THREE: partial(BayesForaging, p0_left=(0.05, 0.25, 0.45)),
    EVEN: partial(LeakyIncomeForaging, tau=np.inf),
    UNBAITED: UnbaitedForaging,
}
OBSERVER_EPISODES = 1000  # slopes within 0.01
TRAINING_EPISODES = 10_000
LONGEST = 6  # the task's probabilities are checked up to this n
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
        why={"a2c": "They earn more than win-stay, lose-shift, and less than a matching player."},
    ),
    Row(
        "slope of log2 choice ratios on log2 reward ratios",
        "slope",
        "0.84 matching, 0.95 greedy, 0.81 leaky income",
        "computed; Wang 2018, Fig. 2 shows matching, its numbers were not found",
        between(0.6, 1.05),
        kind="reference",
        foil=BIASED,
        note="An arm pays more often in all if it is chosen more often, whatever p0 is.",
        why={"a2c": FLAT},
    ),
    Row(
        "correlation of log2 choice ratios with log2 reward ratios",
        "r",
        "0.97 matching, 0.98 greedy",
        "computed; Wang 2018, Fig. 2 shows matching, its numbers were not found",
        at_least(0.85),
        kind="reference",
        foil=WIN_STAY,
        note="Choice ratios that hardly vary can be as orderly as those that match.",
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
        why={"a2c": "One of five agents differs by 0.28."},
        lacking=False,
    ),
    Row(
        "weight of the last reward in the choice",
        "weights.reward.0",
        "> 0 (1.12 Bayes, 0.52 leaky income)",
        "Wang 2018, Fig. 2 (direction); the bound is ours, out of reach of who knows p0",
        at_least(0.25),
        kind="direction",
        foil=KNOWING,
    ),
    Row(
        "the same minus the mean weight of the rewards 6 to 15 trials ago",
        "weight_decrease",
        "> 0 (0.81 Bayes, 0.35 leaky income)",
        "Wang 2018, Fig. 2 (direction); the bound is ours, out of reach of who never forgets",
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
        note="Evidence from more than the last trial.",
    ),
    Row(
        "weight of the last choice in the choice",
        "weights.choice.0",
        "-5.75 Bayes, -4.02 greedy, 0.05 matching",
        "computed; Wang 2018, Fig. 2 shows weights of choices, its numbers were not found",
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
        note="Whoever alternates blindly, or prefers one arm, has none.",
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
            note="Whatever a network is shown, and what it computes from that, is in its units.",
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
        note="Of the untrained network 0.03. Products of the averages would tell the value, too.",
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


def behaviour(trials: pd.DataFrame) -> Measures:
    """Return reward per trial, slopes of matching, history regression, and when arms change."""
    whole, held_out = fit_matching(trials), trials["held_out"]
    weights = fit_history(trials)
    last, *_ = rewards = weights["reward"]
    return {
        "reward_per_trial": float(trials["trial_reward"].mean()),
        "slope": whole.slope,
        "r": whole.r,
        "slope_trained": fit_matching(trials[~held_out]).slope,
        "slope_held_out": fit_matching(trials[held_out]).slope,
        "slope_p0": slope_on_p0(trials),
        "slope_p0_held_out": slope_on_p0(trials[held_out]),
        "weights": weights,
        "weight_decrease": float(last - np.mean(rewards[5:])),
        **switching(trials),
    }


def slope_difference(one: Measures, other: Measures) -> float:
    """Return how much two players of the same p0 differ in what held-out p0 change."""
    ours, theirs = (m["slope_held_out"] - m["slope_trained"] for m in (one, other))
    return float(abs(ours - theirs))


def derive(m: Measures) -> Measures:
    """Return the weight of rewards of earlier trials, and who learned; of foils that have it."""
    found: Measures = {}
    if "weights" in m:
        found["earlier_rewards"] = float(np.mean(m["weights"]["reward"][1:5]))
    if "reward_per_trial" in m:
        found["learned"] = m["reward_per_trial"] >= HALF_WAY
    return found


def fit_matching(trials: pd.DataFrame) -> Matching:
    """Fit the matching law, NaN where the episodes are too alike."""
    if log_ratios(trials)["reward"].nunique() < 2:
        return Matching(np.nan, np.nan, np.nan, 0)
    return matching(trials)


def slope_on_p0(trials: pd.DataFrame) -> float:
    """Return the slope of log2 choice ratios on log2 p0 ratios, NaN with too few episodes."""
    choice = log_ratios(trials)["choice"]
    if len(choice) < 2:
        return np.nan
    p0 = trials.groupby(["env", "episode"])[["p0_0", "p0_1"]].first().loc[choice.index]
    return float(linregress(np.log2(p0["p0_1"] / p0["p0_0"]), choice).slope)


def fit_history(trials: pd.DataFrame) -> dict[str, list[float]]:
    """Return the weights of past rewards and choices by lag, NaN where they are infinite."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ModelWarning)
            weights = history_regression(trials, LAGS)["coef"]
        return {kind: weights[kind].round(4).tolist() for kind in KINDS}
    except (ModelWarning, np.linalg.LinAlgError):
        return {kind: [np.nan] * LAGS for kind in KINDS}


def points(trials: pd.DataFrame) -> dict[str, list[float]]:
    """Return the log ratios of each episode, and whether it was held out."""
    logs = log_ratios(trials)
    held_out = trials.groupby(["env", "episode"])["held_out"].first()[logs.index]
    return {
        "reward": logs["reward"].round(3).tolist(),
        "choice": logs["choice"].round(3).tolist(),
        "held_out": held_out.tolist(),
    }


def coding(episodes: Episodes, activations: Activations) -> Measures:
    """Return what single units are correlated with, and how well all of them tell the value."""
    return {
        "units": unit_coding(episodes, activations),
        "value_decoded": value_decoded(episodes, activations.hidden),
    }


def value_decoded(episodes: Episodes, features: NDArray[Any]) -> float:
    """Decode the better arm's probability of paying when the arms are shown, by ridge regression.

    Args:
        episodes: Episodes.
        features: Features of each step, such as a recurrent state, (steps, episodes, features).

    Returns:
        R2 in episodes not trained with.
    """
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import PredefinedSplit, cross_val_predict

    env, step = np.nonzero(((episodes.truth["stage"] == CHOICE) & episodes.alive).T)
    value = episodes.truth["p_baited"][step, env].max(axis=1)
    folds = PredefinedSplit(env % FOLDS)
    seen = features[step, env].astype(np.float64)
    decoded = cross_val_predict(Ridge(alpha=RIDGE), seen, value, cv=folds)
    return float(1 - np.mean((value - decoded) ** 2) / np.var(value))


def averages_and_sizes(episodes: Episodes) -> NDArray[np.float64]:
    """Return averages of past choices and of the rewards of either arm, which learn no value."""
    chosen = (episodes.truth["stage"] == CHOICE) & (episodes.actions != CENTRE)
    side = np.where(chosen, 2.0 * episodes.actions - 1, 0.0)
    brought = side * np.nan_to_num(episodes.rewards)
    averages = np.concatenate([leaky_averages(side), leaky_averages(brought)], axis=2)
    return np.concatenate([averages, np.abs(averages)], axis=2)


def unit_coding(episodes: Episodes, activations: Activations) -> Measures:
    """Correlate each unit with the last action, the last reward, their product, and the value.

    The activity is that when the arms are shown; last refers to the trial before. Actions and
    rewards count as -1 and 1. For the null the trials are shuffled within each episode, so that
    differences between episodes, such as a preferred arm, do not count as a code of the last trial.

    Returns:
        For each variable ``rho``, the sizes of the units' correlations; ``null``, the 99th
        percentile of their mean over shuffles; ``above_null``, by how much the mean exceeds it.
    """
    env, step = np.nonzero(((episodes.truth["stage"] == CHOICE) & episodes.alive).T)
    action, reward = episodes.actions[step, env], episodes.rewards[step, env]
    trial = 1 + np.flatnonzero((env[1:] == env[:-1]) & (action[:-1] != CENTRE))
    side, paid = 2.0 * action[trial - 1] - 1, 2.0 * reward[trial - 1] - 1
    env, step = env[trial], step[trial]
    variables = np.stack([side, paid, side * paid, activations.values[step, env]])
    units = standardised(activations.hidden[step, env].T.astype(np.float64)).T / len(trial)
    variables = standardised(variables)
    sizes = np.abs(variables @ units)
    rng = np.random.default_rng(0)
    null = [
        np.abs(variables[:, shuffled_within(env, rng)] @ units).mean(axis=1)
        for _ in range(SHUFFLES)
    ]
    bound = np.percentile(null, 99, axis=0)
    return {
        name: {
            "rho": rho.round(4).tolist(),
            "null": float(limit),
            "above_null": float(rho.mean() - limit),
        }
        for name, rho, limit in zip(CODED, sizes, bound, strict=True)
    }


def standardised(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows of mean 0 and standard deviation 1; a constant row, which codes nothing, is 0."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    deviation = rows.std(axis=1, keepdims=True)
    return np.divide(rows, deviation, out=np.zeros_like(rows), where=deviation > 1e-12)


def shuffled_within(env: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a random order of trials sorted by episode that keeps each in its episode."""
    return np.argsort(env + rng.random(len(env)))


@cache
def observe() -> dict[str, Measures]:
    """Return the behaviour of players whose strategy is known, by name."""
    players = PLAYERS | FOIL_PLAYERS
    return {name: behaviour(observed_trials(player)) for name, player in players.items()}


def observed_trials(player: Any) -> pd.DataFrame:
    """Return the trials of an observer."""
    envs = held_out_envs(ID, {}, OBSERVER_EPISODES)
    return run_episodes(player(envs, seed=0), seed=TEST_SEED).trials


@cache
def check_task() -> tuple[float, float]:
    """Check the task's probabilities against the published formula, from choices and rewards only.

    Returns:
        The largest deviation of how often an arm paid from 1 - (1 - p0)^(n + 1), n = 0 ... 6, in
        standard errors; the fraction of training episodes whose p0 lies in a gap.
    """
    trials = observed_trials(MatchingForaging)
    last = trials.groupby(["env", "episode", "choice"])["trial"].shift(fill_value=-1)
    n = trials["trial"] - last - 1
    p0 = trials["p0_0"].where(trials["choice"] == 0, trials["p0_1"])
    p = 1 - (1 - p0) ** (n + 1)
    sums = pd.DataFrame({"more": trials["outcome"] - p, "variance": p * (1 - p)}).groupby(n).sum()
    deviations = (sums["more"].abs() / np.sqrt(sums["variance"]))[: LONGEST + 1]
    envs = gym.make_vec(ID, num_envs=TRAINING_EPISODES, split="train")
    left = envs.reset(seed=TEST_SEED)[1]["p0"][:, 0]
    gaps = ((left > 0.1) & (left < 0.2)) | ((left > 0.3) & (left < 0.4))
    return float(deviations.max()), float(gaps.mean())


def references() -> Measures:
    """Return the results of the check of the task, and the foils that no seed changes."""
    deviation, in_gaps = check_task()
    players = observe()
    foils = {name: players[name] for name in FOIL_PLAYERS} | {KNOWING: players["matching"]}
    difference = slope_difference(players[THREE], players["Bayes"])
    foils[THREE] = {**foils[THREE], "slope_difference": difference}
    return {"deviation": deviation, "in_gaps": in_gaps, FOILS: foils}


# Figure: the layout of Fig. 2.


def draw_matching(axis: Any, drawn: dict[str, list[float]]) -> None:
    """Draw the log ratios of the episodes, and strict matching."""
    held_out = np.array(drawn["held_out"], bool)
    reward, choice = np.array(drawn["reward"]), np.array(drawn["choice"])
    axis.plot([-6, 6], [-6, 6], ":", lw=1, color="black", label="matching")
    kinds = (("trained p0", ~held_out, OURS), ("held-out p0", held_out, PUBLISHED))
    for label, those, colour in kinds:
        axis.plot(reward[those], choice[those], ".", ms=3, alpha=0.6, color=colour, label=label)
    axis.set(xlabel="log2 reward ratio, right / left", ylabel="log2 choice ratio")
    axis.set(xlim=(-6.5, 6.5), ylim=(-6.5, 6.5))
    axis.legend(fontsize=SMALL, markerscale=2, loc="upper left")


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw matching, the history regressions, the units' correlations, and the learning curves."""
    with style():
        fig, axes = new_figure(3, width=4.0, height=3.4, rows=2)
        ends = np.array([-6, 6])
        draw_foils(axes[0], ends, lacking, lambda m: ends * np.array(m["slope"], float))
        draw_matching(axes[0], measures[0]["points"])
        foil = observe()[WIN_STAY]["slope"]
        axes[0].plot(ends, foil * ends, "--", lw=1, color="black", label=WIN_STAY)
        axes[0].legend(fontsize=SMALL, markerscale=2, loc="upper left")
        mean, *_ = mean_and_interval([m["slope"] for m in measures])
        axes[0].set_title(f"First seed; mean slope {mean:.2f} (n = {len(measures)})")
        for axis, kind in zip(axes[1:], KINDS, strict=False):
            draw_history(axis, kind, measures, lacking)
        players = {"Bayes": "Bayes", "matching": "matching", "takes arms not to fill up": UNBAITED}
        named = {label: observe()[name] for label, name in players.items()}
        draw_switching(axes[3], measures, named)
        axes[3].legend(fontsize=SMALL)
        axes[3].set_title(titled("Changing the arm", measures))
        draw_units(axes[4], measures)
        draw_learning(axes[5], [m["history"] for m in measures], reward_per_trial)
        for name, line in zip((*PLAYERS, WIN_STAY), ("--", "-.", ":", "-"), strict=True):
            reward = observe()[name]["reward_per_trial"]
            axes[5].axhline(reward, ls=line, lw=1, color="black", label=name)
        axes[5].set(ylabel="reward per trial", ylim=(0.3, 0.47))
        axes[5].legend(fontsize=SMALL, loc="lower right")
        axes[5].set_title(titled("Learning, whole range of p0", measures))
        letter_panels(axes)
        legend_of_foils(fig, lacking)
    return fig


def draw_history(axis: Any, kind: str, measures: list[Measures], lacking: Foils) -> None:
    """Draw the weights of past rewards or choices, and those of players of the same p0."""
    lags = np.arange(1, LAGS + 1)
    draw_foils(axis, lags, lacking, lambda m: m["weights"][kind])
    ours = [m["weights"][kind] for m in measures]
    draw_mean(axis, lags, ours, OURS, marker="o", ms=3, label="agents")
    bayes = np.mean([m["bayes"]["weights"][kind] for m in measures], axis=0)
    axis.plot(lags, bayes, ":", color="black", label="Bayes, same episodes")
    axis.plot(lags, observe()["matching"]["weights"][kind], "--", color=IDEAL, label="matching")
    axis.axhline(0, lw=0.5, color=IDEAL)
    axis.set(xlabel="trials ago", ylabel="weight on the choice")
    axis.legend(fontsize=SMALL)
    axis.set_title(titled(f"Past {kind}s", measures))


def draw_units(axis: Any, measures: list[Measures]) -> None:
    """Draw the size of the correlations: bars for the mean, dots for units, lines for the null.

    The grey lines are the means of the untrained networks.
    """
    rng = np.random.default_rng(0)
    places = np.arange(len(CODED))
    sizes = [[np.mean(m["units"][name]["rho"]) for name in CODED] for m in measures]
    mean, low, high = mean_and_interval(sizes)
    axis.bar(places, np.nan_to_num(mean), 0.7, color="#8fc1d4")
    axis.vlines(places, low, high, color="black", lw=1.2)
    for place, name in zip(places, CODED, strict=True):
        units = measures[0]["units"][name]["rho"]
        axis.plot(place + rng.uniform(-0.25, 0.25, len(units)), units, ".", ms=2.5, color=OURS)
        null = np.mean([m["units"][name]["null"] for m in measures])
        axis.plot([place - 0.4, place + 0.4], [null, null], color=PUBLISHED, lw=1.5)
        before = np.mean([m[FOILS][UNTRAINED]["units"][name]["rho"] for m in measures])
        axis.plot([place - 0.4, place + 0.4], [before, before], color=IDEAL, lw=1.5)
    axis.set_xticks(places, ["action", "reward", "action\nx reward", "value"])
    axis.set(ylabel="size of the correlation", ylim=(0, 1))
    axis.set_title(titled("What units code", measures))
    axis.plot([], [], ".", color=OURS, label="units, first seed")
    axis.plot([], [], color=PUBLISHED, lw=1.5, label="99 % of shuffles")
    axis.plot([], [], color=IDEAL, lw=1.5, label=UNTRAINED)
    axis.legend(fontsize=SMALL)


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
    derive=derive,
    references=references,
)
