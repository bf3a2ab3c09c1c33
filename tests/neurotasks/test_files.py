"""Files that are never seen half-written."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurotasks.files import check_writable, replacing, write_whole
from neurotasks.trials import write_trials

ROOT = os.geteuid() == 0  # who may write anywhere


def test_the_old_text_or_the_new_one(tmp_path, monkeypatch):
    """Interrupted in between, the old file is still there, and nothing else."""

    def killed(*_):
        raise KeyboardInterrupt

    file = tmp_path / "file.json"
    write_whole(file, "old")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_whole(file, "new")
    assert file.read_text() == "old"
    write_whole(str(file), "newer ü")
    assert file.read_text(encoding="utf-8") == "newer ü"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_is_followed_and_the_suffix_kept(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    with replacing(tmp_path / "link.csv") as new:
        assert new.suffix == ".csv"
        new.write_text("new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "new"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_full_disk_leaves_the_old_table(kind, tmp_path):
    """A limit on the size of files stands for the disk; no part of the new table is seen."""
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"trials.{kind}"
    write_trials(pd.DataFrame({"choice": [0, 1]}), path)
    before = path.read_bytes()
    table = pd.DataFrame({"reward": np.random.default_rng(0).random(100_000)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match=f"too large.*trials.{kind}") as caught:
            write_trials(table, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_killed_while_writing_the_old_table_is_whole(tmp_path):
    path = tmp_path / "trials.csv"
    write_trials(pd.DataFrame({"choice": [0, 1]}), path)
    program = f"""
        import numpy as np, pandas as pd
        from neurotasks.trials import write_trials
        table = pd.DataFrame({{"reward": np.zeros(2_000_000)}})
        print("writing", flush=True)
        write_trials(table, {str(path)!r})
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE
    ) as writer:
        writer.stdout.readline()
        while len(list(tmp_path.iterdir())) < 2:
            assert writer.poll() is None
        writer.kill()
    assert pd.read_csv(path)["choice"].tolist() == [0, 1]


@pytest.mark.parametrize("write", [check_writable, lambda path: write_whole(path, "text")])
def test_places_that_cannot_be_written_are_named(write, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.csv").mkdir()
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "null.csv").symlink_to(os.devnull)  # what replaced it would be lost to all
    wrong = {tmp_path / "file" / "t.csv": OSError, tmp_path / "folder.csv": IsADirectoryError}
    wrong |= {tmp_path / "pipe.csv": OSError, tmp_path / "null.csv": OSError}
    wrong |= {} if ROOT else {locked / "t.csv": PermissionError}
    for path, error in wrong.items():
        with pytest.raises(error) as caught:
            write(path)
        assert caught.value.filename == str(path)
    assert not list(locked.iterdir())
    write(tmp_path / "new" / "folder" / "t.csv")
