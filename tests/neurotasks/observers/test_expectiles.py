"""Exact expectiles against computed tables, closed forms and their defining equation."""

import numpy as np
import pytest
from scipy.stats import expectile

from neurotasks.observers import expectiles

TAUS = [0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95]
P = [0.06612594, 0.09090909, 0.14847358, 0.15489467, 0.31159175, 0.1509519, 0.07705306]
MICROLITRES = [0.1, 0.3, 1.2, 2.5, 5, 10, 20]
HILL = [10 * r**0.5 / (r**0.5 + 200**0.5) for r in MICROLITRES]
EMPIRICAL = [-3.5768, -3.2884, -2.7648, -1.7588, 0.2421, 4.4284, 8.3242]


# Dabney 2020: reference values of the specification, section 2.4, computed by bisection.
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (MICROLITRES, [1.3886, 2.0047, 3.3353, 5.2078, 7.7671, 10.8488, 13.8029]),
        (HILL, [0.5403, 0.7021, 0.9357, 1.1972, 1.4555, 1.7298, 1.8976]),
        (EMPIRICAL, [-2.5943, -2.1489, -1.1817, 0.1669, 1.9139, 3.7698, 4.9068]),
    ],
    ids=["raw", "hill", "empirical"],
)
def test_table(values, expected):
    assert expectiles(values, P, TAUS) == pytest.approx(expected, abs=1e-4)
    shuffled = np.random.default_rng(0).permutation(7)
    found = expectiles(np.array(values)[shuffled], np.array(P)[shuffled], TAUS)
    assert found == pytest.approx(expected, abs=1e-4)


def test_expectiles_are_those_of_scipy():
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=30), rng.random(30)
    expected = [expectile(values, tau, weights=weights) for tau in TAUS]
    assert expectiles(values, weights, TAUS) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_bernoulli(p):
    """The logit of the expectile is that of tau plus that of p."""
    tau = np.linspace(0.01, 0.99, 99)
    odds = tau / (1 - tau) * p / (1 - p)
    assert expectiles([0, 1], [1 - p, p], tau) == pytest.approx(odds / (1 + odds), abs=1e-12)


def test_defining_equation():
    rng = np.random.default_rng(0)
    tau = rng.uniform(0.001, 0.999, 50)
    for _ in range(100):
        n = rng.integers(1, 12)
        values, weights = rng.normal(size=n).round(1), rng.random(n)  # some values are equal
        e = expectiles(values, weights, tau)
        error = values - e[:, None]
        above = (weights * np.maximum(error, 0)).sum(axis=1)
        below = (weights * np.maximum(-error, 0)).sum(axis=1)
        assert tau * above == pytest.approx((1 - tau) * below, abs=1e-12)


def test_mean_and_shapes():
    assert expectiles([1, 2, 6], [1, 1, 2], 0.5) == pytest.approx(15 / 4)
    assert expectiles([1, 2, 6], [1, 1, 2], 0.5).shape == ()
    assert expectiles([1, 2, 6], [1, 1, 2], np.full((2, 3), 0.5)).shape == (2, 3)
    assert expectiles([3.0], [0.2], [0.01, 0.99]) == pytest.approx([3, 3])
    assert expectiles([0, 3, 9], [0, 1, 0], [0.01, 0.5, 0.99]) == pytest.approx([3, 3, 3])


@pytest.mark.parametrize(
    ("values", "probabilities", "taus"),
    [
        ([], [], 0.5),
        ([1, 2], [1], 0.5),
        ([[1, 2]], [[0.5, 0.5]], 0.5),
        ([1, 2], [-0.1, 1.1], 0.5),
        ([1, 2], [0, 0], 0.5),
        ([1, 2], [0.5, np.nan], 0.5),
        ([1, 2], [0.5, 0.5], 0.0),
        ([1, 2], [0.5, 0.5], [0.5, 1.0]),
        ([1, 2], [0.5, 0.5], np.nan),
    ],
)
def test_bad_input(values, probabilities, taus):
    with pytest.raises(ValueError, match="must be"):
        expectiles(values, probabilities, taus)
