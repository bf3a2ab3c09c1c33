"""Dabney et al. 2020 with trained agents: channels of the critic as dopamine neurons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from neurotasks.tasks.variable_probability import VariableProbabilityParameters
from neurotasks.tasks.variable_reward import VariableRewardParameters
from neurotasks_baselines.agents.buffers import CriticTarget
from neurotasks_baselines.dopamine import channels
from neurotasks_baselines.dopamine.figures import (
    draw_asymmetry,
    draw_decoded,
    draw_responses,
    estimate,
)
from neurotasks_baselines.dopamine.neurons import MAGNITUDES, PROBABILITIES, Neurons
from neurotasks_baselines.dopamine.populations import population_measures
from neurotasks_baselines.dopamine.responses import simulate_responses, trial_counts
from neurotasks_baselines.experiments.base import Agents, Experiment, Measures, Training
from neurotasks_baselines.experiments.cart_pole import CartPoleTraining, cart_pole_return
from neurotasks_baselines.experiments.claims import REPORTED, Row, at_least, at_most, between
from neurotasks_baselines.experiments.learning_tables import TRUE_SD, chain_spread, two_coin_spread
from neurotasks_baselines.experiments.recorded_neurons import RecordedNeurons, with_recorded
from neurotasks_baselines.plotting import IDEAL, OURS, PUBLISHED, new_figure, style
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import evaluate
from neurotasks_baselines.training.hyperparameters import hyperparameters_for

NAME = "dopamine-agents"
REWARD, PROBABILITY = "neurotasks/VariableReward-v0", "neurotasks/VariableProbability-v0"
GAE_LAMBDA = 0.95
LAMBDAS = (0.8, 0.9, GAE_LAMBDA, 0.98, 1.0)  # of the target experiment on a table
STEPS = channels.steps_to_outcome(VariableRewardParameters()) + 1  # including that of the lick
CART_POLE_EPISODES = 100
RECORDINGS = 10  # simulated recordings of each agent's channels
TARGETS: dict[str, CriticTarget | None] = {
    "Monte-Carlo": "monte-carlo",
    "SR(lambda)": "sr-lambda",
    "TD per index": None,
}
RECORDED = "reversal_r_interpolation", "asymmetry_r_interpolation"  # reported of recorded neurons
SPEC = "computed: exact expectiles"
MICE_2 = "Lowet 2020, Fig. 4D (from P = 1.8e-5)"
MICE_4 = "Lowet 2020, Fig. 4F (from P = 8.1e-5)"
MICE_5 = "40 mouse neurons; computed from the public pairs"
CLOSED = f"closed form lambda^(K - 1), K = {STEPS}"
NULL = "Dabney 2020, Extended Data Fig. 4 (null)"
COUNTED = "Dabney 2020, Fig. 3 (counted from the histogram)"
SHORT = {"interval_max": 6.0}  # seconds between trials: more trials per training
_REWARD = hyperparameters_for(REWARD)
_LAMBDA = replace(_REWARD, critic_target="lambda", gae_lambda=GAE_LAMBDA)
_SCALAR = replace(_REWARD, channels=1)
_PROBABILITY = replace(hyperparameters_for(PROBABILITY), total_steps=1_500_000)


# Claims: the target experiment, Figs. 2 to 5 with channels as neurons, and behaviour.


def closed_form(gae_lambda: ArrayLike) -> Any:
    """Return the spread at the cue under a scalar lambda-return, relative to that of rewards."""
    return np.asarray(gae_lambda) ** (STEPS - 1)


CLAIMS = (
    Row(
        "first odour step: r of channels and expectiles",
        "calibration.distributional.first odour step.r",
        "1",
        SPEC,
        at_least(0.98),
        kind="reference",
    ),
    Row(
        "first odour step: spread of channels / of expectiles",
        "calibration.distributional.first odour step.spread",
        "1",
        SPEC,
        between(0.9, 1.1),
        kind="reference",
    ),
    Row(
        "first odour step: middle channel / mean return",
        "calibration.distributional.first odour step.mean",
        "1",
        "the mean is the expectile of tau = 0.5",
        between(0.95, 1.05),
        kind="number",
    ),
    Row(
        "first odour step: crossings of neighbouring channels",
        "calibration.distributional.first odour step.crossings",
        "0",
        SPEC,
        at_most(0.01),
        kind="reference",
    ),
    Row(
        "last trace step: r of channels and expectiles",
        "calibration.distributional.last trace step.r",
        "1",
        SPEC,
        at_least(0.98),
        kind="reference",
    ),
    Row(
        "last trace step: spread of channels / of expectiles",
        "calibration.distributional.last trace step.spread",
        "1",
        SPEC,
        between(0.9, 1.1),
        kind="reference",
    ),
    Row(
        "last trace step: middle channel / mean return",
        "calibration.distributional.last trace step.mean",
        "1",
        "the mean is the expectile of tau = 0.5",
        between(0.95, 1.05),
        kind="number",
    ),
    Row(
        "last trace step: crossings of neighbouring channels",
        "calibration.distributional.last trace step.crossings",
        "0",
        SPEC,
        at_most(0.01),
        kind="reference",
    ),
    Row(
        "spread at the cue with a scalar lambda-return as target",
        "calibration.lambda.first odour step.spread",
        "0.46",
        CLOSED,
        between(closed_form(0.95) - 0.1, closed_form(0.95) + 0.1),
        kind="reference",
    ),
    Row(
        f"spread at the cue, a table that learns {STEPS} steps: lambda = 0.8",
        "chain.0",
        "0.04",
        CLOSED,
        between(0, closed_form(0.8) + 0.1),
        kind="reference",
    ),
    Row(
        f"spread at the cue, a table that learns {STEPS} steps: lambda = 0.9",
        "chain.1",
        "0.21",
        CLOSED,
        between(closed_form(0.9) - 0.1, closed_form(0.9) + 0.1),
        kind="reference",
    ),
    Row(
        f"spread at the cue, a table that learns {STEPS} steps: lambda = 0.95",
        "chain.2",
        "0.46",
        CLOSED,
        between(closed_form(0.95) - 0.1, closed_form(0.95) + 0.1),
        kind="reference",
    ),
    Row(
        f"spread at the cue, a table that learns {STEPS} steps: lambda = 0.98",
        "chain.3",
        "0.74",
        CLOSED,
        between(closed_form(0.98) - 0.1, closed_form(0.98) + 0.1),
        kind="reference",
    ),
    Row(
        f"spread at the cue, a table that learns {STEPS} steps: lambda = 1",
        "chain.4",
        "1.00",
        CLOSED,
        between(closed_form(1.0) - 0.1, closed_form(1.0) + 0.1),
        kind="reference",
    ),
    Row(
        f"spread at the cue, a table that learns {STEPS} steps: Monte-Carlo",
        "chain_monte_carlo",
        "1",
        SPEC,
        between(0.9, 1.1),
        kind="reference",
    ),
    Row(
        "two coins: spread of the channels / of the returns, Monte-Carlo",
        "coin_spread.Monte-Carlo",
        "1",
        "computed: sd of the number of heads",
        between(0.9, 1.1),
        kind="reference",
    ),
    Row(
        "two coins: spread of the channels / of the returns, SR(lambda)",
        "coin_spread.SR(lambda)",
        "1",
        "computed: sd of the number of heads",
        between(0.9, 1.1),
        kind="reference",
    ),
    Row(
        "two coins: the same with TD per index, the wrong target",
        "coin_spread.TD per index",
        "1.40",
        "ours, of a table",
        at_least(1.25),
        kind="check",
    ),
    Row(
        "split-half R of reversal points, channels as neurons",
        "dopamine.distributional.reversal_r",
        "0.62 (mice)",
        MICE_2,
        at_least(0.45),
        kind="number",
    ),
    Row(
        "R of asymmetry and reversal point, channels as neurons",
        "dopamine.distributional.asymmetry_r",
        "0.58 (mice)",
        MICE_4,
        at_least(0.4),
        kind="number",
    ),
    Row(
        "fraction of seeds in which that has P < 0.01",
        "asymmetric",
        "P = 8.1e-5 (mice)",
        "Lowet 2020, Fig. 4F",
        at_least(0.8),
        statistic="fraction",
        kind="number",
    ),
    Row(
        "split-half R of reversal points, scalar critic with diverse gains, size",
        "scalar_size.reversal_r",
        "0",
        NULL,
        at_most(0.25),
        kind="number",
    ),
    Row(
        "R of asymmetry and reversal point, scalar critic with diverse gains, size",
        "scalar_size.asymmetry_r",
        "0",
        NULL,
        at_most(0.25),
        kind="number",
    ),
    Row(
        "distance of decoded from true rewards (ul), channels before the outcome",
        "decoded.before.distance",
        "1.66 (mice)",
        MICE_5,
        at_most(1.4),
        kind="number",
    ),
    Row(
        "distance of decoded from true rewards (ul), channels at the cue",
        "decoded.cue.distance",
        "-",
        "not published",
        REPORTED,
        kind="reported",
    ),
    Row(
        "distance of decoded from true rewards (ul), channels at the cue, lambda-return as target",
        "decoded.lambda.distance",
        "-",
        "not published",
        REPORTED,
        kind="reported",
    ),
    Row(
        "distance of decoded rewards before the outcome: tau shuffled / intact",
        "shuffled_over_intact.distance",
        "2.1 (mice)",
        MICE_5,
        at_least(1.5),
        kind="number",
    ),
    Row(
        "loss of decoding before the outcome: tau shuffled / intact",
        "shuffled_over_intact.loss",
        "6.7 (mice)",
        MICE_5,
        at_least(3),
        kind="number",
    ),
    Row(
        "optimistic channels at the 50 % cue",
        "cues.optimistic",
        "10 of 31 neurons (mice)",
        COUNTED,
        at_least(0.15),
        kind="number",
    ),
    Row(
        "pessimistic channels at the 50 % cue",
        "cues.pessimistic",
        "10 of 31 neurons (mice)",
        COUNTED,
        at_least(0.15),
        kind="number",
    ),
    Row(
        "return with the distributional / with the scalar critic",
        "return_ratio",
        "-",
        "ours: behaviour is not worse",
        at_least(0.95),
        kind="check",
    ),
    Row(
        "CartPole-v1: return with the distributional critic",
        "cart_pole",
        "475",
        "Gymnasium: the return at which CartPole-v1 counts as solved",
        at_least(475),
        kind="number",
    ),
    Row(
        "fraction of seeds with more anticipatory licks after the reward odour than after the "
        "nothing odour",
        "licks_follow_reward",
        "all mice",
        "Eshel 2015 (direction); the task does not reward such licks",
        at_least(1.0),
        statistic="fraction",
        kind="direction",
    ),
    Row(
        "fraction of seeds with anticipatory licks ordered 90 > 50 > 10 %",
        "licks_are_ordered",
        "all mice",
        "Starkweather 2017 (direction); the task does not reward such licks",
        at_least(1.0),
        statistic="fraction",
        kind="direction",
    ),
)


# Measure: frozen weights, held-out episodes.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Read the channels at the cue and before the outcome, and treat them as neurons."""
    seed = agents["distributional"].description["seed"]
    rng = np.random.default_rng(seed)
    calibration, returns, licks = {}, {}, {}
    for name in ("distributional", "lambda", "scalar"):
        episodes, activations = evaluate(agents[name], num_episodes=num_episodes, seed=seed)
        calibration[name] = channels.calibrated(episodes, activations)
        returns[name] = float(episodes.returns.mean())
        by_type = channels.mean_licks(episodes, "trial_type")
        licks[name] = [by_type.get(kind, np.nan) for kind in range(3)]
    taus = agents["distributional"].policy.taus.double().numpy()
    before_outcome = np.array(calibration["distributional"]["last trace step"]["channels"])
    at_cue = {name: found["first odour step"]["channels"] for name, found in calibration.items()}
    gains = rng.uniform(0, 1, len(taus))
    one_value = calibration["scalar"]["last trace step"]["channels"][0]
    populations = {
        "distributional": Neurons(before_outcome, taus, 1 - taus),
        "scalar": Neurons(np.full(len(taus), one_value), gains, gains),
    }
    parameters = activations.parameters
    episodes, activations = evaluate(agents["probability"], num_episodes=num_episodes, seed=seed)
    cue_licks = channels.mean_licks(episodes, "odour")
    return {
        "taus": taus.tolist(),
        "calibration": calibration,
        "returns": returns,
        "licks": licks,
        "drawn": recorded_once(populations["distributional"], np.random.default_rng(seed)),
        "dopamine": {name: recorded_often(neurons, rng) for name, neurons in populations.items()},
        "cues": channels.cue_coding(channels.cue_values(episodes, activations), rng),
        "cue_licks": [cue_licks.get(odour, np.nan) for odour in range(3)],
        "coins": {name: two_coin_spread(target, seed) for name, target in TARGETS.items()},
        "chain": [chain_spread("lambda", seed, STEPS, gae_lambda=x) for x in LAMBDAS],
        "chain_monte_carlo": chain_spread("monte-carlo", seed, STEPS),
        "decoded": {
            name: channels.decoded_rewards(values, of_values, parameters, rng)
            for name, values, of_values in (
                ("before", before_outcome, taus),
                ("shuffled", before_outcome, rng.permutation(taus)),
                ("cue", at_cue["distributional"], taus),
                ("lambda", at_cue["lambda"], taus),
            )
        },
        "cart_pole": cart_pole_return(
            agents["cart-pole"], min(num_episodes, CART_POLE_EPISODES), seed
        ),
    }


