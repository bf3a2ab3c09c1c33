"""What a sweep will cost, from short trainings of some of its settings here."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np

from neurotasks_baselines.experiments.base import Training
from neurotasks_baselines.processes import limited_threads
from neurotasks_baselines.sweeps.run import jobs_of
from neurotasks_baselines.sweeps.spec import Sweep, trainings
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs
from neurotasks_baselines.training.logs import MONITOR
from neurotasks_baselines.training.progress import track
from neurotasks_baselines.training.train import train

SAMPLED = 4  # settings of each target that are tried
ROLLOUTS, SLOW = 12, 3  # of a short training, and those at its start that are slow
MEASURING = 3.0  # seconds of a job after its trainings, and at its start


@dataclass(frozen=True)
class Cost:
    """Cost of what is missing of a sweep.

    Attributes:
        jobs: Number of jobs; of a search at most.
        done: Number of them that are done already.
        steps: Environment steps of the missing ones.
        core_hours: Hours they take on one core, by the speed of this machine.
        bytes: Disk that they take.
    """

    jobs: int
    done: int
    steps: int
    core_hours: float
    bytes: float

    def hours(self, workers: int) -> float:
        """Return the hours with a number of workers, each with a core of its own."""
        return self.core_hours / max(1, min(workers, self.jobs - self.done))


@dataclass(frozen=True)
class Speed:
    """Seconds and bytes of a training per step, and what any length takes."""

    seconds_per_step: float
    seconds_of_evaluations: float
    bytes_per_step: float
    fixed_bytes: float


def cost_of(sweep: Sweep, out: Path, imports: Sequence[Path] = ()) -> Cost:
    """Estimate the cost of a sweep from short trainings of some of its settings.

    Args:
        sweep: Sweep.
        out: Its directory, in which trainings may be done already.
        imports: Python files that register custom tasks.
    """
    settings = list(sweep.settings() if sweep.trials is None else sweep.corners())
    places = np.linspace(0, len(settings) - 1, min(SAMPLED, len(settings))).round().astype(int)
    tried = [(target, settings[place]) for target in sweep.targets for place in places]
    found: dict[str, list[Speed]] = {target: [] for target in sweep.targets}
    for target, setting in track(tried, "speeds"):
        found[target] += map(speed_of, trainings(target, setting, sweep.evaluations).values())
    numbered = enumerate(settings)
    jobs = [job for each in numbered for job in jobs_of(sweep, out, each, imports)]
    missing = [job for job in jobs if job.result(job.made_by) is None]
    times = 1.0
    if sweep.trials is not None:  # what Optuna will choose is not known
        missing, times = jobs, sweep.trials / len(settings)
    seconds, size = 0.0, 0.0
    for job in missing:
        speeds = found[job.target]
        seconds += MEASURING + job.steps * fmean([s.seconds_per_step for s in speeds])
        seconds += len(job.trainings) * fmean([s.seconds_of_evaluations for s in speeds])
        size += job.steps * fmean([s.bytes_per_step for s in speeds])
        size += len(job.trainings) * fmean([s.fixed_bytes for s in speeds])
    return Cost(
        jobs=sweep.num_settings * len(sweep.targets) * len(sweep.seeds),
        done=len(jobs) - len(missing),
        steps=round(times * sum(job.steps for job in missing)),
        core_hours=times * seconds / 3600,
        bytes=times * size,
    )


def speed_of(training: Training) -> Speed:
    """Train for a few rollouts in a folder that is removed.

    Args:
        training: Training.
    """
    hyperparameters, task_kwargs = training.hyperparameters, dict(training.task_kwargs)
    envs = held_out_envs(training.id, task_kwargs, 1)
    rollout = hyperparameters.num_envs * hyperparameters.rollout_steps(envs.unwrapped.parameters)
    envs.close()
    moments: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as folder, limited_threads(1):
        model = train(
            training.id,
            folder,
            hyperparameters=replace(hyperparameters, total_steps=ROLLOUTS * rollout),
            task_kwargs=task_kwargs,
            metrics=training.metrics,
            evaluations=2,
            on_progress=lambda steps: moments.append((steps, time.perf_counter())),
        )
        sizes = {f.relative_to(folder): f.stat().st_size for f in Path(folder).rglob("*.*")}
    (first, begun), (last, ended) = moments[SLOW], moments[-1]
    started = time.perf_counter()
    episodes, _ = evaluate(model, num_episodes=training.metrics.num_episodes)
    training.metrics.compute(episodes)
    evaluation = time.perf_counter() - started
    log = sizes.pop(Path(MONITOR))
    events = sum(size for file, size in sizes.items() if file.parts[0] == "tensorboard")
    return Speed(
        seconds_per_step=(ended - begun) / (last - first),
        seconds_of_evaluations=training.evaluations * evaluation,
        bytes_per_step=log / (ROLLOUTS * rollout),
        fixed_bytes=sum(sizes.values()) + events * (training.evaluations / 2 - 1),
    )
