"""Values and prediction errors by hand."""

import numpy as np
import pandas as pd
import pytest

from neurotasks.errors import ParameterError
from neurotasks.models import learning_signals
from neurotasks.models.two_step import HYBRID, LATENT_STATE, SARSA

VALUES = {"w": 0.25, "alpha1": 0.5, "alpha2": 0.4, "lambda_": 0.5}
VALUES |= {"beta1": 3.0, "beta2": 2.0, "p": 0.1}
TRIALS = pd.DataFrame(
    {
        "env": 0,
        "episode": [0, 0, 0, 1],
        "trial": [0, 1, 2, 0],
        "choice": [0, -1, 0, 0],
        "second_state": [1, -1, 1, 1],
        "second_choice": [1, -1, 1, 0],
        "reward": [1.0, 0.0, 0.5, 1.0],
        "outcome": [1, -1, 0, 1],
    },
    index=[7, 5, 3, 1],
)


def test_values_by_hand():
    found = learning_signals(HYBRID, TRIALS, VALUES)
    # After the first trial q2[1, 1] = 0.4 and q1[0] = 0.5 (0 + 0.5 x 1) = 0.25; the missed trial
    # teaches nothing; a new episode begins anew.
    value = 0.25 * 0.3 * 0.4 + 0.75 * 0.25
    expected = [[0, 0, 1], [np.nan] * 3, [value, 0.4 - value, 0.1], [0, 0, 1]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert found.index.tolist() == [7, 5, 3, 1]
    made = TRIALS["choice"] >= 0
    np.testing.assert_allclose(found.sum(axis=1)[made], TRIALS["reward"][made])


def test_without_a_second_choice():
    model = SARSA.one_choice()
    values = {name: VALUES[name] for name in model.names}
    found = learning_signals(model, TRIALS, values)
    np.testing.assert_allclose(found.iloc[2], [0.25, 0.4 - 0.25, 0.1], atol=1e-12)


def test_models_without_values_are_refused():
    with pytest.raises(ParameterError, match="got latent-state"):
        learning_signals(LATENT_STATE, TRIALS, {})