def recorded_once(neurons: Neurons, rng: np.random.Generator) -> dict[str, list[Any]]:
    """Return the data of Figs. 2 and 4, estimated from one simulated recording of neurons."""
    responses = simulate_responses(rng, neurons, MAGNITUDES, trial_counts(rng, len(neurons.value)))
    found = estimate(responses, MAGNITUDES, rng)._asdict()
    return {name: values.round(4).tolist() for name, values in found.items()}


def recorded_often(neurons: Neurons, rng: np.random.Generator) -> dict[str, float]:
    """Return mean R and geometric-mean P over simulated recordings of the same neurons."""
    rows = []
    for _ in range(RECORDINGS):
        responses = simulate_responses(
            rng, neurons, MAGNITUDES, trial_counts(rng, len(neurons.value))
        )
        rows.append(population_measures(responses, MAGNITUDES, rng))
    return {
        f"{key}_{letter}": float(mean([row[f"{key}_{letter}"] for row in rows]))
        for key in ("reversal", "asymmetry")
        for letter, mean in (("r", np.mean), ("p", stats.gmean))
    }


def derive(m: Measures) -> Measures:
    """Return ratios, sizes, and which seeds have the published effects."""
    ours, scalar = m["dopamine"]["distributional"], m["dopamine"]["scalar"]
    decoded, returns = m["decoded"], m["returns"]
    _, reward, nothing = m["licks"]["distributional"]
    low, middle, high = m["cue_licks"]
    return {
        "coin_spread": {name: m["coins"][name] / TRUE_SD for name in TARGETS},
        "asymmetric": ours["asymmetry_p"] < 0.01,
        "scalar_size": {key: abs(scalar[key]) for key in ("reversal_r", "asymmetry_r")},
        "shuffled_over_intact": {
            key: decoded["shuffled"][key] / decoded["before"][key] for key in ("distance", "loss")
        },
        "return_ratio": returns["distributional"] / returns["scalar"],
        "licks_follow_reward": reward > nothing,
        "licks_are_ordered": low < middle < high,
    }


