"""The two-step task, step by step from states built by hand, and its design in numbers."""

import itertools

import gymnasium as gym
import numpy as np
import pytest
from by_hand import put, seen, within

import neurotasks  # noqa: F401

TWO_STEP, NO_REVERSAL = "neurotasks/TwoStep-v0", "neurotasks/TwoStep2016-v0"
FIXATION, FIRST, SECOND = 0, 1, 2
LEFT, RIGHT, CENTRE = 0, 1, 2
sides = pytest.mark.parametrize("side", [LEFT, RIGHT])
better = pytest.mark.parametrize("better", [0, 1])

pytestmark = pytest.mark.filterwarnings("error")


def started(id=TWO_STEP, **keywords):
    env = gym.make(id, trial_log=True, **keywords).unwrapped
    env.reset(seed=0)
    return env


@pytest.fixture
def env():
    return started()


@better
def test_fixation(env, better):
    observation, info = put(env, stage=FIXATION, better_state=better)
    assert seen(env, observation) == ["fixation"]
    assert (info["stage"], info["best_action"]) == (FIXATION, CENTRE)
    observation, reward, over, _, info = env.step(CENTRE)
    assert (reward, over) == (0, False)
    assert seen(env, observation) == ["first stage"]
    assert (info["stage"], info["trial"], info["new_trial"]) == (FIRST, 0, False)
    assert (info["choice"], info["second_state"], info["common"]) == (-1, -1, False)
    assert info["best_action"] == better


@sides
def test_fixation_error(env, side):
    for _ in range(3):
        observation, reward, over, _, info = env.step(side)
        assert (reward, over) == (-1, False)
        assert seen(env, observation) == ["fixation"]
        assert (info["stage"], info["trial"], info["new_trial"]) == (FIXATION, 0, False)
        assert info["best_action"] == CENTRE
    assert len(env.trial_table()) == 0
    observation, reward, *_ = env.step(CENTRE)
    assert reward == 0
    assert seen(env, observation) == ["first stage"]


@sides
@pytest.mark.parametrize("common", [True, False])
def test_first_stage(env, side, common):
    put(env, stage=FIRST, transition_is_common=common)
    observation, reward, over, _, info = env.step(side)
    state = side if common else 1 - side
    assert (reward, over) == (0, False)
    assert seen(env, observation) == [f"state {state}"]
    assert (info["choice"], info["second_state"], info["common"]) == (side, state, common)
    assert (info["stage"], info["trial"], info["new_trial"]) == (SECOND, 0, False)
    assert info["best_action"] in (LEFT, RIGHT)


@sides
@pytest.mark.parametrize("state", [0, 1])
@pytest.mark.parametrize("pays", [(0, 1), (1, 0), (1, 1), (0, 0)])
def test_second_stage(env, side, state, pays):
    put(env, stage=SECOND, choice=RIGHT, second_state=state, common=state == 1, pays=pays, step=2)
    observation, reward, over, _, info = env.step(side)
    assert (reward, over) == (pays[state], False)
    assert seen(env, observation) == ["fixation"]
    assert (info["stage"], info["trial"], info["new_trial"]) == (FIXATION, 1, True)
    assert (info["choice"], info["second_state"], info["common"]) == (-1, -1, False)
    assert info["best_action"] == CENTRE
    (row,) = env.trial_table().to_dict("records")
    assert (row["trial"], row["steps"], row["trial_reward"]) == (0, 3, reward)
    assert (row["choice"], row["second_state"], row["common"]) == (RIGHT, state, state == 1)
    assert row["outcome"] == reward


