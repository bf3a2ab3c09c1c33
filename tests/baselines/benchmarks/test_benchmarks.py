"""Comparisons, their workers and tables, and the time to a criterion."""

import json
import math
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from matplotlib.colors import to_hex

from neurotasks_baselines.benchmarks import (
    cart_pole,
    criterion,
    envs,
    harness,
    output,
    programs,
    scaling,
    tables,
    train,
    worker,
)
from neurotasks_baselines.benchmarks.criterion import (
    CRITERIA,
    Criterion,
    Reached,
    StopWhenMet,
    over_seeds,
)
from neurotasks_baselines.benchmarks.harness import Candidate, Result, Summary
from neurotasks_baselines.benchmarks.scaling import Memory
from neurotasks_baselines.benchmarks.train import Setup, flop_per_step
from neurotasks_baselines.benchmarks.worker import Worker, in_parallel, peer_script
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.errors import PeerError
from neurotasks_baselines.plotting import IDEAL, OURS

ECHO = """
import json, sys
given = json.loads(sys.argv[1])
for number, line in enumerate(sys.stdin):
    print("a library says hello")
    if number == given.get("die"):
        sys.exit(3)
    print(json.dumps({"steps": given["steps"], "seconds": 0.5, "versions": {"x": "1"}}))
    sys.stdout.flush()
"""


@pytest.fixture
def echo(tmp_path):
    """The command of a worker that answers with what it was given."""
    script = tmp_path / "echo.py"
    script.write_text(ECHO)
    return [sys.executable, str(script)]


def test_candidates_run_in_rounds_and_medians_are_given():
    order = []

    def program(name, seconds):
        times = iter(seconds)

        def run():
            order.append(name)
            return Result(10, next(times))

        return Candidate(name, "task", 1, run)

    candidates = [program("a", (9.0, 1.0, 2.0, 5.0)), program("b", (9.0, 1.0, 1.0, 1.0))]
    first, second = harness.compare(candidates, 3)
    assert order == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert first.steps_per_second == Summary(5.0, 2.0, 10.0)  # the first run does not count
    assert second.steps_per_second == Summary(10.0, 10.0, 10.0)
    assert first.rounds == 3
    order.clear()
    (only,) = harness.compare([program("a", (1.0,))], 1, warm_up=False)
    assert order == ["a"]
    assert only.startup_seconds is None


def test_the_startup_is_what_the_first_run_took_longer(monkeypatch):
    clock = iter((0.0, 7.0))  # around the first run
    monkeypatch.setattr(harness.time, "perf_counter", lambda: next(clock))
    (row,) = harness.compare([Candidate("a", "task", 1, lambda: Result(10, 2.0))], 1)
    assert row.startup_seconds == 5.0


def test_a_program_repeats_until_its_time_is_over(monkeypatch):
    clock = count(0.0, 0.5)
    monkeypatch.setattr(harness.time, "perf_counter", lambda: next(clock))
    assert harness.repeated(lambda: 3, seconds=1.0)() == Result(3, 1.0)


def test_a_worker_runs_in_its_own_process(echo):
    with Worker(echo, {"steps": 4}) as worker:
        for _ in range(2):
            result = worker()
            assert replace(result, peak_bytes=None) == Result(4, 0.5, versions={"x": "1"})
            assert result.peak_bytes is None or 5e6 < result.peak_bytes < 50e6  # not that of ours
        process = worker.process
    assert process.returncode == 0


def test_workers_in_parallel_add_their_steps(echo):
    with Worker(echo, {"steps": 4}) as one, Worker(echo, {"steps": 5}) as other:
        result = in_parallel([one, other])()
    assert result.steps == 9


def test_workers_that_do_not_run_say_so(echo, tmp_path):
    with Worker(echo, {"steps": 4, "die": 1}) as worker:
        worker()
        with pytest.raises(PeerError, match="ended with code 3"):
            worker()
        with pytest.raises(PeerError, match="ended with code 3"):
            worker()
    with (
        Worker([str(tmp_path / "no_python")], {}) as worker,
        pytest.raises(PeerError, match="could not be started"),
    ):
        worker()


def test_a_server_answers_a_worker(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", iter(["run\n", "run\n"]))
    worker.serve(lambda: Result(7, 0.25))
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(a["steps"], a["seconds"]) for a in answers] == [(7, 0.25)] * 2


