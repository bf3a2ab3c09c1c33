"""Simulated neurons against numbers worked by hand, closed forms and the published simulations."""

import numpy as np
import pytest

from neurotasks.tasks.variable_reward import EMPIRICAL_UTILITIES, hill_utility
from neurotasks_baselines.dopamine.neurons import (
    MAGNITUDES,
    PROBABILITIES,
    Neurons,
    additive_offset,
    classical,
    distributional,
    empirical_utility,
    learn,
    shared_prediction,
)
from neurotasks_baselines.dopamine.populations import probability_neurons, steady_state

HILL = hill_utility(MAGNITUDES)


def test_constants_are_the_published_ones():
    published = [0.06612594, 0.09090909, 0.14847358, 0.15489467, 0.31159175, 0.1509519, 0.07705306]
    np.testing.assert_allclose(PROBABILITIES, published, atol=1e-8)
    mean = MAGNITUDES @ PROBABILITIES
    assert mean == pytest.approx(5.208, abs=5e-4)


def test_utilities():
    np.testing.assert_allclose(HILL, [0.219, 0.373, 0.719, 1.006, 1.365, 1.827, 2.403], atol=6e-4)
    mean = HILL @ PROBABILITIES
    assert mean == pytest.approx(1.197, abs=6e-4)
    assert hill_utility(200) == 5  # half of fmax at sigma
    np.testing.assert_array_equal(hill_utility([-5.0, 0.0]), [-hill_utility(5.0), 0])
    np.testing.assert_allclose(empirical_utility(MAGNITUDES), EMPIRICAL_UTILITIES)
    assert empirical_utility(7.5) == pytest.approx((0.2421 + 4.4284) / 2)
    mean = EMPIRICAL_UTILITIES @ PROBABILITIES
    assert mean == pytest.approx(0.167, abs=6e-4)


@pytest.mark.parametrize(
    ("response", "after_reward", "after_none", "after_both"),
    # alpha+ 0.8, alpha- 0.4, eta 0.5: steps of 0.4 and 0.2 times the RPE or its sign
    [("expectile", 0.4, 0.32, 0.592), ("quantile", 0.4, 0.2, 0.6)],
)
def test_learning_by_hand(response, after_reward, after_none, after_both):
    rules = {"eta": 0.5, "response": response}
    learned = learn([1, 0], [0.8], [0.4], **rules)
    assert learned.last == pytest.approx(after_none)
    assert learned.mean == pytest.approx(after_none)  # the second half is the second trial
    learned = learn([1, 0, 1], [0.8], [0.4], **rules)
    assert learned.last == pytest.approx(after_both)
    assert learned.mean == pytest.approx((after_none + after_both) / 2)
    assert learn([1, 1], [0.8], [0.4], start=1.0, **rules).last == 1  # no RPE, no learning


def test_worlds_learn_side_by_side():
    rewards = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    plus, minus = np.array([0.1, 0.5, 0.9]), np.array([0.3, 0.2, 0.1])
    together = learn(rewards, plus, minus, eta=1.0).last
    assert together.shape == (2, 3)
    for run in range(2):
        for neuron in range(3):
            alone = learn(rewards[:, run], plus[[neuron]], minus[[neuron]], eta=1.0).last
            assert together[run, neuron] == alone


def test_learning_refuses():
    with pytest.raises(ValueError, match="got 'huber'"):
        learn([1, 0], [1.0], [1.0], response="huber")
    with pytest.raises(ValueError, match="at least two trials"):
        learn([1], [1.0], [1.0])


def test_quantile_neurons_learn_quantiles():
    rng = np.random.default_rng(0)
    tau = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    learned = learn(rng.uniform(size=20_000), tau, 1 - tau, response="quantile", eta=0.005)
    np.testing.assert_allclose(learned.mean, tau, atol=0.02)


