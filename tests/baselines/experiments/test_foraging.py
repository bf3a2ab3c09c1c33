"""Claims of the foraging task on measures made by hand, and what units are correlated with."""

from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from figures import assert_drawn

from neurotasks.episodes import run_episodes
from neurotasks.observers import LeakyIncomeForaging, MatchingForaging, RandomAgent
from neurotasks_baselines.experiments import EXPERIMENTS, foraging
from neurotasks_baselines.experiments.claims import evaluate_claims
from neurotasks_baselines.experiments.foraging import (
    CODED,
    ID,
    KINDS,
    LAGS,
    behaviour,
    check_task,
    points,
    shuffled_within,
    unit_coding,
)

FORAGING = EXPERIMENTS["foraging"]


def made(reward=(1.0,) + (0.2,) * 14, rho=0.2, **changes):
    units = {name: {"rho": [rho] * 48, "null": 0.05} for name in CODED}
    measures = {"reward_per_trial": 0.43, "slope": 0.8, "r": 0.95}
    measures |= {"slope_trained": 0.8, "slope_held_out": 0.85, "units": units, "seconds": 5.0}
    measures |= {"weights": {"reward": list(reward), "choice": [0.1] * LAGS}}
    measures |= {
        "points": {"reward": [-1.0, 1.0], "choice": [-1.0, 1.0], "held_out": [True, False]}
    }
    history = [{"steps": i * 1e6, "reward_per_trial": 0.2 * i} for i in range(3)]
    return measures | {"history": history} | changes


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    players = {name: made() for name in foraging.PLAYERS}
    monkeypatch.setattr(foraging, "observe", lambda: players)
    monkeypatch.setattr(foraging, "check_task", lambda: (2.0, 0.0))


def missed(*measures):
    return {claim.claim for claim in evaluate_claims(FORAGING, list(measures)) if not claim.passed}


REWARD = "reward per trial, p0 from the whole range"
SLOPE = "slope of log2 choice ratios on log2 reward ratios"
R = "correlation of log2 choice ratios with log2 reward ratios"
DIFFERENCE = "difference of the slopes for held-out and for trained p0"
LAST = "weight of the last reward in the choice"
RECENT = "the same minus the mean weight of the rewards 6 to 15 trials ago"
FORMULA = "largest deviation of the arms' probabilities from the formula, n = 0 to 6, in s.e."
GAPS = "fraction of training episodes with p0 in a held-out gap"


def units_claim(name):
    return next(row.name for row in FORAGING.claims if row.key == f"rho_above_null.{name}")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"reward_per_trial": 0.40}, {REWARD}),
        ({"slope": 0.59}, {SLOPE}),
        ({"slope": 1.06}, {SLOPE}),
        ({"slope": np.nan, "r": np.nan}, {SLOPE, R}),
        ({"r": 0.84}, {R}),
        ({"slope_held_out": 0.96}, {DIFFERENCE}),
        ({"slope_held_out": 0.64}, {DIFFERENCE}),
        ({"slope_held_out": np.nan}, {DIFFERENCE}),
        ({"reward": (-0.1,) + (-0.2,) * 14}, {LAST}),
        ({"reward": (0.3,) + (0.0,) * 4 + (0.4,) * 10}, {RECENT}),
        ({"reward": (0.3,) + (0.9,) * 4 + (0.2,) * 10}, set()),
        ({"reward": (np.nan,) * 15}, {LAST, RECENT}),
        ({"rho": 0.04}, {units_claim(name) for name in CODED}),
    ],
)
def test_claims_can_be_missed(changes, expected):
    assert missed(made(**changes)) == expected


@pytest.mark.parametrize("name", CODED)
def test_each_code_can_be_missed(name):
    measures = made()
    measures["units"][name] = {"rho": [0.1, 0.0] * 24, "null": 0.06}
    assert missed(measures) == {units_claim(name)}


@pytest.mark.parametrize(("found", "expected"), [((3.1, 0.0), FORMULA), ((1.0, 1e-4), GAPS)])
def test_the_task_is_checked(found, expected, monkeypatch):
    monkeypatch.setattr(foraging, "check_task", lambda: found)
    assert missed(made()) == {expected}


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3])
def test_figure_can_be_drawn_of_anything(seeds, tmp_path):
    nothing = made((np.nan,) * LAGS, np.nan, slope=np.nan, reward_per_trial=np.nan)
    nothing["points"] = {"reward": [], "choice": [], "held_out": []}
    for measures in (made(), nothing):
        assert_drawn(FORAGING.figure([measures] * seeds), tmp_path / "figure.png")


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


def test_behaviour_of_who_never_turns():
    """One arm only: no ratio, and weights that are infinite."""
    trials = played(MatchingForaging, 30).trials.assign(choice=1)
    found = behaviour(trials)
    assert np.isnan([found["slope"], found["r"], *found["weights"]["reward"]]).all()
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


def test_null_holds_what_differs_between_episodes():
    """A unit that stands for the preferred arm of an episode does not count as a code."""
    episodes = played(MatchingForaging)
    better = episodes.truth["p0"][..., 1]
    activations = SimpleNamespace(hidden=better[..., None], values=better)
    found = unit_coding(episodes, activations)["action"]
    assert found["rho"][0] > 0.3
    assert found["rho"][0] - found["null"] < 0.02


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
    trials = foraging.observed_trials(MatchingForaging)
    wrong = trials.assign(p0_0=0.8 * trials["p0_0"])
    monkeypatch.setattr(foraging, "observed_trials", lambda player: wrong)
    assert check_task.__wrapped__()[0] > 3
