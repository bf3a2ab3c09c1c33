"""Claims that can be missed, and the report that shows it."""

import itertools
import json
import os
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from doctored import rewrite
from figures import assert_drawn

from neurotasks.analysis.two_step import CONDITIONS, stay_effects, stay_probabilities
from neurotasks.episodes import run_episodes
from neurotasks.observers import BayesTwoStep, ModelFreeTwoStep
from neurotasks_baselines.cli.commands import parser
from neurotasks_baselines.errors import RunDirectoryError, SeedError, UnknownExperimentError
from neurotasks_baselines.experiments import EXPERIMENTS, runner as reproduction, select
from neurotasks_baselines.experiments.base import Training
from neurotasks_baselines.experiments.cart_pole import CartPoleTraining
from neurotasks_baselines.experiments.claims import (
    COUNTED,
    REPORTED,
    Accepted,
    Claim,
    Row,
    at_least,
    at_most,
    between,
    estimate,
    evaluate_claims,
    look_up,
    over_seeds,
)
from neurotasks_baselines.experiments.report import (
    Part,
    read_parts,
    results_page,
    span,
    write_report,
)
from neurotasks_baselines.experiments.runner import Job, command, reproduce, run
from neurotasks_baselines.training import hyperparameters, jobs, progress
from neurotasks_baselines.training.agent_files import read_description
from neurotasks_baselines.training.hyperparameters import TABLE
from neurotasks_baselines.training.progress import Status, progress_reporter

TWO_STEP, HARLOW = EXPERIMENTS["two-step"], EXPERIMENTS["harlow"]
TASK = "neurotasks/TwoStep-v0"
CLAIMS = Path(__file__).parents[3] / "docs" / "claims.json"


# The mean over seeds, its interval, and the verdict.


def state(values, statistic="mean", kind="number", foil=None, **bounds):
    row = Row("it is so", "key", "0.5", "paper", Accepted(**bounds), kind, "a foil", statistic)
    return over_seeds("some", row, values, foil)


def test_over_seeds():
    """By hand: Student's t of four degrees of freedom is 2.776."""
    claim = state([0.1, 0.4, 0.2, 0.9, 0.3], low=-1, high=2, foil=[3.0, 5.0])
    assert claim.measured == pytest.approx(0.38)
    half = 2.776445 * np.sqrt(0.097 / 5)
    assert (claim.ci_low, claim.ci_high) == pytest.approx((0.38 - half, 0.38 + half), abs=1e-6)
    assert claim.values == [0.1, 0.4, 0.2, 0.9, 0.3]
    assert (claim.experiment, claim.claim, claim.published) == ("some", "it is so", "0.5")
    assert (claim.source, claim.accept, claim.verdict) == ("paper", "-1 to 2", "held")
    assert (claim.foil, claim.foil_measured) == ("a foil", 4.0)
    assert json.loads(json.dumps(claim.to_json())) == claim.to_json()


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.5, np.inf, "held"),
        (np.nextafter(0.5, 1), np.inf, "missed"),
        (-np.inf, 0.5, "held"),
        (-np.inf, np.nextafter(0.5, 0), "missed"),
        (0.5, 0.5, "held"),
        (0.6, 0.7, "missed"),
        (0.3, 0.4, "missed"),
    ],
)
def test_bounds(low, high, verdict):
    """Of equal seeds the interval is a point, as at ceiling."""
    claim = state([0.5] * 3, low=low, high=high, foil=[0.9 if high < 0.9 else -9.0])
    assert (claim.verdict, claim.ci_low, claim.ci_high) == (verdict, 0.5, 0.5)


def test_an_interval_that_leaves_the_range_is_a_miss():
    values = [0.4, 0.5, 0.6]
    claim = state(values, low=0.45, foil=[0.0])
    assert claim.measured > 0.45
    assert claim.verdict == "missed"
    assert state(values, low=claim.ci_low, foil=[0.0]).verdict == "held"


@pytest.mark.parametrize("foil", [None, [0.8], [np.nan], [0.5, 1.1]])
def test_a_claim_whose_foil_passes_is_not_diagnostic(foil):
    """So is one without a foil, or whose foil cannot be computed."""
    assert state([0.7] * 3, low=0.6, foil=foil).verdict == "not diagnostic"
    assert state([0.7] * 3, low=0.6, foil=[0.59]).verdict == "held"
    assert state([0.5] * 3, low=0.6, foil=foil).verdict == "missed"


@pytest.mark.parametrize("kind", ["check", "reported"])
def test_what_is_not_counted_has_no_verdict(kind):
    claim = state([0.7] * 3, kind=kind, low=0.8)
    assert (claim.verdict, claim.counted, claim.held) == ("", False, False)


def test_one_seed_decides_nothing():
    assert state([0.7], low=0.6, foil=[0.0]).verdict == "undecided"


