"""Whole episodes of any length, packed into columns.

Environments play on from one rollout to the next. Every episode is learned from once, as a whole,
after the rollout in which it has ended, so no length is favoured; what has begun is kept.

             environments         columns          kept for the next
             0  1  2  3           0  1  2          0  1  2  3

    kept     .  .  .  d           d  b  c
             .  b  .  d           d  b  c
    played   a  b  c  d           d  b  c
             a  b  c  d           d  b  a
             f  b  c  g           f  .  a          .  .  .  g
             f  i  e  g           f  .  .          .  i  e  g
             h  i  e  g                            h  i  e  g

Letters are steps of one episode; dots in columns are masked steps.
"""

from __future__ import annotations

from heapq import heappush, heapreplace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LITTLE = 0.05  # share of masked steps with which no better height is looked for
HEIGHTS = 1.0, 1.25, 1.5, 1.75, 2.0

Ints = NDArray[np.intp]


class Segments(NamedTuple):
    """Episodes within the steps of some environments; all arrays are (episodes,).

    Attributes:
        envs: Index of the environment.
        begins: First step.
        lengths: Number of steps.
        ended: Whether its last step is there.
    """

    envs: Ints
    begins: Ints
    lengths: Ints
    ended: NDArray[np.bool_]


def find_episodes(starts: NDArray[Any], dones: NDArray[Any]) -> Segments:
    """Find the episodes; steps before the first start of an environment belong to none.

    Args:
        starts: Whether a step is the first of an episode, (steps, num_envs).
        dones: Whether the last step is the last of an episode, (num_envs,).
    """
    edges = np.vstack([starts, np.ones(len(dones))])  # an episode goes from one to the next
    envs, steps = np.nonzero(edges.T)
    same = envs[1:] == envs[:-1]
    envs, begins, after = envs[1:][same], steps[:-1][same], steps[1:][same]
    ended = (after < len(starts)) | np.asarray(dones, np.bool_)[envs]
    return Segments(envs, begins, after - begins, ended)


class Places(NamedTuple):
    """Where episodes lie in columns.

    Attributes:
        height: Number of steps of a column.
        num_columns: Number of columns.
        columns: Column of each episode, (episodes,).
        rows: Row of its first step, (episodes,).
    """

    height: int
    num_columns: int
    columns: Ints
    rows: Ints


def pack(lengths: Ints, height: int) -> Places:
    """Put episodes into columns, the longest first, each into the emptiest column that there is.

    Args:
        lengths: Numbers of steps, at most `height`, (episodes,).
        height: Number of steps of a column.
    """
    columns, rows = np.empty_like(lengths), np.empty_like(lengths)
    filled: list[tuple[int, int]] = []  # heap of steps and column
    for episode in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[episode])
        row, column = filled[0] if filled else (height, 0)
        if row + length <= height:
            heapreplace(filled, (row + length, column))
        else:
            row, column = 0, len(filled)
            heappush(filled, (length, column))
        columns[episode], rows[episode] = column, row
    return Places(height, len(filled), columns, rows)


def pack_tightly(lengths: Ints, least: int) -> Places:
    """Put episodes into columns with few masked steps.

    Args:
        lengths: Numbers of steps, (episodes,).
        least: Number of steps that a column has at least.
    """
    height, total = max(least, int(lengths.max(initial=0))), int(lengths.sum())
    tried = []
    for factor in HEIGHTS:
        tried.append(pack(lengths, int(factor * height)))
        if tried[-1].height * tried[-1].num_columns * (1 - LITTLE) <= total:
            break
    return min(tried, key=lambda places: places.height * places.num_columns)


def steps_in_columns(episodes: Segments, places: Places, num_envs: int) -> Ints:
    """Return which step lies where, (height, num_columns): step * num_envs + env, or -1 for none.

    Args:
        episodes: Episodes, of which those that have ended are packed.
        places: Where these lie.
        num_envs: Number of environments.
    """
    sources = np.full((places.height, places.num_columns), -1)
    ended = episodes.ended
    envs, begins, lengths = (part[ended] for part in episodes[:3])
    for env, begin, length, column, row in zip(
        envs, begins, lengths, places.columns, places.rows, strict=True
    ):
        sources[row : row + length, column] = np.arange(begin, begin + length) * num_envs + env
    return sources
