"""The task with equal means, step by step, its design in numbers, and its observers."""

import gymnasium as gym
import numpy as np
import pytest
from by_hand import put, seen, within

from neurotasks.episodes import run_episodes
from neurotasks.errors import OptionError, ParameterError
from neurotasks.observers import (
    MouseObserver,
    Oracle,
    RandomAgent,
    expectile_predictions,
    outcome_distribution,
)
from neurotasks.tasks._mouse import ODOUR_COLOURS, MouseParameters

SAME_MEAN = "neurotasks/SameMean-v0"
ODOURS = [
    *("nothing odour A", "nothing odour B", "fixed odour A", "fixed odour B"),
    *("variable odour A", "variable odour B"),
]
NOTHING, FIXED, VARIABLE = 0, 1, 2
INTERVAL, ODOUR, TRACE, OUTCOME = 0, 1, 2, 3

pytestmark = pytest.mark.filterwarnings("error")


def started(**keywords):
    env = gym.make(SAME_MEAN, trial_log=True, **keywords).unwrapped
    env.reset(seed=0)
    return env


def many(number=12_000, **keywords):
    keywords = {"autoreset_mode": "SameStep", "trial_log": True} | keywords
    return gym.make_vec(SAME_MEAN, num_envs=number, **keywords)


def trial(env, odour, licks=()):
    """Play a trial, licking `licks` steps after the outcome; return what came at every step."""
    observation, info = env.reset(options={"odour": odour})
    assert info["odour"] == odour
    delivery, found, over = int(env.get_state()["delivery"][0]), [], False
    while not over:
        action = int(len(found) - delivery in licks)
        stimulus = observation[env.layout["stimulus"]]
        now = {env.stimulus_names[i]: float(stimulus[i]) for i in np.flatnonzero(stimulus)}
        now = now, info["stage"], info["time"], info["best_action"]
        observation, reward, over, _, info = env.step(action)
        found.append((*now, reward))
    return delivery, list(zip(*found, strict=True))


@pytest.mark.parametrize("dt", [0.1, 0.5])
@pytest.mark.parametrize("odour", range(6))
def test_course_of_a_trial(odour, dt):
    """Interval 2.3 s, odour 1 s, trace 2 s, then 1 s, of which a reward waits for 0.5 s."""
    env = started(dt=dt, interval_max=2.3)
    assert env.stimulus_names[3:] == tuple(ODOURS)
    delivery, (shown, stage, time, best, rewards) = trial(env, odour)
    interval, second, window = (23, 10, 5) if dt == 0.1 else (5, 2, 1)
    assert delivery == interval + 3 * second
    comes = odour >= 2
    click = {"reward delivery": 1.0} if comes else {}
    parts = [({}, interval), ({ODOURS[odour]: 1.0}, second), ({}, 2 * second)]
    parts += [(click, 1), ({}, second - 1)]
    assert list(shown) == [{"houselight": 1.0} | on for on, number in parts for _ in range(number)]
    stages = [(INTERVAL, interval), (ODOUR, second), (TRACE, 2 * second), (OUTCOME, second)]
    assert list(stage) == [name for name, number in stages for _ in range(number)]
    assert time[delivery] == pytest.approx(3.0)
    assert [i - delivery for i, lick in enumerate(best) if lick] == list(range(window * comes))
    assert set(rewards) == {0.0}


