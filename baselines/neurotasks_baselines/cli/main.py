"""The ``neurotasks`` command."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gymnasium.error import Error as GymnasiumError

from neurotasks import TASKS, __version__
from neurotasks.errors import ParameterError

FIGURES = (".png", ".svg", ".pdf")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="neurotasks",
        description="Neuroscience tasks for reinforcement learning, and what agents find in them.",
        epilog="`neurotasks COMMAND --help` says more of each.",
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = _command(
        commands,
        "train",
        "train an agent on a task",
        """
        Trains recurrent PPO in a run directory, with checkpoints, episode statistics and
        TensorBoard. Interrupted and called again, it goes on. Ids: {ids}.

        Example: neurotasks train neurotasks/Harlow-v0 --seed 1 --out runs/harlow
                 tensorboard --logdir runs/harlow
                 neurotasks train neurotasks/TwoStep-v0 --set p_common=0.7 --out runs/rare
        """.format(ids=", ".join(TASKS)),
    )
    train.add_argument("id", help="id of the task")
    train.add_argument("--seed", type=int, default=0, help="seed of everything (default 0)")
    train.add_argument(
        "--steps", type=step_count, help="environment steps (default: the task's own)"
    )
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="parameter of the task, as JSON or a word; may be repeated",
    )
    train.add_argument("--out", type=Path, required=True, help="run directory")
    train.add_argument(
        "--device",
        default="cpu",
        help="of the network, as cuda; recurrent layers run on the CPU (default cpu)",
    )

    evaluate = _command(
        commands,
        "evaluate",
        "let a trained agent play held-out episodes",
        """
        Plays with frozen weights on held-out parameters and writes the trial table, one row a
        trial. AGENT is a run directory, or a saved agent's path without suffix. --rpe also writes
        its reward prediction errors, one row a step and channel of the critic, with the event they
        belong to: the stimulus that came on.

        Example: neurotasks evaluate runs/harlow --episodes 300 --out trials.csv --rpe rpe.csv
        """,
    )
    evaluate.add_argument("agent", type=Path, help="run directory or saved agent")
    evaluate.add_argument("--episodes", type=int, default=300, help="episodes (default 300)")
    evaluate.add_argument("--seed", type=int, help="seed of the first episode")
    evaluate.add_argument("--out", type=Path, required=True, help=".csv or .parquet file to write")
    evaluate.add_argument("--rpe", type=Path, help="write the RPEs, .csv or .parquet")

    play = _command(
        commands,
        "play",
        "play a task yourself",
        """
        The world waits for your key. Arrow keys mean the actions of that name, space and return
        the others, digits all of them in order; Esc ends. At the end come your measures beside the
        ideal observer's and those of random choices.

        Example: neurotasks play neurotasks/TwoStep-v0 --terminal --trials 20 --out trials.csv
        """,
    )
    play.add_argument("id", help="id of the task")
    play.add_argument("--terminal", action="store_true", help="in letters, without a window")
    play.add_argument("--seed", type=int, default=0, help="seed of the first episode (default 0)")
    play.add_argument("--trials", type=int, help="trials in an episode (default: the task's own)")
    play.add_argument("--episodes", type=int, default=1, help="episodes (default 1)")
    play.add_argument("--split", choices=("train", "test"), default="train", help="(default train)")
    play.add_argument("--show-truth", action="store_true", help="show what is hidden")
    play.add_argument("--out", type=Path, help="write the trial table, .csv or .parquet")
    play.add_argument("--figure", type=Path, help="write your figure, .png, .svg or .pdf")

    reproduce = _command(
        commands,
        "reproduce",
        "measure the published findings on our agents",
        """
        Takes the shipped agents (or trains new ones), lets them play held-out episodes, and
        compares what they do with what was published: index.html, figures and claims.json.
        Interrupted and called again, it goes on. Experiments: bandits, foraging,
        volatility, inferred-value, two-step, harlow, harlow-pixels, risky-choice (together:
        wang2018), dopamine-cells, dopamine-agents, dopamine-variance (dabney2020).

        Example: neurotasks reproduce two-step --train --out runs/two-step
        """,
    )
    reproduce.add_argument("names", nargs="*", metavar="NAME", help="experiment or group; all")
    reproduce.add_argument("--out", type=Path, default=Path("runs/reproduce"), help="directory")
    reproduce.add_argument("--seeds", type=int, help="how many of the reported seeds")
    reproduce.add_argument("--train", action="store_true", help="ignore the shipped weights")
    reproduce.add_argument("--device", default="cpu", help="to train on (default cpu)")
    reproduce.add_argument("--quick", action="store_true", help="only see that it runs")
    reproduce.add_argument(
        "--cells", type=Path, metavar="DIR", help="show recorded cells beside those of dabney2020"
    )

    cells = _command(
        commands,
        "analyse-cells",
        "measure recorded dopamine cells as in Dabney et al. 2020",
        """
        Reads a folder with one MATLAB file a cell (see baselines/dopamine/recordings.py) and puts
        the cells through the paper's estimators, beside simulated populations with the same trial
        counts: index.html, cells.png and cells.json.

        Example: neurotasks analyse-cells recordings --out runs/cells
        """,
    )
    cells.add_argument("folder", type=Path, metavar="DIR", help="folder with one file a cell")
    cells.add_argument("--out", type=Path, default=Path("runs/cells"), help="directory to write")

    benchmark = _command(
        commands,
        "benchmark",
        "measure how fast it is here, and how well agents play",
        """
        `envs`: steps per second of the environments beside Gymnasium's CartPole. `train`: training
        steps per second beside sb3-contrib's RecurrentPPO. `scaling`: how training speed and memory
        grow with lanes, units, episodes and time. `criterion`: seconds until tasks are learned,
        each seed in a fresh process. Programs take turns in rounds; medians with their range are
        printed and written to DIR/NAME.json, with a figure and the machine beside them. --peer
        adds another library to envs or train: its script in benchmarks/peers says how to
        install it.
        `scores`: the returns of random choices and of the ideal observers, between which scores
        lie. `agents`: the scores of agents trained here, stock and ours; that takes hours.

        Example: neurotasks benchmark train --out runs/benchmark
                 neurotasks benchmark envs --peer gymnax=gymnax/bin/python --out runs/benchmark
        """,
    )
    benchmark.add_argument(
        "name",
        choices=("envs", "train", "scaling", "criterion", "scores", "agents"),
        help="what to measure",
    )
    benchmark.add_argument("--out", type=Path, default=Path("runs/benchmark"), help="directory")
    benchmark.add_argument(
        "--rounds", type=int, default=5, help="turns of each program, or seeds (default 5)"
    )
    benchmark.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help="peer and the interpreter of its environment; may be repeated",
    )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, or 1 after an error."""
    options = parser().parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except ModuleNotFoundError as error:
        print(
            f"neurotasks {options.command}: {error}. Run `pip install 'neurotasks[baselines]'`.",
            file=sys.stderr,
        )
        return 1
    except (ValueError, TypeError, GymnasiumError) as error:
        if type(error) in (ValueError, TypeError):
            raise  # not one of ours: somebody wants to see where it came from
        print(f"neurotasks {options.command}: {error}", file=sys.stderr)
        return 1


