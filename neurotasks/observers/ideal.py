"""Which observer is the ideal one of a task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from neurotasks.observers.bandit import (
    CorrelatedBandit,
    GittinsBandit,
    InformativeBandit,
    RestlessBandit,
)
from neurotasks.observers.base import Observer, Oracle
from neurotasks.observers.foraging import BayesForaging
from neurotasks.observers.harlow import HarlowObserver
from neurotasks.observers.harlow_pixels import HarlowPixelsObserver
from neurotasks.observers.inferred_value import InferringObserver
from neurotasks.observers.mouse import MouseObserver
from neurotasks.observers.risky_choice import BayesRiskyChoice
from neurotasks.observers.two_step import BayesTwoStep
from neurotasks.observers.volatility import BayesVolatility

BANDITS: dict[str, type[Observer]] = {
    "independent": GittinsBandit,
    "informative": InformativeBandit,
    "restless": RestlessBandit,
}
OBSERVERS: dict[str, Callable[..., Observer]] = {
    "Foraging": BayesForaging,
    "Harlow": HarlowObserver,
    "HarlowPixels": HarlowPixelsObserver,
    "InferredValue": InferringObserver,
    "RiskyChoice": BayesRiskyChoice,
    "SameMean": MouseObserver,
    "TwoStep": BayesTwoStep,
    "VariableProbability": MouseObserver,
    "VariableReward": MouseObserver,
    "Volatility": partial(BayesVolatility, beta=1000.0),  # as good as greedy
}


def ideal_observer(env: Any, seed: int | None = None) -> Observer:
    """Return the best player of a task that sees no more than an agent; `Oracle` if none is known.

    Args:
        env: the environment it will play, single or vector.
        seed: for its own random numbers.
    """
    task, parameters = env.unwrapped.task.name, env.unwrapped.parameters
    if task == "Bandit":
        return BANDITS.get(parameters.problem, CorrelatedBandit)(env, seed)
    return OBSERVERS.get(task, Oracle)(env, seed)
