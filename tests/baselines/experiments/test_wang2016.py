"""The tasks of Wang et al. 2016: measures by hand and on observers, claims that can be missed."""

import json

import numpy as np
import pandas as pd
import pytest
from figures import assert_drawn
from judged import judge

from neurotasks.episodes import run_episodes
from neurotasks.observers import InformativeBandit, RandomAgent
from neurotasks.scores import TEST_SEED
from neurotasks_baselines.experiments import informative, restless, two_step_2016
from neurotasks_baselines.experiments.claims import FOILS, with_derived
from neurotasks_baselines.experiments.informative import SEARCHER, UNTRAINED, Searcher
from neurotasks_baselines.experiments.learners import LACKING
from neurotasks_baselines.experiments.restless import CONSTANT_STEP, FIXED_RATE, UCB
from neurotasks_baselines.experiments.two_step_2016 import IDEAL_NAME
from neurotasks_baselines.experiments.two_step_measures import CUE, MODEL_FREE
from neurotasks_baselines.files import json_ready
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import held_out_envs
from neurotasks_baselines.training.hyperparameters import Hyperparameters

MODULES = (restless, informative, two_step_2016)
IDEAL = {restless: "ideal observer", informative: "ideal", two_step_2016: IDEAL_NAME}


@pytest.fixture(scope="module", params=MODULES, ids=lambda module: module.EXPERIMENT.name)
def module(request):
    """Return an experiment's module whose observers play fewer episodes."""
    patch = pytest.MonkeyPatch()
    patch.setattr(request.param, "OBSERVER_EPISODES", 300)
    request.param.observe.cache_clear()
    yield request.param
    patch.undo()
    request.param.observe.cache_clear()


def played(player, id, num_episodes=300):
    """Return the trials of an observer."""
    envs = held_out_envs(id, {}, num_episodes)
    return run_episodes(player(envs, seed=0), envs, seed=TEST_SEED).trials


def seeds_of(module, name):
    """Return measures of three seeds that all behave like an observer."""
    own = {**module.observe()[name], "history": [], "seconds": 1.0}
    if module is informative:
        random = informative.behaviour(played(RandomAgent, informative.ID))
        own[FOILS] = {UNTRAINED: random}
    return [own] * 3


def verdicts(module, name, lacking_like):
    """Return verdicts by key, of agents like one observer, and foils like another."""
    lacking = {}
    if module.EXPERIMENT.lacking:
        foil = {**module.observe()[lacking_like]}
        lacking = {key: [foil] * 2 for key in LACKING}
    claims = judge(module.EXPERIMENT, seeds_of(module, name), **lacking)
    return {row.key: c for row, c in zip(module.EXPERIMENT.claims, claims, strict=True)}


def test_agents_like_the_ideal_observer_hold_every_claim_and_foils_miss_theirs(module):
    worst = {restless: UCB, informative: SEARCHER, two_step_2016: MODEL_FREE}[module]
    found = verdicts(module, IDEAL[module], worst)
    for claim in found.values():
        if claim.kind in ("check", "reported"):
            assert claim.verdict == ""
            continue
        if claim.claim.startswith("log likelihood") and "last trial" in claim.claim:
            continue  # next test
        assert claim.verdict == "held", (claim.claim, claim.measured, claim.foils)
    assert found["learned"].measured == 1


def test_whoever_lacks_what_a_claim_is_about_misses_it(module):
    for row in module.EXPERIMENT.claims:
        if row.foil is not None:
            (claim,) = (
                c
                for c in judge(module.EXPERIMENT, seeds_of(module, row.foil))
                if c.claim == row.name
            )
            assert claim.verdict == "missed", row.name


def test_the_last_trial_as_a_cue_explains_a_model_free_learner_less_well_too():
    """So that this row needs the learner that follows the cue as its foil."""
    rows = {row.key: row for row in two_step_2016.CLAIMS}
    assert rows["latent_over.reward as cue"].foil == CUE


