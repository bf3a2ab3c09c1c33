"""Processes forked from one whose environments have threads."""

import multiprocessing
import os
import pickle
import signal

import gymnasium as gym
import numpy as np
import pytest

import neurotasks  # noqa: F401 (registers the ids)

ID = "neurotasks/TwoStep-v0"
ACTIONS = np.arange(32) % 3

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]


@pytest.fixture
def envs():
    envs = gym.make_vec(ID, num_envs=32, threads=4)
    envs.reset(seed=0)
    for _ in range(50):  # all threads run
        envs.step(ACTIONS)
    yield envs
    envs.close()


def told(envs):
    return [envs.step(ACTIONS)[0].tolist() for _ in range(50)]


def in_child(connection, function):
    signal.alarm(60)  # a child that hangs ends
    connection.send(function())


def forked(function):
    """Return what a function returns in a forked process."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=in_child, args=(theirs, function))
    process.start()
    theirs.close()
    found = ours.recv()
    process.join()
    assert process.exitcode == 0
    return found


def test_threads_are_started_anew_in_a_forked_process(envs):
    in_forked = forked(lambda: told(envs))
    assert in_forked == told(envs)
    assert forked(lambda: forked(lambda: told(envs))) == told(envs)


def test_what_is_closed_in_a_forked_process_stays_open_here(envs):
    assert forked(envs.close) is None
    told(envs)


def test_environments_with_threads_are_pickled_before_and_after_a_fork(envs):
    copied = pickle.loads(pickle.dumps(envs))
    through = forked(lambda: pickle.dumps(envs))
    assert told(envs) == told(copied) == told(pickle.loads(through))


def test_gymnasiums_processes_after_threads(envs):
    workers = gym.make_vec(ID, num_envs=2, vectorization_mode="async")
    observations, _ = workers.reset(seed=0)
    assert observations.shape[0] == 2
    workers.step(workers.action_space.sample())
    workers.close()
