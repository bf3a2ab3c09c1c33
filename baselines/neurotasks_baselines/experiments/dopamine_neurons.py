"""Dabney et al. 2020, Figs. 2 to 5, on simulated dopamine neurons: no agent is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from neurotasks.observers.expectiles import expectiles
from neurotasks.tasks.variable_reward import EMPIRICAL_UTILITIES, hill_utility
from neurotasks_baselines.dopamine.decoding import decode, noisy_taus
from neurotasks_baselines.dopamine.estimators import Method
from neurotasks_baselines.dopamine.figures import (
    draw_asymmetry,
    draw_decoded,
    draw_probability_coding,
    draw_responses,
    draw_split_half,
    estimate,
)
from neurotasks_baselines.dopamine.neurons import (
    CUE_PROBABILITIES,
    MAGNITUDES,
    PROBABILITIES,
    classical,
    distributional,
)
from neurotasks_baselines.dopamine.populations import (
    POPULATIONS,
    RECORDED_NEURONS,
    decoded_populations,
    probability_neurons,
    simulated_populations,
    steady_state,
)
from neurotasks_baselines.dopamine.responses import simulate_responses, trial_counts
from neurotasks_baselines.experiments.base import Agents, Experiment, Measures
from neurotasks_baselines.experiments.claims import REPORTED, Row, at_least, at_most, between
from neurotasks_baselines.experiments.recorded_neurons import RecordedNeurons, with_recorded
from neurotasks_baselines.plotting import style

NAME = "dopamine-neurons"
SEED = 0
FULL = 300  # episodes of a full reproduction; with fewer there are fewer populations
METHODS: tuple[Method, Method] = ("count", "interpolation")
NULLS = ("classical", "shared prediction")
NOT_KEPT = [f"{side}_{k}" for side in ("above", "below") for k in (1, 2, 3, 4, 6, 7)]
OFFSETS = (1.0, 2.0)  # sd of the additive-offset null, Hz

TAUS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
EXACT = {
    "microlitres": (1.3886, 2.0047, 3.3353, 5.2078, 7.7671, 10.8488, 13.8029),
    "hill": (0.5403, 0.7021, 0.9357, 1.1972, 1.4555, 1.7298, 1.8976),
    "empirical": (-2.5943, -2.1489, -1.1817, 0.1669, 1.9139, 3.7698, 4.9068),
}
"""Expectiles of the rewards on each axis, found by bisection, to four decimals."""

MICE_2 = "40 mouse neurons; P in Lowet 2020, Fig. 4D, R follows from it"
MICE_4 = "40 mouse neurons; P in Lowet 2020, Fig. 4F, R follows from it"
MICE_5 = "40 mouse neurons; computed from the public pairs"
COUNTED = "40 mouse neurons; counted in the public files, t tests"
AUTHORS_3 = "the authors' simulation; counted in their histogram, |t| binned >= 3"
CONTROL = "Dabney 2020, classical TD (direction)"
OURS = "ours; checks the simulation"


# Claims: Figs. 2 to 5, with published values of mouse neurons.


def by_method(*rows: Row) -> list[Row]:
    """Return rows for each method of estimation, whose name replaces ``{method}``."""
    return [
        row._replace(
            name=row.name.replace("{method}", method), key=row.key.replace("{method}", method)
        )
        for method in METHODS
        for row in rows
    ]


CLAIMS = (
    Row(
        "Fig. 2: R of learned values with exact expectiles",
        "steady.pearson",
        "-",
        OURS,
        at_least(0.99),
        kind="check",
    ),
    Row(
        "Fig. 2: rms error of learned values (hill utility)",
        "steady.rmse",
        "-",
        OURS,
        at_most(0.06),
        kind="check",
    ),
    Row(
        "Fig. 2: rank correlation of tau and value",
        "steady.spearman",
        "-",
        OURS,
        at_least(0.99),
        kind="check",
    ),
    Row(
        "exact expectiles: largest deviation from the reference table",
        "solver_error",
        "0",
        "computed reference",
        at_most(1e-3),
        kind="reference",
    ),
    Row(
        "Fig. 2: sd of value over classical neurons",
        "steady.classical_sd",
        "0",
        CONTROL,
        at_most(0.06),
        kind="direction",
    ),
    Row(
        "Fig. 2: sd of value over distributional neurons",
        "steady.sd",
        "> 0",
        "Dabney 2020, Fig. 2a (direction)",
        at_least(0.24),
        kind="direction",
    ),
    *by_method(
        Row(
            "Fig. 2: reversal points of two halves, mean R ({method})",
            "neurons.distributional.{method}.reversal_r",
            "0.62",
            MICE_2,
            at_least(0.5),
            kind="number",
        ),
        Row(
            "Fig. 2: the same, log10 of geometric-mean P ({method})",
            "log10_reversal_p.{method}",
            "-4.7",
            MICE_2,
            at_most(-3),
            kind="number",
        ),
        Row(
            "Fig. 2: the same for classical neurons, mean R ({method})",
            "neurons.classical.{method}.reversal_r",
            "0",
            CONTROL,
            between(-0.2, 0.2),
            kind="direction",
        ),
        Row(
            "Fig. 2: fraction of classical populations with P < 0.05 ({method})",
            "classical_reversal.{method}",
            "P = 0.32",
            "Dabney 2020, Extended Data Fig. 4",
            at_most(0.1),
            statistic="fraction",
            kind="number",
        ),
    ),
    Row(
        "Fig. 2: fraction of populations with >= 10 % of neurons above and >= 10 % below baseline "
        "at 5 ul",
        "both_signs_at_5",
        "28 % and 25 %",
        COUNTED,
        at_least(0.8),
        statistic="fraction",
        kind="number",
    ),
    Row(
        "Fig. 2: fraction of neurons above baseline at 5 ul",
        "neurons.distributional.interpolation.above_5",
        "0.28",
        COUNTED,
        REPORTED,
        kind="reported",
    ),
    Row(
        "Fig. 2: fraction of neurons below baseline at 5 ul",
        "neurons.distributional.interpolation.below_5",
        "0.25",
        COUNTED,
        REPORTED,
        kind="reported",
    ),
    Row(
        "Fig. 2: fraction of classical populations with >= 10 % of neurons of both signs at any "
        "reward",
        "classical_both_signs",
        "0",
        f"{CONTROL}; t tests find some neurons of either sign by chance",
        at_most(0.0),
        statistic="fraction",
        kind="direction",
    ),
    *by_method(
        Row(
            "Fig. 4: asymmetry and reversal point of two halves, mean R ({method})",
            "neurons.distributional.{method}.asymmetry_r",
            "0.58",
            MICE_4,
            at_least(0.45),
            kind="number",
        ),
        Row(
            "Fig. 4: fraction of populations with R > 0 and P < 0.05 ({method})",
            "asymmetric.distributional.{method}",
            "P = 8.1e-5",
            MICE_4,
            at_least(0.9),
            statistic="fraction",
            kind="number",
        ),
        Row(
            "Fig. 4: the same, classical null ({method})",
            "asymmetric.classical.{method}",
            "P = 0.78",
            "Dabney 2020, Extended Data Fig. 4",
            at_most(0.1),
            statistic="fraction",
            kind="number",
        ),
        Row(
            "Fig. 4: the same, shared prediction null ({method})",
            "asymmetric.shared prediction.{method}",
            "0",
            "Dabney 2020, Extended Data Fig. 4l, m (direction)",
            at_most(0.1),
            statistic="fraction",
            kind="direction",
        ),
        Row(
            "Fig. 4: R of estimated with true tau ({method})",
            "neurons.distributional.{method}.tau_r",
            "-",
            OURS,
            at_least(0.8),
            kind="check",
        ),
    ),
    Row(
        "Fig. 4: mean R of the additive-offset null, sd 1 Hz (interpolation)",
        "neurons.offset 1.interpolation.asymmetry_r",
        "0",
        "ours",
        between(-0.2, 0.2),
        kind="check",
    ),
    Row(
        "Fig. 4: the same with the published estimator, sd 1 Hz (count)",
        "neurons.offset 1.count.asymmetry_r",
        "negative",
        "Dabney 2020, Extended Data Fig. 4h; its construction is not known",
        REPORTED,
        kind="reported",
    ),
    Row(
        "Fig. 4: mean R of the additive-offset null, sd 2 Hz (interpolation)",
        "neurons.offset 2.interpolation.asymmetry_r",
        "0",
        "ours",
        between(-0.2, 0.2),
        kind="check",
    ),
    Row(
        "Fig. 4: the same with the published estimator, sd 2 Hz (count)",
        "neurons.offset 2.count.asymmetry_r",
        "negative",
        "Dabney 2020, Extended Data Fig. 4h; its construction is not known",
        REPORTED,
        kind="reported",
    ),
    Row(
        "Fig. 3: largest error of logit value = logit tau + logit p, tau 0.1 to 0.9",
        "probability.error",
        "0",
        "closed form",
        at_most(0.1),
        kind="reference",
    ),
    Row(
        "Fig. 3: fraction of neurons with |t| > 2.5 for the 50 % cue",
        "probability_coding",
        "0.60",
        AUTHORS_3,
        at_least(0.4),
        kind="number",
    ),
    Row(
        "Fig. 3: fraction of optimistic neurons",
        "probability.optimistic",
        "0.32",
        "31 mouse neurons; counted in the authors' histogram, t binned >= 2",
        at_least(0.15),
        kind="number",
    ),
    Row(
        "Fig. 3: fraction of pessimistic neurons",
        "probability.pessimistic",
        "0.32",
        "31 mouse neurons; counted in the authors' histogram, t binned <= -2",
        at_least(0.15),
        kind="number",
    ),
    Row(
        "Fig. 3: fraction of classical neurons with |t| > 2.5",
        "probability.classical",
        "0.02",
        AUTHORS_3,
        at_most(0.05),
        kind="number",
    ),
    Row(
        "Fig. 3: R of t with tau", "probability.t_with_tau", "-", OURS, at_least(0.8), kind="check"
    ),
    Row(
        "Fig. 5: distance of decoded from true rewards, exact expectiles (ul)",
        "decoded.exact.distance",
        "-",
        OURS,
        at_most(1.0),
        kind="check",
    ),
    Row(
        "Fig. 5: distance of decoded from true rewards, learned values (ul)",
        "decoded.learned.distance",
        "1.66",
        MICE_5,
        at_most(1.4),
        kind="number",
    ),
    Row(
        "Fig. 5: distance of decoded from true rewards, tau with noise of 0.15 (ul)",
        "decoded.noisy.distance",
        "1.66",
        MICE_5,
        at_most(1.9),
        kind="number",
    ),
    Row(
        "Fig. 5: distance of decoded from true rewards, classical neurons (ul)",
        "decoded.classical.distance",
        "-",
        CONTROL,
        at_least(3.4),
        kind="direction",
    ),
    Row(
        "Fig. 5: distance with tau shuffled over neurons, over the intact one",
        "shuffled_over_intact.distance",
        "2.1",
        MICE_5,
        at_least(1.5),
        kind="number",
    ),
    Row(
        "Fig. 5: loss with tau shuffled over neurons, over the intact one",
        "shuffled_over_intact.loss",
        "6.7",
        MICE_5,
        at_least(3),
        kind="number",
    ),
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
    populations = max(2, min(POPULATIONS, POPULATIONS * num_episodes // FULL))
    models: dict[str, tuple[str, dict[str, Any]]] = {
        name: (name, {}) for name in ("distributional", *NULLS)
    }
    models |= {f"offset {sd:g}": ("additive offset", {"sd": sd}) for sd in OFFSETS}
    decoded = decoded_populations(SEED, populations=populations).groupby("control")
    return {
        "solver_error": solver_error(),
        "steady": columns(steady_state(SEED, populations)),
        "neurons": {
            name: {
                method: columns(
                    simulated_populations(
                        model, SEED, populations=populations, method=method, **kwargs
                    ).drop(columns=NOT_KEPT)
                )
                for method in METHODS
            }
            for name, (model, kwargs) in models.items()
        },
        "probability": columns(pd.DataFrame([probability_measures(i) for i in range(populations)])),
        "decoded": {str(control): columns(rows[["distance", "loss"]]) for control, rows in decoded},
        "drawn": drawn_population(),
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


def probability_measures(seed: int) -> dict[str, float]:
    """Return how a distributional and a classical population code the 50 % cue (Fig. 3)."""
    neurons, control = probability_populations(seed)
    return {
        "error": neurons.loc[neurons["tau"].between(0.1, 0.9), "error"].max(),
        "optimistic": (neurons["t"] > 2.5).mean(),
        "pessimistic": (neurons["t"] < -2.5).mean(),
        "classical": (control["t"].abs() > 2.5).mean(),
        "t_with_tau": neurons["t"].corr(neurons["tau"]),
    }


def probability_populations(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the neurons of a distributional and of a classical population."""
    return probability_neurons(seed), probability_neurons(seed, symmetric=True)