def _train(options: argparse.Namespace) -> int:
    import gymnasium as gym

    from neurotasks_baselines.experiments import metrics_for
    from neurotasks_baselines.training.hyperparameters import hyperparameters_for
    from neurotasks_baselines.training.train import train

    hyperparameters = hyperparameters_for(options.id)
    if options.steps is not None:
        hyperparameters = dataclasses.replace(hyperparameters, total_steps=options.steps)
    task_kwargs = task_parameters(options.set)
    if hyperparameters.whole_episodes and "trials" in task_kwargs:  # a rollout holds an episode
        envs: list[Any] = [gym.make(options.id, **k) for k in ({}, task_kwargs)]
        usual, now = (env.unwrapped.parameters.trials for env in envs)
        hyperparameters = dataclasses.replace(
            hyperparameters, n_steps=math.ceil(hyperparameters.n_steps * now / usual)
        )
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
    print(f"{options.out}/agent.safetensors, agent.json; tensorboard --logdir {options.out}")
    return 0


def task_parameters(words: Sequence[str]) -> dict[str, Any]:
    """Return task parameters given as ``NAME=VALUE``.

    Args:
        words: a value is JSON, and where it is none, a word.

    Raises:
        ParameterError: if there is no ``=``; the names and values are for the task to judge.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ParameterError(f"--set {word} came, but NAME=VALUE is wanted: --set trials=50.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _evaluate(options: argparse.Namespace) -> int:
    from neurotasks.trials import file_format, write_trials
    from neurotasks_baselines.agents.activations import rpe_table
    from neurotasks_baselines.experiments import metrics_for
    from neurotasks_baselines.training.agent_files import load
    from neurotasks_baselines.training.train import TEST_SEED, evaluate

    file_format(options.out)  # bad names are refused before the work
    if options.rpe is not None:
        file_format(options.rpe)
        if options.rpe.resolve() == options.out.resolve():
            raise ParameterError(
                f"--rpe and --out are both {options.out}, but each writes a file of its own. "
                "Rename one of them."
            )
    path = options.agent / "agent" if options.agent.is_dir() else options.agent
    model = load(path, num_envs=1)
    seed = TEST_SEED if options.seed is None else options.seed
    episodes, activations = evaluate(model, num_episodes=options.episodes, seed=seed)
    write_trials(episodes.trials, options.out)
    for name, value in metrics_for(model.description["id"]).compute(episodes).items():
        print(f"{name:28} {value:.3f}")
    print(f"{len(episodes.trials)} trials in {options.out}")
    if options.rpe is not None:
        table = rpe_table(model, episodes, activations)
        write_trials(table, options.rpe)
        print(f"{len(table)} RPEs in {options.rpe}")
    return 0


def _play(options: argparse.Namespace) -> int:
    import gymnasium as gym

    from neurotasks.rendering.window import Window
    from neurotasks.trials import file_format, write_trials
    from neurotasks_baselines.cli.playing import compare, describe_keys, pixels_of, play, terminal

    if options.out is not None:
        file_format(options.out)  # bad names are refused before the work
    if options.figure is not None and options.figure.suffix not in FIGURES:
        raise ParameterError(f"--figure {options.figure} came, but it must end in {FIGURES}.")
    task_kwargs = {"split": options.split}
    if options.trials is not None:
        task_kwargs["trials"] = options.trials
    mode = "ansi" if options.terminal else "rgb_array"
    env: Any = gym.make(
        options.id, render_mode=mode, show_truth=options.show_truth, trial_log=True, **task_kwargs
    )
    actions = env.unwrapped.action_names
    how = {"seed": options.seed, "num_episodes": options.episodes}
    window = Window(f"{options.id}: {describe_keys(actions)}")
    try:
        print(describe_keys(actions), flush=True)
        if options.terminal:
            clear = "\x1b[H\x1b[2J" if sys.stdout.isatty() else ""
            with terminal() as read_key:
                trials = play(
                    env,
                    read_key,
                    lambda frame: print(f"{clear}{frame}{describe_keys(actions)}", flush=True),
                    **how,
                )
        else:
            trials = play(env, window.read_key, window.show, **how)
        if trials.empty:
            print("No trial was finished.")
            return 0
        if options.out is not None:
            write_trials(trials, options.out)
            print(f"{len(trials)} trials in {options.out}")
        comparison = compare(trials, options.id, task_kwargs, options.seed)
        print(comparison)
        if options.figure is not None:
            options.figure.parent.mkdir(parents=True, exist_ok=True)
            comparison.figure().savefig(options.figure)
            print(f"figure in {options.figure}")
        if not options.terminal:
            window.show(pixels_of(comparison.figure()))
            window.read_key()
    finally:
        window.close()
    return 0


def _reproduce(options: argparse.Namespace) -> int:
    from neurotasks_baselines.experiments.report import number
    from neurotasks_baselines.experiments.runner import reproduce

    claims = reproduce(
        options.names,
        options.out,
        seeds=options.seeds,
        train=options.train,
        quick=options.quick,
        cells=options.cells,
        device=options.device,
    )
    for claim in claims:
        interval = f" [{claim.ci_low:.3f}, {claim.ci_high:.3f}]" if claim.ci_low is not None else ""
        verdict = "held  " if claim.passed else "MISSED"
        print(
            f"{verdict} {claim.experiment}: {claim.claim}: {number(claim.measured)}{interval}, ",
            end="",
        )
        print(f"wanted {claim.accept}, published {claim.published}")
    print(
        f"{sum(c.passed for c in claims)} of {len(claims)} held; see {options.out / 'index.html'}"
    )
    return 0


def _analyse_cells(options: argparse.Namespace) -> int:
    from neurotasks_baselines.dopamine.analysis import analyse_cells, text_table

    print(text_table(analyse_cells(options.folder, options.out)))
    print(f"see {options.out / 'index.html'}")
    return 0


def _benchmark(options: argparse.Namespace) -> int:
    if options.name in ("scores", "agents"):
        return _scoreboard(options)
    from neurotasks_baselines.benchmarks.criterion import benchmark_criterion
    from neurotasks_baselines.benchmarks.envs import benchmark_envs
    from neurotasks_baselines.benchmarks.scaling import benchmark_scaling
    from neurotasks_baselines.benchmarks.tables import results
    from neurotasks_baselines.benchmarks.train import benchmark_train
    from neurotasks_baselines.benchmarks.worker import peer_script

    if options.rounds < 1:
        raise ParameterError(f"--rounds {options.rounds} came, but it must be 1 or more.")
    peers = dict(given.partition("=")[::2] for given in options.peer)
    for name, python in peers.items():
        peer_script(name, options.name)
        if not python:
            raise ParameterError(
                f"--peer {name} came, but the interpreter is missing. Write {name}=PYTHON."
            )
    if options.name == "envs":
        benchmark_envs(options.out, options.rounds, peers)
    elif options.name == "train":
        benchmark_train(options.out, options.rounds, peers)
    elif options.name == "scaling":
        benchmark_scaling(options.out, options.rounds)
    else:
        benchmark_criterion(options.out, options.rounds)
    print(results(options.name, options.out))
    print(f"written to {options.out / options.name}.json and .png")
    return 0


def _scoreboard(options: argparse.Namespace) -> int:
    from neurotasks_baselines.benchmarks.scores import score_agents, write_references

    if options.name == "scores":
        for id, row in write_references(options.out).items():
            print(f"{id:36} random {row['random']:9.3f}  {row['observer']} {row['ideal']:9.3f}")
    else:
        for score in score_agents(options.out):
            low, high = min(score.scores), max(score.scores)
            mean = sum(score.scores) / len(score.scores)
            print(f"{score.id:36} {score.agent:20} {mean:.3f} ({low:.3f} to {high:.3f})")
    print(f"written to {options.out / options.name}.json")
    return 0


COMMANDS = {
    "train": _train,
    "evaluate": _evaluate,
    "play": _play,
    "reproduce": _reproduce,
    "analyse-cells": _analyse_cells,
    "benchmark": _benchmark,
}


def step_count(word: str) -> int:
    """Return a number of steps, which may be written as 1e6.

    Raises:
        ArgumentTypeError: if it is no number from 1 up.
    """
    try:
        steps = float(word)
    except ValueError:
        steps = math.nan
    if not 1 <= steps < math.inf:
        raise argparse.ArgumentTypeError(f"{word} came, but a number from 1 up is wanted")
    return int(steps)


def _command(
    commands: argparse._SubParsersAction, name: str, help: str, text: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=help,
        description=textwrap.dedent(text).strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


if __name__ == "__main__":
    sys.exit(main())