def test_rates_by_hand():
    neurons = Neurons(
        np.array([1.0, 2.0]), np.array([0.3, 0.8]), np.array([0.1, 0.0]), np.array([0.0, 5.0]), 2.0
    )
    # gain 2, slopes 0.5 / 0.3 and 1.0 / 0.2
    np.testing.assert_allclose(neurons.rates([0.0, 1.0, 4.0]), [[-0.6, 0, 3], [4.2, 4.6, 9]])
    np.testing.assert_allclose(neurons.tau, [0.75, 1])


def test_one_of_several_populations():
    neurons = Neurons(
        np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.1, 0.2]), np.array([0.3, 0.4]), gain=2.0
    )
    second = neurons.population(1)
    np.testing.assert_array_equal(second.value, [3, 4])
    np.testing.assert_array_equal(second.alpha_minus, [0.3, 0.4])
    np.testing.assert_allclose(second.rates([0.0, 9.0]), neurons.rates([0.0, 9.0])[1])


def test_neurons_of_a_population_see_the_same_rewards():
    rng = np.random.default_rng(0)
    neurons = distributional(rng, (2, 30), alpha_max=0.01, eta=1.0, trials=3000)
    assert neurons.alpha_plus.max() <= 0.01
    assert neurons.value.shape == (2, 30)
    same = classical(rng, (3, 30), trials=3000)
    np.testing.assert_array_equal(same.alpha_plus, same.alpha_minus)
    fast = same.alpha_plus > 0.3
    spread = [same.value[run][fast[run]].std() for run in range(3)]
    assert np.max(spread) < 0.5  # of rewards with an sd of 5.3
    assert len(np.unique(same.value.round(6))) > 80


def test_nulls_share_one_value():
    rng = np.random.default_rng(0)
    shared, offset = (
        f(rng, (50, 40), EMPIRICAL_UTILITIES) for f in (shared_prediction, additive_offset)
    )
    for neurons in (shared, offset):
        np.testing.assert_allclose(neurons.value, 0.1669, atol=1e-4)
    assert np.corrcoef(shared.alpha_plus.ravel(), shared.alpha_minus.ravel())[0, 1] < 0.1
    np.testing.assert_array_equal(offset.tau, 0.5)
    assert np.std(offset.offset) == pytest.approx(1.5, rel=0.05)
    assert np.std(offset.alpha_plus) > 0.25
    alike = additive_offset(rng, (50, 40), sd=2.0, diverse_gain=False)
    assert np.std(alike.offset) == pytest.approx(2, rel=0.05)
    assert np.ptp(alike.alpha_plus) == 0


def test_steady_state_is_the_exact_expectile():
    """Criteria 1 and 2, 3 runs of 151 neurons, with the published number of trials."""
    runs = steady_state(seed=0, runs=3)
    assert (runs["pearson"] >= 0.99).all()
    assert (runs["spearman"] >= 0.99).all()
    assert np.sqrt((runs["rmse"] ** 2).mean()) <= 0.06
    assert (runs["classical_sd"] <= 0.06).all()
    assert (runs["sd"] >= 0.24).all()


def test_probability_coding_of_learned_cues():
    """Criterion 6: closed form of Bernoulli expectiles, optimists and pessimists."""
    neurons = probability_neurons(seed=0)
    inner = neurons[neurons["tau"].between(0.1, 0.9)]
    assert inner["error"].max() <= 0.1
    assert (neurons["t"] > 2.5).mean() >= 0.15
    assert (neurons["t"] < -2.5).mean() >= 0.15
    assert (neurons["t"].abs() > 2.5).mean() >= 0.4
    assert neurons["t"].corr(neurons["tau"]) >= 0.8
    # c50 rests on means over 60 trials, so that t is wider than its null: 4 % in expectation
    control = np.concatenate([probability_neurons(seed, symmetric=True)["t"] for seed in range(4)])
    assert (np.abs(control) > 2.5).mean() <= 0.05
