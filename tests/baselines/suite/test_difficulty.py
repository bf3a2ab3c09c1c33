"""Difficulty curves, on a bandit whose best player is known."""

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

from neurotasks_baselines.suite import difficulty
from neurotasks_baselines.suite.difficulty import (
    EPISODES,
    RANDOM,
    REFERENCE,
    Knob,
    difficulty_curve,
    draw_difficulty,
    main,
)

KNOB = Knob("neurotasks/BanditUniform-v0", "trials", (20, 2), "trials")
ARMS = Knob("neurotasks/Bandit-v0", "arms", (2, 4), "arms")


class First:
    """Always takes the first arm, of two."""

    def __init__(self, space=None):
        self.action_space = space

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.zeros(len(observation), int), None


@pytest.fixture(scope="module")
def table():
    return difficulty_curve(KNOB, {"first": [First(), First()]}, 500)


def test_random_choices_score_0_and_the_reference_1(table):
    for value in KNOB.values:
        rows = table[table["value"] == value].set_index("player")
        assert (rows["score"][RANDOM], rows["score"][REFERENCE]) == (0, 1)
        assert rows["score_high"][REFERENCE] == pytest.approx(1)


def test_who_does_not_learn_earns_half_whatever_the_trials(table):
    rows = table[table["player"].isin([RANDOM, "first"])]
    assert (rows["low"] < rows["high"]).all()
    assert ((rows["reward_per_trial"] - 0.5).abs() < 2 * (rows["high"] - rows["low"])).all()


def test_fewer_trials_are_worth_less_to_who_learns(table):
    """In two trials hardly anything is gained by learning."""
    many, few = table[table["player"] == REFERENCE]["reward_per_trial"]
    assert many > few + 0.05


def test_an_agent_whose_actions_are_others_is_left_out():
    two = gym.make(ARMS.id).action_space
    found = difficulty_curve(ARMS, {"first": [First(two)]}, 20)
    assert found.groupby("value")["player"].nunique().to_dict() == {2: 3, 4: 2}


def test_each_player_is_drawn_in_each_panel(table):
    figure = draw_difficulty(table)
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["20", "2"]
    assert {c.get_label() for c in axis.containers} == {RANDOM, REFERENCE, "first"}


@pytest.mark.parametrize(("random", "cut"), [(-1.5, True), (0.4, False)])
def test_random_choices_far_below_do_not_squeeze_the_others(table, random, cut):
    moved = table.copy()
    where = moved["player"] == RANDOM
    moved.loc[where, ["reward_per_trial", "low", "high"]] = random
    (axis,) = draw_difficulty(moved).axes
    assert (axis.get_ylim()[0] > random) == cut
    told = ["random choices, below: -1.50"] if cut else []
    assert [text.get_text() for text in axis.texts if text.get_text()] == told
    assert axis.get_ylim()[0] < moved.loc[~where, "low"].min()


def test_panels_are_two_by_two_and_each_row_has_its_label(table):
    four = pd.concat([table.assign(parameter=name) for name in "abcd"])
    axes = draw_difficulty(four).axes
    places = [axis.get_subplotspec() for axis in axes]
    assert [(place.rowspan.start, place.colspan.start) for place in places] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]
    assert [bool(axis.get_ylabel()) for axis in axes] == [True, False, True, False]


@pytest.fixture
def ran(monkeypatch):
    """Return what the command has played, which takes minutes."""
    calls = []
    monkeypatch.setattr(
        difficulty,
        "shipped_difficulty",
        lambda out, num_episodes: calls.append((out, num_episodes)),
    )
    return calls


def test_command(ran, tmp_path):
    main([str(tmp_path)])
    main([str(tmp_path), "--episodes", "50"])
    assert ran == [(tmp_path, EPISODES), (tmp_path, 50)]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--help"], 0, "probability of a reversal (TwoStep)"),
        ([], 2, "the following arguments are required: DIR"),
        (["DIR", "--episodes", "1"], 2, "--episodes must be at least 2, for an interval; got 1"),
    ],
)
def test_what_is_no_request_to_play_plays_nothing(ran, capsys, words, status, told):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert (ended.value.code, ran) == (status, [])
    printed = "".join(capsys.readouterr())
    assert told in " ".join(printed.split())
