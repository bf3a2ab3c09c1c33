"""Jobs that tests run in workers, which import this file.

``python tests/support/jobs_to_run.py ENGINE ROOT`` trains two agents; ENGINE is a key of `ENGINES`,
or the address of a Ray.
"""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from neurotasks_baselines.training.callbacks import Metrics, reward_per_trial
from neurotasks_baselines.training.hyperparameters import hyperparameters_for
from neurotasks_baselines.training.job_directories import TrainingJob
from neurotasks_baselines.training.jobs import Engine, job_pool
from neurotasks_baselines.training.train import train

ID, ROLLOUTS, STEPS = "neurotasks/TwoStep-v0", 40, 8 * 300
CHECKPOINT = 2  # rollouts
NAP = float(os.environ.get("NAP", "0.05"))  # seconds a rollout, so that there is a half-way
SEEDS = (1000, 1001)
ENGINES = {
    "processes": Engine(),
    "ray": Engine(ray="local"),
    "slurm": Engine(slurm={"partition": "short", "hours": "1"}),
}


def training_jobs(root):
    small = replace(hyperparameters_for(ID), num_envs=8, columns=4, units=16, n_steps=None)
    small = replace(small, total_steps=ROLLOUTS * STEPS)
    return [TrainingJob(ID, seed, small, root) for seed in SEEDS]


def train_once(job):
    """Train, and log every rollout that begins."""
    return job.once(lambda directory: _train(job, directory))


def _train(job, directory):
    def log(steps):
        with log_file(job).open("a") as file:
            file.write(f"{os.getpid()} {steps}\n")
        time.sleep(NAP)

    model = train(
        job.id,
        directory,
        hyperparameters=job.hyperparameters,
        seed=job.seed,
        metrics=Metrics(reward_per_trial, num_episodes=4),
        evaluations=3,
        checkpoints=ROLLOUTS // CHECKPOINT,
        on_progress=log,
    )
    return {"history": model.description["history"]}


def log_file(job):
    return Path(os.environ.get("LOGS", job.root), f"{job.directory.name}.log")


def log_of(job):
    """Return the processes and the steps of the rollouts that began."""
    file = log_file(job)
    lines = file.read_text().splitlines() if file.exists() else []
    return [tuple(map(int, line.split())) for line in lines]


def trained_twice(job):
    """Return how many rollouts were done more than once."""
    steps = [steps for _, steps in log_of(job)]
    return len(steps) - len(set(steps))


def nap(seconds):
    time.sleep(seconds)
    return seconds


def fail(text):
    raise ValueError(text)


def kill_worker(file):
    """Kill the worker, as often as it runs, and count that."""
    with Path(file).open("a") as opened:
        opened.write("x")
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    engine, root = ENGINES.get(sys.argv[1]) or Engine(ray=sys.argv[1]), Path(sys.argv[2])
    from jobs_to_run import train_once, training_jobs  # under a name that workers find

    with job_pool(engine, root, workers=2) as pool:
        for _job, _result in pool.run(train_once, training_jobs(root)):
            pass