def test_informative_by_hand():
    """An arm named after t steps costs 5 - t / 10 once; the search finds target k after k pulls."""
    best = informative.behaviour(played(InformativeBandit, informative.ID, 400))
    assert best["informative"] == [1, 0, 0, 0, 0]
    assert best["target"] == [0, 1, 1, 1, 1]
    trials = played(Searcher, informative.ID, 400)
    costs = trials.groupby("env")["regret"].sum().round(6)
    assert set(costs) == {4.0 * min(k - 1, 5) for k in range(1, 11)}
    assert np.mean([4 * min(k - 1, 5) for k in range(1, 11)]) == informative.SEARCH_REGRET
    assert pytest.approx(np.mean([5 - k / 10 for k in range(1, 11)])) == informative.IDEAL_REGRET
    per_pull = 5 - (5 + 9 * 1 + np.mean([k / 10 for k in range(1, 11)])) / 11
    assert pytest.approx(5 * per_pull, abs=0.05) == informative.RANDOM
    random = played(RandomAgent, informative.ID, 2000)
    assert informative.behaviour(random)["regret"][-1] == pytest.approx(
        informative.RANDOM, rel=0.02
    )


def test_restless_random_choices():
    random = restless.behaviour(played(RandomAgent, restless.ID, 1000))
    assert random["regret"][-1] == pytest.approx(restless.RANDOM, rel=0.05)
    assert not restless.derive(random)["learned"]


@pytest.fixture
def observed(monkeypatch):
    """Let the observers of the restless bandit play fewer episodes."""
    monkeypatch.setattr(restless, "OBSERVER_EPISODES", 300)
    restless.observe.cache_clear()
    yield restless.observe()
    restless.observe.cache_clear()


def test_only_who_infers_the_size_of_steps_has_two_learning_rates(observed):
    assert observed["ideal observer"]["ratio"] > 1.8
    for name in (CONSTANT_STEP, FIXED_RATE):
        assert observed[name]["ratio"] == pytest.approx(1, abs=0.15)
    assert observed[CONSTANT_STEP]["regret"][-1] < observed[UCB]["regret"][-1]


def test_staying_is_measured_in_the_first_trials():
    """By hand: in two trials after the first ones, staying is the other way round."""
    rows = [
        {"env": 0, "episode": 0, "trial": t, "choice": 0, "outcome": 1, "common": True}
        | {"second_state": 0, "trial_reward": 1.0}
        for t in range(two_step_2016.EARLY + 2)
    ]
    rows[-1]["choice"] = rows[-2]["choice"] = 1
    trials = pd.DataFrame(rows)
    trials["outcome"] = trials["outcome"].astype(np.int64)
    assert two_step_2016.behaviour(trials)["stays"]["rewarded common"] == 1
    rows[3]["choice"] = 1
    found = two_step_2016.behaviour(pd.DataFrame(rows))["stays"]["rewarded common"]
    assert found == pytest.approx(1 - 2 / (two_step_2016.EARLY - 1))


@pytest.mark.slow
def test_an_agent_that_has_learned_nothing(module, tmp_path):
    """It is measured, misses the claims, and can be drawn."""
    training = module.EXPERIMENT.trainings["agent"]
    tiny = Hyperparameters(total_steps=1000, num_envs=4, columns=2, units=8)
    model = build(module.ID, hyperparameters=tiny, seed=0)
    row = {"steps": 0, "reward_per_trial": 0.5, "regret": 20.0}
    model.description |= {"history": [row], "seconds": 0.0}
    measures = json_ready(module.EXPERIMENT.measure({"agent": model}, 60, TEST_SEED))
    assert len(json.dumps(measures)) < 20_000
    assert not with_derived(module.EXPERIMENT, measures)["learned"]
    seeds = [{**measures, "seconds": 0.0}] * 3
    claims = judge(module.EXPERIMENT, seeds)
    missed = [c.claim for c in claims if c.verdict == "missed"]
    assert len(missed) >= sum(c.verdict != "" for c in claims) - 1
    lacking = {name: [measures] for name in LACKING.values()}
    assert_drawn(module.EXPERIMENT.figure(seeds, lacking), tmp_path / "figure.png")
    found = training.metrics.compute(
        run_episodes(RandomAgent(held_out_envs(module.ID, {}, 20), seed=0), seed=TEST_SEED)
    )
    assert "reward_per_trial" in found
