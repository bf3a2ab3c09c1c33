"""Ideal observers and textbook learners, which see no more than an agent does.

They are called like a Stable-Baselines3 policy (``predict``) and keep what they believe in the
``state`` it hands back, so that they play wherever an agent plays.
"""

from neurotasks.observers.bandit import (
    CorrelatedBandit,
    CorrelatedThompsonBandit,
    GittinsBandit,
    InformativeBandit,
    RescorlaWagnerBandit,
    RestlessBandit,
    ThompsonBandit,
    UcbBandit,
)
from neurotasks.observers.base import Observer, Oracle, RandomAgent
from neurotasks.observers.expectiles import expectiles
from neurotasks.observers.foraging import BayesForaging, LeakyIncomeForaging, MatchingForaging
from neurotasks.observers.harlow import HarlowObserver
from neurotasks.observers.harlow_pixels import HarlowPixelsObserver
from neurotasks.observers.inferred_value import CachedValueObserver, InferringObserver
from neurotasks.observers.mouse import MouseObserver, expectile_predictions, outcome_distribution
from neurotasks.observers.risky_choice import BayesRiskyChoice, RescorlaWagnerRiskyChoice
from neurotasks.observers.two_step import BayesTwoStep, ModelFreeTwoStep
from neurotasks.observers.volatility import BayesVolatility, RescorlaWagnerVolatility

__all__ = [
    "BayesForaging",
    "BayesRiskyChoice",
    "BayesTwoStep",
    "BayesVolatility",
    "CachedValueObserver",
    "CorrelatedBandit",
    "CorrelatedThompsonBandit",
    "GittinsBandit",
    "HarlowObserver",
    "HarlowPixelsObserver",
    "InferringObserver",
    "InformativeBandit",
    "LeakyIncomeForaging",
    "MatchingForaging",
    "ModelFreeTwoStep",
    "MouseObserver",
    "Observer",
    "Oracle",
    "RandomAgent",
    "RescorlaWagnerBandit",
    "RescorlaWagnerRiskyChoice",
    "RescorlaWagnerVolatility",
    "RestlessBandit",
    "ThompsonBandit",
    "UcbBandit",
    "expectile_predictions",
    "expectiles",
    "outcome_distribution",
]
