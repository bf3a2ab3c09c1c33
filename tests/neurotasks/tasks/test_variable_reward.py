"""The variable-magnitude task of mice, step by step, its design in numbers, and its observers."""

import math
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from by_hand import put, within

from neurotasks.episodes import run_episodes
from neurotasks.errors import OptionError, ParameterError
from neurotasks.observers import (
    MouseObserver,
    Oracle,
    RandomAgent,
    expectile_predictions,
    outcome_distribution,
)
from neurotasks.tasks.variable_reward import utilities

VARIABLE_REWARD = "neurotasks/VariableReward-v0"
UNCUED, CUED, NOTHING = 0, 1, 2
INTERVAL, ODOUR, TRACE, OUTCOME = 0, 1, 2, 3
MAGNITUDES = [0.1, 0.3, 1.2, 2.5, 5, 10, 20]
POOLED = [0.06612594, 0.09090909, 0.14847358, 0.15489467, 0.31159175, 0.1509519, 0.07705306]
HILL = [0.219, 0.373, 0.719, 1.006, 1.365, 1.827, 2.403]
EMPIRICAL = [-3.5768, -3.2884, -2.7648, -1.7588, 0.2421, 4.4284, 8.3242]
ALWAYS = range(-300, 300)
steps_of_two_lengths = pytest.mark.parametrize("dt", [0.1, 0.5])

pytestmark = pytest.mark.filterwarnings("error")


def started(**keywords):
    env = gym.make(VARIABLE_REWARD, trial_log=True, **keywords).unwrapped
    env.reset(seed=0)
    return env


def many(number=10_000, **keywords):
    keywords = {"autoreset_mode": "SameStep", "trial_log": True} | keywords
    return gym.make_vec(VARIABLE_REWARD, num_envs=number, **keywords)


def seen(env, observation):
    """Return what is on, with its strength."""
    stimulus = observation[env.layout["stimulus"]]
    return {env.stimulus_names[i]: round(float(stimulus[i]), 6) for i in np.flatnonzero(stimulus)}


def trial(env, kind, index, licks=()):
    """Play a trial, licking `licks` steps after the outcome; return what came at every step."""
    observation, info = env.reset(options={"trial_type": kind, "magnitude_index": index})
    delivery, found, over = int(env.get_state()["delivery"][0]), [], False
    while not over:
        action = int(len(found) - delivery in licks)
        now = seen(env, observation), info["stage"], info["time"], info["best_action"]
        observation, reward, over, _, info = env.step(action)
        found.append((*now, reward))
    return delivery, list(zip(*found, strict=True))


@steps_of_two_lengths
@pytest.mark.parametrize("kind", [UNCUED, CUED, NOTHING])
def test_course_of_a_trial(kind, dt):
    """Interval 2.3 s, odour 1 s, trace 0.5 s, then 1 s, of which a reward waits for 0.5 s."""
    env = started(dt=dt, interval_max=2.3)
    delivery, (shown, stage, time, best, rewards) = trial(env, kind, 4)
    interval, odour, trace, after, window = (23, 10, 5, 10, 5) if dt == 0.1 else (5, 2, 1, 2, 1)
    cue = 0 if kind == UNCUED else odour
    gap = 0 if kind == UNCUED else trace
    assert delivery == interval + cue + gap
    smell = {CUED: {"reward odour": 1.0}, NOTHING: {"nothing odour": 1.0}, UNCUED: {}}[kind]
    click = {} if kind == NOTHING else {"reward delivery": 1.0}
    parts = [({}, interval), (smell, cue), ({}, gap), (click, 1), ({}, after - 1)]
    assert list(shown) == [{"houselight": 1.0} | on for on, number in parts for _ in range(number)]
    stages = [(INTERVAL, interval), (ODOUR, cue), (TRACE, gap), (OUTCOME, after)]
    assert list(stage) == [name for name, number in stages for _ in range(number)]
    assert time == pytest.approx([dt * (i - interval) for i in range(len(time))])
    licked = [i - delivery for i, action in enumerate(best) if action]
    assert licked == ([] if kind == NOTHING else list(range(window)))
    assert set(rewards) == {0.0}


