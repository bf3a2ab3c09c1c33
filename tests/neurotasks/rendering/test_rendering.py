"""Frames: what they show, in which form, and what they leave alone."""

import copy
import dataclasses
import pickle
import re
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pygame
import pytest
from gymnasium.error import DependencyNotInstalled, ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import HumanRendering, RecordVideo, RenderCollection
from PIL import ImageColor

import neurotasks
from neurotasks.core import Item, TaskEnv
from neurotasks.errors import ParameterError
from neurotasks.rendering.frame import GOLD, KINDS, Frame
from neurotasks.rendering.pixels import (
    HEAD,
    HEIGHT,
    KEYS,
    LOSS,
    PANEL,
    STRIP,
    WIDTH,
    pixels,
    size_of,
)
from neurotasks.rendering.text import LETTERS, text
from neurotasks.tasks.harlow import TASK as HARLOW
from neurotasks.tasks.two_step import TASK as TWO_STEP

ID = "neurotasks/TwoStep-v0"
IDS = list(neurotasks.TASKS)
LANES = 3
CENTRE = 2
EMPTY = Frame([], 1, 4, "", 0.0, False, None)

pytestmark = pytest.mark.filterwarnings("error")


def frame(**fields):
    return dataclasses.replace(EMPTY, **fields)


def near(image, place, colour):
    """Return whether a pixel, x and y, has a colour within rounding."""
    x, y = place
    found, wanted = image[round(y), round(x)].astype(int), ImageColor.getrgb(colour)[:3]
    return np.abs(found - wanted).max() <= 2


@pytest.mark.slow
@pytest.mark.parametrize("truth", [False, True])
@pytest.mark.parametrize("id", IDS)
def test_every_task_has_frames(id, truth):
    """At every stage a fresh picture, and text for a terminal; the state stays as it was."""
    keywords = {"show_truth": truth, "trials": 2}
    env = gym.make(id, render_mode="rgb_array", **keywords)
    twin = gym.make(id, render_mode="ansi", **keywords)
    env.reset(seed=1), twin.reset(seed=1)
    fields, over, seen = env.unwrapped.task.state, False, {}
    names = [name.replace("_", " ") for name, field in fields.items() if field.info]
    while not over:
        state = env.unwrapped.get_state()
        over = env.step(int(state["best_action"][0]))[2]
        twin.step(int(state["best_action"][0]))
        state = env.unwrapped.get_state()
        stage = (int(state["stage"][0]) if "stage" in state.dtype.names else None, over)
        if stage in seen:
            continue
        image, seen[stage] = env.render(), twin.render()
        assert (env.unwrapped.get_state() == state).all()
        assert image.dtype == np.uint8
        assert image.shape == (HEAD + HEIGHT + STRIP, WIDTH + truth * PANEL, 3)
        assert image.flags.writeable
        assert len(np.unique(image[HEAD : HEAD + HEIGHT, :WIDTH].reshape(-1, 3), axis=0)) > 1
        written = seen[stage]
        assert written.isascii()
        assert all(len(line) <= 80 for line in written.splitlines())
        assert [f"\n  {name} " in written for name in names] == [truth] * len(names)
        again = env.render()
        assert np.array_equal(image, again)
        assert not np.may_share_memory(image, again)
    different = len(set(seen.values()))
    assert different > 1


@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
def test_lane_has_the_frame_of_the_single_env(mode):
    keywords = {"render_mode": mode, "show_truth": True}
    envs = gym.make_vec(ID, num_envs=LANES, **keywords)
    singles = [gym.make(ID, **keywords) for _ in range(LANES)]
    envs.reset(seed=7)
    for i, env in enumerate(singles):
        env.reset(seed=7 + i)
    for action in (2, 0, 1, 2, 2):
        envs.step(np.full(LANES, action))
        frames = envs.render()
        assert isinstance(frames, tuple)
        assert len(frames) == LANES
        for env, seen in zip(singles, frames, strict=True):
            env.step(action)
            assert np.array_equal(env.render(), seen)


