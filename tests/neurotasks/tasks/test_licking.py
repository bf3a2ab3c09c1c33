"""Licks that take time, cost more in a row, and outcomes whose time is uncertain."""

import itertools
import math

import gymnasium as gym
import numpy as np
import pytest
from by_hand import put, within

from neurotasks.episodes import run_episodes
from neurotasks.errors import ParameterError, StateError
from neurotasks.observers import (
    MouseObserver,
    Oracle,
    RandomAgent,
    anticipation,
    plan_of,
    plan_values,
)
from neurotasks.observers.anticipation import DISCOUNT
from neurotasks.tasks._mouse import MouseParameters
from neurotasks.tasks.variable_probability import VariableProbabilityParameters
from neurotasks.tasks.variable_reward import VariableRewardParameters

REWARD = "neurotasks/VariableRewardLatency-v0"
PROBABILITY = "neurotasks/VariableProbabilityLatency-v0"
PRESET = {"latency": 0.3, "trace_jitter": 0.5, "lick_cost": 0.03, "lick_effort": 0.01}
PRESET |= {"recovery_time": 1.0}
MEAN_REWARD = 5.21  # ul, of the variable-magnitude task
# Mean reward after an odour and probability of one: 90, 50, 10 %, reward odour, nothing odour.
ODOURS = [(0.9 * 3.75, 0.9), (0.5 * 3.75, 0.5), (0.1 * 3.75, 0.1), (MEAN_REWARD, 1.0), (0.0, 0.0)]
AT_ONCE = {"interval_min": 0.1, "interval_max": 0.1}
SLIGHT = {"latency": 0.2, "trace_jitter": 0.3, "lick_cost": 0.01, "lick_effort": 0.005}
SLIGHT |= {"recovery_time": 0.5}

pytestmark = pytest.mark.filterwarnings("error")


def started(id=PROBABILITY, **keywords):
    env = gym.make(id, trial_log=True, **AT_ONCE | SLIGHT | keywords).unwrapped
    env.reset(seed=0)
    return env


def trial(env, licks, **options):
    """Play a trial, licking `licks` steps after the delivery; return the rewards from there."""
    env.reset(options=options)
    delivery, rewards, over = int(env.get_state()["delivery"][0]), {}, False
    while not over:
        now = env.get_state()["step"][0] - delivery
        _, reward, over, _, _ = env.step(int(now in licks))
        rewards[int(now)] = reward
    return rewards


# The rules, step by step.


@pytest.mark.parametrize("lick", range(-5, 6))
def test_lick_reaches_the_spout_later(lick):
    """Decided 2 steps before: from 2 steps before the delivery to 3 after it, as it waits for 5."""
    env = started(p_reward=[1.0], lick_effort=0.0)
    rewards = trial(env, {lick})
    met = -2 <= lick < 3
    expected = dict.fromkeys(rewards, 0.0)
    expected[lick] -= 0.01
    expected[lick + 2] += 3.75 * met
    assert rewards == pytest.approx(expected)
    row = env.trial_table().iloc[0]
    assert (row["consumed"], row["anticipatory_licks"]) == (met, lick < 0)


def test_train_of_licks_takes_the_reward_at_once():
    rewards = trial(started(p_reward=[1.0], lick_effort=0.0), range(-4, 1))
    assert [r for r, reward in rewards.items() if reward > 1] == [0]


@pytest.mark.parametrize("latency", [0.0, 0.1, 0.2, 0.4])
def test_licks_on_their_way(latency):
    """Bit i is the lick of i + 1 steps ago, for as long as it takes; also across trials."""
    env = started(latency=latency, trials=3, interval_max=0.3)
    rng, taken, delay = np.random.default_rng(0), [], round(10 * latency)
    for _ in range(60):
        taken.append(int(rng.integers(2)))
        env.step(taken[-1])
        line = sum(lick << i for i, lick in enumerate(taken[::-1][:delay]))
        assert env.get_state()["in_flight"][0] == line
    env.reset()
    assert env.get_state()["in_flight"][0] == 0


def test_convex_cost():
    """Licks at steps 0, 1 and 4, by hand: each counts exp(-age / 0.5 s) for the later ones."""
    env = started(lick_effort=0.005, recovery_time=0.5, lick_cost=0.01)
    k = math.exp(-0.1 / 0.5)
    costs = [-env.step(int(step in (0, 1, 4)))[1] for step in range(5)]
    expected = [0.01, 0.01 + 0.005 * k, 0, 0, 0.01 + 0.005 * (k**4 + k**3)]
    assert costs == pytest.approx(expected)
    assert env.get_state()["recent_licks"][0] == pytest.approx(k**5 + k**4 + k)
    env.reset()
    assert env.get_state()["recent_licks"][0] == 0


def test_cost_stays_in_the_range_of_rewards():
    env = started(trials=50, lick_effort=0.5, p_reward=[0.0])
    low, high = env.task.reward_range(env.parameters)
    rewards = [env.step(1)[1] for _ in range(400)]
    assert min(rewards) >= low
    assert min(rewards) == pytest.approx(low)
    assert high == 3.75  # a reward met by an earlier lick
    free = gym.make(PROBABILITY, pavlovian=True).unwrapped
    assert free.task.reward_range(free.parameters) == (0.0, 3.75)


