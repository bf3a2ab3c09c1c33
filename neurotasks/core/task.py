"""The parts of a task, and what the two environment classes need to know of them."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from neurotasks.core.parameters import Parameters
from neurotasks.core.places import pointed_at
from neurotasks.errors import TaskDefinitionError
from neurotasks.rendering.frame import Item

if TYPE_CHECKING:
    from neurotasks.core.env import TaskEnv
    from neurotasks.core.vector_env import TaskVectorEnv

# What every lane holds, whatever the task. `key` names the next episode's world, `world` the
# present one, `stream` is the running generator.
CORE_FIELDS: list[tuple[str, Any]] = [
    ("key", np.uint64),
    ("world", np.uint64),
    ("stream", np.uint64),
    ("last_reward", np.float64),
    ("reward", np.float64),
    ("trial_reward", np.float64),
    ("episode", np.int64),
    ("trial", np.int64),
    ("trials", np.int64),
    ("step", np.int64),
    ("trial_start", np.int64),
    ("last_action", np.int64),
    ("outcome", np.int8),
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
    "outcome": "1 rewarded, 0 unrewarded, -1 no outcome, as in an invalid trial",
    "reward": "reward of the outcome, or the penalty that ended the trial",
    "trial_reward": "sum of all rewards of the trial, penalties included",
}


@dataclasses.dataclass(frozen=True)
class Field:
    """One variable of a task's state.

    Attributes:
        dtype: Numpy type, or (type, shape) for an array; a name in the shape stands for the value
            of that parameter.
        doc: Meaning and coding of the variable.
        info: Whether it is published in ``info``.
        column: Whether it is a column of the trial table.
        low: Smallest value that ``reset(options=...)`` may fix; with `high`, makes it an option.
        high: Largest value that ``reset(options=...)`` may fix; a name stands for the value of that
            parameter or property of the parameters.
        valid: Further condition on an option: function from an array of values, (lanes, ...), to
            the lanes that fulfil it; `doc` states it in words.
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
    * ``step(lane, p, action) -> (reward, trial_over)`` is the effect of one action; it sets
      ``lane.outcome`` (1 rewarded, 0 unrewarded) and ``lane.reward`` for the trial table when the
      trial has its outcome, which before that are -1 and 0;
    * ``observe(lane, p, stimulus)`` writes what is seen now into a zeroed float32 vector, or, in a
      task with an `image_shape`, into a zeroed uint8 image.

    The core counts trials, ends the episode, feeds back the last action and reward, logs trials.

    Attributes:
        name: Name of the task, as in its id.
        doc: Docstring of the environment, in Gymnasium's sections.
        parameters: Subclass of `Parameters`.
        state: The task's own fields by name.
        actions: Function from the parameters to the names of the actions.
        stimulus: Function from the parameters to the names of the stimulus components, all in
            [0, 1].
        reward_range: Function from the parameters to the smallest and the largest reward of a step.
        begin: Rule that draws an episode, see above.
        new_trial: Rule that prepares a trial, see above.
        step: Rule for one action, see above.
        observe: Rule that writes what is seen, see above.
        image_shape: Shape (height, width, 3) where the subject sees an image; the observation is
            then a ``Dict`` of ``"image"`` and ``"feedback"``, or the image alone without feedback.
        picture: Function from a lane's record and the parameters to what `render` draws of the
            subject's screen; by default the names of what is seen.
        observer: Place of the reference observer, ``"module:Name"``, called as ``(env, seed)``; by
            default `neurotasks.observers.Oracle`, which needs a field ``best_action``.
        behaviour: Place of the measure that shows how somebody plays the task, ``"module:NAME"``
            of a `neurotasks.analysis.behaviour.Behaviour`; by default the reward per trial.
        finding: Published finding that the task is for, in Markdown, with its source.
        diagram_column: Column of the trial table that distinguishes the trials whose diagrams the
            task's page shows; by default it shows one trial.
        diagram_parameters: Parameters with which trials are short enough for a diagram.
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
    observer: str = "neurotasks.observers.base:Oracle"
    behaviour: str = "neurotasks.analysis.behaviour:REWARD_BY_QUARTER"
    finding: str = ""
    diagram_column: str | None = None
    diagram_parameters: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a state field that hides one of the core's."""
        clash = {name for name, _ in CORE_FIELDS} & set(self.state)
        if clash:
            raise TaskDefinitionError(
                f"The state of {self.name} has the field(s) {sorted(clash)}, which the core keeps "
                "for every task. Rename them."
            )

    def __call__(self, **keywords: Any) -> TaskEnv | TaskVectorEnv:
        """Make an environment, or with ``num_envs`` a vector environment: Gymnasium's entry point.

        Args:
            **keywords: Arguments of `env_class` or `vector_env_class`.

        Returns:
            The environment.
        """
        return (self.vector_env_class if "num_envs" in keywords else self.env_class)(**keywords)

    @cached_property
    def env_class(self) -> type[TaskEnv]:
        """The class of the task's environments, ``TwoStepEnv``; one for all its presets."""
        from neurotasks.core.env import TaskEnv

        return self._subclass(TaskEnv, "Env", "env_class")

    @cached_property
    def vector_env_class(self) -> type[TaskVectorEnv]:
        """The class of the task's vector environments, ``TwoStepVectorEnv``."""
        from neurotasks.core.vector_env import TaskVectorEnv

        return self._subclass(TaskVectorEnv, "VectorEnv", "vector_env_class")

    def _subclass(self, base: type[Any], suffix: str, attribute: str) -> type[Any]:
        """Return a subclass that pickle finds as an attribute of this task."""
        module, variable = self._place()
        names: dict[str, Any] = {"__module__": module, "__qualname__": f"{variable}.{attribute}"}
        names |= {"__doc__": self._env_doc(base)}
        return type(self.name + suffix, (base,), names | {"task": self})

    def _env_doc(self, base: type[Any]) -> str:
        """Return `doc` with a section about the arguments: the task's, then those of all tasks."""
        own = "".join(
            f"- `{field.name}` (default {field.default!r}): {field.metadata['doc']}.\n"
            for field in dataclasses.fields(self.parameters)
        )
        common = [
            f"- `{name}` (default {argument.default!r})"
            for name, argument in inspect.signature(base).parameters.items()
            if argument.kind is argument.KEYWORD_ONLY
        ]
        before, heading, after = self.doc.partition("## References")
        arguments = (
            f"## Arguments\n{own}\nOf every task, see `neurotasks.core.{base.__name__}`:\n\n"
        )
        return f"{before}{arguments}" + "\n".join(common) + f"\n\n{heading}{after}"

    @property
    def metadata(self) -> dict[str, Any]:
        """Metadata of `env_class`, which ``gymnasium.make`` asks its entry point for."""
        return self.env_class.metadata

    def __reduce__(self) -> str:
        """Return the name of the variable: a task is pickled by reference and never copied."""
        vars(self)["__module__"], variable = self._place()
        return variable

    def _place(self) -> tuple[str, str]:
        """Return the module and the name of a variable that holds this task."""
        home = self.begin.__module__
        for module in (home, *sys.modules):
            for variable, value in list(vars(sys.modules[module]).items()):
                if value is self:
                    return module, variable
        return home, self.name  # held by no module: it can be copied, but not pickled

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
    """Return the task behind an id or ``"package.module:NAME"``.

    Args:
        task: Registered id, place of the task, or the task itself.

    Returns:
        The task.

    Raises:
        TaskDefinitionError: If there is no task.
    """
    if isinstance(task, Task):
        return task
    place = gym.registry[task].entry_point if task in gym.registry else task
    found: Task = pointed_at(str(place), Task, f"The task {task!r}")
    return found
