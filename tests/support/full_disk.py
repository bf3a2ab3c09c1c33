"""Runs commands on a disk that is too small or read-only: ``python full_disk.py DIR``.

DIR is the root of a file system of its own. Every command has to end with status 1 and one line,
and to leave nothing half-written. To be run in a mount namespace, so that nobody else sees it.
"""

import contextlib
import io
import json
import os
import shutil
import sys
from pathlib import Path

from neurotasks_baselines.benchmarks import scores
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.experiments import runner
from neurotasks_baselines.experiments.jobs import shipped
from neurotasks_baselines.training.hyperparameters import TABLE, Hyperparameters

ID = "neurotasks/TwoStep-v0"


def commands(out):
    """Return commands, and the number of bytes that are free when they start."""
    agent = f"{shipped('two-step', 'ppo', 100, 'agent')}.safetensors"
    keys = "centre\nleft\nleft\n" * 4
    return {
        "evaluate": (["evaluate", agent, "--episodes", "9", "--out", f"{out}/t.csv"], 8192, ""),
        "rpe": (
            [
                "evaluate",
                agent,
                "--episodes",
                "2",
                "--out",
                f"{out}/t.csv",
                "--rpe",
                f"{out}/r.csv",
            ],
            12 << 10,
            "",
        ),
        "play": (["play", ID, "--terminal", "--trials", "4", "--out", f"{out}/t.csv"], 0, keys),
        "figure": (
            ["play", ID, "--terminal", "--trials", "4", "--figure", f"{out}/f.png"],
            8192,
            keys,
        ),
        "train": (["train", ID, "--steps", "4000", "--out", f"{out}/run"], 4096, ""),
        "checkpoint": (["train", ID, "--steps", "4000", "--out", f"{out}/run"], 24 << 10, ""),
        "reproduce": (["reproduce", "two-step", "--quick", "--out", f"{out}/rep"], 12 << 10, ""),
        "benchmark": (["benchmark", "scores", "--out", f"{out}/b"], 0, ""),
    }


def attempt(out, words, room, keys):
    """Run a command where there is room for so many bytes; return what became of it."""
    for path in out.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    writable = os.access(out, os.W_OK)
    if writable:
        (out / "ballast").write_bytes(bytes(shutil.disk_usage(out).free - room))
    errors = io.StringIO()
    sys.stdin = io.StringIO(keys)
    with contextlib.redirect_stderr(errors):
        status = main(words)
    left = [str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()]
    again = None
    if writable:
        (out / "ballast").unlink()
        again = main(words) if words[0] == "train" else None
    return {"status": status, "error": errors.getvalue(), "left": sorted(left), "again": again}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    TABLE[ID] = Hyperparameters(
        total_steps=4000,
        num_envs=4,
        n_steps=100,
        units=8,
        columns=2,
        n_epochs=1,
        whole_episodes=False,
    )
    scores.reference_table = lambda num_episodes: {
        ID: {"random": 0.0, "observer": "", "ideal": 1.0}
    }
    runner._side_by_side = lambda pool, function, jobs: [function(job) for job in jobs]
    with contextlib.redirect_stdout(io.StringIO()):
        tried = {name: attempt(folder, *how) for name, how in commands(folder).items()}
    sys.stdout.write(json.dumps(tried))
