"""What an experiment consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.experiments.claims import Claim
from neurotasks_baselines.training.hyperparameters import Hyperparameters, hyperparameters_for
from neurotasks_baselines.training.train import Metrics, reward_per_trial

Measures = dict[str, Any]
Agents = Mapping[str, FusedRecurrentPPO]


@dataclass(frozen=True)
class Training:
    """How one agent of an experiment is made.

    Attributes:
        id: the task.
        task_kwargs: its parameters.
        hyperparameters: hyperparameters; the task's own by default.
        metrics: what is measured and drawn meanwhile.
        early: fraction of the training after which the agent is also kept, if it is; measures get
            it as ``NAME-early``.
    """

    id: str
    task_kwargs: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Hyperparameters = None  # type: ignore[assignment]
    metrics: Metrics = field(default_factory=lambda: Metrics(reward_per_trial))
    early: float | None = None

    def __post_init__(self) -> None:
        """Look up the hyperparameters of the task where none are given."""
        if self.hyperparameters is None:
            object.__setattr__(self, "hyperparameters", hyperparameters_for(self.id))


@dataclass(frozen=True)
class Experiment:
    """One published simulation.

    Attributes:
        name: on the command line.
        title: of its part of the report.
        question: what it asks, in a sentence.
        trainings: the agents each seed trains, by name.
        seeds: the reported seeds.
        measure: from the trained agents of a seed, by name, and a number of episodes, measures
            that JSON knows.
        claims: from the measures of all seeds, the claims.
        figure: from the measures of all seeds, a matplotlib figure.
        with_cells: from a folder of recorded cells, the experiment whose claims and figure show
            them too; None where there is nothing to show them beside.
    """

    name: str
    title: str
    question: str
    trainings: Mapping[str, Training]
    seeds: Sequence[int]
    measure: Callable[[Agents, int], Measures]
    claims: Callable[[list[Measures]], list[Claim]]
    figure: Callable[[list[Measures]], Any]
    with_cells: Callable[[Path], Experiment] | None = None
