"""Tables from anywhere: a named error that says the likely cause, or the right answer."""

import gzip
import subprocess
import sys
import time

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

import neurotasks
from neurotasks.analysis.bandit import cumulative_regret, mean_regret, suboptimal_pulls
from neurotasks.analysis.behaviour import behaviour_of, by_quarter
from neurotasks.analysis.foraging import history_regression, log_ratios, matching
from neurotasks.analysis.harlow import accuracy_after_first, accuracy_by_trial
from neurotasks.analysis.risky_choice import risk_preference
from neurotasks.analysis.rpe import mean_rpes
from neurotasks.analysis.two_step import (
    miller_regression,
    model_based_rpes,
    model_free_rpes,
    stay_probabilities,
    stay_regression,
    stays,
)
from neurotasks.analysis.volatility import fit_rescorla_wagner, learning_rates
from neurotasks.core.task import load
from neurotasks.episodes import run_episodes
from neurotasks.errors import ParameterError, TrialTableError, UnknownParameterError
from neurotasks.observers import ModelFreeTwoStep, RandomAgent
from neurotasks.tasks.two_step import TwoStepParameters
from neurotasks.trials import check_trials, read_trials, write_trials

ID = "neurotasks/TwoStep-v0"
BANDIT = "neurotasks/Bandit-v0"


def played(id, player=RandomAgent, num_envs=3, **keywords):
    spec = {"autoreset_mode": "SameStep", "trial_log": True}
    envs = gym.make_vec(id, num_envs=num_envs, **spec, **keywords)
    return run_episodes(player(envs, 0), envs, seed=5).trials


@pytest.fixture(scope="module")
def trials():
    return played(ID, ModelFreeTwoStep, 20)


@pytest.fixture(scope="module")
def bandit():
    return played(BANDIT, arms=4)


# ---------------------------------------------------------------------------- codes


def test_choices_coded_one_and_two():
    """Choices 1/2/0 = missed and outcomes 1/2/0, as hBayesDM and CBM ship them, are refused."""
    rng, n = np.random.default_rng(1), 400
    good = pd.DataFrame({"env": 0, "episode": 0, "trial": np.arange(n)})
    good = good.assign(choice=rng.integers(0, 2, n), outcome=rng.integers(0, 2, n))
    good["common"] = rng.random(n) < 0.7
    good.loc[rng.random(n) < 0.1, ["choice", "outcome"]] = -1
    names = list(good)
    check_trials(good, ID, names)
    other = good.assign(choice=good["choice"] + 1)
    other["outcome"] = good["outcome"].map({1: 1, 0: 2, -1: 0})
    choices, outcomes = other[["choice"]], other[["outcome"]]
    with pytest.raises(TrialTableError, match=r"'choice'.*row 1 holds 2. Codes 1 and 2"):
        check_trials(other, ID, names)
    with pytest.raises(TrialTableError, match=r"Codes 1 and 2.*subtract 1; missed trials are -1"):
        check_trials(good.assign(**choices), ID, names)
    for columns in (choices, outcomes):
        with pytest.raises(TrialTableError, match="Codes 1 and 2"):
            stay_probabilities(good.assign(**columns))


