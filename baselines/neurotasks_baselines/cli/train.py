"""``neurotasks train``: train an agent on a task."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurotasks_baselines.cli.arguments import (
    RESUME,
    add_command,
    add_import,
    add_out,
    as_path,
    assigned,
    did_you_mean,
    hint,
    step_count,
    task_id,
)
from neurotasks_baselines.imports import import_files

if TYPE_CHECKING:
    from neurotasks_baselines.cli.arguments import Commands
    from neurotasks_baselines.training.hyperparameters import Hyperparameters


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand."""
    parser = add_command(
        commands,
        "train",
        "train an agent on a task",
        """
        Trains recurrent PPO, or with --agent a2c the actor-critic of Wang et al. 2018, and writes
        a run directory with checkpoints, episode statistics and TensorBoard logs. Run the same
        command again to resume an interrupted training. At the end held-out episodes are played:
        the score is 0 for random choices and 1 for the reference observer.

        `neurotasks list` names the tasks; TwoStep, or twostep, is short for neurotasks/TwoStep-v0.

        Example: neurotasks train Harlow --seed 1 --out runs/harlow
                 neurotasks train TwoStep --set learning_rate=1e-3 --set units=64
                 neurotasks train TwoStep --set p_common=0.7 --show
                 neurotasks train TwoStep --agent a2c --steps 3e5 --out runs/a2c
                 neurotasks train my/Reversal-v0 --import examples/custom_task.py --out runs/mine
                 tensorboard --logdir runs/harlow
        """,
    )
    parser.add_argument("id", metavar="ID", help="id of the task")
    agent = parser.add_argument_group("what is trained")
    agent.add_argument(
        "--agent",
        choices=("ppo", "a2c"),
        default="ppo",
        help="algorithm, with its hyperparameters for the task",
    )
    agent.add_argument("--seed", type=int, default=0, help="random seed")
    agent.add_argument(
        "--steps", type=step_count, help="environment steps (default: the task's own)"
    )
    agent.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="hyperparameter or parameter of the task, with a value in JSON or as a plain word; if "
        "both have the name, the task's is set. May be repeated",
    )
    agent.add_argument(
        "--hyperparameters",
        type=as_path,
        metavar="FILE",
        help="JSON or TOML file of hyperparameters by name, such as best.json of a sweep; --set "
        "takes precedence, and the rest are the task's own",
    )
    agent.add_argument(
        "--show",
        action="store_true",
        help="train nothing, and print the hyperparameters as a file for --hyperparameters",
    )
    add_import(agent)
    place = parser.add_argument_group("where")
    add_out(place, None, "run directory (default: runs/TASK-AGENT-SEED)")
    place.add_argument(
        "--device",
        default="cpu",
        help="device for the network, e.g. cuda; recurrent layers stay on the CPU",
    )


def run(options: argparse.Namespace) -> None:
    """Train the agent, and say how well it plays."""
    import_files(options.imports)
    options.id = task_id(options.id)
    options.out = _out(options)
    hyperparameters, task_kwargs = _chosen(options)
    if options.show:
        print(_table(options, hyperparameters, task_kwargs))
        return
    from neurotasks_baselines.cli.summary import print_summary
    from neurotasks_baselines.experiments import metrics_for
    from neurotasks_baselines.training.agent_files import load
    from neurotasks_baselines.training.evaluate import evaluate
    from neurotasks_baselines.training.train import train

    metrics = metrics_for(options.id)
    train(
        options.id,
        options.out,
        seed=options.seed,
        hyperparameters=hyperparameters,
        task_kwargs=task_kwargs,
        metrics=metrics,
        progress_bar=True,
        device=options.device,
    )
    model = load(options.out / "agent", num_envs=1)  # plays as it does in `evaluate`
    print_summary(options.id, task_kwargs, *evaluate(model, num_episodes=metrics.num_episodes))
    hint(f"\nThe agent is {options.out}/agent.safetensors. Its learning curves:")
    hint(f"tensorboard --logdir {options.out}")


def kept(options: argparse.Namespace) -> str:
    """Return what an interruption leaves."""
    out = _out(options)
    if (out / "agent.safetensors").exists():
        return f"{out} holds the trained agent; the same command says again how well it plays."
    if (out / "checkpoint.safetensors").exists():
        return f"{out} keeps all but the last rollout. {RESUME}"
    return f"No step is kept. {RESUME.replace('resume', 'begin')}"


def _out(options: argparse.Namespace) -> Path:
    task = options.id.rpartition("/")[2].removesuffix("-v0")
    return options.out or Path("runs") / f"{task}-{options.agent}-{options.seed}"


def _chosen(options: argparse.Namespace) -> tuple[Hyperparameters, dict[str, Any]]:
    """Return the hyperparameters and the parameters of the task.

    Raises:
        HyperparameterError: If there is no such hyperparameter, or a value is out of range.
        ParameterError: If a name is neither.
    """
    import gymnasium as gym

    from neurotasks.errors import UnknownParameterError
    from neurotasks_baselines.training.hyperparameters import (
        Hyperparameters,
        changed,
        hyperparameters_for,
        read_hyperparameters,
    )
    from neurotasks_baselines.training.wang2018 import wang2018_for

    defaults = wang2018_for if options.agent == "a2c" else hyperparameters_for
    hyperparameters = defaults(options.id)
    if options.hyperparameters is not None:
        hyperparameters = changed(hyperparameters, read_hyperparameters(options.hyperparameters))
    env: Any = gym.make(options.id).unwrapped
    of_task = {field.name for field in fields(env.parameters)} | {"feedback"}
    of_agent = {field.name for field in fields(Hyperparameters)} - of_task
    values, task_kwargs = {}, {}
    for name, value in assigned(options.set).items():
        if name in of_agent:
            values[name] = value
        elif name in of_task or did_you_mean(name, of_task) or not did_you_mean(name, of_agent):
            task_kwargs[name] = value  # what is none is refused by the task
        else:
            raise UnknownParameterError(
                f"--set must name a hyperparameter or a parameter of the task; got {name!r}. "
                f"{did_you_mean(name, of_agent)}"
            )
    if options.steps is not None:
        values["total_steps"] = options.steps
    return changed(hyperparameters, values), task_kwargs


def _table(
    options: argparse.Namespace, hyperparameters: Hyperparameters, task_kwargs: dict[str, Any]
) -> str:
    """Return the hyperparameters in TOML, and the parameters of the task in comments."""
    import gymnasium as gym

    env: Any = gym.make(options.id, **task_kwargs).unwrapped
    steps = hyperparameters.rollout_steps(env.parameters)
    lines = [f"# {options.id}, seed {options.seed}; neurotasks train --hyperparameters takes this."]
    for name, value in hyperparameters.to_json().items():
        absent = f"{steps}, of the longest episode" if name == "n_steps" else "as at the start"
        lines.append(f"# {name}: {absent}" if value is None else f"{name} = {json.dumps(value)}")
    lines += ["", "# Parameters of the task, for --set:"]
    given = vars(env.parameters).items()
    lines += [f"# {name} = {json.dumps(value)}" for name, value in given]
    return "\n".join(lines)
