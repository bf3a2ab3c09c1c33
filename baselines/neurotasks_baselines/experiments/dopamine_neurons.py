"""Dabney et al. 2020, Figs. 2 to 5, on simulated dopamine neurons: no agent is trained.

Populations with the trials and the noise of the recorded neurons go through the estimators that
recordings go through, and so do their foils: neurons that predict the mean alone, with diverse
gains (classical TD), diverse asymmetries of the response, or diverse offsets.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from neurotasks.observers.expectiles import expectiles
from neurotasks.tasks.variable_reward import EMPIRICAL_UTILITIES, hill_utility
from neurotasks_baselines.dopamine.decoding import decode, distance
from neurotasks_baselines.dopamine.figures import (
    draw_asymmetry,
    draw_decoded,
    draw_diversity,
    draw_probability_coding,
    draw_responses,
    draw_split_half,
    estimate,
)
from neurotasks_baselines.dopamine.measures import METHODS, decoded, fold_asymmetries
from neurotasks_baselines.dopamine.neurons import (
    CUE_PROBABILITIES,
    MAGNITUDES,
    PROBABILITIES,
    distributional,
)
from neurotasks_baselines.dopamine.populations import (
    POPULATIONS,
    RECORDED_NEURONS,
    population_measures,
    probability_neurons,
    simulated_populations,
    steady_state,
)
from neurotasks_baselines.dopamine.statistics import CLASSES
from neurotasks_baselines.experiments.base import EPISODES, Agents, Experiment, Foils, Measures
from neurotasks_baselines.experiments.claims import REPORTED, Row, at_least, at_most, between
from neurotasks_baselines.experiments.dopamine_controls import (
    NO_OFFSETS,
    PANELS,
    Subjects,
    control_rows,
    draw_controls,
)
from neurotasks_baselines.experiments.recorded_neurons import (
    MICE_2,
    MICE_4,
    RecordedNeurons,
    with_recorded,
)
from neurotasks_baselines.plotting import IDEAL, OURS, SMALL, letter_panels, new_figure, style

NAME = "dopamine-neurons"
SEED = 0
PER_DECODED = 4  # populations of a foil for each one that is decoded, which takes longest

CLASSICAL, SHARED = "classical neurons", "neurons that share one prediction"
OFFSET_1, OFFSET_2 = (f"neurons that differ by offsets of {sd} Hz" for sd in (1, 2))
FOILS: dict[str, tuple[str, dict[str, Any]]] = {
    CLASSICAL: ("classical", {}),
    SHARED: ("shared prediction", {}),
    OFFSET_1: ("additive offset", {"sd": 1.0}),
    OFFSET_2: ("additive offset", {"sd": 2.0}),
}
"""Models of the foils, whose neurons predict the mean alone, and their parameters."""

TAUS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
EXACT = {
    "microlitres": (1.3886, 2.0047, 3.3353, 5.2078, 7.7671, 10.8488, 13.8029),
    "hill": (0.5403, 0.7021, 0.9357, 1.1972, 1.4555, 1.7298, 1.8976),
    "empirical": (-2.5943, -2.1489, -1.1817, 0.1669, 1.9139, 3.7698, 4.9068),
}
"""Expectiles of the rewards on each axis, found by bisection, to four decimals."""

IN_FOILS = "foils."  # begins the keys of their measures
MICE_5 = "40 mouse neurons; computed from the public pairs, same trials"
COUNTED = "40 mouse neurons; counted in the public files, t tests"
AUTHORS_3 = "the authors' simulation; counted in their histogram, |t| binned >= 3"
MICE_3 = "10 and 10 of 31 mouse neurons; counted in the authors' histogram, |t| binned >= 2"
NULLS = "Dabney 2020, Extended Data Fig. 4"
BY_US = "ours; checks the simulation"
HALVES = "Dabney 2020, Fig. 5 (direction); nothing is published of different halves"
SAME_TRIALS = (
    "Z and tau of the same trials, as published, share their noise, which correlates them in "
    "classical neurons too; see the rows with different halves."
)


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
        note="The paper finds no reward with both signs in neurons with a biased baseline, of "
        "unknown construction; offsets of 1 Hz have them. " + NO_OFFSETS,
    ),
    reported("Fig. 2: fraction of neurons above baseline at 5 ul", "signs.above", "0.28", COUNTED),
    reported("Fig. 2: fraction of neurons below baseline at 5 ul", "signs.below", "0.25", COUNTED),
    reported(
        "Fig. 2: fraction of classical populations with one sign only at every reward",
        f"{IN_FOILS}{CLASSICAL}.signs.one_sign",
        "1",
        "Dabney 2020, classical TD (direction)",
        note="Contradicts the paper as it is said: a t test at P < 0.05 finds neurons of either "
        "sign by chance where the mean response is 0.",
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
        note="Of classical neurons in the authors' simulation 0.02. The noise of a trial, 0.3 of "
        "the reward, is ours.",
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


# Measure: populations of neurons instead of agents.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Simulate populations and put them through the estimators.

    Args:
        agents: Trained agents; not used.
        num_episodes: Number of episodes: 300 or more for 40 populations, fewer in proportion.
        seed: Seed of the episodes of agents, of which there are none.

    Returns:
        For each measure a list with one value per population.
    """
    populations = max(2, min(POPULATIONS, POPULATIONS * num_episodes // EPISODES))
    steady = columns(steady_state(SEED, populations))
    foils = {
        name: simulated(model, populations, **kwargs) for name, (model, kwargs) in FOILS.items()
    }
    foils[CLASSICAL] |= {
        "steady": {"sd": steady.pop("classical_sd")},
        "cues": cues(populations, symmetric=True),
    }
    return {
        "solver_error": solver_error(),
        "steady": steady,
        **simulated("distributional", populations),
        "cues": cues(populations),
        **true_values(max(2, populations // PER_DECODED)),
        "foils": foils,
        "drawn": drawn_populations(),
    }


def solver_error() -> float:
    """Return the largest deviation of the exact expectiles from those found by bisection."""
    axes = dict(
        zip(EXACT, (MAGNITUDES, hill_utility(MAGNITUDES), EMPIRICAL_UTILITIES), strict=True)
    )
    return max(
        float(np.abs(expectiles(axes[name], PROBABILITIES, TAUS) - table).max())
        for name, table in EXACT.items()
    )


def columns(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return the columns without missing values, to four significant digits."""
    return {
        str(name): [float(f"{value:.4g}") for value in column]
        for name, column in table.dropna(axis=1).items()
    }


def simulated(model: str, populations: int, **kwargs: Any) -> Measures:
    """Measure simulated populations as recordings are measured.

    Args:
        model: Name of the model.
        populations: Number of populations.
        **kwargs: Parameters of the model.

    Returns:
        Those of `population_measures`, one value per population in each.
    """
    rows: dict[str, list[Measures]] = defaultdict(list)
    found = simulated_populations(model, SEED, populations=populations, **kwargs)
    for index, (neurons, trials) in enumerate(found):
        rng = np.random.default_rng([SEED, index, 1])
        measured = population_measures(
            neurons,
            trials,
            rng,
            with_decoding=index % (1 if model == "distributional" else PER_DECODED) == 0,
            with_degradation=model != "shared prediction",
        )
        for name, row in measured.items():
            rows[name].append(row)
    return {name: columns(pd.DataFrame(part)) for name, part in rows.items()}


def cues(populations: int, *, symmetric: bool = False) -> Measures:
    """Return how populations code the 50 % cue (Fig. 3), classical ones if symmetric."""
    rows, classes = [], []
    for seed in range(populations):
        neurons = probability_neurons(seed, symmetric=symmetric)
        t = neurons["t"]
        classes.append({name: (neurons["class"] == name).mean() for name in CLASSES})
        optimistic, pessimistic = (t > 2.5).mean(), (t < -2.5).mean()
        rows.append(
            {
                "error": neurons.loc[neurons["tau"].between(0.1, 0.9), "error"].max(),
                "coding": optimistic + pessimistic,
                "both": min(optimistic, pessimistic),
                "both_classes": min(classes[-1][name] for name in CLASSES[:2]),
                "t_with_tau": np.nan if symmetric else t.corr(neurons["tau"]),
            }
        )
    return {**columns(pd.DataFrame(rows)), "classes": columns(pd.DataFrame(classes))}


def true_values(populations: int) -> Measures:
    """Decode true values with true asymmetries: exact expectiles, and what neurons learned."""
    rng = np.random.default_rng(SEED)
    learned = distributional(rng, (populations, RECORDED_NEURONS), alpha_max=0.5)
    far: dict[str, list[float]] = {"exact": [], "learned": []}
    for value, tau in zip(learned.value, learned.tau, strict=True):
        exact = expectiles(MAGNITUDES, PROBABILITIES, tau)
        for name, values in (("exact", exact), ("learned", value)):
            far[name].append(distance(decode(values, tau, rng).samples))
    return {name: {"distance": values} for name, values in far.items()}


def drawn_populations() -> Measures:
    """Return the data of the figure, from one population of each kind."""
    rng = np.random.default_rng(SEED)
    drawn: Measures = {}
    samples = {}
    for name, (model, kwargs) in (("distributional", ("distributional", {})), *FOILS.items()):
        _, trials = next(simulated_populations(model, SEED, populations=1, **kwargs))
        cued, pooled = (
            estimate(part, EMPIRICAL_UTILITIES, rng, METHODS[0])
            for part in (trials.cued, trials.pooled)
        )
        samples[name] = decoded(trials, rng, 1, METHODS[1], halves=True).samples.round(2).tolist()
        drawn[name] = {
            "means": pooled.means.round(3).tolist(),
            "points": trials.microlitres(pooled.points).round(3).tolist(),
            "halves": np.round([cued.first, cued.second], 3).tolist(),
            "asymmetry": np.round([pooled.second_taus, pooled.first], 3).tolist(),
        }
    _, trials = next(simulated_populations("distributional", SEED, populations=1))
    folds = fold_asymmetries(trials, rng)
    t, control = (probability_neurons(SEED, symmetric=x)["t"].round(2) for x in (False, True))
    return drawn | {
        "decoded": {name: samples[name] for name in ("distributional", CLASSICAL)},
        "t": [t.tolist(), control.tolist()],
        "folds": {name: values.round(4).tolist() for name, values in folds.items()},
    }


# Figure: the layout of Figs. 2 to 5, then the controls.


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
        draw_asymmetry(axes[2], *ours["asymmetry"])
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
    with_neurons=with_neurons,
)