CODES = [
    ("choice", lambda t: t["choice"].replace({0: -1}), "rewarded; got.*Choices -1 and 1, it"),
    ("outcome", lambda t: t["outcome"].replace({0: -1}), "never 0. Outcomes 1 and -1, it seems"),
    ("choice", lambda t: t["choice"].astype(str), "row 0 holds '[01]'. Recode words"),
    ("choice", lambda t: t["choice"].where(t["trial"] > 0), "NaN for missed trials.*fillna"),
    ("choice", lambda t: t["choice"].astype("Int64").where(t["trial"] > 0), "NaN for missed"),
    ("choice", lambda t: t["choice"] + 2, "in \\[-1, 1\\].*Codes 2 and 3.*subtract 2"),
    ("choice", lambda t: t["choice"] + 0j, "Recode complex"),
    ("second_state", lambda t: t["second_state"] + 1, "Codes 1 and 2.*subtract 1"),
    ("common", lambda t: t["common"].astype("boolean").where(t["trial"] > 0), "holds <NA>. Leave"),
    ("common", lambda t: t["common"] + 1, "bool.*Codes 1 and 2.*subtract 1"),
    ("common", lambda t: np.where(t["common"], "common", "rare"), "holds 'common'|holds 'rare'"),
    ("trial", lambda t: t["trial"] - 1, "row 0 holds -1"),
    ("env", lambda t: t["env"] - 1, "row 0 holds -1"),
    ("episode", lambda t: t["episode"] - 1, "row 0 holds -1"),
    ("trial", lambda t: t["trial"] + 2**62, "row 0 holds 4611686018427387904"),
    ("trial", lambda t: [int(i) + 2**70 for i in t["trial"]], "row 0 holds 1180591620717411303424"),
    ("trial", lambda t: t["trial"].astype(np.uint64) + np.uint64(2**63), "row 0 holds 9223372036"),
    ("trial", lambda t: pd.to_datetime(t["trial"]), "holds datetime.*Recode datetime"),
    ("trial", lambda t: pd.to_timedelta(t["trial"]), "Recode timedelta"),
    ("trial", lambda t: pd.cut(t["trial"], 3), "Recode Interval"),
    ("steps", lambda t: t["steps"] * 0, "row 0 holds 0"),
    ("reward", lambda t: np.inf, "row 0 holds inf"),
    ("reward", lambda t: ["0,5"] * len(t), "Decimal commas, it seems"),
    ("trial", lambda t: [f"{i + 1000:,}" for i in t["trial"]], "Commas between thousands"),
]


@pytest.mark.parametrize(("column", "values", "match"), CODES)
def test_other_codes_are_refused_with_their_likely_cause(column, values, match, trials):
    with pytest.raises(TrialTableError, match=match):
        check_trials(trials.assign(**{column: values(trials)}), ID)


RETYPED = {
    "float": lambda t: t.astype(float),
    "bool choices": lambda t: t.assign(choice=t["choice"] == 1),
    "nullable": lambda t: t.convert_dtypes(),
    "category": lambda t: t.astype("category"),
    "object": lambda t: t.astype(object),
    "sparse": lambda t: t.assign(choice=pd.arrays.SparseArray(t["choice"])),
    "shuffled": lambda t: t.sample(frac=1, random_state=0),
    "duplicated index": lambda t: t.set_index(np.zeros(len(t), int)),
    "index as a column": lambda t: t.reset_index().rename(columns={"index": "Unnamed: 0"}),
    "columns in another order": lambda t: t[t.columns[::-1]],
    "columns of its own": lambda t: t.assign(choice_2=7, mouse="M1", **{"a.1": 0}),
}


@pytest.mark.parametrize("name", RETYPED)
def test_the_same_table_in_another_form_gives_the_same(name, trials):
    other = RETYPED[name](trials)
    checked = check_trials(other, ID)
    valid = trials[trials["outcome"] >= 0]
    assert stay_probabilities(checked) == stay_probabilities(other) == stay_probabilities(trials)
    pd.testing.assert_frame_equal(stay_regression(other), stay_regression(trials))
    pd.testing.assert_frame_equal(miller_regression(other), miller_regression(trials))
    for learner in (model_free_rpes, lambda t: model_based_rpes(t, TwoStepParameters())):
        again = RETYPED[name](valid.reset_index(drop=True))
        back = np.argsort(np.lexsort([again[n].to_numpy() for n in ("trial", "episode", "env")]))
        expected = learner(valid)
        order = np.lexsort([valid[n].to_numpy() for n in ("trial", "episode", "env")])
        np.testing.assert_array_equal(learner(again).outcome, expected.outcome[order][back])


# ---------------------------------------------------------------------------- structure

