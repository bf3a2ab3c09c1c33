"""Compiled GRU and RNN beside torch's own, stepped in a loop."""

import itertools
import math

import numpy as np
import pytest
import torch as th

from neurotasks_baselines.agents.rnn import run_gru, run_rnn

STEPS, COLUMNS, WIDTH, UNITS = 13, 5, 4, 6
CELLS = {"gru": (th.nn.GRU, run_gru), "rnn": (th.nn.RNN, run_rnn)}
cells = pytest.mark.parametrize(("module", "run"), CELLS.values(), ids=CELLS.keys())


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
def test_sequences_equal_the_loop(module, run, starts, task_kwargs):
    """Outputs, states and all gradients, to the last digits: the loop runs in double precision."""
    module = module(WIDTH, UNITS, **task_kwargs)
    inputs = th.randn(STEPS, COLUMNS, WIDTH, requires_grad=True)
    hidden = th.randn(module.num_layers, COLUMNS, UNITS)
    weigh = th.randn(STEPS, COLUMNS, UNITS)
    ours, (after, _) = run(module, inputs, (hidden, th.zeros_like(hidden)), starts)
    with th.no_grad():
        without, _ = run(module, inputs, (hidden, th.zeros_like(hidden)), starts)
    mine = th.autograd.grad((ours * weigh).sum(), [inputs, *module.parameters()])
    module, inputs = module.double(), inputs.detach().double().requires_grad_()
    theirs, last = by_loop(module, inputs, hidden.double(), starts.double())
    gradients = th.autograd.grad((theirs * weigh).sum(), [inputs, *module.parameters()])
    assert close(ours, theirs)
    assert close(after, last)
    assert not after.requires_grad
    assert th.equal(ours, without)
    assert all(itertools.starmap(close, zip(mine, gradients, strict=True)))


@cells
def test_one_step_by_hand(module, run):
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
    outputs, _ = run(module, inputs, states, starts)
    assert outputs.item() == pytest.approx(expected, abs=1e-6)


@cells
def test_second_state_is_handed_on(module, run):
    module = module(WIDTH, UNITS)
    unused = th.randn(1, COLUMNS, UNITS)
    inputs, hidden = th.randn(STEPS, COLUMNS, WIDTH), th.randn(1, COLUMNS, UNITS)
    before = inputs.clone(), hidden.clone(), unused.clone()
    _, states = run(module, inputs, (hidden, unused), th.ones(STEPS, COLUMNS))
    assert len(states) == 2
    assert states[1] is unused
    assert all(map(th.equal, (inputs, hidden, unused), before))


@cells
def test_sequence_in_pieces(module, run):
    """The states after one piece begin the next."""
    module = module(WIDTH, UNITS, num_layers=2)
    inputs, hidden = th.randn(STEPS, COLUMNS, WIDTH), th.randn(2, COLUMNS, UNITS)
    starts = (th.rand(STEPS, COLUMNS) < 0.2).float()
    states = hidden, th.zeros_like(hidden)
    whole, after = run(module, inputs, states, starts)
    pieces = []
    for part, start in zip(inputs.split(4), starts.split(4), strict=True):
        piece, states = run(module, part, states, start)
        pieces.append(piece)
    assert close(th.cat(pieces), whole)
    assert close(states[0], after[0])


@cells
def test_no_second_way_back(module, run):
    """The way back writes over the gates; going it twice must not give wrong gradients."""
    module, hidden = module(WIDTH, UNITS), th.zeros(1, COLUMNS, UNITS)
    inputs, starts = th.randn(STEPS, COLUMNS, WIDTH), th.zeros(STEPS, COLUMNS)
    outputs, _ = run(module, inputs, (hidden, hidden), starts)
    outputs.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        outputs.sum().backward()


@cells
@pytest.mark.parametrize("value", [-math.inf, -200.0, -8.0, -1e-3, 0.0, 0.5, 3.0, 9.0, 1e30])
def test_inputs_of_any_size(module, run, value):
    """The approximation of tanh has limits; what lies beyond saturates, and NaN stays NaN."""
    module, hidden = module(1, UNITS), th.zeros(1, 1, UNITS)
    inputs, starts = th.tensor([[[value]]]), th.zeros(1, 1)
    ours, _ = run(module, inputs, (hidden, hidden), starts)
    assert close(ours, module(inputs, hidden)[0])
    nothing, _ = run(module, inputs * math.nan, (hidden, hidden), starts)
    assert nothing.isnan().all()


def test_other_nonlinearity():
    rnn, hidden = th.nn.RNN(WIDTH, UNITS, nonlinearity="relu"), th.zeros(1, COLUMNS, UNITS)
    with pytest.raises(ValueError, match=r"nonlinearity='relu' came.*nonlinearity='tanh'"):
        run_rnn(rnn, th.zeros(1, COLUMNS, WIDTH), (hidden, hidden), th.zeros(1, COLUMNS))
