"""``neurotasks reproduce``: compare trained agents with the published findings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from neurotasks_baselines.cli.arguments import add_command, add_engine, as_path, engine_of

if TYPE_CHECKING:
    from neurotasks_baselines.cli.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand."""
    parser = add_command(
        commands,
        "reproduce",
        "compare trained agents with the published findings",
        """
        Runs the pretrained agents (or newly trained ones) on held-out episodes, compares their
        behaviour with the published results, and writes a report: index.html, figures and
        claims.json. Run the same command again to resume. Experiments: bandits, foraging,
        volatility, inferred-value, two-step, harlow, harlow-pixels, risky-choice (together:
        wang2018), dopamine-neurons, dopamine-agents, dopamine-variance (dabney2020).

        Example: neurotasks reproduce two-step --train --out runs/two-step
        """,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="experiment or group (all by default)"
    )
    parser.add_argument(
        "--out",
        type=as_path,
        default=Path("runs/reproduce"),
        metavar="DIR",
        help="directory to write (default runs/reproduce)",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        help="number of seeds to play and show (default: five play, and the recorded measures of "
        "the others are shown with them)",
    )
    parser.add_argument(
        "--all", action="store_true", help="play every seed that is shipped, or train every seed"
    )
    parser.add_argument(
        "--agent",
        choices=["a2c", "ppo"],
        help="algorithm that the agents are trained by (default both)",
    )
    parser.add_argument(
        "--train", action="store_true", help="train new agents instead of using the pretrained ones"
    )
    parser.add_argument(
        "--device", default="cpu", help="device for the network in training (default cpu)"
    )
    parser.add_argument("--quick", action="store_true", help="smoke test (numbers are meaningless)")
    parser.add_argument(
        "--neurons",
        type=as_path,
        metavar="DIR",
        help="folder of recorded neurons to show next to the simulated ones of dabney2020",
    )
    add_engine(parser)


def run(options: argparse.Namespace) -> None:
    """Reproduce the findings, and print the verdict on each claim."""
    from neurotasks_baselines.experiments.learners import ALGORITHMS
    from neurotasks_baselines.experiments.report import foils, headline, number
    from neurotasks_baselines.experiments.runner import reproduce

    claims = reproduce(
        options.names,
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
    for claim in claims:
        interval = f" [{claim.ci_low:.3f}, {claim.ci_high:.3f}]" if claim.ci_low is not None else ""
        others = f", {foils(claim)}" if claim.foils else ""
        print(
            f"{claim.verdict or claim.kind:14} {claim.experiment}, {ALGORITHMS[claim.learner]}: "
            f"{claim.claim}: {number(claim.measured)}{interval}, wanted {claim.accept}{others}, "
            f"published {claim.published}"
        )
    print(f"{headline(claims)} See {options.out / 'index.html'}")
