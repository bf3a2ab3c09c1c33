"""The claims on measures made by hand, a small run of everything, and a report without agents."""

import json
from copy import deepcopy

import numpy as np
import pytest
from figures import assert_drawn

from neurotasks_baselines.experiments import EXPERIMENTS, dopamine_neurons, select
from neurotasks_baselines.experiments.claims import COUNTED, evaluate_claims, look_up
from neurotasks_baselines.experiments.report import Part, write_report
from neurotasks_baselines.experiments.runner import Job, run

EXPERIMENT = EXPERIMENTS["dopamine-neurons"]
N = 10
ROWS = [row for row in EXPERIMENT.claims if row.kind in COUNTED]


@pytest.fixture(scope="module")
def measures():
    """Return what two populations give."""
    return EXPERIMENT.measure({}, 1, 0)


def put(measures, key, value):
    """Set the value at a dotted key, in N populations."""
    *parents, last = key.split(".")
    for name in parents:
        measures = measures[name]
    measures[last] = [value + 1e-4 * i for i in range(N)]


@pytest.fixture
def good(measures):
    """Return measures that hold every claim: in the range, the foils just outside."""
    found = deepcopy(measures)
    for row in ROWS:
        low, high = row.accepted.low, row.accepted.high
        put(found, row.key, (low + high) / 2 if np.isfinite(high) else 1.1 * low)
        outside = 0.9 * low if low > 0 else high + 0.1
        put(found["foils"][row.foil], row.key, outside)
    return found


def verdicts(measures):
    return {c.claim: c.verdict for c in evaluate_claims(EXPERIMENT, [measures]) if c.counted}


def test_good_populations_hold_everything(good):
    found = verdicts(good)
    assert set(found.values()) == {"held"}
    assert len(found) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.key for row in ROWS])
def test_every_claim_can_be_missed_and_has_a_foil_that_may_pass(row, good):
    own = look_up([good], row.key)
    for value, verdict in ((0.5 * row.accepted.low, "missed"), (np.nan, "missed")):
        bad = deepcopy(good)
        put(bad, row.key, value)
        assert verdicts(bad)[row.name] == verdict
    alike = deepcopy(good)
    put(alike["foils"][row.foil], row.key, own[0])
    assert verdicts(alike)[row.name] == "not diagnostic"


def test_the_published_null_is_harder_than_classical_neurons():
    """Where offsets pass, they are the foil, not the classical neurons that fail easily."""
    foils = {row.key: row.foil for row in ROWS}
    assert foils["count.reversal_r"] == dopamine_neurons.OFFSET_1
    assert foils["count.asymmetry_r"] == dopamine_neurons.OFFSET_2
    for key in ("decoding.distance", "decoding.loss_ratio", "decoding.distance_ratio"):
        assert foils[key] == dopamine_neurons.CLASSICAL


def test_a_small_run(measures, tmp_path):
    assert len(json.dumps(measures)) < 60_000
    np.testing.assert_equal(json.loads(json.dumps(measures)), measures)
    assert measures["solver_error"] < 1e-4
    assert len(measures["steady"]["rmse"]) == 2
    assert set(measures["foils"]) == set(dopamine_neurons.FOILS)
    for part in (measures, *measures["foils"].values()):
        assert {len(part[method]["reversal_r"]) for method in dopamine_neurons.METHODS} == {2}
    claims = evaluate_claims(EXPERIMENT, [measures])
    assert len({c.claim for c in claims}) == len(claims)
    assert np.isfinite([c.measured for c in claims]).all()
    assert np.isfinite([c.foil_measured for c in claims if c.counted]).all()
    assert_drawn(EXPERIMENT.figure([measures], {}), tmp_path / "figure.png")


@pytest.mark.slow
def test_figure_of_nothing(measures, tmp_path):
    nothing = deepcopy(measures)
    for part in ("distributional", dopamine_neurons.OFFSET_2):
        of_it = nothing["drawn"][part]
        for name, values in of_it.items():
            of_it[name] = np.full(np.shape(values), np.nan).tolist()
    nothing["drawn"]["t"] = np.full(np.shape(nothing["drawn"]["t"]), np.nan).tolist()
    assert_drawn(EXPERIMENT.figure([nothing], {}), tmp_path / "figure.png")


def test_it_stands_in_the_groups():
    assert EXPERIMENT in select(["dabney2020"])
    assert not EXPERIMENT.trainings


def test_reproduction_without_trainings(measures, monkeypatch, tmp_path):
    job = Job(EXPERIMENT.name, 0, tmp_path / "seed0", train=True, quick=True)
    assert job.steps == 0
    called = []
    stand_in = type(
        "", (), {"trainings": {}, "measure": lambda a, n, s: called.append((a, n)) or {}}
    )
    monkeypatch.setitem(EXPERIMENTS, EXPERIMENT.name, stand_in)
    assert run(job) == {"seconds": 0}
    assert called == [({}, 60)]
    (tmp_path / f"{EXPERIMENT.name}.png").write_bytes(b"\x89PNG")
    claims, timed = evaluate_claims(EXPERIMENT, [measures]), {0: {"seconds": 0.0}}
    Part(EXPERIMENT.name, "neurotasks reproduce", 1.0, False, claims, timed).write(tmp_path)
    monkeypatch.undo()
    write_report(tmp_path)
    text = (tmp_path / "index.html").read_text()
    assert '<td data-label="Training" class="n">none</td>' in text
    assert "reproduce dopamine-neurons</code>" in text
    assert "--train" not in text
