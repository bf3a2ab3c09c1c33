"""The comparison of agents with people: on few, with planted answers."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from figures import assert_drawn

from neurotasks.analysis.two_step import stay_effects, stay_probabilities
from neurotasks.errors import RecipeError, TrialTableError
from neurotasks.models import draw_people, drifting_world, simulate
from neurotasks.models.two_step import CHOICE_KERNEL, MODEL_BASED
from neurotasks_baselines.behaviour.compare import (
    BANDIT,
    COMPARISONS,
    PEOPLE,
    TWO_STEP,
    compare,
    text_table,
)
from neurotasks_baselines.behaviour.figure import draw, draw_plane
from neurotasks_baselines.behaviour.fits import FitJob, compare_fits, run_fit
from neurotasks_baselines.behaviour.groups import FEW, groups_of_table
from neurotasks_baselines.behaviour.tables import read_tables
from neurotasks_baselines.cli.commands import parser
from neurotasks_baselines.cli.compare import NAMES
from neurotasks_baselines.cli.main import main

PLANNER, REPEATER = MODEL_BASED.one_choice(), CHOICE_KERNEL.one_choice()


def people(model, number, trials=200, seed=0, **values):
    """Return simulated people who choose as a model does, with some parameters given."""
    rng = np.random.default_rng(seed)
    drawn = draw_people(model, number, rng).assign(**values)
    worlds = [drifting_world(trials, rng, options=1) for _ in range(number)]
    return simulate(model, drawn, worlds, rng)


def planners(number, **more):
    return people(PLANNER, number, alpha2=0.6, beta1=15.0, p=0.0, **more)


def test_the_command_offers_what_there_is():
    assert [*COMPARISONS] == [*NAMES]
    assert parser().parse_args(["compare", "bandit"]).people == PEOPLE


def test_people_are_units_and_of_few_their_sessions():
    trials = planners(FEW, trials=40)
    (group,) = groups_of_table("x", trials, people=3)
    assert (group.units, group.trials["env"].nunique()) == ("subjects", FEW)
    assert group.fitted["env"].nunique() == 3
    (again,) = groups_of_table("x", trials, people=3)
    pd.testing.assert_frame_equal(group.fitted, again.fitted)
    session = trials[trials["env"] < 2]
    two = pd.concat([session, session.assign(episode=7)], ignore_index=True)
    named = two.assign(subject=two["env"].map({0: "ann", 1: "bob"}))
    groups = groups_of_table("x", named, people=None)
    assert [g.name for g in groups] == ["x, ann", "x, bob"]
    assert [sorted(g.trials["env"].unique()) for g in groups] == [[0, 7], [0, 7]]
    assert {g.units for g in groups} == {"sessions"}


def test_who_chose_too_little_is_measured_and_not_fitted():
    trials = planners(FEW, trials=40)
    few = trials[(trials["env"] > 0) | (trials["trial"] < 19)]
    (group,) = groups_of_table("x", few, people=None)
    assert group.trials["env"].nunique() == FEW
    assert sorted(group.fitted["env"].unique()) == [1, 2, 3, 4]
    with pytest.raises(TrialTableError, match=r"must have made 20 choices; the most are 19"):
        groups_of_table("x", trials[trials["trial"] < 19], people=None)


def test_of_many_sessions_the_first_are_fitted():
    trials = planners(FEW, trials=40)
    five = [trials.assign(episode=2 * session) for session in range(5)]
    longer = pd.concat(five, ignore_index=True)
    (group,) = groups_of_table("x", longer, people=FEW)
    assert sorted(group.fitted["episode"].unique()) == [0, 2, 4]
    (group,) = groups_of_table("x", longer, people=None)
    assert len(group.fitted) == len(longer)


def test_measures_are_those_of_the_analyses():
    trials = planners(2)
    found = TWO_STEP.measure(trials)
    for env, own in trials.groupby("env"):
        expected = stay_effects(stay_probabilities(own))
        assert found.loc[env].to_dict() == pytest.approx(expected)
    weights = TWO_STEP.weigh(trials)
    assert (weights["model-based"] > 2 * weights["model-free"].abs()).all()  # who plans
    bandit = {"env": 0, "episode": 0, "trial": range(6)}
    choices = {"choice": [0, 0, 1, 1, -1, 1], "outcome": [1, 0, 0, 1, -1, 1]}
    stays = BANDIT.measure(pd.DataFrame(bandit | choices))
    assert stays.loc[0].to_dict() == {"reward_effect": 0.5, "stay_unrewarded": 0.5}


def test_weights_of_past_choices_need_two_arms():
    rng = np.random.default_rng(0)
    trials = pd.DataFrame({"env": 0, "episode": 0, "trial": range(60)})
    trials = trials.assign(choice=rng.integers(2, size=60), outcome=rng.integers(2, size=60))
    weights, measures = BANDIT.weigh(trials), BANDIT.measure(trials)
    assert np.isfinite(weights).all(axis=None)
    assert not {*weights} & {*measures}  # both are columns of one table
    assert BANDIT.weigh(trials.assign(choice=np.arange(60) % 3)).isna().all(axis=None)


@pytest.mark.slow
def test_the_model_that_chose_describes_and_predicts():
    both = [planners(3), people(REPEATER, 2, alpha1=0.9, beta1=3.0, seed=1)]
    both[1]["env"] += 3
    trials = pd.concat(both, ignore_index=True)
    fits = [run_fit(FitJob("x", model, trials)) for model in (PLANNER, REPEATER)]
    found = compare_fits([PLANNER.name, REPEATER.name], fits)
    assert found["best"] == PLANNER.name
    assert found["share"] == {PLANNER.name: 0.6, REPEATER.name: 0.4}
    better = found["held_out"].idxmax(axis=1).tolist()
    assert better == [PLANNER.name] * 3 + [REPEATER.name] * 2
    assert (found["held_out"].max(axis=1) > np.log(0.5)).all()


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Return the directory and the table of a comparison of two agents with five planners."""
    small = replace(TWO_STEP, networks=TWO_STEP.networks[:1], observers={})
    out = tmp_path_factory.mktemp("compared")
    tables = {"planners": planners(FEW, trials=100)}
    return out, compare(small, tables, out, people=3, seeds=2, workers=1), small


