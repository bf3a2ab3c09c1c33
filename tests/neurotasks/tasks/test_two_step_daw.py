"""The two-step tasks of people and monkeys: states built by hand, and the design in numbers."""

import gymnasium as gym
import numpy as np
import pytest
from by_hand import put, seen, within
from scipy.stats import chi2

import neurotasks  # noqa: F401
from neurotasks.episodes import run_episodes
from neurotasks.errors import ParameterError
from neurotasks.observers import FilteringTwoStepDaw, Oracle, RandomAgent
from neurotasks.observers.two_step_daw import CELLS, renewals

ID = "neurotasks/TwoStepDaw-v0"
MIRANDA = "neurotasks/TwoStepMiranda-v0"
FIRST, SECOND = 0, 1
LEFT, RIGHT = 0, 1
P = (0.3, 0.6, 0.7, 0.4)
sides = pytest.mark.parametrize("side", [LEFT, RIGHT])

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def env():
    env = gym.make(ID, trial_log=True).unwrapped
    env.reset(seed=0)
    return env


def test_layout(env):
    assert env.action_space == gym.spaces.Discrete(2)
    assert env.stimulus_names == ("first stage", "state 0", "state 1")
    assert (env.parameters.trials, env.parameters.longest_episode) == (201, 402)
    assert (env.observation_space.low.min(), env.observation_space.high.max()) == (0, 1)


@sides
@pytest.mark.parametrize("common", [True, False])
def test_first_stage(env, side, common):
    put(env, p=P, transition_is_common=common)
    observation, reward, over, _, info = env.step(side)
    state = side if common else 1 - side
    assert (reward, over) == (0, False)
    assert seen(env, observation) == [f"state {state}"]
    assert (info["choice"], info["second_state"], info["common"]) == (side, state, common)
    assert (info["stage"], info["second_choice"], info["new_trial"]) == (SECOND, -1, False)
    assert info["best_action"] == (LEFT if state == 1 else RIGHT)


@sides
@pytest.mark.parametrize("state", [0, 1])
@pytest.mark.parametrize("luck", [-1e-9, 1e-9])
def test_second_stage(env, side, state, luck):
    """A stimulus pays if its random number is below its probability, and no other counts."""
    others = np.where(np.arange(4) == 2 * state + side, np.array(P) + luck, 0.5 + np.sign(luck) / 2)
    put(env, stage=SECOND, p=P, choice=RIGHT, second_state=state, common=state == 1, luck=others)
    observation, reward, over, _, info = env.step(side)
    assert (reward, over) == (float(luck < 0), False)
    assert seen(env, observation) == ["first stage"]
    assert (info["stage"], info["trial"], info["new_trial"]) == (FIRST, 1, True)
    assert (info["choice"], info["second_state"], info["second_choice"]) == (-1, -1, -1)
    (row,) = env.trial_table().to_dict("records")
    assert (row["choice"], row["second_state"], row["second_choice"]) == (RIGHT, state, side)
    assert (row["common"], row["outcome"], row["reward"]) == (state == 1, reward, reward)
    assert [row[f"p_{i}"] for i in range(4)] == list(P)


@pytest.mark.parametrize(("p_common", "best"), [(0.7, RIGHT), (0.3, LEFT)])
def test_best_first_choice_leads_to_the_best_stimulus(p_common, best):
    env = gym.make(ID, p_common=p_common)
    assert env.reset(seed=0, options={"p": P})[1]["best_action"] == best
    mirrored = P[2:] + P[:2]
    assert env.reset(seed=0, options={"p": mirrored})[1]["best_action"] == 1 - best


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.8, 0.2)])
def test_bounds_without_room_are_refused(low, high):
    with pytest.raises(ParameterError, match=r"p_low must be below p_high"):
        gym.make(ID, p_low=low, p_high=high)


def test_holds_without_room_are_refused():
    with pytest.raises(ParameterError, match=r"hold_low must be at most hold_high=9; got 10"):
        gym.make(MIRANDA, hold_low=10)


