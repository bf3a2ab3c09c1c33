"""The risky-choice task step by step, its design in numbers, and its observers."""

import copy
import itertools
import math
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from by_hand import put, seen, within

from neurotasks.analysis.risky_choice import risk_preference
from neurotasks.episodes import run_episodes
from neurotasks.errors import ParameterError
from neurotasks.observers import BayesRiskyChoice, Oracle, RandomAgent, RescorlaWagnerRiskyChoice
from neurotasks.observers.risky_choice import MANIPULATIONS

ID = "neurotasks/RiskyChoice-v0"
FIXATION, CHOICE = 0, 1
LEFT, RIGHT, CENTRE = 0, 1, 2
sides = pytest.mark.parametrize("side", [LEFT, RIGHT])
risky_sides = pytest.mark.parametrize("risky_side", [LEFT, RIGHT])
players = pytest.mark.parametrize("observer", [BayesRiskyChoice, RescorlaWagnerRiskyChoice])

pytestmark = pytest.mark.filterwarnings("error")


def started(**keywords):
    env = gym.make(ID, trial_log=True, **keywords).unwrapped
    env.reset(seed=0)
    return env


def vector(lanes, **keywords):
    return gym.make_vec(ID, num_envs=lanes, autoreset_mode="SameStep", trial_log=True, **keywords)


@pytest.mark.parametrize(
    ("forced_side", "shown"), [(-1, "both arms"), (0, "left arm only"), (1, "right arm only")]
)
def test_fixation(forced_side, shown):
    env = started()
    fields = {"forced": forced_side >= 0, "forced_side": forced_side}
    observation, info = put(env, p_risky=0.5, risky_side=LEFT, **fields)
    assert seen(env, observation) == ["fixation"]
    assert (info["stage"], info["best_action"], info["choice"]) == (FIXATION, CENTRE, -1)
    observation, reward, over, _, info = env.step(CENTRE)
    assert (reward, over) == (0, False)
    assert seen(env, observation) == [shown]
    assert (info["stage"], info["trial"], info["choice"]) == (CHOICE, 0, -1)
    assert info["best_action"] == (LEFT if forced_side < 0 else forced_side)


@sides
def test_fixation_error(side):
    env = started()
    for _ in range(3):
        observation, reward, over, _, info = env.step(side)
        assert (reward, over) == (-1, False)
        assert seen(env, observation) == ["fixation"]
        assert (info["stage"], info["trial"], info["best_action"]) == (FIXATION, 0, CENTRE)
    assert env.step(CENTRE)[1] == 0
    assert len(env.trial_table()) == 0


@sides
@risky_sides
@pytest.mark.parametrize("pays", [False, True])
@pytest.mark.parametrize("forced", [False, True])
def test_choice(side, risky_side, pays, forced):
    env = started()
    fields = {"forced": forced, "forced_side": side if forced else -1, "risky_pays": pays}
    put(env, stage=CHOICE, risky_side=risky_side, p_risky=0.3, step=1, **fields)
    observation, reward, over, _, info = env.step(side)
    risky = side == risky_side
    assert (reward, over) == ((4 if pays else 0) if risky else 1, False)
    assert seen(env, observation) == ["fixation"]
    assert (info["stage"], info["trial"], info["choice"]) == (FIXATION, 1, -1)
    (row,) = env.trial_table().to_dict("records")
    assert (row["forced"], row["risky"], row["choice"]) == (forced, risky, side)
    assert (row["reward"], row["trial_reward"], row["steps"]) == (reward, reward, 2)
    assert (row["p_risky"], row["risky_side"]) == (0.3, risky_side)


@pytest.mark.parametrize(
    ("forced_side", "action"), [(-1, CENTRE), (0, CENTRE), (1, CENTRE), (0, RIGHT), (1, LEFT)]
)
@risky_sides
def test_invalid_choice(forced_side, action, risky_side):
    env = started()
    fields = {"forced": forced_side >= 0, "forced_side": forced_side, "risky_pays": True}
    put(env, stage=CHOICE, risky_side=risky_side, **fields)
    observation, reward, over, _, info = env.step(action)
    assert (reward, over) == (-1, False)
    assert seen(env, observation) == ["fixation"]
    assert (info["stage"], info["trial"]) == (FIXATION, 1)
    (row,) = env.trial_table().to_dict("records")
    assert (row["outcome"], row["choice"], row["risky"], row["trial_reward"]) == (-1, -1, False, -1)
    assert row["reward"] == -1


