"""Simulation 3 of Wang et al. 2018: reward prediction errors that reflect inferred value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.analysis.rpe import aligned_rpes, td_errors
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.observers import CachedValueObserver, InferringObserver
from neurotasks.tasks.inferred_value import PENALTY, STIMULUS
from neurotasks_baselines.agents.activations import Activations, compute_activations
from neurotasks_baselines.agents.interventions import Clamp, Intervened
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.experiments.base import Agents, Experiment, Foils, Measures, Training
from neurotasks_baselines.experiments.claims import FOILS, Row, at_least, at_most, between, learned
from neurotasks_baselines.experiments.drawing import (
    MARKS,
    draw_bars,
    draw_foils,
    draw_learning,
    legend_of_foils,
    reward_per_trial,
    titled,
)
from neurotasks_baselines.experiments.learners import NO_ACTION_INPUT
from neurotasks_baselines.plotting import IDEAL, OURS, SMALL, letter_panels, new_figure, style
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


WITHOUT_MEMORY = "the same agent without memory"
BLIND = "the same agent without reward input"
CACHED = "learner of cached values"


# Claims: findings of Fig. 4.

SIGN = "The difference between rewarded and unrewarded targets, below, detects it."
CLAIMS = (
    Row("valid responses", "valid", "-", "ours", at_least(0.98), kind="check"),
    Row(
        "RPE at the target of trial 1, size of the mean",
        "first_rpe_size",
        "0",
        COMPUTED,
        at_most(0.1),
        kind="reference",
        foil=CACHED,
        note=(
            "A control: at this point no learner knows anything, whether or not it "
            "infers values, so agents that lack something may pass."
        ),
        lacking=False,
    ),
    Row(
        "RPE at the target of trial 2, experienced rewarded",
        "second.experienced rewarded",
        "+0.45",
        DIRECTION,
        between(0.3, 0.6),
        kind="reference",
        foil=WITHOUT_MEMORY,
    ),
    Row(
        "RPE at the target of trial 2, experienced unrewarded",
        "second.experienced unrewarded",
        "-0.45",
        DIRECTION,
        between(-0.6, -0.3),
        kind="reference",
        foil=BLIND,
        note=f"An agent that sees no reward takes every target it has met to be unrewarded. {SIGN}",
    ),
    Row(
        "RPE at the target of trial 2, inferred rewarded",
        "second.inferred rewarded",
        "+0.45",
        DIRECTION,
        between(0.3, 0.6),
        kind="reference",
        foil=BLIND,
        note=f"An agent that sees no reward takes every target it has not met to be rewarded. "
        f"{SIGN}",
    ),
    Row(
        "RPE at the target of trial 2, inferred unrewarded",
        "second.inferred unrewarded",
        "-0.45",
        DIRECTION,
        between(-0.6, -0.3),
        kind="reference",
        foil=WITHOUT_MEMORY,
        note=f"Without memory, every target is worth less than was expected before it. {SIGN}",
    ),
    Row(
        "RPE at the target of trial 2, rewarded less unrewarded, experienced targets",
        "effect.experienced",
        "0.9",
        DIRECTION,
        between(0.6, 1.2),
        kind="reference",
        foil=BLIND,
    ),
    Row(
        "RPE at the target of trial 2, rewarded less unrewarded, inferred targets",
        "effect.inferred",
        "0.9",
        DIRECTION,
        between(0.6, 1.2),
        kind="reference",
        foil=CACHED,
    ),
    Row(
        "effect of reward on the RPE, inferred / experienced targets (trials >= 2)",
        "inferred_share",
        "1",
        DIRECTION,
        between(0.8, 1.2),
        kind="reference",
        foil=CACHED,
    ),
    learned(
        f"RPE at the target of trial 2, rewarded less unrewarded, at least {REFERENCE:g} for "
        "experienced targets; chance has 0, perfect inference 0.9",
        note="All of the reward can be earned without memory.",
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
    """Let an agent play and return its RPEs at the target, next to those of observers and foils.

    The observers, and the agent without memory, see what the agent saw and did.
    """
    model = agents["agent"]
    episodes, activations = evaluate(model, num_episodes=num_episodes, seed=seed)
    envs = held_out_envs(ID, model.description["task_kwargs"], num_episodes)
    blind = Intervened(model, [Clamp("reward", 0.0)], envs)
    unpaid = run_episodes(blind, envs, seed=seed)

    def of_values(values: NDArray[np.float64]) -> Measures:
        return target_rpes(episodes, td_errors(episodes, values, model.gamma))

    return {
        "valid": valid_responses(episodes),
        **target_rpes(episodes, activations.rpe),
        "inferring": of_values(InferringObserver(envs).values(episodes, model.gamma)),
        FOILS: {
            CACHED: of_values(CachedValueObserver(envs).values(episodes, model.gamma)),
            WITHOUT_MEMORY: of_values(values_without_memory(model, episodes)),
            BLIND: target_rpes(unpaid, compute_activations(model, blind.seen(unpaid)).rpe),
        },
        "history": model.description["history"],
    }


def measure_lacking(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Return the RPEs of an agent that lacks something."""
    episodes, activations = evaluate(agents["agent"], num_episodes=num_episodes, seed=seed)
    return {"valid": valid_responses(episodes), **target_rpes(episodes, activations.rpe)}


