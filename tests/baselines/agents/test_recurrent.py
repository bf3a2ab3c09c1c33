"""GRU, RNN and layers without memory compared with torch's own, stepped in a loop."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
import torch as th

from neurotasks_baselines.agents.lstm import run_lstm
from neurotasks_baselines.agents.recurrent import GRU, LSTM, MANY_UNITS, RNN, FeedForward

STEPS, COLUMNS, WIDTH, UNITS = 13, 5, 4, 6
CELLS = {"gru": (GRU, th.nn.GRU), "rnn": (RNN, th.nn.RNN), "feedforward": (FeedForward, th.nn.RNN)}
cells = pytest.mark.parametrize(("module", "stock"), CELLS.values(), ids=CELLS.keys())


@pytest.fixture(autouse=True)
def _seed():
    th.manual_seed(0)


def close(ours, theirs, tolerance=1e-6):
    """Whether tensors agree within a tolerance relative to the largest number, or to 1."""
    scale = max(1.0, theirs.abs().max().item())
    return ours.shape == theirs.shape and (ours - theirs).abs().max().item() <= tolerance * scale


def by_loop(module, inputs, hidden, starts):
    """Step torch's module, with the state zero before each start."""
    outputs = []
    for step, start in zip(inputs, starts, strict=True):
        output, hidden = module(step[None], hidden * (1 - start).view(1, -1, 1))
        outputs.append(output)
    return th.cat(outputs), hidden


def start_patterns():
    yield "none", th.zeros(STEPS, COLUMNS)
    yield "first step of some", th.eye(STEPS)[:1].T * (th.arange(COLUMNS) % 2)
    yield "last step", th.eye(STEPS)[-1:].T.expand(STEPS, COLUMNS)
    yield "every step", th.ones(STEPS, COLUMNS)
    one = th.zeros(STEPS, COLUMNS)
    one[4, 2] = 1
    yield "middle of one column", one
    rng = np.random.default_rng(0)
    for p in (0.1, 0.5):
        yield f"random {p}", th.as_tensor(rng.random((STEPS, COLUMNS)) < p).float()


@cells
@pytest.mark.parametrize("starts", [pytest.param(s, id=name) for name, s in start_patterns()])
@pytest.mark.parametrize("task_kwargs", [{}, {"num_layers": 2}, {"bias": False}], ids=str)
def test_sequences_equal_the_loop(module, stock, starts, task_kwargs):
    """Outputs, states and all gradients, to the last digits: the loop runs in double precision."""
    module = module(WIDTH, UNITS, **task_kwargs)
    inputs = th.randn(STEPS, COLUMNS, WIDTH, requires_grad=True)
    hidden = th.randn(module.num_layers, COLUMNS, UNITS)
    weigh = th.randn(STEPS, COLUMNS, UNITS)
    ours, (after, _) = module(inputs, (hidden, th.zeros_like(hidden)), starts)
    with th.no_grad():
        without, _ = module(inputs, (hidden, th.zeros_like(hidden)), starts)
    mine = th.autograd.grad((ours * weigh).sum(), [inputs, *module.parameters()])
    stock = stock(WIDTH, UNITS, **task_kwargs).double()
    stock.load_state_dict(module.double().state_dict())
    inputs = inputs.detach().double().requires_grad_()
    if isinstance(module, FeedForward):  # which starts at every step
        starts = th.ones(STEPS, COLUMNS)
    theirs, last = by_loop(stock, inputs, hidden.double(), starts.double())
    gradients = th.autograd.grad((theirs * weigh).sum(), [inputs, *stock.parameters()])
    assert close(ours, theirs)
    assert close(after, last)
    assert not after.requires_grad
    assert th.equal(ours, without)
    assert all(itertools.starmap(close, zip(mine, gradients, strict=True)))


