"""What a sweep trains, read from a file in TOML.

::

    tasks = ["neurotasks/TwoStep-v0"]     # or experiments = ["two-step"]
    seeds = 3                             # 1000, 1001 and 1002; or a list of seeds

    [hyperparameters]
    total_steps = 300_000                 # fixed
    learning_rate = [2e-3, 5e-3]          # every value of a list is combined with all others
    trunk = ["shared", "separate"]

    [task_parameters]
    p_common = [0.7, 0.8]

    [objective]                           # what the settings are compared by
    maximize = "score"

A ``[[settings]]`` table gives values of several names that go together; every one of them is
combined with all lists. With ``[search]`` Optuna chooses the values, from lists and from ranges as
in ``learning_rate = {low = 1e-4, high = 1e-2, log = true}``.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from neurotasks_baselines.errors import SweepError
from neurotasks_baselines.experiments import EXPERIMENTS, metrics_for, select
from neurotasks_baselines.experiments.base import Training
from neurotasks_baselines.files import check_fields, read_table
from neurotasks_baselines.training.build import check_seed, check_task_kwargs
from neurotasks_baselines.training.evaluate import held_out_envs
from neurotasks_baselines.training.hyperparameters import changed, hyperparameters_for

FIRST_SEED = 1000  # reported seeds lie below
EVALUATIONS, FOR_CRITERION = 6, 21  # in a training, without and with a criterion
MOST_SETTINGS = 1_000_000
OF_TASK = "task."  # begins the names of parameters of the task in tables
ANY = dict[str, Any]
TABLES = {
    "tasks": list[str],
    "experiments": list[str],
    "seeds": int | list[int],
    "evaluations": int,
    "hyperparameters": ANY,
    "task_parameters": ANY,
    "settings": list[ANY],
    "objective": dict[str, str],
    "criterion": ANY,
    "search": ANY,
}
Setting = dict[str, Any]


@dataclass(frozen=True)
class Range:
    """Numbers that a search chooses from: whole ones if both ends are.

    Attributes:
        low: Smallest one.
        high: Largest one.
        log: Whether they are chosen evenly on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Criterion:
    """Value of a measure in an evaluation during training, and the steps until it is met.

    Attributes:
        measure: Name of the measure.
        bound: Value that meets it.
        above: Whether larger values meet it too; otherwise smaller ones do.
    """

    measure: str
    bound: float
    above: bool

    def steps(self, history: list[dict[str, Any]]) -> int | None:
        """Return the steps after which an evaluation met it first, None if none did."""
        for row in history:
            value = row.get(self.measure)
            if value is not None and (value >= self.bound if self.above else value <= self.bound):
                return int(row["steps"])
        return None


@dataclass(frozen=True)
class Sweep:
    """Trainings, by what varies among them.

    Attributes:
        targets: Ids of tasks and names of experiments; each is trained with every setting.
        seeds: Seeds of each of these.
        values: Lists and ranges of values by name; names of the task's parameters begin with
            ``task.``.
        together: Values of several names that go together; a single empty one by default.
        objective: Name of the measure that settings are compared by.
        maximize: Whether more of it is better.
        criterion: Criterion for the measure ``steps_to_criterion``, if there is one.
        evaluations: Number of evaluations in each training, of which the first comes before it.
        trials: Number of settings that Optuna chooses; None for all combinations.
    """

    targets: tuple[str, ...]
    seeds: tuple[int, ...] = (FIRST_SEED,)
    values: Mapping[str, list[Any] | Range] = field(default_factory=dict)
    together: tuple[Setting, ...] = ({},)
    objective: str = "score"
    maximize: bool = True
    criterion: Criterion | None = None
    evaluations: int = EVALUATIONS
    trials: int | None = None

    @property
    def names(self) -> list[str]:
        """Names of all values that are given."""
        return list(dict.fromkeys([*self.values, *(name for s in self.together for name in s)]))

    @property
    def varied(self) -> list[str]:
        """Names of the values that differ between settings."""
        several = [n for n, v in self.values.items() if isinstance(v, Range) or len(v) > 1]
        joint = {n for s in self.together for n in s}
        return [n for n in self.names if n in several or (n in joint and len(self.together) > 1)]

    @property
    def num_settings(self) -> int:
        """Number of settings."""
        if self.trials is not None:
            return self.trials
        lists = [v for v in self.values.values() if isinstance(v, list)]
        return len(self.together) * prod(map(len, lists))

    def settings(self) -> Iterator[Setting]:
        """Return all combinations."""
        lists = [v for v in self.values.values() if isinstance(v, list)]
        for joint in self.together:
            for values in product(*lists):
                yield {**dict(zip(self.values, values, strict=True)), **joint}

    def corners(self) -> Iterator[Setting]:
        """Return settings in which every value occurs, and the ends of every range."""
        ends = {n: [v.low, v.high] if isinstance(v, Range) else v for n, v in self.values.items()}
        first = {name: values[0] for name, values in ends.items()}
        for joint in self.together:
            yield {**first, **joint}
            for name, values in ends.items():
                for value in values[1:]:
                    yield {**first, name: value, **joint}


