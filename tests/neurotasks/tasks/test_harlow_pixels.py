"""The rendered Harlow task, frame by frame from states built by hand, and its design in numbers."""

import math

import gymnasium as gym
import numpy as np
import pytest
from by_hand import put, within

from neurotasks.core.frames import frames
from neurotasks.core.lanes import Lanes
from neurotasks.episodes import run_episodes
from neurotasks.errors import OptionError, ParameterError
from neurotasks.observers import HarlowPixelsObserver, Oracle
from neurotasks.tasks.harlow_pixels import COLOURS, PROMPTS, TASK

ID = "neurotasks/HarlowPixels-v0"
INTERVAL, FIXATION, CHOICE = 0, 1, 2
LEFT, RIGHT, NOOP = 0, 1, 2
VIEW, SIZE, AWAY = 84, 34, 21
GREY, RED = [20, 20, 20], [255, 0, 0]
LANES = 3
sides = pytest.mark.parametrize("side", [LEFT, RIGHT])
GAZES = [-30, -13.6, -3.5, -0.5, -0.4, 0, 0.4, 0.5, 2.2, 3.5, 14, 30]

pytestmark = pytest.mark.filterwarnings("error")


def started(**keywords):
    env = gym.make(ID, trial_log=True, **keywords).unwrapped
    env.reset(seed=0)
    return env


@pytest.fixture
def env():
    return started()


def hidden(env, name):
    return env.get_state()[name][0]


CUT = 1 + 12 / 256  # colours are cut to whole numbers, on the way to a knot to 1/256


def painted(number):
    """Return an object: its colours at 4 x 4 knots with straight transitions, in floats."""
    hat = np.maximum(0, 1 - abs(np.arange(SIZE)[:, None] / 11 - np.arange(4)))
    return np.einsum("yj,xk,jkc->yxc", hat, hat, COLOURS[number].astype(float))


def test_spaces():
    env = started()
    assert env.observation_space["image"] == gym.spaces.Box(0, 255, (VIEW, VIEW, 3), np.uint8)
    assert env.observation_space["feedback"].shape == (4,)
    assert env.action_names == ("left", "right", "no-op")
    assert started(feedback="none").observation_space == env.observation_space["image"]
    assert started(feedback="action").observation_space["feedback"].shape == (3,)


def test_velocity_by_hand():
    """v <- v / 2 + 4.4 / 4 / 2 in each of the four frames; then the action stops."""
    env = started(fixation_frames=100)
    put(env, gaze=0.0, velocity=0.0)
    gaze = velocity = 0.0
    for action, push in ((RIGHT, 0.55), (RIGHT, 0.55), (NOOP, 0.0), (LEFT, -0.55)):
        for _ in range(4):
            velocity = velocity / 2 + push
            gaze += velocity
        info = env.step(action)[-1]
        assert info["gaze"] == pytest.approx(gaze, abs=1e-12)
        assert hidden(env, "velocity") == pytest.approx(velocity, abs=1e-12)


@pytest.mark.parametrize("repeat", [1, 4, 7])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("saccade", [0.5, 4.4, 5.0])
@sides
def test_one_action_turns_the_gaze_by_a_saccade(repeat, momentum, saccade, side):
    """In the end, after an action alone; and in every action, once it moves steadily."""
    env = started(action_repeat=repeat, momentum=momentum, saccade=saccade, fixation_frames=10**6)
    sign = 1 if side == RIGHT else -1
    put(env, gaze=-10.0 * sign, velocity=0.0)
    env.step(side)
    for _ in range(300):
        gaze = env.step(NOOP)[-1]["gaze"]
    assert gaze == pytest.approx(sign * (saccade - 10), abs=1e-6)
    put(env, gaze=-10.0 * sign, velocity=sign * saccade / repeat)
    assert env.step(side)[-1]["gaze"] == pytest.approx(sign * (saccade - 10), abs=1e-6)


@sides
def test_gaze_stops_at_its_limit(env, side):
    sign = 1 if side == RIGHT else -1
    put(env, gaze=29.0 * sign, velocity=sign)
    assert env.step(side)[-1]["gaze"] == 30 * sign
    assert hidden(env, "velocity") == 0
    assert abs(env.step(1 - side)[-1]["gaze"]) < 30


