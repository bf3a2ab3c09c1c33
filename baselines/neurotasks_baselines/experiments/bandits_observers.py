"""Regrets of Gittins' indices, Thompson sampling, UCB and others on every kind of bandit."""

from __future__ import annotations

from functools import cache
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from neurotasks.analysis.bandit import THOMPSON_REGRET
from neurotasks.observers import (
    CorrelatedBandit,
    CorrelatedThompsonBandit,
    GittinsBandit,
    ThompsonBandit,
    UcbBandit,
)
from neurotasks.scores import TEST_SEED

ID, UNIFORM = "neurotasks/Bandit-v0", "neurotasks/BanditUniform-v0"
PROBLEMS = (ID, UNIFORM, *(f"neurotasks/Bandit{name}-v0" for name in ("Easy", "Medium", "Hard")))
MEDIUM = PROBLEMS[3]  # 0.25 and 0.75
DIFFICULTIES = PROBLEMS[2:]
RANDOM, GITTINS, THOMPSON = 16.7, 1.77, THOMPSON_REGRET  # computed on independent problems
REGRETS = {  # regrets computed for each of PROBLEMS
    GittinsBandit: (GITTINS, 1.56, 0.80, 1.41, 3.01),
    ThompsonBandit: (THOMPSON, 2.79, 2.13, 2.99, 4.07),
    UcbBandit: (4.12, 4.20, 3.90, 4.70, 4.90),
}
OBSERVER_EPISODES = 10_000  # regrets within 2 %


@cache
def observe() -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return the mean regret of the observers up to each trial, by observer and task."""
    players: dict[Any, tuple[str, ...]] = {observer: PROBLEMS for observer in REGRETS}
    players |= {CorrelatedBandit: (MEDIUM,), CorrelatedThompsonBandit: (MEDIUM,)}
    return {
        observer.__name__: {id: observed_regret(observer, id) for id in ids}
        for observer, ids in players.items()
    }


def observed_regret(observer: Any, id: str) -> NDArray[np.float64]:
    """Return the mean regret of an observer up to each trial."""
    envs: Any = gym.make_vec(id, num_envs=OBSERVER_EPISODES, split="test")
    player = observer(envs, seed=0)
    observation, info = envs.reset(seed=TEST_SEED)
    memory, regrets = None, []
    for _ in range(envs.unwrapped.parameters.trials):
        action, memory = player.predict(observation, memory)
        chosen = info["p"][np.arange(len(action)), action]
        regrets.append((info["p"].max(axis=1) - chosen).mean())
        observation, _, _, _, info = envs.step(action)
    return np.cumsum(regrets)
