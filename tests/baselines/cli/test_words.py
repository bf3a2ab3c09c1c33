"""What is misspelt is suggested, what is short is understood."""

import pytest

from neurotasks.errors import UnknownParameterError
from neurotasks_baselines.cli.arguments import bare, task_id
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.experiments import EXPERIMENTS, GROUPS, runner as reproduction

ID = "neurotasks/TwoStep-v0"

MISSPELT = {
    "a command": (
        ["trian"],
        "neurotasks: argument COMMAND: got 'trian'. Did you mean 'train'? `neurotasks --help` "
        "lists the commands.\n",
    ),
    "a benchmark": (
        ["benchmark", "envz"],
        "neurotasks benchmark: argument NAME: got 'envz'. Did you mean 'envs'? ",
    ),
    "an option": (
        ["train", ID, "--sede", "3"],
        "neurotasks train: unrecognized arguments: --sede 3. Did you mean '--seed'? `neurotasks "
        "train --help` lists the options.\n",
    ),
    "an option of a benchmark": (
        ["benchmark", "envs", "--ruonds=3"],
        "neurotasks benchmark envs: unrecognized arguments: --ruonds=3. Did you mean '--rounds'? ",
    ),
    "a value": (
        ["play", ID, "--split", "tset"],
        "argument --split: got 'tset'. Did you mean 'test'? ",
    ),
    "the case of a value": (["train", ID, "--agent", "PPO"], "got 'PPO'. Did you mean 'ppo'? "),
    "a task": (["train", "TwoStp", "--show"], "'TwoStp'. Did you mean 'neurotasks/TwoStep-v0'? "),
    "the version of a task": (["play", "TwoStep-v1"], "Did you mean 'neurotasks/TwoStep-v0'? "),
    "nothing": (["play", "x"], "There is no task 'x'. `neurotasks list` names them. Custom tasks"),
    "a hyperparameter": (
        ["train", ID, "--set", "learning_rat=1"],
        "got 'learning_rat'. Did you mean 'learning_rate'?\n",
    ),
    "a parameter": (["train", ID, "--set", "trialz=3"], "got trialz=3. Did you mean 'trials'?\n"),
    "an experiment": (["reproduce", "tow-step"], "Did you mean 'two-step'?\n"),
}


@pytest.mark.parametrize(("words", "line"), MISSPELT.values(), ids=MISSPELT)
def test_what_is_misspelt_is_suggested(words, line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(words)
    except SystemExit as exit:
        status = exit.code
    output, error = capsys.readouterr()
    assert status in (1, 2)
    assert line in error
    assert error.count("\n") == 1
    assert output == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["TwoStep", "twostep", "two-step", "NEUROTASKS/TWO_STEP-v0", ID])
def test_a_short_id_is_understood(name):
    assert task_id(name) == ID


def test_ids_of_others_are_left_alone():
    assert [task_id(id) for id in ("CartPole-v1", "my/Own-v0")] == ["CartPole-v1", "my/Own-v0"]


def test_no_two_names_are_the_same_when_bare():
    names = [*EXPERIMENTS, *GROUPS]
    assert len({bare(name) for name in names}) == len(names)


@pytest.mark.parametrize("name", ["TwoStep", "two_step", ID, "two-step"])
def test_a_short_experiment_is_understood(name, monkeypatch, tmp_path):
    def stand_in(names, out, **options):
        raise UnknownParameterError(f"names={names}")

    monkeypatch.setattr(reproduction, "reproduce", stand_in)
    with pytest.raises(UnknownParameterError, match=r"names=\['two-step'\]"):
        run_reproduce(name, tmp_path)


def run_reproduce(name, out):
    from neurotasks_baselines.cli.commands import COMMANDS, parser

    COMMANDS["reproduce"].run(parser().parse_args(["reproduce", name, "--out", str(out)]))


@pytest.mark.parametrize("words", [[], ["benchmark"]])
def test_alone_it_is_a_question(words, capsys):
    with pytest.raises(SystemExit) as exit:
        main(words)
    assert exit.value.code == 0
    assert capsys.readouterr().out.startswith("usage: neurotasks ")


def test_defaults_are_shown_once(capsys):
    for words in (["train"], ["reproduce"], ["evaluate"], ["benchmark", "envs"], ["play"]):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        text = " ".join(capsys.readouterr().out.split())
        assert "(default: " in text
        assert "None" not in text
        assert "False" not in text
        assert "(default: [])" not in text
    assert "random seed of the first episode (default: 0)" in text
