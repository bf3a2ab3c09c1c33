"""Losses and targets beside numbers worked by hand."""

import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from neurotasks.observers.expectiles import expectiles
from neurotasks_baselines.agents.buffers import ColumnRolloutBuffer
from neurotasks_baselines.agents.losses import (
    attached,
    clipped_surrogate,
    expectile_loss,
    normalized,
    policy_gradient,
    quantile_loss,
    softmax_surrogate,
)

TAUS = np.array([0.1, 0.5, 0.9], np.float32)


def floats(*values):
    return np.array(values, np.float32)


def test_normalized():
    """Advantages 1, 3 and, not counted, 50: mean 2, standard deviation sqrt(2)."""
    result = normalized(floats(1, 3, 50), floats(0.5, 0.5, 0))
    np.testing.assert_allclose(result[:2], floats(-1, 1) / 2**0.5, rtol=1e-6)
    assert result.dtype == np.float32


def test_one_sample_that_counts_gives_no_nan():
    result = normalized(floats(7, 1), floats(1, 0))
    assert result[0] == 0
    assert np.isfinite(result).all()


def test_clipped_surrogate():
    """A gain is clipped, a loss is not (clip 0.2): -(1.2 * 2 + 0.5 * 2 + 1.5 * -1) / 3.

    The ratio has the gradient 0, -2/3 and 1/3; its logarithm's is that times the ratio.
    """
    ratio, weights = floats(1.5, 0.5, 1.5), floats(1, 1, 1) / 3
    old = np.log(floats(0.2, 0.8, 0.4))
    result = clipped_surrogate(old + np.log(ratio), old, floats(2, 2, -1), weights, 0.2)
    assert result.loss == pytest.approx(-(2.4 + 1.0 - 1.5) / 3)
    np.testing.assert_allclose(result.gradient, floats(0, -2 / 3 * 0.5, 1 / 3 * 1.5), rtol=1e-5)
    assert result.approx_kl == pytest.approx((ratio - 1 - np.log(ratio)).mean(), rel=1e-5)
    assert result.clip_fraction == pytest.approx(1)
    assert result.gradient.dtype == np.float32


def test_at_the_old_policy_nothing_is_clipped():
    old = np.log(floats(0.2, 0.7))
    result = clipped_surrogate(old, old, floats(3, -1), floats(0.5, 0.5), 0.2)
    assert (result.loss, result.approx_kl, result.clip_fraction) == (-1.0, 0.0, 0.0)
    assert result.gradient.tolist() == [-1.5, 0.5]


@pytest.mark.parametrize("old", [floats(0.25, 0.5), floats(0.9, 0.01)])
def test_policy_gradient(old):
    """Probabilities 1/4 and 1/2, advantages 2 and -1: -(2 log(1/4) - log(1/2)) / 2 = 3/2 log(2).

    Nothing is clipped, however far the policy is from the one that acted.
    """
    p, weights = floats(0.25, 0.5), floats(0.5, 0.5)
    result = policy_gradient(np.log(p), np.log(old), floats(2, -1), weights)
    assert result.loss == pytest.approx(1.5 * np.log(2))
    assert result.gradient.tolist() == [-1.0, 0.5]
    assert result.approx_kl == pytest.approx((p / old - 1 - np.log(p / old)).mean(), rel=1e-4)
    assert result.clip_fraction == 0
    assert result.gradient.dtype == np.float32


def test_at_the_old_policy_the_gradient_is_that_of_ppo():
    """Huang et al. 2022."""
    rng = np.random.default_rng(0)
    old, advantages, weights = rng.normal(size=(3, 20)).astype(np.float32)
    ours = policy_gradient(old, old, advantages, weights)
    theirs = clipped_surrogate(old, old, advantages, weights, 0.2)
    np.testing.assert_array_equal(ours.gradient, theirs.gradient)


def of_softmax(logits, actions, advantages, entropy, clip=0.2):
    """Terms, log-probabilities and gradient where the policy that acted was the same."""
    log_probs, gradient = logits.astype(np.float32), np.empty(logits.shape, np.float32)
    samples = np.arange(len(actions))
    old = (logits - np.log(np.exp(logits).sum(axis=0)))[actions, samples].astype(np.float32)
    weights = np.ones(len(actions), np.float32)
    numbers = clip and np.float32(clip), np.float32(entropy)
    terms = softmax_surrogate(log_probs, actions, old, advantages, weights, *numbers, gradient)
    return terms, log_probs, gradient


