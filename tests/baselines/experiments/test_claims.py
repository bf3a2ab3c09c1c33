"""Claims that can be missed, and the report that shows it."""

import base64
import itertools
import json
import os
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from doctored import rewrite
from figures import assert_drawn
from judged import judge, with_frozen
from matplotlib.figure import Figure

from neurotasks_baselines.cli.commands import parser
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.errors import RunDirectoryError, SeedError, UnknownExperimentError
from neurotasks_baselines.experiments import (
    EXPERIMENTS,
    jobs as seed_jobs,
    runner as reproduction,
    select,
)
from neurotasks_baselines.experiments.base import nothing
from neurotasks_baselines.experiments.claims import (
    COUNTED,
    FOILS,
    KINDS,
    REFERENCES,
    REPORTED,
    Accepted,
    Claim,
    Row,
    at_least,
    at_most,
    between,
    estimate,
    evaluate_claims,
    lacking,
    look_up,
    over_seeds,
)
from neurotasks_baselines.experiments.jobs import Job, run
from neurotasks_baselines.experiments.learners import (
    FOIL_SEEDS,
    FROZEN,
    LACKING,
    learners_of,
    seeds_of,
    trainings_of,
)
from neurotasks_baselines.experiments.report import (
    Part,
    headline,
    read_part,
    read_parts,
    results_page,
    span,
    tables,
    write_report,
)
from neurotasks_baselines.experiments.robustness import only_at_our_settings
from neurotasks_baselines.experiments.runner import command, reproduce
from neurotasks_baselines.training import hyperparameters, jobs, progress
from neurotasks_baselines.training.agent_files import read_description
from neurotasks_baselines.training.hyperparameters import TABLE
from neurotasks_baselines.training.progress import Status, progress_reporter
from neurotasks_baselines.training.wang2018 import wang2018_for

CLAIMS = Path(__file__).parents[3] / "docs" / "claims.json"


# The mean over seeds, its interval, and the verdict.


def state(values, statistic="mean", kind="number", foils=(), **bounds):
    row = Row("it is so", "key", "0.5", "paper", Accepted(**bounds), kind, "a foil", statistic)
    return over_seeds("some", "ppo", row, values, {str(i): x for i, x in enumerate(foils)})


def test_over_seeds():
    """By hand: Student's t of four degrees of freedom is 2.776."""
    claim = state([0.1, 0.4, 0.2, 0.9, 0.3], low=-1, high=2, foils=[3.0, np.nan])
    assert claim.measured == pytest.approx(0.38)
    half = 2.776445 * np.sqrt(0.097 / 5)
    assert (claim.ci_low, claim.ci_high) == pytest.approx((0.38 - half, 0.38 + half), abs=1e-6)
    assert claim.values == [0.1, 0.4, 0.2, 0.9, 0.3]
    assert (claim.experiment, claim.claim, claim.published) == ("some", "it is so", "0.5")
    assert (claim.source, claim.accept, claim.verdict) == ("paper", "-1 to 2", "held")
    assert claim.foils == {"0": 3.0, "1": None}
    assert (claim.learner, claim.headline, claim.counted) == ("ppo", True, True)
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
    claim = state([0.5] * 3, low=low, high=high, foils=[0.9 if high < 0.9 else -9.0])
    assert (claim.verdict, claim.ci_low, claim.ci_high) == (verdict, 0.5, 0.5)


def test_an_interval_that_leaves_the_range_is_a_miss():
    values = [0.4, 0.5, 0.6]
    claim = state(values, low=0.45, foils=[0.0])
    assert claim.measured > 0.45
    assert claim.verdict == "missed"
    assert state(values, low=claim.ci_low, foils=[0.0]).verdict == "held"


@pytest.mark.parametrize(
    "foils",
    [(), [0.8], [np.nan], [np.nan] * 2, [0.5, 0.8], [0.8, 0.5], [np.nan, 0.8], [0.1, np.inf]],
)
def test_a_claim_whose_foil_passes_is_not_diagnostic(foils):
    """One of them is enough; so is one without a foil, or none of whose foils can be computed."""
    assert state([0.7] * 3, low=0.6, foils=foils).verdict == "not diagnostic"
    assert state([0.5] * 3, low=0.6, foils=foils).verdict == "missed"


@pytest.mark.parametrize("foils", [[0.59], [0.59, 0.1], [0.59, np.nan], [-np.inf, 0.59]])
def test_a_claim_whose_foils_fail_holds(foils):
    assert state([0.7] * 3, low=0.6, foils=foils).verdict == "held"


def test_why_a_claim_does_not_hold_is_said_where_it_does_not():
    row = Row(
        "it is so",
        "key",
        "0.5",
        "paper",
        at_least(0.6),
        "number",
        "a foil",
        why={"ppo": "Too few."},
    )

    def why(value, foil, seeds=3):
        claim = over_seeds("some", "ppo", row, [value] * seeds, {"a foil": foil})
        return claim.verdict, claim.why

    assert why(0.7, 0.5) == ("held", "")
    assert why(0.7, 0.7) == ("not diagnostic", "Too few.")
    assert why(0.5, 0.5) == ("missed", "Too few.")
    assert why(0.7, 0.5, seeds=1) == ("undecided", "")


def test_claims_about_other_agents_have_a_verdict_and_are_not_counted():
    row = Row("it is so", "key", "0.5", "paper", at_least(0.6), "number", "a foil")
    claim = over_seeds("some", "ppo", row, [0.7] * 3, {"a foil": 0.1}, headline=False)
    assert (claim.verdict, claim.held, claim.counted) == ("held", True, False)


@pytest.mark.parametrize("kind", ["check", "reported"])
def test_what_is_not_counted_has_no_verdict(kind):
    claim = state([0.7] * 3, kind=kind, low=0.8)
    assert (claim.verdict, claim.counted, claim.held) == ("", False, False)


def test_one_seed_decides_nothing():
    assert state([0.7], low=0.6, foils=[0.0]).verdict == "undecided"


