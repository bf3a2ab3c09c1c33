"""The figure of the risky-choice task, in the layout of Fig. 7 of Wang et al. 2018."""

from __future__ import annotations

from typing import Any

import numpy as np

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
from neurotasks_baselines.experiments.risky_choice_conditions import (
    CONDITIONS,
    INTERVENTIONS,
    WITHOUT_MEMORY,
    YOKED,
    observe,
)
from neurotasks_baselines.experiments.risky_choice_doses import PROBABILITIES, SIZES, learner_curves
from neurotasks_baselines.plotting import (
    IDEAL,
    OURS,
    PUBLISHED,
    SMALL,
    letter_panels,
    new_figure,
    style,
)


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw the rates under every condition, by the size of the offsets, and learning."""
    with style():
        fig, axes = new_figure(2, width=4.4, height=3.4, rows=3)
        references = observe()
        places = np.arange(len(CONDITIONS), dtype=float)
        for axis, which in zip(axes, (1, 0), strict=False):

            def by_condition(m: Measures, which: int = which) -> list[float]:
                return [m["risky"][c][which] for c in CONDITIONS]

            draw_bars(axis, places, [by_condition(m) for m in measures], OURS)
            draw_foils(axis, places, lacking, by_condition, apart=0.14, **MARKS)
            look: Any = {"ls": "none", "ms": 5, "mfc": "white", "color": "black", "mew": 0.8}
            learner = [references[c][which] for c in CONDITIONS]
            axis.plot(places - 0.34, learner, marker="o", label="R-W learner", **look)
            for name, marker in ((WITHOUT_MEMORY, "^"), (YOKED, "P")):
                foils = [by_condition(m["foils"][name]) for m in measures]
                mean, *_ = mean_and_interval(foils)
                if np.isfinite(mean).any():
                    axis.plot(places + 0.34, mean, marker=marker, label=name, **look)
            axis.axhline(references["ideal"][which], ls=":", color="black", label="ideal observer")
            axis.set_xticks(places, [c.replace(" ", "\n") for c in CONDITIONS])
            axis.set(ylim=(0, 1.45), ylabel="P(risky), free trials")
            axis.set_title(titled(f"Risky arm pays in {100 * PROBABILITIES[which]:g} %", measures))
            axis.set_yticks(np.linspace(0, 1, 6))
        axes[1].legend(fontsize=SMALL, loc="upper left")
        for axis, name in zip(axes[2:], CONDITIONS[1:], strict=False):
            draw_doses(axis, name, measures)
        axes[2].set(ylim=(0, 1.7), yticks=np.linspace(0, 1, 6))
        axes[2].legend(fontsize=SMALL, loc="upper right")
        draw_learning(axes[5], [m["history"] for m in measures], reward_per_trial)
        axes[5].set(ylabel="reward per trial")
        axes[5].set_title(titled("Learning, one line per seed", measures))
        letter_panels(axes)
        legend_of_foils(fig, lacking, **MARKS)
    return fig


def draw_doses(axis: Any, name: str, measures: list[Measures]) -> None:
    """Draw the rates by the size of an offset: of the agents, the learner and the foil."""
    (change,) = INTERVENTIONS[name]
    offsets = np.array(SIZES) * change.offset
    curves = np.array([m["doses"][name] for m in measures], float)
    others = np.array([m["foils"][YOKED]["doses"][name] for m in measures], float)
    learner = np.array(learner_curves()[name])
    for which, colour in zip((1, 0), (OURS, PUBLISHED), strict=True):
        label = f"p = {PROBABILITIES[which]:g}"
        draw_mean(axis, offsets, curves[..., which], colour, marker="o", ms=3, label=label)
        axis.plot(offsets, learner[:, which], ":", color=colour, lw=1, label=f"R-W, {label}")
        axis.plot(offsets, others[..., which].mean(axis=0), "--", color=IDEAL, lw=1)
    axis.plot([], [], "--", color=IDEAL, lw=1, label=YOKED)
    axis.set(xlabel=f"offset on the RPE: {name}", ylabel="P(risky), free trials", ylim=(0, 1.05))
    if change.offset < 0:
        axis.invert_xaxis()  # the larger offset is on the right
    axis.set_title(titled("Size of the offset", measures))
