"""Simulation 2: measures by hand and on observers, claims that can be missed, the figure."""

import json

import numpy as np
import pytest
from figures import assert_drawn

from neurotasks.episodes import run_episodes
from neurotasks.observers import BayesVolatility, RandomAgent, RescorlaWagnerVolatility
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.experiments import EXPERIMENTS, volatility
from neurotasks_baselines.experiments.claims import evaluate_claims, look_up
from neurotasks_baselines.experiments.volatility import BIN, behaviour, by_trial, decode, observe
from neurotasks_baselines.files import json_ready
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import held_out_envs

EXPERIMENT = EXPERIMENTS["volatility"]
RATIO = "fitted learning rate, volatile / stable block"
INTERVAL = "lower end of the 95 % interval of this ratio over groups of 10 episodes"
FIXED = "the ratio of a learner with a fixed rate"
CORRECT = {name: f"choices of the better arm, {name} block" for name in ("stable", "volatile")}
DECODING = "p that chance tells the block from the recurrent state as well"


def measures(stable=0.9, volatile=0.75, **changes):
    curve = {name: [0.5] * 40 for name in ("stable", "volatile")}
    found = {"alpha": {"stable": 0.1, "volatile": 0.15}, "ratio": 1.5, "ratio_interval": [1.3, 1.6]}
    found |= {"correct": {"stable": stable, "volatile": volatile}, "correct_by_trial": curve}
    found |= {"decoding": 0.7, "decoding_p": 0.001, "decoding_before": 0.6, "p_volatile": curve}
    history = [{"steps": i * 1e6, "reward_per_trial": 0.3 * i} for i in range(3)]
    return found | {"history": history, "seconds": 5.0} | changes


def stand_in(fixed=1.0):
    """Return observers without playing them."""
    return {"bayes": measures(), "fixed": measures(ratio=fixed)}


@pytest.fixture
def observers(monkeypatch):
    monkeypatch.setattr(volatility, "observe", stand_in)


def missed(*found):
    return {claim.claim for claim in evaluate_claims(EXPERIMENT, list(found)) if not claim.passed}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"ratio": 1.19}, {RATIO}),
        ({"ratio": 1.0, "ratio_interval": [1.0, 1.0]}, {RATIO, INTERVAL}),
        ({"ratio_interval": [0.99, 2.0]}, {INTERVAL}),
        ({"ratio": np.nan, "ratio_interval": [np.nan] * 2}, {RATIO, INTERVAL}),
        ({"stable": 0.84}, {CORRECT["stable"]}),
        ({"volatile": 0.67}, {CORRECT["volatile"]}),
        ({"volatile": np.nan}, {CORRECT["volatile"]}),
        ({"decoding_p": 0.011}, {DECODING}),
        ({"decoding_p": np.nan}, {DECODING}),
    ],
)
def test_claims_can_be_missed(changes, expected, observers):
    assert missed(measures(**changes)) == expected


def test_it_is_the_median_over_seeds_that_counts(observers):
    bad = measures(ratio=1.0, stable=0.5)
    assert missed(bad, measures(), measures()) == set()
    assert missed(bad, bad, measures()) == {RATIO, CORRECT["stable"]}


@pytest.mark.parametrize(
    ("ratio", "held"), [(0.89, False), (0.91, True), (1.09, True), (1.11, False)]
)
def test_the_fit_is_checked_by_the_fixed_learner(ratio, held, monkeypatch):
    monkeypatch.setattr(volatility, "observe", lambda: stand_in(ratio))
    assert missed(measures()) == (set() if held else {FIXED})


def played(observer, num_envs=200, **task_kwargs):
    envs = held_out_envs(volatility.ID, {}, num_envs)
    return run_episodes(observer(envs, seed=1, **task_kwargs), envs, seed=TEST_SEED)


@pytest.mark.slow
def test_claims_tell_learners_apart(observers):
    found = behaviour(played(BayesVolatility))
    assert missed(measures() | found) == set()
    found = behaviour(played(RescorlaWagnerVolatility))
    assert missed(measures() | found) == {RATIO, INTERVAL, CORRECT["stable"]}
    found = behaviour(played(RandomAgent))
    assert set(CORRECT.values()) <= missed(measures() | found)


