"""A person plays a task: keys for its actions, where they are read, and the loop.

`play` is the loop; it is given what reads keys and what shows frames.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import gymnasium as gym
import pandas as pd

END = "escape"
ARROWS = ("left", "right", "up", "down")
SIGNS = "1234567890abcdefghijklmnopqrstuvwxyz"

SEQUENCES = {"[A": "up", "[B": "down", "[C": "right", "[D": "left"}
SEQUENCES |= {code.replace("[", "O"): name for code, name in SEQUENCES.items()}
NAMES = {" ": "space", "\n": "return", "\r": "return", "\x04": END, "": END}


def keys_for(actions: Sequence[str]) -> dict[str, int]:
    """Return which key stands for which action.

    An arrow key stands for the action of that name, space and return for the others if there are
    no more than two, and a digit or letter for every action in order. The names of the actions are
    there too, for input in lines.

    Args:
        actions: Names of the actions.

    Returns:
        Action by the name of the key.
    """
    others = [i for i, name in enumerate(actions) if name not in ARROWS]
    others.sort(key=lambda i: actions[i].startswith("no"))  # space licks rather than not
    keys = dict(zip(SIGNS, range(len(actions)), strict=False))
    if len(others) <= 2:
        keys |= dict(zip(("space", "return"), others, strict=False))
    return keys | {name: i for i, name in enumerate(actions)}


def describe_keys(actions: Sequence[str]) -> str:
    """Return the keys of each action, in a line."""
    keys, parts = keys_for(actions), []
    for i, name in enumerate(actions):
        mine = [k for k, action in keys.items() if action == i and k != name]
        mine += ["arrow"] if name in ARROWS else []
        parts.append(f"{name} = {' or '.join(mine)}")
    return ", ".join([*parts, "end = Esc"])


def play(
    env: gym.Env,
    read_key: Callable[[], str],
    show: Callable[[Any], None] | None = None,
    *,
    seed: int | None = None,
    num_episodes: int = 1,
) -> pd.DataFrame:
    """Let somebody play until the episodes are over, or until they end the session.

    Args:
        env: Task with ``trial_log=True``, and a `render_mode` if there is a `show`.
        read_key: Function that waits for a key press and returns the name of the key, see
            `keys_for`; ``"escape"`` ends the session. Other keys are ignored.
        show: Function of ``env.render()``, called when there is something new to see.
        seed: Seed of the first episode.
        num_episodes: Number of episodes.

    Returns:
        The trial table of what was played.
    """
    task_env: Any = env.unwrapped
    keys = keys_for(task_env.action_names)

    def draw() -> None:
        if show is not None:
            show(env.render())

    for episode in range(num_episodes):
        env.reset(seed=None if episode else seed)
        over = False
        while not over:
            draw()
            while (key := read_key()) not in keys:
                if key == END:
                    return task_env.trial_table()
            over = env.step(keys[key])[2]
    draw()
    return task_env.trial_table()


@contextmanager
def terminal(stream: TextIO | None = None) -> Iterator[Callable[[], str]]:
    """Provide a function that waits for a key press in the terminal and returns its name.

    If the input is no terminal, or the system has no POSIX terminals, it reads lines instead, each
    the name of a key or of an action.

    Args:
        stream: Stream to read from, standard input by default.

    Yields:
        The function.
    """
    stream = stream or sys.stdin
    try:
        import termios
        import tty
    except ImportError:
        yield lambda: _key_of_line(stream)
        return
    if not stream.isatty():
        yield lambda: _key_of_line(stream)
        return
    number = stream.fileno()
    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    try:
        yield lambda: _key_of_terminal(number)
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _key_of_line(stream: TextIO) -> str:
    line = stream.readline()
    return line.strip().lower() or "return" if line else END


def _key_of_terminal(number: int) -> str:
    letter = os.read(number, 1).decode(errors="replace")
    if letter != "\x1b":
        return NAMES.get(letter, letter)
    # what follows an escape at once belongs to it: an arrow key
    if not select.select([number], [], [], 0.05)[0]:
        return END
    return SEQUENCES.get(os.read(number, 2).decode(errors="replace"), "")
