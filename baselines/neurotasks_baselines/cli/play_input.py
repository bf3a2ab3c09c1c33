"""A person plays a task: keys for its actions, where they are read, and the loop.

`play` is the loop; it is given what reads keys and what shows frames.
"""

from __future__ import annotations

import importlib.util
import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TextIO

import gymnasium as gym
import numpy as np
import pandas as pd

from neurotasks.rendering.frame import Frame

END = "escape"
FILL_SECONDS, OUTCOME_SECONDS = 0.06, 0.8  # that a step without a key is shown, and an outcome
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


class Escaped(Exception):
    """The person ended the session."""


def play(
    env: gym.Env,
    read_key: Callable[[float | None], str],
    show: Callable[[Frame], None] | None = None,
    *,
    seed: int | None = None,
    num_episodes: int = 1,
    speed: float | None = None,
) -> pd.DataFrame:
    """Let somebody play until the episodes are over, or until they end the session.

    Steps that the task fills in need no key.

    Args:
        env: Task with ``trial_log=True``.
        read_key: Function that waits for a key press, for so many seconds or, with None, for ever,
            and returns the name of the key, see `keys_for`, or ``""``; ``"escape"`` ends the
            session. Other keys are ignored.
        show: Function of what there is to see, called when that is new.
        seed: Seed of the first episode.
        num_episodes: Number of episodes.
        speed: Factor by which time passes faster than in the experiment, in tasks that have steps
            of a duration; with None every step waits for a key, and those filled in take no time.

    Returns:
        The trial table of what was played.
    """
    task_env: Any = env.unwrapped
    task, p = task_env.task, task_env.parameters
    keys, line = keys_for(task_env.action_names), describe_keys(task_env.action_names)
    points, pressed = 0.0, -1

    def wait(seconds: float) -> int:
        """Let time pass; return the action of the last key, 0 if there was none."""
        action, end = 0, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if (key := read_key(left)) == END:
                raise Escaped
            action = keys.get(key, action)
        return action

    def act() -> int:
        """Return what is done next."""
        nonlocal pressed
        state = task_env.get_state().view(np.recarray)[0]
        filled = task.fill_in(state, p, pressed) if task.fill_in else None
        if filled is not None:
            if speed is not None:
                wait(OUTCOME_SECONDS if state.new_trial and state.trial > 0 else FILL_SECONDS)
            return int(filled)
        if task.step_seconds and speed is not None:
            return wait(task.step_seconds(p) / speed)
        while (key := read_key(None)) not in keys:
            if key == END:
                raise Escaped
        pressed = keys[key]
        return pressed

    def draw() -> None:
        if show is not None:
            show(replace(task_env.frame(), points=points, keys=line))

    for episode in range(num_episodes):
        env.reset(seed=None if episode else seed)
        over, pressed = False, -1
        while not over:
            draw()
            try:
                action = act()
            except Escaped:
                return task_env.trial_table()
            _, reward, over, _, info = env.step(action)
            points += float(reward)
            pressed = -1 if info["new_trial"] else pressed
    draw()
    return task_env.trial_table()


def reads_keys(stream: TextIO) -> bool:
    """Return whether single keys can be read from a stream: it is a POSIX terminal."""
    return stream.isatty() and importlib.util.find_spec("termios") is not None


@contextmanager
def terminal(stream: TextIO | None = None) -> Iterator[Callable[[float | None], str]]:
    """Provide a function that waits for a key press in the terminal and returns its name.

    Where no keys can be read it reads lines instead, each the name of a key or of an action.

    Args:
        stream: Stream to read from, standard input by default.

    Yields:
        The function, see `play`.
    """
    stream = stream or sys.stdin
    if not reads_keys(stream):
        yield lambda seconds: _key_of_line(stream)
        return
    import termios
    import tty

    number = stream.fileno()
    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    try:
        yield lambda seconds: _key_of_terminal(number, seconds)
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _key_of_line(stream: TextIO) -> str:
    line = stream.readline()
    return line.strip().lower() or "return" if line else END


def _key_of_terminal(number: int, seconds: float | None) -> str:
    if not select.select([number], [], [], seconds)[0]:
        return ""
    letter = os.read(number, 1).decode(errors="replace")
    if letter != "\x1b":
        return NAMES.get(letter, letter)
    # what follows an escape at once belongs to it: an arrow key
    if not select.select([number], [], [], 0.05)[0]:
        return END
    return SEQUENCES.get(os.read(number, 2).decode(errors="replace"), "")
