"""Harlow's task, step by step from states built by hand, and its design in numbers."""

import gymnasium as gym
import numpy as np
import pytest
from by_hand import put, within

from neurotasks.tasks.harlow import PIXELS

HARLOW = "neurotasks/Harlow-v0"
FIXATION, CHOICE = 0, 1
LEFT, RIGHT, STAY = 0, 1, 2
PATCH = 5  # pixels of an object
REACH = 12  # pixels seen to either side of the gaze
AWAY = 8  # pixels from the centre of the world to that of an object
GAZES = range(-12, 13, 2)
sides = pytest.mark.parametrize("side", [LEFT, RIGHT])

pytestmark = pytest.mark.filterwarnings("error")


def started(**keywords):
    env = gym.make(HARLOW, trial_log=True, **keywords).unwrapped
    env.reset(seed=0)
    return env


@pytest.fixture
def env():
    return started()


def row(env, observation):
    return observation[env.layout["stimulus"]].reshape(2 * REACH + 1, 3)


@pytest.mark.parametrize(
    ("gaze", "action", "after"),
    [
        *((gaze, STAY, gaze) for gaze in GAZES),
        *((gaze, LEFT, max(gaze - 2, -12)) for gaze in GAZES),
        *((gaze, RIGHT, min(gaze + 2, 12)) for gaze in GAZES),
    ],
)
def test_gaze_moves_and_clamps(env, gaze, action, after):
    put(env, gaze=gaze)
    assert env.step(action)[-1]["gaze"] == after


@pytest.mark.parametrize("gaze", GAZES)
def test_cross_is_seen_where_it_is(env, gaze):
    expected = np.zeros((25, 3))
    expected[REACH - gaze] = 1, 0, 0  # the centre of the world, in red
    observation, info = put(env, gaze=gaze)
    assert np.array_equal(row(env, observation), expected)
    assert (info["stage"], info["gaze"]) == (FIXATION, gaze)


@sides
@pytest.mark.parametrize("objects", [(3, 998), (1999, 1000)])
@pytest.mark.parametrize("gaze", GAZES)
def test_objects_are_seen_where_they_are(env, gaze, objects, side):
    world = np.zeros((2 * (AWAY + PATCH + 3 * REACH), 3), np.float32)
    middle = len(world) // 2
    for shown, place in zip(objects, (side, 1 - side), strict=True):
        centre = middle + (AWAY if place == RIGHT else -AWAY)
        world[centre - 2 : centre + 3] = PIXELS[shown]
    observation, _ = put(env, stage=CHOICE, gaze=gaze, objects=objects, rewarded_side=side)
    assert np.array_equal(
        row(env, observation), world[middle + gaze - REACH : middle + gaze + REACH + 1]
    )


