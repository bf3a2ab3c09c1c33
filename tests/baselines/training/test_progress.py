"""What a reproduction says of itself while it runs."""

import io
import json

import pytest
from rich.console import Console

from neurotasks_baselines.experiments.jobs import Job
from neurotasks_baselines.training import progress
from neurotasks_baselines.training.progress import Display, Status, clock

EXPECTED = {"harlow seed 0": 300.0, "harlow seed 1": 300.0, "two-step seed 0": 100.0}


class Time:
    """A clock that is set by hand, for the display and for rich."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def time(monkeypatch):
    made = Time()
    monkeypatch.setattr(progress.time, "monotonic", made)
    return made


def display(terminal):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None)
    return Display(EXPECTED, console), out


def test_plain_lines(time):
    """One when a job has ended, one a minute, none in between; no control characters."""
    shown, out = display(terminal=False)
    half = Status(0.5, "agent: 1.75 of 3.50 M steps, 16,000 steps/s")
    with shown:
        shown.show({"two-step seed 0": Status(0, "")}, {"harlow seed 0": Status(0, "")}, [])
        time.now += 30
        shown.show({"two-step seed 0": Status(0, "")}, {"harlow seed 0": half}, [])
        assert out.getvalue() == ""
        time.now += 31
        shown.show({}, {"harlow seed 0": half, "harlow seed 1": Status(1.0, "measuring")}, [])
        time.now += 5
        shown.show({}, {"harlow seed 1": Status(1.0, "measuring")}, ["harlow seed 0"])
    first, second = out.getvalue().splitlines()
    assert first.startswith("0 of 3 done, 2 running, 0:01:01 elapsed, about ")
    assert first.endswith(
        " left; harlow seed 0: 50% agent: 1.75 of 3.50 M steps, 16,000 steps/s; "
        "harlow seed 1: 100% measuring"
    )
    assert second.startswith("1 of 3 done, 1 running, 0:01:06 elapsed")
    assert second.endswith("harlow seed 1: 100% measuring")
    assert first.isascii()
    assert first.isprintable()


def test_terminal_has_a_line_for_every_worker(time):
    shown, _ = display(terminal=True)

    def lines():
        return [(task.description, task.percentage) for task in shown.progress.tasks]

    with shown:
        shown.show({}, {"harlow seed 0": Status(0.25, "x"), "harlow seed 1": Status(0.5, "y")}, [])
        assert lines() == [
            ("all", pytest.approx(100 * 225 / 700)),
            ("harlow seed 0", 25.0),
            ("harlow seed 1", 50.0),
        ]
        assert [task.fields["text"] for task in shown.progress.tasks][1:] == ["x", "y"]
        shown.show({}, {"harlow seed 1": Status(0.75, "z")}, ["harlow seed 0"])
        assert lines() == [("all", pytest.approx(100 * 525 / 700)), ("harlow seed 1", 75.0)]
        shown.show({}, {}, list(EXPECTED))
        assert lines() == [("all", 100.0)]


def test_terminal_shows_the_words(time):
    shown, out = display(terminal=True)
    with shown:
        shown.show({}, {"two-step seed 0": Status(0.3, "agent: 0.90 of 3.00 M steps")}, [])
    last = out.getvalue()
    assert "two-step seed 0" in last
    assert "30 %  agent: 0.90 of 3.00 M steps" in last
    assert "0 of 3 done, 1 running, 0:00:00 elapsed" in last


def test_what_was_done_before_says_nothing_of_the_speed(monkeypatch, time):
    """Six sevenths were done before; a hundredth of the rest in a minute leaves 99 minutes."""
    shown, _ = display(terminal=False)
    shown.progress.get_time = time
    jobs = ["harlow seed 0", "harlow seed 1"]
    waiting = {name: Status(1.0, "") for name in jobs}
    for minute in range(4):
        shown.show(waiting, {"two-step seed 0": Status(0.01 * minute, "")}, [])
        time.now += 60
    left = shown._task("").time_remaining
    assert left == pytest.approx(97 * 60, rel=0.01)


def test_clock():
    assert [clock(s) for s in (0, 59.6, 61, 3600, 36_061)] == [
        *("0:00:00", "0:01:00", "0:01:01", "1:00:00", "10:01:01")
    ]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"agent": 1, "steps": 1, "steps_per_second": 1}', '{"steps": NaN}']
)
def test_progress_that_cannot_be_read(text, tmp_path):
    """It is only shown; the job writes it anew."""
    job = Job("two-step", "ppo", 100, tmp_path, train=True, quick=True)
    assert job.status().text == "starting"
    job.progress_file.write_text(text)
    assert job.status() == Status(0.0, "starting")
    whole = {"agent": "agent", "steps": job.steps // 2, "steps_per_second": 10}
    job.progress_file.write_text(json.dumps(whole))
    assert job.status().done == 0.5
