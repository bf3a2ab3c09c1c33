"""Claims of the foraging task on measures made by hand, and what units are correlated with."""

from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from figures import assert_drawn
from judged import judge, with_frozen

from neurotasks.episodes import run_episodes
from neurotasks.observers import (
    BayesForaging,
    BiasedForaging,
    LeakyIncomeForaging,
    MatchingForaging,
    Oracle,
    RandomAgent,
    WinStayLoseShiftForaging,
)
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.experiments import (
    EXPERIMENTS,
    foraging,
    foraging_figure,
    foraging_matching,
    foraging_units,
)
from neurotasks_baselines.experiments.claims import FOILS, look_up
from neurotasks_baselines.experiments.foraging import AVERAGES, KNOWING
from neurotasks_baselines.experiments.foraging_matching import (
    BIASED,
    EVEN,
    ID,
    KINDS,
    LAGS,
    THREE,
    UNBAITED,
    WIN_STAY,
    behaviour,
    check_task,
    observe,
    observed_trials,
    points,
    slope_difference,
)
from neurotasks_baselines.experiments.foraging_switching import MIDDLES, UnbaitedForaging, switching
from neurotasks_baselines.experiments.foraging_units import (
    CODED,
    UNTRAINED,
    averages_and_sizes,
    shuffled_within,
    unit_coding,
    value_decoded,
)
from neurotasks_baselines.files import json_ready
from neurotasks_baselines.training.build import build

FORAGING = EXPERIMENTS["foraging"]


def units(above):
    found = {"rho": [above + 0.05] * 48, "null": 0.05, "above_null": above}
    return {name: dict(found) for name in CODED}


def made(reward=(1.0,) + (0.5,) * 4 + (0.2,) * 10, above=0.2, before=-0.1, averages=0.1, **changes):
    measures = {"reward_per_trial": 0.44, "slope": 0.8, "r": 0.95, "slope_p0": 0.8}
    measures |= {"slope_p0_held_out": 0.8}
    measures |= {"slope_trained": 0.8, "slope_held_out": 0.85, "slope_difference": 0.05}
    measures |= {"units": units(above), "value_decoded": 0.4, "seconds": 5.0}
    measures |= {"weights": {"reward": list(reward), "choice": [-4.0] * LAGS}}
    measures |= {"p_switch": 0.5, "switching": 0.55, "switch_curve": [0.5] * len(MIDDLES)}
    measures |= {"bayes": {"weights": {kind: [-5.0] * LAGS for kind in KINDS}}}
    measures |= {"weight_decrease": reward[0] - np.mean(reward[5:])}
    measures |= {
        "points": {"reward": [-1.0, 1.0], "choice": [-1.0, 1.0], "held_out": [True, False]}
    }
    foils = {UNTRAINED: {"units": units(before)}, AVERAGES: {"value_decoded": averages}}
    history = [{"steps": i * 1e6, "reward_per_trial": 0.2 * i} for i in range(3)]
    return measures | {FOILS: foils, "history": history} | changes


def players(**changes):
    """Return players of whom each foil fails; changes are of some, by name."""
    bad = made((0.0,) * LAGS, reward_per_trial=0.4, slope=0.3, slope_p0=0.2, r=0.5)
    bad |= {"slope_p0_held_out": 0.3, "switching": 0.3}
    found = {"matching": bad, "Bayes": made(), "greedy": made()}
    found |= dict.fromkeys((WIN_STAY, BIASED, EVEN, UNBAITED), bad) | {
        THREE: made(slope_held_out=1.05)
    }
    return found | changes


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for module in (foraging, foraging_figure):
        monkeypatch.setattr(module, "observe", players)
    monkeypatch.setattr(foraging, "check_task", lambda: (2.0, 0.0))


def verdicts(*measures):
    """Return the verdicts on seeds, by default twice the same."""
    measures = measures if len(measures) > 1 else measures * 2
    claims = judge(FORAGING, list(measures))
    return {claim.claim: claim.verdict for claim in claims if claim.counted}


def named(verdict, *measures):
    return {name for name, v in verdicts(*measures).items() if v == verdict}


def missed(*measures):
    return named("missed", *measures)


