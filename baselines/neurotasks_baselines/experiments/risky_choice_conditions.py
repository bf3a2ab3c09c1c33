"""The manipulations of dopamine in the risky-choice task, and what observers choose under them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotasks.episodes import run_episodes
from neurotasks.observers import BayesRiskyChoice, RescorlaWagnerRiskyChoice
from neurotasks.observers.risky_choice import MANIPULATIONS
from neurotasks.scores import TEST_SEED
from neurotasks.tasks.risky_choice import LEFT, RIGHT
from neurotasks_baselines.agents.interventions import Intervention
from neurotasks_baselines.experiments.risky_choice_doses import ID, rates
from neurotasks_baselines.training.evaluate import held_out_envs

SAFE, RISKY = 1.0, 4.0  # what the arms pay
CONDITIONS = ("control", "block risky reward", "block safe reward", "stimulate risky loss")
WITHOUT_MEMORY = "the same agent without memory"
YOKED = "the same offsets, of another episode"
OBSERVER_EPISODES = 4000
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


@cache
def observe() -> dict[str, list[float]]:
    """Return the rates of the Bayesian observer, and of a Rescorla-Wagner learner by condition."""
    envs = held_out_envs(ID, {}, OBSERVER_EPISODES)
    players: dict[str, Any] = {"ideal": BayesRiskyChoice(envs, 0)}
    for name in CONDITIONS:
        players[name] = RescorlaWagnerRiskyChoice(envs, 0, **MANIPULATIONS[name])
    return {
        name: rates(run_episodes(player, envs, seed=TEST_SEED).trials)
        for name, player in players.items()
    }
