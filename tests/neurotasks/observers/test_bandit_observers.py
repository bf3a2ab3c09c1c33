"""Observers of the bandits against published indices, hand-worked beliefs and computed regrets."""

import copy
import math
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from by_hand import within

from neurotasks.errors import ParameterError
from neurotasks.observers import (
    CorrelatedBandit,
    CorrelatedThompsonBandit,
    GittinsBandit,
    InformativeBandit,
    Oracle,
    RandomAgent,
    RescorlaWagnerBandit,
    RestlessBandit,
    ThompsonBandit,
    UcbBandit,
)
from neurotasks.observers.bandit import evidence, gittins_indices, walk

BANDIT, INFORMATIVE = "neurotasks/Bandit-v0", "neurotasks/BanditInformative-v0"
RESTLESS, UNIFORM = "neurotasks/BanditRestless-v0", "neurotasks/BanditUniform-v0"
PLAYERS = [(BANDIT, o) for o in (GittinsBandit, ThompsonBandit, UcbBandit, RescorlaWagnerBandit)]
PLAYERS += [(UNIFORM, CorrelatedBandit), (UNIFORM, CorrelatedThompsonBandit)]
PLAYERS += [(INFORMATIVE, InformativeBandit), (RESTLESS, RestlessBandit)]

pytestmark = pytest.mark.filterwarnings("error")


def play(id, observer, lanes, env=None, options=None, seed=0, **keywords):
    """Play an episode; return actions and rewards, (trials, lanes), and the regret, (lanes,)."""
    envs = gym.make_vec(id, num_envs=lanes, autoreset_mode="SameStep", **(env or {}))
    agent = observer(envs, seed=1, **keywords)
    observation, info = envs.reset(seed=seed, options=options)
    memory, start = None, np.ones(lanes, bool)
    actions, rewards, regret = [], [], np.zeros(lanes)
    for _ in range(envs.unwrapped.parameters.trials):
        action, memory = agent.predict(observation, memory, start)
        regret += info["p"].max(axis=1) - info["p"][np.arange(lanes), action]
        observation, reward, start, _, info = envs.step(action)
        actions.append(action)
        rewards.append(reward)
    return np.stack(actions), np.stack(rewards), regret


def asked(id, observer, pulls, lanes=1, env=None, **keywords):
    """Return what an observer does after pulls (action, reward), and its memory."""
    base = gym.make(id, **(env or {})).unwrapped
    agent, memory = observer(base, seed=0, **keywords), None
    for action, reward in [(None, 0), *pulls]:
        observation = np.zeros((lanes, base.observation_space.shape[0]), np.float32)
        if action is not None:
            observation[:, base.layout["action"].start + action] = 1
        observation[:, base.layout["reward"]] = reward
        start = np.full(lanes, action is None)
        actions, memory = agent.predict(observation, memory, start)
    return actions, memory


# Reference values of the specification of Wang 2018, section 1.4, computed by independent
# simulation of 20,000 problems: expected regret after 100 trials.
PROBLEMS = ["", "Uniform", "Easy", "Medium", "Hard"]
REGRETS = [
    (RandomAgent, {}, [16.7, 25.0, 40.0, 25.0, 10.0]),
    (GittinsBandit, {}, [1.77, 1.56, 0.80, 1.41, 3.01]),
    (ThompsonBandit, {}, [2.77, 2.79, 2.13, 2.99, 4.07]),
    (UcbBandit, {}, [4.12, 4.20, 3.90, 4.70, 4.90]),
    (UcbBandit, {"chi": 2.0}, [5.60, 6.01, 6.30, 7.03, 6.00]),
    (CorrelatedThompsonBandit, {}, [None, 2.12, 1.26, 2.01, 3.77]),
    (CorrelatedBandit, {}, [None, 1.21, 0.62, 0.98, 2.34]),
]
CELLS = [
    (f"neurotasks/Bandit{problem}-v0", observer, keywords, regret)
    for observer, keywords, row in REGRETS
    for problem, regret in zip(PROBLEMS, row, strict=True)
    if regret is not None
]


