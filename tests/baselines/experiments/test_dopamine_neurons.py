"""The claims on measures made by hand, a small run of everything, and a report without agents."""

import json
from copy import deepcopy

import numpy as np
import pytest
from figures import assert_drawn

from neurotasks_baselines.experiments import EXPERIMENTS, dopamine_neurons, select
from neurotasks_baselines.experiments.claims import evaluate_claims
from neurotasks_baselines.experiments.report import Part, write_report
from neurotasks_baselines.experiments.runner import Job, run

EXPERIMENT = EXPERIMENTS["dopamine-neurons"]
N = 10
METHODS = dopamine_neurons.METHODS


@pytest.fixture(scope="module")
def measures():
    """Return what two populations give."""
    return EXPERIMENT.measure({}, 1)


@pytest.fixture
def good(measures):
    """Return measures that hold every claim, with ten populations."""

    def part(**values):
        return {name: [value] * N for name, value in values.items()}

    ours = part(
        **{"reversal_r": 0.6, "reversal_p": 1e-5, "asymmetry_r": 0.6, "asymmetry_p": 1e-4},
        **{"above_5": 0.3, "below_5": 0.2, "both": 0.2, "tau_r": 0.9},
    )
    null = part(
        **{"reversal_r": 0.0, "reversal_p": 0.4, "asymmetry_r": 0.0, "asymmetry_p": 0.4},
        **{"above_5": 0.05, "below_5": 0.0, "both": 0.02},
    )
    offset = null | part(reversal_r=0.9, reversal_p=1e-9)
    neurons = {"distributional": ours, "classical": null, "shared prediction": null}
    neurons |= {"offset 1": offset, "offset 2": offset}
    return {
        "solver_error": 1e-5,
        "steady": part(pearson=0.999, rmse=0.03, spearman=0.999, classical_sd=0.01, sd=0.32),
        "neurons": {name: {m: deepcopy(c) for m in METHODS} for name, c in neurons.items()},
        "probability": part(
            error=0.03, optimistic=0.25, pessimistic=0.25, classical=0.03, t_with_tau=0.85
        ),
        "decoded": {
            control: part(distance=d, loss=loss)
            for control, d, loss in (
                *(("exact", 0.6, 1e-4), ("learned", 1.0, 1e-3), ("noisy", 1.7, 0.05)),
                *(("shuffled", 3.0, 0.1), ("classical", 3.7, 0.01)),
            )
        },
        "drawn": measures["drawn"],
    }


def missed(*measures):
    return {
        claim.claim for claim in evaluate_claims(EXPERIMENT, list(measures)) if not claim.passed
    }


@pytest.mark.slow
def test_good_populations_hold_everything(good):
    claims = evaluate_claims(EXPERIMENT, [good])
    assert all(c.passed for c in claims)
    assert len({c.claim for c in claims}) == len(claims)
    assert {c.seeds for c in claims} == {1, N}
    assert missed(good, good) == set()


