"""Simulation 6 of Wang et al. 2018: dopamine stimulated and blocked in a choice under risk."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.utils import set_random_seed

from neurotasks.analysis.risky_choice import risk_preference
from neurotasks.episodes import Agent, Episodes, run_episodes
from neurotasks.observers import BayesRiskyChoice, RescorlaWagnerRiskyChoice
from neurotasks.observers.risky_choice import MANIPULATIONS
from neurotasks.scores import TEST_SEED
from neurotasks.tasks.risky_choice import LEFT, RIGHT
from neurotasks_baselines.agents.activations import Activations
from neurotasks_baselines.agents.interventions import Intervened, Intervention, WithoutMemory
from neurotasks_baselines.experiments.base import Agents, Experiment, Foils, Measures, Training
from neurotasks_baselines.experiments.claims import (
    REPORTED,
    Row,
    at_least,
    at_most,
    between,
    learned,
)
from neurotasks_baselines.experiments.drawing import (
    MARKS,
    draw_bars,
    draw_foils,
    draw_learning,
    legend_of_foils,
    mean_and_interval,
    reward_per_trial,
    titled,
)
from neurotasks_baselines.experiments.learners import NO_ACTION_INPUT
from neurotasks_baselines.plotting import OURS, SMALL, letter_panels, new_figure, style
from neurotasks_baselines.training.evaluate import held_out_envs

ID = "neurotasks/RiskyChoice-v0"
PROBABILITIES = (0.125, 0.5)
SAFE, RISKY = 1.0, 4.0  # what the arms pay
DIRECTION = "Stopper 2014; Wang 2018, Fig. 7 (direction, recalled)"
R_W = "computed: Rescorla-Wagner learner"
OBSERVER_EPISODES = 4000
CONDITIONS = ("control", "block risky reward", "block safe reward", "stimulate risky loss")
DOSES = (-1.0, -2.0)  # next to the -4 of the condition
WITHOUT_MEMORY = "the same agent without memory"
MEMORY_LOST = "memory lost instead of the intervention"
YOKED = "the same offsets, of another episode"
DISRUPTED = (
    "Whatever brings choices to chance lowers what was above it and raises what was below; the "
    "mean over both probabilities tells that apart."
)
OFFSETS = "The size of the offsets is that of one reproduction; the paper's is not known."

HALF_WAY = 0.75 / 2  # from no difference between probabilities to the ideal observer's

# Claims: findings of Fig. 7.

CLAIMS = (
    Row(
        "risky choices at p = 0.5, control",
        "risky.control.1",
        "about 0.75",
        "Wang 2018, Fig. 7 (as read by [IAR]); observer 0.79",
        between(0.6, 0.9),
        kind="number",
        foil=WITHOUT_MEMORY,
    ),
    Row(
        "risky choices at p = 0.125, control",
        "risky.control.0",
        "0.04 ideal",
        "computed: Bayesian observer",
        at_most(0.14),
        kind="reference",
        foil=WITHOUT_MEMORY,
    ),
    Row(
        "difference between p = 0.5 and 0.125",
        "difference",
        "0.75 ideal",
        "computed: Bayesian observer",
        between(0.65, 0.85),
        kind="reference",
        foil=WITHOUT_MEMORY,
    ),
    Row(
        "blocking risky rewards lowers risky choices, p = 0.5",
        "lowered_by_blocking_risky",
        "> 0",
        f"{DIRECTION}; {R_W} 0.49",
        at_least(0.15),
        kind="direction",
        foil=MEMORY_LOST,
        note=DISRUPTED,
    ),
    Row(
        "blocking safe rewards raises risky choices, p = 0.125",
        "raised_by_blocking_safe",
        "> 0",
        f"{DIRECTION}; {R_W} 0.31",
        at_least(0.10),
        kind="direction",
        foil=MEMORY_LOST,
        note=DISRUPTED,
    ),
    Row(
        "stimulating at risky losses raises risky choices, p = 0.125",
        "raised_by_stimulation",
        "> 0",
        f"{DIRECTION}; {R_W} 0.29",
        at_least(0.10),
        kind="direction",
        foil=MEMORY_LOST,
        note=DISRUPTED,
    ),
    Row(
        "blocking risky rewards: change of risky choices, mean of both probabilities",
        "change.block risky reward",
        "< 0",
        f"{DIRECTION}; {R_W} -0.29, the bound is half of it",
        at_most(-0.15),
        kind="direction",
        foil=YOKED,
        note=OFFSETS,
    ),
    Row(
        "blocking safe rewards: change of risky choices, mean of both probabilities",
        "change.block safe reward",
        "> 0",
        f"{DIRECTION}; {R_W} 0.26, the bound is half of it",
        at_least(0.13),
        kind="direction",
        foil=YOKED,
        note=(
            "Where the risky arm seldom pays nearly all rewards are safe ones, and offsets of "
            f"another episode meet many of them. {OFFSETS}"
        ),
        why={"ppo": "Offsets of another episode change choices by 0.135, just above the bound."},
    ),
    Row(
        "stimulating at risky losses: change of risky choices, mean of both probabilities",
        "change.stimulate risky loss",
        "> 0",
        f"{DIRECTION}; {R_W} 0.23, the bound is half of it",
        at_least(0.12),
        kind="direction",
        foil=MEMORY_LOST,
        note=OFFSETS,
    ),
    *(
        Row(
            f"blocking risky rewards lowers risky choices, p = 0.5, with an offset of {offset:g}",
            f"lowered_by_offset.{-offset:g}",
            "-",
            "ours",
            REPORTED,
            kind="reported",
            note=OFFSETS,
        )
        for offset in DOSES
    ),
    learned(
        f"risky choices at p = 0.5 less those at 0.125 at least {HALF_WAY:g}; chance has 0, the "
        "ideal observer 0.75",
        note="Half way in the fraction of better choices of free trials.",
    ),
    Row(
        "trials that an offset of zero changes",
        "zero_offset_differs",
        "none",
        "ours: effects arise through the RPE alone",
        at_most(0.0),
        kind="check",
    ),
)


Seen = NDArray[np.float32]


def intervention(condition: str, offset: float) -> Intervention:
    """Return a manipulation of the paper; the outcome of a choice is observed one step later."""
    action = slice(-4, -1)  # one-hot previous action: left, right, centre; then the reward

    def chose(seen: Seen) -> NDArray[np.bool_]:
        both = seen[:, action]
        return (both[:, LEFT] > 0) | (both[:, RIGHT] > 0)

    when = {
        "block risky reward": lambda seen: seen[:, -1] == RISKY,
        "block safe reward": lambda seen: seen[:, -1] == SAFE,
        "stimulate risky loss": lambda seen: chose(seen) & (seen[:, -1] == 0),
    }
    return Intervention(when[condition], offset)


def yoked(change: Intervention) -> Intervention:
    """Return an intervention that acts in each episode when it would in the one before."""
    return replace(change, when=lambda seen: np.roll(change.when(seen), 1))


INTERVENTIONS = {
    "control": (),
    "block risky reward": (intervention("block risky reward", -4.0),),
    "block safe reward": (intervention("block safe reward", -1.0),),
    "stimulate risky loss": (intervention("stimulate risky loss", 1.0),),
}


# Measure: frozen weights, the same episodes under every condition.


def measure(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Return the rate of risky choices under every condition, by the risky arm's probability."""
    model = agents["agent"]
    envs = held_out_envs(ID, {}, num_episodes)

    def play(agent: Agent) -> Any:
        set_random_seed(0)  # the agent's draws; the episodes are the same anyway
        return run_episodes(agent, envs, seed=seed).trials

    control = play(model)
    zero = play(Intervened(model, [intervention(name, 0.0) for name in CONDITIONS[1:]]))
    risky = {name: rates(play(Intervened(model, i))) for name, i in INTERVENTIONS.items()}
    offsets = {d: Intervened(model, [intervention("block risky reward", d)]) for d in DOSES}
    forgetful = rates(play(WithoutMemory(model)))
    changed = {name: i for name, i in INTERVENTIONS.items() if i}
    others = {n: rates(play(Intervened(model, [*map(yoked, i)]))) for n, i in changed.items()}
    return {
        "risky": risky,
        "dose": {f"{-offset:g}": rates(play(agent)) for offset, agent in offsets.items()},
        "zero_offset_differs": float((control != zero).any(axis=None)),
        "valid": float((control["choice"] >= 0).mean()),
        "reward_per_trial": float(control["trial_reward"].mean()),
        "foils": {
            WITHOUT_MEMORY: {"risky": dict.fromkeys(CONDITIONS, forgetful)},
            MEMORY_LOST: {"risky": {**risky, **dict.fromkeys(changed, forgetful)}},
            YOKED: {"risky": {**risky, **others}},
        },
        "history": model.description["history"],
    }