@pytest.mark.parametrize("more", [0, 80])
def test_softmax(more):
    """Probabilities 1/4 and 3/4: log-probabilities and entropy.

    The gradient of log p(taken) is 1 - p for the action taken and -p for the others.
    """
    p, taken = floats(0.25, 0.75), np.array([1, 0])
    terms, log_probs, gradient = of_softmax(
        np.log(p)[:, None] + floats(0, more), taken, floats(-1, -2), 0
    )
    np.testing.assert_allclose(np.exp(log_probs), p[:, None] * [[1, 1]], rtol=1e-5)
    np.testing.assert_allclose(terms, [3, 2 * (p * np.log(p)).sum(), 0, 0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient, [[-0.25, 1.5], [0.25, -1.5]], rtol=1e-4)


def test_softmax_of_the_policy_gradient():
    """Probabilities 1/4 and 3/4: the loss is log(3/4) - 2 log(1/4), the gradient as above."""
    p, taken = floats(0.25, 0.75), np.array([1, 0])
    logits = np.log(p)[:, None] + floats(0, 3)
    terms, _, gradient = of_softmax(logits, taken, floats(-1, 2), 0, clip=None)
    assert terms[0] == pytest.approx(np.log(0.75) - 2 * np.log(0.25), rel=1e-5)
    assert terms[1:] == pytest.approx((2 * (p * np.log(p)).sum(), 0, 0), abs=1e-5)
    np.testing.assert_allclose(gradient, [[-0.25, -1.5], [0.25, 1.5]], rtol=1e-4)


def test_gradient_of_the_entropy():
    """Beside the slope between two logits a little apart."""
    logits = np.random.default_rng(0).normal(size=(3, 4))
    taken, nothing = np.zeros(4, np.int32), np.zeros(4, np.float32)

    def entropy(logits):
        p = np.exp(logits) / np.exp(logits).sum(axis=0)
        return -(p * np.log(p)).sum(axis=0)

    terms, _, gradient = of_softmax(logits, taken, nothing, 0.5)
    assert terms[1] == pytest.approx(-entropy(logits).sum(), rel=1e-6)
    for a in range(3):
        step = np.zeros((3, 1))
        step[a] = 1e-5
        slope = (entropy(logits + step) - entropy(logits - step)) / 2e-5
        np.testing.assert_allclose(gradient[a], -0.5 * slope, atol=1e-6)


def test_softmax_has_the_same_surrogate():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 50)).astype(np.float32)
    old, advantages = rng.normal(size=(2, 50)).astype(np.float32)
    weights, actions = np.full(50, 0.02, np.float32), rng.integers(3, size=50)
    samples, gradient = (old, advantages, weights), np.empty_like(logits)
    numbers = np.float32(0.2), np.float32(0)
    terms = softmax_surrogate(logits, actions, *samples, *numbers, gradient)
    result = clipped_surrogate(logits[actions, np.arange(50)], *samples, 0.2)
    expected = result.loss, result.approx_kl, result.clip_fraction
    assert (terms[0], *terms[2:]) == pytest.approx(expected, rel=1e-6)
    exact = result.gradient * (np.eye(3)[actions].T - np.exp(logits))
    np.testing.assert_allclose(gradient, exact, atol=1e-6)


def test_an_action_that_is_none_is_not_a_number():
    """And nothing is written where it would be."""
    logits = np.zeros((2, 3))
    terms, _, gradient = of_softmax(logits, np.array([0, 1, 1]), floats(1, 1, 1), 0)
    assert np.isfinite(gradient).all()
    assert np.isfinite(terms).all()
    log_probs = logits.astype(np.float32)
    numbers = np.float32(0.2), np.float32(0)
    samples = (floats(-1, -1, -1),) * 3
    softmax_surrogate(log_probs, np.array([0, 7, -1]), *samples, *numbers, gradient)
    assert np.isnan(gradient).any(axis=0).tolist() == [False, True, True]


def test_nan_is_not_clipped_away():
    old = np.log(floats(0.2, 0.7))
    result = clipped_surrogate(old, old, floats(np.nan, -1), floats(0.5, 0.5), 0.2)
    assert np.isnan(result.loss)
    assert np.isnan(result.gradient).tolist() == [True, False]


def column(*values):
    return floats(*values)[:, None]


def test_expectile_loss_and_gradient():
    """Target 4, predictions 3, 5, 2: errors 1, -1, 2 with weights 0.2, 1, 1.8."""
    loss, gradient = expectile_loss(column(3, 5, 2), column(4), TAUS, floats(1))
    assert loss == pytest.approx((0.2 * 1 + 1 * 1 + 1.8 * 4) / 3)
    np.testing.assert_allclose(gradient, column(-0.4, 2.0, -7.2) / 3, rtol=1e-6)
    assert gradient.dtype == np.float32


