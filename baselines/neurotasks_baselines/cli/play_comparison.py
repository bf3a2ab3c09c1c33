"""How a person played, compared with the reference observer and with random choices."""

from __future__ import annotations

import dataclasses
import textwrap
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from neurotasks.analysis.behaviour import Behaviour, behaviour_of
from neurotasks.observers import Oracle, RandomAgent, reference_observer
from neurotasks.observers.base import Observer
from neurotasks_baselines.plotting import IDEAL, OURS, PUBLISHED, new_figure, style

REPEATS = 100  # of the played episodes by each player a person is compared with
REPEATS_OF_IMAGES = 10  # the same, where observations are images
FIGURE_SIZE, DPI = (720, 576), 150


@dataclass(frozen=True)
class Comparison:
    """A person compared with the reference observer and with random choices.

    Attributes:
        behaviour: Measure by which they are compared.
        values: Values of the measure, one column per player, indexed by what it is measured across.
        rewards: Number of trials, reward per trial and reward per episode, one row per player.
        published: Whether the task was played with the parameters of the published one.
    """

    behaviour: Behaviour
    values: pd.DataFrame
    rewards: pd.DataFrame
    published: bool = True

    def sentences(self) -> list[str]:
        """Return in words how the person played, the others, and what was published.

        What was published is said, too, where the person played no trial that compares with it.
        """
        reward = self.rewards["reward per trial"]
        earned = {name: f"{value:.2f}" for name, value in reward.items()}
        found = [_sentence("earned {} per trial in these episodes", earned)]
        for statement in self.behaviour.statements:
            published = statement.published if self.published else {}
            row = self.values.reindex([statement.at]).iloc[0].dropna()
            numbers = {str(n): f"{100 * v:.0f} %" for n, v in row.items()} | published
            if "you" in row:
                found.append(_sentence(statement.text, numbers))
            elif published:
                did = statement.text.replace(" {} of the time", "")
                found.append(f"Too few trials to say how often you {did}; {_listed(numbers)}.")
        return found

    def __str__(self) -> str:
        """Return it in words and as tables; of a long curve, ten points."""
        rewards = "\n".join([*self.sentences(), "", self.rewards.round(3).to_string()])
        if self.values.empty:  # an episode too short for the measure
            return rewards
        rows = np.unique(np.linspace(0, len(self.values) - 1, 10).round().astype(int))
        head = f"{self.behaviour.label}, by {self.behaviour.across}"
        return f"{rewards}\n\n{head}\n{self.values.iloc[rows].round(3).to_string()}"

    def figure(self) -> Figure:
        """Draw the values: curves if they are measured across numbers, otherwise bars."""
        with style():
            figure, (axes,) = new_figure(1, FIGURE_SIZE[0] / DPI, FIGURE_SIZE[1] / DPI)
            values, colours = self.values, (PUBLISHED, OURS, IDEAL)
            if pd.api.types.is_numeric_dtype(values.index):
                for name, colour in zip(values, colours, strict=False):
                    marker = "o" if len(values) <= 12 else ""
                    axes.plot(values.index, values[name], marker=marker, color=colour, label=name)
                if pd.api.types.is_integer_dtype(values.index):
                    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            else:
                places, width = np.arange(len(values)), 0.27
                for i, (name, colour) in enumerate(zip(values, colours, strict=False)):
                    axes.bar(
                        places + (i - 1) * width, values[name], width, color=colour, label=name
                    )
                labels = [str(label).replace(" ", "\n") for label in values.index]
                axes.set_xticks(places, labels)
            if values.isna().all(axis=None):
                axes.set(xticks=[], yticks=[])
                axes.text(0.5, 0.5, "too few trials", transform=axes.transAxes, ha="center")
            axes.set_xlabel(self.behaviour.across)
            axes.set_ylabel(self.behaviour.label)
            lines = [line for s in self.sentences() for line in textwrap.wrap(s, 78)]
            figure.suptitle("\n".join(lines), fontsize=8, x=0.02, ha="left")
            figure.legend(loc="outside lower center", ncols=3)
        return figure


def compare(
    trials: pd.DataFrame, id: str, task_kwargs: dict[str, Any] | None = None, seed: int = 0
) -> Comparison:
    """Compare somebody with the reference observer and random choices on the same episodes.

    Args:
        trials: Trial table of what was played, with at least one trial.
        id: Id of the task.
        task_kwargs: Parameters it was played with.
        seed: Seed of the first episode.

    Returns:
        The comparison.
    """
    spec: dict[str, Any] = {"autoreset_mode": "SameStep", "trial_log": True} | (task_kwargs or {})
    single: Any = gym.make(id).unwrapped
    images = single.task.image_shape is not None
    envs: Any = gym.make_vec(id, num_envs=REPEATS_OF_IMAGES if images else REPEATS, **spec)
    observer = reference_observer(envs, seed)
    best = "the oracle" if isinstance(observer, Oracle) else "the reference observer"
    tables = {
        "you": trials,
        best: _same_trials(observer, envs, trials, seed),
        "random choices": _same_trials(RandomAgent(envs, seed), envs, trials, seed),
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
    p = envs.unwrapped.parameters
    published = dataclasses.replace(p, trials=type(p)().trials) == type(p)()
    table = pd.DataFrame(rewards).T.astype({"trials": int})
    return Comparison(behaviour, values, table, published)


def _same_trials(agent: Observer, envs: Any, trials: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Let an agent play the episodes of a trial table in every sub-environment; keep its trials."""
    envs.trial_table(clear=True)
    observation, _ = envs.reset(seed=[seed] * envs.num_envs)
    start, memory = np.ones(envs.num_envs, np.bool_), None
    finished, wanted = np.zeros(envs.num_envs, int), trials["episode"].max() + 1
    while finished.min() < wanted:
        action, memory = agent.predict(observation, memory, start)
        observation, _, start, _, _ = envs.step(action)
        finished += start
    table: pd.DataFrame = envs.trial_table(clear=True)
    return table.merge(trials[["episode", "trial"]])


def _sentence(text: str, numbers: dict[str, str]) -> str:
    """Return "You did it {} times; others {}"; the first of the numbers is the person's."""
    you, *others = numbers.items()
    return f"You {text.format(you[1])}{'; ' if others else ''}{_listed(dict(others))}."


def _listed(numbers: dict[str, str]) -> str:
    return ", ".join(f"{who} {number}" for who, number in numbers.items())


def pixels_of(figure: Figure, scale: float = 1.0) -> NDArray[np.uint8]:
    """Return a figure as an image, uint8 (height, width, 3), for a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(DPI * scale)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]