@pytest.mark.parametrize(("benchmark", "peers"), [("envs", envs.PEERS), ("train", train.PEERS)])
def test_every_peer_has_a_script_that_says_how_to_install_it(benchmark, peers):
    for peer in peers:
        text = peer_script(peer, benchmark).read_text()
        assert f"neurotasks benchmark {benchmark} --peer {peer}=PYTHON" in text
        assert "pip install " in text
    scripts = {path.stem for path in worker.PEERS.glob(f"*_{benchmark}.py")}
    assert scripts == {f"{peer}_{benchmark}" for peer in peers}


def test_unknown_peers_are_refused(capsys, tmp_path):
    with pytest.raises(PeerError, match="must name a peer of `benchmark envs`"):
        peer_script("popgym", "envs")
    out = ["--out", str(tmp_path)]
    assert main(["benchmark", "train", "--peer", "gymnex=python", *out]) == 1
    assert "Did you mean 'gymnax'?" in capsys.readouterr().err
    assert main(["benchmark", "train", "--peer", "gymnax", *out]) == 1
    assert "Write gymnax=PYTHON" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_environments_are_stepped(tmp_path):
    task = "neurotasks/TwoStep-v0"
    for stepper in (envs.single_stepper(task), envs.vector_stepper(task, 3)):
        assert stepper().steps % 10 == 0
    assert envs.loop_stepper(task, 3, threads=2)().steps % 199_998 == 0
    candidates = [
        Candidate("gymnasium.make_vec", task, 3, envs.vector_stepper(task, 3)),
        Candidate("gymnax, scan", "Bernoulli", 3, envs.vector_stepper(task, 3)),
    ]
    rows = harness.compare(candidates, 2)
    output.write("envs", rows, output.bars(rows, envs.HIGHLIGHTED), tmp_path)
    written = json.loads((tmp_path / "envs.json").read_text())
    assert written == [asdict(row) for row in rows]
    assert set(written[0]["steps_per_second"]) == {"median", "min", "max"}
    assert (tmp_path / "envs.png").stat().st_size > 1000
    assert json.loads((tmp_path / "machine.json").read_text())["envs"]["cores"] == os.cpu_count()


def test_only_our_programs_are_in_our_colour():
    """Stable-Baselines3's vector is not ours, nor is CartPole."""
    programs = ["gymnasium.make_vec", "DummyVecEnv", "GymnasiumVecEnv", "gymnasium.make"]
    tasks = ["neurotasks/TwoStep-v0"] * 3 + ["CartPole-v1"]
    rows = [
        harness.Speed(program, task, 64, 0, 1, 0, 0, Summary(2.0, 1.0, 3.0), 1, None, None, {})
        for program, task in zip(programs, tasks, strict=True)
    ]
    bars = output.bars(rows, envs.HIGHLIGHTED).axes[0].patches
    assert [to_hex(bar.get_facecolor()) for bar in bars] == [OURS, IDEAL, OURS, IDEAL]


def test_arithmetic_of_a_step():
    # 4 inputs, 2 actions: four gates of 48 units, three outputs; 1 + 4 * 3 passes
    assert flop_per_step("neurotasks/Bandit-v0", 48) == 2 * (192 * 52 + 48 * 3) * 13


@pytest.mark.slow
@pytest.mark.parametrize("program", [programs.FUSED, programs.STOCK, programs.DUMMY])
def test_a_training_does_two_rollouts_per_run(program, tmp_path):
    setup = Setup(program, num_envs=4, units=8, n_steps=10, trials=5)
    assert setup.learner(str(tmp_path))() == 2 * 4 * 10
    assert list(tmp_path.glob("events*"))


def row(program, task, num_envs, median, **others):
    """An object of a comparison's file."""
    speed = {"median": median, "min": median / 2, "max": median * 2}
    usual = {"units": 48, "threads": 1, "episode_length": 0, "rounds": 1, "versions": {}}
    usual |= {"startup_seconds": 1.25, "peak_bytes": 300_000_000}
    names = {"program": program, "task": task, "num_envs": num_envs, "steps_per_second": speed}
    return names | usual | others


