"""Channels of a critic: compared with expectiles, counted and drawn."""

from dataclasses import replace

import numpy as np
import pytest
from figures import assert_drawn

from neurotasks.observers import expectile_predictions
from neurotasks.tasks.variable_reward import VariableRewardParameters
from neurotasks_baselines.dopamine import channels
from neurotasks_baselines.experiments import EXPERIMENTS, dopamine_agents, metrics_for
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import evaluate

REWARD, PROBABILITY = dopamine_agents.REWARD, dopamine_agents.PROBABILITY


def played(id, tiny, num_episodes=40, count=5, **task_kwargs):
    model = build(
        id,
        hyperparameters=replace(tiny, channels=count, gamma=0.9),
        seed=0,
        task_kwargs=task_kwargs,
    )
    return evaluate(model, num_episodes=num_episodes)


def test_at_odour():
    """Onset at steps 2 and 0 of episodes 0 and 2; none in episode 1, after its end in episode 3."""

    class Played:
        observations = np.zeros((5, 4, 6))
        alive = np.ones((5, 4), bool)

    Played.observations[2:4, 0, 3] = Played.observations[0:2, 2, 3] = 1
    Played.observations[3, 3, 3], Played.alive[3:, 3] = 1, False
    array = np.arange(20.0).reshape(5, 4)
    assert channels.at_odour(Played, array, 3, 1).tolist() == [4 * 3 + 0, 4 * 1 + 2]
    assert channels.at_odour(Played, array[..., None], 3).tolist() == [[8.0], [2.0]]


def test_returns():
    class Played:
        rewards = np.array([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]])
        alive = np.array([[True, True], [True, True], [True, False]])

    assert channels.returns(Played, 0.5).tolist() == [[3.0, 2.0], [4.0, 2.0], [4.0, 0.0]]


def with_expectiles(episodes, activations, moved):
    """Return an agent that predicts the exact expectiles, moved by `moved`, after the odour."""
    p = activations.parameters
    (odour,) = channels.odour_components(p)
    exact = expectile_predictions(p, "reward odour", activations.taus)
    onset = (episodes.observations[..., odour] > 0).argmax(axis=0)
    later = np.arange(len(episodes.alive))[:, None] - onset
    discount = activations.gamma ** (channels.steps_to_outcome(p) - later)
    return replace(activations, channels=discount[..., None] * moved(exact))


@pytest.mark.parametrize("trace", [0.5, 1.5])
def test_exact_channels_are_found_exact(tiny, trace):
    """With pavlovian rewards nothing is lost, and the middle channel is the mean return."""
    episodes, activations = played(REWARD, tiny, pavlovian=True, trace_duration=trace)
    found = channels.calibrated(episodes, with_expectiles(episodes, activations, lambda e: e))
    delay = channels.steps_to_outcome(activations.parameters)
    assert delay == 10 + 10 * trace
    assert list(channels.moments(activations.parameters).values()) == [0, 9, delay - 1]
    for moment in found.values():
        np.testing.assert_allclose(moment["channels"], moment["exact"])
        assert moment["r"] == pytest.approx(1)
        assert moment["spread"] == pytest.approx(1)
        assert moment["mean"] == pytest.approx(1)
        assert moment["crossings"] == 0
    squeezed = with_expectiles(episodes, activations, lambda e: 6 + (e - e.mean()) / 4)
    found = channels.calibrated(episodes, squeezed)["first odour step"]
    assert found["spread"] == pytest.approx(0.25)
    assert found["r"] == pytest.approx(1)
    reversed_ = with_expectiles(episodes, activations, lambda e: e[::-1])
    assert channels.calibrated(episodes, reversed_)["last trace step"]["crossings"] == 1


def test_the_mean_return_counts_what_is_lost(tiny):
    """Whoever never licks gets nothing; the middle channel is compared with that."""
    episodes, activations = played(REWARD, tiny)
    episodes = replace(episodes, rewards=np.full_like(episodes.rewards, 0.0))
    exact = with_expectiles(episodes, activations, lambda e: e)
    found = channels.calibrated(episodes, exact)["last trace step"]
    (odour,) = channels.odour_components(activations.parameters)
    drawn = channels.at_odour(episodes, episodes.truth["magnitude"], odour).mean()
    mean = expectile_predictions(activations.parameters, "reward odour", 0.5)
    assert found["mean"] == pytest.approx(mean / (mean - drawn))


def test_one_channel_has_no_spread(tiny):
    found = channels.calibrated(*played(REWARD, tiny, count=1))["first odour step"]
    assert np.isnan([found["r"], found["spread"]]).all()
    assert found["crossings"] == 0


def test_decoded_rewards():
    """Exact expectiles give the rewards; with tau shuffled, or one value, they do not."""
    parameters = VariableRewardParameters()
    taus, rng = (np.arange(33) + 0.5) / 33, np.random.default_rng(0)
    exact = expectile_predictions(parameters, "reward odour", taus)
    found = channels.decoded_rewards(exact, taus, parameters, rng)
    assert len(found["samples"]) == 100
    assert found["distance"] < 1
    assert found["loss"] < 1e-3
    mixed = channels.decoded_rewards(exact, rng.permutation(taus), parameters, rng)
    assert mixed["distance"] > 1.5 * found["distance"]
    assert mixed["loss"] > 3 * found["loss"]
    # one reward of 2.5 ul for sure: every channel is that, and so is all that is decoded
    sure = VariableRewardParameters(probabilities=(0, 0, 0, 1, 0, 0, 0))
    assert channels.decoded_rewards(np.full(33, 2.5), taus, sure, rng)["distance"] < 0.1


