"""Codes are found as often as they must be, and nulls in one neuron of twenty."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from simulated_neurons import drifting, noise, recording

from neurotasks_baselines.errors import DesignError
from neurotasks_baselines.neurons.encoding import cluster_masses, encode
from neurotasks_baselines.neurons.nulls import CircularShifts, OtherSessions, ShuffledTrials

NEURONS, TRIALS, BINS, DRAWS = 6000, 160, 4, 199
NOMINAL = (0.04, 0.06)  # 5 % +- 1, more than three standard errors of 6,000 neurons


def test_t_and_cpd_are_those_of_least_squares():
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.standard_normal((40, 3)), columns=["a", "b", "c"])
    x["c"] += x["a"] + 5
    counts = rng.poisson(3, (2, 40, 4)) + x["c"].to_numpy()[:, None]
    counts[1, :, 2] = 7  # does not vary
    found = encode(recording(counts), x, ShuffledTrials(), rng, test=("c", "a"), draws=19)
    assert found.t.shape == (2, 2, 4)
    y = counts[0, :, 1].astype(np.float32).astype(float)
    whole = sm.OLS(y, sm.add_constant(x)).fit()
    np.testing.assert_allclose(found.t[:, 0, 1], whole.tvalues[["c", "a"]], rtol=1e-6)
    without = sm.OLS(y, sm.add_constant(x[["a", "b"]])).fit()
    by_hand = (without.ssr - whole.ssr) / without.ssr
    assert found.cpd[0, 0, 1] == pytest.approx(by_hand, rel=1e-6)
    assert not found.t[:, 1, 2].any()
    assert found.p_bin[:, 1, 2].tolist() == [1, 1]
    assert found.cpd_null[0, 0].mean() == pytest.approx(1 / 38, abs=0.015)  # n - others - constant


def test_cpd_by_hand():
    # Means of the groups are 1 and 3: around the mean of 2 there are 8 squares, 2 around theirs.
    counts = np.array([0.0, 1, 2, 3, 3, 3]).reshape(1, 6, 1)
    x = pd.DataFrame({"group": [0, 0, 0, 1, 1, 1]})
    found = encode(recording(counts), x, ShuffledTrials(), np.random.default_rng(0), draws=9)
    assert found.cpd.item() == pytest.approx(6 / 8)


def test_clusters_by_hand():
    t = np.array([3.0, 2.5, -3, 0, 2.5, 1, -4, -2.5])[:, None]
    assert cluster_masses(t, 2.0)[:, 0].tolist() == [5.5, 5.5, 3, 0, 2.5, 0, 6.5, 6.5]


def rates(null_of, phi, sessions=120):
    """Return the fraction of neurons without a code that a null finds coding, in many sessions.

    Returns:
        With correction for the bins, in one bin, and in any bin without correction.
    """
    rng = np.random.default_rng(2)
    drawn = drifting(rng, (sessions, 2, TRIALS + 100), phi)
    tables = [pd.DataFrame({"value": x + y, "other": y}) for x, y in drawn]
    found = []
    for i, table in enumerate(tables):
        counts = noise(rng, NEURONS // sessions, TRIALS, BINS, phi)
        counts += 2 * table["other"].to_numpy()[:TRIALS, None]  # what is taken out is no code
        null = null_of(tables[:i] + tables[i + 1 :])
        coding = encode(recording(counts), table[:TRIALS], null, rng, test=["value"], draws=DRAWS)
        bins = coding.p_bin[0] <= 0.05
        found.append([coding.p[0] <= 0.05, bins[:, 1], bins.any(axis=1)])
    return np.concatenate(found, axis=1).mean(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("null", "phi", "low", "high"),
    [
        (lambda others: ShuffledTrials(), 0, *NOMINAL),
        (lambda others: CircularShifts(), 0, *NOMINAL),
        (lambda others: ShuffledTrials(), 0.8, 0.3, 1),  # fails
        (lambda others: CircularShifts(), 0.8, *NOMINAL),
        (lambda others: CircularShifts(), 0.99, 0.1, 1),  # fails: drifts as long as the session
        (OtherSessions, 0.99, *NOMINAL),
    ],
)
def test_which_nulls_are_nominal(null, phi, low, high):
    corrected, one_bin, any_bin = rates(null, phi)
    assert low <= corrected <= high
    assert low / 1.5 <= one_bin <= high * 1.1
    assert any_bin > 1.5 * corrected or corrected > 0.3  # what the correction is for


@pytest.mark.slow
def test_planted_codes_are_found_as_often_as_their_size_says():
    rng = np.random.default_rng(3)
    size = 0.2  # of the noise
    x = pd.DataFrame({"a": rng.permutation(np.resize([-1.0, 1.0], TRIALS))})
    counts = rng.standard_normal((NEURONS, TRIALS, 1)) + size * x.to_numpy()
    found = encode(recording(counts), x, ShuffledTrials(), rng, draws=999)
    df, shift = TRIALS - 2, size * np.sqrt(TRIALS)
    critical = stats.t.ppf(0.975, df)
    power = stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift)
    error = np.sqrt(power * (1 - power) / NEURONS)
    assert abs((found.p_bin <= 0.05).mean() - power) < 3 * error
    # Planted in the last of four bins, it is found there.
    counts = noise(rng, 300, TRIALS, BINS)
    counts[..., 3:] += x.to_numpy()
    found = encode(recording(counts), x, CircularShifts(), rng, draws=DRAWS)
    assert (found.p_cluster[0, :, 3:] <= 0.05).mean() > 0.99
    assert (found.p_cluster[0, :, :2] <= 0.05).mean() < 0.07


def test_designs_are_refused():
    rng = np.random.default_rng(0)
    one = recording(rng.standard_normal((1, 30, 2)))
    x = pd.DataFrame({"a": rng.standard_normal(30), "b": rng.standard_normal(30)})
    with pytest.raises(DesignError, match="got c, which follows from a, b"):
        encode(one, x.assign(c=x["a"] - 2 * x["b"]), ShuffledTrials(), rng, test=("c",), draws=9)
    with pytest.raises(DesignError, match="got b, which is constant or missing"):
        encode(one, x.assign(b=1), ShuffledTrials(), rng)
    with pytest.raises(DesignError, match="got a, which is constant or missing"):
        encode(one, x.assign(a=[np.nan] * 30), ShuffledTrials(), rng)
    with pytest.raises(DesignError, match="one row per trial of the recording, 30"):
        encode(one, x[1:], ShuffledTrials(), rng)
    with pytest.raises(DesignError, match="needs 2 or more; got 1"):
        OtherSessions([x])


def test_draws_of_the_nulls():
    rng = np.random.default_rng(0)
    values = np.arange(50.0)
    drawn = ShuffledTrials()("a", values, rng, 5)
    np.testing.assert_array_equal(np.sort(drawn, axis=1), [values] * 5)
    shifted = CircularShifts()("a", values, rng, 500)
    assert (np.diff(shifted, axis=1) % 50 == 1).all()
    assert sorted(shifted[:, 0]) == list(range(1, 50))
    assert len(CircularShifts()("a", values, rng, 20)) == 20
    sessions = [pd.DataFrame({"a": 100.0 * k + np.arange(n)}) for k, n in ((1, 60), (2, 20))]
    drawn = OtherSessions(sessions)("a", values, rng, 200)
    longer, shorter = drawn[drawn[:, 0] < 200], drawn[drawn[:, 0] >= 200]
    assert (np.diff(longer, axis=1) == 1).all()
    assert sorted(set(longer[:, 0])) == list(range(100, 111))
    assert set(shorter[:, :20].ravel()) == set(range(200, 220))
