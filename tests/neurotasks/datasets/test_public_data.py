"""The measures of public data, where they are: next to the checkout, or in ``NEUROTASKS_DATA``.

Numbers of people are those of the authors' own files or were computed independently from the same
files; none of the data are in this repository but those of Dezfouli et al. 2019.
"""

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
from gymnasium.error import DependencyNotInstalled

from neurotasks.analysis.two_step import stay_effects, stay_probabilities_by
from neurotasks.datasets import RECIPES, load, read_choices
from neurotasks.datasets.shipped import HERE
from neurotasks.errors import ForeignTableError, RecipeError

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("NEUROTASKS_DATA", ROOT.parent / "shared" / "data"))
TO_3_DIGITS = 6e-4


def data(path):
    if not (DATA / path).exists():
        pytest.skip(f"no public data at {DATA / path}; set NEUROTASKS_DATA")
    return DATA / path


def effects(trials, by=("env",)):
    return stay_effects(stay_probabilities_by(trials, by).mean())


def close(found, interaction, reward, tolerance=TO_3_DIGITS):
    assert found["interaction"] == pytest.approx(interaction, abs=tolerance)
    assert found["reward"] == pytest.approx(reward, abs=tolerance)


@pytest.mark.slow
def test_gillan_2016():
    trials = read_choices(data("choices/gillan2016_study1.csv.gz"), "gillan2016")
    assert trials["env"].nunique() == 649
    assert len(trials) == 649 * 200
    close(effects(trials), 0.050, 0.120)
    raw = read_choices(data("choices/gillan2016_raw"), "gillan2016_raw")
    names = ["env", "trial", "choice", "outcome", "common", "second_state", "rt_1"]
    assert raw["subject"].unique()[0] == "person_001"
    pd.testing.assert_frame_equal(
        raw[names].astype({"rt_1": int}), trials[names][: len(raw)], check_dtype=False
    )


@pytest.mark.slow
def test_kool_2016_are_the_authors_own_numbers():
    path = data("choices/kool2016_groupdata.mat")
    own = scipy.io.loadmat(path, squeeze_me=True, struct_as_record=False)["groupdata"]
    trials = read_choices(path, "kool2016")
    probabilities = stay_probabilities_by(trials)
    assert trials["subject"].unique().tolist() == own.i.tolist()
    np.testing.assert_allclose(probabilities, own.stayprobs, atol=1e-12)
    close(stay_effects(probabilities.mean()), 0.051, 0.067)
    close(stay_effects(probabilities.mean()), own.interaction.mean() / 2, own.maineffect.mean() / 2)


@pytest.mark.slow
def test_kool_2016_with_second_choices():
    """The same trials; a second choice that has paid is repeated when its state comes next."""
    path = data("choices/kool2016_groupdata.mat")
    first, both = read_choices(path, "kool2016"), read_choices(path, "kool2016_daw")
    pd.testing.assert_frame_equal(first.drop(columns="choice_2"), both[first.columns[:-1]])
    assert_second_choices_follow_rewards(both)


@pytest.mark.slow
def test_gillan_2016_with_second_choices():
    path = data("choices/gillan2016_study1.csv.gz")
    first, both = read_choices(path, "gillan2016"), read_choices(path, "gillan2016_daw")
    same = first.columns.drop("response_2")
    pd.testing.assert_frame_equal(first[same], both[same])
    assert_second_choices_follow_rewards(both)


def assert_second_choices_follow_rewards(both):
    done = both[both["outcome"] >= 0]
    assert sorted(done["second_choice"].unique()) == [0, 1]
    assert ((both["second_choice"] == -1) == (both["outcome"] == -1)).all()
    visits = done.groupby(["env", "second_state"])
    again = visits["second_choice"].shift(-1)
    stays = (again == done["second_choice"])[again.notna()].groupby(done["outcome"]).mean()
    assert stays[1] > stays[0] + 0.1


@pytest.mark.slow
def test_nussenbaum_2020_are_the_files_own_numbers():
    path = data("choices/nussenbaum2020.csv.gz")
    own = pd.read_csv(path)
    trials = read_choices(path, "nussenbaum2020")
    means = own.groupby(["subject_id", "previous_reward", "previous_transition"])["stay"].mean()
    means = means.unstack([1, 2]).sort_index()
    columns = [(r, t) for r in ("Reward", "No Reward") for t in ("common", "rare")]
    names = trials.groupby("env")["subject"].first()
    found = stay_probabilities_by(trials).set_axis(names).sort_index()
    np.testing.assert_allclose(found, means[columns], atol=1e-12)
    adjacent = effects(read_choices(path, "nussenbaum2020_adjacent"))
    close(adjacent, 0.0894, 0.0915)


