"""The parts of a task, and what the two environment classes need to know of them."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.core.parameters import Parameters
from neurotasks.errors import TaskDefinitionError, nearest
from neurotasks.rendering.frame import Item

# What every lane holds, whatever the task. `key` names the next episode's world, `world` the
# present one, `stream` is the running generator.
CORE_FIELDS: list[tuple[str, Any]] = [
    ("key", np.uint64),
    ("world", np.uint64),
    ("stream", np.uint64),
    ("reward", np.float64),
    ("trial_reward", np.float64),
    ("episode", np.int64),
    ("trial", np.int64),
    ("trials", np.int64),
    ("step", np.int64),
    ("trial_start", np.int64),
    ("action", np.int64),
    ("new_trial", np.bool_),
    ("over", np.bool_),
]

CORE_INFO = {
    "trial": "index of the trial in the episode, from 0",
    "new_trial": "whether this observation is the first of a trial",
}

CORE_COLUMNS = {
    "env": "which copy of a vector environment (0 in a single one)",
    "episode": "index of the episode on its lane since the last seeding, from 0",
    "trial": "index of the trial in the episode, from 0",
    "steps": "steps the trial took",
    "trial_reward": "sum of all rewards of the trial, penalties included",
}


@dataclasses.dataclass(frozen=True)
class Field:
    """One variable of a task's state.

    Attributes:
        dtype: numpy type, or (type, shape) for an array; a word in the shape is the parameter
            that says how many.
        doc: what it means, and its coding.
        info: whether it is published in ``info``.
        column: whether it is a column of the trial table.
        low: smallest value that ``reset(options=...)`` may fix; with `high`, makes it an option.
        high: largest value that ``reset(options=...)`` may fix; a word is the parameter, or the
            property of the parameters, that says it.
        valid: further condition on an option: from an array of values, (lanes, ...), which lanes
            fulfil it; `doc` says it in words.
    """

    dtype: Any
    doc: str
    info: bool = False
    column: bool = False
    low: float | None = None
    high: float | str | None = None
    valid: Callable[[NDArray[Any]], NDArray[np.bool_]] | None = None

    def largest(self, parameters: Parameters) -> Any:
        """Return the largest value that ``reset(options=...)`` may fix."""
        return getattr(parameters, self.high) if isinstance(self.high, str) else self.high


@dataclasses.dataclass(frozen=True)
class Task:
    """A task: its parameters, its state, its rules, and the words for what an agent meets.

    The rules work on one lane (a record that holds the core's fields, `neurotasks.core.task.
    CORE_FIELDS`, and the task's own) and on ``p``, a record of the parameters to which the core
    adds ``test`` (bool, from ``split=``):

    * ``begin(lane, p)`` draws what is hidden for an episode;
    * ``new_trial(lane, p)`` prepares the trial ``lane.trial``;
    * ``step(lane, p, action) -> (reward, trial_over)`` is the effect of one action;
    * ``observe(lane, p, stimulus)`` writes what is seen now into a zeroed float32 vector, or, in a
      task with an `image_shape`, into a zeroed uint8 image.

    The core counts trials, ends the episode, feeds back the last action and reward, logs trials.

    Attributes:
        name: the task's name, as in its id.
        doc: the docstring of the environment, in Gymnasium's sections.
        parameters: a subclass of `Parameters`.
        state: the task's own fields by name.
        actions: from the parameters, the names of the actions.
        stimulus: from the parameters, the names of the components of the stimulus, all in [0, 1].
        reward_range: from the parameters, the smallest and the largest reward of a step.
        begin: rule, see above.
        new_trial: rule, see above.
        step: rule, see above.
        observe: rule, see above.
        image_shape: (height, width, 3) where the subject sees an image; the observation is then a
            ``Dict`` of ``"image"`` and ``"feedback"``, or the image alone without feedback.
        picture: from a lane's record and the parameters, what `render` draws of the subject's
            screen; by default the names of what is seen.
    """

    name: str
    doc: str
    parameters: type[Parameters]
    state: dict[str, Field]
    actions: Callable[[Any], tuple[str, ...]]
    stimulus: Callable[[Any], tuple[str, ...]]
    reward_range: Callable[[Any], tuple[float, float]]
    begin: Callable[..., Any]
    new_trial: Callable[..., Any]
    step: Callable[..., Any]
    observe: Callable[..., Any]
    image_shape: tuple[int, int, int] | None = None
    picture: Callable[[Any, Any], list[Item]] | None = None

    def __post_init__(self) -> None:
        """Refuse a state field that hides one of the core's."""
        clash = {name for name, _ in CORE_FIELDS} & set(self.state)
        if clash:
            raise TaskDefinitionError(
                f"The state of {self.name} has the field(s) {sorted(clash)}, which the core keeps "
                "for every task. Rename them."
            )

    def dtype(self, parameters: Parameters) -> np.dtype[np.void]:
        """Return the record of one lane: the core's fields, then the task's."""
        own: list[Any] = []
        for name, field in self.state.items():
            kind, shape = field.dtype if isinstance(field.dtype, tuple) else (field.dtype, ())
            sizes = [getattr(parameters, n) if isinstance(n, str) else n for n in shape]
            own.append((name, kind, tuple(sizes)))
        return np.dtype(CORE_FIELDS + own, align=True)

    @cached_property
    def info(self) -> dict[str, str]:
        """The keys of ``info`` and what they mean."""
        return CORE_INFO | {name: f.doc for name, f in self.state.items() if f.info}

    @cached_property
    def columns(self) -> dict[str, str]:
        """The columns of the trial table and what they mean."""
        return CORE_COLUMNS | {name: f.doc for name, f in self.state.items() if f.column}

    @cached_property
    def options(self) -> dict[str, Field]:
        """What ``reset(options=...)`` can fix."""
        return {name: field for name, field in self.state.items() if field.low is not None}


def load(task: str | Task) -> Task:
    """Return the task that ``"package.module:NAME"`` points at.

    Args:
        task: where the task is, or the task itself.

    Returns:
        The task.

    Raises:
        TaskDefinitionError: if there is no task.
    """
    if isinstance(task, Task):
        return task
    module_name, _, attribute = str(task).partition(":")
    wanted = f"{task!r} should be 'module:NAME' of a neurotasks.core.Task, but"
    try:
        module = importlib.import_module(module_name)
    except (ModuleNotFoundError, ValueError) as error:
        raise TaskDefinitionError(
            f"{wanted} importing {module_name!r} failed: {error}. Check the name, and that the "
            "module can be imported from here."
        ) from error
    found = getattr(module, attribute, None)
    if not isinstance(found, Task):
        tasks = [name for name, value in vars(module).items() if isinstance(value, Task)]
        raise TaskDefinitionError(
            f"{wanted} {module_name} has no task {attribute!r}. {nearest(attribute, tasks)}"
        )
    return found
