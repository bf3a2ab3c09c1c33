"""``neurotasks play``: play a task yourself."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from neurotasks.errors import ParameterError
from neurotasks_baselines.cli.arguments import (
    add_command,
    add_import,
    as_path,
    count,
    hint,
    seed,
    task_id,
)
from neurotasks_baselines.imports import import_files

if TYPE_CHECKING:
    import pandas as pd

    from neurotasks.rendering.frame import Frame
    from neurotasks_baselines.cli.arguments import Commands

FIGURES = (".png", ".svg", ".pdf")
TRIALS = 10


def speed(text: str) -> float:
    """Return a factor from the command line."""
    factor = float(text)
    if not 0.01 <= factor <= 100:
        raise argparse.ArgumentTypeError(f"must be from 0.01 to 100; got {text}")
    return factor


def add_parser(commands: Commands) -> None:
    """Add the parser of the subcommand."""
    parser = add_command(
        commands,
        "play",
        "play a task yourself",
        """
        The environment waits for a key press, except in the mouse tasks, where time passes by
        itself. Arrow keys select the actions with their names, Space and Return the remaining
        ones; digits select any action by its position. Esc ends the session. In the Harlow tasks
        the left and right keys move the gaze to an object, which chooses it. At the end your
        behaviour is compared with that of the reference observer and of random choices on the same
        episodes, and with published numbers.

        Example: neurotasks play TwoStep
                 neurotasks play neurotasks/TwoStep-v0 --terminal --trials 20 --out trials.csv
        """,
    )
    parser.add_argument("id", metavar="ID", help="id of the task, such as neurotasks/TwoStep-v0")
    how = parser.add_argument_group("what is played")
    how.add_argument("--terminal", action="store_true", help="play in the terminal")
    how.add_argument("--seed", type=seed, default=0, help="random seed of the first episode")
    how.add_argument(
        "--trials",
        type=int,
        metavar="N",
        help=f"trials per episode (default: the task's own, or {TRIALS} where that is 1)",
    )
    how.add_argument(
        "--speed",
        type=speed,
        default=1.0,
        help="speed of time in the mouse tasks, relative to the experiment",
    )
    how.add_argument("--episodes", type=count, default=1, metavar="N", help="number of episodes")
    how.add_argument(
        "--split",
        choices=("train", "test"),
        default="train",
        help="parameter ranges the papers trained or tested on",
    )
    how.add_argument(
        "--show-truth", action="store_true", help="show the hidden state of the environment"
    )
    add_import(how)
    files = parser.add_argument_group("what is written")
    files.add_argument(
        "--out", type=as_path, metavar="FILE", help="trial table (.csv, .parquet; default: none)"
    )
    files.add_argument(
        "--figure", type=as_path, metavar="FILE", help="figure (.png, .svg, .pdf; default: none)"
    )


def kept(options: argparse.Namespace) -> str:
    """Return what an interruption leaves."""
    return "Its trials are lost; Esc ends a session and keeps them."


def run(options: argparse.Namespace) -> None:
    """Let somebody play, and compare the behaviour."""
    import_files(options.imports)
    options.id = task_id(options.id)
    import gymnasium as gym

    from neurotasks.files import replacing
    from neurotasks.trials import file_format, write_trials
    from neurotasks_baselines.cli.play_comparison import compare

    if options.out is not None:
        file_format(options.out)  # bad names are refused before the work
    if options.figure is not None and options.figure.suffix not in FIGURES:
        raise ParameterError(
            f"--figure must end in {', '.join(FIGURES)}; got {str(options.figure)!r}."
        )
    task_kwargs = {"split": options.split}
    if options.trials is not None:
        task_kwargs["trials"] = options.trials
    elif gym.make(options.id).get_wrapper_attr("parameters").trials == 1:
        task_kwargs["trials"] = TRIALS

    def report(trials: pd.DataFrame) -> Any:
        """Write and print what was played; return its figure, None without a finished trial."""
        if trials.empty:
            print("No trial was finished.")
            return None
        if options.out is not None:
            write_trials(trials, options.out)
            hint(f"{len(trials)} trials in {options.out}")
        comparison = compare(trials, options.id, task_kwargs, options.seed)
        print(comparison)
        figure = comparison.figure()
        if options.figure is not None:
            with replacing(options.figure) as drawn:
                figure.savefig(drawn)
            hint(f"figure in {options.figure}")
        return figure

    play_in = _in_terminal if options.terminal else _in_window
    play_in(options, task_kwargs, report)


def _make(options: argparse.Namespace, task_kwargs: dict[str, Any]) -> Any:
    import gymnasium as gym

    from neurotasks.files import check_writable

    env = gym.make(options.id, show_truth=options.show_truth, trial_log=True, **task_kwargs)
    for file in filter(None, (options.out, options.figure)):
        check_writable(file)
    return env


def _in_terminal(options: argparse.Namespace, task_kwargs: dict[str, Any], report: Any) -> None:
    from neurotasks.rendering.text import text
    from neurotasks_baselines.cli.play_input import play, reads_keys, terminal

    env = _make(options, task_kwargs)
    clear = "\x1b[H\x1b[2J" if sys.stdout.isatty() else ""
    speed = options.speed if reads_keys(sys.stdin) else None

    def show(frame: Frame) -> None:
        print(clear + text(frame), flush=True)

    with terminal() as read_key:
        trials = play(
            env, read_key, show, seed=options.seed, num_episodes=options.episodes, speed=speed
        )
    report(trials)


def _in_window(options: argparse.Namespace, task_kwargs: dict[str, Any], report: Any) -> None:
    from neurotasks.rendering.pixels import pixels, size_of
    from neurotasks.rendering.window import Window
    from neurotasks_baselines.cli.play_comparison import FIGURE_SIZE, pixels_of
    from neurotasks_baselines.cli.play_input import play

    env = _make(options, task_kwargs)
    window = Window(options.id)

    def show(frame: Frame) -> None:
        window.show(partial(pixels, frame), size_of(frame))

    try:
        trials = play(
            env,
            window.read_key,
            show,
            seed=options.seed,
            num_episodes=options.episodes,
            speed=options.speed,
        )
        figure = report(trials)
        if figure is not None:
            window.show(partial(pixels_of, figure), FIGURE_SIZE)
            window.read_key()
    finally:
        window.close()
