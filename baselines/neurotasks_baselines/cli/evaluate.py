"""``neurotasks evaluate``: evaluate a trained agent on held-out episodes."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from neurotasks.errors import ParameterError
from neurotasks_baselines.cli.arguments import add_command, add_import, as_path, count, seed
from neurotasks_baselines.imports import import_files

if TYPE_CHECKING:
    from neurotasks_baselines.cli.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand."""
    parser = add_command(
        commands,
        "evaluate",
        "evaluate a trained agent on held-out episodes",
        """
        Plays held-out episodes with frozen weights and writes the trial table, one row per trial.
        AGENT is a run directory, or the file of a saved agent. --rpe also writes the agent's reward
        prediction errors, one row per step and channel of the critic, with the event each belongs
        to: the stimulus shown at that step.

        Example: neurotasks evaluate runs/harlow --episodes 300 --out trials.csv --rpe rpe.csv
        """,
    )
    parser.add_argument("agent", type=as_path, metavar="AGENT", help="run directory or saved agent")
    parser.add_argument(
        "--episodes", type=count, default=300, help="number of episodes (default 300)"
    )
    parser.add_argument("--seed", type=seed, help="random seed of the first episode")
    parser.add_argument(
        "--out", type=as_path, required=True, metavar="FILE", help="trial table (.csv, .parquet)"
    )
    parser.add_argument(
        "--rpe", type=as_path, metavar="FILE", help="table of RPEs (.csv, .parquet)"
    )
    add_import(parser)


def run(options: argparse.Namespace) -> None:
    """Evaluate the agent."""
    import_files(options.imports)
    from neurotasks.files import check_writable
    from neurotasks.scores import TEST_SEED
    from neurotasks.trials import file_format, write_trials
    from neurotasks_baselines.agents.activations import rpe_table
    from neurotasks_baselines.experiments import metrics_for
    from neurotasks_baselines.training.agent_files import load
    from neurotasks_baselines.training.evaluate import evaluate

    file_format(options.out)  # bad names are refused before the work
    if options.rpe is not None:
        file_format(options.rpe)
        if os.path.realpath(options.rpe) == os.path.realpath(options.out):
            raise ParameterError(
                f"--rpe and --out must be different files; got {options.out} for both."
            )
    path = options.agent / "agent" if options.agent.is_dir() else options.agent
    model = load(path, num_envs=1)
    for file in filter(None, (options.out, options.rpe)):
        check_writable(file)
    start = TEST_SEED if options.seed is None else options.seed
    episodes, activations = evaluate(model, num_episodes=options.episodes, seed=start)
    write_trials(episodes.trials, options.out)
    for name, value in metrics_for(model.description["id"]).compute(episodes).items():
        print(f"{name:28} {value:.3f}")
    print(f"{len(episodes.trials)} trials in {options.out}")
    if options.rpe is not None:
        table = rpe_table(model, episodes, activations)
        write_trials(table, options.rpe)
        print(f"{len(table)} RPEs in {options.rpe}")