def test_text_of_the_two_step_task():
    env = gym.make(ID, render_mode="ansi", show_truth=True)
    env.reset(seed=0, options={"better_state": 1})
    texts = [env.render()]
    state = env.unwrapped.get_state()
    state["transition_is_common"], state["pays"] = False, [[1, 0]]
    env.unwrapped.set_state(state)
    for action in (CENTRE, 1, 0, 1):
        env.step(action)
        texts.append(env.render())
    fixation, first, second, outcome, penalty = texts
    goal, rows = fixation.splitlines()[:3], fixation.splitlines()[3:]
    assert " ".join(goal) == (
        "Left leads to purple and right to green 80 % of the time. One of them pays more often, "
        "and which one may change: get there."
    )
    assert rows[0] == rows[12] == "+" + "-" * 58 + "+"
    assert rows[7][29] == "+"  # the cross, in the middle
    assert rows[13] == " trial 1 of 100"
    assert re.search(r"^\|  .*\(left\) .* \(right\) .*\|$", first, re.M)
    assert "last action: centre   reward: 0" in first
    assert "[purple]" in second
    assert "right led to purple" in second
    assert re.search(r"^  common +no$", second, re.M)
    assert re.search(r"^  second state +purple$", second, re.M)
    assert re.search(r"^  best action +left$", second, re.M)
    assert re.search(r"^ trial 2 of 100 +last action: left   reward: \+1$", outcome, re.M)
    assert "the place paid 1" in outcome
    assert re.search(r"^  better state +(purple|green)$", outcome, re.M)
    assert "last action: right   reward: -1" in penalty
    assert "right was not on offer: -1" in penalty


def test_end_of_the_episode_is_shown():
    env = gym.make(ID, render_mode="ansi", trials=1)
    env.reset(seed=0)
    for action in (CENTRE, 0, 0):
        assert "end of the episode" not in env.render()
        env.step(action)
    assert "end of the episode" in env.render()
    assert " trial 1 of 1 " in env.render()


def test_items_are_where_they_say():
    items = [
        Item("disc", 0.25, 0.5, 0.3, "red"),
        Item("square", 0.75, 0.5, 0.3, "#00ff00"),
        Item("ring", 0.5, 0.2, 0.2, "blue"),
        Item("cross", 0.5, 0.8, 0.2, "white"),
    ]
    image = pixels(frame(items=items))[HEAD:]
    assert near(image, (120, 126), "red")
    assert near(image, (120, 126 - 36), "red")
    assert not near(image, (120 - 36, 126 - 36), "red")  # a disc has no corners
    assert near(image, (360 - 33, 126 - 33), "#00ff00")
    assert not near(image, (360 - 40, 126), "#00ff00")
    assert near(image, (240, 50), "#14171c")  # a ring is empty
    assert near(image, (240, 50 - 24), "blue")
    assert near(image, (240, 202), "white")
    assert near(image, (240 + 23, 202), "white")
    assert not near(image, (240 + 17, 202 + 17), "white")


def test_images_are_shown_pixel_by_pixel():
    chequers = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    image = pixels(frame(items=[Item("image", 0.5, 0.5, 0.2, pixels=chequers)]))[HEAD:]
    for i, colour in enumerate(("#f00", "#0f0", "#00f")):
        for y in (103, 149):
            assert near(image, (240 + (i - 1) * 50, y), colour)
    assert not near(image, (240, 99), "#0f0")


@pytest.mark.parametrize(("reward", "colour"), [(1.0, GOLD), (0.2, GOLD), (-1.0, LOSS)])
def test_coin(reward, colour):
    place = WIDTH - 36, HEAD + HEIGHT + STRIP / 2 - 14
    assert near(pixels(frame(action="left", reward=reward)), place, colour)
    assert not near(pixels(frame(action="left")), place, colour)