@pytest.mark.slow
def test_miranda_2025():
    trials = read_choices(data("monkeys/PreparedData.mat"), "miranda2025")
    sessions = trials.groupby("subject")["episode"].nunique()
    assert sessions.to_dict() == {"Charlie": 30, "Jacob": 27}
    first, second = (effects(rows) for _, rows in trials.groupby("subject"))
    close(first, 0.443, 0.009)
    close(second, 0.630, -0.006)
    by_session = [effects(rows, ("env", "episode")) for _, rows in trials.groupby("subject")]
    close(by_session[0], 0.437, 0.013)
    close(by_session[1], 0.631, -0.012)


@pytest.mark.slow
def test_miranda_2025_forced_first_choices():
    """After a reward forced choices repeat the last one by chance, free ones do not."""
    path = data("monkeys/PreparedData.mat")
    trials = read_choices(path, "miranda2025").sort_values(["env", "episode", "trial"])
    last = trials.groupby(["env", "episode"])[["choice", "outcome", "common"]].shift()
    counts = (trials["choice"] >= 0) & (last["outcome"] == 1) & (last["common"] == 1)
    stays = trials["choice"] == last["choice"]
    found = stays[counts].groupby([trials["subject"], trials["trial_type"]]).agg(["sum", "size"])
    for (_, kind), (repeats, number) in found.iterrows():
        off = abs(repeats - number / 2) / np.sqrt(number / 4)
        assert off < 3 if kind == 2 else off > 10
    free = read_choices(path, "miranda2025_free")
    assert (free["choice"] >= 0).sum() == (trials["choice"] >= 0).sum() - (
        trials["trial_type"] == 2
    ).sum()
    first, second = (effects(rows) for _, rows in free.groupby("subject"))
    close(first, 0.467, 0.009)
    close(second, 0.680, -0.004)


@pytest.mark.slow
def test_what_is_shipped_is_what_was_published():
    whole = read_choices(data("choices/dezfouli2019.csv.gz"), "dezfouli2019")
    shipped = load("dezfouli2019")
    pd.testing.assert_frame_equal(shipped, whole[shipped.columns])


@pytest.mark.slow
def test_dezfouli_2019():
    trials = load("dezfouli2019")
    people = trials.groupby("env")["diagnosis"].first().value_counts()
    assert people.to_dict() == {"Healthy": 34, "Depression": 34, "Bipolar": 33}
    assert len(trials) == 132_251
    assert trials.groupby("env")["episode"].nunique().unique().tolist() == [12]
    # Each key paid as often as its condition says, within four standard errors.
    for (p_0, p_1, choice), rows in trials.groupby(["p_0", "p_1", "choice"]):
        p = (p_0, p_1)[choice]
        error = np.sqrt(p * (1 - p) / len(rows))
        assert abs(rows["outcome"].mean() - p) < 4 * error + 0.005
    # The authors' column of the better key is not the key, by which people had no preference.
    assert trials["choice"].mean() == pytest.approx(0.5169, abs=1e-4)
    licence = (HERE / "LICENSE-Apache-2.0.txt").read_text()
    assert "Apache License" in licence
    assert RECIPES["dezfouli2019"].citation.split(" (")[0] in (HERE / "README.md").read_text()
    assert sum(path.stat().st_size for path in HERE.iterdir()) < 80_000


def test_what_is_not_shipped():
    with pytest.raises(RecipeError, match=r"got 'dezfouli'. Did you mean 'dezfouli2019'\?"):
        load("dezfouli")


def test_hbayesdm_is_named_where_it_is_missing():
    if find_spec("hbayesdm") is not None:
        pytest.skip("hbayesdm is installed")
    with pytest.raises(DependencyNotInstalled, match="pip install hbayesdm"):
        load("hbayesdm_ts")


EXAMPLES = {
    # rows and columns of the package's files as of 1.1.1: subjects, trials
    "ts": (11, 2190),
    "bandit2arm": (20, 2000),
    "prl": (20, 2000),
    "prl_multipleB": (3, 1800),
    "bandit4arm": (10, 2000),
    "bandit4arm2": (10, 3000),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_hbayesdm(name):
    if find_spec("hbayesdm") is None:
        pytest.skip("hbayesdm is not installed")
    trials = load(f"hbayesdm_{name}")
    assert (trials["env"].nunique(), (trials["choice"] >= 0).sum()) == EXAMPLES[name]


def test_an_example_of_hbayesdm_as_its_file_begins(tmp_path):
    rows = "subjID\ttrial\tlevel1_choice\tlevel2_choice\treward\n7\t2\t1\t4\t1\n7\t3\t2\t3\t0\n"
    (tmp_path / "ts_exampleData.txt").write_text(rows)
    trials = read_choices(tmp_path / "ts_exampleData.txt", "hbayesdm_ts")
    assert trials["choice"].tolist() == [-1, 0, 1]
    assert trials["common"].tolist() == [False, False, True]
    assert trials["second_state"].tolist() == [-1, 1, 1]
    (tmp_path / "x.txt").write_text(rows.replace("\t2\t3\t0", "\t3\t3\t0"))
    with pytest.raises(ForeignTableError, match=r"must hold 1, 2; got '3' in 1 row"):
        read_choices(tmp_path / "x.txt", "hbayesdm_ts")