@pytest.mark.parametrize("values", [[np.nan], [0.5, np.nan, 0.5], [np.nan] * 3, [np.inf, 1.0]])
@pytest.mark.parametrize("bounds", [{}, {"low": 0.0}, {"high": 1.0}, {"low": 0, "high": 1}])
def test_what_is_not_finite_never_holds(values, bounds):
    claim = state(values, foil=[9.0], **bounds)
    assert claim.verdict == "missed"
    assert (claim.measured, claim.ci_low, claim.ci_high) == (None, None, None)


def mixture(failed):
    """Return how to draw seeds of which a fraction has not learned, and their mean."""

    def draw(rng, shape):
        return np.where(rng.random(shape) < failed, 0.1, 0.9) + rng.normal(0, 0.02, shape)

    return draw, 0.1 * failed + 0.9 * (1 - failed)


SHAPES = {
    "normal": (lambda rng, shape: rng.normal(3, 2, shape), 3.0),
    "skewed": (lambda rng, shape: rng.gamma(4.0, 1.0, shape), 4.0),
    "near a ceiling": (lambda rng, shape: 1 - rng.beta(2, 60, shape), 60 / 62),
    "a third has not learned": mixture(1 / 3),
    "a fifth has not learned": mixture(1 / 5),
    "a tenth has not learned": mixture(1 / 10),
}
# By 20,000 samples. Where few seeds fail, and few are trained, often none of those is seen.
COVERAGES = {
    "normal": {5: 0.95, 10: 0.95, 20: 0.95},
    "skewed": {5: 0.94, 10: 0.94, 20: 0.94},
    "near a ceiling": {5: 0.92, 10: 0.93, 20: 0.94},
    "a third has not learned": {5: 0.86, 10: 0.90, 20: 0.93},
    "a fifth has not learned": {5: 0.67, 10: 0.88, 20: 0.92},
    "a tenth has not learned": {5: 0.42, 10: 0.66, 20: 0.88},
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_coverage_of_the_interval(shape):
    """As the page on reproduction says."""
    draw, mean = SHAPES[shape]
    for seeds, expected in COVERAGES[shape].items():
        samples = draw(np.random.default_rng(0), (1000, seeds))
        found = [estimate(sample)[1:] for sample in samples]
        coverage = np.mean([low <= mean <= high for low, high in found])
        assert coverage == pytest.approx(expected, abs=0.045)
    text = (CLAIMS.parent / "reproduce.md").read_text()
    cells = " | ".join(f"{100 * coverage:.0f} %" for coverage in COVERAGES[shape].values())
    assert f"| {shape} | {cells} |" in text


@pytest.mark.parametrize("p", [0.5, 0.8, 0.95])
def test_coverage_of_fractions(p):
    samples = np.random.default_rng(0).random((500, 20)) < p
    found = [estimate(sample.astype(float), "fraction")[1:] for sample in samples]
    assert np.mean([low <= p <= high for low, high in found]) >= 0.9


def test_accepted_in_words():
    assert str(between(0.25, 0.75)) == "0.25 to 0.75"
    assert str(at_least(0.25)) == ">= 0.25"
    assert str(at_most(0.08)) == "<= 0.08"
    assert str(REPORTED) == "reported"


def test_fraction():
    """Wilson's interval: of 20 of 20 it begins at 1 / (1 + 1.96^2 / 20)."""
    claim = state([1] * 20, "fraction", low=0.75, foil=[0.5])
    assert (claim.measured, claim.ci_high, claim.verdict) == (1.0, 1.0, "held")
    assert claim.ci_low == pytest.approx(1 / (1 + 1.959964**2 / 20))
    assert state([1] * 5, "fraction", low=0.75, foil=[0.5]).verdict == "missed"
    assert state([1, 0, 1, True], "fraction", low=0.1).measured == 0.75
    assert state([1, np.nan, 1, 1], "fraction", low=0.1).measured is None


# Tables of claims, and their evaluation.


def test_keys_are_paths_into_the_measures_of_each_seed():
    measures = [
        {"a": {"b c": [1, 2.5]}, "held": True, "none": None},
        {"a": {"b c": [3, 4.5]}, "held": False, "none": 7},
    ]
    assert look_up(measures, "a.b c.1").tolist() == [2.5, 4.5]
    assert look_up(measures, "a.b c.-2").tolist() == [1, 3]
    assert look_up(measures, "a.b c").tolist() == [1, 2.5, 3, 4.5]
    assert look_up(measures, "held").tolist() == [1, 0]
    np.testing.assert_equal(look_up(measures, "none"), [np.nan, 7])
    with pytest.raises(KeyError, match="d"):
        look_up(measures, "a.d")


def test_a_table_is_evaluated_row_by_row():
    neurons = Row("of neurons", "", "-", "-", REPORTED, "reported")
    known = over_seeds("some", neurons, [0.5])
    table = (
        Row("measured", "x.1", "1", "A", at_least(-2), "number", "untrained"),
        Row("derived", "doubled", "2", "B", at_most(9), "direction", "observer"),
        Row("the same of a reference", "references.doubled", "3", "C", between(6, 8), "check"),
        Row("fraction", "large", "4", "D", at_least(0.1), "number", "untrained", "fraction"),
        Row("without a foil", "x.1", "1", "A", at_least(-2), "reference", note="there is none"),
    )
    experiment = replace(
        TWO_STEP,
        name="some",
        claims=table,
        derive=lambda m: {"doubled": 2 * m["x"][1], "large": m["x"][1] > 1},
        references=lambda: {"x": [0, 3.5], "doubled": 7, "foils": {"observer": {"x": [0, 20]}}},
        recorded=(known,),
    )
    measures = [
        {"x": [0, value], "foils": {"untrained": {"x": [0, -value - 3]}}}
        for value in (1.0, 2.0, 3.0)
    ]
    claims = evaluate_claims(experiment, measures)
    assert [c.measured for c in claims] == [2.0, 4.0, 7.0, pytest.approx(2 / 3), 2.0, 0.5]
    assert [c.foil_measured for c in claims] == [-5.0, 40.0, None, 0.0, None, None]
    assert [c.verdict for c in claims] == ["held", "held", "", "held", "not diagnostic", ""]
    assert [len(c.values) for c in claims] == [3, 3, 1, 3, 3, 1]
    for row, claim in zip(table, claims, strict=False):
        assert (claim.experiment, claim.claim, claim.kind) == ("some", row.name, row.kind)
        assert (claim.published, claim.source, claim.note) == (row.published, row.source, row.note)
        assert claim.accept == str(row.accepted)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_claim_with_a_verdict_names_its_foil(name):
    """Or a note says why there is none."""
    for row in EXPERIMENTS[name].claims:
        assert row.kind in COUNTED or row.foil is None, row.name
        assert row.kind not in COUNTED or row.foil or row.note, row.name


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_published_claims_are_those_of_the_tables(name):
    published = [c for c in json.loads(CLAIMS.read_text()) if c["experiment"] == name]
    fields = ("claim", "kind", "published", "source", "accept", "foil", "note")
    assert [tuple(c[field] for field in fields) for c in published] == [
        (r.name, r.kind, r.published, r.source, str(r.accepted), r.foil, r.note)
        for r in EXPERIMENTS[name].claims
    ]


# Claims of the experiments, on measures made by hand.


def two_step(stays=(0.99, 0.64, 0.62, 0.98), **changes):
    stays = dict(zip(CONDITIONS, stays, strict=True))
    effects = {f"{name}_effect": value for name, value in stay_effects(stays).items()}
    sample = np.random.default_rng(0).normal(size=(3, 20)).tolist()
    measures = {"stays": stays, **effects, "reward_per_trial": 0.69, "rpe_sample": sample}
    measures |= {"r2_model_based": 0.9, "r2_model_free": 0.6, "seconds": 5.0}
    measures["lags"] = lags(1, -1, -1, 1)
    history = [{"steps": i * 1e6, "reward_per_trial": 0.3 * i} for i in range(3)]
    return measures | {"history": history} | changes


def lags(*signs):
    """Return weights of the last five choices of each kind."""
    weights = ([sign / lag for lag in range(1, 6)] for sign in signs)
    return dict(zip(CONDITIONS, weights, strict=True))


def harlow(accuracy=(0.5, 0.96, 0.97, 0.97, 0.98, 0.98), right=0.97, wrong=0.95, early=0.5):
    rows = [
        {"steps": i * 1e6, **{f"accuracy_{j}": 0.4 + 0.1 * i for j in range(1, 7)}}
        for i in range(5)
    ]
    quantiles = [[0.5] * 5 + [early], *[list(accuracy)] * 6]
    after_first = {"right": right, "wrong": wrong}
    measures = {"accuracy": list(accuracy), "after_first": after_first, "quantiles": quantiles}
    shown = {"decoded": [0.5] + [0.9] * 5, "preference": np.eye(8, 6).tolist()}
    measures["activity"] = {"late": shown, "early": shown}
    return measures | {"history": rows, "finished": 1.0, "seconds": 5.0}


def missed(experiment, *measures):
    return {
        claim.claim for claim in evaluate_claims(experiment, list(measures)) if not claim.passed
    }


STAYS = {name: f"P(stay | {name})" for name in CONDITIONS}
BASED = "reward x transition interaction of staying (model-based)"
FREE = "main effect of reward on staying (model-free), size"
REWARD, GOOD = "reward per trial", "fraction of seeds with reward per trial >= 0.67"
R2 = "R2 of the agent's RPEs with a model-based learner's"
BETTER_R2 = "R2 with the model-based minus R2 with the best model-free learner's RPEs"
INDEX = "model-based index of the 5-lag regression"
FOUR = set(STAYS.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"stays": (0.9, 0.64, 0.62, 0.98)}, {STAYS["rewarded common"]}),
        ({"stays": (0.99, 0.80, 0.62, 0.98)}, {STAYS["rewarded rare"], FREE}),
        ({"stays": (0.99, 0.52, 0.52, 0.98)}, {STAYS["rewarded rare"]}),
        ({"stays": (0.99, 0.64, 0.76, 0.98)}, {STAYS["unrewarded common"]}),
        ({"stays": (0.96, 0.64, 0.49, 0.98)}, {STAYS["unrewarded common"]}),
        ({"stays": (0.99, 0.64, 0.62, 0.94)}, {STAYS["unrewarded rare"]}),
        # model-free: who is rewarded stays
        ({"stays": (0.9, 0.9, 0.4, 0.4)}, FOUR | {BASED, FREE}),
        # chance, and no thought of the outcome
        ({"stays": (0.5, 0.5, 0.5, 0.5)}, FOUR - {STAYS["unrewarded common"]} | {BASED}),
        ({"stays": (1.0, 1.0, 1.0, 1.0)}, {STAYS[n] for n in list(STAYS)[1:3]} | {BASED}),
        ({"reward_effect": -0.2}, {FREE}),
        ({"interaction_effect": -0.36}, {BASED}),
        ({"lags": lags(1, 1.5, -1, -1)}, {INDEX}),
        ({"reward_per_trial": 0.635}, {REWARD, GOOD}),
        ({"r2_model_based": 0.65}, {R2}),
        ({"r2_model_free": 0.9}, {BETTER_R2}),
        ({"r2_model_free": 0.895}, {BETTER_R2}),
        ({"r2_model_based": 0.3}, {R2, BETTER_R2}),
        ({"r2_model_based": np.nan}, {R2, BETTER_R2}),
        ({"stays": (0.99, np.nan, 0.62, 0.98)}, {STAYS["rewarded rare"], BASED, FREE}),
    ],
)
def test_two_step_claims_can_be_missed(changes, expected):
    assert missed(TWO_STEP, two_step(**changes)) == expected


