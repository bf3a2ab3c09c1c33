"""What the recurrent state holds in the bandits, in its first two components (Fig. 1e, f)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from neurotasks.episodes import Episodes
from neurotasks_baselines.agents.activations import Activations
from neurotasks_baselines.experiments.base import Measures

SAMPLE = 600  # recurrent states that are drawn


def states_and_beliefs(episodes: Episodes, activations: Activations) -> Measures:
    """Return the first two principal components of the recurrent state and the belief.

    Returns:
        ``states``, a sample of PC 1, PC 2 and the ideal observer's belief that the right arm is
        the better one; ``belief_r2``, how much of the belief the two explain linearly.
    """
    right, paid = episodes.actions == 1, episodes.rewards == 1
    outcomes = np.stack([~right & paid, ~right & ~paid, right & paid, right & ~paid])
    counts = outcomes.cumsum(axis=1) - outcomes  # before the choice, as the state is
    units = components(activations.hidden.reshape(-1, activations.hidden.shape[-1]))
    drawn = np.random.default_rng(0).choice(len(units), min(SAMPLE, len(units)), replace=False)
    belief = p_right_better(*counts.reshape(4, -1)[:, drawn])
    states, r2 = explained(units[drawn], belief)
    return {"states": states, "belief_r2": r2}


def final_states(episodes: Episodes, activations: Activations) -> Measures:
    """Return the first two principal components of the state at the last trial, across problems.

    Returns:
        ``states``, PC 1, PC 2 and the right arm's probability in each episode; ``r2``, how much of
        the probability the two explain linearly.
    """
    states, r2 = explained(components(activations.hidden[-1]), episodes.truth["p"][-1, :, 1])
    return {"states": states, "r2": r2}


def components(units: NDArray[Any]) -> NDArray[np.float64]:
    """Return the first two principal components of states, (states, 2)."""
    centred = units.astype(np.float64) - units.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(np.cov(centred.T))  # the largest variance comes last
    return np.asarray(centred @ axes[:, [-1, -2]])


def explained(
    states: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[list[list[float]], float]:
    """Return states with the values they go with, and how much of these they explain linearly.

    Args:
        states: Two components, (states, 2).
        values: Probabilities, (states,).

    Returns:
        Both components, signed so that they grow with the values, and the values; R2.
    """
    states = states * np.where(states.T @ (values - 0.5) < 0, -1, 1)  # the signs are arbitrary
    design = np.column_stack([np.ones(len(states)), states])
    error = values - design @ np.linalg.lstsq(design, values)[0]
    drawn = np.column_stack([states, values]).T.round(3).tolist()
    return drawn, float(1 - error.var() / values.var())


def p_right_better(
    left_wins: Any, left_losses: Any, right_wins: Any, right_losses: Any
) -> NDArray[np.float64]:
    """Return the ideal observer's P(p right > p left) on independent problems.

    Args:
        left_wins: Numbers of rewarded choices of the left arm, (n,).
        left_losses: Numbers of unrewarded choices of the left arm, (n,).
        right_wins: Numbers of rewarded choices of the right arm, (n,).
        right_losses: Numbers of unrewarded choices of the right arm, (n,).

    Returns:
        Probabilities, (n,), accurate to 1e-3.
    """
    middles = (np.arange(400) + 0.5) / 400
    counts = (np.asarray(x)[:, None] for x in (left_wins, left_losses, right_wins, right_losses))
    a, b, c, d = counts
    density = stats.beta.pdf(middles, 1 + c, 1 + d)
    below = stats.beta.cdf(middles, 1 + a, 1 + b)
    return np.asarray((density * below).sum(axis=1) / density.sum(axis=1))


def draw_states(figure: Any, axis: Any, states: list[list[float]], label: str) -> None:
    """Draw two components of the recurrent state, coloured by a probability."""
    first, second, value = states
    points = axis.scatter(first, second, 3, value, cmap="coolwarm", vmin=0, vmax=1)
    figure.colorbar(points, label=label, ticks=[0, 0.5, 1])
    axis.set(xlabel="PC 1 of the LSTM", ylabel="PC 2")
