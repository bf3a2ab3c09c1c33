"""Jobs of a reproduction: one seed of a learner, trained or loaded, and measured."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from stable_baselines3.common.utils import set_random_seed

from neurotasks.scores import TEST_SEED
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import AgentFileError
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.base import (
    AGAIN_EPISODES,
    EPISODES,
    Experiment,
    Measures,
    Training,
)
from neurotasks_baselines.experiments.claims import FOILS
from neurotasks_baselines.experiments.learners import (
    FOIL_SEEDS,
    FOIL_SEEDS_AGAIN,
    FROZEN,
    LACKING,
    freeze,
    trainings_of,
)
from neurotasks_baselines.files import json_ready
from neurotasks_baselines.processes import limited_threads
from neurotasks_baselines.training.agent_files import agent_file, read_description
from neurotasks_baselines.training.progress import Status, progress_reporter, reported
from neurotasks_baselines.training.train import check_run

WEIGHTS = Path(__file__).parent / "weights"
QUICK_EPISODES = 30
FOIL_EPISODES = 100  # of agents that lack something
QUICK_STEPS = 20  # factor by which a quick training is shorter
STEPS_PER_SECOND = 50_000  # expected of a training without a shipped agent
SHARE_LACKING = 0.1  # of that time, for agents that lack something
MOST_EPISODES = 10_000  # that an experiment plays with the agents of a seed


@dataclass(frozen=True)
class Job:
    """One seed of a learner of an experiment.

    Attributes:
        name: Name of the experiment.
        learner: What its agents are trained by, or what they lack, see
            `neurotasks_baselines.experiments.learners`.
        seed: Seed of its agents.
        directory: Parent of the run directories of the agents.
        train: Whether to train instead of taking the shipped weights.
        quick: Whether to run a smoke test, whose numbers are meaningless.
        device: Device for the network.
        again: Whether its recorded measures are shown, so that its agents play few episodes.
    """

    name: str
    learner: str
    seed: int
    directory: Path
    train: bool
    quick: bool
    device: str = "cpu"
    again: bool = False

    @property
    def experiment(self) -> Experiment:
        """The experiment."""
        return EXPERIMENTS[self.name]

    @property
    def trainings(self) -> dict[str, Training]:
        """Trainings of its agents by name."""
        return trainings_of(self.experiment, self.learner)

    @property
    def steps(self) -> int:
        """Environment steps of the trainings; 0 with shipped weights."""
        if not self.train:
            return 0
        return sum(self.steps_of(training) for training in self.trainings.values())

    def steps_of(self, training: Training) -> int:
        """Return the environment steps of one training."""
        total = training.hyperparameters.total_steps
        return total // QUICK_STEPS if self.quick else total

    @property
    def expected_seconds(self) -> float:
        """Expected duration, by the trainings of the shipped agents; only ratios matter."""
        seconds = self.experiment.measure_seconds
        seconds *= SHARE_LACKING if self.learner in LACKING else 1
        for name, training in self.trainings.items() if self.train else ():
            try:
                known = read_description(shipped(self.name, self.learner, self.seed, name))
                speed = known["num_timesteps"] / known["seconds"]
            except AgentFileError:
                speed = STEPS_PER_SECOND
            seconds += self.steps_of(training) / speed
        return seconds

    @property
    def progress_file(self) -> Path:
        """File in which the job reports its progress."""
        return self.directory / "progress.json"

    def status(self) -> Status:
        """Return the progress that the job has reported."""
        if not self.train:
            return Status(0.0, "measuring")
        return reported(self.progress_file, self.steps)

    def __str__(self) -> str:
        """Return the name in the display."""
        learner = self.learner.upper() if self.learner in ("a2c", "ppo") else self.learner
        return f"{self.name}, {learner}, seed {self.seed}"


def run(job: Job) -> Measures:
    """Run one job: train or load the agents, and measure them. Entry point of a worker process."""
    if job.train:
        agents = train_agents(
            job.trainings,
            job.directory,
            seed=job.seed,
            steps_of=job.steps_of,
            progress_file=job.progress_file,
            device=job.device,
        )
    else:
        agents = {}
        for name, training in job.trainings.items():
            agents[name] = training.load(shipped(job.name, job.learner, job.seed, name))
            early = shipped(job.name, job.learner, job.seed, f"{name}-early")
            agents |= early_agent(name, training, agents[name], early)
    seconds = sum((agents[n].description["seconds"] for n in job.trainings), 0.0)
    num_episodes = QUICK_EPISODES if job.quick else AGAIN_EPISODES if job.again else EPISODES
    few = min(num_episodes, FOIL_EPISODES)
    first, measure = first_episode(job.seed), job.experiment.measure
    measure_lacking = job.experiment.measure_lacking or measure
    with limited_threads(1):  # there are as many workers as cores
        set_random_seed(job.seed)  # so that repeated measurements are equal
        if job.learner in LACKING:
            measures = without(measure_lacking(agents, few, first))
        else:
            measures = measure(agents, num_episodes, first)
        own_foil = job.experiment.lacking and job.learner not in LACKING
        foil_seeds = FOIL_SEEDS_AGAIN if job.again else FOIL_SEEDS
        if own_foil and job.seed in job.experiment.seeds[:foil_seeds]:
            freeze(agents)
            frozen = without(measure_lacking(agents, few, first))
            measures = {**measures, FOILS: {**measures.get(FOILS, {}), FROZEN: frozen}}
    return json_ready({**measures, "seconds": seconds})


def without(measures: Measures, names: Collection[str] = (FOILS, "history")) -> Measures:
    """Return the measures of a foil without those that are measured of it for nothing."""
    return {name: value for name, value in measures.items() if name not in names}


def first_episode(seed: int) -> int:
    """Return the seed of the first held-out episode of an agent; no two agents share any."""
    return TEST_SEED + MOST_EPISODES * seed


def train_agents(
    trainings: Mapping[str, Training],
    directory: Path,
    *,
    seed: int,
    steps_of: Callable[[Training], int],
    progress_file: Path,
    device: str = "cpu",
) -> dict[str, FusedRecurrentPPO]:
    """Train the agents of an experiment one after another, or resume.

    Args:
        trainings: Trainings by the names of the agents.
        directory: Parent of their run directories, which have these names.
        seed: Seed of all of them.
        steps_of: Function that returns the number of steps of a training.
        progress_file: File to report the progress to.
        device: Device for the networks.

    Returns:
        The agents by name, with those that are kept of early moments.
    """
    agents: dict[str, FusedRecurrentPPO] = {}
    before = 0
    for name, training in trainings.items():
        agents[name] = training.run(
            directory / name,
            seed=seed,
            total_steps=steps_of(training),
            on_progress=progress_reporter(progress_file, name, before),
            device=device,
        )
        before += steps_of(training)
        agents |= early_agent(name, training, agents[name], directory / name / "early")
    return agents


def early_agent(
    name: str, training: Training, agent: FusedRecurrentPPO, path: Path
) -> dict[str, FusedRecurrentPPO]:
    """Return what was kept of an early moment of a training, if anything was, by its name."""
    if training.early is None or not agent_file(path).exists():
        return {}
    early = training.load(path)
    check_run(early, agent_file(path), agent.description)
    return {f"{name}-early": early}


def shipped(experiment: str, learner: str, seed: int, agent: str) -> Path:
    """Return the path of the shipped weights of an agent, without suffix."""
    owner = EXPERIMENTS[experiment].agents_of or experiment
    return WEIGHTS / owner / learner / f"{agent}-{seed}"
