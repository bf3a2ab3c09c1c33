"""The claims of the trained distributional agents on measures made by hand."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from figures import assert_drawn
from judged import judge

from neurotasks.observers import expectile_predictions
from neurotasks.tasks.variable_reward import VariableRewardParameters
from neurotasks_baselines.dopamine.channels import moments
from neurotasks_baselines.dopamine.degradation import NUMBERS, SHIFTS
from neurotasks_baselines.dopamine.measures import METHODS, ROWS
from neurotasks_baselines.dopamine.neurons import MAGNITUDES, Neurons
from neurotasks_baselines.experiments import dopamine_agents_measures as measuring, recorded_neurons
from neurotasks_baselines.experiments.dopamine_agents import EXPERIMENT
from neurotasks_baselines.experiments.dopamine_agents_figure import figure
from neurotasks_baselines.experiments.dopamine_agents_measures import recorded_often, recorded_once
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


def dopamine(r, ratio):
    """Return measures of neurons: r the correlations, ratio what wrong halves or taus cost."""
    distances = ["intact", "unbounded", *SHIFTS]
    distances += [f"neurons_{number}" for number in NUMBERS]
    return {
        **{method: {"reversal_r": r, "asymmetry_r": r} for method in METHODS},
        "halves": {"distance_ratio": ratio, "loss_ratio": ratio, "shuffled_distance": 3.0},
        "held_out": {"same": 0.7, "diverse": 0.7 + 0.1 * (r - 0.3), "ratio": 1 + (r - 0.3)},
        "anova": {"published": 5 * r, "own_folds": 4 * r},
        "degraded": {
            **dict.fromkeys(distances, 1.5),
            **{"of_gaussian": 1 - (r - 0.3), "of_shifted": 1 + (r - 0.3)},
        },
    }


def cues(fraction):
    """Return how channels code the 50 % cue, a fraction of them optimistic, one pessimistic."""
    both = {"optimistic": fraction, "pessimistic": fraction}
    return {
        "values": np.tile(TAUS[:, None], (1, 3)).tolist(),
        "t": [0.0] * 5,
        **both,
        "classes": {**both, "interpolating": 1 - 2 * fraction},
    }


def foils():
    """Return foils that fail what they are the foils of."""
    moments = calibration(0.3)
    for moment in moments.values():
        moment |= {"r": 0.1, "mean": 1.14, "crossings": 0.5}
    found = {
        name: {"calibration": {"distributional": moments, "lambda": calibration(1.0)}}
        for name in (
            *(measuring.UNTRAINED, measuring.MEMORYLESS),
            *(measuring.ALL_CHANNELS, measuring.LAMBDA_TARGET),
            measuring.MONTE_CARLO,
        )
    }
    found |= {
        name: {"dopamine": dopamine(0.1, 1.0)}
        for name in (measuring.GAINS, measuring.OFFSET_1, measuring.OFFSET_2)
    }
    found[measuring.HALF] = {"decoded": {"before": decoded(1.6, 1.0)}}
    found[measuring.MIDDLE] = {"cues": cues(0.01)}
    return found


def good():
    return {
        "foils": foils(),
        "taus": TAUS.tolist(),
        "calibration": {
            "distributional": calibration(),
            "lambda": calibration(0.49),
            "scalar": calibration(),
        },
        "returns": {"distributional": 4.1, "lambda": 4.0, "scalar": 4.1},
        "licks": {name: [0.1, 3.0, 0.2] for name in ("distributional", "lambda", "scalar")},
        "drawn": {
            name: recorded_once(Neurons(5 + TAUS, TAUS, 1 - TAUS), np.random.default_rng(0))
            for name in ("distributional", measuring.OFFSET_2)
        },
        "dopamine": dopamine(0.6, 4.0),
        "cues": cues(0.4),
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
            "cue": decoded(1.0, 1e-3),
            "lambda": decoded(1.9, 1e-4),
        },
        "cart_pole": 499.0,
    }


def with_verdict(measures, verdict):
    return [c.claim for c in judge(EXPERIMENT, [measures] * 5) if c.verdict == verdict]


def test_good_measures_hold():
    counted = [c for c in judge(EXPERIMENT, [good()] * 5) if c.counted]
    assert [c.claim for c in counted if not c.held] == []


CHANGES = [
    (("calibration", "distributional", "first odour step", "r"), 0.9, "first odour step: r"),
    (("calibration", "distributional", "last trace step", "spread"), 0.5, "spread of channels"),
    (("calibration", "distributional", "last trace step", "mean"), 1.1, "middle channel"),
    (("calibration", "distributional", "first odour step", "crossings"), 0.1, "crossings"),
    (("calibration", "lambda", "first odour step", "spread"), 0.8, "scalar lambda-return"),
    (("dopamine", "count", "reversal_r"), 0.2, "split-half R"),
    (("dopamine", "count", "reversal_r"), 0.9, "split-half R"),
    (("dopamine", "count", "asymmetry_r"), 0.2, "R of asymmetry"),
    (("dopamine", "interpolation", "asymmetry_r"), 0.2, "R of asymmetry"),
    (("dopamine", "halves", "distance_ratio"), 1.2, "distance of rewards decoded"),
    (("dopamine", "halves", "loss_ratio"), 1.2, "loss of decoding"),
    (("dopamine", "held_out", "ratio"), 0.9, "Extended Data 4c"),
    (("dopamine", "anova", "published"), 1.9, "reversal points of a half"),
    (("dopamine", "anova", "own_folds"), 1.4, "reversal points of each fold"),
    (("dopamine", "degraded", "of_gaussian"), 1.1, "Extended Data 8d"),
    (("dopamine", "degraded", "of_shifted"), 0.9, "Extended Data 8e-h"),
    (("cues", "classes", "optimistic"), 0.01, "Extended Data 7a"),
    (("cues", "classes", "pessimistic"), 0.01, "Extended Data 7a"),
    (("cues", "optimistic"), 0.05, "optimistic and pessimistic"),
    (("cues", "pessimistic"), 0.05, "optimistic and pessimistic"),
    (("decoded", "before"), decoded(1.5, 1e-4), "decoded from true rewards"),
]


@pytest.mark.parametrize(("path", "value", "words"), CHANGES)
def test_a_claim_is_missed(path, value, words):
    bad = copy.deepcopy(good())
    part = bad
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    found = with_verdict(bad, "missed")
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize("row", [row for row in EXPERIMENT.claims if row.foil])
def test_a_foil_like_the_agent_tells_nothing(row):
    found = good()
    found["foils"][row.foil] = copy.deepcopy({k: v for k, v in found.items() if k != "foils"})
    assert row.name in with_verdict(found, "not diagnostic")


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("licks", {"distributional": [0.0, 1.0, 2.0]}, "licks_follow_reward"),
        ("licks", {"distributional": [0.0, 0.0, 0.0]}, "licks_follow_reward"),
        ("licks", {"distributional": [0.0, float("nan"), 0.0]}, "licks_follow_reward"),
        ("cue_licks", [0.1, 0.1, 3.0], "licks_are_ordered"),
        ("cue_licks", [0.1, 4.0, 3.0], "licks_are_ordered"),
    ],
)
def test_licks_that_do_not_follow_the_odour(path, value, key):
    assert EXPERIMENT.derive(good())[key]
    assert not EXPERIMENT.derive(good() | {path: value})[key]


def test_the_closed_form():
    assert measuring.STEPS == 16
    assert measuring.closed_form([0.5, 1]).tolist() == [0.5**15, 1]


@pytest.mark.slow
def test_figure_shows_where_the_code_collapses(tmp_path):
    """At 0.95 stand the table and the agents with lambda-returns, at 1 those with Monte-Carlo."""
    figure = EXPERIMENT.figure([good()] * 2, {})
    assert_drawn(figure, tmp_path / "figure.png")
    title = "Spread at the cue by target (n = 2)"
    axis = next(a for a in figure.axes if a.get_title(loc="left") == title)
    points = {
        (line.get_marker(), x, y)
        for line in axis.lines
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
        if line.get_marker() in "sDo"  # means
    }
    assert points >= {("s", 0.95, 0.49), ("D", 1, 1.0), ("o", 0.95, 0.49), ("o", 0.8, 0.05)}
    assert len(points) == 2 + 5


def test_recorded_neurons_stand_next_to_the_channels(monkeypatch, tmp_path):
    """Two of their measures are reported, and a point a neuron is drawn."""
    keys = "reversal_r_count", "asymmetry_r_count"
    neurons = SimpleNamespace(
        number=3,
        measures={key: 0.5 for key, _, _ in ROWS},
        pooled=SimpleNamespace(points=np.array([1.0, 2.0, 3.0]), taus=np.array([0.3, 0.5, 0.7])),
        trials=SimpleNamespace(microlitres=lambda points: 2 * points),
    )
    monkeypatch.setattr(recorded_neurons, "read_neurons", lambda folder: neurons)
    shown = EXPERIMENT.with_neurons(tmp_path)
    more = [c.claim for c in judge(shown, [good()])][len(judge(EXPERIMENT, [good()])) :]
    assert more == [f"3 recorded neurons: {words}" for key, words, _ in ROWS if key in keys]
    lines = [line for axis in shown.figure([good()], {}).axes for line in axis.lines]
    points = next(line for line in lines if line.get_label() == "3 recorded neurons")
    assert points.get_ydata().tolist() == [2.0, 4.0, 6.0]


@pytest.mark.slow
def test_recordings_of_exact_channels_and_of_one_value():
    """The foil of diverse offsets could pass, and does in Fig. 2; in Fig. 4 it does not."""
    taus = (np.arange(33) + 0.5) / 33
    exact = expectile_predictions(VariableRewardParameters(), "reward odour", taus)
    code = recorded_often(Neurons(exact, taus, 1 - taus), np.random.default_rng(0))
    assert code["count"]["reversal_r"] > 0.45
    assert code["interpolation"]["asymmetry_r"] > 0.5
    rng = np.random.default_rng(1)
    gains = rng.uniform(size=33)
    one = Neurons(np.full(33, MAGNITUDES.mean()), gains, gains)
    control = recorded_often(one, rng)
    assert abs(control["count"]["reversal_r"]) < 0.25
    assert abs(control["count"]["asymmetry_r"]) < 0.25
    offset = replace(one, offset=measuring.OFFSET_UNIT * rng.normal(size=33))
    found = recorded_often(offset, rng)
    assert found["count"]["reversal_r"] > 0.45
    assert abs(found["interpolation"]["asymmetry_r"]) < 0.3


@pytest.mark.slow
def test_measure(tiny, monkeypatch, tmp_path):
    """Untrained agents: everything is there, can be claimed and drawn, and little holds."""
    numbers = []
    monkeypatch.setattr(
        measuring,
        "recorded_often",
        lambda neurons, rng, number: numbers.append(number) or recorded_often(neurons, rng, 2),
    )
    monkeypatch.setattr(
        measuring, "cart_pole_return", lambda agent, num_episodes, seed: (agent, num_episodes)
    )
    monkeypatch.setattr(measuring, "two_coin_spread", lambda target, seed: TRUE_SD)
    monkeypatch.setattr(
        measuring,
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
    measures = EXPERIMENT.measure({**agents, "cart-pole": "its agent"}, 90, 0)
    assert numbers == [3] * 4  # with 300 episodes ten
    assert measures.keys() == good().keys()
    assert measures["calibration"].keys() == good()["calibration"].keys()
    assert measures.pop("cart_pole") == ("its agent", 90)
    measures["cart_pole"] = 10.0
    assert measures["chain"] == [x**15 for x in (0.8, 0.9, 0.95, 0.98, 1)]
    assert measures["decoded"].keys() == good()["decoded"].keys()
    claims = judge(EXPERIMENT, [measures] * 2)
    assert [c.claim for c in claims] == [c.claim for c in judge(EXPERIMENT, [good()])]
    assert not next(
        c for c in claims if c.claim == "last trace step: spread of channels / of expectiles"
    ).held
    assert measures["foils"].keys() == good()["foils"].keys()
    assert_drawn(figure([measures] * 2, {}), tmp_path / "figure.png")


def test_one_recording_shows_the_code():
    """Reversal points follow those of the channels, and responses rise with the reward."""
    taus = (np.arange(33) + 0.5) / 33
    exact = expectile_predictions(VariableRewardParameters(), "reward odour", taus)
    drawn = recorded_once(Neurons(exact, taus, 1 - taus), np.random.default_rng(0))
    assert np.corrcoef(drawn["points"], exact)[0, 1] > 0.8
    means = np.array(drawn["means"])
    assert means.shape == (33, len(MAGNITUDES))
    assert np.corrcoef(means.mean(axis=0), MAGNITUDES)[0, 1] > 0.98


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
