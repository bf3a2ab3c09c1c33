"""Simulation 4 of Wang et al. 2018: model-based behaviour and RPEs in the two-step task."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from neurotasks.analysis.two_step import (
    CONDITIONS,
    LearnerRpes,
    miller_regression,
    model_based_rpes,
    model_free_rpes,
    stay_effects,
    stay_probabilities,
)
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.observers import BayesTwoStep, ModelFreeTwoStep
from neurotasks.observers.two_step import update_belief
from neurotasks.scores import TEST_SEED
from neurotasks.tasks.two_step import FIRST, SECOND
from neurotasks_baselines.agents.activations import Activations
from neurotasks_baselines.experiments.base import Agents, Experiment, Foils, Measures, Training
from neurotasks_baselines.experiments.claims import (
    REPORTED,
    Row,
    at_least,
    at_most,
    between,
    learned,
)
from neurotasks_baselines.experiments.drawing import (
    MARKS,
    draw_bars,
    draw_foils,
    draw_learning,
    draw_mean,
    legend_of_foils,
    mean_and_interval,
    reward_per_trial,
    titled,
)
from neurotasks_baselines.experiments.learners import NO_ACTION_INPUT
from neurotasks_baselines.experiments.two_step_strategies import (
    FREE_FIT,
    LATENT_STATE,
    REWARD_AS_CUE,
    strategy_fits,
)
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
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs

ID = "neurotasks/TwoStep-v0"
LAGS, RIDGE = 5, 1e-3
INDICES = {"model-based": (1, -1, -1, 1), "model-free": (1, 1, -1, -1)}  # over CONDITIONS
PAPER = "Wang 2018, Fig. 5 (digitised, +-0.005)"
LAPSING_OBSERVER = dict(zip(CONDITIONS, (0.989, 0.635, 0.626, 0.989), strict=True))
ALPHAS = np.arange(0.1, 1.0, 0.1)
OBSERVER_EPISODES = 4000  # rare trials of the observer within half a percent
FOIL_EPISODES = 1000
MODEL_FREE = "model-free Q(1) learner"
CUE = "reward-as-cue learner"
LATENT = "latent-state inference without planning"
HALF_WAY = (0.5 + 0.705) / 2  # from the reward per trial by chance to the ideal observer's
Q1 = {"alpha": 0.3, "beta": 20.0}  # no others of a grid earn more than 0.002 more a trial


# Claims: findings of Fig. 5.

NOT_LEARNED = {"a2c": "Two of five agents had not learned the task after 3.6 million steps."}
NOT_ITS_VALUES = {
    "a2c": "Two of five agents had not learned the task, and only one of the others has a "
    "model-based learner's values."
}

CLAIMS = (
    Row(
        "P(stay | rewarded common)",
        "stays.rewarded common",
        "0.991",
        PAPER,
        at_least(0.95),
        kind="number",
        foil=MODEL_FREE,
        note="Every learner repeats what paid.",
        why=NOT_LEARNED,
    ),
    Row(
        "P(stay | rewarded rare)",
        "stays.rewarded rare",
        "0.637",
        PAPER,
        between(0.55, 0.78),
        kind="number",
        foil=MODEL_FREE,
        why=NOT_LEARNED,
    ),
    Row(
        "P(stay | unrewarded common)",
        "stays.unrewarded common",
        "0.620",
        PAPER,
        between(0.53, 0.75),  # published seeds: 0.53 to 0.68
        kind="number",
        foil=MODEL_FREE,
        note="After a common transition a model-free learner changes as often.",
        why=NOT_LEARNED,
    ),
    Row(
        "P(stay | unrewarded rare)",
        "stays.unrewarded rare",
        "0.991",
        PAPER,
        at_least(0.95),
        kind="number",
        foil=MODEL_FREE,
        why=NOT_LEARNED,
    ),
    Row(
        "reward x transition interaction of staying (model-based)",
        "interaction_effect",
        "0.363",
        PAPER,
        between(0.263, 0.463),
        kind="number",
        foil=MODEL_FREE,
        why=NOT_LEARNED,
    ),
    Row(
        "reward x transition interaction of staying, as a sign of planning",
        "interaction_effect",
        "0.363",
        PAPER,
        between(0.263, 0.463),
        kind="number",
        foil=LATENT,
        note=(
            "An observer that infers which second-stage state is the better one, and has learned "
            "which choice goes with it, shows all signatures of this table without planning with "
            "a model of the transitions: here 'model-based' also means 'infers the latent state'."
        ),
        why=NOT_LEARNED,
    ),
    Row(
        "main effect of reward on staying (model-free), size",
        "reward_effect_size",
        "0.009",
        PAPER,
        at_most(0.08),
        kind="number",
        foil=MODEL_FREE,
        note=(
            "Agents that lack something may pass: an agent that learns nothing from reward shows "
            "no effect of it either. The interaction detects it."
        ),
        lacking=False,
    ),
    Row(
        "reward per trial",
        "reward_per_trial",
        "0.705 ideal, 0.654 model-free",
        "computed: Bayesian observer and Q(1) learner",
        at_least(0.69),
        kind="reference",
        foil=CUE,
        why=NOT_LEARNED,
    ),
    Row(
        "R2 of the agent's RPEs with a model-based learner's",
        "r2_model_based",
        "0.89",
        "Wang 2018, Fig. 5 (recalled, unverified)",
        between(0.79, 0.99),
        kind="number",
        foil=CUE,
        note="The last trial of each episode is left out; with it the value is reported apart.",
        why=NOT_ITS_VALUES,
    ),
    Row(
        "R2 of the agent's RPEs with a model-based learner's, with each episode's last trial",
        "r2_with_last_trial",
        "0.89",
        "Wang 2018, Fig. 5 (recalled, unverified)",
        REPORTED,
        kind="reported",
        note=(
            "At the end of an episode the agent loses all future reward, which it cannot see "
            "coming and which the learner does not count."
        ),
    ),
    Row(
        "R2 with the model-based minus R2 with the best model-free learner's RPEs",
        "r2_difference",
        "> 0",
        "Wang 2018, Fig. 5 (direction)",
        at_least(0.1),
        kind="direction",
        foil=MODEL_FREE,
        why=NOT_ITS_VALUES,
    ),
    Row(
        "model-based index of the 5-lag regression",
        "index.model-based",
        "> 0 (15.4 Bayesian observer with a 1 % lapse)",
        "Wang 2018, Fig. 5 (direction); indices of Miller 2017; the bound is half the observer's",
        at_least(7.7),
        kind="direction",
        foil=MODEL_FREE,
        note="A model-free learner's is above 0 too, but smaller than its model-free index.",
        why=NOT_LEARNED,
    ),
    Row(
        "model-based minus model-free index of the 5-lag regression",
        "index_difference",
        "> 0 (13.9 Bayesian observer with a 1 % lapse)",
        "Wang 2018, Fig. 5 (direction); indices of Miller 2017; the bound is half the observer's",
        at_least(7.0),
        kind="direction",
        foil=MODEL_FREE,
        why=NOT_LEARNED,
    ),
    Row(
        "model-based index of lags 2 to 5",
        "later_index.model-based",
        "11.9",
        "computed: Bayesian observer",
        between(6.0, 18.0),
        kind="reference",
        foil=CUE,
        note="Evidence from more than the last trial.",
        why=NOT_LEARNED,
    ),
    Row(
        "model-free index of the 5-lag regression",
        "index.model-free",
        "-",
        "Wang 2018, Fig. 5 (direction); indices of Miller 2017",
        REPORTED,
        kind="reported",
    ),
    *(
        Row(
            f"log likelihood per choice: inferring the latent state, less {words}",
            f"latent_over.{name}",
            f"> 0 ({value} Bayesian observer with a 1 % lapse)",
            "Akam 2015; a control of Wang 2018's supplement (recalled, unverified); the bound is "
            "half the observer's",
            at_least(bound),
            kind="direction",
            foil=foil,
            note=(
                "In nats, on the same choices, each with the softmax that suits it best. Planning "
                "and inferring the latent state predict the same choices here."
            ),
            why=NOT_LEARNED,
        )
        for name, words, value, bound, foil in (
            (REWARD_AS_CUE, "taking state and reward of the last trial for a cue", 0.29, 0.14, CUE),
            (FREE_FIT, "a model-free learner", 0.29, 0.14, MODEL_FREE),
        )
    ),
    learned(f"reward per trial at least {HALF_WAY:.2f}; chance has 0.5, the ideal observer 0.705"),
    Row(
        "largest deviation of the Bayesian observer's stay probabilities (1 % lapse)",
        "references.deviation",
        "0.989 / 0.635 / 0.626 / 0.989",
        "computed reference; checks the task, no training",
        at_most(0.01),
        kind="check",
    ),
)
PUBLISHED_STAYS = {
    name: float(row.published) for name, row in zip(CONDITIONS, CLAIMS, strict=False)
}


# Evaluation metrics, shown by TensorBoard during training.


def metrics(episodes: Episodes) -> dict[str, float]:
    """Return the reward per trial and the four stay probabilities."""
    stays = stay_probabilities(episodes.trials)
    return {
        "reward_per_trial": float(episodes.trials["trial_reward"].mean()),
        **{f"stay_{name.replace(' ', '_')}": value for name, value in stays.items()},
    }


def plot(episodes: Episodes, activations: Activations) -> Any:
    """Draw the stay probabilities of one evaluation."""
    with style():
        figure, axes = new_figure(1)
        draw_stays(axes[0], [stay_probabilities(episodes.trials)])
    return figure


# Measure: frozen weights, held-out episodes.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Let an agent play and return its behaviour, and its RPEs next to those of two learners."""
    model = agents["agent"]
    episodes, activations = evaluate(model, num_episodes=num_episodes, seed=seed)
    trials = episodes.trials
    return {
        **behaviour(trials),
        **rpe_fits(trials, agent_rpes(episodes, activations)),
        "history": model.description["history"],
    }


