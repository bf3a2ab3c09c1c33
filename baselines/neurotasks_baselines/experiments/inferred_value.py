"""Simulation 3 of Wang et al. 2018: reward prediction errors that reflect inferred value."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotasks.analysis.rpe import aligned_rpes, td_errors
from neurotasks.episodes import Episodes
from neurotasks.observers import CachedValueObserver, InferringObserver
from neurotasks.tasks.inferred_value import PENALTY, STIMULUS
from neurotasks_baselines.agents.activations import Activations
from neurotasks_baselines.experiments.base import Agents, Experiment, Measures, Training
from neurotasks_baselines.experiments.claims import Row, at_least, at_most, between
from neurotasks_baselines.plotting import IDEAL, OURS, new_figure, style
from neurotasks_baselines.training.callbacks import Metrics
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs

NAME, ID = "inferred-value", "neurotasks/InferredValue-v0"
KINDS = tuple(
    f"{known} {paid}"
    for known in ("experienced", "inferred")
    for paid in ("rewarded", "unrewarded")
)
# The target is seen one step before its reward in every layout of the task, so that gamma counts
# once in trials of four steps as of two: 0.9 * (1 - 0.5).
REFERENCE = 0.45
COMPUTED = "computed: perfect inference at gamma 0.9, target and reward one step apart"
DIRECTION = "Wang 2018, Fig. 4 (direction); " + COMPUTED
EXPECTED_REWARD = 0.5  # per trial, if all responses are valid


# Claims: findings of Fig. 4.

CLAIMS = (
    Row("valid responses", "valid", "-", "ours", at_least(0.98), kind="check"),
    Row(
        "RPE at the target of trial 1, size of the mean",
        "first_rpe_size",
        "0",
        COMPUTED,
        at_most(0.1),
        kind="reference",
    ),
    Row(
        "RPE at the target of trial 2, experienced rewarded",
        "rpes.agent.second.experienced rewarded",
        "+0.45",
        DIRECTION,
        between(0.3, 0.6),
        kind="direction",
    ),
    Row(
        "RPE at the target of trial 2, experienced unrewarded",
        "rpes.agent.second.experienced unrewarded",
        "-0.45",
        DIRECTION,
        between(-0.6, -0.3),
        kind="direction",
    ),
    Row(
        "RPE at the target of trial 2, inferred rewarded",
        "rpes.agent.second.inferred rewarded",
        "+0.45",
        DIRECTION,
        between(0.3, 0.6),
        kind="direction",
    ),
    Row(
        "RPE at the target of trial 2, inferred unrewarded",
        "rpes.agent.second.inferred unrewarded",
        "-0.45",
        DIRECTION,
        between(-0.6, -0.3),
        kind="direction",
    ),
    Row(
        "effect of reward on the RPE, inferred / experienced targets (trials >= 2)",
        "inferred_share",
        "1",
        DIRECTION,
        at_least(0.8),
        kind="direction",
    ),
    Row(
        "the same of a learner of cached values, size",
        "cached_share_size",
        "0",
        "computed: cached values, learning rate 1",
        at_most(0.1),
        kind="reference",
    ),
)


# Evaluation metrics, shown by TensorBoard during training.


def metrics(episodes: Episodes) -> dict[str, float]:
    """Return the reward per trial and how many responses are valid."""
    return {
        "reward_per_trial": float(episodes.trials["trial_reward"].mean()),
        "valid": valid_responses(episodes),
    }


def plot(episodes: Episodes, activations: Activations) -> Any:
    """Draw the RPEs at the target of one evaluation."""
    with style():
        figure, axes = new_figure(1)
        draw_rpes(axes[0], [target_rpes(episodes, activations.rpe)])
    return figure


# Measure: frozen weights, held-out episodes.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Let an agent play and return its RPEs at the target, next to those of two observers.

    The observers see what the agent saw and did.
    """
    model = agents["agent"]
    episodes, activations = evaluate(model, num_episodes=num_episodes, seed=seed)
    envs = held_out_envs(ID, model.description["task_kwargs"], 1)
    rpes = {"agent": activations.rpe}
    for name, observer in (("inferring", InferringObserver), ("cached", CachedValueObserver)):
        values = observer(envs).values(episodes, model.gamma)
        rpes[name] = td_errors(episodes, values, model.gamma)
    return {
        "valid": valid_responses(episodes),
        "rpes": {name: target_rpes(episodes, rpe) for name, rpe in rpes.items()},
        "history": model.description["history"],
    }


def valid_responses(episodes: Episodes) -> float:
    """Return the fraction of the responses to the fixation cue or a target that are valid."""
    asked = episodes.alive & (episodes.truth["stage"] <= STIMULUS)
    return float((episodes.rewards[asked] > PENALTY).mean())


