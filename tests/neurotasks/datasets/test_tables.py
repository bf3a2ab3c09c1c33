"""Files of every kind give the same table; other files are refused by name."""

import gzip
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.io

from neurotasks.datasets import Codes, Recipe, read_choices, read_nwb
from neurotasks.datasets.tables import FILE
from neurotasks.errors import ForeignTableError

RECIPE = Recipe(
    task="neurotasks/Bandit-v0",
    subject="who",
    trial="n",
    columns={"choice": Codes("pick", {1: 0, 2: 1}), "outcome": Codes("won", {1: 1, 0: 0})},
)
TABLE = pd.DataFrame(
    {"who": [1, 1, 1, 2, 2], "n": [1, 2, 3, 1, 2], "pick": [1, 2, 2, 1, 1], "won": [0, 1, 0, 1, 1]}
)
EXPECTED = read_choices(TABLE, RECIPE)


def same(found):
    pd.testing.assert_frame_equal(found, EXPECTED)


@pytest.mark.parametrize("name", ["t.csv", "T.CSV", "t.csv.gz", "t.txt"])
def test_text(name, tmp_path):
    TABLE.to_csv(tmp_path / name, index=False)
    same(read_choices(tmp_path / name, RECIPE))


def test_separators(tmp_path):
    path = tmp_path / "t.tsv"
    TABLE.to_csv(path, sep="\t", index=False)
    same(read_choices(str(path), replace(RECIPE, separator="\t")))
    with pytest.raises(ForeignTableError, match="must be separated by ','; got tabs"):
        read_choices(path, RECIPE)


def test_text_without_a_header(tmp_path):
    recipe = replace(RECIPE, subject=FILE, names=("n", "pick", "won"))
    for who, rows in TABLE.groupby("who"):
        text = rows[["n", "pick", "won"]].to_csv(index=False, header=False)
        with gzip.open(tmp_path / f"{who}.csv.gz", "wt") as file:
            file.write(f"Age,30\n\ninstructions,1,2,3\n{text}")
    same(read_choices(tmp_path, recipe))
    with gzip.open(tmp_path / "2.csv.gz", "at") as file:
        file.write("3,1\n")
    with pytest.raises(ForeignTableError, match=r"must have 3 fields; got 2 in line 6"):
        read_choices(tmp_path, recipe)
    short = written(tmp_path / "one.csv", "1\n2\n")
    with pytest.raises(
        ForeignTableError, match=r"must have rows of 3 fields \(n, pick, won\); got"
    ):
        read_choices(short, recipe)


def written(path, text):
    path.write_text(text)
    return path


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    TABLE.to_parquet(tmp_path / "t.parquet")
    same(read_choices(tmp_path / "t.parquet", RECIPE))


def test_excel(tmp_path):
    pytest.importorskip("openpyxl")
    TABLE.to_excel(tmp_path / "t.xlsx", index=False)
    same(read_choices(tmp_path / "t.xlsx", RECIPE))


def test_matlab_variables(tmp_path):
    path = tmp_path / "t.mat"
    columns = {name: TABLE[name].to_numpy()[:, None] for name in TABLE}
    scipy.io.savemat(path, {**columns, "version": "text", "matrix": np.eye(3)})
    same(read_choices(path, RECIPE))


def structs(path, levels, extra=None):
    """Write a struct array of one person each, of sessions or not; one has a single trial."""
    people = np.empty(2, object)
    for i, (_, rows) in enumerate(TABLE.groupby("who")):
        columns = {name: rows[name].to_numpy()[:, None] for name in ("n", "pick", "won")}
        people[i] = {**columns, "age": 30 + i, **(extra or {})}
    if levels == 2:
        days = np.empty(2, object)
        for i, person in enumerate(people):
            days[i] = np.array([person], object)
        people = days
    scipy.io.savemat(path, {"data": {"people": people}, "names": np.array(["x", "y"], object)})


def test_matlab_structs(tmp_path):
    structs(tmp_path / "t.mat", 1)
    recipe = replace(RECIPE, variable="data.people", levels={"who": ""}, keep={"age": "age"})
    trials = read_choices(tmp_path / "t.mat", recipe)
    same(trials.drop(columns="age"))
    assert trials["age"].tolist() == [30, 30, 30, 31, 31]
    named = read_choices(tmp_path / "t.mat", replace(recipe, levels={"who": "names"}))
    assert named["subject"].tolist() == ["x"] * 3 + ["y"] * 2


