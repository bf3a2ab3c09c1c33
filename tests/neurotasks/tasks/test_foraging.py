"""The foraging task and its observers, step by step, and against numbers worked out elsewhere."""

import math

import gymnasium as gym
import numpy as np
import pytest
from by_hand import put, within

import neurotasks  # noqa: F401
from neurotasks.episodes import run_episodes
from neurotasks.errors import OptionError, ParameterError
from neurotasks.observers import (
    BayesForaging,
    BiasedForaging,
    LeakyIncomeForaging,
    MatchingForaging,
    Oracle,
    RandomAgent,
    WinStayLoseShiftForaging,
)

FORAGING = "neurotasks/Foraging-v0"
FIXATION, CHOICE = 0, 1
LEFT, RIGHT, CENTRE = 0, 1, 2
sides = pytest.mark.parametrize("side", [LEFT, RIGHT])

pytestmark = pytest.mark.filterwarnings("error")


def started(options=None, **keywords):
    env = gym.make(FORAGING, trial_log=True, **keywords).unwrapped
    env.reset(seed=0, options=options)
    return env


@pytest.fixture
def env():
    return started()


def seen(env, observation):
    """Return the names of what is shown."""
    stimulus = observation[env.layout["stimulus"]]
    return [env.stimulus_names[i] for i in np.flatnonzero(stimulus == 1)]


def since(env):
    """Return n of the two arms."""
    return env.get_state()["trials_since"][0].tolist()


def vector(lanes, **keywords):
    return gym.make_vec(
        FORAGING, num_envs=lanes, autoreset_mode="SameStep", trial_log=True, **keywords
    )


@pytest.mark.parametrize(("p_baited", "best"), [((0.2, 0.3), RIGHT), ((0.3, 0.2), LEFT)])
def test_fixation(env, p_baited, best):
    observation, info = put(env, stage=FIXATION, p_baited=p_baited)
    assert seen(env, observation) == ["fixation"]
    assert (info["stage"], info["best_action"]) == (FIXATION, CENTRE)
    observation, reward, over, _, info = env.step(CENTRE)
    assert (reward, over) == (0, False)
    assert seen(env, observation) == ["arms"]
    assert (info["stage"], info["trial"], info["new_trial"]) == (CHOICE, 0, False)
    assert info["best_action"] == best


@sides
def test_fixation_error_is_no_trial(env, side):
    put(env, p0=(0.2, 0.3), trials_since=(0, 4), p_baited=(0.2, 0.8))
    for _ in range(3):
        observation, reward, over, _, info = env.step(side)
        assert (reward, over) == (-1, False)
        assert seen(env, observation) == ["fixation"]
        assert (info["stage"], info["trial"], info["new_trial"]) == (FIXATION, 0, False)
        assert since(env) == [0, 4]
        assert info["p_baited"].tolist() == [0.2, 0.8]
    assert len(env.trial_table()) == 0


@sides
@pytest.mark.parametrize("luck", [(0.29, 0.61), (0.31, 0.59)])
def test_choice(env, side, luck):
    """The left arm pays with 0.3, the right one with 0.6."""
    put(env, stage=CHOICE, p0=(0.3, 0.2), trials_since=(0, 3), p_baited=(0.3, 0.6), luck=luck)
    observation, reward, over, _, info = env.step(side)
    assert (reward, over) == (luck[side] < (0.3, 0.6)[side], False)
    assert seen(env, observation) == ["fixation"]
    assert (info["stage"], info["trial"], info["new_trial"]) == (FIXATION, 1, True)
    assert since(env) == ([0, 4] if side == LEFT else [1, 0])
    expected = [0.3, 0.6 + 0.4 * 0.2] if side == LEFT else [0.3 + 0.7 * 0.3, 0.2]
    assert info["p_baited"] == pytest.approx(expected)
    (row,) = env.trial_table().to_dict("records")
    assert (row["choice"], row["outcome"], row["correct"]) == (side, reward, side == RIGHT)
    assert (row["trials_since_0"], row["trials_since_1"]) == (0, 3)
    assert (row["p_baited_0"], row["p_baited_1"]) == (0.3, 0.6)


