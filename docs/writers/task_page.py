"""The page of a task, from the task and from what its agents and observers reached."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import griffe
import gymnasium as gym

import neurotasks
from neurotasks import scores
from neurotasks.core.env import TaskEnv
from neurotasks.core.task import Task, load
from neurotasks.core.vector_env import TaskVectorEnv
from neurotasks.observers import reference_observer
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.base import Experiment
from neurotasks_baselines.experiments.learners import ALGORITHMS
from neurotasks_baselines.experiments.report import in_bold, number
from neurotasks_baselines.tables import markdown_table
from writers.diagrams import MANY, timing
from writers.tables import documented_items

DOCS = Path(__file__).parents[1]
SECTIONS = (
    *("Description", "Action Space", "Observation Space", "Rewards", "Starting State"),
    *("Episode End", "Arguments", "References", "Version History"),
)
TITLES = {  # of pages whose task's name does not read well in words
    "Bandit": "Bandits",
    "TwoStep": "Two-step",
    "TwoStepDaw": "Two-step (Daw 2011)",
    "HarlowPixels": "Harlow, with images",
}
CORE_KEYWORDS = ("feedback", "split", "trial_log")
FEEDBACK = """With `feedback="action"`, `"reward"` or `"none"` the parts left out take no place in
the vector. `env.unwrapped.layout` names the slices."""

INFO = """The hidden truth, in `info` at every step and never in the observation. In a vector
environment each is an array, one value per sub-environment."""

TRIALS = """One row per finished trial, from `env.unwrapped.trial_table()` of an environment made
with `trial_log=True`."""


def task_files(place: str, ids: Sequence[str]) -> dict[Path, str]:
    """Return the page of a task and its diagrams, by path.

    Args:
        place: Place of the task, ``"package.module:NAME"``.
        ids: Ids registered for it, the one with the paper's defaults first.
    """
    page = page_path(place)
    text, drawings = timing(load(place), ids[0])
    files = {page.parent / f"steps/{page.stem}-{i}.svg": d for i, d in enumerate(drawings.values())}
    shown = [
        f"![A trial step by step, {title}]({path.relative_to(page.parent)})"
        for title, path in zip(drawings, files, strict=True)
    ]
    diagrams = "\n\n".join([text, '<div class="steps" markdown>', *shown, "</div>"])
    return {page: task_page(place, ids, diagrams), **files}


def page_path(place: str) -> Path:
    """Return where the page of a task is."""
    return DOCS / "tasks" / f"{place.partition(':')[0].rpartition('.')[2]}.md"


def task_page(place: str, ids: Sequence[str], diagrams: str) -> str:
    """Return the page of a task, in Markdown; `diagrams` shows its trials."""
    task = load(place)
    summary, sections = split_sections(task.doc)
    sections["Arguments"] = arguments(task)
    unknown = set(sections) - set(SECTIONS)
    missing = set(SECTIONS) - set(sections)
    if unknown or missing:
        raise ValueError(f"{task.name}: sections missing {missing}, unknown {unknown}.")
    sections["Description"] += "\n\n" + diagrams
    parts = [
        f"# {page_title(task)}",
        summary,
        *animation(ids[0]),
        ids_table(ids),
        make_line(ids[0]),
    ]
    for title in SECTIONS:
        if title == "References":
            found = finding(task, ids)
            parts += ["## Published finding", *found] if found else []
            parts += ["## Reference observer", *reference(ids)]
        parts += [f"## {title}", sections[title]]
    envs = {id: gym.make(id).unwrapped for id in ids}
    parts += ["## Tables", "### Actions", *by_id(envs, action_table)]
    parts += ["### Observation", *by_id(envs, observation_table), FEEDBACK]
    parts += ["### Info", INFO, markdown_table(("key", "meaning"), code_first(task.info.items()))]
    parts += ["### Reset options", *options(task, ids[0])]
    parts += ["### Trial table", TRIALS, markdown_table(("column", "meaning"), columns(task))]
    return "\n\n".join(parts) + "\n"


def page_title(task: Task) -> str:
    """Return the title of the page of a task: ``InferredValue`` is "Inferred value"."""
    words = re.sub(r"(?<=[a-z])[A-Z]", lambda letter: f" {letter[0].lower()}", task.name)
    return TITLES.get(task.name, words)


def split_sections(doc: str) -> tuple[str, dict[str, str]]:
    """Return the summary of a task's ``doc``, and its sections by title."""
    summary, *rest = re.split(r"^## (.+)\n", doc.strip(), flags=re.MULTILINE)
    return summary.strip(), {t: text.strip() for t, text in zip(rest[::2], rest[1::2], strict=True)}


