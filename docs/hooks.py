"""Writes the task pages and the tables of other pages from the code while the site is built.

A page per task file, for all ids registered for it: ``neurotasks/tasks/two_step.py`` becomes
``tasks/two_step.md``.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import importlib
import io
import json
import math
import pkgutil
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import griffe
import gymnasium as gym
import numpy as np
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from PIL import Image

import neurotasks
from neurotasks import scores
from neurotasks.core.env import TaskEnv
from neurotasks.core.task import Task, load
from neurotasks.core.vector_env import TaskVectorEnv
from neurotasks.observers import Oracle, reference_observer
from neurotasks_baselines.benchmarks.tables import fill_in
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.report import number
from neurotasks_baselines.training.hyperparameters import TABLE, Hyperparameters

HERE = Path(__file__).parent
WIDE, HIGH, LEFT = 58, 20, 140  # of a diagram's steps, rows and row names, in pixels

Step = tuple[Any, int, float]  # observation, action, reward

BEFORE_ARGUMENTS = "Episode End"  # in Gymnasium's order of sections the arguments follow it
SECTIONS = (
    *("Description", "Action Space", "Observation Space", "Rewards", "Starting State"),
    *(BEFORE_ARGUMENTS, "Arguments", "References", "Version History"),
)
CORE_KEYWORDS = ("feedback", "split", "trial_log")
MANY = 12  # components beyond which an observation's are listed as a range


def on_config(config: MkDocsConfig) -> None:
    """Put the page of every task into the navigation, in the order of the table of ids."""
    (tasks,) = (entry["Tasks"] for entry in config.nav or [] if "Tasks" in entry)
    tasks[:0] = [{in_words(load(place)): task_path(place)} for place in families()]


def families() -> dict[str, list[str]]:
    """Return the ids registered for each task, the one with the paper's defaults first."""
    found: dict[str, list[str]] = {}
    for id, keywords in neurotasks.TASKS.items():
        found.setdefault(keywords["task"], []).append(id)
    return found


def task_path(place: str) -> str:
    """Return where the page of a task is."""
    return f"tasks/{place.partition(':')[0].rpartition('.')[2]}.md"


def in_words(task: Task) -> str:
    """Return the name of a task in words: ``TwoStep`` is "Two step"."""
    return re.sub(r"(?<=[a-z])[A-Z]", lambda letter: f" {letter[0].lower()}", task.name)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of every task."""
    for place, ids in families().items():
        files.append(File.generated(config, task_path(place), content=task_page(place, ids)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put a table where a page asks for it."""
    for name, table in {"hyperparameters": hyperparameter_table, "scores": score_table}.items():
        marker = f"<!-- {name} -->"
        if marker in markdown:
            markdown = markdown.replace(marker, table())
    markdown = re.sub(r"<!-- modules of (\S+) -->", lambda mark: modules(mark[1]), markdown)
    return fill_in(markdown, HERE / "performance")


def modules(package: str) -> str:
    """Return the API of all modules of a package, for mkdocstrings."""
    found = pkgutil.iter_modules(importlib.import_module(package).__path__)
    names = (module.name for module in found if not module.name.startswith("_"))
    return "\n\n".join(f"::: {package}.{name}" for name in names)


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
    sections["Description"] += "\n\n" + timing(task, ids[0])
    parts = [f"# {task.name}", summary, *animation(ids[0]), ids_table(ids), make_line(ids[0])]
    for title in SECTIONS:
        if title == "References":
            found = finding(task, ids)
            parts += ["## Published finding", *found] if found else []
            parts += ["## Reference observer", *reference(ids)]
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
        differs = ", ".join(f"`{k}={v!r}`" for k, v in gym.spec(id).kwargs.items())
        body.append((f"`{id}`", differs or "the defaults below"))
    return rows(("id", "parameters"), body)


def task_table() -> str:
    """Return the table of all tasks, which the README holds."""
    body = []
    for place, ids in families().items():
        task = load(place)
        summary, sections = split_sections(task.doc)
        published = re.search(r"^- (.+?)\.?$", sections["References"], re.MULTILINE)
        first, *presets = (f"`{id}`" for id in ids)
        names = ", ".join((first, *(preset.replace("neurotasks/", "") for preset in presets)))
        observers = dict.fromkeys(type(reference_observer(gym.make(id))).__name__ for id in ids)
        body.append(
            (
                names,
                " ".join(summary.split()).rstrip("."),
                published[1] if published else "",
                ", ".join(f"`{name}`" for name in observers),
            )
        )
    return rows(("id", "task", "published in", "reference observer"), body)


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


