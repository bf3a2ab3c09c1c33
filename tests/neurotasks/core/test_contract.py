"""What every registered task promises, whatever it is about."""

import copy
import itertools
import os
import pickle
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from every_id import (
    DEPENDS_ON_POSITION,
    IDS,
    LANES,
    arrays,
    brief,
    choose,
    make,
    option_values,
    parts_of,
    play,
    same,
    single_and_vector,
    told,
)
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from neurotasks.core.lanes import lane_of
from neurotasks.episodes import run_episodes

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.parametrize("id", IDS)]


def test_gymnasium_checker(id):
    for trial_log in (False, True):
        check_env(gym.make(id, trial_log=trial_log).unwrapped)


@pytest.mark.parametrize("mode", AutoresetMode)
def test_make_vec_is_clean(id, mode):
    envs = gym.make_vec(id, num_envs=LANES, autoreset_mode=mode)
    assert envs.metadata["autoreset_mode"] is mode
    assert envs.spec.id == id
    observation, _ = envs.reset(seed=0)
    assert envs.observation_space.contains(observation)
    observation, rewards, terminated, truncated, _ = envs.step(envs.action_space.sample())
    assert envs.observation_space.contains(observation)
    assert (rewards.dtype, terminated.dtype, truncated.dtype) == (float, bool, bool)
    assert rewards.shape == terminated.shape == truncated.shape == (LANES,)


@single_and_vector
def test_spec_goes_to_json_and_back(id, lanes):
    for spec in (gym.spec(id), gym.make(id, trials=2, feedback="action", split="test").spec):
        again = EnvSpec.from_json(spec.to_json())
        assert again == spec
        env, twin = make(again, lanes), make(id, lanes, **spec.kwargs)
        assert env.unwrapped.parameters == twin.unwrapped.parameters
        assert same(env.reset(seed=4), twin.reset(seed=4))
        assert same(play(env, 30, 0), play(twin, 30, 0))


def worlds(id, seed, skill, length):
    """Return the hidden truth at the start of every trial that is reached in four episodes."""
    env = gym.make(id, **brief(id))
    fields = set(env.unwrapped.task.state) - DEPENDS_ON_POSITION
    rng = np.random.default_rng(length)
    found = {}
    for episode in range(4):
        _, info = env.reset(seed=None if episode else seed)
        for _ in range(length):
            if info["new_trial"]:
                state = env.unwrapped.get_state()[0]
                found[episode, info["trial"]] = {name: state[name].tolist() for name in fields}
            _, _, over, _, info = env.step(choose(env, rng, skill))
            if over:
                break
    return found


def test_equal_seeds_give_equal_worlds(id):
    short, long = worlds(id, 5, 0.4, 60), worlds(id, 5, 0.9, 1000)
    both = short.keys() & long.keys()
    assert {(episode, 1) for episode in range(4)} <= both
    assert [short[key] for key in both] == [long[key] for key in both]


def test_worlds_differ_between_seeds_and_episodes(id):
    one, other = worlds(id, 5, 1, 1000), worlds(id, 6, 1, 1000)
    assert one != other
    by_episode = [[world for (e, _), world in one.items() if e == episode] for episode in range(4)]
    assert all(a != b for a, b in itertools.combinations(by_episode, 2))


def test_no_trial_draws_the_numbers_of_another(id):
    envs, rng = make(id, 20, **brief(id, trials=4)), np.random.default_rng(0)
    drawn = []
    for seed in (0, 1000):
        envs.reset(seed=seed)
        for _ in range(200):
            state = envs.unwrapped.get_state()
            drawn += state["stream"][state["new_trial"]].tolist()
            envs.step(choose(envs, rng, 1))
    assert len(drawn) > 500
    assert len(set(drawn)) == len(drawn)


