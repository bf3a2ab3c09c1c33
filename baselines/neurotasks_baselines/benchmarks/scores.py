"""Reference returns of every task, and the scores of agents relative to them."""

from __future__ import annotations

import json
import reprlib
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO

from neurotasks import TASKS
from neurotasks.files import write_whole
from neurotasks.scores import episode_returns, measure_returns, normalized_score
from neurotasks_baselines.agents.vec_env import make_vec_env
from neurotasks_baselines.errors import RunDirectoryError
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.runner import PLAYED, shipped
from neurotasks_baselines.files import fits, read_json
from neurotasks_baselines.training.agent_files import load
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.hyperparameters import TABLE, hyperparameters_for
from neurotasks_baselines.training.jobs import Engine, job_pool
from neurotasks_baselines.training.progress import track

EPISODES = 10_000
AGENT_EPISODES, AGENT_STEPS, AGENT_SEEDS = 1000, 500_000, (1101, 1102, 1103)


def reference_table(ids: Iterable[str] = TASKS, num_episodes: int = EPISODES) -> dict[str, Any]:
    """Measure anew the values that `neurotasks.scores.reference_returns` holds.

    Args:
        ids: Ids of the tasks.
        num_episodes: Number of episodes of each player and task.
    """
    return {id: measure_returns(id, num_episodes) for id in track(list(ids), "reference returns")}


def write_references(out: str | Path) -> dict[str, Any]:
    """Measure the reference returns of all tasks, and write them to ``out/scores.json``.

    Args:
        out: Directory, made if it does not exist.

    Returns:
        Table of `reference_table`.
    """
    table = reference_table(num_episodes=EPISODES)
    write_whole(Path(out) / "scores.json", json.dumps(table, indent=1) + "\n")
    return table


@dataclass(frozen=True)
class Score:
    """Score of one agent on one task.

    Attributes:
        id: Id of the task.
        agent: Name of the agent.
        steps: Number of environment steps of its training.
        scores: Normalized scores, one per seed.
        seconds: Training time per seed, median over the seeds.
    """

    id: str
    agent: str
    steps: int
    scores: list[float]
    seconds: float


def _ours(id: str, seed: int, steps: int) -> Any:
    return build(id, hyperparameters=replace(hyperparameters_for(id), total_steps=steps), seed=seed)


def _stock(id: str, seed: int, steps: int) -> Any:
    hyperparameters = hyperparameters_for(id)
    env = make_vec_env(id, hyperparameters.num_envs, seed=1000 * seed)
    kwargs = hyperparameters.agent_kwargs(env.get_attr("parameters")[0])
    policy = {"lstm_hidden_size": hyperparameters.units, "net_arch": []}
    for name in ("policy", "whole_episodes", "critic_target", "policy_kwargs", "ent_coef"):
        del kwargs[name]
    return RecurrentPPO(
        "MlpLstmPolicy",
        env,
        policy_kwargs=policy,
        ent_coef=hyperparameters.ent_coef / 2,
        seed=seed,
        **kwargs,
    )


def _without_memory(id: str, seed: int, steps: int) -> Any:
    hyperparameters = hyperparameters_for(id)
    env = make_vec_env(id, hyperparameters.num_envs, seed=1000 * seed)
    n_steps = hyperparameters.rollout_steps(env.get_attr("parameters")[0])
    return PPO(
        "MlpPolicy",
        env,
        n_steps=n_steps,
        batch_size=n_steps * hyperparameters.columns,
        n_epochs=hyperparameters.n_epochs,
        gamma=hyperparameters.gamma,
        seed=seed,
    )


SHIPPED = "FusedRecurrentPPO, all its steps"
AGENTS: dict[str, Callable[[str, int, int], Any]] = {
    "PPO without memory": _without_memory,
    "stock RecurrentPPO": _stock,
    "FusedRecurrentPPO": _ours,
}


