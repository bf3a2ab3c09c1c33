"""NeuroGym's environments, as a program of `neurotasks benchmark envs --peer neurogym=PYTHON`.

In an environment of its own (torch, because NeuroGym cannot be imported without it):

    python3.11 -m venv neurogym
    neurogym/bin/pip install neurogym==2.3.1 torch stable-baselines3==2.9.2

It gets {"how": ..., "task": ..., "num_envs": ...} and runs for 0.3 seconds for every line on its
input. `how` is "gymnasium.make", "SyncVectorEnv" or "DummyVecEnv". The environments never end
by themselves; in vectors they do after 200 steps, as for meta-learning.
"""

import json
import sys
import time
import warnings
from importlib.metadata import version

import gymnasium as gym
import neurogym  # noqa: F401 (registers the ids)
import numpy as np
from neurogym.utils.logging import logger
from stable_baselines3.common.vec_env import DummyVecEnv

SECONDS = 0.3


def stepper(how, task, num_envs):
    """Return a function that takes some steps, and returns how many."""
    if how == "gymnasium.make":
        env = gym.make(task)
        env.reset()
        actions = np.random.default_rng(0).integers(env.action_space.n, size=1000).tolist()
    else:
        make = [lambda: gym.wrappers.TimeLimit(gym.make(task, disable_env_checker=True), 200)]
        env = {"SyncVectorEnv": gym.vector.SyncVectorEnv, "DummyVecEnv": DummyVecEnv}[how](
            make * num_envs
        )
        env.reset()
        space = getattr(env, "single_action_space", env.action_space)
        actions = np.random.default_rng(0).integers(space.n, size=(10, num_envs))

    def take_steps():
        for action in actions:
            env.step(action)
        return len(actions) * num_envs

    return take_steps


def main(how, task, num_envs):
    """Run once for every line on the input."""
    warnings.simplefilter("ignore")
    logger.remove()
    take_steps = stepper(how, task, num_envs)
    versions = {name: version(name) for name in ("neurogym", "gymnasium", "numpy")}
    for _ in sys.stdin:
        steps, start = 0, time.perf_counter()
        while (seconds := time.perf_counter() - start) < SECONDS:
            steps += take_steps()
        answer = {"steps": steps, "seconds": seconds, "versions": versions}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
