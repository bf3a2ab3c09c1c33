"""Losses and targets beside numbers worked by hand."""

import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from baselines.buffers import ColumnRolloutBuffer
from baselines.losses import (
    clipped_surrogate,
    expectile_loss,
    normalized,
    quantile_loss,
    weighted_mean,
)
from neurotasks.observers.expectiles import expectiles

TAUS = th.tensor([0.1, 0.5, 0.9])


def test_weighted_mean():
    assert weighted_mean(th.tensor([1.0, 5.0, 99.0]), th.tensor([1.0, 1.0, 0.0])) == 3


def test_normalized():
    """Advantages 1, 3 and, not counted, 50: mean 2, standard deviation sqrt(2)."""
    result = normalized(th.tensor([1.0, 3.0, 50.0]), th.tensor([1.0, 1.0, 0.0]))
    assert th.allclose(result[:2], th.tensor([-1.0, 1.0]) / 2**0.5)


def test_one_sample_that_counts_gives_no_nan():
    result = normalized(th.tensor([7.0, 1.0]), th.tensor([1.0, 0.0]))
    assert result[0] == 0
    assert result.isfinite().all()


def test_clipped_surrogate():
    """A gain is clipped, a loss is not (clip 0.2): -(1.2 * 2 + 0.5 * 2 + 1.5 * -1) / 3."""
    ratio = th.tensor([1.5, 0.5, 1.5], requires_grad=True)
    loss = clipped_surrogate(ratio, th.tensor([2.0, 2.0, -1.0]), th.ones(3), 0.2)
    assert loss.item() == pytest.approx(-(2.4 + 1.0 - 1.5) / 3)
    loss.backward()
    assert th.allclose(ratio.grad, th.tensor([0.0, -2 / 3, 1 / 3]))


def test_expectile_loss_and_gradient():
    """Target 4, predictions 3, 5, 2: errors 1, -1, 2 with weights 0.2, 1, 1.8."""
    channels = th.tensor([[3.0, 5.0, 2.0]], requires_grad=True)
    loss = expectile_loss(channels, th.tensor([[4.0]]), TAUS, th.ones(1))
    assert loss.item() == pytest.approx((0.2 * 1 + 1 * 1 + 1.8 * 4) / 3)
    loss.backward()
    assert th.allclose(channels.grad, th.tensor([[-0.4, 2.0, -7.2]]) / 3)


def test_quantile_loss_and_gradient():
    channels = th.tensor([[3.0, 5.0, 2.0]], requires_grad=True)
    loss = quantile_loss(channels, th.tensor([[4.0]]), TAUS, th.ones(1))
    assert loss.item() == pytest.approx((0.1 * 1 + 0.5 * 1 + 0.9 * 2) / 3)
    loss.backward()
    assert th.allclose(channels.grad, th.tensor([[-0.1, 0.5, -0.9]]) / 3)


def test_one_channel_is_the_mean_squared_error():
    th.manual_seed(0)
    channels, targets, weights = th.randn(50, 1), th.randn(50, 1), (th.rand(50) < 0.7).float()
    loss = expectile_loss(channels, targets, th.tensor([0.5]), weights)
    squares = ((channels - targets) ** 2)[weights > 0]
    assert loss.item() == pytest.approx(squares.mean().item(), abs=1e-6)


@pytest.mark.parametrize("loss", [expectile_loss, quantile_loss])
def test_what_does_not_count_has_no_gradient(loss):
    channels = th.zeros(2, 3, requires_grad=True)
    loss(channels, th.ones(2, 1), TAUS, th.tensor([1.0, 0.0])).backward()
    assert (channels.grad[0] != 0).all()
    assert (channels.grad[1] == 0).all()


@pytest.mark.parametrize("loss", [expectile_loss, quantile_loss])
def test_minima(loss):
    """Gradient descent finds the expectiles, or the quantiles, of what it is shown."""
    values, probabilities = np.array([0.0, 1.0, 5.0]), np.array([0.3, 0.45, 0.25])
    taus = th.tensor([0.15, 0.5, 0.9])
    channels = th.full((1, 3), 2.0, requires_grad=True)
    optimizer = th.optim.SGD([channels], lr=0.05)
    shown = th.tensor(np.repeat(values, (probabilities * 100).astype(int)), dtype=th.float32)
    for _ in range(4000):
        optimizer.zero_grad()
        loss(channels, shown[None], taus, th.ones(1)).backward()
        optimizer.step()
    exact = [0.0, 1.0, 5.0]
    if loss is expectile_loss:
        exact = expectiles(values, probabilities, taus.numpy())
    np.testing.assert_allclose(channels[0].detach(), exact, atol=0.02)


def buffer(target, rewards, starts, **keywords):
    steps, lanes = np.shape(rewards)
    box, shape = spaces.Box(0, 1, (1,)), (steps, 1, lanes, 2)
    made = ColumnRolloutBuffer(
        *(steps, box, spaces.Discrete(2), shape), n_envs=lanes, critic_target=target, **keywords
    )
    made.rewards[:], made.episode_starts[:] = rewards, starts
    return made


def test_monte_carlo_targets():
    """Returns 1 + 0.5 * 2 and 2 end with their episode; the last step goes on with a channel."""
    made = buffer("monte-carlo", [[1.0], [2.0], [4.0]], [[1], [0], [1]], gamma=0.5)
    made.set_targets(np.zeros((3, 1, 1)), np.array([[8.0]]), np.array([False]))
    assert made.targets[:, 0, 0].tolist() == [2.0, 2.0, 8.0]
    made.set_targets(np.zeros((3, 1, 1)), np.array([[8.0]]), np.array([True]))
    assert made.targets[:, 0, 0].tolist() == [2.0, 2.0, 4.0]


def test_lambda_targets_are_the_returns():
    made = buffer("lambda", [[1.0], [2.0]], [[1], [0]])
    made.returns[:] = [[7.0], [9.0]]
    made.set_targets(np.zeros((2, 1, 1)), np.zeros((1, 1)), np.array([True]))
    assert made.targets[:, 0, 0].tolist() == [7.0, 9.0]


def test_sr_lambda_targets_are_a_mixture():
    """A sample is the sum of rewards with probability lambda, else starts from a channel."""
    th.manual_seed(0)
    made = buffer("sr-lambda", [[1.0], [2.0]], [[1], [0]], gamma=1.0, gae_lambda=0.75)
    channels = np.zeros((2, 1, 4001))
    channels[1] = 10.0
    made.set_targets(channels, np.zeros((1, 4001)), np.array([True]))
    assert (made.targets[1, 0] == 2).all()
    assert set(made.targets[0, 0].tolist()) == {3.0, 11.0}
    share = (made.targets[0, 0] == 3).mean()
    assert abs(share - 0.75) < 4.5 * (0.75 * 0.25 / 4001) ** 0.5


def test_two_coins():
    """Two independent coins: the true return is 0, 1, 2 with sd 0.707; SR(lambda) keeps it."""
    th.manual_seed(0)
    lanes, channels = 4000, np.zeros((2, 4000, 99))
    coins = np.random.default_rng(0).integers(2, size=(2, lanes)).astype(float)
    made = buffer("sr-lambda", coins, [[1] * lanes, [0] * lanes], gamma=1.0, gae_lambda=0.5)
    channels[1] = np.arange(99) >= 49.5  # the learned distribution of the second coin
    made.set_targets(channels, np.zeros((lanes, 99)), np.ones(lanes, bool))
    assert made.targets[0].std() == pytest.approx(0.5**0.5, abs=0.01)
