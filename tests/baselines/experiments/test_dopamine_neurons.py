"""The claims on measures made by hand, a small run of everything, and a report without agents."""

import json
from copy import deepcopy

import numpy as np
import pytest
from figures import assert_drawn
from judged import judge

from neurotasks_baselines.dopamine.measures import METHODS
from neurotasks_baselines.experiments import EXPERIMENTS, dopamine_neurons_measures, select
from neurotasks_baselines.experiments.claims import COUNTED, look_up
from neurotasks_baselines.experiments.jobs import Job, run
from neurotasks_baselines.experiments.report import Part, write_report

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


def outside(row, far):
    """Return a value below the range by a factor, or above it where it has no lower end."""
    low, high = row.accepted.low, row.accepted.high
    return far * low if np.isfinite(low) else high / far


@pytest.fixture
def good(measures):
    """Return measures that hold every claim: in the range, the foils just outside."""
    found = deepcopy(measures)
    for row in ROWS:
        ends = [x for x in (row.accepted.low, row.accepted.high) if np.isfinite(x)]
        inside = np.mean(ends) if len(ends) == 2 else 2 * ends[0] - outside(row, 0.9)
        put(found, row.key, inside)
        put(found["foils"][row.foil], row.key, outside(row, 0.9))
    return found


def verdicts(measures):
    return {c.claim: c.verdict for c in judge(EXPERIMENT, [measures]) if c.counted}


def test_good_populations_hold_everything(good):
    found = verdicts(good)
    assert set(found.values()) == {"held"}
    assert len(found) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.key for row in ROWS])
def test_every_claim_can_be_missed_and_has_a_foil_that_may_pass(row, good):
    own = look_up([good], row.key)
    for value, verdict in ((outside(row, 0.5), "missed"), (np.nan, "missed")):
        bad = deepcopy(good)
        put(bad, row.key, value)
        assert verdicts(bad)[row.name] == verdict
    alike = deepcopy(good)
    put(alike["foils"][row.foil], row.key, own[0])
    assert verdicts(alike)[row.name] == "not diagnostic"


def test_the_published_null_is_harder_than_classical_neurons():
    """Where offsets pass, they are the foil, not the classical neurons that fail easily."""
    foils = {row.key: row.foil for row in ROWS}
    assert foils["count.reversal_r"] == dopamine_neurons_measures.OFFSET_1
    assert foils["count.asymmetry_r"] == dopamine_neurons_measures.OFFSET_2
    assert foils["held_out.ratio"] == dopamine_neurons_measures.OFFSET_1
    for key in ("anova.own_folds", "degraded.of_gaussian", "degraded.of_shifted"):
        assert foils[key] == dopamine_neurons_measures.OFFSET_2
    for key in ("decoding.distance", "decoding.loss_ratio", "decoding.distance_ratio"):
        assert foils[key] == dopamine_neurons_measures.CLASSICAL


def test_a_small_run(measures, tmp_path):
    assert len(json.dumps(measures)) < 60_000
    np.testing.assert_equal(json.loads(json.dumps(measures)), measures)
    assert measures["solver_error"] < 1e-4
    assert len(measures["steady"]["rmse"]) == 2
    assert set(measures["foils"]) == set(dopamine_neurons_measures.FOILS)
    for part in (measures, *measures["foils"].values()):
        assert {len(part[method]["reversal_r"]) for method in METHODS} == {2}
    claims = judge(EXPERIMENT, [measures])
    assert len({c.claim for c in claims}) == len(claims)
    assert np.isfinite([c.measured for c in claims]).all()
    for claim in claims:
        if claim.counted:
            (foil,) = claim.foils.values()
            assert foil is not None, claim.claim
    assert_drawn(EXPERIMENT.figure([measures], {}), tmp_path / "figure.png")


@pytest.mark.slow
def test_figure_of_nothing(measures, tmp_path):
    nothing = deepcopy(measures)
    for part in ("distributional", dopamine_neurons_measures.OFFSET_2):
        of_it = nothing["drawn"][part]
        for name, values in of_it.items():
            of_it[name] = np.full(np.shape(values), np.nan).tolist()
    nothing["drawn"]["folds"] = dict.fromkeys(("means", "sems", "p"), [np.nan] * 3)
    nothing["drawn"]["t"] = np.full(np.shape(nothing["drawn"]["t"]), np.nan).tolist()
    assert_drawn(EXPERIMENT.figure([nothing], {}), tmp_path / "figure.png")


def test_it_stands_in_the_groups():
    assert EXPERIMENT in select(["dabney2020"])
    assert not EXPERIMENT.trainings


def test_reproduction_without_trainings(measures, monkeypatch, tmp_path):
    job = Job(EXPERIMENT.name, "simulation", 0, tmp_path / "seed0", train=True, quick=True)
    assert job.steps == 0
    called = []
    stand_in = type(
        "",
        (),
        {
            **{"trainings": {}, "measure": lambda a, n, s: called.append((a, n)) or {}},
            **{"measure_lacking": None, "lacking": False},
        },
    )
    monkeypatch.setitem(EXPERIMENTS, EXPERIMENT.name, stand_in)
    assert run(job) == {"seconds": 0}
    assert called == [({}, 30)]
    (tmp_path / f"{EXPERIMENT.name}-simulation.png").write_bytes(b"\x89PNG")
    claims, timed = judge(EXPERIMENT, [measures]), {0: {"seconds": 0.0}}
    by_learner, played = {"simulation": timed}, {"simulation": [0]}
    part = Part(EXPERIMENT.name, "neurotasks reproduce", 1.0, False, claims, by_learner, played)
    part.write(tmp_path)
    monkeypatch.undo()
    write_report(tmp_path)
    text = (tmp_path / "index.html").read_text()
    assert '<td data-label="Training" class="n">none</td>' in text
    assert "reproduce dopamine-neurons</code>" in text
    assert "--train" not in text
