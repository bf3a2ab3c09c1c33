"""Advantage actor-critic with a GRU in plain PyTorch: an agent to be scored.

neurotasks score examples/gru_a2c.py:make_agent --track quick --out runs/gru
python examples/gru_a2c.py [--short]
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

import neurotasks  # noqa: F401 (registers the tasks)

NUM_ENVS, STEPS, UNITS = 8, 20, 48  # environments, steps of a rollout, GRU units
GAMMA, LEARNING_RATE, VALUE, ENTROPY = 0.9, 3e-3, 0.05, 0.03


class Network(nn.Module):
    """GRU with a policy and a value on top."""

    def __init__(self, width, actions):
        super().__init__()
        self.gru, self.heads = nn.GRUCell(width, UNITS), nn.Linear(UNITS, actions + 1)

    def forward(self, observations, starts, state):
        """Return the policy, the value and the state after a step."""
        observations, starts = torch.as_tensor(observations), torch.as_tensor(starts)
        state = observations.new_zeros(len(observations), UNITS) if state is None else state
        state = self.gru(observations, state * ~starts[:, None])  # episodes begin without memory
        heads = self.heads(state)
        return Categorical(logits=heads[:, :-1]), heads[:, -1], state

    @torch.no_grad()
    def act(self, observations, starts, state):
        """Return actions and the state after them, as the evaluation asks for them."""
        policy, _, state = self(observations, starts, state)
        return policy.sample().numpy(), state


def make_agent(id, *, total_steps, seed, **task_kwargs):
    """Train an agent, and return what chooses its actions."""
    torch.manual_seed(seed)
    envs = gym.make_vec(id, num_envs=NUM_ENVS, autoreset_mode="SameStep", **task_kwargs)
    network = Network(envs.single_observation_space.shape[0], envs.single_action_space.n)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    (observations, _), starts, state = envs.reset(seed=1000 * seed), np.ones(NUM_ENVS, bool), None
    for _ in range(max(1, total_steps // (NUM_ENVS * STEPS))):
        steps = []
        for _ in range(STEPS):
            policy, value, state = network(observations, starts, state)
            action = policy.sample()
            observations, rewards, terminated, truncated, _ = envs.step(action.numpy())
            starts = terminated | truncated
            after = torch.as_tensor(np.float32(rewards)), torch.as_tensor(~starts)
            steps.append((policy.log_prob(action), policy.entropy(), value, *after))
        log_probs, entropies, values, rewards, lasting = map(torch.stack, zip(*steps, strict=True))
        following, returns = network(observations, starts, state)[1].detach(), []
        for t in reversed(range(STEPS)):
            following = rewards[t] + GAMMA * lasting[t] * following
            returns.insert(0, following)
        advantages = torch.stack(returns) - values
        loss = -(log_probs * advantages.detach()).mean() - ENTROPY * entropies.mean()
        loss += VALUE * advantages.square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        state = state.detach()
    return network.act


if __name__ == "__main__":
    from neurotasks_baselines.suite.run import evaluate

    short = {"ids": ["neurotasks/BanditUniform-v0"], "steps": 6400, "episodes": 100}
    with TemporaryDirectory() as out:
        evaluate(make_agent, out, track="quick", **(short if "--short" in sys.argv else {}))
        print((Path(out) / "scores.md").read_text())
