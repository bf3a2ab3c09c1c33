"""Train sb3-contrib's own RecurrentPPO on a bandit; only the task and an adapter are ours.

    python examples/stock_recurrent_ppo.py [--short]

`make_vec_env` lets Stable-Baselines3 drive Gymnasium's native vector environment. Without it
`stable_baselines3.common.env_util.make_vec_env(ID, 64)` works as well, only more slowly.
`--short` is a smoke test.
"""

import sys

import gymnasium as gym
import torch
from sb3_contrib import RecurrentPPO

from neurotasks.episodes import run_episodes
from neurotasks_baselines import make_vec_env

ID = "neurotasks/BanditUniform-v0"
torch.set_num_threads(1)  # networks of this size run slower on two

model = RecurrentPPO(
    "MlpLstmPolicy",
    make_vec_env(ID, num_envs=64),
    n_steps=100,  # an episode
    batch_size=16 * 100,
    n_epochs=4,
    learning_rate=3e-3,
    gamma=0.9,
    ent_coef=0.02,
    policy_kwargs={"lstm_hidden_size": 48, "net_arch": []},
    seed=0,
)
model.learn(6_400 if "--short" in sys.argv else 400_000)

# Evaluate: frozen weights, one episode in each of 200 environments, seeds far from the trained.
options = {"split": "test", "autoreset_mode": "SameStep", "trial_log": True}
trials = run_episodes(model, gym.make_vec(ID, num_envs=200, **options), seed=2_000_000_000).trials
print(f"reward per trial {trials['trial_reward'].mean():.3f} (0.5 is chance)")
print(f"regret of an episode {trials['regret'].sum() / 200:.1f} (25 is chance)")
