"""The ``neurotasks`` command."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from math import inf

import pandas as pd
import pytest
from signals import accept_interrupts

import neurotasks
from neurotasks.tasks.harlow import TASK as HARLOW
from neurotasks.tasks.two_step import TASK as TWO_STEP
from neurotasks_baselines.agents.recurrent_a2c import FusedRecurrentA2C
from neurotasks_baselines.cli import commands as cli
from neurotasks_baselines.cli.arguments import assigned
from neurotasks_baselines.cli.benchmark import BENCHMARKS
from neurotasks_baselines.cli.commands import COMMANDS
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.experiments import EXPERIMENTS, GROUPS, runner as reproduction
from neurotasks_baselines.experiments.claims import Row, at_least, over_seeds
from neurotasks_baselines.experiments.jobs import shipped
from neurotasks_baselines.training.agent_files import load, read_description
from neurotasks_baselines.training.hyperparameters import TABLE, Hyperparameters
from neurotasks_baselines.training.jobs import Engine
from neurotasks_baselines.training.wang2018 import wang2018_for

ID = "neurotasks/TwoStep-v0"


@pytest.mark.parametrize("command", [*COMMANDS, *(f"benchmark {name}" for name in BENCHMARKS)])
def test_help(command, capsys):
    """Every help has examples, and they are valid commands."""
    words = command.split()
    with pytest.raises(SystemExit) as exit:
        main([*words, "--help"])
    assert exit.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: neurotasks {command} ")
    examples = text.split("Example: ")[1].split("\n\n")[0].splitlines()
    assert f"{examples[0]} ".startswith(f"neurotasks {command} ")
    for example in map(str.strip, examples):
        if example.startswith("neurotasks "):
            assert cli.parser().parse_args(example.split()[1:]).command == words[0]


def test_evaluations_of_the_volatility_task_have_the_learning_rates(capsys):
    agent = shipped("volatility", "ppo", 100, "agent")
    assert main(["evaluate", f"{agent}.safetensors", "--episodes", "40"]) == 0
    lines = {line[:28].strip(): line[28:] for line in capsys.readouterr().out.splitlines()}
    assert 1 < float(lines["learning_rate_ratio"].split()[0]) < 2
    assert "> 1 (1.35 Bayesian observer)" in lines["learning_rate_ratio"]


def test_help_of_the_whole(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["--help"])
    assert exit.value.code == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


def test_commands_and_parser_agree():
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            cli.parser().parse_args([command, "--help"])
    with pytest.raises(SystemExit) as exit:
        main(["nonesuch"])
    assert exit.value.code == 2


def test_the_parser_needs_no_torch():
    """Help and wrong options are answered at once."""
    program = "import sys; from neurotasks_baselines.cli.commands import parser; parser(); "
    program += "sys.exit(bool({'torch', 'numba', 'pandas', 'matplotlib'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("module", ["neurotasks", "neurotasks_baselines"])
def test_version_in_a_process_of_its_own(module):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", module, "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == neurotasks.__version__
    assert done.stderr == ""


ERRORS = {
    "train": (
        ["train", "neurotasks/Nonesuch-v0", "--out", "OUT"],
        "There is no task 'neurotasks/Nonesuch-v0'.",
    ),
    "train what is misspelt": (
        ["train", "neurotasks/TwoStp-v0", "--out", "OUT"],
        "Did you mean 'neurotasks/TwoStep-v0'?",
    ),
    "train a seed": (
        ["train", ID, "--seed", "-1", "--out", "OUT/run"],
        "in 0 to 1,999,999; got -1",
    ),
    "train without =": (["train", ID, "--set", "trials", "--out", "OUT/run"], "NAME=VALUE"),
    "train no value": (["train", ID, "--set", "=3", "--out", "OUT/run"], "NAME=VALUE"),
    "train two in one": (
        ["train", ID, "--set", "trials=3,units=4", "--out", "OUT/run"],
        "--set must hold one NAME=VALUE; got 'trials=3,units=4'. Repeat --set for each.",
    ),
    "train what is not there": (
        ["train", ID, "--set", "trialz=3", "--out", "OUT/run"],
        "Did you mean 'trials'?",
    ),
    "train a bad value": (
        ["train", ID, "--set", "trials=3", "--set", "p_common=2", "--out", "OUT/run"],
        "p_common must be a number (float) in [0, 1]; got 2",
    ),
    "train a bad word": (
        ["train", ID, "--set", "feedback=all", "--out", "OUT/run"],
        "feedback must be one of both, action, reward, none; got 'all'",
    ),
    "train the test": (["train", ID, "--set", "split=test", "--out", "OUT/run"], "split='test'"),
    "train on what is not there": (
        ["train", ID, "--device", "gpu", "--out", "OUT/run"],
        "got 'gpu'",
    ),
    "reproduce on what is not there": (
        ["reproduce", "harlow", "--device", "cuda:99", "--out", "OUT/r"],
        "got 'cuda:99'",
    ),
    "reproduce no seed": (["reproduce", "harlow", "--seeds", "0", "--out", "OUT/r"], "seeds=0"),
    "evaluate": (["evaluate", "OUT/nobody", "--out", "OUT/t.csv"], "OUT/nobody.safetensors"),
    "evaluate a directory": (["evaluate", "OUT", "--out", "OUT/t.csv"], "OUT/agent.safetensors"),
    "reproduce": (["reproduce", "harlov", "--out", "OUT"], "Did you mean 'harlow'?"),
}


@pytest.mark.parametrize(("arguments", "message"), ERRORS.values(), ids=ERRORS)
def test_errors_are_one_line(arguments, message, capsys, tmp_path):
    """No traceback, and nothing is left behind."""
    assert main([word.replace("OUT", str(tmp_path)) for word in arguments]) == 1
    output, error = capsys.readouterr()
    assert output == ""
    assert error.startswith(f"neurotasks {arguments[0]}: ")
    assert message.replace("OUT", str(tmp_path)) in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("steps", ["nan", "inf", "0", "-5", "many"])
def test_steps_that_are_none(steps, capsys, tmp_path):
    with pytest.raises(SystemExit) as exit:
        main(["train", ID, f"--steps={steps}", "--out", str(tmp_path / "run")])
    assert exit.value.code == 2
    assert (
        f"argument --steps: must be a number from 1 to 1e+12; got '{steps}'"
        in capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == []


def test_assigned():
    words = ["trials=50", "p=[0.1, 0.9]", "fixation=false", "feedback=action", "name=a=b", "x="]
    assert assigned(words) == {
        "trials": 50,
        "p": [0.1, 0.9],
        "fixation": False,
        "feedback": "action",
        "name": "a=b",
        "x": "",
    }
    assert assigned([]) == {}
    assert assigned(["trials=3", "trials=4"]) == {"trials": 4}
    found = assigned(["total_steps=1e6", "p=1.0", "q=1e400"])
    assert (found, type(found["total_steps"])) == ({"total_steps": 10**6, "p": 1.0, "q": inf}, int)
    assert type(found["p"]) is float


def test_train_another_agent(tmp_path, capsys):
    """With its own hyperparameters of the task, of which files and options change some."""
    words = ["train", ID, "--agent", "a2c", "--steps", "12", "--set", "trials=4"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    found = Hyperparameters(**read_description(tmp_path / "agent")["hyperparameters"])
    assert found == replace(wang2018_for(ID), total_steps=12)
    assert type(load(tmp_path / "agent")) is FusedRecurrentA2C
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["train", ID, "--agent", "a3c", "--out", str(tmp_path)])
    assert "--agent: got 'a3c'. Did you mean 'a2c'?" in capsys.readouterr().err


def test_train_with_assigned(tiny, monkeypatch, tmp_path):
    """A rollout holds an episode, however many trials it has."""
    monkeypatch.setitem(TABLE, ID, replace(tiny, n_steps=None))
    words = ["train", ID, "--steps", "36", "--out", str(tmp_path)]
    assert main([*words, "--set", "trials=4", "--set", "p_common=0.7"]) == 0
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["task_kwargs"] == {"trials": 4, "p_common": 0.7}
    assert run["hyperparameters"]["n_steps"] is None
    assert read_description(tmp_path / "agent")["num_timesteps"] == 4 * 12  # one rollout
    assert main(words) == 1  # the directory holds the other task


def test_errors_that_are_not_ours_keep_their_traceback(monkeypatch):
    def stand_in(options):
        raise ValueError("a mistake in the program")

    monkeypatch.setattr(COMMANDS["train"], "run", stand_in)
    with pytest.raises(ValueError, match="a mistake in the program"):
        main(["train", ID, "--out", "x"])


def test_interruption_is_one_line(monkeypatch, capsys):
    def stand_in(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(COMMANDS["train"], "run", stand_in)
    assert main(["train", ID, "--out", "x"]) == 130
    line = "neurotasks train: interrupted. No step is kept. Run the same command again to begin.\n"
    assert capsys.readouterr() == ("", line)


class HalfMade:
    """A progress bar that was interrupted before it had what its end needs."""

    def __del__(self):
        raise AttributeError("no attribute '_prog'")


def test_what_an_interruption_leaves_half_made_says_nothing(monkeypatch, capsys):
    def stand_in(options):
        bar = HalfMade()
        raise KeyboardInterrupt(bar)

    hook = sys.unraisablehook
    monkeypatch.setattr(COMMANDS["train"], "run", stand_in)
    assert main(["train", ID, "--out", "x"]) == 130
    assert capsys.readouterr().err.startswith("neurotasks train: interrupted. ")
    assert sys.unraisablehook is hook


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        pytest.param(signal.SIGINT, 130, "interrupted", marks=pytest.mark.full),
        (signal.SIGTERM, 143, "terminated"),
    ],
)
def test_a_signal_ends_a_command_without_a_traceback(number, status, said, tmp_path):
    """In a process of its own, during the work."""
    words = ["train", ID, "--out", str(tmp_path / "run")]
    with subprocess.Popen(
        [sys.executable, "-m", "neurotasks_baselines", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=accept_interrupts,
    ) as process:
        while not (tmp_path / "run" / "checkpoint.safetensors").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        error = process.communicate(timeout=60)[1]
    assert process.returncode == status
    assert error == (
        f"neurotasks train: {said}. {tmp_path}/run keeps all but the last rollout. Run the same "
        "command again to resume.\n"
    )


OPTIONS = {
    "scores": {"out"},
    "scaling": {"out", "rounds"},
    "criterion": {"out", "rounds"},
    "cart-pole": {"out", "rounds"},
    "envs": {"out", "rounds", "peer"},
    "train": {"out", "rounds", "peer"},
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmarks_have_the_options_they_obey(name, capsys):
    options = vars(cli.parser().parse_args(["benchmark", name]))
    assert set(options) == {"command", "name"} | OPTIONS[name]
    for option in {"rounds", "peer"} - OPTIONS[name]:
        with pytest.raises(SystemExit):
            main(["benchmark", name, f"--{option}", "3"])
        assert "unrecognized arguments" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[1]", "3", "\xff"])
def test_a_damaged_description_of_machines_is_refused_before_the_work(text, capsys, tmp_path):
    (tmp_path / "machine.json").write_text(text, encoding="latin-1")
    assert main(["benchmark", "criterion", "--out", str(tmp_path)]) == 1
    assert "machine.json must hold the machines of benchmarks" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["machine.json"]


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "many"])
def test_counts_that_are_none(number, capsys):
    for words in (["benchmark", "envs", "--rounds"], ["play", ID, "--episodes"]):
        words[-1] += f"={number}"
        with pytest.raises(SystemExit) as exit:
            main(words)
        assert exit.value.code == 2
        assert f"must be a whole number from 1 to 100000; got '{number}'" in capsys.readouterr().err


def columns(task, *arrays):
    """Return the documented columns, arrays with a column an element."""
    names = []
    for name in task.columns:
        names += [f"{name}_0", f"{name}_1"] if name in arrays else [name]
    return names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("id", "expected"),
    [(ID, columns(TWO_STEP)), ("neurotasks/Harlow-v0", columns(HARLOW, "objects"))],
    ids=["two-step", "harlow"],
)
def test_train_then_evaluate(id, expected, tiny, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(TABLE, id, replace(tiny, n_steps=200, whole_episodes=False))
    out = tmp_path / "run"
    assert main(["train", id, "--seed", "4", "--steps", "1.6e3", "--out", str(out)]) == 0
    assert f"{out}/agent.safetensors" in capsys.readouterr().out
    written = []
    for name, agent, seed in (("a", out, "8"), ("b", out, "9"), ("c", out / "agent", "9")):
        table = tmp_path / "tables" / f"{name}.csv"
        words = ["evaluate", str(agent), "--episodes", "5", "--seed", seed, "--out", str(table)]
        assert main(words) == 0
        written.append(table.read_text())
    assert written[0] != written[1] == written[2]
    trials = pd.read_csv(table)
    assert list(trials.columns) == expected
    assert len(trials) > 5
    assert set(trials["env"]) <= set(range(5))
    output = capsys.readouterr().out
    assert f"{len(trials)} trials in {table}" in output
    rewards = [line for line in output.splitlines() if line.startswith("reward_per_trial")]
    assert float(rewards[-1].split()[1]) == pytest.approx(trials["trial_reward"].mean(), abs=6e-4)

    words = ["train", id, "--seed", "5", "--steps", "1600", "--out", str(out)]
    assert main(words) == 1  # the directory holds seed 4
    assert '{"seed": 4}' in capsys.readouterr().err


def test_reproduce_prints_what_was_found(monkeypatch, tmp_path, capsys):
    given = {}

    def stand_in(names, out, **options):
        given.update(options, names=names, out=out)
        number = "number", "nobody"
        holds = Row("it holds", "key", "0.5", "paper", at_least(0.2), *number)
        does_not = Row("it does not", "key", "0.5", "paper", at_least(0.7), *number)
        checked = Row("it is right", "key", "0.5", "paper", at_least(0.7), "check")
        return [
            over_seeds("harlow", "ppo", holds, [0.5, 0.6, 0.7], {"nobody": 0.1, "frozen": 0.15}),
            over_seeds("harlow", "ppo", does_not, [0.5, 0.5], {"nobody": 0.1}),
            over_seeds("harlow", "ppo", checked, [0.5]),
            over_seeds(
                "harlow", "a2c", does_not, [0.5, 0.5], {"nobody": float("nan")}, headline=False
            ),
        ]

    monkeypatch.setattr(reproduction, "reproduce", stand_in)
    words = ["reproduce", "harlow", "--seeds", "3", "--quick", "--out", str(tmp_path)]
    assert main(words) == 0
    expected = {
        "names": ["harlow"],
        "out": tmp_path,
        "seeds": 3,
        "every_seed": False,
        "agent": None,
        "train": False,
        "quick": True,
        "neurons": None,
        "device": "cpu",
        "engine": Engine(),
    }
    assert given == expected
    counted, not_counted, last = capsys.readouterr().out.split("\n\n")
    assert [line.rstrip() for line in counted.splitlines()] == [
        "harlow, PPO:",
        "verdict  measured              accepted  finding",
        "held     0.600 [0.352, 0.848]  >= 0.2    it holds; published: 0.5",
        "missed   0.500 [0.500, 0.500]  >= 0.7    it does not; published: 0.5",
        "check    0.500                 >= 0.7    it is right; published: 0.5",
    ]
    title, _, other = not_counted.splitlines()
    assert title == "harlow, A2C (not counted):"
    assert other.startswith("missed   0.500 [0.500, 0.500]")
    total, where = last.splitlines()
    assert total.startswith("1 of 2 claims hold")
    assert where == f"sources, foils and figures: {tmp_path}/index.html"
    assert main(["reproduce", "harlow", "--all", "--agent", "a2c", "--out", str(tmp_path)]) == 0
    changed = {"seeds": None, "every_seed": True, "agent": "a2c", "quick": False}
    assert given == expected | changed


def test_no_agent_of_an_unknown_algorithm(capsys):
    with pytest.raises(SystemExit):
        main(["reproduce", "harlow", "--agent", "dqn"])
    assert "--agent: got 'dqn'. Choose from a2c, ppo." in capsys.readouterr().err


def test_help_names_every_experiment(capsys):
    with pytest.raises(SystemExit):
        main(["reproduce", "--help"])
    words = capsys.readouterr().out.replace(",", " ").replace("(", " ").replace(")", " ").split()
    assert {*EXPERIMENTS, *GROUPS} <= set(words)
