"""A person plays: the loop, the keys, the terminal, the window, the figure at the end."""

import io
import json
import os
import pty
import re
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd
import pygame
import pytest

import neurotasks
from neurotasks.analysis.behaviour import behaviour_of
from neurotasks.core.task import load
from neurotasks.episodes import run_episodes
from neurotasks.observers import Oracle, RandomAgent
from neurotasks.rendering.pixels import pixels, size_of
from neurotasks.rendering.window import Window
from neurotasks.trials import read_trials
from neurotasks_baselines.cli import play_comparison as module, play_input
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.cli.play_comparison import Comparison, compare, pixels_of
from neurotasks_baselines.cli.play_input import describe_keys, keys_for, play, terminal

ID = "neurotasks/TwoStep-v0"
DOCS = Path(__file__).parents[3] / "docs"
CENTRE = 2
OBSERVER, RANDOM = "the reference observer", "random choices"
SIDES = ("left", "right", "centre")


def measure_of(name):
    return behaviour_of(load(neurotasks.TASKS[f"neurotasks/{name}-v0"]["task"]))


def typed(*keys):
    """Return a reader of these keys; more must not be asked for."""
    left = iter(keys)
    return lambda seconds: next(left)


def make(trials=2, **task_kwargs):
    return gym.make(ID, trial_log=True, trials=trials, **task_kwargs)


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (SIDES, {"left": 0, "right": 1, "space": 2, "1": 0, "3": 2, "centre": 2}),
        (("left", "right", "no-op"), {"space": 2, "3": 2}),
        (("no lick", "lick"), {"space": 1, "return": 0, "1": 0, "2": 1}),
        (("up", "down", "stay"), {"up": 0, "down": 1, "space": 2}),
        (tuple(f"arm {i}" for i in range(1, 12)), {"1": 0, "9": 8, "0": 9, "a": 10, "arm 4": 3}),
    ],
)
def test_keys(actions, expected):
    keys = keys_for(actions)
    assert {key: keys[key] for key in expected} == expected
    assert set(keys.values()) == set(range(len(actions)))
    assert "escape" not in keys
    assert ("space" in keys) == ("space" in expected)


def test_keys_are_described():
    assert describe_keys(SIDES) == (
        "left = 1 or arrow, right = 2 or arrow, centre = 3 or space, end = Esc"
    )


@pytest.mark.parametrize("id", neurotasks.TASKS)
def test_every_action_of_every_task_has_a_key(id):
    names = gym.make(id).unwrapped.action_names
    short = {action for key, action in keys_for(names).items() if len(key) == 1}
    assert short == set(range(len(names)))


def test_the_environment_waits_and_follows_the_keys():
    """Keys without meaning do nothing; every frame is shown once, the last one too."""
    env, shown = make(4), []
    keys = typed("1", "2", "space", "x", "", "left", "2", "centre", "right", "right", "escape")
    trials = play(env, keys, shown.append, seed=4)
    twin, points = make(4), 0.0
    twin.reset(seed=4)
    line = describe_keys(SIDES)
    frames = [replace(twin.unwrapped.frame(), points=0.0, keys=line)]
    for action in (0, 1, 2, 0, 1, 2, 1, 1):
        points += twin.step(action)[1]
        frames.append(replace(twin.unwrapped.frame(), points=points, keys=line))
    assert shown == frames
    assert shown[2].points == -2
    pd.testing.assert_frame_equal(trials, twin.unwrapped.trial_table())
    assert trials["choice"].tolist() == [0, 1]


def test_escape_ends():
    env = make(trials=100)
    trials = play(env, typed("space", "left", "left", "space", "escape"), seed=0)
    assert len(trials) == 1
    assert play(make(), typed("escape"), seed=0).empty


def test_episodes():
    keys = ["space", "left", "left"]
    trials = play(make(trials=1), typed(*keys * 3), seed=2, num_episodes=3)
    assert trials["episode"].tolist() == [0, 1, 2]
    twin = make(trials=1)
    twin.reset(seed=2)
    for _ in range(3):
        for action in (2, 0, 0):
            twin.step(action)
        twin.reset()
    pd.testing.assert_frame_equal(trials, twin.unwrapped.trial_table())


