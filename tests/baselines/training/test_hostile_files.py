"""Agent files by an attacker, whose digests fit: nothing is executed, imported or waited for."""

import os
import pickle
import signal
import sys
from pathlib import Path

import gymnasium as gym
import pytest
import torch as th
from doctored import rewrite

import neurotasks
from neurotasks_baselines.cli.main import main
from neurotasks_baselines.errors import AgentFileError
from neurotasks_baselines.experiments.cart_pole import CartPoleTraining, build_cart_pole
from neurotasks_baselines.training.agent_files import agent_file, load, read_description, save
from neurotasks_baselines.training.build import build

TASK = "neurotasks/TwoStep-v0"


class Bomb:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.parametrize("dump", [pickle.dump, th.save])
def test_nothing_is_executed(saved, dump, tmp_path):
    target = tmp_path / "executed"
    file = agent_file(saved)
    with file.open("wb") as handle:
        dump(Bomb(target), handle)
    with pytest.raises(AgentFileError, match=str(file)):
        load(saved)
    assert not target.exists()
    with file.open("rb") as handle:  # it would go off
        if dump is pickle.dump:
            pickle.load(handle)
        else:
            th.load(handle, weights_only=False)
    assert target.exists()


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A module next to the file, and importable: importing it registers an id and leaves a mark."""
    mark = tmp_path / "imported"
    (tmp_path / "evil.py").write_text(
        f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nimport gymnasium\n"
        "from neurotasks.tasks.two_step import TASK\n"
        "gymnasium.register('Evil-v0', entry_point=TASK, vector_entry_point=TASK)\n"
        "make = lambda *args, **kwargs: 1 / 0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield mark
    sys.modules.pop("evil", None)
    gym.registry.pop("Evil-v0", None)


def refused(path, mark):
    """Check that a file is refused, and that nothing was imported."""
    before = set(sys.modules)
    with pytest.raises(AgentFileError, match=r"cannot be built here|must be|do not fit") as error:
        load(path)
    assert str(error.value).count("\n") == 0
    assert set(sys.modules) == before
    assert not mark.exists()


IDS = [
    *("evil:Evil-v0", "evil:TASK", "evil:neurotasks/TwoStep-v0", f"evil:{TASK}", f":{TASK}"),
    *("evil", "evil.py", "./evil:Evil-v0", "neurotasks.tasks.two_step:TASK", "neurotasks.tasks"),
    *(
        "CartPole-v1",
        "Ant-v5",
        "GymV26Environment-v0",
        "GymV21Environment-v0",
        "phys2d/CartPole-v1",
    ),
    *(
        "neurotasks/TwoStep",
        "neurotasks/twostep-v0",
        f"{TASK}\n",
        f" {TASK}",
        f"{TASK}\0",
        "\ud800",
    ),
    "x" * 10_000,
]


@pytest.mark.parametrize("id", IDS)
def test_only_registered_tasks_are_made(saved, evil, id):
    rewrite(saved, id=id)
    refused(saved, evil)
    rewrite(saved, id=id, task_kwargs={"env_id": "evil:Evil-v0", "make_kwargs": {"id": "evil"}})
    refused(saved, evil)


def test_the_module_next_to_the_file_would_be_imported(evil):
    """By gymnasium, from the same id."""
    gym.make_vec("evil:Evil-v0", num_envs=1).close()
    assert evil.exists()


@pytest.mark.parametrize(
    "value", ["evil:make", ["evil:make"], {"entry_point": "evil:make"}, None, 1]
)
@pytest.mark.parametrize(
    "name",
    [
        *("task", "entry_point", "vector_entry_point", "wrappers", "additional_wrappers"),
        *("vector_kwargs", "vectorization_mode", "num_envs", "autoreset_mode", "render_mode"),
        *("disable_env_checker", "order_enforce", "max_episode_steps", "apply_api_compatibility"),
        *(
            "kwargs",
            "spec",
            "id",
            "env",
            "observer",
            "behaviour",
            "split",
            "trial_log",
            "show_truth",
        ),
        *("self", "cls", "parameters", "__class__", "__reduce__", "begin", "step", "threads", ""),
    ],
)
def test_only_parameters_of_the_task_are_passed_on(saved, evil, name, value):
    rewrite(saved, task_kwargs={name: value})
    refused(saved, evil)


@pytest.mark.parametrize(
    "name",
    [
        *("policy", "policy_class", "policy_kwargs", "features_extractor_class", "optimizer_class"),
        *("activation_fn", "net_arch", "lstm_kwargs", "rollout_buffer_class", "tensorboard_log"),
        *("env", "device", "__post_init__", "self", "cls", "to_json"),
    ],
)
@pytest.mark.parametrize("value", ["evil:make", "torch.nn.Tanh", {"py/object": "evil.make"}])
def test_hyperparameters_name_no_classes(saved, evil, agent, name, value):
    rewrite(saved, hyperparameters=agent.description["hyperparameters"] | {name: value})
    refused(saved, evil)


@pytest.mark.parametrize("name", ["trunk", "cell", "critic_loss", "critic_target"])
@pytest.mark.parametrize("value", ["evil:make", "torch.nn.LSTM", "LSTM", "", None, {"lstm": 1}])
def test_names_in_hyperparameters_are_of_a_list(saved, evil, agent, name, value):
    rewrite(saved, hyperparameters=agent.description["hyperparameters"] | {name: value})
    refused(saved, evil)


def test_further_fields_do_nothing(saved, evil):
    further = {"entry_point": "evil:make", "task": "evil:TASK", "build": "evil:make"}
    before = set(sys.modules)
    rewrite(saved, **further)
    assert load(saved).num_timesteps == 108
    assert read_description(saved)["task"] == "evil:TASK"
    assert set(sys.modules) == before
    assert not evil.exists()


def test_custom_tasks_are_loaded_once_they_are_registered(tiny, tmp_path):
    id = "test/Registered-v0"
    neurotasks.register(id, "neurotasks.tasks.two_step:TASK", trials=5)
    save(build(id, hyperparameters=tiny, seed=1), tmp_path / "custom")
    assert load(tmp_path / "custom").n_steps == 15
    del gym.registry[id]
    with pytest.raises(AgentFileError, match=r"got 'test/Registered-v0'\. Import what registers"):
        load(tmp_path / "custom")
    neurotasks.register(id, "neurotasks.tasks.two_step:TASK", trials=5)
    assert load(tmp_path / "custom").n_steps == 15


def test_an_agent_of_cart_pole_is_loaded_as_one(tmp_path):
    training = CartPoleTraining()
    model = build_cart_pole("CartPole-v1", hyperparameters=training.hyperparameters, seed=0)
    save(model, tmp_path / "agent")
    assert training.load(tmp_path / "agent").n_envs == 1
    with pytest.raises(AgentFileError, match="must be that of a registered task; got 'CartPole"):
        load(tmp_path / "agent")
    rewrite(tmp_path / "agent", id="evil:CartPole-v1")
    with pytest.raises(AgentFileError, match="id must be 'CartPole-v1'; got 'evil:CartPole-v1'"):
        training.load(tmp_path / "agent")


@pytest.fixture
def no_hang():
    """End a test that waits."""

    def hung(*_):
        pytest.fail("it hangs")  # no OSError, which would be taken for one of the file

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", ["fifo", "directory", "device", "loop", "dangling", "empty"])
@pytest.mark.parametrize("read", [load, read_description])
def test_what_is_no_regular_file(kind, read, tmp_path, no_hang):
    file = tmp_path / "agent.safetensors"
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "directory":
        file.mkdir()
    elif kind == "empty":
        file.touch()
    else:
        file.symlink_to({"device": "/dev/null", "loop": file, "dangling": "nowhere"}[kind])
    message = {"loop": "cannot be read", "dangling": "There is no", "empty": "is truncated"}
    with pytest.raises(AgentFileError, match=message.get(kind, "it is no regular file")) as error:
        read(file)
    assert str(error.value).count("\n") == 0


def test_a_pipe_next_to_the_file_is_not_read(saved, tmp_path, no_hang):
    agent_file(saved).write_bytes(b"")
    os.mkfifo(tmp_path / "agent.json")
    with pytest.raises(AgentFileError, match="truncated"):
        load(saved)


def test_links_are_followed(saved, tmp_path):
    (tmp_path / "link.safetensors").symlink_to(agent_file(saved))
    assert load(tmp_path / "link").num_timesteps == 108


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "a.safetensors/b"])
def test_paths_that_cannot_be(path, tmp_path):
    (tmp_path / "a.safetensors").touch()
    with pytest.raises(AgentFileError, match="cannot be read"):
        load(tmp_path / path)


def test_a_file_that_may_not_be_read(saved, monkeypatch):
    def denied(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", denied)  # tests may run as root, who reads anything
    with pytest.raises(AgentFileError, match=r"cannot be read \(Permission denied\)"):
        load(saved)


def test_sizes_are_refused_before_the_memory_is_taken(saved, monkeypatch):
    """Sizes that are possible one by one."""
    made = []
    monkeypatch.setattr(
        "neurotasks_baselines.training.build.FusedRecurrentPPO", lambda **_: made.append(1)
    )
    sizes = {"total_steps": 1, "num_envs": 2**16, "n_steps": 256, "whole_episodes": False}
    rewrite(saved, id="neurotasks/HarlowPixels-v0", task_kwargs={}, hyperparameters=sizes)
    with pytest.raises(AgentFileError, match=r"must take at most 4 GiB .*got 372\.\d GiB"):
        load(saved)
    assert not made


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04.", b"{}", b"\0" * 100, "zip"])
def test_other_files_with_the_suffix(saved, agent, content):
    file = agent_file(saved)
    if content == "zip":
        agent.save(file.with_suffix(".zip"))
        content = file.with_suffix(".zip").read_bytes()
    file.write_bytes(content)
    with pytest.raises(AgentFileError, match=r"is truncated, or no safetensors file|is damaged"):
        load(saved)


@pytest.mark.parametrize("fields", [{"id": "evil:Evil-v0"}, {"task_kwargs": {"task": "evil:TASK"}}])
def test_commands_refuse_in_one_line(saved, evil, fields, capsys, tmp_path):
    rewrite(saved, **fields)
    table = tmp_path / "trials.csv"
    assert main(["evaluate", str(saved), "--out", str(table)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"neurotasks evaluate: {saved}.safetensors describes an agent that")
    assert said.count("\n") == 1
    assert not table.exists()
    assert not evil.exists()
