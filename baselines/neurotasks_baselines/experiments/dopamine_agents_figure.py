"""The figure of trained agents: the target experiment, and Figs. 2 to 5 of the channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotasks.tasks.variable_probability import VariableProbabilityParameters
from neurotasks_baselines.dopamine import channels
from neurotasks_baselines.dopamine.figures import draw_asymmetry, draw_decoded, draw_responses
from neurotasks_baselines.dopamine.neurons import MAGNITUDES, PROBABILITIES
from neurotasks_baselines.experiments.base import Foils, Measures
from neurotasks_baselines.experiments.dopamine_agents_measures import (
    GAE_LAMBDA,
    GAINS,
    HALF,
    LAMBDAS,
    MIDDLE,
    OFFSET_2,
    closed_form,
)
from neurotasks_baselines.experiments.dopamine_controls import PANELS, draw_controls
from neurotasks_baselines.experiments.drawing import draw_mean, mean_and_interval, titled
from neurotasks_baselines.experiments.recorded_neurons import RecordedNeurons
from neurotasks_baselines.plotting import (
    IDEAL,
    OURS,
    PUBLISHED,
    SMALL,
    letter_panels,
    new_figure,
    style,
)


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
        draw_asymmetry(asymmetry, first["second_taus"], first["first"], label="channels")
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