def test_a_person_is_logged_like_an_agent():
    """Who presses the best keys has the oracle's table."""
    env = make(trials=5)
    names = env.unwrapped.action_names

    def best(seconds):
        return names[env.unwrapped.get_state()["best_action"][0]]

    envs = gym.make_vec(ID, num_envs=1, autoreset_mode="SameStep", trial_log=True, trials=5)
    agent = run_episodes(Oracle(envs), envs, seed=9).trials
    pd.testing.assert_frame_equal(play(env, best, seed=9), agent)


def test_lines_where_there_is_no_terminal():
    with terminal(io.StringIO("space\n Left\n\n3\n")) as read_key:
        assert [read_key(None) for _ in range(6)] == [
            "space",
            "left",
            "return",
            "3",
            "escape",
            "escape",
        ]


@pytest.mark.parametrize(
    ("letters", "name"),
    [
        (b"\x1b[D", "left"),
        (b"\x1b[C", "right"),
        (b"\x1b[A", "up"),
        (b"\x1bOB", "down"),
        (b" ", "space"),
        (b"\r", "return"),
        (b"\n", "return"),
        (b"7", "7"),
        (b"\x1b", "escape"),
        (b"\x04", "escape"),
        (b"\x1b[9", ""),
    ],
)
def test_keys_of_a_terminal(letters, name):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stream:
        import termios

        before = termios.tcgetattr(theirs)
        with terminal(stream) as read_key:
            assert not termios.tcgetattr(theirs)[3] & (termios.ICANON | termios.ECHO)
            os.write(ours, letters)
            assert read_key(None) == name
            assert read_key(0.05) == ""
            os.write(ours, b"q")
            assert read_key(5) == "q"
        assert termios.tcgetattr(theirs) == before
    os.close(ours)


def test_terminal_is_restored_after_an_error():
    import termios

    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stream:
        before = termios.tcgetattr(theirs)
        with pytest.raises(KeyboardInterrupt), terminal(stream):
            raise KeyboardInterrupt
        assert termios.tcgetattr(theirs) == before
    os.close(ours)


def test_systems_without_terminals_read_lines(monkeypatch):
    monkeypatch.setitem(sys.modules, "termios", None)
    with terminal(io.StringIO("left\n")) as read_key:
        assert read_key(None) == "left"


def press(*keys):
    for key in keys:
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))


@pytest.fixture
def window():
    window = Window("test")
    yield window
    window.close()


def test_keys_of_a_window(window):
    window.show(
        lambda scale: np.zeros((round(36 * scale), round(48 * scale), 3), np.uint8), (48, 36)
    )
    press(pygame.K_LEFT, pygame.K_SPACE, pygame.K_RETURN, pygame.K_3, pygame.K_KP4, pygame.K_ESCAPE)
    expected = ["left", "space", "return", "3", "4", "escape"]
    assert [window.read_key() for _ in expected] == expected
    pygame.event.post(pygame.event.Event(pygame.MOUSEMOTION))
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert window.read_key() == "escape"
    start = time.monotonic()
    assert window.read_key(0.1) == ""
    assert 0.05 < time.monotonic() - start < 5


def test_play_in_a_window(window):
    env, shown = make(trials=1), []

    def show(frame):
        window.show(partial(pixels, frame), size_of(frame))
        seen = pygame.surfarray.array3d(pygame.display.get_surface())
        assert len(np.unique(seen)) > 10
        shown.append(frame)
        press([pygame.K_SPACE, pygame.K_RIGHT, pygame.K_LEFT, pygame.K_x][len(shown) - 1])

    trials = play(env, window.read_key, show, seed=0)
    assert trials["choice"].tolist() == [1]
    assert len(shown) == 4


@pytest.mark.parametrize("id", neurotasks.TASKS)
def test_comparison(id, monkeypatch):
    """For every task: the player compared with two others, on the episodes played."""
    monkeypatch.setattr(module, "REPEATS", 8)
    monkeypatch.setattr(module, "REPEATS_OF_IMAGES", 2)
    env = gym.make(id, trial_log=True, trials=12)
    names = env.unwrapped.action_names
    trials = play(env, lambda seconds: names[env.unwrapped.get_state()["best_action"][0]], seed=0)
    found = compare(trials, id, {"trials": 12}, seed=0)
    assert list(found.values) == list(found.rewards.index) == ["you", OBSERVER, RANDOM]
    assert found.values[["you", OBSERVER]].notna().any().all()
    assert found.rewards["trials"]["you"] == 12
    rewards = found.rewards["reward per episode"]
    assert rewards["you"] == pytest.approx(trials["trial_reward"].sum())
    assert rewards[OBSERVER] > rewards[RANDOM]
    first = found.sentences()[0]
    others = r"the reference observer \S+, random choices \S+\."
    assert re.fullmatch(r"You earned \S+ per trial in these episodes; " + others, first)
    assert str(found).startswith(first)
    assert found.behaviour.label in str(found)
    axes = found.figure().axes[0]
    assert axes.get_ylabel() == found.behaviour.label
    assert first.split(";")[0] in axes.figure.get_suptitle()
    legend = axes.figure.legends[0].get_texts()
    assert [text.get_text() for text in legend] == list(found.values)