@pytest.mark.parametrize("gaze", GAZES)
def test_cross_is_seen_where_it_is(env, gaze):
    image = put(env, stage=FIXATION, gaze=gaze)[0]["image"]
    centre = 42 - math.floor(gaze + 0.5)
    expected = np.full((VIEW, VIEW, 3), 20, np.uint8)
    expected[36:48, centre - 1 : centre + 1] = RED
    expected[41:43, centre - 6 : centre + 6] = RED
    assert np.array_equal(image, expected)
    assert (image == RED).all(axis=2).sum() == 12 * 2 + 10 * 2


@sides
@pytest.mark.parametrize("objects", [(7, 1999), (1000, 0)])
@pytest.mark.parametrize("gaze", GAZES)
def test_objects_are_seen_where_they_are(env, gaze, objects, side):
    screen = np.full((VIEW, 300, 3), 20.0)
    for shown, place in zip(objects, (side, 1 - side), strict=True):
        centre = 150 + (AWAY if place == RIGHT else -AWAY)
        screen[25:59, centre - 17 : centre + 17] = painted(shown)
    image = put(env, stage=CHOICE, gaze=gaze, objects=objects, rewarded_side=side)[0]["image"]
    start = 150 - 42 + math.floor(gaze + 0.5)
    assert abs(image - screen[:, start : start + VIEW]).max() < CUT


def test_nothing_is_seen_in_the_interval(env):
    assert (put(env, stage=INTERVAL)[0]["image"] == 20).all()


def test_objects_appear_whole():
    """At the largest distance at which the cross still counts as looked at."""
    env = started(fixation_distance=4.0, momentum=0.0)
    for gaze in (-4.0, 4.0):
        put(env, stage=FIXATION, gaze=gaze, velocity=0.0, frames=0)
        observation, reward, *_ = env.step(NOOP)
        assert reward == 0.2
        assert (observation["image"] != 20).any(axis=2).sum() == 2 * SIZE**2


def test_objects_are_distinct_and_never_a_cross():
    """Also in their middle row; and their colours differ from all that is shown beside them."""
    envs = gym.make_vec(ID, num_envs=1000).unwrapped
    envs.reset(seed=0)
    numbers = np.arange(2000).reshape(1000, 2)
    images = put(envs, stage=CHOICE, gaze=0, objects=numbers, rewarded_side=LEFT)[0]["image"]
    shown = np.concatenate([images[:, 25:59, 4:38], images[:, 25:59, 46:80]])
    assert shown.min() > max(GREY)
    assert len(np.unique(shown.reshape(2000, -1), axis=0)) == 2000
    assert len(np.unique(shown[:, 17].reshape(2000, -1), axis=0)) == 2000
    colours = (COLOURS.reshape(2000, 16, 3).astype(int) - 32) / 224
    assert colours.mean() == pytest.approx(0.5, abs=0.01)
    assert colours.std() == pytest.approx(math.sqrt(1 / 12), abs=0.01)
    kinds = [len(np.unique(knots, axis=0)) for knots in COLOURS.reshape(2000, 16, 3)]
    assert set(kinds) <= {1, 2}
    assert np.mean(kinds) > 1.99


@pytest.mark.parametrize(("gaze", "reward"), [(3.5, 0.2), (-3.5, 0.2), (3.51, 0), (-3.51, 0)])
def test_fixation_distance(env, gaze, reward):
    put(env, stage=FIXATION, gaze=gaze, velocity=0.0, frames=0)
    _, received, over, _, info = env.step(NOOP)
    assert (received, over, info["trial"], info["new_trial"]) == (reward, False, 0, False)
    assert info["stage"] == (CHOICE if reward else FIXATION)


def test_fixation_is_held_for_four_frames():
    env = started(momentum=0.0)
    put(env, stage=FIXATION, gaze=-5.0, velocity=0.0, frames=0)
    assert env.step(RIGHT)[1] == 0  # -3.9, -2.8, -1.7, -0.6
    assert hidden(env, "frames") == 3
    _, reward, _, _, info = env.step(LEFT)  # -1.7, and the display changes
    assert (reward, info["stage"]) == (0.2, CHOICE)
    assert info["gaze"] == pytest.approx(-1.7)


def test_looking_away_breaks_the_fixation():
    env = started(momentum=0.0, action_repeat=1)
    put(env, stage=FIXATION, gaze=0.0, velocity=0.0, frames=0)
    counts = [env.step(action)[1] or hidden(env, "frames") for action in (2, 2, 2, 1, 0, 2, 2, 2)]
    assert counts == [1, 2, 3, 0, 1, 2, 3, 0.2]


