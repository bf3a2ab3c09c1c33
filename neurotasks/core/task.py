"""The parts of a task, and what the two environment classes need to know of them."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from neurotasks.core.parameters import NO_CAP, Parameters
from neurotasks.core.places import pointed_at
from neurotasks.errors import TaskDefinitionError, nearest, shown
from neurotasks.rendering.frame import Item

if TYPE_CHECKING:
    from neurotasks.core.env import TaskEnv
    from neurotasks.core.vector_env import TaskVectorEnv

Bound = float | Callable[[Any], float]
Invariant = Callable[[Any, Any], NDArray[np.bool_]]
CODE = re.compile(r"(?:^|[,:] )(-?\d+) ([a-z][^,:;(]*)")  # "0 left" in the doc of a field
LARGEST_COUNT = 2**53  # of steps or episodes: more than a lane can play, and exact as a float

CORE_INFO = {
    "trial": "index of the trial in the episode, from 0",
    "new_trial": "whether this observation is the first of a trial",
}

CORE_COLUMNS = {
    "env": "which copy of a vector environment (0 in a single one)",
    "episode": "index of the episode in its sub-environment since the last seeding, from 0",
    "trial": "index of the trial in the episode, from 0",
    "steps": "steps the trial took",
    "outcome": "1 rewarded, 0 unrewarded, -1 neither, as in an invalid trial",
    "reward": "reward of the outcome, or the penalty that ended the trial",
    "trial_reward": "sum of all rewards of the trial, penalties included",
}

# Type, smallest and largest value of the core's columns.
CORE_COLUMN_RANGES: dict[str, tuple[Any, float, float]] = {
    "env": (np.int64, 0, NO_CAP),
    "episode": (np.int64, 0, NO_CAP),
    "trial": (np.int64, 0, NO_CAP),
    "steps": (np.int64, 1, NO_CAP),
    "outcome": (np.int8, -1, 1),
    "reward": (np.float64, -math.inf, math.inf),
    "trial_reward": (np.float64, -math.inf, math.inf),
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
        low: Smallest possible value, a number or a function from the parameters to one.
        high: Largest possible value, likewise. An integer needs both; a float without them may be
            any finite number; a bool has none.
        option: Whether ``reset(options=...)`` can fix it.
        valid: Further condition: function from an array of values, (lanes, ...), to the lanes that
            fulfil it; `doc` states it in words.
        unit: Unit of the values, as frames show it.
        names: Function from the parameters to the names of the values from 0 on, as frames show
            them; by default those in `doc`, "0 left, 1 right".
    """

    dtype: Any
    doc: str
    info: bool = False
    column: bool = False
    low: Bound | None = None
    high: Bound | None = None
    option: bool = False
    valid: Callable[[NDArray[Any]], NDArray[np.bool_]] | None = None
    unit: str = ""
    names: Callable[[Any], Sequence[str]] | None = None

    def words(self, parameters: Parameters) -> dict[int, str]:
        """Return the names of the values that have one."""
        if self.names is not None:
            return dict(enumerate(self.names(parameters)))
        return {int(code): name.strip() for code, name in CODE.findall(self.doc)}

    @property
    def base(self) -> np.dtype[Any]:
        """Type of a value, of kind ``"b"`` bool, ``"i"`` or ``"u"`` integer, or ``"f"`` float."""
        return np.dtype(self.dtype[0] if isinstance(self.dtype, tuple) else self.dtype)

    def range(self, parameters: Parameters) -> tuple[Any, Any]:
        """Return the smallest and the largest value that the field may have."""
        if self.low is None or self.high is None:
            if self.base.kind == "b":
                return 0, 1
            largest = float(np.finfo(self.base).max)
            return -largest, largest
        low, high = (b(parameters) if callable(b) else b for b in (self.low, self.high))
        return low, high


# What every lane holds, whatever the task.
CORE_FIELDS = {
    "key": Field(np.uint64, "word that the next episode's world is drawn from"),
    "world": Field(np.uint64, "word that the present episode's trials are drawn from"),
    "stream": Field(np.uint64, "state of the random number generator"),
    "last_reward": Field(np.float64, "previous reward"),
    "reward": Field(np.float64, "reward of the outcome, or the penalty that ended the trial"),
    "trial_reward": Field(np.float64, "sum of the trial's rewards so far"),
    "episode": Field(np.int64, "index of the episode since the last seeding, -1 before the first"),
    "trial": Field(np.int64, "index of the trial in the episode, from 0"),
    "trials": Field(np.int64, "trials in the episode"),
    "step": Field(np.int64, "steps taken in the episode"),
    "trial_start": Field(np.int64, "step at which the trial began"),
    "last_action": Field(np.int64, "previous action, -1 at the start of an episode"),
    "outcome": Field(np.int8, "1 rewarded, 0 unrewarded, -1 neither"),
    "new_trial": Field(np.bool_, "no step of the trial has been taken"),
    "over": Field(np.bool_, "the episode has ended, or has not begun"),
}

COUNTED = "env", "steps"  # columns of a trial table that are no fields of a lane


