"""Do findings hold at other hyperparameters? Grids around PPO's, as ``python -m`` with this module.

Each of 24 settings per simulation is trained with one seed, for as many steps as the shipped
agents, and measured like them. The settings are a Latin hypercube: every value of a hyperparameter
occurs in equally many of them.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import qmc

from neurotasks.files import replacing
from neurotasks_baselines.errors import SweepError, UnknownExperimentError
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.base import Experiment
from neurotasks_baselines.experiments.claims import estimate
from neurotasks_baselines.experiments.robustness import (
    FACTORS,
    fractions,
    in_range,
    judged,
    learned_row,
)
from neurotasks_baselines.experiments.runner import recorded
from neurotasks_baselines.plotting import IDEAL, OURS, SMALL, save_figure, style
from neurotasks_baselines.sweeps.jobs import claimed, run
from neurotasks_baselines.sweeps.run import jobs_of, run_sweep
from neurotasks_baselines.sweeps.spec import Sweep

SIMULATIONS = (
    *("bandits", "foraging", "volatility", "inferred-value", "two-step", "harlow"),
    "risky-choice",
)
SEED = 200  # of every training; no other agent has it
SETTINGS = 24
TIMES = (0.5, 1.0, 2.0)  # learning rates, entropy coefficients and sizes are ours times these
NEARER = (1.5, 1.0, 0.5)  # the same of 1 - gamma
WRAPPED, LINE = 62, 0.145  # letters in a line of a claim's name, and its height in inches


def grid(name: str, total_steps: int | None = None) -> Sweep:
    """Return the sweep around the hyperparameters of an experiment's first agent.

    All agents of an experiment are trained with the same values of what varies; whatever does not
    vary is each one's own. Risky choice keeps its trunk, as its claims are about the RPE that the
    policy receives.

    Args:
        name: Name of the experiment.
        total_steps: Number of steps of each training; each agent's own by default.
    """
    experiment = EXPERIMENTS[name]
    ours = next(iter(experiment.trainings.values())).hyperparameters
    end = ours.learning_rate if ours.learning_rate_end is None else ours.learning_rate_end
    levels: list[list[dict[str, Any]]] = [
        [
            {"trunk": trunk}
            for trunk in (["rpe"] if ours.trunk == "rpe" else ["shared", "separate"])
        ],
        [{"cell": cell} for cell in ("lstm", "gru")],
        [{"units": round(ours.units * times)} for times in TIMES],
        [
            {"learning_rate": ours.learning_rate * times, "learning_rate_end": end * times}
            for times in TIMES
        ],
        [{"gamma": round(1 - (1 - ours.gamma) * times, 6)} for times in NEARER],
        [{"ent_coef": ours.ent_coef * times} for times in TIMES],
    ]
    cube = qmc.LatinHypercube(
        len(levels), optimization="random-cd", rng=np.random.default_rng(SEED)
    )
    settings = []
    for place in cube.random(SETTINGS):
        parts = [of[int(x * len(of))] for x, of in zip(place, levels, strict=True)]
        settings.append({name: value for part in parts for name, value in part.items()})
    return Sweep(
        (name,),
        (SEED,),
        values={} if total_steps is None else {"total_steps": [total_steps]},
        together=tuple(settings),
        objective=learned_row(experiment),
    )


def shown(experiment: Experiment, table: pd.DataFrame) -> pd.DataFrame:
    """Return of the table of a sweep what is shipped: settings, values, costs and problems."""
    kept = [*FACTORS, learned_row(experiment), *(row.name for row in judged(experiment))]
    for name in kept:
        if name not in table:  # each training met NaN
            table[name] = np.nan
    return table[["setting", "seed", *kept, "steps", "seconds", "problem"]]


def at_our_settings(experiment: Experiment) -> pd.DataFrame:
    """Return the values of PPO's agents, one row per reported seed, a column per claim."""
    seeds = recorded(experiment.name).measures["ppo"]
    return pd.DataFrame([claimed(experiment, measures) for measures in seeds.values()], [*seeds])


