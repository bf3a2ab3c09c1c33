"""Trainings that are done once: what describes one names its directory, in which it resumes."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import marshal
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym

from neurotasks.files import write_whole
from neurotasks_baselines.errors import OtherCodeError, RunDirectoryError
from neurotasks_baselines.files import check_fields, json_text, read_json
from neurotasks_baselines.training.hyperparameters import Hyperparameters

ROOTS = ("neurotasks_baselines.training.train",)
OURS = {"neurotasks", "neurotasks_baselines"}
LIBRARIES = ("gymnasium", "numba", "numpy", "sb3-contrib", "stable-baselines3", "torch")
RESULT = "result.json"


class DirectoryJob(ABC):
    """A job that keeps what it has done in a directory, which its description names.

    Attributes:
        root: Parent of the directories, an absolute path: other nodes have other working
            directories.
        code: Digest of the code that trains; that of this process by default.
    """

    root: Path
    code: str

    @property
    @abstractmethod
    def label(self) -> str:
        """Beginning of the name of the directory, for people."""

    @property
    @abstractmethod
    def description(self) -> dict[str, Any]:
        """What tells jobs apart, as JSON has it."""

    @abstractmethod
    def code_here(self) -> str:
        """Return the digest of the code of this process."""

    @property
    def directory(self) -> Path:
        """Directory of the job."""
        text = json.dumps(self.description, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self.root / f"{self.label}-{digest}"

    def result(self, made_by: str = "") -> Any | None:
        """Return the result of the job, None if there is none yet.

        Args:
            made_by: Digest of what makes it of what was trained; a result of another one is none.

        Raises:
            RunDirectoryError: If the result in the directory cannot be read.
        """
        file = self.directory / RESULT
        try:
            found = read_json(file)
            check_fields(found, {"made_by": str, "result": Any})
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise RunDirectoryError(
                f"{file} must hold the result of a training; got {error}. Delete it, and the "
                "result is made anew."
            ) from error
        return found["result"] if found["made_by"] == made_by else None

    def once(self, work: Callable[[Path], Any], made_by: str = "") -> Any:
        """Return the result of the job; if it is not in the directory, do the work first.

        Args:
            work: Function from the directory to a result that JSON can hold, and that is not None.
                It trains there with `neurotasks_baselines.train`, so that it resumes from the last
                checkpoint.
            made_by: Digest of what makes the result of what was trained.

        Raises:
            OtherCodeError: If the code of this process is not that of the job.
            RunDirectoryError: If the result in the directory cannot be read.
        """
        found = self.result(made_by)
        if found is not None:
            return found
        if self.code != self.code_here():
            raise OtherCodeError(
                f"Code and libraries on {platform.node()} must be those of the process that sent "
                "the job; got others. Install the same versions on all nodes."
            )
        text = json_text({"made_by": made_by, "result": work(self.directory)})
        write_whole(self.directory / RESULT, text)
        return json.loads(text)["result"]


@dataclass(frozen=True)
class TrainingJob(DirectoryJob):
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
        object.__setattr__(self, "root", self.root.absolute())
        if not self.code:
            object.__setattr__(self, "code", self.code_here())

    @property
    def label(self) -> str:
        """Name of the task, and the seed."""
        return f"{self.id.rpartition('/')[2]}-seed{self.seed}"

    @property
    def description(self) -> dict[str, Any]:
        """Task, parameters, hyperparameters, seed and code."""
        arguments = {
            "id": self.id,
            "seed": self.seed,
            "task_kwargs": self.task_kwargs,
            "hyperparameters": self.hyperparameters.to_json(),
            "code": self.code,
        }
        described: dict[str, Any] = json.loads(json_text(arguments))
        return described

    def code_here(self) -> str:
        """Return the digest of the code that trains here."""
        return code_digest(self.id)


@cache
def code_digest(id: str, *, roots: tuple[str, ...] | None = None) -> str:
    """Return a digest of the code that a training runs: its modules, and versions of libraries.

    Comments, docstrings and formatting do not change it, nor do modules that are not imported.

    Args:
        id: Id of the task.
        roots: Modules that import all the others but the task's; that of `train` by default.
    """
    home = str(gym.spec(id).entry_point).partition(":")[0]
    waiting, found = [*(ROOTS if roots is None else roots), home], dict[str, str]()
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
