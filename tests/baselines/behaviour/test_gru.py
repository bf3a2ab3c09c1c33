"""The tiny network: its likelihood by hand, and what it finds in planted people."""

import numpy as np
import pandas as pd
import pytest
import torch as th
from scipy.special import expit, log_softmax

from neurotasks.errors import ParameterError
from neurotasks.models.bandit import RESCORLA_WAGNER
from neurotasks.models.two_step import HYBRID
from neurotasks_baselines.behaviour import gru
from neurotasks_baselines.behaviour.gru import Gru, held_out_gru, sequences_of, train_gru

TRIALS = 60
TABLE = pd.DataFrame(
    {
        "env": [7, 7, 7, 7, 3, 3],
        "episode": [0, 0, 0, 1, 0, 0],
        "trial": [0, 1, 2, 0, 0, 1],
        "choice": [1, -1, 0, 1, 0, 1],
        "second_state": [0, 1, 1, 0, 1, 1],
        "second_choice": [1, 0, 1, 0, 0, 0],
        "reward": [0.5, 1.0, 1.0, 0.0, 1.0, 0.0],
    }
)


def test_a_table_as_the_network_reads_it():
    found = sequences_of(HYBRID, TABLE)
    assert found.people.tolist() == [0, 1, 1]  # env 3, two episodes of env 7
    assert found.choices.tolist() == [[0, 1, -1], [1, -1, 0], [1, -1, -1]]
    inputs = np.zeros((3, 3, 7))  # choice, second-stage state and choice; reward
    inputs[0, 1] = [1, 0, 0, 1, 1, 0, 1.0]
    inputs[1, 1] = [0, 1, 1, 0, 0, 1, 0.5]  # nothing is known of the missed trial after
    np.testing.assert_array_equal(found.inputs, inputs)
    assert sequences_of(HYBRID.one_choice(), TABLE).inputs.shape[-1] == 5
    assert sequences_of(RESCORLA_WAGNER.with_options(3), TABLE).inputs.shape[-1] == 4


def plain_gru(network, inputs):
    """Return log probabilities of the options in plain numpy (Cho et al. 2014)."""
    weights = {name: w.detach().numpy() for name, w in network.recurrent.named_parameters()}
    hidden, found = np.zeros(network.recurrent.hidden_size), []
    for x in inputs:
        seen = np.split(weights["weight_ih_l0"] @ x + weights["bias_ih_l0"], 3)
        known = np.split(weights["weight_hh_l0"] @ hidden + weights["bias_hh_l0"], 3)
        reset, update = expit(seen[0] + known[0]), expit(seen[1] + known[1])
        new = np.tanh(seen[2] + reset * known[2])
        hidden = (1 - update) * new + update * hidden
        weight, bias = (w.detach().numpy() for w in network.readout.parameters())
        found.append(log_softmax(weight @ hidden + bias))
    return np.array(found)


def test_the_likelihood_is_that_of_plain_numpy():
    th.manual_seed(0)
    sequences = sequences_of(HYBRID, TABLE)
    network = Gru(7, 2, 2)
    with th.no_grad():
        found = network.log_likelihoods(sequences).numpy()
    for row, choices in enumerate(sequences.choices.tolist()):
        plain = plain_gru(network, sequences.inputs[row].numpy())
        wanted = [plain[t, c] if c >= 0 else 0.0 for t, c in enumerate(choices)]
        assert found[row] == pytest.approx(wanted, abs=1e-12)


def test_the_gradient_is_that_of_finite_differences():
    th.manual_seed(1)
    sequences, network = sequences_of(HYBRID, TABLE), Gru(7, 1, 2)
    start = th.nn.utils.parameters_to_vector(network.parameters()).detach()

    def total(vector):
        th.nn.utils.vector_to_parameters(vector, network.parameters())
        with th.no_grad():
            return float(network.log_likelihoods(sequences).sum())

    steps = 1e-6 * th.eye(len(start), dtype=th.float64)
    slopes = [(total(start + step) - total(start - step)) / 2e-6 for step in steps]
    total(start)
    network.log_likelihoods(sequences).sum().backward()
    found = th.cat([w.grad.flatten() for w in network.parameters()])
    assert found.tolist() == pytest.approx(slopes, abs=1e-7)


