import numpy as np
import pandas as pd
import pytest

from neurotasks.errors import ParameterError
from neurotasks.models import compare_models


def evidence(*winners, models=2):
    """Everybody's choices leave no doubt which model it is."""
    return pd.DataFrame(1e4 * np.eye(models)[list(winners)], columns=list("ABC"[:models]))


def test_three_people_of_one_model_by_hand():
    """With certain winners variational Bayes is exact.

    The frequency has the distribution Beta(4, 1): exceedance 1 - (1/2)^4. Evidence of frequencies
    that differ B(4, 1) = 1/4, of equal ones (1/2)^3: the omnibus risk is 1/3.
    """
    found = compare_models(evidence(0, 0, 0))
    assert found.frequency.tolist() == pytest.approx([4 / 5, 1 / 5])
    assert found.exceedance.tolist() == pytest.approx([15 / 16, 1 / 16])
    assert found.omnibus_risk == pytest.approx(1 / 3)
    assert found.protected["A"] == pytest.approx(15 / 16 * 2 / 3 + 1 / 6)


def test_two_models_that_share_people_by_hand():
    """Beta(3, 2): exceedance 11/16; B(3, 2) = 1/12 against 1/8: risk 3/5."""
    found = compare_models(evidence(0, 1, 0))
    assert found.exceedance["A"] == pytest.approx(11 / 16)
    assert found.omnibus_risk == pytest.approx(3 / 5)
    assert found.protected.sum() == pytest.approx(1)


def test_three_models_against_draws():
    found = compare_models(evidence(0, 0, 0, 1, 2, 0, models=3))
    draws = np.random.default_rng(0).dirichlet([5, 2, 2], 40_000).argmax(axis=1)
    share = np.bincount(draws) / len(draws)
    assert found.exceedance.to_numpy() == pytest.approx(share, abs=4 * 0.5 / np.sqrt(40_000))


def test_many_people_who_cannot_be_told_apart():
    found = compare_models(pd.DataFrame(np.zeros((50, 2)), columns=["A", "B"]))
    assert found.omnibus_risk > 0.5
    assert found.protected.tolist() == pytest.approx([0.5, 0.5])


def test_many_people_leave_little_doubt():
    found = compare_models(evidence(*[0] * 500, *[1] * 100, 2, models=3))
    assert found.protected["A"] > 0.999
    assert found.frequency["A"] == pytest.approx(501 / 604)


@pytest.mark.parametrize(
    "wrong",
    [
        pd.DataFrame({"A": [0.0]}),
        pd.DataFrame({"A": [0.0, np.nan], "B": 0.0}),
        pd.DataFrame({"A": [], "B": []}),
    ],
)
def test_what_cannot_be_compared_is_refused(wrong):
    with pytest.raises(ParameterError):
        compare_models(wrong)
