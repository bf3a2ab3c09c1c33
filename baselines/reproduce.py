"""Reproduces the published findings: agents, measures, claims, figures, one report."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from stable_baselines3.common.utils import set_random_seed

from baselines.claims import Claim
from baselines.experiments import EXPERIMENTS, select
from baselines.experiments.base import Experiment, Measures, Training
from baselines.recurrent_ppo import FusedRecurrentPPO
from baselines.report import results_page, write_report
from baselines.saving import json_ready, load, save
from baselines.training import train

WEIGHTS = Path(__file__).parent / "weights"
EPISODES, QUICK_EPISODES = 300, 60
QUICK_STEPS = 20  # a quick training is this many times shorter


@dataclass(frozen=True)
class Job:
    """One seed of one experiment.

    Attributes:
        name: of the experiment.
        seed: of its agents.
        directory: the run directories of the agents are in here.
        train: whether to train, or to take the shipped weights.
        quick: whether to train and measure only as long as it takes to see that it runs.
    """

    name: str
    seed: int
    directory: Path
    train: bool
    quick: bool

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


def run(job: Job) -> Measures:
    """Do one job: train or load the agents, measure them. Runs in a process of its own."""
    agents: dict[str, FusedRecurrentPPO] = {}
    before = 0
    for name, training in job.experiment.trainings.items():
        if job.train:
            steps = job.steps_of(training)
            agents[name] = train(
                training.id,
                job.directory / name,
                seed=job.seed,
                settings=dataclasses.replace(training.hyperparameters, total_steps=steps),
                keywords=dict(training.keywords),
                watch=training.watch,
                on_progress=partial(_tell_progress, job, before),
            )
            before += steps
        else:
            agents[name] = load(shipped(job.name, job.seed, name), num_envs=1)
    episodes = QUICK_EPISODES if job.quick else EPISODES
    set_random_seed(job.seed)  # the same agents play the same episodes alike
    measures = job.experiment.measure(agents, episodes)
    seconds = sum(agent.description["seconds"] for agent in agents.values())
    return json_ready({**measures, "seconds": seconds})


def shipped(experiment: str, seed: int, agent: str) -> Path:
    """Return where the weights of an agent lie in the package, without suffix."""
    return WEIGHTS / experiment / f"{agent}-{seed}"


def _tell_progress(job: Job, before: int, steps: int) -> None:
    _progress_file(job).write_text(str(before + steps))


def reproduce(
    names: Sequence[str] = (),
    out: str | Path = "runs/reproduce",
    *,
    seeds: int | None = None,
    train: bool = False,
    quick: bool = False,
    workers: int | None = None,
) -> list[Claim]:
    """Reproduce experiments and write the report.

    The directory gets ``index.html``, a figure for each experiment, ``claims.json`` and the same
    as ``results.md``, and with ``train`` the run directories. Killed and started again, it goes on.

    Args:
        names: experiments or groups; all without one.
        out: the directory.
        seeds: how many of the reported seeds; all by default, one if quick.
        train: whether to train anew instead of taking the shipped weights.
        quick: whether to do everything in short, to see that it runs; the claims mean nothing.
        workers: processes side by side; one a core by default.

    Returns:
        The claims.
    """
    out = Path(out)
    chosen = select(names)
    jobs = [
        Job(experiment.name, seed, out / experiment.name / f"seed{seed}", train, quick)
        for experiment in chosen
        for seed in list(experiment.seeds)[: seeds or (1 if quick else None)]
    ]
    out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    measures = _run_side_by_side(jobs, workers or cores())
    seconds = time.perf_counter() - started

    claims: list[Claim] = []
    parts = []
    for experiment in chosen:
        ours = [m for job, m in zip(jobs, measures, strict=True) if job.name == experiment.name]
        found = experiment.claims(ours)
        figure = out / f"{experiment.name}.png"
        experiment.figure(ours).savefig(figure)
        (out / f"{experiment.name}.json").write_text(json.dumps(ours, indent=1) + "\n")
        claims += found
        parts.append((experiment, found, figure, [m["seconds"] for m in ours]))
    (out / "claims.json").write_text(json.dumps([c.to_json() for c in claims], indent=1) + "\n")
    (out / "results.md").write_text(results_page(claims))
    write_report(out / "index.html", parts, command(names, seeds, train, quick), seconds, quick)
    return claims


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def command(names: Sequence[str], seeds: int | None, train: bool, quick: bool) -> str:
    """Return the command line that does the same."""
    words = ["neurotasks", "reproduce", *names]
    words += [] if seeds is None else ["--seeds", str(seeds)]
    return " ".join(words + ["--train"] * train + ["--quick"] * quick)


def ship_weights(experiment: Experiment, out: Path) -> None:
    """Copy the agents of a finished reproduction into the package; for its developers."""
    for seed in experiment.seeds:
        for name in experiment.trainings:
            agent = load(out / experiment.name / f"seed{seed}" / name / "agent", num_envs=1)
            save(agent, shipped(experiment.name, seed, name))


def _run_side_by_side(jobs: list[Job], workers: int) -> list[Measures]:
    columns = (
        TextColumn("{task.description}"),
        *(BarColumn(), TextColumn("{task.percentage:>3.0f} %")),
        *(TimeElapsedColumn(), TimeRemainingColumn()),
    )
    measure_cost = 1 + sum(job.steps for job in jobs) // (20 * len(jobs))
    total = sum(job.steps + measure_cost for job in jobs)
    with (
        Progress(*columns) as progress,
        ProcessPoolExecutor(min(workers, len(jobs)), get_context("spawn")) as pool,
    ):
        bar = progress.add_task(
            f"{len(jobs)} agents, {min(workers, len(jobs))} at a time", total=total
        )
        futures: dict[Any, Job] = {pool.submit(run, job): job for job in jobs}
        waiting = set(futures)
        while waiting:
            try:
                for future in as_completed(list(waiting), timeout=1.0):
                    future.result()  # an error ends everything here, with its own message
                    waiting.discard(future)
            except TimeoutError:
                pass
            done = sum(futures[f].steps + measure_cost for f in futures if f not in waiting)
            under_way = sum(_steps_done(futures[f]) for f in waiting)
            progress.update(bar, completed=done + under_way)
    results = {job: future.result() for future, job in futures.items()}
    return [results[job] for job in jobs]


def _progress_file(job: Job) -> Path:
    return job.directory / "progress"


def _steps_done(job: Job) -> int:
    try:
        return min(int(_progress_file(job).read_text() or 0), job.steps)
    except (FileNotFoundError, ValueError):
        return 0
