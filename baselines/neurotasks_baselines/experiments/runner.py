"""Reproduces the published findings: agents, measures, claims, figures, one report."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stable_baselines3.common.utils import set_random_seed

from neurotasks.files import replacing, write_whole
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.errors import AgentFileError, SeedError, UnknownExperimentError
from neurotasks_baselines.experiments import EXPERIMENTS, select
from neurotasks_baselines.experiments.base import Experiment, Measures, Training
from neurotasks_baselines.experiments.claims import Claim, evaluate_claims
from neurotasks_baselines.experiments.progress import Display, Status
from neurotasks_baselines.experiments.report import Part, read_parts, write_report
from neurotasks_baselines.files import check_fields, json_ready, json_text, read_json
from neurotasks_baselines.locks import locked
from neurotasks_baselines.processes import limited_threads
from neurotasks_baselines.training.agent_files import agent_file, read_description
from neurotasks_baselines.training.build import check_device
from neurotasks_baselines.training.jobs import EVERY, Engine, job_pool
from neurotasks_baselines.training.train import check_run

WEIGHTS = Path(__file__).parent / "weights"
EPISODES, QUICK_EPISODES = 300, 60
QUICK_STEPS = 20  # factor by which a quick training is shorter
STEPS_PER_SECOND = 50_000  # expected of a training without a shipped agent
MEASURE_SECONDS = 5.0


@dataclass(frozen=True)
class Job:
    """One seed of one experiment.

    Attributes:
        name: Name of the experiment.
        seed: Seed of its agents.
        directory: Parent of the run directories of the agents.
        train: Whether to train instead of taking the shipped weights.
        quick: Whether to run a smoke test, whose numbers are meaningless.
        device: Device for the network.
    """

    name: str
    seed: int
    directory: Path
    train: bool
    quick: bool
    device: str = "cpu"

    @property
    def experiment(self) -> Experiment:
        """The experiment."""
        return EXPERIMENTS[self.name]

    @property
    def steps(self) -> int:
        """Environment steps of the trainings; 0 with shipped weights."""
        if not self.train:
            return 0
        return sum(self.steps_of(training) for training in self.experiment.trainings.values())

    def steps_of(self, training: Training) -> int:
        """Return the environment steps of one training."""
        total = training.hyperparameters.total_steps
        return total // QUICK_STEPS if self.quick else total

    @property
    def expected_seconds(self) -> float:
        """Expected duration, by the trainings of the shipped agents."""
        seconds = MEASURE_SECONDS
        for name, training in self.experiment.trainings.items() if self.train else ():
            try:
                known = read_description(shipped(self.name, self.seed, name))
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
        try:
            found = read_json(self.progress_file)
            check_fields(found, {"agent": str, "steps": int, "steps_per_second": float})
        except (OSError, ValueError):  # it informs, and is written anew
            return Status(0.0, "starting")
        steps, total = found["steps"], self.steps
        if steps >= total:
            return Status(1.0, "measuring")
        text = f"{found['agent']}: {steps / 1e6:.2f} of {total / 1e6:.2f} M steps"
        return Status(steps / total, f"{text}, {found['steps_per_second']:,.0f} steps/s")

    def __str__(self) -> str:
        """Return the name in the display."""
        return f"{self.name} seed {self.seed}"


def run(job: Job) -> Measures:
    """Run one job: train or load the agents, and measure them. Entry point of a worker process."""
    agents: dict[str, FusedRecurrentPPO] = {}
    before, seconds = 0, 0.0
    for name, training in job.experiment.trainings.items():
        if job.train:
            steps, out = job.steps_of(training), job.directory / name
            agents[name] = training.run(
                out,
                seed=job.seed,
                total_steps=steps,
                on_progress=progress_reporter(job, name, before),
                device=job.device,
            )
            before += steps
            early = out / "early"
        else:
            agents[name] = training.load(shipped(job.name, job.seed, name))
            early = shipped(job.name, job.seed, f"{name}-early")
        seconds += agents[name].description["seconds"]
        if training.early is not None and agent_file(early).exists():
            agents[f"{name}-early"] = training.load(early)
            check_run(agents[f"{name}-early"], agent_file(early), agents[name].description)
    num_episodes = QUICK_EPISODES if job.quick else EPISODES
    set_random_seed(job.seed)  # so that repeated measurements are equal
    with limited_threads(1):  # there are as many workers as cores
        measures = job.experiment.measure(agents, num_episodes)
    return json_ready({**measures, "seconds": seconds})


def shipped(experiment: str, seed: int, agent: str) -> Path:
    """Return the path of the shipped weights of an agent, without suffix."""
    return WEIGHTS / experiment / f"{agent}-{seed}"


def progress_reporter(job: Job, agent: str, before: int) -> Callable[[int], None]:
    """Return a function that reports the progress of a job, called with the steps of a training.

    It writes a file as often as the display looks at it, not after every rollout.

    Args:
        job: Job that trains.
        agent: Name of the agent in training.
        before: Number of steps of the job's earlier trainings.
    """
    first: list[tuple[int, float]] = []
    due = 0.0

    def report(steps: int) -> None:
        nonlocal due
        now = time.perf_counter()
        if not first:
            first.append((steps, now))
        if now < due:
            return
        due = now + EVERY
        elapsed = now - first[0][1]
        speed = (steps - first[0][0]) / elapsed if elapsed else 0.0
        progress = {"agent": agent, "steps": before + steps, "steps_per_second": round(speed)}
        write_whole(job.progress_file, json_text(progress))

    return report


def reproduce(
    names: Sequence[str] = (),
    out: str | Path = "runs/reproduce",
    *,
    seeds: int | None = None,
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
        seeds: Number of reported seeds to run; all by default, one if quick.
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
            experiments shows recorded neurons.
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
    jobs = [
        Job(experiment.name, seed, shared / experiment.name / f"seed{seed}", train, quick, device)
        for experiment in chosen
        for seed in list(experiment.seeds)[: seeds or (1 if quick else None)]
    ]
    made_by = command(names, seeds, train, quick, neurons, device)
    with locked(out):
        read_parts(out)  # what cannot be kept is refused before the work
        started = time.perf_counter()
        measures = _run_side_by_side(jobs, out, engine, workers)
        results = dict(zip(jobs, measures, strict=True))
        return _write(out, chosen, results, made_by, time.perf_counter() - started)


def _write(
    out: Path,
    chosen: Sequence[Experiment],
    results: Mapping[Job, Measures],
    made_by: str,
    seconds: float,
) -> list[Claim]:
    """Write the parts of some experiments and the report; returns their claims."""
    claims: list[Claim] = []
    for experiment in chosen:
        of_seed = {job.seed: m for job, m in results.items() if job.name == experiment.name}
        ours = list(of_seed.values())
        found = evaluate_claims(experiment, ours)
        with replacing(out / f"{experiment.name}.png") as figure:
            experiment.figure(ours).savefig(figure)
        quick = any(job.quick for job in results)
        Part(experiment.name, made_by, seconds, quick, found, of_seed).write(out)
        claims += found
    write_report(out)
    return claims


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
    train: bool,
    quick: bool,
    neurons: Path | None = None,
    device: str = "cpu",
) -> str:
    """Return the equivalent command line."""
    words = ["neurotasks", "reproduce", *names]
    words += [] if seeds is None else ["--seeds", str(seeds)]
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