@pytest.mark.parametrize(("id", "mean"), [(PROBABILITY, 20), (REWARD, 15)])
def test_jitter_is_uniform_whatever_comes(id, mean):
    envs = gym.make_vec(id, num_envs=7000, trace_jitter=0.3)
    envs.reset(seed=0)
    state = envs.get_state()
    cued = state["smelt"] >= 0
    for came in (True, False):
        part = state[cued & ((state["magnitude"] > 0) == came)]
        delay = part["delivery"] - part["onset"]
        for step in range(mean - 3, mean + 4):
            assert within((delay == step).sum(), len(part), 1 / 7)
        assert np.all(part["end"] - part["delivery"] == 10)
    uncued = state[~cued]
    assert np.array_equal(uncued["delivery"], uncued["onset"])


def test_best_action_waits_for_the_lick_on_its_way():
    env = started(p_reward=[1.0])
    env.reset(options={"odour": 0})
    best = []
    while not env.get_state()["over"][0]:
        action = env.get_state()["best_action"][0]
        best.append((env.get_state()["step"][0] - env.get_state()["delivery"][0]).item())
        if not action:
            best.pop()
        env.step(int(action))
    assert best == [0]
    for now in range(6):  # in time for the window of 5 steps, after 2
        env.reset(options={"odour": 0})
        for _ in range(int(env.get_state()["delivery"][0]) + now):
            env.step(0)
        assert env.get_state()["best_action"][0] == (now < 3)


def test_pavlovian():
    env = started(p_reward=[1.0], pavlovian=True)
    for licks in ((), range(-50, 50)):
        rewards = trial(env, licks)
        assert rewards[0] == sum(rewards.values()) == 3.75


# Defaults, ranges, states from outside.


def test_presets_and_defaults():
    names = ("latency", "trace_jitter", "lick_effort")
    assert [getattr(MouseParameters(), name) for name in names] == [0.0] * 3
    for id in (REWARD, PROBABILITY):
        base = gym.make(id.replace("Latency", "")).unwrapped.parameters
        found = gym.make(id).unwrapped.parameters
        names = base.__dataclass_fields__
        differ = {n: getattr(found, n) for n in names if getattr(found, n) != getattr(base, n)}
        assert differ == PRESET


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"latency": 0.05}, "latency must be a whole number of steps"),
        ({"latency": 0.5}, "at least a step shorter than lick_window=0.5 s"),
        ({"latency": 7.0, "lick_window": 8.0, "outcome_duration": 9.0}, "at most 60 steps"),
        ({"latency": -0.1}, "latency must be"),
        ({"trace_jitter": 0.25}, "trace_jitter must be a whole number of steps"),
        ({"trace_jitter": 1.1}, "trace_jitter must be at most trace_duration=1.0 s"),
        ({"lick_effort": -1.0}, "lick_effort must be"),
        ({"recovery_time": 0.0}, "recovery_time must be"),
    ],
)
def test_bad_parameters(keywords, message):
    with pytest.raises(ParameterError, match=message):
        gym.make(PROBABILITY, **keywords)


def test_extreme_parameters_are_played():
    env = started(latency=6.0, lick_window=6.1, outcome_duration=6.2, trace_jitter=1.0)
    assert trial(env, {-60}, odour=2).keys()
    for _ in range(3):
        env.reset()
        while not env.get_state()["over"][0]:
            env.set_state(env.get_state())
            env.step(1)
    assert env.get_state()["in_flight"][0] > 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"in_flight": 4}, "'in_flight'"),
        ({"in_flight": 0}, "`in_flight` must begin with the lick"),
        ({"in_flight": 3, "step": 1}, "no bit beyond"),
        ({"recent_licks": 0.5}, "`recent_licks`"),
        ({"recent_licks": 5.0}, "'recent_licks'"),
    ],
)
def test_states_that_are_refused(fields, words):
    """After a single step, a lick."""
    env = started(interval_min=2.3, interval_max=2.3)
    env.step(1)
    put(env)
    with pytest.raises(StateError, match=words):
        put(env, **fields)


# What early licks are worth.


def windows(parameters):
    """Return all plans whose licks can be on their way when the outcome comes."""
    p = parameters
    number = round((p.odour_duration + p.trace_duration + p.trace_jitter) / p.dt)
    span = round((p.latency + 2 * p.trace_jitter) / p.dt)
    plans = np.zeros((2**span, number), bool)
    plans[:, number - span :] = list(itertools.product([False, True], repeat=span))
    return plans


