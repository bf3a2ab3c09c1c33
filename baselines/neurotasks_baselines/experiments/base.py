"""Parts of an experiment: trainings, measures, claims, figure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from neurotasks.episodes import Episodes
from neurotasks_baselines.agents.activations import Activations
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.experiments.claims import Claim, Row
from neurotasks_baselines.training.agent_files import load
from neurotasks_baselines.training.callbacks import Metrics, reward_per_trial
from neurotasks_baselines.training.hyperparameters import Hyperparameters, hyperparameters_for
from neurotasks_baselines.training.train import train

Measures = dict[str, Any]
Agents = Mapping[str, FusedRecurrentPPO]
Foils = Mapping[str, list[Measures]]  # measures of each seed, by the names of agents

EPISODES = 300  # that an agent plays
AGAIN_EPISODES = 30  # where its recorded measures are shown


@dataclass(frozen=True)
class Training:
    """How one agent of an experiment is made.

    Attributes:
        id: Id of the task.
        task_kwargs: Parameters of the task.
        hyperparameters: Hyperparameters; those of the task by default.
        metrics: Evaluation metrics, computed and plotted during the training.
        evaluations: Number of evaluations in a training, the first before it.
        summary: Function of held-out episodes and the agent's activations to measures of the task
            itself, under the keys of the claims; None where the evaluation metrics are enough.
        early: Fraction of the training after which a copy of the agent is kept, for measures
            ``NAME-early``; None keeps none.
    """

    id: str
    task_kwargs: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Hyperparameters = None  # type: ignore[assignment]
    metrics: Metrics = field(default_factory=lambda: Metrics(reward_per_trial))
    evaluations: int = 21
    summary: Callable[[Episodes, Activations], Measures] | None = None
    early: float | None = None

    def __post_init__(self) -> None:
        """Look up the hyperparameters of the task where none are given."""
        if self.hyperparameters is None:
            object.__setattr__(self, "hyperparameters", hyperparameters_for(self.id))

    def run(
        self,
        out: Path,
        *,
        seed: int,
        total_steps: int,
        on_progress: Callable[[int], None] | None = None,
        device: str = "cpu",
    ) -> FusedRecurrentPPO:
        """Train an agent in a run directory, or resume; see `neurotasks_baselines.train`."""
        return train(
            self.id,
            out,
            seed=seed,
            hyperparameters=replace(self.hyperparameters, total_steps=total_steps),
            task_kwargs=dict(self.task_kwargs),
            metrics=self.metrics,
            evaluations=self.evaluations,
            early=None if self.early is None else int(self.early * total_steps),
            on_progress=on_progress,
            device=device,
        )

    def load(self, path: Path) -> FusedRecurrentPPO:
        """Load a trained agent."""
        return load(path, num_envs=1)


def nothing(*_: Measures) -> Measures:
    """Return no measures."""
    return {}


@dataclass(frozen=True)
class Experiment:
    """One published simulation.

    Attributes:
        name: Name on the command line.
        title: Title of its section of the report.
        question: Question it asks, in a sentence.
        trainings: Trainings of the agents of each seed by PPO, by name; those of other learners
            follow from them, see `neurotasks_baselines.experiments.learners`.
        seeds: Reported seeds.
        measure: Maps the trained agents of a seed, by name, a number of episodes and the seed of
            the first one to measures that JSON can hold. Those of foils are in ``foils``, by the
            names of the foils.
        claims: Table of its claims.
        figure: Maps the measures of all seeds, and those of agents that lack something, to a
            matplotlib figure.
        panels: What each panel of the figure shows, and what to look for, in the order of their
            letters.
        derive: Maps the measures of a seed, or of a foil, to further values that claims name.
        references: Returns what claims name and no seed changes: measures of reference observers
            and of the task itself.
        recorded: Claims about recorded neurons, evaluated already.
        algorithms: What its agents are trained by; the claims of the first one are counted.
        lacking: Whether agents that lack an input or memory are trained, and must fail its claims.
        able: Names of those among them that lack nothing the task needs, as what is shown tells it;
            they are trained, and are foils of no claim.
        measure_lacking: As `measure`, of these agents, without what claims do not need of a foil;
            None if that is everything.
        measure_seconds: About how long it takes to measure the agents of a seed on one core.
        agents_of: Name of the experiment whose shipped agents it measures; "" for its own.
        with_neurons: Maps a folder of recorded neurons to the experiment whose claims and figure
            show them too; None where there is nothing to compare them with.
        recorded_panels: What the further panels with recorded neurons show.
    """

    name: str
    title: str
    question: str
    trainings: Mapping[str, Training]
    seeds: Sequence[int]
    measure: Callable[[Agents, int, int], Measures]
    claims: Sequence[Row]
    figure: Callable[[list[Measures], Foils], Any]
    panels: Sequence[str]
    derive: Callable[[Measures], Measures] = nothing
    references: Callable[[], Measures] = nothing
    recorded: Sequence[Claim] = ()
    algorithms: Sequence[str] = ("ppo",)
    lacking: bool = False
    able: Collection[str] = ()
    measure_lacking: Callable[[Agents, int, int], Measures] | None = None
    measure_seconds: float = 5.0
    agents_of: str = ""
    with_neurons: Callable[[Path], Experiment] | None = None
    recorded_panels: Sequence[str] = ()
