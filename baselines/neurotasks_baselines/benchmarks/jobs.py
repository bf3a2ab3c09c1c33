"""What it costs to run jobs on an engine: many short ones, which only sleep.

``python -m neurotasks_baselines.benchmarks.jobs --ray local --batch 10`` writes a line of JSON:
the seconds until the first job has ended, and how much longer the others took than they sleep.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from neurotasks_baselines.training.jobs import Engine, job_pool


def measure(
    engine: Engine, jobs: int, seconds: float, batch: int, workers: int | None = None
) -> dict[str, Any]:
    """Run jobs that sleep.

    Args:
        engine: Where they run.
        jobs: Number of jobs.
        seconds: Duration of each.
        batch: Number of jobs handed over as one.
        workers: Number of jobs that run at once, at most.

    Returns:
        Seconds of the start (until every worker had a first job), those of the jobs beyond their
        own, in all and per job, and the peak memory of this process in MB.
    """
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        with job_pool(engine, Path(folder).absolute(), workers) as pool:
            first = [1.0] * pool.workers  # long enough for all workers to start
            for _ in pool.run(time.sleep, first):
                pass
            started = time.perf_counter()
            for _ in pool.run(time.sleep, [seconds] * jobs, batch=batch):
                pass
            took = time.perf_counter() - started
            own = seconds * jobs / pool.workers
    return {
        "engine": engine.name or "processes",
        "jobs": jobs,
        "seconds": seconds,
        "batch": batch,
        "workers": pool.workers,
        "start": round(started - begun, 2),
        "took": round(took, 2),
        "beyond_own": round(took / own - 1, 4) if own else None,
        "overhead_per_job": round((took - own) * pool.workers / jobs, 6),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ray", help="address of Ray (processes of this machine by default)")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    engine = Engine(ray=options.ray)
    found = measure(engine, options.jobs, options.seconds, options.batch, options.workers)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
