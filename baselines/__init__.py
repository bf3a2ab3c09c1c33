"""Agents that learn the tasks, and the experiments that compare them with the papers."""

from baselines.agents import Inside, look_inside
from baselines.hyperparameters import TABLE, Hyperparameters, hyperparameters
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
    "hyperparameters",
    "load",
    "look_inside",
    "make_vec_env",
    "save",
    "train",
]
