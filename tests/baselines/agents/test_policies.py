"""The fused policy beside sb3-contrib's, which steps its LSTM in a loop."""

import itertools
import math

import numpy as np
import pytest
import torch as th
from by_hand import within
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates

from neurotasks_baselines.agents.lstm import run_lstm
from neurotasks_baselines.agents.policies import FusedLstmPolicy
from neurotasks_baselines.agents.torch_engine import TorchActor

STEPS, COLUMNS, WIDTH, UNITS = 13, 5, 4, 6
SPACES = {
    "discrete": spaces.Discrete(3),
    "box": spaces.Box(-1, 1, (2,)),
    "multi": spaces.MultiDiscrete([2, 3]),
}
action_spaces = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
trunks = pytest.mark.parametrize("trunk", ["shared", "separate"])
depths = pytest.mark.parametrize("layers", [1, 2])


@pytest.fixture(autouse=True)
def _seed():
    th.manual_seed(0)


def close(ours, theirs, tolerance=1e-6):
    """Whether tensors agree within a tolerance relative to the largest number, or to 1."""
    scale = max(1.0, theirs.abs().max().item())
    return ours.shape == theirs.shape and (ours - theirs).abs().max().item() <= tolerance * scale


def by_loop(inputs, states, starts, lstm):
    flat = inputs.transpose(0, 1).flatten(0, 1), states, starts.T.flatten()
    outputs, _ = RecurrentActorCriticPolicy._process_sequence(*flat, lstm)
    return outputs.view(inputs.shape[1], len(inputs), -1).transpose(0, 1)


def start_patterns():
    yield "none", th.zeros(STEPS, COLUMNS)
    yield "first step", th.eye(STEPS)[:1].T.expand(STEPS, COLUMNS)
    yield "first step of some", th.eye(STEPS)[:1].T * (th.arange(COLUMNS) % 2)
    yield "last step", th.eye(STEPS)[-1:].T.expand(STEPS, COLUMNS)
    yield "every step", th.ones(STEPS, COLUMNS)
    one = th.zeros(STEPS, COLUMNS)
    one[4, 2] = 1
    yield "middle of one column", one
    rng = np.random.default_rng(0)
    for p in (0.1, 0.3, 0.7):
        yield f"random {p}", th.as_tensor(rng.random((STEPS, COLUMNS)) < p)


@depths
@pytest.mark.parametrize("starts", [pytest.param(s, id=name) for name, s in start_patterns()])
def test_sequences_equal_the_loop(starts, layers):
    """Also to the last digits: the loop runs in double precision."""
    starts, lstm = starts.float(), th.nn.LSTM(WIDTH, UNITS, layers)
    inputs = th.randn(STEPS, COLUMNS, WIDTH, requires_grad=True)
    states = tuple(th.randn(layers, COLUMNS, UNITS) for _ in range(2))
    weigh = th.randn(STEPS, COLUMNS, UNITS)
    ours, (hidden, _) = run_lstm(lstm, inputs, states, starts)
    with th.no_grad():
        without, _ = run_lstm(lstm, inputs, states, starts)
    mine = th.autograd.grad((ours * weigh).sum(), [inputs, *lstm.parameters()])
    lstm, inputs = lstm.double(), inputs.detach().double().requires_grad_()
    states = tuple(state.double() for state in states)
    theirs = by_loop(inputs, states, starts.double(), lstm)
    gradients = th.autograd.grad((theirs * weigh).sum(), [inputs, *lstm.parameters()])
    assert close(ours, theirs)
    assert th.equal(ours, without)
    assert th.equal(ours[-1], hidden[-1])
    assert all(itertools.starmap(close, zip(mine, gradients, strict=True)))


@pytest.mark.parametrize("keywords", [{}, {"num_layers": 2}, {"bias": False}])
def test_states_after(keywords):
    lstm = th.nn.LSTM(WIDTH, UNITS, **keywords)
    states = tuple(th.randn(lstm.num_layers, COLUMNS, UNITS) for _ in range(2))
    inputs, starts = th.randn(STEPS, COLUMNS, WIDTH), th.zeros(STEPS, COLUMNS)
    starts[0, 2] = 1
    keep = 1 - starts[0].view(1, -1, 1)
    ours = run_lstm(lstm, inputs, states, starts)
    theirs = lstm(inputs, (states[0] * keep, states[1] * keep))
    assert close(ours[0], theirs[0])
    assert all(map(close, ours[1], theirs[1]))


@pytest.mark.parametrize("value", [-math.inf, -200.0, -8.0, -1e-3, 0.0, 0.5, 3.0, 9.0, 1e30])
def test_gates_of_any_size(value):
    """The approximation of tanh has limits; what lies beyond saturates, and NaN stays NaN."""
    lstm = th.nn.LSTM(1, UNITS)
    states = tuple(th.zeros(1, 1, UNITS) for _ in range(2))
    ours, _ = run_lstm(lstm, th.tensor([[[value]]]), states, th.zeros(1, 1))
    assert close(ours, lstm(th.tensor([[[value]]]), states)[0])
    nothing, _ = run_lstm(lstm, th.tensor([[[math.nan]]]), states, th.zeros(1, 1))
    assert nothing.isnan().all()


