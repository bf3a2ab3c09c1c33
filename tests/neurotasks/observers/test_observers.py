"""Observers against numbers worked out elsewhere, and what they may not see."""

import copy
import dataclasses
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from by_hand import within
from gymnasium.vector.utils import create_empty_array

import neurotasks
from neurotasks.core import Task
from neurotasks.core.lanes import lane_of
from neurotasks.errors import ParameterError, TaskDefinitionError
from neurotasks.observers import (
    BayesForaging,
    BayesRiskyChoice,
    BayesTwoStep,
    BayesVolatility,
    BiasedForaging,
    CachedValueObserver,
    ConstantHazardVolatility,
    FilteringTwoStepDaw,
    HarlowObserver,
    HarlowPixelsObserver,
    InferringObserver,
    LeakyIncomeForaging,
    ModelFreeTwoStep,
    MouseObserver,
    Oracle,
    RandomAgent,
    RescorlaWagnerRiskyChoice,
    RescorlaWagnerVolatility,
    WinStayLoseShiftForaging,
    reference_observer,
)
from neurotasks.observers.two_step import update_belief

TWO_STEP, TWO_STEP_2016 = "neurotasks/TwoStep-v0", "neurotasks/TwoStep2016-v0"
HARLOW, HARLOW_PIXELS = "neurotasks/Harlow-v0", "neurotasks/HarlowPixels-v0"
PLAYERS = [(id, RandomAgent) for id in neurotasks.TASKS] + [
    (TWO_STEP, BayesTwoStep),
    (TWO_STEP_2016, BayesTwoStep),
    (TWO_STEP, ModelFreeTwoStep),
    (TWO_STEP_2016, ModelFreeTwoStep),
    ("neurotasks/TwoStepDaw-v0", FilteringTwoStepDaw),
    ("neurotasks/TwoStepMiranda-v0", FilteringTwoStepDaw),
    (HARLOW, HarlowObserver),
    (HARLOW_PIXELS, HarlowPixelsObserver),
    ("neurotasks/Foraging-v0", BayesForaging),
    ("neurotasks/Foraging-v0", LeakyIncomeForaging),
    ("neurotasks/Foraging-v0", WinStayLoseShiftForaging),
    ("neurotasks/Foraging-v0", BiasedForaging),
    ("neurotasks/Volatility-v0", BayesVolatility),
    ("neurotasks/Volatility-v0", ConstantHazardVolatility),
    ("neurotasks/Volatility-v0", RescorlaWagnerVolatility),
    ("neurotasks/InferredValue-v0", InferringObserver),
    ("neurotasks/InferredValue-v0", CachedValueObserver),
    ("neurotasks/RiskyChoice-v0", BayesRiskyChoice),
    ("neurotasks/RiskyChoice-v0", RescorlaWagnerRiskyChoice),
    ("neurotasks/VariableReward-v0", MouseObserver),
    ("neurotasks/VariableProbability-v0", MouseObserver),
    ("neurotasks/SameMean-v0", MouseObserver),
    ("neurotasks/VariableRewardLatency-v0", MouseObserver),
    ("neurotasks/VariableProbabilityLatency-v0", MouseObserver),
]
players = pytest.mark.parametrize(("id", "observer"), PLAYERS)

pytestmark = pytest.mark.filterwarnings("error")


def trials(id, observer, lanes, seed=0, env=None, **keywords):
    """Play one episode on every lane; return the columns of the trial table in order."""
    envs = gym.make_vec(
        id, num_envs=lanes, autoreset_mode="SameStep", trial_log=True, **(env or {})
    )
    agent = observer(envs, seed=1, **keywords)
    observation, _ = envs.reset(seed=seed)
    memory, start, playing = None, np.ones(lanes, bool), np.ones(lanes, bool)
    while playing.any():
        actions, memory = agent.predict(observation, memory, start)
        observation, _, start, _, _ = envs.step(actions)
        playing &= ~start
    table = envs.unwrapped.trial_table()
    table = table[table["episode"] == 0].sort_values(["env", "trial"])
    return {name: table[name].to_numpy() for name in table}