def test_sentences_name_the_published_numbers():
    """Next to the person's and those of the others; only of the published task."""
    stay = {"you": [0.92, 0.5], OBSERVER: [0.99, 0.6], RANDOM: [0.5, np.nan]}
    values = pd.DataFrame(stay, index=["rewarded common", "rewarded rare"])
    rewards = pd.DataFrame({"reward per trial": {"you": 0.6, OBSERVER: 0.7, RANDOM: 0.5}})
    found = Comparison(measure_of("TwoStep"), values, rewards)
    assert found.sentences() == [
        "You earned 0.60 per trial in these episodes; the reference observer 0.70, "
        "random choices 0.50.",
        "You stayed after a rewarded common trial 92 % of the time; the reference observer 99 %, "
        "random choices 50 %, the paper's agent 99 %.",
        "You stayed after a rewarded rare trial 50 % of the time; the reference observer 60 %, "
        "the paper's agent 64 %.",
    ]
    assert "paper" not in " ".join(replace(found, published=False).sentences())


@pytest.mark.parametrize("lost", ["the person's value", "the row"])
def test_a_game_that_is_too_short_still_names_the_published_numbers(lost):
    """Such as one without a rare trial; of another task there is nothing to say."""
    stay = {"you": [0.92, np.nan], OBSERVER: [0.99, 0.6]}
    values = pd.DataFrame(stay, index=["rewarded common", "rewarded rare"])
    rewards = pd.DataFrame({"reward per trial": {"you": 0.6, OBSERVER: 0.7}})
    shown = values if lost == "the person's value" else values.drop(index="rewarded rare")
    found = Comparison(measure_of("TwoStep"), shown, rewards)
    others = "the reference observer 60 %, " if lost == "the person's value" else ""
    assert found.sentences()[2:] == [
        f"Too few trials to say how often you stayed after a rewarded rare trial; {others}"
        "the paper's agent 64 %."
    ]
    assert len(replace(found, published=False).sentences()) == 2


def test_a_figure_of_a_short_game_says_so_and_counts_in_whole_numbers():
    rewards = pd.DataFrame({"reward per trial": {"you": 0.6}})
    empty = pd.DataFrame({"you": [np.nan]}, index=["rewarded rare"])
    (axes,) = Comparison(measure_of("TwoStep"), empty, rewards).figure().axes
    assert "too few trials" in [text.get_text() for text in axes.texts]
    counted = pd.DataFrame({"you": [0.5, 1.0, 1.0]}, index=[1, 2, 3])
    figure = Comparison(measure_of("Harlow"), counted, rewards).figure()
    pixels_of(figure)
    (axes,) = figure.axes
    assert not axes.texts
    assert all(place == int(place) for place in axes.get_xticks())


def test_of_daws_task_nothing_is_said_of_the_agent_of_another():
    statements = measure_of("TwoStepDaw").statements
    assert [s.text for s in statements] == [s.text for s in measure_of("TwoStep").statements]
    assert not any(s.published for s in statements)


@pytest.mark.parametrize(
    ("name", "experiment"),
    [("TwoStep", "two-step"), ("Harlow", "harlow"), ("RiskyChoice", "risky-choice")],
)
def test_published_numbers_are_those_of_the_claims(name, experiment):
    """What a sentence says was published is what the results compare agents with."""
    claims = json.loads((DOCS / "claims.json").read_text())
    published = " ".join(c["published"] for c in claims if c["experiment"] == experiment)
    shares = [
        float(number.strip("about %")) / 100
        for statement in measure_of(name).statements
        for number in statement.published.values()
    ]
    digits = [float(n) for n in re.findall(r"\b0\.\d+", published)]
    assert shares
    assert all(any(abs(share - n) <= 0.006 for n in digits) for share in shares)


