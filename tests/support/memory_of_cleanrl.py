"""PPO with an LSTM in the shape of CleanRL's script, with one fault planted in it or none."""

from functools import partial

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

from neurotasks_baselines.suite.adapters import CleanRLAgent

NUM_ENVS, NUM_STEPS, EPOCHS, UNITS = 64, 16, 4, 32
GAMMA, LAMBDA, CLIP, RATE, ENTROPY = 0.9, 0.95, 0.2, 5e-3, 0.01
FAULTS = (
    "none",
    "never reset",
    "reset every rollout",
    "reset one step late",
    "reset one step late, in training only",
    "states mixed up",
    "states mixed up, in training only",
    "last reward late",
    "off in training",
)


class Agent(nn.Module):
    """An LSTM with an actor and a critic, stepped as CleanRL steps it."""

    def __init__(self, inputs, actions, fault):
        super().__init__()
        self.lstm = nn.LSTM(inputs, UNITS)
        self.actor, self.critic = nn.Linear(UNITS, actions), nn.Linear(UNITS, 1)
        nn.init.orthogonal_(self.actor.weight, 0.01)
        self.fault, self.training_now = fault, True

    def get_states(self, x, lstm_state, done):
        x = x.reshape(-1, lstm_state[0].shape[1], x.shape[-1])
        done = done.reshape(-1, lstm_state[0].shape[1])
        if self.fault == "never reset":
            done = torch.zeros_like(done)
        if self.fault == "off in training" and len(x) > 1:
            done = torch.ones_like(done)
        if self.fault == "states mixed up" or (
            self.fault == "states mixed up, in training only" and self.training_now
        ):
            lstm_state = tuple(part.roll(1, 1) for part in lstm_state)
        hidden = []
        for seen, over in zip(x, done, strict=True):
            kept = (1.0 - over)[None, :, None]
            out, lstm_state = self.lstm(seen[None], (kept * lstm_state[0], kept * lstm_state[1]))
            hidden.append(out)
        return torch.cat(hidden).flatten(0, 1), lstm_state

    def get_value(self, x, lstm_state, done):
        return self.critic(self.get_states(x, lstm_state, done)[0])

    def get_action_and_value(self, x, lstm_state, done, action=None):
        hidden, lstm_state = self.get_states(x, lstm_state, done)
        policy = Categorical(logits=self.actor(hidden))
        action = policy.sample() if action is None else action
        values = self.critic(hidden)
        return action, policy.log_prob(action), policy.entropy(), values, lstm_state


class Late:
    """Adapter that is told of starts one step late."""

    def __init__(self, agent):
        self.agent = agent

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        state, told = (None, np.zeros(len(observation))) if state is None else state
        action, state = self.agent.predict(observation, state, told, deterministic)
        return action, (state, episode_start)


class LateReward:
    """Adapter that sees the reward, the last component, one step late."""

    def __init__(self, agent):
        self.agent = agent

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        state, last = (None, np.zeros(len(observation))) if state is None else state
        seen, now = observation.copy(), observation[:, -1].copy()
        seen[:, -1] = last
        action, state = self.agent.predict(seen, state, episode_start, deterministic)
        return action, (state, now)


def make_agent(fault):
    """Return the function that makes the agent with a fault."""
    return partial(_make, fault=fault)


def _make(id, *, total_steps, seed, fault, **task_kwargs):
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    envs = gym.make_vec(id, num_envs=NUM_ENVS, autoreset_mode="SameStep", **task_kwargs)
    late = fault.startswith("reset one step late")
    late_reward = fault == "last reward late" and "Reward" in id
    width = envs.single_observation_space.shape[0]
    agent = Agent(width, int(envs.single_action_space.n), fault)
    optimizer = torch.optim.Adam(agent.parameters(), lr=RATE, eps=1e-5)
    shape = (NUM_STEPS, NUM_ENVS)
    obs, actions = torch.zeros(*shape, width), torch.zeros(shape)
    logprobs, rewards, values, starts, ends = (torch.zeros(shape) for _ in range(5))
    zeros = torch.zeros(1, NUM_ENVS, UNITS)
    state, start, start_before = (zeros, zeros), torch.ones(NUM_ENVS), torch.zeros(NUM_ENVS)
    seen, reward = envs.reset(seed=seed)[0], np.zeros(NUM_ENVS)
    for _ in range(total_steps // (NUM_STEPS * NUM_ENVS)):
        if fault == "reset every rollout":
            state = (zeros, zeros)
        initial = state
        for step in range(NUM_STEPS):
            if late_reward:
                seen, reward_before = seen.copy(), reward
                reward = seen[:, -1].copy()
                seen[:, -1] = reward_before
            obs[step] = torch.as_tensor(seen)
            starts[step], start_before = (start_before if late else start), start
            with torch.no_grad():
                taken = agent.get_action_and_value(obs[step], state, starts[step])
            actions[step], logprobs[step], _, value, state = taken
            values[step] = value[:, 0]
            seen, paid, terminated, truncated, infos = envs.step(actions[step].long().numpy())
            rewards[step] = torch.as_tensor(paid)
            cut = (truncated & ~terminated).nonzero()[0]
            if len(cut):  # what would have followed
                final = torch.as_tensor(np.stack(infos["final_obs"][cut]))
                after = tuple(part[:, cut] for part in state)
                with torch.no_grad():
                    value = agent.get_value(final, after, torch.zeros(len(cut)))
                rewards[step, cut] += GAMMA * value[:, 0]
            start = ends[step] = torch.as_tensor(terminated | truncated, dtype=torch.float32)
        with torch.no_grad():
            following = agent.get_value(torch.as_tensor(seen), state, start)[:, 0]
        advantages, last = torch.zeros(shape), 0.0
        for t in reversed(range(NUM_STEPS)):
            delta = rewards[t] + GAMMA * following * (1 - ends[t]) - values[t]
            last = delta + GAMMA * LAMBDA * (1 - ends[t]) * last
            advantages[t], following = last, values[t]
        returns = advantages + values
        for _ in range(EPOCHS):
            for chosen in torch.randperm(NUM_ENVS).chunk(4):
                begin = tuple(part[:, chosen] for part in initial)
                _, logprob, entropy, value, _ = agent.get_action_and_value(
                    obs[:, chosen], begin, starts[:, chosen], actions[:, chosen].flatten()
                )
                ratio = (logprob - logprobs[:, chosen].flatten()).exp()
                adv = advantages[:, chosen].flatten()
                adv = (adv - adv.mean()) / (adv.std() + 1e-8)
                policy_loss = -torch.min(adv * ratio, adv * ratio.clamp(1 - CLIP, 1 + CLIP)).mean()
                value_loss = 0.5 * (value[:, 0] - returns[:, chosen].flatten()).square().mean()
                loss = policy_loss + 0.5 * value_loss - ENTROPY * entropy.mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
    agent.training_now = False
    made = CleanRLAgent(agent)
    if fault == "reset one step late":
        return Late(made)
    return LateReward(made) if late_reward else made
