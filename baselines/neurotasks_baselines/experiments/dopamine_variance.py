"""Lowet et al. 2025 with trained agents: can a variable and a fixed reward be distinguished?

A recurrent network may remember which odour it smelt, and its state is noise-free: a linear decoder
then distinguishes fixed from variable odours without error, whatever the network has learned of
their rewards. The control is whether a decoder trained on one fixed and one variable odour
generalises to the other two: cross-condition generalisation performance, CCGP. A scalar critic has
no reason to code more than the mean. With two odours of each kind its CCGP scatters widely from
seed to seed.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.analysis.decoder import fit_logistic
from neurotasks.episodes import Episodes
from neurotasks.observers import expectile_predictions
from neurotasks.tasks import same_mean
from neurotasks.tasks._mouse import ODOURS
from neurotasks.tasks.same_mean import FIXED, NOTHING, PER_KIND, VARIABLE
from neurotasks_baselines.agents.activations import Activations
from neurotasks_baselines.dopamine.channels import at_odour, moments
from neurotasks_baselines.experiments.base import Agents, Experiment, Foils, Measures, Training
from neurotasks_baselines.experiments.claims import REPORTED, Row, at_least, at_most, between
from neurotasks_baselines.experiments.drawing import draw_mean, mean_and_interval, titled
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
from neurotasks_baselines.training.evaluate import evaluate
from neurotasks_baselines.training.hyperparameters import hyperparameters_for

NAME, ID = "dopamine-variance", "neurotasks/SameMean-v0"
KINDS = {"nothing": NOTHING, "fixed": FIXED, "variable": VARIABLE}
AGENTS = "distributional", "scalar"
COLOURS = {"nothing": IDEAL, "fixed": PUBLISHED, "variable": OURS}
DRAWN = 20  # trials of each odour in the figure
SHORT = {"dt": 0.5, "interval_max": 6.0}  # episodes of at most 20 steps, 6 from odour to outcome
SOURCE = "Lowet 2025; the thresholds are our guess, not published"
SPEC = "computed: exact expectiles"

# A shared trunk: one recurrent state serves actor and critic. Of separate ones, `Activations`
# holds the actor's, which knows nothing of the critic's channels.
_DISTRIBUTIONAL = replace(hyperparameters_for(ID), total_steps=800_000, n_steps=16, trunk="shared")
_SCALAR = replace(_DISTRIBUTIONAL, channels=1)

States = list[NDArray[np.float32]]  # of each odour or class, (trials, units) each


# Claims: odours decoded from the recurrent state, and channels before the outcome.

SCALAR, FIXED_ODOURS = "scalar critic", "fixed odours"
DISTRIBUTIONAL = "distributional critic"

CLAIMS = (
    Row(
        "distributional critic: fixed or variable, decoded for the same four odours",
        "distributional.within",
        "above chance (striatum)",
        SOURCE,
        at_least(0.9),
        kind="direction",
        foil=SCALAR,
        note=(
            "Memory of the odour would be enough here; it does not pass the row with "
            "other odours (CCGP)."
        ),
    ),
    Row(
        "distributional critic: fixed or variable, decoded for odours not trained with (CCGP)",
        "distributional.ccgp",
        "above chance (striatum)",
        SOURCE,
        at_least(0.9),
        kind="direction",
        foil=SCALAR,
        note=(
            "The two agents differ only in their critic; one trained on expectiles has to "
            "distinguish variable from fixed odours."
        ),
    ),
    Row(
        "scalar critic: fixed or variable, decoded for odours not trained with (CCGP)",
        "scalar.ccgp",
        "-",
        SOURCE,
        at_most(0.65),
        kind="direction",
        foil=DISTRIBUTIONAL,
        note="With two odours of each kind it scatters widely from seed to seed.",
        why={"ppo": "Three of ten agents lie above the bound, one at 1."},
    ),
    Row(
        "scalar critic: fixed or variable, decoded for the same four odours",
        "scalar.within",
        "-",
        "memory of the odour is enough",
        REPORTED,
        kind="reported",
    ),
    Row(
        "variable odours, last trace step: spread of channels / of the variable odours' expectiles",
        "distributional.channels.variable.spread",
        "1",
        SPEC,
        between(0.9, 1.1),
        kind="reference",
        foil=FIXED_ODOURS,
    ),
)


# Evaluation metrics, shown by TensorBoard during training.


def metrics(episodes: Episodes) -> dict[str, float]:
    """Return the reward per trial and the anticipatory licks after each kind of odour."""
    trials = episodes.trials
    licks = trials.groupby("kind")["anticipatory_licks"].mean()
    return {
        "reward_per_trial": float(trials["trial_reward"].mean()),
        **{f"licks_{name}": float(licks.get(kind, np.nan)) for name, kind in KINDS.items()},
    }


def plot(episodes: Episodes, activations: Activations) -> Any:
    """Draw the channels before the outcome over tau."""
    with style():
        figure, axes = new_figure(1)
        draw_channels(axes[0], [channels_of(episodes, activations)])
    return figure


# Measure: frozen weights, held-out episodes.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Read channels and recurrent state in the last step of the trace, and decode the kind."""
    found: Measures = {}
    for name in AGENTS:
        episodes, activations = evaluate(agents[name], num_episodes=num_episodes, seed=seed)
        states = before_outcome(episodes, activations, activations.hidden)
        found[name] = {
            **metrics(episodes),
            "channels": channels_of(episodes, activations),
            **decode(states),
            "plane": plane(states),
        }
    ours = found["distributional"]
    found["foils"] = {
        SCALAR: {"distributional": {key: found["scalar"][key] for key in ("within", "ccgp")}},
        DISTRIBUTIONAL: {"scalar": {"ccgp": ours["ccgp"]}},
        FIXED_ODOURS: {"distributional": {"channels": {"variable": ours["channels"]["fixed"]}}},
    }
    return found