@pytest.mark.parametrize(("stage", "choice"), [(FIRST, -1), (SECOND, LEFT)])
def test_central_response_at_a_stage(env, stage, choice):
    """It costs 1 and ends the trial, though the state would have paid."""
    state = choice
    put(env, stage=stage, choice=choice, second_state=state, pays=1)
    observation, reward, over, _, info = env.step(CENTRE)
    assert (reward, over) == (-1, False)
    assert seen(env, observation) == ["fixation"]
    assert (info["stage"], info["trial"], info["new_trial"]) == (FIXATION, 1, True)
    (row,) = env.trial_table().to_dict("records")
    assert (row["outcome"], row["choice"], row["trial_reward"]) == (-1, choice, -1)


def test_step_cap_is_that_of_the_paper(env):
    """300 fixation errors, and the 300th ends the episode without a finished trial."""
    for _ in range(299):
        assert not env.step(LEFT)[2]
    observation, reward, terminated, truncated, info = env.step(LEFT)
    assert (reward, terminated, truncated, info["trial"]) == (-1, True, False, 0)
    assert seen(env, observation) == []
    assert len(env.trial_table()) == 0


@pytest.mark.parametrize(("trials", "cap"), [(1, 3), (7, 21)])
def test_step_cap_goes_with_the_trials(trials, cap):
    env = started(trials=trials)
    ends = [env.step(LEFT)[2] for _ in range(cap)]
    assert ends == [False] * (cap - 1) + [True]


def test_episode_ends_with_its_last_trial(env):
    put(env, trial=98, stage=SECOND, second_state=0, step=200)
    assert not env.step(LEFT)[2]
    env.step(CENTRE)
    assert env.step(CENTRE)[1:3] == (-1, True)


def test_trial_cut_off_by_the_cap_is_no_trial(env):
    put(env, step=298)
    assert not env.step(CENTRE)[2]
    assert env.step(LEFT)[2]
    assert len(env.trial_table()) == 0


def test_no_fixation():
    env = started(fixation=False)
    assert env.action_names == ("left", "right")
    assert env.stimulus_names == ("first stage", "state 0", "state 1")
    assert env.action_space == gym.spaces.Discrete(2)
    assert env.observation_space.low.tolist() == [0] * 6
    observation, info = put(env, transition_is_common=False, pays=(1, 0))
    for trial in range(100):
        assert seen(env, observation) == ["first stage"]
        assert (info["stage"], info["trial"], info["new_trial"]) == (FIRST, trial, True)
        assert info["best_action"] == info["better_state"]
        observation, reward, over, _, info = env.step(RIGHT)
        assert (reward, over) == (0, False)
        assert seen(env, observation) == [f"state {info['second_state']}"]
        observation, reward, over, _, info = env.step(LEFT)
        assert over == (trial == 99)
    first = env.trial_table().iloc[0]
    assert (first["second_state"], first["outcome"], first["steps"]) == (0, 1, 2)


def test_bounds_of_the_reward_with_fixation(env):
    part = env.layout["reward"]
    assert (env.observation_space.low[part], env.observation_space.high[part]) == (-1, 1)


def test_preset_of_2016():
    env, paper = started(NO_REVERSAL), started().parameters
    p = env.parameters
    assert (p.p_common, p.p_reversal, p.fixation) == (0.75, 0.0, False)
    assert (p.p_reward, p.trials, paper.p_reward, paper.trials) == (0.9, 100, 0.9, 100)
    assert (paper.p_common, paper.p_reversal, paper.fixation) == (0.8, 0.025, True)
    assert (p.step_cap, paper.step_cap) == (200, 300)


def test_transition_is_told_once_it_has_happened():
    env = started(p_common=1.0)
    told = [env.reset(seed=0)[-1]] + [env.step(a)[-1] for a in (CENTRE, RIGHT, LEFT, CENTRE)]
    assert [info["common"] for info in told] == [False, False, True, False, False]


@sides
@better
def test_sure_rewards_and_transitions(side, better):
    """With probabilities 0 and 1 everything follows from the choice and the better state."""
    for p_common, p_reward in itertools.product((0.0, 1.0), repeat=2):
        env = started(p_common=p_common, p_reward=p_reward, p_reversal=0.0)
        for seed in range(20):
            env.reset(seed=seed, options={"better_state": better})
            env.step(CENTRE)
            info = env.step(side)[-1]
            assert info["second_state"] == (side if p_common else 1 - side)
            assert env.step(side)[1] == ((info["second_state"] == better) == bool(p_reward))