@steps_of_two_lengths
def test_other_durations(dt):
    durations = {"odour_duration": 2.0, "trace_duration": 0.0, "lick_window": 1.0}
    env = started(dt=dt, interval_max=2.3, outcome_duration=3.0, **durations)
    _, (shown, stage, _, best, _) = trial(env, CUED, 0)
    per_second = round(1 / dt)
    assert [stage.count(s) for s in (ODOUR, TRACE, OUTCOME)] == [2 * per_second, 0, 3 * per_second]
    assert sum(best) == per_second
    assert sum("reward odour" in now for now in shown) == 2 * per_second


@pytest.mark.slow
@steps_of_two_lengths
@pytest.mark.parametrize("kind", [UNCUED, CUED])
def test_reward_waits_for_half_a_second(kind, dt):
    env = started(dt=dt)
    window = round(0.5 / dt)
    for lick in range(-3, window + 1):
        delivery, (shown, _, _, best, rewards) = trial(env, kind, 5, {lick})
        consumed = 0 <= lick < window
        expected = {delivery + lick: 10 - 0.01 if consumed else -0.01}
        assert dict(enumerate(rewards)) == pytest.approx(
            dict.fromkeys(range(len(best)), 0.0) | expected
        )
        tasted = [i for i, now in enumerate(shown) if "consumed magnitude" in now]
        assert tasted == ([delivery + lick + 1] if consumed else [])
        assert all(shown[i]["consumed magnitude"] == 0.5 for i in tasted)
        assert sum(best) == (lick + 1 if consumed else window)
        row = env.trial_table(clear=True).iloc[0]
        assert (row["consumed"], row["reward"]) == (consumed, 10 if consumed else 0)
        assert row["outcome"] == consumed
        assert row["anticipatory_licks"] == (lick < 0 and kind == CUED)
        assert row["trial_reward"] == pytest.approx(sum(rewards))


def test_first_lick_consumes_and_each_costs():
    env = started(lick_cost=0.25)
    delivery, (*_, rewards) = trial(env, CUED, 6, ALWAYS)
    expected = np.full(len(rewards), -0.25)
    expected[delivery] += 20
    assert rewards == pytest.approx(expected)
    row = env.trial_table().iloc[0]
    assert (row["anticipatory_licks"], row["reward"], row["steps"]) == (15, 20, len(rewards))


@pytest.mark.parametrize("licks", [(), ALWAYS], ids=["no licks", "licks"])
def test_nothing_comes_after_the_nothing_odour(licks):
    env = started()
    _, (shown, *_, rewards) = trial(env, NOTHING, 6, licks)
    assert rewards == pytest.approx([-0.01 if licks else 0.0] * len(rewards))
    row = env.trial_table().iloc[0]
    assert (row["magnitude"], row["consumed"], row["reward"]) == (0, False, 0)
    assert not any({"reward delivery", "consumed magnitude"} & now.keys() for now in shown)


@pytest.mark.parametrize("licks", [(), ALWAYS], ids=["no licks", "licks"])
@pytest.mark.parametrize("kind", [UNCUED, CUED])
def test_pavlovian(kind, licks):
    """Rewards come by themselves, licks cost and do nothing."""
    env = started(pavlovian=True)
    for index, magnitude in enumerate(MAGNITUDES):
        delivery, (shown, _, _, best, rewards) = trial(env, kind, index, licks)
        expected = np.zeros(len(rewards))
        expected[delivery] = magnitude
        assert rewards == pytest.approx(expected)
        assert shown[delivery + 1]["consumed magnitude"] == pytest.approx(magnitude / 20, abs=1e-6)
        assert not any(best)
    assert env.trial_table()["consumed"].all()


