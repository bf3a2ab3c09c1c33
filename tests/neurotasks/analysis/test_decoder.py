"""The linear decoders of two classes."""

import numpy as np
import pytest

from neurotasks.analysis.decoder import decoding_accuracy, fit_logistic


def test_fit_logistic():
    """Finds the weights that labels were drawn with; its gradient vanishes with the ridge."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(100, 200, 3)), np.array([1.0, -0.5, 0.0])
    y = rng.random((100, 200)) < 1 / (1 + np.exp(-(x @ w + 0.3)))
    fitted = fit_logistic(x, y)
    weights, intercept = fitted.coef_[0], fitted.intercept_[0]
    assert [*weights, intercept] == pytest.approx([1.0, -0.5, 0.0, 0.3], abs=0.1)
    error = 1 / (1 + np.exp(-(x @ weights + intercept))) - y
    assert error.sum() == pytest.approx(0, abs=1e-3)
    assert (x * error[..., None]).sum((0, 1)) + weights == pytest.approx(np.zeros(3), abs=1e-3)


def test_fit_logistic_of_separable_and_constant_features():
    y = np.repeat([0, 1], 50)
    x = np.column_stack([y, np.ones(100), y])
    fitted = fit_logistic(x, y)
    assert np.isfinite(fitted.coef_).all()
    assert (fitted.predict(x) == y).all()


def test_accuracy_is_that_in_other_folds():
    """Features that are all noise, as many as samples, are fitted and tell nothing."""
    rng = np.random.default_rng(0)
    features, labels, fold = rng.normal(size=(200, 200)), rng.random(200) < 0.5, np.arange(200) % 5
    assert decoding_accuracy(features, labels, fold) == pytest.approx(0.5, abs=0.12)
    assert decoding_accuracy(labels[:, None] * 3.0, labels, fold) == 1.0
    assert decoding_accuracy(labels[:, None] + 50.0, labels, fold) == 1.0  # there is an intercept
