"""Scores of the agents that ship and of others, which `neurotasks.baseline_scores` returns.

    python -m neurotasks_baselines.suite.shipped DIR
    python -m neurotasks_baselines.suite.shipped DIR --add FILE ... --hardware TEXT

The first command writes ``DIR/baselines.json``; what is done is kept in DIR: the same command
resumes. The second one adds to it, or to those that ship, what ``neurotasks score`` wrote.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym

from neurotasks.files import write_whole
from neurotasks.scores import baseline_scores
from neurotasks_baselines.errors import ScoresFileError
from neurotasks_baselines.experiments import EXPERIMENTS, metrics_for
from neurotasks_baselines.experiments.jobs import shipped
from neurotasks_baselines.experiments.learners import learners_of, seeds_of, trainings_of
from neurotasks_baselines.experiments.runner import PLAYED
from neurotasks_baselines.files import json_text, read_json
from neurotasks_baselines.processes import limited_threads
from neurotasks_baselines.suite.protocol import STANDARD, track_named
from neurotasks_baselines.suite.results import CURVE, Result, check_scores, is_certain, read_results
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
    "transformer PPO": "`examples/transformer_ppo.py:make_agent`, no trainings yet",
    "stock RecurrentPPO": "`examples/stock_agents.py:recurrent`, no trainings yet",
    "PPO with stacked frames": "`examples/stock_agents.py:stacked_frames`, no trainings yet",
    "recurrent PPO with GRU": "`examples/stock_agents.py:gru`, no trainings yet",
    "recurrent PPO with RNN": "`examples/stock_agents.py:rnn`, no trainings yet",
    "agents of CleanRL, TorchRL and RLlib": "no trainings yet",
}


def jobs() -> Iterator[tuple[str, Job, Path]]:
    """Yield the learner, the job and the weights of every shipped agent of a task's own defaults.

    Agents of the mouse tasks were trained with other parameters of the task, and are left out.
    Those of the task in pictures are, too: each takes minutes to play.
    """
    for learner in LEARNERS:
        for experiment in EXPERIMENTS.values():
            if experiment.agents_of or learner not in learners_of(experiment):
                continue
            for agent, training in trainings_of(experiment, learner).items():
                if training.id not in STANDARD or training.task_kwargs:
                    continue
                for seed in seeds_of(experiment, learner)[:PLAYED]:
                    weights = shipped(experiment.name, learner, seed, agent)
                    if weights.with_suffix(".safetensors").exists():
                        steps = training.hyperparameters.total_steps
                        job = Job(learner, training.id, seed, steps, None)
                        yield learner, job, weights


def score_shipped(learner: str, job: Job, weights: Path, out: Path) -> Result:
    """Score a shipped agent, unless that is done, and keep the result."""
    file = job.file(out / learner)
    if file.exists():
        (result,) = read_results([read_json(file)])
        if is_certain(result):
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
    """Score all shipped agents, and write ``baselines.json``; what was added stays in it.

    Args:
        out: Directory, made if it does not exist.
    """
    agents: dict[str, Any] = {
        name: {"command": COMMAND, "results": []} for name in LEARNERS.values()
    }
    for learner, job, weights in track(list(jobs()), "shipped agents"):
        result = score_shipped(learner, job, weights, out)
        agents[LEARNERS[learner]]["results"].append(asdict(result))
    for name, before in _known(out).items():
        agents[name] = _joined(before, agents[name]) if name in agents else before
    return _write(out, agents)


def add_scores(out: Path, files: Sequence[Path], hardware: str) -> dict[str, Any]:
    """Add agents to ``baselines.json``, or put new results in the place of those on the same tasks.

    Tasks with fewer seeds than the track, or too few held-out episodes, are left out: the tables
    say "not run".

    Args:
        out: Directory with a ``baselines.json``; without one, the one that ships is added to.
        files: Files ``scores.json``, one per agent.
        hardware: What they were trained on.

    Raises:
        ScoresFileError: If one is not what ``neurotasks score`` writes, has no complete task, or
            is of a task for which an agent of this name ships.
        OSError: If there is no such file.
    """
    agents = dict(_known(out))
    ours = {(LEARNERS[learner], job.id) for learner, job, _ in jobs()}
    for file in files:
        found = check_scores(file, complete=False)
        certain = [result for result in found["results"] if is_certain(result)]
        seeds = Counter(result.id for result in certain)
        least = track_named(found["track"]).seeds
        results = [asdict(result) for result in certain if seeds[result.id] >= least]
        if not results or {(found["agent"], id) for id in seeds} & ours:
            raise ScoresFileError(
                f"{file} must hold a task with all {least} seeds, of an agent that does not ship "
                f"for it; got {found['agent']} with {dict(seeds)}. Train the other seeds, or "
                "choose another --name."
            )
        new = {"command": found["command"], "hardware": hardware, "results": results}
        before = agents.get(found["agent"], {"results": []})
        agents[found["agent"]] = _joined(before, new)
    return _write(out, agents)


def _known(out: Path) -> dict[str, Any]:
    file = out / "baselines.json"
    return dict((read_json(file) if file.exists() else baseline_scores())["agents"])


def _joined(before: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return an agent with new results in the place of those on the same tasks."""
    ids = {result["id"] for result in new["results"]}
    kept = [result for result in before["results"] if result["id"] not in ids]
    if not kept:
        return dict(new)
    joined: dict[str, Any] = {}
    for name in ("command", "hardware"):
        both = [agent[name] for agent in (before, new) if name in agent]
        joined[name] = "; ".join(dict.fromkeys("; ".join(both).split("; ")))
    return joined | {"results": [*kept, *new["results"]]}


def _write(out: Path, agents: dict[str, Any]) -> dict[str, Any]:
    missing = {name: why for name, why in NOT_RUN.items() if name not in agents}
    table = {"agents": agents, "not_run": missing}
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "baselines.json", json_text(table))
    return table


def main(words: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m neurotasks_baselines.suite.shipped")
    parser.add_argument("out", type=Path, metavar="DIR")
    parser.add_argument("--add", type=Path, nargs="+", metavar="FILE", help="scores.json of others")
    parser.add_argument("--hardware", help="what they were trained on")
    options = parser.parse_args(words)
    if (options.add is None) != (options.hardware is None):
        parser.error("--add and --hardware go together")
    if options.add is None:
        write_baselines(options.out)
    else:
        add_scores(options.out, options.add, options.hardware)


if __name__ == "__main__":
    main()
