"""Scores: what they mean, and that the shipped table is what the players reach."""

import gymnasium as gym
import numpy as np
import pytest

from neurotasks import TASKS, register, scores
from neurotasks.episodes import run_episodes
from neurotasks.errors import ParameterError, TaskDefinitionError
from neurotasks.observers import Oracle, RandomAgent, reference_observer
from neurotasks.scores import (
    TEST_SEED,
    episode_returns,
    measure_returns,
    normalized_score,
    paired_score,
    reference_returns,
)

PLAYERS = {"random": RandomAgent, "ideal": reference_observer}
EPISODES = {"neurotasks/HarlowPixels-v0": 20}  # pictures are large
ID, PIXELS = "neurotasks/TwoStep2016-v0", "neurotasks/HarlowPixels-v0"
SEED = 12_345  # not that of the table


def returns(id, player, episodes):
    options = {"split": "test", "autoreset_mode": "SameStep", "trial_log": True}
    envs = gym.make_vec(id, num_envs=episodes, **options)
    found = run_episodes(PLAYERS[player](envs, SEED), envs, seed=SEED)
    return found.returns


def test_scores_lie_between_the_two_players(monkeypatch):
    table = {"a": {"random": -1.0, "ideal": 3.0}}
    monkeypatch.setattr(scores, "reference_returns", lambda: table)
    found = normalized_score("a", [[-1, 1], [3, 5]])
    assert found.tolist() == [[0, 0.5], [1, 1.5]]
    assert normalized_score("a", 0).shape == ()


def test_random_is_near_0_and_ideal_near_1():
    id = "neurotasks/TwoStep-v0"
    means = {p: normalized_score(id, returns(id, p, 200)).mean() for p in PLAYERS}
    assert means == pytest.approx({"random": 0, "ideal": 1}, abs=0.1)


def test_custom_id_is_measured_once():
    """From its own observer; a preset that is not in the table stands for a custom task."""
    id = "tests/Short-v0"
    register(id, TASKS["neurotasks/TwoStep-v0"]["task"], trials=20)
    row = measure_returns(id)
    assert normalized_score(id, [row["random"], row["ideal"]]).tolist() == [0, 1]
    assert (row["observer"], row["episodes"]) == ("BayesTwoStep", 1000)
    assert measure_returns(id) is row


def test_observer_that_is_no_better_than_random(monkeypatch):
    monkeypatch.setattr(scores, "reference_returns", lambda: {"a": {"random": 1.0, "ideal": 1.0}})
    with pytest.raises(ParameterError, match=r"observer of a must earn.*got 1 compared with 1"):
        normalized_score("a", 1.0)


@pytest.mark.parametrize("id", [None, 3, ["neurotasks/TwoStep-v0"]])
def test_what_is_no_id(id):
    with pytest.raises(ParameterError, match=r"^id must be that of a task"):
        normalized_score(id, 1.0)


def test_an_id_of_no_task():
    with pytest.raises(TaskDefinitionError, match="CartPole-v1"):
        normalized_score("CartPole-v1", 1.0)


def test_unknown_id():
    with pytest.raises(ParameterError, match=r"'neurotasks/TwoStop-v0'.*'neurotasks/TwoStep-v0'"):
        normalized_score("neurotasks/TwoStop-v0", 1.0)


def test_table_has_every_task():
    assert list(reference_returns()) == list(TASKS)


@pytest.mark.slow
@pytest.mark.parametrize("id", TASKS)
def test_table_is_what_the_players_reach(id):
    row = reference_returns()[id]
    assert row["observer"] == type(reference_observer(gym.make(id))).__name__
    assert row["ideal"] - row["random"] > 3 * (row["ideal_se"] + row["random_se"])
    for player in PLAYERS:
        again = returns(id, player, EPISODES.get(id, 200))
        error = np.hypot(again.std(ddof=1) / np.sqrt(len(again)), row[f"{player}_se"])
        assert abs(again.mean() - row[player]) <= 5 * error + 1e-6  # to which it is rounded


def test_returns_are_those_of_single_environments():
    found = episode_returns(Oracle, ID, 3)
    for i, total in enumerate(found):
        env = gym.make(ID, split="test")
        env.reset(seed=TEST_SEED + i)
        rewards, over = 0.0, False
        while not over:
            best = env.unwrapped.get_state()["best_action"][0]
            _, reward, over, _, _ = env.step(int(best))
            rewards += reward
        assert total == rewards


def test_returns_do_not_depend_on_how_many_play_at_once(monkeypatch):
    together = episode_returns(Oracle, PIXELS, 7)
    monkeypatch.setattr(scores, "IMAGES", 3)
    assert episode_returns(Oracle, PIXELS, 7).tolist() == together.tolist()


def test_measured_returns():
    num_episodes = 100
    row = measure_returns(ID, num_episodes)
    returns = episode_returns(lambda env: RandomAgent(env, 0), ID, num_episodes)
    assert row["random"] == pytest.approx(returns.mean(), abs=1e-6)
    assert row["random_se"] == pytest.approx(returns.std(ddof=1) / 10, abs=1e-6)
    assert row["ideal"] > row["random"] + 3 * (row["ideal_se"] + row["random_se"])
    assert (row["observer"], row["episodes"]) == ("BayesTwoStep", num_episodes)


def test_paired_score_by_hand():
    """The gap is 3 and the score 2/3; the rests are -1/3 and 1/3, of standard error 1/3."""
    assert paired_score([1, 3], [0, 0], [2, 4]) == pytest.approx((2 / 3, 1 / 9))
    assert paired_score([2, 4], [0, 1], [2, 4]) == (1, 0)
    assert paired_score([0, 1], [0, 1], [2, 4]) == (0, 0)


def test_standard_error_of_paired_scores_is_their_scatter():
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 5, (2000, 50))
    low, high = luck + rng.normal(0, 1, luck.shape), luck + 2 + rng.normal(0, 1, luck.shape)
    agent = luck + 1 + rng.normal(0, 1, luck.shape)
    found = np.array([paired_score(*rows) for rows in zip(agent, low, high, strict=True)])
    assert found[:, 0].std() == pytest.approx(found[:, 1].mean(), rel=0.1)
    assert found[:, 0].mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("rows", [([1], [0], [2]), ([1, 2], [0], [2]), ([1, 2], [2, 2], [1, 1])])
def test_scores_that_are_none(rows):
    with pytest.raises(ParameterError, match="must"):
        paired_score(*rows)
