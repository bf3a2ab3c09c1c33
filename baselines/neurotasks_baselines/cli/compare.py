"""``neurotasks compare``: agents, people and animals in one table and one figure."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from neurotasks_baselines.cli.arguments import RESUME, add_command, add_out, as_path, count, hint

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
        Compares the shipped agents, their foils and reference observers with people or animals,
        in one table and one figure: effects on staying, weights of past choices, the choice
        model that describes the most members of each group best, and the likelihood of held-out
        choices under models and under the network. Without a TABLE it compares what is shipped;
        for the bandit that includes people.

        TABLE is a file of choices, public or your own, with the --recipe that reads it: the name
        of one (the page "Bring your own table" lists them), or FILE.py:NAME for your own. A
        table without a recipe must have the columns of the task's own trial table. For several
        tables, give a recipe for each, in their order, or - for none.

        Models are fitted to the first three sessions of randomly drawn people, which takes a
        minute or two; --all fits everything. --gru 2 also predicts each fifth of the people from
        the rest, with a recurrent network of two units and with models that have one set of
        parameters for everyone.

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
        "--all", action="store_true", help="fit everybody, and use every seed of the agents"
    )
    parser.add_argument(
        "--seeds", type=count, metavar="N", help="seeds of each kind of agent (default: five)"
    )
    parser.add_argument(
        "--gru",
        type=count,
        metavar="UNITS",
        help="predict people with a tiny network fitted to others",
    )
    parser.add_argument(
        "--workers", type=count, metavar="N", help="processes that fit (default: one per core)"
    )
    add_out(parser, "runs/compare")


def kept(options: argparse.Namespace) -> str:
    """Return what an interruption leaves."""
    return f"Nothing is written before the end. {RESUME.replace('resume', 'start over')}"


def run(options: argparse.Namespace) -> None:
    """Compare, and print the table."""
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
    hint(f"\nsee {options.out / 'index.html'}")
