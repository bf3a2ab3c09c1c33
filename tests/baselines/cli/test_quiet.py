"""``--quiet``: nothing but the result, and no progress."""

import sys
from dataclasses import replace

import pytest

from neurotasks_baselines.cli.commands import COMMANDS, parser
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.quiet import quiet
from neurotasks_baselines.training import progress
from neurotasks_baselines.training.hyperparameters import TABLE

ID = "neurotasks/TwoStep-v0"


class Terminal:
    """Standard error that is one."""

    def __init__(self, stream):
        self.stream = stream

    def isatty(self):
        return True

    def __getattr__(self, name):
        return getattr(self.stream, name)


def show_everything(monkeypatch):
    """Let standard error be a terminal. Called by tests: fixtures have another one."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr))


def sub_parsers(of):
    """Return the parsers of the subcommands of a parser, by name."""
    return next((action.choices for action in of._actions if isinstance(action.choices, dict)), {})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_quiet(name):
    own = sub_parsers(parser())[name]
    for each in (own, *sub_parsers(own).values()):
        assert "--quiet" in each._option_string_actions


def test_a_benchmark_is_quiet_wherever_that_is_said():
    for words in (["--quiet", "scores"], ["scores", "--quiet"]):
        assert parser().parse_args(["benchmark", *words]).quiet


@pytest.mark.parametrize("also", [[], ["--quiet"]])
def test_training_and_evaluation(also, tiny, capsys, tmp_path, monkeypatch):
    """Without the option there is progress, and a word on what to do next."""
    show_everything(monkeypatch)
    monkeypatch.setitem(TABLE, ID, replace(tiny, n_steps=None))
    run, table = str(tmp_path / "run"), str(tmp_path / "trials.csv")
    loud = not also
    assert main(["train", ID, "--steps", "36", "--set", "trials=3", "--out", run, *also]) == 0
    output, error = capsys.readouterr()
    assert (("M steps" in error), ("\x1b" in error), bool(error)) == (loud,) * 3
    assert ("tensorboard" in output) == loud
    assert "score" in output
    assert "\x1b" not in output
    assert main(["evaluate", run, "--episodes", "3", "--out", table, *also]) == 0
    output, error = capsys.readouterr()
    assert (table in output) == loud
    assert "score" in output
    assert error == ""
    assert not quiet.get()


@pytest.mark.parametrize("also", [[], ["--quiet"]])
def test_analyses_print_their_tables_and_where_the_report_is(also, capsys, tmp_path, monkeypatch):
    show_everything(monkeypatch)
    of_units, of_neurons = "neurotasks_baselines.neurons.report", "neurotasks_baselines.dopamine"
    for place, made in (
        (f"{of_units}.analyse_units", lambda *given: list(progress.track([1], "agents"))),
        (f"{of_units}.text_tables", lambda found: "the tables"),
        (f"{of_neurons}.analysis.analyse_neurons", lambda *given: None),
        (f"{of_neurons}.analysis.text_table", lambda found: "the tables"),
    ):
        monkeypatch.setattr(place, made)
    for name in ("analyse-units", "analyse-neurons"):
        assert main([name, "x", "--out", str(tmp_path), *also]) == 0
        output, error = capsys.readouterr()
        assert output.startswith("the tables\n")
        assert (f"see {tmp_path}" in output) == (not also)
        assert ("agents" in error) == (not also and name == "analyse-units")
        assert error == "" or not also


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["doctor"],
        ["recover", "bandit/rescorla-wagner", "--people=2", "--trials=20", "--workers=1", "--out"],
        pytest.param(
            ["reproduce", "two-step", "--quick", "--agent=ppo", "--out"], marks=pytest.mark.full
        ),
    ],
    ids=lambda words: words[0],
)
def test_nothing_but_the_result(words, capsys, tmp_path, monkeypatch):
    show_everything(monkeypatch)
    out = [str(tmp_path / "out")] if "--out" in words else []
    assert main([*words, *out, "--quiet"]) == 0
    output, error = capsys.readouterr()
    assert error == ""
    assert output
    assert str(tmp_path) not in output


@pytest.mark.parametrize("terminal", [False, True])
def test_a_loop_is_shown_in_a_terminal_only(terminal, capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    if terminal:
        monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr))
    assert list(progress.track([1, 2], "loop")) == [1, 2]
    output, error = capsys.readouterr()
    assert output == ""
    assert ("loop" in error) == terminal