def drawn_population() -> Measures:
    """Return the data of the figure, from one population of each kind."""
    rng = np.random.default_rng(SEED)
    neurons = distributional(rng, (RECORDED_NEURONS,), EMPIRICAL_UTILITIES)
    counts = trial_counts(rng, RECORDED_NEURONS)
    responses = simulate_responses(rng, neurons, EMPIRICAL_UTILITIES, counts)
    found = estimate(responses, EMPIRICAL_UTILITIES, rng)
    decoded = {}
    for name, model in (("distributional", distributional), ("classical", classical)):
        in_microlitres = model(rng, (RECORDED_NEURONS,), alpha_max=0.5)
        taus = in_microlitres.tau
        taus = taus if name == "distributional" else noisy_taus(taus, 0.15, rng)
        decoded[name] = decode(in_microlitres.value, taus, rng).samples.round(2).tolist()
    t, control_t = (part["t"].round(2).tolist() for part in probability_populations(SEED))
    return {
        **{name: a.round(3).tolist() for name, a in found._asdict().items()},
        **{"decoded": decoded, "t": t, "control_t": control_t},
    }


def derive(m: Measures) -> Measures:
    """Return further values of each population that claims name; NaN where they are unknown."""
    neurons, decoded = m["neurons"], m["decoded"]
    ours, control = neurons["distributional"], neurons["classical"]
    fifth = [numbers(ours["interpolation"][f"{side}_5"]) for side in ("above", "below")]
    both = numbers(control["interpolation"]["both"])
    control_p = {method: numbers(control[method]["reversal_p"]) for method in METHODS}
    return {
        "log10_reversal_p": {
            method: np.log10(numbers(ours[method]["reversal_p"])) for method in METHODS
        },
        "classical_reversal": {method: whether(p < 0.05, p) for method, p in control_p.items()},
        "both_signs_at_5": whether(np.minimum(*fifth) >= 0.1, *fifth),
        "classical_both_signs": whether(both >= 0.1, both),
        "asymmetric": {
            model: {method: asymmetric(neurons[model][method]) for method in METHODS}
            for model in ("distributional", *NULLS)
        },
        "probability_coding": np.add(
            m["probability"]["optimistic"], m["probability"]["pessimistic"]
        ),
        "shuffled_over_intact": {
            key: numbers(decoded["shuffled"][key]) / numbers(decoded["learned"][key])
            for key in ("distance", "loss")
        },
    }


