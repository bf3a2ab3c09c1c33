"""The page of errors, from their classes and from what raises them."""

from __future__ import annotations

import importlib
import inspect
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import cast

import griffe
import gymnasium as gym

ROOT = Path(__file__).parents[2]
PACKAGES = {"neurotasks": ROOT, "neurotasks_baselines": ROOT / "baselines"}
CURES_OF_GYMNASIUM = {
    "DependencyNotInstalled": "Run the `pip install` command of the message.",
    "Error": 'A window needs a screen: pass `render_mode="rgb_array"`, or play with `--terminal`.',
    "InvalidAction": "Pass an action of `env.action_space`; of a vector environment, one per "
    "sub-environment.",
    "InvalidProbability": "Give probabilities in [0, 1].",
    "ResetNeeded": "Call `env.reset()` first, and again when an episode is over.",
    "UnregisteredEnv": "Run `import neurotasks` first, spell the id as the message suggests, and "
    "register a custom task (at the command with `--import FILE`).",
}


def errors_page() -> str:
    """Return every error that is raised: what it is, where it is raised, and its cure."""
    raised = raised_by()
    parts = ["## Errors of neurotasks"]
    parts += [entry(error, cure(error), raised[error.__name__]) for error in our_errors()]
    parts.append("## Errors of Gymnasium that neurotasks raises")
    for name in sorted(set(raised) & set(vars(gym.error))):
        parts.append(entry(getattr(gym.error, name), CURES_OF_GYMNASIUM[name], raised[name]))
    return "\n\n".join(parts)


def entry(error: type[Exception], cure: str, raised_by: list[str]) -> str:
    """Return what the page says of an error."""
    what = inspect.getdoc(error) or ""
    bases = ", ".join(f"`{base.__name__}`" for base in error.__bases__)
    lines = [
        f"### `{error.__name__}`",
        " ".join(what.partition("\nCure: ")[0].split()),
        f"**Cure:** {cure}",
        f"Import from `{error.__module__}`; a kind of {bases}.",
    ]
    if raised_by:
        lines.append("Raised by " + ", ".join(f"`{place}`" for place in raised_by) + ".")
    return "\n\n".join(lines)


def cure(error: type[Exception]) -> str:
    """Return the paragraph "Cure: ..." of an error's docstring, empty if there is none."""
    found = re.search(r"^Cure: (.+?)(\n\n|\Z)", inspect.getdoc(error) or "", re.M | re.S)
    return " ".join(found[1].split()) if found else ""


def our_errors() -> list[type[Exception]]:
    """Return the error classes of both packages, those of the modules of errors first."""
    paths = [item.canonical_path for item in objects() if item.is_class]
    paths = [path for path in paths if path.endswith("Error")]
    paths.sort(key=lambda path: ".errors." not in path)
    return [getattr(importlib.import_module(module), name) for module, name in map(split, paths)]


def raised_by() -> dict[str, list[str]]:
    """Return what raises each error, as the "Raises" sections of public docstrings say."""
    found: dict[str, list[str]] = defaultdict(list)
    for item in objects():
        if item.docstring is None or "._" in item.canonical_path:
            continue
        for section in item.docstring.parse("google", warn_missing_types=False, warnings=False):
            if section.kind is griffe.DocstringSectionKind.raises:
                for error in section.value:
                    found[split(str(error.annotation))[1]].append(item.canonical_path)
    return found


def split(path: str) -> tuple[str, str]:
    """Return a dotted path without its last name, and that name."""
    return path.rpartition(".")[0], path.rpartition(".")[2]


@cache
def objects() -> tuple[griffe.Object, ...]:
    """Return the functions and classes that both packages define, in the order of their files."""
    found: list[griffe.Object] = []

    def collect(parent: griffe.Object) -> None:
        modules = sorted(parent.modules.values(), key=lambda module: module.name)
        for item in (*parent.classes.values(), *parent.functions.values(), *modules):
            if isinstance(item, griffe.Object):  # none that is imported
                found.append(item)
                collect(item)

    for name, folder in PACKAGES.items():
        collect(cast("griffe.Object", griffe.load(name, search_paths=[folder])))
    return tuple(found)