def test_tables_are_on_the_plane_of_the_species(tmp_path):
    """Where the measures of a table put it, with its intervals, next to monkeys and people."""
    tables = {
        "mine": {"kind": "table", "n": 5, "units": "subjects", "interaction": 0.4, "reward": 0.1}
    }
    ends = {"interaction_low": 0.3, "interaction_high": 0.45, "reward_low": 0.0, "reward_high": 0.3}
    rows = [{"name": name, **row, **ends} for name, row in tables.items()]
    rows += [{"name": p.name, "kind": "published", **p.values} for p in TWO_STEP.published]
    figure = draw_plane(pd.DataFrame(rows), TWO_STEP)
    (axis,) = figure.axes
    places = {line.get_label(): line.get_xydata()[0].tolist() for line in axis.lines}
    assert places["mine (5 subjects)"] == [0.4, 0.1]
    monkey = next(each for each in TWO_STEP.published if "monkey J" in each.name)
    assert places[monkey.name] == [monkey.values["interaction"], monkey.values["reward"]]
    drawn = [np.round(s, 6).tolist() for c in axis.collections for s in c.get_segments()]
    assert [[0.3, 0.1], [0.45, 0.1]] in drawn
    assert [[0.4, 0.0], [0.4, 0.3]] in drawn
    assert [[0.592, -0.006], [0.669, -0.006]] in drawn
    assert len(axis.patches) == 1  # the frame
    assert_drawn(figure, tmp_path / "plane.png")


@pytest.mark.slow
def test_everybody_is_in_one_table_and_one_figure(compared, tmp_path):
    out, table, small = compared
    agents, planner = table.iloc[0], table.iloc[1]
    assert table["name"].tolist()[:2] == ["PPO agents", "planners"]
    assert table["kind"].tolist()[2:] == ["published"] * len(small.published)
    assert (agents["n"], planner["n"], planner["n_fitted"]) == (2, 5, 3)
    assert agents["interaction"] == pytest.approx(0.363, abs=0.1)  # as published
    assert agents["interaction_low"] < agents["interaction"] < agents["interaction_high"]
    # another seed's network knows what an agent will choose, and little of a person
    assert agents["network"] > -0.4
    assert planner["network"] < planner["network_scaled"]
    assert planner["held_out"] > planner["chance"] == -np.log(2)
    assert_drawn(draw(table, small), tmp_path / "figure.png")
    files = {path.name for path in out.iterdir()}
    assert files >= {"index.html", "table.csv", "table.json", "figure.png", "figure.svg"}
    assert files >= {"plane.png", "plane.svg", "plane.csv"}
    numbers = table.select_dtypes("number")
    written = pd.read_csv(out / "table.csv")[numbers.columns]
    pd.testing.assert_frame_equal(written, numbers, check_dtype=False, rtol=1e-4)
    rows = json.loads((out / "table.json").read_text())["rows"]
    assert len(rows[1]["values"]["interaction"]) == 5
    page = (out / "index.html").read_text()
    assert "planners 3" in page
    assert small.limits[0].split(".")[0] in page