def test_looking_at_the_empty_centre_pays_nothing(env):
    put(env, stage=CHOICE, gaze=0.0, velocity=0.0)
    for _ in range(5):
        _, reward, over, _, info = env.step(NOOP)
        assert (reward, over, info["trial"], info["stage"]) == (0, False, 0, CHOICE)


@sides
@pytest.mark.parametrize("chosen", [LEFT, RIGHT])
def test_reaching_an_object_chooses_it(chosen, side):
    env = started(momentum=0.0)
    sign = 1 if chosen == RIGHT else -1
    objects = {"rewarded_side": side, "objects": (7, 9)}
    put(env, stage=CHOICE, gaze=10.0 * sign, velocity=0.0, step=5, **objects)
    assert env.step(NOOP)[1:3] == (0, False)
    observation, reward, over, _, info = env.step(chosen)  # 11.1, 12.2, 13.3, 14.4
    assert (reward, over) == (1 if chosen == side else -1, False)
    assert (info["trial"], info["new_trial"], info["stage"]) == (1, True, INTERVAL)
    assert info["gaze"] == pytest.approx(14.4 * sign)
    assert (observation["image"] == 20).all()
    assert observation["feedback"].tolist() == [chosen == LEFT, chosen == RIGHT, 0, reward]
    (trial,) = env.trial_table().to_dict("records")
    assert (trial["choice"], trial["correct"]) == (chosen, chosen == side)
    assert (trial["objects_0"], trial["objects_1"], trial["rewarded_side"]) == (7, 9, side)
    assert (trial["steps"], trial["trial_reward"]) == (7, reward)


@pytest.mark.parametrize(
    ("gaze", "chosen"), [(13.9, False), (14, True), (28, True), (28.1, False), (0, False)]
)
@sides
def test_choice_distance(env, gaze, chosen, side):
    sign = 1 if side == RIGHT else -1
    put(env, stage=CHOICE, gaze=gaze * sign, velocity=0.0, rewarded_side=side)
    assert env.step(NOOP)[1] == chosen


def test_interval_lasts_ten_frames():
    """Three actions, of which the last one ends after two frames, when the cross appears."""
    env = started(momentum=0.0)
    put(env, stage=CHOICE, gaze=14.0, velocity=0.0)
    assert env.step(NOOP)[-1]["stage"] == INTERVAL
    gazes, stages = [], []
    for _ in range(3):
        info = env.step(LEFT)[-1]
        gazes.append(info["gaze"])
        stages.append(info["stage"])
    assert stages == [INTERVAL, INTERVAL, FIXATION]
    assert gazes == pytest.approx([14 - 4.4, 14 - 8.8, 14 - 11])
    assert hidden(env, "frames") == 0  # of fixation: those of the interval do not count
    assert env.step(NOOP)[1] == 0.2


def test_no_interval():
    env = started(interval_frames=0)
    put(env, stage=CHOICE, gaze=14.0, velocity=0.0)
    assert env.step(NOOP)[-1]["stage"] == FIXATION


def test_first_trial_starts_without_interval(env):
    for seed in range(20):
        observation, info = env.reset(seed=seed)
        assert (info["stage"], hidden(env, "velocity")) == (FIXATION, 0)
        assert (observation["image"] == RED).all(axis=2).any()


RESTS = [(-14.0, RIGHT), (-2.3, RIGHT), (-2.1, NOOP), (2.1, NOOP), (2.3, LEFT), (14.0, LEFT)]


@pytest.mark.parametrize("velocity", [-6.0, 0.0, 6.0])
@pytest.mark.parametrize(("rest", "best"), RESTS)
def test_best_action_lets_the_gaze_rest_on_the_cross(rest, best, velocity):
    """Within half a saccade. A gaze that loses half its velocity a frame goes v further in all."""
    env = started(fixation_frames=100)
    put(env, stage=FIXATION, gaze=rest - velocity, velocity=velocity)
    assert env.step(NOOP)[-1]["best_action"] == best
    put(env, stage=INTERVAL, gaze=rest - velocity, velocity=velocity, frames=0)
    assert env.step(NOOP)[-1]["best_action"] == best


