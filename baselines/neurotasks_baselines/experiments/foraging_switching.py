"""Why agents alternate in the foraging task: when they leave the arm that they chose last."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotasks.observers import BayesForaging
from neurotasks_baselines.experiments.base import Measures
from neurotasks_baselines.experiments.drawing import draw_mean
from neurotasks_baselines.plotting import IDEAL, OURS

EDGES = np.array([-0.5, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.3, 0.5])
"""Bins of the lead: how much likelier to pay the other arm is than the one chosen last."""
MIDDLES = (EDGES[1:] + EDGES[:-1]) / 2


class UnbaitedForaging(BayesForaging):
    """Infers p0 as `BayesForaging` does, and takes an arm to pay with it whenever it is chosen."""

    def learn(self, memory: Any, choice: NDArray[np.int64], reward: NDArray[np.float64]) -> None:
        """Apply Bayes' rule to the outcome; nothing fills up."""
        super().learn(memory, choice, reward)
        memory["empty"] = 1 - self.p0


def switching(trials: pd.DataFrame) -> Measures:
    """Return how often the arm is changed, and how that depends on what the other arm holds.

    Args:
        trials: Trial table.

    Returns:
        ``p_switch``, the rate of all trials that follow a choice; ``switching``, the rate where the
        other arm is the likelier one to pay less that where it is not; ``switch_curve``, the rates
        in the bins of `EDGES`, NaN in empty ones.
    """
    last = trials.groupby(["env", "episode"])["choice"].shift(fill_value=-1)
    pairs = trials[(last >= 0) & (trials["choice"] >= 0)]
    last = last[pairs.index]
    switched = (pairs["choice"] != last).astype(float)
    lead = (pairs["p_baited_1"] - pairs["p_baited_0"]) * (1 - 2 * last)
    bins = pd.cut(lead, EDGES, labels=False)
    curve = switched.groupby(bins).mean().reindex(range(len(MIDDLES)))
    return {
        "p_switch": float(switched.mean()),
        "switching": float(switched[lead > 0].mean() - switched[lead < 0].mean()),
        "switch_curve": curve.round(4).tolist(),
    }


def draw_switching(axis: Any, measures: list[Measures], players: dict[str, Measures]) -> None:
    """Draw the rates by lead, of the agents and of players whose strategy is known."""
    curves = [m["switch_curve"] for m in measures]
    draw_mean(axis, MIDDLES, curves, OURS, marker="o", ms=3, label="agents")
    looks = (":", "black"), ("--", IDEAL), ("-.", IDEAL)
    for (name, player), (line, colour) in zip(players.items(), looks, strict=True):
        axis.plot(MIDDLES, player["switch_curve"], line, color=colour, lw=1.2, label=name)
    axis.axvline(0, lw=0.5, color=IDEAL)
    axis.set(xlabel="P(other arm pays) - P(last arm pays)", ylabel="P(switch)", ylim=(0, 1.05))