def behaviour(trials: pd.DataFrame) -> Measures:
    """Return staying, reward and the weights of past choices."""
    stays = stay_probabilities(trials)
    return {
        "stays": stays,
        **{f"{name}_effect": value for name, value in stay_effects(stays).items()},
        "reward_per_trial": float(trials["trial_reward"].mean()),
        "lags": lagged_weights(trials),
        "strategies": strategy_fits(trials, held_out_envs(ID, {}, 1).parameters),
    }


def lagged_weights(trials: pd.DataFrame) -> dict[str, list[float]]:
    """Return the weights of the last five choices of each kind in the next choice."""
    weights = miller_regression(trials, LAGS, ridge=RIDGE)["coef"]
    return {name: weights[name].sort_index().tolist() for name in CONDITIONS}


@cache
def observe() -> dict[str, dict[str, float]]:
    """Return the stay probabilities of the Bayesian observer, without and with a 1 % lapse."""
    envs = held_out_envs(ID, {}, OBSERVER_EPISODES)
    return {
        name: stay_probabilities(
            run_episodes(BayesTwoStep(envs, seed=0, lapse=lapse), seed=TEST_SEED).trials
        )
        for name, lapse in (("ideal", 0.0), ("lapsing", 0.01))
    }


class RewardAsCue(BayesTwoStep):
    """Takes the state and outcome of the last trial for a cue, and remembers nothing else."""

    def learn(self, memory: Any, reward: np.ndarray) -> None:
        """Forget, then learn from the outcome."""
        memory["belief"] = 0.5
        super().learn(memory, reward)