def win_stay(people, trials=TRIALS, slip=0.1, seed=0):
    """Return people who stay after a reward and else shift, but for slips."""
    rng = np.random.default_rng(seed)
    reward, slips = rng.integers(2, size=(people, trials)), rng.random((people, trials)) < slip
    stays = (reward == 1) != slips
    shifts = np.cumsum(~stays, axis=1)
    choice = np.concatenate([np.zeros((people, 1), int), shifts[:, :-1]], axis=1) % 2
    env, trial = np.indices(choice.shape)
    columns = {"env": env, "episode": 0 * env, "trial": trial, "choice": choice, "reward": reward}
    return pd.DataFrame({name: value.ravel() for name, value in columns.items()})


@pytest.mark.slow
def test_win_stay_lose_shift_is_found():
    table = win_stay(20)
    found = held_out_gru(RESCORLA_WAGNER, table, folds=2, restarts=1) / TRIALS
    assert found.index.tolist() == list(range(20))
    best = 0.9 * np.log(0.9) + 0.1 * np.log(0.1)
    # at slips of 0.1 a log likelihood has the standard deviation 0.66
    assert found.mean() == pytest.approx(best, abs=4 * 0.66 / np.sqrt(20 * TRIALS))


def test_nobody_is_predicted_by_a_network_that_learned_from_them(monkeypatch):
    """Networks that know nothing but a probability, another one in each fold."""
    knew, right = [], [0.2, 0.6, 0.9]

    def trained(train, stop, units, options, seed):
        assert not {*train.people} & {*stop.people}
        network = Gru(train.inputs.shape[-1], units, options)
        odds = th.tensor([0.0, np.log(right[len(knew)] / (1 - right[len(knew)]))])
        network.readout.weight.data.zero_()
        network.readout.bias.data = odds.double()
        knew.append({*train.people.tolist(), *stop.people.tolist()})
        return network

    monkeypatch.setattr(gru, "train_gru", trained)
    table = win_stay(7).assign(choice=lambda t: t["env"] % 2)
    found = held_out_gru(RESCORLA_WAGNER, table, folds=3, restarts=1)
    for person in range(7):
        (fold,) = [i for i, known in enumerate(knew) if person not in known]
        chance = right[fold] if person % 2 else 1 - right[fold]
        assert found[person] == pytest.approx(TRIALS * np.log(chance))


@pytest.mark.slow
def test_choices_at_random_are_not_predicted():
    table = win_stay(20, slip=0.5)
    found = held_out_gru(RESCORLA_WAGNER, table, folds=2, restarts=1) / TRIALS
    assert found.mean() == pytest.approx(np.log(0.5), abs=0.03)


@pytest.mark.slow
def test_training_stops_when_others_are_predicted_no_better(monkeypatch):
    """Of two people much is learned that is true of nobody else."""
    monkeypatch.setattr(gru, "ROUNDS", 20)
    everybody = sequences_of(RESCORLA_WAGNER, win_stay(12, trials=60, slip=0.5))
    train, stop = everybody.of(np.arange(2)), everybody.of(np.arange(2, 12))
    stopped = train_gru(train, stop, 4, 2, seed=0)
    monkeypatch.setattr(gru, "PATIENCE", 1000)
    late = train_gru(train, train, 4, 2, seed=0)
    with th.no_grad():
        values = [float(n.log_likelihoods(stop).mean()) for n in (stopped, late)]
    assert values[0] > np.log(0.5) - 0.05 > values[1]


@pytest.mark.parametrize(
    "call",
    [
        lambda t: held_out_gru(RESCORLA_WAGNER, t, 0),
        lambda t: held_out_gru(RESCORLA_WAGNER, t, restarts=0),
        lambda t: held_out_gru(RESCORLA_WAGNER, t, folds=7),
        lambda t: held_out_gru(RESCORLA_WAGNER, t, folds=1),
        lambda t: held_out_gru(RESCORLA_WAGNER, t[t["env"] < 2], folds=2),
    ],
)
def test_what_cannot_be_trained_is_refused(call):
    with pytest.raises(ParameterError):
        call(win_stay(6, trials=5))