@pytest.mark.parametrize("values", [[np.nan], [0.5, np.nan, 0.5], [np.nan] * 3, [np.inf, 1.0]])
@pytest.mark.parametrize("bounds", [{}, {"low": 0.0}, {"high": 1.0}, {"low": 0, "high": 1}])
def test_what_is_not_finite_never_holds(values, bounds):
    claim = state(values, foils=[9.0], **bounds)
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
    "a third of seeds has not learned": mixture(1 / 3),
    "a fifth of seeds has not learned": mixture(1 / 5),
    "a tenth of seeds has not learned": mixture(1 / 10),
}
# By 20,000 samples. Where few seeds fail, and few are trained, often none of those is seen.
COVERAGES = {
    "normal": {5: 0.95, 10: 0.95, 20: 0.95},
    "skewed": {5: 0.94, 10: 0.94, 20: 0.94},
    "near a ceiling": {5: 0.92, 10: 0.93, 20: 0.94},
    "a third of seeds has not learned": {5: 0.86, 10: 0.90, 20: 0.93},
    "a fifth of seeds has not learned": {5: 0.67, 10: 0.88, 20: 0.92},
    "a tenth of seeds has not learned": {5: 0.42, 10: 0.66, 20: 0.88},
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_coverage_of_the_interval(shape):
    """As the page on how a claim is judged says."""
    draw, mean = SHAPES[shape]
    for seeds, expected in COVERAGES[shape].items():
        samples = draw(np.random.default_rng(0), (1000, seeds))
        found = [estimate(sample)[1:] for sample in samples]
        coverage = np.mean([low <= mean <= high for low, high in found])
        assert coverage == pytest.approx(expected, abs=0.045)
    text = (CLAIMS.parent / "judging.md").read_text()
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
    claim = state([1] * 20, "fraction", low=0.75, foils=[0.5])
    assert (claim.measured, claim.ci_high, claim.verdict) == (1.0, 1.0, "held")
    assert claim.ci_low == pytest.approx(1 / (1 + 1.959964**2 / 20))
    assert state([1] * 5, "fraction", low=0.75, foils=[0.5]).verdict == "missed"
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
    known = over_seeds("some", "recorded", neurons, [0.5])
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
        algorithms=("ppo",),
        claims=table,
        derive=lambda m: {"doubled": 2 * m["x"][1], "large": m["x"][1] > 1},
        references=lambda: {"x": [0, 3.5], "doubled": 7, "foils": {"observer": {"x": [0, 20]}}},
        recorded=(known,),
    )
    measures = {
        7 * seed: {"x": [0, value], "foils": {"untrained": {"x": [0, -value - 3]}}}
        for seed, value in enumerate((1.0, 2.0, 3.0))
    }
    claims = evaluate_claims(experiment, {"ppo": measures})
    assert [c.measured for c in claims] == [2.0, 4.0, 7.0, pytest.approx(2 / 3), 2.0, 0.5]
    foils = [{"untrained": -5.0}, {"observer": 40.0}, {}, {"untrained": 0.0}, {}, {}]
    assert [c.foils for c in claims] == foils
    assert [c.learner for c in claims] == ["ppo"] * 5 + ["recorded"]
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
    fields = ("learner", "claim", "kind", "published", "source", "accept", "note", "headline")
    experiment = EXPERIMENTS[name]
    rows = [
        (learner, row)
        for learner in experiment.algorithms
        for row in experiment.claims
        if learner == experiment.algorithms[0] or not row.key.startswith(REFERENCES)
    ]
    assert [tuple(c[field] for field in fields) for c in published] == [
        (
            *(learner, r.name, r.kind, r.published, r.source, str(r.accepted), r.note),
            learner == experiment.algorithms[0],
        )
        for learner, r in rows
    ]
    for claim, (_, row) in zip(published, rows, strict=True):
        own = [] if row.foil is None else [row.foil]
        about_agents = row.kind in COUNTED and not row.key.startswith(REFERENCES)
        lacks = experiment.lacking and row.lacking and about_agents
        others = [name for name in LACKING.values() if name not in experiment.able]
        assert list(claim["foils"]) == own + [*others, FROZEN] * lacks, row.name
        assert list(claim["able"]) == list(experiment.able) * lacks, row.name
        why = row.why.get(claim["learner"], "")
        said = why if claim["verdict"] in ("missed", "not diagnostic") else ""
        assert claim["why"] == said


def test_what_json_has_no_number_for_is_nan():
    """Recorded measures have None where those of a run have NaN, also in what is derived."""
    row = Row("derived", "doubled", "2", "B", at_most(9), "number", "untrained")
    experiment = replace(
        EXPERIMENTS["two-step"],
        algorithms=("ppo",),
        claims=(row,),
        derive=lambda m: {"doubled": 2 * float(np.mean(m["x"]))},
        references=nothing,
    )
    foils = {"untrained": {"x": [None]}}
    measures = {0: {"x": [1.0, 2.0], "foils": foils}, 1: {"x": [1.0, None], "foils": foils}}
    (claim,) = evaluate_claims(experiment, {"ppo": measures})
    assert (claim.values, claim.foils, claim.verdict) == (
        [3.0, None],
        {"untrained": None},
        "missed",
    )


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


LACKS = {"x": -5, "y": -5, "seconds": 9.0}


def made_by(job, x=0.5):
    """Return the measures of a job, whose agents fail where they lack something."""
    return LACKS if job.learner in LACKING else made(x, seed=job.seed)


def draw(measures, foils):
    figure = Figure()
    figure.subplots().plot([m["x"] for m in measures])
    return figure


def references():
    return {"z": 0.5, "foils": {"observer": {"x": 0.1}}}