@pytest.mark.slow
@pytest.mark.parametrize(("id", "observer", "keywords", "expected"), CELLS)
def test_regret_is_that_of_the_specification(id, observer, keywords, expected):
    """Within the criterion of 5 %, and within what two simulations of this size differ by."""
    lanes = 10_000
    regret = play(id, observer, lanes, **keywords)[2]
    rounding = 0.05 if observer is RandomAgent else 0.005
    chance = 3.5 * math.sqrt(regret.var() * (1 / lanes + 1 / 20_000))
    assert regret.mean() == pytest.approx(expected, abs=min(0.05 * expected, chance + rounding))


@pytest.mark.parametrize(
    ("gamma", "after", "index"),
    # Gittins, Glazebrook & Weber 2011, tables 8.1 and 8.4: an arm of beta(1 + wins, 1 + losses).
    [(0.9, (0, 0), 0.7029), (0.99, (0, 0), 0.8699), (0.9, (0, 1), 0.5001), (0.9, (1, 0), 0.8001)],
)
def test_published_indices(gamma, after, index):
    assert gittins_indices(10, gamma)[after] == pytest.approx(index, abs=1e-4)


def test_indices():
    index = gittins_indices(100)
    wins, losses = np.indices(index.shape)
    played = wins + losses < 100
    mean = (wins + 1) / (wins + losses + 2)
    assert ((index > mean) & (index < 1))[played].all()
    assert not index[~played].any()
    assert (np.diff(index, axis=0)[played[1:]] > 0).all()
    assert (np.diff(index, axis=1)[played[:, 1:]] < 0).all()
    # who does not care for the future looks at the mean only
    assert gittins_indices(20, 0.0)[3, 4] == pytest.approx(4 / 9)
    with pytest.raises(ParameterError, match="gamma"):
        gittins_indices(20, 1.0)


def test_gittins_by_hand():
    """Curiosity: an arm never pulled is worth more than one that has paid in 6 of 9 pulls."""
    pulls = [(0, 1)] * 6 + [(0, 0)] * 3
    assert asked(BANDIT, GittinsBandit, pulls)[0] == [1]
    assert asked(BANDIT, GittinsBandit, pulls, gamma=0.1)[0] == [0]
    memory = asked(BANDIT, GittinsBandit, [*pulls, (1, 1)])[1]
    assert (memory["wins"].tolist(), memory["losses"].tolist()) == ([[6, 1]], [[3, 0]])


def test_ucb_by_hand():
    """Bounds of 2/4 + sqrt(log 6 / 4) and 0/2 + sqrt(log 6 / 2): 1.169 and 0.947."""
    pulls = [(0, 1), (0, 1), (0, 0), (0, 0), (1, 0), (1, 0)]
    assert asked(BANDIT, UcbBandit, pulls)[0] == [0]
    # sqrt(chi log 6) (0.707 - 0.5) > 0.5 from chi = 3.25 on
    assert asked(BANDIT, UcbBandit, pulls, chi=3.2)[0] == [0]
    assert asked(BANDIT, UcbBandit, pulls, chi=3.3)[0] == [1]
    assert asked(BANDIT, UcbBandit, pulls[:4])[0] == [1]


def test_thompson_by_hand():
    """P(beta(2, 1) > beta(1, 1)) = 2/3; alone, P(p1 > 1/2) = 3/4 under beta(2, 1)."""
    actions, _ = asked(BANDIT, ThompsonBandit, [(0, 1)], lanes=20_000)
    assert within((actions == 0).sum(), 20_000, 2 / 3)
    actions, _ = asked(UNIFORM, CorrelatedThompsonBandit, [(0, 1)], lanes=20_000)
    assert within((actions == 0).sum(), 20_000, 3 / 4)


def test_evidence_of_correlated_arms():
    pulls = [(0, 1), (1, 1), (1, 0), (1, 0), (0, 0)]  # for arm 0: wins of 0, losses of 1
    actions, memory = asked(UNIFORM, CorrelatedBandit, pulls)
    assert evidence(memory).tolist() == [[3, 2]]
    assert actions == [0]


@pytest.mark.parametrize("observer", [GittinsBandit, UcbBandit, CorrelatedBandit])
def test_ties_are_broken_at_random(observer):
    actions, _ = asked(UNIFORM, observer, [], lanes=10_000)
    assert within(actions.sum(), 10_000, 0.5)


