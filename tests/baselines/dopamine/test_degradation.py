"""Controls of decoding: their distances by hand, and what exact neurons lose."""

import numpy as np
import pytest
from scipy import stats

from neurotasks.observers.expectiles import expectiles
from neurotasks_baselines.dopamine.degradation import (
    NUMBERS,
    SHIFTS,
    control_distances,
    degraded,
    shifted,
)
from neurotasks_baselines.dopamine.neurons import MAGNITUDES, PROBABILITIES, Neurons
from neurotasks_baselines.dopamine.populations import population_trials


def test_shifts_of_the_probit():
    """Phi(1) = 0.8413; what is 0 or 1 stays, and what lies beyond is clipped."""
    np.testing.assert_allclose(shifted([0.5, 0.8413447], -1), [0.1586553, 0.5], atol=1e-6)
    assert shifted([-0.2, 0.0, 1.0, 1.3], 1).tolist() == [0, 0, 1, 1]
    taus = np.array([0.1, 0.6])
    np.testing.assert_allclose(shifted(shifted(taus, 0.7), -0.7), taus)


def test_distances_of_controls_by_hand():
    """Two equal rewards of 0 and 2: a quarter of a uniform range; mirrored, they are the same."""
    found = control_distances([0.0, 2.0], [0.5, 0.5])
    assert found["uniform"] == pytest.approx(0.5, abs=1e-3)
    assert found["mirrored"] == 0
    # E||X - 1| - 1| for X normal with mean 1 and sd 1
    x = np.linspace(-8, 8, 100_001)
    expected = np.trapezoid(np.abs(np.abs(x) - 1) * stats.norm.pdf(x), x)
    assert found["gaussian"] == pytest.approx(expected, abs=5e-3)
    assert control_distances([1.0, 3.0], [0.75, 0.25])["mirrored"] == pytest.approx(1.0)


def test_distances_of_controls_of_the_task():
    """As computed for the specification with other samples: 4.94, 1.88 and 9.7."""
    found = control_distances()
    assert found["uniform"] == pytest.approx(4.94, abs=0.05)
    assert found["gaussian"] == pytest.approx(1.88, abs=0.05)
    assert found["mirrored"] == pytest.approx(9.7, abs=0.05)


@pytest.mark.slow
def test_what_exact_neurons_lose():
    """With next to no noise: right asymmetries tell more than mean and sd, wrong ones less."""
    taus = (np.arange(40) + 0.5) / 40
    exact = Neurons(expectiles(MAGNITUDES, PROBABILITIES, taus), taus, 1 - taus, floor=0.0)
    rng = np.random.default_rng(0)
    found = degraded(population_trials(rng, exact, noise=0.01), rng)
    assert found["of_gaussian"] < 1
    assert found["of_gaussian"] == pytest.approx(found["intact"] / control_distances()["gaussian"])
    assert found["of_shifted"] > 1.5
    assert min(found["tau_much_lower"], found["tau_much_higher"]) > found["intact"]
    assert found["tau_much_higher"] > found["tau_higher"]
    names = {"intact", "unbounded", "of_gaussian", "of_shifted"}
    names |= {*SHIFTS} | {f"neurons_{n}" for n in NUMBERS}
    assert set(found) == names