def test_behaviour():
    episodes = played(BayesVolatility)
    found = behaviour(episodes)
    low, high = found["ratio_interval"]
    assert low < found["ratio"] < high < low + 0.5
    assert found["ratio"] == found["alpha"]["volatile"] / found["alpha"]["stable"]
    trials = episodes.trials
    for block, name in enumerate(("stable", "volatile")):
        assert found["correct"][name] == trials["correct"][trials["block"] == block].mean()
        first = trials.groupby("env")["block"].transform("first") == block
        curve = trials[first].groupby(trials["trial"] // BIN)["correct"].mean()
        assert found["correct_by_trial"][name] == pytest.approx(curve.tolist())


def test_by_trial():
    values = np.arange(10.0)[:, None] + [0.0, 10.0, 100.0]
    blocks = np.repeat([[0, 1, 0], [1, 0, 1]], 5, axis=0)
    assert by_trial(values, blocks) == {"stable": [52.0, 57.0], "volatile": [12.0, 17.0]}
    assert np.isnan(by_trial(values[:, :1], blocks[:, :1])["volatile"]).all()


# Decoding.


def hidden_and_blocks(signal, num_episodes=60, seed=0):
    """Return a state of noise, with a component that codes the block, if signal is not 0."""
    rng = np.random.default_rng(seed)
    first = rng.integers(2, size=num_episodes)
    blocks = np.repeat([first, 1 - first], 50, axis=0)
    hidden = rng.normal(size=(100, num_episodes, 8))
    hidden[..., 3] += signal * blocks
    return hidden, blocks


def test_decoding():
    """A difference of 2 standard deviations is decoded in 84 % of the trials."""
    hidden, blocks = hidden_and_blocks(2.0)
    found = decode(hidden, blocks)
    assert found["decoding"] == pytest.approx(0.841, abs=0.02)
    assert found["decoding_p"] == pytest.approx(1 / 1001)
    decoded = found["p_volatile"]
    assert np.mean(decoded["volatile"][:10]) > 0.7 > 0.3 > np.mean(decoded["volatile"][10:])
    assert np.mean(decoded["stable"][:10]) < 0.3 < 0.7 < np.mean(decoded["stable"][10:])


def test_noise_is_not_decoded():
    found = [decode(*hidden_and_blocks(0.0, seed=seed)) for seed in range(8)]
    assert np.mean([f["decoding"] for f in found]) == pytest.approx(0.5, abs=0.01)
    assert sum(f["decoding_p"] <= 0.05 for f in found) <= 2
    assert min(f["decoding_p"] for f in found) > 0.001


def test_what_tells_episodes_apart_is_no_signal():
    """A state that is the same throughout an episode could tell blocks of known episodes only."""
    hidden, blocks = hidden_and_blocks(0.0)
    hidden[:] = np.random.default_rng(1).normal(size=(1, *hidden.shape[1:]))
    assert decode(hidden, blocks)["decoding_p"] > 0.01


def test_time_is_no_signal():
    """The orders of the blocks are balanced, so that the trial's number codes nothing."""
    hidden, blocks = hidden_and_blocks(0.0)
    hidden[..., 0] = np.linspace(-1, 1, 100)[:, None]
    assert decode(hidden, blocks)["decoding_p"] > 0.01


# The whole.


@pytest.fixture(scope="module")
def measured(tiny):
    """Return the measures of an agent that has learned nothing."""
    model = build(volatility.ID, hyperparameters=tiny, seed=0)
    model.description |= {"history": [{"steps": 0, "reward_per_trial": 0.5}], "seconds": 0.0}
    return json_ready(EXPERIMENT.measure({"agent": model}, 20))


def test_measure(measured, observers):
    assert len(json.dumps(measured)) < 8000
    assert measured["decoding"] == measured["decoding_before"]  # it was not trained
    assert set(CORRECT.values()) <= missed(measured)


@pytest.mark.slow
def test_observers():
    """The claims about behaviour hold for them; the belief codes the block."""
    found = observe()
    assert found["bayes"]["ratio_interval"][0] > 1.2
    assert found["fixed"]["ratio"] == pytest.approx(1, abs=0.05)
    assert 0.6 < found["bayes"]["decoding"] < 0.8
    published = {row.key: row.published for row in EXPERIMENT.claims}
    for key in ("ratio", "ratio_interval.0", "decoding"):
        assert f"{look_up([found['bayes']], key).item():.2f} Bayesian observer" in published[key]
    # computed: P(volatile) is 0.57 and 0.28
    decoded = found["bayes"]["p_volatile"]
    in_volatile = np.mean([decoded["volatile"][:20], decoded["stable"][20:]])
    in_stable = np.mean([decoded["volatile"][20:], decoded["stable"][:20]])
    assert in_volatile - in_stable > 0.15


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3])
def test_figure_can_be_drawn_of_anything(measured, seeds, tmp_path, observers):
    curve = {name: [np.nan] * 40 for name in ("stable", "volatile")}
    alpha = dict.fromkeys(("stable", "volatile"), np.nan)
    nothing = measures(alpha=alpha, ratio=np.nan, correct_by_trial=curve, p_volatile=curve)
    for found in (measured, measures(), nothing):
        assert_drawn(EXPERIMENT.figure([found] * seeds), tmp_path / "figure.png")


def test_sketch(tmp_path):
    metrics = EXPERIMENT.trainings["agent"].metrics
    episodes = played(RandomAgent, 20)
    assert set(metrics.compute(episodes)) == {
        *("reward_per_trial", "correct_stable", "correct_volatile")
    }
    assert_drawn(metrics.plot(episodes, None), tmp_path / "figure.png")
