"""The tiny tasks: exact chances, best scores, and what their logs hold."""

import subprocess
import sys
from functools import partial

import gymnasium as gym
import memory_by_hand as by_hand
import numpy as np
import pytest
from by_hand import within
from gymnasium.utils.env_checker import check_env

from neurotasks import TASKS
from neurotasks_baselines.suite.agents import as_agent
from neurotasks_baselines.suite.memory_check import TEST_ENVS, TEST_STEPS, ask
from neurotasks_baselines.suite.memory_tasks import IDS, NEEDS, SAFE, TRUNCATED_AFTER, read_logs

every_need = pytest.mark.parametrize("need", NEEDS)
QUESTIONS = TEST_ENVS * TEST_STEPS // 10  # at least, in any task


def returns(need, player, episodes=400):
    """Return the mean return of a player's first episodes, and the mean of their questions."""
    envs = gym.make_vec(IDS[need], num_envs=episodes, autoreset_mode="SameStep")
    observations, infos = envs.reset(seed=0)
    starts, state = np.ones(episodes, bool), None
    alive, total, questions = starts.copy(), np.zeros(episodes), np.zeros(episodes)
    while alive.any():
        questions += infos["asked"] & alive
        actions, state = player(observations, starts, state)
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        total += np.where(alive, rewards, 0.0)
        starts = terminated | truncated
        alive &= ~starts
    return total, questions


def test_they_are_none_of_the_registered_tasks():
    assert not any("memory" in id for id in TASKS)


@every_need
def test_gymnasiums_checker(need):
    check_env(gym.make(IDS[need]).unwrapped)


@every_need
def test_the_best_player_is_always_right(need):
    answers = ask(as_agent(partial(by_hand.best, need)), need)
    assert answers.right == 1.0


@every_need
def test_chance_is_right_half_the_time(need):
    answers = ask(as_agent(partial(by_hand.random, need)), need)
    assert within(round(answers.right * QUESTIONS), QUESTIONS, 0.5)


@pytest.mark.parametrize("need", ["start", "cue", "hold"])
def test_no_policy_without_memory_beats_chance(need):
    """Nothing is to be seen where a question is asked; whoever always says left is right half."""
    left = ask(as_agent(lambda seen, starts, state: (np.zeros(len(seen), int), state)), need)
    assert within(round(left.right * QUESTIONS), QUESTIONS, 0.5)
    envs = gym.make_vec(IDS[need], num_envs=50, autoreset_mode="SameStep")
    observations, infos = envs.reset(seed=1)
    asked = []
    for _ in range(50):
        asked.extend(map(tuple, observations[infos["asked"]]))
        observations, *_, infos = envs.step(np.zeros(50, np.int64))
    assert len(set(asked)) == 1


@pytest.mark.parametrize(
    ("need", "questions", "others"),
    [("stimulus", 4, 0), ("reward", 2, 0.5), ("action", 2, 0), ("cue", 1, 0)],
)
def test_returns_are_those_that_the_design_gives(need, questions, others):
    """The best gets every question; of `reward` the first step pays by itself, half the time."""
    total, asked = returns(need, partial(by_hand.best, need))
    assert (asked == questions).all()
    assert within(round((total - asked).sum()), len(total), others)


@pytest.mark.parametrize(("need", "length"), [("start", 2.0), ("hold", 17.0)])
def test_episodes_end_without_warning(need, length):
    """Lengths are geometric: the mean of 4000 is within four standard errors."""
    _, asked = returns(need, partial(by_hand.best, need), 4000)
    lengths = asked + (need == "hold")
    sd = {"start": 2**0.5, "hold": (16 * 15) ** 0.5}[need]
    assert abs(lengths.mean() - length) < 4 * sd / len(lengths) ** 0.5


@pytest.mark.parametrize("vector", [False, True])
def test_beyond_a_truncation_waits_a_reward_that_never_comes(vector):
    """Who bootstraps goes left; whoever counts only what comes does better on the right."""
    rewards = {0: [], 1: []}
    for action in (0, 1):
        for seed in range(60):
            if vector:
                envs = gym.make_vec(IDS["truncation"], num_envs=1, autoreset_mode="SameStep")
            else:
                envs = gym.make(IDS["truncation"])
            _, info = envs.reset(seed=seed)
            total, steps, over, late = 0.0, 0, False, bool(info["onset"])
            while not over:
                act = np.array([action]) if vector else action
                _, reward, terminated, truncated, info = envs.step(act)
                total, steps, over = total + np.sum(reward), steps + 1, terminated | truncated
            assert steps <= TRUNCATED_AFTER
            if late:
                assert truncated
                assert terminated == (action == 1)
                rewards[action].append(total)
    assert set(rewards[0]) == {0.0}
    assert set(rewards[1]) == {SAFE}


@pytest.mark.parametrize("make", ["single", "sync", "SameStep", "NextStep"])
def test_logs_hold_what_was_asked_and_answered(tmp_path, make):
    """The best player, one of whose answers is wrong, in every kind of environment."""
    keywords = {"training_log": str(tmp_path)}
    if make == "single":
        envs = gym.make(IDS["hold"], **keywords)
        widen = np.atleast_2d
    elif make == "sync":
        vector_kwargs = {"autoreset_mode": "SameStep"}
        envs = gym.make_vec(
            IDS["hold"], 3, vectorization_mode="sync", vector_kwargs=vector_kwargs, **keywords
        )
    else:
        envs = gym.make_vec(IDS["hold"], 3, autoreset_mode=make, **keywords)
    observation, _ = envs.reset(seed=0)
    single, state, starts = make == "single", None, np.ones(1 if make == "single" else 3, bool)
    asked = 0
    for step in range(60):
        seen = widen(observation) if single else observation
        actions, state = by_hand.best("hold", seen, starts, state)
        if step == 40:
            actions = 1 - actions
        observation, _, terminated, truncated, _ = envs.step(actions[0] if single else actions)
        starts = np.atleast_1d(terminated | truncated)
        if single and starts[0]:
            observation, _ = envs.reset()
    logs = read_logs(tmp_path)
    assert sum(log.right.shape[1] for log in logs) == len(starts)
    right = np.concatenate([log.right for log in logs], axis=1)
    asked = np.concatenate([log.asked for log in logs], axis=1)
    ago = np.concatenate([log.steps_ago for log in logs], axis=1)
    assert right.shape == (60, len(starts))
    wrong = np.argwhere(asked & ~right)
    assert len(wrong) > 0
    assert set(wrong[:, 0]) == {40}
    assert (ago[0] == 0).all()
    assert (ago[asked] > 0).all()


def test_another_process_makes_them_by_their_full_ids():
    code = f"import gymnasium; gymnasium.make({IDS['cue']!r}).reset(seed=0)"
    subprocess.run([sys.executable, "-c", code], check=True)
