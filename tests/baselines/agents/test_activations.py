"""Measures worked by hand, and what goes on inside an agent."""

from dataclasses import replace
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
import torch as th
from gymnasium import spaces
from sb3_contrib.common.recurrent.type_aliases import RNNStates

from neurotasks.analysis.harlow import accuracy_after_first, accuracy_by_trial
from neurotasks.analysis.two_step import (
    model_based_rpes,
    model_free_rpes,
    stay_effects,
    stay_probabilities,
    stay_regression,
    stays,
)
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.observers import BayesTwoStep
from neurotasks.tasks.two_step import TwoStepParameters
from neurotasks_baselines.agents.activations import Activations, compute_activations
from neurotasks_baselines.agents.policies import FusedLstmPolicy
from neurotasks_baselines.experiments.harlow_common import training_quantiles
from neurotasks_baselines.experiments.two_step_measures import agent_rpes, rpe_fits
from neurotasks_baselines.training.build import build

TASK = "neurotasks/TwoStep-v0"


def table(*episodes):
    """Return a trial table of episodes (lane, episode, trials), a trial a tuple.

    A trial is (choice, outcome, common); its second-stage state follows.
    """
    rows = [
        (lane, episode, t, choice, outcome, common, choice if common else 1 - choice)
        for lane, episode, trials in episodes
        for t, (choice, outcome, common) in enumerate(trials)
    ]
    columns = ["env", "episode", "trial", "choice", "outcome", "common", "second_state"]
    return pd.DataFrame(rows, columns=columns).astype({"common": bool})


C, R = True, False  # common, rare
BY_HAND = table(
    # stays after rewarded common, then leaves after rewarded rare; what is before or after an
    # invalid trial is no pair
    (0, 0, [(0, 1, C), (0, 1, R), (1, 0, C), (1, 0, R), (0, 0, C), (-1, -1, R), (0, 1, C)]),
    # the last trial of the episode before chose 0, the first of this one 1: no pair
    (0, 1, [(1, 1, C), (1, 0, C), (0, 1, C), (1, 1, C), (1, 1, R), (1, 0, R)]),
    (1, 0, [(0, 0, R), (0, 1, C), (0, 1, R), (0, -1, C), (0, 1, C)]),
)
# pairs, episode by episode: (kind, stayed)
PAIRS = [
    *(("rewarded common", 1), ("rewarded rare", 0), ("unrewarded common", 1)),
    *(("unrewarded rare", 0),),
    *(("rewarded common", 1), ("unrewarded common", 0), ("rewarded common", 0)),
    *(("rewarded common", 1), ("rewarded rare", 1)),
    *(("unrewarded rare", 1), ("rewarded common", 1), ("rewarded rare", 1)),
]


@pytest.mark.parametrize("order", ["as played", "shuffled", "by trial"])
def test_stay_probabilities(order):
    trials = BY_HAND
    if order == "shuffled":
        trials = trials.sample(frac=1.0, random_state=1)
    elif order == "by trial":
        trials = trials.sort_values("trial", kind="stable")
    before = trials.copy()
    found = stay_probabilities(trials)
    for kind in ("rewarded common", "rewarded rare", "unrewarded common", "unrewarded rare"):
        stayed = [s for k, s in PAIRS if k == kind]
        assert found[kind] == pytest.approx(sum(stayed) / len(stayed))
    assert len(stays(trials)) == len(PAIRS)
    assert trials.equals(before)


def test_a_missing_trial_makes_no_pair():
    trials = table((0, 0, [(0, 1, C), (0, 0, C), (1, 1, C), (1, 0, C)]))
    assert len(stays(trials)) == 3
    assert stays(trials[trials["trial"] != 1])["trial"].tolist() == [2]


@pytest.mark.parametrize("other", [(0, 1), (1, 0)], ids=["episode", "env"])
def test_no_pair_crosses_an_episode(other):
    """Not even where the next one lacks its beginning."""
    trials = table((0, 0, [(0, 1, C)]), (*other, [(0, 1, C), (0, 1, C)]))
    assert len(stays(trials[[True, False, True]])) == 0