REWARD = "reward per trial, p0 from the whole range"
SLOPE = "slope of log2 choice ratios on log2 reward ratios"
R = "correlation of log2 choice ratios with log2 reward ratios"
P0 = "slope of log2 choice ratios on log2 p0 ratios"
DIFFERENCE = "slope for held-out less that for trained p0, difference from the Bayesian observer's"
LAST = "weight of the last reward in the choice"
HELD_OUT = "slope of log2 choice ratios on log2 p0 ratios, held-out p0 only"
EARLIER = "mean weight of the rewards 2 to 5 trials ago in the choice"
RECENT = "the same minus the mean weight of the rewards 6 to 15 trials ago"
VALUE = "R2 of the better arm's probability of paying, decoded from the units"

SWITCHING = "P(switch) where the other arm is likelier to pay, less P(switch) where it is not"


def units_claim(name):
    return next(row.name for row in FORAGING.claims if row.key == f"units.{name}.above_null")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"reward_per_trial": 0.431}, {REWARD}),
        ({"slope": 0.59}, {SLOPE}),
        ({"slope": 1.06}, {SLOPE}),
        ({"slope": np.nan, "r": np.nan}, {SLOPE, R}),
        ({"r": 0.84}, {R}),
        ({"slope_p0": 0.59}, {P0}),
        ({"slope_p0_held_out": 0.59}, {HELD_OUT}),
        ({"slope_p0_held_out": 1.06}, {HELD_OUT}),
        ({"slope_difference": 0.16}, {DIFFERENCE}),
        ({"slope_difference": np.nan}, {DIFFERENCE}),
        ({"reward": (0.24,) + (0.3,) * 4 + (0.1,) * 10}, {LAST}),
        ({"reward": (0.3,) + (0.3,) * 4 + (0.25,) * 10}, {RECENT}),
        ({"reward": (1.0,) + (0.2,) * 4 + (0.1,) * 10}, {EARLIER}),
        ({"reward": (0.31,) + (0.9,) * 4 + (0.2,) * 10}, set()),
        ({"reward": (np.nan,) * 15}, {LAST, RECENT, EARLIER}),
        ({"above": -0.01}, {units_claim(name) for name in CODED}),
        ({"value_decoded": 0.23}, {VALUE}),
        ({"switching": 0.45}, {SWITCHING}),
    ],
)
def test_claims_can_be_missed(changes, expected):
    assert missed(made(**changes)) == expected
    assert named("not diagnostic", made(**changes)) == set()


@pytest.mark.parametrize("name", CODED)
def test_each_code_can_be_missed(name):
    measures = made()
    measures["units"][name]["above_null"] = -0.01
    assert missed(measures) == {units_claim(name)}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"before": 0.2}, {units_claim(name) for name in CODED}), ({"averages": 0.4}, {VALUE})],
)
def test_a_claim_whose_foil_passes_is_not_diagnostic(changes, expected):
    assert named("not diagnostic", made(**changes)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (WIN_STAY, {REWARD, R, P0, HELD_OUT}),
        (BIASED, {SLOPE}),
        (THREE, {DIFFERENCE}),
        ("matching", {LAST, EARLIER, SWITCHING}),
        (EVEN, {RECENT}),
    ],
)
def test_claims_whose_foil_plays_as_the_agent(name, expected, monkeypatch):
    monkeypatch.setattr(foraging, "observe", lambda: players(**{name: made()}))
    assert named("not diagnostic", made()) == expected


def test_the_task_is_checked():
    checks = [c for c in judge(FORAGING, [made()]) if c.kind == "check"]
    assert [(check.measured, check.verdict) for check in checks] == [(2.0, ""), (0.0, "")]


def test_alternation_is_reported():
    reported = [c for c in judge(FORAGING, [made()]) if c.kind == "reported"]
    found = {c.claim: c.measured for c in reported}
    assert found.pop("weight of the last choice in the choice") == -4.0
    assert found.pop("the same of the Bayesian observer on the same episodes") == -5.0
    assert found.pop("P(switch)") == 0.5
    assert len(found) == 2