# Figure: the target experiment, and Figs. 2 to 5 with channels as neurons.


def figure(measures: list[Measures], neurons: RecordedNeurons | None = None) -> Any:
    """Draw the target experiment above, and Figs. 2 to 5 of the channels below it."""
    with style():
        fig, axes = new_figure(4, rows=2)
        cue, collapsed, spread, before, responses, cues, asymmetry, decoded = axes
        for m in measures:
            taus, calibration = m["taus"], m["calibration"]
            for axis, name in ((cue, "distributional"), (collapsed, "lambda")):
                axis.plot(taus, calibration[name]["first odour step"]["channels"], color=OURS, lw=1)
            values = calibration["distributional"]["last trace step"]["channels"]
            before.plot(taus, values, ".", ms=3, color=OURS)
        exact = calibration["distributional"]["first odour step"]["exact"]
        for axis in (cue, collapsed, before):
            axis.plot(taus, exact, ":", color=PUBLISHED, lw=1.5, label="exact expectiles")
            axis.sharey(cue)
        cue.plot([], [], color=OURS, label="channels, one line per seed")
        before.plot([], [], ".", color=OURS, label="channels")
        if neurons is not None:
            points = neurons.trials.microlitres(neurons.pooled.points)
            before.plot(
                neurons.pooled.taus,
                points,
                "o",
                ms=3,
                mfc="none",
                color=IDEAL,
                label=f"{neurons.number} recorded neurons",
            )
        for axis in (cue, before):
            axis.legend(fontsize=7)
        draw_spread(spread, measures)
        first = measures[0]["drawn"]
        draw_responses(responses, MAGNITUDES, first["means"], first["points"])
        draw_asymmetry(asymmetry, first["second_taus"], first["first"])
        samples = {
            label: np.concatenate([m["decoded"][name]["samples"] for m in measures])
            for name, label in (
                ("before", "before the outcome"),
                ("lambda", "at the cue, lambda-return"),
                ("shuffled", "before, tau shuffled"),
            )
        }
        draw_decoded(decoded, samples, MAGNITUDES, PROBABILITIES)
        decoded.legend(fontsize=7, loc="upper right")
        medians = np.median([m["cues"]["values"] for m in measures], axis=0)
        channels.draw_cues(cues, taus, medians, VariableProbabilityParameters())
        cue.set(title="At the cue: Monte-Carlo target", ylabel="prediction (ul)")
        collapsed.set(title="At the cue: lambda-return target", ylabel="prediction (ul)")
        before.set(title="Before the outcome", ylabel="reversal point (ul)")
        responses.set_title("Fig. 2: channels as neurons, first seed")
        cues.set_title("Fig. 3: cues of 10, 50, 90 %")
        asymmetry.set_title("Fig. 4: asymmetry, first seed")
        decoded.set_title("Fig. 5: decoded from the channels")
        for axis in (cue, collapsed, before, cues):
            axis.set_xlabel("tau")
    return fig


