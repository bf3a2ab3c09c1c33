"""``neurotasks doctor``, in health and with what it looks at broken."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from neurotasks_baselines.cli import doctor
from neurotasks_baselines.cli.main import main

ROOT = Path(__file__).parents[3]


def examine(capsys, *words):
    """Run the command; return its exit status and what it prints as JSON."""
    status = main(["doctor", "--json", *words])
    return status, json.loads(capsys.readouterr().out)


def results(found):
    return {check["name"]: check["result"] for check in found["checks"]}


def test_the_packages_are_those_of_the_extras():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {"base": project["dependencies"], **project["optional-dependencies"]}
    for extra, packages in doctor.PACKAGES.items():
        names = [re.match(r"[\w-]+(\[\w+\])?", wanted)[0] for wanted in extras[extra]]
        assert set(packages) == {name for name in names if "[" not in name}


@pytest.mark.slow
def test_all_is_well(capsys):
    status, found = examine(capsys)
    assert status == 0
    assert set(results(found).values()) == {"PASS"}
    assert found["packages"]["base"]["numpy"] == version("numpy")
    assert "kernels" in found["threads"]["thread pools"]
    assert "GB free" in found["storage"]["working directory"]
    assert found["storage"]["compiled code in"].endswith("(writable)")


@pytest.mark.slow
def test_in_a_process_of_its_own(tmp_path):
    """Compiled by hand and without a home, it still says everything."""
    done = subprocess.run(
        [sys.executable, "-m", "neurotasks_baselines", "doctor"],
        env={
            "PYTHONPATH": ":".join(sys.path),
            "HOME": "/nonexistent",
            "NUMBA_DISABLE_JIT": "1",
            "OPENBLAS_CORETYPE": "Haswell",
            "SECRET": "not shown",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("PASS  ") for line in lines) == 4
    assert sum(line.startswith("WARN  ") for line in lines) == 2
    assert any("OPENBLAS_CORETYPE is set" in line for line in lines)
    assert "SECRET" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_no_failure(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_make", str)
    monkeypatch.setitem(doctor.PACKAGES, "baselines", {"nonesuch": "nonesuch.part"})
    status, found = examine(capsys)
    assert status == 0
    assert found["packages"]["baselines"] == {"nonesuch": "missing"}
    assert results(found)["an agent can be trained, saved and loaded"] == "SKIP"
    assert "without nonesuch; run `pip install" in found["checks"][-1]["detail"]


def test_whatever_is_broken_the_rest_is_said(monkeypatch, capsys, tmp_path):
    (tmp_path / "broken_module.py").write_text("raise OSError('libnone.so is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(doctor, "PACKAGES", {"base": {"numpy": "broken_module"}, "baselines": {}})
    monkeypatch.setattr(doctor, "KNOWN_REWARDS", "1" * 30)
    monkeypatch.setattr(doctor, "TASK", "neurotasks/Harlow-v0")
    monkeypatch.setattr(doctor, "_make", lambda: 1 / 0)
    monkeypatch.setattr(
        doctor.tempfile, "gettempdir", lambda: str(tmp_path / "broken_module.py" / "gone")
    )
    status, found = examine(capsys)
    assert status == 1
    assert set(results(found).values()) == {"FAIL"}
    assert "BROKEN (OSError: libnone.so is missing)" in found["packages"]["base"]["numpy"]
    assert found["checks"][1]["detail"] == "ZeroDivisionError: division by zero"
    assert found["storage"]["temporary files"].startswith("unknown (NotADirectoryError: ")
    assert found["system"]["python"].endswith(sys.prefix)


def test_a_cache_that_cannot_be_written_is_warned_of(monkeypatch):
    def refuse(**_):
        raise PermissionError("read-only")

    monkeypatch.setattr(doctor, "tempfile", SimpleNamespace(TemporaryFile=refuse))
    said = doctor._look(doctor._cache)
    assert said == "unknown (PermissionError: read-only)"
    assert "NUMBA_CACHE_DIR" in doctor._warnings({"compiled code in": said})[-1]
    assert doctor._warnings({"compiled code in": "here (writable)"}) == []


def test_wrong_numbers_fail(monkeypatch):
    assert doctor._check("step", doctor._step)["result"] == "PASS"
    monkeypatch.setattr(doctor, "KNOWN_REWARDS", doctor.KNOWN_REWARDS[::-1])
    assert doctor._check("step", doctor._step)["result"] == "FAIL"
