"""The trial table to disk and back, and tables that come from elsewhere."""

import sys

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from gymnasium.error import DependencyNotInstalled

import neurotasks
from neurotasks.analysis.two_step import stay_probabilities, stay_regression
from neurotasks.episodes import run_episodes
from neurotasks.errors import ParameterError, TrialTableError
from neurotasks.observers import ModelFreeTwoStep, RandomAgent
from neurotasks.tasks.two_step import TASK
from neurotasks.trials import check_trials, file_format, read_trials, write_trials

ID = "neurotasks/TwoStep-v0"


def played(id, player=RandomAgent, lanes=3, **keywords):
    spec = {"autoreset_mode": "SameStep", "trial_log": True}
    envs = gym.make_vec(id, num_envs=lanes, **spec, **keywords)
    return run_episodes(player(envs, 0), envs, seed=5).trials


@pytest.fixture(scope="module")
def trials():
    return played(ID, ModelFreeTwoStep, 20)


@pytest.mark.parametrize("id", neurotasks.TASKS)
def test_every_task_comes_back_as_it_was(id, tmp_path):
    table = played(id, trials=2)
    path = tmp_path / "new" / "trials.csv"
    write_trials(table, path)
    pd.testing.assert_frame_equal(read_trials(path, id), table)


def test_analyses_give_the_same(trials, tmp_path):
    write_trials(trials, tmp_path / "t.csv")
    again = read_trials(str(tmp_path / "t.csv"), TASK)
    assert stay_probabilities(again) == stay_probabilities(trials)
    pd.testing.assert_frame_equal(stay_regression(again), stay_regression(trials))


def test_numbers_lose_no_digit(trials, tmp_path):
    values = np.random.default_rng(0).random(len(trials)) * 10.0 ** (np.arange(len(trials)) % 30)
    write_trials(trials.assign(trial_reward=values), tmp_path / "t.csv")
    assert np.array_equal(read_trials(tmp_path / "t.csv", ID)["trial_reward"], values)


def test_parquet(trials, tmp_path):
    pytest.importorskip("pyarrow")
    write_trials(trials, tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_trials(tmp_path / "t.parquet", ID), trials)


def test_parquet_without_pyarrow(trials, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for call in (write_trials, lambda table, path: read_trials(path, ID)):
        with pytest.raises(DependencyNotInstalled, match=r"pip install pyarrow`.*t\.csv"):
            call(trials, tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["t.xlsx", "t", "t.csv.gz"])
def test_other_formats(name, trials, tmp_path):
    with pytest.raises(ParameterError, match=r"\.csv or \.parquet.*" + name):
        write_trials(trials, tmp_path / name)
    with pytest.raises(ParameterError, match=r"\.csv or \.parquet"):
        file_format(name)


def test_data_of_an_animal(trials, tmp_path):
    """Few columns, other types, a column of its own: the same measures."""
    names = ["env", "episode", "trial", "choice", "outcome", "common"]
    own = trials[names].astype({"common": int, "choice": float}).assign(mouse="M1")
    own.to_csv(tmp_path / "mouse.csv", index=False)
    with pytest.raises(TrialTableError, match=r"lacks.*second_state"):
        read_trials(tmp_path / "mouse.csv", ID)
    read = read_trials(tmp_path / "mouse.csv", ID, names)
    assert stay_probabilities(read) == stay_probabilities(trials)
    assert (read["mouse"] == "M1").all()
    assert read.dtypes[names].tolist() == trials.dtypes[names].tolist()


def test_missing_columns_are_named_with_their_meaning(trials):
    table = trials.drop(columns=["env", "choice"])
    with pytest.raises(TrialTableError) as error:
        check_trials(table, ID)
    assert f"env ({TASK.columns['env']})" in str(error.value)
    assert f"choice ({TASK.columns['choice']})" in str(error.value)
    assert "columns=[...]" in str(error.value)
    assert check_trials(table, ID, ["episode", "outcome"]).equals(table)
    with pytest.raises(TrialTableError, match=r"nonesuch \(unknown\)"):
        check_trials(trials, ID, ["nonesuch"])


def test_missing_column_of_an_array():
    table = played("neurotasks/Harlow-v0")
    names = [name for name in table.columns if name.startswith("objects_")]
    assert len(names) == 2
    with pytest.raises(TrialTableError, match="objects"):
        check_trials(table.drop(columns=names), "neurotasks/Harlow-v0")
    checked = check_trials(table.astype(dict.fromkeys(names, float)), "neurotasks/Harlow-v0")
    pd.testing.assert_frame_equal(checked, table)
    assert check_trials(table, "neurotasks/Harlow-v0", ["objects", "objects_1"]).equals(table)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("choice", 0.5),
        ("choice", 300),
        ("choice", "left"),
        ("choice", np.nan),
        ("common", 2),
        ("common", "maybe"),
        ("trial_reward", "much"),
        ("trial", None),
        ("trial_reward", "1.5"),
    ],
)
def test_values_of_another_kind(column, value, trials):
    table = trials.copy()
    table[column] = table[column].astype(object)
    table.loc[7, column] = value
    before = table.copy()
    with pytest.raises(TrialTableError, match=f"'{column}'.*must hold.*{TASK.columns[column][:9]}"):
        check_trials(table, ID)
    pd.testing.assert_frame_equal(table, before)


def test_the_row_at_fault_is_named(trials):
    with pytest.raises(TrialTableError, match="row 2 holds 9000"):
        check_trials(trials.assign(choice=[0, 1, 9000] + [0] * (len(trials) - 3)), ID)


def test_a_missing_number_stays_missing(trials):
    table = trials.assign(trial_reward=np.nan)
    assert check_trials(table, ID)["trial_reward"].isna().all()


def test_the_table_given_is_left_alone(trials):
    table = trials.astype({"choice": float})
    checked = check_trials(table, ID)
    checked["choice"] = 0
    assert table["choice"].dtype == float
    assert table["choice"].equals(trials["choice"].astype(float))