STRUCTURES = [
    (lambda t: pd.concat([t, t[["choice"]]], axis=1), "each column once; got 'choice' again"),
    (lambda t: t.assign(**{"choice.1": 1}), "each column once; got 'choice.1' again"),
    (lambda t: pd.concat({"a": t}, axis=1), "one row of column names; got 2"),
    (lambda t: pd.concat([t, t]), "each trial once; got env 0, episode 0, trial 0 in rows 0 and"),
    (lambda t: t.set_index(["env", "episode"]), "index holds env, episode: call reset_index"),
    (lambda t: t.rename(columns=str.upper), r"rename\(columns=\{'ENV': 'env', 'EPISODE'"),
    (lambda t: t.add_suffix(" "), r"rename\(columns=\{'env ': 'env'"),
    (lambda t: t.rename(columns={"choice": "chioce"}), "Did you mean 'chioce'"),
    (lambda t: t.rename(columns={"choice": "choice_0"}), "lacks the column.*choice"),
    (lambda t: t.set_axis(range(t.shape[1]), axis=1), "lacks the column"),
    (lambda t: pd.DataFrame(), "lacks the column"),
    (dict, "must be a pandas DataFrame; got dict"),
    (lambda t: None, "must be a pandas DataFrame; got None"),
]


@pytest.mark.parametrize(("change", "match"), STRUCTURES)
def test_tables_of_another_structure_are_refused(change, match, trials):
    with pytest.raises(TrialTableError, match=match):
        check_trials(change(trials), ID)
    with pytest.raises(TrialTableError, match=match.replace("call reset_index", "call reset_inde")):
        stays(change(trials))


@pytest.mark.parametrize("columns", ["choice", [1], [None]])
def test_columns_are_names(columns, trials):
    with pytest.raises(TrialTableError, match="columns must be a list of names"):
        check_trials(trials, ID, columns)


def test_columns_of_an_array(bandit):
    pd.testing.assert_frame_equal(check_trials(bandit, BANDIT), bandit)
    pd.testing.assert_frame_equal(check_trials(bandit, BANDIT, task_kwargs={"arms": 4}), bandit)
    wrong = [bandit.assign(p_5=0.5), bandit.assign(p_1000000000=0.5), bandit.drop(columns="p_1")]
    for table in wrong:
        with pytest.raises(TrialTableError, match="must have the columns p_0 to p_"):
            check_trials(table, BANDIT)
    with pytest.raises(TrialTableError, match=r"columns p_0 to p_2 .* got p_0, p_1, p_2, p_3"):
        check_trials(bandit, BANDIT, task_kwargs={"arms": 3})
    with pytest.raises(TrialTableError, match=r"lacks the column.*p_4"):
        check_trials(bandit, BANDIT, task_kwargs={"arms": 5})
    with pytest.raises(UnknownParameterError, match="Did you mean 'arms'"):
        check_trials(bandit, BANDIT, task_kwargs={"arm": 5})
    harlow = played("neurotasks/Harlow-v0")
    for table in (harlow.assign(objects_2=3), harlow.drop(columns="objects_0")):
        with pytest.raises(TrialTableError, match=r"objects_0 to objects_1|lacks.*objects_0"):
            check_trials(table, "neurotasks/Harlow-v0", ["objects"])
    same = harlow.assign(objects_1=harlow["objects_0"])
    with pytest.raises(TrialTableError, match="objects_0, objects_1 of a trial table must fit"):
        check_trials(same, "neurotasks/Harlow-v0")


def test_ranges_that_depend_on_parameters(bandit):
    """The number of arms is that of the columns, or given; without either any is possible."""
    wrong = bandit.assign(choice=4)
    with pytest.raises(TrialTableError, match=r"in \[-1, 3\].*row 0 holds 4"):
        check_trials(wrong, BANDIT)
    few = wrong[["env", "episode", "trial", "choice"]]
    check_trials(few, BANDIT, list(few))
    with pytest.raises(TrialTableError, match=r"in \[-1, 3\].*row 0 holds 4"):
        check_trials(few, BANDIT, list(few), {"arms": 4})
    with pytest.raises(TrialTableError, match=r"'trial'.*row 50 holds 50"):
        check_trials(bandit, BANDIT, task_kwargs={"arms": 4, "trials": 50})
    with pytest.raises(TrialTableError, match="Per cent, it seems: divide by 100"):
        check_trials(bandit.assign(p_0=40.0), BANDIT)
    check_trials(played("neurotasks/BanditInformative-v0"), "neurotasks/BanditInformative-v0")
    few = played("neurotasks/BanditInformative-v0").assign(choice=11)[["choice"]]
    with pytest.raises(TrialTableError, match=r"in \[-1, 10\]"):
        check_trials(few, "neurotasks/BanditInformative-v0", ["choice"], {})