def trainings(target: str, setting: Setting, evaluations: int) -> dict[str, Training]:
    """Return the trainings of a task or an experiment with a setting, by the names of their agents.

    Args:
        target: Id of the task, or name of the experiment.
        setting: Values by name.
        evaluations: Number of evaluations in each training.

    Raises:
        HyperparameterError: If a hyperparameter does not exist, or has a wrong value.
    """
    of_task = {n.removeprefix(OF_TASK): v for n, v in setting.items() if n.startswith(OF_TASK)}
    others = {name: v for name, v in setting.items() if not name.startswith(OF_TASK)}
    if target in EXPERIMENTS:
        known = EXPERIMENTS[target].trainings
    else:
        known = {"agent": Training(target, {}, _default(target), metrics_for(target))}
    return {
        name: replace(
            training,
            hyperparameters=changed(training.hyperparameters, others),
            task_kwargs={**training.task_kwargs, **of_task},
            evaluations=evaluations,
        )
        for name, training in known.items()
    }


_default = cache(hyperparameters_for)


def read_sweep(path: Path) -> Sweep:
    """Read a sweep, and refuse whatever could not be trained.

    Args:
        path: File in TOML.

    Raises:
        SweepError: If the file cannot be read, or is none of a sweep.
        HyperparameterError: If a hyperparameter does not exist or fit.
        ParameterError: If a task refuses a parameter.
        SeedError: If a seed is outside its range.
    """
    try:
        found = read_table(path)
    except (OSError, ValueError) as error:
        text = getattr(error, "strerror", None) or error
        raise SweepError(
            f"{path} must be a file in TOML, as the page on sweeps describes; got {text}."
        ) from error
    sweep = parse_sweep(found)
    for setting in sweep.corners():
        for target in sweep.targets:
            for training in trainings(target, setting, sweep.evaluations).values():
                check_task_kwargs(training.task_kwargs)
                envs = held_out_envs(training.id, dict(training.task_kwargs), 1)
                training.hyperparameters.agent_kwargs(envs.unwrapped.parameters)
                envs.close()
    for seed in sweep.seeds:
        check_seed(seed)
    return sweep


def parse_sweep(found: dict[str, Any]) -> Sweep:
    """Return the sweep that a table describes.

    Raises:
        SweepError: If it describes none.
    """
    try:
        check_fields(found, {name: TABLES[name] for name in found if name in TABLES})
        return _parsed(found)
    except ValueError as error:
        if type(error) is not ValueError:  # it has a name of its own
            raise
        raise SweepError(f"This is no sweep: {error}. The page on sweeps describes one.") from error


def _parsed(found: dict[str, Any]) -> Sweep:
    search = found.get("search")
    if search is not None:
        check_fields(search, {"trials": int})
    targets = _targets(found)
    values = {n: _values(n, v, search is not None) for n, v in _named(found).items()}
    together = tuple(_named(s) for s in found.get("settings", [{}]))
    for setting in together:
        check_fields(setting, dict.fromkeys(together[0], Any))
        twice = setting.keys() & values.keys()
        if twice:
            raise SweepError(f"A name must be given once; got {', '.join(sorted(twice))} twice.")
    name, maximize = _objective(found.get("objective", {"maximize": "score"}))
    criterion = _criterion(found["criterion"]) if "criterion" in found else None
    sweep = Sweep(
        targets,
        seeds=_seeds(found.get("seeds", 1)),
        values=values,
        together=tuple({n: _frozen(v) for n, v in setting.items()} for setting in together),
        objective=name,
        maximize=maximize,
        criterion=criterion,
        evaluations=found.get("evaluations", EVALUATIONS if criterion is None else FOR_CRITERION),
        trials=None if search is None else search["trials"],
    )
    _check(sweep)
    return sweep


