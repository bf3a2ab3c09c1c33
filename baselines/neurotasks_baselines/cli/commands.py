"""The subcommands of ``neurotasks``, and the parser of the whole command line."""

from __future__ import annotations

from neurotasks import __version__
from neurotasks_baselines.cli import (
    analyse_neurons,
    analyse_units,
    benchmark,
    check_memory,
    compare,
    doctor,
    evaluate,
    list,
    play,
    recover,
    reproduce,
    score,
    sweep,
    train,
)
from neurotasks_baselines.cli.arguments import Parser

COMMANDS = {
    "list": list,
    "train": train,
    "evaluate": evaluate,
    "play": play,
    "score": score,
    "reproduce": reproduce,
    "sweep": sweep,
    "compare": compare,
    "recover": recover,
    "analyse-neurons": analyse_neurons,
    "analyse-units": analyse_units,
    "benchmark": benchmark,
    "check-memory": check_memory,
    "doctor": doctor,
}


def parser() -> Parser:
    """Return the parser of the command line."""
    top = Parser(
        prog="neurotasks",
        description="Neuroscience tasks for reinforcement learning: train agents on them, play "
        "them yourself, and compare behaviour with the published results. Begin with `neurotasks "
        "list`, or `neurotasks train TwoStep`.",
        epilog="`neurotasks COMMAND --help` describes a command, with examples. Exit status: 0; 1 "
        "after an error or a missed check of `doctor` or `check-memory`; 2 for a wrong command "
        "line; 128 plus the number of the signal that ended it: 130 after Ctrl-C, 141 if its "
        "output was closed, 143 after SIGTERM.",
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(
        dest="command", required=True, metavar="COMMAND", title="commands"
    )
    for module in COMMANDS.values():
        module.add_parser(commands)
    return top
