"""Training runs that are interrupted, repeated, mixed up or damaged, and what they leave behind."""

import gc
import json
import os
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch as th
from every_id import MICE
from matplotlib.figure import Figure
from safetensors import safe_open
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import load_results
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import neurotasks_baselines.training.evaluate as evaluation
from neurotasks.episodes import run_episodes
from neurotasks.errors import ParameterError
from neurotasks.observers import RandomAgent, reference_observer
from neurotasks.scores import TEST_SEED, reference_returns
from neurotasks.tasks.two_step import TASK as TWO_STEP
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.errors import (
    AgentFileError,
    DeviceError,
    RunDirectoryError,
    RunLockedError,
    SeedError,
)
from neurotasks_baselines.experiments import metrics_for
from neurotasks_baselines.training import callbacks
from neurotasks_baselines.training.agent_files import load, read_description
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.callbacks import (
    Checkpoint,
    Evaluation,
    Metrics,
    reward_per_trial,
)
from neurotasks_baselines.training.evaluate import evaluate, held_out_envs
from neurotasks_baselines.training.hyperparameters import TABLE, hyperparameters_for
from neurotasks_baselines.training.logs import LostEpisodesWarning
from neurotasks_baselines.training.train import train

TASK, TRIALS = "neurotasks/TwoStep-v0", {"trials": 3}
ROLLOUT = 4 * 9
TOTAL, INTERVAL = 20 * ROLLOUT, 2 * ROLLOUT  # ten checkpoints


class Interrupt:
    """Raises KeyboardInterrupt when so many steps are done, once for each number."""

    def __init__(self, *at):
        self.at, self.seen = list(at), []

    def __call__(self, steps):
        self.seen.append(steps)
        if self.at and steps >= self.at[0]:
            self.at.pop(0)
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def run(tiny):
    """Return a function that trains in a directory."""

    def run(out, on_progress=None, **changes):
        task_kwargs = {"hyperparameters": tiny, "task_kwargs": TRIALS, "seed": 1}
        task_kwargs |= {"evaluations": 3, "checkpoints": 10, "on_progress": on_progress}
        return train(TASK, out, **task_kwargs | changes)

    return run


@pytest.fixture(scope="module")
def finished(run, tmp_path_factory):
    """Return a finished run with figures, its directory, and its steps and checkpoints."""
    out, told = tmp_path_factory.mktemp("run"), []

    def on_progress(steps):
        file = out / "checkpoint.safetensors"
        kept = read_description(file)["num_timesteps"] if file.exists() else None
        told.append((steps, kept))

    return run(out, on_progress, metrics=metrics_for(TASK)), out, told


def contents(directory):
    return {
        str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()
    }


# Interrupted and started again.


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("at", [(0,), (INTERVAL,), (400,), (150, 500), (TOTAL - ROLLOUT,)])
def test_an_interruption_changes_nothing(run, whole, tmp_path, weights, at):
    """It costs at most one checkpoint interval, and ends with exactly the same weights."""
    interrupt = Interrupt(*at)
    for _ in at:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, interrupt)
    parts = run(tmp_path, interrupt)
    breaks = [i for i, step in enumerate(np.diff(interrupt.seen)) if step <= 0]
    assert [interrupt.seen[i] for i in breaks] == [a + -a % ROLLOUT for a in at]
    assert all(interrupt.seen[i] - interrupt.seen[i + 1] <= INTERVAL for i in breaks)
    assert parts.num_timesteps == whole.num_timesteps == TOTAL
    assert parts.description["history"] == whole.description["history"]
    assert th.equal(weights(parts), weights(whole))


A2C = {"algorithm": "a2c", "n_epochs": 1, "learned_start": True}
CARRIED = {"whole_episodes": False, "n_steps": 5}


