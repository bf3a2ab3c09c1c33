"""Difficulty curves: what agents earn where a parameter of a task makes it harder.

    python -m neurotasks_baselines.suite.difficulty DIR

plays the shipped agents, trained with the task's own parameters, and writes ``DIR/difficulty.csv``
and ``DIR/difficulty.png``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from neurotasks.episodes import Agent
from neurotasks.files import replacing
from neurotasks.observers import RandomAgent, reference_observer
from neurotasks.scores import episode_returns, paired_score
from neurotasks_baselines.plotting import IDEAL, SMALL, legend_below, new_figure, style
from neurotasks_baselines.processes import limited_threads
from neurotasks_baselines.suite.aggregates import CONFIDENCE
from neurotasks_baselines.suite.figures import looks, short
from neurotasks_baselines.suite.shipped import LEARNERS, jobs
from neurotasks_baselines.training.agent_files import load
from neurotasks_baselines.training.progress import track

EPISODES = 400
RANDOM, REFERENCE = "random choices", "reference observer"


@dataclass(frozen=True)
class Knob:
    """A parameter of a task that makes it harder.

    Attributes:
        id: Id of the task.
        parameter: Name of the parameter.
        values: Its values, from easy to hard.
        label: What it is, for the axis.
    """

    id: str
    parameter: str
    values: tuple[float, ...]
    label: str


KNOBS = (
    Knob("neurotasks/BanditUniform-v0", "trials", (200, 100, 50, 20, 10), "trials in an episode"),
    Knob(
        "neurotasks/TwoStep-v0",
        "p_reversal",
        (0.0, 0.025, 0.05, 0.1, 0.2),
        "probability of a reversal",
    ),
    Knob(
        "neurotasks/Volatility-v0",
        "reversal_interval",
        (50, 25, 15, 10, 5),
        "trials between reversals",
    ),
    Knob("neurotasks/Bandit-v0", "arms", (2, 3, 5, 10, 20), "arms"),
)


def difficulty_curve(
    knob: Knob, agents: Mapping[str, Sequence[Any]], num_episodes: int = EPISODES
) -> pd.DataFrame:
    """Play held-out episodes with each value of a parameter.

    Args:
        knob: The parameter, its task and its values.
        agents: Trained agents by name, one per seed, with ``predict``. Where the parameter changes
            what is observed or can be done, those whose ``observation_space`` or ``action_space``
            is another are left out.
        num_episodes: Number of episodes for each value, the same for everyone.

    Returns:
        A row for each value and each player, random choices and the reference observer among them:
        ``task``, ``parameter``, ``value``, ``player``, ``reward_per_trial`` with ``low`` and
        ``high``, the ends of its 95 % interval over episodes, and ``score``, 0 for random choices
        and 1 for the reference observer with this value, with ``score_low`` and ``score_high``.
        Of several seeds these are means.
    """
    return pd.DataFrame(
        [
            {"task": short(knob.id), "parameter": knob.parameter, "value": value, **row}
            for value in knob.values
            for row in _players(knob, value, agents, num_episodes)
        ]
    )


def _players(
    knob: Knob, value: float, agents: Mapping[str, Sequence[Any]], num_episodes: int
) -> Iterable[dict[str, Any]]:
    kwargs: dict[str, Any] = {knob.parameter: value}
    env: Any = gym.make(knob.id, **kwargs).unwrapped

    def play(player: Callable[[Any], Any]) -> NDArray[np.float64]:
        return episode_returns(player, knob.id, num_episodes, **kwargs)

    returns = {
        RANDOM: play(partial(RandomAgent, seed=0)),
        REFERENCE: play(partial(reference_observer, seed=0)),
    }
    for name, of_seeds in agents.items():
        able = [agent for agent in of_seeds if _can_play(agent, env)]
        if able:
            returns[name] = np.mean([play(partial(_itself, agent)) for agent in able], axis=0)
    trials = env.parameters.trials
    for name, found in returns.items():
        mean, low, high = _interval(found.mean() / trials, found.std(ddof=1) / trials, len(found))
        row = {"player": name, "reward_per_trial": mean, "low": low, "high": high}
        score = paired_score(found, returns[RANDOM], returns[REFERENCE])
        mean, low, high = _interval(score.value, score.standard_error)
        yield row | {"score": mean, "score_low": low, "score_high": high}


def _itself(agent: Agent, _: Any) -> Agent:
    return agent


def _can_play(agent: Any, env: Any) -> bool:
    spaces = ("observation_space", "action_space")
    return all(getattr(agent, name, None) in (None, getattr(env, name)) for name in spaces)


def _interval(value: float, sd: float, num: int = 1) -> tuple[float, float, float]:
    half = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) * sd / np.sqrt(num)
    return float(value), float(value - half), float(value + half)


def draw_difficulty(table: pd.DataFrame) -> Figure:
    """Return a figure with a panel per parameter and a line per player.

    Args:
        table: Rows of `difficulty_curve`, of one parameter or several.
    """
    panels = list(table.groupby(["task", "parameter"], sort=False))
    players = [p for p in table["player"].unique() if p not in (RANDOM, REFERENCE)]
    greys = {"marker": "", "color": IDEAL}
    look: dict[str, Any] = looks(["", *players]) | {
        RANDOM: greys | {"ls": ":"},
        REFERENCE: greys | {"ls": "--"},
    }
    labels = {(short(knob.id), knob.parameter): knob.label for knob in KNOBS}
    with style():
        columns = len(panels) if len(panels) % 2 else 2
        rows_of_panels = len(panels) // columns
        figure, axes = new_figure(columns, width=3.0, height=2.5, rows=rows_of_panels)
        for axis, ((task, parameter), rows) in zip(axes, panels, strict=True):
            values = list(rows["value"].unique())
            for player, row in rows.groupby("player", sort=False):
                x = [values.index(value) for value in row["value"]]
                spread: NDArray[np.float64] = np.abs(
                    row[["low", "high"]].to_numpy().T - row["reward_per_trial"].to_numpy()
                )
                axis.errorbar(
                    x, row["reward_per_trial"], spread, lw=1.2, ms=4, label=player, **look[player]
                )
            axis.set(title=task, xlabel=labels.get((task, parameter), parameter))
            axis.set_xticks(range(len(values)), [f"{value:g}" for value in values])
            _leave_out_far_below(axis, rows)
        for axis in axes[::columns]:
            axis.set_ylabel("reward per trial")
        legend_below(figure, axes, 3)
    return figure


def _leave_out_far_below(axis: Any, rows: pd.DataFrame) -> None:
    """Cut the axis off where random choices would squeeze the others; say what they reach."""
    random = rows["player"] == RANDOM
    low, high = rows.loc[~random, "low"].min(), rows.loc[~random, "high"].max()
    floor, reached = low - (high - low) / 2, rows.loc[random, "reward_per_trial"]
    if reached.min() < floor:
        axis.set_ylim(floor, high + (high - low) / 10)
        ends = dict.fromkeys(f"{value:.2f}" for value in (reached.min(), reached.max()))
        text = f"random choices, below: {' to '.join(ends)}"
        axis.text(0.03, 0.03, text, transform=axis.transAxes, fontsize=SMALL, color=IDEAL)


def shipped_difficulty(
    out: Path, knobs: Sequence[Knob] = KNOBS, num_episodes: int = EPISODES
) -> pd.DataFrame:
    """Play the shipped agents, and write ``difficulty.csv`` and ``difficulty.png``.

    Args:
        out: Directory, made if it does not exist.
        knobs: Parameters.
        num_episodes: Number of episodes for each value of a parameter, the same for everyone.
    """
    out.mkdir(parents=True, exist_ok=True)
    tables = []
    for knob in track(list(knobs), "difficulty"):
        agents: dict[str, list[Any]] = {}
        for learner, job, weights in jobs():
            if job.id == knob.id:
                agents.setdefault(LEARNERS[learner], []).append(load(weights, num_envs=1))
        with limited_threads(1):
            tables.append(difficulty_curve(knob, agents, num_episodes))
    table = pd.concat(tables, ignore_index=True)
    with replacing(out / "difficulty.csv") as new:
        table.to_csv(new, index=False, float_format="%.6g")
    with replacing(out / "difficulty.png") as new:
        draw_difficulty(table).savefig(new, format="png")
    return table


def main(words: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m neurotasks_baselines.suite.difficulty",
        description=(
            "Lets the shipped agents, trained with the tasks' own parameters, play easier and "
            "harder ones, next to random choices and the reference observer, and writes "
            "DIR/difficulty.csv and DIR/difficulty.png."
        ),
        epilog="Parameters: "
        + "; ".join(f"{knob.label} ({short(knob.id)})" for knob in KNOBS)
        + ". difficulty_curve() of this module takes any agents and any parameter.",
    )
    parser.add_argument(
        "out", type=Path, metavar="DIR", help="directory, made if it does not exist"
    )
    parser.add_argument(
        "--episodes",
        type=int,
        default=EPISODES,
        metavar="N",
        help="episodes for each value of a parameter (default: %(default)s)",
    )
    options = parser.parse_args(words)
    if options.episodes < 2:
        parser.error(f"--episodes must be at least 2, for an interval; got {options.episodes}")
    shipped_difficulty(options.out, num_episodes=options.episodes)


if __name__ == "__main__":
    main()
