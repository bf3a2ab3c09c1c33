"""Agents that learn the tasks, and the experiments that compare them with the papers."""

TYPE_CHECKING = False  # typing takes time to import, before the command can be interrupted
if TYPE_CHECKING:
    from typing import Any

    from neurotasks_baselines.agents.activations import Activations, compute_activations
    from neurotasks_baselines.agents.policies import FusedLstmPolicy
    from neurotasks_baselines.agents.recurrent_a2c import FusedRecurrentA2C
    from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
    from neurotasks_baselines.agents.vec_env import GymnasiumVecEnv, make_vec_env
    from neurotasks_baselines.training.agent_files import load, read_description, save
    from neurotasks_baselines.training.build import build
    from neurotasks_baselines.training.callbacks import Metrics
    from neurotasks_baselines.training.evaluate import evaluate
    from neurotasks_baselines.training.hyperparameters import (
        TABLE,
        Hyperparameters,
        hyperparameters_for,
    )
    from neurotasks_baselines.training.train import train

__all__ = [
    "TABLE",
    "Activations",
    "FusedLstmPolicy",
    "FusedRecurrentA2C",
    "FusedRecurrentPPO",
    "GymnasiumVecEnv",
    "Hyperparameters",
    "Metrics",
    "build",
    "compute_activations",
    "evaluate",
    "hyperparameters_for",
    "load",
    "make_vec_env",
    "read_description",
    "save",
    "train",
]

_MODULES = {
    "agents.activations": ("Activations", "compute_activations"),
    "agents.policies": ("FusedLstmPolicy",),
    "agents.recurrent_a2c": ("FusedRecurrentA2C",),
    "agents.recurrent_ppo": ("FusedRecurrentPPO",),
    "agents.vec_env": ("GymnasiumVecEnv", "make_vec_env"),
    "training.agent_files": ("load", "read_description", "save"),
    "training.build": ("build",),
    "training.callbacks": ("Metrics",),
    "training.evaluate": ("evaluate",),
    "training.hyperparameters": ("TABLE", "Hyperparameters", "hyperparameters_for"),
    "training.train": ("train",),
}


def __dir__() -> list[str]:
    """Return the public names, most of which are imported when they are asked for."""
    return sorted(__all__)


def __getattr__(name: str) -> "Any":
    """Import what is asked for, so that the command line starts without torch."""
    from importlib import import_module

    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"neurotasks_baselines.{module}"), name)
    raise AttributeError(f"module 'neurotasks_baselines' has no attribute {name!r}")
