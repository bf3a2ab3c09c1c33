"""Train recurrent PPO on the two-step task, and see whether it became model-based.

    python examples/train_sb3.py [--short]

The paper's network reaches stay probabilities of 0.99 0.64 0.62 0.99; a model-free learner stays
after every reward. It takes about a minute on one core; `--short` is a smoke test.
"""

import sys

import gymnasium as gym

from neurotasks.analysis.two_step import stay_effects, stay_probabilities
from neurotasks.episodes import run_episodes
from neurotasks_baselines import FusedRecurrentPPO, make_vec_env

ID = "neurotasks/TwoStep-v0"
short = "--short" in sys.argv

# Train. An episode is 300 steps, so a rollout is one episode in each of 64 environments, and a
# minibatch is 16 of these columns: no sequence is cut or padded.
model = FusedRecurrentPPO(
    "FusedLstmPolicy",
    make_vec_env(ID, num_envs=64),
    n_steps=300,
    batch_size=16 * 300,
    n_epochs=4,
    whole_episodes=True,
    learning_rate=2e-3,
    gamma=0.9,
    ent_coef=0.05,
    policy_kwargs={"trunk": "separate", "lstm_hidden_size": 48},
    seed=0,  # of the network, its actions and the environments
)
model.learn(20_000 if short else 3_000_000)

# Evaluate: frozen weights, one episode in each of 200 environments, seeds far from the trained.
options = {"split": "test", "autoreset_mode": "SameStep", "trial_log": True}
envs = gym.make_vec(ID, num_envs=200, **options)
episodes = run_episodes(model, envs, seed=2_000_000_000)

print(f"reward per trial {episodes.trials['trial_reward'].mean():.3f}")
stays = stay_probabilities(episodes.trials)
for kind, probability in stays.items():
    print(f"P(stay | {kind:17}) {probability:.3f}")
for name, value in stay_effects(stays).items():
    print(f"effect on staying, {name:11} {value:+.3f}")
