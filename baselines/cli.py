"""The ``neurotasks`` command."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from gymnasium.error import Error as GymnasiumError

from neurotasks import TASKS, __version__


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
        """.format(ids=", ".join(TASKS)),
    )
    train.add_argument("id", help="id of the task")
    train.add_argument("--seed", type=int, default=0, help="seed of everything (default 0)")
    train.add_argument("--steps", type=float, help="environment steps (default: the task's own)")
    train.add_argument("--out", type=Path, required=True, help="run directory")

    evaluate = _command(
        commands,
        "evaluate",
        "let a trained agent play held-out episodes",
        """
        Plays with frozen weights on held-out parameters and writes the trial table, one row a
        trial. AGENT is a run directory, or a saved agent's path without suffix.

        Example: neurotasks evaluate runs/harlow --episodes 300 --out trials.csv
        """,
    )
    evaluate.add_argument("agent", type=Path, help="run directory or saved agent")
    evaluate.add_argument("--episodes", type=int, default=300, help="episodes (default 300)")
    evaluate.add_argument("--seed", type=int, help="seed of the first episode")
    evaluate.add_argument("--out", type=Path, required=True, help="CSV file to write")

    reproduce = _command(
        commands,
        "reproduce",
        "measure the published findings on our agents",
        """
        Takes the shipped agents (or trains new ones), lets them play held-out episodes, and
        compares what they do with what was published: index.html, figures and claims.json.
        Interrupted and called again, it goes on. Experiments: two-step, harlow; group: wang2018.

        Example: neurotasks reproduce two-step --train --out runs/two-step
        """,
    )
    reproduce.add_argument("names", nargs="*", metavar="NAME", help="experiment or group; all")
    reproduce.add_argument("--out", type=Path, default=Path("runs/reproduce"), help="directory")
    reproduce.add_argument("--seeds", type=int, help="how many of the reported seeds")
    reproduce.add_argument("--train", action="store_true", help="ignore the shipped weights")
    reproduce.add_argument("--quick", action="store_true", help="only see that it runs")

    benchmark = _command(
        commands,
        "benchmark",
        "measure how fast it is here",
        """
        `envs`: steps per second of the environments beside Gymnasium's CartPole. `train`: training
        steps per second beside sb3-contrib's RecurrentPPO on the same environment. Programs take
        turns in rounds; medians with their range are printed and written to DIR/NAME.json.

        Example: neurotasks benchmark train --out runs/benchmark
        """,
    )
    benchmark.add_argument("name", choices=("envs", "train"), help="what to measure")
    benchmark.add_argument("--out", type=Path, default=Path("runs/benchmark"), help="directory")
    benchmark.add_argument("--rounds", type=int, default=5, help="rounds (default 5)")
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
    from baselines.experiments import watch_for
    from baselines.hyperparameters import settings_for
    from baselines.training import train

    settings = settings_for(options.id)
    if options.steps is not None:
        settings = dataclasses.replace(settings, total_steps=int(options.steps))
    train(
        options.id,
        options.out,
        seed=options.seed,
        settings=settings,
        watch=watch_for(options.id),
        progress_bar=True,
    )
    print(f"{options.out}/agent.safetensors, agent.json; tensorboard --logdir {options.out}")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from baselines.experiments import watch_for
    from baselines.saving import load
    from baselines.training import TEST_SEED, evaluate

    path = options.agent / "agent" if options.agent.is_dir() else options.agent
    model = load(path, num_envs=1)
    seed = TEST_SEED if options.seed is None else options.seed
    recording, _ = evaluate(model, episodes=options.episodes, seed=seed)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    recording.trials.to_csv(options.out, index=False)
    for name, value in watch_for(model.description["id"]).measures(recording).items():
        print(f"{name:28} {value:.3f}")
    print(f"{len(recording.trials)} trials in {options.out}")
    return 0


def _reproduce(options: argparse.Namespace) -> int:
    from baselines.reproduce import reproduce

    claims = reproduce(
        options.names,
        options.out,
        seeds=options.seeds,
        train=options.train,
        quick=options.quick,
    )
    for claim in claims:
        interval = f" [{claim.ci_low:.3f}, {claim.ci_high:.3f}]" if claim.ci_low is not None else ""
        verdict = "held  " if claim.passed else "MISSED"
        print(
            f"{verdict} {claim.experiment}: {claim.claim}: {claim.measured:.3f}{interval}, ", end=""
        )
        print(f"wanted {claim.accept}, published {claim.published}")
    print(
        f"{sum(c.passed for c in claims)} of {len(claims)} held; see {options.out / 'index.html'}"
    )
    return 0


def _benchmark(options: argparse.Namespace) -> int:
    from baselines.benchmarks import benchmark_envs, benchmark_train, table

    run = {"envs": benchmark_envs, "train": benchmark_train}[options.name]
    rows = run(options.out, rounds=options.rounds)
    print(table(rows))
    print(f"written to {options.out / options.name}.json and .png")
    return 0


COMMANDS = {
    "train": _train,
    "evaluate": _evaluate,
    "reproduce": _reproduce,
    "benchmark": _benchmark,
}


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
