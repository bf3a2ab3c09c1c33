"""The user's neurons measured and drawn as in the paper, next to simulated populations.

Reversal points from independent halves (Fig. 2) rest on the cued trials, as published; sign tests,
asymmetries (Fig. 4) and decoding (Fig. 5) on cued and un-cued trials together.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from neurotasks_baselines.dopamine.decoding import Decoded, decode, distance
from neurotasks_baselines.dopamine.estimators import (
    SPLITS,
    Method,
    asymmetries,
    reversal_points,
    sign_tests,
    split_half,
    trial_sums,
)
from neurotasks_baselines.dopamine.figures import (
    Estimates,
    draw_asymmetry,
    draw_decoded,
    draw_responses,
    draw_split_half,
    estimate,
)
from neurotasks_baselines.dopamine.neurons import NOISE, Neurons, empirical_utility
from neurotasks_baselines.dopamine.populations import MODELS
from neurotasks_baselines.dopamine.recordings import (
    RecordingError,
    load_recordings,
    mean_utilities,
    pool_conditions,
    recorded_responses,
)
from neurotasks_baselines.dopamine.responses import from_table, simulate_responses
from neurotasks_baselines.files import json_ready
from neurotasks_baselines.plotting import style
from neurotasks_baselines.tables import markdown_table

Floats = NDArray[np.float64]
Measures = dict[str, float]

METHODS: tuple[Method, Method] = ("interpolation", "count")
SIMULATED = ("distributional", "classical")
POPULATIONS = 5
"""Simulated populations of each kind; their medians are shown next to the neurons (ours)."""

REPEATS = 5
"""Decodings of the recorded neurons that are pooled (published: 5 or 10)."""

FEWEST_NEURONS = 3  # a correlation over fewer has no P

ROWS: tuple[tuple[str, str, str], ...] = (
    ("noise", "sd of a trial over the dynamic range, each a mean over neurons", "0.39"),
    ("above", "neurons above baseline at the magnitude nearest the mean", "0.28 at 5 ul"),
    ("below", "neurons below baseline at that magnitude", "0.25 at 5 ul"),
    *(
        (f"{key}_{method}", f"{words} ({method})", published if method == "count" else "")
        for method in METHODS
        for key, words, published in (
            ("reversal_r", "reversal points of two halves, mean R", "0.62"),
            ("reversal_p", "reversal points of two halves, geometric-mean P", "1.8e-05"),
            ("asymmetry_r", "asymmetry and reversal point of two halves, mean R", "0.58"),
            ("asymmetry_p", "asymmetry and reversal point, geometric-mean P", "8.1e-05"),
            ("loss", "decoding, loss L", "0.183"),
            ("distance", "decoding, distance W1 from the true rewards (ul)", "1.66"),
            ("shuffled_loss", "decoding with tau shuffled over neurons, L", "1.22"),
            ("shuffled_distance", "decoding with tau shuffled over neurons, W1 (ul)", "3.5"),
        )
    ),
)
"""Key of a measure, what it is, and its value for the 40 published neurons: P from Lowet et al.
2020, Fig. 4D, F (R follows from it), the rest counted in the public files."""


@dataclass(frozen=True)
class Trials:
    """Single-trial responses of a population.

    Attributes:
        pooled: Responses to all rewards, Hz relative to baseline, (neurons, magnitudes, trials),
            padded with NaN.
        cued: Responses to cued rewards, likewise.
        magnitudes: Reward magnitudes in microlitres, ascending, (magnitudes,).
        utilities: Utilities of the magnitudes, ascending, (magnitudes,).
        probabilities: Probabilities of the magnitudes, (magnitudes,), summing to one.
    """

    pooled: Floats
    cued: Floats
    magnitudes: Floats
    utilities: Floats
    probabilities: Floats

    def microlitres(self, points: ArrayLike) -> Floats:
        """Return reversal points in microlitres, linear between the magnitudes as published."""
        return np.asarray(
            np.interp(np.asarray(points, np.float64), self.utilities, self.magnitudes)
        )


def recorded_trials(folder: str | Path) -> tuple[list[str], Trials]:
    """Read a folder of recordings.

    Utilities are the neurons' own mean responses, as published. Where those of few neurons do not
    ascend, the responses of the 40 published neurons take their place.

    Args:
        folder: Folder with one file per neuron, see `recordings`.

    Returns:
        Names of the neurons, and their trials.

    Raises:
        RecordingError: If a file is malformed (one of the subclasses), there are fewer than three
            neurons, or a neuron lacks trials of a magnitude, cued and un-cued together.
    """
    table = recorded_responses(load_recordings(folder))
    rewarded = table[table["condition"].isin(("cued", "uncued"))]
    names = sorted(rewarded["neuron"].unique())
    if len(names) < FEWEST_NEURONS:
        raise RecordingError(
            f"The number of neurons with rewarded trials must be at least {FEWEST_NEURONS}, to "
            f"correlate over neurons; got {len(names)} in {str(folder)!r}. Add recordings."
        )
    magnitudes = np.sort(rewarded["magnitude"].unique())
    pooled = pool_conditions(rewarded)
    counts = trial_sums(pooled).trials
    if not counts.all():
        neuron, magnitude = np.argwhere(counts == 0)[0]
        raise RecordingError(
            f"{names[neuron]}: all neurons must have trials of the same magnitudes; got no trial "
            f"of {magnitudes[magnitude]:g} ul, which others have. Leave this neuron out."
        )
    utilities = mean_utilities(pooled)
    if (np.diff(utilities) <= 0).any():
        utilities = empirical_utility(magnitudes)
    cued = rewarded[rewarded["condition"] == "cued"]
    # where cued trials of some neuron and magnitude are missing, halves of all trials serve too
    complete = cued.groupby(["neuron", "magnitude"]).ngroups == counts.size
    return names, Trials(
        pooled,
        from_table(cued) if complete else pooled,
        magnitudes,
        utilities,
        counts.sum(axis=0) / counts.sum(),
    )


def simulated_trials(rng: np.random.Generator, neurons: Neurons, like: Trials) -> Trials:
    """Return responses of simulated neurons to the same numbers of trials.

    Args:
        rng: Random number generator, for the noise of the trials.
        neurons: Population of as many neurons as were recorded.
        like: Recorded trials.

    Returns:
        The simulated trials.
    """
    pooled, cued = (
        simulate_responses(rng, neurons, like.utilities, trial_sums(a).trials.astype(int))
        for a in (like.pooled, like.cued)
    )
    return Trials(pooled, cued, like.magnitudes, like.utilities, like.probabilities)


def measure(trials: Trials, rng: np.random.Generator, repeats: int, splits: int) -> Measures:
    """Measure a population.

    Args:
        trials: Trials of its neurons.
        rng: Random number generator, for halves and decodings.
        repeats: Number of decodings that are pooled.
        splits: Number of random halves.

    Returns:
        The measures, by their keys in `ROWS`.
    """
    means = np.nanmean(trials.pooled, axis=-1)
    spread = np.sqrt(np.nanmean((trials.pooled - means[..., None]) ** 2, axis=(1, 2)))
    mean = trials.magnitudes @ trials.probabilities
    nearest = np.abs(trials.magnitudes - mean).argmin()
    above, below = (side[:, nearest].mean() for side in sign_tests(trials.pooled))
    result = {
        "noise": float(spread.mean() / (means[:, -1] - means[:, 0]).mean()),
        "above": float(above),
        "below": float(below),
    }
    for method in METHODS:
        reversal = split_half(trials.cued, trials.utilities, rng, splits, method).reversal
        asymmetry = split_half(trials.pooled, trials.utilities, rng, splits, method).asymmetry
        intact, shuffled = (
            decoded(trials, rng, repeats, method, shuffle) for shuffle in (False, True)
        )
        found = {
            "reversal_r": reversal.mean_r,
            "reversal_p": reversal.geometric_p,
            "asymmetry_r": asymmetry.mean_r,
            "asymmetry_p": asymmetry.geometric_p,
            "loss": intact.loss,
            "distance": distance(intact.samples, trials.magnitudes, trials.probabilities),
            "shuffled_loss": shuffled.loss,
            "shuffled_distance": distance(
                shuffled.samples, trials.magnitudes, trials.probabilities
            ),
        }
        result |= {f"{key}_{method}": value for key, value in found.items()}
    return result


def decoded(
    trials: Trials,
    rng: np.random.Generator,
    repeats: int = 1,
    method: Method = "interpolation",
    shuffle: bool = False,
) -> Decoded:
    """Decode the rewards from a population's reversal points and asymmetries.

    As published, both are estimated on the axis of utilities, and the reversal points then taken
    to microlitres. Neurons without an asymmetry are left out.

    Args:
        trials: Trials of its neurons.
        rng: Random number generator, for starts and shuffles.
        repeats: Number of decodings that are pooled.
        method: Estimator of the reversal points, see `reversal_points`.
        shuffle: Whether to shuffle the asymmetries over neurons, as a control.

    Returns:
        The decoded distribution, in microlitres.
    """
    sums = trial_sums(trials.pooled)
    points = reversal_points(sums, trials.utilities, rng, method)
    taus = asymmetries(sums, trials.utilities, points)
    known = np.isfinite(points) & np.isfinite(taus)
    taus = rng.permutation(taus[known]) if shuffle else taus[known]
    bounds = 0.0, float(trials.magnitudes[-1])
    return decode(trials.microlitres(points[known]), taus, rng, bounds=bounds, repeats=repeats)


def analyse_neurons(
    folder: str | Path,
    out: str | Path,
    *,
    populations: int = POPULATIONS,
    repeats: int = REPEATS,
    splits: int = SPLITS,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Measure recorded neurons as in the paper, next to simulated ones with the same trials.

    Writes ``neurons.json`` (measures, and an estimate for each neuron), ``neurons.png`` and
    ``index.html`` with both.

    Args:
        folder: Folder with one file per neuron, see `recordings`.
        out: Directory to write to.
        populations: Number of simulated populations of each kind.
        repeats: Number of decodings of the recorded neurons that are pooled.
        splits: Number of random halves.
        seed: Random seed.

    Returns:
        One row per measure: ``measure`` in words, ``recorded``, ``distributional``, ``classical``
        (medians over populations), ``published`` in words.

    Raises:
        RecordingError: If `recorded_trials` refuses the recordings.
    """
    names, trials = recorded_trials(folder)
    rng = np.random.default_rng(seed)
    columns = {"recorded": measure(trials, rng, repeats, splits)}
    drawn = {"recorded": trials}
    for model in SIMULATED:
        shape = (populations, len(names))
        neurons = MODELS[model](rng, shape, trials.utilities, trials.probabilities)
        neurons = replace(neurons, floor=0.0)  # a floor would draw the estimated tau to one half
        simulated = [
            simulated_trials(rng, neurons.population(i), trials) for i in range(populations)
        ]
        measured = [measure(one, rng, 1, splits) for one in simulated]
        columns[model] = {k: float(np.median([m[k] for m in measured])) for k in measured[0]}
        drawn[model] = simulated[0]
    rows = [
        {
            "measure": words,
            **{name: column[key] for name, column in columns.items()},
            "published": published,
        }
        for key, words, published in ROWS
    ]
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    estimates = estimate(trials.pooled, trials.utilities, rng)
    draw(drawn, rng).savefig(out / "neurons.png")
    content = {
        "measures": {
            name: {key: known_or_none(value) for key, value in column.items()}
            for name, column in columns.items()
        },
        "magnitudes": trials.magnitudes,
        "utilities": trials.utilities,
        "probabilities": trials.probabilities,
        "noise": NOISE,
        "neurons": neuron_table(names, trials, estimates),
    }
    (out / "neurons.json").write_text(json.dumps(json_ready(content), indent=1) + "\n")
    write_page(out, rows, len(names), populations)
    return rows


