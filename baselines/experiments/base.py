"""What an experiment consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from baselines.claims import Claim
from baselines.hyperparameters import Hyperparameters, settings_for
from baselines.recurrent_ppo import FusedRecurrentPPO
from baselines.training import Watch, reward_per_trial

Measures = dict[str, Any]
Agents = Mapping[str, FusedRecurrentPPO]


@dataclass(frozen=True)
class Training:
    """How one agent of an experiment is made.

    Attributes:
        id: the task.
        keywords: its parameters.
        settings: hyperparameters; the task's own by default.
        watch: what is measured and drawn meanwhile.
        early: fraction of the training after which the agent is also kept, if it is; measures get
            it as ``NAME-early``.
    """

    id: str
    keywords: Mapping[str, Any] = field(default_factory=dict)
    settings: Hyperparameters | None = None
    watch: Watch = field(default_factory=lambda: Watch(reward_per_trial))
    early: float | None = None

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The settings, looked up where they are the task's own."""
        return self.settings or settings_for(self.id)


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
