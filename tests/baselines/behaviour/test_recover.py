"""Recovery as a command: what is drawn is what was simulated and found."""

import numpy as np
import pandas as pd
import pytest
from figures import assert_drawn

from neurotasks.errors import ParameterError
from neurotasks.models import two_step
from neurotasks_baselines.behaviour.recover import (
    FAMILIES,
    PEOPLE_PER_JOB,
    POPULATIONS,
    correlations,
    draw_confusion,
    draw_parameters,
    expected_correlations,
    jobs_of,
    known_models,
    recover,
)
from neurotasks_baselines.cli.commands import parser


def test_every_model_has_a_name_in_the_help(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["recover", "--help"])
    words = capsys.readouterr().out.replace(",", " ").split()
    for name in known_models():
        assert name.partition("/")[2] in " ".join(words).replace(".", " ").split()


def test_everybody_is_in_a_job():
    assert [job.people for job in jobs_of(2 * PEOPLE_PER_JOB + 1, 10, 0)] == [5, 5, 1]
    assert len(jobs_of(PEOPLE_PER_JOB, 10, 0)) == 1
    first, second = (job.rng.random() for job in jobs_of(10, 10, 0))
    assert first != second


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(ParameterError, match="Did you mean 'two-step/hybrid'"):
        recover("two-step/hybrit", tmp_path)


def test_correlations_by_hand(tmp_path):
    columns = {"person": [0, 1, 2] * 2, "parameter": ["b"] * 3 + ["a"] * 3, "se": 0.1}
    values = {"true": [1.0, 2, 3, 1, 2, 3], "found": [2.0, 4, 6, 3, 2, 1]}
    table = pd.DataFrame(columns | values)
    assert correlations(table).to_dict() == pytest.approx({"b": 1.0, "a": -1.0})
    # a variance of 1, of which squared standard errors of 0.01 leave 0.99
    assert expected_correlations(table).tolist() == pytest.approx([np.sqrt(0.99)] * 2)
    assert expected_correlations(table.assign(se=2.0)).tolist() == [0, 0]
    assert_drawn(draw_parameters(table), tmp_path / "figure.png")


@pytest.mark.slow
def test_people_are_like_a_population_if_wanted(tmp_path):
    known = POPULATIONS["gillan2016"]["two-step/hybrid"]
    table = recover(
        "two-step/hybrid", tmp_path, people=60, trials=3, population="gillan2016", workers=1
    )
    true = table.pivot(index="person", columns="parameter", values="true")[two_step.HYBRID.names]
    numbers = two_step.HYBRID.scales.numbers(true.to_numpy())
    off = (numbers.mean(axis=0) - known.mean) / known.sd * np.sqrt(60)
    assert np.abs(off).max() < 4
    # three trials tell next to nothing: everybody is taken for the mean
    found = table.pivot(index="person", columns="parameter", values="found")
    assert found["beta1"].std() < 0.5 * true["beta1"].std()
    with pytest.raises(ParameterError, match="gillan2016"):
        recover("two-step/hybrid", tmp_path, population="gilan")
    with pytest.raises(ParameterError, match="sarsa"):
        recover("two-step/sarsa(lambda)", tmp_path, population="gillan2016")


@pytest.mark.slow
def test_parameters_that_choices_depend_on_are_found(tmp_path):
    table = recover("bandit/choice-kernel", tmp_path, people=20, trials=200, workers=1)
    assert len(table) == 20 * 2
    assert correlations(table)["beta_k"] > 0.8
    written = pd.read_csv(tmp_path / "table.csv")
    pd.testing.assert_frame_equal(written, table.reset_index(drop=True), rtol=1e-4)
    assert (tmp_path / "figure.svg").exists()


@pytest.mark.slow
def test_each_model_is_mostly_found_to_be_itself(tmp_path, monkeypatch):
    pair = FAMILIES["bandit"][0], FAMILIES["bandit"][-1]  # Rescorla-Wagner, choice kernel
    monkeypatch.setitem(FAMILIES, "bandit", pair)
    table = recover("bandit", tmp_path, people=10, trials=200, workers=1)
    assert table.sum(axis=1).tolist() == pytest.approx([1, 1])
    assert (np.diag(table) >= 0.7).all()
    assert_drawn(draw_confusion(table, 10), tmp_path / "again.png")
