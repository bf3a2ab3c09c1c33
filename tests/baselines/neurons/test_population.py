"""Counts, decoding, geometry and optimism of populations whose answers are known."""

import numpy as np
import pandas as pd
import pytest
from simulated_neurons import recording

from neurotasks.errors import TrialTableError
from neurotasks_baselines.errors import DesignError
from neurotasks_baselines.neurons.optimism import level_responses, optimism
from neurotasks_baselines.neurons.population import (
    decode,
    fraction_coding,
    generalise,
    participation_ratio,
    pseudo_population,
)
from neurotasks_baselines.neurons.regressors import event_regressors, learning_regressors

WHOLE = slice(0, 2)


def test_wilson_by_hand():
    # 5 of 10 with z = 1.96: (p + z^2/2n +- z sqrt(p q / n + z^2 / 4 n^2)) / (1 + z^2 / n)
    found = fraction_coding(np.arange(10)[:, None] < [5, 0]).round(3)
    assert found.to_dict("list") == {
        "coding": [5, 0],
        "neurons": [10, 10],
        "fraction": [0.5, 0.0],
        "low": [0.237, 0.0],
        "high": [0.763, 0.278],
    }


def sessions(code, rng, number=4, trials=120, noise=1.0):
    """Return recordings of five neurons each, whose activity is a code of labels a and b."""
    found, labels = [], []
    for _ in range(number):
        a, b = rng.integers(2, size=(2, trials))
        weights = rng.standard_normal((3, 5))
        rates = code(2 * a - 1, 2 * b - 1, weights)
        counts = rates.T[..., None] + noise * rng.standard_normal((5, trials, 2))
        found.append(recording(counts, area="x"))
        labels.append({"a": a, "b": b})
    return found, labels


def linear(a, b, w):
    return np.outer(a, w[0]) + np.outer(b, w[1])


def product(a, b, w):
    return np.outer(a * b, w[2])


def one_direction(a, b, w):
    return np.outer(a, w[0])


def test_decoding_and_generalisation():
    rng = np.random.default_rng(0)
    drawn = pseudo_population(*sessions(linear, rng), WHOLE, rng)
    assert drawn.activity.shape == (4 * 5 * 8, 20)
    assert drawn.left_out == 0
    assert decode(drawn, "a") > 0.95
    assert generalise(drawn, "a", "b") > 0.95
    nothing = pseudo_population(*sessions(linear, rng), WHOLE, rng, shuffle=True)
    assert 0.25 < decode(nothing, "a") < 0.75
    # A code of the product turns round with the context; a linear decoder finds nothing.
    turned = pseudo_population(*sessions(product, rng), WHOLE, rng)
    assert generalise(turned, "a", "b") < 0.2


def test_dimensions():
    rng = np.random.default_rng(1)
    for code, dimensions in ((one_direction, 1), (linear, 2)):
        drawn = pseudo_population(*sessions(code, rng, number=40), WHOLE, rng)
        assert participation_ratio(drawn) == pytest.approx(dimensions, abs=0.15)


def test_folds_share_no_trial():
    rng = np.random.default_rng(2)
    trials = np.arange(80.0).reshape(1, 80, 1)
    drawn = pseudo_population([recording(trials)], [{"a": np.arange(80) % 2}], slice(0, 1), rng)
    seen = [set(drawn.activity[drawn.fold == fold, 0].round(9)) for fold in range(5)]
    assert sum(map(len, seen)) == len(set().union(*seen))
    few = [{"a": (np.arange(80) < 4).astype(int)}]
    with pytest.raises(DesignError, match="5 trials in each of 2 conditions"):
        pseudo_population([recording(trials)], few, slice(0, 1), rng)


def rewarded(positions, rng, trials=240, noise=0.3):
    """Return neurons whose response to the middle reward lies at a position of their own."""
    reward = rng.permutation(np.repeat([0.0, 0.5, 1.0], trials // 3))
    gain = rng.choice([-1, 1], len(positions))[:, None]
    shape = np.where(reward == 0.5, np.asarray(positions)[:, None], reward)
    counts = (gain * shape)[..., None] + noise * rng.standard_normal((len(positions), trials, 2))
    return recording(counts, pd.DataFrame({"reward": reward}), "ACC", "s")


def test_optimism_of_neurons_that_differ_and_of_ones_that_do_not():
    rng = np.random.default_rng(3)
    levels = (0.0, 0.5, 1.0)
    positions = np.linspace(0.1, 0.9, 30)
    found = optimism([rewarded(positions, rng)], levels, WHOLE, rng, 20)
    assert found.table["selective"].all()
    np.testing.assert_allclose(found.table["optimism"], positions, atol=0.15)
    assert found.split_half.mean_r > 0.8
    assert found.agreeing.r.mean() == pytest.approx(0, abs=0.05)
    assert found.agreeing.r.std() == pytest.approx(1 / np.sqrt(29), abs=0.04)
    same = optimism([rewarded(np.full(30, 0.5), rng)], levels, WHOLE, rng, 20)
    assert abs(same.split_half.mean_r) < 0.4


def test_neurons_that_code_no_reward_are_not_selective():
    rng = np.random.default_rng(4)
    one = rewarded(np.full(400, 0.5), rng)
    one = recording(rng.standard_normal((400, 240, 2)), one.trials, "ACC")
    found = optimism([one], (0.0, 0.5, 1.0), WHOLE, rng, 2)
    assert found.table["selective"].mean() < 0.06
    with pytest.raises(DesignError, match="5 trials of each level"):
        level_responses([one], (0.0, 0.25, 1.0), WHOLE)


def test_regressors_by_hand():
    trials = pd.DataFrame(
        {"choice": [0, 1, 1], "common": [True, True, False], "reward": [1.0, 0.5, 0.0]}
    )
    found = event_regressors(trials)
    assert found.to_dict("list") == {
        "reward": [0.5, 0, -0.5],
        "transition": [1, 1, -1],
        "choice": [-1, 1, 1],
        "reward x transition": [0.5, 0, 0.5],
        "reward x choice": [-0.5, 0, -0.5],
        "transition x choice": [-1, 1, -1],
    }
    with pytest.raises(TrialTableError, match="choice"):
        event_regressors(trials.assign(choice=[1, 2, 2]))
    with pytest.raises(TrialTableError, match="got 1 without"):
        event_regressors(trials.assign(choice=[-1, 1, 1]))
    with pytest.raises(TrialTableError, match="called value, rpe_state, rpe_outcome"):
        learning_regressors(trials)
