"""What is trained and played to score an agent: tasks, steps, seeds, episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurotasks import TASKS
from neurotasks.errors import nearest
from neurotasks_baselines.errors import CandidateError
from neurotasks_baselines.training.hyperparameters import hyperparameters_for

FORMAT = 2
"""Version of the protocol: rises with every change that can change a score."""

PIXELS = ("neurotasks/HarlowPixels-v0",)
TESTS = ("BanditEasy", "BanditMedium", "BanditHard")  # problems that BanditUniform contains
LATENCY = ("VariableRewardLatency", "VariableProbabilityLatency")  # early licks pay by discounting
UNLEARNED = ("TwoStepDaw",)  # no agent has learned it
STANDARD = tuple(
    id
    for id in TASKS
    if id not in PIXELS
    and id[len("neurotasks/") : -len("-v0")] not in (*TESTS, *LATENCY, *UNLEARNED)
)
QUICK = ("neurotasks/BanditUniform-v0", "neurotasks/Volatility-v0", "neurotasks/TwoStep2016-v0")

EPISODES = {
    "neurotasks/Bandit-v0": 3000,
    "neurotasks/BanditUniform-v0": 13_000,
    "neurotasks/BanditHard-v0": 1500,
    "neurotasks/BanditRestless-v0": 4500,
    "neurotasks/Volatility-v0": 1500,
    "neurotasks/TwoStep2016-v0": 4000,
    "neurotasks/Harlow-v0": 3000,
    "neurotasks/VariableReward-v0": 55_000,
    "neurotasks/VariableProbability-v0": 5000,
    "neurotasks/SameMean-v0": 8000,
}
"""Held-out episodes of each task at first, `OTHERWISE` of any other.

They are enough for the reference observer, whose actions were replaced by random ones in 0, 10, 30,
50 and 100 % of the steps, and for most agents. Agents that have learned a task in part scatter
more: for them the number is doubled, see `neurotasks_baselines.suite.results.is_certain`.
"""
OTHERWISE = 1000
LARGEST_ERROR = 0.02
"""Standard error that a score between 0 and 1, of either scale, may have."""
MOST = 8
"""How many times as many episodes are played at most."""

SPLIT_MATTERS = (
    "neurotasks/Foraging-v0",
    "neurotasks/Volatility-v0",
    "neurotasks/Harlow-v0",
    "neurotasks/HarlowPixels-v0",
)
"""Tasks whose training and test episodes differ, scored on both."""


@dataclass(frozen=True)
class Track:
    """A list of tasks with the budget of their trainings.

    Attributes:
        ids: Ids of the tasks.
        seeds: Number of trainings of each, with seeds from 0.
        steps: Number of steps of a training; None for that of the task's hyperparameters.
    """

    ids: tuple[str, ...]
    seeds: int
    steps: int | None


TRACKS = {
    "quick": Track(QUICK, 2, 200_000),
    "standard": Track(STANDARD, 5, None),
    "pixels": Track(PIXELS, 5, None),
}


def track_named(name: str) -> Track:
    """Return a track.

    Raises:
        CandidateError: If there is none of this name.
    """
    if name not in TRACKS:
        raise CandidateError(
            f"track must be one of {', '.join(TRACKS)}; got {name!r}. {nearest(name, TRACKS)}"
        )
    return TRACKS[name]


def chosen_ids(ids: Sequence[str]) -> tuple[str, ...]:
    """Return ids, of which each must be that of a shipped task.

    Raises:
        CandidateError: If one is not.
    """
    for id in ids:
        if id not in TASKS:
            raise CandidateError(
                f"A task to be scored must be one that ships; got {id!r}. {nearest(id, TASKS)}"
            )
    return tuple(dict.fromkeys(ids))


def steps_of(id: str, steps: int | None) -> int:
    """Return the number of steps of a training."""
    return hyperparameters_for(id).total_steps if steps is None else steps


def episodes_of(id: str) -> int:
    """Return the number of held-out episodes that a score is measured on at first."""
    return EPISODES.get(id, OTHERWISE)