def draw_spread(axis: Any, measures: list[Measures]) -> None:
    """Draw the spread at the cue over lambda: closed form, table and trained agents."""
    curve = np.linspace(min(LAMBDAS), 1, 100)
    axis.plot(curve, closed_form(curve), color=PUBLISHED, lw=1, label="closed form")
    for m in measures:
        axis.plot(LAMBDAS, m["chain"], "o", ms=4, mfc="none", color=IDEAL)
        for name, x, marker in (("lambda", GAE_LAMBDA, "s"), ("distributional", 1, "D")):
            found = m["calibration"][name]["first odour step"]["spread"]
            axis.plot(x, found, marker, ms=4, color=OURS)
    axis.plot([], [], "o", ms=4, mfc="none", color=IDEAL, label="table")
    axis.plot([], [], "s", ms=4, color=OURS, label=f"agents, lambda = {GAE_LAMBDA:g}")
    axis.plot([], [], "D", ms=4, color=OURS, label="agents, Monte-Carlo")
    axis.set(
        title="Spread at the cue by target",
        xlabel="lambda of the return",
        ylim=(0, None),
        ylabel="of channels / of expectiles",
    )
    axis.legend(fontsize=7)


def with_neurons(folder: Path) -> Experiment:
    """Return the experiment with recorded neurons next to the channels, see `with_recorded`."""
    return with_recorded(EXPERIMENT, figure, folder, RECORDED)


_REWARD_METRICS = Metrics(channels.reward_metrics, channels.plot_reward)
EXPERIMENT = Experiment(
    name=NAME,
    title="The distributional code in trained agents",
    question=(
        "Do the channels of a critic learned by PPO tile the distribution of rewards, at the cue "
        "as well as before the outcome, and look like dopamine neurons to the estimators of the "
        "recordings?"
    ),
    trainings={
        "distributional": Training(REWARD, SHORT, _REWARD, _REWARD_METRICS),
        "lambda": Training(REWARD, SHORT, _LAMBDA, _REWARD_METRICS),
        "scalar": Training(REWARD, SHORT, _SCALAR, _REWARD_METRICS),
        "probability": Training(
            PROBABILITY,
            SHORT,
            _PROBABILITY,
            metrics=Metrics(channels.probability_metrics, channels.plot_probability),
        ),
        "cart-pole": CartPoleTraining(),
    },
    seeds=range(5),
    measure=measure,
    claims=CLAIMS,
    figure=figure,
    derive=derive,
    with_neurons=with_neurons,
)