@pytest.mark.parametrize(
    ("odour", "rewards"), [(0, {0}), (1, {0}), (2, {4}), (3, {4}), (4, {2, 6}), (5, {2, 6})]
)
def test_what_an_odour_announces(odour, rewards):
    """Consumed with the first lick; the magnitude is tasted in the next step, and logged."""
    env, met = started(dt=0.5, interval_max=2.3), set()
    for _ in range(12):
        delivery, (shown, *_, came) = trial(env, odour, {0})
        reward = round(came[delivery] + 0.01, 6)
        assert sum(came) == pytest.approx(reward - 0.01)
        assert shown[delivery + 1].get("consumed magnitude", 0) == pytest.approx(reward / 6)
        row = env.trial_table(clear=True).iloc[0]
        assert (row["odour"], row["kind"]) == (odour, odour // 2)
        assert (row["magnitude"], row["reward"], row["consumed"]) == (reward, reward, reward > 0)
        met.add(reward)
    assert met == rewards


@pytest.mark.slow
@pytest.mark.parametrize("lick", range(-2, 7))
def test_reward_waits_for_half_a_second(lick):
    env = started()
    delivery, (*_, rewards) = trial(env, 2, {lick})
    consumed = 0 <= lick < 5
    assert rewards[delivery + lick] == pytest.approx(4 * consumed - 0.01)
    assert sum(rewards) == pytest.approx(4 * consumed - 0.01)
    row = env.trial_table().iloc[0]
    assert (row["anticipatory_licks"], row["consumed"]) == (lick < 0, consumed)


def test_a_state_put_by_hand():
    """The step before the delivery of a reward that is hidden, and the delivery."""
    env = started(dt=0.5)
    observation, info = put(
        env,
        odour=4,
        kind=2,
        smelt=4,
        magnitude=6.0,
        utility=6.0,
        taste=1.0,
        stage=TRACE,
        trial_start=0,
        step=10,
        onset=5,
        odour_end=7,
        delivery=11,
        window_end=12,
        end=13,
    )
    assert seen(env, observation) == ["houselight"]
    assert (info["odour"], info["kind"], info["magnitude"]) == (4, VARIABLE, 6)
    observation, reward, over, _, info = env.step(0)
    assert seen(env, observation) == ["houselight", "reward delivery"]
    assert (reward, over, info["best_action"]) == (0, False, 1)
    observation, reward, over, _, info = env.step(1)
    assert seen(env, observation) == ["houselight", "consumed magnitude"]
    assert (reward, over, info["consumed"]) == (pytest.approx(5.99), False, True)
    assert env.step(0)[1:3] == (0, True)


def test_pavlovian():
    env = started(pavlovian=True, dt=0.5, interval_max=2.3)
    for licks in ((), range(-300, 300)):
        delivery, (*_, best, rewards) = trial(env, 3, licks)
        assert rewards[delivery] == sum(rewards) == 4
        assert not any(best)


def test_rewards_are_those_of_the_odours():
    envs = many(pavlovian=True, dt=0.5)
    trials = run_episodes(MouseObserver(envs), envs, seed=0).trials
    assert (trials["kind"] == trials["odour"] // 2).all()
    assert np.array_equal(trials["trial_reward"], trials["magnitude"])
    for odour in range(6):
        rewards = trials["reward"][trials["odour"] == odour]
        assert within(len(rewards), 12_000, 1 / 6)
        if odour < 4:
            assert (rewards == (4 if odour >= 2 else 0)).all()
        else:
            assert set(rewards) == {2, 6}
            assert within((rewards == 6).sum(), len(rewards), 0.5)


def test_later_trials_are_drawn_anew():
    envs = many(3000, trials=3, dt=0.5, pavlovian=True)
    trials = run_episodes(RandomAgent(envs, seed=0), envs, seed=0, options={"odour": 5}).trials
    first = trials["trial"] == 0
    assert (trials["odour"][first] == 5).all()
    for odour in range(6):
        assert within((trials["odour"][~first] == odour).sum(), 6000, 1 / 6)
    variable = trials[~first & (trials["kind"] == VARIABLE)]
    assert within((variable["reward"] == 6).sum(), len(variable), 0.5)


def test_other_magnitudes():
    envs = many(2000, magnitude=3.0, spread=1.0, dt=0.5, pavlovian=True)
    trials = run_episodes(MouseObserver(envs), envs, seed=0).trials
    rewards = {kind: set(part["reward"]) for kind, part in trials.groupby("kind")}
    assert rewards == {NOTHING: {0}, FIXED: {3}, VARIABLE: {2, 4}}
    assert envs.unwrapped.task.reward_range(envs.unwrapped.parameters) == (0, 4)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"spread": 4.0}, "spread must be smaller than magnitude=4.0.*got 4.0"),
        ({"magnitude": 1.5}, "spread must be smaller than magnitude=1.5.*got 2.0"),
        ({"magnitude": 0.0}, "magnitude must be"),
        ({"spread": -1.0}, "spread must be"),
        ({"trace_duration": 0.95}, "whole number of steps"),
    ],
)
def test_bad_parameters(keywords, message):
    with pytest.raises(ParameterError, match=message):
        gym.make(SAME_MEAN, **keywords)


