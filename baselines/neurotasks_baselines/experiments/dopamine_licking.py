"""Licks before the outcome: what trained agents expect, read from what they do.

Mice lick before the water comes, the more the likelier it is. In tasks where a lick takes time an
agent that discounts has a reason to: who is licking already drinks earlier. Where a lick takes none
there is no such reason, and the same training must not bring ordered licks: that is the foil. The
second readout is the value before the outcome, in Pavlovian mode, where licking does nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from neurotasks import LATENCY
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.observers import MouseObserver
from neurotasks.scores import TEST_SEED
from neurotasks.tasks._mouse import ODOURS
from neurotasks_baselines.agents.activations import compute_activations
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.dopamine.channels import (
    at_odour,
    mean_licks,
    moments,
    probability_metrics,
    reward_metrics,
    steps_to_outcome,
)
from neurotasks_baselines.experiments.base import Agents, Experiment, Foils, Measures, Training
from neurotasks_baselines.experiments.claims import REPORTED, Row, at_least
from neurotasks_baselines.experiments.drawing import mean_and_interval, titled
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
from neurotasks_baselines.training.evaluate import held_out_envs, play, untrained
from neurotasks_baselines.training.hyperparameters import hyperparameters_for

NAME = "dopamine-licking"
IDS = {
    "probability": "neurotasks/VariableProbabilityLatency-v0",
    "reward": "neurotasks/VariableRewardLatency-v0",
}
CUES = {"probability": ("odour", (0, 1, 2)), "reward": ("trial_type", (2, 1))}
"""Column that tells the odour, and its values from the least to the most promising one."""
NAMES = {"probability": ("10 %", "50 %", "90 %"), "reward": ("nothing odour", "reward odour")}
SHORT = {"interval_min": 0.5, "interval_mean": 0.5, "interval_max": 2.0}  # s: more trials
PRESET = {**SHORT, **LATENCY}
AT_ONCE = {**PRESET, "latency": 0.0}
WITHOUT_LATENCY, UNTRAINED = "agent trained without latency", "untrained network"
MARGINS = {"licks": 0.25, "values": 0.25}
"""By how much each odour must exceed the one before it, in licks per second or microlitres.

About a third of the smallest difference of the reference observer's licks, 0.69. Whatever licks are
left after a training without latency, and the values of untrained networks, may be ordered too, but
by less. The margin of the values has the same number; it was set before seeds 110 to 119 were
trained.
"""
NOTE = "Wilson's interval of 9 of 10 seeds begins at 0.596."
NINE_OF_TEN = at_least(0.59)
SOURCES = {"probability": "Starkweather 2017 (direction)", "reward": "Eshel 2015 (direction)"}


# Claims: order of licks, with latency only, and order of values.

CLAIMS = (
    *(
        Row(
            f"fraction of seeds with {what}",
            key,
            "all mice",
            source,
            NINE_OF_TEN,
            kind="direction",
            foil=foil,
            statistic="fraction",
            note=NOTE,
        )
        for what, key, source, foil in (
            (
                "anticipatory licks ordered 90 > 50 > 10 %, by 0.25 per second each",
                "ordered.licks.probability",
                SOURCES["probability"],
                WITHOUT_LATENCY,
            ),
            (
                "0.25 anticipatory licks per second more after the reward odour than after the "
                "nothing odour",
                "ordered.licks.reward",
                SOURCES["reward"],
                WITHOUT_LATENCY,
            ),
            (
                "value before the outcome ordered 90 > 50 > 10 %, by 0.25 ul each, licks without "
                "effect",
                "ordered.values.probability",
                SOURCES["probability"],
                UNTRAINED,
            ),
            (
                "0.25 ul more value before the outcome after the reward odour than after the "
                "nothing odour, licks without effect",
                "ordered.values.reward",
                SOURCES["reward"],
                UNTRAINED,
            ),
        )
    ),
    *(
        Row(
            f"anticipatory licks per second, {name}{' of the reference observer' * observer}",
            f"{'references.' * observer}licks.{task}.{i}",
            "-",
            "we know of no published number",
            REPORTED,
            kind="reported",
        )
        for observer in (False, True)
        for task, names in NAMES.items()
        for i, name in enumerate(names)
    ),
)


# Measure: frozen weights, held-out episodes.


def licks_per_second(episodes: Episodes, task: str, seconds: float) -> list[float]:
    """Return the anticipatory licks per second, from the least to the most promising odour.

    Args:
        episodes: Episodes of one trial each.
        task: Name of the task in `IDS`.
        seconds: Mean time from odour onset to the outcome.
    """
    column, kinds = CUES[task]
    found = mean_licks(episodes, column)
    return [found.get(kind, np.nan) / seconds for kind in kinds]


def seconds_to_outcome(parameters: Any) -> float:
    """Return the mean time from odour onset to the outcome."""
    return float(steps_to_outcome(parameters) * parameters.dt)


def values_before_outcome(
    model: FusedRecurrentPPO, episodes: Episodes, parameters: Any, task: str
) -> list[float]:
    """Return the mean value in the last step that is before every outcome, in the same order.

    Args:
        model: Agent whose critic is read.
        episodes: Episodes of one trial each, whoever played them.
        parameters: Parameters of the task.
        task: Name of the task in `IDS`.
    """
    column, kinds = CUES[task]
    first = 1 if column == "trial_type" else 0  # 1 is the type with the first odour
    late, values = moments(parameters)["last trace step"], compute_activations(model, episodes)
    return [
        float(at_odour(episodes, values.values, ODOURS + kind - first, late).mean())
        for kind in kinds
    ]


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Count the licks before the outcome, and read the critic where licks do nothing."""
    found: Measures = {"licks": {}, "values": {}}
    foils: dict[str, Measures] = {WITHOUT_LATENCY: {"licks": {}}, UNTRAINED: {"values": {}}}
    for task, id in IDS.items():
        for name, part in ((task, found), (f"{task}-at-once", foils[WITHOUT_LATENCY])):
            episodes = play(agents[name], num_episodes=num_episodes, seed=seed)
            envs = held_out_envs(id, PRESET, 1)
            seconds = seconds_to_outcome(envs.unwrapped.parameters)
            part["licks"][task] = licks_per_second(episodes, task, seconds)
        envs = held_out_envs(id, {**PRESET, "pavlovian": True}, num_episodes)
        parameters, model = envs.unwrapped.parameters, agents[task]
        episodes = run_episodes(model, envs, seed=seed)
        for reader, part in ((model, found), (untrained(model), foils[UNTRAINED])):
            part["values"][task] = values_before_outcome(reader, episodes, parameters, task)
    return {**found, "foils": foils}