def stays(played):
    """Return P(same first-stage choice again) after RC, RU, UC and UU trials."""
    follows = (played["env"][1:] == played["env"][:-1]) & (played["trial"][1:] > 0)
    stay = played["choice"][1:] == played["choice"][:-1]
    rewarded, common = played["outcome"][:-1] == 1, played["common"][:-1]
    assert (played["outcome"] >= 0).all()
    return [
        stay[follows & (rewarded == r) & (common == c)].mean()
        for r, c in ((True, True), (True, False), (False, True), (False, False))
    ]


# Wang 2018: reference values of the specification, section 5, computed by independent simulation.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("lapse", "expected"), [(0.01, [0.989, 0.635, 0.626, 0.989]), (0.0, [1.0, 0.669, 0.659, 1.0])]
)
def test_bayes_observer_reproduces_the_stay_probabilities(lapse, expected):
    played = trials(TWO_STEP, BayesTwoStep, 10_000, lapse=lapse)
    assert stays(played) == pytest.approx(expected, abs=0.01)
    first = played["choice"][played["trial"] == 0]
    assert within(first.sum(), len(first), 0.5)
    if not lapse:
        assert played["trial_reward"].mean() == pytest.approx(0.705, abs=0.01)


@pytest.mark.slow
def test_model_free_learner():
    played = trials(TWO_STEP, ModelFreeTwoStep, 10_000)
    rc, ru, uc, uu = found = stays(played)
    assert found == pytest.approx([0.948, 0.851, 0.496, 0.696], abs=0.01)
    assert (rc + ru - uc - uu) / 2 >= 0.2
    assert played["trial_reward"].mean() == pytest.approx(0.635, abs=0.01)


@players
def test_memory_begins_anew_in_next_step_mode(id, observer):
    """There the observation with `terminated` is the last one, and the next one the first."""
    envs = gym.make_vec(id, num_envs=2, trials=2)
    agent = observer(envs, seed=1)
    observation, memory, over = envs.reset(seed=0)[0], None, np.zeros(2, bool)
    for _ in range(1000):
        actions, memory = agent.predict(observation, memory, over)
        began = over
        observation, _, over, _, _ = envs.step(actions)
        if began.any():
            break
    assert began.any()
    other = copy.deepcopy(agent)
    found = agent.predict(observation, memory, over)
    wanted = other.predict(observation, memory, began | over)
    assert np.array_equal(found[0], wanted[0])
    assert found[1].tobytes() == wanted[1].tobytes()


def test_random_agent_stays_half_of_the_time():
    played = trials(TWO_STEP, RandomAgent, 2000, env={"fixation": False})
    follows = played["trial"][1:] > 0
    stay = (played["choice"][1:] == played["choice"][:-1])[follows]
    assert within(stay.sum(), len(stay), 0.5)
    assert within(played["trial_reward"].sum(), len(played["env"]), 0.5)


@pytest.mark.parametrize("id", neurotasks.TASKS)
def test_random_agent_takes_every_action_equally_often(id):
    env = gym.make(id)
    agent = RandomAgent(env, seed=0)
    blank = create_empty_array(env.observation_space, 30_000, np.zeros)
    actions = agent.predict(blank)[0]
    for action in range(env.action_space.n):
        assert within((actions == action).sum(), 30_000, 1 / env.action_space.n)


@pytest.mark.parametrize(
    ("id", "env", "p"),
    [
        (TWO_STEP, {}, 0.8 * 0.9 + 0.2 * 0.1),  # 0.74
        (TWO_STEP_2016, {}, 0.75 * 0.9 + 0.25 * 0.1),  # 0.7
        (TWO_STEP, {"p_common": 0.2}, 0.8 * 0.9 + 0.2 * 0.1),
    ],
)
def test_oracle_chooses_the_better_side(id, env, p):
    played = trials(id, Oracle, 2000, env=env)
    assert len(played["env"]) == 2000 * 100
    assert within(played["outcome"].sum(), 2000 * 100, p)
    assert np.array_equal(played["trial_reward"], played["outcome"])


