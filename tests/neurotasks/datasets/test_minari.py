"""Episodes as a Minari data set and back: nothing is lost, and other episodes are refused."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

from neurotasks.datasets.minari import read_minari, write_minari
from neurotasks.episodes import run_episodes
from neurotasks.errors import ForeignTableError
from neurotasks.observers import RandomAgent

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # of what about the author is missing
SEED = 7


@pytest.fixture
def minari(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return pytest.importorskip("minari")


def played(id, num_envs=3, **task_kwargs):
    envs = gym.make_vec(
        id, num_envs=num_envs, autoreset_mode="SameStep", trial_log=True, **task_kwargs
    )
    return run_episodes(RandomAgent(envs, seed=0), envs, seed=SEED)


@pytest.mark.parametrize(
    ("id", "task_kwargs"),
    [
        ("neurotasks/TwoStep-v0", {"trials": 4, "split": "test"}),  # lengths differ by aborted ones
        ("neurotasks/Volatility-v0", {"trials": 5, "log_k": (-4.0, -3.0)}),
        ("neurotasks/HarlowPixels-v0", {"trials": 1}),
    ],
)
def test_episodes_survive_the_way_there_and_back(id, task_kwargs, minari):
    episodes = played(id, **task_kwargs)
    write_minari("test/some-v0", episodes, id, seed=SEED, task_kwargs=task_kwargs)
    dataset = minari.load_dataset("test/some-v0")
    assert dataset.total_episodes == 3
    first, steps = dataset[0], episodes.alive[:, 0].sum()
    assert len(first.actions) == steps
    for name, truth in episodes.truth.items():
        assert len(first.infos[name]) == steps + 1
        assert np.array_equal(first.infos[name][:steps], truth[:steps, 0]), name
    back = read_minari(dataset)
    assert back.trials.equals(episodes.trials)
    assert np.array_equal(back.rewards, episodes.rewards, equal_nan=True)
    assert np.array_equal(back.actions[back.alive], episodes.actions[episodes.alive])
    seen, again = episodes.observations, back.observations
    for part in ("image", "feedback") if isinstance(seen, dict) else (...,):
        assert np.array_equal(seen[part][back.alive], again[part][back.alive])


def test_filtered_episodes_keep_their_seeds(minari):
    id, task_kwargs = "neurotasks/Bandit-v0", {"trials": 6}
    episodes = played(id, **task_kwargs)
    dataset = write_minari("test/bandit-v0", episodes, id, seed=SEED, task_kwargs=task_kwargs)
    last = read_minari(dataset.filter_episodes(lambda episode: episode.id == 2))
    assert np.array_equal(last.observations[:, 0], episodes.observations[:, 2])


def test_other_episodes_are_refused(minari):
    id, task_kwargs = "neurotasks/Bandit-v0", {"trials": 6}
    episodes = played(id, **task_kwargs)
    with pytest.raises(ForeignTableError, match="the reward of step"):
        write_minari("test/a-v0", episodes, id, seed=SEED + 1, task_kwargs=task_kwargs)
    dataset = write_minari("test/b-v0", episodes, id, seed=SEED, task_kwargs=task_kwargs)
    stored, *others = dataset.iterate_episodes()
    name = next(iter(episodes.truth))
    infos = stored.infos | {name: stored.infos[name] + 1}
    for change in ({"rewards": stored.rewards + 1}, {"infos": infos}, {"infos": {}}):
        changed = dataclasses.replace(stored, **change)
        dataset.iterate_episodes = lambda changed=changed: [changed, *others]
        with pytest.raises(ForeignTableError, match="episode 0"):
            read_minari(dataset)
