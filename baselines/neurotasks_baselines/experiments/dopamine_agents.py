"""Dabney et al. 2020 with trained agents: channels of the critic as dopamine neurons."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from neurotasks.episodes import Episodes
from neurotasks.tasks.variable_probability import VariableProbabilityParameters
from neurotasks.tasks.variable_reward import EMPIRICAL_UTILITIES, VariableRewardParameters
from neurotasks_baselines.agents.activations import Activations, compute_activations
from neurotasks_baselines.agents.buffers import CriticTarget
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.dopamine import channels
from neurotasks_baselines.dopamine.figures import (
    draw_asymmetry,
    draw_decoded,
    draw_responses,
    estimate,
)
from neurotasks_baselines.dopamine.measures import METHODS, fold_asymmetries
from neurotasks_baselines.dopamine.neurons import MAGNITUDES, PROBABILITIES, Neurons
from neurotasks_baselines.dopamine.populations import population_measures, population_trials
from neurotasks_baselines.experiments.base import (
    EPISODES,
    Agents,
    Experiment,
    Foils,
    Measures,
    Training,
)
from neurotasks_baselines.experiments.cart_pole import CartPoleTraining, cart_pole_return
from neurotasks_baselines.experiments.claims import REPORTED, Row, at_least, at_most, between
from neurotasks_baselines.experiments.dopamine_controls import (
    NO_OFFSETS,
    PANELS,
    Subjects,
    control_rows,
    draw_controls,
)
from neurotasks_baselines.experiments.drawing import draw_mean, mean_and_interval, titled
from neurotasks_baselines.experiments.learning_tables import TRUE_SD, chain_spread, two_coin_spread
from neurotasks_baselines.experiments.recorded_neurons import (
    MICE_2,
    MICE_4,
    RecordedNeurons,
    with_recorded,
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
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import evaluate
from neurotasks_baselines.training.hyperparameters import Hyperparameters, hyperparameters_for

NAME = "dopamine-agents"
REWARD, PROBABILITY = "neurotasks/VariableReward-v0", "neurotasks/VariableProbability-v0"
GAE_LAMBDA = 0.95
LAMBDAS = (0.8, 0.9, GAE_LAMBDA, 0.98, 1.0)  # of the target experiment on a table
STEPS = channels.steps_to_outcome(VariableRewardParameters()) + 1  # including that of the lick
CART_POLE_EPISODES = 100
RECORDINGS = 10  # simulated recordings of each agent's channels; fewer with few episodes
PER_DECODED = 4  # of them for each one that is decoded
TARGETS: dict[str, CriticTarget | None] = {
    "Monte-Carlo": "monte-carlo",
    "SR(lambda)": "sr-lambda",
    "TD per index": None,
}
RECORDED = "reversal_r_count", "asymmetry_r_count"  # reported of recorded neurons
UNTRAINED, MEMORYLESS = "untrained network", "agent without memory"
ALL_CHANNELS, MIDDLE = "mean of all channels", "middle channel alone"
LAMBDA_TARGET, MONTE_CARLO = "lambda-return as target", "Monte-Carlo return as target"
GAINS = "scalar critic with diverse gains"
OFFSET_1, OFFSET_2 = (f"{GAINS} and offsets of {sd} Hz" for sd in (1, 2))
OFFSET_UNIT = float(np.ptp(MAGNITUDES) / np.ptp(EMPIRICAL_UTILITIES))
"""What offsets are multiplied by, so that they are in Hz of the recorded neurons."""
HALF = "the same channels, every tau one half"
SPEC = "computed: exact expectiles"
HALVES = "Dabney 2020, Fig. 5 (direction); nothing is published of different halves"
LICKS = "The task pays nothing for early licks; dopamine-licking has claims about them."
CLOSED = f"closed form lambda^(K - 1), K = {STEPS}"
NULL = "Dabney 2020, Extended Data Fig. 4"
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


def check(name: str, key: str, published: str, source: str, accepted: Any) -> Row:
    """Return a row about the task or the method."""
    return Row(name, key, published, source, accepted, kind="check")


def reported(name: str, key: str, published: str, source: str) -> Row:
    """Return a row without a verdict."""
    return Row(name, key, published, source, REPORTED, kind="reported")


CLAIMS = (
    *(
        row
        for moment, foil in (("first odour step", LAMBDA_TARGET), ("last trace step", MEMORYLESS))
        for row in (
            Row(
                f"{moment}: r of channels and expectiles",
                f"calibration.distributional.{moment}.r",
                "1",
                SPEC,
                at_least(0.98),
                kind="reference",
                foil=UNTRAINED,
            ),
            Row(
                f"{moment}: spread of channels / of expectiles",
                f"calibration.distributional.{moment}.spread",
                "1",
                SPEC,
                between(0.9, 1.1),
                kind="reference",
                foil=foil,
            ),
            Row(
                f"{moment}: middle channel / mean return",
                f"calibration.distributional.{moment}.mean",
                "1",
                "the mean is the expectile of tau = 0.5",
                between(0.95, 1.05),
                kind="reference",
                foil=ALL_CHANNELS,
                why={"ppo": "Two of five agents expect up to 7 % too little, most at odour onset."},
            ),
            Row(
                f"{moment}: crossings of neighbouring channels",
                f"calibration.distributional.{moment}.crossings",
                "0",
                SPEC,
                at_most(0.01),
                kind="reference",
                foil=UNTRAINED,
                why={"ppo": "At odour onset 2 % of the channels of one agent cross."},
            ),
        )
    ),
    Row(
        "spread at the cue with a scalar lambda-return as target",
        "calibration.lambda.first odour step.spread",
        "0.46",
        CLOSED,
        between(closed_form(0.95) - 0.1, closed_form(0.95) + 0.1),
        kind="reference",
        foil=MONTE_CARLO,
        why={"ppo": "The closed form is that of a table; the network keeps more of the spread."},
    ),
    *(
        check(
            f"spread at the cue, a table that learns {STEPS} steps: lambda = {gae_lambda:g}",
            f"chain.{i}",
            f"{closed_form(gae_lambda):.2f}",
            CLOSED,
            between(max(closed_form(gae_lambda) - 0.1, 0), closed_form(gae_lambda) + 0.1),
        )
        for i, gae_lambda in enumerate(LAMBDAS)
    ),
    check(
        f"spread at the cue, a table that learns {STEPS} steps: Monte-Carlo",
        "chain_monte_carlo",
        "1",
        SPEC,
        between(0.9, 1.1),
    ),
    *(
        check(
            f"two coins: spread of the channels / of the returns, {target}",
            f"coin_spread.{target}",
            "1",
            "computed: sd of the number of heads",
            between(0.9, 1.1),
        )
        for target in ("Monte-Carlo", "SR(lambda)")
    ),
    check(
        "two coins: the same with TD per index, the wrong target",
        "coin_spread.TD per index",
        "1.40",
        "ours, of a table",
        at_least(1.25),
    ),
    Row(
        "split-half R of reversal points, channels as neurons (count)",
        "dopamine.count.reversal_r",
        "0.62 (mice, n = 40)",
        MICE_2,
        between(0.45, 0.78),
        kind="number",
        foil=OFFSET_1,
        note=NO_OFFSETS,
    ),
    reported(
        "split-half R of reversal points, scalar critic with diverse gains",
        f"foils.{GAINS}.dopamine.count.reversal_r",
        "P = 0.32",
        NULL,
    ),
    Row(
        "R of asymmetry and reversal point, channels as neurons (count)",
        "dopamine.count.asymmetry_r",
        "0.58 (mice, n = 40)",
        MICE_4,
        between(0.4, 0.755),
        kind="number",
        foil=OFFSET_2,
        note="The published estimator tilts the slopes of neurons that differ by an offset; the "
        "row with interpolation tells them apart.",
    ),
    Row(
        "R of asymmetry and reversal point, channels as neurons (interpolation)",
        "dopamine.interpolation.asymmetry_r",
        "> 0",
        "Dabney 2020, Fig. 4d (direction); the estimator is ours",
        at_least(0.4),
        kind="direction",
        foil=OFFSET_2,
    ),
    reported(
        "R of asymmetry and reversal point, scalar critic with diverse gains",
        f"foils.{GAINS}.dopamine.count.asymmetry_r",
        "P = 0.78",
        NULL,
    ),
    Row(
        "distance of decoded from true rewards (ul), channels before the outcome",
        "decoded.before.distance",
        "0",
        "computed: the rewards of the task",
        at_most(1.4),
        kind="reference",
        foil=HALF,
    ),
    reported(
        "distance of decoded from true rewards (ul), channels at the cue",
        "decoded.cue.distance",
        "-",
        "not published",
    ),
    reported(
        "distance of decoded from true rewards (ul), channels at the cue, lambda-return as target",
        "decoded.lambda.distance",
        "-",
        "not published",
    ),
    Row(
        "distance of rewards decoded from channels as neurons: tau shuffled / intact, Z and tau of "
        "different halves (interpolation)",
        "dopamine.halves.distance_ratio",
        "> 1",
        HALVES,
        at_least(1.5),
        kind="direction",
        foil=OFFSET_2,
        why={"ppo": "Four of five agents lie above the bound; the interval reaches below."},
    ),
    Row(
        "loss of decoding from channels as neurons: tau shuffled / intact, Z and tau of different "
        "halves (interpolation)",
        "dopamine.halves.loss_ratio",
        "> 1",
        HALVES,
        at_least(3),
        kind="direction",
        foil=OFFSET_2,
        note="The bound was set for channels without noise.",
        why={"ppo": "With the noise of trials no agent reaches it."},
    ),
    Row(
        "optimistic and pessimistic channels at once at the 50 % cue, the smaller fraction",
        "cues.both",
        "10 and 10 of 31 neurons (mice)",
        COUNTED,
        between(0.186, 0.499),  # Wilson's 95 % interval of 10 of 31
        kind="number",
        foil=MIDDLE,
        why={"ppo": "Fewer channels than neurons differ enough in their response to be counted."},
    ),
    *control_rows(
        Subjects(
            ", channels as neurons",
            *("dopamine.", GAINS, OFFSET_1, OFFSET_2, MIDDLE),
            why={
                "cues.both_classes": {"ppo": "The interval of five agents begins at 0.03."},
                "dopamine.degraded.of_gaussian": {"ppo": "Two of five agents come no nearer."},
            },
        )
    ),
    reported(
        "fraction of seeds with at least 15 % optimistic and at least 15 % pessimistic channels",
        "both_signs",
        "1",
        COUNTED,
    )._replace(statistic="fraction"),
    check(
        "return with the distributional / with the scalar critic",
        "return_ratio",
        "-",
        "ours: behaviour is not worse",
        at_least(0.95),
    ),
    check(
        "CartPole-v1: return with the distributional critic",
        "cart_pole",
        "475",
        "Gymnasium: the return at which CartPole-v1 counts as solved",
        at_least(475),
    ),
    *(
        reported(f"fraction of seeds with {what}", key, "all mice", source)._replace(
            statistic="fraction", note=LICKS
        )
        for what, key, source in (
            (
                "more anticipatory licks after the reward odour than after the nothing odour",
                "licks_follow_reward",
                "Eshel 2015 (direction)",
            ),
            (
                "anticipatory licks ordered 90 > 50 > 10 %",
                "licks_are_ordered",
                "Starkweather 2017 (direction)",
            ),
        )
    ),
)


# Measure: frozen weights, held-out episodes.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Read the channels at the cue and before the outcome, and treat them as neurons."""
    rng = np.random.default_rng(seed)
    recordings = max(2, min(RECORDINGS, RECORDINGS * num_episodes // EPISODES))
    ours = agents["distributional"]
    calibration, returns, licks = {}, {}, {}
    for name in ("scalar", "lambda", "distributional"):
        episodes, activations = evaluate(agents[name], num_episodes=num_episodes, seed=seed)
        calibration[name] = channels.calibrated(episodes, activations)
        returns[name] = float(episodes.returns.mean())
        licks[name] = licks_by(episodes, "trial_type")
    foils: dict[str, Measures] = {
        name: {"calibration": {"distributional": channels.calibrated(episodes, found)}}
        for name, found in (
            (UNTRAINED, compute_activations(untrained(ours), episodes)),
            (MEMORYLESS, without_memory(ours, episodes)),
        )
    }
    foils[ALL_CHANNELS] = {
        "calibration": {
            "distributional": {
                moment: {"mean": part["mean"] * np.mean(part["channels"]) / middle_of(part)}
                for moment, part in calibration["distributional"].items()
            }
        }
    }
    foils[LAMBDA_TARGET] = {"calibration": {"distributional": calibration["lambda"]}}
    foils[MONTE_CARLO] = {"calibration": {"lambda": calibration["distributional"]}}
    taus = ours.policy.taus.double().numpy()
    before_outcome = np.array(calibration["distributional"]["last trace step"]["channels"])
    neurons = Neurons(before_outcome, taus, 1 - taus)
    one_value = calibration["scalar"]["last trace step"]["channels"][0]
    gains = rng.uniform(size=len(taus))
    null = Neurons(np.full(len(taus), one_value), gains, gains)
    direction = OFFSET_UNIT * rng.normal(size=len(taus))
    offset = replace(null, offset=2 * direction)
    foils[GAINS] = {"dopamine": recorded_often(null, rng, recordings)}
    foils[OFFSET_1] = {"dopamine": recorded_often(replace(null, offset=direction), rng, recordings)}
    foils[OFFSET_2] = {"dopamine": recorded_often(offset, rng, recordings)}

    def decode(moment: str, agent: str, asymmetries: ArrayLike) -> Measures:
        values = calibration[agent][moment]["channels"]
        return channels.decoded_rewards(values, asymmetries, activations.parameters, rng)

    foils[HALF] = {
        "decoded": {"before": decode("last trace step", "distributional", np.full(len(taus), 0.5))}
    }
    smelling, found = evaluate(agents["probability"], num_episodes=num_episodes, seed=seed)
    values = channels.cue_values(smelling, found)
    middle = np.tile(values[len(values) // 2], (len(values), 1))
    foils[MIDDLE] = {"cues": channels.cue_coding(middle, rng)}
    return {
        "taus": taus.tolist(),
        "calibration": calibration,
        "returns": returns,
        "licks": licks,
        "drawn": {
            name: recorded_once(part, np.random.default_rng(seed))
            for name, part in (("distributional", neurons), (OFFSET_2, offset))
        },
        "dopamine": recorded_often(neurons, rng, recordings),
        "cues": channels.cue_coding(values, rng),
        "cue_licks": licks_by(smelling, "odour"),
        "coins": {name: two_coin_spread(target, seed) for name, target in TARGETS.items()},
        "chain": [chain_spread("lambda", seed, STEPS, gae_lambda=x) for x in LAMBDAS],
        "chain_monte_carlo": chain_spread("monte-carlo", seed, STEPS),
        "decoded": {
            "before": decode("last trace step", "distributional", taus),
            "cue": decode("first odour step", "distributional", taus),
            "lambda": decode("first odour step", "lambda", taus),
        },
        "cart_pole": cart_pole_return(
            agents["cart-pole"], min(num_episodes, CART_POLE_EPISODES), seed
        ),
        "foils": foils,
    }


def middle_of(part: Measures) -> float:
    """Return the middle channel at one moment."""
    return float(part["channels"][len(part["channels"]) // 2])


def untrained(model: FusedRecurrentPPO) -> FusedRecurrentPPO:
    """Return an agent like another one, as it was before its training."""
    known = model.description
    return build(
        known["id"],
        hyperparameters=Hyperparameters(**known["hyperparameters"]),
        seed=known["seed"],
        task_kwargs=known["task_kwargs"],
        num_envs=1,
    )


def without_memory(model: FusedRecurrentPPO, episodes: Episodes) -> Activations:
    """Return the channels of an agent whose recurrent state is reset at every step."""
    steps, num_envs = episodes.alive.shape
    apart = replace(  # an episode of one step each
        episodes,
        observations=episodes.observations.reshape(1, steps * num_envs, -1),
        rewards=episodes.rewards.reshape(1, -1),
        alive=episodes.alive.reshape(1, -1),
    )
    found = compute_activations(model, apart)
    return replace(found, channels=found.channels.reshape(steps, num_envs, -1))


def licks_by(episodes: Episodes, kind: str) -> list[float]:
    """Return the mean anticipatory licks in trials of three kinds."""
    found = channels.mean_licks(episodes, kind)
    return [found.get(i, np.nan) for i in range(3)]


def recorded_once(neurons: Neurons, rng: np.random.Generator) -> Measures:
    """Return the data of Figs. 2 and 4, estimated from one simulated recording of neurons."""
    trials = population_trials(rng, neurons)
    found = estimate(trials.pooled, MAGNITUDES, rng, METHODS[0])._asdict()
    drawn: dict[str, Any] = {name: values.round(4).tolist() for name, values in found.items()}
    folds = fold_asymmetries(trials, rng)
    return drawn | {"folds": {name: values.round(4).tolist() for name, values in folds.items()}}


def recorded_often(
    neurons: Neurons, rng: np.random.Generator, recordings: int = RECORDINGS
) -> Measures:
    """Return the means of `population_measures` over simulated recordings of the same neurons."""
    rows: dict[str, list[dict[str, float]]] = defaultdict(list)
    for i in range(recordings):
        trials = population_trials(rng, neurons)
        measured = population_measures(neurons, trials, rng, with_decoding=i % PER_DECODED == 0)
        for name, row in measured.items():
            rows[name].append(row)
    return {
        name: {key: float(np.mean([row[key] for row in part])) for key in part[0]}
        for name, part in rows.items()
    }


def derive(m: Measures) -> Measures:
    """Return ratios, and which seeds have the published effects, of an agent or a foil."""
    found: Measures = {}
    if "coins" in m:
        found["coin_spread"] = {name: m["coins"][name] / TRUE_SD for name in TARGETS}
        found["return_ratio"] = m["returns"]["distributional"] / m["returns"]["scalar"]
    if "cues" in m:
        both, both_classes = (
            min(part["optimistic"], part["pessimistic"])
            for part in (m["cues"], m["cues"]["classes"])
        )
        found["cues"] = {**m["cues"], "both": both, "both_classes": both_classes}
        found["both_signs"] = both >= 0.15
    if "licks" in m:
        _, reward, nothing = m["licks"]["distributional"]
        low, middle, high = m["cue_licks"]
        found["licks_follow_reward"] = reward > nothing
        found["licks_are_ordered"] = low < middle < high
    return found


# Figure: the target experiment, and Figs. 2 to 5 with channels as neurons.


def figure(measures: list[Measures], foils: Foils, neurons: RecordedNeurons | None = None) -> Any:
    """Draw the target experiment above, and Figs. 2 to 5 of the channels below it."""
    with style():
        fig, axes = new_figure(3, width=3.6, rows=5)
        cue, collapsed, spread, before, responses, cues, asymmetry, decoded, *controls = axes
        controls[PANELS].set_axis_off()
        taus = measures[0]["taus"]
        for axis, name, moment in (
            (cue, "distributional", "first odour step"),
            (collapsed, "lambda", "first odour step"),
            (before, "distributional", "last trace step"),
        ):
            rows = [m["calibration"][name][moment]["channels"] for m in measures]
            draw_mean(axis, taus, rows, OURS, label="channels, mean and seeds")
        exact = measures[0]["calibration"]["distributional"]["first odour step"]["exact"]
        for axis in (cue, collapsed, before):
            axis.plot(taus, exact, ":", color=PUBLISHED, lw=1.5, label="exact expectiles")
            axis.sharey(cue)
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
            axis.legend(fontsize=SMALL)
        draw_spread(spread, measures)
        first, foil = (measures[0]["drawn"][name] for name in ("distributional", OFFSET_2))
        draw_responses(responses, MAGNITUDES, first["means"], first["points"])
        asymmetry.plot(
            foil["second_taus"], foil["first"], "o", ms=2, color="silver", label="scalar, offsets"
        )
        draw_asymmetry(asymmetry, first["second_taus"], first["first"])
        asymmetry.legend(fontsize=SMALL)
        samples = {
            label: np.concatenate([m["decoded"][name]["samples"] for m in measures])
            for name, label in (
                ("before", "before the outcome"),
                ("lambda", "at the cue, lambda-return"),
            )
        }
        half = [m["foils"][HALF]["decoded"]["before"]["samples"] for m in measures]
        samples["before, every tau 0.5"] = np.concatenate(half)
        draw_decoded(decoded, samples, MAGNITUDES, PROBABILITIES)
        decoded.legend(fontsize=SMALL, loc="upper right")
        means, *_ = mean_and_interval([m["cues"]["values"] for m in measures])
        channels.draw_cues(cues, taus, means, VariableProbabilityParameters())
        cue.set(title=titled("Cue, Monte-Carlo target", measures), ylabel="prediction (ul)")
        collapsed.set(title=titled("Cue, lambda-return target", measures), ylabel="prediction (ul)")
        before.set(title=titled("Before the outcome", measures), ylabel="reversal point (ul)")
        responses.set_title("Fig. 2: channels as neurons, first seed")
        cues.set_title(titled("Fig. 3: cues, mean", measures))
        asymmetry.set_title("Fig. 4: asymmetry, first seed")
        decoded.set_title(titled("Fig. 5: decoded, all seeds", measures))
        named = {"gains": GAINS, "offsets, 2 Hz": OFFSET_2}
        draw_controls(
            controls[:PANELS],
            {
                "channels": [m["dopamine"] for m in measures],
                **{k: [m["foils"][v]["dopamine"] for m in measures] for k, v in named.items()},
            },
            first["folds"],
            {
                "channels": [m["cues"] for m in measures],
                MIDDLE: [m["foils"][MIDDLE]["cues"] for m in measures],
            },
        )
        letter_panels(axes[:-1])
        for axis in (cue, collapsed, before, cues):
            axis.set_xlabel("tau")
    return fig


def draw_spread(axis: Any, measures: list[Measures]) -> None:
    """Draw the spread at the cue over lambda: closed form, table and trained agents."""
    curve = np.linspace(min(LAMBDAS), 1, 100)
    axis.plot(curve, closed_form(curve), color=PUBLISHED, lw=1, label="closed form")
    looks: Any = {
        "table": (LAMBDAS, [m["chain"] for m in measures], {"marker": "o", "color": IDEAL})
    }
    for label, name, x, marker in (
        (f"agents, lambda = {GAE_LAMBDA:g}", "lambda", GAE_LAMBDA, "s"),
        ("agents, Monte-Carlo", "distributional", 1.0, "D"),
    ):
        rows = [[m["calibration"][name]["first odour step"]["spread"]] for m in measures]
        looks[label] = ((x,), rows, {"marker": marker, "color": OURS})
    for label, (x, rows, look) in looks.items():
        mean, low, high = mean_and_interval(rows)
        axis.plot(x, mean, ls="none", ms=4, mfc="none", label=label, **look)
        axis.vlines(x, low, high, color=look["color"], lw=1.2)
        for row in rows:
            axis.plot(x, row, ".", ms=2.5, alpha=0.5, color=look["color"])
    axis.set(
        title=titled("Spread at the cue by target", measures),
        xlabel="lambda of the return",
        ylim=(0, None),
        ylabel="spread of channels / expectiles",
    )
    axis.legend(fontsize=SMALL)


def reward_summary(episodes: Episodes, activations: Activations) -> Measures:
    """Return how well the channels match the expectiles, as claims name it."""
    if len(activations.taus) == 1:  # a scalar critic
        return {}
    return {"calibration": {"distributional": channels.calibrated(episodes, activations)}}


def probability_summary(episodes: Episodes, activations: Activations) -> Measures:
    """Return which channels value the 50 % cue above and below the midpoint, as claims name it."""
    if len(activations.taus) == 1:
        return {}
    coding = channels.cue_coding(
        channels.cue_values(episodes, activations), np.random.default_rng(0)
    )
    return {"cues": {"both": min(coding["optimistic"], coding["pessimistic"])}}


def with_neurons(folder: Path) -> Experiment:
    """Return the experiment with recorded neurons next to the channels, see `with_recorded`."""
    return with_recorded(EXPERIMENT, figure, folder, RECORDED)


_REWARD_METRICS = Metrics(channels.reward_metrics, channels.plot_reward)
EXPERIMENT = Experiment(
    name=NAME,
    title="The distributional code in trained agents",
    question=(
        "Do the channels of a critic trained by PPO cover the distribution of rewards, at the cue "
        "as well as before the outcome, and do the estimators used for recordings find in them "
        "what they find in dopamine neurons?"
    ),
    trainings={
        "distributional": Training(REWARD, SHORT, _REWARD, _REWARD_METRICS, summary=reward_summary),
        "lambda": Training(REWARD, SHORT, _LAMBDA, _REWARD_METRICS),
        "scalar": Training(REWARD, SHORT, _SCALAR, _REWARD_METRICS),
        "probability": Training(
            PROBABILITY,
            SHORT,
            _PROBABILITY,
            metrics=Metrics(channels.probability_metrics, channels.plot_probability),
            summary=probability_summary,
        ),
        "cart-pole": CartPoleTraining(),
    },
    seeds=range(100, 105),
    measure=measure,
    measure_seconds=30,
    claims=CLAIMS,
    figure=figure,
    derive=derive,
    with_neurons=with_neurons,
)
