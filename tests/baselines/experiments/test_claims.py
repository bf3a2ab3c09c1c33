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

import numpy as np
import pytest
from doctored import rewrite
from figures import assert_drawn
from matplotlib.figure import Figure

from neurotasks_baselines.cli.commands import parser
from neurotasks_baselines.errors import RunDirectoryError, SeedError, UnknownExperimentError
from neurotasks_baselines.experiments import EXPERIMENTS, runner as reproduction, select
from neurotasks_baselines.experiments.base import Training, nothing
from neurotasks_baselines.experiments.cart_pole import CartPoleTraining
from neurotasks_baselines.experiments.claims import (
    COUNTED,
    KINDS,
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
    headline,
    number,
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
        EXPERIMENTS["two-step"],
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


# Two experiments with small tables, under names that exist.


SOURCE = "paper, Fig. 1"
TABLES = {
    "two-step": (
        Row("the agent stays", "x", "0.5", SOURCE, between(0.2, 0.6), "number", "untrained"),
        Row("rises", "y", "> 0", SOURCE, at_least(0), "direction", "untrained"),
        Row(
            "is near the ideal | always",
            "x",
            "0.4",
            "computed",
            at_least(0.2),
            "reference",
            "observer",
        ),
        Row("the task is right", "references.z", "0", "computed", at_most(1), "check"),
        Row(
            "is", "x", "-", "not published", REPORTED, "reported", note="It contradicts the paper."
        ),
    ),
    "harlow": (
        Row("learns", "x", "0.5", SOURCE, between(0.2, 0.6), "number", "untrained"),
        Row("falls", "y", "< 2", SOURCE, at_most(2), "direction", "untrained"),
        Row("is learned", "y", "all", SOURCE, at_least(0.1), "direction", "untrained", "fraction"),
    ),
}


def made(x=0.5, y=1.0, **changes):
    """Return the measures of a seed, whose foil fails everything but y <= 2."""
    return {"x": x, "y": y, "foils": {"untrained": {"x": -5, "y": -5}}, "seconds": 5.0, **changes}


def draw(measures):
    figure = Figure()
    figure.subplots().plot([m["x"] for m in measures])
    return figure


def references():
    return {"z": 0.5, "foils": {"observer": {"x": 0.1}}}


@pytest.fixture
def small(monkeypatch):
    """Give two experiments the small tables; returns them."""
    parts = {"derive": nothing, "figure": draw, "references": references}
    for name, table in TABLES.items():
        experiment = replace(EXPERIMENTS[name], claims=table, **parts)
        monkeypatch.setitem(EXPERIMENTS, name, experiment)
    return [EXPERIMENTS[name] for name in TABLES]


def verdicts(experiment, *measures):
    return [claim.verdict for claim in evaluate_claims(experiment, list(measures))]


def test_verdicts_of_the_small_tables(small):
    first, second = small
    assert verdicts(first, *[made()] * 3) == ["held", "held", "held", "", ""]
    assert verdicts(first, *[made(0.7)] * 3) == ["missed", "held", "held", "", ""]
    assert verdicts(first, *[made(np.nan)] * 3) == ["missed", "held", "missed", "", ""]
    assert verdicts(second, *[made()] * 3) == ["held", "not diagnostic", "held"]
    assert verdicts(second, made()) == ["undecided", "undecided", "held"]


def test_experiments_have_settings():
    for experiment in EXPERIMENTS.values():
        for training in experiment.trainings.values():
            assert training.hyperparameters or training.hyperparameters is TABLE[training.id]
        assert max(experiment.seeds) < 1000  # hyperparameters were chosen from 1000 up


def test_select():
    assert select(["harlow"]) == [EXPERIMENTS["harlow"]]
    assert select([]) == list(EXPERIMENTS.values())
    assert {"two-step", "harlow"} <= {e.name for e in select(["wang2018"])}
    assert select(["harlow", "wang2018"])[0] == EXPERIMENTS["harlow"]
    with pytest.raises(UnknownExperimentError, match=r"'harlov'.*Did you mean 'harlow'"):
        select(["two-step", "harlov"])


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
def claims(small):
    """Return claims of both experiments, with every verdict but "undecided"."""
    first, second = small
    found = evaluate_claims(first, [made(0.7)] * 2)
    return found, evaluate_claims(second, [made(np.nan), made()])


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


def test_report(report, claims, small):
    text, page = report()
    assert text.startswith("<!doctype html>")
    both = [c for part in claims for c in part]
    cells = Counter(page.cells)
    found = Counter(c.verdict for c in both if c.counted)
    assert found == {"held": 3, "missed": 2, "not diagnostic": 1}
    assert {verdict: cells[verdict] for verdict in found} == found
    assert headline(both) in page.text
    names = {c.claim + c.note for c in both}
    published = {c.published + c.source for c in both}
    rows = [page.cells[i : i + 8] for i, cell in enumerate(page.cells) if cell in names]
    rows = [row for row in rows if row[1] in published]
    assert len(rows) == len(both)
    for c in both:
        row = next(r for r in rows if r[0] == c.claim + c.note)
        interval = "" if c.ci_low is None else f"{c.ci_low:.3f} to {c.ci_high:.3f}"
        measured = "not defined" if c.measured is None else f"{c.measured:.3f}"
        foil = "" if c.foil is None else f"{c.foil}{c.foil_measured:.3f}"
        assert row[1] == c.published + c.source
        assert row[2] == (c.accept if c.kind != "reported" else "")
        assert row[3:] == [measured, interval, foil, str(len(c.values)), c.verdict]
    for part, experiment in zip(claims, small, strict=True):
        assert experiment.question in page.text
        assert page.ids.count(experiment.name) == 1
        summary = page.cells[page.cells.index(experiment.title) :][:5]
        counted = [c for c in part if c.counted]
        lost = [
            c.claim + " (not diagnostic)" * (c.verdict == "not diagnostic")
            for c in counted
            if not c.held
        ]
        assert summary[1:] == [
            f"{len(counted) - len(lost)} of {len(counted)}",
            "; ".join(lost) or "none",
            "3 to 5",
            "7 s",
        ]
    assert "Seeds 3 to 5, trained on one core each in 7 s (median), together 5 min" in page.text
    assert "neurotasks <reproduce>" in page.text
    assert "in 12 s" in page.text
    assert " ".join(hyperparameters.__doc__.split()) in " ".join(page.text.split())


def test_headline(claims, small):
    both = [c for part in claims for c in part]
    assert headline(both) == (
        "3 of 6 claims hold (interval within the range, foil fails), 1 are not diagnostic; "
        "1 measures are reported."
    )
    assert "2 rest on one seed" in headline(evaluate_claims(small[1], [made()]))


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
    assert headline(both) in lines
    assert [line for line in lines if line.startswith("## ")] == ["## two-step", "## harlow"]
    titles = [line.removeprefix("### ") for line in lines if line.startswith("### ")]
    assert titles == [*KINDS.values(), *(KINDS[kind] for kind in ("number", "direction"))]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if re.match(r"\| (?!---)", line)]
    rows = [
        [cell.strip().replace("\\|", "|") for cell in row]
        for row in rows
        if "finding" not in row[0]
    ]
    assert [row[0] for row in rows] == [f"{c.claim}. {c.note}" if c.note else c.claim for c in both]
    in_words = {"": [], "held": ["held"], "missed": ["**missed**"]}
    in_words["not diagnostic"] = ["**not diagnostic**"]
    for row, c in zip(rows, both, strict=True):
        assert row[2] == number(c.measured)
        assert row[-1] == str(len(c.values))
        assert row[6:-1] == in_words[c.verdict]
        assert len(row) == {"check": 6, "reported": 5}.get(c.kind, 8)
        if c.foil:
            assert row[5] == f"{c.foil}: {c.foil_measured:.3f}"
    assert "not defined" in {row[2] for row in rows}


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([0, 1, 2], "0 to 2"), ([4], "4"), ([0, 1], "0, 1"), ([0, 2, 3], "0, 2, 3")],
)
def test_span(numbers, text):
    assert span(numbers) == text


