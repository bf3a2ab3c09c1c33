"""The inferred-value task step by step, its design in numbers, and its observers."""

import copy
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from by_hand import put, seen, within

from neurotasks.analysis.rpe import aligned_rpes, mean_rpes, td_errors
from neurotasks.episodes import run_episodes
from neurotasks.errors import ParameterError
from neurotasks.observers import CachedValueObserver, InferringObserver, Oracle, RandomAgent

ID = "neurotasks/InferredValue-v0"
FIXATION, STIMULUS, OUTCOME, INTERVAL = 0, 1, 2, 3
LEFT, RIGHT, CENTRE = 0, 1, 2
GAMMA = 0.9
sides = pytest.mark.parametrize("side", [LEFT, RIGHT])
rewarded_sides = pytest.mark.parametrize("rewarded_side", [LEFT, RIGHT])
layouts = pytest.mark.parametrize("steps", [2, 3, 4])
observers = pytest.mark.parametrize("observer", [InferringObserver, CachedValueObserver])

pytestmark = pytest.mark.filterwarnings("error")


def started(**keywords):
    env = gym.make(ID, trial_log=True, **keywords).unwrapped
    env.reset(seed=0)
    return env


def vector(lanes, **keywords):
    return gym.make_vec(ID, num_envs=lanes, autoreset_mode="SameStep", trial_log=True, **keywords)


def fed_back(env, observation):
    return observation[env.layout["reward"]].item()


def at_target(env, side, rewarded_side):
    """Put the environment before a target, in its second trial."""
    return put(
        env,
        stage=STIMULUS,
        trial=1,
        step=env.parameters.steps_per_trial + 1,
        trial_start=env.parameters.steps_per_trial,
        target=side,
        rewarded_side=rewarded_side,
        rewarded_target=side == rewarded_side,
        best_action=side,
    )


@sides
def test_fixation(side):
    env = started()
    observation, info = put(env, target=side)
    assert seen(env, observation) == ["centre"]
    assert (info["stage"], info["best_action"], info["choice"]) == (FIXATION, CENTRE, -1)
    observation, reward, over, _, info = env.step(CENTRE)
    assert (reward, over) == (0, False)
    assert seen(env, observation) == [("left", "right")[side]]
    assert (info["stage"], info["best_action"], info["trial"]) == (STIMULUS, side, 0)


@sides
def test_fixation_error(side):
    env = started()
    for _ in range(3):
        observation, reward, over, _, info = env.step(side)
        assert (reward, over) == (-1, False)
        assert seen(env, observation) == ["centre"]
        assert (info["stage"], info["best_action"], info["trial"]) == (FIXATION, CENTRE, 0)
    assert env.step(CENTRE)[1] == 0
    assert len(env.trial_table()) == 0


@sides
@rewarded_sides
@layouts
def test_response_towards_the_target(side, rewarded_side, steps):
    """The reward comes with it, and is seen at the outcome; the rest asks for anything, free."""
    env, paid = started(steps_per_trial=steps), float(side == rewarded_side)
    observation, info = at_target(env, side, rewarded_side)
    assert seen(env, observation) == [("left", "right")[side]]
    observation, reward, over, _, info = env.step(side)
    assert (reward, over, fed_back(env, observation)) == (paid, False, paid)
    for stage, name, action in (
        (OUTCOME, "outcome", rewarded_side),
        (INTERVAL, "interval", 1 - side),
    ):
        if stage < steps:
            assert seen(env, observation) == [name]
            assert (info["stage"], info["trial"], info["choice"]) == (stage, 1, side)
            assert info["best_action"] == CENTRE
            observation, reward, over, _, info = env.step(action)
            assert (reward, over, fed_back(env, observation)) == (0, False, 0)
    assert seen(env, observation) == ["centre"]
    assert (info["stage"], info["trial"], info["choice"]) == (FIXATION, 2, -1)
    assert info["new_trial"]
    (row,) = env.trial_table().to_dict("records")
    assert (row["trial"], row["steps"], row["trial_reward"]) == (1, steps, paid)
    assert (row["target"], row["choice"], row["outcome"]) == (side, side, paid)
    assert (row["valid"], row["rewarded_target"]) == (True, bool(paid))
    assert row["rewarded_side"] == rewarded_side


@sides
@rewarded_sides
@layouts
@pytest.mark.parametrize("central", [True, False])
def test_invalid_response_to_the_target(side, rewarded_side, steps, central):
    """It ends the trial without its later steps, also where it was towards the rewarded side."""
    env = started(steps_per_trial=steps)
    at_target(env, side, rewarded_side)
    observation, reward, over, _, info = env.step(CENTRE if central else 1 - side)
    assert (reward, over) == (-1, False)
    assert seen(env, observation) == ["centre"]
    assert (info["stage"], info["trial"], info["choice"]) == (FIXATION, 2, -1)
    (row,) = env.trial_table().to_dict("records")
    assert (row["steps"], row["trial_reward"], row["outcome"]) == (2, -1, -1)
    assert (row["choice"], row["valid"]) == (-1 if central else 1 - side, False)