def test_matlab_structs_of_sessions(tmp_path):
    structs(tmp_path / "t.mat", 2)
    levels = {"who": "", "day": ""}
    recipe = replace(RECIPE, variable="data.people", levels=levels, session="day")
    same(read_choices(tmp_path / "t.mat", recipe).drop(columns="session"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variable": "data.person"}, r"must hold the variable 'data.person'; got people where"),
        ({"variable": "data"}, r"must have the field 'pick'; got people"),
        ({"levels": {}, "subject": ""}, r"got an array of shape \(2,\).*array of structs their"),
        ({"levels": {"who": ""}, "variable": "data.people.pick"}, r"got no fields where 'pick'"),
    ],
)
def test_matlab_files_of_another_shape(changes, message, tmp_path):
    structs(tmp_path / "t.mat", 1)
    recipe = replace(RECIPE, variable="data.people", levels={"who": ""})
    with pytest.raises(ForeignTableError, match=message):
        read_choices(tmp_path / "t.mat", replace(recipe, **changes))


def test_matlab_fields_of_other_lengths(tmp_path):
    structs(tmp_path / "t.mat", 1, {"won": np.ones((7, 1))})
    recipe = replace(RECIPE, variable="data.people", levels={"who": ""})
    with pytest.raises(ForeignTableError, match=r"as long as 'pick' \(3,\); got won \(7,\)"):
        read_choices(tmp_path / "t.mat", recipe)


def test_matlab_7_3(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "t.mat", "w", userblock_size=512) as file:
        file["pick"] = [1]
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    content = (tmp_path / "t.mat").read_bytes()
    (tmp_path / "t.mat").write_bytes(head.ljust(512, b"\0") + content[512:])
    with pytest.raises(ForeignTableError, match=r"version 7 or earlier; got version 7.3"):
        read_choices(tmp_path / "t.mat", RECIPE)


@pytest.mark.parametrize("suffix", [".csv.gz", ".xlsx", ".parquet", ".mat", ".nwb"])
def test_what_is_no_file_of_its_kind(suffix, tmp_path):
    for module in {".xlsx": ["openpyxl"], ".nwb": ["pynwb"]}.get(suffix, []):
        pytest.importorskip(module)
    path = tmp_path / f"t{suffix}"
    path.write_bytes(b"nothing of the kind" * 20)
    with pytest.raises(ForeignTableError, match=re.escape(f"{path} must be")):
        read_choices(path, RECIPE)


def test_paths_that_lead_nowhere(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        read_choices(tmp_path / "none.csv", RECIPE)
    with pytest.raises(ForeignTableError, match=r"must end in .csv, .*; got '.*t.sav'. Save it as"):
        read_choices(written(tmp_path / "t.sav", "x"), RECIPE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ForeignTableError, match=r"must hold files that end in .*; got none"):
        read_choices(tmp_path / "empty", RECIPE)


def nwb_file(path, spikes=((0.1, 0.4), (0.2,)), trials=True):
    pynwb = pytest.importorskip("pynwb")
    from datetime import UTC, datetime

    file = pynwb.NWBFile("a test", "test", datetime(2026, 1, 1, tzinfo=UTC))
    if trials:
        for name in TABLE:
            file.add_trial_column(name, f"the {name}")
        for i, row in enumerate(TABLE.to_dict("records")):
            file.add_trial(start_time=float(i), stop_time=i + 0.5, **row)
    file.add_unit_column("area", "where it was")
    for times in spikes:
        file.add_unit(spike_times=np.array(times), area="ACC")
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return path


def test_nwb(tmp_path):
    path = nwb_file(tmp_path / "t.nwb")
    same(read_choices(path, RECIPE))
    tables = read_nwb(path)
    assert tables.trials["start_time"].tolist() == [0, 1, 2, 3, 4]
    assert [times.tolist() for times in tables.units["spike_times"]] == [[0.1, 0.4], [0.2]]
    assert tables.units["area"].tolist() == ["ACC", "ACC"]


def test_nwb_files_that_are_refused(tmp_path):
    with pytest.raises(ForeignTableError, match="must rise; got others in unit 1"):
        read_nwb(nwb_file(tmp_path / "t.nwb", ((0.1, 0.4), (0.3, 0.2))))
    with pytest.raises(ForeignTableError, match="must have a table of trials; got none"):
        read_nwb(nwb_file(tmp_path / "u.nwb", trials=False))