def test_most_seeds_must_be_good():
    good, bad = two_step(), two_step(reward_per_trial=0.6)
    assert missed(TWO_STEP, *[good] * 6, *[bad] * 2) == set()
    assert missed(TWO_STEP, *[good] * 5, *[bad] * 3) == {GOOD}
    assert missed(TWO_STEP, *[good] * 3, *[bad] * 5) == {REWARD, GOOD}


@pytest.mark.parametrize("kind", ["based", "free"])
def test_two_step_claims_tell_learners_apart(kind):
    envs = gym.make_vec(TASK, num_envs=300, autoreset_mode="SameStep", trial_log=True)
    learners = {
        "based": BayesTwoStep(envs, seed=1, lapse=0.01),
        "free": ModelFreeTwoStep(envs, seed=1),
    }
    trials = run_episodes(learners[kind], envs, seed=1).trials
    stays = tuple(stay_probabilities(trials).values())
    found = missed(TWO_STEP, two_step(stays, reward_per_trial=trials["trial_reward"].mean()))
    assert found >= ({BASED, FREE, REWARD, GOOD} if kind == "free" else set())
    assert not found or kind == "free"


def test_the_task_is_checked_by_the_observer(monkeypatch):
    """A task with other transitions would be found out."""
    claims = evaluate_claims(TWO_STEP, [two_step()])
    assert claims[-1].claim.startswith("largest deviation of the Bayesian observer")
    module = __import__("neurotasks_baselines.experiments.two_step", fromlist=["observe"])
    wrong = dict(zip(CONDITIONS, (0.989, 0.60, 0.60, 0.989), strict=True))
    monkeypatch.setattr(module, "observe", lambda: {"ideal": wrong, "lapsing": wrong})
    assert missed(TWO_STEP, two_step()) == {claims[-1].claim}