@pytest.mark.slow
def test_people_are_predicted_by_others_if_wanted(compared, tmp_path):
    _, without, small = compared
    assert "gru" not in without
    tables = {"planners": planners(FEW, trials=60)}
    small = replace(small, networks=small.networks[:1], models=lambda t: [PLANNER, REPEATER])
    table = compare(small, tables, tmp_path, people=4, seeds=1, gru=1, workers=1)
    agent, planner = table.iloc[0], table.iloc[1]
    assert pd.isna(agent["gru"])  # of one agent there are no others
    assert planner["predicts_others_best"] == PLANNER.name
    assert planner["pooled"] == planner[f"pooled, {PLANNER.name}"]
    assert planner["pooled"] > planner[f"pooled, {REPEATER.name}"]
    # four fifths of what is known are of two people: enough to see that they plan
    assert planner["gru"] > planner["chance"]
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert len(rows[1]["values"]["gru"]) == 4
    assert "GRU of others" in text_table(table, small)
    assert "GRU's of others" in (tmp_path / "index.html").read_text()
    assert_drawn(draw(table, small), tmp_path / "again.png")


RECIPE = """
from neurotasks.datasets import Codes, Recipe

recipe = Recipe(
    task="neurotasks/Bandit-v0",
    subject="who",
    columns={"choice": Codes("side", {"l": 0, "r": 1}), "outcome": Codes("paid", {1: 1, 0: 0})},
)
other = 3
"""


def test_tables_come_with_their_recipes(tmp_path):
    (tmp_path / "recipes_of_test.py").write_text(RECIPE)
    file, own = tmp_path / "mine.csv", tmp_path / "own.csv"
    file.write_text("who,side,paid\nann,l,1\nann,r,0\nbob,l,1\n")
    columns = {"env": 0, "episode": 0, "trial": [0, 1], "choice": [0, 1], "outcome": [1, 0]}
    pd.DataFrame(columns).to_csv(own, index=False)
    recipe = f"{tmp_path}/recipes_of_test.py:recipe"
    found = read_tables([file, own], [recipe, "-"], BANDIT)
    assert [*found] == ["mine", "own"]
    assert found["mine"]["choice"].tolist() == [0, 1, 0]
    assert [*read_tables([file, file], [recipe], BANDIT)] == ["mine", "mine (mine.csv)"]
    with pytest.raises(RecipeError, match="must hold a Recipe called other"):
        read_tables([file], [recipe.replace(":recipe", ":other")], BANDIT)
    with pytest.raises(RecipeError, match=r"must be one of TwoStep; got .*, one of Bandit"):
        read_tables([file], [recipe], TWO_STEP)
    with pytest.raises(RecipeError, match=r"got 'gilan2016'. Did you mean 'gillan2016'"):
        read_tables([file], ["gilan2016"], TWO_STEP)
    with pytest.raises(RecipeError, match="got 2 for 3 tables"):
        read_tables([file] * 3, [recipe] * 2, BANDIT)
    with pytest.raises(TrialTableError, match="common"):
        read_tables([own], [], TWO_STEP)


def test_a_wrong_table_is_one_line_before_anything_is_played(tmp_path, capsys):
    file = tmp_path / "x.csv"
    file.write_text("a\n1\n")
    out = tmp_path / "out"
    assert main(["compare", "two-step", str(file), "--out", str(out), "--quiet"]) == 1
    output, error = capsys.readouterr()
    assert output == ""
    assert error.startswith("neurotasks compare: ")
    assert error.count("\n") == 1
    assert not out.exists()
