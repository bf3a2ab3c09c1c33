"""Processes: their cores, and pools that end with their parent."""

import os
import subprocess
import sys

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