def test_a_frozen_agent_is_a_foil_of_every_claim():
    """One as good as the agent would show that none of them needs memory, but where rows allow."""
    assert any(claim.held for claim in judge(FORAGING, [made()] * 2))
    claims = judge(FORAGING, [with_frozen(made())] * 2)
    asked = {row.name for row in FORAGING.claims if row.lacking}
    assert {c.verdict for c in claims if c.counted and c.claim in asked} == {"not diagnostic"}


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3])
def test_figure_can_be_drawn_of_anything(seeds, tmp_path):
    nothing = made((np.nan,) * LAGS, np.nan, np.nan, slope=np.nan, reward_per_trial=np.nan)
    nothing["points"] = {"reward": [], "choice": [], "held_out": []}
    for measures in (made(), nothing):
        assert_drawn(FORAGING.figure([measures] * seeds, {}), tmp_path / "figure.png")


# The measures, on players whose behaviour is known.


def played(observer, num_envs=100):
    envs = gym.make_vec(
        ID, num_envs=num_envs, autoreset_mode="SameStep", split="test", trial_log=True
    )
    return run_episodes(observer(envs, seed=0), envs, seed=0)


def test_behaviour():
    found = behaviour(played(MatchingForaging, 400).trials)
    assert found["reward_per_trial"] == pytest.approx(0.432, abs=0.01)  # computed
    assert found["slope"] == pytest.approx(0.84, abs=0.05)
    assert found["r"] > 0.93
    # It knows p0, so that what the last trials brought moves its choice little.
    assert [len(found["weights"][kind]) for kind in KINDS] == [LAGS, LAGS]
    assert abs(found["weights"]["reward"][0]) < 0.25
    leaky = behaviour(played(LeakyIncomeForaging, 400).trials)["weights"]["reward"]
    assert leaky[0] > 0.3
    assert leaky[0] > np.mean(leaky[5:])


@pytest.mark.slow
def test_foils(monkeypatch):
    """What they reach, and what the table says of the other players."""
    monkeypatch.undo()
    found = observe()
    foils = foraging.references()[FOILS]
    assert foils.keys() == {WIN_STAY, BIASED, THREE, EVEN, KNOWING, UNBAITED}
    assert foils[UNBAITED]["p_switch"] < 0.1
    assert foils[WIN_STAY]["reward_per_trial"] == pytest.approx(0.416, abs=0.003)
    assert foils[WIN_STAY]["slope_p0"] < 0.4 < 0.95 < foils[WIN_STAY]["r"]
    assert abs(foils[BIASED]["slope_p0"]) < 0.2
    assert foils[BIASED]["r"] < 0.7
    assert foils[EVEN]["weight_decrease"] < 0.1 < found["Bayes"]["weight_decrease"]
    assert foils[KNOWING]["weights"]["reward"][0] < 0.25
    assert foils[THREE]["slope_difference"] == slope_difference(found[THREE], found["Bayes"])
    published = {row.key: row.published for row in FORAGING.claims}
    keys = "weights.reward.0", "weight_decrease", "weights.choice.0", "slope_p0"
    for key in (*keys, "slope_p0_held_out", "earlier_rewards", "switching", "p_switch"):
        bayes = {**found["Bayes"], **foraging.derive(found["Bayes"])}
        assert f"{look_up([bayes], key).item():.2f} Bayes" in published[key]


def test_switching():
    """Changes after each of three choices, twice to the arm that holds more."""
    found = switching(
        pd.DataFrame(
            {
                "env": 0,
                "episode": [0, 0, 0, 0, 0, 1],
                "choice": [0, 1, 1, 0, -1, 1],
                "p_baited_0": [0.4, 0.4, 0.5, 0.7, 0.9, 0.2],
                "p_baited_1": [0.1, 0.6, 0.1, 0.4, 0.0, 0.7],
            }
        )
    )
    # leads: 0.2 changed, 0.4 not, 0.3 changed
    assert found["p_switch"] == pytest.approx(2 / 3)
    assert np.isnan(found["switching"])  # the other arm always held more
    assert found["switch_curve"][-2:] == [1.0, 0.0]
    assert np.isnan(found["switch_curve"][0])


