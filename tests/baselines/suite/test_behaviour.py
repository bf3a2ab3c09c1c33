"""Means of evaluation metrics over seeds, and what is published of them."""

import pytest

from neurotasks_baselines.suite.behaviour import mean_behaviour, published

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
