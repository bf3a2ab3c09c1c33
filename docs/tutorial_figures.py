"""Makes the figures of docs/distributional_code.md: `python docs/tutorial_figures.py [DIR]`.

The page shows the code between the markers.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from neurotasks.observers.expectiles import expectiles
from neurotasks_baselines.dopamine.decoding import decode, distance
from neurotasks_baselines.dopamine.figures import (
    draw_asymmetry,
    draw_decoded,
    draw_responses,
    draw_split_half,
    estimate,
)
from neurotasks_baselines.dopamine.neurons import MAGNITUDES, PROBABILITIES, distributional
from neurotasks_baselines.dopamine.responses import simulate_responses, trial_counts
from neurotasks_baselines.dopamine.statistics import correlate
from neurotasks_baselines.plotting import IDEAL, OURS, PUBLISHED, new_figure, style

DPI = 100


def learning(folder: Path) -> None:
    """Draw what three neurons learn from the same rewards."""
    # --8<-- [start:learning]
    rng = np.random.default_rng(0)
    rewards = rng.choice(MAGNITUDES, size=2000, p=PROBABILITIES)
    taus = np.array([0.1, 0.5, 0.9])
    values = np.zeros((len(rewards) + 1, 3))
    for t, reward in enumerate(rewards):
        rpe = reward - values[t]
        alpha = np.where(rpe > 0, taus, 1 - taus)  # alpha+ and alpha-
        values[t + 1] = values[t] + 0.02 * alpha * rpe
    # --8<-- [end:learning]
    figure, (axis,) = new_figure(1, width=5)
    for value, tau, colour in zip(values.T, taus, (IDEAL, OURS, PUBLISHED), strict=True):
        axis.plot(value, color=colour, lw=1, label=f"tau = {tau}")
        axis.axhline(expectiles(MAGNITUDES, PROBABILITIES, tau), color=colour, ls=":")
    axis.set(xlabel="trial", ylabel="value (ul)")
    axis.legend(fontsize=7, ncols=3)
    figure.savefig(folder / "learning.png", dpi=DPI)


def code(folder: Path) -> dict[str, float]:
    """Draw a population, its responses, what is estimated and what is decoded.

    Returns:
        The numbers the page quotes.
    """
    # --8<-- [start:population]
    rng = np.random.default_rng(0)
    neurons = distributional(rng, (40,))
    exact = expectiles(MAGNITUDES, PROBABILITIES, neurons.tau)
    # --8<-- [end:population]
    figure, (axis,) = new_figure(1, width=5)
    order = neurons.tau.argsort()
    axis.plot(neurons.tau[order], exact[order], color=IDEAL, label="exact expectile")
    axis.plot(neurons.tau, neurons.value, "o", ms=3, color=OURS, label="learned value")
    axis.set(xlabel="tau", ylabel="value (ul)")
    axis.legend(fontsize=7)
    figure.savefig(folder / "expectiles.png", dpi=DPI)

    # --8<-- [start:responses]
    neurons = replace(neurons, floor=0.0)
    responses = simulate_responses(rng, neurons, MAGNITUDES, trial_counts(rng, 40))
    found = estimate(responses, MAGNITUDES, rng)
    # --8<-- [end:responses]
    figure, axes = new_figure(2)
    draw_responses(axes[0], MAGNITUDES, found.means, found.points)
    draw_split_half(axes[1], found.first, found.second)
    figure.savefig(folder / "responses.png", dpi=DPI)

    figure, axes = new_figure(2)
    axes[0].axline((0, 0), slope=1, lw=0.5, color=IDEAL)
    axes[0].plot(neurons.tau, found.taus, "o", ms=3, color=OURS)
    axes[0].set(xlabel="tau of learning", ylabel="tau estimated")
    draw_asymmetry(axes[1], found.second_taus, found.first)
    figure.savefig(folder / "asymmetry.png", dpi=DPI)

    # --8<-- [start:decoding]
    known = np.isfinite(found.taus)
    points, taus = found.points[known], found.taus[known]
    decoded = decode(points, taus, rng)
    shuffled = decode(points, rng.permutation(taus), rng)
    # --8<-- [end:decoding]
    figure, (axis,) = new_figure(1, width=5)
    samples = {"decoded": decoded.samples, "tau shuffled over neurons": shuffled.samples}
    draw_decoded(axis, samples, MAGNITUDES, PROBABILITIES)
    figure.savefig(folder / "decoded.png", dpi=DPI)
    return {
        "reversal points of two halves, R": float(correlate(found.first, found.second).r),
        "estimated and true tau, R": float(correlate(found.taus, neurons.tau).r),
        "asymmetry and reversal point, R": float(correlate(found.second_taus, found.first).r),
        "loss": decoded.loss,
        "loss, shuffled": shuffled.loss,
        "distance (ul)": distance(decoded.samples),
        "distance, shuffled (ul)": distance(shuffled.samples),
    }


def main(folder: Path) -> dict[str, float]:
    """Write all figures to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with style():
        learning(folder)
        return code(folder)


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "figures"
    for name, value in main(place).items():
        sys.stdout.write(f"{name}: {value:.3g}\n")
