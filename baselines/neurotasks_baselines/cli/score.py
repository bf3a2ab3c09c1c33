"""``neurotasks score``: train and score anybody's agent, or check a file of scores."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from neurotasks.errors import ParameterError
from neurotasks_baselines.cli.arguments import (
    add_command,
    add_engine,
    add_out,
    as_path,
    count,
    engine_of,
    hint,
    kept_in,
    step_count,
    task_id,
)

if TYPE_CHECKING:
    from neurotasks_baselines.cli.arguments import Commands

TRACKS = ("quick", "standard", "pixels")  # those of suite.protocol, which takes time to import


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand."""
    parser = add_command(
        commands,
        "score",
        "train and score your own agent",
        """
        Trains your agent on each task of a track, lets it play held-out episodes, and scores it:
        0 for random choices and 1 for the reference observer, on the same episodes. The memory
        score is 0 for the best policy that sees only the current observation.

        AGENT names a function in a Python file that makes the agent:

            def make_agent(id, *, total_steps, seed, **task_kwargs): ...

        It trains for this many steps and returns an object with Stable-Baselines3's predict, or a
        function of observations, episode starts and its own state that returns actions and state.
        The page "Evaluate your own agent" of the documentation has a complete example.

        Tracks: quick, three tasks in minutes; standard, nearly all tasks without images, with as
        many steps as our own agents and five seeds; pixels, the task with images. Finished
        training runs are kept: repeat the command to resume, or add tasks or seeds.

        Example: neurotasks score my_agent.py:make_agent --track quick --out runs/score
                 neurotasks score my_agent.py:make_agent --task TwoStep2016 --steps 3e5 --seeds 3
                 neurotasks score --check runs/score/scores.json
        """,
    )
    parser.add_argument("agent", nargs="?", metavar="AGENT", help="FILE.py:FUNCTION")
    trained = parser.add_argument_group("what is trained")
    trained.add_argument(
        "--track", choices=TRACKS, default="standard", help="tasks, steps and seeds"
    )
    trained.add_argument(
        "--task",
        dest="tasks",
        action="append",
        default=[],
        metavar="TASK",
        help="task instead of those of the track; may be repeated",
    )
    trained.add_argument(
        "--seeds", type=count, metavar="N", help="runs of each task (default: the track's)"
    )
    trained.add_argument(
        "--steps", type=step_count, metavar="N", help="steps of a run (default: the track's)"
    )
    trained.add_argument(
        "--episodes",
        type=count,
        metavar="N",
        help="held-out episodes (default: enough for a standard error of 0.02)",
    )
    trained.add_argument(
        "--workers",
        type=count,
        metavar="N",
        help="number of training runs at once (default: 1, or as many as there are on a cluster)",
    )
    add_engine(parser)
    parser.add_argument("--name", help="name of the agent in tables and figures (default: AGENT)")
    add_out(parser, "runs/score")
    parser.add_argument(
        "--check",
        type=as_path,
        metavar="FILE",
        help="check a submitted scores.json instead: format, ranges, aggregates, completeness",
    )


def kept(options: argparse.Namespace) -> str:
    """Return what an interruption leaves."""
    if options.check is not None:
        return "Nothing is written."
    return kept_in(options.out, "the results of the training runs that have ended")


def run(options: argparse.Namespace) -> None:
    """Score the agent, or check the file."""
    if (options.agent is None) == (options.check is None):
        raise ParameterError(
            "Either AGENT or --check must be given; got "
            f"{'neither' if options.agent is None else 'both'}. See `neurotasks score --help`."
        )
    if options.check is not None:
        _check(options)
        return
    engine = engine_of(options)
    engine.check_installed()
    from neurotasks_baselines.suite.report import aggregate_table, score_table, shipped_agents
    from neurotasks_baselines.suite.results import read_results
    from neurotasks_baselines.suite.run import evaluate

    found = evaluate(
        options.agent,
        options.out,
        name=options.name,
        track=options.track,
        ids=[task_id(name) for name in options.tasks],
        seeds=options.seeds,
        steps=options.steps,
        episodes=options.episodes,
        workers=options.workers,
        engine=engine,
    )
    results = read_results(found["results"])
    print(score_table(results, aligned=True))
    print()
    print(aggregate_table({found["agent"]: results} | shipped_agents(), aligned=True))
    hint(f"\n{options.out}/scores.json, scores.csv, scores.md and figures")


def _check(options: argparse.Namespace) -> None:
    from neurotasks_baselines.suite.results import check_scores

    found = check_scores(options.check)
    results = found["results"]
    tasks, seeds = ({getattr(r, name) for r in results} for name in ("id", "seed"))
    print(
        f"{options.check} is complete: {found['agent']}, track {found['track']}, {len(tasks)} "
        f"tasks, {len(seeds)} seeds; the aggregates are those of its results."
    )
