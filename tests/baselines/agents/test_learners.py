"""Gradients worked out in compiled code beside those of torch's automatic differentiation."""

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from sb3_contrib.common.recurrent.type_aliases import RNNStates

from neurotasks_baselines.agents.buffers import ColumnRolloutBuffer
from neurotasks_baselines.agents.compiled_engine import COLUMNS, CompiledLearner
from neurotasks_baselines.agents.losses import Coefficients
from neurotasks_baselines.agents.policies import FusedLstmPolicy
from neurotasks_baselines.agents.torch_engine import TorchLearner
from neurotasks_baselines.errors import ShapeError

UNITS, WIDTH, STEPS, ACTIONS = 5, 3, 7, 4
LANES = 2 * COLUMNS + 5
COEFFICIENTS = Coefficients(clip=0.1, value=0.7, entropy=0.3, normalize=True)


A2C = Coefficients(clip=None, value=0.7, entropy=0.3, normalize=False)
starts = pytest.mark.parametrize("learned_start", [False, True])


def policy_of(**task_kwargs):
    th.manual_seed(0)
    boxes = spaces.Box(-9, 9, (WIDTH,)), spaces.Discrete(ACTIONS)
    policy = FusedLstmPolicy(*boxes, lambda _: 1e-3, lstm_hidden_size=UNITS, **task_kwargs)
    for parameter in policy.parameters():  # the heads begin too small to be seen
        parameter.data += 0.3 * th.randn_like(parameter)
    return policy


def rollout(policy, whole=False, targets=1):
    """Fill a buffer with numbers; behind the old probabilities are other weights."""
    rng = np.random.default_rng(1)
    shape = STEPS, 1, LANES, UNITS
    buffer = ColumnRolloutBuffer(
        STEPS, policy.observation_space, policy.action_space, shape, n_envs=LANES
    )
    for t in range(STEPS):
        starts = (rng.random(LANES) < 0.3) | (whole and t == 0)
        actions = rng.integers(ACTIONS, size=LANES)
        buffer.add(rng.normal(size=(LANES, WIDTH)), actions, rng.normal(size=LANES), starts)
    buffer.log_probs[:] = rng.normal(-1.4, 0.3, (STEPS, LANES))
    buffer.advantages[:] = rng.normal(1, 2, (STEPS, LANES))
    buffer.targets = rng.normal(size=(STEPS, LANES, targets)).astype(np.float32)
    pi, vf = (tuple(th.randn(1, LANES, UNITS) for _ in range(2)) for _ in range(2))
    buffer.first_states = RNNStates(pi, pi if policy.lstm_critic is None else vf)
    buffer.count_all_steps()
    if whole:
        buffer.mask[rng.integers(2, STEPS) :, ::2] = False
    return buffer


def gradients(kind, policy, buffer, columns, coefficients=COEFFICIENTS):
    losses = kind(policy, buffer, coefficients).learn(columns)
    return losses, {n: p.grad for n, p in policy.named_parameters() if p.grad is not None}


def compare(policy, buffer, columns=None, coefficients=COEFFICIENTS):
    columns = th.randperm(LANES) if columns is None else columns
    theirs = gradients(TorchLearner, policy, buffer, columns, coefficients)
    policy.optimizer.zero_grad()
    ours = gradients(CompiledLearner, policy, buffer, columns, coefficients)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5, abs=1e-6)
    assert ours[1].keys() == theirs[1].keys()
    for name, gradient in ours[1].items():
        th.testing.assert_close(gradient, theirs[1][name], rtol=1e-4, atol=2e-7)
        assert gradient.abs().max() > 1e-4
        assert gradient.dtype == th.float32
    return ours


@pytest.mark.parametrize("trunk", ["shared", "separate"])
@pytest.mark.parametrize("critic_shapes_trunk", [True, False])
@pytest.mark.parametrize(
    ("channels", "targets", "critic_loss"),
    [(1, 1, "expectile"), (3, 1, "expectile"), (3, 5, "quantile")],
)
@pytest.mark.parametrize("whole", [True, False])
@starts
def test_gradients_equal_those_of_torch(
    trunk, critic_shapes_trunk, channels, targets, critic_loss, whole, learned_start
):
    policy = policy_of(
        trunk=trunk,
        critic_shapes_trunk=critic_shapes_trunk,
        channels=channels,
        critic_loss=critic_loss,
        learned_start=learned_start,
    )
    terms, _ = compare(policy, rollout(policy, whole, targets))
    assert 0 < terms["clip_fraction"] < 1