def test_any_response_will_do_after_the_target():
    for stage in (OUTCOME, INTERVAL):
        for action in (LEFT, RIGHT, CENTRE):
            env = started()
            put(env, stage=stage, outcome=1, valid=True)
            _, reward, over, _, info = env.step(action)
            assert (reward, over) == (0, False)
            assert (info["stage"], info["trial"]) == ((INTERVAL, 0), (FIXATION, 1))[stage == 3]


def test_experienced_targets():
    env = started(steps_per_trial=2, trials=30)
    for shown in ((0, 0), (1, 0), (0, 1), (1, 1)):
        for _ in range(6):
            put(env, shown=shown, stage=STIMULUS, step=0, trial_start=0, trial=3)
            info = env.step(CENTRE)[-1]
            assert info["experienced"] == shown[info["target"]]
            assert env.get_state()["shown"][0][info["target"]] == 1


@layouts
def test_layout(steps):
    env = started(steps_per_trial=steps)
    assert env.action_names == ("left", "right", "centre")
    names = ("left", "centre", "right", "outcome", "interval")
    assert env.stimulus_names == names[: 1 + steps]
    assert (env.observation_space.low.min(), env.observation_space.high.max()) == (-1, 1)


def test_parameters():
    p = started().parameters
    assert (p.trials, p.steps_per_trial, p.step_cap) == (5, 4, 20)
    assert started(steps_per_trial=2, trials=7).parameters.step_cap == 14
    for wrong in ({"steps_per_trial": 1}, {"steps_per_trial": 5}, {"trials": 0}):
        with pytest.raises(ParameterError, match="must be a number"):
            started(**wrong)


def test_step_cap():
    env = started()
    ends = [env.step(LEFT)[2] for _ in range(20)]
    assert ends == [False] * 19 + [True]
    assert len(env.trial_table()) == 0


@rewarded_sides
def test_reset_option(rewarded_side):
    env = started()
    targets = set()
    for seed in range(20):
        _, info = env.reset(seed=seed, options={"rewarded_side": rewarded_side})
        assert info["rewarded_side"] == rewarded_side
        assert info["rewarded_target"] == (info["target"] == rewarded_side)
        targets.add(int(info["target"]))
    assert targets == {LEFT, RIGHT}


@pytest.fixture(scope="module")
def design():
    """Return the columns of 10,000 episodes, (episodes, trials)."""
    envs = vector(10_000, steps_per_trial=2)
    table = run_episodes(Oracle(envs), envs, seed=0).trials
    return {name: table[name].to_numpy().reshape(10_000, 5) for name in table}


def test_draws(design):
    side, target = design["rewarded_side"], design["target"]
    assert (side == side[:, :1]).all()
    assert within(side[:, 0].sum(), 10_000, 0.5)
    assert within((side[1:, 0] == side[:-1, 0]).sum(), 9999, 0.5)
    for trial in range(5):
        assert within(target[:, trial].sum(), 10_000, 0.5)
        assert within((target[:, trial] == side[:, 0]).sum(), 10_000, 0.5)
        if trial:
            assert within((target[:, trial] == target[:, trial - 1]).sum(), 10_000, 0.5)
            assert within(design["experienced"][:, trial].sum(), 10_000, 1 - 0.5**trial)
    assert not design["experienced"][:, 0].any()
    for trial in range(1, 5):
        met = (target[:, :trial] == target[:, trial : trial + 1]).any(axis=1)
        assert np.array_equal(design["experienced"][:, trial], met)


def test_outcomes(design):
    assert design["valid"].all()
    assert np.array_equal(design["choice"], design["target"])
    assert np.array_equal(design["rewarded_target"], design["target"] == design["rewarded_side"])
    for name in ("outcome", "trial_reward"):
        assert np.array_equal(design[name], design["rewarded_target"])
    assert (design["steps"] == 2).all()


def test_picture():
    env = started()
    kinds = []
    for _ in range(4):
        *_, item = env.task.picture(env.get_state().view(np.recarray)[0], env.parameters)
        kinds.append((item.kind, item.x))
        env.step(int(env.get_state()["best_action"][0]))
    x = 0.25 if env.trial_table()["target"][0] == LEFT else 0.75
    assert kinds == [("cross", 0.5), ("disc", x), ("ring", x), ("text", 0.5)]


# Observers.


@layouts
@observers
@pytest.mark.parametrize("lanes", [1, 200])
def test_observers_respond_correctly(observer, steps, lanes):
    envs = vector(lanes, steps_per_trial=steps)
    trials = run_episodes(observer(envs), envs, seed=0).trials
    assert len(trials) == 5 * lanes
    assert trials["valid"].all()
    assert (trials["steps"] == steps).all()


def simulation_3(observer, steps, offsets=(0,), **keywords):
    """Return the RPEs at the target (offset 0) and at its outcome (offset 1)."""
    envs = vector(2000, steps_per_trial=steps)
    agent = observer(envs, **keywords)
    episodes = run_episodes(agent, envs, seed=0)
    rpe = td_errors(episodes, agent.values(episodes, GAMMA), GAMMA)
    return aligned_rpes(episodes, rpe, STIMULUS, offsets)