@pytest.mark.parametrize(
    "changes",
    [CARRIED, A2C, A2C | CARRIED, A2C | {"n_steps": 5}, A2C | {"trunk": "rpe"}],
    ids=["ppo", "a2c", "a2c carried", "a2c kept", "a2c rpe"],
)
def test_an_interruption_of_carried_episodes(run, tiny, tmp_path, weights, changes):
    """Where rollouts continue in mid-episode, a resumed run continues them too."""
    hyperparameters = replace(tiny, **changes)
    whole = run(tmp_path / "whole", hyperparameters=hyperparameters)
    interrupt = Interrupt(410)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", interrupt, hyperparameters=hyperparameters)
    model = run(tmp_path / "parts", interrupt, hyperparameters=hyperparameters)
    assert model.num_timesteps == TOTAL
    assert model.description["history"] == whole.description["history"]
    assert th.equal(weights(model), weights(whole))


@pytest.mark.parametrize("left", ["no file", "no row", "some rows"])
def test_episodes_that_somebody_cut_off_are_missed(run, tmp_path, left):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Interrupt(410))
    file = tmp_path / "monitor.csv"
    lines = file.read_text().splitlines(keepends=True)
    if left == "no file":
        file.unlink()
    else:
        file.write_text("".join(lines[: 2 if left == "no row" else -20]))
    with pytest.warns(
        LostEpisodesWarning, match=r"monitor.csv must hold the \d+ episodes.*got \d+"
    ):
        run(tmp_path, Interrupt())


def test_an_interrupted_run_repeats_no_rollout(run, tmp_path):
    """What was done when Ctrl-C came is saved, however long ago the last checkpoint was."""
    interrupt = Interrupt(410)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupt, checkpoints=1)
    run(tmp_path, interrupt, checkpoints=1)
    assert interrupt.seen == [*range(0, 432 + 1, ROLLOUT), *range(432, TOTAL, ROLLOUT)]


def test_every_step_and_every_episode_is_logged_once(tiny, tmp_path, monkeypatch):
    """Also those after the last checkpoint of a process that was killed."""
    monkeypatch.setattr(Checkpoint, "save_last_moment", lambda self: None)
    id, steps = "neurotasks/Bandit-v0", 4000
    short = replace(tiny, columns=4, n_epochs=1, total_steps=steps)
    metrics = Metrics(reward_per_trial, num_episodes=2)
    options = {"hyperparameters": short, "metrics": metrics, "evaluations": 11, "checkpoints": 2}
    with pytest.raises(KeyboardInterrupt):
        train(id, tmp_path, on_progress=Interrupt(2800), **options)
    train(id, tmp_path, **options)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    logged = {
        tag: [event.step for event in events.Scalars(tag)]
        for tag in ("rollout/ep_rew_mean", "task/reward_per_trial")
    }
    assert logged == {
        "rollout/ep_rew_mean": list(range(400, steps + 1, 400)),
        "task/reward_per_trial": list(range(0, steps + 1, 400)),
    }
    assert len(load_results(str(tmp_path))) == steps // 100


def test_a_finished_run_is_not_trained_again(run, finished, weights):
    model, out, told = finished
    assert [steps for steps, _ in told] == list(range(0, TOTAL, ROLLOUT))
    before, again = contents(out), []
    loaded = run(out, again.append)
    assert again == []
    assert contents(out) == before
    assert th.equal(weights(loaded), weights(model))
    assert loaded.description == model.description


def test_checkpoints(finished):
    """One an interval, at its end."""
    _, _, told = finished
    assert [kept for _, kept in told] == [s - s % INTERVAL or None for s, _ in told]


@pytest.mark.parametrize("at", [(), (300,)])
def test_the_early_agent(run, whole, tmp_path, weights, at):
    """It is that of the first rollout after so many steps, also after an interruption."""
    interrupt = Interrupt(*at)
    for _ in at:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, interrupt, early=200)
    model = run(tmp_path, interrupt, early=200)
    assert th.equal(weights(model), weights(whole))
    early = load(tmp_path / "early", num_envs=1)
    assert early.num_timesteps == 216
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "part", Interrupt(216), early=200, checkpoints=20)
    part = load(tmp_path / "part" / "early", num_envs=1)
    assert th.equal(weights(early), weights(part))
    assert not th.equal(weights(early), weights(model))
    assert [row["steps"] for row in early.description["history"]] == [0]


