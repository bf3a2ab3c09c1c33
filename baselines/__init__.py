"""Agents that learn the tasks, and the experiments that compare them with the papers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from baselines.agents import Inside, look_inside
    from baselines.hyperparameters import TABLE, Hyperparameters, settings_for
    from baselines.policies import FusedLstmPolicy
    from baselines.recurrent_ppo import FusedRecurrentPPO
    from baselines.saving import build, load, save
    from baselines.training import evaluate, train
    from baselines.vec_env import GymnasiumVecEnv, make_vec_env

__all__ = [
    "TABLE",
    "FusedLstmPolicy",
    "FusedRecurrentPPO",
    "GymnasiumVecEnv",
    "Hyperparameters",
    "Inside",
    "build",
    "evaluate",
    "load",
    "look_inside",
    "make_vec_env",
    "save",
    "settings_for",
    "train",
]

_MODULES = {
    "agents": ("Inside", "look_inside"),
    "hyperparameters": ("TABLE", "Hyperparameters", "settings_for"),
    "policies": ("FusedLstmPolicy",),
    "recurrent_ppo": ("FusedRecurrentPPO",),
    "saving": ("build", "load", "save"),
    "training": ("evaluate", "train"),
    "vec_env": ("GymnasiumVecEnv", "make_vec_env"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that the command line starts without torch."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"baselines.{module}"), name)
    raise AttributeError(f"module 'baselines' has no attribute {name!r}")
