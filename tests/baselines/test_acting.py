"""Drawing actions step by step, in torch and in compiled code."""

import numpy as np
import pytest
import torch as th
from by_hand import within
from gymnasium import spaces
from sb3_contrib.common.recurrent.type_aliases import RNNStates

from baselines.acting import Actor, CompiledActor
from baselines.policies import FusedLstmPolicy, RpeLstmPolicy

UNITS, WIDTH, STEPS = 5, 3, 6
VECTOR = spaces.Box(-9, 9, (WIDTH,))


def policy_of(observations=VECTOR, actions=None, kind=FusedLstmPolicy, **keywords):
    space = actions or spaces.Discrete(3)
    return kind(observations, space, lambda _: 1e-3, lstm_hidden_size=UNITS, **keywords)


def random_states(lanes):
    return RNNStates(*(tuple(th.randn(1, lanes, UNITS) for _ in range(2)) for _ in range(2)))


def parts(states):
    return [*states.pi, *states.vf]


@pytest.mark.parametrize("lanes", [1, 4, 130])  # 130 rows are multiplied in three pieces
@pytest.mark.parametrize("trunk", ["shared", "separate"])
def test_compiled_steps_equal_those_of_torch(trunk, lanes):
    policy, states = policy_of(trunk=trunk), random_states(lanes)
    if trunk == "shared":
        states = RNNStates(states.pi, states.pi)
    before = [part.clone() for part in parts(states)]
    ours, theirs = CompiledActor(policy, states, STEPS), Actor(policy, states, STEPS)
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        seen, starts = rng.normal(size=(lanes, WIDTH)).astype(np.float32), rng.random(lanes) < 0.3
        for actor in (ours, theirs):
            actions = actor.step(seen, starts)
            assert actions.shape == (lanes,)
            assert set(actions) <= {0, 1, 2}
        for a, b in zip(parts(ours.states), parts(theirs.states), strict=True):
            th.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    for a, b in zip(ours.outputs(), theirs.outputs(), strict=True):
        assert a.shape == (STEPS * lanes, UNITS)
        th.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert all(map(th.equal, before, parts(states)))  # nobody wrote into what came


def test_compiled_draws_are_those_of_the_softmax_and_new_each_step():
    lanes = 20_000
    policy = policy_of()
    policy.action_net.bias.data = th.tensor([0.0, 1.0, -1.0])
    policy.action_net.weight.data.zero_()
    actor = CompiledActor(policy, random_states(lanes), 2)
    seen, starts = np.zeros((lanes, WIDTH), np.float32), np.zeros(lanes, np.bool_)
    first, second = (actor.step(seen, starts) for _ in range(2))
    probabilities = th.tensor([0.0, 1.0, -1.0]).softmax(0).tolist()
    for drawn in (first, second):
        counts = np.bincount(drawn, minlength=3)
        assert all(within(n, lanes, p) for n, p in zip(counts, probabilities, strict=True))
    assert within(int((first == second).sum()), lanes, sum(p * p for p in probabilities))


def test_which_policies_are_compiled():
    assert CompiledActor.fits(policy_of())
    for other in (
        policy_of(cell="gru"),
        policy_of(net_arch=[4]),
        policy_of(n_lstm_layers=2),
        policy_of(actions=VECTOR),
        policy_of(actions=spaces.MultiDiscrete([2, 2])),
        policy_of(spaces.Discrete(3)),
        policy_of(spaces.Box(0, 255, (36, 36, 3), np.uint8)),
        policy_of(kind=RpeLstmPolicy),
    ):
        assert not CompiledActor.fits(other)
