"""What the images of `containers/` rest on, since none can be built here.

An installation that nobody can write, whose compiled code is there or is for another processor;
a user id without a name; and no home.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numba
import pytest

import neurotasks
import neurotasks_baselines

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "containers/Dockerfile").read_text()
DEFINITION = (ROOT / "containers/apptainer.def").read_text()

TASK = "neurotasks/TwoStep-v0"
HOMES = {"no home": None, "a missing home": "/missing/home", "a read-only home": "/proc"}
# Only the folder $0 can be written, as /mnt: those above it may be closed to other users. So may
# those above the interpreter, hence the capability to read all.
AS_ANYBODY = """
mount --bind "$0" /mnt && mount -o remount,bind,ro / && cd /mnt || exit 77
exec setpriv --reuid=54321 --regid=54321 --clear-groups \
    --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search "$@"
"""
PROGRAM = f"""
import os, pwd
import gymnasium as gym, matplotlib.pyplot as plt, torch
import neurotasks

assert os.statvfs(neurotasks.__file__).f_flag & os.ST_RDONLY
assert os.getuid() == 54321 and 54321 not in [user.pw_uid for user in pwd.getpwall()]
env = gym.make("{TASK}")
env.reset(seed=0)
env.step(0)
plt.plot([1, 2])
plt.savefig("figure.png")
torch.optim.Adam([torch.zeros(1, requires_grad=True)]).step()
"""
COMMAND = ["-m", "neurotasks_baselines"]
TRAIN = [*COMMAND, "train", TASK, "--steps", "2000", "--out", "run"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return a folder with both packages, and with compiled code as the images have it."""
    folder = tmp_path_factory.mktemp("installed")
    for package in (neurotasks, neurotasks_baselines):
        shutil.copytree(Path(package.__file__).parent, folder / package.__name__)
    for words in ([*COMMAND, "doctor"], TRAIN):
        run = subprocess.run(
            [sys.executable, *words], cwd=folder, env=environment(folder), capture_output=True
        )
        assert run.returncode == 0, run.stderr
    return folder


def environment(installed, home=None, **variables):
    unset = {"HOME", "TMPDIR", "NUMBA_CACHE_DIR", "MPLCONFIGDIR", "XDG_CACHE_HOME"}
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    kept |= {"PYTHONPATH": str(installed), "PYTHONNOUSERSITE": "1"} | variables
    return kept if home is None else kept | {"HOME": home}


def as_anybody(words, place, env):
    """Run Python in a container's stead; skip where that is not allowed."""
    place.chmod(0o777)
    command = ["unshare", "--mount", "sh", "-c", AS_ANYBODY, str(place)]
    try:
        allowed = subprocess.run([*command, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("needs the rights to mount a file system and to change the user id")
    return subprocess.run(
        [*command, sys.executable, *words], env=env, capture_output=True, text=True
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "home",
    [
        pytest.param(home, id=name, marks=pytest.mark.full if home else [])
        for name, home in HOMES.items()
    ],
)
@pytest.mark.parametrize(
    ("words", "written"),
    [
        pytest.param(["-c", PROGRAM], "figure.png", id="import", marks=pytest.mark.full),
        pytest.param([*COMMAND, "doctor"], None, id="doctor", marks=pytest.mark.full),
        pytest.param(TRAIN, "run/agent.safetensors", id="train"),
    ],
)
def test_any_user_without_a_home_runs_what_is_compiled(home, words, written, installed, tmp_path):
    run = as_anybody(words, tmp_path, environment(installed, home))
    assert run.returncode == 0, run.stderr
    assert "CompilationCacheWarning" not in run.stderr
    assert written is None or (tmp_path / written).stat().st_uid == 54321


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_on_another_processor_each_process_compiles(installed, tmp_path):
    run = as_anybody(TRAIN, tmp_path, environment(installed, NUMBA_CPU_NAME="generic"))
    assert run.returncode == 0, run.stderr
    assert "CompilationCacheWarning" in run.stderr
    assert (tmp_path / "run/agent.safetensors").exists()


def section(name):
    """Return a section of the definition."""
    return re.search(rf"^%{name}\n(.*?)(?=^%|\Z)", DEFINITION, re.M | re.S)[1]


def words_of(text):
    return text.replace("\\\n", " ").split()


def test_both_recipes_run_the_same_commands():
    docker = re.findall(r"^RUN ((?:.*\\\n)*.*\n)", DOCKERFILE, re.M)
    assert words_of("set -e\n" + "".join(docker)) == words_of(section("post"))
    (base,) = re.findall("^FROM (.*)$", DOCKERFILE, re.M)
    assert f"\nFrom: {base}\n" in DEFINITION


def test_both_recipes_copy_what_the_build_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {"pyproject.toml", "constraints.txt", "hatch_build.py", "README.md"}
    needed |= {*project["project"]["license-files"], *(p.partition("/")[0] for p in packages)}
    copied = re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.M)
    assert set(" ".join(copied).split()) == needed
    assert dict(line.split() for line in section("files").splitlines() if line) == {
        path: f"/src/{path}" for path in needed
    }
    assert "cluster" in project["project"]["optional-dependencies"]
    assert "neurotasks" in project["project"]["scripts"]
