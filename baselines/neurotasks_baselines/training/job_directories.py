"""Trainings that are done once: what describes one names its directory, in which it resumes."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import marshal
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym

from neurotasks.files import write_whole
from neurotasks_baselines.errors import OtherCodeError, RunDirectoryError
from neurotasks_baselines.files import json_text, read_json
from neurotasks_baselines.training.hyperparameters import Hyperparameters

ROOTS = ("neurotasks_baselines.training.train",)
OURS = {"neurotasks", "neurotasks_baselines"}
LIBRARIES = ("gymnasium", "numba", "numpy", "sb3-contrib", "stable-baselines3", "torch")
RESULT = "result.json"


@dataclass(frozen=True)
class TrainingJob:
    """A training, which is the same one wherever its description is the same.

    Attributes:
        id: Id of the task.
        seed: Seed of the training.
        hyperparameters: Hyperparameters of the agent.
        root: Parent of the run directories.
        task_kwargs: Parameters of the task.
        code: Digest of the code that trains it; that of this process by default.
    """

    id: str
    seed: int
    hyperparameters: Hyperparameters
    root: Path
    task_kwargs: dict[str, Any] = field(default_factory=dict)
    code: str = ""

    def __post_init__(self) -> None:
        """Take the code of this process where none is given, and an absolute path."""
        object.__setattr__(self, "root", self.root.absolute())  # other nodes have other cwds
        if not self.code:
            object.__setattr__(self, "code", code_digest(self.id))

    @property
    def description(self) -> dict[str, Any]:
        """What tells trainings apart, as JSON has it."""
        arguments = {
            "id": self.id,
            "seed": self.seed,
            "task_kwargs": self.task_kwargs,
            "hyperparameters": self.hyperparameters.to_json(),
            "code": self.code,
        }
        described: dict[str, Any] = json.loads(json_text(arguments))
        return described

    @property
    def directory(self) -> Path:
        """Run directory, named by the description."""
        text = json.dumps(self.description, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        name = self.id.rpartition("/")[2]
        return self.root / f"{name}-seed{self.seed}-{digest}"

    def once(self, work: Callable[[Path], Any]) -> Any:
        """Return the result of the training; if it is not in the directory, do the work first.

        Args:
            work: Function from the run directory to a result that JSON can hold. It trains there
                with `neurotasks_baselines.train`, so that it resumes from the last checkpoint.

        Raises:
            OtherCodeError: If the code of this process is not that of the job.
            RunDirectoryError: If the result in the directory cannot be read.
        """
        file = self.directory / RESULT
        if file.exists():
            try:
                return read_json(file)
            except ValueError as error:
                raise RunDirectoryError(
                    f"{file} must hold the result of a training; got {error}. Delete it, and the "
                    "result is made anew."
                ) from error
        if self.code != code_digest(self.id):
            raise OtherCodeError(
                f"Code and libraries on {platform.node()} must be those of the process that sent "
                "the job; got others. Install the same versions on all nodes."
            )
        text = json_text(work(self.directory))
        write_whole(file, text)
        return json.loads(text)


@cache
def code_digest(id: str) -> str:
    """Return a digest of the code that a training runs: its modules, and versions of libraries.

    Comments, docstrings and formatting do not change it, nor do modules that no training imports.

    Args:
        id: Id of the task.
    """
    home = str(gym.spec(id).entry_point).partition(":")[0]
    waiting, found = [*ROOTS, home], dict[str, str]()
    packages = OURS | {home.partition(".")[0]} - {"gymnasium"}
    while waiting:
        name = waiting.pop()
        if name in found or name.partition(".")[0] not in packages:
            continue
        spec = _spec(name)
        if spec is None:  # a name in a module, or none here
            continue
        tree, code = _parsed(spec)
        found[name] = hashlib.sha256(code).hexdigest()
        waiting += [*_imported(tree), *_parents(name)]
    versions = {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()}
    text = json.dumps([found, versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _spec(name: str) -> Any:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):  # its parent is no package
        return None


def _parsed(spec: Any) -> tuple[ast.AST, bytes]:
    """Return the syntax tree of a module, and what its digest is made of."""
    source = spec.loader.get_source(spec.name)
    if source is None:  # there are compiled files only
        return ast.Module([], []), marshal.dumps(spec.loader.get_code(spec.name))
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            del node.body[: ast.get_docstring(node) is not None]
    return tree, ast.dump(tree).encode()


def _imported(tree: ast.AST) -> list[str]:
    """Return the names of what a module imports; some are of things in modules."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]
