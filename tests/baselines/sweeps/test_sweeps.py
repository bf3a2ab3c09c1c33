"""Tables, rankings, searches and pages of sweeps; a sweep that is interrupted again and again."""

import json
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gymnasium.error import DependencyNotInstalled
from judged import judge
from signals import accept_interrupts
from stable_baselines3.common.utils import set_random_seed

from neurotasks.scores import EPISODES, episode_returns, measure_returns
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.errors import NotFiniteError, RunDirectoryError, SweepError
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.experiments.jobs import QUICK_EPISODES, Job, run as reproduce_one, shipped
from neurotasks_baselines.sweeps import jobs
from neurotasks_baselines.sweeps.jobs import SweepJob
from neurotasks_baselines.sweeps.page import write_page
from neurotasks_baselines.sweeps.run import jobs_of, run_sweep
from neurotasks_baselines.sweeps.search import Search
from neurotasks_baselines.sweeps.spec import Criterion, Range, Sweep
from neurotasks_baselines.sweeps.table import SweepTable, interval, objective, ranking, summary

ID = "neurotasks/TwoStep-v0"
GRID = Sweep((ID,), (1000, 1001), {"units": [8, 16], "trunk": ["shared", "separate"]})


def filled(sweep, out, scores):
    """Return the table of a sweep whose trainings had these scores, one list per setting."""
    table = SweepTable(sweep, out)
    for number, setting in enumerate(sweep.settings()):
        made = jobs_of(sweep, out, (number, setting), ())
        for job, score in zip(made, scores[number], strict=True):
            table.add(job, result(score))
    return table.write()


def result(score):
    if score is None:
        return {"problem": "NaN in the loss"}
    return {"measures": {"score": score}, "history": [], "seconds": 1.0}


def test_a_row_per_training(tmp_path):
    table = filled(GRID, tmp_path, [[0.1, 0.2], [0.3, 0.4], [0.5, None], [0.7, 0.8]])
    for file in (pd.read_parquet(tmp_path / "table.parquet"), pd.read_csv(tmp_path / "table.csv")):
        assert len(file) == 8
        assert not file.duplicated(["target", "setting", "seed"]).any()
        assert file["score"].tolist() == pytest.approx(
            [0.1, 0.2, 0.3, 0.4, 0.5, np.nan, 0.7, 0.8], nan_ok=True
        )
        assert file["units"].tolist() == [8] * 4 + [16] * 4
        assert file["problem"].isna().sum() == 7
    jobs_made = [job for n in enumerate(GRID.settings()) for job in jobs_of(GRID, tmp_path, n, ())]
    assert [str(tmp_path / d) for d in table["directory"]] == [str(j.directory) for j in jobs_made]


def test_the_order_of_the_results_does_not_matter(tmp_path):
    made = [job for n in enumerate(GRID.settings()) for job in jobs_of(GRID, tmp_path, n, ())]
    texts = []
    for order in (made, made[::-1]):
        table = SweepTable(GRID, tmp_path)
        for job in order:
            table.add(job, result(job.seed / 1000))
        table.write()
        texts.append((tmp_path / "table.csv").read_bytes())
    assert texts[0] == texts[1]


def test_settings_are_ranked(tmp_path):
    """By the interquartile mean; one that failed comes last."""
    table = filled(GRID, tmp_path, [[0.1, 0.2], [0.3, 0.4], [0.9, None], [0.7, 0.8]])
    ranked = ranking(GRID, table)
    assert ranked["setting"].tolist() == [3, 1, 0, 2]
    assert ranked["mean"].tolist() == pytest.approx([0.75, 0.35, 0.15, np.nan], nan_ok=True)
    assert ranked[["units", "trunk"]].values.tolist()[0] == [16, "separate"]
    least = ranking(replace(GRID, maximize=False), table)
    assert least["setting"].tolist() == [0, 1, 3, 2]


def test_the_interquartile_mean():
    """By hand: of eight values the two smallest and the two largest do not count."""
    values = [100, 1, 2, 3, 4, 5, -100, 50]
    assert summary(values) == pytest.approx((2 + 3 + 4 + 5) / 4)
    low, high = interval(values)
    assert low < summary(values) < high
    assert interval([3.0, 3.0]) == (3.0, 3.0)
    assert np.isnan(interval([3.0])).all()


def test_steps_to_a_criterion(tmp_path):
    """Where it is not met the table has no number, and all steps count."""
    sweep = replace(GRID, objective="steps_to_criterion", criterion=Criterion("x", 0.5, above=True))
    table = SweepTable(sweep, tmp_path)
    made = jobs_of(sweep, tmp_path, (0, next(sweep.settings())), ())
    for job, value in zip(made, (0.6, 0.4), strict=True):
        table.add(job, result(0.0) | {"history": [{"steps": 30, "x": value}]})
    rows = table.write()
    assert rows["steps_to_criterion"].isna().tolist() == [False, True]
    assert objective(sweep, rows).tolist() == [30, rows["steps"][1]]