def ids_table(ids: Sequence[str]) -> str:
    """Return the ids with the keywords that make them presets."""
    body = []
    for id in ids:
        differs = ", ".join(f"`{k}={v!r}`" for k, v in gym.spec(id).kwargs.items())
        body.append((f"`{id}`", differs or "the defaults below"))
    return markdown_table(("id", "parameters"), body)


def families() -> dict[str, list[str]]:
    """Return the ids registered for each task, the one with the paper's defaults first."""
    found: dict[str, list[str]] = {}
    for id, keywords in neurotasks.TASKS.items():
        found.setdefault(keywords["task"], []).append(id)
    return found


def task_table(folder: Path) -> str:
    """Return the table of all tasks, which the README and the home page hold.

    Args:
        folder: Folder of the page that shows it, which the links start from.
    """
    body = []
    for place, ids in families().items():
        task = load(place)
        summary, sections = split_sections(task.doc)
        first, *more = re.split(r"^- ", sections["References"], flags=re.MULTILINE)[1:]
        named = (text for text in more if any(f"`{id.partition('/')[2]}`" in text for id in ids))
        published = (" ".join(text.split()).rstrip(".") for text in (first, *named))
        short = (ids[0], *(id.removeprefix("neurotasks/") for id in ids[1:]))
        path = page_path(place).relative_to(folder)
        names = ", ".join(f"[`{id}`]({path})" for id in short)
        observers = dict.fromkeys(type(reference_observer(gym.make(id))).__name__ for id in ids)
        body.append(
            (
                names,
                " ".join(summary.split()).rstrip("."),
                "; ".join(published),
                ", ".join(f"`{name}`" for name in observers),
            )
        )
    return markdown_table(("id", "task", "published in", "reference observer"), body)


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
        own.append((*cells, about["doc"], linked(about["source"])))
    core = keyword_docs(TaskEnv, CORE_KEYWORDS)
    vector = keyword_docs(TaskVectorEnv, ("num_envs", "autoreset_mode"))
    keywords = ("keyword", "default", "meaning")
    return "\n\n".join(
        (
            "Keywords of `gymnasium.make` and `gymnasium.make_vec`. The task's own:",
            markdown_table(
                ("name", "type", "default", "range", "meaning", "source of the default"), own
            ),
            "Those of every task:",
            markdown_table(keywords, core),
            "Those of `make_vec` only:",
            markdown_table(keywords, vector),
        )
    )


def linked(source: str) -> str:
    """Return a parameter's source with its keys, ``[KEY]``, as links."""
    return re.sub(r"\[(\w+)\]", lambda key: f"{key[0]}(../sources.md#{key[1].lower()})", source)


def bounds(about: Any, kind: str) -> str:
    """Return the range of a parameter in words."""
    if kind == "str":
        return ", ".join(f"`{word!r}`" for word in about["choices"])
    if kind == "bool":
        return "`True`, `False`"
    return f"{about['low']:g} to {about['high']:g}"