def before_outcome(episodes: Episodes, activations: Activations, array: NDArray[Any]) -> list[Any]:
    """Return the entries of an array in the last step of the trace.

    Args:
        episodes: Episodes of one trial each.
        activations: Activations of the agent in these episodes.
        array: Array over their steps, (steps, num_envs, ...).

    Returns:
        One array per odour, (trials with it, ...).
    """
    late = moments(activations.parameters)["last trace step"]
    return [at_odour(episodes, array, ODOURS + i, late) for i in range(len(same_mean.ODOURS))]


def channels_of(episodes: Episodes, activations: Activations) -> Measures:
    """Return the channels before the outcome next to exact expectiles.

    The discount of the last step is divided out.

    Returns:
        ``taus``; for each kind of odour by name its ``channels``, means over trials, the ``exact``
        expectiles, and the ``spread``: standard deviation of the channels over that of the variable
        odours' expectiles, NaN where these are all equal.
    """
    by_odour = before_outcome(episodes, activations, activations.channels / activations.gamma)
    exact = {
        name: expectile_predictions(
            activations.parameters, same_mean.ODOURS[PER_KIND * kind], activations.taus
        )
        for name, kind in KINDS.items()
    }
    unit = exact["variable"].std() or np.nan
    found: Measures = {"taus": activations.taus.tolist()}
    for name, kind in KINDS.items():
        channels = np.concatenate(of_kind(by_odour, kind))
        mean = channels.mean(axis=0) if len(channels) else np.full(len(activations.taus), np.nan)
        found[name] = {
            "channels": mean.tolist(),
            "exact": exact[name].tolist(),
            "spread": float(mean.std() / unit),
        }
    return found


def summary(episodes: Episodes, activations: Activations) -> Measures:
    """Return the channels next to the expectiles, as claims name them."""
    if len(activations.taus) == 1:  # a scalar critic
        return {}
    return {"distributional": {"channels": channels_of(episodes, activations)}}


def of_kind(by_odour: list[Any], kind: int) -> list[Any]:
    """Return the entries that belong to the odours of a kind."""
    return by_odour[PER_KIND * kind : PER_KIND * (kind + 1)]


def decode(states: States) -> dict[str, float]:
    """Decode whether odours are variable or fixed, in trials the decoder was not trained on.

    Args:
        states: Recurrent state in trials with each odour, (trials, units) each.

    Returns:
        ``within``: accuracy of a decoder trained on every other trial with the same four odours;
        memory of the odour is enough for 1. ``ccgp``: accuracy of a decoder trained on one fixed
        and one variable odour and tested on the other two, the mean over the four pairs.
    """
    fixed, variable = of_kind(states, FIXED), of_kind(states, VARIABLE)
    halves = [
        [np.concatenate([x[first::2] for x in kind]) for kind in (fixed, variable)]
        for first in (0, 1)
    ]
    pairs = [
        accuracy([fixed[i], variable[j]], [fixed[1 - i], variable[1 - j]])
        for i, j in product((0, 1), repeat=2)
    ]
    return {"within": accuracy(*halves), "ccgp": float(np.mean(pairs))}


def accuracy(train: States, test: States) -> float:
    """Return the balanced accuracy of a linear decoder of two classes.

    Args:
        train: States of the two classes, (trials, units) each.
        test: States of the two classes in other trials, likewise.

    Returns:
        Mean accuracy of the two classes, 0.5 by chance; NaN without trials of one class.
    """
    if not all(len(states) for states in (*train, *test)):
        return float("nan")
    decoder = fit_logistic(np.concatenate(train), np.repeat([0, 1], [len(x) for x in train]))
    first, second = (decoder.predict(states) for states in test)
    return float((1 - first.mean() + second.mean()) / 2)


