"""The figure of the foraging task, in the layout of Fig. 2 of Wang et al. 2018."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotasks_baselines.experiments.base import Foils, Measures
from neurotasks_baselines.experiments.drawing import (
    draw_foils,
    draw_learning,
    draw_mean,
    legend_of_foils,
    mean_and_interval,
    reward_per_trial,
    titled,
)
from neurotasks_baselines.experiments.foraging_matching import (
    KINDS,
    LAGS,
    PLAYERS,
    UNBAITED,
    WIN_STAY,
    observe,
)
from neurotasks_baselines.experiments.foraging_switching import draw_switching
from neurotasks_baselines.experiments.foraging_units import draw_units
from neurotasks_baselines.plotting import (
    IDEAL,
    OURS,
    PUBLISHED,
    SMALL,
    letter_panels,
    new_figure,
    style,
)


def draw_matching(axis: Any, drawn: dict[str, list[float]]) -> None:
    """Draw the log ratios of the episodes, and strict matching."""
    held_out = np.array(drawn["held_out"], bool)
    reward, choice = np.array(drawn["reward"]), np.array(drawn["choice"])
    axis.plot([-6, 6], [-6, 6], ":", lw=1, color="black", label="matching")
    kinds = (("trained p0", ~held_out, OURS), ("held-out p0", held_out, PUBLISHED))
    for label, those, colour in kinds:
        axis.plot(reward[those], choice[those], ".", ms=3, alpha=0.6, color=colour, label=label)
    axis.set(xlabel="log2 reward ratio, right / left", ylabel="log2 choice ratio")
    axis.set(xlim=(-6.5, 6.5), ylim=(-6.5, 6.5))
    axis.legend(fontsize=SMALL, markerscale=2, loc="upper left")


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw matching, the history regressions, the units' correlations, and the learning curves."""
    with style():
        fig, axes = new_figure(3, width=4.0, height=3.4, rows=2)
        ends = np.array([-6, 6])
        draw_foils(axes[0], ends, lacking, lambda m: ends * np.array(m["slope"], float))
        draw_matching(axes[0], measures[0]["points"])
        foil = observe()[WIN_STAY]["slope"]
        axes[0].plot(ends, foil * ends, "--", lw=1, color="black", label=WIN_STAY)
        axes[0].legend(fontsize=SMALL, markerscale=2, loc="upper left")
        mean, *_ = mean_and_interval([m["slope"] for m in measures])
        axes[0].set_title(f"First seed; mean slope {mean:.2f} (n = {len(measures)})")
        for axis, kind in zip(axes[1:], KINDS, strict=False):
            draw_history(axis, kind, measures, lacking)
        players = {"Bayes": "Bayes", "matching": "matching", "takes arms not to fill up": UNBAITED}
        named = {label: observe()[name] for label, name in players.items()}
        draw_switching(axes[3], measures, named)
        axes[3].legend(fontsize=SMALL)
        axes[3].set_title(titled("Changing the arm", measures))
        draw_units(axes[4], measures)
        draw_learning(axes[5], [m["history"] for m in measures], reward_per_trial)
        for name, line in zip((*PLAYERS, WIN_STAY), ("--", "-.", ":", "-"), strict=True):
            reward = observe()[name]["reward_per_trial"]
            axes[5].axhline(reward, ls=line, lw=1, color="black", label=name)
        axes[5].set(ylabel="reward per trial", ylim=(0.3, 0.47))
        axes[5].legend(fontsize=SMALL, loc="lower right")
        axes[5].set_title(titled("Learning, whole range of p0", measures))
        letter_panels(axes)
        legend_of_foils(fig, lacking)
    return fig


def draw_history(axis: Any, kind: str, measures: list[Measures], lacking: Foils) -> None:
    """Draw the weights of past rewards or choices, and those of players of the same p0."""
    lags = np.arange(1, LAGS + 1)
    draw_foils(axis, lags, lacking, lambda m: m["weights"][kind])
    ours = [m["weights"][kind] for m in measures]
    draw_mean(axis, lags, ours, OURS, marker="o", ms=3, label="agents")
    bayes = np.mean([m["bayes"]["weights"][kind] for m in measures], axis=0)
    axis.plot(lags, bayes, ":", color="black", label="Bayes, same episodes")
    axis.plot(lags, observe()["matching"]["weights"][kind], "--", color=IDEAL, label="matching")
    axis.axhline(0, lw=0.5, color=IDEAL)
    axis.set(xlabel="trials ago", ylabel="weight on the choice")
    axis.legend(fontsize=SMALL)
    axis.set_title(titled(f"Past {kind}s", measures))