@pytest.mark.slow
@pytest.mark.parametrize("mode", AutoresetMode)
def test_lane_is_the_single_env(id, mode):
    """Also after masked resets, new seeds for some lanes, and ends at different times."""
    lanes = 2
    keywords = brief(id, num_envs=lanes, trials=3)
    native = gym.make_vec(id, autoreset_mode=mode, **keywords)
    vector = {"autoreset_mode": mode}
    sync = gym.make_vec(id, vectorization_mode="sync", vector_kwargs=vector, **keywords)
    rng = np.random.default_rng(0)
    over, some_ended = np.zeros(lanes, bool), 0
    assert same(native.reset(seed=11), sync.reset(seed=11))
    for _ in range(1000):
        mask = rng.random(lanes) < 0.01
        if mode is AutoresetMode.DISABLED:
            mask |= over
        if mask.any():
            seed = [int(s) if s < 20 else None for s in rng.integers(40, size=lanes)]
            ours = native.reset(seed=seed, options={"reset_mask": mask.copy()})
            assert same(ours, sync.reset(seed=seed, options={"reset_mask": mask.copy()}))
        actions = choose(native, rng)
        ours = native.step(actions)
        assert same(ours, sync.step(actions))
        over = ours[2]
        some_ended += 0 < over.sum() < lanes
    assert some_ended > 10


@single_and_vector
def test_nothing_returned_is_used_again(id, lanes):
    """Scribbling over what came back changes nothing, and no call returns older memory."""
    env, twin = make(id, lanes, trials=1), make(id, lanes, trials=1)
    rng, older = np.random.default_rng(0), []
    results = [(env.reset(seed=1), twin.reset(seed=1))]
    for _ in range(60):
        state, other = env.unwrapped.get_state(), twin.unwrapped.get_state()
        results.append((env.unwrapped.set_state(state.copy()), twin.unwrapped.set_state(other)))
        results.append((state, other))
        actions = choose(env, rng)
        results.append((env.step(actions), twin.step(actions)))
        if not lanes and results[-1][0][2]:
            results.append((env.reset(), twin.reset()))
        for mine, yours in results:
            assert same(mine, yours)
            fresh = list(arrays(mine))
            assert not any(np.may_share_memory(a, b) for a in fresh for b in older)
            for array in fresh:
                array[...] = None if array.dtype.hasobject else np.ones((), array.dtype)
            older = (older + fresh)[-200:]
        results = []


COPIES = {"pickle": lambda env: pickle.loads(pickle.dumps(env)), "deepcopy": copy.deepcopy}


@pytest.mark.slow
@single_and_vector
@pytest.mark.parametrize("how", COPIES)
def test_copy_in_mid_episode_goes_on_alike(id, lanes, how):
    env = make(id, lanes, trial_log=True, **brief(id, trials=6))
    env.reset(seed=3)
    for steps in (1, 10, 40):
        play(env, steps, steps)
        clone = COPIES[how](env)
        assert same(play(env, 80, 5), play(clone, 80, 5))
        assert same(env.unwrapped.get_state(), clone.unwrapped.get_state())
        tables = env.unwrapped.trial_table(), clone.unwrapped.trial_table()
        assert len(tables[0]) > 0
        pd.testing.assert_frame_equal(*tables)


@single_and_vector
def test_equal_states_are_equal_bytes(id, lanes):
    """Also between the fields, where nothing of the process's memory may be."""
    env = make(id, lanes)
    env.reset(seed=1)
    states = set()
    for byte in (0, 255):
        junk = [np.full(env.unwrapped.get_state().nbytes, byte, np.uint8) for _ in range(50)]
        del junk
        states |= {env.unwrapped.get_state().tobytes() for _ in range(50)}
    assert len(states) == 1
    assert env.unwrapped.get_state().flags.writeable


@pytest.mark.slow
@single_and_vector
def test_state_can_be_restored_at_every_step(id, lanes):
    env, other = make(id, lanes, trials=6), make(id, lanes, trials=6)
    last = env.reset(seed=2)
    other.reset(seed=77)
    for step in range(40):
        state = env.unwrapped.get_state()
        kept = state.copy()
        future = play(env, 20, step)
        assert (state == kept).all()
        for restored in (env, other):
            assert same(restored.unwrapped.set_state(state), told(last))
            assert same(play(restored, 20, step), future)
        env.unwrapped.set_state(state)
        last = play(env, 1, step)[-1]