@dataclasses.dataclass(frozen=True)
class Task:
    """A task: its parameters, its state, its rules, and the words for what an agent meets.

    The rules work on one lane (a record that holds the core's fields, `neurotasks.core.task.
    CORE_FIELDS`, and the task's own) and on ``p``, a record of the parameters to which the core
    adds ``test`` (bool, from ``split=``):

    * ``begin(lane, p)`` draws what is hidden for an episode, and may lower ``lane.trials``;
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
            subject's screen, over the image if it sees one; by default the names of what is seen.
        goal: Function from the parameters to a sentence that tells a person what to do; by default
            the summary of `doc`.
        told: Function from a lane's record and the parameters to what the last action brought, in
            words, "" for nothing; by default the reward.
        step_seconds: Function from the parameters to how long a step lasts when a person plays, who
            takes action 0 by pressing no key; by default a step waits for a key.
        fill_in: Function from a lane's record, the parameters and the action of the last key in the
            trial (-1 none) to the action of a step that a person need not take a key for, None
            where they must; by default they must everywhere.
        invariants: Conditions on several fields at once, for states from outside: a sentence that
            names the fields in backticks -> function from the lanes' records and the parameters to
            the lanes that fulfil it.
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
    goal: Callable[[Any], str] | None = None
    told: Callable[[Any, Any], str] | None = None
    step_seconds: Callable[[Any], float] | None = None
    fill_in: Callable[[Any, Any, int], int | None] | None = None
    invariants: dict[str, Invariant] = dataclasses.field(default_factory=dict)
    observer: str = "neurotasks.observers.base:Oracle"
    behaviour: str = "neurotasks.analysis.behaviour:REWARD_BY_QUARTER"
    finding: str = ""
    diagram_column: str | None = None
    diagram_parameters: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse fields that hide the core's, are no numbers or any index; rules not compiled."""
        clash = set(CORE_FIELDS) & set(self.state)
        if clash:
            raise TaskDefinitionError(
                f"The state of {self.name} has the field(s) {sorted(clash)}, which the core keeps "
                "for every task. Rename them."
            )
        from neurotasks.core.rules import mix  # numba takes long to import

        for rule in (self.begin, self.new_trial, self.step, self.observe):
            if not isinstance(rule, type(mix)):  # an ordinary function where numba is off
                text = f"The rules of {self.name} must be compiled; got {shown(rule)}."
                raise TaskDefinitionError(f"{text} Write @rule above it.")
        for name, field in self.state.items():
            half = (field.low is None) != (field.high is None)
            kind = field.base.kind
            if kind not in "biuf" or half or (kind in "iu" and field.low is None):
                raise TaskDefinitionError(
                    f"The field {name!r} of {self.name} must be a bool, a float, or an integer "
                    f"with a range; got {field.dtype} with low={field.low}, high={field.high}. "
                    "Give both low and high: an integer may be an index, and states from outside "
                    "are checked against the range."
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
    def summary(self) -> str:
        """First paragraph of `doc`."""
        return " ".join(self.doc.partition("\n\n")[0].split())

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
            names = getattr(sys.modules.get(module), "__dict__", {})  # None forbids an import
            for variable, value in list(names.items()):
                if value is self:
                    return module, variable
        return home, self.name  # held by no module: it can be copied, but not pickled

    def dtype(self, parameters: Parameters) -> np.dtype[np.void]:
        """Return the record of one lane: the core's fields and the task's, those logged last."""
        own: list[Any] = []
        for name, field in self.state.items():
            kind, shape = field.dtype if isinstance(field.dtype, tuple) else (field.dtype, ())
            sizes = [getattr(parameters, n) if isinstance(n, str) else n for n in shape]
            own.append((name, kind, tuple(sizes)))
        core = [(name, field.dtype) for name, field in CORE_FIELDS.items()]
        # sorted() keeps the order otherwise; False comes before True
        return np.dtype(sorted(core + own, key=lambda f: f[0] in self.logged), align=True)

    @cached_property
    def logged(self) -> frozenset[str]:
        """Fields that the trial log keeps at the end of each trial."""
        return frozenset({*self.columns, "step", "trial_start"} - {*COUNTED})

    def reward_bounds(self, parameters: Parameters) -> tuple[float, float]:
        """Return the range of the rewards, widened to hold 0, the reward before the first step.

        Raises:
            TaskDefinitionError: If `reward_range` returns anything but two finite numbers in order.
        """
        given = self.reward_range(parameters)
        if np.shape(given) != (2,) or not -math.inf < given[0] <= given[1] < math.inf:
            raise TaskDefinitionError(
                f"reward_range of {self.name} must return the smallest and the largest reward, "
                f"both finite; got {given}."
            )
        return min(given[0], 0.0), max(given[1], 0.0)

    def ranges(self, parameters: Parameters) -> dict[str, tuple[Any, Any]]:
        """Return the smallest and the largest value of every field of a lane whose episode began.

        `reward` may lie outside the range of a step's reward, by no more than its width: a task
        may leave out costs.
        """
        p, word = parameters, (0, 2**64 - 1)
        least, most = self.reward_bounds(p)
        width, steps = most - least, p.longest_episode
        core = {
            **dict.fromkeys(("key", "world", "stream"), word),
            "last_reward": (least, most),
            "reward": (least - width, most + width),
            "trial_reward": (least * (steps + 1), most * (steps + 1)),  # 1: for rounding
            "episode": (-1, LARGEST_COUNT),
            "trial": (0, p.trials),
            "trials": (1, p.trials),
            "step": (0, steps),
            "trial_start": (0, steps),
            "last_action": (-1, len(self.actions(p)) - 1),
            "outcome": (-1, 1),
            "new_trial": (0, 1),
            "over": (0, 1),
        }
        return core | {name: field.range(p) for name, field in self.state.items()}

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
        return {name: field for name, field in self.state.items() if field.option}


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
    if task not in gym.registry and not {*":."} & {*str(task)}:
        ids = [id for id in gym.registry if id.startswith("neurotasks/")]
        raise TaskDefinitionError(
            f"The task must be the id of one, or 'module:NAME'; got {shown(task)}. "
            f"{nearest(str(task), ids)}"
        )
    place = gym.registry[task].entry_point if task in gym.registry else task
    found: Task = pointed_at(str(place), Task, f"The task {task!r}")
    return found