@pytest.mark.parametrize(("before", "after"), [(200, 0), (200, TOTAL), (None, 0)])
def test_another_early_agent_than_the_run_began_with(run, before, after, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Interrupt(400), early=before, checkpoints=20)
    with pytest.raises(RunDirectoryError, match=f"early must be what the run began.*got {after}"):
        run(tmp_path, early=after)
    run(tmp_path, early=before)


def test_files_of_others_in_a_run_directory_stay(run, tmp_path):
    others = {tmp_path / "data.new", tmp_path / "checkpoint.md"}
    for file in others:
        file.write_text("mine")
    run(tmp_path)
    assert {file.read_text() for file in others} == {"mine"}


def test_what_watches_a_training_changes_no_weight(run, weights, whole, tmp_path):
    """Whatever it draws from PyTorch's random numbers."""

    def compute(episodes):
        return {"noise": float(th.rand(1))}

    def plot(episodes, activations):
        th.rand(1)
        return Figure()

    model = run(tmp_path, lambda steps: th.rand(1), metrics=Metrics(compute, plot))
    assert th.equal(weights(model), weights(whole))


def test_a_process_trains_one_agent_at_a_time(run, weights, whole, tmp_path):
    """Two in threads would share PyTorch's random numbers, and get other weights."""
    told = []

    def second(steps):
        with ThreadPoolExecutor() as thread:
            told.append(thread.submit(run, tmp_path / "second").exception())

    model = run(tmp_path / "first", second)
    assert all(isinstance(error, RunLockedError) for error in told)
    assert "One training at a time must run in a process" in str(told[0])
    assert th.equal(weights(model), weights(whole))
    assert th.equal(weights(run(tmp_path / "second")), weights(whole))


def test_an_early_agent_of_the_last_rollout(run, tmp_path):
    run(tmp_path, early=TOTAL)
    assert load(tmp_path / "early", num_envs=1).num_timesteps == TOTAL


REFUSED = {
    "a seed below 0": ({"seed": -1}, SeedError, r"seed must be in 0 to 1,999,999; got -1"),
    "half a seed": ({"seed": 1.5}, SeedError, "got 1.5. Pass an integer"),
    "a truth value as seed": ({"seed": True}, SeedError, "got True. Pass an integer"),
    "a word as seed": ({"seed": "0"}, SeedError, "got '0'. Pass an integer"),
    "no evaluations": ({"evaluations": 0}, ParameterError, "evaluations must be an integer in 1"),
    "half an evaluation": ({"evaluations": 2.5}, ParameterError, "evaluations must be an integer"),
    "no checkpoints": ({"checkpoints": 0}, ParameterError, "checkpoints must be an integer in 1"),
    "early before the start": ({"early": -1}, ParameterError, "early must be an integer in 0 to"),
    "early after the end": ({"early": 10**9}, ParameterError, "early must be an integer in 0 to"),
    "early at NaN": ({"early": float("nan")}, ParameterError, "early must be an integer in 0 to"),
    "no device": ({"device": None}, DeviceError, "got None"),
    "a seed of held-out episodes": ({"seed": 2_000_000}, SeedError, "got 2000000"),
    "no such parameter": ({"task_kwargs": {"trialz": 3}}, ParameterError, "Did you mean 'trials'"),
    "a bad value": ({"task_kwargs": {"trials": 0}}, ParameterError, "trials must be"),
    "what training sets": ({"task_kwargs": {"split": "test"}}, ParameterError, "got split='test'"),
    "what Gymnasium sets": ({"task_kwargs": {"num_envs": 2}}, ParameterError, "got num_envs=2"),
    "how it vectorizes": (
        {"task_kwargs": {"vectorization_mode": "sync"}},
        ParameterError,
        "got vectorization_mode='sync'",
    ),
}