@pytest.fixture
def small(monkeypatch):
    """Give two experiments, one of both algorithms, the small tables; returns them."""
    parts = {"derive": nothing, "figure": draw, "references": references}
    parts["seeds"] = range(100, 120)
    monkeypatch.setattr(seed_jobs, "FOIL_SEEDS", 5)
    learners = {
        "two-step": {"algorithms": ("a2c", "ppo"), "lacking": True},
        "harlow": {"algorithms": ("ppo",), "lacking": False},
    }
    for name, table in TABLES.items():
        experiment = replace(EXPERIMENTS[name], claims=table, **parts, **learners[name])
        monkeypatch.setitem(EXPERIMENTS, name, experiment)
    return [EXPERIMENTS[name] for name in TABLES]


def verdicts(experiment, *measures):
    return [claim.verdict for claim in judge(experiment, list(measures))]


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
        # other ones than those that were known when the ranges of the claims were set
        assert min(experiment.seeds) >= 100 or not experiment.trainings


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
    measures = {
        "a2c": dict.fromkeys((3, 4), made(0.7)),
        "ppo": dict.fromkeys((3, 4, 5), with_frozen(made(), {"x": 0.0, "y": -1.0})),
        "feed-forward": {3: LACKS},
        "no-action-input": {3: made()},  # can do the task, and is no foil
    }
    found = evaluate_claims(first, measures)
    return found, judge(second, [made(np.nan), made()])


TIMES = {3: {"seconds": 5.0}, 4: {"seconds": 7.0}, 5: {"seconds": 300.0}}
RAN = {
    "two-step": {"a2c": TIMES, "ppo": {3: {"seconds": 2.0}}, "no-action-input": TIMES},
    "harlow": {"ppo": TIMES},
}
PLAYED = {
    "two-step": {"a2c": [3, 4], "ppo": [3], "no-action-input": [3, 4, 5]},
    "harlow": {"ppo": [3, 4, 5]},
}


@pytest.fixture
def report(claims, tmp_path):
    def report(quick=False, claims=claims):
        for (name, ran), found in zip(RAN.items(), claims, strict=True):
            for learner in {"a2c", "ppo"} & set(ran):
                (tmp_path / f"{name}-{learner}.png").write_bytes(b"\x89PNG" + learner.encode())
            command = "neurotasks <reproduce>"
            Part(name, command, 12.3, quick, found, ran, PLAYED[name]).write(tmp_path)
        write_report(tmp_path)
        text = (tmp_path / "index.html").read_text()
        return text, Page(text)

    return report


def shown(claim):
    """Return the cell of the page that shows what was measured of a claim."""
    if claim is None:
        return ""
    text = "not defined" if claim.measured is None else f"{claim.measured:.3f}"
    if claim.ci_low is not None:
        text += f"{claim.ci_low:.3f} to {claim.ci_high:.3f}, {len(claim.values)} seeds"
    return text + claim.verdict + claim.why


def by_finding(claims):
    """Return the claims about each finding, by their algorithm."""
    found = {}
    for claim in claims:
        found.setdefault((claim.experiment, claim.claim), {})[claim.learner] = claim
    return found


def test_report(report, claims, small):
    text, page = report()
    assert text.startswith("<!doctype html>")
    both = [c for part in claims for c in part]
    assert Counter(c.verdict for c in both if c.counted) == {
        **{"held": 3, "missed": 2, "not diagnostic": 1}
    }
    assert headline(both) in page.text
    for (name, _), of_it in by_finding(both).items():
        c = next(iter(of_it.values()))
        columns = [of_it.get(learner) for learner in ("a2c", "ppo")]
        if name == "harlow":
            columns = [of_it["ppo"]]
        foils = who_fails(of_it)
        row = [c.claim + c.note, c.published + c.source]
        row += [c.accept] * (c.kind != "reported")
        row += map(shown, columns)
        row += [foils] * (c.kind in COUNTED)
        starts = [i for i in range(len(page.cells)) if page.cells[i : i + 2] == row[:2]]
        assert [page.cells[i : i + len(row)] for i in starts] == [row]
    heads = [page.cells[i : i + 6] for i, cell in enumerate(page.cells) if cell == "Finding"]
    wide, narrow = (
        ["Finding", "Published", "Accepted", *n, "Foils"] for n in (["A2C", "PPO"], ["PPO"])
    )
    assert heads[0] == wide
    assert heads[-1][:5] == narrow
    assert page.cells.count("Foils") == 5  # of each kind that has verdicts
    times = {
        "two-step": ["A2C 3 to 5; PPO 3", "A2C 7 s; PPO 2 s"],
        "harlow": ["PPO 3 to 5", "PPO 7 s"],
    }
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
            *times[experiment.name],
        ]
    for of_it in (
        "A2C: seeds 3 to 5, trained on one core each in 7 s (median), 5 min in all. ",
        "PPO: seeds 3, trained on one core each in 2 s (median), 2 s in all. ",
        "Agent without action input: seeds 3 to 5, trained on one core each in 7 s (median), "
        "5 min in all. To run this simulation alone",
    ):
        assert page.text.count(of_it) == 1
    assert "recorded" not in page.text
    assert "neurotasks <reproduce>" in page.text
    assert "in 12 s" in page.text
    assert " ".join(hyperparameters.__doc__.split()) in " ".join(page.text.split())


def test_headline(claims, small):
    both = [c for part in claims for c in part]
    assert headline(both) == (
        "3 of 6 claims hold (interval within the range, foils fail), 1 is not diagnostic; "
        "1 measure is reported."
    )
    assert "2 rest on one seed" in headline(judge(small[1], [made()]))


def test_report_needs_nothing_else(report):
    _, page = report()
    anchors = [a[1:] for a in page.addresses if a.startswith("#")]
    pictures = [a for a in page.addresses if a.startswith("data:image/png;base64,")]
    assert len(anchors) + len(pictures) == len(page.addresses)
    assert set(anchors) == set(page.ids) == {"two-step", "harlow", "hyperparameters"}
    prefix = "data:image/png;base64,"
    assert [base64.b64decode(p.removeprefix(prefix))[4:] for p in pictures] == [
        *(b"a2c", b"ppo", b"ppo")
    ]
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    assert not re.search(r"url\(|@import|http", page.styles)


