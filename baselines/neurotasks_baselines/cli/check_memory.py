"""``neurotasks check-memory``: find what is broken in how an agent uses its memory."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from neurotasks_baselines.cli.arguments import RESUME, add_command, as_path, hint, step_count

if TYPE_CHECKING:
    from neurotasks_baselines.cli.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand."""
    parser = add_command(
        commands,
        "check-memory",
        "find what is broken in how an agent uses its memory",
        """
        Trains an agent of any library on tiny tasks that each need one thing (the last reward, the
        last action, the start of an episode, a cue some steps ago, a cue held across rollouts, the
        value at a truncation), shows it random observations in different batches and orders, and
        says what is broken. AGENT is a Python file and the function in it that trains an agent:

            def make_agent(id, *, total_steps, seed, **task_kwargs): ...

        Exit status: 0 if nothing is broken or unknown, else 1.

        Example: neurotasks check-memory my_agent.py:make_agent
                 neurotasks check-memory my_agent.py:make_agent --steps 200_000 --out check.json
        """,
    )
    parser.add_argument("agent", metavar="AGENT", help="FILE.py:FUNCTION")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the training runs")
    parser.add_argument(
        "--steps",
        type=step_count,
        help="environment steps of all training runs together (default: enough for a small agent "
        "that learns from rollouts of about a thousand steps)",
    )
    parser.add_argument(
        "--out", type=as_path, metavar="FILE", help="file of all measures (.json; default: none)"
    )


def kept(options: argparse.Namespace) -> str:
    """Return what an interruption leaves."""
    return f"Nothing is written before the end. {RESUME.replace('resume', 'start over')}"


def run(options: argparse.Namespace) -> int:
    """Check the agent; returns the exit status."""
    from neurotasks.files import check_writable, write_whole
    from neurotasks_baselines.files import json_text
    from neurotasks_baselines.suite.agents import load_make_agent
    from neurotasks_baselines.suite.memory_check import STEPS, check_memory
    from neurotasks_baselines.suite.memory_findings import findings
    from neurotasks_baselines.training.progress import track

    make_agent = load_make_agent(options.agent)
    if options.out is not None:
        check_writable(options.out)
    default = sum(STEPS.values())
    steps = default if options.steps is None else options.steps
    measures = check_memory(
        make_agent,
        seed=options.seed,
        factor=steps / default,
        track=lambda needs: track(needs, "checking"),
    )
    judged = findings(measures)
    width = max(len(finding.name) for finding in judged)
    for finding in judged:
        print(f"{finding.verdict.upper():8} {finding.name:{width}}  {finding.text}")
    if options.out is not None:
        result = {"agent": options.agent, "seed": options.seed, "steps": steps}
        result |= {"findings": [asdict(f) for f in judged], "measures": asdict(measures)}
        write_whole(options.out, json_text(result))
        hint(f"All measures are in {options.out}.")
    return int(any(finding.verdict != "right" for finding in judged))
