"""Linear decoding of one of two classes from recurrent states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # half a second, which measures without a decoder need not wait for
    from sklearn.linear_model import LogisticRegression

RIDGE = 1.0  # on half the squared weights: units may be collinear, and classes separable


def fit_logistic(features: NDArray[np.floating], labels: NDArray[Any]) -> LogisticRegression:
    """Fit a logistic regression with an L2 penalty of weight `RIDGE`.

    Args:
        features: Features of each sample, (..., features).
        labels: Class of each sample, 0 or 1, (...).

    Returns:
        The fitted classifier; its intercept is not penalised.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / RIDGE, solver="newton-cholesky", tol=1e-8)
    return model.fit(features.reshape(-1, features.shape[-1]).astype(np.float64), labels.ravel())


def decoding_accuracy(features: NDArray[Any], labels: NDArray[Any], fold: NDArray[Any]) -> float:
    """Return the accuracy of ridge classification, cross-validated.

    Args:
        features: Features of each sample, (samples, features).
        labels: Class of each sample, (samples,).
        fold: Number of the fold in which each sample is tested, (samples,).

    Returns:
        The fraction of samples whose class is decoded correctly from a fit to the other folds.
    """
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import PredefinedSplit, cross_val_predict

    model = RidgeClassifier(alpha=RIDGE, solver="cholesky")
    decoded = cross_val_predict(model, features, labels, cv=PredefinedSplit(fold))
    return float((decoded == labels).mean())