@pytest.mark.parametrize("x", [0.5, 0.9])
def test_long_text_is_written_smaller_and_stays_in_the_frame(x):
    """A goal whose first line is the longer one, and a prompt."""
    goal = "Water comes in drops of 0.1 to 20 ul, announced by the reward odour or not. "
    goal += "Lick within 0.5 s: a lick takes 0.2 s and costs a little."
    prompt = Item("text", x, 0.5, 0.075, text="second stage: left or right opens the state")
    image = pixels(frame(goal=goal, items=[prompt]))
    top, screen = image[:HEAD], image[HEAD : HEAD + HEIGHT]
    for part in (top, screen):
        assert len(np.unique(part.reshape(-1, 3), axis=0)) > 10  # something is written
        assert (part[:, [*range(6), *range(WIDTH - 6, WIDTH)]] == part[0, 0]).all()


def test_end_of_a_trial_without_reward_shows():
    one, other = (pixels(frame(action="left", trial_over=over)) for over in (False, True))
    assert not np.array_equal(one, other)


def test_labels():
    """In the thing where they fit, under it where not; in letters always."""
    tiny, large = (Item("disc", 0.5, 0.5, size, "steelblue", "left") for size in (0.05, 0.4))
    bare = [dataclasses.replace(item, text="") for item in (tiny, large)]
    changed = []
    for item, without in zip((tiny, large), bare, strict=True):
        a, b = pixels(frame(items=[item])), pixels(frame(items=[without]))
        changed.append(np.flatnonzero((a != b).any(axis=(1, 2))))
    middle = HEAD + HEIGHT / 2
    assert changed[0].min() > middle + 0.05 * HEIGHT / 2
    assert middle - 20 < changed[1].min() < middle < changed[1].max() < middle + 20
    assert "(left)" in text(frame(items=[tiny]))
    assert "(O)" in text(frame(items=bare))


def test_letters_stay_in_the_frame():
    items = [Item("text", x, y, text="x" * 99) for x in (0, 1, -3) for y in (0, 1, 9)]
    lines = text(frame(items=items)).splitlines()
    assert {len(line) for line in lines[:13]} == {60}


def test_long_truth_is_wrapped():
    truth = [("p", "[" + ", ".join(["0.25"] * 30) + "]"), ("short", "1")]
    written = text(frame(truth=truth))
    assert written.count("0.25") == 30
    assert max(map(len, written.splitlines())) <= 80
    assert pixels(frame(truth=truth)).shape[1] == WIDTH + PANEL


def test_unknown_kind_of_item():
    assert tuple(LETTERS) == KINDS
    with pytest.raises(ParameterError, match=r"must be one of cross, disc.*got 'blob'"):
        pixels(frame(items=[Item("blob", 0.5, 0.5)]))


def test_task_without_a_picture_shows_what_is_seen():
    task = dataclasses.replace(TWO_STEP, picture=None)
    env = task.env_class(render_mode="ansi")
    env.reset(seed=0)
    assert "fixation" in env.render()
    env.step(CENTRE)
    assert "first stage" in env.render()
    assert "fixation" not in env.render()
    many = dataclasses.replace(HARLOW, picture=None).env_class(render_mode="ansi")
    many.reset(seed=0)
    while many.unwrapped.get_state()["stage"] == 0:
        many.step(int(many.unwrapped.get_state()["best_action"][0]))
    assert re.search(r"(red|green|blue) at [+-]\d+ 0\.\d\d", many.render())
    assert re.search(r"and \d+ more", many.render())


def test_task_without_a_picture_shows_the_image():
    env = gym.make("neurotasks/HarlowPixels-v0")
    task = dataclasses.replace(env.unwrapped.task, picture=None)
    bare = task.env_class(render_mode="rgb_array")
    observation, _ = bare.reset(seed=0)
    while not observation["image"].any():
        observation, *_ = bare.step(int(bare.get_state()["best_action"][0]))
    image, seen = bare.render(), observation["image"]
    size = HEIGHT
    y, x = (np.argwhere(seen.sum(axis=2) == seen.sum(axis=2).max())[0] + 0.5) / len(seen)
    place = WIDTH / 2 + (x - 0.5) * size, HEAD + HEIGHT / 2 + (y - 0.5) * size
    colour = "#{:02x}{:02x}{:02x}".format(*seen[int(y * len(seen)), int(x * len(seen))])
    assert near(image, place, colour)