@sides
def test_either_arm_is_correct_when_they_are_equal(env, side):
    put(env, stage=CHOICE, p_baited=(0.3, 0.3))
    env.step(side)
    assert env.trial_table()["correct"].all()


def test_central_response_at_the_choice(env):
    """It costs 1 and ends the trial; neither arm was chosen, so both are baited on."""
    put(env, stage=CHOICE, p0=(0.2, 0.3), trials_since=(0, 2), p_baited=(0.2, 0.657), luck=0.0)
    observation, reward, over, _, info = env.step(CENTRE)
    assert (reward, over) == (-1, False)
    assert seen(env, observation) == ["fixation"]
    assert (info["trial"], info["new_trial"]) == (1, True)
    assert since(env) == [1, 3]
    assert info["p_baited"] == pytest.approx([1 - 0.8**2, 1 - 0.7**4])
    (row,) = env.trial_table().to_dict("records")
    assert (row["choice"], row["outcome"], row["correct"]) == (-1, -1, False)
    assert row["trial_reward"] == -1


def test_bait_grows_while_an_arm_is_left_alone():
    env = started({"p0": (0.1, 0.4)}, fixation=False, split="test")
    for n in range(100):
        info = env.get_state()[0]
        assert since(env) == [0, n]
        assert info["p_baited"] == pytest.approx([0.1, 1 - 0.6 ** (n + 1)], abs=1e-12)
        env.step(LEFT)


def test_step_cap(env):
    for _ in range(199):
        assert not env.step(LEFT)[2]
    assert env.step(LEFT)[1:3] == (-1, True)
    bare = started(fixation=False, trials=7)
    assert [bare.step(LEFT)[2] for _ in range(7)] == [False] * 6 + [True]


def test_no_fixation():
    env = started(fixation=False)
    assert env.action_names == ("left", "right")
    assert env.stimulus_names == ("arms",)
    assert env.observation_space.low.min() == 0
    assert started().observation_space.low.min() == -1
    observation, info = env.reset(seed=1, options={"p0": (0.1, 0.4)})
    for trial in range(10):
        assert seen(env, observation) == ["arms"]
        assert (info["stage"], info["trial"], info["new_trial"]) == (CHOICE, trial, True)
        assert info["best_action"] == info["p_baited"].argmax()
        observation, _, _, _, info = env.step(RIGHT)
    assert (env.trial_table()["steps"] == 1).all()


def test_reset_can_fix_p0():
    env = started({"p0": (1.0, 0.0)})
    for _ in range(20):
        env.step(CENTRE)
        assert env.step(LEFT)[1] == 1
        env.step(CENTRE)
        assert env.step(RIGHT)[1] == 0
    with pytest.raises(OptionError, match="p0"):
        env.reset(options={"p0": (1.1, 0.0)})


@pytest.mark.parametrize(
    ("left", "held_out"), [(0.05, False), (0.15, True), (0.25, False), (0.35, True), (0.45, False)]
)
def test_held_out(left, held_out):
    """Also where an option fixes p0."""
    env = gym.make(FORAGING, split="test")
    assert env.reset(options={"p0": (left, 0.5 - left)})[1]["held_out"] == held_out


def draws(**keywords):
    envs = vector(10_000, **keywords)
    envs.reset(seed=0)
    return envs.unwrapped.get_state()


@pytest.mark.parametrize("p0_sum", [0.5, 1.0])
def test_p0_in_training(p0_sum):
    state = draws(p0_sum=p0_sum)
    assert state["p0"].sum(axis=1) == pytest.approx(p0_sum)
    assert not state["held_out"].any()
    place = state["p0"][:, LEFT] / p0_sum * 5
    for fifth, share in enumerate((1 / 3, 0, 1 / 3, 0, 1 / 3)):
        inside = (place >= fifth) & (place < fifth + 1)
        assert within(inside.sum(), 10_000, share)
        upper = (place[inside] >= fifth + 0.5).sum()
        assert within(upper, inside.sum(), 0.5)


