"""The bandits, pull by pull from states built by hand, and their design in numbers."""

import math

import gymnasium as gym
import numpy as np
import pytest
from by_hand import put, within

import neurotasks
from neurotasks.errors import OptionError, ParameterError
from neurotasks.rendering.pixels import HEIGHT, WIDTH
from neurotasks.tasks.bandit import picture

BANDIT, INFORMATIVE = "neurotasks/Bandit-v0", "neurotasks/BanditInformative-v0"
RESTLESS = "neurotasks/BanditRestless-v0"
CORRELATED = {"Uniform": None, "Easy": 0.1, "Medium": 0.25, "Hard": 0.4}

pytestmark = pytest.mark.filterwarnings("error")


def started(id=BANDIT, options=None, **keywords):
    env = gym.make(id, trial_log=True, **keywords).unwrapped
    env.reset(seed=0, options=options)
    return env


def stimulus(env, observation):
    return dict(zip(env.stimulus_names, observation[env.layout["stimulus"]].tolist(), strict=True))


def drawn(id, lanes=10_000, **keywords):
    """Return the hidden probabilities of many episodes, and the environment."""
    envs = gym.make_vec(id, num_envs=lanes, **keywords)
    return envs.reset(seed=0)[1], envs


@pytest.mark.parametrize("arm", [0, 1, 2])
@pytest.mark.parametrize(("luck", "paying"), [(0.0, 3), (0.3, 2), (0.5, 1), (0.69, 1), (0.7, 0)])
def test_pull(arm, luck, paying):
    env = started(arms=3, options={"p": [0.7, 0.5, 0.3]})
    put(env, luck=luck)
    observation, reward, over, _, info = env.step(arm)
    assert (reward, over) == (arm < paying, False)
    assert (info["trial"], info["new_trial"]) == (1, True)
    assert info["best_action"] == 0
    assert observation[env.layout["action"]].tolist() == [i == arm for i in range(3)]
    (row,) = env.trial_table().to_dict("records")
    assert (row["choice"], row["reward"], row["trial_reward"]) == (arm, reward, reward)
    assert (row["steps"], row["volatile"]) == (1, False)
    assert [row[f"p_{i}"] for i in range(3)] == [0.7, 0.5, 0.3]
    assert row["regret"] == pytest.approx([0, 0.2, 0.4][arm])


@pytest.mark.parametrize(
    ("p", "best"), [([0.1, 0.9, 0.5], 1), ([0.2, 0.2, 0.3], 2), ([0.4, 0.1, 0.4], 0)]
)
def test_best_action(p, best):
    env = started(arms=3)
    _, info = env.reset(options={"p": p})
    for _ in range(100):
        assert info["best_action"] == best
        info = env.step(0)[-1]


def test_trial_number_and_end():
    env = started(trials=4)
    seen, overs = [stimulus(env, env.reset()[0])], []
    for _ in range(4):
        observation, _, over, _, _ = env.step(0)
        seen.append(stimulus(env, observation))
        overs.append(over)
    assert [s["trial number"] for s in seen] == [0.25, 0.5, 0.75, 1, 0]
    assert overs == [False, False, False, True]


def test_go_cue():
    env = started(trial_number=False, trials=3)
    observations = [env.reset()[0], *(env.step(0)[0] for _ in range(3))]
    assert [stimulus(env, o) for o in observations] == [{"go cue": 1}] * 3 + [{"go cue": 0}]


@pytest.mark.parametrize("arms", [2, 3, 11])
def test_arms(arms):
    env = started(arms=arms, options={"p": np.arange(arms) == arms - 1})
    assert len(env.action_names) == env.action_space.n == arms
    assert env.step(arms - 1)[1] == 1
    assert env.step(0)[1] == 0
    assert env.trial_table()["choice"].tolist() == [arms - 1, 0]
    assert (env.action_names[:2] == ("left", "right")) == (arms == 2)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"arms": 1}, "arms"),
        ({"problem": "esy"}, "easy"),
        ({"problem": "informative"}, "at least 3"),
        ({"problem": "easy", "arms": 3}, "p2 = 1 - p1"),
        ({"problem": "uniform", "arms": 3}, "p2 = 1 - p1"),
        ({"problem": "restless", "arms": 11}, "p2 = 1 - p1"),
        ({"reward_one_hot": True}, "informative"),
        ({"step_volatile": -0.1}, "step_volatile"),
        ({"step_stable": 1.1}, "step_stable"),
        ({"index_reward": 0.0}, "index_reward"),
    ],
)
def test_impossible_parameters(keywords, words):
    with pytest.raises(ParameterError, match=words):
        gym.make(BANDIT, **keywords)