@pytest.mark.parametrize(("level", "outcome"), [(1.0, 1), (0.5, -1), (0.0, 0)])
@pytest.mark.parametrize("luck", [0.0, 1.0])
def test_a_level_is_paid_without_chance(level, outcome, luck):
    env = gym.make(MIRANDA, trial_log=True).unwrapped
    env.reset(seed=0)
    put(env, stage=SECOND, p=(0.0, 0.5, 1.0, level), choice=RIGHT, second_state=1, luck=luck)
    assert env.step(RIGHT)[1] == level
    (row,) = env.trial_table().to_dict("records")
    assert (row["reward"], row["outcome"], row["p_3"]) == (level, outcome, level)


@pytest.mark.parametrize("hold", [1, 2])
def test_a_level_holds_until_its_time_is_up(hold):
    """Levels drawn anew are 0.5 or 1 in two of three cases."""
    env = gym.make(MIRANDA).unwrapped
    changed = 0
    for seed in range(60):
        env.reset(seed=seed)
        put(env, stage=SECOND, p=0.0, hold=(9, 9, 9, hold), choice=RIGHT, second_state=1)
        env.step(LEFT)
        state = env.get_state()[0]
        assert (state["p"][:3] == 0).all()
        assert (state["hold"][:3] == 8).all()
        changed += state["p"][3] > 0
    assert within(changed, 60, 2 / 3) if hold == 1 else changed == 0


def played(observer, num_envs, seed=0, id=ID, **task_kwargs):
    options = {"autoreset_mode": "SameStep", "trial_log": True, **task_kwargs}
    envs = gym.make_vec(id, num_envs=num_envs, **options)
    return run_episodes(observer(envs, seed=1), envs, seed=seed).trials


@pytest.fixture(scope="module")
def design():
    return played(RandomAgent, 500)


def test_how_often_transitions_are_common(design):
    for side in (LEFT, RIGHT):
        common = design["common"][design["choice"] == side]
        assert within(common.sum(), len(common), 0.7)
    reached = np.where(design["common"], design["choice"], 1 - design["choice"])
    assert (design["second_state"] == reached).all()


@pytest.mark.parametrize("arm", range(4))
def test_stimuli_pay_as_often_as_their_probabilities_say(design, arm):
    chosen = design[2 * design["second_state"] + design["second_choice"] == arm]
    p = chosen[f"p_{arm}"]
    spread = np.sqrt((p * (1 - p)).sum())
    assert abs(chosen["outcome"].sum() - p.sum()) < 4.5 * spread
    assert len(chosen) > 20_000


def test_probabilities_drift(design):
    """By steps of 0.025, reflected at the bounds, each on its own, from a uniform start."""
    p = design[[f"p_{i}" for i in range(4)]].to_numpy().reshape(500, 201, 4)
    assert 0.25 <= p.min() < 0.26
    assert 0.74 < p.max() <= 0.75
    steps = np.diff(p, axis=1)
    inside = ((p[:, :-1] > 0.4) & (p[:, :-1] < 0.6)).reshape(-1)
    free = steps.reshape(-1)[inside]  # six standard deviations from a bound
    number = len(free)
    low, high = chi2.ppf([1e-6, 1 - 1e-6], number - 1) / (number - 1)
    assert low < free.var(ddof=1) / 0.025**2 < high
    assert abs(free.mean()) < 5 * 0.025 / np.sqrt(number)
    assert np.abs(np.corrcoef(steps.reshape(-1, 4).T) - np.eye(4)).max() < 0.02
    start = p[:, 0].reshape(-1)
    assert np.histogram(start, 4, (0.25, 0.75))[0] == pytest.approx(500, abs=100)


def test_without_drift_nothing_changes():
    trials = played(RandomAgent, 3, drift=0.0)
    assert trials.groupby("env")["p_2"].nunique().tolist() == [1, 1, 1]


def test_belief_of_the_observer():
    """Bayes' rule for the chosen stimulus; none of the others moves but by drift."""
    envs = gym.make_vec(ID, num_envs=1, autoreset_mode="SameStep", drift=0.0)
    observer = FilteringTwoStepDaw(envs, seed=0)
    memory = np.zeros(1, observer.memory)
    observer.start(memory)
    shown = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], np.float32)
    observer.act(memory, shown[:1], np.array([1]), np.zeros(1))  # state 1
    observer.act(memory, shown[1:], np.array([RIGHT]), np.ones(1))  # its right stimulus has paid
    cells = 0.25 + 0.5 * (np.arange(CELLS) + 0.5) / CELLS
    assert memory["belief"][0, 3] == pytest.approx(cells / cells.sum())
    assert memory["belief"][0, :3] == pytest.approx(np.full((3, CELLS), 1 / CELLS))
    assert observer.means(memory)[0] == pytest.approx([0.5, 0.5, 0.5, cells @ cells / cells.sum()])
    assert observer.act(memory, shown[1:], np.array([-1]), np.zeros(1)) == RIGHT
    assert observer.act(memory, shown[:1], np.array([1]), np.zeros(1)) == RIGHT


