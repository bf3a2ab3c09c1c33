"""``neurotasks recover``: whether fits of models would find what they look for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from neurotasks_baselines.cli.arguments import RESUME, add_command, add_out, count, hint, seed

if TYPE_CHECKING:
    from neurotasks_baselines.cli.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand."""
    parser = add_command(
        commands,
        "recover",
        "test whether fits recover models and parameters",
        """
        Simulates people who choose as a model does, with parameters drawn from its weak prior and
        rewards that drift as in Daw et al. 2011, and fits their choices. For a model, such as
        two-step/hybrid, it plots recovered against true parameters; for a family, two-step or
        bandit, the confusion matrix: which model best describes people simulated with each. Do
        this with the number of trials of your own data before you conclude anything from
        estimates. With --population gillan2016 the people of two-step/hybrid are like those of
        Gillan et al. 2016.

        The expected r is the correlation that the standard errors allow: where it is low, this
        number of trials does not determine the parameter.

        Models: two-step/ hybrid, sarsa(lambda), model-based, latent-state, reward-as-cue and
        choice-kernel; bandit/ rescorla-wagner, rescorla-wagner-with-choice-kernel, forgetting-q,
        asymmetric-rates and choice-kernel.

        Example: neurotasks recover two-step/hybrid --trials 200 --out runs/recover
                 neurotasks recover bandit --people 50
        """,
    )
    parser.add_argument("model", metavar="MODEL", help="a model, or a family of models")
    parser.add_argument(
        "--people", type=count, default=100, metavar="N", help="simulated people, per model"
    )
    parser.add_argument("--trials", type=count, default=200, metavar="N", help="trials per person")
    parser.add_argument(
        "--population",
        metavar="NAME",
        help="draw parameters like those of these people: gillan2016",
    )
    parser.add_argument("--seed", type=seed, default=0, help="random seed")
    parser.add_argument(
        "--workers", type=count, metavar="N", help="processes that fit (default: one per core)"
    )
    add_out(parser, "runs/recover")


def kept(options: argparse.Namespace) -> str:
    """Return what an interruption leaves."""
    return f"Nothing is written before the end. {RESUME.replace('resume', 'start over')}"


def run(options: argparse.Namespace) -> None:
    """Recover, and print what was found."""
    from neurotasks_baselines.behaviour.recover import (
        FAMILIES,
        correlations,
        expected_correlations,
        recover,
    )

    found = recover(
        options.model,
        options.out,
        people=options.people,
        trials=options.trials,
        seed=options.seed,
        population=options.population,
        workers=options.workers,
    )
    shown = found
    if options.model not in FAMILIES:
        shown = correlations(found).to_frame().join(expected_correlations(found))
    print(shown.round(2).to_string())
    hint(f"\nsee {options.out / 'figure.png'}")