def linked(source: str) -> str:
    """Return a parameter's source with its keys, ``[KEY]``, as links."""
    return re.sub(r"\[(\w+)\]", lambda key: f"{key[0]}(../sources.md#{key[1].lower()})", source)


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
    parameters = task.parameters()
    dtype = task.dtype(parameters)
    for name, field in task.options.items():
        kind, shape = dtype[name].base.kind, dtype[name].shape
        what = "number" if kind == "f" else "integer"
        size = f"{shape[0]} {what}s" if shape else what
        ends = f"{field.low:g} to {field.largest(parameters):g}"
        body.append((f"`{name}`", f"{size}, {ends}", field.doc))
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


def animation(id: str) -> list[str]:
    """Return the picture of a task being played, if there is one."""
    name = gym.spec(id).name
    path = f"animations/{name}.gif"
    title = f"The reference observer plays {name}; on the right what is hidden"
    return [f"![{title}](../{path})"] if (HERE / path).exists() else []


def finding(task: Task, ids: Sequence[str]) -> list[str]:
    """Return what was published about a task, and what our agents show of it."""
    parts = [task.finding] if task.finding else []
    claims = json.loads((HERE / "claims.json").read_text())
    for name, experiment in EXPERIMENTS.items():
        if not {training.id for training in experiment.trainings.values()} & set(ids):
            continue
        parts += [
            f"**{experiment.title}**. {experiment.question}",
            f"`neurotasks reproduce {name}` measures it on our agents.",
        ]
        body = [
            (c["claim"], c["published"], c["accept"], number(c["measured"]), verdict(c))
            for c in claims
            if c["experiment"] == name
        ]
        if body:
            parts += [
                rows(("claim", "published", "wanted", "ours", ""), body),
                "Sources and intervals are in the [results](../results.md).",
            ]
    return parts


def verdict(claim: dict[str, Any]) -> str:
    """Return whether a claim held."""
    return "held" if claim["passed"] else "**missed**"


def reference(ids: Sequence[str]) -> list[str]:
    """Return who plays a task best, and the returns between which scores lie."""
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
        "`neurotasks.scores.normalized_score` puts other returns [between them](../benchmark.md).",
        rows(("id", "observer", "return of random choices", "return of the observer"), body),
    ]


def score_table() -> str:
    """Return what agents reach on every task, between random choices and the reference observer."""
    path = HERE / "agents.json"
    if not path.exists():
        return "No scores are stored yet. `neurotasks benchmark agents --out docs` makes them."
    found = json.loads(path.read_text())
    agents = list(dict.fromkeys(entry["agent"] for entry in found))
    cells = {(entry["id"], entry["agent"]): entry for entry in found}
    body = []
    for id in dict.fromkeys(entry["id"] for entry in found):
        steps = f"{next(entry['steps'] for entry in found if entry['id'] == id):,}"
        scored = [
            mean_and_range(cells[id, agent]["scores"]) if (id, agent) in cells else ""
            for agent in agents
        ]
        body.append((f"`{id.partition('/')[2]}`", steps, "0", *scored, "1"))
    return rows(("task", "steps", "random", *agents, "reference observer"), body)


def mean_and_range(values: Sequence[float]) -> str:
    """Return the mean over seeds, and the smallest and largest value."""
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def timing(task: Task, id: str) -> str:
    """Return diagrams of one trial of each kind, as `Oracle` plays it."""
    keywords = task.diagram_parameters
    env: Any = gym.make(id, split="test", trial_log=True, **keywords)
    kind = task.diagram_column
    first, last = (0, 0) if kind is None else possible(env, kind)
    trials: dict[int, list[Step]] = {}
    for seed in range(1000):
        for steps, row in played(env, seed):
            trials.setdefault(int(row[kind]) if kind else 0, steps)
        if len(trials) > last - first:
            break
    text = (
        "A trial step by step, played by `Oracle`, who knows all. A reward stands under the action "
        "that brought it, and is fed back in the next step."
    )
    if keywords:
        text += f" Drawn with `{', '.join(f'{k}={v}' for k, v in keywords.items())}`."
    if kind:
        text += f" `{kind}`: {task.columns[kind]}."
    drawn = (
        diagram(env.unwrapped, steps, f"{kind} = {value}" if kind else "step")
        for value, steps in sorted(trials.items())
    )
    return "\n\n".join((text, *(f'<div style="overflow-x:auto">{svg}</div>' for svg in drawn)))