def cue_rpes(trials: pd.DataFrame, parameters: Any) -> LearnerRpes:
    """Return the RPEs of `RewardAsCue`, which predicts the reward from the last trial alone."""
    p = parameters
    last = trials.groupby(["env", "episode"])[["second_state", "outcome"]].shift()
    first = last["outcome"].isna().to_numpy()
    state, reward = (last[name].fillna(0).to_numpy() for name in ("second_state", "outcome"))
    belief = np.where(first, 0.5, update_belief(np.full(len(trials), 0.5), state, reward, p))
    state_1 = belief * p.p_reward + (1 - belief) * (1 - p.p_reward)
    common, reached = (
        np.where(trials[name] == 1, state_1, 1 - state_1) for name in ("choice", "second_state")
    )
    expected = p.p_common * common + (1 - p.p_common) * (1 - common)
    return LearnerRpes(reached - expected, trials["outcome"].to_numpy() - reached)


@cache
def foils() -> dict[str, Measures]:
    """Return the measures of three players that lack what the agent is said to have."""
    envs = held_out_envs(ID, {}, FOIL_EPISODES)
    players: dict[str, tuple[Any, Any]] = {
        MODEL_FREE: (
            ModelFreeTwoStep(envs, seed=0, **Q1),
            lambda trials, _: model_free_rpes(trials, Q1["alpha"]),
        ),
        CUE: (RewardAsCue(envs, seed=0), cue_rpes),
        LATENT: (BayesTwoStep(envs, seed=0), model_based_rpes),  # plans nothing: it maps the belief
    }
    found = {}
    for name, (player, rpes) in players.items():
        trials = run_episodes(player, seed=TEST_SEED).trials
        found[name] = {
            **behaviour(trials),
            **rpe_fits(trials, rpes(trials[trials["outcome"] >= 0], envs.unwrapped.parameters)),
        }
    return found