@pytest.mark.parametrize(("gaze", "best"), [(-4, RIGHT), (4, LEFT), (0, STAY)])
@sides
def test_best_action(env, gaze, best, side):
    put(env, stage=FIXATION, gaze=gaze, held=0, rewarded_side=side)
    for _ in range(abs(gaze) // 2):
        info = env.step(best)[-1]
    assert env.get_state()["gaze"] == 0
    for _ in range(2 - (gaze != 0)):
        info = env.step(STAY)[-1]
    assert info["stage"] == CHOICE
    for _ in range(3):
        assert info["best_action"] == side
        info = env.step(side)[-1]
    assert info["best_action"] == side
    assert env.step(side)[1] == 1
    assert env.get_state()["best_action"] == 1 - side  # back to the centre


def test_fixation_is_held_for_two_steps(env):
    put(env, gaze=2, held=0)
    _, reward, over, _, info = env.step(LEFT)
    assert (reward, over, info["stage"]) == (0, False, FIXATION)
    observation, reward, over, _, info = env.step(STAY)
    assert (reward, over, info["stage"]) == (0.2, False, CHOICE)
    assert (info["trial"], info["new_trial"]) == (0, False)
    assert (row(env, observation).any(axis=1).nonzero()[0] - REACH).tolist() == [
        *range(-AWAY - 2, -AWAY + 3),
        *range(AWAY - 2, AWAY + 3),
    ]


@sides
def test_looking_away_breaks_the_fixation(env, side):
    put(env, gaze=0, held=0)
    for action in (STAY, side, 1 - side):  # on, off, on again
        assert env.step(action)[1] == 0
    assert env.get_state()["held"] == 1
    assert env.step(STAY)[1] == 0.2


def test_looking_at_the_empty_centre_pays_nothing(env):
    put(env, stage=CHOICE, gaze=0, held=2)
    for _ in range(5):
        _, reward, over, _, info = env.step(STAY)
        assert (reward, over, info["trial"], info["stage"]) == (0, False, 0, CHOICE)


@sides
@pytest.mark.parametrize("chosen", [LEFT, RIGHT])
def test_reaching_an_object_chooses_it(env, chosen, side):
    put(env, stage=CHOICE, gaze=0, held=2, rewarded_side=side, objects=(7, 9), step=5)
    for _ in range(3):
        assert env.step(chosen)[1:3] == (0, False)
    observation, reward, over, _, info = env.step(chosen)
    assert (reward, over) == (1 if chosen == side else -1, False)
    assert (info["trial"], info["new_trial"], info["stage"]) == (1, True, FIXATION)
    assert info["gaze"] == (AWAY if chosen == RIGHT else -AWAY)
    assert row(env, observation).nonzero()[0].tolist() == [REACH - info["gaze"]]
    assert env.get_state()["held"] == 0
    (trial,) = env.trial_table().to_dict("records")
    assert (trial["choice"], trial["correct"]) == (chosen, chosen == side)
    assert (trial["objects_0"], trial["objects_1"], trial["rewarded_side"]) == (7, 9, side)
    assert (trial["steps"], trial["trial_reward"]) == (9, reward)


def test_the_last_choice_ends_the_episode(env):
    put(env, stage=CHOICE, gaze=6, trial=4, step=30)
    assert env.step(RIGHT)[2] is False
    put(env, stage=CHOICE, gaze=-6, trial=5, step=40)
    observation, reward, terminated, truncated, _ = env.step(LEFT)
    assert (abs(reward), terminated, truncated) == (1, True, False)
    assert not row(env, observation).any()


@pytest.mark.parametrize(("keywords", "cap"), [({}, 200), ({"max_steps": 9}, 9)])
def test_step_cap(keywords, cap):
    env = started(**keywords)
    put(env, gaze=2)
    ends = [env.step(STAY)[2:4] for _ in range(cap)]
    assert ends == [(False, False)] * (cap - 1) + [(True, False)]
    assert len(env.trial_table()) == 0


def test_parameters():
    rewards = {"fixation_reward": 0.5, "object_reward": 3.0, "object_penalty": -2.0}
    env = started(fixation_steps=3, trials=2, **rewards)
    part = env.layout["reward"]
    assert (env.observation_space.low[part], env.observation_space.high[part]) == (-2, 3)
    put(env, gaze=0)
    assert [env.step(STAY)[1] for _ in range(3)] == [0, 0, 0.5]
    put(env, rewarded_side=LEFT)
    assert [env.step(LEFT)[1] for _ in range(4)] == [0, 0, 0, 3]
    put(env, stage=CHOICE, gaze=6, rewarded_side=LEFT)
    assert env.step(RIGHT)[1:3] == (-2, True)


def test_defaults():
    p = started().parameters
    assert (p.trials, p.max_steps, p.fixation_steps) == (6, 200, 2)
    assert (p.fixation_reward, p.object_reward, p.object_penalty) == (0.2, 1, -1)


def test_patterns_are_distinct_and_never_a_cross():
    assert PIXELS.shape == (2000, PATCH, 3)
    assert len(np.unique(PIXELS.reshape(2000, -1), axis=0)) == 2000
    assert PIXELS.min() > 0
    assert PIXELS.max() <= 1
    assert within((PIXELS < 0.25).sum(), PIXELS.size, 0.25)
    assert within((PIXELS < 0.75).sum(), PIXELS.size, 0.75)


def started_lanes(split, lanes=20_000):
    envs = gym.make_vec(
        HARLOW, num_envs=lanes, split=split, autoreset_mode="SameStep", trial_log=True
    )
    envs.reset(seed=0)
    return envs.unwrapped


@pytest.mark.parametrize(("split", "first"), [("train", 0), ("test", 1000)])
def test_objects_of_an_episode(split, first):
    """Two different ones of the thousand of the split, all of them, in either role."""
    envs = started_lanes(split)
    rewarded, other = envs.get_state()["objects"].T
    assert (rewarded != other).all()
    for drawn in (rewarded, other):
        assert np.array_equal(np.unique(drawn), np.arange(first, first + 1000))
        assert within((drawn < first + 500).sum(), len(drawn), 0.5)
    assert within((rewarded < other).sum(), len(other), 0.5)


def test_first_gaze():
    gaze = started_lanes("train").get_state()["gaze"]
    places, counts = np.unique(gaze, return_counts=True)
    assert places.tolist() == list(range(-8, 9, 2))
    assert all(within(count, len(gaze), 1 / 9) for count in counts)


def test_sides_are_drawn_for_every_trial_and_the_pair_once():
    envs, number = started_lanes("train", 4000), 4000
    pairs = envs.get_state()["objects"]
    for _ in range(envs.parameters.max_steps):
        envs.step(envs.get_state()["best_action"].astype(int))
        if (envs.get_state()["episode"] > 0).all():
            break
    table = envs.trial_table()
    table = table[table["episode"] == 0].sort_values(["env", "trial"])
    assert len(table) == number * 6
    for role in (0, 1):
        assert np.array_equal(table[f"objects_{role}"], np.repeat(pairs[:, role], 6))
    right = table["rewarded_side"].to_numpy().reshape(number, 6)
    assert all(within(right[:, trial].sum(), number, 0.5) for trial in range(6))
    stayed = right[:, 1:] == right[:, :-1]
    assert within(stayed.sum(), stayed.size, 0.5)
    assert table["correct"].all()


@pytest.mark.parametrize("gaze", GAZES)
def test_option_gaze(env, gaze):
    observation, info = env.reset(options={"gaze": gaze})
    assert info["gaze"] == gaze
    assert row(env, observation)[REACH - gaze].tolist() == [1, 0, 0]
    assert info["best_action"] == (STAY if gaze == 0 else LEFT if gaze > 0 else RIGHT)


def test_option_objects(env):
    _, info = env.reset(options={"objects": [1500, 12]})
    assert info["objects"].tolist() == [1500, 12]
    put(env, gaze=0)
    env.step(STAY)
    observation, _, _, _, info = env.step(STAY)
    middle = REACH + (AWAY if info["rewarded_side"] == RIGHT else -AWAY)
    assert np.array_equal(row(env, observation)[middle - 2 : middle + 3], PIXELS[1500])
