"""RPEs aligned to events, worked by hand."""

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

from neurotasks.analysis.rpe import aligned_rpes, mean_rpes, td_errors
from neurotasks.episodes import Episodes, run_episodes
from neurotasks.observers import Oracle, RandomAgent

CUE, TARGET = 0, 1
# Two lanes of five steps: the first ends after its fourth, the second is cut off in its last trial.
STAGE = np.array([[CUE, CUE], [TARGET, CUE], [CUE, TARGET], [TARGET, CUE], [CUE, TARGET]])
TRIAL = np.array([[0, 0], [0, 0], [1, 0], [1, 1], [0, 1]])
ALIVE = np.array([[True, True]] * 4 + [[False, True]])
TRIALS = pd.DataFrame(
    {
        "env": [0, 0, 1],
        "episode": 3,
        "trial": [0, 1, 0],
        "steps": [2, 2, 3],
        "good": [True, False, True],
    }
)


def episodes(rewards=None):
    nothing = np.zeros(STAGE.shape)
    truth = {"stage": STAGE, "trial": TRIAL}
    rewards = nothing if rewards is None else rewards
    return Episodes(nothing, nothing.astype(int), rewards, ALIVE, truth, TRIALS)


def rpes():
    """Return what tells its step and lane: 10 * lane + step."""
    rpe = np.arange(5.0)[:, None] + np.array([0.0, 10.0])
    rpe[4, 0] = np.nan
    return rpe


def rows(table, *columns):
    return sorted(table[list(columns)].itertuples(index=False, name=None))


def test_the_rpe_at_an_event_is_that_of_the_step_before():
    found = aligned_rpes(episodes(), rpes(), TARGET)
    # seen in observations 1 and 3 of lane 0, and 2 of lane 1; observation 4 is of no finished trial
    expected = [(0, 0, 1, 0.0, True), (0, 1, 3, 2.0, False), (1, 0, 2, 11.0, True)]
    assert rows(found, "env", "trial", "step", "rpe", "good") == expected
    assert (found["offset"] == 0).all()
    assert (found["episode"] == 3).all()


def test_the_first_observation_has_no_rpe():
    found = aligned_rpes(episodes(), rpes(), CUE)
    # the cue asked for again is an event too; the cue after the end of lane 0 is none
    assert rows(found, "env", "step", "rpe") == [(0, 2, 1.0), (1, 1, 10.0)]


@pytest.mark.parametrize("event", [TARGET, np.int8(TARGET), STAGE == TARGET])
def test_event_as_stage_or_as_mask(event):
    found = aligned_rpes(episodes(), rpes(), event)
    assert rows(found, "rpe") == [(0.0,), (2.0,), (11.0,)]


def test_offsets_stay_inside_the_episode():
    found = aligned_rpes(episodes(), rpes(), TARGET, offsets=(-1, 1, 2))
    expected = [
        (-1, 0, 3, 1.0),
        (-1, 1, 2, 10.0),
        *((1, 0, 1, 1.0), (1, 0, 3, 3.0), (1, 1, 2, 12.0)),
        *((2, 0, 1, 2.0), (2, 1, 2, 13.0)),  # none for step 3 of lane 0: it was the last
    ]
    assert rows(found, "offset", "env", "step", "rpe") == expected


def test_no_event():
    found = aligned_rpes(episodes(), rpes(), 7)
    assert len(found) == 0
    assert {"offset", "step", "rpe", "good"} <= set(found.columns)


def test_mean_rpes():
    table = pd.DataFrame(
        {
            "good": [True, True, True, False, True],
            "offset": [0, 0, 0, 0, 1],
            "rpe": [1.0, 2.0, 6.0, 5.0, 9.0],
        }
    )
    found = mean_rpes(table, ["good"])
    # sample standard deviation of 1, 2, 6: sqrt(7)
    assert found.loc[(True, 0)].tolist() == pytest.approx([3.0, np.sqrt(7 / 3), 3])
    assert found.loc[(False, 0), ["mean", "count"]].tolist() == [5, 1]
    assert np.isnan(found.loc[(False, 0), "sem"])
    assert found.loc[(True, 1), "mean"] == 9
    assert len(found) == 3


def test_td_errors():
    rewards = np.array([[0, 1], [1, 0], [0, 0], [2, 0], [0, 1]], float)
    values = np.array([[1, 2], [3, 4], [5, 6], [7, 8], [100, 10]], float)
    found = td_errors(episodes(rewards), values, 0.5)
    expected = [
        [0 + 1.5 - 1, 1 + 2 - 2],
        [1 + 2.5 - 3, 0 + 3 - 4],
        [0 + 3.5 - 5, 0 + 4 - 6],
        [2 + 0 - 7, 0 + 5 - 8],  # nothing follows the end of an episode
        [np.nan, 1 + 0 - 10],
    ]
    np.testing.assert_allclose(found, expected)
    assert values[4, 0] == 100


def test_values_after_the_end_may_be_missing():
    values = np.ones(STAGE.shape)
    values[4, 0] = np.nan
    found = td_errors(episodes(), values, 0.5)
    assert np.array_equal(np.isnan(found), ~ALIVE)


@pytest.mark.parametrize("steps", [2, 4])
def test_reward_of_a_response_is_at_offset_1(steps):
    """With values of zero the RPE is the reward; the last trial's is not lost."""
    envs = gym.make_vec(
        "neurotasks/InferredValue-v0",
        num_envs=50,
        autoreset_mode="SameStep",
        trial_log=True,
        steps_per_trial=steps,
    )
    for agent in (Oracle(envs), RandomAgent(envs, seed=0)):
        played = run_episodes(agent, envs, seed=0)
        rpe = td_errors(played, np.zeros(played.rewards.shape), 0.9)
        found = aligned_rpes(played, rpe, 1, offsets=(0, 1))
        at_target, at_outcome = (found[found["offset"] == offset] for offset in (0, 1))
        assert (at_target["rpe"] == 0).all()
        assert at_outcome["rpe"].tolist() == at_outcome["outcome"].tolist()
        assert len(at_outcome) == len(played.trials)