@pytest.mark.parametrize("quick", [True, False])
def test_quick_reports_say_so(report, quick):
    assert ("its numbers are meaningless" in report(quick)[1].text) is quick


def test_report_shows_text_as_it_is(report, claims):
    odd = replace(
        claims[0][0],
        **{"claim": "<b>a < b & c</b>", "published": '"<script>"', "why": "<i>why</i>"},
        foils={"<script>": 1.0},
    )
    _, page = report(claims=([odd], claims[1]))
    assert "<b>a < b & c</b>" in page.cells
    assert any(cell.startswith("<script>: 1.000") for cell in page.cells)
    assert any(cell.endswith("<i>why</i>") for cell in page.cells)
    assert not {"script", "i"} & set(page.tags)


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
    found = by_finding(both)
    assert len(rows) == len(found)
    for row, ((name, _), of_it) in zip(rows, found.items(), strict=True):
        c = next(iter(of_it.values()))
        columns = ["a2c", "ppo"] if name == "two-step" else ["ppo"]
        assert row == [
            f"{c.claim}. {c.note}" if c.note else c.claim,
            f"{c.published} ({c.source})",
            *[c.accept] * (c.kind != "reported"),
            *(in_words(of_it.get(learner)) for learner in columns),
            *[who_fails(of_it)] * (c.kind in COUNTED),
        ]
    assert any("agent with frozen recurrent state: 0.000 (for PPO)" in row[-1] for row in rows)
    pictures = [line for line in lines if line.startswith("![")]
    assert [picture.rpartition("(")[2] for picture in pictures] == [
        *("figures/two-step-a2c.png)", "figures/two-step-ppo.png)", "figures/harlow-ppo.png)")
    ]
    data = [line.partition(".* ")[2] for line in lines if line.endswith(".csv)")]
    assert data == [
        f"[SVG](figures/{name}.svg), [data as CSV](figures/{name}.csv)"
        for name in ("two-step-a2c", "two-step-ppo", "harlow-ppo")
    ]
    assert any("not defined" in row[3] for row in rows)


def who_fails(of_it):
    """Return the cell of foils: those of the first algorithm, then what differs for the second."""

    def of(claim):
        able = {f"no foil, {who}": x for who, x in claim.able.items()}
        return [f"{who}: {x:.3f}" for who, x in {**claim.foils, **able}.items()]

    first, *others = of_it.values()
    found = of(first)
    for other in others:
        differing = of(other)
        found += [f"{text} (for PPO)" for text in differing if text not in found]
    return "; ".join(found) or "none"


def in_words(claim):
    """Return the cell of the page of results that shows what was measured of a claim."""
    if claim is None:
        return ""
    text = "not defined" if claim.measured is None else f"{claim.measured:.3f}"
    if claim.ci_low is not None:
        text += f" [{claim.ci_low:.3f}, {claim.ci_high:.3f}]"
    text += f", {len(claim.values)} seed{'s' * (len(claim.values) > 1)}"
    verdict = claim.verdict if claim.verdict in ("held", "") else f"**{claim.verdict}**"
    text += f": {verdict}" if verdict else ""
    return ". ".join(filter(None, (text, claim.why, only_at_our_settings(claim))))


def test_results_of_recorded_neurons_stand_in_their_own_rows(claims):
    """They are nobody's who was trained."""
    row = Row("of neurons", "", "-", "-", REPORTED, "reported")
    known = over_seeds("two-step", "recorded", row, [0.5])
    reported = next(f for title, f in tables([*claims[0], known]) if title == KINDS["reported"])
    (_, agents), (claim, alone) = reported
    assert [c.learner for c in agents] == ["a2c", "ppo"]
    assert (claim, alone) == (known, [known])
    lines = results_page([*claims[0], known]).splitlines()
    assert "| of neurons | - (-) | 0.500, 1 seed |  |" in lines


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