def test_presets():
    made = {id: gym.make(id).unwrapped.parameters for id in neurotasks.TASKS if "Bandit" in id}
    shapes = {id: (p.problem, p.arms, p.trials, p.reward_one_hot) for id, p in made.items()}
    assert shapes == {
        BANDIT: ("independent", 2, 100, False),
        "neurotasks/BanditUniform-v0": ("uniform", 2, 100, False),
        "neurotasks/BanditEasy-v0": ("easy", 2, 100, False),
        "neurotasks/BanditMedium-v0": ("medium", 2, 100, False),
        "neurotasks/BanditHard-v0": ("hard", 2, 100, False),
        INFORMATIVE: ("informative", 11, 5, True),
        RESTLESS: ("restless", 2, 100, False),
    }
    assert all(p.trial_number for p in made.values())


def test_options_are_taken_as_they_are():
    for id in ("neurotasks/BanditEasy-v0", RESTLESS):
        env = started(id, options={"p": [0.3, 0.3]})
        assert env.get_state()["p"].tolist() == [[0.3, 0.3]]
    for p in ([0.3], [0.3, 1.1], [-0.1, 0.5]):
        with pytest.raises(OptionError):
            started(options={"p": p})


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("arms", [2, 3])
def test_independent_probabilities(split, arms):
    p = drawn(BANDIT, arms=arms, split=split)[0]["p"]
    for arm in range(arms):
        for edge in (0.1, 0.25, 0.5, 0.9):
            assert within((p[:, arm] < edge).sum(), 10_000, edge)
            assert within(((p[:, arm] < edge) & (p[:, arm - 1] < edge)).sum(), 10_000, edge**2)


@pytest.mark.parametrize(("name", "worse"), CORRELATED.items())
def test_correlated_probabilities(name, worse):
    p = drawn(f"neurotasks/Bandit{name}-v0")[0]["p"]
    assert p.sum(axis=1) == pytest.approx(1)
    assert within((p[:, 0] < 0.5).sum(), 10_000, 0.5)
    if worse is None:
        assert within((p[:, 0] < 0.2).sum(), 10_000, 0.2)
    else:
        assert p.min(axis=1) == pytest.approx(worse)


def test_arms_pay_as_often_as_they_should():
    envs = gym.make_vec(BANDIT, num_envs=10_000)
    envs.reset(seed=0, options={"p": [0.2, 0.65]})
    won = np.array([envs.step(np.full(10_000, arm))[1].sum() for arm in (0, 1) * 5])
    assert within(won[::2].sum(), 50_000, 0.2)
    assert within(won[1::2].sum(), 50_000, 0.65)


def test_luck_of_trials_and_lanes_is_independent():
    envs = gym.make_vec(BANDIT, num_envs=10_000)
    envs.reset(seed=0, options={"p": [0.5, 0.5]})
    won = np.stack([envs.step(np.zeros(10_000, int))[1] for _ in range(10)]) == 1
    assert within((won[1:] & won[:-1]).sum(), 9 * 10_000, 0.25)
    assert within((won[:, 1:] & won[:, :-1]).sum(), 10 * 9999, 0.25)


@pytest.mark.parametrize("target", [0, 2, 9])
def test_informative_bandit(target):
    env = started(INFORMATIVE, options={"p": np.eye(11)[target]})
    told, seen = f"named target {target + 1}", env.stimulus_names[1:]
    assert seen == (*(f"named target {i}" for i in range(1, 11)), "paid other_reward", seen[-1])
    first = stimulus(env, env.reset(options={"p": np.eye(11)[target]})[0])
    assert not any(first[name] for name in seen)
    asking = 10, 0.1 * (target + 1), told
    right, wrong = (target, 5, "paid target_reward"), ((target + 1) % 10, 1, "paid other_reward")
    for trial, (arm, reward, lit) in enumerate([asking, right, wrong, asking]):
        observation, found, over, _, info = env.step(arm)
        assert found == pytest.approx(reward)
        assert observation[-1] == pytest.approx(reward)
        assert (over, info["trial"], info["best_action"]) == (False, trial + 1, target)
        assert [name for name in seen if stimulus(env, observation)[name]] == [lit]
    assert env.trial_table()["regret"].tolist() == pytest.approx(
        [5 - 0.1 * (target + 1), 0, 4, 5 - 0.1 * (target + 1)]
    )
    assert env.step(target)[1:3] == (5, True)


