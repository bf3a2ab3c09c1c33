"""Processes: their cores, and pools that end with their parent."""

import os
import signal
import subprocess
import sys
import time

import pytest
from signals import accept_interrupts

from neurotasks_baselines import processes

PROGRAM = """
import multiprocessing, os, signal, time
from neurotasks_baselines.processes import worker_pool

if __name__ == "__main__":
    try:
        with worker_pool(2) as pool:
            ready = [pool.submit(time.sleep, 0.2) for _ in range(2)]
            [job.result() for job in ready]
            job = pool.submit(time.sleep, 600)  # one worker has work, the other waits for some
            workers = multiprocessing.active_children()
            for worker in workers:
                os.kill(worker.pid, signal.SIGINT)
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(600)
    except KeyboardInterrupt:
        print([worker.is_alive() for worker in workers])
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot")
def test_programs_are_confined_to_their_cores():
    allowed = os.sched_getaffinity(0)
    with processes.limited_to_cores(1):
        assert os.sched_getaffinity(0) == {min(allowed)}
        assert processes.available_cores() == 1
    assert os.sched_getaffinity(0) == allowed


@pytest.mark.slow
def test_workers_end_in_silence_when_the_user_interrupts(tmp_path):
    """Ctrl-C in a terminal reaches the workers too, in the middle of their jobs."""
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=accept_interrupts,
    )
    assert done.stderr == ""
    assert done.stdout == "[False, False]\n"


BUSY = """
import os, sys, time
from multiprocessing import active_children
from neurotasks_baselines.processes import worker_pool

def job(seconds):
    time.sleep(seconds)
    return os.getpid()

if __name__ == "__main__":
    with worker_pool(2) as pool:
        jobs = [pool.submit(job, float(sys.argv[1])) for _ in range(2)]
        print(*(worker.pid for worker in active_children()), flush=True)
        [job.result() for job in jobs]
        jobs = [pool.submit(job, 600) for _ in range(2)]
        print("busy", flush=True)
        [job.result() for job in jobs]
"""


@pytest.fixture
def busy(tmp_path):
    """Return a function that starts a program and returns it with the ids of its workers."""
    script, started = tmp_path / "busy.py", []
    script.write_text(BUSY)

    def busy(seconds):
        process = subprocess.Popen(
            [sys.executable, str(script), str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=accept_interrupts,
            start_new_session=True,  # so that a test can signal the whole group, as a terminal does
        )
        started.append(process)
        return process, [int(pid) for pid in process.stdout.readline().split()]

    yield busy
    for process in started:
        process.kill()
        process.communicate()


def ended(pids, seconds=20.0):
    """Return whether processes end within some seconds; those that nobody waits for count too."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(map(alive, pids)):
        time.sleep(0.05)
    return not any(map(alive, pids))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


linux = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs Linux's /proc")


@linux
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["busy", "starting"])
def test_workers_end_with_their_parent(number, moment, busy):
    process, workers = busy(0)
    if moment == "busy":
        assert process.stdout.readline() == "busy\n"
    assert len(workers) == 2
    process.send_signal(number)
    process.wait()
    assert ended(workers)


@linux
@pytest.mark.slow
def test_an_early_interrupt_ends_in_one_traceback(busy):
    """Workers that are still importing say nothing of it."""
    process, workers = busy(0)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate()
    assert stderr.count("Traceback") == 1
    assert stderr.rstrip().endswith("KeyboardInterrupt")
    assert ended(workers)


@linux
@pytest.mark.slow
def test_a_worker_killed_by_the_system_ends_all(busy):
    process, workers = busy(0)
    assert process.stdout.readline() == "busy\n"
    os.kill(workers[0], signal.SIGKILL)
    _, stderr = process.communicate()
    assert "BrokenProcessPool" in stderr.rstrip().splitlines()[-1]
    assert ended(workers)


FAILING = """
import sys, time
from neurotasks_baselines.processes import worker_pool

def fail():
    raise ValueError("failed")

if __name__ == "__main__":
    with worker_pool(2) as pool:
        pool.submit(time.sleep, 600)
        pool.submit(fail).result()
"""


@pytest.mark.slow
def test_an_error_does_not_wait_for_other_jobs(tmp_path):
    script = tmp_path / "failing.py"
    script.write_text(FAILING)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr.rstrip().endswith("ValueError: failed")