@pytest.mark.parametrize("lanes", [0, LANES])
def test_render_needs_a_reset(lanes):
    keywords = {"render_mode": "ansi"}
    env = gym.make_vec(ID, num_envs=lanes, **keywords) if lanes else gym.make(ID, **keywords)
    with pytest.raises(ResetNeeded, match=r"render\(\).*[Rr]eset"):
        env.unwrapped.render()
    with pytest.raises(ResetNeeded):
        env.render()
    env.reset(seed=0)
    assert env.render()


@pytest.mark.parametrize("lanes", [0, LANES])
def test_bad_keywords(lanes):
    def make(**keywords):
        if lanes:
            return gym.make_vec(ID, num_envs=lanes, **keywords)
        return TWO_STEP.env_class(**keywords)

    modes = "rgb_array, ansi" if lanes else "human, rgb_array, ansi"
    with pytest.raises(ParameterError, match=f"render_mode must be one of {modes}; got 'rgb'"):
        make(render_mode="rgb")
    with pytest.raises(ParameterError, match="show_truth must be a bool; got 'no'"):
        make(show_truth="no")
    if lanes:
        with pytest.raises(ParameterError, match="got 'human'"):
            make(render_mode="human")


@pytest.mark.parametrize("lanes", [0, LANES])
def test_render_without_a_mode_warns(lanes):
    env = gym.make_vec(ID, num_envs=lanes) if lanes else gym.make(ID)
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="without a render_mode"):
        assert env.render() is None


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["human", "rgb_array", "ansi"])
def test_gymnasium_checker_in_every_mode(mode):
    env = gym.make(ID, render_mode=mode, show_truth=True)
    check_env(env.unwrapped)
    env.close()


@pytest.fixture
def human(monkeypatch):
    """An environment with a window; frames follow each other at once."""
    monkeypatch.setitem(TaskEnv.metadata, "render_fps", 10_000)
    env = gym.make(ID, render_mode="human")
    yield env
    env.close()


def on_screen():
    return pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)


def drawn_for(size, frame):
    """Return a frame as a window of this size shows it."""
    width, height = size
    scale = min(width / size_of(frame)[0], height / size_of(frame)[1])
    image = pixels(frame, scale)
    whole = np.empty((height, width, 3), np.uint8)
    whole[:] = ImageColor.getrgb("#14171c")
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    whole[top : top + image.shape[0], left : left + image.shape[1]] = image
    return whole


def test_window_is_drawn_at_reset_and_step(human):
    """Large, at the size of the window."""
    twin = gym.make(ID).unwrapped
    human.reset(seed=3), twin.reset(seed=3)
    size = pygame.display.get_window_size()
    desktop = pygame.display.get_desktop_sizes()[0]
    assert max(a / b for a, b in zip(size, desktop, strict=True)) == pytest.approx(0.85, abs=0.01)
    assert np.array_equal(on_screen(), drawn_for(size, twin.frame()))
    assert pygame.display.get_caption()[0] == "TwoStep"
    for action in (2, 0, 1):
        human.step(action), twin.step(action)
        assert np.array_equal(on_screen(), drawn_for(size, twin.frame()))
    assert human.render() is None
    human.close()
    assert not pygame.get_init()
    human.close()
    human.reset(seed=3)
    assert on_screen().shape == (size[1], size[0], 3)


def test_resized_window_is_drawn_anew(human):
    """Sharp at the new size, with bars where it has another shape."""
    human.reset(seed=3)
    pygame.display.set_mode((900, 300), pygame.RESIZABLE)
    pygame.event.post(pygame.event.Event(pygame.VIDEORESIZE, size=(900, 300), w=900, h=300))
    assert human.unwrapped._window.read_key(0.3) == ""
    assert np.array_equal(on_screen(), drawn_for((900, 300), human.unwrapped.frame()))


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7, 3.0])
def test_scaled_frames_are_drawn_not_enlarged(scale):
    given = frame(items=[Item("disc", 0.5, 0.5, 0.5, "red")], keys="left = 1", goal="Win.")
    image = pixels(given, scale)
    assert size_of(given) == (WIDTH, HEAD + HEIGHT + STRIP + KEYS)
    assert image.shape[:2] == tuple(round(scale * n) for n in size_of(given)[::-1])
    middle = image[round(scale * (HEAD + HEIGHT / 2))]
    red = (middle == (255, 0, 0)).all(axis=1)
    assert red.sum() == pytest.approx(scale * 0.5 * HEIGHT, abs=3)
    blurred = (middle[:, 0] > 40) & ~red
    assert blurred.sum() <= 4  # an edge is a pixel or two at any scale


