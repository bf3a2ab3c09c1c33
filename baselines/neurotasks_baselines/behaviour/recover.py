"""Would a fit find the parameters, and the model, that choices were made with?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from neurotasks.errors import ParameterError, nearest
from neurotasks.files import check_writable, replacing
from neurotasks.models import (
    Model,
    Prior,
    World,
    bandit,
    draw_people,
    drifting_world,
    recover_models,
    recover_parameters,
    two_step,
    weak_prior,
)
from neurotasks_baselines.behaviour.fits import run_jobs
from neurotasks_baselines.plotting import (
    IDEAL,
    OURS,
    SMALL,
    letter_panels,
    new_figure,
    save_figure,
    style,
)
from neurotasks_baselines.processes import available_cores
from neurotasks_baselines.training.progress import track

FAMILIES: dict[str, Sequence[Model]] = {"two-step": two_step.MODELS, "bandit": bandit.MODELS}
POPULATIONS: dict[str, dict[str, Prior]] = {
    # fit_group(HYBRID, trials, starts=3, rounds=20, tolerance=0.03), converged in 7 rounds, of the
    # 649 people of Gillan et al. 2016, study 1, read with the recipe gillan2016_daw
    "gillan2016": {
        "two-step/hybrid": Prior(
            mean=np.array([-0.566, -0.101, 0.231, 1.146, 1.71, 0.966, 0.209]),
            sd=np.array([1.028, 1.91, 1.654, 1.41, 0.507, 0.566, 0.154]),
        )
    }
}
"""Distributions fitted to people, independent normal ones of the unbounded numbers, by model."""
PEOPLE_PER_JOB = 5
STARTS = 5
COLUMNS = 4  # of panels


@dataclass(frozen=True)
class Job:
    """Some of the people that are simulated.

    Attributes:
        number: Number of the job, from 0.
        people: Number of people.
        trials: Trials of each.
        seed: Seed of all jobs.
    """

    number: int
    people: int
    trials: int
    seed: int

    def worlds(self, model: Model, rng: np.random.Generator) -> list[World]:
        """Return a world for each of them."""
        states = 2 if model.second_options else 1
        options = model.second_options or model.options
        return [drifting_world(self.trials, rng, states, options) for _ in range(self.people)]

    @property
    def rng(self) -> np.random.Generator:
        """Random numbers of this job."""
        return np.random.default_rng([self.seed, self.number])


def jobs_of(people: int, trials: int, seed: int) -> list[Job]:
    """Return jobs of few people each, who are the same however many processes there are."""
    numbers = [PEOPLE_PER_JOB] * (people // PEOPLE_PER_JOB) + [people % PEOPLE_PER_JOB]
    return [Job(i, number, trials, seed) for i, number in enumerate(numbers) if number]


def known_models() -> dict[str, Model]:
    """Return the models of `FAMILIES` by family and name, as ``two-step/hybrid``."""
    return {
        f"{family}/{model.name.lower().replace(' ', '-')}": model
        for family, models in FAMILIES.items()
        for model in models
    }


def recover(
    name: str,
    out: Path,
    *,
    people: int = 100,
    trials: int = 200,
    seed: int = 0,
    population: str | None = None,
    workers: int | None = None,
) -> pd.DataFrame:
    """Simulate people, fit models to their choices, and write what is found as table and figure.

    The parameters are drawn from each model's weak prior, or a population's distribution; rewards
    drift as in Daw et al. 2011. Parameters are fitted as maxima a posteriori under what they were
    drawn from, and for the comparison of models by maximum likelihood.

    Args:
        name: A model, such as ``two-step/hybrid``, whose parameters are recovered; or a family,
            ``two-step`` or ``bandit``, whose models are told apart.
        out: Directory, made if it does not exist: ``table.csv`` and ``figure.png`` are written.
        people: Number of people; of a family for each model.
        trials: Trials of each.
        seed: Random seed.
        population: Whom the people are like, one of `POPULATIONS`; None: the weak prior.
        workers: Number of processes; as many as there are cores by default.

    Returns:
        True and found value of each parameter, one row per person and parameter; or the share of
        the people of each model (rows) that each model describes best (columns).

    Raises:
        ParameterError: If there is no such model, or the population is not known for it.
        OSError: If the directory cannot be written to.
    """
    for file in ("table.csv", "figure.png"):
        check_writable(out / file)
    prior = _prior(name, population)
    jobs = jobs_of(people, trials, seed)
    workers = workers or available_cores()
    if name in FAMILIES:
        done = _run(partial(_confusion, name), jobs, workers)
        weights = [job.people for job, _ in done]
        shares = np.average([found.to_numpy() for _, found in done], axis=0, weights=weights)
        first = done[0][1]
        table = pd.DataFrame(shares, first.index, first.columns)
        figure = draw_confusion(table, people)
    else:
        known = known_models()
        if name not in known:
            raise ParameterError(
                f"What is recovered must be a model or a family of models; got {name!r}. "
                f"{nearest(name, [*FAMILIES, *known])}"
            )
        done = _run(partial(_parameters, name, prior), jobs, workers)
        table = pd.concat([found for _, found in done])
        figure = draw_parameters(table)
    with replacing(out / "table.csv") as new:
        table.to_csv(new, index=name in FAMILIES, float_format="%.6g")
    save_figure(figure, out / "figure.png")
    return table


def _run(function: Any, jobs: Sequence[Job], workers: int) -> list[tuple[Job, pd.DataFrame]]:
    found = list(track(run_jobs(function, jobs, workers), "simulating and fitting", len(jobs)))
    return sorted(found, key=lambda pair: pair[0].number)


def _prior(name: str, population: str | None) -> Prior | None:
    """Return the distribution of a population, None for the weak prior."""
    if population is None:
        return None
    known = {each: [*models] for each, models in POPULATIONS.items()}
    if name not in known.get(population, []):
        raise ParameterError(
            f"A population must be one whose parameters of {name} are known; got {population!r}. "
            f"Known are {known}."
        )
    return POPULATIONS[population][name]


def _parameters(name: str, prior: Prior | None, job: Job) -> pd.DataFrame:
    model, rng = known_models()[name], job.rng
    prior = prior or weak_prior(model)
    true = draw_people(model, job.people, rng, prior)
    found = recover_parameters(model, true, job.worlds(model, rng), rng, prior, starts=STARTS)
    tables = [found.true, found.fit.parameters, found.fit.standard_errors]
    long = [table.melt(var_name="parameter", value_name="value") for table in tables]
    values = {key: each["value"] for key, each in zip(("true", "found", "se"), long, strict=True)}
    person = job.number * PEOPLE_PER_JOB + np.tile(np.arange(job.people), len(model.names))
    return pd.DataFrame({"person": person, "parameter": long[0]["parameter"], **values})


def _confusion(family: str, job: Job) -> pd.DataFrame:
    models, rng = FAMILIES[family], job.rng
    true = {model.name: draw_people(model, job.people, rng) for model in models}
    return recover_models(models, true, job.worlds(models[0], rng), rng, starts=STARTS)


def correlations(table: pd.DataFrame) -> pd.Series[float]:
    """Return Pearson's correlation of true and found values, by parameter."""
    groups = table.groupby("parameter", sort=False)[["true", "found"]]
    return groups.apply(lambda values: values["true"].corr(values["found"])).rename("r")