@pytest.mark.parametrize("observer", [GittinsBandit, ThompsonBandit, UcbBandit])
def test_many_arms(observer):
    """Better than one who stays with an arm, worse than who knows; Gittins is the best."""
    regret = play(BANDIT, observer, 3000, env={"arms": 3})[2]
    best = play(BANDIT, GittinsBandit, 3000, env={"arms": 3})[2]
    error = math.sqrt((regret.var() + best.var()) / 3000)
    assert 0 < best.mean() < 5
    assert regret.mean() >= best.mean()
    assert observer is GittinsBandit or regret.mean() - best.mean() > 4 * error


@pytest.mark.parametrize("arms", [3, 11])
@pytest.mark.parametrize("one_hot", [True, False])
def test_informative_observer(arms, one_hot):
    actions, rewards, _ = play(
        INFORMATIVE, InformativeBandit, 300, env={"arms": arms, "reward_one_hot": one_hot}
    )
    assert (actions[0] == arms - 1).all()
    assert (rewards[1:] == 5).all()
    assert rewards[0] == pytest.approx(0.1 * (actions[1] + 1))
    assert set(actions[1].tolist()) == set(range(arms - 1))


def test_rescorla_wagner_by_hand():
    """0.5 -> 0.75 -> 0.375 for alpha 0.5; then a softmax of the difference."""
    actions, memory = asked(BANDIT, RescorlaWagnerBandit, [(0, 1), (0, 0)], lanes=20_000, beta=4.0)
    assert (memory["q"] == [0.375, 0.5]).all()
    assert within((actions == 1).sum(), 20_000, 1 / (1 + math.exp(-0.5)))
    actions, memory = asked(
        BANDIT, RescorlaWagnerBandit, [(1, 1)], lanes=20_000, alpha=0.2, beta=1e6, epsilon=0.3
    )
    assert memory["q"][0] == pytest.approx([0.5, 0.6])
    assert within((actions == 1).sum(), 20_000, 0.85)


def restless_belief(p_volatile, steps, pulls, points):
    """Return the mean of p1 after pulls, by brute force: sums over sampled Gaussian walks."""
    rng = np.random.default_rng(0)
    volatile = rng.random(points) < p_volatile
    p = rng.random(points)
    weight = np.ones(points)
    for action, reward in pulls:
        weight *= p if (action == 0) == (reward == 1) else 1 - p
        p = p + np.where(volatile, steps[1], steps[0]) * rng.standard_normal(points)
        p = np.abs(p - 2 * np.round(p / 2))
    mean = (weight * p).sum() / weight.sum()
    error = math.sqrt((weight**2 * (p - mean) ** 2).sum()) / weight.sum()
    return mean, (weight * volatile).sum() / weight.sum(), error


@pytest.mark.parametrize(
    "pulls", [[(0, 1)] * 4, [(1, 1), (0, 0), (0, 0)], [(0, 1)] * 3 + [(1, 1)] * 3]
)
@pytest.mark.parametrize(("p_volatile", "steps"), [(0.5, (0.025, 0.2)), (0.2, (0.1, 0.9))])
def test_restless_belief(pulls, p_volatile, steps):
    env = {"p_volatile": p_volatile, "step_stable": steps[0], "step_volatile": steps[1]}
    actions, memory = asked(RESTLESS, RestlessBandit, pulls, env=env)
    mean, volatile, error = restless_belief(p_volatile, steps, pulls, 400_000)
    belief = memory["belief"][0]
    assert belief.sum() == pytest.approx(1)
    found = belief.sum(axis=0) @ (np.arange(100) + 0.5) / 100
    assert found == pytest.approx(mean, abs=4 * error + 1e-3)
    assert belief[1].sum() == pytest.approx(volatile, abs=0.005)
    assert actions == [0 if mean > 0.5 else 1]


def test_walk():
    p = (np.arange(100) + 0.5) / 100
    for sd in (0.0, 0.025, 0.2, 1.0):
        moves = walk(p, sd)
        assert moves.sum(axis=1) == pytest.approx(np.ones(100))
        assert moves == pytest.approx(moves.T, abs=3e-5)  # the uniform distribution stays
    assert np.array_equal(walk(p, 0.0), np.eye(100))
    middle = walk(p, 0.05)[50]
    assert math.sqrt(middle @ (p - p[50]) ** 2) == pytest.approx(0.05, rel=0.01)


