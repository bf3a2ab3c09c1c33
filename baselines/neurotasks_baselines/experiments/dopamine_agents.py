"""Dabney et al. 2020 with trained agents: channels of the critic as dopamine neurons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from neurotasks_baselines.dopamine import channels
from neurotasks_baselines.experiments.base import Experiment, Training
from neurotasks_baselines.experiments.cart_pole import CartPoleTraining
from neurotasks_baselines.experiments.claims import REPORTED, Row, at_least, at_most, between
from neurotasks_baselines.experiments.dopamine_agents_figure import figure
from neurotasks_baselines.experiments.dopamine_agents_measures import (
    ALL_CHANNELS,
    GAE_LAMBDA,
    GAINS,
    HALF,
    LAMBDA_TARGET,
    LAMBDAS,
    MEMORYLESS,
    MIDDLE,
    MONTE_CARLO,
    OFFSET_1,
    OFFSET_2,
    STEPS,
    UNTRAINED,
    closed_form,
    derive,
    measure,
    probability_summary,
    reward_summary,
)
from neurotasks_baselines.experiments.dopamine_controls import (
    CONTROLS_SHOWN,
    NO_OFFSETS,
    Subjects,
    control_rows,
)
from neurotasks_baselines.experiments.recorded_neurons import MICE_2, MICE_4, with_recorded
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.hyperparameters import hyperparameters_for

NAME = "dopamine-agents"
REWARD, PROBABILITY = "neurotasks/VariableReward-v0", "neurotasks/VariableProbability-v0"
RECORDED = "reversal_r_count", "asymmetry_r_count"  # reported of recorded neurons
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
                why={"ppo": "Four of ten agents expect 6 to 9 % too little at odour onset."},
            ),
            Row(
                f"{moment}: crossings of neighbouring channels",
                f"calibration.distributional.{moment}.crossings",
                "0",
                SPEC,
                at_most(0.01),
                kind="reference",
                foil=UNTRAINED,
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
        note="Held narrowly: where decoding ends depends on the last digits of what it starts "
        "from, and measured on another kind of processor the same agents have 1.66 [1.49, 1.84].",
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
        why={"ppo": "With trial noise, no agent reaches the range."},
    ),
    Row(
        "optimistic and pessimistic channels at once at the 50 % cue, the smaller fraction",
        "cues.both",
        "10 and 10 of 31 neurons (mice)",
        COUNTED,
        between(0.186, 0.499),  # Wilson's 95 % interval of 10 of 31
        kind="number",
        foil=MIDDLE,
        why={"ppo": "Fewer channels than neurons respond differently enough to be counted."},
    ),
    *control_rows(
        Subjects(
            ", channels as neurons",
            *("dopamine.", GAINS, OFFSET_1, OFFSET_2, MIDDLE),
            why={
                "cues.both_classes": {"ppo": "The interval over ten agents begins at 0.02."},
                "dopamine.degraded.of_gaussian": {"ppo": "Four of ten agents come no nearer."},
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
    seeds=range(100, 110),
    measure=measure,
    measure_seconds=30,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "What the channels of agents that learn from Monte-Carlo returns predict at the cue, "
        "over their asymmetry tau.",
        "The same of agents that learn from lambda-returns, in which the channels draw near "
        "to each other on the way back to the cue.",
        "Spread of the channels at the cue, relative to that of the expectiles, by lambda: "
        "in closed form, of learners with a table, and of the agents.",
        "What the channels predict before the outcome, which is their reversal point.",
        "The channels of one agent taken as neurons and recorded with noise: responses by "
        "reward, coloured by reversal points, which are the dots.",
        "What the channels predict at each of three cues (lines), next to exact expectiles "
        "(dotted).",
        "Reversal point from one half of the trials against the asymmetry from the other. "
        "Light dots are a scalar critic whose neurons differ by gains and offsets only.",
        "Rewards decoded from the channels of all seeds, over the true ones (grey).",
        *CONTROLS_SHOWN,
    ),
    derive=derive,
    with_neurons=with_neurons,
)
