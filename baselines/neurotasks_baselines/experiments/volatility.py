"""Simulation 2 of Wang et al. 2018: a learning rate that adapts to the volatility of the world."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from scipy import stats

from neurotasks.analysis.decoder import fit_logistic
from neurotasks.analysis.volatility import learning_rates
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.observers import BayesVolatility, RescorlaWagnerVolatility
from neurotasks.scores import TEST_SEED
from neurotasks.tasks.volatility import STABLE, VOLATILE
from neurotasks_baselines.agents.activations import Activations, compute_activations
from neurotasks_baselines.experiments.base import Agents, Experiment, Measures, Training
from neurotasks_baselines.experiments.claims import REPORTED, Row, at_least, at_most, between
from neurotasks_baselines.plotting import IDEAL, OURS, PUBLISHED, new_figure, style
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs
from neurotasks_baselines.training.hyperparameters import Hyperparameters

NAME, ID = "volatility", "neurotasks/Volatility-v0"
BLOCKS = {"stable": STABLE, "volatile": VOLATILE}
BIN = 5  # trials that are averaged in curves over trials
FOLDS = 5  # folds of episodes, to train and test the decoder
PERMUTATIONS = 1000
OBSERVER_EPISODES = 300  # the same that an agent plays
COMPUTED = "computed: Bayesian observer, softmax beta 8"
DIRECTION = f"Wang 2018, Fig. 3 (direction); {COMPUTED}, values kept from block to block"


# Claims: findings of Fig. 3.

CLAIMS = (
    Row(
        "fitted learning rate, volatile / stable block",
        "ratio",
        "> 1 (1.35 Bayesian observer)",
        DIRECTION,
        at_least(1.2),
        kind="direction",
    ),
    Row(
        "lower end of the 95 % interval of this ratio over groups of 10 episodes",
        "ratio_interval.0",
        "> 1 (1.30 Bayesian observer)",
        DIRECTION,
        at_least(float(np.nextafter(1.0, 2.0))),
        kind="direction",
    ),
    Row(
        "the ratio of a learner with a fixed rate",
        "references.fixed_ratio",
        "1",
        "Wang 2016, restless bandit (direction); checks the fit, no training",
        between(0.9, 1.1),
        kind="check",
    ),
    Row(
        "choices of the better arm, stable block",
        "correct.stable",
        "0.90 Bayesian observer",
        COMPUTED,
        at_least(0.85),
        kind="reference",
    ),
    Row(
        "choices of the better arm, volatile block",
        "correct.volatile",
        "0.75 Bayesian observer",
        COMPUTED,
        at_least(0.68),
        kind="reference",
    ),
    Row(
        "p that chance tells the block from the recurrent state as well",
        "decoding_p",
        "37 of 48 units code volatility",
        "Wang 2018, Fig. 3 (recalled, unverified); held-out episodes, permutation test",
        at_most(0.01),
        kind="number",
    ),
    Row(
        "fraction of trials whose block is decoded from the recurrent state",
        "decoding",
        "0.69 Bayesian observer",
        "computed: what its belief favours, which knows training and not the test",
        REPORTED,
        kind="reported",
    ),
    Row(
        "the same from the network before its training, shown the same",
        "decoding_before",
        "-",
        "ours",
        REPORTED,
        kind="reported",
    ),
)


# Evaluation metrics, shown by TensorBoard during training.


def metrics(episodes: Episodes) -> dict[str, float]:
    """Return the reward per trial and how often the better arm is chosen in each block."""
    correct = correct_by_block(episodes)
    return {
        "reward_per_trial": float(episodes.trials["trial_reward"].mean()),
        **{f"correct_{name}": value for name, value in correct.items()},
    }


def plot(episodes: Episodes, activations: Activations) -> Any:
    """Draw the choices of the better arm in one evaluation, trial by trial."""
    with style():
        figure, axes = new_figure(1)
        draw_by_trial(axes[0], [correct_by_trial(episodes)], OURS)
        axes[0].set(xlabel="trial", ylabel="P(correct)", ylim=(0.3, 1.02))
    return figure


# Measure: frozen weights, the schedule of the test.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Let an agent play; return its learning rates and the decoding of volatility from its LSTM.

    Something of the input can be decoded from any recurrent network: ``decoding_before`` is the
    accuracy for the same network before its training, given the same input.
    """
    model = agents["agent"]
    episodes, activations = evaluate(model, num_episodes=num_episodes, seed=seed)
    about = model.description
    hyperparameters = Hyperparameters(**about["hyperparameters"])
    untrained = build(
        ID,
        hyperparameters=hyperparameters,
        seed=about["seed"],
        num_envs=1,
        task_kwargs=about["task_kwargs"],
    )
    before = compute_activations(untrained, episodes)
    blocks = episodes.truth["block"]
    return {
        **behaviour(episodes),
        **decode(activations.hidden, blocks),
        "decoding_before": decode(before.hidden, blocks)["decoding"],
        "history": model.description["history"],
    }