def test_belief_drifts_towards_ignorance():
    envs = gym.make_vec(ID, num_envs=1, autoreset_mode="SameStep")
    observer = FilteringTwoStepDaw(envs, seed=0)
    assert observer.moves.sum(axis=1) == pytest.approx(np.ones(CELLS))
    sure = np.eye(CELLS)[CELLS // 2]
    for _ in range(16):
        sure = sure @ observer.moves
    spread = np.sqrt(sure @ (observer.p - 0.5) ** 2)
    assert spread == pytest.approx(4 * 0.025, rel=0.15)  # bins add to it


def test_how_long_levels_hold():
    """As in the monkeys' sessions: 5 to 9 trials, then one of three with equal probability."""
    trials = played(RandomAgent, 500, id=MIRANDA)
    levels = trials[[f"p_{i}" for i in range(4)]].to_numpy().reshape(500, 100, 4)
    for level in (0.0, 0.5, 1.0):
        assert within((levels[:, 0] == level).sum(), 2000, 1 / 3)
    jumps = np.diff(levels, axis=1) != 0
    first = np.where(jumps.any(axis=1), jumps.argmax(axis=1) + 1, 100).ravel()  # it held so long
    assert first.min() == 5
    for trial in range(5, 10):  # a fifth each is drawn, and of these two thirds are another level
        assert within((first == trial).sum(), 2000, 1 / 5 * 2 / 3)
    assert (trials["reward"].isin([0.0, 0.5, 1.0])).all()
    assert ((trials["outcome"] == -1) == (trials["reward"] == 0.5)).all()


def test_what_the_observer_takes_levels_to_do():
    """Two trials at most: a level that has been seen once is drawn anew now or after one more."""
    drawn, moves = renewals(1, 2)
    assert drawn == pytest.approx(np.full(6, 1 / 6))
    assert moves[0::2] == pytest.approx(np.full((3, 6), 1 / 6))  # its last trial
    assert moves[1::2] == pytest.approx(np.eye(6)[0::2])
    envs = gym.make_vec(MIRANDA, num_envs=1, autoreset_mode="SameStep", hold_low=1, hold_high=2)
    observer = FilteringTwoStepDaw(envs, seed=0)
    memory = np.zeros(1, observer.memory)
    observer.start(memory)
    shown = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], np.float32)
    observer.act(memory, shown[:1], np.array([1]), np.zeros(1))
    observer.act(memory, shown[1:], np.array([RIGHT]), np.array([0.5]))
    # as likely as not it holds one more trial; else each level has 1/3
    assert memory["belief"][0, 3].reshape(3, 2).sum(axis=1) == pytest.approx([1 / 6, 2 / 3, 1 / 6])
    assert observer.means(memory)[0] == pytest.approx([0.5] * 4)


def test_the_observer_knows_that_levels_hold():
    """One that pays 1 is chosen for five trials and is drawn anew after nine at the latest."""
    drawn, moves = renewals(5, 9)
    assert moves.sum(axis=1) == pytest.approx(np.ones(27))
    belief = drawn * np.repeat([0, 0, 1], 9) * 3
    best = []
    for _ in range(9):
        best.append(belief.reshape(3, 9).sum(axis=1)[2])
        belief = belief @ moves
    # drawn anew after 5, 6, ... trials with 1/5 each, and the same with 1/3
    assert best == pytest.approx([1] * 5 + [1 - 2 / 3 * k / 5 for k in range(1, 5)])


@pytest.mark.slow
def test_the_observer_earns_more_than_chance_and_less_than_who_knows():
    rewards = {
        player: played(player, 500)["trial_reward"].mean()
        for player in (RandomAgent, FilteringTwoStepDaw, Oracle)
    }
    chance, filtering, knowing = rewards.values()
    assert chance == pytest.approx(0.5, abs=0.01)
    assert chance + 0.05 < filtering < knowing - 0.02
