"""Writes the task pages and the hyperparameter table from the code while the site is built.

A page per task file, for all ids registered for it: ``neurotasks/tasks/two_step.py`` becomes
``tasks/two_step.md``.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import griffe
import gymnasium as gym
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import neurotasks
from baselines.hyperparameters import TABLE, Hyperparameters
from neurotasks.core.env import TaskEnv
from neurotasks.core.task import Task, load
from neurotasks.core.vector_env import TaskVectorEnv

BEFORE_ARGUMENTS = "Episode End"  # in Gymnasium's order of sections the arguments follow it
SECTIONS = (
    *("Description", "Action Space", "Observation Space", "Rewards", "Starting State"),
    *(BEFORE_ARGUMENTS, "Arguments", "References", "Version History"),
)
CORE_KEYWORDS = ("feedback", "split", "trial_log")
MANY = 12  # components beyond which an observation's are listed as a range


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of every task."""
    families: dict[str, list[str]] = {}
    for id, keywords in neurotasks.TASKS.items():
        families.setdefault(keywords["task"], []).append(id)
    for place, ids in families.items():
        name = place.partition(":")[0].rpartition(".")[2]
        files.append(File.generated(config, f"tasks/{name}.md", content=task_page(place, ids)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the hyperparameter table where a page asks for it."""
    marker = "<!-- hyperparameters -->"
    return markdown.replace(marker, hyperparameter_table()) if marker in markdown else markdown


def task_page(place: str, ids: Sequence[str]) -> str:
    """Return the page of a task.

    Args:
        place: where the task is, ``"package.module:NAME"``.
        ids: the ids registered for it, the one with the paper's defaults first.

    Returns:
        Markdown.
    """
    task = load(place)
    summary, sections = split_sections(task.doc)
    sections["Arguments"] = arguments(task)
    unknown = set(sections) - set(SECTIONS)
    missing = set(SECTIONS) - set(sections)
    if unknown or missing:
        raise ValueError(f"{task.name}: sections missing {missing}, unknown {unknown}.")
    parts = [f"# {task.name}", summary, ids_table(ids), make_line(ids[0])]
    for title in SECTIONS:
        parts += [f"## {title}", sections[title]]
    envs = {id: gym.make(id).unwrapped for id in ids}
    parts += ["## Tables", "### Actions", *by_id(envs, action_table)]
    parts += ["### Observation", *by_id(envs, observation_table), FEEDBACK]
    parts += ["### Info", INFO, rows(("key", "meaning"), code_first(task.info.items()))]
    parts += ["### Reset options", *options(task, ids[0])]
    parts += ["### Trial table", TRIALS, rows(("column", "meaning"), columns(task))]
    return "\n\n".join(parts) + "\n"


FEEDBACK = """With `feedback="action"`, `"reward"` or `"none"` the parts left out take no place in
the vector. `env.unwrapped.layout` names the slices."""

INFO = """The hidden truth, in `info` at every step and never in the observation. In a vector
environment each is an array, one value a lane."""

TRIALS = """One row a finished trial, from `env.unwrapped.trial_table()` of an environment made with
`trial_log=True`."""


def split_sections(doc: str) -> tuple[str, dict[str, str]]:
    """Return the summary of a task's ``doc``, and its sections by title."""
    summary, *rest = re.split(r"^## (.+)\n", doc.strip(), flags=re.MULTILINE)
    return summary.strip(), {t: text.strip() for t, text in zip(rest[::2], rest[1::2], strict=True)}


def ids_table(ids: Sequence[str]) -> str:
    """Return the ids with the keywords that make them presets."""
    body = []
    for id in ids:
        preset = {k: v for k, v in neurotasks.TASKS[id].items() if k != "task"}
        differs = ", ".join(f"`{k}={v!r}`" for k, v in preset.items())
        body.append((f"`{id}`", differs or "the defaults below"))
    return rows(("id", "parameters"), body)


def make_line(id: str) -> str:
    """Return the code that makes the task."""
    return f"""```python
import gymnasium as gym
import neurotasks

env = gym.make("{id}")
envs = gym.make_vec("{id}", num_envs=64, autoreset_mode="SameStep")
```"""


def arguments(task: Task) -> str:
    """Return the tables of the task's parameters and of the keywords all tasks have."""
    own = []
    for field in dataclasses.fields(task.parameters):
        default: Any = field.default
        about = field.metadata
        kind = type(default).__name__
        cells = (f"`{field.name}`", kind, f"`{default!r}`", bounds(about, kind))
        own.append((*cells, about["doc"], about["source"]))
    core = keyword_docs(TaskEnv, CORE_KEYWORDS)
    lanes = keyword_docs(TaskVectorEnv, ("num_envs", "autoreset_mode"))
    keywords = ("keyword", "default", "meaning")
    return "\n\n".join(
        (
            "Keywords of `gymnasium.make` and `gymnasium.make_vec`. The task's own:",
            rows(("name", "type", "default", "range", "meaning", "source of the default"), own),
            "Those of every task:",
            rows(keywords, core),
            "Those of `make_vec` only:",
            rows(keywords, lanes),
        )
    )


def bounds(about: Any, kind: str) -> str:
    """Return the range of a parameter in words."""
    if kind == "str":
        return ", ".join(f"`{word!r}`" for word in about["choices"])
    if kind == "bool":
        return "`True`, `False`"
    low, high = about["low"], about["high"]
    if math.isinf(low) and math.isinf(high):
        return "any"
    if math.isinf(high) or high >= 2**31 - 1:
        return f"≥ {low:g}"
    return f"≤ {high:g}" if math.isinf(low) else f"{low:g} to {high:g}"


def keyword_docs(cls: type, names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return name, default and meaning of keywords, as the docstring of a class has them."""
    defaults = cls.__init__.__kwdefaults__  # type: ignore[misc]
    documented = documented_items(cls, griffe.DocstringSectionKind.parameters)
    return [(f"`{n}`", f"`{plain(defaults[n])!r}`", documented[n]) for n in names]


def plain(default: Any) -> Any:
    """Return the value of an enumeration's member, and everything else as it is."""
    return getattr(default, "value", default)


def documented_items(cls: type, kind: griffe.DocstringSectionKind) -> dict[str, str]:
    """Return what one section of a class's docstring says of each name."""
    sections = griffe.Docstring(cls.__doc__ or "", lineno=1).parse(
        "google", warn_missing_types=False, warnings=False
    )
    found = next(section for section in sections if section.kind is kind)
    return {item.name: " ".join(item.description.split()) for item in found.value}


def by_id(envs: dict[str, Any], table: Any) -> list[str]:
    """Return a table for each id, those of equal ones once."""
    groups: dict[str, list[str]] = {}
    for id, env in envs.items():
        groups.setdefault(table(env), []).append(id)
    if len(groups) == 1:
        return list(groups)
    return [part for text, ids in groups.items() for part in (f"`{'`, `'.join(ids)}`:", text)]


def action_table(env: TaskEnv) -> str:
    """Return the actions."""
    return rows(("action", "name"), [(str(i), name) for i, name in enumerate(env.action_names)])


def observation_table(env: TaskEnv) -> str:
    """Return which component of the observation is what."""
    names, layout = env.stimulus_names, env.layout
    body = [(place, name, "0 to 1") for place, name in stimulus_rows(names)]
    for i, name in enumerate(env.action_names, start=layout["action"].start):
        body.append((str(i), f"previous action was {name}", "0 or 1"))
    low, high = env.observation_space.low[-1], env.observation_space.high[-1]
    body.append((str(layout["reward"].start), "previous reward", f"{low:g} to {high:g}"))
    return rows(("index", "component", "values"), body)


def stimulus_rows(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return index and name of the components; many that are "WHAT at WHERE" in one row."""
    whats = list(dict.fromkeys(name.partition(" at ")[0] for name in names))
    wheres = list(dict.fromkeys(name.partition(" at ")[2] for name in names))
    if len(names) <= MANY or list(names) != [f"{a} at {b}" for b in wheres for a in whats]:
        return [(str(i), name) for i, name in enumerate(names)]
    text = f"{', '.join(whats)} at {wheres[0]}, then at {wheres[1]}, ... {wheres[-1]}"
    return [(f"0 to {len(names) - 1}", text)]


def options(task: Task, id: str) -> list[str]:
    """Return what ``reset(options=...)`` can fix."""
    body = []
    dtype = task.dtype(task.parameters())
    for name, field in task.options.items():
        kind, shape = dtype[name].base.kind, dtype[name].shape
        what = "number" if kind == "f" else "integer"
        size = f"{shape[0]} {what}s" if shape else what
        body.append((f"`{name}`", f"{size}, {field.low:g} to {field.high:g}", field.doc))
    name = next(iter(task.options))
    low = task.options[name].low
    value = [low] * dtype[name].shape[0] if dtype[name].shape else low
    call = f"env.reset(seed=0, options={{{name!r}: {value!r}}})".replace("'", '"')
    return [
        f"Hidden values that can be fixed for an episode: `{call}`. A vector environment takes one "
        "value for all lanes, or one a lane.",
        rows(("option", "range", "meaning"), body),
    ]


def columns(task: Task) -> list[tuple[str, str]]:
    """Return the columns of the trial table; an array has one for each element."""
    body, dtype = [], task.dtype(task.parameters())
    for name, meaning in task.columns.items():
        shape = dtype[name].shape if name in task.state else ()
        body.append(
            (", ".join(f"`{name}_{j}`" for j in range(shape[0])) if shape else f"`{name}`", meaning)
        )
    return body


def hyperparameter_table() -> str:
    """Return the settings of every task, a row for each setting."""
    documented = documented_items(Hyperparameters, griffe.DocstringSectionKind.attributes)
    body = []
    for field in dataclasses.fields(Hyperparameters):
        cells = [setting(getattr(entry, field.name)) for entry in TABLE.values()]
        body.append((f"`{field.name}`", *cells, documented[field.name]))
    titles = (id.partition("/")[2] for id in TABLE)
    return rows(("setting", *titles, "meaning"), body)


def setting(value: Any) -> str:
    """Return a setting as a cell."""
    if value is None:
        return "same"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def code_first(items: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return rows with the first cell as code."""
    return [(f"`{name}`", meaning) for name, meaning in items]


def rows(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in lines)
