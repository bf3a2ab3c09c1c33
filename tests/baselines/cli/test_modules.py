"""``python -m neurotasks`` where the agents, or what they need, are not installed."""

import os
import re
import subprocess
import sys

import pytest

HIDING = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""


def run(tmp_path, hidden, *words):
    """Run ``python -m neurotasks`` in a process that finds some packages missing."""
    (tmp_path / "sitecustomize.py").write_text(HIDING.format(hidden=hidden))
    places = [tmp_path, *filter(None, sys.path)]
    return subprocess.run(
        [sys.executable, "-m", "neurotasks", *words],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )


def test_without_the_agents(tmp_path):
    done = run(tmp_path, ["neurotasks_baselines"], "list")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "neurotasks: the command is not installed. Run `pip install 'neurotasks[baselines]'`.\n"
    )


EXTRAS = ["torch", "stable_baselines3", "sb3_contrib", "pandas", "rich", "matplotlib", "filelock"]


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["train", "--help"]])
def test_without_the_extras_it_lists_and_helps(words, tmp_path):
    done = run(tmp_path, EXTRAS, *words)
    assert done.returncode == 0, done.stderr
    assert "neurotasks/TwoStep-v0" in done.stdout


@pytest.mark.parametrize(
    "words", [["train", "TwoStep"], ["train", "TwoStep", "--show"], ["reproduce"]]
)
def test_without_the_extras_it_names_what_to_install(words, tmp_path):
    done = run(tmp_path, EXTRAS, *words)
    assert done.returncode == 1
    assert done.stdout == ""
    needed = "(No module named .*[.] R|.* is not installed; r)un `pip install 'neurotasks"
    assert re.fullmatch(rf"neurotasks {words[0]}: {needed}\[baselines\]'`[.]\n", done.stderr)