def derive(m: Measures) -> Measures:
    """Return which readouts follow the order of the odours, of an agent or a foil."""
    return {
        "ordered": {
            readout: {task: bool(np.all(np.diff(row) > margin)) for task, row in m[readout].items()}
            for readout, margin in MARGINS.items()
            if readout in m
        }
    }


@cache
def references() -> Measures:
    """Return the licks of the reference observer, which plans them with the rules of the task."""
    found = {}
    for task, id in IDS.items():
        envs = held_out_envs(id, PRESET, 1000)
        episodes = run_episodes(MouseObserver(envs), envs, seed=TEST_SEED)
        seconds = seconds_to_outcome(envs.unwrapped.parameters)
        found[task] = licks_per_second(episodes, task, seconds)
    return {"licks": found}


# Figure: licks with and without latency, values.


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw the licks of agents with and without latency, and the values, one column per task."""
    observer = references()
    with style():
        fig, axes = new_figure(2, width=4.4, height=3.4, rows=2)
        for column, (task, names) in enumerate(NAMES.items()):
            licks, values = axes[column], axes[2 + column]
            places = np.arange(len(names))
            without = [m["foils"][WITHOUT_LATENCY] for m in measures]
            for axis, readout, rows, colour, label in (
                (licks, "licks", measures, OURS, "agents"),
                (licks, "licks", without, IDEAL, "trained without latency"),
                (values, "values", measures, OURS, "agents"),
            ):
                found = [row[readout][task] for row in rows]
                for row in found:
                    axis.plot(places, row, "-", lw=0.6, alpha=0.4, color=colour)
                mean, low, high = mean_and_interval(found)
                axis.plot(places, mean, "o-", ms=4, color=colour, label=label)
                axis.vlines(places, low, high, color=colour, lw=1.2)
            best = observer["licks"][task]
            licks.plot(places, best, "_", ms=12, mew=2, color=PUBLISHED, label="observer")
            licks.set(ylabel="licks per second", title=titled("Licks before the outcome", measures))
            values.set(ylabel="value (ul)", title=titled("Value before the outcome", measures))
            for axis in (licks, values):
                axis.set_xticks(places, names)
                axis.margins(x=0.2)
            licks.legend(fontsize=SMALL)
        letter_panels(axes)
    return fig


_HYPERPARAMETERS = replace(
    hyperparameters_for(IDS["probability"]),
    total_steps=1_500_000,
    channels=1,
    critic_target="lambda",
)
HYPERPARAMETERS = {
    "reward": _HYPERPARAMETERS,
    "probability": replace(_HYPERPARAMETERS, trunk="shared", ent_coef=0.1),
}
"""After one of three odours a policy must remember which: it learns to from the critic's gradient.

With little entropy it stops licking after the 50 % odour before it has found when that pays.
"""
METRICS = {"probability": Metrics(probability_metrics), "reward": Metrics(reward_metrics)}
EXPERIMENT = Experiment(
    name=NAME,
    title="Licks before the outcome",
    question=(
        "Do trained agents lick more before the outcome the likelier water is after the odour, if "
        "a lick takes time, and not if it takes none?"
    ),
    trainings={
        f"{task}{name}": Training(id, kwargs, HYPERPARAMETERS[task], METRICS[task], evaluations=2)
        for task, id in IDS.items()
        for name, kwargs in (("", PRESET), ("-at-once", AT_ONCE))
    },
    seeds=range(110, 120),
    measure=measure,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "Licks per second between odour and outcome, by the probability that the odour "
        "announces, of agents whose licks take time, of agents trained where they take none "
        "(grey), and of the reference observer (red).",
        "The same in the task with rewards of several sizes, without and with reward after "
        "the odour.",
        "Value that the critic predicts before the outcome where licks do nothing, by the "
        "probability that the odour announces.",
        "The same in the task with rewards of several sizes.",
    ),
    derive=derive,
    references=references,
)
