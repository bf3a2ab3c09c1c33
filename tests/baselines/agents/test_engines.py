"""Drawing actions step by step, in torch and in compiled code."""

import numpy as np
import pytest
import torch as th
from by_hand import within
from gymnasium import spaces
from sb3_contrib.common.recurrent.type_aliases import RNNStates

from neurotasks_baselines.agents.compiled_engine import CompiledActor
from neurotasks_baselines.agents.engines import COMPILED, TORCH, engine_of, reason_for_torch
from neurotasks_baselines.agents.policies import FusedLstmPolicy, RpeLstmPolicy
from neurotasks_baselines.agents.torch_engine import TorchActor

UNITS, WIDTH, STEPS = 5, 3, 6
VECTOR = spaces.Box(-9, 9, (WIDTH,))


@pytest.fixture(autouse=True)
def _seed():
    th.manual_seed(0)


def policy_of(observations=VECTOR, actions=None, kind=FusedLstmPolicy, **task_kwargs):
    space = actions or spaces.Discrete(3)
    return kind(observations, space, lambda _: 1e-3, **{"lstm_hidden_size": UNITS} | task_kwargs)


def random_states(lanes):
    return RNNStates(*(tuple(th.randn(1, lanes, UNITS) for _ in range(2)) for _ in range(2)))


def parts(states):
    return [*states.pi, *states.vf]


@pytest.mark.parametrize("lanes", [1, 4, 130])  # 130 rows are multiplied in three pieces
@pytest.mark.parametrize("trunk", ["shared", "separate"])
@pytest.mark.parametrize("learned_start", [False, True])
def test_compiled_steps_equal_those_of_torch(trunk, lanes, learned_start):
    policy, states = policy_of(trunk=trunk, learned_start=learned_start), random_states(lanes)
    for name, parameter in policy.named_parameters():
        if name.endswith("initial_state"):
            parameter.data.normal_()
    if trunk == "shared":
        states = RNNStates(states.pi, states.pi)
    before = [part.clone() for part in parts(states)]
    ours, theirs = CompiledActor(policy, states, STEPS), TorchActor(policy, states, STEPS)
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


@pytest.mark.parametrize("trunk", ["shared", "separate"])
def test_compiled_draws_are_those_of_the_policy_and_new_each_step(trunk):
    lanes = 20_000
    policy, one = policy_of(trunk=trunk), random_states(1)
    policy.action_net.weight.data = th.tensor([[2.0], [0.0], [-2.0]]) * th.randn(3, UNITS).sign()
    states = RNNStates(*(tuple(x.expand(-1, lanes, -1) for x in pair) for pair in one))
    actor, starts = CompiledActor(policy, states, 2), np.zeros(lanes, np.bool_)
    seen, drawn, state = np.ones((lanes, WIDTH), np.float32), [], one.pi
    for _ in range(2):
        with th.no_grad():
            chosen, state = policy.get_distribution(th.ones(1, WIDTH), state, th.zeros(1))
        drawn.append((actor.step(seen, starts), chosen.distribution.probs[0].tolist()))
    for actions, probabilities in drawn:
        assert max(probabilities) - min(probabilities) > 0.1
        counts = np.bincount(actions, minlength=3)
        assert all(within(n, lanes, p) for n, p in zip(counts, probabilities, strict=True))
    (first, p), (second, q) = drawn
    both = sum(a * b for a, b in zip(p, q, strict=True))
    assert within(int((first == second).sum()), lanes, both)


def test_a_network_of_nan_still_draws_an_action():
    policy = policy_of()
    policy.action_net.bias.data.fill_(np.nan)
    actor = CompiledActor(policy, random_states(4), 1)
    assert (actor.step(np.zeros((4, WIDTH), np.float32), np.zeros(4, np.bool_)) == 0).all()


def test_plain_policies_are_compiled():
    for trunk in ("shared", "separate"):
        assert engine_of(policy_of(trunk=trunk, channels=3, learned_start=True)) is COMPILED


NOT_PLAIN = {
    "modules of type GRU": lambda: policy_of(cell="gru"),
    "modules of type FeedForward": lambda: policy_of(cell="feedforward"),
    "modules of type Tanh": lambda: policy_of(net_arch=[4]),
    "PictureEncoder": lambda: policy_of(
        spaces.Dict({"image": spaces.Box(0, 255, (3, 36, 36), np.uint8)})
    ),
    "modules of type RpeLstmPolicy": lambda: policy_of(kind=RpeLstmPolicy),
    "several recurrent layers": lambda: policy_of(n_lstm_layers=2),
    "256 units or more": lambda: policy_of(lstm_hidden_size=256),
    "without bias": lambda: policy_of(lstm_kwargs={"bias": False}),
    "not Discrete": lambda: policy_of(actions=spaces.MultiDiscrete([2, 2])),
    "no float32 vector": lambda: policy_of(spaces.Discrete(3)),
}


@pytest.mark.parametrize("reason", NOT_PLAIN)
def test_other_policies_run_in_torch(reason):
    policy = NOT_PLAIN[reason]()
    assert reason in reason_for_torch(policy)
    assert engine_of(policy) is TORCH


def parametrize(policy):
    th.nn.utils.parametrize.register_parametrization(policy.action_net, "weight", th.nn.Identity())


HUNG_ON = {
    "a forward hook": lambda p: p.action_net.register_forward_hook(lambda *_: None),
    "a pre-hook": lambda p: p.lstm_actor.register_forward_pre_hook(lambda *_: None),
    "a backward hook": lambda p: p.value_net.register_full_backward_hook(lambda *_: None),
    "a hook on a gradient": lambda p: p.action_net.weight.register_hook(lambda g: 0 * g),
    "a hook after accumulation": (
        lambda p: p.action_net.weight.register_post_accumulate_grad_hook(lambda _: None)
    ),
    "a frozen head": lambda p: p.value_net.requires_grad_(False),
    "a parametrization": parametrize,
}


@pytest.mark.parametrize("name", HUNG_ON)
def test_what_is_hung_on_a_policy_is_left_to_torch(name):
    policy = policy_of()
    assert engine_of(policy) is COMPILED
    HUNG_ON[name](policy)
    assert engine_of(policy) is TORCH