# Reference values of the specification, sections 2.2 and 2.3.
@pytest.mark.parametrize(
    ("utility", "expected"), [("raw", MAGNITUDES), ("hill", HILL), ("empirical", EMPIRICAL)]
)
def test_utilities(utility, expected):
    env = started(utility=utility)
    for index, value in enumerate(expected):
        delivery, (*_, rewards) = trial(env, CUED, index, {0})
        assert rewards[delivery] == pytest.approx(value - 0.01, abs=5e-4)
        assert env.trial_table(clear=True)["magnitude"].tolist() == [MAGNITUDES[index]]
    mean = utilities(env.parameters) @ POOLED
    table = {"raw": 5.2078, "hill": 1.1972, "empirical": 0.1669}
    assert mean == pytest.approx(table[utility], abs=1e-4)
    low, high = env.task.reward_range(env.parameters)
    assert low == min(0, *utilities(env.parameters)) - 0.01
    assert high == max(utilities(env.parameters)) - 0.01
    assert started(utility=utility, pavlovian=True).task.reward_range(
        started(utility=utility, pavlovian=True).parameters
    ) == (low + 0.01, max(utilities(env.parameters)))


def test_spread_of_the_rewards():
    rewards = np.array(MAGNITUDES)
    mean = rewards @ POOLED
    assert math.sqrt((rewards - mean) ** 2 @ POOLED) == pytest.approx(5.270, abs=5e-4)


def begun(**keywords):
    """Return the hidden state of 10,000 fresh episodes."""
    envs = many(**keywords)
    envs.reset(seed=0)
    return envs.unwrapped.get_state()


def test_trial_mix_and_magnitudes():
    state = begun()
    kinds, index = state["trial_type"], state["magnitude_index"]
    for kind, p in ((UNCUED, 0.390), (CUED, 0.408), (NOTHING, 0.202)):
        assert within((kinds == kind).sum(), 10_000, p)
        for k, p_magnitude in enumerate(POOLED):
            of_kind = index[kinds == kind]
            assert within((of_kind == k).sum(), len(of_kind), p_magnitude)
    rewarded = kinds != NOTHING
    assert np.array_equal(state["magnitude"], np.where(rewarded, np.array(MAGNITUDES)[index], 0))


def test_later_trials_are_drawn_anew():
    envs = many(3000, trials=4, pavlovian=True, dt=0.5)
    trials = run_episodes(RandomAgent(envs, seed=0), envs, seed=0).trials
    assert len(trials) == 12_000
    for number in range(4):
        part = trials[trials["trial"] == number]
        assert within((part["trial_type"] == CUED).sum(), 3000, 0.408)
        assert within((part["magnitude"] == 5).sum(), 3000, 0.31159175 * 0.798)
    pairs = (trials["trial_type"] == CUED).to_numpy().reshape(-1, 2).all(axis=1)
    assert within(pairs.sum(), 6000, 0.408**2)


def cdf(seconds, low=2.3, mean=4.8, high=20.0):
    """Return the distribution function of the interval."""
    return (1 - math.exp(-(seconds - low) / mean)) / (1 - math.exp(-(high - low) / mean))


@pytest.mark.parametrize("ends", [(2.3, 4.8, 20.0), (1.0, 2.0, 6.0)])
@steps_of_two_lengths
def test_interval(dt, ends):
    low, mean, high = ends
    state = begun(dt=dt, interval_min=low, interval_mean=mean, interval_max=high)
    seconds = state["onset"] * dt
    assert (low - dt / 2) - 1e-9 <= seconds.min() <= low + dt
    assert high - 1.5 <= seconds.max() <= high + dt / 2 + 1e-9
    for edge in np.arange(low + dt, high - dt, 0.9):
        between = (math.floor(edge / dt) + 0.5) * dt  # where rounding to steps divides
        assert within((seconds < between).sum(), 10_000, cdf(between, *ends))
    span = high - low
    expected = low + mean - span / (math.exp(span / mean) - 1)
    error = 4.5 * seconds.std() / 100
    assert seconds.mean() == pytest.approx(expected, abs=error)
    for kind in (UNCUED, CUED, NOTHING):  # the interval does not tell what will come
        part = seconds[state["trial_type"] == kind]
        assert part.mean() == pytest.approx(expected, abs=4.5 * part.std() / len(part) ** 0.5)