def test_sure_reversals():
    env = started(p_reversal=1.0)
    played = table_of(env)
    assert (np.diff(played["better_state"]) != 0).all()
    assert played["reversal"][1:].all()


@better
@pytest.mark.parametrize(("p_common", "swapped"), [(0.8, False), (0.2, True)])
def test_best_action_leads_to_the_better_state_in_most_trials(better, p_common, swapped):
    env = started(p_common=p_common, p_reversal=0.0, fixation=False)
    _, info = env.reset(options={"better_state": better})
    assert info["best_action"] == (1 - better if swapped else better)
    env = started(p_common=p_common, p_reversal=0.0)
    env.reset(options={"better_state": better})
    assert env.step(CENTRE)[-1]["best_action"] == (1 - better if swapped else better)


def table_of(env):
    """Play an episode on each lane, choosing at random, never invalidly; return the trials."""
    base, rng = env.unwrapped, np.random.default_rng(1)
    base.trial_table(clear=True)
    env.reset(seed=0)
    for _ in range(base.parameters.step_cap):
        stage = base.get_state()["stage"]
        actions = np.where(stage == FIXATION, CENTRE, rng.integers(2, size=len(stage)))
        env.step(int(actions[0]) if isinstance(env, gym.Env) else actions)
    table = base.trial_table().sort_values(["env", "trial"])
    assert len(table) == len(stage) * base.parameters.trials
    return {name: table[name].to_numpy() for name in table}


@pytest.fixture(scope="module", params=[TWO_STEP, NO_REVERSAL])
def design(request):
    envs = gym.make_vec(request.param, num_envs=3000, autoreset_mode="SameStep", trial_log=True)
    played = table_of(envs)
    return envs.unwrapped.parameters, played, played["second_state"] == played["better_state"]


@sides
def test_how_often_transitions_are_common(design, side):
    p, played, _ = design
    common = played["common"][played["choice"] == side]
    assert within(common.sum(), len(common), p.p_common)
    assert np.array_equal(played["common"], played["choice"] == played["second_state"])


@pytest.mark.parametrize("good", [True, False])
@pytest.mark.parametrize("common", [True, False])
@pytest.mark.parametrize("state", [0, 1])
def test_how_often_a_state_pays(design, good, common, state):
    p, played, reached = design
    cell = (reached == good) & (played["common"] == common) & (played["second_state"] == state)
    outcome = played["outcome"][cell]
    assert within(outcome.sum(), len(outcome), p.p_reward if good else 1 - p.p_reward)


def test_how_often_the_better_state_reverses(design):
    p, played, _ = design
    later = played["trial"] > 0
    assert within(played["reversal"][later].sum(), later.sum(), p.p_reversal)
    changed = np.append(False, np.diff(played["better_state"]) != 0)
    assert np.array_equal(changed[later], played["reversal"][later])


def test_either_state_begins_as_the_better_one(design):
    _, played, _ = design
    first = played["better_state"][played["trial"] == 0]
    assert within(first.sum(), len(first), 0.5)


def test_draws_are_independent(design):
    """Of those of the next trial, of the next lane, and of each other."""
    p, played, reached = design
    common = played["common"].reshape(-1, p.trials)
    lucky = (played["outcome"] == reached).reshape(-1, p.trials)
    pairs = [(common, p.p_common), (lucky, p.p_reward)]
    for draws, chance in pairs:
        both = draws[:, ::2] & draws[:, 1::2], draws[::2] & draws[1::2]
        assert all(within(x.sum(), x.size, chance**2) for x in both)
    assert within((common & lucky).sum(), common.size, p.p_common * p.p_reward)