TRIAL = [f"correct at trial {i}, new objects" for i in range(1, 7)]
GAIN = "gain from trial 2 to 6 in the first seventh of training"
EARLY = "correct at trial 6 in the first seventh of training"
REGARDLESS = "difference at trial 2 between a right and a wrong first choice"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"accuracy": [0.5] * 6}, set(TRIAL[1:])),
        ({"accuracy": [0.5, 0.519, 0.586, 0.686, 0.719, 0.779]}, set(TRIAL[1:])),
        ({"accuracy": [0.6, 0.96, 0.97, 0.97, 0.98, 0.98]}, {TRIAL[0]}),
        ({"accuracy": [0.4, 0.96, 0.97, 0.97, 0.98, 0.98]}, {TRIAL[0]}),
        ({"accuracy": [0.5, 0.89, 0.97, 0.97, 0.98, 0.98]}, {TRIAL[1]}),
        ({"accuracy": [0.5, 0.96, 0.92, 0.97, 0.98, np.nan]}, {TRIAL[2], TRIAL[5]}),
        ({"early": 0.58}, set()),
        ({"early": 0.62}, {GAIN, EARLY}),
        ({"early": np.nan}, {GAIN, EARLY}),
        ({"right": 0.99, "wrong": 0.9}, {REGARDLESS}),
        ({"right": 0.9, "wrong": 0.99}, {REGARDLESS}),
        ({"wrong": np.nan}, {REGARDLESS}),
    ],
)
def test_harlow_claims_can_be_missed(changes, expected):
    assert missed(HARLOW, harlow(**changes)) == expected


def test_fraction_at_ceiling():
    slow = harlow((0.5, 0.94, 0.97, 0.97, 0.98, 0.98))
    claim = evaluate_claims(HARLOW, [harlow(), slow, slow, slow])[-1]
    assert claim.claim.startswith("fraction of seeds at ceiling")
    assert (claim.measured, claim.accept) == (0.25, "reported")


