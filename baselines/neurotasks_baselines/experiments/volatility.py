"""Simulation 2 of Wang et al. 2018: a learning rate that adapts to the volatility of the world."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from neurotasks.analysis.decoder import fit_logistic
from neurotasks.analysis.volatility import learning_rates
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.observers import BayesVolatility, ConstantHazardVolatility, RescorlaWagnerVolatility
from neurotasks.scores import TEST_SEED
from neurotasks.tasks.volatility import STABLE, VOLATILE, VolatilityParameters
from neurotasks_baselines.agents.activations import Activations, compute_activations
from neurotasks_baselines.agents.interventions import WithoutMemory
from neurotasks_baselines.experiments.base import Agents, Experiment, Foils, Measures, Training
from neurotasks_baselines.experiments.claims import FOILS, REPORTED, Row, at_least, between, learned
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

NAME, ID = "volatility", "neurotasks/Volatility-v0"
BLOCKS = {"stable": STABLE, "volatile": VOLATILE}
BIN = 5  # trials that are averaged in curves over trials
FOLDS = 5  # folds of episodes, to train and test the decoder
OBSERVER_EPISODES = 300  # the same that an agent plays
INTERVAL = VolatilityParameters().reversal_interval
SETTLED = 10  # last trials of such an interval, when the reversal has been learned
HAZARDS, BETAS = (1e-4, 0.5), (0.0, 100.0)  # bounds of a fit
SHUFFLES = 1000  # of the blocks, for the null of the units' code
RATES = 1 / np.array([2, 4, 8, 16, 32])  # of learners that do not adapt theirs
WITHOUT_MEMORY = "the same agent without memory"
CONSTANT_HAZARD = "Bayesian observer with a constant hazard rate"
FIXED_RATES = "learners with five fixed learning rates"
LEAKY_REWARD = "leaky averages of the reward"
BELIEF = "belief at a constant hazard rate"
UNTRAINED = "untrained network"
HALF_WAY = (0.5 + (0.91 + 0.76) / 2) / 2  # from chance to the Bayesian observer's choices
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
        foil=CONSTANT_HAZARD,
        note=(
            "An observer whose hazard rate never changes learns faster, too, while it is less sure "
            "of the better arm: this ratio alone does not show that volatility is inferred."
        ),
        why={
            "a2c": "All five agents adapt, but less than the Bayesian observer.",
            "ppo": "An observer whose hazard rate never changes passes, too.",
        },
    ),
    Row(
        "fitted hazard rate, volatile / stable block",
        "hazard_ratio",
        "> 1 (1.49 Bayesian observer)",
        f"{DIRECTION}; 0.9 to 1.1 counts as equal, as for the fixed learning rate",
        at_least(1.1),
        kind="direction",
        foil=CONSTANT_HAZARD,
        note="Of the Bayesian observer with a constant hazard rate whose choices are likeliest.",
        why={
            "a2c": "Four of five agents lie above the bound, but the interval reaches below.",
            "ppo": "An agent without action input that chooses at chance is fitted by hazard "
            "rates of 0.0001 and 0.08, which say nothing.",
        },
    ),
    Row(
        "the ratio of learning rates of a learner with a fixed rate",
        "references.fixed_ratio",
        "1",
        "Wang 2016, restless bandit (direction); checks the fit, no training",
        between(0.9, 1.1),
        kind="check",
    ),
    Row(
        "choices of the better arm, stable block",
        "correct.stable",
        "0.91 Bayesian observer",
        COMPUTED,
        at_least(0.85),
        kind="reference",
        foil=WITHOUT_MEMORY,
    ),
    Row(
        "choices of the better arm, volatile block",
        "correct.volatile",
        "0.76 Bayesian observer",
        COMPUTED,
        at_least(0.68),
        kind="reference",
        foil=WITHOUT_MEMORY,
        note="Who follows the last outcome only is right as often as the better arm pays, in 0.8.",
    ),
    Row(
        "choices of the better arm, volatile block, last 10 of the 25 trials between reversals",
        "settled",
        "0.90 Bayesian observer",
        f"{COMPUTED}; the bound is that of the stable block",
        at_least(0.85),
        kind="reference",
        foil=WITHOUT_MEMORY,
    ),
    Row(
        "fraction of trials whose block is decoded from the recurrent state",
        "decoding",
        "0.69 Bayesian observer; 37 of 48 units code volatility",
        "computed: what its belief favours, which knows training and not the test; Wang 2018, "
        "Fig. 3 (recalled, unverified); held-out episodes",
        at_least(0.69),
        kind="reference",
        foil=FIXED_RATES,
        note=(
            "Of learners that never adapt, the estimates and their distances from 1/2 tell the "
            "block as well. The next three rows, too, are of foils in the same episodes."
        ),
        why={"a2c": "The block of one of five agents is decoded in 67 % of trials."},
    ),
    *(
        Row(
            f"the same from the {name}",
            f"{FOILS}.{name}.decoding",
            "-",
            "ours",
            REPORTED,
            kind="reported",
        )
        for name in (LEAKY_REWARD, BELIEF, UNTRAINED)
    ),
    Row(
        "fraction of the units that code the block, beyond the 99th percentile of shuffled blocks",
        "units.fraction",
        "37 of 48 (0.77)",
        "Wang 2018, Fig. 3 (recalled, unverified); the bound is the lower end of Wilson's interval",
        at_least(0.635),
        kind="number",
        foil=UNTRAINED,
        note=(
            "A unit codes the block if its mean activity differs between the two blocks of an "
            "episode. How many do so also depends on the number of episodes, here 300."
        ),
        why={"a2c": "Fewer units of one of five agents do, 54 %."},
    ),
    Row(
        "the same of blocks that are shuffled within episodes",
        "units.shuffled",
        "0.01",
        "ours: what the 99th percentile leaves",
        REPORTED,
        kind="reported",
    ),
    *(
        Row(
            f"fitted learning rate, {block} block",
            f"alpha.{block}",
            "those of people were not found",
            "Wang 2018, Fig. 3; Behrens 2007",
            REPORTED,
            kind="reported",
        )
        for block in BLOCKS
    ),
    learned(
        f"choices of the better arm, mean of both blocks, at least {HALF_WAY:.2f}; chance has 0.5, "
        "the Bayesian observer 0.83"
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
    """Let an agent play; return its behaviour and the decoding of volatility from its LSTM.

    Something of the input can be decoded from whatever follows it: the foils of the decoding are
    shown the same episodes.
    """
    model = agents["agent"]
    episodes, activations = evaluate(model, num_episodes=num_episodes, seed=seed)
    blocks = episodes.truth["block"]
    before = compute_activations(untrained(model), episodes).hidden
    features: dict[str, NDArray[Any]] = {
        FIXED_RATES: fixed_rates(episodes),
        LEAKY_REWARD: leaky_averages(episodes.rewards - 0.5),
        BELIEF: belief_and_confidence(episodes),
    }
    envs = held_out_envs(ID, model.description["task_kwargs"], num_episodes)
    forgetful = run_episodes(WithoutMemory(model), envs, seed=seed)
    return {
        **behaviour(episodes),
        **coding(activations.hidden, blocks),
        FOILS: {
            **{name: decode(values, blocks) for name, values in features.items()},
            UNTRAINED: coding(before, blocks),
            WITHOUT_MEMORY: choices(forgetful),
        },
        "history": model.description["history"],
    }


def measure_lacking(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Return behaviour and decoding of an agent that lacks something."""
    episodes, activations = evaluate(agents["agent"], num_episodes=num_episodes, seed=seed)
    return {**behaviour(episodes), **coding(activations.hidden, episodes.truth["block"])}


