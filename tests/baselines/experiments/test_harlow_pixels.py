"""Claims and figure of Harlow's task in pictures, on measures made by hand."""

import pytest

from neurotasks.episodes import run_episodes
from neurotasks.observers import HarlowPixelsObserver
from neurotasks_baselines.experiments import metrics_for
from neurotasks_baselines.experiments.claims import evaluate_claims
from neurotasks_baselines.experiments.harlow_common import (
    AGENT_2018,
    FROM_REWARDS,
    QUANTILES,
    TRIALS,
    PartialLearner,
    accuracies,
    foils,
)
from neurotasks_baselines.experiments.harlow_pixels import EXPERIMENT, METRIC_EPISODES
from neurotasks_baselines.training.evaluate import held_out_envs

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


def verdicts(*found):
    return [c.verdict for c in evaluate_claims(EXPERIMENT, [measures(*found)] * 2)]


def test_agent_of_the_paper():
    """It misses nothing, but shares some rows with who learns from rewards only, or guesses."""
    no_sign = "not diagnostic"
    assert verdicts(AGENT_2018) == ["", "held", "held", *[no_sign] * 4, "held"]


def test_chance_meets_only_what_is_not_diagnostic():
    assert verdicts(CHANCE, 0.5, 0.5) == ["", *["missed"] * 5, "not diagnostic", "missed"]


def test_who_learns_from_rewards_only_is_told_from_learning():
    foil = foils()[FROM_REWARDS]
    found = verdicts(foil["accuracy"], *foil["after_first"].values())
    assert found == ["", "missed", "missed", *["not diagnostic"] * 3, "missed", "missed"]


@pytest.mark.parametrize(("from_rewards", "second"), [(True, 0.75), (False, 0.5)])
def test_foils_are_as_accurate_in_pictures(from_rewards, second):
    """As in the version without them, which they are measured in."""
    envs = held_out_envs("neurotasks/HarlowPixels-v0", {}, 100)
    player = PartialLearner(HarlowPixelsObserver(envs, seed=0), from_rewards)
    found = accuracies(run_episodes(player, envs, seed=0))
    assert found["accuracy"][1] == pytest.approx(second, abs=0.12)
    assert found["after_first"]["right"] == pytest.approx(1.0 if from_rewards else 0.5, abs=0.2)
    assert found["after_first"]["wrong"] == pytest.approx(0.5, abs=0.2)


def test_figure_shows_the_paper_and_ours():
    figure = EXPERIMENT.figure([measures(AGENT_2018), measures(CHANCE)], {})
    paper, ours, learning = figure.axes
    assert len(paper.lines) == QUANTILES
    assert len(ours.lines) == QUANTILES + 2
    assert [line.get_ydata()[-1] for line in learning.lines] == pytest.approx([0.9788, 0.5])


def test_watched_in_few_episodes():
    assert metrics_for("neurotasks/HarlowPixels-v0").num_episodes == METRIC_EPISODES