def test_experiments_have_settings():
    for experiment in EXPERIMENTS.values():
        for training in experiment.trainings.values():
            assert training.hyperparameters or training.hyperparameters is TABLE[training.id]
        assert max(experiment.seeds) < 1000  # hyperparameters were chosen from 1000 up


def test_select():
    assert select(["harlow"]) == [HARLOW]
    assert select([]) == list(EXPERIMENTS.values())
    assert {"two-step", "harlow"} <= {e.name for e in select(["wang2018"])}
    assert select(["harlow", "wang2018"])[0] == HARLOW
    with pytest.raises(UnknownExperimentError, match=r"'harlov'.*Did you mean 'harlow'"):
        select(["two-step", "harlov"])


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3])
def test_figures_can_be_drawn_of_anything(seeds, tmp_path):
    """Also of measures with nothing in them, as after a quick run."""
    nothing = harlow([np.nan] * 6, early=np.nan)
    unseen = {"decoded": [np.nan] * 6, "preference": np.full((8, 6), np.nan).tolist()}
    nothing["activity"] = {"late": unseen, "early": unseen}
    late_only = harlow()
    del late_only["activity"]["early"]
    empty = two_step((np.nan,) * 4)
    for experiment, measures in (
        (TWO_STEP, two_step()),
        (TWO_STEP, empty),
        (HARLOW, harlow()),
        (HARLOW, nothing),
        (HARLOW, late_only),
    ):
        assert_drawn(experiment.figure([measures] * seeds), tmp_path / "figure.png")


# The report.


class Page(HTMLParser):
    """Checks that tags are balanced; keeps text, cells, addresses and ids."""

    EMPTY = frozenset({"meta", "br", "img", "link", "hr", "input"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.cells, self.addresses = [], Counter(), [], []
        self.ids, self.text, self.styles = [], "", ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        for name, value in attributes:
            if name in ("src", "href", "srcset", "action", "poster", "data", "style"):
                self.addresses.append(value)
            if name == "id":
                self.ids.append(value)
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.styles += data
            return
        self.text += data
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data


@pytest.fixture
def claims():
    """Return claims of both experiments, some of them missed."""
    found = evaluate_claims(TWO_STEP, [two_step((0.9, 0.9, 0.4, 0.4))] * 2)
    return found, evaluate_claims(HARLOW, [harlow(early=np.nan), harlow()])


@pytest.fixture
def report(claims, tmp_path):
    def report(quick=False, claims=claims):
        measures = {3: {"seconds": 5.0}, 4: {"seconds": 7.0}, 5: {"seconds": 300.0}}
        for name, found in zip(("two-step", "harlow"), claims, strict=True):
            (tmp_path / f"{name}.png").write_bytes(b"\x89PNG")
            Part(name, "neurotasks <reproduce>", 12.3, quick, found, measures).write(tmp_path)
        write_report(tmp_path)
        text = (tmp_path / "index.html").read_text()
        return text, Page(text)

    return report


def test_report(report, claims):
    text, page = report()
    assert text.startswith("<!doctype html>")
    both = [c for part in claims for c in part]
    cells = Counter(page.cells)
    assert all(cells[c.claim] == 1 for c in both)
    held = sum(c.passed for c in both)
    assert 0 < held < len(both)
    assert (cells["held"], cells["missed"]) == (held, len(both) - held)
    assert f"{held} of {len(both)} claims held" in page.text
    rows = [page.cells[i : i + 7] for i, cell in enumerate(page.cells) if cell in cells]
    for c in both:
        row = next(r for r in rows if r[0] == c.claim)
        interval = "" if c.ci_low is None else f"{c.ci_low:.3f} to {c.ci_high:.3f}"
        measured = "not defined" if c.measured is None else f"{c.measured:.3f}"
        assert row[1] == c.published + c.source
        assert row[2:6] == [c.accept, measured, interval, str(c.seeds)]
        assert row[6] == ("held" if c.passed else "missed")
    for part, experiment in zip(claims, (TWO_STEP, HARLOW), strict=True):
        assert f"{sum(c.passed for c in part)} of {len(part)}" in cells
        assert experiment.question in page.text
        assert page.ids.count(experiment.name) == 1
        summary = page.cells[page.cells.index(experiment.title) :][:5]
        lost = [c.claim for c in part if not c.passed]
        assert summary[1:] == [
            f"{len(part) - len(lost)} of {len(part)}",
            "; ".join(lost) or "none",
            "3 to 5",
            "7 s",
        ]
    assert "Seeds 3 to 5, trained on one core each in 7 s (median), together 5 min" in page.text
    assert "neurotasks <reproduce>" in page.text
    assert "in 12 s" in page.text
    assert " ".join(hyperparameters.__doc__.split()) in " ".join(page.text.split())


def test_report_needs_nothing_else(report):
    _, page = report()
    anchors = [a[1:] for a in page.addresses if a.startswith("#")]
    pictures = [a for a in page.addresses if a.startswith("data:image/png;base64,")]
    assert len(anchors) + len(pictures) == len(page.addresses)
    assert set(anchors) == set(page.ids) == {"two-step", "harlow", "settings"}
    assert len(pictures) == 2
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    assert not re.search(r"url\(|@import|http", page.styles)


@pytest.mark.parametrize("quick", [True, False])
def test_quick_reports_say_so(report, quick):
    assert ("its numbers mean nothing" in report(quick)[1].text) is quick


def test_report_shows_text_as_it_is(report, claims):
    odd = replace(claims[0][0], claim="<b>a < b & c</b>", published='"<script>"')
    _, page = report(claims=([odd], claims[1]))
    assert "<b>a < b & c</b>" in page.cells
    assert "script" not in page.tags


def test_results_page(claims):
    both = [c for part in claims for c in part]
    lines = results_page(both).splitlines()
    held = sum(c.passed for c in both)
    assert f"{held} of {len(both)} claims held." in lines
    assert [line for line in lines if line.startswith("## ")] == ["## two-step", "## harlow"]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if re.match(r"\| (?!---)", line)]
    assert {len(row) for row in rows} == {7}
    rows = [
        [cell.strip().replace("\\|", "|") for cell in row] for row in rows if "claim" not in row[0]
    ]
    assert [row[0] for row in rows] == [c.claim for c in both]
    assert [row[6] for row in rows] == ["held" if c.passed else "**missed**" for c in both]
    measured = [None if row[3] == "not defined" else float(row[3]) for row in rows]
    assert measured == [None if c.measured is None else round(c.measured, 3) for c in both]
    assert None in measured


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([0, 1, 2], "0 to 2"), ([4], "4"), ([0, 1], "0, 1"), ([0, 2, 3], "0, 2, 3")],
)
def test_span(numbers, text):
    assert span(numbers) == text