def test_decoded_rewards_of_another_utility():
    """Bounds and truth are those of the task: empirical utilities reach from -3.6 to 8.3 Hz."""
    parameters = VariableRewardParameters(utility="empirical")
    taus = (np.arange(33) + 0.5) / 33
    exact = expectile_predictions(parameters, "reward odour", taus)
    found = channels.decoded_rewards(exact, taus, parameters, np.random.default_rng(0))
    assert found["distance"] < 0.5
    assert -3.6 < min(found["samples"]) < -2
    assert 6 < max(found["samples"]) < 8.4


def test_cue_values(tiny):
    """Predictions of 1, 2 and 3 after the three odours, 20 steps before the outcome."""
    episodes, activations = played(PROBABILITY, tiny)
    odours = episodes.observations[..., 3:6] > 0
    predicted = np.repeat((odours @ np.array([1.0, 2.0, 3.0]))[..., None], 5, axis=-1)
    values = channels.cue_values(episodes, replace(activations, channels=predicted))
    np.testing.assert_allclose(values * 3.75 * 0.9**20, np.tile([1.0, 2.0, 3.0], (5, 1)))


def test_cue_coding():
    """Channels near the 90 % cue are optimistic, near the 10 % cue pessimistic."""
    values = np.array([[0.1, 0.8, 0.9], [0.1, 0.5, 0.9], [0.1, 0.2, 0.9], [0.1, 0.85, 0.9]])
    found = channels.cue_coding(values, np.random.default_rng(0))
    assert found["optimistic"] == pytest.approx(0.5, abs=0.02)
    assert found["pessimistic"] == pytest.approx(0.25, abs=0.02)
    # c50 of 0.875: (0.875 - 0.5) over the standard error 0.3 / 0.8 / sqrt(60)
    assert found["t"][0] == pytest.approx(0.375 / (0.375 / 60**0.5), rel=0.1)
    assert abs(found["t"][1]) < 0.5


def test_rpe_by_magnitude(tiny):
    """With nothing predicted it is the discounted reward."""
    episodes, activations = played(REWARD, tiny, pavlovian=True, utility="hill")
    nothing = replace(activations, channels=np.zeros_like(activations.channels))
    magnitudes, rpes = channels.rpe_by_magnitude(episodes, nothing)
    root = np.sqrt(magnitudes)
    hill = 10 * root / (root + np.sqrt(200))
    np.testing.assert_allclose(rpes, np.repeat(0.9 * hill[:, None], 5, axis=1))
    _, rpes = channels.rpe_by_magnitude(
        episodes, replace(activations, channels=nothing.channels + 2)
    )
    np.testing.assert_allclose(rpes[:, 0], 0.9 * hill - 2)


VARIANTS = [
    (REWARD, {}),
    (REWARD, {"utility": "empirical", "trials": 3, "dt": 0.5}),
    (REWARD, {"pavlovian": True, "p_cued": 0.0}),
    (REWARD, {"probabilities": (1, 0, 0, 0, 0, 0, 0), "interval_min": 0.0}),
    (PROBABILITY, {}),
    (PROBABILITY, {"air_puff": True, "trials": 2}),
    (PROBABILITY, {"p_reward": (0.0, 0.7, 1.0)}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("id", "task_kwargs"), VARIANTS)
@pytest.mark.parametrize("count", [1, 5])
def test_watch_with_any_parameters(id, task_kwargs, count, tiny, tmp_path):
    episodes, activations = played(id, tiny, 20, count, **task_kwargs)
    training = next(t for t in dopamine_agents.EXPERIMENT.trainings.values() if t.id == id)
    measures = training.metrics.compute(episodes)
    assert measures["reward_per_trial"] == episodes.trials["trial_reward"].mean()
    kind = "trial_type" if id == REWARD else "odour"
    licks = episodes.trials.groupby(kind)["anticipatory_licks"].mean()
    name, value = ("nothing_odour", 2) if id == REWARD else ("odour_1", 1)
    assert measures[f"licks_{name}"] == licks[value]
    assert_drawn(training.metrics.plot(episodes, activations), tmp_path / "plot.png")


def test_nothing_learned_is_drawn_where_no_odour_came(tiny, tmp_path):
    episodes, activations = played(PROBABILITY, tiny, 1)  # a single trial has one odour
    assert_drawn(channels.plot_probability(episodes, activations), tmp_path / "plot.png")
    episodes, activations = played(REWARD, tiny, 5, p_cued=0.0)
    assert channels.reward_metrics(episodes).keys() >= {"licks_reward_odour"}
    assert not channels.plot_reward(episodes, activations).axes[0].lines


def test_training_shows_it(monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "dopamine-agents", dopamine_agents.EXPERIMENT)
    assert metrics_for(REWARD).plot is channels.plot_reward
    assert metrics_for(PROBABILITY).plot is channels.plot_probability