@pytest.mark.parametrize(("changes", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_before_anything_is_written(run, changes, error, message, tmp_path):
    with pytest.raises(error, match=message):
        run(tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_files_are_strict_json(finished):
    """The history has gaps, where a kind of trial did not occur."""
    model, out, _ = finished
    with safe_open(out / "agent.safetensors", "pt") as tensors:
        texts = tensors.metadata()["description"], (out / "run.json").read_text()
    for text in texts:
        json.loads(text, parse_constant=lambda name: pytest.fail(name))
    gaps = [value for row in model.description["history"] for value in row.values()]
    assert all(value is None or np.isfinite(value) for value in gaps)


# Directories that hold something else.


def test_what_a_directory_holds(finished):
    model, out, _ = finished
    names = {p.name for p in out.iterdir()}
    assert names == {".lock", "agent.safetensors", "run.json", "tensorboard", "monitor.csv"}
    num_episodes = load_results(str(out))
    assert len(num_episodes) >= TOTAL / 9
    assert num_episodes["l"].max() <= 9
    assert model.description["seconds"] > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 2}, r'holds the run {"seed": 1}; got {"seed": 2}'),
        ({"task_kwargs": {"trials": 2}}, r'{"task_kwargs": {"trials": 3}}.*{"trials": 2}'),
        ({"units": 16}, r'"units": 8.*"units": 16'),
    ],
)
def test_another_run(run, tiny, finished, changes, message):
    _, out, _ = finished
    before = contents(out)
    if "units" in changes:
        changes = {"hyperparameters": replace(tiny, **changes)}
    with pytest.raises(RunDirectoryError, match=message):
        run(out, **changes)
    assert contents(out) == before


@pytest.mark.slow
def test_a_second_process_in_the_directory_is_refused(run, whole, tmp_path, weights):
    """It is told of the first one, which continues undisturbed."""
    refused = []

    def on_progress(steps):
        if steps == INTERVAL:
            with pytest.raises(
                RunLockedError, match=f"in use by process {os.getpid()} on"
            ) as error:
                run(tmp_path)
            refused.append(error)

    model = run(tmp_path, on_progress)
    assert refused
    assert th.equal(weights(model), weights(whole))


def test_another_task(finished, tiny):
    _, out, _ = finished
    before = contents(out)
    with pytest.raises(RunDirectoryError, match=r"TwoStep-v0.*Harlow-v0"):
        train("neurotasks/Harlow-v0", out, hyperparameters=tiny, seed=1, task_kwargs=TRIALS)
    assert contents(out) == before


@pytest.fixture
def interrupted(run, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Interrupt(300))
    return tmp_path


def test_a_damaged_run_file(run, interrupted):
    file = interrupted / "run.json"
    file.write_bytes(file.read_bytes()[:-9])
    before = contents(interrupted)
    with pytest.raises(RunDirectoryError, match=f"{file} is not whole"):
        run(interrupted)
    assert contents(interrupted) == before


@pytest.mark.parametrize("part", [0, 0.5])
def test_a_damaged_checkpoint(run, interrupted, part):
    file = interrupted / "checkpoint.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(part * len(whole))])
    before = contents(interrupted)
    with pytest.raises(AgentFileError, match=str(file)):
        run(interrupted)
    assert contents(interrupted) == before


def test_a_copied_directory_resumes(run, interrupted, finished, weights, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy") / "run"
    shutil.copytree(interrupted, copy)
    assert th.equal(weights(run(copy)), weights(run(interrupted)))


@pytest.mark.slow
def test_no_file_stays_open(run, tmp_path):
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, Interrupt(100))
        run(tmp_path)
        gc.collect()
    assert [str(w.message) for w in caught if issubclass(w.category, ResourceWarning)] == []


# What is measured meanwhile.


@pytest.fixture(scope="module")
def events(finished):
    found = EventAccumulator(str(finished[1] / "tensorboard"), {"histograms": 0, "images": 0})
    return found.Reload()