def keyword_docs(cls: type, names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return name, default and meaning of keywords, as the docstring of a class has them."""
    defaults = cls.__init__.__kwdefaults__  # type: ignore[misc]
    documented = documented_items(cls, griffe.DocstringSectionKind.parameters)
    return [(f"`{n}`", f"`{plain(defaults[n])!r}`", documented[n]) for n in names]


def plain(default: Any) -> Any:
    """Return the value of an enumeration's member, and everything else as it is."""
    return getattr(default, "value", default)


def by_id(envs: dict[str, Any], table: Callable[[Any], str]) -> list[str]:
    """Return a table for each id, once where ids share it."""
    groups: dict[str, list[str]] = {}
    for id, env in envs.items():
        groups.setdefault(table(env), []).append(id)
    if len(groups) == 1:
        return list(groups)
    return [part for text, ids in groups.items() for part in (f"`{'`, `'.join(ids)}`:", text)]


def action_table(env: TaskEnv) -> str:
    """Return the actions."""
    return markdown_table(
        ("action", "name"), [(str(i), name) for i, name in enumerate(env.action_names)]
    )


def observation_table(env: TaskEnv) -> str:
    """Return which component of the observation is what."""
    names, layout = env.stimulus_names, env.layout
    body = [(place, name, "0 to 1") for place, name in stimulus_rows(names)]
    space: Any = env.observation_space
    if env.task.image_shape is not None:
        shape = "x".join(map(str, env.task.image_shape))
        body.append(("`image`", f"what is on the screen, uint8 ({shape})", "0 to 255"))
        space = space["feedback"]
    where = "" if env.task.image_shape is None else "`feedback`, "
    for i, name in enumerate(env.action_names, start=layout["action"].start):
        body.append((f"{where}{i}", f"previous action was {name}", "0 or 1"))
    low, high = space.low[-1], space.high[-1]
    body.append((f"{where}{layout['reward'].start}", "previous reward", f"{low:g} to {high:g}"))
    return markdown_table(("index", "component", "values"), body)


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
    parameters = task.parameters()
    dtype = task.dtype(parameters)
    for name, field in task.options.items():
        kind, shape = dtype[name].base.kind, dtype[name].shape
        what = "number" if kind == "f" else "integer"
        size = f"{shape[0]} {what}s" if shape else what
        low, high = field.range(parameters)
        ends = f"{low:g} to {high:g}"
        body.append((f"`{name}`", f"{size}, {ends}", field.doc))
    name = next(iter(task.options))
    low, _ = task.options[name].range(parameters)
    value = [low] * dtype[name].shape[0] if dtype[name].shape else low
    call = f"env.reset(seed=0, options={{{name!r}: {value!r}}})".replace("'", '"')
    return [
        f"Hidden values that can be fixed for an episode: `{call}`. A vector environment takes one "
        "value for all sub-environments, or one for each.",
        markdown_table(("option", "range", "meaning"), body),
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


def animation(id: str) -> list[str]:
    """Return the picture of a task being played, if there is one."""
    name = gym.spec(id).name
    path = f"animations/{name}.gif"
    title = f"The reference observer plays {name}; on the right what is hidden"
    return [f"![{title}](../{path})"] if (DOCS / path).exists() else []


def finding(task: Task, ids: Sequence[str]) -> list[str]:
    """Return what was published about a task, and what our agents show of it."""
    parts = [task.finding] if task.finding else []
    claims = json.loads((DOCS / "claims.json").read_text())
    for name, experiment in EXPERIMENTS.items():
        if not {training.id for training in experiment.trainings.values()} & set(ids):
            continue
        parts += [
            f"**{experiment.title}**. {experiment.question}",
            f"`neurotasks reproduce {name}` measures it on our agents.",
            *trained_with(experiment, ids),
        ]
        body: dict[str, dict[str, Any]] = {}
        for c in claims:
            if c["experiment"] == name and c["verdict"]:
                row = body.setdefault(c["claim"], {"": (c["published"], c["accept"])})
                row[c["learner"]] = f"{number(c['measured'])}, {in_bold(c['verdict'])}"
        if body:
            agents = (ALGORITHMS[learner] for learner in experiment.algorithms)
            head = ("claim", "published", "accepted", *agents)
            rows = [
                (claim, *row[""], *(row.get(learner, "") for learner in experiment.algorithms))
                for claim, row in body.items()
            ]
            parts += [
                markdown_table(head, rows),
                "Sources, intervals and foils are in the [results](../results.md).",
            ]
    return parts


def trained_with(experiment: Experiment, ids: Sequence[str]) -> list[str]:
    """Return in a sentence with which parameters agents were trained, if not with the ids' own."""
    found = dict.fromkeys(
        ", ".join(f"`{name}={value}`" for name, value in training.task_kwargs.items())
        for training in experiment.trainings.values()
        if training.id in ids
    )
    others = [keywords for keywords in found if keywords]
    return [f"They are trained and tested with {'; or with '.join(others)}."] if others else []


def reference(ids: Sequence[str]) -> list[str]:
    """Return the reference observer of each id, and the returns between which scores lie."""
    known = scores.reference_returns()
    body = []
    for id in ids:
        observer = type(reference_observer(gym.make(id)))
        about = (observer.__doc__ or "").partition("\n")[0]
        cells = [f"`{id}`", f"`{observer.__name__}`: {about}"]
        for player in ("random", "ideal"):
            row = known.get(id) or scores.measure_returns(id)
            cells.append(f"{row[player]:.3f} ± {row[f'{player}_se']:.3f}")
        body.append(cells)
    return [
        "It knows the rules and parameters, and sees no more than an agent. Returns are means "
        'over episodes with `split="test"`, with their standard errors; '
        "`neurotasks.scores.normalized_score` puts other returns "
        "[between them](../evaluate.md#without-pairing).",
        markdown_table(
            ("id", "observer", "return of random choices", "return of the observer"), body
        ),
    ]


def code_first(items: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return rows with the first cell as code."""
    return [(f"`{name}`", meaning) for name, meaning in items]
