"""Controls of Dabney et al. 2020: rows and panels of Fig. 4c and Extended Data 4c, 7a and 8.

The same rows and panels serve simulated neurons and channels of agents. Their measures are those of
`neurotasks_baselines.dopamine.populations.population_measures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from neurotasks_baselines.dopamine.degradation import NUMBERS, SHIFTS, control_distances
from neurotasks_baselines.dopamine.figures import draw_diversity
from neurotasks_baselines.dopamine.statistics import CLASSES
from neurotasks_baselines.experiments.base import Measures
from neurotasks_baselines.experiments.claims import (
    REPORTED,
    Accepted,
    Row,
    at_least,
    at_most,
    look_up,
)
from neurotasks_baselines.experiments.drawing import draw_bars, draw_mean, titled
from neurotasks_baselines.plotting import IDEAL, OURS, PUBLISHED, SMALL

CONTROLS_SHOWN = (
    "Fraction of held-out trials in which one reversal point for all neurons (grey), or one "
    "of each neuron (blue), predicts whether the response lies above or below baseline.",
    "Asymmetry of each neuron over seven folds of the trials, mean and standard error; blue "
    "where it differs from the mean over neurons.",
    "Fractions of neurons that respond to the 50 % cue as to the 90 % cue (optimistic), as "
    "to the 10 % cue (pessimistic), or otherwise.",
    "Distance of the decoded rewards from the true ones, decoded as usual, without bounds, "
    "with asymmetries shuffled over neurons, and from populations that carry no distribution "
    "(red). Dotted, a uniform distribution, a Gaussian one, and the true one mirrored.",
    "The same distance with every asymmetry shifted before decoding.",
    "The same distance decoded from fewer neurons.",
)
"""What each panel of `draw_controls` shows."""

PANELS = len(CONTROLS_SHOWN)
COLOURS = (OURS, PUBLISHED, IDEAL)
ED = "Dabney 2020, Extended Data Fig."
NO_OFFSETS = (
    "Shows that reversal points differ, not why: neurons that share one prediction and differ by "
    "an offset pass it too. Fig. 4 tells them apart."
)
PUBLISHED_F = 1.98
"""Lower end of the 95 % interval of the F that the published 2.93 of (38, 234) degrees of freedom
estimates, from the noncentral F distribution; the upper end is 4.24."""
SIGNIFICANT_F = float(stats.f.ppf(0.95, 38, 234))
RECORDED_NEURONS = 31  # of the variable-probability task


@dataclass(frozen=True)
class Subjects:
    """Who the rows are about, and who must fail them.

    Attributes:
        words: What is added to the names of the rows.
        measures: Beginning of the keys of their measures.
        alike: Name of the foil whose neurons differ in gain alone.
        offset_1: Name of the foil whose neurons differ by offsets of 1 Hz.
        offset_2: The same of 2 Hz.
        one_value: Name of the foil that values the 50 % cue at the midpoint.
        why: Why claims do not hold, as of `Row`, by the keys of their measures.
    """

    words: str
    measures: str
    alike: str
    offset_1: str
    offset_2: str
    one_value: str
    why: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def control_rows(of: Subjects) -> tuple[Row, ...]:
    """Return the rows about Fig. 4c and Extended Data 4c, 7a and 8.

    Args:
        of: Who they are about.
    """

    def row(
        name: str, key: str, published: str, source: str, accepted: Accepted, foil: str, note: str
    ) -> Row:
        kind: Any = "number" if "Lowet" in source else "direction"
        why = of.why.get(key, {})
        start = (f"{name}{of.words}", key, published, source, accepted, kind, foil)
        return Row(*start, note=note, why=why)

    def reported(name: str, key: str) -> Row:
        return Row(f"{name}{of.words}", key, "-", "not published", REPORTED, "reported")

    degraded = f"{of.measures}degraded"
    return (
        row(
            "Extended Data 4c: held-out signs that a common reversal point gets wrong / that each "
            "neuron's own gets wrong (count)",
            f"{of.measures}held_out.ratio",
            "> 1",
            f"{ED} 4c (direction)",
            at_least(1),
            of.offset_1,
            NO_OFFSETS,
        ),
        reported(
            f"Extended Data 4c: the same, {of.alike}",
            f"foils.{of.alike}.{of.measures}held_out.ratio",
        ),
        row(
            "Fig. 4c: F of an ANOVA of asymmetry over neurons, reversal points of a half (count)",
            f"{of.measures}anova.published",
            "2.93 (38 and 234 degrees of freedom, P = 4e-7)",
            "39 mouse neurons; Lowet 2020, Fig. 4E",
            at_least(PUBLISHED_F),
            of.alike,
            (
                "The range has no upper end, so a foil that exceeds the mice passes, too. "
                "The folds share the error of the reversal points, which tilts all their "
                "slopes alike."
            ),
        ),
        row(
            "Fig. 4c: the same, reversal points of each fold (interpolation)",
            f"{of.measures}anova.own_folds",
            "> 1",
            "Dabney 2020, Fig. 4c (direction); the estimator is ours",
            at_least(SIGNIFICANT_F),
            of.offset_2,
            (
                "From the lower end of the range up, P is below 0.05. Neurons that share "
                "one prediction but differ in asymmetry should pass, and are no foil."
            ),
        ),
        row(
            "Extended Data 7a: optimistic and pessimistic at once by two rank tests, the smaller "
            "fraction",
            "cues.both_classes",
            "both kinds",
            f"{ED} 7a (direction)",
            at_least(1 / RECORDED_NEURONS),
            of.one_value,
            f"The bound is one of the {RECORDED_NEURONS} recorded neurons, the fewest that can "
            "show a kind. The trial noise, 0.3 of the reward, is ours.",
        ),
        row(
            "Extended Data 8d: distance of decoded from true rewards / of a Gaussian with their "
            "mean and sd, Z and tau of different halves (interpolation)",
            f"{degraded}.of_gaussian",
            "< 1 (0.88, n = 40, from the same trials)",
            f"{ED} 8d (direction); distances computed",
            at_most(1),
            of.offset_2,
            "Anything that knows only the mean and the sd comes as near as the Gaussian.",
        ),
        row(
            "Extended Data 8e-h: distance with the probit of every tau 1 higher or lower, the "
            "smaller / intact",
            f"{degraded}.of_shifted",
            "> 1",
            f"{ED} 8e-h (direction)",
            at_least(1),
            of.offset_2,
            (
                "Neurons that differ by an offset pass it, too: wrong asymmetries change "
                "what is decoded, whether or not the right ones carry information."
            ),
        ),
        reported(
            "Extended Data 8a-c: distance of decoded from true rewards without bounds (ul)",
            f"{degraded}.unbounded",
        ),
        *(
            reported(
                f"Extended Data 8e-h: distance with the probit of every tau 1 {direction} (ul)",
                f"{degraded}.tau_much_{direction}",
            )
            for direction in ("lower", "higher")
        ),
        *(
            reported(
                f"distance of rewards decoded from {number} of the neurons (ul)",
                f"{degraded}.neurons_{number}",
            )
            for number in NUMBERS
        ),
    )


# Panels: Extended Data 4c, Fig. 4c, Extended Data 7a and 8.


Populations = Mapping[str, Sequence[Measures]]
"""Measures of the subjects, then of foils, by their labels; every measure a number or a list."""


def draw_controls(axes: Any, populations: Populations, folds: Measures, cues: Populations) -> None:
    """Draw the panels of the rows of `control_rows`.

    Args:
        axes: `PANELS` axes of matplotlib to draw on.
        populations: Measures of population by labels, the subjects first.
        folds: Asymmetries from `neurotasks_baselines.dopamine.measures.fold_asymmetries`.
        cues: Measures with ``classes``, by labels, the subjects first.
    """
    held_out, diversity, classes, controls, shifts, numbers = axes
    draw_held_out(held_out, populations)
    draw_diversity(diversity, **folds)
    ours = next(iter(populations.values()))
    f, own = (look_up(ours, f"anova.{key}").mean() for key in ("published", "own_folds"))
    diversity.set_title(f"Fig. 4c: asymmetry, mean F {f:.1f} (own {own:.1f})")
    draw_classes(classes, cues)
    draw_control_distances(controls, populations)
    draw_curves(
        shifts,
        populations,
        {0.0: "intact", **{shift: name for name, shift in SHIFTS.items()}},
        "Extended Data 8e-h: wrong tau",
        "shift of the probit of every tau",
    )
    draw_curves(
        numbers,
        populations,
        {**{float(n): f"neurons_{n}" for n in NUMBERS}, float(len(folds["means"])): "intact"},
        "Decoded from fewer neurons",
        "neurons",
    )


def draw_held_out(axis: Any, populations: Populations) -> None:
    """Draw the fractions of held-out signs that either model predicts (Extended Data Fig. 4c).

    Args:
        axis: Axes of matplotlib to draw on.
        populations: Measures with ``held_out``, by labels.
    """
    both = [
        np.transpose([look_up(parts, f"held_out.{model}") for model in ("same", "diverse")])
        for parts in populations.values()
    ]
    for place, rows in enumerate(both):
        draw_bars(axis, place + np.array([-0.2, 0.2]), rows, [IDEAL, OURS], width=0.38)
    axis.set_xticks(range(len(both)), [*populations])
    axis.set(
        title=titled("Extended Data 4c: held-out signs", both[0]),
        xlabel="reversal point: one (grey) or own (blue)",
        ylabel="fraction predicted",
        ylim=(0.5, None),
    )


def draw_classes(axis: Any, cues: Populations) -> None:
    """Draw the fractions of neurons in each class (Extended Data Fig. 7a).

    Args:
        axis: Axes of matplotlib to draw on.
        cues: Measures with ``classes``, by labels.
    """
    width = 0.8 / len(cues)
    fractions = [
        np.transpose([look_up(parts, f"classes.{name}") for name in CLASSES])
        for parts in cues.values()
    ]
    for i, (label, rows, colour) in enumerate(zip(cues, fractions, COLOURS, strict=False)):
        places = np.arange(len(CLASSES)) + width * (i - (len(cues) - 1) / 2)
        draw_bars(axis, places, rows, colour, width=0.9 * width)
        axis.containers[-1].set_label(label)
    axis.set_xticks(range(len(CLASSES)), CLASSES)
    axis.set(
        title=titled("Extended Data 7a: 50 % cue", fractions[0]),
        ylabel="fraction of neurons",
        ylim=(0, 1.05),
    )
    axis.legend(fontsize=SMALL, loc="upper left")


def draw_control_distances(axis: Any, populations: Populations) -> None:
    """Draw how far decoded rewards, and controls, are from the true ones (Extended Data Fig. 8a-d).

    Args:
        axis: Axes of matplotlib to draw on.
        populations: Measures with ``degraded`` and ``halves``, by labels, the subjects first.
    """
    label, ours = next(iter(populations.items()))
    bars = {
        label: (ours, "degraded.intact"),
        "no bounds": (ours, "degraded.unbounded"),
        "tau shuffled": (ours, "halves.shuffled_distance"),
        **{other: (parts, "degraded.intact") for other, parts in [*populations.items()][1:]},
    }
    colours = [OURS] * 3 + [PUBLISHED] * len(populations)
    for place, ((parts, key), colour) in enumerate(zip(bars.values(), colours, strict=False)):
        draw_bars(axis, [place], look_up(parts, key)[:, None], colour)
    for name, far in control_distances().items():
        axis.axhline(far, ls=":", color=IDEAL, lw=1)
        axis.text(len(bars) + 0.6, far, name, fontsize=SMALL, va="bottom", ha="right")
    axis.set_xticks(range(len(bars)), [*bars], fontsize=SMALL, rotation=15)
    axis.set(
        title=titled("Extended Data 8a-d: decoded", look_up(ours, "degraded.intact")),
        ylabel="distance from true (ul)",
        xlim=(-0.6, len(bars) + 0.6),
    )


def draw_curves(
    axis: Any, populations: Populations, keys: Mapping[float, str], title: str, x_label: str
) -> None:
    """Draw the distance of decoded from true rewards while decoding is made worse.

    Args:
        axis: Axes of matplotlib to draw on.
        populations: Measures with ``degraded``, by labels.
        keys: Keys of the distances by their places on the x axis.
        title: Title.
        x_label: Label of the x axis.
    """
    x = sorted(keys)
    curves = [
        np.transpose([look_up(parts, f"degraded.{keys[place]}") for place in x])
        for parts in populations.values()
    ]
    for label, rows, colour in zip(populations, curves, COLOURS, strict=False):
        draw_mean(axis, x, rows, colour, seeds=False, marker="o", ms=3, label=label)
    axis.set(
        title=titled(title, curves[0]),
        xlabel=x_label,
        ylabel="distance from true (ul)",
        ylim=(0, None),
    )
    axis.legend(fontsize=SMALL)
