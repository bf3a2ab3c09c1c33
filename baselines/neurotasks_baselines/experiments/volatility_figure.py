"""The figure of the volatility task: rates by block, behaviour and decoding by trial."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotasks_baselines.experiments.base import Foils, Measures
from neurotasks_baselines.experiments.claims import FOILS
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
from neurotasks_baselines.experiments.volatility_measures import (
    BIN,
    BLOCKS,
    FIXED_RATES,
    UNTRAINED,
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
    axis.legend(fontsize=SMALL, frameon=True, edgecolor="none", framealpha=1)
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
