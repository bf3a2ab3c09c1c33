"""What a sweep's file may say, and what is refused before anything is trained."""

import pytest
from gymnasium.error import InvalidProbability, UnregisteredEnv

from neurotasks.errors import ParameterError
from neurotasks_baselines.errors import (
    HyperparameterError,
    SeedError,
    SweepError,
    UnknownExperimentError,
)
from neurotasks_baselines.experiments import EXPERIMENTS
from neurotasks_baselines.sweeps.spec import Criterion, Range, read_sweep, trainings
from neurotasks_baselines.training.hyperparameters import (
    changed,
    hyperparameters_for,
    read_hyperparameters,
)

ID = "neurotasks/TwoStep-v0"
TASKS = f'tasks = ["{ID}"]\n'


@pytest.fixture
def read(tmp_path):
    def read(text):
        file = tmp_path / "sweep.toml"
        file.write_text(text)
        return read_sweep(file)

    return read


def test_a_grid(read):
    """Every value of a list with all others; rows of [[settings]] with all lists."""
    sweep = read(
        TASKS
        + """
        seeds = 2
        [hyperparameters]
        total_steps = 1000
        units = [8, 16]
        [task_parameters]
        p_common = [0.7, 0.8]
        [[settings]]
        hyperparameters = {trunk = "shared", gamma = 0.5}
        [[settings]]
        hyperparameters = {trunk = "separate", gamma = 0.9}
        """
    )
    assert (sweep.targets, sweep.seeds) == ((ID,), (1000, 1001))
    assert sweep.names == ["total_steps", "units", "task.p_common", "trunk", "gamma"]
    assert sweep.varied == ["units", "task.p_common", "trunk", "gamma"]
    settings = list(sweep.settings())
    assert len(settings) == sweep.num_settings == 8
    assert [tuple(s.values()) for s in settings[:5]] == [
        (1000, 8, 0.7, "shared", 0.5),
        (1000, 8, 0.8, "shared", 0.5),
        (1000, 16, 0.7, "shared", 0.5),
        (1000, 16, 0.8, "shared", 0.5),
        (1000, 8, 0.7, "separate", 0.9),
    ]
    training = trainings(ID, settings[-1], 6)["agent"]
    assert training.task_kwargs == {"p_common": 0.8}
    given = {"total_steps": 1000, "units": 16, "trunk": "separate", "gamma": 0.9}
    assert training.hyperparameters == changed(hyperparameters_for(ID), given)


def test_the_least(read):
    sweep = read(TASKS)
    assert list(sweep.settings()) == [{}]
    assert (sweep.seeds, sweep.varied, sweep.objective) == ((1000,), [], "score")
    assert trainings(ID, {}, 6)["agent"].hyperparameters == hyperparameters_for(ID)


def test_a_search(read):
    sweep = read(
        TASKS
        + """
        seeds = [7]
        [hyperparameters]
        learning_rate = {low = 1e-4, high = 1e-2, log = true}
        units = {low = 8, high = 32}
        trunk = ["shared", "separate"]
        [criterion]
        measure = "reward_per_trial"
        at_least = 0.6
        [objective]
        minimize = "steps_to_criterion"
        [search]
        trials = 9
        """
    )
    assert sweep.values["learning_rate"] == Range(1e-4, 1e-2, log=True)
    assert (sweep.seeds, sweep.num_settings, sweep.maximize) == ((7,), 9, False)
    assert sweep.varied == ["learning_rate", "units", "trunk"]
    assert {s["units"] for s in sweep.corners()} == {8, 32}


def test_an_experiment(read):
    """Every one of its agents is trained with the setting."""
    read('experiments = ["dopamine-variance"]\n[hyperparameters]\ntotal_steps = 1000')
    made = trainings("dopamine-variance", {"total_steps": 1000}, 6)
    known = EXPERIMENTS["dopamine-variance"].trainings
    assert made.keys() == known.keys()
    for name, training in made.items():
        assert training.hyperparameters.total_steps == 1000
        assert training.hyperparameters.channels == known[name].hyperparameters.channels
        assert training.task_kwargs == known[name].task_kwargs


def test_a_criterion():
    history = [{"steps": 0, "x": 0.1}, {"steps": 10, "x": None}, {"steps": 20, "x": 0.7}]
    assert Criterion("x", 0.7, above=True).steps(history) == 20
    assert Criterion("x", 0.8, above=True).steps(history) is None
    assert Criterion("x", 0.1, above=False).steps(history) == 0
    assert Criterion("y", 0.1, above=False).steps(history) is None


