"""Dabney et al. 2020, Figs. 2 to 5, on simulated dopamine neurons: no agent is trained.

Populations with the trials and the noise of the recorded neurons go through the estimators that
recordings go through, and so do their foils: neurons that predict the mean alone, with diverse
gains (classical TD), diverse asymmetries of the response, or diverse offsets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurotasks_baselines.experiments.base import Experiment
from neurotasks_baselines.experiments.claims import REPORTED, Row, at_least, at_most, between
from neurotasks_baselines.experiments.dopamine_controls import (
    CONTROLS_SHOWN,
    NO_OFFSETS,
    Subjects,
    control_rows,
)
from neurotasks_baselines.experiments.dopamine_neurons_figure import figure
from neurotasks_baselines.experiments.dopamine_neurons_measures import (
    CLASSICAL,
    FOILS,
    IN_FOILS,
    OFFSET_1,
    OFFSET_2,
    SAME_TRIALS,
    SHARED,
    measure,
)
from neurotasks_baselines.experiments.recorded_neurons import MICE_2, MICE_4, with_recorded

NAME = "dopamine-neurons"
MICE_5 = "40 mouse neurons; computed from the public pairs, same trials"
COUNTED = "40 mouse neurons; counted in the public files, t tests"
AUTHORS_3 = "the authors' simulation; counted in their histogram, |t| binned >= 3"
MICE_3 = "10 and 10 of 31 mouse neurons; counted in the authors' histogram, |t| binned >= 2"
NULLS = "Dabney 2020, Extended Data Fig. 4"
BY_US = "ours; checks the simulation"
HALVES = "Dabney 2020, Fig. 5 (direction); nothing is published of different halves"


# Claims: Figs. 2 to 5, with published values of mouse neurons.


def check(name: str, key: str, accepted: Any, published: str = "-", source: str = BY_US) -> Row:
    """Return a row about the simulation itself."""
    return Row(name, key, published, source, accepted, kind="check")


def reported(name: str, key: str, published: str, source: str, note: str = "") -> Row:
    """Return a row without a verdict."""
    return Row(name, key, published, source, REPORTED, kind="reported", note=note)


CLAIMS = (
    check("Fig. 2: R of learned values with exact expectiles", "steady.pearson", at_least(0.99)),
    check("Fig. 2: rms error of learned values (hill utility)", "steady.rmse", at_most(0.06)),
    check("Fig. 2: rank correlation of tau and value", "steady.spearman", at_least(0.99)),
    check(
        "exact expectiles: largest deviation from the reference table",
        "solver_error",
        at_most(1e-3),
        "0",
        "computed reference",
    ),
    Row(
        "Fig. 2: sd of learned value over neurons",
        "steady.sd",
        "> 0",
        "Dabney 2020, Fig. 2a (direction)",
        at_least(0.24),
        kind="direction",
        foil=CLASSICAL,
    ),
    Row(
        "Fig. 2: reversal points of two halves, mean R (count)",
        "count.reversal_r",
        "0.62 (n = 40)",
        MICE_2,
        between(0.5, 0.78),
        kind="number",
        foil=OFFSET_1,
        note=NO_OFFSETS,
    ),
    *(
        reported(
            f"Fig. 2: the same, {foil} (count)",
            f"{IN_FOILS}{foil}.count.reversal_r",
            published,
            source,
        )
        for foil, published, source in (
            (CLASSICAL, "P = 0.32", NULLS),
            (SHARED, "-", "not published"),
            (OFFSET_2, "consistent", f"{NULLS} (direction)"),
        )
    ),
    reported(
        "Fig. 2: the same with the other estimator (interpolation)",
        "interpolation.reversal_r",
        "-",
        "not published",
    ),
    Row(
        "Fig. 2: neurons above and neurons below baseline at 5 ul, the smaller fraction",
        "signs.both_at_mean",
        "0.25 (n = 40)",
        COUNTED,
        between(0.142, 0.402),  # Wilson's 95 % interval of 10 of 40
        kind="number",
        foil=OFFSET_1,
        note=(
            "The paper finds no reward with both signs in neurons with a biased baseline, "
            "which were constructed in an unknown way; neurons with offsets of 1 Hz show "
            "some. "
        )
        + NO_OFFSETS,
    ),
    reported("Fig. 2: fraction of neurons above baseline at 5 ul", "signs.above", "0.28", COUNTED),
    reported("Fig. 2: fraction of neurons below baseline at 5 ul", "signs.below", "0.25", COUNTED),
    reported(
        "Fig. 2: fraction of classical populations with one sign only at every reward",
        f"{IN_FOILS}{CLASSICAL}.signs.one_sign",
        "1",
        "Dabney 2020, classical TD (direction)",
        note=(
            "Contradicts the paper's statement: where the mean response is 0, a t test at "
            "P < 0.05 finds neurons of either sign by chance."
        ),
    )._replace(statistic="fraction"),
    reported(
        "Fig. 2: the largest fraction of classical neurons that both signs reach at one reward",
        f"{IN_FOILS}{CLASSICAL}.signs.both",
        "0",
        "Dabney 2020, classical TD (direction)",
    ),
    Row(
        "Fig. 4: asymmetry and reversal point of two halves, mean R (count)",
        "count.asymmetry_r",
        "0.58 (n = 40)",
        MICE_4,
        between(0.45, 0.755),
        kind="number",
        foil=OFFSET_2,
        note="The published estimator tilts the slopes of neurons that differ by an offset, "
        "which come close; the row with interpolation tells them apart clearly.",
    ),
    Row(
        "Fig. 4: the same with an estimator that offsets do not fool (interpolation)",
        "interpolation.asymmetry_r",
        "> 0",
        "Dabney 2020, Fig. 4d (direction); the estimator is ours",
        at_least(0.45),
        kind="direction",
        foil=OFFSET_2,
    ),
    *(
        reported(
            f"Fig. 4: the same, {foil} (count)",
            f"{IN_FOILS}{foil}.count.asymmetry_r",
            published,
            source,
            note,
        )
        for foil, published, source, note in (
            (CLASSICAL, "P = 0.78", NULLS, ""),
            (SHARED, "0", f"{NULLS}l, m (direction)", ""),
            *(
                (
                    offset,
                    "negative",
                    f"{NULLS}h; its construction is not known",
                    "Contradicts the paper: positive here.",
                )
                for offset in (OFFSET_1, OFFSET_2)
            ),
        )
    ),
    check("Fig. 4: R of estimated with true tau (count)", "count.tau_r", at_least(0.8)),
    check(
        "Fig. 3: largest error of logit value = logit tau + logit p, tau 0.1 to 0.9",
        "cues.error",
        at_most(0.1),
        "0",
        "closed form",
    ),
    Row(
        "Fig. 3: fraction of neurons with |t| > 2.5 for the 50 % cue",
        "cues.coding",
        "0.60",
        AUTHORS_3,
        between(0.4, 0.79),
        kind="number",
        foil=CLASSICAL,
        note=(
            "Classical neurons in the authors' simulation have 0.02. The trial noise, 0.3 "
            "of the reward, is ours."
        ),
    ),
    Row(
        "Fig. 3: optimistic and pessimistic neurons at once, the smaller fraction",
        "cues.both",
        "0.32",
        MICE_3,
        between(0.186, 0.499),  # Wilson's 95 % interval of 10 of 31
        kind="number",
        foil=CLASSICAL,
    ),
    check("Fig. 3: R of t with tau", "cues.t_with_tau", at_least(0.8)),
    check(
        "Fig. 5: distance of decoded from true rewards, exact expectiles (ul)",
        "exact.distance",
        at_most(1.0),
    ),
    check(
        "Fig. 5: distance of decoded from true rewards, learned values and true tau (ul)",
        "learned.distance",
        at_most(1.4),
    ),
    Row(
        "Fig. 5: distance of decoded from true rewards (ul), Z and tau of the same trials",
        "decoding.distance",
        "1.66 (n = 40)",
        MICE_5,
        between(1.41, 1.9),
        kind="number",
        foil=CLASSICAL,
        note=SAME_TRIALS,
    ),
    Row(
        "Fig. 5: loss with tau shuffled over neurons / intact, Z and tau of the same trials",
        "decoding.loss_ratio",
        "6.7 (n = 40)",
        MICE_5,
        between(3, 15),
        kind="number",
        foil=CLASSICAL,
        note=SAME_TRIALS,
    ),
    Row(
        "Fig. 5: distance with tau shuffled over neurons / intact, Z and tau of the same trials",
        "decoding.distance_ratio",
        "2.1 (n = 40)",
        MICE_5,
        between(1.5, 2.9),
        kind="number",
        foil=CLASSICAL,
        note=SAME_TRIALS,
    ),
    Row(
        "Fig. 5: distance with tau shuffled / intact, Z and tau of different halves "
        "(interpolation)",
        "halves.distance_ratio",
        "> 1",
        HALVES,
        at_least(1.5),
        kind="direction",
        foil=OFFSET_2,
        note="With the published estimator neurons that differ by offsets of 2 Hz have 1.6, as "
        "much as distributional ones.",
    ),
    Row(
        "Fig. 5: loss with tau shuffled / intact, Z and tau of different halves (interpolation)",
        "halves.loss_ratio",
        "> 1",
        HALVES,
        at_least(3),
        kind="direction",
        foil=OFFSET_2,
        note="The bound was set for learned values without noise.",
    ),
    *(
        reported(
            f"Fig. 5: distance of decoded from true rewards (ul), Z and tau of different halves"
            f"{', ' if foil else ''}{foil}",
            f"{IN_FOILS if foil else ''}{foil}{'.' if foil else ''}halves.distance",
            "-",
            "not published",
        )
        for foil in ("", *FOILS)
    ),
    *control_rows(Subjects("", "", CLASSICAL, OFFSET_1, OFFSET_2, CLASSICAL)),
)


def with_neurons(folder: Path) -> Experiment:
    """Return the experiment with recorded neurons next to the simulated ones."""
    return with_recorded(EXPERIMENT, figure, folder)


EXPERIMENT = Experiment(
    name=NAME,
    title="Dopamine neurons: a distributional code, simulated",
    question=(
        "Do neurons that learn from positive and negative prediction errors at different rates "
        "have the reversal points, asymmetries and cue responses of mouse dopamine neurons, and "
        "can the rewards be decoded from them?"
    ),
    trainings={},
    seeds=range(1),
    algorithms=("simulation",),
    measure=measure,
    measure_seconds=75,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "Responses of one simulated population by reward, coloured from low (blue) to high "
        "(red) reversal points, which are the dots. Inset: reversal points from one half of "
        "the trials against those from the other.",
        "Neurons of one population by how far their response to the 50 % cue lies from the "
        "midpoint of those to 10 and 90 %. Inset: an optimistic, a neutral and a pessimistic "
        "neuron.",
        "Reversal point from one half of the trials against the asymmetry from the other. "
        "Light dots are neurons that differ by offsets only.",
        "Rewards decoded from reversal points and asymmetries, over the true ones (grey).",
        *CONTROLS_SHOWN,
    ),
    with_neurons=with_neurons,
    recorded_panels=(
        "Responses of the recorded neurons by reward, coloured by reversal points, which are "
        "the dots.",
        "Reversal points of the recorded neurons from one half of the trials against those "
        "from the other.",
        "Their reversal points from one half against their asymmetries from the other.",
        "Rewards decoded from them, over the true ones (grey).",
        "Asymmetry of each of them over folds of the trials, mean and standard error.",
        "Fraction of their held-out trials in which one common reversal point, or one of "
        "each neuron, predicts the sign of the response.",
    ),
)
