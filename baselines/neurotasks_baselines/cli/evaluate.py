"""``neurotasks evaluate``: evaluate a trained agent on held-out episodes."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurotasks.errors import ParameterError
from neurotasks_baselines.cli.arguments import (
    RESUME,
    add_command,
    add_import,
    as_path,
    count,
    hint,
    seed,
)
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
        Plays held-out episodes with frozen weights, and prints the score, 0 for random choices and
        1 for the reference observer, and the task's own measures next to published ones. AGENT is
        a run directory, or the file of a saved agent. --out writes the trial table, one row per
        trial; --rpe the agent's reward prediction errors, one row per step and channel of the
        critic, with the event each belongs to: the stimulus shown at that step. --card writes a
        card for a model hub, with scores that are paired with others on the same episodes.

        Example: neurotasks evaluate runs/harlow
                 neurotasks evaluate runs/harlow --episodes 300 --out trials.csv --rpe rpe.csv
                 neurotasks evaluate runs/harlow --episodes 1000 --card README.md
        """,
    )
    parser.add_argument("agent", type=as_path, metavar="AGENT", help="run directory or saved agent")
    episodes = parser.add_argument_group("what is played")
    episodes.add_argument(
        "--episodes", type=count, default=300, metavar="N", help="number of episodes"
    )
    episodes.add_argument(
        "--seed",
        type=seed,
        help="random seed of the first episode (default: that of the scale's 0 and 1)",
    )
    add_import(episodes)
    tables = parser.add_argument_group("what is written")
    tables.add_argument(
        "--out", type=as_path, metavar="FILE", help="trial table (.csv, .parquet; default: none)"
    )
    tables.add_argument(
        "--rpe", type=as_path, metavar="FILE", help="table of RPEs (.csv, .parquet; default: none)"
    )
    tables.add_argument(
        "--card", type=as_path, metavar="FILE", help="card for a model hub (.md; default: none)"
    )
    tables.add_argument(
        "--licence", default="mit", metavar="NAME", help="licence of the weights in the card"
    )


def kept(options: argparse.Namespace) -> str:
    """Return what an interruption leaves."""
    return f"Tables are written whole, at the end. {RESUME.replace('resume', 'start over')}"


def run(options: argparse.Namespace) -> None:
    """Evaluate the agent."""
    import_files(options.imports)
    from neurotasks.files import check_writable
    from neurotasks.scores import TEST_SEED
    from neurotasks.trials import file_format, write_trials
    from neurotasks_baselines.agents.activations import rpe_table
    from neurotasks_baselines.cli.summary import print_summary
    from neurotasks_baselines.training.agent_files import load
    from neurotasks_baselines.training.evaluate import evaluate

    files = [file for file in (options.out, options.rpe) if file is not None]
    for file in files:
        file_format(file)  # bad names are refused before the work
    if len({os.path.realpath(file) for file in files}) < len(files):
        raise ParameterError(
            f"--rpe and --out must be different files; got {options.out} for both."
        )
    path = options.agent / "agent" if options.agent.is_dir() else options.agent
    model = load(path, num_envs=1)
    for file in [*files, options.card] if options.card else files:
        check_writable(file)
    start = TEST_SEED if options.seed is None else options.seed
    episodes, activations = evaluate(model, num_episodes=options.episodes, seed=start)
    if options.out is not None:
        write_trials(episodes.trials, options.out)
    print_summary(model.description["id"], model.description["task_kwargs"], episodes, activations)
    if options.out is not None:
        hint(f"{len(episodes.trials)} trials in {options.out}")
    if options.rpe is not None:
        table = rpe_table(model, episodes, activations)
        write_trials(table, options.rpe)
        hint(f"{len(table)} RPEs in {options.rpe}")
    if options.card is not None:
        _write_card(options, model, path)


def _write_card(options: argparse.Namespace, model: Any, path: Path) -> None:
    from neurotasks.files import write_whole
    from neurotasks_baselines.suite.card import model_card
    from neurotasks_baselines.suite.protocol import chosen_ids
    from neurotasks_baselines.suite.run import Job, score_trained
    from neurotasks_baselines.training.agent_files import read_description

    about = read_description(path)
    chosen_ids([about["id"]])
    job = Job("", about["id"], about["seed"], about["num_timesteps"], options.episodes)
    result = score_trained(model, job, about["seconds"], {})
    write_whole(options.card, model_card(about, result, options.licence))
    hint(f"card in {options.card}")