# Wang 2018: reference values of the specification, section 4. The reward comes with the response
# in every layout, so that no further step discounts it.
@layouts
@pytest.mark.parametrize(
    ("observer", "inferred"), [(InferringObserver, 0.45), (CachedValueObserver, 0.0)]
)
def test_rpes_at_the_target(observer, inferred, steps):
    rpes = simulation_3(observer, steps)
    first, later = rpes[rpes["trial"] == 0], rpes[rpes["trial"] > 0]
    assert first["rpe"].to_numpy() == pytest.approx(np.zeros(2000), abs=1e-12)
    found = mean_rpes(later, ["experienced", "rewarded_target"])
    expected = {
        (True, True, 0): 0.45,
        (True, False, 0): -0.45,
        (False, True, 0): inferred,
        (False, False, 0): -inferred,
    }
    assert found["mean"].to_dict() == pytest.approx(expected, abs=1e-12)
    assert (found["sem"] < 1e-9).all()
    assert found["count"].min() > 500
    assert found["count"].sum() == 8000


@layouts
def test_rpes_at_the_outcome(steps):
    """Once a target is known, by experience or inference, its outcome is no surprise."""
    for observer, surprised in ((InferringObserver, "first"), (CachedValueObserver, "new")):
        rpes = simulation_3(observer, steps, offsets=(1,))
        new = rpes["trial"] == 0 if surprised == "first" else ~rpes["experienced"]
        expected = np.where(new, rpes["rewarded_target"] - 0.5, 0.0)
        assert rpes["rpe"].to_numpy() == pytest.approx(expected, abs=1e-12)


def test_learning_rate_of_cached_values():
    rpes = simulation_3(CachedValueObserver, 2, alpha=0.2)
    second = rpes[(rpes["trial"] == 1) & rpes["experienced"]]
    # 0.5 +- 0.2 * 0.5 instead of 0.5 at fixation, a step before
    expected = 0.9 * np.where(second["rewarded_target"], 0.1, -0.1)
    assert second["rpe"].to_numpy() == pytest.approx(expected, abs=1e-12)


def test_values_by_hand():
    """Two trials of four steps, discounted by one half; the second trial is worth 0.5."""
    envs = vector(50, trials=2)
    for observer in (InferringObserver, CachedValueObserver):
        agent = observer(envs)
        episodes = run_episodes(agent, envs, seed=0, options={"rewarded_side": LEFT})
        values = agent.values(episodes, 0.5)
        for lane in range(50):
            first, second = episodes.truth["target"][[0, 4], lane]
            inferring = observer is InferringObserver
            known = float(second == LEFT) if inferring or first == second else 0.5
            expected = [0.25 + 2**-6, 0.5 + 2**-5, 2**-4, 2**-3, 0.25, known, 0, 0]
            assert values[:, lane] == pytest.approx(expected, abs=1e-12)


@observers
def test_values_for_the_recording_of_another(observer):
    """Errors teach nothing; fixation asked for again is no new trial."""
    envs = vector(500, trials=4)
    agent = observer(envs)
    episodes = run_episodes(RandomAgent(envs, seed=1), envs, seed=3)
    values = agent.values(episodes, GAMMA)
    assert np.array_equal(np.isnan(values), ~episodes.alive)
    truth = episodes.truth
    checked = 0
    for lane in range(500):
        known, side = {}, truth["rewarded_side"][0, lane]
        for t in np.flatnonzero(episodes.alive[:, lane]):
            stage, target = truth["stage"][t, lane], truth["target"][t, lane]
            left = 3 - truth["trial"][t, lane]
            expected = sum(0.5 * 0.9 ** (4 * k + 1 - stage) for k in range(1, left + 1))
            expected += {FIXATION: 0.45, STIMULUS: known.get(target, 0.5)}.get(stage, 0.0)
            assert values[t, lane] == pytest.approx(expected, abs=1e-12)
            if stage == STIMULUS and episodes.actions[t, lane] == target:
                known[target] = float(target == side)
                if observer is InferringObserver:
                    known[1 - target] = 1 - known[target]
                checked += 1
    assert checked > 200


@observers
def test_observers_see_nothing_hidden(observer):
    envs = vector(8)
    public = ("parameters", "layout", "action_names", "stimulus_names")
    blind = SimpleNamespace(**{name: getattr(envs.unwrapped, name) for name in public})
    agent = observer(SimpleNamespace(unwrapped=blind), seed=0)
    assert run_episodes(agent, envs, seed=0).trials["valid"].all()


@observers
def test_memory_handed_in_is_left_alone(observer):
    envs = vector(4)
    agent, memory, start = observer(envs), None, np.ones(4, bool)
    observation, _ = envs.reset(seed=0)
    for _ in range(12):
        kept = copy.deepcopy(memory)
        actions, after = agent.predict(observation, memory, start)
        assert memory is None or (memory == kept).all()
        observation, _, start, _, _ = envs.step(actions)
        memory = after
