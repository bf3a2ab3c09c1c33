"""Networks on other devices; without a GPU only ``cpu:0``, which PyTorch tells from ``cpu``."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch as th

import baselines.training as training
from baselines import reproduce as reproduction
from baselines.agents import look_inside
from baselines.cli import main
from baselines.errors import DeviceError
from baselines.interventions import Intervened, Intervention
from baselines.reproduce import run
from baselines.saving import build, load, save
from baselines.training import evaluate, train

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

    given = {"settings": replace(tiny, trunk=trunk), "keywords": TRIALS, "on_progress": stop}
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
    recording, _ = evaluate(on_cpu, episodes=4)
    one, other = look_inside(on_cpu, recording), look_inside(there, recording)
    np.testing.assert_allclose(one.channel_rpe, other.channel_rpe, atol=1e-5)
    np.testing.assert_allclose(one.action_probabilities, other.action_probabilities, atol=1e-5)
    always = Intervention(lambda seen: np.ones(len(seen), bool), 1.0)
    Intervened(there, [always]).predict(recording.observations[0])


@pytest.mark.parametrize("device", DEVICES)
def test_pictures_on_a_device(tiny, device, tmp_path):
    settings = replace(tiny, whole_episodes=False)
    keywords = {"trials": 1, "max_frames": 40}
    model = build("neurotasks/HarlowPixels-v0", settings, keywords=keywords, device=device)
    model.learn(2 * 36)
    kernels = next(model.policy.features_extractor.parameters())
    assert kernels.device.type == th.device(device).type
    save(model, tmp_path / "agent")
    recording, inside = evaluate(model, episodes=3)
    again = look_inside(load(tmp_path / "agent", num_envs=1), recording)
    np.testing.assert_allclose(inside.values, again.values, atol=1e-5)


def test_the_cpu_by_default(tiny):
    """Stable-Baselines3 would take a GPU where there is one."""
    assert build(TASK, tiny, keywords=TRIALS).device == th.device("cpu")


def test_the_options_of_the_commands(monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr(training, "train", lambda *_, **keywords: given.append(keywords["device"]))
    out = ["--out", str(tmp_path)]
    assert main(["train", TASK, "--device", "cpu:0", *out]) == 0
    monkeypatch.setattr(reproduction, "train", training.train)
    monkeypatch.setattr(reproduction, "_run_side_by_side", lambda jobs, workers: run(jobs[0]))
    with pytest.raises(AttributeError):  # no agent came back
        main(["reproduce", "two-step", "--train", "--seeds", "1", "--device", "cpu:0", *out])
    assert given == ["cpu:0"] * 2


@pytest.mark.parametrize(
    ("device", "message"),
    [("gpu", "'gpu' came.*Expected one of cpu, cuda"), ("meta", "no data"), ("cuda:99", "CUDA")],
)
def test_no_such_device(device, message, tiny, tmp_path):
    """It is refused before anything is written."""
    out = tmp_path / "out"
    for work in (
        lambda: train(TASK, out, settings=tiny, keywords=TRIALS, device=device),
        lambda: build(TASK, tiny, keywords=TRIALS, device=device),
        lambda: load(out / "agent", device=device),
        lambda: reproduction.reproduce(["two-step"], out, device=device),
    ):
        with pytest.raises(DeviceError, match=f"The device '{device}' came.*Use 'cpu'") as caught:
            work()
        assert re.search(message, str(caught.value))
    assert not out.exists()
