"""The variable-probability task of mice, step by step, its design in numbers, and its observers."""

import gymnasium as gym
import numpy as np
import pytest
from by_hand import within

from neurotasks.episodes import run_episodes
from neurotasks.errors import OptionError, ParameterError
from neurotasks.observers import (
    MouseObserver,
    Oracle,
    RandomAgent,
    expectile_predictions,
    outcome_distribution,
)
from neurotasks.tasks._mouse import MouseParameters

VARIABLE_PROBABILITY = "neurotasks/VariableProbability-v0"
P_REWARD = [0.1, 0.5, 0.9]
ODOURS = ["10 % odour", "50 % odour", "90 % odour"]
PUFF = 3
INTERVAL, ODOUR, TRACE, OUTCOME = 0, 1, 2, 3

pytestmark = pytest.mark.filterwarnings("error")


def started(**keywords):
    env = gym.make(VARIABLE_PROBABILITY, trial_log=True, **keywords).unwrapped
    env.reset(seed=0)
    return env


def many(number=10_000, **keywords):
    keywords = {"autoreset_mode": "SameStep", "trial_log": True} | keywords
    return gym.make_vec(VARIABLE_PROBABILITY, num_envs=number, **keywords)


def seen(env, observation):
    stimulus = observation[env.layout["stimulus"]]
    return {env.stimulus_names[i]: float(stimulus[i]) for i in np.flatnonzero(stimulus)}


def trial(env, odour, licks=()):
    """Play a trial, licking `licks` steps after the outcome; return what came at every step."""
    observation, info = env.reset(options={"odour": odour})
    delivery, found, over = int(env.get_state()["delivery"][0]), [], False
    while not over:
        action = int(len(found) - delivery in licks)
        now = seen(env, observation), info["stage"], info["time"], info["best_action"]
        observation, reward, over, _, info = env.step(action)
        found.append((*now, reward))
    return delivery, list(zip(*found, strict=True))


@pytest.mark.parametrize("dt", [0.1, 0.5])
@pytest.mark.parametrize("comes", [True, False])
@pytest.mark.parametrize("odour", range(3))
def test_course_of_a_trial(odour, comes, dt):
    """Interval 2.3 s, odour 1 s, trace 1 s, then 1 s, of which a reward waits for 0.5 s."""
    p_reward = [float(comes)] * 3
    env = started(dt=dt, interval_max=2.3, p_reward=p_reward)
    delivery, (shown, stage, time, best, rewards) = trial(env, odour)
    interval, second, window = (23, 10, 5) if dt == 0.1 else (5, 2, 1)
    assert delivery == interval + 2 * second
    name = env.stimulus_names[3 + odour]
    click = {"reward delivery": 1.0} if comes else {}
    parts = [({}, interval), ({name: 1.0}, second), ({}, second), (click, 1), ({}, second - 1)]
    assert list(shown) == [{"houselight": 1.0} | on for on, number in parts for _ in range(number)]
    stages = [(INTERVAL, interval), (ODOUR, second), (TRACE, second), (OUTCOME, second)]
    assert list(stage) == [name for name, number in stages for _ in range(number)]
    assert time[delivery] == pytest.approx(2.0)
    assert [i - delivery for i, lick in enumerate(best) if lick] == list(range(window * comes))
    assert set(rewards) == {0.0}


@pytest.mark.slow
@pytest.mark.parametrize("lick", range(-2, 7))
def test_reward_waits_for_half_a_second(lick):
    env = started(p_reward=[1.0])
    delivery, (shown, *_, rewards) = trial(env, 0, {lick})
    consumed = 0 <= lick < 5
    assert rewards[delivery + lick] == pytest.approx(3.75 * consumed - 0.01)
    assert sum(rewards) == pytest.approx(3.75 * consumed - 0.01)
    tasted = [i for i, now in enumerate(shown) if now.get("consumed magnitude") == 1]
    assert tasted == ([delivery + lick + 1] if consumed else [])
    row = env.trial_table().iloc[0]
    assert (row["magnitude"], row["reward"]) == (3.75, 3.75 * consumed)
    assert (row["anticipatory_licks"], row["consumed"]) == (lick < 0, consumed)


def test_pavlovian():
    env = started(pavlovian=True, p_reward=[1.0], magnitude=2.0)
    for licks in ((), range(-300, 300)):
        delivery, (*_, best, rewards) = trial(env, 0, licks)
        assert rewards[delivery] == sum(rewards) == 2
        assert not any(best)


