"""What is taken for an agent, and how a command finds it."""

import numpy as np
import pytest
import torch

from neurotasks_baselines.errors import CandidateError
from neurotasks_baselines.suite.agents import as_agent, load_make_agent, snapshots


def test_an_object_with_predict_is_an_agent():
    class Player:
        def predict(self, observation, state, episode_start, deterministic=False):
            return observation, state

    player = Player()
    assert as_agent(player) is player


def test_a_function_gets_starts_and_its_own_state():
    def count(observations, starts, state):
        state = np.where(starts, 0, 0 if state is None else state) + 1
        return state, state

    agent = as_agent(count)
    first, state = agent.predict(np.zeros(2), None, np.array([True, True]))
    second, _ = agent.predict(np.zeros(2), state, np.array([False, True]))
    assert (first.tolist(), second.tolist()) == ([1, 1], [2, 1])


def test_the_last_of_the_agents_that_are_yielded_counts():
    def train():
        yield 0, min
        yield 5, max

    assert as_agent(train()).function is max
    assert [(steps, agent.function) for steps, agent in snapshots(train())] == [(0, min), (5, max)]


@pytest.mark.parametrize("pairs", [[max], [(0, max), (0, max)], [("0", max)], [(0, max, 1)], []])
def test_what_is_yielded_must_be_steps_and_an_agent(pairs):
    with pytest.raises(CandidateError, match="Write `yield steps, agent`"):
        as_agent(iter(pairs))


def test_anything_else_is_refused():
    with pytest.raises(CandidateError, match="got 3"):
        as_agent(3)


@pytest.mark.parametrize("function", [lambda o, s: (o, s), torch.nn.Linear(2, 2)])
def test_a_function_of_other_arguments_is_refused(function):
    with pytest.raises(CandidateError, match=r"called with \(observations, episode_starts, state"):
        as_agent(function)


@pytest.mark.parametrize("returned", [np.zeros(2), (1, 2, 3), None])
def test_a_function_that_returns_no_state_is_refused(returned):
    agent = as_agent(lambda observations, starts, state: returned)
    with pytest.raises(CandidateError, match="Write `return actions, state`"):
        agent.predict(np.zeros(2))


def test_actions_that_numpy_cannot_read_are_refused():
    agent = as_agent(lambda observations, starts, state: (torch.ones(2, requires_grad=True), None))
    with pytest.raises(CandidateError, match=r"got Tensor: .* Write"):
        agent.predict(np.zeros(2))


def test_functions_that_cannot_make_agents_are_refused(tmp_path):
    arguments = {"one": "env", "two": "id, steps", "three": "id, total_steps, *, seeds"}
    file = tmp_path / "other_arguments.py"
    file.write_text("".join(f"def {name}({args}): ...\n" for name, args in arguments.items()))
    for name in arguments:
        with pytest.raises(CandidateError, match=r"called with \(id, total_steps=..., seed=...\)"):
            load_make_agent(f"{file}:{name}")


def test_a_function_is_found_in_a_file(tmp_path):
    file = tmp_path / "some_agent.py"
    file.write_text("def make_agent(id, *, total_steps, seed):\n    return id\n")
    assert load_make_agent(f"{file}:make_agent")("x", total_steps=1, seed=0) == "x"
    with pytest.raises(CandidateError, match="Did you mean 'make_agent'"):
        load_make_agent(f"{file}:make_agnt")


@pytest.mark.parametrize("words", ["agent.py", "agent:make_agent", "agent.py:", "agent.py:a b"])
def test_other_words_are_refused(words):
    with pytest.raises(CandidateError, match="FILE"):
        load_make_agent(words)
