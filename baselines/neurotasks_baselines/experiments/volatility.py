"""Simulation 2 of Wang et al. 2018: a learning rate that adapts to the volatility of the world."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.episodes import Episodes, run_episodes
from neurotasks_baselines.agents.activations import Activations, compute_activations
from neurotasks_baselines.agents.interventions import WithoutMemory
from neurotasks_baselines.experiments.base import Agents, Experiment, Measures, Training
from neurotasks_baselines.experiments.claims import FOILS, REPORTED, Row, at_least, between, learned
from neurotasks_baselines.experiments.volatility_figure import draw_by_trial, figure
from neurotasks_baselines.experiments.volatility_measures import (
    BLOCKS,
    FIXED_RATES,
    ID,
    NAME,
    UNTRAINED,
    behaviour,
    belief_and_confidence,
    choices,
    coding,
    correct_by_block,
    correct_by_trial,
    decode,
    fixed_rates,
    leaky_averages,
    observe,
)
from neurotasks_baselines.plotting import OURS, new_figure, style
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs, untrained

WITHOUT_MEMORY = "the same agent without memory"
CONSTANT_HAZARD = "Bayesian observer with a constant hazard rate"
LEAKY_REWARD = "leaky averages of the reward"
BELIEF = "belief at a constant hazard rate"
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
            "An observer whose hazard rate never changes also learns faster when it "
            "is less sure which arm is better: this ratio alone does not show that "
            "volatility is inferred."
        ),
        why={
            "a2c": "All 20 agents adapt, but less than the Bayesian observer.",
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
        note=(
            "The hazard rate is that of the Bayesian observer with a constant rate under "
            "which the choices are likeliest."
        ),
        why={
            learner: "An agent without action input that chooses at chance is fitted by hazard "
            "rates of 0.0001 and 0.08, which say nothing."
            for learner in ("a2c", "ppo")
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
        note=(
            "A player that follows only the last outcome is right as often as the better "
            "arm pays: 0.8."
        ),
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
        (
            "computed: what its belief favours, which knows the training blocks and not "
            "the test; Wang 2018, Fig. 3 (recalled, unverified); held-out episodes"
        ),
        at_least(0.69),
        kind="reference",
        foil=FIXED_RATES,
        note=(
            "The estimates of learners that never adapt, and the distances of these "
            "from 1/2, reveal the block as well. The next three rows show other foils "
            "in the same episodes."
        ),
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
            "those of people (not found)",
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


def derive(m: Measures) -> Measures:
    """Return who learned; nothing of foils of the decoding."""
    if "correct" not in m:
        return {}
    return {"learned": np.mean([m["correct"][name] for name in BLOCKS]) >= HALF_WAY}


def references() -> Measures:
    """Return the learning rates' ratio of the learner with one, and the constant hazard's."""
    return {
        "fixed_ratio": observe()["fixed"]["ratio"],
        FOILS: {CONSTANT_HAZARD: observe()["constant"]},
    }


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
    panels=(
        "Learning rate fitted to the choices in either block. A ratio above 1 does not show that "
        "it adapts: a learner with a constant hazard rate has one, too.",
        "Hazard rate of a Bayesian learner fitted to the choices in either block, which is the "
        "same in both for a learner that does not adapt.",
        "Fraction of choices of the better arm, by trial, in episodes that begin with the "
        "volatile (dark) or the stable block (light).",
        "Probability of a volatile block as a decoder reads it from the recurrent state, "
        "from the Bayesian observer's belief, and from five learners with fixed rates "
        "(grey).",
        "Reward in held-out episodes over the training.",
        "How clearly each unit tells the blocks apart, in order, each line a network: the "
        "difference of its means, over that of 99 % of shuffles.",
        "Fraction of units above that line, next to untrained networks, shuffled blocks and "
        "the 37 of 48 units of the paper (red).",
    ),
    derive=derive,
    references=references,
)
