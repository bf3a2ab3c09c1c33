"""The figure of the two-step task, in the layout of Fig. 5 of Wang et al. 2018."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurotasks.analysis.two_step import CONDITIONS
from neurotasks_baselines.experiments.base import Foils, Measures
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
from neurotasks_baselines.experiments.two_step_measures import (
    CUE,
    LAGS,
    MODEL_FREE,
    PUBLISHED_STAYS,
    foils,
    observe,
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

PLACES = np.array([0.0, 1.0, 2.4, 3.4])  # of CONDITIONS


def draw_stays(
    axis: Any,
    stays: list[dict[str, float]],
    ideal: Mapping[str, float] | None = None,
    published: Mapping[str, float] | None = PUBLISHED_STAYS,
) -> None:
    """Draw stay probabilities: bars for the mean, dots for seeds, lines for paper and observer."""
    values = np.array([[s[name] for name in CONDITIONS] for s in stays])
    draw_bars(axis, PLACES, values, [OURS, "#8fc1d4"] * 2)
    for known, label, line, colour in (
        (published, "paper", "-", PUBLISHED),
        (ideal, "ideal", ":", "black"),
    ):
        if known is None:
            continue
        for i, name in enumerate(CONDITIONS):
            ends = [PLACES[i] - 0.45, PLACES[i] + 0.45]
            look = {"color": colour, "lw": 2, "label": "" if i else label}
            axis.plot(ends, [known[name]] * 2, line, **look)
    axis.set_xticks(PLACES, ["common", "rare"] * 2)
    axis.set_xticks([0.5, 2.9], ["\nrewarded", "\nunrewarded"], minor=True)
    axis.tick_params(which="minor", length=0, pad=8)
    axis.set(ylim=(0, 1.05), ylabel="P(stay)")


def draw_stays_of_foils(axis: Any, learners: Mapping[str, Measures], lacking: Foils) -> None:
    """Add the stay probabilities of two learners and of agents that lack something."""

    def stays(m: Measures) -> list[float]:
        return [m["stays"][name] for name in CONDITIONS]

    for name, marker, shift in ((MODEL_FREE, "o", -0.3), (CUE, "^", 0.3)):
        look = {"ms": 4.5, "mfc": "white", "mew": 0.8, "color": "black", "label": name}
        axis.plot(PLACES + shift, stays(learners[name]), marker, **look)
    draw_foils(axis, PLACES, lacking, stays, apart=0.15, **MARKS)
    axis.set(ylim=(-0.05, 1.4), yticks=np.linspace(0, 1, 6))
    axis.legend(fontsize=SMALL, loc="upper left", ncols=2, handlelength=1.5)


def draw_lags(axis: Any, measures: list[Measures]) -> None:
    """Draw what past choices of each kind weigh in the next one."""
    looks = zip(CONDITIONS, (OURS, PUBLISHED) * 2, ("-", "-", ":", ":"), strict=True)
    for name, colour, line in looks:
        weights = [m["lags"][name] for m in measures]
        lags = np.arange(1, LAGS + 1)
        draw_mean(axis, lags, weights, colour, seeds=False, ls=line, label=name)
    axis.axhline(0, lw=0.5, color=IDEAL)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.3 * (high - low))  # the legend goes above the lines
    axis.legend(fontsize=SMALL, loc="upper left", ncols=2)
    axis.set(xlabel="trials ago", ylabel="weight of repeating the choice")
    axis.set_title(titled("Regression on past trials", measures))


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
        draw_stays_of_foils(axes[0], foils(), lacking)
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
        draw_lags(axes[4], measures)
        draw_strategies(axes[5], measures)
        letter_panels(axes)
        legend_of_foils(fig, lacking, **MARKS)
    return fig
