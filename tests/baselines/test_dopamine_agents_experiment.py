"""The claims of the trained distributional agents on measures made by hand."""

import copy

import numpy as np
import pytest

from baselines.experiments.dopamine_agents import EXPERIMENT, MOMENTS, at_odour

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
    return {name: dict(moment) for name in MOMENTS}


def good():
    cells = {"reversal_r": 0.8, "reversal_p": 1e-6, "asymmetry_r": 0.7, "asymmetry_p": 1e-4}
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
        "dopamine": {"distributional": cells, "scalar": nothing},
        "cues": {
            "values": np.tile(TAUS[:, None], (1, 3)).tolist(),
            "t": [0.0] * 5,
            "optimistic": 0.4,
            "pessimistic": 0.4,
        },
    }


def missed(measures):
    return [c.claim for c in EXPERIMENT.claims([measures] * 5) if not c.passed]


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
        (("licks", "distributional"), [0.0, 1.0, 2.0], "anticipatory licks"),
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


def test_figure_can_be_drawn(tmp_path):
    EXPERIMENT.figure([good()] * 2).savefig(tmp_path / "figure.png")


def test_at_odour():
    """Onset at steps 2 and 0 of lanes 0 and 2; lane 1 smells nothing, lane 3 after its end."""

    class Played:
        observations = np.zeros((5, 4, 6))
        alive = np.ones((5, 4), bool)

    Played.observations[2:4, 0, 3] = Played.observations[0:2, 2, 3] = 1
    Played.observations[3, 3, 3], Played.alive[3:, 3] = 1, False

    class Inside:
        channels = np.arange(20.0).reshape(5, 4, 1)

    assert at_odour(Played, Inside, 3, 1)[:, 0].tolist() == [4 * 3 + 0, 4 * 1 + 2]


def test_every_seed_trains_four_agents():
    assert list(EXPERIMENT.trainings) == ["distributional", "lambda", "scalar", "probability"]
    targets = [t.hyperparameters.critic_target for t in EXPERIMENT.trainings.values()]
    assert targets == ["monte-carlo", "lambda", "monte-carlo", "monte-carlo"]
    channels = [t.hyperparameters.channels for t in EXPERIMENT.trainings.values()]
    assert channels == [33, 33, 1, 33]
