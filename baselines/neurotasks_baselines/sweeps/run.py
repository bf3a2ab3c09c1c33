"""Runs a sweep: only what is missing, on any engine; in the end a table and a page."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from neurotasks.errors import require
from neurotasks_baselines.locks import locked
from neurotasks_baselines.sweeps.jobs import SweepJob, name, run
from neurotasks_baselines.sweeps.page import write_page
from neurotasks_baselines.sweeps.search import Search
from neurotasks_baselines.sweeps.spec import Setting, Sweep
from neurotasks_baselines.sweeps.table import SweepTable, objective, summary
from neurotasks_baselines.training.jobs import Engine, job_pool
from neurotasks_baselines.training.progress import Display

TRAININGS = "trainings"


def run_sweep(
    sweep: Sweep,
    out: str | Path,
    *,
    engine: Engine | None = None,
    workers: int | None = None,
    batch: int = 1,
    imports: Sequence[Path] = (),
) -> pd.DataFrame:
    """Run the trainings of a sweep that are missing in a directory.

    The directory gets ``table.parquet`` and ``table.csv`` with one row per training, figures,
    ``index.html``, ``best.json`` with the hyperparameters of the best setting, and the trainings in
    ``trainings/``, where TensorBoard finds them. Trainings that are there already, from whatever
    sweep, are not done again: values and seeds may be added.

    Args:
        sweep: What to train.
        out: Directory to write to.
        engine: Where the jobs run; in processes of this machine by default.
        workers: Number of jobs that run at once, at most; as many as there are cores by default.
        batch: Number of jobs that are handed to a worker as one.
        imports: Python files that register custom tasks.

    Returns:
        The table.

    Raises:
        DependencyNotInstalled: If the extra ``sweep`` is not installed.
        SweepError: If the objective is none of the measures.
        RunDirectoryError: If the directory holds another search.
        RunLockedError: If another process writes to the directory.
        EngineError: If the engine cannot be reached.
        JobLostError: If the engine could not run a job to its end.
    """
    require("pyarrow", "sweep")
    out, engine = Path(out), engine or Engine()
    engine.check_installed()
    with locked(out):
        table = SweepTable(sweep, out)
        search = Search(sweep, out) if sweep.trials is not None else None
        settings = search.settings() if search else enumerate(sweep.settings())
        jobs = (job for numbered in settings for job in jobs_of(sweep, out, numbered, imports))

        def add(job: SweepJob, result: dict[str, Any]) -> None:
            of_setting = table.add(job, result)
            if search and len(of_setting) == len(sweep.targets) * len(sweep.seeds):
                search.tell(job.number, summary(objective(sweep, of_setting)))

        def missing() -> Iterator[SweepJob]:
            for job in jobs:
                found = job.result(job.made_by)
                if found is None:
                    yield job
                else:
                    add(job, found)

        with (
            Display({name(*key): 1.0 for key in keys(sweep)}) as display,
            job_pool(engine, out, workers) as pool,
        ):

            def show(running: Collection[SweepJob]) -> None:
                display.show({}, {str(job): job.status() for job in running}, table.names)
                table.write_now_and_then()

            for job, result in pool.run(run, missing(), batch=batch, on_wait=show):
                add(job, result)
            show([])
        found = table.write()
        write_page(sweep, found, out)
        return found


def keys(sweep: Sweep) -> Iterator[tuple[str, int, int]]:
    """Return target, number of the setting and seed of every job."""
    for number in range(sweep.num_settings):
        for target in sweep.targets:
            for seed in sweep.seeds:
                yield target, number, seed


def jobs_of(
    sweep: Sweep, out: Path, numbered: tuple[int, Setting], imports: Sequence[Path]
) -> Iterator[SweepJob]:
    """Return the jobs of a setting.

    Args:
        sweep: Sweep.
        out: Its directory.
        numbered: Number of the setting, and its values.
        imports: Python files that register custom tasks.
    """
    number, setting = numbered
    for target in sweep.targets:
        for seed in sweep.seeds:
            root, files = out / TRAININGS, tuple(imports)
            yield SweepJob(target, number, setting, seed, root, sweep.evaluations, files)
