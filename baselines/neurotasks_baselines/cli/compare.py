"""``neurotasks compare``: agents, people and animals in one table and one figure."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from neurotasks_baselines.cli.arguments import (
    RESUME,
    add_command,
    add_out,
    add_quiet,
    as_path,
    count,
    obey_quiet,
)

if TYPE_CHECKING:
    from neurotasks_baselines.cli.arguments import Commands

NAMES = ("two-step", "bandit")  # those of behaviour.compare, which takes time to import


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand."""
    parser = add_command(
        commands,
        "compare",
        "compare agents with people and animals on one task",
        """
        Puts the shipped agents, what they are measured by, and tables of people or animals in one
        table and one figure: measures without a model, weights of past choices, the model of
        choices that describes most of each, and the likelihood of held-out choices under models
        and under the network. Without a TABLE it compares what ships; the bandit has people, too.

        TABLE is a file of choices as others publish them, with the --recipe that reads it: the name
        of one (the page "Bring your own table" lists them), or FILE.py:NAME for one of yours. A
        table without a recipe must have the columns of the task's own trial table. With several
        tables give a recipe for each, in their order, - for none.

        Models are fitted to a random part of the people, and to their first three sessions, so that
        it ends in a minute or two; --all fits everything. --gru 2 also trains a recurrent network
        of two units, and fits one set of parameters of each model, to four fifths of the people at
        a time, and predicts the last fifth by them.

        Example: neurotasks compare two-step
                 neurotasks compare two-step gillan.csv --recipe gillan2016 --out runs/gillan
                 neurotasks compare bandit mine.csv --recipe my_recipe.py:recipe --all
        """,
    )
    parser.add_argument("task", choices=NAMES, metavar="TASK", help="two-step or bandit")
    parser.add_argument(
        "tables", nargs="*", type=as_path, metavar="TABLE", help="file or folder of choices"
    )
    parser.add_argument(
        "--recipe",
        dest="recipes",
        action="append",
        default=[],
        metavar="NAME",
        help="recipe of a table, or of all of them; may be repeated",
    )
    number = parser.add_mutually_exclusive_group()
    number.add_argument(
        "--people",
        type=count,
        default=20,
        metavar="N",
        help="subjects of each table that models are fitted to",
    )
    number.add_argument(
        "--all", action="store_true", help="fit everybody, and take every seed of the agents"
    )
    parser.add_argument(
        "--seeds", type=count, metavar="N", help="seeds of each kind of agent (default: five)"
    )
    parser.add_argument(
        "--gru", type=count, metavar="UNITS", help="predict people by a tiny network of others"
    )
    parser.add_argument(
        "--workers", type=count, metavar="N", help="processes that fit (default: one per core)"
    )
    add_out(parser, "runs/compare")
    add_quiet(parser)


def kept(options: argparse.Namespace) -> str:
    """Return what an interruption leaves."""
    return f"Nothing is written before the end. {RESUME.replace('resume', 'begin anew')}"


def run(options: argparse.Namespace) -> None:
    """Compare, and print the table."""
    obey_quiet(options)
    from neurotasks_baselines.behaviour.compare import COMPARISONS, compare, text_table
    from neurotasks_baselines.behaviour.tables import read_tables
    from neurotasks_baselines.experiments.runner import PLAYED

    comparison = COMPARISONS[options.task]
    table = compare(
        comparison,
        read_tables(options.tables, options.recipes, comparison),
        options.out,
        people=None if options.all else options.people,
        seeds=options.seeds or (None if options.all else PLAYED),
        gru=options.gru,
        workers=options.workers,
    )
    print(text_table(table, comparison))
    print(f"\nsee {options.out / 'index.html'}")