def measure_lacking(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Return the rates of an agent that lacks something.

    Without the inputs that tell when to intervene, under no other condition than control.
    """
    model = agents["agent"]
    task_kwargs = model.description["task_kwargs"]
    envs = held_out_envs(ID, task_kwargs, num_episodes)
    changes = INTERVENTIONS if "feedback" not in task_kwargs else {"control": ()}
    unknown = dict.fromkeys(CONDITIONS, [np.nan] * len(PROBABILITIES))
    found = {}
    for name, change in changes.items():
        set_random_seed(0)
        trials = run_episodes(Intervened(model, change), envs, seed=seed).trials
        found[name] = rates(trials)
    return {"risky": unknown | found}


def rates(trials: Any) -> list[float]:
    """Return the rate of risky choices in free trials at the two probabilities."""
    found = risk_preference(trials)["risky"]
    return [float(found.get(p, np.nan)) for p in PROBABILITIES]


def summary(episodes: Episodes, _: Activations) -> Measures:
    """Return the rates of risky choices, as claims name them."""
    return {"risky": {"control": rates(episodes.trials)}}


@cache
def observe() -> dict[str, list[float]]:
    """Return the same rates of the Bayesian observer and of the Rescorla-Wagner learner."""
    envs = held_out_envs(ID, {}, OBSERVER_EPISODES)
    players: dict[str, Any] = {"ideal": BayesRiskyChoice(envs, 0)}
    for name in CONDITIONS:
        players[name] = RescorlaWagnerRiskyChoice(envs, 0, **MANIPULATIONS[name])
    return {
        name: rates(run_episodes(player, envs, seed=TEST_SEED).trials)
        for name, player in players.items()
    }


def derive(m: Measures) -> Measures:
    """Return the differences of the rates between probabilities and conditions, and who learned."""
    rate = {name: np.array(m["risky"][name], float) for name in CONDITIONS}
    control = rate["control"]
    return {
        "difference": control[1] - control[0],
        "learned": control[1] - control[0] >= HALF_WAY,
        "lowered_by_blocking_risky": control[1] - rate["block risky reward"][1],
        "raised_by_blocking_safe": rate["block safe reward"][0] - control[0],
        "raised_by_stimulation": rate["stimulate risky loss"][0] - control[0],
        "change": {name: float((rate[name] - control).mean()) for name in CONDITIONS[1:]},
        "lowered_by_offset": {d: control[1] - found[1] for d, found in m.get("dose", {}).items()},
    }


# Figure: the layout of Fig. 7.


def figure(measures: list[Measures], lacking: Foils) -> Any:
    """Draw the rates under every condition, of the agents and of the learners, and learning."""
    with style():
        fig, axes = new_figure(2, width=4.4, height=3.4, rows=2)
        references = observe()
        places = np.arange(len(CONDITIONS), dtype=float)
        for axis, which in zip(axes, (1, 0), strict=False):

            def by_condition(m: Measures, which: int = which) -> list[float]:
                return [m["risky"][c][which] for c in CONDITIONS]

            draw_bars(axis, places, [by_condition(m) for m in measures], OURS)
            draw_foils(axis, places, lacking, by_condition, apart=0.14, **MARKS)
            look: Any = {"ls": "none", "ms": 5, "mfc": "white", "color": "black", "mew": 0.8}
            learner = [references[c][which] for c in CONDITIONS]
            axis.plot(places - 0.34, learner, marker="o", label="R-W learner", **look)
            for name, marker in ((WITHOUT_MEMORY, "^"), (YOKED, "P")):
                foils = [by_condition(m["foils"][name]) for m in measures]
                mean, *_ = mean_and_interval(foils)
                axis.plot(places + 0.34, mean, marker=marker, label=name, **look)
            axis.axhline(references["ideal"][which], ls=":", color="black", label="ideal observer")
            axis.set_xticks(places, [c.replace(" ", "\n") for c in CONDITIONS])
            axis.set(ylim=(0, 1.45), ylabel="P(risky), free trials")
            axis.set_title(titled(f"Risky arm pays in {100 * PROBABILITIES[which]:g} %", measures))
            axis.set_yticks(np.linspace(0, 1, 6))
        axes[1].legend(fontsize=SMALL, loc="upper left")
        for m in measures:
            curve = {0.0: m["risky"]["control"], -4.0: m["risky"]["block risky reward"]}
            curve |= {-float(dose): found for dose, found in m["dose"].items()}
            offsets = sorted(curve)
            rate = [curve[offset][1] for offset in offsets]
            axes[2].plot(offsets, np.array(rate, float), "o-", ms=3, color=OURS, lw=0.8)
        axes[2].set(xlabel="offset at risky rewards", ylabel="P(risky), p = 0.5", ylim=(0, 1.05))
        axes[2].set_title(titled("Dose, one line per seed", measures))
        draw_learning(axes[3], [m["history"] for m in measures], reward_per_trial)
        axes[3].set(ylabel="reward per trial")
        axes[3].set_title(titled("Learning, one line per seed", measures))
        letter_panels(axes)
        legend_of_foils(fig, lacking, **MARKS)
    return fig


EXPERIMENT = Experiment(
    name="risky-choice",
    title="Risky choice: dopamine stimulated and blocked",
    question=(
        "Does changing the RPE that reaches a trained policy network, weights frozen, change "
        "risk taking as stimulating and blocking dopamine does in rats?"
    ),
    trainings={"agent": Training(ID, summary=summary)},
    seeds=range(100, 120),
    lacking=True,
    able=[NO_ACTION_INPUT],  # forced trials show the side, and rewards tell the arms apart
    measure=measure,
    measure_lacking=measure_lacking,
    claims=CLAIMS,
    figure=figure,
    derive=derive,
)