@pytest.mark.parametrize(
    ("p_risky", "keywords", "risk"),
    [
        (0.5, {}, True),
        (0.26, {}, True),
        (0.25, {}, False),
        (0.125, {}, False),
        (0.125, {"risky_reward": 9.0}, True),
        (0.5, {"safe_reward": 2.5}, False),
    ],
)
@risky_sides
def test_best_action(p_risky, keywords, risk, risky_side):
    env = started(forced_per_arm=0, **keywords)
    env.reset(seed=0, options={"p_risky": p_risky, "risky_side": risky_side})
    assert env.step(CENTRE)[-1]["best_action"] == (risky_side if risk else 1 - risky_side)


def test_parameters():
    p = started().parameters
    assert (p.trials, p.forced_per_arm, p.step_cap) == (30, 5, 60)
    assert (p.safe_reward, p.risky_reward, p.p_values) == (1.0, 4.0, (0.125, 0.5))
    assert not p.p_uniform
    for safe, risky in ((4.0, 4.0), (5.0, 4.0), (0.0, 4.0)):
        with pytest.raises(ParameterError, match="safe_reward must lie between 0 and risky_reward"):
            started(safe_reward=safe, risky_reward=risky)
    with pytest.raises(ParameterError, match="forced_per_arm must be"):
        started(forced_per_arm=-1)
    with pytest.raises(ParameterError, match="p_values must be"):
        started(p_values=(0.5, 1.5))


def test_rewards_are_keywords():
    env = started(safe_reward=0.5, risky_reward=3.0)
    assert env.observation_space.high[env.layout["reward"]] == 3
    assert env.observation_space.low[env.layout["reward"]] == -1
    for risky_side, reward in ((LEFT, 3.0), (RIGHT, 0.5)):
        put(env, stage=CHOICE, risky_side=risky_side, risky_pays=True, forced=False)
        assert env.step(LEFT)[1] == reward


@pytest.mark.parametrize(
    ("trials", "per_arm", "forced"), [(30, 5, 10), (12, 2, 4), (20, 0, 0), (6, 5, 6)]
)
def test_forced_trials_come_first(trials, per_arm, forced):
    envs = vector(40, trials=trials, forced_per_arm=per_arm)
    table = run_episodes(Oracle(envs), envs, seed=0).trials
    flags = table["forced"].to_numpy().reshape(40, trials)
    assert flags[:, :forced].all()
    assert not flags[:, forced:].any()
    choices = table["choice"].to_numpy().reshape(40, trials)[:, :forced]
    if forced == 2 * per_arm:
        assert (choices.sum(axis=1) == per_arm).all()
    else:
        assert {1, 2, 3, 4, 5} == set(choices.sum(axis=1).tolist())


def test_step_cap():
    env = started(trials=3)
    assert [env.step(LEFT)[2] for _ in range(6)] == [False] * 5 + [True]
    assert len(env.trial_table()) == 0


def test_reset_options():
    env = started()
    for p_risky, risky_side in itertools.product((0.0, 0.7, 1.0), (LEFT, RIGHT)):
        for seed in range(10):
            options = {"p_risky": p_risky, "risky_side": risky_side}
            _, info = env.reset(seed=seed, options=options)
            assert (info["p_risky"], info["risky_side"]) == (p_risky, risky_side)
            if p_risky in (0.0, 1.0):
                assert env.get_state()["risky_pays"][0] == bool(p_risky)


@pytest.fixture(scope="module")
def design():
    """Return the columns of 10,000 episodes, (episodes, trials), free choices always risky."""

    class Risky(Oracle):
        def act(self, *arguments):
            state = self.env.get_state()
            risky = np.where(state["forced"], state["forced_side"], state["risky_side"])
            return np.where(state["stage"] == FIXATION, CENTRE, risky).astype(np.int64)

    envs = vector(10_000)
    table = run_episodes(Risky(envs), envs, seed=0).trials
    return {name: table[name].to_numpy().reshape(10_000, 30) for name in table}


def test_draws_of_the_episode(design):
    side, p = design["risky_side"], design["p_risky"]
    assert (side == side[:, :1]).all()
    assert (p == p[:, :1]).all()
    side, p = side[:, 0], p[:, 0]
    assert set(p.tolist()) == {0.125, 0.5}
    assert within(side.sum(), 10_000, 0.5)
    assert within((p == 0.5).sum(), 10_000, 0.5)
    assert within(((p == 0.5) & (side == RIGHT)).sum(), 10_000, 0.25)
    assert within((side[1:] == side[:-1]).sum(), 9999, 0.5)


