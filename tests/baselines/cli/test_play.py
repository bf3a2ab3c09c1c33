"""A person plays: the loop, the keys, the terminal, the window, the figure at the end."""

import io
import os
import pty
import sys
import time

import gymnasium as gym
import numpy as np
import pandas as pd
import pygame
import pytest

import neurotasks
from neurotasks.analysis.behaviour import behaviour_of
from neurotasks.core.task import load
from neurotasks.episodes import run_episodes
from neurotasks.observers import Oracle
from neurotasks.rendering.window import Window
from neurotasks.trials import read_trials
from neurotasks_baselines.cli import play_comparison as module
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.cli.play_comparison import Comparison, compare, pixels_of
from neurotasks_baselines.cli.play_input import describe_keys, keys_for, play, terminal

ID = "neurotasks/TwoStep-v0"
SIDES = ("left", "right", "centre")


def measure_of(name):
    return behaviour_of(load(neurotasks.TASKS[f"neurotasks/{name}-v0"]["task"]))


def typed(*keys):
    """Return a reader of these keys; more must not be asked for."""
    left = iter(keys)
    return lambda: next(left)


def make(trials=2, **task_kwargs):
    return gym.make(ID, trial_log=True, trials=trials, **{"render_mode": "ansi"} | task_kwargs)


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
    env, shown = make(), []
    keys = typed("space", "x", "", "left", "2", "centre", "right", "right")
    trials = play(env, keys, shown.append, seed=4)
    twin, frames = make(), []
    twin.reset(seed=4)
    frames.append(twin.render())
    for action in (2, 0, 1, 2, 1, 1):
        twin.step(action)
        frames.append(twin.render())
    assert shown == frames
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

    def best():
        return names[env.unwrapped.get_state()["best_action"][0]]

    envs = gym.make_vec(ID, num_envs=1, autoreset_mode="SameStep", trial_log=True, trials=5)
    agent = run_episodes(Oracle(envs), envs, seed=9).trials
    pd.testing.assert_frame_equal(play(env, best, seed=9), agent)


def test_lines_where_there_is_no_terminal():
    with terminal(io.StringIO("space\n Left\n\n3\n")) as read_key:
        assert [read_key() for _ in range(6)] == [
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
            assert read_key() == name
            os.write(ours, b"q")
            assert read_key() == "q"
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
        assert read_key() == "left"


def press(*keys):
    for key in keys:
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))


@pytest.fixture
def window():
    window = Window("test")
    yield window
    window.close()


def test_keys_of_a_window(window):
    window.show(np.zeros((36, 48, 3), np.uint8))
    press(pygame.K_LEFT, pygame.K_SPACE, pygame.K_RETURN, pygame.K_3, pygame.K_KP4, pygame.K_ESCAPE)
    expected = ["left", "space", "return", "3", "4", "escape"]
    assert [window.read_key() for _ in expected] == expected
    pygame.event.post(pygame.event.Event(pygame.MOUSEMOTION))
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert window.read_key() == "escape"


def test_play_in_a_window(window):
    env, shown = make(trials=1, render_mode="rgb_array"), []

    def show(frame):
        window.show(frame)
        seen = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
        assert np.array_equal(seen, frame)
        shown.append(frame)
        press([pygame.K_SPACE, pygame.K_RIGHT, pygame.K_LEFT, pygame.K_x][len(shown) - 1])

    trials = play(env, window.read_key, show, seed=0)
    assert trials["choice"].tolist() == [1]
    assert len(shown) == 4


@pytest.mark.parametrize("id", neurotasks.TASKS)
def test_comparison(id, monkeypatch):
    """For every task: the player compared with two others, on the parameters played."""
    monkeypatch.setattr(module, "EPISODES", 8)
    monkeypatch.setattr(module, "EPISODES_OF_IMAGES", 4)
    env = gym.make(id, trial_log=True, trials=12)
    names = env.unwrapped.action_names
    trials = play(env, lambda: names[env.unwrapped.get_state()["best_action"][0]], seed=0)
    found = compare(trials, id, {"trials": 12}, seed=0)
    assert (
        list(found.values) == list(found.rewards.index) == ["you", "reference observer", "random"]
    )
    assert found.values[["you", "reference observer"]].notna().any().all()
    assert found.rewards["trials"]["you"] == 12
    rewards = found.rewards["reward per episode"]
    assert rewards["you"] == pytest.approx(trials["trial_reward"].sum())
    assert rewards["reference observer"] > rewards["random"]
    assert found.behaviour.label in str(found)
    axes = found.figure().axes[0]
    assert axes.get_ylabel() == found.behaviour.label
    legend = axes.figure.legends[0].get_texts()
    assert [text.get_text() for text in legend] == list(found.values)


def test_long_curves_are_shown_in_ten_points():
    curve = pd.DataFrame({"you": np.arange(100.0)}, index=range(1, 101))
    rewards = pd.DataFrame({"trials": [3]}, index=["you"])
    text = str(Comparison(measure_of("Bandit"), curve, rewards))
    rows = [int(line.split()[0]) for line in text.split("trial\n")[-1].splitlines()[1:]]
    assert rows == [1, 12, 23, 34, 45, 56, 67, 78, 89, 100]


def test_episode_too_short_for_the_measure():
    nothing = pd.DataFrame({"you": []})
    found = Comparison(measure_of("RiskyChoice"), nothing, pd.DataFrame({"trials": {"you": 3}}))
    assert str(found).split() == ["trials", "you", "3"]
    assert found.figure().axes


def test_figure_for_a_window():
    figure = Comparison(
        measure_of("TwoStep"),
        pd.DataFrame({"you": [0.5, 1.0]}, index=["rewarded common", "rewarded rare"]),
        pd.DataFrame(),
    ).figure()
    image = pixels_of(figure)
    assert image.dtype == np.uint8
    assert image.shape == (540, 720, 3)
    assert len(np.unique(image)) > 10


def test_command_in_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "EPISODES", 5)
    monkeypatch.setattr("sys.stdin", io.StringIO("centre\nleft\nleft\nspace\nright\n1\n"))
    out, figure = tmp_path / "a" / "t.csv", tmp_path / "b" / "f.svg"
    words = ["play", ID, "--terminal", "--trials", "2", "--seed", "3", "--split", "test"]
    assert main([*words, "--show-truth", "--out", str(out), "--figure", str(figure)]) == 0
    text = capsys.readouterr().out
    for part in (
        "[left]",
        "trial 2 of 2",
        "better_state",
        "reference observer",
        "random",
        "(state ",
    ):
        assert part in text
    assert "\x1b" not in text
    assert read_trials(out, ID)["choice"].tolist() == [0, 1]
    assert figure.read_text().startswith("<?xml")


def test_command_in_a_window(monkeypatch, capsys):
    """The last picture is the figure, and waits for a key."""
    monkeypatch.setattr(module, "EPISODES", 5)
    sizes, keys = [], iter(["space", "left", "left", "escape"])
    monkeypatch.setattr(Window, "show", lambda self, frame: sizes.append(frame.shape))
    monkeypatch.setattr(Window, "read_key", lambda self: next(keys))
    assert main(["play", ID, "--trials", "1"]) == 0
    assert sizes == [(360, 480, 3)] * 4 + [(540, 720, 3)]
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