def draw(experiment: Experiment, table: pd.DataFrame, ours: pd.DataFrame) -> Figure:
    """Draw at how many settings each claim's value lies in its range, and at which ones.

    Args:
        experiment: Experiment.
        table: Values at each setting, see `shown`.
        ours: Values of each seed at our settings, see `at_our_settings`.
    """
    found, within = fractions(experiment, table), in_range(experiment, table)
    of_seeds = in_range(experiment, ours)
    names = [textwrap.fill(name, WRAPPED) for name in found.index]
    lines = sum(1.4 + name.count("\n") for name in names)
    with style():
        figure = Figure(figsize=(11, 1.3 + LINE * lines), dpi=150)
        left, right = figure.subplots(1, 2, width_ratios=[1, 2])
        heights = np.array([1.4 + name.count("\n") for name in names])
        edges = np.concatenate([[0.0], heights.cumsum()])
        middles = (edges[1:] + edges[:-1]) / 2
        for place, claim in zip(middles, found.index, strict=True):
            row = found.loc[claim]
            left.plot([row["low"], row["high"]], [place, place], color=OURS, lw=1.5)
            seeds = estimate(of_seeds[claim].to_numpy(np.float64), "fraction")
            left.plot(seeds[1:], [place + 0.4] * 2, color=IDEAL, lw=1)
            left.plot(seeds[0], place + 0.4, "D", ms=4, color=IDEAL)
        left.plot(found["fraction"], middles, "o", color=OURS, label="other settings")
        if found["learned"].max():
            of_learned = found["in_range_learned"] / found["learned"]
            label = f"those that learned ({int(found['learned'].max())})"
            left.plot(of_learned, middles - 0.4, "o", mfc="white", color=OURS, ms=4, label=label)
        left.plot([], [], "D", ms=4, color=IDEAL, label=f"our settings, {len(ours)} seeds")
        left.set(xlim=(-0.03, 1.03), ylim=(edges[-1], 0), xlabel="fraction with the value in range")
        left.set_yticks(middles, names, fontsize=SMALL)
        left.axvline(0.5, color="black", lw=0.5, ls=":")
        title = f"{experiment.title}, at {len(table)} other settings, one seed each"
        figure.suptitle(title, x=0.01, ha="left", fontsize="medium")
        figure.legend(
            *left.get_legend_handles_labels(), loc="outside lower left", ncols=3, fontsize=SMALL
        )
        _draw_levels(figure, right, table, within, edges)
    return figure


def _draw_levels(
    figure: Figure, axis: Any, table: pd.DataFrame, within: pd.DataFrame, edges: Any
) -> None:
    """Draw the fractions at each value of every hyperparameter as a heat map."""
    varied = [name for name in FACTORS if table[name].nunique() > 1]
    parts = [within.groupby(table[name]).mean().T for name in varied]
    columns = np.concatenate([[0], np.cumsum([part.shape[1] for part in parts])])
    values = np.concatenate([part.to_numpy() for part in parts], axis=1)
    image = axis.pcolormesh(
        np.arange(values.shape[1] + 1), edges, values, cmap="viridis", vmin=0, vmax=1
    )
    for (row, column), value in np.ndenumerate(values):
        middle = (edges[row] + edges[row + 1]) / 2
        colour = "white" if value < 0.6 else "black"
        text = f"{value:.0f}" if value in (0, 1) else f"{value:.2f}".removeprefix("0")
        axis.text(column + 0.5, middle, text, color=colour, size=6, ha="center", va="center")
    for (start, end), name in zip(pairwise(columns), varied, strict=True):
        axis.axvline(start, color="white", lw=4)
        axis.text((start + end) / 2, -0.3, FACTORS[name], ha="center", va="bottom", size=SMALL)
    labels = [
        f"{v:.3g}" if isinstance(v, float) else str(v) for part in parts for v in part.columns
    ]
    axis.set_xticks(np.arange(values.shape[1]) + 0.5, labels, fontsize=SMALL, rotation=45)
    axis.set(ylim=(edges[-1], 0), yticks=[])
    figure.colorbar(image, ax=axis, label="fraction of settings in range")


def run_grid(
    name: str, out: Path, total_steps: int | None = None, workers: int | None = None
) -> None:
    """Train and measure what is missing of a grid, and write its table and figure.

    Args:
        name: Name of the experiment.
        out: Directory; gets ``grids/NAME.csv``, the figure ``NAME.png``, and the sweep in ``NAME``.
        total_steps: Number of steps of each training; each agent's own by default.
        workers: Number of trainings at a time; as many as there are cores by default.
    """
    experiment = EXPERIMENTS[name]
    table = run_sweep(grid(name, total_steps), out / name, workers=workers)
    with replacing(out / "grids" / f"{name}.csv") as file:
        shown(experiment, table).to_csv(file, index=False, float_format="%.6g")
    figure = draw(experiment, shown(experiment, table), at_our_settings(experiment))
    save_figure(figure, out / f"{name}.png")


def run_setting(name: str, number: int, out: Path, total_steps: int | None = None) -> None:
    """Train and measure one setting; `run_grid` finds its result.

    Raises:
        SweepError: If the grid has no such setting.
    """
    if not 0 <= number < SETTINGS:
        raise SweepError(f"A setting must be in 0 to {SETTINGS - 1}; got {number}.")
    sweep = grid(name, total_steps)
    (job,) = jobs_of(sweep, out / name, (number, [*sweep.settings()][number]), ())
    run(job)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the grids that the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SIMULATIONS)}")
    parser.add_argument("--out", type=Path, default=Path("runs/robustness"), metavar="DIR")
    parser.add_argument("--setting", type=int, metavar="N", help="train this one only")
    parser.add_argument("--workers", type=int, metavar="N", help="trainings at a time")
    parser.add_argument("--steps", type=int, metavar="N", help="of each training, to try it out")
    chosen = parser.parse_args(arguments)
    try:
        for name in chosen.names or SIMULATIONS:
            if name not in SIMULATIONS:
                raise UnknownExperimentError(
                    f"NAME must be one of {', '.join(SIMULATIONS)}; got {name!r}."
                )
            if chosen.setting is None:
                run_grid(name, chosen.out, chosen.steps, chosen.workers)
            else:
                run_setting(name, chosen.setting, chosen.out, chosen.steps)
    except (SweepError, UnknownExperimentError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
