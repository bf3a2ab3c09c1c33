"""``neurotasks benchmark``: measure speed, cost, time to criterion, and reference returns."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from neurotasks.errors import ParameterError
from neurotasks.files import check_writable
from neurotasks_baselines.cli.arguments import RESUME, add_command, add_out, count, hint

if TYPE_CHECKING:
    from neurotasks_baselines.cli.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand, with one of its own for each benchmark."""
    parser = add_command(
        commands,
        "benchmark",
        "measure the speed of this machine, and the scale of scores",
        """
        Measures speed, cost and reference returns and writes DIR/NAME.json, where NAME is the
        benchmark; speeds also get a figure, and the machine is described in machine.json.
        `neurotasks benchmark NAME --help` lists the options of each.

        Example: neurotasks benchmark train --out runs/benchmark
                 neurotasks benchmark envs --peer gymnax=gymnax/bin/python --out runs/benchmark
        """,
    )
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")

    envs = add_command(
        names,
        "envs",
        "steps per second of the environments",
        """
        Steps per second of the environments, compared with Gymnasium's CartPole. In each round
        every program runs once; medians are printed with their range.

        Example: neurotasks benchmark envs --peer gymnax=gymnax/bin/python --out runs/benchmark
        """,
    )
    _add_rounds(envs, "rounds")
    _add_peers(envs)

    cart_pole = add_command(
        names,
        "cart-pole",
        "every id in every autoreset mode, compared with CartPole",
        """
        Steps per second of every id without images, single and as vectors of 64 in every
        autoreset mode, compared with Gymnasium's CartPole.

        Example: neurotasks benchmark cart-pole --out runs/benchmark
        """,
    )
    _add_rounds(cart_pole, "rounds")

    train = add_command(
        names,
        "train",
        "training steps per second",
        """
        Training steps per second, compared with sb3-contrib's RecurrentPPO. In each round every
        program runs once; medians are printed with their range.

        Example: neurotasks benchmark train --rounds 7 --out runs/benchmark
        """,
    )
    _add_rounds(train, "rounds")
    _add_peers(train)

    scaling = add_command(
        names,
        "scaling",
        "growth of training time and memory with size",
        """
        How training speed and memory grow with the number of environments and LSTM units, the
        length of episodes, and training time.

        Example: neurotasks benchmark scaling --rounds 3 --out runs/benchmark
        """,
    )
    _add_rounds(scaling, "rounds")

    criterion = add_command(
        names,
        "criterion",
        "seconds until tasks are learned",
        """
        Seconds from the start of a fresh process until a task is learned to a criterion.

        Example: neurotasks benchmark criterion --rounds 3 --out runs/benchmark
        """,
    )
    _add_rounds(criterion, "seeds of each task")

    scores = add_command(
        names,
        "scores",
        "returns of random choices and of the reference observers",
        """
        Mean returns of random choices and of the reference observers, which define 0 and 1 of
        normalized scores.

        Example: neurotasks benchmark scores --out runs/benchmark
        """,
    )
    for name in (envs, cart_pole, train, scaling, criterion, scores):
        add_out(name, "runs/benchmark")


def _add_rounds(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--rounds", type=count, default=5, metavar="N", help=f"number of {what}")


def _add_peers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help="other library to compare with, and the Python interpreter it is installed for (its "
        "script in benchmarks/peers describes the installation); may be repeated",
    )


def run(options: argparse.Namespace) -> None:
    """Run the benchmark."""
    options.peers = _peers(options) if "peer" in options else {}
    from neurotasks_baselines.benchmarks.output import read_machines
    from neurotasks_baselines.locks import locked

    read_machines(options.out / "machine.json")  # what cannot be kept or written is refused
    check_writable(options.out / f"{options.name}.json")  # before the work
    with locked(options.out):
        BENCHMARKS[options.name](options)


def kept(options: argparse.Namespace) -> str:
    """Return what an interruption leaves."""
    return f"Nothing is kept. {RESUME.replace('resume', 'start over')}"


def _run_envs(options: argparse.Namespace) -> None:
    from neurotasks_baselines.benchmarks.envs import benchmark_envs

    benchmark_envs(options.out, options.rounds, options.peers)
    _print_results(options)


def _run_cart_pole(options: argparse.Namespace) -> None:
    from neurotasks_baselines.benchmarks.cart_pole import benchmark_cart_pole

    benchmark_cart_pole(options.out, options.rounds)
    _print_results(options)


def _run_train(options: argparse.Namespace) -> None:
    from neurotasks_baselines.benchmarks.train import benchmark_train

    benchmark_train(options.out, options.rounds, options.peers)
    _print_results(options)


def _run_scaling(options: argparse.Namespace) -> None:
    from neurotasks_baselines.benchmarks.scaling import benchmark_scaling

    benchmark_scaling(options.out, options.rounds)
    _print_results(options)


def _run_criterion(options: argparse.Namespace) -> None:
    from neurotasks_baselines.benchmarks.criterion import benchmark_criterion

    benchmark_criterion(options.out, options.rounds)
    _print_results(options)


def _run_scores(options: argparse.Namespace) -> None:
    from neurotasks_baselines.benchmarks.scores import write_references

    for id, row in write_references(options.out).items():
        print(f"{id:36} random {row['random']:9.3f}  {row['observer']} {row['ideal']:9.3f}")
    hint(f"written to {options.out / options.name}.json")


def _peers(options: argparse.Namespace) -> dict[str, str]:
    from neurotasks_baselines.benchmarks.worker import peer_script

    peers = dict(given.partition("=")[::2] for given in options.peer)
    for name, python in peers.items():
        peer_script(name, options.name)
        if not python:
            raise ParameterError(
                f"--peer must be NAME=PYTHON; got {name!r}. Write {name}=PYTHON, with the Python "
                "interpreter it is installed for."
            )
    return peers


def _print_results(options: argparse.Namespace) -> None:
    from neurotasks_baselines.benchmarks.tables import results

    print(results(options.name, options.out))
    hint(f"written to {options.out / options.name}.json and .png")


BENCHMARKS: dict[str, Callable[[argparse.Namespace], None]] = {
    "envs": _run_envs,
    "cart-pole": _run_cart_pole,
    "train": _run_train,
    "scaling": _run_scaling,
    "criterion": _run_criterion,
    "scores": _run_scores,
}