def train_and_score(job: tuple[str, str, int, int, int]) -> tuple[float, float]:
    """Train one agent and score it on held-out episodes.

    Args:
        job: Id of the task, name in `AGENTS`, seed, training steps, number of held-out episodes.

    Returns:
        Its normalized score, and the training time in seconds.
    """
    id, agent, seed, steps, num_episodes = job
    th.set_num_threads(1)
    model = AGENTS[agent](id, seed, steps)
    started = time.perf_counter()
    model.learn(steps)
    seconds = time.perf_counter() - started
    returns = episode_returns(partial(_itself, model), id, num_episodes)
    return float(normalized_score(id, returns).mean()), seconds


def _itself(agent: Any, _: Any) -> Any:
    return agent


def score_shipped(ids: Collection[str], num_episodes: int) -> list[Score]:
    """Score the pretrained agents, which were trained until they had learned their tasks.

    Args:
        ids: Ids of the tasks.
        num_episodes: Number of held-out episodes each agent plays.

    Returns:
        The scores of the tasks that have such agents.
    """
    scores = []
    for experiment in EXPERIMENTS.values():
        for name, training in experiment.trainings.items():
            if training.id in ids and not training.task_kwargs:
                seeds = experiment.seeds[:PLAYED]
                agents = [load(shipped(experiment.name, "ppo", s, name)) for s in seeds]
                returns = [
                    episode_returns(partial(_itself, a), training.id, num_episodes) for a in agents
                ]
                found = [float(normalized_score(training.id, r).mean()) for r in returns]
                seconds = float(np.median([a.description["seconds"] for a in agents]))
                steps = training.hyperparameters.total_steps
                scores.append(Score(training.id, SHIPPED, steps, found, seconds))
    return scores


def score_agents(
    out: str | Path,
    ids: Iterable[str] = TABLE,
    *,
    steps: int = AGENT_STEPS,
    seeds: Iterable[int] = AGENT_SEEDS,
    num_episodes: int = AGENT_EPISODES,
    workers: int | None = None,
    engine: Engine | None = None,
) -> list[Score]:
    """Train stock agents and ours with the same number of steps, and score them.

    What is done is kept in ``agents.part.json`` until all is: an interrupted run resumes when
    started again with the same arguments.

    Args:
        out: Directory for ``agents.json``.
        ids: Ids of the tasks.
        steps: Number of environment steps of each training.
        seeds: Seeds of the trainings.
        num_episodes: Number of held-out episodes each agent plays after its training.
        workers: Number of trainings that run at once, at most; as many as there are cores by
            default.
        engine: Where they run; in processes of this machine by default.

    Returns:
        The scores.

    Raises:
        EngineError: If the engine cannot be reached.
        JobLostError: If the engine could not run a job to its end.
    """
    seeds, file = list(seeds), Path(out) / "agents.part.json"
    pairs = [(id, agent) for id in ids for agent in AGENTS]
    jobs = [(*pair, seed, steps, num_episodes) for pair in pairs for seed in seeds]
    done = _done_before(file)
    left = [job for job in jobs if _name(job) not in done]
    with job_pool(engine or Engine(), Path(out), workers) as pool:
        for job, result in track(pool.run(train_and_score, left), "agents", total=len(left)):
            done[_name(job)] = list(result)
            write_whole(file, json.dumps(done, indent=1) + "\n")
    scores = []
    for id, agent in pairs:
        of_pair = [done[_name(job)] for job in jobs if job[:2] == (id, agent)]
        reached, seconds = zip(*of_pair, strict=True)
        scores.append(Score(id, agent, steps, list(reached), float(np.median(seconds))))
    scores += score_shipped({id for id, _ in pairs}, num_episodes)
    write_whole(Path(out) / "agents.json", json.dumps([asdict(s) for s in scores], indent=1) + "\n")
    file.unlink(missing_ok=True)
    return scores


def _name(job: tuple[str, str, int, int, int]) -> str:
    return ", ".join(map(str, job))


def _done_before(file: Path) -> dict[str, list[float]]:
    """Return the results that an interrupted run has kept.

    Raises:
        RunDirectoryError: If they cannot be read.
    """
    try:
        found = read_json(file)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        found = error
    if not fits(found, dict[str, list[float]]) or any(len(r) != 2 for r in found.values()):
        raise RunDirectoryError(
            f"{file} must hold the results of an interrupted run; got {reprlib.repr(found)}. "
            "Delete it to begin anew."
        )
    return found