def test_p0_in_the_test():
    state = draws(split="test")
    place = state["p0"][:, LEFT] / 0.05
    for tenth in range(10):
        assert within((np.floor(place) == tenth).sum(), 10_000, 0.1)
    assert within(state["held_out"].sum(), 10_000, 0.4)
    assert np.array_equal(state["held_out"], np.floor(place / 2) % 2 == 1)


@pytest.mark.parametrize(
    ("keywords", "low", "high"),
    [
        ({}, 50, 100),
        ({"split": "test"}, 100, 100),
        ({"trials": 30}, 30, 30),
        ({"trials": 60}, 50, 60),
        ({"trials": 60, "split": "test"}, 60, 60),
        ({"min_trials": 99}, 99, 100),
    ],
)
def test_number_of_trials(keywords, low, high):
    trials = draws(**keywords)["trials"]
    for number in range(low, high + 1):
        assert within((trials == number).sum(), 10_000, 1 / (high - low + 1))
    assert (trials.min(), trials.max()) == (low, high)


@pytest.mark.parametrize(
    "keywords", [{"p0_sum": 1.1}, {"min_trials": 0}, {"trials": 0}, {"fixation": 1}]
)
def test_parameters_are_checked(keywords):
    with pytest.raises((ParameterError, gym.error.InvalidProbability), match=next(iter(keywords))):
        gym.make(FORAGING, **keywords)


@pytest.fixture(scope="module")
def random_play():
    envs = vector(5000, fixation=False, split="test")
    return run_episodes(RandomAgent(envs, seed=0), envs, seed=0).trials


@sides
def test_how_often_an_arm_pays(random_play, side):
    """p(a) = 1 - (1 - p0(a))^(n(a) + 1), n counted anew from the choices."""
    choices = random_play["choice"].to_numpy().reshape(5000, 100)
    outcomes = random_play["outcome"].to_numpy().reshape(5000, 100)
    p0 = random_play[f"p0_{side}"].to_numpy().reshape(5000, 100)[:, 0]
    n, counted = np.zeros(5000, int), []
    for trial in range(100):
        counted.append(n)
        n = np.where(choices[:, trial] == side, 0, n + 1)
    counted = np.stack(counted, axis=1)
    assert np.array_equal(counted.ravel(), random_play[f"trials_since_{side}"])
    for n in range(7):
        at_n = (choices == side) & (counted == n)
        p = (1 - (1 - p0[:, None]) ** (n + 1)) * np.ones(100)
        excess = (outcomes - p)[at_n].sum()
        assert abs(excess) <= 4.5 * np.sqrt((p * (1 - p))[at_n].sum())
        assert at_n.sum() > 1500  # half of 500,000 / 2^(n + 1)


def test_luck_of_the_arms_is_independent():
    """Of that of the other arm, of the next trial's and of the next lane's."""
    envs = vector(3000, fixation=False, trials=100, min_trials=100)
    envs.reset(seed=0)
    luck = []
    for _ in range(30):
        luck.append(envs.unwrapped.get_state()["luck"] < 0.5)
        envs.step(np.zeros(3000, int))
    luck = np.stack(luck)
    pairs = [(luck[..., 0], luck[..., 1]), *((luck[1:], luck[:-1]), (luck[:, 1:], luck[:, :-1]))]
    for a, b in pairs:
        assert within((a == b).sum(), a.size, 0.5)


# Wang 2018: reference values of the specification, section 2, computed by independent simulation
# (100 trials, p0(left) uniform on [0, 0.5]).
EPISODES = 4000


def reward(observer, **keywords):
    """Return the mean reward of a trial, and its standard error over episodes."""
    envs = vector(EPISODES, split="test")
    trials = run_episodes(observer(envs, seed=1, **keywords), envs, seed=0).trials
    assert (trials["outcome"] >= 0).all()
    by_episode = trials.groupby("env")["outcome"].mean()
    return by_episode.mean(), by_episode.std() / math.sqrt(EPISODES)


