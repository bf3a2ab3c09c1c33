"""The claims of the trained distributional agents on measures made by hand."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from figures import assert_drawn

from neurotasks.observers import expectile_predictions
from neurotasks.tasks.variable_reward import VariableRewardParameters
from neurotasks_baselines.dopamine.channels import moments
from neurotasks_baselines.dopamine.measures import ROWS
from neurotasks_baselines.dopamine.neurons import MAGNITUDES, Neurons
from neurotasks_baselines.experiments import dopamine_agents, recorded_neurons
from neurotasks_baselines.experiments.claims import evaluate_claims
from neurotasks_baselines.experiments.dopamine_agents import (
    EXPERIMENT,
    figure,
    recorded_often,
    recorded_once,
)
from neurotasks_baselines.experiments.learning_tables import TRUE_SD
from neurotasks_baselines.training.build import build

TAUS = (np.arange(5) + 0.5) / 5


def calibration(spread=1.0):
    exact = np.linspace(1, 9, 5)
    moment = {
        "channels": (5 + spread * (exact - 5)).tolist(),
        "exact": exact.tolist(),
        "r": 0.999,
        "spread": spread,
        "mean": 1.0,
        "crossings": 0.0,
    }
    return {name: dict(moment) for name in moments(VariableRewardParameters())}


def decoded(distance, loss):
    return {"samples": [1.0, 2.0, 5.0], "distance": distance, "loss": loss}


def good():
    neurons = {"reversal_r": 0.8, "reversal_p": 1e-6, "asymmetry_r": 0.7, "asymmetry_p": 1e-4}
    nothing = {"reversal_r": 0.05, "reversal_p": 0.5, "asymmetry_r": -0.05, "asymmetry_p": 0.5}
    return {
        "taus": TAUS.tolist(),
        "calibration": {
            "distributional": calibration(),
            "lambda": calibration(0.49),
            "scalar": calibration(),
        },
        "returns": {"distributional": 4.1, "lambda": 4.0, "scalar": 4.1},
        "licks": {name: [0.1, 3.0, 0.2] for name in ("distributional", "lambda", "scalar")},
        "drawn": recorded_once(Neurons(5 + TAUS, TAUS, 1 - TAUS), np.random.default_rng(0)),
        "dopamine": {"distributional": neurons, "scalar": nothing},
        "cues": {
            "values": np.tile(TAUS[:, None], (1, 3)).tolist(),
            "t": [0.0] * 5,
            "optimistic": 0.4,
            "pessimistic": 0.4,
        },
        "cue_licks": [0.1, 1.0, 3.0],
        "coins": {
            "Monte-Carlo": 0.98 * TRUE_SD,
            "SR(lambda)": 1.02 * TRUE_SD,
            "TD per index": 1.4 * TRUE_SD,
        },
        "chain": [0.05, 0.23, 0.49, 0.75, 1.0],
        "chain_monte_carlo": 1.0,
        "decoded": {
            "before": decoded(0.6, 1e-4),
            "shuffled": decoded(3.6, 1.0),
            "cue": decoded(1.0, 1e-3),
            "lambda": decoded(1.9, 1e-4),
        },
        "cart_pole": 499.0,
    }


def missed(measures):
    return [c.claim for c in evaluate_claims(EXPERIMENT, [measures] * 5) if not c.passed]


def test_good_measures_hold():
    assert missed(good()) == []


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("calibration", "distributional", "first odour step", "r"), 0.9, "first odour step: r"),
        (("calibration", "distributional", "last trace step", "spread"), 0.5, "spread of channels"),
        (("calibration", "distributional", "last trace step", "mean"), 1.1, "middle channel"),
        (("calibration", "distributional", "first odour step", "crossings"), 0.1, "crossings"),
        (("calibration", "lambda", "first odour step", "spread"), 0.8, "scalar lambda-return"),
        (("dopamine", "distributional", "reversal_r"), 0.2, "split-half R"),
        (("dopamine", "distributional", "asymmetry_r"), 0.2, "R of asymmetry"),
        (("dopamine", "distributional", "asymmetry_p"), 0.2, "P < 0.01"),
        (("dopamine", "scalar", "reversal_r"), -0.6, "scalar critic with diverse gains"),
        (("dopamine", "scalar", "asymmetry_r"), 0.6, "scalar critic with diverse gains"),
        (("cues", "optimistic"), 0.05, "optimistic"),
        (("cues", "pessimistic"), 0.05, "pessimistic"),
        (("returns", "distributional"), 3.0, "return with"),
        (("licks", "distributional"), [0.0, 1.0, 2.0], "more anticipatory licks"),
        (("licks", "distributional"), [0.0, 0.0, 0.0], "more anticipatory licks"),
        (("licks", "distributional"), [0.0, float("nan"), 0.0], "more anticipatory licks"),
        (("cue_licks",), [0.1, 0.1, 3.0], "ordered 90 > 50 > 10 %"),
        (("cue_licks",), [0.1, 4.0, 3.0], "ordered 90 > 50 > 10 %"),
        (("coins", "Monte-Carlo"), 0.6, "returns, Monte-Carlo"),
        (("coins", "SR(lambda)"), 1.0, "returns, SR(lambda)"),
        (("coins", "TD per index"), 0.8, "TD per index"),
        (("chain",), [0.15, 0.23, 0.49, 0.75, 1.0], "steps: lambda = 0.8"),
        (("chain",), [0.05, 0.1, 0.49, 0.75, 1.0], "steps: lambda = 0.9"),
        (("chain",), [0.05, 0.23, 0.35, 0.75, 1.0], "steps: lambda = 0.95"),
        (("chain",), [0.05, 0.23, 0.49, 0.63, 1.0], "steps: lambda = 0.98"),
        (("chain",), [0.05, 0.23, 0.49, 0.75, 0.8], "steps: lambda = 1"),
        (("chain_monte_carlo",), 1.2, "steps: Monte-Carlo"),
        (("decoded", "before"), decoded(1.5, 1e-4), "decoded from true rewards"),
        (("decoded", "shuffled"), decoded(0.8, 1.0), "distance of decoded rewards before"),
        (("decoded", "shuffled"), decoded(3.6, 2e-4), "loss of decoding"),
        (("cart_pole",), 400.0, "CartPole-v1"),
    ],
)
def test_a_claim_is_missed(path, value, words):
    bad = copy.deepcopy(good())
    part = bad
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    found = missed(bad)
    assert len(found) == 1
    assert words in found[0]


def test_the_closed_form():
    assert dopamine_agents.STEPS == 16
    assert dopamine_agents.closed_form([0.5, 1]).tolist() == [0.5**15, 1]


@pytest.mark.slow
def test_figure_shows_where_the_code_collapses(tmp_path):
    """At 0.95 stand the table and the agents with lambda-returns, at 1 those with Monte-Carlo."""
    figure = EXPERIMENT.figure([good()] * 2)
    assert_drawn(figure, tmp_path / "figure.png")
    axis = next(a for a in figure.axes if a.get_title(loc="left") == "Spread at the cue by target")
    points = {
        (line.get_marker(), x, y)
        for line in axis.lines
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
        if line.get_marker() != "None"
    }
    assert points >= {("s", 0.95, 0.49), ("D", 1, 1.0), ("o", 0.95, 0.49), ("o", 0.8, 0.05)}
    assert len(points) == 2 + 5


def test_recorded_neurons_stand_next_to_the_channels(monkeypatch, tmp_path):
    """Two of their measures are reported, and a point a neuron is drawn."""
    keys = "reversal_r_interpolation", "asymmetry_r_interpolation"
    neurons = SimpleNamespace(
        number=3,
        measures={key: 0.5 for key, _, _ in ROWS},
        pooled=SimpleNamespace(points=np.array([1.0, 2.0, 3.0]), taus=np.array([0.3, 0.5, 0.7])),
        trials=SimpleNamespace(microlitres=lambda points: 2 * points),
    )
    monkeypatch.setattr(recorded_neurons, "read_neurons", lambda folder: neurons)
    shown = EXPERIMENT.with_neurons(tmp_path)
    more = [c.claim for c in evaluate_claims(shown, [good()])][
        len(evaluate_claims(EXPERIMENT, [good()])) :
    ]
    assert more == [f"3 recorded neurons: {words}" for key, words, _ in ROWS if key in keys]
    lines = [line for axis in shown.figure([good()]).axes for line in axis.lines]
    points = next(line for line in lines if line.get_label() == "3 recorded neurons")
    assert points.get_ydata().tolist() == [2.0, 4.0, 6.0]


def test_recordings_of_exact_channels_and_of_one_value():
    taus = (np.arange(33) + 0.5) / 33
    exact = expectile_predictions(VariableRewardParameters(), "reward odour", taus)
    code = recorded_often(Neurons(exact, taus, 1 - taus), np.random.default_rng(0))
    assert set(code) == {"reversal_r", "reversal_p", "asymmetry_r", "asymmetry_p"}
    assert code["reversal_r"] > 0.9
    assert code["asymmetry_r"] > 0.7
    assert code["asymmetry_p"] < 1e-4
    gains = np.random.default_rng(1).uniform(size=33)
    one = Neurons(np.full(33, MAGNITUDES.mean()), gains, gains)
    control = recorded_often(one, np.random.default_rng(0))
    assert abs(control["reversal_r"]) < 0.25
    assert abs(control["asymmetry_r"]) < 0.25


@pytest.mark.slow
def test_measure(tiny, monkeypatch, tmp_path):
    """Untrained agents: everything is there, can be claimed and drawn, and little holds."""
    monkeypatch.setattr(dopamine_agents, "RECORDINGS", 2)
    monkeypatch.setattr(
        dopamine_agents, "cart_pole_return", lambda agent, num_episodes: (agent, num_episodes)
    )
    monkeypatch.setattr(dopamine_agents, "two_coin_spread", lambda target, seed: TRUE_SD)
    monkeypatch.setattr(
        dopamine_agents,
        "chain_spread",
        lambda target, seed, steps, gae_lambda=1.0: gae_lambda ** (steps - 1),
    )
    agents = {
        name: build(
            t.id, hyperparameters=replace(tiny, channels=1 if name == "scalar" else 5), seed=7
        )
        for name, t in EXPERIMENT.trainings.items()
        if name != "cart-pole"
    }
    measures = EXPERIMENT.measure({**agents, "cart-pole": "its agent"}, 60)
    assert measures.keys() == good().keys()
    assert measures["calibration"].keys() == good()["calibration"].keys()
    assert measures.pop("cart_pole") == ("its agent", 60)
    measures["cart_pole"] = 10.0
    assert measures["chain"] == [x**15 for x in (0.8, 0.9, 0.95, 0.98, 1)]
    assert measures["decoded"].keys() == good()["decoded"].keys()
    claims = evaluate_claims(EXPERIMENT, [measures] * 2)
    assert [c.claim for c in claims] == [c.claim for c in evaluate_claims(EXPERIMENT, [good()])]
    assert not next(
        c for c in claims if c.claim == "last trace step: spread of channels / of expectiles"
    ).passed
    assert_drawn(figure([measures] * 2), tmp_path / "figure.png")


def test_one_recording_shows_the_code():
    """Reversal points follow those of the channels, and responses rise with the reward."""
    taus = (np.arange(33) + 0.5) / 33
    exact = expectile_predictions(VariableRewardParameters(), "reward odour", taus)
    drawn = recorded_once(Neurons(exact, taus, 1 - taus), np.random.default_rng(0))
    assert np.corrcoef(drawn["points"], exact)[0, 1] > 0.9
    means = np.array(drawn["means"])
    assert means.shape == (33, len(MAGNITUDES))
    assert (np.diff(means.mean(axis=0)) > 0).all()


def test_the_agents_of_a_seed_differ_in_their_critics():
    critics = {
        name: (t.hyperparameters.critic_target, t.hyperparameters.channels)
        for name, t in EXPERIMENT.trainings.items()
    }
    assert critics == {
        "distributional": ("monte-carlo", 33),
        "lambda": ("lambda", 33),
        "scalar": ("monte-carlo", 1),
        "probability": ("monte-carlo", 33),
        "cart-pole": ("monte-carlo", 33),
    }
