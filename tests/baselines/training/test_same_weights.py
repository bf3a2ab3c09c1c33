"""The same seed gives the same weights, whatever has been compiled, trained or set before."""

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.full]

PROGRAM = """
import hashlib, sys
from neurotasks_baselines import build

def digest(id, log=None):
    agent = build(f"neurotasks/{id}-v0", num_envs=16, seed=3)
    agent.tensorboard_log = log
    weights = agent.learn(1600).policy.state_dict().values()
    return hashlib.sha256(b"".join(w.numpy().tobytes() for w in weights)).hexdigest()
"""
EACH = """
ids = sys.argv[1].split(",")
found = {id: digest(id) for id in ids}
print(*(found[id] for id in sorted(found)))
"""
ONE_PROCESS = """
import multiprocessing, threading
import numpy as np, torch as th

found = [digest("VariableReward"), digest("VariableReward")]
thread = threading.Thread(target=lambda: found.append(digest("VariableReward")))
thread.start()
thread.join()
if hasattr(multiprocessing, "get_context") and sys.platform == "linux":
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=lambda: theirs.send(digest("VariableReward")))
    child.start()
    found.append(ours.recv())
    child.join()
digest("Bandit")
np.random.seed(1)
th.manual_seed(1)
th.set_num_threads(2)
found.append(digest("VariableReward", log=sys.argv[1]))
print(*found, th.get_num_threads())
"""


def run(program, argument, cache, **variables):
    """Return what a program prints, in words, and what it says on standard error."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM + program]
    found = subprocess.run(
        [*command, argument],
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.split(), found.stderr


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def cold(cache):
    """What trainings said that found an empty cache."""
    found, said = run(EACH, "Bandit,VariableReward", cache, OMP_NUM_THREADS="1")
    assert said == ""
    return found


@pytest.fixture(scope="module")
def expected(cold):
    return cold[1]


def test_a_cold_and_a_warm_compilation_cache_give_the_same_weights(cache, cold):
    assert run(EACH, "Bandit,VariableReward", cache) == (cold, "")
    assert run(EACH, "VariableReward,Bandit", cache) == (cold, "")
    files = sorted(cache.rglob("*.nbc"))
    assert len(files) > 10
    for file in files[::2]:
        file.unlink()
    assert run(EACH, "VariableReward,Bandit", cache) == (cold, "")


@pytest.mark.parametrize(
    "variables",
    [
        {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
        {"PYTHONHASHSEED": "7", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu"},
        {"PYTHONOPTIMIZE": "1", "PYTHONMALLOC": "malloc", "PYTHONDONTWRITEBYTECODE": "1"},
    ],
    ids="-".join,
)
def test_the_environment_of_the_process_does_not_matter(
    tmp_path, monkeypatch, cache, expected, variables
):
    monkeypatch.chdir(tmp_path)
    assert run(EACH, "VariableReward", cache, **variables) == ([expected], "")


def test_without_a_cache_the_weights_are_the_same(tmp_path, expected):
    (tmp_path / "file").touch()
    found, said = run(EACH, "VariableReward", tmp_path / "file")
    assert found == [expected]
    assert said.count("CompilationCacheWarning") == 1
    assert "NUMBA_CACHE_DIR" in said


def test_what_else_the_process_does_does_not_matter(tmp_path, cache, expected):
    (*found, threads), said = run(ONE_PROCESS, str(tmp_path), cache)
    assert found == [expected] * len(found)
    assert (len(found), threads, said) == (5 if sys.platform == "linux" else 4, "2", "")
    assert list(tmp_path.rglob("events.out.tfevents.*"))