def target_rpes(episodes: Episodes, rpe: np.ndarray) -> dict[str, Any]:
    """Return the mean RPEs at the onset of the target.

    Args:
        episodes: Episodes of the task.
        rpe: RPE of each step, (steps, num_envs).

    Returns:
        ``first``, the mean over first trials; ``second`` and ``later`` (all from the second on),
        means by `KINDS`, NaN where there was no such trial.
    """
    rpes = aligned_rpes(episodes, rpe, STIMULUS)
    known = np.where(rpes["experienced"], "experienced ", "inferred ")
    rpes["kind"] = known + np.where(rpes["rewarded_target"], "rewarded", "unrewarded")

    def by_kind(rows: Any) -> dict[str, float]:
        means = rpes[rows].groupby("kind")["rpe"].mean()
        return {kind: float(means.get(kind, np.nan)) for kind in KINDS}

    return {
        "first": float(rpes["rpe"][rpes["trial"] == 0].mean()),
        "second": by_kind(rpes["trial"] == 1),
        "later": by_kind(rpes["trial"] >= 1),
    }


def inferred_share(rpes: dict[str, float]) -> float:
    """Return the effect of reward on the RPE, for inferred relative to experienced targets.

    Args:
        rpes: Mean RPEs by `KINDS`.

    Returns:
        Ratio of the effects: 1 if inferred value counts as much as experienced value, 0 if not at
        all, NaN without an effect on experienced targets.
    """
    experienced, inferred = (
        rpes[f"{known} rewarded"] - rpes[f"{known} unrewarded"]
        for known in ("experienced", "inferred")
    )
    return inferred / experienced if experienced else np.nan


def derive(m: Measures) -> Measures:
    """Return the size of the first RPE, and the shares of inferred value."""
    rpes = m["rpes"]
    return {
        "first_rpe_size": abs(rpes["agent"]["first"]),
        "inferred_share": inferred_share(rpes["agent"]["later"]),
        "cached_share_size": abs(inferred_share(rpes["cached"]["later"])),
    }


# Figure: RPEs by kind of target, those of the agent next to those of the two observers.


def draw_rpes(axis: Any, rpes: list[dict[str, Any]]) -> None:
    """Draw RPEs at the target: bars for the median, dots for seeds, dotted the reference."""
    places = np.array([0.0, 1.5, 2.4, 3.9, 4.8])
    values = np.array([[r["first"], *(r["later"][kind] for kind in KINDS)] for r in rpes])
    colours = [IDEAL, *[OURS, "#8fc1d4"] * 2]
    axis.bar(places, np.nan_to_num(np.median(values, axis=0)), 0.8, color=colours)
    for row in values:
        axis.plot(places, row, "o", ms=2.5, color="black", alpha=0.5)
    for place, sign in zip(places, (0, 1, -1, 1, -1), strict=True):
        axis.plot([place - 0.45, place + 0.45], [sign * REFERENCE] * 2, ":", color="black")
    axis.axhline(0, lw=0.5, color="black")
    axis.set_xticks([0, 1.95, 4.35], ["trial 1", "experienced", "inferred"])
    axis.set(ylim=(-0.75, 0.75), ylabel="RPE at the target")
    axis.set_xlabel("                    from trial 2 on")


def figure(measures: list[Measures]) -> Any:
    """Draw the RPEs of agent and observers, and the learning curves."""
    with style():
        fig, axes = new_figure(4)
        titles = {
            "agent": "Agent",
            "inferring": "Observer that infers values",
            "cached": "Learner that caches values",
        }
        for axis, (name, title) in zip(axes, titles.items(), strict=False):
            draw_rpes(axis, [m["rpes"][name] for m in measures])
            axis.set_title(title)
        handles = [axes[0].patches[i] for i in (1, 2)]
        axes[0].legend(handles, ["rewarded", "unrewarded"], fontsize=7, loc="upper left")
        for m in measures:
            steps = [row["steps"] / 1e6 for row in m["history"]]
            reward = [row["reward_per_trial"] for row in m["history"]]
            axes[3].plot(steps, reward, color=OURS, lw=0.8)
        axes[3].axhline(EXPECTED_REWARD, ls=":", color=IDEAL)
        axes[3].set(xlabel="million steps", ylabel="reward per trial", ylim=(-0.5, 0.6))
        axes[3].set_title("Learning to respond")
    return fig


EXPERIMENT = Experiment(
    name=NAME,
    title="Inferred value: what was never paid is known to pay",
    question=(
        "Do the agent's prediction errors reflect the value of a target it has not met yet, "
        "inferred from the other one, as those of monkeys' dopamine neurons do?"
    ),
    trainings={"agent": Training(ID, metrics=Metrics(metrics, plot))},
    seeds=range(5),
    measure=measure,
    claims=CLAIMS,
    figure=figure,
    derive=derive,
)
