"""Learning rates, means of evaluation metrics over seeds, and what is published of them."""

from dataclasses import replace
from functools import partial

import gymnasium as gym
import numpy as np
import pytest

from neurotasks.analysis.volatility import learning_rates
from neurotasks.episodes import run_episodes
from neurotasks.observers import (
    BayesVolatility,
    RandomAgent,
    RescorlaWagnerVolatility,
    reference_observer,
)
from neurotasks.tasks.volatility import STABLE, VOLATILE
from neurotasks_baselines.suite import report
from neurotasks_baselines.suite.behaviour import (
    FITTED,
    fitted_learning_rates,
    mean_behaviour,
    measure_behaviour,
    published,
)
from neurotasks_baselines.suite.report import behaviour_tables, shipped_agents

VOLATILITY = "neurotasks/Volatility-v0"
SCORED = VOLATILITY, 100  # id and seed


def volatility_episodes(player, num_episodes=40):
    options = {"autoreset_mode": "SameStep", "split": "test", "trial_log": True}
    envs = gym.make_vec(VOLATILITY, num_envs=num_episodes, **options)
    return run_episodes(player(envs, seed=0), envs, seed=0)


@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_the_learning_rate_of_a_learner_with_one_is_found_in_both_blocks(alpha):
    episodes = volatility_episodes(partial(RescorlaWagnerVolatility, alpha=alpha), 100)
    found = fitted_learning_rates(episodes.trials)
    assert found["learning_rate_stable"] == pytest.approx(alpha, rel=0.15)
    assert found["learning_rate_ratio"] == pytest.approx(1, abs=0.15)


def test_rates_are_medians_over_groups_and_the_ratio_is_volatile_over_stable():
    trials = volatility_episodes(BayesVolatility).trials
    stable, volatile = (
        learning_rates(trials)["alpha"].xs(block, level="block").median()
        for block in (STABLE, VOLATILE)
    )
    assert fitted_learning_rates(trials) == pytest.approx(
        {
            "learning_rate_stable": stable,
            "learning_rate_volatile": volatile,
            "learning_rate_ratio": volatile / stable,
        }
    )


def test_who_chooses_at_random_has_no_learning_rate():
    trials = volatility_episodes(RandomAgent).trials
    assert np.isnan(list(fitted_learning_rates(trials).values())).all()


def test_a_block_that_is_not_there_has_no_learning_rate():
    trials = volatility_episodes(BayesVolatility, 20).trials
    found = fitted_learning_rates(trials[trials["block"] == VOLATILE])
    assert found["learning_rate_volatile"] > 0
    assert np.isnan([found["learning_rate_stable"], found["learning_rate_ratio"]]).all()


def test_only_the_first_episodes_are_fitted():
    trials = volatility_episodes(BayesVolatility, 20).trials
    later = trials.assign(env=trials["env"] + FITTED, choice=1)
    assert fitted_learning_rates(trials.merge(later, "outer")) == fitted_learning_rates(trials)


def test_the_volatility_task_has_learning_rates_next_to_its_metrics():
    found = measure_behaviour(VOLATILITY, volatility_episodes(reference_observer, 20))
    assert list(found) == [
        "reward_per_trial",
        "correct_stable",
        "correct_volatile",
        "learning_rate_stable",
        "learning_rate_volatile",
        "learning_rate_ratio",
    ]


def test_of_the_learning_rate_the_direction_is_published():
    known = published(VOLATILITY, {})
    assert known["learning_rate_ratio"].startswith("> 1")
    assert "Wang 2018, Fig. 3 (direction)" in known["learning_rate_ratio"]
    assert not {"learning_rate_stable", "learning_rate_volatile"} & set(known)


STAYS = {
    "stay_rewarded_common": 0.9,
    "stay_rewarded_rare": 0.5,
    "stay_unrewarded_common": 0.4,
    "stay_unrewarded_rare": 0.8,
}


def test_means_are_over_the_seeds_where_a_metric_is_defined():
    found = mean_behaviour([{"slope": 0.5, "regret": None}, {"slope": 0.7}, {"slope": None}])
    assert found == {"slope": pytest.approx(0.6)}


def test_probabilities_of_staying_give_both_effects():
    """Common: 0.9 - 0.4; rare: 0.5 - 0.8."""
    found = mean_behaviour([STAYS])
    assert found["reward_effect"] == pytest.approx((0.5 - 0.3) / 2)
    assert found["interaction_effect"] == pytest.approx((0.5 + 0.3) / 2)
    assert "reward_effect" not in mean_behaviour([STAYS | {"stay_rewarded_rare": None}])


def test_published_values_have_their_source():
    found = published("neurotasks/TwoStep-v0", {})
    assert found["interaction_effect"].startswith("0.363")
    assert "Wang" in found["stay_rewarded_common"]


def test_a_result_without_a_metric_has_a_dash(monkeypatch):
    """Those from before the metric, and those where it is undefined."""
    monkeypatch.setattr(report, "reference_behaviour", lambda id: {"learning_rate_ratio": 1.25})
    (result,) = (r for r in shipped_agents()["FusedRecurrentPPO"] if (r.id, r.seed) == SCORED)
    seen = {"new": {"learning_rate_ratio": 1.5}, "old": {"reward_per_trial": 0.7}}
    seen |= {"none": {"reward_per_trial": 0.5, "learning_rate_ratio": None}}
    agents = {name: [replace(result, behaviour=found)] for name, found in seen.items()}
    assert "| learning_rate_ratio | 1.500 | - | - | 1.250 | > 1" in behaviour_tables(agents)