def test_rewards_of_the_informative_bandit():
    keywords = {"target_reward": 3.0, "other_reward": -2.0, "index_reward": 2.0}
    env = started(INFORMATIVE, arms=3, reward_one_hot=False, **keywords)
    assert env.stimulus_names == ("trial number",)
    part = env.layout["reward"]
    assert (env.observation_space.low[part], env.observation_space.high[part]) == (-2, 4)
    best = env.reset(options={"p": [0, 1, 0]})[1]["best_action"]
    assert best == 2  # the last arm pays 4
    assert [env.step(arm)[1] for arm in range(3)] == [-2, 3, 4]


def test_targets():
    p = drawn(INFORMATIVE)[0]["p"]
    assert (np.sort(p, axis=1) == [0] * 10 + [1]).all()
    assert not p[:, 10].any()
    for count in p[:, :10].sum(axis=0):
        assert within(count, 10_000, 0.1)


def walks(options=None, lanes=10_000, trials=3, **keywords):
    """Return p1 and whether the episode is volatile, by trial."""
    info, envs = drawn(RESTLESS, lanes, trials=trials, **keywords)
    if options:
        info = envs.reset(seed=0, options=options)[1]
    p, volatile = [info["p"]], info["volatile"]
    for _ in range(trials - 1):
        info = envs.step(np.zeros(lanes, int))[-1]
        assert np.array_equal(info["best_action"], info["p"].argmax(axis=1))
        assert np.array_equal(info["volatile"], volatile)
        p.append(info["p"])
    p = np.stack(p)
    assert p.sum(axis=2) == pytest.approx(1)
    assert 0 <= p.min() < p.max() <= 1
    return p[..., 0], volatile


@pytest.mark.parametrize(("volatile", "sd"), [(False, 0.025), (True, 0.2)])
def test_steps_of_the_restless_bandit(volatile, sd):
    """Gaussian from one half, where the bounds are far."""
    p, _ = walks({"p": [0.5, 0.5], "volatile": volatile})
    steps = p[1] - p[0]
    for z, below in [(-2, 0.02275), (-1, 0.15866), (0, 0.5), (1, 0.84134), (2, 0.97725)]:
        assert within((steps < z * sd).sum(), 10_000, below)
    if not volatile:
        again = p[2] - p[1]
        assert within(((steps < 0) & (again < 0)).sum(), 10_000, 0.25)


def test_reflection():
    """From 0 with sd 1: |z| up to 1, then back from 1, and so on."""
    p, _ = walks({"p": [0, 1], "volatile": True}, trials=2, step_volatile=1.0)

    def folded(x):  # P(reflected < x), the images of [0, x] in the half line |z|
        images = [(2 * k - x, 2 * k + x) for k in range(-5, 6)]
        return sum(math.erf(b / 2**0.5) - math.erf(a / 2**0.5) for a, b in images) / 2

    for x in (0.1, 0.5, 0.9):
        assert within((p[1] < x).sum(), 10_000, folded(x))


@pytest.mark.slow
def test_episodes_of_the_restless_bandit():
    p, volatile = walks(trials=1)
    assert within(volatile.sum(), 10_000, 0.5)
    assert within((p[0] < 0.25).sum(), 10_000, 0.25)
    assert within(walks(trials=1, p_volatile=0.2)[1].sum(), 10_000, 0.2)
    assert np.ptp(walks({"volatile": False}, step_stable=0.0)[0], axis=0).max() == 0
    assert not drawn(BANDIT)[0]["volatile"].any()


@pytest.mark.parametrize("arms", [2, 11])
def test_picture(arms):
    env = started(arms=arms)
    env.step(0)
    items = picture(env.get_state().view(np.recarray)[0], env.parameters)
    discs = [item for item in items if item.kind == "disc"]
    names = ["left", "right"] if arms == 2 else [str(i + 1) for i in range(arms)]
    assert [disc.text for disc in discs] == names
    places = [disc.x for disc in discs]
    assert places == sorted(places)
    assert all(disc.size * HEIGHT < (places[1] - places[0]) * WIDTH for disc in discs)
    (ring,) = (item for item in items if item.kind == "ring")
    assert ring.x == places[0]
    assert [i.text for i in items if i.kind == "text"] in (["pull an arm", p] for p in ("+1", "0"))
