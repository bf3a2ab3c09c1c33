"""Figures of scores: an agent looks the same in all of them."""

import dataclasses

import pytest
from matplotlib.colors import to_rgb

from neurotasks_baselines.suite.figures import draw_curves, draw_radar, draw_tasks, looks
from neurotasks_baselines.suite.report import shipped_agents

IDS = ("neurotasks/Bandit-v0", "neurotasks/Volatility-v0", "neurotasks/Harlow-v0")


@pytest.fixture(scope="module")
def agents():
    """An agent of somebody, and those that ship."""
    shipped = shipped_agents()
    some = [r for r in next(iter(shipped.values())) if r.id in IDS]
    worse = [dataclasses.replace(result, score=result.score - 0.3) for result in some]
    return {"somebody's": worse} | shipped


def drawn(figure):
    """Return colour and marker of each agent, by its label in the first panel."""
    lines = [line for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    return {line.get_label(): (to_rgb(line.get_color()), line.get_marker()) for line in lines}


def test_an_agent_has_one_colour_and_marker_in_every_figure(agents):
    dots, radar = drawn(draw_tasks(agents, IDS)), drawn(draw_radar(agents, IDS))
    assert list(dots) == list(radar) == list(agents)
    assert dots == radar
    assert len({*dots.values()}) == len(agents)


def test_a_shipped_agent_looks_the_same_whoever_else_is_shown(agents):
    """But for the one of interest, which stands out."""
    names = list(agents)
    some, others = looks(names), looks(["another", "new", *names[2:]])
    assert all(some[name] == others[name] for name in names[2:])
    assert some[names[0]] == others["another"] == looks([names[1]])[names[1]]


def test_learning_curves_are_means_over_seeds_up_to_the_end_of_the_first(agents):
    """One seed has 0, 1 at steps 0, 10, the other 0.5, 0.5 at 0, 20: at 10 both are known."""
    (result, *_) = agents["somebody's"]
    curves = [
        {"steps": [0, 10], "seconds": [0.0, 1.0], "score": [0.0, 1.0]},
        {"steps": [0, 20], "seconds": [0.0, 4.0], "score": [0.5, 0.5]},
    ]
    results = [dataclasses.replace(result, seed=i, curve=c) for i, c in enumerate(curves)]
    none = dataclasses.replace(result, id=IDS[1], curve={})
    figure = draw_curves({"somebody's": [*results, none]}, IDS)
    steps, seconds = figure.axes
    assert "Bandit" in (steps.get_title("left"), steps.get_title())
    line, *_ = steps.lines
    assert line.get_xydata().tolist() == [[0, 0.25], [10, 0.75]]
    (band,) = steps.collections
    assert band.get_datalim(steps.transData).get_points().tolist() == [[0, 0.0], [10, 1.0]]
    assert seconds.lines[0].get_xydata().tolist() == [[0, 0.25], [1, 0.75]]