def behaviour(episodes: Episodes) -> Measures:
    """Return learning rates, their ratio with its interval, and choices of the better arm.

    The learning rates are medians over groups of ten episodes, the interval is a bootstrap over
    these groups.
    """
    rates = learning_rates(episodes.trials)["alpha"].unstack("block")
    alpha = {name: float(rates[block].median()) for name, block in BLOCKS.items()}
    stable, volatile = (rates[block].to_numpy() for block in BLOCKS.values())
    with np.errstate(divide="ignore", invalid="ignore"):
        interval = stats.bootstrap(
            (volatile, stable),
            lambda v, s, axis: np.median(v, axis) / np.median(s, axis),
            paired=True,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
    return {
        "alpha": alpha,
        "ratio": alpha["volatile"] / alpha["stable"] if alpha["stable"] else np.nan,
        "ratio_interval": [float(interval.low), float(interval.high)],
        "correct": correct_by_block(episodes),
        "correct_by_trial": correct_by_trial(episodes),
    }


def correct_by_block(episodes: Episodes) -> dict[str, float]:
    """Return how often the better arm is chosen in each block."""
    correct = episodes.trials.groupby("block")["correct"].mean()
    return {name: float(correct.get(block, np.nan)) for name, block in BLOCKS.items()}


def correct_by_trial(episodes: Episodes) -> dict[str, list[float]]:
    """Return how often the better arm is chosen in bins of trials, by the first block."""
    return by_trial(episodes.actions == episodes.truth["best_action"], episodes.truth["block"])


def by_trial(values: np.ndarray, blocks: np.ndarray) -> dict[str, list[float]]:
    """Return means in bins of `BIN` trials, separately for the two orders of the blocks.

    Args:
        values: Values, (trials, episodes).
        blocks: Block of each trial, (trials, episodes).

    Returns:
        The means by the name of the first block, NaN where no episode begins with it.
    """
    binned = values.reshape(-1, BIN, values.shape[1]).mean(axis=1)
    orders = {name: binned[:, blocks[0] == block] for name, block in BLOCKS.items()}
    return {
        name: (order.mean(axis=1) if order.size else np.full(len(order), np.nan)).tolist()
        for name, order in orders.items()
    }


def decode(hidden: np.ndarray, blocks: np.ndarray) -> Measures:
    """Decode the block of each trial from the recurrent state, in episodes not trained with.

    Chance is the accuracy of the same predictions when the episodes of a fold swap their blocks:
    trials of an episode are not independent of each other, orders of blocks of episodes are.

    Args:
        hidden: Recurrent state in each trial, (trials, episodes, units).
        blocks: Block of each trial, (trials, episodes).

    Returns:
        ``decoding`` (fraction of trials decoded correctly), ``decoding_p`` (fraction of the
        permutations that reach it, itself among them) and ``p_volatile`` (decoded probability of
        the volatile block, see `by_trial`).
    """
    fold = np.arange(hidden.shape[1]) % FOLDS
    decoded = np.empty(blocks.shape)
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        decoder = fit_logistic(hidden[:, train], blocks[:, train])
        states = hidden[:, test].reshape(-1, hidden.shape[-1])
        decoded[:, test] = decoder.predict_proba(states)[:, 1].reshape(len(hidden), -1)
    volatile = decoded > 0.5
    decoding = (volatile == blocks).mean()
    ordered = volatile[:, np.argsort(fold)]
    rng = np.random.default_rng(0)
    reached = 1
    for _ in range(PERMUTATIONS):
        swapped = np.lexsort((rng.random(len(fold)), fold))  # at random within each fold
        reached += (ordered == blocks[:, swapped]).mean() >= decoding
    return {
        "decoding": float(decoding),
        "decoding_p": float(reached / (1 + PERMUTATIONS)),
        "p_volatile": by_trial(decoded, blocks),
    }


@cache
def observe() -> dict[str, Measures]:
    """Return the behaviour of the Bayesian observer and of a learner with one learning rate.

    The Bayesian observer's includes ``decoding`` and ``p_volatile``, from its belief.
    """
    envs = held_out_envs(ID, {}, OBSERVER_EPISODES)
    bayes = BayesVolatility(envs, seed=0)
    episodes = run_episodes(bayes, envs, seed=TEST_SEED)
    blocks = episodes.truth["block"]
    memory, beliefs = None, []
    start = np.ones(OBSERVER_EPISODES, np.bool_)
    for observation in episodes.observations:
        _, memory = bayes.predict(observation, memory, start)
        start = np.zeros_like(start)
        beliefs.append(bayes.p_volatile(memory))
    belief = np.stack(beliefs)
    decoding = float(((belief > 0.5) == blocks).mean())
    fixed = run_episodes(RescorlaWagnerVolatility(envs, seed=0), seed=TEST_SEED)
    return {
        "bayes": {
            **behaviour(episodes),
            "decoding": decoding,
            "p_volatile": by_trial(belief, blocks),
        },
        "fixed": behaviour(fixed),
    }


def references() -> Measures:
    """Return the ratio of learning rates fitted to the learner with one learning rate."""
    return {"fixed_ratio": observe()["fixed"]["ratio"]}


# Figure: learning rates by block, behaviour and decoding by trial.


def draw_by_trial(
    axis: Any, curves: list[dict[str, list[float]]], colour: str, **line: Any
) -> None:
    """Draw the median over seeds by trial: dark if volatile first, light if stable first."""
    for name, alpha in (("volatile", 1.0), ("stable", 0.45)):
        values = np.median([curve[name] for curve in curves], axis=0)
        trials = BIN * (np.arange(len(values)) + 0.5)
        axis.plot(trials, values, color=colour, alpha=alpha, **line)


def figure(measures: list[Measures]) -> Any:
    """Draw learning rates, choices and decoding next to the observers', and learning curves."""
    with style():
        fig, axes = new_figure(4)
        bayes, fixed = observe()["bayes"], observe()["fixed"]
        places = np.arange(2)
        for m in measures:
            axes[0].plot(places, list(m["alpha"].values()), "o-", ms=3, lw=0.7, color=OURS)
        for learner, colour, name in (
            (bayes, IDEAL, "Bayesian observer"),
            (fixed, PUBLISHED, "fixed rate"),
        ):
            axes[0].plot(places, list(learner["alpha"].values()), "s--", color=colour, label=name)
        axes[0].plot([], [], "o-", color=OURS, label="agent, one line per seed")
        axes[0].set_xticks(places, list(BLOCKS))
        axes[0].set(xlim=(-0.4, 1.4), ylim=(0, 0.7), ylabel="fitted learning rate")
        axes[0].legend(fontsize=6, loc="upper left")
        axes[0].set_title(f"Ratio {np.median([m['ratio'] for m in measures]):.2f}")
        curves = (("correct_by_trial", "P(correct)"), ("p_volatile", "P(volatile)"))
        for axis, (key, label) in zip(axes[1:], curves, strict=False):
            draw_by_trial(axis, [bayes[key]], IDEAL, ls=":")
            draw_by_trial(axis, [m[key] for m in measures], OURS)
            axis.axvline(len(bayes[key]["stable"]) * BIN / 2, lw=0.5, color="black")
            axis.set(xlabel="trial", ylabel=label)
        axes[1].set(ylim=(0.2, 1.02), title="Choices (dotted: Bayes)")
        axes[2].set(ylim=(0, 1), title="Decoded from the recurrent state")
        axes[2].legend(axes[2].lines[2:4], ["volatile first", "stable first"], fontsize=6, ncols=2)
        for m in measures:
            steps = [row["steps"] / 1e6 for row in m["history"]]
            reward = [row["reward_per_trial"] for row in m["history"]]
            axes[3].plot(steps, reward, color=OURS, lw=0.8)
        axes[3].set(xlabel="million steps", ylabel="reward per trial", ylim=(0.45, 0.75))
        axes[3].set_title("Learning, held-out episodes")
    return fig


EXPERIMENT = Experiment(
    name=NAME,
    title="Volatility: a learning rate that adapts",
    question=(
        "Does the learning algorithm that an agent has learned learn faster where the world "
        "changes often, as people do?"
    ),
    trainings={"agent": Training(ID, metrics=Metrics(metrics, plot))},
    seeds=range(5),
    measure=measure,
    claims=CLAIMS,
    figure=figure,
    references=references,
)