# The whole of it, with agents that need no training.


@pytest.fixture
def threads(monkeypatch):
    """Run the jobs in threads; return a function that says what a job does."""
    monkeypatch.setattr(jobs, "worker_pool", ThreadPoolExecutor)
    return lambda stand_in: monkeypatch.setattr(reproduction, "run", stand_in)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_reproduce(threads, workers, tmp_path):
    started = []

    def stand_in(job):
        started.append(job)
        time.sleep(0.1 * (job.seed == 0))  # seed 0 is the last to be ready
        made = two_step() if job.name == "two-step" else harlow()
        return made | {"seed": job.seed}

    threads(stand_in)
    claims = reproduce(["two-step", "harlow"], tmp_path, seeds=3, workers=workers)
    assert {(j.name, j.seed) for j in started} == set(
        itertools.product(("two-step", "harlow"), range(3))
    )
    assert not any(j.train or j.quick for j in started)
    assert {p.name for p in tmp_path.iterdir()} == {
        ".lock",
        "index.html",
        "claims.json",
        "results.md",
        "two-step.png",
        "two-step.json",
        "harlow.png",
        "harlow.json",
    }
    for name in ("two-step", "harlow"):
        part = json.loads((tmp_path / f"{name}.json").read_text())
        assert {seed: m["seed"] for seed, m in part["measures"].items()} == {"0": 0, "1": 1, "2": 2}
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "claims.json").read_text()) == [c.to_json() for c in claims]
    assert all(c.passed for c in claims)
    assert {c.seeds for c in claims} == {1, 3}
    page = Page((tmp_path / "index.html").read_text())
    assert "neurotasks reproduce two-step harlow --seeds 3" in page.text
    assert (tmp_path / "results.md").read_text() == results_page(claims)


@pytest.mark.slow
def test_a_partial_reproduction_updates_its_part_of_the_report(threads, tmp_path):
    """The other experiments keep their claims, figures and sections, and say where from."""
    threads(lambda job: two_step() if job.name == "two-step" else harlow())
    reproduce(["harlow", "two-step"], tmp_path, seeds=2)
    kept = {f: (tmp_path / f).read_bytes() for f in ("harlow.json", "harlow.png")}
    before = json.loads((tmp_path / "claims.json").read_text())
    assert "come from" not in Page((tmp_path / "index.html").read_text()).text

    threads(lambda job: two_step(reward_per_trial=0.6))
    found = reproduce(["two-step"], tmp_path, seeds=3)
    after = [Claim(**fields) for fields in json.loads((tmp_path / "claims.json").read_text())]
    assert [c for c in after if c.experiment == "two-step"] == found
    assert [c.to_json() for c in after if c.experiment == "harlow"] == [
        c for c in before if c["experiment"] == "harlow"
    ]
    assert len(after) == len(before)
    assert {f: (tmp_path / f).read_bytes() for f in kept} == kept
    assert (tmp_path / "results.md").read_text() == results_page(after)
    page = Page((tmp_path / "index.html").read_text())
    assert {"two-step", "harlow"} <= set(page.ids)
    assert page.tags["img"] == 2
    assert set(page.cells) >= {c.claim for c in after}
    assert "The sections come from 2 runs" in page.text
    sections = page.text.split("Does an agent trained on many pairs of objects")
    assert len(sections) == 2
    for part, made_by in zip(
        sections,
        ("reproduce two-step --seeds 3", "reproduce harlow two-step --seeds 2"),
        strict=True,
    ):
        assert part.count(f"Made by neurotasks {made_by} in") == 1
    assert [list(part.measures) for part in read_parts(tmp_path)] == [[0, 1, 2], [0, 1]]