@sides
def test_best_action_is_the_rewarded_side(env, side):
    put(env, stage=FIXATION, gaze=0.0, velocity=0.0, rewarded_side=side)
    assert env.step(NOOP)[-1]["best_action"] == side
    assert env.step(NOOP)[-1]["best_action"] == side


def test_last_choice_ends_the_episode(env):
    put(env, stage=CHOICE, gaze=14.0, velocity=0.0, trial=4)
    assert env.step(NOOP)[2] is False
    put(env, stage=CHOICE, gaze=14.0, velocity=0.0, trial=5)
    observation, reward, terminated, truncated, _ = env.step(NOOP)
    assert (abs(reward), terminated, truncated) == (1, True, False)
    assert not observation["image"].any()


@pytest.mark.parametrize(
    ("keywords", "cap"), [({}, 900), ({"max_frames": 10}, 3), ({"action_repeat": 1}, 3600)]
)
def test_step_cap(keywords, cap):
    env = started(**keywords)
    put(env, stage=FIXATION, gaze=20.0)
    ends = [env.step(RIGHT)[2:4] for _ in range(cap)]
    assert ends == [(False, False)] * (cap - 1) + [(True, False)]
    assert len(env.trial_table()) == 0


def test_defaults():
    p = started().parameters
    assert (p.trials, p.max_frames, p.action_repeat) == (6, 3600, 4)
    assert (p.saccade, p.momentum, p.fixation_distance, p.choice_distance) == (4.4, 0.5, 3.5, 7)
    assert (p.fixation_frames, p.interval_frames) == (4, 10)
    assert (p.fixation_reward, p.object_reward, p.object_penalty) == (0.2, 1, -1)


def test_parameters():
    rewards = {"fixation_reward": 0.5, "object_reward": 3.0, "object_penalty": -2.0}
    env = started(fixation_frames=9, fixation_distance=3.0, choice_distance=10.0, **rewards)
    part, space = env.layout["reward"], env.observation_space["feedback"]
    assert (space.low[part], space.high[part]) == (-2, 3)
    put(env, gaze=3.0, velocity=0.0)
    assert [env.step(NOOP)[1] for _ in range(3)] == [0, 0, 0.5]
    for side, reward in ((LEFT, 3), (RIGHT, -2)):
        put(env, stage=CHOICE, gaze=-11.0, velocity=0.0, rewarded_side=side)
        assert env.step(NOOP)[1] == reward


RANGES = {
    "max_frames": (0, None),
    "action_repeat": (0, None),
    "saccade": (0.4, 5.1),
    "momentum": (-0.1, 0.91),
    "fixation_distance": (2.9, 4.1),
    "fixation_frames": (0, None),
    "choice_distance": (3.4, 10.1),
    "interval_frames": (-1, None),
}


@pytest.mark.parametrize("name", RANGES)
def test_ranges_of_parameters(name):
    for value in RANGES[name]:
        if value is not None:
            with pytest.raises(ParameterError, match=name):
                gym.make(ID, **{name: value})


@pytest.mark.parametrize(
    "options", [{"gaze": 31}, {"gaze": -30.1}, {"objects": [4, 4]}, {"objects": [0, 2000]}]
)
def test_bad_options(env, options):
    with pytest.raises(OptionError, match=next(iter(options))):
        env.reset(options=options)


@pytest.mark.parametrize("gaze", GAZES)
def test_option_gaze(env, gaze):
    observation, info = env.reset(options={"gaze": gaze})
    assert info["gaze"] == gaze
    middle = 42 - math.floor(gaze + 0.5)
    assert observation["image"][42, middle].tolist() == RED
    assert observation["image"][42, middle + 6].tolist() == GREY


def test_option_objects(env):
    _, info = env.reset(options={"objects": [1500, 12], "gaze": 0})
    assert info["objects"].tolist() == [1500, 12]
    observation, _, _, _, info = env.step(NOOP)
    assert info["stage"] == CHOICE
    first = 46 if info["rewarded_side"] == RIGHT else 4
    assert abs(observation["image"][25:59, first : first + SIZE] - painted(1500)).max() < CUT


