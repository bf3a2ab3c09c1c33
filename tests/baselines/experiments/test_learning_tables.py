"""Tables that learn as the critic does, CartPole, and how fast neurons and decoding are."""

import time
from dataclasses import replace

import numpy as np
import pytest

from neurotasks.scores import TEST_SEED
from neurotasks.tasks.variable_reward import hill_utility
from neurotasks_baselines.dopamine.decoding import decode
from neurotasks_baselines.dopamine.neurons import MAGNITUDES, distributional
from neurotasks_baselines.errors import RunDirectoryError
from neurotasks_baselines.experiments.cart_pole import CartPoleTraining, cart_pole_return
from neurotasks_baselines.experiments.learning_tables import TRUE_SD, chain_spread, two_coin_spread


@pytest.mark.parametrize(
    ("target", "low", "high"),
    [("monte-carlo", 0.9, 1.1), ("sr-lambda", 0.9, 1.1), (None, 1.25, 1.5)],
)
def test_two_coins(target, low, high):
    assert low < two_coin_spread(target, 1001) / TRUE_SD < high


def test_two_coins_begin_with_no_spread():
    assert two_coin_spread("monte-carlo", 0, updates=0) == 0


@pytest.mark.parametrize("gae_lambda", [0.8, 0.95, 1.0])
def test_a_lambda_return_squeezes_the_spread_at_the_cue(gae_lambda):
    """Closed form lambda^(K - 1), here K = 15."""
    found = chain_spread("lambda", 1001, 15, gae_lambda=gae_lambda)
    assert found == pytest.approx(gae_lambda**14, abs=0.03)


def test_what_keeps_the_spread_at_the_cue():
    """Monte-Carlo returns, whatever lambda; they are the lambda-return of lambda = 1."""
    found = chain_spread("monte-carlo", 1001, 15, gae_lambda=0.8)
    assert found == pytest.approx(1, abs=0.03)
    assert found == pytest.approx(chain_spread("lambda", 1001, 15, gae_lambda=1.0), rel=1e-3)
    # one step before the outcome every target is right
    assert chain_spread("lambda", 1001, 1, gae_lambda=0.5) == pytest.approx(1, abs=0.03)


def test_a_chain_begins_with_no_spread():
    assert chain_spread("lambda", 0, 15, updates=0) == 0


@pytest.mark.slow
def test_cart_pole(tmp_path):
    """Returns are unscaled: an agent of one rollout keeps the pole up for some ten steps."""
    training = replace(
        CartPoleTraining(), hyperparameters=replace(CartPoleTraining().hyperparameters, channels=5)
    )
    beginner = training.run(tmp_path / "beginner", seed=1001, total_steps=1)
    assert 8 <= cart_pole_return(beginner, 16, TEST_SEED) <= 60
    done = []
    agent = training.run(tmp_path / "a", seed=1001, total_steps=8192, on_progress=done.append)
    assert done == [8192]
    found = cart_pole_return(agent, 16, TEST_SEED)
    assert 20 <= found <= 500
    again = training.run(tmp_path / "a", seed=1001, total_steps=8192)  # finished: it is loaded
    assert cart_pole_return(again, 16, TEST_SEED) == found
    assert again.description == agent.description
    assert again.num_timesteps == agent.num_timesteps
    with pytest.raises(RunDirectoryError, match="seed"):
        training.run(tmp_path / "a", seed=1002, total_steps=8192)


def seconds(run):
    """Return the shortest of three, the first of which may compile."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def test_the_simulation_takes_at_most_two_seconds():
    """151 neurons, 25,000 trials, 10 populations."""
    utilities = hill_utility(MAGNITUDES)
    rng = np.random.default_rng(0)
    assert seconds(lambda: distributional(rng, (10, 151), utilities, trials=25_000)) <= 2


def test_a_decoding_takes_at_most_two_seconds():
    """40 neurons, 100 samples."""
    rng = np.random.default_rng(0)
    neurons = distributional(rng, (40,), alpha_max=0.5)
    assert seconds(lambda: decode(neurons.value, neurons.tau, rng)) <= 2
