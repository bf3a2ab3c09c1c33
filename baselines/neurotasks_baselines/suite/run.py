"""Train and score an agent on every task of a track, with what is done kept in a directory."""

from __future__ import annotations

import hashlib
import math
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from neurotasks.episodes import Agent
from neurotasks.files import write_whole
from neurotasks_baselines.errors import RunDirectoryError
from neurotasks_baselines.files import json_text, read_json
from neurotasks_baselines.locks import locked
from neurotasks_baselines.processes import limited_threads
from neurotasks_baselines.suite.agents import MakeAgent, as_agent, load_make_agent, snapshots
from neurotasks_baselines.suite.behaviour import measure_behaviour
from neurotasks_baselines.suite.protocol import (
    SPLIT_MATTERS,
    chosen_ids,
    episodes_of,
    steps_of,
    track_named,
)
from neurotasks_baselines.suite.results import CURVE, Result, contents, is_certain, read_results
from neurotasks_baselines.suite.scores import held_out_scores
from neurotasks_baselines.training.jobs import Engine, job_pool
from neurotasks_baselines.training.progress import track as shown

AGENT = "agent.json"  # names the agent whose results a directory holds
FEWEST_EPISODES = 200  # of a point of a learning curve, which a tenth of those of a score are for

Curve = dict[str, list[float]]


@dataclass(frozen=True)
class Job:
    """Training of one agent on one task, and the episodes it is scored on.

    Attributes:
        candidate: What makes the agent, or ``FILE.py:FUNCTION``.
        id: Id of the task.
        seed: Seed of the training.
        steps: Number of steps of the training.
        episodes: Number of held-out episodes; None for as many as a score needs.
    """

    candidate: MakeAgent | str
    id: str
    seed: int
    steps: int
    episodes: int | None

    def file(self, out: Path) -> Path:
        """Return where its result is kept."""
        return out / "results" / f"{self.id.rpartition('/')[2]}-{self.seed}.json"