TRAJECTORIES = """
import pickle, sys
import gymnasium as gym, numba, numpy as np
import neurotasks

found = {"interpreted": bool(numba.config.DISABLE_JIT)}
for id in neurotasks.TASKS:
    rng, found[id] = np.random.default_rng(1), []
    envs = [gym.make(id, split="test", trials=6)]
    for mode in gym.vector.AutoresetMode:
        envs.append(gym.make_vec(id, num_envs=3, autoreset_mode=mode, trials=6))
    for env in envs:
        found[id].append(env.reset(seed=8))
        for _ in range(150):
            state = env.unwrapped.get_state()
            if state["over"].all() and (len(state) == 1 or "Disabled" in str(env.metadata)):
                found[id].append(env.reset())
            elif state["over"].any() and "Disabled" in str(env.metadata):
                found[id].append(env.reset(options={"reset_mask": state["over"].copy()}))
            drawn = rng.integers(len(env.unwrapped.action_names), size=len(state))
            actions = np.where(rng.random(len(state)) < 0.5, state["best_action"], drawn)
            found[id].append(env.step(int(actions[0]) if len(state) == 1 else actions))
        if len(state) > 1 and not env.task.image_shape and "Disabled" not in str(env.metadata):
            actions = rng.integers(len(env.action_names), size=(30, 3))
            found[id].append(env.step_many(actions))
        found[id].append(env.unwrapped.get_state())
pickle.dump(found, open(sys.argv[1], "wb"))
"""