def behaviour(episodes: Episodes) -> Measures:
    """Return learning rates and hazard rates, and choices of the better arm.

    The learning rates are medians over groups of ten episodes.
    """
    rates = learning_rates(episodes.trials)["alpha"].unstack("block").median()
    alpha = {name: float(rates[block]) for name, block in BLOCKS.items()}
    hazard = {name: hazard_rate(episodes, block) for name, block in BLOCKS.items()}
    return {
        "alpha": alpha,
        "ratio": alpha["volatile"] / alpha["stable"] if alpha["stable"] else np.nan,
        "hazard": hazard,
        "hazard_ratio": hazard["volatile"] / hazard["stable"],
        **choices(episodes),
        "correct_by_trial": correct_by_trial(episodes),
    }


def hazard_rate(episodes: Episodes, block: int) -> float:
    """Fit the Bayesian observer with a constant hazard rate to the choices in a kind of block.

    Args:
        episodes: Episodes.
        block: Kind of block whose choices count. The observer learns from all trials.

    Returns:
        The hazard rate at which the choices are likeliest, each at its best softmax.
    """
    counts = episodes.truth["block"] == block
    sign = 2 * episodes.actions[counts] - 1

    def minimum(loss: Callable[[float], float], bounds: Any) -> Any:
        return minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 0.01})

    def loss(log_hazard: float) -> float:
        lead = sign * beliefs(episodes, np.exp(log_hazard))[1][counts]
        return float(minimum(lambda beta: np.logaddexp(0, -beta * lead).sum(), BETAS).fun)

    return float(np.exp(minimum(loss, np.log(HAZARDS)).x))


