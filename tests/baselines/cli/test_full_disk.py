"""A full disk and a read-only one, for real: file systems of their own."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.full]

PROGRAM = Path(__file__).parents[2] / "support/full_disk.py"
MOUNT = "mount -t tmpfs -o size=1M tmpfs"


def in_a_namespace(script, *words):
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *map(str, words)],
        capture_output=True,
        text=True,
    )


def attempts(folder, script):
    """Return what became of every command that writes, by name."""
    try:
        allowed = in_a_namespace(f"{MOUNT} $1", folder).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("needs the right to mount a file system")
    run = in_a_namespace(f"{script} && $2 -W ignore $3 $1", folder, sys.executable, PROGRAM)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    return attempts(tmp_path_factory.mktemp("disk"), f"{MOUNT} $1")


def test_every_command_says_in_one_line_that_the_disk_is_full(tried):
    for name, found in tried.items():
        assert found["status"] == 1, name
        assert found["error"].count("\n") == 1, (name, found["error"])
        assert "No space left on device" in found["error"]
        assert "Make room there, and run the same command again." in found["error"]


def test_no_table_is_torn(tried):
    for name in ("evaluate", "play", "figure"):
        assert tried[name]["left"] == ["ballast"], name
    assert tried["rpe"]["left"] == ["ballast", "t.csv"]  # which is whole
    assert not [path for path in tried["benchmark"]["left"] if path.endswith(".json")]
    left = tried["reproduce"]["left"]
    assert not {"rep/index.html", "rep/two-step-a2c.png"} & set(left)


def test_training_resumes_once_there_is_room(tried):
    assert tried["train"]["again"] == tried["checkpoint"]["again"] == 0
    left = {path.rpartition("/")[2] for path in tried["checkpoint"]["left"]}
    assert not {name for name in left if name.endswith(".new") or len(name) > 60}


def test_a_read_only_folder_is_refused_before_the_work(tmp_path):
    tried = attempts(tmp_path, f"{MOUNT} $1 && mount -o remount,ro $1")
    for name, found in tried.items():
        assert found["status"] == 1, name
        assert re.fullmatch(r"neurotasks .*Choose a place where you may write.*\n", found["error"])