def test_history(finished):
    history = finished[0].description["history"]
    assert [row["steps"] for row in history] == [0, 360, TOTAL]
    assert all(
        row.keys() == {"steps", "reward_per_trial", *(f"stay_{r}_{t}" for r, t in KINDS)}
        for row in history
    )


KINDS = [(r, t) for r in ("rewarded", "unrewarded") for t in ("common", "rare")]


def test_tensorboard_scalars(events, finished):
    scalars = set(events.Tags()["scalars"])
    assert {
        *("rollout/ep_rew_mean", "rollout/ep_len_mean", "time/fps"),
        *("train/value_loss", "train/entropy_loss", "train/ent_coef", "train/learning_rate"),
    } <= scalars
    history = finished[0].description["history"]
    for name in history[0].keys() - {"steps"}:
        logged = [(e.step, e.value) for e in events.Scalars(f"task/{name}")]
        values = [(row["steps"], row[name]) for row in history]
        expected = np.array(values, float)  # None becomes NaN
        np.testing.assert_allclose(logged, expected, rtol=1e-6)
    losses = events.Scalars("train/value_loss")
    assert (len(losses), losses[-1].step) == (TOTAL // ROLLOUT, TOTAL)


def test_tensorboard_scores(events, finished):
    """The agent's between those of random choices and of the reference observer, in one chart."""
    envs = held_out_envs(
        TASK, finished[0].description["task_kwargs"], metrics_for(TASK).num_episodes
    )
    players = {"random": RandomAgent(envs, 0), "reference": reference_observer(envs, 0)}
    for place, (name, player) in enumerate(players.items()):
        played = run_episodes(player, envs, seed=TEST_SEED)
        logged = {
            tag: {e.value for e in events.Scalars(f"task/{tag}_{name}")}
            for tag in ("score", "reward_per_trial")
        }
        assert logged["score"] == {place}
        (value,) = logged["reward_per_trial"]
        assert value == pytest.approx(played.trials["trial_reward"].mean())
        players[name] = played.returns.mean()
    agent = run_episodes(finished[0], envs, seed=TEST_SEED).returns.mean()
    expected = (agent - players["random"]) / (players["reference"] - players["random"])
    score = events.Scalars("task/score")
    assert [e.step for e in score] == [0, 360, TOTAL]
    assert score[-1].value == pytest.approx(expected, rel=1e-5)
    layout = events.summary_metadata  # the charts are a summary of their own
    assert "custom_scalars__config__" in layout
    (event,) = events.Tensors("custom_scalars__config__")
    text = event.tensor_proto.string_val[0]
    for tag in ("score", "reward_per_trial"):
        for who in ("", "_random", "_reference"):
            assert f"task/{tag}{who}".encode() in text


def test_scores_of_the_table(monkeypatch):
    """Of a shipped id with its own parameters; what nobody can play, or beat, has none."""
    watcher = Evaluation(Metrics(reward_per_trial), 1)
    watcher.model = SimpleNamespace(description={"id": TASK, "task_kwargs": {}})
    watcher.envs = held_out_envs(TASK, {}, 2)
    watcher.references = watcher._play_references()
    row = reference_returns()[TASK]
    episodes = SimpleNamespace(returns=np.array([row["random"], row["ideal"]]))
    assert watcher._scores(episodes)["score"] == pytest.approx(0.5)
    watcher.envs = held_out_envs(TASK, {"feedback": "none"}, 2)
    assert watcher._play_references() == {}
    monkeypatch.setattr(callbacks, "reference_observer", RandomAgent)
    watcher.envs = held_out_envs(TASK, {}, 2)
    assert watcher._play_references() == {}


def test_logged_figures_have_legends():
    figure = Figure()
    labelled, bare, done = figure.subplots(1, 3)
    labelled.plot([1, 2], label="agent")
    bare.plot([1, 2])
    done.plot([1, 2], label="agent")
    legend = done.legend(title="mine")
    callbacks._add_legends(figure)
    assert [text.get_text() for text in labelled.get_legend().get_texts()] == ["agent"]
    assert bare.get_legend() is None
    assert done.get_legend() is legend


def test_tensorboard_pictures(events):
    rpes = events.Histograms("task/rpe")
    assert [e.step for e in rpes] == [0, 360, TOTAL]
    for e in rpes:
        assert e.histogram_value.num > 200
        assert -3 < e.histogram_value.min < e.histogram_value.max < 3
    figures = events.Images("task/figure")
    assert [e.step for e in figures] == [0, 360, TOTAL]
    assert all(e.encoded_image_string.startswith(b"\x89PNG") for e in figures)
    assert min(figures[0].width, figures[0].height) > 200


def test_tensorboard_hyperparameters(events):
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"learning_rate" in content
    assert b"trunk" in content
    assert b"task.trials" in content
    metrics = events.summary_metadata["_hparams_/experiment"].plugin_data.content
    assert b"task/reward_per_trial" in metrics


def test_reward_per_trial_is_the_metric_by_default(run, tmp_path):
    model = run(tmp_path)
    assert [set(row) for row in model.description["history"]] == [{"steps", "reward_per_trial"}] * 3


def test_hyperparameters_of_the_task_by_default(tmp_path, monkeypatch, tiny):
    monkeypatch.setitem(TABLE, TASK, replace(tiny, total_steps=ROLLOUT))
    assert train(TASK, tmp_path, task_kwargs=TRIALS).num_timesteps == ROLLOUT
    assert json.loads((tmp_path / "run.json").read_text())["hyperparameters"]["units"] == 8


# Playing held-out episodes.


def test_evaluate(finished):
    model, _, _ = finished
    th.manual_seed(0)
    episodes, activations = evaluate(model, num_episodes=50)
    trials, shape = episodes.trials, episodes.actions.shape
    assert list(trials.columns) == list(TWO_STEP.columns)
    assert shape[1] == 50
    assert activations.rpe.shape == activations.values.shape == shape
    assert activations.hidden.shape == (*shape, 8)
    assert set(trials["env"]) <= set(range(50))
    assert set(trials["episode"]) == {0}
    for env in range(50):
        ours, alive = trials[trials["env"] == env], episodes.alive[:, env]
        rewards, actions = episodes.rewards[alive, env], episodes.actions[alive, env]
        starts = np.flatnonzero(episodes.truth["new_trial"][alive, env])
        ends = [*starts[1:], alive.sum()]
        assert ours["trial"].tolist() == list(range(len(ours)))
        assert len(starts) - len(ours) in (0, 1)  # the last one may have been cut short
        for (_, row), start, end in zip(ours.iterrows(), starts, ends, strict=False):
            assert row["steps"] == end - start
            assert row["trial_reward"] == rewards[start:end].sum()
            if row["outcome"] >= 0:
                assert row["outcome"] == rewards[end - 1]
                assert row["choice"] == actions[end - 2]
    th.manual_seed(0)
    again, _ = evaluate(model, num_episodes=50)
    assert again.trials.equals(trials)


def test_evaluation_episodes_are_held_out(finished, monkeypatch):
    """They come from the test split, and are the same for all agents."""
    made, real = [], evaluation.held_out_envs

    def spy(*arguments):
        made.append(real(*arguments))
        return made[-1]

    monkeypatch.setattr(evaluation, "held_out_envs", spy)
    evaluate(finished[0], num_episodes=3)
    envs = made[0]
    assert envs.unwrapped._lanes.rules_p["test"][0]
    assert envs.unwrapped.parameters.trials == 3
    worlds = []
    for seed in (TEST_SEED, 5):
        for manual in (0, 1):
            th.manual_seed(manual)
            episodes, _ = evaluate(finished[0], num_episodes=40, seed=seed)
            worlds.append(episodes.truth["better_state"][0].tolist())
    assert worlds[0] == worlds[1]
    assert worlds[2] == worlds[3]
    assert worlds[0] != worlds[2]


def test_a_loaded_agent_evaluates_the_same(finished):
    tables = []
    for model in (finished[0], load(finished[1] / "agent", num_envs=1)):
        th.manual_seed(0)
        tables.append(evaluate(model, num_episodes=10)[0].trials)
    assert tables[0].equals(tables[1])


# How long a rollout is.


def first_updates(id, out, task_kwargs, hyperparameters):
    """Train with each of the three ways to train; return the agents."""
    steps = hyperparameters.total_steps
    built = build(id, hyperparameters=hyperparameters, seed=2, task_kwargs=task_kwargs).learn(steps)
    trained = train(
        id, out / "train", hyperparameters=hyperparameters, seed=2, task_kwargs=task_kwargs
    )
    words = [f"--set={name}={value}" for name, value in task_kwargs.items()]
    command = ["train", id, *words, "--seed", "2", "--steps", str(steps)]
    assert main([*command, "--out", str(out / "command")]) == 0
    return built, trained, load(out / "command" / "agent")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("id", "task_kwargs", "longest"),
    [
        (TASK, {"trials": 101}, 303),
        ("neurotasks/VariableReward-v0", {"dt": 0.05, "interval_max": 3.0}, 110),
    ],
)
def test_three_ways_to_train_give_the_same_agent(
    id, task_kwargs, longest, tiny, tmp_path, monkeypatch, weights
):
    hyperparameters = replace(tiny, n_steps=None, total_steps=3 * 4 * longest)
    monkeypatch.setitem(TABLE, id, hyperparameters)
    built, *others = first_updates(id, tmp_path, task_kwargs, hyperparameters)
    assert built.n_steps == longest
    assert built.num_timesteps == 3 * 4 * longest
    for other in others:
        assert th.equal(weights(other), weights(built))
        assert other.description["hyperparameters"]["n_steps"] is None