LEARNERS = {"two-step": ["a2c", "ppo", *LACKING], "harlow": ["ppo"]}
JOBS = [(name, learner) for name, learners in LEARNERS.items() for learner in learners]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_reproduce(threads, workers, tmp_path):
    started = []

    def stand_in(job):
        started.append(job)
        time.sleep(0.1 * (job.seed == 100))  # which is the last to be ready
        return made_by(job)

    threads(stand_in)
    claims = reproduce(["two-step", "harlow"], tmp_path, seeds=3, workers=workers)
    assert Counter((j.name, j.learner, j.seed) for j in started) == Counter(
        (*job, seed) for job, seed in itertools.product(JOBS, range(100, 103))
    )
    assert not any(j.train or j.quick for j in started)
    for j in started:
        assert j.directory == tmp_path / j.name / j.learner / f"seed{j.seed}"
    assert {p.name for p in tmp_path.iterdir()} == {
        ".lock",
        "index.html",
        "claims.json",
        "results.md",
        "two-step.json",
        "harlow.json",
        *(f"two-step-{one}.{kind}" for one in ("a2c", "ppo") for kind in ("png", "svg", "csv")),
        *(f"harlow-ppo.{kind}" for kind in ("png", "svg", "csv")),
    }
    for name, learners in LEARNERS.items():
        part = json.loads((tmp_path / f"{name}.json").read_text())
        assert list(part["measures"]) == learners
        for learner, of_seeds in part["measures"].items():
            assert list(of_seeds) == ["100", "101", "102"]
            if learner not in LACKING:
                assert {seed: m["seed"] for seed, m in of_seeds.items()} == {
                    **{"100": 100, "101": 101, "102": 102}
                }
        assert part["played"] == {learner: [100, 101, 102] for learner in learners}
        for learner in {"a2c", "ppo"} & set(learners):
            assert (tmp_path / f"{name}-{learner}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "claims.json").read_text()) == [c.to_json() for c in claims]
    assert {c.verdict for c in claims} == {"held", "not diagnostic", ""}
    assert {len(c.values) for c in claims} == {1, 3}
    learners = [(c.experiment, c.learner) for c in claims]
    assert (
        learners == [("two-step", "a2c")] * 5 + [("two-step", "ppo")] * 4 + [("harlow", "ppo")] * 3
    )
    page = Page((tmp_path / "index.html").read_text())
    assert "neurotasks reproduce two-step harlow --seeds 3" in page.text
    assert "recorded" not in page.text
    assert (tmp_path / "results.md").read_text() == results_page(claims)


@pytest.mark.slow
def test_a_partial_reproduction_updates_its_part_of_the_report(threads, tmp_path):
    """The other experiments keep their claims, figures and sections, and say where from."""
    threads(made_by)
    reproduce(["harlow", "two-step"], tmp_path, seeds=2)
    kept = {f: (tmp_path / f).read_bytes() for f in ("harlow.json", "harlow-ppo.png")}
    before = json.loads((tmp_path / "claims.json").read_text())
    assert "come from" not in Page((tmp_path / "index.html").read_text()).text

    threads(partial(made_by, x=0.7))
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
    assert page.tags["img"] == 3
    assert set(page.cells) >= {c.claim + c.note for c in after}
    assert "The sections come from 2 runs" in page.text
    sections = page.text.split("Does an agent trained on many pairs of objects")
    assert len(sections) == 2
    for part, words in zip(
        sections,
        ("reproduce two-step --seeds 3", "reproduce harlow two-step --seeds 2"),
        strict=True,
    ):
        assert part.count(f"Made by neurotasks {words} in") == 1
    seeds = [[list(of) for of in part.measures.values()] for part in read_parts(tmp_path)]
    assert seeds == [[[100, 101, 102]] * 5, [[100, 101]]]


@pytest.mark.parametrize("text", ["[1, 2]", "{", '{"claims": []}'])
def test_a_report_that_cannot_be_read_is_refused_before_the_work(text, threads, tmp_path):
    threads(lambda job: pytest.fail("a job ran"))
    (tmp_path / "harlow.json").write_text(text)
    with pytest.raises(RunDirectoryError, match=r"harlow\.json must be a part of a report"):
        reproduce(["two-step"], tmp_path, seeds=1)


def test_parts_of_a_report_that_are_none(tmp_path):
    words = ["experiment", "claim", "published", "source", "accept", "note", "why"]
    claim = dict.fromkeys(words, "") | {"learner": "ppo", "headline": True}
    claim |= {"measured": 1, "ci_low": None, "ci_high": None, "values": [1], "kind": "number"}
    claim |= {"foils": {"it": None}, "able": {}, "verdict": "held"}
    whole = {"name": "harlow", "command": "neurotasks", "seconds": 1, "quick": False}
    whole |= {"claims": [claim], "measures": {"ppo": {"0": {"seconds": 2}}}, "played": {"ppo": [0]}}
    whole |= {"references": {}, "played_again": [None]}
    file, figure = tmp_path / "harlow.json", tmp_path / "harlow-ppo.png"
    file.write_text(json.dumps(whole))
    figure.touch()
    assert [part.measures for part in read_parts(tmp_path)] == [{"ppo": {0: {"seconds": 2}}}]
    seconds = {"0": {"seconds": 2}}
    for changed in (
        whole | {"name": "two-step"},
        whole | {"seconds": "1"},
        whole | {"more": 1},
        whole | {"claims": [claim | {"measured": "1"}]},
        whole | {"claims": [claim | {"verdict": "nearly"}]},
        whole | {"claims": [claim | {"more": 1}]},
        whole | {"claims": [claim | {"learner": 1}]},
        whole | {"claims": [claim | {"learner": "dqn"}]},
        whole | {"claims": [claim | {"foils": {"it": "1"}}]},
        whole | {"claims": [claim | {"foils": None}]},
        whole | {"claims": [{k: v for k, v in claim.items() if k != "learner"}]},
        whole | {"measures": {}},
        whole | {"measures": {"0": {"seconds": 2}}},  # as another version wrote it
        whole | {"measures": {"ppo": {}}},
        whole | {"measures": {"ppo": {"0": {}}}},
        whole | {"measures": {"ppo": {"0": 1}}},
        whole | {"measures": {"ppo": {"first": {"seconds": 2}}}},
        whole | {"measures": {"ppo": {"9" * 5000: {"seconds": 2}}}},
        whole | {"measures": {"ppo": seconds, "dqn": seconds}, "played": {"ppo": [0], "dqn": [0]}},
        whole | {"measures": {"feed-forward": seconds}, "played": {"feed-forward": [0]}},
        whole | {"played": {}},
        whole | {"played": {"ppo": ["0"]}},
        whole | {"played": {"ppo": [0], "a2c": [0]}},
        whole | {"played": {"ppo": [1]}},
        whole | {"references": []},
        whole | {"played_again": [1, 1]},
    ):
        file.write_text(json.dumps(changed))
        with pytest.raises(RunDirectoryError, match=r"harlow\.json must be a part of a report"):
            read_parts(tmp_path)
    file.write_text(json.dumps(whole))
    figure.unlink()
    with pytest.raises(FileNotFoundError, match=r"harlow-ppo\.png"):
        read_parts(tmp_path)
    os.mkfifo(figure)
    with pytest.raises(RunDirectoryError, match="it is no regular file"):
        read_parts(tmp_path)


def test_reproduce_fails_with_the_error_of_a_job(threads, tmp_path):
    def stand_in(job):
        raise FloatingPointError(f"seed {job.seed}")

    threads(stand_in)
    with pytest.raises(FloatingPointError, match="seed 100"):
        reproduce(["harlow"], tmp_path, seeds=1)
    assert not (tmp_path / "index.html").exists()


def strict(file):
    """Return what is in a JSON file; NaN is none of JSON's words."""
    return json.loads(file.read_text(), parse_constant=lambda name: pytest.fail(name))


def test_files_are_strict_json(threads, tmp_path):
    """What is not defined is null, and the page says so."""
    threads(lambda job: made_by(job, np.nan if job.seed > 100 else 0.5))
    claims = reproduce(["harlow"], tmp_path, seeds=3)
    written = {c["claim"]: c["measured"] for c in strict(tmp_path / "claims.json")}
    assert [claim for claim, measured in written.items() if measured is None] == ["learns"]
    assert strict(tmp_path / "harlow.json")["measures"]["ppo"]["101"]["x"] is None
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
        return made_by(job)

    threads(stand_in)
    reproduce(["two-step", "harlow"], tmp_path, seeds=2, train=True, workers=1)
    assert started == ["harlow"] * 2 + ["two-step"] * 10


def test_no_more_jobs_than_workers(threads, tmp_path):
    running, most = set(), []

    def stand_in(job):
        running.add(job.seed)
        most.append(len(running))
        time.sleep(0.02)
        running.discard(job.seed)
        return made()

    threads(stand_in)
    reproduce(["harlow"], tmp_path, seeds=5, workers=2)
    assert max(most) == 2


def test_expected_seconds(tmp_path):
    """As long as the shipped agent of that seed took, in proportion."""
    shipped = read_description(seed_jobs.WEIGHTS / "harlow" / "ppo" / "agent-102")
    job = Job("harlow", "ppo", 102, tmp_path, train=True, quick=False)
    measuring = EXPERIMENTS["harlow"].measure_seconds
    work = job.expected_seconds - measuring
    expected = shipped["seconds"] * job.steps / shipped["num_timesteps"]
    assert work == pytest.approx(expected)
    quick = replace(job, quick=True).expected_seconds - measuring
    assert quick == pytest.approx(expected / seed_jobs.QUICK_STEPS)
    assert replace(job, train=False).expected_seconds == measuring
    lacks = replace(job, learner="feed-forward", train=False)
    assert lacks.expected_seconds == seed_jobs.SHARE_LACKING * measuring
    unknown = replace(job, seed=999).expected_seconds - measuring
    assert unknown == job.steps / seed_jobs.STEPS_PER_SECOND


def test_what_a_job_says(tmp_path, monkeypatch):
    """From its files: the second of two trainings, two million steps into it."""
    job = Job("harlow", "ppo", 100, tmp_path, train=True, quick=False)
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
def test_seeds_of_a_reproduction(threads, tmp_path, few_records):
    every, few = list(range(100, 120)), list(range(100, 105))
    for given, expected, of_lacking in (
        ({}, few, few[:2]),
        ({"train": True}, few, few[:2]),
        ({"every_seed": True}, every, few),
        ({"every_seed": True, "train": True}, every, few),
        ({"seeds": 7}, every[:7], few),
        ({"seeds": 2}, every[:2], every[:2]),
        ({"quick": True}, [100], [100]),
        ({"quick": True, "seeds": 2}, [100, 101], [100, 101]),
    ):
        seen = {learner: [] for learner in LEARNERS["two-step"]}
        threads(lambda job, seen=seen: seen[job.learner].append(job.seed) or made_by(job))
        reproduce(["two-step"], tmp_path, **given)
        assert {learner: sorted(seeds) for learner, seeds in seen.items()} == {
            **dict.fromkeys(("a2c", "ppo"), expected),
            **dict.fromkeys(LACKING, of_lacking),
        }, given


@pytest.fixture
def few_records(monkeypatch):
    """Recorded measures are those of the seeds that play."""
    few = dict.fromkeys(range(100, 105), made())
    ran = dict.fromkeys(LEARNERS["two-step"], few)
    part = Part("two-step", "neurotasks", 1.0, False, [], ran, {})
    monkeypatch.setattr(reproduction, "recorded", lambda name: part)


@pytest.mark.parametrize(
    ("agent", "learners"),
    [
        (None, {"two-step": ["a2c", "ppo", *LACKING], "harlow": ["ppo"]}),
        ("ppo", {"two-step": ["ppo", *LACKING], "harlow": ["ppo"]}),
        ("a2c", {"two-step": ["a2c", *LACKING]}),
    ],
)
def test_agents_of_one_algorithm(agent, learners, threads, tmp_path):
    """Their claims are counted; experiments without them are left out, and other agents."""
    seen = set()
    threads(lambda job: seen.add((job.name, job.learner)) or made_by(job))
    claims = reproduce(["two-step", "harlow"], tmp_path, seeds=2, agent=agent)
    assert seen == {(name, one) for name, of_it in learners.items() for one in of_it}
    for name, of_it in learners.items():
        headline = {c.learner for c in claims if c.experiment == name and c.headline}
        assert headline == {of_it[0]}
        others = {c.learner for c in claims if c.experiment == name and not c.headline}
        assert others == {one for one in of_it[1:] if one not in LACKING}
    assert {c.experiment for c in claims} == set(learners)
    figures = {f"{n}-{one}.png" for n, of_it in learners.items() for one in of_it}
    figures -= {f"two-step-{one}.png" for one in LACKING}
    assert {p.name for p in tmp_path.glob("*.png")} == figures
    text = Page((tmp_path / "index.html").read_text()).text
    assert (f"--agent {agent}" in text) == (agent is not None)


def test_no_experiment_has_agents_of_the_algorithm(threads, tmp_path):
    threads(lambda job: pytest.fail("a job ran"))
    with pytest.raises(
        UnknownExperimentError, match=r"agent='a2c' must be one of .*; got harlow\."
    ):
        reproduce(["harlow"], tmp_path / "out", agent="a2c")
    assert not (tmp_path / "out").exists()


# Recorded measures.


@pytest.fixture
def records(monkeypatch, tmp_path, small):
    """Record measures of all seeds of two-step, whose x is 0.1; return their file."""
    folder = tmp_path / "measures"
    folder.mkdir()
    experiment, learners = small[0], LEARNERS["two-step"]
    measures = {
        learner: {seed: LACKS if learner in LACKING else made(0.1) for seed in seeds}
        for learner in learners
        for seeds in [seeds_of(experiment, learner)]
    }
    played = {learner: [*of_seeds] for learner, of_seeds in measures.items()}
    Part("two-step", "neurotasks", 1.0, False, [], measures, played).write(folder)
    monkeypatch.setattr(reproduction, "MEASURES", folder)
    reproduction.recorded.cache_clear()
    yield folder / "two-step.json"
    reproduction.recorded.cache_clear()


@pytest.mark.slow
def test_recorded_measures_are_shown_and_what_plays_again_next_to_them(threads, records, tmp_path):
    jobs = []
    threads(lambda job: jobs.append(job) or made_by(job))
    claims = reproduce(["two-step"], tmp_path / "out")
    assert all(job.again for job in jobs)
    (part,) = read_parts(tmp_path / "out")
    again = dict(zip(((c.learner, c.claim) for c in claims), part.played_again, strict=True))
    for learner in ("a2c", "ppo"):
        claim = next(c for c in claims if (c.learner, c.claim) == (learner, "the agent stays"))
        assert claim.values == [0.1] * 20
        assert again[learner, "the agent stays"] == 0.5
    assert part.references == references()
    every, few = list(range(100, 120)), list(range(100, 105))
    assert {name: [*of] for name, of in part.measures.items()} == {
        **dict.fromkeys(("a2c", "ppo"), every),
        **dict.fromkeys(LACKING, few),
    }
    assert part.played == {**dict.fromkeys(("a2c", "ppo"), few), **dict.fromkeys(LACKING, few[:2])}
    text = Page((tmp_path / "out" / "index.html").read_text()).text
    said = "played again in this run. "
    assert text.count(f"100 s in all; all values are recorded, 100 to 104 {said}") == 2
    assert text.count(f"all values are recorded, 100, 101 {said}") == len(LACKING)
    assert text.count("n = 20 seeds (100 to 119), means") == 2  # in the captions
    assert "some seeds played 30 new episodes each" in text
    cells = Page((tmp_path / "out" / "index.html").read_text()).cells
    shown = [cell for cell in cells if "0.100" in cell and "played again: 0.500" in cell]
    both = [
        c for c in claims if c.measured == pytest.approx(0.1) and again[c.learner, c.claim] == 0.5
    ]
    assert len(shown) == len(both) >= 2


@pytest.mark.slow
def test_recorded_references_are_shown(threads, records, small, monkeypatch, tmp_path):
    """They are computed anew only where none are recorded."""
    threads(made_by)
    calls = []
    stand_in = replace(small[0], references=lambda: calls.append(1) or references())
    monkeypatch.setitem(EXPERIMENTS, "two-step", stand_in)
    before = reproduce(["two-step"], tmp_path / "out")
    assert len(calls) == 1
    part = read_part("two-step", records)
    replace(part, references=references()).write(records.parent)
    reproduction.recorded.cache_clear()
    assert reproduce(["two-step"], tmp_path / "out") == before
    assert len(calls) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "number"),
    [({"seeds": 3}, 3), ({"every_seed": True}, 20), ({"train": True}, 5), ({"quick": True}, 1)],
)
def test_recorded_measures_are_not_shown(given, number, threads, records, tmp_path):
    """Next to as many seeds as were asked for, all, new agents, or episodes too few."""
    threads(made_by)
    claims = reproduce(["two-step"], tmp_path / "out", **given)
    claim = next(c for c in claims if c.claim == "the agent stays")
    assert claim.values == [0.5] * number
    text = (tmp_path / "out" / "index.html").read_text()
    assert not any(words in text for words in ("are recorded", "played again"))
    assert read_parts(tmp_path / "out")[0].played_again == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "two-step"}'])
