"""Ideal observers and textbook learners, which see no more than an agent does.

They are called like a Stable-Baselines3 policy (``predict``) and keep what they believe in the
``state`` it hands back, so that they play wherever an agent plays.
"""

from neurotasks.observers.base import Observer, Oracle, RandomAgent
from neurotasks.observers.harlow import HarlowObserver
from neurotasks.observers.two_step import BayesTwoStep, ModelFreeTwoStep

__all__ = [
    "BayesTwoStep",
    "HarlowObserver",
    "ModelFreeTwoStep",
    "Observer",
    "Oracle",
    "RandomAgent",
]
