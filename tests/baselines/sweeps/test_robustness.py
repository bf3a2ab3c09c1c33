"""Grids around PPO's hyperparameters, and the fractions of settings at which findings stand."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from neurotasks_baselines.experiments import EXPERIMENTS, robustness as tables
from neurotasks_baselines.experiments.claims import over_seeds
from neurotasks_baselines.experiments.report import measured
from neurotasks_baselines.experiments.robustness import (
    FACTORS,
    fractions,
    in_range,
    judged,
    learned_row,
    not_measured,
    only_at_our_settings,
    shipped_grid,
)
from neurotasks_baselines.sweeps import jobs as sweep_jobs
from neurotasks_baselines.sweeps.robustness import SEED, SETTINGS, SIMULATIONS, draw, grid, main
from neurotasks_baselines.sweeps.spec import trainings
from neurotasks_baselines.training import jobs

TWO_STEP = EXPERIMENTS["two-step"]
FIRST, SECOND = judged(TWO_STEP)[:2]


def a_value(row, inside=True):
    """Return a value within the range of a row, or outside it."""
    low, high = row.accepted.low, row.accepted.high
    if inside:
        return low if np.isfinite(low) else high
    return low - 1 if np.isfinite(low) else high + 1


def grid_table(experiment, within, learned):
    """Return a table in whose settings all claims have values in their range, or none has."""
    settings = [*grid(experiment.name).settings()][: len(within)]
    values = [{row.name: a_value(row, inside) for row in judged(experiment)} for inside in within]
    rows = [s | v for s, v in zip(settings, values, strict=True)]
    return pd.DataFrame(rows).assign(**{learned_row(experiment): np.array(learned, float)})


def test_fractions_by_hand():
    """Six settings: four learned; the first claim is in range at three of these and at another."""
    table = grid_table(TWO_STEP, [True] * 6, [1, 1, 1, 1, 0, 0])
    table.loc[[0, 5], FIRST.name] = a_value(FIRST, inside=False)
    table.loc[1, SECOND.name] = np.nan  # in no range
    found = fractions(TWO_STEP, table)
    assert found.loc[FIRST.name, ["in_range", "settings"]].tolist() == [4, 6]
    assert found.loc[FIRST.name, ["in_range_learned", "learned"]].tolist() == [3, 4]
    assert found.loc[SECOND.name, "in_range"] == 5
    assert found.loc[FIRST.name, "fraction"] == 4 / 6
    wilson = stats.binomtest(4, 6).proportion_ci(method="wilson")
    assert found.loc[FIRST.name, ["low", "high"]].tolist() == pytest.approx([*wilson])
    assert list(found.index) == [row.name for row in judged(TWO_STEP)]


def test_what_no_setting_has_a_value_of_is_left_out():
    """Not counted as out of range; None is what a result that was not measured holds."""
    table = grid_table(TWO_STEP, [True] * 3, [1, 1, 1])
    table[SECOND.name] = None
    assert not_measured(TWO_STEP, table) == [SECOND.name]
    found = fractions(TWO_STEP, table)
    assert SECOND.name not in found.index
    assert found.loc[FIRST.name, "in_range"] == 3
    table.loc[1, SECOND.name] = a_value(SECOND)
    assert not_measured(TWO_STEP, table) == []
    assert fractions(TWO_STEP, table).loc[SECOND.name, ["in_range", "settings"]].tolist() == [1, 3]


def test_a_setting_that_never_learns_lowers_the_fractions():
    before = fractions(TWO_STEP, grid_table(TWO_STEP, [True] * 3, [1, 1, 1]))
    table = grid_table(TWO_STEP, [True] * 4, [1, 1, 1, 0])
    table.loc[3, [row.name for row in judged(TWO_STEP)]] = np.nan
    after = fractions(TWO_STEP, table)
    assert (before["fraction"] == 1).all()
    assert (after["fraction"] == 0.75).all()
    assert (after["in_range_learned"] == after["learned"]).all()


def test_claims_that_hold_only_at_our_settings(monkeypatch):
    """Where the value is in range at fewer than half of the others, and the claim of PPO holds."""
    shipped = grid_table(TWO_STEP, [True, False, False, False], [1, 1, 0, 0])
    monkeypatch.setattr(tables, "shipped_grid", {"two-step": shipped}.get)
    good = a_value(FIRST)
    foil = {"foil": a_value(FIRST, inside=False)}
    held = over_seeds("two-step", "ppo", FIRST, [good, good], foil)
    assert held.held
    text = only_at_our_settings(held)
    assert "at 1 of 4 others, of which 2 learned the task (1 of them in the range)" in text
    assert measured(held).endswith(text)
    shipped.loc[1, FIRST.name] = good
    assert only_at_our_settings(held) == ""  # at half of them
    shipped.loc[1, FIRST.name] = np.nan
    assert only_at_our_settings(held)
    for other in (
        replace(held, learner="a2c"),
        replace(held, verdict="missed"),
        replace(held, experiment="harlow"),
        replace(held, claim="of neurons"),
    ):
        assert only_at_our_settings(other) == ""


@pytest.mark.parametrize("name", SIMULATIONS)
def test_a_grid_is_balanced_and_leaves_out_our_setting(name):
    settings = [*grid(name).settings()]
    table = pd.DataFrame(settings)
    assert len(table.drop_duplicates()) == SETTINGS >= 24
    for factor in FACTORS:
        assert table[factor].value_counts().nunique() == 1
        assert table[factor].nunique() in ((1,) if name == "risky-choice" else ()) + (2, 3)
    ours = next(iter(EXPERIMENTS[name].trainings.values())).hyperparameters
    assert all(any(getattr(ours, n) != v for n, v in s.items()) for s in settings)


def test_every_agent_of_an_experiment_gets_the_setting_and_keeps_its_length():
    setting = next(grid("bandits").settings())
    found = trainings("bandits", setting, 2)
    assert len(found) == 2
    for agent, training in found.items():
        given = training.hyperparameters.to_json()
        assert setting.items() <= given.items()
        own = EXPERIMENTS["bandits"].trainings[agent].hyperparameters
        assert training.hyperparameters.total_steps == own.total_steps


@pytest.mark.parametrize("name", SIMULATIONS)
def test_shipped_grids(name):
    """Those that were run are whole, of this seed, and about today's claims."""
    table, experiment = shipped_grid(name), EXPERIMENTS[name]
    if table is None:
        pytest.skip("not run")
    assert len(table) == SETTINGS
    assert (table["seed"] == SEED).all()
    steps = sum(t.hyperparameters.total_steps for t in experiment.trainings.values())
    assert (table["steps"] == steps).all()
    assert {row.name for row in judged(experiment)} <= {*table}