def neuron_table(names: list[str], trials: Trials, estimates: Estimates) -> list[dict[str, Any]]:
    """Return the estimates of every neuron, from all its trials, by interpolation.

    Args:
        names: Names of the neurons.
        trials: Trials of the neurons.
        estimates: Estimates from these trials.

    Returns:
        One row per neuron: ``neuron``, ``trials``, ``reversal_point`` (a utility),
        ``reversal_point_ul`` and ``tau`` (None where it is not defined).
    """
    counts = trial_sums(trials.pooled).trials.sum(axis=-1).astype(int)
    columns = zip(
        names,
        counts.tolist(),
        *(
            [known_or_none(value) for value in values]
            for values in (estimates.points, trials.microlitres(estimates.points), estimates.taus)
        ),
        strict=True,
    )
    keys = "neuron", "trials", "reversal_point", "reversal_point_ul", "tau"
    return [dict(zip(keys, row, strict=True)) for row in columns]


def known_or_none(value: float) -> float | None:
    """Return a number that JSON can hold, or None."""
    return float(value) if np.isfinite(value) else None


def draw(populations: dict[str, Trials], rng: np.random.Generator) -> Figure:
    """Draw Figs. 2, 4 and 5, one row per population.

    Args:
        populations: Trials of the populations, by name.
        rng: Random number generator, for one split of the trials and for decodings.

    Returns:
        The figure.
    """
    with style():
        figure = Figure(figsize=(12.8, 2.8 * len(populations)), dpi=150)
        grid = figure.subplots(len(populations), 4, sharex="col", sharey="col", squeeze=False)
        for axes, (name, trials) in zip(grid, populations.items(), strict=True):
            cued = estimate(trials.cued, trials.utilities, rng)
            all_ = estimate(trials.pooled, trials.utilities, rng)
            draw_responses(axes[0], trials.magnitudes, cued.means, trials.microlitres(cued.points))
            axes[0].set_title(f"{name}, {len(cued.means)} neurons")
            draw_split_half(axes[1], cued.first, cued.second)
            draw_asymmetry(axes[2], all_.second_taus, all_.first)
            samples = {
                "decoded": decoded(trials, rng).samples,
                "tau shuffled": decoded(trials, rng, shuffle=True).samples,
            }
            draw_decoded(axes[3], samples, trials.magnitudes, trials.probabilities)
        for axis, title in zip(
            grid[0][1:], ("Fig. 2: one split", "Fig. 4: one split", "Fig. 5"), strict=True
        ):
            axis.set_title(title)
    return figure