def test_an_objective_that_is_no_measure(tmp_path):
    with pytest.raises(SweepError, match=r"got 'scare'. Did you mean 'score'"):
        filled(replace(GRID, objective="scare"), tmp_path, [[0.1, 0.2]] * 4)


@pytest.mark.parametrize(
    "sweep",
    [
        GRID,
        Sweep((ID,)),
        Sweep((ID,), (1000,), {"learning_rate": [1e-3]}, ({"gamma": 0.5}, {"gamma": 0.9})),
    ],
    ids=["grid", "one setting", "rows"],
)
def test_pages(sweep, tmp_path):
    scores = [[0.1 * n] * len(sweep.seeds) for n in range(1, sweep.num_settings + 1)]
    write_page(sweep, filled(sweep, tmp_path, scores), tmp_path)
    best = json.loads((tmp_path / "best.json").read_text())
    *_, last = sweep.settings()
    assert best == last
    page = (tmp_path / "index.html").read_text()
    assert ">nan" not in page
    figures = {file.stem for file in tmp_path.glob("*.png")}
    assert figures >= ({"settings", "effects"} if sweep.varied else {"settings"})
    assert ("pairs" in figures) == (sweep is GRID)
    assert page.count("<img") == len(figures)


# Searches.

SPACE = Sweep(
    (ID,),
    (1000,),
    {
        "learning_rate": Range(1e-3, 1e-1, log=True),
        "units": Range(8, 16),
        "trunk": ["rpe", "shared"],
    },
    trials=8,
)


def found_by(search, stop_after=99):
    """Tell a search scores that are best at a learning rate of 0.01, and return its settings."""
    found = []
    for number, setting in search.settings():
        found.append((number, setting))
        if len(found) > stop_after:
            break
        search.tell(number, -abs(np.log10(setting["learning_rate"]) + 2))
    return found


def test_a_search_proposes_values_from_their_ranges(tmp_path):
    found = found_by(Search(SPACE, tmp_path))
    assert [number for number, _ in found] == list(range(8))
    for _, setting in found:
        assert 1e-3 <= setting["learning_rate"] <= 1e-1
        assert setting["units"] in range(8, 17)
        assert setting["trunk"] in ("rpe", "shared")


def test_a_search_resumes(tmp_path):
    """With the settings it had proposed, also the one that nothing was told of."""
    before = found_by(Search(SPACE, tmp_path), stop_after=4)
    again = Search(replace(SPACE, trials=10), tmp_path)
    found = found_by(again)
    assert found[:5] == before
    assert len(found) == 10
    states = [trial.state.name for trial in again.study.trials]
    assert states == ["COMPLETE"] * 10


def test_a_search_learns(tmp_path):
    found = found_by(Search(replace(SPACE, trials=40), tmp_path))
    rates = np.log10([setting["learning_rate"] for _, setting in found])
    assert np.abs(rates[-15:] + 2).mean() < 0.6 * np.abs(rates[:10] + 2).mean()


def test_a_setting_that_failed(tmp_path):
    search = Search(replace(SPACE, trials=1), tmp_path)
    for number, _ in search.settings():
        search.tell(number, float("nan"))
    assert search.study.trials[0].state.name == "FAIL"


def test_another_search_is_refused(tmp_path):
    Search(SPACE, tmp_path)
    with pytest.raises(RunDirectoryError, match="must hold this search"):
        Search(replace(SPACE, seeds=(1, 2)), tmp_path)