def test_others_play_the_same_trials():
    """The episodes of the person, whoever plays them, as far as they were played."""
    env = make(trials=20)
    keys = ["space", "left", "left"] * 30 + ["escape"]
    trials = play(env, typed(*keys), seed=3, num_episodes=2)
    assert len(trials) == 30
    seen = {}

    class Left(RandomAgent):
        def act(self, memory, stimulus, action, reward):
            return np.where(stimulus[:, 0] > 0, CENTRE, 0)

    envs = gym.make_vec(ID, num_envs=3, autoreset_mode="SameStep", trial_log=True, trials=20)
    table = module._same_trials(Left(envs, 0), envs, trials, 3)
    for _, rows in table.groupby("env"):
        seen = rows.sort_values(["episode", "trial"]).reset_index(drop=True)
        pd.testing.assert_frame_equal(seen.drop(columns="env"), trials.drop(columns="env"))
    assert table["env"].nunique() == 3


@pytest.mark.parametrize(
    ("kwargs", "published"), [({"trials": 7}, True), ({"trials": 7, "p_common": 0.7}, False)]
)
def test_published_numbers_are_of_the_default_parameters(kwargs, published, monkeypatch):
    monkeypatch.setattr(module, "REPEATS", 2)
    trials = play(make(**kwargs), typed(*["space", "left", "left"] * 7), seed=0)
    assert compare(trials, ID, kwargs, seed=0).published == published


@pytest.mark.parametrize("name", ["Harlow", "HarlowPixels"])
def test_a_key_looks_at_an_object(name, monkeypatch):
    """Six keys play an episode; the steps in between are the task's own."""
    env = gym.make(f"neurotasks/{name}-v0", trial_log=True)
    pressed = ["left", "right", "stay" if name == "Harlow" else "no-op"] * 2 + ["left"] * 4
    wanted = [0, 1, 0, 1, 0, 0]
    paused = []
    monkeypatch.setattr(play_input, "FILL_SECONDS", 0.0)
    monkeypatch.setattr(play_input, "OUTCOME_SECONDS", 0.001)
    keys = iter(pressed)

    def read_key(seconds):
        if seconds is None:
            return next(keys)
        paused.append(seconds)
        return "right"  # has no effect where the gaze moves by itself

    trials = play(env, read_key, seed=1, speed=1.0)
    assert trials["choice"].tolist() == wanted
    assert len(paused) >= 5  # every outcome but the last is held
    assert next(keys) == "left"  # not asked for
    env = gym.make(f"neurotasks/{name}-v0", trial_log=True)
    by_lines = play(env, typed(*[key for key in pressed if key in ("left", "right")][:6]), seed=1)
    same = ["choice", "correct", "objects_0", "objects_1", "rewarded_side"]
    pd.testing.assert_frame_equal(by_lines[same], trials[same])
    assert trials["steps"].max() <= 20


def test_harlow_takes_half_a_minute():
    """Of a person who needs two seconds for each choice."""
    env = gym.make("neurotasks/Harlow-v0", trial_log=True)
    table = play(env, typed(*["left"] * 6), seed=1)
    keyless = (table["steps"] - 1).sum() * play_input.FILL_SECONDS
    assert keyless + 6 * (play_input.OUTCOME_SECONDS + 2) < 30


MOUSE = "neurotasks/VariableReward-v0"


def test_time_passes_by_itself():
    """In steps of the task's duration; a lick counts in the step in which its key comes."""
    env = gym.make(MOUSE, trial_log=True, trials=1)
    told = []

    def read_key(seconds):
        assert seconds is not None  # never waits for ever
        told.append(seconds)
        time.sleep(min(seconds, 0.0002))
        state = env.unwrapped.get_state()[0]
        waits = state["stage"] == 3 and state["magnitude"] > 0 and not state["consumed"]
        return "space" if waits else ""

    start = time.monotonic()
    options = {"trial_type": 0, "magnitude_index": 4}
    monkey = env.reset
    env.reset = lambda **keywords: monkey(**keywords, options=options)
    trials = play(env, read_key, seed=0, speed=100.0)
    seconds = time.monotonic() - start
    steps = int(trials["steps"].sum())
    assert steps * 0.001 <= seconds < steps * 0.001 + 5
    assert max(told) <= 0.1 / 100
    assert trials["consumed"].tolist() == [True]
    assert trials["trial_reward"].tolist() == pytest.approx([5.0 - 0.01])
    with pytest.raises(StopIteration):  # without a speed every step waits for a key
        play(env, typed("space", "return"), seed=0)