@pytest.fixture(scope="module")
def trajectories(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("trajectories"), []
    for disable in ("0", "1"):
        path = folder / disable
        command = [sys.executable, "-W", "error", "-c", TRAJECTORIES, str(path)]
        ran = subprocess.run(
            command, env=os.environ | {"NUMBA_DISABLE_JIT": disable}, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stderr
        found.append(pickle.loads(path.read_bytes()))
    return found


@pytest.mark.slow
def test_compiled_rules_are_the_interpreted_ones(id, trajectories):
    compiled, interpreted = trajectories
    assert (compiled["interpreted"], interpreted["interpreted"]) == (False, True)
    assert same(compiled[id], interpreted[id])
    for ours, theirs in zip(arrays(compiled[id]), arrays(interpreted[id]), strict=True):
        assert ours.dtype == theirs.dtype


def test_all_that_is_told_is_documented(id):
    env, envs = make(id, trial_log=True), make(id, LANES, trial_log=True, trials=1)
    task = env.unwrapped.task
    infos = [env.reset(seed=0)[-1], *(result[-1] for result in play(env, 300, 0))]
    ended = {"last_trial", "_last_trial"}  # where a trial has ended
    assert all(info.keys() - ended == task.info.keys() for info in infos)
    rows = [info["last_trial"].keys() for info in infos if "last_trial" in info]
    assert rows
    assert all(row == task.columns.keys() for row in rows)
    keys = set(task.info) | {f"_{name}" for name in task.info}
    finals = {"final_obs", "_final_obs", "final_info", "_final_info"}
    infos = [envs.reset(seed=0)[-1], *(result[-1] for result in play(envs, 300, 0))]
    assert {frozenset(info.keys() - ended) for info in infos} == {
        frozenset(keys),
        frozenset(keys | finals),
    }
    last = [info["final_info"] for info in infos if "final_info" in info]
    assert all(info.keys() - ended == keys for info in last)
    assert any("last_trial" in info for info in last)
    for table in (env.unwrapped.trial_table(), envs.unwrapped.trial_table()):
        assert len(table) > 0
        names = {n if n in task.columns else n.rpartition("_")[0] for n in table.columns}
        assert names == set(task.columns)
    fields = [field.doc for field in task.state.values()]
    for text in (*task.info.values(), *task.columns.values(), *fields):
        assert len(text.split()) > 1
    sections = [line[3:] for line in task.doc.splitlines() if line.startswith("## ")]
    assert sections == [
        *("Description", "Action Space", "Observation Space", "Rewards"),
        *("Starting State", "Episode End", "References", "Version History"),
    ]


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("skill", [0, 0.8, 1])
def test_episode(id, split, skill):
    env = gym.make(id, split=split, trial_log=True)
    base, rng = env.unwrapped, np.random.default_rng(0)
    low, high = base.task.reward_range(base.parameters)
    for episode in range(5):
        observation, info = env.reset(seed=None if episode else 9)
        assert (info["trial"], info["new_trial"]) == (0, True)
        terminated = False
        while not terminated:
            assert env.observation_space.contains(observation)
            assert parts_of(env, observation)[0].any()
            observation, reward, terminated, truncated, info = env.step(choose(env, rng, skill))
            assert low <= reward <= high
            assert not truncated
        assert env.observation_space.contains(observation)
        assert not parts_of(env, observation)[0].any()
        finished = base.trial_table(clear=True)
        assert finished["trial"].tolist() == list(range(info["trial"]))
        assert (finished["episode"] == episode).all()
        all_done = len(finished) == base.get_state()["trials"][0]
        assert all_done or base.get_state()["step"][0] == base.parameters.step_cap
        assert all_done or skill < 1


def test_number_of_trials(id):
    env = gym.make(id, trials=2, trial_log=True)
    env.reset(seed=0)
    while not env.step(choose(env, np.random.default_rng(0), 1))[2]:
        assert len(env.unwrapped.trial_table()) < 2
    assert len(env.unwrapped.trial_table()) == 2


@pytest.mark.parametrize("feedback", ["both", "action", "reward", "none"])
def test_feedback(id, feedback):
    env, bare = gym.make(id, feedback=feedback), gym.make(id, feedback="none")
    base = env.unwrapped
    stimuli, actions = len(base.stimulus_names), len(base.action_names)
    widths = {
        "stimulus": stimuli,
        "action": actions * (feedback in ("both", "action")),
        "reward": 1 * (feedback in ("both", "reward")),
    }
    ends = dict(zip(widths, itertools.accumulate(widths.values()), strict=True))
    assert base.layout == {name: slice(ends[name] - widths[name], ends[name]) for name in widths}
    if base.task.image_shape is None:
        assert env.observation_space.shape == (sum(widths.values()),)
    assert base.action_space.n == actions

    rng, rewards = np.random.default_rng(0), set()
    for episode in range(3):
        seed = None if episode else 6
        observation, seen = env.reset(seed=seed)[0], bare.reset(seed=seed)[0]
        over, action, reward = False, None, 0.0
        while not over:
            stimulus, last_action, last_reward = parts_of(env, observation)
            assert np.array_equal(stimulus, seen)
            one_hot = np.zeros(widths["action"])
            if action is not None and widths["action"]:
                one_hot[action] = 1
            assert np.array_equal(last_action, one_hot)
            assert np.array_equal(last_reward, np.float32([reward] * widths["reward"]))
            action = choose(env, rng, 0.9)
            observation, reward, over, _, _ = env.step(action)
            seen = bare.step(action)[0]
            rewards.add(reward)
    assert len(rewards) > 1


def test_trial_log(id):
    """Rows of lanes are those of single environments, and tell what happened step by step."""
    keywords = brief(id, trial_log=True, trials=5)
    envs = make(id, LANES, **keywords)
    singles = [gym.make(id, **keywords) for _ in range(LANES)]
    envs.reset(seed=21)
    for i, env in enumerate(singles):
        env.reset(seed=21 + i)
    rng, rows = np.random.default_rng(3), []
    sums, steps, episodes, trials = [0.0] * LANES, [0] * LANES, [0] * LANES, [0] * LANES
    for _ in range(400):
        actions = choose(envs, rng, 0.8)
        envs.step(actions)
        for i, env in enumerate(singles):
            _, reward, over, _, info = env.step(int(actions[i]))
            sums[i], steps[i] = sums[i] + reward, steps[i] + 1
            if info["trial"] > trials[i]:
                rows.append((i, episodes[i], trials[i], steps[i], sums[i]))
                sums[i], steps[i], trials[i] = 0.0, 0, info["trial"]
            if over:
                env.reset()
                sums[i], steps[i], trials[i], episodes[i] = 0.0, 0, 0, episodes[i] + 1
    table = envs.unwrapped.trial_table(clear=True)
    assert table["episode"].max() > 2
    columns = ["env", "episode", "trial", "steps", "trial_reward"]
    assert list(table[columns].itertuples(index=False, name=None)) == rows
    for i, env in enumerate(singles):
        lane = table[table["env"] == i].assign(env=0).reset_index(drop=True)
        pd.testing.assert_frame_equal(lane, env.unwrapped.trial_table())
    assert len(envs.unwrapped.trial_table()) == 0


def test_outcome_and_reward(id):
    """The outcome is a code; the reward is what came in one step of the trial, or its penalty."""
    env, rng = make(id, trial_log=True, **brief(id)), np.random.default_rng(0)
    env.reset(seed=3)
    cost, effort = (getattr(env.parameters, f"lick_{name}", 0.0) for name in ("cost", "effort"))
    rewards, expected, trial = [], [], 0
    for _ in range(3000):
        lick = cost + effort * (env.get_state()["recent_licks"][0] if effort else 0.0)
        _, reward, over, _, info = env.step(choose(env, rng, 0.9))
        rewards += [reward, reward + lick]
        if info["trial"] > trial:
            expected.append({0.0} | set(rewards))
            rewards = []
        trial = info["trial"]
        if over:
            env.reset()
            rewards, trial = [], 0
    table = env.trial_table()
    assert (table["outcome"].dtype, table["reward"].dtype) == (np.int8, np.float64)
    assert {1} <= set(table["outcome"]) <= {-1, 0, 1}
    for reward, possible in zip(table["reward"], expected, strict=True):
        assert min(abs(reward - value) for value in possible) < 1e-9
    middle = table["reward"].between(0, 1, "neither") & (
        getattr(env.parameters, "outcomes", "") == "levels"
    )
    assert (table["outcome"][middle] == -1).all()
    assert (table["reward"][(table["outcome"] == -1) & ~middle] <= 0).all()
    if not cost:
        assert (table["outcome"] == 1).equals((table["reward"] > 0) & ~middle)


def test_options_fix_what_is_hidden(id):
    env = gym.make(id).unwrapped
    assert env.task.options
    for name in env.task.options:
        for value in option_values(env, name):
            kept = [
                env.reset(seed=seed, options={name: value}) and env.get_state()[name][0].tolist()
                for seed in range(300)
            ]
            assert kept == [value.tolist()] * 300


def test_options_fix_one_episode_of_the_masked_lanes(id):
    task = gym.make(id).unwrapped.task
    for name in task.options:
        envs, twin = make(id, 4), make(id, 4)
        for env in (envs, twin):
            env.reset(seed=5)
            play(env, 7, 0)
        mask = np.array([True, False, True, False])
        low, high = option_values(gym.make(id), name)
        before, values = envs.unwrapped.get_state(), np.array([low, low, high, high])
        options = {name: values, "reset_mask": mask}
        infos = envs.reset(options=options)[-1]
        assert not any(np.may_share_memory(array, mask) for array in arrays(infos))
        assert options.keys() == {name, "reset_mask"}
        after = envs.unwrapped.get_state()
        assert np.array_equal(after[name][mask], values[mask])
        assert (after[~mask] == before[~mask]).all()
        twin.reset(options={"reset_mask": mask})
        assert same(envs.reset(), twin.reset())


def test_options_may_be_one_for_all_lanes(id):
    envs = make(id, LANES)
    for name in envs.unwrapped.task.options:
        for value in option_values(envs, name):
            envs.reset(seed=1, options={name: value})
            assert (envs.unwrapped.get_state()[name] == value).all()


def test_record_keeps_one_episode_a_lane(id):
    envs = make(id, 4, trial_log=True, trials=3)
    rng, remembered = np.random.default_rng(0), [None]
    skills = np.array([1, 0.9, 0.5, 0.2])  # the first lane plays on while the last one tries

    class Player:
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            assert deterministic
            began = envs.unwrapped.get_state()["step"] == 0
            assert np.array_equal(episode_start, began)
            assert state == remembered[-1]
            remembered.append(len(remembered))
            return choose(envs, rng, skills), remembered[-1]

    name = next(iter(envs.unwrapped.task.options))
    value = option_values(envs, name)[1]
    fixed = {name: value}  # the episodes before leave no trace
    envs.reset()
    play(envs, 50, 0)
    found = run_episodes(Player(), envs, seed=30, options=fixed, deterministic=True)
    assert (found.truth[name][0] == value).all()
    ends = found.alive.sum(axis=0)
    assert len(found.actions) == ends.max()
    for i, end in enumerate(ends):
        env = gym.make(id, trial_log=True, trials=3)
        observation, info = env.reset(seed=30 + i, options=fixed)
        for step in range(end):
            assert found.alive[step, i]
            assert same(lane_of(found.observations, (step, i)), observation)
            info.pop("last_trial", None)
            assert same({key: found.truth[key][step, i] for key in found.truth}, info)
            observation, reward, over, _, info = env.step(int(found.actions[step, i]))
            assert reward == found.rewards[step, i]
            assert over == (step == end - 1)
        mine = found.trials[found.trials["env"] == i].assign(env=0).reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, env.unwrapped.trial_table())
