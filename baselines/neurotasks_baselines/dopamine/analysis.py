"""The user's neurons measured and drawn as in the paper, next to simulated populations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurotasks.files import check_writable, write_whole
from neurotasks_baselines import pages
from neurotasks_baselines.dopamine.estimators import SPLITS, trial_sums
from neurotasks_baselines.dopamine.figures import (
    Estimates,
    draw_asymmetry,
    draw_decoded,
    draw_responses,
    draw_split_half,
    estimate,
)
from neurotasks_baselines.dopamine.measures import (
    METHODS,
    REPEATS,
    ROWS,
    by_animal,
    decoded,
    measure,
    measure_recorded,
)
from neurotasks_baselines.dopamine.neurons import NOISE
from neurotasks_baselines.dopamine.populations import MODELS
from neurotasks_baselines.dopamine.trials import Trials, recorded_trials, simulated_trials
from neurotasks_baselines.files import json_ready
from neurotasks_baselines.plotting import save_figure, style
from neurotasks_baselines.tables import markdown_table

SIMULATED = ("distributional", "classical")
POPULATIONS = 5
"""Simulated populations of each kind; their medians are shown next to the neurons (ours)."""


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
        repeats: Number of decodings of the recorded neurons of which means are taken.
        splits: Number of random halves.
        seed: Random seed.

    Returns:
        One row per measure: ``measure`` in words, ``recorded``, ``distributional``, ``classical``
        (medians over populations), ``published`` in words.

    Raises:
        RecordingError: If `recorded_trials` or `measure_recorded` refuses the recordings.
    """
    names, trials = recorded_trials(folder)
    check_writable(Path(out) / "index.html")  # refused before the work
    rng = np.random.default_rng(seed)
    columns = {"recorded": measure_recorded(names, trials, rng, repeats, splits)}
    drawn = {"recorded": trials}
    for model in SIMULATED:
        shape = (populations, len(names))
        neurons = MODELS[model](rng, shape, trials.utilities, trials.probabilities)
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
    estimates = estimate(trials.pooled, trials.utilities, rng, METHODS[0])
    animals = by_animal(names, trials, rng, splits)
    save_figure(draw(drawn, rng), out / "neurons.png")
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
        "animals": animals,
    }
    write_whole(out / "neurons.json", json.dumps(json_ready(content), indent=1) + "\n")
    write_page(out, rows, len(names), populations, animals)
    return rows


def neuron_table(names: list[str], trials: Trials, estimates: Estimates) -> list[dict[str, Any]]:
    """Return the estimates of every neuron, from all its trials.

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
            cued, all_ = (
                estimate(part, trials.utilities, rng, METHODS[0])
                for part in (trials.cued, trials.pooled)
            )
            draw_responses(axes[0], trials.magnitudes, cued.means, trials.microlitres(cued.points))
            axes[0].set_title(f"{name}, {len(cued.means)} neurons")
            draw_split_half(axes[1], cued.first, cued.second)
            draw_asymmetry(axes[2], all_.second_taus, all_.first)
            samples = {
                "decoded": decoded(trials, rng, halves=True).samples,
                "tau shuffled": decoded(trials, rng, shuffle=True, halves=True).samples,
            }
            draw_decoded(axes[3], samples, trials.magnitudes, trials.probabilities)
        for axis, title in zip(
            grid[0][1:],
            ("Fig. 2: one split", "Fig. 4: one split", "Fig. 5: one split"),
            strict=True,
        ):
            axis.set_title(title)
    return figure


def write_page(
    out: Path,
    rows: list[dict[str, Any]],
    neurons: int,
    populations: int,
    animals: list[dict[str, Any]],
) -> None:
    """Write ``index.html``, with the figure that lies next to it.

    Args:
        out: Directory with the figure, to write to.
        rows: Rows of `analyse_neurons`.
        neurons: Number of recorded neurons.
        populations: Number of simulated populations of each kind.
        animals: Rows of `by_animal`.
    """
    pages.write_page(
        out / "index.html",
        "neurons.html",
        {"short": short},
        rows=rows,
        columns=("recorded", *SIMULATED),
        neurons=neurons,
        populations=populations,
        noise=NOISE,
        animals=animals,
        figure=pages.embedded(out / "neurons.png"),
    )


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