def test_stay_probability_of_nothing():
    found = stay_probabilities(table((0, 0, [(0, 1, C), (0, 1, C)])))
    assert found["rewarded common"] == 1
    assert np.isnan(found["rewarded rare"])
    assert np.isnan(found["unrewarded common"])


def test_stay_effects():
    names = ("rewarded common", "rewarded rare", "unrewarded common", "unrewarded rare")
    for values, reward, interaction in (
        ((0.9, 0.9, 0.5, 0.5), 0.4, 0.0),
        ((0.9, 0.5, 0.5, 0.9), 0.0, 0.4),
        ((0.9, 0.6, 0.5, 0.7), 0.15, 0.25),
        ((0.7, 0.4, 0.7, 0.4), 0.0, 0.0),  # a main effect of the transition is neither
    ):
        found = stay_effects(dict(zip(names, values, strict=True)))
        assert found == pytest.approx({"reward": reward, "interaction": interaction})


def test_stay_regression():
    """It finds the coefficients choices were simulated with."""
    rng, n = np.random.default_rng(0), 20_000
    truth = {"Intercept": 0.8, "reward": 0.3, "transition": -0.2, "reward:transition": 0.6}
    reward, common = rng.random(n) < 0.5, rng.random(n) < 0.7
    r, c = 2 * reward - 1, 2 * common - 1
    logit = 0.8 + 0.3 * r - 0.2 * c + 0.6 * r * c
    left = rng.random(n) > 1 / (1 + np.exp(-logit))
    choice = np.r_[0, np.cumsum(left)[:-1] % 2]
    trials = table((0, 0, zip(choice.tolist(), reward.astype(int).tolist(), common, strict=True)))
    found = stay_regression(trials)
    assert set(found.index) == set(truth)
    for name, coefficient in truth.items():
        assert abs(found["coef"][name] - coefficient) < 4.5 * found["se"][name]
        assert 0.01 < found["se"][name] < 0.04
        assert found["p"][name] < 1e-6


def test_accuracy_by_trial():
    trials = pd.DataFrame(
        {"trial": [0, 0, 0, 0, 1, 1, 2, 2], "correct": [True, False, False, False, *[True] * 4]}
    )
    trials.loc[7, "correct"] = False
    found = accuracy_by_trial(trials, 4)
    np.testing.assert_array_equal(found, [0.25, 1.0, 0.5, np.nan])
    assert len(accuracy_by_trial(trials)) == 6


def test_accuracy_after_first():
    """Episodes without a second trial do not count; lanes and episodes are kept apart."""
    correct = {
        (0, 0): [1, 1, 0],
        (0, 1): [0, 0, 1],
        (0, 2): [1, 0],
        (1, 0): [0, 1],
        (1, 1): [0, 0],
        (1, 2): [1, 1],
        (1, 3): [1, 1],
        (2, 0): [1],
        (2, 1): [0],
    }
    rows = [
        {"env": lane, "episode": episode, "trial": t, "correct": bool(c)}
        for (lane, episode), values in correct.items()
        for t, c in enumerate(values)
    ]
    trials = pd.DataFrame(rows)
    expected = {"right": 3 / 4, "wrong": 1 / 3}
    assert accuracy_after_first(trials) == pytest.approx(expected)
    assert accuracy_after_first(trials.sample(frac=1, random_state=0)) == pytest.approx(expected)


# Learners. p_common 0.8, p_reward 0.9, p_reversal 0.025. A trial is (choice, outcome, common).

