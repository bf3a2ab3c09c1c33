"""The training of any checkout of neurotasks, as a program of `benchmarks/against.py`.

It gets {"checkout": ..., "seconds": ..., "setups": [{"task": ..., "num_envs": ...}, ...]}, and
trains with the next of the setups for every line on its input. It imports by the names of that
checkout; those before the packages were renamed are known too. Seconds are of processor time.
"""

import json
import os
import sys
import tempfile
import time
from importlib import import_module
from itertools import cycle
from pathlib import Path

import torch as th
from stable_baselines3.common.callbacks import CheckpointCallback
from stable_baselines3.common.logger import configure

NEW = ("neurotasks_baselines.agents.recurrent_ppo", "neurotasks_baselines.agents.vec_env")
OLD = ("baselines.recurrent_ppo", "baselines.vec_env")
UNITS, EPOCHS, MINIBATCHES, STEPS = 48, 4, 4, 200


def modules(checkout):
    """Return the modules of the agent and of its environments, from this checkout and no other."""
    root = Path(checkout).resolve()
    renamed = (root / "baselines" / "neurotasks_baselines").is_dir()
    found = [import_module(name) for name in (NEW if renamed else OLD)]
    for module in found:
        if not Path(module.__file__).resolve().is_relative_to(root):
            sys.exit(f"{module.__name__} must come from {root}; got {module.__file__}.")
    return found


def learner(agents, envs, folder, task, num_envs):
    """Return a function that trains for two rollouts, as users do, and returns their steps."""
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
    agents, envs = modules(checkout)
    with tempfile.TemporaryDirectory() as folder:
        learners = [
            learner(agents, envs, os.path.join(folder, str(i)), **setup)
            for i, setup in enumerate(setups)
        ]
        for learn, _ in zip(cycle(learners), sys.stdin, strict=False):
            done, start = 0, time.process_time()
            while (passed := time.process_time() - start) < seconds:
                done += learn()
            sys.stdout.write(json.dumps({"steps": done, "seconds": passed}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
