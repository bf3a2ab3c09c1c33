"""What an evaluation writes for readers: tables and figures, next to the shipped agents."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurotasks.files import replacing, write_whole
from neurotasks.scores import baseline_scores
from neurotasks_baselines.suite.aggregates import (
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
)
from neurotasks_baselines.suite.behaviour import mean_behaviour, published
from neurotasks_baselines.suite.figures import Agents, draw_curves, draw_radar, draw_tasks, short
from neurotasks_baselines.suite.memoryless import shipped_policies
from neurotasks_baselines.suite.results import Result, by_task, read_results
from neurotasks_baselines.suite.scores import (
    carries_memory_score,
    reference_behaviour,
    why_no_memory_score,
)
from neurotasks_baselines.tables import markdown_table

THRESHOLDS = (0.25, 0.5, 0.75, 0.9, 1.0)
"""Scores of the performance profile."""

MEMORYLESS = {
    "exact": "what no policy without memory exceeds",
    "enumerated": "the best of all tables from what is seen to an action",
}


def shipped_agents() -> dict[str, list[Result]]:
    """Return the results of `neurotasks.baseline_scores` by agent."""
    agents = baseline_scores()["agents"]
    return {name: read_results(agent["results"]) for name, agent in agents.items()}


def write_report(out: Path, found: Mapping[str, Any]) -> None:
    """Write ``scores.csv``, ``scores.md``, and figures.

    Args:
        out: Directory.
        found: What ``scores.json`` holds.
    """
    results = read_results(found["results"])
    with replacing(out / "scores.csv") as new, new.open("w", newline="") as file:
        names = [name for name in found["results"][0] if name not in ("behaviour", "curve")]
        rows = csv.DictWriter(file, names, extrasaction="ignore")
        rows.writeheader()
        rows.writerows(found["results"])
    agent = found["agent"]
    everyone = {agent: results} | {n: r for n, r in shipped_agents().items() if n != agent}
    parts = [f"# Scores of {agent}", score_table(results), aggregate_table(everyone)]
    parts += ["## Behaviour", behaviour_tables(everyone)]
    write_whole(out / "scores.md", "\n\n".join(parts) + "\n")
    ids = list(dict.fromkeys(result.id for result in results))
    figures = {"tasks.png": draw_tasks(everyone, ids), "radar.png": draw_radar(everyone, ids)}
    if any(r.curve for rows in everyone.values() for r in rows if r.id in ids):
        figures["curves.png"] = draw_curves(everyone, ids)
    for name, figure in figures.items():
        with replacing(out / name) as new:
            figure.savefig(new, format="png")


def score_table(results: Sequence[Result], aligned: bool = False) -> str:
    """Return the scores of an agent on each task, means over seeds, as a Markdown table.

    Args:
        results: Results of the agent.
        aligned: Whether it is for the terminal.
    """
    head = ["task", "seeds", "score", "memory score", "score in training episodes", "error"]
    rows = []
    for id in dict.fromkeys(result.id for result in results):
        of_task = [result for result in results if result.id == id]
        cells = [_range(by_task(of_task, n)) for n in ("score", "memory_score", "train_score")]
        error = max(result.score_se for result in of_task)
        rows.append([short(id), str(len(of_task)), *cells, f"{error:.3f}"])
    table = markdown_table(head, rows, aligned=aligned)
    note = (
        "Means over seeds, and their range. Error: the largest standard error of a score over the "
        "held-out episodes."
    )
    ids = dict.fromkeys(result.id for result in results)
    without = [f"{short(id)}: {why}" for id in ids if (why := why_no_memory_score(id))]
    exact = {id: shipped_policies()[id]["kind"] for id in ids if carries_memory_score(id)}
    for kind, meaning in MEMORYLESS.items():
        if names := ", ".join(short(id) for id, found in exact.items() if found == kind):
            note += f"\nMemory score 0: {meaning}: {names}."
    if without:
        note += "\nWithout memory score:\n" + "\n".join(f"- {line}" for line in without)
    return f"{table}\n\n{note}"


def _range(values: Mapping[str, Sequence[float]]) -> str:
    if not values:
        return "-"
    (found,) = values.values()
    mean = f"{np.mean(found):.3f}"
    return mean if len(found) < 2 else f"{mean} ({min(found):.3f} to {max(found):.3f})"


def aggregate_table(agents: Agents, aligned: bool = False) -> str:
    """Return the aggregates of agents, over those of their tasks that the first one was scored on.

    Args:
        agents: Results by the name of the agent, those of interest first.
        aligned: Whether it is for the terminal.
    """
    first = next(iter(agents))
    head = ["agent", "tasks", "score", "memory score", "improvement"]
    head += [f"above {threshold:g}" for threshold in THRESHOLDS]
    own = by_task(agents[first], "score")
    rows = []
    for name, results in agents.items():
        common = [result for result in results if result.id in own]
        if not common:
            continue
        scores = by_task(common, "score")
        improved = "" if name == first else f"{probability_of_improvement(own, scores):.2f}"
        profile = [f"{part:.2f}" for part in performance_profile(scores, THRESHOLDS)]
        memory = by_task(common, "memory_score")
        rows.append([name, str(len(scores)), _mean(scores), _mean(memory), improved, *profile])
    note = (
        "Interquartile means over tasks and seeds with 95 % stratified bootstrap intervals, of "
        "the tasks in common. Improvement: probability that a run of "
        f"{first} scores higher on a task than one of the agent. Above: fraction of runs."
    )
    return f"{markdown_table(head, rows, aligned=aligned)}\n\n{note}"


def _mean(scores: Mapping[str, Sequence[float]]) -> str:
    if not scores:
        return "-"
    value, low, high = interquartile_mean(scores)
    return f"{value:.3f}" if low is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def behaviour_tables(agents: Agents) -> str:
    """Return the evaluation metrics of each task of the first agent, next to everyone else's.

    Args:
        agents: Results by the name of the agent, those of interest first; the others' are shown on
            the tasks of the first.

    Returns:
        A table per task, with columns for the agents, the reference observer and the papers.
    """
    parts = []
    for id in dict.fromkeys(result.id for result in next(iter(agents.values()))):
        means = {
            name: metrics
            for name, results in agents.items()
            if (metrics := mean_behaviour([r.behaviour for r in results if r.id == id]))
        }
        means["reference observer"] = mean_behaviour([reference_behaviour(id)])
        known = published(id, {})
        rows = [
            [
                metric,
                *(f"{of[metric]:.3f}" if metric in of else "-" for of in means.values()),
                known.get(metric, ""),
            ]
            for metric in means["reference observer"]
        ]
        table = markdown_table(["measure", *means, "published"], rows)
        parts.append(f"### {short(id)}\n\n{table}")
    return "\n\n".join(parts)
