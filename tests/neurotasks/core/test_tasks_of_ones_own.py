"""Tasks written in a notebook, at a prompt, in a function, or in files that change."""

import importlib
import linecache
import os
import subprocess
import sys

import numba
import pytest

from neurotasks.errors import TaskDefinitionError

CELL = '''
import dataclasses, numpy as np
from neurotasks.core.parameters import Parameters, parameter
from neurotasks.core.rules import rule, uniform
from neurotasks.core.task import Field, Task
@dataclasses.dataclass(frozen=True)
class Coin(Parameters):
    """Coin."""
    trials: int = parameter(5, "trials", "made up", low=1, high=100)
REWARD = 1.0
@rule
def begin(lane, p): lane.luck = 0.0
@rule
def new_trial(lane, p): lane.luck = uniform(lane)
@rule
def reward(lane): return REWARD if lane.luck < 2 else 0.0
@rule
def step(lane, p, action): return reward(lane), True
@rule
def observe(lane, p, stimulus): stimulus[0] = 1.0
TASK = Task(name="Coin", doc="Coin.", parameters=Coin, state={"luck": Field(np.float64, "luck")},
    actions=lambda p: ("toss",), stimulus=lambda p: ("go",), reward_range=lambda p: (0.0, 9.0),
    begin=begin, new_trial=new_trial, step=step, observe=observe)
'''


RULES = {
    "return None": "TypingError: failed to unpack none",
    "return 1.0": "TypingError: failed to unpack float64",
    "return 1.0, True, 0": "expected 2, got 3",
    "lane.chocie = 1; return 1.0, True": "KeyError: 'chocie'",
    "return 'a', True": "TypingError: No implementation",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def fresh(folder, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(folder))


def run(cell, scope, name="<stdin>"):
    """Run a cell, whose source only `linecache` knows, as IPython does."""
    linecache.cache[name] = len(cell), None, cell.splitlines(True), name
    exec(compile(cell, name, "exec"), scope)
    return scope["TASK"]


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_with_a_mistake(rule):
    cell = CELL.replace("return reward(lane), True", rule)
    with pytest.raises(TaskDefinitionError, match="The rules of Coin must compile") as caught:
        run(cell, {})()
    assert RULES[rule] in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_mistake_where_rules_are_ordinary_python():
    """It is told as it is, not as an action that is refused."""
    cell = CELL.replace("return reward(lane), True", "return None")
    code = f"{cell}\nenv = TASK()\nenv.reset(seed=0)\nenv.step(0)\n"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
    )
    assert found.stderr.splitlines()[-1] == "TypeError: cannot unpack non-iterable NoneType object"


def paid(task):
    """Return the reward of the first step."""
    env = task()
    env.reset(seed=0)
    return env.step(0)[1]


@pytest.mark.parametrize(
    "name",
    [
        *("/cell/1234.py", "<stdin>", "<ipython-input-1-2fcf5c5d2b3a>", "<string>", ""),
        *("/any/ipykernel_4711/2345.py", "Untitled cell é", "x" * 5000),
    ],
)
def test_a_task_in_a_notebook_or_at_the_prompt(name):
    scope = {"__name__": "__main__"}
    assert paid(run(CELL, scope, name)) == 1.0


def test_a_cell_that_runs_again_counts():
    scope = {"__name__": "__main__"}
    assert paid(run(CELL, scope)) == 1.0
    assert paid(run(CELL.replace("REWARD = 1.0", "REWARD = 2.0"), scope)) == 2.0
    assert paid(run(CELL.replace("reward(lane), True", "3 * reward(lane), True"), scope)) == 3.0
    assert paid(run(CELL, scope)) == 1.0


def test_a_constant_that_changes_counts_for_new_environments():
    scope = {"__name__": "__main__"}
    task = run(CELL, scope)
    assert paid(task) == 1.0
    scope["REWARD"] = 4.0
    assert paid(task) == 4.0
    envs = task(num_envs=2)
    envs.reset(seed=0)
    assert envs.step([0, 0])[1].tolist() == [4.0, 4.0]
    scope["REWARD"] = 1.0
    assert paid(task) == 1.0


def test_a_module_that_may_not_be_imported_is_no_hindrance(monkeypatch):
    monkeypatch.setitem(sys.modules, "forbidden", None)
    assert paid(run(CELL, {"__name__": "in_no_module"})) == 1.0


def test_rules_in_a_function():
    scope = {"__name__": "__main__"}
    lines = CELL.splitlines()
    inside = "".join(f"    {line}\n" for line in lines if not line.startswith("REWARD"))
    exec(f"def make(REWARD):\n{inside}    return TASK\n", scope)
    assert [paid(scope["make"](reward)) for reward in (1.0, 5.0, 1.0)] == [1.0, 5.0, 1.0]


def test_a_module_that_is_edited_and_imported_again(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # edited within a second
    file = tmp_path / "coin_of_mine.py"
    file.write_text(CELL)
    module = importlib.import_module("coin_of_mine")
    assert paid(module.TASK) == 1.0
    file.write_text(CELL.replace("REWARD = 1.0", "REWARD = 6.0"))
    assert paid(importlib.reload(module).TASK) == 6.0
    del sys.modules["coin_of_mine"]


IMPORTED = """
import coin
env = coin.TASK()
env.reset(seed=0)
print(env.step(0)[1], sum(env._lanes.loops.step_lane.stats.cache_hits.values()))
"""
IN_NO_MODULE = """
import importlib.util
spec = importlib.util.spec_from_file_location("in_no_module", "coin.py")
coin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(coin)
""" + IMPORTED.replace("import coin", "")


@pytest.mark.slow
def test_a_constant_from_a_third_file_counts_in_later_processes(tmp_path):
    file, helper, third = (tmp_path / name for name in ("coin.py", "helper.py", "third.py"))
    file.write_text(
        CELL.replace("REWARD = 1.0", "import helper").replace("REWARD", "helper.twice()")
    )
    helper.write_text("import third\nfrom neurotasks.core.rules import rule\n@rule\n"
                      "def twice(): return 2 * third.HALF\n")  # fmt: skip
    folders = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    variables = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": folders}

    def said(program, half):
        third.write_text(f"HALF = {half}\n")
        return subprocess.check_output(
            [sys.executable, "-B", "-c", program], cwd=tmp_path, env=variables, text=True
        )

    assert said(IMPORTED, 1.0) == "2.0 0\n"
    assert said(IMPORTED, 3.5) == "7.0 0\n"
    assert said(IMPORTED, 1.0) == "2.0 1\n"
    for _ in range(2):  # compiled code refers to the modules of its rules, which may be gone
        assert said(IN_NO_MODULE, 5.0) == "10.0 0\n"