def _targets(found: dict[str, Any]) -> tuple[str, ...]:
    tasks, experiments = found.get("tasks", []), found.get("experiments", [])
    if not tasks and not experiments:
        raise SweepError('A sweep must name tasks or experiments; got none. Add tasks = ["..."].')
    chosen = [e.name for e in select(experiments)] if experiments else []
    idle = [name for name in chosen if not EXPERIMENTS[name].trainings]
    if idle:
        raise SweepError(f"An experiment must train an agent; {', '.join(idle)} has none.")
    if chosen and found.get("task_parameters"):
        raise SweepError(
            "task_parameters must go with tasks; got experiments, whose measures are for the "
            "published task. Sweep over the task itself."
        )
    targets = (*tasks, *chosen)
    for task in tasks:
        _default(task)  # it exists
    if len(set(targets)) < len(targets):
        raise SweepError(f"A sweep must name a task once; got {', '.join(targets)}.")
    return targets


def _named(table: dict[str, Any]) -> dict[str, Any]:
    """Return hyperparameters and parameters of the task by the names in tables."""
    of_task = {f"{OF_TASK}{n}": v for n, v in table.get("task_parameters", {}).items()}
    return {**table.get("hyperparameters", {}), **of_task}


def _values(name: str, value: Any, in_search: bool) -> list[Any] | Range:
    if isinstance(value, Mapping):
        fields = {"low": float, "high": float} | ({"log": bool} if "log" in value else {})
        check_fields(value, fields)
        found = Range(**value)
        if not found.low < found.high or (found.log and found.low <= 0):
            raise SweepError(
                f"{name} must range from low to a larger high, above 0 if log; got {found}."
            )
        if not in_search:
            raise SweepError(
                f"{name} must be a value or a list of values; got a range, which needs a search. "
                "Add [search] with trials = 50, say."
            )
        return found
    values = value if isinstance(value, list) else [value]
    if not values or any(one == other for i, one in enumerate(values) for other in values[:i]):
        raise SweepError(f"{name} must have different values; got {reprlib.repr(value)}.")
    return [_frozen(each) for each in values]


def _frozen(value: Any) -> Any:
    """Return a value with tuples for lists, as tasks take them and tables can group by."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _seeds(given: int | list[int]) -> tuple[int, ...]:
    seeds = range(FIRST_SEED, FIRST_SEED + given) if isinstance(given, int) else given
    if not seeds or len(set(seeds)) < len(seeds):
        raise SweepError(
            f"seeds must be a number of seeds above 0, or a list of different ones; got {given}."
        )
    return tuple(seeds)


def _objective(table: dict[str, str]) -> tuple[str, bool]:
    if len(table) != 1 or not table.keys() <= {"maximize", "minimize"}:
        raise SweepError(
            f"[objective] must have one line, maximize or minimize; got {reprlib.repr(table)}."
        )
    return next(iter(table.values())), "maximize" in table


def _criterion(table: dict[str, Any]) -> Criterion:
    bounds = [name for name in ("at_least", "at_most") if name in table]
    if len(bounds) != 1:
        raise SweepError(
            f"[criterion] must have a measure, and at_least or at_most; got {reprlib.repr(table)}."
        )
    check_fields(table, {"measure": str, bounds[0]: float})
    return Criterion(table["measure"], table[bounds[0]], bounds[0] == "at_least")


def _check(sweep: Sweep) -> None:
    if sweep.trials is not None and (sweep.trials < 1 or not sweep.varied):
        raise SweepError(
            f"A search must have trials above 0 and values to choose from; got {sweep.trials} and "
            f"{', '.join(sweep.varied) or 'none'}."
        )
    if sweep.trials is not None and len(sweep.together) > 1:
        raise SweepError("A search must have lists and ranges only; got [[settings]].")
    if sweep.num_settings > MOST_SETTINGS:
        raise SweepError(
            f"A sweep must have at most {MOST_SETTINGS:,} settings; got {sweep.num_settings:,}. "
            "Search instead: [search] with trials = 100, say."
        )
    if sweep.objective == "steps_to_criterion" and sweep.criterion is None:
        raise SweepError("The objective steps_to_criterion needs a [criterion]; got none.")
