"""The figure of simulated dopamine neurons: the layout of Figs. 2 to 5, then the controls."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from neurotasks_baselines.dopamine.figures import (
    draw_asymmetry,
    draw_decoded,
    draw_diversity,
    draw_probability_coding,
    draw_responses,
    draw_split_half,
)
from neurotasks_baselines.dopamine.neurons import CUE_PROBABILITIES, MAGNITUDES, PROBABILITIES
from neurotasks_baselines.experiments.base import Foils, Measures
from neurotasks_baselines.experiments.dopamine_controls import PANELS, draw_controls
from neurotasks_baselines.experiments.dopamine_neurons_measures import CLASSICAL, OFFSET_2
from neurotasks_baselines.experiments.recorded_neurons import RecordedNeurons
from neurotasks_baselines.plotting import IDEAL, OURS, SMALL, letter_panels, new_figure, style


def figure(measures: list[Measures], foils: Foils, neurons: RecordedNeurons | None = None) -> Any:
    """Draw one population through Figs. 2 to 5, all through the controls, and recorded neurons."""
    m = measures[0]
    drawn = m["drawn"]
    with style():
        fig, axes = new_figure(2, width=4.8, height=3.2, rows=5 if neurons is None else 8)
        ours = drawn["distributional"]
        draw_responses(axes[0], MAGNITUDES, ours["means"], ours["points"])
        halves = axes[0].inset_axes((0.13, 0.66, 0.32, 0.32))
        draw_split_half(halves, *ours["halves"])
        halves.set(xticks=[], yticks=[])
        axes[0].set_title("Fig. 2: rewards, two halves, one population")

        cues = axes[1].inset_axes((0.72, 0.62, 0.27, 0.34))
        odds = np.log(CUE_PROBABILITIES / (1 - CUE_PROBABILITIES))
        examples = expit(odds + np.array([[2.0], [0.0], [-2.0]]))  # tau of 0.88, 0.5, 0.12
        t, control = drawn["t"]
        draw_probability_coding(axes[1], t, control, cues, examples)
        axes[1].legend(fontsize=SMALL, loc="upper left")
        axes[1].set_title("Fig. 3: the 50 % cue, one population")

        label = "differ by offsets of 2 Hz"
        axes[2].plot(*drawn[OFFSET_2]["asymmetry"], "o", ms=2, color="silver", label=label)
        taus, points = ours["asymmetry"]
        draw_asymmetry(axes[2], taus, points, label="distributional")
        axes[2].legend(fontsize=SMALL)
        correlations = m["count"]["asymmetry_r"]
        mean, n = np.mean(correlations), len(correlations)
        axes[2].set_title(f"Fig. 4: asymmetry, mean R {mean:.2f} (n = {n} populations)")

        draw_decoded(axes[3], drawn["decoded"], MAGNITUDES, PROBABILITIES)
        axes[3].set_title("Fig. 5: decoded, different halves, one population")
        for inset in (halves, cues):
            inset.tick_params(labelsize=6)
            inset.xaxis.label.set_fontsize(6)
            inset.yaxis.label.set_fontsize(6)
        draw_controls(
            axes[4 : 4 + PANELS],
            {
                "distributional": [m],
                "classical": [m["foils"][CLASSICAL]],
                "offsets, 2 Hz": [m["foils"][OFFSET_2]],
            },
            drawn["folds"],
            {"distributional": [m["cues"]], "classical": [m["foils"][CLASSICAL]["cues"]]},
        )
        if neurons is not None:
            draw_recorded(axes[4 + PANELS :], neurons)
        letter_panels(axes)
    return fig


def draw_recorded(axes: Any, neurons: RecordedNeurons) -> None:
    """Draw recorded neurons through Figs. 2, 4 and 5, Extended Data 4c; none are of Fig. 3."""
    trials, found = neurons.trials, neurons.measures
    points = trials.microlitres(neurons.cued.points)
    draw_responses(axes[0], trials.magnitudes, neurons.cued.means, points)
    axes[0].set_title(f"{neurons.number} recorded neurons")
    draw_split_half(axes[1], neurons.cued.first, neurons.cued.second)
    axes[1].set_title(f"Two halves, mean R = {found['reversal_r_count']:.2f}")
    draw_asymmetry(axes[2], neurons.pooled.second_taus, neurons.pooled.first)
    axes[2].set_title(f"Asymmetry, mean R = {found['asymmetry_r_count']:.2f}")
    samples = {"recorded": neurons.decoded.samples}
    draw_decoded(axes[3], samples, trials.magnitudes, trials.probabilities)
    axes[3].set_title(f"Decoded, {found['distance_halves_count']:.2f} ul from the true")
    draw_diversity(axes[4], **neurons.folds)
    axes[4].set_title(f"Fig. 4c: asymmetry, median F {found['anova_published']:.1f}")
    models = "same", "diverse"
    axes[5].bar(["common", "own"], [found[model] for model in models], color=[IDEAL, OURS])
    axes[5].set(
        title="Extended Data 4c: reversal points",
        ylabel="held-out signs predicted",
        ylim=(0.5, None),
    )
