"""A Slurm of one node and two cores, as far as submitit uses one: a script with all its commands.

``SLURM_STUB`` is the directory of its state, where each job has its script and its state. A job
runs in a process group, which ends as Slurm ends one: SIGTERM, then SIGKILL.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

NAMES = ("sbatch", "srun", "scancel", "scontrol", "squeue")
CORES, GRACE = 2, 0.3
AT_WORK = ("PENDING", "RUNNING", "REQUEUED")


def install(folder):
    """Put the commands into a folder, and make one for the state; returns what to set."""
    commands, state = folder / "bin", folder / "state"
    commands.mkdir(parents=True)
    state.mkdir()
    for name in NAMES:
        command = commands / name
        command.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n')
        command.chmod(0o755)
    return {"PATH": f"{commands}:{os.environ['PATH']}", "SLURM_STUB": str(state)}


def state_of(job):
    return (STATE / f"{job}.state").read_text()


def set_state(job, state):
    new = STATE / f"{job}.new"
    new.write_text(state)
    new.replace(STATE / f"{job}.state")


def sbatch(script):
    job = next(n for n in range(1, 10_000) if not (STATE / f"{n}.sh").exists())
    (STATE / f"{job}.sh").write_text(Path(script).read_text())
    set_state(job, "PENDING")
    command = [sys.executable, __file__, "node", str(job)]
    quiet = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    subprocess.Popen(command, start_new_session=True, **quiet)
    sys.stdout.write(f"Submitted batch job {job}\n")


def node(job):
    """Run a job when a core is free, again as often as it is requeued."""
    restarts = 0
    while (state := run(job, restarts)) == "REQUEUED":
        set_state(job, state)
        restarts += 1
    set_state(job, state)


def run(job, restarts):
    with core(job):
        if asked(job, "cancel"):
            return "CANCELLED"
        given = {
            "SLURM_JOB_ID": job,
            "SLURM_RESTART_COUNT": str(restarts),
            "SLURM_JOB_NODELIST": "x",
        }
        script = ["bash", str(STATE / f"{job}.sh")]
        group = subprocess.Popen(script, env=os.environ | given, start_new_session=True)
        (STATE / f"{job}.group").write_text(str(group.pid))
        set_state(job, "RUNNING")
        while group.poll() is None:
            for word, state in (("cancel", "CANCELLED"), ("requeue", "REQUEUED")):
                if asked(job, word):
                    end(group)
                    return state
            time.sleep(0.02)
    if asked(job, "requeue"):  # it asked for that itself, and ended at once
        return "REQUEUED"
    return "FAILED" if group.returncode else "COMPLETED"


def end(group):
    os.killpg(group.pid, signal.SIGTERM)
    time.sleep(GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group.pid, signal.SIGKILL)
    group.wait()


def asked(job, word):
    try:
        (STATE / f"{job}.{word}").unlink()
    except FileNotFoundError:
        return False
    return True


@contextlib.contextmanager
def core(job):
    while True:
        for number in range(CORES):
            with open(STATE / f"core{number}", "w") as file, contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
                return
        if (STATE / f"{job}.cancel").exists():
            yield
            return
        time.sleep(0.05)


def srun(*words):
    """Replace this process by the command after the options."""
    options, words = {}, list(words)
    while words[0].startswith("--"):
        name, _, value = words.pop(0).partition("=")
        options[name] = value or (words.pop(0) if name in ("--output", "--error") else "")
    for name, number in (("--output", 1), ("--error", 2)):
        path = options[name].replace("%j", os.environ["SLURM_JOB_ID"]).replace("%t", "0")
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    ranks = dict.fromkeys(("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"), "0")
    sizes = dict.fromkeys(("SLURM_NTASKS", "SLURM_JOB_NUM_NODES"), "1")
    os.execvpe(words[0], words, os.environ | ranks | sizes)


def scancel(name):
    for job in named(name):
        (STATE / f"{job}.cancel").touch()


def scontrol(word, job):
    assert word == "requeue"
    (STATE / f"{job}.requeue").touch()


def squeue(header, format, name):
    assert (header, format) == ("--noheader", "--format=%i")
    sys.stdout.writelines(f"{job}\n" for job in named(name))


def named(option):
    """Return the jobs with a name that wait or run."""
    line = f"#SBATCH --job-{option.removeprefix('--')}\n"
    jobs = [file.stem for file in STATE.glob("*.state")]
    return [j for j in jobs if line in (STATE / f"{j}.sh").read_text() and state_of(j) in AT_WORK]


if __name__ == "__main__":
    STATE = Path(os.environ["SLURM_STUB"])
    globals()[sys.argv[1]](*sys.argv[2:])