FIG_2, FIG_4 = "Fig. 2: reversal points of two halves, mean R", "Fig. 4: asymmetry and reversal"
CHANGES = [
    (("solver_error",), 2e-3, "exact expectiles"),
    (("steady", "pearson"), 0.98, "Fig. 2: R of learned"),
    (("steady", "rmse"), 0.07, "Fig. 2: rms error"),
    (("steady", "spearman"), 0.98, "Fig. 2: rank"),
    (("steady", "classical_sd"), 0.07, "Fig. 2: sd of value over classical"),
    (("steady", "sd"), 0.2, "Fig. 2: sd of value over distributional"),
    *(
        ((*("neurons", model, method), key), value, text)
        for method in METHODS
        for model, key, value, text in (
            ("distributional", "reversal_r", 0.4, f"{FIG_2} ({method})"),
            ("distributional", "reversal_p", 2e-3, "Fig. 2: the same, log10"),
            ("classical", "reversal_r", 0.3, "Fig. 2: the same for classical"),
            ("classical", "reversal_r", -0.3, "Fig. 2: the same for classical"),
            ("classical", "reversal_p", 0.01, "Fig. 2: fraction of classical populations with P"),
            ("distributional", "asymmetry_r", 0.4, FIG_4),
            ("distributional", "asymmetry_p", 0.06, "Fig. 4: fraction of populations"),
            ("distributional", "tau_r", 0.7, "Fig. 4: R of estimated"),
        )
    ),
    (("neurons", "distributional", "interpolation", "above_5"), 0.05, "Fig. 2: fraction of pop"),
    (("neurons", "distributional", "interpolation", "below_5"), 0.05, "Fig. 2: fraction of pop"),
    (("neurons", "classical", "interpolation", "both"), 0.1, "Fig. 2: fraction of classical pop"),
    *(
        (
            ("neurons", f"offset {sd}", "interpolation", "asymmetry_r"),
            value,
            "Fig. 4: mean R of the",
        )
        for sd in (1, 2)
        for value in (0.3, -0.3)
    ),
    (("probability", "error"), 0.2, "Fig. 3: largest error"),
    (("probability", "optimistic"), 0.14, "Fig. 3: fraction of "),
    (("probability", "pessimistic"), 0.14, "Fig. 3: fraction of "),
    (("probability", "classical"), 0.06, "Fig. 3: fraction of classical"),
    (("probability", "t_with_tau"), 0.7, "Fig. 3: R of t"),
    (("decoded", "exact", "distance"), 1.1, "Fig. 5: distance of decoded from true rewards, exact"),
    (("decoded", "learned", "distance"), 1.5, "Fig. 5: distance of decoded from true rewards, le"),
    (("decoded", "noisy", "distance"), 2.0, "Fig. 5: distance of decoded from true rewards, tau"),
    (("decoded", "classical", "distance"), 3.3, "Fig. 5: distance of decoded from true rewards, c"),
    (("decoded", "shuffled", "distance"), 1.4, "Fig. 5: distance with tau shuffled"),
    (("decoded", "shuffled", "loss"), 2e-3, "Fig. 5: loss with tau shuffled"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("path", "value", "expected"), CHANGES)
def test_every_claim_can_be_missed(good, path, value, expected):
    *parents, last = path
    part = good
    for key in parents:
        part = part[key]
    for wrong in (value, np.nan):
        part[last] = [wrong] * N if parents else wrong
        assert any(text.startswith(expected) for text in missed(good))
        assert len(missed(good)) <= 4


def test_nulls_with_a_spurious_code_are_found_out(good):
    for null in dopamine_neurons.NULLS:
        for method in METHODS:
            bad = deepcopy(good)
            found = bad["neurons"][null][method]
            found["asymmetry_r"], found["asymmetry_p"] = [0.5] * N, [0.01] * 2 + [0.5] * (N - 2)
            assert missed(bad) == {f"Fig. 4: the same, {null} null ({method})"}
            found["asymmetry_r"] = [-0.5] * N  # the other way round is none
            assert missed(bad) == set()


def test_a_small_run(measures, good, tmp_path):
    assert len(json.dumps(measures)) < 30_000
    np.testing.assert_equal(json.loads(json.dumps(measures)), measures)
    assert measures["solver_error"] < 1e-4
    assert len(measures["steady"]["rmse"]) == 2
    assert {len(c[m]["reversal_r"]) for c in measures["neurons"].values() for m in METHODS} == {2}
    claims = evaluate_claims(EXPERIMENT, [measures])
    assert [c.claim for c in claims] == [c.claim for c in evaluate_claims(EXPERIMENT, [good])]
    assert np.isfinite([c.measured for c in claims]).all()
    assert_drawn(EXPERIMENT.figure([measures]), tmp_path / "figure.png")


@pytest.mark.slow
def test_figure_of_nothing(good, tmp_path):
    drawn = good["drawn"]
    for name in ("means", "points", "first", "second", "second_taus", "t", "control_t"):
        drawn = drawn | {name: np.full(np.shape(drawn[name]), np.nan).tolist()}
    assert_drawn(EXPERIMENT.figure([good | {"drawn": drawn}]), tmp_path / "figure.png")


def test_it_stands_in_the_groups():
    assert EXPERIMENT in select(["dabney2020"])
    assert not EXPERIMENT.trainings


def test_reproduction_without_trainings(good, monkeypatch, tmp_path):
    job = Job(EXPERIMENT.name, 0, tmp_path / "seed0", train=True, quick=True)
    assert job.steps == 0
    called = []
    stand_in = type("", (), {"trainings": {}, "measure": lambda a, n: called.append((a, n)) or {}})
    monkeypatch.setitem(EXPERIMENTS, EXPERIMENT.name, stand_in)
    assert run(job) == {"seconds": 0}
    assert called == [({}, 60)]
    (tmp_path / f"{EXPERIMENT.name}.png").write_bytes(b"\x89PNG")
    claims, measures = evaluate_claims(EXPERIMENT, [good]), {0: {"seconds": 0.0}}
    Part(EXPERIMENT.name, "neurotasks reproduce", 1.0, False, claims, measures).write(tmp_path)
    monkeypatch.undo()
    write_report(tmp_path)
    text = (tmp_path / "index.html").read_text()
    assert '<td data-label="Training" class="n">none</td>' in text
    assert "reproduce dopamine-neurons</code>" in text
    assert "--train" not in text