FIRST = [(1, 1, C), (1, 0, R), (0, 0, C)]
SECOND = [(0, 1, R), (0, 1, C)]
# Belief that state 1 is the better one: 1/2; after a reward there 0.9, with a possible reversal
# 0.9 * 0.975 + 0.1 * 0.025 = 0.88; after none at state 0 0.792 / 0.804 = 0.985075, 0.960821.
MODEL_BASED = {
    "first": [
        (0.0, 0.5),
        # state 1 is worth 0.88 * 0.9 + 0.12 * 0.1 = 0.804, right 0.8 * 0.804 + 0.2 * 0.196
        (0.196 - 0.6824, -0.196),
        # state 1 is worth 0.868657, left 0.8 * 0.131343 + 0.2 * 0.868657 = 0.278806
        (0.131343 - 0.278806, -0.131343),
    ],
    # a reward at state 1 by a rare transition: then left is worth 0.8 * 0.196 + 0.2 * 0.804
    "second": [(0.0, 0.5), (0.196 - 0.3176, 0.804)],
}
MODEL_FREE = {
    # alpha 0.5, lambda 1
    "first": [(0.0, 1.0), (-0.5, 0.0), (0.0, 0.0)],
    "second": [(0.0, 1.0), (-0.5, 1.0)],
}
MODEL_FREE_ALPHA = {
    # alpha 0.4, lambda 0.5: the first stage gets 0.4 * (arrival + 0.5 * outcome)
    "first": [(0.0, 1.0), (-0.2, 0.0), (0.0, 0.0)],
    "second": [(0.0, 1.0), (-0.2, 1.0)],
}


def interleaved():
    """Return three episodes of two lengths, rows in the order of trials, and whose they are."""
    trials = table((0, 0, FIRST), (0, 1, SECOND), (3, 0, FIRST))
    trials["whose"] = np.where(trials["episode"] == 1, "second", "first")
    trials = trials.sort_values("trial", kind="stable")
    return trials, list(zip(trials["whose"], trials["trial"], strict=True))


@pytest.mark.parametrize(
    ("learner", "expected"),
    [
        (lambda trials: model_based_rpes(trials, TwoStepParameters()), MODEL_BASED),
        (model_free_rpes, MODEL_FREE),
        (lambda trials: model_free_rpes(trials, alpha=0.4, trace=0.5), MODEL_FREE_ALPHA),
    ],
    ids=["based", "free", "free, alpha and trace"],
)
def test_rpes_of_learners(learner, expected):
    trials, rows = interleaved()
    found = learner(trials)
    np.testing.assert_allclose(found.arrival, [expected[w][t][0] for w, t in rows], atol=1e-6)
    np.testing.assert_allclose(found.outcome, [expected[w][t][1] for w, t in rows], atol=1e-6)


def test_model_free_learner_learns_at_both_stages():
    trials = table((0, 0, [(1, 1, C), (1, 1, C), (1, 0, R), (0, 1, R), (1, 0, C)]))
    found = model_free_rpes(trials, alpha=0.5)
    # second-stage values of state 1 before each trial: 0, 0.5, 0.75, 0.75, 0.875; of right: 0,
    # 0.5, 0.75, 0.375, 0.375; left and state 0 keep 0 until the fourth trial
    np.testing.assert_allclose(found.arrival, [0, 0, -0.75, 0.75, 0.5])
    np.testing.assert_allclose(found.outcome, [1, 0.5, 0, 0.25, -0.875])


# Inside an agent.


def made(tiny, trunk="shared", trials=3, episodes=20):
    """Return an agent that has learned a little, and what it has played."""
    settings = replace(tiny, trunk=trunk, gamma=0.8, learning_rate=0.02)
    model = build(TASK, hyperparameters=settings, seed=2, task_kwargs={"trials": trials}).learn(
        3 * 36
    )
    options = {"autoreset_mode": "SameStep", "trial_log": True, "trials": trials}
    th.manual_seed(0)
    return model, run_episodes(model, gym.make_vec(TASK, num_envs=episodes, **options), seed=5)