@pytest.mark.parametrize("id", neurotasks.TASKS)
def test_every_column_has_a_range(id):
    """A number far outside is refused in every column that holds no amount of reward."""
    table = played(id, num_envs=1, trials=2)
    free = {"reward", "trial_reward"}
    for name in set(table) - free:
        for value in (10**10, -(10**10)):
            column = table[name].astype(float) + value
            with pytest.raises(TrialTableError, match=f"'{name}'|Choices"):
                check_trials(table.assign(**{name: column}), id, task_kwargs={"trials": 2})


# ---------------------------------------------------------------------------- files

FILES = {
    "semicolons": (
        lambda t: t.to_csv(index=False, sep=";", decimal=","),
        "got semicolons.*sep=';'",
    ),
    "tabs": (lambda t: t.to_csv(index=False, sep="\t"), "got tabs"),
    "utf-16": (lambda t: t.to_csv(index=False).encode("utf-16"), "got UTF-16"),
    "utf-16 without a mark": (lambda t: t.to_csv(index=False).encode("utf-16-le"), "got UTF-16"),
    "latin-1": (lambda t: t.assign(name="Mäuse").to_csv().encode("latin-1"), "decode byte"),
    "gzip": (lambda t: gzip.compress(t.to_csv().encode()), "got a gzip archive"),
    "excel": (lambda t: b"PK\x03\x04" + bytes(99), "got an Excel file"),
    "nothing": (lambda t: "", "No columns"),
    "blank lines": (lambda t: "\n\n", "No columns"),
    "html": (lambda t: "<html><body>404</body></html>", "lacks the column"),
    "duplicated": (lambda t: pd.concat([t, t[["choice"]]], axis=1).to_csv(), r"'choice' twice"),
    "long row": (lambda t: t.to_csv() + ",".join("1" * 30), "30 fields in line 2002, not 13"),
    "long rows": (
        lambda t: t.to_csv(index=False).replace("\n", "\n7,")[:-2],
        "13 fields in line 2, not 12",
    ),
    "comment": (lambda t: "# session 1\n" + t.to_csv(index=False), "12 fields in line 2, not 1"),
    "short row": (lambda t: t.to_csv() + "5,0,0\n", "3 fields in line 2002, not 13"),
    "open quote": (lambda t: t.to_csv() + '"', "EOF inside string"),
    "a header again": (lambda t: t.to_csv() * 2, "row 2000 holds 'env'.*Recode words"),
    "a row of totals": (
        lambda t: t.to_csv(index=False) + "Total" + "," * (t.shape[1] - 1),
        "row 2000 holds 'Total'",
    ),
    "units": (lambda t: t.to_csv().replace("\n", "\n" + ",ms" * 12 + "\n", 1), "holds 'ms'"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_such_tables(name, trials, tmp_path):
    make, match = FILES[name]
    path, content = tmp_path / "t.csv", make(trials)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TrialTableError, match=match) as error:
        read_trials(path, ID)
    assert "Traceback" not in str(error.value)


READ = {
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "carriage returns": lambda text: text.replace("\n", "\r\n").encode(),
    "no last line end": lambda text: text.rstrip().encode(),
    "commas at the ends": lambda text: text.replace("\n", ",\n").encode(),
    "TRUE": lambda text: text.replace("True", "TRUE").replace("False", "FALSE").encode(),
}


@pytest.mark.parametrize("name", READ)
def test_files_that_hold_the_same(name, trials, tmp_path):
    (tmp_path / "t.csv").write_bytes(READ[name](trials.to_csv(index=False)))
    read = read_trials(tmp_path / "t.csv", ID)
    pd.testing.assert_frame_equal(read[trials.columns], trials)


def test_a_header_alone_is_an_empty_table(trials, tmp_path):
    write_trials(trials[:0], tmp_path / "t.csv")
    read = read_trials(tmp_path / "t.csv", ID)
    assert len(read) == 0
    assert read.dtypes.tolist() == trials.dtypes.tolist()
    assert np.isnan(list(stay_probabilities(read).values())).all()


@pytest.mark.parametrize("cut", [0, 100, 4000])
def test_damaged_parquet(cut, trials, tmp_path):
    pytest.importorskip("pyarrow")
    write_trials(trials, tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    for damaged in (whole[:cut], whole[:cut] + b"\xff" * 400 + whole[cut + 400 :]):
        (tmp_path / "t.parquet").write_bytes(damaged)
        with pytest.raises(TrialTableError, match="must be a Parquet file"):
            read_trials(tmp_path / "t.parquet", ID)


def test_places_that_are_no_files(trials, tmp_path):
    (tmp_path / "t.csv").mkdir()
    (tmp_path / "t.parquet").mkdir()
    with pytest.raises(IsADirectoryError, match=r"t\.csv"):
        read_trials(tmp_path / "t.csv", ID)
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        read_trials(tmp_path / "none.csv", ID)
    with pytest.raises(FileNotFoundError):  # nothing is fetched from elsewhere
        read_trials("http://localhost:9/t.csv", ID)
    with pytest.raises(TrialTableError, match="must be a pandas DataFrame; got list"):
        write_trials([1], tmp_path / "new.csv")
    with pytest.raises(TrialTableError, match=r"outside the index; got env in it. Call reset_ind"):
        write_trials(trials.set_index("env"), tmp_path / "new.csv")
    assert not (tmp_path / "new.csv").exists()


def test_reading_a_table_runs_no_code(trials, tmp_path):
    """A pickle that would run code when it is loaded, under the names of tables, is refused."""
    program = (
        "import pickle, os, sys\n"
        "class Evil:\n"
        "    def __reduce__(self): return os.system, (f'touch {sys.argv[1]}',)\n"
        "open(sys.argv[2], 'wb').write(pickle.dumps(Evil()))\n"
    )
    for name in ("t.csv", "t.parquet"):
        ran, path = tmp_path / "ran", tmp_path / name
        subprocess.run([sys.executable, "-c", program, str(ran), str(path)], check=True)
        if name == "t.parquet":
            pytest.importorskip("pyarrow")
        with pytest.raises(TrialTableError):
            read_trials(path, ID)
        assert not ran.exists()


# ---------------------------------------------------------------------------- analyses

FORAGING, VOLATILITY = "neurotasks/Foraging-v0", "neurotasks/Volatility-v0"
MEASURES = [
    (BANDIT, cumulative_regret, ["regret", "trial"]),
    (BANDIT, suboptimal_pulls, ["regret", "env"]),
    (BANDIT, mean_regret, ["regret", "trial"]),
    (FORAGING, log_ratios, ["choice", "outcome", "episode"]),
    (FORAGING, matching, ["choice", "outcome"]),
    (FORAGING, history_regression, ["choice", "outcome", "trial"]),
    ("neurotasks/Harlow-v0", accuracy_by_trial, ["correct", "trial"]),
    ("neurotasks/Harlow-v0", accuracy_after_first, ["correct", "trial"]),
    ("neurotasks/RiskyChoice-v0", risk_preference, ["forced", "risky", "choice", "p_risky"]),
    (VOLATILITY, fit_rescorla_wagner, ["choice", "outcome", "trial"]),
    (VOLATILITY, learning_rates, ["choice", "outcome", "block"]),
    (ID, stays, ["choice", "outcome", "common", "trial"]),
    (ID, stay_probabilities, ["choice", "outcome", "common"]),
    (ID, stay_regression, ["choice", "outcome", "common"]),
    (ID, miller_regression, ["choice", "outcome", "common"]),
    (ID, model_free_rpes, ["choice", "outcome", "second_state"]),
]


@pytest.mark.parametrize(("id", "measure", "used"), MEASURES)
def test_analyses_refuse_what_their_columns_exclude(id, measure, used):
    table = played(id, num_envs=4)
    for name in used:
        for bad in (np.nan, "x", np.inf, -5.0):
            column = table[name].astype(object)
            column.iloc[3] = bad
            with pytest.raises(TrialTableError, match=f"'{name}'"):
                measure(table.assign(**{name: column}))
        with pytest.raises(TrialTableError, match=f"lacks.*{name}"):
            measure(table.drop(columns=name))
    with pytest.raises(TrialTableError, match="each trial once"):
        measure(pd.concat([table, table[:1]]))


@pytest.mark.parametrize("id", neurotasks.TASKS)
def test_behaviours_refuse_what_their_columns_exclude(id):
    measure = behaviour_of(load(id)).measure
    table = played(id, num_envs=2)
    measure(table)
    with pytest.raises(TrialTableError, match="each trial once"):
        measure(pd.concat([table, table]))
    with pytest.raises(TrialTableError, match="must be a pandas DataFrame"):
        measure(None)
    with pytest.raises(TrialTableError, match="lacks"):
        by_quarter(table.drop(columns="trial_reward"))


def test_gaps():
    """A measure that counts trials back refuses an episode that skips one."""
    table = played(BANDIT)
    with pytest.raises(TrialTableError, match="follow each other; got 8 after 6 in env 0"):
        cumulative_regret(table[table["trial"] != 7])
    with pytest.raises(TrialTableError, match="begin with the same trial; got beginnings 0, 5"):
        cumulative_regret(table[(table["env"] > 0) | (table["trial"] > 4)])
    foraging = played("neurotasks/Foraging-v0", num_envs=20)
    history_regression(foraging, 2)
    with pytest.raises(TrialTableError, match="follow each other; got 8 after 6"):
        history_regression(foraging[foraging["trial"] != 7], 2)


def test_trials_counted_from_one():
    harlow = played("neurotasks/Harlow-v0", num_envs=300, max_steps=2000)
    harlow["trial"] += 1
    with pytest.raises(TrialTableError, match=r"must hold 0 to 5 .* got 6. Count trials from 0"):
        accuracy_by_trial(harlow)
    with pytest.raises(TrialTableError, match="must count from 0; got 1"):
        accuracy_after_first(harlow)


def test_tables_with_too_little(trials):
    empty = trials[:0]
    for measure in (stay_regression, miller_regression):
        with pytest.raises(TrialTableError, match="must follow each other; got none"):
            measure(empty)
    with pytest.raises(TrialTableError, match="RPEs are those of valid trials"):
        model_free_rpes(trials.assign(outcome=-1))
    assert model_free_rpes(empty).outcome.shape == (0,)
    foraging = played("neurotasks/Foraging-v0")
    with pytest.raises(TrialTableError, match=r"at least two episodes.*got 0"):
        matching(foraging[:0])
    with pytest.raises(TrialTableError, match="must explain more than 30 choices; got 0"):
        history_regression(foraging[:0])
    volatility = played("neurotasks/Volatility-v0")
    for measure in (fit_rescorla_wagner, learning_rates):
        with pytest.raises(TrialTableError, match="got no"):
            measure(
                volatility.assign(choice=-1, outcome=-1)[: 0 if measure is learning_rates else 9]
            )
    with pytest.raises(ParameterError, match="explained must be bool"):
        fit_rescorla_wagner(volatility, np.ones(3, bool))
    assert len(risk_preference(played("neurotasks/RiskyChoice-v0")[:0])) == 0
    assert np.isnan(accuracy_by_trial(played("neurotasks/Harlow-v0")[:0])).all()
    with pytest.raises(TrialTableError, match="must have the columns offset, rpe"):
        mean_rpes(trials, ["common"])


@pytest.mark.parametrize("number", [0, -1, 1.5, "5", None, 10**12])
def test_numbers_of_lags_and_episodes(number, trials):
    for measure, id in (
        (miller_regression, ID),
        (history_regression, FORAGING),
        (learning_rates, VOLATILITY),
    ):
        with pytest.raises(ParameterError, match=r"(lags|episodes) must be"):
            measure(trials if id == ID else played(id, num_envs=1), number)


def test_300_000_trials_take_seconds(tmp_path):
    """Reading, checking and measuring take time in proportion to the trials."""
    small = played("neurotasks/TwoStep2016-v0", num_envs=30)
    seconds = []
    for times in (10, 100):
        parts = [small.assign(episode=i) for i in range(times)]
        table = pd.concat(parts, ignore_index=True)
        started = time.perf_counter()
        write_trials(table, tmp_path / "t.csv")
        read = read_trials(tmp_path / "t.csv", "neurotasks/TwoStep2016-v0")
        stay_probabilities(read)
        miller_regression(read)
        model_free_rpes(read)
        seconds.append(time.perf_counter() - started)
    assert len(read) == 300_000
    assert seconds[1] < 30 * seconds[0]
    assert seconds[1] < 60