def values_without_memory(model: FusedRecurrentPPO, episodes: Episodes) -> NDArray[np.float64]:
    """Return the values of an agent that sees each observation as the first of an episode."""
    one_step = (1, episodes.alive.size)
    apart = replace(
        episodes,
        observations=episodes.observations.reshape(*one_step, -1),
        alive=episodes.alive.reshape(one_step),
        rewards=episodes.rewards.reshape(one_step),
    )
    return compute_activations(model, apart).values.reshape(episodes.alive.shape)


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


def summary(episodes: Episodes, activations: Activations) -> Measures:
    """Return the mean RPEs at the target, as claims name them."""
    return target_rpes(episodes, activations.rpe)


def inferred_share(rpes: dict[str, float]) -> float:
    """Return the effect of reward on the RPE, for inferred relative to experienced targets.

    Args:
        rpes: Mean RPEs by `KINDS`.

    Returns:
        Ratio of the effects: 1 if inferred value counts as much as experienced value, 0 if not at
        all, NaN without an effect on experienced targets.
    """
    experienced = effect_of_reward(rpes, "experienced")
    return effect_of_reward(rpes, "inferred") / experienced if experienced else np.nan


def effect_of_reward(rpes: dict[str, float], known: str) -> float:
    """Return the RPE at rewarded targets less that at unrewarded ones, of a kind of target."""
    return rpes[f"{known} rewarded"] - rpes[f"{known} unrewarded"]


def derive(m: Measures) -> Measures:
    """Return the size of the first RPE, effects of reward, share of inferred value, who learned."""
    effect = {kind: effect_of_reward(m["second"], kind) for kind in ("experienced", "inferred")}
    return {
        "first_rpe_size": abs(m["first"]),
        "effect": effect,
        "inferred_share": inferred_share(m["later"]),
        "learned": effect["experienced"] >= REFERENCE,
    }


# Figure: RPEs by kind of target, those of the agent next to those of the two observers.


COLOURS, FOIL_COLOURS = (OURS, "#8fc1d4"), (IDEAL, "#c8c8c8")  # rewarded, unrewarded
PLACES = np.array([0.0, 1.5, 2.4, 3.9, 4.8])  # of the first trial, and of KINDS in the second


def drawn(rpes: Measures) -> list[float]:
    """Return the RPEs that are drawn at `PLACES`."""
    return [rpes["first"], *(rpes["second"][kind] for kind in KINDS)]


def draw_rpes(axis: Any, rpes: list[Measures], colours: tuple[str, str] = COLOURS) -> None:
    """Draw RPEs at the target: bars for the mean, dots for seeds, dotted the reference."""
    draw_bars(axis, PLACES, [drawn(r) for r in rpes], [IDEAL, *colours * 2])
    for place, sign in zip(PLACES, (0, 1, -1, 1, -1), strict=True):
        axis.plot([place - 0.45, place + 0.45], [sign * REFERENCE] * 2, ":", color="black")
    axis.axhline(0, lw=0.5, color="black")
    axis.set_xticks([0, 1.95, 4.35], ["trial 1", "experienced\ntrial 2", "inferred\ntrial 2"])
    axis.set(ylim=(-0.75, 0.75), ylabel="RPE at the target")


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw the RPEs of agent, observer and foils, and the learning curves."""
    with style():
        fig, axes = new_figure(3, rows=2)
        panels = {
            "Agent": measures,
            "Observer that infers values": [m["inferring"] for m in measures],
            "Foil: cached values": [m[FOILS][CACHED] for m in measures],
            "Foil: without memory": [m[FOILS][WITHOUT_MEMORY] for m in measures],
            "Foil: without reward input": [m[FOILS][BLIND] for m in measures],
        }
        for axis, (title, rpes) in zip(axes, panels.items(), strict=False):
            grey = title.startswith("Foil")
            draw_rpes(axis, rpes, FOIL_COLOURS if grey else COLOURS)
            axis.set_title(titled(title, rpes))
        draw_foils(axes[0], PLACES, lacking, drawn, apart=0.2, **MARKS)
        handles = [axes[0].patches[i] for i in (1, 2)]
        axes[0].legend(handles, ["rewarded", "unrewarded"], fontsize=SMALL, loc="upper left")
        draw_learning(axes[5], [m["history"] for m in measures], reward_per_trial)
        axes[5].axhline(EXPECTED_REWARD, ls=":", color="black")
        axes[5].set(ylabel="reward per trial", ylim=(-0.5, 0.6))
        axes[5].set_title(titled("Learning to respond", measures))
        letter_panels(axes)
        legend_of_foils(fig, lacking, **MARKS)
    return fig


EXPERIMENT = Experiment(
    name=NAME,
    title="Inferred value: knowing what pays without having been paid",
    question=(
        "Do the agent's prediction errors reflect the value of a target that it has not met yet "
        "but can infer from the other one, as the responses of monkeys' dopamine neurons do?"
    ),
    trainings={"agent": Training(ID, metrics=Metrics(metrics, plot), summary=summary)},
    seeds=range(100, 120),
    algorithms=("a2c", "ppo"),
    lacking=True,
    # the target that is shown tells the valid response, and which one is paid for
    able=[NO_ACTION_INPUT],
    measure=measure,
    measure_lacking=measure_lacking,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "RPE of the agents when the target appears: in the first trial, and in the second "
        "one by whether the target is the one that was met in the first trial (experienced) "
        "or the other (inferred). Dotted lines are expected of whoever knows both values.",
        "The same of an observer that infers the value of one target from that of the other.",
        "The same of a learner that knows only the values of targets it has met.",
        "The same of the agents with their memory erased at every step.",
        "The same of the agents with their reward input held at 0.",
        "Reward in held-out episodes over the training; dotted, the most that can be expected.",
    ),
    derive=derive,
)