def test_settings_one_by_one_are_those_of_the_grid(monkeypatch, tmp_path):
    """A setting that was trained alone is not trained again; the others are."""
    trained = []

    def learn(job, directory):
        trained.append(job.number)
        return {
            "measures": {row.name: 1.0 for row in TWO_STEP.claims},
            "history": [],
            "seconds": 1.0,
        }

    monkeypatch.setattr(sweep_jobs, "_train_and_measure", learn)
    monkeypatch.setattr(jobs, "worker_pool", ThreadPoolExecutor)
    assert main(["two-step", "--setting", "7", "--out", str(tmp_path)]) == 0
    assert trained == [7]
    assert main(["two-step", "--out", str(tmp_path), "--workers", "1"]) == 0
    assert sorted(trained) == list(range(SETTINGS))
    table = pd.read_csv(tmp_path / "grids" / "two-step.csv")
    assert table["setting"].tolist() == list(range(SETTINGS))
    inside = in_range(TWO_STEP, table)
    assert inside.any(axis=0).tolist() == [1.0 in row.accepted for row in judged(TWO_STEP)]
    assert (tmp_path / "two-step.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "text"),
    [(["twostep"], "NAME must be one of"), (["two-step", "--setting", "24"], "0")],
)
def test_what_there_is_not(words, text, capsys, tmp_path):
    assert main([*words, "--out", str(tmp_path)]) == 1
    assert text in capsys.readouterr().err


def test_the_figure_shows_the_fractions():
    table = grid_table(TWO_STEP, [True] * 6 + [False] * 6, [1] * 6 + [0] * 6)
    figure = draw(TWO_STEP, table, table)
    left, right = figure.axes[:2]
    (others,) = (line for line in left.lines if line.get_label() == "other settings")
    assert set(others.get_xdata()) == {0.5}
    (image,) = right.collections
    shown = np.asarray(image.get_array())
    by_trunk = in_range(TWO_STEP, table).groupby(table["trunk"]).mean().T
    assert shown[:, : by_trunk.shape[1]] == pytest.approx(by_trunk.to_numpy())
