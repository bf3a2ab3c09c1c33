"""Tables of channels that learn as the critic does: the return of two coins or a chain of steps.

They show what the targets of the critic do to the spread of its channels; no agent is trained.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray

from neurotasks.observers.expectiles import expectiles
from neurotasks_baselines.agents.buffers import ColumnRolloutBuffer, CriticTarget
from neurotasks_baselines.agents.losses import expectile_loss, quantile_loss
from neurotasks_baselines.dopamine.neurons import MAGNITUDES, PROBABILITIES
from neurotasks_baselines.processes import limited_threads

CHANNELS, NUM_ENVS, UPDATES = 33, 64, 300
TAUS = ((np.arange(CHANNELS) + 0.5) / CHANNELS).astype(np.float32)  # 0.5 in the middle
RATE = 0.04  # Adam's learning rate, falling to 0
TRUE_SD = 0.5**0.5
"""SD of the number of heads of two fair coins."""


def two_coin_spread(
    target: CriticTarget | None, seed: int, *, gae_lambda: float = 0.95, updates: int = UPDATES
) -> float:
    """Let a table of quantiles learn the return of two coins that each pay 1 or 0.

    Args:
        target: Target of the critic, ``"monte-carlo"`` or ``"sr-lambda"``; None lets each channel
            learn from its own prediction, r + V_i' (TD per index, which is too wide; for
            comparison).
        seed: Random seed.
        gae_lambda: Lambda of SR(lambda), 0 to 1.
        updates: Number of updates of the table.

    Returns:
        SD over the channels before the first coin; the true one is `TRUE_SD`.
    """

    def toss(rng: np.random.Generator) -> Any:
        return rng.integers(2, size=(2, NUM_ENVS))

    table = _learn_table(toss, 2, quantile_loss, target, seed, gae_lambda, updates)
    return float(table[0].std())


def chain_spread(
    target: CriticTarget, seed: int, steps: int, *, gae_lambda: float = 0.95, updates: int = UPDATES
) -> float:
    """Let a table of expectiles learn a chain of steps from a cue to one of the seven rewards.

    The reward has the weight lambda^(steps - 1) in the lambda-return at the cue. The other terms
    are values, the same in every trial, which add no spread.

    Args:
        target: Target of the critic, ``"monte-carlo"`` or ``"lambda"``.
        seed: Random seed.
        steps: Number of steps from the cue to the outcome.
        gae_lambda: Lambda of the lambda-return, 0 to 1; its values are the channel of tau = 0.5, as
            in the critic.
        updates: Number of updates of the table.

    Returns:
        SD over the channels at the cue / SD of the exact expectiles of the rewards.
    """
    magnitudes = MAGNITUDES / MAGNITUDES.max()  # within reach of Adam's small steps

    def trials(rng: np.random.Generator) -> Any:
        rewards = np.zeros((steps, NUM_ENVS))
        rewards[-1] = rng.choice(magnitudes, NUM_ENVS, p=PROBABILITIES)
        return rewards

    table = _learn_table(trials, steps, expectile_loss, target, seed, gae_lambda, updates)
    return float(table[0].std() / expectiles(magnitudes, PROBABILITIES, TAUS).std())


def _learn_table(
    draw: Callable[[np.random.Generator], Any],
    steps: int,
    loss_of: Callable[[Any, Any, Any, Any], tuple[float, Any]],
    target: CriticTarget | None,
    seed: int,
    gae_lambda: float,
    updates: int,
) -> NDArray[np.float32]:
    """Return the channels a table learns for each step of an episode, (steps, channels).

    The targets are those of `ColumnRolloutBuffer`, the loss is the critic's, and gamma is 1.

    Args:
        draw: Function that draws the rewards of one episode each, (steps, num_envs).
        steps: Number of steps of an episode.
        loss_of: Function from channels, targets, taus and weights to the loss and its gradient.
        target: Target of the critic, see `two_coin_spread`.
        seed: Random seed.
        gae_lambda: Lambda of the target, 0 to 1.
        updates: Number of updates of the table.
    """
    rng = np.random.default_rng(seed)
    table = th.zeros(steps, CHANNELS, requires_grad=True)
    optimizer = th.optim.Adam([table], RATE)
    schedule = th.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, updates)
    buffer = ColumnRolloutBuffer(
        steps,
        spaces.Box(0, 1, (1,)),
        spaces.Discrete(2),
        (steps, 1, NUM_ENVS, 1),
        n_envs=NUM_ENVS,
        channels=CHANNELS,
        gamma=1.0,
        gae_lambda=gae_lambda,
        critic_target=target or "monte-carlo",
    )
    buffer.episode_starts[0] = 1
    weights = np.full(steps * NUM_ENVS, 1 / (steps * NUM_ENVS), np.float32)
    ended = np.ones(NUM_ENVS, np.bool_)
    with th.random.fork_rng(), limited_threads(1):
        th.manual_seed(seed)
        for _ in range(updates):
            buffer.rewards[:] = draw(rng)
            learned = np.repeat(table.detach().numpy()[:, None], NUM_ENVS, axis=1)
            predicted = learned.reshape(-1, CHANNELS).T.copy()
            if target is None:
                following = np.concatenate([learned[1:], np.zeros_like(learned[:1])])
                own = (buffer.rewards[..., None] + following).reshape(-1, CHANNELS).T
                parts = [
                    loss_of(predicted[[i]], own[[i]], TAUS[[i]], weights)[1]
                    for i in range(CHANNELS)
                ]
                gradient = np.concatenate(parts) / CHANNELS
            else:
                buffer.values[:] = learned[..., CHANNELS // 2]
                buffer.compute_returns_and_advantage(th.zeros(NUM_ENVS), ended)
                buffer.channels[:] = learned
                buffer.set_targets(0 * learned[0], ended)
                targets = buffer.targets.reshape(-1, buffer.targets.shape[2]).T.copy()
                _, gradient = loss_of(predicted, targets, TAUS, weights)
            by_step = gradient.T.reshape(learned.shape).sum(axis=1)
            table.grad = th.as_tensor(by_step, dtype=table.dtype)
            optimizer.step()
            schedule.step()
    return table.detach().numpy()
