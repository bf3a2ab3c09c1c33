"""Licks before the outcome: claims on measures made by hand, and the readouts of a new agent."""

import copy
from dataclasses import replace
from itertools import pairwise, product

import gymnasium as gym
import numpy as np
import pytest
from figures import assert_drawn
from judged import judge

from neurotasks.observers.anticipation import DISCOUNT, plan_values
from neurotasks.tasks._licking import steps_of
from neurotasks_baselines.agents.activations import compute_activations
from neurotasks_baselines.experiments import dopamine_licking
from neurotasks_baselines.experiments.dopamine_licking import (
    EXPERIMENT,
    IDS,
    PRESET,
    UNTRAINED,
    WITHOUT_LATENCY,
    derive,
    measure,
    references,
    values_before_outcome,
)
from neurotasks_baselines.files import json_ready
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import play


@pytest.fixture(scope="module")
def agent():
    hyperparameters = replace(
        EXPERIMENT.trainings["probability"].hyperparameters, units=4, num_envs=1
    )
    return {
        name: build(
            training.id,
            hyperparameters=hyperparameters,
            seed=1,
            task_kwargs=dict(training.task_kwargs),
        )
        for name, training in EXPERIMENT.trainings.items()
    }


GOOD = {
    "licks": {"probability": [0.1, 1.2, 1.9], "reward": [0.1, 3.0]},
    "values": {"probability": [0.3, 1.7, 3.0], "reward": [0.0, 4.0]},
    "foils": {
        WITHOUT_LATENCY: {"licks": {"probability": [0.2, 0.1, 0.3], "reward": [0.1, 0.05]}},
        UNTRAINED: {"values": {"probability": [0.0, 0.1, 0.05], "reward": [0.1, 0.0]}},
    },
}


def verdicts(measures):
    return [claim.verdict for claim in judge(EXPERIMENT, measures)][:4]


def changed(path, row):
    found = copy.deepcopy(GOOD)
    part = found
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = row
    return found


@pytest.mark.slow
def test_claims_can_be_held_and_missed():
    assert verdicts([GOOD] * 10) == ["held"] * 4
    for i, (path, row) in enumerate(
        [
            (("licks", "probability"), [0.1, 2.0, 1.9]),
            (("licks", "reward"), [0.1, 0.1]),
            (("values", "probability"), [0.3, 0.3, 3.0]),
            (("values", "reward"), [0.0, -1.0]),
        ]
    ):
        bad = changed(path, row)
        expected = ["held"] * 4
        assert verdicts([GOOD] * 9 + [bad]) == expected  # nine of ten
        expected[i] = "missed"
        assert verdicts([GOOD] * 8 + [bad] * 2) == expected
    foil = changed(("foils", WITHOUT_LATENCY, "licks", "probability"), [0.0, 0.3, 0.6])
    assert verdicts([foil] * 10) == ["not diagnostic", "held", "held", "held"]


def test_order():
    assert derive(GOOD)["ordered"] == {
        readout: {"probability": True, "reward": True} for readout in ("licks", "values")
    }
    assert derive({"licks": {"reward": [1.0, 1.0]}}) == {"ordered": {"licks": {"reward": False}}}
    small = {"licks": {"probability": [0.0, 0.5, 0.7]}, "values": {"probability": [0.0, 0.5, 0.8]}}
    ordered = derive(small)["ordered"]
    assert not ordered["licks"]["probability"]
    assert ordered["values"]["probability"]
    assert derive({"licks": {"reward": [np.nan, 1.0]}})["ordered"]["licks"]["reward"] is False


@pytest.mark.slow
def test_readouts_are_those_of_the_odours(agent, monkeypatch):
    played = {}

    def recorded(model, **keywords):
        played[id(model)] = play(model, **keywords)
        return played[id(model)]

    monkeypatch.setattr(dopamine_licking, "play", recorded)
    found = measure(agent, 60, 5)
    assert json_ready(found) == found
    for name, model in agent.items():
        task = name.removesuffix("-at-once")
        part = found if name == task else found["foils"][WITHOUT_LATENCY]
        column, kinds, seconds = ("odour", (0, 1, 2), 2.0)
        if task == "reward":
            column, kinds, seconds = ("trial_type", (2, 1), 1.5)
        licks = played[id(model)].trials.groupby(column)["anticipatory_licks"].mean()
        expected = [licks[kind] / seconds for kind in kinds]
        assert part["licks"][task] == pytest.approx(expected)
        parameters = model.get_env().get_attr("parameters")[0]
        assert parameters.latency == (0.3 if name == task else 0.0)
        assert parameters.trace_jitter == 0.5
    assert [len(found["values"][task]) for task in IDS] == [3, 2]
    assert list(found["foils"][UNTRAINED]["values"]) == list(IDS)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "late"), [("probability", 14), ("reward", 9)])
def test_values_are_read_before_every_outcome(agent, task, late):
    """6 steps before the mean time of the outcome, 20 or 15 steps, with a jitter of 5."""
    model = agent[task]
    episodes = play(model, num_episodes=60, seed=5)
    values = compute_activations(model, episodes).values
    column, kinds, first = (
        ("odour", (0, 1, 2), 3) if task == "probability" else ("trial_type", (2, 1), 2)
    )
    parameters = model.get_env().get_attr("parameters")[0]
    found = values_before_outcome(model, episodes, parameters, task)
    kind = episodes.truth[column][0]
    for row, value in zip(kinds, found, strict=True):
        envs = np.flatnonzero(kind == row)
        smelt = episodes.observations[:, envs, first + row] > 0
        onset = smelt.argmax(axis=0)
        assert value == pytest.approx(values[onset + late, envs].mean())
        heard = episodes.observations[:, envs, 1] > 0
        assert not any(heard[: start + late + 1, i].any() for i, start in enumerate(onset))


@pytest.mark.slow
def test_reference_observer_licks_in_order():
    low, middle, high = references()["licks"]["probability"]
    assert low == 0 < 0.5 < middle < high - 0.3
    nothing, reward = references()["licks"]["reward"]
    assert nothing == 0
    assert reward > 2


def least_loss(settings, discount):
    """Reward that licking equally often after two odours costs at least, as the outcome comes."""
    parameters = gym.make(IDS["probability"], **settings).unwrapped.parameters
    steps, last = 20 + steps_of(parameters.trace_jitter, parameters.dt), 12
    licks = np.array([*product([False, True], repeat=last)])
    plans = np.pad(licks, ((0, 0), (steps - last, 0)))
    losses = []
    for p in parameters.p_reward:
        values = plan_values(plans, p * parameters.magnitude, p, parameters, discount)
        best = np.array([values[licks.sum(axis=1) == n].max() for n in range(last + 1)])
        losses.append((best.max() - best) / discount ** (steps * parameters.dt))
    return min(min(a + b) for a, b in pairwise(losses))


def test_the_number_of_licks_matters():
    assert least_loss(PRESET, DISCOUNT) == pytest.approx(0.040, abs=5e-4)


@pytest.mark.slow
def test_figure(tmp_path):
    assert_drawn(EXPERIMENT.figure([GOOD] * 3, {}), tmp_path / "figure.png")