def test_quantile_loss_and_gradient():
    loss, gradient = quantile_loss(column(3, 5, 2), column(4), TAUS, floats(1))
    assert loss == pytest.approx((0.1 * 1 + 0.5 * 1 + 0.9 * 2) / 3)
    np.testing.assert_allclose(gradient, column(-0.1, 0.5, -0.9) / 3, rtol=1e-6)


def test_every_target_counts_for_every_channel():
    """Targets 1 and 4 for a channel at 2: squared errors 1 and 4, half each."""
    loss, gradient = expectile_loss(column(2), column(1, 4), floats(0.5), floats(1))
    assert loss == pytest.approx(2.5)
    assert gradient == pytest.approx(-1.0)  # the slope of ((x - 1)^2 + (x - 4)^2) / 2 at 2


def test_one_channel_is_the_mean_squared_error():
    rng = np.random.default_rng(0)
    channels, targets = rng.normal(size=(2, 1, 50)).astype(np.float32)
    counts = rng.random(50) < 0.7
    weights = (counts / counts.sum()).astype(np.float32)
    loss, _ = expectile_loss(channels, targets, floats(0.5), weights)
    assert loss == pytest.approx(((channels - targets) ** 2)[0, counts].mean(), abs=1e-6)


@pytest.mark.parametrize("loss", [expectile_loss, quantile_loss])
def test_what_does_not_count_has_no_gradient(loss):
    zeros, ones = np.zeros((3, 2), np.float32), np.ones((1, 2), np.float32)
    _, gradient = loss(zeros, ones, TAUS, floats(1, 0))
    assert (gradient[:, 0] != 0).all()
    assert (gradient[:, 1] == 0).all()


@pytest.mark.parametrize("loss", [expectile_loss, quantile_loss])
def test_minima(loss):
    """Gradient descent finds the expectiles, or the quantiles, of what it is shown."""
    values, probabilities = np.array([0.0, 1.0, 5.0]), np.array([0.3, 0.45, 0.25])
    taus = floats(0.15, 0.5, 0.9)
    channels = np.full((3, 1), 2, np.float32)
    shown = np.repeat(values, (probabilities * 100).astype(int)).astype(np.float32)
    for _ in range(4000):
        channels -= 0.05 * loss(channels, shown[:, None], taus, floats(1))[1]
    exact = [0.0, 1.0, 5.0]
    if loss is expectile_loss:
        exact = expectiles(values, probabilities, taus)
    np.testing.assert_allclose(channels[:, 0], exact, atol=0.02)


def test_attached():
    x = th.ones(2, requires_grad=True)
    (3 * attached(x, 5.0, floats(1, -2))).backward()
    assert x.grad.tolist() == [3.0, -6.0]
    assert attached(x, 5.0, floats(1, -2)).item() == 5.0


def buffer(target, rewards, starts, **task_kwargs):
    steps, lanes = np.shape(rewards)
    box, shape = spaces.Box(0, 1, (1,)), (steps, 1, lanes, 2)
    made = ColumnRolloutBuffer(
        *(steps, box, spaces.Discrete(2), shape), n_envs=lanes, critic_target=target, **task_kwargs
    )
    made.rewards[:], made.episode_starts[:] = rewards, starts
    return made


def test_monte_carlo_targets():
    """Returns 1 + 0.5 * 2 and 2 end with their episode; the last step goes on with a channel."""
    made = buffer("monte-carlo", [[1.0], [2.0], [4.0]], [[1], [0], [1]], gamma=0.5)
    made.set_targets(np.array([[8.0]]), np.array([False]))
    assert made.targets[:, 0, 0].tolist() == [2.0, 2.0, 8.0]
    made.set_targets(np.array([[8.0]]), np.array([True]))
    assert made.targets[:, 0, 0].tolist() == [2.0, 2.0, 4.0]


def test_lambda_targets_are_the_returns():
    made = buffer("lambda", [[1.0], [2.0]], [[1], [0]])
    made.returns[:] = [[7.0], [9.0]]
    made.set_targets(np.zeros((1, 1)), np.array([True]))
    assert made.targets[:, 0, 0].tolist() == [7.0, 9.0]


def test_sr_lambda_targets_are_a_mixture():
    """A sample is the sum of rewards with probability lambda, else starts from a channel."""
    th.manual_seed(0)
    made = buffer("sr-lambda", [[1.0], [2.0]], [[1], [0]], gamma=1.0, gae_lambda=0.75)
    made.channels = np.zeros((2, 1, 4001))
    made.channels[1] = 10.0
    made.set_targets(np.zeros((1, 4001)), np.array([True]))
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
    made.channels = channels
    made.set_targets(np.zeros((lanes, 99)), np.ones(lanes, bool))
    assert made.targets[0].std() == pytest.approx(0.5**0.5, abs=0.01)