def test_the_extra_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DependencyNotInstalled, match=r"pip install 'neurotasks\[sweep\]'"):
        run_sweep(GRID, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# Jobs.


@pytest.fixture
def job(tmp_path):
    setting = {"total_steps": 400, "num_envs": 4, "columns": 2, "units": 8, "task.trials": 4}
    return SweepJob(ID, 0, setting, 1000, tmp_path, evaluations=2)


@pytest.mark.slow
def test_a_training_is_measured(job):
    """The score is that of thirty lines; it is not trained or measured again."""
    found = jobs.run(job)
    assert found["measures"].keys() > found["history"][-1].keys() - {"steps"}
    agent = jobs.train_agents(
        job.trainings,
        job.directory,
        seed=1000,
        steps_of=lambda t: t.hyperparameters.total_steps,
        progress_file=job.progress_file,
    )["agent"]
    set_random_seed(1000)
    returns = episode_returns(lambda envs: agent, ID, EPISODES, trials=4)
    row = measure_returns(ID, trials=4)
    score = (returns.mean() - row["random"]) / (row["ideal"] - row["random"])
    assert found["measures"]["score"] == pytest.approx(score)
    assert found["measures"]["return"] == pytest.approx(returns.mean())
    assert found["measures"]["return_se"] == pytest.approx(returns.std(ddof=1) / EPISODES**0.5)
    files = {file: file.stat().st_mtime_ns for file in job.directory.rglob("*") if file.is_file()}
    assert jobs.run(job) == found
    assert {file: file.stat().st_mtime_ns for file in files} == files


@pytest.mark.slow
def test_other_measuring_code_trains_nothing_again(job):
    found = jobs.run(job)
    agent = (job.directory / "agent" / "agent.safetensors").stat().st_mtime_ns
    other = replace(job, made_by="other")
    assert other.result(other.made_by) is None
    assert jobs.run(other)["measures"] == found["measures"]
    assert (job.directory / "agent" / "agent.safetensors").stat().st_mtime_ns == agent


def test_a_training_that_diverges(job, monkeypatch):
    def diverge(*_, **__):
        raise NotFiniteError("The loss is NaN.")

    monkeypatch.setattr(jobs, "train_agents", diverge)
    assert jobs.run(job) == {"problem": "The loss is NaN."}


@pytest.mark.slow
def test_claims_are_measured_as_in_the_report(monkeypatch):
    experiment = EXPERIMENTS["two-step"]
    seed = experiment.seeds[0]
    agent = experiment.trainings["agent"].load(shipped("two-step", "ppo", seed, "agent"))
    monkeypatch.setattr(jobs, "EPISODES", QUICK_EPISODES)
    set_random_seed(seed)
    found = jobs.measure_claims(experiment, {"agent": agent}, seed)
    job = Job("two-step", "ppo", seed, Path("unused"), train=False, quick=True)
    measures = reproduce_one(job)
    claims = {c.claim: c.measured for c in judge(experiment, [measures])}
    assert len(found) > 8
    for name, value in found.items():
        assert value == pytest.approx(claims[name], rel=1e-6), name


# The whole command.

SPEC = f"""
tasks = ["{ID}"]
seeds = 4
evaluations = 2

[task_parameters]
trials = [3, 4]

[hyperparameters]
total_steps = 400
num_envs = 4
columns = 2
units = [8, 12, 16]
trunk = ["shared", "separate"]
"""


@pytest.fixture
def spec(tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_text(SPEC)
    return file


@pytest.mark.slow
def test_a_dry_run(spec, tmp_path, capsys):
    assert main(["sweep", str(spec), "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "jobs        48, of which 0 are done" in lines
    assert "steps       19,200" in lines
    assert lines[-1].endswith("with 1,000 workers")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.full
def test_a_sweep_that_is_interrupted_three_times(spec, tmp_path):
    """48 trainings: one table, without a duplicate and without a gap; none is trained twice."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "neurotasks_baselines", "sweep", str(spec)]
    draw, trained = random.Random(1), {}
    for number in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM, None):
        started = len(list(out.glob("trainings/*/result.json")))
        process = subprocess.Popen(
            [*command, "--out", str(out), "--batch", "2"],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=accept_interrupts,
        )
        if number is not None:
            wanted = started + draw.randint(1, 9)
            while process.poll() is None:
                if len(list(out.glob("trainings/*/result.json"))) >= wanted:
                    process.send_signal(number)
                    break
        _, stderr = process.communicate(timeout=300)
        assert (process.returncode == 0) == (number is None), stderr
        found = {f: f.stat().st_mtime_ns for f in out.glob("trainings/*/agent/agent.safetensors")}
        assert {file: found.get(file) for file in trained} == trained, "one was trained twice"
        trained = found
        if number == signal.SIGINT:
            assert "neurotasks sweep: interrupted. " in stderr
            assert stderr.endswith("Run the same command again to resume.\n")
    table = pd.read_parquet(out / "table.parquet")
    assert len(table) == 48
    assert len(table.groupby(["setting", "seed"])) == 48
    assert table["directory"].nunique() == 48
    assert table["score"].notna().all()
    assert sorted(p.name for p in (out / "trainings").iterdir()) == sorted(
        Path(directory).name for directory in table["directory"]
    )
    for directory in table["directory"]:
        assert not list((out / directory).rglob("checkpoint*"))
    assert {file.name for file in out.iterdir()} >= {"index.html", "table.csv", "best.json"}
    best = tmp_path / "best"
    given = ["--hyperparameters", str(out / "best.json"), "--set", "trials=3", "--out", str(best)]
    assert main(["train", ID, *given]) == 0
    run = json.loads((best / "run.json").read_text())["hyperparameters"]
    assert run["num_envs"] == 4
