"""Scores of the agents that ship, which `neurotasks.baseline_scores` returns.

    python -m neurotasks_baselines.suite.shipped DIR

writes ``DIR/baselines.json``. What is done is kept in DIR: the same command resumes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym

from neurotasks.files import write_whole
from neurotasks_baselines.experiments import EXPERIMENTS, metrics_for
from neurotasks_baselines.experiments.learners import learners_of, seeds_of, trainings_of
from neurotasks_baselines.experiments.runner import PLAYED, shipped
from neurotasks_baselines.files import json_text, read_json
from neurotasks_baselines.processes import limited_threads
from neurotasks_baselines.suite.protocol import STANDARD, episodes_of
from neurotasks_baselines.suite.results import CURVE, Result, read_results
from neurotasks_baselines.suite.run import Curve, Job, score_trained
from neurotasks_baselines.suite.scores import returns_of_others
from neurotasks_baselines.training.agent_files import load, read_description
from neurotasks_baselines.training.progress import track

COMMAND = "python -m neurotasks_baselines.suite.shipped DIR"
LEARNERS = {
    "ppo": "FusedRecurrentPPO",
    "a2c": "FusedRecurrentA2C",
    "feed-forward": "feed-forward PPO",
}
FEWEST_POINTS = 3  # of a learning curve
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
    description = read_description(weights)
    with limited_threads(1):
        result = score_trained(agent, job, float(description["seconds"]), curve_of(description))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json_text(asdict(result)))
    return result


def curve_of(description: Mapping[str, Any]) -> Curve:
    """Return the learning curve in the description of an agent.

    The evaluations of its training are paired with random choices and the reference observer on the
    same episodes. It was timed as a whole: the seconds of a point are in proportion to its steps.

    Args:
        description: Description of the agent, see `neurotasks_baselines.training.agent_files`.

    Returns:
        A curve as in `Result`; empty if only the ends were measured, or no rewards were.
    """
    history, id = description["history"], description["id"]
    if len(history) < FEWEST_POINTS or "reward_per_trial" not in history[0]:
        return {}
    trials = gym.make(id).unwrapped.parameters.trials  # type: ignore[attr-defined]
    known = returns_of_others(id, metrics_for(id).num_episodes)
    low, high = (float(known[name].mean()) for name in ("random", "reference"))
    per_step = description["seconds"] / description["num_timesteps"]
    curve: Curve = {name: [] for name in CURVE}
    for point in history:
        score = (point["reward_per_trial"] * trials - low) / (high - low)
        values = (point["steps"], round(point["steps"] * per_step, 1), round(score, 4))
        for name, value in zip(CURVE, values, strict=True):
            curve[name].append(value)
    return curve


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
