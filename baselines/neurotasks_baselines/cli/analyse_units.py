"""``neurotasks analyse-units``: monkeys' neurons compared with the units of trained agents."""

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
        "analyse-units",
        "compare monkeys' neurons with LSTM units in the two-step task",
        """
        Reads the recordings of Miranda et al. 2025 (github.com/jamesbutler01/TwoStepTask, not
        included here), and lets shipped agents play: five of the two-step task of Wang et al. 2018
        (A2C), and five of a task shaped like the monkeys' (PPO). Analyses all of them alike:
        which neurons or units code choice, transition, reward, values and prediction errors, and
        when; what can be decoded from them; and whether neurons differ in optimism. Writes
        units.json and a figure, and prints the tables.

        Example: neurotasks analyse-units TwoStepTask --out runs/units
        """,
    )
    parser.add_argument("folder", type=as_path, metavar="DIR", help="folder with PreparedData.mat")
    add_out(parser, "runs/units")


def kept(options: argparse.Namespace) -> str:
    """Return what an interruption leaves."""
    return f"Nothing is kept. {RESUME.replace('resume', 'start over')}"


def run(options: argparse.Namespace) -> None:
    """Analyse neurons and units, and print the tables."""
    from neurotasks_baselines.experiments import EXPERIMENTS
    from neurotasks_baselines.experiments.jobs import shipped
    from neurotasks_baselines.experiments.learners import seeds_of
    from neurotasks_baselines.experiments.runner import PLAYED
    from neurotasks_baselines.neurons.report import analyse_units, text_tables

    agents = {
        f"{experiment} {seed}": shipped(experiment, learner, seed, "agent")
        for experiment, learner in (("two-step", "a2c"), ("two-step-monkeys", "ppo"))
        for seed in seeds_of(EXPERIMENTS[experiment], learner)[:PLAYED]
    }
    print(text_tables(analyse_units(options.folder, options.out, agents)))
    hint(f"see {options.out / 'units.png'}")