def test_escape_ends_while_time_passes():
    env = gym.make(MOUSE, trial_log=True)
    assert play(env, lambda seconds: "escape", seed=0, speed=1.0).empty


@pytest.mark.parametrize("speed", ["0", "nan", "1000", "fast"])
def test_bad_speed(speed, capsys):
    with pytest.raises(SystemExit):
        main(["play", MOUSE, "--speed", speed])
    assert "--speed" in capsys.readouterr().err


def test_mouse_tasks_are_played_for_several_trials(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    for words, number in (([], 10), (["--trials", "3"], 3)):
        assert main(["play", MOUSE, "--terminal", *words]) == 0
        assert f"trial 1 of {number}" in capsys.readouterr().out


def test_long_curves_are_shown_in_ten_points():
    curve = pd.DataFrame({"you": np.arange(100.0)}, index=range(1, 101))
    rewards = pd.DataFrame({"trials": [3], "reward per trial": [0.5]}, index=["you"])
    text = str(Comparison(measure_of("Bandit"), curve, rewards))
    rows = [int(line.split()[0]) for line in text.split("trial\n")[-1].splitlines()[1:]]
    assert rows == [1, 12, 23, 34, 45, 56, 67, 78, 89, 100]


def test_episode_too_short_for_the_measure():
    nothing = pd.DataFrame({"you": []})
    rewards = pd.DataFrame({"trials": {"you": 3}, "reward per trial": {"you": 0.5}})
    found = Comparison(measure_of("RiskyChoice"), nothing, rewards)
    assert str(found).splitlines()[0] == "You earned 0.50 per trial in these episodes."
    assert str(found).split()[-3:] == ["you", "3", "0.5"]
    assert found.figure().axes


def test_figure_for_a_window():
    figure = Comparison(
        measure_of("TwoStep"),
        pd.DataFrame({"you": [0.5, 1.0]}, index=["rewarded common", "rewarded rare"]),
        pd.DataFrame({"reward per trial": {"you": 0.5, OBSERVER: 0.7}}),
    ).figure()
    image = pixels_of(figure)
    assert image.dtype == np.uint8
    assert image.shape == (576, 720, 3)
    assert pixels_of(figure, 2.0).shape == (1152, 1440, 3)
    assert len(np.unique(image)) > 10


def test_command_in_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "REPEATS", 5)
    monkeypatch.setattr("sys.stdin", io.StringIO("centre\nleft\nleft\nspace\nright\n1\n"))
    out, figure = tmp_path / "a" / "t.csv", tmp_path / "b" / "f.svg"
    words = ["play", ID, "--terminal", "--trials", "2", "--seed", "3", "--split", "test"]
    assert main([*words, "--show-truth", "--out", str(out), "--figure", str(figure)]) == 0
    text = capsys.readouterr().out
    for part in (
        "(left)",
        "trial 2 of 2",
        "better state",
        "the reference observer",
        "random choices",
        "led to",
        "points",
        "left = 1 or arrow",
    ):
        assert part in text
    assert "\x1b" not in text
    assert read_trials(out, ID)["choice"].tolist() == [0, 1]
    assert figure.read_text().startswith("<?xml")


def test_command_in_a_window(monkeypatch, capsys):
    """The last picture is the figure, and waits for a key."""
    monkeypatch.setattr(module, "REPEATS", 5)
    sizes, keys = [], iter(["space", "left", "left", "escape"])
    monkeypatch.setattr(Window, "show", lambda self, draw, size: sizes.append(draw(1.0).shape))
    monkeypatch.setattr(Window, "read_key", lambda self, seconds=None: next(keys))
    assert main(["play", ID, "--trials", "1"]) == 0
    assert sizes == [(400, 480, 3)] * 4 + [(576, 720, 3)]
    assert next(keys, None) is None
    assert "reference observer" in capsys.readouterr().out


def test_command_without_a_finished_trial(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["play", ID, "--terminal", "--out", str(tmp_path / "t.csv")]) == 0
    assert "No trial was finished." in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "t.xls"], "t.xls"),
        (["--figure", "f.txt"], "f.txt"),
        (["--trials", "0"], "trials"),
    ],
)
def test_command_refuses_before_anything_is_played(words, message, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("left\n" * 9))
    start = time.perf_counter()
    assert main(["play", ID, "--terminal", *words]) == 1
    assert time.perf_counter() - start < 20
    output, error = capsys.readouterr()
    assert output == ""
    assert message in error
    assert error.count("\n") == 1