def rpe_fits(trials: pd.DataFrame, rpes: LearnerRpes) -> Measures:
    """Return the fit of somebody's RPEs by those of two learners given the same choices.

    The model-free learner gets the learning rate that suits it best. The last trial of an episode
    is left out: its end is a loss of all future reward that the agent cannot see coming.

    Args:
        trials: Trial table.
        rpes: RPEs in its valid trials.
    """
    trials = trials[trials["outcome"] >= 0]
    parameters: Any = held_out_envs(ID, {}, 1).parameters
    counts = (trials["trial"] < parameters.trials - 1).to_numpy()
    whole = np.ones(len(trials), np.bool_)

    def fit(learner: LearnerRpes, counts: np.ndarray = counts) -> tuple[float, np.ndarray]:
        theirs, ours = (np.r_[x.arrival[counts], x.outcome[counts]] for x in (learner, rpes))
        return float(stats.pearsonr(ours, theirs).statistic ** 2), theirs

    learner = model_based_rpes(trials, parameters)
    r2_based, based = fit(learner)
    r2_free, free = max(
        (fit(model_free_rpes(trials, float(alpha))) for alpha in ALPHAS), key=lambda f: f[0]
    )
    ours = np.r_[rpes.arrival[counts], rpes.outcome[counts]]
    sample = np.random.default_rng(0).choice(len(ours), min(400, len(ours)), replace=False)
    return {
        "r2_model_based": r2_based,
        "r2_with_last_trial": fit(learner, whole)[0],
        "r2_model_free": r2_free,
        "rpe_sample": np.stack([based, free, ours])[:, sample].round(4).tolist(),
    }


