"""The published simulations, one file each, and the names they go by."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.errors import UnknownExperimentError
from baselines.experiments import harlow, two_step
from baselines.experiments.base import Experiment
from baselines.training import Watch, reward_per_trial
from neurotasks.errors import nearest

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment for experiment in (two_step.EXPERIMENT, harlow.EXPERIMENT)
}

GROUPS: dict[str, tuple[str, ...]] = {"wang2018": ("two-step", "harlow")}


def select(names: Sequence[str]) -> list[Experiment]:
    """Return the experiments of these names and groups, all without a name.

    Raises:
        UnknownExperimentError: if a name is neither an experiment nor a group.
    """
    selected: dict[str, Experiment] = {}
    for name in names or EXPERIMENTS:
        members = GROUPS.get(name, (name,))
        for member in members:
            if member not in EXPERIMENTS:
                raise UnknownExperimentError(
                    f"There is no experiment {name!r}. {nearest(name, [*EXPERIMENTS, *GROUPS])}"
                )
            selected[member] = EXPERIMENTS[member]
    return list(selected.values())


def watch_for(id: str) -> Watch:
    """Return what to watch while an agent learns a task."""
    for experiment in EXPERIMENTS.values():
        if experiment.id == id:
            return experiment.watch
    return Watch(reward_per_trial)
