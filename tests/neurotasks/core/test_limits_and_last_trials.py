"""Truncation in vector environments, and the row of a trial that has just ended in `info`."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from every_id import IDS, brief, choose, make, same, single_and_vector
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import TimeAwareObservation

from neurotasks.core.task import load
from neurotasks.episodes import run_episodes
from neurotasks.errors import ParameterError
from neurotasks.observers import RandomAgent

TWO_STEP = "neurotasks/TwoStep-v0"
LANES = 2


def with_columns(infos, sync):
    """Return infos of SyncVectorEnv with the columns it makes of dicts, not of other mappings."""
    if not isinstance(infos, dict):
        return infos
    found = {
        key: with_columns(part, sync) for key, part in infos.items() if "last_trial" not in key
    }
    for i, row in enumerate(infos.get("last_trial", ())):
        if row is not None:
            sync._add_info(found, {"last_trial": dict(row)}, i)
    return found


def without_env(infos):
    """Return infos without the index of the sub-environment, which a single one cannot know."""
    if not isinstance(infos, dict):
        return infos
    return {key: without_env(part) for key, part in infos.items() if key not in ("env", "_env")}


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("mode", AutoresetMode)
def test_limit_and_last_trials_are_those_of_sync(id, mode):
    keywords = brief(id, num_envs=LANES, trials=3, trial_log=True, max_episode_steps=11)
    native = gym.make_vec(id, autoreset_mode=mode, **keywords)
    vector = {"autoreset_mode": mode}
    sync = gym.make_vec(id, vectorization_mode="sync", vector_kwargs=vector, **keywords)
    assert same(native.reset(seed=3), sync.reset(seed=3))
    rng, over = np.random.default_rng(0), np.zeros(LANES, bool)
    kinds = set()
    for _ in range(250):
        if mode is AutoresetMode.DISABLED and over.any():
            options = {"reset_mask": over}
            assert same(native.reset(options=options), sync.reset(options=options))
        actions = choose(native, rng, 0.9)
        ours, theirs = native.step(actions), sync.step(actions)
        assert same(ours[:4], theirs[:4])
        assert same(without_env(ours[4]), without_env(with_columns(theirs[4], sync)))
        over = ours[2] | ours[3]
        kinds |= set(zip(ours[2].tolist(), ours[3].tolist(), strict=True))
    assert {(True, False), (False, True)} & kinds
    assert native.spec.kwargs["max_episode_steps"] == 11


@single_and_vector
@pytest.mark.parametrize("id", IDS)
def test_last_trials_are_the_rows_of_the_table(id, lanes):
    env, rng = make(id, lanes, trial_log=True, **brief(id, trials=3)), np.random.default_rng(0)
    env.reset(seed=1)
    rows = []
    for _ in range(300):
        *_, terminated, _, info = env.step(choose(env, rng, 0.9))
        if not lanes:
            rows += [info["last_trial"]] if "last_trial" in info else []
            if terminated:
                env.reset()
            continue
        found = []
        for told in (info, info.get("final_info", {})):
            mask = told.get("_last_trial", np.zeros(lanes, bool))
            assert ("last_trial" in told) == mask.any()
            columns = told.get("last_trial", {})
            assert all((columns[f"_{name}"] == mask).all() for name in columns if name[0] != "_")
            for i in np.flatnonzero(mask):
                found.append({k: columns[k][i] for k in columns if k[0] != "_"})
        rows += sorted(found, key=lambda row: row["env"])
    table = env.trial_table()
    assert len(rows) == len(table) > 10
    assert list(rows[0]) == list(env.task.columns)
    for row, logged in zip(rows, table.itertuples(index=False), strict=True):
        assert [part for value in row.values() for part in np.ravel(value)] == list(logged)
    if not lanes:
        kinds = {type(value) for value in rows[0].values()}
        assert kinds <= {int, float, bool, np.ndarray}


def test_a_last_trial_is_read_at_the_first_look():
    env = make("neurotasks/Bandit-v0", None, trial_log=True, trials=600)
    env.reset(seed=0)
    rows, choices = [], np.random.default_rng(0).integers(2, size=600).tolist()
    rows = [env.step(choice)[-1]["last_trial"] for choice in choices]
    table = env.trial_table(clear=True)  # what has been told stays
    assert len(table) == 600
    assert [row["choice"] for row in rows] == table["choice"].tolist() == choices
    assert [list(row["p"]) for row in rows] == table[["p_0", "p_1"]].to_numpy().tolist()
    row = rows[300]
    assert row["trial"] == row.get("trial") == 300
    assert row["p"] is row["p"]
    with pytest.raises(ValueError, match="read-only"):
        row["p"][:] = 99
    assert row == dict(row) == copy.copy(row)
    assert row != rows[299]
    assert row != dict(row) | {"p": np.zeros(2)}
    assert row != [row]
    assert row in rows
    assert len(row) == len(env.unwrapped.task.columns)
    assert repr(row) == repr(dict(row))
    for copied in (copy.copy(row), copy.deepcopy(row), pickle.loads(pickle.dumps(row))):
        assert type(copied) is dict
        assert same(copied, dict(row))
    with pytest.raises(KeyError, match="chocie"):
        row["chocie"]


@pytest.mark.parametrize("lanes", [None, 1, 3])
@pytest.mark.parametrize("stop", [0, 1, 255, 256, 257, 600])
def test_a_pickled_log_goes_on(lanes, stop):
    envs = [make("neurotasks/Bandit-v0", lanes, trial_log=True, trials=10**4) for _ in range(2)]
    rng = np.random.default_rng(0)
    for env in envs:
        env.reset(seed=0)
    kept, other = envs
    for step in range(700):
        if step == stop:
            other = pickle.loads(pickle.dumps(other.unwrapped))
        action = choose(kept, rng, 0.5)
        kept.step(action)
        other.step(action)
    pd.testing.assert_frame_equal(kept.unwrapped.trial_table(), other.trial_table())
    assert len(other.trial_table(clear=True)) == 700 * (lanes or 1)
    assert len(other.trial_table()) == 0


@pytest.mark.parametrize("lanes", [None, LANES])
def test_looking_at_the_table_adds_nothing_to_the_log(lanes):
    env = make("neurotasks/Harlow-v0", lanes, trial_log=True).unwrapped
    env.reset(seed=0)
    for _ in range(30):  # within the first trial
        env.step(0 if lanes is None else np.zeros(lanes, int))
        assert len(env.trial_table()) == 0
    log = env._lanes.log
    assert [*log.trials, *log.envs, *log.waiting, *log.waiting_envs] == []


@single_and_vector
def test_no_last_trial_without_a_log(lanes):
    env, rng = make(TWO_STEP, lanes), np.random.default_rng(0)
    env.reset(seed=1)
    for _ in range(20):
        assert "last_trial" not in env.step(choose(env, rng, 1))[-1]


def test_limit_at_the_end_of_the_episode():
    """As with TimeLimit, an episode that ends at the limit is terminated and truncated."""
    envs = make(TWO_STEP, LANES, trials=2, max_episode_steps=6)
    envs.reset(seed=0)
    ends = [envs.step(np.full(LANES, action))[2:4] for action in (2, 0, 0, 2, 0, 0)]
    assert np.all(ends[5])
    assert not np.any(ends[:5])


def test_truncated_episode_is_reset_or_refused():
    last = {}
    for mode in AutoresetMode:
        envs = make(TWO_STEP, LANES, max_episode_steps=2, autoreset_mode=mode)
        assert envs.autoreset_mode is mode
        first, _ = envs.reset(seed=0)
        envs.step([2, 2])
        last[mode] = envs.step([0, 0])
        assert last[mode][3].all()
        assert not last[mode][2].any()
    same_step = last[AutoresetMode.SAME_STEP]
    assert same(same_step[0], first)
    # what is seen at the limit is what the episode would have gone on with: a second-stage state
    finals = np.stack(same_step[4]["final_obs"])
    assert np.array_equal(finals, last[AutoresetMode.NEXT_STEP][0])
    assert (finals[:, 2:4].sum(axis=1) == 1).all()
    with pytest.raises(ResetNeeded, match="reset_mask"):
        envs.step([0, 0])


def test_step_many_truncates():
    envs, twin = (make(TWO_STEP, LANES, max_episode_steps=4) for _ in range(2))
    envs.reset(seed=0)
    twin.reset(seed=0)
    actions = np.random.default_rng(0).integers(3, size=(9, LANES))
    found = envs.step_many(actions)
    expected = [np.array(part) for part in zip(*(twin.step(a)[:4] for a in actions), strict=True)]
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert found[3].all(axis=1).tolist() == [t % 4 == 3 for t in range(9)]


@pytest.mark.parametrize("limit", [0, -1, 2.0, True, "7"])
def test_limit_out_of_range(limit):
    with pytest.raises(
        ParameterError, match=f"max_episode_steps must be an int >= 1; got {limit!r}"
    ):
        make(TWO_STEP, LANES, max_episode_steps=limit)


def test_episodes_end_at_the_limit():
    envs = make(TWO_STEP, LANES, trial_log=True, max_episode_steps=7)
    found = run_episodes(RandomAgent(envs, 0), seed=0)
    assert found.alive.shape == (7, LANES)
    assert found.alive.all()


def test_time_aware_observation():
    """The wrapper wants to know the longest episode, which `make` is told."""
    parameters = load(TWO_STEP).parameters()
    env = TimeAwareObservation(gym.make(TWO_STEP, max_episode_steps=parameters.longest_episode))
    env.reset(seed=0)
    assert env.observation_space.contains(env.step(2)[0])