def test_bayes_observer_turns_round_where_rare_is_frequent():
    common = trials(TWO_STEP, BayesTwoStep, 4000)["outcome"].mean()
    rare = trials(TWO_STEP, BayesTwoStep, 4000, env={"p_common": 0.2})["outcome"].mean()
    assert rare == pytest.approx(common, abs=0.01)


P = SimpleNamespace(p_reward=0.9, p_reversal=0.025)


@pytest.mark.parametrize(
    ("belief", "state", "reward", "expected"),
    [
        (0.5, 1, 1, 0.9 * 0.975 + 0.1 * 0.025),
        (0.5, 1, 0, 0.1 * 0.975 + 0.9 * 0.025),
        (0.5, 0, 1, 0.1 * 0.975 + 0.9 * 0.025),
        (0.5, 0, 0, 0.9 * 0.975 + 0.1 * 0.025),
        # 0.8 * 0.1 / (0.8 * 0.1 + 0.2 * 0.9) = 4/13
        (0.8, 1, 0, 4 / 13 * 0.975 + 9 / 13 * 0.025),
        # 0.2 * 0.9 / (0.2 * 0.9 + 0.8 * 0.1) = 9/13
        (0.2, 0, 0, 9 / 13 * 0.975 + 4 / 13 * 0.025),
        (1.0, 0, 1, 0.975),
    ],
)
def test_belief_by_hand(belief, state, reward, expected):
    found = update_belief(*(np.array([x]) for x in (belief, state, reward)), P)
    assert found == pytest.approx([expected], abs=1e-12)


def test_belief_of_many_lanes_and_without_reversal():
    p = SimpleNamespace(p_reward=0.9, p_reversal=0.0)
    belief = np.array([0.5, 0.5, 0.8])
    found = update_belief(belief, np.array([1, 0, 1]), np.array([1, 1, 0]), p)
    assert found == pytest.approx([0.9, 0.1, 4 / 13])
    assert belief.tolist() == [0.5, 0.5, 0.8]


def test_belief_survives_what_it_holds_impossible():
    p = SimpleNamespace(p_reward=1.0, p_reversal=0.0)
    assert update_belief(np.array([1.0]), np.array([0]), np.array([1.0]), p) == [1.0]


harlow_observers = pytest.mark.parametrize(
    ("id", "observer", "lanes"),
    [(HARLOW, HarlowObserver, 4000), (HARLOW_PIXELS, HarlowPixelsObserver, 1700)],
)


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "test"])
@harlow_observers
def test_harlow_observer_learns_from_one_trial(id, observer, lanes, split):
    played = trials(id, observer, lanes, env={"split": split})
    correct = played["correct"].reshape(lanes, 6)
    assert within(correct[:, 0].sum(), lanes, 0.5)
    assert correct[:, 1:].all()


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("id", [HARLOW, HARLOW_PIXELS])
def test_harlow_oracle_is_always_right(id, split):
    played = trials(id, Oracle, 1000, env={"split": split})
    assert played["correct"].tolist() == [True] * 6000
    assert played["trial_reward"] == pytest.approx([1.2] * 6000)


@players
def test_observers_see_nothing_hidden(id, observer):
    """They act alike knowing a description only, and beside an env in quite another state."""
    envs, decoy = gym.make_vec(id, num_envs=8), gym.make_vec(id, num_envs=8)
    decoy.reset(seed=999)
    base = envs.unwrapped
    public = ("task", "parameters", "layout", "action_names", "stimulus_names")
    blind = SimpleNamespace(unwrapped=SimpleNamespace(**{n: getattr(base, n) for n in public}))
    agents = [observer(env, seed=3) for env in (envs, decoy, blind)]
    observation, _ = envs.reset(seed=0)
    memories, start, actions_met = [None] * 3, np.ones(8, bool), set()
    for _ in range(400):
        played = [
            agent.predict(observation, memory, start)
            for agent, memory in zip(agents, memories, strict=True)
        ]
        memories = [memory for _, memory in played]
        actions = played[0][0]
        assert all(np.array_equal(actions, others) for others, _ in played)
        actions_met |= set(actions.tolist())
        observation, _, start, _, _ = envs.step(actions)
        decoy.step(np.zeros(8, int))
    assert len(actions_met) == len(base.action_names)


