"""Training runs that are killed and started again, and what they must have in common with others.

``python tests/support/killed_runs.py ID OUT`` is a training of a few seconds.
"""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file
from signals import accept_interrupts
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

from neurotasks_baselines.training.agent_files import read_description
from neurotasks_baselines.training.callbacks import Metrics, reward_per_trial
from neurotasks_baselines.training.hyperparameters import hyperparameters_for
from neurotasks_baselines.training.train import train

ROLLOUTS = 24
WALL_TIMES = ("time/fps",)


def short_training(id, out):
    """Train a small agent, as the task's own hyperparameters say otherwise."""
    small = replace(hyperparameters_for(id), num_envs=8, columns=4, units=16, total_steps=1)
    steps = {"neurotasks/TwoStep-v0": 300, "neurotasks/Bandit-v0": 100, "neurotasks/Harlow-v0": 256}
    small = replace(small, total_steps=ROLLOUTS * 8 * steps[id])
    metrics = Metrics(reward_per_trial, num_episodes=4)
    train(
        id, out, hyperparameters=small, metrics=metrics, evaluations=5, early=small.total_steps // 2
    )


def start(id, out):
    """Start the training in a process of its own."""
    command = [sys.executable, __file__, id, str(out)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=accept_interrupts,
    )


def wait_for(file, process):
    """Wait until a process has made a file, or has ended."""
    while not file.exists() and process.poll() is None:
        time.sleep(0.005)


def weights(file):
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(file).items()}


def events(out):
    """Return what TensorBoard's files hold in their order, wall times aside."""
    found = []
    for file in sorted(Path(out, "tensorboard").glob("*")):
        for record in RawEventFileLoader(str(file)).Load():
            event = Event.FromString(record)
            found += [
                (event.step, value.tag, value.SerializeToString())
                for value in event.summary.value
                if value.tag not in WALL_TIMES and "_hparams_" not in value.tag
            ] + [
                (event.step, value.tag)  # it holds the time of its start
                for value in event.summary.value
                if "_hparams_" in value.tag
            ]
    return found


def episodes(out):
    """Return returns and lengths of all episodes, and the names of their files."""
    files = sorted(Path(out).glob("*monitor.csv"))
    rows = [line.rsplit(",", 1)[0] for file in files for line in file.read_text().splitlines()[1:]]
    return [file.name for file in files], rows


def described(file):
    description = read_description(file)
    wall_times = {"seconds", "sha256"}  # the digest is that of the seconds too
    return {name: value for name, value in description.items() if name not in wall_times}


def names(out):
    return sorted(file.name for file in Path(out).iterdir())


def differences(out, whole):
    """Return in what two run directories differ that must not."""
    found = [] if names(out) == names(whole) else [f"files: {names(out)}, {names(whole)}"]
    for file in sorted(Path(whole).glob("*.safetensors")):
        ours = Path(out, file.name)
        if not ours.exists() or weights(ours) != weights(file):
            found.append(f"weights of {file.name}")
        elif described(ours) != described(file):
            found.append(f"description of {file.name}")
    if events(out) != events(whole):
        found.append("TensorBoard")
    if episodes(out) != episodes(whole):
        found.append("episodes")
    return found


if __name__ == "__main__":
    short_training(*sys.argv[1:])
