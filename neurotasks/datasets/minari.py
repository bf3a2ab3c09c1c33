"""Played episodes as a Minari data set with the hidden truth in its infos, and back.

Minari is the format of offline reinforcement learning: https://minari.farama.org. A data set holds
the id and the parameters of the task, and the seed of each episode. Both ways replay the actions in
the task itself, and refuse episodes that it plays differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import neurotasks  # noqa: F401 (registers the tasks)
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.errors import ForeignTableError, require

if TYPE_CHECKING:
    from minari import MinariDataset


def write_minari(
    dataset_id: str,
    episodes: Episodes,
    id: str,
    *,
    seed: int,
    task_kwargs: dict[str, Any] | None = None,
    **about: Any,
) -> MinariDataset:
    """Write episodes as a Minari data set, in Minari's own directory.

    Args:
        dataset_id: Name of the data set, such as ``"two-step/bayes-v0"``.
        episodes: Episodes, as `neurotasks.episodes.run_episodes` returns them.
        id: Id of the task that they were played on.
        seed: Seed that they were played with: sub-environment i that of seed + i.
        task_kwargs: Parameters of the task, with ``split`` if it was given.
        **about: What else Minari keeps of a data set, such as ``author`` and ``algorithm_name``.

    Returns:
        The data set: observations, actions, rewards, ends, and in ``infos`` the hidden truth about
        each observation, also about the last one of an episode.

    Raises:
        ForeignTableError: If the task with this seed and these parameters plays otherwise.
        DependencyNotInstalled: If Minari is not installed.
    """
    minari = require("minari", "minari")
    env = gym.make(id, **(task_kwargs or {}))
    lengths = episodes.alive.sum(axis=0)
    buffers = [
        minari.data_collector.EpisodeBuffer(id=i, **_played(env, episodes, i, steps, seed + i))
        for i, steps in enumerate(lengths)
    ]
    return minari.create_dataset_from_buffers(
        dataset_id, buffers, env=env, jpeg_encoding=False, **about
    )


def _played(
    env: gym.Env[Any, Any], episodes: Episodes, i: int, steps: int, seed: int
) -> dict[str, Any]:
    """Return all that Minari keeps of an episode, which has one observation more than actions."""
    observation, info = env.reset(seed=seed)
    seen, truth, after = [observation], [info], []
    for t in range(steps):
        observation, reward, terminated, truncated, info = env.step(episodes.actions[t, i])
        if reward != episodes.rewards[t, i]:
            raise _differing(f"the reward of step {t} of episode {i}, {reward:g}")
        seen.append(observation)
        truth.append(info)
        after.append((reward, terminated, truncated))
    rewards, terminations, truncations = map(np.array, zip(*after, strict=True))
    return {
        "seed": seed,
        "observations": _columns(seen) if isinstance(observation, dict) else np.stack(seen),
        "actions": episodes.actions[:steps, i],
        "rewards": rewards,
        "terminations": terminations,
        "truncations": truncations,
        "infos": _columns(truth),
    }


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def read_minari(dataset: MinariDataset) -> Episodes:
    """Read the episodes of a Minari data set, as if they had just been played, with a trial table.

    Args:
        dataset: What ``minari.load_dataset`` returns, of one of the registered tasks, with seeds
            and the hidden truth in its infos, as `write_minari` or a ``DataCollector`` with
            ``record_infos=True`` writes it. Episodes may be filtered; each must be whole.

    Returns:
        The episodes, one per sub-environment, in the order of the data set.

    Raises:
        ForeignTableError: If the task plays other observations, rewards or truths with these seeds
            and actions, or an episode has no seed.
    """
    stored = list(dataset.iterate_episodes())
    about = dataset.storage.get_episode_metadata(dataset.episode_indices)
    seeds = [each.get("seed") for each in about]
    if None in seeds:
        raise ForeignTableError(
            f"Episodes of a Minari data set must have a seed; episode {seeds.index(None)} of "
            f"{dataset.id} has none. Record them with minari.DataCollector, which keeps it."
        )
    spec = dataset.env_spec
    kwargs: dict[str, Any] = {
        n: tuple(v) if isinstance(v, list) else v for n, v in spec.kwargs.items()
    }
    kwargs |= {"autoreset_mode": "SameStep", "trial_log": True}
    envs = gym.make_vec(spec.id, num_envs=len(stored), **kwargs)
    episodes = run_episodes(_Replay([each.actions for each in stored]), envs, seed=seeds)
    for i, each in enumerate(stored):
        _check(episodes, i, each, dataset.id)
    return episodes


class _Replay:
    """Agent that repeats actions; those after the end of its episode do not matter."""

    def __init__(self, actions: Sequence[NDArray[Any]]) -> None:
        self.actions = np.zeros((max(map(len, actions)), len(actions)), np.int64)
        for i, of_episode in enumerate(actions):
            self.actions[: len(of_episode), i] = of_episode

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[np.int64], int]:
        """Return the next actions, and how many there were."""
        step = state or 0
        return self.actions[min(step, len(self.actions) - 1)], step + 1


def _check(episodes: Episodes, i: int, stored: Any, name: str) -> None:
    """Refuse a stored episode that was played differently."""
    steps = len(stored.rewards)
    if steps != episodes.alive[:, i].sum():
        raise _differing(f"the length of episode {i} of {name}")
    if isinstance(episodes.observations, dict):
        pairs = {
            n: (v[:steps, i], stored.observations[n]) for n, v in episodes.observations.items()
        }
    else:
        pairs = {"observations": (episodes.observations[:steps, i], stored.observations)}
    pairs |= {"rewards": (episodes.rewards[:steps, i], stored.rewards)}
    for key, truth in episodes.truth.items():
        pairs[key] = (truth[:steps, i], (stored.infos or {}).get(key, ()))
    for key, (played, kept) in pairs.items():
        kept = np.asarray(kept)[:steps]
        if played.shape != kept.shape or not np.array_equal(played, kept):
            raise _differing(f"{key} of episode {i} of {name}")


def _differing(what: str) -> ForeignTableError:
    return ForeignTableError(
        f"Episodes must be those that the task plays with their seed and actions; got others in "
        f"{what}. Give the id, parameters and seed that they were played with, and the version of "
        "neurotasks."
    )