def test_ideal_observer_of_the_restless_bandit():
    """It does better than learners that take the arms to stand still, or forget at one rate."""
    ideal = play(RESTLESS, RestlessBandit, 400)[2]
    others = [CorrelatedBandit, CorrelatedThompsonBandit, UcbBandit, RescorlaWagnerBandit]
    for observer in others:
        worse = play(RESTLESS, observer, 400)[2] - ideal
        assert worse.mean() > 4.5 * worse.std() / math.sqrt(400)
    still = {"step_stable": 0.0, "p_volatile": 0.0}
    regret = play(RESTLESS, RestlessBandit, 500, env=still)[2]  # as CorrelatedBandit
    assert regret.mean() == pytest.approx(1.21, abs=4 * regret.std() / math.sqrt(500) + 0.005)


def test_best_learning_rate_is_that_of_the_paper():
    """Wang 2016: of fixed Rescorla-Wagner learning rates 0.5 is the best on the restless bandit."""
    regret = {
        alpha: play(RESTLESS, RescorlaWagnerBandit, 2000, alpha=alpha)[2]
        for alpha in (0.2, 0.5, 0.8)
    }
    for alpha in (0.2, 0.8):
        loss = regret[alpha] - regret[0.5]
        assert loss.mean() > 3 * loss.std() / math.sqrt(2000)


@pytest.mark.parametrize(
    ("id", "observer", "env"),
    [
        *((INFORMATIVE, o, {}) for o in (GittinsBandit, ThompsonBandit, UcbBandit)),
        (BANDIT, CorrelatedBandit, {"arms": 3}),
        (BANDIT, InformativeBandit, {}),
        (BANDIT, RestlessBandit, {}),
    ],
)
def test_observers_refuse_what_they_are_not_for(id, observer, env):
    with pytest.raises(ParameterError, match=observer.__name__):
        observer(gym.make(id, **env))


@pytest.mark.parametrize("id", [BANDIT, RESTLESS, INFORMATIVE])
def test_oracle_regrets_nothing(id):
    assert not play(id, Oracle, 500)[2].any()


@pytest.mark.parametrize(("id", "observer"), PLAYERS)
def test_observers_see_nothing_hidden(id, observer):
    """They act alike knowing a description only; what they are handed is left alone."""
    envs = gym.make_vec(id, num_envs=8)
    base = envs.unwrapped
    public = ("parameters", "layout", "action_names", "stimulus_names")
    blind = SimpleNamespace(unwrapped=SimpleNamespace(**{n: getattr(base, n) for n in public}))
    agents = observer(envs, seed=3), observer(blind, seed=3)
    observation, _ = envs.reset(seed=0)
    memories, start, met = [None, None], np.ones(8, bool), set()
    for _ in range(250):
        kept, seen = copy.deepcopy((memories, observation))
        played = [
            agent.predict(observation, memory, start)
            for agent, memory in zip(agents, memories, strict=True)
        ]
        for memory, before in zip(memories, kept, strict=True):
            assert memory is None or (memory == before).all()
        assert np.array_equal(observation, seen)
        assert np.array_equal(played[0][0], played[1][0])
        memories = [memory for _, memory in played]
        observation, _, start, _, _ = envs.step(played[0][0])
        met |= set(played[0][0].tolist())
    assert met == set(range(len(base.action_names)))


@pytest.mark.parametrize(("id", "observer"), PLAYERS)
def test_single_observation(id, observer):
    env, envs = gym.make(id), gym.make_vec(id, num_envs=1, autoreset_mode="SameStep")
    agents = observer(env, seed=5), observer(envs, seed=5)
    one, batch = env.reset(seed=2)[0], envs.reset(seed=2)[0]
    memory = memories = None
    start = np.ones(1, bool)
    for _ in range(150):
        action, memory = agents[0].predict(one, memory, start)
        actions, memories = agents[1].predict(batch, memories, start)
        assert (np.shape(action), action) == ((), actions[0])
        one, _, over, _, _ = env.step(action)
        batch, _, start, _, _ = envs.step(actions)
        if over:
            one = env.reset()[0]
