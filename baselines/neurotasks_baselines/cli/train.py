"""``neurotasks train``: train an agent on a task."""

from __future__ import annotations

import argparse
import dataclasses
import textwrap
from typing import TYPE_CHECKING

from neurotasks import TASKS
from neurotasks_baselines.cli.arguments import (
    add_command,
    add_import,
    as_path,
    step_count,
    task_parameters,
)
from neurotasks_baselines.imports import import_files

if TYPE_CHECKING:
    from neurotasks_baselines.cli.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand."""
    ids = textwrap.fill(", ".join(TASKS), 88, subsequent_indent=" " * 8, break_on_hyphens=False)
    parser = add_command(
        commands,
        "train",
        "train an agent on a task",
        f"""
        Trains recurrent PPO, or with --agent a2c the actor-critic of Wang et al. 2018, and writes
        a run directory with checkpoints, episode statistics and TensorBoard logs. Run the same
        command again to resume an interrupted training.

        Ids: {ids}.

        Example: neurotasks train neurotasks/Harlow-v0 --seed 1 --out runs/harlow
                 tensorboard --logdir runs/harlow
                 neurotasks train neurotasks/TwoStep-v0 --agent a2c --out runs/two-step
                 neurotasks train neurotasks/TwoStep-v0 --set p_common=0.7 --out runs/rare
                 neurotasks train my/Reversal-v0 --import examples/custom_task.py --out runs/mine
        """,
    )
    parser.add_argument("id", help="id of the task")
    parser.add_argument(
        "--agent",
        choices=("ppo", "a2c"),
        default="ppo",
        help="algorithm, with its hyperparameters of the task (default ppo)",
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed (default 0)")
    parser.add_argument(
        "--steps", type=step_count, help="environment steps (default: the task's own)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="task parameter, its value as JSON or a plain word; may be repeated",
    )
    parser.add_argument(
        "--hyperparameters",
        type=as_path,
        metavar="FILE",
        help="JSON or TOML file of hyperparameters by name, such as best.json of a sweep; others "
        "are the task's own",
    )
    parser.add_argument("--out", type=as_path, required=True, metavar="DIR", help="run directory")
    parser.add_argument(
        "--device",
        default="cpu",
        help="device for the network, e.g. cuda; recurrent layers stay on the CPU (default cpu)",
    )
    add_import(parser)


def run(options: argparse.Namespace) -> None:
    """Train the agent."""
    import_files(options.imports)
    from neurotasks_baselines.experiments import metrics_for
    from neurotasks_baselines.training.hyperparameters import (
        changed,
        hyperparameters_for,
        read_hyperparameters,
    )
    from neurotasks_baselines.training.train import train
    from neurotasks_baselines.training.wang2018 import wang2018_for

    defaults = wang2018_for if options.agent == "a2c" else hyperparameters_for
    hyperparameters = defaults(options.id)
    if options.hyperparameters is not None:
        hyperparameters = changed(hyperparameters, read_hyperparameters(options.hyperparameters))
    if options.steps is not None:
        hyperparameters = dataclasses.replace(hyperparameters, total_steps=options.steps)
    task_kwargs = task_parameters(options.set)
    train(
        options.id,
        options.out,
        seed=options.seed,
        hyperparameters=hyperparameters,
        task_kwargs=task_kwargs,
        metrics=metrics_for(options.id),
        progress_bar=True,
        device=options.device,
    )
    print(f"{options.out}/agent.safetensors; tensorboard --logdir {options.out}")
