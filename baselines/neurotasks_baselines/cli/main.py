"""The ``neurotasks`` command: its subcommands, and what becomes of their errors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gymnasium.error import Error as GymnasiumError, NamespaceNotFound

from neurotasks import __version__
from neurotasks_baselines.cli import analyse_neurons, benchmark, evaluate, play, reproduce, train

COMMANDS = {
    "train": train,
    "evaluate": evaluate,
    "play": play,
    "reproduce": reproduce,
    "analyse-neurons": analyse_neurons,
    "benchmark": benchmark,
}
INTERRUPTED = 130  # as shells say: 128 and the number of the signal


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="neurotasks",
        description="Neuroscience tasks for reinforcement learning: train agents on them, play "
        "them yourself, and compare behaviour with the published results.",
        epilog="`neurotasks COMMAND --help` describes a command.",
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS.values():
        module.add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Words of the command line; those of this process by default.

    Returns:
        Exit code: 0, 1 after an error, 130 after Ctrl-C.
    """
    options = parser().parse_args(arguments)
    try:
        COMMANDS[options.command].run(options)
    except KeyboardInterrupt:
        return _fail(options, "interrupted", INTERRUPTED)
    except ModuleNotFoundError as error:
        return _fail(options, f"{error}. Run `pip install 'neurotasks[baselines]'`.")
    except NamespaceNotFound as error:
        return _fail(options, f"{error} Custom tasks need --import FILE.")
    except OSError as error:
        if error.filename is None:
            raise  # not about a file that the user has named
        return _fail(options, f"{error.strerror}: {error.filename}")
    except (ValueError, TypeError, GymnasiumError) as error:
        if type(error) in (ValueError, TypeError):
            raise  # none of ours: the traceback says where it is from
        return _fail(options, str(error))
    return 0


def _fail(options: argparse.Namespace, message: str, code: int = 1) -> int:
    print(f"neurotasks {options.command}: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
