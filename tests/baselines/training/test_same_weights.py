"""The same seed gives the same weights, whatever has been compiled, trained or set before."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import hashlib, sys
from neurotasks_baselines import build

def digest(id):
    agent = build(f"neurotasks/{id}-v0", num_envs=16, seed=3).learn(1600)
    weights = agent.policy.state_dict().values()
    return hashlib.sha256(b"".join(w.numpy().tobytes() for w in weights)).hexdigest()

ids = sys.argv[1].split(",")
found = {id: digest(id) for id in ids}
print(*(found[id] for id in sorted(found)))
"""


def digests(cache, ids, **variables):
    """Return digests of the weights of trainings in a fresh process, in the order of the ids."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, ids],
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.split()


def test_a_cold_and_a_warm_compilation_cache_give_the_same_weights(tmp_path):
    cold = digests(tmp_path, "Bandit,VariableReward")
    assert digests(tmp_path, "Bandit,VariableReward") == cold
    assert digests(tmp_path, "VariableReward,Bandit") == cold
    files = sorted(tmp_path.rglob("*.nbc"))
    assert len(files) > 10
    for file in files[::2]:
        file.unlink()
    assert digests(tmp_path, "VariableReward,Bandit") == cold
