"""Stock agents to be scored next to ours, with as much of our hyperparameters as fits.

neurotasks score examples/stock_agents.py:recurrent --name "stock RecurrentPPO" --out runs/stock
python examples/stock_agents.py [--short]
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from sb3_contrib.ppo_recurrent import MlpLstmPolicy
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecFrameStack

from neurotasks_baselines import make_vec_env
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.hyperparameters import hyperparameters_for
from neurotasks_baselines.training.wang2018 import wang2018_for

FRAMES = 16  # observations that PPO with stacked frames sees
OURS = ("policy", "whole_episodes", "critic_target", "policy_kwargs", "ent_coef")  # not stock


class WholeSequences(MlpLstmPolicy):
    """sb3-contrib's policy, trained about six times faster.

    Sequences of a rollout are cut at the starts of episodes. sb3-contrib nevertheless looks for a
    start at each step, and calls the LSTM once per step. Here the states are set to 0 where a
    sequence begins with an episode, and the LSTM gets the whole sequences.
    """

    @staticmethod
    def _process_sequence(features, lstm_states, episode_starts, lstm):
        starts = episode_starts.reshape(lstm_states[0].shape[1], -1)[:, :1]
        lstm_states = tuple((1 - starts) * state for state in lstm_states)
        return MlpLstmPolicy._process_sequence(
            features, lstm_states, torch.zeros_like(episode_starts), lstm
        )


def recurrent(id, *, total_steps, seed, policy_class=WholeSequences, **task_kwargs):
    """Return sb3-contrib's RecurrentPPO, trained."""
    chosen = hyperparameters_for(id)
    envs = make_vec_env(id, chosen.num_envs, seed=1000 * seed, task_kwargs=task_kwargs)
    kwargs = chosen.agent_kwargs(envs.get_attr("parameters")[0])
    kwargs = {name: value for name, value in kwargs.items() if name not in OURS}
    kwargs |= {"ent_coef": chosen.ent_coef / 2}  # the mean of ours, which falls to 0
    policy = {"lstm_hidden_size": chosen.units, "net_arch": []}
    kwargs |= {"policy_kwargs": policy, "device": "cpu", "seed": seed}
    return RecurrentPPO(policy_class, envs, **kwargs).learn(total_steps)


def without_memory(id, *, total_steps, seed, frames=1, **task_kwargs):
    """Return Stable-Baselines3's PPO, which sees the last action and reward and nothing earlier."""
    chosen = hyperparameters_for(id)
    envs = make_vec_env(id, chosen.num_envs, seed=1000 * seed, task_kwargs=task_kwargs)
    steps = chosen.rollout_steps(envs.get_attr("parameters")[0])
    kwargs = {"n_steps": steps, "batch_size": steps * chosen.columns, "n_epochs": chosen.n_epochs}
    kwargs |= {"gamma": chosen.gamma, "device": "cpu", "seed": seed}
    return PPO("MlpPolicy", VecFrameStack(envs, frames), **kwargs).learn(total_steps)


class Stacked:
    """Agent that is shown its last observations as `VecFrameStack` shows them."""

    def __init__(self, model):
        self.model, self.frames = model, FRAMES

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        """Return actions and the stacked observations."""
        width = observation.shape[1]
        if state is None:
            state = np.zeros((len(observation), width * self.frames), observation.dtype)
        starts = np.zeros(len(observation), bool) if episode_start is None else episode_start
        kept = np.where(starts[:, None], 0, state[:, width:]).astype(observation.dtype)
        state = np.concatenate([kept, observation], axis=1)
        return self.model.predict(state, deterministic=deterministic)[0], state


def stacked_frames(id, *, total_steps, seed, **task_kwargs):
    """Return Stable-Baselines3's PPO, which sees the last observations of the episode."""
    task_kwargs |= {"frames": FRAMES}
    return Stacked(without_memory(id, total_steps=total_steps, seed=seed, **task_kwargs))


def ours(id, *, total_steps, seed, cell="lstm", chosen_for=hyperparameters_for, **task_kwargs):
    """Return our recurrent PPO, trained, or another of our agents."""
    chosen = replace(chosen_for(id), total_steps=total_steps, cell=cell)
    model = build(id, hyperparameters=chosen, seed=seed, task_kwargs=task_kwargs)
    return model.learn(total_steps)


gru, rnn = partial(ours, cell="gru"), partial(ours, cell="rnn")
a2c = partial(ours, chosen_for=wang2018_for)


if __name__ == "__main__":
    from neurotasks_baselines.suite.run import evaluate

    torch.set_num_threads(1)  # networks of this size run slower on two
    short = {"ids": ["neurotasks/BanditUniform-v0"], "steps": 6400, "episodes": 100, "seeds": 1}
    chosen = {"track": "quick", **(short if "--short" in sys.argv else {})}
    for name in ("without_memory", "stacked_frames", "recurrent", "ours", "gru", "rnn", "a2c"):
        with TemporaryDirectory() as out:
            evaluate(globals()[name], out, name=name, **chosen)
            print((Path(out) / "scores.md").read_text().partition("## Behaviour")[0])