def test_worth_of_being_ready_by_hand():
    """p m (1 - gamma^L) less the lick, if the time of the outcome is known."""
    p = VariableProbabilityParameters(latency=0.2)
    plans = np.zeros((2, 20), bool)
    plans[1, 18] = True  # two steps before the outcome at step 20
    gamma = DISCOUNT**0.1
    for worth, chance in ODOURS[:3]:
        never, ready = plan_values(plans, worth, chance, p, DISCOUNT)
        gain = worth * gamma**20 * (1 - gamma**2)
        assert ready - never == pytest.approx(gain - 0.01 * (gamma**18 - chance * gamma**20))


def test_values_of_plans_are_those_of_episodes():
    """The mean discounted return from odour onset on of who follows a plan, simulated."""
    rng, envs = (
        np.random.default_rng(0),
        gym.make_vec(PROBABILITY, num_envs=6000, **AT_ONCE | SLIGHT),
    )
    plan = np.zeros(23, bool)
    plan[15:] = rng.integers(2, size=8)
    envs.reset(seed=0, options={"odour": 1})
    total, gamma, delay = np.zeros(6000), DISCOUNT**0.1, 2
    active, line = np.ones(6000, bool), np.zeros((6000, delay), bool)
    for step in range(-1, 40):
        state = envs.get_state()
        heard = (state["magnitude"] > 0) & (step + 1 == state["delivery"])
        lick = active & ~heard & (0 <= step < 23 and plan[min(max(step, 0), 22)])
        lick |= active & heard & ~line.any(axis=1)
        active &= ~heard
        line = np.column_stack([lick, line[:, :-1]])
        _, reward, over, _, _ = envs.step(lick.astype(int))
        total += reward * gamma**step
        if over.all():
            break
        done = over
        active &= ~done
    expected = plan_values(plan[None], 0.5 * 3.75, 0.5, envs.unwrapped.parameters, DISCOUNT)[0]
    assert abs(total.mean() - expected) < 4.5 * total.std() / math.sqrt(6000)


@pytest.mark.parametrize(("worth", "p_reward"), ODOURS)
@pytest.mark.parametrize("setting", [PRESET, SLIGHT])
@pytest.mark.parametrize("tried", [13, 0])
def test_plan_is_the_best_of_all(worth, p_reward, setting, tried, monkeypatch):
    """Of longer ones, the best that single changes lead to, which loses little."""
    monkeypatch.setattr(anticipation, "TRIED", tried)
    p = VariableProbabilityParameters(**setting)
    plans = windows(p)
    values = plan_values(plans, worth, p_reward, p, DISCOUNT)
    found = plan_of(worth, p_reward, p)
    if tried:
        assert np.array_equal(found, plans[values.argmax()])
    else:
        (value,) = plan_values(found[None], worth, p_reward, p, DISCOUNT)
        assert value > values.max() - 0.002 * worth - 1e-12


def test_best_licks_are_ordered_with_latency_only():
    found = {}
    for latency in (0.3, 0.0):
        p = VariableProbabilityParameters(**PRESET | {"latency": latency})
        found[latency] = [int(plan_of(worth, chance, p).sum()) for worth, chance in ODOURS]
    assert found == {0.3: [6, 4, 0, 7, 0], 0.0: [0] * 5}
    # the foil, of all plans and not by the search
    p = VariableProbabilityParameters(**PRESET | {"latency": 0.0})
    for worth, chance in ODOURS:
        values = plan_values(windows(p), worth, chance, p, DISCOUNT)
        assert values.argmax() == 0
        assert np.all(values[1:] < values[0])


def test_nobody_is_early_who_does_not_discount():
    p = VariableProbabilityParameters(**PRESET)
    assert not plan_of(3.375, 0.9, p, discount=1.0).any()
    env = gym.make(PROBABILITY)
    with pytest.raises(ParameterError, match="discount must be in"):
        MouseObserver(env, discount=0.0)


@pytest.mark.parametrize("id", [PROBABILITY, REWARD])
def test_observer_follows_the_plan(id):
    envs = gym.make_vec(id, num_envs=1500, autoreset_mode="SameStep", trial_log=True, trials=2)
    cue = "odour" if id == PROBABILITY else "trial_type"
    gamma, reached = DISCOUNT**0.1, {}
    for player in (MouseObserver, Oracle, RandomAgent):
        found = run_episodes(player(envs, seed=0), envs, seed=0)
        weight = gamma ** np.arange(len(found.rewards))[:, None]
        reached[player] = (np.where(found.alive, found.rewards, 0) * weight).sum(axis=0).mean()
        if player is not MouseObserver:
            continue
        trials = found.trials
        assert np.array_equal(trials["consumed"], trials["magnitude"] > 0)
        licks = trials.groupby(cue)["anticipatory_licks"].mean()
        if id == PROBABILITY:
            assert licks[0] == 0
            assert 1 < licks[1] < licks[2] - 1
        else:
            assert licks[0] == licks[2] == 0
            assert licks[1] > 4
    assert reached[MouseObserver] > reached[Oracle] > reached[RandomAgent]


def test_mean_reward_of_the_other_task():
    p = VariableRewardParameters()
    assert np.dot(p.magnitudes, p.probabilities) == pytest.approx(MEAN_REWARD, abs=0.005)
