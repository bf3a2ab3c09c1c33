"""The distributional critic outside the mouse tasks: two coins, and CartPole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch as th
from gymnasium import spaces
from gymnasium.wrappers import TransformReward
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.utils import LinearSchedule

from baselines.buffers import ColumnRolloutBuffer, CriticTarget
from baselines.losses import quantile_loss
from baselines.recurrent_ppo import FusedRecurrentPPO

CHANNELS, LANES, UPDATES = 33, 64, 300
RATE = 0.04  # of Adam, falling to 0
TRUE_SD = 0.5**0.5
"""Of the number of heads of two fair coins."""

CART_POLE_STEPS = 80_000
REWARD_SCALE = 0.02
"""Of CartPole while the agent learns: a critic of Adam's small steps never comes to values of 100.
"""


def two_coin_spread(
    target: CriticTarget | None, seed: int, *, gae_lambda: float = 0.95, updates: int = UPDATES
) -> float:
    """Let a table of quantiles learn the return of two coins that each pay 1 or 0.

    The targets are those of `ColumnRolloutBuffer.set_targets`, the loss is the critic's.

    Args:
        target: of the critic, ``"monte-carlo"`` or ``"sr-lambda"``; None lets each channel learn
            from its own prediction, r + V_i' (TD per index, which is too wide; for comparison).
        seed: of everything.
        gae_lambda: of SR(lambda).
        updates: of the table.

    Returns:
        SD over the channels before the first coin; the true one is `TRUE_SD`.
    """
    rng = np.random.default_rng(seed)
    taus = (th.arange(CHANNELS) + 0.5) / CHANNELS
    table = th.zeros(2, CHANNELS, requires_grad=True)
    optimizer = th.optim.Adam([table], RATE)
    schedule = th.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, updates)
    buffer = ColumnRolloutBuffer(
        *(2, spaces.Box(0, 1, (1,)), spaces.Discrete(2), (2, 1, LANES, 1)),
        n_envs=LANES, gamma=1.0, gae_lambda=gae_lambda, critic_target=target or "monte-carlo",
    )  # fmt: skip
    buffer.episode_starts[0] = 1
    weights = th.ones(2 * LANES)
    with th.random.fork_rng(), one_thread():
        th.manual_seed(seed)
        for _ in range(updates):
            buffer.rewards[:] = rng.integers(2, size=(2, LANES))
            learned = np.repeat(table.detach().numpy()[:, None], LANES, axis=1)
            predicted = table[:, None].expand(2, LANES, CHANNELS).flatten(0, 1)
            if target is None:
                following = np.stack([learned[1], np.zeros_like(learned[1])])
                own = th.as_tensor(buffer.rewards[..., None] + following).flatten(0, 1)
                losses = [
                    quantile_loss(predicted[:, [i]], own[:, [i]], taus[[i]], weights)
                    for i in range(CHANNELS)
                ]
                loss = th.stack(losses).mean()
            else:
                buffer.set_targets(learned, 0 * learned[0], np.ones(LANES, np.bool_))
                targets = th.as_tensor(buffer.targets).flatten(0, 1)
                loss = quantile_loss(predicted, targets, taus, weights)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return float(table[0].detach().std(unbiased=False))


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread; on tensors of this size two are slower."""
    before = th.get_num_threads()
    th.set_num_threads(1)
    try:
        yield
    finally:
        th.set_num_threads(before)


def cart_pole_return(
    seed: int, *, steps: int = CART_POLE_STEPS, channels: int = CHANNELS, episodes: int = 100
) -> float:
    """Train an agent with a distributional critic on CartPole-v1, and let it play.

    CartPole is no task of neurotasks: environments and evaluation are Stable-Baselines3's. The
    settings were chosen on the seeds 1001 to 1004: discount, learning rate, length of rollouts,
    cut of gradients, and `REWARD_SCALE`, which made the difference.

    Args:
        seed: of everything.
        steps: of the training.
        channels: of the critic.
        episodes: played after it, each agent's most probable actions.

    Returns:
        Mean return of an episode, at most 500.
    """
    rollout = 128
    envs = make_vec_env(
        "CartPole-v1",
        n_envs=16,
        seed=seed,
        wrapper_class=TransformReward,  # around the monitor, which keeps the reward as it is
        wrapper_kwargs={"func": lambda reward: REWARD_SCALE * reward},
    )
    model = FusedRecurrentPPO(
        "FusedLstmPolicy",
        envs,
        seed=seed,
        n_steps=rollout,
        batch_size=4 * rollout,
        learning_rate=LinearSchedule(3e-3, 3e-4, 1.0),
        gamma=0.99,
        max_grad_norm=100.0,
        critic_target="monte-carlo",
        policy_kwargs={"trunk": "separate", "lstm_hidden_size": 32, "channels": channels},
    )
    model.learn(steps)
    mean, _ = evaluate_policy(model, envs, episodes)
    envs.close()
    return float(np.mean(mean))