@pytest.mark.parametrize("starts", [pytest.param(s, id=name) for name, s in start_patterns()])
@pytest.mark.parametrize("sizes", [{}, {"num_layers": 2}, {"hidden_size": MANY_UNITS}], ids=str)
def test_learned_starts_equal_the_loop(starts, sizes):
    """Outputs, states and all gradients are those of torch's, stepped from the same state."""
    sizes = {"input_size": WIDTH, "hidden_size": UNITS} | sizes
    module, stock = LSTM(**sizes), th.nn.LSTM(**sizes).double()
    stock.load_state_dict(module.state_dict())
    module.learn_start()
    assert not module.initial_state.any()
    module.initial_state.data.normal_()
    initial = module.initial_state.detach().double().requires_grad_()
    inputs = th.randn(STEPS, COLUMNS, WIDTH)
    before = th.randn(2, module.num_layers, COLUMNS, module.hidden_size)
    weigh = th.randn(STEPS, COLUMNS, module.hidden_size)
    ours, after = module(inputs, tuple(before), starts)
    with th.no_grad():
        without, _ = module(inputs, tuple(before), starts)
    states, outputs = before.double(), []
    for step, start in zip(inputs.double(), starts.double().view(STEPS, -1, 1), strict=True):
        states = states * (1 - start) + initial[:, :, None] * start
        output, states = stock(step[None], tuple(states))
        outputs.append(output)
        states = th.stack(states)
    theirs = th.cat(outputs)
    assert close(ours, theirs)
    assert close(ours, without)
    assert all(map(close, after, states))
    mine = th.autograd.grad((ours * weigh).sum(), [*module.parameters()])
    gradients = th.autograd.grad((theirs * weigh).sum(), [*stock.parameters(), initial])
    assert all(map(close, mine, gradients, [1e-5] * len(mine)))
    assert mine[-1].any() == starts.any()


def test_a_learned_start_by_hand():
    """One unit, no input, no weights: gates 1/2, so that h = tanh(c / 2) / 2 and dh/dc = 1/4.

    In both columns an episode starts: at the first step of one, at the second of the other.
    """
    module = LSTM(1, 1)
    for parameter in module.parameters():
        parameter.data.zero_()
    module.learn_start()
    module.initial_state.data[1] = 1e-3  # where tanh is the identity
    outputs, (_, cells) = module(
        th.zeros(2, 2, 1), (th.zeros(1, 2, 1),) * 2, th.tensor([[1.0, 0.0], [0.0, 1.0]])
    )
    expected = th.tensor([[2.5e-4, 0.0], [1.25e-4, 2.5e-4]])
    th.testing.assert_close(outputs[..., 0], expected, rtol=1e-5, atol=0)
    th.testing.assert_close(cells[0, :, 0], th.tensor([2.5e-4, 5e-4]), rtol=1e-5, atol=0)
    outputs.sum().backward()  # of h and c, which h reaches through gates without weights only
    th.testing.assert_close(module.initial_state.grad, th.tensor([[[0.0]], [[0.625]]]))


@cells
def test_one_step_by_hand(module, stock):
    """One unit; weights are logarithms, so that gates become fractions."""
    module = module(1, 1, bias=False)
    starts, inputs = th.zeros(1, 1), th.ones(1, 1, 1)
    states = th.full((1, 1, 1), 0.5), th.zeros(1, 1, 1)
    with th.no_grad():
        if isinstance(module, th.nn.GRU):
            # reset 3/4, update 2/3, new tanh(ln 2 - ln 4 * 0.5 * 3/4) = tanh(ln 2 / 4)
            module.weight_ih_l0[:, 0] = th.tensor([3.0, 2.0, 2.0]).log()
            module.weight_hh_l0[:, 0] = th.tensor([0.0, 0.0, -math.log(4)])
            expected = (2**0.5 - 1) / (2**0.5 + 1) / 3 + 0.5 * 2 / 3
        else:
            module.weight_ih_l0[:], module.weight_hh_l0[:] = math.log(2), 2 * math.log(2)
            expected = (16 - 1) / (16 + 1)  # tanh(2 ln 2)
            if isinstance(module, FeedForward):
                expected = (4 - 1) / (4 + 1)  # tanh(ln 2)
    outputs, _ = module(inputs, states, starts)
    assert outputs.item() == pytest.approx(expected, abs=1e-6)


@cells
def test_second_state_is_handed_on(module, stock):
    module = module(WIDTH, UNITS)
    unused = th.zeros(1, COLUMNS, UNITS)
    inputs, hidden = th.randn(STEPS, COLUMNS, WIDTH), th.randn(1, COLUMNS, UNITS)
    before = inputs.clone(), hidden.clone(), unused.clone()
    _, states = module(inputs, (hidden, unused), th.ones(STEPS, COLUMNS))
    assert len(states) == 2
    assert states[1] is unused
    assert all(map(th.equal, (inputs, hidden, unused), before))


