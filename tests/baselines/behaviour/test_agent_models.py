"""Agents led along tables: along its own episodes an agent is itself."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_expit

from neurotasks.errors import ParameterError, TrialTableError
from neurotasks_baselines.behaviour.agent_models import (
    fit_temperature,
    held_out_policy,
    log_likelihoods,
    policy_along,
)
from neurotasks_baselines.behaviour.replay import replay
from neurotasks_baselines.experiments.jobs import shipped
from neurotasks_baselines.training.agent_files import load
from neurotasks_baselines.training.evaluate import evaluate

AGENTS = {
    "two-step": ("two-step", "ppo", 100, "agent"),
    "two-step, A2C": ("two-step", "a2c", 100, "agent"),
    "two-step, feed-forward": ("two-step", "feed-forward", 100, "agent"),
    "two-step, no reward input": ("two-step", "no-reward-input", 100, "agent"),
    "two-step, no action input": ("two-step", "no-action-input", 100, "agent"),
    "monkeys' task": ("two-step-monkeys", "ppo", 100, "agent"),
    "bandit": ("bandits", "ppo", 100, "independent"),
}


def played(name, num_episodes=3):
    """Return an agent, episodes it played, its activations, and its table with second responses."""
    agent = load(shipped(*AGENTS[name]), num_envs=1)
    episodes, activations = evaluate(agent, num_episodes=num_episodes)
    trials = episodes.trials
    whole = trials.groupby("env")["choice"].transform("min") >= 0
    trials = trials[whole & (episodes.alive.sum(axis=0) == steps_of(agent) * 100)[trials["env"]]]
    if name.startswith("two-step"):
        at = 3 * trials["trial"] + 2
        trials = trials.assign(second_choice=episodes.actions[at, trials["env"]])
    return agent, episodes, activations, trials


def steps_of(agent):
    return {"TwoStep-v0": 3, "TwoStepMiranda-v0": 2}.get(agent.description["id"][11:], 1)


def own_policy(agent, activations, trials):
    """Return the agent's policy where it chose, between the actions that are choices."""
    first = 1 if steps_of(agent) == 3 else 0
    at = steps_of(agent) * trials["trial"] + first
    probabilities = activations.action_probabilities[at, trials["env"]][:, :2]
    return probabilities / probabilities.sum(axis=1, keepdims=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", AGENTS)
def test_along_its_own_episodes_an_agent_is_itself(name):
    agent, episodes, activations, trials = played(name)
    along = replay(agent, trials)
    envs = trials["env"].unique()
    np.testing.assert_array_equal(along.episodes.observations, episodes.observations[:, envs])
    np.testing.assert_array_equal(along.episodes.actions, episodes.actions[:, envs])
    np.testing.assert_array_equal(along.episodes.rewards, episodes.rewards[:, envs])
    policy = policy_along(agent, trials)
    own = own_policy(agent, activations, trials)
    np.testing.assert_allclose(np.exp(policy[[0, 1]]), own, atol=1e-6)
    assert policy["choice"].tolist() == trials["choice"].tolist()
    if name in ("two-step", "monkeys' task", "bandit"):  # a fault: rewards come a trial late
        late = trials.groupby("env")["trial_reward"].shift(fill_value=0)
        shifted = policy_along(agent, trials.assign(outcome=late, reward=late))
        assert np.abs(np.exp(shifted[[0, 1]]) - own).to_numpy().max() > 0.5


@pytest.fixture(scope="module")
def agent():
    return load(shipped(*AGENTS["two-step"]), num_envs=1)


def table(**columns):
    trials = {"env": 0, "episode": 0, "trial": [0, 1, 2, 3], "choice": [0, 1, 1, 0]}
    trials |= {"second_state": [0, 1, 0, 0], "outcome": [1, 0, 1, 1], "reward": [1.0, 0, 1, 1]}
    return pd.DataFrame(trials | columns)


def test_what_the_agent_sees_by_hand(agent):
    along = replay(agent, table().iloc[:2])
    fixation, first, purple, green = np.eye(4)
    left, right, centre = np.eye(3)
    nothing = np.zeros(3)
    expected = [
        [*fixation, *nothing, 0],
        [*first, *centre, 0],
        [*purple, *left, 0],
        [*fixation, *left, 1],  # the response at the second stage is left
        [*first, *centre, 0],
        [*green, *right, 0],
    ]
    np.testing.assert_array_equal(along.episodes.observations[:, 0], expected)
    np.testing.assert_array_equal(along.episodes.rewards[:, 0], [0, 0, 1, 0, 0, 0])


def test_missed_trials_are_left_out_and_episodes_begin_anew(agent):
    missed = table(choice=[0, -1, 1, 0], second_state=[0, -1, 0, 0], outcome=[1, -1, 1, 1])
    policy = policy_along(agent, missed)
    assert policy["choice"].tolist() == [0, -1, 1, 0]
    assert policy[0].isna().tolist() == [False, True, False, False]
    kept = missed.drop(index=1).assign(trial=[0, 1, 2])
    np.testing.assert_array_equal(policy_along(agent, kept), policy.drop(index=1))
    two = pd.concat([table(), table(episode=3)], ignore_index=True)
    both = policy_along(agent, two).to_numpy()
    np.testing.assert_allclose(both[:4], both[4:], atol=1e-6)
    backwards = policy_along(agent, two[::-1])
    np.testing.assert_allclose(backwards.sort_index(), both, atol=1e-6)


def test_rewards_beyond_the_tasks_are_the_nearest():
    bandit = load(shipped(*AGENTS["bandit"]), num_envs=1)
    points = table(reward=[1.0, -1.0, 0.25, 7.0]).drop(columns="outcome")
    assert replay(bandit, points).episodes.rewards[:, 0].tolist() == [1, 0, 0.25, 1]
    fractions = replay(bandit, points).episodes.observations[:, 0, 0]
    np.testing.assert_allclose(fractions, [0.25, 0.5, 0.75, 1.0])
    with pytest.raises(TrialTableError, match="choice"):
        replay(bandit, points.assign(choice=[0, 1, 2, 0]))


def test_an_agent_of_another_task_is_refused():
    foraging = load(shipped("foraging", "ppo", 100, "agent"), num_envs=1)
    with pytest.raises(ParameterError, match="must play TwoStep or TwoStepDaw or Bandit"):
        replay(foraging, table())


def policy_of(odds, choice):
    return pd.DataFrame({0: log_expit(-odds), 1: log_expit(odds), "choice": choice})


def test_the_temperature_that_choices_were_drawn_with_is_found():
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, 4000)
    choice = (rng.random(4000) < expit(0.4 * odds)).astype(int)
    policy = policy_of(odds, choice)
    # its standard error, from the curvature of the likelihood, is 0.02
    assert fit_temperature(policy) == pytest.approx(0.4, abs=0.06)
    by_hand = np.where(choice == 1, log_expit(0.4 * odds), log_expit(-0.4 * odds))
    np.testing.assert_allclose(log_likelihoods(policy, 0.4), by_hand)
    missed = policy.assign(choice=np.where(np.arange(4000) < 2, -1, choice))
    assert np.isnan(log_likelihoods(missed)).sum() == 2


def test_a_block_that_is_left_out_is_not_fitted_to():
    odds = np.ones(20)
    choice = np.repeat([1, 0], 10)
    policy, subjects = policy_of(odds, choice), pd.Series("ann", range(20))
    plain, scaled = held_out_policy(policy, subjects, folds=2)
    assert plain["ann"] == pytest.approx((log_expit(1) + log_expit(-1)) / 2)
    # fitted to the other half, each half is taken for certain to be what it is not, or for chance
    assert scaled["ann"] == pytest.approx((log_expit(-10) + np.log(0.5)) / 2, abs=1e-3)
    with pytest.raises(ParameterError, match="folds must be from 2"):
        held_out_policy(policy, subjects, folds=21)