def test_evaluations_do_not_change_the_training(run, whole, weights, tmp_path):
    assert th.equal(weights(run(tmp_path, evaluations=7)), weights(whole))


@pytest.mark.parametrize(
    ("id", "task_kwargs"),
    [(TASK, {"trials": 200}), *((f"neurotasks/{name}-v0", {"dt": 0.05}) for name in MICE)],
)
def test_every_trial_of_every_episode_is_trained(id, task_kwargs):
    """Whatever the parameters, all episodes that end are learned from, in two rollouts each."""
    small = {"num_envs": 32, "columns": 32, "n_epochs": 1, "n_steps": None}
    hyperparameters = replace(hyperparameters_for(id), **small)
    model = build(id, hyperparameters=hyperparameters, seed=0, task_kwargs=task_kwargs)
    learned = []

    class Learned(BaseCallback):
        def _on_step(self):
            return True

        def _on_rollout_end(self):
            buffer = self.model.rollout_buffer
            starts = buffer.sequence_starts.T[buffer.mask.T]
            learned.extend(np.diff([*np.flatnonzero(starts), len(starts)]))

    model._stats_window_size = 1000
    model.learn(2 * 32 * model.n_steps, Learned())
    assert model.ep_info_buffer is not None
    lengths = [info["l"] for info in model.ep_info_buffer]
    assert sorted(lengths) == sorted(learned)
    assert len(lengths) >= 64
    if "trials" in task_kwargs:
        assert set(lengths) == {model.n_steps} == {600}


@pytest.mark.parametrize("task_kwargs", [[1], "trials", 3])
def test_parameters_that_are_no_dict(run, tmp_path, task_kwargs):
    with pytest.raises(ParameterError, match=r"^task_kwargs must be a dict"):
        run(tmp_path / "run", task_kwargs=task_kwargs)
    assert not (tmp_path / "run").exists()


def test_a_directory_without_a_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunDirectoryError, match=r"^out must name a directory"):
        train("neurotasks/TwoStep-v0", "")
    assert not list(tmp_path.iterdir())