def test_ratios_within_a_run():
    rows = [
        row("FusedRecurrentPPO", programs.BANDIT, 128, 360e3),
        row("FusedRecurrentPPO", programs.BANDIT, 128, 900e3, threads=2),
        row("pure-JAX PPO, gymnax", programs.GYMNAX_BANDIT, 128, 200e3),
        row("FusedRecurrentPPO, two seeds in parallel", programs.BANDIT, 128, 450e3, threads=2),
    ]
    lines = tables.ratios(rows, tables.TRAIN_RATIOS).splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    assert cells[0][1:] == ["360,000", "200,000", "1.8", "≥ 1.7", "held"]
    assert cells[1][1:] == ["450,000", "360,000", "1.25", "≥ 1.9", "**missed**"]
    assert len(cells) == 2  # the stock programs did not run
    rows[2]["steps_per_second"]["median"] = 291.85
    assert "| 1,230 " in tables.ratios(rows, tables.TRAIN_RATIOS)
    assert "No two programs" in tables.ratios([], tables.TRAIN_RATIOS)


def test_ratios_to_cart_pole():
    """Where its vector knows no such mode, the next step's is what counts."""
    rows = [
        row("gymnasium.make", "CartPole-v1", 1, 100e3),
        row("gymnasium.make_vec, NextStep", "CartPole-v1", 64, 1e6),
        row("gymnasium.make", "neurotasks/Harlow-v0", 1, 360e3),
        *(row(name, "neurotasks/Harlow-v0", 64, 6e6) for name in programs.MAKE_VEC.values()),
    ]
    line = tables.ratios_to_cart_pole(rows).splitlines()[-1]
    cells = [cell.strip() for cell in line.strip("| ").split("|")]
    assert cells == ["Harlow-v0", "**3.60**", "6.00", "6.00", "6.00"]


@pytest.mark.parametrize("mode", AutoresetMode)
def test_vectors_are_stepped_in_every_mode(mode):
    """Episodes of one trial, of which each step ends some."""
    run = cart_pole.vector_stepper("neurotasks/InferredValue-v0", mode)
    assert run().steps % (100 * cart_pole.NUM_ENVS) == 0


def test_speeds_as_percentages_of_the_arithmetic_limit():
    rows = [
        row("arithmetic limit", programs.BANDIT, 0, 400e3, startup_seconds=None, peak_bytes=None),
        row("FusedRecurrentPPO", programs.BANDIT, 64, 100e3),
        row("pure-JAX PPO, gymnax", programs.GYMNAX_BANDIT, 64, 50e3),
    ]
    text = tables.speeds(rows)
    assert "episode" not in text  # a column without content
    shares = [line.split("|")[8].strip() for line in text.splitlines()[2:]]
    assert shares == ["", "25%", "12%"]
    assert tables.rounded(999_499) == "999,000"
    assert tables.rounded(1_234_567) == "1.23 M"


def test_pages_get_their_tables(tmp_path):
    rows = [row("FusedRecurrentPPO", programs.BANDIT, 64, 100e3)]
    (tmp_path / "train.json").write_text(json.dumps(rows))
    (tmp_path / "machine.json").write_text(json.dumps({"train": output.machine()}))
    parts = tables.page_parts(tmp_path)
    assert "| FusedRecurrentPPO |" in parts["train"]()
    assert f"numba {output.machine()['versions']['numba']}" in parts["train machine"]()
    assert parts["train figure"]().endswith(f"({tmp_path.name}/train.png)")


