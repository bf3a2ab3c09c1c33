"""The linear decoder of two classes."""

import numpy as np
import pytest

from neurotasks.analysis.decoder import fit_logistic


def test_fit_logistic():
    """Finds the weights that labels were drawn with; its gradient vanishes with the ridge."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(100, 200, 3)), np.array([1.0, -0.5, 0.0])
    y = rng.random((100, 200)) < 1 / (1 + np.exp(-(x @ w + 0.3)))
    found = fit_logistic(x, y)
    assert found == pytest.approx([1.0, -0.5, 0.0, 0.3], abs=0.1)
    error = 1 / (1 + np.exp(-(x @ found[:3] + found[3]))) - y
    assert error.sum() == pytest.approx(0, abs=1e-2)
    assert (x * error[..., None]).sum((0, 1)) + found[:3] == pytest.approx(np.zeros(3), abs=1e-2)


def test_fit_logistic_of_separable_and_constant_features():
    y = np.repeat([0, 1], 50)
    x = np.column_stack([y, np.ones(100), y])
    assert np.isfinite(fit_logistic(x, y)).all()
    assert ((x @ fit_logistic(x, y)[:3] + fit_logistic(x, y)[3] > 0) == y).all()