@pytest.mark.slow
@pytest.mark.parametrize("trunk", ["shared", "separate"])
def test_look_inside(tiny, trunk):
    model, episodes = made(tiny, trunk)
    inside = compute_activations(model, episodes)
    steps, lanes = episodes.actions.shape
    alive = episodes.alive
    assert not alive.all()
    assert alive[-1].any()

    states = RNNStates(*(tuple(th.zeros(1, lanes, 8) for _ in range(2)) for _ in range(2)))
    values, hidden = np.empty((steps, lanes)), np.empty((steps, lanes, 8))
    with th.no_grad():
        for t, observation in enumerate(th.as_tensor(episodes.observations)):
            start = th.full((lanes,), float(t == 0))
            _, value, _, states = model.policy(observation, states, start)
            values[t], hidden[t] = value[:, 0], states.pi[0][0]
    values[~alive], hidden[~alive] = np.nan, np.nan
    np.testing.assert_allclose(inside.values, values, atol=1e-6)
    np.testing.assert_allclose(inside.hidden, hidden, atol=1e-6)

    for lane in range(lanes):
        v, r = values[alive[:, lane], lane], episodes.rewards[alive[:, lane], lane]
        rpe = r + 0.8 * np.append(v[1:], 0.0) - v
        np.testing.assert_allclose(inside.rpe[: len(v), lane], rpe, atol=1e-6)
        assert np.isnan(inside.rpe[len(v) :, lane]).all()
    assert inside.rpe.shape == (steps, lanes)


@pytest.mark.parametrize("trunk", ["shared", "separate", "rpe"])
def test_action_probabilities(tiny, trunk):
    """They are the policy's own, stepped one by one."""
    model, episodes = made(tiny, trunk)
    found, alive = compute_activations(model, episodes).action_probabilities, episodes.alive
    lanes = alive.shape[1]
    assert found.shape == (*alive.shape, 3)
    layers = model.policy.lstm_hidden_state_shape[0]
    states = tuple(th.zeros(layers, lanes, 8) for _ in range(2))
    with th.no_grad():
        for t, observation in enumerate(th.as_tensor(episodes.observations)):
            start = th.full((lanes,), float(t == 0))
            policy, states = model.policy.get_distribution(observation, states, start)
            expected = policy.distribution.probs.numpy()
            np.testing.assert_allclose(found[t, alive[t]], expected[alive[t]], atol=1e-6)
    np.testing.assert_allclose(found[alive].sum(axis=-1), 1, atol=1e-6)
    assert found[alive].std(axis=0).min() > 1e-3  # it depends on what was seen
    assert np.isnan(found[~alive]).all()


def test_continuous_actions_have_no_probabilities():
    space = spaces.Box(-1, 1, (2,), np.float32)
    policy = FusedLstmPolicy(space, space, lambda _: 1e-3, lstm_hidden_size=4)
    model = SimpleNamespace(policy=policy, gamma=0.9, get_env=lambda: None)
    seen, ones = np.zeros((5, 3, 2), np.float32), np.ones((5, 3))
    inside = compute_activations(model, Episodes(seen, seen, ones, ones > 0, {}, pd.DataFrame()))
    assert inside.action_probabilities is None
    assert inside.hidden.shape == (5, 3, 4)


F, S1, S2 = 0, 1, 2  # fixation, first stage, second stage
# One lane, step by step: stage, action, whether the trial is valid and this is its choice or reply
LANE = [
    (F, 2, ""),
    (S1, 0, "choice"),
    (S2, 1, "reply"),
    (F, 0, ""),
    (F, 2, ""),
    (S1, 2, ""),  # an error, fixation, then an invalid choice
    (F, 2, ""),
    (S1, 1, ""),
    (S2, 2, ""),  # an invalid reply
    (F, 2, ""),
    (S1, 1, "choice"),
    (S2, 0, "reply"),
]