@pytest.mark.parametrize("blind", [False, True])
def test_switching_is_to_the_arm_that_holds_more(blind):
    """Not that of who alternates whatever the arms hold."""
    trials = played(Oracle, 100).trials
    if blind:
        trials = trials.assign(choice=(trials["trial"] + trials["env"]) % 2)
    found = switching(trials)
    assert found["switching"] == pytest.approx(0 if blind else 1, abs=0.01)
    assert found["p_switch"] == (1 if blind else pytest.approx(0.53, abs=0.1))


def test_who_takes_arms_not_to_fill_up():
    """It learns p0 of the arms it chooses, and keeps choosing the better one."""
    envs = gym.make_vec(ID, num_envs=1, autoreset_mode="SameStep", split="test")
    observer = UnbaitedForaging(envs, p0_left=[0.1, 0.4])
    memory = np.zeros(1, observer.memory)
    observer.start(memory)
    observer.learn(memory, np.array([0]), np.array([1.0]))
    assert memory["belief"][0] == pytest.approx([0.2, 0.8])  # 0.1 and 0.4 of paying
    assert observer.expected(memory)[0] == pytest.approx([0.34, 0.16])
    assert observer.p_right(memory) == 0


def test_slope_difference():
    one, other = ({"slope_held_out": 0.9, "slope_trained": t} for t in (0.8, 1.1))
    assert slope_difference(one, other) == pytest.approx(0.3)


def test_slope_on_p0():
    """Choices follow p0, and not only the rewards that they bring themselves."""
    assert behaviour(played(MatchingForaging, 400).trials)["slope_p0"] == pytest.approx(1, abs=0.1)
    assert abs(behaviour(played(BiasedForaging, 400).trials)["slope_p0"]) < 0.3
    assert behaviour(played(WinStayLoseShiftForaging, 400).trials)["slope_p0"] < 0.4


def test_behaviour_of_who_never_turns():
    """One arm only: no ratio, and weights that are infinite."""
    trials = played(MatchingForaging, 30).trials.assign(choice=1)
    found = behaviour(trials)
    assert np.isnan([found["slope"], found["r"], *found["weights"]["reward"]]).all()
    assert np.isnan([found["slope_p0"], found["weight_decrease"]]).all()
    assert np.isnan(found["slope_p0_held_out"])
    assert points(trials) == {"reward": [], "choice": [], "held_out": []}


def test_points_say_which_episodes_were_held_out():
    trials = played(MatchingForaging).trials
    drawn = points(trials)
    assert len(drawn["choice"]) == len(drawn["held_out"]) > 80
    left = trials.groupby(["env", "episode"])[["p0_0", "held_out"]].first()
    assert sum(left["held_out"]) >= sum(drawn["held_out"]) > 0.25 * len(drawn["held_out"])


def test_units_are_those_of_the_next_choice():
    """Units made from what is known of each trial, at the step at which the arms are shown."""
    episodes = played(LeakyIncomeForaging)
    steps, num_envs = episodes.actions.shape
    side, paid = np.zeros((2, steps, num_envs))
    chosen = episodes.truth["stage"] == 1
    side[chosen] = 2.0 * episodes.actions[chosen] - 1
    paid[chosen] = 2.0 * episodes.rewards[chosen] - 1
    last_side, last_paid = np.roll(side, 2, axis=0), np.roll(paid, 2, axis=0)  # fixation between
    noise = np.random.default_rng(0).normal(size=(steps, num_envs))
    hidden = [last_side, last_paid, last_side * last_paid, side, noise, 0 * noise]
    activations = SimpleNamespace(hidden=np.stack(hidden, axis=-1), values=noise)
    found = unit_coding(episodes, activations)
    rho = np.array([found[name]["rho"] for name in CODED])
    assert rho[[0, 1, 2, 3], [0, 1, 2, 4]] == pytest.approx(1)
    assert (rho[:, 5] == 0).all()  # a dead unit
    assert rho[0, 3] < 0.8  # the choice to come is not the last one
    assert rho[:3, 4].max() < 0.05
    assert all(0 < found[name]["null"] < 0.3 for name in CODED)
    for name, sizes in zip(CODED, rho, strict=True):
        expected = sizes.mean() - found[name]["null"]
        assert found[name]["above_null"] == pytest.approx(expected, abs=1e-4)