def evaluate(
    make_agent: MakeAgent | str,
    out: str | Path,
    *,
    name: str | None = None,
    track: str = "standard",
    ids: Sequence[str] = (),
    seeds: int | None = None,
    steps: int | None = None,
    episodes: int | None = None,
    workers: int | None = None,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Train an agent on each task of a track, let it play held-out episodes, and score it.

    The result of each training is kept in ``out/results`` as soon as there is one: the same call
    resumes, and one with more tasks or seeds does the rest. ``out`` then has ``scores.json``, the
    tables ``scores.csv`` and ``scores.md``, and the figures ``tasks.png``, ``radar.png`` and, if
    there are any, ``curves.png`` with learning curves against steps and seconds.

    Args:
        make_agent: Function that trains an agent, see `neurotasks_baselines.suite.agents`, or
            ``FILE.py:FUNCTION``. One that returns a trained agent may ignore the steps.
        out: Directory, made if it does not exist.
        name: Name of the agent; by default that of the function.
        track: ``"quick"``, ``"standard"`` or ``"pixels"``.
        ids: Ids of the tasks; those of the track by default.
        seeds: Number of trainings on each task, with seeds from 0; that of the track by default.
        steps: Number of steps of each training; that of the track by default.
        episodes: Number of held-out episodes; by default so many that no score between 0 and 1 has
            a standard error above .02, see `neurotasks_baselines.suite.results.is_certain`.
        workers: Number of trainings that run at once, 1 by default; if more they run in processes
            of their own: `make_agent` must then be ``FILE.py:FUNCTION``, or a function of an
            importable module.
        engine: Cluster that they run on, as many at once as it takes by default, and `make_agent`
            likewise; this machine by default.

    Returns:
        What ``scores.json`` holds.

    Raises:
        CandidateError: If what `make_agent` returns is no agent, or a task or track is unknown.
        RunDirectoryError: If the directory holds results of another agent, or with other steps or
            episodes.
        RunLockedError: If another process writes to the directory.
        EngineError: If the engine cannot be reached.
        JobLostError: If the engine could not run a job to its end.
    """
    from neurotasks_baselines.suite.report import write_report

    out, of_track = Path(out), track_named(track)
    made_by = _name_of(make_agent)
    name = name or made_by
    chosen: dict[str, Any] = {"name": None if name == made_by else name, "track": track}
    chosen |= {"seeds": seeds, "steps": steps, "episodes": episodes}
    words = [word for id in ids for word in ("--task", id)]
    words += [f"--{key}={value}" for key, value in chosen.items() if value is not None]
    command = shlex.join(["neurotasks", "score", made_by, *words])
    if isinstance(make_agent, str):
        load_make_agent(make_agent)  # what cannot be imported is refused before anything is written
        make_agent = str(Path(make_agent).absolute())  # workers may be in another directory
    jobs = [
        Job(make_agent, id, seed, steps_of(id, steps or of_track.steps), episodes)
        for seed in range(seeds or of_track.seeds)
        for id in chosen_ids(ids or of_track.ids)
    ]
    with locked(out):
        _claim(out, name, make_agent)
        before = {job: _done_before(job, out) for job in jobs}
        done = {job: result for job, result in before.items() if result is not None}
        left = [job for job in jobs if job not in done]
        for job, result in shown(_run(left, out, workers, engine), name, total=len(left)):
            job.file(out).parent.mkdir(exist_ok=True)
            write_whole(job.file(out), json_text(asdict(result)))
            done[job] = result
        found = contents(name, track, command, [done[job] for job in jobs])
        write_whole(out / "scores.json", json_text(found))
        write_report(out, found)
    return found


def _run(
    jobs: Sequence[Job], out: Path, workers: int | None, engine: Engine | None
) -> Iterator[tuple[Job, Result]]:
    engine = engine or Engine()
    if engine.name is None and (workers or 1) == 1:
        yield from ((job, train_and_score(job)) for job in jobs)
        return
    with job_pool(engine, out, workers) as pool:
        yield from pool.run(train_and_score, jobs)


def train_and_score(job: Job) -> Result:
    """Train an agent, and score it on held-out episodes with one torch thread.

    Args:
        job: What to train.
    """
    make = job.candidate
    make = load_make_agent(make) if isinstance(make, str) else make
    with limited_threads(1):
        agent, seconds, curve = _trained(make, job)
        return score_trained(agent, job, seconds, curve)


def _trained(make: MakeAgent, job: Job) -> tuple[Agent, float, Curve]:
    """Return the trained agent, the seconds that took, and its scores meanwhile."""
    started, seconds = time.perf_counter(), 0.0
    made = make(job.id, total_steps=job.steps, seed=job.seed)
    if hasattr(made, "predict") or not isinstance(made, Iterator):
        return as_agent(made), time.perf_counter() - started, {}
    curve: Curve = {name: [] for name in CURVE}
    of_score = job.episodes or episodes_of(job.id)
    episodes = min(max(FEWEST_EPISODES, of_score // 10), of_score)
    for steps, agent in snapshots(made):
        seconds += time.perf_counter() - started
        score = held_out_scores(agent, job.id, episodes).score.value
        for name, value in zip(CURVE, (steps, round(seconds, 3), round(score, 4)), strict=True):
            curve[name].append(value)
        started = time.perf_counter()
    return agent, seconds, curve


def score_trained(agent: Any, job: Job, seconds: float, curve: Curve) -> Result:
    """Score an agent that has been trained.

    Args:
        agent: Agent with Stable-Baselines3's ``predict``.
        job: What it was trained on.
        seconds: Time of its training.
        curve: Scores while it learned, as in `Result`.
    """
    result = _scored(agent, job, job.episodes or episodes_of(job.id), seconds, curve)
    while job.episodes is None and not is_certain(result):
        result = _scored(agent, job, 2 * result.episodes, seconds, curve)
    return result


def _scored(agent: Any, job: Job, episodes: int, seconds: float, curve: Curve) -> Result:
    tested = held_out_scores(agent, job.id, episodes)
    trained, memory = None, tested.memory_score
    if job.id in SPLIT_MATTERS:
        trained = held_out_scores(agent, job.id, episodes, "train").score
    behaviour = measure_behaviour(job.id, tested.episodes)
    finite = {n: v if math.isfinite(v) else None for n, v in behaviour.items()}
    return Result(
        id=job.id,
        seed=job.seed,
        steps=job.steps,
        episodes=episodes,
        mean_return=tested.mean_return,
        score=tested.score.value,
        score_se=tested.score.standard_error,
        memory_score=None if memory is None else memory.value,
        memory_score_se=None if memory is None else memory.standard_error,
        train_score=None if trained is None else trained.value,
        train_score_se=None if trained is None else trained.standard_error,
        behaviour=finite,
        seconds=seconds,
        curve=curve,
    )


def _name_of(make_agent: MakeAgent | str) -> str:
    if isinstance(make_agent, str):
        return make_agent
    return str(getattr(make_agent, "__qualname__", type(make_agent).__name__))


def _claim(out: Path, name: str, make_agent: MakeAgent | str) -> None:
    """Note whose results a directory holds, and refuse those of another agent or another file."""
    mark: dict[str, Any] = {"agent": name, "sha256": None}
    if isinstance(make_agent, str):
        code = Path(make_agent.rpartition(":")[0]).read_bytes()
        mark["sha256"] = hashlib.sha256(code).hexdigest()
    file = out / AGENT
    if file.exists() and (known := _read(file)) != mark:
        changed = isinstance(known, dict) and known.get("agent") == name
        raise RunDirectoryError(
            f"{out} must hold results of {name}; got those of "
            f"{'an earlier version of its file' if changed else known}. Choose another directory, "
            "or delete this one."
        )
    write_whole(file, json_text(mark))


def _done_before(job: Job, out: Path) -> Result | None:
    """Return the result of a job, None if it is still to be run."""
    file = job.file(out)
    if not file.exists():
        return None
    try:
        (result,) = read_results([_read(file)])
    except ValueError as error:
        raise RunDirectoryError(
            f"{file} must hold a result; got a file in which {error}. Delete it to start over."
        ) from error
    enough = is_certain(result) if job.episodes is None else result.episodes == job.episodes
    if result.steps != job.steps or not enough:
        wanted = "enough" if job.episodes is None else f"{job.episodes:,}"
        raise RunDirectoryError(
            f"{file} must hold a result of {job.steps:,} steps and {wanted} episodes; got one of "
            f"{result.steps:,} and {result.episodes:,}. Choose another directory."
        )
    return result


def _read(file: Path) -> Any:
    try:
        return read_json(file)
    except ValueError as error:
        raise RunDirectoryError(
            f"{file} must hold JSON; got a file in which {error}. Delete it to start over."
        ) from error
