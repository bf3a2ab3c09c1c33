"""Claims and figure of Harlow's task in pictures, on measures made by hand."""

import pytest

from neurotasks_baselines.experiments import metrics_for
from neurotasks_baselines.experiments.claims import evaluate_claims
from neurotasks_baselines.experiments.harlow_common import AGENT_2018, QUANTILES, TRIALS
from neurotasks_baselines.experiments.harlow_pixels import EXPERIMENT, METRIC_EPISODES

CHANCE = [0.5] * TRIALS


def measures(accuracy, right=0.98, wrong=0.97):
    history = [
        {"steps": steps, **{f"accuracy_{i + 1}": a for i, a in enumerate(accuracy)}}
        for steps in (0, 1_000)
    ]
    return {
        "accuracy": list(accuracy),
        "after_first": {"right": right, "wrong": wrong},
        "quantiles": [CHANCE] * (QUANTILES - 1) + [list(accuracy)],
        "history": history,
    }


def test_agent_of_the_paper_meets_all_claims():
    claims = evaluate_claims(EXPERIMENT, [measures(AGENT_2018)] * 2)
    assert len(claims) == TRIALS + 1
    assert all(claim.passed for claim in claims)


def test_chance_meets_only_the_first_trial():
    claims = evaluate_claims(EXPERIMENT, [measures(CHANCE, 0.5, 0.5)])
    assert [claim.passed for claim in claims] == [True] + [False] * 5 + [True]


def test_win_stay_is_told_from_learning():
    *_, regardless = evaluate_claims(EXPERIMENT, [measures(AGENT_2018, right=1.0, wrong=0.9)])
    assert not regardless.passed
    assert regardless.measured == pytest.approx(0.1)


def test_figure_shows_the_paper_and_ours():
    figure = EXPERIMENT.figure([measures(AGENT_2018), measures(CHANCE)])
    paper, ours, learning = figure.axes
    assert len(paper.lines) == QUANTILES
    assert len(ours.lines) == QUANTILES + 1
    assert [line.get_ydata()[-1] for line in learning.lines] == pytest.approx([0.9788, 0.5])


def test_watched_in_few_episodes():
    assert metrics_for("neurotasks/HarlowPixels-v0").num_episodes == METRIC_EPISODES
