"""Train an LSTM on the two-step task with plain PyTorch: advantage actor-critic, one file.

    python examples/plain_pytorch.py [--short]

No baselines and no Stable-Baselines3: a task is a Gymnasium vector environment, and that is all
this needs. The observation already holds the previous action and reward. It trains on the preset
without fixation and reversals, which takes a few minutes: for 2 to 4 million steps the reward per
trial stays at 0.5, which is chance, then it rises to 0.7. `--short` is a smoke test.
"""

import sys

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

import neurotasks  # noqa: F401 (registers the tasks)
from neurotasks.analysis.two_step import stay_probabilities
from neurotasks.episodes import run_episodes

ID = "neurotasks/TwoStep2016-v0"
NUM_ENVS, STEPS, UNITS = 48, 40, 48  # environments, steps of a rollout, LSTM units
GAMMA, LAMBDA, LEARNING_RATE, VALUE, ENTROPY = 0.9, 0.95, 3e-3, 0.05, 0.03
UPDATES = 10 if "--short" in sys.argv else 4000

torch.set_num_threads(1)  # networks of this size run slower on two
torch.manual_seed(0)


class Network(nn.Module):
    """An LSTM with a policy and a value on top."""

    def __init__(self, inputs: int, actions: int) -> None:
        super().__init__()
        self.lstm = nn.LSTMCell(inputs, UNITS)
        self.policy = nn.Linear(UNITS, actions)
        self.value = nn.Linear(UNITS, 1)

    def forward(self, observation, memory, start):
        """Take one step in all environments; the memory is zero where an episode starts."""
        keep = 1 - torch.as_tensor(start, dtype=torch.float32)[:, None]
        memory = self.lstm(torch.as_tensor(observation), (memory[0] * keep, memory[1] * keep))
        return Categorical(logits=self.policy(memory[0])), self.value(memory[0])[:, 0], memory

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        """Choose actions for a batch; with this signature `run_episodes` lets the network play."""
        memory = self.rest(len(observation)) if state is None else state
        with torch.no_grad():
            distribution, _, memory = self(observation, memory, episode_start)
        return distribution.sample().numpy(), memory

    def rest(self, num_envs):
        """Return an empty memory."""
        return torch.zeros(num_envs, UNITS), torch.zeros(num_envs, UNITS)


envs = gym.make_vec(ID, num_envs=NUM_ENVS, autoreset_mode="SameStep")
network = Network(envs.single_observation_space.shape[0], int(envs.single_action_space.n))
optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)

observation, _ = envs.reset(seed=0)
start, memory = np.ones(NUM_ENVS, bool), network.rest(NUM_ENVS)
for update in range(UPDATES):
    log_probs, values, entropies, rewards, ends = [], [], [], [], []
    for _ in range(STEPS):
        distribution, value, memory = network(observation, memory, start)
        action = distribution.sample()
        observation, reward, start, _, _ = envs.step(action.numpy())
        log_probs.append(distribution.log_prob(action))
        values.append(value)
        entropies.append(distribution.entropy())
        rewards.append(torch.as_tensor(reward, dtype=torch.float32))
        ends.append(torch.as_tensor(start, dtype=torch.float32))
    with torch.no_grad():  # generalised advantages, from the last step to the first
        following, advantage, advantages = network(observation, memory, start)[1], 0.0, []
        for t in reversed(range(STEPS)):
            error = rewards[t] + GAMMA * (1 - ends[t]) * following - values[t]
            advantage = error + GAMMA * LAMBDA * (1 - ends[t]) * advantage
            advantages.insert(0, advantage)
            following = values[t]
    advantages, values = torch.stack(advantages), torch.stack(values)
    normal = (advantages - advantages.mean()) / advantages.std()
    policy_loss = -(normal * torch.stack(log_probs)).mean()
    value_loss = (advantages + values.detach() - values).square().mean()
    loss = policy_loss + VALUE * value_loss - ENTROPY * torch.stack(entropies).mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    memory = tuple(m.detach() for m in memory)
    if (update + 1) % (UPDATES // 10) == 0:
        per_step = torch.stack(rewards).mean().item()
        print(f"update {update + 1:5}: reward per trial of 2 steps {2 * per_step:.3f}", flush=True)

test = gym.make_vec(ID, num_envs=200, autoreset_mode="SameStep", split="test", trial_log=True)
episodes = run_episodes(network, test, seed=2_000_000_000)
print(f"reward per trial {episodes.trials['trial_reward'].mean():.3f}")
for kind, probability in stay_probabilities(episodes.trials).items():
    print(f"P(stay | {kind:17}) {probability:.3f}")
