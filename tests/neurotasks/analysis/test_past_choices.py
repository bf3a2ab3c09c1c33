"""Staying and the weights of past choices, on tables worked by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import log_expit

from neurotasks.analysis import bandit, two_step
from neurotasks.analysis.past_choices import lagged_choices, ridge_weights
from neurotasks.errors import ParameterError, TrialTableError


def table(choice, outcome, **more):
    columns = {"env": 0, "episode": 0, "trial": range(len(choice))}
    return pd.DataFrame(columns | {"choice": choice, "outcome": outcome} | more)


def test_win_stay_and_lose_shift_by_hand():
    one = table([0, 0, 1, 1, -1, 0, 0], [1, 0, 1, 0, -1, 0, 1])
    two = table([1, 1, 0], [1, 1, 1], env=4)
    found = bandit.stay_probabilities_by(pd.concat([two, one], ignore_index=True))
    assert found.index.tolist() == [0, 4]
    assert found.loc[0].to_dict() == {"rewarded": 1.0, "unrewarded": 0.5}
    assert found["rewarded"][4] == 0.5
    assert np.isnan(found["unrewarded"][4])


def test_the_design_by_hand():
    trials = table([1, 0, -1, 1], [1, 0, -1, 0])
    kinds = {"won": trials["outcome"] == 1, "lost": trials["outcome"] == 0}
    design, counting = lagged_choices(trials, kinds, 2, complete=False)
    assert counting["trial"].tolist() == [0, 1, 3]
    assert design[("won", 1)].tolist() == [0, 1, 0]
    assert design[("lost", 2)].tolist() == [0, 0, -1]  # across the missed trial
    assert design[("bias", 0)].tolist() == [1, 1, 1]
    with pytest.raises(TrialTableError, match="must follow each other"):
        lagged_choices(trials, kinds, 2)  # none follows on two valid ones


def test_weights_are_those_of_the_penalised_likelihood():
    rng = np.random.default_rng(0)
    n, ridge = 300, 0.01
    trials = table(rng.integers(0, 2, n), rng.integers(0, 2, n))
    kinds = {"rewarded": trials["outcome"] == 1, "unrewarded": trials["outcome"] == 0}
    design, counting = lagged_choices(trials, kinds, 2, complete=False)
    side = 2.0 * counting["choice"].to_numpy() - 1

    def negative(w):
        return -log_expit(side * (design.to_numpy() @ w)).mean() + ridge / 2 * w @ w

    expected = minimize(negative, np.zeros(design.shape[1]), tol=1e-10).x
    found = bandit.lagged_weights_by(trials, 2, ridge)
    np.testing.assert_allclose(found.loc[0], expected, atol=1e-4)
    assert found.columns.tolist() == design.columns.tolist()


def test_weights_of_each_are_those_of_each_alone():
    rng = np.random.default_rng(1)
    columns = {"choice": rng.integers(0, 2, 400), "outcome": rng.integers(0, 2, 400)}
    place = {"env": np.repeat([2, 5], 200), "episode": 0, "trial": np.tile(np.arange(200), 2)}
    both = pd.DataFrame(place | columns | {"common": rng.random(400) < 0.7})
    found = two_step.lagged_weights_by(both, lags=2)
    assert found.index.tolist() == [2, 5]
    for env, own in both.groupby("env"):
        alone = two_step.lagged_weights_by(own, lags=2)
        np.testing.assert_allclose(found.loc[env], alone.loc[env])


def test_who_never_changes_has_no_weights():
    assert np.isnan(ridge_weights(pd.DataFrame({"bias": [1.0, 1]}), np.array([1, 1]), 0.1)).all()
    with pytest.raises(ParameterError, match="ridge must be above 0"):
        ridge_weights(pd.DataFrame({"bias": [1.0]}), np.array([1]), 0.0)
