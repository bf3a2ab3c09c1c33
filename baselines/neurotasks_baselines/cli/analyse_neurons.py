"""``neurotasks analyse-neurons``: analyse recorded dopamine neurons as in Dabney et al. 2020."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from neurotasks_baselines.cli.arguments import RESUME, add_command, add_out, as_path, hint

if TYPE_CHECKING:
    from neurotasks_baselines.cli.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand."""
    parser = add_command(
        commands,
        "analyse-neurons",
        "analyse recorded dopamine neurons as in Dabney et al. 2020",
        """
        Reads a folder with one MATLAB file per neuron (for the format, see
        neurotasks_baselines/dopamine/recordings.py) and analyses the neurons with the paper's
        estimators, next to simulated populations with the same numbers of trials. Writes
        index.html, a figure and the estimates of every neuron as JSON.

        Example: neurotasks analyse-neurons recordings --out runs/neurons
        """,
    )
    parser.add_argument(
        "folder", type=as_path, metavar="DIR", help="folder with one file per neuron"
    )
    add_out(parser, "runs/neurons")


def kept(options: argparse.Namespace) -> str:
    """Return what an interruption leaves."""
    return f"Nothing is kept. {RESUME.replace('resume', 'start over')}"


def run(options: argparse.Namespace) -> None:
    """Analyse the neurons, and print the estimates."""
    from neurotasks_baselines.dopamine.analysis import analyse_neurons, text_table

    print(text_table(analyse_neurons(options.folder, options.out)))
    hint(f"see {options.out / 'index.html'}")
