"""What several subcommands need: their parsers, and the types of their arguments."""

from __future__ import annotations

import argparse
import difflib
import json
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from neurotasks.errors import ParameterError, shown
from neurotasks_baselines.quiet import quiet

if TYPE_CHECKING:
    from neurotasks_baselines.training.jobs import Engine

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    Container = argparse.ArgumentParser | argparse._ArgumentGroup

MOST = 100_000  # episodes or rounds: what is measured is kept in memory
MOST_SEED = 2**31 - 1  # of an episode
MOST_STEPS = 1e12  # of a training: months


RESUME = "Run the same command again to resume."  # as the note of an interrupted pool of jobs


class Parser(argparse.ArgumentParser):
    """Parser that says what is wrong in one line, with what may have been meant."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        line = " ".join(message.splitlines())
        end = "" if line.endswith("?") else "."
        things = "options" if self._subparsers is None else "commands"
        self.exit(2, f"{self.prog}: {line}{end} `{self.prog} --help` lists the {things}.\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse unknown options here, where the options of the subcommand are known."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = [word for word in self._option_string_actions if word.startswith("--")]
            wrong = next((word for word in unknown if word.startswith("-")), "").partition("=")[0]
            meant = f". {close}" if (close := did_you_mean(wrong, options)) else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
        return found, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [*action.choices]
            hint = did_you_mean(value, choices) or f"Choose from {', '.join(choices)}"
            raise argparse.ArgumentError(action, f"got {value!r}. {hint}")


class Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Help with the lines of the description as they are, and with defaults."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False or action.default == []:
            return action.help
        return super()._get_help_string(action)


def did_you_mean(word: str, known: Iterable[str], key: Callable[[str], str] = str.lower) -> str:
    """Return a hint for a misspelt word; "" if none is near.

    Args:
        word: Misspelt word.
        known: Words that exist.
        key: Function of a word that keeps what counts of it.
    """
    names = {key(name): name for name in known}
    close = difflib.get_close_matches(key(word), names, n=1)
    return f"Did you mean {names[close[0]]!r}?" if close else ""


def bare(name: str) -> str:
    """Return a name without what is often left out: case, ``neurotasks/``, ``-v0``, dashes."""
    name = name.lower().removeprefix("neurotasks/").removesuffix("-v0")
    return name.replace("-", "").replace("_", "")


def task_id(name: str) -> str:
    """Return the id that a name stands for, such as neurotasks/TwoStep-v0 for twostep.

    Raises:
        UnregisteredEnv: If there is none.
    """
    import gymnasium as gym

    from neurotasks import TASKS

    namespace = name.rpartition("/")[0].lower()
    if name in gym.registry or namespace not in ("", "neurotasks"):
        return name  # one of another package is sought, and if need be suggested, by Gymnasium
    ids = {bare(id): id for id in TASKS}
    if bare(name) in ids:
        return ids[bare(name)]
    hint = did_you_mean(name, TASKS, bare) or "`neurotasks list` names them."
    raise gym.error.UnregisteredEnv(
        f"There is no task {shown(name)}. {hint} Custom tasks need --import FILE."
    )


def add_command(
    commands: Commands, name: str, help: str, description: str
) -> argparse.ArgumentParser:
    """Add the parser of a subcommand, with ``--quiet``.

    Args:
        commands: Parsers to add it to.
        name: Name of the subcommand.
        help: One line of the list of subcommands.
        description: Text of its own help, indentation removed.

    Returns:
        The parser, without other arguments.
    """
    parser = commands.add_parser(
        name, help=help, description=textwrap.dedent(description).strip(), formatter_class=Help
    )
    parser.add_argument(
        "--quiet",
        action="store_true",
        default=argparse.SUPPRESS,  # a benchmark keeps what was said before its name
        help="print the result only: no progress, no hints",
    )
    return parser


def kept_in(out: Path, what: str) -> str:
    """Return what an interruption leaves in a directory, and what to do."""
    if not out.exists():
        return f"Nothing is kept. {RESUME.replace('resume', 'begin')}"
    return f"{out} keeps {what}. {RESUME}"


def add_out(parser: Container, default: str | None, help: str = "directory to write") -> None:
    """Add ``--out DIR``."""
    parser.add_argument(
        "--out", type=as_path, default=default and Path(default), metavar="DIR", help=help
    )


def hint(text: str) -> None:
    """Print where something is, or what to do next, unless with ``--quiet``."""
    if not quiet.get():
        print(text)


def add_import(parser: Container) -> None:
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
        "--cpus-per-job", type=count, default=1, metavar="N", help="cores each job reserves"
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


def assigned(assignments: Sequence[str]) -> dict[str, Any]:
    """Return what is given as ``NAME=VALUE``.

    Args:
        assignments: Assignments; a value that is not JSON is a string, 1e6 a whole number, and True
            and False are what they are in Python.

    Raises:
        ParameterError: If there is no ``=``, or several; names and values are for others to judge.
    """
    found: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise ParameterError(
                f"--set must be NAME=VALUE, such as --set trials=50; got {assignment!r}."
            )
        try:
            found[name] = json.loads(value.lower() if value in ("True", "False") else value)
        except (ValueError, RecursionError):
            if re.search(r",\s*\w+=", value):
                raise ParameterError(
                    f"--set must hold one NAME=VALUE; got {assignment!r}. Repeat --set for each."
                ) from None
            found[name] = value
        if isinstance(found[name], float) and "." not in value and found[name].is_integer():
            found[name] = int(found[name])
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
