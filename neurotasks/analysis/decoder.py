"""Decoding one of two classes from recurrent states, linearly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

RIDGE = 1.0  # on half the squared weights: units may be collinear, and classes separable


def fit_logistic(features: NDArray[np.floating], labels: NDArray[Any]) -> NDArray[np.float64]:
    """Fit a logistic regression with a ridge.

    Args:
        features: (..., features).
        labels: 0 or 1, (...).

    Returns:
        The weights and, last, the intercept, which bears no ridge.
    """
    x = features.reshape(-1, features.shape[-1]).astype(np.float64)
    x = np.column_stack([x, np.ones(len(x))])
    y = labels.ravel()
    ridge = np.full(x.shape[1], RIDGE)
    ridge[-1] = 0.0

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = x @ w
        value = np.logaddexp(0, z).sum() - y @ z + ridge @ w**2 / 2
        return value, x.T @ (expit(z) - y) + ridge * w

    def curvature(w: NDArray[np.float64]) -> NDArray[np.float64]:
        p = expit(x @ w)
        hessian: NDArray[np.float64] = (x * (p * (1 - p))[:, None]).T @ x + np.diag(ridge)
        return hessian

    start = np.zeros(x.shape[1])
    result: NDArray[np.float64] = minimize(
        loss, start, method="trust-exact", jac=True, hess=curvature
    ).x
    return result
