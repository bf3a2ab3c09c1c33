"""Scores of one agent on one task, paired with those who mark the ends of the scales.

Random choices, the best policy without memory and the reference observer play the episodes of the
same seeds as the agent. ``score`` is 0 for the first and 1 for the last, ``memory_score`` 0 for the
second.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from neurotasks.episodes import Agent, Episodes, run_episodes
from neurotasks.observers import RandomAgent, reference_observer
from neurotasks.scores import IMAGES, TEST_SEED, Score, episode_returns, paired_score
from neurotasks_baselines.suite.behaviour import measure_behaviour
from neurotasks_baselines.suite.memoryless import memoryless_player, shipped_policies

SMALLEST_GAP = 0.1
"""Share of the way from random choices to the reference that memory must be worth."""
AT_ONCE = 1000  # episodes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of an agent on held-out episodes.

    Attributes:
        mean_return: Mean return of an episode.
        score: Score from 0, random choices, to 1, the reference observer.
        memory_score: Score from 0, the best policy without memory; None if the task carries none,
            see `why_no_memory_score`.
        episodes: The first of these episodes.
    """

    mean_return: float
    score: Score
    memory_score: Score | None
    episodes: Episodes


def held_out_scores(agent: Agent, id: str, num_episodes: int, split: str = "test") -> Scores:
    """Score an agent.

    Args:
        agent: Agent with Stable-Baselines3's ``predict``.
        id: Id of a shipped task.
        num_episodes: Number of episodes, whose seeds begin at `neurotasks.scores.TEST_SEED`.
        split: Episodes to play, ``"test"`` or ``"train"``.
    """
    returns, episodes = play(agent, id, num_episodes, split)
    known = returns_of_others(id, num_episodes, split)
    random, reference = known["random"], known["reference"]
    memory_score = None
    if carries_memory_score(id):
        memory_score = paired_score(returns, known["memoryless"], reference)
    score = paired_score(returns, random, reference)
    return Scores(float(returns.mean()), score, memory_score, episodes)


def play(agent: Agent, id: str, num_episodes: int, split: str = "test") -> tuple[Floats, Episodes]:
    """Let an agent play, and return its returns, (episodes,), and the first of the episodes."""
    at_once = IMAGES if _has_images(id) else AT_ONCE

    def batch(first: int) -> Episodes:
        envs = gym.make_vec(
            id,
            num_envs=min(at_once, num_episodes - first),
            autoreset_mode="SameStep",
            trial_log=True,
            split=split,
        )
        return run_episodes(agent, envs, seed=TEST_SEED + first)

    episodes = batch(0)
    others = [batch(first).returns for first in range(at_once, num_episodes, at_once)]
    return np.concatenate([episodes.returns, *others]), episodes


@cache
def returns_of_others(id: str, num_episodes: int, split: str = "test") -> dict[str, Floats]:
    """Return what random choices, the reference observer and the best memoryless policy reach.

    Args:
        id: Id of a shipped task.
        num_episodes: Number of episodes, the same for all.
        split: Episodes to play, ``"test"`` or ``"train"``.

    Returns:
        Returns of ``"random"``, ``"reference"`` and, where it is known, ``"memoryless"``,
        (episodes,) each. They are kept in memory for the next call.
    """
    players: dict[str, Any] = {
        "random": partial(RandomAgent, seed=0),
        "reference": partial(reference_observer, seed=0),
        "memoryless": memoryless_player(id),
    }
    return {
        name: episode_returns(player, id, num_episodes, split=split)
        for name, player in players.items()
        if player is not None
    }


@cache
def reference_behaviour(id: str) -> dict[str, float]:
    """Return how the reference observer behaves, kept for the next call."""
    num_envs = IMAGES if _has_images(id) else AT_ONCE
    envs: Any = gym.make_vec(
        id, num_envs=num_envs, autoreset_mode="SameStep", trial_log=True, split="test"
    )
    episodes = run_episodes(reference_observer(envs, seed=0), envs, seed=TEST_SEED)
    return measure_behaviour(id, episodes)


def _has_images(id: str) -> bool:
    return gym.make(id).unwrapped.task.image_shape is not None  # type: ignore[attr-defined]


def carries_memory_score(id: str) -> bool:
    """Return whether memory is worth enough on a task for a score of its own."""
    return not why_no_memory_score(id)


def why_no_memory_score(id: str) -> str:
    """Return why a task carries no memory score, "" if it does."""
    entry = shipped_policies()[id]
    if entry["score"] is None:
        return str(entry["how"])
    gap = 1.0 - float(entry["score"])
    if gap >= SMALLEST_GAP:
        return ""
    return (
        f"The best policy without memory scores {entry['score']:.3f}: memory is worth {gap:.3f} of "
        f"the way from random choices to the reference observer, less than {SMALLEST_GAP}."
    )