@pytest.fixture(scope="module", params=[False, True], ids=["three odours", "air puff"])
def played(request):
    envs = many(pavlovian=True, dt=0.5, air_puff=request.param)
    return envs, run_episodes(MouseObserver(envs), envs, seed=0).trials


def test_outcomes_are_those_of_the_odours(played):
    envs, trials = played
    puffs = envs.unwrapped.parameters.air_puff
    for odour, p in enumerate(P_REWARD):
        part = trials[trials["odour"] == odour]
        assert within(len(part), 10_000, 1 / (3 + puffs))
        assert within((part["reward"] == 3.75).sum(), len(part), p)
        assert set(part["reward"]) == {0.0, 3.75}
        assert not part["puff"].any()
    part = trials[trials["odour"] == PUFF]
    assert within(len(part), 10_000, puffs / 4)
    assert within(part["puff"].sum(), len(part), 0.9)
    assert np.array_equal(part["reward"], -1.0 * part["puff"])
    assert np.array_equal(trials["trial_reward"], trials["reward"])


def test_later_trials_are_drawn_anew():
    envs = many(3000, trials=3, dt=0.5, pavlovian=True)
    trials = run_episodes(RandomAgent(envs, seed=0), envs, seed=0, options={"odour": 2}).trials
    first = trials["trial"] == 0
    assert (trials["odour"][first] == 2).all()
    for odour, p in enumerate(P_REWARD):
        part = trials[~first & (trials["odour"] == odour)]
        assert within(len(part), 6000, 1 / 3)
        assert within((part["reward"] > 0).sum(), len(part), p)


def test_air_puff():
    """It comes at the time of a reward, is felt, and cannot be avoided."""
    env = started(air_puff=True, p_air_puff=1.0, air_puff_reward=-2.5)
    assert env.stimulus_names[3:] == (*ODOURS, "air-puff odour", "air puff")
    for licks in ((), range(-300, 300)):
        cost = 0.01 if licks else 0.0
        delivery, (shown, _, time, best, rewards) = trial(env, PUFF, licks)
        expected = np.full(len(rewards), -cost)
        expected[delivery] -= 2.5
        assert rewards == pytest.approx(expected)
        assert time[delivery] == pytest.approx(2.0)
        assert [i for i, now in enumerate(shown) if "air puff" in now] == [delivery]
        smelt = [i for i, now in enumerate(shown) if "air-puff odour" in now]
        assert smelt == list(range(delivery - 20, delivery - 10))
        assert not any("reward delivery" in now for now in shown)
        assert not any(best)
        row = env.trial_table(clear=True).iloc[0]
        assert (row["odour"], row["puff"], row["reward"], row["consumed"]) == (3, True, -2.5, False)
    assert env.task.reward_range(env.parameters) == (-2.5 - 0.01, 3.75 - 0.01)


def test_no_air_puff_by_default():
    env = started()
    assert env.stimulus_names[3:] == tuple(ODOURS)
    with pytest.raises(OptionError, match=r"\[0, 2\]"):
        env.reset(options={"odour": PUFF})
    assert env.task.reward_range(env.parameters) == (-0.01, 3.75 - 0.01)


@pytest.mark.slow
def test_other_odours():
    envs = many(p_reward=(0.25, 1.0), magnitude=6.0, pavlovian=True, dt=0.5)
    assert envs.unwrapped.stimulus_names[3:] == ("25 % odour", "100 % odour")
    trials = run_episodes(MouseObserver(envs), envs, seed=0).trials
    assert (trials["reward"][trials["odour"] == 1] == 6).all()
    low = trials["reward"][trials["odour"] == 0]
    assert within((low == 6).sum(), len(low), 0.25)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"p_reward": (0.1, 1.2)}, "p_reward must be"),
        ({"p_reward": ()}, "p_reward must be"),
        ({"magnitude": 0.0}, "magnitude must be"),
        ({"air_puff": 1}, "air_puff must be"),
        ({"p_air_puff": 1.5}, "p_air_puff must be"),
        ({"air_puff_reward": 0.5}, "air_puff_reward must be"),
        ({"trace_duration": 0.95}, "whole number of steps"),
    ],
)
def test_bad_parameters(keywords, message):
    with pytest.raises((ParameterError, gym.error.InvalidProbability), match=message):
        gym.make(VARIABLE_PROBABILITY, **keywords)