HYPERPARAMETERS = TASKS + "[hyperparameters]\n"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("tasks = ", SweepError, "must be a file in TOML"),
        ("", SweepError, "name tasks or experiments; got none"),
        ("tasks = 3", SweepError, "tasks must be a list"),
        (TASKS + "colour = 1", SweepError, "fields must be tasks"),
        (TASKS + "seeds = 0", SweepError, "number of seeds above 0"),
        (TASKS + "seeds = [1, 1]", SweepError, "different ones"),
        (TASKS + "seeds = true", SweepError, "seeds must be"),
        (TASKS + "seeds = [-1]", SeedError, "seed"),
        (f'tasks = ["{ID}", "{ID}"]', SweepError, "name a task once"),
        ('tasks = ["neurotasks/TwoStop-v0"]', UnregisteredEnv, "TwoStep"),
        ('experiments = ["two-stop"]', UnknownExperimentError, "two-step"),
        ('experiments = ["dopamine-neurons"]', SweepError, "must train an agent"),
        (
            'experiments = ["two-step"]\n[task_parameters]\ntrials = 3',
            SweepError,
            "must go with tasks",
        ),
        (HYPERPARAMETERS + "units = []", SweepError, "different values"),
        (HYPERPARAMETERS + "units = [8, 8]", SweepError, "different values"),
        (HYPERPARAMETERS + "units = [8, 0]", HyperparameterError, "units must be an int in 1 to"),
        (HYPERPARAMETERS + "unit = 8", HyperparameterError, "no hyperparameter 'unit'"),
        (HYPERPARAMETERS + "units = {low = 1, high = 2}", SweepError, "needs a search"),
        (
            HYPERPARAMETERS + "units = {low = 2, high = 1}\n[search]\ntrials = 3",
            SweepError,
            "to a larger high",
        ),
        (
            HYPERPARAMETERS + "gamma = {low = 0, high = 1, log = true}\n[search]\ntrials = 3",
            SweepError,
            "above 0 if log",
        ),
        (
            HYPERPARAMETERS + "units = {low = 1, high = 9999}\n[search]\ntrials = 3",
            HyperparameterError,
            "units must be",
        ),
        (HYPERPARAMETERS + "units = {low = 1}\n[search]\ntrials = 3", SweepError, "low, high"),
        (TASKS + "[search]\ntrials = 3", SweepError, "values to choose from"),
        (HYPERPARAMETERS + "units = [8, 9]\n[search]\ntrials = 0", SweepError, "trials above 0"),
        (TASKS + "[task_parameters]\np_common = [0.7, 7]", InvalidProbability, "p_common"),
        (TASKS + "[task_parameters]\nsplit = 'test'", ParameterError, "split"),
        (TASKS + "[objective]\nmaximize = 'a'\nminimize = 'b'", SweepError, "one line"),
        (TASKS + "[objective]\nminimize = 'steps_to_criterion'", SweepError, "needs a .criterion."),
        (TASKS + "[criterion]\nmeasure = 'a'", SweepError, "at_least or at_most"),
        (
            TASKS + "[[settings]]\nhyperparameters = {units = 8}\n[[settings]]",
            SweepError,
            "fields must be units",
        ),
        (
            HYPERPARAMETERS + "units = 8\n[[settings]]\nhyperparameters = {units = 8}",
            SweepError,
            "units twice",
        ),
        (
            HYPERPARAMETERS
            + "\n".join(f"{n} = {list(range(1, 200))}" for n in ("units", "n_epochs", "columns")),
            SweepError,
            "at most 1,000,000 settings; got 7,880,599",
        ),
    ],
)
def test_what_is_refused(read, text, error, message):
    with pytest.raises(error, match=message):
        read(text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SweepError, match=r"a file in TOML.*No such file"):
        read_sweep(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.json", '{"units": 8, "trunk": "shared"}'), ("a.toml", "units = 8\ntrunk = 'shared'")],
)
def test_files_of_hyperparameters(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_hyperparameters(tmp_path / name) == {"units": 8, "trunk": "shared"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "[1]", "no names"),
        ("a.json", "{", "in TOML or JSON; got"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.toml", "units: 8", "in TOML or JSON; got"),
    ],
)
def test_files_that_hold_none(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(HyperparameterError, match=message):
        read_hyperparameters(tmp_path / name)