def test_mean_interval_of_the_paper():
    assert begun()["onset"].mean() * 0.1 == pytest.approx(6.65, abs=0.2)


def test_interval_counts_from_the_last_outcome():
    """The second after the outcome belongs to the next interval; a step is left at least."""
    for interval, expected in ((2.3, [23, 13, 13]), (0.5, [5, 1, 1]), (0.0, [1, 1, 1])):
        env = started(trials=3, interval_min=interval, interval_max=interval)
        onsets, over = [int(env.get_state()["onset"][0])], False
        while not over:
            over, info = env.step(0)[2::2]
            if info["new_trial"] and not over:
                onsets.append(int(env.get_state()["onset"][0]))
        assert onsets == expected


@pytest.mark.parametrize("dt", [0.1, 0.25, 0.5])
def test_longest_episode_ends_by_its_trials(dt):
    env = started(dt=dt, trials=3, p_cued=1.0, p_uncued=0.0, interval_min=20.0)
    over = False
    while not over:
        over = env.step(0)[2]
    assert len(env.trial_table()) == 3
    spent = env.get_state()["step"][0]
    assert spent == env.parameters.longest_episode


def test_options():
    env = started(magnitudes=(2.0, 6.0), probabilities=(0.5, 0.5))
    for kind in (UNCUED, CUED):
        for index, magnitude in enumerate((2.0, 6.0)):
            trial(env, kind, index)
            row = env.trial_table(clear=True).iloc[0]
            assert (row["trial_type"], row["magnitude"]) == (kind, magnitude)
    with pytest.raises(OptionError, match=r"\[0, 1\]"):
        env.reset(options={"magnitude_index": 2})
    with pytest.raises(OptionError, match="trial_type"):
        env.reset(options={"trial_type": 3})


def test_options_fix_the_first_trial_only():
    envs = many(2000, trials=2, dt=0.5)
    found = run_episodes(
        RandomAgent(envs, seed=0), envs, seed=0, options={"trial_type": NOTHING}
    ).trials
    assert (found["trial_type"][found["trial"] == 0] == NOTHING).all()
    assert within((found["trial_type"][found["trial"] == 1] == NOTHING).sum(), 2000, 0.202)


def test_other_mix_and_magnitudes():
    state = begun(p_cued=0.9, p_uncued=0.1, magnitudes=[1, 4], probabilities=[0.2, 0.8])
    assert set(np.unique(state["trial_type"])) == {UNCUED, CUED}
    assert within((state["magnitude"] == 4).sum(), 10_000, 0.8)
    assert set(state["magnitude"]) == {1.0, 4.0}
    assert set(state["taste"]) == {0.25, 1.0}


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"dt": 0.3}, "whole number of steps"),
        ({"trace_duration": 0.55}, "whole number of steps"),
        ({"dt": 0.0}, "dt must be"),
        ({"odour_duration": math.inf}, "odour_duration must be"),
        ({"lick_window": 0.0}, "lick_window"),
        ({"lick_window": 1.0}, "a step shorter"),
        ({"interval_min": 21.0}, "interval_min must be at most interval_max"),
        ({"p_cued": 0.7, "p_uncued": 0.4}, "sum of p_cued and p_uncued must be at most 1"),
        ({"probabilities": (0.5, 0.5)}, "got 2 with the sum 1 for 7 magnitudes"),
        ({"magnitudes": (1, 2), "probabilities": (0.5, 0.6)}, "the sum 1.1"),
        ({"magnitudes": (0, 2), "probabilities": (0.5, 0.5)}, "magnitudes must be"),
        ({"utility": "log"}, "raw, hill, empirical"),
        ({"utility": "empirical", "magnitudes": (1,), "probabilities": (1,)}, "measured for"),
        ({"lick_cost": -0.1}, "lick_cost must be"),
    ],
)
def test_bad_parameters(keywords, message):
    with pytest.raises(ParameterError, match=message):
        gym.make(VARIABLE_REWARD, **keywords)