def test_recorded_measures_that_are_damaged(text, threads, records, tmp_path):
    """They are refused before the work, by their name; who does not need them continues."""
    threads(lambda job: pytest.fail("a job ran"))
    records.write_text(text)
    with pytest.raises(RunDirectoryError, match=r"measures/two-step\.json must be .* Install the"):
        reproduce(["two-step"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    threads(made_by)
    assert reproduce(["two-step"], tmp_path / "out", seeds=1)


def test_recorded_measures_that_are_missing(threads, records, tmp_path, capsys):
    threads(lambda job: pytest.fail("a job ran"))
    records.unlink()
    assert main(["reproduce", "two-step", "--out", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(records) in line
    assert not (tmp_path / "out").exists()


def test_recorded_measures_of_another_experiment(threads, records, tmp_path):
    threads(lambda job: pytest.fail("a job ran"))
    records.write_text(records.read_text().replace('"two-step"', '"harlow"'))
    with pytest.raises(RunDirectoryError, match=r"two-step\.json must be .* of two-step"):
        reproduce(["two-step"], tmp_path / "out")


@pytest.mark.parametrize(
    "given",
    [
        ([], None, False, None, False, False, None, "cpu"),
        (["harlow"], 3, False, "ppo", True, False, None, "cuda"),
        (["two-step", "harlow"], 1, False, None, True, True, None, "cpu"),
        (["two-step"], None, True, "a2c", False, False, None, "cpu"),
    ],
)
def test_the_command_in_the_report_is_the_one_given(given):
    words = command(*given).split()
    assert words[0] == "neurotasks"
    options = parser().parse_args(words[1:])
    found = options.names, options.seeds, options.all, options.agent, options.train, options.quick
    assert (*found, options.neurons, options.device) == given


@pytest.fixture
def short(monkeypatch):
    """Make trainings of all learners short; a rollout is 1,200 steps."""

    def shortened(experiment, learner):
        size = {"total_steps": 20 * 1200, "n_steps": 300, "whole_episodes": False}
        size |= {"num_envs": 4, "columns": 4, "units": 8}
        return {
            name: replace(training, hyperparameters=replace(training.hyperparameters, **size))
            for name, training in trainings_of(experiment, learner).items()
        }

    monkeypatch.setattr(seed_jobs, "trainings_of", shortened)
    monkeypatch.setattr(seed_jobs, "QUICK_EPISODES", 20)


FEW = ("inferred-value",)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in FEW else pytest.mark.full) for name in EXPERIMENTS],
)
def test_jobs(name, short, tmp_path):
    """Short trainings are measured with everything the claims, the figure and JSON need."""
    experiment = EXPERIMENTS[name]
    seed = experiment.seeds[-1] if len(experiment.seeds) == 1 else experiment.seeds[1]
    measures = {}
    for learner in learners_of(experiment):
        out = tmp_path / learner
        job = Job(name, learner, seed, out, train=True, quick=True)
        assert job.steps == 1200 * len(experiment.trainings)
        measures[learner] = found = run(job)
        for agent, training in job.trainings.items():
            early = out / agent / "early.safetensors"
            assert early.exists() is (training.early is not None)
            if training.early is not None:
                assert read_description(early)["num_timesteps"] == 1200
            made = read_description(out / agent / "agent")
            assert (made["num_timesteps"], made["seed"]) == (1200, seed)
            assert made["task_kwargs"] == training.task_kwargs
        foils = found.get(FOILS, {})
        assert (FROZEN in foils) == (experiment.lacking and learner not in LACKING)
        for lacks in (found,) * (learner in LACKING) + (foils.get(FROZEN, {}),):
            assert not {FOILS, "history"} & set(lacks)
        json.dumps(found)
        if learner == experiment.algorithms[0]:
            np.testing.assert_equal(run(job), found)  # finished: nothing is trained
            for early in out.rglob("early.safetensors"):
                rewrite(early, seed=2)
                with pytest.raises(
                    RunDirectoryError, match=r"early\.safetensors must hold .* seed\."
                ):
                    run(job)
    of_seeds = {learner: {0: found, 1: found} for learner, found in measures.items()}
    claims = evaluate_claims(experiment, of_seeds)
    assert not experiment.trainings or not all(c.held for c in claims if c.counted)
    assert {c.experiment for c in claims} == {name}
    assert {c.learner for c in claims} == set(experiment.algorithms)
    assert len({(c.learner, c.claim) for c in claims}) == len(claims)
    assert all(c.published and c.source and c.accept for c in claims)
    for learner in experiment.algorithms:
        for seeds in (1, 3):
            of_it = {one: [found] * seeds for one, found in measures.items()}
            figure = experiment.figure(of_it[learner], lacking(of_it, learner))
            assert_drawn(figure, tmp_path / "figure.png")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "frozen"), [(0, True), (FOIL_SEEDS - 1, True), (FOIL_SEEDS, False)]
)
def test_the_first_agents_are_frozen(place, frozen, short, tmp_path):
    """They are measured before it as those that are not, in as many episodes as foils play."""
    seed = EXPERIMENTS["inferred-value"].seeds[place]
    job = Job("inferred-value", "ppo", seed, tmp_path, train=True, quick=True)
    found = run(job)
    assert (FROZEN in found[FOILS]) is frozen
    alone = replace(EXPERIMENTS["inferred-value"], lacking=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXPERIMENTS, "inferred-value", alone)
        own = run(job)
    found[FOILS].pop(FROZEN, None)
    np.testing.assert_equal(own, found)