def asymmetric(population: Measures) -> NDArray[np.float64]:
    """Return whether asymmetry and reversal point correlate in each population."""
    r, p = (numbers(population[f"asymmetry_{letter}"]) for letter in "rp")
    return whether((r > 0) & (p < 0.05), r, p)


def numbers(values: ArrayLike) -> NDArray[np.float64]:
    """Return values as an array, NaN for None."""
    return np.asarray(values, np.float64)


def whether(held: ArrayLike, *known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 or 0 for each population, NaN where one of the known values is NaN."""
    return np.where(np.isfinite(known).all(axis=0), held, np.nan)


# Figure: the layout of Figs. 2 to 5.


def figure(measures: list[Measures], neurons: RecordedNeurons | None = None) -> Any:
    """Draw one population through Figs. 2 to 5, and recorded neurons in a second row."""
    m = measures[0]
    drawn = m["drawn"]
    with style():
        rows = 1 if neurons is None else 2
        fig = Figure(figsize=(13.6, 3.0 * rows), dpi=150)
        grid = fig.subplots(rows, 4, squeeze=False)
        axes = grid[0]
        points = np.interp(drawn["points"], EMPIRICAL_UTILITIES, MAGNITUDES)
        draw_responses(axes[0], MAGNITUDES, drawn["means"], points)
        halves = axes[0].inset_axes((0.13, 0.66, 0.32, 0.32))
        draw_split_half(halves, drawn["first"], drawn["second"])
        halves.set(xticks=[], yticks=[])
        axes[0].set_title("Fig. 2: rewards, two halves")

        cues = axes[1].inset_axes((0.72, 0.62, 0.27, 0.34))
        odds = np.log(CUE_PROBABILITIES / (1 - CUE_PROBABILITIES))
        examples = expit(odds + np.array([[2.0], [0.0], [-2.0]]))  # tau of 0.88, 0.5, 0.12
        draw_probability_coding(axes[1], drawn["t"], drawn["control_t"], cues, examples)
        axes[1].legend(fontsize=7, loc="upper left")
        axes[1].set_title("Fig. 3: the 50 % cue")

        draw_asymmetry(axes[2], drawn["second_taus"], drawn["first"])
        r = np.median(m["neurons"]["distributional"]["interpolation"]["asymmetry_r"])
        axes[2].set_title(f"Fig. 4: asymmetry, median R = {r:.2f}")

        draw_decoded(axes[3], drawn["decoded"], MAGNITUDES, PROBABILITIES)
        axes[3].set_title("Fig. 5: decoded rewards")
        for inset in (halves, cues):
            inset.tick_params(labelsize=6)
            inset.xaxis.label.set_fontsize(6)
            inset.yaxis.label.set_fontsize(6)
        if neurons is not None:
            draw_recorded(grid[1], neurons)
    return fig


def draw_recorded(axes: Any, neurons: RecordedNeurons) -> None:
    """Draw recorded neurons through Figs. 2, 4 and 5; there is no recording for Fig. 3."""
    trials, found = neurons.trials, neurons.measures
    points = trials.microlitres(neurons.cued.points)
    draw_responses(axes[0], trials.magnitudes, neurons.cued.means, points)
    axes[0].set_title(f"{neurons.number} recorded neurons")
    draw_split_half(axes[1], neurons.cued.first, neurons.cued.second)
    axes[1].set_title(f"Two halves, mean R = {found['reversal_r_interpolation']:.2f}")
    draw_asymmetry(axes[2], neurons.pooled.second_taus, neurons.pooled.first)
    axes[2].set_title(f"Asymmetry, mean R = {found['asymmetry_r_interpolation']:.2f}")
    samples = {"recorded": neurons.decoded.samples}
    draw_decoded(axes[3], samples, trials.magnitudes, trials.probabilities)
    axes[3].set_title(f"Decoded, {found['distance_interpolation']:.2f} ul from the true")


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
    measure=measure,
    claims=CLAIMS,
    figure=figure,
    derive=derive,
    with_neurons=with_neurons,
)