def test_defaults_of_the_specification():
    p = started().parameters
    assert (list(p.p_reward), p.magnitude, p.trace_duration, p.trials) == (P_REWARD, 3.75, 1.0, 1)
    assert (p.air_puff, p.p_air_puff, p.odour_duration) == (False, 0.9, 1.0)
    for name in ("dt", "lick_window", "lick_cost", "interval_min", "interval_mean", "interval_max"):
        assert getattr(p, name) == getattr(MouseParameters(), name)


# Observers


@pytest.mark.parametrize("player", [MouseObserver, Oracle])
def test_licks_exactly_when_it_pays(player):
    envs = many(2000, air_puff=True)
    found = run_episodes(player(envs), envs, seed=0)
    trials = found.trials
    assert np.array_equal(trials["consumed"], trials["magnitude"] > 0)
    licks = (found.actions * found.alive).sum()
    assert licks == trials["consumed"].sum()
    expected = 3.74 * trials["consumed"] - 1.0 * trials["puff"]
    assert trials["trial_reward"].to_numpy() == pytest.approx(expected.to_numpy())


def test_does_not_lick_when_it_does_not_pay():
    for keywords in ({"lick_cost": 3.8}, {"pavlovian": True}):
        envs = many(100, **keywords)
        for player in (MouseObserver, Oracle):
            assert not run_episodes(player(envs), envs, seed=0).actions.any()


@pytest.mark.parametrize(("odour", "p"), list(zip(ODOURS, P_REWARD, strict=True)))
def test_expectile_predictions(odour, p):
    """In units of the reward, the logit of the expectile is that of tau plus that of p."""
    tau = np.linspace(0.02, 0.98, 49)
    odds = tau / (1 - tau) * p / (1 - p)
    found = expectile_predictions(started().parameters, odour, tau) / 3.75
    assert found == pytest.approx(odds / (1 + odds), abs=1e-12)


def test_expectiles_of_the_specification():
    """Section 2.4."""
    p = started(magnitude=1.0).parameters
    table = {0.1: [0.0122, 0.1, 0.5], 0.9: [0.5, 0.9, 0.988]}
    for tau, expected in table.items():
        found = [float(expectile_predictions(p, odour, tau)) for odour in ODOURS]
        assert found == pytest.approx(expected, abs=5e-4)
    assert expectile_predictions(p, "reward delivery", 0.1) == 1
    assert expectile_predictions(p, "consumed magnitude", 0.9) == 0


def test_predictions_before_the_cue_and_of_the_air_puff(played):
    envs, trials = played
    p = envs.unwrapped.parameters
    values, probabilities = outcome_distribution(p, "houselight")
    assert probabilities.sum() == pytest.approx(1)
    for value, share in zip(values, probabilities, strict=True):
        assert within((trials["reward"] == value).sum(), 10_000, share)
    if p.air_puff:
        assert expectile_predictions(p, "air-puff odour", 0.5) == pytest.approx(-0.9)
        assert expectile_predictions(p, "air puff", 0.1) == -1
    else:
        assert expectile_predictions(p, "houselight", 0.5) == pytest.approx(3.75 / 2)
        with pytest.raises(ValueError, match="got 'air puff'"):
            expectile_predictions(p, "air puff", 0.5)


def test_picture():
    env = started(air_puff=True, p_air_puff=1.0, interval_max=2.3)
    env.reset(options={"odour": PUFF})
    drawn = {}
    for step in range(53):
        state = env.get_state().view(np.recarray)[0]
        drawn[step] = [item.text for item in env.task.picture(state, env.parameters)]
        env.step(0)
    assert drawn[22] == ["wait for an odour or for water", "spout"]
    smelling = ["an odour: what does it announce?", "spout", "air-puff odour"]
    assert drawn[23] == drawn[32] == smelling
    assert drawn[33] == drawn[42] == ["wait for the outcome", "spout"]
    assert drawn[43] == ["the trial is over", "spout", "air puff"]


def test_no_state_has_an_air_puff_that_the_parameters_exclude():
    for air_puff in (True, False):
        env = gym.make("neurotasks/VariableProbability-v0", air_puff=air_puff).unwrapped
        env.reset(seed=0)
        state = env.get_state()
        state["puff"] = True
        if air_puff:
            env.set_state(state)
        else:
            with pytest.raises(ValueError, match="'puff' of a state"):
                env.set_state(state)
