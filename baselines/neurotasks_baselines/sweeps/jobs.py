"""The jobs of a sweep: one setting and one seed of a task or of an experiment."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.utils import set_random_seed
from torch.utils.tensorboard import SummaryWriter

from neurotasks.errors import ParameterError, TaskDefinitionError
from neurotasks.scores import EPISODES as SCORE_EPISODES, episode_returns, normalized_score
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import NotFiniteError
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.base import EPISODES, Agents, Experiment, Measures, Training
from neurotasks_baselines.experiments.claims import REFERENCES, mean_or_nan, with_derived
from neurotasks_baselines.experiments.jobs import first_episode, train_agents
from neurotasks_baselines.files import json_text
from neurotasks_baselines.imports import import_files
from neurotasks_baselines.processes import limited_threads
from neurotasks_baselines.sweeps.spec import Setting, trainings
from neurotasks_baselines.training.evaluate import play
from neurotasks_baselines.training.job_directories import DirectoryJob, code_digest
from neurotasks_baselines.training.progress import Status, reported

MEASURING = (__name__,)  # imports all that measures


@dataclass(frozen=True, eq=False)
class SweepJob(DirectoryJob):
    """One setting and one seed of a task or of an experiment.

    Attributes:
        target: Id of the task, or name of the experiment.
        number: Number of the setting in the sweep.
        setting: Values of the setting by name.
        seed: Seed of the trainings.
        root: Parent of the directories of the jobs.
        evaluations: Number of evaluations in each training.
        imports: Python files that register custom tasks.
        code: Digest of the code that trains; that of this process by default.
        made_by: Digest of the code that measures; that of this process by default.
    """

    target: str
    number: int
    setting: Setting
    seed: int
    root: Path
    evaluations: int
    imports: tuple[Path, ...] = ()
    code: str = ""
    made_by: str = ""

    def __post_init__(self) -> None:
        """Take the code of this process where none is given, and absolute paths."""
        object.__setattr__(self, "root", self.root.absolute())
        object.__setattr__(self, "imports", tuple(path.absolute() for path in self.imports))
        if not self.code:
            object.__setattr__(self, "code", self.code_here())
            object.__setattr__(self, "made_by", self._digest(MEASURING))

    def __str__(self) -> str:
        """Return the name in the display."""
        return name(self.target, self.number, self.seed)

    @property
    def trainings(self) -> dict[str, Training]:
        """Trainings by the names of their agents."""
        return trainings(self.target, self.setting, self.evaluations)

    @property
    def label(self) -> str:
        """Name of the task or the experiment, and the seed."""
        return f"{self.target.rpartition('/')[2]}-seed{self.seed}"

    @property
    def description(self) -> dict[str, Any]:
        """Tasks, parameters, hyperparameters, seed and code."""
        agents = {
            agent: {
                "id": training.id,
                "task_kwargs": training.task_kwargs,
                "hyperparameters": training.hyperparameters.to_json(),
                "early": training.early,
                "evaluations": training.evaluations,
            }
            for agent, training in self.trainings.items()
        }
        described = {"target": self.target, "seed": self.seed, "agents": agents, "code": self.code}
        found: dict[str, Any] = json.loads(json_text(described))
        return found

    def code_here(self) -> str:
        """Return the digest of the code that trains here."""
        return self._digest(None)

    def _digest(self, roots: tuple[str, ...] | None) -> str:
        ids = sorted({training.id for training in self.trainings.values()})
        digests = [code_digest(id, roots=roots) for id in ids]
        return sha256("".join(digests).encode()).hexdigest()

    @property
    def steps(self) -> int:
        """Environment steps of the trainings."""
        return sum(t.hyperparameters.total_steps for t in self.trainings.values())

    @property
    def progress_file(self) -> Path:
        """File in which the job reports its progress."""
        return self.directory / "progress.json"

    def status(self) -> Status:
        """Return the progress that the job has reported."""
        return reported(self.progress_file, self.steps)


def name(target: str, number: int, seed: int) -> str:
    """Return the name of a job in the display."""
    return f"{target.rpartition('/')[2]}, setting {number}, seed {seed}"


def run(job: SweepJob) -> dict[str, Any]:
    """Run a job, unless its result is there. Entry point of a worker process.

    Returns:
        ``measures`` by name, ``history`` of the evaluations during the training, ``seconds`` of the
        training; or what was the ``problem`` if NaN or infinity turned up in it.
    """
    import_files(job.imports)
    result: dict[str, Any] = job.once(
        lambda directory: _train_and_measure(job, directory), job.made_by
    )
    return result


def _train_and_measure(job: SweepJob, directory: Path) -> dict[str, Any]:
    found = job.trainings
    try:
        agents = train_agents(
            found,
            directory,
            seed=job.seed,
            steps_of=lambda training: training.hyperparameters.total_steps,
            progress_file=job.progress_file,
        )
    except NotFiniteError as error:  # some settings diverge, which is a result too
        return {"problem": str(error)}
    set_random_seed(job.seed)  # so that repeated measurements are equal
    with limited_threads(1):
        if job.target in EXPERIMENTS:
            measures = measure_claims(EXPERIMENTS[job.target], agents, job.seed)
        else:
            measures = measure_agent(agents["agent"], found["agent"])
    for agent in found:
        with SummaryWriter(str(directory / agent / "tensorboard")) as writer:
            for measure, value in measures.items():
                writer.add_scalar(f"sweep/{measure}", value, agents[agent].num_timesteps)
    descriptions = [agents[agent].description for agent in found]
    return {
        "measures": measures,
        "history": descriptions[0]["history"],
        "seconds": sum(description["seconds"] for description in descriptions),
    }


def measure_claims(experiment: Experiment, agents: Agents, seed: int) -> dict[str, float]:
    """Return the value of every claim of an experiment that depends on the agents of a seed."""
    return claimed(experiment, experiment.measure(agents, EPISODES, first_episode(seed)))


def claimed(experiment: Experiment, measures: Measures) -> dict[str, float]:
    """Return the value of every claim that depends on agents, NaN if there is none.

    Args:
        experiment: Experiment.
        measures: Measures of the agents of a seed.
    """
    measures = with_derived(experiment, measures)
    return {
        row.name: mean_or_nan([measures], row.key)
        for row in experiment.claims
        if not row.key.startswith(REFERENCES)
    }


def measure_agent(model: FusedRecurrentPPO, training: Training) -> dict[str, float]:
    """Return score and return of an agent, their standard errors, and the measures of its task.

    A task without a reference observer has no score.
    """
    id, task_kwargs = training.id, dict(training.task_kwargs)
    returns = episode_returns(lambda envs: model, id, SCORE_EPISODES, **task_kwargs)
    error = 1 / np.sqrt(len(returns))
    found = {"return": returns.mean(), "return_se": returns.std(ddof=1) * error}
    with suppress(TaskDefinitionError, ParameterError):
        scores = normalized_score(id, returns, **task_kwargs)
        found |= {"score": scores.mean(), "score_se": scores.std(ddof=1) * error}
    episodes = play(model, num_episodes=training.metrics.num_episodes)
    found |= training.metrics.compute(episodes)
    return {measure: float(value) for measure, value in found.items()}
