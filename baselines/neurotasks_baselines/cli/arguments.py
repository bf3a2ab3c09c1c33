"""What several subcommands need: their parsers, and the types of their arguments."""

from __future__ import annotations

import argparse
import json
import math
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from neurotasks.errors import ParameterError

if TYPE_CHECKING:
    from neurotasks_baselines.training.jobs import Engine

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

MOST = 100_000  # episodes or rounds: what is measured is kept in memory
MOST_SEED = 2**31 - 1  # of an episode
MOST_STEPS = 1e12  # of a training: months


class Parser(argparse.ArgumentParser):
    """Parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        line = " ".join(message.splitlines())
        self.exit(2, f"{self.prog}: {line}. `{self.prog} --help` lists what it takes.\n")


def add_command(
    commands: Commands, name: str, help: str, description: str
) -> argparse.ArgumentParser:
    """Add the parser of a subcommand.

    Args:
        commands: Parsers to add it to.
        name: Name of the subcommand.
        help: One line of the list of subcommands.
        description: Text of its own help, indentation removed.

    Returns:
        The parser, without arguments.
    """
    return commands.add_parser(
        name,
        help=help,
        description=textwrap.dedent(description).strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_import(parser: argparse.ArgumentParser) -> None:
    """Add ``--import FILE``, which makes custom tasks known to a subcommand."""
    parser.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        type=as_path,
        metavar="FILE",
        help="Python file to import first, which registers custom tasks; may be repeated",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where jobs run, see `engine_of`."""
    group = parser.add_argument_group("where jobs run (in processes of this machine by default)")
    group.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="Ray cluster: auto (that of this machine), HOST:PORT, or local, which starts one here",
    )
    group.add_argument(
        "--slurm",
        metavar="NAME=VALUE,...",
        help="Slurm: cpus per job, hours until a job is requeued, jobs at once, and any option of "
        "sbatch, such as partition=short,cpus=1,hours=2",
    )
    group.add_argument(
        "--cpus-per-job", type=count, default=1, help="cores each job reserves (default 1)"
    )


def engine_of(options: argparse.Namespace) -> Engine:
    """Return the engine that a command line names.

    Raises:
        EngineError: If it cannot be one.
    """
    from neurotasks_baselines.training.jobs import Engine

    slurm = None
    if options.slurm is not None:
        slurm = {n: v for n, _, v in (pair.partition("=") for pair in options.slurm.split(","))}
    return Engine(options.ray, slurm, options.cpus_per_job)


def task_parameters(assignments: Sequence[str]) -> dict[str, Any]:
    """Return task parameters given as ``NAME=VALUE``.

    Args:
        assignments: Assignments; a value that is not JSON is a string.

    Raises:
        ParameterError: If there is no ``=``; names and values are for the task to judge.
    """
    found: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise ParameterError(
                f"--set must be NAME=VALUE, such as --set trials=50; got {assignment!r}."
            )
        try:
            found[name] = json.loads(value)
        except (ValueError, RecursionError):
            found[name] = value
    return found


def seed(text: str) -> int:
    """Return the seed of an episode.

    Raises:
        ArgumentTypeError: If it is no whole number from 0 to `MOST_SEED`.
    """
    if not re.fullmatch("[0-9]{1,10}", text) or int(text) > MOST_SEED:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 0 to {MOST_SEED}; got {text!r}"
        )
    return int(text)


def as_path(text: str) -> Path:
    """Return a path.

    Raises:
        ArgumentTypeError: If it is empty, "-", or no text: TensorBoard and reports name it.
    """
    if text in ("", "-") or "\x00" in text:
        raise argparse.ArgumentTypeError(f"must be a path; got {text!r}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"must be a path in UTF-8; got {text!r}") from None
    return Path(text)


def step_count(text: str) -> int:
    """Return a number of steps, which may be written as 1e6.

    Raises:
        ArgumentTypeError: If it is no number from 1 to `MOST_STEPS`.
    """
    try:
        steps = float(text)
    except ValueError:
        steps = math.nan
    if not 1 <= steps <= MOST_STEPS:
        raise argparse.ArgumentTypeError(
            f"must be a number from 1 to {MOST_STEPS:.0e}; got {text!r}"
        )
    return int(steps)


def count(text: str) -> int:
    """Return a number of episodes or rounds, a whole number.

    Raises:
        ArgumentTypeError: If it is none from 1 to `MOST`.
    """
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST}; got {text!r}")
    return int(text)
