"""Reproduces the published findings: agents, measures, claims, figures, one report."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar

from neurotasks_baselines.errors import SeedError, UnknownExperimentError
from neurotasks_baselines.experiments import EXPERIMENTS, select
from neurotasks_baselines.experiments.base import Experiment, Measures
from neurotasks_baselines.experiments.claims import Claim, evaluate_claims, lacking
from neurotasks_baselines.experiments.jobs import Job, run
from neurotasks_baselines.experiments.learners import (
    FOIL_SEEDS_AGAIN,
    LACKING,
    learners_of,
    seeds_of,
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
from neurotasks_baselines.plotting import Pictures, drawn
from neurotasks_baselines.training.build import check_device
from neurotasks_baselines.training.jobs import Engine, JobPool, job_pool
from neurotasks_baselines.training.progress import Display, Status

MEASURES = Path(__file__).parent / "measures"
PLAYED = 5  # seeds that play where not all are asked for


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
            lack something, or are frozen, do in few episodes. One if quick, and all that are run
            are shown.
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
        with job_pool(engine, out, workers) as pool:
            done = dict(zip(jobs, _side_by_side(pool, run, jobs), strict=True))
            results = [
                Results(
                    experiment,
                    {
                        learner: _of_seeds(done, experiment, learner)
                        for learner in learners_of(experiment)
                    },
                    made_by,
                    quick,
                    known.get(experiment.name),
                )
                for experiment in chosen
            ]
            # figures are no work for a cluster
            near = nullcontext(pool) if engine.name is None else job_pool(Engine(), out, workers)
            with near as pool_here:
                parts = _side_by_side(pool_here, make_part, results)
        seconds = time.perf_counter() - started
        for experiment, (part, figures) in zip(chosen, parts, strict=True):
            for learner, figure in figures.items():
                figure.write(figure_file(out, experiment, learner))
            replace(part, seconds=seconds).write(out)
        write_report(out)
        return [claim for part, _ in parts for claim in part.claims]


def most_played(learner: str, seeds: int | None, every_seed: bool, quick: bool) -> int | None:
    """Return how many seeds of a learner play, None for all; arguments as of `reproduce`."""
    if seeds is not None or every_seed:
        return seeds
    few = FOIL_SEEDS_AGAIN if learner in LACKING else PLAYED
    return 1 if quick else few


def _of_seeds(
    done: Mapping[Job, Measures], experiment: Experiment, learner: str
) -> dict[int, Measures]:
    """Return the measures of a learner of an experiment by seed."""
    wanted = experiment.name, learner
    return {job.seed: found for job, found in done.items() if (job.name, job.learner) == wanted}


@dataclass(frozen=True, eq=False)
class Results:
    """What the learners of an experiment showed in a run, of which its part of the report is made.

    Attributes:
        experiment: Experiment.
        measures: Measures by learner and seed.
        made_by: Command of the run.
        quick: Whether the run was too short to mean anything.
        known: Part with recorded references, whose measures are shown unless the run is quick, as
            agents have played again; None where all is computed.
    """

    experiment: Experiment
    measures: Mapping[str, Mapping[int, Measures]]
    made_by: str
    quick: bool
    known: Part | None

    expected_seconds = 1.0

    def status(self) -> Status:
        """Return what is done."""
        return Status(0.0, "drawing")

    def __str__(self) -> str:
        """Return the name in the display."""
        return f"claims and figures of {self.experiment.name}"


def make_part(results: Results) -> tuple[Part, dict[str, Pictures]]:
    """Evaluate claims and draw figures. Entry point of a worker process.

    Returns:
        The part of the report, without the duration of the run, and the figure of each algorithm.
    """
    experiment, known = results.experiment, results.known
    measures = {learner: dict(of_seeds) for learner, of_seeds in results.measures.items()}
    played = {learner: [*of_seeds] for learner, of_seeds in measures.items()}
    references = known.references if known and known.references else experiment.references()
    again: list[float | None] = []
    if known is not None and not results.quick:
        again = [c.measured for c in evaluate_claims(experiment, measures, references)]
        measures = {learner: known.measures[learner] for learner in measures}
    claims = evaluate_claims(experiment, measures, references)
    of_learners = {learner: [*of_seeds.values()] for learner, of_seeds in measures.items()}
    figures = {
        learner: drawn(experiment.figure(of_learners[learner], lacking(of_learners, learner)))
        for learner in experiment.algorithms
    }
    about = experiment.name, results.made_by, 0.0, results.quick, claims, measures, played
    return Part(*about, json_ready(references), again), figures


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


class Shown(Protocol):
    """What a job says of itself in the display."""

    @property
    def expected_seconds(self) -> float:
        """Expected duration; only ratios matter."""

    def status(self) -> Status:
        """Return its progress."""


Work = TypeVar("Work", bound=Shown)
Result = TypeVar("Result")


def _side_by_side(
    pool: JobPool, function: Callable[[Work], Result], jobs: Sequence[Work]
) -> list[Result]:
    """Run jobs in a pool, the longest first, so that the cores finish together."""
    expected = {job: job.expected_seconds for job in jobs}
    longest_first = sorted(jobs, key=lambda job: -expected[job])
    results: dict[Work, Result] = {}
    with Display({str(job): seconds for job, seconds in expected.items()}) as display:

        def show(running: Collection[Work]) -> None:
            begun = {*running, *results}
            display.show(
                {str(job): job.status() for job in longest_first if job not in begun},
                {str(job): job.status() for job in running},
                [str(job) for job in results],
            )

        for job, result in pool.run(function, longest_first, on_wait=show):
            results[job] = result
        show([])
    return [results[job] for job in jobs]
