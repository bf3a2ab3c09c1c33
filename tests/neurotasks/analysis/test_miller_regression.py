"""The regression of Miller et al. 2017 on choices made from known coefficients."""

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

from neurotasks.analysis.two_step import CONDITIONS, miller_regression
from neurotasks.episodes import run_episodes
from neurotasks.observers import BayesTwoStep, ModelFreeTwoStep

LAGS = 5
TRUTH = {
    "rewarded common": [0.9, 0.5, 0.3, 0.2, 0.1],
    "rewarded rare": [-0.5, -0.3, 0.2, 0.0, 0.1],
    "unrewarded common": [-0.7, 0.3, -0.1, 0.1, 0.0],
    "unrewarded rare": [0.6, 0.2, 0.1, -0.2, 0.0],
}
BIAS = 0.25
KINDS = {(int(outcome), bool(common)): name for name, (outcome, common) in CONDITIONS.items()}


def simulated(lanes=200, trials=120, seed=0):
    """Return a table of choices drawn with the coefficients of `TRUTH`."""
    rng = np.random.default_rng(seed)
    table = []
    for lane in range(lanes):
        past = []
        for t in range(trials):
            logit = BIAS
            for lag, (choice, kind) in enumerate(reversed(past[-LAGS:])):
                logit += TRUTH[kind][lag] * (1 if choice else -1)
            choice = int(rng.random() < 1 / (1 + np.exp(-logit)))
            outcome, common = int(rng.random() < 0.5), bool(rng.random() < 0.7)
            past.append((choice, KINDS[outcome, common]))
            table.append((lane, 0, t, choice, outcome, common))
    columns = ["env", "episode", "trial", "choice", "outcome", "common"]
    return pd.DataFrame(table, columns=columns)


@pytest.fixture(scope="module")
def trials():
    return simulated()


def test_finds_the_coefficients(trials):
    found = miller_regression(trials)
    expected = {(name, lag + 1): c for name, cs in TRUTH.items() for lag, c in enumerate(cs)}
    expected["bias", 0] = BIAS
    assert set(found.index) == set(expected)
    assert found.index.names == ["kind", "lag"]
    for key, coefficient in expected.items():
        assert abs(found["coef"][key] - coefficient) < 4.5 * found["se"][key]
        assert 0.005 < found["se"][key] < 0.06
    assert found["p"]["rewarded common", 1] < 1e-6 < found["p"]["unrewarded common", 5]
    assert found.loc["rewarded common"].index.tolist() == [1, 2, 3, 4, 5]


def test_number_of_lags(trials):
    found = miller_regression(trials, lags=2)
    assert set(found.index) == {(name, lag) for name in TRUTH for lag in (1, 2)} | {("bias", 0)}


def test_ridge_pulls_towards_zero(trials):
    plain, pulled = miller_regression(trials)["coef"], miller_regression(trials, ridge=1e-6)["coef"]
    np.testing.assert_allclose(pulled, plain, atol=1e-3)
    assert np.square(miller_regression(trials, ridge=0.1)["coef"]).sum() < np.square(plain).sum()


def test_ridge_at_its_minimum():
    """Its gradient is that of the mean log likelihood minus ridge times the coefficients."""
    trials = simulated(lanes=20, trials=40, seed=1)
    found = miller_regression(trials, ridge=0.05)["coef"]
    slope, used = gradient(trials, found)
    np.testing.assert_allclose(slope / used, 0.05 * found, atol=1e-8)


def test_ridge_bears_choices_told_without_error():
    trials = simulated(lanes=20, trials=40, seed=1)
    trials["choice"] = 1
    with pytest.raises((np.linalg.LinAlgError, Warning)):
        miller_regression(trials)
    assert miller_regression(trials, ridge=1e-3).isna().all(axis=None)
    trials.loc[trials["trial"] == 39, "choice"] = 0
    found = miller_regression(trials, ridge=1e-3)
    assert np.isfinite(found["coef"]).all()
    assert found["se"].isna().all()


def test_order_of_the_rows_does_not_matter(trials):
    shuffled = trials.sample(frac=1, random_state=0)
    before = shuffled.copy()
    pd.testing.assert_frame_equal(miller_regression(shuffled), miller_regression(trials))
    assert shuffled.equals(before)


def reference(trials):
    """Return the rows of the design, trial by trial: (choice, the five kinds and choices)."""
    rows = []
    for _, episode in trials.groupby(["env", "episode"]):
        by_trial = {row.trial: row for row in episode.itertuples()}
        for t, row in by_trial.items():
            past = [by_trial.get(t - lag) for lag in range(1, LAGS + 1)]
            if row.choice >= 0 and all(p is not None and p.outcome >= 0 for p in past):
                rows.append((row.choice, past))
    return rows


def gradient(trials, coefficients):
    """Return the gradient of the log likelihood, which is zero at its maximum, and the rows."""
    names = list(coefficients.index)
    total, rows = np.zeros(len(names)), reference(trials)
    for choice, past in rows:
        x = np.zeros(len(names))
        x[names.index(("bias", 0))] = 1
        for lag, row in enumerate(past, 1):
            kind = KINDS[int(row.outcome), bool(row.common)]
            x[names.index((kind, lag))] = 1 if row.choice else -1
        total += (choice - 1 / (1 + np.exp(-x @ coefficients.to_numpy()))) * x
    return total, len(rows)


def test_only_unbroken_runs_of_valid_trials_count():
    """It is the maximum of the likelihood of just those choices, written out in full."""
    trials = simulated(lanes=20, trials=60, seed=1)
    trials["episode"] = trials["trial"] // 30  # trials go on counting: no run crosses an episode
    rng = np.random.default_rng(0)
    invalid = rng.random(len(trials)) < 0.03
    trials.loc[invalid, "outcome"] = -1
    trials.loc[invalid & (rng.random(len(trials)) < 0.5), "choice"] = -1
    trials = trials[rng.random(len(trials)) > 0.02]
    slope, used = gradient(trials, miller_regression(trials)["coef"])
    assert 500 < used < 0.8 * len(trials)
    np.testing.assert_allclose(slope, 0, atol=1e-3)
    slope, _ = gradient(trials[trials["trial"] < 40], miller_regression(trials)["coef"])
    assert np.abs(slope).max() > 1


@pytest.mark.parametrize("who", ["model-based", "model-free"])
def test_learners(who):
    """Reward counts for a model-free learner, reward x transition for a model-based one."""
    envs = gym.make_vec(
        "neurotasks/TwoStep-v0", num_envs=300, autoreset_mode="SameStep", trial_log=True
    )
    if who == "model-based":
        agent = BayesTwoStep(envs, seed=0, lapse=0.1)
    else:
        agent = ModelFreeTwoStep(envs, seed=0)
    coef = miller_regression(run_episodes(agent, envs, seed=0).trials)["coef"]
    rc, rr, uc, ur = (coef[name, 1] for name in CONDITIONS)
    reward, interaction = rc + rr - uc - ur, rc - rr - uc + ur
    if who == "model-based":
        assert interaction > 4 * abs(reward)
    else:
        assert reward > 4 * abs(interaction)
