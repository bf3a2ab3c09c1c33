"""The training or the environments of any checkout, as a program of `benchmarks/against.py`.

It gets {"checkout": ..., "seconds": ..., "setups": [{"run": ..., "task": ..., "num_envs": ...},
...]}, and for every line on its input trains (run "train") or steps environments (run "envs") with
the next of the setups. It imports by the names of that checkout; those before the packages were
renamed are known too. Seconds are of processor time.
"""

import json
import os
import sys
import tempfile
import time
from importlib import import_module
from itertools import cycle
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch as th
from stable_baselines3.common.callbacks import CheckpointCallback
from stable_baselines3.common.logger import configure

NEW = ("neurotasks_baselines.agents.recurrent_ppo", "neurotasks_baselines.agents.vec_env")
OLD = ("baselines.recurrent_ppo", "baselines.vec_env")
UNITS, EPOCHS, MINIBATCHES, STEPS = 48, 4, 4, 200


def modules(checkout, *names):
    """Return modules, from this checkout and no other."""
    found = [import_module(name) for name in names]
    for module in found:
        if not Path(module.__file__).resolve().is_relative_to(Path(checkout).resolve()):
            sys.exit(f"{module.__name__} must come from {checkout}; got {module.__file__}.")
    return found


def stepper(checkout, folder, task, num_envs):
    """Return a function that steps environments and returns their steps; 1 is no vector."""
    modules(checkout, "neurotasks")
    if num_envs > 1:
        env = gym.make_vec(task, num_envs=num_envs, autoreset_mode="SameStep")
    else:
        env = gym.make(task)
    env.reset(seed=0)
    number = len(env.unwrapped.action_names)
    actions = np.random.default_rng(0).integers(number, size=(200, num_envs))
    actions = list(actions) if num_envs > 1 else actions.ravel().tolist()

    def step():
        for action in actions:
            over = env.step(action)[2]
            if num_envs == 1 and over:
                env.reset()
        return len(actions) * num_envs

    return step


def learner(checkout, folder, task, num_envs):
    """Return a function that trains for two rollouts, as users do, and returns their steps."""
    renamed = (Path(checkout) / "baselines" / "neurotasks_baselines").is_dir()
    agents, envs = modules(checkout, *(NEW if renamed else OLD))
    model = agents.FusedRecurrentPPO(
        "FusedLstmPolicy",
        envs.make_vec_env(task, num_envs=num_envs),
        policy_kwargs={"lstm_hidden_size": UNITS},
        n_steps=STEPS,
        n_epochs=EPOCHS,
        batch_size=num_envs // MINIBATCHES * STEPS,
        seed=0,
    )
    model.set_logger(configure(folder, ["tensorboard"]))
    callback = CheckpointCallback(1_000_000, folder)
    steps = 2 * num_envs * STEPS

    def learn():
        model.learn(steps, callback, reset_num_timesteps=False)
        return steps

    return learn


def main(checkout, seconds, setups):
    """Run once for every line on the input."""
    th.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        for i, setup in enumerate(setups):
            make = {"train": learner, "envs": stepper}[setup.pop("run")]
            runs.append(make(checkout, os.path.join(folder, str(i)), **setup))
        for run, _ in zip(cycle(runs), sys.stdin, strict=False):
            done, start = 0, time.process_time()
            while (passed := time.process_time() - start) < seconds:
                done += run()
            sys.stdout.write(json.dumps({"steps": done, "seconds": passed}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