def test_agent_rpes_by_hand():
    """The second lane plays the same, one trial shorter; after its end nothing counts."""
    stage = np.array([[stage] * 2 for stage, _, _ in LANE])
    actions = np.array([[action] * 2 for _, action, _ in LANE])
    alive = np.ones(stage.shape, bool)
    alive[9:, 1] = False
    rpe = np.arange(stage.size, dtype=float).reshape(stage.shape[::-1]).T  # 100 * lane + step
    rpe[:, 1] += 88
    nothing = np.zeros(stage.shape)
    episodes = Episodes(nothing, actions, nothing, alive, {"stage": stage}, pd.DataFrame())
    rpes = agent_rpes(episodes, Activations(nothing, rpe, *[nothing] * 3, *[None] * 3))
    assert rpes.arrival.tolist() == [1, 10, 101]
    assert rpes.outcome.tolist() == [2, 11, 102]


def test_agent_rpes_are_those_of_the_valid_trials(tiny):
    """Their order is that of the table."""
    _, episodes = made(tiny, trials=6, episodes=40)
    valid = episodes.trials[episodes.trials["outcome"] >= 0]
    assert 10 < len(valid) < len(episodes.trials)
    rpes = agent_rpes(episodes, Activations(episodes.rewards, episodes.rewards, *[None] * 6))
    assert rpes.outcome.tolist() == valid["outcome"].tolist()
    assert rpes.arrival.tolist() == [0.0] * len(valid)
    rpes = agent_rpes(episodes, Activations(episodes.rewards, episodes.actions * 1.0, *[None] * 6))
    assert rpes.arrival.tolist() == valid["choice"].tolist()


@pytest.mark.parametrize("whose", ["based", "free"])
def test_rpe_fits(whose):
    """RPEs of a learner are explained by that learner, wholly, and less by the other."""
    envs = gym.make_vec(TASK, num_envs=10, autoreset_mode="SameStep", trial_log=True)
    episodes = run_episodes(BayesTwoStep(envs, seed=0, lapse=0.2), envs, seed=0)
    trials, rpe = episodes.trials, np.zeros(episodes.actions.shape)
    if whose == "based":
        theirs = model_based_rpes(trials, TwoStepParameters())
    else:
        theirs = model_free_rpes(trials, alpha=0.3)
    for lane in range(10):  # a Bayesian makes no errors: three steps a trial
        rpe[1::3, lane] = theirs.arrival[trials["env"] == lane]
        rpe[2::3, lane] = theirs.outcome[trials["env"] == lane]
    rpe[-2:] = 9.0  # the last trial of an episode is left out
    activations = Activations(rpe, 3 * rpe + 1, *[None] * 6)
    found = rpe_fits(trials, agent_rpes(episodes, activations))
    other = {"based": "free", "free": "based"}[whose]
    assert found[f"r2_model_{whose}"] == pytest.approx(1.0)
    assert 0.1 < found[f"r2_model_{other}"] < 0.95
    based, free, ours = np.array(found["rpe_sample"])
    same = based if whose == "based" else free
    np.testing.assert_allclose(ours, 3 * same + 1, atol=2e-4)


def test_training_quantiles():
    def row(steps, accuracy, count):
        cells = [(f"accuracy_{i}", accuracy) for i in range(1, 7)]
        return {"steps": steps, **dict(cells), **{f"trials_{i}": count for i in range(1, 7)}}

    history = [
        row(0, 0.5, 30),
        row(90, 0.8, 10),  # the first seventh ends before step 100
        row(100, 0.6, 20),
        row(300, 0.7, 4) | {"accuracy_6": np.nan, "trials_6": 0},
        row(600, 0.9, 1),
        row(700, 1.0, 3),
    ]
    found = training_quantiles(history)
    assert found.shape == (7, 6)
    expected = [(30 * 0.5 + 10 * 0.8) / 40, 0.6, np.nan, 0.7, np.nan, np.nan, 3.9 / 4]
    np.testing.assert_allclose(found[:, 0], expected)
    expected[3] = np.nan
    np.testing.assert_allclose(found[:, 5], expected)


def test_looking_inside_leaves_the_agent_as_it_was(tiny, weights):
    model, episodes = made(tiny)
    before, random = weights(model), th.get_rng_state()
    compute_activations(model, episodes)
    assert th.equal(weights(model), before)
    assert th.equal(th.get_rng_state(), random)