def plane(states: States) -> list[list[list[float]]]:
    """Return trials in the plane of the two principal components of their recurrent states.

    Args:
        states: Recurrent state in trials with each odour, (trials, units) each.

    Returns:
        For each odour the two coordinates of each of its first trials.
    """
    together = np.concatenate(states)
    centre = together.mean(axis=0)
    axes = np.linalg.svd(together - centre, full_matrices=False)[2][:2]
    return [((x[:DRAWN] - centre) @ axes.T).round(4).tolist() for x in states]


# Figure: channels over tau, accuracies, recurrent states.


def draw_channels(axis: Any, found: list[Measures]) -> None:
    """Draw the channels before the outcome over tau, and exact ones dotted."""
    for name in ("fixed", "variable"):
        rows = [channels[name]["channels"] for channels in found]
        draw_mean(axis, found[0]["taus"], rows, COLOURS[name], label=f"{name} odours")
        axis.plot(found[0]["taus"], found[0][name]["exact"], ":", color="black", lw=1)
    axis.plot([], [], ":", color="black", lw=1, label="exact")
    axis.set(xlabel="tau", ylabel="prediction (ul)")
    axis.set_title(titled("Channels before the outcome", found))
    axis.legend(fontsize=SMALL)


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw channels, accuracies, and recurrent states of the first seed, one mark per odour."""
    with style():
        fig, axes = new_figure(2, width=4.4, height=3.4, rows=2)
        draw_channels(axes[0], [m["distributional"]["channels"] for m in measures])
        for place, agent, colour in zip((-0.1, 0.1), AGENTS, (OURS, IDEAL), strict=True):
            values = [[m[agent]["within"], m[agent]["ccgp"]] for m in measures]
            for row in values:
                axes[1].plot(place + np.arange(2), row, "o", ms=4, mfc="none", color=colour)
            mean, low, high = mean_and_interval(values)
            places = place + np.arange(2) + np.sign(place) * 0.07
            axes[1].plot(places, mean, "_", ms=8, mew=2, color=colour)
            axes[1].vlines(places, low, high, color=colour, lw=1.2)
            axes[1].plot([], [], "o", mfc="none", color=colour, label=f"{agent} critic")
        axes[1].axhline(0.5, lw=0.5, color="black")
        axes[1].set_xticks(range(2), ["same odours", "other odours\n(CCGP)"])
        axes[1].set(xlim=(-0.5, 1.5), ylim=(-0.05, 1.05), ylabel="accuracy")
        axes[1].set_title(titled("Fixed or variable, decoded", measures))
        axes[1].legend(fontsize=SMALL, loc="lower left")
        for axis, agent in zip(axes[2:], AGENTS, strict=True):
            for i, points in enumerate(measures[0][agent]["plane"]):
                name = list(KINDS)[i // PER_KIND]
                x, y = np.reshape(points, (-1, 2)).T
                label = name if i % PER_KIND == 0 else None
                axis.plot(
                    x, y, "o^"[i % PER_KIND], ms=4, mfc="none", color=COLOURS[name], label=label
                )
            axis.set(xlabel="first component", ylabel="second component")
            axis.set_title(f"Recurrent state, {agent} critic, first seed")
        axes[2].legend(fontsize=SMALL)
        axes[3].sharex(axes[2])
        axes[3].sharey(axes[2])
        letter_panels(axes)
    return fig


EXPERIMENT = Experiment(
    name=NAME,
    title="More than the mean: fixed and variable rewards",
    question=(
        "Does the recurrent state distinguish variable from fixed rewards of the same mean, "
        "whichever odour announces them, in agents with a distributional critic but not in agents "
        "with a scalar one?"
    ),
    trainings={
        "distributional": Training(
            ID, SHORT, _DISTRIBUTIONAL, Metrics(metrics, plot), summary=summary
        ),
        "scalar": Training(ID, SHORT, _SCALAR, Metrics(metrics, plot)),
    },
    seeds=range(100, 110),
    measure=measure,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "What the channels predict before the outcome after odours that announce fixed or "
        "variable rewards of the same mean, over their asymmetry tau.",
        "Accuracy with which a decoder of the recurrent state tells fixed from variable "
        "odours, in other trials with the odours it was trained on, or with other odours. "
        "0.5 is chance.",
        "Recurrent states of an agent with a distributional critic in the plane of their "
        "first two principal components, each mark a trial, circles and triangles different "
        "odours.",
        "The same of an agent with a scalar critic, on the same scale.",
    ),
)