@pytest.mark.parametrize("trunk", ["shared", "separate"])
def test_the_states_a_rollout_began_with_count(trunk):
    policy = policy_of(trunk=trunk)
    buffer = rollout(policy)
    _, with_states = compare(policy, buffer)
    before = {name: gradient.clone() for name, gradient in with_states.items()}
    buffer.first_states = RNNStates(
        *(tuple(th.zeros_like(s) for s in b) for b in buffer.first_states)
    )
    _, without = compare(policy, buffer)
    assert all(not th.allclose(without[name], before[name], atol=1e-5) for name in before)


@pytest.mark.parametrize("columns", [1, COLUMNS, COLUMNS + 1, LANES])
def test_minibatches_of_any_size(columns):
    policy = policy_of()
    compare(policy, rollout(policy), th.randperm(LANES)[:columns])


def test_advantages_as_they_are():
    policy = policy_of()
    coefficients = Coefficients(clip=0.1, value=0.7, entropy=0.3, normalize=False)
    buffer = rollout(policy)
    plain, _ = compare(policy, buffer, th.arange(9), coefficients)
    assert plain != compare(policy, buffer, th.arange(9))[0]


@pytest.mark.parametrize("trunk", ["shared", "separate"])
@starts
def test_gradients_of_a2c_equal_those_of_torch(trunk, learned_start):
    policy = policy_of(trunk=trunk, learned_start=learned_start)
    terms, _ = compare(policy, rollout(policy, whole=True), coefficients=A2C)
    assert "clip_fraction" not in terms


@pytest.mark.parametrize("coefficients", [COEFFICIENTS, A2C], ids=["ppo", "a2c"])
@starts
def test_gradients_are_those_of_the_loss(coefficients, learned_start):
    """Beside the slope of the loss between two weights a little apart, for each parameter."""
    policy = policy_of(channels=3, learned_start=learned_start)
    buffer, columns, width = rollout(policy), th.arange(9), 1e-2
    learner = CompiledLearner(policy, buffer, coefficients)
    learner.learn(columns)
    found = [parameter.grad.clone().flatten() for parameter in policy.parameters()]
    for parameter, gradient in zip(policy.parameters(), found, strict=True):
        largest = gradient.abs().argmax()
        entry, losses = parameter.data.view(-1)[largest], []
        for step in (width, -2 * width, width):
            entry += step
            losses.append(learner.learn(columns)["loss"])
        slope = (losses[0] - losses[1]) / (2 * width)
        assert slope == pytest.approx(gradient[largest].item(), rel=0.02)


@pytest.mark.parametrize("field", ["actions", "log_probs", "advantages", "mask"])
def test_arrays_of_different_steps_are_refused(field):
    policy = policy_of()
    buffer = rollout(policy)
    setattr(buffer, field, getattr(buffer, field)[1:])
    with pytest.raises(ShapeError, match="Each array of a rollout must have the shape"):
        CompiledLearner(policy, buffer, COEFFICIENTS)


def test_a_second_minibatch_forgets_the_first():
    policy = policy_of()
    buffer = rollout(policy)
    learner = CompiledLearner(policy, buffer, COEFFICIENTS)
    learner.learn(th.arange(5))
    first = [parameter.grad.clone() for parameter in policy.parameters()]
    learner.learn(th.arange(5, 20))
    learner.learn(th.arange(5))
    assert all(map(th.equal, first, (parameter.grad for parameter in policy.parameters())))


@pytest.mark.parametrize("kind", [TorchLearner, CompiledLearner])
def test_clip(kind):
    policy = policy_of()
    learner = kind(policy, rollout(policy), COEFFICIENTS)
    learner.learn(th.arange(9))
    before = th.cat([parameter.grad.flatten() for parameter in policy.parameters()])
    for norm in (before.norm().item() / 2, 10.0):  # the second is more than what is left
        learner.clip(norm)
        after = th.cat([parameter.grad.flatten() for parameter in policy.parameters()])
        th.testing.assert_close(after, before / 2, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kind", [TorchLearner, CompiledLearner])
def test_the_norm_of_a_large_gradient_is_infinite(kind):
    """Its square is beyond a float32: no warning of numpy's, as a named error follows."""
    policy = policy_of()
    learner = kind(policy, rollout(policy), COEFFICIENTS)
    learner.learn(th.arange(9))
    for parameter in policy.parameters():
        parameter.grad.fill_(1e30)
    assert learner.clip(0.5) == np.inf


@pytest.mark.parametrize("kind", [TorchLearner, CompiledLearner])
@pytest.mark.parametrize("field", ["advantages", "targets"])
def test_nan_does_not_stay_unnoticed(kind, field):
    """All parameters become NaN, as in the stock algorithm, and not a part of them."""
    policy = policy_of(trunk="separate")
    buffer = rollout(policy)
    getattr(buffer, field)[3, 4] = np.nan
    learner = kind(policy, buffer, COEFFICIENTS)
    learner.learn(th.arange(9))
    learner.clip(0.5)
    assert all(parameter.grad.isnan().all() for parameter in policy.parameters())