def expected_reward(q):
    """Return the exact reward a trial of choosing right with probability q(p0 of both)."""
    left = (np.arange(2000) + 0.5) / 4000
    p0 = np.stack([left, 0.5 - left])
    chosen = np.stack([1 - q(p0), q(p0)])
    n = np.arange(100)[:, None, None]
    since = chosen * (1 - chosen) ** n * (1 - (1 - p0) ** (n + 1))  # last chosen n + 1 trials ago
    never = (1 - chosen) ** n * (1 - (1 - p0) ** (n + 1))
    before = np.concatenate([np.zeros_like(since[:1]), np.cumsum(since, axis=0)[:-1]])
    return (chosen * (before + never)).sum(axis=1).mean()


@pytest.mark.parametrize(
    ("q", "table"),
    [
        (lambda p0: np.full(p0.shape[1], 0.5), 0.375),
        (lambda p0: (p0[1] > p0[0]) * 1.0, 0.375),
        # The exact value is 0.4305: the table's has the error of its own, unstated, sample.
        pytest.param(lambda p0: p0[1] / p0.sum(axis=0), 0.432, id="matching"),
    ],
)
def test_table_is_the_exact_value(q, table):
    assert expected_reward(q) == pytest.approx(table, abs=0.002)


@pytest.mark.slow
def test_matching_reward():
    mean, error = reward(MatchingForaging)
    exact = expected_reward(lambda p0: p0[1] / p0.sum(axis=0))
    assert abs(mean - exact) <= 4.5 * error
    assert error < 0.001


@pytest.mark.slow
@pytest.mark.parametrize(("observer", "table"), [(Oracle, 0.451), (LeakyIncomeForaging, 0.395)])
def test_reward(observer, table):
    mean, error = reward(observer)
    assert abs(mean - table) <= 3 * error + 0.0005
    assert error < 0.0015


@pytest.mark.slow
def test_random_choices_earn_what_the_table_says(random_play):
    by_episode = random_play.groupby("env")["outcome"].mean()
    error = by_episode.std() / math.sqrt(len(by_episode))
    assert abs(by_episode.mean() - 0.375) <= 3 * error + 0.0005


@pytest.mark.slow
def test_bayes_observer_lies_between_matching_and_the_oracle():
    mean, error = reward(BayesForaging)
    assert 0.432 + 4.5 * error < mean < 0.451 - 4.5 * error


def steps_of(agent, env, plan):
    """Let an observer see the choices and rewards of a plan; return what it remembers then."""
    observation = np.zeros((1, *env.observation_space.shape), np.float32)
    observation[:, 0] = 1
    memory = agent.predict(observation)[1]
    for choice, paid in plan:
        observation[:] = 0
        observation[:, [0, 1 + choice]] = 1
        observation[:, -1] = paid
        memory = agent.predict(observation, memory, np.zeros(1, bool))[1]
    return memory


def test_bayes_belief_by_hand():
    """Left pays at n = 0, then right at n = 1, then left does not at n = 1, nor again at n = 0."""
    env = gym.make(FORAGING, fixation=False)
    agent = BayesForaging(env)
    memory = steps_of(agent, env, [(LEFT, 1), (RIGHT, 1), (LEFT, 0), (LEFT, 0)])
    left = (np.arange(50) + 0.5) / 100
    right = 0.5 - left
    likelihood = left * (1 - (1 - right) ** 2) * (1 - left) ** 2 * (1 - left)
    assert memory["belief"][0] == pytest.approx(likelihood / likelihood.sum())
    assert memory["empty"][0] == pytest.approx(np.stack([1 - left, (1 - right) ** 3]))
    expected = (likelihood * (1 - (1 - right) ** 3)).sum() > (likelihood * left).sum()
    assert agent.p_right(memory).tolist() == [float(expected)] == [1.0]


def test_bayes_observer_does_not_favour_a_side():
    envs = vector(10_000, fixation=False)
    first = BayesForaging(envs, seed=0).predict(envs.reset(seed=0)[0])[0]
    assert within(first.sum(), 10_000, 0.5)


def test_bayes_belief_survives_what_it_holds_impossible():
    env = gym.make(FORAGING, fixation=False, p0_sum=0.0)
    memory = steps_of(BayesForaging(env), env, [(LEFT, 1)])
    assert memory["belief"][0] == pytest.approx(np.full(50, 1 / 50))


