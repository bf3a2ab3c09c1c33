"""How a person played, compared with the reference observer and with random choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurotasks.analysis.behaviour import Behaviour, behaviour_of
from neurotasks.episodes import run_episodes
from neurotasks.observers import Oracle, RandomAgent, reference_observer
from neurotasks_baselines.plotting import IDEAL, OURS, PUBLISHED, new_figure, style

EPISODES = 100  # of each player a person is compared with
EPISODES_OF_IMAGES = 10  # the same, where observations are images


@dataclass(frozen=True)
class Comparison:
    """A person compared with the reference observer and with random choices.

    Attributes:
        behaviour: Measure by which they are compared.
        values: Values of the measure, one column per player, indexed by what it is measured across.
        rewards: Number of trials, reward per trial and reward per episode, one row per player.
    """

    behaviour: Behaviour
    values: pd.DataFrame
    rewards: pd.DataFrame

    def __str__(self) -> str:
        """Return both as tables; of a long curve, ten points."""
        rewards = self.rewards.round(3).to_string()
        if self.values.empty:  # an episode too short for the measure
            return rewards
        rows = np.unique(np.linspace(0, len(self.values) - 1, 10).round().astype(int))
        head = f"{self.behaviour.label}, by {self.behaviour.across}"
        return f"{rewards}\n\n{head}\n{self.values.iloc[rows].round(3).to_string()}"

    def figure(self) -> Figure:
        """Draw the values: curves if they are measured across numbers, otherwise bars."""
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
    """Compare somebody with the reference observer and random choices on the same task.

    Args:
        trials: Trial table of what was played, with at least one trial.
        id: Id of the task.
        task_kwargs: Parameters it was played with.
        seed: Seed of the first episode of the other two players.

    Returns:
        The comparison.
    """
    spec: dict[str, Any] = {"autoreset_mode": "SameStep", "trial_log": True} | (task_kwargs or {})
    single: Any = gym.make(id).unwrapped
    images = single.task.image_shape is not None
    envs: Any = gym.make_vec(id, num_envs=EPISODES_OF_IMAGES if images else EPISODES, **spec)
    observer = reference_observer(envs, seed)
    best = "oracle" if isinstance(observer, Oracle) else "reference observer"
    tables = {
        "you": trials,
        best: run_episodes(observer, seed=seed).trials,
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


def pixels_of(figure: Figure) -> NDArray[np.uint8]:
    """Return a figure as an image, uint8 (height, width, 3), for a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]
