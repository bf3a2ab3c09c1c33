"""``neurotasks reproduce``: compare trained agents with the published findings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from neurotasks_baselines.cli.arguments import (
    add_command,
    add_engine,
    add_out,
    as_path,
    bare,
    engine_of,
    hint,
    kept_in,
)
from neurotasks_baselines.tables import wrapped_table

if TYPE_CHECKING:
    from neurotasks_baselines.cli.arguments import Commands
    from neurotasks_baselines.experiments.claims import Claim


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand."""
    parser = add_command(
        commands,
        "reproduce",
        "compare trained agents with the published findings",
        """
        Runs the pretrained agents (or newly trained ones) on held-out episodes, compares their
        behaviour with the published results, and writes a report: index.html, figures and
        claims.json. Run the same command again to resume.

        Experiments, which `neurotasks list` describes, are wang2018 (bandits, foraging,
        volatility, inferred-value, two-step, harlow, harlow-pixels, risky-choice), wang2016
        (restless, informative, two-step-2016), dabney2020 (dopamine-neurons,
        dopamine-agents, dopamine-variance, dopamine-licking) and miranda2025
        (two-step-species, two-step-monkeys).

        Example: neurotasks reproduce two-step
                 neurotasks reproduce harlow two-step --seeds 3 --out runs/learning
                 neurotasks reproduce two-step --train --out runs/two-step
                 neurotasks reproduce dabney2020 --neurons recordings --out runs/neurons
        """,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="experiment or group (default: all)"
    )
    which = parser.add_argument_group("which agents")
    which.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help="number of seeds to play and show (default: recorded measures of all seeds, and next "
        "to them what five of them, or two of each foil, do in a few episodes)",
    )
    which.add_argument(
        "--all",
        action="store_true",
        help="play every shipped seed, or with --train train every seed",
    )
    which.add_argument(
        "--agent", choices=["a2c", "ppo"], help="algorithm that trained the agents (default: both)"
    )
    which.add_argument(
        "--train", action="store_true", help="train new agents instead of using the pretrained ones"
    )
    which.add_argument("--device", default="cpu", help="device for the network in training")
    which.add_argument("--quick", action="store_true", help="smoke test (numbers are meaningless)")
    report = parser.add_argument_group("report")
    add_out(report, "runs/reproduce")
    report.add_argument(
        "--neurons",
        type=as_path,
        metavar="DIR",
        help="folder of recorded neurons to show next to the simulated ones of dabney2020",
    )
    add_engine(parser)


def kept(options: argparse.Namespace) -> str:
    """Return what an interruption leaves."""
    trained = "the training runs up to their last checkpoints"
    return kept_in(options.out, trained if options.train else "earlier reports, if there are any")


def run(options: argparse.Namespace) -> None:
    """Reproduce the findings, and print the verdict on each claim."""
    from neurotasks_baselines.experiments import EXPERIMENTS, GROUPS
    from neurotasks_baselines.experiments.learners import ALGORITHMS
    from neurotasks_baselines.experiments.report import headline
    from neurotasks_baselines.experiments.runner import reproduce

    known = {bare(name): name for name in (*EXPERIMENTS, *GROUPS)}
    claims = reproduce(
        [known.get(bare(name), name) for name in options.names],
        options.out,
        seeds=options.seeds,
        every_seed=options.all,
        agent=options.agent,
        train=options.train,
        quick=options.quick,
        neurons=options.neurons,
        device=options.device,
        engine=engine_of(options),
    )
    for (name, learner), group in groupby(claims, lambda claim: (claim.experiment, claim.learner)):
        found = list(group)
        aside = "" if any(claim.headline for claim in found) else " (not counted)"
        print(f"{name}, {ALGORITHMS[learner]}{aside}:\n{wrapped_table(rows(found), '<<<')}\n")
    print(headline(claims))
    hint(f"sources, foils and figures: {options.out / 'index.html'}")


def rows(claims: Sequence[Claim]) -> list[tuple[str, ...]]:
    """Return the rows of the table of claims, its head first."""
    from neurotasks_baselines.experiments.report import number

    found: list[tuple[str, ...]] = [("verdict", "measured", "accepted", "finding")]
    for claim in claims:
        interval = f" [{claim.ci_low:.3f}, {claim.ci_high:.3f}]" if claim.ci_low is not None else ""
        found.append(
            (
                claim.verdict or claim.kind,
                f"{number(claim.measured)}{interval}",
                claim.accept if claim.kind != "reported" else "-",
                claim.claim + (f"; published: {claim.published}" if claim.published != "-" else ""),
            )
        )
    return found
