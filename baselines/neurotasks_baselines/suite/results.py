"""The file ``scores.json``: what it holds, and whether it holds that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neurotasks_baselines.errors import ScoresFileError
from neurotasks_baselines.files import check_fields, fits, read_json
from neurotasks_baselines.suite.aggregates import ByTask, interquartile_mean
from neurotasks_baselines.suite.memoryless import shipped_policies
from neurotasks_baselines.suite.protocol import (
    FORMAT,
    LARGEST_ERROR,
    MOST,
    SPLIT_MATTERS,
    TRACKS,
    episodes_of,
    steps_of,
)
from neurotasks_baselines.suite.scores import carries_memory_score

HIGHEST = 2.0  # of a score: far above what a reference observer can be beaten by
TOLERANCE = 1e-6
CURVE = ("steps", "seconds", "score")
SCORES = ("score", "memory_score", "train_score")
SLACK = 0.05  # the scales' lengths vary with the number of episodes

Optional = float | None


@dataclass(frozen=True)
class Result:
    """Scores of one training.

    Attributes:
        id: Id of the task.
        seed: Seed of the training.
        steps: Number of steps of the training.
        episodes: Number of held-out episodes.
        mean_return: Mean return of a held-out episode.
        score: Score, 0 random choices, 1 the reference observer.
        score_se: Its standard error over episodes.
        memory_score: Score, 0 the best policy without memory; None if the task carries none.
        memory_score_se: Its standard error over episodes.
        train_score: Score in episodes as in training, where they differ; otherwise None.
        train_score_se: Its standard error over episodes.
        behaviour: Evaluation metrics of the task in held-out episodes, None where undefined.
        seconds: Time of the training.
        curve: ``"steps"``, ``"seconds"`` and ``"score"`` while it learned, as many of each; empty
            if the agent was not seen before its end.
    """

    id: str
    seed: int
    steps: int
    episodes: int
    mean_return: float
    score: float
    score_se: float
    memory_score: Optional
    memory_score_se: Optional
    train_score: Optional
    train_score_se: Optional
    behaviour: dict[str, Optional]
    seconds: float
    curve: dict[str, list[float]] = field(default_factory=dict)


FIELDS: dict[str, Any] = {
    "id": str,
    **dict.fromkeys(("seed", "steps", "episodes"), int),
    **dict.fromkeys(("mean_return", "score", "score_se"), float),
    **dict.fromkeys(("memory_score", "memory_score_se"), Optional),
    **dict.fromkeys(("train_score", "train_score_se"), Optional),
    "behaviour": dict[str, Optional],
    "seconds": float,
    "curve": dict[str, list[float]],
}
FILE_FIELDS = {
    **dict.fromkeys(("format",), int),
    **dict.fromkeys(("agent", "track", "command", "version"), str),
    "results": list,
    "aggregates": dict,
}


def is_certain(result: Result) -> bool:
    """Return whether a result is from as many held-out episodes as the protocol wants.

    They are those of the task in `neurotasks_baselines.suite.protocol.EPISODES`, doubled until no
    score between 0 and 1 has a standard error above `LARGEST_ERROR`, but at most `MOST` times.
    """
    enough = episodes_of(result.id)
    pairs = [(getattr(result, name), getattr(result, f"{name}_se")) for name in SCORES]
    errors = [error for score, error in pairs if score is not None and 0 <= score <= 1]
    small = max(errors, default=0.0) <= LARGEST_ERROR
    return result.episodes >= (enough if small else MOST * enough)


def by_task(results: Sequence[Result], name: str) -> ByTask:
    """Return the values of a field over the seeds of each task, without tasks that have none."""
    found: dict[str, list[float]] = {}
    for result in sorted(results, key=lambda r: (r.id, r.seed)):
        if (value := getattr(result, name)) is not None:
            found.setdefault(result.id, []).append(value)
    return found


def aggregates(results: Sequence[Result]) -> dict[str, Any]:
    """Return the interquartile means of both scores, None for that of no task."""
    found: dict[str, Any] = {}
    for name in ("score", "memory_score"):
        values = by_task(results, name)
        found[name] = interquartile_mean(values)._asdict() if values else None
    return found


def contents(agent: str, track: str, command: str, results: Sequence[Result]) -> dict[str, Any]:
    """Return what ``scores.json`` holds."""
    from neurotasks import __version__

    return {
        "format": FORMAT,
        "agent": agent,
        "track": track,
        "command": command,
        "version": __version__,
        "results": [asdict(result) for result in results],
        "aggregates": aggregates(results),
    }


def read_results(rows: Any) -> list[Result]:
    """Return the results that a list of JSON objects holds.

    Raises:
        ValueError: If one has other fields.
    """
    if not fits(rows, list[dict]) or not rows:
        raise ValueError("results must be a list of objects, not empty")
    for number, row in enumerate(rows):
        try:
            check_fields(row, FIELDS)
        except ValueError as error:
            raise ValueError(f"result {number}: {error}") from error
    return [Result(**row) for row in rows]


def check_scores(file: Path, complete: bool = True) -> dict[str, Any]:
    """Read ``scores.json``, and refuse what no evaluation writes.

    Args:
        file: The file.
        complete: Whether it must hold all tasks of its track, with its seeds, steps and episodes.

    Returns:
        What it holds, with `Result`s for ``"results"``.

    Raises:
        ScoresFileError: If it is no such file, a value is out of range, the aggregates are not
            those of its results, or something is missing.
        OSError: If there is no such file.
    """
    try:
        found = read_json(file)
        check_fields(found, FILE_FIELDS)
        if found["format"] != FORMAT:
            raise ValueError(f"format must be {FORMAT}; got {found['format']}")
        if found["track"] not in TRACKS:
            raise ValueError(f"track must be one of {', '.join(TRACKS)}; got {found['track']!r}")
        results = read_results(found["results"])
        for result in results:
            _check_result(result)
        _check_seeds(results)
        _check_aggregates(found["aggregates"], results)
        if complete:
            _check_complete(found["track"], results)
    except ValueError as error:
        raise ScoresFileError(
            f"{file} must be what `neurotasks score` writes; got a file in which {error}."
        ) from error
    return found | {"results": results}


def _check_result(result: Result) -> None:
    at = f"{result.id} with seed {result.seed}"
    ids = {id for track in TRACKS.values() for id in track.ids}
    if result.id not in ids:
        raise ValueError(f"the task {result.id!r} is in no track")
    if result.seed < 0 or result.steps < 1 or result.episodes < 2 or result.seconds < 0:
        raise ValueError(f"{at}: seed, steps, episodes or seconds are out of range")
    wanted = {
        "score": True,
        "memory_score": carries_memory_score(result.id),
        "train_score": result.id in SPLIT_MATTERS,
    }
    for name, there in wanted.items():
        value, error = getattr(result, name), getattr(result, f"{name}_se")
        if (value is not None, error is not None) != (there, there):
            raise ValueError(f"{at}: {name} must {'be a number' if there else 'be null'}")
        if there and not (value <= HIGHEST and error >= 0):
            raise ValueError(
                f"{at}: {name} must be at most {HIGHEST:g}, with an error of 0 or more"
            )
    _check_curve(result.curve, at)
    if result.memory_score is not None:  # the scales have their 1 in common
        share = 1 - shipped_policies()[result.id]["score"]
        short, memory_short = 1 - result.score, (1 - result.memory_score) * share
        if abs(memory_short - short) > SLACK * (1 + abs(short)):
            raise ValueError(f"{at}: score and memory_score contradict each other")


def _check_curve(curve: dict[str, list[float]], at: str) -> None:
    if not curve:
        return
    if tuple(curve) != CURVE or len({len(values) for values in curve.values()}) != 1:
        raise ValueError(f"{at}: curve must have as many {', '.join(CURVE)}")
    if not (np.diff(curve["steps"]) > 0).all() or not (np.diff(curve["seconds"]) >= 0).all():
        raise ValueError(f"{at}: the steps and seconds of the curve must grow")
    if max(curve["score"]) > HIGHEST:
        raise ValueError(f"{at}: scores of the curve must be at most {HIGHEST:g}")


def _check_seeds(results: Sequence[Result]) -> None:
    pairs = [(result.id, result.seed) for result in results]
    if len({*pairs}) < len(pairs):
        raise ValueError("a task has a seed twice")
    for id in dict(pairs):
        if len({result.steps for result in results if result.id == id}) > 1:
            raise ValueError(f"{id} has seeds with other steps")


def _check_aggregates(given: dict[str, Any], results: Sequence[Result]) -> None:
    wanted = aggregates(results)
    if given.keys() != wanted.keys():
        raise ValueError(f"aggregates must be {', '.join(wanted)}; got {', '.join(given)}")
    for name, aggregate in wanted.items():
        for part, value in (aggregate or {}).items():
            got = given[name].get(part) if fits(given[name], dict[str, Optional]) else given[name]
            if (got is None) != (value is None) or (
                value is not None and not np.isclose(got, value, rtol=0, atol=TOLERANCE)
            ):
                raise ValueError(f"the {part} of {name} must be {value} by its results; got {got}")
        if aggregate is None and given[name] is not None:
            raise ValueError(f"{name} must be null, as no task has one")


def _check_complete(name: str, results: Sequence[Result]) -> None:
    track = TRACKS[name]
    seeds = {id: sorted(r.seed for r in results if r.id == id) for id in track.ids}
    for id, found in seeds.items():
        if len(found) < track.seeds:
            raise ValueError(
                f"{id} has {len(found)} of the {track.seeds} seeds of the track {name!r}"
            )
    for result in results:
        steps = steps_of(result.id, track.steps)
        if result.steps > steps:
            raise ValueError(f"{result.id} has {result.steps:,} steps, more than {steps:,}")
        if not is_certain(result):
            raise ValueError(
                f"{result.id} with seed {result.seed} has {result.episodes:,} held-out episodes, "
                f"which must be {episodes_of(result.id):,} or more, and up to {MOST} times as many "
                f"while a score between 0 and 1 has a standard error above {LARGEST_ERROR:g}"
            )
