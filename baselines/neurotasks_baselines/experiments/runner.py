"""Reproduces the published findings: agents, measures, claims, figures, one report."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from stable_baselines3.common.utils import set_random_seed

from neurotasks.scores import TEST_SEED
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import AgentFileError, SeedError, UnknownExperimentError
from neurotasks_baselines.experiments import EXPERIMENTS, select
from neurotasks_baselines.experiments.base import (
    AGAIN_EPISODES,
    EPISODES,
    Experiment,
    Measures,
    Training,
)
from neurotasks_baselines.experiments.claims import FOILS, Claim, evaluate_claims, lacking
from neurotasks_baselines.experiments.learners import (
    FOIL_SEEDS,
    FROZEN,
    LACKING,
    freeze,
    learners_of,
    seeds_of,
    trainings_of,
)
from neurotasks_baselines.experiments.report import (
    Part,
    figure_file,
    read_part,
    read_parts,
    write_report,
)
from neurotasks_baselines.files import json_ready
from neurotasks_baselines.locks import locked
from neurotasks_baselines.plotting import save_figure
from neurotasks_baselines.processes import limited_threads
from neurotasks_baselines.training.agent_files import agent_file, read_description
from neurotasks_baselines.training.build import check_device
from neurotasks_baselines.training.jobs import Engine, job_pool
from neurotasks_baselines.training.progress import Display, Status, progress_reporter, reported
from neurotasks_baselines.training.train import check_run

WEIGHTS = Path(__file__).parent / "weights"
MEASURES = Path(__file__).parent / "measures"
PLAYED, PLAYED_LACKING = 5, 2  # seeds that play where not all are asked for
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
        if own_foil and job.seed in job.experiment.seeds[:FOIL_SEEDS]:
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


@cache
def recorded(experiment: str) -> Part:
    """Return the part with the shipped measures of every seed of an experiment.

    Raises:
        RunDirectoryError: If their file is damaged.
    """
    remedy = "Install the package anew, or use --all, which plays every seed."
    return read_part(experiment, MEASURES / f"{experiment}.json", remedy)


def reproduce(
    names: Sequence[str] = (),
    out: str | Path = "runs/reproduce",
    *,
    seeds: int | None = None,
    every_seed: bool = False,
    agent: str | None = None,
    train: bool = False,
    quick: bool = False,
    workers: int | None = None,
    neurons: Path | None = None,
    device: str = "cpu",
    engine: Engine | None = None,
) -> list[Claim]:
    """Reproduce experiments and write the report.

    The directory gets ``index.html``, measures and a figure for each experiment, ``claims.json``
    and the same as ``results.md``, and with ``train`` the run directories. An interrupted run
    resumes when started again. Results of earlier runs of other experiments stay in the report.

    Args:
        names: Names of experiments or groups; all experiments by default.
        out: Directory to write to.
        seeds: Number of reported seeds to run, and to show; by default the recorded measures of all
            seeds are shown, and next to them what five of each algorithm and two of agents that
            lack something do in few episodes. One if quick, and all that are run are shown.
        every_seed: Whether to run all reported seeds.
        agent: Algorithm whose agents are run, ``"a2c"`` or ``"ppo"``; by default both.
        train: Whether to train anew instead of taking the shipped weights.
        quick: Whether to run a smoke test, whose numbers are meaningless.
        workers: Number of jobs that run at once, at most; as many as there are cores by default.
        neurons: Folder of recorded dopamine neurons to show next to the simulated and learned ones.
        device: Device for the network, see `neurotasks_baselines.build`.
        engine: Where the jobs run; in processes of this machine by default.

    Returns:
        Claims of these experiments.

    Raises:
        RecordingError: If the recorded neurons cannot be used.
        UnknownExperimentError: If a name is neither an experiment nor a group, or none of the
            experiments shows recorded neurons, or has agents of this algorithm.
        SeedError: If the number of seeds is below one, or above that of every experiment.
        DeviceError: If there is no such device.
        EngineError: If the engine cannot be reached.
        JobLostError: If the engine could not run a job to its end.
        RunDirectoryError: If a run directory holds another training, or the directory a report that
            cannot be read.
        RunLockedError: If another process writes to the directory.
    """
    out = Path(out)
    chosen = select(names)
    most = max(len(experiment.seeds) for experiment in chosen)
    if seeds is not None and not 1 <= seeds <= most:
        raise SeedError(f"seeds must be in 1 to {most}; got seeds={seeds}. Leave it out for all.")
    check_device(device)
    engine = engine or Engine()
    engine.check_installed()
    if neurons is not None:
        chosen = with_neurons(chosen, neurons)
    shared = out.absolute()  # workers may have another working directory
    if agent is not None:
        chosen = with_algorithm(chosen, agent)
    again = not (train or quick or seeds or every_seed)
    known = {e.name: recorded(e.name) for e in chosen} if again or (quick and not train) else {}
    jobs = [
        Job(experiment.name, learner, seed, directory / f"seed{seed}", train, quick, device, again)
        for experiment in chosen
        for learner in learners_of(experiment)
        for directory in [shared / experiment.name / learner]
        for seed in seeds_of(experiment, learner)[: most_played(learner, seeds, every_seed, quick)]
    ]
    made_by = command(names, seeds, every_seed, agent, train, quick, neurons, device)
    with locked(out):
        read_parts(out)  # what cannot be kept is refused before the work
        started = time.perf_counter()
        measures = _run_side_by_side(jobs, out, engine, workers)
        results = dict(zip(jobs, measures, strict=True))
        seconds = time.perf_counter() - started
        return _write(out, chosen, results, made_by, seconds, known)


def most_played(learner: str, seeds: int | None, every_seed: bool, quick: bool) -> int | None:
    """Return how many seeds of a learner play, None for all; arguments as of `reproduce`."""
    if seeds is not None or every_seed:
        return seeds
    few = PLAYED_LACKING if learner in LACKING else PLAYED
    return 1 if quick else few


def _write(
    out: Path,
    chosen: Sequence[Experiment],
    results: Mapping[Job, Measures],
    made_by: str,
    seconds: float,
    known: Mapping[str, Part],
) -> list[Claim]:
    """Write the parts of some experiments and the report; returns their claims.

    Args:
        out: Directory of the report.
        chosen: Experiments.
        results: Measures of the jobs that were run.
        made_by: Command of the run.
        seconds: Duration of the run.
        known: Parts with recorded references, by experiment, and with the measures that are shown
            of agents that played again; those of others are computed.
    """
    claims: list[Claim] = []
    for experiment in chosen:
        measures = {
            learner: {
                job.seed: of_seed
                for job, of_seed in results.items()
                if (job.name, job.learner) == (experiment.name, learner)
            }
            for learner in learners_of(experiment)
        }
        played = {learner: [*of_seeds] for learner, of_seeds in measures.items()}
        part = known.get(experiment.name)
        references = part.references if part and part.references else experiment.references()
        again: list[float | None] = []
        if part is not None and any(job.again for job in results):
            few = evaluate_claims(experiment, measures, references)
            again = [claim.measured for claim in few]
            measures = {learner: part.measures[learner] for learner in measures}
        found = evaluate_claims(experiment, measures, references)
        of_learners = {learner: [*of_seeds.values()] for learner, of_seeds in measures.items()}
        for learner in experiment.algorithms:
            figure = experiment.figure(of_learners[learner], lacking(of_learners, learner))
            save_figure(figure, figure_file(out, experiment, learner))
        quick = any(job.quick for job in results)
        about = experiment.name, made_by, seconds, quick, found, measures, played
        Part(*about, json_ready(references), again).write(out)
        claims += found
    write_report(out)
    return claims


def with_algorithm(chosen: Sequence[Experiment], agent: str) -> list[Experiment]:
    """Return those of the experiments that have agents of an algorithm, without other agents.

    Raises:
        UnknownExperimentError: If none of them has.
    """
    found = [replace(e, algorithms=(agent,)) for e in chosen if agent in e.algorithms]
    if not found:
        able = [name for name, experiment in EXPERIMENTS.items() if agent in experiment.algorithms]
        raise UnknownExperimentError(
            f"An experiment with agent={agent!r} must be one of {', '.join(able)}; got "
            f"{', '.join(experiment.name for experiment in chosen)}. Leave it out, or name one of "
            "these."
        )
    return found


def with_neurons(chosen: Sequence[Experiment], folder: Path) -> list[Experiment]:
    """Return experiments with recorded neurons next to those that can show them.

    Raises:
        UnknownExperimentError: If none of them can.
        RecordingError: If the recorded neurons cannot be used.
    """
    if all(experiment.with_neurons is None for experiment in chosen):
        able = [name for name, experiment in EXPERIMENTS.items() if experiment.with_neurons]
        raise UnknownExperimentError(
            f"--neurons must go with {' or '.join(able)}; got "
            f"{', '.join(experiment.name for experiment in chosen)}. Leave --neurons out, or name "
            "one of them."
        )
    return [e.with_neurons(folder) if e.with_neurons is not None else e for e in chosen]


def command(
    names: Sequence[str],
    seeds: int | None,
    every_seed: bool,
    agent: str | None,
    train: bool,
    quick: bool,
    neurons: Path | None = None,
    device: str = "cpu",
) -> str:
    """Return the equivalent command line."""
    words = ["neurotasks", "reproduce", *names]
    words += [] if seeds is None else ["--seeds", str(seeds)]
    words += ["--all"] * every_seed + ([] if agent is None else ["--agent", agent])
    words += [] if neurons is None else ["--neurons", shlex.quote(str(neurons))]
    words += ["--device", device] if train and device != "cpu" else []
    return " ".join(words + ["--train"] * train + ["--quick"] * quick)


def _run_side_by_side(
    jobs: Sequence[Job], out: Path, engine: Engine, workers: int | None
) -> list[Measures]:
    """Run jobs on an engine, the longest first, so that the cores finish together."""
    expected = {job: job.expected_seconds for job in jobs}
    longest_first = sorted(jobs, key=lambda job: -expected[job])
    results: dict[Job, Measures] = {}
    with Display({str(job): seconds for job, seconds in expected.items()}) as display:

        def show(running: Collection[Job]) -> None:
            begun = {*running, *results}
            display.show(
                {str(job): job.status() for job in longest_first if job not in begun},
                {str(job): job.status() for job in running},
                [str(job) for job in results],
            )

        with job_pool(engine, out, workers) as pool:
            for job, measures in pool.run(run, longest_first, on_wait=show):
                results[job] = measures
        show([])
    return [results[job] for job in jobs]