def policies(space, trunk, layers=1, net_arch=(7,)):
    """Return ours and the stock policy, with the same weights."""
    arguments = spaces.Box(-9, 9, (WIDTH,)), space, lambda _: 1e-3
    keywords = {"lstm_hidden_size": UNITS, "n_lstm_layers": layers, "net_arch": list(net_arch)}
    shared = trunk == "shared"
    stock = RecurrentActorCriticPolicy(
        *arguments, shared_lstm=shared, enable_critic_lstm=not shared, **keywords
    )
    ours = FusedLstmPolicy(*arguments, trunk=trunk, **keywords)
    ours.load_state_dict(stock.state_dict())
    return ours, stock


def some_states(layers=1, columns=COLUMNS):
    def draw():
        return tuple(th.randn(layers, columns, UNITS) for _ in range(2))

    return RNNStates(draw(), draw())


def zeros(lanes):
    return RNNStates(*(tuple(th.zeros(1, lanes, UNITS) for _ in range(2)) for _ in range(2)))


def some_columns(space, steps=STEPS, layers=1):
    """Return observations, actions, states and starts of some columns, flat, column by column."""
    space.seed(0)
    actions = np.stack([space.sample() for _ in range(COLUMNS * steps)])
    starts = (th.rand(COLUMNS * steps) < 0.2).float()
    observations = th.randn(COLUMNS * steps, WIDTH)
    return observations, th.as_tensor(actions), some_states(layers), starts


def by_step(x):
    """Turn what is ordered column by column, as the stock policy has it, into our order."""
    return x.unflatten(0, (COLUMNS, -1)).transpose(0, 1).flatten(0, 1)


def in_our_order(columns):
    observations, actions, states, starts = columns
    return by_step(observations), by_step(actions), states, by_step(starts)


@depths
@trunks
@action_spaces
def test_evaluate_actions(space, trunk, layers):
    both = policies(space, trunk, layers)
    columns = some_columns(space, layers=layers)
    ours = both[0].evaluate_actions(*in_our_order(columns))
    theirs = tuple(by_step(part) for part in both[1].evaluate_actions(*columns))
    assert all(itertools.starmap(close, zip(ours, theirs, strict=True)))
    if trunk == "shared":
        return  # gradients differ, and should: see below
    weigh = th.randn(3, COLUMNS * STEPS)
    gradients = []
    for policy, (values, log_prob, entropy) in zip(both, (ours, theirs), strict=True):
        loss = (weigh * th.stack([values.flatten(), log_prob, entropy])).sum()
        gradients.append(th.autograd.grad(loss, list(policy.parameters())))
    assert all(itertools.starmap(close, zip(*gradients, strict=True)))


def flat(states):
    return [*states.pi, *states.vf]


@depths
@trunks
@action_spaces
@pytest.mark.parametrize("deterministic", [True, False])
def test_forward(space, trunk, layers, deterministic):
    both = policies(space, trunk, layers)
    observations, _, states, starts = some_columns(space, steps=1, layers=layers)
    results = []
    for policy in both:
        th.manual_seed(1)
        results.append(policy(observations, states, starts, deterministic))
    ours, theirs = results
    assert ours[0].shape == (COLUMNS, *space.shape)
    for a, b in zip((*ours[:3], *flat(ours[3])), (*theirs[:3], *flat(theirs[3])), strict=True):
        assert close(a, b)


@depths
@trunks
def test_predict_values(trunk, layers):
    both = policies(SPACES["discrete"], trunk, layers)
    columns = some_columns(SPACES["discrete"], steps=1, layers=layers)
    observations, _, states, starts = columns
    ours, theirs = (p.predict_values(observations, states.vf, starts) for p in both)
    assert close(ours, theirs)


@pytest.mark.parametrize("loss", ["value", "policy"])
def test_both_heads_train_a_shared_trunk(loss):
    """In the stock policy the value loss stops at the head."""
    norms = []
    columns = some_columns(SPACES["discrete"])
    for policy in policies(SPACES["discrete"], "shared"):
        ordered = in_our_order(columns) if isinstance(policy, FusedLstmPolicy) else columns
        values, log_prob, _ = policy.evaluate_actions(*ordered)
        (values if loss == "value" else log_prob).sum().backward()
        gradients = [p.grad for p in policy.lstm_actor.parameters() if p.grad is not None]
        norms.append(sum(float(g.norm()) for g in gradients))
    ours, theirs = norms
    assert ours > 1e-3
    assert theirs == (0 if loss == "value" else pytest.approx(ours, rel=1e-5))