def agent_rpes(episodes: Episodes, activations: Activations) -> LearnerRpes:
    """Return the agent's RPEs at the second-stage state and at the outcome of each valid trial.

    They are in the order of the valid rows of the trial table (env, trial).
    """
    valid_choice = (episodes.truth["stage"] == FIRST) & (episodes.actions < 2) & episodes.alive
    valid_reply = (episodes.truth["stage"] == SECOND) & (episodes.actions < 2) & episodes.alive
    arrival, outcome = [], []
    for env in range(episodes.actions.shape[1]):
        reply = np.flatnonzero(valid_reply[:, env])
        choice = reply - 1  # the step before the second stage is the choice
        arrival.append(activations.rpe[choice[valid_choice[choice, env]], env])
        outcome.append(activations.rpe[reply, env])
    return LearnerRpes(np.concatenate(arrival), np.concatenate(outcome))


def derive(m: Measures) -> Measures:
    """Return sizes and differences of effects, and indices of the regression on past trials.

    Those of ``later_index`` leave out the last trial. With them, who learned.
    """
    weights = np.array([m["lags"][name] for name in CONDITIONS])
    index, later = (
        {kind: part.sum(axis=1) @ signs for kind, signs in INDICES.items()}
        for part in (weights, weights[:, 1:])
    )
    return {
        "reward_effect_size": abs(m["reward_effect"]),
        "r2_difference": m["r2_model_based"] - m["r2_model_free"],
        "index": index,
        "index_difference": index["model-based"] - index["model-free"],
        "later_index": later,
        "latent_over": {
            name: m["strategies"][LATENT_STATE] - m["strategies"][name]
            for name in (REWARD_AS_CUE, FREE_FIT)
        },
        "learned": m["reward_per_trial"] >= HALF_WAY,
    }


def references() -> Measures:
    """Return the largest deviation of the lapsing observer from its computed stay probabilities.

    With it the foils.
    """
    observer = observe()["lapsing"]
    deviation = max(abs(observer[name] - LAPSING_OBSERVER[name]) for name in CONDITIONS)
    return {"deviation": deviation, "foils": foils()}


# Figure: the layout of Fig. 5.


PLACES = np.array([0.0, 1.0, 2.4, 3.4])  # of CONDITIONS


def draw_stays(axis: Any, stays: list[dict[str, float]], ideal: Any = None) -> None:
    """Draw stay probabilities: bars for the mean, dots for seeds, lines for the paper."""
    values = np.array([[s[name] for name in CONDITIONS] for s in stays])
    draw_bars(axis, PLACES, values, [OURS, "#8fc1d4"] * 2)
    for place, name in zip(PLACES, CONDITIONS, strict=True):
        axis.plot([place - 0.45, place + 0.45], [PUBLISHED_STAYS[name]] * 2, color=PUBLISHED, lw=2)
        if ideal is not None:
            axis.plot([place - 0.45, place + 0.45], [ideal[name]] * 2, ":", color="black", lw=2)
    axis.set_xticks(PLACES, ["common", "rare"] * 2)
    axis.set_xticks([0.5, 2.9], ["\nrewarded", "\nunrewarded"], minor=True)
    axis.tick_params(which="minor", length=0, pad=8)
    axis.set(ylim=(0, 1.05), ylabel="P(stay)")


