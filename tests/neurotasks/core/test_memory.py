"""What environments hold in memory, counted in bytes."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from every_id import choose, make, single_and_vector

pytestmark = pytest.mark.slow


@single_and_vector
@pytest.mark.parametrize("id", ["TwoStep", "BanditInformative", "Foraging"])
def test_a_logged_row_costs_at_most_twice_its_bytes(id, lanes):
    env, rng = (
        make(f"neurotasks/{id}-v0", lanes, trial_log=True, trials=4),
        np.random.default_rng(0),
    )
    env.reset(seed=0)
    fields, columns = env.unwrapped._lanes.dtype, env.unwrapped.task.columns
    row = sum(fields[name].itemsize if name in fields.names else 8 for name in columns)
    env.step(choose(env, rng, 0.9))  # compiles, or reads what is compiled
    env.trial_table(clear=True)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    rows = 0
    while rows < 4000:
        result = env.step(choose(env, rng, 0.9))
        infos = result[-1].get("final_info", {}), result[-1]
        rows += sum(int(np.sum(info.get("_last_trial", "last_trial" in info))) for info in infos)
        if not lanes and result[2]:
            env.reset()
    del result, infos
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(env.unwrapped.trial_table()) == rows
    assert held <= 2 * row * rows


MANY_STEPS = """
import sys
import gymnasium as gym, numpy as np
import neurotasks

id, num_envs, steps, how = sys.argv[1], *map(int, sys.argv[2:4]), sys.argv[4]
page = 4096


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * page


envs = gym.make_vec(id, num_envs=num_envs, autoreset_mode="SameStep", trial_log=how == "log")
envs.reset(seed=0)
actions = np.random.default_rng(0).integers(len(envs.action_names), size=(64, num_envs))


def play(number):
    if how == "step_many":
        for _ in range(number // 64):
            envs.step_many(actions)
        return
    for i in range(number):
        envs.step(actions[i % 64])
        if how == "log" and i % 64 == 63:
            envs.trial_table(clear=True)


play(max(steps // 10, 640))
warm = resident()
play(steps)
sys.stdout.write(f"{warm} {resident()}")
"""


def grown(id, num_envs, steps, how):
    """Return the memory after many steps, as a multiple of that after a tenth of them."""
    command = [sys.executable, "-c", MANY_STEPS, id, str(num_envs), str(steps), how]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    warm, last = map(int, ran.stdout.split())
    return last / warm


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", ["step", "step_many", "log"])
@pytest.mark.parametrize("id", ["TwoStep", "Harlow", "Bandit"])
def test_memory_does_not_grow_with_steps(id, how):

    assert grown(f"neurotasks/{id}-v0", 256, 4000, how) <= 1.02
