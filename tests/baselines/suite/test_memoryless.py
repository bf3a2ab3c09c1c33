"""Policies without memory: what the shipped ones reach, and that the search finds them."""

import json
from functools import partial

import gymnasium as gym
import numpy as np
import pytest

from neurotasks import TASKS
from neurotasks.observers import reference_observer
from neurotasks.scores import episode_returns
from neurotasks_baselines.suite import memoryless
from neurotasks_baselines.suite.memoryless import (
    MemorylessAgent,
    find_memoryless,
    look_up,
    main,
    memoryless_player,
    shipped_policies,
)
from neurotasks_baselines.suite.scores import carries_memory_score, why_no_memory_score

TWO_STEP, TWO_STEP_2016 = "neurotasks/TwoStep-v0", "neurotasks/TwoStep2016-v0"


def mean_return(id, num_episodes=400):
    found = episode_returns(memoryless_player(id), id, num_episodes)
    return found.mean(), found.std(ddof=1) / np.sqrt(num_episodes)


@pytest.mark.parametrize(
    ("id", "wanted"),
    [
        (TWO_STEP, 50.0),  # 100 trials, of which either choice earns 1 with probability 1/2
        ("neurotasks/Harlow-v0", 1.2),  # 6 fixations of 0.2, and choices that earn 0 on average
        ("neurotasks/RiskyChoice-v0", 33.75),  # 30 trials of 1 or 4 x (0.125 + 0.5) / 2 = 1.25
        # stay after a win, shift after a loss: on arms of 0.9 and 0.1 the better one in 9 of 10
        # trials, which earns 0.9^2 + 0.1^2, but in the first trial 0.5
        ("neurotasks/BanditEasy-v0", 99 * 0.82 + 0.5),
    ],
)
def test_policies_reach_the_computed_return(id, wanted):
    mean, error = mean_return(id)
    assert abs(mean - wanted) < 4 * error


@pytest.mark.parametrize("id", [TWO_STEP, "neurotasks/InferredValue-v0", "neurotasks/Bandit-v0"])
def test_search_finds_what_ships(id, monkeypatch):
    monkeypatch.setattr(memoryless, "EPISODES", 200)
    found, known = find_memoryless(id), shipped_policies()[id]
    assert (found["kind"], found["tables"]) == (known["kind"], known["tables"])
    if id == "neurotasks/Bandit-v0":
        policy = {tuple(row): p for row, p in found["policy"]}
        for action in range(2):
            pulled = [1.0, float(action == 0), float(action == 1)]
            stays = [policy[*pulled, reward][action] for reward in (0.0, 1.0)]
            assert stays == [0.0, 1.0]  # win-stay, lose-shift


def test_second_action_of_the_two_step_task_can_carry_the_state():
    """The last action is seen at the next first stage: memory outside the agent, and found."""
    policy = {tuple(row): p for row, p in shipped_policies()[TWO_STEP_2016]["policy"]}
    at_states = [{tuple(p) for row, p in policy.items() if row[1 + state]} for state in range(2)]
    assert sorted(map(sorted, at_states)) == [[(0.0, 1.0)], [(1.0, 0.0)]]


def test_every_task_has_an_entry_and_says_why_it_has_no_memory_score():
    assert list(shipped_policies()) == list(TASKS)
    carrying = {id.partition("/")[2] for id in TASKS if carries_memory_score(id)}
    assert {"Bandit-v0", "BanditUniform-v0", "TwoStep2016-v0", "Harlow-v0"} <= carrying
    assert "less than 0.1" in why_no_memory_score(TWO_STEP)
    assert why_no_memory_score("neurotasks/HarlowPixels-v0").startswith("Not available")


def test_where_the_reference_needs_no_memory_its_actions_follow_from_what_is_seen():
    """With its memory taken away in every step it earns the same."""
    id = "neurotasks/VariableReward-v0"

    class Forgetful:
        def __init__(self, env):
            self.observer = reference_observer(env, seed=0)

        def predict(self, observation, state=None, starts=None, deterministic=False):
            return self.observer.predict(observation)[0], None

    assert shipped_policies()[id]["kind"] == "reference"
    found = episode_returns(Forgetful, id, 50)
    assert np.array_equal(found, episode_returns(partial(reference_observer, seed=0), id, 50))


def test_actions_are_drawn_from_the_probabilities_of_what_is_seen():
    table = {(1.0, 0.0): [0.0, 1.0], (1.0, 1.0): [0.25, 0.75]}
    observations = np.repeat([[0.3, 0.0], [0.7, 1.0], [0.1, 2.0]], 1000, axis=0)
    agent = MemorylessAgent(
        gym.make_vec(TWO_STEP, num_envs=1), partial(look_up, table=table, clock=True, actions=2)
    )
    first, second, other = np.split(agent.predict(observations)[0], 3)
    assert first.all()
    assert abs(second.mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 1000)
    assert abs(other.mean() - 0.5) < 4 * np.sqrt(0.25 / 1000)


def test_command(monkeypatch, tmp_path):
    id = "neurotasks/Harlow-v0"
    monkeypatch.setattr(memoryless, "TASKS", (id,))
    main([str(tmp_path / "found.json")])
    assert json.loads((tmp_path / "found.json").read_text()) == {id: shipped_policies()[id]}


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [(["--help"], 0, "best policy without memory"), ([], 2, "arguments are required: FILE")],
)
def test_what_is_no_request_to_search_searches_nothing(
    monkeypatch, tmp_path, capsys, words, status, told
):
    monkeypatch.setattr(memoryless, "TASKS", ("neurotasks/NoSuchTask-v0",))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == status
    assert told in " ".join("".join(capsys.readouterr()).split())
    assert not list(tmp_path.iterdir())