def drawn(policy, observations, states, starts):
    """One step of the actor that runs in torch: actions, outputs of the LSTMs, states."""
    actor = TorchActor(policy, states, 1)
    actions = th.as_tensor(actor.step(observations.numpy(), starts.numpy()))
    return actions, actor.outputs(), actor.states


def test_an_actor_draws_from_the_softmax():
    lanes = 40_000
    policy, _ = policies(SPACES["discrete"], "shared")
    policy.action_net.bias.data = th.tensor([0.0, 1.0, -1.0])
    states = zeros(lanes)
    observations, starts = th.randn(1, WIDTH).expand(lanes, -1), th.zeros(lanes)
    with th.no_grad():
        actions, *_ = drawn(policy, observations, states, starts)
        expected, _ = policy.get_distribution(observations[:1], zeros(1).pi, starts[:1])
    probabilities = expected.distribution.probs[0].tolist()
    assert max(probabilities) - min(probabilities) > 0.3
    counts = actions.bincount(minlength=3).tolist()
    assert all(within(n, lanes, p) for n, p in zip(counts, probabilities, strict=True))


def test_an_actor_draws_from_the_gaussian():
    lanes = 40_000
    policy, _ = policies(SPACES["box"], "shared")
    policy.log_std.data = th.tensor([0.5, -0.5])
    states = zeros(lanes)
    observations, starts = th.randn(1, WIDTH).expand(lanes, -1), th.zeros(lanes)
    with th.no_grad():
        actions, *_ = drawn(policy, observations, states, starts)
        mean = policy(observations[:1], zeros(1), starts[:1], deterministic=True)[0][0]
    std = policy.log_std.exp()
    assert actions.shape == (lanes, 2)
    assert ((actions.mean(0) - mean).abs() < 4.5 * std / math.sqrt(lanes)).all()
    assert ((actions.std(0) / std - 1).abs() < 4.5 / math.sqrt(2 * lanes)).all()


@depths
@trunks
@action_spaces
def test_an_actor_steps_the_states_of_forward(space, trunk, layers):
    policy, _ = policies(space, trunk, layers)
    observations, _, states, starts = some_columns(space, steps=1, layers=layers)
    starts = th.tensor([0.0, 1, 0, 1, 0])
    with th.no_grad():
        actions, latents, ours = drawn(policy, observations, states, starts)
        _, values, _, theirs = policy(observations, states, starts)
        again = policy.value_of(policy.predict_channels(latents[1]))
    assert actions.shape == (COLUMNS, *space.shape)
    assert all(map(close, flat(ours), flat(theirs)))
    assert close(again, values)


@trunks
@action_spaces
def test_save_and_load(space, trunk, tmp_path):
    saved = FusedLstmPolicy(
        *(spaces.Box(-9, 9, (WIDTH,)), space, lambda _: 1e-3),
        **{"trunk": trunk, "lstm_hidden_size": UNITS, "n_lstm_layers": 2, "net_arch": [7]},
        lstm_kwargs={"bias": False},
    )
    saved.save(tmp_path / "policy")
    loaded = FusedLstmPolicy.load(tmp_path / "policy", trusted=True)
    assert loaded.trunk == trunk
    columns = some_columns(space, layers=2)
    for a, b in zip(
        saved.evaluate_actions(*columns), loaded.evaluate_actions(*columns), strict=True
    ):
        assert th.equal(a, b)


@trunks
@action_spaces
def test_predict(space, trunk):
    """It remembers within an episode, forgets at the start of one, and takes one lane or many."""
    policy, _ = policies(space, trunk)
    observations = np.random.default_rng(0).normal(size=(4, COLUMNS, WIDTH)).astype(np.float32)

    def play(observations, starts):
        state, actions = None, []
        for observation, start in zip(observations, starts, strict=True):
            start = np.full(len(observation), start)
            action, state = policy.predict(observation, state, start, deterministic=True)
            assert all(map(space.contains, action))
            actions.append(action)
        return np.stack(actions), state[0]

    actions, memory = play(observations, [True, False, False, False])
    states = zeros(COLUMNS)
    for t, observation in enumerate(th.as_tensor(observations)):
        start = th.full((COLUMNS,), float(t == 0))
        action, _, _, states = policy(observation, states, start, deterministic=True)
        if isinstance(space, spaces.Box):
            action = action.clip(-1, 1)
        np.testing.assert_allclose(actions[t], action.detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(memory, states.pi[0].detach().numpy(), atol=1e-6)

    one_lane = play(observations[:, [2]], [True, False, False, False])[1]
    np.testing.assert_allclose(one_lane[:, 0], memory[:, 2], atol=1e-6)
    forgetful = play(observations, [True, True, True, True])[1]
    assert np.abs(forgetful - memory).max() > 1e-2
    late = play(observations, [False, False, False, True])[1]
    np.testing.assert_allclose(late, forgetful, atol=1e-6)


def test_wrong_trunk():
    with pytest.raises(ValueError, match="trunk must be one of shared, separate; got 'both'"):
        policies(SPACES["discrete"], "both")