def test_order_of_the_forced_trials(design):
    """All of the 252 orders, equally often."""
    arms = design["choice"][:, :10]
    assert (arms.sum(axis=1) == 5).all()
    orders, counts = np.unique(arms, axis=0, return_counts=True)
    assert len(orders) == math.comb(10, 5)
    assert all(within(count, 10_000, 1 / 252) for count in counts)


@pytest.mark.parametrize("p", [0.125, 0.5])
def test_how_often_the_risky_arm_pays(design, p):
    risky = design["risky"] & (design["p_risky"] == p)
    pays = design["reward"] == 4
    assert within(pays[risky].sum(), risky.sum(), p)
    pairs = (risky[:, 1:] & risky[:, :-1]), (pays[:, 1:] & pays[:, :-1])
    assert within((pairs[0] & pairs[1]).sum(), pairs[0].sum(), p**2)
    assert set(np.unique(design["reward"][risky])) == {0, 4}
    assert set(np.unique(design["reward"][~design["risky"]])) == {1}
    assert np.array_equal(design["reward"], design["trial_reward"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keywords", "edges", "expected"),
    [
        ({"p_uniform": True}, np.linspace(0, 1, 11), [0.1] * 10),
        ({"p_values": (0.0, 0.3, 0.9)}, [0, 0.1, 0.2, 0.4, 1], [1 / 3, 0, 1 / 3, 1 / 3]),
        ({"p_values": (0.4,)}, [0, 0.399, 0.401, 1], [0, 1, 0]),
    ],
)
def test_distribution_of_the_probability(keywords, edges, expected):
    envs = vector(10_000, **keywords)
    envs.reset(seed=0)
    counts, _ = np.histogram(envs.unwrapped.get_state()["p_risky"], edges)
    assert counts.sum() == 10_000
    assert all(within(n, 10_000, p) for n, p in zip(counts, expected, strict=True))


def test_luck_does_not_depend_on_choices():
    def lucks(action):
        env = started()
        found = []
        for _ in range(30):
            found.append([env.get_state()[n][0] for n in ("risky_pays", "forced_side")])
            env.step(CENTRE)
            env.step(action)
        return found

    assert lucks(LEFT) == lucks(RIGHT) == lucks(CENTRE)


def test_picture():
    env = started()

    def look(**fields):
        put(env, **fields)
        items = env.task.picture(env.get_state().view(np.recarray)[0], env.parameters)
        assert items[0].kind == "text"
        return [(item.kind, item.text) for item in items[1:]]

    assert look(stage=FIXATION) == [("cross", "")]
    arms = [("disc", "left"), ("disc", "right")]
    assert look(stage=CHOICE, forced=False, forced_side=-1) == arms
    assert look(stage=CHOICE, forced_side=LEFT) == arms[:1]
    assert look(stage=CHOICE, forced_side=RIGHT) == arms[1:]


# Observers.


def rates(observer, episodes=8000, **keywords):
    """Return the proportion of risky free choices and its standard error, by p."""
    envs = vector(episodes)
    trials = run_episodes(observer(envs, seed=1, **keywords), envs, seed=0).trials
    assert (trials["outcome"] >= 0).all()
    free = trials[~trials["forced"]].groupby(["p_risky", "env"])["risky"].mean()
    error = free.groupby("p_risky").sem()
    mean = risk_preference(trials)["risky"]
    return {p: (mean[p], error[p]) for p in (0.125, 0.5)}


def near(found, expected, rounding=0.0):
    mean, error = found
    return abs(mean - expected) <= 4.5 * error + rounding


def exact_rate(p, preference):
    """Return the expected proportion of 20 free trials, over all histories of the risky arm.

    `preference` is the probability of the risky arm after so many wins and losses.
    """
    worlds = {(w, 5 - w): math.comb(5, w) * p**w * (1 - p) ** (5 - w) for w in range(6)}
    total = 0.0
    for _ in range(20):
        after = {}
        for (w, n), mass in worlds.items():
            risky = preference(w, n)
            total += mass * risky
            for key, part in (
                ((w, n), 1 - risky),
                ((w + 1, n), risky * p),
                ((w, n + 1), risky * (1 - p)),
            ):
                after[key] = after.get(key, 0.0) + mass * part
        worlds = after
    return total / 20


def two_point(w, n):
    low, high = 0.125**w * 0.875**n, 0.5 ** (w + n)
    return float((0.125 * low + 0.5 * high) / (low + high) > 0.25)


def uniform(w, n, tie=0.5):
    return tie if 4 * (w + 1) == w + n + 2 else float(4 * (w + 1) > w + n + 2)


# Wang 2018: reference values of the specification, section 7.
@pytest.mark.parametrize(
    ("prior", "preference", "table"),
    [
        ("two-point", two_point, {0.5: 0.79, 0.125: 0.04}),
        ("uniform", uniform, {0.5: 0.92, 0.125: 0.13}),
    ],
)
def test_bayes_observer_reproduces_the_table(prior, preference, table):
    found = rates(BayesRiskyChoice, prior=prior)
    for p, expected in table.items():
        assert near(found[p], exact_rate(p, preference))
        assert near(found[p], expected, rounding=0.005)


def test_ties_explain_the_table_of_the_uniform_prior():
    """0.137 is exact at p = 0.125; the table's 0.13 has some of the exact ties taken as safe."""
    rates_of = [exact_rate(0.125, lambda w, n, tie=tie: uniform(w, n, tie)) for tie in (0, 0.5, 1)]
    assert rates_of == pytest.approx([0.0941, 0.1366, 0.1373], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("manipulation", "table"),
    [
        ("control", {0.5: 0.70, 0.125: 0.31}),
        ("block risky reward", {0.5: 0.21, 0.125: 0.21}),
        ("block safe reward", {0.5: 0.89, 0.125: 0.62}),
        ("stimulate risky loss", {0.5: 0.85, 0.125: 0.60}),
    ],
)
def test_rescorla_wagner_learner_reproduces_the_table(manipulation, table):
    found = rates(RescorlaWagnerRiskyChoice, **MANIPULATIONS[manipulation])
    for p, expected in table.items():
        assert near(found[p], expected, rounding=0.005)


def feed(agent, *steps):
    """Show an observer the steps of one lane, (stimulus, action before, reward before).

    Returns the memory.
    """
    memory = None
    for stimulus, action, reward in steps:
        observation = np.zeros((1, 8), np.float32)
        observation[0, ["fixation", "both", "left", "right"].index(stimulus)] = 1
        if action is not None:
            observation[0, 4 + action] = 1
        observation[0, 7] = reward
        chosen, memory = agent.predict(observation, memory, np.array([memory is None]))
    return chosen[0], memory


LOSS = [("fixation", None, 0), ("left", CENTRE, 0), ("fixation", LEFT, 0)]
WIN = [("fixation", None, 0), ("right", CENTRE, 0), ("fixation", RIGHT, 4)]
SAFE = [("fixation", None, 0), ("right", CENTRE, 0), ("fixation", RIGHT, 1)]


@pytest.mark.parametrize(
    ("steps", "risky_side", "two_points", "uniform"),
    [
        # (0.125 * 0.875 + 0.5 * 0.5) / (0.875 + 0.5), and 1/3
        (LOSS, LEFT, 0.359375 / 1.375, 1 / 3),
        (WIN, RIGHT, (0.125**2 + 0.25) / 0.625, 2 / 3),
        (SAFE, LEFT, 0.3125, 1 / 2),
        ([*LOSS, *SAFE[1:]], LEFT, 0.359375 / 1.375, 1 / 3),
        # likelihood p (1 - p): (0.125 * 0.109375 + 0.5 * 0.25) / (0.109375 + 0.25)
        ([*WIN, ("right", CENTRE, 0), ("fixation", RIGHT, 0)], RIGHT, 0.138671875 / 0.359375, 0.5),
    ],
)
def test_belief_by_hand(steps, risky_side, two_points, uniform):
    for prior, expected in (("two-point", two_points), ("uniform", uniform)):
        agent = BayesRiskyChoice(started(), prior=prior)
        _, memory = feed(agent, *steps)
        assert memory["risky_side"] == [risky_side]
        assert agent.expected_p(memory) == pytest.approx([expected], abs=1e-12)


def test_bayes_observer_chooses_what_is_worth_more():
    for prior, losses, risk in (
        ("two-point", 1, True),  # 4 * 0.261
        ("two-point", 2, False),  # 4 * 0.217
        ("uniform", 1, True),  # 4 / 3
        ("uniform", 3, False),  # 4 / 5
    ):
        agent = BayesRiskyChoice(started(), prior=prior)
        steps = LOSS + losses * [("left", CENTRE, 0), ("fixation", LEFT, 0)]
        action, _ = feed(agent, *steps[: 1 + 2 * losses], ("both", CENTRE, 0))
        assert action == (LEFT if risk else RIGHT)


def test_bayes_observer_guesses_between_equals():
    """At a tie, 4 / 4 = 1 after two losses of the uniform prior, and where it knows nothing."""
    tie = [*LOSS, *LOSS[1:], ("both", CENTRE, 0)]
    for prior, steps in (("uniform", tie), ("two-point", [LOSS[0], ("both", CENTRE, 0)])):
        agent = BayesRiskyChoice(started(), seed=0, prior=prior)
        lefts = sum(feed(agent, *steps)[0] == LEFT for _ in range(400))
        assert within(lefts, 400, 0.5)


def test_belief_survives_what_it_holds_impossible():
    agent = BayesRiskyChoice(started(p_values=(0.0, 1.0)))
    _, memory = feed(agent, *WIN, ("right", CENTRE, 0), ("fixation", RIGHT, 0))
    assert 0 <= agent.expected_p(memory)[0] <= 1


def test_unknown_prior():
    with pytest.raises(ParameterError, match=r"prior must be .*got 'flat'"):
        BayesRiskyChoice(started(), prior="flat")


@pytest.mark.parametrize(
    ("steps", "keywords", "expected"),
    [
        (WIN, {}, [1.0, 1.9]),  # 1 + 0.3 * (4 - 1)
        (LOSS, {}, [0.7, 1.0]),
        (SAFE, {}, [1.0, 1.0]),
        (WIN, {"risky_reward_offset": -4.0}, [1.0, 0.7]),
        (LOSS, {"risky_loss_offset": 1.0}, [1.0, 1.0]),
        (SAFE, {"safe_reward_offset": -1.0}, [1.0, 0.7]),
        (WIN, {"safe_reward_offset": -1.0, "risky_loss_offset": 1.0}, [1.0, 1.9]),
        (WIN, {"alpha": 0.5, "initial_value": 2.0}, [2.0, 3.0]),
    ],
)
def test_rescorla_wagner_by_hand(steps, keywords, expected):
    _, memory = feed(RescorlaWagnerRiskyChoice(started(), **keywords), *steps)
    assert memory["q"][0] == pytest.approx(expected, abs=1e-12)


def test_softmax():
    agent = RescorlaWagnerRiskyChoice(started(), seed=0, beta=2.0)
    memory = np.zeros(20_000, agent.memory)
    memory["q"] = 0.5, 1.0
    assert within(agent.choose(memory).sum(), 20_000, 1 / (1 + math.exp(-1)))


def test_rewards_that_float32_rounds():
    """0.1 comes back as another number, and is told from what the risky arm pays."""
    envs = vector(20, safe_reward=0.1, risky_reward=0.3)
    episodes = run_episodes(BayesRiskyChoice(envs, seed=0), envs, seed=0)
    agent = BayesRiskyChoice(envs, seed=0)
    memory, start = None, np.ones(20, bool)
    for observation in episodes.observations:
        _, memory = agent.predict(observation, memory, start)
        start = np.zeros(20, bool)
    assert np.array_equal(memory["risky_side"], episodes.truth["risky_side"][0])


def test_random_agent_errs():
    envs = vector(300)
    trials = run_episodes(RandomAgent(envs, seed=0), envs, seed=0).trials
    free = trials[~trials["forced"]]
    assert within((free["outcome"] < 0).sum(), len(free), 1 / 3)
    forced = trials[trials["forced"]]
    assert within((forced["outcome"] < 0).sum(), len(forced), 2 / 3)


@players
def test_observers_see_nothing_hidden(observer):
    envs = vector(8)
    public = ("parameters", "layout", "action_names", "stimulus_names")
    blind = SimpleNamespace(**{name: getattr(envs.unwrapped, name) for name in public})
    found = [
        run_episodes(observer(SimpleNamespace(unwrapped=base), seed=0), envs, seed=0)
        for base in (blind, envs.unwrapped)
    ]
    assert np.array_equal(found[0].actions, found[1].actions)


@players
def test_memory_handed_in_is_left_alone(observer):
    envs = vector(4)
    agent, memory, start = observer(envs, seed=0), None, np.ones(4, bool)
    observation, _ = envs.reset(seed=0)
    for _ in range(12):
        kept = copy.deepcopy(memory)
        actions, after = agent.predict(observation, memory, start)
        assert memory is None or (memory == kept).all()
        observation, _, start, _, _ = envs.step(actions)
        memory = after