@pytest.mark.parametrize("id", neurotasks.TASKS)
def test_only_the_oracle_sees_the_hidden_state(id):
    env = gym.make(id)
    observation, _ = env.reset(seed=0)
    oracle, seen = Oracle(env), set()
    for best in range(len(env.unwrapped.action_names)):
        state = env.unwrapped.get_state()
        state["best_action"] = best
        env.unwrapped.set_state(state)
        seen.add(int(oracle.predict(observation)[0]))
    assert seen == set(range(len(env.unwrapped.action_names)))


@players
def test_single_observation(id, observer):
    """A lane alone, called without batch, plays what it plays in a batch of one."""
    env, envs = gym.make(id), gym.make_vec(id, num_envs=1, autoreset_mode="SameStep")
    agents = observer(env, seed=5), observer(envs, seed=5)
    one, batch = env.reset(seed=2)[0], envs.reset(seed=2)[0]
    memory = memories = None
    start = np.ones(1, bool)
    for _ in range(450):
        np.testing.assert_equal(one, lane_of(batch, 0))
        action, memory = agents[0].predict(one, memory, start)
        actions, memories = agents[1].predict(batch, memories, start)
        assert np.shape(action) == ()
        assert np.shape(actions) == (1,)
        assert action == actions[0]
        one, _, over, _, _ = env.step(action)
        batch, _, start, _, _ = envs.step(actions)
        assert over == start[0]
        if over:
            one = env.reset()[0]


@players
def test_memory_handed_in_is_left_alone(id, observer):
    envs = gym.make_vec(id, num_envs=4)
    agent = observer(envs, seed=0)
    observation, _ = envs.reset(seed=0)
    memory, start = None, np.ones(4, bool)
    for _ in range(20):
        kept, seen = copy.deepcopy((memory, observation))
        actions, after = agent.predict(observation, memory, start)
        np.testing.assert_equal(observation, seen)
        assert memory is None or (memory == kept).all()
        observation, _, start, _, _ = envs.step(actions)
        memory = after


def test_task_without_an_observer_is_played_by_the_oracle():
    env = gym.make(TWO_STEP).unwrapped
    env.task = dataclasses.replace(env.task, observer=Task.observer)
    assert isinstance(reference_observer(env), Oracle)
    rest = {name: field for name, field in env.task.state.items() if name != "best_action"}
    env.task = dataclasses.replace(env.task, state=rest)
    with pytest.raises(TaskDefinitionError, match="TwoStep has neither a reference observer nor"):
        reference_observer(env)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"observation": np.zeros((3, 6), np.float32)}, "observation"),
        ({"observation": np.zeros((2, 3, 4), np.float32)}, "observation"),
        ({"episode_start": np.ones(7, bool)}, "episode_start"),
        ({"state": 1}, "state"),
        ({"state": 2}, "state"),
        (
            {"state": np.zeros(3, [("losses", np.float64, (2,)), ("wins", np.float64, (2,))])},
            "state",
        ),
        ({"state": "abc"}, "state"),
    ],
)
def test_what_is_of_other_environments_is_refused(wrong, name):
    envs = gym.make_vec("neurotasks/Bandit-v0", num_envs=3)
    agent = reference_observer(envs, seed=0)
    right = {"observation": envs.reset(seed=0)[0], "state": None, "episode_start": np.ones(3, bool)}
    right["state"] = agent.predict(**right)[1]
    if isinstance(wrong.get("state"), int):
        wrong = {"state": right["state"][: wrong["state"]]}
    with pytest.raises(ParameterError, match=f"^{name} of GittinsBandit must have the shape"):
        agent.predict(**{**right, **wrong})
    agent.predict(**right)
