"""A person plays a task: the world waits for the key, and at the end stands the person's figure.

`play` is the loop; where keys come from and where frames go is handed to it. `compare` measures
what was played beside the ideal observer and random choices.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

import gymnasium as gym
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotasks.analysis.behaviour import Behaviour, behaviour_of
from neurotasks.episodes import run_episodes
from neurotasks.observers import Oracle, RandomAgent, reference_observer
from neurotasks_baselines.plotting import IDEAL, OURS, PUBLISHED, new_figure, style

END = "escape"
ARROWS = ("left", "right", "up", "down")
SIGNS = "1234567890abcdefghijklmnopqrstuvwxyz"
EPISODES = 100  # of the players a person is compared with
PICTURES = 10  # the same where episodes are full of images

SEQUENCES = {"[A": "up", "[B": "down", "[C": "right", "[D": "left"}
SEQUENCES |= {code.replace("[", "O"): name for code, name in SEQUENCES.items()}
NAMES = {" ": "space", "\n": "return", "\r": "return", "\x04": END, "": END}


def keys_for(actions: Sequence[str]) -> dict[str, int]:
    """Return which key means which action.

    Arrow keys mean the actions of that name, space and return the next two, a digit or letter in
    order every action. The names of the actions are there too, for input in lines.

    Args:
        actions: their names.

    Returns:
        Name of the key -> action.
    """
    others = [i for i, name in enumerate(actions) if name not in ARROWS]
    others.sort(key=lambda i: actions[i].startswith("no"))  # space licks rather than not
    keys = dict(zip(SIGNS, range(len(actions)), strict=False))
    if len(others) <= 2:
        keys |= dict(zip(("space", "return"), others, strict=False))
    return keys | {name: i for i, name in enumerate(actions)}


def describe_keys(actions: Sequence[str]) -> str:
    """Return in a line what each action's keys are."""
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
    """Let somebody play until the episodes or their patience end.

    Args:
        env: a task with ``trial_log=True``, and a `render_mode` for `show`.
        read_key: waits for a key and returns its name, see `keys_for`; ``"escape"`` ends. Keys
            that mean nothing are passed over.
        show: called with ``env.render()`` when there is something new to see.
        seed: of the first episode.
        num_episodes: how many.

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
    """Give a function that waits for a key in the terminal and returns its name.

    Where the input is no terminal, or this system has no POSIX terminals, it reads lines: the name
    of a key or an action.

    Args:
        stream: to read from; standard input by default.

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


@dataclass(frozen=True)
class Comparison:
    """A person beside the ideal observer and random choices.

    Attributes:
        behaviour: Measure by which they are compared.
        values: a column a player, a row for each of what it is measured across.
        rewards: a row a player: trials, reward per trial, reward per episode.
    """

    behaviour: Behaviour
    values: pd.DataFrame
    rewards: pd.DataFrame

    def __str__(self) -> str:
        """Return both as tables; a long curve in ten of its points."""
        rewards = self.rewards.round(3).to_string()
        if self.values.empty:  # an episode too short for the measure
            return rewards
        rows = np.unique(np.linspace(0, len(self.values) - 1, 10).round().astype(int))
        head = f"{self.behaviour.label}, by {self.behaviour.across}"
        return f"{rewards}\n\n{head}\n{self.values.iloc[rows].round(3).to_string()}"

    def figure(self) -> Any:
        """Return the values as a matplotlib figure: curves along numbers, else bars."""
        with style():
            figure, (axes,) = new_figure(1, 4.8, 3.6)
            values, colours = self.values, (PUBLISHED, OURS, IDEAL)
            if pd.api.types.is_numeric_dtype(values.index):
                for name, colour in zip(values, colours, strict=False):
                    marker = "o" if len(values) <= 12 else ""
                    axes.plot(values.index, values[name], marker=marker, color=colour, label=name)
            else:
                places, width = np.arange(len(values)), 0.27
                for i, (name, colour) in enumerate(zip(values, colours, strict=False)):
                    axes.bar(
                        places + (i - 1) * width, values[name], width, color=colour, label=name
                    )
                labels = [str(label).replace(" ", "\n") for label in values.index]
                axes.set_xticks(places, labels)
            axes.set_xlabel(self.behaviour.across)
            axes.set_ylabel(self.behaviour.label)
            figure.legend(loc="outside upper right", ncols=3)
        return figure


def compare(
    trials: pd.DataFrame, id: str, task_kwargs: dict[str, Any] | None = None, seed: int = 0
) -> Comparison:
    """Measure somebody beside the ideal observer and random choices on the same task.

    Args:
        trials: the trial table of what was played, with one trial at least.
        id: of the task.
        task_kwargs: the parameters it was played with.
        seed: of the first of the episodes that the other two play.

    Returns:
        The comparison.
    """
    spec = {"autoreset_mode": "SameStep", "trial_log": True} | (task_kwargs or {})
    single: Any = gym.make(id).unwrapped
    pictures = single.task.image_shape is not None
    envs: Any = gym.make_vec(id, num_envs=PICTURES if pictures else EPISODES, **spec)
    best = reference_observer(envs, seed)
    tables = {
        "you": trials,
        "knows all" if isinstance(best, Oracle) else "ideal observer": run_episodes(
            best, envs, seed=seed
        ).trials,
        "random": run_episodes(RandomAgent(envs, seed), seed=seed).trials,
    }
    behaviour = behaviour_of(envs.unwrapped.task)
    values = pd.DataFrame({name: behaviour.measure(table) for name, table in tables.items()})
    rewards = {
        name: {
            "trials": len(table),
            "reward per trial": table["trial_reward"].mean(),
            "reward per episode": table.groupby(["env", "episode"])["trial_reward"].sum().mean(),
        }
        for name, table in tables.items()
    }
    return Comparison(behaviour, values, pd.DataFrame(rewards).T.astype({"trials": int}))


def pixels_of(figure: Any) -> NDArray[np.uint8]:
    """Return a matplotlib figure as an image, uint8 (height, width, 3), for a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]
