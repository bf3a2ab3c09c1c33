"""Risk preference, worked by hand."""

import numpy as np
import pandas as pd
import pytest

from neurotasks.analysis.risky_choice import risk_preference

COLUMNS = ["p_risky", "forced", "risky", "choice"]
TRIALS = pd.DataFrame(
    [
        *[(0.125, True, True, 0)] * 5,  # forced trials do not count
        (0.125, False, True, 0),
        (0.125, False, False, 1),
        (0.125, False, False, 1),
        (0.125, False, False, -1),  # nor do invalid ones
        (0.5, False, True, 1),
        (0.5, True, False, 0),
        (0.5, False, True, 0),
    ],
    columns=COLUMNS,
)


@pytest.mark.parametrize("dtype", [bool, int])
def test_risk_preference(dtype):
    trials = TRIALS.astype({"forced": dtype, "risky": dtype})
    found = risk_preference(trials)
    assert found.index.tolist() == [0.125, 0.5]
    assert found["risky"].tolist() == pytest.approx([1 / 3, 1.0])
    assert found["count"].tolist() == [3, 2]


def test_nothing_free():
    assert len(risk_preference(TRIALS[TRIALS["forced"]])) == 0


def test_bins():
    bins = [0.0, 0.3, 0.4, 1.0]
    found = risk_preference(TRIALS.assign(p_risky=pd.cut(TRIALS["p_risky"], bins)))
    assert found["risky"].tolist() == pytest.approx([1 / 3, 1.0])
    assert [interval.right for interval in found.index] == [0.3, 1.0]
    assert np.all(found["count"] == [3, 2])
