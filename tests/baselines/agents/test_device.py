"""Networks on other devices; without a GPU only ``cpu:0``, which PyTorch tells from ``cpu``."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch as th

import neurotasks_baselines.training.train as training
from neurotasks_baselines.agents.activations import compute_activations
from neurotasks_baselines.agents.interventions import Intervened, Intervention
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.errors import DeviceError
from neurotasks_baselines.experiments import base, runner as reproduction
from neurotasks_baselines.training.agent_files import load, save
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import evaluate
from neurotasks_baselines.training.train import train

TASK, TRIALS = "neurotasks/TwoStep-v0", {"trials": 3}
GPU = pytest.mark.skipif(not th.cuda.is_available(), reason="no GPU here")
DEVICES = ["cpu:0", pytest.param("cuda:0", marks=GPU)]


class Stop(Exception):
    """Raised to interrupt a training."""


@pytest.mark.parametrize("trunk", ["shared", "separate", "rpe"])
@pytest.mark.parametrize("device", DEVICES)
def test_a_run_on_a_device(tiny, device, trunk, tmp_path):
    """It goes on after an interruption; its agent is read, played and looked into anywhere."""
    seen = []

    def stop(steps):
        seen.append(steps)
        if steps == 360 and seen.count(360) == 1:
            raise Stop

    given = {
        "hyperparameters": replace(tiny, trunk=trunk),
        "task_kwargs": TRIALS,
        "on_progress": stop,
    }
    with pytest.raises(Stop):
        train(TASK, tmp_path, device=device, evaluations=2, **given)
    model = train(TASK, tmp_path, device=device, evaluations=2, **given)
    assert seen.count(360) == 2
    assert model.device == th.device(device)
    assert {p.device.type for p in model.policy.parameters()} == {model.device.type}
    assert "device" not in json.loads((tmp_path / "run.json").read_text())
    on_cpu = load(tmp_path / "agent", num_envs=1)
    assert on_cpu.device == th.device("cpu")
    there = load(tmp_path / "agent", num_envs=1, device=device)
    assert there.device == th.device(device)
    episodes, _ = evaluate(on_cpu, num_episodes=4)
    one, other = compute_activations(on_cpu, episodes), compute_activations(there, episodes)
    np.testing.assert_allclose(one.channel_rpe, other.channel_rpe, atol=1e-5)
    np.testing.assert_allclose(one.action_probabilities, other.action_probabilities, atol=1e-5)
    always = Intervention(lambda seen: np.ones(len(seen), bool), 1.0)
    Intervened(there, [always]).predict(episodes.observations[0])


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
def test_pictures_on_a_device(tiny, device, tmp_path):
    hyperparameters = replace(tiny, whole_episodes=False)
    task_kwargs = {"trials": 1, "max_frames": 40}
    model = build(
        "neurotasks/HarlowPixels-v0",
        hyperparameters=hyperparameters,
        task_kwargs=task_kwargs,
        device=device,
    )
    model.learn(2 * 36)
    kernels = next(model.policy.features_extractor.parameters())
    assert kernels.device.type == th.device(device).type
    save(model, tmp_path / "agent")
    episodes, activations = evaluate(model, num_episodes=3)
    again = compute_activations(load(tmp_path / "agent", num_envs=1), episodes)
    np.testing.assert_allclose(activations.values, again.values, atol=1e-5)


def test_the_cpu_by_default(tiny):
    """Stable-Baselines3 would take a GPU where there is one."""
    assert build(TASK, hyperparameters=tiny, task_kwargs=TRIALS).device == th.device("cpu")


def test_the_options_of_the_commands(monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr(
        training, "train", lambda *_, **task_kwargs: given.append(task_kwargs["device"])
    )
    out = ["--out", str(tmp_path)]
    assert main(["train", TASK, "--device", "cpu:0", *out]) == 1  # no agent was saved
    monkeypatch.setattr(base, "train", training.train)
    monkeypatch.setattr(reproduction, "_side_by_side", lambda _, run, jobs: run(jobs[0]))
    with pytest.raises(AttributeError):  # no agent came back
        main(["reproduce", "two-step", "--train", "--seeds", "1", "--device", "cpu:0", *out])
    assert given == ["cpu:0"] * 2


@pytest.mark.parametrize(
    ("device", "message"),
    [("gpu", "got 'gpu'.*Expected one of cpu, cuda"), ("meta", "no data"), ("cuda:99", "CUDA")],
)
def test_no_such_device(device, message, tiny, tmp_path):
    """It is refused before anything is written."""
    out = tmp_path / "out"
    for work in (
        lambda: train(TASK, out, hyperparameters=tiny, task_kwargs=TRIALS, device=device),
        lambda: build(TASK, hyperparameters=tiny, task_kwargs=TRIALS, device=device),
        lambda: load(out / "agent", device=device),
        lambda: reproduction.reproduce(["two-step"], out, device=device),
    ):
        with pytest.raises(DeviceError, match=f"got '{device}'.*Use 'cpu'") as caught:
            work()
        assert re.search(message, str(caught.value))
    assert not out.exists()