@cells
def test_sequence_in_pieces(module, stock):
    """The states after one piece begin the next."""
    module = module(WIDTH, UNITS, num_layers=2)
    inputs, hidden = th.randn(STEPS, COLUMNS, WIDTH), th.randn(2, COLUMNS, UNITS)
    starts = (th.rand(STEPS, COLUMNS) < 0.2).float()
    states = hidden, th.zeros_like(hidden)
    whole, after = module(inputs, states, starts)
    pieces = []
    for part, start in zip(inputs.split(4), starts.split(4), strict=True):
        piece, states = module(part, states, start)
        pieces.append(piece)
    assert close(th.cat(pieces), whole)
    assert close(states[0], after[0])


@pytest.mark.parametrize("module", [FeedForward, RNN])
def test_what_came_before(module):
    """Without memory nothing of it shows, in values or gradients; a vanilla RNN remembers."""
    layers = module(WIDTH, UNITS, num_layers=2)
    starts = th.eye(STEPS)[:1].T.expand(STEPS, COLUMNS)
    inputs = th.randn(STEPS, COLUMNS, WIDTH, requires_grad=True)
    found = []
    for scale in (0.0, 1.0):
        states = scale * th.randn(2, COLUMNS, UNITS), th.zeros(2, COLUMNS, UNITS)
        changed = th.cat([inputs[:7] + scale, inputs[7:]])
        outputs, after = layers(changed, states, starts)
        found.append((outputs[7:], after[0]))
    (grad,) = th.autograd.grad(outputs[7:].square().sum(), inputs)
    forgets = module is FeedForward
    assert all(map(th.equal, *found)) == forgets
    assert grad[:7].any() == (not forgets)
    assert grad[7:].any()
    (weight,) = th.autograd.grad(layers(inputs, states, starts)[0].sum(), layers.weight_hh_l1)
    assert weight.any() == (not forgets)


@pytest.mark.parametrize("layers", [1, 2])
def test_hooks_get_and_change_what_goes_through_an_lstm(layers):
    lstm, state = LSTM(WIDTH, UNITS, layers), th.zeros(layers, COLUMNS, UNITS)
    inputs, starts = th.randn(STEPS, COLUMNS, WIDTH), th.zeros(STEPS, COLUMNS)
    before, _ = lstm(inputs, (state, state), starts)
    lstm.register_forward_hook(lambda module, args, result: (2 * result[0], result[1]))
    assert th.equal(lstm(inputs, (state, state), starts)[0], 2 * before)


@pytest.mark.parametrize("module", [LSTM, GRU])
def test_dropout_between_layers(module):
    layer, state = module(WIDTH, UNITS, 2, dropout=0.9), th.zeros(2, COLUMNS, UNITS)
    inputs, starts = th.randn(STEPS, COLUMNS, WIDTH), (th.rand(STEPS, COLUMNS) < 0.3).float()

    def run():
        return layer(inputs, (state, state), starts)[0]

    assert not th.equal(run(), run())
    layer.eval()
    assert th.equal(run(), run())


def test_torch_runs_large_layers():
    """With the numbers and gradients of compiled code, wherever episodes start."""
    layer = LSTM(WIDTH, MANY_UNITS)
    inputs, starts = th.randn(STEPS, COLUMNS, WIDTH), (th.rand(STEPS, COLUMNS) < 0.3).float()
    states = tuple(th.randn(2, 1, COLUMNS, MANY_UNITS))
    found = []
    for run in (layer, partial(run_lstm, layer)):
        layer.zero_grad()
        outputs, after = run(inputs, states, starts)
        outputs.square().sum().backward()
        found.append([outputs, *after, *(p.grad for p in layer.parameters())])
    for theirs, ours in zip(*found, strict=True):
        th.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("steps", "columns"), [(1, 9000), (3, 130), (200, 1), (200, 64), (200, 200)]
)
def test_what_keeps_nothing_for_a_gradient(steps, columns):
    """A few columns at a time, with the very same numbers."""
    module = LSTM(WIDTH, UNITS, num_layers=2)
    inputs = th.randn(steps, columns, WIDTH)
    states = tuple(th.randn(2, 2, columns, UNITS))
    starts = (th.rand(steps, columns) < 0.1).float()
    kept = module(inputs, states, starts)
    with th.no_grad():
        not_kept = module(inputs, states, starts)
    assert th.equal(kept[0], not_kept[0])
    assert all(map(th.equal, kept[1], not_kept[1]))
