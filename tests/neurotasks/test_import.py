"""What `import neurotasks` brings along, and what the package may never import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import neurotasks

HEAVY = {
    "torch",
    "stable_baselines3",
    "sb3_contrib",
    "matplotlib",
    "pandas",
    "neurotasks_baselines",
}
AGENTS = {"neurotasks_baselines", "torch", "stable_baselines3", "sb3_contrib"}
TESTS = sorted(Path(__file__).parent.rglob("*.py"))
MODULES = sorted(Path(neurotasks.__file__).parent.rglob("*.py"))


def loaded_by(code):
    command = [sys.executable, "-W", "error", "-c", f"{code}\nimport sys; print(*sys.modules)"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return {name.split(".")[0] for name in ran.stdout.split()}


def test_import_is_light():
    loaded = loaded_by("import neurotasks")
    assert {"gymnasium", "neurotasks"} <= loaded
    assert not loaded & (HEAVY | {"numba", "scipy"})


def test_recipes_are_read_without_pandas():
    assert not loaded_by("import neurotasks.datasets") & (HEAVY | {"pynwb"})


@pytest.mark.slow
def test_playing_needs_the_base_install_only():
    loaded = loaded_by(
        """
import gymnasium as gym, neurotasks, neurotasks.observers, neurotasks.episodes
for id in neurotasks.TASKS:
    env = gym.make(id, trial_log=True)
    env.reset()
    env.step(0)
    envs = gym.make_vec(id, num_envs=2, trial_log=True)
    envs.reset()
    envs.step([0, 0])
"""
    )
    assert "numba" in loaded
    assert not loaded & HEAVY


def imports(path, strings=True):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module
        elif strings and isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # importlib.import_module("...")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_nothing_points_back_to_the_agents(path):
    """But ``python -m neurotasks``, which is the command and nothing else."""
    if path.stem == "__main__":
        assert {*imports(path, strings=False)} == {"sys", "importlib"}
        return
    assert not {name.split(".")[0] for name in imports(path)} & AGENTS


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_tests_of_the_environments_need_no_agents(path):
    assert not {name.split(".")[0] for name in imports(path, strings=False)} & AGENTS


def test_rendering_is_given_plain_data():
    drawing = [path for path in MODULES if path.parent.name == "rendering"]
    found = {name for path in drawing for name in imports(path, strings=False)}
    ours = {name for name in found if name.startswith("neurotasks")}
    assert {n for n in ours if ".rendering" not in n} == {"neurotasks.errors"}


def test_the_walk_sees_the_package():
    found = {name for path in MODULES for name in imports(path)}
    assert {"gymnasium", "numba", "neurotasks.core.loops", "pandas"} <= found