def test_defaults_of_the_specification():
    p = started().parameters
    assert (p.trials, p.dt, p.utility, p.pavlovian) == (1, 0.1, "raw", False)
    assert (p.odour_duration, p.trace_duration, p.lick_window) == (1.0, 0.5, 0.5)
    assert (p.interval_min, p.interval_mean, p.interval_max, p.lick_cost) == (2.3, 4.8, 20.0, 0.01)
    assert (list(p.magnitudes), list(p.probabilities)) == (MAGNITUDES, POOLED)


def test_restored_in_the_outcome_window():
    """From a state built by hand: 3 steps after delivery, not yet consumed."""
    env = started()
    fields = {
        "trial_type": CUED,
        "magnitude": 2.5,
        "utility": 2.5,
        "taste": 0.125,
        "stage": OUTCOME,
    }
    times = {"onset": 10, "odour_end": 20, "delivery": 25, "window_end": 30, "end": 35, "step": 28}
    put(env, **fields, **times, consumed=False)
    observation, reward, over, _, info = env.step(1)
    assert seen(env, observation) == {"houselight": 1.0, "consumed magnitude": 0.125}
    assert (reward, over, info["consumed"]) == (pytest.approx(2.49), False, True)
    assert info["time"] == pytest.approx(1.9)
    assert env.step(1)[1] == -0.01


# Observers


@pytest.mark.parametrize("utility", ["raw", "hill", "empirical"])
@pytest.mark.parametrize("player", [MouseObserver, Oracle])
def test_licks_exactly_when_it_pays(player, utility):
    envs = many(2000, utility=utility)
    found = run_episodes(player(envs), envs, seed=0)
    trials, values = found.trials, utilities(envs.unwrapped.parameters)
    value = dict(zip(MAGNITUDES, values, strict=True)) | {0.0: 0.0}
    assert trials["reward"].tolist() == [value[m] for m in trials["magnitude"]]
    assert np.array_equal(trials["consumed"], trials["trial_type"] != NOTHING)
    expected = trials["reward"] - 0.01 * trials["consumed"]
    assert trials["trial_reward"].to_numpy() == pytest.approx(expected.to_numpy())
    licks = (found.actions * found.alive).sum()
    assert licks == trials["consumed"].sum()
    error = 4.5 * trials["reward"].std() / 2000**0.5
    assert trials["reward"].mean() == pytest.approx(0.798 * values @ POOLED, abs=error)


@pytest.mark.parametrize("keywords", [{"lick_cost": 5.3}, {"pavlovian": True}])
@pytest.mark.parametrize("player", [MouseObserver, Oracle])
def test_does_not_lick_when_it_does_not_pay(player, keywords):
    envs = many(200, **keywords)
    found = run_episodes(player(envs), envs, seed=0)
    assert not found.actions.any()
    assert found.trials["consumed"].any() == ("pavlovian" in keywords)


def test_observer_sees_nothing_hidden():
    """It acts alike knowing a description only, and beside an env in quite another state."""
    envs, decoy = many(8), many(8)
    decoy.reset(seed=999)
    public = ("parameters", "layout", "action_names", "stimulus_names")
    blind = {name: getattr(envs.unwrapped, name) for name in public}
    blind = SimpleNamespace(unwrapped=SimpleNamespace(**blind))
    agents, met = [MouseObserver(env) for env in (envs, decoy, blind)], set()
    observation, _ = envs.reset(seed=0)
    for _ in range(400):
        actions, *others = (agent.predict(observation)[0] for agent in agents)
        assert all(np.array_equal(actions, other) for other in others)
        met |= set(actions.tolist())
        observation = envs.step(actions)[0]
    assert met == {0, 1}


