"""The figure of the bandits: the panels of Fig. 1 that show numbers, and how they were learned."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotasks.observers import CorrelatedBandit, GittinsBandit, ThompsonBandit, UcbBandit
from neurotasks_baselines.experiments.bandits_observers import ID, MEDIUM, RANDOM, observe
from neurotasks_baselines.experiments.bandits_states import draw_states
from neurotasks_baselines.experiments.base import Foils, Measures
from neurotasks_baselines.experiments.drawing import (
    draw_foils,
    draw_learning,
    draw_mean,
    legend_of_foils,
    titled,
)
from neurotasks_baselines.plotting import IDEAL, OURS, SMALL, letter_panels, new_figure, style

ABLATIONS = {  # in the figure
    "clamped": ("agent, reward held at 0", "#7a5195")
}
TRAINED = {"independent": OURS, "correlated": "#d08c2e"}


def draw_regrets(axis: Any, curves: list[list[float]], colour: str, label: str) -> None:
    """Draw the regret up to each trial: a line for the mean, thin ones for the seeds."""
    draw_mean(axis, np.arange(1, len(curves[0]) + 1), curves, colour, label=label)
    axis.set(xlabel="trial", ylabel="cumulative regret")


def draw_references(axis: Any, id: str, references: dict[Any, tuple[str, str]]) -> None:
    """Draw the regret of observers, each by its label and the style of its line."""
    for observer, (label, line) in references.items():
        curve = observe()[observer.__name__][id]
        axis.plot(np.arange(1, len(curve) + 1), curve, line, color="black", lw=1, label=label)


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw the regrets, the recurrent state coloured by belief, and the learning curves."""
    usual: dict[Any, tuple[str, str]] = {
        UcbBandit: ("UCB", ":"),
        ThompsonBandit: ("Thompson", "--"),
        GittinsBandit: ("Gittins", "-"),
    }
    with style():
        fig, axes = new_figure(3, width=4.2, height=3.4, rows=2)
        trials = np.arange(1, len(measures[0]["regret"]["independent"]) + 1)
        draw_foils(
            axes[0], trials, lacking, lambda m: m["regret"]["independent"], markevery=(9, 20)
        )
        draw_references(axes[0], ID, usual)
        for name, (label, colour) in ABLATIONS.items():
            draw_regrets(axes[0], [m["regret"][name] for m in measures], colour, label)
        ours = [m["regret"]["independent"] for m in measures]
        draw_regrets(axes[0], ours, OURS, "agent")
        axes[0].set(yscale="log", ylim=(0.15, 100), yticks=[0.2, 0.5, 1, 2, 5, 10, 20])
        axes[0].set_yticklabels(["0.2", "0.5", "1", "2", "5", "10", "20"])
        axes[0].minorticks_off()
        axes[0].set_ylabel("cumulative regret (log scale)")
        axes[0].set_title(titled("Independent problems", measures))
        references = usual | {CorrelatedBandit: ("ideal, knows p2 = 1 - p1", "-.")}
        draw_references(axes[1], MEDIUM, references)
        for name, colour in TRAINED.items():
            draw_regrets(axes[1], [m["fixed"][name] for m in measures], colour, f"trained: {name}")
        axes[1].set(ylim=(0, 8), title=titled("Arms that pay with 0.25 and 0.75", measures))
        for axis in axes[:2]:
            axis.legend(fontsize=SMALL, loc="upper left", ncols=2)
        draw_states(fig, axes[2], measures[0]["states"], "belief: right is better")
        axes[2].set_title(f"Belief, first seed (R2 = {measures[0]['belief_r2']:.2f})")
        draw_states(fig, axes[3], measures[0]["final"]["states"], "p of the right arm")
        axes[3].set_title(f"Last trial, first seed (R2 = {measures[0]['final']['r2']:.2f})")
        for name, colour in TRAINED.items():
            histories = [m["history"][name] for m in measures]
            draw_learning(axes[4], histories, lambda row: row["regret"], colour, name)
        axes[4].axhline(RANDOM, ls=":", color=IDEAL, label="random choices, independent")
        axes[4].set(ylabel="regret after 100 trials", ylim=(0, 30))
        axes[4].set_title(titled("Learning, problems as trained", measures))
        axes[4].legend(fontsize=SMALL)
        axes[5].set_axis_off()
        letter_panels(axes[:5])
        legend_of_foils(fig, lacking)
    return fig