def test_picture(env):
    for stage in (INTERVAL, FIXATION, CHOICE):
        image = put(env, stage=stage, gaze=9.0)[0]["image"]
        ((item, asked, gaze),) = (frame.items for frame in frames(env._lanes, False))
        assert (asked.text, gaze.kind, gaze.x) == (PROMPTS[stage], "ring", 0.5)
        assert (item.kind, item.x, item.y, item.size) == ("image", 0.5, 0.5, 1.0)
        assert np.array_equal(item.pixels, image)


def begun(number, split):
    """Return the state of lanes that have begun an episode; nothing is drawn."""
    lanes, all_lanes = Lanes(TASK, number, "both", split, False, {}), np.ones(number, bool)
    lanes.seed(lanes.generators(range(number), all_lanes))
    lanes.begin(all_lanes, {})
    return lanes.get_state()


@pytest.mark.parametrize(("split", "first"), [("train", 0), ("test", 1000)])
def test_objects_of_an_episode(split, first):
    """Two different ones of the thousand of the split, in either role, and any gaze."""
    state = begun(10_000, split)
    rewarded, other = state["objects"].T
    assert (rewarded != other).all()
    for drawn in (rewarded, other):
        assert (drawn.min(), drawn.max()) == (first, first + 999)
        assert len(np.unique(drawn)) > 990
        assert within((drawn < first + 500).sum(), len(drawn), 0.5)
    assert within((rewarded < other).sum(), len(other), 0.5)
    assert within(state["rewarded_side"].sum(), len(state), 0.5)
    assert abs(state["gaze"]).max() <= AWAY
    for quarter in range(4):
        count = (np.floor((state["gaze"] + AWAY) * 4 / (2 * AWAY)) == quarter).sum()
        assert within(count, len(state), 0.25)


def recorded(observer, number, **keywords):
    keywords |= {"autoreset_mode": "SameStep", "trial_log": True}
    envs = gym.make_vec(ID, num_envs=number, **keywords)
    return run_episodes(observer(envs, seed=1), envs, seed=0)


def test_sides_are_drawn_for_every_trial_and_the_pair_once():
    played = recorded(Oracle, 200).trials
    right = played["rewarded_side"].to_numpy().reshape(200, 6)
    assert all(within(right[:, trial].sum(), 200, 0.5) for trial in range(6))
    stayed = right[:, 1:] == right[:, :-1]
    assert within(stayed.sum(), stayed.size, 0.5)
    for name in ("objects_0", "objects_1"):
        assert (played.groupby("env")[name].nunique() == 1).all()
    assert played["correct"].all()
    assert played["steps"].max() <= 10


SETTINGS = [
    {"action_repeat": 1},
    {"momentum": 0.0},
    {"momentum": 0.9, "saccade": 5.0, "fixation_distance": 3.0, "choice_distance": 3.5},
    {"fixation_distance": 4.0, "choice_distance": 10.0, "fixation_frames": 20},
    {"interval_frames": 0},
    {"interval_frames": 50},
]


@pytest.mark.parametrize("keywords", SETTINGS, ids=repr)
@pytest.mark.parametrize("player", [HarlowPixelsObserver, Oracle])
def test_observers_are_right_in_every_setting(player, keywords):
    played = recorded(player, 30, **keywords).trials
    assert len(played) == 30 * 6
    known = played["trial"] > 0 if player is HarlowPixelsObserver else played["trial"] >= 0
    assert played["correct"][known].all()


def test_one_trial_of_the_paper_takes_twenty_steps():
    """Wang 2016: 20 to 30, where every action is a frame."""
    played = recorded(HarlowPixelsObserver, 50, action_repeat=1).trials
    assert 17 <= played["steps"].mean() <= 30


def test_last_observations_of_lanes():
    """They are those of the lanes that ended, black but for the feedback."""
    envs = gym.make_vec(ID, num_envs=LANES, autoreset_mode="SameStep")
    envs.reset(seed=0)
    put(envs.unwrapped, stage=CHOICE, gaze=14.0, velocity=0.0, trial=[5, 0, 5])
    observations, rewards, over, _, infos = envs.step([NOOP, NOOP, RIGHT])
    assert over.tolist() == [True, False, True]
    assert infos["final_obs"][1] is None
    for lane, taken in ((0, [0, 0, 1]), (2, [0, 1, 0])):
        last = infos["final_obs"][lane]
        assert not last["image"].any()
        assert last["feedback"].tolist() == [*taken, rewards[lane]]
        assert (observations["image"][lane] == RED).all(axis=2).any()
        assert not observations["feedback"][lane].any()