def test_leaky_income_by_hand():
    env = gym.make(FORAGING, fixation=False)
    agent = LeakyIncomeForaging(env, tau=5, income=2)
    memory = steps_of(agent, env, [(LEFT, 1), (RIGHT, 0), (RIGHT, 1)])
    decay = math.exp(-1 / 5)
    income = 2 * decay**3 + np.array([decay**2, 1])
    assert memory["state"]["income"][0] == pytest.approx(income)


@pytest.mark.parametrize(("paid", "p_right"), [(0, 0.5), (1, 1.0)])
def test_an_arm_without_any_income_is_never_tried_again(paid, p_right):
    agent = LeakyIncomeForaging(gym.make(FORAGING, fixation=False), seed=0, income=0)
    observation = np.zeros((2000, *agent.env.observation_space.shape), np.float32)
    observation[:, 0] = 1
    memory = agent.predict(observation)[1]
    observation[:, 1 + RIGHT], observation[:, -1] = 1, paid
    choices = agent.predict(observation, memory, np.zeros(2000, bool))[0]
    assert within((choices == RIGHT).sum(), 2000, p_right)


def test_income_of_all_trials_alike():
    env = gym.make(FORAGING, fixation=False)
    memory = steps_of(LeakyIncomeForaging(env, tau=np.inf), env, [(LEFT, 1)] + [(RIGHT, 0)] * 98)
    assert memory["state"]["income"][0] == pytest.approx([1.6, 0.6])


def test_bayes_observer_of_some_p0():
    env = gym.make(FORAGING, fixation=False)
    memory = steps_of(BayesForaging(env, p0_left=(0.1, 0.4)), env, [(LEFT, 1)])
    assert memory["belief"][0] == pytest.approx([0.2, 0.8])


def test_win_stay_lose_shift():
    env = gym.make(FORAGING, fixation=False)
    agent = WinStayLoseShiftForaging(env)
    for last, right in (((LEFT, 1), 0), ((LEFT, 0), 1), ((RIGHT, 1), 1), ((RIGHT, 0), 0)):
        assert agent.p_right(steps_of(agent, env, [(RIGHT, 1), last])).tolist() == [right]


def test_biased_player():
    """Its bias is that of an episode, and has nothing to do with p0."""
    trials = run_episodes(BiasedForaging(vector(2000, split="test"), seed=0), seed=0).trials
    episodes = trials.groupby("env")
    right, p0 = episodes["choice"].mean(), episodes["p0_1"].first()
    assert right.quantile([0.25, 0.5, 0.75]).tolist() == pytest.approx([0.25, 0.5, 0.75], abs=0.04)
    assert abs(right.corr(p0)) < 0.07
    halves = trials.groupby(["env", trials["trial"] < 50])["choice"].mean().unstack()
    assert halves[True].corr(halves[False]) > 0.9


@pytest.mark.parametrize(("p0", "p"), [((0.1, 0.4), 0.8), ((0.0, 0.0), 0.5)])
def test_matching_player_knows_p0(p0, p):
    envs = vector(10_000, fixation=False)
    observation, _ = envs.reset(seed=0, options={"p0": p0})
    choices = MatchingForaging(envs, seed=0).predict(observation)[0]
    assert within(choices.sum(), 10_000, p)


@pytest.mark.parametrize("observer", [BayesForaging, LeakyIncomeForaging, MatchingForaging])
@pytest.mark.parametrize("fixation", [True, False])
def test_observers_make_no_error(observer, fixation):
    envs = vector(50, fixation=fixation)
    played = run_episodes(observer(envs, seed=0), envs, seed=0)
    assert (played.trials["steps"] == 1 + fixation).all()
    assert (played.rewards[played.alive] >= 0).all()


def test_observers_play_on_after_an_episode_without_fixation():
    envs = gym.make_vec(FORAGING, num_envs=3, fixation=False, trials=3)
    for kind in (BayesForaging, LeakyIncomeForaging, MatchingForaging):
        observer, (observation, _) = kind(envs), envs.reset(seed=0)
        for _ in range(20):  # envs.step refuses what is no action
            observation = envs.step(observer.predict(observation)[0])[0]
