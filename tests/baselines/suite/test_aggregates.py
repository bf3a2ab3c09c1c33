"""Aggregates, on numbers worked by hand."""

import math

import pytest

from neurotasks_baselines.suite.aggregates import (
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
)


def test_interquartile_mean_leaves_out_the_lowest_and_the_highest_quarter():
    assert interquartile_mean({"a": [0, 7, 2, 5], "b": [100, 3, 4, -9]}).value == 3.5


def test_seeds_are_resampled_within_their_task():
    """Resampled over tasks, too, these would vary."""
    assert interquartile_mean({"a": [0.2, 0.2], "b": [0.8, 0.8]}) == pytest.approx((0.5, 0.5, 0.5))


def test_interval_is_that_of_a_mean_where_nothing_is_trimmed():
    """Of two seeds, 0 and 1, half of the samples are equal, and a quarter 0, a quarter 1."""
    value, low, high = interquartile_mean({"a": [0.0, 1.0]})
    assert (value, low, high) == (0.5, 0, 1)


def test_one_seed_has_no_interval():
    assert interquartile_mean({"a": [0.2, 0.4], "b": [0.6]})[1:] == (None, None)


def test_performance_profile():
    found = performance_profile({"a": [0.1, 0.5], "b": [0.9, 1.0]}, [0, 0.5, 0.95, 1])
    assert found.tolist() == [1, 0.5, 0.25, 0]


def test_probability_of_improvement_is_a_mean_over_common_tasks():
    """Of [1, 2] and [0, 2]: two of four pairs higher, one equal: 2.5 / 4. Of 0 and 1: 0."""
    scores, other = {"a": [1, 2], "b": [0], "c": [9]}, {"a": [0, 2], "b": [1], "d": [9]}
    assert probability_of_improvement(scores, other) == 0.3125
    assert math.isnan(probability_of_improvement({"a": [1]}, {"b": [1]}))