def test_bad_option():
    with pytest.raises(OptionError, match=r"\[0, 5\]"):
        started().reset(options={"odour": 6})


def test_defaults():
    p = started().parameters
    assert (p.magnitude, p.spread, p.odour_duration, p.trace_duration, p.trials) == (4, 2, 1, 2, 1)
    for name in ("dt", "lick_window", "lick_cost", "interval_min", "interval_mean", "interval_max"):
        assert getattr(p, name) == getattr(MouseParameters(), name)


# Observers


@pytest.mark.parametrize("player", [MouseObserver, Oracle])
def test_licks_exactly_when_it_pays(player):
    envs = many(2000)
    found = run_episodes(player(envs), envs, seed=0)
    trials = found.trials
    assert np.array_equal(trials["consumed"], trials["magnitude"] > 0)
    assert (found.actions * found.alive).sum() == trials["consumed"].sum()
    expected = trials["magnitude"] - 0.01 * trials["consumed"]
    assert trials["trial_reward"].to_numpy() == pytest.approx(expected.to_numpy())


def test_does_not_lick_when_it_does_not_pay():
    """What counts is the mean: 6 for 5 would pay, but 4 on average does not."""
    for keywords in ({"lick_cost": 5.0}, {"pavlovian": True}):
        envs = many(100, **keywords)
        for player in (MouseObserver, Oracle):
            assert not run_episodes(player(envs), envs, seed=0).actions.any()


@pytest.mark.parametrize("letter", "AB")
def test_expectile_predictions(letter):
    """The expectile of 2 and 6 with equal chances is 2 + 4 tau: the two sides' pulls are equal."""
    p, tau = started().parameters, np.linspace(0.02, 0.98, 49)
    assert expectile_predictions(p, f"nothing odour {letter}", tau) == pytest.approx(0)
    assert expectile_predictions(p, f"fixed odour {letter}", tau) == pytest.approx(4)
    assert expectile_predictions(p, f"variable odour {letter}", tau) == pytest.approx(2 + 4 * tau)


@pytest.mark.parametrize(
    ("moment", "probabilities"),
    [
        ("houselight", {2: 1 / 6, 4: 1 / 3, 6: 1 / 6, 0: 1 / 3}),
        ("reward delivery", {2: 1 / 4, 4: 1 / 2, 6: 1 / 4, 0: 0}),
        ("consumed magnitude", {2: 0, 4: 0, 6: 0, 0: 1}),
        ("variable odour B", {2: 1 / 2, 4: 0, 6: 1 / 2, 0: 0}),
    ],
)
def test_outcome_distribution(moment, probabilities):
    found = outcome_distribution(started().parameters, moment)
    assert dict(zip(*found, strict=True)) == pytest.approx(probabilities)


def test_unknown_moment():
    with pytest.raises(ValueError, match=r"seen must be one of nothing odour A.*got 'air puff'"):
        outcome_distribution(started().parameters, "air puff")


def test_picture():
    """Every odour has a colour of its own."""
    env, colours = started(dt=0.5, interval_max=2.3), set()
    for odour in range(6):
        env.reset(options={"odour": odour})
        for _ in range(5):
            env.step(0)
        state = env.get_state().view(np.recarray)[0]
        _, spout, smell = env.task.picture(state, env.parameters)
        assert (spout.text, smell.text) == ("spout", ODOURS[odour])
        colours.add(smell.colour)
    assert colours == set(ODOUR_COLOURS)