@pytest.mark.parametrize("text", ["", "[]", '{"envs": NaN}', "[" * 100_000])
def test_a_machine_file_that_cannot_be_read_is_refused_before_the_work(text, tmp_path, capsys):
    (tmp_path / "machine.json").write_text(text)
    assert main(["benchmark", "envs", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "machine.json must hold the machines of benchmarks" in said
    assert said.count("\n") == 1


def test_a_criterion_that_is_not_met_took_for_ever():
    times = [(True, 10.0), (False, 99.0), (True, 20.0)]
    seeds = [Reached(i, met, s, 1.0, 500, 0.7, 0.68) for i, (met, s) in enumerate(times)]
    found = over_seeds(CRITERIA["two-step"], seeds)
    assert found.seconds == {"median": 20.0, "min": 10.0, "max": None}
    assert over_seeds(CRITERIA["two-step"], seeds[1:2]).seconds["median"] is None
    assert over_seeds(CRITERIA["two-step"], seeds[:2]).seconds["median"] is None
    assert "2 of 3" in tables.times([asdict(found)])
    assert "never" in tables.times([asdict(found)])
    assert criterion.figure([found]) is not None


def test_criteria_are_those_of_the_tasks():
    assert CRITERIA["two-step"].met(0.67)
    assert not CRITERIA["two-step"].met(0.6699)
    assert not CRITERIA["bandits"].met(2.77)  # below it, not at it
    assert CRITERIA["bandits"].met(2.769)
    assert not CRITERIA["harlow"].met(0.949)
    assert not CRITERIA["harlow"].met(math.nan)


def test_harlow_counts_the_worst_trial_after_the_first(monkeypatch):
    found = np.array([0.5, 0.97, 0.96, 0.99, 1.0, 0.98])
    monkeypatch.setattr(criterion, "accuracy_by_trial", lambda trials: found)
    episodes = SimpleNamespace(trials=None)
    assert criterion.worst_after_first(episodes) == 0.96
    found[5] = math.nan  # nobody got there
    assert not CRITERIA["harlow"].met(criterion.worst_after_first(episodes))


@pytest.fixture
def easy(tiny):
    """A criterion of a small training, which any agent meets."""
    hyperparameters = replace(tiny, n_steps=9, whole_episodes=False)
    measure = CRITERIA["two-step"].measure
    return Criterion(
        "neurotasks/TwoStep-v0",
        "any",
        measure,
        low=-10.0,
        every=72,
        num_episodes=3,
        hyperparameters=hyperparameters,
    )


def test_a_training_stops_when_the_criterion_is_met(easy, monkeypatch):
    monkeypatch.setattr(criterion, "CONFIRM_EPISODES", 3)
    found = criterion.run(easy, seed=1)
    assert found["met"]
    assert found["steps"] == 72  # the first evaluation, after two rollouts of 36
    assert found["value"] <= 1
    assert found["confirmed"] <= 1


@pytest.mark.slow
def test_a_training_ends_without_meeting_it(easy, monkeypatch):
    monkeypatch.setattr(criterion, "CONFIRM_EPISODES", 3)
    evaluations = []
    evaluate = StopWhenMet.evaluate

    def counted(self):
        evaluations.append(self.num_timesteps)
        evaluate(self)

    monkeypatch.setattr(StopWhenMet, "evaluate", counted)
    found = criterion.run(replace(easy, low=2.0), seed=1)
    assert not found["met"]
    assert found["steps"] == easy.hyperparameters.total_steps
    assert evaluations[:2] == [72, 144]


def test_memory_is_marked_along_a_long_training(monkeypatch):
    class Fake:
        runs = 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def __call__(self):
            self.runs += 1
            return Result(30, 2.0, peak_bytes=1000 + self.runs)

    monkeypatch.setattr(Setup, "worker", lambda self: Fake())
    marks = scaling.train_long(Setup(), 100)
    assert [m.steps for m in marks] == [30, 60, 90, 120]
    assert marks[-1] == Memory(programs.FUSED, programs.BANDIT, 64, 48, 1, 120, 8.0, 1004)
    assert "| 120 " in tables.memory([asdict(m) for m in marks])


def test_curves_of_cost():
    limits = [Candidate("arithmetic limit", programs.BANDIT, 0, lambda: Result(8, 1.0), 48)]
    runs = [
        Candidate(
            programs.FUSED,
            programs.BANDIT,
            n,
            lambda: Result(4, 1.0, 10**9),
            48,
            episode_length=200,
            channels=1,
        )
        for n in (1, 64)
    ]
    rows = harness.compare([*limits, *runs], 1, warm_up=False)
    speed = scaling.curves(rows).axes[0]
    ours, limit = speed.get_lines()
    assert ours.get_xdata().tolist() == [1, 64]
    assert ours.get_ydata().tolist() == [4.0, 4.0]
    assert limit.get_ydata().tolist() == [8.0, 8.0]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_the_process_of_a_seed_ends_with_the_one_that_started_it():
    program = "from neurotasks_baselines.benchmarks.criterion import in_fresh_process as run; run"
    parent = subprocess.Popen([sys.executable, "-c", f"{program}('two-step', 0)"])
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    while not (child := children.read_text().strip()):
        time.sleep(0.05)
    while b"criterion" not in Path(f"/proc/{child}/cmdline").read_bytes():
        time.sleep(0.05)
    time.sleep(8)  # it imports, and trains
    parent.kill()
    parent.wait()
    until = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and time.monotonic() < until:
        state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":
            return
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()
