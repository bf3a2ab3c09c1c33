"""``neurotasks sweep``: train with many settings."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from neurotasks_baselines.cli.arguments import (
    add_command,
    add_engine,
    add_import,
    add_out,
    as_path,
    count,
    engine_of,
    hint,
    kept_in,
)
from neurotasks_baselines.imports import import_files

if TYPE_CHECKING:
    from neurotasks_baselines.cli.arguments import Commands
    from neurotasks_baselines.sweeps.spec import Sweep


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand."""
    parser = add_command(
        commands,
        "sweep",
        "search hyperparameters",
        """
        Trains agents with every combination of the values in a file, or with those that Optuna
        proposes, and writes a table with one row per training, figures, index.html, and the best
        hyperparameters. Run the same command again to resume, or after adding values or seeds.

        The file is in TOML:

            tasks = ["neurotasks/TwoStep-v0"]   # or experiments = ["two-step"]
            seeds = 3                           # 1000 to 1002; or a list of seeds

            [hyperparameters]
            total_steps = 300_000               # fixed
            learning_rate = [2e-3, 5e-3]        # varied
            trunk = ["shared", "separate"]

        The page "Sweeps" of the documentation describes what else it may hold.

        Example: neurotasks sweep examples/sweep.toml --dry-run
                 neurotasks sweep examples/sweep.toml --out runs/sweep

        neurotasks train ID --hyperparameters runs/sweep/best.json --out DIR trains with the best.
        """,
    )
    parser.add_argument("spec", type=as_path, metavar="SPEC.toml", help="what to train")
    add_out(parser, "runs/sweep")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the jobs, and the hours and disk space they need, estimated from short "
        "training runs here; then stop",
    )
    parser.add_argument(
        "--batch",
        type=count,
        default=1,
        metavar="N",
        help="jobs handed to a worker at a time; more than 1 pays off if each takes seconds",
    )
    add_import(parser)
    add_engine(parser)


def run(options: argparse.Namespace) -> None:
    """Run the sweep."""
    import_files(options.imports)
    from neurotasks_baselines.sweeps.spec import read_sweep

    engine, sweep = engine_of(options), read_sweep(options.spec)
    if options.dry_run:
        _print_cost(sweep, options)
        return
    from neurotasks_baselines.sweeps.run import run_sweep

    table = run_sweep(
        sweep, options.out, engine=engine, batch=options.batch, imports=options.imports
    )
    hint(f"{len(table)} training runs; {options.out}/index.html, table.csv, best.json")


def kept(options: argparse.Namespace) -> str:
    """Return what an interruption leaves."""
    if options.dry_run:
        return "Nothing is kept."
    return kept_in(options.out, "the training runs up to their last checkpoints")


def _print_cost(sweep: Sweep, options: argparse.Namespace) -> None:
    from neurotasks_baselines.processes import available_cores
    from neurotasks_baselines.sweeps.cost import cost_of
    from neurotasks_baselines.training.progress import clock

    cost, cores = cost_of(sweep, options.out, options.imports), available_cores()
    print(f"jobs        {cost.jobs:,}, of which {cost.done:,} are done")
    print(f"steps       {cost.steps:,}")
    print(f"core-hours  {cost.core_hours:.3g} at the speed of this machine")
    print(f"disk        {cost.bytes / 1e6:,.0f} MB")
    for workers in sorted({1, cores, 100, 1000}):
        time = clock(3600 * cost.hours(workers))
        print(f"time        {time} with {workers:,} worker{'s' if workers > 1 else ''}")
