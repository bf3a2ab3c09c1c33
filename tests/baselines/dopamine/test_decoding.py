"""Decoding: gradient, closed forms and controls."""

import numpy as np
import pytest

from neurotasks.observers.expectiles import expectiles
from neurotasks_baselines.dopamine.decoding import (
    _Loss,
    best_start,
    decode,
    distance,
    imputation_loss,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_loss_by_hand():
    # neuron 1 (Z 1, tau 0.8): deltas -1, 1, 3, weights 0.2, 0.8, 0.8; g = -(−0.2 + 0.8 + 2.4) / 6
    # neuron 2 (Z 2, tau 0.5): deltas -2, 0, 2: g = 0
    loss, gradient = imputation_loss([0.0, 2.0, 4.0], [1.0, 2.0], [0.8, 0.5])
    assert loss == pytest.approx(0.25 / 2)
    np.testing.assert_allclose(gradient, [0.5 * 0.2 / 6, 0.5 * 0.8 / 6, 0.5 * 0.8 / 6])


def test_gradient_is_that_of_finite_differences(rng):
    samples, points, taus = rng.uniform(0, 20, 11), rng.uniform(0, 20, 7), rng.uniform(size=7)
    _, gradient = imputation_loss(samples, points, taus)
    step = 1e-6
    for m, slope in enumerate(gradient):
        nudge = step * (np.arange(11) == m)
        up, down = (imputation_loss(samples + s * nudge, points, taus)[0] for s in (1, -1))
        assert slope == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-9)


def test_loss_of_the_true_distribution_is_zero():
    samples, taus = np.array([0.0, 1.0, 1.0, 7.0]), np.array([0.1, 0.4, 0.9])
    points = expectiles(samples, np.ones(4), taus)
    loss, gradient = imputation_loss(samples, points, taus)
    assert loss < 1e-30
    np.testing.assert_allclose(gradient, 0, atol=1e-15)


def test_the_gradient_is_that_of_the_samples_it_is_asked_of(rng):
    """Also where scipy asked for the loss of others before."""
    first, second = rng.uniform(0, 20, (2, 11))
    points, taus = rng.uniform(0, 20, 7), rng.uniform(size=7)
    loss = _Loss(points, taus, 11)
    loss(first)
    expected = imputation_loss(second, points, taus)[1]
    np.testing.assert_array_equal(loss.gradient(second), expected)


def test_best_start_has_the_smallest_loss(rng):
    starts, points, taus = rng.uniform(0, 20, (50, 9)), rng.uniform(0, 20, 5), rng.uniform(size=5)
    losses = [imputation_loss(start, points, taus)[0] for start in starts]
    best = best_start(starts, points, taus)
    np.testing.assert_array_equal(best, np.sort(starts[np.argmin(losses)]))


@pytest.mark.parametrize("method", ["TNC", "L-BFGS-B"])
def test_decoding_two_rewards(rng, method):
    """Many expectiles of rewards of 2 and 8 with 3:1 are enough to find them."""
    taus = np.linspace(0.01, 0.99, 60)
    points = expectiles([2.0, 8.0], [0.75, 0.25], taus)
    decoded = decode(points, taus, rng, samples=20, bounds=(0.0, 10.0), method=method)
    assert decoded.loss < 1e-3
    assert decoded.samples.min() >= 0
    assert decoded.samples.max() <= 10
    assert (np.diff(decoded.samples) >= 0).all()
    assert distance(decoded.samples, [2.0, 8.0], [0.75, 0.25]) < 0.7
    assert decoded.samples.mean() == pytest.approx(3.5, abs=0.1)


def test_repeats_are_put_together(rng):
    decoded = decode([4.0, 5.0], [0.4, 0.6], rng, samples=10, starts=20, repeats=3)
    assert decoded.samples.shape == (30,)


def test_asymmetries_beyond_their_range_are_clipped():
    points = [4.0, 5.0, 6.0]
    activations, beyond = (
        decode(points, taus, np.random.default_rng(0), samples=10, starts=20).samples
        for taus in ([0.0, 0.5, 1.0], [-0.2, 0.5, 1.3])
    )
    np.testing.assert_array_equal(activations, beyond)


def test_without_bounds_samples_go_where_neurons_are():
    """Neurons that agree on 4, above the bounds of the starts."""
    for bounded, most in ((True, 2.0), (False, 4.0)):
        found = decode(
            [4.0] * 3,
            [0.2, 0.5, 0.8],
            np.random.default_rng(0),
            bounds=(0.0, 2.0),
            bounded=bounded,
            samples=5,
            starts=20,
        )
        np.testing.assert_allclose(found.samples, most, atol=0.1)


def test_decoding_refuses(rng):
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(1,\)"):
        decode([1.0, 2.0], [0.5], rng)
    with pytest.raises(ValueError, match="1 values that are not finite"):
        decode([1.0, 2.0], [0.5, np.nan], rng)
    with pytest.raises(ValueError, match=r"got \(3, 3\)"):
        decode([1.0], [0.5], rng, bounds=(3, 3))


def test_without_neurons_nothing_is_decoded(rng):
    found = decode([], [], rng, samples=5, repeats=2)
    assert np.isnan(found.samples).tolist() == [True] * 10
    assert np.isnan(found.loss)
    assert np.isnan(distance(found.samples))


def test_distance_by_hand():
    # half of the mass moves from 0 to 1, a quarter stays at 4, a quarter moves from 4 to 6
    assert distance([1.0, 1.0, 4.0, 6.0], [0.0, 4.0], [0.5, 0.5]) == pytest.approx(1.0)
    # a point mass at the mean
    assert distance([5.208]) == pytest.approx(3.73, abs=5e-3)