def possible(env: Any, kind: str) -> tuple[int, int]:
    """Return the smallest and the largest value of a column that tells kinds of trials apart."""
    field = env.unwrapped.task.state[kind]
    if field.low is None:
        return 0, 1
    return int(field.low), int(field.largest(env.unwrapped.parameters))


def played(env: Any, seed: int) -> list[tuple[list[Step], Any]]:
    """Let `Oracle` play an episode; return the steps of each trial and its row of the table."""
    player, trials, over = Oracle(env), [[]], False
    env.unwrapped.trial_table(clear=True)
    observation, _ = env.reset(seed=seed)
    while not over:
        action = int(player.predict(observation)[0])
        seen = observation
        observation, reward, over, _, info = env.step(action)
        trials[-1].append((seen, action, reward))
        if info["new_trial"] and not over:
            trials.append([])
    table = env.unwrapped.trial_table()
    return list(zip(trials, table.to_dict("records"), strict=True))


def diagram(env: TaskEnv, steps: Sequence[Step], title: str) -> str:
    """Return a trial as an inline SVG in the page's own colours: steps are columns.

    Args:
        env: whose names of stimuli and actions stand at the rows.
        steps: observation, action and reward of each.
        title: in the upper left corner.

    Returns:
        The SVG.
    """
    parts = [label(LEFT - 8, HIGH / 2, title, "end")]
    names = list(env.stimulus_names)
    pictures = env.task.image_shape is not None or len(names) > MANY
    top = WIDE + HIGH if pictures else (len(names) + 1) * HIGH
    if pictures:
        parts.append(label(LEFT - 8, HIGH + WIDE / 2, "what is seen", "end"))
    for i, name in enumerate([] if pictures else names, start=1):
        parts.append(label(LEFT - 8, (i + 0.5) * HIGH, name, "end"))
    for i, name in enumerate(("action", "reward")):
        parts.append(label(LEFT - 8, top + (i + 0.5) * HIGH, name, "end"))
    for t, (seen, action, reward) in enumerate(steps):
        x = LEFT + t * WIDE
        parts.append(label(x + WIDE / 2, HIGH / 2, str(t + 1)))
        if pictures:
            parts.append(picture(env, seen, x))
        for i, value in enumerate([] if pictures else seen[env.layout["stimulus"]], start=1):
            parts.append(
                f'<rect x="{x + 1}" y="{i * HIGH + 1}" width="{WIDE - 2}" height="{HIGH - 2}" '
                f'fill-opacity="{0.06 + 0.74 * value:.2f}"/>'
            )
        words = env.action_names[action], f"{reward:.3g}"
        parts += [label(x + WIDE / 2, top + (i + 0.5) * HIGH, w) for i, w in enumerate(words)]
    size = f'width="{LEFT + len(steps) * WIDE}" height="{top + 2 * HIGH}"'
    style = 'role="img" aria-label="a trial, step by step" fill="currentColor" font-size="11"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(parts)}</svg>'


def label(x: float, y: float, text: str, anchor: str = "middle") -> str:
    """Return a text of a diagram."""
    place = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}" dominant-baseline="central"'
    return f"<text {place}>{html.escape(text)}</text>"


def picture(env: TaskEnv, seen: Any, x: int) -> str:
    """Return an observed image, or a row of pixels, as a part of a diagram."""
    if isinstance(seen, dict):
        pixels = seen["image"]
    else:
        pixels = np.round(255 * seen[env.layout["stimulus"]]).astype(np.uint8).reshape(1, -1, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    size = f'x="{x + 1}" y="{HIGH}" width="{WIDE - 2}" height="{WIDE - 2}"'
    style = 'preserveAspectRatio="none" style="image-rendering:pixelated"'
    return f'<image {size} {style} href="{source}"/>'


def code_first(items: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return rows with the first cell as code."""
    return [(f"`{name}`", meaning) for name, meaning in items]


def rows(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in lines)
