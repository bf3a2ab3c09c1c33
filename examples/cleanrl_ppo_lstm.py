"""PPO with an LSTM in a single file, in the shape of CleanRL's scripts, on a bandit.

    python examples/cleanrl_ppo_lstm.py [--short]

No baselines and no Stable-Baselines3. All episodes are 100 trials, so a rollout is one episode in
each environment and starts with an empty memory; a minibatch is the whole episodes of some
environments. Two arms, one pays with p, the other with 1 - p: chance gets 0.5 per trial, knowing
p 0.75. `--short` is a smoke test.
"""

import sys
import time
from dataclasses import dataclass

import gymnasium as gym
import torch
from torch import nn
from torch.distributions import Categorical

import neurotasks  # noqa: F401 (registers the tasks)


@dataclass
class Args:
    """The settings."""

    env_id: str = "neurotasks/BanditUniform-v0"
    seed: int = 1
    total_timesteps: int = 12_800 if "--short" in sys.argv else 1_024_000
    learning_rate: float = 4e-3  # falls to 0
    num_envs: int = 64
    num_steps: int = 100
    gamma: float = 0.9
    gae_lambda: float = 0.95
    num_minibatches: int = 4
    update_epochs: int = 4
    clip_coef: float = 0.2
    ent_coef: float = 0.01
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    units: int = 48


class Agent(nn.Module):
    """An LSTM with an actor and a critic on top."""

    def __init__(self, inputs: int, actions: int, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, units)
        self.actor = nn.Linear(units, actions)
        self.critic = nn.Linear(units, 1)
        nn.init.orthogonal_(self.actor.weight, 0.01)

    def forward(self, observations, memory=None):
        """Take (steps, num_envs, inputs) from a memory, None for an empty one."""
        hidden, memory = self.lstm(observations, memory)
        return Categorical(logits=self.actor(hidden)), self.critic(hidden)[..., 0], memory


args = Args()
torch.manual_seed(args.seed)
torch.set_num_threads(1)  # networks of this size run slower on two
envs = gym.make_vec(args.env_id, num_envs=args.num_envs, autoreset_mode="SameStep")
width = envs.single_observation_space.shape[0]
agent = Agent(width, int(envs.single_action_space.n), args.units)
optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)

shape = (args.num_steps, args.num_envs)
obs, actions = torch.zeros(*shape, width), torch.zeros(shape, dtype=torch.long)
logprobs, rewards, values = torch.zeros(shape), torch.zeros(shape), torch.zeros(shape)
updates = args.total_timesteps // (args.num_steps * args.num_envs)
started = time.time()
next_obs, _ = envs.reset(seed=args.seed)
recent = []
for update in range(updates):
    optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - update / updates)
    memory = None
    for step in range(args.num_steps):
        obs[step] = torch.as_tensor(next_obs)
        with torch.no_grad():
            policy, value, memory = agent(obs[step : step + 1], memory)
            action = policy.sample()
        actions[step], values[step], logprobs[step] = action, value, policy.log_prob(action)
        next_obs, reward, terminations, _, _ = envs.step(action[0].numpy())
        rewards[step] = torch.as_tensor(reward)
    if not terminations.all():
        raise ValueError(f"{args.env_id}: an episode must take num_steps={args.num_steps} steps.")

    advantages, last, following = torch.zeros(shape), 0.0, 0.0  # nothing follows an episode's end
    for t in reversed(range(args.num_steps)):
        delta = rewards[t] + args.gamma * following - values[t]
        last = delta + args.gamma * args.gae_lambda * last
        advantages[t], following = last, values[t]
    returns = advantages + values

    for _ in range(args.update_epochs):
        for columns in torch.randperm(args.num_envs).chunk(args.num_minibatches):
            policy, newvalue, _ = agent(obs[:, columns])
            ratio = (policy.log_prob(actions[:, columns]) - logprobs[:, columns]).exp()
            adv = advantages[:, columns]
            adv = (adv - adv.mean()) / (adv.std() + 1e-8)
            clipped = ratio.clamp(1 - args.clip_coef, 1 + args.clip_coef)
            pg_loss = -torch.min(adv * ratio, adv * clipped).mean()
            v_loss = 0.5 * (newvalue - returns[:, columns]).square().mean()
            loss = pg_loss + args.vf_coef * v_loss - args.ent_coef * policy.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
            optimizer.step()
    recent.append(rewards.mean().item())
    if (update + 1) % max(updates // 10, 1) == 0:
        steps = (update + 1) * args.num_steps * args.num_envs
        speed, mean = steps / (time.time() - started), sum(recent) / len(recent)
        print(f"steps {steps:9,}: reward per trial {mean:.3f}, {speed:,.0f} steps/s", flush=True)
        recent = []