def write_page(out: Path, rows: list[dict[str, Any]], neurons: int, populations: int) -> None:
    """Write ``index.html``, with the figure that lies next to it.

    Args:
        out: Directory with the figure, to write to.
        rows: Rows of `analyse_neurons`.
        neurons: Number of recorded neurons.
        populations: Number of simulated populations of each kind.
    """
    environment = Environment(
        loader=PackageLoader("neurotasks_baselines"),
        autoescape=select_autoescape(),
        trim_blocks=True,
    )
    environment.filters["short"] = short
    page = environment.get_template("neurons.html").render(
        rows=rows,
        columns=("recorded", *SIMULATED),
        neurons=neurons,
        populations=populations,
        noise=NOISE,
        figure=base64.b64encode((out / "neurons.png").read_bytes()).decode(),
    )
    (out / "index.html").write_text(page)


def short(value: float) -> str:
    """Write a measure with three significant digits."""
    return f"{value:.3g}"


def text_table(rows: list[dict[str, Any]]) -> str:
    """Return the measures as a Markdown table.

    Args:
        rows: Rows of `analyse_neurons`.

    Returns:
        The table, one line per row.
    """
    columns = "recorded", *SIMULATED
    body = [(r["measure"], *(short(r[c]) for c in columns), r["published"]) for r in rows]
    return markdown_table(("", *columns, "published"), body, aligned=True)
