"""Proximal policy optimisation with a transformer as memory, in plain PyTorch.

neurotasks score examples/transformer_ppo.py:make_agent --track quick --out runs/transformer
python examples/transformer_ppo.py [--short]

At each step it attends to all steps of the episode so far. It acts with a cache of keys and values,
and learns from whole columns of steps at once, on a GPU if there is one.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical
from torch.nn import functional

import neurotasks  # noqa: F401 (registers the tasks)

LAYERS, HEADS, WIDTH, CONTEXT = 2, 4, 64, 256  # CONTEXT: the most steps that are attended to
NUM_ENVS, STEPS, POINTS = 64, 200, 10  # STEPS of a rollout, POINTS of a learning curve
EPOCHS, MINIBATCHES, CLIP, LEARNING_RATE, NORM = 3, 8, 0.2, 1e-3, 0.5
GAMMA, LAMBDA, VALUE, ENTROPY = 0.9, 0.95, 0.1, 0.05  # learning rate and entropy fall to 0
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Memory:
    """Keys and values of the steps so far, in a cache that is filled from the left."""

    def __init__(self, num_envs, capacity):
        shape = (LAYERS, 2, num_envs, HEADS, capacity, WIDTH // HEADS)
        self.cache = torch.zeros(shape, device=DEVICE)
        self.since = torch.zeros(num_envs, dtype=torch.long, device=DEVICE)  # starts of episodes
        self.filled = self.dropped = 0  # steps that are in the cache, and that were

    def make_room(self):
        """Drop the older half if the cache is full."""
        half = self.cache.shape[-2] // 2
        if self.filled == 2 * half:
            self.cache[..., :half, :] = self.cache[..., half:, :].clone()
            self.since = (self.since - half).clamp(min=0)
            self.filled, self.dropped = half, self.dropped + half


class Block(nn.Module):
    """Self-attention and a perceptron, each after a norm; at first both add nothing."""

    def __init__(self):
        super().__init__()
        self.norm, self.qkv = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        layers = nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.LayerNorm(WIDTH), *layers)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.mlp[-1].weight)

    def forward(self, x, turns, visible, cache, filled):
        """Attend from each of the steps `x`, (num_envs, steps, WIDTH), to those before it."""
        qkv = self.qkv(self.norm(x)).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        pairs = torch.view_as_complex(qkv[:2].unflatten(-1, (-1, 2)))  # rotary positions
        (queries, keys), values = torch.view_as_real(pairs * turns).flatten(-2), qkv[2]
        if cache is not None:
            end = filled + x.shape[1]
            cache[0, :, :, filled:end], cache[1, :, :, filled:end] = keys, values
            keys, values = cache[:, :, :, :end]
        seen = functional.scaled_dot_product_attention(queries, keys, values, visible[:, None])
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.mlp(x)


class Network(nn.Module):
    """Causal transformer with a policy and a value on top."""

    def __init__(self, width, actions):
        super().__init__()
        self.embed, self.norm = nn.Linear(width + 1, WIDTH), nn.LayerNorm(WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.heads = nn.Linear(WIDTH, actions + 1)
        nn.init.orthogonal_(self.heads.weight, 0.01)
        self.register_buffer("rates", 100.0 ** -torch.linspace(0, 1, WIDTH // HEADS // 2))

    def forward(self, observations, starts, memory=None, keep=False):
        """Return logits and values at steps, (num_envs, steps), after those in a memory.

        `starts` says which are the first of their episodes; with `keep` they stay in the memory.
        """
        filled = memory.filled if memory else 0
        past = torch.arange(filled + starts.shape[1], device=DEVICE)
        now = past[filled:]
        since = torch.where(starts, now, 0).cummax(dim=1).values
        if memory:
            since = since.maximum(memory.since[:, None])
        visible = (past >= since[..., None]) & (past <= now[:, None])
        angles = (now + (memory.dropped if memory else 0))[:, None] * self.rates
        turns = torch.polar(torch.ones_like(angles), angles)
        x = self.embed(torch.cat([observations, starts[..., None]], dim=-1))  # it cannot count
        for number, block in enumerate(self.blocks):
            x = block(x, turns, visible, memory.cache[number] if memory else None, filled)
        if keep:
            memory.filled, memory.since = len(past), since[:, -1]
        heads = self.heads(self.norm(x))
        return heads[..., :-1], heads[..., -1]

    def step(self, observations, starts, memory, keep=True):
        """Return the policy and the value at one step, (num_envs,)."""
        logits, values = self(observations[:, None], starts[:, None], memory, keep)
        return Categorical(logits=logits[:, 0], validate_args=False), values[:, 0]

    @torch.no_grad()
    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        """Return actions and the memory after them, as Stable-Baselines3 does."""
        num_envs = len(observation)
        state = Memory(num_envs, CONTEXT) if state is None else state
        starts = np.zeros(num_envs, bool) if episode_start is None else episode_start
        state.make_room()
        policy, _ = self.step(on_device(observation), on_device(starts), state)
        actions = policy.logits.argmax(dim=-1) if deterministic else policy.sample()
        return actions.cpu().numpy(), state


def on_device(array):
    """Return a tensor of an array."""
    return torch.as_tensor(array, device=DEVICE)


@torch.no_grad()
def collect(envs, network, now, before, steps):
    """Play some steps in all environments; return what follows, the steps, and what they teach.

    `now` is the observations and starts before the first one; `before` is the tensors of the same
    for as many steps as the oldest episode has lasted.
    """
    rows, memory = [], Memory(NUM_ENVS, before[1].shape[1] + steps + 1)
    if before[1].shape[1]:
        network(*before, memory, keep=True)  # with the weights as they are now
    for _ in range(steps):
        policy, value = network.step(*now, memory)
        action = policy.sample()
        seen, rewards, terminated, truncated, infos = envs.step(action.cpu().numpy())
        rewards, cut = np.float32(rewards), truncated & ~terminated
        if cut.any():  # what would have followed
            final = seen.copy()
            final[cut] = np.stack(infos["final_obs"][cut])
            unbroken = torch.zeros_like(now[1])
            following = network.step(on_device(final), unbroken, memory, keep=False)[1]
            rewards[cut] += GAMMA * following.cpu().numpy()[cut]
        rows.append((*now, action, policy.log_prob(action), value, rewards))
        now = on_device(seen), on_device(terminated | truncated)
    *columns, rewards = zip(*rows, strict=True)
    seen, starts, actions, log_probs, values = (torch.stack(column, 1) for column in columns)
    following = network.step(*now, memory, keep=False)[1]
    advantages = advantages_of(rewards, [*values.T, following], [*starts.T, now[1]])
    return now, (seen, starts), (actions, log_probs, advantages, advantages + values)


def advantages_of(rewards, values, starts):
    """Return generalised advantages, (num_envs, steps); `values` and `starts` are longer by one."""
    values, lasting = torch.stack(values).cpu().numpy(), ~torch.stack(starts).cpu().numpy()
    advantages = [np.zeros(NUM_ENVS)]
    for t in reversed(range(len(rewards))):
        error = rewards[t] + GAMMA * lasting[t + 1] * values[t + 1] - values[t]
        advantages.append(error + GAMMA * LAMBDA * lasting[t + 1] * advantages[-1])
    return on_device(np.float32(advantages[:0:-1])).T


def learn(network, optimizer, whole, targets, entropy):
    """Take the steps of PPO: `targets` are of the last of the `whole` steps."""
    steps = targets[0].shape[1]
    for _ in range(EPOCHS):
        for chosen in torch.randperm(NUM_ENVS, device=DEVICE).chunk(MINIBATCHES):
            logits, values = network(*(part[chosen] for part in whole))
            policy = Categorical(logits=logits[:, -steps:], validate_args=False)
            actions, log_probs, advantages, returns = (part[chosen] for part in targets)
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
            ratio = (policy.log_prob(actions) - log_probs).exp()
            clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
            loss = -torch.minimum(advantages * ratio, advantages * clipped).mean()
            loss += VALUE * (values[:, -steps:] - returns).square().mean()
            loss -= entropy * policy.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), NORM)
            optimizer.step()


def unfinished(whole, over):
    """Return the last of the steps, as many as the oldest unfinished episode has lasted."""
    lasted = (whole[1].flip(1).cumsum(1) == 0).sum(1) + 1  # steps since the last start
    kept = int((lasted * ~over).max().clamp(max=CONTEXT))
    return [part[:, part.shape[1] - kept :] for part in whole]


def make_agent(id, *, total_steps, seed, **task_kwargs):
    """Train an agent, and yield it from time to time."""
    torch.manual_seed(seed)
    envs = gym.make_vec(id, num_envs=NUM_ENVS, autoreset_mode="SameStep", **task_kwargs)
    width, actions = envs.single_observation_space.shape[0], int(envs.single_action_space.n)
    network = Network(width, actions).to(DEVICE)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, eps=1e-5, fused=True)
    steps = min(STEPS, max(16, total_steps // 1000))  # shorter rollouts where there are few
    rollouts = max(1, total_steps // (NUM_ENVS * steps))
    now = on_device(envs.reset(seed=1000 * seed)[0]), on_device(np.ones(NUM_ENVS, bool))
    before = [part[:, None][:, :0] for part in now]  # nothing yet
    for number in range(rollouts):
        if number % -(-rollouts // POINTS) == 0:
            yield number * NUM_ENVS * steps, network
        left = 1 - number / rollouts
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * left * min(1, (number + 1) / 5)
        now, played, targets = collect(envs, network, now, before, steps)
        whole = [torch.cat(pair, 1) for pair in zip(before, played, strict=True)]
        learn(network, optimizer, whole, targets, ENTROPY * left)
        before = unfinished(whole, now[1])
    yield rollouts * NUM_ENVS * steps, network


if __name__ == "__main__":
    from neurotasks_baselines.suite.run import evaluate

    short = {"ids": ["neurotasks/BanditUniform-v0"], "steps": 6400, "episodes": 100, "seeds": 1}
    with TemporaryDirectory() as out:
        evaluate(make_agent, out, track="quick", **(short if "--short" in sys.argv else {}))
        print((Path(out) / "scores.md").read_text())