def test_rounding_is_no_code():
    """A state that forgets everything differs in the last digits only, by row of its batch."""
    episodes = played(LeakyIncomeForaging)
    chosen = episodes.truth["stage"] == 1
    last = np.roll(np.where(chosen, 2.0 * episodes.actions - 1, 0.0), 2, axis=0)
    forgets = np.float32(0.3) + np.float32(3e-8) * last
    activations = SimpleNamespace(hidden=np.stack([forgets, last], axis=-1), values=forgets)
    found = unit_coding(episodes, activations)
    assert found["action"]["rho"] == [0.0, 1.0]
    assert found["value"] == {"rho": [0.0, 0.0], "null": 0.0, "above_null": 0.0}


def test_null_holds_what_differs_between_episodes():
    """A unit that stands for the preferred arm of an episode does not count as a code."""
    episodes = played(MatchingForaging)
    better = episodes.truth["p0"][..., 1]
    activations = SimpleNamespace(hidden=better[..., None], values=better)
    found = unit_coding(episodes, activations)["action"]
    assert found["rho"][0] > 0.3
    assert found["above_null"] < 0.02


def test_value_decoded():
    """The value itself, what a player expects, and what only averages the past."""
    envs = gym.make_vec(ID, num_envs=300, autoreset_mode="SameStep", split="test", trial_log=True)
    observer = BayesForaging(envs, seed=0)
    episodes = run_episodes(observer, envs, seed=TEST_SEED)
    value = episodes.truth["p_baited"].max(axis=2)[..., None]
    assert value_decoded(episodes, value) > 0.999
    assert abs(value_decoded(episodes, np.ones_like(value))) < 0.01
    memory, start, expected = None, np.ones(300, bool), []
    for observation in episodes.observations:
        _, memory = observer.predict(observation, memory, start)
        start = np.zeros(300, bool)
        expected.append(observer.expected(memory).max(axis=1))
    bayes = value_decoded(episodes, np.stack(expected)[..., None])
    published = next(row.published for row in FORAGING.claims if row.key == "value_decoded")
    assert published == f"{bayes:.2f} Bayes"
    assert value_decoded(episodes, averages_and_sizes(episodes)) < 0.35


def test_measure(tiny, monkeypatch):
    model = build(ID, hyperparameters=tiny, seed=0)
    model.description |= {"history": [{"steps": 0, "reward_per_trial": 0.1}], "seconds": 0.0}
    monkeypatch.setattr(foraging_units, "SHUFFLES", 20)
    found = json_ready(FORAGING.measure({"agent": model}, 20, TEST_SEED))
    assert found[FOILS].keys() == {UNTRAINED, AVERAGES}
    for name in ("units", "value_decoded"):  # it was not trained
        assert found[FOILS][UNTRAINED][name] == found[name]


def test_invalid_trials_are_left_out():
    """Half of the steps of one who presses at random are errors."""
    episodes = played(RandomAgent)
    last = np.zeros(episodes.actions.shape)
    for env in range(last.shape[1]):
        before = np.nan
        for step in range(len(last)):
            last[step, env] = before
            if episodes.truth["stage"][step, env] == 1:
                before = {0: -1, 1: 1, 2: np.nan}[episodes.actions[step, env]]
    activations = SimpleNamespace(hidden=last[..., None], values=np.zeros(last.shape))
    assert unit_coding(episodes, activations)["action"]["rho"] == [1.0]  # no NaN among them


def test_shuffling_stays_within_episodes():
    env = np.repeat([3, 5, 8], [40, 1, 30])
    order = shuffled_within(env, np.random.default_rng(0))
    assert sorted(order) == list(range(len(env)))
    assert (env[order] == env).all()
    assert (order != np.arange(len(env))).mean() > 0.8


def test_task_keeps_to_the_formula(monkeypatch):
    deviation, gaps = check_task()
    assert deviation < 3
    assert gaps == 0
    trials = observed_trials(MatchingForaging)
    wrong = trials.assign(p0_0=0.8 * trials["p0_0"])
    monkeypatch.setattr(foraging_matching, "observed_trials", lambda player: wrong)
    assert check_task.__wrapped__()[0] > 3