def expected_correlations(table: pd.DataFrame) -> pd.Series[float]:
    """Return the correlations that the standard errors allow, by parameter.

    Of people with the variance v, an estimate that leaves the mean squared standard error s of a
    posterior unknown has the correlation sqrt(1 - s / v) with the truth. Who has no standard error
    is left out.

    Args:
        table: Table of `recover` for a model.
    """
    groups = table.assign(square=table["se"] ** 2).groupby("parameter", sort=False)
    left = 1 - groups["square"].mean() / groups["true"].var()
    return np.sqrt(left.clip(lower=0)).rename("expected r")


def draw_parameters(table: pd.DataFrame) -> Figure:
    """Draw found against true values, a panel per parameter.

    Args:
        table: Table of `recover` for a model.
    """
    r = correlations(table)
    rows = -(-len(r) // COLUMNS)
    with style():
        figure, axes = new_figure(min(COLUMNS, len(r)), width=2.4, height=2.4, rows=rows)
        for axis, (name, own) in zip(axes, table.groupby("parameter", sort=False), strict=False):
            ends = own[["true", "found"]].to_numpy()
            axis.plot([ends.min(), ends.max()], [ends.min(), ends.max()], color=IDEAL, lw=0.8)
            axis.plot(own["true"], own["found"], "o", ms=2.5, mew=0, color=OURS, alpha=0.6)
            axis.set(xlabel="simulated with", ylabel="found", title=f"{name}, r = {r[name]:.2f}")
        for axis in axes[len(r) :]:
            axis.set_axis_off()
        letter_panels(axes[: len(r)])
    return figure


def draw_confusion(table: pd.DataFrame, people: int) -> Figure:
    """Draw which model is found for the people of which.

    Args:
        table: Table of `recover` for a family.
        people: Number of people of each model.
    """
    with style():
        figure, (axis,) = new_figure(
            1, width=1.8 + 0.62 * len(table), height=1.5 + 0.5 * len(table)
        )
        axis.imshow(table, cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(table.to_numpy()):
            colour = "white" if share > 0.5 else "black"
            text = f"{share:.2f}"
            axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=SMALL)
        axis.set_xticks(range(len(table)), table.columns, rotation=40, ha="right")
        axis.set_yticks(range(len(table)), table.index)
        axis.set(xlabel="describes best, by BIC", ylabel="simulated with")
        axis.set_title(f"{people} simulated people per row")
    return figure