@pytest.mark.parametrize("text", ["[1, 2]", "{", '{"claims": []}'])
def test_a_report_that_cannot_be_read_is_refused_before_the_work(text, threads, tmp_path):
    threads(lambda job: pytest.fail("a job ran"))
    (tmp_path / "harlow.json").write_text(text)
    with pytest.raises(RunDirectoryError, match=r"harlow\.json must be a part of a report"):
        reproduce(["two-step"], tmp_path, seeds=1)


def test_parts_of_a_report_that_are_none(tmp_path):
    claim = {**dict.fromkeys(["experiment", "claim", "published", "source", "accept"], "")}
    claim |= {"measured": 1, "ci_low": None, "ci_high": None, "seeds": 3, "passed": True}
    whole = {"name": "harlow", "command": "neurotasks", "seconds": 1, "quick": False}
    whole |= {"claims": [claim], "measures": {"0": {"seconds": 2}}}
    file, figure = tmp_path / "harlow.json", tmp_path / "harlow.png"
    file.write_text(json.dumps(whole))
    figure.touch()
    assert [list(part.measures) for part in read_parts(tmp_path)] == [[0]]
    for changed in (
        whole | {"name": "two-step"},
        whole | {"seconds": "1"},
        whole | {"more": 1},
        whole | {"claims": [claim | {"measured": "1"}]},
        whole | {"claims": [claim | {"more": 1}]},
        whole | {"measures": {}},
        whole | {"measures": {"0": {}}},
        whole | {"measures": {"0": 1}},
        whole | {"measures": {"first": {"seconds": 2}}},
        whole | {"measures": {"9" * 5000: {"seconds": 2}}},
    ):
        file.write_text(json.dumps(changed))
        with pytest.raises(RunDirectoryError, match=r"harlow\.json must be a part of a report"):
            read_parts(tmp_path)
    file.write_text(json.dumps(whole))
    figure.unlink()
    with pytest.raises(FileNotFoundError, match=r"harlow\.png"):
        read_parts(tmp_path)
    os.mkfifo(figure)
    with pytest.raises(RunDirectoryError, match="it is no regular file"):
        read_parts(tmp_path)


def test_reproduce_fails_with_the_error_of_a_job(threads, tmp_path):
    def stand_in(job):
        raise FloatingPointError(f"seed {job.seed}")

    threads(stand_in)
    with pytest.raises(FloatingPointError, match="seed 0"):
        reproduce(["harlow"], tmp_path, seeds=1)
    assert not (tmp_path / "index.html").exists()


def strict(file):
    """Return what is in a JSON file; NaN is none of JSON's words."""
    return json.loads(file.read_text(), parse_constant=lambda name: pytest.fail(name))


def test_files_are_strict_json(threads, tmp_path):
    """What is not defined is null, and the page says so."""
    threads(lambda job: harlow(early=np.nan) if job.seed else harlow())
    claims = reproduce(["harlow"], tmp_path, seeds=3)
    written = {c["claim"]: c["measured"] for c in strict(tmp_path / "claims.json")}
    assert [claim for claim, measured in written.items() if measured is None] == [GAIN, EARLY]
    assert strict(tmp_path / "harlow.json")["measures"]["1"]["quantiles"][0] == [0.5] * 5 + [None]
    again = [Claim(**fields) for fields in strict(tmp_path / "claims.json")]
    assert again == claims
    assert (tmp_path / "results.md").read_text() == results_page(again)


@pytest.mark.parametrize("seeds", [0, -1])
def test_no_seeds(seeds, tmp_path):
    with pytest.raises(SeedError, match=f"seeds={seeds}"):
        reproduce(["harlow"], tmp_path / "out", seeds=seeds)
    assert not (tmp_path / "out").exists()


# What runs when, and what is said of it.


@pytest.mark.slow
def test_long_trainings_first(threads, tmp_path, monkeypatch):
    started, seconds = [], {"harlow": 3.0, "two-step": 1.0}
    monkeypatch.setattr(Job, "expected_seconds", property(lambda job: seconds[job.name]))

    def stand_in(job):
        started.append(job.name)
        return two_step() if job.name == "two-step" else harlow()

    threads(stand_in)
    reproduce(["two-step", "harlow"], tmp_path, seeds=2, train=True, workers=1)
    assert started == ["harlow"] * 2 + ["two-step"] * 2


def test_no_more_jobs_than_workers(threads, tmp_path):
    running, most = set(), []

    def stand_in(job):
        running.add(job.seed)
        most.append(len(running))
        time.sleep(0.02)
        running.discard(job.seed)
        return harlow()

    threads(stand_in)
    reproduce(["harlow"], tmp_path, workers=2)
    assert max(most) == 2


