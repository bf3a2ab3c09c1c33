"""Tables of single pages, from the code and from measured files."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Sequence
from io import BytesIO

import griffe
import numpy as np

from neurotasks.datasets import RECIPES
from neurotasks.scores import baseline_scores
from neurotasks_baselines.suite.figures import draw_tasks, short
from neurotasks_baselines.suite.memoryless import shipped_policies
from neurotasks_baselines.suite.protocol import steps_of
from neurotasks_baselines.suite.report import shipped_agents
from neurotasks_baselines.suite.results import Result, by_task
from neurotasks_baselines.suite.scores import carries_memory_score
from neurotasks_baselines.tables import markdown_table
from neurotasks_baselines.training.hyperparameters import TABLE, Hyperparameters
from neurotasks_baselines.training.wang2018 import WANG2018


def hyperparameter_table() -> str:
    """Return the hyperparameters of every task, one row per hyperparameter."""
    documented = documented_items(Hyperparameters, griffe.DocstringSectionKind.attributes)
    body = []
    for field in dataclasses.fields(Hyperparameters):
        cells = [cell(entry, field.name) for entry in TABLE.values()]
        body.append((f"`{field.name}`", *cells, documented[field.name]))
    titles = (id.partition("/")[2] for id in TABLE)
    return markdown_table(("hyperparameter", *titles, "meaning"), body)


def recipe_table() -> str:
    """Return where the data of each recipe are from, and what is left out of them."""
    body = [
        (f"`{name}`", recipe.source, recipe.citation, recipe.licence, recipe.leaves_out)
        for name, recipe in RECIPES.items()
    ]
    return markdown_table(("recipe", "source", "cite", "licence", "leaves out"), body)


def wang2018_table() -> str:
    """Return published and used hyperparameters of the simulations of Wang et al. 2018."""
    rows = [
        (id.partition("/")[2], kind, getattr(simulation, kind), reason)
        for id, simulation in WANG2018.items()
        for kind, reason in (("published", ""), ("used", simulation.reason))
    ]
    names = [field.name for field in dataclasses.fields(Hyperparameters)]
    varying = [n for n in names if len({getattr(entry, n) for _, _, entry, _ in rows}) > 1]
    body = [
        (task, kind, *(cell(entry, name) for name in varying), reason)
        for task, kind, entry, reason in rows
    ]
    titles = (f"`{name}`" for name in varying)
    return markdown_table(("task", "", *titles, "why they differ"), body)


def cell(entry: Hyperparameters, name: str) -> str:
    """Return a hyperparameter as a cell."""
    value = getattr(entry, name)
    if value is None:
        return "longest episode" if name == "n_steps" else "constant"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def mean_and_range(values: Sequence[float]) -> str:
    """Return the mean over seeds, and the smallest and largest value."""
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def modules(package: str) -> str:
    """Return the API of all modules of a package, for mkdocstrings."""
    found = pkgutil.iter_modules(importlib.import_module(package).__path__)
    names = (module.name for module in found if not module.name.startswith("_"))
    return "\n\n".join(f"::: {package}.{name}" for name in names)


def documented_items(cls: type, kind: griffe.DocstringSectionKind) -> dict[str, str]:
    """Return what one section of a class's docstring says of each name."""
    sections = griffe.Docstring(cls.__doc__ or "", lineno=1).parse(
        "google", warn_missing_types=False, warnings=False
    )
    found = next(section for section in sections if section.kind is kind)
    return {item.name: " ".join(item.description.split()) for item in found.value}


def memoryless_table() -> str:
    """Return what the best policy without memory reaches on each task, and how it was found."""
    body = []
    for id, entry in shipped_policies().items():
        score = "-" if entry["score"] is None else f"{entry['score']:.3f}"
        carried = "yes" if carries_memory_score(id) else "no"
        body.append((f"`{id.partition('/')[2]}`", score, entry["kind"], carried, entry["how"]))
    head = ("task", "score without memory", "kind", "memory score", "policy")
    return markdown_table(head, body)


def baseline_figure() -> bytes:
    """Return a PNG of the scores of the agents to compare with, on every task."""
    agents = shipped_agents()
    ids = list(dict.fromkeys(result.id for results in agents.values() for result in results))
    new = BytesIO()
    draw_tasks({"": [], **agents}, ids).savefig(new, format="png")  # no agent of interest
    return new.getvalue()


def fewer_steps(results: Sequence[Result]) -> str:
    """Return on which tasks trainings were shorter than those of the standard track."""
    fewer = {r.id: r.steps for r in results if r.steps < steps_of(r.id, None)}
    found = [f"{short(id)} {steps:,} of {steps_of(id, None):,}" for id, steps in fewer.items()]
    return f"; fewer steps than the standard track's: {', '.join(found)}" if found else ""


def baseline_tables() -> str:
    """Return the scores of the agents on every task, their picture, and what was not run."""
    agents = shipped_agents()
    ids = dict.fromkeys(result.id for results in agents.values() for result in results)
    parts = ["![Scores and memory scores of the agents on each task](figures/baselines.png)"]
    for name, title in (("score", "Score"), ("memory_score", "Memory score")):
        scores = [by_task(results, name) for results in agents.values()]
        body = []
        for id in ids:
            cells = [mean_and_range(of[id]) if id in of else "not run" for of in scores]
            if any(id in of for of in scores):
                body.append((f"`{id.partition('/')[2]}`", *cells))
        parts += [f"**{title}**", markdown_table(("task", *agents), body)]
    found = baseline_scores()
    made = [
        f"- {name}: `{agent['command'].replace('; ', '` and `')}`"
        + (f", {agent['hardware']}" if "hardware" in agent else "")
        + fewer_steps(agents[name])
        for name, agent in found["agents"].items()
    ]
    parts += ["Made by:", "\n".join(made)]
    missing = found["not_run"].items()
    parts += ["Not run:", "\n".join(f"- {agent}: {why}" for agent, why in missing)]
    return "\n\n".join(parts)