# The whole of it, with agents that need no training.


@pytest.fixture
def threads(monkeypatch, small):
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
        return made(seed=job.seed)

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
    assert {c.verdict for c in claims} == {"held", "not diagnostic", ""}
    assert {len(c.values) for c in claims} == {1, 3}
    page = Page((tmp_path / "index.html").read_text())
    assert "neurotasks reproduce two-step harlow --seeds 3" in page.text
    assert (tmp_path / "results.md").read_text() == results_page(claims)


@pytest.mark.slow
def test_a_partial_reproduction_updates_its_part_of_the_report(threads, tmp_path):
    """The other experiments keep their claims, figures and sections, and say where from."""
    threads(lambda job: made())
    reproduce(["harlow", "two-step"], tmp_path, seeds=2)
    kept = {f: (tmp_path / f).read_bytes() for f in ("harlow.json", "harlow.png")}
    before = json.loads((tmp_path / "claims.json").read_text())
    assert "come from" not in Page((tmp_path / "index.html").read_text()).text

    threads(lambda job: made(0.7))
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
    assert set(page.cells) >= {c.claim + c.note for c in after}
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
    claim = dict.fromkeys(["experiment", "claim", "published", "source", "accept", "note"], "")
    claim |= {"measured": 1, "ci_low": None, "ci_high": None, "values": [1], "kind": "number"}
    claim |= {"foil": None, "foil_measured": None, "verdict": "held"}
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
        whole | {"claims": [claim | {"verdict": "nearly"}]},
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
    threads(lambda job: made(np.nan) if job.seed else made())
    claims = reproduce(["harlow"], tmp_path, seeds=3)
    written = {c["claim"]: c["measured"] for c in strict(tmp_path / "claims.json")}
    assert [claim for claim, measured in written.items() if measured is None] == ["learns"]
    assert strict(tmp_path / "harlow.json")["measures"]["1"]["x"] is None
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
        return made()

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
        return made()

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
        ({}, list(EXPERIMENTS["harlow"].seeds)),
        ({"quick": True}, [0]),
        ({"quick": True, "seeds": 2}, [0, 1]),
    ):
        seen = []
        threads(lambda job, seen=seen: seen.append(job.seed) or made())
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
    assert not experiment.trainings or not all(c.held for c in claims if c.counted)
    assert {c.experiment for c in claims} == {name}
    assert len({c.claim for c in claims}) == len(claims)
    assert all(c.published and c.source and c.accept for c in claims)
    for seeds in (1, 3):
        assert_drawn(experiment.figure([measures] * seeds, {}), tmp_path / "figure.png")


def test_shipped_agents_need_no_steps():
    assert Job("harlow", 0, SimpleNamespace(), train=False, quick=False).steps == 0
    assert Job("harlow", 0, SimpleNamespace(), train=True, quick=False).steps == (
        TABLE["neurotasks/Harlow-v0"].total_steps
    )
