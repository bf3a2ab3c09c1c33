"""The published simulations, one file each, and the names they go by."""

from __future__ import annotations

from collections.abc import Sequence

from neurotasks.errors import nearest
from neurotasks_baselines.errors import UnknownExperimentError
from neurotasks_baselines.experiments import (
    bandits,
    dopamine_agents,
    dopamine_licking,
    dopamine_neurons,
    dopamine_variance,
    foraging,
    harlow,
    harlow_pixels,
    inferred_value,
    informative,
    restless,
    risky_choice,
    two_step,
    two_step_2016,
    two_step_monkeys,
    two_step_species,
    volatility,
)
from neurotasks_baselines.experiments.base import Experiment
from neurotasks_baselines.training.callbacks import Metrics, reward_per_trial

GROUP_MEMBERS = {
    "wang2018": (
        bandits,
        foraging,
        volatility,
        inferred_value,
        two_step,
        harlow,
        harlow_pixels,
        risky_choice,
    ),
    "wang2016": (restless, informative, two_step_2016),
    "dabney2020": (dopamine_neurons, dopamine_agents, dopamine_variance, dopamine_licking),
    "miranda2025": (two_step_species, two_step_monkeys),
}

EXPERIMENTS: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for modules in GROUP_MEMBERS.values()
    for module in modules
}

GROUPS: dict[str, tuple[str, ...]] = {
    group: tuple(module.EXPERIMENT.name for module in modules)
    for group, modules in GROUP_MEMBERS.items()
}


def select(names: Sequence[str]) -> list[Experiment]:
    """Return the experiments of these names and groups; all if no name is given.

    Raises:
        UnknownExperimentError: If a name is neither an experiment nor a group.
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


def metrics_for(id: str) -> Metrics:
    """Return the evaluation metrics of a task."""
    for experiment in EXPERIMENTS.values():
        for training in experiment.trainings.values():
            if training.id == id:
                return training.metrics
    return Metrics(reward_per_trial)