def test_episodes_of_a_job(monkeypatch, tmp_path):
    """300 of agents, 100 of those that lack something; or 30 of both, by fewer frozen agents."""
    played = []
    agent = SimpleNamespace(description={"seconds": 2.0})
    agent.policy = SimpleNamespace(lstm_actor=None, lstm_critic=None)
    training = SimpleNamespace(early=None, load=lambda path: agent)
    monkeypatch.setattr(seed_jobs, "trainings_of", lambda experiment, learner: {"a": training})
    stand_in = replace(
        EXPERIMENTS["two-step"],
        measure=lambda agents, number, seed: played.append(("whole", number, seed)) or {},
        measure_lacking=lambda agents, number, seed: played.append(("foil", number, seed)) or {},
    )
    monkeypatch.setitem(EXPERIMENTS, "two-step", stand_in)
    first = {seed: seed_jobs.first_episode(seed) for seed in (100, 101, 102, 105)}
    quick, again = {"quick": True}, {"quick": False, "again": True}
    for learner, seed, how, expected in (
        ("ppo", 100, {"quick": False}, [("whole", 300, first[100]), ("foil", 100, first[100])]),
        ("a2c", 100, quick, [("whole", 30, first[100]), ("foil", 30, first[100])]),
        ("ppo", 105, {"quick": False}, [("whole", 300, first[105])]),
        ("ppo", 101, again, [("whole", 30, first[101]), ("foil", 30, first[101])]),
        ("ppo", 102, again, [("whole", 30, first[102])]),
        ("ppo", 102, {"quick": False}, [("whole", 300, first[102]), ("foil", 100, first[102])]),
        ("feed-forward", 100, {"quick": False}, [("foil", 100, first[100])]),
        ("no-reward-input", 100, quick, [("foil", 30, first[100])]),
        ("no-reward-input", 100, again, [("foil", 30, first[100])]),
    ):
        found = run(Job("two-step", learner, seed, tmp_path, train=False, **how))
        assert found["seconds"] == 2.0
        assert played == expected
        played.clear()


def test_shipped_agents_need_no_steps():
    for learner, steps in (
        ("ppo", TABLE["neurotasks/Harlow-v0"].total_steps),
        ("a2c", wang2018_for("neurotasks/Harlow-v0").total_steps),
        ("feed-forward", TABLE["neurotasks/Harlow-v0"].total_steps),
    ):
        job = Job("harlow", learner, 100, SimpleNamespace(), train=False, quick=False)
        assert job.steps == 0
        assert replace(job, train=True).steps == steps


def test_names_of_jobs_in_the_display():
    words = {
        str(Job("harlow", learner, 100, SimpleNamespace(), train=False, quick=False))
        for learner in ("a2c", "ppo", "feed-forward", "simulation")
    }
    assert words == {
        *("harlow, A2C, seed 100", "harlow, PPO, seed 100"),
        *("harlow, feed-forward, seed 100", "harlow, simulation, seed 100"),
    }
