"""Agents, people and animals in one table and one figure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotasks.datasets import load as load_data
from neurotasks.errors import TrialTableError
from neurotasks.files import check_writable, replacing, write_whole
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.behaviour.agent_models import held_out_policy, policy_along
from neurotasks_baselines.behaviour.bandit import BANDIT
from neurotasks_baselines.behaviour.figure import draw, draw_plane
from neurotasks_baselines.behaviour.fits import (
    FOLDS,
    FitJob,
    compare_fits,
    run_fit,
    run_jobs,
    run_others,
)
from neurotasks_baselines.behaviour.groups import (
    FITTED_EPISODES,
    Comparison,
    Group,
    group_of_networks,
    group_of_observer,
    groups_of_table,
)
from neurotasks_baselines.behaviour.gru import FEWEST_PEOPLE, run_gru
from neurotasks_baselines.behaviour.two_step import TWO_STEP
from neurotasks_baselines.experiments.drawing import mean_and_interval
from neurotasks_baselines.experiments.runner import PLAYED
from neurotasks_baselines.files import json_text
from neurotasks_baselines.pages import embedded, write_page
from neurotasks_baselines.plotting import save_figure
from neurotasks_baselines.processes import available_cores
from neurotasks_baselines.tables import markdown_table
from neurotasks_baselines.training.progress import track

COMPARISONS = {comparison.name: comparison for comparison in (TWO_STEP, BANDIT)}
PEOPLE = 20
"""Subjects of each table that models are fitted to by default."""
PEOPLE_PER_JOB = 10
FILES = ("index.html", "table.csv", "table.json", "figure.png")


def compare(
    comparison: Comparison,
    tables: Mapping[str, pd.DataFrame],
    out: Path,
    *,
    people: int | None = PEOPLE,
    seeds: int | None = PLAYED,
    gru: int | None = None,
    workers: int | None = None,
) -> pd.DataFrame:
    """Compare agents with people and animals, and write a table, a figure and a page.

    Writes ``index.html``, ``table.csv``, ``table.json`` (with the values of every unit),
    ``figure.png``, and the figure's SVG and data; of two-step tasks also ``plane.png``, with
    everybody on the plane of the experiment ``two-step-species``.

    Args:
        comparison: What is compared, one of `COMPARISONS`.
        tables: Trial tables of people or animals by name, such as
            `neurotasks.datasets.read_choices` returns; data that ship are added.
        out: Directory, made if it does not exist.
        people: Number of subjects of each table, drawn at random, whose first sessions models are
            fitted to; None for everybody's all. Measures without a model are those of everybody.
        seeds: Number of seeds of each kind of agent; None for all.
        gru: Number of units of a tiny network, see `neurotasks_baselines.behaviour.gru`; it and the
            models predict everybody by what was fitted to others. None for no such prediction.
        workers: Number of processes that fit; as many as there are cores by default.

    Returns:
        The table, one row per group.

    Raises:
        TrialTableError: If a table lacks a column, or holds something else than it may.
        OSError: If the directory cannot be written to.
    """
    for name in FILES:
        check_writable(out / name)  # refused before the work
    people_groups = [
        group
        for name, trials in {**_shipped(comparison), **tables}.items()
        for group in groups_of_table(name, trials, people)
    ]
    for group in people_groups:
        comparison.measure(group.trials)  # what cannot be measured is refused before the work
    groups = [
        *(group_of_networks(comparison, n, seeds) for n in track(comparison.networks, "playing")),
        *(group_of_observer(comparison, name) for name in comparison.observers),
        *people_groups,
    ]
    workers = workers or available_cores()
    fits = _fit_all(comparison, groups, workers)
    others = _predict_others(comparison, groups, gru, workers) if gru else {}
    agents = [*groups[0].agents.values()]
    rows = [
        _row(
            comparison,
            group,
            fits[group.name],
            {**_network(group, agents), **others.get(group.name, {})},
        )
        for group in track(groups, "measuring")
    ]
    return _write(comparison, rows, out, everybody=people is None)


def _shipped(comparison: Comparison) -> dict[str, pd.DataFrame]:
    found = {}
    for name, column in comparison.shipped.items():
        for value, rows in load_data(name).groupby(column, sort=False):
            found[f"{name}, {value}"] = rows
    return found


def _fit_all(
    comparison: Comparison, groups: Sequence[Group], workers: int
) -> dict[str, dict[str, Any]]:
    """Return what `compare_fits` says of each group."""
    models = {group.name: comparison.models(group.fitted) for group in groups}
    jobs = [
        FitJob(group.name, model, group.fitted[group.fitted["env"].isin(some)])
        for group in groups
        for some in _in_parts(group.fitted["env"].unique())
        for model in models[group.name]
    ]
    jobs.sort(key=lambda job: -len(job.trials) * len(job.model.free))
    done: dict[tuple[str, str], list[pd.DataFrame]] = defaultdict(list)
    for job, found in track(run_jobs(run_fit, jobs, workers), "fitting models", len(jobs)):
        done[job.group, job.model.name].append(found)
    fits = {key: pd.concat(parts).sort_index() for key, parts in done.items()}
    return {
        name: compare_fits([m.name for m in own], [fits[name, m.name] for m in own])
        for name, own in models.items()
    }


def _in_parts(envs: NDArray[Any]) -> list[NDArray[Any]]:
    return np.array_split(envs, -(-len(envs) // PEOPLE_PER_JOB))


def _predict_others(
    comparison: Comparison, groups: Sequence[Group], units: int, workers: int
) -> dict[str, dict[str, Any]]:
    """Return the log likelihoods per choice of who was not fitted to, for each group.

    Returns:
        Group -> ``"gru"``, those under tiny networks; ``"pooled"``, those under the model that
        predicts best, its name under ``"predicts_others_best"``, and the means under each.
    """
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    enough = [group for group in groups if group.fitted["env"].nunique() >= FEWEST_PEOPLE]
    models = {group.name: comparison.models(group.fitted) for group in enough}
    train = [FitJob(group.name, models[group.name][0], group.fitted) for group in enough]
    done = track(run_jobs(partial(run_gru, units), train, workers), "training GRUs", len(train))
    for job, each in done:
        found[job.group]["gru"] = each
    jobs = [FitJob(group.name, m, group.fitted) for group in enough for m in models[group.name]]
    each_model: dict[str, dict[str, pd.Series[float]]] = defaultdict(dict)
    for job, each in track(run_jobs(run_others, jobs, workers), "predicting others", len(jobs)):
        each_model[job.group][job.model.name] = each
    for name, by_model in each_model.items():
        means = {model.name: float(by_model[model.name].mean()) for model in models[name]}
        best = max(means, key=lambda model: means[model])
        found[name] |= {"pooled": by_model[best], "predicts_others_best": best}
        found[name] |= {f"pooled, {model}": value for model, value in means.items()}
    return found


def _network(group: Group, agents: Sequence[FusedRecurrentPPO]) -> dict[str, Any]:
    """Return the log likelihood per choice under agents, mean over them, one per unit.

    An agent is no model of its own choices: it is left out there.
    """
    found: dict[str, list[pd.Series[float]]] = {"network": [], "network_scaled": []}
    for agent in agents:
        try:
            policy = policy_along(agent, group.fitted)
        except TrialTableError as error:  # of more arms than the agents' task has
            return {"note": str(error)}
        for name, values in zip(
            found, held_out_policy(policy, group.fitted["env"], folds=FOLDS), strict=True
        ):
            own = [env for env, who in group.agents.items() if who is agent]
            found[name].append(values.drop(index=own))
    return {name: pd.concat(each, axis=1).mean(axis=1) for name, each in found.items()}


def _row(
    comparison: Comparison, group: Group, fits: Mapping[str, Any], also: Mapping[str, Any]
) -> dict[str, Any]:
    values = {**comparison.measure(group.trials), **comparison.weigh(group.trials)}
    held_out = fits["held_out"]
    predicts_best = str(held_out.mean().idxmax())
    values["held_out"] = held_out[predicts_best]
    values |= {name: each for name, each in also.items() if isinstance(each, pd.Series)}
    units = {name: series.dropna() for name, series in values.items()}
    row: dict[str, Any] = {
        "name": group.name,
        "kind": group.kind,
        "units": group.units,
        "n": group.trials["env"].nunique(),
        "trials": int((group.trials["choice"] >= 0).sum()),
    }
    for name, series in units.items():
        ends = mean_and_interval(series) if len(series) else (np.nan,) * 3
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), map(float, ends), strict=True))
    row |= {
        "n_fitted": len(held_out),
        "best_model": fits["best"],
        "best_share": fits["share"][fits["best"]],
        "best_protected": fits["protected"][fits["best"]],
        "predicts_best": predicts_best,
        "chance": -float(np.log(max(2, group.trials["choice"].max() + 1))),
        **{f"share, {name}": share for name, share in fits["share"].items()},
        **{f"held out, {name}": float(value) for name, value in held_out.mean().items()},
        "note": "",
        **{name: each for name, each in also.items() if not isinstance(each, pd.Series)},
    }
    return {"row": row, "units": {name: list(series) for name, series in units.items()}}


def _write(
    comparison: Comparison, rows: Sequence[Mapping[str, Any]], out: Path, everybody: bool
) -> pd.DataFrame:
    published = [
        {"name": p.name, "kind": "published", "units": "", "note": p.source, **p.values}
        for p in comparison.published
    ]
    table = pd.DataFrame([*(each["row"] for each in rows), *published])
    with replacing(out / "table.csv") as new:
        table.to_csv(new, index=False, float_format="%.6g")
    content = {"comparison": comparison.name, "folds": FOLDS}
    content["rows"] = [{**each["row"], "values": each["units"]} for each in rows] + published
    write_whole(out / "table.json", json_text(content))
    save_figure(draw(table, comparison), out / "figure.png")
    if comparison.plane is not None:
        save_figure(draw_plane(table, comparison), out / "plane.png")
    write_page(
        out / "index.html",
        "comparison.html",
        {"number": _number},
        title=comparison.title,
        figure=embedded(out / "figure.png"),
        plane=embedded(out / "plane.png") if comparison.plane is not None else None,
        rows=table.astype(object).where(table.notna(), None).to_dict("records"),
        measures={**_flat(comparison.measures), **comparison.history},
        caption=caption_of(table, everybody),
        limits=comparison.limits,
        others="gru" in table,
    )
    return table


def text_table(table: pd.DataFrame, comparison: Comparison) -> str:
    """Return the table for the terminal.

    Args:
        table: The table.
        comparison: What was compared.
    """
    labels = _flat(comparison.measures)
    others = {"pooled": "best of others", "gru": "GRU of others"} if "gru" in table else {}
    head = ["who", "n", *labels.values(), "describes most", "held out", "network"]
    head += others.values()
    known = table.astype(object).where(table.notna(), None).to_dict("records")
    body = [
        [
            row["name"],
            f"{row['n']:.0f}" if row["n"] else "-",
            *(_number(row, name) for name in labels),
            f"{row['best_model']} {row['best_share']:.0%}" if row["n"] else "-",
            *(_number(row, name) for name in ("held_out", "network_scaled", *others)),
        ]
        for row in known
    ]
    return markdown_table(head, body, aligned=True)


def _flat(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: label.replace("\n", " ") for name, label in labels.items()}


def caption_of(table: pd.DataFrame, everybody: bool) -> str:
    """Return what the figure shows, with the numbers of those that models were fitted to.

    Args:
        table: The table.
        everybody: Whether models were fitted to all that everybody did.
    """
    people_fitted = (
        "everybody's choices"
        if everybody
        else f"the first {FITTED_EPISODES} sessions of as many subjects as follow, drawn at random"
    )
    fitted = table[table["n_fitted"].notna()]
    numbers = ", ".join(f"{row['name']} {row['n_fitted']:.0f}" for _, row in fitted.iterrows())
    others = (
        f"Predictions of others: people dealt into {FOLDS} folds, each predicted by one set of "
        "parameters, or one tiny network, fitted to all the others. "
    )
    return (
        "Means with 95 % intervals over agents, runs, people or sessions, whose number n follows "
        "the name. Models are fitted by maximum likelihood to the first "
        f"{FITTED_EPISODES} episodes of each agent and run, and to {people_fitted}; the bars are "
        "the shares of them whose lowest BIC a model has, and the log likelihoods those "
        f"of the choices in {FOLDS} blocks, each predicted from the others. The network is the "
        "mean over the agents of the first row, never trained on any table and, along an agent's "
        "own choices, left out; its inverse temperature is fitted per subject to the other blocks. "
        f"{others if 'gru' in table else ''}"
        "Rows in red are values without trials: published ones, or computed from the authors' "
        f"public data, as the table says. Fitted: {numbers}."
    )


def _number(row: Mapping[str, Any], name: str) -> str:
    """Return a value with its interval."""
    if row.get(name) is None:
        return "-"
    text = f"{row[name]:.3f}"
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return text if low is None else f"{text} [{low:.3f}, {high:.3f}]"