def test_points_and_keys_are_shown():
    shown = frame(points=2.5, keys="left = 1 or arrow, end = Esc", goal="Win.", told="you won 1")
    plain = dataclasses.replace(shown, points=None)
    assert not np.array_equal(pixels(shown), pixels(plain))
    assert pixels(shown).shape[0] == pixels(dataclasses.replace(shown, keys="")).shape[0] + KEYS
    written = text(shown)
    assert written.splitlines()[0] == "Win."
    assert " points 2.5 " in written
    assert "you won 1" in written
    assert written.endswith("left = 1 or arrow, end = Esc\n")


@pytest.mark.parametrize("how", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_copy_of_an_environment_with_an_open_window(human, how):
    human.reset(seed=3)
    human.step(CENTRE)
    clone = how(human)
    assert clone.unwrapped._window._surface is None
    human.step(0), clone.step(0)
    assert human.unwrapped.get_state() == clone.unwrapped.get_state()
    clone.close()


def test_no_screen(monkeypatch, human):
    def fail(*size):
        raise pygame.error("No available video device")

    monkeypatch.setattr(pygame.display, "set_mode", fail)
    with pytest.raises(gym.error.Error, match=r"No available video device.*rgb_array"):
        human.reset(seed=0)


def test_nobody_waits_for_keys_of_a_window_that_is_not_seen(monkeypatch, human):
    human.reset(seed=0)
    monkeypatch.delenv("SDL_VIDEODRIVER")
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")
    with pytest.raises(gym.error.Error, match=r"no screen.*--terminal"):
        human.unwrapped._window.read_key()


@pytest.mark.parametrize("mode", ["rgb_array", "human"])
def test_missing_library(monkeypatch, human, mode):
    env = gym.make(ID, render_mode=mode)
    for module in ("pygame", "PIL.Image") if mode == "human" else ("PIL.Image",):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(DependencyNotInstalled, match=r"pip install 'neurotasks\[render\]'"):
                env.reset(seed=0), env.render()
    env.close()


def test_nothing_is_imported_before_the_first_frame():
    code = f"""
import sys, gymnasium as gym, neurotasks
for mode in (None, "human", "rgb_array", "ansi"):
    env = gym.make("{ID}", render_mode=mode)
    if mode != "human":
        env.reset(), env.step(0)
env.render()
print(sorted({{"PIL", "pygame", "matplotlib"}} & set(sys.modules)))
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


def test_record_video(tmp_path):
    env = RecordVideo(gym.make(ID, render_mode="rgb_array", trials=2), str(tmp_path / "videos"))
    env.reset(seed=0)
    while not env.step(1)[2]:
        pass
    env.close()
    assert [path.suffix for path in (tmp_path / "videos").iterdir()] == [".mp4"]


def test_gymnasiums_wrappers():
    env = gym.make(ID, render_mode="rgb_array_list")
    assert isinstance(env, RenderCollection)
    env.reset(seed=0), env.step(2)
    assert len(env.render()) == 2
    window = HumanRendering(gym.make(ID, render_mode="rgb_array"))
    window.reset(seed=0)
    window.close()


def test_step_without_a_mode_draws_nothing():
    """A step without a render_mode runs nothing that draws."""
    env = gym.make(ID).unwrapped
    env.reset(seed=0)
    called = []
    sys.setprofile(lambda f, event, arg: called.append(f.f_code.co_filename))
    env.step(0)
    sys.setprofile(None)
    assert called
    assert not any(
        name.endswith(("/pixels.py", "/text.py", "/frame.py")) or "core/frames" in name
        for name in called
    )
