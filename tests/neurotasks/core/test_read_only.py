"""Installations that cannot be written, that are zips, or that hold no sources."""

import compileall
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import neurotasks

SOURCE = Path(neurotasks.__file__).parent
PROGRAM = (
    "import gymnasium as gym, neurotasks; e = gym.make('neurotasks/Bandit-v0'); "
    "e.reset(seed=0); e.step(0); "
    "print('ok' if neurotasks.normalized_score('neurotasks/Bandit-v0', 60) > 0 else 'low')"
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder for compiled code that the installations share."""
    return tmp_path_factory.mktemp("kept")


def copied(folder):
    shutil.copytree(SOURCE, folder / "neurotasks", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def run(command, place, **variables):
    inherited = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    variables = inherited | {"PYTHONPATH": str(place)} | variables
    return subprocess.run(command, env=variables, cwd="/", capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs namespaces of mounts")
def test_a_read_only_installation_without_a_home(tmp_path):
    place = copied(tmp_path)
    script = (
        f"mount --bind {place} {place} && mount -o remount,ro,bind {place} || exit 77; "
        f'{sys.executable} -c "{PROGRAM}"'
    )
    found = run(
        ["unshare", "-m", "bash", "-c", script],
        place,
        HOME="/proc/none",
        XDG_CACHE_HOME="/proc/none",
    )
    if found.returncode == 77 or "unshare" in found.stderr:
        pytest.skip("cannot mount here")
    assert found.stdout == "ok\n", found.stderr
    assert "NUMBA_CACHE_DIR" in found.stderr


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["-OO"]])
def test_a_zip(tmp_path, kept, options):
    place = shutil.make_archive(str(tmp_path / "site"), "zip", copied(tmp_path / "site"))
    found = run([sys.executable, *options, "-c", PROGRAM], place, NUMBA_CACHE_DIR=str(kept))
    assert (found.stdout, found.stderr) == ("ok\n", "")


@pytest.mark.slow
def test_an_installation_without_sources(tmp_path, kept):
    place = copied(tmp_path)
    compileall.compile_dir(place, legacy=True, quiet=2)
    for file in place.rglob("*.py"):
        file.unlink()
    found = run([sys.executable, "-c", PROGRAM], place, NUMBA_CACHE_DIR=str(kept))
    assert (found.stdout, found.stderr) == ("ok\n", "")