def draw_strategies(axis: Any, measures: list[Measures]) -> None:
    """Draw how likely choices are by three strategies: the agents', and those of two foils."""
    names = list(measures[0]["strategies"])
    places = np.arange(len(names), dtype=float)
    rows = [[m["strategies"][name] for name in names] for m in measures]
    draw_bars(axis, places, np.exp(np.array(rows, float)), OURS)
    for name, marker, shift in ((MODEL_FREE, "o", -0.25), (CUE, "^", 0.25)):
        theirs = np.exp([foils()[name]["strategies"][strategy] for strategy in names])
        look = {"ms": 4.5, "mfc": "white", "mew": 0.8, "color": "black", "label": name}
        axis.plot(places + shift, theirs, marker, **look)
    axis.axhline(0.5, ls=":", lw=1, color="black")
    axis.set_xticks(places, [name.replace(" ", "\n", 1) for name in names])
    axis.set(ylim=(0.4, 1.25), yticks=np.arange(0.4, 1.1, 0.2), ylabel="likelihood per choice")
    axis.legend(fontsize=SMALL, loc="upper right")
    axis.set_title(titled("Strategies fitted to choices", measures))


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw behaviour, RPEs against the two learners', and the learning curves."""
    with style():
        fig, axes = new_figure(3, rows=2)
        draw_stays(axes[0], [m["stays"] for m in measures], observe()["ideal"])
        for name, marker, shift in ((MODEL_FREE, "o", -0.3), (CUE, "^", 0.3)):
            theirs = list(foils()[name]["stays"].values())
            look = {"ms": 4.5, "mfc": "white", "mew": 0.8, "color": "black", "label": name}
            axes[0].plot(PLACES + shift, theirs, marker, **look)
        draw_foils(axes[0], PLACES, lacking, lambda m: [*m["stays"].values()], apart=0.15, **MARKS)
        axes[0].plot([], [], color=PUBLISHED, lw=2, label="paper")
        axes[0].plot([], [], ":", color="black", lw=2, label="ideal")
        axes[0].set(ylim=(-0.05, 1.4), yticks=np.linspace(0, 1, 6))
        axes[0].legend(fontsize=SMALL, loc="upper left", ncols=2, handlelength=1.5)
        axes[0].set_title(titled("Repeated choices", measures))
        based, free, ours = np.concatenate([m["rpe_sample"] for m in measures], axis=1)
        for axis, theirs, name in ((axes[1], based, "based"), (axes[2], free, "free")):
            axis.plot(theirs, ours, ".", ms=2, alpha=0.4, color=OURS)
            axis.axhline(0, lw=0.5, color=IDEAL)
            axis.axvline(0, lw=0.5, color=IDEAL)
            r2, *_ = mean_and_interval([m[f"r2_model_{name}"] for m in measures])
            axis.set(xlabel=f"RPE of a model-{name} learner", ylabel="RPE of the agent")
            axis.set_title(f"Model-{name}, mean R2 {r2:.2f} (n = {len(measures)})")
        draw_learning(axes[3], [m["history"] for m in measures], reward_per_trial)
        axes[3].axhline(0.705, ls=":", color="black")
        axes[3].set(ylabel="reward per trial", ylim=(0, 0.8))
        axes[3].set_title(titled("Learning, held-out episodes", measures))
        for name, colour, line in zip(
            CONDITIONS, (OURS, PUBLISHED) * 2, ("-", "-", ":", ":"), strict=True
        ):
            weights = [m["lags"][name] for m in measures]
            lags = np.arange(1, LAGS + 1)
            draw_mean(axes[4], lags, weights, colour, seeds=False, ls=line, label=name)
        axes[4].axhline(0, lw=0.5, color=IDEAL)
        low, high = axes[4].get_ylim()
        axes[4].set_ylim(low, high + 0.3 * (high - low))  # the legend goes above the lines
        axes[4].legend(fontsize=SMALL, loc="upper left", ncols=2)
        axes[4].set(xlabel="trials ago", ylabel="weight of repeating the choice")
        axes[4].set_title(titled("Regression on past trials", measures))
        draw_strategies(axes[5], measures)
        letter_panels(axes)
        legend_of_foils(fig, lacking, **MARKS)
    return fig


EXPERIMENT = Experiment(
    name="two-step",
    title="Two-step task: model-based behaviour from model-free learning",
    question=(
        "Does a network trained by model-free RL choose, and compute prediction errors, as if it "
        "knew the structure of the task?"
    ),
    trainings={"agent": Training(ID, metrics=Metrics(metrics, plot))},
    seeds=range(100, 120),
    algorithms=("a2c", "ppo"),
    lacking=True,
    # the second stage is shown, and its reward does not depend on who chose it
    able=[NO_ACTION_INPUT],
    measure=measure,
    claims=CLAIMS,
    figure=figure,
    derive=derive,
    references=references,
)