def beliefs(episodes: Episodes, hazard: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what an observer with a constant hazard rate believes in the episodes of others.

    Returns:
        Before each trial the probabilities of p_better, (trials, episodes, levels), and the
        expected reward of the right arm less that of the left one, (trials, episodes).
    """
    num_episodes = episodes.actions.shape[1]
    observer = ConstantHazardVolatility(held_out_envs(ID, {}, 1), hazard=hazard)
    memory: Any = np.zeros(num_episodes, observer.memory)
    observer.start(memory)
    levels, lead = [], []
    for action, reward in zip(episodes.actions, episodes.rewards, strict=True):
        levels.append(memory["belief"].sum(axis=2))
        lead.append(observer.advantage(memory))
        observer.learn(memory, action, reward)
    return np.stack(levels), np.stack(lead)


def belief_and_confidence(episodes: Episodes) -> NDArray[np.float64]:
    """Return what tells the block from the belief at a constant hazard rate, as features."""
    levels, lead = beliefs(episodes, hazard=0.01)
    return np.concatenate([levels, np.abs(lead)[..., None]], axis=2)


def leaky_averages(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return averages before each trial that follow the values at each of `RATES`, from 0 on."""
    averages = np.zeros((*values.shape, len(RATES)))
    for t, value in enumerate(values[:-1]):
        averages[t + 1] = averages[t] + RATES * (value[:, None] - averages[t])
    return averages


def fixed_rates(episodes: Episodes) -> NDArray[np.float64]:
    """Return which arm pays more often by the learners with `RATES`, and how clearly."""
    paying = (2.0 * episodes.actions - 1) * (2 * episodes.rewards - 1)
    lead = leaky_averages(paying)
    return np.concatenate([lead, np.abs(lead)], axis=2)


def derive(m: Measures) -> Measures:
    """Return who learned; nothing of foils of the decoding."""
    if "correct" not in m:
        return {}
    return {"learned": np.mean([m["correct"][name] for name in BLOCKS]) >= HALF_WAY}


def choices(episodes: Episodes) -> Measures:
    """Return how often the better arm is chosen: in each block, and when a reversal is learned."""
    trials = episodes.trials
    late = (trials["block"] == VOLATILE) & (trials["trial"] % INTERVAL >= INTERVAL - SETTLED)
    return {"correct": correct_by_block(episodes), "settled": float(trials["correct"][late].mean())}


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


def decode(features: NDArray[Any], blocks: NDArray[np.int8]) -> Measures:
    """Decode the block of each trial from features, in episodes not trained with.

    Args:
        features: Features of each trial, such as a recurrent state, (trials, episodes, features).
        blocks: Block of each trial, (trials, episodes).

    Returns:
        ``decoding`` (fraction of trials decoded correctly) and ``p_volatile`` (decoded probability
        of the volatile block, see `by_trial`).
    """
    fold = np.arange(features.shape[1]) % FOLDS
    decoded = np.empty(blocks.shape)
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        decoder = fit_logistic(features[:, train], blocks[:, train])
        states = features[:, test].reshape(-1, features.shape[-1])
        decoded[:, test] = decoder.predict_proba(states)[:, 1].reshape(len(features), -1)
    return {
        "decoding": float(((decoded > 0.5) == blocks).mean()),
        "p_volatile": by_trial(decoded, blocks),
    }


def coding(hidden: NDArray[Any], blocks: NDArray[np.int8]) -> Measures:
    """Return what single units, and all of them, tell of the block; arguments as of `decode`."""
    return {**decode(hidden, blocks), "units": unit_coding(hidden, blocks)}


def unit_coding(hidden: NDArray[Any], blocks: NDArray[np.int8]) -> Measures:
    """Return which units are more, or less, active in the volatile block than in the stable one.

    For the null the two blocks of each episode are exchanged or not, at random.

    Args:
        hidden: Activity of the units, (trials, episodes, units).
        blocks: Block of each trial, (trials, episodes).

    Returns:
        ``size``, the size of each unit's mean difference over the 99th percentile of the null;
        ``fraction``, the fraction of units where it is above 1; ``shuffled``, the same of other
        shuffles, on average.
    """
    weight = np.where(blocks == VOLATILE, 1.0, 0.0)
    weights = weight / weight.sum(axis=0) - (1 - weight) / (1 - weight).sum(axis=0)
    difference = np.einsum("te,teu->eu", weights, hidden.astype(np.float64))
    rng = np.random.default_rng(0)
    bound, other = (
        np.abs(rng.choice([-1.0, 1.0], (SHUFFLES, len(difference))) @ difference) for _ in range(2)
    )
    limit = np.percentile(bound, 99, axis=0)
    size = np.divide(
        np.abs(difference.sum(axis=0)), limit, out=np.zeros_like(limit), where=limit > 1e-9
    )
    return {
        "size": size.round(4).tolist(),
        "fraction": float((size > 1).mean()),
        "shuffled": float((other > limit).mean()),
    }


@cache
def observe() -> dict[str, Measures]:
    """Return the behaviour of Bayesian observers and of a learner with one learning rate.

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
    constant = run_episodes(ConstantHazardVolatility(envs, seed=0), seed=TEST_SEED)
    fixed = run_episodes(RescorlaWagnerVolatility(envs, seed=0), seed=TEST_SEED)
    return {
        "bayes": {
            **behaviour(episodes),
            "decoding": decoding,
            "p_volatile": by_trial(belief, blocks),
        },
        "constant": behaviour(constant),
        "fixed": behaviour(fixed),
    }


def references() -> Measures:
    """Return the learning rates' ratio of the learner with one, and the constant hazard's."""
    return {
        "fixed_ratio": observe()["fixed"]["ratio"],
        FOILS: {CONSTANT_HAZARD: observe()["constant"]},
    }


# Figure: learning rates by block, behaviour and decoding by trial.

LEGEND: Any = {"fontsize": SMALL, "title_fontsize": SMALL, "alignment": "left", "borderpad": 0}


def draw_by_trial(
    axis: Any, curves: list[dict[str, list[float]]], colour: str, **line: Any
) -> None:
    """Draw the mean over seeds by trial: dark if volatile first, light if stable first."""
    for name, alpha in (("volatile", 1.0), ("stable", 0.45)):
        values = np.array([curve[name] for curve in curves], np.float64)
        trials = BIN * (np.arange(values.shape[1]) + 0.5)
        draw_mean(axis, trials, values, colour, seeds=False, alpha=alpha, **{"lw": 1.2} | line)


def draw_by_block(axis: Any, measures: list[Measures], lacking: Foils, key: str) -> None:
    """Draw a value by block: of the agents, the observers, and the foils in grey."""

    def by_block(m: Measures) -> list[float]:
        return [m[key][block] for block in BLOCKS]

    draw_foils(axis, [0, 1], lacking, by_block)
    observers = observe()
    for learner, marker, name in (
        ("bayes", "s", "Bayesian observer"),
        ("constant", "o", "constant hazard rate"),
        ("fixed", "v", "fixed learning rate"),
    ):
        look = {"marker": marker, "ms": 4, "mfc": "none", "lw": 1, "color": "black"}
        axis.plot([0, 1], by_block(observers[learner]), ls="--", label=name, **look)
    ours = np.array([by_block(m) for m in measures], np.float64)
    for row in ours:
        axis.plot([0, 1], row, lw=0.5, alpha=0.4, color=OURS)
    mean, low, high = mean_and_interval(ours)
    axis.plot([0, 1], mean, "o-", ms=4, color=OURS, label="agent, mean and seeds")
    axis.vlines([0, 1], low, high, color=OURS, lw=1.5)
    axis.set_xticks([0, 1], list(BLOCKS))
    axis.set(xlim=(-0.4, 1.4), xlabel="block")


def draw_sizes(axis: Any, measures: list[Measures]) -> None:
    """Draw how clearly units tell the blocks, the clearest first, before and after training."""
    for m in measures:
        for units, colour in ((m[FOILS][UNTRAINED]["units"], IDEAL), (m["units"], OURS)):
            sizes = np.sort(units["size"])[::-1]
            axis.plot(np.arange(1, len(sizes) + 1), sizes, color=colour, lw=0.6, alpha=0.6)
    axis.axhline(1, ls="--", lw=1, color="black")
    axis.axvline(37, ls=":", lw=1, color=PUBLISHED)
    axis.plot([], [], color=OURS, label="agents")
    axis.plot([], [], color=IDEAL, label=UNTRAINED)
    axis.plot([], [], ls="--", color="black", label="99 % of shuffles")
    axis.plot([], [], ls=":", color=PUBLISHED, label="37 units, published")
    axis.legend(fontsize=SMALL)
    axis.set(xlabel="unit, ordered", ylabel="difference / null")
    axis.set_title(titled("Single units, by block", measures))


def draw_fractions(axis: Any, measures: list[Measures], lacking: Foils) -> None:
    """Draw the fractions of units that code the block."""
    rows = [
        [m["units"]["fraction"], m[FOILS][UNTRAINED]["units"]["fraction"], m["units"]["shuffled"]]
        for m in measures
    ]
    draw_bars(axis, [0, 1, 2], rows, [OURS, IDEAL, IDEAL])
    draw_foils(axis, [0], lacking, lambda m: [m["units"]["fraction"]], apart=0.2, **MARKS)
    axis.axhline(37 / 48, color=PUBLISHED, lw=1.5)
    axis.set_xticks([0, 1, 2], ["agents", "untrained", "shuffled"])
    axis.set(ylabel="fraction of units", ylim=(0, 1.05))
    axis.set_title(titled("Units that code the block", measures))


def draw_legends(axes: Any) -> None:
    """Explain the other panels in the last one."""
    *_, axis = axes
    axis.set_axis_off()
    rates = [line for line in axes[0].lines if not line.get_label().startswith("_")]
    legend = axis.legend(handles=rates, title="in a and b", loc="upper left", **LEGEND)
    axis.add_artist(legend)
    who = ("Bayesian observer", "agent, mean", "fixed learning rates")
    first = [f"{name}, {block} first" for name in who for block in ("volatile", "stable")]
    shown = [line for line in axes[3].lines if len(line.get_xdata()) > 2]
    axis.legend(shown, first, title="in c and d", loc="lower left", **LEGEND)


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw fitted rates, choices and decoding next to the observers', and learning curves."""
    with style():
        fig, axes = new_figure(4, rows=2)
        bayes = observe()["bayes"]
        ratios = {"alpha": ("ratio", "learning rate"), "hazard": ("hazard_ratio", "hazard rate")}
        for axis, (key, (ratio, words)) in zip(axes, ratios.items(), strict=False):
            draw_by_block(axis, measures, lacking, key)
            mean, *_ = mean_and_interval([m[ratio] for m in measures])
            axis.set(ylabel=f"fitted {words}")
            axis.set_title(titled(f"{words.capitalize()}, mean ratio {mean:.2f}", measures))
        axes[0].set(ylim=(0, 1.05))
        axes[1].set(yscale="log")
        curves = (("correct_by_trial", "P(correct)"), ("p_volatile", "P(volatile)"))
        for axis, (key, label) in zip(axes[2:], curves, strict=False):
            draw_by_trial(axis, [bayes[key]], "black", ls=":")
            draw_by_trial(axis, [m[key] for m in measures], OURS)
            axis.axvline(len(bayes[key]["stable"]) * BIN / 2, lw=0.5, color="black")
            axis.set(xlabel="trial", ylabel=label)
        fixed = [m[FOILS][FIXED_RATES]["p_volatile"] for m in measures]
        draw_by_trial(axes[3], fixed, IDEAL, ls="--")
        axes[2].set(ylim=(0.2, 1.02), title=titled("Choices", measures))
        axes[3].set(ylim=(0, 1), title=titled("Block, decoded from the state", measures))
        draw_learning(axes[4], [m["history"] for m in measures], reward_per_trial)
        axes[4].set(ylabel="reward per trial", ylim=(0.45, 0.75))
        axes[4].set_title(titled("Learning, held-out episodes", measures))
        draw_sizes(axes[5], measures)
        draw_fractions(axes[6], measures, lacking)
        draw_legends(axes)
        letter_panels(axes[:7])
        legend_of_foils(fig, lacking)
    return fig


EXPERIMENT = Experiment(
    name=NAME,
    title="Volatility: a learning rate that adapts",
    question=(
        "Does a trained agent, with frozen weights, learn faster where the world changes often, as "
        "people do?"
    ),
    trainings={"agent": Training(ID, metrics=Metrics(metrics, plot))},
    seeds=range(100, 120),
    algorithms=("a2c", "ppo"),
    lacking=True,
    measure=measure,
    measure_seconds=8,
    measure_lacking=measure_lacking,
    claims=CLAIMS,
    figure=figure,
    derive=derive,
    references=references,
)
