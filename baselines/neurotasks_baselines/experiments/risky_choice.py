"""Simulation 6 of Wang et al. 2018: dopamine stimulated and blocked in a choice under risk."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.utils import set_random_seed

from neurotasks.episodes import Agent, Episodes, run_episodes
from neurotasks_baselines.agents.activations import Activations
from neurotasks_baselines.agents.interventions import Intervened, WithoutMemory
from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.experiments.base import Agents, Experiment, Measures, Training
from neurotasks_baselines.experiments.claims import (
    FOILS,
    REPORTED,
    Row,
    at_least,
    at_most,
    between,
    learned,
)
from neurotasks_baselines.experiments.learners import NO_ACTION_INPUT
from neurotasks_baselines.experiments.risky_choice_conditions import (
    CONDITIONS,
    INTERVENTIONS,
    WITHOUT_MEMORY,
    YOKED,
    intervention,
    yoked,
)
from neurotasks_baselines.experiments.risky_choice_doses import (
    ID,
    PROBABILITIES,
    SIZES,
    Change,
    dose_curves,
    dose_order,
    rates,
    value_shifts,
)
from neurotasks_baselines.experiments.risky_choice_figure import figure
from neurotasks_baselines.training.evaluate import held_out_envs

DIRECTION = "Stopper 2014; Wang 2018, Fig. 7 (direction, recalled)"
R_W = "computed: Rescorla-Wagner learner"
SMALLER = {1: 0.25, 2: 0.5}  # offsets at risky rewards that are reported, and their sizes
DOSE_EPISODES = 3  # factor by which fewer episodes are played with each size of an offset
IN_CRITIC = "the same offsets in the critic's reward input"
MEMORY_LOST = "memory lost instead of the intervention"
DISRUPTED = (
    "Anything that drives choices towards chance lowers rates above chance and raises "
    "those below it; the mean over both probabilities reveals this."
)
OFFSETS = "The size of the offsets comes from a single reproduction; the paper's is not known."

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
        why={"a2c": "13 of 20 agents take the risk in 16 to 49 % of trials."},
    ),
    Row(
        "difference between p = 0.5 and 0.125",
        "difference",
        "0.75 ideal",
        "computed: Bayesian observer",
        between(0.65, 0.85),
        kind="reference",
        foil=WITHOUT_MEMORY,
        why={
            "a2c": "Nine of 20 agents differ by less than 0.65, six of them by less than 0.5: they "
            "take risks that seldom pay."
        },
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
            "Where the risky arm seldom pays, nearly all rewards are safe ones, so that many "
            f"offsets taken from another episode fall on safe rewards, too. {OFFSETS}"
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
            f"blocking risky rewards lowers risky choices, p = 0.5, with an offset of -{offset}",
            f"lowered_by_offset.{offset}",
            "-",
            "ours",
            REPORTED,
            kind="reported",
            note=OFFSETS,
        )
        for offset in SMALLER
    ),
    *(
        Row(
            f"rank correlation of risky choices with the size of the offset: {words}",
            f"dose_order.{name}",
            f"{'<' if sign < 0 else '>'} 0 ({sign} Rescorla-Wagner learner)",
            f"{DIRECTION}; the curve and the bound are ours",
            at_most(-0.9) if sign < 0 else at_least(0.9),
            kind="direction",
            foil=YOKED,
            note=(
                f"Over {len(SIZES)} offsets from 0 to twice that of the condition, mean of both "
                "probabilities; two pairs of neighbours may swap places."
            ),
        )
        for name, words, sign in (
            ("block risky reward", "blocking risky rewards", -1),
            ("block safe reward", "blocking safe rewards", 1),
            ("stimulate risky loss", "stimulating at risky losses", 1),
        )
    ),
    learned(
        f"risky choices at p = 0.5 less those at 0.125 at least {HALF_WAY:g}; chance has 0, the "
        "ideal observer 0.75",
        note="This is half way in the fraction of better choices in free trials.",
    ),
    Row(
        "trials that an offset of zero changes",
        "zero_offset_differs",
        "none",
        "ours: effects arise through the RPE alone",
        at_most(0.0),
        kind="check",
    ),
    Row(
        "largest change of the critic's values by all three interventions, on the same history",
        "value_shift",
        "none",
        "ours: the offsets reach the actor's network only",
        at_most(1e-3),
        kind="check",
        note="While the agent plays, compared with the critic shown the same actions and rewards.",
    ),
    Row(
        "the same, were the offsets in the critic's reward input",
        f"{FOILS}.{IN_CRITIC}.value_shift",
        "-",
        "ours",
        REPORTED,
        kind="reported",
    ),
)


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
    forgetful = rates(play(WithoutMemory(model)))
    changed = {name: i for name, i in INTERVENTIONS.items() if i}
    others = {n: rates(play(Intervened(model, [*map(yoked, i)]))) for n, i in changed.items()}
    own, in_critic = value_shifts(model, [i for (i,) in changed.values()], num_episodes, seed)
    return {
        "risky": risky,
        "doses": doses(model, num_episodes, seed),
        "value_shift": own,
        "zero_offset_differs": float((control != zero).any(axis=None)),
        "valid": float((control["choice"] >= 0).mean()),
        "reward_per_trial": float(control["trial_reward"].mean()),
        "foils": {
            WITHOUT_MEMORY: {"risky": dict.fromkeys(CONDITIONS, forgetful)},
            MEMORY_LOST: {"risky": {**risky, **dict.fromkeys(changed, forgetful)}},
            YOKED: {"risky": {**risky, **others}, "doses": doses(model, num_episodes, seed, yoked)},
            IN_CRITIC: {"value_shift": in_critic},
        },
        "history": model.description["history"],
    }


def doses(
    model: FusedRecurrentPPO, num_episodes: int, seed: int, change: Change = lambda own: own
) -> dict[str, list[list[float]]]:
    """Return the rates with offsets of every size, see `dose_curves`."""
    changed = {name: change for name, i in INTERVENTIONS.items() for change in i}
    return dose_curves(model, changed, num_episodes // DOSE_EPISODES, seed, change)


def measure_lacking(agents: Agents, num_episodes: int, seed: int) -> Measures:
    """Return the rates of an agent that lacks something.

    Without the inputs that tell when to intervene, under no other condition than control.
    """
    model = agents["agent"]
    task_kwargs = model.description["task_kwargs"]
    envs = held_out_envs(ID, task_kwargs, num_episodes)
    told = "feedback" not in task_kwargs
    changes = INTERVENTIONS if told else {"control": ()}
    unknown = dict.fromkeys(CONDITIONS, [np.nan] * len(PROBABILITIES))
    found = {}
    for name, change in changes.items():
        set_random_seed(0)
        trials = run_episodes(Intervened(model, change), envs, seed=seed).trials
        found[name] = rates(trials)
    curves = {"doses": doses(model, num_episodes, seed)} if told else {}
    return {"risky": unknown | found, **curves}


def summary(episodes: Episodes, _: Activations) -> Measures:
    """Return the rates of risky choices, as claims name them."""
    return {"risky": {"control": rates(episodes.trials)}}


def derive(m: Measures) -> Measures:
    """Return differences of the rates between probabilities and conditions, and who learned.

    With them how the rates follow the size of the offsets, where it was varied.
    """
    if "risky" not in m:  # a foil of the critic's values
        return {}
    curves = {name: np.array(curve, float) for name, curve in m.get("doses", {}).items()}
    blocked = curves.get("block risky reward")
    rate = {name: np.array(m["risky"][name], float) for name in CONDITIONS}
    control = rate["control"]
    return {
        "difference": control[1] - control[0],
        "learned": control[1] - control[0] >= HALF_WAY,
        "lowered_by_blocking_risky": control[1] - rate["block risky reward"][1],
        "raised_by_blocking_safe": rate["block safe reward"][0] - control[0],
        "raised_by_stimulation": rate["stimulate risky loss"][0] - control[0],
        "change": {name: float((rate[name] - control).mean()) for name in CONDITIONS[1:]},
        "dose_order": {name: dose_order(curve) for name, curve in curves.items()},
        "lowered_by_offset": {}
        if blocked is None
        else {str(d): blocked[0, 1] - blocked[SIZES.index(s), 1] for d, s in SMALLER.items()},
    }


EXPERIMENT = Experiment(
    name="risky-choice",
    title="Risky choice: dopamine stimulated and blocked",
    question=(
        "Does changing the RPE that reaches a trained policy network with frozen weights change "
        "risk taking as stimulating and blocking dopamine do in rats?"
    ),
    trainings={"agent": Training(ID, summary=summary)},
    seeds=range(100, 120),
    algorithms=("a2c", "ppo"),
    lacking=True,
    able=[NO_ACTION_INPUT],  # forced trials show the side, and rewards tell the arms apart
    measure=measure,
    measure_seconds=9,
    measure_lacking=measure_lacking,
    claims=CLAIMS,
    figure=figure,
    panels=(
        "How often the risky arm is chosen where it is worth more than the safe one, without "
        "manipulation and with the RPE manipulated as dopamine was in the rats. White "
        "circles are a Rescorla-Wagner learner, white crosses agents that get the offsets of "
        "another episode.",
        "The same where the risky arm is worth less.",
        "The same by the size of the offset on the RPE after a risky reward.",
        "The same by the size of the offset on the RPE after a safe reward.",
        "The same by the size of the offset on the RPE after a risky loss.",
        "Reward in held-out episodes over the training.",
    ),
    derive=derive,
)