def test_expected_seconds(tmp_path):
    """As long as the shipped agent of that seed took, in proportion."""
    shipped = read_description(reproduction.WEIGHTS / "harlow" / "agent-2")
    job = Job("harlow", 2, tmp_path, train=True, quick=False)
    work = job.expected_seconds - reproduction.MEASURE_SECONDS
    expected = shipped["seconds"] * job.steps / shipped["num_timesteps"]
    assert work == pytest.approx(expected)
    quick = replace(job, quick=True).expected_seconds - reproduction.MEASURE_SECONDS
    assert quick == pytest.approx(expected / reproduction.QUICK_STEPS)
    assert replace(job, train=False).expected_seconds == reproduction.MEASURE_SECONDS
    unknown = replace(job, seed=999).expected_seconds - reproduction.MEASURE_SECONDS
    assert unknown == job.steps / reproduction.STEPS_PER_SECOND


def test_what_a_job_says(tmp_path, monkeypatch):
    """From its files: the second of two trainings, two million steps into it."""
    job = Job("harlow", 0, tmp_path, train=True, quick=False)
    assert job.status() == Status(0.0, "starting")
    clock = iter([10.0, 20.0, 20.9, 30.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    tell = progress_reporter(job.progress_file, "late", 500_000)
    tell(1_000_000)  # after an interruption
    tell(1_400_000)
    tell(1_500_000)  # less than a second later
    assert strict(job.progress_file) == {
        **{"agent": "late", "steps": 1_900_000, "steps_per_second": 40_000}
    }
    status = job.status()
    assert status.done == pytest.approx(1.9e6 / job.steps)
    assert status.text == f"late: 1.90 of {job.steps / 1e6:.2f} M steps, 40,000 steps/s"
    assert [p.name for p in tmp_path.iterdir()] == ["progress.json"]
    progress_reporter(job.progress_file, "late", job.steps)(0)
    assert job.status() == Status(1.0, "measuring")
    assert replace(job, train=False).status() == Status(0.0, "measuring")


@pytest.mark.slow
def test_seeds_of_a_reproduction(threads, tmp_path):
    for task_kwargs, expected in (
        ({}, list(HARLOW.seeds)),
        ({"quick": True}, [0]),
        ({"quick": True, "seeds": 2}, [0, 1]),
    ):
        seen = []
        threads(lambda job, seen=seen: seen.append(job.seed) or harlow())
        reproduce(["harlow"], tmp_path, **task_kwargs)
        assert sorted(seen) == expected


@pytest.mark.parametrize(
    "given",
    [
        ([], None, False, False, None, "cpu"),
        (["harlow"], 3, True, False, None, "cuda"),
        (["two-step", "harlow"], 1, True, True, None, "cpu"),
    ],
)
def test_the_command_in_the_report_is_the_one_given(given):
    words = command(*given).split()
    assert words[0] == "neurotasks"
    options = parser().parse_args(words[1:])
    found = options.names, options.seeds, options.train, options.quick
    assert (*found, options.neurons, options.device) == given


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_job(name, tiny, monkeypatch, tmp_path):
    """A short training is measured with everything the claims, the figure and JSON need."""
    hyperparameters = replace(tiny, total_steps=20 * 1200, n_steps=300, whole_episodes=False)
    for kind in (Training, CartPoleTraining):
        monkeypatch.setattr(kind, "hyperparameters", property(lambda _: hyperparameters))
    monkeypatch.setattr(reproduction, "QUICK_EPISODES", 20)
    experiment = EXPERIMENTS[name]
    job = Job(name, 1, tmp_path, train=True, quick=True)
    assert job.steps == 1200 * len(experiment.trainings)
    measures = run(job)
    for agent, training in experiment.trainings.items():
        early = tmp_path / agent / "early.safetensors"
        assert early.exists() is (training.early is not None)
        if training.early is not None:  # a rollout is 1,200 steps
            assert read_description(early)["num_timesteps"] == 1200
        made = read_description(tmp_path / agent / "agent")
        assert (made["num_timesteps"], made["seed"]) == (1200, 1)
    again = run(job)  # finished: nothing is trained
    np.testing.assert_equal(again, measures)
    json.dumps(measures)
    for early in tmp_path.rglob("early.safetensors"):
        rewrite(early, seed=2)
        with pytest.raises(RunDirectoryError, match=r"early\.safetensors must hold .* seed\."):
            run(job)
    claims = evaluate_claims(experiment, [measures] * 2)
    assert not experiment.trainings or not all(c.passed for c in claims)
    assert {c.experiment for c in claims} == {name}
    assert len({c.claim for c in claims}) == len(claims)
    assert all(c.published and c.source and c.accept for c in claims)
    for seeds in (1, 3):
        assert_drawn(experiment.figure([measures] * seeds), tmp_path / "figure.png")


def test_shipped_agents_need_no_steps():
    assert Job("harlow", 0, SimpleNamespace(), train=False, quick=False).steps == 0
    assert Job("harlow", 0, SimpleNamespace(), train=True, quick=False).steps == (
        TABLE["neurotasks/Harlow-v0"].total_steps
    )