TAUS = [0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95]
EXPECTILES = {
    "raw": [1.3886, 2.0047, 3.3353, 5.2078, 7.7671, 10.8488, 13.8029],
    "hill": [0.5403, 0.7021, 0.9357, 1.1972, 1.4555, 1.7298, 1.8976],
    "empirical": [-2.5943, -2.1489, -1.1817, 0.1669, 1.9139, 3.7698, 4.9068],
}


@pytest.mark.parametrize("utility", EXPECTILES)
def test_expectile_predictions(utility):
    """After the reward odour those of the specification, section 2.4; nothing after the other."""
    p = started(utility=utility).parameters
    for moment in ("reward odour", "reward delivery"):
        found = expectile_predictions(p, moment, TAUS)
        assert found == pytest.approx(EXPECTILES[utility], abs=1e-4)
    for moment in ("nothing odour", "consumed magnitude"):
        assert expectile_predictions(p, moment, TAUS) == pytest.approx(np.zeros(7), abs=1e-12)
    before = expectile_predictions(p, "houselight", 0.5)
    assert before == pytest.approx(0.798 * EXPECTILES[utility][3], abs=1e-4)


@pytest.fixture(scope="module", params=EXPECTILES)
def conditioned(request):
    envs = many(pavlovian=True, utility=request.param, dt=0.5)
    return envs, run_episodes(MouseObserver(envs), envs, seed=0).trials


@pytest.mark.parametrize("moment", ["houselight", "reward odour", "nothing odour"])
def test_outcomes_are_those_of_the_task(conditioned, moment):
    """What a Pavlovian subject gets is distributed as told, and its expectiles are those told."""
    envs, played = conditioned
    kind = {"reward odour": CUED, "nothing odour": NOTHING}.get(moment)
    got = played["trial_reward"].to_numpy()[(played["trial_type"] == kind) | (kind is None)]
    values, probabilities = outcome_distribution(envs.unwrapped.parameters, moment)
    assert probabilities.sum() == pytest.approx(1)
    for value in np.unique(values):
        assert within((got == value).sum(), len(got), min(probabilities[values == value].sum(), 1))
    for tau in (0.1, 0.5, 0.9):
        error = got - expectile_predictions(envs.unwrapped.parameters, moment, tau)
        pull = np.where(error > 0, tau, 1 - tau) * error
        assert abs(pull.mean()) <= 4.5 * pull.std() / len(got) ** 0.5 + 1e-12


def test_unknown_moment():
    with pytest.raises(ValueError, match=r"seen must be one of .*got 'odour'"):
        expectile_predictions(started().parameters, "odour", 0.5)


def test_picture():
    env = started()

    def drawn(**fields):
        put(env, **fields)
        record_ = env.get_state().view(np.recarray)[0]
        return [item.text for item in env.task.picture(record_, env.parameters)]

    times = {"onset": 10, "odour_end": 20, "delivery": 25, "window_end": 30, "end": 35}
    waiting = drawn(**times, magnitude=2.5, smelt=0, stage=INTERVAL, step=3)
    assert waiting == ["wait for an odour or for water", "spout"]
    smelling = ["an odour: what does it announce?", "spout"]
    assert drawn(stage=ODOUR, step=12) == [*smelling, "reward odour"]
    assert drawn(smelt=1) == [*smelling, "nothing odour"]
    assert drawn(last_action=1) == [*smelling, "nothing odour", "lick"]
    assert drawn(stage=OUTCOME, step=25, last_action=0) == ["water: lick!", "spout", "water"]
    assert drawn(step=26, consumed=True, taste=0.125) == ["water", "spout", "2.5 ul"]
    assert drawn(step=30, consumed=False) == ["the trial is over", "spout"]
