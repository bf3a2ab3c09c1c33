"""Scores of the agents that ship, which `neurotasks.baseline_scores` returns.

    python -m neurotasks_baselines.suite.shipped DIR

writes ``DIR/baselines.json``. What is done is kept in DIR: the same command resumes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from neurotasks.files import write_whole
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.learners import learners_of, seeds_of, trainings_of
from neurotasks_baselines.experiments.runner import PLAYED, shipped
from neurotasks_baselines.files import json_text, read_json
from neurotasks_baselines.processes import limited_threads
from neurotasks_baselines.suite.protocol import STANDARD, episodes_of
from neurotasks_baselines.suite.results import Result, read_results
from neurotasks_baselines.suite.run import Job, score_trained
from neurotasks_baselines.training.agent_files import load
from neurotasks_baselines.training.progress import track

COMMAND = "python -m neurotasks_baselines.suite.shipped DIR"
LEARNERS = {
    "ppo": "FusedRecurrentPPO",
    "a2c": "FusedRecurrentA2C",
    "feed-forward": "feed-forward PPO",
}
NOT_RUN = {
    "agents of the mouse tasks": "those that ship were trained with shorter intervals",
    "agents of HarlowPixels": "the shipped ones have not been scored on as many episodes yet",
    "stock RecurrentPPO (sb3-contrib)": "no trainings at the tasks' full steps yet",
    "PPO with stacked frames": "no trainings yet",
    "recurrent PPO with GRU": "no trainings at the tasks' full steps yet",
    "recurrent PPO with RNN": "no trainings at the tasks' full steps yet",
    "transformer or state-space memory": "no trainings yet",
    "agents of other libraries": "no trainings yet",
}


def jobs() -> Iterator[tuple[str, Job, Path]]:
    """Yield the learner, the job and the weights of every shipped agent of a task's own defaults.

    Agents of the mouse tasks were trained with other parameters of the task, and are left out.
    Those of the task in pictures are, too: each takes minutes to play.
    """
    for learner in LEARNERS:
        for experiment in EXPERIMENTS.values():
            if learner not in learners_of(experiment):
                continue
            for agent, training in trainings_of(experiment, learner).items():
                if training.id not in STANDARD or training.task_kwargs:
                    continue
                for seed in seeds_of(experiment, learner)[:PLAYED]:
                    weights = shipped(experiment.name, learner, seed, agent)
                    if weights.with_suffix(".safetensors").exists():
                        steps = training.hyperparameters.total_steps
                        job = Job(learner, training.id, seed, steps, episodes_of(training.id))
                        yield learner, job, weights


def score_shipped(learner: str, job: Job, weights: Path, out: Path) -> Result:
    """Score a shipped agent, unless that is done, and keep the result."""
    file = job.file(out / learner)
    if file.exists():
        (result,) = read_results([read_json(file)])
        if result.episodes == job.episodes:
            return result
    agent: Any = load(weights, num_envs=1)
    with limited_threads(1):
        result = score_trained(agent, job, float(agent.description["seconds"]))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json_text(asdict(result)))
    return result


def write_baselines(out: Path) -> dict[str, Any]:
    """Score all shipped agents, and write ``baselines.json``.

    Args:
        out: Directory, made if it does not exist.
    """
    agents: dict[str, Any] = {
        name: {"command": COMMAND, "results": []} for name in LEARNERS.values()
    }
    for learner, job, weights in track(list(jobs()), "shipped agents"):
        result = score_shipped(learner, job, weights, out)
        agents[LEARNERS[learner]]["results"].append(asdict(result))
    table = {"agents": agents, "not_run": NOT_RUN}
    write_whole(out / "baselines.json", json_text(table))
    return table


if __name__ == "__main__":
    write_baselines(Path(sys.argv[1]))
