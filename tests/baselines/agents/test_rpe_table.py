"""RPEs as a table: by hand, from agents on every kind of task, and from the command line."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotasks.episodes import Episodes
from neurotasks_baselines.agents.activations import Activations, rpe_table
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.training.agent_files import load, save
from neurotasks_baselines.training.build import build
from neurotasks_baselines.training.evaluate import evaluate

COLUMNS = ["env", "episode", "trial", "step", "event", "reward", "channel", "tau", "rpe"]


class Env:
    """Names the components of a made-up observation: four stimuli and the previous reward."""

    def get_attr(self, name):
        layout = {"stimulus": slice(0, 4), "reward": slice(4, 5)}
        return [{"layout": layout, "stimulus_names": ("light", "odour", "tone", "puff")}[name]] * 2


class Model:
    def get_env(self):
        return Env()


def test_by_hand():
    """Lane 0 plays two trials in four steps, lane 1 one trial in two and begins anew."""
    observations = np.zeros((4, 2, 5), np.float32)
    observations[..., 0] = 1  # the light is always on
    observations[1:3, 0, 1] = 0.5  # the odour comes on at step 1 and stays
    observations[3, 0, 2] = 1  # the tone at step 3, where a trial begins
    observations[1, 1, :4] = 1  # three come on at once
    observations[2:, 1, 1] = 1  # after the end: does not count
    observations[1, 0, 4] = 9  # nor does feedback
    episodes = Episodes(
        observations,
        np.zeros((4, 2), np.int64),
        np.array([[0.0, 5], [1, 6], [2, 7], [3, 8]]),
        np.array([[True, True], [True, True], [True, False], [True, False]]),
        {
            "trial": np.array([[0, 0], [0, 0], [0, 0], [1, 0]]),
            "new_trial": np.array([[True, True], [False, False], [False, True], [True, False]]),
        },
        pd.DataFrame({"env": [0, 0, 1], "episode": [4, 4, 7], "trial": [0, 1, 0]}),
    )
    rpe = np.arange(16.0).reshape(4, 2, 2)
    activations = Activations(*[None] * 4, rpe, np.array([0.25, 0.75]), 0.9, None)
    table = rpe_table(Model(), episodes, activations)
    assert list(table.columns) == COLUMNS
    steps = table[table["channel"] == 1]
    assert steps["env"].tolist() == [0, 0, 0, 0, 1, 1]
    assert steps["episode"].tolist() == [4, 4, 4, 4, 7, 7]
    assert steps["trial"].tolist() == [0, 0, 0, 1, 0, 0]
    assert steps["step"].tolist() == [0, 1, 2, 3, 0, 1]
    events = ["odour", "none", "new trial + tone", "end", "odour + tone + puff", "end"]
    assert steps["event"].tolist() == events
    assert steps["reward"].tolist() == [0, 1, 2, 3, 5, 6]
    assert steps["rpe"].tolist() == [1, 5, 9, 13, 3, 7]
    assert set(steps["tau"]) == {0.75}
    assert table[table["channel"] == 0]["rpe"].tolist() == [0, 4, 8, 12, 2, 6]
    assert len(table) == 2 * len(steps)


EVENTS = {
    "neurotasks/Bandit-v0": {"new trial", "end"},
    "neurotasks/TwoStep-v0": {"first stage", "new trial + fixation", "end"},
    "neurotasks/Harlow-v0": {"end"},
    "neurotasks/VariableReward-v0": {"reward odour", "nothing odour", "reward delivery", "end"},
    "neurotasks/VariableProbability-v0": {"10 % odour", "90 % odour", "reward delivery", "end"},
    "neurotasks/SameMean-v0": {"fixed odour A", "variable odour B", "reward delivery", "end"},
}


@pytest.mark.slow
@pytest.mark.parametrize("id", EVENTS)
def test_from_agents(id, tiny):
    """The table lies beside the trial table, and holds every RPE once."""
    model = build(id, hyperparameters=replace(tiny, channels=3), seed=0, task_kwargs={"trials": 2})
    episodes, activations = evaluate(model, num_episodes=12)
    table = rpe_table(model, episodes, activations)
    assert set(table["event"]) >= EVENTS[id]
    assert not any("+1 " in event for event in table["event"])
    keys = ["env", "episode", "trial"]
    rewards = table[table["channel"] == 0].groupby(keys)["reward"].sum()
    trials = episodes.trials.set_index(keys)["trial_reward"]
    pd.testing.assert_series_equal(rewards[trials.index], trials, check_names=False)
    unfinished = set(range(12)) - set(episodes.trials["env"])
    assert set(table.loc[table["episode"] == -1, "env"]) == unfinished
    for channel, rows in table.groupby("channel"):
        rpe = activations.channel_rpe[rows["step"], rows["env"], channel]
        np.testing.assert_array_equal(rows["rpe"], rpe)
        assert len(rows) == episodes.alive.sum()
    assert sorted(set(table["tau"])) == [0.166667, 0.5, 0.833333]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_command(suffix, agent, tmp_path, capsys):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    save(agent, tmp_path / "agent")
    out, rpe = tmp_path / "trials.csv", tmp_path / "new" / f"rpe.{suffix}"
    words = ["evaluate", str(tmp_path), "--episodes", "4", "--out", str(out), "--rpe", str(rpe)]
    assert main(words) == 0
    table = pd.read_csv(rpe) if suffix == "csv" else pd.read_parquet(rpe)
    assert f"{len(table)} RPEs in {rpe}" in capsys.readouterr().out
    loaded = load(tmp_path / "agent", num_envs=1)  # plays alike after every loading
    expected = rpe_table(loaded, *evaluate(loaded, num_episodes=4))
    assert list(table.columns) == COLUMNS
    assert table["event"].tolist() == expected["event"].tolist()
    assert table["step"].tolist() == expected["step"].tolist()


@pytest.mark.parametrize(
    ("rpe", "message"),
    [("rpe.txt", "rpe.txt"), ("trials.csv", "--rpe and --out must be different files")],
)
def test_bad_names_are_refused_before_the_work(rpe, message, tmp_path, capsys):
    out = tmp_path / "trials.csv"
    words = ["evaluate", "nobody", "--out", str(out), "--rpe", str(tmp_path / rpe)]
    assert main(words) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
