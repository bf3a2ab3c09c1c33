"""Words of the command line that nobody should write: one line, and nothing is written."""

import io

import pytest

from neurotasks_baselines.cli.main import main
from neurotasks_baselines.experiments.jobs import shipped

ID = "neurotasks/TwoStep-v0"
AGENT = f"{shipped('two-step', 'ppo', 100, 'agent')}.safetensors"
NO_NUMBERS = (
    *("-1", "0", "1.5", "nan", "inf", "-inf", "1e400", "1000000000000", "9" * 5000, "0x10", "1_0"),
    *("", " ", "-", "one", "τ", "٣", "1\n2", "\x1b[31m", "../..", "1;2", "[1]", "None", "true"),
)
NO_PATHS = ("", "-", "\udcff", "bad\0name", "LOOP/t.csv", "a" * 5000 + ".csv")
NO_WORDS = (
    "p=" + "[" * 100_000,
    "",
    " ",
    "-",
    "\n",
    "τ",
    "/",
    "..",
    "neurotasks/",
    "a" * 5000,
    "\x1b[31m",
    "\udcff",
)

# What is refused: the command, "?" where the hostile word stands, and the words.
HOSTILE = {
    "train seed": (["train", ID, "--seed=?", "--out", "OUT/x"], {*NO_NUMBERS} - {"0", "1_0", "٣"}),
    "train steps": (
        ["train", ID, "--steps=?", "--out", "OUT/x"],
        {*NO_NUMBERS} - {"1.5", "1_0", "٣", "1000000000000"},
    ),
    "train id": (["train", "?", "--out", "OUT/x"], {*NO_WORDS}),
    "train set": (["train", ID, "--set=?", "--out", "OUT/x"], {*NO_WORDS}),
    "train trials": (["train", ID, "--set=trials=?", "--out", "OUT/x"], {*NO_NUMBERS}),
    "train p_common": (
        ["train", ID, "--set=p_common=?", "--out", "OUT/x"],
        {*NO_NUMBERS} - {"0", "0.5"},
    ),
    "train out": (["train", ID, "--out=?"], {*NO_PATHS}),
    "train device": (["train", ID, "--device=?", "--out", "OUT/x"], {*NO_WORDS}),
    "train import": (
        ["train", ID, "--import=?", "--out", "OUT/x"],
        {*NO_WORDS, *NO_PATHS, "x.txt", "/etc/passwd"},
    ),
    "evaluate episodes": (["evaluate", AGENT, "--episodes=?", "--out", "OUT/t.csv"], {*NO_NUMBERS}),
    "evaluate seed": (
        ["evaluate", AGENT, "--seed=?", "--out", "OUT/t.csv"],
        {*NO_NUMBERS} - {"0", "1_0", "٣", "1000000000000"},
    ),
    "evaluate agent": (
        ["evaluate", "?", "--out", "OUT/x/t.csv"],
        {*NO_WORDS, *NO_PATHS, "/etc/passwd", "/dev/null"},
    ),
    "evaluate out": (
        ["evaluate", AGENT, "--out=?"],
        {*NO_PATHS, "t", "t.xlsx", "/dev/null", AGENT + "/t.csv", "/dev/null/t.csv"},
    ),
    "evaluate rpe": (
        ["evaluate", AGENT, "--out", "OUT/t.csv", "--rpe=?"],
        {*NO_PATHS, "t", "OUT/t.csv", AGENT + "/t.csv"},
    ),
    "play id": (["play", "?", "--terminal", "--out", "OUT/x/t.csv"], {*NO_WORDS}),
    "play seed": (
        ["play", ID, "--terminal", "--seed=?", "--out", "OUT/x/t.csv"],
        {*NO_NUMBERS} - {"0", "1_0", "٣", "1000000000000"},
    ),
    "play trials": (
        ["play", ID, "--terminal", "--trials=?", "--out", "OUT/x/t.csv"],
        {*NO_NUMBERS} - {"1_0", "٣"},
    ),
    "play episodes": (
        ["play", ID, "--terminal", "--episodes=?", "--out", "OUT/x/t.csv"],
        {*NO_NUMBERS},
    ),
    "play out": (["play", ID, "--terminal", "--out=?"], {*NO_PATHS, "t", AGENT + "/t.csv"}),
    "play figure": (
        ["play", ID, "--terminal", "--figure=?"],
        {*NO_PATHS, "f", "f.exe", AGENT + "/f.png"},
    ),
    "play split": (["play", ID, "--terminal", "--split=?"], {*NO_WORDS}),
    "reproduce names": (["reproduce", "?", "--out", "OUT/x"], {*NO_WORDS}),
    "reproduce seeds": (
        ["reproduce", "two-step", "--seeds=?", "--out", "OUT/x"],
        {*NO_NUMBERS} - {"1_0", "٣"},
    ),
    "reproduce device": (["reproduce", "two-step", "--device=?", "--out", "OUT/x"], {*NO_WORDS}),
    "reproduce neurons": (
        ["reproduce", "dopamine-neurons", "--neurons=?", "--out", "OUT/x"],
        {*NO_PATHS, "nonesuch", "/dev/null"},
    ),
    "reproduce ray": (["reproduce", "two-step", "--ray=?", "--out", "OUT/x"], {*NO_WORDS}),
    "reproduce slurm": (["reproduce", "two-step", "--slurm=?", "--out", "OUT/x"], {*NO_WORDS}),
    "reproduce hours": (
        ["reproduce", "two-step", "--slurm=hours=?", "--out", "OUT/x"],
        {*NO_NUMBERS},
    ),
    "reproduce cpus": (
        ["reproduce", "two-step", "--cpus-per-job=?", "--out", "OUT/x"],
        {*NO_NUMBERS},
    ),
    "reproduce out": (
        ["reproduce", "two-step", "--out=?"],
        {*NO_PATHS, "/dev/null", "/proc/x", AGENT},
    ),
    "score": (["score", "?", "--out", "OUT/x"], {*NO_WORDS}),
    "score task": (["score", "a.py:f", "--task=?", "--out", "OUT/x"], {*NO_WORDS}),
    "score check": (["score", "--check=?"], {*NO_PATHS, "nonesuch", "/dev/null", "/dev"}),
    "analyse-neurons": (
        ["analyse-neurons", "?", "--out", "OUT/x"],
        {*NO_PATHS, "nonesuch", "/dev/null", "/dev"},
    ),
    "analyse-units": (
        ["analyse-units", "?", "--out", "OUT/x"],
        {*NO_PATHS, "nonesuch", "/dev/null", "/dev"},
    ),
    "benchmark": (["benchmark", "?", "--out", "OUT/x"], {*NO_WORDS}),
    "benchmark rounds": (["benchmark", "envs", "--rounds=?", "--out", "OUT/x"], {*NO_NUMBERS}),
    "benchmark out": (["benchmark", "scores", "--out=?"], {*NO_PATHS, "/dev/null", "/proc/x"}),
    "benchmark peer": (
        ["benchmark", "envs", "--peer=?", "--out", "OUT/x"],
        {*NO_WORDS, "gymnax", "gymnax=", "../x=python"},
    ),
    "command": (["?"], {*NO_WORDS}),
}
CASES = [(name, word) for name, (_, words) in HOSTILE.items() for word in sorted(words)]


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    """Return a link to itself."""
    link = tmp_path_factory.mktemp("links") / "loop.csv"
    link.symlink_to(link)
    return str(link)


@pytest.mark.parametrize(("name", "word"), CASES, ids=[f"{n} {w[:9]!a}" for n, w in CASES])
def test_a_hostile_word_is_refused_in_one_line(name, word, loop, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    words = [
        part.replace("?", word).replace("OUT", str(tmp_path)).replace("LOOP", loop)
        for part in HOSTILE[name][0]
    ]
    try:
        status = main(words)
    except SystemExit as exit:
        status = exit.code
    error = capsys.readouterr().err
    assert status in (1, 2), error
    assert error.startswith("neurotasks"), error
    assert len(error.splitlines()) == 1, error
    assert list(tmp_path.iterdir()) == []
